"""From a population to what an NTA instrument would report of it: the same type that a reader returns.

Every inference of this room is proved by drawing a population, simulating and inferring (`validation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import Capture, SizeMeasurement, SourceFile, TableMeasurement
from vesicula.core.population import Population
from vesicula.instruments.nta.statistics import PERCENTILES

if TYPE_CHECKING:
    from vesicula.core.measurement import FloatArray

Layout = Literal["nanosight", "zetaview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NtaSimulationSettings:
    """What the simulated instrument does. Numbers "from beads.csv" or "beads2.csv" are those of tidyNano's files.

    Parameters
    ----------
    layout : {"nanosight", "zetaview"}
        NanoSight-like: one histogram of 1-nm bins per capture, in particles per mL, dilution undone. ZetaView-like:
        one histogram of 5-nm bins, counts and particles per mL of the diluted suspension, pooled over positions.
    captures : int
        Videos (NanoSight) or positions (ZetaView).
    dilution_factor : float
        Dilution between sample and cell.
    detection_volume_ml : float
        Volume in view.
    residence_ratio : float
        Length of a video over the mean time that a particle stays in view.
    residence_cv : float
        Coefficient of variation of that time.
    tracked_fraction : float
        Share of the distinct particles whose tracks enter the size distribution.
    concentration_cv, size_cv : float
        Between captures: CV of the true concentration in view, and of a common factor in size (both log-normal,
        mean 1).
    finite_tracks : bool
        Whether sizes carry the error of a finite track: d n / Gamma(n), n steps.
    min_track_steps, mean_extra_steps : int, float
        Steps of a track: a minimum plus a geometric number with this mean.
    detection_limit_nm : float or None
        Diameter detected half of the time; None detects all.
    detection_slope : float
        Steepness of the roll-off: detected share 1 / (1 + (limit / d)^slope).

    Raises
    ------
    AnalysisError
        When a value is out of its range.
    """

    layout: Layout = "nanosight"
    # beads2.csv: 5 captures. The ZetaView exports at hand use 11 positions.
    captures: int = 5
    # beads2.csv records 1.00e+04.
    dilution_factor: float = 1e4
    # beads2.csv: 109.7 particles per frame at 5.91e12 / 1e4 per mL.
    detection_volume_ml: float = 1.856e-7
    # beads2.csv: 4577 completed tracks per video at 113.3 particles per frame.
    residence_ratio: float = 40.4
    # Memoryless exit: as in StatisticsSettings.
    residence_cv: float = 1.0
    # beads2.csv: 1905 valid of 4577 completed tracks.
    tracked_fraction: float = 0.416
    # Between the 2.4 % of beads2.csv (one load, one camera level) and the 25 % of beads.csv (12 videos of 4 loads).
    concentration_cv: float = 0.10
    # CV of the captures' D50: 0.9 % in beads2.csv, 1.4 % in beads.csv.
    size_cv: float = 0.012
    finite_tracks: bool = False
    # ZetaView's default minimum trace length, 15 positions, is 14 steps; the mean excess is an assumption.
    min_track_steps: int = 14
    mean_extra_steps: float = 15.0
    detection_limit_nm: float | None = None
    # Intensity goes with d^6 (Rayleigh): a threshold met by brightness with a spread of about a factor 1.7 gives 12.
    detection_slope: float = 12.0

    def __post_init__(self) -> None:
        positive = ("dilution_factor", "detection_volume_ml", "residence_ratio", "detection_slope")
        broken = [f"{name} must be positive" for name in positive if not getattr(self, name) > 0]
        spreads = ("residence_cv", "concentration_cv", "size_cv", "mean_extra_steps")
        broken += [f"{name} must not be negative" for name in spreads if getattr(self, name) < 0]
        if self.captures < 1:
            broken.append("captures must be at least 1")
        if not 0 < self.tracked_fraction <= 1:
            broken.append("tracked_fraction must lie between 0 and 1")
        if self.min_track_steps < 2:
            broken.append("min_track_steps must be at least 2: a size from one step has no mean")
        if self.detection_limit_nm is not None and not self.detection_limit_nm > 0:
            broken.append("detection_limit_nm must be positive")
        if broken:
            raise AnalysisError(f"simulation settings: {'; '.join(broken)}")


ZETAVIEW = NtaSimulationSettings(
    layout="zetaview",
    captures=11,
    # A ZetaView export of an MSC-EV fraction records 1000.
    dilution_factor=1e3,
    # 83.3 particles per frame at 3.57e7 per mL in the same export.
    detection_volume_ml=2.33e-6,
    # 467 traces from 11 x 83.3 particles: about every second particle is traced once, so the view hardly renews.
    residence_ratio=1.0,
    residence_cv=0.0,
    tracked_fraction=0.51,
    # The same export: relative standard deviation between positions 14 % of which 11 % is counting; of X50 7.3 %,
    # of which 6 % is counting.
    concentration_cv=0.09,
    size_cv=0.04,
)
"""Settings of a ZetaView-like instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Video:
    """What one capture or position saw."""

    sizes_nm: FloatArray
    concentration_per_ml: float  # of the diluted suspension
    tracks_completed: int
    particles_per_frame: float


def simulate_nta(
    population: Population, settings: NtaSimulationSettings, *, rng: np.random.Generator
) -> SizeMeasurement:
    """Simulate one measurement of a population.

    Parameters
    ----------
    population : Population
        The undiluted sample.
    settings : NtaSimulationSettings
        The instrument.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    SizeMeasurement
        As a reader would return it, ``reader="simulation"``. Particles in view are Poisson, their residence times
        add up to the particles per frame, and a binomial share of them is tracked. Not simulated: localisation
        error, motion blur, wrong links, the FTLA fit, and detection that depends on track length.
    """
    return _simulate(population, settings, rng)[0]


def simulate_zetaview(
    population: Population, settings: NtaSimulationSettings, *, rng: np.random.Generator
) -> tuple[SizeMeasurement, TableMeasurement]:
    """Simulate a ZetaView-like measurement with its table of positions.

    Parameters
    ----------
    population : Population
        The undiluted sample.
    settings : NtaSimulationSettings
        Of layout ``"zetaview"``, such as `ZETAVIEW`.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    tuple of SizeMeasurement and TableMeasurement
        The pooled histogram, and a row per position: ``position``, ``used``, ``particles_per_frame``,
        ``concentration_per_ml`` (diluted), ``tracks``, ``d50_diameter_nm``, ``span``.

    Raises
    ------
    AnalysisError
        When the layout is another.
    """
    if settings.layout != "zetaview":
        raise AnalysisError(f"positions exist in the layout 'zetaview' alone, not in {settings.layout!r}")
    measurement, videos = _simulate(population, settings, rng)
    return measurement, _position_table(videos)


def _simulate(
    population: Population, settings: NtaSimulationSettings, rng: np.random.Generator
) -> tuple[SizeMeasurement, list[_Video]]:
    cumulative = _detected_cumulative(population, settings)
    videos = [_video(population, cumulative, settings, rng) for _ in range(settings.captures)]
    zetaview = settings.layout == "zetaview"
    captures = (_zetaview_capture(videos, settings),) if zetaview else _nanosight_captures(videos, settings)
    measurement = SizeMeasurement(
        reader="simulation",
        instrument="ZetaView" if zetaview else "NanoSight",
        software="vesicula simulation",
        source=_source(),
        captures=captures,
    )
    return measurement, videos


def _source() -> SourceFile:
    return SourceFile(name="simulation", sha256="", size_bytes=0)


def _detected_cumulative(population: Population, settings: NtaSimulationSettings) -> FloatArray:
    """Particles per mL that are detectable, below each diameter of the grid."""
    density = np.array(population.density_per_ml_per_nm)
    if settings.detection_limit_nm is not None:
        density /= 1 + (settings.detection_limit_nm / population.diameter_nm) ** settings.detection_slope
    cells = (density[1:] + density[:-1]) / 2 * np.diff(population.diameter_nm)
    return np.concatenate(([0.0], np.cumsum(cells)))


def _factor(cv: float, rng: np.random.Generator) -> float:
    """Draw a log-normal factor with mean 1 and the given coefficient of variation."""
    variance = np.log1p(cv**2)
    return float(np.exp(rng.normal(-variance / 2, np.sqrt(variance))))


def _video(
    population: Population, cumulative: FloatArray, settings: NtaSimulationSettings, rng: np.random.Generator
) -> _Video:
    """Let particles pass through the view during one video."""
    diluted = cumulative[-1] / settings.dilution_factor * _factor(settings.concentration_cv, rng)
    in_view = diluted * settings.detection_volume_ml
    distinct = int(rng.poisson(in_view * settings.residence_ratio))
    # Sum of residence times over the length of the video = mean number of particles per frame.
    per_frame = distinct / settings.residence_ratio
    if settings.residence_cv > 0 and distinct > 0:
        shape = distinct / settings.residence_cv**2
        per_frame *= float(rng.gamma(shape)) / shape
    tracked = int(rng.binomial(distinct, settings.tracked_fraction))
    sizes = np.interp(rng.random(tracked) * cumulative[-1], cumulative, population.diameter_nm)
    sizes *= _factor(settings.size_cv, rng)
    if settings.finite_tracks and tracked:
        extra = rng.geometric(1 / (1 + settings.mean_extra_steps), tracked) - 1
        steps = settings.min_track_steps + extra
        # The estimate of D from n independent steps in two dimensions is Gamma(n) with mean D: research notes on
        # finite tracks; size goes with 1 / D (Stokes-Einstein).
        sizes = sizes * steps / rng.gamma(steps)
    return _Video(
        sizes_nm=sizes,
        concentration_per_ml=per_frame / settings.detection_volume_ml,
        tracks_completed=distinct,
        particles_per_frame=per_frame,
    )


def _edges(videos: list[_Video], width: float, least: float) -> FloatArray:
    """Bins of one width from 0 to at least `least` nm and beyond the largest particle."""
    largest = max([least - width, *(float(v.sizes_nm.max()) for v in videos if v.sizes_nm.size)])
    return width * np.arange(int(largest // width) + 2, dtype=np.float64)


def _nanosight_captures(videos: list[_Video], settings: NtaSimulationSettings) -> tuple[Capture, ...]:
    edges = _edges(videos, 1.0, 1000.0)
    captures = []
    for i, video in enumerate(videos):
        counts = np.histogram(video.sizes_nm, edges)[0].astype(np.float64)
        per_track = video.concentration_per_ml * settings.dilution_factor / max(video.sizes_nm.size, 1)
        captures.append(
            Capture(
                name=f"simulated_{i:02d}",
                bin_edges_nm=edges,
                concentration_per_ml=counts * per_track,
                concentration_basis="sample",
                dilution_factor=settings.dilution_factor,
                tracks_used=int(video.sizes_nm.size),
                tracks_completed=video.tracks_completed,
                particles_per_frame=video.particles_per_frame,
            )
        )
    return tuple(captures)


def _zetaview_capture(videos: list[_Video], settings: NtaSimulationSettings) -> Capture:
    edges = _edges(videos, 5.0, 6000.0)
    counts = np.histogram(np.concatenate([v.sizes_nm for v in videos]), edges)[0].astype(np.float64)
    mean = float(np.mean([v.concentration_per_ml for v in videos]))
    return Capture(
        name="simulated",
        bin_edges_nm=edges,
        concentration_per_ml=counts * (mean / max(counts.sum(), 1)),
        particle_count=counts,
        concentration_basis="diluted",
        dilution_factor=settings.dilution_factor,
        tracks_used=int(counts.sum()),
        particles_per_frame=float(np.mean([v.particles_per_frame for v in videos])),
    )


def _position_table(videos: list[_Video]) -> TableMeasurement:
    rows = []
    for i, video in enumerate(videos):
        seen = bool(video.sizes_nm.size)
        d10, d50, d90 = np.percentile(video.sizes_nm, [10, 50, 90]).tolist() if seen else (0.0, 1.0, 0.0)
        rows.append(
            {
                "position": (i + 1) / (len(videos) + 1),
                "used": seen,
                "particles_per_frame": video.particles_per_frame,
                "concentration_per_ml": video.concentration_per_ml,
                "tracks": int(video.sizes_nm.size),
                "d50_diameter_nm": d50 if seen else None,
                "span": (d90 - d10) / d50 if seen else None,
            }
        )
    schema = {"d50_diameter_nm": pl.Float64, "span": pl.Float64}
    return TableMeasurement(
        kind="positions",
        reader="simulation",
        instrument="ZetaView",
        software="vesicula simulation",
        source=_source(),
        table=pl.DataFrame(rows, schema_overrides=schema),
    )


def replicate_population(
    population: Population, *, concentration_cv: float, size_cv: float, rng: np.random.Generator
) -> Population:
    """Draw the population of one replicate preparation around that of the sample.

    Parameters
    ----------
    population : Population
        The sample on average.
    concentration_cv, size_cv : float
        Between replicates: CV of the concentration, and of a common factor in size (both log-normal, mean 1).
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Population
        With its diameters and its density scaled.
    """
    factor, scale = _factor(concentration_cv, rng), _factor(size_cv, rng)
    return Population(
        diameter_nm=population.diameter_nm * scale,
        density_per_ml_per_nm=population.density_per_ml_per_nm * (factor / scale),
    )


def population_values(population: Population) -> dict[str, float]:
    """Return the true values of all quantities of a population.

    Parameters
    ----------
    population : Population
        The population.

    Returns
    -------
    dict of str to float
        Keyed as `QUANTITIES`.
    """
    x, f = population.diameter_nm, population.density_per_ml_per_nm
    total = population.concentration_per_ml
    mean = float(np.trapezoid(f * x, x)) / total
    variance = float(np.trapezoid(f * (x - mean) ** 2, x)) / total
    cumulative = np.concatenate(([0.0], np.cumsum((f[1:] + f[:-1]) / 2 * np.diff(x)))) / total
    values = {name: float(np.interp(q, cumulative, x)) for name, q in PERCENTILES.items()}
    return {
        "mean_diameter_nm": mean,
        "mode_diameter_nm": float(x[np.argmax(f)]),
        "median_diameter_nm": values["median_diameter_nm"],
        "d10_diameter_nm": values["d10_diameter_nm"],
        "d90_diameter_nm": values["d90_diameter_nm"],
        "sd_diameter_nm": float(np.sqrt(variance)),
        "span": (values["d90_diameter_nm"] - values["d10_diameter_nm"]) / values["median_diameter_nm"],
        "concentration_per_ml": total,
    }


def population_fraction(population: Population, low_nm: float, high_nm: float) -> float:
    """Return the true share of the particles of a population from `low_nm` to `high_nm`."""
    x, f = population.diameter_nm, population.density_per_ml_per_nm
    cumulative = np.concatenate(([0.0], np.cumsum((f[1:] + f[:-1]) / 2 * np.diff(x))))
    low, high = np.interp([low_nm, high_nm], x, cumulative)
    return float((high - low) / cumulative[-1])
