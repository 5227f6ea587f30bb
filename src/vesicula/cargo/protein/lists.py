"""Lists of vesicle proteins, packaged or a user's own, and the signature of MSCs, against a table.

Two small lists are packaged, of proteomes that may be handed on (data/protein/PROVENANCE.tsv). ExoCarta and
Vesiclepedia are free for academic use and state no licence that allows handing them on, as far as we could find: give
a download of your own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from vesicula.cargo.protein.cells import load_cells
from vesicula.cargo.protein.formats import canonical, find_column
from vesicula.cargo.protein.names import accessions_in, genes_of_accessions
from vesicula.cargo.protein.table import ProteinTable
from vesicula.core.errors import AnalysisError, UnreadableFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ProteinList:
    """Proteins that a database reports in vesicles.

    Parameters
    ----------
    name : str
        Of the file, or what a packaged list is of.
    genes : dict of str to int
        Symbols in upper case, with the number of experiments or preparations that report each (1 where the list does
        not say). Of equal numbers the better comes first.
    accessions : frozenset of str
        UniProt accessions, if the list has these instead.
    """

    name: str
    genes: dict[str, int]
    accessions: frozenset[str]

    def top(self, n: int) -> tuple[str, ...]:
        """Return the `n` symbols reported by most experiments, ties in the list's order."""
        return tuple(sorted(self.genes, key=lambda g: -self.genes[g])[:n])


def packaged_lists() -> tuple[ProteinList, ...]:
    """Return the packaged lists: proteins of human milk EVs, and of EVs of two breast cell lines.

    They hold what was found in the preparations, proteins that came along included.
    """
    text = (files("vesicula.data") / "protein" / "ev_protein_lists.tsv").read_text(encoding="utf-8")
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines()[1:]:
        name, symbol, preparations, _ = line.split("\t")
        found.setdefault(name, {})[symbol] = int(preparations)
    return tuple(ProteinList(name=name, genes=genes, accessions=frozenset()) for name, genes in found.items())


def read_protein_list(path: Path, *, species: str = "Homo sapiens") -> ProteinList:
    """Read a list: ExoCarta's or Vesiclepedia's table of proteins, or one column of symbols or accessions.

    Parameters
    ----------
    path : pathlib.Path
        Text, gzip or not, or XLSX, with a header.
    species : str
        Species to take from a table that has several.

    Raises
    ------
    UnreadableFile
        When it holds neither symbols nor accessions.
    """
    cells = load_cells(path)
    header = [h.strip() for h in cells.rows[0][1]]
    gene = find_column(header, ("GENE SYMBOL", "Gene name", "Gene", "Symbol"))
    accession = find_column(header, ("Accession", "UniProt", "UniProt ID"))
    if gene is None and accession is None:
        raise UnreadableFile(
            path,
            where="line 1",
            expected="a column 'GENE SYMBOL' or 'Accession'",
            found=", ".join(header[:8]),
            remedy="Name the column so.",
        )
    what, whose = find_column(header, ("CONTENT TYPE",)), find_column(header, ("SPECIES",))
    experiment = find_column(header, ("EXPERIMENT ID",))
    experiments: dict[str, set[str]] = {}
    accessions: set[str] = set()
    for _, row in cells.rows[1:]:
        cell = row + [""] * (len(header) - len(row))
        if what is not None and canonical(cell[what]) != "protein":
            continue
        if whose is not None and cell[whose].strip() != species:
            continue
        if gene is not None and cell[gene].strip():
            reports = experiments.setdefault(cell[gene].strip().upper(), set())
            reports.add(cell[experiment] if experiment is not None else "")
        if accession is not None:
            accessions.update(accessions_in(cell[accession]))
    if not experiments and not accessions:
        raise UnreadableFile(
            path,
            where="whole file",
            expected=f"proteins of {species}",
            found="none",
            remedy="Name a species as the list writes it.",
        )
    return ProteinList(
        name=path.name, genes={g: len(e) for g, e in sorted(experiments.items())}, accessions=frozenset(accessions)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOverlap:
    """How a table agrees with a list.

    Parameters
    ----------
    list_name : str
        Of the list.
    groups, reported : int
        Protein groups of the table, and how many of them the list reports.
    top : tuple of str
        The most reported proteins, where the list has symbols.
    top_found : tuple of str
        Those of them that the table holds.
    """

    list_name: str
    groups: int
    reported: int
    top: tuple[str, ...]
    top_found: tuple[str, ...]


def compare_with_list(table: ProteinTable, proteins: ProteinList, *, top: int = 100) -> ListOverlap:
    """Count which groups a list reports, and which of its most reported proteins are there.

    Accessions and symbols, of the list as of the table, are each other's by HGNC's pairs of the two, which are human.

    Raises
    ------
    AnalysisError
        When table and list share no kind of name.
    """
    pairs = genes_of_accessions()
    named = [
        {g.upper() for g in group.genes} | {s.upper() for a in group.accessions for s in pairs.get(a, ())}
        for group in table.groups
    ]
    symbols = proteins.genes.keys() | {s.upper() for a in proteins.accessions for s in pairs.get(a, ())}
    if not (symbols and any(named)) and not (proteins.accessions and any(g.accessions for g in table.groups)):
        raise AnalysisError(
            f"{proteins.name} and the table share no kind of name: one has symbols, the other accessions"
        )
    hits = [
        bool(n & symbols) or bool(set(g.accessions) & proteins.accessions)
        for n, g in zip(named, table.groups, strict=True)
    ]
    have = set().union(*named) if named else set()
    best = proteins.top(top)
    return ListOverlap(
        list_name=proteins.name,
        groups=len(hits),
        reported=sum(hits),
        top=best,
        top_found=tuple(g for g in best if g in have),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureMarker:
    """One marker of MSCs, and whether the table holds it.

    Parameters
    ----------
    of : str
        ``"cell"`` (criteria for the cells, of which vesicles carry a part) or ``"vesicle"``.
    marker, gene, sign : str
        CD name, symbol, ``"+"`` or ``"-"``.
    source, doi : str
        Who says so.
    found : bool
        Whether a group of the table has it. Absence from a table is weak evidence: depth of measurement decides.
    """

    of: str
    marker: str
    gene: str
    sign: str
    source: str
    doi: str
    found: bool


def msc_signature(table: ProteinTable) -> tuple[SignatureMarker, ...]:
    """Look for the markers of MSCs and of their vesicles; no score is made of them, since none is published."""
    have = {g.upper() for group in table.groups for g in group.genes}
    text = (files("vesicula.data") / "protein" / "msc_signature.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return tuple(
        SignatureMarker(of=of, marker=marker, gene=gene, sign=sign, source=source, doi=doi, found=gene in have)
        for of, marker, gene, sign, source, doi, _ in rows
    )
