"""Fractions and the balance of a step: what goes in comes out as product, waste or stated loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.population import MixedPopulation

Role = Literal["product", "waste", "loss"]
TOLERANCE = 1e-9
"""Largest relative error of the balance of any class, density and diameter."""
LEAST = 1e-200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fraction:
    """A liquid with its particles.

    Parameters
    ----------
    name : str
        Such as ``"pellet"`` or ``"fraction 9"``.
    population : MixedPopulation
        Particles per mL of `volume_ml`.
    volume_ml : float
        Positive. For a loss (on a wall, in a column) it is the feed's volume, and notional.
    role : {"product", "waste", "loss"}
        What becomes of it.
    """

    name: str
    population: MixedPopulation
    volume_ml: float
    role: Role = "product"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.volume_ml) and self.volume_ml > 0):
            raise AnalysisError(f"{self.name}: a volume of {self.volume_ml} mL is not possible; give a positive one")

    def totals(self) -> FloatArray:
        """Return particles by class, density and bin in the whole volume."""
        return np.asarray(self.population.number_per_ml * self.volume_ml, dtype=np.float64)

    def require_particles(self, what: str) -> None:
        """Raise `AnalysisError` when there is nothing in it."""
        if self.population.concentration_per_ml <= 0:
            raise AnalysisError(f"{self.name} is empty: there is nothing to {what}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a step makes of its feed.

    Parameters
    ----------
    method : str
        Such as ``"centrifuge"``.
    feed : Fraction
        What went in.
    fractions : tuple of Fraction
        All that came out, in order (elution, top to bottom).
    hours : float
        Time of the step itself.
    g_hours : float
        Relative centrifugal force at the largest radius times hours.
    max_g : float
        Largest force met.
    shear_per_s : float
        Largest shear rate at a wall; 0 where the step is not known for it.
    facts : mapping of str to float
        Numbers worth showing, such as ``"cutoff_nm"``; keys carry their unit.
    notes : tuple of str
        What a reader must know.
    """

    method: str
    feed: Fraction
    fractions: tuple[Fraction, ...]
    hours: float = 0.0
    g_hours: float = 0.0
    max_g: float = 0.0
    shear_per_s: float = 0.0
    facts: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        error = self.balance_error()
        if not error <= TOLERANCE:
            raise AnalysisError(f"{self.method}: particles are not conserved (relative error {error:.2g})")

    def balance_error(self) -> float:
        """Return the largest relative error of the balance over classes, densities and diameters, each by itself.

        What comes out of nothing is an infinite error. Counts below 1e-200 particles are beyond rounding and left out.
        """
        inside = self.feed.totals()
        outside = sum((f.totals() for f in self.fractions), np.zeros_like(inside))
        if np.any(outside[inside <= 0] > 0):
            return float("inf")
        there = inside > LEAST
        return float(np.max(np.abs(outside[there] / inside[there] - 1.0), initial=0.0))

    def fraction(self, name: str) -> Fraction:
        """Return the fraction of that name."""
        for fraction in self.fractions:
            if fraction.name == name:
                return fraction
        raise AnalysisError(f"{self.method} gives no {name!r}. It gives: {', '.join(f.name for f in self.fractions)}")

    @property
    def product(self) -> Fraction:
        """All product fractions pooled."""
        return pool([f for f in self.fractions if f.role == "product"], name="product")


def pool(fractions: Sequence[Fraction], *, name: str) -> Fraction:
    """Return fractions of one feed mixed.

    Raises
    ------
    AnalysisError
        When there is none.
    """
    if not fractions:
        raise AnalysisError(f"{name}: no fraction is kept. Keep at least one")
    if len(fractions) == 1:
        only = fractions[0]
        return Fraction(name=name, population=only.population, volume_ml=only.volume_ml, role=only.role)
    volume = sum(f.volume_ml for f in fractions)
    total = sum((f.totals() for f in fractions), np.zeros_like(fractions[0].population.number_per_ml))
    population = fractions[0].population.with_numbers(total / volume)
    return Fraction(name=name, population=population, volume_ml=volume, role=fractions[0].role)


def part(feed: Fraction, share: FloatArray | float, *, name: str, volume_ml: float, role: Role) -> Fraction:
    """Return a share of the feed's particles in a volume.

    Parameters
    ----------
    feed : Fraction
        What is shared out.
    share : numpy.ndarray or float
        Between 0 and 1; broadcasts to (classes, densities, bins).
    name, volume_ml, role
        Of the fraction.

    Raises
    ------
    AnalysisError
        When a share lies outside 0 and 1 by more than rounding.
    """
    share = np.asarray(share, dtype=np.float64)
    if not np.all((share >= -1e-12) & (share <= 1.0 + 1e-12)):
        raise AnalysisError(f"{name}: a share of the particles lies outside 0 and 1")
    if not volume_ml > 0:
        raise AnalysisError(f"{name}: a volume of {volume_ml} mL is not possible; give a positive one")
    number = feed.population.number_per_ml * np.clip(share, 0.0, 1.0) * (feed.volume_ml / volume_ml)
    return Fraction(name=name, population=feed.population.with_numbers(number), volume_ml=volume_ml, role=role)


def lost(feed: Fraction, share: FloatArray | float, *, name: str) -> Fraction:
    """Return a stated loss; its volume is the feed's."""
    return part(feed, share, name=name, volume_ml=feed.volume_ml, role="loss")


def check_share(value: float, name: str, *, upper: float = 1.0) -> float:
    """Return a number between 0 and `upper`, or raise `AnalysisError`."""
    if not 0.0 <= value <= upper:
        raise AnalysisError(f"{name} must lie between 0 and {upper:g}, not {value}")
    return value


def check_positive(value: float, name: str) -> float:
    """Return a positive finite number, or raise `AnalysisError`."""
    if not (np.isfinite(value) and value > 0):
        raise AnalysisError(f"{name} must be positive, not {value}")
    return value
