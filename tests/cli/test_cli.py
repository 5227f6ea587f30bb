"""The command as a user types it: output, exit codes, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import polars as pl
import pytest

from vesicula.cli.main import COMMANDS

VESICULA = Path(sys.executable).with_name("vesicula")


def vesicula(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run([VESICULA, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result


def test_help_names_every_command() -> None:
    out = vesicula("--help").stdout
    assert all(name in out for name in COMMANDS)
    assert "Exit codes" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name: str) -> None:
    module, attribute, line = COMMANDS[name]
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert (command.help or "").splitlines()[0] == line
    assert line in vesicula(name, "--help").stdout.replace("\n  ", " ")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vesicula.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'scipy', 'polars', 'pydantic', 'rich', 'jinja2', 'msgspec'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_read_shows_the_captures(beads: tuple[Path, Path]) -> None:
    out = vesicula("read", beads[1]).stdout
    assert "NTA 3.4 Build 3.4.003" in out
    assert "stdv34_04" in out
    assert "5.91 × 10¹²" in out


def test_read_writes_json_csv_and_parquet(beads: tuple[Path, Path], tmp_path: Path) -> None:
    document = json.loads(vesicula("read", beads[1], "--json", "-").stdout)
    assert len(document["captures"]) == 5
    assert document["captures"][0]["vendor"]["vendor_mean_nm"] == 100.5
    vesicula("read", beads[1], "--csv", tmp_path / "c", "--parquet", tmp_path / "p")
    csv = pl.read_csv(tmp_path / "c" / "beads2.distribution.csv")
    parquet = pl.read_parquet(tmp_path / "p" / "beads2.distribution.parquet")
    assert csv.height == parquet.height == 5000
    assert parquet["concentration_per_ml"].sum() == pytest.approx(3.046e13, rel=1e-3)
    assert not list(tmp_path.rglob("*.part"))


def test_read_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    error = vesicula("read", tmp_path / "x.csv", code=1).stderr
    assert len(error.strip().splitlines()) == 1
    assert "x.csv" in error
    vesicula("read", tmp_path / "not-there.csv", code=1)
    vesicula("read", tmp_path, code=1)


def test_unknown_reader(beads: tuple[Path, Path]) -> None:
    assert "no reader is named" in vesicula("read", beads[0], "--reader", "nope", code=1).stderr


def test_run_check_and_verify(study_folder: Path) -> None:
    vesicula("check", study_folder)
    result = vesicula("run", study_folder, code=3)
    assert "1 file could not be read" in result.stderr
    dossier = study_folder / "dossier"
    assert str(dossier / "dossier.html") in result.stdout.replace("\n", "")
    assert "Mode diameter" in result.stdout
    assert "The dossier holds" in vesicula("verify", dossier).stdout
    again = vesicula("run", study_folder, code=3)
    assert "2 of 2 batches were unchanged" in again.stdout


def test_init_then_run_without_filling_in(tmp_path: Path, beads: tuple[Path, Path]) -> None:
    for path in beads:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    vesicula("init", tmp_path)
    assert "already" in vesicula("init", tmp_path, code=1).stderr
    vesicula("check", tmp_path)
    vesicula("run", tmp_path)
    assert (tmp_path / "dossier" / "dossier.html").is_file()


def test_run_without_a_manifest_writes_one(tmp_path: Path, beads: tuple[Path, Path]) -> None:
    (tmp_path / "beads2.csv").write_bytes(beads[1].read_bytes())
    assert "No study.yaml yet" in vesicula("run", tmp_path).stderr
    assert (tmp_path / "study.yaml").is_file()


def test_a_folder_without_an_export_is_an_error(tmp_path: Path) -> None:
    assert "lists no file to analyse" in vesicula("run", tmp_path, code=1).stderr
    assert not (tmp_path / "dossier").exists()


def test_files_in_no_batch_are_named(study_folder: Path) -> None:
    (study_folder / "forgotten.csv").write_bytes(b"\x00\x01")
    assert "Not in study.yaml, so not analysed: forgotten.csv" in vesicula("run", study_folder, code=3).stderr


def test_check_names_the_line(study_folder: Path) -> None:
    path = study_folder / "study.yaml"
    path.write_text(path.read_text().replace("dilution_factor: 10000", 'dilution_factor: "1,5"'))
    out = vesicula("check", study_folder, code=3).stdout
    assert "study.yaml:16: error:" in out
    error = vesicula("run", study_folder, code=1).stderr
    assert "study.yaml:16:" in error


def test_demo_runs_twice(tmp_path: Path) -> None:
    for _ in range(2):
        out = vesicula("demo", tmp_path / "demo").stdout
        assert str(tmp_path / "demo" / "dossier" / "dossier.html") in out.replace("\n", "")


def test_control_characters_do_not_reach_the_terminal(study_folder: Path) -> None:
    path = study_folder / "study.yaml"
    path.write_text(path.read_text().replace("title: Beads", 'title: "Bea\\e[31mds"'))
    result = subprocess.run([VESICULA, "run", study_folder], capture_output=True, check=False, timeout=120)
    assert b"\x1b" not in result.stdout
