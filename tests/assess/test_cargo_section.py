"""The dossier's cargo section: figures whose numbers are stored, miRNA targets as an input, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from vesicula.assess.study import AnalysisSettings, EvidenceSettings, Study
from vesicula.cli.cargo import cargo as cargo_command
from vesicula.core.assessment import Assessment
from vesicula.core.cargo import CALLED, GENOME_ONLY
from vesicula.core.finding import Verdict
from vesicula.dossier.read import check_files
from vesicula.dossier.writer import DossierPaths, write
from vesicula.figures.cargo_bars import balance_by_molecule, count_conditions
from vesicula.manifest.check import check_study
from vesicula.mechanism.tables import load_tables
from vesicula.verify import verify_dossier

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# ruff: noqa: S314 - the text parsed is our own

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared")) / "data" / "cargo"
SVG = "{http://www.w3.org/2000/svg}"
PROTEINS = "CD9 CD63 CD81 PDCD6IP TSG101 SDCBP FLOT1 HGF VEGFA ALB APOB ACTB GAPDH ANXA2 HSPA8 ITGB1 CD44 TGFB1 KIT"
GENES = PROTEINS.split()
TARGETS = """
TP53 MYC KRAS AKT1 PTEN VEGFA HIF1A EGFR ERBB2 STAT3 JUN FOS CCND1 CDK4 CDK6 RB1 E2F1 BCL2 BAX CASP3 MTOR PIK3CA SMAD2
SMAD3 SMAD4 TGFB1 TGFBR1 TGFBR2 NOTCH1 WNT1 CTNNB1 APC GSK3B AXIN1 FZD1 LRP6 COL1A1 COL1A2 COL3A1 FN1 LAMA1 ITGA1 ITGB1
MMP2 MMP9 TIMP1 CD44 SPARC POSTN LOX THBS1 VIM SNAI1
"""
STUDY = """\
vesicula: 1
study: {title: Cargo}
batches:
  - id: A
    indication: myocardial infarction
    cargo_tables: [proteome.tsv, mirna.tsv]
    samples: [{id: S1, measurements: [{files: [beads2.csv]}]}]
  - id: B
    cargo_tables: [other.tsv, mirna2.tsv]
    samples: [{id: S1, measurements: [{files: [beads.csv], dilution_factor: 10000}]}]
mirna_targets: targets.tsv
"""


@pytest.fixture(scope="module")
def tables(beads: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two batches with proteins and miRNAs, and a table of targets."""
    folder = tmp_path_factory.mktemp("cargo") / "study"
    folder.mkdir()
    for path in beads:
        shutil.copyfile(path, folder / path.name)
    rows = [f"{g}\t{2000 - 90 * i}\t{1900 - 80 * i}\t{2100 - 85 * i}" for i, g in enumerate(GENES)]
    (folder / "proteome.tsv").write_text("\n".join(["gene\ts1\ts2\ts3", *rows]) + "\n", encoding="utf-8")
    (folder / "other.tsv").write_text("\n".join(["gene\tu1\tu2", *(f"{g}\t5\t7" for g in GENES[:8]), "MYC\t3\t4\n"]))
    rng = np.random.default_rng(1)
    names = ["hsa-miR-21-5p", "hsa-miR-221-3p", "hsa-miR-210-3p", "hsa-miR-222-3p"]
    names += [f"hsa-miR-{n}-5p" for n in range(500, 556)]
    counts = rng.poisson(200, size=(60, 4))
    counts[:4] += 5000
    for file, some in (("mirna.tsv", names), ("mirna2.tsv", names[:50])):
        lines = ["mirna\ta_1\ta_2\tb_1\tb_2"]
        lines += ["\t".join([n, *map(str, row)]) for n, row in zip(some, counts, strict=False)]
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "targets.tsv").write_text(target_text(names), encoding="utf-8")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    return folder


def target_text(names: list[str]) -> str:
    """Return 20 targets of each miRNA, drawn from genes that are in many sets."""
    rng = np.random.default_rng(2)
    lines = ["mirna\ttarget\tsupport\tpmid"]
    lines += [f"{n}\t{g}\tFunctional MTI\t123" for n in names for g in rng.choice(TARGETS.split(), 20, replace=False)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def written(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, DossierPaths]:
    mark = pytest.MonkeyPatch()
    mark.setenv("VESICULA_EVIDENCE", str(tmp_path_factory.mktemp("none") / "evidence.sqlite"))
    assessment = Study.load(tables).analyse(workers=1, work=tmp_path_factory.mktemp("work"))
    paths = write(assessment, tmp_path_factory.mktemp("out") / "dossier", inputs=tables, date_published="2026-01-01")
    mark.undo()
    return assessment, paths


@pytest.fixture
def copy_of(tables: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tables, tmp_path / "study", ignore=shutil.ignore_patterns(".vesicula")))


def without_store(folder: Path) -> Assessment:
    settings = AnalysisSettings(evidence=EvidenceSettings(store="none"))
    return Study.load(folder).analyse(settings=settings, workers=1)


def section(page: str, anchor: str) -> str:
    found = re.search(rf'<section class="cargo" id="{anchor}-cargo".*?</section>', page, re.DOTALL)
    assert found, f"no cargo section {anchor}"
    return found[0]


def drawings(html: str) -> dict[str, ET.Element]:
    found = re.findall(r'<figure id="([^"]+)" class="still">.*?(<svg.*?</svg>)', html, re.DOTALL)
    return {anchor: ET.fromstring(svg) for anchor, svg in found}


def test_the_section_has_verdict_figures_and_tables(written: tuple[Assessment, DossierPaths]) -> None:
    _, paths = written
    page = paths.html.read_text(encoding="utf-8")
    own = section(page, "b1")
    assert set(drawings(own)) >= {
        "b1-cargo1-categories", "b1-cargo1-sets1", "b1-cargo2-sets1", "b1-cargo-conditions", "b1-cargo-balance"
    }  # fmt: skip
    assert "rule on vesicle proteins met in 3 of 3 samples" in own
    assert "Targets of miRNAs: targets.tsv." in own
    assert own.index("cargo-lines") < own.index("<figure") < own.index("Findings on cargo")
    assert "<script" not in own
    assert "How made" in own
    assert page.index('id="b1-cargo"') > page.index('id="b1s1"'), "after the samples"
    assert page.count(">Findings on cargo</h4>") == 2, "once for each batch"
    assert '<h3 class="topic">Cargo</h3>' not in page, "not among the other tables too"


def test_every_number_drawn_is_stored(written: tuple[Assessment, DossierPaths]) -> None:
    assessment, paths = written
    batch, drawn = assessment.batches[0], drawings(section(paths.html.read_text(encoding="utf-8"), "b1"))
    held = {n: pl.read_parquet(paths.tables[f"cargo_{n}"]).filter(pl.col("batch") == "A") for n in
            ("pathways", "categories", "claims", "molecules")}  # fmt: skip
    texts = {k: [t.text or "" for t in svg.iter(f"{SVG}text")] for k, svg in drawn.items()}
    found = held["categories"].filter(pl.col("category").str.starts_with("MISEV"))
    for sample, count in found.select("sample", "found").iter_rows():
        assert f"({count})" in texts["b1-cargo1-categories"], sample
    sets = held["pathways"].filter(pl.col("table") == "mirna.tsv")
    shown = [t for t in texts["b1-cargo2-sets1"] if re.fullmatch(r"\d+ of \d+", t)]
    stored = {f"{a} of {b}" for a, b in sets.select("hits_in_set", "set_size").iter_rows()}
    assert shown
    assert set(shown) <= stored
    claims = [c for t in batch.cargo for c in t.claims]
    balances = balance_by_molecule(claims)[:24]
    squares = len(drawn["b1-cargo-balance"].findall(f"{SVG}rect"))
    assert squares == sum(len(b.promoting) + len(b.inhibiting) for b in balances) > 5
    sides = held["claims"].filter(pl.col("side").is_in(["promoting", "inhibiting"]))
    names = [b.molecule for b in balances]
    drawn_rows = sides.filter(pl.col("molecule").is_in(names)).unique(["molecule", "row", "side"])
    assert drawn_rows.height == squares
    counts = count_conditions(claims)
    infarction = next(c for c in counts if c.condition == "myocardial infarction")
    rows = held["claims"].filter((pl.col("condition") == "myocardial infarction") & pl.col("counted"))
    assert infarction.rows == rows["row"].n_unique()
    assert set(infarction.molecules) == set(rows["molecule"])
    assert texts["b1-cargo-conditions"][0] == "myocardial infarction (indication)", "first"
    assert held["molecules"].height == 19 + 60


def test_pathways_of_mirnas_are_those_of_the_command(written: tuple[Assessment, DossierPaths], tables: Path) -> None:
    _, paths = written
    options = ["--targets", str(tables / "targets.tsv"), "--sets", "reactome", "--sets", "hallmark", "--no-claims"]
    result = CliRunner().invoke(cargo_command, [str(tables / "mirna.tsv"), *options, "--json"])
    assert result.exit_code == 0, result.output
    theirs = {s["id"]: s for s in json.loads(result.stdout)["pathways"][0]["sets"]}
    ours = pl.read_parquet(paths.tables["cargo_pathways"]).filter(
        (pl.col("batch") == "A") & (pl.col("table") == "mirna.tsv") & pl.col("p_value").is_not_null()
    )
    assert ours.height >= 10
    for row in ours.iter_rows(named=True):
        other = theirs[row["set_id"]]
        assert (row["p_value"], row["adjusted_p"]) == (other["p_value"], other["adjusted_p_value"])
        assert row["members"] == "; ".join(other["members"])


def test_sets_that_stand_out_are_told_apart(written: tuple[Assessment, DossierPaths]) -> None:
    assessment, paths = written
    held = pl.read_parquet(paths.tables["cargo_pathways"])
    assert set(held["origin"]) == {s.origin for s in load_tables()} - {"go-bp-2021"}
    for batch in assessment.batches:
        for table in batch.cargo:
            for test in table.tests:
                mine = held.filter(
                    (pl.col("batch") == batch.batch) & (pl.col("table") == table.path) & (pl.col("list") == test.what)
                )
                assert mine.filter(pl.col("standing") == CALLED).height == test.called
                alone = mine.filter(pl.col("standing") == GENOME_ONLY)
                assert (alone["genome_adjusted_p"] < 0.05).all()
                assert not (alone["adjusted_p"].fill_null(1.0) < 0.05).any()


def test_targets_are_an_input_of_the_dossier(written: tuple[Assessment, DossierPaths], tables: Path) -> None:
    assessment, paths = written
    assert (paths.folder / "inputs" / "targets.tsv").read_bytes() == (tables / "targets.tsv").read_bytes()
    files = pl.read_parquet(paths.tables["files"]).filter(pl.col("path") == "targets.tsv")
    assert files["batch"].to_list() == ["A", "B"], "both list miRNAs"
    assert set(files["status"]) == {"read"}
    graph = json.loads(paths.crate.read_text(encoding="utf-8"))["@graph"]
    assert sum(e["@id"] == "inputs/targets.tsv" for e in graph) == 1
    finding = next(f for f in assessment.batches[0].findings if f.id == "A/cargo/mirna.tsv/pathways/most abundant")
    assert [i.path for i in finding.inputs] == ["mirna.tsv", "targets.tsv"]
    assert finding.inputs[1].sha256 == files["sha256"][0]
    assert finding.method is not None
    assert finding.method.parameters["targets"] == "targets.tsv"
    assert any("Bleazard" in c.text for c in finding.citations)
    lead = re.search(r'<p class="soft">(.*?)</p>', paths.html.read_text(encoding="utf-8"))
    assert lead
    assert "7 input files" in lead[1], "the targets count once"


def test_a_dossier_with_cargo_holds_and_comes_out_the_same(
    written: tuple[Assessment, DossierPaths], tmp_path: Path
) -> None:
    _, paths = written
    report = verify_dossier(paths.folder, workers=1)
    assert report.holds, report.lines()
    assert not any("was not compared" in n for n in report.notes), "the page's bytes too"
    assert check_files(paths.folder) == []
    forged = shutil.copytree(paths.folder, tmp_path / "forged")
    table = forged / "cargo_claims.parquet"
    pl.read_parquet(table).with_columns(side=pl.lit("promoting")).write_parquet(table)
    assert any("cargo_claims" in p for p in verify_dossier(forged, workers=1).problems)


def test_overlap_of_batches_is_that_of_their_molecules(written: tuple[Assessment, DossierPaths]) -> None:
    _, paths = written
    page = paths.html.read_text(encoding="utf-8")
    held = pl.read_parquet(paths.tables["cargo_molecules"]).filter(2 * pl.col("detected_in") >= pl.col("samples"))
    across = re.search(r'<section class="cargo" aria-labelledby="cargo">.*?</section>', page, re.DOTALL)
    assert across
    drawn = drawings(across[0])
    assert set(drawn) == {"cargo-mirna", "cargo-protein"}
    for kind, svg in drawn.items():
        sets = [
            set(held.filter((pl.col("batch") == b) & (pl.col("kind") == kind.removeprefix("cargo-")))["key"])
            for b in "AB"
        ]
        numbers = [t.text for t in svg.iter(f"{SVG}text")]
        for n in (len(sets[0] & sets[1]), len(sets[0] - sets[1]), len(sets[0]), len(sets[1])):
            assert str(n) in numbers
    assert "MYC" not in across[0]
    assert "20 proteins in 2 batches, 8 of them in every one" in across[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be opened"),
        ("", "an empty file"),
        ("mirna\tgene\nmiR-21\tPTEN\n", "expected a column 'Target Gene' or 'target'"),
        ("mirna\ttarget\tsupport\tpmid\nhsa-miR-21-5p\tPTEN\tyes\tx\nwhat\tPTEN\tyes\t1\n", "and 1 more problems"),
    ],
)
def test_a_bad_table_of_targets_is_one_finding_and_the_rest_stands(
    copy_of: Path, tmp_path: Path, text: str | None, said: str
) -> None:
    if text is None:
        (copy_of / "targets.tsv").unlink()
    else:
        (copy_of / "targets.tsv").write_text(text, encoding="utf-8")
    assessment = without_store(copy_of)
    for batch in assessment.batches:
        refused = [f for f in batch.findings if f.topic == "file" and "targets.tsv" in f.title]
        assert [f.verdict for f in refused] == [Verdict.NOT_MEASURED]
        assert said in refused[0].statement
        assert "\n" not in refused[0].statement
    pathways = next(f for f in assessment.batches[0].findings if f.id.endswith("mirna.tsv/pathways/most abundant"))
    assert "the table targets.tsv could not be used" in pathways.statement
    own = section(write(assessment, tmp_path / "d", inputs=copy_of).html.read_text(encoding="utf-8"), "b1")
    assert "b1-cargo1-categories" in own
    assert "b1-cargo2-sets1" not in own
    assert "The evidence store was not asked." in own


def test_a_study_without_targets_says_so(copy_of: Path) -> None:
    path = copy_of / "study.yaml"
    path.write_text(path.read_text().replace("mirna_targets: targets.tsv\n", ""))
    batch = without_store(copy_of).batches[0]
    found = next(f for f in batch.findings if f.id == "A/cargo/mirna.tsv/pathways/most abundant")
    assert "name a table of them as mirna_targets in study.yaml" in found.statement
    assert "targets.tsv" not in [f.path for f in batch.files]
    assert any("no mirna_targets" in p.message for p in check_study(copy_of).problems)


def test_check_knows_the_table_of_targets(copy_of: Path) -> None:
    assert not [p for p in check_study(copy_of).problems if "target" in p.message]
    line = STUDY.split("\n").index("mirna_targets: targets.tsv") + 1
    (copy_of / "targets.tsv").write_text("mirna\ttarget\nmiR-21\tPTEN\n", encoding="utf-8")
    bad = next(p for p in check_study(copy_of).problems if "table of targets" in p.message)
    assert (bad.severity, bad.line) == ("warning", line)
    assert "'support'" in bad.message
    (copy_of / "targets.tsv").unlink()
    gone = next(p for p in check_study(copy_of).problems if "targets.tsv" in p.message)
    assert (gone.severity, gone.line) == ("error", line)
    (copy_of / "targets.tsv").write_text(target_text(["hsa-miR-21-5p"]), encoding="utf-8")
    path = copy_of / "study.yaml"
    path.write_text(path.read_text().replace(", mirna.tsv", "").replace(", mirna2.tsv", ""))
    unused = next(p for p in check_study(copy_of).problems if "mirna_targets is not used" in p.message)
    assert unused.severity == "note"


def test_another_table_of_targets_is_another_result(copy_of: Path) -> None:
    before = [b.key for b in without_store(copy_of).batches]
    names = (copy_of / "targets.tsv").read_text()
    (copy_of / "targets.tsv").write_text(names.replace("PTEN", "MDM2"), encoding="utf-8")
    after = [b.key for b in without_store(copy_of).batches]
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_hostile_names_stay_texts(copy_of: Path, tmp_path: Path) -> None:
    attack = "<script>window.pwned=1</script>"
    text = (copy_of / "proteome.tsv").read_text().replace("s1", attack)
    (copy_of / "proteome.tsv").write_text(text, encoding="utf-8")
    page = write(without_store(copy_of), tmp_path / "d", inputs=copy_of).html.read_text(encoding="utf-8")
    own = section(page, "b1")
    assert "<script" not in own
    assert "window.pwned" in own


def test_a_real_table_fills_the_section(copy_of: Path, tmp_path: Path) -> None:
    found = sorted(SHARED.glob("NguyenMauTue__*/data/filtered_protein_groups.csv"))
    if not found:
        pytest.skip("the public proteomes lie beside the repository only where they are shared")
    shutil.copyfile(found[0], copy_of / "real.csv")
    path = copy_of / "study.yaml"
    path.write_text(path.read_text().replace("[proteome.tsv, mirna.tsv]", "[real.csv]"))
    assessment = without_store(copy_of)
    table = assessment.batches[0].cargo[0]
    assert len(table.categories) == 12
    assert all(c.met for c in table.categories)
    test = table.tests[0]
    assert (test.called, test.tested) == (0, 671)
    alone = [s for s in test.sets if s.standing == GENOME_ONLY]
    assert len(alone) == test.genome_called == 50
    own = section(write(assessment, tmp_path / "d", inputs=copy_of).html.read_text(encoding="utf-8"), "b1")
    assert "none of 671 gene sets stands out; the whole genome as background would have called 50" in own
    assert "Of 50 sets that the genome alone calls 6 are drawn" in own


@pytest.mark.parametrize("width", [390, 1280])
def test_the_section_fits_the_screen_and_asks_for_nothing(
    written: tuple[Assessment, DossierPaths], browser: Browser, width: int
) -> None:
    _, paths = written
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: faults.append(m.text))
    page.goto(f"{paths.html.as_uri()}#b1-cargo")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#b1-cargo figure.still svg").first.is_visible()
    assert [u for u in asked if not u.startswith(("file:", "data:"))] == []
    assert faults == []
    page.close()
