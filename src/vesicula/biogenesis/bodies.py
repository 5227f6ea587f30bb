"""The stochastic cell in which every multivesicular body carries its own vesicles and lets them go at once.

The plain network of `secretion` has the right means, but would let vesicles leave one by one. Here late endosomes and
MVBs are individuals, so that release comes in bursts, as large as the body was full.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vesicula.biogenesis.model import Network
from vesicula.biogenesis.ode import check_times
from vesicula.biogenesis.secretion import SPECIES, WARM_UP_H, effective_values
from vesicula.biogenesis.ssa import Ensemble, SeedArray, run_replicates, seeds_from
from vesicula.biogenesis.vm import IntArray
from vesicula.core.errors import AnalysisError
from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray, frozen

# Order of the rates handed to the compiled loop.
RATES = (
    *("k_endocytosis", "k_recycle", "k_mature", "k_ripe", "k_cluster", "k_bud", "k_abscise", "k_dissolve"),
    *("k_ceramide", "k_backfusion", "k_lysosome", "k_dock", "k_fuse", "k_disperse"),
    *("k_microvesicle", "k_apoptosis", "k_reuptake", "k_decay", "bodies"),
)
CAPACITY = 4096  # bodies of one kind in one cell; far above any sensible parameter
LATE, MVB, DOCKED, OPEN = 0, 1, 2, 3
CLUSTER, BUD, ESCRT, CERAMIDE = 0, 1, 2, 3

# Places in the vector of counts, which has the order of secretion.SPECIES.
FIRST_MEDIUM = SPECIES.index("exosomes_escrt")
FORMED = SPECIES.index("formed_escrt")
RELEASED = SPECIES.index("released_escrt")
DEGRADED = SPECIES.index("degraded_escrt")
BACK = SPECIES.index("fused_back_escrt")
MVB_RELEASED = SPECIES.index("mvb_released")
MVB_DEGRADED = SPECIES.index("mvb_degraded")
SHED = SPECIES.index("microvesicles_shed")
REUPTAKEN = SPECIES.index("reuptaken")
DECAYED = SPECIES.index("decayed")
CHANNELS = 28


@compiled
def _pick(load: IntArray, kind: int, what: int, count: int, left: float) -> int:
    """Return the body that holds the vesicle number `left` of all of its sort."""
    for i in range(count):
        left -= load[kind, i, what]
        if left < 0.0:
            return i
    for i in range(count - 1, -1, -1):  # rounding at the very end
        if load[kind, i, what] > 0:
            return i
    return 0


@compiled
def _move(load: IntArray, number: IntArray, source: int, index: int, target: int) -> None:
    """Take a body out of its kind (the last one fills its place) and put it into another; -1 for nowhere."""
    if target >= 0:
        load[target, number[target]] = load[source, index]
        number[target] += 1
    number[source] -= 1
    load[source, index] = load[source, number[source]]


@compiled
def _sum_loads(load: IntArray, number: IntArray, total: IntArray) -> None:
    for kind in range(4):
        for what in range(4):
            total[kind, what] = 0
            for i in range(number[kind]):
                total[kind, what] += load[kind, i, what]


@compiled
def _rates(k: FloatArray, early: int, number: IntArray, total: IntArray, n: FloatArray, a: FloatArray) -> float:
    a[0] = k[0]
    a[1] = k[1] * early
    a[2] = k[2] * early
    a[3] = k[3] * number[0]
    a[4] = k[4] * number[0]
    a[5] = k[5] * total[0, 0]
    a[6] = k[6] * total[0, 1]
    a[7] = k[7] * total[0, 0]
    a[8] = k[7] * total[0, 1]
    a[9] = k[8] * number[0]
    a[10] = k[9] * total[0, 2]
    a[11] = k[9] * total[0, 3]
    a[12] = k[9] * total[1, 2]
    a[13] = k[9] * total[1, 3]
    a[14] = k[10] * number[1]
    a[15] = k[11] * number[1]
    a[16] = k[12] * number[2]
    a[17] = k[13] * number[3]
    a[18] = k[14]
    a[19] = k[15]
    for j in range(4):
        a[20 + j] = k[16] * n[FIRST_MEDIUM + j]
        a[24 + j] = k[17] * n[FIRST_MEDIUM + j]
    found = 0.0
    for r in range(28):
        found += a[r]
    return found


@compiled
def _form(r: int, left: float, unit: float, load: IntArray, number: IntArray, total: IntArray, n: FloatArray) -> None:
    """Do a step inside a late endosome or MVB: r from 4 to 13."""
    kind = 1 if r >= 12 else 0
    if r in (4, 9):
        i = min(int(left / unit), number[0] - 1)
        what = CLUSTER if r == 4 else CERAMIDE
        load[0, i, what] += 1
        total[0, what] += 1
        if r == 9:
            n[FORMED + 1] += 1
        return
    if r in (5, 7):
        what = CLUSTER
    elif r in (6, 8):
        what = BUD
    else:
        what = ESCRT if r in (10, 12) else CERAMIDE
    i = _pick(load, kind, what, number[kind], left / unit)
    load[kind, i, what] -= 1
    total[kind, what] -= 1
    if r in (5, 6):
        load[0, i, what + 1] += 1
        total[0, what + 1] += 1
    if r == 6:
        n[FORMED] += 1
    if r >= 10:
        n[BACK + what - ESCRT] += 1


@compiled
def _fate(r: int, left: float, unit: float, load: IntArray, number: IntArray, total: IntArray, n: FloatArray) -> bool:
    """Move a whole body: ripening (3), lysosome (14), docking (15), opening (16), release (17)."""
    source = 0 if r == 3 else (1 if r in (14, 15) else r - 14)
    i = min(int(left / unit), number[source] - 1)
    target = -1 if r in (14, 17) else (2 if r == 15 else source + 1)
    if target >= 0 and number[target] >= CAPACITY:
        return False
    if r == 3:  # buds that are not cut off by then come to nothing
        for what in range(2):
            total[0, what] -= load[0, i, what]
            load[0, i, what] = 0
    for what in range(2, 4):
        inside = load[source, i, what]
        total[source, what] -= inside
        if target >= 0:
            total[target, what] += inside
        elif r == 14:
            n[DEGRADED + what - ESCRT] += inside
        else:
            n[RELEASED + what - ESCRT] += inside
            n[FIRST_MEDIUM + what - ESCRT] += inside
    if r == 14:
        n[MVB_DEGRADED] += 1
    if r == 17:
        n[MVB_RELEASED] += 1
    _move(load, number, source, i, target)
    return True


@compiled
def _write(row: FloatArray, early: int, number: IntArray, total: IntArray, n: FloatArray) -> None:
    row[:] = n
    row[0] = early
    for kind in range(4):
        row[1 + kind] = number[kind]
        row[7 + 2 * kind] = total[kind, 2]
        row[8 + 2 * kind] = total[kind, 3]
    row[5] = total[0, 0]
    row[6] = total[0, 1]


@compiled
def _cell(rng: np.random.Generator, k: FloatArray, warm_up: float, grid: FloatArray, out: FloatArray) -> int:  # noqa: C901, PLR0912, PLR0915 - the inner loop
    load = np.zeros((4, CAPACITY, 4), dtype=np.int64)
    number = np.zeros(4, dtype=np.int64)
    total = np.zeros((4, 4), dtype=np.int64)
    n = np.zeros(out.shape[1])
    a = np.zeros(CHANNELS)
    early, firings, done, time = 0, 0, 0, -warm_up
    while True:
        rate = _rates(k, early, number, total, n, a)
        after = time + rng.standard_exponential() / rate if rate > 0.0 else np.inf
        if time < 0.0 <= after:  # fresh medium; the waiting time is drawn anew, which an exponential allows
            time = 0.0
            n[FIRST_MEDIUM:] = 0.0
            continue
        while done < grid.size and grid[done] < after:
            _write(out[done], early, number, total, n)
            done += 1
        if done == grid.size:
            return firings
        time = after
        left = rng.random() * rate
        r = 0
        while r < 27 and left >= a[r]:
            left -= a[r]
            r += 1
        while a[r] == 0.0 and r > 0:
            r -= 1
        firings += 1
        if r == 0:
            early += 1
        elif r == 1:
            early -= 1
        elif r == 2:
            early -= 1
            if number[0] >= CAPACITY:
                return -1
            load[0, number[0]] = 0
            number[0] += 1
        elif r in (3, 14, 15, 16, 17):
            unit = a[r] / number[0 if r == 3 else (1 if r in (14, 15) else r - 14)]
            if not _fate(r, left, unit, load, number, total, n):
                return -1
        elif r < 14:
            weight = k[r] if r < 8 else (k[7] if r == 8 else (k[8] if r == 9 else k[9]))
            _form(r, left, weight, load, number, total, n)
        elif r == 18:
            n[FIRST_MEDIUM + 2] += 1
            n[SHED] += 1
        elif r == 19:
            # A share of a body is a chance of one, so that the mean is right.
            count = np.floor(k[18] + rng.random())
            n[FIRST_MEDIUM + 3] += count
            n[SHED + 1] += count
        else:
            n[FIRST_MEDIUM + (r - 20) % 4] -= 1
            n[REUPTAKEN if r < 24 else DECAYED] += 1


def rate_vector(network: Network) -> FloatArray:
    """Return the numbers that the compiled loop reads, in the order of `RATES`.

    Parameters
    ----------
    network : Network
        From `secretion_network`.

    Returns
    -------
    numpy.ndarray, shape (len(RATES),)
        Docking summed over the three RABs, ESCRT levels multiplied in.

    Raises
    ------
    AnalysisError
        When the network is not the secretion model, or a rate is negative.
    """
    v = effective_values(network)
    try:
        v["k_cluster"] *= v["escrt_0"]
        v["k_bud"] *= v["escrt_1"] * v["escrt_2"]
        v["k_abscise"] *= v["escrt_3"]
        v["k_dock"] = v["k_dock_rab27"] + v["k_dock_rab11"] + v["k_dock_rab35"]
        v["bodies"] = v["apoptotic_bodies_per_cell"]
        found = np.array([v[name] for name in RATES])
    except KeyError as error:
        raise AnalysisError(f"{network.name} is not the secretion model: it has no {error.args[0]!r}") from error
    if not np.all(found >= 0):
        raise AnalysisError(f"{network.name}: a rate is negative")
    return found


def simulate_secretion(
    network: Network,
    times: npt.ArrayLike,
    *,
    n: int = 100,
    seed: int,
    warm_up_h: float = WARM_UP_H,
    threads: int = 2,
    seeds: SeedArray | None = None,
) -> Ensemble:
    """Simulate secreting cells one by one, each MVB with its own load.

    Parameters
    ----------
    network : Network
        From `secretion_network`; only its parameters are read.
    times : array_like, shape (t,)
        Hours since the medium was changed.
    n : int
        Cells.
    seed : int
        Seed of the ensemble.
    warm_up_h : float
        How long each cell runs before time zero, at which medium and counters are emptied.
    threads : int
        Threads; the result does not depend on it.
    seeds : numpy.ndarray of uint64, optional
        Run these cells instead of `n` derived from `seed`.

    Returns
    -------
    Ensemble
        All of `secretion.SPECIES` per cell.

    Raises
    ------
    AnalysisError
        When a cell would hold more than 4096 bodies of a kind, or an argument makes no sense.
    """
    grid, rates = check_times(times), rate_vector(network)
    if n < 1 or threads < 1 or not warm_up_h >= 0:
        raise AnalysisError("n and threads must be at least 1, warm_up_h not negative")
    used = seeds_from(seed, n) if seeds is None else np.asarray(seeds, dtype=np.uint64)
    runs = np.empty((used.size, grid.size, len(SPECIES)))

    def cell(i: int) -> int:
        rng = np.random.Generator(np.random.PCG64(int(used[i])))
        firings = _cell(rng, rates, warm_up_h, grid, runs[i])
        if firings < 0:
            raise AnalysisError(f"a cell holds more than {CAPACITY} bodies of a kind; check the rates")
        return firings

    firings = run_replicates(cell, used.size, threads)
    return Ensemble(time=grid, names=SPECIES, runs=frozen(runs), entropy=seed, seeds=used, firings=firings)
