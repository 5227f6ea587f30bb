from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vesicula.instruments.nta.video.drift import _collective, drift_px, remove_drift, vibration
from vesicula.instruments.nta.video.model import Tracks


def tracks_of(rng, count, frames, motion, step=1.5):
    """Tracks that all move together by `motion` (frames - 1, 2) beside their own diffusion."""
    path = np.vstack([np.zeros((1, 2)), np.cumsum(motion, axis=0)])
    own = np.cumsum(rng.normal(0, step, (count, frames, 2)), axis=1)
    place = rng.uniform(0, 500, (count, 1, 2)) + own + path[None]
    n = count * frames
    return Tracks(
        track=np.repeat(np.arange(count), frames),
        frame=np.tile(np.arange(frames), count),
        x_px=place[..., 0].ravel(),
        y_px=place[..., 1].ravel(),
        amplitude=np.ones(n),
        snr=np.ones(n),
        sigma_px=np.ones(n),
        shape_px=(480, 640),
        frame_count=frames,
    )


def test_steady_flow_is_averaged_over_the_movie():
    rng = np.random.default_rng(1)
    motion = np.tile([-3.7, 0.4], (99, 1))
    found = drift_px(tracks_of(rng, 30, 100, motion))
    assert found.shape == (99, 2)
    # 99 x 30 steps of 1.5 px: the mean is known to 0.028 px; single pairs only to 0.27.
    assert np.sqrt(np.mean((found - motion) ** 2)) < 0.06


def test_jolts_are_kept():
    rng = np.random.default_rng(2)
    motion = rng.normal(0, 2.0, (99, 2))
    found = drift_px(tracks_of(rng, 200, 100, motion))
    assert np.sqrt(np.mean((found - motion) ** 2)) < 0.15


def test_outliers_do_not_count():
    rng = np.random.default_rng(3)
    tracks = tracks_of(rng, 60, 50, np.tile([1.0, 0.0], (49, 1)))
    wild = np.array(tracks.x_px)
    wild[:250] += 30.0 * np.arange(250)
    found = drift_px(replace(tracks, x_px=wild))
    assert found[:, 0].mean() == pytest.approx(1.0, abs=0.15)


def test_removal_does_not_lower_diffusion():
    ratios = []
    for seed in range(30):
        tracks = tracks_of(np.random.default_rng(seed), 10, 200, np.tile([0.8, -0.5], (199, 1)))
        before, after = (np.diff(one.x_px.reshape(10, 200), axis=1) for one in (tracks, remove_drift(tracks)))
        assert abs(after.mean()) < 0.05
        ratios.append(np.mean(after**2) / np.mean((before - 0.8) ** 2))
    # Taking the raw mean of ten particles off would leave 90 %.
    assert np.mean(ratios) > 0.99


@pytest.mark.parametrize("count", [4, 10, 50])
def test_the_variance_of_the_collective_motion_is_as_stated(count):
    found, stated = [], []
    for seed in range(20):
        mean, variance, _ = _collective(tracks_of(np.random.default_rng(seed), count, 200, np.zeros((199, 2))))
        found.append(np.mean(mean**2))
        stated.append(variance.mean())
    assert np.mean(found) == pytest.approx(np.mean(stated), rel=0.08)


def test_vibration_has_a_noise_floor():
    rng = np.random.default_rng(5)
    still = vibration(tracks_of(rng, 50, 300, np.zeros((299, 2))))
    assert not still.significant
    assert still.noise_sd_px == pytest.approx(still.measured_sd_px, rel=0.2)
    assert still.noise_sd_px[0] == pytest.approx(1.5 / np.sqrt(50), rel=0.15)
    shaken = vibration(tracks_of(rng, 50, 300, rng.normal(0, 0.8, (299, 2))))
    assert shaken.significant
    assert shaken.jitter_sd_px == pytest.approx((0.8, 0.8), rel=0.15)


def test_nothing_tracked():
    rng = np.random.default_rng(6)
    empty = tracks_of(rng, 0, 10, np.zeros((9, 2)))
    np.testing.assert_array_equal(drift_px(empty), np.zeros((9, 2)))
    assert remove_drift(empty).x_px.size == 0
    assert not vibration(empty).significant
    assert drift_px(tracks_of(rng, 3, 1, np.zeros((0, 2)))).shape == (0, 2)
