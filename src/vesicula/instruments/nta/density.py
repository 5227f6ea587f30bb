"""The smoothed view of a size histogram: bandwidth, mode, peaks, and the curve that figures show."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

from vesicula.core.estimate import Distribution, Peak
from vesicula.instruments.nta.statistics import Histogram, fraction_between, percentile

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
# Cells of the transform behind the automatic bandwidth: a range of 1000 nm in steps of 0.5 nm.
PLUG_IN_CELLS = 2048
# Powers of ten up to 22 are exact in binary, so that one division or product by them rounds correctly.
_POWERS = np.array([float(10**i) for i in range(23)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothDensity:
    """A kernel estimate on a fine uniform grid.

    Parameters
    ----------
    diameter_nm : numpy.ndarray, shape (g,)
        Grid, never below 0.
    density_per_nm : numpy.ndarray, shape (g,)
        Density; integrates to 1.
    bandwidth_nm : float
        Standard deviation of the Gaussian kernel.
    mode_nm : float
        Place of the highest density, interpolated by a parabola between grid points.
    """

    diameter_nm: FloatArray
    density_per_nm: FloatArray
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
    mean = h.probability @ x
    sd = float(np.sqrt(h.probability @ (x - mean) ** 2))
    q25, q75 = percentile(h, np.array([0.25, 0.75]))
    # 1.349: interquartile range of the standard normal distribution.
    scale = min(sd, float(q75 - q25) / 1.349)
    if not scale > 0:
        return width
    return max(_plug_in(h, scale, float(h.n or settings.bandwidth_fallback_n)), width)


def _plug_in(h: Histogram, scale: float, n: float) -> float:
    """Direct plug-in bandwidth; functionals of the density by Parseval from the Fourier transform of the bins."""
    step = float(h.edges_nm[-1] - h.edges_nm[0]) / PLUG_IN_CELLS
    edges = h.edges_nm[0] + step * np.arange(PLUG_IN_CELLS + 1)
    mass = np.diff(np.interp(edges, h.edges_nm, h.cumulative))
    length = 2 * PLUG_IN_CELLS  # zero padding: the transform must not wrap around
    power = np.abs(np.fft.rfft(mass, length)) ** 2
    power[1:-1] *= 2
    square = (2 * np.pi / (length * step) * np.arange(power.size)) ** 2

    def functional(order: int, pilot: float) -> float:
        """Integral of f^(order) f, without its alternating sign, from a kernel estimate with a pilot bandwidth."""
        return float(np.sum(square ** (order // 2) * power * np.exp(-0.5 * pilot**2 * square))) / (length * step)

    root = np.sqrt(2 * np.pi)
    psi_8 = 105 / (32 * np.sqrt(np.pi) * scale**9)  # of a normal density
    pilot_6 = (2 * 15 / root / (psi_8 * n)) ** (1 / 9)
    pilot_4 = (2 * 3 / root / (functional(6, pilot_6) * n)) ** (1 / 7)
    return float((1 / (2 * np.sqrt(np.pi) * functional(4, pilot_4) * n)) ** 0.2)


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
    mass = np.diff(np.interp(edges, h.edges_nm, h.cumulative))
    density = gaussian_filter1d(mass, bandwidth_nm / step, mode="reflect", truncate=REACH) / step
    centres = edges[:-1] + step / 2
    return SmoothDensity(
        diameter_nm=centres,
        density_per_nm=density,
        bandwidth_nm=bandwidth_nm,
        mode_nm=_vertex(centres, density, int(np.argmax(density)), step),
    )


def _vertex(x: FloatArray, y: FloatArray, i: int, step: float) -> float:
    """Place of the maximum of the parabola through three neighbouring grid points around `i`."""
    if i in (0, y.size - 1):
        return float(x[i])
    before, here, after = y[i - 1 : i + 2]
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(x[i] + shift * step)


def _kernel(x: FloatArray, at: float, bandwidth: float) -> FloatArray:
    """Reflected Gaussian kernel centred on `at`, evaluated at `x`."""
    direct = np.exp(-0.5 * ((x - at) / bandwidth) ** 2)
    mirrored = np.exp(-0.5 * ((x + at) / bandwidth) ** 2)
    return np.asarray((direct + mirrored) / (bandwidth * np.sqrt(2 * np.pi)))


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
    if h.n is None:
        return float("inf")
    k = _kernel(h.centres_nm, a_nm, bandwidth_nm) - _kernel(h.centres_nm, b_nm, bandwidth_nm)
    variance = float(h.probability @ k**2 - (h.probability @ k) ** 2)
    return float(np.sqrt(max(variance, 0.0) / h.n))


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
    mass = np.diff(np.interp(np.append(x - step / 2, x[-1] + step / 2), h.edges_nm, h.cumulative))
    # K_h(u)^2 is a Gaussian of bandwidth h / sqrt(2) over 2 h sqrt(pi): the mean square of the kernel anywhere.
    square = gaussian_filter1d(mass, bw / np.sqrt(2) / step, mode="reflect", truncate=REACH) / step
    square /= 2 * bw * np.sqrt(np.pi)
    top = int(np.argmax(f))
    # K_h(a - u) K_h(b - u) = K_h((a + b) / 2 - u)^2 exp(-(a - b)^2 / 4 h^2).
    product = np.interp((x + x[top]) / 2, x, square) * np.exp(-((x - x[top]) ** 2) / (4 * bw**2))
    drop = f[top] - f
    variance = np.maximum(square + square[top] - 2 * product - drop**2, 0.0) / h.n
    inside = np.flatnonzero(drop <= settings.mode_contrast_z * np.sqrt(variance))
    half_bin = h.bin_width_nm / np.sqrt(12 * h.n)  # many tracks in one bin do not tell where in it they lie
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
    highest = int(np.argmax(padded[index]))
    x = np.concatenate(([density.diameter_nm[0]], density.diameter_nm, [density.diameter_nm[-1]]))
    significant = []
    for i, m in enumerate(maxima):
        error = _prominence_error(h, (x[m.index], x[m.base]), density.bandwidth_nm, capture_shapes)
        significant.append(i == highest or m.prominence > settings.peak_significance_z * error)
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
    steps = np.diff(y)
    changes = np.flatnonzero(steps)
    rising = steps[changes] > 0
    turns = np.flatnonzero(rising[:-1] & ~rising[1:])
    found = []
    for peak in (changes[turns] + 1 + changes[turns + 1]) // 2:
        height = y[peak]
        if height < least_prominence:
            continue
        before = np.flatnonzero(y[:peak] > height)
        after = np.flatnonzero(y[peak:] > height)
        start = int(before[-1]) + 1 if before.size else 0
        stop = int(peak + after[0]) if after.size else y.size
        left = start + int(np.argmin(y[start : peak + 1]))
        right = int(peak) + int(np.argmin(y[peak:stop]))
        base = left if y[left] > y[right] else right
        if height - y[base] >= least_prominence:
            found.append(LocalMaximum(index=int(peak), base=base, prominence=float(height - y[base])))
    return found


def _prominence_error(
    h: Histogram, places: tuple[float, float], bandwidth: float, capture_shapes: FloatArray | None
) -> float:
    """Return the larger of the counting and the between-capture error of the difference of two densities."""
    error = contrast_error(h, *places, bandwidth)
    if capture_shapes is None or capture_shapes.shape[0] < 2:
        return error
    k = _kernel(h.centres_nm, places[0], bandwidth) - _kernel(h.centres_nm, places[1], bandwidth)
    between = float(np.std(capture_shapes @ k, ddof=1) / np.sqrt(capture_shapes.shape[0]))
    return max(error, between)


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
    x = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        exponent = np.where(x == 0, 0, 5 - np.floor(np.log10(np.abs(x))))
    exponent = np.clip(exponent, -22, 22).astype(np.intp)
    up, down = _POWERS[np.maximum(exponent, 0)], _POWERS[np.maximum(-exponent, 0)]
    digits = np.rint(x * up / down)
    return tuple((digits / up * down).tolist())


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
    bend = np.sqrt(np.abs(np.gradient(np.gradient(density.density_per_nm))))
    bend[(x < low) | (x > high)] = 0
    measure = np.cumsum(0.8 * bend / bend.sum() if bend.sum() > 0 else bend)
    measure = measure + 0.2 * np.clip((x - low) / (high - low), 0, 1)
    measure = np.concatenate(([0.0], measure))
    places = np.concatenate(([low], np.clip(x, low, high)))
    grid = np.interp(np.linspace(0, measure[-1], points), measure, places)
    grid[0], grid[-1] = low, high
    return np.unique(grid)


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
    keep = np.flatnonzero((h.cumulative[1:] > trim) & (h.cumulative[:-1] < 1 - trim))
    first, last = int(keep[0]), int(keep[-1]) + 1
    edges = h.edges_nm[first : last + 1]
    binned = h.probability[first:last] / np.diff(edges) * caption.total_per_ml
    low = max(0.0, float(edges[0]) - 3 * density.bandwidth_nm)
    high = float(edges[-1]) + 3 * density.bandwidth_nm
    grid = compact(display_grid(density, low, high, settings.display_points))
    curve = np.interp(grid, density.diameter_nm, density.density_per_nm) * caption.total_per_ml
    bounds = compact(edges)
    return Distribution(
        label=caption.label,
        level=caption.level,
        sample="",
        replicate="",
        basis=caption.basis,
        bin_low_nm=bounds[:-1],
        bin_high_nm=bounds[1:],
        concentration_per_ml_per_nm=compact(binned),
        smoothed_diameter_nm=grid,
        smoothed_per_ml_per_nm=compact(curve),
        bandwidth_nm=float(f"{density.bandwidth_nm:.6g}"),
        peaks=peaks,
    )
