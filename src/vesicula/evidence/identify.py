"""What a name in a role is identified as, by :mod:`vesicula.evidence.names`; nothing where that is absent."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

ROLE_KINDS = {
    "condition": ("condition",),
    "tumour": ("tumour",),
    "species": ("species",),
    "cell_source": ("cell_source",),
    "cargo": ("mirna", "gene", "chemical"),
    "target": ("gene", "mirna", "pathway"),
    "pathway": ("pathway", "gene"),
    "molecule": ("gene", "mirna", "pathway", "chemical"),
}
"""Role of a name: the kinds of thing that it may be, the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What a name was identified as; `status` as in :mod:`vesicula.evidence.names`."""

    status: str
    identifiers: tuple[str, ...]
    label: str
    note: str
    mapped: bool


@cache
def _resolver() -> Callable[[str, str], Any] | None:
    try:
        module = importlib.import_module("vesicula.evidence.names")
    except ModuleNotFoundError:
        return None
    resolve: Callable[[str, str], Any] = module.resolve
    return resolve


def available() -> bool:
    """Return whether names can be identified at all."""
    return _resolver() is not None


def identify(role: str, text: str) -> Identified | None:
    """Identify a name.

    Parameters
    ----------
    role : str
        A key of :data:`ROLE_KINDS`.
    text : str
        The name as printed.

    Returns
    -------
    Identified or None
        The first kind of thing for which the name is mapped; else what the first that knows it says (several things);
        else "unmapped" with the reason. None where the tables of names are not installed.
    """
    resolve = _resolver()
    if resolve is None:
        return None
    answers = [resolve(kind, text) for kind in ROLE_KINDS[role]]
    best = next((a for a in answers if a.mapped), None) or next(
        (a for a in answers if a.identifiers), answers[0]
    )
    return Identified(
        status=str(best.status),
        identifiers=tuple(best.identifiers),
        label="; ".join(best.labels),
        note=str(best.note),
        mapped=bool(best.mapped),
    )
