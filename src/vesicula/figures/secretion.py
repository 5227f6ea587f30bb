"""Figures of secretion: what is made and what is let go, with intervals; and cells that release in bursts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vesicula.biogenesis.report import PER_CELL_HOUR, SecretionReport, label_of
from vesicula.biogenesis.ssa import Ensemble
from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.measurement import FloatArray
from vesicula.figures.figure import Figure
from vesicula.figures.style import FONT, colour
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, polyline, power_of_ten, text

WIDTH, ROW = 760, 34
LEFT, RIGHT, TOP = 230, 700, 40
_Bar = tuple[str, Estimate]
_Series = tuple[str, list[_Bar]]


def formation_and_release(report: SecretionReport) -> Figure:
    """Draw rates per cell and hour with their intervals, on a logarithmic axis.

    Parameters
    ----------
    report : SecretionReport
        From `secrete`.

    Returns
    -------
    Figure
        A point and a line from the lower to the upper end of the 95 % interval for every rate above zero; the
        untreated cell beside the treated one.
    """
    groups: list[_Series] = [("untreated", _bars(report, treated=False))]
    if report.modulators:
        groups.append((" + ".join(report.modulators), _bars(report, treated=True)))
    name = groups[-1][0]
    released = dict(groups[-1][1])["exosomes released"]
    caption = (
        f"Formation and release per cell and hour ({name}): best value and central 95 % of "
        f"{len(report.treated.values)} draws from the priors of the parameters."
    )
    interval = f"{released.low:.3g} to {released.high:.3g}"
    alt = f"Exosomes released, {name}: {released.value:.3g} per cell and hour, {interval}."
    return Figure(spec=_bar_spec(groups), svg=_draw_bars(groups, alt), caption=caption, alt=alt)


def _bars(report: SecretionReport, *, treated: bool) -> list[_Bar]:
    prediction = report.treated if treated else report.untreated
    chosen = [row.quantity for row in report.rows() if row.estimate.unit == PER_CELL_HOUR]
    found = [(label_of(q), prediction.estimate(q, PER_CELL_HOUR)) for q in chosen]
    return [(label, e) for label, e in found if e.value > 0 and e.low is not None and e.low > 0]


def _bar_spec(groups: Sequence[_Series]) -> dict[str, object]:
    data = [
        {
            "type": "scatter", "mode": "markers", "name": name, "y": [label for label, _ in bars],
            "x": [float(f"{e.value:.5g}") for _, e in bars],
            "error_x": {
                "type": "data", "symmetric": False,
                "array": [float(f"{(e.high or e.value) - e.value:.5g}") for _, e in bars],
                "arrayminus": [float(f"{e.value - (e.low or e.value):.5g}") for _, e in bars],
            },
            "marker": {"color": colour(i)},
        }
        for i, (name, bars) in enumerate(groups)
    ]  # fmt: skip
    x_axis = {"title": {"text": "Per cell and hour"}, "type": "log"}
    return {"data": data, "layout": {"font": {"family": FONT}, "xaxis": x_axis, "yaxis": {"autorange": "reversed"}}}


def _draw_bars(groups: Sequence[_Series], alt: str) -> str:
    labels = list(dict.fromkeys(label for _, bars in groups for label, _ in bars))
    ends = [x for _, bars in groups for _, e in bars for x in (e.low, e.high) if x is not None]
    low, high = (10.0 ** f(np.log10(x)) for f, x in ((np.floor, min(ends)), (np.ceil, max(ends))))
    x = Scale(low=low, high=high, start=LEFT, end=RIGHT, log=True)
    bottom = TOP + ROW * len(labels)
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">']
    for power in range(round(np.log10(low)), round(np.log10(high)) + 1):
        at = x(10.0**power)
        parts += [line(at, TOP, at, bottom, faint), text(at, bottom + 18, power_of_ten(power))]
    parts += [text(LEFT - 10, TOP + ROW * (k + 0.5) + 4, label, anchor="end") for k, label in enumerate(labels)]
    for i, (name, bars) in enumerate(groups):
        offset = 0.0 if len(groups) == 1 else (-6.0, 6.0)[i]
        for label, e in bars:
            row = TOP + ROW * (labels.index(label) + 0.5) + offset
            parts.append(line(x(e.low or low), row, x(e.high or high), row, f' stroke="{colour(i)}" stroke-width="2"'))
            parts.append(_mark(x(e.value), row, i))
        parts += [_mark(LEFT + 8 + 150 * i, TOP - 22, i), text(LEFT + 18 + 150 * i, TOP - 18, name, anchor="start")]
    parts.append(text((LEFT + RIGHT) / 2, bottom + 40, "per cell and hour; line: 95 % of the draws"))
    return document([*parts, "</g>"], width=WIDTH, height=bottom + 54, label=alt)


def _mark(x: float, y: float, index: int) -> str:
    """Return a disc or, for the second series, a square: a form beside the colour."""
    if index == 0:
        return f'<circle cx="{number(x)}" cy="{number(y)}" r="5" fill="{colour(0)}"/>'
    return f'<rect x="{number(x - 4.5)}" y="{number(y - 4.5)}" width="9" height="9" fill="{colour(index)}"/>'


SHOWN = 6  # cells drawn one by one


def release_of_cells(cells: Ensemble) -> Figure:
    """Draw what single cells have released over time, and the mean of all.

    Parameters
    ----------
    cells : Ensemble
        From `simulate_secretion`.

    Returns
    -------
    Figure
        Up to six cells as steps (of MVBs that opened between two times), the mean of all as a thick line.

    Raises
    ------
    AnalysisError
        When there is one time only.
    """
    if cells.time.size < 2:
        raise AnalysisError("a course over time needs at least two times")
    released = cells["released_escrt"] + cells["released_ceramide"]
    mean = released.mean(axis=0)
    n, hours = len(released), float(cells.time[-1])
    caption = (
        f"Exosomes released by {min(n, SHOWN)} of {n} simulated cells (steps) and the mean of all (thick). A step "
        f"is one or more multivesicular bodies that opened since the time recorded before. Seed {cells.entropy}."
    )
    end = released[:, -1]
    span = f"{end.min():.0f} to {end.max():.0f}"
    alt = f"After {hours:g} h the cells released {mean[-1]:.4g} exosomes on average, {span}."
    svg = _draw_traces(cells.time, released[:SHOWN], mean, alt)
    return Figure(spec=_trace_spec(cells.time, released[:SHOWN], mean), svg=svg, caption=caption, alt=alt)


def _trace_spec(time: FloatArray, runs: FloatArray, mean: FloatArray) -> dict[str, object]:
    hours = [float(t) for t in time]
    data: list[dict[str, object]] = [
        {
            "type": "scatter", "mode": "lines", "name": f"cell {i + 1}", "x": hours, "y": [float(v) for v in y],
            "line": {"shape": "hv", "color": colour(i), "width": 1},
        }
        for i, y in enumerate(runs)
    ]  # fmt: skip
    data.append({"type": "scatter", "mode": "lines", "name": "mean", "x": hours, "y": [float(v) for v in mean],
                 "line": {"color": "#1b1f24", "width": 3}})  # fmt: skip
    axes = {"xaxis": {"title": {"text": "Hours"}}, "yaxis": {"title": {"text": "Exosomes released"}}}
    return {"data": data, "layout": {"font": {"family": FONT}, **axes}}


def _draw_traces(time: FloatArray, runs: FloatArray, mean: FloatArray, alt: str) -> str:
    height, left, bottom = 400, 70, 340
    top = max(float(runs.max()), float(mean.max()), 1.0)
    x = Scale(low=0.0, high=float(time[-1]), start=left, end=RIGHT)
    y = Scale(low=0.0, high=top * 1.05, start=bottom, end=TOP)
    faint = ' stroke="currentColor" stroke-opacity="0.25"'
    parts = [f'<g font-family="{FONT.replace(chr(34), chr(39))}">']
    for tick in nice_ticks(0.0, top):
        parts += [line(left, y(tick), RIGHT, y(tick), faint), text(left - 8, y(tick) + 4, f"{tick:g}", anchor="end")]
    parts += [text(x(tick), bottom + 18, f"{tick:g}") for tick in nice_ticks(0.0, float(time[-1]))]
    for i, run in enumerate(runs):
        steps = [(x(time[0]), y(run[0]))]
        for before, now, t in zip(run, run[1:], time[1:], strict=False):
            steps += [(x(t), y(before)), (x(t), y(now))]
        parts.append(polyline(steps, f' stroke="{colour(i)}" stroke-width="1.2"'))
    middle = [(x(t), y(v)) for t, v in zip(time, mean, strict=True)]
    parts.append(polyline(middle, ' stroke="currentColor" stroke-width="3"'))
    parts.append(text(left, TOP - 14, "exosomes released per cell", anchor="start"))
    parts.append(text((left + RIGHT) / 2, bottom + 40, "hours"))
    return document([*parts, "</g>"], width=WIDTH, height=height, label=alt)
