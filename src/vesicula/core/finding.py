"""A finding: one judged statement that knows its inputs, its method and the source of its criterion."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vesicula.core.estimate import Estimate


class Verdict(StrEnum):
    """How a finding stands against its criterion."""

    MET = "met"
    NOT_MET = "not met"
    UNDECIDED = "undecided"  # the interval straddles the limit
    NOT_JUDGED = "not judged"  # a number without a criterion, or what the literature says
    NOT_MEASURED = "not measured"  # the data needed are missing
    WARNING = "warning"  # outside the conditions under which the method is valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a number, criterion or method comes from.

    Parameters
    ----------
    text : str
        Short reference, such as ``"Webber & Clayton 2013, J Extracell Vesicles 2:19861"``.
    doi : str
        DOI without prefix; empty when there is none.
    note : str
        What a reader must know of it, such as ``"quoted from memory, not checked against the source"``.
    """

    text: str
    doi: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A limit to judge against.

    Parameters
    ----------
    text : str
        The criterion in words, such as ``"at most 200 nm"``.
    low, high : float or None
        Limits in the unit of the estimate; None where open.
    source : Citation
        Who set it.
    """

    text: str
    low: float | None
    high: float | None
    source: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """A file that a finding rests on.

    Parameters
    ----------
    path : str
        Path relative to the study folder, with forward slashes.
    sha256 : str
        Hash of its bytes.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRef:
    """How a number was made.

    Parameters
    ----------
    name : str
        Name of the method, such as ``"nta.percentiles"``; the reference pages explain each.
    version : str
        Version of vesicula.
    parameters : dict of str to float, int, str or bool
        All parameters, so that it can be computed again.
    citation : Citation or None
        Source of the method.
    """

    name: str
    version: str
    parameters: dict[str, float | int | str | bool] = field(default_factory=dict)
    citation: Citation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judged statement.

    Parameters
    ----------
    id : str
        Unique within the assessment, stable between runs: ``"B1/F2/mode_diameter_nm"``.
    batch, sample, replicate, capture : str
        What it is about; empty below its level.
    topic : str
        Section of the dossier: ``"size"``, ``"concentration"``, ``"purity"``, ``"vesicle-class"``,
        ``"validity"``, ``"vendor-agreement"``, ``"release"``, ``"file"``, ``"cargo"``, ``"evidence"``.
    title : str
        A few words: ``"Mode diameter"``.
    statement : str
        The sentence that the dossier prints.
    verdict : Verdict
        Where it stands.
    headline : bool
        Whether it belongs in the short verdict table.
    estimate : Estimate or None
        The number, if it has one.
    vendor_value : float or None
        What the vendor's software says of the same quantity, in the same unit.
    criterion : Criterion or None
        What it was judged against.
    inputs : tuple of InputRef
        Files that it rests on.
    method : MethodRef or None
        How it was made; None only for statements about files.
    citations : tuple of Citation
        Further sources.
    """

    id: str
    batch: str
    topic: str
    title: str
    statement: str
    verdict: Verdict
    sample: str = ""
    replicate: str = ""
    capture: str = ""
    headline: bool = False
    estimate: Estimate | None = None
    vendor_value: float | None = None
    criterion: Criterion | None = None
    inputs: tuple[InputRef, ...] = ()
    method: MethodRef | None = None
    citations: tuple[Citation, ...] = ()


def judge(estimate: Estimate, criterion: Criterion) -> Verdict:
    """Judge an estimate against a criterion, honouring its interval.

    Parameters
    ----------
    estimate : Estimate
        The number; without an interval the point alone is judged.
    criterion : Criterion
        The limits.

    Returns
    -------
    Verdict
        MET when the whole interval lies inside the limits, NOT_MET when all of it lies outside them on one
        side, UNDECIDED otherwise.
    """
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    floor = float("-inf") if criterion.low is None else criterion.low
    ceiling = float("inf") if criterion.high is None else criterion.high
    if low >= floor and high <= ceiling:
        return Verdict.MET
    if high < floor or low > ceiling:
        return Verdict.NOT_MET
    return Verdict.UNDECIDED
