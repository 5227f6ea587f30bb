"""How active a pathway's cargo is in each sample: the univariate linear model, with p values by permutation.

The score is that of decoupleR's ``ulm``: for a sample and a set, the t value of the slope when the abundances of all
measured cargo are regressed on membership (Badia-i-Mompel et al. 2022, Bioinformatics Advances 2:vbac016, doi
10.1093/bioadv/vbac016). It was chosen over pre-ranked GSEA because it is one formula without a weight to choose, and
because it takes a weight for each molecule, which miRNAs need: theirs is how much more of their targets lie in the
set than chance gives.
"""

# ruff: noqa: ANN401 - sparse arrays have no types

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vesicula.cargo.enrichment import Design, Moderated, benjamini_hochberg, moderated_test
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.measurement import FloatArray

METHOD = Citation(
    text="Badia-i-Mompel et al. 2022, Bioinformatics Advances 2:vbac016 (decoupleR: univariate linear model)",
    doi="10.1093/bioadv/vbac016",
)
LEAST_MEMBERS = 5
"""Members measured in a sample, as decoupleR's `minsize`."""

DRAWS, MORE_DRAWS = 1000, 10_000
"""Permutations of a sample's molecules, and those for the sets that few of the first exceed."""

FEW_ABOVE = 10
MOST_GOING = 0.05
"""Share of the sets that may go on to more permutations; where more stand out, resolution is not what is missing."""
CENTRED_FROM = 3
"""With so many samples each molecule is taken relative to its mean; with fewer, to nothing."""

WARNING = (
    "The p values of single samples compare a set with other cargo, and take molecules as independent; those that "
    "rise and fall together make them too small (Wu & Smyth 2012, doi 10.1093/nar/gks461). The comparison of groups "
    "of samples does not have this fault."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activity:
    """Scores of sets by samples.

    Parameters
    ----------
    samples : tuple of str
        Columns.
    set_ids : tuple of str
        Rows.
    score : numpy.ndarray
        Shape (sets, samples). t value; NaN where fewer than five members were measured.
    p_value, adjusted_p : numpy.ndarray
        Shape (sets, samples). By permutation, two-sided; adjusted over the sets of a sample.
    members : numpy.ndarray
        Shape (sets,). Cargo measured in any sample that is in the set.
    centred : bool
        Whether abundances were taken relative to each molecule's mean.
    draws : int
        Permutations.
    """

    samples: tuple[str, ...]
    set_ids: tuple[str, ...]
    score: FloatArray
    p_value: FloatArray
    adjusted_p: FloatArray
    members: FloatArray
    centred: bool
    draws: int


def linear_scores(values: FloatArray, weights: Any) -> FloatArray:
    """Return the t value of the slope of each row of values on each column of weights.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (rows, molecules), without NaN: samples, or permutations of one.
    weights : numpy.ndarray or scipy.sparse array
        Shape (molecules, sets).

    Returns
    -------
    numpy.ndarray
        Shape (rows, sets); NaN where values or weights do not vary.
    """
    n = values.shape[1]
    mean = np.asarray(weights.sum(axis=0), dtype=float).ravel() / n
    squares = np.asarray((weights * weights).sum(axis=0), dtype=float).ravel()
    spread_w = squares - n * mean**2
    centred = values - values.mean(axis=1, keepdims=True)
    spread_v = (centred**2).sum(axis=1)
    cross = np.asarray((weights.T @ centred.T).T, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = cross / np.sqrt(np.outer(spread_v, np.where(spread_w > 1e-9, spread_w, np.nan)))
        r = np.clip(r, -1.0, 1.0)
        scores: FloatArray = r * np.sqrt((n - 2) / (1 - r**2))
    return scores


def activity(
    log2: FloatArray,
    samples: Sequence[str],
    weights: Any,
    set_ids: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 1,
    centre: bool | None = None,
) -> Activity:
    """Score each set in each sample.

    Parameters
    ----------
    log2 : numpy.ndarray
        Shape (molecules, samples). Log2 abundance, NaN where not measured: left out of that sample.
    samples : sequence of str
        Names of the columns.
    weights : scipy.sparse array
        Shape (molecules, sets). 1 for members; for miRNAs see :func:`mirna_weights`.
    set_ids : sequence of str
        Names of the sets.
    draws : int
        Permutations of molecules, per sample.
    seed : int
        Of the permutations.
    centre : bool, optional
        Take each molecule relative to its mean over the samples; by default from three samples on.

    Returns
    -------
    Activity
        Sets with fewer than five members measured in all are left out.

    Raises
    ------
    AnalysisError
        When shapes disagree.
    """
    if log2.shape != (weights.shape[0], len(samples)) or weights.shape[1] != len(set_ids):
        raise AnalysisError(f"abundances of shape {log2.shape} do not fit weights of shape {weights.shape}")
    centred = len(samples) >= CENTRED_FROM if centre is None else centre
    values = log2 - _row_means(log2) if centred else log2
    seen = np.isfinite(values)
    held = (weights > 0).astype(float)
    kept = np.flatnonzero(np.asarray(held.T @ seen.any(axis=1).astype(float)).ravel() >= LEAST_MEMBERS)
    weights, held = weights[:, kept], held[:, kept]
    score, p = (np.full((kept.size, len(samples)), np.nan) for _ in range(2))
    rng = np.random.default_rng(seed)
    for j in range(len(samples)):
        rows = np.flatnonzero(seen[:, j])
        if rows.size < 2 * LEAST_MEMBERS:
            continue
        inside = np.asarray(held[rows].sum(axis=0)).ravel() >= LEAST_MEMBERS
        own = linear_scores(values[rows, j][None, :], weights[rows])[0]
        chance = _permuted(values[rows, j], weights[rows], own, draws, rng)
        score[inside, j], p[inside, j] = own[inside], chance[inside]
    p[~np.isfinite(score)] = np.nan
    adjusted = np.column_stack([benjamini_hochberg(p[:, j]) for j in range(len(samples))]) if len(samples) else p
    return Activity(
        samples=tuple(samples), set_ids=tuple(set_ids[int(k)] for k in kept),
        score=score, p_value=p, adjusted_p=adjusted,
        members=np.asarray(held.T @ seen.any(axis=1).astype(float)).ravel(), centred=centred, draws=draws,
    )  # fmt: skip


def _row_means(log2: FloatArray) -> FloatArray:
    count = np.isfinite(log2).sum(axis=1, keepdims=True)
    return np.where(count > 0, np.nansum(log2, axis=1, keepdims=True) / np.maximum(count, 1), np.nan)


def _permuted(
    values: FloatArray, weights: Any, own: FloatArray, draws: int, rng: np.random.Generator, chunk: int = 250
) -> FloatArray:
    """Return two-sided p values when the molecules of one sample are exchanged.

    Sets that few permutations exceed get new and more of them; their p value is that of the new ones alone.
    """
    p = np.ones(own.size)
    going = np.arange(own.size)
    for count in (draws, MORE_DRAWS) if draws >= DRAWS else (draws,):
        above = np.zeros(going.size)
        part = weights[:, going]
        for start in range(0, count, chunk):
            shuffled = rng.permuted(np.broadcast_to(values, (min(chunk, count - start), values.size)), axis=1)
            above += (np.abs(linear_scores(shuffled, part)) >= np.abs(own[going]) - 1e-9).sum(axis=0)
        p[going] = (1 + above) / (1 + count)
        going = np.flatnonzero(p <= (1 + FEW_ABOVE) / (1 + draws))
        if not going.size or going.size > MOST_GOING * own.size:
            break
    return p


def mirna_weights(targets: Sequence[frozenset[str]], sets: Sequence[frozenset[str]]) -> FloatArray:
    """Return how many deviations more of each miRNA's targets lie in each set than chance gives.

    Parameters
    ----------
    targets : sequence of frozenset of str
        Of each miRNA; may be empty.
    sets : sequence of frozenset of str
        Gene sets.

    Returns
    -------
    numpy.ndarray
        Shape (miRNAs, sets). The hypergeometric deviate, so that a miRNA with many targets has no larger weight
        for that; 0 without targets.
    """
    from vesicula.cargo.effect.sets import incidence

    genes = sorted(frozenset().union(*targets))
    place = {gene: i for i, gene in enumerate(genes)}
    t, m = incidence(targets, place), incidence(sets, place)
    found = np.asarray((t @ m.T).todense(), dtype=float)
    n = np.asarray(t.sum(axis=1), dtype=float).ravel()[:, None]
    k = np.asarray(m.sum(axis=1), dtype=float).ravel()[None, :]
    total = float(len(genes))
    variance = n * (k / total) * (1 - k / total) * (total - n) / max(total - 1, 1.0)
    return np.where(variance > 0, (found - n * k / total) / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)


def compare_groups(found: Activity, design: Design) -> Moderated:
    """Compare scores between two groups of samples, by moderated t statistics.

    Parameters
    ----------
    found : Activity
        Scores.
    design : Design
        From :func:`vesicula.cargo.enrichment.build_design`, of these samples.

    Returns
    -------
    Moderated
        One row per set. Samples, not molecules, are the units: cargo that rises and falls together does no harm.
    """
    return moderated_test(design.average(found.score, list(found.samples)), design)
