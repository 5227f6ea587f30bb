"""A protocol moved from one rotor to another, so that the same particles are pelleted.

Without diffusion the pelleted share of a rotor depends on one number, s w^2 t, through a curve that its geometry alone
decides (Livshits 2015, Sci Rep 5:17319; `vesicula.isolation.centrifuge.pelleted_share`). Two rotors' curves are of one
shape only by chance: the best that a transfer can do is the ratio of the two w^2 t at which the greatest difference of
the curves is smallest. Equal k-factors give equal clearing times by another definition, which neglects the curve and
holds for swing-out rotors alone; the time that they give is reported beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.optimize import minimize_scalar

from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.measurement import FloatArray
from vesicula.isolation.centrifuge import Run, k_factor, pelleted_share, run_at
from vesicula.isolation.plain_yaml import Entry, parse_yaml
from vesicula.isolation.protocol import ProtocolResult
from vesicula.isolation.protocol_text import Equipment, parse_protocol
from vesicula.isolation.rotors import RADII, At, Rotor, angular_speed, rotor
from vesicula.planner.plan import protocol_yaml

WITHIN = 0.03
"""Greatest difference of the pelleted shares that still counts as the same [E]: three points of a hundred."""
LONGEST_HOURS = 18.0
"""Longest run that is taken as possible: overnight and a little more [E]."""
SVEDBERG_S = 1e-13
_X = np.geomspace(1e-4, 10.0, 2001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two rotors' curves laid over each other.

    Parameters
    ----------
    ratio : float
        w^2 t of the second over that of the first.
    difference : float
        Greatest difference of the pelleted shares, 0 to 1.
    at_share : float
        Share that the first rotor pellets where the difference is greatest.
    cut_off_ratio : float
        Smallest sedimentation coefficient that is fully pelleted, second over first.
    """

    ratio: float
    difference: float
    at_share: float
    cut_off_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTransfer:
    """One run moved.

    Parameters
    ----------
    number : int
        Of the step, from 1.
    label : str
        Its label.
    before, after : Run
        The runs; `after` at the speed chosen.
    match : Match
        How well the curves agree.
    k_factor_minutes : float
        Time that equal k-factors give at the new speed.
    cut_off_svedberg : float
        Smallest sedimentation coefficient (in the step's medium) that is fully pelleted, after.
    problems : tuple of str
        Why it is not the same; empty where it is.
    """

    number: int
    label: str
    before: Run
    after: Run
    match: Match
    k_factor_minutes: float
    cut_off_svedberg: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A protocol moved.

    Parameters
    ----------
    to : Rotor
        The rotor that it is moved to.
    steps : tuple of StepTransfer
        Every run of a centrifuge that was moved.
    problems : tuple of str
        What makes the transfer as a whole impossible; each step's own problems are among them.
    text : str
        The protocol for the new rotor (as near as it gets where there are problems).
    before, after : ProtocolResult or None
        Both run on the protocol's own feed; `after` is None where it cannot be run.
    """

    to: Rotor
    steps: tuple[StepTransfer, ...]
    problems: tuple[str, ...]
    text: str
    before: ProtocolResult
    after: ProtocolResult | None

    @property
    def possible(self) -> bool:
        """Whether the same population is pelleted within what was asked."""
        return not self.problems

    def verdict(self) -> str:
        """Return the answer in a sentence."""
        if not self.steps:
            return f"Not possible in {self.to.name}: nothing could be moved."
        worst = max(self.steps, key=lambda s: s.match.difference)
        gap = f"the pelleted shares differ by at most {100 * worst.match.difference:.1f} points of a hundred"
        if self.possible:
            return f"Possible in {self.to.name}: {gap} (step {worst.number})."
        return f"Not possible in {self.to.name}: {self.problems[0]}."

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "schema": "vesicula.transfer/1",
            "to": self.to.name,
            "possible": self.possible,
            "verdict": self.verdict(),
            "problems": list(self.problems),
            "steps": [_step_json(s) for s in self.steps],
            "protocol_yaml": self.text,
            "yield_by_class_before": dict(self.before.reports[-1].yield_by_class),
            "yield_by_class_after": None if self.after is None else dict(self.after.reports[-1].yield_by_class),
        }


def _step_json(s: StepTransfer) -> dict[str, Any]:
    return {
        "step": s.number,
        "label": s.label,
        "from_rotor": s.before.rotor.name,
        "from_rpm": s.before.rpm,
        "from_minutes": s.before.minutes,
        "rpm": s.after.rpm,
        "rcf_at_r_av_g": s.after.rotor.rcf_g(s.after.rpm, at="r_av"),
        "minutes": s.after.minutes,
        "minutes_by_k_factor": s.k_factor_minutes,
        "greatest_difference": s.match.difference,
        "greatest_difference_at_share": s.match.at_share,
        "cut_off_ratio": s.match.cut_off_ratio,
        "cut_off_svedberg": s.cut_off_svedberg,
        "problems": list(s.problems),
    }


def curve(rotor_: Rotor, x: FloatArray, fill: float = 1.0) -> FloatArray:
    """Return the pelleted share by x = s w^2 t (no unit), without diffusion."""
    run = Run(rotor=rotor_, rpm=rotor_.max_rpm, minutes=1.0)
    return pelleted_share(run, np.asarray(x) / run.omega2_t, fill=fill)


def cut_off(rotor_: Rotor, fill: float = 1.0) -> float:
    """Return s w^2 t from which on all is pelleted: ln(r_max / r_top), or the way over the mean radius when tilted."""
    if rotor_.kind == "swing-out":
        top = rotor_.r_max_mm - (rotor_.r_max_mm - rotor_.r_min_mm) * fill
        return float(np.log(rotor_.r_max_mm / top))
    return rotor_.path_mm / rotor_.r_av_mm


def match_rotors(first: Rotor, second: Rotor, fills: tuple[float, float] = (1.0, 1.0)) -> Match:
    """Lay the curve of one rotor over that of another.

    Parameters
    ----------
    first, second : Rotor
        From, to.
    fills : (float, float)
        Share of each rotor's tubes that is filled.

    Returns
    -------
    Match
        With the ratio of w^2 t whose greatest difference over all sedimentation coefficients is smallest.
    """
    ends = cut_off(first, fills[0]), cut_off(second, fills[1])
    x = _X * ends[0]
    goal = curve(first, x, fills[0])

    def worst(log_ratio: float) -> float:
        return float(np.max(np.abs(curve(second, x * np.exp(log_ratio), fills[1]) - goal)))

    guess = float(np.log(ends[1] / ends[0]))
    grid = guess + np.linspace(-0.7, 0.7, 141)
    best = float(grid[int(np.argmin([worst(g) for g in grid]))])
    found = minimize_scalar(worst, bounds=(best - 0.02, best + 0.02), method="bounded", options={"xatol": 1e-7})
    ratio = float(np.exp(found.x))
    gap = np.abs(curve(second, x * ratio, fills[1]) - goal)
    k = int(np.argmax(gap))
    return Match(
        ratio=ratio, difference=float(gap[k]), at_share=float(goal[k]), cut_off_ratio=ends[1] / ratio / ends[0]
    )


def transfer_run(
    before: Run, to: Rotor, *, rpm: float | None = None, fills: tuple[float, float] = (1.0, 1.0)
) -> tuple[Run, Match, float]:
    """Return a run in another rotor that pellets the same, the match, and the minutes that equal k-factors give.

    The speed is that of the same force at r_av, or the rotor's limit where that is above it.

    Raises
    ------
    AnalysisError
        When `rpm` is not positive or above the rotor's limit.
    """
    match = match_rotors(before.rotor, to, fills)
    if rpm is None:
        force = before.rotor.rcf_g(before.rpm, at="r_av")
        rpm = min(to.max_rpm, float(np.sqrt(force / to.rcf_g(1.0, at="r_av"))))
        rpm = max(1.0, float(round(rpm)) if rpm < to.max_rpm else to.max_rpm)
    to.check_rpm(rpm)
    minutes = before.omega2_t * match.ratio / angular_speed(rpm) ** 2 / 60.0
    k_minutes = before.minutes * k_factor(to, rpm) / k_factor(before.rotor, before.rpm)
    return Run(rotor=to, rpm=rpm, minutes=float(minutes)), match, float(k_minutes)


def transfer_protocol(  # noqa: PLR0913 - choices of one transfer, by keyword
    text: str,
    to: str,
    *,
    name: str,
    equipment: Equipment | None = None,
    within: float = WITHIN,
    longest_hours: float = LONGEST_HOURS,
    rpm: float | None = None,
    only: Sequence[int] | None = None,
) -> Transfer:
    """Move the centrifuge runs of a protocol to another rotor.

    Parameters
    ----------
    text : str
        A protocol.
    to : str
        Name of the rotor.
    name : str
        Of the protocol's file, for messages.
    equipment : Equipment, optional
        The user's rotors and columns.
    within : float
        Greatest difference of pelleted shares that still counts as the same, above 0 and below 1.
    longest_hours : float
        Longest run that is possible.
    rpm : float, optional
        Speed in the new rotor; by default that of the same force at r_av, or its limit.
    only : sequence of int, optional
        Numbers of the steps to move; by default all.

    Returns
    -------
    Transfer
        Always with the nearest protocol; `problems` says why it is not the same.

    Raises
    ------
    UnreadableFile, AnalysisError
        When the protocol cannot be read or run, the rotor is unknown, or there is nothing to move.
    """
    if not 0 < within < 1:
        raise AnalysisError(f"the difference allowed must lie between 0 and 1, not {within:g}")
    if not longest_hours > 0:
        raise AnalysisError(f"the longest run must be positive, not {longest_hours:g} h")
    equipment = equipment or Equipment()
    target = rotor(to, equipment.rotors)
    before = parse_protocol(text, name=name, equipment=equipment).run()
    document = cast("dict[str, Any]", plain(parse_yaml(text, name=name)))
    moved, problems = _move_steps(document["steps"], before, (target, equipment), (rpm, only, within, longest_hours))
    if not moved and not problems:
        raise AnalysisError(f"{name}: no run of a centrifuge to move" + (" among those steps" if only else ""))
    title = f"{document.get('name', name)}, in {to}"
    note = f"Moved to rotor {to} by vesicula plan transfer."
    changed = protocol_yaml(title, document["feed"], document["target"], document["steps"], note)
    after: ProtocolResult | None = None
    try:
        after = parse_protocol(changed, name=name, equipment=equipment).run()
    except (AnalysisError, UnreadableFile) as error:
        problems.append(f"the protocol cannot be run in {to}: {error}")
    problems = [*(f"step {s.number} ({s.label}): {p}" for s in moved for p in s.problems), *problems]
    if after is not None:
        problems += _changed(before, after, within)
    return Transfer(
        to=target, steps=tuple(moved), problems=tuple(problems), text=changed, before=before, after=after
    )


def _changed(before: ProtocolResult, after: ProtocolResult, within: float) -> list[str]:
    """Return what the whole protocol, diffusion and all, makes otherwise of its own feed."""
    first, second = before.reports[-1].yield_by_class, after.reports[-1].yield_by_class
    worst = max(first, key=lambda name: abs(second[name] - first[name]))
    if abs(second[worst] - first[worst]) <= within:
        return []
    change = f"from {100 * first[worst]:.1f} to {100 * second[worst]:.1f} %"
    return [f"on the protocol's feed, the yield of {worst} goes {change} (allowed: {100 * within:g} points)"]


_Rules = tuple[float | None, Sequence[int] | None, float, float]


def _move_steps(
    steps: list[dict[str, Any]], before: ProtocolResult, tools: tuple[Rotor, Equipment], rules: _Rules
) -> tuple[list[StepTransfer], list[str]]:
    """Change the steps in place; return what was moved and what cannot be."""
    rpm, only, within, longest_hours = rules
    moved, problems = [], []
    wrong = [n for n in only or () if not 1 <= n <= len(steps)]
    if wrong:
        raise AnalysisError(f"there is no step {wrong[0]}: the protocol has steps 1 to {len(steps)}")
    for n, step in enumerate(steps, start=1):
        if only is not None and n not in only:
            continue
        label = before.reports[n].label
        if "gradient" in step:
            if step["gradient"]["rotor"] != tools[0].name:
                problems.append(
                    f"step {n} ({label}): a gradient is not moved: where bands lie depends on the whole tube. "
                    "Set it up anew in the other rotor"
                )
        elif "centrifuge" in step and step["centrifuge"]["rotor"] != tools[0].name:
            volume = before.reports[n - 1].product.volume_ml
            one = _move_one((n, label, volume), step["centrifuge"], tools, (rpm, within, longest_hours))
            _rewrite(step, one)
            moved.append(one)
    return moved, problems


def _move_one(
    place: tuple[int, str, float],
    body: Mapping[str, Any],
    tools: tuple[Rotor, Equipment],
    rules: tuple[float | None, float, float],
) -> StepTransfer:
    (number, label, volume), (to, equipment), (rpm, within, longest_hours) = place, tools, rules
    run = _run_of(body, equipment)
    fills = (_fill(run.rotor, volume), _fill(to, volume))
    after, match, k_minutes = transfer_run(run, to, rpm=rpm, fills=fills)
    problems = []
    if match.difference > within:
        kinds = f"{run.rotor.kind} and {to.kind}" if run.rotor.kind != to.kind else "their geometries"
        problems.append(
            f"the pelleted shares differ by up to {100 * match.difference:.1f} points of a hundred "
            f"(allowed: {100 * within:g}), as the curves of {kinds} are of different shape"
        )
    if after.minutes > 60 * longest_hours:
        full = after.omega2_t / angular_speed(to.max_rpm) ** 2 / 3600.0
        limit = f"at its limit of {to.max_rpm:.0f} rpm it takes {full:.1f} h"
        problems.append(
            f"{after.minutes / 60:.1f} h would be needed at {after.rpm:.0f} rpm, more than {longest_hours:g} h; {limit}"
        )
    return StepTransfer(
        number=number,
        label=label,
        before=run,
        after=after,
        match=match,
        k_factor_minutes=k_minutes,
        cut_off_svedberg=cut_off(to, fills[1]) / after.omega2_t / SVEDBERG_S,
        problems=tuple(problems),
    )


def _run_of(body: Mapping[str, Any], equipment: Equipment) -> Run:
    chosen = rotor(body["rotor"], equipment.rotors)
    if "rpm" in body:
        return Run(rotor=chosen, rpm=body["rpm"], minutes=body["minutes"])
    at = body["at"] if body["at"] in RADII else "r_av"
    return run_at(chosen, body["rcf_g"], body["minutes"], at=cast("At", at))


def _fill(rotor_: Rotor, volume_ml: float) -> float:
    """Return the share of the tubes that is filled, as `vesicula.isolation.centrifuge.centrifuge` takes it."""
    capacity = rotor_.tube_ml * rotor_.tubes
    loads = max(1.0, float(np.ceil(volume_ml / capacity - 1e-9)))
    return float(min(1.0, max(volume_ml / (loads * capacity), 0.05)))


def _rewrite(step: dict[str, Any], moved: StepTransfer) -> None:
    body = step["centrifuge"]
    for key in ("rcf_g", "at", "rpm"):
        body.pop(key, None)
    body["rotor"] = moved.after.rotor.name
    body["rpm"] = moved.after.rpm
    body["minutes"] = float(f"{moved.after.minutes:.5g}")
    g = moved.after.rotor.rcf_g(moved.after.rpm, at="r_av")
    step["label"] = f"{moved.label} -> {moved.after.rotor.name}, {g:.0f} g at r_av"


def plain(entry: Entry) -> object:
    """Return a document's values without their places; whole numbers as int, as a writer of YAML wants them."""
    value = entry.value
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else value
