"""Compiled loops against plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from vesicula.instruments.nta.video import _detect_kernels as kernels


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
