"""One question, one answer: claims, both sides, distinct references, gaps, in words that their records carry."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from vesicula.evidence.errors import StoreError
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import CLAIM_COLUMNS, Question, Reference
from vesicula.evidence.store import open_store
from vesicula.mechanism.graph import load_graph
from vesicula.mechanism.overview import DOSE_TABLES, SUBJECTS, cargo_of, nearest, overview
from vesicula.mechanism.overview_text import claims_frame, overview_json, overview_text, tallies_frame
from vesicula.mechanism.overview_words import reference_key

CASES = [
    ("condition", "acute kidney injury"),
    ("condition", "COVID-19"),
    ("tumour", "glioblastoma"),
    ("tumour", "breast cancer"),
    ("molecule", "miR-222"),
    ("molecule", "miR-21"),
    ("cell_source", "AT-MSC"),
    ("cell_source", "iMSC"),
]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    path = tmp_path_factory.mktemp("overview") / "evidence.sqlite"
    open_store(path).close()
    return str(path)


@pytest.fixture
def store(where):
    with open_store(where) as opened:
        yield opened


def said(found, topic):
    return " ".join(s.text for s in found.statements if s.topic == topic)


def ids(found):
    return {claim.record_id for claim in found.claims}


def reference(citation, number="1", source="review-a", first_author="Arslan", year="2013", doi=""):
    return Reference(
        source=source,
        number=number,
        first_author=first_author,
        year=year,
        citation=citation,
        number_inferred=False,
        doi=doi,
    )


def test_acute_kidney_injury(store):
    found = overview(store, "condition", "acute kidney injury")
    assert ids(found) == {"A-T3-03", "A-T4-03", "B-T1-19", "B-T1-20", "B-T1-21", "B-T1-22", "B-X-18"}
    verdict = found.statements[0]
    assert verdict.topic == "verdict"
    assert verdict.text.startswith("Acute kidney injury: 7 claims from 7 distinct references: 5 in animals, ")
    assert "2 in animals and cells, none in people." in verdict.text
    assert "7 for the patient (7 beneficial); 0 against the patient; 0 on neither side" in verdict.text
    assert "renal ischaemia-reperfusion injury" in said(found, "names")
    assert "reported in 3 of 7 claims, not in 4" in said(found, "isolation")
    assert "100000 g in 3" in said(found, "isolation")
    assert "reference 106 is about miR-21" in said(found, "doubt")
    assert "no dose" in said(found, "dose")
    assert found.doses == ()
    assert said(found, "trials") == "No trial of this condition is in the store."
    assert "the store has no claim. That is not evidence of safety" in said(found, "tumour")
    assert "any claim from people; the isolation in 4 of 7" in said(found, "gap")
    assert found.balance is None


def test_glioblastoma_shows_both_sides_of_one_study(store):
    found = overview(store, "tumour", "glioblastoma")
    assert ids(found) == {"B-T2-08", "B-T2-11"}
    verdict = found.statements[0].text
    assert "2 claims from 1 distinct reference" in verdict
    assert "1 for the patient (1 tumour-inhibiting); 1 against the patient (1 tumour-promoting)" in verdict
    conflict = said(found, "conflict")
    assert "promotion by AT-MSC (B-T2-08); inhibition by UC-MSC; BM-MSC (B-T2-11)" in conflict
    assert "They conflict from one cell source to another" in conflict
    assert "Not independent of each other: B-T2-08, B-T2-11 cite" in said(found, "independence")
    # The same, asked for as a condition.
    assert overview(store, "condition", "glioblastoma").balance == found.balance


def test_mir_222_reads_its_inhibitor_as_the_opposite(store):
    found = overview(store, "molecule", "miR-222")
    assert ids(found) == {"B-T2-02", "B-T2-09", "B-T2-21", "B-X-13"}
    assert "Not miR-222 itself, but its opposite, was given in B-X-13, its inhibitor" in found.statements[0].text
    assert "from 3 distinct references" in found.statements[0].text
    assert "acted on in 1 claim (B-X-13)" in said(found, "role")
    tumour = said(found, "tumour")
    assert "3 to promotion (B-T2-02 in vitro; B-X-13 in vivo; B-T2-09 in vitro), 1 to inhibition (B-T2-21" in tumour
    assert "inhibition in acute myeloid leukaemia (B-T2-21)" in said(found, "conflict")


def test_mir_21_names_the_doubtful_row_without_counting_it(store):
    found = overview(store, "molecule", "miR-21")
    assert ids(found) == {"A-T4-05", "B-T1-28", "B-X-08"}
    (named,) = [s for s in found.statements if s.topic == "doubt" and s.records == ("B-T1-20",)]
    assert "not counted above" in named.text
    assert any(d.row == "B-T1-20" for d in found.doubts)
    conflict = said(found, "conflict")
    for words in ("Sjogren's syndrome", "lung ischaemia-reperfusion injury", "tumour-promoting in breast cancer"):
        assert words in conflict
    assert "1 to promotion (B-X-08 in vitro), 0 to inhibition" in said(found, "tumour")


def test_a_cell_source_has_its_trials_and_doses(store):
    found = overview(store, "cell_source", "UC-MSC")
    assert {t.nct_id for t in found.trials} == {"NCT04213248", "NCT03562715", "NCT05787288"}
    assert tuple(m.trial for m in found.trial_matches) == found.trials
    assert "a dose is given for 1 of 3" in said(found, "trials")
    assert "DOUBT (route)" in said(found, "trial")
    cells = {(r.table, r.position) for r in found.doses}
    assert ("ev-atlas/fig4c-msc-biodistribution", 10) in cells
    assert "20600000000 particles / mL" in said(found, "dose")
    assert "rise by one in their last digits" in said(found, "dose")
    assert all(c.mentions for c in found.claims)


def test_doses_of_other_cells_and_conditions_are_not_attached(store):
    (row,) = overview(store, "molecule", "BDNF").doses
    assert row.printed["Target_Protein"].startswith("BDNF")
    found = overview(store, "condition", "acute lung injury")
    assert {r.printed["diease model"] for r in found.doses} == {"Acute lung injury"}
    # One of the two is of another cell, and says so.
    assert "HEK; Acute lung injury" in said(found, "dose")
    assert overview(store, "cell_source", "GC-MSC").doses == ()


@pytest.mark.parametrize(("subject", "name"), CASES)
def test_tallies_count_every_claim_of_every_facet(store, subject, name):
    found = overview(store, subject, name)
    assert found.claims
    for facet in {t.facet for t in found.tallies}:
        of = [t for t in found.tallies if t.facet == facet]
        assert {r for t in of for r in t.records} == ids(found)
        assert [len(t.records) for t in of] == sorted((len(t.records) for t in of), reverse=True)
    for tally in found.tallies:
        assert sum(n for _, n in tally.study_types) == sum(n for _, n in tally.sides) == len(tally.records)
    counted = Counter(c.effect_class for c in found.claims)
    assert {t.value: len(t.records) for t in found.tallies if t.facet == "effect class"} == dict(counted)
    silent = [t for t in found.tallies if t.facet == "isolation" and t.value == "not reported"]
    expected = sum(c.isolation_method in {"", "not reported"} for c in found.claims)
    assert sum(len(t.records) for t in silent) == expected


@pytest.mark.parametrize(("subject", "name"), CASES)
def test_every_record_a_statement_names_exists(store, subject, name):
    found = overview(store, subject, name)
    known = {c.record_id for c in store.query(Question()).claims}
    known |= {t.nct_id for t in store.trials()} | {f"{t.table}#{t.position}" for t in store.trials()}
    known |= {f"{r.table}#{r.position}" for r in found.doses}
    for statement in found.statements:
        assert set(statement.records) <= known
        assert set(re.findall(r"\b[AB]-[TX]\d?-?\d\d\b", statement.text)) <= known
        assert ".." not in statement.text.replace("...", "")
    assert found.statements[0].topic == "verdict"
    assert [s.topic for s in found.statements].count("gap") <= 1


@pytest.mark.parametrize(("subject", "name"), CASES)
def test_both_sides_always_stand_in_the_verdict(store, subject, name):
    text = overview(store, subject, name).statements[0].text
    counts = re.search(r"(\d+) for the patient.*?; (\d+) against the patient.*?; (\d+) on neither side", text)
    assert counts is not None
    assert sum(map(int, counts.groups())) == int(re.search(r": (\d+) claim", text)[1])


def test_a_graph_given_gives_the_same_answer(store):
    graph = load_graph(store)
    assert overview(store, "molecule", "miR-222", graph=graph) == overview(store, "molecule", "miR-222")


def test_paths_are_of_the_claims(store):
    found = overview(store, "condition", "acute kidney injury")
    assert found.paths
    assert {r.record_id for p in found.paths for r in p.records} <= ids(found)
    assert found.paths[0].sentence in said(found, "mechanism")


def test_an_unknown_name_says_so_with_the_nearest(store):
    found = overview(store, "molecule", "miR-999")
    assert found.claims == ()
    assert found.tallies == ()
    assert found.balance is None
    assert "holds no claim about the molecule 'miR-999'" in found.statements[0].text
    assert found.unmatched == nearest(store, "molecule", "miR-999")
    assert any("nearest: miR-379" in text for text in found.unmatched)
    assert nearest(store, "condition", "stroke") == ()
    assert overview(store, "condition", "").claims == ()


def test_a_condition_without_claims_still_has_its_trials(store):
    found = overview(store, "condition", "pre-eclampsia")
    assert found.claims == ()
    assert [t.nct_id for t in found.trials] == ["NCT03562715"]


def test_a_wrong_subject_or_another_versions_graph_is_refused(store):
    with pytest.raises(StoreError, match="expected a subject of condition, cell_source"):
        overview(store, "disease", "stroke")
    with pytest.raises(StoreError, match="the graph is of version"):
        overview(store, "condition", "stroke", graph=load_graph(store, as_of=1))
    assert SUBJECTS == ("condition", "cell_source", "molecule", "tumour")


def test_a_labs_claim_of_harm_makes_a_conflict_and_the_past_stays(tmp_path):
    row = dict.fromkeys(CLAIM_COLUMNS, "") | {
        "record_id": "L-1",
        "review": "lab-x",
        "condition": "acute kidney injury",
        "condition_class": "kidney",
        "cell_source": "UC-MSC",
        "product": "EV",
        "cargo": "HGF mRNA",
        "direction": "HGF:up",
        "study_type": "clinical",
        "effect": "creatinine higher",
        "effect_class": "harmful",
        "reference_numbers": "own data",
    }
    file = tmp_path / "lab.csv"
    file.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n", encoding="utf-8")
    with open_store(tmp_path / "evidence.sqlite") as store:
        before = overview(store, "condition", "acute kidney injury")
        add_file(store, file, author="tester")
        found = overview(store, "condition", "acute kidney injury")
        past = overview(store, "condition", "acute kidney injury", as_of=before.version)
    assert past == before
    assert "8 claims" in found.statements[0].text
    assert "1 in people" in found.statements[0].text
    conflict = said(found, "conflict")
    assert "stand on both sides" in conflict
    assert "harmful in acute kidney injury" in conflict
    assert "They conflict: HGF mRNA in acute kidney injury is" in conflict
    assert "No claim here contradicts" not in conflict
    assert "any claim of harm" not in said(found, "gap")


def test_no_trial_and_no_dose_are_gaps_only_where_there_are_none(store):
    assert "any trial" in said(overview(store, "tumour", "glioblastoma"), "gap")
    covid = said(overview(store, "condition", "COVID-19"), "gap")
    assert "any trial" not in covid
    assert "any dose" not in covid
    assert "from people" not in covid


def test_cells_given_to_people_are_not_read_as_vesicles(store):
    text = said(overview(store, "cell_source", "iMSC"), "product")
    assert "11 claims of 30 gave cells or a secretome, not vesicles; so did 1 of the 1 from people" in text


def test_one_publication_in_two_lists_is_one():
    first = reference("Arslan F, Lai RC, et al. Mesenchymal exosomes increase ATP levels. *Stem Cell Res* 2013;10:301.")
    second = reference(
        "Arslan F, Lai R-C, et al. Mesenchymal exosomes increase ATP levels. Stem Cell Res. 2013.",
        number="92",
        source="review-b",
    )
    third = reference("Arslan F, Lai RC, et al. Something else entirely. *Circulation* 2013;1:1.")
    assert reference_key(first) != reference_key(third)
    assert reference_key(reference("", number="7")) != reference_key(reference("", number="8"))
    assert reference_key(reference("x", doi="10.1/AB")) == reference_key(reference("y", number="2", doi="10.1/ab"))
    assert reference_key(first) == reference_key(second)


def test_cargo_is_asked_for_without_its_arm_and_never_as_mirna_alone(store):
    claims = store.query(Question(cargo="miR-21-5p")).claims
    assert "miR-21" in cargo_of(claims)
    unspecified = store.query(Question(record_id="B-T1-27")).claims
    assert unspecified[0].cargo
    assert cargo_of(unspecified) == ()


def test_columns_of_dose_tables_are_there(store):
    for table, columns in DOSE_TABLES.items():
        assert set(columns) - {""} <= set(store.table(table).columns)


@pytest.mark.parametrize(("subject", "name"), CASES)
def test_text_json_and_frames_hold_the_answer(store, subject, name):
    found = overview(store, subject, name)
    text = overview_text(found)
    assert text.startswith(found.statements[0].text)
    assert all(s.text in text for s in found.statements)
    assert all(c.record_id in text for c in found.claims)
    assert found.version in text
    data = json.loads(overview_json(found))
    assert [c["record_id"] for c in data["claims"]] == [c.record_id for c in found.claims]
    assert len(data["paths"]) == len(found.paths)
    assert len(data["tallies"]) == len(found.tallies)
    assert claims_frame(found)["record_id"].to_list() == [c.record_id for c in found.claims]
    assert tallies_frame(found)["claims"].to_list() == [len(t.records) for t in found.tallies]
