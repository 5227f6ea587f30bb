"""Figures of small-RNA libraries, one row or line a sample: shares, lengths, saturation, molecules per vesicle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vesicula.core.errors import AnalysisError, shorten
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, SVG_DASHES, VERMILLION, colour, dash
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, polyline, power_of_ten, text

WIDTH = 440
ROW, BLOCK = 18, 40
"""Height of a row; rows before the legend and the axis come again."""
NAMED = 6
"""Most lines that get a colour and a name each; more are drawn thin, with their median."""
_NAME_LEFT, _BAR_LEFT, _BAR_RIGHT = 114, 119, 428
_GREY = "#8a929b"
_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, "#7a5230", "#3b3f8c", "#98b53a", "#b2477d")
Shares = Mapping[str, Mapping[str, float]]


def stacked_bars(values: Shares, *, caption: str, alt: str, last_grey: bool = False) -> Figure:
    """Draw what each sample is made of as a bar from 0 to 100 %.

    Parameters
    ----------
    values : mapping of str to mapping of str to float
        Numbers by sample and part; the parts in the same order everywhere.
    caption, alt : str
    last_grey : bool
        Whether the last part is what is left over.

    Raises
    ------
    AnalysisError
        Without samples.
    """
    if not values:
        raise AnalysisError("there is no sample to draw")
    parts = list(dict.fromkeys(name for sample in values.values() for name in sample))
    fills = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(parts)}
    if last_grey:
        fills[parts[-1]] = _GREY
    drawn: list[str] = []
    y, names = 0.0, list(values)
    for start in range(0, len(names), BLOCK):
        y = _legend(drawn, fills, y + 4)
        for name in names[start : start + BLOCK]:
            drawn.append(_name(name, y))
            drawn += _bar(values[name], fills, y)
            y += ROW
        y = _percent_axis(drawn, y)
    svg = document(drawn, width=WIDTH, height=int(y) + 2, label=alt)
    data = [
        {
            "type": "bar", "orientation": "h", "name": part, "y": names, "marker": {"color": fills[part]},
            "x": [_percent(values[name]).get(part, 0.0) for name in names],
        }
        for part in parts
    ]  # fmt: skip
    layout = {"barmode": "stack", "xaxis": {"title": {"text": "Share (%)"}}, "yaxis": {"autorange": "reversed"}}
    return Figure(spec={"data": data, "layout": layout}, svg=svg, caption=caption, alt=alt)


def length_distribution(histograms: Mapping[str, Sequence[int]], *, shortest: int = 10, longest: int = 50) -> Figure:
    """Draw the share of each sample's inserts by length.

    Parameters
    ----------
    histograms : mapping of str to sequence of int
        Inserts by length in nt from 0.
    shortest, longest : int
        Ends of the axis.
    """
    shares: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for name, histogram in histograms.items():
        counts = np.asarray(histogram, np.float64)
        shares[name] = 100 * counts[shortest : longest + 1] / max(counts[shortest:].sum(), 1.0)
    top = max((float(y.max(initial=0.0)) for y in shares.values()), default=0.0)
    lengths = [float(x) for x in range(shortest, longest + 1)]
    lines = {name: (lengths, [float(v) for v in y]) for name, y in shares.items()}
    peaks = sorted(shortest + int(np.argmax(y)) for y in shares.values() if y.size)
    middle = f"; the commonest length is {peaks[len(peaks) // 2]} nt in the median sample" if peaks else ""
    return _lines(
        lines, x=Scale(low=shortest, high=longest, start=48, end=428), x_title="Insert length (nt)",
        y_top=max(top, 1.0), y_title="Share of inserts (%)", median=True, shade=(20, 25),
        caption=f"Inserts by length, as a share of those of {shortest} nt or more. Shaded: 20 to 25 nt, the length of "
        f"miRNAs.{_thin(lines, median=True)}",
        alt=f"Lengths of inserts of {len(lines)} samples{middle}.",
    )  # fmt: skip


def saturation(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw how many miRNAs would have been seen with fewer reads.

    Parameters
    ----------
    curves : mapping of str to sequence of mapping
        Of each sample the rows of `vesicula.cargo.smallrna.contamination.saturation_curve`.
    """
    lines = {
        name: ([row["reads"] for row in rows], [row["detected"] for row in rows])
        for name, rows in curves.items()
        if rows and rows[-1]["reads"] >= 1
    }
    most = max((x[-1] for x, _ in lines.values()), default=10.0)
    least = min((max(x[0], 1.0) for x, _ in lines.values()), default=1.0)
    top = max((y[-1] for _, y in lines.values()), default=1.0)
    return _lines(
        lines, x=Scale(low=least, high=max(most, 10 * least), start=48, end=428, log=True), x_title="miRNA reads",
        y_top=top, y_title="miRNAs seen", median=False, shade=None,
        caption="miRNAs with at least one read, had fewer reads been sequenced (each read kept or not by chance). A "
        f"line that still climbs at its end says that more reads would show more miRNAs.{_thin(lines, median=False)}",
        alt=f"Saturation of {len(lines)} samples: up to {top:.0f} miRNAs seen.",
    )  # fmt: skip


def molecules_per_vesicle(rows: Mapping[str, tuple[str, float, float, float]], bound: float) -> Figure:
    """Draw the most abundant miRNA of each sample, as molecules per particle with its interval.

    Parameters
    ----------
    rows : mapping of str to tuple
        By sample: miRNA, molecules per particle, low, high.
    bound : float
        What the literature found, drawn as a line.
    """
    if not rows:
        raise AnalysisError("there is no sample with particles and spike-ins to draw")
    ends = [v for _, value, low, high in rows.values() for v in (value, low, high) if v > 0] + [bound]
    first, last = int(np.floor(np.log10(min(ends)))), int(np.ceil(np.log10(max(ends))))
    x = Scale(low=10.0**first, high=10.0 ** max(last, first + 1), start=_BAR_LEFT, end=_BAR_RIGHT - 8, log=True)
    drawn, y = [], 22.0
    for name, (mirna, value, low, high) in rows.items():
        drawn.append(_name(name, y))
        if value > 0:
            middle = y + ROW / 2
            drawn.append(line(x(max(low, x.low)), middle, x(high), middle, f' stroke="{BLUE}" stroke-width="2"'))
            drawn.append(f'<circle cx="{number(x(value))}" cy="{number(middle)}" r="4" fill="{BLUE}"/>')
            left = x(high) + 100 < _BAR_RIGHT
            place = x(high) + 6 if left else x(max(low, x.low)) - 6
            label = mirna.removeprefix("hsa-")
            drawn.append(text(place, middle + 4, label, anchor="start" if left else "end", extra=' font-size="10"'))
        y += ROW
    drawn.append(line(x(bound), 16, x(bound), y, f' stroke="{VERMILLION}" stroke-width="1.5" stroke-dasharray="5 3"'))
    drawn.append(text(x(bound), 11, f"{bound:g} (Chevillet 2014)", extra=f' font-size="11" fill="{VERMILLION}"'))
    for power in range(first, max(last, first + 1) + 1):
        drawn.append(line(x(10.0**power), y, x(10.0**power), y + 4, ' stroke="currentColor"'))
        drawn.append(text(x(10.0**power), y + 17, power_of_ten(power)))
    drawn.append(line(_BAR_LEFT, y, _BAR_RIGHT, y, ' stroke="currentColor"'))
    drawn.append(text((_BAR_LEFT + _BAR_RIGHT) / 2, y + 34, "Molecules per particle, most abundant miRNA"))
    alt = "; ".join(f"{name}: {mirna} {value:.2g}" for name, (mirna, value, _, _) in list(rows.items())[:12])
    caption = (
        "The most abundant miRNA of each sample, in molecules per particle, with 95 % intervals (counting, and what "
        f"was stated of particles and copies). Dashed: {bound:g}, the mean that Chevillet and others found over six "
        "sources of exosomes."
    )
    data = [
        {
            "type": "scatter", "mode": "markers", "y": list(rows), "x": [r[1] for r in rows.values()],
            "error_x": {
                "type": "data", "symmetric": False, "array": [r[3] - r[1] for r in rows.values()],
                "arrayminus": [r[1] - r[2] for r in rows.values()],
            },
        }
    ]  # fmt: skip
    layout = {"xaxis": {"type": "log", "title": {"text": "Molecules per particle"}}}
    svg = document(drawn, width=WIDTH, height=int(y) + 42, label=alt)
    return Figure(spec={"data": data, "layout": layout}, svg=svg, caption=caption, alt=alt)


def _percent(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: 100 * value / total if total else 0.0 for name, value in values.items()}


def _name(name: str, y: float) -> str:
    return text(_NAME_LEFT, y + 13, shorten(name, 20), anchor="end", extra=' font-size="11"')


def _bar(values: Mapping[str, float], fills: Mapping[str, str], y: float) -> list[str]:
    """Return the rectangles of one bar; parts too thin to be seen are left out."""
    found, at = [], float(_BAR_LEFT)
    for part, share in _percent(values).items():
        width = (_BAR_RIGHT - _BAR_LEFT) * share / 100
        if width >= 0.1:
            found.append(
                f'<rect x="{number(at)}" y="{number(y + 2)}" width="{number(width)}" height="{ROW - 4}" '
                f'fill="{fills[part]}"/>'
            )
        at += width
    if not found:
        found.append(text(_BAR_LEFT + 4, y + 13, "no reads", anchor="start", extra=' font-size="10"'))
    return found


def _legend(drawn: list[str], fills: Mapping[str, str], y: float) -> float:
    """Add a legend that wraps; return where it ends."""
    x = 8.0
    for name, fill in fills.items():
        width = 22 + 6.6 * len(name)
        if x + width > WIDTH - 4:
            x, y = 8.0, y + 17
        drawn.append(f'<rect x="{number(x)}" y="{number(y)}" width="11" height="11" fill="{fill}"/>')
        drawn.append(text(x + 15, y + 10, name, anchor="start", extra=' font-size="11"'))
        x += width
    return y + 19


def _percent_axis(drawn: list[str], y: float) -> float:
    for share in (0, 25, 50, 75, 100):
        at = _BAR_LEFT + (_BAR_RIGHT - _BAR_LEFT) * share / 100
        drawn.append(line(at, y, at, y + 4, ' stroke="currentColor"'))
        place, anchor = (at + 4, "end") if share == 100 else (at, "middle")
        drawn.append(text(place, y + 16, f"{share} %", anchor=anchor, extra=' font-size="11"'))
    return y + 24


def _thin(lines: Mapping[str, object], *, median: bool) -> str:
    thick = "; thick: their median" if median else ""
    return "" if len(lines) <= NAMED else f" Thin: the {len(lines)} samples{thick}."


def _lines(  # noqa: PLR0913 - keywords
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x: Scale, x_title: str, y_top: float,
    y_title: str, median: bool, shade: tuple[float, float] | None, caption: str, alt: str,
) -> Figure:  # fmt: skip
    """Draw one line a sample: named while they are few, thin with a median when they are many."""
    few = len(lines) <= NAMED
    drawn: list[str] = []
    top = 8.0
    if few:
        for i, name in enumerate(lines):
            column, row = i % 2, i // 2
            at, y = 48 + 196 * column, 10 + 16 * row
            drawn.append(line(at, y, at + 26, y, _stroke(i, 2.2)))
            drawn.append(text(at + 32, y + 4, shorten(name, 24), anchor="start", extra=' font-size="11"'))
        top = 16.0 * ((len(lines) + 1) // 2) + 10
    scale = Scale(low=0.0, high=1.05 * y_top, start=top + 220, end=top)
    if shade:
        left, right = x(shade[0] - 0.5), x(shade[1] + 0.5)
        place = f'x="{number(left)}" y="{number(top)}" width="{number(right - left)}" height="220"'
        drawn.insert(0, f'<rect {place} fill="{SKY}" opacity="0.22"/>')
    _axes(drawn, x, scale, x_title, y_title)
    for i, (xs, ys) in enumerate(lines.values()):
        points = [(x(a), scale(b)) for a, b in zip(xs, ys, strict=True)]
        thin = f' stroke="{_GREY}" stroke-width="1" opacity="{max(0.2, min(0.8, 12 / len(lines))):.2f}"'
        drawn.append(polyline(points, _stroke(i, 2.2) if few else thin))
    if median and not few:
        drawn.append(_median(lines, x, scale))
    data = [{"type": "scatter", "mode": "lines", "name": n, "x": list(a), "y": list(b)} for n, (a, b) in lines.items()]
    layout = {"xaxis": {"title": {"text": x_title}, "type": "log" if x.log else "linear"},
              "yaxis": {"title": {"text": y_title}}}  # fmt: skip
    svg = document(drawn, width=WIDTH, height=int(top) + 266, label=alt)
    return Figure(spec={"data": data, "layout": layout}, svg=svg, caption=caption, alt=alt)


def _stroke(i: int, width: float) -> str:
    dashes = SVG_DASHES[dash(i)]
    return f' stroke="{colour(i)}" stroke-width="{width}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _median(lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: Scale, y: Scale) -> str:
    """Return the line through the medians of all lines' first points, second points, and so on."""
    xs = np.median([a for a, _ in lines.values()], axis=0).tolist()
    ys = np.median([b for _, b in lines.values()], axis=0).tolist()
    return polyline([(x(a), y(b)) for a, b in zip(xs, ys, strict=True)], f' stroke="{BLUE}" stroke-width="3"')


def _axes(drawn: list[str], x: Scale, y: Scale, x_title: str, y_title: str) -> None:
    for value in nice_ticks(0.0, y.high, 5):
        drawn.append(line(x.start, y(value), x.end, y(value), ' stroke="currentColor" opacity="0.15"'))
        drawn.append(text(x.start - 6, y(value) + 4, f"{value:g}", anchor="end", extra=' font-size="11"'))
    powers = [10.0**p for p in range(-1, 13) if 0.999 * x.low <= 10.0**p <= 1.001 * x.high] if x.log else []
    # Where an axis spans less than two powers of ten, they alone would leave it without numbers.
    ticks = powers if len(powers) > 1 else [x.low, x.high] if x.log else nice_ticks(x.low, x.high, 8)
    for value in ticks:
        label = power_of_ten(round(np.log10(value))) if len(powers) > 1 else f"{value:,.0f}"
        drawn.append(line(x(value), y.start, x(value), y.start + 4, ' stroke="currentColor"'))
        drawn.append(text(x(value), y.start + 17, label, extra=' font-size="11"'))
    drawn.append(line(x.start, y.start, x.end, y.start, ' stroke="currentColor"'))
    drawn.append(text((x.start + x.end) / 2, y.start + 36, x_title))
    middle = (y.start + y.end) / 2
    drawn.append(text(13, middle, y_title, extra=f' transform="rotate(-90 13 {number(middle)})"'))
