"""The error tree.

* VesiculaError                 anything that the user can remedy
  - UnreadableFile              a file that cannot be read as what it claims to be
    + UnknownFormat             no reader recognises the file
    + AmbiguousFormat           several readers do
  - ManifestError               study.yaml does not hold together
  - AnalysisError               a question that the data cannot answer
  - DossierError                an output that cannot be written or verified

The command line catches :class:`VesiculaError` alone, prints one line and exits with 1. Any other exception
is a defect of vesicula and shows its traceback.
"""

from __future__ import annotations

from pathlib import Path


class VesiculaError(Exception):
    """Anything that goes wrong for a reason the user can see and remedy."""


class UnreadableFile(VesiculaError, ValueError):
    """A file cannot be read as the format it claims to be.

    Parameters
    ----------
    path : pathlib.Path or str
        The file concerned.
    where : str
        The place in the file, such as ``"line 87, column 3"``, or ``"whole file"``.
    expected, found : str
        What the format demands there, and what stands there instead (shortened if long).
    remedy : str
        What the user can do about it.
    """

    def __init__(self, path: Path | str, *, where: str, expected: str, found: str, remedy: str) -> None:
        self.path = Path(path)
        self.where = where
        self.expected = expected
        self.found = shorten(found)
        self.remedy = remedy
        super().__init__(f"{self.path}: {where}: expected {expected}, found {self.found}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes, which keyword-only arguments would not."""
        return (_rebuild_unreadable, (type(self), self.path, self.where, self.expected, self.found, self.remedy))


def _rebuild_unreadable(
    cls: type[UnreadableFile], path: Path, where: str, expected: str, found: str, remedy: str
) -> UnreadableFile:
    return cls(path, where=where, expected=expected, found=found, remedy=remedy)


class UnknownFormat(UnreadableFile):
    """No registered reader recognises the content of the file."""


class AmbiguousFormat(UnreadableFile):
    """More than one registered reader recognises the content of the file."""


class ManifestError(VesiculaError, ValueError):
    """study.yaml does not hold together.

    Parameters
    ----------
    path : pathlib.Path or str
        The manifest.
    problems : sequence of tuple of (int, str)
        Line number (1-based; 0 when no line is to blame) and message of each problem.
    """

    def __init__(self, path: Path | str, problems: list[tuple[int, str]]) -> None:
        self.path = Path(path)
        self.problems = list(problems)
        lines = "\n".join(
            f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}" for line, message in self.problems
        )
        super().__init__(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes."""
        return (type(self), (self.path, self.problems))


class SettingsError(VesiculaError, ValueError):
    """An instrument's description or a setting of an analysis cannot be; the message says which and what can."""


class AnalysisError(VesiculaError, ValueError):
    """The data cannot answer the question put to them."""


class DossierError(VesiculaError):
    """An output cannot be written, or does not hold on verification."""


def shorten(text: str, limit: int = 80) -> str:
    """Cut a text taken from a file so that an error stays one readable line.

    Parameters
    ----------
    text : str
        Any text, possibly long, possibly with control characters.
    limit : int
        Longest result, in characters.

    Returns
    -------
    str
        The text with control characters escaped, cut in the middle if need be.
    """
    clean = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: 4 * limit])
    if len(clean) > limit:
        half = (limit - 5) // 2
        clean = f"{clean[:half]} ... {clean[-half:]}" if len(text) <= 4 * limit else f"{clean[: limit - 4]} ..."
    return clean
