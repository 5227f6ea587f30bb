"""The inner loop over a FASTQ, compiled: records, adapter, filters, and the table of distinct inserts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

NEED_MORE, TABLE_FULL, MALFORMED = 0, 1, 2
"""Why the scan stopped."""
BAD_HEADER, BAD_PLUS, BAD_QUALITY = 1, 2, 3
"""What was wrong with a record."""
(READS, TRIMMED, NO_ADAPTER, TOO_SHORT, TOO_LONG, LOW_QUALITY, WITH_N, NO_UMI, KEPT, DIMERS, REASON, DISTINCT) = range(12)
"""Places in the array of counts; REASON holds the fault of a malformed record, DISTINCT the filled places."""
COUNTS = 12
(MIN_LENGTH, MAX_LENGTH, CLIP_5P, CLIP_3P, UMI) = range(5)
"""Places in the array of settings."""
HISTOGRAM = 128
"""Insert lengths 0 to 126, and all longer ones."""
LONGEST_DIMER = 2
"""Longest insert of an adapter dimer: ligation without RNA leaves none, trimming errs by a base or two."""
LONGEST_INSERT = 63
"""Bases that fit 128 bits beside the mark of the length (with the UMI, where there is one)."""
SEARCHED = 400
"""Bases of a read in which an adapter is sought."""
SEED = 12
"""Adapter bases sought exactly first."""
COMPARED = 20
"""Adapter bases compared when mismatches are allowed."""
LEAST_OVERLAP = 5
"""Adapter bases that must be seen at the end of a read."""
NONE_FOUND = -1

_memchr: Any = types.ExternalFunction("memchr", types.int64(types.int64, types.int32, types.int64))

_CODES = np.full(256, 4, np.uint8)
for _i, _pair in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    for _letter in _pair:
        _CODES[_letter] = _i
CODES: NDArray[np.uint8] = _CODES
"""Code of a base's letter: A 0, C 1, G 2, T and U 3, all else 4."""


@njit(cache=True, nogil=True, inline="always")
def _line_end(buffer: Any, start: int, stop: int) -> int:
    """Return where the line's newline stands, or -1."""
    origin = np.int64(buffer.ctypes.data)
    found = np.int64(_memchr(origin + start, 10, stop - start))
    return found - origin if found else np.int64(-1)


@njit(cache=True, nogil=True, inline="always")
def _exact_adapter(buffer: Any, bases: int, length: int, code_of: Any, codes: Any, wanted: Any, seed: int) -> int:
    """Write the codes of a read's bases up to the end of the leftmost exact seed; return where that begins, or -1."""
    mask = (np.uint64(1) << np.uint64(2 * seed)) - np.uint64(1)
    window, clean = np.uint64(0), 0
    for i in range(length):
        code = code_of[buffer[bases + i]]
        codes[i] = code
        clean = clean + 1 if code < 4 else 0
        window = ((window << np.uint64(2)) | np.uint64(code & 3)) & mask
        if window == wanted and clean >= seed > 0:
            return i - seed + 1
    return NONE_FOUND


@njit(cache=True, nogil=True)
def similar_adapter(codes: Any, length: int, adapter: Any) -> int:
    """Return where the adapter most likely begins in a read without an exact copy of its seed, or -1.

    The place with the best score, matching bases less two per mismatch, of those with at most one mismatch in eight
    bases and at least LEAST_OVERLAP bases seen; the leftmost of equals. Insertions and deletions inside the adapter
    are not sought.
    """
    best, place = 0, NONE_FOUND
    for p in range(length - LEAST_OVERLAP + 1):
        overlap = min(adapter.size, length - p, COMPARED)
        allowed = overlap // 8
        wrong = 0
        for j in range(overlap):
            if codes[p + j] != adapter[j]:
                wrong += 1
                if wrong > allowed:
                    break
        if wrong <= allowed and overlap - 3 * wrong > best:
            best, place = overlap - 3 * wrong, p
    return place


@njit(cache=True, nogil=True)
def seed_of(adapter: Any) -> tuple[Any, int]:
    """Return the adapter's first bases, packed, and their number."""
    seed = min(SEED, adapter.size)
    wanted = np.uint64(0)
    for j in range(seed):
        wanted = (wanted << np.uint64(2)) | np.uint64(adapter[j])
    return wanted, seed


@njit(cache=True, nogil=True, inline="always")
def slot_of(high: Any, low: Any, highs: Any, lows: Any, counts: Any) -> Any:
    """Return the place of a key in the table, or the empty one where it belongs."""
    mixed = (low ^ (high * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    place = np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(counts.size - 1))
    while counts[place] != 0 and (lows[place] != low or highs[place] != high):
        place = (place + 1) & (counts.size - 1)
    return place


@njit(cache=True, nogil=True)
def rehash(highs: Any, lows: Any, counts: Any, new_highs: Any, new_lows: Any, new_counts: Any) -> None:
    """Move all entries to a larger, empty table."""
    for i in range(counts.size):
        if counts[i]:
            place = slot_of(highs[i], lows[i], new_highs, new_lows, new_counts)
            new_highs[place], new_lows[place], new_counts[place] = highs[i], lows[i], counts[i]


@njit(cache=True, nogil=True, inline="always")
def _expected_errors(buffer: Any, start: int, length: int, error_of: Any) -> int:
    total = 0
    for i in range(start, start + length):
        total += error_of[buffer[i]]
    return total


@njit(cache=True, nogil=True, inline="always")
def _refused(insert: int, umi_end: int, length: int, settings: Any, counts: Any) -> bool:
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


@njit(cache=True, nogil=True, inline="always")
def _push(high: Any, low: Any, code: Any) -> Any:
    return (high << np.uint64(2)) | (low >> np.uint64(62)), (low << np.uint64(2)) | np.uint64(code)


@njit(cache=True, nogil=True)
def scan(  # noqa: C901, PLR0912, PLR0913, PLR0915 - one compiled pass over a chunk
    buffer: Any, start: int, stop: int, last: bool, adapter: Any, settings: Any, error_of: Any,  # noqa: FBT001
    most_errors: int, most_distinct: int, highs: Any, lows: Any, table: Any, counts: Any, histogram: Any, codes: Any,
    code_of: Any,
) -> tuple[int, int]:  # fmt: skip
    """Take the records of ``buffer[start:stop]`` into the table of inserts.

    Returns where the scan stopped (the start of the first record not taken) and why. `last`: no bytes follow, so the
    last line needs no newline.
    """
    at = start
    wanted, seed = seed_of(adapter)
    while at < stop:
        if counts[DISTINCT] >= most_distinct:
            return at, TABLE_FULL
        if buffer[at] != 64:  # @
            if buffer[at] == 10 or buffer[at] == 13:  # an empty line between records
                at += 1
                continue
            counts[REASON] = BAD_HEADER
            return at, MALFORMED
        header_end = _line_end(buffer, at, stop)
        if header_end < 0:
            return at, NEED_MORE
        bases = header_end + 1
        bases_end = _line_end(buffer, bases, stop)
        if bases_end < 0:
            return at, NEED_MORE
        plus = bases_end + 1
        length = bases_end - bases
        if length and buffer[bases_end - 1] == 13:
            length -= 1
        plus_end = _line_end(buffer, plus, stop) if plus < stop else -1
        if plus < stop and buffer[plus] != 43:  # +
            counts[REASON] = BAD_PLUS
            return at, MALFORMED
        if plus_end < 0:
            return at, NEED_MORE
        quality = plus_end + 1
        after = quality + length
        if after > stop or (after == stop and not last):
            if last:
                counts[REASON] = BAD_QUALITY
                return at, MALFORMED
            return at, NEED_MORE
        if after < stop and buffer[after] != 10 and buffer[after] != 13:
            counts[REASON] = BAD_QUALITY
            return at, MALFORMED
        following = after
        if following < stop and buffer[following] == 13:
            if following + 1 >= stop and not last:
                return at, NEED_MORE
            following += 1
        if following < stop:
            if buffer[following] != 10 and buffer[after] != 13:
                counts[REASON] = BAD_QUALITY
                return at, MALFORMED
            following += 1
        at = following
        counts[READS] += 1
        searched = min(length, SEARCHED)
        found = _exact_adapter(buffer, bases, searched, code_of, codes, wanted, seed)
        if found == NONE_FOUND and adapter.size:
            found = similar_adapter(codes, searched, adapter)
            if found == NONE_FOUND:
                counts[NO_ADAPTER] += 1
                continue
        umi_at = searched
        if adapter.size:
            counts[TRIMMED] += 1
            umi_at = found + adapter.size
        else:
            found = length
        begin = settings[CLIP_5P]
        end = max(found - settings[CLIP_3P], begin)
        histogram[min(end - begin, HISTOGRAM - 1)] += 1
        if _refused(end - begin, umi_at + settings[UMI], searched, settings, counts):
            continue
        for i in range(found + seed, umi_at + settings[UMI] if settings[UMI] else 0):
            codes[i] = code_of[buffer[bases + i]]
        if _expected_errors(buffer, quality + begin, end - begin, error_of) > most_errors:
            counts[LOW_QUALITY] += 1
            continue
        high, low = np.uint64(0), np.uint64(1)
        unknown = False
        for i in range(begin, end):
            unknown |= codes[i] > 3
            high, low = _push(high, low, codes[i] & 3)
        for i in range(umi_at, umi_at + settings[UMI]):
            unknown |= codes[i] > 3
            high, low = _push(high, low, codes[i] & 3)
        if unknown:
            counts[WITH_N] += 1
            continue
        counts[KEPT] += 1
        place = slot_of(high, low, highs, lows, table)
        if table[place] == 0:
            highs[place], lows[place] = high, low
            counts[DISTINCT] += 1
        table[place] += 1
    return at, NEED_MORE
