"""Compiled loops against plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from vesicula.instruments.nta.video import _detect_kernels as kernels
from vesicula.instruments.nta.video import detect


def _maxima(image: np.ndarray, floor: float) -> set[tuple[int, int]]:
    """Pixels above the floor that top their neighbours; of equal ones the first in reading order."""
    found = set()
    for y, x in np.argwhere(image > floor):
        near = [
            (j, i)
            for j in range(max(y - 1, 0), min(y + 2, image.shape[0]))
            for i in range(max(x - 1, 0), min(x + 2, image.shape[1]))
            if (j, i) != (y, x)
        ]
        if all(image[j, i] < image[y, x] or (image[j, i] == image[y, x] and (j, i) > (y, x)) for j, i in near):
            found.add((int(y), int(x)))
    return found


@pytest.mark.parametrize("shape", [(40, 61), (8, 8), (9, 64), (64, 9)])
@pytest.mark.parametrize("levels", [3, 200])
def test_maxima_are_those_of_a_plain_search_ties_and_borders_included(shape, levels):
    rng = np.random.default_rng(levels)
    for _ in range(5):
        image = rng.integers(0, levels, shape).astype(np.float32)
        flat = np.ones(max(shape), np.float32)
        found = kernels.local_maxima(image, np.ones((1, 1)), flat[: shape[0]], flat[: shape[1]], 0.6 * levels)
        places = [(int(y), int(x)) for y, x, _ in found]
        assert len(places) == len(set(places))
        assert set(places) == _maxima(image, 0.6 * levels)
        assert places
        np.testing.assert_array_equal(found[:, 2], image[found[:, 0].astype(int), found[:, 1].astype(int)])


def test_chains_are_connected_components_named_by_their_first_point():
    rng = np.random.default_rng(4)
    for count in (1, 2, 30, 300):
        for reach in (1.0, 4.0, 12.0):
            points = rng.uniform(0, 100, (count, 2))
            pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
            graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
            label = connected_components(graph, directed=False)[1]
            first = np.array([np.flatnonzero(label == one)[0] for one in label])
            np.testing.assert_array_equal(kernels.chains(points[:, 0], points[:, 1], reach), first)


def _spot(p: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return p[2] * np.exp(-0.5 * ((y - p[0]) ** 2 + (x - p[1]) ** 2) / p[4] ** 2) + p[3]


# The last has walked so far off that its Gaussian cannot be had step by step from pixel to pixel.
@pytest.mark.parametrize("place", [(5.2, 4.7), (0.0, 9.9), (-3.0, 14.0), (90.0, -70.0)])
def test_normal_equations_are_those_of_plain_sums(place):
    rng = np.random.default_rng(7)
    shape = (11, 9)
    light = rng.normal(0, 4, shape)
    p = np.array([*place, 20.0, 1.5, 1.3])
    a, b, work = np.zeros((5, 5)), np.zeros(5), np.empty((6, 11))
    cost = kernels._normal_equations(light, light.sum(), (light**2).sum(), p, a, b, work)
    rest = light - _spot(p, shape)
    slopes = np.empty((5, rest.size))
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-5
        slopes[k] = ((_spot(p + step, shape) - _spot(p - step, shape)) / 2e-5).ravel()
    assert cost == pytest.approx((rest**2).sum(), rel=1e-12)
    np.testing.assert_allclose(b, slopes @ rest.ravel(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.tril(a), np.tril(slopes @ slopes.T), rtol=1e-6, atol=1e-6)


def test_solving_says_when_there_is_no_answer():
    rng = np.random.default_rng(8)
    for size in (5, 7):
        half = rng.normal(size=(size, size))
        a, b, out, low = half @ half.T, rng.normal(size=size), np.empty(size), np.empty((size, size))
        assert kernels._solve(np.tril(a), b, 0.1, out, low)
        np.testing.assert_allclose(out, np.linalg.solve(a + 0.1 * np.diag(np.diag(a)), b), rtol=1e-9)
        assert not kernels._solve(a - 100.0 * np.eye(size), b, 0.0, out, low)


def test_crowded_spots_fitted_on_news_alone_are_fitted_as_well_as_all_anew():
    # Forty rounds, each with every neighbour's last state, against three that pass over what has heard nothing new.
    rng = np.random.default_rng(9)
    rows, columns = np.mgrid[12:210:9, 12:210:9]
    at = np.column_stack([rows.ravel(), columns.ravel()]) + rng.uniform(-1, 1, (rows.size, 2))
    frame = np.full((220, 220), 30.0)
    for y, x in at:
        frame += _spot(np.array([y, x, 40.0, 0.0, 2.0]), frame.shape)
    frame = np.clip(np.rint(frame + rng.normal(0, 4, frame.shape)), 0, 255).astype(np.uint8)
    plan = detect._plan(frame.shape, detect.DetectSettings(sigma_px=2.0), 2.0)
    filtered, scratch = np.empty((2, *frame.shape), np.float32)
    kernels.band_pass(frame, 1.0, plan.narrow, plan.wide, plan.block, scratch, filtered)
    peaks = kernels.local_maxima(filtered, np.ones((1, 1)), *plan.edges, 5.0)
    three, all_anew = (
        kernels.refine(frame, 1.0, filtered, peaks, np.full(len(peaks), noise), 2.0, plan.gain, 5, rounds, False)
        for rounds, noise in ((3, 4.0), (40, 1e-6))
    )
    error = [cKDTree(at).query(one[:, :2])[0] for one in (three, all_anew)]
    apart = np.hypot(*(three - all_anew)[:, :2].T)
    assert len(peaks) > 450
    assert np.median(error[0]) < 1.01 * np.median(error[1])
    assert np.mean(apart < 0.1 * np.median(error[1])) > 0.95
