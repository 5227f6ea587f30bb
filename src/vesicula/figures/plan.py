"""Figure of a planning: yield against purity of every plan, with what is not known of each."""

from __future__ import annotations

import math

from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, FONT, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, text
from vesicula.planner.search import Plan, PlanSearch
from vesicula.planner.target import percent

WIDTH, HEIGHT = 760, 476
LEFT, RIGHT, TOP, BOTTOM = 80, 725, 50, 411
_FAINT = ' stroke="currentColor" stroke-opacity="0.22"'


def pareto_front(found: PlanSearch) -> Figure:
    """Draw yield against purity of the plans, with 5-95 % intervals, and the region asked for.

    Parameters
    ----------
    found : PlanSearch
        What a search found.

    Returns
    -------
    Figure
        Plans that meet the target with the probability asked for are filled circles, the others open squares; the
        number is that of the table.
    """
    target = found.request.target
    x, y = _scales(found)
    caption = (
        f"Yield and purity of {len(found.plans)} plans; none is beaten by another in yield, purity, hours and "
        "exposure at once. Lines: 5th to 95th percentile over what is not known. Shaded: the target. Filled circle: "
        f"met with at least {percent(target.probability)} probability, within {target.hours:g} h; open square: less."
    )
    alt = "; ".join(
        f"plan {n}: yield {percent(p.numbers.yield_share)}, purity {target.purity_words(p.numbers.purity)}, "
        f"probability {percent(p.likely.probability)}"
        for n, p in enumerate(found.plans, start=1)
    )
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">', *_axes(found, x, y)]
    taken = [(x(p.numbers.yield_share), y(p.numbers.purity)) for p in found.plans]
    for n, plan in enumerate(found.plans, start=1):
        parts += _mark(plan, plan in found.meeting, x, y)
        parts.append(_label(n, taken, x(plan.numbers.yield_share), y(plan.numbers.purity)))
    svg = document([*parts, "</g>"], width=WIDTH, height=HEIGHT, label=alt)
    return Figure(spec=_spec(found), svg=svg, caption=caption, alt=alt)


def _scales(found: PlanSearch) -> tuple[Scale, Scale]:
    target = found.request.target
    values = [target.purity, *(v for p in found.plans for v in (p.likely.intervals["purity"][0], p.numbers.purity))]
    positive = [v for v in values if v > 0]
    low = 10.0 ** math.floor(math.log10(max(min(positive), 1e-8 * max(positive))))
    tops = [*values, *(p.likely.intervals["purity"][2] for p in found.plans)]
    high = 1.0 if target.purity_as != "per-ug" else 10.0 ** math.ceil(math.log10(max(tops)))
    return (
        Scale(low=0.0, high=1.0, start=LEFT, end=RIGHT),
        Scale(low=low, high=high, start=BOTTOM, end=TOP, log=True),
    )


def _axes(found: PlanSearch, x: Scale, y: Scale) -> list[str]:
    target = found.request.target
    left = x(target.yield_share)
    place = f'x="{number(left)}" y="{number(TOP)}" width="{number(RIGHT - left)}"'
    parts = [f'<rect {place} height="{number(y(target.purity) - TOP)}" fill="{BLUE}" fill-opacity="0.10"/>']
    for tick in nice_ticks(0.0, 1.0, 5):
        parts += [line(x(tick), TOP, x(tick), BOTTOM, _FAINT), text(x(tick), BOTTOM + 18, f"{100 * tick:.0f} %")]
    decades = round(math.log10(y.high)) - round(math.log10(y.low))
    for e in range(0, decades + 1, max(1, decades // 6)):
        tick = y.low * 10.0**e
        parts += [line(LEFT, y(tick), RIGHT, y(tick), _FAINT)]
        shown = f"{tick:.0e}" if target.purity_as == "per-ug" else f"{100 * tick:.15f}".rstrip("0").rstrip(".") + " %"
        parts.append(text(LEFT - 8, y(tick) + 4, shown, anchor="end"))
    unit = "target particles per ug of protein" if target.purity_as == "per-ug" else target.purity_as.replace("-", " ")
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 42, "Yield of target particles"))
    parts.append(text(14, TOP - 32, f"Purity ({unit})", anchor="start"))
    return parts


def _label(n: int, taken: list[tuple[float, float]], x: float, y: float) -> str:
    """Put a number beside a mark where no other mark or number is, and note the place."""
    offsets = [(15, -8), (-15, -8), (0, -14), (15, 18), (-15, 18), (0, 26), (30, 5), (-30, 5), (15, 34), (-15, 34)]

    def room(offset: tuple[int, int]) -> float:
        at = x + offset[0], y + offset[1] - 5
        return min(max(abs(at[0] - a) / 14, abs(at[1] - b) / 13) for a, b in taken)

    free = next((o for o in offsets if room(o) >= 1.0), max(offsets, key=room))
    taken.append((x + free[0], y + free[1] - 5))
    return text(x + free[0], y + free[1], str(n), extra=' font-weight="600"')


def _mark(plan: Plan, meets: bool, x: Scale, y: Scale) -> list[str]:  # noqa: FBT001 - a drawing's state
    colour = BLUE if meets else VERMILLION
    here = x(plan.numbers.yield_share), y(plan.numbers.purity)
    across, up = plan.likely.intervals["yield"], plan.likely.intervals["purity"]
    style = f' stroke="{colour}" stroke-width="1.5" stroke-opacity="0.55"'
    parts = [
        line(x(across[0]), here[1], x(across[2]), here[1], style),
        line(here[0], y(max(up[0], y.low)), here[0], y(max(up[2], y.low)), style),
    ]
    if meets:
        parts.append(f'<circle cx="{number(here[0])}" cy="{number(here[1])}" r="6" fill="{colour}"/>')
    else:
        parts.append(
            f'<rect x="{number(here[0] - 5)}" y="{number(here[1] - 5)}" width="10" height="10" fill="none" '
            f'stroke="{colour}" stroke-width="2"/>'
        )
    return parts


def _spec(found: PlanSearch) -> dict[str, object]:
    plans = found.plans
    data = [
        {
            "type": "scatter", "mode": "markers+text", "name": "plans",
            "x": [p.numbers.yield_share for p in plans], "y": [p.numbers.purity for p in plans],
            "text": [str(n) for n in range(1, len(plans) + 1)], "textposition": "top right",
            "marker": {"color": [BLUE if p in found.meeting else VERMILLION for p in plans], "size": 10},
        }
    ]  # fmt: skip
    layout = {
        "font": {"family": FONT},
        "xaxis": {"title": {"text": "Yield of target particles"}, "range": [0, 1]},
        "yaxis": {"title": {"text": f"Purity ({found.request.target.purity_as})"}, "type": "log"},
    }
    return {"data": data, "layout": layout}
