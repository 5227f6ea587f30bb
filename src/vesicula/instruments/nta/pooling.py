"""From captures, positions and replicates to one estimate with an interval that carries what varies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.instruments.nta.results import (
    DIAMETERS,
    UNITS,
    ClassFraction,
    StatisticsSettings,
)
from vesicula.instruments.nta.statistics import log_interval, normal_quantile, standard_error, t_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vesicula.core.measurement import FloatArray, TableMeasurement
    from vesicula.core.reference import ClassDefinition

Units = tuple[str, tuple[str, ...]]
"""Unit of replication, and the sources of variation that its interval carries."""

CAPTURES: Units = ("capture", ("counting", "between-capture"))
POSITIONS: Units = ("position", ("counting", "between-position"))
TRACKS: Units = ("track", ("counting",))
REPLICATES: Units = ("replicate", ("counting", "between-capture", "between-replicate"))


def pooled_error(values: FloatArray, errors: FloatArray) -> float:
    """Return the standard error of an unweighted mean.

    Parameters
    ----------
    values : numpy.ndarray, shape (m,)
        One value per unit, m >= 2.
    errors : numpy.ndarray, shape (m,)
        Standard error of each from what varies within the unit; NaN where unknown, which counts as 0.

    Returns
    -------
    float
        The larger of SD / sqrt(m) and sqrt(sum of squared errors) / m: the modified Knapp-Hartung rule, by which
        chance agreement of few units cannot shrink an interval below what the errors within them allow
        (Roever, Knapp & Friede 2015, BMC Med Res Methodol 15:99, doi 10.1186/s12874-015-0091-1).
    """
    m = values.size
    known = errors[~np.isnan(errors)]
    return max(standard_error(values), math.sqrt(float(known @ known)) / m)


def make_estimate(
    quantity: str, value: float, se: float | None, settings: StatisticsSettings, *, n: int, units: Units
) -> Estimate:
    """Return an estimate with a t interval on the logarithm, n - 1 degrees of freedom.

    Parameters
    ----------
    quantity : str
        One of `QUANTITIES`.
    value : float
        Point estimate.
    se : float or None
        Its standard error; without one the estimate has no interval.
    settings : StatisticsSettings
        `level`.
    n : int
        Number of units of replication, at least 2 where `se` is given.
    units : Units
        What they are and what the interval carries.

    Returns
    -------
    Estimate
        All quantities here are positive: on the logarithm no interval reaches zero, and a scale factor between
        captures is additive.
    """
    low = high = None
    if se is not None and value > 0 and n > 1:
        low, high = log_interval(value, se, t_quantile(settings.level, n - 1))
    return Estimate(
        quantity=quantity,
        value=value,
        unit=UNITS[quantity],
        low=low,
        high=high,
        level=settings.level,
        n=n,
        unit_of_replication=units[0],
        carries=units[1] if low is not None else (),
    )


def pool(
    quantity: str, values: Sequence[float], errors: Sequence[float], settings: StatisticsSettings, units: Units
) -> tuple[Estimate, float]:
    """Pool at least two units into their unweighted mean.

    Parameters
    ----------
    quantity : str
        One of `QUANTITIES`.
    values, errors : sequence of float
        Per unit: value, and standard error from within (NaN where unknown).
    settings : StatisticsSettings
        `level`.
    units : Units
        What the units are and what the interval carries.

    Returns
    -------
    tuple of Estimate and float
        The estimate and its standard error.
    """
    v = np.asarray(values, dtype=np.float64)
    se = pooled_error(v, np.asarray(errors, dtype=np.float64))
    return make_estimate(quantity, float(v.mean()), se, settings, n=v.size, units=units), se


def proportion_interval(p: float, se: float, level: float, degrees: float | None) -> tuple[float, float]:
    """Return an interval for a proportion that has a standard error from whatever source.

    Parameters
    ----------
    p : float
        The proportion, already drawn towards 1/2 by half a track (Jeffreys), so neither 0 nor 1.
    se : float
        Its standard error.
    level : float
        Confidence level.
    degrees : float or None
        Degrees of freedom of `se`; None for a known one.

    Returns
    -------
    tuple of float
        Jeffreys's beta interval with the number of observations that would give `se` by counting alone, shrunk by
        (z / t)^2 for an estimated `se` (Korn & Graubard 1998, Survey Methodology 24:193; with Jeffreys instead of
        Clopper-Pearson, as compared by Franco et al. 2019, J Surv Stat Methodol 7:334 [both from memory,
        unchecked]).
    """
    from scipy.special import betaincinv  # not above: its import takes 0.3 s

    n = p * (1 - p) / se**2
    if degrees is not None:
        n *= (normal_quantile(level) / t_quantile(level, degrees)) ** 2
    a, b = n * p, n * (1 - p)
    tail = (1 - level) / 2
    return float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionVariation:
    """What the positions of one cell say about a measurement whose histogram is pooled over them.

    Parameters
    ----------
    n : int
        Positions used.
    relative_se : mapping of str to float
        Cluster-robust relative standard error of ``concentration_per_ml``, ``median_diameter_nm`` and ``span``, as
        far as the table has them.
    scale_variance : float
        Variance, on the logarithm, that a size scale differing between positions adds to the pooled histogram.
    """

    n: int
    relative_se: Mapping[str, float]
    scale_variance: float


def _used(positions: TableMeasurement) -> pl.DataFrame:
    if positions.kind != "positions":
        raise AnalysisError(
            f"{positions.source.name}: expected a table of positions, found {positions.kind!r}; "
            "give the export with a row per position"
        )
    table = positions.table
    missing = [c for c in ("concentration_per_ml", "d50_diameter_nm") if c not in table.columns]
    if missing:
        raise AnalysisError(f"{positions.source.name}: the table of positions lacks {', '.join(missing)}")
    if "used" in table.columns:
        table = table.filter(pl.col("used"))
    return table


def _column(table: pl.DataFrame, name: str) -> FloatArray | None:
    """Column as floats; None when absent or when any value is missing, not finite or not positive."""
    if name not in table.columns:
        return None
    values = table[name].cast(pl.Float64).to_numpy()
    return values if values.size and bool(np.all(np.isfinite(values) & (values > 0))) else None


def cluster_error(values: FloatArray, weights: FloatArray) -> float:
    """Return the relative standard error of a weighted mean of clusters.

    Parameters
    ----------
    values, weights : numpy.ndarray, shape (p,)
        Value and weight of each cluster.

    Returns
    -------
    float
        sqrt(p / (p - 1) sum w^2 (v - mean)^2) / mean with weights that sum to 1: the linearised variance of a
        ratio estimator (Cochran 1977, Sampling Techniques, section 6.3 [from memory, unchecked]).
    """
    w = weights / weights.sum()
    mean = float(w @ values)
    p = values.size
    return float(np.sqrt(p / (p - 1) * np.sum(w**2 * (values - mean) ** 2))) / mean


def position_variation(
    positions: TableMeasurement, *, median_nm: float, median_se: float | None
) -> tuple[PositionVariation | None, str]:
    """Work out what the table of positions adds to the errors of a pooled histogram.

    Parameters
    ----------
    positions : TableMeasurement
        Of kind ``"positions"``; columns ``used``, ``concentration_per_ml``, ``d50_diameter_nm``, and if present
        ``tracks``, ``particles_per_frame`` and ``span``.
    median_nm, median_se : float, float or None
        Median of the pooled histogram and its counting standard error.

    Returns
    -------
    tuple of PositionVariation or None, and str
        None with the reason when fewer than two positions were used.

    Raises
    ------
    AnalysisError
        When the table is not one of positions.
    """
    table = _used(positions)
    p = table.height
    if p < 2:
        return None, f"{positions.source.name}: {p} position used, too few for variation between positions"
    tracks = _column(table, "tracks")
    weights = np.ones(p) if tracks is None else tracks
    relative: dict[str, float] = {}
    concentration = _column(table, "concentration_per_ml")
    if concentration is not None:
        between = cluster_error(concentration, np.ones(p))
        seen = _column(table, "particles_per_frame")
        counted = seen if seen is not None else tracks
        # One frame of a position holds Poisson many particles; averaging its frames can only reduce that.
        counting = 0.0 if counted is None else 1 / np.sqrt(counted.sum())
        relative["concentration_per_ml"] = max(between, float(counting))
    for column, quantity in (("d50_diameter_nm", "median_diameter_nm"), ("span", "span")):
        values = _column(table, column)
        if values is not None:
            relative[quantity] = cluster_error(values, weights)
    clustered = relative.get("median_diameter_nm", 0.0)
    scale = max(0.0, clustered**2 - ((median_se or 0.0) / median_nm) ** 2)
    return PositionVariation(n=p, relative_se=relative, scale_variance=scale), ""


def position_estimates(
    values: Mapping[str, float],
    errors: Mapping[str, float],
    variation: PositionVariation,
    settings: StatisticsSettings,
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return estimates whose intervals carry the variation between positions.

    Parameters
    ----------
    values, errors : mapping of str to float
        Values and counting standard errors of the one pooled histogram.
    variation : PositionVariation
        What the positions say.
    settings : StatisticsSettings
        `level`.

    Returns
    -------
    estimates, standard errors : dict
        Concentration, median and span (where the table has them): the larger of the cluster-robust and the counting
        error. Other diameters, which the table does not give per position: the counting error joined with the
        scale variance found on the median, on the model that positions differ by a factor in size. That model
        leaves a span without its own column unchanged, whose interval then carries counting alone.
    """
    estimates, out = {}, {}
    for quantity, value in values.items():
        counting = errors.get(quantity, 0.0)
        units = POSITIONS
        if quantity == "concentration_per_ml" and quantity in variation.relative_se:
            se = value * variation.relative_se[quantity]
        elif quantity in variation.relative_se:
            se = max(value * variation.relative_se[quantity], counting)
        elif quantity in DIAMETERS:
            se = float(np.sqrt(counting**2 + value**2 * variation.scale_variance))
        else:
            se, units = counting, ("position", ("counting",))
        out[quantity] = se
        estimates[quantity] = make_estimate(quantity, value, se or None, settings, n=variation.n, units=units)
    return estimates, out


def class_fraction(
    definition: ClassDefinition,
    value: float,
    se: float | None,
    settings: StatisticsSettings,
    *,
    drawn: float,
    n: int,
    units: Units,
) -> ClassFraction:
    """Return the share of one class with its interval.

    Parameters
    ----------
    definition : ClassDefinition
        The class.
    value : float
        The share.
    se : float or None
        Its standard error.
    settings : StatisticsSettings
        `level`.
    drawn : float
        The share drawn towards 1/2 by half a track on either side (Jeffreys), which keeps a class in which nothing
        was seen from having no error.
    n : int
        Units of replication.
    units : Units
        What they are and what the interval carries; tracks have a known, other units an estimated error.

    Returns
    -------
    ClassFraction
        With the interval of `proportion_interval`, none where `se` is None.
    """
    low = high = None
    if se:
        degrees = None if units[0] == "track" else n - 1
        low, high = proportion_interval(drawn, se, settings.level, degrees)
        low, high = (0.0 if value <= 0 else min(low, value)), (1.0 if value >= 1 else max(high, value))
    estimate = Estimate(
        quantity="class_fraction",
        value=value,
        unit="",
        low=low,
        high=high,
        level=settings.level,
        n=n,
        unit_of_replication=units[0],
        carries=units[1] if low is not None else (),
    )
    return ClassFraction(
        definition_id=definition.id,
        review=definition.review,
        location=definition.location,
        name=definition.name,
        low_nm=definition.low_nm,
        high_nm=definition.high_nm,
        estimate=estimate,
        standard_error=se,
    )


def drawn_fraction(value: float, n: float) -> float:
    """Return a share with half a track added on either side: Jeffreys's prior for `n` tracks."""
    return (value * n + 0.5) / (n + 1)
