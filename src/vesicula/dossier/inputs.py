"""Copies the input files into the dossier, each checked against the hash that the analysis saw."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vesicula.core.assessment import FileRecord
from vesicula.core.errors import DossierError

CHUNK = 1 << 20
MANIFEST = "study.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file of the study folder.

    Parameters
    ----------
    path : str
        Relative to the study folder, with forward slashes.
    sha256 : str
        What the analysis saw; empty when it could not open the file.
    size_bytes : int
        Its size then.
    batch : str
        Batch that lists it; empty for the manifest.
    """

    path: str
    sha256: str
    size_bytes: int
    batch: str = ""


def of_records(batch: str, records: Iterable[FileRecord]) -> list[InputFile]:
    """Return the records of a batch as input files."""
    return [InputFile(path=r.path, sha256=r.sha256, size_bytes=r.size_bytes, batch=batch) for r in records]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces of 1 MiB."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def safe_join(folder: Path, relative: str) -> Path:
    """Return a path inside a folder, whatever the text says.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    relative : str
        A path with forward slashes, from a file that may have been tampered with.

    Returns
    -------
    pathlib.Path
        With symbolic links resolved.

    Raises
    ------
    DossierError
        When it is absolute, has ``..`` or a drive, or leads outside through a symbolic link.
    """
    pure = PurePosixPath(relative)
    bad = (
        pure.is_absolute()
        or ".." in pure.parts
        or not pure.parts
        or "\\" in relative
        or ":" in pure.parts[0]
        or any(ord(c) < 32 for c in relative)
    )
    if not bad:
        full = (folder / pure).resolve()
        if full.is_relative_to(folder.resolve()):
            return full
    raise DossierError(
        f"{relative!r} lies outside {folder}: only files inside it are read. Copy the file into the folder."
    )


def copy_inputs(files: Iterable[InputFile], study: Path, target: Path, *, manifest_sha256: str, max_bytes: int) -> str:
    """Copy the input files and the manifest, all of them or none.

    Parameters
    ----------
    files : iterable of InputFile
        What the batches list.
    study : pathlib.Path
        The study folder.
    target : pathlib.Path
        Folder that does not exist yet.
    manifest_sha256 : str
        Hash of study.yaml.
    max_bytes : int
        Largest sum of sizes.

    Returns
    -------
    str
        Why nothing was copied; empty when everything was.

    Raises
    ------
    DossierError
        When a file is gone, has changed since the analysis, or lies outside the study folder.
    """
    manifest = InputFile(path=MANIFEST, sha256=manifest_sha256, size_bytes=0)
    wanted = {f.path: f for f in (manifest, *files) if f.sha256}
    total = sum(f.size_bytes for f in wanted.values())
    if total > max_bytes:
        return f"{total / 1e6:.0f} MB of input files exceed the limit of {max_bytes / 1e6:.0f} MB"
    for item in wanted.values():
        _copy(item, safe_join(study, item.path), target / PurePosixPath(item.path))
    return ""


def _copy(item: InputFile, source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reading, target.open("xb") as writing:
            while piece := reading.read(CHUNK):
                digest.update(piece)
                writing.write(piece)
    except OSError as error:
        raise DossierError(
            f"{item.path}: cannot be copied into the dossier ({error.strerror or error}). Restore the file, or write "
            "the dossier without inputs."
        ) from error
    if digest.hexdigest() != item.sha256:
        raise DossierError(
            f"{item.path}: changed since the analysis (SHA-256 was {item.sha256[:12]}..., is "
            f"{digest.hexdigest()[:12]}...). Run the analysis again."
        )


def fsync_tree(folder: Path) -> None:
    """Force every file and folder of a tree to the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
