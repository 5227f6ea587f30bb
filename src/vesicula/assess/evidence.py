"""Findings about a batch beside the literature. Needs no store: a worker process makes them from a placement."""

from __future__ import annotations

from vesicula._version import __version__
from vesicula.core.finding import Citation, Finding, MethodRef, Verdict
from vesicula.core.placement import EvidencePlacement, PlacedClaim, PlacedTrial

TOPIC = "evidence"


def evidence_findings(batch: str, placement: EvidencePlacement | None) -> tuple[Finding, ...]:
    """Turn a placement into findings, one a statement.

    Parameters
    ----------
    batch : str
        Identifier of the batch.
    placement : EvidencePlacement or None
        None where the store was not to be asked.

    Returns
    -------
    tuple of Finding
        All NOT_JUDGED: what the literature says of batches like this one is no verdict on this one. Each cites its
        rows: name in the store, first author and year, study type, with the doubts as the note.
    """
    if placement is None:
        return ()
    rows: dict[str, list[Citation]] = {}
    for claim in placement.claims:
        rows.setdefault(claim.record_id, []).extend(_claim_citations(claim))
    for trial in placement.trials:
        rows.setdefault(trial.nct_id, []).append(_trial_citation(trial))
    method = MethodRef(
        name="evidence.placement",
        version=__version__,
        parameters={
            "store_version": placement.store_version or "not asked",
            "cell_source": placement.source or "not stated",
            "isolation": "; ".join(placement.isolation) or "not stated",
            "condition": placement.condition or "not stated",
            "cargo": "; ".join(placement.cargo) or "not stated",
        },
    )
    return tuple(
        Finding(
            id=f"{batch}/{TOPIC}/{statement.key}",
            batch=batch,
            topic=TOPIC,
            title=statement.title,
            statement=statement.text,
            verdict=Verdict.NOT_JUDGED,
            method=method,
            citations=tuple(citation for row in statement.rows for citation in rows[row]),
        )
        for statement in placement.statements
    )


def _claim_citations(claim: PlacedClaim) -> list[Citation]:
    kind = claim.study_type or "study type not said"
    note = "; ".join(claim.doubts)
    if not claim.references:
        return [Citation(text=f"{claim.record_id}: no reference stated, {kind}", note=note)]
    return [
        Citation(
            text=f"{claim.record_id}: {r.text}, {kind}{f', PMID {r.pmid}' if r.pmid else ''}",
            doi=r.doi,
            note="; ".join(n for n in (r.note, note) if n),
        )
        for r in claim.references
    ]


def _trial_citation(trial: PlacedTrial) -> Citation:
    as_of = f", as of {trial.as_of}" if trial.as_of else ""
    return Citation(
        text=f"{trial.nct_id}: clinical trial, as {trial.source} reports it{as_of}", note="; ".join(trial.doubts)
    )
