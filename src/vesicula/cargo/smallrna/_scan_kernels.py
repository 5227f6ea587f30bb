"""The inner loop over a FASTQ: records, adapter, filters, and the table of distinct inserts.

Compiled by `vesicula.cargo.smallrna.native`, which alone imports this. Nothing here may allocate: the machine code must
run without numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from vesicula.cargo.smallrna._jit import Inferred, helper, inlined
from vesicula.cargo.smallrna._sieve_kernels import promising
from vesicula.cargo.smallrna.layout import (
    ADAPTER_SEED,
    BAD_HEADER,
    BAD_PLUS,
    BAD_QUALITY,
    CLIP_3P,
    CLIP_5P,
    COMPARED,
    DIMERS,
    DISTINCT,
    DROPPED,
    FINE,
    HISTOGRAM,
    KEPT,
    LEAST_OVERLAP,
    LONGEST_DIMER,
    LOW_QUALITY,
    MALFORMED,
    MAX_LENGTH,
    MIN_LENGTH,
    NEED_MORE,
    NO_ADAPTER,
    NO_UMI,
    NONE_FOUND,
    READS,
    REASON,
    SEARCHED,
    SIEVED,
    STOPPED,
    TABLE_FULL,
    TOO_LONG,
    TOO_SHORT,
    TRIMMED,
    UMI,
    WITH_N,
)

_memchr: Any = types.ExternalFunction("memchr", types.int64(types.int64, types.int32, types.int64))


def _load(_typing: Inferred, _address: Inferred) -> Inferred:
    """Return the eight bytes at an address, the first the least significant, whatever its alignment.

    Eight letters are so compared, or packed, in a few instructions. (Processors of the other byte order are not served:
    none that NumPy's wheels support has it.)
    """

    def generate(context: Inferred, builder: Inferred, _signature: Inferred, arguments: Inferred) -> Inferred:
        pointer = builder.inttoptr(arguments[0], context.get_value_type(types.uint64).as_pointer())
        word = builder.load(pointer)
        word.align = 1
        return word

    return types.uint64(types.int64), generate


_word_at: Any = intrinsic(_load)


def _fetch(_typing: Inferred, _address: Inferred) -> Inferred:
    """Ask for the memory at an address, without waiting for it."""

    def generate(context: Inferred, builder: Inferred, _signature: Inferred, arguments: Inferred) -> Inferred:
        from llvmlite import ir

        number = ir.IntType(32)
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(function, [pointer, number(1), number(3), number(1)])  # to be written, kept near, data
        return context.get_dummy_value()

    return types.none(types.int64), generate


prefetch: Any = intrinsic(_fetch)


def _count_ones(_typing: Inferred, _word: Inferred) -> Inferred:
    """Return the number of bits set."""

    def generate(_context: Inferred, builder: Inferred, _signature: Inferred, arguments: Inferred) -> Inferred:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


_ones: Any = intrinsic(_count_ones)


@inlined
def _line_end(origin: Inferred, start: Inferred, stop: Inferred) -> Inferred:
    """Return where the line's newline stands, or -1."""
    found = np.int64(_memchr(origin + start, 10, stop - start))
    return found - origin if found else np.int64(-1)


@inlined
def _exact_adapter(bases: Inferred, length: Inferred, first: Inferred, second: Inferred, seed: Inferred) -> Inferred:
    """Return where the leftmost exact seed, in capitals, begins in the read at an address, or -1.

    `first` and `second` are the first and the last eight letters of the seed (which may overlap).
    """
    for i in range(length - seed + 1):
        if _word_at(bases + i) == first and _word_at(bases + i + (seed - 8)) == second:
            return np.int64(i)
    return np.int64(NONE_FOUND)


@helper
def _any_adapter(codes: Inferred, length: Inferred, adapter: Inferred, seed: Inferred) -> Inferred:
    """Return where the adapter begins in a read given as codes: its exact seed, else what is most similar to it; or -1.

    The leftmost exact seed; without one the place with the best score, matching bases less two per mismatch, of those
    with at most one mismatch in eight bases and at least LEAST_OVERLAP bases seen; the leftmost of equals. Insertions
    and deletions inside the adapter are not sought. All bases of a place are compared at once, two bits each; a base
    that is not known equals none.
    """
    full = np.int64(min(adapter.size, COMPARED))
    pattern, window, unknown = np.uint64(0), np.uint64(0), np.uint64(0)
    for j in range(full):
        pattern |= np.uint64(adapter[j]) << np.uint64(2 * j)
    for j in range(min(full, length)):
        window |= np.uint64(codes[j] & 3) << np.uint64(2 * j)
        unknown |= np.uint64(codes[j] >> 2) << np.uint64(2 * j)
    whole_seed = (np.uint64(1) << np.uint64(2 * seed)) - np.uint64(1)
    last = np.uint64(2 * full - 2)
    best, place = np.int64(0), np.int64(NONE_FOUND)
    for p in range(length - LEAST_OVERLAP + 1):
        overlap = min(full, length - p)
        seen = (np.uint64(1) << np.uint64(2 * overlap)) - np.uint64(1)
        differs = window ^ pattern
        differs = (differs | (differs >> np.uint64(1)) | unknown) & np.uint64(0x5555555555555555) & seen
        if overlap >= seed and differs & whole_seed == np.uint64(0):
            return np.int64(p)
        wrong = np.int64(_ones(differs))
        if wrong <= overlap >> 3 and overlap - 3 * wrong > best:
            best, place = overlap - 3 * wrong, np.int64(p)
        window >>= np.uint64(2)
        unknown >>= np.uint64(2)
        if p + full < length:
            window |= np.uint64(codes[p + full] & 3) << last
            unknown |= np.uint64(codes[p + full] >> 2) << last
    return place


@inlined
def first_slot(high: Inferred, low: Inferred, table: Inferred) -> Inferred:
    """Return the row where the search for a key begins."""
    mixed = (low ^ (high * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return np.int64(mixed ^ (mixed >> np.uint64(32))) & np.int64(table.shape[0] - 1)


@inlined
def filled_slot(high: Inferred, low: Inferred, table: Inferred, begin: Inferred) -> Inferred:
    """Return the row of a key, or the empty one where it belongs, from where the search begins."""
    last = np.int64(table.shape[0] - 1)
    place = begin
    while table[place, 2] != 0 and (table[place, 1] != low or table[place, 0] != high):
        place = (place + 1) & last
    return place


@inlined
def slot_of(high: Inferred, low: Inferred, table: Inferred) -> Inferred:
    """Return the row of a key in the table (high, low, count), or the empty one where it belongs."""
    return filled_slot(high, low, table, first_slot(high, low, table))


def rehash(table: Inferred, new: Inferred) -> Inferred:
    """Move all entries to a larger, empty table."""
    for i in range(table.shape[0]):
        if table[i, 2]:
            place = slot_of(table[i, 0], table[i, 1], new)
            new[place, 0], new[place, 1], new[place, 2] = table[i, 0], table[i, 1], table[i, 2]
    return 0


def entries(table: Inferred, highs: Inferred, lows: Inferred, counts: Inferred) -> Inferred:
    """Write the entries of a table, without its empty rows; return how many there are."""
    n = 0
    for i in range(table.shape[0]):
        if table[i, 2]:
            highs[n], lows[n], counts[n] = table[i, 0], table[i, 1], table[i, 2]
            n += 1
    return n


@inlined
def _expected_errors(buffer: Inferred, start: Inferred, stop: Inferred, error_of: Inferred) -> Inferred:
    total = np.int64(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        total += error_of[buffer[i]]
    return total


@inlined
def _refused(insert: Inferred, umi_end: Inferred, length: Inferred, settings: Inferred, counts: Inferred) -> Inferred:
    """Count an insert of unfit length, or without its whole UMI."""
    if insert < settings[MIN_LENGTH]:
        counts[TOO_SHORT] += 1
        if insert <= LONGEST_DIMER:
            counts[DIMERS] += 1
        return True
    if insert > settings[MAX_LENGTH]:
        counts[TOO_LONG] += 1
        return True
    if settings[UMI] and umi_end > length:
        counts[NO_UMI] += 1
        return True
    return False


@inlined
def _packed(at: Inferred, length: Inferred) -> tuple[Inferred, Inferred, bool]:
    """Return the key of an insert at an address, and whether it holds nothing but capital A, C, G, T.

    Eight letters at a time: bits 1 and 2 of the letters tell A (00), C (01), T (10) and G (11) apart. Up to seven bytes
    past the insert are read, and not used; they are the record's own, whose qualities follow.
    """
    ones = np.uint64(0x0101010101010101)
    high, low, wrong = np.uint64(0), np.uint64(1), np.uint64(0)
    done = np.int64(0)
    while done < length:
        word = _word_at(at + done)
        taken = min(length - done, 8)
        bit1 = (word >> np.uint64(1)) & ones
        bit2 = (word >> np.uint64(2)) & ones
        is_t = bit2 & ~bit1
        letters = (ones * np.uint64(0x41)) ^ (word & (ones * np.uint64(6))) ^ (is_t | (is_t << np.uint64(4)))
        unused = np.uint64(8 * (8 - taken))
        wrong |= (letters ^ word) << unused
        x = (bit2 << np.uint64(1)) | (bit1 ^ bit2)
        x = ((x << np.uint64(2)) | (x >> np.uint64(8))) & np.uint64(0x000F000F000F000F)
        x = ((x << np.uint64(4)) | (x >> np.uint64(16))) & np.uint64(0x000000FF000000FF)
        x = ((x << np.uint64(8)) | (x >> np.uint64(32))) & np.uint64(0xFFFF)
        shift = np.uint64(2 * taken)
        high = (high << shift) | (low >> (np.uint64(64) - shift))
        low = (low << shift) | (x >> (np.uint64(16) - shift))
        done += taken
    return high, low, wrong == 0


@inlined
def _push(high: Inferred, low: Inferred, code: Inferred) -> Inferred:
    return (high << np.uint64(2)) | (low >> np.uint64(62)), (low << np.uint64(2)) | np.uint64(code)


@helper
def _slow_key(
    buffer: Inferred, bases: Inferred, begin: Inferred, end: Inferred, umi_at: Inferred, umi: Inferred,
    code_of: Inferred,
) -> Inferred:  # fmt: skip
    """Return the key of an insert with its UMI, in any letters, and whether all bases are known."""
    high, low = np.uint64(0), np.uint64(1)
    known = True
    for i in range(begin, end):
        code = code_of[buffer[bases + i]]
        known &= code < 4
        high, low = _push(high, low, code & 3)
    for i in range(umi_at, umi_at + umi):
        code = code_of[buffer[bases + i]]
        known &= code < 4
        high, low = _push(high, low, code & 3)
    return high, low, known


@inlined
def _record_end(
    buffer: Inferred, quality: Inferred, length: Inferred, stop: Inferred, last: Inferred,
) -> tuple[Inferred, Inferred]:  # fmt: skip
    """Return where the next record begins, after qualities of that length, and NEED_MORE or MALFORMED if none does."""
    after = quality + length
    if after > stop or (after == stop and not last):
        return after, MALFORMED if last else NEED_MORE
    if after == stop:
        return after, FINE
    if buffer[after] == 10:
        return after + 1, FINE
    if buffer[after] != 13:
        return after, MALFORMED
    if after + 1 >= stop:
        return after + 1, FINE if last else NEED_MORE
    return after + 2 if buffer[after + 1] == 10 else after + 1, FINE


@helper
def _count(  # noqa: PLR0913, PLR0917 - the table, the sieve's arrays, and what is counted
    pending: Inferred, waiting: Inferred, table: Inferred, table_at: Inferred, counts: Inferred, settings: Inferred,
    begin1: Inferred, rests1: Inferred, begin2: Inferred, rests2: Inferred, bits: Inferred,
) -> None:  # fmt: skip
    """Add keys to the table: together, so that the waits for memory overlap.

    If there is a sieve, keys that do not pass it are counted together and not held; those that are in the table passed
    it before.
    """
    for i in range(waiting):
        begin = first_slot(pending[i, 0], pending[i, 1], table)
        pending[i, 2] = np.uint64(begin)
        prefetch(np.int64(table_at + 24 * begin))
    sieved, umi_bits = settings[SIEVED], 2 * settings[UMI]
    for i in range(waiting):
        high, low = pending[i, 0], pending[i, 1]
        place = filled_slot(high, low, table, np.int64(pending[i, 2]))
        if table[place, 2] == 0:
            if sieved and not promising(high, low, umi_bits, begin1, rests1, begin2, rests2, bits):
                counts[DROPPED] += 1
                continue
            table[place, 0], table[place, 1] = high, low
            counts[DISTINCT] += 1
        table[place, 2] += np.uint64(1)


def scan(  # noqa: C901, PLR0912, PLR0913, PLR0917, PLR0915 - one compiled pass over a chunk
    buffer: Inferred, origin: Inferred, start: Inferred, stop: Inferred, last: Inferred, adapter: Inferred,
    words: Inferred, settings: Inferred, error_of: Inferred, most_errors: Inferred, most_distinct: Inferred,
    table: Inferred, table_at: Inferred, counts: Inferred, histogram: Inferred, codes: Inferred, code_of: Inferred,
    pending: Inferred, begin1: Inferred, rests1: Inferred, begin2: Inferred, rests2: Inferred, bits: Inferred,
) -> Inferred:  # fmt: skip
    """Take the records of ``buffer[start:stop]`` into the table of inserts.

    `origin` and `table_at` are the addresses of buffer and table; `words` are the first and the last eight letters of
    the adapter's seed; `codes` and `pending` (PENDING, 3) are for the loop's own use; what follows is the sieve's.
    Returns why the scan stopped; ``counts[STOPPED]`` says where (the start of the first record not taken). `last`: no
    bytes follow, so the last line needs no newline.
    """
    at = np.int64(start)
    seed = np.int64(min(ADAPTER_SEED, adapter.size))
    first, second = words[0], words[1]
    clip_5p, clip_3p, umi = settings[CLIP_5P], settings[CLIP_3P], settings[UMI]
    waiting = 0
    why = NEED_MORE
    if counts[DISTINCT] >= most_distinct:
        counts[STOPPED] = at
        return TABLE_FULL
    while at < stop:
        if buffer[at] != 64:  # @
            if buffer[at] == 10 or buffer[at] == 13:  # an empty line between records
                at += 1
                continue
            counts[REASON] = BAD_HEADER
            why = MALFORMED
            break
        header_end = _line_end(origin, at, stop)
        if header_end < 0:
            break
        bases = header_end + 1
        bases_end = _line_end(origin, bases, stop)
        if bases_end < 0:
            break
        plus = bases_end + 1
        length = bases_end - bases
        if length and buffer[bases_end - 1] == 13:
            length -= 1
        if plus < stop and buffer[plus] != 43:  # +
            counts[REASON] = BAD_PLUS
            why = MALFORMED
            break
        plus_end = plus + 1
        if plus_end >= stop or buffer[plus_end] != 10:
            plus_end = _line_end(origin, plus, stop) if plus < stop else np.int64(-1)
            if plus_end < 0:
                break
        quality = plus_end + 1
        following, state = _record_end(buffer, quality, length, stop, last)
        if state != FINE:
            counts[REASON] = BAD_QUALITY
            why = state
            break
        at = following
        counts[READS] += 1
        searched = min(length, np.int64(SEARCHED))
        found = length
        umi_at = searched
        if seed:
            found = _exact_adapter(origin + bases, searched, first, second, seed)
            if found == NONE_FOUND:
                for i in range(searched):
                    codes[i] = code_of[buffer[bases + i]]
                found = np.int64(_any_adapter(codes, searched, adapter, seed))
            if found == NONE_FOUND:
                counts[NO_ADAPTER] += 1
                continue
            counts[TRIMMED] += 1
            umi_at = found + adapter.size
        begin = clip_5p
        end = max(found - clip_3p, begin)
        histogram[min(end - begin, HISTOGRAM - 1)] += 1
        if _refused(end - begin, umi_at + umi, searched, settings, counts):
            continue
        if _expected_errors(buffer, quality + begin, quality + end, error_of) > most_errors:
            counts[LOW_QUALITY] += 1
            continue
        high, low, known = _packed(origin + bases + begin, end - begin)
        if umi or not known:
            high, low, known = _slow_key(buffer, bases, begin, end, umi_at, umi, code_of)
            if not known:
                counts[WITH_N] += 1
                continue
        counts[KEPT] += 1
        pending[waiting, 0], pending[waiting, 1] = high, low
        waiting += 1
        if waiting == pending.shape[0]:
            _count(
                pending, waiting, table, table_at, counts, settings, begin1, rests1, begin2, rests2, bits
            )  # fmt: skip
            waiting = 0
            if counts[DISTINCT] >= most_distinct:
                counts[STOPPED] = at
                return TABLE_FULL
    _count(
        pending, waiting, table, table_at, counts, settings, begin1, rests1, begin2, rests2, bits
    )  # fmt: skip
    counts[STOPPED] = at
    return why


def unpack(highs: Inferred, lows: Inferred, codes: Inferred, lengths: Inferred) -> Inferred:
    """Write the base codes of packed inserts, padded with 4, and their lengths; return how many there are."""
    for i in range(highs.size):
        high, low = highs[i], lows[i]
        length = np.int64(0)
        while high > 0 or low > 1:
            low = (low >> np.uint64(2)) | (high << np.uint64(62))
            high >>= np.uint64(2)
            length += 1
        lengths[i] = length
        high, low = highs[i], lows[i]
        for j in range(length - 1, -1, -1):
            codes[i, j] = low & np.uint64(3)
            low = (low >> np.uint64(2)) | (high << np.uint64(62))
            high >>= np.uint64(2)
        for j in range(length, codes.shape[1]):
            codes[i, j] = 4
    return highs.size
