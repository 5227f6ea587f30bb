"""Reading the store: claims with all that belongs to them, and the sources' tables given back in their groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, exists, func, select

from vesicula.evidence import schema
from vesicula.evidence.errors import StoreError
from vesicula.evidence.model import (
    CLAIM_COLUMNS,
    Claim,
    Direction,
    Doubt,
    Mention,
    Reference,
    SourceRow,
    TableEntry,
    TableGroup,
    TableView,
    Trial,
)

BLOCK = 500
"""How many claims are fetched in one statement."""

# The row as printed, for a reference: the store keeps its columns apart.
REFERENCE_COLUMNS = ("review", "number", "first_author", "year", "citation", "number_inferred")


def _by_claim(rows: Iterable[Row[Any]]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.claim_id, []).append(row)
    return found


def load_claims(connection: Connection, numbers: Sequence[int], as_of: int) -> tuple[Claim, ...]:
    """Load claims with their directions, references, doubts and mentions.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    numbers : sequence of int
        Numbers of claims.
    as_of : int
        Revision: identifiers found later are left out.

    Returns
    -------
    tuple of Claim
        In the order asked.
    """
    claims: list[Claim] = []
    for start in range(0, len(numbers), BLOCK):
        claims += _load_block(connection, list(numbers[start : start + BLOCK]), as_of)
    return tuple(claims)


def _load_block(connection: Connection, block: list[int], as_of: int) -> list[Claim]:
    claims = {
        row.claim_id: row for row in connection.execute(select(schema.claim).where(schema.claim.c.claim_id.in_(block)))
    }
    directions = _children(connection, schema.direction, block)
    references = _by_claim(
        connection.execute(
            select(schema.claim_reference.c.claim_id, schema.claim_reference.c.position, schema.reference)
            .join_from(schema.claim_reference, schema.reference)
            .where(schema.claim_reference.c.claim_id.in_(block))
            .order_by(schema.claim_reference.c.claim_id, schema.claim_reference.c.position)
        )
    )
    mentions = _by_claim(
        connection.execute(
            select(schema.mention.c.claim_id, schema.mention.c.position, schema.term)
            .join_from(schema.mention, schema.term)
            .where(schema.mention.c.claim_id.in_(block))
            .order_by(schema.mention.c.claim_id, schema.term.c.role, schema.mention.c.position)
        )
    )
    doubts = _by_claim(connection.execute(doubts_as_of(as_of).where(schema.doubt.c.claim_id.in_(block))))
    corrected = {
        row.claim_id: f"corrected by {row.author}: {row.note}"
        for row in connection.execute(
            select(schema.successor).where(
                schema.successor.c.claim_id.in_(block), schema.successor.c.kind == "correction"
            )
        )
    }
    later = row_versions(connection, "reference", as_of)
    return [
        Claim(
            **{name: getattr(claims[number], name) for name in CLAIM_COLUMNS},
            source=claims[number].source,
            table=claims[number].part or claims[number].table_id,
            group=claims[number].group_name,
            revision=claims[number].revision,
            directions=tuple(Direction(molecule=r.molecule, change=r.change) for r in directions.get(number, [])),
            references=tuple(_reference(_latest(r, later)) for r in references.get(number, [])),
            doubts=tuple(_doubt(r) for r in doubts.get(number, [])),
            mentions=tuple(_mention(r, as_of) for r in mentions.get(number, [])),
            corrected=corrected.get(number, ""),
        )
        for number in block
    ]


def _children(connection: Connection, table: Table, block: list[int]) -> dict[int, list[Row[Any]]]:
    return _by_claim(
        connection.execute(
            select(table).where(table.c.claim_id.in_(block)).order_by(table.c.claim_id, table.c.position)
        )
    )


def row_versions(connection: Connection, kind: str, as_of: int) -> dict[str, dict[str, Any] | None]:
    """Return the later forms of rows that are no claims: key (a JSON list) to columns, or None where withdrawn.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    kind : str
        Name of the rows' table.
    as_of : int
        Revision.

    Returns
    -------
    dict
        Empty where no release of the packaged tables has changed any.
    """
    column = schema.row_version.c
    rows = connection.execute(
        select(column.key, column.revision, column.row)
        .where(column.kind == kind, column.revision <= as_of)
        .order_by(column.revision)
    )
    return {key: {**json.loads(row), "revision": revision} if row else None for key, revision, row in rows}


def row_key(kind: str, row: Any) -> str:  # noqa: ANN401 - a row of whatever table
    """Return the key of a row in `row_version`: its primary key, as JSON."""
    names = schema.metadata.tables[kind].primary_key.columns.keys()
    return json.dumps([getattr(row, name) for name in names])


def _latest(row: Row[Any], later: dict[str, dict[str, Any] | None]) -> Any:  # noqa: ANN401 - with a row's attributes
    # A claim goes on citing a reference that the list has withdrawn.
    changes = later.get(json.dumps([row.source, row.number])) if later else None
    return SimpleNamespace(**{**row._mapping, **changes}) if changes else row


def current_rows(connection: Connection, statement: Select[Any], kind: str, as_of: int) -> Iterator[Any]:
    """Yield the rows of a statement over one table in their form as of a revision, without those withdrawn."""
    later = row_versions(connection, kind, as_of)
    for row in connection.execute(statement):
        key = row_key(kind, row) if later else ""
        changes = later.get(key, {})
        if changes:
            yield SimpleNamespace(**{**row._mapping, **changes})
        elif changes is not None:
            yield row


def doubts_as_of(as_of: int) -> Select[Any]:
    """Return the statement for the doubts of a revision, with how they were settled by then, in their order."""
    doubt, settled = schema.doubt.c, schema.resolution.c
    joined = schema.doubt.outerjoin(
        schema.resolution, and_(settled.doubt_id == doubt.doubt_id, settled.revision <= as_of)
    )
    return (
        select(schema.doubt, settled.author.label("resolver"), settled.note.label("settled"))
        .select_from(joined)
        .where(doubt.revision <= as_of)
        .order_by(doubt.doubt_id)
    )


def _reference(row: Any) -> Reference:  # noqa: ANN401 - a row, or its later form
    return Reference(
        source=row.source,
        number=row.number,
        first_author=row.first_author,
        year=row.year,
        citation=row.citation,
        number_inferred=bool(row.number_inferred),
        doi=row.doi,
        pmid=row.pmid,
    )


def _doubt(row: Row[Any]) -> Doubt:
    resolved = "" if row.resolver is None else f"resolved by {row.resolver}: {row.settled}"
    return Doubt(table=row.table_id, row=row.row_id, kind=row.kind, text=row.text, resolved=resolved)


def _mention(row: Row[Any], as_of: int) -> Mention:
    if row.identified_in is None or row.identified_in > as_of:
        return Mention(role=row.role, position=row.position, text=row.text)
    return Mention(
        role=row.role,
        position=row.position,
        text=row.text,
        status=row.status,
        identifiers=tuple(row.identifiers.split()),
        label=row.label,
        note=row.note,
    )


def load_doubts(connection: Connection, as_of: int) -> tuple[Doubt, ...]:
    """List all doubts, in the order in which they were noted; those of replaced claims are left out."""
    doubt = schema.doubt.c
    retired = exists().where(schema.retirement.c.claim_id == doubt.claim_id, schema.retirement.c.revision <= as_of)
    rows = connection.execute(doubts_as_of(as_of).where(~retired))
    return tuple(_doubt(row) for row in rows)


def _row_doubts(connection: Connection, as_of: int) -> dict[tuple[str, int], tuple[Doubt, ...]]:
    rows = connection.execute(doubts_as_of(as_of).where(schema.doubt.c.claim_id.is_(None)))
    found: dict[tuple[str, int], tuple[Doubt, ...]] = {}
    for row in rows:
        key = (row.table_id, row.position)
        found[key] = (*found.get(key, ()), _doubt(row))
    return found


def load_trials(connection: Connection, as_of: int, table: str | None = None) -> tuple[Trial, ...]:
    """List trials as each source reports them, of all sources or of one table, in the order of the sources."""
    trial = schema.trial.c
    statement = select(schema.trial).where(trial.revision <= as_of).order_by(trial.revision, trial.position)
    doubts = _row_doubts(connection, as_of)
    return tuple(
        _trial(row, doubts.get((row.table_id, row.position), ()))
        for row in current_rows(connection, statement, "trial", as_of)
        if table is None or table in {row.table_id, row.part}
    )


def _trial(row: Any, doubts: tuple[Doubt, ...]) -> Trial:  # noqa: ANN401 - a row, or its later form
    return Trial(
        nct_id=row.nct_id,
        source=row.source,
        table=row.part or row.table_id,
        position=row.position,
        revision=row.revision,
        title=row.title,
        condition=row.condition,
        phase=row.phase,
        participants=row.participants,
        cell_source=row.cell_source,
        route=row.route,
        country=row.country,
        product=row.product,
        as_of=row.as_of,
        dose=row.dose,
        highest_dose=row.highest_dose,
        dose_units=row.dose_units,
        number_of_doses=row.number_of_doses,
        dose_frequency_days=row.dose_frequency_days,
        notes=row.notes,
        url=row.url,
        printed=json.loads(row.printed),
        doubts=doubts,
    )


def _source_rows(connection: Connection, as_of: int, table: str) -> tuple[SourceRow, ...]:
    column = schema.source_row.c
    statement = select(schema.source_row).where(column.revision <= as_of).order_by(column.position)
    doubts = _row_doubts(connection, as_of)
    return tuple(
        SourceRow(
            table=row.table_id,
            position=row.position,
            revision=row.revision,
            doi=row.doi,
            printed=json.loads(row.printed),
            doubts=doubts.get((row.table_id, row.position), ()),
        )
        for row in current_rows(connection, statement, "source_row", as_of)
        if table in {row.table_id, row.part}
    )


def load_references(connection: Connection, as_of: int, table: str | None = None) -> tuple[Reference, ...]:
    """List the rows of the reference lists, in the order of the sources."""
    reference = schema.reference.c
    statement = select(schema.reference).where(reference.revision <= as_of)
    if table is not None:
        statement = statement.where(reference.table_id == table)
    order = (reference.revision, reference.table_id, reference.position)
    rows = current_rows(connection, statement.order_by(*order), "reference", as_of)
    return tuple(_reference(row) for row in rows)


def _claim_groups(connection: Connection, as_of: int, table: str) -> tuple[TableGroup, ...]:
    claim = schema.claim.c
    retired = exists().where(schema.retirement.c.claim_id == claim.claim_id, schema.retirement.c.revision <= as_of)
    numbers = connection.execute(
        select(claim.claim_id)
        .outerjoin(schema.successor, schema.successor.c.claim_id == claim.claim_id)
        .where((claim.table_id == table) | (claim.part == table), claim.revision <= as_of, ~retired)
        .order_by(func.coalesce(schema.successor.c.place, claim.claim_id))
    ).scalars()
    claims = load_claims(connection, list(numbers), as_of)
    return tuple(TableGroup(name=name, rows=tuple(rows)) for name, rows in groupby(claims, lambda claim: claim.group))


def list_tables(connection: Connection, as_of: int) -> tuple[TableEntry, ...]:
    """List the tables that can be given back."""
    column = schema.source_table.c
    statement = select(schema.source_table).where(column.revision <= as_of).order_by(column.position)
    rows = current_rows(connection, statement, "source_table", as_of)
    return tuple(TableEntry(table=r.table_id, source=r.source, title=r.title, kind=r.kind) for r in rows)


def find_table(connection: Connection, as_of: int, name: str) -> TableEntry:
    """Find a table by its id or by a beginning that only one has (``ev-atlas/fig4c``).

    Raises
    ------
    StoreError
        If none or several fit.
    """
    tables = list_tables(connection, as_of)
    exact = [t for t in tables if t.table == name.lower()]
    fitting = exact or [t for t in tables if t.table.startswith(name.lower())]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(t.table for t in fitting)
        raise StoreError(f"table {name!r} is the beginning of several: {names}. Name one in full")
    near = get_close_matches(name.lower(), [t.table for t in tables], n=3, cutoff=0.4)
    nearest = f"; nearest: {', '.join(near)}" if near else ""
    raise StoreError(f"table {name!r} is not in the store{nearest}. `vesicula evidence sources` lists all")


def load_table(connection: Connection, as_of: int, version: str, name: str) -> TableView:
    """Give a source's table back: its rows as printed, in its order and groups.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    as_of : int
        Revision.
    version : str
        Its name.
    name : str
        Id of the table, such as ``review-b/table-1``, or an unmistakable beginning of it.

    Returns
    -------
    TableView
        The table.

    Raises
    ------
    StoreError
        If there is no such table.
    """
    entry = find_table(connection, as_of, name)
    listed = select(schema.source_table).where(schema.source_table.c.table_id == entry.table)
    columns = next(current_rows(connection, listed, "source_table", as_of)).columns
    groups: tuple[TableGroup, ...]
    if entry.kind == "claims":
        groups = _claim_groups(connection, as_of, entry.table)
        if entry.table == "reviews/studies":
            # The file as it lies there, not the printed tables that it holds.
            groups = (TableGroup(name="", rows=tuple(row for group in groups for row in group.rows)),)
    else:
        rows: tuple[Trial | SourceRow | Reference, ...]
        if entry.kind == "trials":
            rows = load_trials(connection, as_of, entry.table)
        elif entry.kind == "references":
            rows = load_references(connection, as_of, entry.table)
        else:
            rows = _source_rows(connection, as_of, entry.table)
        groups = (TableGroup(name="", rows=rows),)
    return TableView(
        table=entry.table,
        title=entry.title,
        source=entry.source,
        version=version,
        as_of=as_of,
        columns=tuple(json.loads(columns)),
        groups=groups,
    )


def printed_row(row: Claim | Trial | SourceRow | Reference) -> dict[str, str]:
    """Return a row as its source's table has it: column name to cell, verbatim."""
    if isinstance(row, Claim):
        return row.printed()
    if isinstance(row, Reference):
        cells = (
            row.source.removeprefix("review-").upper(),
            row.number,
            row.first_author,
            row.year,
            row.citation,
            "yes" if row.number_inferred else "no",
        )
        return dict(zip(REFERENCE_COLUMNS, cells, strict=True))
    return dict(row.printed)
