"""What the templates are given: plain records of text, with nothing left to decide."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

Segments = tuple[tuple[str, str], ...]
"""A text in pieces: each with the address that it links to; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceView:
    """A reference: where it stands, its citation, its links (label, address)."""

    label: str
    citation: Markup
    links: tuple[tuple[str, str], ...]
    inferred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimView:
    """A claim, whole. `kind` is its colour, `home` the page of its table."""

    record_id: str
    anchor: str
    home: str
    condition: Segments
    effect: str
    effect_class: str
    kind: str
    study_type: str
    facts: tuple[tuple[str, Segments], ...]
    references: tuple[ReferenceView, ...]
    doubts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A claim at a place of a page: whole where it stands first (`repeat` false), else a line that links there."""

    claim: ClaimView
    label: str
    remark: str
    repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """A sentence with its records; `conflict` makes it stand out."""

    topic: str
    text: Segments
    records: Segments
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesView:
    """Both sides of one question, side by side. `elsewhere` are claims that are no side of it."""

    title: str
    statements: tuple[StatementView, ...]
    promoting: tuple[Entry, ...]
    inhibiting: tuple[Entry, ...]
    neither: tuple[Entry, ...]
    elsewhere: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyView:
    """A line of a facet: value, link, claims, kinds of study, sides, doubted."""

    value: str
    href: str
    count: int
    study_types: str
    sides: str
    doubted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipView:
    """A node of a path; `step` is the arrow before it: "", "stated" or "not stated"."""

    kind: str
    text: str
    change: str
    href: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathView:
    """A chain with its claims, the claims against it, and its doubts."""

    chips: tuple[ChipView, ...]
    records: Segments
    study_types: str
    against: Segments
    doubts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """A trial as one source reports it."""

    source: str
    table: str
    table_href: str
    title: str
    condition: str
    dose: str
    facts: tuple[tuple[str, str], ...]
    doubts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialGroup:
    """All reports of one trial, and in words where they differ."""

    nct_id: str
    anchor: str
    href: str
    differences: str
    reports: tuple[TrialView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """A row of a table, as printed, with its doubts."""

    anchor: str
    cells: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    doubts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page has: title, words above it, lead, way to the root, version, generator, policy, script."""

    title: str
    kicker: str
    lead: str
    root: str
    version: str
    software: str
    active: str
    script: Markup
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityView:
    """The page of one thing."""

    names: tuple[str, ...]
    identifiers: tuple[tuple[str, str], ...]
    see_also: tuple[tuple[str, str], ...]
    statements: tuple[StatementView, ...]
    claims: tuple[Entry, ...]
    claims_first: bool
    sides_first: bool
    sides: tuple[SidesView, ...]
    tallies: tuple[tuple[str, tuple[TallyView, ...]], ...]
    picture: Markup
    paths: tuple[PathView, ...]
    more_paths: tuple[PathView, ...]
    trials: tuple[TrialGroup, ...]
    doses: tuple[tuple[str, str, tuple[str, ...], tuple[RowView, ...]], ...]
    doubts: tuple[tuple[str, str, str, str], ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """A line of the index: `search` holds all names and identifiers."""

    name: str
    href: str
    search: str
    claims: int
    doubts: int
    conflict: bool
    verdict: str
