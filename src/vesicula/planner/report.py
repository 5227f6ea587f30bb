"""What a search says: the verdict first, then the plans, then what was assumed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from vesicula.planner.draws import NOT_DRAWN
from vesicula.planner.plan import Likely, protocol_yaml, purity_key
from vesicula.planner.search import Plan, PlanSearch
from vesicula.planner.target import PURITY_WORDS, Target, percent

HEADINGS = (
    "plan", "protocol", "meets target", "yield (5-95 %)", "purity (5-95 %)", "hours", "g x hours", "why it may miss",
)  # fmt: skip


def verdict(found: PlanSearch) -> str:
    """Return the answer in one or two sentences."""
    target, meeting = found.request.target, found.meeting
    asked = percent(target.probability)
    best = meeting[0] if meeting else found.plans[0]
    if meeting:
        plans = "1 plan meets" if len(meeting) == 1 else f"{len(meeting)} plans meet"
        return (
            f"{plans} the target ({target.words()}) with at least {asked} probability; the best is plan "
            f"{found.plans.index(best) + 1}, {best.title}, with {probability_words(best.likely)}."
        )
    return (
        f"No plan meets the target ({target.words()}) with {asked} probability. The nearest is plan 1, {best.title}, "
        f"with {probability_words(best.likely)}. What stands in the way: {obstacle(best, found)}."
    )


def probability_words(likely: Likely) -> str:
    """Return a probability with how finely it is known."""
    return f"{100 * likely.probability:.0f} % (+/- {max(1.0, 100 * likely.standard_error):.0f}, {likely.draws} draws)"


def obstacle(plan: Plan, found: PlanSearch) -> str:
    """Return which criterion a plan misses most often, and what in the plan is behind it."""
    target = found.request.target
    name = min(plan.likely.by_criterion, key=lambda key: plan.likely.by_criterion[key])
    share = f"met in {100 * plan.likely.by_criterion[name]:.0f} % of the draws"
    if name == "purity":
        others = {n: v for n, v in plan.made_of.items() if n not in found.request.classes}
        worst = max(others, key=lambda n: others[n])
        median = target.purity_words(plan.likely.intervals["purity"][1])
        of = "protein" if target.purity_as in ("protein-share", "per-ug") else "particles"
        return (
            f"the purity ({share}; median {median}): of the product's {of}, {percent(others[worst])} is {worst}"
        )
    steps = plan.report["steps"]
    if name == "yield":
        kept = [(b["target_yield"] / a["target_yield"], b["label"]) for a, b in pairwise(steps)]
        least = min(kept)
        median = percent(plan.likely.intervals["yield"][1])
        return f"the yield ({share}; median {median}): the step {least[1]!r} keeps {percent(least[0])}"
    spent = [(b["hours"] - a["hours"], b["label"]) for a, b in pairwise(steps)]
    longest = max(spent)
    median = f"{plan.likely.intervals['hours'][1]:.1f} h"
    return f"the hours ({share}; median {median}): {longest[1]!r} takes {longest[0]:.1f} h"


def rows(found: PlanSearch) -> list[tuple[str, ...]]:
    """Return the table that `HEADINGS` heads, one row per plan."""
    target = found.request.target
    return [
        (
            str(n),
            p.title,
            f"{100 * p.likely.probability:.0f} %",
            f"{percent(p.numbers.yield_share)} ({_range(p.likely, 'yield', None)})",
            f"{target.purity_words(p.numbers.purity)} ({_range(p.likely, 'purity', target)})",
            f"{p.numbers.hours:.1f}",
            f"{p.numbers.g_hours:.2g}" if p.numbers.g_hours else "0",
            "" if p.likely.probability >= target.probability else obstacle(p, found),
        )
        for n, p in enumerate(found.plans, start=1)
    ]


def _range(likely: Likely, key: str, target: Target | None) -> str:
    low, _, high = likely.intervals[key]
    if target is not None and target.purity_as == "per-ug":
        return f"{low:.1e}-{high:.1e}"
    digits = 1 if high >= 0.01 else 3
    return f"{100 * low:.{digits}f}-{100 * high:.{digits}f}"


def notes(found: PlanSearch) -> list[str]:
    """Return what a reader must know."""
    request, settings = found.request, found.settings
    exposure = (
        "Exposure: force at the largest radius times hours; shear in pumps and membranes is reported per step by "
        "vesicula isolate and not weighed here."
    )
    tried = (
        f"{found.tried} protocols of {found.tried // settings.trials} structures tried (seed {settings.seed}). "
        "A search shows what it found: a better plan may exist."
    )
    probability = (
        f"Probability: share of {settings.draws} draws of the uncertain inputs. Plans were chosen and placed by other, "
        f"fewer draws, so that none is shown with a probability that it was picked for; {NOT_DRAWN}."
    )
    said = [
        f"Purity: {PURITY_WORDS[request.target.purity_as]}. {exposure}",
        tried,
        probability,
    ]
    if request.lab.assumed:
        said.append(f"Taken as there, as no file says otherwise: {', '.join(request.lab.assumed)}.")
    said += [f"Not tried: {name} (lacking: {lack})." for name, lack in found.left_out.items()]
    return said


def plan_yaml(found: PlanSearch, n: int) -> str:
    """Return the text of the n-th plan (from 1), which `vesicula isolate` runs with the same numbers."""
    plan, request = found.plans[n - 1], found.request
    note = (
        f"Plan {n} of vesicula plan (seed {found.settings.seed}): meets {request.target.words()} with a probability of "
        f"{probability_words(plan.likely)}."
    )
    return protocol_yaml(f"Plan {n}: {plan.title}", request.feed.plain(), request.classes, plan.steps, note)


def to_json(found: PlanSearch) -> dict[str, Any]:
    """Return everything as plain values."""
    request, target = found.request, found.request.target
    key = purity_key(target.purity_as)
    return {
        "schema": "vesicula.plan/1",
        "verdict": verdict(found),
        "target": {
            "classes": list(request.classes), "yield": target.yield_share, "purity": target.purity,
            "purity_as": target.purity_as, "hours": target.hours, "probability": target.probability,
        },
        "feed": request.feed.plain(),
        "seed": found.settings.seed,
        "draws": found.settings.draws,
        "plans_meeting": len(found.meeting),
        "plans": [_plan_json(found, n, key) for n in range(1, len(found.plans) + 1)],
        "notes": notes(found),
    }  # fmt: skip


def _plan_json(found: PlanSearch, n: int, key: str) -> dict[str, Any]:
    plan = found.plans[n - 1]
    last = plan.report["steps"][-1]
    return {
        "plan": n,
        "protocol": plan.title,
        "probability": plan.likely.probability,
        "probability_when_chosen": plan.chance,
        "probability_standard_error": plan.likely.standard_error,
        "probability_by_criterion": plan.likely.by_criterion,
        "yield": plan.numbers.yield_share,
        key: plan.numbers.purity,
        "hours": plan.numbers.hours,
        "g_hours": plan.numbers.g_hours,
        "max_g": last["max_g"],
        "shear_per_s": last.get("shear_per_s"),
        "percentiles_5_50_95": {name: list(q) for name, q in plan.likely.intervals.items()},
        "contents": plan.made_of,
        "protocol_yaml": plan_yaml(found, n),
        "report": plan.report,
    }
