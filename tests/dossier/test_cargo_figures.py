"""Figures of the cargo section: what is drawn, what is cut, and what a large or hostile study does to it."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from vesicula.core.assessment import Assessment
from vesicula.core.cargo import (
    CALLED,
    GENOME_ONLY,
    NEITHER,
    CargoCategories,
    CargoClaim,
    CargoMolecule,
    CargoSet,
    CargoTableResult,
    CargoTest,
)
from vesicula.core.finding import Finding, MethodRef, Verdict
from vesicula.dossier.cargo import add_carried, cargo_across
from vesicula.dossier.writer import write
from vesicula.evidence.names_lookup import same_condition
from vesicula.figures.cargo_bars import (
    balance_bars,
    balance_by_molecule,
    condition_bars,
    count_conditions,
    overlap_map,
    pathway_dots,
    sets_to_draw,
)
from vesicula.figures.proteome import category_map

# ruff: noqa: S314 - the text parsed is our own

SVG = "{http://www.w3.org/2000/svg}"


def gene_set(name: str, standing: str, p: float | None, genome: float | None = None, hits: int = 5) -> CargoSet:
    return CargoSet(
        set_id=name, name=name, origin="reactome", standing=standing, hits_in_set=hits, set_size=40, fold=2.0,
        p_value=p, adjusted_p=p, genome_adjusted_p=genome, members=("CD9", "CD63"),
    )  # fmt: skip


def outcome(*sets: CargoSet) -> CargoTest:
    called = sum(s.standing == CALLED for s in sets)
    return CargoTest(what="higher", tested=100, called=called, genome_called=7, sets=sets)


def claim(molecule: str, row: str, condition: str = "x", effect: str = "beneficial", **more: object) -> CargoClaim:
    told = {"counted": True, "study_type": "in vivo", **more}
    return CargoClaim(molecule=molecule, row=row, condition=condition, effect_class=effect, **told)  # type: ignore[arg-type]


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg).iter(f"{SVG}text")]


def place(svg: str, kind: str) -> list[float]:
    return [float(c.get("cx") or "nan") for c in ET.fromstring(svg).iter(f"{SVG}{kind}")]


def test_a_set_is_right_of_the_line_just_where_it_is_called() -> None:
    drawn = pathway_dots(
        outcome(gene_set("in", CALLED, 0.04, 1e-3), gene_set("out", GENOME_ONLY, 0.06, 0.01)), kind="protein"
    )
    root = ET.fromstring(drawn.svg)
    dashed = next(p for p in root.iter(f"{SVG}path") if p.get("stroke-dasharray"))
    line = float(re.findall(r"[\d.]+", dashed.get("d") or "")[0])
    inside, outside = place(drawn.svg, "circle")
    assert outside < line < inside
    diamonds = [p for p in root.iter(f"{SVG}path") if p.get("fill") == "none"]
    assert len(diamonds) == 2
    assert "1 of 100 gene sets stand out" in drawn.alt


def test_genome_values_far_off_are_cut_and_say_so() -> None:
    drawn = pathway_dots(outcome(gene_set("in", CALLED, 0.01, 1e-60)), kind="protein")
    assert any("⁻⁶⁰" in t for t in texts(drawn.svg))
    assert max(place(drawn.svg, "circle")) > 400, "the dot is not pressed to the left"


def test_a_set_that_could_not_be_tested_has_no_dot() -> None:
    drawn = pathway_dots(outcome(gene_set("few", GENOME_ONLY, None, 1e-4)), kind="mirna")
    assert place(drawn.svg, "circle") == []
    assert "too few members measured to test" in texts(drawn.svg)


def test_what_is_left_out_is_counted() -> None:
    sets = [gene_set(f"c{k}", CALLED, 0.01) for k in range(20)]
    sets += [gene_set(f"g{k}", GENOME_ONLY, 0.2, 0.01) for k in range(9)]
    sets += [gene_set(f"n{k}", NEITHER, 0.5) for k in range(9)]
    drawn = pathway_dots(outcome(*sets), kind="protein")
    assert "Of 20 sets that stand out 12 are drawn" in drawn.caption
    assert "Of 9 sets that the genome alone calls 6 are drawn" in drawn.caption
    assert [s.standing for s in sets_to_draw(outcome(*sets[20:]))] == [NEITHER] * 5 + [GENOME_ONLY] * 6


def test_rows_count_once_and_only_for_the_very_molecule() -> None:
    claims = [
        claim("A", "r1", "burn"), claim("B", "r1", "burn"), claim("A", "r2", "burn", "mixed"),
        claim("C", "r3", "burn", counted=False), claim("C", "r4", "frost", counted=False),
    ]  # fmt: skip
    (only,) = count_conditions(claims)
    assert (only.condition, only.molecules, only.rows) == ("burn", ("A", "B"), 2)
    assert only.effects == (("beneficial", 1), ("mixed", 1))
    drawn = condition_bars([only], indication="Burn")
    assert texts(drawn.svg)[0] == "burn (indication)"
    bars = [r for r in ET.fromstring(drawn.svg).iter(f"{SVG}rect") if r.get("height") == "16"]
    assert len(bars) == 2


def test_the_indication_comes_first_however_few_its_rows() -> None:
    claims = [claim(m, f"{c}{m}", c) for c in "abcdefghijklmn" for m in "PQ"] + [claim("P", "z", "zoster")]
    drawn = condition_bars(count_conditions(claims), indication="zoster")
    assert texts(drawn.svg)[0] == "zoster (indication)"
    assert "3 more conditions" in drawn.caption


def test_the_indication_is_known_by_its_other_names() -> None:
    claims = [claim(m, f"{c}{m}", c) for c in ("burn", "infarcted heart", "heart") for m in "PQ"]
    drawn = texts(condition_bars(count_conditions(claims), indication="myocardial infarction").svg)
    assert drawn[0] == "infarcted heart (indication)"
    assert not any("(indication)" in t for t in drawn[1:])
    assert same_condition("Burn", "burn")
    # Known only to a broader term, and known to no registry at all: the same as nothing else.
    assert not same_condition("breast cancer (BRCA1 hereditary)", "hereditary breast ovarian cancer syndrome")
    assert not same_condition("heart infarct", "myocardial infarction")


def test_the_balance_shows_both_sides_and_open_squares_for_wider_names() -> None:
    claims = [
        claim("A", "r1", tumour="glioma", side="promoting"), claim("A", "r2", tumour="glioma", side="inhibiting"),
        claim("A", "r3", tumour="glioma", side="inhibiting", counted=False),
        claim("B", "r4", tumour="myeloma", side="neither"), claim("C", "r5"),
    ]  # fmt: skip
    a, b = balance_by_molecule(claims)
    assert (a.molecule, a.promoting, a.inhibiting, a.unsure) == ("A", ("r1",), ("r2", "r3"), frozenset({"r3"}))
    assert (b.molecule, b.neither) == ("B", ("r4",))
    drawn = balance_bars([a, b])
    squares = list(ET.fromstring(drawn.svg).iter(f"{SVG}rect"))
    assert len(squares) == 3
    assert sum(s.get("fill") == "none" for s in squares) == 1
    assert sum(float(s.get("x") or 0) > 300 for s in squares) == 1, "one row promotes"
    assert "1 promoting, 2 inhibiting" in drawn.alt


def table_of(path: str, names: str, kind: str = "protein") -> CargoTableResult:
    molecules = tuple(CargoMolecule(key=n, name=n, tested_as="", detected_in=2) for n in names)
    return CargoTableResult(path=path, kind=kind, samples=("s1", "s2"), molecules=molecules)  # type: ignore[arg-type]


def test_more_batches_than_an_upset_plot_holds_become_a_map(assessment: Assessment) -> None:
    carried: dict[str, dict[str, set[str]]] = {}
    base = assessment.batches[0]
    for k in range(9):
        add_carried(carried, dataclasses.replace(base, batch=f"L{k}", cargo=(table_of("t", "abcdef"[: 2 + k % 5]),)))
    (across,) = cargo_across(carried)
    cells = list(ET.fromstring(across.figure.svg).iter(f"{SVG}rect"))
    assert len(cells) == 81
    assert "2 of them in every one" in across.lead
    drawn = overlap_map({"p": frozenset("ab"), "q": frozenset("abcd"), "r": frozenset()}, what="proteins")
    assert drawn.spec["data"][0]["z"] == [[1.0, 1.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_molecule_of_few_samples_is_not_carried() -> None:
    table = table_of("t", "ab")
    rare = dataclasses.replace(table.molecules[0], detected_in=0)
    assert [m.key for m in dataclasses.replace(table, molecules=(rare, table.molecules[1])).carried] == ["b"]


def test_categories_without_a_sum_show_numbers_found() -> None:
    found = {c: ("CD9",) if c == "1" else () for c in "12345"}
    column = CargoCategories(
        sample="s", met=False, proteins=9, found=found, shares={}, apob_share=None, albumin_share=None,
        other_species_share=None,
    )  # fmt: skip
    drawn = category_map([column])
    assert "there is no share to show" in drawn.caption
    assert "ApoB" not in texts(drawn.svg)


class Handlers(HTMLParser):
    """Collects attributes that would run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]


ATTACK = "<script>window.pwned=1</script>\" onload='x' & {{7*7}}"


@pytest.fixture
def attacked(assessment: Assessment) -> Assessment:
    found = dict.fromkeys("12345", (ATTACK,))
    column = CargoCategories(
        sample=ATTACK, met=False, proteins=9, found=found, shares=dict.fromkeys("12345", 0.1), apob_share=0.1,
        albumin_share=0.0, other_species_share=None,
    )  # fmt: skip
    sets = (
        dataclasses.replace(gene_set(ATTACK, CALLED, 0.01, 1e-9), members=(ATTACK, "CD9")),
        dataclasses.replace(gene_set(f"{ATTACK}2", CALLED, 0.02), members=(ATTACK, "CD9")),
    )
    table = CargoTableResult(
        path=ATTACK, kind="protein", samples=(ATTACK,),
        molecules=(CargoMolecule(key=ATTACK, name=ATTACK, tested_as=ATTACK, detected_in=1),),
        tests=(dataclasses.replace(outcome(*sets), what=ATTACK),), categories=(column,),
        claims=(claim(ATTACK, ATTACK, ATTACK, ATTACK, tumour=ATTACK, side="promoting"),),
        condition=ATTACK, looked_up=1, targets=ATTACK,
    )  # fmt: skip
    made = Finding(
        id=f"B1/cargo/{ATTACK}/found", batch="B1", topic="cargo", title=ATTACK, statement=ATTACK,
        verdict=Verdict.NOT_JUDGED, method=MethodRef(name="cargo.table", version="1"),
    )  # fmt: skip
    batches = [
        dataclasses.replace(b, cargo=(table,), findings=(*b.findings, dataclasses.replace(made, batch=b.batch)))
        for b in assessment.batches[:2]
    ]
    return dataclasses.replace(assessment, batches=batches)


def test_hostile_texts_stay_texts_in_every_figure_and_table(attacked: Assessment, tmp_path: Path) -> None:
    page = write(attacked, tmp_path / "d").html.read_text(encoding="utf-8")
    found = re.findall(r'<section class="cargo".*?</section>', page, re.DOTALL)
    assert len(found) == 3, "two batches and their overlap"
    for part in found:
        assert "<script" not in part
        parser = Handlers()
        parser.feed(part)
        assert parser.found == []
        for svg in re.findall(r"<svg xmlns.*?</svg>", part, re.DOTALL):
            ET.fromstring(svg)


def test_a_large_study_has_its_cargo_in_parquet_alone(synthetic: Callable[[int], Assessment], tmp_path: Path) -> None:
    base = synthetic(1)
    cargo = (dataclasses.replace(table_of("t.tsv", "ab"), tests=(outcome(gene_set("in", CALLED, 0.01)),)),)
    batches = [dataclasses.replace(base.batches[0], batch=f"L{k}", cargo=cargo) for k in range(41)]
    paths = write(dataclasses.replace(base, batches=batches), tmp_path / "d")
    page = paths.html.read_text(encoding="utf-8")
    assert 'class="cargo"' not in page
    assert pl.read_parquet(paths.tables["cargo_molecules"]).height == 2 * 41
    assert pl.read_parquet(paths.tables["cargo_pathways"])["standing"].to_list() == [CALLED] * 41
