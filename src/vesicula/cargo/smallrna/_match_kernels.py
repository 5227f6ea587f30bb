"""The inner loops of assignment, compiled: inserts against miRNA loci, and against other RNA."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SEED = 8
"""Bases of the two seeds, at places 0 and 8 of an insert: one mismatch leaves one of them whole."""
FIVE_PRIME, THREE_PRIME = 3, 5
"""Largest shift of an isomiR's ends, in nt."""
MOST_ADDED = 3
"""Largest number of bases at the 3' end that the hairpin does not explain."""
LEAST_MATCHED = 15
"""Bases that must equal the hairpin."""
MISMATCH_COST, ADDITION_COST, ADDED_COST, FIVE_COST, THREE_COST = 12, 4, 2, 4, 1
"""Costs of an explanation; see `vesicula.cargo.smallrna.assign`."""
MOST_HITS = 16
"""Explanations kept of one insert."""
HIT_FIELDS = 6
"""Of a hit: locus, shift 5', shift 3', bases added, place of the mismatch (-1: none), cost."""
OTHER_SEED = 12
"""Bases of the seeds for other RNA, at both ends of an insert."""


@njit(cache=True, nogil=True, inline="always")
def _word(codes: Any, start: Any, size: int) -> int:
    word = 0
    for i in range(start, start + size):
        if codes[i] > 3:
            return -1
        word = word * 4 + codes[i]
    return word


@njit(cache=True, nogil=True)
def index_loci(template: Any, starts: Any, offset: int) -> tuple[Any, Any]:
    """Return, for each seed word, where its entries begin, and the entries (locus * 8 + shift + FIVE_PRIME)."""
    words = 4**SEED
    begin = np.zeros(words + 1, np.int64)
    for turn in range(2):
        if turn:
            entries = np.empty(begin[-1], np.int64)
            fill = begin.copy()
        for locus in range(starts.size):
            for shift in range(-FIVE_PRIME, FIVE_PRIME + 1):
                word = _word(template, starts[locus] + shift + offset, SEED)
                if word < 0:
                    continue
                if turn:
                    entries[fill[word]] = locus * 8 + shift + FIVE_PRIME
                    fill[word] += 1
                else:
                    begin[word + 1] += 1
        if not turn:
            begin = np.cumsum(begin)
    return begin, entries


@njit(cache=True, nogil=True)
def explain(codes: Any, length: int, template: Any, at: int, end: int, out: Any) -> bool:  # noqa: C901
    """Write the cheapest explanation of an insert that begins at template[at]; False if there is none.

    `end` is where the mature ends. Fills `out`: shift 3', bases added, place of the mismatch, cost without the shift 5'.
    """
    wrong, place = 0, -1
    best = 1 << 30
    # Prefixes of the insert that may be templated, longest last: at most one mismatch, then only additions.
    for i in range(length + 1):
        added = length - i
        if added <= MOST_ADDED and (added == 0 or codes[i] != template[at + i]):
            shift = at + i - end
            run_on = added > 0 and place == i - 1  # the changed base would be one more of the added
            if -THREE_PRIME <= shift <= THREE_PRIME and i - wrong >= LEAST_MATCHED and not run_on:
                cost = wrong * MISMATCH_COST + THREE_COST * abs(shift)
                if added:
                    cost += ADDITION_COST + ADDED_COST * added
                if cost < best:
                    best = cost
                    out[0], out[1], out[2], out[3] = shift, added, place, cost
        if i < length and codes[i] != template[at + i]:
            wrong += 1
            place = i
            if wrong > 1:
                break
    return best < 1 << 30


@njit(cache=True, nogil=True)
def match(  # noqa: C901, PLR0912, PLR0913 - one compiled pass over the inserts
    codes: Any, lengths: Any, template: Any, starts: Any, ends: Any, matures: Any, begin1: Any, entries1: Any,
    begin2: Any, entries2: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Return the explanations of each insert, one per mature: hits (n, MOST_HITS, HIT_FIELDS) and their number (n,).

    Kept are those of the least cost, and those that cost at most one mismatch more.
    """
    n = lengths.size
    hits = np.empty((n, MOST_HITS, HIT_FIELDS), np.int32)
    counts = np.zeros(n, np.int64)
    out = np.empty(4, np.int64)
    for r in range(n):
        length = lengths[r]
        if length < 2 * SEED:
            continue
        least = 1 << 30
        for seed in range(2):
            begin, entries = (begin1, entries1) if seed == 0 else (begin2, entries2)
            word = _word(codes[r], seed * SEED, SEED)
            if word < 0:
                continue
            for e in range(begin[word], begin[word + 1]):
                locus = entries[e] >> 3
                shift = (entries[e] & 7) - FIVE_PRIME
                at = starts[locus] + shift
                if not explain(codes[r], length, template, at, ends[locus], out):
                    continue
                cost = out[3] + FIVE_COST * abs(shift)
                if cost > least + MISMATCH_COST:
                    continue
                least = min(least, cost)
                place = counts[r]
                for h in range(counts[r]):
                    if matures[hits[r, h, 0]] == matures[locus]:
                        place = h
                if place < counts[r] and hits[r, place, 5] <= cost:
                    continue
                if place == MOST_HITS:  # full: the dearest gives way
                    place = np.argmax(hits[r, :, 5])
                    if hits[r, place, 5] <= cost:
                        continue
                elif place == counts[r]:
                    counts[r] += 1
                hits[r, place, 0], hits[r, place, 1], hits[r, place, 2] = locus, shift, out[0]
                hits[r, place, 3], hits[r, place, 4], hits[r, place, 5] = out[1], out[2], cost
        kept = 0
        for h in range(counts[r]):
            if hits[r, h, 5] <= least + MISMATCH_COST:
                for f in range(HIT_FIELDS):
                    hits[r, kept, f] = hits[r, h, f]
                kept += 1
        counts[r] = kept
    return hits, counts


@njit(cache=True, nogil=True)
def words_of(template: Any) -> Any:
    """Return the OTHER_SEED-base word that begins at each place, -1 where a base is unknown."""
    words = np.full(template.size, -1, np.int64)
    for i in range(template.size - OTHER_SEED + 1):
        words[i] = _word(template, i, OTHER_SEED)
    return words


@njit(cache=True, nogil=True)
def match_other(codes: Any, lengths: Any, template: Any, words: Any, places: Any, owner: Any) -> tuple[Any, Any]:
    """Return the sequence that explains each insert (-1: none) and the mismatches (0 or 1).

    `words` are sorted, `places` where they stand in the template, `owner` whose place it is. The fewest mismatches
    win, then the sequence that was given first.
    """
    n = lengths.size
    found = np.full(n, -1, np.int64)
    wrongs = np.full(n, 2, np.int64)
    for r in range(n):
        length = lengths[r]
        if length < OTHER_SEED:
            continue
        for side in range(2):
            offset = 0 if side == 0 else length - OTHER_SEED
            word = _word(codes[r], offset, OTHER_SEED)
            e = np.searchsorted(words, word)
            while e < words.size and words[e] == word:
                at = places[e] - offset
                e += 1
                if at < 0 or at + length > template.size:
                    continue
                wrong = 0
                for i in range(length):
                    if codes[r, i] != template[at + i]:
                        wrong += 1
                        if wrong > 1:
                            break
                who = owner[at + offset]
                if wrong < wrongs[r] or (wrong == wrongs[r] and wrong < 2 and who < found[r]):
                    wrongs[r], found[r] = wrong, who
    return found, wrongs
