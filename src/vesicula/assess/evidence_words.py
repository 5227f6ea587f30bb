"""What rows of the evidence store say together, in words. Counts always come with how and of how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

from vesicula.assess.evidence_match import force_words, is_vesicle, isolation_class, sources_of
from vesicula.core.placement import SIDES, PlacedBalance, SideCount
from vesicula.evidence.balance import BalanceClaim, TumourBalance
from vesicula.evidence.model import Claim, Trial
from vesicula.manifest.vocabulary import normalise

SHOWN = 5
"""Names listed in one sentence, at most."""

NOUNS = {"promoting": "promotion", "inhibiting": "inhibition", "neither": "neither side"}


def many(count: int, noun: str, plural: str = "") -> str:
    """Return ``"1 claim"``, ``"2 claims"``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Iterable[str], shown: int = SHOWN) -> str:
    """List names, each once, and count those left out."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return ", ".join(every[:shown]) + more


def study_types(claims: Iterable[Claim]) -> str:
    """Return ``"12 in vivo, 3 in vitro, none clinical"``: that nothing was tried in people is said."""
    counts = Counter(c.study_type or "of a study type not said" for c in claims)
    parts = [f"{n} {kind}" for kind, n in counts.most_common()]
    return ", ".join([*parts, *([] if "clinical" in counts else ["none clinical"])])


def effects(claims: Iterable[Claim]) -> str:
    """Return ``"9 beneficial, 4 tumour-inhibiting"``."""
    return ", ".join(f"{n} {kind}" for kind, n in Counter(c.effect_class for c in claims).most_common())


def source_match(stated: str, source: str, same: Sequence[Claim]) -> str:
    """Say how the cell source was matched."""
    printed = listed(c.cell_source for c in same)
    found = f"; rows whose source is printed as {printed}" if same else "; no row has it"
    known = normalise("cell_source", stated)
    word = f"taken for {source} of" if known else "a name outside"
    taken = "" if known and stated == source else f", {word} the manifest's vocabulary"
    return (
        f"Cell source as stated: {stated}{taken}{found}. Rows that only say MSC, without the tissue, are not counted "
        "as the same source."
    )


def source_lead(source: str, claims: Sequence[Claim]) -> str:
    """Return the first sentence of the section."""
    if not claims:
        return f"The evidence store holds no claim about vesicles of {source}."
    return f"The evidence store holds {many(len(claims), 'claim')} about vesicles of {source} ({study_types(claims)})."


def source_statement(source: str, claims: Sequence[Claim], others: Sequence[Claim], near: Sequence[str]) -> str:
    """Say what was claimed of vesicles of the same cells, however isolated."""
    rest = f" {many(len(others), 'further claim')} about the cells themselves or their secretome." if others else ""
    if not claims:
        nearest = f" Nearest words of the vocabulary: {', '.join(near)}." if near else ""
        return f"No claim about vesicles of {source}.{rest}{nearest}"
    conditions = Counter(c.condition for c in claims)
    doubted = sum(bool(c.doubts) for c in claims)
    return (
        f"{many(len(claims), 'claim')} about vesicles of {source}, any isolation ({study_types(claims)}). As their "
        f"sources file the effect: {effects(claims)}. For {many(len(conditions), 'condition')}: "
        f"{listed(name for name, _ in conditions.most_common())}. {many(doubted, 'row')} with a curator's doubt.{rest}"
    )


def isolation_statement(
    isolation: Sequence[str],
    force: float | None,
    claims: Sequence[Claim],
    classes: Mapping[str, str],
    same: Sequence[Claim],
) -> str:
    """Say how many of the claims were isolated as the batch was, and of how many that is not known."""
    total = len(claims)
    unknown = sum(not classes[c.record_id] for c in claims)
    gap = f"Isolation is not reported in {unknown} of {total} rows"
    if not isolation:
        return f"The manifest states no isolation, so that nothing can be matched by it. {gap}."
    others = [classes[c.record_id] for c in claims if classes[c.record_id] and c not in same]
    other = f"; {len(others)} by another class ({listed(others)})" if others else ""
    said = f"{len(same)} of {total} rows by the same class of isolation ({listed(isolation)}){other}. {gap}."
    forces = [c.relative_centrifugal_force_g for c in same if c.relative_centrifugal_force_g]
    if not forces or "differential ultracentrifugation" not in isolation:
        return said
    span = " to ".join(dict.fromkeys((force_words(min(forces)), force_words(max(forces)))))
    mine = f"this batch: {force_words(force)}" if force else "this batch: not stated"
    return f"{said} Centrifugal force where reported ({len(forces)} of {len(same)}): {span}; {mine}."


def condition_match(condition: str, claims: Sequence[Claim], unmatched: Sequence[str]) -> str:
    """Say how the condition was matched."""
    if not claims:
        return f"Indication as stated: {condition}. {'; '.join(unmatched) or 'No row has it'}."
    return (
        f"Indication as stated: {condition}; rows whose condition has its words or its identifier: "
        f"{listed((c.condition for c in claims), 8)}."
    )


def condition_lead(condition: str, source: str, claims: Sequence[Claim], both: Sequence[Claim]) -> str:
    """Return the sentence about the condition that the section begins with."""
    if not claims:
        return f"It holds none for {condition}."
    of = f", {len(both) or 'none'} of them from {source}" if source else ""
    return f"For {condition} it holds {many(len(claims), 'claim')} from any source{of}."


def condition_statement(
    condition: str, source: str, claims: Sequence[Claim], both: Sequence[Claim], unmatched: Sequence[str]
) -> str:
    """Say what was claimed for the condition, from which cells."""
    if not claims:
        return f"No claim for {condition}. {'; '.join(unmatched)}".strip().rstrip(".") + "."
    sources = Counter(name for c in claims for name in sources_of(c.cell_source))
    by = ", ".join(f"{name} {n}" for name, n in sources.most_common(SHOWN + 3))
    unknown = sum(not isolation_class(c) for c in claims)
    cells = sum(not is_vesicle(c) for c in claims)
    about = f" {cells} of them about cells or secretome, not vesicles." if cells else ""
    mine = f" From {source}: {f'{len(both)} ({study_types(both)})' if both else 'none'}." if source else ""
    return (
        f"{many(len(claims), 'claim')} for {condition} from any source ({study_types(claims)}): {effects(claims)}."
        f"{about}{mine} By source: {by}. Isolation is not reported in {unknown} of {len(claims)} rows."
    )


def trials_statement(
    source: str,
    condition: str,
    total: int,
    same: Sequence[Trial],
    for_it: Sequence[Trial],
    *,
    unsaid: int,
    generic: int,
) -> str:
    """Say which trials have the same source or the same condition, and what cannot be known."""
    parts = []
    if source:
        which = f" ({listed(t.nct_id for t in same)})" if same else ""
        parts.append(
            f"{len(same) or 'None'} of {many(total, 'trial row')} {'name' if len(same) > 1 else 'names'} {source}"
            f"{which}; {generic} say only MSC, and {unsaid} name no source."
        )
    if condition:
        which = f" ({listed(t.nct_id for t in for_it)})" if for_it else ""
        parts.append(f"{len(for_it) or 'None'} with all words of {condition} in the condition or title{which}.")
    dosed = sum(bool(t.dose) for t in {id(t): t for t in (*same, *for_it)}.values())
    if same or for_it:
        parts.append(f"A dose is stated in {dosed} of {len({id(t) for t in (*same, *for_it)})}.")
    return " ".join(parts)


def balance_of(subject: str, kind: str, entries: Sequence[BalanceClaim], beside: str = "") -> PlacedBalance:
    """Lay out both sides of one subject.

    Parameters
    ----------
    subject : str
        A cell source or a molecule.
    kind : {"source", "cargo"}
        Which of the two.
    entries : sequence of BalanceClaim
        Its claims about tumours, each once.
    beside : str
        A sentence to add.

    Returns
    -------
    PlacedBalance
        No net number.
    """
    ids = {side: tuple(e.record_id for e in entries if e.side == side) for side in SIDES}
    counts = Counter((e.side, e.claim.study_type) for e in entries)
    return PlacedBalance(
        subject=subject,
        kind=cast("Literal['source', 'cargo']", kind),
        **ids,
        counts=tuple(
            SideCount(side=side, study_type=study, count=counts[s, study])
            for side in SIDES
            for s, study in sorted(counts)
            if s == side
        ),
        sentence=" ".join(p for p in (_balance_sentence(subject, entries), beside) if p),
    )


def _balance_sentence(subject: str, entries: Sequence[BalanceClaim]) -> str:
    if not entries:
        return f"Tumours: the store holds no claim about {subject}, which is not the same as a claim of no effect."
    parts = []
    for side in SIDES:
        of = [e.claim for e in entries if e.side == side]
        if of or side != "neither":
            kinds = Counter(c.study_type or "study type not said" for c in of)
            types = f" ({', '.join(f'{n} {k}' for k, n in kinds.most_common())})" if of else ""
            parts.append(f"{len(of) or 'none'} of {NOUNS[side]}{types}")
    inverse = sum(e.points_to not in (e.side, "") for e in entries)
    turned = f" {inverse} of them carried an inhibitor, or less, of the molecule: see the doubts." if inverse else ""
    return f"Tumours, {subject}: {many(len(entries), 'claim')}, {', '.join(parts)}. {_meeting(entries)}{turned}"


def beside(balance: TumourBalance) -> str:
    """Say what of a molecule stands outside the balance: names that matched nothing, and claims outside tumours."""
    missing = "; ".join(balance.unmatched)
    parts = [f"{missing[:1].upper()}{missing[1:]}."] if missing else []
    outside = {e.record_id for e in balance.elsewhere if e.through == "cargo"}
    if outside:
        parts.append(f"{many(len(outside), 'claim')} of it outside tumours: {listed(sorted(outside))}.")
    return " ".join(parts)


def _meeting(entries: Sequence[BalanceClaim]) -> str:
    by_tumour: dict[str, set[str]] = {}
    for e in entries:
        by_tumour.setdefault(e.claim.condition, set()).add(e.points_to)
    sides = set().union(*by_tumour.values())
    both = [t for t, found in by_tumour.items() if {"promoting", "inhibiting"} <= found]
    if both:
        return f"The claims conflict in {listed(both)}."
    if {"promoting", "inhibiting"} <= sides:
        return "Both sides stand, in different tumours."
    return "Only one side is claimed, which does not exclude the other." if sides - {""} else "No side is taken."
