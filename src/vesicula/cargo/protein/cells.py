"""Cells of a table file as text: CSV, TSV, XLSX, each perhaps compressed; strict about what is cut off."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import SourceFile

MAX_BYTES = 256 * 1024 * 1024
"""Largest table accepted, unpacked: memory must stay bounded, and protein tables are tens of MB."""

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    r"""A table as text.

    Parameters
    ----------
    path : pathlib.Path
        Where it was.
    source : SourceFile
        Name, hash and size.
    rows : tuple of tuple of (int, list of str)
        Line or row number, counted from 1, and the cells; empty rows left out.
    delimiter : str
        ``"\\t"``, ``","``, ``";"``, or ``""`` for a spreadsheet, whose numbers need no decimal mark.
    dates : int
        Cells that a spreadsheet holds as a date or time: gene symbols turned into dates, as a rule.
    """

    path: Path
    source: SourceFile
    rows: tuple[tuple[int, list[str]], ...]
    delimiter: str
    dates: int = 0


def load_cells(path: Path, *, sheet: str | None = None) -> Cells:
    """Read a table's cells.

    Parameters
    ----------
    path : pathlib.Path
        CSV, TSV or other delimited text, plain or gzip, or an XLSX workbook.
    sheet : str or None
        Sheet of a workbook; None takes the first.

    Returns
    -------
    Cells
        At least a header and one row.

    Raises
    ------
    UnreadableFile
        When it is missing, empty, binary, cut off or too large.
    """
    data = _bytes(path)
    source = SourceFile(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    if data.startswith(b"PK\x03\x04"):
        rows, dates = _sheet(path, data, sheet)
        delimiter = ""
    else:
        text = _text(path, _unpacked(path, data))
        delimiter = _delimiter(text)
        rows, dates = _split(path, text, delimiter), 0
    filled = tuple((n, row) for n, row in rows if any(cell.strip() for cell in row) and not row[0].startswith("#!"))
    if len(filled) < 2:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a header and at least one protein",
            found="a header without rows" if filled else "no rows",
            remedy="Export the table again; an interrupted export leaves such a file.",
        )
    return Cells(path=path, source=source, rows=filled, delimiter=delimiter, dates=dates)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise UnreadableFile(
                path, where="whole file", expected="a regular file", found="none there", remedy="Check the path."
            )
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path, path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(
            path, where="whole file", expected="a readable file", found=str(error), remedy="Check its permissions."
        ) from error
    if not data.strip():
        raise UnreadableFile(
            path, where="whole file", expected="a protein table", found="an empty file", remedy="Export it again."
        )
    return data


def _too_large(path: Path, size: int) -> UnreadableFile:
    return UnreadableFile(
        path,
        where="whole file",
        expected=f"at most {MAX_BYTES} bytes",
        found=f"{size} bytes",
        remedy="Give the protein-level table (such as pg_matrix), not the precursor or fragment report.",
    )


def _unpacked(path: Path, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            plain = packed.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(
            path,
            where="end of the file",
            expected="a whole gzip file",
            found=f"one that is cut off or damaged ({error})",
            remedy="Copy or download it again and compare its size.",
        ) from error
    if len(plain) > MAX_BYTES:
        raise _too_large(path, len(plain))
    return plain


def _text(path: Path, data: bytes) -> str:
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    if encoding is None:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
    else:
        text = data.decode(encoding, errors="replace")
    if "\x00" in text:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="text or an XLSX workbook",
            found="binary data",
            remedy="Export the protein table as text (TSV, CSV) or XLSX.",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    head = re.sub(r'"[^"]*"', "", text.lstrip("\n").split("\n", 1)[0])
    return max(("\t", ";", ","), key=head.count)


def _split(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    # A field larger than this is not one of a protein table; without a limit a stray quote eats the file.
    csv.field_size_limit(4 * 1024 * 1024)
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise UnreadableFile(
            path,
            where=f"line {reader.line_num}",
            expected="delimited text",
            found=str(error),
            remedy="Check for a quotation mark that is never closed.",
        ) from error
    return rows


def check_widths(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    """Refuse rows that are shorter or longer than the header.

    Raises
    ------
    UnreadableFile
        Naming the first such line; the last line of a file that is cut off is the usual case.
    """
    for place, (line, row) in enumerate(rows):
        if len(row) == len(header) or (len(row) > len(header) and not any(row[len(header) :])):
            continue
        last = place == len(rows) - 1
        raise UnreadableFile(
            path,
            where=f"line {line}",
            expected=f"{len(header)} columns",
            found=f"{len(row)}{', on the last line' if last else ''}",
            remedy="The file is cut off: export or copy it again."
            if last
            else "A separator or quotation mark within a cell moves the columns; export it again as TSV.",
        )


def _sheet(path: Path, data: bytes, sheet: str | None) -> tuple[list[tuple[int, list[str]]], int]:
    from python_calamine import CalamineError, CalamineWorkbook  # only where there is a workbook

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise _too_large(path, size)
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise UnreadableFile(
                path,
                where="whole file",
                expected=f"a sheet {sheet!r}",
                found=", ".join(names),
                remedy="Name one of the sheets that are there.",
            )
        grid = workbook.get_sheet_by_name(names[0] if sheet is None else sheet).to_python()
    except (CalamineError, zipfile.BadZipFile, OSError, IndexError) as error:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="an XLSX workbook",
            found=f"one that cannot be opened ({error})",
            remedy="It may be cut off or protected by a password: save it again, or export CSV.",
        ) from error
    dates = sum(isinstance(cell, date | time) for row in grid for cell in row)
    return [(n, [_cell(cell) for cell in row]) for n, row in enumerate(grid, start=1)], dates


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
