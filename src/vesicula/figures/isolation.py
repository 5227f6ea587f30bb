"""Figures of an isolation: what each step leaves of each class, and the profile of an elution or a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.figures.figure import Figure
from vesicula.figures.style import FONT, SVG_DASHES, colour, dash
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, polyline, power_of_ten, text
from vesicula.isolation.balance import Outcome
from vesicula.isolation.protocol import ProtocolResult

WIDTH = 520
LEFT, RIGHT, TOP, BOTTOM = 56, 506, 28, 268
LEGEND_COLUMNS, LEGEND_ROW = 3, 19
LOWEST = 1e-6
LABEL = 19
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
    densities = [outcome.facts.get(f"density_of_fraction_{n}_g_per_ml") for n in labels]
    series = [(n, [float(x) for x in shares[:, k]]) for k, n in enumerate(names) if fed[k] > 0]
    kept = ", ".join(f.name.removeprefix("fraction ") for f in numbered if f.role == "product") or "none"
    caption = f"{outcome.method}: share of each class in each fraction. Kept: {kept} (shaded)."
    if all(densities):
        caption += f" Density from {densities[0]:.3f} (top) to {densities[-1]:.3f} g/mL (bottom), under the numbers."
    peaks = "; ".join(f"{n} in {labels[int(np.argmax(y))]}" for n, y in series)
    alt = f"Peak fraction of each class: {peaks}."
    spec = _spec(labels, series, y_title="Share of the class, by fraction", log=False)
    shaded = [k for k, f in enumerate(numbered) if f.role == "product"]
    under = [f"{x:.2f}" for x in densities if x] if all(densities) else []
    svg = _draw(labels, series, "Share of the class, by fraction", alt, log=False, shaded=shaded, under=under)
    return Figure(spec=spec, svg=svg, caption=caption, alt=alt)


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


def _draw(
    labels: Sequence[str],
    series: Sequence[_Series],
    y_title: str,
    alt: str,
    *,
    log: bool,
    shaded: Sequence[int] = (),
    under: Sequence[str] = (),
) -> str:
    highest = 1.0 if log else max(max(y) for _, y in series) * 1.05 or 1.0
    x = Scale(low=0, high=max(len(labels) - 1, 1), start=LEFT + 12, end=RIGHT - 12)
    y = Scale(low=LOWEST if log else 0.0, high=highest, start=BOTTOM, end=TOP, log=log)
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}" font-size="13">']
    half = 0.5 * (x(1) - x(0))
    parts += [
        (
            f'<rect x="{number(x(k) - half)}" y="{TOP}" width="{number(2 * half)}" height="{BOTTOM - TOP}" '
            'fill="currentColor" fill-opacity="0.07"/>'
        )
        for k in shaded
    ]
    parts += [*_axis_y(y, highest, y_title, log=log), *_axis_x(x, labels, under)]
    base = BOTTOM + (126 if _long(labels) else 54 if under else 40)
    for i, (name, values) in enumerate(series):
        pattern = SVG_DASHES[dash(i)]
        style = f' stroke="{colour(i)}" stroke-width="2"' + (f' stroke-dasharray="{pattern}"' if pattern else "")
        parts.append(polyline([(x(k), y(v)) for k, v in enumerate(values)], style))
        row, column = base + LEGEND_ROW * (i // LEGEND_COLUMNS), LEFT - 40 + 168 * (i % LEGEND_COLUMNS)
        parts += [line(column, row - 4, column + 28, row - 4, style), text(column + 34, row, name, anchor="start")]
    height = base + LEGEND_ROW * ((len(series) - 1) // LEGEND_COLUMNS) + 12
    return document([*parts, "</g>"], width=WIDTH, height=height, label=alt)


def _long(labels: Sequence[str]) -> bool:
    return max(map(len, labels)) > 3


def _axis_y(y: Scale, highest: float, title: str, *, log: bool) -> list[str]:
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    ticks = [10.0**e for e in range(-6, 1)] if log else nice_ticks(0.0, highest, 5)
    parts = [text(LEFT - 48, TOP - 12, title, anchor="start")]
    for tick in ticks:
        shown = power_of_ten(round(np.log10(tick))) if log else f"{tick:.3g}"
        parts += [line(LEFT, y(tick), RIGHT, y(tick), faint), text(LEFT - 8, y(tick) + 4, shown, anchor="end")]
    return parts


def _axis_x(x: Scale, labels: Sequence[str], under: Sequence[str]) -> list[str]:
    parts, turned = [], _long(labels)
    step = max(1, -(-len(labels) // 15))
    for k in range(0, len(labels), step):
        turn = f' transform="rotate(-38 {number(x(k))} {BOTTOM + 16})"' if turned else ""
        for row, shown in enumerate(_folded(labels[k])):
            parts.append(text(x(k), BOTTOM + 16 + 14 * row, shown, anchor="end" if turned else "middle", extra=turn))
        if under:
            parts.append(text(x(k), BOTTOM + 29, under[k], extra=' font-size="10"'))
    return parts


def _folded(label: str) -> list[str]:
    """Return a label in one or two rows of at most `LABEL` letters; what does not fit is cut."""
    if len(label) <= LABEL:
        return [label]
    at = label.rfind(" ", 0, LABEL + 1)
    first, rest = (label[:at], label[at + 1 :]) if at > 0 else (label[:LABEL], label[LABEL:])
    return [first, rest if len(rest) <= LABEL else f"{rest[: LABEL - 3]}..."]
