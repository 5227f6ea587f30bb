"""Writing one revision into a store. Runs inside the caller's transaction: all of it is kept, or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select, update

from vesicula.evidence import schema
from vesicula.evidence.content import Content, DraftClaim, DraftRow, DraftTable
from vesicula.evidence.fold import fold
from vesicula.evidence.identify import available, identify
from vesicula.evidence.model import Source

CHUNK = 2000

# PostgreSQL: the words are already folded and separated by spaces, no language's rules may touch them again.
CLAIM_WORDS = "CREATE INDEX claim_words ON claim USING gin (array_to_tsvector(string_to_array(search_text, ' ')))"

TRIAL_COLUMNS = (
    "nct_id",
    "title",
    "condition",
    "phase",
    "participants",
    "cell_source",
    "route",
    "country",
    "product",
    "as_of",
    "dose",
    "highest_dose",
    "dose_units",
    "number_of_doses",
    "dose_frequency_days",
    "notes",
    "url",
)


@dataclass(slots=True, kw_only=True)
class Numbers:
    """The last numbers in use, counted up while writing (the writers' lock keeps others away)."""

    revision: int
    claim: int
    term: int
    doubt: int
    terms: dict[tuple[str, str], int] = field(default_factory=dict)


def chunks(rows: Iterable[dict[str, Any]], size: int = CHUNK) -> Iterator[list[dict[str, Any]]]:
    """Cut rows into lists of at most `size`."""
    iterator = iter(rows)
    while block := list(islice(iterator, size)):
        yield block


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows that all have the same keys. The statement is the driver's own, much faster than rows by name."""
    for block in chunks(rows):
        names = list(block[0])
        columns = ", ".join(f'"{name}"' for name in names)
        values = [tuple(row[name] for name in names) for row in block]
        if connection.dialect.name == "postgresql":
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(names))
            # Names are those of our schema.
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", values)  # noqa: S608


def write_revision(
    connection: Connection,
    content: Content,
    *,
    author: str,
    retire: Sequence[int] = (),
    identify_names: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Add a revision.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        The writing one; see :func:`vesicula.evidence.engine.writing`.
    content : Content
        What it brings.
    author : str
        Who adds it.
    retire : sequence of int
        Claims that it replaces.
    identify_names : bool
        Whether to look up identifiers of names that are new to the store.
    progress : callable, optional
        Told, now and then, how many claims of how many are written.

    Returns
    -------
    int
        Its number.
    """
    numbers = last_numbers(connection)
    number = numbers.revision + 1
    last_claim = numbers.claim + len(content.claims)
    connection.execute(
        insert(schema.revision).values(
            _revision_row(connection, content, number=number, author=author, last_claim=last_claim)
        )
    )
    _insert(connection, schema.source, ({**_fields(s), "revision": number} for s in content.sources))
    _insert(connection, schema.source_table, _table_rows(connection, content, number))
    _insert(connection, schema.reference, _reference_rows(content, number))
    _insert(connection, schema.trial, (_trial_row(r, number) for r in content.rows if r.trial is not None))
    _insert(connection, schema.source_row, (_other_row(r, number) for r in content.rows if r.trial is None))
    _insert(connection, schema.retirement, ({"claim_id": c, "revision": number} for c in retire))
    for done in _write_claims(connection, content.claims, numbers, number, identify_names=identify_names):
        if progress is not None:
            progress(done, len(content.claims))
    _insert(connection, schema.doubt, _row_doubts(content.rows, numbers, number))
    return number


def row_values(content: Content, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a content for a table of the store that is not of claims, without their revision."""
    rows: Iterable[dict[str, Any]]
    if kind == "source":
        rows = map(_fields, content.sources)
    elif kind == "source_table":
        rows = (_table_row(t, 0, 0) for t in content.tables)
    elif kind == "reference":
        rows = _reference_rows(content, 0)
    elif kind == "trial":
        rows = (_trial_row(r, 0) for r in content.rows if r.trial is not None)
    else:
        rows = (_other_row(r, 0) for r in content.rows if r.trial is None)
    for row in rows:
        yield {name: value for name, value in row.items() if name != "revision"}


def last_numbers(connection: Connection) -> Numbers:
    """Return the last numbers in use."""

    def highest(column: Column[int]) -> int:
        return int(connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one())

    return Numbers(
        revision=highest(schema.revision.c.revision),
        claim=highest(schema.claim.c.claim_id),
        term=highest(schema.term.c.term_id),
        doubt=highest(schema.doubt.c.doubt_id),
    )


def _revision_row(
    connection: Connection, content: Content, *, number: int, author: str, last_claim: int
) -> dict[str, Any]:
    before = connection.execute(
        select(schema.revision.c.digest).where(schema.revision.c.revision == number - 1)
    ).scalar_one_or_none()
    digest = hashlib.sha256(f"{before or ''}\n{content.source}\n{content.sha256}".encode()).hexdigest()
    return {
        "revision": number,
        "version": f"{number}-{digest[:12]}",
        "digest": digest,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": content.source,
        "author": author,
        "note": content.note,
        "file_name": content.file_name,
        "sha256": content.sha256,
        "claims": len(content.claims),
        "last_claim_id": last_claim,
    }


def _fields(source: Source) -> dict[str, Any]:
    return {name: getattr(source, name) for name in ("source", "title", "citation", "doi", "licence")}


def _table_rows(connection: Connection, content: Content, revision: int) -> Iterator[dict[str, Any]]:
    first = int(connection.execute(select(func.count()).select_from(schema.source_table)).scalar_one())
    for position, table in enumerate(content.tables, start=first + 1):
        yield _table_row(table, position, revision)


def _table_row(table: DraftTable, position: int, revision: int) -> dict[str, Any]:
    return {
        "table_id": table.entry.table,
        "revision": revision,
        "position": position,
        "source": table.entry.source,
        "title": table.entry.title,
        "kind": table.entry.kind,
        "columns": json.dumps(table.columns, ensure_ascii=False),
    }


def _reference_rows(content: Content, revision: int) -> Iterator[dict[str, Any]]:
    for row in content.references:
        yield {
            "source": row.source,
            "number": row.number,
            "revision": revision,
            "table_id": row.table,
            "position": row.position,
            "first_author": row.first_author,
            "year": row.year,
            "citation": row.citation,
            "number_inferred": int(row.number_inferred),
            "doi": row.doi,
            "pmid": row.pmid,
        }


def _trial_row(row: DraftRow, revision: int) -> dict[str, Any]:
    cells = row.trial or {}
    return {
        **{name: cells.get(name, "") for name in TRIAL_COLUMNS},
        "table_id": row.table,
        "position": row.position,
        "revision": revision,
        "source": row.source,
        "part": row.part,
        "printed": json.dumps(row.printed, ensure_ascii=False),
    }


def _other_row(row: DraftRow, revision: int) -> dict[str, Any]:
    return {
        "table_id": row.table,
        "position": row.position,
        "revision": revision,
        "part": row.part,
        "doi": row.doi,
        "printed": json.dumps(row.printed, ensure_ascii=False),
    }


def _row_doubts(rows: Sequence[DraftRow], numbers: Numbers, revision: int) -> Iterator[dict[str, Any]]:
    for row in rows:
        for kind, text in row.doubts:
            numbers.doubt += 1
            yield {
                "doubt_id": numbers.doubt,
                "revision": revision,
                "claim_id": None,
                "table_id": row.table,
                "row_id": (row.trial or {}).get("nct_id") or str(row.position),
                "position": row.position,
                "kind": kind,
                "text": text,
            }


def _write_claims(
    connection: Connection,
    claims: Sequence[DraftClaim],
    numbers: Numbers,
    revision: int,
    *,
    identify_names: bool,
) -> Iterator[int]:
    """Write claims block by block; yield how many are written."""
    for start in range(0, len(claims), CHUNK):
        block = claims[start : start + CHUNK]
        numbered = list(enumerate(block, start=numbers.claim + 1))
        numbers.claim += len(block)
        _insert(connection, schema.claim, (_claim_row(n, c, revision) for n, c in numbered))
        mentions = [(n, role, position, text) for n, c in numbered for role, position, text in c.mentions]
        _number_terms(connection, mentions, numbers, revision, identify_names=identify_names)
        _insert(
            connection,
            schema.mention,
            ({"claim_id": n, "term_id": numbers.terms[role, text], "position": p} for n, role, p, text in mentions),
        )
        _insert(
            connection,
            schema.direction,
            (
                {"claim_id": n, "position": position, "molecule": molecule, "change": change}
                for n, c in numbered
                for position, (molecule, change) in enumerate(c.directions)
            ),
        )
        _insert(
            connection,
            schema.claim_reference,
            (
                {"claim_id": n, "position": position, "source": source, "number": number}
                for n, c in numbered
                for position, (source, number) in enumerate(c.references)
            ),
        )
        _insert(connection, schema.doubt, _claim_doubts(numbered, numbers, revision))
        index_text(connection, [(n, c.search_text) for n, c in numbered])
        yield start + len(block)


def _claim_row(number: int, claim: DraftClaim, revision: int) -> dict[str, Any]:
    return {
        **claim.cells,
        "claim_id": number,
        "revision": revision,
        "source": claim.source,
        "table_id": claim.table,
        "part": claim.part,
        "group_name": claim.group,
        "search_text": claim.search_text,
    }


def _claim_doubts(
    numbered: Sequence[tuple[int, DraftClaim]], numbers: Numbers, revision: int
) -> Iterator[dict[str, Any]]:
    for number, claim in numbered:
        for kind, text in claim.doubts:
            numbers.doubt += 1
            yield {
                "doubt_id": numbers.doubt,
                "revision": revision,
                "claim_id": number,
                "table_id": claim.part or claim.table,
                "row_id": claim.cells["record_id"],
                "position": 0,
                "kind": kind,
                "text": text,
            }


def _number_terms(
    connection: Connection,
    mentions: Sequence[tuple[int, str, int, str]],
    numbers: Numbers,
    revision: int,
    *,
    identify_names: bool,
) -> None:
    """Give each name that is new to the store a number, and its identifiers where they can be looked up."""
    wanted = sorted({(role, text) for _, role, _, text in mentions} - numbers.terms.keys())
    texts = sorted({text for _, text in wanted})
    for start in range(0, len(texts), 500):
        found = connection.execute(
            select(schema.term.c.role, schema.term.c.text, schema.term.c.term_id).where(
                schema.term.c.text.in_(texts[start : start + 500])
            )
        )
        numbers.terms.update({(role, text): number for role, text, number in found})
    rows = []
    for role, text in wanted:
        if (role, text) not in numbers.terms:
            numbers.term += 1
            numbers.terms[role, text] = numbers.term
            row = {
                "term_id": numbers.term,
                "revision": revision,
                "role": role,
                "text": text,
                "folded": f" {fold(text)} ",
                **_identifier_columns(role, text, revision, wanted=identify_names),
            }
            rows.append(row)
    _insert(connection, schema.term, rows)


def _identifier_columns(role: str, text: str, revision: int, *, wanted: bool) -> dict[str, Any]:
    known = identify(role, text) if wanted else None
    if known is None:
        return {"status": None, "identifiers": None, "label": None, "note": None, "identified_in": None}
    return {
        "status": known.status,
        "identifiers": f" {' '.join(known.identifiers)} " if known.identifiers else "",
        "label": known.label,
        "note": known.note,
        "identified_in": revision,
    }


def identify_terms(connection: Connection, *, author: str) -> int:
    """Look up the names that nothing has tried to identify yet, as a revision of its own.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        The writing one.
    author : str
        Who asks for it.

    Returns
    -------
    int
        How many names were looked up; 0, and no revision, where there are none or no tables of names are installed.
    """
    pending = connection.execute(
        select(schema.term.c.term_id, schema.term.c.role, schema.term.c.text).where(schema.term.c.status.is_(None))
    ).all()
    if not pending or not available():
        return 0
    digest = hashlib.sha256("\n".join(f"{role}\t{text}" for _, role, text in pending).encode()).hexdigest()
    content = Content(source="names", note="names looked up", file_name="", sha256=digest)
    revision = write_revision(connection, content, author=author)
    for term_id, role, text in pending:
        columns = _identifier_columns(role, text, revision, wanted=True)
        connection.execute(update(schema.term).where(schema.term.c.term_id == term_id).values(columns))
    return len(pending)


def index_text(connection: Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Add claims to SQLite's full-text index; PostgreSQL indexes `search_text` itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("INSERT INTO claim_fts (rowid, search_text) VALUES (?, ?)", list(rows))


def create_tables(connection: Connection) -> None:
    """Create all tables and indexes in the caller's transaction."""
    schema.metadata.create_all(connection)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE claim_fts USING fts5(search_text, content='', tokenize='unicode61')"
        )
    else:
        connection.exec_driver_sql(CLAIM_WORDS)
    connection.execute(insert(schema.store_meta).values(key="schema_version", value=schema.SCHEMA_VERSION))
