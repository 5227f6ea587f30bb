"""What a plan gives over draws of all that is not known, by `vesicula.isolation.ensemble`.

Yield and purity come from the ensemble, which draws the inputs of classes, feed and methods, constants that no protocol
can set among them. Added here: the flux over membranes (hours), and the loss of a gradient's pellet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, part
from vesicula.isolation.ensemble import USED_BY, Ensemble, ensemble
from vesicula.isolation.priors import Prior, method_priors
from vesicula.isolation.protocol import ProtocolResult, Step
from vesicula.isolation.protocol_text import Protocol
from vesicula.planner.target import Purity

FLUX = Prior(
    name="flux_l_per_m2_h", value=40.0, low=15.0, high=80.0, log=True, unit="L/(m2 h)",
    source="engineering estimate; only the hours depend on it", sureness="L", meaning="flux over a membrane",
    checked=False,
)  # fmt: skip
"""The one uncertain input of the hours; `vesicula.isolation.priors` holds those of the particles."""
NOT_DRAWN = (
    "not drawn are the handling time of each run, the carrier mass and the antibody's amount in the models of PEG and "
    "beads, and the settings that a protocol states. The form of rotor, column and model is taken as true, and inputs "
    "as independent of each other"
)
LOSS = "pellet_loss"
PELLET_LOSSES = (0.0, 0.5)
"""Two losses of a gradient's pellet, between and beyond which everything after it is linear."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """What a plan gives, draw by draw.

    Parameters
    ----------
    yield_share, purity, hours : numpy.ndarray, shape (n,)
        As in `vesicula.planner.target.Numbers`.
    """

    yield_share: FloatArray
    purity: FloatArray
    hours: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ends:
    """Amounts at the end of a protocol and of what its target is, each of shape (n,)."""

    feed: FloatArray
    wanted: FloatArray
    particles: FloatArray
    protein: FloatArray
    wanted_protein: FloatArray
    counted: FloatArray
    wanted_counted: FloatArray


def draw_plan(
    protocol: Protocol,
    result: ProtocolResult,
    *,
    purity_as: Purity,
    draws: int,
    seed: int,
    fixed: Collection[str] = (),
    variant: Protocol | None = None,
) -> Drawn:
    """Draw what is not known and run a protocol in each draw.

    Parameters
    ----------
    protocol : Protocol
        Of a plan.
    result : ProtocolResult
        What it gives with default inputs, for the hours.
    purity_as : str
        Measure of the purity.
    draws, seed : int
        How many, and what they follow from.
    fixed : collection of str
        Priors of the ensemble that stay at their default; ``"flux_l_per_m2_h"`` and ``"pellet_loss"`` among them.
    variant : Protocol, optional
        The same with the loss of its last step's pellet at the second of `PELLET_LOSSES`, `protocol` having it at the
        first: the loss is then drawn too.

    Returns
    -------
    Drawn
        Shape (draws,) each.
    """
    rng = np.random.default_rng([seed, 1])
    own = rng.random((2, draws))
    elsewhere = {FLUX.name} | ({LOSS} if all(LOSS not in USED_BY[step.method] for step in protocol.steps) else set())
    kept = [name for name in fixed if name not in elsewhere]
    found = ensemble(_and_target(protocol), draws=draws, seed=seed, threads=1, fixed=kept)
    ends = _ends(found)
    if variant is not None:
        other = _ends(ensemble(_and_target(variant), draws=draws, seed=seed, threads=1, fixed=kept))
        ends = _between(ends, other, _pellet_loss(found, own[1], fixed))
    flux = np.full(draws, FLUX.value) if FLUX.name in fixed else FLUX.quantile(own[0])
    return Drawn(
        yield_share=ends.wanted / ends.feed,
        purity=_purity(ends, purity_as),
        hours=result.reports[-1].hours + _at_membranes(protocol, result) * (FLUX.value / flux - 1.0),
    )


def loses_a_pellet(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the last step is a gradient that keeps its pellet and does not state what is lost of it."""
    last = steps[-1].get("gradient")
    return last is not None and "pellet" in last["keep"] and LOSS not in last


def with_pellet_loss(steps: Sequence[Mapping[str, Any]], share: float) -> list[dict[str, Any]]:
    """Return steps whose last, a gradient, loses a share of its pellet."""
    return [*map(dict, steps[:-1]), {**steps[-1], "gradient": {**steps[-1]["gradient"], LOSS: share}}]


def _and_target(protocol: Protocol) -> Protocol:
    """Add a last step that keeps the target alone: it tells the target's protein from all protein.

    An ensemble looks up the shares of a device (here one without loss) instead of drawing anything for it.
    """
    wanted = frozenset(protocol.target)

    def act(feed: Fraction, _liquid: str) -> Outcome:
        share = np.array([float(name in wanted) for name in feed.population.names])[:, None, None]
        kept = part(feed, share, name="target", volume_ml=feed.volume_ml, role="product")
        rest = part(feed, 1.0 - share, name="others", volume_ml=feed.volume_ml, role="waste")
        return Outcome(method="target alone", feed=feed, fractions=(kept, rest))

    step = Step(label="target alone", act=act, method="dld", context=protocol.steps[-1].context)
    return replace(protocol, steps=(*protocol.steps, step))


def _ends(found: Ensemble) -> _Ends:
    wanted = found.wanted()
    return _Ends(
        feed=wanted[:, 0],
        wanted=wanted[:, -2],
        particles=found.particles[:, -2].sum(axis=1),
        protein=found.protein_ug[:, -2],
        wanted_protein=found.protein_ug[:, -1],
        counted=found.counted[:, -2],
        wanted_counted=found.counted[:, -1],
    )


def _between(low: _Ends, high: _Ends, loss: FloatArray) -> _Ends:
    at = (loss - PELLET_LOSSES[0]) / (PELLET_LOSSES[1] - PELLET_LOSSES[0])

    def mixed(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.maximum(a + (b - a) * at, 0.0)

    return _Ends(
        feed=low.feed,
        wanted=mixed(low.wanted, high.wanted),
        particles=mixed(low.particles, high.particles),
        protein=mixed(low.protein, high.protein),
        wanted_protein=mixed(low.wanted_protein, high.wanted_protein),
        counted=mixed(low.counted, high.counted),
        wanted_counted=mixed(low.wanted_counted, high.wanted_counted),
    )


def _pellet_loss(found: Ensemble, uniform: FloatArray, fixed: Collection[str]) -> FloatArray:
    """Return the draws of an earlier run of the same protocol where there are, as one laboratory made both."""
    prior = method_priors()[LOSS]
    if prior.name in fixed:
        return np.full_like(uniform, prior.value)
    names = [p.name for p in found.priors]
    return found.parameters[:, names.index(prior.name)] if prior.name in names else prior.quantile(uniform)


def _purity(ends: _Ends, purity_as: Purity) -> FloatArray:
    above, below = {
        "protein-share": (ends.wanted_protein, ends.protein),
        "counted-share": (ends.wanted_counted, ends.counted),
        "number-share": (ends.wanted, ends.particles),
        "per-ug": (ends.wanted, ends.protein),
    }[purity_as]
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _at_membranes(protocol: Protocol, result: ProtocolResult) -> float:
    """Return the hours that go by at membranes whose flux the protocol leaves open."""
    spent = np.diff([report.hours for report in result.reports])
    return float(sum(
        hours
        for step, hours in zip(protocol.steps, spent, strict=True)
        if step.method in ("tff", "uf") and "flux_l_per_m2_h" not in step.context.numbers
    ))  # fmt: skip
