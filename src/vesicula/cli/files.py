"""Small text files that a command reads or is asked to write."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vesicula.core.errors import AnalysisError, UnreadableFile

if TYPE_CHECKING:
    from vesicula.figures.figure import Figure
    from vesicula.isolation.protocol_text import Equipment

MAX_BYTES = 1_000_000


def read_text(path: Path) -> str:
    """Read a small text file, such as a protocol.

    Parameters
    ----------
    path : pathlib.Path
        UTF-8, with or without byte order mark.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    UnreadableFile
        When it cannot be read, is no UTF-8 or is larger than a megabyte.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            remedy = "Give the protocol, rotor, column or feed file itself."
            raise UnreadableFile(
                path, where="whole file", expected=f"at most {MAX_BYTES} bytes", found=f"{size} bytes", remedy=remedy
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            path, where=f"byte {error.start}", expected="text in UTF-8", found="other bytes", remedy="Save it as UTF-8."
        ) from None
    except OSError as error:
        found = error.strerror or str(error)
        raise UnreadableFile(
            path, where="whole file", expected="a readable file", found=found, remedy="Check its name and rights."
        ) from None


def read_equipment(rotors: Path | None, columns: Path | None) -> Equipment:
    """Read the user's own rotors and columns.

    Parameters
    ----------
    rotors, columns : pathlib.Path, optional
        YAML files.

    Returns
    -------
    Equipment
        Empty tables where no file was given.

    Raises
    ------
    UnreadableFile
        When one cannot be read, or says something impossible.
    """
    from vesicula.isolation.protocol_text import Equipment
    from vesicula.isolation.rotors import parse_rotors
    from vesicula.isolation.sec import parse_columns

    return Equipment(
        rotors=parse_rotors(read_text(rotors), name=str(rotors)) if rotors is not None else {},
        columns=parse_columns(read_text(columns), name=str(columns)) if columns is not None else {},
    )


def write_text(path: Path, content: str, *, quiet: bool = False) -> None:
    """Write a file beside its place and rename it; say so on standard error.

    Parameters
    ----------
    path : pathlib.Path
        An older file is replaced.
    content : str
        Written as UTF-8.
    quiet : bool
        Do not say so.

    Raises
    ------
    AnalysisError
        When the place cannot be written.
    """
    new = path.with_name(f".{path.name}.vesicula-new-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        new.write_text(content, encoding="utf-8", newline="\n")
        new.replace(path)
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be written: {error.strerror or error}. Choose another place.") from None
    finally:
        new.unlink(missing_ok=True)
    if not quiet:
        click.echo(f"Wrote {path}", err=True)


def write_svg(path: Path, figure: Figure) -> None:
    """Write a figure as a picture that stands alone, as `write_text` does.

    Parameters
    ----------
    path : pathlib.Path
        An older file is replaced.
    figure : Figure
        On a page it takes its ink from the text around it; here the ink is set.

    Raises
    ------
    AnalysisError
        When the place cannot be written.
    """
    write_text(path, figure.svg.replace("<svg ", '<svg color="#1b1f24" ', 1) + "\n")
