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
from vesicula.planner.report import rows, verdict
from vesicula.planner.search import Candidate, PlanSearch, Settings, assess, search
from vesicula.planner.target import Target
from vesicula.planner.transfer import match_rotors

FOLDER = Path(__file__).parent / "validation" / "figures"
TRUTH_SEED, TRUTHS = 4242, 10_000
FACTORS = (0.6, 0.75, 0.85, 0.95)
"""Yields asked for in the picture of the calibration, over what each plan yields by default."""
REPEATS = 40
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
    apart = np.array([a - b for a, b in points])
    print(f"{len(points)} probabilities: root mean square difference {np.sqrt(np.mean(apart**2)):.4f}, "
          f"mean {apart.mean():+.4f}, greatest {np.abs(apart).max():.4f}")  # fmt: skip
    _write("plan-calibration.svg", _drawing(points))
    _flattery(request)
    for a, b in PAIRS:
        match = match_rotors(rotors()[a], rotors()[b])
        print(f"{a} -> {b}: ratio {match.ratio:.4f}, difference {100 * match.difference:.2f} points")


def _calibration(found: PlanSearch) -> list[tuple[float, float]]:
    """Return stated probability and how often fresh truths meet, over plans and over harder and easier targets."""
    points = []
    for plan in found.plans:
        for factor in FACTORS:
            asked = replace(found.request.target, yield_share=plan.numbers.yield_share * factor, purity=1e-3)
            one = replace(found.request, target=asked)
            stated = likelihood(one, plan.steps, draws=found.settings.draws, seed=99).probability
            truth = likelihood(one, plan.steps, draws=TRUTHS, seed=TRUTH_SEED).probability
            points.append((stated, truth))
    return points


def _flattery(request: Request) -> None:
    """Print how much too high the probability of the best of many is, by the draws it was chosen with and by fresh."""
    tff = {"label": "tff", "tff": {"cutoff_kda": 500, "concentrate_to_ml": 20}}
    through = {"label": "through", "filter": {"pore_nm": 100_000, "adsorbed": 0}}
    hold = {"label": "hold", "uf": {"cutoff_kda": 3, "concentrate_to_ml": 20, "adsorbed": 0}}
    alike = [[tff], [through, tff], [tff, through], [tff, hold], [through, tff, hold], [tff, through, hold]]
    asked = replace(request, target=replace(request.target, yield_share=0.83, purity=1e-6))
    many = [Candidate(structure=("tff",), steps=steps, numbers=Coarse(asked).run(steps)) for steps in alike]
    truth = np.mean([likelihood(asked, steps, draws=TRUTHS, seed=TRUTH_SEED).probability for steps in alike])
    best = [assess(many, asked, Settings(draws=200, shown=1, seed=seed))[0] for seed in range(REPEATS)]
    print(f"six plans alike, each met in {100 * truth:.1f} %; the best of them over {REPEATS} seeds:")
    named = {"that it was chosen by": [p.chance for p in best], "drawn afresh": [p.likely.probability for p in best]}
    for name, said in named.items():
        off = 100 * (np.array(said) - truth)
        print(f"  by draws {name}: {off.mean():+.1f} +/- {off.std() / np.sqrt(REPEATS):.1f} points")


def _drawing(points: list[tuple[float, float]]) -> str:
    x = Scale(low=0.0, high=1.0, start=70, end=430)
    y = Scale(low=0.0, high=1.0, start=390, end=30)
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">']
    for tick in np.linspace(0, 1, 6):
        parts += [line(x(tick), 30, x(tick), 390, faint), line(70, y(tick), 430, y(tick), faint)]
        parts += [text(x(tick), 408, f"{100 * tick:.0f} %"), text(62, y(tick) + 4, f"{100 * tick:.0f} %", anchor="end")]
    parts.append(line(x(0), y(0), x(1), y(1), ' stroke="currentColor" stroke-dasharray="5 4"'))
    parts += [
        f'<circle cx="{number(x(a))}" cy="{number(y(b))}" r="5" fill="{BLUE}" fill-opacity="0.6"/>' for a, b in points
    ]
    parts += [text(250, 434, "Stated probability"), text(20, 16, "Share of fresh truths that meet it", anchor="start")]
    worst = max(abs(a - b) for a, b in points)
    said = f"{len(points)} stated probabilities against fresh truths; greatest difference {100 * worst:.1f} points"
    return document([*parts, "</g>"], width=450, height=446, label=said)


def _write(name: str, svg: str) -> None:
    # A picture of its own has no page to take a colour from.
    coloured = svg.replace("<svg ", '<svg color="#1b1f24" style="background:#fff" ', 1)
    (FOLDER / name).write_text(coloured + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
