"""Moments and percentiles of one size histogram, and their counting errors in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vesicula.core.measurement import Capture, FloatArray

VendorConvention = Literal["nanosight-3.2", "nanosight-3.4", "zetaview"]

PERCENTILES: dict[str, float] = {"d10_diameter_nm": 0.1, "median_diameter_nm": 0.5, "d90_diameter_nm": 0.9}

# Width of the window within which a level counts as met exactly on a gap of the cumulative; far below 1 / n of any
# measurement and far above the rounding of a sum of 1000 bins.
_TIE = 1e-11

_LEVELS = np.array(list(PERCENTILES.values()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """The occupied part of a size histogram, normalised.

    Parameters
    ----------
    edges_nm : numpy.ndarray, shape (k + 1,)
        Bin edges.
    probability : numpy.ndarray, shape (k,)
        Share of the particles in each bin; sums to 1.
    cumulative : numpy.ndarray, shape (k + 1,)
        Share below each edge.
    n : float or None
        Independent tracks behind it.
    """

    edges_nm: FloatArray
    probability: FloatArray
    cumulative: FloatArray
    n: float | None

    @property
    def centres_nm(self) -> FloatArray:
        """Middle of each bin, shape (k,)."""
        return (self.edges_nm[:-1] + self.edges_nm[1:]) / 2

    @property
    def widths_nm(self) -> FloatArray:
        """Width of each bin, shape (k,)."""
        return self.edges_nm[1:] - self.edges_nm[:-1]

    @property
    def bin_width_nm(self) -> float:
        """Mean width of a bin, weighted by what it holds."""
        return float(self.probability @ self.widths_nm)


def histogram(edges_nm: FloatArray, weights: FloatArray, n: float | None) -> Histogram:
    """Normalise a histogram and cut it to its occupied range.

    Parameters
    ----------
    edges_nm : numpy.ndarray, shape (k + 1,)
        Bin edges.
    weights : numpy.ndarray, shape (k,)
        Counts or concentrations, not all zero.
    n : float or None
        Independent tracks behind it.

    Returns
    -------
    Histogram
        From the first to the last occupied bin.
    """
    occupied = weights.nonzero()[0]
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    part = weights[first:last]
    cumulative = np.zeros(part.size + 1)
    np.cumsum(part, out=cumulative[1:])
    total = cumulative[-1]
    return Histogram(edges_nm=edges_nm[first : last + 1], probability=part / total, cumulative=cumulative / total, n=n)


def track_count(capture: Capture) -> int | None:
    """Return the number of tracks behind the size distribution of a capture.

    Parameters
    ----------
    capture : Capture
        The capture.

    Returns
    -------
    int or None
        Sum of the counts where the file gives counts, else the tracks used; None when neither is known.
    """
    if capture.particle_count is not None:
        counted = round(float(capture.particle_count.sum()))
        return counted if counted > 0 else None
    return capture.tracks_used or None


def percentile(h: Histogram, level: FloatArray | float) -> FloatArray:
    """Return percentiles, the mass of each bin being spread evenly over the bin.

    Parameters
    ----------
    h : Histogram
        The distribution.
    level : array_like
        Levels between 0 and 1.

    Returns
    -------
    numpy.ndarray
        Diameters in nm, shape of `level`. Where the cumulative is flat at a level, the middle of the flat part, as
        for the median of an even number of observations.
    """
    q = np.asarray(level, dtype=np.float64)
    below = np.interp(q - _TIE, h.cumulative, h.edges_nm)
    above = np.interp(q + _TIE, h.cumulative, h.edges_nm)
    return np.asarray((below + above) / 2)


def fraction_between(h: Histogram, low_nm: float, high_nm: float) -> float:
    """Return the share of the particles from `low_nm` to `high_nm`.

    Parameters
    ----------
    h : Histogram
        The distribution.
    low_nm, high_nm : float
        Bounds.

    Returns
    -------
    float
        Between 0 and 1.
    """
    low, high = np.interp((low_nm, high_nm), h.edges_nm, h.cumulative).tolist()
    return float(high - low)


def standard_error(values: FloatArray) -> float:
    """Return the standard error of the mean of at least two values: SD / sqrt(m), from m - 1 degrees of freedom."""
    off = values - values.sum() / values.size
    return math.sqrt(float(off @ off) / (values.size - 1) / values.size)


@lru_cache(maxsize=64)
def normal_quantile(level: float) -> float:
    """Return z such that the normal distribution holds `level` between -z and z."""
    from scipy.special import ndtri  # not above: its import takes 0.3 s, and who only reads files needs none of it

    return float(ndtri(0.5 + level / 2))


@lru_cache(maxsize=1024)
def t_quantile(level: float, degrees: float) -> float:
    """Return t such that Student's distribution with `degrees` of freedom holds `level` between -t and t."""
    from scipy.special import stdtrit  # not above: see `normal_quantile`

    return float(stdtrit(degrees, 0.5 + level / 2))


def summary(h: Histogram) -> dict[str, float]:
    """Return moments, percentiles and span of a distribution.

    Parameters
    ----------
    h : Histogram
        The distribution.

    Returns
    -------
    dict of str to float
        ``mean_diameter_nm`` and ``sd_diameter_nm`` (moments at bin centres, divisor n, no Sheppard correction: the
        definition of both vendors), ``d10``, ``median``, ``d90_diameter_nm`` and ``span``.
    """
    x = h.centres_nm
    mean = float(h.probability @ x)
    off = x - mean
    sd = math.sqrt(h.probability @ (off * off))
    d10, d50, d90 = percentile(h, _LEVELS).tolist()
    return {
        "mean_diameter_nm": mean,
        "median_diameter_nm": d50,
        "d10_diameter_nm": d10,
        "d90_diameter_nm": d90,
        "sd_diameter_nm": sd,
        "span": (d90 - d10) / d50,
    }


def woodruff_levels(q: FloatArray, n: float, z: float) -> tuple[FloatArray, FloatArray]:
    """Return the levels whose percentiles bound the percentile at `q`.

    Parameters
    ----------
    q : numpy.ndarray
        Levels between 0 and 1.
    n : float
        Independent observations.
    z : float
        Normal quantile of the confidence level.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper level: quantiles of the binomial share of observations below the true percentile, by
        Cornish and Fisher's expansion to first order in the skewness. Inverting the cumulative at such levels is
        Woodruff's interval (1952, J Am Stat Assoc 47:635 [from memory, unchecked]) and needs no density.
    """
    spread = z * np.sqrt(q * (1 - q) / n)
    shift = (z**2 - 1) * (1 - 2 * q) / (6 * n)
    return np.maximum(q + shift - spread, 0), np.minimum(q + shift + spread, 1)


def counting_errors(
    h: Histogram, values: dict[str, float], level: float
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return counting standard errors and intervals of what `summary` returns.

    Parameters
    ----------
    h : Histogram
        The distribution; its `n` must be known.
    values : dict of str to float
        What `summary` returned for it.
    level : float
        Confidence level.

    Returns
    -------
    se : dict of str to float
        Standard errors: of the mean sigma / sqrt(n); of sigma by the delta method from the fourth moment; of
        percentiles half the width of Woodruff's interval over z; of the span by the delta method with the joint
        normal law of three order statistics.
    interval : dict of str to (float, float)
        Woodruff's interval for percentiles, else a t interval on the logarithm.
    """
    if h.n is None:  # pragma: no cover - callers ask only where n is known
        raise AnalysisError("counting errors need the number of tracks")
    n, z = float(h.n), normal_quantile(level)
    off, widths = h.centres_nm - values["mean_diameter_nm"], h.widths_nm
    square = off * off
    variance = values["sd_diameter_nm"] ** 2
    # Within a bin particles lie spread, not at its centre: a distribution in one bin has no zero error.
    within = float(h.probability @ (widths * widths)) / 12
    excess = max(float(h.probability @ (square * square)) - variance**2, 0.0)
    se = {"mean_diameter_nm": math.sqrt((variance + within) / n)}
    if variance > 0:
        se["sd_diameter_nm"] = math.sqrt((excess + variance * within) / n) / (2 * math.sqrt(variance))
    bounds = percentile(h, np.concatenate(woodruff_levels(_LEVELS, n, z))).tolist()
    low, high = bounds[: _LEVELS.size], bounds[_LEVELS.size :]
    spread = [(b - a) / (2 * z) for a, b in zip(low, high, strict=True)]
    se.update(zip(PERCENTILES, spread, strict=True))
    se["span"] = _span_error(values, spread)
    t = t_quantile(level, max(n - 1, 1))
    interval = {k: log_interval(values[k], v, t) for k, v in se.items()}
    interval.update(zip(PERCENTILES, zip(low, high, strict=True), strict=True))
    return se, interval


def _span_error(values: dict[str, float], spread: Sequence[float]) -> float:
    """Delta method for (D90 - D10) / D50 with corr(Q_a, Q_b) = sqrt(a (1 - b) / (b (1 - a))) for a < b."""
    s10, s50, s90 = spread
    d50, span = values["median_diameter_nm"], values["span"]
    # Correlations of sample quantiles (Cramer 1946, section 28.5 [from memory, unchecked]):
    # (0.1, 0.9): 1/9; (0.1, 0.5) and (0.5, 0.9): 1/3.
    c_19, c_15 = 1 / 9, 1 / 3
    width_var = s90**2 + s10**2 - 2 * c_19 * s90 * s10
    covariance = c_15 * s50 * (s90 - s10)
    variance = (width_var + span**2 * s50**2 - 2 * span * covariance) / d50**2
    return math.sqrt(max(variance, 0.0))


def log_interval(value: float, se: float, quantile: float) -> tuple[float, float]:
    """Return value x/÷ exp(quantile se / value): symmetric on the logarithm, so it never reaches zero."""
    factor = math.exp(min(quantile * se / value, 700.0))
    return value / factor, value * factor


def concentration_error(capture: Capture, n_tracks: int | None, residence_cv: float) -> float | None:
    """Return the relative counting standard error of a concentration.

    Parameters
    ----------
    capture : Capture
        The capture.
    n_tracks : int or None
        Tracks behind its size distribution.
    residence_cv : float
        Coefficient of variation of the time that a particle stays in view.

    Returns
    -------
    float or None
        The smaller of two: sqrt((1 + CV^2) / N) for N distinct particles whose residence times add up to the mean
        number per frame (variance of a compound Poisson sum), and 1 / sqrt(particles per frame), the error of one
        single frame, which no average over frames exceeds. None when neither number is known.
    """
    tracks = capture.tracks_completed or n_tracks
    bounds = []
    if tracks:
        bounds.append(math.sqrt((1 + residence_cv**2) / tracks))
    if capture.particles_per_frame:
        bounds.append(1 / math.sqrt(capture.particles_per_frame))
    return min(bounds) if bounds else None


def vendor_percentile(capture: Capture, level: float, convention: VendorConvention) -> float:
    """Return a percentile as a vendor's software computes it, to validate against the file's own.

    Parameters
    ----------
    capture : Capture
        The capture; not empty.
    level : float
        Between 0 and 1.
    convention : {"nanosight-3.2", "nanosight-3.4", "zetaview"}
        All interpolate the cumulative linearly, but place it differently: NanoSight 3.2 at the left edge of each
        bin (half a bin below its centre, hence one bin below the truth), NanoSight 3.4 at the right edge (which is
        also what `percentile` does), ZetaView at bin centres (half a bin below the truth). Found by comparison
        with the values in real files; see docs/explanation/nta-statistics.md.

    Returns
    -------
    float
        Diameter in nm.

    Raises
    ------
    AnalysisError
        When the convention is unknown or the capture is empty.
    """
    if capture.is_empty:
        raise AnalysisError(f"capture {capture.name!r} is empty: it has no percentiles")
    edges = capture.bin_edges_nm
    grids = {"nanosight-3.2": edges[:-1], "nanosight-3.4": edges[1:], "zetaview": capture.bin_centres_nm}
    if convention not in grids:
        raise AnalysisError(f"unknown percentile convention {convention!r}; known: {', '.join(grids)}")
    cumulative = np.cumsum(capture.weights)
    return float(np.interp(level * cumulative[-1], cumulative, grids[convention]))
