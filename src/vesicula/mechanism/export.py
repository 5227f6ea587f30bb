"""The mechanism graph as KGX-style tables, GraphML, JSON and text. Names come from strangers, so all is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from vesicula.core.errors import DossierError
from vesicula.evidence.model import Reference
from vesicula.mechanism.model import (
    CLAIMS,
    NO_EFFECT,
    STATED,
    Contradiction,
    Edge,
    Graph,
    Node,
    counted,
    quality,
)
from vesicula.mechanism.paths import Path_

NODE_COLUMNS = ("id", "category", "name", "synonym", "xref", "identified_as", "status", "note", "store_version")
EDGE_COLUMNS = (
    "id",
    "subject",
    "predicate",
    "object",
    "knowledge_level",
    "agent_type",
    "subject_direction",
    "object_direction",
    "pairing",
    "records",
    "study_types",
    "publications",
    "references",
    "doubts",
    "contradicted_by",
    "origin",
    "detail",
    "quality",
    "store_version",
)
CATEGORIES = {"MIMAT": "biolink:MicroRNA", "DOID:": "biolink:Disease", "MONDO:": "biolink:Disease"}
"""Biolink categories by prefix of the one identifier. Where that is not sure the category is ours."""

PREDICATES = {
    "target": "vesicula:listed_as_acting_on",
    "pathway": "vesicula:listed_as_acting_through",
    "process": "vesicula:listed_as_acting_through",
    "outcome": "vesicula:listed_with_outcome",
    "condition": "vesicula:outcome_in",
}
"""By kind of the object. None is Biolink's: the claims list molecules beside each other and state no regulation."""

TABLE_PREDICATES = {"target": "vesicula:reported_to_target"}
"""Of edges from tables; those to a pathway or process are memberships."""

MEMBER_OF = "vesicula:member_of"
CURATED = ("reactome", "mirtarbase")
"""Tables made by hand; how the rows of the others were made is not said with each row."""

FORMULA = ("=", "+", "-", "@")
SPACES = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
GRAPHML = "http://graphml.graphdrawing.org/xmlns"


def selection(graph: Graph, found: Iterable[Path_]) -> Graph:
    """Return the part of a graph that paths go through; its edges keep all their claims."""
    chosen = tuple(found)
    nodes = {node.node_id for path in chosen for node in path.nodes}
    edges = {edge.edge_id for path in chosen for edge in (*path.edges, *path.tables)}
    kept = tuple(edge for edge in graph.edges if edge.edge_id in edges)
    records = {record for edge in kept for record in edge.records}
    records |= {record.record_id for path in chosen for record in path.records}
    return replace(
        graph,
        nodes=tuple(node for node in graph.nodes if node.node_id in nodes),
        edges=kept,
        records=tuple(record for record in graph.records if record.record_id in records),
        contradictions=tuple(c for c in graph.contradictions if c.subject in nodes and c.object in nodes),
        left_out=(),
        additions=tuple(a for a in graph.additions if a.record_id in records and set(a.edge_ids) & edges),
    )


def category(node: Node) -> str:
    """Return the node's Biolink category where its one identifier makes that sure, else one of ours."""
    sure = node.status in {"exact", "synonym", "normalised"} and len(node.identifiers) == 1
    if sure and node.node_id == f"vesicula:{node.kind}-{node.identifiers[0].replace(':', '%3A')}":
        for prefix, name in CATEGORIES.items():
            if node.identifiers[0].startswith(prefix):
                return name
    return f"vesicula:{node.kind.capitalize()}"


def node_row(node: Node, version: str) -> dict[str, str]:
    """Return a node as a flat row of :data:`NODE_COLUMNS`, not yet escaped for any form."""
    values = (
        node.node_id,
        category(node),
        node.label,
        _listed(node.names),
        _listed(node.identifiers),
        node.identified_as,
        node.status,
        node.note,
        version,
    )
    return dict(zip(NODE_COLUMNS, values, strict=True))


def edge_row(edge: Edge, kinds: dict[str, str], version: str) -> dict[str, str]:
    """Return an edge as a flat row of :data:`EDGE_COLUMNS`, not yet escaped for any form."""
    values = (
        edge.edge_id,
        edge.subject,
        _predicate(edge, kinds[edge.object]),
        edge.object,
        "knowledge_assertion" if edge.pairing == STATED else "not_provided",
        "manual_agent" if edge.origin in {CLAIMS, *CURATED} else "not_provided",
        edge.subject_direction,
        edge.direction,
        edge.pairing,
        _listed(edge.records),
        _listed(edge.study_types),
        _listed(name for reference in edge.references for name in _publication(reference)),
        _listed(reference.citation for reference in edge.references),
        _listed(f"{doubt.row} {doubt.kind}: {doubt.text}" for doubt in edge.doubts),
        _listed(edge.contradicted_by),
        edge.origin,
        edge.detail,
        quality(edge),
        version,
    )
    return dict(zip(EDGE_COLUMNS, values, strict=True))


def _predicate(edge: Edge, kind: str) -> str:
    return PREDICATES[kind] if edge.origin == CLAIMS else TABLE_PREDICATES.get(kind, MEMBER_OF)


def _publication(reference: Reference) -> list[str]:
    doi = [f"DOI:{reference.doi}"] if reference.doi else []
    return doi + ([f"PMID:{reference.pmid}"] if reference.pmid else [])


def _listed(texts: Iterable[str]) -> str:
    """Join the entries of a list with KGX's separator, which therefore may not stand in one."""
    return "|".join(text.replace("|", "/") for text in texts)


def nodes_tsv(graph: Graph) -> str:
    """Return the nodes as a KGX-style table."""
    return _tsv(NODE_COLUMNS, (node_row(node, graph.version) for node in graph.nodes))


def edges_tsv(graph: Graph) -> str:
    """Return the edges as a KGX-style table."""
    kinds = {node.node_id: node.kind for node in graph.nodes}
    return _tsv(EDGE_COLUMNS, (edge_row(edge, kinds, graph.version) for edge in graph.edges))


def _tsv(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    lines = ["\t".join(columns), *("\t".join(_cell(row[name]) for name in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Make a text one cell that no spreadsheet runs: an apostrophe stands before what it would take for a formula."""
    plain = NOT_XML.sub("\N{REPLACEMENT CHARACTER}", SPACES.sub(" ", text)).strip()
    # A quotation mark at the beginning would make readers take tabs and line ends for text.
    plain = f"'{plain}" if plain.startswith('"') else plain
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def graphml(graph: Graph) -> str:
    """Return the graph as GraphML: the columns of the tables as data of its nodes and edges."""
    kinds = {node.node_id: node.kind for node in graph.nodes}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<graphml xmlns="{GRAPHML}">']
    columns = {"node": ("kind", *NODE_COLUMNS[1:]), "edge": ("predicate", *EDGE_COLUMNS[4:])}
    for owner, names in columns.items():
        lines += [f'  <key id="{owner}-{name}" for="{owner}" attr.name="{name}" attr.type="string"/>' for name in names]
    lines.append('  <graph id="mechanism" edgedefault="directed">')
    for node in graph.nodes:
        row = {**node_row(node, graph.version), "kind": node.kind}
        lines.append(f"    <node id={_attribute(node.node_id)}>")
        lines += [*_data("node", columns["node"], row), "    </node>"]
    for edge in graph.edges:
        ends = f"source={_attribute(edge.subject)} target={_attribute(edge.object)}"
        lines.append(f"    <edge id={_attribute(edge.edge_id)} {ends}>")
        lines += [*_data("edge", columns["edge"], edge_row(edge, kinds, graph.version)), "    </edge>"]
    return "\n".join([*lines, "  </graph>", "</graphml>"]) + "\n"


def _xml(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _attribute(text: str) -> str:
    return quoteattr(_xml(text))


def _data(owner: str, columns: Sequence[str], row: dict[str, str]) -> list[str]:
    return [f'      <data key="{owner}-{name}">{escape(_xml(row[name]))}</data>' for name in columns if row[name]]


def as_json(graph: Graph, found: Sequence[Path_]) -> str:
    """Return paths as JSON, each with its edges and their claims, after the store's version."""
    answer = {
        "version": graph.version,
        "paths": [_path_in_full(path) for path in found],
        "contradictions": [asdict(conflict) for conflict in _conflicts(graph, found)],
        "left_out": [asdict(left) for left in graph.left_out],
    }
    return json.dumps(answer, ensure_ascii=False, indent=2)


def _path_in_full(path: Path_) -> dict[str, object]:
    parts = asdict(path)
    for name, edges in (("edges", path.edges), ("tables", path.tables)):
        for part, edge in zip(parts[name], edges, strict=True):
            part["quality"] = quality(edge)
    return parts


def _conflicts(graph: Graph, found: Sequence[Path_]) -> list[Contradiction]:
    pairs = {(one.node_id, other.node_id) for path in found for one, other in combinations(path.nodes, 2)}
    return [conflict for conflict in graph.contradictions if (conflict.subject, conflict.object) in pairs]


def as_text(graph: Graph, found: Sequence[Path_]) -> str:
    """Return paths for reading, the best supported first, with the references of their claims.

    What tables infer stands apart, after what the claims state.
    """
    lines = []
    for number, path in enumerate(found, start=1):
        if path.inferred and (number == 1 or not found[number - 2].inferred):
            lines += ["", "Inferred from tables; no claim states these:"]
        lines.append(f"{number}. {path.sentence}")
        lines += _table_lines(path)
        # What is inferred from a claim has its number; the claim's references stand with what it states.
        records = () if path.inferred else path.records
        references = dict.fromkeys(c for record in records for c in record.references)
        lines += [f"     [{r.source} {r.number}] {r.citation}" for r in references]
    labels = {node.node_id: node.label for node in graph.nodes}
    for conflict in _conflicts(graph, found):
        sides = [
            f"{' or '.join(says)} [{', '.join(records)}]"
            for says, records in (
                (conflict.first_says, conflict.first),
                (conflict.second_says, conflict.second),
            )
        ]
        pair = f"{labels[conflict.subject]}, {labels[conflict.object]}"
        lines.append(f"CONFLICT of {conflict.kind}: {pair}: {' against '.join(sides)}")
    inferred = sum(path.inferred for path in found)
    count = counted(len(found) - inferred, "path") + (f" and {inferred} inferred" if inferred else "")
    return "\n".join([*lines, "", f"{count}. Store version {graph.version}."]).strip()


def _table_lines(path: Path_) -> list[str]:
    labels = {node.node_id: node.label for node in path.nodes}
    said = {False: "TABLE AGREES", True: "TABLE DISPUTES"}
    return [
        f"     {said[e.direction == NO_EFFECT]}: {labels[e.subject]} -> {labels[e.object]}: {quality(e)}"
        for e in path.tables
    ]


def write_tsv(graph: Graph, folder: Path) -> tuple[Path, Path]:
    """Write ``nodes.tsv`` and ``edges.tsv`` into a folder, which is made if need be.

    Raises
    ------
    DossierError
        If they cannot be written.
    """
    nodes, edges = folder / "nodes.tsv", folder / "edges.tsv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    _write(nodes, nodes_tsv(graph))
    _write(edges, edges_tsv(graph))
    return nodes, edges


def write_graphml(graph: Graph, path: Path) -> None:
    """Write a GraphML file.

    Raises
    ------
    DossierError
        If it cannot be written.
    """
    _write(path, graphml(graph))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> DossierError:
    return DossierError(f"{path}: cannot be written ({error.strerror or error}). Give a writable place")
