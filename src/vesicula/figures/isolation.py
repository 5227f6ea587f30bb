"""Figures of an isolation: what each step leaves of each class, and the profile of an elution or a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.figures.figure import Figure
from vesicula.figures.style import FONT, SVG_DASHES, colour, dash
from vesicula.figures.svg import Scale, document, line, number, polyline, power_of_ten, text
from vesicula.isolation.balance import Outcome
from vesicula.isolation.protocol import ProtocolResult

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 70, 560, 24, 330
LOWEST = 1e-6
_Series = tuple[str, list[float]]


def isolation_chain(result: ProtocolResult) -> Figure:
    """Draw the share of each class that is still there after each step, on a logarithmic axis.

    Parameters
    ----------
    result : ProtocolResult
        A protocol that was run.

    Returns
    -------
    Figure
        Shares below 1e-6 are drawn at 1e-6.
    """
    labels = [r.label for r in result.reports]
    series = [
        (name, [max(r.yield_by_class[name], LOWEST) for r in result.reports])
        for name, count in result.reports[0].product.population.by_class().items()
        if count > 0
    ]
    last = result.reports[-1]
    caption = (
        f"{result.name}: share of the feed's particles in the product after each step, by class. "
        f"Shares below 1e-6 are drawn there. Target: {', '.join(result.target)}."
    )
    alt = f"{result.name}: {100 * last.target_yield:.3g} % of the target is left after {len(labels) - 1} steps."
    spec = _spec(labels, series, y_title="Share of the feed", log=True)
    return Figure(spec=spec, svg=_draw(labels, series, "Share of the feed", alt, log=True), caption=caption, alt=alt)


def fraction_profile(outcome: Outcome) -> Figure:
    """Draw which share of each class is in which fraction of an elution or a gradient.

    Parameters
    ----------
    outcome : Outcome
        Of a step whose fractions are numbered.

    Returns
    -------
    Figure
        One line per class.

    Raises
    ------
    AnalysisError
        When the step has no numbered fractions.
    """
    numbered = [f for f in outcome.fractions if f.name.startswith("fraction ")]
    if len(numbered) < 2:
        raise AnalysisError(f"{outcome.method} has no numbered fractions to draw")
    names = outcome.feed.population.names
    fed = outcome.feed.totals().sum(axis=(1, 2))
    shares = np.stack([f.totals().sum(axis=(1, 2)) for f in numbered]) / np.where(fed > 0, fed, 1.0)
    labels = [f.name.removeprefix("fraction ") for f in numbered]
    series = [(n, [float(x) for x in shares[:, k]]) for k, n in enumerate(names) if fed[k] > 0]
    kept = ", ".join(f.name.removeprefix("fraction ") for f in numbered if f.role == "product") or "none"
    caption = f"{outcome.method}: share of each class in each fraction. Kept: {kept}."
    peaks = "; ".join(f"{n} in {labels[int(np.argmax(y))]}" for n, y in series)
    alt = f"Peak fraction of each class: {peaks}."
    spec = _spec(labels, series, y_title="Share of the class", log=False)
    return Figure(spec=spec, svg=_draw(labels, series, "Share of the class", alt, log=False), caption=caption, alt=alt)


def _spec(labels: Sequence[str], series: Sequence[_Series], *, y_title: str, log: bool) -> dict[str, object]:
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": list(labels),
            "y": [float(f"{v:.5g}") for v in y], "line": {"color": colour(i), "dash": dash(i)},
        }
        for i, (name, y) in enumerate(series)
    ]  # fmt: skip
    y_axis: dict[str, object] = {"title": {"text": y_title}, "type": "log" if log else "linear"}
    return {"data": data, "layout": {"font": {"family": FONT}, "yaxis": y_axis, "xaxis": {"type": "category"}}}


def _draw(labels: Sequence[str], series: Sequence[_Series], y_title: str, alt: str, *, log: bool) -> str:
    highest = 1.0 if log else max(max(y) for _, y in series) * 1.05 or 1.0
    x = Scale(low=0, high=max(len(labels) - 1, 1), start=LEFT, end=RIGHT)
    y = Scale(low=LOWEST if log else 0.0, high=highest, start=BOTTOM, end=TOP, log=log)
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    ticks = [10.0**e for e in range(-6, 1)] if log else [highest * k / 4 for k in range(5)]
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">']
    for tick in ticks:
        shown = power_of_ten(round(np.log10(tick))) if log else f"{tick:.2f}"
        parts += [line(LEFT, y(tick), RIGHT, y(tick), faint), text(LEFT - 8, y(tick) + 4, shown, anchor="end")]
    step = max(1, len(labels) // 16)
    long = max(map(len, labels)) > 3
    for k in range(0, len(labels), step):
        turn = f' transform="rotate(-28 {number(x(k))} {BOTTOM + 18})"' if long else ""
        shown = labels[k] if len(labels[k]) <= 22 else f"{labels[k][:20]}..."
        parts.append(text(x(k), BOTTOM + 18, shown, anchor="end" if long else "middle", extra=turn))
    parts.append(text(LEFT, TOP - 9, y_title, anchor="start"))
    for i, (name, values) in enumerate(series):
        pattern = SVG_DASHES[dash(i)]
        style = f' stroke="{colour(i)}" stroke-width="2"' + (f' stroke-dasharray="{pattern}"' if pattern else "")
        parts.append(polyline([(x(k), y(v)) for k, v in enumerate(values)], style))
        row = TOP + 10 + 19 * i
        parts += [line(RIGHT + 20, row, RIGHT + 50, row, style), text(RIGHT + 58, row + 4, name, anchor="start")]
    return document([*parts, "</g>"], width=WIDTH, height=HEIGHT, label=alt)
