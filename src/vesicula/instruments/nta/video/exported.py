"""Tracks from an instrument's own export, for :func:`~.size.size_distribution`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import TableMeasurement
from vesicula.instruments.nta.video.model import Optics, Tracks
from vesicula.instruments.nta.video.size import SizeSettings

_ASSUMED_SNR = 10.0
"""The export holds no noise: one value for all spots, whose factor the likelihood then finds (0.08 px at 10)."""


def tracks_from_alltracks(measurement: TableMeasurement, optics: Optics, *, capture: int = 0) -> Tracks:
    """Turn a NanoSight ``*_AllTracks.csv`` into tracks.

    Parameters
    ----------
    measurement : TableMeasurement
        Kind ``"track_points"``, from the reader of that file.
    optics : Optics
        Frame size. Pixel size, frame rate and exposure are not in the export: take them from the experiment summary.
    capture : int
        Which of the file's tables.

    Returns
    -------
    Tracks
        All tracks, also those that the vendor left out of its distribution: what it leaves out depends on size. The
        frame count is the last frame with a point. Signal-to-noise ratios are a constant stand-in, so a
        concentration cannot be had from them; give :func:`exported_settings` to the size distribution.

    Raises
    ------
    AnalysisError
        When the table is of another kind, or a track has two points in one frame.
    """
    if measurement.kind != "track_points":
        raise AnalysisError(
            f"{measurement.source.name}: expected the points of tracks (AllTracks), found {measurement.kind}. "
            "Export the AllTracks table."
        )
    table = measurement.table.filter(measurement.table["capture"] == capture).sort("particle_id", "frame")
    if table.is_empty():
        raise AnalysisError(f"{measurement.source.name}: there is no table {capture} in it")
    particle, frame = table["particle_id"].to_numpy(), table["frame"].to_numpy().astype(np.int64)
    if np.any((np.diff(particle) == 0) & (np.diff(frame) == 0)):
        raise AnalysisError(f"{measurement.source.name}: a track has two points in one frame; export the table again")
    frame = frame - frame.min()
    return Tracks(
        track=np.unique(particle, return_inverse=True)[1].astype(np.int64),
        frame=frame,
        x_px=table["x_px"].to_numpy().astype(np.float64),
        y_px=table["y_px"].to_numpy().astype(np.float64),
        amplitude=np.exp(table["ln_adjusted_intensity"].to_numpy()),
        snr=np.full(frame.size, _ASSUMED_SNR),
        sigma_px=np.full(frame.size, np.nan),
        shape_px=(optics.height_px, optics.width_px),
        frame_count=int(frame.max()) + 1,
    )


def exported_settings(settings: SizeSettings) -> SizeSettings:
    """Return settings that trust the predicted localisation variance little, as an export has no noise in it."""
    return replace(settings, localisation_prior_log_sd=1.5)
