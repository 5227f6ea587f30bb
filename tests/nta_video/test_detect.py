from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.instruments.nta.video.detect import (
    DetectSettings,
    detect,
    detect_frame,
    estimate_spot_sigma_px,
    threshold_for,
)
from vesicula.instruments.nta.video.movie import open_movie

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared"))
STUCK = SHARED / "data/particles/soft-matter__trackpy/trackpy/tests/video/stuck.tif"
SETTINGS = DetectSettings(sigma_px=2.0)
NOISE = 4.0


def render(rng, places, snr, shape=(120, 160), sigma=2.0, ground=30.0, sign=1.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = np.full(shape, ground)
    for cy, cx in places:
        picture += sign * snr * NOISE * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / sigma**2)
    return np.clip(np.rint(picture + rng.normal(0, NOISE, shape)), 0, 255).astype(np.uint8)


def grid(rng):
    return np.array([(y, x) for y in range(20, 110, 26) for x in range(20, 150, 26)]) + rng.uniform(-0.5, 0.5, (20, 2))


@pytest.mark.parametrize("rate", [0.2, 2.0])
def test_false_alarms_on_noise_are_as_stated(rate):
    rng = np.random.default_rng(3)
    frames = [np.clip(np.rint(rng.normal(60, 6, (240, 320))), 0, 255).astype(np.uint8) for _ in range(200)]
    found = detect(frames, DetectSettings(sigma_px=2.0, false_per_frame=rate)).frame.size
    # A continuous field's maxima fall between pixels, so fewer are seen; never more than chance allows.
    assert 0.4 * rate * 200 < found < rate * 200 + 3 * np.sqrt(rate * 200)


@pytest.mark.parametrize("snr", [2.0, 5.0, 12.0])
def test_positions_reach_the_bound(snr):
    rng = np.random.default_rng(5)
    errors, missed, false = [], 0, 0
    frames, truth = [], []
    for _ in range(60):
        truth.append(grid(rng))
        frames.append(render(rng, truth[-1], snr))
    spots = detect(frames, SETTINGS)
    for f, real in enumerate(truth):
        own = np.column_stack([spots.y_px, spots.x_px])[spots.frame == f]
        gap = np.hypot(own[:, :1] - real[None, :, 0], own[:, 1:] - real[None, :, 1])
        near = gap.argmin(axis=0)
        hit = gap[near, np.arange(20)] < 3
        errors.append(own[near[hit]] - real[hit])
        missed += int(np.sum(~hit))
        false += own.shape[0] - int(np.sum(hit))
    error = np.concatenate(errors)
    bound = np.sqrt(2 / np.pi) / snr  # Cramer-Rao bound of a Gaussian spot in white noise, per axis
    assert np.sqrt(np.mean(error**2)) < 1.15 * bound + 0.01
    assert np.all(np.abs(error.mean(axis=0)) < 4 * bound / np.sqrt(error.shape[0]) + 0.003)
    assert missed <= (0.15 if snr < 3 else 0) * 1200
    assert false <= 12


def test_height_width_and_snr_are_true():
    rng = np.random.default_rng(6)
    spots = detect([render(rng, grid(rng), 10.0) for _ in range(20)], SETTINGS)
    assert np.mean(spots.amplitude) == pytest.approx(40.0, rel=0.03)
    assert np.mean(spots.sigma_px) == pytest.approx(2.0, rel=0.02)
    # As dense as 320 spots in 640x480: what is left of their halos still raises the noise by some per cent.
    assert np.mean(spots.snr) == pytest.approx(10.0, rel=0.06)


@pytest.mark.parametrize("count", [20, 60, 150])
def test_snr_is_true_in_a_crowd(count):
    rng = np.random.default_rng(14)
    frames = [render(rng, rng.uniform(0, (480, 640), (count, 2)), 10.0, shape=(480, 640)) for _ in range(8)]
    # Rounding to whole counts adds 1/12 to the noise's variance of 16: 0.3 %.
    assert np.median(detect(frames, SETTINGS).snr) == pytest.approx(10.0, rel=0.03)


def test_a_close_pair_is_two_particles_and_a_wide_spot_is_one():
    rng = np.random.default_rng(15)
    for gap in (3.5, 4.5, 6.0):
        spots = detect_frame(render(rng, [(60, 80), (60 + 0.6 * gap, 80 + 0.8 * gap)], 15.0), SETTINGS)
        assert spots.frame.size == 2
        assert np.hypot(*np.diff([spots.y_px, spots.x_px]).ravel()) == pytest.approx(gap, abs=0.5)
    for sigma in (2.0, 2.6, 3.2):
        assert detect_frame(render(rng, [(60, 80)], 30.0, sigma=sigma), SETTINGS).frame.size == 1


def test_threads_change_nothing():
    rng = np.random.default_rng(7)
    frames = [render(rng, grid(rng), 4.0) for _ in range(40)]
    one, two = (detect(frames, DetectSettings(sigma_px=2.0, threads=n)) for n in (1, 3))
    for name in ("frame", "x_px", "y_px", "amplitude", "snr", "sigma_px"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_dark_spots_are_the_same_as_bright_ones_inverted():
    rng = np.random.default_rng(8)
    frame = render(rng, grid(rng), 8.0)
    bright = detect_frame(frame, SETTINGS)
    dark = detect_frame(255 - frame, DetectSettings(sigma_px=2.0, polarity="dark"))
    np.testing.assert_allclose(dark.x_px, bright.x_px, atol=1e-3)
    assert detect_frame(255 - frame, SETTINGS).frame.size == 0


def test_a_slope_of_background_makes_no_spots():
    rng = np.random.default_rng(9)
    slope = np.linspace(0, 120, 160)[None, :] + np.linspace(0, 60, 120)[:, None]
    frame = np.clip(np.rint(20 + slope + rng.normal(0, NOISE, (120, 160))), 0, 255).astype(np.uint8)
    assert detect_frame(frame, SETTINGS).frame.size <= 1


def test_a_ring_is_one_particle():
    rng = np.random.default_rng(10)
    y, x = np.mgrid[:120, :160]
    picture = np.full((120, 160), 30.0)
    for cy, cx in ((40.3, 50.6), (80.2, 110.4)):
        picture += 40 * np.exp(-0.5 * ((np.hypot(y - cy, x - cx) - 7.0) / 1.5) ** 2)
    frame = np.clip(np.rint(picture + rng.normal(0, NOISE, picture.shape)), 0, 255).astype(np.uint8)
    apart = detect_frame(frame, DetectSettings(sigma_px=2.0, max_sigma_ratio=0.0))
    joined = detect_frame(frame, SETTINGS)
    assert apart.frame.size > 6
    assert joined.frame.size == 2
    np.testing.assert_allclose(joined.y_px, [40.3, 80.2], atol=0.5)
    np.testing.assert_allclose(joined.x_px, [50.6, 110.4], atol=0.5)
    np.testing.assert_allclose(joined.sigma_px, 7.0, atol=1.5)


def test_a_row_of_particles_is_no_ring():
    rng = np.random.default_rng(11)
    places = [(60, 40), (60, 48), (60, 56), (60, 64)]
    assert detect_frame(render(rng, places, 10.0), SETTINGS).frame.size == 4


def test_saturation_is_flagged():
    rng = np.random.default_rng(12)
    spots = detect_frame(render(rng, [(40, 40)], 100.0), SETTINGS)
    assert spots.saturated is not None
    assert spots.saturated.tolist() == [True]
    clear = detect_frame(render(rng, [(40, 40)], 20.0), SETTINGS)
    assert clear.saturated is not None
    assert clear.saturated.tolist() == [False]


def test_width_is_estimated():
    rng = np.random.default_rng(13)
    for sigma in (1.2, 2.0, 3.5):
        frames = [render(rng, grid(rng), 10.0, sigma=sigma) for _ in range(3)]
        assert estimate_spot_sigma_px(frames) == pytest.approx(sigma, rel=0.1)
    with pytest.raises(AnalysisError, match="no spot"):
        estimate_spot_sigma_px([np.full((100, 100), 7, np.uint8)])


def test_threshold_solves_its_formula():
    u = threshold_for(0.1, 300_000, 0.125)
    assert 300_000 * 0.125 * (2 * np.pi) ** -1.5 * u * np.exp(-u * u / 2) == pytest.approx(0.1)
    assert threshold_for(0.01, 300_000, 0.125) > u


def test_odd_input_is_told():
    assert detect([], SETTINGS).frame_count == 0
    black = detect([np.zeros((50, 50), np.uint8)], SETTINGS)
    assert (black.frame.size, black.frame_count) == (0, 1)
    with pytest.raises(AnalysisError, match="greyscale"):
        detect([np.zeros((50, 50))], SETTINGS)
    with pytest.raises(AnalysisError, match="first frame"):
        detect([np.zeros((50, 50), np.uint8), np.zeros((50, 60), np.uint8)], SETTINGS)
    with pytest.raises(AnalysisError, match="false_per_frame"):
        detect([], DetectSettings(sigma_px=2.0, false_per_frame=0.0))


@pytest.mark.skipif(not STUCK.exists(), reason="trackpy's stuck.tif is not beside the repository")
def test_stuck_beads_stand_still():
    from vesicula.instruments.nta.video.link import LinkSettings, link

    movie = open_movie(STUCK)
    spots = detect(movie, DetectSettings())
    tracks = link(spots, LinkSettings(), movie.shape)
    length = np.bincount(tracks.track)
    bright = np.bincount(tracks.track, tracks.snr) / length
    kept = np.isin(tracks.track, np.flatnonzero((length == 5) & (bright > np.median(spots.snr))))
    x = tracks.x_px[kept].reshape(-1, 5)
    assert x.shape[0] >= 10
    # Real stuck beads of this brightness are placed to a fifth of a pixel or better.
    assert np.median(np.std(x - x.mean(axis=0), axis=1, ddof=1)) < 0.2
