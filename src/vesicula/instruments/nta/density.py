"""The smoothed view of a size histogram: bandwidth, mode, peaks, and the curve that figures show."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesicula.core.estimate import Distribution, Peak
from vesicula.instruments.nta.statistics import Histogram, fraction_between, percentile, standard_error

if TYPE_CHECKING:
    from vesicula.core.measurement import FloatArray
    from vesicula.instruments.nta.results import StatisticsSettings

# Cells per bandwidth: the sampled Gaussian then integrates to 1 within 1e-13 and a parabola through three cells finds
# the maximum of a smooth curve within 1e-3 bandwidths (Taylor: the cubic term at a quarter bandwidth).
CELLS_PER_BANDWIDTH = 4
# Bounds memory where one stray particle lies at 6000 nm: 64 k cells are 0.5 MB.
MAX_CELLS = 65536
# The Gaussian beyond 5 standard deviations holds 6e-7 of the mass.
REACH = 5.0
# exp(-9^2 / 2) = 3e-18 is less than the rounding of the sums that the kernel goes into.
_FAR = 9.0
# Cells of the transform behind the automatic bandwidth: a range of 1000 nm in steps of 0.5 nm.
PLUG_IN_CELLS = 2048
# Beyond exp(-100) a term of the functionals is below 1e-20 of their sum, whatever its power of the frequency (at most
# 2048^6 = 7e19 times that of the lowest): such terms are not computed.
_LARGEST_EXPONENT = 100.0
# A number rounded to 6 digits is x * up / down, one of which is 1: both powers, by the exponent, from -22 to 22. Powers
# of ten up to 22 are exact in binary, so that one division or product by them rounds correctly.
_LIMIT = 22
_UP = np.array([float(10 ** max(i, 0)) for i in range(-_LIMIT, _LIMIT + 1)])
_DOWN = _UP[::-1].copy()
# Squares of the frequencies of the transform, and how often each stands in a sum over both signs.
_SQUARES = np.arange(PLUG_IN_CELLS + 1.0) ** 2
_TWOFOLD = np.full(PLUG_IN_CELLS + 1, 2.0)
_TWOFOLD[[0, -1]] = 1.0
_CELLS = np.arange(PLUG_IN_CELLS + 1.0)


_QUARTILES = np.array([0.25, 0.75])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothDensity:
    """A kernel estimate on a fine uniform grid.

    Parameters
    ----------
    diameter_nm : numpy.ndarray, shape (g,)
        Grid, never below 0.
    density_per_nm : numpy.ndarray, shape (g,)
        Density; integrates to 1.
    mass : numpy.ndarray, shape (g,)
        Share of the particles in the cell around each point, not smoothed.
    bandwidth_nm : float
        Standard deviation of the Gaussian kernel.
    mode_nm : float
        Place of the highest density, interpolated by a parabola between grid points.
    """

    diameter_nm: FloatArray
    density_per_nm: FloatArray
    mass: FloatArray
    bandwidth_nm: float
    mode_nm: float


def automatic_bandwidth(h: Histogram, settings: StatisticsSettings) -> float:
    """Return the standard deviation of the Gaussian kernel.

    Parameters
    ----------
    h : Histogram
        The distribution.
    settings : StatisticsSettings
        `bandwidth_nm` overrides the rule.

    Returns
    -------
    float
        Two-stage direct plug-in bandwidth in nm (Sheather & Jones 1991, J R Stat Soc B 53:683; Wand & Jones 1995,
        Kernel Smoothing, section 3.6), at least one bin width, since bins hold nothing finer. Unlike the
        normal-reference rule it does not oversmooth where there are two peaks.
    """
    width = h.bin_width_nm
    if settings.bandwidth_nm is not None:
        return max(settings.bandwidth_nm, width)
    x = h.centres_nm
    off = x - h.probability @ x
    sd = math.sqrt(h.probability @ (off * off))
    q25, q75 = percentile(h, _QUARTILES).tolist()
    # 1.349: interquartile range of the standard normal distribution.
    scale = min(sd, (q75 - q25) / 1.349)
    if not scale > 0:
        return width
    return max(_plug_in(h, scale, float(h.n or settings.bandwidth_fallback_n)), width)


def _plug_in(h: Histogram, scale: float, n: float) -> float:
    """Direct plug-in bandwidth; functionals of the density by Parseval from the Fourier transform of the bins."""
    step = float(h.edges_nm[-1] - h.edges_nm[0]) / PLUG_IN_CELLS
    cumulative = np.interp(h.edges_nm[0] + step * _CELLS, h.edges_nm, h.cumulative)
    length = 2 * PLUG_IN_CELLS  # zero padding: the transform must not wrap around
    transform = np.fft.rfft(cumulative[1:] - cumulative[:-1], length)
    power = (transform.real**2 + transform.imag**2) * _TWOFOLD
    unit = (2 * math.pi / (length * step)) ** 2

    def functional(order: int, pilot: float) -> float:
        """Integral of f^(order) f, without its alternating sign, from a kernel estimate with a pilot bandwidth."""
        decay = 0.5 * pilot**2 * unit
        stop = min(int(math.sqrt(_LARGEST_EXPONENT / decay)) + 2, power.size)
        square = _SQUARES[:stop]
        terms = power[:stop] * np.exp(-decay * square)
        for _ in range(order // 2):
            terms *= square
        return float(terms.sum()) * unit ** (order // 2) / (length * step)

    root = math.sqrt(2 * math.pi)
    psi_8 = 105 / (32 * math.sqrt(math.pi) * scale**9)  # of a normal density
    pilot_6 = (2 * 15 / root / (psi_8 * n)) ** (1 / 9)
    pilot_4 = (2 * 3 / root / (functional(6, pilot_6) * n)) ** (1 / 7)
    return float((1 / (2 * math.sqrt(math.pi) * functional(4, pilot_4) * n)) ** 0.2)


def _gaussian_filter(values: FloatArray, sigma: float) -> FloatArray:
    """Convolve with a Gaussian sampled to `REACH` standard deviations, values being reflected at both ends.

    The same as ``scipy.ndimage.gaussian_filter1d`` in mode ``"reflect"``, against which it is tested; importing that
    package takes as long as analysing fifty files. `sigma` is in cells; its reach must not exceed `values`.
    """
    radius = int(REACH * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1.0)
    kernel = np.exp(-0.5 / sigma**2 * offsets * offsets)
    kernel /= kernel.sum()
    padded = np.concatenate((values[:radius][::-1], values, values[values.size - radius :][::-1]))
    return np.convolve(padded, kernel, "valid")


def smooth(h: Histogram, bandwidth_nm: float) -> SmoothDensity:
    """Smooth a histogram with a Gaussian kernel, reflected at 0 nm.

    Parameters
    ----------
    h : Histogram
        The distribution; the mass of a bin is spread evenly over it.
    bandwidth_nm : float
        Standard deviation of the kernel.

    Returns
    -------
    SmoothDensity
        The estimate on a grid of a quarter bandwidth. Mass that the kernel would put below 0 nm is reflected
        (Silverman 1986, section 2.10), so that the density integrates to 1 over positive diameters.
    """
    first = max(0.0, h.edges_nm[0] - REACH * bandwidth_nm)
    last = h.edges_nm[-1] + REACH * bandwidth_nm
    # 1e-9: rounding must not decide on one cell more.
    cells = min(int(np.ceil((last - first) / bandwidth_nm * CELLS_PER_BANDWIDTH - 1e-9)), MAX_CELLS)
    step = (last - first) / cells
    edges = first + step * np.arange(cells + 1)
    cumulative = np.interp(edges, h.edges_nm, h.cumulative)
    mass = cumulative[1:] - cumulative[:-1]
    density = _gaussian_filter(mass, bandwidth_nm / step) / step
    centres = edges[:-1] + step / 2
    return SmoothDensity(
        diameter_nm=centres,
        density_per_nm=density,
        mass=mass,
        bandwidth_nm=bandwidth_nm,
        mode_nm=_vertex(centres, density, _highest(density), step),
    )


def _highest(values: FloatArray) -> int:
    """Place of the highest value; of several that differ by rounding alone, which must not decide, the first."""
    return int((values >= values.max() * (1 - 1e-12)).argmax())


def _vertex(x: FloatArray, y: FloatArray, i: int, step: float) -> float:
    """Place of the maximum of the parabola through three neighbouring grid points around `i`."""
    if i in (0, y.size - 1):
        return float(x[i])
    before, here, after = y[i - 1 : i + 2].tolist()
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(x[i] + shift * step)


def _kernel(x: FloatArray, at: float, bandwidth: float) -> FloatArray:
    """Reflected Gaussian kernel centred on `at`, evaluated at `x`."""
    near = (x - at) / bandwidth
    kernel = np.exp(-0.5 * near * near)
    if x[0] + at < _FAR * bandwidth:
        far = (x + at) / bandwidth
        kernel += np.exp(-0.5 * far * far)
    return np.asarray(kernel / (bandwidth * math.sqrt(2 * math.pi)))


def _contrast(h: Histogram, a_nm: float, b_nm: float, bandwidth: float) -> tuple[slice, FloatArray]:
    """Return K(a - x) - K(b - x) at the centres x of those bins where it is not nil, and which these are."""
    centres = h.centres_nm
    reach = _FAR * bandwidth
    start, stop = centres.searchsorted((min(a_nm, b_nm) - reach, max(a_nm, b_nm) + reach)).tolist()
    if start == stop:  # both places lie in a gap as wide as that
        return slice(0, 1), np.zeros(1)
    x = centres[start:stop]
    return slice(start, stop), _kernel(x, a_nm, bandwidth) - _kernel(x, b_nm, bandwidth)


def contrast_error(h: Histogram, a_nm: float, b_nm: float, bandwidth_nm: float) -> float:
    """Return the counting standard error of the difference of two densities, per nm; infinite where n is unknown.

    Parameters
    ----------
    h : Histogram
        The distribution.
    a_nm, b_nm : float
        Where the densities are taken.
    bandwidth_nm : float
        Standard deviation of the kernel.

    Returns
    -------
    float
        Square root of Var[K(a - X) - K(b - X)] / n: a kernel density is a mean over the tracks.
    """
    return _counting_error(h, *_contrast(h, a_nm, b_nm, bandwidth_nm))


def _counting_error(h: Histogram, bins: slice, contrast: FloatArray) -> float:
    if h.n is None:
        return float("inf")
    probability = h.probability[bins]
    variance = float(probability @ (contrast * contrast) - (probability @ contrast) ** 2)
    return math.sqrt(max(variance, 0.0) / h.n)


def mode_interval(h: Histogram, density: SmoothDensity, settings: StatisticsSettings) -> tuple[float, float]:
    """Return the range of diameters that may be the mode, given the number of tracks.

    Parameters
    ----------
    h : Histogram
        The distribution; its `n` must be known.
    density : SmoothDensity
        Its kernel estimate.
    settings : StatisticsSettings
        `mode_contrast_z`.

    Returns
    -------
    tuple of float
        From the smallest to the largest diameter whose density lies within `mode_contrast_z` standard errors of
        the highest, the error being that of the difference of the two densities. A second peak that is not
        clearly lower is thereby inside. The usual delta method (curvature at the maximum) is too narrow, because
        the highest point of a noisy curve looks sharper than it is; see docs.
    """
    if h.n is None:  # pragma: no cover - callers ask only where n is known
        return 0.0, float("inf")
    bw, x, f = density.bandwidth_nm, density.diameter_nm, density.density_per_nm
    step = float(x[1] - x[0])
    # K_h(u)^2 is a Gaussian of bandwidth h / sqrt(2) over 2 h sqrt(pi): the mean square of the kernel anywhere.
    square = _gaussian_filter(density.mass, bw / math.sqrt(2) / step)
    square /= step * 2 * bw * math.sqrt(math.pi)
    top = _highest(f)
    # K_h(a - u) K_h(b - u) = K_h((a + b) / 2 - u)^2 exp(-(a - b)^2 / 4 h^2).
    off = x - x[top]
    product = np.interp((x + x[top]) / 2, x, square) * np.exp(-(off * off) / (4 * bw**2))
    drop = f[top] - f
    variance = np.maximum(square + square[top] - 2 * product - drop * drop, 0.0)
    inside = (drop <= settings.mode_contrast_z * np.sqrt(variance / h.n)).nonzero()[0]
    half_bin = h.bin_width_nm / math.sqrt(12 * h.n)  # many tracks in one bin do not tell where in it they lie
    low = min(float(x[inside[0]]) - step / 2, density.mode_nm - half_bin)
    high = max(float(x[inside[-1]]) + step / 2, density.mode_nm + half_bin)
    return max(low, 0.0), high


def find_peaks(
    h: Histogram, density: SmoothDensity, settings: StatisticsSettings, *, capture_shapes: FloatArray | None = None
) -> tuple[Peak, ...]:
    """Return the local maxima of a smoothed distribution.

    Parameters
    ----------
    h : Histogram
        The distribution.
    density : SmoothDensity
        Its kernel estimate.
    settings : StatisticsSettings
        `peak_min_prominence` and `peak_significance_z`.
    capture_shapes : numpy.ndarray, shape (captures, bins), optional
        For a distribution pooled over captures: the normalised distribution of each on the bins of `h`. The
        standard error of a prominence is then the larger of counting and between-capture ones.

    Returns
    -------
    tuple of Peak
        In order of diameter. The highest is always significant; another when it rises above the higher valley
        beside it (scipy's prominence) by `peak_significance_z` standard errors. Valleys of a significant peak are
        those towards the neighbouring significant peaks, so that their fractions add up to 1.
    """
    padded = np.concatenate(([0.0], density.density_per_nm, [0.0]))
    top = float(padded.max())
    maxima = local_maxima(padded, settings.peak_min_prominence * top)
    index = [m.index for m in maxima]
    highest = _highest(padded[index])
    x = np.concatenate(([density.diameter_nm[0]], density.diameter_nm, [density.diameter_nm[-1]]))
    significant = []
    for i, m in enumerate(maxima):
        places = float(x[m.index]), float(x[m.base])
        significant.append(
            i == highest
            or m.prominence
            > settings.peak_significance_z * _prominence_error(h, places, density.bandwidth_nm, capture_shapes)
        )
    bounds = _bounds(padded, index, significant)
    return tuple(
        _peak(h, (x, padded), m.index, (float(x[low]), float(x[high])), (m.prominence / top, sure))
        for m, (low, high), sure in zip(maxima, bounds, significant, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMaximum:
    """One local maximum of a sequence.

    Parameters
    ----------
    index : int
        Its place; the middle of a plateau.
    base : int
        Place of the lowest point on that side on which it is higher, between the peak and the next higher value.
    prominence : float
        Height above that point.
    """

    index: int
    base: int
    prominence: float


def local_maxima(y: FloatArray, least_prominence: float) -> list[LocalMaximum]:
    """Return the local maxima of a sequence that are prominent enough.

    Parameters
    ----------
    y : numpy.ndarray, shape (g,)
        Values; the ends are no maxima.
    least_prominence : float
        Maxima less prominent are left out.

    Returns
    -------
    list of LocalMaximum
        In order. The definition is that of ``scipy.signal.find_peaks`` with ``prominence``, against which it is
        tested; importing that package alone would take longer than analysing a hundred files.
    """
    steps = y[1:] - y[:-1]
    changes = steps.nonzero()[0]
    rising = steps[changes] > 0
    turns = (rising[:-1] & ~rising[1:]).nonzero()[0]
    peaks = (changes[turns] + 1 + changes[turns + 1]) // 2
    # One that is lower than that is less prominent, too, and beside no higher one does it matter.
    places = [0, *peaks[y[peaks] >= least_prominence].tolist(), y.size - 1]
    heights = y[places].tolist()
    valleys = [a + int(y[a : b + 1].argmin()) for a, b in itertools.pairwise(places)]
    depths = y[valleys].tolist()
    found = []
    for i in range(1, len(places) - 1):
        left = _lowest(depths, _next_higher(heights, i, -1), i)
        right = _lowest(depths, i, _next_higher(heights, i, 1))
        base = left if depths[left] > depths[right] else right
        if heights[i] - depths[base] >= least_prominence:
            found.append(LocalMaximum(index=places[i], base=valleys[base], prominence=heights[i] - depths[base]))
    return found


def _next_higher(heights: list[float], i: int, direction: int) -> int:
    """Index of the next place on one side of the i-th that is higher by more than rounding, or of the end."""
    j = i + direction
    while 0 < j < len(heights) - 1 and heights[j] <= heights[i] * (1 + 1e-12):
        j += direction
    return j


def _lowest(depths: list[float], start: int, stop: int) -> int:
    """Index of the first of the lowest valleys between two places."""
    return min(range(start, stop), key=depths.__getitem__)


def _prominence_error(
    h: Histogram, places: tuple[float, float], bandwidth: float, capture_shapes: FloatArray | None
) -> float:
    """Return the larger of the counting and the between-capture error of the difference of two densities."""
    bins, contrast = _contrast(h, *places, bandwidth)
    error = _counting_error(h, bins, contrast)
    if capture_shapes is None or capture_shapes.shape[0] < 2:
        return error
    return max(error, standard_error(capture_shapes[:, bins] @ contrast))


def _bounds(y: FloatArray, index: list[int], significant: list[bool]) -> list[tuple[int, int]]:
    """Valleys beside each peak: towards significant peaks for significant ones, towards any for the others."""

    def valleys(peaks: list[int]) -> list[int]:
        return [0, *(a + int(np.argmin(y[a:b])) for a, b in itertools.pairwise(peaks)), y.size - 1]

    sure = [i for i, s in zip(index, significant, strict=True) if s]
    of_all, of_sure = valleys(index), valleys(sure)
    out = []
    for i, at in enumerate(index):
        if significant[i]:
            j = sure.index(at)
            out.append((of_sure[j], of_sure[j + 1]))
        else:
            out.append((of_all[i], of_all[i + 1]))
    return out


def _peak(
    h: Histogram, curve: tuple[FloatArray, FloatArray], at: int, bounds: tuple[float, float], marks: tuple[float, bool]
) -> Peak:
    return Peak(
        diameter_nm=float(f"{_vertex(*curve, at, float(curve[0][2] - curve[0][1])):.6g}"),
        fraction=float(f"{fraction_between(h, *bounds):.6g}"),
        prominence=float(f"{marks[0]:.6g}"),
        low_nm=float(f"{bounds[0]:.6g}"),
        high_nm=float(f"{bounds[1]:.6g}"),
        significant=marks[1],
    )


def compact(values: FloatArray) -> tuple[float, ...]:
    """Round to 6 significant digits, such that the shortest decimal text of each number has no more.

    Parameters
    ----------
    values : numpy.ndarray
        Any finite numbers.

    Returns
    -------
    tuple of float
        The rounded numbers; below 1e-17 they lose digits and become 0. Six digits are far beyond any instrument
        and halve the size of what is stored.
    """
    return tuple(_rounded(np.asarray(values, dtype=np.float64)).tolist())


def _rounded(x: FloatArray) -> FloatArray:
    # What is smaller than 1e-30 is as good as 0, which has no logarithm.
    exponent = 5 + _LIMIT - np.floor(np.log10(np.maximum(np.abs(x), 1e-30)))
    index = np.minimum(np.maximum(exponent, 0), 2 * _LIMIT).astype(np.intp)
    up, down = _UP[index], _DOWN[index]
    return np.asarray(np.rint(x * up / down) / up * down)


def display_grid(density: SmoothDensity, low: float, high: float, points: int) -> FloatArray:
    """Return diameters at which a polygon shows a smoothed curve well.

    Parameters
    ----------
    density : SmoothDensity
        The curve.
    low, high : float
        Range to show.
    points : int
        Number of points.

    Returns
    -------
    numpy.ndarray, shape (points,)
        Increasing; a fifth of the points spread evenly, the others as sqrt(abs(f'')), which equalises the error of
        linear interpolation (de Boor's rule for broken lines [from memory, unchecked]).
    """
    x = density.diameter_nm
    bend = np.sqrt(np.abs(_gradient(_gradient(density.density_per_nm))))
    bend[(x < low) | (x > high)] = 0
    total = bend.sum()
    measure = np.zeros(x.size + 1)
    np.cumsum(0.8 * bend / total if total > 0 else bend, out=measure[1:])
    shown = np.minimum(np.maximum(x, low), high)
    measure[1:] += 0.2 * ((shown - low) / (high - low))
    places = np.concatenate(([low], shown))
    grid = np.interp(np.arange(points) * (measure[-1] / (points - 1)), measure, places)
    grid[0], grid[-1] = low, high
    return grid if (grid[1:] > grid[:-1]).all() else np.unique(grid)


def _gradient(y: FloatArray) -> FloatArray:
    """Central differences, one-sided at the ends, as ``numpy.gradient``, which is slow on short arrays."""
    out = np.empty_like(y)
    out[1:-1] = (y[2:] - y[:-2]) / 2
    out[0], out[-1] = y[1] - y[0], y[-1] - y[-2]
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a distribution is called and scaled to.

    Parameters
    ----------
    label, level, basis : str
        As in `Distribution`.
    total_per_ml : float
        Particles per mL that the whole distribution stands for; 1 on the basis ``"relative"``.
    """

    label: str
    level: str
    basis: str
    total_per_ml: float


def distribution(
    h: Histogram, density: SmoothDensity, peaks: tuple[Peak, ...], caption: Caption, settings: StatisticsSettings
) -> Distribution:
    """Lay a distribution out for figures and tables.

    Parameters
    ----------
    h, density, peaks
        The distribution, its kernel estimate and its peaks.
    caption : Caption
        Name and scale.
    settings : StatisticsSettings
        `display_points`, `display_trim`.

    Returns
    -------
    Distribution
        Occupied bins only, numbers rounded to 6 significant digits.
    """
    trim = settings.display_trim
    keep = ((h.cumulative[1:] > trim) & (h.cumulative[:-1] < 1 - trim)).nonzero()[0]
    first, last = int(keep[0]), int(keep[-1]) + 1
    edges = h.edges_nm[first : last + 1]
    binned = h.probability[first:last] / (edges[1:] - edges[:-1]) * caption.total_per_ml
    low = max(0.0, float(edges[0]) - 3 * density.bandwidth_nm)
    high = float(edges[-1]) + 3 * density.bandwidth_nm
    grid = _rounded(display_grid(density, low, high, settings.display_points))
    curve = np.interp(grid, density.diameter_nm, density.density_per_nm) * caption.total_per_ml
    bounds = compact(edges)
    rounded = compact(np.concatenate((binned, curve)))
    return Distribution(
        label=caption.label,
        level=caption.level,
        sample="",
        replicate="",
        basis=caption.basis,
        bin_low_nm=bounds[:-1],
        bin_high_nm=bounds[1:],
        concentration_per_ml_per_nm=rounded[: binned.size],
        smoothed_diameter_nm=tuple(grid.tolist()),
        smoothed_per_ml_per_nm=rounded[binned.size :],
        bandwidth_nm=float(f"{density.bandwidth_nm:.6g}"),
        peaks=peaks,
    )
