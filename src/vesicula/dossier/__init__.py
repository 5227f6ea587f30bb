"""Assessment in; HTML, JSON, Parquet and RO-Crate out. Knows core and figures only.

``dossier.write(assessment, folder)`` writes one, ``dossier.load_findings(folder)`` reads its findings back,
``dossier.check_files(folder)`` compares it with its hashes. They are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vesicula.dossier.read import check_files, load_findings
    from vesicula.dossier.writer import DossierPaths, write

_HOMES = {"DossierPaths": "writer", "check_files": "read", "load_findings": "read", "write": "writer"}

__all__ = ["DossierPaths", "check_files", "load_findings", "write"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vesicula.dossier' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vesicula.dossier.{_HOMES[name]}"), name)
