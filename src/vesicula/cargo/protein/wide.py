"""Protein tables with samples in columns: those of known software, and plain matrices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PureWindowsPath

import numpy as np

from vesicula.cargo.protein.cells import Cells, check_widths
from vesicula.cargo.protein.formats import WideFormat, canonical, find_column
from vesicula.cargo.protein.names import make_group
from vesicula.cargo.protein.numbers import decimal_comma, is_number, parse_columns
from vesicula.cargo.protein.table import KINDS, Kind, ProteinGroup, ProteinTable
from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning

_RAW = re.compile(r"\.(raw|d|mzml|wiff2?|dia|htrms|mgf)$", re.IGNORECASE)
_YES = frozenset({"+", "true", "yes", "1"})

ID_COLUMNS = (
    "Majority protein IDs", "Protein IDs", "Uniprot Accession", "Uniprot ID", "Uniprot", "Accession", "Protein.Group",
    "Protein ID", "Protein", "ProteinID", "Protein accession",
)  # fmt: skip
GENE_COLUMNS = ("Gene names", "Gene name", "Gene symbol", "Gene", "Genes", "Symbol", "HGNC symbol")
ABOUT_COLUMNS = ("Fasta headers", "Description", "Entry name", "Organism", "Species")

# A column of single peptides: such a table has one row for each of them. ("Peptides" is a number of them.)
_PEPTIDE = re.compile(r"\b(?:peptide|(?:peptide|modified|stripped) sequence|precursor id)$|^sequence$")

# Columns of statistics and of identification, which are numbers but no sample.
_NO_SAMPLE = re.compile(
    r"p[- ._]?val|q[- ._]?val|\bfdr\b|\bfold|difference|significan|score|coverage|probabilit|\bcount|number of|"
    r"peptides?\b|\bmass\b|weight|length|\bid$|^id\b|^t: id|entry|group|± ?sd|\+/-|\bsd\b|log2? ?fc|logfc|ave ?expr|"
    r"^t$|^b$|\brank\b|charge|\bpep\b|spectra|\bshare\b|percent",
    re.IGNORECASE,
)


def sample_name(text: str) -> str:
    """Return a sample's name: of a raw file's path, the file's name without ending."""
    name = text.strip()
    return _RAW.sub("", PureWindowsPath(name).name) if _RAW.search(name) else name


def read_software(cells: Cells, form: WideFormat, *, complete: bool, kind: Kind | None) -> ProteinTable:
    """Read the table of a known software.

    Parameters
    ----------
    cells : Cells
        The whole file.
    form : WideFormat
        Whose it is.
    complete : bool
        Whether the columns that tell the software are all there.
    kind : str or None
        Which values to take; None takes the best that the table holds.

    Raises
    ------
    UnreadableFile
        When a column is missing or renamed beyond recognition, or a value is no number.
    """
    header, rows = _body(cells)
    ids = find_column(header, form.ids)
    found = _quantities(header, form)
    if ids is None or not found or (kind is not None and kind not in found):
        raise _columns_missing(cells, form, ids, found, kind)
    chosen: Kind = kind if kind is not None else next(iter(found))
    columns = found[chosen]
    samples = [sample_name(name) for name in columns]
    values = _values(cells, header, rows, list(columns.values()))
    if chosen != "psm-count":
        values[values == 0] = np.nan  # these programs write 0 where they found nothing
    groups, notes = _groups(header, rows, form, ids)
    notes = _renamed(header, form, complete=complete) + notes + cells_notes(cells)
    notes += _not_master(header, rows)
    others = [k for k in found if k != chosen]
    if others:
        message = f"values taken: {chosen}; the table also holds {', '.join(others)}."
        notes.append(ReadWarning(code="values-chosen", message=message))
    return _table(cells, form.software, chosen, (samples, values, groups, notes), log2=False)


def read_plain(
    cells: Cells, *, samples: Sequence[str] | None, kind: Kind | None, log2: bool | None
) -> ProteinTable:
    """Read a plain matrix: a column of accessions or gene symbols, and numbers.

    Parameters
    ----------
    cells : Cells
        The whole file; a table with samples in rows is turned.
    samples : sequence of str or None
        Columns to take; None takes every column of numbers that is not named like a statistic.
    kind, log2 : str or None, bool or None
        What the values are; None takes summed intensities, and judges the scale by the numbers.

    Raises
    ------
    UnreadableFile
        When there is no column of names or none of numbers, or a value is no number.
    """
    cells, turned = _turned(cells)
    header, rows = _body(cells)
    names = find_column(header, ID_COLUMNS)
    names = find_column(header, GENE_COLUMNS) if names is None else names
    if names is None:
        raise UnreadableFile(
            cells.path,
            where=f"line {cells.rows[0][0]}",
            expected="a column of accessions or gene symbols, such as 'Accession' or 'Gene'",
            found=", ".join(header[:8]),
            remedy="Name that column so; the first line must be the header.",
        )
    _refuse_peptides(cells, header, names)
    columns, left_out = _value_columns(cells, header, rows, samples)
    values = _values(cells, header, rows, columns)
    labels = [sample_name(header[c]) for c in columns]
    logged, notes = _scale([header[c] for c in columns], values, log2=log2)
    ratio = logged and all("ratio" in n.lower() or "tmt" in n.lower() for n in labels)
    if not logged and kind != "psm-count":
        values[values == 0] = np.nan
    elif logged and not ratio:
        notes += _log_zeros(values)
    form = WideFormat(
        software="plain matrix", needs=(), hints=(), ids=ID_COLUMNS, genes=GENE_COLUMNS, about=ABOUT_COLUMNS,
        quantities=(), contaminant="Potential contaminant", decoy="Reverse", by_site="Only identified by site",
    )  # fmt: skip
    groups, more = _groups(header, rows, form, names)
    notes = turned + notes + more + cells_notes(cells) + _choice_notes(labels, left_out, named=samples is not None)
    chosen: Kind = kind if kind is not None else "log-ratio" if ratio else "intensity"
    return _table(cells, "plain matrix", chosen, (labels, values, groups, notes), log2=logged)


def cells_notes(cells: Cells) -> list[ReadWarning]:
    """Return the warning about gene symbols that a spreadsheet turned into dates."""
    if not cells.dates:
        return []
    message = (
        f"{cells.dates} cells are dates: a spreadsheet turns symbols such as SEPTIN2 (SEPT2) or MARCHF1 (MARCH1) "
        "into dates (Ziemann et al. 2016, Genome Biol 17:177); these proteins are not found by name."
    )
    return [ReadWarning(code="gene-symbols-as-dates", message=message)]


def _body(cells: Cells) -> tuple[list[str], list[tuple[int, list[str]]]]:
    header = [cell.strip() for cell in cells.rows[0][1]]
    rows = list(cells.rows[1:])
    doubled = [name for name, n in Counter(h for h in header if h).items() if n > 1]
    if doubled:
        raise UnreadableFile(
            cells.path,
            where=f"line {cells.rows[0][0]}",
            expected="columns with different names",
            found=f"{doubled[0]!r} more than once",
            remedy="Rename or delete the doubled columns: it is not known which holds the sample meant.",
        )
    check_widths(cells.path, header, rows)
    return header, rows


def _quantities(header: Sequence[str], form: WideFormat) -> dict[Kind, dict[str, int]]:
    """Return, best kind first, the columns of each kind by sample."""
    found: dict[Kind, dict[str, int]] = {}
    for kind, pattern in form.quantities:
        for place, name in enumerate(header):
            match = pattern.match(name)
            if match:
                found.setdefault(kind, {})[match.group(1)] = place
    return found


def _columns_missing(
    cells: Cells, form: WideFormat, ids: int | None, found: dict[Kind, dict[str, int]], kind: Kind | None
) -> UnreadableFile:
    if ids is None:
        expected = " or ".join(repr(n) for n in form.ids)
    elif found:
        expected = f"columns of {kind}; the table holds {', '.join(found)}"
    else:
        expected = "columns with values per sample, named like " + " or ".join(form.examples)
    return UnreadableFile(
        cells.path,
        where=f"line {cells.rows[0][0]} (header of a table of {form.software})",
        expected=expected,
        found=", ".join(cells.rows[0][1][:6]),
        remedy="The columns were renamed or deleted: give the table as the software wrote it, or reduce it to a "
        "plain matrix with one column 'Accession' and one column per sample.",
    )


def _values(
    cells: Cells, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], columns: Sequence[int]
) -> FloatArray:
    comma = bool(cells.delimiter) and decimal_comma(cells.path, (row[c] for _, row in rows for c in columns))
    values = parse_columns(cells.path, header, rows, columns, comma=comma)
    if not np.isfinite(values).any():
        raise UnreadableFile(
            cells.path,
            where=f"columns {', '.join(header[c] for c in columns[:4])}",
            expected="values",
            found="none: every cell is empty",
            remedy="Choose another kind of value, or export the table again.",
        )
    return values


def _groups(
    header: Sequence[str], rows: Sequence[tuple[int, list[str]]], form: WideFormat, ids: int
) -> tuple[list[ProteinGroup], list[ReadWarning]]:
    genes, about = find_column(header, form.genes), find_column(header, form.about)
    names = find_column(header, (form.names,))
    symbols_only = find_column(header, form.ids) is None  # symbols such as H2BC15 look like accessions
    marks = [find_column(header, (name,)) for name in (form.contaminant, form.decoy, form.by_site)]
    seen: Counter[str] = Counter()
    groups = []
    for _, row in rows:
        contaminant, decoy, site = (c is not None and row[c].strip().lower() in _YES for c in marks)
        symbol = "" if genes is None else row[genes].strip()
        name = row[ids].strip() or symbol or "(no name)"
        seen[name] += 1
        group = make_group(
            name if seen[name] == 1 else f"{name} ({seen[name]})",
            ids="" if symbols_only else row[ids],
            genes=symbol,
            about="" if about is None else row[about],
            names=f"{row[ids]};{'' if names is None else row[names]}",
            contaminant=contaminant,
            decoy=decoy,
        )
        groups.append(group if not site else replace(group, only_by_site=True))
    doubled = [n for n, k in seen.items() if k > 1]
    if not doubled:
        return groups, []
    message = (
        f"{len(doubled)} names stand in more than one row, such as {doubled[0]}; each row is kept, numbered, "
        "since the table does not say which is meant."
    )
    return groups, [ReadWarning(code="duplicate-names", message=message)]


def _renamed(header: Sequence[str], form: WideFormat, *, complete: bool) -> list[ReadWarning]:
    wanted = {canonical(n): n for n in (*form.needs, *form.ids)}
    changed = [h for h in header if canonical(h) in wanted and wanted[canonical(h)] != h]
    if complete and not changed:
        return []
    what = f"written {changed[0]!r}" if changed else f"{form.needs[0]!r} missing"
    message = f"the columns are not as {form.software} writes them ({what}); read all the same."
    return [ReadWarning(code="renamed-columns", message=message, where="header")]


def _not_master(header: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> list[ReadWarning]:
    """Warn where Proteome Discoverer exported proteins beside the master of their group."""
    place = header.index("Master") if "Master" in header else None
    words = Counter(row[place] for _, row in rows) if place is not None else Counter()
    if len(words) < 2:
        return []
    said = ", ".join(f"{n} {word or 'empty'}" for word, n in words.most_common(4))
    message = f"column Master: {said}; what masters share with the others counts twice in shares. Export masters only."
    return [ReadWarning(code="not-master", message=message)]


def _turned(cells: Cells) -> tuple[Cells, list[ReadWarning]]:
    """Turn a table with samples in rows, known by its first cell."""
    header = cells.rows[0][1]
    if canonical(header[0]) not in {"sample", "samples", "run"} or find_column(header, ID_COLUMNS) is not None:
        return cells, []
    grid = [row for _, row in cells.rows]
    check_widths(cells.path, header, list(cells.rows))
    flipped = [list(column) for column in zip(*grid, strict=False)]
    flipped[0][0] = "Gene"
    rows = tuple(enumerate(flipped, start=1))
    note = ReadWarning(code="samples-in-rows", message="samples stand in rows; the table was turned.")
    return Cells(path=cells.path, source=cells.source, rows=rows, delimiter=cells.delimiter, dates=cells.dates), [note]


def _value_columns(
    cells: Cells, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], samples: Sequence[str] | None
) -> tuple[list[int], list[str]]:
    if samples is not None:
        names = [sample_name(h) for h in header]
        absent = [s for s in samples if s not in names]
        if absent:
            raise UnreadableFile(
                cells.path,
                where=f"line {cells.rows[0][0]}",
                expected=f"a column for the sample {absent[0]!r}",
                found=", ".join(header[:8]),
                remedy="Name the samples as the table does.",
            )
        return [names.index(s) for s in samples], []
    names_at = {find_column(header, c) for c in (ID_COLUMNS, GENE_COLUMNS, ABOUT_COLUMNS)}
    numeric = [
        c
        for c, name in enumerate(header)
        if name and c not in names_at and all(is_number(row[c]) for _, row in rows) and any(row[c] for _, row in rows)
    ]
    chosen = [c for c in numeric if not _NO_SAMPLE.search(header[c])]
    if not chosen:
        raise UnreadableFile(
            cells.path,
            where=f"line {cells.rows[0][0]}",
            expected="columns of numbers, one per sample",
            found=", ".join(header[:8]),
            remedy="Name the columns of the samples, or correct cells that are not numbers.",
        )
    # "ctrl" beside "ctrl_1", "ctrl_2" is their mean, not a further sample.
    chosen = [c for c in chosen if sum(header[o].startswith((f"{header[c]}_", f"{header[c]}.", f"{header[c]} "))
                                       for o in chosen) < 2]  # fmt: skip
    return chosen, [header[c] for c in numeric if c not in chosen]


def _scale(names: Sequence[str], values: FloatArray, *, log2: bool | None) -> tuple[bool, list[ReadWarning]]:
    """Return whether values are log2, as told or as the numbers say: no mass spectrum yields intensities below 64."""
    if log2 is not None:
        return log2, []
    finite = values[np.isfinite(values)]
    named = all("log" in n.lower() for n in names)
    looks = bool(finite.max() < 64 and (finite.min() < 0 or np.any(finite != np.round(finite))))
    if not (named or looks):
        return False, []
    message = f"values between {finite.min():.3g} and {finite.max():.3g} are taken as log2."
    return True, [ReadWarning(code="scale-judged", message=message)]


def _log_zeros(values: FloatArray) -> list[ReadWarning]:
    """Turn zeros among log2 intensities into gaps where the next value lies far above them; ratios have true zeros."""
    zero = values == 0
    others = values[np.isfinite(values) & ~zero]
    # A log2 of 0 is an intensity of 1. No detector gives 1 beside a next value of 2^5: somebody wrote 0 for a gap.
    if not zero.any() or not others.size or others.min() < 5:
        return []
    values[zero] = np.nan
    message = f"{int(zero.sum())} zeros among log2 values taken as missing: the next value is {others.min():.3g}."
    return [ReadWarning(code="zeros-in-logarithms", message=message)]


def _choice_notes(labels: Sequence[str], left_out: Sequence[str], *, named: bool) -> list[ReadWarning]:
    """Say which columns of a plain matrix were taken for samples, and which were not."""
    notes = []
    if not named:
        taken = ", ".join(labels[:12]) + (f" and {len(labels) - 12} more" if len(labels) > 12 else "")
        message = f"columns taken for samples: {taken}. Give a sample sheet if one of them is none."
        notes.append(ReadWarning(code="columns-taken", message=message))
    if left_out:
        message = f"columns of numbers not taken for samples: {', '.join(left_out[:8])}."
        notes.append(ReadWarning(code="columns-left-out", message=message))
    return notes


def _refuse_peptides(cells: Cells, header: Sequence[str], names: int) -> None:
    """Refuse a table with one row per peptide: its columns of numbers are no protein's quantity."""
    peptide = next((i for i, name in enumerate(header) if _PEPTIDE.search(canonical(name))), None)
    if peptide is None:
        return
    first = [row[names] for _, row in cells.rows[1:] if len(row) > names]
    if len(first) < 1.5 * len(set(first)):
        return  # about one row per protein after all, with a peptide named for each
    raise UnreadableFile(
        cells.path,
        where=f"line {cells.rows[0][0]}, column {header[peptide]!r}",
        expected="one row per protein group",
        found=f"one row per peptide: {len(first)} rows for {len(set(first))} proteins",
        remedy="Give the protein table of the same software (such as proteinGroups or combined_protein).",
    )


def _table(
    cells: Cells,
    software: str,
    kind: Kind,
    parts: tuple[list[str], FloatArray, list[ProteinGroup], list[ReadWarning]],
    *,
    log2: bool,
) -> ProteinTable:
    samples, values, groups, notes = parts
    doubled = [s for s, n in Counter(samples).items() if n > 1]
    negative = not log2 and bool(np.any(values < 0))
    if doubled or negative or kind not in KINDS:
        raise UnreadableFile(
            cells.path,
            where="values" if negative else "header",
            expected="no negative intensity" if negative else "samples with different names",
            found="negative values" if negative else f"{doubled[0]!r} more than once",
            remedy="Say that the values are logarithms." if negative else "Rename the raw files or the columns.",
        )
    return ProteinTable(
        sources=(cells.source,),
        software=software,
        kind=kind,
        log2=log2,
        samples=tuple(samples),
        groups=tuple(groups),
        values=values,
        notes=tuple(notes),
    )
