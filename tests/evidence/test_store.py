"""The packaged tables come back whole: nothing dropped, nothing changed, everything reachable; past states too."""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from vesicula.evidence.errors import StoreError
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import CLAIM_COLUMNS, Question
from vesicula.evidence.store import open_store
from vesicula.evidence.tables import printed_row

PACKAGED = files("vesicula.data").joinpath("evidence")
SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[3] / "shared"))
REVIEW_FILES = sorted(p.name for p in PACKAGED.iterdir() if p.name.endswith(".csv"))
ATLAS_FILES = sorted(p.name for p in PACKAGED.joinpath("ev_atlas").iterdir() if p.name.endswith(".csv"))


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


def studies():
    return rows_of(PACKAGED.joinpath("studies.csv"))


def table_rows(store, name):
    return [printed_row(row) for group in store.table(name).groups for row in group.rows]


def ids(answer):
    return [claim.record_id for claim in answer.claims]


@pytest.mark.parametrize("name", REVIEW_FILES)
def test_every_row_of_a_review_file_comes_back_verbatim(packaged_store, name):
    table = "reviews/" + name.removesuffix(".csv").replace("_", "-")
    expected = rows_of(PACKAGED.joinpath(name))
    assert expected
    assert table_rows(packaged_store, table) == expected
    assert packaged_store.table(table).columns == tuple(expected[0])


@pytest.mark.parametrize("name", ATLAS_FILES)
def test_every_row_of_the_atlas_comes_back_verbatim_with_its_units(packaged_store, name):
    table = "ev-atlas/" + name.removesuffix(".csv").replace("_", "-").lower()
    expected = rows_of(PACKAGED.joinpath("ev_atlas", name))
    assert expected
    assert table_rows(packaged_store, table) == expected


def test_the_packaged_files_are_those_of_the_provenance_list():
    listed = csv.DictReader(
        io.StringIO(PACKAGED.joinpath("PROVENANCE.tsv").read_text("utf-8")), delimiter="\t"
    )
    digests = {row["file"]: row["sha256"] for row in listed}
    assert set(digests) == {*REVIEW_FILES, *(f"ev_atlas/{name}" for name in ATLAS_FILES)}
    for name, digest in digests.items():
        assert hashlib.sha256(PACKAGED.joinpath(*name.split("/")).read_bytes()).hexdigest() == digest, name


def test_the_packaged_files_are_the_shared_ones():
    if not (SHARED / "evidence").is_dir():
        pytest.skip("../shared/evidence is not beside the repository (VESICULA_SHARED)")
    for name in REVIEW_FILES:
        assert PACKAGED.joinpath(name).read_bytes() == (SHARED / "evidence" / name).read_bytes(), name
    atlas = SHARED / "data" / "evidence" / "Ameya4229C__extracellular-vesicles-atlas" / "data"
    for name in ATLAS_FILES:
        assert PACKAGED.joinpath("ev_atlas", name).read_bytes() == (atlas / name).read_bytes(), name


@pytest.mark.parametrize(
    ("table", "prefix", "count"),
    [
        ("review-a/table-1", "A-T1", 10),
        ("review-a/table-3", "A-T3", 7),
        ("review-a/table-4", "A-T4", 7),
        ("review-b/table-1", "B-T1", 31),
        ("review-b/table-2", "B-T2", 22),
        ("review-a/text", "A-X", 6),
        ("review-b/text", "B-X", 19),
    ],
)
def test_the_reviews_tables_come_back_row_by_row(packaged_store, table, prefix, count):
    expected = [row["record_id"] for row in studies() if row["record_id"].startswith(prefix + "-")]
    assert len(expected) == count
    view = packaged_store.table(table)
    assert [row.record_id for group in view.groups for row in group.rows] == expected
    assert view.version == packaged_store.version()


def test_tables_come_back_in_their_groups(packaged_store):
    two = packaged_store.table("review-b/table-2")
    assert [(g.name, len(g.rows)) for g in two.groups] == [("promoting", 9), ("inhibitory", 13)]
    for group in two.groups:
        assert all(group.name in row.location for row in group.rows)
    one = packaged_store.table("review-b/table-1")
    expected = Counter(row["condition_class"] for row in studies() if row["record_id"].startswith("B-T1"))
    assert {g.name: len(g.rows) for g in one.groups} == expected
    assert len(one.groups) == len(expected)  # each organ once: the rows stand together, as printed


def test_every_claim_is_found_by_its_id_and_reaches_its_references(packaged_store):
    lists = {(r["review"], r["number"]): r for r in rows_of(PACKAGED.joinpath("references.csv"))}
    for row in studies():
        (claim,) = packaged_store.query(Question(record_id=row["record_id"])).claims
        assert claim.printed() == row
        numbers = row["reference_numbers"].split(";")
        assert [r.number for r in claim.references] == numbers
        assert numbers != [""]
        for reference in claim.references:
            printed = lists[row["review"], reference.number]
            assert reference.citation == printed["citation"]
            assert reference.number_inferred == (printed["number_inferred"] == "yes")


def test_every_direction_entry_is_kept(packaged_store):
    for row in studies():
        (claim,) = packaged_store.query(Question(record_id=row["record_id"])).claims
        again = [f"{d.molecule}:{d.change}" if d.molecule else d.change for d in claim.directions]
        assert again == [entry for entry in row["direction"].split(";") if entry]


def test_every_name_of_every_claim_finds_it(packaged_store):
    columns = {"condition": "condition", "cell_source": "cell_source", "cargo": "cargo", "target": "target"}
    asked = {
        (role, name.strip())
        for row in studies()
        for role, column in columns.items()
        for name in row[column].split(";")
    }
    asked -= {(role, name) for role, name in asked if name in {"", "not reported"}}
    assert len(asked) > 150
    for role, name in asked:
        found = set(ids(packaged_store.query(Question(**{role: name}))))
        printing = {
            r["record_id"] for r in studies() if name in [n.strip() for n in r[columns[role]].split(";")]
        }
        assert printing <= found, (role, name)


def test_counts_of_facets_are_those_of_the_file(packaged_store):
    for column in ("condition_class", "product", "study_type", "effect_class"):
        for value, count in Counter(row[column] for row in studies()).items():
            assert len(packaged_store.query(Question(**{column: value})).claims) == count


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"cargo": "miR-222", "effect_class": "tumour-promoting"}, {"B-T2-02", "B-T2-09"}),
        ({"cargo": "miR-22"}, {"B-T1-20"}),
        ({"tumour": "glioblastoma", "cell_source": "AT-MSC"}, {"B-T2-08"}),
        ({"tumour": "glioblastoma", "cell_source": "UC-MSC"}, {"B-T2-11"}),
        ({"condition": "renal ischemia-reperfusion injury"}, {"A-T3-03", "A-T4-03", "B-T1-20", "B-T1-21"}),
        ({"text": "creatin"}, set()),
        ({"text": "sialaden"}, {"A-T4-06"}),
        ({"text": "thermosensitive chitosan"}, {"A-T3-07"}),
        ({"text": "miR-21-5p"}, {"B-T1-28"}),
        ({"cargo": "miR-222", "text": "dormancy"}, {"B-T2-02"}),
        ({"cell_source": "MSC", "text": "miR-22 dorm"}, set()),
        ({"cargo": "miR-222", "text": "cancer dorm"}, {"B-T2-02"}),
        ({"molecule": "CASP3", "effect_class": "beneficial"}, {"A-T3-02"}),
        ({"text": "..."}, set()),
    ],
)
def test_questions_with_known_answers(packaged_store, question, expected):
    assert set(ids(packaged_store.query(Question(**question)))) == expected


def test_an_inhibitor_is_found_with_what_it_inhibits_and_said(packaged_store):
    pytest.importorskip("vesicula.evidence.names")
    answer = packaged_store.query(Question(cargo="miR-222"))
    assert ids(answer) == ["B-T2-02", "B-T2-09", "B-T2-21", "B-X-13"]
    assert answer.matched == (("cargo", ("antagomiR-222/223", "miR-222", "miR-222-3p")),)
    (mention,) = [m for m in answer.claims[-1].mentions if m.role == "cargo"]
    assert "inhibitor" in mention.note


def test_mir_21_finds_both_its_sides(packaged_store):
    found = packaged_store.query(Question(cargo="miR-21"))
    assert {"A-T4-05", "B-T1-28", "B-X-08"} <= set(ids(found))
    assert {"beneficial", "tumour-promoting"} <= {claim.effect_class for claim in found.claims}
    (doubtful,) = packaged_store.query(Question(record_id="B-T1-20")).claims
    assert "miR-21" in doubtful.doubts[0].text


def test_a_name_that_is_not_there_is_said_with_the_nearest(packaged_store):
    answer = packaged_store.query(Question(cell_source="BM-MCS"))
    assert answer.claims == ()
    assert "BM-MSC" in answer.unmatched[0]


@pytest.mark.parametrize(
    "text", ["%", "_", "'", '"', "\\", "a OR b", "NEAR(", "* ^", "'; DROP TABLE claim; --", ":x"]
)
def test_odd_text_is_only_text(packaged_store, text):
    for field in ("text", "condition", "record_id", "effect_class"):
        packaged_store.query(Question(**{field: text}))
    assert len(packaged_store.query(Question()).claims) == len(studies())


def test_a_limit_is_kept_and_said(packaged_store):
    answer = packaged_store.query(Question(condition_class="cancer", limit=5))
    assert len(answer.claims) == 5
    assert answer.truncated
    assert not packaged_store.query(Question(condition_class="skin", limit=2)).truncated


def test_doubts_stand_on_their_rows(packaged_store):
    listed = csv.DictReader(io.StringIO(PACKAGED.joinpath("doubts.tsv").read_text("utf-8")), delimiter="\t")
    by_row = [(row["table"], row["row"], row["kind"], row["text"]) for row in listed]
    notes = {row["record_id"]: row["notes"] for row in studies()}
    for table, record, kind, text in by_row:
        if table == "studies":
            (claim,) = packaged_store.query(Question(record_id=record)).claims
            assert (kind, text or notes[record]) in [(d.kind, d.text) for d in claim.doubts]
    routes = {trial.nct_id: trial.doubts for trial in packaged_store.trials() if trial.source == "review-b"}
    assert "intraparenchymal" in routes["NCT03384433"][0].text
    assert "eye drops" in routes["NCT04213248"][0].text
    assert sum(bool(d) for d in routes.values()) == 2
    classes = [row for g in packaged_store.table("review-b/text-classes").groups for row in g.rows]
    assert "differs tenfold" in classes[-1].doubts[0].text
    placeholder = packaged_store.table("ev-atlas/fig5d").groups[0].rows
    assert all(row.doubts for row in placeholder)
    assert all(doubt.text for doubt in packaged_store.doubts())


def test_the_readme_of_the_tables_names_no_doubt_that_is_not_shown(packaged_store):
    for reference in ("88", "89", "101", "106", "111", "165", "166"):
        citing = [
            claim
            for claim in packaged_store.query(Question(source="review-b")).claims
            if reference in claim.reference_numbers.split(";")
        ]
        assert citing
        assert any(claim.doubts for claim in citing), reference
    for record in ("A-T4-05", "A-T4-06", "B-T1-20", "A-T1-09", "B-T2-12"):
        (claim,) = packaged_store.query(Question(record_id=record)).claims
        assert claim.doubts


def test_trials_of_all_sources_with_doses_and_units(packaged_store):
    trials = packaged_store.trials()
    expected = len(rows_of(PACKAGED.joinpath("trials.csv")))
    assert expected == 10
    assert sum(t.source != "ev-atlas" for t in trials) == expected
    assert sum(t.source == "ev-atlas" for t in trials) == len(
        rows_of(PACKAGED.joinpath("ev_atlas", "Fig2b_Clinical_Trial_Doses.csv"))
    )
    both = [t for t in trials if t.nct_id == "NCT04276987"]
    assert {t.source for t in both} == {"review-b", "ev-atlas"}
    assert [(t.dose, t.dose_units) for t in both if t.dose] == [("200000000", "exosomes/3mL")]


def test_names_carry_identifiers_where_there_are_any(packaged_store):
    pytest.importorskip("vesicula.evidence.names")
    (claim,) = packaged_store.query(Question(record_id="B-T1-28")).claims
    by_role = {(m.role, m.text): m for m in claim.mentions}
    assert by_role["target", "PTEN"].identifiers
    assert by_role["cargo", "miR-21-5p"].identifiers
    identifier = by_role["target", "PTEN"].identifiers[0]
    assert "B-T1-28" in ids(packaged_store.query(Question(target=identifier)))


@pytest.mark.parametrize(
    "facets",
    [
        {"effect_class": "dormancy"},
        {"effect_class": "mixed"},
        {"condition_class": "cancer"},
        {"study_type": "in vitro"},
        {"effect_class": "dormancy", "study_type": "in vitro"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [{"cargo": "miR-21"}, {"condition": "glioblastoma"}, {}], ids=str)
def test_a_past_version_never_shows_a_later_claim(store, lab_csv, lab_row, name, facets):
    before = store.version()
    row = lab_row(cargo="miR-21-5p", condition="glioblastoma", condition_class="cancer", study_type="in vitro")
    add_file(store, lab_csv({**row, "record_id": "L-7", "effect_class": facets.get("effect_class", "dormancy")}))
    question = Question(**name, **facets)
    assert "L-7" in ids(store.query(question))
    assert "L-7" not in ids(store.query(question, as_of=before))


def test_every_answer_names_the_version_and_can_be_asked_as_of_then(store, lab_csv):
    before = store.query(Question(condition="acute kidney injury"))
    assert before.version == store.version() == store.versions()[-1].version
    report = add_file(store, lab_csv({}, {"record_id": "L-2", "cargo": "miR-9999-5p"}), author="Ada")
    after = store.query(Question(condition="acute kidney injury"))
    assert set(ids(after)) - set(ids(before)) == {"L-1", "L-2"}
    assert after.version == report.revision.version != before.version
    for past in (before.as_of, before.version):
        again = store.query(Question(condition="acute kidney injury"), as_of=past)
        assert again == before
    assert store.query(Question(cargo="miR-9999-5p"), as_of=before.as_of).unmatched
    assert "lab-x" not in [s.source for s in store.sources(before.as_of)]
    assert "lab-x/claims" not in [t.table for t in store.tables(before.as_of)]
    last = store.versions()[-1]
    assert (last.author, last.source, last.claims, last.file_name) == ("Ada", "lab-x", 2, "lab.csv")


def test_a_revised_claim_keeps_its_past(store, lab_csv):
    first = add_file(store, lab_csv({"notes": "first"}))
    second = add_file(store, lab_csv({"notes": "second", "effect_class": "mixed"}), revise=True)
    (now,) = store.query(Question(record_id="L-1")).claims
    (then,) = store.query(Question(record_id="L-1"), as_of=first.revision.revision).claims
    assert (now.notes, then.notes) == ("second", "first")
    assert now.revision == second.revision.revision
    assert store.table("lab-x/claims").row_count == 1
    assert store.query(Question(source="lab-x", effect_class="beneficial")).claims == ()


def test_versions_name_the_content(tmp_path, lab_csv):
    names = []
    for i in range(2):
        with open_store(tmp_path / f"{i}.sqlite") as opened:
            names.append([r.version for r in opened.versions()])
            add_file(opened, lab_csv({"notes": f"note {i}"}))
            names[-1].append(opened.version())
    assert names[0][:2] == names[1][:2]
    assert names[0][2] != names[1][2]


def test_an_unknown_version_is_an_error(packaged_store):
    with pytest.raises(StoreError, match="there is no revision 99"):
        packaged_store.query(Question(), as_of=99)


def test_an_unknown_table_is_an_error_with_the_nearest(packaged_store):
    with pytest.raises(StoreError, match=r"nearest: .*review-b/table-1"):
        packaged_store.table("review-b/tabel-1")
    with pytest.raises(StoreError, match="beginning of several"):
        packaged_store.table("ev-atlas/fig3")


def test_names_found_later_do_not_change_past_answers(target, monkeypatch):
    from vesicula.evidence import identify, writer

    pytest.importorskip("vesicula.evidence.names")
    with monkeypatch.context() as patch:
        patch.setattr(writer, "identify", lambda role, text: None)
        opened = open_store(target)
    with opened:
        (before,) = opened.query(Question(record_id="B-T1-28")).claims
        past = opened.version()
        assert not any(m.identifiers for m in before.mentions)
        assert identify.available()
        assert opened.identify_names(author="Ada") > 100
        assert opened.identify_names(author="Ada") == 0
        (after,) = opened.query(Question(record_id="B-T1-28")).claims
        assert any(m.identifiers for m in after.mentions)
        assert opened.query(Question(record_id="B-T1-28"), as_of=past).claims == (before,)


def test_answers_become_frames_json_and_csv(packaged_store):
    from vesicula.evidence.export import answer_csv, answer_frame, as_json

    answer = packaged_store.query(Question(cargo="miR-222"))
    frame = answer_frame(answer)
    assert frame.height == len(answer.claims) >= 3
    assert frame["store_version"].unique().to_list() == [answer.version]
    assert frame.select(CLAIM_COLUMNS).to_dicts() == [claim.printed() for claim in answer.claims]
    assert list(csv.DictReader(io.StringIO(answer_csv(answer)))) == frame.to_dicts()
    assert json.loads(as_json(answer))["claims"][0]["references"][0]["citation"]
    empty = answer_frame(packaged_store.query(Question(record_id="none")))
    assert (empty.height, empty.width) == (0, frame.width)
