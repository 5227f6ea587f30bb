"""From a table to its verdict: purity per sample, why values are missing, what differs, which pathways."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vesicula.cargo.enrichment import (
    Absence,
    Design,
    Missingness,
    Moderated,
    SampleInfo,
    SetResult,
    absent_from_one,
    build_design,
    judge_missing,
    moderated_test,
    over_represented,
)
from vesicula.cargo.protein.lists import (
    ListOverlap,
    ProteinList,
    SignatureMarker,
    compare_with_list,
    msc_signature,
)
from vesicula.cargo.protein.misev import SamplePurity, purity
from vesicula.cargo.protein.names import genome, hgnc_of_group
from vesicula.cargo.protein.table import ProteinTable, Removed, remove_unwanted
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

FALSE_DISCOVERY_RATE = 0.05
"""Level of all adjusted p values named in a verdict; a convention, not a fact."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Two conditions compared.

    Parameters
    ----------
    design : Design
        The model.
    values : numpy.ndarray
        Shape (groups, units). Log2 values that were compared, NaN where missing.
    missing : Missingness
        Why values are missing.
    moderated : Moderated
        One row per group of the table.
    absence : Absence
        Groups found in one condition only.
    mapped : int
        Groups with a gene that the gene sets could hold: the background of the pathways.
    up, down : tuple of SetResult
        Gene sets tested among groups with more, and with less, in the test condition, against what was measured.
    genome_size : int
        Genes of the whole genome, and all that was measured.
    genome_up, genome_down : tuple of SetResult
        The same sets against the whole genome: not a result, but what the wrong background would have said.
    """

    design: Design
    values: FloatArray
    missing: Missingness
    moderated: Moderated
    absence: Absence
    mapped: int
    up: tuple[SetResult, ...]
    down: tuple[SetResult, ...]
    genome_size: int
    genome_up: tuple[SetResult, ...]
    genome_down: tuple[SetResult, ...]

    def called(self, sign: int) -> tuple[SetResult, ...]:
        """Return the gene sets called over-represented among the higher (1) or lower (-1), by what was measured."""
        return tuple(s for s in (self.up if sign > 0 else self.down) if s.adjusted_p < FALSE_DISCOVERY_RATE)

    def only_by_genome(self, sign: int) -> tuple[SetResult, ...]:
        """Return the gene sets that only the whole genome as background would have called."""
        ours = {s.set_id for s in self.called(sign)}
        theirs = self.genome_up if sign > 0 else self.genome_down
        return tuple(s for s in theirs if s.adjusted_p < FALSE_DISCOVERY_RATE and s.set_id not in ours)

    def changed(self, sign: int) -> list[int]:
        """Return rows with more (1) or less (-1) in the test condition, those absent from the other included."""
        m = self.moderated
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero((m.adjusted_p < FALSE_DISCOVERY_RATE) & (np.sign(m.fit.effect) == sign)).tolist()
        home = self.design.test if sign > 0 else self.design.reference
        rows += [
            int(r)
            for r, c, p in zip(self.absence.rows, self.absence.only_in, self.absence.adjusted_p, strict=True)
            if c == home and p < FALSE_DISCOVERY_RATE
        ]
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionPurity:
    """Co-isolates of one condition, such as one method of isolation.

    Parameters
    ----------
    condition : str
        Its name.
    units : int
        Biological samples; runs of one are averaged first.
    apob_share, albumin_share, category_3_share : float
        Means over units of the share of the signal.
    """

    condition: str
    units: int
    apob_share: float
    albumin_share: float
    category_3_share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proteome:
    """All that a protein table says.

    Parameters
    ----------
    table : ProteinTable
        Without decoys, contaminants and empty groups.
    removed : Removed
        What went, and why.
    purity : tuple of SamplePurity
        Per sample, contaminants included.
    conditions : tuple of ConditionPurity
        Means per condition, most ApoB first; empty without a sample sheet, or where values are ratios.
    signature : tuple of SignatureMarker
        Markers of MSCs.
    overlaps : tuple of ListOverlap
        With lists that the user gave.
    comparison : Comparison or None
        None without conditions to compare.
    """

    table: ProteinTable
    removed: Removed
    purity: tuple[SamplePurity, ...]
    conditions: tuple[ConditionPurity, ...]
    signature: tuple[SignatureMarker, ...]
    overlaps: tuple[ListOverlap, ...]
    comparison: Comparison | None


def analyse_proteome(
    table: ProteinTable,
    *,
    samples: Sequence[SampleInfo] = (),
    contrast: tuple[str, str] | None = None,
    gene_sets: Mapping[str, Collection[str]] | None = None,
    lists: Sequence[ProteinList] = (),
    normalise: Literal["none", "median"] = "none",
    tell: Callable[[str], None] = lambda _: None,
) -> Proteome:
    """Analyse a protein table.

    Parameters
    ----------
    table : ProteinTable
        As read.
    samples : sequence of SampleInfo
        Conditions and blocks; only samples named here are used. Empty takes all, without a comparison.
    contrast : tuple of (str, str) or None
        Test and reference condition; None compares nothing.
    gene_sets : mapping of str to collection of str, or None
        Sets of HGNC numbers (``"HGNC:620"``).
    lists : sequence of ProteinList
        Lists of vesicle proteins.
    normalise : str
        ``"median"`` moves each sample's log2 values to one median: for raw intensities of like composition. LFQ
        values and matrices of software are normalised already.
    tell : callable
        Called with the name of each step as it begins.

    Raises
    ------
    AnalysisError
        When a sample is not in the table, or the comparison cannot be made.
    """
    used = table.select([s.sample for s in samples]) if samples else table
    clean, removed = remove_unwanted(used)
    if not clean.groups:
        raise AnalysisError(f"no protein group is left: {removed.text}")
    comparison = None
    if contrast is not None:
        design = build_design(samples, test=contrast[0], reference=contrast[1])
        tell("comparing conditions")
        bare = _compare(clean, design, normalise)
        tell("testing gene sets")
        comparison = _with_gene_sets(bare, [hgnc_of_group(g) for g in clean.groups], gene_sets or {})
    tell("judging purity")
    judged = purity(used)
    return Proteome(
        table=clean,
        removed=removed,
        purity=judged,
        conditions=_by_condition(judged, samples),
        signature=msc_signature(clean),
        overlaps=tuple(compare_with_list(clean, one) for one in lists),
        comparison=comparison,
    )


def _by_condition(judged: Sequence[SamplePurity], samples: Sequence[SampleInfo]) -> tuple[ConditionPurity, ...]:
    by_name = {p.sample: p for p in judged}
    units: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for info in samples:
        p = by_name[info.sample]
        if p.apob_share is None or p.albumin_share is None:
            continue
        runs = units.setdefault(info.condition, {}).setdefault(info.unit or info.sample, [])
        runs.append((p.apob_share, p.albumin_share, p.shares["3"]))
    rows = []
    for condition, found in units.items():
        means = np.mean([np.mean(runs, axis=0) for runs in found.values()], axis=0)
        rows.append(
            ConditionPurity(
                condition=condition,
                units=len(found),
                apob_share=float(means[0]),
                albumin_share=float(means[1]),
                category_3_share=float(means[2]),
            )
        )
    return tuple(sorted(rows, key=lambda r: (-r.apob_share, r.condition)))


def _compare(table: ProteinTable, design: Design, normalise: str) -> Comparison:
    """Compare two conditions; gene sets are left for later."""
    if table.kind == "psm-count":
        raise AnalysisError(
            "spectral counts are not compared by a model for intensities: give a table with LFQ, iBAQ or intensities, "
            "or compare shares of the purity table"
        )
    logged = table.log2_values()
    if normalise == "median":
        middle = np.nanmedian(logged, axis=0)
        logged = logged - middle + np.median(middle)
    values: FloatArray = design.average(logged, table.samples)
    missing = judge_missing(values, design)
    absence = absent_from_one(values, design, missing)
    return Comparison(
        design=design,
        values=values,
        missing=missing,
        moderated=moderated_test(values, design),
        absence=absence,
        mapped=0,
        up=(),
        down=(),
        genome_size=0,
        genome_up=(),
        genome_down=(),
    )


def _with_gene_sets(
    bare: Comparison, numbers: Sequence[str | None], gene_sets: Mapping[str, Collection[str]]
) -> Comparison:
    """Test the gene sets, against what was judged and, to show what that avoids, against the whole genome."""
    judged = np.isfinite(bare.moderated.p_value)
    judged[bare.absence.rows] = True
    background = {n for n, j in zip(numbers, judged, strict=True) if n is not None and j}
    whole = genome() | background
    found: list[tuple[SetResult, ...]] = []
    for sign in (1, -1):
        hits = {n for n in (numbers[i] for i in bare.changed(sign)) if n is not None}
        found += [over_represented(hits, b, gene_sets) if hits and gene_sets else () for b in (background, whole)]
    return replace(
        bare,
        mapped=len(background),
        up=found[0],
        down=found[2],
        genome_size=len(whole),
        genome_up=found[1],
        genome_down=found[3],
    )
