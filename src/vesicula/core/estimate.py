"""A number with its uncertainty, and a distribution with its summary."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One estimated quantity.

    Parameters
    ----------
    quantity : str
        Standard name with its unit, such as ``"mode_diameter_nm"``.
    value : float
        The point estimate; finite.
    unit : str
        Unit as printed, such as ``"nm"`` or ``"/mL"``; empty for a ratio.
    low, high : float or None
        Interval at `level`; None when the data do not allow one.
    level : float
        Confidence level of the interval.
    n : int
        Number of units at the highest level of replication used.
    unit_of_replication : str
        What those units are: ``"track"``, ``"capture"``, ``"position"``, ``"replicate"``.
    carries : tuple of str
        Sources of variation inside the interval, out of ``"counting"``, ``"between-capture"``, ``"between-position"``,
        ``"between-replicate"``, ``"protein-assay"``, ``"lipid-assay"``.
    """

    quantity: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    n: int = 1
    unit_of_replication: str = "capture"
    carries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """One local maximum of a smoothed size distribution.

    Parameters
    ----------
    diameter_nm : float
        Its place.
    fraction : float
        Share of particles between the neighbouring valleys.
    prominence : float
        Height above the higher valley beside it, as a share of the highest density.
    low_nm, high_nm : float
        The valleys (or ends) that bound it.
    significant : bool
        Whether its prominence exceeds what counting noise alone would produce.
    """

    diameter_nm: float
    fraction: float
    prominence: float
    low_nm: float
    high_nm: float
    significant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A size distribution laid out for a figure and for Parquet: one curve.

    Parameters
    ----------
    label : str
        What the curve is: capture name, ``"pooled over captures"``, ...
    level : str
        ``"capture"``, ``"replicate"`` or ``"sample"``.
    sample : str
        Sample it belongs to.
    replicate : str
        Measurement (file) it belongs to; empty at the level of the sample.
    basis : str
        ``"sample"`` (dilution undone), ``"diluted"`` or ``"relative"`` (no concentration known).
    bin_low_nm, bin_high_nm : tuple of float
        Bounds of the bins shown; bins outside the occupied range are left out.
    concentration_per_ml_per_nm : tuple of float
        Binned view.
    smoothed_diameter_nm, smoothed_per_ml_per_nm : tuple of float
        Kernel-smoothed view.
    bandwidth_nm : float
        Standard deviation of the Gaussian kernel.
    peaks : tuple of Peak
        Local maxima of the smoothed view.
    """

    label: str
    level: str
    sample: str
    replicate: str
    basis: str
    bin_low_nm: tuple[float, ...]
    bin_high_nm: tuple[float, ...]
    concentration_per_ml_per_nm: tuple[float, ...]
    smoothed_diameter_nm: tuple[float, ...]
    smoothed_per_ml_per_nm: tuple[float, ...]
    bandwidth_nm: float
    peaks: tuple[Peak, ...] = ()
