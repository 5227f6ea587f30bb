"""The tumour balance: both sides with their records, inhibitors read as the opposite, nothing dropped, no score."""

import csv
import io
import json
import re
from importlib.resources import files

import pytest
from click.testing import CliRunner

from vesicula.cli.evidence import evidence
from vesicula.evidence.balance import ASPECTS, INHIBITORS, aspect_rules, aspects_of, inhibitor_form, tumour_balance
from vesicula.evidence.balance_text import COLUMNS, balance_text
from vesicula.evidence.errors import StoreError
from vesicula.evidence.importer import add_file
from vesicula.evidence.store import open_store

PACKAGED = files("vesicula.data").joinpath("evidence")


def rows_of(name, delimiter=","):
    text = PACKAGED.joinpath(name).read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    path = tmp_path_factory.mktemp("balance") / "evidence.sqlite"
    open_store(path).close()
    return str(path)


@pytest.fixture
def opened(where):
    with open_store(where) as store:
        yield store


@pytest.fixture
def own(tmp_path):
    with open_store(tmp_path / "own.sqlite") as store:
        yield store


def sides(balance):
    """Group to its record ids: promoting, inhibiting, neither."""
    return {
        (g.tumour, g.subject): tuple([e.record_id for e in s] for s in (g.promoting, g.inhibiting, g.neither))
        for g in balance.groups
    }


def entries(balance):
    return {e.record_id: e for e in balance.claims}


def comparison(balance, about):
    (found,) = [c for c in balance.comparisons if c.about == about]
    return found


def command(where, *arguments):
    result = CliRunner().invoke(evidence, ["balance", "--store", where, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_mir_222_stands_on_both_sides_with_its_records(opened):
    balance = tumour_balance(opened, cargo=["miR-222"])
    assert sides(balance) == {
        ("acute myeloid leukaemia", "miR-222"): ([], ["B-T2-21"], []),
        ("breast cancer", "miR-222"): (["B-T2-02"], ["B-X-13"], []),
        ("gastric cancer", "miR-222"): (["B-T2-09"], [], []),
    }
    counts = {(c.side, c.study_type): c.count for c in balance.study_types}
    assert counts == {("promoting", "in vitro"): 2, ("inhibiting", "in vitro"): 1, ("inhibiting", "in vivo"): 1}
    said = comparison(balance, "miR-222")
    assert said.conflict
    assert said.sentence == (
        "miR-222: promotion in breast cancer (B-T2-02, B-X-13), gastric cancer (B-T2-09); "
        "inhibition in acute myeloid leukaemia (B-T2-21). They conflict from one tumour to another. "
        "Not independent: B-T2-02 and B-X-13 cite [review-b 160]."
    )


def test_an_inhibitor_of_the_molecule_says_the_opposite_about_it(opened):
    balance = tumour_balance(opened, cargo=["miR-222"])
    (breast,) = [g for g in balance.groups if g.tumour == "breast cancer"]
    (inhibitor,) = breast.inhibiting
    assert (inhibitor.carried, inhibitor.points_to) == ("its inhibitor", "promoting")
    (molecule,) = breast.promoting
    assert (molecule.carried, molecule.points_to) == ("the molecule", "promoting")
    assert not breast.conflict
    assert breast.sentence == (
        "miR-222 in breast cancer: 1 claim of promotion (in vitro), 1 of inhibition when its inhibitor was carried "
        "(in vivo). Carrying the inhibitor is the opposite of carrying the molecule, so both point to promotion by "
        "miR-222. Not independent: B-T2-02 and B-X-13 cite [review-b 160]."
    )


def test_asked_for_the_inhibitor_the_molecule_is_the_opposite(opened):
    found = entries(tumour_balance(opened, cargo=["antagomiR-222"]))
    assert {i: (e.carried, e.points_to) for i, e in found.items()} == {
        "B-T2-02": ("its inhibitor", "inhibiting"),
        "B-T2-09": ("its inhibitor", "inhibiting"),
        "B-X-13": ("the molecule", "inhibiting"),
    }


def test_less_of_the_molecule_says_the_opposite_too(opened):
    # The myeloma patients' exosomes are poor in miR-15a, which suppresses tumours.
    entry = entries(tumour_balance(opened, cargo=["miR-15a"]))["B-T2-01"]
    assert (entry.side, entry.carried, entry.points_to) == ("promoting", "less of it", "inhibiting")


@pytest.mark.parametrize(("form", "_pattern", "example"), INHIBITORS)
def test_each_form_of_inhibitor_is_known_by_its_example(form, _pattern, example):
    assert inhibitor_form(example) == form


@pytest.mark.parametrize(
    ("text", "of", "form"),
    [
        ("anti-miRNA-222", None, "anti-miR"),
        ("siShn3", None, "siRNA"),
        ("EGFR inhibitor", "EGFR", "inhibitor"),
        ("anti-VEGF", "VEGF", "inhibitor"),
        ("plasminogen activator inhibitor-1", "plasminogen", ""),
        ("SHN3", None, ""),
        ("SIRT1", None, ""),
        ("SHH", None, ""),
        ("miR-222-3p", "miR-222", ""),
        ("miR-222 mimic", "miR-222", ""),
    ],
)
def test_names_that_are_inhibitors_and_names_that_are_not(text, of, form):
    assert inhibitor_form(text, of) == form


def test_mir_21_beside_what_it_does_elsewhere_with_the_doubtful_row(opened):
    balance = tumour_balance(opened, cargo=["miR-21"])
    assert sides(balance) == {("breast cancer", "miR-21"): (["B-X-08"], [], [])}
    assert [(e.record_id, e.through, e.claim.effect_class) for e in balance.elsewhere] == [
        ("A-T4-05", "cargo", "beneficial"),
        ("B-T1-28", "cargo", "beneficial"),
        ("B-T1-20", "note or doubt", "beneficial"),
    ]
    kidney = balance.elsewhere[2].claim
    assert kidney.condition_class == "kidney"
    assert kidney.cargo == "miR-22"
    assert [d.text for d in kidney.doubts] == ["reference 106 is about miR-21, table and text say miR-22: conflict"]
    assert "beneficial in renal ischaemia-reperfusion injury (B-T1-20, named only in a note or doubt)" in (
        comparison(balance, "miR-21").sentence
    )


def test_glioblastoma_goes_by_cell_source(opened):
    balance = tumour_balance(opened, tumour="glioblastoma")
    assert balance.grouped_by == "cell source"
    assert sides(balance) == {
        ("glioblastoma", "AT-MSC"): (["B-T2-08"], [], []),
        ("glioblastoma", "UC-MSC; BM-MSC"): ([], ["B-T2-11"], []),
    }
    said = comparison(balance, "glioblastoma")
    assert said.conflict
    assert said.sentence == (
        "glioblastoma: promotion by AT-MSC (B-T2-08); inhibition by UC-MSC; BM-MSC (B-T2-11). "
        "They conflict from one cell source to another. Not independent: B-T2-08 and B-T2-11 cite [review-b 164]."
    )


def test_a_cell_source_over_its_tumours(opened):
    found = sides(tumour_balance(opened, cell_source="UC-MSC"))
    assert found == {
        ("glioblastoma", "UC-MSC; BM-MSC"): ([], ["B-T2-11"], []),
        ("lung adenocarcinoma", "UC-MSC"): (["B-X-09"], [], []),
    }


def test_filters_must_all_hold(opened):
    found = sides(tumour_balance(opened, cargo=["miR-222"], tumour="breast cancer"))
    assert found == {("breast cancer", "miR-222"): (["B-T2-02"], ["B-X-13"], [])}


def test_several_cargoes_each_have_their_groups(opened):
    balance = tumour_balance(opened, cargo=["miR-222", "miR-223"], tumour="breast cancer")
    assert sides(balance) == {
        ("breast cancer", "miR-222"): (["B-T2-02"], ["B-X-13"], []),
        ("breast cancer", "miR-223"): (["B-T2-02"], ["B-X-13"], []),
    }
    # A claim under two cargoes is counted once.
    assert sum(c.count for c in balance.study_types) == 2


def test_every_cancer_claim_appears_exactly_once_without_a_filter(opened):
    balance = tumour_balance(opened)
    expected = {r["record_id"]: r["effect_class"] for r in rows_of("studies.csv") if r["condition_class"] == "cancer"}
    assert len(expected) == 35
    assert sorted(e.record_id for e in balance.claims) == sorted(expected)
    promoting = {"tumour-promoting", "angiogenic", "drug resistance"}
    for entry in balance.claims:
        assert entry.side == ("promoting" if expected[entry.record_id] in promoting else "inhibiting")
    assert sum(c.count for c in balance.study_types) == 35
    counted = {i for a in balance.aspects for ids in (a.promoting, a.inhibiting, a.neither) for i in ids}
    assert counted == set(expected)


def test_aspects_by_side(opened):
    found = {a.aspect: (set(a.promoting), set(a.inhibiting)) for a in tumour_balance(opened).aspects}
    assert tuple(found) == ASPECTS
    assert found["drug resistance"] == ({"B-T2-02", "B-T2-12"}, {"B-T2-16", "B-X-13"})
    assert found["dormancy"] == ({"B-T2-02"}, {"B-T2-17"})
    assert found["angiogenesis"] == (
        {"A-T1-08", "B-T2-03", "B-T2-06", "B-X-10"},
        {"B-T2-10", "B-T2-14", "B-T2-18"},
    )
    assert found["metastasis"] == (
        {"B-T2-04", "B-T2-07", "B-T2-09", "B-X-08"},
        {"A-T1-07", "B-T2-10", "B-T2-13", "B-T2-20", "B-X-12", "B-X-16"},
    )


def test_each_rule_of_the_aspects_holds_for_its_example_record():
    claims = {r["record_id"]: r for r in rows_of("studies.csv")}
    rules = rows_of("tumour_aspects.tsv", "\t")
    assert len(rules) == len(aspect_rules())
    for rule in rules:
        assert rule["aspect"] in ASPECTS
        assert rule["rule"]
        if rule["example_record"]:
            claim = claims[rule["example_record"]]
            assert re.search(rule["pattern"], claim[rule["column"]], re.IGNORECASE), rule
            assert rule["aspect"] in aspects_of(claim["effect"], claim["effect_class"])
    # Migration of the vessels' cells is no metastasis; nothing is left without an aspect.
    assert aspects_of("survival, migration, angiogenesis up", "angiogenic") == ("angiogenesis",)
    assert aspects_of("", "tumour-promoting") == ("growth/other",)


def test_a_lab_s_own_claims_without_a_side_are_kept_and_unclear_rows_say_so(own, lab_csv):
    cancer = {"condition": "glioblastoma", "condition_class": "cancer"}
    path = lab_csv(
        {**cancer, "record_id": "L-1", "effect_class": "mixed"},
        {**cancer, "record_id": "L-2", "effect_class": "dormancy", "effect": "cells rest"},
        {**cancer, "record_id": "L-3", "effect_class": "tumour-inhibiting", "modification": "miR-21 inhibitor loaded"},
        {**cancer, "record_id": "L-4", "effect_class": "tumour-promoting", "cargo": "miR-21 inhibitor"},
        {"record_id": "L-5", "condition": "wound", "condition_class": "skin", "effect_class": "metastasis-promoting"},
    )
    before = own.version()
    add_file(own, path)
    balance = tumour_balance(own, cargo=["miR-21"])
    found = sides(balance)
    assert found["glioblastoma", "miR-21"] == (["L-4"], ["L-3"], ["L-1", "L-2"])
    assert found["wound", "miR-21"] == (["L-5"], [], [])
    carried = {i: (e.carried, e.points_to) for i, e in entries(balance).items() if i.startswith("L-")}
    assert carried == {
        "L-1": ("the molecule", ""),
        "L-2": ("the molecule", ""),
        "L-3": ("unclear", ""),
        "L-4": ("its inhibitor", "inhibiting"),
        "L-5": ("the molecule", "promoting"),
    }
    assert entries(balance)["L-2"].aspects == ("dormancy",)
    assert {"L-1", "L-2", "L-5"} <= {e.record_id for e in tumour_balance(own).claims}
    assert "no side: L-3, L-1, L-2" in comparison(balance, "miR-21").sentence
    past = tumour_balance(own, cargo=["miR-21"], as_of=before)
    assert past.version == before
    assert [e.record_id for e in past.claims] == ["B-X-08"]
    assert len(tumour_balance(own, as_of=before).claims) == 35
    assert len(tumour_balance(own).claims) == 40
    assert sides(tumour_balance(own, cell_source="UC-MSC", as_of=before)) == {
        ("glioblastoma", "UC-MSC; BM-MSC"): ([], ["B-T2-11"], []),
        ("lung adenocarcinoma", "UC-MSC"): (["B-X-09"], [], []),
    }


def test_both_sides_of_one_molecule_in_one_tumour_conflict(own, lab_csv):
    path = lab_csv(
        {"condition": "gastric cancer", "condition_class": "cancer", "cargo": "miR-222",
         "effect_class": "tumour-inhibiting", "study_type": ""}
    )  # fmt: skip
    add_file(own, path)
    (group,) = [g for g in tumour_balance(own, cargo=["miR-222"]).groups if g.tumour == "gastric cancer"]
    assert group.conflict
    assert group.sentence == (
        "miR-222 in gastric cancer: 1 claim of promotion (in vitro), 1 of inhibition (study type not said). "
        "They conflict (promotion: B-T2-09, inhibition: L-1)."
    )


def test_names_not_in_the_store_and_versions_not_in_the_store(opened):
    balance = tumour_balance(opened, cargo=["miR-99999"])
    assert balance.groups == ()
    assert len(balance.unmatched) == 1
    assert balance.unmatched[0].startswith("cargo 'miR-99999' is not in the store")
    with pytest.raises(StoreError, match="no revision 99"):
        tumour_balance(opened, as_of=99)


def test_frame_and_csv_hold_each_claim_with_references_and_doubts(opened, where):
    frame = tumour_balance(opened, cargo=["miR-222"]).frame()
    rows = list(csv.DictReader(io.StringIO(command(where, "--cargo", "miR-222", "--csv"))))
    assert tuple(frame.columns) == COLUMNS == tuple(rows[0])
    assert frame.to_dicts() == rows
    by_record = {r["record_id"]: r for r in rows}
    assert set(by_record) == {"B-T2-02", "B-T2-09", "B-T2-21", "B-X-13"}
    assert by_record["B-T2-09"]["doubts"] == "reference: table cites 165; titles of 165 and 166 are swapped"
    assert by_record["B-T2-21"]["references"].startswith("[review-b 176] Zhang F")
    assert by_record["B-X-13"]["carried"] == "its inhibitor"
    assert not {"score", "net", "balance"} & set(COLUMNS)
    elsewhere = {r["record_id"]: r for r in tumour_balance(opened, cargo="miR-21").frame().to_dicts()}["B-T1-20"]
    assert (elsewhere["side"], elsewhere["carried"]) == ("elsewhere", "named in a note or doubt only")


def test_the_command_as_json(where, opened):
    found = json.loads(command(where, "--tumour", "glioblastoma", "--as-of", "1", "--json"))
    assert found["version"] == opened.version(1)
    at = next(g for g in found["groups"] if g["subject"] == "AT-MSC")
    assert [e["record_id"] for e in at["promoting"]] == ["B-T2-08"]
    assert at["promoting"][0]["claim"]["doubts"][0]["text"] == "same work: UC- and BM-MSC exosomes inhibit"
    assert at["promoting"][0]["claim"]["references"][0]["number"] == "164"
    assert "They conflict from one cell source to another." in found["comparisons"][0]["sentence"]


def test_the_command_as_text_shows_both_sides_doubts_references_and_version(where, opened):
    out = command(where, "--cargo", "miR-222", "--cargo", "miR-21", "--table")
    assert out == command(where, "--cargo", "miR-222", "--cargo", "miR-21")
    assert out.rstrip("\n") == balance_text(tumour_balance(opened, cargo=["miR-222", "miR-21"]))
    assert "CONFLICT  miR-222: promotion in breast cancer" in out
    assert "DOUBT (conflict): same miRNA family listed as promoting in rows 2 and 9" in out
    assert "[review-b 166] Wang M" in out
    assert "The same molecule elsewhere:" in out
    assert "DOUBT (cargo): reference 106 is about miR-21" in out
    assert out.rstrip().endswith(f"5 claims. Store version {opened.version()}.")
    for block in out.split("\n== ")[1:]:
        assert "\n  promoting: " in block
        assert "\n  inhibiting: " in block


def test_an_arm_finds_what_is_printed_without_one_and_not_the_other_arm(opened):
    printed = {r["record_id"] for r in rows_of("studies.csv") if "miR-21" in re.split("[;,]", r["cargo"])}
    of_arm = tumour_balance(opened, cargo=["miR-21-5p"])
    records = {e.record_id for e in of_arm.claims} | {e.record_id for e in of_arm.elsewhere}
    assert printed
    assert printed <= records
    other = tumour_balance(opened, cargo=["miR-21-3p"])
    assert "B-T1-28" not in {e.record_id for e in other.elsewhere}  # prints miR-21-5p
    assert "B-T1-20" in records  # the doubt that names miR-21
