"""Accessions, gene symbols and species out of the names that software writes."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from vesicula.cargo.protein.table import ProteinGroup

# UniProt's accession pattern, as its help page "Accession numbers" gives it [from memory, unchecked].
_ACCESSION = re.compile(
    r"\b([OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})(?:-\d+)?(?=$|[^A-Za-z0-9])"
)
_ENTRY_NAME = re.compile(r"\b[A-Z0-9]{1,10}_([A-Z0-9]{3,5})\b")
_ORGANISM = re.compile(r"\bOS=([A-Z][a-z]+ [a-z]+)")
_MNEMONIC = {"Homo sapiens": "HUMAN", "Mus musculus": "MOUSE", "Rattus norvegicus": "RAT", "Bos taurus": "BOVIN"}

# Prefixes of contaminants: MaxQuant, FragPipe/Philosopher, Cont_ of the universal contaminant libraries
# (Frankenfield et al. 2022, J Proteome Res 21:2104) [from memory, unchecked].
_CONTAMINANT = re.compile(r"(?:^|[;:,|])(?:CON__|contam_|Cont_|cRAP)", re.IGNORECASE)
# MaxQuant REV__, Philosopher rev_, PEAKS #DECOY#, others DECOY_ and XXX_ [from memory, unchecked].
_DECOY = re.compile(r"(?:^|[;:,|])(?:REV__|rev_|#DECOY#|DECOY_|XXX_)")

# Enzymes added to digest the sample: bovine and porcine trypsin, bovine chymotrypsin A and B, Lys-C of
# Lysobacter and Achromobacter protease I [accessions from memory; P00760 is in the milk tables checked].
DIGESTION_ENZYMES = frozenset({"P00760", "P00761", "P00766", "P00767", "Q7M135", "P15636"})


@cache
def genes_of_accessions() -> dict[str, tuple[str, ...]]:
    """Return HGNC symbols by human UniProt accession, from the packaged table (HGNC, CC0)."""
    found: dict[str, list[str]] = {}
    text = (files("vesicula.data") / "protein" / "uniprot_genes.tsv").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        accession, symbol = line.split("\t")
        found.setdefault(accession, []).append(symbol)
    return {accession: tuple(symbols) for accession, symbols in found.items()}


def accessions_in(text: str) -> tuple[str, ...]:
    """Return the UniProt accessions of a cell, without isoform numbers, in order, each once."""
    return tuple(dict.fromkeys(m.group(1) for m in _ACCESSION.finditer(text.replace("__", " "))))


def species_in(text: str) -> tuple[str, ...]:
    """Return the species mnemonics of entry names (``APOB_HUMAN``) and of ``OS=`` fields, each once."""
    found = [m.group(1) for m in _ENTRY_NAME.finditer(text)]
    found += [_MNEMONIC.get(m.group(1), m.group(1)) for m in _ORGANISM.finditer(text)]
    return tuple(dict.fromkeys(found))


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a cell that holds several, parted by semicolons, commas or blanks, each once."""
    return tuple(dict.fromkeys(part for part in re.split(r"[;,\s]+", text.strip()) if part and part != "NA"))


def make_group(
    identifier: str,
    *,
    ids: str,
    genes: str = "",
    about: str = "",
    names: str = "",
    contaminant: bool = False,
    decoy: bool = False,
) -> ProteinGroup:
    """Make a group from the cells that name it.

    Parameters
    ----------
    identifier : str
        Unique name of the group.
    ids, genes, about : str
        Cells with accessions, gene symbols, and anything else that may name the species.
    names : str
        Cell with the entries as the sequence database has them, where `ids` has lost their prefixes.
    contaminant, decoy : bool
        What the software's own columns say.

    Returns
    -------
    ProteinGroup
        Symbols are looked up by accession in HGNC where the table gives none.
    """
    accessions = accessions_in(ids)
    symbols = split_names(genes)
    if not symbols:
        table = genes_of_accessions()
        symbols = tuple(dict.fromkeys(s for a in accessions for s in table.get(a, ())))
    enzymes = bool(accessions) and set(accessions) <= DIGESTION_ENZYMES
    marked = f"{ids};{names}"
    return ProteinGroup(
        id=identifier,
        accessions=accessions,
        genes=symbols,
        species=species_in(f"{ids} {about}"),
        contaminant=contaminant or enzymes or _CONTAMINANT.search(marked) is not None,
        decoy=decoy or _DECOY.search(marked) is not None,
    )


@cache
def _hgnc() -> tuple[dict[str, str], dict[str, str]]:
    """Return HGNC numbers by approved symbol, and by former symbol where only one gene had it."""
    folder = files("vesicula.data") / "names"
    lines = (folder / "gene_terms.tsv").read_text(encoding="utf-8").splitlines()[1:]
    labels = {line.split("\t")[1]: line.split("\t")[0] for line in lines}
    former: dict[str, set[str]] = {}
    for line in (folder / "gene_names.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        _, number, relation, name = line.split("\t")[:4]
        if relation == "former":
            former.setdefault(name, set()).add(number)
    return labels, {name: next(iter(numbers)) for name, numbers in former.items() if len(numbers) == 1}


@cache
def genome() -> frozenset[str]:
    """Return the HGNC numbers of all human genes that code for a protein with a UniProt entry.

    This is the background that is *not* used; it is here so that a report can say what it would have called.
    """
    symbols = (s for found in genes_of_accessions().values() for s in found)
    return frozenset(n for n in (_number(s) for s in symbols) if n is not None)


def _number(symbol: str) -> str | None:
    labels, former = _hgnc()
    return labels.get(symbol.upper()) or former.get(symbol.upper())


def hgnc_of_group(group: ProteinGroup) -> str | None:
    """Return the HGNC number of a group's first symbol that has one, former symbols included; None if none has.

    One number per group: a group of ten histones is one finding, and must not count as ten genes.
    """
    for symbol in (*group.genes, *(s for a in group.accessions for s in genes_of_accessions().get(a, ()))):
        number = _number(symbol)
        if number is not None:
            return number
    return None
