"""Molecules per particle: numbers, intervals at their nominal rate, the table of samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.smallrna.per_vesicle import CHEVILLET_MEAN, VesicleInput, per_vesicle, read_inputs
from vesicula.core.errors import UnreadableFile

SPIKE = "cel-miR-39-3p"


def given(**changed: object) -> VesicleInput:
    values: dict[str, object] = {"sample": "a", "particles": 1e9, "spike_copies": {SPIKE: 1e6}, **changed}
    return VesicleInput(**values)  # type: ignore[arg-type]


def test_the_number_is_the_rule_of_three() -> None:
    found = per_vesicle({"hsa-let-7a-5p": 8250.0, "hsa-miR-21-5p": 100.0, "hsa-miR-1-3p": 0.0}, {SPIKE: 1000}, given())
    assert found.table["mirna"].to_list() == ["hsa-let-7a-5p", "hsa-miR-21-5p"]
    # 1,000 reads of 1e6 copies: 1,000 copies a read; 8,250 reads in 1e9 particles.
    assert found.table["molecules_per_particle"][0] == pytest.approx(8250 * 1000 / 1e9)
    assert found.table["molecules_per_particle"][0] == pytest.approx(CHEVILLET_MEAN)
    assert found.total == pytest.approx(8350 * 1000 / 1e9)
    for low, value, high in found.table.select("low", "molecules_per_particle", "high").iter_rows():
        assert low < value < high


@pytest.mark.parametrize(("mean", "spikes", "cv"), [(4.0, 30.0, 0.0), (40.0, 400.0, 0.25), (2000.0, 60.0, 0.1)])
def test_intervals_cover_the_truth_at_their_rate(mean: float, spikes: float, cv: float) -> None:
    rng = np.random.default_rng(int(mean))
    sigma = np.sqrt(np.log1p(cv**2))
    trials, inside, below = 800, 0, 0
    truth = mean / spikes * 1e6 / 1e9
    for _ in range(trials):
        count = float(rng.poisson(mean))
        seen = {SPIKE: int(max(rng.poisson(spikes), 1))}
        measured = 1e9 * float(rng.lognormal(0.0, sigma))
        found = per_vesicle({"m": max(count, 0.5)}, seen, given(particles=measured, particles_cv=cv))
        low, high = found.table.row(0)[3:5]
        inside += low <= truth <= high
        below += high < truth
    # 95 % of 800: the standard error is 0.8 %; Jeffreys' intervals waver by a point or two where counts are small.
    assert 0.93 <= inside / trials <= 0.975
    assert 0.005 <= below / trials <= 0.05


def test_the_particle_count_widens_the_interval() -> None:
    counts = {"m": 10_000.0}
    sharp = per_vesicle(counts, {SPIKE: 10_000}, given())
    wide = per_vesicle(counts, {SPIKE: 10_000}, given(particles_cv=0.3, spike_copies_cv=0.1))
    (low, high), (lower, higher) = (f.table.row(0)[3:5] for f in (sharp, wide))
    assert high / low == pytest.approx(np.exp(2 * 1.96 * np.sqrt(2e-4)), rel=0.02)
    expected = np.sqrt(np.log1p(0.09) + np.log1p(0.01) + 2e-4)
    assert higher / lower == pytest.approx(np.exp(2 * 1.96 * expected), rel=0.06)
    assert any("no uncertainty" in text for text in sharp.messages)
    assert not any("no uncertainty" in text for text in wide.messages)


def test_copies_by_pcr_carry_no_information() -> None:
    plain = per_vesicle({"m": 40.0}, {SPIKE: 100}, given())
    copied = per_vesicle({"m": 400.0}, {SPIKE: 1000}, given(), reads_per_molecule=10.0)
    assert copied.table["molecules_per_particle"][0] == pytest.approx(plain.table["molecules_per_particle"][0])
    assert copied.table.row(0)[3:] == pytest.approx(plain.table.row(0)[3:], rel=1e-9)


def test_a_lost_spike_in_gives_no_number() -> None:
    found = per_vesicle({"m": 40.0}, {"ath-miR159a": 7}, given())
    assert found.table.height == 0
    assert found.total is None
    assert "no read of cel-miR-39-3p" in found.messages[0]


def test_spike_ins_that_disagree_say_so() -> None:
    two = given(spike_copies={SPIKE: 1e6, "cel-miR-54-3p": 2e6})
    found = per_vesicle({"m": 40.0}, {SPIKE: 3000, "cel-miR-54-3p": 600}, two)
    assert any("10.0-fold" in text for text in found.messages)
    assert found.table["molecules_per_particle"][0] == pytest.approx(40 * 3e6 / 3600 / 1e9)


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_the_table_of_samples(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "s.tsv"
    rows = [
        ("Sample", "particles", "spike_in", "spike_copies", "particles_cv_percent", "note"),
        ("a", "2e9", SPIKE, "1e6", "20", "x"), ("a", "2e9", "cel-miR-54-3p", "5e5", "20", ""), (),
        ("b", "1.5e8", SPIKE, "1e6", "", ""),
    ]  # fmt: skip
    path.write_text("\ufeff" + "\r\n".join(separator.join(row) for row in rows), encoding="utf-8")
    first, second = read_inputs(path)
    assert first == VesicleInput(
        sample="a", particles=2e9, spike_copies={SPIKE: 1e6, "cel-miR-54-3p": 5e5}, particles_cv=0.2
    )
    assert (second.sample, second.particles, second.particles_cv) == ("b", 1.5e8, 0.0)


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("", "line 1", "no sample, particles"),
        ("sample\tparticles\tspike_in\n", "line 1", "no spike_copies"),
        ("sample\tparticles\tspike_in\tspike_copies\n", "line 2", "a row for each sample"),
        ("sample\tparticles\tspike_in\tspike_copies\na\t2,000\ts\t1\n", "line 2, column particles", "2,000"),
        ("sample\tparticles\tspike_in\tspike_copies\na\t-5\ts\t1\n", "line 2, column particles", "-5"),
        ("sample\tparticles\tspike_in\tspike_copies\na\tinf\ts\t1\n", "line 2, column particles", "inf"),
        ("sample\tparticles\tspike_in\tspike_copies\na\t1e9\t\t1\n", "line 2", "a sample and a spike-in"),
        ("sample\tparticles\tspike_in\tspike_copies\na\t1e9\ts\t1\na\t1e9\ts\t1\n", "line 3", "s again"),
        ("sample\tparticles\tspike_in\tspike_copies\na\t1e9\ts\t1\na\t2e9\tt\t1\n", "line 3", "the same particles"),
    ],
)
def test_a_wrong_table_is_one_error(tmp_path: Path, text: str, place: str, word: str) -> None:
    path = tmp_path / "s.tsv"
    path.write_text(text)
    with pytest.raises(UnreadableFile) as error:
        read_inputs(path)
    assert error.value.where == place
    assert word in str(error.value)
