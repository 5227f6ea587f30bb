"""A curator's edits: a claim is corrected, a doubt is settled. Both are revisions with an author and a reason."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select

from vesicula.core.errors import shorten
from vesicula.evidence import schema
from vesicula.evidence.checks import MAX_CELL, RESERVED, check_changes
from vesicula.evidence.content import Content, DraftClaim
from vesicula.evidence.errors import StoreError
from vesicula.evidence.model import CLAIM_COLUMNS
from vesicula.evidence.tables import doubts_as_of
from vesicula.evidence.writer import last_numbers, write_revision

KEPT = ("record_id", "review", "reference_numbers")
"""Columns that say which row it is and what it cites: another row is another claim."""


def correct(
    connection: Connection, record_id: str, changes: dict[str, str], *, note: str, author: str, packaged: bool
) -> int:
    """Replace a claim by its corrected form; see :meth:`vesicula.evidence.store.Store.correct`."""
    note = required_note(note)
    old = current_claim(connection, record_id)
    if old is None:
        raise StoreError(f"claim {record_id!r} is not in the store. `vesicula evidence query --text` finds claims")
    if old.source in RESERVED and not packaged:
        raise StoreError(
            f"claim {record_id} comes with vesicula ({old.source}). To correct it in this store only, say so with "
            "--correct-packaged (packaged=True)"
        )
    wrong = [name for name in changes if name not in CLAIM_COLUMNS or name in KEPT]
    if wrong:
        columns = ", ".join(name for name in CLAIM_COLUMNS if name not in KEPT)
        raise StoreError(f"column {wrong[0]!r} cannot be corrected; these can: {columns}")
    problems = check_changes(changes)
    if problems:
        raise StoreError(f"claim {record_id} was not changed: {'; '.join(map(str, problems))}")
    changed = {name: text for name, text in changes.items() if getattr(old, name) != text}
    if not changed:
        raise StoreError(f"claim {record_id} was not changed: it says so already")
    draft = draft_of(connection, old, changed)
    told = "; ".join(f"{name}: {shorten(getattr(old, name))!r} to {shorten(changed[name])!r}" for name in changed)
    content = Content(
        source=old.source,
        note=f"{record_id} corrected: {told}. {note}",
        file_name="",
        sha256=_digest("correct", record_id, changed, note),
        claims=[draft],
    )
    claim_id = last_numbers(connection).claim + 1
    number = write_revision(connection, content, author=author, retire=[old.claim_id])
    add_successor(
        connection,
        claim_id=claim_id,
        replaces=old.claim_id,
        revision=number,
        kind="correction",
        author=author,
        note=note,
    )
    carry_resolutions(connection, old.claim_id, claim_id, number)
    return number


def current_claim(connection: Connection, record_id: str) -> Row[Any] | None:
    """Return the row of a claim in its newest form; None where there is none or it was withdrawn."""
    claim, retired = schema.claim.c, schema.retirement.c
    statement = select(schema.claim).where(
        claim.record_id == record_id, ~exists().where(retired.claim_id == claim.claim_id)
    )
    return connection.execute(statement.order_by(claim.claim_id.desc())).first()


def draft_of(connection: Connection, row: Row[Any], changes: dict[str, str]) -> DraftClaim:
    """Return a claim of the store, with changes, as one that can be written."""
    cited, doubt = schema.claim_reference.c, schema.doubt.c
    references = connection.execute(
        select(cited.source, cited.number).where(cited.claim_id == row.claim_id).order_by(cited.position)
    )
    doubts = connection.execute(
        select(doubt.kind, doubt.text).where(doubt.claim_id == row.claim_id).order_by(doubt.doubt_id)
    )
    return DraftClaim(
        cells={name: changes.get(name, getattr(row, name)) for name in CLAIM_COLUMNS},
        source=row.source,
        table=row.table_id,
        part=row.part,
        group=row.group_name,
        references=tuple((source, number) for source, number in references),
        doubts=tuple((kind, text) for kind, text in doubts),
    )


def add_successor(
    connection: Connection, *, claim_id: int, replaces: int, revision: int, kind: str, author: str, note: str
) -> None:
    """Note which claim a new one replaces; it stands where the first of the chain stood."""
    successor = schema.successor.c
    place = connection.execute(select(successor.place).where(successor.claim_id == replaces)).scalar()
    connection.execute(
        insert(schema.successor).values(
            claim_id=claim_id,
            replaces=replaces,
            place=replaces if place is None else place,
            revision=revision,
            kind=kind,
            author=author,
            note=note,
        )
    )


def carry_resolutions(connection: Connection, old: int, new: int, revision: int) -> None:
    """Keep a doubt settled that was settled about a claim's form before."""
    doubt, settled = schema.doubt.c, schema.resolution.c
    known = {
        (kind, text): (author, note)
        for kind, text, author, note in connection.execute(
            select(doubt.kind, doubt.text, settled.author, settled.note)
            .join_from(schema.doubt, schema.resolution)
            .where(doubt.claim_id == old)
        )
    }
    fresh = connection.execute(select(doubt.doubt_id, doubt.kind, doubt.text).where(doubt.claim_id == new)).all()
    for number, kind, text in fresh:
        if (kind, text) in known:
            author, note = known[kind, text]
            values = {"doubt_id": number, "revision": revision, "author": author, "note": note}
            connection.execute(insert(schema.resolution).values(values))


def resolve_doubt(
    connection: Connection, table: str, row: str, text: str | None, *, note: str, author: str, as_of: int
) -> int:
    """Settle a doubt; see :meth:`vesicula.evidence.store.Store.resolve_doubt`."""
    note = required_note(note)
    doubt, retired = schema.doubt.c, schema.retirement.c
    found = connection.execute(
        doubts_as_of(as_of).where(
            doubt.table_id == table, doubt.row_id == row, ~exists().where(retired.claim_id == doubt.claim_id)
        )
    ).all()
    if not found:
        raise StoreError(f"there is no doubt about {table} {row}. `vesicula evidence doubts` lists all")
    chosen = [d for d in found if text is None or d.text == text]
    chosen = chosen or [d for d in found if text and d.text.startswith(text)]
    standing = [d for d in chosen if d.resolver is None]
    if len(standing) != 1:
        listed = "\n".join(
            f"  {d.kind}: {d.text}" + ("" if d.resolver is None else f" [resolved by {d.resolver}]") for d in found
        )
        reason = "is settled already" if chosen and not standing else "is not one that is open"
        raise StoreError(f"the doubt {reason}; name one of these by its text:\n{listed}")
    (one,) = standing
    content = Content(
        source="doubts",
        note=f"doubt about {table} {row} resolved: {note}",
        file_name="",
        sha256=_digest("resolve", table, row, one.text, note),
    )
    number = write_revision(connection, content, author=author)
    values = {"doubt_id": one.doubt_id, "revision": number, "author": author, "note": note}
    connection.execute(insert(schema.resolution).values(values))
    return number


def required_note(note: str) -> str:
    """Return a note that says something and fits; else a StoreError."""
    said = " ".join(note.split())
    if not said or len(said) > MAX_CELL or "\x00" in said:
        raise StoreError("a note is required that says why: 1 to 10 000 characters (--note)")
    return said


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
