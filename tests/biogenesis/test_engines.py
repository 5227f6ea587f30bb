"""Both engines against what is known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from vesicula.biogenesis.expr import Num, Op, Sym, product
from vesicula.biogenesis.model import Event, Network, Parameter, Reaction, Species, mass_action
from vesicula.biogenesis.ode import simulate_ode
from vesicula.biogenesis.ssa import seeds_from, simulate_ssa
from vesicula.core.errors import AnalysisError


def birth_death(birth: float = 20.0, death: float = 2.0, start: float = 0.0) -> Network:
    return Network(
        name="birth-death",
        species=(Species(name="A", initial=start),),
        parameters=(Parameter(name="birth", value=birth), Parameter(name="death", value=death)),
        reactions=(
            Reaction(name="b", products=(("A", 1.0),), rate=Sym("birth")),
            mass_action("d", "death", {"A": 1}, {}),
        ),
    )


def dimer() -> Network:
    rate = Op("/", (product("k", "P", Op("-", (Sym("P"), Num(1.0)))), Num(2.0)))
    return Network(
        name="dimer",
        species=(Species(name="P", initial=100), Species(name="P2")),
        parameters=(Parameter(name="k", value=0.001), Parameter(name="back", value=0.01)),
        reactions=(
            Reaction(name="join", reactants=(("P", 2.0),), products=(("P2", 1.0),), rate=rate),
            mass_action("part", "back", {"P2": 1}, {"P": 2}),
        ),
    )


def test_birth_and_death_settle_to_a_poisson_distribution():
    found = simulate_ssa(birth_death(), [20.0], n=4000, seed=7)["A"][:, 0]
    edges = np.arange(3, 18)
    observed = np.array([(found <= 3).sum(), *((found == k).sum() for k in edges[1:-1]), (found >= 17).sum()])
    p = stats.poisson(10).pmf(edges)
    p[0], p[-1] = stats.poisson(10).cdf(3), stats.poisson(10).sf(16)
    assert stats.chisquare(observed, p * found.size).pvalue > 1e-3


def test_immigration_and_death_have_their_mean_and_variance_on_the_way():
    """From n0: mean n0 e^-mt + (b/m)(1 - e^-mt), variance n0 e^-mt (1 - e^-mt) + (b/m)(1 - e^-mt)."""
    times, n = np.array([0.2, 0.5, 1.0, 2.0]), 8000
    found = simulate_ssa(birth_death(start=30), times, n=n, seed=3)["A"]
    decay = np.exp(-2 * times)
    mean = 30 * decay + 10 * (1 - decay)
    variance = 30 * decay * (1 - decay) + 10 * (1 - decay)
    assert np.all(np.abs(found.mean(axis=0) - mean) < 4 * np.sqrt(variance / n))
    assert np.all(np.abs(found.var(axis=0, ddof=1) / variance - 1) < 4 * np.sqrt(2 / n) * 1.2)


def test_equations_are_the_mean_and_the_exact_solution_of_a_linear_network():
    times = np.linspace(0, 3, 7)
    course = simulate_ode(birth_death(start=30), times, relative_tolerance=1e-9)
    np.testing.assert_allclose(course["A"], 30 * np.exp(-2 * times) + 10 * (1 - np.exp(-2 * times)), rtol=1e-7)


def test_a_conserved_sum_stays_in_every_replicate_and_in_the_equations():
    times = np.linspace(0, 50, 11)
    found = simulate_ssa(dimer(), times, n=50, seed=1)
    assert np.all(found["P"] + 2 * found["P2"] == 100)
    assert found["P2"][:, -1].std() > 0
    course = simulate_ode(dimer(), times)
    np.testing.assert_allclose(course["P"] + 2 * course["P2"], 100, rtol=1e-9)


def test_seeds_make_runs_again_whatever_the_threads():
    one = simulate_ssa(birth_death(), [1.0, 2.0], n=30, seed=5, threads=1)
    two = simulate_ssa(birth_death(), [1.0, 2.0], n=30, seed=5, threads=2)
    np.testing.assert_array_equal(one.runs, two.runs)
    again = simulate_ssa(birth_death(), [1.0, 2.0], seed=0, seeds=one.seeds[17:18])
    np.testing.assert_array_equal(again.runs[0], one.runs[17])
    other = simulate_ssa(birth_death(), [1.0, 2.0], n=30, seed=6)
    assert not np.array_equal(other.runs, one.runs)


def test_seeds_differ_and_do_not_depend_on_how_many():
    assert np.unique(seeds_from(1, 10_000)).size == 10_000
    np.testing.assert_array_equal(seeds_from(1, 10), seeds_from(1, 100)[:10])


def test_nothing_left_to_react_ends_the_run_quietly():
    found = simulate_ssa(birth_death(birth=0, start=5), [100.0, 1000.0], n=20, seed=1)
    assert np.all(found["A"] == 0)
    assert np.all(found.firings == 5)


AT_FIVE = Event(name="e", trigger=Op("ge", (Sym("time"), Num(5.0))), assignments=(("A", Num(100.0)),))


def test_an_event_in_time_happens_in_both_engines_at_its_instant():
    network = replace(birth_death(birth=0, start=8), events=(AT_FIVE,))
    times = [4.9, 5.0, 5.5]
    assert np.all(simulate_ssa(network, times, n=20, seed=2)["A"][:, 1] == 100)
    course = simulate_ode(network, times, relative_tolerance=1e-9, absolute_tolerance=1e-12)["A"]
    np.testing.assert_allclose(course, [8 * np.exp(-9.8), 100, 100 * np.exp(-1)], rtol=1e-6)


def test_an_event_of_a_level_is_placed_where_the_level_is_crossed():
    refill = Event(name="e", trigger=Op("lt", (Sym("A"), Num(10.0))), assignments=(("A", Num(100.0)),))
    network = replace(birth_death(birth=0, death=0.5, start=100), events=(refill,))
    times = np.linspace(0, 10, 11)
    period = np.log(10) / 0.5
    course = simulate_ode(network, times, relative_tolerance=1e-9)
    np.testing.assert_allclose(course["A"], 100 * np.exp(-0.5 * (times % period)), rtol=1e-7)
    found = simulate_ssa(network, times, n=50, seed=4)["A"]
    assert found.min() >= 10
    assert found.max() <= 100


def test_a_delayed_event_waits():
    network = replace(birth_death(birth=0, start=8), events=(replace(AT_FIVE, delay=Num(2.0)),))
    course = simulate_ode(network, [6.9, 7.0, 7.5], relative_tolerance=1e-9, absolute_tolerance=1e-12)["A"]
    np.testing.assert_allclose(course, [8 * np.exp(-13.8), 100, 100 * np.exp(-1)], rtol=1e-5)
    assert np.all(simulate_ssa(network, [6.9, 7.0], n=5, seed=1)["A"][:, 1] == 100)


def test_events_that_chase_each_other_end_in_an_error():
    up = Event(name="up", trigger=Op("lt", (Sym("A"), Num(1.0))), assignments=(("A", Num(2.0)),))
    down = Event(name="down", trigger=Op("ge", (Sym("A"), Num(1.0))), assignments=(("A", Num(0.0)),))
    network = replace(birth_death(birth=0, start=1), events=(up, replace(down, initially_true=False)))
    with pytest.raises(AnalysisError, match="without end"):
        simulate_ode(network, [1.0])


def test_what_cannot_be_exact_is_refused_by_the_stochastic_engine():
    timed = replace(birth_death(), reactions=(Reaction(name="b", products=(("A", 1.0),), rate=Sym("time")),))
    with pytest.raises(AnalysisError, match="depends on the time"):
        simulate_ssa(timed, [1.0], seed=1)
    ruled = replace(birth_death(), rate_rules=(("birth", Num(1.0)),))
    with pytest.raises(AnalysisError, match="changes continuously"):
        simulate_ssa(ruled, [1.0], seed=1)
    negative = replace(birth_death(), reactions=(Reaction(name="b", products=(("A", 1.0),), rate=Num(-1.0)),))
    with pytest.raises(AnalysisError, match="negative"):
        simulate_ssa(negative, [1.0], n=1, seed=1)


@pytest.mark.parametrize("times", [[], [1.0, 1.0], [-1.0, 2.0], [float("nan")]])
def test_times_that_make_no_sense_are_refused(times):
    with pytest.raises(AnalysisError, match="output times"):
        simulate_ode(birth_death(), times)


@pytest.mark.parametrize("end", [0.5, 2.0])
def test_an_explosion_is_an_error_and_no_number(end):
    """dA/dt = A squared from 1 is 1 / (1 - t): right before t = 1, and infinite there."""
    square = Reaction(name="b", products=(("A", 1.0),), rate=product("A", "A"))
    network = Network(name="explosion", species=(Species(name="A", initial=1.0),), reactions=(square,))
    if end < 1:
        assert simulate_ode(network, [end], relative_tolerance=1e-9)["A"][0] == pytest.approx(2.0, rel=1e-7)
        return
    with pytest.raises(AnalysisError, match=r"explosion: the solver .*('A' is|check rate laws)"):
        simulate_ode(network, [end])


def test_a_part_of_a_molecule_is_refused_by_the_stochastic_engine():
    with pytest.raises(AnalysisError, match=r"'A' starts at 2\.5, which is no count"):
        simulate_ssa(birth_death(start=2.5), [1.0], n=1, seed=1)


def test_networks_that_do_not_hold_together_are_refused():
    with pytest.raises(AnalysisError, match="defined twice"):
        Network(name="n", species=(Species(name="A"), Species(name="A")))
    with pytest.raises(AnalysisError, match="defined twice"):
        Network(name="n", species=(Species(name="A"),), reactions=(Reaction(name="A", rate=Num(1.0)),))
    with pytest.raises(AnalysisError, match="cannot be named 'time'"):
        Network(name="n", species=(Species(name="time"),))
    with pytest.raises(AnalysisError, match="neither species nor parameter"):
        Network(name="n", species=(Species(name="A"),), reactions=(Reaction(name="r", rate=Sym("B")),))
    circle = (("A", Sym("B")), ("B", Sym("A")))
    with pytest.raises(AnalysisError, match="circle"):
        simulate_ode(Network(name="n", species=(Species(name="A"), Species(name="B")), assignment_rules=circle), [1.0])
    with pytest.raises(ValueError, match="between equals"):
        mass_action("r", "k", {"A": 2}, {})
