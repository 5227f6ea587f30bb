"""Numbers of a table: decimal points or commas, many words for "missing", and nothing guessed per cell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray

# "Filtered" is Spectronaut's, "NaN" Perseus', "null" mzTab's, "-Infinity" the log of 0 in Perseus.
MISSING = frozenset(
    {"", "na", "nan", "n/a", "#n/a", "null", "none", "-", "filtered", "inf", "-inf", "-infinity", "#num!"}
)  # fmt: skip
_POINT = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+", re.ASCII)


def is_number(text: str) -> bool:
    """Return whether a cell is a number, with point or comma, or missing."""
    cell = text.strip()
    return cell.lower() in MISSING or _POINT.fullmatch(cell) is not None or _COMMA.fullmatch(cell) is not None


def decimal_comma(path: Path, cells: Iterable[str]) -> bool:
    """Return whether the values of a file are written with decimal commas.

    Raises
    ------
    UnreadableFile
        When points and commas are mixed, or every comma could as well part thousands.
    """
    commas = points = thousands = 0
    example = ""
    for text in cells:
        cell = text.strip()
        if "," in cell:
            commas += 1
            thousands += _THOUSANDS.fullmatch(cell) is not None
            example = cell
        elif "." in cell and _POINT.fullmatch(cell):
            points += 1
    if not commas:
        return False
    if points:
        raise UnreadableFile(
            path,
            where="values",
            expected="either decimal points or decimal commas",
            found=f"both: {points} with a point, {commas} with a comma, such as {example}",
            remedy="Export the table with one locale; do not mix columns of two spreadsheets.",
        )
    if thousands == commas:
        raise UnreadableFile(
            path,
            where="values",
            expected="an unambiguous decimal mark",
            found=f"{example}, which may be {example.replace(',', '')} or {example.replace(',', '.', 1)}",
            remedy="Export the values without thousands separators, or with decimal points.",
        )
    return True


def parse_columns(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], columns: Sequence[int], *, comma: bool
) -> FloatArray:
    """Return the values of these columns, shape (rows, columns), NaN where missing.

    Raises
    ------
    UnreadableFile
        At the first cell that is neither a number nor a word for a missing one.
    """
    values = np.full((len(rows), len(columns)), np.nan)
    for i, (line, row) in enumerate(rows):
        for j, column in enumerate(columns):
            cell = row[column].strip()
            if cell.lower() in MISSING:
                continue
            number = cell.replace(",", ".") if comma else cell
            if not _POINT.fullmatch(number) or not math.isfinite(float(number)):
                raise UnreadableFile(
                    path,
                    where=f"line {line}, column {header[column]!r}",
                    expected="a number, or an empty cell where nothing was measured",
                    found=cell,
                    remedy="Correct the cell, or leave this column out by naming the samples.",
                )
            values[i, j] = float(number)
    return values
