"""One self-contained HTML page of a batch's cargo: verdict, pathways, figures, claims. No script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from vesicula.cargo.effect.conditions import NAMED, CargoEvidence, Evidence, PathStatement
from vesicula.cargo.effect.numbers import claim_results, set_results
from vesicula.cargo.effect.report import (
    KIND_WORDS,
    ORIGIN_WORDS,
    all_notes,
    number,
    unsure_side,
    verdict_lines,
)
from vesicula.cargo.effect.run import CargoEffect, notable_sets
from vesicula.cargo.effect.sets import FALSE_DISCOVERY_RATE, Enrichment
from vesicula.evidence.model import Claim
from vesicula.figures.cargo import activity_heat_map, pathway_network, upset
from vesicula.figures.cargo_bars import (
    balance_bars,
    balance_by_molecule,
    condition_bars,
    count_conditions,
    pathway_dots,
)
from vesicula.figures.page import bullets, card, drawing, heading, note, opened, page, paragraph, subheading, table

SHOWN_SETS, SHOWN_SPURIOUS, SHOWN_CARGO = 20, 15, 12


def cargo_page(found: CargoEffect) -> str:
    """Return the page.

    Parameters
    ----------
    found : CargoEffect
        From :func:`vesicula.cargo.effect.run.analyse_cargo`, with or without the claims.

    Returns
    -------
    str
        HTML; all text that came from a file or the store is escaped.
    """
    parts = _listed(found)
    for e in found.enrichments:
        parts += _enrichment(e, found.table.kind)
    parts += _activity(found)
    parts += _overlap(found)
    if found.evidence is not None:
        parts += _evidence(found.evidence)
    parts += [heading("What to know"), bullets(all_notes(found))]
    return page(f"Cargo of {found.table.source.name}", verdict=verdict_lines(found), parts=parts)


def _listed(found: CargoEffect) -> list[Markup]:
    parts = [heading("Cargo tested")]
    for one in found.lists:
        names = list(one.hits.values())
        rest = f" and {len(names) - 30} more" if len(names) > 30 else ""
        what = f"{one.what.capitalize()} ({len(names)}):"
        parts.append(paragraph(Markup("<b>{}</b> {}").format(what, f"{', '.join(names[:30])}{rest}")))
    return parts


def _enrichment(e: Enrichment, kind: str) -> list[Markup]:
    if e.refused:
        return [heading(f"Pathways: {e.what}"), paragraph(f"Not tested: {e.refused}.")]
    called = e.called
    shown = (called or e.answers[:5])[:SHOWN_SETS]
    parts = [heading(f"Pathways: {e.what}")]
    test = set_results(e)
    if test.sets:
        parts.append(drawing(pathway_dots(test, kind=kind)))
    if called:
        parts.append(drawing(pathway_network([(a.name, a.members, a.adjusted_p) for a in called], what=e.what)))
    if not called:
        parts.append(paragraph("No gene set stands out. The five nearest to it:"))
    heads = ("Gene set", "table", "in list / in background", "times", "p", "adjusted p", "adjusted p, whole genome",
             "cargo")  # fmt: skip
    rows = [
        (a.name, ORIGIN_WORDS.get(a.origin, a.origin), f"{a.hits_in_set} / {a.set_size}", f"{a.fold:.1f}",
         number(a.p_value), number(a.adjusted_p), number(a.genome_adjusted_p), _some(a.members))
        for a in shown
    ]  # fmt: skip
    parts.append(table(heads, rows, texts=("cargo",)))
    if len(called) > len(shown):
        parts.append(note(f"The first {len(shown)} of {len(called)}; all are in the JSON."))
    return [*parts, *_spurious(e)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _spurious(e: Enrichment) -> list[Markup]:
    if not e.spurious:
        return [note(f"The whole genome would call {e.genome_called} sets, all of them called here too.")]
    rows = [
        (s.name, ORIGIN_WORDS.get(s.origin, s.origin), f"{s.hits_in_set}", f"{s.measured}", number(s.genome_adjusted_p),
         number(s.adjusted_p) if np.isfinite(s.adjusted_p) else "not tested")
        for s in e.spurious[:SHOWN_SPURIOUS]
    ]  # fmt: skip
    heads = ("Gene set", "table", "in list", "measured", "adjusted p, whole genome", "adjusted p here")
    said = (
        f"{len(e.spurious)} sets that the usual background would have reported and that do not stand out among what "
        f"could have been found; the {len(rows)} strongest:"
    )
    return [subheading("Called against the whole genome alone"), paragraph(said), table(heads, rows)]


def _activity(found: CargoEffect) -> list[Markup]:
    scores = found.activity
    if scores is None:
        return []
    rows = notable_sets(found)
    if not rows:
        return [heading("Activity"), paragraph("No gene set could be scored.")]
    names = [found.set_names[scores.set_ids[i]] for i in rows]
    marked = scores.adjusted_p[rows] < FALSE_DISCOVERY_RATE
    columns = _columns(found)
    samples = [scores.samples[j] for j in columns]
    drawn = activity_heat_map(
        scores.score[np.ix_(rows, columns)], names, samples, marked[:, columns], relative=scores.centred
    )
    parts = [heading("Activity by sample"), drawing(drawn)]
    if found.comparison is not None and found.design is not None:
        c = found.comparison
        body = [
            (found.set_names[scores.set_ids[i]], f"{c.fit.effect[i]:+.2f}", f"{c.low[i]:+.2f} to {c.high[i]:+.2f}",
             number(float(c.p_value[i])), number(float(c.adjusted_p[i])))
            for i in rows[:SHOWN_CARGO]
        ]  # fmt: skip
        head = f"difference, {found.design.test} less {found.design.reference}"
        parts.append(table(("Gene set", head, "95 % interval", "p", "adjusted p"), body))
    return parts


def _columns(found: CargoEffect) -> list[int]:
    """Return the samples, those of one group beside each other."""
    samples = found.activity.samples if found.activity is not None else ()
    if found.design is None:
        return list(range(len(samples)))
    group = {run: c for runs, c in zip(found.design.runs, found.design.conditions, strict=True) for run in runs}
    return sorted(range(len(samples)), key=lambda j: (group.get(samples[j], "\uffff"), j))


def _overlap(found: CargoEffect) -> list[Markup]:
    groups = {g.name: frozenset(g.cargo) for g in found.groups if g.cargo}
    if len(groups) < 2:
        return []
    return [heading("Overlap"), drawing(upset(groups, what=KIND_WORDS[found.table.kind][1]))]


def _evidence(evidence: Evidence) -> list[Markup]:
    to = f": paths to {evidence.condition}" if evidence.condition else ""
    said = (
        f"Evidence store {evidence.version}. Each statement names its rows, listed below. A claim about a molecule is "
        "no statement about this batch."
    )
    parts = [heading(f"What claims say{to}"), note(said)]
    claims = claim_results(evidence)
    if balances := balance_by_molecule(claims):
        parts.append(drawing(balance_bars(balances)))
    shown = [c for c in evidence.cargo if c.paths or not evidence.condition]
    sure = [c for c in shown if c.sure]
    unsure = [c for c in shown if not c.sure]
    parts += [_card(c) for c in sure[:SHOWN_CARGO]]
    rest = [*sure[SHOWN_CARGO:], *unsure]
    if rest:
        summary = f"{len(rest)} more, families and rarer arms among them"
        parts.append(opened(summary, map(_card, rest), closed=True))
    if evidence.conditions:
        heads = ("Condition", "cargo of the batch that its claims name", "what they say", "rows")
        body = [
            (r.condition, ", ".join(r.cargo), ", ".join(f"{n} {e}" for e, n in r.effects), ", ".join(r.claims))
            for r in evidence.conditions
        ]
        counts = count_conditions(claims)
        drawn = [drawing(condition_bars(counts, indication=evidence.condition))] if counts else []
        parts += [heading("Condition by condition"), *drawn, table(heads, body, texts=heads[1:])]
    rows = Markup("<ul>{}</ul>").format(Markup("").join(map(_row, evidence.rows)))
    return [*parts, opened("Rows cited", [rows])]


def _card(c: CargoEvidence) -> Markup:
    printed = "" if c.naming == NAMED else f" ({', '.join(c.printed)})"
    named = f"named as {' and '.join(c.roles)}, {c.naming}{printed}"
    said = [_path(p) for p in c.paths[:3]] + [
        Markup('Tumour balance: {} <span class="note">rows {}</span>').format(
            s.sentence + unsure_side(c, s), _links((*s.promoting, *s.inhibiting, *s.neither))
        )
        for s in c.sides
    ]
    more = [note(f"and {c.all_paths - 3} more paths (in the JSON)")] if c.all_paths > 3 else []
    return card([subheading(c.label), note(f"{c.standing}; {named}"), bullets(said), *more])


def _path(p: PathStatement) -> Markup:
    against = Markup("")
    if p.contradicted_by:
        against = Markup(' <span class="bad">contradicted by {}</span>').format(_links(p.contradicted_by))
    said = Markup('{}<br><span class="note">{}; rows {}</span>{}')
    return said.format(p.text, p.quality, _links(p.claims), against)


def _links(records: Iterable[str]) -> Markup:
    return Markup(", ").join(Markup('<a href="#row-{}">{}</a>').format(r, r) for r in records)


def _row(claim: Claim) -> Markup:
    cited = "; ".join(_reference(r.first_author, r.year, r.doi, r.pmid) for r in claim.references)
    doubts = Markup("").join(Markup('<br><span class="bad">doubt: {}</span>').format(d.text) for d in claim.doubts)
    what = ": ".join(filter(None, (claim.condition, claim.effect_class)))
    whence = f"({claim.source}, {claim.study_type or 'study type not stated'}): {what}"
    said = Markup('<li id="row-{}"><b>{}</b> {} [{}]{}</li>')
    return said.format(claim.record_id, claim.record_id, whence, cited or "no reference stated", doubts)


def _reference(author: str, year: str, doi: str, pmid: str) -> str:
    mark = f", doi {doi}" if doi else f", PMID {pmid}" if pmid else ""
    return f"{author} {year}".strip() + mark
