"""The command and its page: what is written, what is said, and what cannot break it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vesicula.cargo.enrichment import SampleInfo
from vesicula.cargo.protein import ProteinGroup, ProteinTable, read_protein_table
from vesicula.cargo.protein.analyse import analyse_proteome
from vesicula.cargo.protein.report import json_report, text_report, verdict_lines
from vesicula.cli.proteome import proteome
from vesicula.core.errors import AnalysisError
from vesicula.figures.proteome import category_heatmap, missing_rows, missing_values, percent, volcano
from vesicula.figures.proteome_page import proteome_page

MARKERS = ("CD9", "CD63", "CD81", "TSG101", "PDCD6IP", "ALB", "APOB", "FN1", "HSPA5", "ITGB1")


def made(*, evil: str = "", gaps: bool = True, proteins: int = 300) -> tuple[ProteinTable, list[SampleInfo]]:
    """Two conditions of three samples; the first 30 proteins are higher, the next 12 absent from the reference."""
    rng = np.random.default_rng(11)
    values = rng.normal(25, 2, (proteins, 1)) + rng.normal(0, 0.3, (proteins, 6))
    values[:30, 3:] += 4
    if gaps:
        values[rng.random(values.shape) < 1 / (1 + np.exp(2.0 * (values - 23)))] = np.nan
        values[30:42, :3] = np.nan
    names = [*MARKERS, *(f"GENE{i}" for i in range(proteins))][:proteins]
    groups = tuple(ProteinGroup(id=f"{n}{evil}", genes=(f"{n}{evil}" if n == "GENE0" else n,)) for n in names)
    samples = tuple(f"{c}{i}{evil}" for c in "AB" for i in range(3))
    table = ProteinTable(
        sources=(), software="plain matrix", kind="lfq", log2=True, samples=samples, groups=groups, values=values
    )
    return table, [SampleInfo(sample=s, condition=f"{s[0]}{evil}") for s in samples]


def analysed(**more):
    table, info = made(**more)
    return analyse_proteome(table, samples=info, contrast=(info[-1].condition, info[0].condition))


class Checker(HTMLParser):
    """Collects tags, and fails on one that is closed out of order."""

    VOID = frozenset({"meta", "br", "rect", "path", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [v or "" for k, v in attrs if k in {"src", "href", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_verdict_counts_what_was_made() -> None:
    result = analysed()
    c = result.comparison
    assert c is not None
    tested_up = [i for i in c.changed(1) if np.isfinite(c.moderated.p_value[i])]
    assert set(tested_up) >= set(range(30)) - {i for i in range(30) if not np.isfinite(c.moderated.p_value[i])}
    line = next(s for s in verdict_lines(result) if "proteins tested" in s)
    assert f"{len(tested_up)} are higher" in line
    only = re.search(r"(\d+) are found in one condition only \((\d+) in B, (\d+) in A\)", line)
    assert only is not None
    assert int(only[1]) == len(c.absence.rows) == int(only[2]) + int(only[3])
    assert int(only[2]) >= 10


def test_a_table_without_any_gap_is_said_to_be_suspect() -> None:
    assert any("Not one value of the table is missing" in s for s in verdict_lines(analysed(gaps=False)))
    assert not any("Not one value of the table is missing" in s for s in verdict_lines(analysed()))


def test_missing_rows_add_up_to_all_groups() -> None:
    result = analysed()
    c = result.comparison
    assert c is not None
    either = int(np.isfinite(c.values).any(axis=1).sum())
    rows = missing_rows(c)
    assert [r[0] for r in rows] == list(c.design.units)
    assert all(sum(r[1:]) == either for r in rows)
    assert all(n >= 0 for r in rows for n in r[1:])
    assert min(r[4] for r in rows[:3]) >= 12  # the reference lacks what was taken from it
    assert sum(r[3] for r in rows) > sum(r[2] for r in rows)  # lost because weak, as made


def test_figures_are_sound_and_say_the_numbers() -> None:
    result = analysed()
    for figure in (volcano(result), category_heatmap(result), missing_values(result)):
        root = ET.fromstring(figure.svg)  # noqa: S314 - our own figure
        assert root.attrib["aria-label"] == figure.alt
        json.dumps(figure.spec, allow_nan=False)
        assert not re.search(r"\bnan\b|\binf\b", figure.svg)
        width = float(root.attrib["viewBox"].split()[2])
        for element in root.iter():
            if "x" in element.attrib and "transform" not in element.attrib:
                assert -1 <= float(element.attrib["x"]) <= width
    svg = volcano(result).svg
    assert svg.count("h0") == int(np.isfinite(result.comparison.moderated.p_value).sum())  # one dot a protein
    assert ">FN1<" in svg or ">CD9<" in svg


def test_no_comparison_no_volcano() -> None:
    table, _ = made()
    result = analyse_proteome(table)
    with pytest.raises(AnalysisError, match="nothing was compared"):
        volcano(result)
    page = proteome_page(result)
    assert "Purity of each sample" in page
    assert "What differs" not in page


def test_the_page_is_whole_fetches_nothing_and_lets_no_text_be_code() -> None:
    evil = '"><script>alert(1)</script>&'
    result = analysed(evil=evil)
    checker = Checker()
    page = proteome_page(result, {}, title=evil)
    checker.feed(page)
    assert checker.open == []
    assert "script" not in checker.seen
    assert checker.links == []
    assert "url(" not in page
    assert evil not in page
    assert page.index("verdict") < page.index("<svg") < page.index("Purity of each sample")
    assert {"svg", "table", "figcaption"} <= checker.seen


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "-"), (0.0, "0"), (1e-6, "<0.01"), (0.00045, "0.04"), (0.0123, "1.2"), (0.34, "34"), (1.0, "100")],
)
def test_percent(share, shown) -> None:
    assert percent(share) == shown


def sheet_of(tmp_path: Path, rows: list[tuple[str, ...]]) -> str:
    path = tmp_path / "samples.tsv"
    path.write_text("sample\tcondition\tunit\n" + "".join("\t".join(r) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def test_command_on_the_breast_table(shared, tmp_path) -> None:
    path = shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv")
    exocarta = shared("cargo/pariswu1988*/Data/exocarta.txt.gz")
    samples = read_protein_table(path).samples
    sheet = sheet_of(tmp_path, [(s, s.split("_")[1], s[3:-2]) for s in samples])
    page, tsv = tmp_path / "p.html", tmp_path / "p.tsv"
    arguments = [str(path), "--samples", sheet, "--compare", "MDA:MCF10", "--list", str(exocarta), "--html", str(page)]
    done = CliRunner().invoke(proteome, [*arguments, "--tsv", str(tsv), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["removed"]["kept"] == 708
    reported = {one["name"]: one["reported"] for one in report["lists"]}
    assert reported["exocarta.txt.gz"] == 675
    # The packaged list was made of this very table: what it lacks was seen in one run alone of every sample.
    assert reported["EVs of MCF10A and MDA-MB breast cells"] == 679
    rows = [line.split("\t") for line in tsv.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 709
    assert len({len(r) for r in rows}) == 1
    html = page.read_text(encoding="utf-8")
    assert report["verdict"][0] in html
    # More sets are called against the genome than against what was measured, and none of the former is kept.
    for word in ("higher", "lower"):
        kept = {s["id"] for s in report["comparison"]["gene_sets"][word] if s["adjusted_p_value"] < 0.05}
        avoided = {s["id"] for s in report["comparison"]["only_with_whole_genome"][word]}
        assert avoided
        assert not kept & avoided
    assert not list(tmp_path.glob(".*"))  # nothing half written is left


@pytest.mark.parametrize(
    ("pattern", "condition", "compare"),
    [
        ("cargo/JaeinYoo12*/*.xlsx", lambda s: s.split("_")[0], "MSC:HEK293"),
        ("cargo/RyanJWallis*/MS3/*.xlsx", lambda s: s.rsplit("_", 1)[0], "RAS_F8:STOP_F8"),
        ("cargo/RyanJWallis*/MS1/MS1.csv", lambda s: s.split("_")[0], "ras1:ctrl"),
        ("cargo/pariswu1988*/Tables/SI-1_Proteins.csv", None, None),
    ],
)
def test_command_on_the_other_real_tables(shared, tmp_path, pattern, condition, compare) -> None:
    path = shared(pattern)
    page = tmp_path / "p.html"
    arguments = [str(path), "--html", str(page)]
    if condition is not None:
        rows = [(s, condition(s), s) for s in read_protein_table(path).samples]
        arguments += ["--samples", sheet_of(tmp_path, rows), "--compare", compare]
    done = CliRunner().invoke(proteome, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.startswith("VERDICT\n  Vesicle proteins:")
    checker = Checker()
    checker.feed(page.read_text(encoding="utf-8"))
    assert checker.open == []


def test_command_on_milk_orders_the_methods(shared, tmp_path) -> None:
    first = shared("simulation/pedrofortes*/mass_spectrometry_data/DB search psm_UC_ POOL_1.csv")
    files = sorted(first.parent.glob("DB search psm*.csv"))
    words = {"ExoGAG": "ExoGAG", "CD9": "IP-CD9", "sec": "SEC", "UC": "UC"}
    samples = [s for f in files for s in read_protein_table(f).samples]
    sheet = sheet_of(tmp_path, [(s, next(m for w, m in words.items() if w in s), s) for s in samples])
    done = CliRunner().invoke(proteome, [*map(str, files), "--samples", sheet, "--json"], catch_exceptions=False)
    conditions = json.loads(done.stdout)["conditions"]
    assert [c["condition"] for c in conditions] == ["ExoGAG", "UC", "SEC", "IP-CD9"]
    assert conditions[-1]["apob_share"] == 0


def test_wrong_questions_are_one_clear_error(tmp_path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("Gene\ts1\ts2\nCD9\t500\t600\n", encoding="utf-8")
    for extra, message in (
        (["--tsv", str(tmp_path / "x.tsv")], "--tsv writes a comparison"),
        (["--compare", "A:B"], "--compare takes TEST:REFERENCE"),
    ):
        done = CliRunner().invoke(proteome, [str(path), *extra])
        assert isinstance(done.exception, AnalysisError)
        assert message in str(done.exception)
    assert not (tmp_path / "x.tsv").exists()


def test_reports_hold_together() -> None:
    result = analysed()
    report = json.loads(json.dumps(json_report(result), allow_nan=False))
    assert len(report["comparison"]["proteins"]) == len(result.table.groups)
    assert text_report(result, {}).startswith("VERDICT")
