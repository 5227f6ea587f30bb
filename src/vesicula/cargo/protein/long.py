"""Tables with one row per precursor or spectrum: DIA-NN and Spectronaut reports, PEAKS spectra, and mzTab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vesicula.cargo.protein.cells import Cells, check_widths
from vesicula.cargo.protein.formats import find_column
from vesicula.cargo.protein.names import make_group
from vesicula.cargo.protein.numbers import MISSING, decimal_comma, parse_columns
from vesicula.cargo.protein.table import Kind, ProteinGroup, ProteinTable
from vesicula.cargo.protein.wide import cells_notes, sample_name
from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning

# One per cent of false protein groups in a run: the level to which DIA-NN's own matrices are cut (its
# documentation, --matrix-qvalue) [from memory, unchecked].
PROTEIN_Q_VALUE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFormat:
    """One row per precursor, with the group's quantity repeated in each.

    Parameters
    ----------
    software : str
        Name for the user.
    run, group, genes, about : str
        Columns of the run, the protein group, gene symbols and protein names.
    quantities : tuple of (Kind, str)
        Columns of the group's quantity, best first.
    q_values : tuple of str
        Columns of the group's q value.
    decoy : str
        Column that marks a decoy's row [both names from memory, unchecked].
    """

    software: str
    run: str
    group: str
    genes: str
    about: str
    quantities: tuple[tuple[Kind, str], ...]
    q_values: tuple[str, ...]
    decoy: str


LONG = (
    LongFormat(
        software="DIA-NN",
        run="Run",
        group="Protein.Group",
        genes="Genes",
        about="Protein.Names",
        quantities=(("lfq", "PG.MaxLFQ"), ("intensity", "PG.Quantity")),
        q_values=("PG.Q.Value", "Lib.PG.Q.Value", "Global.PG.Q.Value"),
        decoy="Decoy",
    ),
    LongFormat(
        software="Spectronaut",
        run="R.FileName",
        group="PG.ProteinGroups",
        genes="PG.Genes",
        about="PG.ProteinNames",
        quantities=(("intensity", "PG.Quantity"), ("ibaq", "PG.IBAQ")),
        q_values=("PG.Qvalue",),
        decoy="EG.IsDecoy",
    ),
)


def recognise_long(header: Sequence[str]) -> LongFormat | None:
    """Return whose long report has such a header."""
    return next((f for f in LONG if f.run in header and f.group in header), None)


def is_peaks_psm(header: Sequence[str]) -> bool:
    """Return whether this is PEAKS' table of spectra ("DB search psm.csv"), or what is left of one."""
    return {"Peptide", "Accession", "Source File"} <= set(header)


def is_mztab(cells: Cells) -> bool:
    """Return whether this is an mzTab file."""
    return any(row[0] == "MTD" and len(row) > 1 and row[1] == "mzTab-version" for _, row in cells.rows[:50])


def read_long(cells: Cells, form: LongFormat, *, kind: Kind | None) -> ProteinTable:
    """Read a report with one row per precursor; groups above 1 % false discoveries in their run are left out.

    Parameters
    ----------
    cells : Cells
        The whole file.
    form : LongFormat
        Whose it is.
    kind : str or None
        Which quantity; None takes the best.

    Raises
    ------
    UnreadableFile
        When a column is missing, a value is no number, or one group has two quantities in one run.
    """
    header = [h.strip() for h in cells.rows[0][1]]
    rows = list(cells.rows[1:])
    check_widths(cells.path, header, rows)
    held = [(k, header.index(c)) for k, c in form.quantities if c in header and kind in {None, k}]
    if not held:
        raise UnreadableFile(
            cells.path,
            where=f"line {cells.rows[0][0]} (header of a report of {form.software})",
            expected=" or ".join(c for _, c in form.quantities),
            found=", ".join(header[:8]),
            remedy="Export the protein quantities with the report, or give the protein matrix.",
        )
    chosen, column = held[0]
    wanted = [column, *(header.index(q) for q in form.q_values if q in header)]
    comma = decimal_comma(cells.path, (row[c] for _, row in rows for c in wanted))
    numbers = parse_columns(cells.path, header, rows, wanted, comma=comma)
    good = np.all(~(numbers[:, 1:] > PROTEIN_Q_VALUE), axis=1)
    samples, groups, values = _pivot(cells, header, form, (rows, numbers[:, 0], good))
    notes = [
        ReadWarning(
            code="q-value-cut",
            message=f"{int((~good).sum())} of {len(rows)} rows left out: q value of the protein group above "
            f"{PROTEIN_Q_VALUE}" + ("." if len(wanted) > 1 else "; the report has no such column."),
        )
    ]
    return _made(cells, form.software, chosen, samples, groups, values, notes)


def read_peaks_psm(cells: Cells) -> ProteinTable:
    """Count the spectra of each protein group in a PEAKS table of spectra.

    Parameters
    ----------
    cells : Cells
        The whole file; the spectra of a sample carry the name of its peak list.

    Returns
    -------
    ProteinTable
        Kind ``"psm-count"``. A spectrum that several accessions share belongs to the group of just these.
    """
    header = [h.strip() for h in cells.rows[0][1]]
    rows = list(cells.rows[1:])
    check_widths(cells.path, header, rows)
    accession, file = header.index("Accession"), header.index("Source File")
    counts: dict[str, dict[str, int]] = {}
    samples: dict[str, None] = {}
    nameless = 0
    for _, row in rows:
        name = sample_name(row[file])
        samples[name] = None
        key = row[accession].strip()
        if not key:
            nameless += 1
            continue
        counts.setdefault(key, {}).setdefault(name, 0)
        counts[key][name] += 1
    groups = [make_group(key, ids=key) for key in counts]
    values = np.array([[float(c.get(s, 0)) for s in samples] for c in counts.values()])
    notes = []
    if nameless:
        message = f"{nameless} of {len(rows)} spectra name no protein and are left out."
        notes.append(ReadWarning(code="spectra-without-protein", message=message))
    if not groups:
        where, remedy = "column 'Accession'", "Export the table again."
        raise UnreadableFile(cells.path, where=where, expected="accessions", found="none", remedy=remedy)
    return _made(cells, "PEAKS", "psm-count", list(samples), groups, values, notes)


def read_mztab(cells: Cells) -> ProteinTable:
    """Read the protein section of an mzTab file (1.0): abundances of assays, else of study variables.

    Raises
    ------
    UnreadableFile
        When it has no protein section or no abundances.
    """
    header = next((row for _, row in cells.rows if row[0] == "PRH"), None)
    rows = [(n, row) for n, row in cells.rows if row[0] == "PRT"]
    if header is None or not rows or "accession" not in header:
        raise _mztab_lacks(cells, "a protein section (PRH and PRT lines)")
    check_widths(cells.path, header, rows)
    prefix = next((p for p in ("protein_abundance_assay", "protein_abundance_study_variable")
                   if any(h.startswith(p) for h in header)), None)  # fmt: skip
    if prefix is None:
        raise _mztab_lacks(cells, "columns protein_abundance_assay[n] or protein_abundance_study_variable[n]")
    columns = [i for i, h in enumerate(header) if h.startswith(prefix)]
    values = parse_columns(cells.path, header, rows, columns, comma=False)
    values[values == 0] = np.nan
    metadata = {row[1]: row[2] for _, row in cells.rows if row[0] == "MTD" and len(row) > 2}
    samples = [_mztab_sample(header[c].removeprefix("protein_abundance_"), metadata) for c in columns]
    ids, members = header.index("accession"), find_column(header, ("ambiguity_members",))
    species, decoy = find_column(header, ("species",)), find_column(header, ("opt_global_cv_MS:1002217_decoy_peptide",))
    groups = [
        make_group(
            row[ids],
            ids=";".join([row[ids], *([row[members]] if members is not None else [])]),
            about="" if species is None else f"OS={row[species]}",
            decoy=decoy is not None and row[decoy] == "1",
        )
        for _, row in rows
    ]
    return _made(cells, "mzTab", "intensity", samples, groups, values, [])


def _mztab_lacks(cells: Cells, expected: str) -> UnreadableFile:
    return UnreadableFile(
        cells.path,
        where="whole file",
        expected=expected,
        found="none",
        remedy="Write the mzTab file with quantification on the protein level.",
    )


def _mztab_sample(name: str, metadata: dict[str, str]) -> str:
    run = metadata.get(f"{name}-ms_run_ref", "")
    described = metadata.get(f"{name}-description") or metadata.get(f"{run}-location", "")
    return sample_name(described) if described and described.lower() not in MISSING else name


def _pivot(
    cells: Cells,
    header: Sequence[str],
    form: LongFormat,
    body: tuple[list[tuple[int, list[str]]], FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]],
) -> tuple[list[str], list[ProteinGroup], FloatArray]:
    rows, quantity, good = body
    run, group = header.index(form.run), header.index(form.group)
    genes, about, decoy = (find_column(header, (c,)) for c in (form.genes, form.about, form.decoy))
    samples: dict[str, int] = {}
    groups: dict[str, ProteinGroup] = {}
    found: dict[tuple[str, str], float] = {}
    for (line, row), value, fits in zip(rows, quantity, good, strict=True):
        samples.setdefault(row[run], len(samples))
        if not fits or not np.isfinite(value) or value == 0:
            continue
        key = row[group]
        if key not in groups:
            groups[key] = make_group(
                key,
                ids=key,
                genes="" if genes is None else row[genes],
                about="" if about is None else row[about],
                decoy=decoy is not None and row[decoy].strip().lower() in {"1", "true"},
            )
        before = found.setdefault((key, row[run]), float(value))
        if not np.isclose(before, value, rtol=1e-3):
            raise UnreadableFile(
                cells.path,
                where=f"line {line}",
                expected=f"one quantity of {key} in {row[run]}, {before:g}",
                found=f"{value:g}",
                remedy="Two reports were joined, or the column is not the protein group's: export it again.",
            )
    order = {key: i for i, key in enumerate(groups)}
    values = np.full((len(groups), len(samples)), np.nan)
    for (key, name), value in found.items():
        values[order[key], samples[name]] = value
    return [sample_name(s) for s in samples], list(groups.values()), values


def _made(
    cells: Cells,
    software: str,
    kind: Kind,
    samples: list[str],
    groups: list[ProteinGroup],
    values: FloatArray,
    notes: list[ReadWarning],
) -> ProteinTable:
    if len(set(samples)) != len(samples) or len({g.id for g in groups}) != len(groups) or not groups:
        raise UnreadableFile(
            cells.path,
            where="whole file",
            expected="groups and samples with different names",
            found="none left" if not groups else "the same name twice",
            remedy="Export the table again with the names of the raw files.",
        )
    return ProteinTable(
        sources=(cells.source,),
        software=software,
        kind=kind,
        log2=False,
        samples=tuple(samples),
        groups=tuple(groups),
        values=values,
        notes=tuple(notes + cells_notes(cells)),
    )
