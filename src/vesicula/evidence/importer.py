"""A lab's own claims: a CSV or YAML file of the form of studies.csv, checked row by row. Nothing is half imported.

A file that is not UTF-8 is refused, not guessed at: nearly every file can be read as Windows-1252, with wrong letters
in silence where it is something else (one of our own sources shows it). The refusal shows how the line would read, and
`encoding` then says so explicitly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vesicula.core.errors import shorten
from vesicula.evidence.checks import NCT, OWN, REVIEW_NUMBER, check_row, check_together
from vesicula.evidence.content import Content, DraftClaim, DraftReference, DraftTable
from vesicula.evidence.errors import ImportRefused
from vesicula.evidence.fold import split_list
from vesicula.evidence.model import CLAIM_COLUMNS, Mention, Problem, Revision, Source, TableEntry
from vesicula.evidence.rows import MAX_FILE_BYTES, Row, csv_rows
from vesicula.evidence.store import Store
from vesicula.evidence.yaml_rows import yaml_rows

BYTE_ORDER_MARKS_16 = {b"\xff\xfe", b"\xfe\xff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did: the revision that it became, and the names in it that no single identifier stands for."""

    revision: Revision
    unidentified: tuple[Mention, ...]


def add_file(
    store: Store,
    path: Path,
    *,
    author: str | None = None,
    encoding: str | None = None,
    revise: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Check a lab's file and add all of it to a store, or nothing.

    Parameters
    ----------
    store : Store
        An open store.
    path : pathlib.Path
        A ``.csv``, ``.yaml`` or ``.yml`` file.
    author : str, optional
        By default the user's name on this machine.
    encoding : str, optional
        The file's encoding where it is not UTF-8, such as ``windows-1252``.
    revise : bool
        Whether claims with an id that this source already has are replaced.
    progress : callable, optional
        Told, now and then, how many claims of how many are written; not while the file is checked.

    Returns
    -------
    ImportReport
        The new revision.

    Raises
    ------
    ImportRefused
        With every problem of every row.
    StoreError
        If the store cannot be written.
    """
    revision = store.add(read_claims(path, encoding=encoding), author=author, revise=revise, progress=progress)
    return ImportReport(revision=revision, unidentified=store.unidentified(revision.revision))


def read_claims(path: Path, *, encoding: str | None = None) -> Content:
    """Read and check a lab's file.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv``, ``.yaml`` or ``.yml`` file.
    encoding : str, optional
        The file's encoding where it is not UTF-8.

    Returns
    -------
    Content
        Ready for :meth:`vesicula.evidence.store.Store.add`.

    Raises
    ------
    ImportRefused
        With every problem of every row.
    """
    raw = _read(path)
    text = decode(path, raw, encoding)
    if path.suffix.lower() in {".yaml", ".yml"}:
        rows, problems = yaml_rows(text)
    elif path.suffix.lower() == ".csv":
        rows, problems = csv_rows(text)
    else:
        raise _refuse(path, f"expected a .csv, .yaml or .yml file, found {path.suffix or 'no extension'}")
    for row in rows:
        problems += check_row(row)
    problems += check_together(rows)
    if not rows and not problems:
        problems.append(Problem(row=0, line=0, column="", message="the file holds no claims"))
    if problems:
        raise ImportRefused(path, sorted(problems, key=lambda p: (p.row, p.line)))
    return _content(path, raw, rows)


def _refuse(path: Path, message: str, line: int = 0) -> ImportRefused:
    return ImportRefused(path, [Problem(row=0, line=line, column="", message=message)])


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _refuse(
                path,
                f"expected at most {MAX_FILE_BYTES // 2**20} MiB, found {size // 2**20}. Cut it in parts",
            )
        return path.read_bytes()
    except OSError as error:
        raise _refuse(path, f"it cannot be read: {error.strerror}") from error


def decode(path: Path, raw: bytes, encoding: str | None) -> str:
    """Return the file's text.

    Parameters
    ----------
    path : pathlib.Path
        For the error.
    raw : bytes
        The file.
    encoding : str, optional
        As named by the user; UTF-8 if not, where a byte order mark is skipped.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ImportRefused
        If a byte does not fit.
    """
    try:
        return raw.decode("utf-8-sig" if encoding is None else encoding)
    except LookupError as error:
        raise _refuse(path, f"the encoding {encoding!r} is not known. Try utf-8 or windows-1252") from error
    except UnicodeDecodeError as error:
        if encoding is not None:
            message = f"byte {error.start + 1} is not {encoding}. Save the file as UTF-8"
            raise _refuse(path, message, _line(raw, error.start)) from error
        if raw[:2] in BYTE_ORDER_MARKS_16:
            raise _refuse(path, "the file is UTF-16 ('Unicode text'). Save it as CSV UTF-8") from error
        around = raw[max(0, error.start - 20) : error.start + 20].decode("windows-1252", errors="replace")
        message = (
            f"byte {error.start + 1} is not UTF-8. As Windows-1252 it reads {shorten(around)!r}: if that is right, "
            "import with --encoding windows-1252, or save the file as CSV UTF-8"
        )
        raise _refuse(path, message, _line(raw, error.start)) from error


def _line(raw: bytes, position: int) -> int:
    return raw.count(b"\n", 0, position) + 1


def _content(path: Path, raw: bytes, rows: Sequence[Row]) -> Content:
    source = rows[0].cells["review"]
    table = f"{source}/claims"
    references: dict[str, DraftReference] = {}
    claims = [_claim(row.cells, source, table, references) for row in rows]
    entry = TableEntry(table=table, source=source, title=f"Claims of {source}", kind="claims")
    return Content(
        source=source,
        note=f"{len(claims)} claims",
        file_name=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        sources=[
            Source(
                source=source,
                title=f"Claims of {source}",
                citation="own curation",
                doi="",
                licence="",
                revision=0,
            )
        ],
        tables=[DraftTable(entry=entry, columns=CLAIM_COLUMNS)],
        references=list(references.values()),
        claims=claims,
    )


def _claim(cells: dict[str, str], source: str, table: str, references: dict[str, DraftReference]) -> DraftClaim:
    cited = []
    for entry in split_list(cells["reference_numbers"]):
        if match := REVIEW_NUMBER.fullmatch(entry):
            cited.append((f"review-{match[1].lower()}", match[2]))
            continue
        number = entry if entry == OWN or NCT.fullmatch(entry) else entry.lower()
        references.setdefault(number, _reference(source, number, position=len(references) + 1))
        cited.append((source, number))
    return DraftClaim(
        cells={name: cells[name] for name in CLAIM_COLUMNS},
        source=source,
        table=table,
        part="",
        group="",
        references=tuple(dict.fromkeys(cited)),
        doubts=tuple(("curator", text) for text in split_list(cells.get("doubts", ""))),
    )


def _reference(source: str, number: str, *, position: int) -> DraftReference:
    kind, _, identifier = number.partition(":")
    return DraftReference(
        source=source,
        number=number,
        table=f"{source}/references",
        position=position,
        citation=f"own data of {source}" if number == OWN else number,
        doi=identifier if kind == "doi" else "",
        pmid=identifier if kind == "pmid" else "",
    )
