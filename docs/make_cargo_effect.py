"""Null and spiked simulations of the cargo pathway tests, and the figures of the pages about them.

Needs the public tables that the developers keep beside the repository (VESICULA_SHARED, default ../shared), and a
table of miRNA targets as ``vesicula mechanism --targets`` takes (first argument). Neither is redistributed; the
numbers drawn from them are. Run: python docs/make_cargo_effect.py TARGETS.tsv
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import kstest

from vesicula.cargo.effect.activity import activity, compare_groups
from vesicula.cargo.effect.run import analyse_cargo, notable_sets
from vesicula.cargo.effect.sets import genome_of, mirna_enrichment, mirna_test, permuted_p, protein_enrichment
from vesicula.cargo.effect.table import read_cargo
from vesicula.cargo.effect.targets import targets_of_table
from vesicula.cargo.enrichment import SampleInfo, benjamini_hochberg, build_design, moderated_test, over_represented
from vesicula.cli.files import write_svg
from vesicula.figures.cargo import activity_heat_map, pathway_network, upset
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, GREEN, VERMILLION
from vesicula.figures.svg import Scale, document, line, polyline, text
from vesicula.mechanism.tables import GeneSet, load_tables
from vesicula.mechanism.targets import read_targets

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("VESICULA_SHARED", ROOT.parent / "shared")) / "data" / "cargo"
PROTEINS = (
    SHARED
    / "JaeinYoo12__Meningeal-lymphatics-as-a-gateway-for-extracellular-vesicle-brain-delivery"
    / "EV proteomic Hek vs MSC.xlsx"
)
SMALL_PROTEOME = (
    SHARED / "NguyenMauTue__PRIDE-breast-cancer-exosome-biomarker-discovery" / "data" / "filtered_protein_groups.csv"
)
MIRNAS = SHARED / "cfarkas__miRNA_exosomes" / "data" / "miRNA-counts_example.csv"
OUT = ROOT / "docs" / "validation"
REPEATS, MIRNA_REPEATS, LIST_PROTEINS, LIST_MIRNAS, LIST_SMALL, DRAWS = 100, 40, 150, 30, 60, 500
Row = tuple[str, ...]


def summary(case: str, test: str, lists: Sequence[np.ndarray], called: Sequence[int]) -> Row:
    p = np.concatenate(lists)
    return (
        case,
        test,
        str(len(lists)),
        str(p.size),
        *(f"{np.mean(p <= level):.4f}" for level in (0.05, 0.01, 0.001)),
        f"{np.mean(np.array(called) > 0):.2f}",
        f"{np.mean(called):.1f}",
    )


HEADS = (
    "case",
    "test",
    "lists",
    "p values",
    "share <= 0.05",
    "share <= 0.01",
    "share <= 0.001",
    "lists with a set called",
    "sets called per list",
)


def protein_null(
    path: Path, size: int, sets: Sequence[GeneSet], rng: np.random.Generator
) -> tuple[list[Row], dict[str, np.ndarray]]:
    table = read_cargo(path)
    measured = {table.keys[i]: table.labels[i] for i in table.measured()}
    keys = list(measured)
    genome = genome_of(sets) | set(keys)
    members = {s.set_id: s.genes for s in sets}
    p: dict[str, list[np.ndarray]] = {"ours": [], "genome": []}
    called: dict[str, list[int]] = {"ours": [], "genome": []}
    for _ in range(REPEATS):
        hits = [keys[i] for i in rng.choice(len(keys), size, replace=False)]
        for name, background in (("ours", set(keys)), ("genome", genome)):
            found = over_represented(hits, background, members)
            p[name].append(np.array([r.p_value for r in found]))
            called[name].append(sum(r.adjusted_p < 0.05 for r in found))
    label = {"ours": "proteins measured", "genome": "whole genome"}
    case = f"random proteins, {size} of {len(keys)}"
    return [summary(case, label[n], p[n], called[n]) for n in p], {n: np.concatenate(p[n]) for n in p}


def mirna_lists(degree: np.ndarray, rng: np.random.Generator, *, biased: bool) -> Iterator[np.ndarray]:
    weights = degree / degree.sum() if biased else None
    for _ in range(MIRNA_REPEATS):
        yield rng.choice(degree.size, LIST_MIRNAS, replace=False, p=weights)


def mirna_null(
    sets: Sequence[GeneSet],
    targets: dict[str, frozenset[str]],
    keys: list[str],
    rng: np.random.Generator,
    *,
    biased: bool,
) -> tuple[list[Row], dict[str, np.ndarray]]:
    pool = frozenset().union(*(targets[k] for k in keys))
    used = [s for s in sets if 5 <= len(s.genes & pool) <= 500]
    members = {s.set_id: s.genes for s in used}
    genome = genome_of(sets) | pool
    test = mirna_test([targets[k] for k in keys], [s.genes & pool for s in used])
    p: dict[str, list[np.ndarray]] = {"ours": [], "genes": [], "genome": []}
    called: dict[str, list[int]] = {n: [] for n in p}
    for rows in mirna_lists(np.array([len(targets[k]) for k in keys]), rng, biased=biased):
        own = permuted_p(test, list(rows), rng, stages=((DRAWS, 1.0), (10 * DRAWS, 0.02)))
        adjusted = benjamini_hochberg(own)
        p["ours"].append(own)
        called["ours"].append(int((adjusted < 0.05).sum()))
        union = frozenset().union(*(targets[keys[i]] for i in rows))
        for name, background in (("genes", pool), ("genome", genome)):
            found = over_represented(union, background, members)
            p[name].append(np.array([r.p_value for r in found]))
            called[name].append(sum(r.adjusted_p < 0.05 for r in found))
    label = {"ours": "selections of miRNAs", "genes": "genes, all measured targets", "genome": "genes, whole genome"}
    how = "miRNAs drawn by number of targets" if biased else "random miRNAs"
    case = f"{how}, {LIST_MIRNAS} of {len(keys)}"
    return [summary(case, label[n], p[n], called[n]) for n in p], {n: np.concatenate(p[n]) for n in p}


def spiked(
    sets: Sequence[GeneSet],
    targets: dict[str, frozenset[str]],
    keys: list[str],
    rng: np.random.Generator,
    repeats: int = 15,
) -> list[Row]:
    table = read_cargo(PROTEINS)
    measured = {table.keys[i]: table.labels[i] for i in table.measured()}
    found, first = 0, 0
    big = [s for s in sets if 20 <= len(s.genes & measured.keys()) <= 80]
    for s in rng.choice(np.array(big, dtype=object), repeats, replace=False):
        inside = sorted(s.genes & measured.keys())
        hits = set(rng.choice(inside, max(8, len(inside) // 3), replace=False))
        hits |= set(rng.choice(sorted(measured), LIST_PROTEINS - len(hits), replace=False))
        answer = protein_enrichment("spiked", {h: h for h in hits}, measured, sets)
        found += any(a.set_id == s.set_id for a in answer.called)
        first += answer.answers[0].set_id == s.set_id
    rows: list[Row] = [
        ("spiked proteins: a third of a set of 20 to 80", f"called in {found} of {repeats}", f"first in {first}")
    ]
    rows += [spiked_mirnas(sets, targets, keys, rng, repeats, loaded, among) for loaded, among in ((15, 60), (20, 30))]
    return rows


def spiked_mirnas(
    sets: Sequence[GeneSet],
    targets: dict[str, frozenset[str]],
    keys: list[str],
    rng: np.random.Generator,
    repeats: int,
    loaded: int,
    among: int,
) -> Row:
    pool = frozenset().union(*(targets[k] for k in keys))
    used = [s for s in sets if 20 <= len(s.genes & pool) <= 200]
    found = first = 0
    names = {k: k for k in keys}
    for s in rng.choice(np.array(used, dtype=object), repeats, replace=False):
        share = np.array([len(targets[k] & s.genes) / np.sqrt(len(targets[k])) for k in keys])
        chosen = list(rng.choice(np.argsort(-share)[:among], loaded, replace=False))
        rest = [i for i in rng.permutation(len(keys)) if i not in chosen][: LIST_MIRNAS - loaded]
        hits = {keys[i]: keys[i] for i in [*chosen, *rest]}
        stages = ((500, 1.0), (5_000, 0.02), (50_000, 0.001))
        answer = mirna_enrichment("spiked", hits, names, targets, used, stages=stages)
        found += any(a.set_id == s.set_id for a in answer.called)
        first += answer.answers[0].set_id == s.set_id
    case = f"spiked miRNAs: {loaded} of {LIST_MIRNAS} among the {among} with most of their targets in a set"
    return (case, f"called in {found} of {repeats}", f"first in {first}")


def activity_null(rng: np.random.Generator) -> list[Row]:
    rows: list[Row] = []
    molecules, sets, size, repeats = 1000, 100, 10, 20
    samples = [f"s{i}" for i in range(8)]
    design = build_design(
        [SampleInfo(sample=s, condition="AB"[i // 4]) for i, s in enumerate(samples)], test="B", reference="A"
    )
    weights = np.zeros((molecules, sets))
    for k in range(sets):
        weights[k * size : (k + 1) * size, k] = 1.0
    for rho in (0.0, 0.2):
        single, groups = [], []
        for seed in range(repeats):
            common = np.repeat(rng.normal(size=(sets, len(samples))), size, axis=0)
            values = np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.normal(size=(molecules, len(samples)))
            found = activity(values, samples, csr_array(weights), [str(k) for k in range(sets)], draws=500, seed=seed)
            single.append(found.p_value.ravel())
            groups.append(compare_groups(found, design).p_value)
        for name, p in (("sample by sample, permuted molecules", single), ("groups, moderated t", groups)):
            joined = np.concatenate(p)
            rows.append((
                f"no difference, correlation within sets {rho:g}", name, f"{joined.size}",
                *(f"{np.mean(joined <= level):.4f}" for level in (0.05, 0.01)),
                f"{kstest(joined, 'uniform').statistic:.3f}",
            ))  # fmt: skip
    return rows


def quantiles(curves: Sequence[tuple[str, str, str, np.ndarray]], title: str) -> Figure:
    """Draw p values found against p values expected of chance, both as minus log10."""
    width, height, left, top, span = 400, 372, 58, 40, 280
    most = 6.0
    x = Scale(low=0, high=4, start=left, end=left + span)
    y = Scale(low=0, high=most, start=top + span, end=top)
    parts = [text(left, 20, title, anchor="start", extra=' font-weight="600"')]
    for k in range(5):
        parts += [
            line(x(k), top + span, x(k), top + span + 4, ' stroke="currentColor"'),
            text(x(k), top + span + 17, str(k)),
        ]
    for k in range(7):
        parts += [
            line(left, y(k), left + span, y(k), ' stroke="currentColor" stroke-opacity=".15"'),
            text(left - 8, y(k) + 4, str(k), anchor="end"),
        ]
    parts.append(polyline([(x(0), y(0)), (x(4), y(4))], ' stroke="currentColor" stroke-dasharray="2 3"'))
    for n, (name, ink, dashes, p) in enumerate(curves):
        ranks = np.unique(np.geomspace(1, p.size, 120).astype(int)) - 1
        expected = -np.log10((ranks + 0.5) / p.size)
        seen = -np.log10(np.maximum(np.sort(p)[ranks], 1e-12))
        parts.append(
            polyline(
                [(x(a), y(b)) for a, b in zip(expected, seen, strict=True)],
                f' stroke="{ink}" stroke-width="2.5" stroke-dasharray="{dashes}"',
            )
        )
        parts.append(
            line(
                left + 106,
                top + span - 44 + 18 * n,
                left + 132,
                top + span - 44 + 18 * n,
                f' stroke="{ink}" stroke-width="3" stroke-dasharray="{dashes}"',
            )
        )
        parts.append(text(left + 138, top + span - 40 + 18 * n, name, anchor="start"))
    parts.append(text(left + span / 2, top + span + 36, "p expected of chance, minus log10"))
    parts.append(
        f'<text x="0" y="0" text-anchor="middle" transform="translate(16 {top + span / 2}) rotate(-90)">'
        "p found, minus log10</text>"
    )
    alt = f"{title}: quantiles of p values of random lists; on the dotted line they are what chance gives."
    return Figure(spec={}, svg=document(parts, width=width, height=height, label=alt), caption=alt, alt=alt)


def _write(name: str, lines: Sequence[Row]) -> None:
    (OUT / name).write_text("".join("\t".join(r) + "\n" for r in lines), encoding="utf-8")


def example_figures(folder: Path) -> None:
    """Draw the three figures of the explanation from the vesicle proteomes of MSC and HEK cells."""
    table = read_cargo(PROTEINS)
    samples = [SampleInfo(sample=name, condition=name.split("_")[0]) for name in table.samples]
    compared = moderated_test(table.log2, build_design(samples, test="MSC", reference="HEK293"))
    table = replace(table, effect=compared.fit.effect, adjusted_p=compared.adjusted_p)
    sets = [s for s in load_tables() if s.origin != "go-bp-2021"]
    found = analyse_cargo(table, sets, samples=samples, contrast=("MSC", "HEK293"))
    lower = found.enrichments[1]
    folder.mkdir(exist_ok=True)
    called = [(a.name, a.members, a.adjusted_p) for a in lower.called]
    write_svg(folder / "cargo-network.svg", pathway_network(called, what="lower in MSC"))
    groups = {g.name: frozenset(g.cargo) for g in found.groups}
    write_svg(folder / "cargo-upset.svg", upset(groups, what="proteins"))
    if found.activity is None:
        raise SystemExit("no activities")
    rows = notable_sets(found)
    names = [found.set_names[found.activity.set_ids[i]] for i in rows]
    marked = found.activity.adjusted_p[rows] < 0.05
    drawn = activity_heat_map(found.activity.score[rows], names, table.samples, marked, relative=True)
    write_svg(folder / "cargo-activity.svg", drawn)


def main(target_table: Path) -> None:
    rng = np.random.default_rng(20)
    sets = [s for s in load_tables() if s.origin != "go-bp-2021"]
    table = read_cargo(MIRNAS)
    joined = targets_of_table(read_targets(target_table), [table.keys[i] for i in table.measured()])
    targets = dict(joined.genes)
    keys = list(targets)
    head = ("case", "p value", "p values", "share <= 0.05", "share <= 0.01", "largest distance from uniform")
    _write("cargo-activity.tsv", [head, *activity_null(rng)])
    rows, _ = protein_null(PROTEINS, LIST_PROTEINS, sets, rng)
    small, proteins = protein_null(SMALL_PROTEOME, LIST_SMALL, sets, np.random.default_rng(21))
    rows += small
    more, mirnas = mirna_null(sets, targets, keys, rng, biased=False)
    _write("cargo-null.tsv", [HEADS, *rows, *more])
    biased, _ = mirna_null(sets, targets, keys, rng, biased=True)
    _write("cargo-null.tsv", [HEADS, *rows, *more, *biased])
    figures = OUT / "figures"
    figures.mkdir(exist_ok=True)
    write_svg(
        figures / "cargo-null-proteins.svg",
        quantiles(
            [
                ("proteins measured (ours)", BLUE, "", proteins["ours"]),
                ("whole genome", VERMILLION, "7 4", proteins["genome"]),
            ],
            "Random proteins of the vesicles",
        ),
    )
    write_svg(
        figures / "cargo-null-mirnas.svg",
        quantiles(
            [
                ("selections of miRNAs (ours)", BLUE, "", mirnas["ours"]),
                ("genes, measured targets", GREEN, "2 3", mirnas["genes"]),
                ("genes, whole genome", VERMILLION, "7 4", mirnas["genome"]),
            ],
            "Random miRNAs of the vesicles",
        ),
    )
    _write("cargo-spiked.tsv", [("case", "called", "first"), *spiked(sets, targets, keys, np.random.default_rng(22))])
    example_figures(ROOT / "docs" / "explanation" / "figures")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
