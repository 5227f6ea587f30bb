"""A plan: the text of its protocol, its numbers, and how likely it meets a target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import yaml

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction
from vesicula.isolation.priors import Prior
from vesicula.isolation.protocol import ProtocolResult
from vesicula.isolation.protocol_text import Equipment, Protocol, parse_protocol
from vesicula.planner.lab import Lab
from vesicula.planner.priors import World, columns_in, feed_in, priors_for, steps_in
from vesicula.planner.target import Numbers, Purity, Target, numbers_of

COARSE = (3.0, 6000.0, 48)
"""Lowest and highest edge and number of bins while searching and drawing; final numbers use the full grid."""
COARSE_DENSITIES = {"gradient": 3}
"""Density shares while searching: one, but where particles are parted by density."""


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
    document = {
        "vesicula_protocol": 1, "name": name, "feed": dict(feed), "target": list(classes),
        "steps": [dict(step) for step in steps],
    }  # fmt: skip
    lines = "".join(f"# {line}\n" for line in note.splitlines())
    return lines + str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


def compile_plan(request: Request, steps: Sequence[Mapping[str, Any]], equipment: Equipment | None = None) -> Protocol:
    """Return the protocol of some steps, read from its own text, so that the file gives the same numbers."""
    text = protocol_yaml("plan", request.feed.plain(), request.classes, steps)
    return parse_protocol(text, name="plan", equipment=equipment or request.lab.equipment())


class Coarse:
    """Runs steps on a coarse grid, with or without the inputs of a draw; keeps the parsed feed between calls."""

    def __init__(self, request: Request) -> None:
        self._request = request
        plain = {"label": "hold", "dilute": {"to_ml": request.feed.volume_ml}}
        self._start = compile_plan(request, [plain])
        low, high, n = COARSE
        self._edges: FloatArray = np.geomspace(low, high, n + 1)
        self._feeds: dict[tuple[int, int], Fraction] = {}

    @property
    def feed(self) -> Fraction:
        """The feed on the full grid."""
        return self._start.feed

    def priors(self) -> tuple[Prior, ...]:
        """Return what is not known of this feed and of the methods."""
        return priors_for(self.feed.population, self._start.stated)

    def run(self, steps: Sequence[Mapping[str, Any]], world: World | None = None) -> Numbers:
        """Run steps.

        Raises
        ------
        AnalysisError
            When a step refuses.
        """
        densities = max((COARSE_DENSITIES.get(kind, 1) for step in steps for kind in step), default=1)
        equipment = self._request.lab.equipment()
        if world is not None:
            equipment = replace(equipment, columns=columns_in(world, equipment.columns))
            steps = steps_in(world, steps)
        protocol = compile_plan(self._request, steps, equipment)
        result = replace(protocol, feed=self._feed(world, densities)).run()
        return numbers_of(result.reports[-1], self._request.classes, self._request.target.purity_as)

    def _feed(self, world: World | None, densities: int) -> Fraction:
        key = (id(world), densities)
        if key not in self._feeds:
            if len(self._feeds) > 1000:
                self._feeds.clear()
            self._feeds[key] = feed_in(
                world, self.feed, stated=self._start.stated, edges_nm=self._edges, n_densities=densities
            )
        return self._feeds[key]


def likelihood(
    request: Request, steps: Sequence[Mapping[str, Any]], worlds: Sequence[World], *, exact: Numbers | None = None
) -> Likely:
    """Run a plan in every draw and count how often it meets the target.

    Parameters
    ----------
    request : Request
        Feed, target, laboratory.
    steps : sequence of mapping
        Of the plan.
    worlds : sequence of World
        Draws, the same for every plan.
    exact : Numbers, optional
        The plan's numbers on the full grid with default inputs: draws are scaled by exact over coarse.

    Returns
    -------
    Likely
        A draw in which a step refuses (no target particle is left) counts as a miss with nothing yielded.
    """
    runner = Coarse(request)
    base = runner.run(steps)
    found = [_run_in(runner, steps, world) for world in worlds]
    scale_yield = exact.yield_share / base.yield_share if exact else 1.0
    scale_purity = exact.purity / base.purity if exact and base.purity > 0 else 1.0
    share = np.minimum(1.0, np.array([n.yield_share for n in found]) * scale_yield)
    purity = np.array([n.purity for n in found]) * scale_purity
    if request.target.purity_as != "per-ug":
        purity = np.minimum(1.0, purity)
    hours = np.array([n.hours for n in found])
    return judge(request.target, share, purity, hours)


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


def _run_in(runner: Coarse, steps: Sequence[Mapping[str, Any]], world: World) -> Numbers:
    try:
        return runner.run(steps, world)
    except AnalysisError:
        return Numbers(yield_share=0.0, purity=0.0, hours=0.0, g_hours=0.0)


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
