"""The inner loops of assignment, compiled: inserts against miRNA loci, and against other RNA."""

from __future__ import annotations

import numpy as np
from numba import njit

from vesicula.cargo.smallrna._scan_kernels import Inferred

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
COST = 5
"""Place of the cost among them."""
OTHER_SEED = 12
"""Bases of the seeds for other RNA, at both ends of an insert."""


@njit(cache=True, nogil=True, inline="always")
def _word(codes: Inferred, start: Inferred, size: int) -> int:
    word = 0
    for i in range(start, start + size):
        if codes[i] > 3:
            return -1
        word = word * 4 + codes[i]
    return word


@njit(cache=True, nogil=True)
def index_loci(template: Inferred, starts: Inferred, offset: int) -> tuple[Inferred, Inferred]:
    """Return, for each seed word, where its entries begin, and the entries (locus * 8 + shift + FIVE_PRIME)."""
    begin = np.zeros(4**SEED + 1, np.int64)
    for locus in range(starts.size):
        for shift in range(-FIVE_PRIME, FIVE_PRIME + 1):
            word = _word(template, starts[locus] + shift + offset, SEED)
            if word >= 0:
                begin[word + 1] += 1
    begin = np.cumsum(begin)
    fill = begin.copy()
    entries = np.empty(begin[-1], np.int64)
    for locus in range(starts.size):
        for shift in range(-FIVE_PRIME, FIVE_PRIME + 1):
            word = _word(template, starts[locus] + shift + offset, SEED)
            if word >= 0:
                entries[fill[word]] = locus * 8 + shift + FIVE_PRIME
                fill[word] += 1
    return begin.astype(np.int32), entries.astype(np.int32)  # small, so that the index stays in the processor's cache


@njit(cache=True, nogil=True)
def explain(codes: Inferred, length: int, template: Inferred, at: int, end: int, out: Inferred) -> bool:
    """Write the cheapest explanation of an insert that begins at template[at]; False if there is none.

    `end` is where the mature ends. Fills `out`: shift 3', bases added, place of the mismatch, cost but for the 5' end.
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
def _append(
    hits: Inferred, count: int, least: int, matures: Inferred, insert: int, filled: int, out: Inferred,
) -> tuple[Inferred, int]:  # fmt: skip
    """Add one insert's hits to the rows of `out`, cheapest first, equals in the order of the matures."""
    if filled + count > out.shape[0]:
        larger = np.empty((2 * out.shape[0] + MOST_HITS, HIT_FIELDS + 1), np.int64)
        larger[:filled] = out[:filled]
        out = larger
    first = filled
    for h in range(count):
        if hits[h, COST] > least + MISMATCH_COST:
            continue
        place = filled
        while place > first and (
            out[place - 1, 1 + COST] > hits[h, COST]
            or (out[place - 1, 1 + COST] == hits[h, COST] and matures[out[place - 1, 1]] > matures[hits[h, 0]])
        ):
            out[place] = out[place - 1]
            place -= 1
        out[place, 0] = insert
        out[place, 1:] = hits[h]
        filled += 1
    return out, filled


@njit(cache=True, nogil=True)
def match(  # noqa: C901, PLR0912, PLR0913, PLR0917 - one compiled pass over the inserts
    codes: Inferred, lengths: Inferred, template: Inferred, starts: Inferred,
    ends: Inferred, matures: Inferred, begin1: Inferred, entries1: Inferred,
    begin2: Inferred, entries2: Inferred,
) -> Inferred:  # fmt: skip
    """Return the explanations of the inserts, one per mature: rows of the insert's place, then HIT_FIELDS.

    Kept are those of the least cost, and those that cost at most one mismatch more; ordered by insert, cost, mature.
    """
    out = np.empty((lengths.size + MOST_HITS, HIT_FIELDS + 1), np.int64)
    filled = 0
    hits = np.empty((MOST_HITS, HIT_FIELDS), np.int64)
    found = np.empty(4, np.int64)
    for r in range(lengths.size):
        length = lengths[r]
        if length < 2 * SEED:
            continue
        row = codes[r]
        least = 1 << 30
        count = 0
        for seed in range(2):
            begin, entries = (begin1, entries1) if seed == 0 else (begin2, entries2)
            word = _word(row, seed * SEED, SEED)
            if word < 0:
                continue
            for e in range(begin[word], begin[word + 1]):
                locus = entries[e] >> 3
                shift = (entries[e] & 7) - FIVE_PRIME
                if not explain(row, length, template, starts[locus] + shift, ends[locus], found):
                    continue
                cost = found[3] + FIVE_COST * abs(shift)
                if cost > least + MISMATCH_COST:
                    continue
                least = min(least, cost)
                place = count
                for h in range(count):
                    if matures[hits[h, 0]] == matures[locus]:
                        place = h
                if place < count and hits[place, COST] <= cost:
                    continue
                if place == MOST_HITS:  # full: the dearest gives way
                    place = int(np.argmax(hits[:, COST]))
                    if hits[place, COST] <= cost:
                        continue
                elif place == count:
                    count += 1
                hits[place, 0], hits[place, 1], hits[place, 2] = locus, shift, found[0]
                hits[place, 3], hits[place, 4], hits[place, COST] = found[1], found[2], cost
        if count:
            out, filled = _append(hits, count, least, matures, r, filled, out)
    return out[:filled]


@njit(cache=True, nogil=True)
def words_of(template: Inferred) -> Inferred:
    """Return the OTHER_SEED-base word that begins at each place, -1 where a base is unknown."""
    words = np.full(template.size, -1, np.int64)
    for i in range(template.size - OTHER_SEED + 1):
        words[i] = _word(template, i, OTHER_SEED)
    return words


@njit(cache=True, nogil=True)
def match_other(
    codes: Inferred, lengths: Inferred, template: Inferred, words: Inferred, places: Inferred,
    owner: Inferred,
) -> tuple[Inferred, Inferred]:  # fmt: skip
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
