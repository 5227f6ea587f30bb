"""The size distribution of a sample: pooled curve, loads, captures and bins in one figure."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from vesicula.core.estimate import Distribution, Peak
from vesicula.figures.figure import Figure
from vesicula.figures.style import FONT, INK, SVG_DASHES, colour, dash
from vesicula.figures.svg import Scale, document, line, nice_ticks, polyline, power_of_ten, text

AXIS_Y = {
    "sample": "particles per mL of sample, per nm",
    "diluted": "particles per mL as measured, per nm",
    "relative": "share of particles per nm",
}
AXIS_X = "hydrodynamic diameter (nm)"

_WIDTH, _HEIGHT = 760, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 40, 46


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """One curve with the style that both drawings use."""

    kind: str  # "pooled", "load" or "capture"
    name: str
    group: str
    colour: str
    dash: str
    source: Distribution


def size_distribution(
    distributions: Sequence[Distribution], *, pooled_only: bool = False, max_points: int = 240
) -> Figure | None:
    """Lay out the size distributions of one sample.

    Parameters
    ----------
    distributions : sequence of Distribution
        Curves of one sample, at the levels capture, replicate and sample.
    pooled_only : bool
        Show the pooled curve alone (the sample's, else the loads').
    max_points : int
        Most points of a curve; a longer curve is thinned to every k-th point, which loses nothing visible as
        long as k steps stay below the bandwidth of its kernel.

    Returns
    -------
    Figure or None
        None when there is no curve to show.
    """
    curves = _curves([d for d in distributions if d.smoothed_diameter_nm], pooled_only=pooled_only)
    if not curves:
        return None
    main = curves[0].source
    high = _shown_range(curves)
    # Alone, the pooled curve is kept to what is shown and a little more; otherwise zooming out shows all there is.
    end = 1.6 * high if pooled_only else math.inf
    traces = [_trace(c, max_points, end) for c in reversed(curves)]
    if not pooled_only:
        traces.insert(0, _bins_trace(main))
    n_captures = sum(c.kind == "capture" for c in curves)
    return Figure(
        spec={"data": traces, "layout": _layout(curves, high)},
        svg=_draw(curves, main, high, max_points=min(max_points, 120)),
        caption=_caption(curves, main, n_captures),
        alt=_alt(main),
    )


def _curves(distributions: Sequence[Distribution], *, pooled_only: bool) -> list[_Curve]:
    sample = [d for d in distributions if d.level == "sample"]
    loads = [d for d in distributions if d.level == "replicate"]
    captures = [d for d in distributions if d.level == "capture"]
    names = list(dict.fromkeys(d.replicate for d in (*loads, *captures)))
    curves = [
        _Curve(
            kind="pooled",
            name="pooled over loads" if len(names) > 1 else "pooled over captures",
            group="pooled",
            colour=INK,
            dash="solid",
            source=d,
        )
        for d in sample
    ]
    if not curves and len(loads) == 1:
        curves = [_Curve(kind="pooled", name=loads[0].label, group="pooled", colour=INK, dash="solid", source=loads[0])]
        loads = []
    if pooled_only:
        return curves or _load_curves(loads, names)
    if len(names) > 1 or not curves:
        curves += _load_curves(loads, names)
    for k, d in enumerate(captures):
        index = names.index(d.replicate) if len(names) > 1 else k
        label = f"{d.replicate}, {d.label}" if len(names) > 1 else d.label
        curves.append(
            _Curve(kind="capture", name=label, group=d.replicate, colour=colour(index), dash=dash(k), source=d)
        )
    return curves


def _load_curves(loads: Sequence[Distribution], names: list[str]) -> list[_Curve]:
    return [
        _Curve(
            kind="load",
            name=d.replicate or d.label,
            group=d.replicate,
            source=d,
            colour=colour(names.index(d.replicate)),
            dash=dash(names.index(d.replicate)),
        )
        for d in loads
    ]


def _shown_range(curves: Sequence[_Curve]) -> float:
    """Return the diameter below which 99.5 % of the particles of every pooled or load curve lie, rounded up."""
    ends = []
    for curve in [c for c in curves if c.kind != "capture"] or curves:
        x, y = curve.source.smoothed_diameter_nm, curve.source.smoothed_per_ml_per_nm
        total, running = sum(y), 0.0
        for diameter, density in zip(x, y, strict=True):
            running += density
            if running >= 0.995 * total:
                ends.append(diameter)
                break
    end = 1.08 * max(ends, default=500.0)
    return 50.0 * math.ceil(end / 50.0)


def _points(d: Distribution, max_points: int, end: float) -> tuple[list[float], list[float]]:
    """Return every k-th point up to a diameter, with k so large that at most `max_points` are left."""
    count = bisect.bisect_right(d.smoothed_diameter_nm, end)
    step = max(1, math.ceil(count / max_points))
    x = [round(v, 2) for v in d.smoothed_diameter_nm[:count:step]]
    return x, [_round(v) for v in d.smoothed_per_ml_per_nm[:count:step]]


def _round(value: float) -> float:
    """Keep four significant digits, and whole numbers short."""
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _trace(curve: _Curve, max_points: int, end: float) -> dict[str, Any]:
    x, y = _points(curve.source, max_points, end)
    steps = [b - a for a, b in itertools.pairwise(x)]
    uniform = bool(steps) and max(steps) - min(steps) < 0.015
    width = {"pooled": 2.6, "load": 1.8, "capture": 1.0}[curve.kind]
    return {
        "type": "scatter",
        "mode": "lines",
        # Plotly reads a few tags in names, links among them: from a file they are text.
        "name": escape(curve.name, quote=False),
        "legendgroup": curve.group,
        "meta": curve.kind,
        # A uniform grid as start and step: half the bytes.
        **({"x0": x[0], "dx": round((x[-1] - x[0]) / (len(x) - 1), 4)} if uniform else {"x": x}),
        "y": y,
        "line": {"color": curve.colour, "width": width, "dash": curve.dash},
        "opacity": 0.65 if curve.kind == "capture" else 1,
        "showlegend": curve.kind != "capture",
        "hovertemplate": "%{x:.0f} nm: %{y:.3s}" if curve.source.basis != "relative" else "%{x:.0f} nm: %{y:.3g}",
    }


def _bins_trace(d: Distribution) -> dict[str, Any]:
    """Lay the binned view out as an outline of steps; gaps between occupied bins fall to nothing."""
    x: list[float] = []
    y: list[float] = []
    for low, high, value in zip(d.bin_low_nm, d.bin_high_nm, d.concentration_per_ml_per_nm, strict=True):
        if x and low > x[-1]:
            y[-1] = 0
        if x and low <= x[-1]:
            y[-1] = _round(value)
        else:
            x.append(round(low, 2))
            y.append(_round(value))
        x.append(round(high, 2))
        y.append(0)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "bins of the pooled distribution",
        "meta": "bins",
        "visible": False,
        "x": x,
        "y": y,
        "line": {"color": "#8a9099", "width": 1, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": "rgba(138,144,153,0.25)",
        "hovertemplate": "bin from %{x:.1f} nm: %{y:.3s}",
    }


def _layout(curves: Sequence[_Curve], high: float) -> dict[str, Any]:
    main = curves[0].source
    axis = {
        "zeroline": False,
        "gridcolor": "rgba(127,127,127,0.18)",
        "linecolor": "rgba(127,127,127,0.6)",
        "ticks": "outside",
        "tickcolor": "rgba(127,127,127,0.6)",
    }
    return {
        "xaxis": {**axis, "title": {"text": AXIS_X}, "range": [0, high], "showline": True},
        "yaxis": {
            **axis,
            "title": {"text": AXIS_Y.get(main.basis, AXIS_Y["relative"])},
            "rangemode": "tozero",
            "exponentformat": "power",
            "showexponent": "last",
        },
        "annotations": [
            {
                "x": p.diameter_nm,
                "y": _round(_height_at(curves, p.diameter_nm)),
                "text": f"{p.diameter_nm:.0f} nm",
                "showarrow": False,
                "yanchor": "bottom",
                "yshift": 4,
                "name": "peak",
            }
            for p in _peaks(main)
        ],
        "font": {"family": FONT, "size": 12, "color": INK},
        "hovermode": "closest",
        "hoverdistance": 40,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "reversed"},
        "margin": {"l": 64, "r": 12, "t": 34, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": 360,
    }


def _peaks(main: Distribution) -> list[Peak]:
    return [p for p in main.peaks if p.significant][:6]


def _height_at(curves: Sequence[_Curve], diameter_nm: float) -> float:
    """Return the highest density of any curve at a diameter, so that a label stands clear of all."""
    heights = []
    for d in (c.source for c in curves):
        i = min(bisect.bisect_left(d.smoothed_diameter_nm, diameter_nm), len(d.smoothed_diameter_nm) - 1)
        heights.append(d.smoothed_per_ml_per_nm[i])
    return max(heights)


def _draw(curves: Sequence[_Curve], main: Distribution, high: float, *, max_points: int) -> str:
    top = max((max(c.source.smoothed_per_ml_per_nm) for c in curves), default=1.0) or 1.0
    exponent = math.floor(math.log10(top))
    shift = 0 if -2 <= exponent < 4 else exponent
    x = Scale(low=0, high=high, start=_LEFT, end=_WIDTH - _RIGHT)
    y = Scale(low=0, high=top * 1.08, start=_HEIGHT - _BOTTOM, end=_TOP)
    parts = _axes(x, y, shift, AXIS_Y.get(main.basis, AXIS_Y["relative"]))
    for curve in reversed(curves):
        width, opacity = {"pooled": (2.4, 1.0), "load": (1.6, 1.0), "capture": (0.8, 0.55)}[curve.kind]
        stroke = "currentColor" if curve.colour == INK else curve.colour
        pattern = f' stroke-dasharray="{SVG_DASHES[curve.dash]}"' if SVG_DASHES[curve.dash] else ""
        points = [(x(a), y(b)) for a, b in zip(*_points(curve.source, max_points, high), strict=True)]
        parts.append(polyline(points, f' stroke="{stroke}" stroke-width="{width}" opacity="{opacity}"{pattern}'))
    for p in _peaks(main):
        if p.diameter_nm <= high:
            parts.append(
                text(
                    x(p.diameter_nm),
                    y(_height_at(curves, p.diameter_nm)) - 6,
                    f"{p.diameter_nm:.0f} nm",
                    extra=' font-weight="600"',
                )
            )
    parts += _key(curves)
    return document(parts, width=_WIDTH, height=_HEIGHT, label=_alt(main))


def _axes(x: Scale, y: Scale, shift: int, title: str) -> list[str]:
    faint, firm = ' stroke="currentColor" opacity=".14"', ' stroke="currentColor" opacity=".6"'
    parts = []
    for value in nice_ticks(y.low, y.high, 4):
        parts += [
            line(x.start, y(value), x.end, y(value), faint),
            text(x.start - 6, y(value) + 4, f"{value / 10.0**shift:g}", anchor="end"),
        ]
    parts.append(line(x.start, y.start, x.end, y.start, firm))
    for value in nice_ticks(x.low, x.high, 8):
        parts += [line(x(value), y.start, x(value), y.start + 5, firm), text(x(value), y.start + 18, f"{value:g}")]
    parts.append(text((x.start + x.end) / 2, y.start + 38, AXIS_X))
    factor = f"{power_of_ten(shift)} " if shift else ""
    parts.append(text(4, 12, f"{factor}{title}", anchor="start", extra=' font-size="11" opacity=".8"'))
    return parts


def _key(curves: Sequence[_Curve]) -> list[str]:
    """Name the pooled curve and the loads in a row above the plot, as many as fit."""
    parts: list[str] = []
    at = float(_LEFT)
    for curve in [c for c in curves if c.kind != "capture"]:
        name = curve.name if len(curve.name) <= 28 else f"{curve.name[:26]}…"
        needed = 34 + 6.4 * len(name)
        if at + needed > _WIDTH - 10:
            break
        stroke = "currentColor" if curve.colour == INK else curve.colour
        pattern = f' stroke-dasharray="{SVG_DASHES[curve.dash]}"' if SVG_DASHES[curve.dash] else ""
        parts += [
            line(at, 28, at + 22, 28, f' stroke="{stroke}" stroke-width="2.2"{pattern}'),
            text(at + 27, 32, name, anchor="start", extra=' font-size="11"'),
        ]
        at += needed
    return parts


def _caption(curves: Sequence[_Curve], main: Distribution, n_captures: int) -> str:
    what = "Number-weighted size distribution, kernel-smoothed"
    dilution = " Concentrations are those of the suspension as measured: its dilution is not known."
    width = f" (Gaussian, standard deviation {main.bandwidth_nm:.1f} nm)" if main.bandwidth_nm > 0 else ""
    thin = f"; thin lines: {n_captures} capture{'s' if n_captures != 1 else ''}" if n_captures else ""
    loads = sum(c.kind == "load" for c in curves)
    lines = f"; coloured lines: {loads} loads" if loads and curves[0].kind == "pooled" else ""
    peaks = " Diameters name peaks that exceed counting noise." if _peaks(main) else ""
    return f"{what}{width}{lines}{thin}.{peaks}{dilution if main.basis == 'diluted' else ''}"


def _alt(main: Distribution) -> str:
    top = max(range(len(main.smoothed_per_ml_per_nm)), key=main.smoothed_per_ml_per_nm.__getitem__)
    peaks = ", ".join(f"{p.diameter_nm:.0f} nm" for p in _peaks(main))
    named = f"; significant peaks at {peaks}" if peaks else ""
    return (
        f"Size distribution of sample {main.sample}: highest at {main.smoothed_diameter_nm[top]:.0f} nm{named}; "
        "values are in the table below and in distributions.parquet."
    )
