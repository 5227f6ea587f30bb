"""A batch's cargo from table to mechanism: which cargo stands out, its pathways, their activity, and the claims."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vesicula.cargo.effect.activity import DRAWS, Activity, activity, compare_groups, mirna_weights
from vesicula.cargo.effect.conditions import Evidence
from vesicula.cargo.effect.sets import (
    FALSE_DISCOVERY_RATE,
    STAGES,
    Enrichment,
    incidence,
    mirna_enrichment,
    protein_enrichment,
)
from vesicula.cargo.effect.table import CargoTable
from vesicula.cargo.effect.targets import TargetMap
from vesicula.cargo.enrichment import Design, Moderated, SampleInfo, build_design
from vesicula.core.errors import AnalysisError
from vesicula.mechanism.model import counted
from vesicula.mechanism.tables import GeneSet

TOP = 50
"""Cargo tested where the table has abundances and no comparison: so many of the most abundant, a quarter at most."""

MOST_COLUMNS = 8
"""Groups of an UpSet plot; with more nobody reads it."""

SET_SIZES = (5, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoList:
    """Cargo that stands out: in words, and labels by key."""

    what: str
    hits: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cargo of a sample, a group of samples or a source, for the overlap: labels by key."""

    name: str
    cargo: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CargoEffect:
    """All that was found.

    Parameters
    ----------
    table : CargoTable
        The cargo.
    measured : int
        Cargo that could have been in the list: what was measured, and of a comparison compared.
    lists : tuple of CargoList
        What stands out.
    targets : TargetMap or None
        Of miRNAs.
    enrichments : tuple of Enrichment
        One per list.
    activity : Activity or None
        Scores of sets by samples; None without abundances, or for miRNAs without targets.
    design, comparison : Design and Moderated, or None
        Comparison of the scores between two groups of samples.
    set_names : mapping of str to str
        Of the packaged sets.
    groups : tuple of Group
        For the overlap.
    evidence : Evidence or None
        What claims say; None where the store was not to be asked.
    notes : tuple of str
        What to know.
    """

    table: CargoTable
    measured: int
    lists: tuple[CargoList, ...]
    targets: TargetMap | None
    enrichments: tuple[Enrichment, ...]
    activity: Activity | None
    design: Design | None
    comparison: Moderated | None
    set_names: Mapping[str, str]
    groups: tuple[Group, ...]
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()


def choose_lists(table: CargoTable, *, top: int = TOP) -> tuple[CargoList, ...]:
    """Return the cargo that stands out.

    Parameters
    ----------
    table : CargoTable
        With a comparison: what is higher and what is lower, at a false discovery rate of 5 % (without p values: at
        least twofold). With abundances alone: the most abundant. A plain list: all of it.
    top : int
        How many of the most abundant; never more than a quarter of what was measured.

    Returns
    -------
    tuple of CargoList
        One or two.
    """
    rows = table.measured()
    if table.effect is not None:
        return tuple(_changed(table, rows, sign, word) for sign, word in ((1, "higher"), (-1, "lower")))
    if table.samples:
        mean = table.mean_log2()
        count = min(top, max(1, len(rows) // 4))
        best = sorted(rows, key=lambda i: (-mean[i], i))[:count]
        note = "" if count == top else f"{top} were asked for; a quarter of the {len(rows)} measured were taken."
        return (CargoList(what="most abundant", hits=_named(table, best), note=note),)
    return (CargoList(what="in the list", hits=_named(table, rows)),)


def _changed(table: CargoTable, rows: Sequence[int], sign: int, word: str) -> CargoList:
    effect = table.effect
    if effect is None:
        raise AnalysisError("the table has no comparison")
    note = ""
    if table.adjusted_p is None:
        note = "The table has no adjusted p values: what differs at least twofold was taken."
        hits = [i for i in rows if sign * effect[i] >= 1.0]
    else:
        p = table.adjusted_p
        hits = [i for i in rows if sign * effect[i] > 0 and p[i] < FALSE_DISCOVERY_RATE]
    return CargoList(what=word, hits=_named(table, hits), note=note)


def _named(table: CargoTable, rows: Sequence[int]) -> dict[str, str]:
    return {table.keys[i]: table.labels[i] for i in rows}


def analyse_cargo(  # noqa: PLR0913 - one argument per source
    table: CargoTable,
    sets: Sequence[GeneSet],
    *,
    targets: TargetMap | None = None,
    background: Mapping[str, str] | None = None,
    samples: Sequence[SampleInfo] = (),
    contrast: tuple[str, str] | None = None,
    beside: Sequence[CargoTable] = (),
    top: int = TOP,
    seed: int = 1,
    stages: Sequence[tuple[int, float]] = STAGES,
    draws: int | None = None,
    activities: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> CargoEffect:
    """Take a batch's cargo to pathways and activities.

    Parameters
    ----------
    table : CargoTable
        The cargo.
    sets : sequence of GeneSet
        Packaged sets.
    targets : TargetMap, optional
        Of miRNAs; without them nothing is tested.
    background : mapping of str to str, optional
        Labels by key of what could have been found; by default what the table holds.
    samples : sequence of SampleInfo, optional
        Conditions of the columns.
    contrast : tuple of (str, str), optional
        Test and reference: activities are compared between them.
    beside : sequence of CargoTable, optional
        Cargo of other sources, for the overlap.
    top, seed, stages, draws
        See :func:`choose_lists`, :func:`vesicula.cargo.effect.sets.mirna_enrichment` and
        :func:`vesicula.cargo.effect.activity.activity`.
    activities : bool
        Whether to score sets by samples, which takes longest.
    tell : callable
        Called with the name of each step as it begins.

    Returns
    -------
    CargoEffect
        Without the claims, which :func:`vesicula.cargo.effect.conditions.place_cargo` adds.

    Raises
    ------
    AnalysisError
        When nothing in the table is known by name.
    """
    rows = table.measured()
    if not rows:
        raise AnalysisError(
            f"{table.source.name}: none of its {len(table.names)} names is a human "
            f"{'miRNA' if table.kind == 'mirna' else 'gene or protein'} that was measured. Check the column of names "
            "(--name-column) and the species."
        )
    lists = choose_lists(table, top=top)
    measured = _named(table, table.could_stand_out()) | dict(background or {})
    tell("testing gene sets")
    enrichments = tuple(_enrich(table, one, measured, sets, targets, seed, stages) for one in lists)
    tell("scoring samples")
    scores, notes = _activity(table, rows, sets, targets, seed, draws) if activities else (None, [])
    design, compared, why = _compare(scores, samples, contrast)
    return CargoEffect(
        table=table,
        measured=len(measured),
        lists=lists,
        targets=targets,
        enrichments=enrichments,
        activity=scores,
        design=design,
        comparison=compared,
        set_names={s.set_id: s.name for s in sets},
        groups=overlap_groups(table, samples, beside),
        notes=(*table.notes, *(o.note for o in lists if o.note), *(targets.notes if targets else ()), *notes, *why),
    )


def _enrich(
    table: CargoTable,
    one: CargoList,
    measured: Mapping[str, str],
    sets: Sequence[GeneSet],
    targets: TargetMap | None,
    seed: int,
    stages: Sequence[tuple[int, float]],
) -> Enrichment:
    if table.kind == "protein":
        return protein_enrichment(one.what, one.hits, measured, sets)
    if targets is None:
        refused = "no targets are known; give a table of them (--targets)"
        return Enrichment(what=one.what, hits=tuple(one.hits.values()), measured=len(measured), refused=refused)
    return mirna_enrichment(one.what, one.hits, measured, targets.genes, sets, seed=seed, stages=stages)


def _activity(
    table: CargoTable,
    rows: Sequence[int],
    sets: Sequence[GeneSet],
    targets: TargetMap | None,
    seed: int,
    draws: int | None,
) -> tuple[Activity | None, list[str]]:
    if not table.samples or (table.kind == "mirna" and targets is None):
        return None, []
    low, high = SET_SIZES
    # What is found in few samples tells of detection, and so of depth, not of abundance.
    enough = 2 * table.detected.sum(axis=1) >= len(table.samples)
    rows = [i for i in rows if enough[i]]
    # GO repeats itself thousands of times over; Reactome and the hallmarks are enough to read.
    chosen = [s for s in sets if s.origin != "go-bp-2021"] or list(sets)
    if table.kind == "protein":
        keys = [table.keys[i] for i in rows]
        held = set(keys)
        used = [s for s in chosen if low <= len(s.genes & held) <= high]
        weights = incidence([s.genes for s in used], {k: i for i, k in enumerate(keys)}).T.tocsr() if used else None
    else:
        genes = targets.genes if targets is not None else {}
        rows = [i for i in rows if genes.get(table.keys[i])]
        pool: frozenset[str] = frozenset().union(*(genes[table.keys[i]] for i in rows))
        used = [s for s in chosen if low <= len(s.genes & pool) <= high]
        weights = mirna_weights([genes[table.keys[i]] for i in rows], [s.genes & pool for s in used]) if used else None
    if weights is None:
        return None, ["No gene set has enough members among what was measured; no activity was scored."]
    ids = [s.set_id for s in used]
    return activity(table.log2[rows], table.samples, weights, ids, seed=seed, draws=draws or DRAWS), []


def _compare(
    scores: Activity | None, samples: Sequence[SampleInfo], contrast: tuple[str, str] | None
) -> tuple[Design | None, Moderated | None, list[str]]:
    if scores is None or contrast is None:
        return None, None, []
    try:
        design = build_design(samples, test=contrast[0], reference=contrast[1])
        return design, compare_groups(scores, design), []
    except AnalysisError as error:
        return None, None, [f"Activities were not compared: {error}"]


def overlap_groups(table: CargoTable, samples: Sequence[SampleInfo], beside: Sequence[CargoTable]) -> tuple[Group, ...]:
    """Return what is compared for overlap: sources, else conditions, else samples.

    Parameters
    ----------
    table : CargoTable
        The cargo.
    samples : sequence of SampleInfo
        Conditions of its columns: cargo detected in at least half of a condition's samples counts.
    beside : sequence of CargoTable
        Other sources; then each source counts with all that it holds.

    Returns
    -------
    tuple of Group
        At most :data:`MOST_COLUMNS`. Samples of one name but for a number at its end are taken together where there
        would be more.
    """
    if beside:
        every = [table, *beside]
        return tuple(Group(name=t.source.name, cargo=_named(t, t.measured())) for t in every)[:MOST_COLUMNS]
    groups: dict[str, list[str]] = {}
    for info in samples:
        if info.sample in table.samples:
            groups.setdefault(info.condition, []).append(info.sample)
    if not groups:
        groups = {s: [s] for s in table.samples}
    if len(groups) > MOST_COLUMNS:
        alike: dict[str, list[str]] = {}
        for s in table.samples:
            alike.setdefault(re.sub(r"[\s_.-]*\d+$", "", s) or s, []).append(s)
        groups = {f"{name}, {counted(len(held), 'sample')}": held for name, held in alike.items()}
    built = []
    for name, members in list(groups.items())[:MOST_COLUMNS]:
        columns = [table.samples.index(s) for s in members]
        enough = table.detected[:, columns].sum(axis=1) * 2 >= len(columns)
        built.append(Group(name=name, cargo=_named(table, [i for i in table.measured() if enough[i]])))
    return tuple(built)


def notable_sets(found: CargoEffect, limit: int = 25) -> list[int]:
    """Return rows of the activities to show: by the comparison of groups where there is one, else the most varied.

    Parameters
    ----------
    found : CargoEffect
        With activities.
    limit : int
        How many.

    Returns
    -------
    list of int
        Rows of :attr:`CargoEffect.activity`.
    """
    if found.activity is None:
        return []
    if found.comparison is not None:
        p = found.comparison.p_value
        order = sorted((i for i in range(p.size) if np.isfinite(p[i])), key=lambda i: float(p[i]))
    else:
        p = found.activity.p_value
        known = [i for i in range(p.shape[0]) if np.isfinite(p[i]).any()]
        size = {i: float(np.nanmax(np.abs(found.activity.score[i]))) for i in known}
        order = sorted(known, key=lambda i: (float(np.nanmin(p[i])), -size[i]))
    return order[:limit]


def with_evidence(found: CargoEffect, evidence: Evidence) -> CargoEffect:
    """Return the findings with what claims say."""
    return replace(found, evidence=evidence)
