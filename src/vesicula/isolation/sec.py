"""Size-exclusion chromatography, fraction by fraction.

Partition: hard sphere in a cylindrical pore, K = (1 - d / d_pore)^2, averaged over log-normal pores (Ackers 1964;
Giddings 1968 [from memory, unchecked]). Elution at V0 + K Vi; the peak's variance is that of the void peak, that of the
time in pores and that of the load, a box of its volume.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import ceil
from types import MappingProxyType

import numpy as np
from scipy.special import ndtr, ndtri

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, check_positive, lost, part
from vesicula.isolation.plain_yaml import Entry, parse_yaml

_NUMBERS = (
    "bed_ml", "load_ml", "void_ml", "pore_ml", "pore_median_nm", "pore_gsd", "plates_void", "plates_pore", "recovery",
)  # fmt: skip
KEYS = (*_NUMBERS, "source", "sureness")
FLOW_ML_PER_MIN = 0.5
"""Gravity flow of a 10 mL column [E, sureness L]; only the hours depend on it."""
SHEAR_PER_S = 20.0
"""Between beads: 8 v / d of 0.1 mm/s in channels of about 40 um (beads of 60-200 um) [E, sureness L]."""
PORE_DEVIATES = ndtri((np.arange(60) + 0.5) / 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A packed column.

    Parameters
    ----------
    name : str
        Matrix and bed.
    bed_ml, load_ml : float
        Volume of the bed; largest load.
    void_ml, pore_ml : float
        Volume between the beads, and in their pores.
    pore_median_nm, pore_gsd : float
        Log-normal diameters of the pores.
    plates_void, plates_pore : float
        V0^2 / variance of an excluded peak; (Ve - V0)^2 / the variance that pores add.
    recovery : float
        Share of the particles that the matrix does not keep.
    source, sureness : str
        Where the numbers come from; ``"H"``, ``"M"`` or ``"L"``.
    """

    name: str
    bed_ml: float
    load_ml: float
    void_ml: float
    pore_ml: float
    pore_median_nm: float
    pore_gsd: float
    plates_void: float
    plates_pore: float
    recovery: float
    source: str
    sureness: str

    def __post_init__(self) -> None:
        if min(self.bed_ml, self.load_ml, self.void_ml, self.pore_ml, self.plates_void, self.plates_pore) <= 0:
            raise AnalysisError(f"column {self.name}: volumes and plates must be positive")
        if self.void_ml + self.pore_ml > self.bed_ml or not 0 < self.recovery <= 1 or self.pore_gsd <= 1:
            raise AnalysisError(
                f"column {self.name}: void_ml + pore_ml <= bed_ml, 0 < recovery <= 1 and pore_gsd > 1 are needed"
            )

    def partition(self, diameter_nm: FloatArray) -> FloatArray:
        """Return the share of the pores' volume that a sphere can enter, 0 to 1; shape of the diameters."""
        pores = self.pore_median_nm * np.exp(np.log(self.pore_gsd) * PORE_DEVIATES)
        free = np.clip(1.0 - np.asarray(diameter_nm)[..., None] / pores, 0.0, 1.0) ** 2
        return np.asarray(free.mean(axis=-1), dtype=np.float64)

    def elution_ml(self, diameter_nm: FloatArray, load_ml: float) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of the elution volume, counted from the start of the load."""
        pores = self.partition(diameter_nm) * self.pore_ml
        variance = self.void_ml**2 / self.plates_void + pores**2 / self.plates_pore + load_ml**2 / 12.0
        return self.void_ml + pores + 0.5 * load_ml, np.sqrt(variance)


def size_exclusion(
    feed: Fraction,
    column: Column,
    *,
    keep: Collection[int],
    fraction_ml: float = 0.5,
    n_fractions: int = 30,
) -> Outcome:
    """Elute a feed and keep some fractions.

    Parameters
    ----------
    feed : Fraction
        Loaded in as many equal runs as the column's largest load asks for; equal fractions are pooled.
    column : Column
        Which column.
    keep : collection of int
        Numbers of the fractions kept, from 1; fraction 1 begins with the load.
    fraction_ml : float
        Volume of a fraction.
    n_fractions : int
        How many are collected; what elutes later is waste.

    Returns
    -------
    Outcome
        One fraction per number, ``later``, and ``kept by the column``.

    Raises
    ------
    AnalysisError
        When the feed is empty, or a fraction is kept that is not collected.
    """
    feed.require_particles("load")
    check_positive(fraction_ml, "fraction_ml")
    if not keep or n_fractions < 1 or min(keep) < 1 or max(keep) > n_fractions:
        raise AnalysisError(f"fractions {sorted(keep)} cannot be kept: {n_fractions} are collected, from 1")
    runs = ceil(feed.volume_ml / column.load_ml - 1e-9)
    load = feed.volume_ml / runs
    mean, sd = column.elution_ml(feed.population.diameter_nm, load)
    edges = np.arange(n_fractions + 1) * fraction_ml
    cumulative = ndtr((edges[:, None] - mean) / sd)
    cumulative[0] = 0.0  # nothing leaves before the load
    shares = np.diff(cumulative, axis=0) * column.recovery
    parts = [
        part(
            feed,
            shares[n],
            name=f"fraction {n + 1}",
            volume_ml=fraction_ml * runs,
            role="product" if n + 1 in keep else "waste",
        )
        for n in range(n_fractions)
    ]
    parts.append(
        part(feed, (1.0 - cumulative[-1]) * column.recovery, name="later", volume_ml=column.bed_ml * runs, role="waste")
    )
    parts.append(lost(feed, 1.0 - column.recovery, name="kept by the column"))
    eluted = n_fractions * fraction_ml
    return Outcome(
        method="sec",
        feed=feed,
        fractions=tuple(parts),
        hours=runs * eluted / FLOW_ML_PER_MIN / 60.0,
        shear_per_s=SHEAR_PER_S,
        facts=MappingProxyType({"column_runs": float(runs), "load_ml": load, "void_ml": column.void_ml}),
        notes=(f"column {column.name}: {column.source} (sureness {column.sureness})",),
    )


@cache
def columns() -> Mapping[str, Column]:
    """Return the packaged columns by name."""
    text = files("vesicula.data").joinpath("columns.yaml").read_text(encoding="utf-8")
    return parse_columns(text, name="columns.yaml")


def column(name: str, extra: Mapping[str, Column] | None = None) -> Column:
    """Return a column by name; `extra` goes before the packaged ones.

    Raises
    ------
    AnalysisError
        When no column has that name.
    """
    known = {**columns(), **(extra or {})}
    if name not in known:
        raise AnalysisError(f"unknown column {name!r}. Known: {', '.join(known)}. Add yours with --columns FILE")
    return known[name]


def parse_columns(text: str, *, name: str) -> Mapping[str, Column]:
    """Parse a table of columns in YAML; the packaged ``columns.yaml`` shows the form.

    Raises
    ------
    UnreadableFile
        When an entry is not as described.
    """
    root = parse_yaml(text, name=name)
    return MappingProxyType({key: _read(key, entry) for key, entry in root.mapping().items()})


def _read(name: str, entry: Entry) -> Column:
    cells = entry.mapping(KEYS, _NUMBERS)
    numbers = {key: cells[key].number(above=0) for key in _NUMBERS}
    return Column(
        name=name,
        source=cells["source"].text() if "source" in cells else "given by the user",
        sureness=cells["sureness"].text(("H", "M", "L")) if "sureness" in cells else "L",
        **numbers,
    )
