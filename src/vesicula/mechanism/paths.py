"""Paths through the mechanism graph: what the claims say, chain by chain, in a documented order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from vesicula.evidence.fold import fold
from vesicula.evidence.identify import meant_by, without_arm
from vesicula.evidence.model import Doubt
from vesicula.mechanism.graph import steps_of
from vesicula.mechanism.model import (
    CLAIMS,
    MOLECULE_KINDS,
    NOT_STATED,
    Addition,
    Edge,
    Graph,
    Node,
    Record,
    change_of,
)

STUDY_ORDER = ("clinical", "in vivo", "in vivo+in vitro", "ex vivo", "in vitro", "in silico", "")
"""In people, in animals, in tissue, in cells, computed, not reported."""


INFERRED = "inferred"
EdgeKey = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path_:  # noqa: N801 - Path is taken by pathlib
    """A chain that at least one claim lists from end to end; or one that tables infer, which ends where they end.

    Steps of different claims are never joined.

    Attributes
    ----------
    nodes : tuple of Node
        In order; the first is no cargo where the claims name none.
    edges : tuple of Edge
        Between them; an edge may have more supporting claims than the whole path.
    records : tuple of Record
        The claims that list the whole path; of an inferred path those from whose molecules it is inferred.
    not_stated : int
        How many of its steps have a pairing that is not stated.
    contradicted_by : tuple of str
        Claims that contradict one of its steps, or the outcome of its cargo.
    sentence : str
        The path in words, with its claims, their study types and their doubts.
    inferred : bool
        Whether its last step is in no claim, but in a table; the origin of each edge says which.
    tables : tuple of Edge
        Steps in tables between things that one of the claims names: a target that is a member of the pathway stated, a
        microRNA reported to act, or not to act, on the target. They change no rank.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    records: tuple[Record, ...]
    not_stated: int
    contradicted_by: tuple[str, ...]
    sentence: str
    inferred: bool = False
    tables: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for: claims, nodes on the way, conditions; None where anything will do."""

    records: Collection[str] | None
    through: set[str] | None
    to: set[str] | None

    def claim(self, record: Record) -> bool:
        if self.records is not None and record.record_id not in self.records:
            return False
        return self.to is None or any(condition in self.to for _, condition in record.ends)

    def molecules(self, ids: set[str]) -> bool:
        return self.through is None or bool(self.through & ids)


def paths(
    graph: Graph,
    *,
    molecule: str | None = None,
    condition: str | None = None,
    records: Collection[str] | None = None,
    limit: int | None = 20,
) -> tuple[Path_, ...]:
    """Return the paths over a molecule, to a condition, or both, the best supported first.

    The order is lexicographic, without a score: fewer pairings that are not stated; more claims that list the whole
    path; the strongest kind of study among them (:data:`STUDY_ORDER`); fewer doubts about them; the order of import.
    Paths that tables infer come after all of these; see :mod:`vesicula.mechanism.extend`.

    Parameters
    ----------
    graph : Graph
        From :func:`vesicula.mechanism.graph.load_graph`.
    molecule : str, optional
        Name or identifier of a cargo, target or pathway: its words, or what it stands for ("miR-21" finds miR-21-5p).
    condition : str, optional
        Name or identifier of a condition.
    records : collection of str, optional
        Only paths of these claims, such as those of one cell source.
    limit : int, optional
        At most so many; None: all.

    Returns
    -------
    tuple of Path_
        Empty where the graph holds none.
    """
    by_id = {node.node_id: node for node in graph.nodes}
    through = _named(graph, molecule, MOLECULE_KINDS)
    to = _named(graph, condition, ("condition",))
    chains: dict[tuple[tuple[str, str, str], ...], list[Record]] = {}
    for record in graph.records:
        if records is not None and record.record_id not in records:
            continue
        for chain in _chains(record):
            ids = {node for node, _, _ in chain}
            if (through is None or ids & through) and (to is None or ids & to):
                chains.setdefault(chain, []).append(record)
    position = {record.record_id: number for number, record in enumerate(graph.records)}
    ordered = sorted(chains.items(), key=lambda item: (*_rank(*item), position[item[1][0].record_id]))
    edges = _edge_index(graph)
    tables = _tables(graph)
    stated = tuple(_path(graph, by_id, edges, tables, chain, support) for chain, support in ordered[:limit])
    room = None if limit is None else limit - len(stated)
    return stated + _inferred_paths(graph, edges, _Wanted(records, through, to))[:room]


def doubted(doubts: Iterable[Doubt], molecule: str) -> tuple[Doubt, ...]:
    """Return those doubts of a store that name a molecule: a curator asks whether it, or another, is meant."""
    words = f" {fold(without_arm(molecule))} "
    if not words.strip():
        return ()
    return tuple(dict.fromkeys(d for d in doubts if words in f" {fold(d.text)} "))


def matching(graph: Graph, name: str, kinds: Collection[str]) -> tuple[Node, ...]:
    """Return the nodes that a name means: those that have all its words in one of their names, or its identifier.

    As in the store's own search, the identifier of something wider than the name is not used.
    """
    words = fold(name).split()
    identifiers = {
        identifier for kind in kinds for identifier in meant_by("molecule" if kind in MOLECULE_KINDS else kind, name)
    }
    return tuple(
        node
        for node in graph.nodes
        if node.kind in kinds and (identifiers & set(node.identifiers) or _has_words(node, words))
    )


def _has_words(node: Node, words: Sequence[str]) -> bool:
    return bool(words) and any(set(words) <= set(fold(name).split()) for name in node.names)


def _named(graph: Graph, name: str | None, kinds: Collection[str]) -> set[str] | None:
    return None if name is None else {node.node_id for node in matching(graph, name, kinds)}


def _chains(record: Record) -> Iterable[tuple[tuple[str, str, str], ...]]:
    """Yield the claim's chains: node, its change, the pairing of the step to it."""
    pairing = {(subject, object_): how for subject, object_, how in steps_of(record)}
    for head in product(*record.layers):
        for end in record.ends:
            chain = (*head, *end)
            hows = ("", *(pairing[pair] for pair in pairwise(chain)))
            yield tuple((node, change_of(record, node), how) for node, how in zip(chain, hows, strict=True))


def _rank(chain: Sequence[tuple[str, str, str]], support: Sequence[Record]) -> tuple[int, int, int, int]:
    return (
        sum(how == NOT_STATED for _, _, how in chain),
        -len(support),
        min(_study_rank(record.study_type) for record in support),
        len({doubt for record in support for doubt in record.doubts}),
    )


def _study_rank(study_type: str) -> int:
    # Both kinds include the animals.
    known = "in vivo" if study_type == "in vivo+in vitro" else study_type
    return STUDY_ORDER.index(known) if known in STUDY_ORDER else len(STUDY_ORDER)


def _edge_index(graph: Graph) -> dict[EdgeKey, Edge]:
    return {
        (e.subject, e.object, e.direction, e.subject_direction, e.pairing): e for e in graph.edges if e.origin == CLAIMS
    }


def _path(
    graph: Graph,
    by_id: dict[str, Node],
    edges: dict[EdgeKey, Edge],
    tables: dict[str, list[Edge]],
    chain: Sequence[tuple[str, str, str]],
    support: Sequence[Record],
) -> Path_:
    steps = tuple(
        edges[before, after, change, changed, how] for (before, changed, _), (after, change, how) in pairwise(chain)
    )
    against = _against(graph, chain, support)
    nodes = tuple(by_id[node] for node, _, _ in chain)
    return Path_(
        nodes=nodes,
        edges=steps,
        records=tuple(support),
        not_stated=sum(how == NOT_STATED for _, _, how in chain),
        contradicted_by=against,
        sentence=_sentence(nodes, chain, support, against),
        tables=_beside(tables, nodes, support),
    )


def _tables(graph: Graph) -> dict[str, list[Edge]]:
    """Return for each claim the steps in tables between things that it names."""
    added = {edge.edge_id: edge for edge in graph.edges if edge.origin != CLAIMS}
    by_record: dict[str, list[Edge]] = {}
    for addition in graph.additions:
        if addition.kind != INFERRED:
            by_record.setdefault(addition.record_id, []).extend(added[edge] for edge in addition.edge_ids)
    return by_record


def _beside(tables: dict[str, list[Edge]], nodes: Sequence[Node], support: Sequence[Record]) -> tuple[Edge, ...]:
    ids = {node.node_id for node in nodes}
    named = (e for r in support for e in tables.get(r.record_id, ()) if {e.subject, e.object} <= ids)
    return tuple(dict.fromkeys(named))


def _inferred_paths(graph: Graph, edges: dict[EdgeKey, Edge], wanted: _Wanted) -> tuple[Path_, ...]:
    """Return the paths that tables infer: from a claim's molecules to what it does not name, and no further."""
    records = {record.record_id: record for record in graph.records}
    nodes = {node.node_id: node for node in graph.nodes}
    added = {edge.edge_id: edge for edge in graph.edges if edge.origin != CLAIMS}
    found: dict[tuple[Edge, ...], list[tuple[Record, Addition]]] = {}
    for addition in graph.additions:
        record = records[addition.record_id]
        if addition.kind != INFERRED or not wanted.claim(record):
            continue
        for edge_id in addition.edge_ids:
            for steps in _steps_to(record, added[edge_id], edges):
                if wanted.molecules({steps[0].subject, *(step.object for step in steps)}):
                    found.setdefault(steps, []).append((record, addition))
    order = sorted(found, key=lambda s: (_unpaired(s), -len(found[s])))
    return tuple(_inferred_path(steps, found[steps], nodes, added) for steps in order)


def _unpaired(steps: Sequence[Edge]) -> int:
    return sum(step.pairing == NOT_STATED for step in steps)


def _steps_to(record: Record, last: Edge, edges: dict[EdgeKey, Edge]) -> Iterable[tuple[Edge, ...]]:
    """Yield the claim's own steps from a cargo to where the table's step begins, with that step."""
    before = [(s, o, how) for s, o, how in steps_of(record) if o == last.subject]
    for subject, object_, how in before:
        yield (
            edges[subject, object_, change_of(record, object_), change_of(record, subject), how],
            last,
        )
    if not before:
        yield (last,)


def _inferred_path(
    steps: tuple[Edge, ...],
    support: Sequence[tuple[Record, Addition]],
    nodes: dict[str, Node],
    added: dict[str, Edge],
) -> Path_:
    chain = [nodes[steps[0].subject], *(nodes[step.object] for step in steps)]
    words = [chain[0].label + (f" ({steps[0].subject_direction})" if steps[0].subject_direction else "")]
    for step, node in zip(steps, chain[1:], strict=True):
        extra = [step.direction] if step.direction else []
        extra += ["pairing not stated"] if step.pairing == NOT_STATED else []
        extra += [f"{step.origin}: {step.detail}"] if step.origin != CLAIMS else []
        words.append(f"{node.label} ({', '.join(extra)})" if extra else node.label)
    own = steps[-1]
    others = dict.fromkeys(
        nodes[added[e].subject].label for _, a in support for e in a.edge_ids if added[e].subject != own.subject
    )
    labels = {record: " and ".join(nodes[condition].label for _, condition in record.ends) for record, _ in support}
    claims = "; ".join(f"{_cited(r)}, which says {r.effect_class} in {where}" for r, where in labels.items())
    beside = f"; also in it: {', '.join(others)}" if others else ""
    return Path_(
        nodes=tuple(chain),
        edges=steps,
        records=tuple(dict.fromkeys(record for record, _ in support)),
        not_stated=_unpaired(steps),
        contradicted_by=(),
        sentence=f"inferred: {' -> '.join(words)}{beside} [from {claims}]",
        inferred=True,
    )


def _against(graph: Graph, chain: Sequence[tuple[str, str, str]], support: Sequence[Record]) -> tuple[str, ...]:
    ids = [node for node, _, _ in chain]
    pairs = {*pairwise(ids), (ids[0], ids[-1])}
    concerned = [found for found in graph.contradictions if (found.subject, found.object) in pairs]
    others = (o for found in concerned for record in support for o in found.against(record.record_id))
    return tuple(dict.fromkeys(others))


def _sentence(
    nodes: Sequence[Node],
    chain: Sequence[tuple[str, str, str]],
    support: Sequence[Record],
    against: Sequence[str],
) -> str:
    words = [] if nodes[0].kind == "cargo" else ["(cargo not stated)"]
    for node, (_, change, how) in zip(nodes, chain, strict=True):
        effects = "; ".join(dict.fromkeys(r.effect for r in support if r.effect))
        extra = [effects] if node.kind == "outcome" and effects else []
        extra += [change] if change else []
        extra += ["pairing not stated"] if how == NOT_STATED else []
        # As the claims print it: a node may have names that stand in other claims only.
        printed = dict.fromkeys(t for r in support for named, t in r.printed if named == node.node_id)
        label = " or ".join(printed) or node.label
        words.append(f"{label} ({', '.join(extra)})" if extra else label)
    cited = "; ".join(_cited(record) for record in support)
    conflict = f" CONTRADICTED BY {', '.join(against)}" if against else ""
    return f"{' -> '.join(words)} [{cited}]{conflict}"


def _cited(record: Record) -> str:
    parts = [record.record_id, record.study_type or "study type not stated"]
    if record.further_changes:
        parts.append(f"also: {', '.join(record.further_changes)}")
    parts += [f"doubt: {doubt.text}" for doubt in record.doubts]
    return ", ".join(parts)
