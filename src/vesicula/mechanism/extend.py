"""What tables of pathways, processes and targets add to the graph of the claims.

Nothing is added to a claim. Two things are told apart (:class:`vesicula.mechanism.model.Addition`):

* corroborated: the table has a step between two things that one claim names (its target is a member of its pathway);
* inferred: the table leads from the claim's molecules to something that the claim does not name.

An inferred pathway or process must contain two molecules of the same claim and be of limited size; that is a filter
for reading, no test of enrichment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from vesicula.evidence.fold import fold
from vesicula.mechanism.model import NO_EFFECT, STATED, Addition, Edge, Graph, Node, Record
from vesicula.mechanism.pairs import Pair, reported_pairs
from vesicula.mechanism.tables import GeneSet, kind_of
from vesicula.mechanism.targets import Targets

MAX_SET = 500
"""Genes of an inferred set, at most; what is larger ("Metabolism", "Immune System") says nothing of a mechanism."""

MOST_SETS = 3
"""Inferred sets of a claim and table, at most; the smallest first, and none around another of them."""

FEWEST = 2
"""Molecules of the claim that an inferred set must contain."""

MEMBERSHIP = {
    "reactome": "curated membership, no direction",
    "go-bp-2021": "annotated membership, kind of evidence not given, no direction",
    "hallmark-7.0": "membership by expression in common, no direction",
}
"""What a row of each table states. Hallmarks: Liberzon et al. 2015, doi 10.1016/j.cels.2015.12.004."""

ADORNED = re.compile(r"^signaling by | (?:signaling|signalling)(?: pathway)?$| pathway$")


@dataclass(slots=True)
class _Draft:
    """Nodes, edges and additions as they gather."""

    nodes: dict[str, Node]
    edges: dict[tuple[str, str, str], Edge]
    additions: list[Addition]

    def edge(self, subject: str, object_: str, origin: str, row: str, detail: str) -> str:
        key = (subject, object_, row)
        if key not in self.edges:
            self.edges[key] = Edge(
                edge_id=f"vesicula:table-edge-{len(self.edges) + 1}",
                subject=subject,
                object=object_,
                direction="",
                subject_direction="",
                pairing=STATED,
                records=(),
                study_types=(),
                doubts=(),
                references=(),
                origin=origin,
                detail=detail,
            )
        return self.edges[key].edge_id


def extend(graph: Graph, tables: Sequence[GeneSet], targets: Targets | None = None) -> Graph:
    """Add what tables say about the molecules of the claims.

    Parameters
    ----------
    graph : Graph
        From :func:`vesicula.mechanism.graph.load_graph`.
    tables : sequence of GeneSet
        From :func:`vesicula.mechanism.tables.load_tables`; may be empty.
    targets : Targets, optional
        From :func:`vesicula.mechanism.targets.read_targets`.

    Returns
    -------
    Graph
        The same claims and edges, with further nodes, edges of other origins, and :attr:`Graph.additions`.
    """
    draft = _Draft(nodes={node.node_id: node for node in graph.nodes}, edges={}, additions=[])
    if targets is not None:
        _add_pairs(draft, graph, targets)
    _add_sets(draft, graph, tables)
    return replace(
        graph,
        nodes=tuple(draft.nodes.values()),
        edges=(*graph.edges, *draft.edges.values()),
        additions=tuple(draft.additions),
    )


def genes_of(node: Node) -> tuple[str, ...]:
    """Return the genes that a cargo or target stands for: one, or the members of a family; none where unsure.

    "HGF mRNA" and "siRNA Shn3" have the identifier of a gene whose protein they are not; the node's own id tells.
    """
    genes = node.identifiers
    if node.kind not in {"cargo", "target"} or not genes or not all(gene.startswith("HGNC:") for gene in genes):
        return ()
    own = node.node_id == f"vesicula:{node.kind}-{quote(genes[0], safe='')}"
    return genes if own or (len(genes) > 1 and node.status != "broader") else ()


def _add_pairs(draft: _Draft, graph: Graph, targets: Targets) -> None:
    genes = {node.node_id: genes_of(node) for node in graph.nodes if node.kind == "target"}
    for pair in reported_pairs(graph.nodes, genes, targets):
        kinds = {record.record_id: _kind_of_pair(record, pair) for record in graph.records}
        kinds = {record_id: kind for record_id, kind in kinds.items() if kind}
        if not kinds:
            continue
        edge_id = draft.edge(pair.cargo, pair.target, pair.origin, pair.origin, pair.detail)
        key = (pair.cargo, pair.target, pair.origin)
        direction = "" if pair.functional else NO_EFFECT
        draft.edges[key] = replace(draft.edges[key], direction=direction, references=pair.references)
        draft.additions += [
            Addition(kind=kind, record_id=record_id, edge_ids=(edge_id,)) for record_id, kind in kinds.items()
        ]


def _kind_of_pair(record: Record, pair: Pair) -> str:
    named = {node for layer in record.layers for node in layer}
    if pair.cargo not in named:
        return ""
    if pair.target in named:
        return "corroborated" if pair.functional else "disputed"
    return "inferred" if pair.functional else ""


def _add_sets(draft: _Draft, graph: Graph, tables: Sequence[GeneSet]) -> None:
    genes = {node.node_id: found for node in graph.nodes if (found := genes_of(node))}
    by_gene: dict[str, list[GeneSet]] = {gene: [] for found in genes.values() for gene in found}
    wanted = by_gene.keys()
    for table in tables:
        for gene in table.genes & wanted:
            by_gene[gene].append(table)
    names = {node.node_id: _names(node) for node in graph.nodes if node.kind in {"pathway", "process"}}
    plain: dict[str, str] = {}
    for record in graph.records:
        molecules = {node: genes[node] for layer in record.layers for node in layer if node in genes}
        sets = {s.set_id: s for found in molecules.values() for gene in found for s in by_gene[gene]}
        plain.update({i: _plain(s.name) for i, s in sets.items() if i not in plain})
        stated = {node: names[node] for layer in record.layers for node in layer if node in names}
        ordered = sorted(sets.values(), key=lambda s: (s.size, s.set_id))
        _corroborate(draft, record, molecules, ordered, stated, plain)
        _infer(draft, record, molecules, ordered, stated, plain)


def _plain(name: str) -> str:
    return ADORNED.sub("", fold(name))


def _names(node: Node) -> frozenset[str]:
    """Return what a stated pathway may be called in a table: its names, and its identifier where it is its own."""
    own = [i for i in node.identifiers if node.node_id == f"vesicula:{node.kind}-{quote(i, safe='')}"]
    return frozenset([*(i.removeprefix("Reactome:") for i in own), *(_plain(name) for name in node.names)])


def _members(molecules: Mapping[str, tuple[str, ...]], found: GeneSet) -> dict[str, tuple[str, ...]]:
    return {
        node: inside
        for node, genes in molecules.items()
        if (inside := tuple(gene for gene in genes if gene in found.genes))
    }


def _stated_as(found: GeneSet, stated: Mapping[str, frozenset[str]], plain: Mapping[str, str]) -> list[str]:
    return [node for node, names in stated.items() if found.set_id in names or plain[found.set_id] in names]


def _corroborate(
    draft: _Draft,
    record: Record,
    molecules: Mapping[str, tuple[str, ...]],
    sets: Sequence[GeneSet],
    stated: Mapping[str, frozenset[str]],
    plain: Mapping[str, str],
) -> None:
    for found in sets:
        for object_ in _stated_as(found, stated, plain):
            edges = tuple(_membership(draft, found, object_, molecules))
            draft.additions.append(Addition(kind="corroborated", record_id=record.record_id, edge_ids=edges))


def _infer(
    draft: _Draft,
    record: Record,
    molecules: Mapping[str, tuple[str, ...]],
    sets: Sequence[GeneSet],
    stated: Mapping[str, frozenset[str]],
    plain: Mapping[str, str],
) -> None:
    kept: dict[str, list[GeneSet]] = {}
    for found in sets:
        before = kept.setdefault(found.origin, [])
        if found.size > MAX_SET or len(before) == MOST_SETS or _stated_as(found, stated, plain):
            continue
        # A set around one that is already there says less of the same thing.
        if any(other.genes <= found.genes for other in before):
            continue
        members = _members(molecules, found)
        if len(members) < FEWEST or len({gene for genes in members.values() for gene in genes}) < FEWEST:
            continue
        before.append(found)
        node = _set_node(found)
        draft.nodes.setdefault(node.node_id, node)
        edges = tuple(_membership(draft, found, node.node_id, molecules))
        draft.additions.append(Addition(kind="inferred", record_id=record.record_id, edge_ids=edges))


def _membership(draft: _Draft, found: GeneSet, object_: str, molecules: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for node, inside in _members(molecules, found).items():
        stated = MEMBERSHIP.get(found.origin, "membership, no direction")
        called = "" if found.name in draft.nodes[object_].names else f" {found.name}"
        detail = f"member of {found.set_id}{called}, {found.size} genes; {stated}"
        if len(molecules[node]) > 1:
            family = draft.nodes[node]
            symbols = dict(zip(family.identifiers, family.identified_as.split("; "), strict=False))
            parts = ", ".join(symbols.get(gene) or gene for gene in inside)
            detail += f"; {family.label} is a family or has several parts, of which {parts} in the set"
        yield draft.edge(node, object_, found.origin, found.set_id, detail)


def _set_node(found: GeneSet) -> Node:
    kind = kind_of(found)
    return Node(
        node_id=f"vesicula:{kind}-{quote(found.set_id, safe='')}",
        kind=kind,
        label=found.name,
        names=(found.name,),
        identifiers=(found.set_id,),
        identified_as=found.name,
        status="exact",
        note=f"from {found.origin}",
    )
