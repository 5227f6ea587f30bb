"""Molecules from UMIs: misread UMIs are no molecules, and a UMI drawn twice is two.

A UMI of an insert that was read ``c`` times is either a molecule's own or another one's, misread in one base. By the
second story its reads are Poisson with mean ``n e / 3``, where ``n`` are the reads of all UMIs one base away and ``e``
is the error per base; by the first, molecules read ``c`` times lie anywhere among the ``K = 4^length`` UMIs. How many
molecules of each ``c`` an insert has, and its ``e``, are found with the odds of the two stories by expectation and
maximisation; each insert is on its own, so that what else is counted does not matter. Then ``k`` distinct UMIs are
expected of ``-K ln(1 - k/K)`` molecules (Fu et al. 2011, PNAS 108:9026, as RNAprobR's documentation states it).

The directional rule of UMI-tools (Smith, Heger & Sudbery 2017, Genome Res 27:491) joins a UMI with any neighbour of
about twice its count or more, hence two that were read once each. Where molecules are many that joins true ones: a
million of them leave each of 12 bases two neighbours by chance. Small RNA has such inserts, so it is not used.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vesicula.core.measurement import FloatArray

_START = 0.003
"""First guess of the error per base, an order of magnitude; the data move it."""
_WEIGHT = 3000.0
"""Bases that the first guess weighs as much as: few reads cannot tell an error from a neighbour."""
_ROUNDS = 30
_BITS = 2**22
_SHIFT = np.uint64(64 - 22)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Odd, of bits without pattern: the golden ratio's (Knuth 1973, The Art of Computer Programming 3, [from memory])."""
_MOST = 32
"""Reads from which counts share a class: a misread UMI is not read that often."""


def molecules_of(
    codes: NDArray[np.uint64], counts: NDArray[np.int64], first: NDArray[np.int64], length: int
) -> NDArray[np.int64]:
    """Estimate how many molecules the reads of each insert come from.

    Parameters
    ----------
    codes : numpy.ndarray of uint64, shape (n,)
        Distinct UMIs of each insert, two bits a base, ascending within an insert.
    counts : numpy.ndarray of int64, shape (n,)
        Reads of each.
    first : numpy.ndarray of int64, shape (inserts,)
        Where each insert's UMIs begin.
    length : int
        Bases of a UMI, 1 to 16.

    Returns
    -------
    numpy.ndarray of int64, shape (inserts,)
        At least 1 each, never more than its reads.
    """
    if not codes.size:
        return np.empty(0, np.int64)
    own = 1.0 - _misread(codes, counts, first, length)
    possible = 4.0**length
    # Half a molecule stands for the one that would fill the last free UMI.
    distinct = np.minimum(np.add.reduceat(own, first), possible - 0.5)
    molecules = np.rint(-possible * np.log1p(-distinct / possible)).astype(np.int64)
    return np.clip(molecules, 1, np.add.reduceat(counts, first))


def _misread(
    codes: NDArray[np.uint64], counts: NDArray[np.int64], first: NDArray[np.int64], length: int
) -> FloatArray:
    """Return the probability that each UMI is another one misread."""
    stops = np.append(first[1:], codes.size)
    near = _reads_near(codes, counts, first, stops, length)
    # One that is read more than all its neighbours is their source, not their copy.
    suspect = (near > counts) & (counts < _MOST)
    odds = np.zeros(codes.size)
    if not suspect.any():
        return odds
    insert = np.repeat(np.arange(first.size), stops - first)
    number = np.full(first.size, -1)
    concerned = np.unique(insert[suspect])
    number[concerned] = np.arange(concerned.size)
    own = np.flatnonzero(number[insert] >= 0)
    kind = number[insert[own]] * (_MOST + 1) + np.minimum(counts[own], _MOST)
    # Places among `own`, and there the reads of the suspects and of their neighbours.
    at = np.flatnonzero(suspect[own])
    read, around = counts[own][at], near[own][at]
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(_MOST), 1)))[read]
    whose = number[insert[own[at]]]
    bases = np.add.reduceat(counts, first)[concerned] * float(length)
    error = np.full(concerned.size, _START)
    misread = np.zeros(own.size)
    for _ in range(_ROUNDS):
        alike = np.bincount(kind, 1.0 - misread)[kind[at]]
        mean = around * (error[whose] / 3.0)
        story = np.exp(read * np.log(mean) - mean - log_factorial)
        misread[at] = story / (story + alike / 4.0**length)
        wrong = np.bincount(whose, misread[at] * read, concerned.size)
        error = (wrong + _WEIGHT * _START) / (bases + _WEIGHT)
    odds[own] = misread
    return odds


@njit(cache=True, nogil=True)
def _find(codes: NDArray[np.uint64], low: int, high: int, wanted: np.uint64) -> int:
    """Return where `wanted` stands in the ascending ``codes[low:high]``, or -1."""
    stop = high
    while low < high:
        middle = (low + high) // 2
        if codes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < stop and codes[low] == wanted else -1


@njit(cache=True, nogil=True)
def _reads_near(
    codes: NDArray[np.uint64],
    counts: NDArray[np.int64],
    first: NDArray[np.int64],
    stops: NDArray[np.int64],
    length: int,
) -> NDArray[np.int64]:
    """Return the reads of all UMIs of the same insert that differ in one base."""
    out = np.zeros(codes.size, np.int64)
    # Nearly all places are free: a bit by a hash says so sooner than a search does.
    taken = np.zeros(_BITS, np.bool_)
    for g in range(first.size):
        begin, stop = first[g], stops[g]
        if stop - begin < 2:
            continue
        for a in range(begin, stop):
            taken[(codes[a] * _SPREAD) >> _SHIFT] = True
        for a in range(begin, stop):
            for bit in range(0, 2 * length, 2):
                for change in range(1, 4):
                    near = codes[a] ^ (np.uint64(change) << np.uint64(bit))
                    if taken[(near * _SPREAD) >> _SHIFT]:
                        b = _find(codes, begin, stop, near)
                        if b >= 0:
                            out[a] += counts[b]
        for a in range(begin, stop):
            taken[(codes[a] * _SPREAD) >> _SHIFT] = False
    return out
