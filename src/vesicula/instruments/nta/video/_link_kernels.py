"""The inner loops of linking, compiled: neighbours by grid, exact sparse assignment."""

from __future__ import annotations

import heapq
import math

import numpy as np
from numba import njit

from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import IntArray

MOST_CANDIDATES = 32
"""Pairs offered to a track: its nearest. Reached only when spots crowd so that no link can be told from chance."""


@njit(cache=True, nogil=True)
def assign(  # noqa: C901, PLR0912, PLR0915 - one compiled search with its scratch arrays
    starts: IntArray, columns: IntArray, gains: FloatArray, column_count: int
) -> IntArray:
    """Return the column of each row (-1: none) so that the summed gain of the links made is greatest.

    Shortest augmenting paths with potentials (Jonker & Volgenant 1987, Computing 38:325 [from memory, unchecked]) on
    the sparse graph of allowed pairs: Dijkstra's search with a heap. Staying alone is a private column of no cost, so
    a search ends as soon as going on would cost more than leaving one row of the path alone: it stays within the
    neighbourhood, and the whole is near linear in the number of pairs however large the connected components are.

    Parameters
    ----------
    starts : numpy.ndarray of int64, shape (rows + 1,)
        Where each row's pairs begin.
    columns, gains : numpy.ndarray, shape (pairs,)
        Of each pair; gains are positive.
    column_count : int
        Number of columns.
    """
    n = starts.size - 1
    price_row = np.zeros(n)
    price_column = np.zeros(column_count)
    row_of = np.full(column_count, -1, np.int64)
    column_of = np.full(n, -1, np.int64)
    least = np.full(column_count, np.inf)
    reached_from = np.full(column_count, -1, np.int64)
    done = np.zeros(column_count, np.bool_)
    touched = np.empty(column_count, np.int64)
    wanted = np.zeros(column_count, np.int64)
    for e in range(starts[n]):
        wanted[columns[e]] += 1
    for first in range(n):
        # A row without a pair, or whose only pair nobody else wants, needs no search.
        pairs = starts[first + 1] - starts[first]
        if pairs == 0:
            continue
        if pairs == 1 and wanted[columns[starts[first]]] == 1 and gains[starts[first]] > 0.0:
            column_of[first] = columns[starts[first]]
            continue
        best = 0.0
        for e in range(starts[first], starts[first + 1]):
            best = min(best, -gains[e] - price_column[columns[e]])
        price_row[first] = best
        heap = [(0.0, np.int64(-1))]
        heap.clear()
        count = 0
        row = int(first)
        travelled = 0.0
        alone_cost, alone_row = np.inf, -1
        target = -1
        while True:
            # To leave this row alone costs nothing more than its price.
            if travelled - price_row[row] < alone_cost:
                alone_cost, alone_row = travelled - price_row[row], row
            for e in range(starts[row], starts[row + 1]):
                c = columns[e]
                if done[c]:
                    continue
                reduced = travelled - gains[e] - price_row[row] - price_column[c]
                if reduced < least[c]:
                    if least[c] == np.inf:
                        touched[count] = c
                        count += 1
                    least[c] = reduced
                    reached_from[c] = row
                    if reduced < alone_cost:
                        heapq.heappush(heap, (reduced, c))
            target = -1
            while len(heap) > 0:
                reduced, c = heapq.heappop(heap)
                if not done[c] and reduced == least[c]:
                    target = int(c)
                    travelled = reduced
                    break
            if target < 0 or travelled >= alone_cost:
                target = -1
                travelled = alone_cost
                break
            if row_of[target] < 0:
                break
            done[target] = True
            row = int(row_of[target])
        price_row[first] += travelled
        for k in range(count):
            c = touched[k]
            if done[c]:
                price_column[c] += least[c] - travelled
                price_row[row_of[c]] += travelled - least[c]
        c = target if target >= 0 else int(column_of[alone_row])
        if target < 0:
            column_of[alone_row] = -1
        # Walk the path back: each row hands its column on.
        row = alone_row if target < 0 else int(reached_from[target])
        if target < 0:
            while row != first:
                before = int(reached_from[c])
                following = int(column_of[before])
                column_of[before] = c
                row_of[c] = before
                row = before
                c = following
        else:
            while True:
                following = int(column_of[row])
                column_of[row] = c
                row_of[c] = row
                if row == first:
                    break
                c = following
                row = int(reached_from[c])
        for k in range(count):
            least[touched[k]] = np.inf
            done[touched[k]] = False
    return column_of


@njit(cache=True, nogil=True)
def by_track(track: IntArray) -> IntArray:
    """Return the order that sorts spots by track, and by their own order within each: a counting sort."""
    start = np.zeros(track.max() + 2 if track.size > 0 else 1, np.int64)
    for t in track:
        start[t + 1] += 1
    for t in range(1, start.size):
        start[t] += start[t - 1]
    order = np.empty(track.size, np.int64)
    for k in range(track.size):
        order[start[track[k]]] = k
        start[track[k]] += 1
    return order


@njit(cache=True, nogil=True)
def medians(values: FloatArray, bounds: IntArray, mean: FloatArray) -> FloatArray:
    """Return the median of each run of rows, by column; `mean` for an empty run."""
    out = np.empty((bounds.size - 1, values.shape[1]))
    for r in range(bounds.size - 1):
        for c in range(values.shape[1]):
            own = values[bounds[r] : bounds[r + 1], c]
            out[r, c] = np.median(own) if own.size > 0 else mean[c]
    return out


@njit(cache=True, nogil=True)
def _grid(y: FloatArray, x: FloatArray, cell: float) -> tuple[float, float, int, int, IntArray, IntArray]:
    """Sort points into square cells: corner (y, x), rows, columns, where each cell begins, and the points in order."""
    low_y, low_x = y.min(), x.min()
    height = int((y.max() - low_y) / cell) + 1
    width = int((x.max() - low_x) / cell) + 1
    start = np.zeros(height * width + 1, np.int64)
    home = np.empty(y.size, np.int64)
    for k in range(y.size):
        home[k] = int((y[k] - low_y) / cell) * width + int((x[k] - low_x) / cell)
        start[home[k] + 1] += 1
    for c in range(height * width):
        start[c + 1] += start[c]
    fill = start.copy()
    inside = np.empty(y.size, np.int64)
    for k in range(y.size):
        inside[fill[home[k]]] = k
        fill[home[k]] += 1
    return low_y, low_x, height, width, start, inside


@njit(cache=True, nogil=True)
def _nearest(columns: IntArray, squares: FloatArray, begin: int, end: int) -> None:
    """Bring the nearest candidates of a track, in order, to the front of its range."""
    order = np.argsort(squares[begin:end], kind="mergesort")
    columns[begin:end] = columns[begin:end][order]
    squares[begin:end] = squares[begin:end][order]


@njit(cache=True, nogil=True)
def pairs_within(
    ty: FloatArray, tx: FloatArray, reach: FloatArray, y: FloatArray, x: FloatArray
) -> tuple[IntArray, IntArray, FloatArray, int]:
    """Return, of all pairs within each track's own reach: where each track's begin, spot, squared distance.

    The last number counts tracks that had more than ``MOST_CANDIDATES``, of which the nearest were kept.
    """
    starts = np.zeros(ty.size + 1, np.int64)
    columns = np.empty(256, np.int64)
    squares = np.empty(256)
    count, capped = 0, 0
    if y.size == 0 or ty.size == 0:
        return starts, columns[:0], squares[:0], capped
    # Cells of a usual track's reach: one with a long reach looks into many.
    low_y, low_x, height, width, start, inside = _grid(y, x, max(2.0, reach.mean()))
    cell = max(2.0, reach.mean())
    for t in range(ty.size):
        r = reach[t]
        begin = count
        j0 = max(0, math.floor((ty[t] - r - low_y) / cell))
        j1 = min(height - 1, math.floor((ty[t] + r - low_y) / cell))
        i0 = max(0, math.floor((tx[t] - r - low_x) / cell))
        i1 = min(width - 1, math.floor((tx[t] + r - low_x) / cell))
        for j in range(j0, j1 + 1):
            for i in range(i0, i1 + 1):
                for q in range(start[j * width + i], start[j * width + i + 1]):
                    k = inside[q]
                    square = (y[k] - ty[t]) ** 2 + (x[k] - tx[t]) ** 2
                    if square >= r * r:
                        continue
                    if count == columns.size:
                        columns = np.concatenate((columns, np.empty(count, np.int64)))
                        squares = np.concatenate((squares, np.empty(count)))
                    columns[count] = k
                    squares[count] = square
                    count += 1
        if count - begin > MOST_CANDIDATES:
            _nearest(columns, squares, begin, count)
            count = begin + MOST_CANDIDATES
            capped += 1
        starts[t + 1] = count
    return starts, columns[:count], squares[:count], capped


@njit(cache=True, nogil=True)
def link_all(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a compiled kernel takes arrays, not records
    first: IntArray,
    y: FloatArray,
    x: FloatArray,
    drift: FloatArray,
    memory: int,
    shape: float,
    scale: float,
    log_base: float,
    log_miss: float,
    max_reach: float,
) -> tuple[IntArray, int]:
    """Return the track of each spot, numbered in order of birth, and how often candidates had to be capped.

    Parameters
    ----------
    first : numpy.ndarray of int64, shape (frame_count + 1,)
        Where each frame's spots begin.
    drift : numpy.ndarray, shape (frame_count - 1, 2)
        Predicted collective motion (y, x) from each frame to the next.
    memory : int
        Frames that a particle may stay unseen.
    shape, scale : float
        Of the inverse-gamma distribution of the step variance (per axis and frame) over particles.
    log_base : float
        Log of P(goes on) / (births per squared pixel and frame x P(ends)).
    log_miss : float
        Log of P(missed in a frame) per frame of a gap.
    max_reach : float
        Cap on the search radius, in pixels.
    """
    frames = first.size - 1
    track = np.full(y.size, -1, np.int64)
    ident = np.empty(0, np.int64)
    ty = np.empty(0)
    tx = np.empty(0)
    age = np.empty(0, np.int64)  # frames since last seen, 1 for the frame before
    steps = np.empty(0)
    sums = np.empty(0)
    births, capped = 0, 0
    for f in range(frames):
        a, b = first[f], first[f + 1]
        fy, fx = y[a:b], x[a:b]
        n, m = ident.size, b - a
        if f > 0:
            for t in range(n):
                ty[t] += drift[f - 1, 0]
                tx[t] += drift[f - 1, 1]
        reach = np.empty(n)
        base = np.empty(n)
        for t in range(n):
            power = shape + steps[t]
            width = (scale + 0.5 * sums[t]) * age[t]
            base[t] = log_base + log_miss * (age[t] - 1) + math.log(power / (2.0 * math.pi * width))
            reach[t] = 0.0
            if base[t] > 0.0:
                square = 2.0 * width * math.expm1(min(base[t] / (power + 1.0), 50.0))
                reach[t] = min(math.sqrt(square), max_reach)
        starts, columns, squares, many = pairs_within(ty, tx, reach, fy, fx)
        capped += many
        gains = np.empty(columns.size)
        for t in range(n):
            width = (scale + 0.5 * sums[t]) * age[t]
            for e in range(starts[t], starts[t + 1]):
                gains[e] = base[t] - (shape + steps[t] + 1.0) * math.log1p(squares[e] / (2.0 * width))
        chosen = assign(starts, columns, gains, m)
        taken = np.zeros(m, np.bool_)
        kept = 0
        for t in range(n):
            kept += chosen[t] >= 0 or age[t] <= memory
        for t in range(n):
            if chosen[t] >= 0:
                taken[chosen[t]] = True
        fresh = m - int(np.sum(taken))
        size = kept + fresh
        ident2 = np.empty(size, np.int64)
        ty2 = np.empty(size)
        tx2 = np.empty(size)
        age2 = np.empty(size, np.int64)
        steps2 = np.empty(size)
        sums2 = np.empty(size)
        k = 0
        for t in range(n):
            c = chosen[t]
            if c < 0 and age[t] > memory:
                continue
            ident2[k] = ident[t]
            if c >= 0:
                track[a + c] = ident[t]
                # Old steps are forgotten slowly: a particle's light, hence its noise, changes with depth.
                steps2[k] = 0.95 * steps[t] + 1.0
                square = (fy[c] - ty[t]) ** 2 + (fx[c] - tx[t]) ** 2
                sums2[k] = 0.95 * sums[t] + square / age[t]
                ty2[k] = fy[c]
                tx2[k] = fx[c]
                age2[k] = 1
            else:
                steps2[k] = steps[t]
                sums2[k] = sums[t]
                ty2[k] = ty[t]
                tx2[k] = tx[t]
                age2[k] = age[t] + 1
            k += 1
        for c in range(m):
            if taken[c]:
                continue
            track[a + c] = births
            ident2[k] = births
            births += 1
            ty2[k] = fy[c]
            tx2[k] = fx[c]
            age2[k] = 1
            steps2[k] = 0.0
            sums2[k] = 0.0
            k += 1
        ident, ty, tx, age, steps, sums = ident2, ty2, tx2, age2, steps2, sums2
    return track, capped
