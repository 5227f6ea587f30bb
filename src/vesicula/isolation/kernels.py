"""Compiled loops of the ensemble: numbers of many draws at once, changed in place.

Shapes: n draws, m pairs of class and diameter bin that are not empty, q density shares. `cls` maps a pair to its class,
`bins` to its bin.
"""

from __future__ import annotations

import math

import numpy as np

from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray
from vesicula.core.population import IntArray

ROOT2 = math.sqrt(2.0)


@compiled
def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / ROOT2)


@compiled
def fill(
    number: FloatArray,
    total: FloatArray,
    median: FloatArray,
    log_gsd: FloatArray,
    low: FloatArray,
    high: FloatArray,
    cls: IntArray,
) -> None:
    """Spread the totals (n, classes) over log-normal bins between `low` and `high` (m,), already cut to the class."""
    n, m, q = number.shape
    for k in range(n):
        sums = np.zeros(total.shape[1])
        weight = np.empty(m)
        for j in range(m):
            c = cls[j]
            mid = math.log(median[k, c])
            weight[j] = _cdf((math.log(high[j]) - mid) / log_gsd[c]) - _cdf((math.log(low[j]) - mid) / log_gsd[c])
            sums[c] += weight[j]
        for j in range(m):
            value = total[k, cls[j]] * weight[j] / sums[cls[j]] / q
            for i in range(q):
                number[k, j, i] = value


@compiled
def density(
    rho: FloatArray, shell: FloatArray, core: FloatArray, core_share: FloatArray, spread: FloatArray, cls: IntArray
) -> None:
    """Fill the densities (n, m, q) of the core-shell model; `spread` (classes, q) is SD times deviate."""
    n, m, q = rho.shape
    for k in range(n):
        for j in range(m):
            c = cls[j]
            mean = shell[k, c] * (1.0 - core_share[j]) + core[k, c] * core_share[j]
            for i in range(q):
                rho[k, j, i] = mean + spread[c, i]


@compiled
def _diffusing(log_s: float, u: float, v: float, tables: FloatArray, place: int) -> float:
    """Interpolate bilinearly in a flat stack of tables; `u` and `v` are the cell's coordinates less those of log_s."""
    rows, columns = tables.shape[1], tables.shape[2]
    x = min(max(u + log_s * tables[0, 0, 0], 0.0), rows - 1.000001)
    y = min(max(v + log_s * tables[0, 0, 1], 0.0), columns - 1.000001)
    a, b = int(x), int(y)
    x -= a
    y -= b
    top = tables[place, a, b] * (1.0 - y) + tables[place, a, b + 1] * y
    return float(top * (1.0 - x) + (tables[place, a + 1, b] * (1.0 - y) + tables[place, a + 1, b + 1] * y) * x)


@compiled
def _settled(swing: float, xi: float, steep: float) -> float:
    """Return the pelleted share without diffusion: `xi` ways covered, `steep` the radius over the way."""
    if xi <= 0.0:
        return 0.0
    if swing > 0.5:
        return float(min(1.0, -steep * math.expm1(-xi)))
    if xi >= 1.0:
        return 1.0
    return float(2.0 / math.pi * (math.asin(xi) + xi * math.sqrt(1.0 - xi * xi)))


@compiled
def spin(  # noqa: PLR0913, PLR0917 - compiled code takes its arguments by place
    number: FloatArray,
    rho: FloatArray,
    d_nm: FloatArray,
    gone: FloatArray,
    liquids: FloatArray,
    runs: FloatArray,
    settings: FloatArray,
    tables: FloatArray,
    grids: FloatArray,
    washes: int,
    keep_pellet: bool,  # noqa: FBT001 - compiled code takes its arguments by place
) -> None:
    """Centrifuge: `liquids` (2, 3: density g/mL, viscosity mPa s, kT) and `runs` (2, 7) for the run and its washes.

    A run: swing-out (1 or 0), r_max, length, way's radius (m), w^2, seconds, largest diffusive Peclet number.
    `settings` (n, 4): viscosity factor, pellet_loss, residual, layer over the default. `gone` (m,): volume share of
    water that the medium draws from the particle. `tables` (5, x, y): the first holds the inverse
    steps of both axes, then flotation and sedimentation of the run and of its washes. `grids` (2, 4): start and step.
    """
    n, m, q = number.shape
    water = 0.9982
    for k in range(n):
        loss, residual, log_layer = settings[k, 1], settings[k, 2], math.log(settings[k, 3])
        for w in range(2 if washes > 0 else 1):
            eta = liquids[w, 1] * 1e-3 * (settings[k, 0] if w == 0 else 1.0)
            thin, swing, seconds, limit = liquids[w, 0], runs[w, 0], runs[w, 5], runs[w, 6]
            speed = runs[w, 4] * runs[w, 3] / runs[w, 2]  # ways per second, per second of s
            ways = runs[w, 4] * seconds if swing > 0.5 else speed * seconds
            steep = runs[w, 1] / runs[w, 2]
            y0 = (math.log(speed * seconds) - grids[w, 2]) / grids[w, 3]
            for j in range(m):
                d = d_nm[j] * 1e-9
                peclet = speed * runs[w, 2] ** 2 * 3.0 * math.pi * eta * d / liquids[w, 2]
                x0 = (math.log(peclet) - grids[w, 0]) / grids[w, 1]
                slope = d * d * 1000.0 / (18.0 * eta)
                less = thin + gone[j] * (water - thin)
                for i in range(q):
                    s = slope * (rho[k, j, i] - less)
                    if abs(s) * peclet < limit:
                        place = 1 + 2 * w + (1 if s >= 0.0 else 0)
                        g = _diffusing(math.log(max(abs(s), 1e-30)), x0, y0, tables, place)
                        f = -math.expm1(-math.exp(g + log_layer))
                    else:
                        f = _settled(swing, s * ways, steep)
                    down = f + (1.0 - f) * residual
                    if not keep_pellet:
                        number[k, j, i] *= 1.0 - down
                    elif w == 0:
                        number[k, j, i] *= down * (1.0 - loss)
                    else:
                        number[k, j, i] *= (down * (1.0 - loss)) ** washes


@compiled
def sieve(share: FloatArray, d_nm: FloatArray, pore_nm: FloatArray, log_gsd: FloatArray, deviates: FloatArray) -> None:
    """Fill the sieving coefficients (n, bins), Ferry's, weighted by the flow through log-normal pores."""
    inverse = np.empty(deviates.size)
    for k in range(share.shape[0]):
        for i in range(deviates.size):
            inverse[i] = math.exp(-4.0 * log_gsd[k] ** 2 - log_gsd[k] * deviates[i]) / pore_nm[k]
        for b in range(d_nm.size):
            total = 0.0
            for x in inverse:
                free = max(0.0, 1.0 - d_nm[b] * x) ** 2
                total += 2.0 * free - free * free
            share[k, b] = total / deviates.size


@compiled
def elute(
    share: FloatArray, d_nm: FloatArray, column: FloatArray, spread: FloatArray, windows: FloatArray, load: FloatArray
) -> None:
    """Fill the kept share of SEC (n, bins). `column` (n, 6): void, pore volume, median pore, plates twice, recovery."""
    for k in range(share.shape[0]):
        void, pore_ml, median = column[k, 0], column[k, 1], column[k, 2]
        plates_void, plates_pore, recovery = column[k, 3], column[k, 4], column[k, 5]
        for b in range(d_nm.size):
            free = 0.0
            for x in spread:
                free += max(0.0, 1.0 - d_nm[b] / (median * x)) ** 2
            inside = free / spread.size * pore_ml
            sd = math.sqrt(void**2 / plates_void + inside**2 / plates_pore + load[k] ** 2 / 12.0)
            mean = void + inside + 0.5 * load[k]
            kept = 0.0
            for w in range(windows.shape[0]):
                first = _cdf((windows[w, 0] - mean) / sd) if windows[w, 0] > 0 else 0.0
                kept += _cdf((windows[w, 1] - mean) / sd) - first
            share[k, b] = kept * recovery


@compiled
def by_bin(number: FloatArray, share: FloatArray, bins: IntArray) -> None:
    """Multiply by a share that depends on the diameter alone."""
    n, m, q = number.shape
    for k in range(n):
        for j in range(m):
            for i in range(q):
                number[k, j, i] *= share[k, bins[j]]


@compiled
def by_pair(number: FloatArray, share: FloatArray) -> None:
    """Multiply by a share per pair of class and bin, (n, m)."""
    n, m, q = number.shape
    for k in range(n):
        for j in range(m):
            for i in range(q):
                number[k, j, i] *= share[k, j]


@compiled
def by_density(number: FloatArray, rho: FloatArray, share: FloatArray, base: FloatArray, grid: FloatArray) -> None:
    """Multiply by a share (m, offsets) tabulated by the density over `base` (m,); grid holds first offset and step."""
    n, m, q = number.shape
    last = share.shape[1] - 1.000001
    for k in range(n):
        for j in range(m):
            for i in range(q):
                u = min(max((rho[k, j, i] - base[j] - grid[0]) / grid[1], 0.0), last)
                a = int(u)
                number[k, j, i] *= share[j, a] + (share[j, a + 1] - share[j, a]) * (u - a)


@compiled
def tally(
    number: FloatArray, rho: FloatArray, d_nm: FloatArray, cls: IntArray, counted_from: float, out: FloatArray
) -> None:
    """Fill particles, mass in g, and particles counted from a diameter on, by class: out (n, 3, classes)."""
    n, m, q = number.shape
    for k in range(n):
        for c in range(out.shape[2]):
            out[k, 0, c] = out[k, 1, c] = out[k, 2, c] = 0.0
        for j in range(m):
            volume = math.pi / 6.0 * (d_nm[j] * 1e-7) ** 3
            count = mass = 0.0
            for i in range(q):
                count += number[k, j, i]
                mass += number[k, j, i] * rho[k, j, i]
            out[k, 0, cls[j]] += count
            out[k, 1, cls[j]] += mass * volume
            if d_nm[j] >= counted_from:
                out[k, 2, cls[j]] += count


@compiled
def _speed(liquid: FloatArray, cell: int, d2: float, rho: float, lumen: float) -> float:
    """Return the speed (m/s) in a cell; `liquid` (4, cells) is what `bands` calls a profile."""
    return float(d2 * (rho - liquid[1, cell] - lumen * liquid[2, cell]) * liquid[0, cell])


@compiled
def travel(x: float, seconds: float, h: float, liquid: FloatArray, d2: float, rho: float, lumen: float) -> float:
    """Return where a particle is after a time in a frozen profile; exact for a speed that is constant within cells.

    It crosses cell after cell in the direction of its first one, and stops at the border of a cell that drives it back
    or at an end of the tube. `x` is the distance from the top (m), `h` the height of a cell.
    """
    n = liquid.shape[1]
    cell = min(max(int(x / h), 0), n - 1)
    way = 1 if _speed(liquid, cell, d2, rho, lumen) >= 0.0 else -1
    while 0 <= cell < n:
        v = way * _speed(liquid, cell, d2, rho, lumen)
        if v <= 0.0:
            return x
        border = (cell + 1) * h if way > 0 else cell * h
        ahead = max(way * (border - x), 0.0)
        if v * seconds < ahead:
            return x + way * v * seconds
        seconds -= ahead / v
        x = border
        cell += way
    return x


@compiled
def widen(  # noqa: PLR0913, PLR0917 - compiled code takes its arguments by place
    variance: float, x: float, seconds: float, h: float, liquid: FloatArray, d_m: float, rho: float, lumen: float
) -> float:
    """Return the variance of a band after a time: d var/dt = 2 D - 2 kappa var, with kappa = -dv/dr."""
    cell = min(max(int(x / h), 1), liquid.shape[1] - 2)
    above = _speed(liquid, cell - 1, d_m * d_m, rho, lumen)
    below = _speed(liquid, cell + 1, d_m * d_m, rho, lumen)
    kappa = max((above - below) / (2.0 * h), 1e-12)
    diffusion = liquid[3, cell] / d_m
    if 2.0 * kappa * seconds < 1e-6:  # for a vanishing kappa the growth is 2 D dt
        return float(variance + 2.0 * diffusion * seconds)
    decay = math.exp(-min(2.0 * kappa * seconds, 700.0))
    return float(variance * decay + diffusion / kappa * (1.0 - decay))


@compiled
def bands(  # noqa: PLR0913, PLR0917 - compiled code takes its arguments by place
    share: FloatArray,
    d_m: FloatArray,
    rho: FloatArray,
    lumen: FloatArray,
    start: FloatArray,
    seconds: FloatArray,
    profiles: FloatArray,
    h: float,
) -> None:
    """Add up each particle's share in each fraction of a gradient and, last, on the bottom: share (m, fractions + 1).

    `start` (slices,): distances from the top (m) that the particles begin at. `profiles` (segments, 4, cells), each
    for one of `seconds`: speed per excess density and d^2, density, what a lumen loses as excess, D times diameter.
    """
    fractions, length = share.shape[1] - 1, h * profiles.shape[2]
    each = 1.0 / start.size
    for j in range(d_m.size):
        for begin in start:
            x, variance = begin, 0.0
            for k in range(seconds.size):
                x = travel(x, seconds[k], h, profiles[k], d_m[j] * d_m[j], rho[j], lumen[j])
                variance = widen(variance, x, seconds[k], h, profiles[k], d_m[j], rho[j], lumen[j])
            if x >= length - 1e-9:
                share[j, fractions] += each
                continue
            sd, before = max(math.sqrt(variance), 1e-9), 0.0
            for f in range(fractions):  # the ends are closed: what would pass them stays in the end fraction
                z = (length * (f + 1) / fractions - x) / sd
                upto = 1.0 if f == fractions - 1 or z > 9.0 else _cdf(max(z, -9.0))
                share[j, f] += each * (upto - before)
                before = upto


@compiled
def by_shift(
    number: FloatArray,
    rho: FloatArray,
    spread: FloatArray,
    cls: IntArray,
    base: FloatArray,
    grid: FloatArray,
    share: FloatArray,
) -> None:
    """Multiply by a share (m, q, shifts) tabulated by how far the mean density lies from `base` (m,).

    `spread` (classes, q) is what each density share lies above its mean; `grid` (m, 2) the first shift and the step.
    """
    n, m, q = number.shape
    last = share.shape[2] - 1.000001
    for k in range(n):
        for j in range(m):
            shift = rho[k, j, 0] - spread[cls[j], 0] - base[j]
            u = min(max((shift - grid[j, 0]) / grid[j, 1], 0.0), last)
            a = int(u)
            for i in range(q):
                number[k, j, i] *= share[j, i, a] + (share[j, i, a + 1] - share[j, i, a]) * (u - a)
