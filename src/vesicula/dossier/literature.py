"""From a placement beside the literature to the section of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from vesicula.core.finding import Finding
from vesicula.core.placement import (
    SAME_BOTH,
    SAME_CONDITION,
    SAME_ISOLATION,
    SAME_SOURCE,
    TUMOUR_CARGO,
    TUMOUR_SOURCE,
    EvidencePlacement,
    PlacedBalance,
    PlacedClaim,
    PlacedReference,
    PlacedTrial,
)
from vesicula.dossier.ledger import Ledger
from vesicula.dossier.model import (
    ClaimItem,
    LiteratureBlock,
    LiteratureLine,
    Reference,
    SideColumn,
    SidesBlock,
    TrialItem,
)
from vesicula.dossier.wording import doi_url

TOPIC = "evidence"
SHOWN_ROWS = 8
"""Rows of a table shown at once; the others are folded below it."""

CLOSENESS = (SAME_BOTH, SAME_ISOLATION, SAME_CONDITION, SAME_SOURCE)
"""Closest first."""

TITLES = {"promoting": "Promoting", "inhibiting": "Inhibiting", "neither": "Neither side"}
_NCT = re.compile(r"NCT[0-9]{8}")
_PMID = re.compile(r"[0-9]{1,9}")
Anchor = Callable[[str], str]


def literature_block(
    placement: EvidencePlacement | None,
    findings: Sequence[tuple[str, Finding]],
    anchor: str,
    ledger: Ledger,
    *,
    compact: bool,
) -> LiteratureBlock | None:
    """Lay out what the literature says of batches like one.

    Parameters
    ----------
    placement : EvidencePlacement or None
        None gives no section.
    findings : sequence of (str, Finding)
        Its findings of topic ``"evidence"``, with their anchors.
    anchor : str
        Anchor of the batch.
    ledger : Ledger
        Takes note of the method and of the sources that the store quotes.
    compact : bool
        Large study: the leading sentences alone.

    Returns
    -------
    LiteratureBlock or None
        Each row has its anchor once: in the tumour balance if it has a side there, else in the table.
    """
    if placement is None:
        return None
    methods = [ledger.add_method(f.method) for _, f in findings if f.method]
    sources = tuple(ledger.add_source(c, "literature beside the batches") for c in placement.sources)
    short = LiteratureBlock(
        lead=placement.lead, version=placement.store_version, method_anchor=methods[0] if methods else ""
    )
    if compact:
        return short
    names = {c.record_id: f"{anchor}e{i}" for i, c in enumerate(placement.claims, 1)}
    trials = tuple(_trial_item(t, f"{anchor}t{i}") for i, t in enumerate(placement.trials, 1))
    names.update({t.name: t.anchor for t in reversed(trials)})
    claims = {c.record_id: c for c in placement.claims}
    pending = set(claims)

    def once(record: str) -> str:
        """Return a row's anchor at its first place in the page, nothing at the next."""
        if record not in pending:
            return ""
        pending.discard(record)
        return names[record]

    lines = {
        f.id: LiteratureLine(anchor=a, title=f.title, text=f.statement, rows=_row_links(f, placement, names))
        for a, f in findings
    }
    # The sentence of a balance stands above its two sides.
    own = {b.subject: next((i for i in lines if i.endswith(f"/{TOPIC}/{_key(b)}")), "") for b in placement.balances}
    balances = tuple(_sides(b, lines.get(own[b.subject]), claims, once) for b in placement.balances)
    others = sorted((c for c in placement.claims if c.record_id in pending), key=_closeness)
    rows = tuple(_claim_item(c, once(c.record_id)) for c in others)
    return replace(
        short,
        lines=tuple(line for i, line in lines.items() if i not in own.values()),
        balances=balances,
        rows=rows[:SHOWN_ROWS],
        more_rows=rows[SHOWN_ROWS:],
        trials=trials[:SHOWN_ROWS],
        more_trials=trials[SHOWN_ROWS:],
        matching=placement.matching,
        sources=sources,
    )


def _row_links(finding: Finding, placement: EvidencePlacement, names: dict[str, str]) -> tuple[tuple[str, str], ...]:
    rows = next((s.rows for s in placement.statements if finding.id.endswith(f"/{TOPIC}/{s.key}")), ())
    return tuple((row, names[row]) for row in rows if row in names)


def _closeness(claim: PlacedClaim) -> tuple[int, ...]:
    return tuple(relation not in claim.relations for relation in CLOSENESS)


def _key(balance: PlacedBalance) -> str:
    return "tumour-source" if balance.kind == "source" else f"tumour-cargo/{balance.subject}"


def _sides(
    balance: PlacedBalance, line: LiteratureLine | None, claims: dict[str, PlacedClaim], once: Anchor
) -> SidesBlock:
    columns = []
    for side, records in (
        ("promoting", balance.promoting),
        ("inhibiting", balance.inhibiting),
        ("neither", balance.neither),
    ):
        if side == "neither" and not records:
            continue
        counts = [f"{c.count} {c.study_type or 'study type not said'}" for c in balance.counts if c.side == side]
        ordered = sorted(records, key=lambda r: claims[r].condition)
        columns.append(
            SideColumn(
                title=TITLES[side],
                count=len(records),
                study_types=", ".join(counts),
                rows=tuple(_claim_item(claims[r], once(r)) for r in ordered),
            )
        )
    return SidesBlock(subject=balance.subject, line=line, columns=tuple(columns[:2]), neither=tuple(columns[2:]))


def _claim_item(claim: PlacedClaim, anchor: str) -> ClaimItem:
    relations = [r for r in claim.relations if r not in (TUMOUR_SOURCE, TUMOUR_CARGO)]
    if SAME_BOTH in relations:
        relations = [r for r in relations if r not in (SAME_CONDITION, SAME_SOURCE)]
    if SAME_ISOLATION in relations:
        relations = [r for r in relations if r != SAME_SOURCE]
    made = [claim.cell_source, claim.product, claim.modification, f"isolation: {claim.isolation}"]
    return ClaimItem(
        anchor=anchor,
        name=claim.record_id,
        likeness="; ".join(relations),
        condition=claim.condition,
        what=", ".join(p for p in (claim.effect, f"cargo {claim.cargo}" if claim.cargo else "") if p),
        effect_class=claim.effect_class,
        study="; ".join(p for p in (claim.study_type or "study type not said", claim.model) if p),
        made=", ".join(p for p in made if p),
        references=tuple(_reference(r) for r in claim.references),
        place=f"{claim.source}, {claim.place}",
        doubts=claim.doubts,
        note=claim.note,
    )


def _reference(reference: PlacedReference) -> Reference:
    pmid = reference.pmid if _PMID.fullmatch(reference.pmid) else ""
    url = doi_url(reference.doi) or (f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if pmid else "")
    return Reference(text=reference.text, title=reference.citation, note=reference.note, url=url)


def _trial_item(trial: PlacedTrial, anchor: str) -> TrialItem:
    facts = (
        ("phase", trial.phase),
        ("participants", trial.participants),
        ("route", trial.route),
        ("dose", trial.dose or "not stated"),
    )
    relations: Iterable[str] = (SAME_BOTH,) if SAME_BOTH in trial.relations else trial.relations
    return TrialItem(
        anchor=anchor,
        name=trial.nct_id,
        # Made from the number, not taken from the table: no other scheme or host can become a link.
        url=f"https://clinicaltrials.gov/study/{trial.nct_id}" if _NCT.fullmatch(trial.nct_id) else "",
        likeness="; ".join(relations),
        about=trial.condition or trial.title,
        made=", ".join(p for p in (trial.cell_source, trial.product) if p),
        facts=", ".join(f"{name} {value}" for name, value in facts if value),
        place=", ".join(p for p in (trial.source, f"as of {trial.as_of}" if trial.as_of else "") if p),
        doubts=trial.doubts,
        note=trial.note,
    )
