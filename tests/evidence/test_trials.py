"""Trials of all sources: which are of a condition or a source and why; doses as printed; doubts on their rows."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files

import pytest

from vesicula.evidence.importer import add_file
from vesicula.evidence.model import Question, Trial
from vesicula.evidence.names_held import NOT_LOOKED_UP, OPEN, held_names, names_csv, still_open
from vesicula.evidence.trials import (
    COLUMNS,
    dose_in_words,
    find_trials,
    match_trials,
    named_in,
    said,
    short_source,
    trials_csv,
    trials_json,
    trials_text,
)

PACKAGED = files("vesicula.data").joinpath("evidence")
REVIEWS, ATLAS = "review-b/table-3", "ev-atlas/fig2b-clinical-trial-doses"


def rows_of(*path):
    text = PACKAGED.joinpath(*path).read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def ids(answer):
    return [(m.trial.nct_id, m.trial.table, m.trial.position) for m in answer.trials]


def made(**cells):
    texts = dict.fromkeys(
        (
            *("nct_id", "source", "table", "title", "condition", "phase", "participants", "cell_source", "route"),
            *("country", "product", "as_of", "dose", "highest_dose", "dose_units", "number_of_doses"),
            *("dose_frequency_days", "notes", "url"),
        ),
        "",
    )
    return Trial(**{**texts, "position": 1, "revision": 1, "printed": {}, **cells})


def test_all_rows_of_the_three_sources_stand_there_with_their_doses(packaged_store):
    answer = find_trials(packaged_store)
    reviews = rows_of("trials.csv")
    atlas = rows_of("ev_atlas", "Fig2b_Clinical_Trial_Doses.csv")
    assert sorted(m.trial.nct_id for m in answer.trials) == sorted(
        [row["nct_id"] for row in reviews] + [row["NCT_Number"] for row in atlas]
    )
    assert answer.held == len(reviews) + len(atlas) == 38
    by_row = {m.trial.position: m.trial for m in answer.trials if m.trial.table == ATLAS}
    for position, row in enumerate(atlas, start=1):
        assert by_row[position].dose == row["Dose"]
        assert row["Dose"] in dose_in_words(by_row[position])


def test_rows_of_one_trial_stand_beside_each_other_and_name_each_other(packaged_store):
    answer = find_trials(packaged_store)
    order = [m.trial.nct_id for m in answer.trials]
    assert [n for i, n in enumerate(order) if i == 0 or order[i - 1] != n] == list(dict.fromkeys(order))
    (first, *others) = [m for m in answer.trials if m.trial.nct_id == "NCT03437759"]
    assert len(others) == 2
    assert first.same_trial == (f"{ATLAS}#24", f"{ATLAS}#27")


def test_a_condition_matches_the_cell_the_title_and_the_same_trial_elsewhere(packaged_store):
    found = find_trials(packaged_store, condition="COVID-19").trials
    why = {(m.trial.nct_id, m.trial.table): m.matched_by for m in found}
    assert why["NCT04276987", REVIEWS] == ("condition 'COVID-19'",)
    # Its title in the atlas says "Novel Coronavirus Pneumonia".
    assert why["NCT04276987", ATLAS] == (f"the same trial as {REVIEWS}#2",)
    assert why["NCT05125562", ATLAS] == ("title names 'covid 19'",)
    assert len(found) == 12
    titles = [row["Study_Title"] for row in rows_of("ev_atlas", "Fig2b_Clinical_Trial_Doses.csv")]
    assert len([m for m in found if m.trial.table == ATLAS]) == sum("COVID-19" in t for t in titles) + 1


def test_an_abbreviation_in_a_title_is_known_by_its_identifier(packaged_store):
    long, short = (
        find_trials(packaged_store, condition=name) for name in ("acute respiratory distress syndrome", "ARDS")
    )
    assert ids(long) == ids(short)
    assert ("NCT04493242", ATLAS, 1) in ids(long)


def test_no_trial_of_a_condition_is_an_empty_answer(packaged_store):
    answer = find_trials(packaged_store, condition="acute kidney injury")
    assert answer.trials == ()
    assert "0 rows about 0 trials, of 38 rows" in trials_text(answer)


def test_words_of_a_title_must_stand_beside_each_other():
    assert named_in("condition", "Lung injury after kidney transplantation", "kidney injury") == ""
    assert named_in("condition", "Acute Kidney Injury after surgery", "kidney injury") == "kidney injury"
    assert named_in("condition", "anything", " - ") == ""


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Bone Marrow Derived Mesenchymal Stem Cells (MSCs)", "BM-MSC"),
        ("Wharton Jelly Derived Mesenchymal Stem Cells (MSCs)", "WJ-MSC"),
        ("Umbilical Cord Derived Mesenchymal Stem Cells (UCMSC)", "UC-MSC"),
        ("Human Umbilical Chord Mesenchymal Stem cell (hucMSC)", "UC-MSC"),
        ("Cord blood MSC", "UCB-MSC"),
        ("BMSC", "BM-MSC"),
        ("BM-MSCs", "BM-MSC"),
        ("adipose derived stem cells", "AT-MSC"),
        ("Induced Pluripotent Stem Cell-Derived Mesenchymal Stem Cell (iMSC)", "iMSC"),
        ("Mesenchymal Stem Cells (MSCs)", "MSC"),
        ("human induced pluripotent stem cell (GD-iExo-003)", ""),
        ("brown adipose tissue", ""),
        ("primary bone marrow derived immature dendritic cells", ""),
        ("Human Embryonic Kidney Cells", ""),
    ],
)
def test_sources_that_are_spelled_out(printed, name):
    assert short_source(printed) == name


def test_a_cell_source_finds_its_spelled_out_forms_and_no_other(packaged_store):
    found = find_trials(packaged_store, cell_source="BM-MSC")
    assert {m.trial.nct_id for m in found.trials} == {
        row["NCT_Number"]
        for row in rows_of("ev_atlas", "Fig2b_Clinical_Trial_Doses.csv")
        if row["EV_Source"].startswith("Bone Marrow")
    }
    assert len(found.trials) == 4
    umbilical = {m.trial.nct_id for m in find_trials(packaged_store, cell_source="UC-MSC").trials}
    assert umbilical == {"NCT04213248", "NCT03562715", "NCT05787288"}


def test_both_filters_must_hold_on_the_same_trial(packaged_store):
    found = find_trials(packaged_store, condition="COVID-19", cell_source="AT-MSC")
    assert {m.trial.nct_id for m in found.trials} == {"NCT04276987"}
    review = made(nct_id="NCT1", table="a", condition="stroke", cell_source="BM-MSC")
    other = made(nct_id="NCT2", table="a", condition="stroke", cell_source="n.a.")
    kept = match_trials([review, other], condition="stroke", cell_source="BM-MSC")
    assert [m.trial.nct_id for m in kept] == ["NCT1"]
    # One row of the trial has the condition, the other the source.
    split = [made(nct_id="NCT3", table="a", condition="stroke"), made(nct_id="NCT3", table="b", cell_source="BM-MSC")]
    assert len(match_trials(split, condition="stroke", cell_source="BM-MSC")) == 2


def test_every_doubt_about_a_trial_is_on_its_row(packaged_store):
    text = trials_text(find_trials(packaged_store))
    doubts = [d for t in packaged_store.trials() for d in t.doubts]
    assert len(doubts) == 7
    for doubt in doubts:
        assert f"    {doubt.line}" in text
    rows = csv.DictReader(io.StringIO(trials_csv(find_trials(packaged_store))))
    by_csv = {(row["table"], row["row"]): row for row in rows}
    assert "Cells for an EV product" in by_csv[ATLAS, "7"]["doubts"]
    assert by_csv[ATLAS, "6"]["doubts"] == ""


def test_csv_json_and_frame_hold_the_same(packaged_store):
    answer = find_trials(packaged_store, condition="stroke")
    frame = answer.frame()
    assert tuple(frame.columns) == COLUMNS
    rows = list(csv.DictReader(io.StringIO(trials_csv(answer))))
    assert frame.to_dicts() == rows
    data = json.loads(trials_json(answer))
    assert [m["trial"]["nct_id"] for m in data["trials"]] == [row["nct_id"] for row in rows]
    assert {row["store_version"] for row in rows} == {data["version"]} == {packaged_store.version()}


@pytest.mark.parametrize("cell", ["", "n.a.", "N/A", "NS", "N/A ? N/A ?", "cannot find", "Not mentioned???"])
def test_cells_that_say_nothing(cell):
    assert not said(cell)


def test_a_dose_is_given_as_printed_and_never_made_up():
    trial = made(dose="2e8", highest_dose="NA", dose_units="particles/kg", number_of_doses="3")
    assert dose_in_words(trial) == "2e8 particles/kg, doses: 3"
    assert dose_in_words(made(highest_dose="5", dose_units="mg")) == ""


def test_names_held_are_those_of_the_claims_and_count_them(packaged_store):
    names = {(n.kind, n.text): n for n in held_names(packaged_store)}
    claims = packaged_store.query(Question()).claims
    expected = {}
    for claim in claims:
        for key in {(m.role, m.text) for m in claim.mentions}:
            expected[key] = expected.get(key, 0) + 1
    assert {key: n.claims for key, n in names.items()} == expected
    assert names["cell_source", "UC-MSC"].identifiers == ("CL:0002569",)
    assert {n.kind for n in held_names(packaged_store, kind="species")} == {"species"}
    left = still_open(names.values())
    assert {(n.kind, n.text) for n in left if n.status != NOT_LOOKED_UP} <= {
        (m.role, m.text) for m in packaged_store.unidentified()
    }
    assert left
    assert all(n.status in OPEN for n in left)
    assert all(n.note for n in left)


def test_a_replaced_claim_no_longer_counts_for_its_names(store, lab_csv):
    add_file(store, lab_csv({"cargo": "miR-9999x"}))
    assert any(n.text == "miR-9999x" for n in held_names(store, kind="cargo"))
    add_file(store, lab_csv({"cargo": "miR-21-5p"}, name="again.csv"), revise=True)
    assert not any(n.text == "miR-9999x" for n in held_names(store, kind="cargo"))
    assert "miR-21-5p" in names_csv(held_names(store, kind="cargo"))
