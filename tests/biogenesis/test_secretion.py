"""The secreting cell: books that balance, bursts, seeds, modulators in the direction of their sources."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.biogenesis import (
    at_steady_state,
    modulate,
    modulator_names,
    rates_by_cell,
    secreted_population,
    secretion_network,
    secretion_rates,
    simulate_ode,
    simulate_secretion,
    simulate_ssa,
    uptake_network,
)
from vesicula.biogenesis.secretion import CARRIERS, MEDIUM, ROUTES, SPECIES
from vesicula.biogenesis.tables import effects, parameter_priors
from vesicula.core.errors import AnalysisError

DAY = [0.0, 24.0]


@pytest.fixture(scope="module")
def cells():
    return simulate_secretion(secretion_network(), np.linspace(0, 12, 121), n=300, seed=11)


@pytest.fixture(scope="module")
def course():
    return simulate_ode(at_steady_state(secretion_network()), np.linspace(0, 12, 121))


def rates(*names, **values):
    network = at_steady_state(secretion_network(names).with_values(values))
    return secretion_rates(simulate_ode(network, DAY))


def inside(found, route):
    return sum(found[f"{c}_{route}"] for c in CARRIERS)


@pytest.mark.parametrize("route", ROUTES)
def test_every_vesicle_made_is_inside_degraded_fused_back_or_released(cells, course, route):
    for found in (cells, course):
        gone = sum(found[f"{what}_{route}"] for what in ("degraded", "fused_back", "released"))
        made = found[f"formed_{route}"]
        np.testing.assert_allclose(made - gone, inside(found, route) - inside(found, route)[..., :1], atol=1e-4)
    assert cells[f"released_{route}"][:, -1].min() > 0


def test_every_particle_let_go_is_in_the_medium_taken_up_or_lost(cells, course):
    for found in (cells, course):
        let_go = sum(found[n] for n in ("released_escrt", "released_ceramide", "microvesicles_shed"))
        let_go = let_go + found["apoptotic_bodies_shed"]
        in_medium = sum(found[n] for n in MEDIUM)
        np.testing.assert_allclose(let_go, in_medium + found["reuptaken"] + found["decayed"], atol=1e-4)


def test_a_body_releases_its_vesicles_at_once(cells):
    """Vesicles leave only in steps in which a body opens, and most such steps let several go."""
    released = np.diff(cells["released_escrt"] + cells["released_ceramide"], axis=1)
    opened = np.diff(cells["mvb_released"], axis=1)
    assert np.all(released[opened == 0] == 0)
    one = released[opened == 1]
    assert one.mean() > 10
    assert (one > 1).mean() > 0.8
    # One by one, the count of a linear network that starts from steady state has at most the variance of a Poisson.
    total = (cells["released_escrt"] + cells["released_ceramide"])[:, -1]
    assert total.var() > 3 * total.mean()


def test_one_fusion_is_one_event_of_the_stochastic_engine():
    """With bodies opening at once and nothing else going on after, every time holds all or none of the load."""
    fast = secretion_network().with_values({"k_decay": 0.0, "k_reuptake": 0.0})
    found = simulate_secretion(fast, np.linspace(0, 2, 20001), n=3, seed=5)
    released = found["released_escrt"] + found["released_ceramide"]
    held = sum(found[f"open_{r}"] for r in ROUTES)
    steps, opened = np.diff(released, axis=1), np.diff(found["mvb_released"], axis=1)
    single = opened == 1
    assert single.sum() > 5
    assert np.all(steps[single] <= held[:, :-1][single])  # what leaves was in an open body just before
    assert np.all(steps[opened == 0] == 0)


@pytest.mark.parametrize("name", [*(f"released_{r}" for r in ROUTES), *(f"formed_{r}" for r in ROUTES), *CARRIERS,
                                  "degraded_escrt", "late_escrt", "mvb_ceramide", "exosomes_escrt", "mvb_released",
                                  "microvesicles", "buds"])  # fmt: skip
def test_equations_are_the_mean_of_the_cells(cells, course, name):
    """At three times; limits of 4.5 standard errors, 45 comparisons in all."""
    for i in (30, 75, 120):
        x = cells[name][:, i]
        error = max(x.std(ddof=1), 1e-9) / np.sqrt(x.size)
        assert abs(x.mean() - course[name][i]) < 4.5 * error, (name, i, x.mean(), course[name][i], error)


def test_the_plain_network_has_the_same_mean_and_a_smaller_spread(cells, course):
    start = at_steady_state(secretion_network())
    whole = {s.name: float(round(s.initial)) for s in start.species}
    from dataclasses import replace

    network = replace(start, species=tuple(replace(s, initial=whole[s.name]) for s in start.species))
    plain = simulate_ssa(network, [12.0], n=200, seed=2, record=["formed_escrt", "released_escrt"])
    mean = simulate_ode(network, [12.0])
    for name in plain.names:
        x = plain[name][:, -1]
        assert abs(x.mean() - mean[name][-1]) < 4.5 * x.std(ddof=1) / np.sqrt(x.size)
    assert plain["released_escrt"][:, -1].std() < 0.7 * cells["released_escrt"][:, -1].std()


def test_seeds_are_stored_and_make_any_cell_again():
    network, times = secretion_network(), [0.0, 3.0]
    one = simulate_secretion(network, times, n=12, seed=4, threads=1)
    two = simulate_secretion(network, times, n=12, seed=4, threads=2)
    np.testing.assert_array_equal(one.runs, two.runs)
    assert one.entropy == 4
    assert one.seeds.shape == (12,)
    again = simulate_secretion(network, times, seed=0, seeds=one.seeds[7:8])
    np.testing.assert_array_equal(again.runs[0], one.runs[7])
    assert not np.array_equal(simulate_secretion(network, times, n=12, seed=5, threads=1).runs, one.runs)


# What the notes on the literature say of release with each modulator, relative to the untreated cell.
STATED = {
    "rab27-knockdown": (0.25, 0.5), "hrs-knockdown": (0.3, 0.6), "tsg101-knockdown": (0.3, 0.6), "gw4869": (0.3, 0.7),
    "hypoxia": (1.3, 3.0), "bafilomycin": (2.0, 8.0), "mtorc1-inhibition": (1.2, 2.0), "wnt-activation": (1.0, 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_release_lies_in_the_stated_range_at_the_best_values(name):
    low, high = STATED[name]
    assert low <= rates(name).exosomes_released / rates().exosomes_released <= high


@pytest.mark.parametrize("effect", effects(), ids=lambda e: f"{e.modulator}-{e.parameter}")
def test_each_effect_alone_moves_release_as_its_row_says(effect):
    value = parameter_priors()[effect.parameter].value
    ends = [
        rates(**{effect.parameter: value * f}).exosomes_released / rates().exosomes_released
        for f in (effect.factor.low, effect.factor.high)
    ]
    if effect.release == "down":
        assert max(ends) < 1
    elif effect.release == "up":
        assert min(ends) > 1 - 1e-4
        assert max(ends) > 1.05
    elif effect.release == "uncertain":
        assert min(ends) < 1 < max(ends)
    else:
        assert max(abs(np.log(ends))) < 0.1


def test_formation_and_release_come_apart():
    base = rates()
    docking, lysosome, ceramide = rates("rab27-knockdown"), rates("bafilomycin"), rates("gw4869")
    assert docking.ilv_formed == pytest.approx(base.ilv_formed, rel=1e-4)
    assert docking.exosomes_released < 0.5 * base.exosomes_released
    assert lysosome.ilv_formed == pytest.approx(base.ilv_formed, rel=1e-4)
    assert lysosome.ilv_degraded < base.ilv_degraded
    assert ceramide.ilv_formed_escrt == pytest.approx(base.ilv_formed_escrt, rel=1e-4)
    assert ceramide.exosomes_released_ceramide == pytest.approx(0.05 * base.exosomes_released_ceramide, rel=1e-4)
    assert rates("calcium-rise").microvesicles_shed == pytest.approx(3 * base.microvesicles_shed)


def test_best_values_give_the_numbers_that_their_rows_name():
    base = rates()
    assert 40 < base.exosomes_released < 80  # about 60 an hour
    assert base.mvb_released_share == pytest.approx(0.10, rel=1e-3)
    assert 10 < base.exosomes_released / base.mvb_fusions < 25  # about 20 ILVs a body
    assert base.ilv_formed_escrt > base.ilv_formed_ceramide
    assert 3600 / parameter_priors()["k_disperse"].value == pytest.approx(106.55, rel=1e-3)  # seconds


def test_modulators_multiply_and_mistakes_are_named():
    both = rates("rab27-knockdown", "gw4869").exosomes_released
    base = rates().exosomes_released
    expected = rates("rab27-knockdown").exosomes_released * rates("gw4869").exosomes_released / base
    assert both == pytest.approx(expected, rel=1e-3)
    with pytest.raises(AnalysisError, match="no modulator 'magic'; known are rab27"):
        secretion_network(["magic"])
    with pytest.raises(AnalysisError, match="named twice"):
        secretion_network(["hypoxia", "hypoxia"])
    with pytest.raises(AnalysisError, match="changes nothing"):
        modulate(uptake_network(100), ["hypoxia"])
    assert {"hypoxia", "senescence", "late-passage", "wnt-activation", "bafilomycin"} <= set(modulator_names())


def test_the_population_of_the_medium_is_that_of_the_cells(course):
    found = secreted_population(course, 1e6)
    exosomes = course["exosomes_escrt"][-1] + course["exosomes_ceramide"][-1]
    assert found.by_class()["exosome"] == pytest.approx(1e6 * exosomes, rel=1e-9)
    assert found.by_class()["microvesicle"] == pytest.approx(1e6 * course["microvesicles"][-1], rel=1e-9)
    with pytest.raises(AnalysisError, match="cells_per_ml"):
        secreted_population(course, 0.0)


def test_rates_of_cells_are_the_counters_over_the_time(cells, course):
    found = rates_by_cell(cells)
    np.testing.assert_allclose(found["mvb_fusions"], cells["mvb_released"][:, -1] / 12)
    assert set(found) == set(secretion_rates(course).as_dict()) - {"mvb_released_share"}
    with pytest.raises(AnalysisError, match="two times"):
        rates_by_cell(simulate_secretion(secretion_network(), [1.0], n=1, seed=1))


def test_too_many_bodies_and_wrong_networks_are_errors():
    with pytest.raises(AnalysisError, match="4096 bodies"):
        simulate_secretion(secretion_network().with_values({"k_endocytosis": 1e6}), [1.0], n=1, seed=1)
    with pytest.raises(AnalysisError, match="not the secretion model"):
        simulate_secretion(uptake_network(10), [1.0], n=1, seed=1)
    assert len(set(SPECIES)) == len(SPECIES)


PLACES = ("free", "bound", "endosomal", "lysosomal", "cytosolic")


def test_uptake_keeps_every_particle_in_both_engines():
    times = np.linspace(0, 48, 25)
    network = uptake_network(1000)
    course, runs = simulate_ode(network, times), simulate_ssa(network, times, n=100, seed=3)
    for found in (course, runs):
        np.testing.assert_allclose(sum(found[p] for p in PLACES), 1000, rtol=1e-6)
        np.testing.assert_allclose(found["receptors"] + found["bound"], 200, rtol=1e-6)
        routes = found["by_endocytosis"] + found["by_phagocytosis"] + found["by_macropinocytosis"]
        rest = found["endosomal"] + found["lysosomal"] + found["cytosolic"] - found["by_membrane_fusion"]
        np.testing.assert_allclose(routes, rest, rtol=1e-6, atol=1e-6)
    assert np.all(sum(runs[p] for p in PLACES) == 1000)
    x = runs["lysosomal"][:, -1]
    assert abs(x.mean() - course["lysosomal"][-1]) < 4.5 * x.std(ddof=1) / 10 + 0.01 * x.mean()  # not quite linear


def test_about_a_hundredth_is_taken_up_per_hour_at_low_dose():
    course = simulate_ode(uptake_network(10), [0.0, 10.0, 20.0])
    left = course["free"] + course["bound"]
    assert np.log(left[1] / left[2]) / 10 == pytest.approx(0.012, abs=0.004)
    share = course["cytosolic"][-1] / (course["cytosolic"][-1] + course["lysosomal"][-1])
    assert 0.001 <= share <= 0.3
    with pytest.raises(AnalysisError, match="particles_per_cell"):
        uptake_network(-1)


def test_receptors_saturate():
    few, many = (simulate_ode(uptake_network(n), [1.0]) for n in (10, 1e6))
    assert many["by_endocytosis"][0] / 1e6 < 0.1 * few["by_endocytosis"][0] / 10
    assert many["bound"][0] <= 200
