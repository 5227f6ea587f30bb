"""Every name of a set of tables with its resolution, and the counts per kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vesicula.evidence.names_lookup import resolve, resolve_molecule
from vesicula.evidence.names_tables import KINDS, Kind, Resolution

_COLUMNS: Mapping[str, Kind | None] = {
    # None: a mixed column, whose kind is found name by name
    "condition": "condition", "cell_source": "cell_source", "model": "species", "pathway": "pathway",
    "cargo": None, "target": None, "direction": None, "molecule": None, "machinery": None,
}  # fmt: skip
_WHOLE = {"condition"}  # not split at ";": "melanoma; liver, breast and lung cancer" is one condition of one row
_ROW_KINDS: Mapping[str, Kind] = {
    "source": "cell_source",
    "lipid": "chemical",
}  # column "kind" of cargo_facts.csv


@dataclass(frozen=True, slots=True, kw_only=True)
class NameUse:
    """One distinct name of one kind: its resolution, its places (``table:column``) and how often it stands there."""

    resolution: Resolution
    places: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Counts of distinct names of one kind.

    Attributes
    ----------
    kind : str
        Kind of the names.
    distinct : int
        Distinct names, all of them; the sum of the other counts.
    single : int
        Mapped as named: to one identifier, or to the members of a printed list.
    broader : int
        Mapped to something wider, or to a hairpin whose arm is not named.
    family : int
        Names of a family or complex, mapped to all its members.
    ambiguous : int
        Several things, one of them meant: not counted as mapped.
    unmapped : int
        Names something that no registry holds.
    nothing : int
        Texts that name nothing of the kind ("not reported", "cells"): listed, and outside the share.
    """

    kind: str
    distinct: int
    single: int
    broader: int
    family: int
    ambiguous: int
    unmapped: int
    nothing: int

    @property
    def mapped_fraction(self) -> float:
        """Share mapped of the names that name something; NaN where there is none."""
        named = self.distinct - self.nothing
        return (self.single + self.broader + self.family) / named if named else float("nan")


def names_in(tables: Mapping[str, Iterable[object]]) -> Iterable[tuple[str, Kind | None, str]]:
    """Find all names in some tables.

    Parameters
    ----------
    tables : mapping of str to iterable
        Table's name to its rows: mappings or objects with the columns of the evidence tables (condition,
        cell_source, model,
        cargo, target, pathway, direction, molecule, machinery); columns that a row lacks are passed over.

    Yields
    ------
    tuple of (str, str or None, str)
        Place (``table:column``), kind (None in a mixed column), and name as printed.
    """
    for table, rows in tables.items():
        for row in rows:
            special = _ROW_KINDS.get(_cell(row, "kind"))
            for column, kind in _COLUMNS.items():
                for name in _names(_cell(row, column), column):
                    yield f"{table}:{column}", special if column == "molecule" and special else kind, name


def _cell(row: object, column: str) -> str:
    value = row.get(column) if isinstance(row, Mapping) else getattr(row, column, None)
    if isinstance(value, str) or value is None:
        return value or ""
    return ";".join(str(v) for v in value) if isinstance(value, Iterable) else str(value)


def _names(cell: str, column: str) -> list[str]:
    if column in _WHOLE:
        return [cell] if cell.strip() else []
    parts = (part.strip() for part in cell.split(";"))
    if column == "direction":
        parts = (part.rpartition(":")[0] or part for part in parts)
    return [part for part in parts if part]


def unmapped_report(claims: Mapping[str, Iterable[object]] | Iterable[object]) -> tuple[NameUse, ...]:
    """List every distinct name of some tables with its resolution; nothing is dropped.

    Parameters
    ----------
    claims : mapping of str to iterable, or iterable
        Tables by name, or the rows of one table; see :func:`names_in`.

    Returns
    -------
    tuple of NameUse
        By kind, what is not mapped first, then by name. Each resolution carries its reason in ``note``.
    """
    tables = claims if isinstance(claims, Mapping) else {"claims": claims}
    uses: dict[tuple[str, str], tuple[Resolution, list[str]]] = {}
    for place, kind, name in names_in(tables):
        found = resolve(kind, name) if kind else resolve_molecule(name)
        uses.setdefault((found.kind, name), (found, []))[1].append(place)
    listed = [NameUse(resolution=r, places=tuple(dict.fromkeys(p)), count=len(p)) for r, p in uses.values()]
    order = {kind: n for n, kind in enumerate(KINDS)}
    return tuple(sorted(listed, key=lambda u: (order[_kind(u)], u.resolution.mapped, u.resolution.text.casefold())))


def _kind(use: NameUse) -> Kind:
    return next(k for k in KINDS if k == use.resolution.kind)


def coverage(report: Iterable[NameUse]) -> tuple[Coverage, ...]:
    """Count a report's names per kind, in the order of :data:`~vesicula.evidence.names.KINDS`."""
    counts: dict[str, dict[str, int]] = {}
    for use in report:
        of_kind = counts.setdefault(use.resolution.kind, dict.fromkeys(_CLASSES, 0))
        of_kind[_class(use.resolution)] += 1
    return tuple(
        Coverage(kind=kind, distinct=sum(counts[kind].values()), **counts[kind]) for kind in KINDS if kind
        in counts
    )  # fmt: skip


_CLASSES = ("single", "broader", "family", "ambiguous", "unmapped", "nothing")


def _class(found: Resolution) -> str:
    if not found.names_entity:
        return "nothing"
    if not found.mapped:
        return "ambiguous" if found.status == "ambiguous" else "unmapped"
    return {"ambiguous": "family", "broader": "broader"}.get(found.status, "single")
