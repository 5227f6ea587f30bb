"""What is asked of a plan, and the numbers that it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.protocol import COUNTED_FROM_NM, StepReport

Purity = Literal["protein-share", "counted-share", "number-share", "per-ug"]
PURITIES: tuple[Purity, ...] = get_args(Purity)
PURITY_WORDS: dict[Purity, str] = {
    "protein-share": "share of the product's protein that is in target particles",
    "counted-share": f"share of the particles of {COUNTED_FROM_NM:g} nm or more that are target particles",
    "number-share": "share of all particles, protein molecules among them, that are target particles",
    "per-ug": "target particles per microgram of protein",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a plan gives.

    Parameters
    ----------
    yield_share : float
        Share of the feed's target particles that is in the product.
    purity : float
        By the measure asked for.
    hours : float
        From the feed to the product.
    g_hours : float
        Force at the largest radius times hours, over all runs: exposure to shear and pelleting.
    """

    yield_share: float
    purity: float
    hours: float
    g_hours: float

    def costs(self) -> tuple[float, float, float, float]:
        """Return the four objectives, each the better the smaller; purity by its logarithm."""
        return -self.yield_share, -float(np.log10(max(self.purity, 1e-300))), self.hours, self.g_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked.

    Parameters
    ----------
    yield_share : float
        At least this share of the feed's target particles, above 0 and at most 1.
    purity : float
        At least this, in the measure `purity_as`; a share is at most 1.
    hours : float
        At most.
    purity_as : str
        One of `PURITIES`.
    probability : float
        How likely a plan must be to meet all three.

    Raises
    ------
    AnalysisError
        When a number is impossible.
    """

    yield_share: float
    purity: float
    hours: float
    purity_as: Purity = "protein-share"
    probability: float = 0.8

    def __post_init__(self) -> None:
        _share(self.yield_share, "the yield")
        if self.purity_as not in PURITIES:
            raise AnalysisError(f"unknown measure of purity {self.purity_as!r}. Known: {', '.join(PURITIES)}")
        if self.purity_as == "per-ug":
            _positive(self.purity, "the purity in particles per microgram")
        else:
            _share(self.purity, "the purity")
        _positive(self.hours, "the hours")
        if not 0 < self.probability < 1:
            raise AnalysisError(f"the probability asked for must lie between 0 and 1, not {self.probability:g}")

    def met(self, yield_share: FloatArray, purity: FloatArray, hours: FloatArray) -> dict[str, np.ndarray]:
        """Return, by criterion, which draws meet it; arrays of bool, shape of the arguments."""
        return {
            "yield": np.asarray(yield_share) >= self.yield_share,
            "purity": np.asarray(purity) >= self.purity,
            "hours": np.asarray(hours) <= self.hours,
        }

    def margin(self, numbers: Numbers) -> float:
        """Return the smallest margin: how far the worst criterion is on the good side, as a natural log-ratio.

        Purity, which is known least, counts half; hours, which are known best, fourfold.
        """
        return min(
            float(np.log(max(numbers.yield_share, 1e-300) / self.yield_share)),
            0.5 * float(np.log(max(numbers.purity, 1e-300) / self.purity)),
            4.0 * float(np.log(self.hours / max(numbers.hours, 1e-9))),
        )

    def words(self) -> str:
        """Return the target in a sentence's part."""
        return (
            f"yield of at least {percent(self.yield_share)}, purity of at least {self.purity_words(self.purity)}, "
            f"in {self.hours:g} h"
        )

    def purity_words(self, value: float) -> str:
        """Return a purity with its unit."""
        return f"{value:.2g} particles/ug" if self.purity_as == "per-ug" else percent(value)


def percent(share: float) -> str:
    """Return a share in per cent with two or three digits."""
    return f"{100 * share:.2e} %" if 0 < share < 1e-4 else f"{100 * share:.3g} %"


def _share(value: float, what: str) -> None:
    if not (np.isfinite(value) and 0 < value <= 1):
        raise AnalysisError(
            f"{what} asked for must be a share above 0 and at most 1 (1 is 100 %), not {value:g}. "
            "Nothing yields more than all of the feed"
        )


def _positive(value: float, what: str) -> None:
    if not (np.isfinite(value) and value > 0):
        raise AnalysisError(f"{what} asked for must be positive, not {value:g}")


def numbers_of(report: StepReport, target: Sequence[str], purity_as: Purity) -> Numbers:
    """Return the numbers of a protocol's last report."""
    return Numbers(
        yield_share=report.target_yield,
        purity=_purity(report, target, purity_as),
        hours=report.hours,
        g_hours=report.g_hours,
    )


def contents(report: StepReport, purity_as: Purity) -> dict[str, float]:
    """Return the share of each class in what the purity is counted over (protein, or particles), summing to one."""
    population = report.product.population
    if purity_as in ("protein-share", "per-ug"):
        amount = population.protein_ug_per_ml()
    elif purity_as == "counted-share":
        seen = population.number_per_ml[:, :, population.diameter_nm >= COUNTED_FROM_NM].sum(axis=(1, 2))
        amount = dict(zip(population.names, seen.tolist(), strict=True))
    else:
        amount = population.by_class()
    total = sum(amount.values())
    return {name: value / total if total > 0 else 0.0 for name, value in amount.items()}


def _purity(report: StepReport, target: Sequence[str], purity_as: Purity) -> float:
    if purity_as == "per-ug":
        return report.target_per_ug
    shares = contents(report, purity_as)
    return float(sum(shares[name] for name in target))
