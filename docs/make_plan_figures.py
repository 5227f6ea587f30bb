"""Write docs/validation/figures/plan-front.svg, plan-calibration.svg and the numbers of docs/validation/planning.md.

Run as: python docs/make_plan_figures.py (some minutes on 2 cores)
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from vesicula.figures.plan import pareto_front
from vesicula.figures.style import BLUE, FONT
from vesicula.figures.svg import Scale, document, line, number, text
from vesicula.isolation.rotors import rotors
from vesicula.planner.lab import whole_lab
from vesicula.planner.plan import Coarse, FeedSpec, Request, likelihood
from vesicula.planner.priors import draw_worlds
from vesicula.planner.report import rows, verdict
from vesicula.planner.search import PlanSearch, Settings, search
from vesicula.planner.target import Target
from vesicula.planner.transfer import match_rotors

FOLDER = Path(__file__).parent / "validation" / "figures"
FRESH_SEED, FRESH_DRAWS = 4242, 200
PAIRS = (
    ("SW 40 Ti", "SW 32 Ti"), ("SW 40 Ti", "MLS-50"), ("Type 45 Ti", "Type 70 Ti"), ("Type 45 Ti", "TLA-110"),
    ("Type 45 Ti", "SW 32 Ti"), ("SW 40 Ti", "Type 45 Ti"),
)  # fmt: skip


def main() -> None:
    request = Request(
        feed=FeedSpec(volume_ml=200.0, preset="serum-free conditioned medium"),
        classes=("exosome", "microvesicle"),
        target=Target(yield_share=0.4, purity=0.3, hours=8.0),
        lab=whole_lab(),
    )
    start = time.perf_counter()
    found = search(request, Settings(workers=2))
    print(f"{time.perf_counter() - start:.0f} s, {found.tried} protocols, {len(found.plans)} plans")
    print(verdict(found))
    for row in rows(found):
        print(" | ".join(row[:7]))
    FOLDER.mkdir(parents=True, exist_ok=True)
    _write("plan-front.svg", pareto_front(found).svg)
    points = _calibration(found)
    for stated, fresh in points:
        print(f"stated {stated:.3f}, met by fresh truths {fresh:.3f}")
    _write("plan-calibration.svg", _drawing(points))
    for a, b in PAIRS:
        match = match_rotors(rotors()[a], rotors()[b])
        print(f"{a} -> {b}: ratio {match.ratio:.4f}, difference {100 * match.difference:.2f} points")


def _calibration(found: PlanSearch) -> list[tuple[float, float]]:
    """Return stated probability and how often fresh truths meet, over plans and over harder and easier targets."""
    fresh = draw_worlds(Coarse(found.request).priors(), FRESH_DRAWS, seed=FRESH_SEED)
    first = draw_worlds(Coarse(found.request).priors(), found.settings.draws, seed=99)
    points = []
    for plan in [p for p in found.plans if "gradient" not in p.structure][:3]:
        for factor in (0.75, 0.95):
            asked = replace(found.request.target, yield_share=plan.numbers.yield_share * factor, purity=0.05)
            one = replace(found.request, target=asked)
            stated = likelihood(one, plan.steps, first, exact=plan.numbers).probability
            points.append((stated, likelihood(one, plan.steps, fresh, exact=plan.numbers).probability))
    return points


def _drawing(points: list[tuple[float, float]]) -> str:
    x = Scale(low=0.0, high=1.0, start=70, end=430)
    y = Scale(low=0.0, high=1.0, start=380, end=20)
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">']
    for tick in np.linspace(0, 1, 6):
        parts += [line(x(tick), 20, x(tick), 380, faint), line(70, y(tick), 430, y(tick), faint)]
        parts += [text(x(tick), 398, f"{tick:.1f}"), text(62, y(tick) + 4, f"{tick:.1f}", anchor="end")]
    parts.append(line(x(0), y(0), x(1), y(1), ' stroke="currentColor" stroke-dasharray="5 4"'))
    parts += [
        f'<circle cx="{number(x(a))}" cy="{number(y(b))}" r="5" fill="{BLUE}" fill-opacity="0.75"/>' for a, b in points
    ]
    parts += [text(250, 424, "Stated probability"), text(70, 12, "Share of fresh truths that meet it", anchor="start")]
    worst = max(abs(a - b) for a, b in points)
    return document([*parts, "</g>"], width=450, height=436, label=f"Greatest difference {worst:.3f}")


def _write(name: str, svg: str) -> None:
    # A picture of its own has no page to take a colour from.
    coloured = svg.replace("<svg ", '<svg color="#1b1f24" style="background:#fff" ', 1)
    (FOLDER / name).write_text(coloured + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
