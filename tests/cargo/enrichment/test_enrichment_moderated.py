from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtr

from vesicula.cargo.enrichment import (
    SampleInfo,
    absent_from_one,
    benjamini_hochberg,
    build_design,
    fit_linear,
    judge_missing,
    moderated_test,
)
from vesicula.cargo.enrichment.moderated import estimate_prior
from vesicula.cargo.protein import read_protein_table
from vesicula.core.errors import AnalysisError

DATA = Path(__file__).parent / "data"


def design_of(n: int, *, donors: bool = False):
    """Two conditions of n units each, paired by donor if asked."""
    info = [
        SampleInfo(sample=f"{c}{i}", condition=c, donor=f"d{i}" if donors else "") for c in ("A", "B") for i in range(n)
    ]
    return build_design(info, test="B", reference="A")


def simulate(rng: np.random.Generator, n: int, proteins: int, *, spiked: float = 0.0, effect: float = 3.0):
    """Variances differ between proteins as Smyth's model has it: scaled inverse chi square, 4 degrees of freedom."""
    sd = np.sqrt(0.1 * 4 / rng.chisquare(4, (proteins, 1)))
    true = np.zeros(proteins)
    true[: int(spiked * proteins)] = effect * rng.choice([-1, 1], int(spiked * proteins))
    mean = rng.normal(25, 2.5, (proteins, 1))
    values = mean + sd * rng.normal(size=(proteins, 2 * n))
    values[:, n:] += true[:, None]
    return values, true


@pytest.mark.parametrize(("name", "donors"), [("plain", False), ("donor", True)])
def test_equals_a_port_of_limma(name, donors) -> None:
    values = np.loadtxt(DATA / "values.csv", delimiter=",")
    expected = np.loadtxt(DATA / f"limma_port_{name}.csv", delimiter=",", skiprows=1)
    df, variance = (float(x) for x in (DATA / f"limma_port_{name}.prior").read_text(encoding="utf-8").split())
    result = moderated_test(values, design_of(4, donors=donors))
    assert result.prior_df == pytest.approx(df, rel=1e-10)
    assert result.prior_variance == pytest.approx(variance, rel=1e-10)
    np.testing.assert_allclose(result.fit.effect, expected[:, 0], rtol=1e-10)
    np.testing.assert_allclose(result.t, expected[:, 1], rtol=1e-9)
    np.testing.assert_allclose(result.p_value, expected[:, 2], rtol=1e-9, atol=1e-11)


def test_equals_limma_on_a_published_table(shared) -> None:
    """Breast-cancer exosomes: limma's table of the authors, whose imputed values are not published.

    Where no value was missing, effects must agree. limma's own variances follow from its t and effects for all
    proteins; from these our prior must be limma's, and with it t and p of the complete proteins.
    """
    table = read_protein_table(shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv"))
    with shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv").open(encoding="utf-8") as file:
        names = [row["Protein IDs"] for row in csv.DictReader(file)]
    with shared("cargo/NguyenMauTue*/results/differential_expression_imputed.csv").open(encoding="utf-8") as file:
        theirs = {row[""]: row for row in csv.DictReader(file)}
    effect, t, p, adjusted = (
        np.array([float(theirs[n][k]) for n in names]) for k in ("logFC", "t", "P.Value", "adj.P.Val")
    )
    info = [SampleInfo(sample=s, condition=s.split("_")[1], unit=s[3:-2]) for s in table.samples]
    design = build_design(info, test="MDA", reference="MCF10")
    assert design.units == ("MCF10_1", "MCF10_2", "MCF10_3", "MDA_1", "MDA_2", "MDA_3")
    logged = table.log2_values()
    fit = fit_linear(design.average(logged, table.samples), design)
    complete = np.isfinite(logged).all(axis=1)
    assert complete.sum() == 253
    np.testing.assert_allclose(fit.effect[complete], effect[complete], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), adjusted, atol=1e-13)

    posterior = (effect / t) ** 2 / fit.unscaled_sd[complete][0] ** 2
    slope, start = np.polyfit(fit.variance[complete], posterior[complete], 1)
    prior_df = 4 / slope - 4
    variances = (posterior - start) / slope
    assert estimate_prior(variances, np.full(len(names), 4.0)) == pytest.approx(
        (prior_df, start * (prior_df + 4) / prior_df), rel=1e-10
    )
    ours = fit.effect / (fit.unscaled_sd * np.sqrt(slope * fit.variance + start))
    np.testing.assert_allclose(ours[complete], t[complete], rtol=1e-9)
    np.testing.assert_allclose(2 * stdtr(prior_df + 4, -np.abs(ours[complete])), p[complete], rtol=1e-8)


def test_benjamini_hochberg_by_hand_and_with_gaps() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.04, np.nan, 0.16 / 3, 0.16 / 3, 0.5])
    with pytest.raises(AnalysisError, match="between 0 and 1"):
        benjamini_hochberg(np.array([1.2]))


@pytest.mark.parametrize("missing", ["none", "at random", "low end"])
def test_false_discoveries_on_null_data_stay_at_the_level(missing) -> None:
    """With nothing to find, any rejection is false: the rate of tables with one is the false discovery rate."""
    rng = np.random.default_rng(1)
    tables, false, all_p = 400, 0, []
    for _ in range(tables):
        values, _ = simulate(rng, 3, 200)
        if missing == "low end":  # weak values are lost, as by a detector
            values[rng.random(values.shape) < 1 / (1 + np.exp(1.2 * (values - 23)))] = np.nan
        if missing == "at random":
            values[rng.random(values.shape) < 0.2] = np.nan
        result = moderated_test(values, design_of(3))
        p = result.p_value[np.isfinite(result.p_value)]
        all_p.append(p)
        false += bool((result.adjusted_p[np.isfinite(result.adjusted_p)] < 0.05).any())
    # 0.05 and three standard errors of a share of 400.
    assert false / tables < 0.05 + 3 * np.sqrt(0.05 * 0.95 / tables)
    pooled = np.concatenate(all_p)
    for level in (0.01, 0.05, 0.2):
        assert (pooled < level).mean() == pytest.approx(level, rel=0.1)


@pytest.mark.parametrize("donors", [False, True])
def test_false_discoveries_on_spiked_data_stay_at_the_level(donors) -> None:
    rng = np.random.default_rng(2)
    proportions, power = [], []
    for _ in range(200):
        values, true = simulate(rng, 4, 300, spiked=0.2, effect=1.5)
        if donors:
            values += np.tile(rng.normal(0, 1.5, 4), 2)[None, :]
        result = moderated_test(values, design_of(4, donors=donors))
        called = result.adjusted_p < 0.05
        proportions.append((called & (true == 0)).sum() / max(1, called.sum()))
        power.append((called & (true != 0)).sum() / (true != 0).sum())
        assert np.all(np.sign(result.fit.effect[called & (true != 0)]) == np.sign(true[called & (true != 0)]))
    error = np.std(proportions) / np.sqrt(len(proportions))
    assert np.mean(proportions) < 0.05 + 3 * error
    assert np.mean(power) > 0.6


def test_a_donor_block_finds_what_the_donors_hide() -> None:
    rng = np.random.default_rng(3)
    values, true = simulate(rng, 5, 300, spiked=0.2, effect=1.0)
    values += np.tile(rng.normal(0, 2.0, (300, 5)), 2)  # every protein differs between donors in its own way
    blocked = moderated_test(values, design_of(5, donors=True)).adjusted_p < 0.05
    plain = moderated_test(values, design_of(5)).adjusted_p < 0.05
    assert (blocked & (true != 0)).sum() > 5 * (plain & (true != 0)).sum() + 10


def test_moderation_beats_no_moderation_and_intervals_cover() -> None:
    rng = np.random.default_rng(4)
    values, true = simulate(rng, 3, 4000, spiked=0.5, effect=1.0)
    result = moderated_test(values, design_of(3))
    assert result.prior_df == pytest.approx(4, rel=0.25)
    assert result.prior_variance == pytest.approx(0.1, rel=0.1)
    assert np.mean((result.low <= true) & (true <= result.high)) == pytest.approx(0.95, abs=0.012)


def test_equal_variances_give_an_infinite_prior() -> None:
    rng = np.random.default_rng(5)
    infinite = sum(
        np.isinf(moderated_test(rng.normal(20, 1, (50, 8)), design_of(4)).prior_df) for _ in range(40)
    )  # fmt: skip
    assert infinite > 8


def test_missing_at_the_low_end_is_told_from_missing_at_random() -> None:
    rng = np.random.default_rng(6)
    design = design_of(4)
    values, _ = simulate(rng, 4, 800)
    low, random = values.copy(), values.copy()
    low[rng.random(values.shape) < 1 / (1 + np.exp(2 * (values - 23)))] = np.nan
    random[rng.random(values.shape) < 0.2] = np.nan
    both = low.copy()
    both[rng.random(values.shape) < 0.15] = np.nan
    assert judge_missing(values, design).mechanism == "none"
    assert judge_missing(low, design).mechanism == "not at random"
    assert judge_missing(random, design).mechanism == "at random"
    assert judge_missing(both, design).mechanism == "mixed"
    assert judge_missing(low, design).slope < -1


def test_a_table_whose_gaps_were_filled_is_said_and_absence_is_not_judged() -> None:
    values, _ = simulate(np.random.default_rng(10), 4, 400)
    values[:60, 4:] = np.nan
    design = design_of(4)
    missing = judge_missing(values, design)
    assert missing.mechanism == "filled"
    absence = absent_from_one(values, design, missing)
    assert absence.only_in == ("A",) * 60
    assert np.all(absence.p_value == 1)


def test_random_gaps_are_called_at_random_nearly_always() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(100):
        values, _ = simulate(rng, 4, 300)
        values[rng.random(values.shape) < 0.25] = np.nan
        wrong += judge_missing(values, design_of(4)).mechanism != "at random"
    assert wrong <= 9  # a one-sided test at 2.5 %: 9 of 100 lies beyond three standard errors


@pytest.mark.parametrize("midpoint", [22.0, 24.0])
def test_absence_from_a_condition_keeps_the_level_and_finds_what_was_switched_off(midpoint) -> None:
    rng = np.random.default_rng(8)
    design = design_of(4)
    null, proportions, found = 0, [], []
    for _ in range(200):
        values, _ = simulate(rng, 4, 300)
        off = values.copy()
        off[:30, 4:] = np.nan  # switched off in B; strong or weak in A as it happens
        for data, count in ((values, True), (off, False)):
            lost = data.copy()
            lost[rng.random(data.shape) < 1 / (1 + np.exp(1.5 * (values - midpoint)))] = np.nan
            result = absent_from_one(lost, design, judge_missing(lost, design))
            called = result.rows[result.adjusted_p < 0.05]
            if count:
                null += called.size > 0
            else:
                proportions.append((called >= 30).sum() / max(1, called.size))
                found.append((called < 30).sum() / 30)
    assert null / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(proportions) < 0.05
    assert np.mean(found) > 0.3


def test_runs_of_one_unit_are_averaged_and_do_not_count_as_replicates() -> None:
    info = [SampleInfo(sample=f"{u}{r}", condition=u[0], unit=u) for u in ("A1", "A2", "B1", "B2") for r in "xy"]
    design = build_design(info, test="B", reference="A")
    values = np.array([[1.0, 3.0, np.nan, 5.0, 1.0, 1.0, np.nan, np.nan]])
    np.testing.assert_array_equal(design.average(values, [i.sample for i in info]), [[2, 5, 1, np.nan]])
    with pytest.raises(AnalysisError, match="'B' has 1 biological sample; at least two"):
        build_design([i for i in info if i.unit != "B2"], test="B", reference="A")
    with pytest.raises(AnalysisError, match="the runs of 'A1' differ"):
        build_design([*info, SampleInfo(sample="z", condition="B", unit="A1")], test="B", reference="A")


def test_designs_that_cannot_answer_say_why() -> None:
    nested = [SampleInfo(sample=f"{c}{i}", condition=c, batch=c) for c in "AB" for i in range(3)]
    with pytest.raises(AnalysisError, match="batch cannot be told apart from the condition"):
        build_design(nested, test="B", reference="A")
    full = [SampleInfo(sample=f"{c}{i}", condition=c, donor=str(i)) for c in "AB" for i in range(2)]
    more = [SampleInfo(sample="A9", condition="A", donor="9", batch="x"), *full]
    assert build_design(full, test="B", reference="A").blocks == ("donor",)
    with pytest.raises(AnalysisError, match="cannot be told apart"):
        build_design(more, test="B", reference="A")
    with pytest.raises(AnalysisError, match="copies of each other"):
        moderated_test(np.tile(np.arange(10.0)[:, None], (1, 6)), design_of(3))
    with pytest.raises(AnalysisError, match="only 2 proteins"):
        moderated_test(np.random.default_rng(0).normal(size=(2, 6)), design_of(3))
    with pytest.raises(AnalysisError, match="do not fit 6 units"):
        fit_linear(np.zeros((3, 5)), design_of(3))
