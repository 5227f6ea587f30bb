"""DIA-NN's report as Parquet: only the columns that a protein table needs are read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vesicula.cargo.protein.cells import MAX_CELLS, Cells
from vesicula.cargo.protein.long import LONG
from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import SourceFile

MAX_ROWS = 20_000_000
"""Most rows of a report: 200 runs of 100,000 precursors, some 2 GB while they are made unique."""


def is_parquet(path: Path) -> bool:
    """Return whether the file begins as Parquet does."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False


def parquet_cells(path: Path) -> Cells:
    """Return the needed columns of a report as cells.

    Parameters
    ----------
    path : pathlib.Path
        A Parquet report of DIA-NN.

    Returns
    -------
    Cells
        As of a text table.

    Raises
    ------
    UnreadableFile
        When it is cut off or has not the columns of a report.
    """
    import polars as pl

    form = LONG[0]
    wanted = [form.run, form.group, form.genes, form.about, form.decoy]
    wanted += [*(c for _, c in form.quantities), *form.q_values]
    try:
        lazy = pl.scan_parquet(path)
        names = lazy.collect_schema().names()
        rows = int(lazy.select(pl.len()).collect().item())
        # A group's quantity stands in the row of each of its precursors: most rows say the same.
        kept = lazy.select([c for c in wanted if c in names]).unique(maintain_order=True)
        frame = kept.head(MAX_CELLS // max(1, len(wanted)) + 1).collect() if rows <= MAX_ROWS else pl.DataFrame()
    # Of a damaged file the library's own engine may panic, which is no ordinary exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a whole Parquet file",
            found=f"one that cannot be read ({error})",
            remedy="It may be cut off: copy it again.",
        ) from error
    if rows > MAX_ROWS or frame.height * frame.width > MAX_CELLS:
        raise UnreadableFile(
            path,
            where="whole file",
            expected=f"at most {MAX_ROWS} rows and {MAX_CELLS} different cells",
            found=f"{rows} rows",
            remedy="Give the matrix report.pg_matrix.tsv instead.",
        )
    if form.run not in names or form.group not in names or not frame.height:
        raise UnreadableFile(
            path,
            where="schema",
            expected=f"the columns {form.run} and {form.group} of a DIA-NN report, and rows",
            found=", ".join(names[:8]),
            remedy="Give the main report (report.parquet) or the matrix report.pg_matrix.tsv.",
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    body = [["" if v is None else str(v) for v in row] for row in frame.iter_rows()]
    return Cells(
        path=path,
        source=SourceFile(name=path.name, sha256=digest, size_bytes=path.stat().st_size),
        rows=tuple(enumerate([frame.columns, *body], start=1)),
        delimiter="",
    )
