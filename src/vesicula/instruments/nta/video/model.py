"""What passes between the steps of an NTA analysis: plain frozen records and read-only arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vesicula.core.measurement import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """An instrument as far as its videos are concerned; see ``vesicula/data/nta_instruments/*.yaml``.

    Attributes
    ----------
    name : str
        Of the preset.
    um_per_px : float
        Size of a pixel in the sample.
    frame_rate_per_s : float
        Frames per second.
    exposure_s : float
        Time during which the shutter is open; at most ``1 / frame_rate_per_s``.
    temperature_c, viscosity_mpa_s : float
        Of the medium.
    wavelength_nm : float
        Of the laser, in vacuum.
    refractive_index_medium : float
        Of the medium.
    numerical_aperture : float
        Of the objective, whose axis is perpendicular to the sheet.
    psf_sigma_um : float
        Standard deviation of the Gaussian core of the point-spread function in focus.
    depth_of_field_um : float
        Rayleigh range of the detection optics: the spot is wider by sqrt(1 + (z/depth)^2) out of focus.
    sheet_sigma_um : float
        Standard deviation of the light sheet's Gaussian intensity profile along the optical axis.
    width_px, height_px : int
        Of a frame.
    bit_depth : int
        8 to 16.
    gain_electrons_per_count, read_noise_electrons, offset_counts, full_well_electrons : float
        Of the camera.
    fluorescence : bool
        Whether particles are seen by a label that bleaches, not by scattering.
    sources : mapping of str to str
        Where each number comes from.
    """

    name: str
    um_per_px: float
    frame_rate_per_s: float
    exposure_s: float
    temperature_c: float
    viscosity_mpa_s: float
    wavelength_nm: float
    refractive_index_medium: float
    numerical_aperture: float
    psf_sigma_um: float
    depth_of_field_um: float
    sheet_sigma_um: float
    width_px: int
    height_px: int
    bit_depth: int = 8
    gain_electrons_per_count: float = 1.0
    read_noise_electrons: float = 2.0
    offset_counts: float = 5.0
    full_well_electrons: float = 20_000.0
    fluorescence: bool = False
    sources: dict[str, str] = field(default_factory=dict)


class Movie(Protocol):
    """Frames, streamed: never all in memory."""

    @property
    def name(self) -> str:
        """File name without folders, or what was simulated."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, in pixels."""

    @property
    def frame_rate_per_s(self) -> float | None:
        """As the container states it; None where it does not."""

    @property
    def frame_count(self) -> int | None:
        """As the container states it; None where unknown until read."""

    def frames(self) -> Iterator[Frame]:
        """Yield greyscale frames in order, shape ``(height, width)``; can be called again to start anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spots:
    """Detections, one entry each, ordered by frame.

    Attributes
    ----------
    frame : numpy.ndarray of int64, shape (n,)
    x_px, y_px : numpy.ndarray, shape (n,)
        Sub-pixel centre; the centre of the first pixel is (0, 0).
    amplitude : numpy.ndarray, shape (n,)
        Height of the fitted spot above the background, in camera counts.
    snr : numpy.ndarray, shape (n,)
        Amplitude over the SD of the local background noise.
    sigma_px : numpy.ndarray, shape (n,)
        Fitted width, which grows out of focus.
    frame_count : int
        Frames analysed, empty ones included.
    saturated : numpy.ndarray of bool, shape (n,), or None
        Whether a pixel within the spot is at the camera's limit; None where it was not looked at.
    """

    frame: IntArray
    x_px: FloatArray
    y_px: FloatArray
    amplitude: FloatArray
    snr: FloatArray
    sigma_px: FloatArray
    frame_count: int
    saturated: BoolArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """Linked detections, ordered by track, then frame. Drift is not removed; see `drift_px_per_frame`.

    Attributes
    ----------
    track : numpy.ndarray of int64, shape (n,)
        0, 1, 2, ... without gaps.
    frame, x_px, y_px, amplitude, snr, sigma_px, saturated
        As in :class:`Spots`. A frame is missing inside a track where a gap was closed.
    shape_px : tuple of int
        Height and width of the frames.
    frame_count : int
        Frames analysed.
    """

    track: IntArray
    frame: IntArray
    x_px: FloatArray
    y_px: FloatArray
    amplitude: FloatArray
    snr: FloatArray
    sigma_px: FloatArray
    shape_px: tuple[int, int]
    frame_count: int
    saturated: BoolArray | None = None

    @property
    def track_count(self) -> int:
        """How many tracks there are."""
        return int(self.track[-1]) + 1 if self.track.size else 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a simulated movie really held: one entry per particle and frame in which it was inside the picture.

    Attributes
    ----------
    particle, frame : numpy.ndarray of int64, shape (n,)
    x_px, y_px : numpy.ndarray, shape (n,)
        Mean position over the exposure.
    z_um : numpy.ndarray, shape (n,)
        Out of focus.
    diameter_nm : numpy.ndarray, shape (n,)
    electrons : numpy.ndarray, shape (n,)
        Expected light collected in the frame.
    snr : numpy.ndarray, shape (n,)
        Expected peak height over the noise SD.
    """

    particle: IntArray
    frame: IntArray
    x_px: FloatArray
    y_px: FloatArray
    z_um: FloatArray
    diameter_nm: FloatArray
    electrons: FloatArray
    snr: FloatArray
