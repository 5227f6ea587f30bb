"""How often each value of each facet stands in claims: counts with their records, never without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from vesicula.evidence.fold import split_list
from vesicula.evidence.model import Claim
from vesicula.mechanism.overview_model import Tally

NOT_REPORTED = "not reported"


def _mentioned(role: str) -> Callable[[Claim], tuple[str, ...]]:
    def values(claim: Claim) -> tuple[str, ...]:
        return tuple(m.text for m in claim.mentions if m.role == role)

    return values


def isolation_of(claim: Claim) -> str:
    """Return the isolation with its centrifugal force, in multiples of g, as the claim prints them."""
    force = f", {claim.isolation_g} g" if claim.isolation_g else ""
    return f"{claim.isolation_method or NOT_REPORTED}{force}"


FACETS: dict[str, Callable[[Claim], tuple[str, ...]]] = {
    "cell source": lambda claim: split_list(claim.cell_source),
    "isolation": lambda claim: (isolation_of(claim),),
    "cargo": _mentioned("cargo"),
    "target": _mentioned("target"),
    "pathway": _mentioned("pathway"),
    "product": lambda claim: split_list(claim.product),
    "species": lambda claim: _mentioned("species")(claim) or split_list(claim.model),
    "study type": lambda claim: (claim.study_type,),
    "effect class": lambda claim: (claim.effect_class,),
}


def tallies_of(claims: Sequence[Claim]) -> tuple[Tally, ...]:
    """Count the values of all facets.

    Parameters
    ----------
    claims : sequence of Claim
        A claim with several values of a facet counts once under each.

    Returns
    -------
    tuple of Tally
        Facet by facet, the most frequent first; what is not reported is counted like anything else.
    """
    return tuple(tally for facet, values in FACETS.items() for tally in _facet(facet, values, claims))


def _facet(facet: str, values: Callable[[Claim], tuple[str, ...]], claims: Iterable[Claim]) -> list[Tally]:
    having: dict[str, list[Claim]] = {}
    for claim in claims:
        for value in dict.fromkeys(text for text in values(claim) if text) or (NOT_REPORTED,):
            having.setdefault(value, []).append(claim)
    tallies = [_tally(facet, value, of) for value, of in having.items()]
    return sorted(tallies, key=lambda tally: -len(tally.records))


def _tally(facet: str, value: str, claims: Sequence[Claim]) -> Tally:
    return Tally(
        facet=facet,
        value=value,
        records=tuple(c.record_id for c in claims),
        study_types=tuple(Counter(c.study_type or NOT_REPORTED for c in claims).most_common()),
        sides=tuple(Counter(c.effect_class or NOT_REPORTED for c in claims).most_common()),
        doubted=tuple(c.record_id for c in claims if any(not d.resolved for d in c.doubts)),
    )
