"""Instrument text as it comes: BOM or none, UTF-8 or Windows-1252, CRLF or LF, decimal points or commas."""

from __future__ import annotations

import codecs
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import SourceFile

MAX_BYTES = 512 * 1024 * 1024
"""Larger text exports are refused: the largest NTA track tables are some tens of MB, and memory must stay bounded."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    r"""A whole text file in memory.

    Parameters
    ----------
    path : pathlib.Path
        Where it was.
    source : SourceFile
        Name, hash and size.
    text : str
        Content, with line ends normalised to ``\n``.
    encoding : str
        Encoding that was used.
    """

    path: Path
    source: SourceFile
    text: str
    encoding: str


def load_text(path: Path, *, max_bytes: int = MAX_BYTES) -> TextFile:
    """Read a text file, whatever its encoding.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    max_bytes : int
        Largest file accepted.

    Returns
    -------
    TextFile
        Its text and hash.

    Raises
    ------
    UnreadableFile
        When it is missing, not a regular file, too large, empty, or binary.
    """
    try:
        if not path.is_file():
            raise UnreadableFile(
                path, where="whole file", expected="a regular file", found="none there", remedy="Check the path."
            )
        size = path.stat().st_size
        if size > max_bytes:
            raise UnreadableFile(
                path,
                where="whole file",
                expected=f"at most {max_bytes} bytes",
                found=f"{size} bytes",
                remedy="Export the summary rather than raw video or image data.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a file that can be opened",
            found=str(error),
            remedy="Check that it exists and that you may read it.",
        ) from error
    source = SourceFile(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    if not data.strip():
        raise UnreadableFile(
            path,
            where="whole file",
            expected="an instrument export",
            found="an empty file",
            remedy="Export it again from the instrument's software.",
        )
    text, encoding = decode(data)
    if "\x00" in text[:4096] or not text.strip():
        raise UnreadableFile(
            path,
            where="whole file",
            expected="text",
            found="binary data",
            remedy="Export it as text or CSV from the instrument's software.",
        )
    return TextFile(path=path, source=source, encoding=encoding, text=text.replace("\r\n", "\n").replace("\r", "\n"))


def decode(data: bytes) -> tuple[str, str]:
    """Decode bytes by BOM, else as UTF-8, else as Windows-1252 with Latin-1 for its five undefined bytes.

    Parameters
    ----------
    data : bytes
        Content, or the beginning of it: a multi-byte character cut at the end is dropped.

    Returns
    -------
    tuple of (str, str)
        The text and the name of the encoding used. Never raises.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace"), encoding
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=False), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NUMBER_COMMA = re.compile(r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def parse_number(text: str, *, decimal_comma: bool = False) -> float | None:
    """Parse one number strictly.

    Parameters
    ----------
    text : str
        A cell, with or without blanks around it.
    decimal_comma : bool
        Whether this file writes a comma for the decimal point. Never guessed per cell: "1,234" would be
        1234 in one locale and 1.234 in another.

    Returns
    -------
    float or None
        None for anything that is not wholly a finite number, "NaN" and "inf" included.
    """
    cell = text.strip()
    if not (_NUMBER_COMMA if decimal_comma else _NUMBER).fullmatch(cell):
        return None
    value = float(cell.replace(",", ".") if decimal_comma else cell)
    return value if math.isfinite(value) else None
