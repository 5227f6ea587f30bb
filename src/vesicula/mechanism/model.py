"""The parts of a mechanism graph: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass

from vesicula.evidence.model import Doubt, Reference

KINDS = ("cargo", "target", "pathway", "process", "outcome", "condition")
MOLECULE_KINDS = KINDS[:4]
"""Layers that a claim's columns of cargos, targets and pathways become; GO's processes are a layer of their own."""

STATED = "stated"
NO_EFFECT = "no effect"
"""Direction of an edge from a table whose rows all say that the microRNA does not act on the target."""

NOT_STATED = "not stated"
"""Pairing of an edge whose claim lists several subjects and does not say which of them acts on which object."""

CLAIMS = "claims"
"""Origin of an edge that claims of the store make. Tables of targets and pathways name themselves."""

SIGNS = {"up": 1, "activate": 1, "down": -1, "inhibit": -1}
"""Changes that have an opposite. Others (phosphorylated, unchanged) contradict nothing by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing in the graph.

    Attributes
    ----------
    node_id : str
        Unique in the graph, the same for the same store: ``vesicula:cargo-...``.
    kind : str
        One of :data:`KINDS`.
    label : str
        The first of the printed names; of an outcome its effect class.
    names : tuple of str
        All names as printed; of an outcome its effects in words.
    identifiers : tuple of str
        What the names were identified as. With the status "broader" or "ambiguous" these are wider than the
        name, or several things: such nodes are never merged by them.
    status, note : str
        From the store; see :mod:`vesicula.evidence.names`.
    """

    node_id: str
    kind: str
    label: str
    names: tuple[str, ...]
    identifiers: tuple[str, ...] = ()
    identified_as: str = ""
    status: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A claim as far as its mechanism is concerned.

    Attributes
    ----------
    layers : tuple of tuple of str
        Nodes of cargo, target, pathway and process, without the empty ones.
    ends : tuple of (str, str)
        Outcome and condition nodes, pair by pair.
    printed : tuple of (str, str)
        Nodes with their names as this claim prints them.
    changes : tuple of (str, str)
        Nodes with what is reported to happen to them.
    further_changes : tuple of str
        Reported changes of molecules that are none of the claim's nodes, such as ``"ROS down"``.
    """

    record_id: str
    source: str
    cell_source: str
    study_type: str
    effect_class: str
    effect: str
    layers: tuple[tuple[str, ...], ...]
    ends: tuple[tuple[str, str], ...]
    printed: tuple[tuple[str, str], ...]
    changes: tuple[tuple[str, str], ...]
    further_changes: tuple[str, ...]
    references: tuple[Reference, ...]
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A step that claims support, or that a table of targets or pathways adds.

    Attributes
    ----------
    direction : str
        The change of the object that the claims report (up, down, activate, inhibit, ...); empty: none reported.
    subject_direction : str
        The change of the subject, where reported: a cargo that is *down* in the vesicles acts the other way.
    pairing : str
        :data:`STATED` or :data:`NOT_STATED`.
    records : tuple of str
        Claims that support the edge; none of an edge from a table.
    contradicted_by : tuple of str
        Claims of the other side; see :class:`Contradiction`.
    origin : str
        Where the edge comes from: :data:`CLAIMS`, or the table ("reactome", "go-bp-2021", "mirtarbase", ...).
    detail : str
        Of an edge from a table: what its row says.
    """

    edge_id: str
    subject: str
    object: str
    direction: str
    subject_direction: str
    pairing: str
    records: tuple[str, ...]
    study_types: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    references: tuple[Reference, ...]
    contradicted_by: tuple[str, ...] = ()
    origin: str = CLAIMS
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two sides of one question.

    Attributes
    ----------
    kind : str
        "direction": the same pair, opposite changes. "outcome": the same cargo and condition, opposite outcomes.
    subject, object : str
        Nodes: the pair; or the cargo and the condition.
    first, second : tuple of str
        Claims of either side. A claim that says both stands on both sides.
    first_says, second_says : tuple of str
        What each side says: changes, or effect classes.
    """

    kind: str
    subject: str
    object: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    first_says: tuple[str, ...]
    second_says: tuple[str, ...]

    def against(self, record_id: str) -> tuple[str, ...]:
        """Return the claims on the side opposite to a claim."""
        other = (self.second if record_id in self.first else ()) + (self.first if record_id in self.second else ())
        return tuple(dict.fromkeys(r for r in other if r != record_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A claim that is not in the graph, and why."""

    record_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What tables say about the molecules of one claim.

    Attributes
    ----------
    kind : str
        "corroborated": the tables have a step between two things that the claim names. "disputed": their rows say that
        there is none. "inferred": they lead to something that the claim does not name.
    record_id : str
        The claim.
    edge_ids : tuple of str
        Edges from tables. Of an inference all those to one pathway or process, or a single one to a target.
    """

    kind: str
    record_id: str
    edge_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The graph, with the version of the store that it was built from."""

    version: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    records: tuple[Record, ...]
    contradictions: tuple[Contradiction, ...]
    left_out: tuple[LeftOut, ...]
    additions: tuple[Addition, ...] = ()
    not_compared: tuple[str, ...] = ()


def change_of(record: Record, node: str) -> str:
    """Return what a claim reports to happen to a node; several changes stand beside each other with a slash."""
    return "/".join(dict.fromkeys(change for changed, change in record.changes if changed == node))


def quality(edge: Edge) -> str:
    """Return in words how good the rows of an edge are.

    Of claims: how many; their study types; how many different publications stand behind them (by DOI, PubMed number
    or citation: two reviews of one study are one); doubts, pairing, conflicts. Of a table: what its row says.
    """
    if edge.origin != CLAIMS:
        return f"{edge.origin}: {edge.detail}"
    sources = len({publication(reference) for reference in edge.references})
    words = [
        counted(len(edge.records), "claim"),
        counted(sources, "publication") if sources else "no publication given",
        " and ".join(edge.study_types) or "study type not stated",
    ]
    words += [] if edge.pairing == STATED else ["pairing not stated"]
    words += [counted(len(edge.doubts), "doubt")] if edge.doubts else []
    words += [f"contradicted by {counted(len(edge.contradicted_by), 'claim')}"] if edge.contradicted_by else []
    return "; ".join(words)


def publication(reference: Reference) -> str:
    """Return what tells a publication from others: its DOI, else PubMed number, else its citation."""
    known = reference.doi.casefold() or reference.pmid
    return known or " ".join(reference.citation.casefold().split()) or f"{reference.source} {reference.number}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
