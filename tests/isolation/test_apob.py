"""The order in which methods carry apolipoprotein B along: predicted without fitting, against real proteomics tables.

Milk, three pools, by ExoGAG (a precipitant), ultracentrifugation, size exclusion and immunoprecipitation of CD9.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vesicula.core.population import mixed_population
from vesicula.isolation.balance import Fraction, Outcome
from vesicula.isolation.centrifuge import centrifuge, run_at
from vesicula.isolation.fluids import medium
from vesicula.isolation.immunoaffinity import immunocapture
from vesicula.isolation.precipitation import precipitate
from vesicula.isolation.protocol_text import parse_protocol
from vesicula.isolation.rotors import rotor
from vesicula.isolation.sec import column, size_exclusion

FEED = """\
vesicula_protocol: 1
feed: {volume_ml: 1, preset: %s}
target: [exosome, microvesicle]
steps: [{dilute: {to_ml: 1}}]
"""


def _apob_per_vesicle(o: Outcome) -> float:
    """Micrograms of ApoB per 1e9 vesicles in the product."""
    counts = o.product.population.by_class()
    return o.product.population.apob_ug_per_ml() / (counts["exosome"] + counts["microvesicle"]) * 1e9


def _predicted(preset: str, washes: int) -> dict[str, float]:
    read = parse_protocol(FEED % preset, name="feed")
    feed, cold = read.feed, medium(read.medium, 4.0)
    run = run_at(rotor("TLA-110"), 100_000, 70, at="r_max")
    outcomes = {
        "PEG": precipitate(feed),
        "UC": centrifuge(feed, run, liquid=cold, keep="pellet", washes=washes),
        "SEC": size_exclusion(feed, column("Sepharose CL-2B 10 mL"), keep=[9, 10, 11, 12]),
        "IP": immunocapture(feed, marker="CD9", liquid=cold),
    }
    return {name: _apob_per_vesicle(o) for name, o in outcomes.items()}


def _measured(shared: Path) -> dict[str, float]:
    """Per cent of the peptide-spectrum matches that are of ApoB, mean of the pools."""
    folder = next(shared.glob("pedrofortesgonzalez__*")) / "mass_spectrometry_data"
    found = {}
    for name, mark in (("PEG", "ExoGAG"), ("UC", "UC"), ("SEC", "SEC"), ("IP", "IP_CD9")):
        shares = []
        for path in sorted(folder.glob(f"DB search psm_*{mark}*POOL_?.csv")):
            rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
            shares.append(100 * sum("|APOB_HUMAN" in row["Accession"] for row in rows) / len(rows))
        assert len(shares) == 3, name
        found[name] = sum(shares) / 3
    return found


def test_the_tables_say_what_the_research_notes_say(shared_simulation: Path) -> None:
    measured = _measured(shared_simulation)
    assert measured["PEG"] >= measured["UC"] > 20 * measured["SEC"] > 20 * measured["IP"]


def test_the_order_is_predicted_for_serum_containing_medium(shared_simulation: Path) -> None:
    predicted = _predicted("conditioned medium with 10 % FBS", washes=0)
    measured = _measured(shared_simulation)
    assert sorted(predicted, key=predicted.__getitem__) == sorted(measured, key=measured.__getitem__)


def test_the_distance_of_uc_and_sec_is_not_predicted(shared_simulation: Path) -> None:
    # UC over SEC is above 50 in milk and below 3 here; a wash, or plasma, turns it round. The model lets LDL (22 nm)
    # into SEC's vesicle fractions by its size, and knows no lipoprotein bound to what pellets. The docs say so.
    measured = _measured(shared_simulation)
    assert measured["UC"] / measured["SEC"] > 50
    plain = _predicted("conditioned medium with 10 % FBS", washes=0)
    assert 1 < plain["UC"] / plain["SEC"] < 3
    washed = _predicted("conditioned medium with 10 % FBS", washes=1)
    assert washed["UC"] < washed["SEC"]
    plasma = _predicted("plasma", washes=0)
    assert plasma["UC"] < plasma["SEC"]


@pytest.mark.parametrize("preset", ["conditioned medium with 10 % FBS", "plasma"])
def test_the_ends_of_the_order_hold_in_every_case(preset: str) -> None:
    predicted = _predicted(preset, washes=0)
    assert max(predicted, key=predicted.__getitem__) == "PEG"
    assert predicted["IP"] < predicted["SEC"]
    assert predicted["IP"] < predicted["UC"]


def test_without_lipoproteins_there_is_no_apob() -> None:
    feed = Fraction(name="f", population=mixed_population({"exosome": 1e9, "microvesicle": 1e8}), volume_ml=1.0)
    assert _apob_per_vesicle(precipitate(feed)) == 0.0
