"""Known truth against what the statistics say of it: bias and coverage by simulation."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vesicula.instruments.nta.infer import (
    QUANTITIES,
    ClassDefinition,
    MeasurementStatistics,
    SampleStatistics,
    StatisticsSettings,
    analyse_measurement,
    analyse_sample,
)
from vesicula.instruments.nta.simulate import (
    NtaSimulationSettings,
    population_fraction,
    population_values,
    replicate_population,
    simulate_nta,
    simulate_zetaview,
)

if TYPE_CHECKING:
    from vesicula.core.estimate import Estimate
    from vesicula.core.population import Population


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How well one quantity is recovered.

    Parameters
    ----------
    quantity : str
        One of `QUANTITIES`, or ``"class_fraction:<id>"``.
    truth : float
        The population's value.
    repeats : int
        Simulations.
    relative_bias : float
        Mean estimate over truth, less 1; NaN, as the other relative numbers, where the truth is 0.
    relative_sd : float
        Standard deviation of the estimates over truth.
    coverage : float
        Share of the intervals that hold the truth.
    coverage_se : float
        Its binomial standard error at the nominal level.
    median_relative_width : float
        Median over simulations of (high - low) / truth.
    """

    quantity: str
    truth: float
    repeats: int
    relative_bias: float
    relative_sd: float
    coverage: float
    coverage_se: float
    median_relative_width: float


def recovery(
    population: Population,
    simulation: NtaSimulationSettings,
    *,
    repeats: int,
    rng: np.random.Generator,
    settings: StatisticsSettings | None = None,
    classes: tuple[ClassDefinition, ...] = (),
    design: Design | None = None,
) -> dict[str, Recovery]:
    """Simulate, infer and compare.

    Parameters
    ----------
    population : Population
        The truth.
    simulation : NtaSimulationSettings
        The instrument.
    repeats : int
        Simulations.
    rng : numpy.random.Generator
        Source of randomness.
    settings : StatisticsSettings, optional
        Of the statistics.
    classes : tuple of ClassDefinition
        Classes whose share to compare too.
    design : Design, optional
        Replicates, and whether the table of positions is given to the inference.

    Returns
    -------
    dict of str to Recovery
        One per quantity and class.
    """
    settings, design = settings or StatisticsSettings(), design or Design()
    truth = dict(population_values(population))
    truth.update({f"class_fraction:{c.id}": population_fraction(population, c.low_nm, c.high_nm) for c in classes})
    found: dict[str, list[Estimate]] = defaultdict(list)
    for _ in range(repeats):
        replicates = [_replicate(population, simulation, rng, settings, classes, design)
                      for _ in range(design.replicates)]  # fmt: skip
        result = replicates[0] if len(replicates) == 1 else analyse_sample(replicates, settings=settings)
        for name, estimate in _estimates(result).items():
            found[name].append(estimate)
    return {name: _compare(name, truth[name], found[name], settings.level) for name in truth if found[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How a validated sample is measured.

    Parameters
    ----------
    replicates : int
        Loads.
    concentration_cv, size_cv : float
        Variation between them.
    use_positions : bool
        Whether the table of positions of the layout ``"zetaview"`` is given to the inference.
    """

    replicates: int = 1
    concentration_cv: float = 0.0
    size_cv: float = 0.0
    use_positions: bool = False


def _replicate(
    population: Population,
    simulation: NtaSimulationSettings,
    rng: np.random.Generator,
    settings: StatisticsSettings,
    classes: tuple[ClassDefinition, ...],
    design: Design,
) -> MeasurementStatistics:
    one = population
    if design.concentration_cv > 0 or design.size_cv > 0:
        one = replicate_population(
            population, concentration_cv=design.concentration_cv, size_cv=design.size_cv, rng=rng
        )
    if design.use_positions:
        measurement, positions = simulate_zetaview(one, simulation, rng=rng)
        return analyse_measurement(measurement, settings=settings, positions=positions, classes=classes)
    return analyse_measurement(simulate_nta(one, simulation, rng=rng), settings=settings, classes=classes)


def _estimates(result: MeasurementStatistics | SampleStatistics) -> dict[str, Estimate]:
    found = {q: result.estimates[q] for q in QUANTITIES if q in result.estimates}
    found.update({f"class_fraction:{f.definition_id}": f.estimate for f in result.class_fractions})
    return found


def _compare(name: str, truth: float, estimates: list[Estimate], level: float) -> Recovery:
    values = np.array([e.value for e in estimates])
    scale = truth if truth > 0 else float("nan")
    low = np.array([np.nan if e.low is None else e.low for e in estimates])
    high = np.array([np.nan if e.high is None else e.high for e in estimates])
    return Recovery(
        quantity=name,
        truth=truth,
        repeats=values.size,
        relative_bias=float(values.mean() / scale - 1),
        relative_sd=float(values.std() / scale),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
        coverage_se=float(np.sqrt(level * (1 - level) / values.size)),
        median_relative_width=float(np.median(high - low) / scale),
    )
