"""Verification finds whatever was changed, in any part of a dossier."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import vesicula


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dossier with its inputs."""
    folder = tmp_path_factory.mktemp("verify")
    data = Path(__file__).parents[1] / "data" / "nanosight"
    study = folder / "study"
    study.mkdir()
    shutil.copyfile(data / "beads2.csv", study / "beads2.csv")
    (study / "study.yaml").write_text(
        "vesicula: 1\nstudy: {title: V}\nbatches:\n"
        "- id: A\n  samples:\n  - id: S\n    measurements:\n    - files: [beads2.csv]\n"
    )
    loaded = vesicula.Study.load(study)
    return vesicula.write_dossier(loaded.analyse(), folder / "dossier", inputs=study).folder


@pytest.fixture
def dossier(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "dossier"))


def rehash(dossier: Path) -> None:
    """Bring the lists of hashes up to date, as a careful forger would."""
    import hashlib

    manifest = dossier / "manifest-sha256.txt"
    paths = [line.partition("  ")[2] for line in manifest.read_text().splitlines()]
    crate = dossier / "ro-crate-metadata.json"
    document = json.loads(crate.read_text())
    for entity in document["@graph"]:
        if "sha256" in entity and (dossier / entity["@id"]).is_file():
            entity["sha256"] = hashlib.sha256((dossier / entity["@id"]).read_bytes()).hexdigest()
    crate.write_text(json.dumps(document))
    digests = {p: hashlib.sha256((dossier / p).read_bytes()).hexdigest() for p in paths}
    manifest.write_text("".join(f"{digest}  {path}\n" for path, digest in digests.items()))


def test_untouched_it_holds(dossier: Path) -> None:
    report = vesicula.verify_dossier(dossier)
    assert report.holds, report.problems
    assert report.findings > 50


def test_it_holds_elsewhere(dossier: Path, tmp_path: Path) -> None:
    moved = tmp_path / "another place" / "d"
    moved.parent.mkdir()
    dossier.rename(moved)
    assert vesicula.verify_dossier(moved).holds


@pytest.mark.parametrize("careful", [False, True], ids=["careless", "careful"])
@pytest.mark.parametrize(
    "part", ["findings.json", "findings.parquet", "distributions.parquet", "dossier.html", "input"]
)
def test_a_forged_part_is_found(dossier: Path, part: str, *, careful: bool) -> None:
    if part == "input":
        path = dossier / "inputs" / "beads2.csv"
        path.write_bytes(
            path.read_bytes().replace(
                b"Concentration (Particles / ml),5.91e+12", b"Concentration (Particles / ml),5.92e+12"
            )
        )
    elif part.endswith(".parquet"):
        frame = pl.read_parquet(dossier / part)
        column = "value" if "value" in frame.columns else next(c for c, t in frame.schema.items() if t == pl.Float64)
        frame.with_columns(pl.col(column) * 1.001).write_parquet(dossier / part)
    else:
        path = dossier / part
        text = path.read_text(encoding="utf-8")
        assert "101.5" in text
        path.write_text(text.replace("101.5", "100.0"), encoding="utf-8")
    if careful:
        rehash(dossier)
    report = vesicula.verify_dossier(dossier)
    assert not report.holds
    assert report.problems


def test_without_inputs_it_asks_for_the_study(dossier: Path, original: Path) -> None:
    shutil.rmtree(dossier / "inputs")
    report = vesicula.verify_dossier(dossier)
    assert not report.holds
    assert any("--study" in p for p in report.problems)
    with_study = vesicula.verify_dossier(dossier, study=original / "inputs")
    assert with_study.recomputed
    assert all("inputs/" in p for p in with_study.problems), with_study.problems


def test_not_a_dossier(tmp_path: Path) -> None:
    with pytest.raises(vesicula.VesiculaError, match="dossier"):
        vesicula.verify_dossier(tmp_path)
