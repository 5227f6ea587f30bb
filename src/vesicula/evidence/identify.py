"""What a name in a role is identified as, by :mod:`vesicula.evidence.names`; nothing where that is absent."""

from __future__ import annotations

import importlib
import re
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


HAIRPIN = re.compile(r"MI\d{7}")
"""Accession of a miRNA precursor in miRBase."""

ARM = re.compile(r"-[35]p\s*$", re.IGNORECASE)


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
    best = next((a for a in answers if a.mapped), None) or next((a for a in answers if a.identifiers), answers[0])
    return Identified(
        status=str(best.status),
        identifiers=tuple(best.identifiers),
        label="; ".join(best.labels),
        note=str(best.note),
        mapped=bool(best.mapped),
    )


def meant_by(role: str, name: str) -> tuple[str, ...]:
    """Return the identifiers by which a name is looked for; a name that is itself an identifier among them.

    Where only something wider than the name is known, its identifier would answer too much ("renal ischaemia" would
    find all acute kidney injury) and is left out. A miRNA without its arm is not wider: its hairpin is what is meant.
    A miRNA with its arm is looked for under its hairpin too, since most sources print no arm: "miR-21-5p" finds
    "miR-21", though not "miR-21-3p".

    Parameters
    ----------
    role : str
        A key of :data:`ROLE_KINDS`.
    name : str
        As asked.

    Returns
    -------
    tuple of str
        Without repetition.
    """
    meant = [name.strip()] if name.strip() else []
    known = identify(role, name)
    if known is not None and known.mapped:
        meant += [i for i in known.identifiers if known.status != "broader" or HAIRPIN.fullmatch(i)]
    return tuple(dict.fromkeys([*meant, *(hairpin for i in meant for hairpin in _precursors(i))]))


def without_arm(name: str) -> str:
    """Return a miRNA's name without its arm ("miR-21-5p": "miR-21"), as most sources print it; others unchanged."""
    return ARM.sub("", name) if name.strip().casefold().startswith(("mir", "let", "hsa-", "mmu-", "rno-")) else name


def _precursors(identifier: str) -> tuple[str, ...]:
    if not identifier.startswith("MIMAT") or _resolver() is None:
        return ()
    found: tuple[str, ...] = importlib.import_module("vesicula.evidence.names").precursors_of(identifier)
    return found
