from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from vesicula.core.errors import AnalysisError
from vesicula.instruments.nta.video import _link_kernels as kernels
from vesicula.instruments.nta.video.detect import DetectSettings, detect
from vesicula.instruments.nta.video.drift import remove_drift
from vesicula.instruments.nta.video.link import LinkSettings, link, link_with_report
from vesicula.instruments.nta.video.model import Spots
from vesicula.instruments.nta.video.movie import open_movie

WATER = Path(__file__).parents[1] / "data" / "nta_video" / "bulk-water.mov"
SHAPE = (480, 640)


def walk(rng, count, frames, step=2.0, drift=(0.0, 0.0), seen=1.0, shape=SHAPE):
    """Spots of diffusing particles and, per spot, its particle.

    They live in a box 60 px larger than the picture, so that they leave and come back; one that crosses the box's own
    border is a new one on the other side.
    """
    steps = np.broadcast_to(step, count)
    size = np.array(shape) + 120
    steps = np.tile(steps, 1 + int(size.prod() / np.prod(shape)))[: round(count * size.prod() / np.prod(shape))]
    count = steps.size
    place = rng.uniform(0, 1, (count, 2)) * size
    name = np.arange(count)
    rows = []
    for f in range(frames):
        inside = np.all((place >= 60) & (place < size - 60), axis=1)
        keep = inside & (rng.uniform(size=count) < seen)
        rows.append(np.column_stack([np.full(count, f), place - 60, name])[keep])
        place = place + rng.normal(0, 1, (count, 2)) * steps[:, None] + np.array(drift)[::-1]
        name = np.where(np.any((place < 0) | (place >= size), axis=1), name + count, name)
        place = place % size
    table = np.concatenate(rows)
    ones = np.ones(len(table))
    spots = Spots(
        frame=table[:, 0].astype(np.int64),
        y_px=table[:, 1].copy(),
        x_px=table[:, 2].copy(),
        amplitude=ones,
        snr=ones,
        sigma_px=np.arange(len(table), dtype=float),
        frame_count=frames,
    )
    return spots, table[:, 3].astype(np.int64)


def purity(tracks, name):
    """Share of links that join the same particle, and share of those that exist; sigma_px carries the spot's number."""
    own = name[tracks.sigma_px.astype(int)]
    linked = tracks.track[1:] == tracks.track[:-1]
    right = linked & (own[1:] == own[:-1])
    possible = name.size - np.unique(name).size
    return right.sum() / linked.sum(), right.sum() / possible


@pytest.mark.parametrize("count", [20, 150, 600])
def test_purity_is_not_below_the_peers(count):
    """trackpy's linker, told the true step (search radius 5.5 SD), on the same spots; ours is told nothing."""
    trackpy = pytest.importorskip("trackpy")
    pandas = pytest.importorskip("pandas")
    trackpy.quiet()
    ours, peers = [], []
    for seed in range(1, 5):
        spots, name = walk(np.random.default_rng(seed), count, 60)
        ours.append(purity(link(spots, LinkSettings(), SHAPE), name))
        table = pandas.DataFrame(
            {"frame": spots.frame, "y": spots.y_px, "x": spots.x_px, "sigma_px": spots.sigma_px}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peer calls pandas in ways that pandas deprecates
            table = trackpy.link(table, 11.0, memory=2).sort_values(["particle", "frame"])
        found = {"track": table.particle.to_numpy(), "sigma_px": table.sigma_px.to_numpy()}
        peers.append(purity(SimpleNamespace(**found), name))
    assert np.mean(ours, axis=0) == pytest.approx(np.mean(peers, axis=0), abs=3e-4) or np.all(
        np.mean(ours, axis=0) > np.mean(peers, axis=0)
    )


def test_gaps_are_closed():
    spots, name = walk(np.random.default_rng(2), 60, 80, seen=0.9)
    pure, complete = purity(link(spots, LinkSettings(memory_frames=3), SHAPE), name)
    assert pure > 0.98
    assert complete > 0.97
    _, without = purity(link(spots, LinkSettings(memory_frames=0), SHAPE), name)
    assert without < 0.92


def test_fast_flow_is_found():
    spots, name = walk(np.random.default_rng(3), 80, 60, drift=(-12.0, 5.0))
    tracks, report = link_with_report(spots, LinkSettings(), SHAPE)
    assert report.drift_px == pytest.approx((-12.0, 5.0), abs=0.3)
    assert purity(tracks, name)[0] > 0.99


def test_step_is_estimated_and_not_cut():
    for step in (0.5, 2.0, 4.0):
        spots, _ = walk(np.random.default_rng(4), 100, 100, step=step)
        tracks, report = link_with_report(spots, LinkSettings(), SHAPE)
        assert report.step_rms_px == pytest.approx(step * np.sqrt(2), rel=0.05)
        assert report.radius_over_rms > 2.6
        assert report.lost_step_share < 1e-3
        near = (tracks.track[1:] == tracks.track[:-1]) & (np.diff(tracks.frame) == 1)
        square = (np.diff(tracks.x_px) ** 2 + np.diff(tracks.y_px) ** 2)[near]
        assert square.mean() == pytest.approx(2 * step**2, rel=0.03)


def test_unlike_particles_keep_their_own_steps():
    rng = np.random.default_rng(5)
    step = np.where(np.arange(120) % 2, 1.0, 4.0)
    spots, name = walk(rng, 120, 100, step=step)
    tracks = link(spots, LinkSettings(), SHAPE)
    own = name[tracks.sigma_px.astype(int)]
    near = (tracks.track[1:] == tracks.track[:-1]) & (np.diff(tracks.frame) == 1)
    square = np.diff(tracks.x_px) ** 2 + np.diff(tracks.y_px) ** 2
    for odd, expected in ((1, 2.0), (0, 32.0)):
        assert square[near & (own[:-1] % 2 == odd)].mean() == pytest.approx(expected, rel=0.05)
    assert purity(tracks, name)[0] > 0.99


def test_assignment_is_optimal():
    rng = np.random.default_rng(6)
    for _ in range(200):
        n, m = (int(k) for k in rng.integers(1, 12, 2))
        gain = np.where(rng.uniform(size=(n, m)) < rng.uniform(0.1, 1.0), rng.exponential(size=(n, m)), 0.0)
        rows, columns = np.nonzero(gain)
        starts = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
        chosen = kernels.assign(starts, columns.astype(np.int64), gain[rows, columns], m)
        linked = np.flatnonzero(chosen >= 0)
        assert np.unique(chosen[linked]).size == linked.size
        assert np.all(gain[linked, chosen[linked]] > 0)
        # A pair that is not allowed is worth nothing: the dense problem with zeros has the same optimum.
        assert gain[linked, chosen[linked]].sum() == pytest.approx(gain[linear_sum_assignment(-gain)].sum())


def test_assignment_of_one_big_component_is_optimal():
    rng = np.random.default_rng(16)
    here, there = rng.uniform(0, 20, (2, 400, 2))
    square = ((here[:, None] - there[None]) ** 2).sum(axis=2)
    gain = np.where(square < 16, 16 - square, 0.0)
    rows, columns = np.nonzero(gain)
    starts = np.searchsorted(rows, np.arange(401)).astype(np.int64)
    chosen = kernels.assign(starts, columns.astype(np.int64), gain[rows, columns], 400)
    linked = np.flatnonzero(chosen >= 0)
    assert gain[linked, chosen[linked]].sum() == pytest.approx(gain[linear_sum_assignment(-gain)].sum())


@pytest.mark.parametrize("count", [5_000, 100_000])
def test_dense_frames_do_not_fail(count):
    spots, _ = walk(np.random.default_rng(7), count, 4, step=4.0)
    tracks, report = link_with_report(spots, LinkSettings(), SHAPE)
    assert tracks.track.size == spots.frame.size
    assert report.ambiguity > 0.3


def test_the_same_twice_and_every_spot_once():
    spots, _ = walk(np.random.default_rng(8), 100, 30)
    one, two = (link(spots, LinkSettings(), SHAPE) for _ in range(2))
    np.testing.assert_array_equal(one.track, two.track)
    np.testing.assert_array_equal(np.sort(one.sigma_px), np.arange(spots.frame.size))
    assert np.all(np.diff(one.track) >= 0)
    assert np.array_equal(np.unique(one.track), np.arange(one.track_count))
    inside = one.track[1:] == one.track[:-1]
    assert np.all(np.diff(one.frame)[inside] > 0)


def test_next_to_nothing():
    for frames, count in ((0, 0), (1, 5), (2, 1), (5, 0)):
        spots, _ = walk(np.random.default_rng(9), count, frames) if frames else walk(np.random.default_rng(9), 0, 1)
        assert link(spots, LinkSettings(), SHAPE).track.size == spots.frame.size
    with pytest.raises(AnalysisError, match="step_rms_px"):
        link(spots, LinkSettings(step_rms_px=-1.0), SHAPE)


def squares(track, frame, x, y, least=25, lags=100):
    """Per track of at least `least` spots: sums of squared displacements (um^2) at lags 1.. and their numbers."""
    _, row, length = np.unique(track, return_inverse=True, return_counts=True)
    total, number = np.zeros((2, length.size, lags))
    for lag in range(1, lags + 1):
        for shift in range(max(1, lag - 20), lag + 1):  # spots are missing within tracks
            hit = np.flatnonzero((track[shift:] == track[:-shift]) & (frame[shift:] == frame[:-shift] + lag))
            moved = (x[hit + shift] - x[hit]) ** 2 + (y[hit + shift] - y[hit]) ** 2
            np.add.at(total[:, lag - 1], row[hit], moved * (100 / 285) ** 2)
            np.add.at(number[:, lag - 1], row[hit], 1)
    return total[length >= least], number[length >= least]


def power_law(total, number):
    """Exponent n and factor A of <r^2> = A t^n: a straight line through the logs, as trackpy.utils.fit_powerlaw."""
    time_s = np.arange(1, total.shape[1] + 1) / 24
    n, log_a = np.polyfit(np.log(time_s), np.log(total.sum(axis=0) / number.sum(axis=0)), 1)
    return np.array([n, np.exp(log_a)])


def fitted(track, frame, x, y):
    """Power law and its standard errors by bootstrap over tracks."""
    total, number = squares(track, frame, x, y)
    rng = np.random.default_rng(1)
    draws = [power_law(total[k], number[k]) for k in rng.integers(0, len(total), (200, len(total)))]
    return power_law(total, number), np.std(draws, axis=0)


@pytest.fixture(scope="module")
def water():
    """Ours and trackpy's spots and tracks of 300 frames; trackpy as in its walkthrough, its filters included."""
    trackpy = pytest.importorskip("trackpy")
    trackpy.quiet()
    movie = open_movie(WATER)
    frames = list(itertools.islice(movie.frames(), 300))
    tracks = link(detect(frames, DetectSettings(polarity="dark")), LinkSettings(memory_frames=3), movie.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spots = trackpy.batch(frames, 11, minmass=20, invert=True, engine="numba", processes=1)
        peer = trackpy.filter_stubs(trackpy.link(spots, 5, memory=3), 25).reset_index(drop=True)
        peer = peer[(peer["mass"] > 50) & (peer["size"] < 2.6) & (peer["ecc"] < 0.3)]
        peer = trackpy.subtract_drift(peer.copy(), trackpy.compute_drift(peer)).reset_index(drop=True)
    return tracks, spots, peer.sort_values(["particle", "frame"])


@pytest.mark.slow
def test_real_beads_in_water_diffuse_as_the_peer_says(water):
    tracks, _, peer = water
    clean = remove_drift(tracks)
    ours, error = fitted(clean.track, clean.frame, clean.x_px, clean.y_px)
    theirs, peer_error = fitted(*(peer[name].to_numpy() for name in ("particle", "frame", "x", "y")))
    assert np.all(np.abs(ours - theirs) < 2.0 * np.hypot(error, peer_error))
    # Theory for 1 um beads in water at room temperature, from trackpy's walkthrough: A = 4 D = 1.66 um^2/s.
    assert abs(ours[1] - 1.66) < 2.0 * error[1]


@pytest.mark.slow
def test_the_same_spots_of_real_beads_step_alike_in_both_programs(water):
    tracks, spots, _ = water
    x, y = np.full((2, tracks.frame.size), np.nan)
    for f in range(300):
        own = np.flatnonzero(tracks.frame == f)
        there = spots.loc[spots.frame == f, ["x", "y"]].to_numpy()
        gap, k = cKDTree(there).query(np.column_stack([tracks.x_px[own], tracks.y_px[own]]))
        x[own[gap < 2]], y[own[gap < 2]] = there[k[gap < 2]].T
    both = (tracks.track[1:] == tracks.track[:-1]) & (np.diff(tracks.frame) == 1) & np.isfinite(np.diff(x))
    ours = np.diff(tracks.x_px)[both] ** 2 + np.diff(tracks.y_px)[both] ** 2
    theirs = np.diff(x)[both] ** 2 + np.diff(y)[both] ** 2
    assert both.sum() > 50_000
    # Lag-1 MSD on the same pairs: what differs between the programs' ensembles is which spots they take, not where
    # they put them (trackpy's own lag-1 value falls by a third when its walkthrough's filters are applied).
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.02)


def test_order_by_track_and_medians_are_those_of_numpy():
    rng = np.random.default_rng(17)
    for count in (0, 1, 500):
        track = rng.integers(0, 40, count)
        np.testing.assert_array_equal(kernels.by_track(track), np.argsort(track, kind="stable"))
    values = rng.normal(size=(50, 2))
    bounds = np.array([0, 0, 7, 20, 20, 50])
    found = kernels.medians(values, bounds, np.array([8.0, 9.0]))
    for row, (low, high) in zip(found, itertools.pairwise(bounds), strict=True):
        np.testing.assert_array_equal(row, np.median(values[low:high], axis=0) if high > low else [8.0, 9.0])
