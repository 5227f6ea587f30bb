"""The stochastic engine: Gillespie's direct method, exact, in ensembles whose every replicate can be run again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vesicula.biogenesis.expr import TIME, Expr, Op, Sym, factors, symbols, walk
from vesicula.biogenesis.happenings import Agenda, compile_events
from vesicula.biogenesis.model import Network
from vesicula.biogenesis.ode import check_times
from vesicula.biogenesis.system import Code, System, compile_network
from vesicula.biogenesis.vm import STACK, IntArray, Program, execute
from vesicula.core.errors import AnalysisError
from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray, frozen

SeedArray = npt.NDArray[np.uint64]
MOST_FIRINGS = 2_000_000_000  # per run and stretch: a model that explodes ends with an error instead of never


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ensemble:
    """Replicates of a stochastic simulation.

    Parameters
    ----------
    time : numpy.ndarray, shape (t,)
        Output times.
    names : tuple of str
        What was recorded.
    runs : numpy.ndarray, shape (n, t, len(names))
        One trajectory per replicate; read-only.
    entropy : int
        Seed of the ensemble.
    seeds : numpy.ndarray of uint64, shape (n,)
        Seed of each replicate; `seeds=` of the simulating function runs any of them again alone.
    firings : numpy.ndarray of int64, shape (n,)
        How many reactions happened in each replicate.
    """

    time: FloatArray
    names: tuple[str, ...]
    runs: FloatArray
    entropy: int
    seeds: SeedArray
    firings: IntArray

    def __getitem__(self, name: str) -> FloatArray:
        """Return one quantity of all replicates, shape (n, t).

        Raises
        ------
        AnalysisError
            When it was not recorded.
        """
        if name not in self.names:
            raise AnalysisError(f"the simulation did not record {name!r}")
        return self.runs[:, :, self.names.index(name)]


def seeds_from(entropy: int, n: int) -> SeedArray:
    """Return independent 64-bit seeds.

    Parameters
    ----------
    entropy : int
        Seed of the ensemble, not negative.
    n : int
        How many.

    Returns
    -------
    numpy.ndarray of uint64, shape (n,)
        The same for the same `entropy`; the first k do not depend on `n`.
    """
    return np.random.SeedSequence(entropy).generate_state(n, np.uint64).astype(np.uint64)


def run_replicates(work: Callable[[int], int], n: int, threads: int) -> IntArray:
    """Run replicates over threads; which thread runs which has no influence on any.

    Parameters
    ----------
    work : callable
        Simulates the replicate of an index, stores it, and returns its number of firings.
    n : int
        Replicates.
    threads : int
        Threads.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        What `work` returned.
    """
    found = np.zeros(n, dtype=np.int64)
    size = max(1, math.ceil(n / (4 * threads)))

    def chunk(start: int) -> None:
        for i in range(start, min(n, start + size)):
            found[i] = work(i)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(chunk, range(0, n, size)))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Jumps:
    """Reactions as arrays: propensities either as products of slots or as programs."""

    constant: FloatArray  # of a product; NaN marks a program
    factor_start: IntArray
    factor: IntArray
    code_start: IntArray
    code: IntArray
    constants: FloatArray
    rate_slot: IntArray
    change_start: IntArray
    change_slot: IntArray
    change: FloatArray
    touched_start: IntArray
    touched: IntArray


@compiled
def _propensity(  # noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
    r: int,
    values: FloatArray,
    stack: FloatArray,
    constant: FloatArray,
    factor_start: IntArray,
    factor: IntArray,
    code_start: IntArray,
    code: IntArray,
    constants: FloatArray,
    rate_slot: IntArray,
) -> float:
    a = constant[r]
    if a == a:  # noqa: PLR0124 - not NaN: a product
        for i in range(factor_start[r], factor_start[r + 1]):
            a *= values[factor[i]]
        return float(a)
    execute(code[code_start[r] : code_start[r + 1]], constants, values, stack)
    return float(values[rate_slot[r]])


REACHED, TRIGGERED, NEGATIVE, ENDLESS = 0, 1, 2, 3
REFRESH = 1024  # firings after which the sum of propensities is made anew


@compiled
def _direct(  # noqa: C901, PLR0912, PLR0913, PLR0917 - the inner loop: calls and objects would cost more than they explain
    rng: np.random.Generator,
    values: FloatArray,
    stack: FloatArray,
    constant: FloatArray,
    factor_start: IntArray,
    factor: IntArray,
    code_start: IntArray,
    code: IntArray,
    constants: FloatArray,
    rate_slot: IntArray,
    change_start: IntArray,
    change_slot: IntArray,
    change: FloatArray,
    touched_start: IntArray,
    touched: IntArray,
    rules: IntArray,
    rule_constants: FloatArray,
    trigger_start: IntArray,
    triggers: IntArray,
    trigger_constants: FloatArray,
    held: npt.NDArray[np.bool_],
    grid: FloatArray,
    done: int,
    stop: float,
    recorded: IntArray,
    out: FloatArray,
) -> tuple[int, int, int]:
    count = constant.size
    a = np.empty(count)
    total, peak, since, firings = 0.0, -1.0, REFRESH, 0
    for r in range(count):
        a[r] = _propensity(r, values, stack, constant, factor_start, factor, code_start, code, constants, rate_slot)
        if not a[r] >= 0.0:
            return done, 2, firings
    while True:
        # The sum is kept up to date by differences, and made anew before rounding could show.
        if since >= REFRESH or total < 1e-6 * peak:
            total, since = 0.0, 0
            for r in range(count):
                total += a[r]
            peak = total
        after = values[0] + rng.standard_exponential() / total if total > 0.0 else np.inf
        if done < grid.size and grid[done] <= min(after, stop):
            before = values[0]
            while done < grid.size and (grid[done] < after and grid[done] <= stop):
                values[0] = grid[done]
                for j in range(recorded.size):
                    out[done, j] = values[recorded[j]]
                done += 1
            values[0] = before
        if after > stop:
            values[0] = stop
            return done, 0, firings
        values[0] = after
        left = rng.random() * total
        chosen = 0
        while chosen < count - 1 and left >= a[chosen]:
            left -= a[chosen]
            chosen += 1
        while a[chosen] == 0.0 and chosen > 0:  # rounding at the very end of the sum
            chosen -= 1
        for i in range(change_start[chosen], change_start[chosen + 1]):
            values[change_slot[i]] += change[i]
        firings += 1
        since += 1
        if rules.shape[0] > 0:
            execute(rules, rule_constants, values, stack)
        for i in range(touched_start[chosen], touched_start[chosen + 1]):
            r = touched[i]
            fresh = constant[r]
            if fresh == fresh:  # noqa: PLR0124 - not NaN: a product of slots
                for j in range(factor_start[r], factor_start[r + 1]):
                    fresh *= values[factor[j]]
            else:
                execute(code[code_start[r] : code_start[r + 1]], constants, values, stack)
                fresh = values[rate_slot[r]]
            if not fresh >= 0.0:
                return done, 2, firings
            total += fresh - a[r]
            a[r] = fresh
        peak = max(peak, total)
        for i in range(held.size):
            execute(triggers[trigger_start[i] : trigger_start[i + 1]], trigger_constants, values, stack)
            if (values[-1] != 0.0) != held[i]:
                return done, 1, firings
        if firings >= MOST_FIRINGS:
            return done, 3, firings


def simulate_ssa(
    network: Network,
    times: npt.ArrayLike,
    *,
    n: int = 100,
    seed: int,
    record: Sequence[str] | None = None,
    threads: int = 2,
    seeds: SeedArray | None = None,
) -> Ensemble:
    """Simulate a network exactly, event by event.

    Parameters
    ----------
    network : Network
        The model; each rate is taken as the propensity as it is written.
    times : array_like, shape (t,)
        Output times, from 0 on; simulation starts at 0.
    n : int
        Replicates.
    seed : int
        Seed of the ensemble.
    record : sequence of str, optional
        Species or parameters to keep; by default all species.
    threads : int
        Threads; the result does not depend on it.
    seeds : numpy.ndarray of uint64, optional
        Run these replicates instead of `n` derived from `seed`.

    Returns
    -------
    Ensemble
        Trajectories with their seeds.

    Raises
    ------
    AnalysisError
        When the model cannot be simulated exactly (rate rules, rates that depend on time, stoichiometry that changes),
        a reactant does not start at a whole number, a propensity turns negative, or events trigger each other without
        end.

    Notes
    -----
    Direct method: Gillespie 1977, J Phys Chem 81:2340.
    """
    system = compile_network(network)
    _refuse_inexact(network)
    _refuse_fractions(system)
    grid = check_times(times)
    if n < 1 or threads < 1:
        raise AnalysisError("n and threads must be at least 1")
    names = tuple(record) if record is not None else tuple(s.name for s in network.species)
    known = {s.name for s in network.species} | {p.name for p in network.parameters}
    for name in names:
        if name not in known:
            raise AnalysisError(f"{network.name}: there is no quantity {name!r} to record")
    used = seeds_from(seed, n) if seeds is None else np.asarray(seeds, dtype=np.uint64)
    runs = np.empty((used.size, grid.size, len(names)))
    one = _Replicates(system, grid, np.array([system.slots[name] for name in names], dtype=np.int64))
    firings = run_replicates(lambda i: one.run(int(used[i]), runs[i]), used.size, threads)
    return Ensemble(time=grid, names=names, runs=frozen(runs), entropy=seed, seeds=used, firings=firings)


class _Replicates:
    """What all replicates of one simulation share."""

    def __init__(self, system: System, grid: FloatArray, recorded: IntArray) -> None:
        self._system, self._grid, self._recorded = system, grid, recorded
        jumps = _lay_out(system)
        self._jumps: tuple[Any, ...] = tuple(getattr(jumps, name) for name in _Jumps.__slots__)
        self._loop: Any = _direct  # its many arguments come as unpacked tuples
        rules = system.rules if system.network.assignment_rules else Code(code=_NO_CODE, constants=np.zeros(0))
        self._rules = (rules.code, rules.constants)
        self._events = compile_events(system)
        self._stops = _trigger_times(system)
        self._triggers = _segments([system.compile(e.trigger) for e in system.network.events])

    def run(self, seed: int, out: FloatArray) -> int:
        """Simulate one replicate into `out`, shape (t, recorded); return the number of firings."""
        rng = np.random.Generator(np.random.PCG64(seed))
        values, stack = self._system.start.copy(), np.zeros(STACK)
        agenda = Agenda(self._system, self._events)
        agenda.begin(values)
        done, firings, end = 0, 0, float(self._grid[-1])
        while done < self._grid.size:
            stop = min([end, agenda.next_time, *(t for t in self._stops if t > values[0])])
            held = np.array(agenda.held, dtype=np.bool_)
            # A row at an instant where an event is due waits for the event.
            waits = stop < end or agenda.next_time <= end
            limit = float(np.nextafter(stop, -1.0)) if waits and stop > values[0] else stop
            done, status, fired = self._loop(
                rng, values, stack, *self._jumps, *self._rules, *self._triggers, held, self._grid, done, limit,
                self._recorded, out,
            )  # fmt: skip
            firings += fired
            self._refuse(status)
            if status == REACHED:
                values[0] = stop
            agenda.settle(values)
            if status == REACHED and stop >= end:
                for i in range(done, self._grid.size):
                    out[i] = values[self._recorded]
                break
        return firings

    def _refuse(self, status: int) -> None:
        name = self._system.network.name
        if status == NEGATIVE:
            raise AnalysisError(f"{name}: a reaction's rate is negative or no number; split it into two directions")
        if status == ENDLESS:
            raise AnalysisError(f"{name}: more than {MOST_FIRINGS} reactions in one run; use simulate_ode")


_NO_CODE = np.zeros((0, 2), dtype=np.int64)


def _segments(codes: list[Code]) -> tuple[IntArray, IntArray, FloatArray]:
    """Join programs into one array with the start of each."""
    starts, blocks, constants = [0], [_NO_CODE], [np.zeros(0)]
    used = 0
    for item in codes:
        block = item.code.copy()
        block[block[:, 0] == 41, 1] += used  # CONSTANT
        used += item.constants.size
        blocks.append(block)
        constants.append(item.constants)
        starts.append(starts[-1] + len(block))
    return np.array(starts, dtype=np.int64), np.concatenate(blocks), np.concatenate(constants)


def _lay_out(system: System) -> _Jumps:
    # Those that fire most at the start come first, so that the search for the next one is short.
    slots = system.slots
    order = sorted(system.network.reactions, key=lambda r: -_finite(system.start[slots[r.name]]))
    network = replace(system.network, reactions=tuple(order))
    constant, factor_lists, codes = [], [], []
    for r in network.reactions:
        simple = factors(r.rate)
        constant.append(math.nan if simple is None else simple[0])
        factor_lists.append([] if simple is None else [slots[name] for name in simple[1]])
        program = Program(slots)
        if simple is None:
            program.store(r.name, r.rate)
        code, numbers = program.finish()
        codes.append(Code(code=code, constants=numbers))
    code_start, code, constants = _segments(codes)
    changes = [_net_change(network, i) for i in range(len(network.reactions))]
    touched = _touched(network, [set(c) for c in changes])
    factor_start, factor = _ragged(factor_lists)
    change_start, change_slot = _ragged([[slots[name] for name in c] for c in changes])
    touched_start, touched_flat = _ragged(touched)
    return _Jumps(
        np.array(constant), factor_start, factor, code_start, code, constants,
        np.array([slots[r.name] for r in network.reactions], dtype=np.int64), change_start, change_slot,
        np.array([v for c in changes for v in c.values()], dtype=np.float64), touched_start, touched_flat,
    )  # fmt: skip


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _ragged(lists: list[list[int]]) -> tuple[IntArray, IntArray]:
    start = np.cumsum([0] + [len(x) for x in lists])
    return start.astype(np.int64), np.array([v for x in lists for v in x], dtype=np.int64)


def _net_change(network: Network, index: int) -> dict[str, float]:
    fixed = {s.name for s in network.species if s.boundary} | {name for name, _ in network.assignment_rules}
    reaction = network.reactions[index]
    net: dict[str, float] = {}
    for sign, side in ((-1.0, reaction.reactants), (1.0, reaction.products)):
        for name, coefficient in side:
            if not isinstance(coefficient, (int, float)):
                what = f"reaction {reaction.name} changes its stoichiometry"
                raise AnalysisError(f"{network.name}: {what}; use simulate_ode")
            if name not in fixed:
                net[name] = net.get(name, 0.0) + sign * float(coefficient)
    return {name: value for name, value in net.items() if value != 0.0}


def _touched(network: Network, changed: list[set[str]]) -> list[list[int]]:
    everything = list(range(len(network.reactions)))
    names = {r.name for r in network.reactions}
    if network.assignment_rules or any(symbols(r.rate) & names for r in network.reactions):
        return [everything for _ in everything]
    reads = [symbols(r.rate) for r in network.reactions]
    return [[i for i in everything if reads[i] & species] for species in changed]


def _refuse_inexact(network: Network) -> None:
    if network.rate_rules:
        raise AnalysisError(f"{network.name}: {network.rate_rules[0][0]!r} changes continuously; use simulate_ode")
    timed = [r.name for r in network.reactions if TIME in symbols(r.rate)]
    timed += [name for name, expr in network.assignment_rules if TIME in symbols(expr)]
    if timed:
        raise AnalysisError(f"{network.name}: {timed[0]!r} depends on the time; use simulate_ode")


def _refuse_fractions(system: System) -> None:
    """Refuse to start from a part of a molecule: a reaction would then take the count below zero."""
    for r in system.network.reactions:
        for name, _ in r.reactants:
            start = float(system.start[system.slots[name]])
            if not start.is_integer():
                what = f"{name!r} starts at {start:g}, which is no count"
                raise AnalysisError(f"{system.network.name}: {what}; round it, or use simulate_ode")


def _trigger_times(system: System) -> tuple[float, ...]:
    """Return the times at which triggers compare the time with a constant, and just after each."""
    network = system.network
    varying = {s.name for s in network.species} | {name for e in network.events for name, _ in e.assignments}
    varying |= {name for name, _ in network.assignment_rules}
    found: set[float] = set()
    for event in network.events:
        comparisons = 0
        for node in walk(event.trigger):
            bound = _bound(node, varying)
            if bound is not None:
                time = system.value(system.compile(bound), system.start.copy(), np.zeros(STACK))
                found |= {time, float(np.nextafter(time, math.inf))}
                comparisons += 1
        if comparisons != sum(isinstance(x, Sym) and x.name == TIME for x in walk(event.trigger)):
            raise AnalysisError(f"{network.name}: event {event.name} uses the time in a formula; use simulate_ode")
    return tuple(sorted(found))


def _bound(node: Expr, varying: set[str]) -> Expr | None:
    if not isinstance(node, Op) or node.name not in {"lt", "le", "gt", "ge", "eq", "ne"}:
        return None
    for this, other in (node.args, node.args[::-1]):
        if this == Sym(TIME) and not symbols(other) & (varying | {TIME}):
            return other
    return None
