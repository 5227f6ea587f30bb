"""Typed loaders of the reference tables in ``vesicula/data``: strict, cached, each row with its source.

A table that is not exactly as described raises :class:`vesicula.core.errors.UnreadableFile`: a criterion
must never be dropped or misread in silence.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal, cast

from vesicula.core.errors import UnreadableFile
from vesicula.core.finding import Citation

INSTRUMENTS = ("NanoSight", "ZetaView", "any")
SEVERITIES = ("warning", "note")

VALIDITY_COLUMNS = (
    "id",
    "instrument",
    "quantity",
    "low",
    "high",
    "unit",
    "severity",
    "text",
    "source",
    "doi",
    "url_or_page",
    "checked",
    "quote_hint",
)
PURITY_COLUMNS = (
    "id",
    "label",
    "low_per_ug",
    "high_per_ug",
    "low_included",
    "high_included",
    "text",
    "source",
    "doi",
    "url_or_page",
    "checked",
    "quote_hint",
)
CLASS_COLUMNS = (
    "review",
    "location",
    "class",
    "size_min_nm",
    "size_max_nm",
    "shape",
    "origin",
    "markers",
    "content",
    "notes",
)
OPERATIONAL_COLUMNS = (
    "name",
    "low_nm",
    "high_nm",
    "status",
    "source",
    "doi",
    "url_or_page",
    "checked",
    "notes",
)

REMEDY = "The tables ship with vesicula: install it again, or correct the row."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDefinition:
    """A class of vesicle as one review defines it by size.

    Parameters
    ----------
    id : str
        Review and name, such as ``"A:exosome"``.
    review : str
        ``"A"``, ``"B"`` (see data/README.md) or the guideline.
    location : str
        Where in the review it stands.
    name : str
        Name of the class.
    low_nm, high_nm : float
        Diameters that bound it; 0 and infinity where the source leaves an end open.
    notes : str
        Doubts.
    """

    id: str
    review: str
    location: str
    name: str
    low_nm: float
    high_nm: float
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityRule:
    """A condition under which a capture counts as valid, according to one source.

    Parameters
    ----------
    id : str
        Stable, kebab-case.
    instrument : {"NanoSight", "ZetaView", "any"}
        Instrument that it is for.
    quantity : str
        Key that ``vesicula.instruments.nta.validity`` evaluates.
    low, high : float or None
        Limits, both inclusive; None where open.
    unit : str
        Unit of the limits.
    severity : {"warning", "note"}
        How loudly a breach is told.
    text : str
        What a breach means and what to do.
    citation : Citation
        Who set the limit; its note tells whether the source was read.
    checked : bool
        Whether the source, or a stored copy of it, was read when the row was written.
    """

    id: str
    instrument: Literal["NanoSight", "ZetaView", "any"]
    quantity: str
    low: float | None
    high: float | None
    unit: str
    severity: Literal["warning", "note"]
    text: str
    citation: Citation
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PurityBand:
    """A published band of particles per microgram of protein.

    Parameters
    ----------
    id : str
        Stable, kebab-case.
    label : str
        The name that the source gives it.
    low_per_ug, high_per_ug : float
        Bounds; 0 and infinity where open.
    low_included, high_included : bool
        Whether a ratio equal to the bound belongs to the band.
    text : str
        What it means.
    citation : Citation
        Who set it.
    checked : bool
        Whether the source was read when the row was written.
    """

    id: str
    label: str
    low_per_ug: float
    high_per_ug: float
    low_included: bool
    high_included: bool
    text: str
    citation: Citation
    checked: bool

    def contains(self, value: float) -> bool:
        """Return whether a ratio lies in the band."""
        above = value > self.low_per_ug or (self.low_included and value == self.low_per_ug)
        below = value < self.high_per_ug or (self.high_included and value == self.high_per_ug)
        return above and below


@cache
def class_definitions() -> tuple[ClassDefinition, ...]:
    """Return the vesicle classes as the two founding reviews define them by size.

    Returns
    -------
    tuple of ClassDefinition
        In the order of the table; the reviews overlap and disagree, and are not reconciled here.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_class_definitions(_read("ev_classes.csv"), name="ev_classes.csv")


@cache
def operational_definitions() -> tuple[ClassDefinition, ...]:
    """Return the operational size terms of MISEV2023 (small EV, large EV).

    Returns
    -------
    tuple of ClassDefinition
        ``review`` is ``"MISEV2023"``; the ends that the guideline leaves open are 0 and infinity.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_operational(_read("ev_classes_operational.csv"), name="ev_classes_operational.csv")


@cache
def validity_rules() -> tuple[ValidityRule, ...]:
    """Return the rules under which an NTA capture counts as valid.

    Returns
    -------
    tuple of ValidityRule
        In the order of the table; several rows of one quantity show that sources disagree.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_validity_rules(_read("nta_validity.tsv"), name="nta_validity.tsv")


@cache
def purity_bands() -> tuple[PurityBand, ...]:
    """Return the published bands of particles per microgram of protein, lowest first.

    Returns
    -------
    tuple of PurityBand
        They do not touch: what lies between two of them is in no published band.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_purity_bands(_read("purity_bands.tsv"), name="purity_bands.tsv")


def parse_validity_rules(text: str, *, name: str = "nta_validity.tsv") -> tuple[ValidityRule, ...]:
    """Parse a table of validity rules.

    Parameters
    ----------
    text : str
        Tab-separated, with a header of `VALIDITY_COLUMNS`.
    name : str
        Name of the table, for messages.

    Returns
    -------
    tuple of ValidityRule
        One per row.

    Raises
    ------
    UnreadableFile
        When a header, cell or limit is not as described, an id stands twice, or a row has no source.
    """
    rows = _rows(text, name, VALIDITY_COLUMNS, "\t")
    _refuse_duplicates(rows, "id")
    return tuple(_validity_rule(row) for row in rows)


def parse_purity_bands(text: str, *, name: str = "purity_bands.tsv") -> tuple[PurityBand, ...]:
    """Parse a table of purity bands.

    Parameters
    ----------
    text : str
        Tab-separated, with a header of `PURITY_COLUMNS`, lowest band first.
    name : str
        Name of the table, for messages.

    Returns
    -------
    tuple of PurityBand
        One per row.

    Raises
    ------
    UnreadableFile
        When a cell is not as described, or the bands overlap or are not in order.
    """
    rows = _rows(text, name, PURITY_COLUMNS, "\t")
    _refuse_duplicates(rows, "id")
    bands = tuple(_purity_band(row) for row in rows)
    for row, (lower, upper) in zip(rows[1:], pairwise(bands), strict=True):
        touching = lower.high_per_ug == upper.low_per_ug and lower.high_included and upper.low_included
        if lower.high_per_ug > upper.low_per_ug or touching:
            raise row.error("low_per_ug", f"a band above the one before it ({lower.label})")
    return bands


def parse_class_definitions(text: str, *, name: str = "ev_classes.csv") -> tuple[ClassDefinition, ...]:
    """Parse the evidence table of vesicle classes.

    Parameters
    ----------
    text : str
        Comma-separated (RFC 4180), with a header of `CLASS_COLUMNS`.
    name : str
        Name of the table, for messages.

    Returns
    -------
    tuple of ClassDefinition
        One per row.

    Raises
    ------
    UnreadableFile
        When a cell is not as described or a class stands twice in one review.
    """
    found = []
    rows = _rows(text, name, CLASS_COLUMNS, ",")
    for row in rows:
        low, high = row.positive("size_min_nm"), row.positive("size_max_nm")
        if low >= high:
            raise row.error("size_max_nm", "a diameter above size_min_nm")
        review, label = row.filled("review"), row.filled("class")
        found.append(
            ClassDefinition(
                id=f"{review}:{label}",
                review=review,
                location=row.filled("location"),
                name=label,
                low_nm=low,
                high_nm=high,
                notes=row.cell("notes"),
            )
        )
    _refuse_repeated_classes(rows, found, "class")
    return tuple(found)


def parse_operational(text: str, *, name: str = "ev_classes_operational.csv") -> tuple[ClassDefinition, ...]:
    """Parse the table of operational size terms.

    Parameters
    ----------
    text : str
        Comma-separated (RFC 4180), with a header of `OPERATIONAL_COLUMNS`.
    name : str
        Name of the table, for messages.

    Returns
    -------
    tuple of ClassDefinition
        One per row.

    Raises
    ------
    UnreadableFile
        When a cell is not as described, both ends are open, or a row has no source.
    """
    found = []
    rows = _rows(text, name, OPERATIONAL_COLUMNS, ",")
    for row in rows:
        row.citation()
        stated_low, stated_high = row.limit("low_nm"), row.limit("high_nm")
        low = 0.0 if stated_low is None else stated_low
        high = math.inf if stated_high is None else stated_high
        if (stated_low is None and stated_high is None) or low >= high:
            raise row.error("high_nm", "at least one end, the upper above the lower")
        label = row.filled("name")
        found.append(
            ClassDefinition(
                id=f"MISEV2023:{label}",
                review="MISEV2023",
                location=row.filled("source"),
                name=label,
                low_nm=low,
                high_nm=high,
                notes=row.cell("notes"),
            )
        )
    _refuse_repeated_classes(rows, found, "name")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row of a table, which knows where it stands so that it can complain."""

    table: str
    line: int
    cells: dict[str, str]

    def error(self, column: str, expected: str) -> UnreadableFile:
        return UnreadableFile(
            f"vesicula/data/{self.table}",
            where=f"line {self.line}, column {column}",
            expected=expected,
            found=repr(self.cells[column]),
            remedy=REMEDY,
        )

    def cell(self, column: str) -> str:
        return self.cells[column].strip()

    def filled(self, column: str) -> str:
        if not self.cell(column):
            raise self.error(column, "a text that is not empty")
        return self.cell(column)

    def one_of(self, column: str, allowed: tuple[str, ...]) -> str:
        if self.cell(column) not in allowed:
            raise self.error(column, f"one of {', '.join(allowed)}")
        return self.cell(column)

    def limit(self, column: str) -> float | None:
        if not self.cell(column):
            return None
        try:
            value = float(self.cell(column))
        except ValueError:
            raise self.error(column, "a number, or nothing where the limit is open") from None
        if not math.isfinite(value) or value < 0:
            raise self.error(column, "a finite number that is not negative")
        return value

    def positive(self, column: str) -> float:
        value = self.limit(column)
        if value is None or value <= 0:
            raise self.error(column, "a positive number")
        return value

    def citation(self) -> Citation:
        read = self.one_of("checked", ("yes", "memory")) == "yes"
        if read and not self.cell("url_or_page"):
            raise self.error("url_or_page", "where the source was read, as checked says yes")
        hint = self.cells.get("quote_hint", "").strip()
        if read and "quote_hint" in self.cells and not hint:
            raise self.error("quote_hint", "where in the source it stands, as checked says yes")
        where = "; ".join(part for part in (hint, self.cell("url_or_page")) if part)
        note = f"read at the source: {where}" if read else "from memory, not checked against the source"
        return Citation(text=self.filled("source"), doi=self.cell("doi"), note=note)


def _read(name: str) -> str:
    try:
        return files("vesicula.data").joinpath(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(
            f"vesicula/data/{name}", where="whole file", expected="a table in UTF-8", found=str(error), remedy=REMEDY
        ) from error


def _rows(text: str, name: str, columns: tuple[str, ...], delimiter: str) -> list[_Row]:
    # Tab-separated tables are not quoted. In the others, strict refuses a quote that is never closed.
    stream = io.StringIO(text, newline="")
    if delimiter == "\t":
        reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
    rows: list[_Row] = []
    try:
        header = next(reader, [])
        if tuple(header) != columns:
            raise _table_error(name, 1, f"the columns {', '.join(columns)}", ", ".join(header) or "nothing")
        for cells in reader:
            if len(cells) != len(columns):
                raise _table_error(name, reader.line_num, f"{len(columns)} cells", f"{len(cells)}")
            rows.append(_Row(table=name, line=reader.line_num, cells=dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise _table_error(name, reader.line_num, "a well-formed row", str(error)) from error
    if not rows:
        raise _table_error(name, 2, "at least one row", "none")
    return rows


def _table_error(name: str, line: int, expected: str, found: str) -> UnreadableFile:
    return UnreadableFile(f"vesicula/data/{name}", where=f"line {line}", expected=expected, found=found, remedy=REMEDY)


def _refuse_duplicates(rows: list[_Row], column: str) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.filled(column) in seen:
            raise row.error(column, "a name that no row above has")
        seen.add(row.cell(column))


def _refuse_repeated_classes(rows: list[_Row], found: list[ClassDefinition], column: str) -> None:
    seen: set[str] = set()
    for row, definition in zip(rows, found, strict=True):
        if definition.id in seen:
            raise row.error(column, "a class that no row above of the same review has")
        seen.add(definition.id)


def _validity_rule(row: _Row) -> ValidityRule:
    low, high = row.limit("low"), row.limit("high")
    if low is None and high is None:
        raise row.error("low", "a limit in low, high or both")
    if low is not None and high is not None and low > high:
        raise row.error("high", "a limit not below low")
    return ValidityRule(
        id=row.filled("id"),
        instrument=cast("Literal['NanoSight', 'ZetaView', 'any']", row.one_of("instrument", INSTRUMENTS)),
        quantity=row.filled("quantity"),
        low=low,
        high=high,
        unit=row.cell("unit"),
        severity=cast("Literal['warning', 'note']", row.one_of("severity", SEVERITIES)),
        text=row.filled("text"),
        citation=row.citation(),
        checked=row.cell("checked") == "yes",
    )


def _purity_band(row: _Row) -> PurityBand:
    low, high = row.limit("low_per_ug"), row.limit("high_per_ug")
    upper = math.inf if high is None else high
    if low is None or low >= upper:
        raise row.error("low_per_ug", "a number (0 where open) below high_per_ug")
    return PurityBand(
        id=row.filled("id"),
        label=row.filled("label"),
        low_per_ug=low,
        high_per_ug=upper,
        low_included=row.one_of("low_included", ("yes", "no")) == "yes",
        high_included=row.one_of("high_included", ("yes", "no")) == "yes",
        text=row.filled("text"),
        citation=row.citation(),
        checked=row.cell("checked") == "yes",
    )
