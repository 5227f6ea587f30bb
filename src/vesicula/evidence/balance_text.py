"""The tumour balance in words, and as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vesicula.evidence.balance import BalanceClaim, BalanceGroup, Elsewhere, SideCount, TumourBalance
    from vesicula.evidence.model import Claim

COLUMNS = (
    "tumour",
    "subject",
    "side",
    "carried",
    "points_to",
    "aspects",
    "record_id",
    "study_type",
    "model",
    "cell_source",
    "cargo",
    "effect",
    "effect_class",
    "references",
    "doubts",
    "notes",
    "sentence",
    "store_version",
)
"""Columns of the frame and of the CSV. `side` is "elsewhere" for claims that are no side of the balance."""

NOUNS = {"promoting": "promotion", "inhibiting": "inhibition", "neither": "no side"}
WHEN = {
    "its inhibitor": " when its inhibitor was carried",
    "less of it": " when less of it was carried",
    "unclear": " where it is unclear whether it or its inhibitor was carried",
}
WHY = {
    "its inhibitor": "Carrying the inhibitor is the opposite of carrying the molecule",
    "less of it": "Carrying less of it is the opposite of carrying it",
}


def _many(count: int) -> str:
    return f"{count} claim{'' if count == 1 else 's'}"


def _kinds(claims: Iterable[Claim]) -> str:
    counts = Counter(claim.study_type or "study type not said" for claim in claims)
    return ", ".join(kind if n == 1 else f"{n} {kind}" for kind, n in counts.items())


def group_sentence(tumour: str, subject: str, entries: Sequence[BalanceClaim]) -> str:
    """Return what the claims of one tumour and one subject say, both sides, and whether they conflict."""
    parts: list[str] = []
    for side, noun in NOUNS.items():
        for carried in dict.fromkeys(("", "the molecule", *WHEN)):
            of = [e for e in entries if e.side == side and e.carried == carried]
            if of:
                count = _many(len(of)) if not parts else str(len(of))
                preposition = "of" if side != "neither" else "on"
                parts.append(f"{count} {preposition} {noun}{WHEN.get(carried, '')} ({_kinds(e.claim for e in of)})")
    said = f"{subject} in {tumour}: {', '.join(parts)}."
    named = any(m.role == "tumour" for e in entries for m in e.claim.mentions)
    return " ".join([said, *_reading(subject, entries), *([] if named else ["No tumour is named."])])


def _reading(subject: str, entries: Sequence[BalanceClaim]) -> list[str]:
    inverse = [kind for kind in WHY if any(e.carried == kind for e in entries)]
    reasons = ". ".join(WHY[kind] for kind in inverse)
    points = {e.points_to for e in entries} - {""}
    said = []
    if len(points) == 2:
        opposed = ", ".join(f"{NOUNS[p]}: {_ids(entries, p)}" for p in ("promoting", "inhibiting"))
        said = [f"{reasons}." if reasons else "", f"They conflict ({opposed})."]
    elif reasons and points:
        pointing = sum(bool(e.points_to) for e in entries)
        who = {1: "this points", 2: "both point"}.get(pointing, f"all {pointing} point")
        said = [f"{reasons}, so {who} to {NOUNS[points.pop()]} by {subject}."]
    shared = _shared_references(entries)
    return [text for text in [*said, shared] if text]


def _ids(entries: Iterable[BalanceClaim], points_to: str) -> str:
    return ", ".join(e.record_id for e in entries if e.points_to == points_to)


def _shared_references(entries: Iterable[BalanceClaim]) -> str:
    """Say which claims rest on the same publication: they are not independent."""
    citing: dict[str, list[str]] = {}
    for e in entries:
        for r in e.claim.references:
            citing.setdefault(f"[{r.source} {r.number}]", []).append(e.record_id)
    shared = [f"{' and '.join(ids)} cite {number}" for number, ids in citing.items() if len(ids) > 1]
    return f"Not independent: {'; '.join(shared)}." if shared else ""


def comparison_sentence(
    about: str,
    parts: Sequence[tuple[str, Sequence[BalanceClaim]]],
    word: str,
    elsewhere: Sequence[Elsewhere],
) -> str:
    """Return what several groups say about one subject (`word` "in": tumours) or tumour ("by": cell sources)."""
    said = []
    for side in ("promoting", "inhibiting"):
        where = [f"{name} ({ids})" for name, entries in parts if (ids := _ids(entries, side))]
        if where:
            said.append(f"{NOUNS[side]} {word} {', '.join(where)}")
    loose = [e.record_id for _, entries in parts for e in entries if not e.points_to]
    if loose:
        said.append(f"no side: {', '.join(loose)}")
    entries = [e for _, of in parts for e in of]
    sentences = [f"{about}: {'; '.join(said)}.", _how_they_conflict([of for _, of in parts], word)]
    sentences += [_shared_references(entries), _elsewhere_sentence(about, elsewhere)]
    return " ".join(text for text in sentences if text)


def _how_they_conflict(parts: Iterable[Sequence[BalanceClaim]], word: str) -> str:
    sides = [{e.points_to for e in entries} - {""} for entries in parts]
    if len(set().union(*sides)) < 2:
        return ""
    if any(len(points) == 2 for points in sides):
        return "They conflict."
    what = "tumour" if word == "in" else "cell source"
    return f"They conflict from one {what} to another."


def _elsewhere_sentence(subject: str, elsewhere: Sequence[Elsewhere]) -> str:
    if not elsewhere:
        return ""
    items = [
        f"{e.claim.effect_class} in {e.claim.condition} ({e.record_id}"
        + (", named only in a note or doubt)" if e.through != "cargo" else ")")
        for e in elsewhere
    ]
    return f"Beside these stand {_many(len(items))} of {subject} elsewhere: {'; '.join(items)}."


def balance_rows(balance: TumourBalance) -> list[dict[str, str]]:
    """Return the balance as flat rows of :data:`COLUMNS`: its claims, group by group, then those elsewhere."""
    rows = [
        {
            **_claim_cells(entry.claim, balance.version),
            "tumour": group.tumour,
            "subject": group.subject,
            "side": entry.side,
            "carried": entry.carried,
            "points_to": entry.points_to,
            "aspects": ";".join(entry.aspects),
            "sentence": group.sentence,
        }
        for group in balance.groups
        for entry in group.claims
    ]
    rows += [
        {
            **_claim_cells(found.claim, balance.version),
            "tumour": found.claim.condition,
            "subject": found.subject,
            "side": "elsewhere",
            "carried": "" if found.through == "cargo" else f"named in a {found.through} only",
            "points_to": "",
            "aspects": "",
            "sentence": "",
        }
        for found in balance.elsewhere
    ]
    return [{name: row[name] for name in COLUMNS} for row in rows]


def _claim_cells(claim: Claim, version: str) -> dict[str, str]:
    names = ("record_id", "study_type", "model", "cell_source", "cargo", "effect", "effect_class", "notes")
    return {
        **{name: str(getattr(claim, name)) for name in names},
        "references": " | ".join(f"[{r.source} {r.number}] {r.citation}" for r in claim.references),
        "doubts": " | ".join(doubt.in_words for doubt in claim.doubts),
        "store_version": version,
    }


def balance_csv(balance: TumourBalance) -> str:
    """Return the balance as CSV; see :func:`balance_rows`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(balance_rows(balance))
    return out.getvalue()


def balance_json(balance: TumourBalance) -> str:
    """Return the balance as JSON, each claim whole."""
    return json.dumps(asdict(balance), ensure_ascii=False, indent=2)


def balance_text(balance: TumourBalance) -> str:
    """Return the balance for reading: comparisons, groups with both sides, aspects, elsewhere, the version."""
    lines = [f"{role.replace('_', ' ')} taken as: {', '.join(texts)}" for role, texts in balance.matched]
    lines += [*balance.unmatched, ""]
    lines += [("CONFLICT  " if c.conflict else "") + c.sentence for c in balance.comparisons]
    for group in balance.groups:
        lines += ["", f"== {group.tumour} / {group.subject}", *_group_lines(group)]
    lines += ["", "Aspects (a claim may have several; the side is that of the whole claim):"]
    lines += [
        f"  {a.aspect}: promoting {_listed(a.promoting)}; inhibiting {_listed(a.inhibiting)}"
        + (f"; neither {_listed(a.neither)}" if a.neither else "")
        for a in balance.aspects
    ]
    lines += [f"Study types: {_study_types(balance.study_types)}"] if balance.study_types else []
    if balance.elsewhere:
        lines += ["", "The same molecule elsewhere:"]
        for found in balance.elsewhere:
            mark = "" if found.through == "cargo" else f"named in a {found.through} only"
            lines += [f"  {found.subject}, {found.claim.condition}:", *_claim_lines(found.claim, [mark])]
    distinct = len({entry.record_id for entry in balance.claims})
    lines += ["", f"{_many(distinct)}. Store version {balance.version}."]
    return "\n".join(lines).strip()


def _listed(ids: Sequence[str]) -> str:
    return f"{len(ids)} ({', '.join(ids)})" if ids else "0"


def _study_types(counts: Iterable[SideCount]) -> str:
    return ", ".join(f"{c.side} {c.study_type or 'not said'} {c.count}" for c in counts)


def _group_lines(group: BalanceGroup) -> list[str]:
    lines = [("CONFLICT  " if group.conflict else "") + group.sentence]
    for name, entries in (
        ("promoting", group.promoting),
        ("inhibiting", group.inhibiting),
        ("neither", group.neither),
    ):
        if entries or name != "neither":
            lines.append(f"  {name}: {len(entries)}")
        for e in entries:
            inverse = e.carried not in {"", "the molecule"}
            reading = f"carried: {e.carried}, points to: {e.points_to or 'no side'}" if inverse else ""
            lines += _claim_lines(e.claim, [", ".join(e.aspects), reading])
    return lines


def _claim_lines(claim: Claim, remarks: Sequence[str]) -> list[str]:
    said = [
        claim.study_type or "study type not said",
        claim.model or "model not said",
        claim.cell_source,
        claim.cargo,
    ]
    tail = "".join(f"  [{remark}]" for remark in remarks if remark)
    return [
        f"    {claim.record_id}  {claim.effect_class}: {claim.effect} ({'; '.join(s for s in said if s)}){tail}",
        *(f"        [{r.source} {r.number}] {r.citation}" for r in claim.references),
        *(f"        {doubt.line}" for doubt in claim.doubts),
    ]
