"""How far the work is, on standard error."""

from __future__ import annotations

import sys
import time

import click


class Progress:
    """A line on standard error, shown once the work has lasted two seconds; on a terminal it overwrites itself.

    Parameters
    ----------
    what : str
        What is counted, such as ``"frames"``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = self._begun = time.monotonic()
        self._last = 0.0
        self._step = ""

    def count(self, done: int, total: int | None) -> None:
        """Say how much is done, where there is but one step."""
        self.tell("", done, total)

    def tell(self, step: str, done: int, total: int | None) -> None:
        """Say how much of a step is done; shown five times a second, in a log every ten seconds and at the end."""
        now = time.monotonic()
        new, ended = step != self._step, total is not None and done >= total
        if new:
            self._step, self._begun = step, now
        terminal = sys.stderr.isatty()
        soon = now - self._last < (0.2 if terminal else 10)
        if now - self._start < 2 or (soon and not new and not ended):
            return
        self._last = now
        line = " ".join(part for part in (step, self._counted(done, total, now)) if part)
        click.echo(f"\r{line:<60}" if terminal else line, err=True, nl=not terminal)

    def _counted(self, done: int, total: int | None, now: float) -> str:
        if not done:
            return ""
        if total is None:
            return f"{done} {self._what}"
        if now - self._begun < 1:
            return f"{done}/{total} {self._what}"
        left = (total - done) * (now - self._begun) / done
        return f"{done}/{total} {self._what}, about {left:.0f} s to go"

    def close(self) -> None:
        """End the line."""
        if self._last and sys.stderr.isatty():
            click.echo(err=True)
