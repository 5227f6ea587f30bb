"""Tables of microRNA targets that a user holds: miRTarBase's, or a plain table. Read, never packaged.

miRTarBase is free for research and may not be redistributed, so it does not come with vesicula. Every row is checked;
a table with a bad row is refused as a whole, as an import of claims is.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vesicula.core.errors import UnreadableFile, shorten
from vesicula.evidence.errors import ImportRefused
from vesicula.evidence.model import Problem

MIRTARBASE = "mirtarbase"
HUMAN = "Homo sapiens"
MAX_BYTES = 512 * 2**20
"""Of the unpacked table. miRTarBase 9 with all species is about 10 times smaller [from memory, unchecked]."""

MAX_CELL = 10_000
MAX_PROBLEMS = 50
"""So many problems are listed; with more the table is of another kind."""

COLUMNS = {
    "mirna": ("miRNA", "mirna"),
    "target": ("Target Gene", "target"),
    "support": ("Support Type", "support"),
    "pmid": ("References (PMID)", "pmid"),
    "mirna_species": ("Species (miRNA)",),
    "target_species": ("Species (Target Gene)",),
    "experiments": ("Experiments",),
    "source": ("source",),
    "row_id": ("miRTarBase ID",),
}
"""Our names, and the headings that mean them: miRTarBase's and the plain table's. Others are left aside."""

NEEDED = ("mirna", "target", "support", "pmid")
TEXTS = ("support", "experiments", "source", "row_id")
FORMULA = ("=", "+", "@")
NAME = re.compile(r"[A-Za-z0-9][^\x00-\x1f=\"]{0,99}")
MIRNA = re.compile(r"(?:[a-z]{3,4}-)?(?:mir|let|lin|bantam)[-\w.*/]*", re.IGNORECASE)
SEPARATOR = re.compile(r"[;|,] ?")
PMIDS = re.compile(r"\d{1,8}(?:\.0)?(?:[;|,] ?\d{1,8}(?:\.0)?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """A reported target of a microRNA.

    Attributes
    ----------
    line : int
        Of the file.
    mirna, target : str
        As printed: ``hsa-miR-21-5p``, ``PTEN``.
    support, experiments : str
        As printed, such as "Functional MTI (Weak)"; empty where the table does not say.
    pmids : tuple of str
        References.
    origin : str
        "mirtarbase", or what the table's column ``source`` says.
    row_id : str
        miRTarBase's identifier.
    """

    line: int
    mirna: str
    target: str
    support: str
    experiments: str
    pmids: tuple[str, ...]
    origin: str
    row_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """A table of targets: its file, its human rows, and how many rows of other species were left aside."""

    path: str
    rows: tuple[TargetRow, ...]
    other_species: int


def read_targets(path: Path) -> Targets:
    """Read a table of microRNA targets.

    Parameters
    ----------
    path : pathlib.Path
        ``.csv`` (comma), ``.tsv`` or ``.txt`` (tab), also with ``.gz``: miRTarBase's columns, or mirna, target,
        support, pmid and, if there is one, source. UTF-8.

    Returns
    -------
    Targets
        Rows in the order of the file; those that name another species than man are counted, not kept.

    Raises
    ------
    UnreadableFile
        If it is no such table.
    ImportRefused
        With the problems of its rows.
    """
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith((".csv", ".tsv", ".txt")):
        raise _refused(path, "a .csv, .tsv or .txt table", path.suffix or "no extension", "Save the sheet as CSV UTF-8")
    text = _text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="," if name.endswith(".csv") else "\t", strict=True)
    rows = _lines(path, lines)
    _, heading = next(rows, (0, []))
    places = _places(path, heading)
    return _collect(path, rows, places, len(heading))


def _refused(path: Path, expected: str, found: str, remedy: str, where: str = "whole file") -> UnreadableFile:
    return UnreadableFile(path, where=where, expected=expected, found=found, remedy=remedy)


def _text(path: Path) -> str:
    try:
        opened = gzip.open if path.name.lower().endswith(".gz") else open
        with opened(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise _refused(path, "a readable file", found, "Check the path, or fetch the file again") from error
    if len(raw) > MAX_BYTES:
        raise _refused(path, f"at most {MAX_BYTES // 2**20} MiB", "more", "Keep the rows of one species")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte {error.start + 1} is not UTF-8"
        raise _refused(path, "UTF-8 text", found, "Save the file as CSV UTF-8", f"line {line}") from error


def _lines(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines' numbers and cells; a quotation mark that is never closed is the end of it."""
    number: Callable[[], int] = lambda: reader.line_num  # type: ignore[attr-defined]  # noqa: E731
    while True:
        start = number() + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            remedy = "Close the quotation mark, or export the table again"
            expected = "cells separated as the extension says"
            raise _refused(path, expected, str(error), remedy, f"line {start}") from error
        if cells is None:
            return
        plain = [cell.strip() for cell in cells]
        if any(plain):
            yield start, plain


def _places(path: Path, heading: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for ours, theirs in COLUMNS.items():
        found = [number for number, cell in enumerate(heading) if cell in theirs]
        if len(found) > 1:
            raise _refused(path, f"one column {theirs[0]!r}", f"{len(found)}", "Remove the others", "line 1")
        if found:
            places[ours] = found[0]
    missing = [COLUMNS[name] for name in NEEDED if name not in places]
    if missing:
        wanted = ", ".join(" or ".join(repr(n) for n in names) for names in missing)
        remedy = "Give miRTarBase's own headings, or mirna, target, support, pmid and source"
        raise _refused(path, f"a column {wanted}", ", ".join(heading) or "an empty file", remedy, "line 1")
    return places


def _collect(path: Path, lines: Iterable[tuple[int, list[str]]], places: dict[str, int], width: int) -> Targets:
    rows: list[TargetRow] = []
    problems: list[Problem] = []
    others = total = 0
    default = MIRTARBASE if "row_id" in places else "targets table"
    for total, (line, cells) in enumerate(lines, start=1):
        if not _is_plain(cells, places, width):
            found = _problems(cells, places, width)
            problems += [Problem(row=total, line=line, column=c, message=m) for c, m in found]
            if len(problems) >= MAX_PROBLEMS:
                break
            continue
        cell = {name: cells[place] for name, place in places.items()}
        if cell.get("mirna_species", HUMAN) != HUMAN or cell.get("target_species", HUMAN) != HUMAN:
            others += 1
            continue
        rows.append(_row(line, cell, default))
    if not total and not problems:
        problems.append(Problem(row=0, line=0, column="", message="the table has a heading and no rows"))
    if problems:
        raise ImportRefused(path, problems)
    return Targets(path=path.name, rows=tuple(rows), other_species=others)


def _row(line: int, cell: dict[str, str], default: str) -> TargetRow:
    return TargetRow(
        line=line,
        mirna=cell["mirna"],
        target=cell["target"],
        support=cell["support"],
        experiments=cell.get("experiments", ""),
        pmids=tuple(p.removesuffix(".0") for p in SEPARATOR.split(cell["pmid"]) if p),
        origin=cell.get("source", "") or default,
        row_id=cell.get("row_id", ""),
    )


def _is_plain(cells: list[str], places: dict[str, int], width: int) -> bool:
    """Return whether nothing is wrong with a row; quick, as tables have half a million of them."""
    if len(cells) != width or len(max(cells, key=len)) > MAX_CELL:
        return False
    pmid = cells[places["pmid"]]
    return (
        MIRNA.fullmatch(cells[places["mirna"]]) is not None
        and NAME.fullmatch(cells[places["target"]]) is not None
        and (not pmid or PMIDS.fullmatch(pmid) is not None)
        and not any(name in places and cells[places[name]].startswith(FORMULA) for name in TEXTS)
    )


def _problems(cells: list[str], places: dict[str, int], width: int) -> Iterator[tuple[str, str]]:
    """Yield column and message of everything that is wrong with a row."""
    if len(cells) != width:
        yield "", f"expected {width} cells as in the heading, found {len(cells)}"
        return
    long = max(cells, key=len)
    if len(long) > MAX_CELL:
        yield "", f"expected cells of at most {MAX_CELL} characters, found {len(long)}: {shorten(long)}"
        return
    checks = (
        ("mirna", MIRNA, "a microRNA such as hsa-miR-21-5p"),
        ("target", NAME, "a gene symbol"),
        ("pmid", PMIDS, "PubMed numbers, or nothing"),
    )
    for name, form, expected in checks:
        text = cells[places[name]]
        if not (name == "pmid" and not text) and not form.fullmatch(text):
            yield name, f"expected {expected}, found {shorten(text)!r}"
    for name in TEXTS:
        if name in places and cells[places[name]].startswith(FORMULA):
            yield name, f"expected text, found a formula: {shorten(cells[places[name]])!r}"
