"""Where claims contradict each other: opposite changes of one pair, opposite outcomes of one cargo in one condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from vesicula.mechanism.model import SIGNS, Contradiction, Edge, Record, change_of

POLARITY = {
    "beneficial": ("for the patient", 1),
    "tumour-inhibiting": ("for the patient", 1),
    "metastasis-inhibiting": ("for the patient", 1),
    "harmful": ("for the patient", -1),
    "tumour-promoting": ("for the patient", -1),
    "metastasis-promoting": ("for the patient", -1),
    "drug resistance": ("for the patient", -1),
    "angiogenic": ("vessels", 1),
    "anti-angiogenic": ("vessels", -1),
}
"""Scale and side of each effect class; "mixed", "no effect" and "dormancy" are on no side."""

Side = list[tuple[str, str]]
"""Claims with what each says."""


def find_contradictions(edges: Sequence[Edge], records: Iterable[Record]) -> tuple[Contradiction, ...]:
    """Find all contradictions; one for each pair and kind, with all claims of both sides."""
    return (*_directions(edges), *_outcomes(records))


def flag_edges(edges: Sequence[Edge], contradictions: Sequence[Contradiction]) -> tuple[Edge, ...]:
    """Return the edges, each with the claims that contradict one of its own."""
    by_pair: dict[tuple[str, str], list[Contradiction]] = {}
    for found in contradictions:
        if found.kind == "direction":
            by_pair.setdefault((found.subject, found.object), []).append(found)
    outcomes: dict[str, list[Contradiction]] = {}
    for found in contradictions:
        if found.kind == "outcome":
            for record in dict.fromkeys(found.first + found.second):
                outcomes.setdefault(record, []).append(found)
    condition_of = {e.subject: e.object for e in edges if e.subject.startswith("vesicula:outcome-")}

    def concerns(found: Contradiction, edge: Edge) -> bool:
        # Where a claim's cargos lead straight to the outcome, each has its own conflicts.
        other_cargo = edge.subject.startswith("vesicula:cargo-") and edge.subject != found.subject
        return condition_of.get(edge.object) == found.object and not other_cargo

    def against(edge: Edge) -> tuple[str, ...]:
        pairs = by_pair.get((edge.subject, edge.object), [])
        others = [other for found in pairs for record in edge.records for other in found.against(record)]
        for record in edge.records:
            for found in outcomes.get(record, []):
                others += found.against(record) if concerns(found, edge) else ()
        return tuple(dict.fromkeys(others))

    return tuple(replace(edge, contradicted_by=against(edge)) for edge in edges)


def _sign(change: str) -> int:
    """Return 1 or -1; 0 where the change has no opposite, is not reported, or is reported both ways."""
    signs = {SIGNS.get(part, 0) for part in change.split("/")}
    return signs.pop() if len(signs) == 1 else 0


def _directions(edges: Iterable[Edge]) -> Iterable[Contradiction]:
    # A target that is itself reported as changed, and one that is not, cannot be compared; of a cargo nothing
    # reported means that it is there.
    groups: dict[tuple[str, str, bool], tuple[Side, Side]] = {}
    for edge in edges:
        cargo = edge.subject.startswith("vesicula:cargo-")
        before = _sign(edge.subject_direction)
        if edge.subject_direction and not before:
            continue
        sign = _sign(edge.direction) * (before or 1)
        if sign:
            sides = groups.setdefault((edge.subject, edge.object, cargo or bool(before)), ([], []))
            said = f"{edge.subject_direction} -> {edge.direction}" if before else edge.direction
            sides[sign < 0].extend((record, said) for record in edge.records)
    return (
        _contradiction("direction", subject, object_, sides)
        for (subject, object_, _), sides in groups.items()
        if all(sides)
    )


def _outcomes(records: Iterable[Record]) -> Iterable[Contradiction]:
    groups: dict[tuple[str, str, str], tuple[Side, Side]] = {}
    for record in records:
        scale, side = POLARITY.get(record.effect_class, ("", 0))
        for cargo in record.layers[0]:
            change = change_of(record, cargo)
            sign = side * (_sign(change) if change else 1)
            if not sign or not cargo.startswith("vesicula:cargo-"):
                continue
            said = f"{change}: {record.effect_class}" if change else record.effect_class
            for _, condition in record.ends:
                sides = groups.setdefault((cargo, condition, scale), ([], []))
                sides[sign < 0].append((record.record_id, said))
    return (
        _contradiction("outcome", cargo, condition, sides)
        for (cargo, condition, _), sides in groups.items()
        if all(sides)
    )


def _contradiction(kind: str, subject: str, object_: str, sides: tuple[Side, Side]) -> Contradiction:
    def unique(side: Side, pick: Callable[[tuple[str, str]], str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pick(entry) for entry in side))

    first, second = sides
    return Contradiction(
        kind=kind,
        subject=subject,
        object=object_,
        first=unique(first, lambda entry: entry[0]),
        second=unique(second, lambda entry: entry[0]),
        first_says=unique(first, lambda entry: entry[1]),
        second_says=unique(second, lambda entry: entry[1]),
    )
