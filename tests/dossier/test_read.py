"""Verifying: what was changed, removed or added is found."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vesicula.core.assessment import Assessment
from vesicula.core.errors import DossierError
from vesicula.dossier.read import Problem, check_files
from vesicula.dossier.writer import write


@pytest.fixture
def folder(assessment: Assessment, study_folder: Path, tmp_path: Path) -> Path:
    return write(assessment, tmp_path / "d", inputs=study_folder).folder


def found(folder: Path) -> set[tuple[str, str]]:
    return {(p.path, p.kind) for p in check_files(folder)}


def test_an_untouched_dossier_holds(folder: Path) -> None:
    assert check_files(folder) == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_manifest_is_what_sha256sum_reads(folder: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "manifest-sha256.txt"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(b": OK") == sum(p.is_file() for p in folder.rglob("*")) - 1


def _change(folder: Path) -> None:
    text = (folder / "findings.json").read_text(encoding="utf-8")
    changed = text.replace('"verdict":"not met"', '"verdict":"met"').replace('"verdict":"undecided"', '"verdict":"met"')
    assert changed != text
    (folder / "findings.json").write_text(changed, encoding="utf-8")


def _change_input(folder: Path) -> None:
    (folder / "inputs/raw/B1_F1_load1.csv").write_text("x", encoding="utf-8")


def _remove(folder: Path) -> None:
    (folder / "peaks.parquet").unlink()


def _add(folder: Path) -> None:
    (folder / "inputs/extra.csv").write_text("x", encoding="utf-8")


def _add_link(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")


def _swap_for_link(folder: Path) -> None:
    copy = folder.parent / "outside.html"
    shutil.copy(folder / "dossier.html", copy)
    (folder / "dossier.html").unlink()
    (folder / "dossier.html").symlink_to(copy)


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (_change, ("findings.json", "changed")),
        (_change_input, ("inputs/raw/B1_F1_load1.csv", "changed")),
        (_remove, ("peaks.parquet", "missing")),
        (_add, ("inputs/extra.csv", "unlisted")),
        (_add_link, ("link", "unlisted")),
        (_swap_for_link, ("dossier.html", "malformed")),
    ],
)
def test_tampering_is_found(folder: Path, tamper: Callable[[Path], None], expected: tuple[str, str]) -> None:
    tamper(folder)
    assert expected in found(folder)


def test_a_change_with_the_manifest_mended_is_found_by_the_crate(folder: Path) -> None:
    _change(folder)
    new = hashlib.sha256((folder / "findings.json").read_bytes()).hexdigest()
    lines = (folder / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines()
    mended = [f"{new}  findings.json" if line.endswith("  findings.json") else line for line in lines]
    (folder / "manifest-sha256.txt").write_text("\n".join(mended) + "\n", encoding="utf-8")
    assert check_files(folder) == [
        Problem(path="findings.json", kind="changed",
                message="findings.json is not the file whose hash stands in ro-crate-metadata.json")
    ]  # fmt: skip


def test_a_manifest_cannot_point_outside(folder: Path) -> None:
    with (folder / "manifest-sha256.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{'0' * 64}  ../../etc/passwd\nnonsense\n")
    assert {("../../etc/passwd", "malformed"), ("manifest-sha256.txt", "malformed")} <= found(folder)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"@graph": 1}', '{"@graph": [{"@type": "File", "sha256": 1, "@id": 2}]}', "[" * 5]
)
def test_a_broken_crate_is_a_problem_and_no_crash(folder: Path, content: str) -> None:
    (folder / "ro-crate-metadata.json").write_text(content, encoding="utf-8")
    assert ("ro-crate-metadata.json", "malformed") in found(folder)
    assert ("ro-crate-metadata.json", "changed") in found(folder)


def test_a_folder_that_is_no_dossier_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DossierError, match=r"has no readable manifest-sha256\.txt"):
        check_files(tmp_path)


def test_the_crate_names_the_hash_of_every_file_but_its_own(folder: Path) -> None:
    graph = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    hashed = {e["@id"] for e in graph if "sha256" in e and e["@type"] == "File"}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert hashed == present - {"ro-crate-metadata.json", "manifest-sha256.txt"}
