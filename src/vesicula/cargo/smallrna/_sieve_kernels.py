"""The sieve: which inserts may be explained at all, told from their packed keys.

Compiled by `vesicula.cargo.smallrna.native`, which alone imports this. Nothing here may allocate: the machine code must
run without numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from vesicula.cargo.smallrna._jit import Inferred, helper, inlined
from vesicula.cargo.smallrna.layout import OTHER_BITS, OTHER_FACTOR, OTHER_SEED, SEED


def _leading(_typing: Inferred, _word: Inferred) -> Inferred:
    """Return the number of zero bits before the first one."""

    def generate(_context: Inferred, builder: Inferred, _signature: Inferred, arguments: Inferred) -> Inferred:
        from llvmlite import ir

        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


_leading_zeros: Any = intrinsic(_leading)


@inlined
def _shifted(high: Inferred, low: Inferred, bits: Inferred) -> Inferred:
    """Return the lower word of a key moved down by fewer than 128 bits."""
    if bits == 0:
        return low
    if bits < 64:
        return (low >> np.uint64(bits)) | (high << np.uint64(64 - bits))
    return high >> np.uint64(bits - 64)


@inlined
def _length(high: Inferred, low: Inferred) -> Inferred:
    """Return the bases of a key: they stand after its first bit, two bits each."""
    if high:
        return (np.int64(127) - np.int64(_leading_zeros(high))) >> 1
    return (np.int64(63) - np.int64(_leading_zeros(low))) >> 1


@inlined
def _among(word: Inferred, bits: Inferred) -> Inferred:
    """Tell whether a word of OTHER_SEED bases may be one of the other RNA's."""
    place = ((word * np.uint64(OTHER_FACTOR)) & np.uint64(0xFFFFFFFF)) >> np.uint64(32 - OTHER_BITS)
    return (np.uint64(bits[place >> np.uint64(3)]) >> (place & np.uint64(7))) & np.uint64(1) != np.uint64(0)


@inlined
def _near(seed: Inferred, rest: Inferred, begin: Inferred, rests: Inferred) -> Inferred:
    """Tell whether a word of the references has this seed, and at most one other base in its other half."""
    for e in range(begin[seed], begin[seed + np.uint64(1)]):
        differs = np.uint64(rests[e]) ^ rest
        differs = (differs | (differs >> np.uint64(1))) & np.uint64(0x5555)
        if differs & (differs - np.uint64(1)) == np.uint64(0):
            return True
    return False


@helper
def promising(  # noqa: PLR0913, PLR0917 - arrays of one index
    high: Inferred, low: Inferred, umi_bits: Inferred, begin1: Inferred, rests1: Inferred, begin2: Inferred,
    rests2: Inferred, bits: Inferred,
) -> Inferred:  # fmt: skip
    """Tell whether an insert may be explained by a miRNA or by other RNA; its UMI takes the key's last bits."""
    if umi_bits:
        high, low = high >> np.uint64(umi_bits), _shifted(high, low, umi_bits)
    length = _length(high, low)
    if length < OTHER_SEED:
        return False
    word = np.uint64((1 << (2 * OTHER_SEED)) - 1)
    if _among(low & word, bits) or _among(_shifted(high, low, 2 * (length - OTHER_SEED)) & word, bits):
        return True
    if length < 2 * SEED:
        return False
    both = _shifted(high, low, 2 * (length - 2 * SEED))
    first, second = (both >> np.uint64(2 * SEED)) & np.uint64(0xFFFF), both & np.uint64(0xFFFF)
    return _near(first, second, begin1, rests1) or _near(second, first, begin2, rests2)


def sieve(  # noqa: PLR0913, PLR0917 - arrays of one index
    highs: Inferred, lows: Inferred, begin1: Inferred, rests1: Inferred, begin2: Inferred, rests2: Inferred,
    bits: Inferred, kept: Inferred,
) -> Inferred:  # fmt: skip
    """Write the places of the keys that may be explained; return how many there are."""
    n = 0
    for i in range(highs.size):
        if promising(highs[i], lows[i], 0, begin1, rests1, begin2, rests2, bits):
            kept[n] = i
            n += 1
    return n
