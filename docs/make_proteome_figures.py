"""Draw the figures of docs/validation/proteome.md and write its tables, from the real tables in the shared folder."""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vesicula.cargo.enrichment import SampleInfo, build_design, moderated_test, over_represented
from vesicula.cargo.protein import ProteinTable, join_tables, read_protein_table
from vesicula.cargo.protein.analyse import FALSE_DISCOVERY_RATE, Proteome, analyse_proteome
from vesicula.cargo.protein.misev import markers_of_group
from vesicula.cargo.protein.names import genome, hgnc_of_group
from vesicula.core.finding import Verdict
from vesicula.figures.proteome import category_heatmap, missing_values, volcano
from vesicula.figures.style import BLUE, FONT, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, text
from vesicula.mechanism.tables import load_tables

HERE = Path(__file__).parent
FIGURES = HERE / "validation" / "figures"
PAGE = HERE / "validation" / "proteome.md"
SHARED = Path(os.environ.get("VESICULA_SHARED", HERE.parents[1] / "shared")) / "data"
DRAWS, LIST = 100, 100
METHODS = {"ExoGAG": "ExoGAG", "CD9": "IP-CD9", "sec": "SEC", "UC": "UC"}
# Authors' counts of spectra, as in tests/cargo/protein/test_protein_real.py.
MILK = {"ExoGAG": (438, 435), "UC": (279, 61), "SEC": (3, 12), "IP-CD9": (0, 70)}


def put(name: str, lines: list[str]) -> None:
    """Replace what stands between the two markers of a table."""
    page = PAGE.read_text(encoding="utf-8")
    block = "\n".join([f"<!-- {name} -->", "", *lines, "", f"<!-- end of {name} -->"])
    found, count = re.subn(rf"<!-- {name} -->.*<!-- end of {name} -->", lambda _: block, page, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE}: no place for {name}")
    PAGE.write_text(found, encoding="utf-8")


def save(name: str, svg: str) -> None:
    drawn = svg.replace("<svg ", '<svg color="#1b1f24" style="background:#fff" ', 1)
    (FIGURES / f"proteome-{name}.svg").write_text(drawn + "\n", encoding="utf-8")


def find(pattern: str) -> Path:
    found = sorted(SHARED.glob(pattern))
    if not found:
        raise SystemExit(f"no {pattern} in {SHARED}")
    return found[0]


def sheet(table: ProteinTable, condition: Callable[[str], str], unit: Callable[[str], str] = str) -> list[SampleInfo]:
    return [SampleInfo(sample=s, condition=condition(s), unit=unit(s)) for s in table.samples]


def sets() -> dict[str, frozenset[str]]:
    return {s.set_id: s.genes for s in load_tables() if s.origin in {"reactome", "hallmark-7.0"}}


def milk() -> Proteome:
    first = find("simulation/pedrofortes*/mass_spectrometry_data/DB search psm_UC_ POOL_1.csv")
    table = join_tables([read_protein_table(f) for f in sorted(first.parent.glob("DB search psm*.csv"))])
    info = sheet(table, lambda s: next(m for w, m in METHODS.items() if w in s))
    order = {m: k for k, m in enumerate(METHODS.values())}
    info.sort(key=lambda i: (order[i.condition], i.sample[::-1]))
    return analyse_proteome(table, samples=info)


def milk_rows(result: Proteome) -> list[str]:
    heads = "method | ApoB spectra, authors | ours | albumin spectra, authors | ours | ApoB, % | albumin, % | rule met"
    lines = [f"| {heads} |", "|---|---|---|---|---|---|---|---|"]
    for c in result.conditions:
        columns = [j for j, s in enumerate(result.table.samples)
                   if next(m for w, m in METHODS.items() if w in s) == c.condition]  # fmt: skip
        counts = [
            int(sum(result.table.values[i, columns].sum() for i, g in enumerate(result.table.groups)
                    if accession in g.accessions))
            for accession in ("P04114", "P02768")
        ]  # fmt: skip
        met = sum(result.purity[j].verdict is Verdict.MET for j in columns)
        apob, albumin = MILK[c.condition]
        lines.append(f"| {c.condition} | {apob} | {counts[0]} | {albumin} | {counts[1]} | {100 * c.apob_share:.2f} | "
                     f"{100 * c.albumin_share:.2f} | {met} of {len(columns)} |")  # fmt: skip
    return lines


def breast_rows(table: ProteinTable, path: Path) -> list[str]:
    """Compare with limma's table of the authors, whose imputed values were drawn at random and are not published."""
    with path.open(encoding="utf-8") as file:
        names = [row["Protein IDs"] for row in csv.DictReader(file)]
    with (path.parents[1] / "results" / "differential_expression_imputed.csv").open(encoding="utf-8") as file:
        theirs = {row[""]: row for row in csv.DictReader(file)}
    effect, t, adjusted = (np.array([float(theirs[n][k]) for n in names]) for k in ("logFC", "t", "adj.P.Val"))
    info = sheet(table, lambda s: s.split("_")[1], lambda s: s[3:-2])
    design = build_design(info, test="MDA", reference="MCF10")
    values = design.average(table.log2_values(), table.samples)
    whole = np.isfinite(values).all(axis=1)
    ours = moderated_test(values, design)
    alone = moderated_test(values[whole], design)
    logs = np.log10(ours.adjusted_p), np.log10(adjusted)
    heads = "proteins | n | effects: r | largest difference | log10 adjusted p: r | largest difference | same call, 5 %"
    lines = [f"| {heads} |", "|---|---|---|---|---|---|---|"]
    for word, rows in (("no value missing", whole), ("some missing, tested here", ~whole & np.isfinite(ours.p_value))):
        gap = np.abs(ours.fit.effect - effect)[rows].max()
        r = [np.corrcoef(a[rows], b[rows])[0, 1] for a, b in ((ours.fit.effect, effect), logs)]
        far = np.abs(logs[0] - logs[1])[rows].max()
        same = ((ours.adjusted_p < FALSE_DISCOVERY_RATE) == (adjusted < FALSE_DISCOVERY_RATE))[rows].mean()
        cells = (f"| {word} | {rows.sum()} | {r[0]:.6f} | {gap:.2g} | {r[1]:.4f} | {far:.2f} | {100 * same:.0f} % |")
        lines.append(cells)
    r_t = np.corrcoef(alone.t, t[whole])[0, 1]
    r_p = np.corrcoef(np.log10(alone.adjusted_p), np.log10(adjusted[whole]))[0, 1]
    said = (
        f"Complete cases alone, as the authors ran them: n {whole.sum()}, r of t {r_t:.14f} (authors "
        f"0.997542161032277), r of log10 adjusted p {r_p:.14f} (authors 0.995956797366742)."
    )
    return [*lines, "", said]


def background(table: ProteinTable) -> list[str]:
    """Draw lists by lot from what was measured, test them against both backgrounds, and draw the counts."""
    measured = sorted({n for n in (hgnc_of_group(g) for g in table.groups) if n is not None})
    rng = np.random.default_rng(20261121)
    called: dict[str, list[int]] = {"what was measured": [], "the whole genome": []}
    against = dict(zip(called, (set(measured), genome() | set(measured)), strict=True))
    for _ in range(DRAWS):
        hits = set(rng.choice(measured, LIST, replace=False).tolist())
        for name, all_genes in against.items():
            results = over_represented(hits, all_genes, sets())
            called[name].append(sum(s.adjusted_p < FALSE_DISCOVERY_RATE for s in results))
    save("background", _strips(called))
    lines = ["| background | genes | sets called in a list, median (range) | lists with any |", "|---|---|---|---|"]
    for name, counts in called.items():
        lines.append(f"| {name} | {len(against[name])} | {np.median(counts):.0f} ({min(counts)} to {max(counts)}) | "
                     f"{sum(c > 0 for c in counts)} of {DRAWS} |")  # fmt: skip
    return lines


def _strips(called: dict[str, list[int]]) -> str:
    x = Scale(low=0, high=max(max(c) for c in called.values()) * 1.03, start=150, end=600)
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}" font-size="13">']
    rng = np.random.default_rng(1)
    for k, (name, counts) in enumerate(called.items()):
        y = 40 + 62 * k
        parts.append(text(138, y + 4, name, anchor="end"))
        for count, shift in zip(counts, rng.uniform(-15, 15, len(counts)), strict=True):
            parts.append(f'<circle cx="{number(x(count))}" cy="{number(y + shift)}" r="3.2" '
                         f'fill="{(BLUE, VERMILLION)[k]}" fill-opacity="0.55"/>')  # fmt: skip
    for tick in nice_ticks(0, x.high, 6):
        parts.append(line(x(tick), 14, x(tick), 130, ' stroke="currentColor" stroke-opacity="0.2"'))
        parts.append(text(x(tick), 148, f"{tick:g}"))
    parts.append(text(375, 170, "gene sets called in lists drawn by lot: all false"))
    alt = "Gene sets called in random lists: " + "; ".join(f"{n} median {np.median(c):.0f}" for n, c in called.items())
    return document([*parts, "</g>"], width=620, height=182, label=alt)


def skbr3_rows(path: Path) -> list[str]:
    table = read_protein_table(path)
    with path.open(encoding="utf-8") as file:
        classes = [row["SVM Classification"] for row in csv.DictReader(file)]
    lines = ["| category | proteins | median log2 ratio | called exosomal by the authors |", "|---|---|---|---|"]
    for category in "12345":
        rows = [i for i, g in enumerate(table.groups) if category in {m.category for m in markers_of_group(g).values()}]
        median = float(np.nanmedian(table.values[rows, 0]))
        called = sum(classes[i] == "Exosome" for i in rows)
        lines.append(f"| {category} | {len(rows)} | {median:+.2f} | {called} ({100 * called / len(rows):.0f} %) |")
    return lines


def timed_rows() -> list[str]:
    """Run each real table end to end, and say what came out."""
    runs: list[tuple[str, str, Callable[[str], str] | None, tuple[str, str] | None, Callable[[str], str]]] = [
        ("breast exosomes, MaxQuant (Nguyen)", "cargo/NguyenMauTue*/data/filtered_protein_groups.csv",
         lambda s: s.split("_")[1], ("MDA", "MCF10"), lambda s: s[3:-2]),
        ("MSC and HEK293 EVs, matrix in XLSX (Yoo)", "cargo/JaeinYoo12*/*.xlsx",
         lambda s: s.split("_")[0], ("MSC", "HEK293"), str),
        ("senescence MS1, Perseus CSV (Wallis)", "cargo/RyanJWallis*/MS1/MS1.csv",
         lambda s: s.split("_")[0], ("ras1", "ctrl"), str),
        ("senescence MS3, samples in rows, XLSX (Wallis)", "cargo/RyanJWallis*/MS3/*.xlsx",
         lambda s: s.rsplit("_", 1)[0], ("RAS_F8", "STOP_F8"), str),
        ("SKBR3 exosomes, TMT ratios (Clark)", "cargo/pariswu1988*/Tables/SI-1_Proteins.csv", None, None, str),
    ]  # fmt: skip
    heads = (
        "table | groups, samples | tested | higher, lower | only in one | missing values | sets called | more with the "
        "whole genome | s"
    )
    lines = [f"| {heads} |", "|---|---|---|---|---|---|---|---|---|"]
    for name, pattern, condition, contrast, unit in runs:
        begun = time.perf_counter()
        table = read_protein_table(find(pattern))
        info = sheet(table, condition, unit) if condition is not None else []
        result = analyse_proteome(table, samples=info, contrast=contrast, gene_sets=sets())
        taken = time.perf_counter() - begun
        shape = f"{len(table.groups)}, {len(table.samples)}"
        c = result.comparison
        if c is None:
            lines.append(f"| {name} | {shape} | no replicates | | | | | | {taken:.1f} |")
            continue
        tested = np.isfinite(c.moderated.p_value)
        up, down = (sum(bool(tested[i]) for i in c.changed(k)) for k in (1, -1))
        called = sum(len(c.called(k)) for k in (1, -1))
        more = sum(len(c.only_by_genome(k)) for k in (1, -1))
        lines.append(f"| {name} | {shape} | {tested.sum()} | {up}, {down} | {len(c.absence.rows)} | "
                     f"{c.missing.mechanism} | {called} | {more} | {taken:.1f} |")  # fmt: skip
    return lines


def main() -> None:
    """Draw and write all."""
    vesicles = milk()
    save("milk", category_heatmap(vesicles).svg)
    put("milk", milk_rows(vesicles))
    path = find("cargo/NguyenMauTue*/data/filtered_protein_groups.csv")
    breast = read_protein_table(path)
    info = sheet(breast, lambda s: s.split("_")[1], lambda s: s[3:-2])
    result = analyse_proteome(breast, samples=info, contrast=("MDA", "MCF10"), gene_sets=sets())
    save("volcano", volcano(result).svg)
    save("missing", missing_values(result).svg)
    put("breast", breast_rows(breast, path))
    put("background", background(breast))
    put("skbr3", skbr3_rows(find("cargo/pariswu1988*/Tables/SI-1_Proteins.csv")))
    put("runs", timed_rows())


if __name__ == "__main__":
    main()
