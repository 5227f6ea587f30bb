"""The mean-field engine: a network as ordinary differential equations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import LSODA, solve_ivp

from vesicula.biogenesis.happenings import Agenda, compile_events
from vesicula.biogenesis.model import Network
from vesicula.biogenesis.system import System, compile_network
from vesicula.biogenesis.vm import STACK, IntArray, execute
from vesicula.core.errors import AnalysisError
from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """Quantities of a network over time.

    Parameters
    ----------
    time : numpy.ndarray, shape (t,)
        In the network's unit.
    names : tuple of str
        Species, then parameters.
    values : numpy.ndarray, shape (t, len(names))
        Read-only.
    """

    time: FloatArray
    names: tuple[str, ...]
    values: FloatArray

    def __getitem__(self, name: str) -> FloatArray:
        """Return one quantity, shape (t,).

        Raises
        ------
        AnalysisError
            When the network has no such quantity.
        """
        if name not in self.names:
            raise AnalysisError(f"the simulation has no quantity {name!r}")
        return self.values[:, self.names.index(name)]


def check_times(times: npt.ArrayLike) -> FloatArray:
    """Return output times as an array.

    Parameters
    ----------
    times : array_like
        Increasing, first one at or after 0.

    Returns
    -------
    numpy.ndarray
        Read-only.

    Raises
    ------
    AnalysisError
        When they do not increase, start before 0 or are not finite.
    """
    found = frozen(times)
    regular = found.ndim == 1 and found.size > 0 and bool(np.all(np.isfinite(found)))
    if not regular or found[0] < 0 or np.any(np.diff(found) <= 0):
        raise AnalysisError("output times must be finite, not negative and increasing")
    return found


@compiled
def _flow(  # noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
    code: IntArray,
    constants: FloatArray,
    values: FloatArray,
    stack: FloatArray,
    states: IntArray,
    slopes: IntArray,
    time: float,
    y: FloatArray,
) -> FloatArray:
    values[0] = time
    for i in range(states.size):
        values[states[i]] = y[i]
    execute(code, constants, values, stack)
    out = np.empty(states.size)
    for i in range(states.size):
        out[i] = values[slopes[i]]
    return out


# Evaluations of the right-hand side per simulation, after which a solver is taken to be stuck. Our own model takes a
# few hundred, the stiffest of the suite's cases a few thousand.
MOST_CALLS = 400_000


def _right_hand_side(system: System, values: FloatArray) -> Callable[[float, FloatArray], FloatArray]:
    stack = np.zeros(STACK)
    code, constants = system.flow.code, system.flow.constants
    states, slopes = system.states, system.derivative_slots

    calls = 0

    def rhs(time: float, y: FloatArray) -> FloatArray:
        nonlocal calls
        calls += 1
        if calls > MOST_CALLS:
            raise AnalysisError(_stuck(system, time, y))
        return _flow(code, constants, values, stack, states, slopes, time, y)

    return rhs


def _stuck(system: System, time: float, y: FloatArray) -> str:
    """Say where the solver came to a halt, and which quantity is the largest there."""
    name = system.network.name
    slot = int(system.states[int(np.argmax(np.abs(y)))])
    largest = next(n for n, i in system.slots.items() if i == slot)
    return (
        f"{name}: the solver makes no headway at time {time:g}, where {largest!r} is {np.max(np.abs(y)):.3g}; "
        "a quantity grows without bound or a rate jumps there: check the rate laws, or end before"
    )


def _explained(message: str) -> str:
    return f"{message.strip().rstrip('.')}; check rate laws and parameters"


def simulate_ode(
    network: Network | System,
    times: npt.ArrayLike,
    *,
    relative_tolerance: float = 1e-6,
    absolute_tolerance: float = 1e-9,
) -> Course:
    """Solve a network as differential equations.

    Parameters
    ----------
    network : Network or System
        The model; a System spares the layout when one network is solved often.
    times : array_like, shape (t,)
        Output times, from 0 on, in the network's unit.
    relative_tolerance, absolute_tolerance : float
        Of the solver.

    Returns
    -------
    Course
        Every species and parameter at the times; at the instant of an event, its value after the event.

    Raises
    ------
    AnalysisError
        When the solver fails or a value stops being finite.

    Notes
    -----
    LSODA (Petzold 1983, SIAM J Sci Stat Comput 4:136) as scipy wraps it. Triggers are looked for at the end of each
    step and at interior points of its interpolant, and placed by bisection.
    """
    system = network if isinstance(network, System) else compile_network(network)
    grid = check_times(times)
    values = system.start.copy()
    options = (relative_tolerance, absolute_tolerance)
    if system.network.events or not system.states.size:
        rows = _with_events(system, grid, values, options)
    else:
        rows = _smooth(system, grid, values, options)
    names = (*(s.name for s in system.network.species), *(p.name for p in system.network.parameters))
    kept = rows[:, 1 : 1 + len(names)]
    if not np.all(np.isfinite(kept[:, [system.slots[n] - 1 for n in names if system.slots[n] in system.states]])):
        raise AnalysisError(f"{system.network.name}: a quantity stopped being finite; check rate laws and parameters")
    return Course(time=grid, names=names, values=frozen(kept))


def _smooth(system: System, grid: FloatArray, values: FloatArray, options: tuple[float, float]) -> FloatArray:
    rhs = _right_hand_side(system, values)
    y0 = values[system.states].copy()
    end = float(grid[-1])
    if end > 0:
        rtol, atol = options
        with warnings.catch_warnings():  # LSODA warns of what becomes an error below
            warnings.simplefilter("ignore", UserWarning)
            found = solve_ivp(rhs, (0.0, end), y0, t_eval=grid, method="LSODA", rtol=rtol, atol=atol)
        if not found.success:
            raise AnalysisError(f"{system.network.name}: the solver stopped: {_explained(found.message)}")
        states = found.y.T
    else:
        states = np.broadcast_to(y0, (grid.size, y0.size))
    rows = np.empty((grid.size, values.size))
    for i, (time, y) in enumerate(zip(grid, states, strict=True)):
        rhs(float(time), y)
        rows[i] = values
    return rows


LOOKS_PER_STEP = 4  # interior points at which triggers are looked at


def _with_events(system: System, grid: FloatArray, values: FloatArray, options: tuple[float, float]) -> FloatArray:
    agenda = Agenda(system, compile_events(system))
    agenda.begin(values)
    rhs = _right_hand_side(system, values)
    rows = np.empty((grid.size, values.size))
    done, end = 0, float(grid[-1])
    spacing = float(np.diff(grid, prepend=0.0).max()) if end > 0 else 1.0
    while done < grid.size:
        start = float(values[0])
        while done < grid.size and grid[done] <= start:
            rows[done] = _refreshed(system, rhs, values, start)
            done += 1
        if done == grid.size:
            break
        stop = min(agenda.next_time, end)
        done = _stretch(_Stretch(system, agenda, rhs, values, grid, rows, options, spacing), done, stop)
        agenda.settle(values)
    return rows


def _refreshed(
    system: System, rhs: Callable[[float, FloatArray], FloatArray], values: FloatArray, time: float
) -> FloatArray:
    rhs(time, values[system.states].copy())
    return values.copy()


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    system: System
    agenda: Agenda
    rhs: Callable[[float, FloatArray], FloatArray]
    values: FloatArray
    grid: FloatArray
    rows: FloatArray
    options: tuple[float, float]
    spacing: float

    def put(self, time: float, y: FloatArray) -> FloatArray:
        """Bring all slots to a time and state."""
        self.rhs(time, y)
        return self.values


def _stretch(run: _Stretch, done: int, stop: float) -> int:
    """Integrate until a trigger changes or `stop`; return how many rows are written. Leaves the state in the slots."""
    start = float(run.values[0])
    y0 = run.values[run.system.states].copy()
    if not y0.size:
        return _still(run, done, stop)
    rtol, atol = run.options
    solver = LSODA(run.rhs, start, y0, stop, max_step=run.spacing, rtol=rtol, atol=atol)
    while solver.status == "running":
        with warnings.catch_warnings():  # LSODA warns of what becomes an error below
            warnings.simplefilter("ignore", UserWarning)
            message = solver.step()
        if str(solver.status) == "failed":
            what = _explained(message or "no step is small enough")
            raise AnalysisError(f"{run.system.network.name}: the solver stopped at {solver.t:g}: {what}")
        dense = solver.dense_output()
        change = _first_change(run, dense, float(solver.t_old), float(solver.t))
        upto = solver.t if change is None else change
        while done < run.grid.size and (run.grid[done] < upto or (change is None and run.grid[done] <= upto < stop)):
            run.rows[done] = run.put(float(run.grid[done]), dense(run.grid[done]))
            done += 1
        if change is not None:
            run.put(change, dense(change))
            return done
    run.put(stop, solver.y)
    return done


def _still(run: _Stretch, done: int, stop: float) -> int:
    """Let time alone pass, where nothing flows; triggers may still read the time."""
    start, empty = float(run.values[0]), np.zeros(0)
    step = (stop - start) / max(1, round((stop - start) / run.spacing))
    before = start
    while before < stop:
        after = min(stop, before + step) if stop - before - step > 1e-9 * step else stop
        change = _first_change(run, lambda _: empty, before, after)
        upto = after if change is None else change
        while done < run.grid.size and run.grid[done] < upto:
            run.rows[done] = run.put(float(run.grid[done]), empty)
            done += 1
        before = upto
        run.put(upto, empty)
        if change is not None:
            break
    return done


def _first_change(run: _Stretch, dense: Callable[[float], FloatArray], before: float, after: float) -> float | None:
    """Return the first instant at which a trigger differs from what it was, or None."""
    if not run.system.network.events:
        return None
    low = before
    for high in np.linspace(before, after, LOOKS_PER_STEP + 1)[1:]:
        if _changed(run, dense, float(high)):
            return _bisect(run, dense, low, float(high))
        low = float(high)
    return None


def _changed(run: _Stretch, dense: Callable[[float], FloatArray], time: float) -> bool:
    values = run.put(time, dense(time))
    return run.agenda.would_fire(values) or run.agenda.turns_false(values)


def _bisect(run: _Stretch, dense: Callable[[float], FloatArray], low: float, high: float) -> float:
    for _ in range(60):
        middle = 0.5 * (low + high)
        if middle in {low, high}:
            break
        if _changed(run, dense, middle):
            high = middle
        else:
            low = middle
    return high
