"""A measurement as text, JSON, CSV or Parquet, and as HTML in a notebook."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from vesicula.core.errors import VesiculaError
from vesicula.core.format import format_number
from vesicula.core.measurement import Capture, Measurement, SizeMeasurement


def measurement_json(measurement: Measurement) -> bytes:
    """Return everything in a measurement as JSON.

    Parameters
    ----------
    measurement : SizeMeasurement or TableMeasurement
        Read or simulated.

    Returns
    -------
    bytes
        UTF-8 JSON; tables as lists of columns.
    """
    return msgspec.json.format(msgspec.json.encode(measurement, enc_hook=_plain), indent=1)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pl.DataFrame):
        return value.to_dict(as_series=False)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def write_json(measurement: Measurement, path: Path) -> None:
    """Write everything in a measurement as JSON, all or nothing.

    Parameters
    ----------
    measurement : SizeMeasurement or TableMeasurement
        Read or simulated.
    path : pathlib.Path
        The file; an older one is replaced.

    Raises
    ------
    VesiculaError
        When it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(measurement_json(measurement) + b"\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise VesiculaError(f"{path}: cannot be written: {error}. Choose another file.") from error


def write_csv(measurement: Measurement, folder: Path) -> list[Path]:
    """Write each table of a measurement as CSV.

    Parameters
    ----------
    measurement : SizeMeasurement or TableMeasurement
        Read or simulated.
    folder : pathlib.Path
        Made if need be; files in it of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        One file per table.

    Raises
    ------
    VesiculaError
        When the folder cannot be written.
    """
    return _write(measurement, folder, "csv", lambda table, path: table.write_csv(path))


def write_parquet(measurement: Measurement, folder: Path) -> list[Path]:
    """Write each table of a measurement as Parquet; otherwise as `write_csv`."""
    return _write(measurement, folder, "parquet", lambda table, path: table.write_parquet(path))


def _write(
    measurement: Measurement, folder: Path, suffix: str, write: Callable[[pl.DataFrame, Path], Any]
) -> list[Path]:
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in measurement.tables().items():
            path = folder / f"{Path(measurement.source.name).stem}.{name}.{suffix}"
            partial = path.with_name(f"{path.name}.{os.getpid()}.part")
            write(table, partial)
            partial.replace(path)
            written.append(path)
    except OSError as error:
        raise VesiculaError(f"{folder}: cannot be written: {error}. Choose another folder.") from error
    return written


def measurement_text(measurement: Measurement) -> str:
    """Lay a measurement out for a terminal.

    Parameters
    ----------
    measurement : SizeMeasurement or TableMeasurement
        Read or simulated.

    Returns
    -------
    str
        Many lines, no line end after the last.
    """
    head = [
        f"{measurement.source.name}: {measurement.kind.replace('_', ' ')}",
        f"{measurement.instrument}, {measurement.software or 'version not stated'}",
        f"reader {measurement.reader}, {measurement.source.size_bytes} bytes, sha256 {measurement.source.sha256}",
        *(f"warning: {w.message}{f' ({w.where})' if w.where else ''}" for w in measurement.warnings),
        "",
    ]
    body = _size_lines(measurement) if isinstance(measurement, SizeMeasurement) else _table_lines(measurement.table)
    return "\n".join([*head, *body])


def _size_lines(measurement: SizeMeasurement) -> list[str]:
    rows = [_capture_row(capture) for capture in measurement.captures]
    lines = _table_lines(pl.DataFrame(rows))
    if measurement.vendor_pooled:
        lines += ["", "vendor's figures over all captures:"]
        lines += [f"  {key.removeprefix('vendor_')}: {value:.6g}" for key, value in measurement.vendor_pooled.items()]
    return [*lines, "", "All fields: --json; the distributions: --csv FOLDER or --parquet FOLDER."]


def _capture_row(capture: Capture) -> dict[str, str]:
    total = capture.concentration_per_ml
    return {
        "capture": capture.name,
        "particles/mL": "" if total is None else format_number(float(total.sum())),
        "of the": capture.concentration_basis,
        "dilution": "not stated" if capture.dilution_factor is None else f"{capture.dilution_factor:g}",
        "tracks": "" if capture.tracks_used is None else str(capture.tracks_used),
        **{
            f"vendor {key}": f"{capture.vendor[f'vendor_{key}_nm']:.1f}"
            for key in ("mean", "mode", "d50")
            if f"vendor_{key}_nm" in capture.vendor
        },
    }


def _table_lines(table: pl.DataFrame) -> list[str]:
    with pl.Config(
        tbl_rows=40,
        tbl_cols=12,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_width_chars=160,
        fmt_str_lengths=60,
    ):
        return str(table).splitlines()
