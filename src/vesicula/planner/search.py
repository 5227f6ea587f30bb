"""The search: NSGA-II (Deb 2002, IEEE Trans Evol Comput 6:182 [from memory, unchecked]) by Optuna, per structure."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.planner.plan import Coarse, Likely, Request, likelihood, run_exact
from vesicula.planner.priors import draw_worlds
from vesicula.planner.structures import STRUCTURES, Chooser, missing, steps_of, structure_name
from vesicula.planner.target import Numbers, contents

if TYPE_CHECKING:
    from optuna.trial import Trial

Progress = Callable[[str, int, int], None]
GENERATION = 20
SHOWN = 12
WORST = (0.0, 300.0, 1e6, 1e12)
"""Costs of a protocol that cannot be run; also marked as breaking the constraint."""
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Steps that could be run, with their numbers.

    Parameters
    ----------
    structure : tuple of str
        Of the protocol.
    steps : list of dict
        As they stand in a protocol.
    numbers : Numbers
        What they give.
    """

    structure: tuple[str, ...]
    steps: list[dict[str, Any]]
    numbers: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan worth showing.

    Parameters
    ----------
    title : str
        Its structure in words.
    structure : tuple of str
        Its blocks.
    steps : list of dict
        Its steps.
    numbers : Numbers
        With default inputs, on the full grid.
    likely : Likely
        Over draws of what is not known.
    report : dict
        All that `vesicula isolate` reports, as plain values.
    made_of : dict of str to float
        Share of each class in what the purity is counted over.
    """

    title: str
    structure: tuple[str, ...]
    steps: list[dict[str, Any]]
    numbers: Numbers
    likely: Likely
    report: dict[str, Any]
    made_of: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How hard to search.

    Parameters
    ----------
    trials : int
        Protocols tried per structure.
    draws : int
        Draws of what is not known, for each plan shown.
    shown : int
        Plans shown at most.
    seed : int
        Equal seeds give equal plans, whatever the number of workers.
    workers : int
        Processes; 0: none beside this one.
    """

    trials: int = 80
    draws: int = 200
    shown: int = SHOWN
    seed: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        if min(self.trials, self.draws, self.shown) < 1 or min(self.seed, self.workers) < 0:
            raise AnalysisError("trials, draws and plans must be 1 or more, seed and workers 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSearch:
    """What a search found.

    Parameters
    ----------
    request : Request
        What was asked.
    settings : Settings
        How.
    plans : tuple of Plan
        None dominated by another in yield, purity, hours and exposure; most probable first.
    tried, runnable : int
        Protocols tried; those that could be run.
    left_out : dict of str to str
        Structures that were not tried, and what is lacking.
    """

    request: Request
    settings: Settings
    plans: tuple[Plan, ...]
    tried: int
    runnable: int
    left_out: dict[str, str]

    @property
    def meeting(self) -> tuple[Plan, ...]:
        """Plans that meet the target with at least the probability asked for."""
        return tuple(p for p in self.plans if p.likely.probability >= self.request.target.probability)


def non_dominated(costs: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of points that no other point dominates; of equal points the first.

    Parameters
    ----------
    costs : sequence of sequence of float
        The smaller the better, in every column.

    Returns
    -------
    list of int
        In order.
    """
    table = np.asarray(costs, dtype=np.float64)
    kept = []
    for k, row in enumerate(table):
        better = np.all(table <= row, axis=1) & np.any(table < row, axis=1)
        same = np.all(table[:k] == row, axis=1)
        if not better.any() and not same.any():
            kept.append(k)
    return kept


def optimise(
    evaluate: Callable[[Chooser], tuple[list[dict[str, Any]], Numbers]],
    *,
    trials: int,
    seed: int,
    hours: float = float("inf"),
) -> list[tuple[list[dict[str, Any]], Numbers]]:
    """Search one structure by NSGA-II.

    Parameters
    ----------
    evaluate : callable
        From a chooser to steps and their numbers; raises `AnalysisError` where that cannot be.
    trials : int
        How often it is called.
    seed : int
        Of the sampler.
    hours : float
        A longer plan breaks the constraint; it is kept in what is returned.

    Returns
    -------
    list of (steps, Numbers)
        Everything that could be run, in order.
    """
    import optuna

    found: list[tuple[list[dict[str, Any]], Numbers]] = []

    def objective(trial: Trial) -> tuple[float, ...]:
        try:
            steps, numbers = evaluate(_OptunaChooser(trial))
        except AnalysisError:
            trial.set_constraint("runs within the hours", 1e6)
            return WORST
        found.append((steps, numbers))
        trial.set_constraint("runs within the hours", numbers.hours - hours)
        return numbers.costs()

    with _quiet(optuna):
        sampler = optuna.samplers.NSGAIISampler(population_size=max(2, min(GENERATION, trials)), seed=seed)
        study = optuna.create_study(directions=["minimize"] * 4, sampler=sampler)
        study.optimize(objective, n_trials=trials)
    return found


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:  # noqa: ANN401 - the module
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class _OptunaChooser:
    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def number(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self._trial.suggest_float(name, low, high, log=log))

    def whole(self, name: str, low: int, high: int) -> int:
        return int(self._trial.suggest_int(name, low, high))

    def choice(self, name: str, options: Sequence[str]) -> str:
        return str(self._trial.suggest_categorical(name, list(options)))


def search_structure(task: tuple[Request, tuple[str, ...], int, int]) -> list[Candidate]:
    """Search one structure: request, structure, trials, seed. Returns what could be run and no other dominates."""
    request, structure, trials, seed = task
    runner = Coarse(request)

    def evaluate(choose: Chooser) -> tuple[list[dict[str, Any]], Numbers]:
        steps = steps_of(structure, choose, request.lab, request.feed.volume_ml, request.target.hours)
        return steps, runner.run(steps)

    found = optimise(evaluate, trials=trials, seed=seed, hours=request.target.hours)
    all_of = [Candidate(structure=structure, steps=steps, numbers=numbers) for steps, numbers in found]
    return [all_of[k] for k in non_dominated([c.numbers.costs() for c in all_of])] if all_of else []


def search(request: Request, settings: Settings | None = None, *, progress: Progress | None = None) -> PlanSearch:
    """Search for plans.

    Parameters
    ----------
    request : Request
        Feed, target, laboratory.
    settings : Settings, optional
        How hard.
    progress : callable, optional
        Called with what is done now, how many, of how many.

    Returns
    -------
    PlanSearch
        With at least one plan.

    Raises
    ------
    AnalysisError
        When the laboratory can run no protocol at all.
    """
    settings = settings or Settings()
    tell = progress or (lambda _what, _done, _total: None)
    left_out = {structure_name(s): lack for s in STRUCTURES if (lack := missing(s, request.lab))}
    tasks = [
        (request, s, settings.trials, _seed(settings.seed, k))
        for k, s in enumerate(STRUCTURES)
        if structure_name(s) not in left_out
    ]
    if not tasks:
        raise AnalysisError("with what is there, no protocol can be run: give rotors, columns or membranes with --have")
    priors = Coarse(request).priors()  # checks feed and classes before any work
    with _workers(settings.workers, len(tasks)) as run:
        lists = _all(run(search_structure, tasks), "structures searched", len(tasks), tell)
        found = [c for some in lists for c in some]
        if not found:
            raise AnalysisError(
                "no protocol could be run with what is there: the feed may be too small or too large for it. "
                "Change --volume or add equipment"
            )
        short = shortlist(found, request, settings.shown)
        worlds = draw_worlds(priors, settings.draws, seed=_seed(settings.seed, 10_000))
        jobs = [(request, c, worlds) for c in short]
        plans = _all(run(_finish, jobs), "plans drawn", len(jobs), tell)
    kept = [plans[k] for k in non_dominated([p.numbers.costs() for p in plans])]
    kept.sort(key=lambda p: (-p.likely.probability, -request.target.margin(p.numbers)))
    return PlanSearch(
        request=request,
        settings=settings,
        plans=tuple(kept),
        tried=settings.trials * len(tasks),
        runnable=len(found),
        left_out=left_out,
    )


def _seed(seed: int, k: int) -> int:
    return int(np.random.SeedSequence([seed, k]).generate_state(1)[0])


def _all(results: Iterator[_R], what: str, total: int, tell: Progress) -> list[_R]:
    done: list[_R] = []
    tell(what, 0, total)
    for result in results:
        done.append(result)
        tell(what, len(done), total)
    return done


_Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]


@contextmanager
def _workers(workers: int, tasks: int) -> Iterator[_Map]:
    if workers == 0:
        yield map
        return
    # Linear algebra in each process keeps to one thread: the matrices are small, and threads that wait for each other
    # on shared cores made a gradient fifty times slower. Read by the libraries when a new process loads them.
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        with ProcessPoolExecutor(min(workers, tasks), mp_context=get_context("spawn")) as pool:
            yield pool.map
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _finish(job: tuple[Request, Candidate, Sequence[Any]]) -> Plan:
    request, candidate, worlds = job
    numbers, result = run_exact(request, candidate.steps)
    return Plan(
        title=structure_name(candidate.structure),
        structure=candidate.structure,
        steps=candidate.steps,
        numbers=numbers,
        likely=likelihood(request, candidate.steps, worlds, exact=numbers),
        report=result.to_json(),
        made_of=contents(result.reports[-1], request.target.purity_as),
    )


def shortlist(found: Sequence[Candidate], request: Request, shown: int) -> list[Candidate]:
    """Return the candidates worth drawing for: non-dominated, half by their margin, half spread over the front.

    The margin of a candidate is that of its worst criterion. Of the first half no structure takes more than a third.
    What takes longer than allowed is left out, unless everything does.
    """
    found = [c for c in found if c.numbers.hours <= request.target.hours] or found
    front = [found[k] for k in non_dominated([c.numbers.costs() for c in found])]
    order = sorted(range(len(front)), key=lambda k: -request.target.margin(front[k].numbers))
    chosen: list[int] = []
    per_structure: dict[tuple[str, ...], int] = {}
    for k in order:
        used = per_structure.get(front[k].structure, 0)
        if len(chosen) < -(-shown // 2) and used < max(1, shown // 6):
            chosen.append(k)
            per_structure[front[k].structure] = used + 1
    places = _places([c.numbers for c in front])
    while len(chosen) < min(shown, len(front)):
        away = np.min(np.linalg.norm(places[:, None] - places[None, chosen], axis=2), axis=1)
        away[chosen] = -1.0
        chosen.append(int(np.argmax(away)))
    return [front[k] for k in chosen]


def _places(numbers: Sequence[Numbers]) -> np.ndarray:
    costs = np.array([n.costs() for n in numbers])
    costs[:, 3] = np.log10(1.0 + costs[:, 3])
    span = np.ptp(costs, axis=0)
    return np.asarray((costs - costs.min(axis=0)) / np.where(span > 0, span, 1.0))
