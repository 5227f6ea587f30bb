"""Read a protein table, whoever wrote it: the content decides, never the name of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vesicula.cargo.protein.cells import Cells, load_cells
from vesicula.cargo.protein.formats import recognise_wide
from vesicula.cargo.protein.long import (
    is_mztab,
    is_peaks_psm,
    read_long,
    read_mztab,
    read_peaks_psm,
    recognise_long,
)
from vesicula.cargo.protein.parquet import is_parquet, parquet_cells
from vesicula.cargo.protein.table import Kind, ProteinGroup, ProteinTable
from vesicula.cargo.protein.wide import read_plain, read_software
from vesicula.core.errors import AnalysisError


def read_protein_table(
    path: Path,
    *,
    kind: Kind | None = None,
    samples: Sequence[str] | None = None,
    log2: bool | None = None,
    sheet: str | None = None,
) -> ProteinTable:
    """Read one protein table.

    Parameters
    ----------
    path : pathlib.Path
        Table of MaxQuant, DIA-NN (report or matrix, text or Parquet), FragPipe, Spectronaut, Proteome Discoverer
        or PEAKS, an mzTab file, or a plain matrix; text (gzip or not) or XLSX.
    kind : str or None
        Which values to take where a table holds several; None takes LFQ before iBAQ, top3, intensity and counts.
    samples : sequence of str or None
        Samples to take; None takes all.
    log2 : bool or None
        For a plain matrix, whether its values are logarithms; None judges by the numbers and says so.
    sheet : str or None
        Sheet of a workbook; None takes the first.

    Returns
    -------
    ProteinTable
        As written, with decoys and contaminants marked, not yet removed.

    Raises
    ------
    UnreadableFile
        One clear reason when it cannot be read.
    """
    cells = parquet_cells(path) if is_parquet(path) else load_cells(path, sheet=sheet)
    table = _read(cells, kind=kind, samples=samples, log2=log2)
    return table if samples is None else table.select(samples)


def _read(cells: Cells, *, kind: Kind | None, samples: Sequence[str] | None, log2: bool | None) -> ProteinTable:
    header = [h.strip() for h in cells.rows[0][1]]
    if is_mztab(cells):
        return read_mztab(cells)
    if is_peaks_psm(header):
        return read_peaks_psm(cells)
    long = recognise_long(header)
    if long is not None:
        return read_long(cells, long, kind=kind)
    form, complete = recognise_wide(header)
    perseus = any(h.startswith("T: ") for h in header)  # its text columns; the samples have names of their own
    if form is not None and not perseus:
        return read_software(cells, form, complete=complete, kind=kind)
    return read_plain(cells, samples=samples, kind=kind, log2=log2)


def join_tables(tables: Sequence[ProteinTable]) -> ProteinTable:
    """Join tables of different samples, such as one PEAKS export per sample, by the groups' names.

    Parameters
    ----------
    tables : sequence of ProteinTable
        Of one software, kind and scale; at least one.

    Returns
    -------
    ProteinTable
        A group absent from a table is missing there, or 0 where values are counts.

    Raises
    ------
    AnalysisError
        When kinds differ or two tables hold the same sample.
    """
    if not tables:
        raise AnalysisError("no protein table to join")
    first = tables[0]
    if len(tables) == 1:
        return first
    if len({(t.software, t.kind, t.log2) for t in tables}) > 1:
        kinds = "; ".join(f"{t.sources[0].name}: {t.software}, {t.kind}" for t in tables)
        raise AnalysisError(f"only tables of one software and kind can be joined, not {kinds}")
    samples = [s for t in tables for s in t.samples]
    if len(set(samples)) != len(samples):
        twice = next(s for s in samples if samples.count(s) > 1)
        raise AnalysisError(f"the sample {twice!r} is in two of the tables; give each sample once")
    groups: dict[str, ProteinGroup] = {}
    for table in tables:
        for group in table.groups:
            groups.setdefault(group.id, group)
    row = {key: i for i, key in enumerate(groups)}
    values = np.full((len(groups), len(samples)), 0.0 if first.kind == "psm-count" else np.nan)
    start = 0
    for table in tables:
        index = [row[g.id] for g in table.groups]
        values[index, start : start + len(table.samples)] = table.values
        start += len(table.samples)
    return ProteinTable(
        sources=tuple(s for t in tables for s in t.sources),
        software=first.software,
        kind=first.kind,
        log2=first.log2,
        samples=tuple(samples),
        groups=tuple(groups.values()),
        values=values,
        notes=tuple(n for t in tables for n in t.notes),
    )
