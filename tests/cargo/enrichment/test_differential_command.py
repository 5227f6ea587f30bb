from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from defusedxml.ElementTree import fromstring

from vesicula.cargo.enrichment import SampleInfo, build_design
from vesicula.cargo.enrichment.counts import count_test
from vesicula.cargo.enrichment.report import Comparison, verdict_lines
from vesicula.cargo.smallrna.reference import packaged_mirnas
from vesicula.cli.differential import differential
from vesicula.figures.differential import Compared, heat_map, ma_plot, volcano

NAMES = [n for n, s in sorted(packaged_mirnas("hsa").matures.items()) if len(s) > 19][:36]
MARKERS = ["bta-marker-1", "bta-marker-2", "bta-marker-3", "bta-marker-4"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three donors, EV and cell of each, and two controls of medium; eight miRNAs eight times as much in EVs.

    A tenth of each EV sample's reads comes from the medium, which alone holds the markers.
    """
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(1)
    base = np.exp(rng.normal(6, 1, len(NAMES)))
    medium = np.concatenate([np.exp(rng.normal(4, 1, len(NAMES))), [400.0, 300.0, 200.0, 500.0]])
    rows = []
    for donor in range(3):
        for condition in ("EV", "cell"):
            sorted_out = np.where((np.arange(len(NAMES)) < 8) & (condition == "EV"), 8, 1)
            mean = np.concatenate([base * sorted_out, np.zeros(4)])
            if condition == "EV":
                mean = mean + 0.1 * mean.sum() / medium.sum() * medium
            drawn = rng.poisson(mean * rng.gamma(50, 1 / 50, mean.size))
            rows.append((f"{condition}{donor}", condition, f"d{donor}", drawn))
    rows += [(f"medium{k}", "medium", "", rng.poisson(medium * 3)) for k in range(2)]
    long = [(s, n, float(v)) for s, _, _, values in rows for n, v in zip([*NAMES, *MARKERS], values, strict=True) if v]
    frame = pl.DataFrame(long, schema=["sample", "mirna", "reads_em"], orient="row")
    frame.write_parquet(folder / "mirna_counts.parquet")
    sheet = "".join(f"{s}\t{c}\t{d}\n" for s, c, d, _ in rows)
    (folder / "samples.tsv").write_text("sample\tcondition\tdonor\n" + sheet, encoding="utf-8")
    marked = "".join(f"{m},medium\n" for m in MARKERS)
    (folder / "markers.csv").write_text("mirna,source\n" + marked, encoding="utf-8")
    return folder


def run(folder: Path, *words: str, compare: str = "EV:cell") -> Result:
    given = [str(folder / "mirna_counts.parquet"), "--samples", str(folder / "samples.tsv"), "--compare", compare]
    return CliRunner().invoke(differential, [*given, *words])


@pytest.fixture(scope="module")
def made(study: Path) -> Result:
    return run(
        study, "--markers", str(study / "markers.csv"), "--medium", "medium", "--tsv", str(study / "out.tsv"),
        "--html", str(study / "page.html"), "--json", "--motif", "GGCU=EXO",
    )  # fmt: skip


def test_the_verdict_comes_first_and_the_numbers_are_right(made: Result) -> None:
    assert made.exit_code == 0, made.output
    found = json.loads(made.stdout)
    assert re.match(r"\d+ of \d+ miRNAs tested differ between EV and cell at a false discovery rate of 5 %",
                    found["verdict"][0])  # fmt: skip
    changed = {m["mirna"] for m in found["mirnas"] if (m["adjusted_p_value"] or 1) < 0.05 and m["log2_fold_change"] > 0}
    assert set(NAMES[:8]) <= changed
    assert found["compared"]["blocks"] == ["donor"]
    assert any(line.startswith("Caution: with 3 samples") for line in found["verdict"])
    assert [m["motif"]["sequence"] for m in found["motifs"]][-1] == "GGCU"
    assert found["method"]["pydeseq2"]


def test_the_medium_s_part_is_found_in_each_sample(made: Result) -> None:
    foreign = json.loads(made.stdout)["foreign"]
    assert [f["sample"] for f in foreign] == ["EV0", "EV1", "EV2"]
    for sample in foreign:
        (part,) = sample["parts"]
        assert part["share_low"] < 1 / 11 < part["share_high"]
        assert part["share"] == pytest.approx(1 / 11, rel=0.5)


def test_the_table_holds_every_mirna(study: Path, made: Result) -> None:
    assert made.exit_code == 0
    with (study / "out.tsv").open(encoding="utf-8") as file:
        rows = {row["mirna"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert set(NAMES) | set(MARKERS) == set(rows)
    assert float(rows[MARKERS[0]]["foreign_share"]) == 1
    first = rows[NAMES[0]]
    assert float(first["low_95"]) < float(first["log2_fold_change"]) < float(first["high_95"])


def test_the_page_is_whole_and_fetches_nothing(study: Path, made: Result) -> None:
    assert made.exit_code == 0
    page = (study / "page.html").read_text(encoding="utf-8")
    assert page.index('class="verdict"') < page.index("<svg") < page.index("<table")
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="', page)
    assert page.count("<svg") == 3
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        fromstring(drawing)
    assert "Foreign cargo" in page
    assert "Sorting motifs" in page


@pytest.mark.parametrize(
    ("words", "compare", "message"),
    [
        ((), "EV:serum", "conditions of the sample sheet"),
        ((), "EV", "TEST:REFERENCE"),
        ((), "EV:EV", "TEST:REFERENCE"),
        (("--motif", "GGX=EXO"), "EV:cell", "motif 'GGX'"),
        (("--medium", "medium"), "EV:cell", "need --markers"),
        (("--markers", "markers.csv"), "EV:cell", "belong together"),
        (("--markers", "markers.csv", "--medium", "none"), "EV:cell", "no sample of the sample sheet"),
        (("--markers", "samples.tsv", "--medium", "medium"), "EV:cell", "the columns mirna and source"),
        (("--value", "reads"), "EV:cell", "column 'reads'"),
    ],
)
def test_what_cannot_be_is_one_error(study: Path, words: tuple[str, ...], compare: str, message: str) -> None:
    whole = [str(study / w) if w.endswith((".csv", ".tsv")) else w for w in words]
    result = run(study, *whole, compare=compare)
    assert result.exit_code == 1
    assert message in str(result.exception)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_page(browser: Any, study: Path, made: Result, width: int) -> None:
    assert made.exit_code == 0
    shown = browser.new_page(viewport={"width": width, "height": 800})
    shown.goto((study / "page.html").as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    sizes = "[...document.querySelectorAll('svg text')].map(t => parseFloat(getComputedStyle(t).fontSize) * "
    scaled = shown.evaluate(sizes + "t.ownerSVGElement.getBoundingClientRect().width / 520)")
    assert min(scaled) >= 8
    verdict, window = shown.evaluate(
        "[document.querySelector('.verdict p').getBoundingClientRect().bottom, window.innerHeight]"
    )
    assert verdict < window
    shown.close()


def data(p: np.ndarray, effect: np.ndarray) -> Compared:
    names = tuple(f"<b>{i}</b>" for i in range(len(p)))
    return Compared(names=names, test="E&V", reference="cell", effect=effect, p_value=p, adjusted_p=p * 2,
                    mean=np.arange(1.0, 1 + len(p)), level=0.05)  # fmt: skip


def test_figures_draw_every_point_once_and_escape_names() -> None:
    effect = np.array([3.0, -2.0, 0.1, np.nan, 1.0, 4.0])
    points = data(np.array([1e-4, 1e-3, 0.5, np.nan, 0.4, 0.0]), effect)
    for figure in (volcano(points), ma_plot(points)):
        fromstring(figure.svg)
        assert figure.svg.count("<circle") == 2
        assert figure.svg.count("z\" fill=") == 3
        assert sum(len(trace["x"]) for trace in figure.spec["data"]) == 5
        json.dumps(figure.spec, allow_nan=False)
        assert "<b>" not in figure.svg
    assert "2 more (triangles up), 1 less" in volcano(points).caption
    many = data(np.array([0.0, *([0.5] * 30)]), np.linspace(-2, 2, 31))
    assert "1 with p below" in volcano(many).caption


def test_a_heat_map_shows_distances_from_the_row_s_mean() -> None:
    figure = heat_map(["a", "b"], ["s1", "s2"], np.array([[1.0, 3.0], [5.0, 5.0]]))
    fromstring(figure.svg)
    (trace,) = figure.spec["data"]
    assert trace["z"] == [[-1, 1], [0, 0]]
    assert figure.svg.count('fill="#ffffff"') == 3  # two cells at the mean, one in the bar of colours


@pytest.mark.parametrize("different", [0, 2, 14])
def test_few_calls_and_most_calls_are_met_with_caution(different: int) -> None:
    rng = np.random.default_rng(2)
    mean = np.full((20, 10), 300.0)
    mean[:different, 5:] *= 16
    mean[different // 2 : different, 5:] /= 256
    size = 20.0
    counts = rng.negative_binomial(size, size / (size + mean)).astype(float)
    info = [SampleInfo(sample=f"s{i}", condition="EV" if i > 4 else "cell") for i in range(10)]
    design = build_design(info, test="EV", reference="cell")
    found = count_test(counts, [f"m{i}" for i in range(20)], [s.sample for s in info], design, shrink=False)
    said = " ".join(verdict_lines(Comparison(test=found, level=0.05)))
    assert said.startswith(f"{different} of 20 miRNAs tested differ")
    assert ("so few calls may be chance" in said) is (different == 2)
    assert ("more than half of all miRNAs differ" in said) is (different == 14)
    assert "with 5 samples" not in said
