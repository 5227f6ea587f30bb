"""Which gene is a member of which pathway or process: the packaged tables (Reactome, GO, MSigDB hallmarks)."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SIGNALLING = re.compile(r"signal|cascade|pathway", re.IGNORECASE)
"""GO files signalling pathways under its processes; by these words in the label they are pathways here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneSet:
    """A pathway or process with its genes.

    Attributes
    ----------
    set_id : str
        ``R-HSA-...``, ``GO:...`` or the hallmark's name.
    origin : str
        "reactome", "go-bp-2021" or "hallmark-7.0".
    name : str
        In words.
    genes : frozenset of str
        HGNC identifiers.
    others : int
        How many further symbols are no gene of HGNC that the packaged names know.
    """

    set_id: str
    origin: str
    name: str
    genes: frozenset[str]
    others: int

    @property
    def size(self) -> int:
        """Return the number of all its members."""
        return len(self.genes) + self.others


@cache
def load_tables() -> tuple[GeneSet, ...]:
    """Return the packaged sets, in the order of the file."""
    packed = (files("vesicula.data") / "mechanism" / "gene_sets.tsv.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").splitlines()
    return tuple(_set(line.split("\t")) for line in lines[1:])


def _set(cells: list[str]) -> GeneSet:
    set_id, origin, name, numbers, others = cells
    return GeneSet(
        set_id=set_id,
        origin=origin,
        name=name,
        genes=frozenset([f"HGNC:{number}" for number in numbers.split()]),
        others=len(others.split()),
    )


def is_process(identifiers: tuple[str, ...], label: str) -> bool:
    """Return whether identifiers are GO's for something that happens, and no signalling pathway."""
    return bool(identifiers) and all(i.startswith("GO:") for i in identifiers) and not SIGNALLING.search(label)


def kind_of(gene_set: GeneSet) -> str:
    """Return "pathway" or "process"; a hallmark is a process unless its name says that it is signalling."""
    if gene_set.origin == "reactome" or SIGNALLING.search(gene_set.name):
        return "pathway"
    return "process"
