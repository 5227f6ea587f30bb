"""What the compiled loops and their callers agree on: codes, places in arrays, sizes. Nothing slow is imported here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEED_MORE, TABLE_FULL, MALFORMED, FINE = 0, 1, 2, 3
"""Why the scan stopped; FINE: it need not."""
BAD_HEADER, BAD_PLUS, BAD_QUALITY = 1, 2, 3
"""What was wrong with a record."""
(
    READS, TRIMMED, NO_ADAPTER, TOO_SHORT, TOO_LONG, LOW_QUALITY, WITH_N, NO_UMI, KEPT, DIMERS, REASON, DISTINCT,
    STOPPED, DROPPED,
) = range(14)  # fmt: skip
"""Places in the array of counts; REASON holds the fault of a malformed record, DISTINCT the filled places of the table,
STOPPED where the scan stopped, DROPPED the reads that a sieve left out."""
COUNTS = 14
(MIN_LENGTH, MAX_LENGTH, CLIP_5P, CLIP_3P, UMI, SIEVED) = range(6)
"""Places in the array of settings; SIEVED is 1 where there is a sieve."""
HISTOGRAM = 128
"""Insert lengths 0 to 126, and all longer ones."""
LONGEST_DIMER = 2
"""Longest insert of an adapter dimer: ligation without RNA leaves none, trimming errs by a base or two."""
LONGEST_INSERT = 63
"""Bases that fit 128 bits beside the mark of the length (with the UMI, where there is one)."""
SEARCHED = 400
"""Bases of a read in which an adapter is sought."""
ADAPTER_SEED = 12
"""Adapter bases sought exactly first."""
COMPARED = 20
"""Adapter bases compared when mismatches are allowed."""
LEAST_OVERLAP = 5
"""Adapter bases that must be seen at the end of a read."""
NONE_FOUND = -1
PENDING = 512
"""Keys counted together; the table may go over its limit by as many."""

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
OTHER_BITS = 20
"""Of the numbers that these seeds are scrambled to in the sieve: a table of 128 KiB."""
OTHER_FACTOR = 0x9E3779B1
"""By which they are scrambled (2^32 over the golden ratio; Knuth, The Art of Computer Programming, vol. 3, 6.4
[from memory, unchecked])."""


def _codes() -> NDArray[np.uint8]:
    codes = np.full(256, 4, np.uint8)
    for i, letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
        for letter in letters:
            codes[letter] = i
    return codes


CODES: NDArray[np.uint8] = _codes()
"""Code of a base's letter: A 0, C 1, G 2, T and U 3, all else 4."""
