"""Parses a table of numbers: at once where all is well, else cell by cell, to say what is wrong where."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from vesicula.core.errors import UnreadableFile
from vesicula.instruments.nta.read._nanosight_layout import RawTable, split_cells
from vesicula.instruments.text import parse_number

if TYPE_CHECKING:
    from pathlib import Path

    from vesicula.core.measurement import FloatArray

MAX_ROWS = 200_000
MAX_COLUMNS = 2_000
"""Bounds on what is believed: real exports have 1,000 rows, and as many columns as videos."""

_PLAIN = b"0123456789.eE+-\n "


def parse_table(path: Path, table: RawTable, separator: str, *, decimal_comma: bool) -> FloatArray:
    """Parse all rows of a table into finite, non-negative numbers.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    table : RawTable
        Its rows and titles.
    separator : str
        Comma, semicolon or tab.
    decimal_comma : bool
        Whether numbers have decimal commas.

    Returns
    -------
    numpy.ndarray, shape (rows, titles)
        The numbers.

    Raises
    ------
    UnreadableFile
        When a cell is missing, no number, not finite or negative, or a row has cells that no title names;
        also when the table is empty or larger than any export.
    """
    rows = table.text.count("\n")
    if not 1 <= rows <= MAX_ROWS or len(table.titles) > MAX_COLUMNS:
        raise UnreadableFile(
            path,
            where=f"line {table.title_line}",
            expected=f"a table of 1 to {MAX_ROWS} rows and at most {MAX_COLUMNS} columns",
            found=f"{rows} rows and {len(table.titles)} columns",
            remedy="Export it again from the NTA software.",
        )
    fast = _parse_at_once(table, rows, separator, decimal_comma=decimal_comma)
    return fast if fast is not None else _parse_by_cell(path, table, separator, decimal_comma=decimal_comma)


def _parse_at_once(table: RawTable, rows: int, separator: str, *, decimal_comma: bool) -> FloatArray | None:
    """Return the numbers if all rows are plain and of one length, else None: nothing is decided here."""
    text = table.text
    if decimal_comma:
        if separator == "," or "." in text:
            return None
        text = text.replace(",", ".")
    columns = len(table.titles)
    if not _is_plain(text, rows, columns, separator):
        return None
    try:
        values = np.loadtxt(text[:-1].split("\n"), delimiter=separator, comments=None, ndmin=2, usecols=range(columns))
    except ValueError:
        return None
    if values.shape != (rows, columns) or not np.isfinite(values).all() or values.min() < 0:
        return None
    return values


def _is_plain(text: str, rows: int, columns: int, separator: str) -> bool:
    """Return whether there is nothing but digits and the like, and only empty cells after the last title."""
    if not text.isascii() or text.encode().translate(None, _PLAIN + separator.encode()):
        return False
    padding = text.split("\n", 1)[0].count(separator) + 1 - columns
    if padding < 0 or text.count(separator) != rows * (columns + padding - 1):
        return False
    return not padding or text.count(separator * padding + "\n") == rows


def _parse_by_cell(path: Path, table: RawTable, separator: str, *, decimal_comma: bool) -> FloatArray:
    columns = len(table.titles)
    values = array("d")
    for offset, line in enumerate(table.text[:-1].split("\n")):
        number = table.first_line + offset
        cells = split_cells(line, separator, path, number)
        if len(cells) < columns or "".join(cells[columns:]):
            raise UnreadableFile(
                path,
                where=f"line {number}",
                expected=f"{columns} cells, as the titles in line {table.title_line} say",
                found=f"{len(cells)} cells",
                remedy="The table is cut or damaged: export it again.",
            )
        for column in range(columns):
            value = parse_number(cells[column], decimal_comma=decimal_comma)
            if value is None or value < 0:
                raise UnreadableFile(
                    path,
                    where=f"line {number}, column {column + 1} ({table.titles[column]})",
                    expected="a number, not negative",
                    found=cells[column] or "an empty cell",
                    remedy="The table is damaged: export it again.",
                )
            values.append(value)
    return np.frombuffer(values, dtype=np.float64).reshape(-1, columns)


def uniform_edges(path: Path, table: RawTable, centres: FloatArray) -> FloatArray:
    """Return bin edges halfway between centres that must be equally spaced.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    table : RawTable
        Where the centres stand.
    centres : numpy.ndarray, shape (n,)
        Bin centres in nm.

    Returns
    -------
    numpy.ndarray, shape (n + 1,)
        Edges: 0.5, 1.5, 2.5 become 0, 1, 2, 3.

    Raises
    ------
    UnreadableFile
        When there are fewer than two, or they do not increase in equal steps, as after lost or moved rows.
    """
    if centres.size < 2:
        raise UnreadableFile(
            path,
            where=f"line {table.first_line}",
            expected="at least two rows",
            found="one",
            remedy="The table is cut: export it again.",
        )
    steps = np.diff(centres)
    # The first step is right unless the very first rows are damaged, and then the rest disagrees with it.
    step = float(steps[0])
    wrong = np.flatnonzero(np.abs(steps - step) > 1e-6 * abs(step))
    if step <= 0 or wrong.size or centres[0] < step / 2 - 1e-6 * step:
        row = int(wrong[0]) + 1 if wrong.size else 0
        before = f" after {centres[row - 1]:g}" if row else ""
        raise UnreadableFile(
            path,
            where=f"line {table.first_line + row}, column 1 ({table.titles[0]})",
            expected=f"bin centres increasing in equal steps from half a step ({step:g} nm{before})",
            found=f"{centres[row]:g}",
            remedy="Rows or columns are missing or moved: export it again.",
        )
    edges: FloatArray = centres[0] - step / 2 + step * np.arange(centres.size + 1)
    return edges
