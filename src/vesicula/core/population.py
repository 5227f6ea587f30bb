"""The population of particles that no instrument sees whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray, frozen
from vesicula.core.notebook import table_html
from vesicula.core.particle_class import ParticleClass, particle_class

IntArray = npt.NDArray[np.int64]

AVOGADRO_PER_MOL = 6.02214076e23  # SI, exact


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """How many particles per mL, of which diameter.

    Parameters
    ----------
    diameter_nm : numpy.ndarray, shape (n,)
        Strictly increasing grid of diameters.
    density_per_ml_per_nm : numpy.ndarray, shape (n,)
        Number density on that grid: particles per mL and per nm of diameter.

    Raises
    ------
    ValueError
        When shapes differ, the grid does not increase, or a density is negative.
    """

    diameter_nm: FloatArray
    density_per_ml_per_nm: FloatArray

    def __post_init__(self) -> None:
        diameter, density = frozen(self.diameter_nm), frozen(self.density_per_ml_per_nm)
        if diameter.ndim != 1 or diameter.shape != density.shape or diameter.size < 2:
            raise ValueError("diameter_nm and density_per_ml_per_nm must be one-dimensional and of one length")
        if np.any(np.diff(diameter) <= 0) or np.any(density < 0) or not np.all(np.isfinite(density)):
            raise ValueError("diameters must increase, densities must be finite and not negative")
        object.__setattr__(self, "diameter_nm", diameter)
        object.__setattr__(self, "density_per_ml_per_nm", density)

    @property
    def concentration_per_ml(self) -> float:
        """All particles per mL (trapezoidal rule)."""
        return float(np.trapezoid(self.density_per_ml_per_nm, self.diameter_nm))


def lognormal_population(
    *,
    median_nm: tuple[float, ...],
    geometric_sd: tuple[float, ...],
    concentration_per_ml: tuple[float, ...],
    diameter_nm: FloatArray | None = None,
) -> Population:
    """Return a mixture of log-normal populations.

    Parameters
    ----------
    median_nm, geometric_sd, concentration_per_ml : tuple of float
        One entry per component: median diameter, geometric standard deviation (> 1), particles per mL.
    diameter_nm : numpy.ndarray, optional
        Grid; by default 1 to 2000 nm in steps of 0.5 nm.

    Returns
    -------
    Population
        The sum of the components on the grid.
    """
    grid = np.arange(1.0, 2000.5, 0.5) if diameter_nm is None else np.asarray(diameter_nm, dtype=np.float64)
    density = np.zeros_like(grid)
    for median, gsd, total in zip(median_nm, geometric_sd, concentration_per_ml, strict=True):
        sigma = np.log(gsd)
        z = (np.log(grid) - np.log(median)) / sigma
        density += total * np.exp(-0.5 * z**2) / (grid * sigma * np.sqrt(2 * np.pi))
    return Population(diameter_nm=grid, density_per_ml_per_nm=density)


DEFAULT_EDGES_NM = (3.0, 6000.0, 400)
"""Lowest and highest edge and number of bins of the default grid; equal ratios."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Particles:
    """Single particles drawn from a `MixedPopulation`; all arrays have shape (n,).

    Parameters
    ----------
    class_index : numpy.ndarray of int
        Which of `class_names` each particle is.
    class_names : tuple of str
        Names of the classes.
    diameter_nm, density_g_per_ml, refractive_index, mass_g : numpy.ndarray
        Of each particle, isotonic.
    marker_copies : mapping of str to numpy.ndarray of int
        Copies of each marker on each particle.
    cargo_copies : mapping of str to numpy.ndarray of int
        Copies of each cargo molecule in each particle.
    """

    class_index: IntArray
    class_names: tuple[str, ...]
    diameter_nm: FloatArray
    density_g_per_ml: FloatArray
    refractive_index: FloatArray
    mass_g: FloatArray
    marker_copies: Mapping[str, IntArray]
    cargo_copies: Mapping[str, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixedPopulation:
    """Particles per mL by class, density and diameter.

    Within a class and a diameter the density is spread normally; the spread is held as `n_densities` shares of
    equal number at first, each at its own density. A step that parts particles by density changes these shares, and
    the next step sees it.

    Parameters
    ----------
    edges_nm : numpy.ndarray, shape (n + 1,)
        Strictly increasing edges of the diameter bins.
    classes : tuple of ParticleClass
        One per row of `number_per_ml`, names unique.
    number_per_ml : numpy.ndarray, shape (len(classes), n_densities, n)
        Particles per mL in each bin: a number, not a density per nm.

    Raises
    ------
    ValueError
        When shapes disagree, the edges do not increase, a number is negative or not finite, or a class stands twice.
    """

    edges_nm: FloatArray
    classes: tuple[ParticleClass, ...]
    number_per_ml: FloatArray

    def __post_init__(self) -> None:
        edges, number = frozen(self.edges_nm), frozen(self.number_per_ml)
        if edges.ndim != 1 or edges.size < 2 or edges[0] <= 0 or np.any(np.diff(edges) <= 0):
            raise ValueError("edges_nm must be one-dimensional, positive and increasing")
        if number.ndim != 3 or number.shape[0] != len(self.classes) or number.shape[2] != edges.size - 1:
            raise ValueError("number_per_ml must have the shape (classes, densities, bins)")
        if not np.all(np.isfinite(number)) or np.any(number < 0):
            raise ValueError("number_per_ml must be finite and not negative")
        if len({c.name for c in self.classes}) != len(self.classes):
            raise ValueError("each class may stand only once")
        object.__setattr__(self, "edges_nm", edges)
        object.__setattr__(self, "number_per_ml", number)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(c.name for c in self.classes)

    @property
    def diameter_nm(self) -> FloatArray:
        """Geometric centres of the bins, shape (n,)."""
        return np.sqrt(self.edges_nm[1:] * self.edges_nm[:-1])

    @property
    def n_densities(self) -> int:
        """Number of density shares per class."""
        return int(self.number_per_ml.shape[1])

    @property
    def concentration_per_ml(self) -> float:
        """All particles per mL."""
        return float(self.number_per_ml.sum())

    def by_class(self) -> dict[str, float]:
        """Return particles per mL by class."""
        return dict(zip(self.names, self.number_per_ml.sum(axis=(1, 2)).tolist(), strict=True))

    def density_g_per_ml(self) -> FloatArray:
        """Return the isotonic density of each class, density share and bin, shape of `number_per_ml`."""
        deviates = density_deviates(self.n_densities)
        d = self.diameter_nm
        return np.stack(
            [c.density_g_per_ml(d)[None, :] + c.density_sd_g_per_ml * deviates[:, None] for c in self.classes]
        )

    def mass_g(self) -> FloatArray:
        """Return the mass of one particle of each class, density share and bin (hydrated, isotonic), in g."""
        volume_ml = np.pi / 6.0 * (self.diameter_nm * 1e-7) ** 3
        return self.density_g_per_ml() * volume_ml

    def protein_ug_per_ml(self) -> dict[str, float]:
        """Return protein by class, micrograms per mL."""
        mass = (self.number_per_ml * self.mass_g()).sum(axis=(1, 2)) * 1e6
        return {c.name: float(m * c.protein_mass_fraction) for c, m in zip(self.classes, mass, strict=True)}

    def apob_ug_per_ml(self) -> float:
        """Return apolipoprotein B, micrograms per mL (particles times the mass of one copy)."""
        per_particle = np.array([c.apob_da for c in self.classes]) * 1e6 / AVOGADRO_PER_MOL
        return float((self.number_per_ml.sum(axis=(1, 2)) * per_particle).sum())

    @property
    def cargo_names(self) -> tuple[str, ...]:
        """Names of the cargo molecules that any class carries."""
        return tuple(sorted({m for c in self.classes for m in c.cargo}))

    def cargo_per_ml(self) -> dict[str, float]:
        """Return copies of each cargo molecule per mL, over all classes."""
        d = self.diameter_nm
        per_class = self.number_per_ml.sum(axis=1)
        return {
            m: float(sum(per_class[i] @ c.cargo_copies(m, d) for i, c in enumerate(self.classes)))
            for m in self.cargo_names
        }

    def with_cargo(self, molecule: str, mean_copies: Mapping[str, float]) -> MixedPopulation:
        """Return the population with a cargo molecule loaded.

        Parameters
        ----------
        molecule : str
            Such as ``"miR-21-5p"``.
        mean_copies : mapping of str to float
            Mean copies per particle at the class's median diameter, by class; classes not named keep what they carry.

        Returns
        -------
        MixedPopulation
            The same numbers; the classes carry the molecule through every step.

        Raises
        ------
        AnalysisError
            When a class is not in the population.
        ValueError
            When a number is negative or not finite.
        """
        for name in mean_copies:
            self._index(name)
        classes = tuple(
            replace(c, cargo=MappingProxyType({**c.cargo, molecule: float(mean_copies[c.name])}))
            if c.name in mean_copies
            else c
            for c in self.classes
        )
        return MixedPopulation(edges_nm=self.edges_nm, classes=classes, number_per_ml=self.number_per_ml)

    def with_numbers(self, number_per_ml: FloatArray) -> MixedPopulation:
        """Return the same grid and classes with other numbers; nothing else is copied."""
        return MixedPopulation(edges_nm=self.edges_nm, classes=self.classes, number_per_ml=number_per_ml)

    def scaled(self, factor: float) -> MixedPopulation:
        """Return the population at `factor` times the concentration (not negative)."""
        return self.with_numbers(self.number_per_ml * factor)

    def __add__(self, other: MixedPopulation) -> MixedPopulation:
        """Return the sum on one grid; classes are united by name."""
        if not isinstance(other, MixedPopulation):
            return NotImplemented
        if not np.array_equal(self.edges_nm, other.edges_nm) or self.n_densities != other.n_densities:
            raise ValueError("populations on different grids cannot be added")
        mine = {c.name: c for c in self.classes}
        if any(c.name in mine and mine[c.name] != c for c in other.classes):
            raise ValueError("a class of one name differs between the populations")
        classes = (*self.classes, *(c for c in other.classes if c.name not in mine))
        number = np.zeros((len(classes), *self.number_per_ml.shape[1:]))
        number[: len(self.classes)] += self.number_per_ml
        where = {c.name: k for k, c in enumerate(classes)}
        number[[where[n] for n in other.names]] += other.number_per_ml
        return MixedPopulation(edges_nm=self.edges_nm, classes=classes, number_per_ml=number)

    def population(self, *names: str) -> Population:
        """Return the number density per nm of some classes, or of all, as a `Population` (an instrument's view).

        Its trapezoidal total differs from the sum of the bins by the rule's error, below 0.1 % on the default grid for
        classes whose geometric SD is above 1.1.
        """
        kept = [self._index(n) for n in names] if names else list(range(len(self.classes)))
        number = self.number_per_ml[kept].sum(axis=(0, 1))
        return Population(diameter_nm=self.diameter_nm, density_per_ml_per_nm=number / np.diff(self.edges_nm))

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise AnalysisError(f"unknown particle class {name!r}. Here: {', '.join(self.names)}")
        return self.names.index(name)

    def median_diameter_nm(self, name: str) -> float | None:
        """Return the median diameter of a class (interpolated within its bin), None where it is empty."""
        number = self.number_per_ml[self._index(name)].sum(axis=0)
        if number.sum() <= 0:
            return None
        cumulative = np.concatenate([[0.0], np.cumsum(number)])
        kept = np.concatenate([[True], np.diff(cumulative) > 0])
        return float(np.interp(0.5 * cumulative[-1], cumulative[kept], self.edges_nm[kept]))

    def sample(self, n: int, *, rng: np.random.Generator) -> Particles:
        """Draw particles at random.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        Particles
            Diameters are spread log-uniformly within their bin; markers follow each class's copy numbers, cargo is
            Poisson about its mean.

        Raises
        ------
        AnalysisError
            When the population is empty.
        """
        total = self.number_per_ml.sum()
        if total <= 0:
            raise AnalysisError("no particle can be drawn from an empty population")
        flat = rng.choice(self.number_per_ml.size, size=n, p=(self.number_per_ml / total).ravel())
        k, q, i = np.unravel_index(flat, self.number_per_ml.shape)
        ratio = self.edges_nm[i + 1] / self.edges_nm[i]
        diameter = self.edges_nm[i] * ratio ** rng.uniform(size=n)
        density = self.density_g_per_ml()[k, q, i]
        return Particles(
            class_index=k.astype(np.int64),
            class_names=self.names,
            diameter_nm=diameter,
            density_g_per_ml=density,
            refractive_index=np.array([c.refractive_index for c in self.classes])[k],
            mass_g=density * np.pi / 6.0 * (diameter * 1e-7) ** 3,
            marker_copies=self._draw_markers(k, diameter, rng),
            cargo_copies=self._draw_cargo(k, diameter, rng),
        )

    def _draw_cargo(
        self, k: npt.NDArray[np.intp], diameter: FloatArray, rng: np.random.Generator
    ) -> dict[str, IntArray]:
        drawn: dict[str, IntArray] = {}
        for molecule in self.cargo_names:
            mean = np.zeros(k.size)
            for index, cls in enumerate(self.classes):
                here = np.flatnonzero(k == index)
                mean[here] = cls.cargo_copies(molecule, diameter[here])
            drawn[molecule] = rng.poisson(mean)
        return drawn

    def _draw_markers(
        self, k: npt.NDArray[np.intp], diameter: FloatArray, rng: np.random.Generator
    ) -> dict[str, IntArray]:
        drawn: dict[str, IntArray] = {}
        for marker in sorted({m for c in self.classes for m in c.markers}):
            copies = np.zeros(k.size, dtype=np.int64)
            for index, cls in enumerate(self.classes):
                if marker in cls.markers:
                    here = np.flatnonzero(k == index)
                    copies[here] = _copies(cls, marker, diameter[here], rng)
            drawn[marker] = copies
        return drawn

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return one row per class: name, particles per mL, median diameter in nm, protein in micrograms per mL."""
        protein = self.protein_ug_per_ml()
        return [
            (name, f"{count:.3g}", "" if (m := self.median_diameter_nm(name)) is None else f"{m:.0f}",
             f"{protein[name]:.3g}")
            for name, count in self.by_class().items()
        ]  # fmt: skip

    def plot_spec(self) -> dict[str, Any]:
        """Return a Plotly specification: number per mL and per decade of diameter, one line per class."""
        decade = np.log10(self.edges_nm[1:] / self.edges_nm[:-1])
        per_class = self.number_per_ml.sum(axis=1) / decade
        data = [
            {
                "type": "scatter", "mode": "lines", "name": name,
                "x": [float(f"{x:.5g}") for x in self.diameter_nm[line > 0]],
                "y": [float(f"{y:.5g}") for y in line[line > 0]],
            }
            for name, line in zip(self.names, per_class, strict=True) if line.sum() > 0
        ]  # fmt: skip
        x = {"type": "log", "title": {"text": "Diameter (nm)"}}
        y = {"type": "log", "exponentformat": "power", "title": {"text": "Particles per mL and decade"}}
        return {"data": data, "layout": {"xaxis": x, "yaxis": y}}

    def _repr_html_(self) -> str:
        heads = ("class", "particles per mL", "median diameter (nm)", "protein (ug/mL)")
        return table_html(heads, self.rows(), caption=f"{self.concentration_per_ml:.3g} particles per mL")


def density_deviates(n: int) -> FloatArray:
    """Return `n` standard normal deviates of equal probability, centred, with variance one (for n > 1)."""
    if n == 1:
        return np.zeros(1)
    z = ndtri((np.arange(n) + 0.5) / n)
    return np.asarray(z / np.sqrt(np.mean(z**2)), dtype=np.float64)


def _copies(cls: ParticleClass, marker: str, diameter_nm: FloatArray, rng: np.random.Generator) -> IntArray:
    m = cls.markers[marker]
    positive = rng.uniform(size=diameter_nm.size) < m.positive_fraction
    median = m.median_copies * (diameter_nm / cls.median_nm) ** 2
    copies = median * np.exp(np.log(m.geometric_sd) * rng.standard_normal(diameter_nm.size))
    return np.where(positive, np.maximum(1, np.rint(copies)), 0).astype(np.int64)


def default_edges_nm() -> FloatArray:
    """Return the default grid: 400 bins of equal ratio from 3 to 6000 nm."""
    low, high, n = DEFAULT_EDGES_NM
    return frozen(np.geomspace(low, high, n + 1))


def mixed_population(
    concentration_per_ml: Mapping[str, float] | Mapping[ParticleClass, float],
    *,
    edges_nm: FloatArray | None = None,
    n_densities: int = 5,
) -> MixedPopulation:
    """Return a population of classes, each log-normal in diameter between its limits.

    Parameters
    ----------
    concentration_per_ml : mapping of str, or of ParticleClass, to float
        Particles per mL of each class; a name stands for the packaged class.
    edges_nm : numpy.ndarray, optional
        Diameter bins; by default those of `default_edges_nm`.
    n_densities : int
        Density shares per class and bin; 1 gives every particle its class's mean density.

    Returns
    -------
    MixedPopulation
        Whose number per class is exactly what was asked.

    Raises
    ------
    AnalysisError
        When a class is unknown, a concentration is negative or not finite, or a class has no bin on the grid.
    """
    if not concentration_per_ml or n_densities < 1:
        raise AnalysisError("a population needs at least one class and one density")
    edges = default_edges_nm() if edges_nm is None else frozen(edges_nm)
    classes = tuple(c if isinstance(c, ParticleClass) else particle_class(c) for c in concentration_per_ml)
    number = np.empty((len(classes), n_densities, edges.size - 1))
    for row, cls, total in zip(number, classes, concentration_per_ml.values(), strict=True):
        if not (np.isfinite(total) and total >= 0):
            raise AnalysisError(f"{cls.name}: a concentration cannot be {total}; give particles per mL, 0 or more")
        row[:] = total / n_densities * _shares(cls, edges)
    return MixedPopulation(edges_nm=edges, classes=classes, number_per_ml=number)


def _shares(cls: ParticleClass, edges: FloatArray) -> FloatArray:
    inside = np.clip(edges, cls.low_nm, cls.high_nm)
    cumulative = ndtr(np.log(inside / cls.median_nm) / np.log(cls.geometric_sd))
    shares = np.diff(cumulative)
    if shares.sum() <= 0:
        raise AnalysisError(f"{cls.name}: no part of it lies on the grid of {edges[0]:g} to {edges[-1]:g} nm")
    return np.asarray(shares / shares.sum(), dtype=np.float64)
