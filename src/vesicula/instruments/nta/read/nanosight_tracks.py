"""Reads NanoSight's tables of single tracks: ``*_ParticleData.csv`` and ``*_AllTracks.csv``.

No public file of either kind was found; columns and the values of the last one (True and False) are those
that independent programs read from exports of NTA 3.4. Numbers are therefore checked harder than they are
believed.

Warning codes: ``concatenated-exports``, ``decimal-comma``, ``duplicate-rows``, ``implausible-size``,
``inconsistent-tracks``, ``no-final-newline``, ``size-diffusion-mismatch``, ``unknown-column``.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import ReadWarning, TableKind, TableMeasurement
from vesicula.instruments.api import Head, Reader
from vesicula.instruments.nta.read._nanosight_layout import split_cells
from vesicula.instruments.text import TextFile, load_text, parse_number

if TYPE_CHECKING:
    from pathlib import Path

SIZE_RANGE_NM = (5.0, 5000.0)
"""A median diameter outside is no NTA result: the vendor states 10 to 2000 nm [from memory, unchecked]."""

STOKES_EINSTEIN_TOLERANCE = 0.02
"""Diameter times diffusion coefficient is kT/(3 pi eta), the same for all tracks of a video; both are printed
rounded. That the vendor computes one from the other is from memory, unchecked: hence a warning only."""

_COMMON = {
    "Particle ID": ("particle_id", "whole"),
    "Size/nm": ("diameter_nm", "positive"),
    "Diffusion coefficient/nm^2 s^-1": ("diffusion_nm2_per_s", "positive"),
    "Ln(Adjusted intensity)/AU": ("ln_adjusted_intensity", "any"),
    "Included in distribution?": ("included", "flag"),
}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """One of the two tables: columns by title, as (name, kind of number)."""

    name: str
    kind: TableKind
    columns: dict[str, tuple[str, str]]


_PARTICLES = _Format(
    name="nanosight_particle_data",
    kind="tracks",
    columns=_COMMON | {"Start frame": ("start_frame", "whole"), "Tracklength": ("track_length_frames", "whole")},
)
_POINTS = _Format(
    name="nanosight_all_tracks",
    kind="track_points",
    columns=_COMMON | {"Frame": ("frame", "whole"), "X/pixels": ("x_px", "any"), "Y/pixels": ("y_px", "any")},
)


def _titles(line: str) -> tuple[str, list[str]]:
    """Return the separator of a title line and its titles."""
    separator = max(",;\t", key=line.count)
    return separator, [t.strip().strip('"').strip() for t in line.strip("\ufeff").split(separator)]


def _is(head: Head, wanted: _Format) -> bool:
    first = head.text.lstrip("\ufeff \t\r\n").replace("\r", "\n").split("\n", 1)[0]
    return len(first) < 2000 and set(wanted.columns) <= set(_titles(first)[1])


def _read(path: Path, wanted: _Format) -> TableMeasurement:
    file = load_text(path)
    text = file.text.lstrip("\ufeff \t\n")
    skipped = file.text[: len(file.text) - len(text)].count("\n")
    title_line = text.split("\n", 1)[0]
    separator, titles = _titles(title_line)
    places = _places(path, titles, wanted, skipped + 1)
    parts = _parts(text, title_line)
    decimal_comma = separator != "," and _has_decimal_comma(path, parts, separator)
    frames, line = [], skipped + 1
    for index, part in enumerate(parts):
        where = (path, line + 1, separator)
        frames.append(
            _part(where, part, titles, places, wanted, decimal_comma=decimal_comma).with_columns(
                pl.lit(index, dtype=pl.Int32).alias("capture")
            )
        )
        line += part.count("\n") + 1
    table = pl.concat(frames).select("capture", *(name for name, _ in wanted.columns.values()))
    return TableMeasurement(
        kind=wanted.kind,
        reader=wanted.name,
        instrument="NanoSight",
        software="",
        source=file.source,
        table=table,
        metadata={"Columns": separator.join(titles)},
        warnings=(
            *_file_warnings(file, titles, wanted, len(parts), decimal_comma=decimal_comma),
            *_table_warnings(table, wanted),
        ),
    )


def _places(path: Path, titles: list[str], wanted: _Format, line: int) -> dict[str, int]:
    lacking = [t for t in wanted.columns if titles.count(t) != 1]
    if lacking:
        raise UnreadableFile(
            path,
            where=f"line {line}",
            expected=f"each of the columns {', '.join(wanted.columns)} once",
            found=f"{titles.count(lacking[0]) or 'no'} {lacking[0]!r}",
            remedy="Export the table again from the NTA software, unchanged.",
        )
    return {t: titles.index(t) for t in wanted.columns}


def _parts(text: str, title_line: str) -> list[str]:
    """Split at repeated title lines: several tables in one file."""
    return [
        p.lstrip("\n") if i == 0 else p[1:]
        for i, p in enumerate(re.split(rf"^\ufeff?{re.escape(title_line)}(?=\n|$)", text, flags=re.MULTILINE)[1:])
    ]


def _has_decimal_comma(path: Path, parts: list[str], separator: str) -> bool:
    cells = [c for p in parts for c in split_cells(p.split("\n", 1)[0], separator, path, 0)]
    return any(re.fullmatch(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", c) for c in cells)


def _part(
    where: tuple[Path, int, str],
    text: str,
    titles: list[str],
    places: dict[str, int],
    wanted: _Format,
    *,
    decimal_comma: bool,
) -> pl.DataFrame:
    path, line, separator = where
    body = text.rstrip(" \t\n,;")
    frame = _parse_at_once(body, separator, titles, places, wanted, decimal_comma=decimal_comma)
    if frame is None:
        frame = _parse_by_cell(where, body, titles, places, wanted, decimal_comma=decimal_comma)
    if frame.is_empty():
        raise UnreadableFile(
            path,
            where=f"line {line}",
            expected="a row per track or point",
            found="none",
            remedy="Nothing was tracked, or the table is cut: export it again.",
        )
    return frame


_SCHEMA = {"whole": pl.Int64, "positive": pl.Float64, "any": pl.Float64, "flag": pl.Boolean}


def _parse_at_once(
    body: str,
    separator: str,
    titles: list[str],
    places: dict[str, int],
    wanted: _Format,
    *,
    decimal_comma: bool,
) -> pl.DataFrame | None:
    """Return the table if every cell is as it should be, else None: what is wrong is found cell by cell."""
    if not body or '"' in body or not body.isascii() or (decimal_comma and "." in body):
        return None
    text = body.replace(",", ".") if decimal_comma else body
    kinds = {f"c{places[t]}": kind for t, (_, kind) in wanted.columns.items()}
    schema = {f"c{i}": pl.Float64 if kinds.get(f"c{i}", "flag") != "flag" else pl.String for i in range(len(titles))}
    try:
        raw = pl.read_csv(
            io.BytesIO(text.encode()),
            has_header=False,
            separator=separator,
            quote_char=None,
            schema=schema,
            truncate_ragged_lines=False,
        )
    except pl.exceptions.PolarsError:
        return None
    columns = []
    for title, (name, kind) in wanted.columns.items():
        column = raw[f"c{places[title]}"]
        good = _flag(column) if kind == "flag" else _number(column, kind)
        if good is None:
            return None
        columns.append(good.alias(name))
    return pl.DataFrame(columns)


def _flag(column: pl.Series) -> pl.Series | None:
    flags = column.str.strip_chars().str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    return None if flags.null_count() else flags


def _number(column: pl.Series, kind: str) -> pl.Series | None:
    if column.null_count() or not column.is_finite().all():
        return None
    values = column.to_numpy()
    if kind == "whole":
        whole = values.size == 0 or bool((values >= 0).all() and (values < 2**53).all() and (values % 1 == 0).all())
        return column.cast(pl.Int64) if whole else None
    return None if kind == "positive" and bool((values <= 0).any()) else column


def _parse_by_cell(
    where: tuple[Path, int, str],
    body: str,
    titles: list[str],
    places: dict[str, int],
    wanted: _Format,
    *,
    decimal_comma: bool,
) -> pl.DataFrame:
    path, first, separator = where
    columns: dict[str, list[float | bool]] = {name: [] for name, _ in wanted.columns.values()}
    for number, line in enumerate(body.split("\n") if body else [], start=first):
        cells = split_cells(line, separator, path, number)
        if len(cells) < len(titles) or "".join(cells[len(titles) :]):
            raise UnreadableFile(
                path,
                where=f"line {number}",
                expected=f"{len(titles)} cells, as the titles say",
                found=f"{len(cells)} cells",
                remedy="The table is cut or damaged: export it again.",
            )
        for title, (name, kind) in wanted.columns.items():
            cell = cells[places[title]]
            value = _cell(cell, kind, decimal_comma=decimal_comma)
            if value is None:
                raise UnreadableFile(
                    path,
                    where=f"line {number}, column {places[title] + 1} ({title})",
                    expected=_EXPECTED[kind],
                    found=cell or "an empty cell",
                    remedy="The table is damaged: export it again.",
                )
            columns[name].append(value)
    return pl.DataFrame(columns, schema={name: _SCHEMA[kind] for name, kind in wanted.columns.values()})


_EXPECTED = {
    "whole": "a whole number, not negative",
    "positive": "a positive number",
    "any": "a number",
    "flag": "True or False",
}


def _cell(cell: str, kind: str, *, decimal_comma: bool) -> float | bool | None:
    if kind == "flag":
        return _FLAGS.get(cell.lower())
    value = parse_number(cell, decimal_comma=decimal_comma)
    if value is None or (kind == "positive" and value <= 0):
        return None
    if kind == "whole":
        return int(value) if 0 <= value < 2**53 and value == int(value) else None
    return value


def _file_warnings(
    file: TextFile, titles: list[str], wanted: _Format, parts: int, *, decimal_comma: bool
) -> list[ReadWarning]:
    warnings = []
    if parts > 1:
        warnings.append(
            ReadWarning(
                code="concatenated-exports",
                where="whole file",
                message=(
                    f"{parts} tables stand in this file, one after another; the column 'capture' tells them apart."
                ),
            )
        )
    if decimal_comma:
        warnings.append(
            ReadWarning(
                code="decimal-comma",
                where="whole file",
                message="The numbers of this file are written with decimal commas.",
            )
        )
    unknown = [t for t in titles if t and t not in wanted.columns]
    if unknown:
        warnings.append(
            ReadWarning(
                code="unknown-column",
                where="titles",
                message=f"Columns that are not known were left out: {', '.join(unknown[:5])}.",
            )
        )
    if not file.text.endswith("\n"):
        warnings.append(
            ReadWarning(
                code="no-final-newline",
                where="last line",
                message=("The last line is not ended, as if the file had been cut; rows may be missing after it."),
            )
        )
    return warnings


def _table_warnings(table: pl.DataFrame, wanted: _Format) -> list[ReadWarning]:
    warnings = []
    key = ["capture", "particle_id"] + (["frame"] if wanted.kind == "track_points" else [])
    repeated = table.height - table.select(key).n_unique()
    if repeated:
        warnings.append(
            ReadWarning(
                code="duplicate-rows",
                where="whole file",
                message=(
                    f"{repeated} rows repeat the {' and '.join(key[1:])} of another: tracks may be counted twice."
                ),
            )
        )
    size = table["diameter_nm"].to_numpy()
    median = float(np.median(size))
    if not SIZE_RANGE_NM[0] <= median <= SIZE_RANGE_NM[1]:
        warnings.append(
            ReadWarning(
                code="implausible-size",
                where="column Size/nm",
                message=(f"The median diameter is {median:g} nm, outside what NTA can see: columns may be swapped."),
            )
        )
    warnings += _stokes_einstein(table)
    if wanted.kind == "track_points":
        per_track = table.group_by("capture", "particle_id").agg(
            pl.col("diameter_nm", "diffusion_nm2_per_s", "included").n_unique()
        )
        torn = per_track.filter(pl.max_horizontal("diameter_nm", "diffusion_nm2_per_s", "included") > 1).height
        if torn:
            warnings.append(
                ReadWarning(
                    code="inconsistent-tracks",
                    where="whole file",
                    message=(f"{torn} tracks change diameter, diffusion coefficient or inclusion from point to point."),
                )
            )
    return warnings


def _stokes_einstein(table: pl.DataFrame) -> list[ReadWarning]:
    off = 0
    for (_,), part in table.group_by(["capture"], maintain_order=True):
        product = (part["diameter_nm"] * part["diffusion_nm2_per_s"]).to_numpy()
        off += int((np.abs(product / np.median(product) - 1) > STOKES_EINSTEIN_TOLERANCE).sum())
    if not off:
        return []
    return [
        ReadWarning(
            code="size-diffusion-mismatch",
            where="columns Size/nm and Diffusion coefficient",
            message=(
                f"In {off} rows diameter times diffusion coefficient is not the file's constant kT/(3 "
                "pi eta): cells may have been moved or edited."
            ),
        )
    ]


def read_particle_data(path: Path) -> TableMeasurement:
    """Read a ``*_ParticleData.csv``: a row per track.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    TableMeasurement
        Kind ``"tracks"``: capture, particle_id, diameter_nm, diffusion_nm2_per_s, ln_adjusted_intensity,
        included, start_frame, track_length_frames. `capture` counts the tables in the file, from 0.

    Raises
    ------
    UnreadableFile
        When a column is missing or a cell does not hold what its column demands.
    """
    return _read(path, _PARTICLES)


def read_all_tracks(path: Path) -> TableMeasurement:
    """Read an ``*_AllTracks.csv``: a row per point of a track.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    TableMeasurement
        Kind ``"track_points"``: capture, particle_id, diameter_nm, diffusion_nm2_per_s,
        ln_adjusted_intensity, included, frame, x_px, y_px. `capture` counts the tables in the file, from 0.

    Raises
    ------
    UnreadableFile
        When a column is missing or a cell does not hold what its column demands.
    """
    return _read(path, _POINTS)


def recognise_particle_data(head: Head) -> bool:
    """Return whether the first line holds the titles of ParticleData.

    Parameters
    ----------
    head : Head
        The beginning of the file.

    Returns
    -------
    bool
        Never raises.
    """
    return _is(head, _PARTICLES)


def recognise_all_tracks(head: Head) -> bool:
    """Return whether the first line holds the titles of AllTracks.

    Parameters
    ----------
    head : Head
        The beginning of the file.

    Returns
    -------
    bool
        Never raises.
    """
    return _is(head, _POINTS)


PARTICLE_DATA = Reader(
    name=_PARTICLES.name,
    instrument="NanoSight",
    title="NanoSight NTA table of single tracks (ParticleData, CSV)",
    recognise=recognise_particle_data,
    read=read_particle_data,
)
ALL_TRACKS = Reader(
    name=_POINTS.name,
    instrument="NanoSight",
    title="NanoSight NTA table of all points of all tracks (AllTracks, CSV)",
    recognise=recognise_all_tracks,
    read=read_all_tracks,
)
