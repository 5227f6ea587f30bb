"""The contract between the registry and a reader, our own or a plug-in's; nothing else.

A plug-in registers a :class:`Reader` under the entry-point group ``vesicula.readers.v1``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vesicula.core.measurement import Measurement

HEAD_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of a file: all that a reader may look at to recognise it.

    Parameters
    ----------
    name : str
        File name without folders. Content decides; the name is for messages.
    size_bytes : int
        Size of the whole file.
    data : bytes
        Its first 64 KiB.
    text : str
        `data` decoded (BOM honoured, else UTF-8, else Windows-1252), without NUL; empty if it is not text.
    """

    name: str
    size_bytes: int
    data: bytes
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One vendor format.

    Parameters
    ----------
    name : str
        Name in snake case; what ``reader=`` takes.
    instrument : str
        ``"NanoSight"``, ``"ZetaView"``, ...
    title : str
        What the format is, in words.
    recognise : callable
        Takes a :class:`Head`, returns whether the content is of this format. Never opens anything, never raises.
    read : callable
        Takes a path, returns a measurement, raises :class:`vesicula.core.errors.UnreadableFile` alone.
    """

    name: str
    instrument: str
    title: str
    recognise: Callable[[Head], bool]
    read: Callable[[Path], Measurement]
