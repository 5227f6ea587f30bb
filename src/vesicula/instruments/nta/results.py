"""What the statistics of NTA yield, and the settings they run under."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vesicula.core.estimate import Distribution, Estimate

Basis = Literal["sample", "diluted", "relative"]

DIAMETERS: tuple[str, ...] = (
    "mean_diameter_nm",
    "mode_diameter_nm",
    "median_diameter_nm",
    "d10_diameter_nm",
    "d90_diameter_nm",
    "sd_diameter_nm",
)
"""Quantities that scale with diameter."""

QUANTITIES: tuple[str, ...] = (*DIAMETERS, "span", "concentration_per_ml")
"""Every quantity that is estimated, in the order in which it is shown."""

UNITS: Mapping[str, str] = MappingProxyType(
    {**dict.fromkeys(DIAMETERS, "nm"), "span": "", "concentration_per_ml": "/mL"}
)
"""Unit of each quantity as printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsSettings:
    """Choices of the statistics; every default is explained in docs/explanation/nta-statistics.md.

    Parameters
    ----------
    level : float
        Confidence level of all intervals.
    bandwidth_nm : float or None
        Standard deviation of the Gaussian kernel; None for the automatic rule (see `density.automatic_bandwidth`).
        Never taken below the width of a bin.
    bandwidth_fallback_n : int
        Number of tracks that the automatic rule assumes where the file states none.
    residence_cv : float
        Coefficient of variation of the time a particle stays in view; makes the counting error of a
        time-averaged concentration (1 + CV^2) / N instead of 1 / N.
    peak_min_prominence : float
        Local maxima less prominent than this share of the highest density are not listed.
    peak_significance_z : float
        How many standard errors a peak must rise above the higher valley beside it to be called significant.
    mode_contrast_z : float
        Diameters whose density is within this many standard errors of the highest may be the mode.
    display_points : int
        Most points of a smoothed curve as handed on.
    display_trim : float
        Bins at either end with less than this share of the particles are not handed on (they stay in every number).

    Raises
    ------
    AnalysisError
        When a value is out of its range.
    """

    # 95 %: the convention of the field and of core.Estimate.
    level: float = 0.95
    bandwidth_nm: float | None = None
    # The rule goes with n^(-1/5): being wrong tenfold changes the bandwidth 1.6-fold. 1000 is the order of
    # "Valid Tracks" in a NanoSight capture (1872 to 6496 in the beads files of tidyNano).
    bandwidth_fallback_n: int = 1000
    # Exponential residence times (memoryless exit from the field): CV = 1. Compound Poisson sum, see docs.
    residence_cv: float = 1.0
    # Below 1 % of the highest density, 3 px in a figure 300 px high, a maximum is hardly seen.
    peak_min_prominence: float = 0.01
    # Calibrated by simulation: under 5 % false second peaks on every unimodal case of docs, "Second peaks".
    peak_significance_z: float = 2.8
    # Calibrated by simulation to 95 % coverage of one capture on unimodal and bimodal cases: docs, table "Coverage".
    mode_contrast_z: float = 1.4
    # A figure 800 px wide shows a step of 4 px.
    display_points: int = 200
    # One particle in a million: far below one track of the some 10^4 in a measurement; FTLA fits leave such tails.
    display_trim: float = 1e-6

    def __post_init__(self) -> None:
        checks = {
            "level must lie between 0 and 1": 0 < self.level < 1,
            "bandwidth_nm must be positive": self.bandwidth_nm is None or self.bandwidth_nm > 0,
            "bandwidth_fallback_n must be at least 1": self.bandwidth_fallback_n >= 1,
            "residence_cv must not be negative": self.residence_cv >= 0,
            "peak_min_prominence must lie between 0 and 1": 0 < self.peak_min_prominence < 1,
            "peak_significance_z must be positive": self.peak_significance_z > 0,
            "mode_contrast_z must not be negative": self.mode_contrast_z >= 0,
            "display_points must be at least 10": self.display_points >= 10,
            "display_trim must lie between 0 and 0.01": 0 <= self.display_trim <= 0.01,
        }
        broken = [text for text, holds in checks.items() if not holds]
        if broken:
            raise AnalysisError(f"statistics settings: {'; '.join(broken)}")

    def parameters(self) -> dict[str, float | int | str | bool]:
        """Return all settings as a MethodRef records them; an automatic bandwidth as ``"automatic"``."""
        return {
            "level": self.level,
            "bandwidth_nm": "automatic" if self.bandwidth_nm is None else self.bandwidth_nm,
            "bandwidth_fallback_n": self.bandwidth_fallback_n,
            "residence_cv": self.residence_cv,
            "peak_min_prominence": self.peak_min_prominence,
            "peak_significance_z": self.peak_significance_z,
            "mode_contrast_z": self.mode_contrast_z,
            "display_points": self.display_points,
            "display_trim": self.display_trim,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStatistics:
    """The numbers of one capture.

    Parameters
    ----------
    name : str
        The vendor's name of the capture.
    values : mapping of str to float
        Point estimates, keyed as `QUANTITIES`; concentration only where it is known. Empty for a failed run.
    counting_se : mapping of str to float
        Standard error of each from the finite number of tracks; empty where that number is unknown.
    counting_interval : mapping of str to (float, float)
        Interval from counting alone, on the scale that suits the quantity.
    n_tracks : int or None
        Tracks (or counts) behind the distribution.
    empty : bool
        A failed run: nothing was counted. Never pooled.
    """

    name: str
    values: Mapping[str, float]
    counting_se: Mapping[str, float]
    counting_interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    n_tracks: int | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFraction:
    """Share of the particles within one class definition.

    Parameters
    ----------
    definition_id, review, location, name, low_nm, high_nm
        As in `vesicula.core.reference.ClassDefinition`.
    estimate : Estimate
        Fraction of particles, between 0 and 1.
    standard_error : float or None
        Its standard error, which the level above needs.
    """

    definition_id: str
    review: str
    location: str
    name: str
    low_nm: float
    high_nm: float
    estimate: Estimate
    standard_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementStatistics:
    """The numbers of one measurement: one load of a sample into the instrument.

    Parameters
    ----------
    captures : tuple of CaptureStatistics
        Every capture of the file, failed runs included.
    estimates : mapping of str to Estimate
        Pooled over the captures that are not empty, keyed as `QUANTITIES`; empty when all runs failed.
    standard_errors : mapping of str to float
        Standard error of each estimate, which the level above needs.
    class_fractions : tuple of ClassFraction
        One per class definition.
    distributions : tuple of Distribution
        One per non-empty capture (level ``"capture"``), then the pooled one (level ``"replicate"``). Their
        `sample` and `replicate` are left empty for the caller, who knows them.
    concentration_basis : {"sample", "diluted", "relative"}
        What concentrations refer to.
    dilution_factor : float or None
        Dilution that lies between the cell and concentrations on the basis ``"sample"``, whoever undid it.
    n_tracks : int or None
        Tracks over all captures.
    notes : tuple of str
        What a reader of the numbers must know.
    """

    captures: tuple[CaptureStatistics, ...]
    estimates: Mapping[str, Estimate]
    standard_errors: Mapping[str, float]
    class_fractions: tuple[ClassFraction, ...]
    distributions: tuple[Distribution, ...]
    concentration_basis: Basis
    dilution_factor: float | None
    n_tracks: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStatistics:
    """The numbers of a sample, over its replicate measurements.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        Pooled over replicates.
    class_fractions : tuple of ClassFraction
        One per definition that all replicates share.
    distributions : tuple of Distribution
        The pooled distribution, level ``"sample"``; empty when nothing was measured.
    concentration_basis : {"sample", "diluted", "relative"}
        What concentrations refer to.
    notes : tuple of str
        What a reader of the numbers must know.
    """

    estimates: Mapping[str, Estimate]
    class_fractions: tuple[ClassFraction, ...]
    distributions: tuple[Distribution, ...]
    concentration_basis: Basis
    notes: tuple[str, ...] = ()
