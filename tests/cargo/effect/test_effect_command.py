"""The command from file to text, JSON and page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vesicula.cargo.effect.run import choose_lists, overlap_groups
from vesicula.cargo.effect.table import read_cargo
from vesicula.cli.cargo import cargo
from vesicula.core.errors import AnalysisError, VesiculaError


def run(*args: object) -> Result:
    return CliRunner().invoke(cargo, [str(a) for a in args])


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.tsv"
    path.write_text("sample\tcondition\na_1\tA\na_2\tA\nb_1\tB\nb_2\tB\n", encoding="utf-8")
    return path


def test_text_json_and_page(mirna_file: Path, target_file: Path, sheet: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    store = tmp_path / "evidence.sqlite"
    found = run(
        mirna_file, "--targets", target_file, "--samples", sheet, "--condition", "myocardial infarction", "--top", 12,
        "--sets", "hallmark", "--store", store, "--json", "--html", page,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert answer["measured"] == 60
    assert answer["lists"] == [{"what": "most abundant", "cargo": answer["lists"][0]["cargo"]}]
    assert answer["lists"][0]["cargo"][:3]
    assert set(answer["lists"][0]["cargo"][:3]) == {"miR-21-5p", "miR-221-3p", "miR-210-3p"}
    pathways = answer["pathways"][0]
    assert pathways["tested"] == len(pathways["sets"]) > 10
    assert pathways["called"] == 0, "targets are random"
    assert answer["activity"]["samples"] == ["a_1", "a_2", "b_1", "b_2"]
    assert {"miR-21-5p", "miR-221-3p"} <= {c["name"] for c in answer["claims"]["cargo"]}
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=[\"']?https?:", text), "nothing is fetched"
    assert text.index('class="verdict"') < text.index("<h2>")
    assert text.count("<svg") >= 2
    assert 'id="row-B-T1-02"' in text
    for target in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{target}"' in text


def test_text_report_has_verdict_first(mirna_file: Path) -> None:
    found = run(mirna_file, "--no-claims")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("VERDICT")
    assert "not tested, since no targets are known" in found.stdout


def test_names_of_a_file_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("gene\nCD9\n<script>alert(1)</script>\nCD63\n", encoding="utf-8")
    page = tmp_path / "p.html"
    assert run(path, "--no-claims", "--html", page).exit_code == 0
    assert "<script" not in page.read_text(encoding="utf-8")


def test_plain_list_needs_a_background(tmp_path: Path) -> None:
    chosen, measured = tmp_path / "list.txt", tmp_path / "all.txt"
    genes = [f"RPL{i}" for i in range(3, 20)] + [f"KRT{i}" for i in range(1, 20)] + ["CD9", "CD63", "APOB", "ALB"]
    chosen.write_text("gene\n" + "\n".join(genes[:17]) + "\n", encoding="utf-8")
    measured.write_text("gene\n" + "\n".join(genes) + "\n", encoding="utf-8")
    alone = run(chosen, "--no-claims", "--sets", "reactome")
    assert "nothing to compare it with" in alone.stdout
    beside = run(chosen, "--no-claims", "--sets", "reactome", "--background", measured, "--json")
    answer = json.loads(beside.stdout)["pathways"][0]
    assert answer["called"] > 0
    assert any("ranslation" in s["name"] for s in answer["sets"][:10]), "ribosomal proteins among keratins"


def test_nothing_known_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "mouse.txt"
    path.write_text("mirna\nmmu-miR-21a-5p\nmmu-let-7a-5p\n", encoding="utf-8")
    found = run(path, "--no-claims")
    assert isinstance(found.exception, AnalysisError)
    assert "Check the column of names" in str(found.exception)


def test_compare_must_name_conditions(mirna_file: Path, sheet: Path) -> None:
    found = run(mirna_file, "--samples", sheet, "--compare", "A:C", "--no-claims")
    assert isinstance(found.exception, VesiculaError)
    assert "A, B" in str(found.exception)


def test_lists_and_groups(mirna_file: Path, tmp_path: Path) -> None:
    table = read_cargo(mirna_file)
    (most,) = choose_lists(table, top=50)
    assert len(most.hits) == 15, "a quarter of 60"
    assert most.note
    assert [g.name for g in overlap_groups(table, (), ())] == ["a_1", "a_2", "b_1", "b_2"]
    other = tmp_path / "other.txt"
    other.write_text("mirna\nhsa-miR-21-5p\nhsa-miR-9-5p\n", encoding="utf-8")
    beside = overlap_groups(table, (), [read_cargo(other)])
    assert [(g.name, len(g.cargo)) for g in beside] == [("mirna.tsv", 60), ("other.txt", 2)]


def test_comparison_gives_higher_and_lower(tmp_path: Path) -> None:
    path = tmp_path / "d.tsv"
    path.write_text(
        "gene\tlog2_fold_change\tadjusted_p_value\nCD9\t2\t0.01\nCD63\t-2\t0.01\nAPOB\t3\t0.5\n", encoding="utf-8"
    )
    up, down = choose_lists(read_cargo(path))
    assert (list(up.hits.values()), list(down.hits.values())) == (["CD9"], ["CD63"])


def test_background_of_a_comparison_is_what_was_compared(tmp_path: Path) -> None:
    genes = [f"RPL{i}" for i in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)]
    table, other = tmp_path / "t.tsv", tmp_path / "d.tsv"
    table.write_text("gene\ts1\ts2\n" + "".join(f"{g}\t9\t8\n" for g in genes), encoding="utf-8")
    rows = [f"{g}\t{2 if i < 3 else 0.1}\t{0.01 if i < 3 else 0.9}\n" for i, g in enumerate(genes[:7])]
    other.write_text("gene\tlog2_fold_change\tadjusted_p_value\n" + "".join(rows), encoding="utf-8")
    answer = json.loads(run(table, "--compare-table", other, "--no-claims", "--sets", "reactome", "--json").stdout)
    assert (answer["measured"], answer["background"]) == (10, 7)
    higher = answer["pathways"][0]
    assert {s["background"] for s in higher["sets"]} == {7}
    assert [s["hits_in_set"] for s in higher["sets"]][:1] == [3]
