"""Bytes of a FASTQ, plain or gzip, in chunks that a second thread unpacks."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vesicula.core.errors import UnreadableFile

Bytes = NDArray[np.uint8]

CHUNK = 4 << 20
"""Unpacked bytes handed over at a time."""
FIRST = 4 << 20
"""Unpacked bytes that `first_bytes` returns at most."""
HEADROOM = 1 << 20
"""Room before a chunk for the unfinished record of the chunk before; no record may be longer."""
_PACKED = 256 << 10
_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Unpacked bytes.

    Parameters
    ----------
    buffer : numpy.ndarray of uint8
        The bytes stand in ``buffer[HEADROOM:stop]``; what is before is the reader's.
    stop : int
        End of the bytes.
    last : bool
        Nothing follows.
    damage : str
        Why nothing follows, if it should have; empty otherwise.
    """

    buffer: Bytes
    stop: int
    last: bool
    damage: str


def inflate_library() -> tuple[ModuleType, str]:
    """Return the module that unpacks, and its name: ISA-L where it is installed, else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib, "zlib"
    return isal_zlib, "isal"


def read_chunks(path: Path) -> Generator[Chunk]:
    """Yield the bytes of a file in order; a chunk's buffer is reused once the next one is asked for.

    A damaged gzip gives all that could be unpacked; its last chunk says what was wrong.

    Raises
    ------
    UnreadableFile
        If the file cannot be opened.
    """
    with _opened(path) as handle:
        yield from _in_background(_source(handle))


def first_bytes(path: Path, *, lines: int) -> bytes:
    """Return the first bytes of a file: at least so many lines, but at most `FIRST` bytes.

    Raises
    ------
    UnreadableFile
        If the file cannot be opened.
    """
    parts: list[bytes] = []
    size = found = 0
    with _opened(path) as handle:
        read = _source(handle)
        while size < FIRST and found < lines:
            data, _ = read(min(_PACKED, FIRST - size))
            if not data:
                break
            parts.append(data)
            size += len(data)
            found += data.count(b"\n")
    return b"".join(parts)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFile(
            path, where="whole file", expected="a FASTQ, plain or gzip", found=error.strerror or str(error),
            remedy="Check the path and the permissions.",
        ) from error  # fmt: skip


def _source(handle: BinaryIO) -> Callable[[int], tuple[bytes, str]]:
    """Return what reads the unpacked bytes of a file."""
    packed = handle.read(2) == _MAGIC
    handle.seek(0)
    return _Gunzip(handle).read if packed else _Plain(handle).read


class _Plain:
    """Reads bytes as they are."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle = handle

    def read(self, wanted: int) -> tuple[bytes, str]:
        """Return up to `wanted` bytes (none at the end) and the damage met."""
        try:
            return self.handle.read(wanted), ""
        except OSError as error:
            return b"", f"reading failed: {error.strerror or error}"


class _Gunzip:
    """Unpacks gzip of one or many members, and keeps all that came before a damage."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle = handle
        self.library: Any = inflate_library()[0]
        self.stream: Any = None
        self.waiting = b""
        self.members = 0

    def read(self, wanted: int) -> tuple[bytes, str]:
        """Return up to `wanted` bytes (none at the end) and the damage met."""
        while True:
            if not self.waiting:
                self.waiting = self.handle.read(_PACKED)
            if self.stream is None:
                if not self._next_member():
                    return b"", "" if not self.waiting else self._trailing()
            elif not self.waiting:
                return b"", f"the gzip is cut off at byte {self.handle.tell()} of the packed file"
            try:
                plain = self.stream.decompress(self.waiting, wanted)
            except (zlib.error, self.library.error) as error:
                return b"", f"the gzip is damaged before byte {self.handle.tell()} of the packed file ({error})"
            if self.stream.eof:
                self.waiting, self.stream = self.stream.unused_data, None
            else:
                self.waiting = self.stream.unconsumed_tail
            if plain:
                return plain, ""

    def _next_member(self) -> bool:
        """Begin a member if one follows; zero bytes between members are padding."""
        if self.members:
            self.waiting = self.waiting.lstrip(b"\0")
        if len(self.waiting) < len(_MAGIC):
            self.waiting += self.handle.read(_PACKED)
        if not self.waiting.startswith(_MAGIC):
            return False
        self.stream = self.library.decompressobj(31)
        self.members += 1
        return True

    def _trailing(self) -> str:
        return f"bytes that are no gzip follow member {self.members}"


def _in_background(read: Callable[[int], tuple[bytes, str]]) -> Generator[Chunk]:
    """Run `read` in a thread, two chunks ahead: unpacking releases the interpreter's lock."""
    empty: Queue[Bytes] = Queue()
    full: Queue[Chunk | BaseException] = Queue(maxsize=2)
    for _ in range(4):
        empty.put(np.empty(HEADROOM + CHUNK, np.uint8))
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(read, empty, full, stopped), daemon=True)
    thread.start()
    try:
        while True:
            chunk = full.get()
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
            if chunk.last:
                return
            empty.put(chunk.buffer)
    finally:
        stopped.set()
        thread.join()


def _fill(
    read: Callable[[int], tuple[bytes, str]], empty: Queue[Bytes], full: Queue[Any], stopped: threading.Event
) -> None:
    """Fill free buffers until the source ends."""

    def hand_over(item: Chunk | BaseException) -> None:
        while not stopped.is_set():
            try:
                full.put(item, timeout=0.1)
            except Full:
                continue
            return

    try:
        while not stopped.is_set():
            try:
                buffer = empty.get(timeout=0.1)
            except Empty:
                continue
            stop, last, damage = HEADROOM, False, ""
            while stop < buffer.size and not last:
                data, damage = read(buffer.size - stop)
                buffer[stop : stop + len(data)] = np.frombuffer(data, np.uint8)
                stop += len(data)
                last = not data
            hand_over(Chunk(buffer=buffer, stop=stop, last=last, damage=damage))
            if last:
                return
    except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
        hand_over(error)
