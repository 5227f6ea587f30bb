"""One thing to say about a manifest, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to say about a manifest or about the folder that it describes.

    Parameters
    ----------
    line : int
        Line of the manifest, from 1; 0 when no line is to blame.
    severity : {"error", "warning", "note"}
        ``"error"``: the manifest cannot be used. ``"warning"``: it can, but look at this. ``"note"``: for
        information, such as which part of the dossier will be empty.
    message : str
        What is the matter, in one sentence.
    remedy : str
        What to do about it; empty when the message says so already.
    missing_file : bool
        Whether it is only that a listed file is not there: an analysis can go on without it.
    """

    line: int
    severity: Severity
    message: str
    remedy: str = ""
    missing_file: bool = False

    @property
    def text(self) -> str:
        """Message and remedy in one."""
        return f"{self.message} {self.remedy}".rstrip()


def error(line: int, message: str, remedy: str = "") -> Problem:
    """Return a problem of severity ``"error"``.

    Parameters
    ----------
    line : int
        Line, from 1; 0 for none.
    message, remedy : str
        As in `Problem`; a full stop is added to each.

    Returns
    -------
    Problem
        The error.
    """
    return _problem("error", line, message, remedy)


def warning(line: int, message: str, remedy: str = "") -> Problem:
    """Return a problem of severity ``"warning"``; parameters as in `error`."""
    return _problem("warning", line, message, remedy)


def note(line: int, message: str, remedy: str = "") -> Problem:
    """Return a problem of severity ``"note"``; parameters as in `error`."""
    return _problem("note", line, message, remedy)


def _problem(severity: Severity, line: int, message: str, remedy: str) -> Problem:
    return Problem(line=line, severity=severity, message=_sentence(message), remedy=_sentence(remedy))


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."
