"""What cells under given conditions make and let go, with what is not known about it: the answer as one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vesicula.biogenesis.bodies import simulate_secretion
from vesicula.biogenesis.ode import Course
from vesicula.biogenesis.predict import Prediction, Sensitivity, predict, sensitivity
from vesicula.biogenesis.secretion import (
    CLASSES,
    at_steady_state,
    rates_by_cell,
    secretion_network,
    secretion_rates,
)
from vesicula.biogenesis.ssa import Ensemble
from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate

LEVEL = 0.95
PER_CELL_HOUR = "/cell/h"
MAIN = "exosomes_released"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretionRow:
    """One quantity of a secretion report.

    Parameters
    ----------
    quantity : str
        Name.
    estimate : Estimate
        Under the conditions asked for; the interval is that of the priors.
    ratio : Estimate or None
        To the untreated cell, draw by draw with the same parameters; None without modulators or where it is 0.
    """

    quantity: str
    estimate: Estimate
    ratio: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecretionReport:
    """What cells make and let go under some conditions.

    Parameters
    ----------
    modulators : tuple of str
        Conditions.
    hours : float
        Time in fresh medium.
    seed : int
        Of draws and cells.
    treated, untreated : Prediction
        For the same draws; one object twice without modulators.
    cells : Ensemble or None
        Stochastic replicates at the best values of the parameters.
    sobol : Sensitivity or None
        Of the logarithm of exosome release.
    """

    modulators: tuple[str, ...]
    hours: float
    seed: int
    treated: Prediction
    untreated: Prediction
    cells: Ensemble | None
    sobol: Sensitivity | None

    def rows(self) -> list[SecretionRow]:
        """Return every quantity with its 95 % interval, formation before release."""
        return [
            SecretionRow(quantity=q, estimate=self.treated.estimate(q, _unit(q), LEVEL), ratio=self._ratio(q))
            for q in self.treated.quantities
        ]

    def _ratio(self, quantity: str) -> Estimate | None:
        below = self.untreated[quantity]
        if not self.modulators or not np.all(below > 0):
            return None
        centre = [float(p.estimate(quantity, "").value) for p in (self.treated, self.untreated)]
        low, high = np.quantile(self.treated[quantity] / below, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        value = centre[0] / centre[1]
        return Estimate(
            quantity=f"{quantity}_ratio_to_untreated",
            value=value,
            unit="",
            low=min(float(low), value),
            high=max(float(high), value),
            level=LEVEL,
            n=len(below),
            unit_of_replication="prior draw",
        )

    def between_cells(self) -> dict[str, tuple[float, float, float, float]]:
        """Return mean, SD and 2.5 and 97.5 % quantiles over the stochastic cells, by rate; empty without cells."""
        if self.cells is None:
            return {}
        return {
            name: (
                float(x.mean()),
                float(x.std(ddof=1)) if x.size > 1 else float("nan"),
                float(np.quantile(x, 0.025)),
                float(np.quantile(x, 0.975)),
            )
            for name, x in rates_by_cell(self.cells).items()
        }

    def influence(self, count: int = 8) -> list[tuple[str, float]]:
        """Return the parameters that exosome release follows most, with Spearman's correlation."""
        return self.treated.influence(MAIN)[:count]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; what is not defined is None."""
        cells = self.cells
        return {
            "modulators": list(self.modulators),
            "hours": self.hours,
            "seed": self.seed,
            "draws": len(self.treated.values),
            "interval": "central 95 % of draws from the parameters' priors; no data of the user's went in",
            "quantities": [_row_json(row) for row in self.rows()],
            "rank_correlation_with_exosomes_released": dict(self.treated.influence(MAIN)),
            "sobol_of_log_exosomes_released": None if self.sobol is None else _sobol_json(self.sobol),
            "cells": None if cells is None else {
                "seeds": [str(s) for s in cells.seeds],  # 64 bits: more than a JSON number carries everywhere
                "rates_per_hour": {n: [float(v) for v in x] for n, x in rates_by_cell(cells).items()},
            },
        }  # fmt: skip


def _row_json(row: SecretionRow) -> dict[str, Any]:
    e, r = row.estimate, row.ratio
    ratio = None if r is None else {"value": r.value, "low": r.low, "high": r.high}
    return {"quantity": row.quantity, "unit": e.unit, "value": e.value, "low": e.low, "high": e.high, "ratio": ratio}


def _sobol_json(found: Sensitivity) -> dict[str, dict[str, float]]:
    columns = (found.first_order, found.first_half_width, found.total_order, found.total_half_width)
    names = ("first_order", "first_half_width", "total_order", "total_half_width")
    return {
        p: {name: float(column[i]) for name, column in zip(names, columns, strict=True)}
        for i, p in enumerate(found.parameters)
    }


def label_of(quantity: str) -> str:
    """Return the name of a quantity as a person reads it."""
    return quantity.replace("_", " ").replace("ilv", "ILV").replace("mvb", "MVB").replace("escrt", "ESCRT")


def _unit(quantity: str) -> str:
    if quantity == "mvb_released_share":
        return ""
    return "/cell" if quantity.endswith("_in_medium") else PER_CELL_HOUR


def _quantities(course: Course) -> dict[str, float]:
    found = secretion_rates(course).as_dict()
    for name, species in CLASSES.items():
        found[f"{name.replace(' ', '_')}_in_medium"] = float(sum(course[s][-1] for s in species))
    return found


def _log_release(course: Course) -> float:
    return float(np.log(secretion_rates(course).exosomes_released))


Progress = Callable[[str, int, int | None], None]


def secrete(
    modulators: Sequence[str] = (),
    *,
    hours: float = 24.0,
    draws: int = 400,
    seed: int = 1,
    cells: int = 0,
    sobol: int = 0,
    progress: Progress | None = None,
) -> SecretionReport:
    """Predict what cells make and let go under given conditions.

    Parameters
    ----------
    modulators : sequence of str
        Out of `modulator_names`; the effects of several are multiplied, which is an assumption.
    hours : float
        Time in fresh medium, positive; the cells were in steady state before.
    draws : int
        Draws of the parameters from their priors.
    seed : int
        Of draws and cells.
    cells : int
        Stochastic cells to simulate at the best values of the parameters, each MVB with its own load; 0 for none.
    sobol : int
        Base samples of the global sensitivity analysis, a power of two; 0 for none.
    progress : callable, optional
        Called with a step's name, how much of it is done, and of how much.

    Returns
    -------
    SecretionReport
        Formation, degradation and release apart, with intervals.

    Raises
    ------
    AnalysisError
        For an unknown modulator, a time that is not positive, too few draws, or without SALib where it is needed.
    """
    if not 0 < hours < float("inf") or cells < 0 or sobol < 0:
        raise AnalysisError("hours must be positive and finite, cells and sobol not negative")
    times = [0.0, hours]
    tell = progress or (lambda _step, _done, _total: None)

    def drawn(names: Sequence[str]) -> Prediction:
        step = "treated cell" if names else "untreated cell"
        return predict(
            secretion_network(names), draws, seed, times=times, quantities=_quantities, prepare=at_steady_state,
            progress=lambda done: tell(step, done, draws),
        )  # fmt: skip

    treated = drawn(modulators)
    network = secretion_network(modulators)
    grid = np.linspace(0.0, hours, 97)
    untreated = drawn(()) if modulators else treated
    if cells:
        tell("single cells", 0, None)
    course = simulate_secretion(network, grid, n=cells, seed=seed) if cells else None
    if sobol:
        tell("sensitivity", 0, None)
    return SecretionReport(
        modulators=tuple(modulators),
        hours=hours,
        seed=seed,
        treated=treated,
        untreated=untreated,
        cells=course,
        sobol=sensitivity(network, sobol, seed, times=times, quantity=_log_release, prepare=at_steady_state)
        if sobol
        else None,
    )
