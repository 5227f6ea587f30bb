"""A batch's cargo tables in the dossier: inputs like others, findings with rows cited, bad tables refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from vesicula.assess.study import AnalysisSettings, EvidenceSettings, Study
from vesicula.core.assessment import Assessment, BatchAssessment
from vesicula.core.errors import ManifestError
from vesicula.core.finding import Finding, Verdict
from vesicula.dossier.writer import write
from vesicula.manifest.check import check_study

GENES = [
    "CD9",
    "CD63",
    "CD81",
    "PDCD6IP",
    "TSG101",
    "SDCBP",
    "FLOT1",
    "HGF",
    "VEGFA",
    "ALB",
    "APOB",
    "ACTB",
    "GAPDH",
    "ANXA2",
    "HSPA8",
    "ITGB1",
]


@pytest.fixture(autouse=True)
def no_store_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VESICULA_EVIDENCE", str(tmp_path / "none" / "evidence.sqlite"))


@pytest.fixture
def study_with(study_folder: Path):
    def build(**tables: str) -> Path:
        for name, text in tables.items():
            (study_folder / f"{name}.tsv").write_text(text, encoding="utf-8")
        names = ", ".join(f"{n}.tsv" for n in tables)
        path = study_folder / "study.yaml"
        path.write_text(path.read_text().replace("  - id: A\n", f"  - id: A\n    cargo_tables: [{names}]\n"))
        return study_folder

    return build


def proteins() -> str:
    rows = [f"{g}\t{2000 - 90 * i}\t{1900 - 80 * i}\t{2100 - 85 * i}" for i, g in enumerate(GENES)]
    return "\n".join(["gene\ts1\ts2\ts3", *rows]) + "\n"


def analyse(folder: Path, store: str | None = None) -> Assessment:
    settings = AnalysisSettings(evidence=EvidenceSettings(store=store) if store else EvidenceSettings())
    return Study.load(folder).analyse(settings=settings, workers=1)


def cargo(batch: BatchAssessment) -> dict[str, Finding]:
    return {f.id.split("/cargo/")[1]: f for f in batch.findings if f.topic == "cargo"}


def test_a_protein_table_is_judged_and_its_claims_cite_rows(study_with) -> None:
    batch = analyse(study_with(proteome=proteins())).batches[0]
    found = cargo(batch)
    assert "16 proteins measured in 3 samples" in found["proteome.tsv/found"].statement
    assert found["proteome.tsv/top"].statement.startswith("Most abundant (4): CD9, CD63, CD81, PDCD6IP")
    for sample in ("s1", "s2", "s3"):
        assert found[f"proteome.tsv/misev/{sample}"].verdict is Verdict.MET
    hgf = found["proteome.tsv/claims/HGF"]
    assert any(c.text.startswith("B-T1-19:") for c in hgf.citations)
    assert "B-T1-19" in hgf.statement
    assert "proteome.tsv/claims/VEGFA" not in found, "claims print VEGF, a family"
    record = next(f for f in batch.files if f.path == "proteome.tsv")
    assert record.status == "read"
    assert all(f.inputs[0].sha256 == record.sha256 for f in found.values())


def test_table_is_an_input_of_the_dossier(study_with, tmp_path: Path) -> None:
    folder = study_with(proteome=proteins())
    paths = write(analyse(folder), tmp_path / "dossier", inputs=folder)
    assert (tmp_path / "dossier" / "inputs" / "proteome.tsv").read_text() == proteins()
    page = paths.html.read_text(encoding="utf-8")
    assert "Cargo on the tumour balance" in page
    assert "proteome.tsv" in pl.read_parquet(paths.tables["files"])["path"].to_list()
    crate = json.loads(paths.crate.read_text(encoding="utf-8"))["@graph"]
    assert any(e["@id"] == "inputs/proteome.tsv" for e in crate)


@pytest.mark.parametrize("text", ["", "gene\ts1\n", "gene\tlogFC\nCD9\toops\nCD63\t1\n", "name\nx1\nx2\n"])
def test_a_bad_table_is_a_refused_finding_and_no_broken_dossier(study_with, tmp_path: Path, text: str) -> None:
    folder = study_with(bad=text, proteome=proteins())
    batch = analyse(folder, "none").batches[0]
    record = next(f for f in batch.files if f.path == "bad.tsv")
    assert record.status == "unreadable"
    assert record.error
    refused = next(f for f in batch.findings if f.id == "A/cargo/bad.tsv/file")
    assert refused.verdict is Verdict.NOT_MEASURED
    assert "Could not be used" in refused.statement
    assert "proteome.tsv/found" in cargo(batch)
    assert write(analyse(folder, "none"), tmp_path / "dossier", inputs=folder).html.is_file()


def test_without_a_store_nothing_is_claimed(study_with) -> None:
    found = cargo(analyse(study_with(proteome=proteins()), "none").batches[0])
    assert not [k for k in found if "claims" in k or "balance" in k]


def test_a_changed_table_is_analysed_again(study_with) -> None:
    folder = study_with(proteome=proteins())
    before = analyse(folder, "none").batches[0].key
    assert analyse(folder, "none").batches[0].key == before
    (folder / "proteome.tsv").write_text(proteins().replace("2000", "2500"))
    assert analyse(folder, "none").batches[0].key != before


def test_check_knows_cargo_tables(study_with) -> None:
    folder = study_with(bad="gene\tlogFC\nCD9\toops\nCD63\t1\n")
    problems = [p.message for p in check_study(folder).problems]
    assert any("cargo table 'bad.tsv' cannot be read" in m for m in problems)
    assert not any("'bad.tsv' is in the folder but listed nowhere" in m for m in problems)
    (folder / "bad.tsv").unlink()
    assert any("bad.tsv" in p.message and p.severity == "error" for p in check_study(folder).problems)


def test_a_table_listed_twice_is_refused(study_with) -> None:
    folder = study_with(proteome=proteins())
    path = folder / "study.yaml"
    path.write_text(path.read_text().replace("[proteome.tsv]", "[proteome.tsv, proteome.tsv]"))
    with pytest.raises(ManifestError, match=r"proteome\.tsv"):
        Study.load(folder)
