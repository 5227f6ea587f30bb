"""A store made by an earlier vesicula is brought to this one's schema in one transaction, or refused with a remedy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, update

from vesicula.evidence import schema
from vesicula.evidence.engine import reading, writing
from vesicula.evidence.errors import StoreError


def _to_2(connection: Connection) -> None:
    """Add tables and an index; what was there stays as it is."""
    for table in (schema.successor, schema.resolution, schema.row_version):
        table.create(connection)
    next(index for index in schema.claim.indexes if index.name == "claim_noted").create(connection)


STEPS: dict[str, tuple[str, Callable[[Connection], None]]] = {"1": ("2", _to_2)}
"""From which schema to which, and how."""


def bring_up_to_date(
    engine: Engine, name: str, version_of: Callable[[Connection], str | None], *, writable: bool
) -> None:
    """Upgrade a store of an earlier schema; leave one of this schema alone.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Of a store that exists.
    name : str
        The store's, for messages.
    version_of : callable
        Gives the schema version that a connection finds.
    writable : bool
        Whether it may be written.

    Raises
    ------
    StoreError
        If its schema is newer or unknown, the place is read-only, or the disk has no room for the copy.
    """
    with reading(engine) as connection:
        found = version_of(connection)
    if found == schema.SCHEMA_VERSION:
        return
    if found not in STEPS:
        newer = found is not None and found.isdigit() and int(found) > int(schema.SCHEMA_VERSION)
        raise StoreError(
            f"{name}: expected schema {schema.SCHEMA_VERSION}, found {found}. "
            + (
                "A newer vesicula made it: install that"
                if newer
                else "Use the vesicula that made it, or move it away and import your files again"
            )
        )
    if not writable:
        raise StoreError(
            f"{name}: expected schema {schema.SCHEMA_VERSION}, found {found}, and the place is read-only. Copy the "
            "store to a writable place and open it there once: that upgrades it"
        )
    with writing(engine) as connection:
        # Another process may have done it while we waited for the lock.
        while (found := version_of(connection)) in STEPS:
            _step(connection, engine, str(found))


def _step(connection: Connection, engine: Engine, found: str) -> None:
    wanted, change = STEPS[found]
    kept = "no copy was made (a server's backups are its own)"
    if engine.dialect.name == "sqlite":
        kept = f"the store before is kept as {_copy(Path(str(engine.url.database)), found)}"
    change(connection)
    version = schema.store_meta.c.key == "schema_version"
    connection.execute(update(schema.store_meta).where(version).values(value=wanted))
    note = f"{datetime.now(UTC).isoformat(timespec='seconds')}: {kept}"
    connection.execute(insert(schema.store_meta).values(key=f"schema {found} to {wanted}", value=note))


def _copy(path: Path, version: str) -> str:
    """Copy a SQLite store beside itself; the writers' lock is ours, so that nothing changes meanwhile."""
    copy = path.with_name(f"{path.name}.schema-{version}")
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(unfinished)) as new:
            old.backup(new)
        unfinished.replace(copy)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(
            f"{path}: it was not upgraded, because no copy of it could be kept ({error}). Make room and try again"
        ) from error
    return copy.name
