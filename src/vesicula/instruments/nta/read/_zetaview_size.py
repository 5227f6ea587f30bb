"""ZetaView size exports: one or several headers, each with a linear and a logarithmic histogram.

Both histograms hold the same particles; captures come from the linear one alone. The vendor's median is
recomputed from it in each file by the recipe of `median_nm`, which reproduces all printed digits of the
eleven non-empty real exports at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import Capture, FloatArray, ReadWarning, SizeMeasurement
from vesicula.instruments.nta.read._zetaview_header import (
    EXPORT_AGAIN,
    Header,
    conditions,
    correction_warning,
    dilution_factor,
    flags,
    header_warnings,
    numbered,
    parse_header,
)
from vesicula.instruments.text import load_text, parse_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FIRST_KEY = "Original File:"
TITLE = "Size / nm\tNumber\tConcentration / cm-3\tVolume / nm^3\tArea / nm^2"
_COLUMNS = 5
_RANGE_NM = 6000.0  # upper edge of the linear histogram in all real exports at hand
_STEP_NM = 5.0  # width of its bins there
_LARGEST_CELL = 1e30  # far above any volume in nm^3; keeps sums finite

MAX_BYTES = 16 * 1024 * 1024
"""One export has 65 kB; 250 of them spliced together still pass."""
MAX_CAPTURES = 500

_MEDIANS = {
    "Median Number (D50)": "vendor_d50_nm",
    "Median Concentration (D50)": "vendor_d50_concentration_nm",
    "Median Volume (D50)": "vendor_volume_d50_nm",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows of a table as numbers, with the line of each; `cut` when an unfinished last row was dropped."""

    values: FloatArray
    lines: Sequence[int]
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Histograms:
    """The two tables of a block: columns size, number, concentration, volume, area."""

    linear: FloatArray
    logarithmic: FloatArray
    lines: Sequence[int]
    separated: bool
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export:
    """One export out of the file."""

    header: Header
    capture: Capture
    log_bins: pl.DataFrame | None
    warnings: tuple[ReadWarning, ...]


def median_nm(centre_nm: FloatArray, weight: FloatArray) -> float:
    """Compute the median diameter as the ZetaView software does.

    Linear interpolation of the cumulated weights over the bin *centres*: `cumsum` up to and with a bin is
    taken to be reached at that bin's centre.

    Parameters
    ----------
    centre_nm, weight : numpy.ndarray, shape (n,)
        Bin centres, increasing, and weights, not all zero.

    Returns
    -------
    float
        Median diameter in nm.
    """
    cumulated = np.cumsum(weight)
    return float(np.interp(0.5 * cumulated[-1], cumulated, centre_nm))


def read_size(path: Path) -> SizeMeasurement:
    """Read a ZetaView size export, or several spliced into one file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    SizeMeasurement
        One capture per export; a failed run is a capture that is empty, without concentrations.

    Raises
    ------
    UnreadableFile
        When it is no such file, holds cells that are no counts, or is cut so that counts are lost.
    """
    file = load_text(path, max_bytes=MAX_BYTES)
    lines = file.text.split("\n")
    finished = file.text.endswith("\n")
    bounds = _bounds(path, lines)
    exports = []
    for i, (start, stop) in enumerate(bounds):
        last = i == len(bounds) - 1
        exports.append(_read_export(path, lines, start, stop, finished=finished or not last))
    first = exports[0]
    frames = [
        e.log_bins.with_columns(pl.lit(i, dtype=pl.Int32).alias("capture")).select("capture", pl.exclude("capture"))
        for i, e in enumerate(exports)
        if e.log_bins is not None
    ]
    metadata = first.header.metadata()
    for i, export in enumerate(exports[1:], start=2):
        metadata |= {f"{key} [{i}]": value for key, value in export.header.metadata().items()}
    return SizeMeasurement(
        reader="zetaview_size",
        instrument="ZetaView",
        software=first.header.software,
        source=file.source,
        captures=_unique_names([e.capture for e in exports]),
        metadata=metadata,
        warnings=tuple(_all_warnings(exports)),
        extra_tables={"log_bins": pl.concat(frames)} if frames else {},
    )


def _bounds(path: Path, lines: list[str]) -> list[tuple[int, int]]:
    starts = [i for i, line in enumerate(lines) if line.startswith(FIRST_KEY)]
    first_text = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if not starts or starts[0] != first_text:
        raise UnreadableFile(
            path,
            where=f"line {first_text + 1}",
            expected=f"{FIRST_KEY!r} as the first field",
            found=repr(lines[first_text][:80]),
            remedy=EXPORT_AGAIN,
        )
    if len(starts) > MAX_CAPTURES:
        raise UnreadableFile(
            path,
            where=f"line {starts[MAX_CAPTURES] + 1}",
            expected=f"at most {MAX_CAPTURES} exports",
            found=f"{len(starts)}",
            remedy="Split the file.",
        )
    return list(zip(starts, [*starts[1:], len(lines)], strict=True))


def _all_warnings(exports: list[_Export]) -> Iterator[ReadWarning]:
    if len(exports) == 1:
        yield from exports[0].warnings
        return
    yield ReadWarning(
        code="concatenated-exports",
        message=f"{len(exports)} exports stand in one file; each is read as a capture of its own.",
    )
    for i, export in enumerate(exports, start=1):
        for warning in export.warnings:
            where = f"export {i}, {warning.where}" if warning.where else f"export {i}"
            yield replace(warning, where=where)
    seen: dict[tuple[str, bytes], int] = {}
    for i, export in enumerate(exports, start=1):
        key = (export.header.text("Original File"), export.capture.weights.tobytes())
        if key in seen and not export.capture.is_empty:
            yield ReadWarning(
                code="duplicate-capture",
                where=f"export {i}",
                message=f"Export {i} repeats export {seen[key]}: it is no further measurement.",
            )
        seen.setdefault(key, i)


def _unique_names(captures: list[Capture]) -> tuple[Capture, ...]:
    counts: dict[str, int] = {}
    named = []
    for capture in captures:
        n = counts[capture.name] = counts.get(capture.name, 0) + 1
        named.append(capture if n == 1 else replace(capture, name=f"{capture.name} ({n})"))
    return tuple(named)


def _read_export(path: Path, lines: list[str], start: int, stop: int, *, finished: bool) -> _Export:
    title = next((i for i in range(start, stop) if lines[i].startswith("Size / nm")), None)
    header = parse_header(path, numbered(lines, start, stop if title is None else title))
    if title is None:
        raise UnreadableFile(
            path,
            where=f"lines {start + 1} to {stop}",
            expected="a table with the titles 'Size / nm', 'Number', ...",
            found="a header alone",
            remedy=EXPORT_AGAIN,
        )
    if lines[title].rstrip() != TITLE:
        raise header.error(title + 1, expected=f"the titles {TITLE!r}", found=lines[title])
    if header.decimal_comma is None:
        header = replace(header, decimal_comma="," in lines[title + 1] if title + 1 < stop else False)
    rows = _parse_rows(header, lines[title + 1 : stop], title + 2, finished=finished)
    warnings = list(header_warnings(header))
    return _build(header, _split(header, rows), title + 1, warnings)


def _build(header: Header, tables: _Histograms, title_line: int, warnings: list[ReadWarning]) -> _Export:
    tracks = _tracks(header, warnings)
    settings = conditions(header, warnings)
    correction_warning(header, warnings)
    dilution = dilution_factor(header, warnings)
    edges = _edges(header, tables)
    if _failed(header, tables, tracks, title_line):
        warnings.append(
            ReadWarning(
                code="failed-run",
                where=f"line {title_line}",
                message="No particle was tracked: a failed run, which measures neither number nor size.",
            )
        )
        # Concentrations are left out, not nil: a failed run does not show that the sample is empty.
        edges = edges if tables.linear.size else np.arange(0, _RANGE_NM + _STEP_NM, _STEP_NM)
        counts, concentration, particles, vendor = np.zeros(edges.size - 1), None, None, {}
    else:
        _check(header, tables, edges, tracks, warnings)
        counts, concentration = tables.linear[:, 1], _concentration(tables, title_line, warnings)
        particles = header.number("Average Number of Particles", warnings)
        vendor = {name: value for key, name in _MEDIANS.items() if (value := header.number(key, warnings))}
    capture = Capture(
        name=_capture_name(header),
        bin_edges_nm=edges,
        concentration_per_ml=concentration,
        particle_count=counts,
        concentration_basis="diluted",
        dilution_factor=dilution,
        tracks_used=tracks,
        particles_per_frame=particles,
        conditions=settings,
        vendor=vendor,
        flags=flags(header),
    )
    return _Export(header=header, capture=capture, log_bins=_log_bins(tables), warnings=tuple(warnings))


def _concentration(tables: _Histograms, title_line: int, warnings: list[ReadWarning]) -> FloatArray | None:
    concentration = tables.linear[:, 2]
    if concentration.sum() > 0:
        return concentration
    warnings.append(
        ReadWarning(
            code="missing-concentration",
            where=f"line {title_line}",
            message="Particles are counted but every concentration is zero: concentrations are left out.",
        )
    )
    return None


def _capture_name(header: Header) -> str:
    cells = header.fields[FIRST_KEY.rstrip(":")].cells
    file_name = re.split(r"[\\/]", cells[0])[-1] if cells else ""
    return re.sub(r"\.avi$", "", file_name.strip(), flags=re.IGNORECASE) or header.text("Experiment") or "unnamed"


def _tracks(header: Header, warnings: list[ReadWarning]) -> int | None:
    value = header.number("Number of Traces", warnings)
    if value is None:
        return None
    if value < 0 or value != round(value) or value > 1e12:
        field = header.fields["Number of Traces"]
        raise header.error(field.line, expected="a whole number of traces", found=field.first)
    return int(value)


# --- rows ---


def _parse_rows(header: Header, body: list[str], first_line: int, *, finished: bool) -> _Rows:
    last = len(body)
    while last and not body[last - 1].strip():
        last -= 1
    rows: list[str] = body[:last]
    lines: Sequence[int] = range(first_line, first_line + last)
    if not all(rows):  # blank lines between rows, which no export has
        lines = [n for n, row in zip(lines, rows, strict=True) if row]
        rows = [row for row in rows if row]
    comma = bool(header.decimal_comma)
    cut = bool(rows) and _is_cut(rows[-1], comma=comma, finished=finished)
    if cut:
        rows, lines = rows[:-1], lines[:-1]
    values = _parse_fast(rows, comma=comma)
    if values is None:
        values = _parse_exactly(header, rows, lines)
    return _Rows(values=values, lines=lines, cut=cut)


def _is_cut(row: str, *, comma: bool, finished: bool) -> bool:
    """Tell whether the last row is unfinished; a last line without line end may have lost digits unseen."""
    cells = row.split("\t")
    if len(cells) < _COLUMNS:
        return True
    if finished or len(cells) > _COLUMNS:
        return False
    numbers = [parse_number(c, decimal_comma=comma) for c in cells]
    size, number, area = numbers[0], numbers[1], numbers[4]
    if None in numbers or size is None or number is None or area is None:
        return True
    if size == -1:
        return area != 0
    # Area is that of the circle: 4 digits are printed, so size, number and area may be off by 5e-4 each.
    return abs(area - number * np.pi / 4 * size * size) > 2.5e-3 * area


def _parse_fast(rows: list[str], *, comma: bool) -> FloatArray | None:
    """Parse well-formed rows at once; None when anything is odd, for `_parse_exactly` to name it."""
    if not rows:
        return np.empty((0, _COLUMNS))
    joined = "\n".join(rows)
    mark = b"," if comma else b"."
    if not joined.isascii() or joined.encode("ascii").translate(None, b"0123456789+-eE\t\n" + mark):
        return None
    if comma:
        rows = joined.replace(",", ".").split("\n")
    try:
        values = np.loadtxt(rows, delimiter="\t", comments=None, ndmin=2)
    except ValueError:
        return None
    good = values.shape == (len(rows), _COLUMNS) and bool(np.isfinite(values).all())
    return values if good else None


def _parse_exactly(header: Header, rows: list[str], lines: Sequence[int]) -> FloatArray:
    comma = bool(header.decimal_comma)
    values = np.empty((len(rows), _COLUMNS))
    for i, (line, row) in enumerate(zip(lines, rows, strict=True)):
        cells = row.split("\t")
        if len(cells) != _COLUMNS:
            raise header.error(line, expected=f"{_COLUMNS} cells", found=row)
        for j, cell in enumerate(cells):
            number = parse_number(cell, decimal_comma=comma)
            if number is None:
                mark = "comma" if comma else "point"
                raise header.error(line, column=j + 1, expected=f"a number with decimal {mark}", found=cell)
            values[i, j] = number
    return values


def _split(header: Header, rows: _Rows) -> _Histograms:
    values = rows.values
    separators = np.flatnonzero((values[:, :4] == -1).all(axis=1))
    if separators.size > 1:
        raise header.error(rows.lines[separators[1]], expected="one separator row of -1", found="a second one")
    bad = (values < 0) | (values > _LARGEST_CELL)
    bad[separators] = False
    if bad.any():
        i, j = (int(k) for k in np.argwhere(bad)[0])
        raise header.error(
            rows.lines[i],
            column=j + 1,
            expected="a size or count that is not negative",
            found=f"{values[i, j]:g}",
        )
    end = int(separators[0]) if separators.size else len(values)
    return _Histograms(
        linear=values[:end],
        logarithmic=values[end + 1 :],
        lines=rows.lines,
        separated=bool(separators.size),
        cut=rows.cut,
    )


def _edges(header: Header, tables: _Histograms) -> FloatArray:
    """Recover the exact edges: sizes are printed to 4 digits, 5997.5 as 5998.0."""
    sizes = tables.linear[:, 0]
    if not sizes.size:
        return np.array([0.0, _RANGE_NM])
    step = 2 * sizes[0]
    if not 0.1 <= step <= 1000:
        raise header.error(
            tables.lines[0],
            column=1,
            expected="the centre of a first bin that begins at 0 nm",
            found=f"{sizes[0]:g}",
        )
    edges: FloatArray = step * np.arange(sizes.size + 1)
    exact = (edges[:-1] + edges[1:]) / 2
    off = np.abs(sizes - exact) > _half_unit(exact) * (1 + 1e-9)
    if off.any():
        i = int(np.argmax(off))
        raise header.error(tables.lines[i], column=1, expected=f"the bin centre {exact[i]:g} nm", found=f"{sizes[i]:g}")
    return edges


def _half_unit(values: FloatArray) -> FloatArray:
    """Half a unit of the fourth and last digit printed."""
    magnitude = np.floor(np.log10(np.where(values > 0, values, 1.0)))
    return np.where(values > 0, 0.5 * 10.0 ** (magnitude - 3), 0.0)


# --- judgement ---


def _failed(header: Header, tables: _Histograms, tracks: int | None, title_line: int) -> bool:
    """Tell a failed run from a table that is missing or emptied, which is refused."""
    if tables.linear[:, 1].sum() > 0:
        return False
    if tracks:
        raise header.error(
            title_line,
            expected=f"a table that counts {tracks} traces, as the header states",
            found="no count in it",
        )
    if not tables.linear.size and not tables.separated and tracks is None:
        raise header.error(title_line, expected="a table below its titles", found="no row")
    return True


def _check(
    header: Header, tables: _Histograms, edges: FloatArray, tracks: int | None, warnings: list[ReadWarning]
) -> None:
    _check_whole(header, tables, edges, tracks, warnings)
    _check_counts(header, tables, edges, tracks, warnings)
    _check_factor(tables, warnings)
    _check_log_table(tables, warnings)


def _count_slack(counts: FloatArray) -> float:
    """Largest error that printing 4 digits makes in the sum of counts; none while counts are below 10000."""
    return float(_half_unit(counts)[counts >= 1e4].sum())


def _check_whole(
    header: Header, tables: _Histograms, edges: FloatArray, tracks: int | None, warnings: list[ReadWarning]
) -> None:
    """Refuse a linear table that ends early, unless its counts prove that nothing is missing."""
    step = edges[1]
    if edges[-1] > _RANGE_NM - step:
        return
    counts = tables.linear[:, 1]
    line = tables.lines[len(counts) - 1]
    if tracks is None or abs(counts.sum() - tracks) > _count_slack(counts):
        raise header.error(
            line,
            expected=f"a size table up to {_RANGE_NM:g} nm or counts that sum to the header's Number of "
            "Traces "
            f"({'not stated' if tracks is None else tracks})",
            found=f"its end at {edges[-1]:g} nm with {counts.sum():g} counts",
        )
    warnings.append(
        ReadWarning(
            code="truncated-table",
            where=f"line {line}",
            message=f"The size table ends at {edges[-1]:g} nm instead of {_RANGE_NM:g} nm; its counts sum to "
            "the header's "
            "Number of Traces, so none is lost.",
        )
    )


def _check_counts(
    header: Header, tables: _Histograms, edges: FloatArray, tracks: int | None, warnings: list[ReadWarning]
) -> None:
    counts = tables.linear[:, 1]
    slack = _count_slack(counts)
    total = float(counts.sum())
    if tracks is not None and abs(total - tracks) > slack:
        warnings.append(
            ReadWarning(
                code="vendor-disagrees",
                where=f"line {header.fields['Number of Traces'].line}",
                message=f"The header states {tracks} traces, the table counts {total:g}.",
            )
        )
    field = header.fields.get("Median Number (D50)")
    stated = header.number("Median Number (D50)", warnings)
    if field is None or stated is None:
        return
    centres = (edges[:-1] + edges[1:]) / 2
    cumulated = np.cumsum(counts)
    low, high = np.interp([0.5 * total - 1.5 * slack, 0.5 * total + 1.5 * slack], cumulated, centres)
    printed = _printed_half_unit(field.first)
    if not low - printed <= stated <= high + printed:
        warnings.append(
            ReadWarning(
                code="vendor-disagrees",
                where=f"line {field.line}",
                message=f"The header states a median of {stated:g} nm, the table gives "
                f"{median_nm(centres, counts):g} nm by "
                "the vendor's own recipe: header and table do not belong together, or one was edited.",
            )
        )


def _printed_half_unit(text: str) -> float:
    """Half a unit of the last decimal of a number as printed, widened by the rounding of binary fractions."""
    decimals = re.search(r"[.,](\d*)", text)
    return 0.5 * 10.0 ** -min(len(decimals.group(1)) if decimals else 0, 15) + 1e-9


def _check_factor(tables: _Histograms, warnings: list[ReadWarning]) -> None:
    """Concentration over count is one factor for the whole run; a row that breaks it was altered."""
    counts, concentration = tables.linear[:, 1], tables.linear[:, 2]
    counted = counts > 0
    n, c = counts[counted], concentration[counted]
    half_c, half_n = _half_unit(c), np.where(n >= 1e4, _half_unit(n), 0.0)
    with np.errstate(all="ignore"):
        low, high = (c - half_c) / (n + half_n), (c + half_c) / (n - half_n)
        centre = np.median(c / n)
    stray = np.zeros(counts.size, dtype=bool)
    # The median of printed quotients is itself off by up to 5e-4, half a unit of 4 digits.
    stray[counted] = (low > centre * (1 + 5.1e-4)) | (high < centre * (1 - 5.1e-4))
    stray |= (counts == 0) & (concentration > 0)
    if stray.any():
        warnings.append(
            ReadWarning(
                code="vendor-disagrees",
                where=f"line {tables.lines[int(np.argmax(stray))]}",
                message=f"Concentration per count is not one factor throughout the table "
                f"({int(stray.sum())} rows differ).",
            )
        )


def _check_log_table(tables: _Histograms, warnings: list[ReadWarning]) -> None:
    counts = tables.linear[:, 1]
    log_counts = tables.logarithmic[:, 1]
    slack = _count_slack(counts) + _count_slack(log_counts)
    if tables.cut or not tables.separated or abs(log_counts.sum() - counts.sum()) > slack:
        warnings.append(
            ReadWarning(
                code="truncated-table",
                where=f"line {tables.lines[-1]}",
                message=f"The logarithmic table is incomplete: it counts {log_counts.sum():g} of "
                f"{counts.sum():g} particles. "
                "Nothing is computed from it.",
            )
        )


def _log_bins(tables: _Histograms) -> pl.DataFrame | None:
    names = ("diameter_nm", "particle_count", "concentration_diluted_per_ml", "volume_nm3", "area_nm2")
    if not tables.logarithmic.size:
        return None
    return pl.DataFrame({name: tables.logarithmic[:, i] for i, name in enumerate(names)})
