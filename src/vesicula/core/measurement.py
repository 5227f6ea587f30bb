"""What an instrument saw, in one type whether it was read from a file or simulated.

A reader returns one of these, a simulator returns the same, and an inference takes either: that is how every
inference is proved on known truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from vesicula.core.format import format_number
from vesicula.core.notebook import table_html

FloatArray = npt.NDArray[np.float64]

EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The file a measurement came from.

    Parameters
    ----------
    name : str
        File name without folders.
    sha256 : str
        Hash of the bytes read, in hexadecimal; empty for a simulated measurement.
    size_bytes : int
        Number of bytes.
    """

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWarning:
    """Something unusual that a reader met and the dossier must show.

    Parameters
    ----------
    code : str
        Stable, kebab-case, such as ``"decimal-comma"``.
    message : str
        One sentence for the user.
    where : str
        Place in the file, such as ``"line 87"``; empty when it concerns the whole file.
    """

    code: str
    message: str
    where: str = ""


def frozen(values: npt.ArrayLike) -> FloatArray:
    """Return an array as read-only float64: itself if it is that already, else a copy.

    Parameters
    ----------
    values : array_like
        Any numeric array.

    Returns
    -------
    numpy.ndarray
        With its write flag cleared, and no one else able to write to its memory.
    """
    if isinstance(values, np.ndarray) and values.dtype == np.float64 and _nobody_writes(values):
        return values
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _increasing(values: FloatArray) -> bool:
    """Tell whether values are finite and strictly increasing: with a NaN or two infinities no step is positive."""
    return bool((values[1:] - values[:-1]).min() > 0 and values[0] > -np.inf and values[-1] < np.inf)


def _nobody_writes(array: FloatArray) -> bool:
    base: object = array.base
    if array.flags.writeable:
        return False
    return base is None or (isinstance(base, np.ndarray) and not base.flags.writeable)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """One video, or one run, of a size measurement: a histogram over diameter.

    Parameters
    ----------
    name : str
        The vendor's name of the capture.
    bin_edges_nm : numpy.ndarray, shape (n + 1,)
        Strictly increasing edges of the diameter bins.
    concentration_per_ml : numpy.ndarray, shape (n,), or None
        Particles per mL in each bin, as the file states them. See `concentration_basis`.
    particle_count : numpy.ndarray, shape (n,), or None
        Particles counted in each bin, where the export says so.
    concentration_basis : {"sample", "diluted"}
        Whether the stated concentrations are those of the sample (dilution already undone by the vendor's
        software) or of the diluted suspension in the cell.
    dilution_factor : float or None
        Dilution that the file records; None when it records none.
    tracks_used : int or None
        Tracks behind the distribution (NanoSight "Valid Tracks", ZetaView "Number of Traces").
    tracks_completed : int or None
        All finished tracks (NanoSight "Completed tracks").
    particles_per_frame : float or None
        Mean number of particles seen per frame.
    conditions : mapping of str to float
        Standardised numeric settings: ``temperature_c``, ``viscosity_mpa_s``, ``frame_rate_per_s``,
        ``shutter_ms``, ``frames_analysed``, ``camera_level``, ``detection_threshold``,
        ``drift_x_px_per_frame``, ``drift_y_px_per_frame``, ``min_track_length``, ``um_per_px``,
        ``laser_wavelength_nm``, ``ph``, ``conductivity_us_per_cm``.
    vendor : mapping of str to float
        What the vendor computed: ``vendor_mean_nm``, ``vendor_mode_nm``, ``vendor_sd_nm``, ``vendor_d10_nm``,
        ``vendor_d50_nm``, ``vendor_d90_nm``, ``vendor_concentration_per_ml`` and so on.
    flags : mapping of str to str
        The vendor's own quality remarks, verbatim (``"Vibration detected": "Minor vibration"``).

    Raises
    ------
    ValueError
        When the arrays do not fit each other or hold values that no histogram can hold.
    """

    name: str
    bin_edges_nm: FloatArray
    concentration_per_ml: FloatArray | None = None
    particle_count: FloatArray | None = None
    concentration_basis: Literal["sample", "diluted"] = "diluted"
    dilution_factor: float | None = None
    tracks_used: int | None = None
    tracks_completed: int | None = None
    particles_per_frame: float | None = None
    conditions: Mapping[str, float] = field(default_factory=dict)
    vendor: Mapping[str, float] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        edges = frozen(self.bin_edges_nm)
        if edges.ndim != 1 or edges.size < 2 or not _increasing(edges):
            raise ValueError("bin_edges_nm must be at least two finite, strictly increasing diameters")
        object.__setattr__(self, "bin_edges_nm", edges)
        for name in ("concentration_per_ml", "particle_count"):
            values = getattr(self, name)
            if values is None:
                continue
            array = frozen(values)
            if array.shape != (edges.size - 1,):
                raise ValueError(f"{name} must hold one value per bin ({edges.size - 1}), not {array.shape}")
            if not (array.min() >= 0 and array.max() < np.inf):  # false for NaN, too
                raise ValueError(f"{name} must be finite and not negative")
            object.__setattr__(self, name, array)
        if self.concentration_per_ml is None and self.particle_count is None:
            raise ValueError("a capture needs concentrations or counts")

    @property
    def bin_centres_nm(self) -> FloatArray:
        """Middle of each bin, shape (n,)."""
        return (self.bin_edges_nm[:-1] + self.bin_edges_nm[1:]) / 2

    @property
    def weights(self) -> FloatArray:
        """Counts where the file gives them, else concentrations: the shape of the distribution, shape (n,)."""
        weights = self.particle_count if self.particle_count is not None else self.concentration_per_ml
        if weights is None:  # pragma: no cover - __post_init__ forbids it
            raise ValueError("a capture needs concentrations or counts")
        return weights

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was counted: a failed run, which is no measurement, and not a zero."""
        return not bool(self.weights.sum() > 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SizeMeasurement:
    """The size distributions in one export: one per capture.

    Parameters
    ----------
    reader : str
        Name of the reader, or ``"simulation"``.
    instrument : str
        ``"NanoSight"``, ``"ZetaView"``, ...
    software : str
        Software and version as the file states them.
    source : SourceFile
        The file.
    captures : tuple of Capture
        Never empty; a failed run is a capture that is empty.
    vendor_pooled : mapping of str to float
        What the vendor computed over all captures; keys as in `Capture.vendor`, with
        ``vendor_se_*`` for the vendor's standard errors.
    metadata : mapping of str to str
        Header fields, verbatim.
    warnings : tuple of ReadWarning
        What was unusual.
    extra_tables : mapping of str to polars.DataFrame
        Further tables of the file, such as ZetaView's logarithmic bins or NanoSight's percentiles.
    """

    reader: str
    instrument: str
    software: str
    source: SourceFile
    captures: tuple[Capture, ...]
    vendor_pooled: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[ReadWarning, ...] = ()
    extra_tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    kind: Literal["size"] = "size"

    def __post_init__(self) -> None:
        if not self.captures:
            raise ValueError("a size measurement needs at least one capture")

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the measurement as tidy tables: ``captures`` (a row each) and ``distribution`` (a row per bin)."""
        rows = [_capture_row(i, c) for i, c in enumerate(self.captures)]
        frames = [
            pl.DataFrame(
                {
                    "capture": np.full(c.weights.size, i, dtype=np.int32),
                    "capture_name": [c.name] * c.weights.size,
                    "diameter_low_nm": c.bin_edges_nm[:-1],
                    "diameter_high_nm": c.bin_edges_nm[1:],
                    "concentration_per_ml": c.concentration_per_ml,
                    "particle_count": c.particle_count,
                },
                schema_overrides={"concentration_per_ml": pl.Float64, "particle_count": pl.Float64},
            )
            for i, c in enumerate(self.captures)
        ]
        return {
            "captures": pl.DataFrame(rows, infer_schema_length=None),
            "distribution": pl.concat(frames),
            **self.extra_tables,
        }

    def _repr_html_(self) -> str:
        rows = [
            (
                c.name,
                "" if c.concentration_per_ml is None else format_number(float(c.concentration_per_ml.sum())),
                c.concentration_basis,
                c.dilution_factor,
                c.tracks_used,
                *(
                    f"{v:.1f}" if (v := c.vendor.get(f"vendor_{k}_nm")) is not None else ""
                    for k in ("mean", "mode", "d50")
                ),
            )
            for c in self.captures
        ]
        columns = (
            "capture",
            "particles/mL",
            "of the",
            "dilution",
            "tracks",
            "vendor's mean / nm",
            "mode / nm",
            "D50 / nm",
        )
        return table_html(columns, rows, caption=_caption(self))


def _caption(measurement: SizeMeasurement | TableMeasurement) -> str:
    warnings = "; ".join(w.message for w in measurement.warnings)
    return (
        f"{measurement.source.name} ({measurement.instrument}, {measurement.software or 'version not stated'})"
        f"{f'. Warnings: {warnings}' if warnings else ''}"
    )


def _capture_row(index: int, capture: Capture) -> dict[str, object]:
    return {
        "capture": index,
        "capture_name": capture.name,
        "concentration_basis": capture.concentration_basis,
        "dilution_factor": capture.dilution_factor,
        "tracks_used": capture.tracks_used,
        "tracks_completed": capture.tracks_completed,
        "particles_per_frame": capture.particles_per_frame,
        **capture.conditions,
        **capture.vendor,
    }


TableKind = Literal["tracks", "track_points", "positions", "zeta_potential_profile"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableMeasurement:
    """A measurement that is a table: tracks, per-position summaries, zeta potential profiles.

    Parameters
    ----------
    kind : {"tracks", "track_points", "positions", "zeta_potential_profile"}
        What a row is: a track; a point of a track; a position of the cell; a depth in the cell.
    reader, instrument, software, source, metadata, warnings
        As in `SizeMeasurement`.
    table : polars.DataFrame
        Tidy, with units in the column names.
    values : mapping of str to float
        Single numbers of the file, such as ``zeta_potential_mv``, and the vendor's summaries.
    """

    kind: TableKind
    reader: str
    instrument: str
    software: str
    source: SourceFile
    table: pl.DataFrame
    values: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[ReadWarning, ...] = ()

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the measurement as tidy tables, here one, named after `kind`."""
        return {self.kind: self.table}

    def _repr_html_(self) -> str:
        return table_html(self.table.columns, self.table.head(20).iter_rows(), caption=_caption(self))


Measurement = SizeMeasurement | TableMeasurement
