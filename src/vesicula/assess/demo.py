"""The study that comes with vesicula."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from vesicula.core.errors import VesiculaError


def unpack_demo(folder: Path) -> Path:
    """Copy the packaged study into a folder; files that are there already are left as they are.

    Parameters
    ----------
    folder : pathlib.Path
        Made if need be.

    Returns
    -------
    pathlib.Path
        The study folder, ``folder/study``.

    Raises
    ------
    VesiculaError
        When the folder cannot be written.
    """
    target = folder / "study"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for entry in (resources.files("vesicula.data") / "demo").iterdir():
            copy = target / entry.name
            if entry.is_file() and not copy.exists():
                copy.write_bytes(entry.read_bytes())
    except OSError as error:
        raise VesiculaError(f"{folder}: cannot be written: {error}. Choose another folder.") from error
    return target
