"""A batch beside the literature: what was claimed of batches like it, row by row, with references and doubts.

Plain data: made by `vesicula.assess.evidence_place`, shown by the dossier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vesicula.core.finding import Citation

SAME_SOURCE = "same source"
SAME_ISOLATION = "same source and isolation"
SAME_CONDITION = "same condition"
SAME_BOTH = "same source and condition"
TUMOUR_SOURCE = "tumour balance of the source"
TUMOUR_CARGO = "tumour balance of the cargo"

Side = Literal["promoting", "inhibiting", "neither"]
SIDES: tuple[Side, ...] = ("promoting", "inhibiting", "neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedReference:
    """A publication behind a row.

    Parameters
    ----------
    text : str
        First author and year, such as ``"Zhu 2018"``.
    citation : str
        As the source's reference list prints it.
    doi, pmid : str
        Empty where the store has none.
    note : str
        Its number in the source, and whether the curator inferred that.
    """

    text: str
    citation: str = ""
    doi: str = ""
    pmid: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedClaim:
    """A claim of the store, as the source prints it.

    Parameters
    ----------
    record_id : str
        Its name in the store.
    relations : tuple of str
        Why it stands here: ``"same source"``, ``"same source and isolation"``, ``"same condition"``,
        ``"same source and condition"``, ``"tumour balance of the source"``, ``"tumour balance of the cargo"``.
    condition, cell_source, product, modification, cargo, model, study_type, effect, effect_class : str
        As in the store; empty where the source does not say.
    isolation : str
        Method with its g-force, or ``"not reported"``.
    side : {"", "promoting", "inhibiting", "neither"}
        Side in the tumour balance, as its source files it; empty outside it.
    source, place : str
        Which source says so, and where in it.
    references : tuple of PlacedReference
        Publications that it rests on.
    doubts : tuple of str
        The curators' doubts, and what is to be kept in mind of how the row was matched.
    note : str
        The curator's note, where it is not a doubt.
    """

    record_id: str
    relations: tuple[str, ...]
    condition: str
    cell_source: str
    product: str
    modification: str
    isolation: str
    cargo: str
    model: str
    study_type: str
    effect: str
    effect_class: str
    side: Literal["", "promoting", "inhibiting", "neither"] = ""
    source: str
    place: str
    references: tuple[PlacedReference, ...] = ()
    doubts: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTrial:
    """A clinical trial as one source reports it; a trial that two sources report stands twice.

    Parameters
    ----------
    nct_id : str
        Registry number.
    relations : tuple of str
        As in `PlacedClaim`.
    title, condition, phase, participants, cell_source, product, route, dose : str
        As printed; the dose with its unit, never converted.
    source, as_of, url : str
        Which source reports it, the state of the registry that it shows, and the registry's address.
    doubts : tuple of str
        In words.
    note : str
        As in `PlacedClaim`.
    """

    nct_id: str
    relations: tuple[str, ...]
    title: str
    condition: str
    phase: str
    participants: str
    cell_source: str
    product: str
    route: str
    dose: str
    source: str
    as_of: str
    url: str
    doubts: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCount:
    """How many claims of a side have a study type; empty where the source does not say."""

    side: Side
    study_type: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedBalance:
    """What is claimed for and against tumours of one subject; never one number.

    Parameters
    ----------
    subject : str
        A cell source, or a molecule of the batch's cargo.
    kind : {"source", "cargo"}
        Which of the two.
    promoting, inhibiting, neither : tuple of str
        Names of the claims of each side, as their sources file them.
    counts : tuple of SideCount
        By side and study type.
    sentence : str
        The same in words, with where the sides meet.
    """

    subject: str
    kind: Literal["source", "cargo"]
    promoting: tuple[str, ...]
    inhibiting: tuple[str, ...]
    neither: tuple[str, ...]
    counts: tuple[SideCount, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedStatement:
    """One sentence about the rows, and the rows that it rests on.

    Parameters
    ----------
    key : str
        ``"source"``, ``"isolation"``, ``"condition"``, ``"trials"``, ``"tumour-source"`` or ``"tumour-cargo/miR-21"``.
    title, text : str
        A few words, and the sentence.
    rows : tuple of str
        Names of claims and numbers of trials.
    """

    key: str
    title: str
    text: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePlacement:
    """A batch placed beside the evidence store. What the literature says is no verdict on the batch.

    Parameters
    ----------
    store_version : str
        Version of the store that answered; empty where nothing could be asked.
    source : str
        Cell source by the manifest's vocabulary, or as stated; empty where not stated.
    isolation : tuple of str
        Methods of isolation by the vocabulary, without steps that only clear or concentrate.
    isolation_g : float or None
        Highest relative centrifugal force stated, x g.
    condition : str
        The indication stated.
    cargo : tuple of str
        The cargo stated.
    lead : str
        The whole in one or two sentences.
    matching : tuple of str
        How rows were matched, and what could not be, in words.
    statements : tuple of PlacedStatement
        Each becomes a finding.
    claims : tuple of PlacedClaim
        Every row that a statement rests on, each once.
    trials : tuple of PlacedTrial
        Likewise.
    balances : tuple of PlacedBalance
        Of the source first, then of each molecule of the cargo.
    sources : tuple of Citation
        Whom the store quotes for these rows.
    """

    store_version: str
    source: str
    isolation: tuple[str, ...] = ()
    isolation_g: float | None = None
    condition: str = ""
    cargo: tuple[str, ...] = ()
    lead: str
    matching: tuple[str, ...] = ()
    statements: tuple[PlacedStatement, ...] = ()
    claims: tuple[PlacedClaim, ...] = ()
    trials: tuple[PlacedTrial, ...] = ()
    balances: tuple[PlacedBalance, ...] = ()
    sources: tuple[Citation, ...] = ()
