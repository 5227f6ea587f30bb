"""What a laboratory has, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from markupsafe import escape

from vesicula.cli.main import COMMANDS
from vesicula.cli.plan import plan
from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.figures.plan import pareto_front
from vesicula.figures.plan_page import plan_page
from vesicula.isolation.protocol_text import parse_protocol
from vesicula.isolation.rotors import rotors
from vesicula.planner.lab import parse_lab, whole_lab
from vesicula.planner.report import verdict
from vesicula.planner.search import PlanSearch
from vesicula.planner.structures import STRUCTURES, missing, structure_name

MINE = """
Mine 10:
  kind: swing-out
  r_min_mm: 60
  r_max_mm: 120
  bore_mm: 14
  max_rpm: 30000
  tube_ml: 12
  tubes: 6
"""
LIST = """
rotors: [SW 32 Ti]
columns: [Sepharose CL-2B 10 mL]
filters:
  "Big TFF": {kind: tff, cutoff_kda: 500, area_cm2: 1000}
capture: []
peg: false
"""


def test_tables_and_lists_are_told_apart_and_joined():
    lab = parse_lab([("mine.yaml", MINE), ("lab.yaml", LIST)])
    assert set(lab.rotors) == {"Mine 10", "SW 32 Ti"}
    assert lab.own_rotors == {"Mine 10"}
    assert set(lab.columns) == {"Sepharose CL-2B 10 mL"}
    assert [m.area_cm2 for m in lab.of_kind("tff")] == [1000.0]
    assert lab.of_kind("uf") == []
    assert lab.assumed == ()
    assert missing(("peg", "immuno"), lab) == "PEG, capture beads"


def test_without_files_everything_packaged_is_there_and_said():
    lab = whole_lab()
    assert set(lab.rotors) == set(rotors())
    assert all(missing(s, lab) == "" for s in STRUCTURES)
    assert lab.assumed


def test_rotors_alone_leave_no_column_but_bought_membranes():
    lab = parse_lab([("mine.yaml", MINE)])
    assert lab.columns == {}
    assert missing(("sec",), lab) == "a column"
    assert missing(("tff",), lab) == ""
    assert "the usual membranes" in lab.assumed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotors: [SW 99]", "one of"),
        ("soup: {salt: 1}", "a table of rotors"),
        ("filters: {F: {kind: tff}}", "cutoff_kda"),
        ("filters: {F: {kind: net, pore_nm: 3}}", "one of tff"),
        ("capture: [CD1]", "CD9"),
        ("rotors: [SW 32 Ti\n", "line"),
    ],
)
def test_bad_files_name_their_place(text, words):
    with pytest.raises(UnreadableFile, match=words):
        parse_lab([("lab.yaml", text)])


def test_structures_are_named_once():
    names = [structure_name(s) for s in STRUCTURES]
    assert len(set(names)) == len(names)


def test_page_is_escaped_plain_html_with_the_verdict_first(small_search: PlanSearch):
    figure = pareto_front(small_search)
    html = plan_page(small_search, figure)
    assert "<script" not in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert html.index("verdict") < html.index("<svg") < html.index("<table>")
    assert html.count("<tr>") == 1 + len(small_search.plans)
    assert str(escape(verdict(small_search))).replace(" %", "&nbsp;%") in html
    assert figure.svg.count("<circle") == len(small_search.meeting)
    assert len(figure.spec["data"][0]["x"]) == len(small_search.plans)


def _run(*args: str):
    return CliRunner().invoke(plan, list(args))


QUICK = ("--hours", "8", "--trials", "6", "--draws", "6", "--plans", "3", "--workers", "0", "--volume", "20")


def test_the_command_writes_what_isolate_runs(tmp_path: Path):
    tilted = MINE.replace("swing-out", "fixed-angle\n  angle_deg: 30")
    (tmp_path / "rotors.yaml").write_text(tilted)
    (tmp_path / "lab.yaml").write_text("filters: {}\ncapture: []\npeg: false\n")
    have = f"{tmp_path / 'rotors.yaml'},{tmp_path / 'lab.yaml'}"
    out = tmp_path / "plans"
    got = _run("--yield", "0.2", "--purity", "1e8/ug", *QUICK, "--have", have, "--write", str(out),
               "--json", str(tmp_path / "p.json"), "--html", str(tmp_path / "p.html"))  # fmt: skip
    assert got.exit_code == 0, got.output
    assert "the target (yield of at least 20 %" in got.stdout.splitlines()[0]
    made = json.loads((tmp_path / "p.json").read_text())
    assert made["target"]["purity_as"] == "per-ug"
    assert made["verdict"].split(";")[0][:30] in (tmp_path / "p.html").read_text()
    from vesicula.isolation.protocol_text import Equipment
    from vesicula.isolation.rotors import parse_rotors

    for n, one in enumerate(made["plans"], start=1):
        text = (out / f"plan-{n}.yaml").read_text()
        assert text == one["protocol_yaml"]
        equipment = Equipment(rotors=parse_rotors(tilted, name="r"))
        last = parse_protocol(text, name="p", equipment=equipment).run().reports[-1]
        assert last.target_yield == one["yield"]
        assert last.target_per_ug == one["particles_per_ug"]


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (("--yield", "-0.1", "--purity", "0.3"), AnalysisError, "yield"),
        (("--yield", "1.1", "--purity", "0.3"), AnalysisError, "at most 1"),
        (("--yield", "0.4", "--purity", "1.5"), AnalysisError, "purity"),
        (("--yield", "0.4", "--purity", "0.3", "--feed", "soup"), UnreadableFile, "conditioned medium"),
        (("--yield", "0.4", "--purity", "0.3", "--target", "soup"), UnreadableFile, "exosome"),
        (("--yield", "0.4", "--purity", "0.3", "--have", "none.yaml"), UnreadableFile, "none.yaml"),
        (("--yield", "0.4", "--purity", "0.3", "--volume", "-3"), UnreadableFile, "greater than 0"),
        (("--yield", "0.4", "--purity", "0.3", "--trials", "0"), AnalysisError, "1 or more"),
    ],
)
def test_bad_input_gives_one_error(args, error, words):
    got = _run(*QUICK, *args)
    assert isinstance(got.exception, error)
    assert words in str(got.exception)


@pytest.mark.parametrize(
    ("args", "words"),
    [(("--purity", "0.3"), "missing --yield"), (("--yield", "0.3", "--purity", "lots"), "neither a share"),
     (("--yield", "0.3", "--purity", "1e9/ug", "--purity-as", "protein-share"), "per microgram")],
)  # fmt: skip
def test_usage_errors(args, words):
    got = _run(*QUICK, *args)
    assert got.exit_code == 2
    assert words in got.output


def test_transfer_command(tmp_path: Path):
    protocol = tmp_path / "p.yaml"
    protocol.write_text(
        "vesicula_protocol: 1\nfeed: {volume_ml: 70, preset: serum-free conditioned medium}\ntarget: [exosome]\n"
        "steps:\n  - centrifuge: {rotor: SW 40 Ti, rpm: 30000, minutes: 100, keep: pellet}\n"
    )
    out = tmp_path / "q.yaml"
    got = _run("transfer", str(protocol), "--to", "SW 41 Ti", "--output", str(out))
    assert got.exit_code == 0, got.output
    assert got.stdout.startswith("Possible in SW 41 Ti")
    assert parse_protocol(out.read_text(), name="q").run().reports[-1].target_yield > 0
    got = _run("transfer", str(protocol), "--to", "SW 41 Ti", "--json", "-")
    assert json.loads(got.output)["possible"] is True
    got = _run("transfer", str(protocol), "--to", "SW 99")
    assert isinstance(got.exception, AnalysisError)
    assert "unknown rotor 'SW 99'" in str(got.exception)


def test_transfer_that_is_impossible_ends_with_3(tmp_path: Path):
    protocol = tmp_path / "p.yaml"
    protocol.write_text(
        "vesicula_protocol: 1\nfeed: {volume_ml: 20, preset: serum-free conditioned medium}\ntarget: [exosome]\n"
        "steps:\n  - centrifuge: {rotor: TLA-110, rpm: 110000, minutes: 60, keep: pellet}\n"
    )
    got = CliRunner().invoke(plan, ["transfer", str(protocol), "--to", "F-45-24-15"], standalone_mode=False)
    assert got.return_value == 3
    assert got.stdout.startswith("Not possible in F-45-24-15")


def test_help_is_registered():
    assert COMMANDS["plan"][2] == (plan.help or "").splitlines()[0]
