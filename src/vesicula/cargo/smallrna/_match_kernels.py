"""The inner loops of assignment: inserts against miRNA loci, and against other RNA.

Compiled by `vesicula.cargo.smallrna.native`, which alone imports this. Nothing here may allocate: the machine code must
run without numba.
"""

from __future__ import annotations

from vesicula.cargo.smallrna._jit import Inferred, helper, inlined
from vesicula.cargo.smallrna.layout import (
    ADDED_COST,
    ADDITION_COST,
    COST,
    FIVE_COST,
    FIVE_PRIME,
    HIT_FIELDS,
    LEAST_MATCHED,
    MISMATCH_COST,
    MOST_ADDED,
    MOST_HITS,
    OTHER_SEED,
    SEED,
    THREE_COST,
    THREE_PRIME,
)


@inlined
def _word(codes: Inferred, row: Inferred, start: Inferred, size: int) -> Inferred:
    word = 0
    for i in range(start, start + size):
        if codes[row, i] > 3:
            return -1
        word = word * 4 + codes[row, i]
    return word


@helper
def explain(
    codes: Inferred, row: Inferred, length: Inferred, template: Inferred, at: Inferred, end: Inferred, out: Inferred,
) -> Inferred:  # fmt: skip
    """Write the cheapest explanation of an insert (a row of `codes`) that begins at template[at]; False if none is.

    `end` is where the mature ends. Fills `out`: shift 3', bases added, place of the mismatch, cost but for the 5' end.
    """
    wrong, place = 0, -1
    best = 1 << 30
    # Prefixes of the insert that may be templated, longest last: at most one mismatch, then only additions.
    for i in range(length + 1):
        added = length - i
        if added <= MOST_ADDED and (added == 0 or codes[row, i] != template[at + i]):
            shift = at + i - end
            run_on = added > 0 and place == i - 1  # the changed base would be one more of the added
            if -THREE_PRIME <= shift <= THREE_PRIME and i - wrong >= LEAST_MATCHED and not run_on:
                cost = wrong * MISMATCH_COST + THREE_COST * abs(shift)
                if added:
                    cost += ADDITION_COST + ADDED_COST * added
                if cost < best:
                    best = cost
                    out[0], out[1], out[2], out[3] = shift, added, place, cost
        if i < length and codes[row, i] != template[at + i]:
            wrong += 1
            place = i
            if wrong > 1:
                break
    return best < 1 << 30


@helper
def _append(
    hits: Inferred, count: Inferred, least: Inferred, matures: Inferred, insert: Inferred, filled: Inferred,
    out: Inferred,
) -> Inferred:  # fmt: skip
    """Add one insert's hits to the rows of `out`, cheapest first, equals in the order of the matures."""
    first = filled
    for h in range(count):
        if hits[h, COST] > least + MISMATCH_COST:
            continue
        place = filled
        while place > first and (
            out[place - 1, 1 + COST] > hits[h, COST]
            or (out[place - 1, 1 + COST] == hits[h, COST] and matures[out[place - 1, 1]] > matures[hits[h, 0]])
        ):
            for k in range(HIT_FIELDS + 1):
                out[place, k] = out[place - 1, k]
            place -= 1
        out[place, 0] = insert
        for k in range(HIT_FIELDS):
            out[place, k + 1] = hits[h, k]
        filled += 1
    return filled


@inlined
def _dearest(hits: Inferred) -> Inferred:
    """Return the first of the rows of the highest cost."""
    place = 0
    for h in range(1, MOST_HITS):
        if hits[h, COST] > hits[place, COST]:
            place = h
    return place


def match(  # noqa: C901, PLR0912, PLR0913, PLR0917 - one compiled pass over the inserts
    codes: Inferred, lengths: Inferred, template: Inferred, starts: Inferred,
    ends: Inferred, matures: Inferred, begin1: Inferred, entries1: Inferred,
    begin2: Inferred, entries2: Inferred, hits: Inferred, found: Inferred, out: Inferred,
) -> Inferred:  # fmt: skip
    """Write the explanations of the inserts, one per mature: rows of the insert's place, then HIT_FIELDS.

    Kept are those of the least cost, and those that cost at most one mismatch more; ordered by insert, cost, mature.
    `out` has room for MOST_HITS rows an insert; `hits` (MOST_HITS, HIT_FIELDS) and `found` (4) are for the loop's own
    use. Returns how many rows were written.
    """
    filled = 0
    for r in range(lengths.size):
        length = lengths[r]
        if length < 2 * SEED:
            continue
        least = 1 << 30
        count = 0
        for seed in range(2):
            begin, entries = (begin1, entries1) if seed == 0 else (begin2, entries2)
            word = _word(codes, r, seed * SEED, SEED)
            if word < 0:
                continue
            for e in range(begin[word], begin[word + 1]):
                locus = entries[e] >> 3
                shift = (entries[e] & 7) - FIVE_PRIME
                if not explain(codes, r, length, template, starts[locus] + shift, ends[locus], found):
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
                    place = _dearest(hits)
                    if hits[place, COST] <= cost:
                        continue
                elif place == count:
                    count += 1
                hits[place, 0], hits[place, 1], hits[place, 2] = locus, shift, found[0]
                hits[place, 3], hits[place, 4], hits[place, COST] = found[1], found[2], cost
        if count:
            filled = _append(hits, count, least, matures, r, filled, out)
    return filled


@inlined
def _first_at_least(words: Inferred, word: Inferred) -> Inferred:
    """Return the first place of sorted words at which no smaller one stands."""
    low, high = 0, words.size
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low


def match_other(  # noqa: PLR0913, PLR0917 - arrays of one index
    codes: Inferred, lengths: Inferred, template: Inferred, words: Inferred, places: Inferred,
    owner: Inferred, found: Inferred, wrongs: Inferred,
) -> Inferred:  # fmt: skip
    """Write the sequence that explains each insert (-1: none) and the mismatches (0 or 1; 2: none).

    `words` are sorted, `places` where they stand in the template, `owner` whose place it is. The fewest mismatches
    win, then the sequence that was given first. Returns how many inserts there are.
    """
    n = lengths.size
    for r in range(n):
        found[r], wrongs[r] = -1, 2
        length = lengths[r]
        if length < OTHER_SEED:
            continue
        for side in range(2):
            offset = 0 if side == 0 else length - OTHER_SEED
            word = _word(codes, r, offset, OTHER_SEED)
            e = _first_at_least(words, word)
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
    return n
