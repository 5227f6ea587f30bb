"""Molecules from UMIs: simulated copies with misread UMIs, of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.cargo.smallrna.molecules import molecules_of


def _reads(rng: np.random.Generator, molecules: int, length: int, copies: float, error: float) -> np.ndarray:
    """UMI of every read: molecules draw theirs, PCR copies them unevenly, each base is misread at random."""
    drawn = rng.integers(0, 4, (molecules, length))
    reads = np.repeat(drawn, 1 + rng.poisson(copies * rng.gamma(2.0, 0.5, molecules)), axis=0)
    wrong = rng.random(reads.shape) < error
    reads[wrong] = (reads[wrong] + rng.integers(1, 4, wrong.sum())) % 4
    return reads @ 4 ** np.arange(length - 1, -1, -1)


def _estimate(umis: np.ndarray, length: int) -> int:
    codes, counts = np.unique(umis, return_counts=True)
    return int(molecules_of(codes.astype(np.uint64), counts, np.array([0]), length)[0])


@pytest.mark.parametrize("copies", [0.0, 3.0, 20.0])
@pytest.mark.parametrize(
    ("molecules", "length", "within"),
    # The last fills a quarter of all UMIs: there an error and a neighbour look much alike.
    [(30, 12, 0.05), (1_000, 12, 0.05), (100_000, 12, 0.05), (1_000, 8, 0.05), (20_000, 8, 0.10)],
)
def test_true_molecules_are_found(molecules, length, within, copies):
    rng = np.random.default_rng([molecules, length, int(copies)])
    umis = _reads(rng, molecules, length, copies, 0.003)
    assert _estimate(umis, length) == pytest.approx(molecules, rel=within, abs=1.5)


def test_plain_counting_would_be_wrong_both_ways():
    rng = np.random.default_rng(1)
    deep = _reads(rng, 1_000, 12, 20.0, 0.003)
    assert np.unique(deep).size > 1.5 * 1_000
    assert _estimate(deep, 12) == pytest.approx(1_000, rel=0.02)
    crowded = _reads(rng, 60_000, 8, 3.0, 0.0)
    assert np.unique(crowded).size < 0.7 * 60_000
    assert _estimate(crowded, 8) == pytest.approx(60_000, rel=0.10)


def _directional(umis: np.ndarray, length: int) -> int:
    """Join by UMI-tools' rule: from the most frequent on, neighbours of one base with n_a >= 2 n_b - 1."""
    codes, counts = np.unique(umis, return_counts=True)
    left = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    clusters = 0
    for root in codes[np.argsort(-counts, kind="stable")].tolist():
        if root not in left:
            continue
        clusters += 1
        found = [(root, left.pop(root))]
        while found:
            code, count = found.pop()
            near = [code ^ (change << bit) for bit in range(0, 2 * length, 2) for change in (1, 2, 3)]
            found += [(b, left.pop(b)) for b in near if b in left and count >= 2 * left[b] - 1]
    return clusters


def test_the_directional_rule_would_join_true_neighbours():
    rng = np.random.default_rng(2)
    shallow = _reads(rng, 200_000, 12, 0.0, 0.003)
    assert _directional(shallow, 12) < 0.85 * 200_000
    assert _estimate(shallow, 12) == pytest.approx(200_000, rel=0.02)
    deep = _reads(rng, 1_000, 12, 20.0, 0.003)
    assert _directional(deep, 12) == pytest.approx(1_000, rel=0.02)


def test_misread_by_counts_and_one_base():
    def codes(*umis: str) -> np.ndarray:
        return np.array([sum("ACGT".index(c) * 4**k for k, c in enumerate(reversed(u))) for u in umis], np.uint64)

    def molecules(counts: dict[str, int]) -> int:
        order = np.argsort(codes(*counts))
        values = np.array(list(counts.values()))[order]
        return int(molecules_of(codes(*counts)[order], values, np.array([0]), 12)[0])

    a, near, two_bases_off, far = "ACGTACGTACGT", "ACGTACGTACGA", "ACGTACGTACCA", "TTGTACGTACGT"
    assert molecules({a: 10, near: 1, far: 4}) == 2
    assert molecules({a: 10, near: 6}) == 2  # nobody misreads the same base six times in sixteen
    assert molecules({a: 10, two_bases_off: 1}) == 2


def test_inserts_are_kept_apart_and_nothing_is_nothing():
    codes = np.array([0, 1, 0, 1, 5], np.uint64)
    counts = np.array([50, 1, 3, 3, 1])
    np.testing.assert_array_equal(molecules_of(codes, counts, np.array([0, 2, 4]), 12), [1, 2, 1])
    empty = np.empty(0, np.int64)
    assert molecules_of(empty.astype(np.uint64), empty, empty, 12).size == 0


def test_all_umis_taken_is_no_infinity():
    codes = np.arange(4**2, dtype=np.uint64)
    found = molecules_of(codes, np.full(16, 1000), np.array([0]), 2)
    assert 16 < found[0] < 100
