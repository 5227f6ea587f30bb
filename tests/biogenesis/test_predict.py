"""Priors, intervals, and which parameters matter."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from vesicula.biogenesis import (
    Network,
    Parameter,
    Prior,
    Reaction,
    Species,
    at_steady_state,
    predict,
    secrete,
    secretion_network,
    secretion_rates,
    sensitivity,
)
from vesicula.biogenesis.expr import Sym, product
from vesicula.biogenesis.tables import effects, parameter_priors
from vesicula.core.errors import AnalysisError


def prior(value, low, high):
    return Prior(value=value, low=low, high=high, unit="1", source="test", sureness="L", checked="estimate")


def growth(**priors):
    """A at time 1 is the product of the parameters."""
    names = tuple(priors)
    return Network(
        name="growth",
        species=(Species(name="A"),),
        parameters=tuple(Parameter(name=n, value=p.value, prior=p) for n, p in priors.items()),
        reactions=(Reaction(name="r", products=(("A", 1.0),), rate=product(*(Sym(n) for n in names))),),
    )


def amount(course):
    return {"A": float(course["A"][-1])}


@pytest.mark.parametrize("p", [prior(2, 1, 8), prior(1, 0, 10), prior(3, 3, 3)])
def test_the_value_is_the_median_and_nothing_leaves_the_range(p):
    assert p.quantile([0, 0.5, 1]) == pytest.approx([p.low, p.value, p.high])
    drawn = p.quantile(np.linspace(0, 1, 1001))
    assert np.all(np.diff(drawn) >= 0)
    assert drawn.min() >= p.low
    assert drawn.max() <= p.high * (1 + 1e-12)


def test_a_range_that_is_not_one_is_refused():
    for bad in ((1, 2, 3), (3, 1, 2), (1, -1, 2), (1, 0, float("inf"))):
        with pytest.raises(ValueError, match="prior needs"):
            prior(*bad)


def test_every_packaged_number_names_its_source_and_its_sureness():
    for p in (*parameter_priors().values(), *(e.factor for e in effects())):
        assert len(p.source) > 3
        assert p.sureness in {"H", "M", "L"}
        assert not (p.sureness == "H" and p.checked == "memory")


def test_intervals_cover_truths_drawn_from_the_priors():
    """A 90 % interval holds 90 % of 1000 truths, within four binomial standard errors of both samples."""
    network = growth(a=prior(2, 1, 10), b=prior(5, 0, 9))
    found = predict(network, 1000, 1, times=[0.0, 1.0], quantities=amount)
    truths = predict(network, 1000, 2, times=[0.0, 1.0], quantities=amount)["A"]
    e = found.estimate("A", "1", 0.9)
    covered = np.mean((truths >= e.low) & (truths <= e.high))
    assert abs(covered - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 1000 * 2)
    assert e.value == pytest.approx(10)
    assert (e.n, e.level) == (1000, 0.9)


def test_intervals_of_secretion_cover_truths():
    """The same for the real model, 95 % and 120 truths."""
    def run(seed):
        return predict(secretion_network(["hypoxia"]), 120, seed, times=[0.0, 24.0], prepare=at_steady_state,
                       quantities=lambda c: secretion_rates(c).as_dict())  # fmt: skip

    found, truth = run(1), run(2)
    for q in ("ilv_formed", "exosomes_released", "microvesicles_shed", "mvb_released_share"):
        e = found.estimate(q, "", 0.95)
        covered = np.mean((truth[q] >= e.low) & (truth[q] <= e.high))
        assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 120 * 2)


def test_the_same_seed_gives_the_same_draws_also_beside_other_parameters():
    small, large = growth(a=prior(2, 1, 10)), growth(a=prior(2, 1, 10), b=prior(1, 0.5, 3))
    one, two = (predict(n, 20, 3, times=[0.0, 1.0], quantities=amount) for n in (small, large))
    np.testing.assert_array_equal(one.draws[:, 0], two.draws[:, 0])
    again = predict(large, 20, 3, times=[0.0, 1.0], quantities=amount)
    np.testing.assert_array_equal(two.values, again.values)
    assert two.seed == 3
    assert abs(np.corrcoef(np.log(two.draws.T))[0, 1]) < 0.9


def test_influence_ranks_the_wider_parameter_first():
    found = predict(growth(a=prior(1, 0.9, 1.1), b=prior(1, 0.1, 10)), 200, 1, times=[0.0, 1.0], quantities=amount)
    (first, high), (second, low) = found.influence("A")
    assert (first, second) == ("b", "a")
    assert high > 0.95
    assert abs(low) < 0.3
    with pytest.raises(AnalysisError, match="no prediction of 'B'"):
        found.influence("B")


def test_sobol_indices_are_the_shares_of_variance_known_in_closed_form():
    """The logarithm of a product is a sum: shares are those of the variances of the logarithms, no interaction."""
    pytest.importorskip("SALib")
    network = growth(a=prior(1, 0.5, 2), b=prior(1, 0.1, 10))
    found = sensitivity(network, 512, 1, times=[0.0, 1.0], quantity=lambda c: float(np.log(c["A"][-1])))
    share = log(2) ** 2 / (log(2) ** 2 + log(10) ** 2)  # uniform logarithms: variances go with the squared widths
    assert found.parameters == ("a", "b")
    np.testing.assert_allclose(found.total_order, [share, 1 - share], atol=0.02)
    np.testing.assert_allclose(found.first_order, [share, 1 - share], atol=0.05)
    assert found.ranked()[0][0] == "b"


def test_sensitivity_refuses_what_it_cannot_answer():
    network = growth(a=prior(1, 0.5, 2))
    with pytest.raises(AnalysisError, match="power of two"):
        sensitivity(network, 100, 1, times=[0.0, 1.0], quantity=lambda _: 1.0)
    with pytest.raises(AnalysisError, match="no prior"):
        sensitivity(network, 4, 1, times=[0.0, 1.0], quantity=lambda _: 1.0, parameters=["b"])
    pytest.importorskip("SALib")
    with pytest.raises(AnalysisError, match="does not vary"):
        sensitivity(network, 4, 1, times=[0.0, 1.0], quantity=lambda _: 1.0)


def test_predict_refuses_what_makes_no_sense():
    with pytest.raises(AnalysisError, match="2 draws"):
        predict(growth(a=prior(1, 0.5, 2)), 1, 1, times=[0.0, 1.0], quantities=amount)
    bare = Network(name="bare", species=(Species(name="A"),))
    with pytest.raises(AnalysisError, match="no parameter has a prior"):
        predict(bare, 5, 1, times=[0.0, 1.0], quantities=amount)
    with pytest.raises(AnalysisError, match="hours must be positive"):
        secrete(hours=0)


def test_a_report_compares_draw_by_draw():
    """Hypoxia leaves formation alone in every draw, and raises release in every one."""
    found = secrete(["hypoxia"], draws=60, cells=20)
    rows = {r.quantity: r for r in found.rows()}
    formed, released = rows["ilv_formed"].ratio, rows["exosomes_released"].ratio
    assert (formed.low, formed.high) == pytest.approx((1.0, 1.0), rel=1e-3)
    assert 1 < released.low < released.value < released.high < 3.01
    wide = rows["exosomes_released"].estimate
    assert wide.high / wide.low > 5 * released.high / released.low  # what both share cancels in the ratio
    data = found.to_json()
    assert len(data["cells"]["seeds"]) == 20
    assert data["quantities"][0]["quantity"] == "ilv_formed"
    assert secrete(draws=5).rows()[0].ratio is None


def test_the_printed_tables_hold_the_packaged_numbers():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "secretion.md").read_text(encoding="utf-8")
    for name, p in parameter_priors().items():
        assert f"| `{name}` | {p.value:g} ({p.low:g}-{p.high:g}) | {p.unit} |" in page
    for e in effects():
        f = e.factor
        assert f"| {e.modulator} | `{e.parameter}` | {f.value:g} ({f.low:g}-{f.high:g}) |" in page
