"""One self-contained HTML page of a proteome: the verdict, the figures, the tables. No script, nothing fetched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from markupsafe import Markup

from vesicula._version import __version__
from vesicula.cargo.enrichment import SetResult
from vesicula.cargo.enrichment.moderated import METHOD
from vesicula.cargo.protein.analyse import FALSE_DISCOVERY_RATE, Comparison, Proteome
from vesicula.cargo.protein.misev import CATEGORIES, CATEGORY_WORDS, MARKER_RULE, misev_markers
from vesicula.cargo.protein.report import avoided_text, verdict_lines
from vesicula.cargo.protein.table import KIND_WORDS
from vesicula.core.finding import Verdict
from vesicula.figures.page import beside, bullets, drawings, heading, judged, note, page, subheading, table
from vesicula.figures.proteome import category_heatmap, group_name, missing_rows, missing_values, percent, volcano

SHOWN = 20
"""Rows of the tables of differences and of gene sets; the whole is in the TSV and JSON files."""

def proteome_page(
    result: Proteome, names: Mapping[str, str] = MappingProxyType({}), *, title: str = "Proteome of vesicles"
) -> str:
    """Return the page.

    Parameters
    ----------
    result : Proteome
        What was found.
    names : mapping of str to str
        Names of gene sets by identifier.
    title : str
        Heading.

    Returns
    -------
    str
        HTML; all text that came from a file is escaped.
    """
    figures = [category_heatmap(result)]
    if result.comparison is not None:
        figures = [volcano(result), *figures, missing_values(result)]
    parts = [drawings(figures), heading("Purity of each sample"), *_purity(result)]
    if result.comparison is not None:
        parts += _comparison(result, result.comparison, names)
    parts += [heading("Markers of mesenchymal stromal cells"), *_signature(result), *_lists(result)]
    parts += [heading("What to know"), bullets(notes(result))]
    return page(title, verdict=verdict_lines(result, names), parts=parts)


def _purity(result: Proteome) -> list[Markup]:
    heads = ["sample", "rule on markers", "protein groups", *(f"cat. {c}, found" for c in CATEGORIES),
             "cat. 3, % of signal", "ApoB, %", "albumin, %", "other species, %"]  # fmt: skip
    rows: list[list[str]] = []
    for p in result.purity:
        met = p.verdict is Verdict.MET
        shares = (p.shares.get("3"), p.apob_share, p.albumin_share, p.other_species_share)
        cells = [str(p.proteins), *(str(len(p.found[c])) for c in CATEGORIES), *map(percent, shares)]
        rows.append([p.sample, judged("met" if met else "not met", good=met), *cells])
    words = "; ".join(f"{c}: {CATEGORY_WORDS[c]}" for c in CATEGORIES)
    said = (
        f"Rule: at least three proteins of categories 1 and 2, one of each at least ({MARKER_RULE.text}; "
        f"{MARKER_RULE.note}). Categories: {words}. "
        f"A share is of the summed values, here {KIND_WORDS[result.table.kind]}."
    )
    return [table(heads, rows), note(said)]


def _comparison(result: Proteome, c: Comparison, names: Mapping[str, str]) -> list[Markup]:
    heads = ("biological sample", "found", "missing at random", "missing because weak", "absent from the condition")
    rows = [[unit, *map(str, counts)] for unit, *counts in missing_rows(c)]
    return [
        heading(f"What differs: {c.design.columns[-1]}"),
        beside(
            [subheading(f"{word} in {c.design.test}"), *_differences(result, c, sign)]
            for word, sign in (("Higher", 1), ("Lower", -1))
        ),
        heading("Over-represented gene sets"),
        note(avoided_text(c)),
        beside(
            [subheading(f"Among the {word}"), *_sets(c, sign, names)] for word, sign in (("higher", 1), ("lower", -1))
        ),
        heading("Missing values by mechanism"),
        note(c.missing.text),
        table(heads, rows),
    ]


def _differences(result: Proteome, c: Comparison, sign: int) -> list[Markup]:
    m = c.moderated
    rows = [i for i in c.changed(sign) if math.isfinite(m.p_value[i])]
    rows.sort(key=lambda i: (float(m.p_value[i]), -abs(float(m.fit.effect[i]))))
    heads = ("protein", "log2 difference", "95 % interval", "adjusted p")
    cells = [
        [
            group_name(result, i), f"{m.fit.effect[i]:+.2f}", f"{m.low[i]:+.2f} to {m.high[i]:+.2f}",
            f"{m.adjusted_p[i]:.2g}",
        ]
        for i in rows[:SHOWN]
    ]  # fmt: skip
    home = c.design.test if sign > 0 else c.design.reference
    only = [int(r) for r, w in zip(c.absence.rows, c.absence.only_in, strict=True) if w == home]
    said = f"{len(rows)} in all, the first {min(SHOWN, len(rows))} shown." if rows else "None."
    if only:
        some = ", ".join(group_name(result, r, most=1) for r in only[:12])
        said += f" Found in {home} only: {len(only)} ({some}{' ...' if len(only) > 12 else ''})."
    return [*([table(heads, cells)] if cells else []), note(said)]


def _sets(c: Comparison, sign: int, names: Mapping[str, str]) -> list[Markup]:
    called, more = c.called(sign), c.only_by_genome(sign)
    tested = c.up if sign > 0 else c.down
    heads = ("gene set", "changed of measured", "times expected", "adjusted p")
    rows = [
        [_set_name(s, names), f"{s.hits_in_set} of {s.set_size}", f"{s.fold:.1f}", f"{s.adjusted_p:.2g}"]
        for s in called[:SHOWN]
    ]
    if not tested:
        return [note("No gene to test.")]
    said = (
        f"{len(called)} of {len(tested)} sets called against the {c.mapped} genes measured"
        f"{f', the first {SHOWN} shown' if len(called) > SHOWN else ''}. The whole genome would have called "
        f"{len(more)} more{', such as ' + '; '.join(_set_name(s, names) for s in more[:3]) if more else ''}."
    )
    return [*([table(heads, rows)] if rows else []), note(said)]


def _set_name(s: SetResult, names: Mapping[str, str]) -> str:
    return names.get(s.set_id, s.set_id)


def _signature(result: Proteome) -> list[Markup]:
    heads = ("marker", "gene", "expected", "found", "of")
    rows: list[list[str]] = []
    for m in result.signature:
        as_expected = m.found == (m.sign == "+")
        expected = "present" if m.sign == "+" else "absent"
        of = "the cells" if m.of == "cell" else "their vesicles"
        rows.append([m.marker, m.gene, expected, judged("yes" if m.found else "no", good=as_expected), of])
    sources = "; ".join(dict.fromkeys(m.source for m in result.signature))
    said = (
        f"After {sources}. "
        "No score is made of these: none is published. A marker that is not found may only have been too weak to be "
        "measured; a marker of another cell that is found deserves a look."
    )
    return [table(heads, rows, texts=heads), note(said)]


def _lists(result: Proteome) -> list[Markup]:
    if not result.overlaps:
        return []
    heads = ("list", "groups it reports", "of groups", "of its most reported", "not found among these")
    rows: list[list[str]] = []
    for o in result.overlaps:
        gone = [g for g in o.top if g not in set(o.top_found)]
        top = f"{len(o.top_found)} of {len(o.top)}" if o.top else "-"
        some = f"{', '.join(gone[:12])}{' ...' if len(gone) > 12 else ''}" if o.top else "-"
        rows.append([o.list_name, str(o.reported), str(o.groups), top, some])
    said = (
        "To be on a list of vesicle proteins is no proof: such lists hold albumin, keratins and ribosomes too. The two "
        "packaged ones are of few preparations and of other cells: a protein that they lack may well be cargo."
    )
    return [heading("Lists of vesicle proteins"), table(heads, rows, texts=heads[-1:]), note(said)]


def notes(result: Proteome) -> list[str]:
    """Return what a reader must know: what was read and removed, what the reader met, methods and their sources."""
    table = result.table
    files = ", ".join(s.name for s in table.sources[:4]) + (" ..." if len(table.sources) > 4 else "")
    from_memory = sum(m.checked == "memory" for m in misev_markers())
    lines = [
        f"Read: {files}; {table.software}; {KIND_WORDS[table.kind]}{', log2' if table.log2 else ''}.",
        *dict.fromkeys(n.message for n in table.notes),
        (
            "Purity counts what contaminant lists mark, but for digestion enzymes: such lists hold albumin, which in "
            "vesicles is a finding."
        ),
        (
            f"Of {len(misev_markers())} rows of the packaged table of categories, {from_memory} are from memory and "
            "were not checked against MISEV2018's own Table 3; each row names its source."
        ),
    ]
    if result.comparison is not None:
        c = result.comparison
        blocks = f"; blocks: {', '.join(c.design.blocks)}" if c.design.blocks else ""
        lines += [
            (
                f"Compared: {len(c.design.units)} biological samples, runs of one averaged{blocks}. {METHOD.text}; "
                f"Benjamini and Hochberg, {100 * FALSE_DISCOVERY_RATE:g} %. Nothing was filled in."
            ),
            "Gene sets: Reactome and MSigDB hallmarks; one-sided Fisher's exact test against the genes measured.",
        ]
    return [*lines, f"vesicula {__version__}."]
