"""Moderated t statistics: each protein's variance is drawn towards what all proteins show (Smyth 2004).

Written from the paper: Smyth 2004, Stat Appl Genet Mol Biol 3:3, doi 10.2202/1544-6115.1027. The reference
implementation, limma, and its Python ports are under the GPL, which this package cannot depend on; the tests
compare with limma's results on a published table and with a port's on simulated ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vesicula.cargo.enrichment.design import Design
from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.measurement import FloatArray

METHOD = Citation(
    text="Smyth 2004, Stat Appl Genet Mol Biol 3:3 (moderated t statistic)", doi="10.2202/1544-6115.1027"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearFit:
    """One linear model per protein.

    Parameters
    ----------
    effect : numpy.ndarray
        Shape (proteins,). Difference of log2 values, test minus reference; NaN where it cannot be estimated.
    unscaled_sd : numpy.ndarray
        Shape (proteins,). Standard error of the effect over the residual standard deviation.
    variance : numpy.ndarray
        Shape (proteins,). Residual variance; NaN without residual degrees of freedom.
    df : numpy.ndarray
        Shape (proteins,). Residual degrees of freedom.
    mean : numpy.ndarray
        Shape (proteins,). Mean log2 value of the units observed.
    n_test, n_reference : numpy.ndarray
        Shape (proteins,). Units observed of each condition.
    """

    effect: FloatArray
    unscaled_sd: FloatArray
    variance: FloatArray
    df: FloatArray
    mean: FloatArray
    n_test: FloatArray
    n_reference: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moderated:
    """The comparison of two conditions.

    Parameters
    ----------
    fit : LinearFit
        What the statistics rest on.
    prior_df, prior_variance : float
        What all proteins show: degrees of freedom (infinite where variances do not differ) and variance.
    t, p_value, adjusted_p : numpy.ndarray
        Shape (proteins,). NaN where no test could be made.
    low, high : numpy.ndarray
        Shape (proteins,). Interval of the effect at 95 %, not adjusted for many tests.
    """

    fit: LinearFit
    prior_df: float
    prior_variance: float
    t: FloatArray
    p_value: FloatArray
    adjusted_p: FloatArray
    low: FloatArray
    high: FloatArray


def fit_linear(values: FloatArray, design: Design) -> LinearFit:
    """Fit the design to each protein by least squares on the units where it was observed.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (proteins, units), log2, NaN where missing.
    design : Design
        The model.

    Returns
    -------
    LinearFit
        Proteins with the same units observed are fitted together.

    Raises
    ------
    AnalysisError
        When shapes disagree.
    """
    if values.ndim != 2 or values.shape[1] != len(design.units):
        raise AnalysisError(f"values of shape {values.shape} do not fit {len(design.units)} units")
    rows = values.shape[0]
    seen = np.isfinite(values)
    effect, unscaled, variance = (np.full(rows, np.nan) for _ in range(3))
    df = np.zeros(rows)
    patterns, member = np.unique(seen, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        index = np.flatnonzero(member.ravel() == k)
        # A block whose units are all missing here has a column of zeros: it drops out for these proteins.
        x = design.matrix[pattern]
        keep = np.array([j == x.shape[1] - 1 or bool(np.any(x[:, j])) for j in range(x.shape[1])], dtype=bool)
        x = x[:, keep]
        if x.shape[0] < x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
            continue
        y = values[np.ix_(index, np.flatnonzero(pattern))]
        inverse = np.linalg.inv(x.T @ x)
        coefficients = y @ x @ inverse
        left = x.shape[0] - x.shape[1]
        effect[index] = coefficients[:, -1]
        unscaled[index] = np.sqrt(inverse[-1, -1])
        df[index] = left
        if left > 0:
            residual = ((y - coefficients @ x.T) ** 2).sum(axis=1) / left
            rounding = (1e-10 * np.abs(y).max(axis=1)) ** 2  # below it, copies of one number
            variance[index] = np.where(residual > rounding, residual, 0.0)
    is_test = np.array([c == design.test for c in design.conditions], dtype=bool)
    count = seen.sum(axis=1)
    return LinearFit(
        effect=effect,
        unscaled_sd=unscaled,
        variance=variance,
        df=df,
        mean=np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan),
        n_test=seen[:, is_test].sum(axis=1).astype(float),
        n_reference=seen[:, ~is_test].sum(axis=1).astype(float),
    )


def estimate_prior(variance: FloatArray, df: FloatArray) -> tuple[float, float]:
    """Estimate what all proteins' variances have in common, by the moments of their logarithms.

    Parameters
    ----------
    variance, df : numpy.ndarray
        Shape (proteins,). Residual variances and degrees of freedom; those without are left out.

    Returns
    -------
    tuple of (float, float)
        Prior degrees of freedom (infinite where variances differ no more than chance makes them) and prior
        variance. Smyth 2004, section 6.2, with each log variance weighted by its precision as in a
        random-effects meta-analysis (DerSimonian & Laird 1986, Control Clin Trials 7:177, iterated). With equal
        degrees of freedom the weights are equal and the result is Smyth's and limma's; with gaps in the table a
        variance of one degree of freedom no longer counts as much as one of many.

    Raises
    ------
    AnalysisError
        When fewer than three proteins have a variance.
    """
    from scipy.special import digamma, polygamma  # slow to import: only where there is a test to make

    good = np.isfinite(variance) & (df > 0)
    if good.sum() < 3:
        raise AnalysisError(f"only {int(good.sum())} proteins have replicates in both conditions; three are needed")
    s2, d = variance[good], df[good]
    # An exact zero (values copied or rounded) has no logarithm; limma raises it to a small part of the median.
    s2 = np.maximum(s2, 1e-5 * np.median(s2))
    if not np.all(s2 > 0):
        raise AnalysisError("most proteins have no variance at all: the replicates are copies of each other")
    e = np.log(s2) - digamma(d / 2) + np.log(d / 2)
    noise = polygamma(1, d / 2)
    spread = 0.0
    for _ in range(20):
        weight = 1 / (noise + max(spread, 0.0))
        total = weight.sum()
        center = float((weight * e).sum() / total)
        excess = (weight * (e - center) ** 2).sum() - (weight * noise).sum() + (weight**2 * noise).sum() / total
        before, spread = spread, float(excess / (total - (weight**2).sum() / total))
        if abs(spread - before) < 1e-12:
            break
    center = float((e / (noise + max(spread, 0.0))).sum() / (1 / (noise + max(spread, 0.0))).sum())
    if spread <= 0:
        return float("inf"), float(np.exp(center))
    half = _inverse_trigamma(spread)
    return 2 * half, float(np.exp(center + digamma(half) - np.log(half)))


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = value by Newton's steps on the reciprocal, which is nearly straight (Smyth 2004)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(100):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-12 * x:
            break
    return x


def moderated_test(values: FloatArray, design: Design) -> Moderated:
    """Compare two conditions, protein by protein, with moderated variances.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (proteins, units), log2, NaN where missing. Missing ones are not filled in: the effect is that
        among observed values. Proteins absent from a whole condition have no effect and no p value here
        (see :func:`vesicula.cargo.enrichment.missing.absent_from_one`).
    design : Design
        The model.

    Returns
    -------
    Moderated
        Two-sided p values, adjusted by Benjamini and Hochberg over the tests made.

    Raises
    ------
    AnalysisError
        When shapes disagree or too few proteins have replicates.
    """
    from scipy.special import stdtr, stdtrit

    fit = fit_linear(values, design)
    prior_df, prior_variance = estimate_prior(fit.variance, fit.df)
    own = np.nan_to_num(fit.variance, nan=0.0)
    if np.isinf(prior_df):
        posterior = np.full(own.shape, prior_variance)
    else:
        posterior = (prior_df * prior_variance + fit.df * own) / (prior_df + fit.df)
    # No more degrees of freedom than all proteins have together.
    total_df = np.minimum(fit.df + prior_df, fit.df.sum())
    error = np.sqrt(posterior) * fit.unscaled_sd
    t = fit.effect / error
    p = 2 * stdtr(total_df, -np.abs(t))
    half = stdtrit(total_df, 0.975) * error
    return Moderated(
        fit=fit,
        prior_df=prior_df,
        prior_variance=prior_variance,
        t=t,
        p_value=p,
        adjusted_p=benjamini_hochberg(p),
        low=fit.effect - half,
        high=fit.effect + half,
    )
