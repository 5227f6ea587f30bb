"""Quantiles of the gamma distribution, for intervals of Poisson counts.

SciPy has them, too (`scipy.special.gammaincinv`, against which these are tested), but takes as long to import as half a
million reads take to count.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_SMALL = 1e-300
_TOLERANCE = 1e-13
_ROUNDS = 200


def gamma_quantile(shape: float, probability: float) -> float:
    """Return the x below which a gamma variable of that shape (scale 1) lies with that probability.

    Newton's steps on the regularised incomplete gamma function, kept inside an interval that shrinks with each, from
    Wilson and Hilferty's approximation (1931, PNAS 17:684 [from memory, unchecked]).

    Parameters
    ----------
    shape : float
        Above 0.
    probability : float
        Above 0 and below 1.

    Raises
    ------
    ValueError
        Outside these limits.
    """
    if not (shape > 0 and 0 < probability < 1):
        raise ValueError(f"no gamma quantile of shape {shape} and probability {probability}")
    ninth = 1 / (9 * shape)
    x = shape * max(1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth), 1e-3) ** 3
    low, high = 0.0, math.inf
    for _ in range(_ROUNDS):
        below, above = _incomplete(shape, x)
        over = below - probability if probability < 0.5 else (1 - probability) - above
        low, high = (low, x) if over > 0 else (x, high)
        step = over / (_density(shape, x) or _SMALL)
        new = x - step
        if not low < new < high:
            new = (low + high) / 2 if high < math.inf else 2 * x
        if abs(new - x) <= _TOLERANCE * x:
            return new
        x = new
    return x


def _density(shape: float, x: float) -> float:
    return math.exp((shape - 1) * math.log(x) - x - math.lgamma(shape))


def _incomplete(shape: float, x: float) -> tuple[float, float]:
    """Return P(shape, x) and Q(shape, x): DLMF 8.11.4 (series) below shape + 1, 8.9.2 (continued fraction) above."""
    factor = x * _density(shape, x)
    if x < shape + 1:
        term = total = 1 / shape
        n = shape
        while term > total * 1e-17:
            n += 1
            term *= x / n
            total += term
        return factor * total, 1 - factor * total
    # Modified Lentz (Thompson & Barnett 1986, J Comput Phys 64:490 [from memory, unchecked]).
    b = x + 1 - shape
    c, d = 1 / _SMALL, 1 / b
    fraction = d
    change, i = 0.0, 0
    while abs(change - 1) > 1e-16 and i < 100_000:
        i += 1
        a = -i * (i - shape)
        b += 2
        d = 1 / ((a * d + b) or _SMALL)
        c = (b + a / c) or _SMALL
        change = c * d
        fraction *= change
    return 1 - factor * fraction, factor * fraction
