"""New packaged tables come into an old store: what is new, changed or withdrawn, as one revision for each content.

A store keeps the form of each row that it had before, and answers with it as of then. What a curator corrected in the
store stays corrected; where the packaged row has changed meanwhile, that becomes a doubt about the corrected claim.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select

from vesicula.core.errors import shorten
from vesicula.evidence import schema
from vesicula.evidence.content import Content, DraftClaim
from vesicula.evidence.curate import add_successor, carry_resolutions, current_claim, draft_of
from vesicula.evidence.errors import StoreError
from vesicula.evidence.model import CLAIM_COLUMNS
from vesicula.evidence.tables import row_versions
from vesicula.evidence.writer import last_numbers, row_values, write_revision

AUTHOR = "vesicula"
PLACE = "vesicula/data/evidence"
KINDS = ("source", "source_table", "reference", "trial", "source_row")
WITHDRAWN = "withdrawn from the packaged tables"


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What a content changes in a store."""

    add: list[tuple[DraftClaim, int | None]] = field(default_factory=list)  # and the claim that it replaces
    hidden: list[int] = field(default_factory=list)  # of `add`: stands behind a curator's correction
    retire: list[int] = field(default_factory=list)
    doubts: list[tuple[int, str, str]] = field(default_factory=list)  # claim, its record, text
    fresh: dict[str, set[str]] = field(default_factory=dict)  # kind of row to keys
    versions: list[tuple[str, str, str]] = field(default_factory=list)  # kind, key, row


def update_packaged(connection: Connection, contents: Iterable[Content]) -> list[int]:
    """Bring packaged contents into a store; return the revisions made, none where all are there already."""
    return [number for content in contents if (number := _update(connection, content)) is not None]


def _update(connection: Connection, content: Content) -> int | None:
    revision = schema.revision.c
    ours = connection.execute(
        select(revision.revision, revision.sha256)
        .where(revision.source == content.source, revision.file_name.startswith(PLACE))
        .order_by(revision.revision)
    ).all()
    if ours and ours[-1].sha256 == content.sha256:
        return None
    if any(row.sha256 == content.sha256 for row in ours):
        raise StoreError(
            f"the store holds newer packaged tables ({content.source}) than this vesicula. Install the newer one"
        )
    plan = _Plan()
    _plan_claims(connection, content, plan)
    _plan_rows(connection, content, [row.revision for row in ours], plan)
    return _write(connection, content, plan)


def _plan_claims(connection: Connection, content: Content, plan: _Plan) -> None:
    bases = _packaged_claims(connection, {claim.table for claim in content.claims})
    for draft in content.claims:
        record = draft.cells["record_id"]
        current = current_claim(connection, record)
        base = bases.pop(record, None)
        if base is None:
            if current is not None:
                raise StoreError(
                    f"claim {record} comes with the new tables, but {current.source} has that id already. Use another "
                    "store for the new tables, and import your file there with another id"
                )
            plan.add.append((draft, None))
            continue
        old = draft_of(connection, base, {})
        if _same(old, draft):
            continue
        plan.add.append((draft, base.claim_id))
        if current is not None and current.claim_id != base.claim_id:
            # Corrected here: the correction stands, and the new form of the packaged row goes behind it.
            plan.hidden.append(len(plan.add) - 1)
            told = "; ".join(
                f"{name}: {shorten(old.cells[name])!r} to {shorten(draft.cells[name])!r}"
                for name in CLAIM_COLUMNS
                if old.cells[name] != draft.cells[name]
            )
            text = f"the packaged row has changed since this correction ({told or 'its doubts or references'})"
            plan.doubts.append((current.claim_id, record, text))
        elif current is not None:
            plan.retire.append(base.claim_id)
    for record, base in bases.items():
        current = current_claim(connection, record)
        if current is not None and current.claim_id == base.claim_id:
            plan.retire.append(base.claim_id)
        elif current is not None:
            plan.doubts.append((current.claim_id, record, "the row has been " + WITHDRAWN))


def _packaged_claims(connection: Connection, table_ids: set[str]) -> dict[str, Row[Any]]:
    """Return the newest packaged form of each claim, corrected or not; those withdrawn are left out."""
    claim, successor = schema.claim.c, schema.successor.c
    corrected = exists().where(successor.claim_id == claim.claim_id, successor.kind == "correction")
    rows = connection.execute(
        select(schema.claim).where(claim.table_id.in_(table_ids), ~corrected).order_by(claim.claim_id)
    )
    newest = {row.record_id: row for row in rows}
    return {record: row for record, row in newest.items() if current_claim(connection, record) is not None}


def _same(old: DraftClaim, new: DraftClaim) -> bool:
    return (old.cells, old.part, old.group, old.references, set(old.doubts)) == (
        {name: new.cells[name] for name in CLAIM_COLUMNS},
        new.part,
        new.group,
        new.references,
        set(new.doubts),
    )


def _plan_rows(connection: Connection, content: Content, ours: list[int], plan: _Plan) -> None:
    latest = int(connection.execute(select(func.max(schema.revision.c.revision))).scalar_one())
    for kind in KINDS:
        table = schema.metadata.tables[kind]
        names = table.primary_key.columns.keys()
        later = row_versions(connection, kind, latest)
        first = {
            json.dumps([getattr(row, name) for name in names]): row
            for row in connection.execute(select(table).where(table.c.revision.in_(ours)))
        }
        plan.fresh[kind] = set()
        for values in row_values(content, kind):
            key = json.dumps([values[name] for name in names])
            row = first.pop(key, None)
            if row is None:
                plan.fresh[kind].add(key)
                continue
            if kind == "source_table":
                values["position"] = row.position  # where it stands in this store's list
            form = later.get(key, {})
            now = None if form is None else {name: {**row._mapping, **form}[name] for name in values}
            if now != values:
                plan.versions.append((kind, key, json.dumps(values, ensure_ascii=False)))
        plan.versions += [(kind, key, "") for key in first if later.get(key, {}) is not None]


def _write(connection: Connection, content: Content, plan: _Plan) -> int:
    fresh = {kind: {tuple(json.loads(key)) for key in keys} for kind, keys in plan.fresh.items()}
    rows = [r for r in content.rows if (r.table, r.position) in fresh["trial" if r.trial is not None else "source_row"]]
    changes = f"{len(plan.add)} claims new or changed, {len(plan.retire)} replaced or withdrawn, "
    changed_rows = sum(map(len, plan.fresh.values())) + len(plan.versions)
    part = replace(
        content,
        note=f"{content.note}; update: {changes}{changed_rows} other rows",
        sources=[s for s in content.sources if (s.source,) in fresh["source"]],
        tables=[t for t in content.tables if (t.entry.table,) in fresh["source_table"]],
        references=[r for r in content.references if (r.source, r.number) in fresh["reference"]],
        rows=rows,
        claims=[draft for draft, _ in plan.add],
    )
    first = last_numbers(connection).claim + 1
    number = write_revision(connection, part, author=AUTHOR, retire=plan.retire)
    if plan.hidden:
        values = [{"claim_id": first + index, "revision": number} for index in plan.hidden]
        connection.execute(insert(schema.retirement), values)
    for claim_id, (_, replaces) in enumerate(plan.add, start=first):
        if replaces is not None:
            add_successor(
                connection,
                claim_id=claim_id,
                replaces=replaces,
                revision=number,
                kind="release",
                author=AUTHOR,
                note=content.note,
            )
            carry_resolutions(connection, replaces, claim_id, number)
    for kind, key, row in plan.versions:
        connection.execute(insert(schema.row_version).values(kind=kind, key=key, revision=number, row=row))
    known = {(r.table, r.position) for r in rows}
    other = [r for r in content.rows if (r.table, r.position) not in known]
    _write_doubts(connection, replace(content, rows=other), plan, number)
    return number


def _write_doubts(connection: Connection, content: Content, plan: _Plan, revision: int) -> None:
    """Add and withdraw doubts about rows that are no claims; add those about corrected claims."""
    doubt, settled = schema.doubt.c, schema.resolution.c
    wanted = {
        (r.table, (r.trial or {}).get("nct_id") or str(r.position), r.position, kind, text)
        for r in content.rows
        for kind, text in r.doubts
    }
    tables = {r.table for r in content.rows}
    known = {
        (row.table_id, row.row_id, row.position, row.kind, row.text): row.doubt_id
        for row in connection.execute(
            select(schema.doubt).where(doubt.claim_id.is_(None), doubt.table_id.in_(tables), doubt.revision < revision)
        )
    }
    numbers = {number for (number,) in connection.execute(select(settled.doubt_id))}
    for key in known.keys() - wanted:
        if known[key] not in numbers:
            values = {"doubt_id": known[key], "revision": revision, "author": AUTHOR, "note": WITHDRAWN}
            connection.execute(insert(schema.resolution).values(values))
    rows: list[tuple[object, ...]] = [(None, *key) for key in sorted(wanted - known.keys())]
    for claim_id, record, text in plan.doubts:
        claim = connection.execute(select(schema.claim).where(schema.claim.c.claim_id == claim_id)).one()
        rows.append((claim_id, claim.part or claim.table_id, record, 0, "packaged row changed", text))
    names = ("claim_id", "table_id", "row_id", "position", "kind", "text")
    for number, row in enumerate(rows, start=last_numbers(connection).doubt + 1):
        values = {**dict(zip(names, row, strict=True)), "doubt_id": number, "revision": revision}
        connection.execute(insert(schema.doubt).values(values))
