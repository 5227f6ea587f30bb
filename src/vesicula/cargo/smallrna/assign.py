"""Inserts to miRNAs with isomiRs, and to other RNA; what to do with ties.

Rules
-----
1. An insert is explained by a mature's hairpin if it begins within 3 nt of the mature's 5' end, its templated part ends
   within 5 nt of the 3' end, has at most one mismatch, is followed by at most 3 bases that are not templated, and at
   least 15 bases equal the hairpin. Additions begin with a base that is not the hairpin's, after one that is.
2. The simplest explanation wins. Costs: a mismatch 12; an addition 4, and 2 for each base; each nt of shift at the
   5' end 4, at the 3' end 1. The order (3' ends vary most, then additions, then 5' ends; a changed base is rarest)
   is that of isomiR surveys (Neilsen 2012, Trends Genet 28:544 [from memory, unchecked]); the weights are ours. The
   last 3 bases are therefore called an addition before they are called a mismatch.
3. Matures that explain an insert at the same least cost are tied. Three counts are given: `reads_unique` (no tie),
   `reads_fractional` (an equal share each), `reads_em`.
4. `reads_em`: shares by expectation and maximisation over the explanations that cost at most a mismatch more than the
   simplest, with weight 10^(-cost / 4): a given mismatch one in a thousand (a sequencer's error), a shift of 1 nt at
   the 5' end one in ten, at the 3' end one in two, one added base one in thirty. A rare mature beside an abundant one
   that differs by a base is so not taken for present because of the abundant one's errors.
5. Other RNA explains an insert (whole, at most one mismatch) if miRNAs do not, or only with more edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vesicula.cargo.smallrna import _match_kernels as kernel
from vesicula.cargo.smallrna._scan_kernels import CODES
from vesicula.cargo.smallrna.reference import MirnaReference

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]

_COST_OF_TENFOLD = 4.0
_PAD = 80
"""Unknown bases between sequences: no insert reaches from one into the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Explanations of a batch of inserts, flat, ordered by insert, cheapest first.

    Parameters
    ----------
    insert : numpy.ndarray of int64, shape (hits,)
        Place of the insert in the batch.
    locus, shift_5p, shift_3p, added, mismatch_at, cost : numpy.ndarray of int64, shape (hits,)
        As in rule 1; `mismatch_at` is a place in the insert from 0, or -1.
    mature : numpy.ndarray of int64, shape (hits,)
        Place of the mature in the index's names.
    best : numpy.ndarray of bool, shape (hits,)
        Of the insert's least cost.
    """

    insert: Ints
    locus: Ints
    shift_5p: Ints
    shift_3p: Ints
    added: Ints
    mismatch_at: Ints
    cost: Ints
    mature: Ints
    best: NDArray[np.bool_]


class MirnaIndex:
    """A reference made ready for matching."""

    def __init__(self, reference: MirnaReference) -> None:
        self.reference = reference
        self.names = list(reference.matures)
        self.same_sequence = _same_sequence(reference.matures)
        self.template, place = _join(reference.hairpins)
        number = {name: i for i, name in enumerate(self.names)}
        loci = reference.loci
        self.starts = np.array([place[x.hairpin] + x.start for x in loci], np.int64)
        self.ends = np.array([place[x.hairpin] + x.end for x in loci], np.int64)
        self.matures = np.array([number[x.mature] for x in loci], np.int64)
        self._seeds = (
            *kernel.index_loci(self.template, self.starts, 0),
            *kernel.index_loci(self.template, self.starts, kernel.SEED),
        )

    def match(self, codes: Codes, lengths: Ints) -> Hits:
        """Explain inserts: codes of shape (n, 63) padded with 4, lengths of shape (n,)."""
        rows = kernel.match(
            codes, lengths, self.template, self.starts, self.ends, self.matures, *self._seeds
        )  # fmt: skip
        insert, locus, shift_5p, shift_3p, added, mismatch_at, cost = np.ascontiguousarray(rows.T)
        begins = np.diff(insert, prepend=-1) != 0
        least = cost[begins][np.cumsum(begins) - 1]
        return Hits(
            insert=insert, locus=locus, shift_5p=shift_5p, shift_3p=shift_3p, added=added, mismatch_at=mismatch_at,
            cost=cost, mature=self.matures[locus], best=cost == least,
        )  # fmt: skip


class OtherIndex:
    """Other RNA by class (tRNA, Y RNA, phiX...), in order of preference."""

    def __init__(self, classes: Mapping[str, Mapping[str, str]]) -> None:
        self.classes = list(classes)
        named = [(i, name, s) for i, found in enumerate(classes.values()) for name, s in found.items()]
        self.names = [name for _, name, _ in named]
        self.class_of = np.array([i for i, _, _ in named], np.int64)
        self.template, _ = _join({str(i): s for i, (_, _, s) in enumerate(named)})
        self._owner = np.repeat(np.arange(len(named)), [len(s) + _PAD for _, _, s in named])
        self._owner = np.concatenate([np.zeros(_PAD, np.int64), self._owner])
        words = kernel.words_of(self.template)
        order = np.argsort(words, kind="stable")
        self._places = order[np.searchsorted(words[order], 0) :]
        self._words = words[self._places]

    def match(self, codes: Codes, lengths: Ints) -> tuple[Ints, Ints]:
        """Return the sequence that explains each insert (-1: none), and the mismatches."""
        found, wrong = kernel.match_other(codes, lengths, self.template, self._words, self._places, self._owner)
        return found, wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class TieCounts:
    """Counts of each mature under the three rules, shape (matures,) each."""

    unique: NDArray[np.float64]
    fractional: NDArray[np.float64]
    em: NDArray[np.float64]


TieClass = tuple[tuple[int, int], ...]
"""Matures that may be the source of an insert, each with its cost above the least."""


def classes_of(hits: Hits, reads: Ints) -> dict[TieClass, int]:
    """Return the reads of each tie class of a batch."""
    starts = np.flatnonzero(np.diff(hits.insert, prepend=-1))
    sizes = np.diff(starts, append=hits.insert.size)
    above = hits.cost - np.repeat(hits.cost[starts], sizes)
    # Classes are told apart by two sums of their members' scrambled numbers, 128 bits together; that two different
    # classes agree in both by chance is out of the question (1e6 classes: 1e-27).
    member = (hits.mature.astype(np.uint64) << np.uint64(32)) | above.astype(np.uint64)
    sums = [np.add.reduceat(_scrambled(member + np.uint64(salt)), starts) for salt in (1, 2)] if starts.size else []
    found: dict[TieClass, int] = {}
    if not sums:
        return found
    order = np.lexsort(sums)
    new = np.ones(order.size, np.bool_)
    new[1:] = (np.diff(sums[0][order]) != 0) | (np.diff(sums[1][order]) != 0)
    total = np.add.reduceat(reads[hits.insert[starts]][order], np.flatnonzero(new))
    mature = hits.mature.tolist()
    extra = above.tolist()
    for i, count in zip(order[new].tolist(), total.tolist(), strict=True):
        span = slice(starts[i], starts[i] + sizes[i])
        found[tuple(zip(mature[span], extra[span], strict=True))] = count
    return found


def _scrambled(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers mixed by the finaliser of splitmix64 (Steele et al. 2014, OOPSLA [from memory, unchecked])."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def share_ties(classes: Mapping[TieClass, int], matures: int, rounds: int = 500) -> TieCounts:
    """Divide the reads of tie classes among matures by rules 3 and 4.

    Parameters
    ----------
    classes : mapping of TieClass to int
    matures : int
        Number of matures.
    rounds : int
        Most rounds of expectation and maximisation; it stops earlier when no count changes by 1e-3 reads.
    """
    unique: NDArray[np.float64] = np.zeros(matures, np.float64)
    equal: NDArray[np.float64] = np.zeros(matures, np.float64)
    for members, reads in classes.items():
        tied = [mature for mature, above in members if above == 0]
        equal[tied] += reads / len(tied)
        if len(tied) == 1:
            unique[tied[0]] += reads
    flat = np.array([pair for members in classes for pair in members], np.int64).reshape(-1, 2)
    source, weights = flat[:, 0], 10.0 ** (-flat[:, 1] / _COST_OF_TENFOLD)
    sizes = np.array([len(members) for members in classes], np.int64)
    group = np.repeat(np.arange(sizes.size), sizes)
    total = np.array(list(classes.values()), np.float64)
    em = equal.copy()
    for _ in range(rounds if sizes.size else 0):
        part = em[source] * weights
        part *= (total / np.bincount(group, part, sizes.size))[group]
        new = np.bincount(source, part, matures).astype(np.float64)
        settled = np.abs(new - em).max() < 1e-3
        em = new
        if settled:
            break
    return TieCounts(unique=unique, fractional=equal, em=em)


def encode(sequences: Sequence[str]) -> tuple[Codes, Ints]:
    """Return the codes, shape (n, 63), padded with 4, and the lengths of inserts given as text, of at most 63 nt."""
    text = "".join(sequence.ljust(63, "N") for sequence in sequences)
    codes = CODES[np.frombuffer(text.encode("ascii"), np.uint8)].reshape(len(sequences), 63)
    return codes, np.array([len(s) for s in sequences], np.int64)


def _same_sequence(matures: Mapping[str, str]) -> list[str]:
    """Return, for each mature, the others of the same sequence."""
    names: dict[str, list[str]] = {}
    for name, sequence in matures.items():
        names.setdefault(sequence, []).append(name)
    return [";".join(other for other in names[sequence] if other != name) for name, sequence in matures.items()]


def _join(sequences: Mapping[str, str]) -> tuple[Codes, dict[str, int]]:
    """Return all sequences in one array of codes, unknown bases between them, and where each begins."""
    gap = "N" * _PAD
    place, at = {}, _PAD
    for name, sequence in sequences.items():
        place[name] = at
        at += len(sequence) + _PAD
    text = gap + "".join(sequence + gap for sequence in sequences.values())
    return CODES[np.frombuffer(text.encode("ascii"), np.uint8)], place
