"""One self-contained page of a comparison of counts: verdict, figures, tables. No script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from vesicula.cargo.enrichment.counts import METHOD, CountTest
from vesicula.cargo.enrichment.report import Comparison, reference_text, verdict_lines
from vesicula.figures.differential import MOST_ROWS, Compared, heat_map, ma_plot, volcano
from vesicula.figures.figure import Figure
from vesicula.figures.page import bullets, drawings, heading, note, page, table

ROWS = 25

def comparison_page(found: Comparison, *, title: str) -> str:
    """Return the page.

    Parameters
    ----------
    found : Comparison
        What was found.
    title : str
        Of the page, such as the file's name.

    Returns
    -------
    str
        HTML; all text that came from a file is escaped.
    """
    design = found.test.design
    parts = [heading("Figures"), drawings(_figures(found))]
    for sign, words in ((1, "More"), (-1, "Less")):
        rows = found.side(sign)
        if rows:
            shown = f"the surest {ROWS} of {len(rows)}" if len(rows) > ROWS else f"all {len(rows)}"
            parts += [heading(f"{words} in {design.test} ({shown})"), _mirna_table(found, rows[:ROWS])]
    parts += _motif_parts(found) + _foreign_parts(found)
    parts += [heading("Samples"), _sample_table(found.test), heading("What to know"), bullets(_notes(found))]
    whole = f"{title}: {design.test} against {design.reference}"
    return page(whole, verdict=verdict_lines(found), parts=parts, subtitle="differential cargo")


def compared(found: Comparison) -> Compared:
    """Return what the figures need."""
    t = found.test
    return Compared(
        names=t.mirnas, test=t.design.test, reference=t.design.reference, effect=t.effect, p_value=t.p_value,
        adjusted_p=t.adjusted_p, mean=t.base_mean, level=found.level,
    )  # fmt: skip


def changed_heat_map(found: Comparison) -> Figure | None:
    """Draw the surest of what differs, half of them from each side where there are enough; None if nothing does."""
    t = found.test
    up, down = found.side(1), found.side(-1)
    half = MOST_ROWS // 2
    up = up[: max(half, MOST_ROWS - len(down))]
    rows = up + down[: MOST_ROWS - len(up)]
    if not rows:
        return None
    conditions = np.array(t.design.conditions)
    order = [int(i) for c in (t.design.test, t.design.reference) for i in np.flatnonzero(conditions == c)]
    values = t.log2_normalised()[np.ix_(rows, order)]
    return heat_map(
        [t.mirnas[i] for i in rows], [t.design.units[i] for i in order], values,
        what=f"differ most surely ({t.design.test} on the left)",
    )  # fmt: skip


def _figures(found: Comparison) -> list[Figure]:
    drawn = [volcano(compared(found)), changed_heat_map(found), ma_plot(compared(found))]
    return [f for f in drawn if f is not None]


def _mirna_table(found: Comparison, rows: Sequence[int]) -> Markup:
    t, foreign = found.test, found.foreign()
    heads = ["miRNA", "log2 fold change", "95 % interval", "shrunken", "mean count", "p", "adjusted p"]
    body = []
    for i in rows:
        line = [
            t.mirnas[i], f"{t.effect[i]:+.2f}", f"{t.low[i]:+.2f} to {t.high[i]:+.2f}",
            f"{t.shrunk[i]:+.2f}" if np.isfinite(t.shrunk[i]) else "not known", f"{t.base_mean[i]:,.0f}",
            f"{t.p_value[i]:.2g}", f"{t.adjusted_p[i]:.2g}",
        ]  # fmt: skip
        body.append([*line, f"{100 * foreign[i]:.0f} %"] if found.adjusted else line)
    return table([*heads, "foreign reads"] if found.adjusted else heads, body)


def _motif_parts(found: Comparison) -> list[Markup]:
    if not found.motifs:
        return []
    heads = ("motif", "kind", "changed that hold it", "tested that hold it", "families", "fold", "p", "adjusted p",
             "Fisher's p, for comparison", "source")  # fmt: skip
    rows = [
        (m.motif.sequence, m.motif.kind, f"{m.hits_with} of {m.hits}", f"{m.background_with} of {m.background}",
         f"{m.families_with} of {m.families}", f"{m.fold:.2f}", f"{m.p_value:.2g}", f"{m.adjusted_p:.2g}",
         f"{m.fisher_p:.2g}", m.motif.source)
        for m in found.motifs
    ]  # fmt: skip
    said = (
        "EXO motifs are looked for in what the test condition holds more of, CELL motifs in what it holds less of. A "
        "seed family counts once; hits are permuted among families alike in GC content, length and size."
    )
    return [heading("Sorting motifs"), table(heads, rows, texts=heads[-1:]), note(said)]


def _foreign_parts(found: Comparison) -> list[Markup]:
    if not found.adjusted:
        return []
    rows = [
        (sample, p.name, f"{100 * p.share:.2g} %", f"{100 * p.share_low:.2g} to {100 * p.share_high:.2g} %",
         str(p.markers), f"{p.marker_reads:,.0f}")
        for sample, profile in found.adjusted for p in profile.parts
    ]  # fmt: skip
    heads = ("sample", "source", "share of reads", "95 % interval", "markers", "reads of markers")
    return [heading("Foreign cargo"), table(heads, rows), note("Assumed:"), bullets(found.adjusted[0][1].assumed)]


def _sample_table(t: CountTest) -> Markup:
    seen = (t.counts > 0).sum(axis=0)
    rows = [
        (unit, condition, f"{t.counts[:, j].sum():,.0f}", f"{t.size_factors[j]:.3g}", str(int(seen[j])))
        for j, (unit, condition) in enumerate(zip(t.design.units, t.design.conditions, strict=True))
    ]
    return table(("sample", "condition", "reads", "size factor", "miRNAs found"), rows)


def _notes(found: Comparison) -> list[str]:
    return [
        *found.test.notes,
        f"Intervals and p values: {reference_text(found.test)}. Intervals are not adjusted for many tests.",
        "Shrunken fold changes are for ranking: they draw what is uncertain towards zero.",
        f"Method: {METHOD.text} {found.test.version}, doi {METHOD.doi}.",
    ]
