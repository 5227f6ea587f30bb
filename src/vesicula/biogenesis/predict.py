"""From what is not known to how far a prediction can be trusted, and to which unknown matters most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import sobol_indices, uniform

from vesicula.biogenesis.model import Network
from vesicula.biogenesis.ode import Course, check_times, simulate_ode
from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.measurement import FloatArray, frozen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """One quantity for many draws of the parameters.

    Parameters
    ----------
    parameters : tuple of str
        What was drawn.
    draws : numpy.ndarray, shape (n, len(parameters))
        Values drawn.
    values : numpy.ndarray, shape (n,)
        The quantity for each draw.
    central : float
        The quantity at the best values of the parameters.
    """

    parameters: tuple[str, ...]
    draws: FloatArray
    values: FloatArray
    central: float

    def estimate(self, quantity: str, unit: str, level: float = 0.9) -> Estimate:
        """Return best value and the central interval of the draws.

        Parameters
        ----------
        quantity, unit : str
            Of the estimate.
        level : float
            Share of the draws inside.

        Returns
        -------
        Estimate
            The interval is that of the priors, not of any data.
        """
        low, high = np.quantile(self.values, [(1 - level) / 2, (1 + level) / 2])
        return Estimate(
            quantity=quantity,
            value=self.central,
            unit=unit,
            low=float(low),
            high=float(high),
            level=level,
            n=self.values.size,
            unit_of_replication="prior draw",
        )


def predict(
    network: Network,
    n: int,
    rng: np.random.Generator,
    *,
    times: npt.ArrayLike,
    quantity: Callable[[Course], float],
    prepare: Callable[[Network], Network] | None = None,
) -> Prediction:
    """Simulate a network for parameters drawn from their priors.

    Parameters
    ----------
    network : Network
        With priors.
    n : int
        Draws.
    rng : numpy.random.Generator
        Source of the draws.
    times : array_like
        Output times of each simulation.
    quantity : callable
        What is wanted of a simulation.
    prepare : callable, optional
        Applied to the network of each draw before it is simulated, such as `secretion.at_steady_state`.

    Returns
    -------
    Prediction
        Draws are independent between parameters: what is known of their correlation is nothing.

    Raises
    ------
    AnalysisError
        When the network has no prior, or n is not positive.
    """
    if n < 1:
        raise AnalysisError("n must be at least 1")
    names, grid = _uncertain(network, None), check_times(times)
    draws = draw(network, names, rng.random((n, len(names))))
    run = _Runner(network, names, grid, quantity, prepare)
    values = np.array([run.at(row) for row in draws])
    central = run.at(np.array([network.values[name] for name in names]))
    return Prediction(parameters=names, draws=frozen(draws), values=frozen(values), central=central)


def draw(network: Network, names: Sequence[str], probability: FloatArray) -> FloatArray:
    """Turn uniform numbers into parameter values.

    Parameters
    ----------
    network : Network
        With priors.
    names : sequence of str
        Parameters, in the order of the columns.
    probability : numpy.ndarray, shape (n, len(names))
        Between 0 and 1.

    Returns
    -------
    numpy.ndarray
        Same shape.
    """
    priors = network.priors
    return np.column_stack([priors[name].quantile(probability[:, j]) for j, name in enumerate(names)])


def _uncertain(network: Network, chosen: Sequence[str] | None) -> tuple[str, ...]:
    priors = network.priors
    names = tuple(priors) if chosen is None else tuple(chosen)
    if not names:
        raise AnalysisError(f"{network.name}: no parameter has a prior to draw from")
    unknown = [name for name in names if name not in priors]
    if unknown:
        raise AnalysisError(f"{network.name}: {unknown[0]!r} has no prior to draw from")
    return names


@dataclass(frozen=True, slots=True, eq=False)
class _Runner:
    network: Network
    names: tuple[str, ...]
    grid: FloatArray
    quantity: Callable[[Course], float]
    prepare: Callable[[Network], Network] | None

    def at(self, values: FloatArray) -> float:
        """Simulate for one draw."""
        drawn = self.network.with_values(dict(zip(self.names, (float(v) for v in values), strict=True)))
        return float(self.quantity(simulate_ode(drawn if self.prepare is None else self.prepare(drawn), self.grid)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensitivity:
    """Which parameters the spread of a prediction comes from.

    Parameters
    ----------
    parameters : tuple of str
        In the order of the indices.
    first_order, total_order : numpy.ndarray
        Sobol indices: share of the variance by a parameter alone, and with all its interactions.
    total_low, total_high : numpy.ndarray
        Bootstrap interval (95 %) of the total index.
    """

    parameters: tuple[str, ...]
    first_order: FloatArray
    total_order: FloatArray
    total_low: FloatArray
    total_high: FloatArray

    def ranked(self) -> list[tuple[str, float]]:
        """Return parameters and total indices, largest first."""
        order = np.argsort(self.total_order)[::-1]
        return [(self.parameters[i], float(self.total_order[i])) for i in order]


def sensitivity(
    network: Network,
    n: int,
    rng: np.random.Generator,
    *,
    times: npt.ArrayLike,
    quantity: Callable[[Course], float],
    prepare: Callable[[Network], Network] | None = None,
    parameters: Sequence[str] | None = None,
) -> Sensitivity:
    """Decompose the variance of a prediction by parameter.

    Parameters
    ----------
    network : Network
        With priors.
    n : int
        Base samples, a power of two; n (k + 2) simulations for k parameters.
    rng : numpy.random.Generator
        Scrambles the Sobol sequence.
    times, quantity, prepare
        As in `predict`.
    parameters : sequence of str, optional
        By default all that have a prior.

    Returns
    -------
    Sensitivity
        Shares of the variance of `quantity`: let it return a logarithm where the spread runs over decades.

    Raises
    ------
    AnalysisError
        When n is no power of two, or the prediction does not vary.

    Notes
    -----
    Saltelli et al. 2010, Comput Phys Commun 181:259, as scipy.stats.sobol_indices has it.
    """
    if n < 2 or n & (n - 1):
        raise AnalysisError(f"n must be a power of two, not {n}")
    names, grid = _uncertain(network, parameters), check_times(times)
    run = _Runner(network, names, grid, quantity, prepare)

    def outcome(x: FloatArray) -> FloatArray:
        return np.array([[run.at(row) for row in draw(network, names, x.T)]])

    found = sobol_indices(func=outcome, n=n, dists=[uniform()] * len(names), rng=rng)  # type: ignore[list-item]
    first, total = np.ravel(found.first_order), np.ravel(found.total_order)
    if not np.all(np.isfinite(total)):
        raise AnalysisError(f"{network.name}: the prediction does not vary with the parameters")
    spread = found.bootstrap(confidence_level=0.95, n_resamples=200).total_order.confidence_interval
    return Sensitivity(
        parameters=names,
        first_order=frozen(first),
        total_order=frozen(total),
        total_low=frozen(np.ravel(spread.low)),
        total_high=frozen(np.ravel(spread.high)),
    )
