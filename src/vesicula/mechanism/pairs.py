"""Which of the claims' microRNAs a table of targets reports to act on which of the claims' targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from vesicula.evidence.model import Reference
from vesicula.evidence.names import resolve
from vesicula.mechanism.model import Node, counted
from vesicula.mechanism.targets import TargetRow, Targets

MIRNA = re.compile(r"(?:hsa-)?((?:mir|let)-\d+[a-z]*(?:-\d+)?)(-[35]p|\*)?", re.IGNORECASE)
SURE = ("exact", "synonym", "normalised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A cargo and a target of the graph that a table pairs; `functional` unless all its rows say the opposite."""

    cargo: str
    target: str
    origin: str
    detail: str
    functional: bool
    references: tuple[Reference, ...]


def reported_pairs(nodes: Iterable[Node], genes: Mapping[str, tuple[str, ...]], targets: Targets) -> Iterator[Pair]:
    """Yield the pairs that the table reports, cargo by cargo.

    Parameters
    ----------
    nodes : iterable of Node
        The graph's.
    genes : mapping of str to tuple of str
        Target nodes with their genes.
    targets : Targets
        The table.

    Yields
    ------
    Pair
        One for each cargo, target and origin. A microRNA that names no arm is paired with rows of either arm, which
        the pair's detail says; rows of the other arm than the one named are not.
    """
    by_stem: dict[str, list[TargetRow]] = {}
    for row in targets.rows:
        parsed = MIRNA.fullmatch(row.mirna)
        if parsed is not None:
            by_stem.setdefault(parsed[1].casefold(), []).append(row)
    for node in nodes:
        stem, arm = _name_of(node)
        found: dict[tuple[str, str], list[TargetRow]] = {}
        for row in by_stem.get(stem, ()):
            if not _same_arm(arm, row):
                continue
            gene = _gene(row.target)
            for target, known in genes.items():
                if gene in known:
                    found.setdefault((target, row.origin), []).append(row)
        for (target, origin), rows in found.items():
            yield _pair(node, arm, target, origin, rows, family=len(genes[target]) > 1)


def _name_of(node: Node) -> tuple[str, str]:
    """Return stem and arm of a cargo that is just a microRNA; an antagomir, or a family, is none."""
    parsed = MIRNA.fullmatch(node.label) if node.kind == "cargo" else None
    if parsed is None or not node.identifiers or not all(i.startswith("MI") for i in node.identifiers):
        return "", ""
    return parsed[1].casefold(), (parsed[2] or "").casefold()


def _arm(mirna: str) -> str:
    parsed = MIRNA.fullmatch(mirna)
    return (parsed[2] or "").casefold() if parsed is not None else ""


def _same_arm(arm: str, row: TargetRow) -> bool:
    other = _arm(row.mirna)
    return not arm or not other or arm == other


@cache
def _gene(symbol: str) -> str:
    known = resolve("gene", symbol)
    sure = known.status in SURE and len(known.identifiers) == 1
    return known.identifiers[0] if sure else ""


def _is_functional(row: TargetRow) -> bool:
    return not row.support.casefold().startswith("non-functional")


def _pair(node: Node, arm: str, target: str, origin: str, rows: list[TargetRow], *, family: bool) -> Pair:
    kinds: dict[str, int] = {}
    for row in sorted(rows, key=lambda r: (_is_weak(r), r.support)):
        said = row.support or "support not stated"
        kinds[said] = kinds.get(said, 0) + 1
    words = [f"{', '.join(dict.fromkeys(r.mirna for r in rows))} on {rows[0].target}"]
    words += [f"{kind}: {counted(count, 'row')}" for kind, count in kinds.items()]
    assays = dict.fromkeys(a for row in rows for a in re.split(r"//|;", row.experiments) if a)
    words += [f"by {', '.join(list(assays)[:5])}"] if assays else []
    words += ["the claim names no arm"] if not arm and any(_arm(r.mirna) for r in rows) else []
    words += ["the table names no arm"] if arm and not all(_arm(r.mirna) for r in rows) else []
    words += ["the claim names a family"] if family else []
    pmids = dict.fromkeys(pmid for row in rows for pmid in row.pmids)
    words.append(counted(len(pmids), "publication") if pmids else "no publication given")
    return Pair(
        cargo=node.node_id,
        target=target,
        origin=origin,
        detail="; ".join(words),
        functional=any(_is_functional(row) for row in rows),
        references=tuple(_reference(origin, pmid) for pmid in pmids),
    )


def _is_weak(row: TargetRow) -> bool:
    return "weak" in row.support.casefold() or not row.support


def _reference(origin: str, pmid: str) -> Reference:
    return Reference(
        source=origin,
        number=f"PMID:{pmid}",
        first_author="",
        year="",
        citation=f"PMID {pmid}",
        number_inferred=False,
        pmid=pmid,
    )
