"""The population of particles that no instrument sees whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vesicula.core.measurement import FloatArray, frozen


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
