"""What is not known, as priors: each parameter with its range, source and sureness, and draws from them.

A prior is triangular between its low and high end with the mode at the default value; in the logarithm where its scale
is ``log``. A range says less than a distribution would, and the triangle says no more than a range and a best guess do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import ParticleClass

TABLE = "isolation_priors.tsv"
COLUMNS = ("id", "value", "low", "high", "scale", "unit", "source", "sureness", "checked", "meaning")
OF_CLASSES = ("median_nm", "shell_density_g_per_ml", "core_density_g_per_ml", "protein_mass_fraction")
OF_MARKERS = ("positive_fraction", "copies_median")
DECADE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """One uncertain parameter.

    Parameters
    ----------
    name : str
        Such as ``"pellet_loss"`` or ``"exosome.median_nm"``.
    value, low, high : float
        Best guess and range; low <= value <= high.
    log : bool
        Whether the triangle stands over the logarithm.
    unit, source, sureness, meaning : str
        Sureness is ``"H"``, ``"M"`` or ``"L"``.
    checked : bool
        Whether the source was read.
    """

    name: str
    value: float
    low: float
    high: float
    log: bool
    unit: str
    source: str
    sureness: str
    meaning: str
    checked: bool

    def quantile(self, p: FloatArray) -> FloatArray:
        """Return quantiles of the triangular prior; shape of `p` (0 to 1)."""
        low, mode, high = (np.log(x) if self.log else x for x in (self.low, self.value, self.high))
        width, rise = high - low, mode - low
        at_mode = rise / width
        p = np.asarray(p, dtype=np.float64)
        up = low + np.sqrt(p * width * rise)
        down = high - np.sqrt((1.0 - p) * width * (high - mode))
        found = np.where(p < at_mode, up, down)
        return np.asarray(np.exp(found) if self.log else found, dtype=np.float64)


@cache
def method_priors() -> Mapping[str, Prior]:
    """Return the packaged priors of methods and feeds by name.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_priors(files("vesicula.data").joinpath(TABLE).read_text(encoding="utf-8"))


def parse_priors(text: str, *, name: str = TABLE) -> Mapping[str, Prior]:
    """Parse a table of priors: tab-separated, with a header of `COLUMNS`."""
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise _error(name, 1, f"the header {', '.join(COLUMNS)}", "\t".join(rows[0]) if rows else "nothing")
    found: dict[str, Prior] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS) or row[4] not in ("linear", "log") or row[7] not in ("H", "M", "L") or not row[6]:
            raise _error(name, line, "ten cells with scale linear or log, a source and a sureness", " | ".join(row))
        try:
            value, low, high = (float(cell) for cell in row[1:4])
        except ValueError:
            raise _error(name, line, "three numbers", " | ".join(row[1:4])) from None
        if not low <= value <= high or not low < high or (row[4] == "log" and low <= 0) or row[0] in found:
            raise _error(name, line, "low <= value <= high, low < high, each id once", " | ".join(row[:4]))
        found[row[0]] = Prior(
            name=row[0], value=value, low=low, high=high, log=row[4] == "log", unit=row[5], source=row[6],
            sureness=row[7], checked=row[8] == "yes", meaning=row[9],
        )  # fmt: skip
    return MappingProxyType(found)


def class_priors(cls: ParticleClass) -> dict[str, Prior]:
    """Return the priors of a class, named ``class.parameter``: those of its parameters that have a range."""
    wanted = [*OF_CLASSES, *(f"{m}_{x}" for m in cls.markers for x in OF_MARKERS)]
    found = {}
    for key in wanted:
        p = cls.parameters.get(key)
        if p is None or p.low is None or p.high is None or not p.low < p.high:
            continue
        name = f"{cls.name}.{key}"
        found[name] = Prior(
            name=name, value=p.value, low=p.low, high=p.high, log=p.low > 0 and p.high / p.low >= DECADE,
            unit=p.unit, source=p.source, sureness=p.sureness, checked=p.checked, meaning=f"{key} of {cls.name}",
        )  # fmt: skip
    return found


def _error(name: str, line: int, expected: str, found: str) -> UnreadableFile:
    remedy = "The table ships with vesicula: install it again, or correct the row."
    return UnreadableFile(name, where=f"line {line}", expected=expected, found=found, remedy=remedy)
