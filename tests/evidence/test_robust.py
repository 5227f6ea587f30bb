"""Two writers, a kill in mid-import, a full disk, a read-only place: the store holds all of an import or nothing."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from vesicula.evidence.errors import StoreError
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import Question
from vesicula.evidence.store import open_store

IMPORT = """
import sys
from pathlib import Path
from vesicula.evidence.store import open_store
from vesicula.evidence.importer import add_file
with open_store(sys.argv[1]) as store:
    for name in sys.argv[2:]:
        print(add_file(store, Path(name), author="child").revision.version, flush=True)
"""
STALL = """
import os, sys, time
from pathlib import Path
from vesicula.evidence import writer
from vesicula.evidence.store import open_store
from vesicula.evidence.importer import add_file
index_text = writer.index_text
def stall(connection, rows):
    index_text(connection, rows)
    print("half", flush=True)
    time.sleep(120)
writer.index_text = stall
with open_store(sys.argv[1]) as store:
    add_file(store, Path(sys.argv[2]), author="child")
"""


def start(code, *arguments, **options):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def finish(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out


def integrity(store):
    """The database's own word, and every claim wholly there."""
    if "://" not in store.name:
        with closing(sqlite3.connect(store.name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            connection.execute("INSERT INTO claim_fts(claim_fts) VALUES ('integrity-check')")
            connection.rollback()
    for revision in store.versions():
        added = [
            c
            for c in store.query(Question(), as_of=revision.revision).claims
            if c.revision == revision.revision
        ]
        assert len(added) == revision.claims
        assert all(claim.references and claim.mentions for claim in added)


def target_of(store):
    """The store's path or URL (its socket folder is in the query, which the name keeps)."""
    return store.name


def many(lab_csv, prefix, count):
    rows = [{"record_id": f"{prefix}-{i}", "review": f"lab-{prefix}"} for i in range(count)]
    return lab_csv(*rows, name=f"{prefix}.csv")


def test_two_processes_write_at_once(store, lab_csv):
    files = {p: [many(lab_csv, f"{p}{i}", 60) for i in range(4)] for p in "ab"}
    children = [start(IMPORT, target_of(store), *names) for names in files.values()]
    printed = [version for child in children for version in finish(child).split()]
    revisions = store.versions()
    assert [r.revision for r in revisions] == list(range(1, 11))
    assert sorted(printed) == sorted(r.version for r in revisions[2:])
    for prefix in files:
        for i in range(4):
            assert len(store.query(Question(source=f"lab-{prefix}{i}")).claims) == 60
    integrity(store)


def test_two_processes_make_the_store_at_once(target):
    code = (
        "import sys\nfrom vesicula.evidence.store import open_store\nprint(open_store(sys.argv[1]).version())"
    )
    children = [start(code, target) for _ in range(3)]
    versions = {finish(child).strip() for child in children}
    assert len(versions) == 1
    with open_store(target) as store:
        assert len(store.versions()) == 2
        integrity(store)


def test_a_kill_in_mid_import_leaves_nothing_of_it(store, lab_csv):
    before = (store.versions(), store.query(Question()), store.sources())
    path = many(lab_csv, "k", 3000)
    child = start(STALL, target_of(store), path)
    assert child.stdout.readline() == "half\n", child.stderr.read()
    # While it writes, readers see the old state.
    assert store.versions() == before[0]
    child.send_signal(signal.SIGKILL)
    finish(child, code=-signal.SIGKILL)
    with open_store(target_of(store)) as again:
        assert (again.versions(), again.query(Question()), again.sources()) == before
        integrity(again)
        assert add_file(again, path).revision.claims == 3000
        integrity(again)


def test_a_kill_while_the_store_is_made_leaves_none(target):
    code = (
        "import sys, time\nfrom vesicula.evidence import writer, store\n"
        "def stall(c, rows):\n    print('half', flush=True)\n    time.sleep(120)\n"
        "writer.index_text = stall\nstore.open_store(sys.argv[1])"
    )
    child = start(code, target)
    assert child.stdout.readline() == "half\n"
    child.kill()
    finish(child, code=-signal.SIGKILL)
    with open_store(target) as store:
        assert len(store.versions()) == 2
        integrity(store)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a small file system can be mounted by root alone")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "none", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine does not let tests mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_file_system(small_disk, lab_csv):
    where = small_disk / "evidence.sqlite"
    open_store(where).close()
    _full(where, many(lab_csv, "f", 5000))
    # What the failed import took is given back.
    assert sum(p.stat().st_size for p in small_disk.iterdir()) < 3 * 2**20


def test_a_file_system_that_is_full_from_the_start(small_disk):
    (small_disk / "ballast").write_bytes(bytes(3 * 2**20 - 64 * 1024))
    with pytest.raises(StoreError, match="The disk"):
        open_store(small_disk / "evidence.sqlite")
    (small_disk / "ballast").unlink()
    with open_store(small_disk / "evidence.sqlite") as store:
        integrity(store)


def _full(where, path):
    with open_store(where) as store:
        before = (store.versions(), store.query(Question()))
        with pytest.raises(StoreError) as caught:
            add_file(store, path)
        assert "nothing was changed" in str(caught.value)
        assert "make room" in str(caught.value)
        assert (store.versions(), store.query(Question())) == before
    with open_store(where) as store:
        assert store.versions() == before[0]
        integrity(store)


def test_a_limit_on_the_size_of_a_file(tmp_path, lab_csv):
    where = tmp_path / "evidence.sqlite"
    open_store(where).close()
    path = many(lab_csv, "f", 5000)
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from vesicula.evidence.store import open_store\nfrom vesicula.evidence.importer import add_file\n"
        "from vesicula.evidence.errors import StoreError\n"
        "limit = Path(sys.argv[1]).stat().st_size + 1_000_000\n"
        "store = open_store(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try:\n    add_file(store, Path(sys.argv[2]))\n"
        "except StoreError as error:\n    print(error)\n"
    )
    said = finish(start(code, where, path))
    assert "nothing was changed" in said
    with open_store(where) as store:
        assert len(store.versions()) == 2
        integrity(store)


def test_the_database_s_own_limit(tmp_path, lab_csv, monkeypatch):
    from vesicula.evidence import engine

    where = tmp_path / "evidence.sqlite"
    open_store(where).close()
    connect = engine._connect_sqlite

    def bounded(path, *, writable):
        connection = connect(path, writable=writable)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 50}")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_connect_sqlite", bounded)
        _full(where, many(lab_csv, "f", 3000))


@pytest.mark.parametrize("log", [False, True], ids=["closed", "with a log"])
def test_a_read_only_place_is_read_and_not_written(tmp_path, log):
    folder = tmp_path / "shared"
    where = folder / "evidence.sqlite"
    open_store(where).close()
    holder = None
    if log:
        # A writer elsewhere keeps its log beside the file.
        holder = sqlite3.connect(where)
        holder.execute("INSERT INTO store_meta VALUES ('in the log', 'yes')")
        holder.commit()
        assert where.with_name("evidence.sqlite-wal").stat().st_size
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    # The folders that pytest made (one more where tests run in several processes) are closed to others.
    for parent in (tmp_path, *(p for p in tmp_path.parents if "pytest-of-" in str(p))):
        parent.chmod(0o755)
    code = (
        "import os, sys\nimport sqlalchemy.dialects.sqlite\nfrom vesicula.evidence.store import open_store\n"
        "from vesicula.evidence.errors import StoreError\nfrom vesicula.evidence.content import Content\n"
        # Root may write anywhere: become nobody once everything is imported.
        "if os.geteuid() == 0:\n    os.setgid(65534)\n    os.setuid(65534)\n"
        "store = open_store(sys.argv[1])\nprint(store.version(), store.table('review-b/table-1').row_count)\n"
        "try:\n    store.add(Content(source='x', note='', file_name='', sha256=''))\n"
        "except StoreError as error:\n    print(error)\n"
        "try:\n    open_store(sys.argv[1] + '-none')\nexcept StoreError as error:\n    print(error)\n"
    )
    try:
        said = finish(start(code, where))
    finally:
        folder.chmod(0o755)
        if holder is not None:
            holder.close()
    first, second, third = said.strip().splitlines()
    assert first.startswith("2-")
    assert first.endswith(" 31")
    assert "read-only" in second
    assert "there is no store" in third


def test_a_place_that_cannot_be_is_one_clear_error(tmp_path):
    with pytest.raises(StoreError, match="found a folder"):
        open_store(tmp_path)
    (tmp_path / "file").write_text("text", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(tmp_path / "file" / "evidence.sqlite")
    (tmp_path / "other").write_bytes(b"this is no database, but some text" * 100)
    with pytest.raises(StoreError, match="no evidence store"):
        open_store(tmp_path / "other")
    with pytest.raises(StoreError, match="found mysql"):
        open_store("mysql://user:secret@host/db")
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="no evidence store here"):
        open_store(tmp_path / "none.sqlite", create=False)


def test_a_stranger_s_database_is_left_alone(tmp_path):
    where = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(where)) as connection:
        connection.execute("CREATE TABLE precious (x)")
    with pytest.raises(StoreError, match="other tables"):
        open_store(where)
    with closing(sqlite3.connect(where)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_a_store_of_another_schema_is_named(tmp_path):
    where = tmp_path / "old.sqlite"
    open_store(where).close()
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("UPDATE store_meta SET value = '0' WHERE key = 'schema_version'")
    with pytest.raises(StoreError, match="found 0"):
        open_store(where)


def test_a_writer_waits_for_another(tmp_path, lab_csv):
    where = tmp_path / "evidence.sqlite"
    with open_store(where) as store, closing(sqlite3.connect(where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        child = start(IMPORT, where, lab_csv({}))
        time.sleep(1.0)
        assert child.poll() is None
        assert len(store.versions()) == 2
        other.execute("ROLLBACK")
        finish(child)
        assert len(store.versions()) == 3


def test_the_default_place(monkeypatch, tmp_path):
    from vesicula.evidence.engine import default_path

    monkeypatch.setenv("VESICULA_EVIDENCE", "postgresql://host/db")
    assert default_path() == "postgresql://host/db"
    monkeypatch.delenv("VESICULA_EVIDENCE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Path(default_path()) == tmp_path / "vesicula" / "evidence.sqlite"
