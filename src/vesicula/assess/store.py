"""Finished batches on disk: a stopped run resumes by them, and thousands of batches stay out of memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import overload

import msgspec

from vesicula.core.assessment import BatchAssessment, batch_from_msgpack, to_msgpack
from vesicula.core.errors import AnalysisError

SUFFIX = ".msgpack"
"""A result is a CRC-32 (4 bytes, little-endian) and the MessagePack of it. Not compressed: that would take longer than
computing a tenth of the batch, to save 0.2 MB of a folder that can be deleted after the run."""

CHECKSUM_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultStore:
    """A folder with one file per finished batch, named after everything the result depends on.

    Parameters
    ----------
    folder : pathlib.Path
        Created on first use.
    """

    folder: Path

    def path(self, key: str) -> Path:
        """Return where the result of a key lies or would lie."""
        return self.folder / f"{key}{SUFFIX}"

    def load(self, key: str) -> BatchAssessment | None:
        """Return a stored result; None when there is none or it is damaged (it is then computed anew)."""
        try:
            content = self.path(key).read_bytes()
            checksum, data = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
            return batch_from_msgpack(data) if checksum == _checksum(data) else None
        except (OSError, msgspec.MsgspecError):
            return None

    def save(self, result: BatchAssessment) -> None:
        """Store a result, all or nothing.

        Raises
        ------
        AnalysisError
            When the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    data = to_msgpack(result)
                    stream.write(_checksum(data))
                    stream.write(data)
                Path(temporary).replace(self.path(result.key))
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise AnalysisError(
                f"{self.folder}: intermediate results cannot be written: {error}. "
                "Free some space, or choose another folder with --work."
            ) from error


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(CHECKSUM_BYTES, "little")


@dataclass(frozen=True, slots=True, eq=False)
class StoredBatches(Sequence[BatchAssessment]):
    """The batches of an assessment, read from the store one at a time.

    Parameters
    ----------
    store : ResultStore
        Where they lie.
    keys : tuple of str
        In the order of the manifest.
    """

    store: ResultStore
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> BatchAssessment: ...
    @overload
    def __getitem__(self, index: slice) -> StoredBatches: ...
    def __getitem__(self, index: int | slice) -> BatchAssessment | StoredBatches:
        if isinstance(index, slice):
            return StoredBatches(self.store, self.keys[index])
        result = self.store.load(self.keys[index])
        if result is None:
            raise AnalysisError(
                f"{self.store.path(self.keys[index])}: an intermediate result has vanished or is "
                "damaged. Analyse the study again."
            )
        return result

    def __iter__(self) -> Iterator[BatchAssessment]:
        return (self[i] for i in range(len(self)))


@cache
def code_fingerprint() -> str:
    """Return a hash over the program's own source and tables, so that no result outlives the code that made it.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    digest = hashlib.sha256()
    for part in ("core", "data", "instruments", "identity", "assess"):
        for name, data in sorted(_sources(resources.files("vesicula") / part, part)):
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            if entry.name not in ("__pycache__", "demo", "evidence", "names"):  # no number rests on these
                yield from _sources(entry, name)
        elif entry.name.endswith((".py", ".tsv", ".csv")):
            yield name, entry.read_bytes()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
