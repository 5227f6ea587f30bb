"""A plan: the text of its protocol, its numbers, and how likely it meets a target."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import yaml

from vesicula.core.measurement import FloatArray
from vesicula.core.population import mixed_population
from vesicula.isolation.balance import Fraction
from vesicula.isolation.protocol import ProtocolResult
from vesicula.isolation.protocol_text import Equipment, Protocol, parse_protocol
from vesicula.planner.draws import PELLET_LOSSES, draw_plan, loses_a_pellet, with_pellet_loss
from vesicula.planner.lab import Lab
from vesicula.planner.target import Numbers, Purity, Target, numbers_of

EDGES_NM = (3.0, 6000.0)
BINS, BINS_LAYERED = 48, 24
"""Bins between these edges while searching, the second for gradients, which take longest; twice as many for draws.
Final numbers use the full grid."""
DENSITIES = 3
"""Density shares of a gradient and of draws; one while searching where nothing is parted by density."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSpec:
    """A feed as it stands in a protocol.

    Parameters
    ----------
    volume_ml : float
        Volume.
    preset : str or None
        A packaged feed.
    particles : dict of str to float
        Particles per mL by class; goes over the preset.
    medium : str or None
        What it is in.
    """

    volume_ml: float
    preset: str | None = None
    particles: Mapping[str, float] | None = None
    medium: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as it stands in a file."""
        given = {
            "volume_ml": self.volume_ml,
            "preset": self.preset,
            "particles": None if self.particles is None else dict(self.particles),
            "medium": self.medium,
        }
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a search is asked.

    Parameters
    ----------
    feed : FeedSpec
        What is there to isolate from.
    classes : tuple of str
        Target classes.
    target : Target
        What is wanted.
    lab : Lab
        What is there to isolate with.
    """

    feed: FeedSpec
    classes: tuple[str, ...]
    target: Target
    lab: Lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """How a plan does over draws of what is not known.

    Parameters
    ----------
    draws : int
        How many were run.
    probability : float
        Share of the draws that meet the whole target.
    by_criterion : dict of str to float
        The same for yield, purity and hours alone.
    intervals : dict of str to (float, float, float)
        5th, 50th and 95th percentile of ``yield``, ``purity`` and ``hours``.
    """

    draws: int
    probability: float
    by_criterion: dict[str, float]
    intervals: dict[str, tuple[float, float, float]]

    @property
    def standard_error(self) -> float:
        """Return the binomial standard error of the probability, with one draw added to either side."""
        p = (self.probability * self.draws + 1.0) / (self.draws + 2.0)
        return float(np.sqrt(p * (1.0 - p) / self.draws))


def protocol_yaml(
    name: str, feed: Mapping[str, Any], classes: Sequence[str], steps: Sequence[Mapping[str, Any]], note: str = ""
) -> str:
    """Return the text of a protocol that `vesicula isolate` runs.

    Parameters
    ----------
    name : str
        Title.
    feed : mapping
        As in a protocol.
    classes : sequence of str
        Target classes.
    steps : sequence of mapping
        As in a protocol.
    note : str
        Put above it as a comment.
    """
    document = _document(name, feed, classes, steps)
    lines = "".join(f"# {line}\n" for line in note.splitlines())
    return lines + str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


def _document(
    name: str, feed: Mapping[str, Any], classes: Sequence[str], steps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "vesicula_protocol": 1, "name": name, "feed": dict(feed), "target": list(classes),
        "steps": [dict(step) for step in steps],
    }  # fmt: skip


def compile_plan(request: Request, steps: Sequence[Mapping[str, Any]], equipment: Equipment | None = None) -> Protocol:
    """Return the protocol of some steps, read from text, so that the plan's file gives the same numbers.

    The text is JSON, which is YAML too and several times faster to write.
    """
    text = json.dumps(_document("plan", request.feed.plain(), request.classes, steps))
    return parse_protocol(text, name="plan", equipment=equipment or request.lab.equipment())


class Coarse:
    """Runs steps on a coarse grid, one of twice as many bins for `draws`; keeps the parsed feed between calls."""

    def __init__(self, request: Request, *, draws: bool = False) -> None:
        self._draws = draws
        self._request = request
        self._equipment = request.lab.equipment()
        plain = {"label": "hold", "dilute": {"to_ml": request.feed.volume_ml}}
        self._start = compile_plan(request, [plain])
        self._feeds: dict[bool, Fraction] = {}

    @property
    def feed(self) -> Fraction:
        """The feed on the full grid."""
        return self._start.feed

    def protocol(self, steps: Sequence[Mapping[str, Any]]) -> Protocol:
        """Return the protocol of some steps with the feed on the coarse grid."""
        layered = any("gradient" in step for step in steps)
        if layered not in self._feeds:
            self._feeds[layered] = coarse_feed(self.feed, layered=layered, draws=self._draws)
        return replace(compile_plan(self._request, steps, self._equipment), feed=self._feeds[layered])

    def run(self, steps: Sequence[Mapping[str, Any]]) -> Numbers:
        """Run steps.

        Raises
        ------
        AnalysisError
            When a step refuses.
        """
        last = self.protocol(steps).run().reports[-1]
        return numbers_of(last, self._request.classes, self._request.target.purity_as)


def coarse_feed(feed: Fraction, *, layered: bool, draws: bool) -> Fraction:
    """Return a feed of log-normal classes on a coarse grid; `layered` says that a gradient is to come."""
    n = (BINS_LAYERED if layered else BINS) * (2 if draws else 1)
    counts = feed.population.by_class()
    classes = {cls: counts[cls.name] for cls in feed.population.classes}
    densities = DENSITIES if layered or draws else 1
    made = mixed_population(classes, edges_nm=np.geomspace(*EDGES_NM, n + 1), n_densities=densities)
    return Fraction(name=feed.name, population=made, volume_ml=feed.volume_ml)


def likelihood(
    request: Request,
    steps: Sequence[Mapping[str, Any]],
    *,
    draws: int,
    seed: int,
    coarse: bool = False,
    fixed: Collection[str] = (),
) -> Likely:
    """Run a plan in draws of all that is not known and count how often it meets the target.

    Parameters
    ----------
    request : Request
        Feed, target, laboratory.
    steps : sequence of mapping
        Of the plan.
    draws, seed : int
        How many, and what they follow from.
    coarse : bool
        On the grid of the search: twice as fast, and within a point or two of the same.
    fixed : collection of str
        Priors that stay at their default.

    Raises
    ------
    AnalysisError
        When the plan cannot be run with default inputs.
    """
    runner = Coarse(request, draws=not coarse)
    two = [with_pellet_loss(steps, share) for share in PELLET_LOSSES] if loses_a_pellet(steps) else [list(steps)]
    protocols = [runner.protocol(some) for some in two]
    found = draw_plan(
        protocols[0],
        runner.protocol(steps).run(),
        purity_as=request.target.purity_as,
        draws=draws,
        seed=seed,
        fixed=fixed,
        variant=protocols[1] if len(protocols) > 1 else None,
    )
    return judge(request.target, found.yield_share, found.purity, found.hours)


def judge(target: Target, yield_share: FloatArray, purity: FloatArray, hours: FloatArray) -> Likely:
    """Return how often drawn numbers meet a target; arrays of one length."""
    met = target.met(yield_share, purity, hours)
    whole = met["yield"] & met["purity"] & met["hours"]
    intervals = {
        key: (float(q[0]), float(q[1]), float(q[2]))
        for key, values in (("yield", yield_share), ("purity", purity), ("hours", hours))
        for q in (np.percentile(values, [5, 50, 95]),)
    }
    return Likely(
        draws=len(whole),
        probability=float(whole.mean()),
        by_criterion={key: float(value.mean()) for key, value in met.items()},
        intervals=intervals,
    )


def run_exact(request: Request, steps: Sequence[Mapping[str, Any]]) -> tuple[Numbers, ProtocolResult]:
    """Run a plan as `vesicula isolate` would, on the full grid with default inputs."""
    result = compile_plan(request, steps).run()
    return numbers_of(result.reports[-1], request.classes, request.target.purity_as), result


def purity_key(purity_as: Purity) -> str:
    """Return the key of the purity in JSON, with its unit."""
    return "particles_per_ug" if purity_as == "per-ug" else purity_as.replace("-", "_")


def dump(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON without infinities."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
