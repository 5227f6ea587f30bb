"""Why values are missing, and what is done about it.

In mass spectrometry a weak protein is missed more often than a strong one: missing not at random, at the low end.
Filling such gaps with typical values hides differences; filling random gaps with low values invents them. Here
nothing is filled in. Observed values are compared as they are; a protein that is absent from one condition
altogether is judged by how likely a protein of its strength is to be missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vesicula.cargo.enrichment.design import Design
from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

# A table with next to no gap within conditions, yet many proteins absent from a whole one, was filtered or filled
# before: no detector does that. Our own choice of numbers, far from both kinds of tables seen.
FILLED_BELOW = 0.01
FILLED_ABSENT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Missingness:
    """How missing values depend on a protein's strength.

    Parameters
    ----------
    missing_fraction : float
        Share of values missing among proteins found at least once in a condition.
    proteins : int
        Pairs of protein and condition that this rests on.
    intercept, slope : float
        Logistic curve of the chance to be missed against (mean log2 value - `center`).
    center : float
        Mean log2 value at which the curve is anchored.
    slope_error : float
        Standard error of the slope, widened for more scatter than binomial.
    at_random_fraction : float
        Share missing among the strongest quarter, taken as the rate of gaps at random.
    mechanism : str
        ``"none"``, ``"not at random"``, ``"at random"``, ``"mixed"``, or ``"filled"`` where gaps were closed or
        rows filtered before, so that the table no longer tells.
    text : str
        The verdict in words.
    """

    missing_fraction: float
    proteins: int
    intercept: float
    slope: float
    center: float
    slope_error: float
    at_random_fraction: float
    mechanism: str
    text: str

    def chance_missed(self, mean_log2: FloatArray) -> FloatArray:
        """Return the chance that a protein of this mean log2 value is missed in one unit."""
        chance: FloatArray = 1 / (1 + np.exp(-(self.intercept + self.slope * (mean_log2 - self.center))))
        return chance


def judge_missing(values: FloatArray, design: Design) -> Missingness:
    """Judge by which mechanism values are missing.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (proteins, units), log2, NaN where missing.
    design : Design
        Which unit is of which condition.

    Returns
    -------
    Missingness
        The share missing within a condition is regressed on the mean of the values observed there. Were values
        missing at random, the two would be unrelated.

    Raises
    ------
    AnalysisError
        When fewer than 20 proteins were found.
    """
    x, missed, n = _pairs(values, design)
    if x.size < 20:
        raise AnalysisError(f"only {x.size} proteins found: too few to judge why values are missing")
    fraction = float(missed.sum() / n.sum())
    center = float(x.mean())
    strong = x >= np.quantile(x, 0.75)
    floor = float(missed[strong].sum() / n[strong].sum())
    absent = _absent_fraction(values, design)
    if fraction < FILLED_BELOW and absent > FILLED_ABSENT:
        return _made(x.size, fraction, (0.0, 0.0, 0.0), center, floor, "filled")
    if missed.sum() < 10:
        return _made(x.size, fraction, (0.0, 0.0, 0.0), center, floor, "none")
    intercept, slope, error = _logistic(x - center, missed, n)
    falling = slope + 1.96 * error < 0
    mechanism = ("mixed" if floor > fraction / 4 else "not at random") if falling else "at random"
    return _made(x.size, fraction, (intercept, slope, error), center, floor, mechanism)


def _absent_fraction(values: FloatArray, design: Design) -> float:
    """Return the share of proteins that are absent from one whole condition."""
    found = [np.isfinite(values[:, [k == c for k in design.conditions]]).any(axis=1)
             for c in (design.test, design.reference)]  # fmt: skip
    return float((found[0] ^ found[1]).sum() / max(1, (found[0] | found[1]).sum()))


def _pairs(values: FloatArray, design: Design) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean value, number missing and number of units, per protein and condition where found at all."""
    means, missed, units = [], [], []
    for condition in (design.test, design.reference):
        part = values[:, [c == condition for c in design.conditions]]
        seen = np.isfinite(part).sum(axis=1)
        found = seen > 0
        means.append(np.nansum(part[found], axis=1) / seen[found])
        missed.append((part.shape[1] - seen[found]).astype(float))
        units.append(np.full(int(found.sum()), float(part.shape[1])))
    return np.concatenate(means), np.concatenate(missed), np.concatenate(units)


def _logistic(x: FloatArray, missed: FloatArray, n: FloatArray) -> tuple[float, float, float]:
    """Fit a binomial logistic curve by damped Newton steps; the error is scaled by Pearson's dispersion."""
    design = np.column_stack([np.ones_like(x), x])
    # A trace of ridge keeps a perfectly parted table finite.
    ridge = 1e-6 * np.eye(2)

    def log_likelihood(beta: FloatArray) -> float:
        line = design @ beta
        return float((missed * line - n * np.logaddexp(0, line)).sum() - 0.5 * beta @ ridge @ beta)

    beta = np.array([np.log((missed.sum() + 0.5) / ((n - missed).sum() + 0.5)), 0.0])
    best = log_likelihood(beta)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-(design @ beta)))
        information = (design.T * (n * chance * (1 - chance))) @ design + ridge
        step = np.linalg.solve(information, design.T @ (missed - n * chance) - ridge @ beta)
        while log_likelihood(beta + step) < best and np.abs(step).max() > 1e-9:
            step = step / 2
        beta = beta + step
        best = log_likelihood(beta)
        if np.abs(step).max() < 1e-8:
            break
    chance = 1 / (1 + np.exp(-(design @ beta)))
    weights = n * chance * (1 - chance)
    dispersion = max(1.0, float(((missed - n * chance) ** 2 / np.maximum(weights, 1e-9)).sum() / (x.size - 2)))
    covariance = np.linalg.inv((design.T * weights) @ design + ridge) * dispersion
    return float(beta[0]), float(beta[1]), float(np.sqrt(covariance[1, 1]))


def _made(
    proteins: int, fraction: float, curve: tuple[float, float, float], center: float, floor: float, mechanism: str
) -> Missingness:
    said = {
        "filled": "next to none, though many proteins are absent from a whole condition: the table was filtered or its "
        "gaps filled before, so the chance to be missed cannot be learned from it",
        "none": "hardly any value is missing within a condition",
        "not at random": "missing mostly not at random: weak proteins are missed, strong ones hardly ever",
        "mixed": "missing not at random at the low end, with gaps at random as well",
        "at random": "no sign that weak proteins are missed more often: gaps at random",
    }[mechanism]
    text = (
        f"{100 * fraction:.1f} % of values missing where a protein is found in its condition "
        f"({100 * floor:.1f} % among the strongest quarter): {said}. Nothing is filled in."
    )
    return Missingness(
        missing_fraction=fraction,
        proteins=proteins,
        intercept=curve[0],
        slope=curve[1],
        slope_error=curve[2],
        center=center,
        at_random_fraction=floor,
        mechanism=mechanism,
        text=text,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Absence:
    """Proteins found in one condition and never in the other.

    Parameters
    ----------
    rows : numpy.ndarray
        Indices of these proteins.
    only_in : tuple of str
        The condition where each was found.
    found : numpy.ndarray
        In how many units.
    p_value, adjusted_p : numpy.ndarray
        Chance that a protein of this strength is missed in every unit of the other condition, two-sided, and
        adjusted over all proteins of the table; 1 where the table does not tell (`Missingness.mechanism` "filled").
    """

    rows: np.ndarray[tuple[int], np.dtype[np.intp]]
    only_in: tuple[str, ...]
    found: FloatArray
    p_value: FloatArray
    adjusted_p: FloatArray


def absent_from_one(values: FloatArray, design: Design, missing: Missingness) -> Absence:
    """Judge proteins that are absent from one whole condition.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (proteins, units), log2, NaN where missing.
    design : Design
        Which unit is of which condition.
    missing : Missingness
        From :func:`judge_missing`: the chance to be missed at a given strength.

    Returns
    -------
    Absence
        Found in at least half of the units (and in two) of one condition and in none of the other. The chance
        is taken at the weakest value observed, and never below the share missed among the strongest proteins,
        which is the cautious reading; gaps are assumed independent between units at a given strength.
    """
    flags = {c: np.array([k == c for k in design.conditions]) for c in (design.test, design.reference)}
    p = np.ones(values.shape[0])
    only = np.full(values.shape[0], "", dtype=object)
    for here, there in ((design.test, design.reference), (design.reference, design.test)):
        seen = np.isfinite(values[:, flags[here]]).sum(axis=1)
        gone = ~np.isfinite(values[:, flags[there]]).any(axis=1)
        index = np.flatnonzero(gone & (seen >= max(2, flags[here].sum() / 2)))
        if not index.size:
            continue
        only[index] = here
        if missing.mechanism == "filled":
            continue
        weakest = np.nanmin(values[np.ix_(index, np.flatnonzero(flags[here]))], axis=1)
        chance = np.maximum(missing.chance_missed(weakest), max(missing.at_random_fraction, 1 / (2 * missing.proteins)))
        p[index] = np.minimum(1.0, 2 * chance ** float(flags[there].sum()))
    rows = np.flatnonzero(only != "")
    adjusted = benjamini_hochberg(p)
    counts = np.isfinite(values).sum(axis=1).astype(float)
    return Absence(
        rows=rows,
        only_in=tuple(str(c) for c in only[rows]),
        found=counts[rows],
        p_value=p[rows],
        adjusted_p=adjusted[rows],
    )
