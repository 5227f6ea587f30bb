"""vesicula secrete: tables, files, and mistakes that are named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from defusedxml.ElementTree import parse
from markupsafe import escape

from vesicula.biogenesis.tables import effects
from vesicula.cli.main import app
from vesicula.core.errors import AnalysisError

VESICULA = Path(sys.executable).with_name("vesicula")


def run(*arguments: object) -> Result:
    """Run the command in this process, which spares the start of a new one."""
    return CliRunner().invoke(app, ["secrete", *map(str, arguments)])


def secrete(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_the_table_shows_formation_and_release_apart() -> None:
    out = secrete("--with", "gw4869", "--draws", 20, "--cells", 5)
    for label in ("ILV formed", "ILV degraded", "exosomes released", "microvesicles shed", "MVB fusions"):
        assert label in out
    assert "x untreated" in out
    assert "5 single cells" in out
    assert "k_endocytosis" in out
    assert "no data of yours went in" in out


def test_files_are_written_and_hold_what_they_should(tmp_path: Path) -> None:
    pytest.importorskip("libsbml")
    names = ("a.json", "a.xml", "a.svg", "t.svg")
    data, sbml, figure, traces = (tmp_path / n for n in names)
    secrete("--with", "hypoxia", "--draws", 10, "--cells", 4, "--json", data, "--sbml", sbml, "--figure", figure,
            "--traces", traces)  # fmt: skip
    found = json.loads(data.read_text(encoding="utf-8"))
    assert found["modulators"] == ["hypoxia"]
    assert len(found["cells"]["seeds"]) == 4
    from vesicula.biogenesis import read_sbml

    assert "k_dock_rab27__hypoxia" in read_sbml(sbml).values
    for picture in (figure, traces):
        assert parse(picture).getroot().tag.endswith("svg")
    assert "hypoxia" in figure.read_text(encoding="utf-8")


def test_the_page_says_the_verdict_and_names_its_sources(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    out = secrete("--with", "gw4869", "--draws", 10, "--cells", 3, "--html", page)
    html = page.read_text(encoding="utf-8")
    verdict = out.splitlines()[0]
    assert verdict.startswith("A cell releases")
    assert verdict.replace(" %", "&nbsp;%") in html
    assert html.index(verdict[:20]) < html.index("<svg") < html.index("<table>")
    assert html.count("<svg") == 2
    assert "<script" not in html
    shown = [e for e in effects() if e.modulator == "gw4869"]
    assert shown
    for effect in shown:
        assert str(escape(effect.factor.source)) in html
        assert f"{effect.factor.sureness}, {effect.factor.checked}" in html


def test_json_to_the_screen_is_nothing_but_json_and_repeats() -> None:
    one = secrete("--draws", 5, "--json", "-")
    assert json.loads(one)["draws"] == 5
    assert secrete("--draws", 5, "--json", "-") == one


def test_modulators_are_listed_with_their_sources() -> None:
    out = secrete("--with", "list")
    assert "rab27-knockdown: k_dock_rab27 x 0.2 (0.1 to 0.3); release down; RAB27A/B" in out
    assert "memory" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--with", "magic"), "no modulator 'magic'; known are"), (("--hours", -1), "hours must be positive"),
     (("--draws", 2, "--figure", "/no/such/folder/a.svg"), "cannot be written: No such file"),
     (("--with", "wnt-activation", "--with", "wnt-activation"), "named twice")],
)  # fmt: skip
def test_mistakes_are_named(arguments: tuple[object, ...], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, AnalysisError)
    assert message in str(error)


def test_traces_without_cells_are_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    result = run("--traces", tmp_path / "t.svg")
    assert result.exit_code == 2
    assert "--traces needs --cells" in result.stderr


def test_an_error_is_one_line_and_exit_code_1() -> None:
    command = [VESICULA, "secrete", "--with", "magic"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert result.stderr.startswith("error: there is no modulator 'magic'")
    assert result.stderr.count("\n") == 1
