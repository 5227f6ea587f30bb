"""Molecules of each miRNA per particle, from spike-ins of known copies and a particle count.

A spike-in of C copies that gives S reads says that a read stands for C / S molecules; M reads of a miRNA from the RNA
of P particles are M C / (S P) molecules a particle. The interval carries the counting of both (Poisson) and what is
stated of the particle count and of the copies; it does not carry that libraries catch one sequence more readily than
another.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesicula.core.errors import UnreadableFile

if TYPE_CHECKING:
    import polars as pl

CHEVILLET_MEAN, CHEVILLET_SD = 0.00825, 0.02
"""Molecules of a miRNA per exosome, the most abundant ones included: mean and standard deviation over six sources of
exosomes (Chevillet et al. 2014, PNAS 111:14888, abstract; PubMed 25267620): more than 100 exosomes for one copy."""
CAPTURE_BIAS = (
    "Libraries catch some miRNAs far more readily than others: over a range of 100,000-fold in an equimolar mixture of "
    "963 miRNAs with a common kit (PMC6491513, abstract). The intervals do not hold that."
)
COLUMNS = ("sample", "particles", "spike_in", "spike_copies")
OPTIONAL = ("particles_cv_percent", "spike_copies_cv_percent")
_DRAWS = 4000
_FEW_SPIKES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VesicleInput:
    """What went into one sample's RNA.

    Parameters
    ----------
    sample : str
    particles : float
        In the volume that the RNA was taken from.
    particles_cv : float
        Its relative standard deviation, as stated (0: not stated).
    spike_copies : mapping of str to float
        Copies added to the same volume, by name of the spike-in.
    spike_copies_cv : float
        Their relative standard deviation, as stated.
    """

    sample: str
    particles: float
    spike_copies: Mapping[str, float]
    particles_cv: float = 0.0
    spike_copies_cv: float = 0.0


def read_inputs(path: Path) -> tuple[VesicleInput, ...]:
    """Read a table of samples: tabs, commas or semicolons between columns, one row a sample and spike-in.

    Columns: sample, particles, spike_in, spike_copies; and, if known, particles_cv_percent, spike_copies_cv_percent.
    Others are ignored. A sample with several spike-ins has a row for each.

    Raises
    ------
    UnreadableFile
        Naming the row and column.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, "whole file", "a table in UTF-8", str(error)) from None
    head = next((line for line in lines if line.strip()), "")
    separator = max("\t;,", key=head.count)
    rows = list(csv.reader(lines, delimiter=separator))
    names = [name.strip().lower() for name in (rows[0] if rows else [])]
    if missing := [name for name in COLUMNS if name not in names]:
        raise _unreadable(path, "line 1", f"the columns {', '.join(COLUMNS)}", f"no {', '.join(missing)}")
    found: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
        if not cells.get("sample") or not cells.get("spike_in"):
            raise _unreadable(path, f"line {number}", "a sample and a spike-in", separator.join(row))
        found.setdefault(cells["sample"], []).append((number, cells))
    if not found:
        raise _unreadable(path, "line 2", "a row for each sample", "none")
    return tuple(_input(path, name, mine) for name, mine in found.items())


def _input(path: Path, name: str, rows: Sequence[tuple[int, Mapping[str, str]]]) -> VesicleInput:
    """Join the rows of a sample."""
    copies: dict[str, float] = {}
    shared: dict[str, float] = {}
    for number, cells in rows:
        spike = cells["spike_in"]
        if spike in copies:
            raise _unreadable(path, f"line {number}", "each spike-in once a sample", f"{spike} again")
        copies[spike] = _positive(path, number, "spike_copies", cells)
        for column in ("particles", *OPTIONAL):
            value = _positive(path, number, column, cells)
            if shared.setdefault(column, value) != value:
                raise _unreadable(path, f"line {number}", f"the same {column} in each row of {name}", cells[column])
    return VesicleInput(
        sample=name, particles=shared["particles"], spike_copies=copies,
        particles_cv=shared["particles_cv_percent"] / 100, spike_copies_cv=shared["spike_copies_cv_percent"] / 100,
    )  # fmt: skip


def _positive(path: Path, number: int, column: str, cells: Mapping[str, str]) -> float:
    """Return a number above 0; an optional one that is empty is 0."""
    text = cells.get(column, "")
    if column in OPTIONAL and not text:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    least = 0.0 if column in OPTIONAL else 1.0
    if not least <= value < float("inf"):
        what = "a percentage" if column in OPTIONAL else "a number of at least 1"
        place = f"line {number}, column {column}"
        raise _unreadable(path, place, f"{what}, written like 2e9 or 12.5", text or "nothing")
    return value


def _unreadable(path: Path, where: str, expected: str, found: str) -> UnreadableFile:
    remedy = f"Columns: {', '.join(COLUMNS)}; if known: {', '.join(OPTIONAL)}."
    return UnreadableFile(path, where=where, expected=expected, found=found, remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerVesicle:
    """Molecules per particle of one sample.

    Parameters
    ----------
    sample : str
    table : polars.DataFrame
        mirna, reads, molecules_per_particle, low, high; most first. Empty if the spike-ins gave no read.
    total, low, high : float or None
        Of all miRNAs together.
    spike_reads : mapping of str to int
    messages : tuple of str
        What a reader must know.
    """

    sample: str
    table: pl.DataFrame
    total: float | None
    low: float | None
    high: float | None
    spike_reads: Mapping[str, int]
    messages: tuple[str, ...]


def per_vesicle(
    counts: Mapping[str, float], spike_reads: Mapping[str, int], given: VesicleInput, *,
    reads_per_molecule: float = 1.0, level: float = 0.95,
) -> PerVesicle:  # fmt: skip
    """Return molecules of each miRNA per particle, with intervals.

    Counts have gamma posteriors with Jeffreys' prior for a Poisson mean (shape count + 1/2; Jeffreys 1961, Theory of
    Probability [from memory, unchecked]); the particle count and the copies are log-normal with the relative standard
    deviation stated. Intervals are quantiles of 4,000 draws with a fixed seed.

    Parameters
    ----------
    counts : mapping of str to float
        Reads by miRNA.
    spike_reads : mapping of str to int
        Reads of each spike-in.
    given : VesicleInput
    reads_per_molecule : float
        With UMIs: copies that PCR made of each molecule. So many reads carry the information of one.
    level : float
        Of the intervals.
    """
    import polars as pl  # slow to import

    mine = {name: int(spike_reads.get(name, 0)) for name in given.spike_copies}
    said = _messages(mine, given)
    names = sorted((name for name, count in counts.items() if count >= 0.5), key=lambda name: -counts[name])
    columns = {"mirna": pl.String, "reads": pl.Float64, "molecules_per_particle": pl.Float64}
    schema = {**columns, "low": pl.Float64, "high": pl.Float64}
    seen = sum(mine.values())
    if not seen:
        return PerVesicle(
            sample=given.sample, table=pl.DataFrame(schema=schema), total=None, low=None, high=None, spike_reads=mine,
            messages=said,
        )  # fmt: skip
    reads = np.array([counts[name] for name in names])
    per_read = sum(given.spike_copies.values()) / seen / given.particles
    scale = _scale_draws(seen / reads_per_molecule, given) / reads_per_molecule
    rng = np.random.default_rng(2)
    tails = [(1 - level) / 2, (1 + level) / 2]

    def interval(count: float) -> tuple[float, float]:
        drawn = rng.gamma(count / reads_per_molecule + 0.5, size=_DRAWS) * reads_per_molecule
        low, high = np.quantile(drawn * scale, tails).tolist()
        return low, high

    bounds = np.array([interval(count) for count in reads.tolist()]).reshape(-1, 2)
    table = pl.DataFrame(
        {
            "mirna": names, "reads": reads, "molecules_per_particle": reads * per_read, "low": bounds[:, 0],
            "high": bounds[:, 1],
        },
        schema=schema,
    )  # fmt: skip
    low, high = interval(float(reads.sum()))
    return PerVesicle(
        sample=given.sample, table=table, total=float(reads.sum()) * per_read, low=low, high=high, spike_reads=mine,
        messages=said,
    )  # fmt: skip


def _scale_draws(spikes: float, given: VesicleInput) -> NDArray[np.float64]:
    """Return draws of molecules per particle for one read."""
    rng = np.random.default_rng(1)
    copies = sum(given.spike_copies.values()) * _lognormal(given.spike_copies_cv, rng)
    particles = given.particles * _lognormal(given.particles_cv, rng)
    draws: NDArray[np.float64] = copies / rng.gamma(spikes + 0.5, size=_DRAWS) / particles
    return draws


def _lognormal(cv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return draws of median 1 whose relative standard deviation is `cv`."""
    return rng.lognormal(0.0, np.sqrt(np.log1p(cv**2)), _DRAWS)


def _messages(spike_reads: Mapping[str, int], given: VesicleInput) -> tuple[str, ...]:
    """Say what the numbers cannot carry."""
    said = []
    absent = [name for name, count in spike_reads.items() if not count]
    if absent:
        said.append(f"no read of {', '.join(absent)}: was it added, and is its name that of the reference?")
    elif min(spike_reads.values()) < _FEW_SPIKES:
        said.append(f"a spike-in has only {min(spike_reads.values())} reads")
    if not given.particles_cv:
        said.append("no uncertainty of the particle count was stated: the intervals hold counting alone")
    rates = [count / given.spike_copies[name] for name, count in spike_reads.items() if count]
    if len(rates) > 1:
        said.append(f"the spike-ins differ {max(rates) / min(rates):.1f}-fold in reads per copy: so may the miRNAs")
    return tuple(said)
