"""A store through its life: upgraded, given new packaged tables, corrected, its doubts settled; on both databases."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from vesicula.cli import evidence_store
from vesicula.evidence import engine, schema
from vesicula.evidence import store as store_module
from vesicula.evidence.errors import StoreError
from vesicula.evidence.export import answer_text
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import Question
from vesicula.evidence.packaged import packaged_contents
from vesicula.evidence.store import open_store


def only(store, record, as_of=None):
    (claim,) = store.query(Question(record_id=record), as_of=as_of).claims
    return claim


def rows(store, table, as_of=None):
    return [row for group in store.table(table, as_of).groups for row in group.rows]


def make_old(target):
    """Turn a store into one of schema 1."""
    with open_store(target) as opened, engine.writing(opened._engine) as connection:
        for name in ("successor", "resolution", "row_version"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.exec_driver_sql("DROP INDEX claim_noted")
        connection.exec_driver_sql("UPDATE store_meta SET value = '1' WHERE key = 'schema_version'")


def test_a_store_of_schema_1_is_upgraded_and_answers_as_before(target):
    with open_store(target) as opened:
        before = (opened.versions(), opened.query(Question()), opened.trials(), opened.doubts())
    make_old(target)
    with open_store(target) as opened:
        assert (opened.versions(), opened.query(Question()), opened.trials(), opened.doubts()) == before
        opened.correct("B-T1-20", {"cargo": "miR-21"}, note="see 106", author="Ada", packaged=True)
        with engine.reading(opened._engine) as connection:
            meta = dict(connection.execute(text("SELECT key, value FROM store_meta")).all())
    assert meta["schema_version"] == schema.SCHEMA_VERSION == "2"
    assert ("no copy" if "://" in target else "evidence.sqlite.schema-1") in meta["schema 1 to 2"]
    if "://" not in target:
        with closing(sqlite3.connect(target + ".schema-1")) as connection:
            found = connection.execute("SELECT value FROM store_meta WHERE key = 'schema_version'").fetchone()
            assert found == ("1",)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(target, monkeypatch):
    from vesicula.evidence import migrate

    make_old(target)

    def broken(connection):
        schema.successor.create(connection)
        raise StoreError("the power fails")

    with monkeypatch.context() as patch:
        patch.setitem(migrate.STEPS, "1", ("2", broken))
        with pytest.raises(StoreError, match="the power fails"):
            open_store(target)
    with open_store(target) as opened:
        assert opened.update_packaged() == ()


def test_a_newer_schema_is_refused(target):
    with open_store(target) as opened, engine.writing(opened._engine) as connection:
        connection.exec_driver_sql("UPDATE store_meta SET value = '3' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match=r"found 3\. A newer vesicula made it"):
        open_store(target)


def test_a_copy_that_finds_no_room_stops_the_upgrade(tmp_path, monkeypatch):
    from vesicula.evidence import migrate

    where = str(tmp_path / "evidence.sqlite")
    make_old(where)

    def full(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(migrate.Path, "replace", full)
        with pytest.raises(StoreError, match="not upgraded, because no copy"):
            open_store(where)
    assert [p.name for p in tmp_path.iterdir() if "schema" in p.name] == []
    with closing(sqlite3.connect(where)) as connection:
        assert connection.execute("SELECT value FROM store_meta").fetchall() == [("1",)]


def newer(**changes):
    """The packaged contents of a later release: B-T1-20 changed, B-T1-21 withdrawn, N-1 new, other rows too."""
    reviews, atlas = packaged_contents()
    by_id = {c.cells["record_id"]: c for c in reviews.claims}
    changed = replace(by_id["B-T1-20"], cells={**by_id["B-T1-20"].cells, "cargo": "miR-21", **changes}, doubts=())
    fresh = replace(by_id["B-T1-22"], cells={**by_id["B-T1-22"].cells, "record_id": "N-1"})
    claims = [changed if r == "B-T1-20" else c for r, c in by_id.items() if r != "B-T1-21"]
    trials = [r for r in reviews.rows if r.trial is not None]
    others = [r for r in reviews.rows if r.trial is None]
    title = {**trials[0].printed, "title": "A new title"}
    trials[0] = replace(trials[0], printed=title, trial=title, doubts=(("dose", "which dose is not said"),))
    references = [replace(r, doi="10.1000/new") if i == 0 else r for i, r in enumerate(reviews.references)]
    return (
        replace(
            reviews,
            sha256="later" + json.dumps(changes),
            claims=[*claims, fresh],
            rows=[*trials, *others[1:]],
            references=references,
            sources=[replace(s, doi="10.1000/other") for s in reviews.sources],
        ),
        atlas,
    )


def everything(store, as_of=None):
    tables = tuple(store.table(t.table, as_of).groups for t in store.tables(as_of))
    return store.query(Question(), as_of=as_of), store.trials(as_of), store.doubts(as_of), store.sources(as_of), tables


def test_new_packaged_tables_come_in_and_the_past_stays(store, monkeypatch):
    before = everything(store)
    past = store.version()
    assert store.update_packaged() == ()
    gone = packaged_contents()[0].rows
    first_other = next(r for r in gone if r.trial is None)
    monkeypatch.setattr(store_module, "packaged_contents", newer)
    (made,) = store.update_packaged()
    assert "2 claims new or changed, 2 replaced or withdrawn" in made.note
    assert everything(store, past) == before
    assert only(store, "B-T1-20").cargo == "miR-21"
    assert only(store, "B-T1-20").doubts == ()
    assert store.query(Question(record_id="B-T1-21")).claims == ()
    assert only(store, "N-1").revision == made.revision
    assert {s.doi for s in store.sources()} == {"10.1000/other", "10.1038/s44222-026-00405-x"}
    assert store.references()[0].doi == "10.1000/new"
    assert len(rows(store, first_other.table)) == len(rows(store, first_other.table, past)) - 1
    trial = store.trials()[0]
    assert (trial.title, trial.revision) == ("A new title", made.revision)
    assert "which dose is not said" in [d.text for d in trial.doubts if not d.resolved]
    # In its place in the table, not at the end.
    ids = [r.record_id for r in rows(store, "review-b/table-1")]
    assert ids.index("B-T1-20") == 19
    assert store.update_packaged() == ()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer packaged tables"):
        store.update_packaged()


def test_an_update_leaves_a_correction_and_says_what_changed(store, monkeypatch):
    store.correct("B-T1-20", {"cargo": "miR-21-5p"}, note="read the paper", author="Ada", packaged=True)
    monkeypatch.setattr(store_module, "packaged_contents", newer)
    store.update_packaged()
    claim = only(store, "B-T1-20")
    assert (claim.cargo, claim.corrected) == ("miR-21-5p", "corrected by Ada: read the paper")
    (doubt,) = [d for d in claim.doubts if d.kind == "packaged row changed"]
    assert "cargo: 'miR-22' to 'miR-21'" in doubt.text
    monkeypatch.setattr(store_module, "packaged_contents", lambda: newer(effect="other"))
    store.update_packaged()
    assert only(store, "B-T1-20").cargo == "miR-21-5p"
    assert len([d for d in only(store, "B-T1-20").doubts if d.kind == "packaged row changed"]) == 2


def test_a_new_row_whose_id_a_lab_uses_stops_the_update(store, lab_csv, monkeypatch):
    add_file(store, lab_csv({"record_id": "N-1"}))
    before = everything(store)
    monkeypatch.setattr(store_module, "packaged_contents", newer)
    with pytest.raises(StoreError, match="lab-x has that id already"):
        store.update_packaged()
    assert everything(store) == before


def test_a_correction_is_shown_with_its_author_and_the_old_form_stays(store):
    past = store.version()
    old = only(store, "B-T1-20")
    store.resolve_doubt("review-b/table-1", "B-T1-20", note="it is miR-21", author="Bo")
    made = store.correct("B-T1-20", {"cargo": "miR-21"}, note="reference 106", author="Ada", packaged=True)
    claim = only(store, "B-T1-20")
    assert (old.cargo, claim.cargo, claim.corrected) == ("miR-22", "miR-21", "corrected by Ada: reference 106")
    assert claim.references == old.references
    assert [d.text for d in claim.doubts] == [d.text for d in old.doubts]
    assert claim.doubts[0].resolved == "resolved by Bo: it is miR-21"
    assert "'miR-22' to 'miR-21'" in made.note
    shown = answer_text(store.query(Question(record_id="B-T1-20")))
    assert "CORRECTED: corrected by Ada: reference 106" in shown
    assert "[resolved by Bo: it is miR-21]" in shown
    assert "B-T1-20" in [c.record_id for c in store.query(Question(cargo="miR-21")).claims]
    assert only(store, "B-T1-20", past) == old
    assert [r.record_id for r in rows(store, "review-b/table-1")].index("B-T1-20") == 19
    store.correct("B-T1-20", {"cargo": "miR-21-5p"}, note="again", author="Ada", packaged=True)
    assert [r.record_id for r in rows(store, "review-b/table-1")].index("B-T1-20") == 19


@pytest.mark.parametrize(
    ("record", "changes", "options", "said"),
    [
        ("B-T1-20", {"cargo": "miR-21"}, {}, "--correct-packaged"),
        ("B-T1-20", {"cargo": "miR-21"}, {"packaged": True, "note": " "}, "a note is required"),
        ("B-T1-20", {"record_id": "X"}, {"packaged": True}, "cannot be corrected"),
        ("B-T1-20", {"nothing": "X"}, {"packaged": True}, "cannot be corrected"),
        ("B-T1-20", {"effect_class": "superb"}, {"packaged": True}, "not in the vocabulary"),
        ("B-T1-20", {"cargo": "=1+1"}, {"packaged": True}, "formula"),
        ("B-T1-20", {"condition": ""}, {"packaged": True}, "must not be empty"),
        ("B-T1-20", {"cargo": "miR-22"}, {"packaged": True}, "says so already"),
        ("none", {"cargo": "miR-22"}, {"packaged": True}, "not in the store"),
    ],
)
def test_a_correction_that_cannot_be_is_refused(store, record, changes, options, said):
    with pytest.raises(StoreError, match=said):
        store.correct(record, changes, **{"note": "why", **options})
    assert len(store.versions()) == 2


def test_a_settled_doubt_says_by_whom_and_how(store):
    past = store.version()
    doubt = next(d for d in store.doubts() if d.table == "reviews/trials")
    store.resolve_doubt(doubt.table, doubt.row, doubt.text[:25], note="the registry says so", author="Ada")
    (now,) = [d for d in store.doubts() if (d.table, d.row, d.text) == (doubt.table, doubt.row, doubt.text)]
    assert now.resolved == "resolved by Ada: the registry says so"
    assert now in [d for t in store.trials() for d in t.doubts]
    assert doubt in store.doubts(past)
    with pytest.raises(StoreError, match="settled already"):
        store.resolve_doubt(doubt.table, doubt.row, doubt.text, note="again")
    with pytest.raises(StoreError, match="no doubt about"):
        store.resolve_doubt("review-b/table-1", "none", note="x")
    with pytest.raises(StoreError, match="not one that is open"):
        store.resolve_doubt(doubt.table, doubt.row, "something else", note="x")


def test_the_commands(tmp_path):
    where = str(tmp_path / "evidence.sqlite")

    def run(command, *arguments):
        result = CliRunner().invoke(command, [*arguments, "--store", where], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "has the packaged tables" in run(evidence_store.update)
    arguments = ("B-T1-20", "--set", "cargo=miR-21", "--note", "see 106", "--author", "Ada", "--correct-packaged")
    assert "'miR-22' to 'miR-21'. see 106" in run(evidence_store.correct, *arguments)
    said = run(evidence_store.resolve, "review-b/table-1", "B-T1-20", "--note", "corrected")
    assert "doubt about review-b/table-1 B-T1-20 resolved: corrected" in said
    with pytest.raises(StoreError, match="expected COLUMN=TEXT"):
        run(evidence_store.correct, "B-T1-20", "--set", "cargo", "--note", "x")


def test_too_many_claims_are_refused_not_cut(packaged_store, monkeypatch):
    from vesicula.evidence import balance, near

    every = packaged_store.query(Question())
    assert tuple(packaged_store.stream(Question())) == every.claims
    monkeypatch.setattr(store_module, "STREAMED", 7)
    assert tuple(packaged_store.stream(Question(limit=10))) == every.claims[:10]
    assert packaged_store.count(Question()) == len(every.claims)
    monkeypatch.setattr(store_module, "MOST_CLAIMS", 5)
    with pytest.raises(StoreError, match="more than 5 claims answer this"):
        packaged_store.query(Question())
    assert packaged_store.query(Question(limit=6)).truncated
    monkeypatch.setattr(balance, "MOST_BALANCED", 3)
    with pytest.raises(StoreError, match="more than 3 claims about tumours"):
        balance.tumour_balance(packaged_store)
    monkeypatch.setattr(near, "MOST_NEAR", 1)
    with pytest.raises(StoreError, match="more than 1 claims are around 'miR-222'"):
        packaged_store.claims_near(molecule="miR-222")


def test_the_claims_near_a_name_are_what_its_graph_needs(store, lab_csv):
    from vesicula.mechanism.graph import build_graph
    from vesicula.mechanism.paths import paths

    add_file(
        store,
        lab_csv(
            {"record_id": "L-1"},
            {"record_id": "L-2", "direction": "PTEN:up", "condition": "asthma", "condition_class": "lung"},
            {"record_id": "L-3", "effect_class": "harmful", "target": "TP53", "direction": ""},
            {"record_id": "L-4", "cargo": "miR-9999", "target": "TP53", "direction": ""},
        ),
    )
    whole = store.query(Question())
    graph = build_graph(whole.claims, version=whole.version)
    asked = [{"molecule": name} for name in ("PTEN", "miR-21", "miR-222")] + [{"condition": "acute kidney injury"}]
    for names in (*asked, {"molecule": "PTEN", "condition": "asthma"}):
        near = store.claims_near(**names)
        assert near.not_compared == near.unmatched == ()
        small = build_graph(near.claims, version=near.version)
        expected = [(p.sentence, p.contradicted_by) for p in paths(graph, **names, limit=None)]
        assert [(p.sentence, p.contradicted_by) for p in paths(small, **names, limit=None)] == expected
        assert expected
    asthma = store.claims_near(molecule="PTEN", condition="asthma")
    assert asthma.asked == ("L-2",)
    # The opposite direction of the same pair in another condition; not the one with neither.
    assert "L-1" in [c.record_id for c in asthma.claims]
    assert "L-4" not in [c.record_id for c in asthma.claims]
    assert store.claims_near(molecule="no such").unmatched == ("'no such' is not in the store",)
    with pytest.raises(StoreError, match="name a molecule or a condition"):
        store.claims_near()


def test_an_import_says_how_far_it_is(store, lab_csv, monkeypatch, capsys):
    from vesicula.evidence import writer

    monkeypatch.setattr(writer, "CHUNK", 2)
    told = []
    add_file(
        store, lab_csv(*({"record_id": f"L-{i}"} for i in range(5))), progress=lambda done, of: told.append((done, of))
    )
    assert told == [(2, 5), (4, 5), (5, 5)]
    quiet = evidence_store.progress()
    quiet(5, 5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(evidence_store, "QUIET_S", 0.0)
    evidence_store.progress()(5, 5)
    assert capsys.readouterr().err.startswith("5 of 5 claims written")


@pytest.fixture
def small_tablespace(postgresql_server, tmp_path_factory):
    """A database on a file system of 28 MiB; the server's log of changes is elsewhere."""
    import os
    import shutil
    import tempfile
    from pathlib import Path

    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="vesicula-ts-"))
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a small file system can be mounted by root alone")
    options = "size=28m,mode=0700,uid=postgres" if shutil.which("runuser") else "size=28m"
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    try:
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            shutil.chown(folder, "postgres", "postgres")
            connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
            connection.execute("CREATE DATABASE small TABLESPACE small")
            try:
                yield postgresql_server.replace("@/postgres?", "@/small?"), folder
            finally:
                connection.execute("DROP DATABASE small WITH (FORCE)")
                connection.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_a_full_disk_under_postgresql(small_tablespace, lab_csv):
    target, folder = small_tablespace
    path = lab_csv(*({"record_id": f"L-{i}", "notes": f"note {i} " + "long " * 60} for i in range(12_000)))
    with open_store(target) as opened:
        before = everything(opened)
        with pytest.raises(StoreError) as caught:
            add_file(opened, path)
        assert "nothing was changed" in str(caught.value)
        assert "make room" in str(caught.value)
        assert everything(opened) == before
    # Room is made: the store opens, nothing of the import is there, and the same file goes in.
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
    with open_store(target) as opened:
        assert everything(opened) == before
        assert add_file(opened, path).revision.claims == 12_000
        assert opened.count(Question(source="lab-x")) == 12_000
