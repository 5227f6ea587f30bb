"""A folder appears whole or not at all: it is built beside its place and renamed into it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vesicula.core.errors import DossierError
from vesicula.dossier.inputs import fsync_tree

CRATE = "ro-crate-metadata.json"
MANIFEST = "manifest-sha256.txt"
MARK = "vesicula"
DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file managers leave in folders that were looked at; nobody's work."""


def is_dossier(folder: Path) -> bool:
    """Say whether a folder is a dossier of ours: an RO-Crate whose metadata name vesicula, with our manifest.

    Parameters
    ----------
    folder : pathlib.Path
        Any folder.

    Returns
    -------
    bool
        False for anything doubtful.
    """
    try:
        graph = json.loads((folder / CRATE).read_text(encoding="utf-8"))["@graph"]
        named = any(isinstance(e, dict) and e.get("@id") == "#vesicula" for e in graph)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return named and (folder / MANIFEST).is_file()


def foreign_files(folder: Path) -> list[str]:
    """Return files in a dossier that its manifest does not list: somebody else's, not to be deleted."""
    listed = {
        line.split("  ", 1)[1] for line in (folder / MANIFEST).read_text(encoding="utf-8").splitlines() if "  " in line
    }
    present = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return sorted(p for p in present if p not in listed and p != MANIFEST and p.rsplit("/", 1)[-1] not in DROPPINGS)


def check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds anything but an older dossier that may be replaced.

    Parameters
    ----------
    folder : pathlib.Path
        Where the dossier shall be.
    overwrite : bool
        Whether an older dossier may be replaced.

    Raises
    ------
    DossierError
        When the place is taken.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DossierError(f"{folder}: is not a folder. Choose another place for the dossier.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not is_dossier(folder):
        raise DossierError(
            f"{folder}: holds files that are no dossier of vesicula; it is left alone. Choose another place."
        )
    if not overwrite:
        raise DossierError(f"{folder}: a dossier stands there already. Allow overwriting, or choose another place.")
    if foreign := foreign_files(folder):
        raise DossierError(
            f"{folder}: beside the old dossier it holds files of others, such as {foreign[0]!r}; it is left alone. "
            "Move them away first."
        )


@contextmanager
def staged(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder to build in; rename it into place when the block ends well, remove it when not.

    Parameters
    ----------
    folder : pathlib.Path
        Where the dossier shall be.
    overwrite : bool
        Whether an older dossier may be replaced.

    Yields
    ------
    pathlib.Path
        A sibling of `folder`, so that the rename stays on one file system.

    Raises
    ------
    DossierError
        When the place is taken or cannot be written.
    """
    _recover(folder)
    with built_beside(folder, lambda: check_target(folder, overwrite=overwrite)) as work:
        yield work


@contextmanager
def built_beside(folder: Path, check: Callable[[], None]) -> Iterator[Path]:
    """Give a temporary sibling of a folder to build in; rename it into place when the block ends well.

    Parameters
    ----------
    folder : pathlib.Path
        Where the result shall be.
    check : callable
        Raises where the place may not be taken; asked before and after building.

    Yields
    ------
    pathlib.Path
        Removed when the block fails.

    Raises
    ------
    DossierError
        When the place cannot be written, and what `check` raises.
    """
    check()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = folder.parent / f".{folder.name}.{MARK}-new-{os.getpid()}-{secrets.token_hex(4)}"
        work.mkdir()
    except OSError as error:
        raise DossierError(f"{folder.parent}: cannot be written ({error.strerror or error}).") from error
    try:
        yield work
        fsync_tree(work)
        check()
        _swap(work, folder)
    except OSError as error:
        raise DossierError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    finally:
        if work.exists():
            shutil.rmtree(work, ignore_errors=True)


def _swap(work: Path, folder: Path) -> None:
    """Put the new folder into place. A crash between the two renames is mended by `_recover`."""
    old = None
    if folder.exists() and any(folder.iterdir()):
        old = folder.parent / f".{folder.name}.{MARK}-old-{os.getpid()}-{secrets.token_hex(4)}"
        folder.rename(old)
    elif folder.exists():
        folder.rmdir()
    work.rename(folder)
    _fsync_folder(folder.parent)
    if old is not None:
        shutil.rmtree(old)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _recover(folder: Path) -> None:
    """Clear up after runs that were killed: restore a dossier that was set aside, remove what was half built."""
    if not folder.parent.is_dir():
        return
    for left in sorted(folder.parent.glob(f".{_glob_escape(folder.name)}.{MARK}-*")):
        if _owner_lives(left):
            continue
        if f".{MARK}-old-" in left.name and not folder.exists() and is_dossier(left):
            left.rename(folder)
        elif f".{MARK}-new-" in left.name or (f".{MARK}-old-" in left.name and is_dossier(folder)):
            shutil.rmtree(left, ignore_errors=True)


def _glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _owner_lives(left: Path) -> bool:
    """Say whether the process that made a temporary folder may still run; when in doubt, yes."""
    pid = left.name.rsplit("-", 2)[-2]
    if os.name == "nt" or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
