"""What the claims of the evidence store say of the molecules that a batch carries, row by row, never netted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vesicula.cargo.effect.table import CargoTable, canonical_mirna
from vesicula.cargo.effect.targets import split_arm
from vesicula.evidence.balance import tumour_balance
from vesicula.evidence.errors import StoreError
from vesicula.evidence.fold import fold
from vesicula.evidence.identify import meant_by
from vesicula.evidence.model import Claim, Mention, Question
from vesicula.evidence.store import Store
from vesicula.mechanism.graph import is_small, load_graph
from vesicula.mechanism.model import Graph, counted, publication
from vesicula.mechanism.paths import Path_, paths

MOST_PATHS = 5
"""Paths listed of one cargo; the best supported come first, and how many there are is said."""

MOST_ASKED = 200
"""Names looked up in a store too large to be read as a whole."""

ROLES = ("cargo", "target", "pathway")
NAMED, NO_ARM, OTHER_ARM, FAMILY, PART = NAMINGS = (
    "by this name",
    "without saying the arm",
    "without saying the arm, and the other arm is more abundant here",
    "as a family or group that it belongs to",
    "within a longer name",
)
"""How claims name a molecule. Only the first two count in sums over a batch's cargo; the others are listed."""

SURE = (NAMED, NO_ARM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStatement:
    """A path that claims list from end to end, and its rows.

    Parameters
    ----------
    text : str
        In words, with its rows; see :class:`vesicula.mechanism.paths.Path_`.
    condition, outcome : str
        Where it leads.
    quality : str
        How many claims and publications, kinds of study, doubts, pairings that are not stated.
    claims : tuple of str
        Rows that list it.
    contradicted_by : tuple of str
        Rows that say the opposite.
    """

    text: str
    condition: str
    outcome: str
    quality: str
    claims: tuple[str, ...]
    contradicted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Where a cargo stands on the tumour balance for one tumour: rows of either side, and the balance's sentence."""

    tumour: str
    sentence: str
    promoting: tuple[str, ...]
    inhibiting: tuple[str, ...]
    neither: tuple[str, ...]
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoEvidence:
    """What claims say of one molecule of the batch.

    Parameters
    ----------
    label : str
        The molecule.
    standing : str
        How it stands in the batch, in words.
    in_list : bool
        Whether it is among the cargo tested.
    roles : tuple of str
        As what claims name it: cargo, target, pathway.
    printed : tuple of str
        The names under which they print it.
    naming : str
        How they name it, at the surest; one of :data:`NAMINGS`.
    paths : tuple of PathStatement
        The first :data:`MOST_PATHS`.
    all_paths : int
        How many there are.
    sides : tuple of Side
        Tumour by tumour; empty where no claim of tumours names it as cargo.
    claims : tuple of str
        All rows that name it.
    as_cargo : tuple of str
        Those that name it as cargo.
    unsure : tuple of str
        Those that name it only as a family, the rarer arm or within a longer name; they count in no sum.
    """

    label: str
    standing: str
    in_list: bool
    roles: tuple[str, ...]
    printed: tuple[str, ...]
    naming: str
    paths: tuple[PathStatement, ...]
    all_paths: int
    sides: tuple[Side, ...]
    claims: tuple[str, ...]
    as_cargo: tuple[str, ...]
    unsure: tuple[str, ...]

    @property
    def sure(self) -> bool:
        """Whether claims name this molecule, and not a family, another arm or something longer."""
        return self.naming in SURE


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRow:
    """A condition with the batch's molecules that claims about it name as cargo, and what they say."""

    condition: str
    cargo: tuple[str, ...]
    effects: tuple[tuple[str, int], ...]
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the store says of a batch's cargo.

    Parameters
    ----------
    version : str
        Of the store.
    condition : str
        As asked; empty: all.
    looked_up : int
        Names of the batch that were looked for.
    cargo : tuple of CargoEvidence
        Those that claims name: those named for sure first, then those named as cargo, those tested, the abundant.
    conditions : tuple of ConditionRow
        The most named first.
    rows : tuple of Claim
        Every row cited, once.
    notes : tuple of str
        What to know.
    """

    version: str
    condition: str
    looked_up: int
    cargo: tuple[CargoEvidence, ...]
    conditions: tuple[ConditionRow, ...]
    rows: tuple[Claim, ...]
    notes: tuple[str, ...]


def place_cargo(
    store: Store,
    table: CargoTable,
    rows: Sequence[int],
    listed: Mapping[str, str],
    *,
    condition: str | None = None,
    as_of: int | str | None = None,
) -> Evidence:
    """Place a batch's cargo beside the claims of the evidence store.

    Parameters
    ----------
    store : Store
        An open one.
    table : CargoTable
        The batch's cargo.
    rows : sequence of int
        Rows of the table to look up.
    listed : mapping of str to str
        How the cargo that was tested stands out, by key ("higher", "most abundant").
    condition : str, optional
        Only paths to this condition; conditions are listed in any case.
    as_of : int or str, optional
        A past version of the store.

    Returns
    -------
    Evidence
        A claim stays a claim: that a batch carries a molecule which claims name does not say that the batch acts.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    version = store.version(as_of)
    notes: list[str] = []
    ordered = _order(table, rows, listed)
    small = is_small(store, version)
    if not small and len(ordered) > MOST_ASKED:
        notes.append(f"The store is large: the first {MOST_ASKED} of {len(ordered)} names were looked up.")
        ordered = ordered[:MOST_ASKED]
    graph = load_graph(store, as_of=version) if small else None
    claims = store.query(Question(), as_of=version).claims if small else ()
    index = _Index.of(claims)
    if condition is not None:
        notes += store.query(Question(condition=condition, limit=1), as_of=version).unmatched
    beside = _Beside(store=store, version=version, table=table, listed=listed, condition=condition)
    found: list[CargoEvidence] = []
    cited: dict[str, Claim] = {}
    for i in ordered:
        named = index.naming(table, i) if small else _asked(store, table, i, version)
        if not named:
            continue
        own = graph or load_graph(store, molecule=table.labels[i], as_of=version)
        entry = _evidence(beside, own, i, named)
        found.append(entry)
        cited.update({c.record_id: c for _, c in named})
    found.sort(key=lambda e: (not e.sure, "cargo" not in e.roles, not e.in_list))
    missing = {r for e in found for p in e.paths for r in p.contradicted_by} | {
        r for e in found for s in e.sides for r in (*s.promoting, *s.inhibiting, *s.neither)
    }
    for record in sorted(missing - set(cited)):
        cited.update({c.record_id: c for c in store.query(Question(record_id=record), as_of=version).claims})
    return Evidence(
        version=version,
        condition=condition or "",
        looked_up=len(ordered),
        cargo=tuple(found),
        conditions=_conditions(found, cited),
        rows=tuple(cited[r] for r in sorted(cited)),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Index:
    """The claims' names by identifier and by word, so that thousands of names are looked up in one pass."""

    by_identifier: Mapping[str, Sequence[tuple[Mention, Claim]]]
    by_word: Mapping[str, Sequence[tuple[frozenset[str], Mention, Claim]]]

    @classmethod
    def of(cls, claims: Iterable[Claim]) -> _Index:
        by_identifier: dict[str, list[tuple[Mention, Claim]]] = {}
        by_word: dict[str, list[tuple[frozenset[str], Mention, Claim]]] = {}
        for claim in claims:
            for mention in claim.mentions:
                if mention.role not in ROLES:
                    continue
                words = frozenset(fold(mention.text).split())
                for word in words:
                    by_word.setdefault(word, []).append((words, mention, claim))
                for identifier in mention.identifiers:
                    by_identifier.setdefault(identifier, []).append((mention, claim))
        return cls(by_identifier, by_word)

    def naming(self, table: CargoTable, row: int) -> tuple[tuple[Mention, Claim], ...]:
        """Return the names in claims that mean a molecule, by the rules of the store's own search."""
        label = table.labels[row]
        meant = (table.keys[row],) if table.kind == "protein" else meant_by("molecule", label)
        found = [pair for i in meant for pair in self.by_identifier.get(i, ())]
        words = set(fold(label).split())
        if words:
            rarest = min(words, key=lambda w: len(self.by_word.get(w, ())))
            found += [(mention, claim) for held, mention, claim in self.by_word.get(rarest, ()) if words <= held]
        return tuple({(m.role, m.text, c.record_id): (m, c) for m, c in found}.values())


def naming_of(table: CargoTable, row: int, mention: Mention) -> str:
    """Return how a name in a claim names a molecule of the batch; the first of :data:`NAMINGS` is the surest."""
    key = table.keys[row]
    if table.kind == "mirna":
        stem, arm = split_arm(key)
        printed, other = split_arm(canonical_mirna(mention.text))
        if printed != stem:
            return PART
        if other == arm:
            return NAMED
        return _arm(table, row, stem, arm) if not other or not arm else PART
    if fold(mention.text) == fold(table.labels[row]) or mention.identifiers == (key,):
        longer = mention.status not in {"exact", "synonym", "normalised"} and fold(mention.text) != fold(
            table.labels[row]
        )
        return PART if longer else NAMED
    return FAMILY if key in mention.identifiers else PART


def _arm(table: CargoTable, row: int, stem: str, arm: str) -> str:
    """Return whether a claim without an arm is taken for this one: the more abundant of the two in the batch."""
    other = {"-5p": "-3p", "-3p": "-5p"}.get(arm, "")
    rows = [i for i, key in enumerate(table.keys) if other and key == f"{stem}{other}"]
    if not rows:
        return NO_ARM
    mean = table.mean_log2()
    return OTHER_ARM if mean[rows[0]] > mean[row] else NO_ARM


def _asked(store: Store, table: CargoTable, row: int, version: str) -> tuple[tuple[Mention, Claim], ...]:
    claims = store.query(Question(molecule=table.labels[row], limit=1000), as_of=version).claims
    return _Index.of(claims).naming(table, row)


def _order(table: CargoTable, rows: Sequence[int], listed: Mapping[str, str]) -> list[int]:
    mean = table.mean_log2()
    return sorted(rows, key=lambda i: (table.keys[i] not in listed, -mean[i], i))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Beside:
    """What each molecule of a batch is placed beside."""

    store: Store
    version: str
    table: CargoTable
    listed: Mapping[str, str]
    condition: str | None


def _evidence(beside: _Beside, graph: Graph, row: int, named: Sequence[tuple[Mention, Claim]]) -> CargoEvidence:
    table, listed = beside.table, beside.listed
    label = table.labels[row]
    found = [p for p in paths(graph, molecule=label, condition=beside.condition, limit=None) if not p.inferred]
    ways: dict[str, set[str]] = {}
    for mention, claim in named:
        ways.setdefault(claim.record_id, set()).add(naming_of(table, row, mention))
    every = {way for found_ways in ways.values() for way in found_ways}
    return CargoEvidence(
        label=label,
        standing=standing(table, row, listed.get(table.keys[row], "")),
        in_list=table.keys[row] in listed,
        roles=tuple(role for role in ROLES if any(m.role == role for m, _ in named)),
        printed=tuple(dict.fromkeys(m.text for m, _ in named)),
        naming=next(way for way in NAMINGS if way in every),
        paths=tuple(_statement(p) for p in found[:MOST_PATHS]),
        all_paths=len(found),
        sides=_sides(beside.store, label, beside.version),
        claims=tuple(dict.fromkeys(c.record_id for _, c in named)),
        as_cargo=tuple(dict.fromkeys(c.record_id for m, c in named if m.role == "cargo")),
        unsure=tuple(record for record, found_ways in ways.items() if not found_ways & set(SURE)),
    )


def standing(table: CargoTable, row: int, listed: str) -> str:
    """Return in words how a molecule stands in the batch."""
    parts = [listed] if listed else []
    if table.effect is not None and np.isfinite(table.effect[row]):
        word = f"log2 fold change {table.effect[row]:+.2f}"
        if table.adjusted_p is not None and np.isfinite(table.adjusted_p[row]):
            word += f", adjusted p {table.adjusted_p[row]:.2g}"
        parts.append(word)
    if table.samples:
        measured = table.measured()
        mean = table.mean_log2()
        rank = 1 + sum(mean[i] > mean[row] for i in measured)
        parts.append(
            f"rank {rank} of {len(measured)} by abundance, detected in {int(table.detected[row].sum())} of "
            f"{counted(len(table.samples), 'sample')}"
        )
    return "; ".join(parts) or "in the list given"


def _statement(path: Path_) -> PathStatement:
    records = path.records
    sources = {publication(c) for r in records for c in r.references}
    kinds = tuple(dict.fromkeys(r.study_type for r in records if r.study_type))
    doubts = {d for r in records for d in r.doubts}
    words = [
        counted(len(records), "claim"),
        counted(len(sources), "publication") if sources else "no publication given",
        " and ".join(kinds) or "study type not stated",
    ]
    words += [counted(path.not_stated, "pairing") + " not stated"] if path.not_stated else []
    words += [counted(len(doubts), "doubt")] if doubts else []
    words += [f"contradicted by {counted(len(path.contradicted_by), 'claim')}"] if path.contradicted_by else []
    return PathStatement(
        text=path.sentence,
        condition=path.nodes[-1].label,
        outcome=path.nodes[-2].label,
        quality="; ".join(words),
        claims=tuple(r.record_id for r in records),
        contradicted_by=path.contradicted_by,
    )


def _sides(store: Store, label: str, version: str) -> tuple[Side, ...]:
    if not store.count(Question(cargo=label, of_tumours=True, limit=1), as_of=version):
        return ()
    try:
        balance = tumour_balance(store, cargo=[label], as_of=version)
    except StoreError:
        return ()  # too many claims to lay side by side; the paths still say what there is
    return tuple(
        Side(
            tumour=g.tumour,
            sentence=g.sentence,
            promoting=tuple(c.record_id for c in g.promoting),
            inhibiting=tuple(c.record_id for c in g.inhibiting),
            neither=tuple(c.record_id for c in g.neither),
            conflict=g.conflict,
        )
        for g in balance.groups
    )


def _conditions(found: Sequence[CargoEvidence], cited: Mapping[str, Claim]) -> tuple[ConditionRow, ...]:
    rows: dict[str, dict[str, list[str]]] = {}
    for entry in found:
        for record in entry.as_cargo:
            if record in entry.unsure:
                continue
            where = cited[record].condition
            if where:
                rows.setdefault(where, {}).setdefault(entry.label, []).append(record)
    built = []
    for where, by_cargo in rows.items():
        claims = tuple(dict.fromkeys(r for records in by_cargo.values() for r in records))
        counts: dict[str, int] = {}
        for record in claims:
            effect = cited[record].effect_class or "outcome not said"
            counts[effect] = counts.get(effect, 0) + 1
        built.append(ConditionRow(condition=where, cargo=tuple(by_cargo), effects=tuple(counts.items()), claims=claims))
    return tuple(sorted(built, key=lambda r: (-len(r.cargo), -len(r.claims), r.condition)))
