"""Diffusion coefficients of single tracks, with localisation error and motion blur, and their likelihoods.

Model of one axis. A free particle is seen in frames at times t_0 < t_1 < ... (frames may be missing), each position
averaged over the exposure T and measured with independent error of variance s_j^2. The displacements
y_j = x_{j+1} - x_j are Gaussian with

    var(y_j)          = 2 D (t_{j+1} - t_j - T/3) + s_j^2 + s_{j+1}^2,
    cov(y_j, y_{j+1}) = D T/3 - s_{j+1}^2,

and all other covariances 0 (Berglund 2010, Phys. Rev. E 82:011917; Michalet & Berglund 2012, Phys. Rev. E 85:061916).
Where all s_j are equal and no frame is missing the discrete sine transform diagonalises that matrix; it is
tridiagonal in any case, so its LDL' factors give the exact likelihood at the same cost for unequal errors and gaps.
"""

# ruff: noqa: ANN001, ANN202, PLR0913, PLR0917 - numba kernels; mypy --strict holds the other functions typed

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import IntArray, Optics, Tracks

BOLTZMANN_J_PER_K = 1.380649e-23  # exact, SI since 2019
_LOG_D_RANGE = (np.log(1e-3), np.log(1e3))  # um^2/s: 0.4 um/s^2 is a 1 um particle, 40 a 10 nm one; wide margins
_SPOTS_FOR_BORDERS = 2000  # with fewer the outermost lie well inside; the correction is then less than the error
_CHUNK = 16  # factors multiplied before a logarithm is taken: 16 numbers of 1e-8 to 1e8 stay inside a double


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackStatistics:
    """One entry per track.

    Attributes
    ----------
    track : numpy.ndarray of int64, shape (n,)
        Number of the track in :class:`~vesicula.instruments.nta.video.model.Tracks`.
    spot_count : numpy.ndarray of int64, shape (n,)
        Frames in which the particle was seen.
    msd1_um2 : numpy.ndarray, shape (n,)
        Mean squared displacement in the plane between consecutive frames; NaN where there are none.
    diffusion_cve_um2_per_s, diffusion_cve_sd_um2_per_s : numpy.ndarray, shape (n,)
        Covariance-based estimate (unbiased; can be negative) and its standard deviation; NaN where fewer than two
        consecutive displacements exist.
    diffusion_mle_um2_per_s, diffusion_mle_sd_um2_per_s : numpy.ndarray, shape (n,)
        Maximum-likelihood estimate with the localisation variances given, and its standard deviation from the
        curvature in log D (delta method).
    diameter_nm : numpy.ndarray, shape (n,)
        Stokes-Einstein diameter of the maximum-likelihood estimate.
    peak_amplitude : numpy.ndarray, shape (n,)
        Largest amplitude along the track.
    """

    track: IntArray
    spot_count: IntArray
    msd1_um2: FloatArray
    diffusion_cve_um2_per_s: FloatArray
    diffusion_cve_sd_um2_per_s: FloatArray
    diffusion_mle_um2_per_s: FloatArray
    diffusion_mle_sd_um2_per_s: FloatArray
    diameter_nm: FloatArray
    peak_amplitude: FloatArray


def stokes_einstein(value: FloatArray | float, optics: Optics) -> FloatArray:
    """Turn diffusion coefficients into diameters, or diameters into diffusion coefficients: kT/(3 pi eta value).

    Parameters
    ----------
    value : numpy.ndarray or float
        Diffusion coefficients in um^2/s, or hydrodynamic diameters in nm.
    optics : Optics
        Temperature and viscosity.

    Returns
    -------
    numpy.ndarray
        Diameters in nm, or diffusion coefficients in um^2/s.
    """
    kt = BOLTZMANN_J_PER_K * (optics.temperature_c + 273.15)
    constant = kt / (3 * np.pi * optics.viscosity_mpa_s * 1e-3) * 1e21  # m^3/s to nm um^2/s
    return np.asarray(constant / np.asarray(value, dtype=np.float64), dtype=np.float64)


def localisation_variance_um2(tracks: Tracks, optics: Optics) -> FloatArray:
    """Predict the variance of each spot's position along one axis, up to a common factor, in um^2.

    Parameters
    ----------
    tracks : Tracks
        Amplitudes (counts), signal-to-noise ratios and fitted widths (px) are used.
    optics : Optics
        Pixel size and camera gain.

    Returns
    -------
    numpy.ndarray, shape (n,)
        (s_a^2/N) (16/9 + 8 pi s_a^2 b^2/(N a^2)) of Mortensen et al. 2010, Nat. Methods 7:377 [from memory; the
        second term derived anew from the Fisher information] (least squares on a Gaussian spot of N = 2 pi
        s^2 A photons), whose second term is (2/pi) (noise/A)^2 px^2: it depends on the
        signal-to-noise ratio alone. The first term is left out where the gain is not positive.
    """
    snr = np.maximum(np.asarray(tracks.snr, dtype=np.float64), 0.5)
    variance_px2 = 2 / np.pi / snr**2
    if optics.gain_electrons_per_count > 0:
        s2 = np.square(tracks.sigma_px)
        photons = 2 * np.pi * s2 * np.maximum(tracks.amplitude, 1e-9) * optics.gain_electrons_per_count
        shot = 16 / 9 * (s2 + 1 / 12) / np.maximum(photons, 1.0)
        variance_px2 = variance_px2 + np.where(np.isfinite(shot), shot, 0.0)
    return np.asarray(variance_px2 * optics.um_per_px**2, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Tracks of at least `minimum_spots` spots, as the kernels want them.

    Attributes
    ----------
    track : numpy.ndarray of int64, shape (m,)
        Number of each track kept.
    start : numpy.ndarray of int64, shape (m + 1,)
        Where each begins in the arrays of spots.
    frame : numpy.ndarray of int64, shape (n,)
    x_um, y_um, variance_um2 : numpy.ndarray, shape (n,)
        Positions with drift removed; localisation variance along one axis.
    edge_um : numpy.ndarray, shape (n, 4)
        Distance of each spot from the left, right, upper and lower border of the field in which spots are found.
    spot : numpy.ndarray of int64, shape (n,)
        Place of each spot in the given tracks.
    """

    track: IntArray
    start: IntArray
    frame: IntArray
    x_um: FloatArray
    y_um: FloatArray
    variance_um2: FloatArray
    edge_um: FloatArray
    spot: IntArray

    @property
    def spot_count(self) -> IntArray:
        """Spots of each track."""
        return np.diff(self.start)


def steps_of(
    tracks: Tracks,
    optics: Optics,
    *,
    minimum_spots: int = 2,
    drift_px: FloatArray | None = None,
    localisation_um2: FloatArray | None = None,
) -> Steps:
    """Gather the tracks that are long enough, in micrometres, drift removed.

    Parameters
    ----------
    tracks : Tracks
        Ordered by track, then frame.
    optics : Optics
        Pixel size; camera for the localisation variance.
    minimum_spots : int
        Shorter tracks are left out; at least 2.
    drift_px : numpy.ndarray, shape (frame_count, 2), or None
        Displacement of the liquid (x, y) since the first frame, in pixels.
    localisation_um2 : numpy.ndarray, shape (n,), or None
        Localisation variance per spot; by default :func:`localisation_variance_um2`.

    Returns
    -------
    Steps

    Raises
    ------
    AnalysisError
        When frames do not increase within a track, or a coordinate is not finite.
    """
    variance = localisation_variance_um2(tracks, optics) if localisation_um2 is None else localisation_um2
    count = np.bincount(tracks.track, minlength=tracks.track_count)
    kept = count >= max(2, minimum_spots)
    spot = np.flatnonzero(kept[tracks.track]) if tracks.track.size else np.zeros(0, dtype=np.int64)
    x, y = tracks.x_px[spot], tracks.y_px[spot]
    if drift_px is not None:
        x, y = x - drift_px[tracks.frame[spot], 0], y - drift_px[tracks.frame[spot], 1]
    same = np.diff(tracks.track) == 0
    if np.any(np.diff(tracks.track) < 0) or np.any(np.diff(tracks.frame)[same] <= 0):
        raise AnalysisError("tracks are not ordered by track and frame, or a frame stands twice in a track")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y)) and np.all(np.isfinite(variance[spot]))):
        raise AnalysisError("a position of a track, or its localisation variance, is not finite")
    return Steps(
        track=np.flatnonzero(kept).astype(np.int64),
        start=np.concatenate([[0], np.cumsum(count[kept])]).astype(np.int64),
        frame=tracks.frame[spot].astype(np.int64),
        x_um=np.ascontiguousarray(x * optics.um_per_px, dtype=np.float64),
        y_um=np.ascontiguousarray(y * optics.um_per_px, dtype=np.float64),
        variance_um2=np.ascontiguousarray(variance[spot], dtype=np.float64),
        edge_um=_edges(tracks, spot) * optics.um_per_px,
        spot=spot.astype(np.int64),
    )


def _edges(tracks: Tracks, spot: IntArray) -> FloatArray:
    """Distances to the borders, px: those of the outermost spots, so that a detector's margin need not be known."""
    if tracks.track.size < _SPOTS_FOR_BORDERS:
        return np.full((spot.size, 4), np.inf)
    x, y = tracks.x_px, tracks.y_px
    sides = (x - x.min(), x.max() - x, y - y.min(), y.max() - y)
    return np.ascontiguousarray(np.stack([s[spot] for s in sides], axis=1), dtype=np.float64)


@njit(cache=True, nogil=True)
def _track_log_likelihood(frame, x, y, s2, dt, exposure, d, scale):  # type: ignore[no-untyped-def]  # kernel
    """Log likelihood of one track (both axes) without the constant."""
    blur = d * exposure / 3.0
    quadratic, logs, product = 0.0, 0.0, 1.0
    pivot, previous_cov, rx, ry = 1.0, 0.0, 0.0, 0.0
    for j in range(frame.size - 1):
        v = 2.0 * d * (frame[j + 1] - frame[j]) * dt - 2.0 * blur + scale * (s2[j] + s2[j + 1])
        f = previous_cov / pivot
        pivot = v - f * previous_cov
        rx = x[j + 1] - x[j] - f * rx
        ry = y[j + 1] - y[j] - f * ry
        quadratic += (rx * rx + ry * ry) / pivot
        product *= pivot
        if (j + 1) % _CHUNK == 0:
            logs += np.log(product)
            product = 1.0
        previous_cov = blur - scale * s2[j + 1]
    return -0.5 * quadratic - logs - np.log(product)  # two axes: the determinant counts twice


@njit(cache=True, nogil=True)
def _factor_step(pivot, rx, ry, cov, quadratic, product, d, gap, local, dx, dy, blur, next_local):  # type: ignore[no-untyped-def]  # kernel
    """One step of the LDL' factors for all diameters at once: a plain loop that the compiler vectorises."""
    for g in range(d.size):
        f = cov[g] / pivot[g]
        p = d[g] * gap + local - f * cov[g]
        u = dx - f * rx[g]
        w = dy - f * ry[g]
        quadratic[g] += (u * u + w * w) / p
        product[g] *= p
        pivot[g], rx[g], ry[g] = p, u, w
        cov[g] = d[g] * blur - next_local


@njit(cache=True, nogil=True)
def _stay(logs, edge, root, furthest):  # type: ignore[no-untyped-def]  # kernel
    """Add the log of the probability that a step from here ends inside the borders.

    A step across a border is never seen, so the steps seen there are short ones: given that it was seen, its density
    is the Gaussian over that probability. Without it sizes come out about 0.5 % too large in a field of 100 um.
    """
    for side in range(4):
        if edge[side] > 3.5 * furthest:
            continue
        for g in range(root.size):
            z = edge[side] / root[g]
            if z < 3.5:
                logs[g] += math.log1p(-0.5 * math.erfc(z * 0.7071067811865476))


@njit(cache=True, nogil=True, parallel=True)
def _matrix(start, frame, x, y, s2, edge, dt, exposure, d, scale):  # type: ignore[no-untyped-def]  # kernel
    """`_track_log_likelihood` for all tracks and diameters, given that no step crossed a border of the field."""
    n = d.size
    root = np.sqrt(2.0 * d * dt)
    furthest = root.max()
    out = np.empty((start.size - 1, n))
    blur = exposure / 3.0
    for i in prange(start.size - 1):
        pivot, rx, ry, cov = np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n)
        quadratic, product, logs = np.zeros(n), np.ones(n), np.zeros(n)
        a = start[i]
        steps = start[i + 1] - a - 1
        for j in range(steps):
            gap = 2.0 * (frame[a + j + 1] - frame[a + j]) * dt - 2.0 * blur
            local = scale * (s2[a + j] + s2[a + j + 1])
            dx, dy = x[a + j + 1] - x[a + j], y[a + j + 1] - y[a + j]
            between = math.sqrt(frame[a + j + 1] - frame[a + j])
            _stay(logs, edge[a + j], root * between, furthest * between)
            _factor_step(pivot, rx, ry, cov, quadratic, product, d, gap, local, dx, dy, blur, scale * s2[a + j + 1])
            if (j + 1) % _CHUNK == 0 or j == steps - 1:
                logs += np.log(product)
                product[:] = 1.0
        out[i] = -0.5 * quadratic - logs  # two axes: the determinant counts twice
    return out


@njit(cache=True, nogil=True, parallel=True)
def _mle(start, frame, x, y, s2, dt, exposure, scale, low, high):  # type: ignore[no-untyped-def]  # kernel
    """Golden-section search over log D, then curvature by finite difference."""
    n = start.size - 1
    best, sd = np.empty(n), np.empty(n)
    ratio = 0.6180339887498949
    for i in prange(n):
        a, b = start[i], start[i + 1]
        f, u, w, e = frame[a:b], x[a:b], y[a:b], s2[a:b]
        lo, hi = low, high
        p, q = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
        fp = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(p), scale)
        fq = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(q), scale)
        for _ in range(34):  # 0.618^34 of 14 is 1e-6
            if fp > fq:
                hi, q, fq = q, p, fp
                p = hi - ratio * (hi - lo)
                fp = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(p), scale)
            else:
                lo, p, fp = p, q, fq
                q = lo + ratio * (hi - lo)
                fq = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(q), scale)
        m, h = 0.5 * (lo + hi), 1e-2
        f0 = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(m), scale)
        f1 = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(m + h), scale)
        f2 = _track_log_likelihood(f, u, w, e, dt, exposure, np.exp(m - h), scale)
        curvature = (2 * f0 - f1 - f2) / h**2
        best[i] = np.exp(m)
        sd[i] = np.exp(m) / np.sqrt(curvature) if curvature > 0 else np.nan
    return best, sd


@njit(cache=True, nogil=True, parallel=True)
def _covariance(start, frame, x, y, dt, exposure):  # type: ignore[no-untyped-def]  # kernel
    """Covariance-based estimator over runs of consecutive frames; both axes."""
    n = start.size - 1
    msd, d, sd = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    r = exposure / (6.0 * dt)
    for i in prange(n):
        squares, products, steps, pairs = 0.0, 0.0, 0, 0
        px, py, ready = 0.0, 0.0, False
        for j in range(start[i], start[i + 1] - 1):
            if frame[j + 1] - frame[j] != 1:
                ready = False
                continue
            dx, dy = x[j + 1] - x[j], y[j + 1] - y[j]
            squares += dx * dx + dy * dy
            steps += 1
            if ready:
                products += dx * px + dy * py
                pairs += 1
            px, py, ready = dx, dy, True
        if steps > 0:
            msd[i] = squares / steps
        if pairs > 0:
            d[i] = squares / (4.0 * dt * steps) + products / (2.0 * dt * pairs)
            s2 = r * squares / (2.0 * steps) + (2.0 * r - 1.0) * products / (2.0 * pairs)
            if d[i] > 0:
                e = max(s2, 0.0) / (d[i] * dt) - 2.0 * r
                var = (6.0 + 4.0 * e + 2.0 * e * e) / steps + 4.0 * (1.0 + e) ** 2 / steps**2
                sd[i] = d[i] * np.sqrt(var / 2.0)
    return msd, d, sd


def log_likelihood_matrix(
    steps: Steps, optics: Optics, diameters_nm: FloatArray, *, localisation_scale: float = 1.0
) -> FloatArray:
    """Return log p(displacements of track i | diameter g), constants left out.

    Parameters
    ----------
    steps : Steps
        From :func:`steps_of`.
    optics : Optics
        Frame rate, exposure, temperature, viscosity.
    diameters_nm : numpy.ndarray, shape (g,)
        Where to evaluate.
    localisation_scale : float
        Factor on all localisation variances.

    Returns
    -------
    numpy.ndarray, shape (tracks, g)
        Exact Gaussian likelihood, see the head of this module; with 2,000 spots or more, given that no step crosses a
        border of the field.
    """
    d = stokes_einstein(diameters_nm, optics)
    dt = 1.0 / optics.frame_rate_per_s
    return np.asarray(
        _matrix(
            steps.start, steps.frame, steps.x_um, steps.y_um, steps.variance_um2, steps.edge_um, dt,
            optics.exposure_s, d, localisation_scale,
        )
    )  # fmt: skip


def track_statistics(
    tracks: Tracks,
    optics: Optics,
    *,
    minimum_spots: int = 2,
    drift_px: FloatArray | None = None,
    localisation_scale: float = 1.0,
) -> TrackStatistics:
    """Estimate each track's diffusion coefficient.

    Parameters
    ----------
    tracks : Tracks
        Linked spots.
    optics : Optics
        Pixel size, frame rate, exposure, temperature, viscosity.
    minimum_spots : int
        Shorter tracks are left out; at least 2.
    drift_px : numpy.ndarray, shape (frame_count, 2), or None
        Displacement of the liquid since the first frame.
    localisation_scale : float
        Factor on the predicted localisation variances.

    Returns
    -------
    TrackStatistics
        Covariance-based estimator and its variance after Vestergaard, Blainey & Flyvbjerg 2014, Phys. Rev. E
        89:022726 (two axes averaged; over a gap it takes runs of consecutive frames; the formula of the variance
        from memory, its scatter checked by simulation);
        maximum likelihood with known localisation variances after Berglund 2010.
    """
    steps = steps_of(tracks, optics, minimum_spots=minimum_spots, drift_px=drift_px)
    dt = 1.0 / optics.frame_rate_per_s
    where = (steps.start, steps.frame, steps.x_um, steps.y_um)
    msd, d, sd = _covariance(*where, dt, optics.exposure_s)
    mle, mle_sd = _mle(*where, steps.variance_um2, dt, optics.exposure_s, localisation_scale, *_LOG_D_RANGE)
    amplitude = tracks.amplitude[steps.spot]
    peak = np.maximum.reduceat(amplitude, steps.start[:-1]) if steps.track.size else np.zeros(0)
    return TrackStatistics(
        track=steps.track,
        spot_count=steps.spot_count,
        msd1_um2=msd,
        diffusion_cve_um2_per_s=d,
        diffusion_cve_sd_um2_per_s=sd,
        diffusion_mle_um2_per_s=mle,
        diffusion_mle_sd_um2_per_s=mle_sd,
        diameter_nm=stokes_einstein(mle, optics),
        peak_amplitude=np.asarray(peak, dtype=np.float64),
    )
