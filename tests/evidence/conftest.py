"""A store on each database. PostgreSQL is a cluster of our own, on a unix socket in a temporary folder."""

from __future__ import annotations

import csv
import io
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from vesicula.evidence.model import CLAIM_COLUMNS
from vesicula.evidence.store import open_store

PG_FOLDERS = [Path(f"/usr/lib/postgresql/{version}/bin") for version in (15, 16, 17, 18)]


def _as_postgres():
    """The command prefix that makes a PostgreSQL program run as somebody other than root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
    return ["runuser", "-u", "postgres", "--"]


@pytest.fixture(scope="session")
def postgresql_server():
    """The URL of a fresh cluster's maintenance database."""
    found = shutil.which("pg_ctl")
    folder = next((f for f in PG_FOLDERS if (f / "initdb").exists()), Path(found).parent if found else None)
    if folder is None:
        pytest.skip("no PostgreSQL server binaries (initdb, pg_ctl) on this machine")
    prefix = _as_postgres()
    root = Path(tempfile.mkdtemp(prefix="vesicula-pg-"))
    if prefix:
        shutil.chown(root, "postgres", "postgres")
    data = root / "data"

    def run(*command):
        done = subprocess.run(
            [*prefix, *map(str, command)], capture_output=True, text=True, check=False, cwd=root
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(folder / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    # Sockets only: no port is opened, so clusters of tests that run beside each other cannot meet.
    options = f"-c listen_addresses='' -k {root} -c shared_buffers=64MB"
    run(folder / "pg_ctl", "-D", data, "-w", "-o", options, "-l", root / "log", "start")
    try:
        yield f"postgresql://tester@/postgres?host={root}"
    finally:
        run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(root, ignore_errors=True)


def _new_database(server, *, template=False):
    """Make a database, empty or a copy of the one that the URL names; return its URL."""
    import psycopg

    name = f"store_{uuid.uuid4().hex}"
    old = server.partition("@/")[2].partition("?")[0]
    maintenance = server.replace(f"@/{old}?", "@/postgres?")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {old}" if template else ""))
    return server.replace(f"@/{old}?", f"@/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request, tmp_path):
    """Where no store is yet."""
    if request.param == "sqlite":
        return str(tmp_path / "store" / "evidence.sqlite")
    return _new_database(request.getfixturevalue("postgresql_server"))


@pytest.fixture
def store(packaged_target, tmp_path):
    """A store of one's own, as new: copied, which is faster than made."""
    if "://" in packaged_target:
        copy = _new_database(packaged_target, template=True)
    else:
        copy = str(shutil.copyfile(packaged_target, tmp_path / "own.sqlite"))
    with open_store(copy) as opened:
        yield opened


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def packaged_target(request, tmp_path_factory):
    """Where a new store is that nobody writes to and nobody keeps open."""
    if request.param == "sqlite":
        where = str(tmp_path_factory.mktemp("evidence") / "evidence.sqlite")
    else:
        where = _new_database(request.getfixturevalue("postgresql_server"))
    open_store(where).close()
    return where


@pytest.fixture
def packaged_store(packaged_target):
    """The store that all tests share which only read."""
    with open_store(packaged_target) as opened:
        yield opened


ROW = {
    "record_id": "L-1",
    "review": "lab-x",
    "location": "notebook 7, page 3",
    "condition": "acute kidney injury",
    "condition_class": "kidney",
    "cell_source": "UC-MSC",
    "product": "EV",
    "isolation_method": "ultracentrifugation",
    "isolation_g": "100000",
    "cargo": "miR-21-5p",
    "target": "PTEN",
    "direction": "PTEN:down",
    "model": "mouse",
    "study_type": "in vivo",
    "effect": "serum creatinine lower",
    "effect_class": "beneficial",
    "reference_numbers": "own data;doi:10.1000/xyz123",
}


@pytest.fixture
def lab_row():
    """A good row of a lab's file, with changes."""

    def make(**changes):
        return {**dict.fromkeys(CLAIM_COLUMNS, ""), **ROW, **changes}

    return make


@pytest.fixture
def lab_csv(tmp_path, lab_row):
    """Write a lab's CSV from the changes of each of its rows."""

    def write(*rows, name="lab.csv", encoding="utf-8", columns=CLAIM_COLUMNS):
        out = io.StringIO()
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(lab_row(**changes) for changes in rows)
        path = tmp_path / name
        path.write_bytes(out.getvalue().encode(encoding))
        return path

    return write
