"""From what is not known to how far a prediction can be trusted, and to which unknown matters most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from vesicula.biogenesis.model import Network
from vesicula.biogenesis.ode import Course, check_times, simulate_ode
from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.measurement import FloatArray, frozen

Quantities = Callable[[Course], Mapping[str, float]]
Prepare = Callable[[Network], Network]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Quantities for many draws of the parameters.

    Parameters
    ----------
    parameters : tuple of str
        What was drawn.
    draws : numpy.ndarray, shape (n, len(parameters))
        Values drawn.
    quantities : tuple of str
        What was predicted.
    values : numpy.ndarray, shape (n, len(quantities))
        Each quantity for each draw.
    central : numpy.ndarray, shape (len(quantities),)
        Each quantity at the best values of the parameters.
    seed : int
        Makes the same draws again.
    """

    parameters: tuple[str, ...]
    draws: FloatArray
    quantities: tuple[str, ...]
    values: FloatArray
    central: FloatArray
    seed: int

    def __getitem__(self, quantity: str) -> FloatArray:
        """Return one quantity for all draws, shape (n,).

        Raises
        ------
        AnalysisError
            When it was not predicted.
        """
        return self.values[:, self._column(quantity)]

    def estimate(self, quantity: str, unit: str, level: float = 0.95) -> Estimate:
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
            The interval is that of the priors, not of any data. The best value is inside: where the quantiles of the
            draws leave it out, the nearer end is moved to it.

        Raises
        ------
        AnalysisError
            When it was not predicted, or the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise AnalysisError(f"a level lies between 0 and 1, unlike {level}")
        value = float(self.central[self._column(quantity)])
        low, high = np.quantile(self[quantity], [(1 - level) / 2, (1 + level) / 2])
        return Estimate(
            quantity=quantity,
            value=value,
            unit=unit,
            low=min(float(low), value),
            high=max(float(high), value),
            level=level,
            n=len(self.values),
            unit_of_replication="prior draw",
        )

    def influence(self, quantity: str) -> list[tuple[str, float]]:
        """Rank parameters by how the quantity follows them over the draws.

        Parameters
        ----------
        quantity : str
            What was predicted.

        Returns
        -------
        list of (str, float)
            Spearman's rank correlation with each parameter, strongest first; zeros where the quantity does not vary.
            Its square is about the share of the variance of the ranks that the parameter alone explains.

        Raises
        ------
        AnalysisError
            When it was not predicted.
        """
        y = self[quantity]
        if np.ptp(y) == 0:
            return [(name, 0.0) for name in self.parameters]
        ranks = rankdata(y)
        found = [float(np.corrcoef(rankdata(x), ranks)[0, 1]) for x in self.draws.T]
        return sorted(zip(self.parameters, found, strict=True), key=lambda item: -abs(item[1]))

    def _column(self, quantity: str) -> int:
        if quantity not in self.quantities:
            raise AnalysisError(f"there is no prediction of {quantity!r}; there are: {', '.join(self.quantities)}")
        return self.quantities.index(quantity)


def predict(
    network: Network,
    n: int,
    seed: int,
    *,
    times: npt.ArrayLike,
    quantities: Quantities,
    prepare: Prepare | None = None,
    progress: Callable[[int], None] | None = None,
) -> Prediction:
    """Simulate a network for parameters drawn from their priors.

    Parameters
    ----------
    network : Network
        With priors.
    n : int
        Draws, 2 or more.
    seed : int
        Seed of the draws, not negative.
    times : array_like
        Output times of each simulation.
    quantities : callable
        What is wanted of a simulation, by name.
    prepare : callable, optional
        Applied to the network of each draw before it is simulated, such as `secretion.at_steady_state`.
    progress : callable, optional
        Called with the number of draws done.

    Returns
    -------
    Prediction
        Draws are independent between parameters: what is known of their correlation is nothing. With the same seed, a
        parameter has the same draws in every network, so that predictions can be compared draw by draw.

    Raises
    ------
    AnalysisError
        When the network has no prior, or n or the seed makes no sense.
    """
    if n < 2 or seed < 0:
        raise AnalysisError("a prediction needs 2 draws or more and a seed that is not negative")
    names, grid = _uncertain(network, None), check_times(times)
    draws = draw(network, names, np.column_stack([_stream(seed, name).random(n) for name in names]))
    run = _Runner(network, names, grid, quantities, prepare)
    central = run.at(np.array([network.values[name] for name in names]))
    found = []
    for done, row in enumerate(draws, start=1):
        found.append(run.at(row))
        if progress is not None:
            progress(done)
    return Prediction(
        parameters=names,
        draws=frozen(draws),
        quantities=tuple(central),
        values=frozen([[row[name] for name in central] for row in found]),
        central=frozen(list(central.values())),
        seed=seed,
    )


def _stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one parameter: two networks that share a parameter share its draws."""
    return np.random.default_rng([seed, crc32(name.encode())])


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
    quantities: Quantities
    prepare: Prepare | None

    def at(self, values: FloatArray) -> dict[str, float]:
        """Simulate for one draw."""
        drawn = self.network.with_values(dict(zip(self.names, (float(v) for v in values), strict=True)))
        ready = drawn if self.prepare is None else self.prepare(drawn)
        return {name: float(x) for name, x in self.quantities(simulate_ode(ready, self.grid)).items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sensitivity:
    """Which parameters the spread of a prediction comes from.

    Parameters
    ----------
    parameters : tuple of str
        In the order of the indices.
    first_order, total_order : numpy.ndarray
        Sobol indices: share of the variance by a parameter alone, and with all its interactions.
    first_half_width, total_half_width : numpy.ndarray
        Half widths of their bootstrap intervals (95 %).
    """

    parameters: tuple[str, ...]
    first_order: FloatArray
    total_order: FloatArray
    first_half_width: FloatArray
    total_half_width: FloatArray

    def ranked(self) -> list[tuple[str, float]]:
        """Return parameters and total indices, largest first."""
        order = np.argsort(self.total_order)[::-1]
        return [(self.parameters[i], float(self.total_order[i])) for i in order]


def sensitivity(
    network: Network,
    n: int,
    seed: int,
    *,
    times: npt.ArrayLike,
    quantity: Callable[[Course], float],
    prepare: Prepare | None = None,
    parameters: Sequence[str] | None = None,
) -> Sensitivity:
    """Decompose the variance of a prediction by parameter.

    Parameters
    ----------
    network : Network
        With priors.
    n : int
        Base samples, a power of two; n (k + 2) simulations for k parameters.
    seed : int
        Scrambles the Sobol sequence and seeds the bootstrap, not negative.
    times, prepare
        As in `predict`.
    quantity : callable
        What is wanted of a simulation. Let it return a logarithm where the spread runs over decades.
    parameters : sequence of str, optional
        By default all that have a prior.

    Returns
    -------
    Sensitivity
        Shares of the variance of `quantity`.

    Raises
    ------
    AnalysisError
        When n is no power of two, the prediction does not vary or is not finite, or SALib is not installed.

    Notes
    -----
    Saltelli et al. 2010, Comput Phys Commun 181:259, as SALib has it.
    """
    if n < 2 or n & (n - 1) or seed < 0:
        raise AnalysisError(f"n must be a power of two and the seed not negative, unlike {n} and {seed}")
    sample, analyse = _salib()
    names, grid = _uncertain(network, parameters), check_times(times)
    run = _Runner(network, names, grid, lambda course: {"": quantity(course)}, prepare)
    problem = {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}
    points = sample(problem, n, calc_second_order=False, seed=seed)
    y = np.array([run.at(row)[""] for row in draw(network, names, points)])
    if not np.all(np.isfinite(y)) or np.ptp(y) == 0:
        raise AnalysisError(f"{network.name}: the prediction does not vary with the parameters, or is not finite")
    found = analyse(problem, y, calc_second_order=False, num_resamples=200, seed=seed)
    return Sensitivity(
        parameters=names,
        first_order=frozen(found["S1"]),
        total_order=frozen(found["ST"]),
        first_half_width=frozen(found["S1_conf"]),
        total_half_width=frozen(found["ST_conf"]),
    )


def _salib() -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        from SALib.analyze import sobol as analyse  # type: ignore[import-untyped,unused-ignore]
        from SALib.sample import sobol as sample  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise AnalysisError("global sensitivity needs SALib: install vesicula[sensitivity]") from error
    return sample.sample, analyse.analyze
