"""Splits the text of a NanoSight summary into exports, rows and tables, before any number is read.

The layout was learnt from real exports of NTA 3.2 (Dev Build 3.2.16), 3.3 (Sample Assistant, 3.3.203) and
3.4 (3.4.003): sections in square brackets, rows of a name and one cell per video, rows of any length, and
tables that begin with ``Bin centre`` or ``Percentile``.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vesicula.core.errors import UnreadableFile

if TYPE_CHECKING:
    from pathlib import Path

    from vesicula.instruments.text import TextFile

MAX_LINE = 1_000_000
"""Longest line accepted, in characters: the names of 1,000 videos are a tenth of it."""

MAX_QUOTED_LINES = 20
"""A quoted remark may span lines; a quotation mark left open must not swallow the file."""

SIGNATURE = re.compile(r"^(?:\ufeff|ï»¿)?[\"' \t]*NTA (Experiment|Single Analysis) Summary File", re.MULTILINE)
_CREATED = re.compile(r"\s*[\"']?Created with (?P<software>NTA\b[^,;\t\"]*)", re.IGNORECASE)
_BINS = re.compile(r"^[\"' \t]*Bin cent(?:re|er) \([^)\n]*\)[\"' \t]*([,;\t])", re.IGNORECASE | re.MULTILINE)
_TABLE_END = re.compile(r"\n(?![\"']?[ \t]*[+-]?\.?\d)")
_SECTION = re.compile(r"\[([^\[\]]+)\]")
DATA_SECTIONS = {"size data": "size", "diffusion coefficient data": "diffusion"}
_COMMA_NUMBER = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")
_QUOTED_COMMA_NUMBER = re.compile(r"\"\s*[+-]?\d+,\d")
_POINT_NUMBER = re.compile(r"\s*[+-]?\d*\.\d+(?:[eE][+-]?\d+)?\s*")


class Row(NamedTuple):
    """One line outside a table: `cells` are those after the name, stripped; `line` counts from 1."""

    section: str
    block: int
    key: str
    cells: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A table not yet parsed.

    Parameters
    ----------
    section : str
        ``"size"`` or ``"diffusion"``.
    block : int
        Which ``Weighting`` it follows.
    kind : str
        ``"bins"`` or ``"percentiles"``.
    titles : tuple of str
        Column titles, stripped, without empty ones at the end.
    title_line, first_line : int
        Lines of the titles and of the first row, from 1.
    text : str
        The rows, each ended by a line feed.
    """

    section: str
    block: int
    kind: str
    titles: tuple[str, ...]
    title_line: int
    first_line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One summary as the vendor's software wrote it.

    Parameters
    ----------
    first_line : int
        Where it begins, from 1.
    kind : str
        ``"Experiment"``, ``"Single Analysis"``, or empty when the first line is missing.
    software : str
        What follows ``Created with``.
    separator : str
        Comma, semicolon or tab.
    decimal_comma : bool
        Whether its numbers have decimal commas.
    rows : tuple of Row
        All rows outside tables, in order.
    sections : tuple of Row
        The section lines.
    tables : tuple of RawTable
        All tables, in order.
    """

    first_line: int
    kind: str
    software: str
    separator: str
    decimal_comma: bool
    rows: tuple[Row, ...]
    sections: tuple[Row, ...]
    tables: tuple[RawTable, ...]


def begins_like_a_summary(text: str) -> bool:
    """Return whether a text begins as NanoSight summaries do.

    Parameters
    ----------
    text : str
        The beginning of a file.

    Returns
    -------
    bool
        True for ``NTA Experiment Summary File``, ``NTA Single Analysis Summary File`` or ``Created with
        NTA``.
    """
    start = text.lstrip("\ufeff \t\r\n,;")[:200]
    return bool(SIGNATURE.match(start) or _CREATED.match(start))


def split_exports(file: TextFile) -> tuple[Export, ...]:
    """Split a file into the summaries in it, usually one.

    Parameters
    ----------
    file : TextFile
        The file.

    Returns
    -------
    tuple of Export
        At least one.

    Raises
    ------
    UnreadableFile
        When the text does not begin as a summary, or is no sequence of sections and tables.
    """
    text = file.text
    if not begins_like_a_summary(text):
        raise UnreadableFile(
            file.path,
            where="line 1",
            expected="'NTA Experiment Summary File' or 'NTA Single Analysis Summary File'",
            found=text.lstrip().split("\n", 1)[0],
            remedy="Export the summary again from the NTA software, unchanged.",
        )
    starts = _starts(text)
    if not starts or text[: starts[0]].strip("\ufeff \t\n,;"):
        starts.insert(0, 0)
    ends = [*starts[1:], len(text)]
    return tuple(_export(file.path, text, a, b) for a, b in zip(starts, ends, strict=True))


def _starts(text: str) -> list[int]:
    """Return where title lines begin; looks for their last words, as a pattern at every line is slow."""
    starts = []
    place = text.find("Summary File")
    while place >= 0:
        line = text.rfind("\n", 0, place) + 1
        if place - line < 80 and SIGNATURE.match(text, line):
            starts.append(line)
        place = text.find("Summary File", place + 1)
    return starts


def _export(path: Path, text: str, start: int, end: int) -> Export:
    first_line = text.count("\n", 0, start) + 1
    bins = _BINS.search(text, start, end)
    if bins is None:
        raise UnreadableFile(
            path,
            where=f"export from line {first_line}",
            expected="a table titled 'Bin centre (nm)'",
            found="none up to the end of the export",
            remedy="Export it again with the size distribution included.",
        )
    scanner = _Scanner(path, bins.group(1), first_line)
    scanner.run(text[start:end])
    kind = SIGNATURE.match(text, start)
    created = next((m for r in scanner.rows[:3] if (m := _CREATED.match(r.key))), None)
    return Export(
        first_line=first_line,
        kind=kind.group(1) if kind else "",
        software=created["software"].strip() if created else "",
        separator=bins.group(1),
        # Between commas, a decimal comma can only stand in quotation marks.
        decimal_comma=(bins.group(1) != "," or bool(_QUOTED_COMMA_NUMBER.search(text, start, end)))
        and _decimal_comma(path, scanner),
        rows=tuple(scanner.rows),
        sections=tuple(scanner.sections),
        tables=tuple(scanner.tables),
    )


class _Scanner:
    """Walks over the lines of one export; only tables are taken whole."""

    def __init__(self, path: Path, separator: str, first_line: int) -> None:
        self.path = path
        self.separator = separator
        self.line = first_line
        self.section = ""
        self.block = 0
        self.after_table = False
        self.rows: list[Row] = []
        self.sections: list[Row] = []
        self.tables: list[RawTable] = []

    def run(self, text: str) -> None:
        position = 0
        while position < len(text):
            line, position, lines = self._logical_line(text, position)
            cells = split_cells(line, self.separator, self.path, self.line)
            key = cells[0]
            if "".join(cells):
                if key[:1] == "[" and (match := _SECTION.fullmatch(key)):
                    self._open_section(match.group(1).strip(), cells)
                elif key.startswith(("Bin centre", "Bin center", "Percentile")) and self._in_data():
                    position, lines = self._table(text, position, cells, lines)
                else:
                    self._row(key, cells)
            self.line += lines

    def _in_data(self) -> bool:
        return self.section.lower() in DATA_SECTIONS

    def _logical_line(self, text: str, position: int) -> tuple[str, int, int]:
        """Return a line, where the next begins and how many lines it took: quoted cells may hold some."""
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        if stop - position > MAX_LINE:
            raise UnreadableFile(
                self.path,
                where=f"line {self.line}",
                expected=f"at most {MAX_LINE} characters",
                found=f"{stop - position}",
                remedy="Export it again from the NTA software.",
            )
        line, lines, limit = text[position:stop], 1, stop
        while line.count('"') % 2 and lines < MAX_QUOTED_LINES and limit < len(text):
            following = text.find("\n", limit + 1)
            following = len(text) if following < 0 else following
            addition = text[limit + 1 : following]
            if addition.startswith("["):
                break
            line, lines, limit = f"{line}\n{addition}", lines + 1, following
        if lines > 1 and line.count('"') % 2 == 0:
            return line, limit + 1, lines
        return text[position:stop], stop + 1, 1

    def _open_section(self, name: str, cells: list[str]) -> None:
        if any(name.lower() == s.section.lower() for s in self.sections):
            raise UnreadableFile(
                self.path,
                where=f"line {self.line}",
                expected="each section once in an export",
                found=f"[{name}] a second time",
                remedy="Parts of several exports were joined: give each export whole.",
            )
        self.section, self.block, self.after_table = name, self.block + 1, False
        self.sections.append(Row(name, self.block, name, tuple(cells[1:]), self.line))

    def _row(self, key: str, cells: list[str]) -> None:
        if self._in_data():
            if key == "Weighting":
                self.block, self.after_table = self.block + 1, False
            elif self.after_table:
                raise UnreadableFile(
                    self.path,
                    where=f"line {self.line}",
                    expected="the next row of the table, or its end",
                    found=self.separator.join(cells),
                    remedy="The table is damaged: export it again.",
                )
        self.rows.append(Row(self.section, self.block, key, tuple(cells[1:]), self.line))

    def _table(self, text: str, position: int, cells: list[str], lines: int) -> tuple[int, int]:
        # From the end of the title line: a table without rows ends there.
        match = _TABLE_END.search(text, position - 1)
        stop = match.end() if match else len(text)
        body = text[position:stop]
        if body and not body.endswith("\n"):
            body += "\n"
        titles = list(cells)
        while titles and not titles[-1]:
            titles.pop()
        self.tables.append(
            RawTable(
                section=DATA_SECTIONS[self.section.lower()],
                block=self.block,
                kind="percentiles" if cells[0].startswith("Percentile") else "bins",
                titles=tuple(titles),
                title_line=self.line,
                first_line=self.line + lines,
                text=body,
            )
        )
        self.after_table = True
        return stop, lines + body.count("\n")


def split_cells(line: str, separator: str, path: Path, number: int) -> list[str]:
    """Split one line into stripped cells, minding quotation marks.

    Parameters
    ----------
    line : str
        The line, which may hold line ends inside quotation marks.
    separator : str
        One character.
    path : pathlib.Path
        For the error.
    number : int
        Line number, for the error.

    Returns
    -------
    list of str
        At least one cell.

    Raises
    ------
    UnreadableFile
        When a cell is longer than the csv module takes.
    """
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise UnreadableFile(
            path,
            where=f"line {number}",
            expected="cells in CSV",
            found=str(error),
            remedy="Export it again from the NTA software.",
        ) from error
    return [cell.strip() for row in rows for cell in row] or [""]


def _decimal_comma(path: Path, scanner: _Scanner) -> bool:
    """Decide once per export, on all its numbers outside the tables and the first row of each table."""
    cells = [c for r in scanner.rows if r.section and r.section.lower() != "experiment details" for c in r.cells]
    for table in scanner.tables:
        head = table.text.split("\n", 1)[0]
        cells.extend(split_cells(head, scanner.separator, path, table.first_line))
    commas = [c for c in cells if _COMMA_NUMBER.fullmatch(c)]
    points = [c for c in cells if _POINT_NUMBER.fullmatch(c)]
    if commas and points:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="either decimal points or decimal commas",
            found=f"both: {commas[0]} and {points[0]}",
            remedy="Export it again; editing a file in a spreadsheet can change some of its numbers.",
        )
    return bool(commas)
