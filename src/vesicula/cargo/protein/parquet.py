"""DIA-NN's report as Parquet: only the columns that a protein table needs are read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vesicula.cargo.protein.cells import Cells
from vesicula.cargo.protein.long import LONG
from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import SourceFile


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
    wanted = [form.run, form.group, form.genes, form.about, *(c for _, c in form.quantities), *form.q_values]
    try:
        lazy = pl.scan_parquet(path)
        names = lazy.collect_schema().names()
        frame = lazy.select([c for c in wanted if c in names]).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a whole Parquet file",
            found=f"one that cannot be read ({error})",
            remedy="It may be cut off: copy it again.",
        ) from error
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
    body = [["" if v is None else str(v) for v in row] for row in frame.unique(maintain_order=True).iter_rows()]
    return Cells(
        path=path,
        source=SourceFile(name=path.name, sha256=digest, size_bytes=path.stat().st_size),
        rows=tuple(enumerate([frame.columns, *body], start=1)),
        delimiter="",
    )
