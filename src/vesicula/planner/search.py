"""The search: NSGA-II (Deb 2002, IEEE Trans Evol Comput 6:182 [from memory, unchecked]) by Optuna, per structure."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.planner.plan import Coarse, Likely, Request, likelihood, run_exact
from vesicula.planner.structures import STRUCTURES, Chooser, missing, steps_of, structure_name
from vesicula.planner.target import Numbers, contents

if TYPE_CHECKING:
    from optuna.trial import Trial

Progress = Callable[[str, int, int], None]
GENERATION = 20
SHOWN = 12
LAYERED = frozenset({"cushion", "gradient"})
WIDER = 3
"""Candidates screened per plan shown."""
WORST = (0.0, 300.0, 1e6, 1e12)
"""Costs of a protocol that cannot be run; also marked as breaking the constraint."""
_Run = Callable[[Callable[[Any], Any], Sequence[Any], Callable[[int], None]], list[Any]]


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
    chance : float
        Probability by the first, smaller set of draws, which the plan was chosen and placed by: too high for the best.
    likely : Likely
        Over fresh draws of what is not known, which nothing was chosen by.
    report : dict
        All that `vesicula isolate` reports, as plain values.
    made_of : dict of str to float
        Share of each class in what the purity is counted over.
    """

    title: str
    structure: tuple[str, ...]
    steps: list[dict[str, Any]]
    numbers: Numbers
    chance: float
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
        Draws of what is not known, for each plan shown; a tenth of them, at least 20, for each that may be.
    shown : int
        Plans shown at most.
    seed : int
        Equal seeds give equal plans, whatever the number of workers.
    workers : int
        Processes; 0: none beside this one.
    """

    trials: int = 80
    draws: int = 1000
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
        None dominated by another in yield, purity, hours and exposure; most probable by the first draws first.
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
    able = [(k, s) for k, s in enumerate(STRUCTURES) if structure_name(s) not in left_out]
    # Those with a gradient take longest: first, so that no worker ends with one while the others wait.
    able.sort(key=lambda pair: LAYERED.isdisjoint(pair[1]))
    tasks = [(request, s, settings.trials, _seed(settings.seed, k)) for k, s in able]
    if not tasks:
        raise AnalysisError("with what is there, no protocol can be run: give rotors, columns or membranes with --have")
    Coarse(request)  # checks feed and classes before any work
    with _workers(settings.workers, len(tasks)) as run:
        lists = _told(run, search_structure, tasks, "searching structures", tell)
        found = [c for some in lists for c in some]
        if not found:
            raise AnalysisError(
                "no protocol could be run with what is there: the feed may be too small or too large for it. "
                "Change --volume or add equipment"
            )
        plans = assess(shortlist(found, request, WIDER * settings.shown), request, settings, run=run, tell=tell)
    return PlanSearch(
        request=request,
        settings=settings,
        plans=tuple(plans),
        tried=settings.trials * len(tasks),
        runnable=len(found),
        left_out=left_out,
    )


def _seed(seed: int, k: int) -> int:
    return int(np.random.SeedSequence([seed, k]).generate_state(1)[0])


def _told(run: _Run, function: Callable[[Any], Any], jobs: Sequence[Any], what: str, tell: Progress) -> list[Any]:
    tell(what, 0, len(jobs))
    return run(function, jobs, lambda done: tell(what, done, len(jobs)))


def _here(function: Callable[[Any], Any], jobs: Sequence[Any], tell: Callable[[int], None]) -> list[Any]:
    """Return the results of all jobs, in their order."""
    found = []
    for n, job in enumerate(jobs, start=1):
        found.append(function(job))
        tell(n)
    return found


@contextmanager
def _workers(workers: int, tasks: int) -> Iterator[_Run]:
    if workers == 0:
        yield _here
        return
    # Linear algebra in each process keeps to one thread: the matrices are small, and threads that wait for each other
    # on shared cores made a gradient fifty times slower. Read by the libraries when a new process loads them.
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        with ProcessPoolExecutor(min(workers, tasks), mp_context=get_context("spawn")) as pool:

            def run(function: Callable[[Any], Any], jobs: Sequence[Any], tell: Callable[[int], None]) -> list[Any]:
                futures = [pool.submit(function, job) for job in jobs]
                for n, _ in enumerate(as_completed(futures), start=1):
                    tell(n)
                return [future.result() for future in futures]

            yield run
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def assess(
    candidates: Sequence[Candidate],
    request: Request,
    settings: Settings,
    *,
    run: _Run = _here,
    tell: Progress = lambda _what, _done, _total: None,
) -> list[Plan]:
    """Choose plans by a first set of draws, and state their probabilities from a second one.

    The best of many by one set of draws is partly best by luck: stated from the same draws its probability would be
    too high. Nothing is chosen by the second set, so what it says is not biased.

    Parameters
    ----------
    candidates : sequence of Candidate
        What may be shown.
    request : Request
        What was asked.
    settings : Settings
        Number of draws and of plans, seed.
    run : callable
        From a function, jobs and a callable told how many are done, to the results in order.
    tell : callable
        Told of the progress.

    Returns
    -------
    list of Plan
        None dominated by another; the highest `Plan.chance` first.

    Raises
    ------
    AnalysisError
        When no candidate can be run.
    """
    few, first = max(20, settings.draws // 10), _seed(settings.seed, 10_000)
    jobs = [(request, c, few, first) for c in candidates]
    screened: list[float | None] = _told(run, _screen, jobs, "screening plans", tell)
    judged = [(c, chance) for c, chance in zip(candidates, screened, strict=True) if chance is not None]
    fresh = _seed(settings.seed, 20_000)
    chosen = _most_probable(judged, request, settings.shown) if judged else []
    final = [(request, c, chance, settings.draws, fresh) for c, chance in chosen]
    made: list[Plan] = [p for p in _told(run, _finish, final, "drawing plans", tell) if p is not None]
    if not made:
        raise AnalysisError("no plan found could be run on the full grid. Give more particles, or change the target")
    plans = [made[k] for k in non_dominated([p.numbers.costs() for p in made])]
    return sorted(plans, key=lambda p: (-p.chance, -request.target.margin(p.numbers)))


def _screen(job: tuple[Request, Candidate, int, int]) -> float | None:
    """Return a plan's probability on the coarse grid; None where a draw of its pellet's loss leaves nothing."""
    request, candidate, draws, seed = job
    try:
        return likelihood(request, candidate.steps, draws=draws, seed=seed, coarse=True).probability
    except AnalysisError:
        return None


def _most_probable(
    judged: Sequence[tuple[Candidate, float]], request: Request, shown: int
) -> list[tuple[Candidate, float]]:
    """Return half by probability, of which no structure has more than a third, and half spread over the front."""
    order = sorted(
        range(len(judged)), key=lambda k: (-judged[k][1], -request.target.margin(judged[k][0].numbers))
    )
    structures = [c.structure for c, _ in judged]
    chosen = _spread([c.numbers for c, _ in judged], _first(order, structures, shown), shown)
    return [judged[k] for k in chosen]


def _finish(job: tuple[Request, Candidate, float, int, int]) -> Plan | None:
    """Return a plan with its final numbers; None where less than one particle is left on the full grid."""
    request, candidate, chance, draws, seed = job
    try:
        numbers, result = run_exact(request, candidate.steps)
        likely = likelihood(request, candidate.steps, draws=draws, seed=seed)
    except AnalysisError:
        return None
    return Plan(
        title=structure_name(candidate.structure),
        structure=candidate.structure,
        steps=candidate.steps,
        numbers=numbers,
        chance=chance,
        likely=likely,
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
    chosen = _spread([c.numbers for c in front], _first(order, [c.structure for c in front], shown), shown)
    return [front[k] for k in chosen]


def _first(order: Sequence[int], structures: Sequence[tuple[str, ...]], shown: int) -> list[int]:
    """Return half of those shown, the first in order, but no more than a third of them of one structure."""
    chosen: list[int] = []
    used: dict[tuple[str, ...], int] = {}
    for k in order:
        if len(chosen) < -(-shown // 2) and used.get(structures[k], 0) < max(1, shown // 6):
            chosen.append(k)
            used[structures[k]] = used.get(structures[k], 0) + 1
    return chosen


def _spread(numbers: Sequence[Numbers], chosen: Sequence[int], shown: int) -> list[int]:
    """Return what is chosen and what lies farthest from it, one after another, until enough are shown."""
    taken, places = list(chosen), _places(numbers)
    while len(taken) < min(shown, len(numbers)):
        away = np.min(np.linalg.norm(places[:, None] - places[None, taken], axis=2), axis=1)
        away[taken] = -1.0
        taken.append(int(np.argmax(away)))
    return taken


def _places(numbers: Sequence[Numbers]) -> np.ndarray:
    costs = np.array([n.costs() for n in numbers])
    costs[:, 3] = np.log10(1.0 + costs[:, 3])
    span = np.ptp(costs, axis=0)
    return np.asarray((costs - costs.min(axis=0)) / np.where(span > 0, span, 1.0))
