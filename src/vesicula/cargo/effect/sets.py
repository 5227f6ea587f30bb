"""Which pathways a batch's cargo has more of than chance gives, each with what the wrong background would have said.

Proteins: hits against the proteins measured in the vesicles (hypergeometric). MiRNAs: the targets of the hits, where
chance is other measured miRNAs with as many targets. The usual test of target genes takes each gene for an
independent draw; genes with long 3' ends and many studies are targets of most miRNAs, so that it finds the same
pathways for random miRNAs (Bleazard, Lamb & Griffiths-Jones 2015, doi 10.1093/bioinformatics/btv023; Godard & van
Eyll 2015, doi 10.1093/nar/gkv249).
"""

# ruff: noqa: ANN401 - sparse arrays have no types

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vesicula.cargo.enrichment import SetResult, benjamini_hochberg, over_represented
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.measurement import FloatArray

if TYPE_CHECKING:
    from vesicula.mechanism.tables import GeneSet

IndexArray = npt.NDArray[np.intp]

BLEAZARD = Citation(
    text="Bleazard, Lamb & Griffiths-Jones 2015, Bioinformatics 31:1592 (miRNA target sets: chance by sampling miRNAs)",
    doi="10.1093/bioinformatics/btv023",
)
GODARD = Citation(
    text="Godard & van Eyll 2015, Nucleic Acids Res 43:3490 (pathway analysis from lists of microRNAs: pitfalls)",
    doi="10.1093/nar/gkv249",
)
FALSE_DISCOVERY_RATE = 0.05
STAGES = ((1_000, 1.0), (10_000, 0.05), (100_000, 0.002))
"""Draws, and the p value up to which a set goes on to them: few draws tell what is far from notable, and p values
that shall survive the correction for thousands of sets need many. A set's p value is that of its last stage. It is
valid: it can only be at or below a level where that of each stage before was below its own, larger level."""

BINS = 5
LEAST_IN_BIN = 10
"""MiRNAs are exchanged within up to 5 classes of like number of targets, each of 10 or more."""

FEWEST_MIRNAS = 3
FEWEST_SELECTIONS = 1000
"""With fewer ways to choose other miRNAs, no p value below 0.001 can be had, and no set stands out from thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAnswer:
    """One gene set.

    Parameters
    ----------
    set_id, name, origin : str
        Of the packaged table.
    hits_in_set, set_size, hits, background : int
        Of proteins: as in :class:`vesicula.cargo.enrichment.SetResult`. Of miRNAs the same of target genes.
    fold : float
        Share among the hits (or their targets) over the share in the background.
    p_value, adjusted_p : float
        Against the right background; adjusted by Benjamini and Hochberg over all sets tested.
    gene_p, gene_adjusted_p : float
        Of miRNAs: the hypergeometric test of target genes against the targets of all measured miRNAs: the right
        background, but the wrong chance. Of proteins the same as `p_value`, `adjusted_p`.
    genome_p, genome_adjusted_p : float
        What the whole genome as background would have given; NaN where that test leaves the set out by its size.
    members : tuple of str
        Hits that are members; of miRNAs those with a target in the set, the one with the most first.
    """

    set_id: str
    name: str
    origin: str
    hits_in_set: int
    set_size: int
    hits: int
    background: int
    fold: float
    p_value: float
    adjusted_p: float
    gene_p: float
    gene_adjusted_p: float
    genome_p: float
    genome_adjusted_p: float
    members: tuple[str, ...]

    @property
    def called(self) -> bool:
        """Whether the set stands out at the false discovery rate."""
        return self.adjusted_p < FALSE_DISCOVERY_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Spurious:
    """A set that stands out against the whole genome alone; `measured` members could have been hits."""

    set_id: str
    name: str
    origin: str
    genome_adjusted_p: float
    adjusted_p: float
    hits_in_set: int
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """What a list of cargo has more of.

    Parameters
    ----------
    what : str
        The list in words: "higher", "lower", "most abundant", "listed".
    hits : tuple of str
        Labels of the cargo tested.
    measured : int
        Cargo that could have been in the list.
    method : str
        In words.
    answers : tuple of SetAnswer
        Smallest p value first.
    genome_called, gene_called : int
        Sets that the whole genome, and for miRNAs the test of target genes, would have called.
    spurious : tuple of Spurious
        Those called against the whole genome alone, the strongest first.
    refused : str
        Why no test was made; empty where it was.
    notes : tuple of str
        What to know.
    """

    what: str
    hits: tuple[str, ...]
    measured: int
    method: str = ""
    answers: tuple[SetAnswer, ...] = ()
    genome_called: int = 0
    gene_called: int = 0
    spurious: tuple[Spurious, ...] = ()
    refused: str = ""
    notes: tuple[str, ...] = ()

    @property
    def called(self) -> tuple[SetAnswer, ...]:
        """The sets that stand out."""
        return tuple(a for a in self.answers if a.called)


def genome_of(sets: Sequence[GeneSet]) -> frozenset[str]:
    """Return all genes of the sets: the whole annotated genome, the usual background."""
    return frozenset(gene for s in sets for gene in s.genes)


def _genome_test(hits: frozenset[str], sets: Sequence[GeneSet]) -> dict[str, SetResult]:
    genome = genome_of(sets) | hits
    found = over_represented(hits, genome, {s.set_id: s.genes for s in sets})
    return {r.set_id: r for r in found}


def _spurious(
    genome: Mapping[str, SetResult], ours: Mapping[str, float], sets: Mapping[str, GeneSet], measured: frozenset[str]
) -> tuple[Spurious, ...]:
    return tuple(
        Spurious(
            set_id=r.set_id,
            name=sets[r.set_id].name,
            origin=sets[r.set_id].origin,
            genome_adjusted_p=r.adjusted_p,
            adjusted_p=ours.get(r.set_id, float("nan")),
            hits_in_set=r.hits_in_set,
            measured=len(sets[r.set_id].genes & measured),
        )
        for r in sorted(genome.values(), key=lambda r: r.p_value)
        if r.adjusted_p < FALSE_DISCOVERY_RATE and not ours.get(r.set_id, 1.0) < FALSE_DISCOVERY_RATE
    )


def protein_enrichment(
    what: str, hits: Mapping[str, str], measured: Mapping[str, str], sets: Sequence[GeneSet]
) -> Enrichment:
    """Test gene sets among proteins, against the proteins measured.

    Parameters
    ----------
    what : str
        The list in words.
    hits, measured : mapping of str to str
        Labels by HGNC identifier; all hits are measured.
    sets : sequence of GeneSet
        Packaged sets.

    Returns
    -------
    Enrichment
        Refused where there are no hits or nothing else was measured.
    """
    labels = tuple(hits.values())
    if not hits:
        return Enrichment(what=what, hits=(), measured=len(measured), refused=f"nothing is {what}")
    if len(hits) >= len(measured):
        return Enrichment(
            what=what, hits=labels, measured=len(measured),
            refused="all that was measured is in the list, so that there is nothing to compare it with; "
            "give the background (--background), or a table with all that was measured",
        )  # fmt: skip
    ours = over_represented(hits.keys(), measured.keys(), {s.set_id: s.genes for s in sets})
    genome = _genome_test(frozenset(hits), sets)
    by_id = {s.set_id: s for s in sets}
    nothing = float("nan")
    answers = tuple(
        SetAnswer(
            set_id=r.set_id, name=by_id[r.set_id].name, origin=by_id[r.set_id].origin, hits_in_set=r.hits_in_set,
            set_size=r.set_size, hits=r.hits, background=r.background, fold=r.fold, p_value=r.p_value,
            adjusted_p=r.adjusted_p, gene_p=r.p_value, gene_adjusted_p=r.adjusted_p,
            genome_p=genome[r.set_id].p_value if r.set_id in genome else nothing,
            genome_adjusted_p=genome[r.set_id].adjusted_p if r.set_id in genome else nothing,
            members=tuple(hits[m] for m in r.members),
        )
        for r in ours
    )  # fmt: skip
    called = sum(r.adjusted_p < FALSE_DISCOVERY_RATE for r in genome.values())
    return Enrichment(
        what=what,
        hits=labels,
        measured=len(measured),
        method="hypergeometric test against the proteins that could have been in the list",
        answers=answers,
        genome_called=called,
        gene_called=sum(a.called for a in answers),
        spurious=_spurious(genome, {a.set_id: a.adjusted_p for a in answers}, by_id, frozenset(measured)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MirnaTest:
    """MiRNAs with their targets and sets as matrices, ready for draws.

    Parameters
    ----------
    targets : scipy.sparse.csr_array
        Shape (miRNAs, genes), 0 and 1.
    members : scipy.sparse.csr_array
        Shape (genes, sets), 0 and 1.
    strata : numpy.ndarray of int
        Shape (miRNAs,). Class by number of targets.
    """

    targets: Any
    members: Any
    strata: IndexArray


def strata_of(degree: Sequence[int]) -> IndexArray:
    """Return classes of like number of targets: up to `BINS`, of `LEAST_IN_BIN` miRNAs or more each."""
    count = len(degree)
    bins = max(1, min(BINS, count // LEAST_IN_BIN))
    order = np.argsort(np.asarray(degree), kind="stable")
    strata = np.empty(count, dtype=np.intp)
    strata[order] = np.arange(count) * bins // max(count, 1)
    return strata


def incidence(rows: Sequence[frozenset[str]], place: Mapping[str, int]) -> Any:
    """Return a sparse matrix of 0 and 1, shape (rows, places): which row has what stands at which place."""
    from scipy.sparse import csr_array

    if sorted(place.values()) != list(range(len(place))):
        raise AnalysisError("places must be numbered from 0, each once")
    indices = [sorted(place[g] for g in row if g in place) for row in rows]
    pointers = np.concatenate([[0], np.cumsum([len(i) for i in indices])])
    flat = np.array([g for i in indices for g in i], dtype=np.int32)
    return csr_array((np.ones(flat.size), flat, pointers), shape=(len(rows), len(place)))


def mirna_test(targets: Sequence[frozenset[str]], sets: Sequence[frozenset[str]]) -> MirnaTest:
    """Lay out miRNAs and sets as matrices over the targets of all these miRNAs."""
    genes = sorted(frozenset().union(*targets))
    place = {gene: i for i, gene in enumerate(genes)}
    return MirnaTest(
        targets=incidence(targets, place),
        members=incidence(sets, place).T.tocsr(),
        strata=strata_of([len(t) for t in targets]),
    )


def _scores(test: MirnaTest, chosen: IndexArray, members: Any) -> FloatArray:
    """Return for each selection and set the excess of distinct targets in the set over chance, in deviations.

    The deviation is that of the hypergeometric distribution, which serves as a scale alone: it takes out how many
    distinct targets a selection happens to have. What is large is told by other selections.
    """
    from vesicula.cargo.effect._draw_kernels import score_selections  # compiles on first use

    out = np.empty((chosen.shape[0], members.shape[1]))
    in_set = np.bincount(members.indices, minlength=members.shape[1]).astype(np.float64)
    score_selections(
        chosen.astype(np.int64), test.targets.indptr.astype(np.int64), test.targets.indices.astype(np.int64),
        members.indptr.astype(np.int64), members.indices.astype(np.int64), in_set, out,
    )  # fmt: skip
    return out


def _draw(rng: np.random.Generator, strata: IndexArray, hits: Sequence[int], draws: int) -> IndexArray:
    """Return selections, shape (draws, hits): as many miRNAs of each class as the hits have."""
    parts = []
    for level in np.unique(strata[list(hits)]):
        pool = np.flatnonzero(strata == level)
        wanted = int(np.sum(strata[list(hits)] == level))
        keys = rng.random((draws, pool.size))
        parts.append(pool[np.argpartition(keys, wanted - 1, axis=1)[:, :wanted]])
    return np.concatenate(parts, axis=1)


def selections(strata: IndexArray, hits: Sequence[int]) -> int:
    """Return how many selections of other miRNAs there are."""
    ways = 1
    for level in np.unique(strata[list(hits)]):
        ways *= comb(int(np.sum(strata == level)), int(np.sum(strata[list(hits)] == level)))
    return ways


def permuted_p(
    test: MirnaTest,
    hits: Sequence[int],
    rng: np.random.Generator,
    *,
    stages: Sequence[tuple[int, float]] = STAGES,
    chunk: int = 500,
) -> FloatArray:
    """Return for each set the chance that as many targets are in it, over selections of measured miRNAs.

    Parameters
    ----------
    test : MirnaTest
        From :func:`mirna_test`.
    hits : sequence of int
        Rows of the miRNAs of interest.
    rng : numpy.random.Generator
        Source of the draws.
    stages : sequence of (int, float)
        Draws, and the p value up to which a set goes on to them; see :data:`STAGES`.
    chunk : int
        Selections at a time, which bounds memory.

    Returns
    -------
    numpy.ndarray
        Shape (sets,). (1 + selections at least as extreme) / (1 + draws).
    """
    own = _scores(test, np.array([list(hits)]), test.members)[0]
    p = np.ones(own.size)
    for draws, level in stages:
        going = np.flatnonzero(p <= level)
        if not going.size:
            break
        members = test.members[:, going]
        above = np.zeros(going.size)
        for start in range(0, draws, chunk):
            chosen = _draw(rng, test.strata, hits, min(chunk, draws - start))
            above += (_scores(test, chosen, members) >= own[going] - 1e-9).sum(axis=0)
        p[going] = (1 + above) / (1 + draws)
    return p


def mirna_enrichment(  # noqa: PLR0913 - what is asked and how chance is drawn
    what: str,
    hits: Mapping[str, str],
    measured: Mapping[str, str],
    targets: Mapping[str, frozenset[str]],
    sets: Sequence[GeneSet],
    *,
    seed: int = 1,
    stages: Sequence[tuple[int, float]] = STAGES,
    min_size: int = 5,
    max_size: int = 500,
) -> Enrichment:
    """Test gene sets among the targets of miRNAs, against other measured miRNAs with as many targets.

    Parameters
    ----------
    what : str
        The list in words.
    hits, measured : mapping of str to str
        Labels by key; all hits are measured.
    targets : mapping of str to frozenset of str
        HGNC identifiers by key.
    sets : sequence of GeneSet
        Packaged sets.
    seed : int
        Of the draws.
    stages : sequence of (int, float)
        See :data:`STAGES`.
    min_size, max_size : int
        Sets with fewer or more members among the targets of all measured miRNAs are not tested.

    Returns
    -------
    Enrichment
        Refused where too few miRNAs have targets.
    """
    keys = [k for k in measured if targets.get(k)]
    place = {k: i for i, k in enumerate(keys)}
    rows = [place[k] for k in hits if k in place]
    labels = tuple(hits[keys[i]] for i in rows)
    empty = Enrichment(what=what, hits=labels, measured=len(keys))
    strata = strata_of([len(targets[k]) for k in keys])
    refused = _refusal(what, hits, rows, keys, strata)
    if refused:
        return _refused(empty, refused)
    pool = frozenset().union(*(targets[k] for k in keys))
    used = [s for s in sets if min_size <= len(s.genes & pool) <= max_size]
    if not used:
        return _refused(empty, "no gene set has enough members among the targets")
    test = mirna_test([targets[k] for k in keys], [s.genes & pool for s in used])
    p = permuted_p(test, rows, np.random.default_rng(seed), stages=stages)
    adjusted = benjamini_hochberg(p)
    union = frozenset().union(*(targets[keys[i]] for i in rows))
    by_gene = {r.set_id: r for r in over_represented(union, pool, {s.set_id: s.genes for s in used})}
    genome = _genome_test(union, sets)
    answers = [
        _mirna_answer(s, float(p[j]), float(adjusted[j]), by_gene[s.set_id], genome.get(s.set_id))
        for j, s in enumerate(used)
    ]
    inside = [targets[keys[i]] for i in rows]
    answers = [_with_members(a, s.genes, labels, inside) for a, s in zip(answers, used, strict=True)]
    answers.sort(key=lambda a: (a.p_value, a.gene_p, a.set_id))
    left = len(hits) - len(rows)
    return Enrichment(
        what=what,
        hits=labels,
        measured=len(keys),
        method="selections of measured miRNAs with as many targets",
        answers=tuple(answers),
        genome_called=sum(r.adjusted_p < FALSE_DISCOVERY_RATE for r in genome.values()),
        gene_called=sum(r.adjusted_p < FALSE_DISCOVERY_RATE for r in by_gene.values()),
        spurious=_spurious(genome, {a.set_id: a.adjusted_p for a in answers}, {s.set_id: s for s in sets}, pool),
        notes=(f"{left} of the {len(hits)} have no target in the table.",) if left else (),
    )


def _refusal(what: str, hits: Mapping[str, str], rows: Sequence[int], keys: Sequence[str], strata: IndexArray) -> str:
    if not hits:
        return f"nothing is {what}"
    if len(rows) < FEWEST_MIRNAS:
        return f"{len(rows)} of the {len(hits)} miRNAs have targets; at least {FEWEST_MIRNAS} are needed"
    if len(rows) >= len(keys):
        return (
            "all miRNAs with targets are in the list, so that there is nothing to compare it with; give the "
            "background (--background), or a table with all that was measured"
        )
    ways = selections(strata, rows)
    if ways < FEWEST_SELECTIONS:
        return f"only {ways} other selections of miRNAs with as many targets exist; too few to tell chance"
    return ""


def _refused(empty: Enrichment, why: str) -> Enrichment:
    return replace(empty, refused=why)


def _mirna_answer(s: GeneSet, p: float, adjusted: float, gene: SetResult, genome: SetResult | None) -> SetAnswer:
    return SetAnswer(
        set_id=s.set_id, name=s.name, origin=s.origin, hits_in_set=gene.hits_in_set, set_size=gene.set_size,
        hits=gene.hits, background=gene.background, fold=gene.fold, p_value=p, adjusted_p=adjusted,
        gene_p=gene.p_value, gene_adjusted_p=gene.adjusted_p,
        genome_p=genome.p_value if genome is not None else float("nan"),
        genome_adjusted_p=genome.adjusted_p if genome is not None else float("nan"), members=(),
    )  # fmt: skip


def _with_members(
    answer: SetAnswer, genes: frozenset[str], labels: Sequence[str], targets: Sequence[frozenset[str]]
) -> SetAnswer:
    inside = [(len(own & genes), label) for own, label in zip(targets, labels, strict=True)]
    return replace(answer, members=tuple(label for n, label in sorted(inside, key=lambda x: -x[0]) if n))
