"""Recognises a file by its content and hands it to its reader: exactly one match, or an error."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from vesicula.core.errors import AmbiguousFormat, UnknownFormat, UnreadableFile, VesiculaError
from vesicula.core.measurement import Measurement
from vesicula.instruments.api import HEAD_BYTES, Head, Reader
from vesicula.instruments.text import decode

GROUP = "vesicula.readers.v1"


@cache
def readers() -> dict[str, Reader]:
    """Return all registered readers by name.

    Returns
    -------
    dict of str to Reader
        Sorted by name.

    Raises
    ------
    VesiculaError
        When two packages register the same name, or an entry point does not hold a Reader.
    """
    found: dict[str, Reader] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        reader = entry.load()
        if not isinstance(reader, Reader) or reader.name != entry.name:
            raise VesiculaError(f"the entry point {entry.name!r} ({entry.value}) is not a Reader of that name")
        if reader.name in found:
            raise VesiculaError(f"two packages register a reader named {reader.name!r}: remove one of them")
        found[reader.name] = reader
    return found


def head_of(path: Path) -> Head:
    """Read the first 64 KiB of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Head
        What readers recognise a file by.

    Raises
    ------
    UnreadableFile
        When the file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(HEAD_BYTES)
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a name that holds a NUL
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a file that can be opened",
            found=str(error),
            remedy="Check that it exists and that you may read it.",
        ) from error
    text, _ = decode(data)
    return Head(name=path.name, size_bytes=size, data=data, text="" if "\x00" in text else text)


def recognise(path: Path) -> Reader:
    """Return the one reader that recognises a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Reader
        The match.

    Raises
    ------
    UnknownFormat
        When no reader recognises it.
    AmbiguousFormat
        When several do.
    """
    head = head_of(path)
    matches = [reader for reader in readers().values() if reader.recognise(head)]
    if len(matches) == 1:
        return matches[0]
    names = ", ".join(r.name for r in (matches or readers().values()))
    if matches:
        raise AmbiguousFormat(
            path,
            where="beginning of file",
            expected="one known format",
            found=f"several: {names}",
            remedy="Name the reader to use: reader=... or --reader.",
        )
    first_line = head.text.lstrip("\ufeff").split("\n", 1)[0] if head.text else "binary data"
    raise UnknownFormat(
        path,
        where="beginning of file",
        expected=f"one of the formats {names}",
        found=first_line or "an empty file",
        remedy="Export from the instrument's software in one of these formats. A video goes to `vesicula nta`.",
    )


def read(path: Path | str, *, reader: str | None = None) -> Measurement:
    """Read a supported instrument file.

    Parameters
    ----------
    path : pathlib.Path or str
        The file. It is recognised by its content, whatever its name.
    reader : str, optional
        Name of the reader to use, without recognition.

    Returns
    -------
    SizeMeasurement or TableMeasurement
        What the file holds.

    Raises
    ------
    UnreadableFile
        When the file is not of a known format or does not hold what its format demands.
    VesiculaError
        When `reader` names no registered reader.
    """
    path = Path(path)
    if reader is None:
        return recognise(path).read(path)
    if reader not in readers():
        raise VesiculaError(f"no reader is named {reader!r}; known: {', '.join(readers())}")
    return readers()[reader].read(path)
