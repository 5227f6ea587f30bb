"""The numbers behind what is said of a cargo table, as plain data for figures, a dossier and its Parquet tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from vesicula.core.cargo import (
    CALLED,
    GENOME_ONLY,
    NEITHER,
    CargoCategories,
    CargoClaim,
    CargoMolecule,
    CargoSet,
    CargoTableResult,
    CargoTest,
    Side,
)
from vesicula.core.finding import Verdict

if TYPE_CHECKING:
    from vesicula.cargo.effect.conditions import CargoEvidence, Evidence
    from vesicula.cargo.effect.run import CargoEffect
    from vesicula.cargo.effect.sets import Enrichment, SetAnswer
    from vesicula.cargo.protein.misev import SamplePurity
    from vesicula.evidence.model import Claim

KEPT = 25
"""Sets that neither test calls and that are kept all the same, the nearest first; thousands are tested."""


def table_result(
    path: str,
    found: CargoEffect,
    purity: Sequence[SamplePurity],
    placed: Evidence | None,
    *,
    targets: str = "",
) -> CargoTableResult:
    """Gather the numbers of one table.

    Parameters
    ----------
    path : str
        The table, relative to the study folder.
    found : CargoEffect
        Its analysis.
    purity : sequence of SamplePurity
        MISEV categories by sample; empty where they were not judged.
    placed : Evidence or None
        What claims say; None where the store was not asked.
    targets : str
        Table of miRNA targets that was used.

    Returns
    -------
    CargoTableResult
        Numbers that do not exist are None.
    """
    return CargoTableResult(
        path=path,
        kind=found.table.kind,
        samples=tuple(found.table.samples),
        molecules=tuple(_molecules(found)),
        tests=tuple(set_results(e) for e in found.enrichments),
        categories=tuple(_categories(p) for p in purity),
        claims=claim_results(placed) if placed is not None else (),
        condition=placed.condition if placed is not None else "",
        looked_up=placed.looked_up if placed is not None else None,
        targets=targets,
    )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _molecules(found: CargoEffect) -> Iterator[CargoMolecule]:
    table = found.table
    listed = {key: one.what for one in found.lists for key in one.hits}
    mean = table.mean_log2() if table.samples else None
    for i in table.measured():
        yield CargoMolecule(
            key=table.keys[i],
            name=table.labels[i],
            tested_as=listed.get(table.keys[i], ""),
            detected_in=int(table.detected[i].sum()) if table.samples else 0,
            mean_log2=_finite(mean[i]) if mean is not None else None,
            log2_fold_change=_finite(table.effect[i]) if table.effect is not None else None,
            adjusted_p=_finite(table.adjusted_p[i]) if table.adjusted_p is not None else None,
        )


def set_results(e: Enrichment) -> CargoTest:
    """Gather the gene sets of one list of cargo.

    Parameters
    ----------
    e : Enrichment
        Of the list.

    Returns
    -------
    CargoTest
        All sets that stand out or that the whole genome alone calls, and the nearest 25 of the others.
    """
    answers = {a.set_id: a for a in e.answers}
    alone = {s.set_id for s in e.spurious}
    spurious = [
        _answer(answers[s.set_id], GENOME_ONLY)
        if s.set_id in answers
        else CargoSet(
            set_id=s.set_id,
            name=s.name,
            origin=s.origin,
            standing=GENOME_ONLY,
            hits_in_set=s.hits_in_set,
            set_size=s.measured,
            fold=None,
            p_value=None,
            adjusted_p=None,
            genome_adjusted_p=_finite(s.genome_adjusted_p),
            members=(),
        )
        for s in e.spurious
    ]
    others = [a for a in e.answers if not a.called and a.set_id not in alone][:KEPT]
    return CargoTest(
        what=e.what,
        tested=len(e.answers),
        called=len(e.called),
        genome_called=e.genome_called,
        refused=e.refused,
        sets=(*(_answer(a, CALLED) for a in e.called), *spurious, *(_answer(a, NEITHER) for a in others)),
    )


def _answer(a: SetAnswer, standing: str) -> CargoSet:
    return CargoSet(
        set_id=a.set_id,
        name=a.name,
        origin=a.origin,
        standing=standing,
        hits_in_set=a.hits_in_set,
        set_size=a.set_size,
        fold=_finite(a.fold),
        p_value=_finite(a.p_value),
        adjusted_p=_finite(a.adjusted_p),
        genome_adjusted_p=_finite(a.genome_adjusted_p),
        members=tuple(a.members),
    )


def _categories(p: SamplePurity) -> CargoCategories:
    return CargoCategories(
        sample=p.sample,
        met=p.verdict is Verdict.MET,
        proteins=p.proteins,
        found=dict(p.found),
        shares={k: float(v) for k, v in p.shares.items()},
        apob_share=_finite(p.apob_share),
        albumin_share=_finite(p.albumin_share),
        other_species_share=_finite(p.other_species_share),
    )


def claim_results(placed: Evidence) -> tuple[CargoClaim, ...]:
    """Gather the rows of the evidence store that name the cargo as cargo.

    Parameters
    ----------
    placed : Evidence
        From :func:`vesicula.cargo.effect.conditions.place_cargo`.

    Returns
    -------
    tuple of CargoClaim
        One for each molecule, row and tumour of the balance.
    """
    return tuple(_claims(placed))


def _claims(placed: Evidence) -> Iterator[CargoClaim]:
    rows = {c.record_id: c for c in placed.rows}
    for entry in placed.cargo:
        places = _places(entry)
        for record in dict.fromkeys((*entry.as_cargo, *places)):
            claim = rows.get(record)
            if claim is not None:
                for tumour, side in places.get(record, [("", "")]):
                    yield _claim(entry, claim, tumour, side)


def _places(entry: CargoEvidence) -> Mapping[str, list[tuple[str, str]]]:
    """Return tumour and side of each row that stands on the tumour balance."""
    places: dict[str, list[tuple[str, str]]] = {}
    for s in entry.sides:
        for side, records in (("promoting", s.promoting), ("inhibiting", s.inhibiting), ("neither", s.neither)):
            for record in records:
                places.setdefault(record, []).append((s.tumour, side))
    return places


def _claim(entry: CargoEvidence, claim: Claim, tumour: str, side: str) -> CargoClaim:
    return CargoClaim(
        molecule=entry.label,
        row=claim.record_id,
        counted=claim.record_id not in entry.unsure,
        condition=claim.condition,
        effect_class=claim.effect_class,
        study_type=claim.study_type,
        tumour=tumour,
        side=cast("Side", side),
    )
