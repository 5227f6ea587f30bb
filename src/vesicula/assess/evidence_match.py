"""How names of a manifest and names of the evidence store are found to mean the same: exactly, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vesicula.core.study import IsolationStep
from vesicula.evidence.fold import fold, split_list
from vesicula.evidence.model import Claim, Trial
from vesicula.manifest.vocabulary import Kind, normalise

UNSPECIFIED = "MSC"
"""The vocabulary's word for mesenchymal stromal cells whose tissue is not said."""

AUXILIARY = frozenset({"centrifugation", "filtration", "diafiltration", "concentration", "lyophilisation"})
"""Words of the vocabulary for steps that clear or concentrate, but by themselves are no class of isolation."""

NO_METHOD = frozenset({"", "not reported", "not applicable", "n.a.", "n/a"})
VESICLES = frozenset({"exosome", "ev", "mv"})
"""Products of the store that are vesicles; the others are the cells themselves and their secretome."""

_LONG_FORM = re.compile(r"mesenchymal (?:stem/stromal|stem|stromal) cells?", re.IGNORECASE)


def canonical(kind: Kind, text: str) -> str:
    """Return the vocabulary's word for a name as printed; its folded words where the vocabulary knows none.

    Parameters
    ----------
    kind : str
        ``"cell_source"`` or ``"isolation_method"``.
    text : str
        As printed. What stands in brackets is left out where the whole is not known: registries write
        "Bone Marrow Derived Mesenchymal Stem Cells (MSCs)", reviews "precipitation (ExoQuick)".

    Returns
    -------
    str
        Two names mean the same where these are equal.
    """
    bare = re.sub(r"\s*\([^)]*\)", "", text).strip()
    short = _LONG_FORM.sub("MSC", bare).replace("Wharton Jelly", "Wharton's jelly")
    for form in (text, bare, short, short.replace(" Derived", "-derived")):
        if (term := normalise(kind, form)) is not None:
            return term.term
    return fold(text)


def sources_of(printed: str) -> tuple[str, ...]:
    """Return the cell sources that a cell names."""
    return tuple(canonical("cell_source", part) for part in split_list(printed))


def isolation_of(steps: Sequence[IsolationStep]) -> tuple[tuple[str, ...], float | None]:
    """Return the classes of isolation of a batch and its highest relative centrifugal force.

    Parameters
    ----------
    steps : sequence of IsolationStep
        From the manifest.

    Returns
    -------
    tuple of (tuple of str, float or None)
        Classes in the order done, without clearing steps unless nothing else was done; and x g.
    """
    every = tuple(dict.fromkeys(canonical("isolation_method", s.method) for s in steps))
    forces = [s.relative_centrifugal_force_g for s in steps if s.relative_centrifugal_force_g]
    return tuple(m for m in every if m not in AUXILIARY) or every, max(forces, default=None)


def isolation_class(claim: Claim) -> str:
    """Return the class of isolation of a claim; empty where it is not reported."""
    if claim.isolation_method.casefold() in NO_METHOD:
        return ""
    return canonical("isolation_method", claim.isolation_method)


def isolation_words(claim: Claim) -> str:
    """Print a claim's isolation, such as ``"ultracentrifugation, 100000 x g"``."""
    force = claim.relative_centrifugal_force_g
    method = claim.isolation_method or "not reported"
    return f"{method}, {force_words(force)}" if force else method


def force_words(force: float) -> str:
    """Print a relative centrifugal force as the dossier does elsewhere."""
    return f"{force:.0f} \u00d7 g"


def is_vesicle(claim: Claim) -> bool:
    """Say whether a claim is about vesicles rather than about cells or their secretome."""
    return claim.product.casefold() in VESICLES


def names_source(trial: Trial) -> bool:
    """Say whether a trial's source of cells is printed at all."""
    return trial.cell_source.casefold() not in NO_METHOD
