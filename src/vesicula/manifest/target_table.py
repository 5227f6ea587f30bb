"""The user's table of miRNA targets, read so that whatever is wrong with it is one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vesicula.core.errors import UnreadableFile

if TYPE_CHECKING:
    from vesicula.mechanism.targets import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTable:
    """A table of targets, or why there is none.

    Parameters
    ----------
    targets : Targets or None
        The table; None where it cannot be used.
    fault, remedy : str
        What is wrong with it, and what to do; both empty where nothing is.
    """

    targets: Targets | None
    fault: str = ""
    remedy: str = ""


def read_target_table(path: Path) -> TargetTable:
    """Read a table of miRNA targets.

    Parameters
    ----------
    path : pathlib.Path
        As :func:`vesicula.mechanism.targets.read_targets` takes it.

    Returns
    -------
    TargetTable
        Never raises for a faulty table: of many faults the first is named and the others are counted.
    """
    # Reading targets brings the mechanism tables along: only where a study names a table.
    from vesicula.evidence.errors import ImportRefused
    from vesicula.mechanism.targets import read_targets

    try:
        return TargetTable(targets=read_targets(path))
    except UnreadableFile as error:
        fault = f"{error.where}: expected {error.expected}, found {error.found}"
        return TargetTable(targets=None, fault=fault, remedy=error.remedy)
    except ImportRefused as error:
        more = len(error.problems) - 1
        fault = f"{error.problems[0]}{f'; and {more} more problems' if more > 0 else ''}"
        return TargetTable(targets=None, fault=fault, remedy="Correct or remove these rows.")
