"""Writing: everything or nothing, the same bytes twice, bounded memory, nobody's files lost."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from vesicula.core.assessment import Assessment, FileRecord
from vesicula.core.errors import DossierError
from vesicula.dossier.read import check_files
from vesicula.dossier.writer import write

DATE = "2026-11-21T08:00:00+00:00"


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_writes_every_part_and_nothing_else(assessment: Assessment, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = write(assessment, tmp_path / "d", progress=lambda done, total: seen.append((done, total)))
    assert names(paths.folder) == {
        "dossier.html", "findings.json", "findings.schema.json", "findings.parquet", "distributions.parquet",
        "peaks.parquet", "files.parquet", "batches.parquet",
        "cargo_molecules.parquet", "cargo_pathways.parquet", "cargo_categories.parquet", "cargo_claims.parquet",
        "evidence.parquet", "ro-crate-metadata.json", "manifest-sha256.txt",
    }  # fmt: skip
    assert {p.name for p in paths.folder.parent.iterdir()} == {"d"}
    assert all(p.is_file() for p in (paths.html, paths.findings, paths.schema, paths.crate, paths.manifest))
    assert all(p.is_file() for p in paths.tables.values())
    assert paths.inputs is None
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_equal_analyses_give_equal_bytes_and_time_stands_in_the_crate_alone(
    synthetic: Callable[[int], Assessment], tmp_path: Path
) -> None:
    first = write(synthetic(60), tmp_path / "a", date_published=DATE)
    second = write(synthetic(60), tmp_path / "b", date_published="2031-01-01T00:00:00+00:00")
    differing = {n for n in names(first.folder) if (first.folder / n).read_bytes() != (second.folder / n).read_bytes()}
    assert differing == {"ro-crate-metadata.json", "manifest-sha256.txt"}


def test_tables_hold_every_number(assessment: Assessment, tmp_path: Path) -> None:
    paths = write(assessment, tmp_path / "d")
    findings = [f for b in assessment.batches for f in b.findings]
    table = pl.read_parquet(paths.tables["findings"])
    assert table.equals(assessment.findings_table())
    assert table.height == len(findings) > 150
    curves = pl.read_parquet(paths.tables["distributions"])
    distributions = [d for b in assessment.batches for d in b.distributions]
    assert curves.filter(pl.col("view") == "binned").height == sum(len(d.bin_low_nm) for d in distributions)
    one = distributions[3]
    back = curves.filter(
        (pl.col("view") == "smoothed") & (pl.col("batch") == "B1") & (pl.col("label") == one.label)
        & (pl.col("replicate") == one.replicate) & (pl.col("level") == one.level)
    )  # fmt: skip
    assert tuple(back["diameter_nm"]) == one.smoothed_diameter_nm
    assert tuple(back["concentration_per_ml_per_nm"]) == one.smoothed_per_ml_per_nm
    batches = pl.read_parquet(paths.tables["batches"])
    assert batches["tissue"].to_list() == ["umbilical cord", "bone marrow", "iPSC-derived"]
    assert batches["findings_not_measured"].to_list() == [2, 1, 2]
    files = pl.read_parquet(paths.tables["files"])
    assert files["status"].to_list() == ["read", "read", "read", "unreadable", "empty"]


def test_a_study_without_curves_still_has_its_tables(assessment: Assessment, tmp_path: Path) -> None:
    failed = dataclasses.replace(assessment, batches=assessment.batches[2:])
    paths = write(failed, tmp_path / "d")
    assert pl.read_parquet(paths.tables["distributions"]).height == 0
    assert "bin_low_nm" in pl.read_parquet(paths.tables["distributions"]).columns
    empty = write(dataclasses.replace(assessment, batches=()), tmp_path / "e")
    assert pl.read_parquet(empty.tables["findings"]).height == 0
    assert json.loads(empty.findings.read_text(encoding="utf-8"))["batches"] == []


def test_inputs_are_copied_with_the_hash_that_the_analysis_saw(
    assessment: Assessment, study_folder: Path, tmp_path: Path
) -> None:
    paths = write(assessment, tmp_path / "d", inputs=study_folder)
    assert paths.inputs is not None
    expected = {r.path for b in assessment.batches for r in b.files} | {"study.yaml"}
    assert names(paths.inputs) == expected
    assert all((paths.inputs / n).read_bytes() == (study_folder / n).read_bytes() for n in expected)
    assert check_files(paths.folder) == []
    assert "lie in the folder inputs/" in paths.html.read_text(encoding="utf-8")


def test_inputs_above_the_limit_are_left_out_and_that_is_said(
    assessment: Assessment, study_folder: Path, tmp_path: Path
) -> None:
    paths = write(assessment, tmp_path / "d", inputs=study_folder, max_inputs_bytes=1000)
    assert paths.inputs is None
    assert not (paths.folder / "inputs").exists()
    assert "exceed the limit" in paths.html.read_text(encoding="utf-8")


def test_a_changed_input_stops_the_dossier(assessment: Assessment, study_folder: Path, tmp_path: Path) -> None:
    (study_folder / "raw/B1_F1_load1.csv").write_text("tampered", encoding="utf-8")
    with pytest.raises(DossierError, match=r"B1_F1_load1\.csv: changed since the analysis"):
        write(assessment, tmp_path / "out" / "d", inputs=study_folder)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/hostname", "raw/link.csv", "C:/x.csv", "raw\\..\\x", "a\nb"])
def test_no_file_outside_the_study_is_copied(
    assessment: Assessment, study_folder: Path, tmp_path: Path, path: str
) -> None:
    secret = study_folder.parent / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    (study_folder / "raw/link.csv").symlink_to(secret)
    record = FileRecord(path=path, sha256="0" * 64, size_bytes=6, status="read")
    batch = dataclasses.replace(assessment.batches[0], files=(record,))
    with pytest.raises(DossierError, match="lies outside"):
        write(dataclasses.replace(assessment, batches=(batch,)), tmp_path / "out" / "d", inputs=study_folder)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_older_dossier_is_replaced_only_on_request(assessment: Assessment, tmp_path: Path) -> None:
    write(assessment, tmp_path / "d", date_published="2020-01-01")
    with pytest.raises(DossierError, match="stands there already"):
        write(assessment, tmp_path / "d")
    paths = write(assessment, tmp_path / "d", overwrite=True, date_published=DATE)
    assert DATE in paths.crate.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_an_empty_folder_is_filled(assessment: Assessment, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert write(assessment, tmp_path / "d").html.is_file()


def _thesis(folder: Path) -> None:
    (folder / "thesis.docx").write_text("years of work", encoding="utf-8")


def _other_crate(folder: Path) -> None:
    (folder / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "./"}]}', encoding="utf-8")
    (folder / "manifest-sha256.txt").write_text("", encoding="utf-8")


@pytest.mark.parametrize("fill", [_thesis, _other_crate])
def test_a_folder_of_the_user_is_never_touched(
    assessment: Assessment, tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    fill(folder)
    before = {n: (folder / n).read_bytes() for n in names(folder)}
    with pytest.raises(DossierError, match="is left alone"):
        write(assessment, folder, overwrite=True)
    assert {n: (folder / n).read_bytes() for n in names(folder)} == before


def test_a_file_added_to_a_dossier_by_the_user_is_never_deleted(assessment: Assessment, tmp_path: Path) -> None:
    folder = write(assessment, tmp_path / "d").folder
    (folder / "my notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DossierError, match=r"my notes\.txt.*left alone"):
        write(assessment, folder, overwrite=True)
    assert (folder / "my notes.txt").read_text(encoding="utf-8") == "mine"


def test_what_a_file_manager_left_does_not_count(assessment: Assessment, tmp_path: Path) -> None:
    folder = write(assessment, tmp_path / "d").folder
    (folder / ".DS_Store").write_bytes(b"\x00")
    assert write(assessment, folder, overwrite=True).html.is_file()
    assert not (folder / ".DS_Store").exists()


def test_a_symbolic_link_is_no_place_for_a_dossier(assessment: Assessment, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "d").symlink_to(tmp_path / "real")
    with pytest.raises(DossierError, match="is not a folder"):
        write(assessment, tmp_path / "d", overwrite=True)


def test_a_number_that_is_no_number_is_refused(assessment: Assessment, tmp_path: Path) -> None:
    batch = assessment.batches[0]
    first = batch.findings[0]
    assert first.estimate is not None
    broken = dataclasses.replace(first, estimate=dataclasses.replace(first.estimate, value=float("nan")))
    bad = dataclasses.replace(batch, findings=(broken, *batch.findings[1:]))
    with pytest.raises(DossierError, match="do not fit the published schema"):
        write(dataclasses.replace(assessment, batches=(bad,)), tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
from vesicula.dossier import staging, writer
where = sys.argv[3]
kill = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
if where == "batch":
    progress = lambda done, total: kill() if done == 30 else None
elif where == "before the renames":
    progress, staging._swap = None, kill
else:
    def half(work, folder):
        folder.rename(folder.parent / f".{folder.name}.vesicula-old-{os.getpid()}-0000")
        kill()
    progress, staging._swap = None, half
template = made.make_batch("B1")
writer.write(made.make_assessment(made.LazyBatches(45, template)), sys.argv[2], overwrite=True, progress=progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("where", ["batch", "before the renames", "between the renames"])
def test_a_killed_run_leaves_nothing_half_written(assessment: Assessment, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "d"
    write(assessment, folder, date_published=DATE)
    before = {n: (folder / n).read_bytes() for n in names(folder)}
    made = Path(__file__).with_name("conftest.py")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(made), str(folder), where]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    if where != "between the renames":
        assert {n: (folder / n).read_bytes() for n in names(folder)} == before
    with pytest.raises(DossierError, match="stands there already"):  # the next run first restores what was set aside
        write(assessment, folder)
    assert {n: (folder / n).read_bytes() for n in names(folder)} == before
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


MEMORY = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
from vesicula.dossier.writer import write
write(made.make_assessment(made.LazyBatches(int(sys.argv[3]), made.make_batch("B1"))), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_a_thousand_batches_stay_in_bounded_memory(tmp_path: Path) -> None:
    made = Path(__file__).with_name("conftest.py")

    def peak_mb(n: int) -> float:
        folder = tmp_path / str(n)
        command = [sys.executable, "-c", MEMORY, str(made), str(folder), str(n)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        shutil.rmtree(folder)
        return float(out) / 1024

    # 900 batches more hold 90 MB of findings.json and 12 million numbers: kept whole, they would need gigabytes.
    assert peak_mb(1000) - peak_mb(100) < 150


def test_batches_are_read_once(synthetic: Callable[[int], Assessment], tmp_path: Path) -> None:
    study = synthetic(45)
    write(study, tmp_path / "d")
    assert study.batches.made == 45  # type: ignore[attr-defined]


def test_a_large_study_stays_small_and_says_what_it_leaves_out(
    synthetic: Callable[[int], Assessment], tmp_path: Path
) -> None:
    one = write(synthetic(41), tmp_path / "a").html.stat().st_size
    two = write(synthetic(141), tmp_path / "b")
    assert (two.html.stat().st_size - one) / 100 < 16_000
    page = two.html.read_text(encoding="utf-8")
    assert page.count('<details class="lazy"') == 141
    assert re.search(r"\d+ findings about loads and captures are in findings\.json", page)
    assert "pooled curves only" in page
