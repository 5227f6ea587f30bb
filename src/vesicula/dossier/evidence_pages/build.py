"""The pages: what stands on each, in order."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from vesicula.dossier.evidence_pages.model import EntityView, StatementView, TallyView
from vesicula.dossier.evidence_pages.names import FOLDERS, ROLES, Entity, slug, table_path
from vesicula.dossier.evidence_pages.parts import (
    Links,
    counted,
    doubt_pairs,
    entries,
    path_view,
    row_view,
    sides_view,
    trial_groups,
)
from vesicula.evidence.balance import TumourBalance
from vesicula.evidence.model import Claim, Doubt, SourceRow
from vesicula.mechanism.model import Graph
from vesicula.mechanism.overview_model import Overview, Statement, Tally
from vesicula.mechanism.paths import Path_

SHOWN_PATHS = 8
"""So many chains stand open and in the picture; the others fold."""

FACET_SUBJECT = {"cell source": "cell_source", "cargo": "molecule", "target": "molecule", "pathway": "molecule"}
BROAD = "printed under another name: {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An entity's page, with what the index says about it."""

    view: EntityView
    verdict: str
    claims: int
    doubts: int
    conflicts: tuple[str, ...]


def build_entity(entity: Entity, overview: Overview, graph: Graph, links: Links) -> Built:
    """Lay out the page of one thing.

    Parameters
    ----------
    entity : Entity
        What the page is about.
    overview : Overview
        What the store holds about it.
    graph : Graph
        Of the whole store.
    links : Links
        At the page's place.
    """
    balances = [(title, b) for title, b in _balances(entity, overview) if b.groups or b.elsewhere]
    # A disease's own claims come first, unless it is a tumour: then the two sides are these claims.
    own = overview.balance if overview.balance is not None and _is_of_itself(entity, overview.balance) else None
    first = entity.subject == "condition" and own is None
    here = {c.record_id for c in overview.claims}
    for _, found in balances:
        here |= {e.record_id for e in found.claims} | {e.record_id for e in found.elsewhere}
    links = links.at(links.root, here)
    shown: set[str] = set()
    remarks = _remarks(entity, overview.claims)
    claims = entries(overview.claims, links, shown, remarks) if first else ()
    sides = tuple(sides_view(title, found, links, shown) for title, found in balances)
    if not first:
        claims = entries(overview.claims, links, shown, remarks)
    views = tuple(path_view(p, links) for p in overview.paths)
    conflicts = [s.text for s in overview.statements if _is_conflict(s)]
    conflicts += [c.sentence for c in (own.comparisons if own else ()) if c.conflict]
    conflicts += [g.sentence for g in (own.groups if own else ()) if g.conflict]
    view = EntityView(
        names=entity.names,
        identifiers=_identifiers(entity),
        see_also=_see_also(entity, links),
        statements=tuple(
            StatementView(
                topic=s.topic,
                text=links.sentence(s.text),
                records=_further(s.text, s.records, links),
                conflict=_is_conflict(s),
            )
            for s in _without_repeats(overview.statements, own)
        ),
        claims=claims,
        claims_first=first,
        sides_first=own is not None,
        sides=sides,
        tallies=_tallies(overview.tallies, links),
        picture=picture(graph, overview.paths[:SHOWN_PATHS], f"Mechanisms: {entity.name}"),
        paths=views[:SHOWN_PATHS],
        more_paths=views[SHOWN_PATHS:],
        trials=trial_groups(overview.trials, links.root),
        doses=_doses(overview.doses, links.root),
        doubts=tuple(doubt_line(d, links) for d in overview.doubts),
        unmatched=overview.unmatched,
    )
    return Built(
        view=view,
        verdict=overview.statements[0].text if overview.statements else "",
        claims=len(overview.claims),
        doubts=len(overview.doubts),
        conflicts=tuple(dict.fromkeys(conflicts)),
    )


def _is_conflict(statement: Statement) -> bool:
    # The statement that no claim contradicts another has the same topic, and no records.
    return statement.topic == "conflict" and bool(statement.records)


def _without_repeats(statements: Sequence[Statement], own: TumourBalance | None) -> Iterable[Statement]:
    """Leave out what the page says above its two sides already; never the verdict."""
    said = {c.sentence for c in own.comparisons} | {g.sentence for g in own.groups} if own is not None else set()
    return (s for n, s in enumerate(statements) if n == 0 or s.text not in said)


def _is_of_itself(entity: Entity, balance: TumourBalance) -> bool:
    return entity.subject == "molecule" or balance.tumour is not None or balance.cell_source is not None


def _balances(entity: Entity, overview: Overview) -> Iterable[tuple[str, TumourBalance]]:
    balance = overview.balance
    if balance is None:
        return
    if balance.tumour is not None:
        yield "Promotes or inhibits, by cell source", balance
    elif balance.cell_source is not None:
        yield "Promotes or inhibits tumours, by tumour", balance
    elif entity.subject == "molecule":
        yield "Promotes or inhibits tumours", balance
    else:
        yield "What the same cargo is claimed to do in tumours", balance


def _remarks(entity: Entity, claims: Sequence[Claim]) -> dict[str, str]:
    """Say of each claim that has none of the page's own names under which it was found."""
    roles = ROLES[entity.subject]
    remarks = {}
    for claim in claims:
        texts = list(dict.fromkeys(m.text for m in claim.mentions if m.role in roles))
        if not set(texts) & set(entity.names):
            remarks[claim.record_id] = BROAD.format("; ".join(texts) or "none of this kind")
    return remarks


def _identifiers(entity: Entity) -> tuple[tuple[str, str], ...]:
    roles: dict[tuple[str, str], list[str]] = {}
    for m in entity.mentions:
        what = f"{', '.join(m.identifiers)} {m.label}".strip() or "no identifier"
        remark = f"{what} ({m.status or 'not looked up'}){f'. {m.note}' if m.note else ''}"
        roles.setdefault((m.text, remark), []).append(m.role.replace("_", " "))
    return tuple((f"{text} ({', '.join(of)})", remark) for (text, remark), of in roles.items())


def _see_also(entity: Entity, links: Links) -> tuple[tuple[str, str], ...]:
    twins = {"condition": "tumour", "tumour": "condition"}.get(entity.subject)
    if twins is None:
        return ()
    found = {links.name(twins, name): name for name in entity.names}
    return tuple((f"{name} as a {twins}", href) for href, name in found.items() if href)


def _further(text: str, records: Sequence[str], links: Links) -> tuple[tuple[str, str], ...]:
    return links.records(r for r in dict.fromkeys(records) if r not in text)


def _tallies(tallies: Sequence[Tally], links: Links) -> tuple[tuple[str, tuple[TallyView, ...]], ...]:
    facets: dict[str, list[TallyView]] = {}
    for tally in tallies:
        subject = FACET_SUBJECT.get(tally.facet)
        facets.setdefault(tally.facet, []).append(
            TallyView(
                value=tally.value,
                href=links.name(subject, tally.value) if subject else "",
                count=len(tally.records),
                study_types=counted(dict(tally.study_types)),
                sides=counted(dict(tally.sides)),
                doubted=len(tally.doubted),
            )
        )
    return tuple((facet, tuple(lines)) for facet, lines in facets.items())


def _doses(rows: Sequence[SourceRow], root: str) -> tuple[Any, ...]:
    tables: dict[str, list[SourceRow]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    laid_out = []
    for table, of in tables.items():
        columns = tuple(dict.fromkeys(name for row in of for name in row.printed))
        # Rows of several tables stand on one page: their numbers alone are not unique there.
        views = (row_view(r, columns) for r in of)
        named = tuple(replace(v, anchor=f"{slug(table, table)}.{v.anchor}") for v in views)
        laid_out.append((table, f"{root}{table_path(table)}", columns, named))
    return tuple(laid_out)


def doubt_line(doubt: Doubt, links: Links) -> tuple[str, str, str, str]:
    """Return a doubt's row, the row's address, its kind and its words."""
    href = links.record(doubt.row) or f"{links.root}{table_path(doubt.table)}"
    return (f"{doubt.table} {doubt.row}", href, doubt.kind, doubt.text)


def picture(graph: Graph, paths: Sequence[Path_], title: str) -> Markup:
    """Return the picture of some paths; empty where there are none, or where pictures are not installed."""
    module = _picture_module()
    if module is None or not paths:
        return Markup()
    return Markup(module.picture_svg(graph, paths, title=title))  # noqa: S704 - drawn and escaped by us


def picture_script() -> Markup:
    """Return the script that makes pictures react; empty where pictures are not installed."""
    module = _picture_module()
    return Markup(module.picture_script()) if module is not None else Markup()  # noqa: S704 - our own script


def _picture_module() -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        return importlib.import_module("vesicula.mechanism.picture")
    except ModuleNotFoundError:
        return None


def group_doubts(doubts: Sequence[Doubt], links: Links) -> tuple[tuple[str, str, tuple[Any, ...]], ...]:
    """Group doubts by table; those of one kind and wording become one line that names all their rows."""
    tables: dict[str, dict[tuple[str, str], list[str]]] = {}
    for doubt in doubts:
        tables.setdefault(doubt.table, {}).setdefault((doubt.kind, doubt.text), []).append(doubt.row)
    return tuple(
        (
            table,
            f"{links.root}{table_path(table)}",
            tuple((kind, text, links.records(rows)) for (kind, text), rows in lines.items()),
        )
        for table, lines in tables.items()
    )


def name_rows(claims: Sequence[Claim], links: Links) -> tuple[tuple[str, int, tuple[Any, ...]], ...]:
    """Return all names by role, those without a single identifier first: status, identifiers, reason, claims."""
    found: dict[str, dict[str, tuple[Any, set[str]]]] = {}
    for claim in claims:
        for m in claim.mentions:
            found.setdefault(m.role, {}).setdefault(m.text, (m, set()))[1].add(claim.record_id)
    order = {"": 0, "unmapped": 0, "ambiguous": 1, "broader": 2}
    subject = {role: s for s, roles in ROLES.items() for role in roles}
    out = []
    for role, names in sorted(found.items()):
        ranked = sorted(names.values(), key=lambda e: (order.get(e[0].status, 3), e[0].text.casefold()))
        rows = tuple(
            (m.text, links.name(subject.get(role, ""), m.text), m.status or "not looked up", m.identifiers, m.label,
             m.note, len(of))
            for m, of in ranked
        )  # fmt: skip
        open_names = sum(order.get(m.status, 3) < 2 for m, _ in names.values())
        out.append((role.replace("_", " "), open_names, rows))
    return tuple(out)


def status_counts(claims: Sequence[Claim]) -> Counter[str]:
    """Count the distinct names of all roles by their status."""
    names = {(m.role, m.text): m.status or "not looked up" for c in claims for m in c.mentions}
    return Counter(names.values())


__all__ = ["FOLDERS", "Built", "build_entity", "doubt_pairs", "group_doubts", "name_rows", "picture", "picture_script"]
