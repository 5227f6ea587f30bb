"""Rows of a lab's file before they are judged, and how a CSV text is cut into them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from vesicula.core.errors import shorten
from vesicula.evidence.model import CLAIM_COLUMNS, Problem

MAX_FILE_BYTES = 256 * 2**20

EXTRA_COLUMNS = ("doubts",)
COLUMNS = (*CLAIM_COLUMNS, *EXTRA_COLUMNS)
LISTS = ("condition", "cell_source", "cargo", "target", "pathway", "direction", "reference_numbers", "doubts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the file before it is judged: its number, its line, its cells."""

    number: int
    line: int
    cells: dict[str, str]


def csv_rows(text: str) -> tuple[list[Row], list[Problem]]:
    """Cut a CSV text into rows; those that cannot be are problems.

    Parameters
    ----------
    text : str
        Comma-separated, RFC 4180.

    Returns
    -------
    list of Row, list of Problem
        Rows with as many cells as the header; what is wrong with the others.
    """
    # The limit is the module's, for all of the process: it is put back. Ours is on characters, with the row's number.
    before = csv.field_size_limit(MAX_FILE_BYTES)
    try:
        return _csv_rows(text)
    finally:
        csv.field_size_limit(before)


def _csv_rows(text: str) -> tuple[list[Row], list[Problem]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    problems: list[Problem] = []
    line, number = 1, 0
    try:
        header = [cell.strip() for cell in next(reader, [])]
        problems += check_header(header)
        if problems:
            return [], problems
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                number += 1
                if len(cells) == len(header):
                    trimmed = (cell.strip() for cell in cells)
                    rows.append(Row(number=number, line=line, cells=dict(zip(header, trimmed, strict=True))))
                else:
                    message = f"expected {len(header)} cells, found {len(cells)}. Quote cells that hold a comma"
                    problems.append(Problem(row=number, line=line, column="", message=message))
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"it is no CSV from here on ({error}). Check the quotes; the rows after it were not looked at"
        problems.append(Problem(row=number + 1, line=line, column="", message=message))
    return rows, problems


def check_header(header: list[str]) -> list[Problem]:
    """Check a CSV header against the columns of a table of claims."""
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        message = "the columns are not separated by commas. Save the file as comma-separated CSV"
        return [Problem(row=0, line=1, column="", message=message)]
    problems = [
        Problem(row=0, line=1, column=shorten(name), message=f"there is no such column{nearest(name, COLUMNS)}")
        for name in header
        if name not in COLUMNS
    ]
    problems += [
        Problem(row=0, line=1, column=name, message="the column stands twice")
        for name in COLUMNS
        if header.count(name) > 1
    ]
    missing = [name for name in CLAIM_COLUMNS if name not in header]
    if missing:
        message = f"expected the {len(CLAIM_COLUMNS)} columns of studies.csv; missing: {', '.join(missing)}"
        problems.append(Problem(row=0, line=1, column="", message=message))
    return problems


def nearest(word: str, words: Sequence[str]) -> str:
    """Return the end of a sentence about an unknown word: those most like it, else all."""
    near = get_close_matches(word[:100], words, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else f"; one of: {', '.join(sorted(words))}"
