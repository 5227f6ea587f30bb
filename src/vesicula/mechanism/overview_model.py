"""What an overview holds: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass

from vesicula.evidence.balance import TumourBalance
from vesicula.evidence.model import Claim, Doubt, SourceRow, Trial
from vesicula.evidence.trials import TrialMatch
from vesicula.mechanism.paths import Path_

SUBJECTS = ("condition", "cell_source", "molecule", "tumour")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence about the subject, with the records it rests on.

    Attributes
    ----------
    topic : str
        "verdict", "conflict", "dose", "trials", "mechanism", "gap", ...
    text : str
        In words; no number that its records do not carry.
    records : tuple of str
        Record ids of claims, NCT numbers of trials, or ``table#row`` of other tables.
    """

    topic: str
    text: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often one value of a facet stands in the claims.

    Attributes
    ----------
    facet : str
        "cell source", "isolation", "cargo", "target", "pathway", "product", "species", "study type", "effect class".
    value : str
        As printed, or "not reported".
    records : tuple of str
        Claims that have it.
    study_types : tuple of (str, int)
        How many of them are of which kind of study.
    sides : tuple of (str, int)
        Effect classes and their counts.
    doubted : tuple of str
        Those of the claims that a curator doubts, settled doubts aside.
    """

    facet: str
    value: str
    records: tuple[str, ...]
    study_types: tuple[tuple[str, int], ...]
    sides: tuple[tuple[str, int], ...]
    doubted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The answer.

    Attributes
    ----------
    subject, name : str
        One of :data:`SUBJECTS`, and the name asked for.
    version : str
        The store's version.
    statements : tuple of Statement
        The verdict first.
    claims : tuple of Claim
        All claims about it.
    tallies : tuple of Tally
        By facet, the most frequent first.
    paths : tuple of Path_
        Mechanisms, the best supported first.
    balance : TumourBalance or None
        What the same cargo (of a condition or source: all its cargo) does in tumours; None where it is not claimed to
        do anything there.
    trials : tuple of Trial
        Trials of this condition or source.
    doses : tuple of SourceRow
        Rows of the EV atlas that give a dose for it.
    doubts : tuple of Doubt
        About any of the above.
    unmatched : tuple of str
        Names that the store does not hold, with the nearest that it does.
    trial_matches : tuple of TrialMatch
        The same trials, each with why it is here and where else the store has it.
    matched : tuple of str
        Names in the store, as printed, that the name was taken to mean.
    """

    subject: str
    name: str
    version: str
    statements: tuple[Statement, ...]
    claims: tuple[Claim, ...]
    tallies: tuple[Tally, ...]
    paths: tuple[Path_, ...]
    balance: TumourBalance | None
    trials: tuple[Trial, ...]
    doses: tuple[SourceRow, ...]
    doubts: tuple[Doubt, ...]
    unmatched: tuple[str, ...]
    trial_matches: tuple[TrialMatch, ...] = ()
    matched: tuple[str, ...] = ()
