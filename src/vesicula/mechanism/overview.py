"""Everything that the store holds about one condition, cell source, molecule or tumour: one question, one answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from vesicula.core.errors import shorten
from vesicula.evidence.balance import TumourBalance, tumour_balance
from vesicula.evidence.errors import StoreError
from vesicula.evidence.model import Answer, Claim, Doubt, Question, SourceRow
from vesicula.evidence.names import resolve_molecule
from vesicula.evidence.search import TUMOUR_CLASSES
from vesicula.evidence.store import Store
from vesicula.evidence.trials import TrialMatch, is_source, match_trials, means, named_in, said
from vesicula.mechanism.graph import build_graph, is_small, load_graph
from vesicula.mechanism.model import Graph
from vesicula.mechanism.overview_model import SUBJECTS, Overview, Statement, Tally
from vesicula.mechanism.overview_tallies import tallies_of
from vesicula.mechanism.overview_words import Gathered, statements_of
from vesicula.mechanism.paths import Path_, doubted, paths

__all__ = ["SUBJECTS", "Overview", "Statement", "Tally", "nearest", "overview"]

MOLECULE_ROLES = ("cargo", "target", "pathway", "molecule")
"""Roles in which a claim may name a molecule: carried, acted on, part of a pathway, reported as changed."""

DOSE_TABLES = {
    "ev-atlas/fig4c-msc-biodistribution": ("diease model", "ev type (cell source)", "", "Dose (num_value)"),
    "ev-atlas/fig5b-biodist-24h": ("diease model", "ev type (cell source)", "", "Dose (num_value)"),
    "ev-atlas/fig3e-sirna-doseresponse": ("Recipient_Cell", "Cell_Source", "Target_Protein", "Dose"),
}
"""Tables of the EV atlas that have a dose and name a condition, a cell source or a molecule: these columns, the dose.
The doses of labelling in mice (Fig. 4a, b) name none of them, so that no row can be said to be of anything."""

ARM = re.compile(r"^((?:hsa-|mmu-|rno-)?(?:miR|let)-?\w+?)-[35]p$", re.IGNORECASE)


def overview(
    store: Store, subject: str, name: str, *, as_of: int | str | None = None, graph: Graph | None = None
) -> Overview:
    """Gather everything that the store holds about one thing.

    Parameters
    ----------
    store : Store
        An open one.
    subject : str
        One of :data:`SUBJECTS`.
    name : str
        Name or identifier, found as in a query; a molecule in any of :data:`MOLECULE_ROLES`.
    as_of : int or str, optional
        A past revision, by number or version.
    graph : Graph, optional
        From :func:`vesicula.mechanism.graph.load_graph` of the same version, to save time over several calls.

    Returns
    -------
    Overview
        Claims, counts, paths, tumour balance, trials, doses, doubts, and statements in words. A name that the store
        does not hold gives an answer without claims, and the nearest names in ``unmatched``.

    Raises
    ------
    StoreError
        If the subject is none of these, the graph is of another version, there is no such revision, or the store
        cannot be read.
    """
    if subject not in SUBJECTS:
        raise StoreError(f"expected a subject of {', '.join(SUBJECTS)}, found {shorten(subject)!r}")
    version = store.version(as_of)
    if graph is not None and graph.version != version:
        raise StoreError(
            f"{store.name}: the graph is of version {graph.version}, the store was asked as of {version}. "
            "Build the graph as of that version"
        )
    answers = _answers(store, subject, name, version)
    claims = tuple({c.record_id: c for answer in answers for c in answer.claims}.values())
    whole = graph is not None or is_small(store, version)
    if graph is None:
        graph = load_graph(store, as_of=version) if whole else build_graph(claims, version=version)
    found = _paths(graph, subject, name, {c.record_id for c in claims})
    trials = _trials(store, subject, name, version)
    balance = _balance(store, subject, name, claims, version)
    doses = _doses(store, subject, name, version)
    named_in_doubts = doubted(store.doubts(version), name) if subject == "molecule" else ()
    gathered = Gathered(
        subject=subject,
        name=name,
        claims=claims,
        roles=_roles(answers) if subject == "molecule" else (),
        tallies=tallies_of(claims),
        paths=found,
        balance=balance,
        cargo=cargo_of(claims),
        trials=trials,
        doses=doses,
        dose_columns={table: columns[3] for table, columns in DOSE_TABLES.items()},
        matched=_matched(answers),
        unmatched=_unmatched(answers),
        named_in_doubts=named_in_doubts,
        graph=graph,
        whole_graph=whole,
    )
    return Overview(
        subject=subject,
        name=name,
        version=version,
        statements=statements_of(gathered),
        claims=claims,
        tallies=gathered.tallies,
        paths=found,
        balance=balance,
        trials=tuple(match.trial for match in trials),
        doses=doses,
        doubts=_doubts(claims, trials, doses, named_in_doubts),
        unmatched=gathered.unmatched,
        trial_matches=trials,
        matched=gathered.matched,
    )


def nearest(store: Store, subject: str, name: str, *, as_of: int | str | None = None) -> tuple[str, ...]:
    """Say which names the store holds near to one that it does not; empty where it holds the name.

    Parameters
    ----------
    store : Store
        An open one.
    subject : str
        One of :data:`SUBJECTS`.
    name : str
        The name.
    as_of : int or str, optional
        A past revision.

    Returns
    -------
    tuple of str
        Sentences as :meth:`vesicula.evidence.store.Store.query` gives them; of a molecule one for each of its roles.
    """
    return _unmatched(_answers(store, subject, name, store.version(as_of), limit=1))


def _answers(store: Store, subject: str, name: str, version: str, limit: int | None = None) -> tuple[Answer, ...]:
    questions = {
        "condition": (Question(condition=name, limit=limit),),
        "cell_source": (Question(cell_source=name, limit=limit),),
        "tumour": (Question(tumour=name, limit=limit),),
        "molecule": (
            Question(cargo=name, limit=limit),
            Question(target=name, limit=limit),
            Question(pathway=name, limit=limit),
            Question(molecule=name, limit=limit),
        ),
    }[subject]
    return tuple(store.query(question, as_of=version) for question in questions)


def _roles(answers: Sequence[Answer]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (role, tuple(claim.record_id for claim in answer.claims))
        for role, answer in zip(MOLECULE_ROLES, answers, strict=True)
    )


def _matched(answers: Iterable[Answer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for answer in answers for _, texts in answer.matched for text in texts))


def _unmatched(answers: Sequence[Answer]) -> tuple[str, ...]:
    """Return what was not found; a molecule is unknown only where no role has it."""
    if any(answer.matched for answer in answers):
        return ()
    return tuple(dict.fromkeys(text for answer in answers for text in answer.unmatched))


def _paths(graph: Graph, subject: str, name: str, records: Collection[str]) -> tuple[Path_, ...]:
    if subject == "molecule":
        return paths(graph, molecule=name, records=records, limit=None)
    if subject in {"condition", "tumour"}:
        to_it = paths(graph, condition=name, records=records, limit=None)
        if to_it:
            return to_it
    return paths(graph, records=records, limit=None)


def _balance(store: Store, subject: str, name: str, claims: Sequence[Claim], version: str) -> TumourBalance | None:
    is_tumour = any(c.condition_class == "cancer" or c.effect_class in TUMOUR_CLASSES for c in claims)
    if subject == "tumour" or (subject == "condition" and is_tumour):
        of_tumour = tumour_balance(store, tumour=name, as_of=version)
        if of_tumour.groups or subject == "tumour":
            return of_tumour if of_tumour.groups else None
    if subject == "cell_source":
        found = tumour_balance(store, cell_source=name, as_of=version)
    else:
        cargo = (name,) if subject == "molecule" else cargo_of(claims)
        if not cargo:
            return None
        found = tumour_balance(store, cargo=cargo, as_of=version)
    return found if found.groups else None


def cargo_of(claims: Iterable[Claim]) -> tuple[str, ...]:
    """Return the molecules that claims carry, as they can be asked for: a miRNA without its arm; no "miRNA" alone."""
    names = [m.text for claim in claims for m in claim.mentions if m.role == "cargo"]
    told = [text for text in names if resolve_molecule(text).names_entity]
    return tuple(dict.fromkeys(ARM.sub(r"\1", text) for text in told))


def _trials(store: Store, subject: str, name: str, version: str) -> tuple[TrialMatch, ...]:
    trials = store.trials(version)
    if subject == "cell_source":
        return match_trials(trials, cell_source=name)
    if subject in {"condition", "tumour"}:
        return match_trials(trials, condition=name)
    of_it = {t.nct_id: named for t in trials if (named := named_in("molecule", t.title, name))}
    return tuple(
        TrialMatch(trial=m.trial, matched_by=(f"title names {of_it[m.trial.nct_id]!r}",), same_trial=m.same_trial)
        for m in match_trials(trials)
        if m.trial.nct_id in of_it
    )


def _doses(store: Store, subject: str, name: str, version: str) -> tuple[SourceRow, ...]:
    held = {entry.table for entry in store.tables(version)}
    found: list[SourceRow] = []
    for table, (condition, source, molecule, dose) in DOSE_TABLES.items():
        if table not in held:
            continue
        column = {"cell_source": source, "molecule": molecule}.get(subject, condition)
        for group in store.table(table, as_of=version).groups:
            found += [
                row
                for row in group.rows
                if isinstance(row, SourceRow)
                and column
                and said(row.printed[dose])
                and _is_of(subject, row.printed[column], name)
            ]
    return tuple(found)


def _is_of(subject: str, cell: str, name: str) -> bool:
    if subject == "cell_source":
        return is_source(cell, name)
    if subject == "molecule":
        return any(means("molecule", part, name) for part in cell.split(";"))
    return any(named_in("condition", part, name) for part in cell.split(";") if said(part))


def _doubts(
    claims: Iterable[Claim], trials: Iterable[TrialMatch], doses: Iterable[SourceRow], more: Iterable[Doubt]
) -> tuple[Doubt, ...]:
    found = [d for claim in claims for d in claim.doubts]
    found += [d for match in trials for d in match.trial.doubts]
    found += [d for row in doses for d in row.doubts]
    return tuple(dict.fromkeys([*found, *more]))
