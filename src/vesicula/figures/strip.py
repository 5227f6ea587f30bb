"""Intervals in a table cell: a dot, its interval, and the range that a criterion allows, on a scale shared by rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vesicula.figures.style import GREEN
from vesicula.figures.svg import Scale, line, nice_ticks, number, power_of_ten, text

WIDTH, HEIGHT, PAD = 150, 18, 5


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


def common_scale(spans: Iterable[Span], *, log: bool | None = None) -> Scale | None:
    """Return a scale on which all spans can be compared by eye.

    Parameters
    ----------
    spans : iterable of Span
        The rows of a column.
    log : bool, optional
        Logarithmic or not; by default logarithmic when the values spread over more than a factor of 20.

    Returns
    -------
    Scale or None
        None when there is nothing finite to show.
    """
    values = [
        v for s in spans for v in (s.value, s.low, s.high, s.allowed_low, s.allowed_high)
        if v is not None and math.isfinite(v)
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    if log is None:
        log = low > 0 and high / low > 20
    if log and low > 0:
        return Scale(low=low / 1.3, high=high * 1.3, start=PAD, end=WIDTH - PAD, log=True)
    margin = 0.08 * (high - low) or max(abs(high), 1.0) * 0.1
    return Scale(low=low - margin, high=high + margin, start=PAD, end=WIDTH - PAD)


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
    middle = HEIGHT / 2
    parts = []
    if span.allowed_low is not None or span.allowed_high is not None:
        left = scale.start if span.allowed_low is None else scale(span.allowed_low)
        right = scale.end if span.allowed_high is None else scale(span.allowed_high)
        parts.append(
            f'<rect x="{number(left)}" y="2" width="{number(max(right - left, 0.5))}" height="{HEIGHT - 4}" '
            f'fill="{GREEN}" opacity=".22"/>'
        )
        edges = [x for x, limit in ((left, span.allowed_low), (right, span.allowed_high)) if limit is not None]
        parts += [line(x, 1, x, HEIGHT - 1, f' stroke="{GREEN}" stroke-width="1.5"') for x in edges]
    parts.append(line(scale.start, middle, scale.end, middle, ' stroke="currentColor" opacity=".18"'))
    if span.low is not None and span.high is not None:
        parts.append(line(scale(span.low), middle, scale(span.high), middle, ' stroke="currentColor" stroke-width="2"'))
    parts.append(f'<circle cx="{number(scale(span.value))}" cy="{number(middle)}" r="3.2"/>')
    return _wrap("".join(parts), HEIGHT)


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
        values = nice_ticks(scale.low, scale.high, 3)
        largest = max(abs(v) for v in values)
        exponent = math.floor(math.log10(largest)) if largest >= 1e4 else 0
        ticks = [(v, f"{v / 10.0**exponent:g}{f'·{power_of_ten(exponent)}' if exponent and v else ''}") for v in values]
    parts = []
    for value, label in ticks:
        x = scale(value)
        anchor = "start" if x < 20 else "end" if x > WIDTH - 20 else "middle"
        parts += [line(x, 13, x, 17, ' stroke="currentColor" opacity=".5"'), text(x, 10, label, anchor=anchor)]
    return _wrap("".join(parts), HEIGHT)


def _wrap(content: str, height: int) -> str:
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" fill="currentColor" '
        f'font-size="10" aria-hidden="true">{content}</svg>'
    )
