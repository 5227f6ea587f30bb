"""A batch beside the evidence store: what is matched, what is said, what is cited, what enters the key."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path

import pytest

from vesicula.assess.evidence_match import canonical, isolation_of
from vesicula.assess.study import AnalysisSettings, EvidenceSettings, Study
from vesicula.core.assessment import Assessment, BatchAssessment
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Finding, Verdict
from vesicula.core.placement import EvidencePlacement
from vesicula.core.study import IsolationStep
from vesicula.dossier.writer import write
from vesicula.evidence.store import open_store

STATED = """    cell_source: {tissue: bone marrow MSC}
    isolation:
      - {method: centrifugation, relative_centrifugal_force_g: 2000}
      - {method: ultracentrifugation, relative_centrifugal_force_g: 100000}
    indication: acute kidney injury
    cargo: [miR-222]
"""


@pytest.fixture(autouse=True)
def no_store_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VESICULA_EVIDENCE", str(tmp_path / "none" / "evidence.sqlite"))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    text = (files("vesicula.data") / "evidence" / "studies.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def state(folder: Path, text: str) -> None:
    path = folder / "study.yaml"
    path.write_text(path.read_text().replace("  - id: A\n", f"  - id: A\n{text}"))


def analyse(folder: Path, **settings: str) -> Assessment:
    return Study.load(folder).analyse(settings=AnalysisSettings(evidence=EvidenceSettings(**settings)))


def placed(batch: BatchAssessment) -> EvidencePlacement:
    assert batch.evidence is not None
    return batch.evidence


def evidence(batch: BatchAssessment) -> dict[str, Finding]:
    return {f.id.split("/evidence/")[1]: f for f in batch.findings if f.topic == "evidence"}


def test_counts_are_those_of_the_packaged_table(study_folder: Path, rows: list[dict[str, str]]) -> None:
    state(study_folder, STATED)
    batch = analyse(study_folder).batches[0]
    found = evidence(batch)
    same = [r for r in rows if "BM-MSC" in r["cell_source"].split(";") and r["product"] in {"exosome", "EV", "MV"}]
    spun = [r for r in same if r["isolation_method"] == "ultracentrifugation"]
    silent = sum(r["isolation_method"] == "not reported" for r in same)
    assert found["source"].statement.startswith(f"{len(same)} claims about vesicles of BM-MSC, any isolation")
    assert f"{len(spun)} of {len(same)} rows by the same class of isolation" in found["isolation"].statement
    assert f"Isolation is not reported in {silent} of {len(same)} rows" in found["isolation"].statement
    assert "this batch: 100000 × g" in found["isolation"].statement
    cited = {c.text.partition(":")[0] for c in found["isolation"].citations}
    assert cited == {r["record_id"] for r in spun}


def test_generic_msc_rows_are_not_the_same_source(study_folder: Path) -> None:
    state(study_folder, STATED)
    placement = placed(analyse(study_folder).batches[0])
    same = [c for c in placement.claims if "same source" in c.relations]
    assert same
    assert all("BM-MSC" in c.cell_source.split(";") for c in same)
    assert "Rows that only say MSC" in placement.matching[0]
    assert "taken for BM-MSC" in placement.matching[0]


def test_the_tumour_balance_has_two_sides_with_study_types(study_folder: Path, rows: list[dict[str, str]]) -> None:
    state(study_folder, STATED)
    placement = placed(analyse(study_folder).batches[0])
    of_source, of_cargo = placement.balances
    table = [r for r in rows if "BM-MSC" in r["cell_source"].split(";") and r["condition_class"] == "cancer"]
    assert set(of_source.promoting) == {r["record_id"] for r in table if r["effect_class"] == "tumour-promoting"}
    against = {"tumour-inhibiting", "anti-angiogenic"}
    assert set(of_source.inhibiting) == {r["record_id"] for r in table if r["effect_class"] in against}
    assert sum(c.count for c in of_source.counts) == len(of_source.promoting) + len(of_source.inhibiting)
    assert "The claims conflict in breast cancer." in of_source.sentence
    # B-X-13 gave an antagomir: it stands on its side, and says that it speaks for the other.
    inverse = next(c for c in placement.claims if c.record_id == "B-X-13")
    assert "B-X-13" in of_cargo.inhibiting
    assert any("an inhibitor of it was carried" in d for d in inverse.doubts)


def test_literature_is_no_verdict_and_cites_its_doubts(study_folder: Path) -> None:
    state(study_folder, STATED)
    batch = analyse(study_folder).batches[0]
    findings = evidence(batch)
    assert {f.verdict for f in findings.values()} == {Verdict.NOT_JUDGED}
    assert not any(f.headline for f in findings.values())
    citation = next(c for c in findings["source"].citations if c.text.startswith("B-T1-02:"))
    assert citation.text == "B-T1-02: Ju 2015, in vivo"
    assert "numbering off" in citation.note
    method = findings["source"].method
    assert method is not None
    assert method.parameters["store_version"] == placed(batch).store_version


def test_nothing_that_matches_is_said_with_the_nearest(study_folder: Path) -> None:
    state(study_folder, "    cell_source: {tissue: tonsil MSC}\n    indication: moon sickness\n")
    findings = evidence(analyse(study_folder).batches[0])
    assert findings["source"].statement.startswith("No claim about vesicles of tonsil MSC. Nearest words")
    assert findings["condition"].statement.startswith("No claim for moon sickness.")
    assert findings["trials"].statement.startswith("None of ")
    assert "not the same as a claim of no effect" in findings["tumour-source"].statement
    assert all(not f.citations for f in findings.values())


def test_a_batch_that_states_nothing_opens_no_store(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESICULA_EVIDENCE", "postgresql://nobody@localhost:1/none")
    assessment = analyse(study_folder)
    assert evidence(assessment.batches[0])["none"].statement.startswith("The manifest states no cell source")
    assert assessment.parameters["evidence"] == {"store_version": "not asked"}


def test_the_store_version_is_recorded_and_enters_the_key(study_folder: Path, tmp_path: Path) -> None:
    state(study_folder, STATED)
    now, before = analyse(study_folder), analyse(study_folder, as_of="1")
    off = analyse(study_folder, store="none")
    assert len({a.batches[0].key for a in (now, before, off)}) == 3
    with open_store(tmp_path / "own.sqlite") as store:
        assert now.parameters["evidence"] == {"store_version": store.version()}
        assert before.parameters["evidence"] == {"store_version": store.version(1)}
    named = analyse(study_folder, store=str(tmp_path / "own.sqlite"))
    assert named.batches[0].key == now.batches[0].key
    assert off.batches[0].evidence is None
    assert not evidence(off.batches[0])
    again = AnalysisSettings.from_parameters(now.parameters)
    assert Study.load(study_folder).analyse(settings=again).batches[0].key == now.batches[0].key
    # The atlas is the second revision: its trials are unknown to the first.
    assert len(placed(before.batches[0]).trials) < len(placed(now.batches[0]).trials)
    assert not (tmp_path / "none").exists(), "an analysis makes no store of the user's"


@pytest.mark.parametrize(
    ("settings", "said"), [({"as_of": "99-none"}, "99-none"), ({"store": "missing.sqlite"}, "missing")]
)
def test_a_store_or_version_that_is_not_there_is_one_clear_error(
    study_folder: Path, settings: dict[str, str], said: str
) -> None:
    state(study_folder, STATED)
    with pytest.raises(AnalysisError, match=said):
        analyse(study_folder, **settings)


def test_the_page_shows_both_sides_rows_and_doubts(study_folder: Path, tmp_path: Path) -> None:
    import polars as pl

    state(study_folder, STATED)
    assessment = analyse(study_folder)
    paths = write(assessment, tmp_path / "d")
    page = paths.html.read_text(encoding="utf-8")
    assert "What the literature says of batches like this" in page
    assert "Tumours, BM-MSC: both sides" in page
    assert page.index("Promoting: ") < page.index("Inhibiting: ")
    placement = placed(assessment.batches[0])
    for i, claim in enumerate(placement.claims, 1):
        assert page.count(f'id="b1e{i}"') == 1, claim.record_id
    assert "Doubt: ref 89 is a kidney study" in page
    table = pl.read_parquet(paths.tables["evidence"]).filter(pl.col("batch") == "A")
    assert table.filter(pl.col("kind") == "claim")["row"].to_list() == [c.record_id for c in placement.claims]
    assert set(table["store_version"]) == {placement.store_version}
    document = json.loads(paths.findings.read_bytes())
    assert len(document["batches"][0]["evidence"]["claims"]) == len(placement.claims)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Bone Marrow Derived Mesenchymal Stem Cells (MSCs)", "BM-MSC"),
        ("Wharton Jelly Derived Mesenchymal Stem Cells (MSCs)", "WJ-MSC"),
        ("Mesenchymal Stem Cells (MSCs)", "MSC"),
        ("Human Embryonic Kidney Cells", "human embryonic kidney cells"),
    ],
)
def test_sources_as_registries_print_them(text: str, word: str) -> None:
    assert canonical("cell_source", text) == word


def test_clearing_steps_are_no_class_of_isolation() -> None:
    steps = [
        IsolationStep(method="filtration"),
        IsolationStep(method="ultracentrifugation", relative_centrifugal_force_g=120000),
    ]
    assert isolation_of(steps) == (("differential ultracentrifugation",), 120000)
    assert isolation_of(steps[:1]) == (("filtration",), None)
