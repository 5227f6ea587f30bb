"""``vesicula init``: look at a folder and write a study.yaml to fill in."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from vesicula.core.errors import ManifestError
from vesicula.instruments import registry
from vesicula.manifest.folder import MANIFEST_NAME, MAX_FILES, MAX_FOLDER_DEPTH, list_folder
from vesicula.manifest.group import BatchGroup, KnownFile, group, look_at
from vesicula.manifest.template import render
from vesicula.manifest.yaml_text import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vesicula.instruments.api import Reader

_ROOMY = MAX_BYTES // 4
"""A template larger than this would leave little room for what the lab states: it is written without the
fields to fill in of all but the first batch."""


def init_study(
    folder: Path, *, overwrite: bool = False, recognise: Callable[[Path], Reader] = registry.recognise
) -> Path:
    """Write a commented study.yaml for the files of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder. Only the first 64 KiB of each file are read.
    overwrite : bool
        Whether an existing study.yaml is replaced.
    recognise : callable
        Takes a path, returns the reader that knows its content or raises `UnreadableFile`.

    Returns
    -------
    pathlib.Path
        The manifest. It passes ``vesicula check`` without errors.

    Raises
    ------
    ManifestError
        When the folder is none, holds too much, has a manifest already, or cannot be written.
    """
    target = folder / MANIFEST_NAME
    if not folder.is_dir():
        raise ManifestError(target, [(0, f"{folder} is not a folder. Name the folder that holds the files.")])
    if os.path.lexists(target) and not overwrite:
        raise ManifestError(target, [(0, _EXISTS)])
    listing = list_folder(folder)
    if listing.truncated:
        limits = f"more than {MAX_FILES} files, or folders more than {MAX_FOLDER_DEPTH} deep"
        raise ManifestError(target, [(0, f"the folder holds {limits}. Name the folder of one study.")])
    known: list[KnownFile] = []
    unknown: list[tuple[str, str]] = list(listing.left_out)
    for path in listing.files:
        file = look_at(folder, path, recognise)
        if isinstance(file, str):
            unknown.append((path, file))
        else:
            known.append(file)
    batches = group(known) or (BatchGroup(name="", samples=()),)
    title = folder.resolve().name or "study"
    text = render(title, batches, unknown=unknown)
    if len(text.encode()) > _ROOMY:
        text = render(title, batches, unknown=unknown, explain=False)
    _write(target, text, overwrite=overwrite)
    return target


_EXISTS = "a manifest exists already and is left as it is. Use --overwrite to replace it."


def _write(target: Path, text: str, *, overwrite: bool) -> None:
    """Write all or nothing; without `overwrite`, never over a file that appeared in the meantime."""
    temporary = target.with_name(f".{MANIFEST_NAME}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            temporary.replace(target)
        else:
            _publish(temporary, target)
    except FileExistsError:
        raise ManifestError(target, [(0, _EXISTS)]) from None
    except OSError as fault:
        raise ManifestError(target, [(0, f"cannot be written: {fault.strerror or fault}.")]) from fault
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _publish(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as FAT
        if os.path.lexists(target):
            raise FileExistsError from None
        temporary.replace(target)
