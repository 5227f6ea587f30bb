"""Volcano, MA plot and heat map of a comparison of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, FONT, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, text

_Flags = NDArray[np.bool_]
WIDTH, HEIGHT = 520, 400
LEFT, RIGHT, TOP, BOTTOM = 52, 506, 30, 350
GREY = "#8a929b"
LABELS = 10
MOST_ROWS = 40
_GRID = ' stroke="currentColor" opacity="0.15"'
_AXIS = ' stroke="currentColor" opacity="0.6"'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What the figures draw; arrays of one length, NaN where not known.

    Parameters
    ----------
    names : tuple of str
        miRNAs.
    test, reference : str
        Conditions; positive effects are more in `test`.
    effect : numpy.ndarray
        log2 fold change.
    p_value, adjusted_p : numpy.ndarray
        Of the test.
    mean : numpy.ndarray
        Mean of normalised counts.
    level : float
        False discovery rate below which a miRNA counts as changed.
    """

    names: tuple[str, ...]
    test: str
    reference: str
    effect: FloatArray
    p_value: FloatArray
    adjusted_p: FloatArray
    mean: FloatArray
    level: float

    def sides(self) -> FloatArray:
        """Return 1 for what is more in `test`, -1 for what is more in `reference`, 0 for the rest."""
        changed = np.nan_to_num(self.adjusted_p, nan=1.0) < self.level
        sides: FloatArray = np.where(changed, np.sign(np.nan_to_num(self.effect)), 0.0)
        return sides


def volcano(data: Compared) -> Figure:
    """Draw fold changes against p values.

    Parameters
    ----------
    data : Compared
        What was compared.

    Returns
    -------
    Figure
        Triangles point up for more in the test condition and down for less. The axis ends at thrice the 90th percentile
        (10 at least), so that a few extreme p values do not flatten the rest; those lie on its upper edge.

    Raises
    ------
    AnalysisError
        When nothing was tested.
    """
    shown = np.isfinite(data.effect) & np.isfinite(data.p_value)
    _need(shown)
    height = -np.log10(np.maximum(data.p_value, 1e-300))
    top = min(float(height[shown].max()) * 1.05, max(10.0, 3 * float(np.quantile(height[shown], 0.9))))
    y = np.minimum(height, max(top, 1.0))
    beyond = int((height[shown] > y[shown]).sum())
    reach = 1.08 * float(np.abs(data.effect[shown]).max())
    across = Scale(low=-reach, high=reach, start=LEFT, end=RIGHT)
    up = Scale(low=0, high=max(1.0, top) * 1.03, start=BOTTOM, end=TOP)
    sides = data.sides()
    n_up, n_down = int((sides[shown] > 0).sum()), int((sides[shown] < 0).sum())
    caption = (
        f"Each point is a miRNA: how much more {data.test} holds than {data.reference} (log2, not shrunken), against "
        f"the p value. {n_up} more (triangles up), {n_down} less (triangles down) at a false discovery rate of "
        f"{data.level:g}." + (f" {beyond} with p below 1e-{top:.0f} lie on the upper edge." if beyond else "")
    )
    alt = f"Volcano plot: {n_up} miRNAs higher and {n_down} lower in {data.test} than in {data.reference}."
    parts = _axes(across, up, f"log2 fold change, {data.test} over {data.reference}", "-log10 p")
    parts += _points(data.effect, y, sides, shown, across, up)
    parts += _labels(data, y, shown & (sides != 0), across, up, order=-y)
    return Figure(
        spec=_spec(data, data.effect, y, shown, ("log2 fold change", "-log10 p"), log_x=False),
        svg=document(parts, width=WIDTH, height=HEIGHT, label=alt), caption=caption, alt=alt,
    )  # fmt: skip


def ma_plot(data: Compared) -> Figure:
    """Draw fold changes against mean counts.

    Parameters
    ----------
    data : Compared
        What was compared.

    Returns
    -------
    Figure
        The cloud should lie about zero: if most of it does not, the samples were scaled wrongly, or most miRNAs
        do differ.

    Raises
    ------
    AnalysisError
        When nothing was tested.
    """
    shown = np.isfinite(data.effect) & (data.mean > 0)
    _need(shown)
    reach = 1.08 * float(np.abs(data.effect[shown]).max())
    low, high = float(data.mean[shown].min()) / 1.3, float(data.mean[shown].max()) * 1.3
    across = Scale(low=low, high=high, start=LEFT, end=RIGHT, log=True)
    up = Scale(low=-reach, high=reach, start=BOTTOM, end=TOP)
    sides = data.sides()
    middle = float(np.median(data.effect[shown]))
    caption = (
        f"log2 fold change against mean normalised count. The median of all tested is {middle:+.2f}; far from 0 would "
        "mean that samples were not scaled to one another as the method assumes."
    )
    alt = f"MA plot of {int(shown.sum())} miRNAs; median log2 fold change {middle:+.2f}."
    parts = _axes(across, up, "mean normalised count", "log2 fold change")
    parts.append(line(LEFT, up(0.0), RIGHT, up(0.0), ' stroke="currentColor" stroke-dasharray="5 4"'))
    parts += _points(data.mean, data.effect, sides, shown, across, up)
    return Figure(
        spec=_spec(data, data.mean, data.effect, shown, ("mean normalised count", "log2 fold change"), log_x=True),
        svg=document(parts, width=WIDTH, height=HEIGHT, label=alt), caption=caption, alt=alt,
    )  # fmt: skip


def heat_map(names: Sequence[str], samples: Sequence[str], values: FloatArray, *, what: str = "changed") -> Figure:
    """Draw log2 counts of some miRNAs in each sample, each row about its own mean.

    Parameters
    ----------
    names, samples : sequence of str
        Rows, at most 40, and columns in the order to be drawn.
    values : numpy.ndarray
        Shape (names, samples). log2 of normalised counts.
    what : str
        Which miRNAs these are, for the caption.

    Returns
    -------
    Figure
        Blue below the row's mean, orange-red above, white at it; colours end at the 98th percentile of distances.

    Raises
    ------
    AnalysisError
        When there is nothing to draw, or more than 40 rows.
    """
    if not names or len(names) > MOST_ROWS or values.shape != (len(names), len(samples)):
        raise AnalysisError(f"a heat map takes 1 to {MOST_ROWS} rows with a value for each sample")
    centred = values - values.mean(axis=1, keepdims=True)
    reach = max(0.5, float(np.quantile(np.abs(centred), 0.98)))
    row, left, top = 15, 128, 20
    longest = max(len(s) for s in samples)
    foot = min(110, 7 * longest) + 18
    cell = (RIGHT - left) / len(samples)
    height = top + row * len(names) + foot + 30
    parts = []
    for i, name in enumerate(names):
        parts.append(text(left - 6, top + row * i + 11, name, anchor="end", extra=' font-size="10.5"'))
        parts += [
            f'<rect x="{number(left + cell * j)}" y="{top + row * i}" width="{number(cell)}" height="{row}" '
            f'fill="{_diverging(centred[i, j] / reach)}"/>'
            for j in range(len(samples))
        ]
    under = top + row * len(names) + 10
    for j, sample in enumerate(samples):
        x = left + cell * (j + 0.5) + 3
        shown = sample if len(sample) <= 16 else f"{sample[:7]}..{sample[-7:]}"
        turned = f' font-size="{10 if cell > 9 else 7}" transform="rotate(-60 {number(x)} {under})"'
        parts.append(text(x, under, shown, anchor="end", extra=turned))
    parts += _colour_bar(reach, left, height - 24)
    caption = (
        f"The {len(names)} miRNAs that {what}, in each sample: log2 of normalised counts, less the row's mean. "
        "Drawn from the samples that were tested, so it illustrates the result and does not confirm it."
    )
    alt = f"Heat map of {len(names)} miRNAs in {len(samples)} samples."
    spec = {
        "data": [{"type": "heatmap", "x": list(samples), "y": list(names), "colorscale": "RdBu", "reversescale": True,
                  "z": [[round(float(v), 3) for v in r] for r in centred], "zmin": -reach, "zmax": reach}],
        "layout": {"font": {"family": FONT}, "yaxis": {"autorange": "reversed"}},
    }  # fmt: skip
    return Figure(spec=spec, svg=document(parts, width=WIDTH, height=height, label=alt), caption=caption, alt=alt)


def _need(shown: _Flags) -> None:
    if not shown.any():
        raise AnalysisError("nothing was tested, so there is nothing to draw")


def _diverging(share: float) -> str:
    """Mix white with the palette's blue (below) or vermillion (above)."""
    end = VERMILLION if share > 0 else BLUE
    weight = min(1.0, abs(share))
    mixed = (round(255 + weight * (int(end[k : k + 2], 16) - 255)) for k in (1, 3, 5))
    return "#" + "".join(f"{v:02x}" for v in mixed)


def _colour_bar(reach: float, left: float, y: float) -> list[str]:
    parts = [
        f'<rect x="{number(left + 8 * k)}" y="{number(y)}" width="8" height="10" fill="{_diverging((k - 10) / 10)}"/>'
        for k in range(21)
    ]
    parts.append(text(left - 6, y + 9, f"-{reach:.1f}", anchor="end", extra=' font-size="10.5"'))
    parts.append(text(left + 174, y + 9, f"+{reach:.1f} log2 about the row's mean", anchor="start",
                      extra=' font-size="10.5"'))  # fmt: skip
    return parts


def _axes(across: Scale, up: Scale, x_title: str, y_title: str) -> list[str]:
    parts = []
    if across.log:
        low, high = np.log10(across.low), np.log10(across.high)
        x_ticks = [(10.0**k, f"{10.0**k:,.0f}") for k in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    else:
        x_ticks = [(v, f"{v:g}") for v in nice_ticks(across.low, across.high)]
    for value, label in x_ticks:
        parts.append(line(across(value), TOP, across(value), BOTTOM, _GRID))
        parts.append(text(across(value), BOTTOM + 16, label.replace("-", "−")))
    for value in nice_ticks(up.low, up.high):
        parts.append(line(LEFT, up(value), RIGHT, up(value), _GRID))
        parts.append(text(LEFT - 6, up(value) + 4, f"{value:g}".replace("-", "−"), anchor="end"))
    parts.append(line(LEFT, BOTTOM, RIGHT, BOTTOM, _AXIS))
    parts.append(line(LEFT, TOP, LEFT, BOTTOM, _AXIS))
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, x_title.replace("-log", "−log")))
    parts.append(text(LEFT - 40, TOP - 12, y_title.replace("-log", "−log"), anchor="start"))
    return parts


def _points(
    x: FloatArray, y: FloatArray, sides: FloatArray, shown: _Flags, across: Scale, up: Scale
) -> list[str]:
    parts = []
    for i in sorted(np.flatnonzero(shown), key=lambda k: abs(sides[k])):
        px, py = across(float(x[i])), up(float(y[i]))
        if sides[i] == 0:
            parts.append(f'<circle cx="{number(px)}" cy="{number(py)}" r="2.4" fill="{GREY}" fill-opacity="0.65"/>')
            continue
        tip, ink = (-1, VERMILLION) if sides[i] > 0 else (1, BLUE)
        corner = f"M{number(px)} {number(py + 4.5 * tip)}l4 {number(-7.5 * tip)}h-8z"
        parts.append(f'<path d="{corner}" fill="{ink}" fill-opacity="0.85"/>')
    return parts


def _labels(
    data: Compared, y: FloatArray, candidates: _Flags, across: Scale, up: Scale, *, order: FloatArray
) -> list[str]:
    """Name the surest of each side, on its outer side, leaving out names that would cover one another."""
    placed: list[tuple[float, float, float]] = []
    parts = []
    for side in (1.0, -1.0):
        left = LABELS // 2
        at = np.flatnonzero(candidates & (np.sign(data.effect) == side))
        for i in sorted(at, key=lambda k: (order[k], data.names[k])):
            name = data.names[i].removeprefix("hsa-").removeprefix("mmu-")
            px, py, width = across(float(data.effect[i])), up(float(y[i])), 6.2 * len(name)
            start = px + 7 if side > 0 else px - 7 - width
            if not LEFT < start < RIGHT + 10 - width:
                start = px - 7 - width if side > 0 else px + 7
            if any(abs(py - q) < 12 and start < r + w and r < start + width for r, q, w in placed):
                continue
            placed.append((start, py, width))
            parts.append(text(start, py + 4, name, anchor="start", extra=' font-size="10.5"'))
            left -= 1
            if not left:
                break
    return parts


def _spec(
    data: Compared, x: FloatArray, y: FloatArray, shown: _Flags, titles: tuple[str, str], *, log_x: bool
) -> dict[str, object]:
    sides = data.sides()
    series = ((0, "not changed", GREY, "circle"), (1, f"more in {data.test}", VERMILLION, "triangle-up"),
              (-1, f"more in {data.reference}", BLUE, "triangle-down"))  # fmt: skip
    traces = []
    for side, name, ink, symbol in series:
        at = np.flatnonzero(shown & (sides == side))
        traces.append({
            "type": "scatter", "mode": "markers", "name": name, "marker": {"color": ink, "symbol": symbol},
            "x": [float(f"{v:.5g}") for v in x[at]], "y": [float(f"{v:.5g}") for v in y[at]],
            "text": [data.names[i] for i in at],
        })  # fmt: skip
    axes = {"xaxis": {"title": {"text": titles[0]}, "type": "log" if log_x else "linear"},
            "yaxis": {"title": {"text": titles[1]}}}  # fmt: skip
    return {"data": traces, "layout": {"font": {"family": FONT}, **axes}}
