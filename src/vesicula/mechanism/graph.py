"""The mechanism graph of the claims: cargo -> target -> pathway -> process -> outcome -> condition, with their rows.

A claim lists its cargos, targets and pathways in columns; that a cargo acts on the targets, and these through the
pathways, is the reading of the tables' columns and no statement of the molecular order. What the column of pathways
names by an identifier of GO's processes, and is no signalling pathway, is a process. Nothing is added to the claims
here: edges from tables of targets and pathways come from :mod:`vesicula.mechanism.extend`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, product
from math import prod
from urllib.parse import quote

from vesicula.evidence.model import Claim, Mention, Question
from vesicula.evidence.store import Store
from vesicula.mechanism.contradictions import find_contradictions, flag_edges
from vesicula.mechanism.model import (
    MOLECULE_KINDS,
    NOT_STATED,
    STATED,
    Edge,
    Graph,
    LeftOut,
    Node,
    Record,
    change_of,
)
from vesicula.mechanism.tables import is_process

MOST_CHAINS = 5000
"""A claim that lists more combinations than this is left out, and listed: its columns are no mechanism."""

MOST_FOR_WHOLE_GRAPH = 2000
"""A graph of so many claims is built in about a second."""


def load_graph(
    store: Store, *, molecule: str | None = None, condition: str | None = None, as_of: int | str | None = None
) -> Graph:
    """Build the graph of a store's claims; see :func:`build_graph`.

    Parameters
    ----------
    store : Store
        An open one.
    molecule, condition : str, optional
        In a store of more than :data:`MOST_FOR_WHOLE_GRAPH` claims: only the claims around these, with those that can
        contradict them. The paths through them are the same as in the whole graph; a step that other claims list
        too may name fewer of those.
    as_of : int or str, optional
        A past revision, by number or version.

    Raises
    ------
    StoreError
        If there is no such revision, the store cannot be read, or holds too many claims for one graph.
    """
    if (molecule is None and condition is None) or is_small(store, as_of):
        answer = store.query(Question(), as_of=as_of)
        return build_graph(answer.claims, version=answer.version)
    near = store.claims_near(molecule=molecule, condition=condition, as_of=as_of)
    return replace(build_graph(near.claims, version=near.version), not_compared=near.not_compared)


def is_small(store: Store, as_of: int | str | None = None) -> bool:
    """Say whether a store's claims all go into one graph: at most :data:`MOST_FOR_WHOLE_GRAPH` of them."""
    return store.count(Question(limit=MOST_FOR_WHOLE_GRAPH), as_of=as_of) <= MOST_FOR_WHOLE_GRAPH


def build_graph(claims: Sequence[Claim], *, version: str) -> Graph:
    """Build the graph of claims.

    Parameters
    ----------
    claims : sequence of Claim
        From a store's answer. Contradictions are looked for among these only.
    version : str
        The store's version.

    Returns
    -------
    Graph
        Time grows with the number of claims.
    """
    nodes: dict[str, Node] = {}
    records: list[Record] = []
    left_out: list[LeftOut] = []
    for claim in claims:
        mentions = _layers(claim)
        reason = _reason_to_leave_out(claim, mentions)
        if reason:
            left_out.append(LeftOut(record_id=claim.record_id, reason=reason))
            continue
        records.append(_record(claim, mentions, nodes))
    edges = _edges(records)
    contradictions = find_contradictions(edges, records)
    return Graph(
        version=version,
        nodes=tuple(nodes.values()),
        edges=flag_edges(edges, contradictions),
        records=tuple(records),
        contradictions=contradictions,
        left_out=tuple(left_out),
    )


def _layers(claim: Claim) -> list[list[Mention]]:
    """Return the mentions by :data:`MOLECULE_KINDS`."""
    layers: dict[str, list[Mention]] = {kind: [] for kind in MOLECULE_KINDS}
    for mention in claim.mentions:
        if mention.role == "pathway" and is_process(mention.identifiers, mention.label):
            layers["process"].append(mention)
        elif mention.role in layers:
            layers[mention.role].append(mention)
    return list(layers.values())


def _reason_to_leave_out(claim: Claim, mentions: Sequence[Sequence[Mention]]) -> str:
    counts = [len(layer) for layer in mentions if layer]
    if not counts:
        return "the claim names no cargo, target or pathway"
    if not claim.condition or not claim.effect_class:
        return "the claim names no condition or no outcome"
    if prod(counts) > MOST_CHAINS:
        return f"the claim lists {prod(counts)} combinations of cargo, target and pathway (at most {MOST_CHAINS})"
    return ""


def _record(claim: Claim, mentions: Sequence[Sequence[Mention]], nodes: dict[str, Node]) -> Record:
    layers = tuple(
        tuple(dict.fromkeys(_add_named(nodes, kind, mention) for mention in layer))
        for kind, layer in zip(MOLECULE_KINDS, mentions, strict=True)
        if layer
    )
    conditions = [m for m in claim.mentions if m.role == "condition"] or [
        Mention(role="condition", position=0, text=claim.condition)
    ]
    ends = []
    for mention in conditions:
        condition = _add_named(nodes, "condition", mention)
        # One outcome a condition: else the graph would lead from any cargo over "beneficial" to any disease.
        outcome = f"vesicula:outcome-{_key(claim.effect_class)}-{condition.removeprefix('vesicula:condition-')}"
        effect = (claim.effect,) if claim.effect else ()
        _add(nodes, Node(node_id=outcome, kind="outcome", label=claim.effect_class, names=effect))
        ends.append((outcome, condition))
    changes, further = _changes(claim, mentions)
    named = [*zip(MOLECULE_KINDS, mentions, strict=True), ("condition", conditions)]
    printed = [(node_id(kind, mention), mention.text) for kind, layer in named for mention in layer]
    return Record(
        record_id=claim.record_id,
        source=claim.source,
        cell_source=claim.cell_source,
        study_type=claim.study_type,
        effect_class=claim.effect_class,
        effect=claim.effect,
        layers=layers,
        ends=tuple(dict.fromkeys(ends)),
        printed=tuple(dict.fromkeys(printed)),
        changes=changes,
        further_changes=further,
        references=claim.references,
        doubts=claim.doubts,
    )


def _key(text: str) -> str:
    # Signs are kept, unlike in search: CD4+ and CD4- are two things.
    return quote(" ".join(unicodedata.normalize("NFKC", text).casefold().split()), safe="", errors="replace")


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def node_id(kind: str, mention: Mention) -> str:
    """Return the node of a name: by its identifier only where that means exactly this name, else by its text.

    A name with words left aside ("HGF mRNA", "siRNA Shn3") is not the gene whose identifier it has.
    """
    same = mention.status in {"exact", "synonym"} or (
        mention.status == "normalised" and _letters(mention.label).endswith(_letters(mention.text))
    )
    if same and len(mention.identifiers) == 1:
        return f"vesicula:{kind}-{quote(mention.identifiers[0], safe='')}"
    return f"vesicula:{kind}-{_key(mention.text)}"


def _add_named(nodes: dict[str, Node], kind: str, mention: Mention) -> str:
    node = Node(
        node_id=node_id(kind, mention),
        kind=kind,
        label=mention.text,
        names=(mention.text,),
        identifiers=mention.identifiers,
        identified_as=mention.label,
        status=mention.status,
        note=mention.note,
    )
    _add(nodes, node)
    return node.node_id


def _add(nodes: dict[str, Node], node: Node) -> None:
    known = nodes.setdefault(node.node_id, node)
    fresh = tuple(name for name in node.names if name not in known.names)
    if fresh:
        nodes[node.node_id] = replace(known, names=known.names + fresh)


def _changes(
    claim: Claim, mentions: Sequence[Sequence[Mention]]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Give each reported change to the nodes that it is about; what is about none comes back in words."""
    molecules: dict[str, Mention] = {}
    for mention in claim.mentions:
        if mention.role == "molecule":
            molecules.setdefault(mention.text, mention)
    changes: dict[tuple[str, str], None] = {}
    further = []
    for direction in claim.directions:
        said = molecules.get(direction.molecule) or Mention(role="molecule", position=0, text=direction.molecule)
        about = [
            node_id(kind, mention)
            for kind, layer in zip(MOLECULE_KINDS, mentions, strict=True)
            for mention in layer
            if direction.molecule and _is_about(said, mention)
        ]
        changes.update({(node, direction.change): None for node in about})
        if not about:
            further.append(f"{direction.molecule} {direction.change}".strip())
    return tuple(changes), tuple(further)


def _is_about(said: Mention, named: Mention) -> bool:
    if _letters(said.text) == _letters(named.text):
        return True
    if not said.identifiers or "broader" in (said.status, named.status):
        return False
    if said.identifiers == named.identifiers:
        return True
    # A family whose measured member the direction names: VEGF in one column, VEGFA:up in the other.
    return named.status == "ambiguous" and set(said.identifiers) <= set(named.identifiers)


def steps_of(record: Record) -> tuple[tuple[str, str, str], ...]:
    """Return the steps of a claim: subject, object, pairing."""
    steps = [
        (subject, object_, STATED if len(before) == 1 and not _same_column(subject, object_) else NOT_STATED)
        for before, after in pairwise(record.layers)
        for subject, object_ in product(before, after)
    ]
    last = record.layers[-1]
    pairing = STATED if len(last) == 1 else NOT_STATED
    for outcome, condition in record.ends:
        steps += [(subject, outcome, pairing) for subject in last]
        steps.append((outcome, condition, STATED))
    return tuple(steps)


def _same_column(subject: str, object_: str) -> bool:
    # Pathways and processes stand in one column of the claims; the order between them is ours.
    return subject.startswith("vesicula:pathway-") and object_.startswith("vesicula:process-")


def _edges(records: Iterable[Record]) -> tuple[Edge, ...]:
    found: dict[tuple[str, str, str, str, str], list[Record]] = {}
    for record in records:
        for subject, object_, pairing in steps_of(record):
            key = (subject, object_, change_of(record, object_), change_of(record, subject), pairing)
            found.setdefault(key, []).append(record)
    edges = []
    for number, ((subject, object_, direction, before, pairing), support) in enumerate(found.items(), start=1):
        edges.append(
            Edge(
                edge_id=f"vesicula:edge-{number}",
                subject=subject,
                object=object_,
                direction=direction,
                subject_direction=before,
                pairing=pairing,
                records=tuple(r.record_id for r in support),
                study_types=tuple(dict.fromkeys(r.study_type for r in support if r.study_type)),
                doubts=tuple(dict.fromkeys(d for r in support for d in r.doubts)),
                references=tuple(dict.fromkeys(c for r in support for c in r.references)),
            )
        )
    return tuple(edges)
