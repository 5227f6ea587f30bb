"""Intervals in a table cell: a dot, its interval, and the range that a criterion allows, on a scale shared by rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vesicula.figures.style import GREEN
from vesicula.figures.svg import Scale, line, nice_ticks, number, power_of_ten, text

WIDTH, HEIGHT, PAD = 190, 18, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a strip shows of one estimate.

    Parameters
    ----------
    value : float
        The dot.
    low, high : float or None
        The interval.
    allowed_low, allowed_high : float or None
        Limits of the criterion; None where open.
    """

    value: float
    low: float | None = None
    high: float | None = None
    allowed_low: float | None = None
    allowed_high: float | None = None


def common_scale(spans: Iterable[Span], *, log: bool | None = None, width: int = WIDTH) -> Scale | None:
    """Return a scale on which all spans can be compared by eye.

    Parameters
    ----------
    spans : iterable of Span
        The rows of a column.
    log : bool, optional
        Logarithmic or not; by default logarithmic when the values spread over more than a factor of 20.
    width : int
        Width of the strips in user units.

    Returns
    -------
    Scale or None
        None when there is nothing finite to show.
    """
    values = [
        v
        for s in spans
        for v in (s.value, s.low, s.high, s.allowed_low, s.allowed_high)
        if v is not None and math.isfinite(v)
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    if log is None:
        log = low > 0 and high / low > 20
    if log and low > 0:
        return Scale(low=low / 1.3, high=high * 1.3, start=PAD, end=width - PAD, log=True)
    margin = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return Scale(low=low - margin, high=high + margin, start=PAD, end=width - PAD)


def fraction_scale(high: float = 1.0) -> Scale:
    """Return the scale from nothing to `high`, for fractions."""
    return Scale(low=0.0, high=high, start=PAD, end=WIDTH - PAD)


def strip(span: Span, scale: Scale) -> str:
    """Draw one estimate.

    Parameters
    ----------
    span : Span
        What to draw.
    scale : Scale
        From `common_scale` or `fraction_scale`.

    Returns
    -------
    str
        SVG, hidden from screen readers: the numbers stand beside it.
    """
    middle = number(HEIGHT / 2)
    parts = []
    if span.allowed_low is not None or span.allowed_high is not None:
        left = scale.start if span.allowed_low is None else scale(span.allowed_low)
        right = scale.end if span.allowed_high is None else scale(span.allowed_high)
        parts.append(
            f'<rect x="{number(left)}" y="2" width="{number(max(right - left, 0.5))}" height="{HEIGHT - 4}" '
            f'fill="{GREEN}" stroke="none" opacity=".22"/>'
        )
        edges = [x for x, limit in ((left, span.allowed_low), (right, span.allowed_high)) if limit is not None]
        parts += [line(x, 1, x, HEIGHT - 1, f' stroke="{GREEN}" stroke-width="1.5"') for x in edges]
    parts.append(f'<path d="M{number(scale.start)} {middle}H{number(scale.end)}" opacity=".18"/>')
    if span.low is not None and span.high is not None:
        parts.append(f'<path d="M{number(scale(span.low))} {middle}H{number(scale(span.high))}" stroke-width="2"/>')
    parts.append(f'<circle cx="{number(scale(span.value))}" cy="{middle}" r="2.7"/>')
    return _wrap("".join(parts), scale, ' stroke="currentColor"')


def strip_axis(scale: Scale) -> str:
    """Draw the axis of a column of strips.

    Parameters
    ----------
    scale : Scale
        The one that the strips use.

    Returns
    -------
    str
        SVG, hidden from screen readers.
    """
    if scale.log:
        powers = range(math.ceil(math.log10(scale.low)), math.floor(math.log10(scale.high)) + 1)
        every = max(1, len(powers) // 3)
        ticks = [(10.0**p, power_of_ten(p)) for p in powers][::every]
    else:
        values = nice_ticks(scale.low, scale.high, 4)
        largest = max(abs(v) for v in values)
        exponent = math.floor(math.log10(largest)) if largest >= 1e4 else 0
        ticks = [(v, f"{v / 10.0**exponent:g}{f'·{power_of_ten(exponent)}' if exponent and v else ''}") for v in values]
    parts, free_from = [], 0.0
    for value, label in ticks:
        x, half = scale(value), 3.2 * len(label)
        left = min(max(x - half, 0.0), scale.end + PAD - 2 * half)
        parts.append(line(x, 13, x, 17, ' stroke="currentColor" opacity=".5"'))
        if left >= free_from:
            parts.append(text(left, 10, label, anchor="start"))
            free_from = left + 2 * half + 4
    return _wrap("".join(parts), scale, ' font-size="10"')


def _wrap(content: str, scale: Scale, extra: str) -> str:
    width = number(scale.end + PAD)
    return (
        f'<svg class="strip" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'fill="currentColor"{extra} aria-hidden="true">{content}</svg>'
    )
