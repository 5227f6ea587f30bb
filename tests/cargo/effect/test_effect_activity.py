"""Activity scores: equal to ordinary regression, p values right without a signal, signal found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import linregress

from vesicula.cargo.effect.activity import activity, compare_groups, linear_scores, mirna_weights
from vesicula.cargo.enrichment import SampleInfo, build_design
from vesicula.core.errors import AnalysisError


def memberships(molecules: int, sets: int, size: int, rng: np.random.Generator) -> csr_array:
    weights = np.zeros((molecules, sets))
    for k in range(sets):
        weights[rng.choice(molecules, size, replace=False), k] = 1.0
    return csr_array(weights)


def test_scores_are_the_t_values_of_regression() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(3, 50)), rng.normal(size=(50, 4))
    found = linear_scores(values, weights)
    for i in range(3):
        for j in range(4):
            line = linregress(weights[:, j], values[i])
            assert found[i, j] == pytest.approx(line.slope / line.stderr, rel=1e-9)


def test_scores_of_decoupler() -> None:
    """decoupler 2.2.0, ``dc.mt.ulm`` with tmin=5, on the matrix below: values copied from its run."""
    values = np.sin(np.arange(1, 61) ** 1.5).reshape(2, 30)
    weights = np.zeros((30, 2))
    weights[:8, 0] = 1.0
    weights[5:20:2, 1] = 1.0
    found = activity(values.T, ["a", "b"], csr_array(weights), ["x", "y"], draws=10, centre=False)
    np.testing.assert_allclose(found.score, DECOUPLER, rtol=1e-6)


DECOUPLER = [[-0.8812952632474758, 0.0752977179529838], [0.8606017044533482, 2.006167921455405]]


def test_missing_values_are_left_out_of_their_sample_alone() -> None:
    rng = np.random.default_rng(2)
    log2 = rng.normal(size=(40, 3))
    weights = memberships(40, 3, 12, rng)
    whole = activity(log2, list("abc"), weights, list("xyz"), draws=10, centre=False)
    holes = log2.copy()
    holes[:4, 1] = np.nan
    part = activity(holes, list("abc"), weights, list("xyz"), draws=10, centre=False)
    np.testing.assert_allclose(part.score[:, [0, 2]], whole.score[:, [0, 2]])
    kept = activity(log2[4:, 1:2], ["b"], weights[4:], list("xyz"), draws=10, centre=False)
    np.testing.assert_allclose(part.score[:, 1], kept.score[:, 0])


def test_no_signal_gives_uniform_p_and_signal_is_found() -> None:
    rng = np.random.default_rng(7)
    weights = memberships(400, 60, 15, rng)
    log2 = rng.normal(size=(400, 8))
    names = [f"s{j}" for j in range(8)]
    found = activity(log2, names, weights, [str(k) for k in range(60)], draws=300)
    assert found.centred
    assert 0.02 < np.mean(found.p_value <= 0.05) < 0.09  # 480 p values: standard error 1 %
    inside = weights[:, [3]].toarray().ravel() > 0
    log2[np.ix_(inside, [4, 5, 6, 7])] += 1.5
    spiked = activity(log2, names, weights, [str(k) for k in range(60)], draws=300)
    design = build_design(
        [SampleInfo(sample=s, condition="B" if j > 3 else "A") for j, s in enumerate(names)], test="B", reference="A"
    )
    compared = compare_groups(spiked, design)
    assert int(np.nanargmin(compared.p_value)) == 3
    assert compared.adjusted_p[3] < 0.001
    assert compared.fit.effect[3] > 3


def test_cargo_that_moves_together_misleads_single_samples_but_not_groups() -> None:
    rng = np.random.default_rng(9)
    weights = np.kron(np.eye(40), np.ones((10, 1)))
    single, groups = [], []
    design = build_design(
        [SampleInfo(sample=f"s{j}", condition="AB"[j // 4]) for j in range(8)], test="B", reference="A"
    )
    for seed in range(6):
        common = np.repeat(rng.normal(size=(40, 8)), 10, axis=0)
        log2 = np.sqrt(0.3) * common + np.sqrt(0.7) * rng.normal(size=(400, 8))
        found = activity(
            log2, [f"s{j}" for j in range(8)], csr_array(weights), list(map(str, range(40))), draws=200, seed=seed
        )
        single.append(found.p_value.ravel())
        groups.append(compare_groups(found, design).p_value)
    assert np.mean(np.concatenate(single) <= 0.05) > 0.15
    assert np.mean(np.concatenate(groups) <= 0.05) < 0.1


def test_weights_of_mirnas_do_not_grow_with_their_number_of_targets() -> None:
    rng = np.random.default_rng(3)
    targets = [frozenset(f"g{i}" for i in rng.choice(1000, n, replace=False)) for n in [20] * 150 + [300] * 150]
    weights = mirna_weights(targets, [frozenset(f"g{i}" for i in range(100))])[:, 0]
    assert abs(weights[:150].mean() - weights[150:].mean()) < 0.3
    assert weights.std() == pytest.approx(1.0, abs=0.15)
    everything = frozenset(f"g{i}" for i in range(1000))
    assert mirna_weights([everything, frozenset()], [frozenset({"g1"})]).tolist() == [[0.0], [0.0]]


def test_small_sets_are_left_out_and_shapes_checked() -> None:
    weights = csr_array(np.eye(30)[:, :2] + np.repeat([[0.0, 1.0]], 30, axis=0) * (np.arange(30)[:, None] < 9))
    found = activity(np.random.default_rng(0).normal(size=(30, 2)), ["a", "b"], weights, ["small", "large"], draws=20)
    assert found.set_ids == ("large",)
    with pytest.raises(AnalysisError, match="do not fit"):
        activity(np.zeros((3, 2)), ["a", "b"], weights, ["small", "large"])
