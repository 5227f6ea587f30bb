"""From a batch's cargo to its section of the page, and from all batches' cargo to their overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from vesicula.core.assessment import BatchAssessment
from vesicula.core.cargo import CALLED, CargoCategories, CargoSet, CargoTableResult, CargoTest
from vesicula.core.finding import Finding, Verdict
from vesicula.dossier.ledger import Ledger
from vesicula.dossier.model import (
    CargoAcross,
    CargoBlock,
    CargoGrid,
    CargoLine,
    CargoPart,
    CargoSets,
    FigureBlock,
    Table,
)
from vesicula.dossier.rows import make_table
from vesicula.dossier.wording import KINDS, TOPICS, count_text
from vesicula.evidence.names_lookup import same_condition
from vesicula.figures.cargo import MOST_INTERSECTIONS, intersections, pathway_network, upset
from vesicula.figures.cargo_bars import (
    HITS,
    ConditionCount,
    MoleculeBalance,
    balance_bars,
    balance_by_molecule,
    cargo_words,
    condition_bars,
    count_conditions,
    overlap_map,
    pathway_dots,
    sets_to_draw,
)
from vesicula.figures.figure import Figure
from vesicula.figures.proteome import category_map, percent

TOPIC = "cargo"
NOUNS = {"mirna": ("miRNA", "miRNAs"), "protein": ("protein", "proteins")}
ORIGINS = {"reactome": "Reactome", "go-bp-2021": "GO", "hallmark-7.0": "hallmark"}
LEAD = ("found", "pathways", "claims", "balance")
"""Findings shown at once, by the last part of their identifier; the rest are folded away."""

MOST_UPSET = 8
"""Batches of an UpSet plot; with more nobody reads it, and a map of shares takes its place."""

Anchored = tuple[str, Finding]
Carried = dict[str, dict[str, set[str]]]
"""Kind of cargo, batch, keys of the molecules that it carries."""


def cargo_block(batch: BatchAssessment, anchored: Sequence[Anchored], anchor: str, ledger: Ledger) -> CargoBlock | None:
    """Lay out what a batch carries.

    Parameters
    ----------
    batch : BatchAssessment
        The batch.
    anchored : sequence of (str, Finding)
        Its findings with their anchors.
    anchor : str
        Anchor of the batch.
    ledger : Ledger
        Takes note of methods and sources.

    Returns
    -------
    CargoBlock or None
        None where no cargo table could be read; the findings then stand among the others.
    """
    if not batch.cargo:
        return None
    own = [(a, f) for a, f in anchored if f.topic == TOPIC]
    lead = [(a, f) for a, f in own if _is_lead(f)]
    more = [(a, f) for a, f in own if not _is_lead(f)]
    claims = [c for t in batch.cargo for c in t.claims]
    counts, balances = count_conditions(claims), balance_by_molecule(claims)
    indication = next((t.condition for t in batch.cargo if t.condition), "")
    me = f"{anchor}-cargo"
    return CargoBlock(
        anchor=me,
        intro=TOPICS[TOPIC][1],
        lines=(*_verdict(batch.cargo), *_evidence_lines(batch.cargo, counts, balances, indication)),
        lead=_titled(make_table(TOPIC, lead, ledger), "Findings on cargo") if lead else None,
        more=_titled(make_table(TOPIC, more, ledger), "Sample by sample, molecule by molecule") if more else None,
        parts=tuple(_part(t, f"{me}{k}") for k, t in enumerate(batch.cargo, 1)),
        conditions=_still(condition_bars(counts, indication=indication), f"{me}-conditions") if counts else None,
        balance=_still(balance_bars(balances), f"{me}-balance") if balances else None,
        grid=_condition_grid(counts, batch.cargo) if counts else None,
    )


def _is_lead(finding: Finding) -> bool:
    parts = finding.id.split("/")
    return parts[-1] in LEAD or (len(parts) > 1 and parts[-2] == "pathways")


def _titled(table: Table, title: str) -> Table:
    return replace(table, title=title, intro="")


def _still(figure: Figure, anchor: str) -> FigureBlock:
    svg = Markup(figure.svg)  # noqa: S704 - our own SVG, its texts escaped by figures.svg
    # A narrow figure is not blown up to the width of the page.
    width = int(float(figure.svg.split('viewBox="0 0 ', 1)[1].split(" ", 1)[0]))
    return FigureBlock(anchor=anchor, svg=svg, data=Markup(""), caption=figure.caption, alt=figure.alt, width=width)


def _verdict(tables: Sequence[CargoTableResult]) -> list[CargoLine]:
    """Return the verdict on the tables: categories judged, and what stands out."""
    lines = []
    for t in tables:
        if t.categories:
            met = [c.sample for c in t.categories if c.met]
            failed = [c.sample for c in t.categories if not c.met]
            verdict = Verdict.NOT_MET if failed else Verdict.MET
            text = f"{t.path}: rule on vesicle proteins met in {len(met)} of {count_text(len(t.categories), 'sample')}"
            text += f", not in {_some(failed, 4)}" if failed else ""
            lines.append(CargoLine(text=f"{text}. {_companions(t)}", verdict=verdict.value, kind=KINDS[verdict]))
        lines += [CargoLine(text=f"{t.path}, {cargo_words(test.what)}: {_stands_out(test)}") for test in t.tests]
    return lines


def _companions(t: CargoTableResult) -> str:
    """Say which share of the signal is of co-isolates, from the least to the most of the samples."""
    shares = [
        ("co-isolates (category 3)", [c.shares.get("3") for c in t.categories]),
        ("ApoB", [c.apob_share for c in t.categories]),
        ("albumin", [c.albumin_share for c in t.categories]),
    ]
    parts = []
    for name, values in shares:
        known = [v for v in values if v is not None]
        if known:
            low, high = percent(min(known)), percent(max(known))
            parts.append(f"{name} {low} %" if low == high else f"{name} {low} to {high} %")
    return f"Of the signal: {', '.join(parts)}; no limit is published." if parts else "Its values have no sum."


def _stands_out(test: CargoTest) -> str:
    if test.refused:
        return "pathways not tested."
    names = [s.name for s in test.sets if s.standing == CALLED]
    text = f"{test.called or 'none'} of {test.tested} gene sets {'stand' if test.called > 1 else 'stands'} out"
    text += f" ({_some(names, 3, '; ')})" if names else ""
    return f"{text}; the whole genome as background would have called {test.genome_called}."


def _some(names: Sequence[str], most: int, between: str = ", ") -> str:
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _evidence_lines(
    tables: Sequence[CargoTableResult],
    counts: Sequence[ConditionCount],
    balances: Sequence[MoleculeBalance],
    indication: str,
) -> list[CargoLine]:
    if all(t.looked_up is None for t in tables):
        return [CargoLine(text="The evidence store was not asked.")]
    molecules = {m for c in counts for m in c.molecules}
    text = f"Evidence: {count_text(len(molecules), 'molecule')} of the batch named as cargo by rows about "
    text += count_text(len(counts), "condition")
    here = [c for c in counts if indication and same_condition(c.condition, indication)]
    if here:
        called = [c.condition for c in here if c.condition.casefold() != indication.casefold()]
        other = f", also as {_some(called, 3)}," if called else ""
        named = list(dict.fromkeys(m for c in here for m in c.molecules))
        text += f"; for {indication}{other} {count_text(sum(c.rows for c in here), 'row')} ({_some(named, 4)})"
    elif indication:
        text += f"; no row about {indication} names its cargo"
    lines = [CargoLine(text=f"{text}.")]
    promoting = [b.molecule for b in balances if set(b.promoting) - b.unsure]
    inhibiting = [b.molecule for b in balances if set(b.inhibiting) - b.unsure]
    both = set(promoting) & set(inhibiting)
    lines.append(
        CargoLine(
            text=f"Tumour balance, not netted: {count_text(len(promoting), 'molecule')} in rows of promotion, "
            f"{len(inhibiting)} in rows of inhibition, {len(both)} in both."
        )
    )
    return lines


def _part(t: CargoTableResult, anchor: str) -> CargoPart:
    held = f"{t.path}: {count_text(len(t.molecules), *NOUNS[t.kind])}"
    held += f" in {count_text(len(t.samples), 'sample')}" if t.samples else ""
    return CargoPart(
        title=held,
        categories=_still(category_map(t.categories), f"{anchor}-categories") if t.categories else None,
        grid=_category_grid(t.categories) if t.categories else None,
        sets=tuple(_sets(test, t, f"{anchor}-sets{k}") for k, test in enumerate(t.tests, 1)),
    )


def _category_grid(categories: Sequence[CargoCategories]) -> CargoGrid:
    names = list(categories[0].found)
    heads = ("Sample", "Rule", "Groups", *(f"Cat. {n}, found" for n in names), "Cat. 3, %", "ApoB, %", "Albumin, %")
    rows = [
        (
            *(c.sample, (Verdict.MET if c.met else Verdict.NOT_MET).value, str(c.proteins)),
            *(str(len(c.found.get(n, ()))) for n in names),
            *(percent(v) for v in (c.shares.get("3"), c.apob_share, c.albumin_share)),
        )
        for c in categories
    ]
    return CargoGrid(label="Categories as numbers, sample by sample", heads=heads, rows=tuple(rows))


def _sets(test: CargoTest, t: CargoTableResult, anchor: str) -> CargoSets:
    title = f"Pathways of {cargo_words(test.what)}"
    if test.refused or not test.sets:
        return CargoSets(title=title, note=f"Not tested: {test.refused or 'no set has enough members'}.")
    called = [(s.name, s.members, s.adjusted_p or 0.0) for s in test.sets if s.standing == CALLED]
    drawn = sets_to_draw(test)
    heads = ("Gene set", "Table", HITS[t.kind].capitalize(), "Times", "Adjusted p", "Whole genome", "Cargo")
    grid = CargoGrid(
        label="The gene sets drawn, with their cargo",
        heads=heads,
        rows=tuple(_set_row(s) for s in drawn),
        note="All that stand out, all that the genome alone calls, and the nearest others: cargo_pathways.parquet.",
    )
    return CargoSets(
        title=title,
        note=f"Targets of miRNAs: {t.targets}." if t.targets else "",
        figure=_still(pathway_dots(test, kind=t.kind), anchor),
        network=_still(pathway_network(called, what=test.what), f"{anchor}-network") if called else None,
        grid=grid,
    )


def _set_row(s: CargoSet) -> tuple[str, ...]:
    return (
        s.name,
        ORIGINS.get(s.origin, s.origin),
        f"{s.hits_in_set} of {s.set_size}",
        "" if s.fold is None else f"{s.fold:.1f}",
        "not tested" if s.adjusted_p is None else f"{s.adjusted_p:.2g}",
        "" if s.genome_adjusted_p is None else f"{s.genome_adjusted_p:.2g}",
        _some(s.members, 8),
    )


def _condition_grid(counts: Sequence[ConditionCount], tables: Sequence[CargoTableResult]) -> CargoGrid:
    rows_of: dict[str, dict[str, None]] = {}
    for c in (c for t in tables for c in t.claims if c.counted):
        rows_of.setdefault(c.condition, {})[c.row] = None
    rows = [
        (
            c.condition,
            ", ".join(c.molecules),
            ", ".join(f"{n} {effect}" for effect, n in c.effects),
            ", ".join(rows_of[c.condition]),
        )
        for c in counts
    ]
    heads = ("Condition", "Cargo that its rows name", "What they say", "Rows")
    label = f"{count_text(len(counts), 'condition')} with the rows of the evidence"
    return CargoGrid(label=label, heads=heads, rows=tuple(rows))


def add_carried(carried: Carried, batch: BatchAssessment) -> None:
    """Take note of what a batch carries: molecules found in at least half of a table's samples.

    Parameters
    ----------
    carried : dict
        Kind, batch, keys; added to.
    batch : BatchAssessment
        One without a cargo table adds nothing.
    """
    for table in batch.cargo:
        carried.setdefault(table.kind, {}).setdefault(batch.batch, set()).update(m.key for m in table.carried)


def cargo_across(carried: Carried) -> tuple[CargoAcross, ...]:
    """Lay out how the cargo of the batches overlaps, kind by kind.

    Parameters
    ----------
    carried : dict
        From :func:`add_carried`.

    Returns
    -------
    tuple of CargoAcross
        One for each kind that two batches or more list.
    """
    return tuple(_across(kind, held) for kind, held in sorted(carried.items()) if len(held) > 1)


def _across(kind: str, held: dict[str, set[str]]) -> CargoAcross:
    groups = {batch: frozenset(keys) for batch, keys in held.items()}
    what = NOUNS[kind][1]
    every = frozenset().union(*groups.values())
    common = frozenset.intersection(*groups.values())
    drawn = upset(groups, what=what) if len(groups) <= MOST_UPSET else overlap_map(groups, what=what)
    lead = (
        f"{len(every)} {what} in {len(groups)} batches, {len(common)} of them in every one. A molecule counts where at "
        "least half of the samples of a batch's table hold it, or a table without samples names it; what one batch "
        "lacks may only have been too weak to be seen there."
    )
    heads = ("Batches", what.capitalize() if kind == "protein" else what)
    rows = tuple((" and ".join(names) or "none", str(n)) for names, n in intersections(groups))
    shown = rows[: 3 * MOST_INTERSECTIONS]
    note = f"The largest {len(shown)} of {len(rows)} intersections." if len(rows) > len(shown) else ""
    grid = CargoGrid(label=f"Exactly these batches hold so many {what}", heads=heads, rows=shown, note=note)
    return CargoAcross(
        title=f"{what[0].upper() if kind == 'protein' else what[0]}{what[1:]}",
        lead=lead,
        figure=_still(drawn, f"cargo-{kind}"),
        grid=grid,
    )
