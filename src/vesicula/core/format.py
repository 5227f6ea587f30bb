"""Numbers as people read them."""

from __future__ import annotations

import math

from vesicula.core.estimate import Estimate

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_number(value: float, unit: str = "") -> str:
    """Print a number with a fitting number of digits, without its unit.

    Parameters
    ----------
    value : float
        Any finite number.
    unit : str
        ``"nm"`` gives one decimal, ``"%"`` one decimal; other numbers three significant digits, with a
        power of ten from 10 000 up.

    Returns
    -------
    str
        Such as ``"98.4"`` or ``"6.09 × 10¹²"``.
    """
    if unit in ("nm", "%"):
        return f"{value:.1f}"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        return f"{value:.{digits}f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def format_with_unit(value: float, unit: str) -> str:
    """Print a number with its unit, such as ``"98.4 nm"`` or ``"6.09 × 10¹² /mL"``."""
    number = format_number(value, unit)
    return f"{number} {unit}" if unit else number


def format_estimate(estimate: Estimate) -> str:
    """Print an estimate with its interval, such as ``"98.4 nm (95 % interval 95.2 to 101.6)"``.

    Parameters
    ----------
    estimate : Estimate
        With or without an interval.

    Returns
    -------
    str
        One phrase. Fractions of unit ``"%"`` are expected in percent already.
    """
    text = format_with_unit(estimate.value, estimate.unit)
    if estimate.low is None or estimate.high is None:
        return f"{text} (no interval)"
    low, high = format_number(estimate.low, estimate.unit), format_number(estimate.high, estimate.unit)
    return f"{text} ({100 * estimate.level:g} % interval {low} to {high})"


def format_limit(value: float, unit: str = "") -> str:
    """Print a limit as it was set: without decimals that nobody stated.

    Parameters
    ----------
    value : float
        The limit.
    unit : str
        Its unit, which is appended.

    Returns
    -------
    str
        Such as ``"20 nm"``, ``"0.5 °C"`` or ``"3.00 × 10¹⁰ /µg"``.
    """
    number = f"{value:g}" if 1e-3 <= abs(value) < 1e5 or value == 0 else format_number(value)
    return f"{number} {unit}" if unit else number
