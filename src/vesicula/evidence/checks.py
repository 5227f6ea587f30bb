"""What is wrong with a row of a lab's file, by itself and beside the others: everything, with what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache

from vesicula.core.errors import shorten
from vesicula.evidence.content import split_direction
from vesicula.evidence.fold import split_list
from vesicula.evidence.model import Problem
from vesicula.evidence.packaged import read_table, vocabulary
from vesicula.evidence.rows import Row, nearest

MAX_CELL = 10_000
"""Longest cell, in characters: the longest of the founding tables has 334, a page of text has about 3000."""


REQUIRED = (
    "record_id",
    "review",
    "condition",
    "condition_class",
    "cell_source",
    "product",
    "effect",
    "effect_class",
    "reference_numbers",
)
CLOSED = ("condition_class", "product", "study_type", "effect_class")
RESERVED = {"a", "b", "review-a", "review-b", "reviews", "ev-atlas", "names"}
FORMULA = ("=", "+", "-", "@")
"""A spreadsheet takes a cell that begins so for a formula: a known way to run code on a colleague's machine."""

RECORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DOI = re.compile(r"doi:10\.\d{4,9}/\S+", re.IGNORECASE)
PMID = re.compile(r"pmid:[1-9]\d{0,8}", re.IGNORECASE)
NCT = re.compile(r"NCT\d{8}")
REVIEW_NUMBER = re.compile(r"([AB]):(\d+)")
OWN = "own data"
REFERENCE_FORMS = "doi:10..., pmid:..., NCT and 8 digits, A:39 or B:111 (a founding review's list), or own data"

# Control characters that PostgreSQL cannot store or a terminal obeys; tab and line ends are text.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


def check_row(row: Row) -> list[Problem]:
    """Return everything that is wrong with a row by itself."""
    found = [
        *_check_texts(row.cells),
        *_check_required(row.cells),
        *_check_words(row.cells),
        *_check_direction(row.cells["direction"]),
        *_check_g(row.cells["isolation_g"]),
        *_check_references(row.cells["reference_numbers"]),
    ]
    return [Problem(row=row.number, line=row.line, column=column, message=message) for column, message in found]


def check_changes(changes: dict[str, str]) -> list[Problem]:
    """Return everything that is wrong with new texts for some columns of a claim that is in the store."""
    found = [
        *_check_texts(changes),
        *((column, "must not be empty") for column in REQUIRED if not changes.get(column, "filled")),
        *_check_words({**dict.fromkeys(CLOSED, ""), **changes}),
        *_check_direction(changes.get("direction", "")),
        *_check_g(changes.get("isolation_g", "")),
    ]
    return [Problem(row=0, line=0, column=column, message=message) for column, message in found]


def _check_texts(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column, cell in cells.items():
        if len(cell) > MAX_CELL:
            yield column, f"expected at most {MAX_CELL} characters, found {len(cell)}. Shorten the text"
        elif cell.startswith(FORMULA):
            yield (
                column,
                f"begins with {cell[0]!r}, which a spreadsheet runs as a formula: {shorten(cell)!r}. Reword it",
            )
        elif control := CONTROL.search(cell):
            yield column, f"holds the control character {control[0]!r}. Remove it"


def _check_required(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column in REQUIRED:
        if not cells[column]:
            yield column, "must not be empty"
    if cells["record_id"] and not RECORD.fullmatch(cells["record_id"]):
        yield "record_id", f"expected up to 64 letters, digits, . _ -, found {shorten(cells['record_id'])!r}"
    if cells["review"].lower() in RESERVED:
        yield "review", f"{cells['review']!r} is a packaged source. Name your own, such as lab-utrecht"
    elif cells["review"] and not SLUG.fullmatch(cells["review"]):
        yield (
            "review",
            f"expected your source's short name (small letters, digits, -), found {shorten(cells['review'])!r}",
        )


def _check_words(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column in CLOSED:
        words = vocabulary()[column]
        if cells[column] and cells[column] not in words:
            yield (
                column,
                f"{shorten(cells[column])!r} is not in the vocabulary{nearest(cells[column], list(words))}",
            )


def _check_direction(cell: str) -> Iterator[tuple[str, str]]:
    words = vocabulary()["direction"]
    if len(cell) > MAX_CELL:
        return
    for entry in split_list(cell):
        molecule, change = split_direction(entry)
        if not molecule:
            yield "direction", f"expected molecule:{'|'.join(words)}, found {shorten(entry)!r}"
        elif change not in words:
            yield "direction", f"{shorten(change)!r} is not in the vocabulary{nearest(change, list(words))}"


def _check_g(cell: str) -> Iterator[tuple[str, str]]:
    if not cell or len(cell) > MAX_CELL:
        return
    try:
        force = float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        force = math.nan
    # 1 500 000 g is beyond the fastest ultracentrifuge rotors (about 1 000 000 g) [from memory, unchecked].
    if not 0 < force <= 1_500_000:
        yield (
            "isolation_g",
            f"expected a relative centrifugal force in g, such as 100000, found {shorten(cell)!r}",
        )


def _check_references(cell: str) -> Iterator[tuple[str, str]]:
    if len(cell) > MAX_CELL:
        return
    for entry in split_list(cell):
        if match := REVIEW_NUMBER.fullmatch(entry):
            if (match[1], match[2]) not in _review_numbers():
                yield "reference_numbers", f"review {match[1]} has no reference {match[2]}"
        elif entry != OWN and not any(form.fullmatch(entry) for form in (DOI, PMID, NCT)):
            yield "reference_numbers", f"expected {REFERENCE_FORMS}; found {shorten(entry)!r}"


@cache
def _review_numbers() -> frozenset[tuple[str, str]]:
    return frozenset((row["review"], row["number"]) for row in read_table("references.csv")[1])


def check_together(rows: Sequence[Row]) -> list[Problem]:
    """Return what is wrong with rows beside each other: ids that stand twice, several sources."""
    problems = []
    first: dict[str, Row] = {}
    for row in rows:
        record = row.cells["record_id"]
        if record and record in first:
            message = f"{shorten(record)!r} is also the id of row {first[record].number} (line {first[record].line})"
            problems.append(Problem(row=row.number, line=row.line, column="record_id", message=message))
        first.setdefault(record, row)
        if row.cells["review"] != rows[0].cells["review"]:
            message = f"one file, one source: row 1 says {shorten(rows[0].cells['review'])!r}"
            problems.append(Problem(row=row.number, line=row.line, column="review", message=message))
    return problems
