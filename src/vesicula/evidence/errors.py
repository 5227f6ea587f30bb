"""Errors of the evidence store. Each says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vesicula.core.errors import VesiculaError
from vesicula.evidence.model import Problem


class StoreError(VesiculaError):
    """The store cannot be opened, read or written; nothing was changed."""


class ImportRefused(VesiculaError, ValueError):
    """A file of claims was refused as a whole; the store is as before.

    Parameters
    ----------
    path : pathlib.Path or str
        The file.
    problems : sequence of Problem
        Everything that is wrong with it, in the order of its rows.
    """

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.path = Path(path)
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{self.path}: nothing was imported: {count} problem{'' if count == 1 else 's'}"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes."""
        return (type(self), (self.path, self.problems))
