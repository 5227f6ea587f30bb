"""Cells of a table file as text: CSV, TSV, XLSX, each perhaps compressed; strict about what is cut off."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import SourceFile

MAX_BYTES = 256 * 1024 * 1024
"""Largest table accepted, unpacked: memory must stay bounded, and protein tables are tens of MB."""

MAX_CELLS = 20_000_000
"""Largest grid of a sheet: 100,000 rows of 200 columns. Excel allows 17 thousand million, in a file of any size."""

_CELL = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
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
    # A field larger than this is not one of a protein table; without a limit a stray quote eats the file. The limit is
    # the csv module's, for all of the process: it is put back.
    before = csv.field_size_limit(4 * 1024 * 1024)
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
    finally:
        csv.field_size_limit(before)
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


def _check_archive(path: Path, data: bytes) -> None:
    """Refuse a workbook that unpacks to more than it says or than is accepted, or whose cells span a huge grid.

    A directory of a ZIP file may lie about sizes, so each entry is unpacked here under a limit. And a sheet with two
    cells in opposite corners is a few bytes of file but 17 thousand million cells of grid, once it is laid out.
    """
    total = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            plain = _inflated(data, entry, MAX_BYTES - total)
            if plain is None:
                raise _too_large(path, MAX_BYTES + 1)
            total += len(plain)
            if entry.filename.startswith("xl/worksheets/") and (area := _area(plain)) > MAX_CELLS:
                raise UnreadableFile(
                    path,
                    where=entry.filename,
                    expected=f"at most {MAX_CELLS} cells",
                    found=f"{area}",
                    remedy="Delete stray cells far from the table, or export it as TSV.",
                )


def _inflated(data: bytes, entry: zipfile.ZipInfo, limit: int) -> bytes | None:
    """Return an entry's bytes as they unpack, whatever its directory says; None when more than `limit`."""
    start = entry.header_offset
    names = sum(int.from_bytes(data[start + k : start + k + 2], "little") for k in (26, 28))
    raw = data[start + 30 + names : start + 30 + names + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        return raw if len(raw) <= limit else None
    if entry.compress_type != zipfile.ZIP_DEFLATED or entry.flag_bits & 1:
        raise zipfile.BadZipFile(f"{entry.filename}: packed or encrypted in a way that no spreadsheet uses")
    try:
        plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, limit + 1)
    except zlib.error as error:
        raise zipfile.BadZipFile(f"{entry.filename}: {error}") from None
    return plain if len(plain) <= limit else None


def _area(sheet: bytes) -> int:
    """Return rows times columns of the smallest grid from A1 that holds all cells of a sheet."""
    rows = columns = 0
    for letters, digits in _CELL.findall(sheet):
        rows = max(rows, int(digits))
        columns = max(columns, sum((c - 64) * 26**k for k, c in enumerate(reversed(letters))))
    return rows * columns


def _sheet(path: Path, data: bytes, sheet: str | None) -> tuple[list[tuple[int, list[str]]], int]:
    from python_calamine import CalamineError  # only where there is a workbook

    try:
        grid = _grid(path, data, sheet)
    except UnreadableFile:
        raise
    # A damaged directory of a ZIP file shows in many ways, names that are no text among them.
    except (CalamineError, zipfile.BadZipFile, struct.error, OSError, LookupError, ValueError, RuntimeError) as error:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="an XLSX workbook",
            found=f"one that cannot be opened ({error})",
            remedy="It may be cut off or protected by a password: save it again, or export CSV.",
        ) from error
    dates = sum(isinstance(cell, date | time) for row in grid for cell in row)
    return [(n, [_cell(cell) for cell in row]) for n, row in enumerate(grid, start=1)], dates


def _grid(path: Path, data: bytes, sheet: str | None) -> Sequence[Sequence[object]]:
    """Return the cells of a sheet, once the archive is known to be harmless."""
    from python_calamine import CalamineWorkbook

    _check_archive(path, data)
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
    return workbook.get_sheet_by_name(names[0] if sheet is None else sheet).to_python()


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
