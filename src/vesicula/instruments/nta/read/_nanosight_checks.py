"""Asks whether a NanoSight export agrees with itself: bins with totals, moments, percentiles and averages.

An export states the same facts several times, rounded. On the 17 captures of the real exports held (NTA 3.2
and 3.4), the bins reproduce the reported concentration within half a unit of its third digit, mean and SD
within half a unit of the last digit printed, the mode within 0.5 nm, the average column within 1, and all
percentiles from 1 to 99 within 0.05 nm by linear interpolation of the cumulative histogram over bin edges,
less one whole bin in 3.2. Columns that were swapped, rows that were lost and cells that were edited break at
least one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesicula.core.measurement import FloatArray, ReadWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCENTRATION_DIGITS = 3
"""Significant digits of the reported concentration in NTA 3.2, 3.3 and 3.4 (1.43e+09, 1430000000)."""

PERCENTILE_TOLERANCE_NM = 0.15
"""Rounding to 0.1 nm gives 0.05; the rest allows for bins rounded to whole particles."""

PERCENTILE_OUTLIERS = 2
"""Of 99: within a gap of the histogram a percentile is not determined by the bins."""

_D_LEVELS = np.array([10.0, 50.0, 90.0])

TOP_NM = 1000.0
"""Upper end of the size table in every export held (NTA 3.2, 3.3, 3.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one export states beside its histogram, an array entry per capture, NaN where it states nothing.

    Parameters
    ----------
    names : tuple of str
        Captures.
    concentration_per_ml, mean_nm, sd_nm, mode_nm, d10_nm, d50_nm, d90_nm : numpy.ndarray, shape (captures,)
        The vendor's values.
    decimals : dict of str to int
        Decimals printed for ``mean`` and ``sd``.
    average_per_ml : numpy.ndarray, shape (bins,), or None
        The table's column of averages.
    percentiles_nm : numpy.ndarray, shape (percentiles, 1 + captures), or None
        The vendor's percentile table, percentile first.
    """

    names: tuple[str, ...]
    concentration_per_ml: FloatArray
    mean_nm: FloatArray
    sd_nm: FloatArray
    mode_nm: FloatArray
    d10_nm: FloatArray
    d50_nm: FloatArray
    d90_nm: FloatArray
    decimals: dict[str, int]
    average_per_ml: FloatArray | None
    percentiles_nm: FloatArray | None


def concentration_gap(per_bin: FloatArray, stated_per_ml: FloatArray) -> FloatArray:
    """Return by how much the reported concentration exceeds the sum of bins beyond rounding, per capture.

    Parameters
    ----------
    per_bin : numpy.ndarray, shape (bins, captures)
        Particles per mL in each bin.
    stated_per_ml : numpy.ndarray, shape (captures,)
        Reported concentrations, NaN where none is.

    Returns
    -------
    numpy.ndarray, shape (captures,)
        Zero where they agree or nothing is reported; positive where bins are short of the report.
    """
    total = per_bin.sum(axis=0)
    known = np.isfinite(stated_per_ml)
    stated = np.where(known, stated_per_ml, total)
    size = np.maximum(np.abs(stated), 1.0)
    unit = 10.0 ** (np.floor(np.log10(size)) - CONCENTRATION_DIGITS + 1)
    # Each bin is rounded to a whole particle.
    tolerance = 0.5 * unit * (1 + 1e-9) + 0.5 * per_bin.shape[0] ** 0.5
    gap = stated - total
    return np.where(np.abs(gap) > tolerance, gap, 0.0)


def check(edges_nm: FloatArray, per_bin: FloatArray, stated: Stated, where: str) -> list[ReadWarning]:
    """Return a warning for each kind of disagreement inside one export.

    Parameters
    ----------
    edges_nm : numpy.ndarray, shape (bins + 1,)
        Bin edges.
    per_bin : numpy.ndarray, shape (bins, captures)
        Particles per mL in each bin.
    stated : Stated
        What the export says about the same captures.
    where : str
        Place of the table, for the warnings.

    Returns
    -------
    list of ReadWarning
        Codes ``concentration-mismatch``, ``vendor-disagrees``, ``average-mismatch``, ``truncated-table``.
    """
    warnings = []
    gap = concentration_gap(per_bin, stated.concentration_per_ml)
    if gap.any():
        total = per_bin.sum(axis=0)
        who = _list(
            f"{stated.names[i]} ({total[i]:.4g} against {stated.concentration_per_ml[i]:.4g} per mL)"
            for i in np.flatnonzero(gap)
        )
        warnings.append(
            ReadWarning(
                code="concentration-mismatch",
                where=where,
                message=f"The bins do not add up to the reported concentration: {who}.",
            )
        )
    disagreements = [*_moments(edges_nm, per_bin, stated), *_percentiles(edges_nm, per_bin, stated)]
    if disagreements:
        warnings.append(
            ReadWarning(
                code="vendor-disagrees",
                where=where,
                message=(
                    f"The vendor's statistics do not follow from the bins: {_list(disagreements)}. "
                    "Columns or rows may have been moved or edited."
                ),
            )
        )
    warnings.extend(_average(per_bin, stated, where))
    if abs(edges_nm[-1] - TOP_NM) > 1e-6 or edges_nm[0] > 1e-6:
        warnings.append(
            ReadWarning(
                code="truncated-table",
                where=where,
                message=(
                    f"The size table covers {edges_nm[0]:g} to {edges_nm[-1]:g} nm, where exports of "
                    "NTA 3.2 to 3.4 cover 0 to 1000 nm: rows may be missing."
                ),
            )
        )
    return warnings


def _list(items: object, limit: int = 4) -> str:
    texts = [str(i) for i in items]  # type: ignore[attr-defined]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return "; ".join(texts[:limit]) + more


def _moments(edges: FloatArray, per_bin: FloatArray, stated: Stated) -> list[str]:
    """Compare mean, SD and mode; moments are taken at bin centres, as the vendor takes them."""
    centres, step = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    total = per_bin.sum(axis=0)
    filled = total > 0
    safe = np.where(filled, total, 1.0)
    mean = centres @ per_bin / safe
    sd = np.sqrt(np.maximum((centres**2) @ per_bin / safe - mean**2, 0.0))
    mode = centres[per_bin.argmax(axis=0)]
    found = []
    for name, ours, theirs, tolerance in (
        ("mean", mean, stated.mean_nm, _rounding(stated, "mean")),
        ("SD", sd, stated.sd_nm, _rounding(stated, "sd")),
        ("mode", mode, stated.mode_nm, step),
    ):
        wrong = filled & (np.abs(ours - theirs) > tolerance)  # NaN compares false: nothing stated
        found += [f"{name} of {stated.names[i]} {ours[i]:.1f} against {theirs[i]:g} nm" for i in np.flatnonzero(wrong)]
    return found


def _rounding(stated: Stated, name: str) -> float:
    return 0.5 * 10.0 ** -stated.decimals.get(name, 1) + 0.01


def _percentiles(edges: FloatArray, per_bin: FloatArray, stated: Stated) -> list[str]:
    """Compare D10, D50, D90 and the whole table; versions differ by one bin (see the module's text)."""
    step = float(edges[1] - edges[0])
    low, high = -step - PERCENTILE_TOLERANCE_NM, PERCENTILE_TOLERANCE_NM
    table = stated.percentiles_nm
    inner = table[(table[:, 0] > 0) & (table[:, 0] < 100)] if table is not None else np.empty((0, 1))
    levels = np.concatenate((_D_LEVELS, inner[:, 0]))
    cumulative = np.concatenate((np.zeros((1, per_bin.shape[1])), np.cumsum(per_bin, axis=0)))
    filled = np.flatnonzero(cumulative[-1] > 0)
    if not filled.size:
        return []
    cumulative = cumulative[:, filled] * (100.0 / cumulative[-1, filled])
    ours = np.stack([np.interp(levels, cumulative[:, i], edges) for i in range(filled.size)], axis=1)
    off = np.stack((stated.d10_nm, stated.d50_nm, stated.d90_nm))[:, filled] - ours[:3]
    found = [
        f"D{_D_LEVELS[level]:.0f} of {stated.names[filled[i]]}"
        for i, level in np.argwhere(((off < low) | (off > high)).T)
    ]
    if inner.shape[0]:
        off = inner[:, 1:][:, filled] - ours[3:]
        shift = np.median(off, axis=0)
        outliers = (np.abs(off - shift) > PERCENTILE_TOLERANCE_NM).sum(axis=0)
        wrong = (outliers > PERCENTILE_OUTLIERS) | (shift < low) | (shift > high)
        found += [f"percentiles of {stated.names[i]}" for i in filled[wrong]]
    return found


def _average(per_bin: FloatArray, stated: Stated, where: str) -> list[ReadWarning]:
    if stated.average_per_ml is None:
        return []
    # Captures and average are each rounded to whole particles: at most 1 apart on the files held.
    off = np.abs(per_bin.mean(axis=1) - stated.average_per_ml)
    wrong = np.flatnonzero(off > 1.0 + 1e-9 * np.abs(stated.average_per_ml) + 1e-6)
    if not wrong.size:
        return []
    return [
        ReadWarning(
            code="average-mismatch",
            where=where,
            message=(
                f"In {wrong.size} rows of the size table the vendor's average is not that of the "
                f"captures, first in row {wrong[0] + 1}: cells may have been moved or edited."
            ),
        )
    ]


def duplicates(names: Sequence[str], columns: Sequence[FloatArray]) -> list[tuple[int, int]]:
    """Return pairs of captures whose name and histogram are the same.

    Parameters
    ----------
    names : sequence of str
        Captures.
    columns : sequence of numpy.ndarray
        Their histograms.

    Returns
    -------
    list of tuple of (int, int)
        Earlier and later index.
    """
    if len(set(names)) == len(names):
        return []
    seen: dict[tuple[str, bytes], int] = {}
    pairs = []
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        earlier = seen.setdefault((name, column.tobytes()), i)
        if earlier != i:
            pairs.append((earlier, i))
    return pairs
