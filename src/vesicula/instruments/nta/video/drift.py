"""Collective motion of all particles: flow, a moving stage, vibration. Measured from tracks, and taken off."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vesicula.core.measurement import FloatArray, frozen
from vesicula.instruments.nta.video.model import IntArray, Tracks


@dataclass(frozen=True, slots=True, kw_only=True)
class Vibration:
    """Frame-to-frame jitter of the collective motion, per axis (x, y), in pixels.

    Attributes
    ----------
    measured_sd_px : tuple of float
        SD of the drift about its slow part, noise included.
    noise_sd_px : tuple of float
        What the particles' own Brownian motion puts into it.
    jitter_sd_px : tuple of float
        The first less the second, in squares; 0 where the noise explains all.
    significant : bool
        Whether either axis exceeds its noise by more than three standard errors.
    """

    measured_sd_px: tuple[float, float]
    noise_sd_px: tuple[float, float]
    jitter_sd_px: tuple[float, float]
    significant: bool


def _steps(tracks: Tracks) -> tuple[FloatArray, IntArray]:
    """Return steps (x, y) between neighbouring frames and the frame each starts from, ordered by frame."""
    near = (tracks.track[1:] == tracks.track[:-1]) & (tracks.frame[1:] == tracks.frame[:-1] + 1)
    step = np.column_stack([np.diff(tracks.x_px), np.diff(tracks.y_px)])[near]
    start = tracks.frame[:-1][near]
    order = np.argsort(start, kind="stable")
    return step[order], start[order]


def _collective(tracks: Tracks) -> tuple[FloatArray, FloatArray, IntArray]:
    """Robust mean step of each frame pair, its variance, and how many steps it rests on.

    Tukey's biweight (c = 4.685, 95 % efficient for normal steps; Beaton & Tukey 1974 [from memory, unchecked]) by
    reweighting from the median: unlike a Huber mean it gives steps far out, which are wrong links, no weight at all.
    The scale of the steps is the median absolute deviation over the whole movie.
    """
    step, start = _steps(tracks)
    pairs = max(tracks.frame_count - 1, 0)
    mean, variance = np.full((pairs, 2), np.nan), np.full((pairs, 2), np.nan)
    count = np.bincount(start, minlength=pairs)[:pairs].astype(np.int64)
    bounds = np.searchsorted(start, np.arange(pairs + 1))
    for f in np.flatnonzero(count):
        mean[f] = np.median(step[bounds[f] : bounds[f + 1]], axis=0)
    if step.shape[0] == 0:
        return mean, variance, count
    # Differences between two particles' steps in one frame pair hold no collective motion and cost no degree of
    # freedom: their spread is right even for three particles a frame.
    same = start[1:] == start[:-1]
    scale = np.ones(2)
    if np.any(same):
        scale = np.maximum(1.4826 * np.median(np.abs(np.diff(step, axis=0)[same]), axis=0) / math.sqrt(2.0), 1e-9)
    for f in np.flatnonzero(count):
        mean[f] = _biweight(step[bounds[f] : bounds[f + 1]], mean[f], scale)
    variance[count > 0] = scale**2 / 0.95 / count[count > 0, None]
    return mean, variance, count


def _biweight(step: FloatArray, start: FloatArray, scale: FloatArray) -> FloatArray:
    """Return Tukey's biweight mean of rows, from `start`, which stands where all weights vanish."""
    mean = start
    for _ in range(5):
        weight = np.maximum(1.0 - ((step - mean) / (4.685 * scale)) ** 2, 0.0) ** 2
        total = np.sum(weight, axis=0)
        mean = np.where(total > 0.0, np.sum(weight * step, axis=0) / np.maximum(total, 1e-12), mean)
    return mean


def drift_px(tracks: Tracks) -> FloatArray:
    """Return the collective motion from each frame to the next.

    Each frame pair is drawn towards the movie's mean motion by as much as its noise (Brownian motion of few particles)
    outweighs the true variation between pairs: sum of squares less expected noise, as in a random-effects model
    (DerSimonian & Laird 1986 [from memory, unchecked]). A steady flow is so averaged over the whole movie, while a
    jolt seen by many particles stays whole. Subtracting the raw mean of n particles would take 1/n of each particle's
    own motion away and bias D down.

    Parameters
    ----------
    tracks : Tracks

    Returns
    -------
    numpy.ndarray, shape (frame_count - 1, 2)
        x and y in pixels; the mean where nothing was tracked; 0 where nothing was tracked at all.
    """
    mean, variance, count = _collective(tracks)
    seen = count > 0
    if not np.any(seen):
        return frozen(np.zeros_like(mean))
    out = np.empty_like(mean)
    for axis in range(2):
        weight = 1.0 / variance[seen, axis]
        centre = float(np.sum(weight * mean[seen, axis]) / np.sum(weight))
        between = _between(mean[seen, axis], variance[seen, axis])
        share = np.zeros(count.size)
        share[seen] = between / (between + variance[seen, axis])
        out[:, axis] = centre + share * np.where(seen, mean[:, axis] - centre, 0.0)
    return frozen(out)


def _between(values: FloatArray, variances: FloatArray) -> float:
    """Variance between frame pairs beyond their noise; 0 unless it exceeds its own three standard errors."""
    if values.size < 3:
        return 0.0
    weight = 1.0 / variances
    centre = np.sum(weight * values) / np.sum(weight)
    excess = float(np.sum(weight * (values - centre) ** 2)) - (values.size - 1)
    if excess <= 3.0 * math.sqrt(2.0 * (values.size - 1)):
        return 0.0
    return excess / float(np.sum(weight) - np.sum(weight**2) / np.sum(weight))


def remove_drift(tracks: Tracks) -> Tracks:
    """Return the tracks with the cumulated collective motion subtracted; the first frame stays where it is."""
    path = np.vstack([np.zeros((1, 2)), np.cumsum(drift_px(tracks), axis=0)])
    return replace(
        tracks, x_px=frozen(tracks.x_px - path[tracks.frame, 0]), y_px=frozen(tracks.y_px - path[tracks.frame, 1])
    )


def vibration(tracks: Tracks) -> Vibration:
    """Estimate the jitter of the collective motion from one frame pair to the next.

    Half the mean squared difference of successive pairs (von Neumann 1941 [from memory, unchecked]) is blind to slow
    changes of flow. Neighbouring pairs share a frame, so localisation error correlates them negatively: the noise
    floor is taken from the particles' own differences of successive steps, which hold the same correlation.

    Parameters
    ----------
    tracks : Tracks

    Returns
    -------
    Vibration
        Zeros and not significant where fewer than three frame pairs in a row hold particles.
    """
    mean, _, count = _collective(tracks)
    both = (count[1:] > 2) & (count[:-1] > 2)
    if both.sum() < 3:
        return Vibration(measured_sd_px=(0.0, 0.0), noise_sd_px=(0.0, 0.0), jitter_sd_px=(0.0, 0.0), significant=False)
    change = np.diff(mean, axis=0)[both]
    measured = 0.5 * np.mean(change**2, axis=0)
    x = np.column_stack([tracks.x_px, tracks.y_px])
    second = x[2:] - 2.0 * x[1:-1] + x[:-2]
    run = (tracks.track[2:] == tracks.track[:-2]) & (tracks.frame[2:] == tracks.frame[:-2] + 2)
    start = tracks.frame[:-2][run]
    rest = second[run] - np.diff(mean, axis=0)[start]
    spread = (1.4826 * np.median(np.abs(rest), axis=0)) ** 2
    size = np.sqrt(count[1:].astype(np.float64) * count[:-1])[both]
    noise = 0.5 * spread * np.mean(1.0 / size) / 0.95
    jitter = np.sqrt(np.maximum(measured - noise, 0.0))
    # Successive differences share a term: variance of their mean square is 3/n of the independent 2/n times 1/2.
    error = noise * math.sqrt(3.0 / both.sum())
    return Vibration(
        measured_sd_px=_pair(np.sqrt(measured)),
        noise_sd_px=_pair(np.sqrt(noise)),
        jitter_sd_px=_pair(jitter),
        significant=bool(np.any(measured - noise > 3.0 * error)),
    )


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
