"""Connections: SQLite (WAL) or PostgreSQL, one transaction at a time, and errors in one clear sentence."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from vesicula.evidence.errors import StoreError

BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for another: longer than any import that we have measured."""

ADVISORY_LOCK = 0x7E51C01A
"""PostgreSQL: key of the lock that writers take, so that revisions are numbered one after the other."""

WRITE = "vesicula_write"

ELSEWHERE = "Choose a writable place with --store or VESICULA_EVIDENCE"
REMEDIES = (
    ("disk is full", "The disk is full: make room and run the command again"),
    ("could not write init file", "The server's disk is full: make room and run the command again"),
    ("no space left", "The disk is full: make room and run the command again"),
    (
        "disk i/o error",
        "The disk refuses to be written (full, over quota, or defective): make room or use another place",
    ),
    (
        "database is locked",
        "Another process has been writing for a minute: wait for it, then run the command again",
    ),
    ("readonly", f"The place is read-only. {ELSEWHERE}"),
    ("unable to open", f"The place cannot be read or written. {ELSEWHERE}"),
    ("not a database", "The file is no evidence store: name another with --store or VESICULA_EVIDENCE"),
    (
        "malformed",
        "The file is damaged: restore it from a copy, or move it away and let vesicula make a new one",
    ),
    ("connection", "The server does not answer: check that it runs and that the URL is right"),
)


def default_path() -> str:
    """Return the store to use where none is named: VESICULA_EVIDENCE, else the user's data folder."""
    named = os.environ.get("VESICULA_EVIDENCE")
    if named:
        return named
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "vesicula" / "evidence.sqlite")


def store_name(url: URL) -> str:
    """Return the store's name for messages: a path, or the URL without its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def parse_target(target: str | Path) -> URL:
    """Return the database URL for a path or a URL.

    Parameters
    ----------
    target : str or pathlib.Path
        A file, or a ``sqlite:`` or ``postgresql:`` URL.

    Returns
    -------
    sqlalchemy.engine.URL
        With the driver named.

    Raises
    ------
    StoreError
        If it is neither.
    """
    if isinstance(target, Path) or "://" not in target:
        return URL.create("sqlite+pysqlite", database=str(Path(target).expanduser()))
    try:
        url = make_url(target)
    except ArgumentError as error:
        # The text itself may hold a password: it is not repeated.
        raise StoreError("The store's URL cannot be read. Write postgresql://user@host/database") from error
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    raise StoreError(f"{store_name(url)}: a store is a file or a postgresql:// URL, found {backend}")


def make_engine(url: URL) -> tuple[Engine, bool]:
    """Return an engine for a store, and whether the store can be written.

    Parameters
    ----------
    url : sqlalchemy.engine.URL
        From :func:`parse_target`.

    Returns
    -------
    tuple of (sqlalchemy.Engine, bool)
        The engine, and False where a SQLite file stands in a read-only place.

    Raises
    ------
    StoreError
        If there is no file and none can be made.
    """
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url), True
    path = Path(str(url.database))
    writable = _prepare_place(path)
    engine = create_engine(url, creator=lambda: _connect_sqlite(path, writable=writable), poolclass=NullPool)
    event.listen(engine, "begin", _begin_sqlite)
    return engine, writable


def _prepare_place(path: Path) -> bool:
    if path.is_dir():
        raise StoreError(f"{path}: expected a file, found a folder. Name a file in it")
    if path.exists():
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: the folder cannot be made ({error.strerror}). {ELSEWHERE}") from error
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"{path}: there is no store, and none can be made. {ELSEWHERE}")
    return True


def _connect_sqlite(path: Path, *, writable: bool) -> sqlite3.Connection:
    if writable:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    else:
        # In a read-only place SQLite cannot make the shared-memory file of WAL. With no log beside it, the file is
        # complete and nobody can change it: "immutable" is then true. With a log, only an existing one can be read.
        log = path.with_name(path.name + "-wal")
        flags = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
        uri = f"{path.resolve().as_uri()}?{flags}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        if writable:
            _set_wal(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two processes that do so at once may be told "locked" without the busy wait: try again."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(url, pool_size=2, pool_pre_ping=True, isolation_level="REPEATABLE READ")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one state of the store; errors become :class:`StoreError`."""
    with translated(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give the only writing connection; all that is done on it is kept if the block ends well, else nothing."""
    options: dict[str, Any] = {WRITE: True}
    if engine.dialect.name == "postgresql":
        # The lock comes first and the reads must see what the writer before us left.
        options["isolation_level"] = "READ COMMITTED"
    with translated(engine), engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield connection


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn what a database says about its place (full, locked, read-only, gone) into a :class:`StoreError`.

    A broken constraint or statement is a defect of ours and passes as it is.
    """
    driver: Any = engine.dialect.dbapi  # its own errors come where rows are copied without SQLAlchemy
    try:
        yield
    except (DBAPIError, sqlite3.Error, driver.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = " ".join(str(cause).split())
        remedy = next((advice for word, advice in REMEDIES if word in said.lower()), "")
        if not remedy and not isinstance(error, (OperationalError, sqlite3.OperationalError, driver.OperationalError)):
            raise
        advice = remedy or "Check the place and run the command again"
        raise StoreError(f"{store_name(engine.url)}: nothing was changed: {said}. {advice}.") from error
