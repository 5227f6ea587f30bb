"""vesicula evidence pages."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from vesicula.cli.evidence_options import AS_OF, STORE, revision_of
from vesicula.dossier.evidence_pages import write_pages
from vesicula.evidence.store import open_store


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@STORE
@AS_OF
@click.option("--overwrite", is_flag=True, help="Replace older evidence pages in FOLDER.")
def pages(folder: Path, store: str | None, as_of: str | None, *, overwrite: bool) -> None:
    """Write static pages: one for each condition, source, molecule and tumour, trials, doubts, names, tables."""
    started = time.monotonic()
    progress = _Progress()
    with open_store(store) as opened:
        made = write_pages(opened, folder, as_of=revision_of(as_of), overwrite=overwrite, progress=progress.done)
    progress.close()
    click.echo(
        f"{made.pages} pages, {made.size_bytes / 1e6:.1f} MB, in {time.monotonic() - started:.1f} s. "
        f"Store version {made.version}."
    )
    click.echo(f"Open: {made.index}")


class _Progress:
    """A line on standard error, shown once the work has lasted two seconds."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = 0.0
        self._shown = False

    def done(self, done: int, total: int) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - self._start < 2 or (now - self._last < (0.2 if terminal else 10) and done < total):
            return
        self._last, self._shown = now, terminal
        left = (total - done) * (now - self._start) / done
        line = f"{done}/{total} pages, about {left:.0f} s to go"
        click.echo(f"\r{line:<60}" if terminal else line, err=True, nl=not terminal)

    def close(self) -> None:
        """End the line."""
        if self._shown:
            click.echo("", err=True)
