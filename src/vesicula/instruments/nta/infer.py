"""From a size measurement to what it says of the population, with intervals that carry counting and replication.

The door of this room: everything public is importable from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Distribution, Estimate, Peak
from vesicula.core.reference import ClassDefinition
from vesicula.instruments.nta.density import (
    Caption,
    SmoothDensity,
    automatic_bandwidth,
    distribution,
    find_peaks,
    mode_interval,
    smooth,
)
from vesicula.instruments.nta.pooling import (
    CAPTURES,
    POSITIONS,
    REPLICATES,
    TRACKS,
    PositionVariation,
    class_fraction,
    drawn_fraction,
    pool,
    pooled_error,
    position_estimates,
    position_variation,
)
from vesicula.instruments.nta.results import (
    DIAMETERS,
    QUANTITIES,
    UNITS,
    Basis,
    CaptureStatistics,
    ClassFraction,
    MeasurementStatistics,
    SampleStatistics,
    StatisticsSettings,
)
from vesicula.instruments.nta.statistics import (
    Histogram,
    concentration_error,
    counting_errors,
    histogram,
    log_interval,
    normal_quantile,
    summary,
    t_quantile,
    track_count,
    vendor_percentile,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vesicula.core.measurement import Capture, FloatArray, SizeMeasurement, TableMeasurement

__all__ = [
    "DIAMETERS",
    "QUANTITIES",
    "UNITS",
    "Basis",
    "CaptureStatistics",
    "ClassDefinition",
    "ClassFraction",
    "MeasurementStatistics",
    "SampleStatistics",
    "StatisticsSettings",
    "analyse_measurement",
    "analyse_sample",
    "vendor_percentile",
]

DILUTION_TOLERANCE = 0.01  # two statements of one dilution that differ by more than 1 % are two statements


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dilution:
    """What concentrations refer to, and the factor that brings each capture there."""

    basis: Basis
    factors: tuple[float, ...]
    dilution_factor: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analysed:
    """One capture that is not empty, with what the steps after it need."""

    statistics: CaptureStatistics
    histogram: Histogram
    density: SmoothDensity
    peaks: tuple[Peak, ...]
    total_per_ml: float


def analyse_measurement(
    m: SizeMeasurement,
    *,
    settings: StatisticsSettings,
    dilution_factor: float | None = None,
    positions: TableMeasurement | None = None,
    classes: Sequence[ClassDefinition] = (),
) -> MeasurementStatistics:
    """Estimate size and concentration from one measurement.

    Parameters
    ----------
    m : SizeMeasurement
        Read from a file or simulated.
    settings : StatisticsSettings
        Choices of the statistics.
    dilution_factor : float, optional
        Dilution that the lab states; used where the file's concentrations are those of the diluted suspension.
    positions : TableMeasurement, optional
        Table of positions that belongs to a measurement whose one histogram is pooled over them (ZetaView).
    classes : sequence of ClassDefinition
        Classes whose share to estimate.

    Returns
    -------
    MeasurementStatistics
        Unweighted means over the captures that are not empty. Their standard error is the larger of the empirical
        one and that from counting, their interval Student's with m - 1 degrees of freedom on the logarithm; with
        one capture, counting alone. Methods: docs/explanation/nta-statistics.md.

    Raises
    ------
    AnalysisError
        When `positions` is not a table of positions, or a class does not enclose a range.
    """
    _check_classes(classes)
    kept = [c for c in m.captures if not c.is_empty]
    dilution = _resolve_dilution(kept, dilution_factor)
    analysed = [_analyse_capture(c, f, dilution.basis, settings) for c, f in zip(kept, dilution.factors, strict=True)]
    notes = [*_capture_notes(m, len(kept)), *dilution.notes]
    by_capture = iter(analysed)
    captures = tuple(
        CaptureStatistics(name=c.name, values={}, counting_se={}, empty=True)
        if c.is_empty
        else next(by_capture).statistics
        for c in m.captures
    )
    if not analysed:
        return MeasurementStatistics(
            captures=captures, estimates={}, standard_errors={}, class_fractions=(), distributions=(),
            concentration_basis=dilution.basis, dilution_factor=dilution.dilution_factor, notes=tuple(notes),
        )  # fmt: skip
    variation, reason = _position_variation(positions, analysed)
    notes += [reason] if reason else []
    estimates, errors = _measurement_estimates(analysed, variation, settings)
    shares = _class_shares(classes, analysed)
    pooled = _pool_distribution(analysed, settings)
    notes += _replication_notes(analysed, pooled, variation)
    return MeasurementStatistics(
        captures=captures,
        estimates=estimates,
        standard_errors=errors,
        class_fractions=tuple(
            _class_fraction(d, shares[:, i], analysed, variation, settings) for i, d in enumerate(classes)
        ),
        distributions=(
            *(_lay_out(a, a.statistics.name, "capture", dilution.basis, settings) for a in analysed),
            _lay_out(pooled, f"pooled over {_count(len(analysed), 'capture')}", "replicate", dilution.basis, settings),
        ),
        concentration_basis=dilution.basis,
        dilution_factor=dilution.dilution_factor,
        n_tracks=_total_tracks([a.statistics.n_tracks for a in analysed]),
        notes=tuple(notes),
    )


def _check_classes(classes: Sequence[ClassDefinition]) -> None:
    for c in classes:
        if not 0 <= c.low_nm < c.high_nm:
            raise AnalysisError(
                f"class {c.id!r}: expected 0 <= low_nm < high_nm, found {c.low_nm:g} and {c.high_nm:g}; correct it"
            )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _total_tracks(counts: Sequence[int | None]) -> int | None:
    known = [c for c in counts if c is not None]
    return sum(known) if len(known) == len(counts) and known else None


# --- dilution --------------------------------------------------------------------------------------------------


def _resolve_dilution(kept: Sequence[Capture], stated: float | None) -> _Dilution:
    """Bring all captures to one basis, or say why that cannot be done."""
    if not kept:
        return _Dilution(basis="relative", factors=(), dilution_factor=None, notes=())
    ones = (1.0,) * len(kept)
    if any(c.concentration_per_ml is None or not c.concentration_per_ml.sum() > 0 for c in kept):
        note = "the file states no concentrations: the distribution is relative"
        return _Dilution(basis="relative", factors=ones, dilution_factor=None, notes=(note,))
    recorded = {c.dilution_factor for c in kept if c.dilution_factor is not None}
    notes = [
        f"the dilution factor stated, {stated:g}, differs from the one that the file records, {factor:g}: "
        + ("the file has applied its own, which stands" if applied else "the stated one is used")
        for factor, applied in sorted({(c.dilution_factor, c.concentration_basis == "sample") for c in kept
                                       if c.dilution_factor is not None})
        if stated is not None and abs(factor / stated - 1) > DILUTION_TOLERANCE
    ]  # fmt: skip
    factors: list[float | None] = [
        1.0 if c.concentration_basis == "sample" else (stated or c.dilution_factor) for c in kept
    ]
    known = [f for f in factors if f is not None]
    if len(known) == len(factors):
        used = {c.dilution_factor if c.concentration_basis == "sample" else f
                for c, f in zip(kept, factors, strict=True)}  # fmt: skip
        one = used.pop() if len(used) == 1 else None
        return _Dilution(basis="sample", factors=tuple(known), dilution_factor=one, notes=tuple(notes))
    if known or len(recorded) > 1:
        notes.append("some captures state the concentration of the sample, others that of an unknown dilution: "
                     "concentrations are left out")  # fmt: skip
        return _Dilution(basis="relative", factors=ones, dilution_factor=None, notes=tuple(notes))
    notes.append("no dilution factor is known: concentrations are those of the diluted suspension, not of the sample")
    return _Dilution(basis="diluted", factors=ones, dilution_factor=None, notes=tuple(notes))


# --- one capture -----------------------------------------------------------------------------------------------


def _analyse_capture(capture: Capture, factor: float, basis: Basis, settings: StatisticsSettings) -> _Analysed:
    n = track_count(capture)
    h = histogram(capture.bin_edges_nm, capture.weights, n)
    density = smooth(h, automatic_bandwidth(h, settings))
    peaks = find_peaks(h, density, settings)
    values = summary(h)
    values["mode_diameter_nm"] = density.mode_nm
    total = 1.0
    if basis != "relative" and capture.concentration_per_ml is not None:
        total = float(capture.concentration_per_ml.sum()) * factor
        values["concentration_per_ml"] = total
    se: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    if n is not None:
        se, intervals = counting_errors(h, values, settings.level)
        low, high = mode_interval(h, density, settings)
        intervals["mode_diameter_nm"] = (low, high)
        se["mode_diameter_nm"] = (high - low) / (2 * normal_quantile(settings.level))
    relative = concentration_error(capture, n, settings.residence_cv)
    if relative is not None and "concentration_per_ml" in values:
        se["concentration_per_ml"] = relative * total
        t = t_quantile(settings.level, max((n or 1000) - 1, 1))
        intervals["concentration_per_ml"] = log_interval(total, relative * total, t)
    order = [q for q in QUANTITIES if q in values]
    statistics = CaptureStatistics(
        name=capture.name,
        values={q: values[q] for q in order},
        counting_se={q: se[q] for q in order if q in se},
        counting_interval={q: intervals[q] for q in order if q in intervals},
        n_tracks=n,
    )
    return _Analysed(statistics=statistics, histogram=h, density=density, peaks=peaks, total_per_ml=total)


# --- pooling over captures or positions ------------------------------------------------------------------------


def _position_variation(
    positions: TableMeasurement | None, analysed: Sequence[_Analysed]
) -> tuple[PositionVariation | None, str]:
    if positions is None:
        return None, ""
    if len(analysed) > 1:
        return None, f"{positions.source.name}: not used, since the measurement has several captures of its own"
    first = analysed[0].statistics
    return position_variation(
        positions,
        median_nm=first.values["median_diameter_nm"],
        median_se=first.counting_se.get("median_diameter_nm"),
    )


def _measurement_estimates(
    analysed: Sequence[_Analysed], variation: PositionVariation | None, settings: StatisticsSettings
) -> tuple[dict[str, Estimate], dict[str, float]]:
    first = analysed[0].statistics
    if len(analysed) == 1 and variation is not None:
        return position_estimates(first.values, first.counting_se, variation, settings)
    estimates, errors = {}, {}
    for quantity in first.values:
        if len(analysed) == 1:
            estimates[quantity] = _one_capture(quantity, first, settings)
            if quantity in first.counting_se:
                errors[quantity] = first.counting_se[quantity]
            continue
        values = [a.statistics.values[quantity] for a in analysed]
        counting = [a.statistics.counting_se.get(quantity, float("nan")) for a in analysed]
        estimates[quantity], errors[quantity] = pool(quantity, values, counting, settings, CAPTURES)
    return estimates, errors


def _one_capture(quantity: str, s: CaptureStatistics, settings: StatisticsSettings) -> Estimate:
    interval = s.counting_interval.get(quantity)
    return Estimate(
        quantity=quantity,
        value=s.values[quantity],
        unit=UNITS[quantity],
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        level=settings.level,
        n=s.n_tracks if interval and s.n_tracks else 1,
        unit_of_replication="track" if interval else "capture",
        carries=("counting",) if interval else (),
    )


def _class_shares(classes: Sequence[ClassDefinition], analysed: Sequence[_Analysed]) -> FloatArray:
    """Return the share of each class (columns) in each capture (rows)."""
    low, high = [c.low_nm for c in classes], [c.high_nm for c in classes]
    below = np.array([np.interp(low + high, a.histogram.edges_nm, a.histogram.cumulative) for a in analysed])
    return np.asarray(below[:, len(classes) :] - below[:, : len(classes)])


def _class_fraction(
    definition: ClassDefinition,
    shares: FloatArray,
    analysed: Sequence[_Analysed],
    variation: PositionVariation | None,
    settings: StatisticsSettings,
) -> ClassFraction:
    bounds = definition.low_nm, definition.high_nm
    value = float(shares.mean())
    counts = [a.statistics.n_tracks for a in analysed]
    total = _total_tracks(counts)
    drawn = drawn_fraction(value, total or settings.bandwidth_fallback_n)
    # Counting errors at the pooled share, so that a capture that happens to hold none of a class is not error-free.
    errors = np.array([math.sqrt(drawn * (1 - drawn) / (c * (1 + 1 / (total or c)))) if c else np.nan for c in counts])
    if len(analysed) > 1:
        se, n, units = pooled_error(shares, errors), len(analysed), CAPTURES
    elif variation is not None and np.isfinite(errors[0]):
        shift = _scale_sensitivity(analysed[0].density, *bounds) ** 2 * variation.scale_variance
        se, n, units = float(np.sqrt(errors[0] ** 2 + shift)), variation.n, POSITIONS
    else:
        se, n, units = float(errors[0]), counts[0] or 1, TRACKS
    return class_fraction(definition, value, se if np.isfinite(se) else None, settings, drawn=drawn, n=n, units=units)


def _scale_sensitivity(density: SmoothDensity, low_nm: float, high_nm: float) -> float:
    """Change of the share between two bounds per unit of ln(size scale)."""
    low, high = np.interp([low_nm, high_nm], density.diameter_nm, density.density_per_nm, left=0.0, right=0.0)
    change = low * low_nm
    return float(change - high * high_nm if high > 0 else change)  # an open upper end has no density, times infinity


# --- distributions ---------------------------------------------------------------------------------------------


def _common_edges(histograms: Sequence[Histogram]) -> FloatArray:
    """Edges that hold all histograms: their own where they share a grid, else the finest, extended."""
    finest = min(histograms, key=lambda h: float(np.min(np.diff(h.edges_nm))))
    low = min(float(h.edges_nm[0]) for h in histograms)
    high = max(float(h.edges_nm[-1]) for h in histograms)
    together = np.unique(np.concatenate([h.edges_nm for h in histograms]))
    width = float(np.min(np.diff(finest.edges_nm)))
    if np.min(np.diff(together), initial=np.inf) > 0.5 * width:
        return together
    cells = min(max(int(np.ceil((high - low) / width - 1e-9)), 1), 65536)
    return np.linspace(low, low + (high - low), cells + 1)


def _pool_distribution(analysed: Sequence[_Analysed], settings: StatisticsSettings) -> _Analysed:
    """Average distribution of several captures; that of the one capture otherwise."""
    if len(analysed) == 1:
        return analysed[0]
    histograms = [a.histogram for a in analysed]
    totals = np.array([a.total_per_ml for a in analysed])
    edges = _common_edges(histograms)
    shapes = np.stack([np.diff(np.interp(edges, h.edges_nm, h.cumulative)) for h in histograms])
    share = totals / totals.sum()
    counts = [h.n for h in histograms]
    # Effective number of tracks of a weighted mean of histograms: 1 / sum(share^2 / n).
    n = None if any(c is None for c in counts) else float(1 / sum(s**2 / c for s, c in zip(share, counts, strict=True)
                                                                   if c is not None))  # fmt: skip
    h = histogram(edges, share @ shapes, n)
    density = smooth(h, automatic_bandwidth(h, settings))
    first = int(np.searchsorted(edges, h.edges_nm[0]))
    inside = shapes[:, first : first + h.probability.size]
    return _Analysed(
        statistics=analysed[0].statistics,
        histogram=h,
        density=density,
        peaks=find_peaks(h, density, settings, capture_shapes=inside),
        total_per_ml=float(totals.mean()),
    )


def _lay_out(a: _Analysed, label: str, level: str, basis: Basis, settings: StatisticsSettings) -> Distribution:
    caption = Caption(label=label, level=level, basis=basis, total_per_ml=a.total_per_ml)
    return distribution(a.histogram, a.density, a.peaks, caption, settings)


# --- notes -----------------------------------------------------------------------------------------------------


def _capture_notes(m: SizeMeasurement, kept: int) -> list[str]:
    empty = [c.name for c in m.captures if c.is_empty]
    if not empty:
        return []
    if not kept:
        return [f"no particle was counted in {_count(len(empty), 'capture')}: a failed run, not a measurement"]
    names = ", ".join(empty)
    return [f"{_count(len(empty), 'capture')} of {len(m.captures)} without a particle left out: {names}"]


def _replication_notes(
    analysed: Sequence[_Analysed], pooled: _Analysed, variation: PositionVariation | None
) -> list[str]:
    notes = []
    if any(a.statistics.n_tracks is None for a in analysed):
        notes.append("the number of tracks is not stated: counting errors are unknown")
    if len(analysed) == 1 and variation is None:
        notes.append("one capture: variation between captures is unknown and not in the intervals")
    if variation is not None:
        notes.append(
            f"intervals carry the variation between {variation.n} positions: as measured for concentration and median, "
            "for other diameters on the model that positions differ by a factor in size"
        )
    sure = [p for p in pooled.peaks if p.significant]
    modes = [a.statistics.values["mode_diameter_nm"] for a in analysed]
    home = {next((i for i, p in enumerate(sure) if p.low_nm <= x <= p.high_nm), -1) for x in modes}
    if len(home) > 1:
        notes.append(
            "the mode lies on different peaks in different captures: its mean over captures may lie between peaks"
        )
    return notes


# --- replicates ------------------------------------------------------------------------------------------------


def analyse_sample(replicates: Sequence[MeasurementStatistics], *, settings: StatisticsSettings) -> SampleStatistics:
    """Pool the replicate measurements of a sample.

    Parameters
    ----------
    replicates : sequence of MeasurementStatistics
        One per load of the sample; those without estimates (failed) are left out.
    settings : StatisticsSettings
        Choices of the statistics.

    Returns
    -------
    SampleStatistics
        Unweighted means with Student intervals on r - 1 degrees of freedom, as for captures. A single replicate
        hands its own estimates on, since captures of one load say nothing of the variation between loads.
        Concentrations are pooled only where all replicates are on the basis ``"sample"``.
    """
    kept = [r for r in replicates if r.estimates]
    notes = [] if len(kept) == len(replicates) else [
        f"{_count(len(replicates) - len(kept), 'replicate')} of {len(replicates)} without a result left out"
    ]  # fmt: skip
    if not kept:
        return SampleStatistics(
            estimates={}, class_fractions=(), distributions=(), concentration_basis="relative", notes=tuple(notes)
        )
    if len(kept) == 1:
        return _one_replicate(kept[0], notes, settings)
    basis: Basis = "sample" if all(r.concentration_basis == "sample" for r in kept) else "relative"
    if basis == "relative" and any("concentration_per_ml" in r.estimates for r in kept):
        notes.append("not every replicate has a concentration of the undiluted sample: concentrations are not pooled")
    shared = [
        q
        for q in QUANTITIES
        if all(q in r.estimates for r in kept) and (basis == "sample" or q != "concentration_per_ml")
    ]
    estimates = {
        q: pool(
            q,
            [r.estimates[q].value for r in kept],
            [r.standard_errors.get(q, float("nan")) for r in kept],
            settings,
            REPLICATES,
        )[0]
        for q in shared
    }
    return SampleStatistics(
        estimates=estimates,
        class_fractions=_pool_classes(kept, settings),
        distributions=(_pool_replicates(kept, basis, settings),),
        concentration_basis=basis,
        notes=tuple(notes),
    )


def _one_replicate(r: MeasurementStatistics, notes: list[str], settings: StatisticsSettings) -> SampleStatistics:
    note = "one replicate: variation between replicates is unknown; captures are repeats of one load"
    return SampleStatistics(
        estimates=r.estimates,
        class_fractions=r.class_fractions,
        distributions=(_pool_replicates([r], r.concentration_basis, settings),),
        concentration_basis=r.concentration_basis,
        notes=(*notes, note),
    )


def _pool_classes(kept: Sequence[MeasurementStatistics], settings: StatisticsSettings) -> tuple[ClassFraction, ...]:
    out = []
    for first in kept[0].class_fractions:
        same = [f for r in kept for f in r.class_fractions if f.definition_id == first.definition_id]
        if len(same) != len(kept):
            continue
        shares = np.array([f.estimate.value for f in same])
        errors = np.array([np.nan if f.standard_error is None else f.standard_error for f in same])
        counts = [r.n_tracks or settings.bandwidth_fallback_n for r in kept]
        drawn = float(np.mean([drawn_fraction(s, n) for s, n in zip(shares, counts, strict=True)]))
        definition = ClassDefinition(
            id=first.definition_id, review=first.review, location=first.location, name=first.name,
            low_nm=first.low_nm, high_nm=first.high_nm, notes="",
        )  # fmt: skip
        out.append(
            class_fraction(definition, float(shares.mean()), pooled_error(shares, errors), settings,
                           drawn=drawn, n=len(kept), units=REPLICATES)
        )  # fmt: skip
    return tuple(out)


def _pool_replicates(kept: Sequence[MeasurementStatistics], basis: Basis, settings: StatisticsSettings) -> Distribution:
    """Average of the pooled distributions of replicates, as particles per mL or, on a relative basis, as shares."""
    analysed = []
    for r in kept:
        shown = r.distributions[-1]
        edges = np.array([*shown.bin_low_nm, shown.bin_high_nm[-1]])
        mass = np.array(shown.concentration_per_ml_per_nm) * np.diff(edges)
        h = histogram(edges, mass, r.n_tracks)
        total = float(mass.sum()) if basis == r.concentration_basis else 1.0
        density = smooth(h, shown.bandwidth_nm)
        analysed.append(
            _Analysed(statistics=r.captures[0], histogram=h, density=density, peaks=shown.peaks, total_per_ml=total)
        )
    label = f"pooled over {_count(len(kept), 'replicate')}"
    return _lay_out(_pool_distribution(analysed, settings), label, "sample", basis, settings)
