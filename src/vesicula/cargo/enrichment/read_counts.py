"""Tables of counts: miRNA by sample, or long, as `vesicula smallrna` writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vesicula.cargo.protein.cells import Cells, check_widths, load_cells
from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray

LONG_VALUE = "reads_em"
_NAME_HEADS = ("mirna", "mir", "name", "id", "gene_id", "gene", "feature", "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountTable:
    """Counts of several samples.

    Parameters
    ----------
    path : pathlib.Path
        Where they were.
    mirnas, samples : tuple of str
        Rows and columns.
    counts : numpy.ndarray
        Shape (mirnas, samples). Reads; 0 where a long table has no row.
    """

    path: Path
    mirnas: tuple[str, ...]
    samples: tuple[str, ...]
    counts: FloatArray


def read_counts(path: Path, *, samples: Sequence[str] = (), value: str = LONG_VALUE) -> CountTable:
    """Read a table of counts.

    Parameters
    ----------
    path : pathlib.Path
        TSV, CSV (also compressed), XLSX or Parquet. Either long, with the columns `sample`, `mirna` and `value`, or a
        matrix with a column of names and a column for each sample.
    samples : sequence of str
        Columns to take; by default all of a matrix that hold numbers throughout.
    value : str
        Column of a long table.

    Returns
    -------
    CountTable
        Numbers as they stand: whether they are counts, the test says.

    Raises
    ------
    UnreadableFile
        When it cannot be read, a sample is not in it, a cell is no number, or a miRNA is there twice.
    """
    header, rows = _frame(path)
    if {"sample", "mirna", value} <= set(header):
        return _from_long(path, header, rows, samples, value)
    if {"sample", "mirna"} <= set(header):
        raise UnreadableFile(
            path, where="header", expected=f"a column {value!r} beside sample and mirna", found=", ".join(header),
            remedy="Name the column of counts with --value.",
        )  # fmt: skip
    return _from_matrix(path, header, rows, samples)


def _frame(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return header and rows as text, with line numbers."""
    from vesicula.cargo.protein.parquet import is_parquet

    if is_parquet(path):
        return _parquet(path)
    try:
        cells: Cells = load_cells(path)
        header = [h.strip() for h in cells.rows[0][1]]
        body = list(cells.rows[1:])
        if body and len(header) == len(body[0][1]) - 1:
            header = ["", *header]  # R's write.table leaves the head of the names out
        check_widths(path, header, body)
    except UnreadableFile as error:
        # The reader is that of protein tables; its words are put right.
        raise UnreadableFile(
            path, where=error.where, expected=error.expected.replace("a protein table", "a table of counts").replace(
                "protein", "miRNA"), found=error.found, remedy=error.remedy.replace("protein", "miRNA"),
        ) from None  # fmt: skip
    return header, body


def _parquet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(
            path, where="whole file", expected="a whole Parquet file", found=f"one that cannot be read ({error})",
            remedy="It may be cut off: write or copy it again.",
        ) from error  # fmt: skip
    return frame.columns, [
        (n, ["" if v is None else str(v) for v in row]) for n, row in enumerate(frame.iter_rows(), start=1)
    ]


def _from_long(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], samples: Sequence[str], value: str
) -> CountTable:
    at = [header.index(c) for c in ("sample", "mirna", value)]
    found: dict[tuple[str, str], float] = {}
    for line, row in rows:
        sample, mirna, text = (row[i].strip() for i in at)
        if (mirna, sample) in found:
            raise _twice(path, f"line {line}", f"{mirna} of {sample}")
        found[mirna, sample] = _number(path, f"line {line}, column {value}", text)
    there = list(dict.fromkeys(s for _, s in found))
    _check_samples(path, samples, there)
    taken = list(samples) or there
    mirnas = list(dict.fromkeys(m for m, s in found if s in set(taken)))
    counts = np.array([[found.get((m, s), 0.0) for s in taken] for m in mirnas])
    return CountTable(path=path, mirnas=tuple(mirnas), samples=tuple(taken), counts=counts)


def _from_matrix(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], samples: Sequence[str]
) -> CountTable:
    names_at = _names_column(path, header, rows, samples)
    if samples:
        _check_samples(path, samples, header)
        at = [header.index(s) for s in samples]
    else:
        at = [j for j in range(len(header)) if j != names_at and header[j] and all(_is_number(r[j]) for _, r in rows)]
    names = [row[names_at].strip() for _, row in rows]
    for name, times in Counter(names).items():
        if times > 1:
            raise _twice(path, f"column {names_at + 1}", name)
    counts = np.array(
        [[_number(path, f"line {line}, column {header[j]}", row[j].strip()) for j in at] for line, row in rows]
    )
    return CountTable(path=path, mirnas=tuple(names), samples=tuple(header[j] for j in at), counts=counts)


def _names_column(path: Path, header: list[str], rows: list[tuple[int, list[str]]], samples: Sequence[str]) -> int:
    """Return the first column that is no sample, named as names are, and holds words rather than numbers."""
    free = [j for j, h in enumerate(header) if h not in samples]
    wordy = [j for j in free if not all(_is_number(row[j]) for _, row in rows[:50])]
    named = [j for j in wordy if header[j].casefold() in _NAME_HEADS]
    if named or wordy:
        return (named or wordy)[0]
    raise UnreadableFile(
        path, where="header", expected="a column of miRNA names", found=", ".join(header[:6]),
        remedy="Give one row a miRNA, with its name in the first column.",
    )  # fmt: skip


def _check_samples(path: Path, samples: Sequence[str], there: Sequence[str]) -> None:
    absent = [s for s in samples if s not in set(there)]
    if absent:
        raise UnreadableFile(
            path, where="samples", expected=f"a sample {absent[0]!r}, as the sample sheet says",
            found=", ".join(there[:8]) + (", ..." if len(there) > 8 else ""),
            remedy="Write the names of samples alike in both files.",
        )  # fmt: skip


def _twice(path: Path, where: str, name: str) -> UnreadableFile:
    return UnreadableFile(
        path, where=where, expected="each miRNA once", found=f"{name} twice",
        remedy="Add the rows up if they are different reads; keep one if they are the same reads at several places.",
    )  # fmt: skip


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text.strip() or text.strip().upper() in {"NA", "NAN"}
    return True


def _number(path: Path, where: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UnreadableFile(
            path, where=where, expected="a number of reads (0 where none was found)", found=text or "an empty cell",
            remedy="Fill in 0 if the miRNA was looked for and not found.",
        ) from None  # fmt: skip
