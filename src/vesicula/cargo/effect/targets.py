"""Which genes a batch's miRNAs are reported to act on: a table that the user holds, or what claims name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vesicula.cargo.protein.names import hgnc_of_group, make_group
from vesicula.mechanism.extend import genes_of
from vesicula.mechanism.model import Graph, counted
from vesicula.mechanism.pairs import MIRNA
from vesicula.mechanism.paths import matching
from vesicula.mechanism.targets import Targets

Stem = str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMap:
    """The targets of miRNAs.

    Parameters
    ----------
    origin : str
        The table's name, or "claims of the evidence store".
    genes : mapping of str to frozenset of str
        HGNC identifiers by the miRNA's key (:func:`vesicula.cargo.effect.table.canonical_mirna`); miRNAs without
        any are not in it.
    notes : tuple of str
        How names were joined, and what could not be.
    """

    origin: str
    genes: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]


def split_arm(key: str) -> tuple[Stem, str]:
    """Return stem and arm of a miRNA's key; the arm is "" where the name has none."""
    found = MIRNA.fullmatch(key)
    return (found[1].casefold(), (found[2] or "").casefold()) if found is not None else ("", "")


def targets_of_table(table: Targets, keys: Iterable[str], *, strong: bool = False) -> TargetMap:
    """Join miRNAs with a table of targets.

    Parameters
    ----------
    table : Targets
        From :func:`vesicula.mechanism.targets.read_targets`.
    keys : iterable of str
        Keys of the miRNAs measured.
    strong : bool
        Take only rows that the table calls functional and not weak ("Functional MTI" in miRTarBase).

    Returns
    -------
    TargetMap
        Rows that say that the miRNA does not act on the target are left out. A name without an arm is joined with
        rows of either arm, and counted.
    """
    by_stem: dict[Stem, list[tuple[str, str]]] = {}
    skipped = 0
    genes: dict[str, str] = {}
    for row in table.rows:
        support = row.support.casefold()
        if support.startswith("non-functional") or (strong and ("weak" in support or not support)):
            skipped += 1
            continue
        stem, arm = split_arm(row.mirna)
        if not stem:
            continue
        if row.target not in genes:
            genes[row.target] = hgnc_of_group(make_group("x", ids="", genes=row.target)) or ""
        if genes[row.target]:
            by_stem.setdefault(stem, []).append((arm, genes[row.target]))
    found: dict[str, frozenset[str]] = {}
    loose = 0
    for key in dict.fromkeys(keys):
        stem, arm = split_arm(key)
        rows = [(other, gene) for other, gene in by_stem.get(stem, ()) if not arm or not other or arm == other]
        if rows:
            found[key] = frozenset(gene for _, gene in rows)
            loose += any(arm != other for other, _ in rows)
    unknown = sum(not gene for gene in genes.values())
    notes = [f"{skipped} rows say that nothing happens, or are weaker than asked for."] if skipped else []
    notes += [f"{counted(loose, 'miRNA')} joined though an arm is missing on one side."] if loose else []
    notes += [f"{counted(unknown, 'target name')} in the table that HGNC does not know."] if unknown else []
    return TargetMap(origin=table.path, genes=found, notes=tuple(notes))


def targets_of_claims(graph: Graph, names: Mapping[str, str]) -> TargetMap:
    """Take the targets that claims name together with the miRNAs as cargo.

    Parameters
    ----------
    graph : Graph
        Of the store's claims, without tables.
    names : mapping of str to str
        Printed names by key.

    Returns
    -------
    TargetMap
        Whatever the claims say the target does; few, and chosen by what was studied.
    """
    nodes = {node.node_id: node for node in graph.nodes}
    found: dict[str, frozenset[str]] = {}
    for key, name in names.items():
        cargo = {node.node_id for node in matching(graph, name, ("cargo",))}
        genes = {
            gene
            for record in graph.records
            if any(cargo & set(layer) for layer in record.layers)
            for layer in record.layers
            for node in layer
            if nodes[node].kind == "target"
            for gene in genes_of(nodes[node])
        }
        if genes:
            found[key] = frozenset(genes)
    note = "Targets are those that claims happen to name: what was studied, not what the miRNAs act on."
    return TargetMap(origin="claims of the evidence store", genes=found, notes=(note,))


def degrees(targets: TargetMap, keys: Sequence[str]) -> list[int]:
    """Return how many targets each miRNA has."""
    return [len(targets.genes.get(key, ())) for key in keys]
