"""A few strokes of SVG: scales, ticks, axes and lines. Text is escaped here, once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear or logarithmic map from data to user units.

    Parameters
    ----------
    low, high : float
        Ends in data units; both positive when `log`.
    start, end : float
        The same ends in user units.
    log : bool
        Whether equal ratios take equal space.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value, held inside the ends."""
        low, high, value = (
            (math.log(self.low), math.log(self.high), math.log(max(value, self.low)))
            if self.log
            else (self.low, self.high, value)
        )
        share = 0.5 if high <= low else (min(max(value, low), high) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def nice_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about `count` round numbers between two values.

    Parameters
    ----------
    low, high : float
        Range to cover.
    count : int
        Wanted number of steps.

    Returns
    -------
    list of float
        Multiples of 1, 2 or 5 times a power of ten; both ends included where they are such.
    """
    if not high > low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 5) if m * power >= raw), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def power_of_ten(exponent: int) -> str:
    """Return ``"10⁸"``."""
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def number(value: float) -> str:
    """Print a coordinate in as few characters as a tenth of a unit needs."""
    rounded = round(value, 1) + 0.0  # no minus zero
    return f"{rounded:.1f}".removesuffix(".0")


def text(x: float, y: float, content: str, *, anchor: str = "middle", extra: str = "") -> str:
    """Return a text element.

    Parameters
    ----------
    x, y : float
        Place of the base line.
    content : str
        Any text; escaped here.
    anchor : {"start", "middle", "end"}
        What `x` is.
    extra : str
        Further attributes, ours alone, never text from a file.

    Returns
    -------
    str
        SVG.
    """
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"{extra}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, extra: str = "") -> str:
    """Return a straight line; `extra` holds attributes of ours."""
    return f'<path d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"{extra}/>'


def polyline(points: Iterable[tuple[float, float]], extra: str = "") -> str:
    """Return a line through points in user units; `extra` holds attributes of ours."""
    return f'<path d="M{"L".join(f"{number(x)} {number(y)}" for x, y in points)}" fill="none"{extra}/>'


def document(parts: Sequence[str], *, width: int, height: int, label: str) -> str:
    """Wrap elements in an SVG element that scales with its box and names itself to screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}" font-size="12" fill="currentColor">{"".join(parts)}</svg>'
    )
