"""Files that a command is asked to write: whole or not at all, and before anything is printed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from vesicula.core.errors import AnalysisError


def write_text(path: Path, content: str) -> None:
    """Write a file beside its place and rename it; say so on standard error.

    Parameters
    ----------
    path : pathlib.Path
        An older file is replaced.
    content : str
        Written as UTF-8.

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
    click.echo(f"Wrote {path}", err=True)
