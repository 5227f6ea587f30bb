"""Each check of a video, on frames, spots and tracks whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.core.finding import Verdict
from vesicula.instruments.nta.video import motion
from vesicula.instruments.nta.video.diagnostics import Desk, Limits, check_frames, check_spots, refusals
from vesicula.instruments.nta.video.model import Spots, Tracks
from vesicula.instruments.nta.video.movie import ArrayMovie
from vesicula.instruments.nta.video.optics import load_optics
from vesicula.instruments.nta.video.watch import FrameWatch, texture

OPTICS = load_optics("nanosight-like", width_px=320, height_px=240)
DESK = Desk(name="v")
STEP_PX = 3.0


def walks(count=60, frames=60, *, step=STEP_PX, drift=(0.0, 0.0), flow=None, seed=1, noise=0.1) -> Tracks:
    rng = np.random.default_rng(seed)
    place = rng.random((count, 2)) * [320, 240]
    rows = []
    for _ in range(frames):
        rows.append(place + noise * rng.standard_normal(place.shape))
        place = place + step * rng.standard_normal(place.shape) + drift
        if flow is not None:
            place = place + flow(place)
    x = np.stack(rows, axis=1)
    n = count * frames
    return Tracks(
        track=np.repeat(np.arange(count), frames),
        frame=np.tile(np.arange(frames), count),
        x_px=x[..., 0].ravel(),
        y_px=x[..., 1].ravel(),
        amplitude=np.full(n, 50.0),
        snr=np.full(n, 10.0),
        sigma_px=np.full(n, 1.8),
        shape_px=(240, 320),
        frame_count=frames,
    )


def judged(tracks: Tracks, title: str):
    checks = motion.check_tracks(DESK, tracks, OPTICS, Limits(), report=None, stuck=0, drift_removed=tracks)
    return next(c for c in checks if c.finding.title == title)


def noise_frames(count=30, seed=1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(rng.normal(9, 1.0, (count, 120, 160))), 0, 255).astype(np.uint8)


def frame_checks(frames, rate=OPTICS.frame_rate_per_s, *, stated=None, rate_given=False):
    movie = ArrayMovie(frames, rate)
    watch = FrameWatch(movie=movie, limit_counts=255)
    for _ in watch.frames():
        pass
    statistics = watch.statistics()
    if stated is not None:
        from dataclasses import replace

        statistics = replace(statistics, stated_count=stated)
    return check_frames(DESK, statistics, OPTICS, Limits(), rate_given=rate_given)


def test_texture_tells_camera_noise_from_smoothed_noise():
    rng = np.random.default_rng(2)
    white = rng.normal(100, 10, (240, 320))
    assert abs(texture(white.astype(np.uint8)).correlation) < 0.03
    assert texture(white.astype(np.uint8)).sd_counts == pytest.approx(10, rel=0.05)
    smooth = (white[:, 1:] + white[:, :-1]) / 2  # correlation of neighbours 1/2 by construction
    assert texture(smooth.astype(np.uint8)).correlation == pytest.approx(0.5, abs=0.05)


def test_watch_keeps_few_frames_spread_over_the_movie():
    watch = FrameWatch(movie=ArrayMovie(noise_frames(200)), limit_counts=255)
    assert sum(1 for _ in watch.frames()) == 200
    assert len(watch.kept) <= 16
    numbers = [n for n, _ in watch.shown(4)]
    assert numbers[0] == 0
    assert len(numbers) == 4
    assert numbers[-1] >= 150


def test_plain_noise_passes_what_frames_alone_tell():
    assert refusals(frame_checks(noise_frames())) == ()


@pytest.mark.parametrize(
    ("frames", "options", "code"),
    [
        (noise_frames(1), {}, "too-few-frames"),
        (noise_frames(), {"rate": 50.0}, "frame-rate"),
        (noise_frames(), {"stated": 60}, "truncated"),
        (np.repeat(noise_frames(15), 2, axis=0), {}, "repeated-frames"),
        (np.repeat(noise_frames(1), 30, axis=0), {}, "constant"),
        (np.full((30, 120, 160), 255, np.uint8), {}, "saturated"),
    ],
)
def test_bad_frames_are_refused_with_reason_and_remedy(frames, options, code):
    found = {r.code: r for r in refusals(frame_checks(frames, **options))}
    assert code in found
    assert found[code].reason.endswith((".", ").", "%)."))
    assert found[code].remedy


def test_a_rate_given_by_hand_is_believed_with_a_warning():
    checks = frame_checks(noise_frames(), 50.0, rate_given=True)
    assert refusals(checks) == ()
    assert next(c for c in checks if c.finding.title == "Frame rate").finding.verdict == Verdict.WARNING


def spots(per_frame: int, frames=60, *, saturated=0.0, sigma=1.8, fading=0.0) -> Spots:
    rng = np.random.default_rng(3)
    frame = np.repeat(np.arange(frames), per_frame)
    n = frame.size
    return Spots(
        frame=frame,
        x_px=rng.random(n) * 320,
        y_px=rng.random(n) * 240,
        amplitude=50 * np.exp(-fading * frame / frames),
        snr=np.full(n, 8.0),
        sigma_px=np.full(n, sigma),
        frame_count=frames,
        saturated=rng.random(n) < saturated,
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [(spots(0), "nothing-there"), (spots(600), "too-dense"), (spots(20, saturated=0.9), "saturated")],
)
def test_spots_that_give_no_number(given, code):
    checks = check_spots(DESK, given, OPTICS, Limits(), 0.05, 1.8)
    assert [r.code for r in refusals(checks)] == [code]


def test_focus_and_fading_warn():
    def verdict(given, title):
        checks = check_spots(DESK, given, OPTICS, Limits(), 0.05, 1.8)
        return next(c.finding.verdict for c in checks if c.finding.title == title)

    assert verdict(spots(20), "Focus") == Verdict.MET
    assert verdict(spots(20, sigma=4.0), "Focus") == Verdict.WARNING
    assert verdict(spots(20), "Brightness over time") == Verdict.MET
    assert verdict(spots(20, fading=1.0), "Brightness over time") == Verdict.WARNING


def test_drift_is_found_within_its_error_and_refused_when_fast():
    unit = OPTICS.um_per_px * OPTICS.frame_rate_per_s
    slow = judged(walks(drift=(0.5, 0.0)), "Drift")
    assert slow.finding.estimate.low < 0.5 * unit < slow.finding.estimate.high
    assert slow.refusal is None
    assert judged(walks(drift=(10.0, 0.0)), "Drift").refusal.code == "drift"


def test_convection_is_seen_only_where_it_is():
    still = judged(walks(), "Convection").finding
    assert still.verdict == Verdict.MET
    shear = judged(walks(flow=lambda p: np.column_stack([0.02 * (p[:, 1] - 120), np.zeros(len(p))])), "Convection")
    assert shear.finding.verdict == Verdict.WARNING


def test_f_test_holds_its_level():
    rng = np.random.default_rng(4)
    p = [
        motion.convection_fit(
            rng.uniform(-1, 1, 300), rng.uniform(-1, 1, 300), rng.standard_normal((300, 2)), quadratic=True
        )[1]
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_dropped_frames_double_the_steps_and_are_counted():
    whole = walks(count=120, frames=120)
    assert judged(whole, "Even frame times").finding.verdict == Verdict.MET
    dropped = np.arange(10, 110, 12)
    kept = ~np.isin(whole.frame, dropped)
    renumbered = np.searchsorted(np.setdiff1d(np.arange(120), dropped), whole.frame[kept])
    from dataclasses import replace

    cut = {n: getattr(whole, n)[kept] for n in ("track", "x_px", "y_px", "amplitude", "snr", "sigma_px")}
    found = judged(replace(whole, frame=renumbered, frame_count=120 - dropped.size, **cut), "Even frame times").finding
    assert found.verdict == Verdict.WARNING
    assert found.estimate.value == pytest.approx(100 * dropped.size / (119 - dropped.size), rel=0.35)


def test_free_diffusion_is_told_from_noise_about_a_place():
    value, error = motion.lag_ratio(walks(count=200))
    assert abs(value - 1) < 4 * error
    assert judged(walks(count=200), "Free diffusion").refusal is None
    jitter = judged(walks(count=200, step=0.0, noise=3.0), "Free diffusion")
    assert jitter.refusal is None or jitter.refusal.code == "no-diffusion"
    assert jitter.finding.verdict != Verdict.MET


def test_stuck_tracks_are_found_and_slow_ones_left():
    from dataclasses import replace

    moving, stuck = walks(count=30, step=1.0), walks(count=5, step=0.0, noise=0.05, seed=2)
    both = replace(
        moving,
        track=np.concatenate([moving.track, stuck.track + 30]),
        **{
            n: np.concatenate([getattr(moving, n), getattr(stuck, n)])
            for n in ("frame", "x_px", "y_px", "amplitude", "snr", "sigma_px")
        },
    )
    numbers = motion.stuck_tracks(both, OPTICS)
    assert numbers.tolist() == [30, 31, 32, 33, 34]
    assert motion.without(both, numbers).track_count == 30
