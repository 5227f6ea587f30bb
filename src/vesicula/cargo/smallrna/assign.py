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
5. Other RNA explains an insert (whole, at most one mismatch) if miRNAs do not, or only with more mismatches or additions.
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
        hits, counts = kernel.match(
            codes, lengths, self.template, self.starts, self.ends, self.matures, *self._seeds
        )  # fmt: skip
        inside = np.arange(kernel.MOST_HITS) < counts[:, None]
        insert = np.nonzero(inside)[0]
        fields = hits[inside].astype(np.int64)
        order = np.lexsort((self.matures[fields[:, 0]], fields[:, 5], insert))
        insert, fields = insert[order], fields[order]
        first = np.searchsorted(insert, insert)
        cost = fields[:, 5]
        return Hits(
            insert=insert, locus=fields[:, 0], shift_5p=fields[:, 1], shift_3p=fields[:, 2], added=fields[:, 3],
            mismatch_at=fields[:, 4], cost=cost, mature=self.matures[fields[:, 0]], best=cost == cost[first],
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
    found: dict[TieClass, int] = {}
    first = np.searchsorted(hits.insert, hits.insert)
    above = (hits.cost - hits.cost[first]).tolist()
    mature = hits.mature.tolist()
    starts = np.flatnonzero(np.diff(hits.insert, prepend=-1))
    counted = reads[hits.insert[starts]].tolist()
    bounds = [*starts.tolist(), hits.insert.size]
    for i, count in enumerate(counted):
        span = slice(bounds[i], bounds[i + 1])
        key = tuple(zip(mature[span], above[span], strict=True))
        found[key] = found.get(key, 0) + count
    return found


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
    unique, equal = np.zeros(matures), np.zeros(matures)
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
        new = np.bincount(source, part, matures)
        settled = np.abs(new - em).max() < 1e-3
        em = new
        if settled:
            break
    return TieCounts(unique=unique, fractional=equal, em=em)


def encode(sequences: Sequence[str]) -> tuple[Codes, Ints]:
    """Return the codes, shape (n, 63), padded with 4, and the lengths of inserts given as text, of at most 63 nt."""
    codes = np.full((len(sequences), 63), 4, np.uint8)
    for i, sequence in enumerate(sequences):
        codes[i, : len(sequence)] = CODES[np.frombuffer(sequence.encode("ascii"), np.uint8)]
    return codes, np.array([len(s) for s in sequences], np.int64)


def _join(sequences: Mapping[str, str]) -> tuple[Codes, dict[str, int]]:
    """Return all sequences in one array of codes, unknown bases between them, and where each begins."""
    gap = "N" * _PAD
    place, at = {}, _PAD
    for name, sequence in sequences.items():
        place[name] = at
        at += len(sequence) + _PAD
    text = gap + "".join(sequence + gap for sequence in sequences.values())
    return CODES[np.frombuffer(text.encode("ascii"), np.uint8)], place
