"""Tracks with known truth, without images: what proves the steps from tracks to sizes and concentration.

Particles diffuse freely in a periodic box; one is seen in a frame when its amplitude times the profile of sheet and
focus, with noise, exceeds the threshold. So tracks begin and end by first passage through that depth, small and dim
particles being seen shorter than large and bright ones. The video simulator adds what images do to this.
"""

# ruff: noqa: ANN001, ANN202, PLR0913, PLR0917, C901 - numba kernels; mypy --strict holds the other functions typed

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.diffusion import stokes_einstein
from vesicula.instruments.nta.video.model import Optics, Tracks

Population = Callable[[int, np.random.Generator], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """How the particles of a trial look.

    Parameters
    ----------
    snr_at_100_nm : float
        Signal-to-noise ratio of a 100 nm particle in focus at the middle of the sheet.
    brightness_exponent : float
        Amplitude grows as diameter to this power (6: Rayleigh; less is gentler to the trial).
    brightness_log_sd : float
        Scatter of log amplitude between particles of one size.
    threshold_snr : float
        A spot is detected when its noisy signal-to-noise ratio exceeds this.
    particles_per_ml : float
        True concentration.
    gap_frames : int
        Frames a track may miss (0: none).
    localisation_factor : float
        True localisation variance over the predicted one.
    """

    snr_at_100_nm: float = 15.0
    brightness_exponent: float = 2.0
    brightness_log_sd: float = 0.2
    threshold_snr: float = 5.0
    particles_per_ml: float = 1e8
    gap_frames: int = 0
    localisation_factor: float = 1.3


def lognormal(median_nm: float, gsd: float) -> Population:
    """Return a population of log-normal diameters; `gsd` 1 is monodisperse."""

    def draw(n: int, rng: np.random.Generator) -> FloatArray:
        return np.asarray(median_nm * np.exp(np.log(gsd) * rng.standard_normal(n)))

    return draw


def mixture(medians_nm: tuple[float, ...], shares: tuple[float, ...], gsd: float) -> Population:
    """Return a population of several log-normals of the same geometric standard deviation."""
    p = np.asarray(shares, dtype=np.float64) / sum(shares)

    def draw(n: int, rng: np.random.Generator) -> FloatArray:
        which = rng.choice(p.size, size=n, p=p)
        return np.asarray(np.asarray(medians_nm)[which] * np.exp(np.log(gsd) * rng.standard_normal(n)))

    return draw


def profile(z_um: FloatArray, optics: Optics) -> FloatArray:
    """Return the height of a spot at `z_um` over its height in focus in the middle of the sheet."""
    z = np.asarray(z_um, dtype=np.float64)
    sheet = np.exp(-0.5 * (z / optics.sheet_sigma_um) ** 2)
    return np.asarray(sheet / (1 + (z / optics.depth_of_field_um) ** 2))


@njit(cache=True, nogil=True)
def _walk(rng, diameter, d, snr0, frames, dt, exposure, box, sheet, focus, threshold, gap, unit, factor, room):  # type: ignore[no-untyped-def]  # kernel
    """Return spots as rows (track, frame, x, y, snr, particle) in um; see `simulate_tracks`."""
    out = np.empty((room, 6))
    n, track = 0, -1
    for p in range(diameter.size):
        position = np.array([rng.random() * box[0], rng.random() * box[1], (rng.random() - 0.5) * box[2]])
        last, jumped = -1_000_000, False
        mean, step = np.empty(3), np.empty(3)
        for f in range(frames):
            for a in range(3):
                open_ = np.sqrt(2 * d[p] * exposure) * rng.standard_normal()
                mean[a] = position[a] + 0.5 * open_ + np.sqrt(d[p] * exposure / 6) * rng.standard_normal()
                step[a] = open_ + np.sqrt(2 * d[p] * (dt - exposure)) * rng.standard_normal()
            z = mean[2]
            snr = snr0[p] * np.exp(-0.5 * (z / sheet) ** 2) / (1 + (z / focus) ** 2)
            seen = snr + rng.standard_normal()
            inside = 0 <= mean[0] < box[0] and 0 <= mean[1] < box[1]
            if seen > threshold and inside:
                if jumped or f - last > gap + 1:
                    track += 1
                if n == room:
                    return out[:n], True
                error = np.sqrt(factor * 2 / np.pi) / max(snr, 1.0) * unit
                out[n, 0], out[n, 1], out[n, 4], out[n, 5] = track, f, seen, p
                out[n, 2] = mean[0] + error * rng.standard_normal()
                out[n, 3] = mean[1] + error * rng.standard_normal()
                n += 1
                last, jumped = f, False
            for a in range(3):
                position[a] += step[a]
            for a in range(2):
                if position[a] < 0 or position[a] >= box[a]:
                    position[a] %= box[a]
                    jumped = True
            if abs(position[2]) > box[2] / 2:
                position[2] = (position[2] + box[2] / 2) % box[2] - box[2] / 2
    return out[:n], False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackTrial:
    """Simulated tracks and their truth: `diameter_nm` of each particle in the box, and of each track."""

    tracks: Tracks
    diameter_nm: FloatArray
    track_diameter_nm: FloatArray
    particles_per_ml: float


def simulate_tracks(
    population: Population, optics: Optics, frame_count: int, settings: TrialSettings, rng: np.random.Generator
) -> TrackTrial:
    """Simulate the tracks of diffusing particles, single-spot tracks included.

    Parameters
    ----------
    population : callable
        ``population(n, rng)`` returns n diameters in nm.
    optics : Optics
        The instrument; its frame is the box's area.
    frame_count : int
        Frames of the video.
    settings : TrialSettings
        Brightness, threshold, concentration.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    TrackTrial
        The number of particles in the box is Poisson.
    """
    brightest = 50.0 * settings.snr_at_100_nm
    z = np.linspace(0, 6 * optics.sheet_sigma_um, 2000)
    reach = float(z[np.sum(brightest * profile(z, optics) > settings.threshold_snr - 4) - 1])
    box = np.array([optics.width_px * optics.um_per_px, optics.height_px * optics.um_per_px, 2 * reach])
    count = rng.poisson(settings.particles_per_ml * np.prod(box) * 1e-12)
    diameter = population(int(count), rng)
    snr0 = settings.snr_at_100_nm * (diameter / 100) ** settings.brightness_exponent
    snr0 = np.minimum(snr0 * np.exp(settings.brightness_log_sd * rng.standard_normal(diameter.size)), brightest)
    rows, full = _walk(
        rng, diameter, stokes_einstein(diameter, optics), snr0, frame_count, 1 / optics.frame_rate_per_s,
        optics.exposure_s, box, optics.sheet_sigma_um, optics.depth_of_field_um, settings.threshold_snr,
        settings.gap_frames, optics.um_per_px, settings.localisation_factor,
        int(diameter.size) * frame_count + 1,
    )  # fmt: skip
    if full:  # pragma: no cover - the room given is what can be needed at most
        raise MemoryError("more spots than particles times frames")
    first = np.unique(rows[:, 0], return_index=True)[1]
    tracks = Tracks(
        track=rows[:, 0].astype(np.int64),
        frame=rows[:, 1].astype(np.int64),
        x_px=rows[:, 2] / optics.um_per_px,
        y_px=rows[:, 3] / optics.um_per_px,
        amplitude=rows[:, 4].copy(),
        snr=rows[:, 4].copy(),
        sigma_px=np.full(rows.shape[0], optics.psf_sigma_um / optics.um_per_px),
        shape_px=(optics.height_px, optics.width_px),
        frame_count=frame_count,
    )
    return TrackTrial(
        tracks=tracks,
        diameter_nm=diameter,
        track_diameter_nm=diameter[rows[first, 5].astype(np.int64)],
        particles_per_ml=settings.particles_per_ml,
    )
