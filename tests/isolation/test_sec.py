"""Size exclusion against Boeing 2014 and Ter-Ovanesyan 2023 (published_points.tsv of the shared data)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.population import mixed_population
from vesicula.isolation.balance import Fraction, Outcome
from vesicula.isolation.sec import column, parse_columns, size_exclusion

CL2B = "Sepharose CL-2B 10 mL"


def _points(shared: Path) -> dict[str, tuple[float, float]]:
    text = (shared / "_transcribed" / "published_points.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    with_sd = [r for r in rows if r["quantity"].startswith("SEC ") and r["sd_or_range"].replace(".", "").isdigit()]
    return {r["quantity"]: (float(r["value"]), float(r["sd_or_range"])) for r in with_sd}


@pytest.fixture(scope="module")
def boeing() -> Outcome:
    # Platelet vesicles seen by flow cytometry: the microvesicle class. 1.5 mL load, fractions of 0.5 mL.
    feed = mixed_population({"microvesicle": 1e9, "exosome": 1e10, "HDL": 1e15, "protein": 1e17}, n_densities=1)
    return size_exclusion(Fraction(name="feed", population=feed, volume_ml=1.5), column(CL2B), keep=[9, 10, 11, 12])


def _share(o: Outcome, name: str, first: int, last: int, *, by_mass: bool = False, above_nm: float = 0.0) -> float:
    """Per cent of what elutes that is in some fractions."""
    names = (name,) if name != "particles" else ("microvesicle", "exosome")
    rows = [o.feed.population.names.index(n) for n in names]
    weight = o.feed.population.diameter_nm ** (3 if by_mass else 0) * (o.feed.population.diameter_nm > above_nm)
    amounts = {f.name: float((f.totals()[rows].sum(axis=(0, 1)) * weight).sum()) for f in o.fractions}
    eluted = sum(v for n, v in amounts.items() if n != "kept by the column")
    return 100 * sum(amounts[f"fraction {n}"] for n in range(first, last + 1)) / eluted


def test_boeing_s_shares_are_met_within_their_sd(shared_simulation: Path, boeing: Outcome) -> None:
    # The column is calibrated on these five; they show that one physical column can meet them together.
    points = _points(shared_simulation)
    ours = {
        "SEC share platelet EV in fractions 9-12": _share(boeing, "microvesicle", 9, 12),
        "SEC share particles >70 nm in fractions 9-12": _share(boeing, "particles", 9, 12, above_nm=70),
        "SEC share protein in fractions 9-12": _share(boeing, "protein", 9, 12, by_mass=True),
        "SEC share HDL in fractions 18-20": _share(boeing, "HDL", 18, 20),
        "SEC share protein in fractions 19-21": _share(boeing, "protein", 19, 21, by_mass=True),
    }
    for name, value in ours.items():
        expected, sd = points[name]
        assert value == pytest.approx(expected, abs=sd), name


def test_boeing_s_recovery(shared_simulation: Path, boeing: Outcome) -> None:
    recovered = 100 * boeing.product.totals()[0].sum() / boeing.feed.totals()[0].sum()
    expected, sd = _points(shared_simulation)["SEC recovery platelet EV"]
    assert recovered == pytest.approx(expected, abs=sd)
    assert recovered == pytest.approx(expected, abs=1.0)  # calibrated to the mean


def test_boeing_s_early_hdl_is_not_met_and_why(shared_simulation: Path, boeing: Outcome) -> None:
    # 4.8 +/- 1 % of HDL in fractions 9-12, but 0.65 % of protein that is hardly smaller: a column that separates by
    # size alone cannot give both. What the model may miss (bound HDL, or the assay) is stated in the docs.
    expected, sd = _points(shared_simulation)["SEC share HDL in fractions 9-12"]
    ours = _share(boeing, "HDL", 9, 12)
    assert ours < expected - 3 * sd
    assert ours == pytest.approx(1.1, abs=0.3)


def test_ter_ovanesyan_s_cl6b_is_just_missed_by_boeing_s_recovery() -> None:
    # > 50 % in fractions 7-10 of a 10 mL CL-6B column (Ter-Ovanesyan 2023). Boeing's void width and recovery (0.7) give
    # less: both cannot be met by one set of defaults.
    feed = Fraction(name="feed", population=mixed_population({"exosome": 1e9}), volume_ml=0.5)
    o = size_exclusion(feed, column("Sepharose CL-6B 10 mL"), keep=[7, 8, 9, 10])
    recovered = o.product.totals().sum() / feed.totals().sum()
    assert 0.40 < recovered < 0.50
    assert recovered / column("Sepharose CL-6B 10 mL").recovery > 0.5  # without adsorption it is met


def test_partition_of_a_single_pore_is_the_textbook_s() -> None:
    c = parse_columns(_ONE, name="x.yaml")["one"]
    d = np.array([0.001, 25.0, 50.0, 100.0, 300.0])
    assert c.partition(d) == pytest.approx([1.0, 0.5625, 0.25, 0.0, 0.0], abs=2e-3)


def test_elution_order_is_that_of_size() -> None:
    mean, sd = column(CL2B).elution_ml(np.geomspace(4, 500, 50), 1.0)
    assert np.all(np.diff(mean) <= 1e-12)
    assert np.all(sd > 0)


def test_a_large_feed_takes_several_runs() -> None:
    population = mixed_population({"exosome": 1e9})
    o = size_exclusion(Fraction(name="f", population=population, volume_ml=4.0), column(CL2B), keep=[10])
    assert o.facts["column_runs"] == 3
    assert o.fraction("fraction 10").volume_ml == pytest.approx(1.5)
    assert o.balance_error() < 1e-12


def test_bad_input(boeing: Outcome) -> None:
    with pytest.raises(AnalysisError, match="unknown column 'qEV'"):
        column("qEV")
    with pytest.raises(AnalysisError, match="30 are collected"):
        size_exclusion(boeing.feed, column(CL2B), keep=[31])
    with pytest.raises(AnalysisError, match="gives no 'fraction 99'"):
        boeing.fraction("fraction 99")
    with pytest.raises(UnreadableFile, match=r"x\.yaml: line 6, one\.pore_median_nm: expected a number greater than 0"):
        parse_columns(_ONE.replace("pore_median_nm: 100", "pore_median_nm: -1"), name="x.yaml")
    with pytest.raises(AnalysisError, match="void_ml \\+ pore_ml <= bed_ml"):
        parse_columns(_ONE.replace("pore_ml: 5", "pore_ml: 50"), name="x.yaml")


_ONE = """\
one:
  bed_ml: 10
  load_ml: 1
  void_ml: 4
  pore_ml: 5
  pore_median_nm: 100
  pore_gsd: 1.0001
  plates_void: 100
  plates_pore: 50
  recovery: 1
"""
