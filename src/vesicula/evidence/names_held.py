"""The names that a store holds: what each was identified as, why not, and how many claims mention it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import func, select

from vesicula.evidence import schema
from vesicula.evidence.engine import reading
from vesicula.evidence.identify import ROLE_KINDS
from vesicula.evidence.store import Store

NOT_LOOKED_UP = "not looked up"
OPEN = ("unmapped", "ambiguous", NOT_LOOKED_UP)
"""Status of the names that stand for nothing known, for several things, or that nothing has looked up yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldName:
    """A name in a role; `status` as in :mod:`vesicula.evidence.names`, or :data:`NOT_LOOKED_UP`; `note` says why.

    `claims` is how many current claims mention it.
    """

    kind: str
    text: str
    status: str
    identifiers: tuple[str, ...]
    label: str
    note: str
    claims: int


COLUMNS = tuple(HeldName.__dataclass_fields__)


def held_names(store: Store, *, kind: str | None = None) -> tuple[HeldName, ...]:
    """List the names that the store holds now.

    Parameters
    ----------
    store : Store
        An open one.
    kind : str, optional
        A role: a key of :data:`vesicula.evidence.identify.ROLE_KINDS`.

    Returns
    -------
    tuple of HeldName
        By kind, the most mentioned first. A name that only claims of the past mention is left out.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    term, mention, retired = schema.term.c, schema.mention.c, schema.retirement.c
    statement = (
        select(schema.term, func.count(mention.claim_id.distinct()).label("claims"))
        .join_from(schema.term, schema.mention, mention.term_id == term.term_id)
        .outerjoin(schema.retirement, retired.claim_id == mention.claim_id)
        .where(retired.claim_id.is_(None))
        .group_by(*schema.term.c)
        .order_by(term.role, func.count(mention.claim_id.distinct()).desc(), term.text)
    )
    if kind is not None:
        statement = statement.where(term.role == kind)
    with reading(store._engine) as connection:
        return tuple(
            HeldName(
                kind=row.role,
                text=row.text,
                status=row.status or NOT_LOOKED_UP,
                identifiers=tuple((row.identifiers or "").split()),
                label=row.label or "",
                note=row.note or "",
                claims=row.claims,
            )
            for row in connection.execute(statement)
        )


def still_open(names: Iterable[HeldName]) -> tuple[HeldName, ...]:
    """Return the names whose status is one of :data:`OPEN`."""
    return tuple(name for name in names if name.status in OPEN)


def names_text(names: Sequence[HeldName], version: str, *, of: Sequence[HeldName]) -> str:
    """Return names for reading: one a line, then how many of each kind (among the names `of`) have which status."""
    lines = [
        f"{n.kind}  {n.text}  [{n.status}]  {' '.join(n.identifiers) or '-'}  {n.label}".rstrip()
        + f"  ({n.claims} claim{'' if n.claims == 1 else 's'})"
        + (f"  {n.note}" if n.note else "")
        for n in names
    ]
    return "\n".join([*lines, "", *coverage_lines(of), f"Store version {version}."])


def coverage_lines(names: Iterable[HeldName]) -> list[str]:
    """Return for each kind how many of the names have which status."""
    counts: dict[str, Counter[str]] = {}
    for name in names:
        counts.setdefault(name.kind, Counter())[name.status] += 1
    return [
        f"{kind}: {sum(of.values())} names, {', '.join(f'{n} {status}' for status, n in of.most_common())}"
        for kind, of in sorted(counts.items(), key=lambda item: list(ROLE_KINDS).index(item[0]))
    ]


def names_json(names: Sequence[HeldName], version: str) -> str:
    """Return names as JSON."""
    return json.dumps({"version": version, "names": [asdict(name) for name in names]}, ensure_ascii=False, indent=2)


def names_csv(names: Sequence[HeldName]) -> str:
    """Return names as CSV; columns :data:`COLUMNS`, identifiers separated by spaces."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(name), "identifiers": " ".join(name.identifiers)} for name in names)
    return out.getvalue()
