"""What lies in a study folder, and whether the files that a manifest lists are there and inside it."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from vesicula.core.errors import shorten
from vesicula.core.manifest_fields import RelativePath
from vesicula.manifest.problem import Problem, error

MANIFEST_NAME = "study.yaml"
MAX_FILES = 100_000
"""Far above a study of thousands of batches; keeps a walk started in the wrong folder short."""
MAX_FOLDER_DEPTH = 12
MAX_HINTS = 20
"""Missing files for which the nearest names are looked up; more are missing only in the wrong folder."""

_CRATE = "ro-crate-metadata.json"
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_PATH: TypeAdapter[str] = TypeAdapter(RelativePath)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a study folder.

    Parameters
    ----------
    files : tuple of str
        Paths relative to the folder, with forward slashes, in natural order. Hidden files, links, the
        manifest and dossiers are left out.
    left_out : tuple of tuple of (str, str)
        Path and reason of what a user might miss: links, and names that no manifest can hold.
    truncated : bool
        Whether there were more than `MAX_FILES` files or folders deeper than `MAX_FOLDER_DEPTH`.
    """

    files: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    truncated: bool


@dataclass(slots=True)
class _Walk:
    files: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    truncated: bool = False


def list_folder(folder: Path) -> Listing:
    """List the files of a study folder and of its subfolders.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.

    Returns
    -------
    Listing
        Hidden files and folders, ``study.yaml`` and folders that hold a dossier (they have an RO-Crate
        metadata file) are left out; symbolic links are not followed.
    """
    walk = _Walk()
    pending: list[tuple[str, int]] = [("", 0)]
    while pending and not walk.truncated:
        relative, depth = pending.pop()
        try:
            with os.scandir(folder / relative) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError as fault:
            walk.left_out.append((relative, f"cannot be opened: {fault.strerror or fault}"))
            continue
        if relative and any(e.name == _CRATE for e in found):
            continue
        for entry in found:
            _visit(walk, pending, entry, relative, depth)
    return Listing(
        files=tuple(sorted(walk.files, key=natural_key)),
        left_out=tuple(sorted(walk.left_out)),
        truncated=walk.truncated,
    )


def _visit(walk: _Walk, pending: list[tuple[str, int]], entry: os.DirEntry[str], relative: str, depth: int) -> None:
    if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_FILES:
        return
    path = f"{relative}/{entry.name}" if relative else entry.name
    if entry.is_symlink():
        walk.left_out.append((path, "a symbolic link, not followed"))
    elif entry.is_dir(follow_symlinks=False):
        if depth + 1 > MAX_FOLDER_DEPTH:
            walk.truncated = True
        else:
            pending.append((path, depth + 1))
    elif not entry.is_file(follow_symlinks=False):
        walk.left_out.append((path, "not a regular file"))
    elif path != MANIFEST_NAME:
        if listable(path):
            walk.files.append(path)
            walk.truncated = len(walk.files) > MAX_FILES
        else:
            walk.left_out.append((path, "its name cannot stand in a manifest: rename it"))


def listable(path: str) -> bool:
    """Return whether a relative path can stand in a manifest unchanged.

    Parameters
    ----------
    path : str
        As the file system gives it, with forward slashes.

    Returns
    -------
    bool
        False for names that are not Unicode, hold control characters or a backslash, look like a drive
        letter, or are too long.
    """
    try:
        path.encode("utf-8")
        return _PATH.validate_python(path) == path
    except (ValidationError, UnicodeEncodeError):
        return False


def normal_path(text: str) -> str | None:
    """Return a path of the manifest in its normal form.

    Parameters
    ----------
    text : str
        As the user wrote it.

    Returns
    -------
    str or None
        None when it is not a path inside the folder.
    """
    try:
        return _PATH.validate_python(text)
    except ValidationError:
        return None


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``run 2`` before ``run 10``."""
    parts = re.split(r"([0-9]{1,18})", text)
    return tuple((0, int(p), p) if i % 2 else (1, 0, p) for i, p in enumerate(parts))


def check_files(folder: Path, listed: list[tuple[int, str]]) -> list[Problem]:
    """Check the files that a manifest lists.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    listed : list of tuple of (int, str)
        Line and path (as `normal_path` returns it) of each.

    Returns
    -------
    list of Problem
        An error for each file that is missing, not a regular file, outside the folder, or listed before, be
        it by another name of the same file.
    """
    problems: list[Problem] = []
    root = Path(os.path.realpath(folder))
    seen: dict[object, int] = {}
    names: list[str] | None = None
    for line, path in listed:
        file, fault = f"the file {shorten(path)!r}", _fault(folder, root, path)
        if fault == "missing":
            names = list(list_folder(folder).files) if names is None else names
            hint = _nearest(path, names) if len(problems) < MAX_HINTS else ""
            problems.append(replace(error(line, f"{file} is not in the folder", hint), missing_file=True))
        elif fault:
            problems.append(error(line, f"{file} {fault}", "Copy the file itself into the study folder"))
        identities = _identities(folder, path, usable=not fault)
        if first := next((seen[key] for key in identities if key in seen), 0):
            problems.append(
                error(
                    line,
                    f"{file} is listed already, on line {first}",
                    "Remove one: a file counted twice would pass for a replicate",
                )
            )
        for key in identities:
            seen.setdefault(key, line)
    return problems


def is_usable(folder: Path, path: str) -> bool:
    """Return whether a path is that of a regular file inside the study folder.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    path : str
        Relative path; links are followed.

    Returns
    -------
    bool
        False also where a link leads out of the folder.
    """
    return not _fault(folder, Path(os.path.realpath(folder)), path)


def _fault(folder: Path, root: Path, path: str) -> str:
    full = folder / path
    try:
        if not full.resolve(strict=True).is_relative_to(root):
            return "leads out of the study folder"
        return "" if full.is_file() else "is not a regular file"
    except FileNotFoundError:
        return "leads out of the study folder" if full.is_symlink() else "missing"
    except (NotADirectoryError, ValueError):
        return "missing"
    except (OSError, RuntimeError) as fault:  # a loop of links is a RuntimeError before Python 3.13
        return f"cannot be opened ({getattr(fault, 'strerror', None) or fault})"


def _identities(folder: Path, path: str, *, usable: bool) -> list[object]:
    if not usable:
        return [path]
    try:
        status = (folder / path).stat()
    except OSError:
        return [path]
    return [path, (status.st_dev, status.st_ino)] if status.st_ino else [path]


def _nearest(path: str, names: list[str]) -> str:
    folded = {_fold(name): name for name in names}
    if _fold(path) in folded:
        return (
            f"{shorten(folded[_fold(path)])!r} is: letter case and the encoding of accents must agree, "
            "copy its name from there"
        )
    same_name = [n for n in names if PurePosixPath(n).name == PurePosixPath(path).name][:3]
    # Comparing with every file of a large folder would take long; the first thousand will do for a hint.
    near = same_name or difflib.get_close_matches(path, names[:1000], n=3, cutoff=0.6)
    if near:
        return "Nearest: " + ", ".join(repr(shorten(n)) for n in near)
    return "Check the name; it is relative to the folder of study.yaml"


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
