"""The tumour balance: what is claimed for and against a tumour's growth, side by side, never netted.

A claim stands on the side that its source gives it (its effect_class). Where a molecule is asked for and the
claim is of an inhibitor of that molecule, or of less of it, the claim says the opposite about the molecule itself:
it stays on its side, and `points_to` says so. Aspects come from the keywords in
``vesicula/data/evidence/tumour_aspects.tsv``.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from vesicula.evidence import balance_text, search
from vesicula.evidence.errors import StoreError
from vesicula.evidence.fold import fold, split_list
from vesicula.evidence.identify import meant_by, without_arm
from vesicula.evidence.model import Answer, Claim, Question
from vesicula.evidence.store import Store

if TYPE_CHECKING:
    import polars as pl

PROMOTING, INHIBITING, NEITHER = "promoting", "inhibiting", "neither"
SIDES = {
    "tumour-promoting": PROMOTING,
    "metastasis-promoting": PROMOTING,
    "drug resistance": PROMOTING,
    "angiogenic": PROMOTING,
    "tumour-inhibiting": INHIBITING,
    "metastasis-inhibiting": INHIBITING,
    "anti-angiogenic": INHIBITING,
}
"""Side of an effect_class. The others take no side: dormant cells do not grow, but survive; "mixed" is both."""

TUMOUR_CLASSES = search.TUMOUR_CLASSES
"""Effect classes that speak of a tumour whatever the class of the condition."""

MOST_BALANCED = 20_000
"""More claims than this are not laid out side by side: nobody reads them, and they take a gigabyte."""

OTHER_ASPECT = "growth/other"
ASPECTS = ("drug resistance", "angiogenesis", "metastasis", "dormancy", OTHER_ASPECT)
NOT_SAID = "(cargo not said)"

MOLECULE, INHIBITOR, LESS, UNCLEAR = "the molecule", "its inhibitor", "less of it", "unclear"
OPPOSITE = {PROMOTING: INHIBITING, INHIBITING: PROMOTING, NEITHER: ""}

INHIBITORS = (
    ("antagomiR", re.compile(r"antagomi?r", re.IGNORECASE), "antagomiR-222/223"),
    (
        "anti-miR",
        re.compile(r"\banti[- ]?(?:mir|mirna|microrna|let)(?:\b|(?=\d))", re.IGNORECASE),
        "anti-miR-21",
    ),
    (
        "miR inhibitor",
        re.compile(r"\b(?:mir|mirna|microrna|let)[-\w/]*[- ]inhibitors?\b", re.IGNORECASE),
        "miR-21 inhibitor",
    ),
    ("sponge", re.compile(r"\bsponges?\b", re.IGNORECASE), "miR-21 sponge"),
    ("siRNA", re.compile(r"(?i:\bsi-?rnas?\b)|\bsi-?(?=[A-Z])"), "siRNA Shn3"),
    ("shRNA", re.compile(r"(?i:\bsh-?rnas?\b)|\bsh-?(?=[A-Z])"), "shRNA PTEN"),
    ("antisense", re.compile(r"\bantisense\b", re.IGNORECASE), "antisense oligonucleotide to miR-21"),
)
"""What a cargo is called that works against the molecule in its name: form, pattern, example. Besides these,
"X inhibitor", "inhibitor of X" and "anti-X" are read as such where X is the very name that was asked for: elsewhere
the word may belong to a protein's name (plasminogen activator inhibitor)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceClaim:
    """A claim in the balance.

    Attributes
    ----------
    record_id : str
        Name of the claim.
    claim : Claim
        All of it, with references and doubts.
    side : str
        "promoting", "inhibiting", or "neither", as its source files it: of what was given.
    carried : str
        "the molecule" asked for, "its inhibitor", "less of it" (the row's direction has the molecule itself go down),
        "unclear" (the row names both the molecule and an inhibitor of it, or several of these); empty where the
        balance is not of a molecule.
    points_to : str
        The side of the molecule itself (or of the cell source): the opposite of `side` for an inhibitor and for
        less of it; empty where unclear or neither.
    aspects : tuple of str
        Some of :data:`ASPECTS`.
    """

    record_id: str
    claim: Claim
    side: str
    carried: str
    points_to: str
    aspects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCount:
    """How many claims of a side have a study type; `study_type` is empty where the source does not say."""

    side: str
    study_type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceGroup:
    """The claims of one condition (as printed) and one subject: a cargo or a cell source; both sides in words."""

    tumour: str
    subject: str
    promoting: tuple[BalanceClaim, ...]
    inhibiting: tuple[BalanceClaim, ...]
    neither: tuple[BalanceClaim, ...]
    study_types: tuple[SideCount, ...]
    conflict: bool
    sentence: str

    @property
    def claims(self) -> tuple[BalanceClaim, ...]:
        """All claims, side after side."""
        return (*self.promoting, *self.inhibiting, *self.neither)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What several groups say about one thing: a subject over its tumours, or a tumour over its cell sources."""

    about: str
    conflict: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectCount:
    """The claims of one aspect, by side; a claim may have several aspects, and its side is that of the whole claim."""

    aspect: str
    promoting: tuple[str, ...]
    inhibiting: tuple[str, ...]
    neither: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A claim of an asked molecule that is no side of the balance.

    `through` is "cargo" (a claim outside tumours), or "note or doubt": the molecule is not the row's cargo as printed,
    only its note or a doubt names it.
    """

    subject: str
    record_id: str
    through: str
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class TumourBalance:
    """The balance, with the version of the store that gave it; `grouped_by` is "cargo" or "cell source"."""

    version: str
    cargo: tuple[str, ...]
    cell_source: str | None
    tumour: str | None
    grouped_by: str
    groups: tuple[BalanceGroup, ...]
    comparisons: tuple[Comparison, ...]
    aspects: tuple[AspectCount, ...]
    study_types: tuple[SideCount, ...]
    elsewhere: tuple[Elsewhere, ...]
    matched: tuple[tuple[str, tuple[str, ...]], ...]
    unmatched: tuple[str, ...]

    @property
    def claims(self) -> tuple[BalanceClaim, ...]:
        """All claims, group after group; one that has two asked cargoes stands once under each."""
        return tuple(entry for group in self.groups for entry in group.claims)

    def frame(self) -> pl.DataFrame:
        """Return a frame of text columns, one row a claim; see :data:`vesicula.evidence.balance_text.COLUMNS`."""
        import polars as pl

        schema = dict.fromkeys(balance_text.COLUMNS, pl.String)
        return pl.DataFrame(balance_text.balance_rows(self), schema=schema)


def tumour_balance(
    store: Store,
    *,
    cargo: Iterable[str] = (),
    cell_source: str | None = None,
    tumour: str | None = None,
    as_of: int | str | None = None,
) -> TumourBalance:
    """Lay out the claims that promote and that inhibit tumours.

    Parameters
    ----------
    store : Store
        An open one.
    cargo : iterable of str
        Molecules; the groups are then by tumour and molecule asked for. Without any, and with a cell source or a
        tumour asked for, they are by tumour and cell source as printed; with nothing asked, by tumour and cargo as
        printed.
    cell_source, tumour : str, optional
        Filters, as in :class:`vesicula.evidence.model.Question`; all that are given must hold.
    as_of : int or str, optional
        A past revision, by number or version.

    Returns
    -------
    TumourBalance
        Claims of condition class cancer or of a tumour's effect class, each once per subject. No net number.

    Raises
    ------
    StoreError
        If there is no such revision, or the store cannot be read.
    """
    asked = (cargo,) if isinstance(cargo, str) else tuple(dict.fromkeys(cargo))
    version = store.version(as_of)
    matched: dict[str, set[str]] = {}
    unmatched: list[str] = []
    placed: dict[tuple[str, str], list[BalanceClaim]] = {}
    for each in asked:
        # Before anything is loaded, which takes longer than to count.
        _require_few(store, Question(cargo=each, of_tumours=False), version, f"of {each} outside tumours")
    for name in asked or (None,):
        for claim in _tumour_claims(store, name, cell_source, tumour, version, matched, unmatched):
            subject = name if name is not None else _printed_subject(claim, cell_source or tumour)
            by_source = name is None and bool(cell_source or tumour)
            entry = _entry(claim, name, by_source=by_source)
            placed.setdefault((claim.condition, subject), []).append(entry)
    groups = tuple(_group(where, subject, entries) for (where, subject), entries in sorted(placed.items()))
    elsewhere = tuple(found for name in asked for found in _elsewhere(store, name, version))
    distinct = {e.record_id: e for group in groups for e in group.claims}.values()
    grouped_by = "cell source" if not asked and (cell_source or tumour) else "cargo"
    return TumourBalance(
        version=version,
        cargo=asked,
        cell_source=cell_source,
        tumour=tumour,
        grouped_by=grouped_by,
        groups=groups,
        comparisons=_comparisons(groups, grouped_by, elsewhere),
        aspects=tuple(_aspect_count(aspect, distinct) for aspect in ASPECTS),
        study_types=_study_types(distinct),
        elsewhere=elsewhere,
        matched=tuple((role, tuple(sorted(texts))) for role, texts in matched.items()),
        unmatched=tuple(dict.fromkeys(unmatched)),
    )


def _tumour_claims(
    store: Store,
    cargo: str | None,
    cell_source: str | None,
    tumour: str | None,
    version: str,
    matched: dict[str, set[str]],
    unmatched: list[str],
) -> list[Claim]:
    asked = Question(cargo=cargo, cell_source=cell_source, tumour=tumour, of_tumours=True)
    answer = _bounded(store, asked, version, "about tumours")
    for role, texts in answer.matched:
        matched.setdefault(role, set()).update(texts)
    unmatched += answer.unmatched
    return list(answer.claims)


def _bounded(store: Store, question: Question, version: str, what: str) -> Answer:
    _require_few(store, question, version, what)
    return store.query(question, as_of=version)


def _require_few(store: Store, question: Question, version: str, what: str) -> None:
    if store.count(replace(question, limit=MOST_BALANCED), as_of=version) > MOST_BALANCED:
        raise StoreError(
            f"{store.name}: more than {MOST_BALANCED} claims {what} answer this: too many to lay side by side. Name a "
            "cargo, a cell source or a tumour that fewer claims are about"
        )


def _printed_subject(claim: Claim, by_source: str | None) -> str:
    if by_source:
        return "; ".join(split_list(claim.cell_source))
    return "; ".join(split_list(claim.cargo)) or NOT_SAID


def _entry(claim: Claim, asked: str | None, *, by_source: bool) -> BalanceClaim:
    side = SIDES.get(claim.effect_class, NEITHER)
    carried = "" if by_source or not claim.cargo else how_carried(claim, asked)
    points_to = "" if carried == UNCLEAR or side == NEITHER else side
    if carried in {INHIBITOR, LESS}:
        points_to = OPPOSITE[side]
    return BalanceClaim(
        record_id=claim.record_id,
        claim=claim,
        side=side,
        carried=carried,
        points_to=points_to,
        aspects=aspects_of(claim.effect, claim.effect_class),
    )


def inhibitor_form(text: str, of: str | None = None) -> str:
    """Return the form of inhibitor that a cargo's name is (see :data:`INHIBITORS`); empty where it is none.

    Parameters
    ----------
    text : str
        A cargo as printed.
    of : str, optional
        A molecule: "X inhibitor", "inhibitor of X" and "anti-X" are inhibitors where X is its name.

    Returns
    -------
    str
        For instance ``"antagomiR"``.
    """
    form = next((name for name, pattern, _ in INHIBITORS if pattern.search(text)), "")
    if form or of is None:
        return form
    name, words = fold(of), fold(text)
    named = {f"{name} inhibitor", f"{name} inhibitors", f"inhibitor of {name}", f"anti {name}"}
    return "inhibitor" if words in named or words.startswith(f"anti {name} ") else ""


def how_carried(claim: Claim, asked: str | None = None) -> str:
    """Return whether a claim is of a molecule, of an inhibitor of it, or of less of it.

    Parameters
    ----------
    claim : Claim
        One that has a cargo.
    asked : str, optional
        The molecule; by default the claim's own cargo as printed, of which an inhibitor is then a molecule too.

    Returns
    -------
    str
        See :attr:`BalanceClaim.carried`.
    """
    if asked is None:
        states = {_state(claim, text, text) for text in split_list(claim.cargo)}
    else:
        states = {_state(claim, text, asked) for text in _texts_meant(claim, asked)}
    return states.pop() if len(states) == 1 else UNCLEAR


def _state(claim: Claim, text: str, asked: str) -> str:
    notes = [m.note for m in claim.mentions if m.role == "cargo" and m.text == text]
    known = any(note.startswith("An inhibitor of") for note in notes)
    is_inhibitor = known or bool(inhibitor_form(text, None if text == asked else asked))
    # Asked for an inhibitor, the molecule itself is the opposite.
    asked_known = text == asked and known
    inverse = is_inhibitor != (asked_known or bool(inhibitor_form(asked)))
    less = any(fold(d.molecule) == fold(text) and d.change in {"down", "inhibit"} for d in claim.directions)
    if inverse or less:
        return UNCLEAR if inverse and less else (INHIBITOR if inverse else LESS)
    made_with = fold(claim.modification)
    core = [word for word in fold(asked).split() if word not in {"mir", "mirna", "let", "3p", "5p"}]
    if not is_inhibitor and inhibitor_form(claim.modification) and any(word in made_with for word in core):
        return UNCLEAR
    return MOLECULE


def _texts_meant(claim: Claim, asked: str) -> list[str]:
    """Return the cargoes of a claim that a name asked for means, by the rules of :mod:`vesicula.evidence.search`."""
    words = set(fold(asked).split())
    identifiers = set(meant_by("cargo", asked))
    return [
        m.text
        for m in claim.mentions
        if m.role == "cargo" and (words <= set(fold(m.text).split()) or identifiers & set(m.identifiers))
    ]


@cache
def aspect_rules() -> tuple[tuple[str, str, re.Pattern[str], frozenset[str]], ...]:
    """Return the rows of ``tumour_aspects.tsv``: aspect, column, pattern, effect classes it does not hold for."""
    text = files("vesicula.data").joinpath("evidence", "tumour_aspects.tsv").read_text("utf-8")
    return tuple(
        (
            row["aspect"],
            row["column"],
            re.compile(row["pattern"], re.IGNORECASE),
            frozenset(split_list(row["unless_effect_class"])),
        )
        for row in csv.DictReader(io.StringIO(text), delimiter="\t")
    )


def aspects_of(effect: str, effect_class: str) -> tuple[str, ...]:
    """Return the aspects that a claim's words name, in the order of :data:`ASPECTS`; "growth/other" where none."""
    cells = {"effect": effect, "effect_class": effect_class}
    named = {
        aspect
        for aspect, column, pattern, unless in aspect_rules()
        if effect_class not in unless and pattern.search(cells[column])
    }
    return tuple(aspect for aspect in ASPECTS if aspect in named) or (OTHER_ASPECT,)


def _group(tumour: str, subject: str, entries: Sequence[BalanceClaim]) -> BalanceGroup:
    return BalanceGroup(
        tumour=tumour,
        subject=subject,
        promoting=tuple(e for e in entries if e.side == PROMOTING),
        inhibiting=tuple(e for e in entries if e.side == INHIBITING),
        neither=tuple(e for e in entries if e.side == NEITHER),
        study_types=_study_types(entries),
        conflict=_conflicting(entries),
        sentence=balance_text.group_sentence(tumour, subject, entries),
    )


def _conflicting(entries: Iterable[BalanceClaim]) -> bool:
    return {PROMOTING, INHIBITING} <= {e.points_to for e in entries}


def _study_types(entries: Iterable[BalanceClaim]) -> tuple[SideCount, ...]:
    counts = Counter((e.side, e.claim.study_type) for e in entries)
    order = {PROMOTING: 0, INHIBITING: 1, NEITHER: 2}
    return tuple(
        SideCount(side=side, study_type=kind, count=counts[side, kind])
        for side, kind in sorted(counts, key=lambda key: (order[key[0]], key[1]))
    )


def _aspect_count(aspect: str, entries: Iterable[BalanceClaim]) -> AspectCount:
    of = [e for e in entries if aspect in e.aspects]
    ids = {s: tuple(e.record_id for e in of if e.side == s) for s in (PROMOTING, INHIBITING, NEITHER)}
    return AspectCount(aspect=aspect, **ids)


def _comparisons(
    groups: Sequence[BalanceGroup], grouped_by: str, elsewhere: Sequence[Elsewhere]
) -> tuple[Comparison, ...]:
    made = []
    if grouped_by == "cell source":
        for tumour in dict.fromkeys(g.tumour for g in groups):
            of = [g for g in groups if g.tumour == tumour]
            if len(of) > 1:
                entries = [e for g in of for e in g.claims]
                said = balance_text.comparison_sentence(tumour, [(g.subject, g.claims) for g in of], "by", ())
                made.append(Comparison(about=tumour, conflict=_conflicting(entries), sentence=said))
    for subject in dict.fromkeys(g.subject for g in groups if g.subject != NOT_SAID):
        of = [g for g in groups if g.subject == subject]
        beside = [e for e in elsewhere if e.subject == subject]
        if len(of) > 1 or beside:
            entries = [e for g in of for e in g.claims]
            said = balance_text.comparison_sentence(subject, [(g.tumour, g.claims) for g in of], "in", beside)
            made.append(Comparison(about=subject, conflict=_conflicting(entries), sentence=said))
    return tuple(made)


def _elsewhere(store: Store, name: str, version: str) -> list[Elsewhere]:
    outside = _bounded(store, Question(cargo=name, of_tumours=False), version, f"of {name} outside tumours").claims
    found = [Elsewhere(subject=name, record_id=c.record_id, through="cargo", claim=c) for c in outside]
    if not fold(name):
        return found
    bare = without_arm(name)
    words = f" {fold(bare)} "
    carried = _bounded(store, Question(cargo=name, remarked=True), version, f"of {name} with notes or doubts").claims
    known = {c.record_id for c in carried}
    named = _bounded(store, Question(text=bare, remarked=True), version, f"with notes or doubts name {name} and")
    candidates = {c.record_id: c for c in named.claims}
    for doubt in store.doubts(version):
        if words in f" {fold(doubt.text)} " and doubt.row not in candidates:
            candidates |= {c.record_id: c for c in store.query(Question(record_id=doubt.row), as_of=version).claims}
    for record, claim in candidates.items():
        remarks = [claim.notes, *(doubt.text for doubt in claim.doubts)]
        if record not in known and any(words in f" {fold(text)} " for text in remarks):
            found.append(Elsewhere(subject=name, record_id=record, through="note or doubt", claim=claim))
    return found
