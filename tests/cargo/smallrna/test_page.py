"""The quality page: verdict first, whole without script, small for many samples, fit for a telephone."""

from __future__ import annotations

import copy
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.smallrna import References, kit_named, packaged_mirnas, quantify_fastq
from vesicula.cargo.smallrna.output import quality_of
from vesicula.cargo.smallrna.per_vesicle import VesicleInput, per_vesicle
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, simulate_reads, write_fastq
from vesicula.core.errors import AnalysisError
from vesicula.figures.smallrna import length_distribution, molecules_per_vesicle, saturation, stacked_bars
from vesicula.figures.smallrna_page import RunReport, smallrna_page, verdict_lines

HOSTILE = '<script>alert("x")</script>&'
Counted = tuple[dict[str, Any], pl.DataFrame]


@pytest.fixture(scope="module")
def counted(references: References, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    """Quality and counts of one simulated sample."""
    path = tmp_path_factory.mktemp("page") / "a.fastq"
    library = SimulatedLibrary(reads=15_000, foreign=0.05, unrelated=0.1, dimers=0.1)
    write_fastq(simulate_reads(packaged_mirnas(), library, np.random.default_rng(2), packaged_mirnas("bta")), path)
    counts = quantify_fastq(path, references, kit=kit_named("truseq"))
    mirnas = counts.mirnas.filter(pl.col("reads_em") > 0)
    return quality_of(counts, phix=0.01), mirnas.select(pl.lit("a").alias("sample"), pl.all())


def report(counted: Counted, names: list[str], **changed: Any) -> RunReport:
    quality, table = counted
    qualities = [{**copy.deepcopy(quality), "sample": name} for name in names]
    counts = pl.concat([table.with_columns(sample=pl.lit(name)) for name in names])
    given = VesicleInput(sample=names[0], particles=1e8, spike_copies={"cel-miR-39-3p": 1e6})
    found = [per_vesicle(dict(table.select("mirna", "reads_em").iter_rows()), {"cel-miR-39-3p": 500}, given)]
    values = {"per_vesicle": found, **changed}
    return RunReport(qualities=qualities, counts=counts, **values)


class Checker(HTMLParser):
    """Counts what must not be there, and what is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.outside += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        if tag not in ("meta", "rect", "path", "circle", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_names_are_text(counted: Counted) -> None:
    html = smallrna_page(report(counted, [HOSTILE, "b"], failures=[("bad & worse", HOSTILE)], notes=[HOSTILE]))
    checker = Checker()
    checker.feed(html)
    assert (checker.open, checker.scripts, checker.outside) == ([], 0, [])
    assert "url(" not in html
    assert "@import" not in html
    assert "bad &amp; worse" in html
    headings = [unescape(h) for h in re.findall("<h2>([^<]*)</h2>", html)]
    assert headings == [
        "Samples", "Reads, classes, lengths, saturation", "How rare a miRNA may be and still be seen",
        "The commonest miRNAs", "isomiRs", "What may not be the vesicles'", "Molecules per vesicle", "Files",
    ]  # fmt: skip
    assert "More than 100 exosomes for one copy".lower() in html.lower()


def test_the_verdict_comes_first_and_worst_first(counted: Counted) -> None:
    found = report(counted, ["m", "s1", "s2", "s3"], failures=[("lost", "no such file")], medium="m")
    levels = ["usable", "usable", "with care", "not usable"]
    for quality, level in zip(found.qualities, levels, strict=True):
        reasons = [] if level == "usable" else [f"because {level}"]
        quality["judgement"].update(level=level, reasons=reasons)  # type: ignore[index]
    lead, lines = verdict_lines(found)
    assert lead == "1 of 4 samples can be used, 1 with care, 2 cannot."
    assert lines == [
        "lost (not counted): no such file", "s3 (not usable): because not usable", "s2 (with care): because with care",
    ]  # fmt: skip
    html = smallrna_page(found)
    assert html.index(lead) < html.index("<h2>")
    rows = re.findall(r"<tr><td>([^<]*)</td><td class=\"t\">. ([a-z ]+)</td>", html)
    assert rows == [
        ("lost", "not counted"), ("s3", "not usable"), ("s2", "with care"), ("m", "the medium"), ("s1", "usable"),
    ]  # fmt: skip


def test_numbers_on_the_page_are_those_of_the_sample(counted: Counted) -> None:
    quality, table = counted
    html = smallrna_page(report(counted, ["a"]))
    assert f"{quality['reads']['reads']:,}" in html
    assert f"{quality['classes']['miRNA']:,}" in html
    best = table.sort("reads_em", descending=True).row(0, named=True)
    rpm = 1e6 * best["reads_em"] / table["reads_em"].sum()
    text = f"{rpm / 1000:,.0f}k" if rpm >= 99_950 else f"{rpm / 1000:.1f}k"
    row = re.search(rf"<tr><td>{best['mirna'].removeprefix('hsa-')}</td><td class=\"s(\d)\">([^<]*)</td>", html)
    assert row is not None
    assert (row[1], row[2]) == (str(int(np.log10(rpm))), text)


def test_samples_become_rows_when_they_are_many(counted: Counted) -> None:
    few, many = (smallrna_page(report(counted, [f"s{i}" for i in range(n)])) for n in (3, 9))
    assert "<th scope=\"col\">miRNA</th>" in few
    assert "<th scope=\"col\">miRNA</th>" not in many


def test_four_hundred_samples_stay_small(counted: Counted) -> None:
    html = smallrna_page(report(counted, [f"project_x_donor_{i:03d}" for i in range(400)], failures=[("lost", "why")]))
    assert len(html) < 3_000_000
    assert html.count("project_x_donor_399") >= 4
    assert "and 389 more, in the table below. Reasons: few reads (400), other species (400), not counted (1)." in html


def test_nothing_counted_is_a_page_too() -> None:
    html = smallrna_page(RunReport(qualities=[], counts=pl.DataFrame(), failures=[("a", "damaged")]))
    assert "0 of 1 sample can be used, 1 cannot." in html
    with pytest.raises(AnalysisError):
        stacked_bars({}, caption="", alt="")


def test_bars_are_as_long_as_their_shares() -> None:
    svg = stacked_bars({"a": {"x": 3.0, "y": 1.0}, "none": {"x": 0.0, "y": 0.0}}, caption="", alt="").svg
    wide = [float(w) for w in re.findall(r'width="([\d.]+)" height="14"', svg)]
    assert wide[0] == pytest.approx(3 * wide[1], abs=0.2)
    assert "no reads" in svg


def test_legends_come_again_in_long_figures() -> None:
    svg = stacked_bars({f"s{i}": {"kept": 1.0} for i in range(100)}, caption="", alt="").svg
    assert svg.count(">kept<") == 3


def test_lines_are_named_while_they_are_few() -> None:
    histogram = [0] * 22 + [9, 1] + [0] * 30
    few, many = (length_distribution({f"s{i}": histogram for i in range(n)}).svg for n in (2, 20))
    assert ">s1<" in few
    assert ">s1<" not in many
    assert many.count('fill="none"') == 21
    assert "22 nt" in length_distribution({"a": histogram}).alt
    curve = [{"reads": 10.0 * k, "detected": 5.0 * k} for k in range(1, 21)]
    assert "100 miRNAs" in saturation({"a": curve, "nothing": []}).alt


def test_the_bound_is_drawn_where_it_is() -> None:
    svg = molecules_per_vesicle({"a": ("hsa-miR-1-3p", 0.00825, 0.005, 0.01)}, 0.00825).svg
    dot = re.search(r'<circle cx="([\d.]+)"', svg)
    dashed = re.search(r'd="M([\d.]+) [\d.]+L\1 [\d.]+" stroke="#D55E00"', svg)
    assert dot is not None
    assert dashed is not None
    assert dot[1] == dashed[1]
    with pytest.raises(AnalysisError):
        molecules_per_vesicle({}, 0.00825)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out(browser: Any, counted: Counted, tmp_path: Path, width: int) -> None:
    path = tmp_path / "index.html"
    names = [f"a_rather_long_name_of_a_sample_{i}" for i in range(9)]
    path.write_text(smallrna_page(report(counted, names, failures=[("x" * 60, "y" * 90)])), encoding="utf-8")
    shown = browser.new_page(viewport={"width": width, "height": 800})
    shown.goto(path.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    small = shown.evaluate(
        "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height).sort((a, b) => a - b)[0]"
    )
    assert small >= 8
    shown.close()
