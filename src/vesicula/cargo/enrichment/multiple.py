"""Many tests at once."""

from __future__ import annotations

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Return p values adjusted for the false discovery rate.

    Parameters
    ----------
    p_values : numpy.ndarray
        Shape (tests,), in [0, 1]; NaN for a test that could not be made, which stays NaN and does not count.

    Returns
    -------
    numpy.ndarray
        Same shape. Benjamini & Hochberg 1995, J R Stat Soc B 57:289.

    Raises
    ------
    AnalysisError
        When a p value lies outside [0, 1].
    """
    made = np.isfinite(p_values)
    p = p_values[made]
    if np.any((p < 0) | (p > 1)):
        raise AnalysisError("p values must lie between 0 and 1")
    adjusted = np.full(p_values.shape, np.nan)
    if p.size:
        order = np.argsort(p)[::-1]
        scaled = p[order] * p.size / np.arange(p.size, 0, -1)
        back = np.empty_like(p)
        back[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
        adjusted[made] = back
    return adjusted
