"""How each software names the columns of its protein table; all that is particular to one is a row here.

Column names are of the programs' documentation and of exports seen; those of DIA-NN were checked against a
report's header quoted by its author (DiaNN discussion 2002), MaxQuant's and PEAKS' against real files, mzTab's
against the example files of HUPO-PSI, the others are [from memory, unchecked].
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vesicula.cargo.protein.table import Kind

# Between words a blank, or what R, Excel add-ins and databases make of it.
_GAP = r"[ ._]"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("^" + text.replace(" ", _GAP) + "$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WideFormat:
    """One protein per row, samples in columns.

    Parameters
    ----------
    software : str
        Name for the user.
    needs : tuple of str
        Columns that together are found in no other software's table.
    hints : tuple of str
        Columns of which two are enough to know the software though a needed one is missing or renamed.
    ids, genes, about : tuple of str
        Columns of accessions, of gene symbols, and of anything that may name the species; first that exists.
    quantities : tuple of (Kind, pattern)
        Columns with values, best kind first; group 1 is the name of the sample.
    examples : tuple of str
        How such columns look, for the message when none is there.
    names : str
        Column with the entry as the sequence database has it, prefix included, where `ids` has lost the prefix.
    contaminant, decoy, by_site : str
        Columns that mark such groups; empty where there is none.
    """

    software: str
    needs: tuple[str, ...]
    hints: tuple[str, ...]
    ids: tuple[str, ...]
    genes: tuple[str, ...]
    about: tuple[str, ...]
    quantities: tuple[tuple[Kind, re.Pattern[str]], ...]
    examples: tuple[str, ...] = ()
    names: str = ""
    contaminant: str = ""
    decoy: str = ""
    by_site: str = ""


MAXQUANT = WideFormat(
    software="MaxQuant",
    needs=("Majority protein IDs",),
    hints=("Peptide counts (razor+unique)", "Only identified by site", "Potential contaminant", "Fasta headers"),
    ids=("Majority protein IDs", "Protein IDs"),
    genes=("Gene names",),
    about=("Fasta headers",),
    quantities=(
        ("lfq", _pattern(r"LFQ intensity (.+)")),
        ("ibaq", _pattern(r"iBAQ (?!peptides$)(.+)")),
        ("top3", _pattern(r"Top3 (.+)")),
        ("intensity", _pattern(r"Intensity (.+)")),
        ("psm-count", _pattern(r"MS/MS count (.+)")),
    ),
    examples=("'LFQ intensity SAMPLE'", "'iBAQ SAMPLE'"),
    contaminant="Potential contaminant",
    decoy="Reverse",
    by_site="Only identified by site",
)

FRAGPIPE = WideFormat(
    software="FragPipe",
    needs=("Protein ID", "Entry Name"),
    hints=("Indistinguishable Proteins", "Combined Total Peptides", "Combined Spectral Count", "Protein Existence"),
    ids=("Protein ID",),
    genes=("Gene", "Gene Names"),
    about=("Entry Name", "Organism"),
    quantities=(
        ("lfq", _pattern(r"(?!Combined)(.+) MaxLFQ Intensity")),
        ("intensity", _pattern(r"(?!Combined)(.+?)(?<!MaxLFQ)(?<!Unique)(?<!Total)(?<!Razor) Intensity")),
        ("psm-count", _pattern(r"(?!Combined)(.+?)(?<!Unique)(?<!Total)(?<!Razor) Spectral Count")),
    ),
    examples=("'SAMPLE MaxLFQ Intensity'", "'SAMPLE Intensity'"),
    names="Protein",
)

SPECTRONAUT = WideFormat(
    software="Spectronaut",
    needs=("PG.ProteinGroups",),
    hints=("PG.ProteinNames", "PG.Genes", "PG.Organisms", "PG.ProteinDescriptions"),
    ids=("PG.ProteinGroups", "PG.ProteinAccessions"),
    genes=("PG.Genes",),
    about=("PG.ProteinNames", "PG.Organisms"),
    quantities=(
        ("ibaq", re.compile(r"^(?:\[\d+\] ?)?(.+)\.PG\.IBAQ$")),
        ("intensity", re.compile(r"^(?:\[\d+\] ?)?(.+)\.PG\.Quantity$")),
    ),
    examples=("'[1] SAMPLE.PG.Quantity'",),
)

DISCOVERER = WideFormat(
    software="Proteome Discoverer",
    needs=("Accession", "Protein FDR Confidence: Combined"),
    hints=("Protein FDR Confidence: Combined", "Exp. q-value: Combined", "Sum PEP Score", "Master", "# PSMs"),
    ids=("Accession",),
    genes=("Gene Symbol",),
    about=("Description",),
    quantities=(
        ("lfq", re.compile(r"^Abundances? \(?Normalized\)?: (.+)$")),
        ("intensity", re.compile(r"^Abundances?: (.+)$")),
        ("psm-count", re.compile(r"^# PSMs \(by Search Engine\): (.+)$")),
    ),
    examples=("'Abundances (Normalized): SAMPLE'", "'Abundance: SAMPLE'"),
    contaminant="Contaminant",
)

PEAKS = WideFormat(
    software="PEAKS",
    needs=("Accession", "-10lgP", "#Peptides"),
    hints=("-10lgP", "#Peptides", "#Unique", "Avg. Mass"),
    ids=("Accession",),
    genes=("Gene",),
    about=("Description",),
    quantities=(
        ("intensity", re.compile(r"^(?:Area|Intensity) (.+)$")),
        ("psm-count", re.compile(r"^#Spec (.+)$")),
    ),
    examples=("'Area SAMPLE'", "'#Spec SAMPLE'"),
)

DIANN = WideFormat(
    software="DIA-NN",
    needs=("Protein.Group", "First.Protein.Description"),
    hints=("Protein.Group", "Protein.Ids", "Protein.Names", "First.Protein.Description"),
    ids=("Protein.Group",),
    genes=("Genes",),
    about=("Protein.Names",),
    # Every other column is a run, under the name of its file: this one pattern is matched last.
    quantities=(
        ("lfq", re.compile(r"^(?!Protein\.|Genes$|First\.Protein|N\.Sequences$|N\.Proteotypic\.Sequences$)(.+)$")),
    ),
    examples=("'SAMPLE.raw'",),
)

WIDE = (MAXQUANT, FRAGPIPE, SPECTRONAUT, DISCOVERER, PEAKS, DIANN)


def canonical(name: str) -> str:
    """Return a column's name evened out: lower case, runs of dots, blanks and underscores as one blank."""
    plain = re.sub(r"^[TNCM]: ", "", name.strip().strip('"'))  # Perseus marks the type of a column so
    return re.sub(r"[ ._]+", " ", plain.lower()).strip()


def find_column(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the place of the first of these columns that exists, spelling evened out; None if none does."""
    evened = [canonical(h) for h in header]
    for name in names:
        if name and canonical(name) in evened:
            return evened.index(canonical(name))
    return None


def recognise_wide(header: Sequence[str]) -> tuple[WideFormat | None, bool]:
    """Return whose table has such a header, and whether all the columns that it needs are there."""
    evened = {canonical(h) for h in header}
    for form in WIDE:
        if all(canonical(n) in evened for n in form.needs):
            return form, True
    for form in WIDE:
        if sum(canonical(n) in evened for n in form.hints) >= 2:
            return form, False
    return None, False
