"""Draws of what is not known: against formulae, against the model itself, and the bias of picking the best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vesicula.isolation.ensemble import ensemble
from vesicula.isolation.filtration import ultrafilter
from vesicula.isolation.priors import method_priors
from vesicula.planner import search as searching
from vesicula.planner.draws import FLUX, draw_plan
from vesicula.planner.lab import Lab
from vesicula.planner.plan import Coarse, FeedSpec, Likely, Request, likelihood, run_exact
from vesicula.planner.search import Candidate, PlanSearch, Settings, assess
from vesicula.planner.target import Numbers, Target

TFF = [{"label": "tff", "tff": {"cutoff_kda": 500, "concentrate_to_ml": 10}}]
BEADS = [*TFF, {"label": "beads", "immunoaffinity": {"marker": "CD81", "beads_per_ml": 1e6, "hours": 1}}]
PEG = [{"label": "peg", "precipitation": {"percent": 3, "resuspend_ml": 5}}]
CUSHION = [
    *TFF,
    {"label": "cushion", "gradient": {
        "rotor": "SW 32 Ti", "rpm": 30000, "hours": 2, "solute": "sucrose", "fractions": 12, "keep": [11, 12, "pellet"],
        "layers": [{"percent": 30, "volume_ml": 4}]}},
]  # fmt: skip


@pytest.fixture(scope="module")
def request_own() -> Request:
    """A feed whose numbers are the user's own: with them known, little but the method is drawn."""
    return Request(
        feed=FeedSpec(volume_ml=100.0, particles={"exosome": 1e9, "protein": 1e12}, medium="PBS"),
        classes=("exosome",),
        target=Target(yield_share=0.75, purity=1e-6, hours=100.0),
        lab=Lab(),
    )


def _all_but(request: Request, steps, *names: str) -> list[str]:
    drawn = [p.name for p in ensemble(Coarse(request).protocol(steps), draws=1).priors]
    return [name for name in (*drawn, FLUX.name, "pellet_loss") if name not in names]


def _drawn(request: Request, steps, draws: int, **given):
    protocol = Coarse(request, draws=True).protocol(steps)
    return draw_plan(protocol, protocol.run(), purity_as=request.target.purity_as, draws=draws, seed=8, **given)


def test_probability_of_a_single_step_is_the_analytic_one(request_own: Request):
    # A TFF's yield is held x (1 - adsorbed): the target is met where adsorbed is below a known value.
    prior = method_priors()["tff_adsorbed"]
    fixed = _all_but(request_own, TFF, prior.name)
    got = likelihood(request_own, TFF, draws=4000, seed=8, fixed=fixed)
    feed = Coarse(request_own).feed
    lossless = ultrafilter(feed, cutoff_kda=500, concentrate_to_ml=10, tangential=True, adsorbed=0.0)
    held = lossless.product.population.by_class()["exosome"] * 10 / (feed.population.by_class()["exosome"] * 100)
    most = 1 - 0.75 / held
    a, b, c = prior.low, prior.value, prior.high
    assert b < most < c
    exact = 1 - (c - most) ** 2 / ((c - a) * (c - b))
    assert got.probability == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))
    assert got.intervals["yield"][1] == pytest.approx(held * (1 - prior.quantile(0.5)), rel=0.01)


def test_hours_follow_the_flux_alone(request_own: Request):
    # 90 mL through 50 cm2 at 40 L/(m2 h): 0.45 h, in the inverse proportion of the flux.
    hours = _drawn(request_own, TFF, 4000).hours
    assert hours.min() >= 0.45 * 40 / FLUX.high
    assert hours.max() <= 0.45 * 40 / FLUX.low
    assert np.median(hours) == pytest.approx(0.45 * 40 / FLUX.quantile(np.array(0.5)), rel=0.02)
    stated = [{"tff": {**TFF[0]["tff"], "flux_l_per_m2_h": 20.0}}]
    assert _drawn(request_own, stated, 50).hours == pytest.approx(np.full(50, 0.9), rel=1e-12)


@pytest.mark.parametrize("measure", ["protein-share", "counted-share", "number-share", "per-ug"])
def test_without_anything_drawn_a_plan_gives_what_it_gives_by_default(request_own: Request, measure):
    request = replace(request_own, target=replace(request_own.target, purity_as=measure, purity=1e-6))
    for steps in (TFF, PEG, BEADS):
        kept = _all_but(request, steps)
        got = _drawn(request, steps, 2, fixed=kept)
        exact, _ = run_exact(request, steps)
        assert got.yield_share == pytest.approx(np.full(2, exact.yield_share), rel=0.02)
        assert got.purity == pytest.approx(np.full(2, exact.purity), rel=0.05)
        assert got.hours == pytest.approx(np.full(2, exact.hours), rel=1e-9)


@pytest.mark.parametrize(
    ("steps", "names"),
    [(PEG, ("peg_log10_s0", "peg_beta_per_nm")), (BEADS, ("ia_sticking", "ia_kd_nm", "viscosity_factor")),
     (TFF, ("pore_factor", "pore_gsd"))],
)  # fmt: skip
def test_constants_that_no_protocol_sets_are_drawn(request_own: Request, steps, names):
    known = _drawn(request_own, steps, 200, fixed=_all_but(request_own, steps))
    drawn = _drawn(request_own, steps, 200, fixed=_all_but(request_own, steps, *names))
    for a, b in ((known.yield_share, drawn.yield_share), (known.purity, drawn.purity)):
        assert np.ptp(a) <= 1e-9 * a[0]
        assert np.ptp(b) > 1e-6 * b[0]
    assert max(np.std(np.log(drawn.yield_share)), np.std(np.log(drawn.purity))) > 0.05


def test_a_gradient_loses_a_drawn_share_of_its_pellet(request_own: Request):
    # Against the model itself, run at the loss of each draw.
    prior = method_priors()["pellet_loss"]
    fixed = _all_but(request_own, CUSHION, prior.name)
    got = likelihood(request_own, CUSHION, draws=2000, seed=8, fixed=fixed).intervals["yield"]
    for k, p in enumerate((0.95, 0.5, 0.05)):
        stated = {**CUSHION[1]["gradient"], "pellet_loss": float(prior.quantile(np.array(p)))}
        numbers = Coarse(request_own, draws=True).run([*TFF, {"gradient": stated}])
        assert got[k] == pytest.approx(numbers.yield_share, rel=0.02)
    assert got[2] - got[0] > 0.05


def test_what_a_step_states_is_not_drawn(request_own: Request):
    steps = [{"tff": {**TFF[0]["tff"], "adsorbed": 0.3}}]
    fixed = _all_but(request_own, TFF, "tff_adsorbed")
    assert np.ptp(_drawn(request_own, steps, 20, fixed=fixed).yield_share) < 1e-12
    assert np.ptp(_drawn(request_own, TFF, 20, fixed=fixed).yield_share) > 0.05


def test_stated_probability_is_met_by_fresh_truths(small_request: Request, small_search: PlanSearch):
    tested = 0
    for plan in small_search.plans:
        truth = likelihood(small_request, plan.steps, draws=4000, seed=77)
        error = np.hypot(plan.likely.standard_error, truth.standard_error)
        assert abs(plan.likely.probability - truth.probability) < 3 * error
        tested += 0.02 < truth.probability < 0.98
    assert tested >= 2  # of the plans, these are neither sure nor hopeless


def _alike() -> list[list[dict]]:
    """Eight protocols of one probability whose draws are independent: a TFF among steps that lose nothing."""
    tff = TFF[0]
    pass_on = {"filter": {"pore_nm": 100_000, "adsorbed": 0}}
    hold = {"uf": {"cutoff_kda": 3, "concentrate_to_ml": 10, "adsorbed": 0}}
    spin = {"centrifuge": {"rotor": "Type 45 Ti", "rpm": 1, "minutes": 0.01, "keep": "supernatant", "residual": 0}}
    found = [[tff], [pass_on, tff], [tff, pass_on], [tff, hold], [pass_on, tff, hold], [tff, pass_on, hold],
             [spin, tff], [tff, hold, pass_on, spin]]  # fmt: skip
    return [[{**step, "label": f"{n}.{k}"} for k, step in enumerate(steps)] for n, steps in enumerate(found)]


def test_the_probability_of_the_best_of_many_is_not_flattered(request_own: Request):
    asked = replace(request_own, target=replace(request_own.target, yield_share=0.83))
    candidates = [
        Candidate(structure=("tff",), steps=steps, numbers=Coarse(asked).run(steps)) for steps in _alike()
    ]
    truth = [likelihood(asked, c.steps, draws=3000, seed=99).probability for c in candidates]
    assert all(0.4 < p < 0.6 for p in truth)
    best = [assess(candidates, asked, Settings(draws=200, shown=1, seed=seed))[0] for seed in range(6)]
    true = np.array([truth[[c.steps for c in candidates].index(p.steps)] for p in best])
    error = np.sqrt(np.mean(true * (1 - true)) / 200 / len(best))
    assert abs(np.mean([p.likely.probability for p in best] - true)) < 3 * error
    # By the draws that it was chosen with, the best of eight would be said to be better by far more than that.
    assert np.mean([p.chance for p in best] - true) > 0.1 > 5 * error


def test_fresh_draws_are_not_those_of_the_screening(request_own: Request, monkeypatch: pytest.MonkeyPatch):
    seeds: dict[int, int] = {}

    def noted(request, steps, *, draws, seed, **given) -> Likely:
        seeds[draws] = seed
        return likelihood(request, steps, draws=draws, seed=seed, **given)

    monkeypatch.setattr(searching, "likelihood", noted)
    numbers = Numbers(yield_share=0.8, purity=0.1, hours=1.0, g_hours=0.0)
    assess([Candidate(structure=("tff",), steps=TFF, numbers=numbers)], request_own, Settings(draws=300, shown=1))
    assert set(seeds) == {30, 300}
    assert seeds[30] != seeds[300]
