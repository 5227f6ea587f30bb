"""Our gamma quantiles against SciPy's."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from scipy.special import gammaincinv

from vesicula.cargo.smallrna.poisson import gamma_quantile


@pytest.mark.parametrize("probability", [1e-3, 0.005, 0.025, 0.3, 0.5, 0.7, 0.95, 0.975, 0.9999])
@pytest.mark.parametrize("shape", [0.5, 1, 2, 3, 10, 31.5, 100, 1234, 50_000, 3_000_000])
def test_quantiles_are_scipys(shape: float, probability: float) -> None:
    assert gamma_quantile(shape, probability) == pytest.approx(gammaincinv(shape, probability), rel=1e-10)


def test_a_far_tail_of_a_large_count() -> None:
    """Here SciPy 1.17's series stops early (its quantile is off by 0.6); the Cornish-Fisher expansion does not."""
    shape, z = 3_000_000, NormalDist().inv_cdf(1e-6)
    root = math.sqrt(shape)
    expected = shape + z * root + (z**2 - 1) / 3 + (z**3 - 7 * z) / (36 * root)
    assert gamma_quantile(shape, 1e-6) == pytest.approx(expected, abs=0.01)


def test_one_read_has_a_closed_form() -> None:
    assert gamma_quantile(1, 0.95) == pytest.approx(-math.log(0.05), rel=1e-14)


@pytest.mark.parametrize(("shape", "probability"), [(0, 0.5), (-1, 0.5), (3, 0), (3, 1), (math.nan, 0.5)])
def test_nonsense_is_refused(shape: float, probability: float) -> None:
    with pytest.raises(ValueError, match="no gamma quantile"):
        gamma_quantile(shape, probability)
