"""The claims around a molecule or a condition, without reading the whole store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from math import prod
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, func, select

from vesicula.evidence import schema
from vesicula.evidence.errors import StoreError
from vesicula.evidence.search import literal_numbers, match_name, not_retired

MOST_NEAR = 20_000
"""More claims than this are not put in one picture: they would take minutes and gigabytes."""

MOST_OTHERS = 5000
"""How many claims beside those asked for are taken in, pairs with the rarest names first; what is left out is named."""

MOLECULE_ROLES = ("cargo", "target", "pathway")
PAIRS = (("cargo", "condition"), ("cargo", "target"), ("target", "pathway"), ("cargo", "pathway"))
"""Roles of two names whose claims can contradict each other: an outcome, or a direction."""

MOST_PAIRS = 5000
"""As in the mechanism graph: a claim that lists more combinations has no part in it."""

BLOCK = 500
T = TypeVar("T")


def near_numbers(
    connection: Connection, molecule: str | None, condition: str | None, *, last_claim: int, as_of: int
) -> tuple[list[int], list[int], list[str], list[str]]:
    """Find the claims around a molecule, a condition or both.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    molecule : str or None
        Name or identifier of a cargo, target or pathway.
    condition : str or None
        Name or identifier of a condition.
    last_claim, as_of : int
        The revision's last claim, and the revision.

    Returns
    -------
    list of int, list of int, list of str, list of str
        Claims asked for; those that can contradict them; names asked for that the store does not hold; names whose
        pairs are in too many claims to look for contradictions (see :data:`MOST_OTHERS`).

    Raises
    ------
    StoreError
        If there are more than :data:`MOST_NEAR`, or nothing was asked.
    """
    if molecule is None and condition is None:
        raise StoreError("name a molecule or a condition (all claims are no neighbourhood)")
    matches = _matches(connection, molecule, condition, as_of)
    unmatched = [f"{name!r} is not in the store" for name, found in matches if not found]
    if unmatched:
        return [], [], unmatched, []
    where = [schema.claim.c.claim_id + 0 <= last_claim, not_retired(as_of)]
    terms = [_alike(connection, found) for _, found in matches]
    tests = [_mentions(numbers) for numbers in terms]
    statement = select(schema.claim.c.claim_id).where(*where, *tests).order_by(schema.claim.c.claim_id)
    asked = list(connection.execute(statement.limit(MOST_NEAR + 1)).scalars())
    _bound(len(asked), molecule, condition)
    others, left_out = _contradicting(connection, asked, where, whole=terms[0] if len(terms) == 1 else set())
    return asked, sorted(others), [], left_out


def _bound(count: int, molecule: str | None, condition: str | None) -> None:
    if count > MOST_NEAR:
        asked = " and ".join(repr(name) for name in (molecule, condition) if name is not None)
        raise StoreError(
            f"more than {MOST_NEAR} claims are around {asked}: too many for one picture. Name "
            + ("a narrower molecule or condition" if molecule and condition else "a molecule and a condition")
        )


def _matches(
    connection: Connection, molecule: str | None, condition: str | None, as_of: int
) -> list[tuple[str, set[int]]]:
    """Return each name asked for with the terms that it means."""
    found = []
    for name, roles in ((molecule, MOLECULE_ROLES), (condition, ("condition",))):
        if name is not None:
            matches = [match_name(connection, role, name, as_of) for role in roles]
            found.append((name, {term for match in matches for term in match.term_ids}))
    return found


def _alike(connection: Connection, terms: Collection[int]) -> set[int]:
    """Return terms with those that have the same role and the same identifiers: in the graph they are one node."""
    return {other for group in _groups(connection, terms).values() for other in group}


def _groups(connection: Connection, terms: Collection[int]) -> dict[int, frozenset[int]]:
    """Return, for each term, all terms that are the same node as it."""
    term = schema.term.c
    known: dict[int, tuple[str, str]] = {}
    for block in _blocks(sorted(terms)):
        rows = connection.execute(
            select(term.term_id, term.role, term.identifiers).where(term.term_id.in_(literal_numbers(block)))
        )
        known |= {number: (role, identifiers) for number, role, identifiers in rows if identifiers}
    same: dict[tuple[str, str], set[int]] = {}
    for texts in _blocks(sorted({identifiers for _, identifiers in known.values()})):
        rows = connection.execute(select(term.term_id, term.role, term.identifiers).where(term.identifiers.in_(texts)))
        for number, role, identifiers in rows:
            same.setdefault((role, identifiers), set()).add(number)
    return {t: frozenset(same[known[t]] if t in known else {t}) for t in terms}


def _blocks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BLOCK):
        yield items[start : start + BLOCK]


def _mentions(terms: Iterable[int]) -> ColumnElement[bool]:
    numbers = literal_numbers(sorted(terms))
    among = select(schema.mention.c.claim_id).where(schema.mention.c.term_id.in_(numbers))
    return schema.claim.c.claim_id.in_(among)


def _contradicting(
    connection: Connection, asked: Sequence[int], where: Sequence[ColumnElement[bool]], whole: Collection[int]
) -> tuple[set[int], list[str]]:
    """Return claims beside those asked for that share with one of them a pair of names (see :data:`PAIRS`).

    All claims of a term in `whole` are among those asked for: its pairs bring nothing new.
    """
    pairs = {pair for pair in _pairs(connection, asked) if not set(pair) & set(whole)}
    groups = _groups(connection, {term for pair in pairs for term in pair})
    counts = _counts(connection, {term for group in groups.values() for term in group})
    partners: dict[frozenset[int], set[int]] = {}
    for one, other in pairs:
        # From the rarer of the two, the database looks at the fewest claims.
        rare, common = sorted((groups[one], groups[other]), key=lambda g: (sum(counts[t] for t in g), min(g)))
        partners.setdefault(rare, set()).update(common)
    first, second = schema.mention.alias("first"), schema.mention.alias("second")
    found: set[int] = set()
    known = set(asked)
    skipped: set[int] = set()
    for rare, others in sorted(partners.items(), key=lambda item: sum(counts[t] for t in item[0])):
        most = MOST_OTHERS - len(found)
        statement = (
            select(first.c.claim_id)
            .join(second, second.c.claim_id == first.c.claim_id)
            .join(schema.claim, schema.claim.c.claim_id == first.c.claim_id)
            .where(
                first.c.term_id.in_(literal_numbers(sorted(rare))),
                second.c.term_id.in_(literal_numbers(sorted(others))),
                *where,
            )
        )
        numbers = set(connection.execute(statement.distinct().limit(len(known) + most + 1)).scalars()) - known
        if len(numbers) > most:
            skipped |= rare
        else:
            found |= numbers
    return found, _texts(connection, skipped)


def _texts(connection: Connection, terms: Collection[int]) -> list[str]:
    term = schema.term.c
    return sorted(
        text
        for block in _blocks(sorted(terms))
        for text in connection.execute(select(term.text).where(term.term_id.in_(literal_numbers(block)))).scalars()
    )


def _pairs(connection: Connection, numbers: Sequence[int]) -> set[tuple[int, int]]:
    mention, term = schema.mention.c, schema.term.c
    pairs: set[tuple[int, int]] = set()
    for block in _blocks(numbers):
        rows = connection.execute(
            select(mention.claim_id, term.role, term.term_id)
            .join_from(schema.mention, schema.term)
            .where(mention.claim_id.in_(literal_numbers(block)), term.role.in_((*MOLECULE_ROLES, "condition")))
        )
        claims: dict[int, dict[str, list[int]]] = {}
        for claim_id, role, number in rows:
            claims.setdefault(claim_id, {}).setdefault(role, []).append(number)
        for roles in claims.values():
            if prod(len(roles.get(role, [0])) for role in MOLECULE_ROLES) <= MOST_PAIRS:
                pairs |= {pair for one, two in PAIRS for pair in product(roles.get(one, ()), roles.get(two, ()))}
    return pairs


def _counts(connection: Connection, terms: Collection[int]) -> dict[int, int]:
    mention = schema.mention.c
    counts = dict.fromkeys(terms, 0)
    for block in _blocks(sorted(terms)):
        rows = connection.execute(
            select(mention.term_id, func.count())
            .where(mention.term_id.in_(literal_numbers(block)))
            .group_by(mention.term_id)
        )
        counts.update((number, count) for number, count in rows)
    return counts
