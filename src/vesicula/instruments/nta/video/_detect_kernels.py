"""The inner loops of detection, compiled. Each works on one frame, holds no lock and keeps no state.

Everything is plain IEEE arithmetic in a fixed order (no fastmath), so results do not depend on threads.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import BoolArray, Frame, IntArray

Image: TypeAlias = npt.NDArray[np.float32]

_NEWS = 0.1
"""Change of a spot's light, in pixel noises, that has its neighbours fitted again: for a spot of 2 px SD about a
quarter of the error that its height has anyhow."""
_SETTLED = 0.05
"""Last step of a fit over the pixel noise by the height: a sixteenth of the Cramer-Rao bound, sqrt(2 / pi) of that."""


@njit(cache=True, nogil=True)
def _mirror(k: int, size: int) -> int:
    """Index that stands for `k` beyond a mirrored border."""
    if k < 0:
        k = -k - 1
    elif k >= size:
        k = 2 * size - 1 - k
    return min(max(k, 0), size - 1)


@njit(cache=True, nogil=True)
def smooth(image: Image, half: Image, out: Image) -> None:  # noqa: C901 - unrolled for speed: one compiled pass
    """Convolve with a symmetric separable kernel, ``half[0]`` its centre, into `out`; edges are mirrored."""
    height, width = image.shape
    radius = half.size - 1
    # Three pairs of taps at a time: the running sum is read and written a third as often.
    triples = (radius + 2) // 3
    taps = np.zeros(3 * triples + 1, np.float32)
    taps[: radius + 1] = half
    reach = 3 * triples
    row = np.empty(width + 2 * reach, np.float32)
    for y in range(height):
        centre = image[y]
        middle = row[reach : reach + width]
        for t in range(triples):
            k = 3 * t + 1
            a, b = image[_mirror(y - k, height)], image[_mirror(y + k, height)]
            c, d = image[_mirror(y - k - 1, height)], image[_mirror(y + k + 1, height)]
            e, f = image[_mirror(y - k - 2, height)], image[_mirror(y + k + 2, height)]
            w0, w1, w2 = taps[k], taps[k + 1], taps[k + 2]
            if t == 0:
                for x in range(width):
                    middle[x] = half[0] * centre[x] + w0 * (a[x] + b[x]) + w1 * (c[x] + d[x]) + w2 * (e[x] + f[x])
            else:
                for x in range(width):
                    middle[x] += w0 * (a[x] + b[x]) + w1 * (c[x] + d[x]) + w2 * (e[x] + f[x])
        for k in range(reach):
            row[reach - 1 - k] = row[reach + min(k, width - 1)]
            row[reach + width + k] = row[reach + max(0, width - 1 - k)]
        target = out[y]
        for t in range(triples):
            k = 3 * t + 1
            a, b = row[reach - k : reach - k + width], row[reach + k : reach + k + width]
            c, d = row[reach - k - 1 : reach - k - 1 + width], row[reach + k + 1 : reach + k + 1 + width]
            e, f = row[reach - k - 2 : reach - k - 2 + width], row[reach + k + 2 : reach + k + 2 + width]
            w0, w1, w2 = taps[k], taps[k + 1], taps[k + 2]
            if t == 0:
                for x in range(width):
                    target[x] = half[0] * middle[x] + w0 * (a[x] + b[x]) + w1 * (c[x] + d[x]) + w2 * (e[x] + f[x])
            else:
                for x in range(width):
                    target[x] += w0 * (a[x] + b[x]) + w1 * (c[x] + d[x]) + w2 * (e[x] + f[x])


@njit(cache=True, nogil=True)
def _binned(frame: Frame, sign: float, block: int) -> Image:
    """Return means over squares of `block` pixels times `sign`; the last row and column may be of fewer."""
    height, width = frame.shape
    rows, columns = (height + block - 1) // block, (width + block - 1) // block
    out = np.empty((rows, columns), np.float32)
    total = np.empty(columns * block, np.float32)
    for j in range(rows):
        low, high = j * block, min(height, (j + 1) * block)
        total[:] = 0.0
        for y in range(low, high):
            line = frame[y]
            for x in range(width):
                total[x] += np.float32(line[x])
        for i in range(columns):
            part = np.float32(0)
            for k in range(i * block, (i + 1) * block):
                part += total[k]
            out[j, i] = sign * part / ((high - low) * (min(width, (i + 1) * block) - i * block))
    return out


@njit(cache=True, nogil=True)
def _slope(coarse: Image) -> Image:
    """Return the least-squares surface of degree two (no mixed squares); its terms are orthogonal on a full grid."""
    rows, columns = coarse.shape
    u = np.arange(rows) - 0.5 * (rows - 1)
    v = np.arange(columns) - 0.5 * (columns - 1)
    uu = u * u - np.mean(u * u)
    vv = v * v - np.mean(v * v)
    c = np.zeros(6)
    for j in range(rows):
        own = along = curved = 0.0
        for i in range(columns):
            value = coarse[j, i]
            own += value
            along += value * v[i]
            curved += value * vv[i]
        c[0] += own
        c[1] += own * u[j]
        c[2] += along
        c[3] += along * u[j]
        c[4] += own * uu[j]
        c[5] += curved
    ru, rv, ruu, rvv = np.sum(u * u), np.sum(v * v), np.sum(uu * uu), np.sum(vv * vv)
    c[0] /= rows * columns
    c[1] /= max(ru * columns, 1e-12)
    c[2] /= max(rv * rows, 1e-12)
    c[3] /= max(ru * rv, 1e-12)
    c[4] /= max(ruu * columns, 1e-12)
    c[5] /= max(rvv * rows, 1e-12)
    out = np.empty((rows, columns), np.float32)
    for j in range(rows):
        level = c[0] + c[1] * u[j] + c[4] * uu[j]
        tilt = c[2] + c[3] * u[j]
        for i in range(columns):
            out[j, i] = level + tilt * v[i] + c[5] * vv[i]
    return out


@njit(cache=True, nogil=True)
def _flattened(frame: Frame, sign: float, coarse: Image, block: int, out: Image) -> None:
    """Write `sign` times the frame less the bilinear interpolation of block means, continued straight at borders."""
    height, width = frame.shape
    rows, columns = coarse.shape
    across = np.empty((rows, width), np.float32)
    step = 1 if columns > 1 else 0
    index = np.empty(width, np.int64)
    share = np.empty(width, np.float32)
    for x in range(width):
        place = (x + 0.5) / block - 0.5
        index[x] = min(max(math.floor(place), 0), max(columns - 2, 0))
        share[x] = place - index[x]
    for j in range(rows):
        for x in range(width):
            i = index[x]
            across[j, x] = coarse[j, i] + share[x] * (coarse[j, i + step] - coarse[j, i])
    factor = np.float32(sign)
    for y in range(height):
        place = (y + 0.5) / block - 0.5
        j = min(max(math.floor(place), 0), max(rows - 2, 0))
        part = np.float32(place - j)
        above, below = across[j], across[min(j + 1, rows - 1)]
        source, target = frame[y], out[y]
        for x in range(width):
            target[x] = factor * np.float32(source[x]) - above[x] - part * (below[x] - above[x])


@njit(cache=True, nogil=True)
def band_pass(
    frame: Frame, sign: float, narrow: Image, wide: Image, block: int, scratch: Image, out: Image
) -> None:
    """Take off the background (block means smoothed widely), then smooth by the spot's own width, into `out`.

    ``scratch`` and ``out`` are of the frame's shape and used again from frame to frame: memory that is fresh from the
    system costs as much time as the filter.
    """
    coarse = _binned(frame, sign, block)
    # The surface is taken off first: mirroring a slope at the border would bend the background there.
    ground = _slope(coarse)
    bent = np.empty_like(coarse)
    smooth(coarse - ground, wide, bent)
    ground += bent
    _flattened(frame, sign, ground, block, scratch)
    smooth(scratch, narrow, out)


@njit(cache=True, nogil=True)
def sample_tiles(filtered: Image, peaks: FloatArray, sigma: float, stride: int, phase: int, out: Image) -> None:
    """Write a regular sample of each tile's pixels, spots taken out, to ``out[row, column, :]``; NaN for none.

    ``peaks`` has rows of (y, x, filtered height). Samples within 4 sigma of one are left out; from those further off
    the dark halo that the band-pass gives a spot is subtracted: h [exp(-r^2/4s^2)/2 - exp(-r^2/24s^2)/12] for height
    h and width s (Gaussians convolved: s^2 + s^2; for the background 9 s^2 more, and s^2 for its block means).
    """
    height, width = filtered.shape
    rows, columns, room = out.shape
    top, left = phase % stride, (phase // stride) % stride
    sub = filtered[top::stride, left::stride].copy()
    for k in range(peaks.shape[0]):
        y, x = (peaks[k, 0] - top) / stride, (peaks[k, 1] - left) / stride
        reach = 9.0 * sigma / stride
        tall = peaks[k, 2] / (0.5 - 1.0 / 12.0)
        for j in range(max(0, math.ceil(y - reach)), min(sub.shape[0], math.floor(y + reach) + 1)):
            for i in range(max(0, math.ceil(x - reach)), min(sub.shape[1], math.floor(x + reach) + 1)):
                far = ((j - y) ** 2 + (i - x) ** 2) * (stride / sigma) ** 2
                if far < 16.0:
                    sub[j, i] = np.nan
                else:
                    sub[j, i] -= tall * (0.5 * math.exp(-0.25 * far) - math.exp(-far / 24.0) / 12.0)
    count = np.zeros((rows, columns), np.int64)
    out[:] = np.nan
    for j in range(sub.shape[0]):
        row = min((j * stride + top) * rows // height, rows - 1)
        for i in range(sub.shape[1]):
            column = min((i * stride + left) * columns // width, columns - 1)
            if count[row, column] < room and not np.isnan(sub[j, i]):
                out[row, column, count[row, column]] = sub[j, i]
                count[row, column] += 1


@njit(cache=True, nogil=True)
def robust_sd(samples: Image, clip: float, clipped_sd: float) -> float:
    """SD of the finite samples: 1.4826 x median absolute value, then two rounds of clipping; NaN from fewer than 24."""
    size = np.abs(samples[~np.isnan(samples)])
    if size.size < 24:
        return np.nan
    sd = float(1.4826 * np.median(size))
    for _ in range(2):
        total, count = 0.0, 0
        for value in size:
            if value <= clip * sd:
                total += value * value
                count += 1
        if count > 0:
            sd = math.sqrt(total / count) / clipped_sd
    return sd


@njit(cache=True, nogil=True)
def robust_sds(samples: Image, clip: float, clipped_sd: float) -> FloatArray:
    """Return `robust_sd` of each of the samples along the first axis."""
    out = np.empty(samples.shape[0])
    for k in range(samples.shape[0]):
        out[k] = robust_sd(samples[k].ravel(), clip, clipped_sd)
    return out


@njit(cache=True, nogil=True)
def tile_value(tiles: FloatArray, spots: FloatArray, height: int, width: int) -> FloatArray:
    """Return the value of the tile that each spot (rows of y, x, ...) of a frame is in."""
    rows, columns = tiles.shape
    out = np.empty(spots.shape[0])
    for k in range(spots.shape[0]):
        j = min(max(int(spots[k, 0]) * rows // height, 0), rows - 1)
        i = min(max(int(spots[k, 1]) * columns // width, 0), columns - 1)
        out[k] = tiles[j, i]
    return out


@njit(cache=True, nogil=True)
def local_maxima(filtered: Image, noise: FloatArray, edge_y: Image, edge_x: Image, threshold: float) -> FloatArray:
    """Return rows of (y, x, height) for every pixel above `threshold` noises that tops its eight neighbours.

    ``noise`` has one value per tile; ``edge_y`` and ``edge_x`` say by how much mirroring raises it at borders, and the
    heights are divided by them.
    """
    height, width = filtered.shape
    rows, columns = noise.shape
    found = np.empty((64, 3), np.float64)
    count = 0
    floor = np.empty(width, np.float32)
    # Flags are looked at eight bytes at a time: fast where there is nothing, which is nearly everywhere.
    flags = np.zeros(8 * ((width + 7) // 8), np.uint8)
    eights = flags.view(np.uint64)
    last = -1
    for y in range(height):
        j = y * rows // height
        if j != last or edge_y[y] != 1.0 or edge_y[max(y - 1, 0)] != 1.0:
            last = j
            for x in range(width):
                floor[x] = threshold * noise[j, x * columns // width] * edge_y[y] * edge_x[x]
        line = filtered[y]
        # Without branches: what comes next, a few tops of rows, cannot be foreseen by a processor.
        for x in range(1, width - 1):
            flags[x] = (line[x] > floor[x]) & (line[x] > line[x - 1]) & (line[x] >= line[x + 1])
        flags[0], flags[width - 1] = line[0] > floor[0], line[width - 1] > floor[width - 1]
        for k in range(eights.size):
            if eights[k] == 0:
                continue
            for x in range(8 * k, min(8 * k + 8, width)):
                if flags[x] == 0 or not _tops(filtered, y, x, line[x]):
                    continue
                if count == found.shape[0]:
                    grown = np.empty((2 * count, 3), np.float64)
                    grown[:count] = found
                    found = grown
                found[count, 0] = y
                found[count, 1] = x
                found[count, 2] = line[x] / (edge_y[y] * edge_x[x])
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def _tops(image: Image, y: int, x: int, value: float) -> bool:
    """Whether no neighbour is higher; of equal ones the first in reading order wins."""
    height, width = image.shape
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            j, i = y + dy, x + dx
            if (dy == 0 and dx == 0) or j < 0 or i < 0 or j >= height or i >= width:
                continue
            other = image[j, i]
            first = dy < 0 or (dy == 0 and dx < 0)
            if other > value or (first and other == value):
                return False
    return True


@njit(cache=True, nogil=True)
def keep_apart(y: FloatArray, x: FloatArray, strength: FloatArray, distance: float) -> BoolArray:
    """Return which of the points stay when, strongest first, each removes those nearer than `distance`."""
    order = np.argsort(-strength, kind="mergesort")
    keep = np.ones(y.size, np.bool_)
    by_row = np.argsort(y, kind="mergesort")
    place = np.empty(y.size, np.int64)
    for k in range(y.size):
        place[by_row[k]] = k
    for n in order:
        if not keep[n]:
            continue
        for way in (-1, 1):
            k = place[n] + way
            while 0 <= k < y.size:
                m = by_row[k]
                gap = y[m] - y[n]
                if abs(gap) > distance:
                    break
                if m != n and keep[m] and gap * gap + (x[m] - x[n]) ** 2 < distance * distance:
                    keep[m] = False
                k += way
    return keep


@njit(cache=True, nogil=True)
def _solve(a: FloatArray, b: FloatArray, damping: float, out: FloatArray, low: FloatArray) -> bool:
    """Solve ``(a + damping diag a) out = b`` by L D L' (`low` is scratch); False where not positive definite."""
    size = b.size
    for i in range(size):
        # Row i of L times D, until its diagonal is known; the diagonal of `low` holds 1 / D.
        pivot = a[i, i] * (1.0 + damping)
        for j in range(i):
            total = a[i, j]
            for k in range(j):
                total -= low[i, k] * low[j, k]
            low[i, j] = total
        rest = b[i]
        for j in range(i):
            total = low[i, j] * low[j, j]
            pivot -= low[i, j] * total
            low[i, j] = total
            rest -= total * out[j]
        if pivot <= 1e-30:
            return False
        low[i, i] = 1.0 / pivot
        out[i] = rest
    for i in range(size - 1, -1, -1):
        total = out[i] * low[i, i]
        for k in range(i + 1, size):
            total -= low[k, i] * out[k]
        out[i] = total
    return True


@njit(cache=True, nogil=True)
def _axis(size: int, centre: float, inverse: float, e: FloatArray, u: FloatArray, sums: FloatArray) -> None:
    """Gaussian and offsets along one axis; sums of e u^0..2 and of e^2 u^0..4."""
    sums[:] = 0.0
    far = max(abs(centre), abs(size - centre))
    # From pixel to pixel the Gaussian changes by a factor that itself changes evenly: three exponentials serve all.
    # Not where they would leave the range of numbers: a fit that has walked far off.
    stepwise = 0.5 * far * far * inverse < 300.0
    value = math.exp(-0.5 * centre * centre * inverse)
    factor, change = (math.exp((centre - 0.5) * inverse), math.exp(-inverse)) if stepwise else (0.0, 0.0)
    for k in range(size):
        offset = k - centre
        square = offset * offset
        if not stepwise:
            value = math.exp(-0.5 * square * inverse)
        e[k] = value
        u[k] = offset
        sums[0] += value
        sums[1] += value * offset
        sums[2] += value * square
        double = value * value
        sums[3] += double
        sums[4] += double * offset
        sums[5] += double * square
        sums[6] += double * square * offset
        sums[7] += double * square * square
        value *= factor
        factor *= change


@njit(cache=True, nogil=True)
def _moments(patch: FloatArray, work: FloatArray) -> tuple[float, float, float, float, float]:
    """Return the window's light times the Gaussian, times 1, u_x, u_x^2, u_y and u_y^2, each summed."""
    height, width = patch.shape
    ey, uy, ex, ux = work[0], work[1], work[3], work[4]
    light = across = across2 = along = along2 = 0.0
    for y in range(height):
        row = row1 = row2 = 0.0
        for x in range(width):
            value = patch[y, x] * ex[x]
            row += value
            value *= ux[x]
            row1 += value
            row2 += value * ux[x]
        tall = ey[y]
        light += tall * row
        across += tall * row1
        across2 += tall * row2
        tall *= uy[y]
        along += tall * row
        along2 += tall * uy[y] * row
    return light, across, across2, along, along2


@njit(cache=True, nogil=True)
def _normal_equations(
    patch: FloatArray, total: float, squares: float, p: FloatArray, a: FloatArray, b: FloatArray, work: FloatArray
) -> float:
    """Fill the normal equations of a Gaussian spot (y, x, height, ground, sigma) and return the sum of squares.

    The Gaussian is separable, so the matrix consists of products of sums along each axis, and the residual's sums
    are those of the light, which five moments hold, less those of the model. ``total`` and ``squares`` are the sums of
    the window and of its squares; its mean should be near zero, or the difference loses digits.
    """
    height, width = patch.shape
    inverse = 1.0 / (p[4] * p[4])
    sy, sx = work[2], work[5]
    _axis(height, p[0], inverse, work[0], work[1], sy)
    _axis(width, p[1], inverse, work[3], work[4], sx)
    light, across, across2, along, along2 = _moments(patch, work)
    tall, ground = p[2], p[3]
    slope = tall * inverse
    widen = slope / p[4]
    plain = sy[0] * sx[0]
    size = height * width
    rest = light - tall * sy[3] * sx[3] - ground * plain
    rest_y = along - tall * sy[4] * sx[3] - ground * sy[1] * sx[0]
    rest_x = across - tall * sy[3] * sx[4] - ground * sy[0] * sx[1]
    rest_yy = along2 - tall * sy[5] * sx[3] - ground * sy[2] * sx[0]
    rest_xx = across2 - tall * sy[3] * sx[5] - ground * sy[0] * sx[2]
    b[0] = slope * rest_y
    b[1] = slope * rest_x
    b[2] = rest
    b[3] = total - tall * plain - ground * size
    b[4] = widen * (rest_yy + rest_xx)
    a[0, 0] = slope * slope * sy[5] * sx[3]
    a[1, 0] = slope * slope * sy[4] * sx[4]
    a[1, 1] = slope * slope * sy[3] * sx[5]
    a[2, 0] = slope * sy[4] * sx[3]
    a[2, 1] = slope * sy[3] * sx[4]
    a[2, 2] = sy[3] * sx[3]
    a[3, 0] = slope * sy[1] * sx[0]
    a[3, 1] = slope * sy[0] * sx[1]
    a[3, 2] = plain
    a[3, 3] = size
    a[4, 0] = slope * widen * (sy[6] * sx[3] + sy[4] * sx[5])
    a[4, 1] = slope * widen * (sy[5] * sx[4] + sy[3] * sx[6])
    a[4, 2] = widen * (sy[5] * sx[3] + sy[3] * sx[5])
    a[4, 3] = widen * (sy[2] * sx[0] + sy[0] * sx[2])
    a[4, 4] = widen * widen * (sy[7] * sx[3] + 2.0 * sy[5] * sx[5] + sy[3] * sx[7])
    return float(squares - tall * (light + rest) - ground * (total + b[3]))


@njit(cache=True, nogil=True)
def fit_gaussian(
    patch: FloatArray, start: FloatArray, sigma_low: float, sigma_high: float, reach: float, noise: float
) -> tuple[FloatArray, bool, float]:
    """Least squares (maximum likelihood under even noise) by Levenberg-Marquardt.

    The search ends when a step is far below what the pixel ``noise`` lets anybody know.

    Returns the five parameters (y, x, height, ground, sigma), whether they are to be believed (upright, and within
    `reach` pixels of the start), and the sum of squares left.
    """
    mean = float(patch.mean())
    level = patch - mean
    total, squares = float(level.sum()), float((level * level).sum())
    p = start.copy()
    p[3] -= mean
    # Normal equations of the point stood on and of the one tried, and room to solve them.
    room = np.zeros((3, 5, 5))
    a, a_new, low = room[0], room[1], room[2]
    lines = np.zeros((4, 5))
    b, b_new, step, trial = lines[0], lines[1], lines[2], lines[3]
    work = np.empty((6, max(8, patch.shape[0], patch.shape[1])))
    damping = 1e-4
    cost = _normal_equations(level, total, squares, p, a, b, work)
    for _ in range(25):
        if not _solve(a, b, damping, step, low):
            damping = 10.0 * damping
            continue
        for k in range(5):
            trial[k] = p[k] + step[k]
        trial[4] = min(max(trial[4], sigma_low), sigma_high)
        moved = max(abs(trial[0] - p[0]), abs(trial[1] - p[1]), abs(trial[4] - p[4]))
        if moved > 4.0 * reach:
            damping = max(10.0 * damping, 1e-2)
            continue
        new = _normal_equations(level, total, squares, trial, a_new, b_new, work)
        if new > cost:
            if moved < 1e-3:
                break
            damping *= 8.0
            if damping > 1e6:
                break
            continue
        p[:] = trial
        cost = new
        a, a_new = a_new, a
        b, b_new = b_new, b
        damping *= 0.1
        if moved < max(5e-3, _SETTLED * noise / max(p[2], noise)):
            break
    p[3] += mean
    near = (p[0] - start[0]) ** 2 + (p[1] - start[1]) ** 2 <= reach * reach
    return p, near and p[2] > 0.0, cost


@njit(cache=True, nogil=True)
def _pair_equations(patch: FloatArray, p: FloatArray, sigma: float, a: FloatArray, b: FloatArray) -> float:
    """Fill the normal equations of two spots of one width (y, x, height, y, x, height, ground); sum of squares."""
    inverse = 1.0 / (sigma * sigma)
    a[:] = 0.0
    b[:] = 0.0
    d = np.empty(7)
    d[6] = 1.0
    total = 0.0
    ex = np.empty((4, patch.shape[1]))
    for one in (0, 3):
        for x in range(patch.shape[1]):
            ex[one, x] = math.exp(-0.5 * (x - p[one + 1]) ** 2 * inverse)
    ey = np.empty(4)
    for y in range(patch.shape[0]):
        for one in (0, 3):
            ey[one] = math.exp(-0.5 * (y - p[one]) ** 2 * inverse)
        for x in range(patch.shape[1]):
            rest = patch[y, x] - p[6]
            for one in (0, 3):
                uy, ux = y - p[one], x - p[one + 1]
                g = ey[one] * ex[one, x]
                d[one] = p[one + 2] * g * uy * inverse
                d[one + 1] = p[one + 2] * g * ux * inverse
                d[one + 2] = g
                rest -= p[one + 2] * g
            total += rest * rest
            for i in range(7):
                b[i] += d[i] * rest
                for j in range(i + 1):
                    a[i, j] += d[i] * d[j]
    return total


@njit(cache=True, nogil=True)
def fit_pair(patch: FloatArray, single: FloatArray, sigma: float) -> tuple[FloatArray, float]:
    """Fit two spots of the stated width where `single` found one; start along the longest axis of what is there."""
    syy = sxx = sxy = 0.0
    for y in range(patch.shape[0]):
        for x in range(patch.shape[1]):
            uy, ux = y - single[0], x - single[1]
            far = uy * uy + ux * ux
            if far < 9.0 * sigma * sigma:
                light = patch[y, x] - single[3]
                syy += light * uy * uy
                sxx += light * ux * ux
                sxy += light * ux * uy
    angle = 0.5 * math.atan2(2.0 * sxy, sxx - syy)
    dy, dx = 1.2 * sigma * math.sin(angle), 1.2 * sigma * math.cos(angle)
    p = np.empty(7)
    p[0], p[1], p[3], p[4] = single[0] - dy, single[1] - dx, single[0] + dy, single[1] + dx
    p[2] = p[5] = 0.8 * single[2]
    p[6] = single[3]
    a, a_new, low = np.zeros((7, 7)), np.zeros((7, 7)), np.zeros((7, 7))
    b, b_new, step = np.zeros(7), np.zeros(7), np.zeros(7)
    damping = 1e-2
    cost = _pair_equations(patch, p, sigma, a, b)
    for _ in range(30):
        if not _solve(a, b, damping, step, low):
            damping *= 10.0
            continue
        trial = p + step
        new = _pair_equations(patch, trial, sigma, a_new, b_new)
        if new > cost:
            damping *= 8.0
            if damping > 1e6:
                break
            continue
        moved = max(abs(step[0]), abs(step[1]), abs(step[3]), abs(step[4]))
        p = trial
        cost = new
        a[:] = a_new
        b[:] = b_new
        damping *= 0.1
        if moved < 5e-3:
            break
    return p, cost


@njit(cache=True, nogil=True)
def _patch(frame: Frame, sign: float, y: int, x: int, radius: int) -> tuple[FloatArray, int, int]:
    """Copy the window about a pixel, cut at the borders; and where its first pixel lies."""
    top, left = max(0, y - radius), max(0, x - radius)
    bottom, right = min(frame.shape[0], y + radius + 1), min(frame.shape[1], x + radius + 1)
    out = np.empty((bottom - top, right - left), np.float64)
    for j in range(top, bottom):
        for i in range(left, right):
            out[j - top, i - left] = sign * frame[j, i]
    return out, top, left


@njit(cache=True, nogil=True)
def _take_out(patch: FloatArray, top: int, left: int, spot: FloatArray) -> None:
    """Subtract another spot's model from a window."""
    inverse = 0.5 / (spot[4] * spot[4])
    ex = np.empty(patch.shape[1])
    for i in range(patch.shape[1]):
        ex[i] = math.exp(-((left + i - spot[1]) ** 2) * inverse)
    for j in range(patch.shape[0]):
        ey = spot[2] * math.exp(-((top + j - spot[0]) ** 2) * inverse)
        for i in range(patch.shape[1]):
            patch[j, i] -= ey * ex[i]


@njit(cache=True, nogil=True)
def _parabola(low: float, middle: float, high: float) -> float:
    """Offset of the top of the parabola through three equidistant points."""
    curve = low - 2.0 * middle + high
    return 0.5 * (low - high) / curve if curve < 0.0 else 0.0


@njit(cache=True, nogil=True)
def _start(filtered: Image, y: int, x: int, gain: float, sigma: float, out: FloatArray) -> None:
    """First guess of a spot from the band-passed frame, whose `gain` for a spot of the right width is known."""
    height, width = filtered.shape
    out[0], out[1] = y, x
    if 0 < y < height - 1:
        out[0] += _parabola(filtered[y - 1, x], filtered[y, x], filtered[y + 1, x])
    if 0 < x < width - 1:
        out[1] += _parabola(filtered[y, x - 1], filtered[y, x], filtered[y, x + 1])
    out[2] = filtered[y, x] / gain
    out[3] = 0.0
    out[4] = sigma


@njit(cache=True, nogil=True)
def _window(  # noqa: PLR0913, PLR0917 - a compiled kernel takes arrays, not records
    frame: Frame,
    sign: float,
    spots: FloatArray,
    pairs: FloatArray,
    own: int,
    y: int,
    x: int,
    radius: int,
    far: float,
) -> tuple[FloatArray, int, int]:
    """Copy the window about a pixel and take the other spots near it, and second ones of pairs, out of it.

    ``spots`` are in reading order, ``pairs`` in any.
    """
    patch, top, left = _patch(frame, sign, y, x, radius)
    # Fits move a spot by a few pixels, so the order is kept only roughly: look a little further.
    m = own - 1
    while m >= 0 and spots[m, 0] >= y - 2.0 * far:
        if abs(spots[m, 0] - y) <= far and abs(spots[m, 1] - x) <= far:
            _take_out(patch, top, left, spots[m])
        m -= 1
    m = own + 1
    while m < spots.shape[0] and spots[m, 0] <= y + 2.0 * far:
        if abs(spots[m, 0] - y) <= far and abs(spots[m, 1] - x) <= far:
            _take_out(patch, top, left, spots[m])
        m += 1
    for m in range(pairs.shape[0]):
        if abs(pairs[m, 0] - y) <= far and abs(pairs[m, 1] - x) <= far:
            _take_out(patch, top, left, pairs[m])
    return patch, top, left


@njit(cache=True, nogil=True)
def _news(spots: FloatArray, changed: IntArray, own: int, far: float, since: int) -> bool:
    """Whether a spot within `far` along each axis has changed after `since`; `spots` are roughly in reading order."""
    y, x = spots[own, 0], spots[own, 1]
    m = own - 1
    while m >= 0 and spots[m, 0] >= y - 2.0 * far:
        if changed[m] > since and abs(spots[m, 0] - y) <= far and abs(spots[m, 1] - x) <= far:
            return True
        m -= 1
    m = own + 1
    while m < spots.shape[0] and spots[m, 0] <= y + 2.0 * far:
        if changed[m] > since and abs(spots[m, 0] - y) <= far and abs(spots[m, 1] - x) <= far:
            return True
        m += 1
    return False


@njit(cache=True, nogil=True)
def _light_moved(before: FloatArray, after: FloatArray) -> float:
    """About how much a spot's light differs between two fits, at most, in counts."""
    steepest = max(before[2], after[2]) / min(before[4], after[4])
    shift = max(abs(after[0] - before[0]), abs(after[1] - before[1]), abs(after[4] - before[4]))
    return float(steepest * shift + abs(after[2] - before[2]))


@njit(cache=True, nogil=True)
def _mean_rest(patch: FloatArray, p: FloatArray) -> float:
    """Mean of window less model: the ground that fits best beside a guessed spot."""
    inverse = 0.5 / (p[4] * p[4])
    ey = ex = 0.0
    for j in range(patch.shape[0]):
        ey += math.exp(-((j - p[0]) ** 2) * inverse)
    for i in range(patch.shape[1]):
        ex += math.exp(-((i - p[1]) ** 2) * inverse)
    return float((patch.sum() - p[2] * ey * ex) / patch.size)


@njit(cache=True, nogil=True)
def refine(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a compiled kernel takes arrays, not records
    frame: Frame,
    sign: float,
    filtered: Image,
    peaks: FloatArray,
    noise: FloatArray,
    sigma: float,
    gain: float,
    radius: int,
    rounds: int,
    pairs_tried: bool,  # noqa: FBT001 - a compiled kernel has no keyword-only arguments
) -> FloatArray:
    """Fit a Gaussian to each peak; neighbours are taken out of each other's windows, in a few rounds.

    With `pairs_tried`, a spot whose single fit leaves much more than the pixel ``noise`` (one value per peak) is tried
    as a pair.

    Returns
    -------
    numpy.ndarray, shape (n, 5)
        y, x, height, ground, sigma. Where a fit failed, the interpolated maximum stands.
    """
    n = peaks.shape[0]
    first = np.empty((n, 5))
    for k in range(n):
        _start(filtered, int(peaks[k, 0]), int(peaks[k, 1]), gain, sigma, first[k])
    spots = first.copy()
    good = np.zeros(n, np.bool_)
    left_over = np.zeros(n)
    # A neighbour matters while its light reaches the window.
    far = radius + 3.0 * sigma
    reach = 1.5 * sigma + 0.5
    split = 0
    pairs = np.empty((n, 5))
    partner = np.zeros(n, np.bool_)
    # When, counted in fits, each spot was fitted last and when its light last changed: without news near it a fit
    # would only say the same again.
    clock = 0
    fitted_at = np.full(n, -1)
    changed_at = np.zeros(n, np.int64)
    for turn in range(rounds + 1):
        for k in range(n):
            if partner[k] or (turn > 0 and not _news(spots, changed_at, k, far, fitted_at[k])):
                continue
            y, x = int(peaks[k, 0]), int(peaks[k, 1])
            patch, top, left = _window(frame, sign, spots, pairs[:split], k, y, x, radius, far)
            begin = spots[k].copy() if good[k] else first[k].copy()
            begin[0] -= top
            begin[1] -= left
            if not good[k]:
                begin[3] = _mean_rest(patch, begin)
            fitted, fine, cost = fit_gaussian(patch, begin, 0.5 * sigma, 3.0 * sigma, reach, noise[k])
            fitted[0] += top
            fitted[1] += left
            away = (fitted[0] - first[k, 0]) ** 2 + (fitted[1] - first[k, 1]) ** 2
            good[k] = fine and away <= reach * reach
            left_over[k] = cost / (noise[k] * noise[k]) - patch.size
            if not good[k]:
                fitted[:] = first[k]
                fitted[3] = begin[3]
            clock += 1
            fitted_at[k] = clock
            if _light_moved(spots[k], fitted) > _NEWS * noise[k]:
                changed_at[k] = clock
            spots[k] = fitted
        if turn == rounds - 1:
            if not pairs_tried:
                break
            for k in range(n):
                # Five SDs of chi-squared: chance alone seldom gets here.
                if left_over[k] <= 5.0 * math.sqrt(2.0 * (2 * radius + 1) ** 2) or partner[k]:
                    continue
                y, x = int(peaks[k, 0]), int(peaks[k, 1])
                patch, top, left = _window(frame, sign, spots, pairs[:split], k, y, x, radius, far)
                if _try_pair(patch, top, left, spots[k], left_over[k], noise[k], sigma, pairs[split]):
                    partner[k] = True
                    split += 1
                    clock += 1
                    changed_at[k] = clock
            if split == 0:
                break
    out = np.empty((n + split, 5))
    out[:n] = spots
    out[n:] = pairs[:split]
    return out


@njit(cache=True, nogil=True)
def _try_pair(  # noqa: PLR0913, PLR0917 - a compiled kernel takes arrays, not records
    patch: FloatArray,
    top: int,
    left: int,
    spot: FloatArray,
    left_over: float,
    noise: float,
    sigma: float,
    other: FloatArray,
) -> bool:
    """Replace a spot by a pair, written to `spot` and `other`, if two spots explain what one cannot.

    Asked for: two thirds of the misfit gone (a single spot of odd shape keeps more), a distance at which two spots
    differ from a blurred one, and no height below a fifth of the other.
    """
    single = spot.copy()
    single[0] -= top
    single[1] -= left
    p, cost = fit_pair(patch, single, sigma)
    excess = cost / (noise * noise) - patch.size
    apart = math.hypot(p[0] - p[3], p[1] - p[4])
    even = min(p[2], p[5]) > 0.2 * max(p[2], p[5]) and max(p[2], p[5]) > 0.0
    inside = True
    for one in (0, 3):
        inside = inside and -0.5 <= p[one] < patch.shape[0] - 0.5 and -0.5 <= p[one + 1] < patch.shape[1] - 0.5
    if not (even and inside and 1.25 * sigma <= apart <= 4.0 * sigma and excess < left_over / 3.0):
        return False
    for one in range(2):
        to = spot if one == 0 else other
        to[0] = p[3 * one] + top
        to[1] = p[3 * one + 1] + left
        to[2] = p[3 * one + 2]
        to[3] = p[6]
        to[4] = sigma
    return True


@njit(cache=True, nogil=True)
def saturated(frame: Frame, spots: FloatArray, radius: int, limit: float) -> BoolArray:
    """Return which spots hold a pixel at or above the camera's `limit`."""
    out = np.zeros(spots.shape[0], np.bool_)
    for k in range(spots.shape[0]):
        y, x = round(spots[k, 0]), round(spots[k, 1])
        for j in range(max(0, y - radius), min(frame.shape[0], y + radius + 1)):
            for i in range(max(0, x - radius), min(frame.shape[1], x + radius + 1)):
                if frame[j, i] >= limit:
                    out[k] = True
    return out


@njit(cache=True, nogil=True)
def ring_coverage(filtered: Image, y: float, x: float, radius: float, level: float) -> float:
    """Return the share of a circle's 32 directions in which the frame exceeds `level` near the circle."""
    height, width = filtered.shape
    hits = 0
    seen = 0
    for k in range(32):
        angle = 2.0 * math.pi * k / 32
        best = -np.inf
        for step in range(-1, 2):
            j = round(y + (radius + step) * math.sin(angle))
            i = round(x + (radius + step) * math.cos(angle))
            if 0 <= j < height and 0 <= i < width:
                best = max(best, filtered[j, i])
        if best > -np.inf:
            seen += 1
            hits += best > level
    return hits / seen if seen >= 16 else 0.0


@njit(cache=True, nogil=True)
def radial_centre(patch: FloatArray) -> tuple[float, float]:
    """Centre of radial symmetry: the point nearest to all lines of steepest ascent.

    Parthasarathy 2012, Nat Methods 9:724 (weights: squared gradient over distance to the centroid).
    """
    height, width = patch.shape
    weights = 0.0
    cy = 0.0
    cx = 0.0
    for turn in range(2):
        sxx = sxy = syy = bx = by = 0.0
        for j in range(height - 1):
            for i in range(width - 1):
                u = patch[j + 1, i + 1] - patch[j, i]
                v = patch[j + 1, i] - patch[j, i + 1]
                gx, gy = u - v, u + v
                size = gx * gx + gy * gy
                if size == 0.0:
                    continue
                x, y = i + 0.5, j + 0.5
                if turn == 0:
                    weights += size
                    cx += size * x
                    cy += size * y
                    continue
                weight = size / math.sqrt((x - cx) ** 2 + (y - cy) ** 2 + 0.25)
                # Distance from the line through (x, y) along the gradient: its normal is (-gy, gx).
                nx, ny = -gy / math.sqrt(size), gx / math.sqrt(size)
                along = nx * x + ny * y
                sxx += weight * nx * nx
                sxy += weight * nx * ny
                syy += weight * ny * ny
                bx += weight * nx * along
                by += weight * ny * along
        if turn == 0:
            if weights == 0.0:
                return (height - 1) / 2.0, (width - 1) / 2.0
            cx /= weights
            cy /= weights
        else:
            det = sxx * syy - sxy * sxy
            if det > 1e-12 * (sxx + syy) ** 2:
                return (sxx * by - sxy * bx) / det, (syy * bx - sxy * by) / det
    return cy, cx


@njit(cache=True, nogil=True)
def chains(y: FloatArray, x: FloatArray, reach: float) -> IntArray:
    """Return the group of each point: points joined by chains of gaps up to `reach`; named by its first point."""
    group = np.arange(y.size)
    by_row = np.argsort(y, kind="mergesort")
    for n in range(y.size):
        k = by_row[n]
        for m in range(n + 1, y.size):
            other = by_row[m]
            gap = y[other] - y[k]
            if gap > reach:
                break
            if gap * gap + (x[other] - x[k]) ** 2 <= reach * reach:
                a, b = k, other
                while group[a] != a:
                    a = group[a]
                while group[b] != b:
                    b = group[b]
                group[max(a, b)] = min(a, b)
    # A group's first point has no lower one above it, so one sweep upwards names them all.
    for k in range(y.size):
        group[k] = group[group[k]]
    return group
