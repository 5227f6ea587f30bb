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

from vesicula.cargo.smallrna import layout
from vesicula.cargo.smallrna.layout import CODES
from vesicula.cargo.smallrna.native import loop
from vesicula.cargo.smallrna.reference import MirnaReference

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]
Keys = NDArray[np.uint64]

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
        self._seeds = (*self._seed_index(0), *self._seed_index(layout.SEED))

    def _seed_index(self, offset: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return, for each seed word, where its entries begin, and the entries (locus * 8 + shift + FIVE_PRIME).

        They are ordered by locus and shift within a word, and small, so that they stay in the processor's cache.
        """
        shifts = np.arange(2 * layout.FIVE_PRIME + 1)
        words = words_at(self.template, self._begins() + offset, layout.SEED)
        entries = (8 * np.arange(self.starts.size)[:, None] + shifts).ravel()
        order = np.argsort(words, kind="stable")[np.count_nonzero(words < 0) :]
        begin = np.searchsorted(words[order], np.arange(4**layout.SEED + 1))
        return begin.astype(np.int32), entries[order].astype(np.int32)

    def _begins(self) -> Ints:
        """Return the places of the template where an insert may begin, by locus and shift."""
        shifts = np.arange(-layout.FIVE_PRIME, layout.FIVE_PRIME + 1)
        return (self.starts[:, None] + shifts).ravel()

    def first_words(self) -> Ints:
        """Return the first 16 bases of all places where an insert may begin, unknown ones taken for A."""
        known = np.where(self.template > 3, 0, self.template).astype(np.uint8)
        return words_at(known, self._begins(), 2 * layout.SEED)

    def match(self, codes: Codes, lengths: Ints) -> Hits:
        """Explain inserts: codes of shape (n, 63) padded with 4, lengths of shape (n,)."""
        out = np.empty((layout.MOST_HITS * lengths.size, layout.HIT_FIELDS + 1), np.int64)
        hits, found = np.empty((layout.MOST_HITS, layout.HIT_FIELDS), np.int64), np.empty(4, np.int64)
        filled = loop("match")(
            codes, lengths, self.template, self.starts, self.ends, self.matures, *self._seeds, hits, found, out
        )  # fmt: skip
        rows = out[:filled]
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
        words = words_at(self.template, np.arange(self.template.size - layout.OTHER_SEED + 1), layout.OTHER_SEED)
        order = np.argsort(words, kind="stable")
        self._places = order[np.searchsorted(words[order], 0) :]
        self._words = words[self._places]

    def match(self, codes: Codes, lengths: Ints) -> tuple[Ints, Ints]:
        """Return the sequence that explains each insert (-1: none), and the mismatches."""
        found, wrong = np.empty(lengths.size, np.int64), np.empty(lengths.size, np.int64)
        loop("match_other")(
            codes, lengths, self.template, self._words, self._places, self._owner, found, wrong
        )  # fmt: skip
        return found, wrong

    @property
    def words(self) -> Ints:
        """The words of OTHER_SEED bases of all sequences, sorted."""
        return self._words


class Sieve:
    """Tells, from packed keys, which inserts the references can explain at all: a necessary condition, quickly tested.

    A miRNA explains an insert only if the insert's first 16 bases differ from the hairpin in at most one (rule 1: at
    least 15 bases equal it, and with a mismatch among them there are 16), so that one half of the 16 is the hairpin's
    own and the other half has at most one other base. Other RNA explains an insert only if its first or last 12 bases
    stand in it. Inserts that pass are held against the references as if there were no sieve.
    """

    def __init__(self, mirnas: Sequence[MirnaIndex], other: OtherIndex) -> None:
        words = np.concatenate([index.first_words() for index in mirnas]).astype(np.uint32)
        words.sort()
        words = words[np.append(True, words[1:] != words[:-1])]
        halves = (words >> np.uint32(16)).astype(np.uint16), (words & np.uint32(0xFFFF)).astype(np.uint16)
        by_second = np.argsort(halves[1], kind="stable")
        self.arrays = (
            _begins(halves[0]), halves[1], _begins(halves[1][by_second]), halves[0][by_second], _bits(other.words)
        )  # fmt: skip

    def places(self, high: Keys, low: Keys) -> Ints:
        """Return the places of the keys that pass."""
        kept = np.empty(low.size, np.int64)
        return kept[: loop("sieve")(high, low, *self.arrays, kept)]


def _begins(sorted_halves: NDArray[np.uint16]) -> NDArray[np.int32]:
    return np.searchsorted(sorted_halves, np.arange(4**layout.SEED + 1)).astype(np.int32)


def _bits(words: Ints) -> NDArray[np.uint8]:
    """Return a table of bits, one for each scrambled word."""
    place = ((words.astype(np.uint64) * np.uint64(layout.OTHER_FACTOR)) & np.uint64(0xFFFFFFFF)) >> np.uint64(
        32 - layout.OTHER_BITS
    )
    marks: NDArray[np.bool_] = np.zeros(1 << layout.OTHER_BITS, np.bool_)
    marks[place] = True
    return np.packbits(marks, bitorder="little")


def words_at(template: Codes, places: Ints, size: int) -> Ints:
    """Return the word of `size` bases that begins at each place of a template, -1 where a base is unknown."""
    words = np.zeros(places.size, np.int64)
    known = np.ones(places.size, np.bool_)
    for i in range(size):
        base = template[places + i]
        words = 4 * words + base
        known &= base < 4
    return np.where(known, words, -1)


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
    # Sums of fractions hang on their order, if only in the last bit: one order, however the classes were gathered.
    classes = dict(sorted(classes.items()))
    flat = np.fromiter((n for members in classes for pair in members for n in pair), np.int64).reshape(-1, 2)
    source, weights = flat[:, 0], 10.0 ** (-flat[:, 1] / _COST_OF_TENFOLD)
    sizes = np.fromiter(map(len, classes), np.int64)
    group = np.repeat(np.arange(sizes.size), sizes)
    total = np.fromiter(classes.values(), np.float64)
    tied = flat[:, 1] == 0
    among, reads, of = source[tied], total[group[tied]], np.bincount(group[tied], minlength=sizes.size)[group[tied]]
    equal = np.bincount(among, reads / of, matures).astype(np.float64)
    unique = np.bincount(among[of == 1], reads[of == 1], matures).astype(np.float64)
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
