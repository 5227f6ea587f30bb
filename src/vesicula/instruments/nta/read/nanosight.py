"""Reads NanoSight summaries: experiments and single analyses of NTA 3.x, as CSV.

Seen in real exports of NTA 3.2, 3.3 and 3.4; other versions are read if they keep to the layout, with a
warning. Warning codes: ``average-mismatch``, ``capture-order``, ``concatenated-exports``,
``concentration-mismatch``, ``decimal-comma``, ``dilution-below-one``, ``dilution-not-recorded``,
``duplicate-captures``, ``missing-section``, ``percentiles-not-monotonic``, ``truncated-table``,
``unknown-version``, ``unreadable-field``, ``unreadable-table``, ``vendor-disagrees``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import Capture, FloatArray, ReadWarning, SizeMeasurement
from vesicula.instruments.api import Head, Reader
from vesicula.instruments.nta.read._nanosight_checks import TOP_NM, Stated, check, concentration_gap, duplicates
from vesicula.instruments.nta.read._nanosight_extras import Extras, collect_extras, included_but_missing
from vesicula.instruments.nta.read._nanosight_fields import Fields
from vesicula.instruments.nta.read._nanosight_layout import (
    Export,
    RawTable,
    begins_like_a_summary,
    split_exports,
)
from vesicula.instruments.nta.read._nanosight_table import parse_table, uniform_edges
from vesicula.instruments.text import load_text, parse_number

if TYPE_CHECKING:
    from pathlib import Path

NAME = "nanosight_summary"

MAX_BYTES = 128 * 1024 * 1024
"""A summary of five videos with all weightings has 0.3 MB; 1,000 videos would have 60 MB."""

VERIFIED = re.compile(r"NTA 3\.[234]\b")
"""Versions of which a real export was read while this reader was written."""

CONCENTRATION = "Concentration (Particles / ml)"
DILUTION = "Dilution factor (concentrations adjusted for this factor)"

_CONDITIONS = (
    ("temperature_c", "Conditions", "Temperature/C"),
    ("viscosity_mpa_s", "Conditions", "Viscosity/cP"),  # 1 cP is 1 mPa s
    ("frame_rate_per_s", "Conditions", "Frame rate/fps"),
    ("shutter_ms", "Conditions", "Shutter/ms"),
    ("camera_level", "Conditions", "Camera Level"),
    ("frames_analysed", "Settings", "Total frames analysed"),
    ("detection_threshold", "Settings", "Detection Threshold"),
    ("min_track_length", "Settings", "Min Track Length"),
    ("drift_x_px_per_frame", "Results", "X-Drift (pix/frame)"),
    ("drift_y_px_per_frame", "Results", "Y-Drift (pix/frame)"),
)
_STATISTICS = (
    ("mean", "Mean"),
    ("mode", "Mode"),
    ("sd", "SD"),
    ("d10", "D10"),
    ("d50", "D50"),
    ("d90", "D90"),
)
_RESULTS = (
    ("concentration_per_ml", CONCENTRATION),
    ("particles_per_frame", "Particles per frame"),
    ("centres_per_frame", "Centres per frame"),
)
_FLAG_SECTIONS = ("Concentration Warnings", "Information")
_SECTIONS = ("Experiment Details", "Conditions", "Settings", "Results", *_FLAG_SECTIONS, "Data Included")
_AUTOMATIC = ("auto", "")


def read(path: Path) -> SizeMeasurement:
    """Read a NanoSight summary.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file. Several summaries spliced into one file are all read.

    Returns
    -------
    SizeMeasurement
        A capture per video, from the number-weighted size table.

    Raises
    ------
    UnreadableFile
        When the file is no such summary, or its numbers cannot be trusted.
    """
    file = load_text(path, max_bytes=MAX_BYTES)
    exports = split_exports(file)
    parts: list[_Part] = []
    for number, export in enumerate(exports):
        prefix = f"export {number + 1}: " if len(exports) > 1 else ""
        parts.append(_read_export(path, export, prefix, sum(len(p.captures) for p in parts)))
    captures = tuple(c for p in parts for c in p.captures)
    warnings = [w for p in parts for w in p.warnings]
    warnings += _across(captures, parts, exports)
    extra = {}
    for name in dict.fromkeys(n for p in parts for n in p.tables):
        tables = [p.tables[name] for p in parts if name in p.tables]
        extra[name] = pl.concat(tables) if len(tables) > 1 else tables[0]
    if len(parts) > 1 and any(p.pooled for p in parts):
        # Each pool is over its own captures: no single number is over all of them.
        extra["vendor_pooled"] = pl.concat(
            [
                pl.DataFrame(
                    {
                        "export": [i + 1] * len(p.pooled),
                        "quantity": list(p.pooled),
                        "value": list(p.pooled.values()),
                    },
                    schema={"export": pl.Int32, "quantity": pl.String, "value": pl.Float64},
                )
                for i, p in enumerate(parts)
            ]
        )
    return SizeMeasurement(
        reader=NAME,
        instrument="NanoSight",
        software="; ".join(dict.fromkeys(e.software for e in exports if e.software)),
        source=file.source,
        captures=captures,
        vendor_pooled=parts[0].pooled if len(parts) == 1 else {},
        metadata={key: value for p in parts for key, value in p.metadata.items()},
        warnings=tuple(warnings),
        extra_tables=extra,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one export yields."""

    captures: list[Capture]
    pooled: dict[str, float]
    metadata: dict[str, str]
    warnings: list[ReadWarning]
    tables: dict[str, pl.DataFrame]


def _across(captures: tuple[Capture, ...], parts: list[_Part], exports: tuple[Export, ...]) -> list[ReadWarning]:
    warnings = []
    if len(parts) > 1:
        counts = ", ".join(f"{len(p.captures)} from line {e.first_line}" for p, e in zip(parts, exports, strict=True))
        warnings.append(
            ReadWarning(
                code="concatenated-exports",
                where="whole file",
                message=(
                    f"{len(parts)} summaries stand in this file, one after another; all captures are kept ({counts})."
                ),
            )
        )
    same = duplicates([c.name for c in captures], [c.weights for c in captures])
    if same:
        names = ", ".join(dict.fromkeys(captures[i].name for i, _ in same))
        warnings.append(
            ReadWarning(
                code="duplicate-captures",
                where="whole file",
                message=(
                    f"The same capture stands here more than once, name and numbers: {names}. Copies are no replicates."
                ),
            )
        )
    return warnings


def _read_export(path: Path, export: Export, prefix: str, offset: int) -> _Part:
    table = _number_table(path, export)
    fields = Fields(path, export, table.block)
    columns, average = _value_columns(path, table)
    names = _names(path, export, fields, table, columns)
    values = parse_table(path, table, export.separator, decimal_comma=export.decimal_comma)
    edges = uniform_edges(path, table, values[:, 0])
    per_bin = np.asfortranarray(values[:, 1 : columns + 1])  # a capture is a column, and read as one
    for array in (edges, per_bin):
        array.setflags(write=False)  # so that all captures share them
    where = f"line {table.title_line}"
    warnings = _export_warnings(export, prefix, where)
    extras = collect_extras(path, export, table, names, offset)
    fields.choose(names)
    numbers = {key: fields.numbers("Results", title) for key, title in _RESULTS}
    numbers |= {key: fields.numbers("Size Data", title, block=table.block) for key, title in _STATISTICS}
    stated = Stated(
        names=names,
        concentration_per_ml=numbers["concentration_per_ml"],
        **{f"{key}_nm": numbers[key] for key, _ in _STATISTICS},
        decimals={key: fields.decimals("Size Data", title, block=table.block) for key, title in _STATISTICS[:3]},
        average_per_ml=values[:, columns + 1] if average else None,
        percentiles_nm=extras.percentiles_nm,
    )
    _refuse_lost_rows(path, edges, per_bin, stated, where)
    warnings += check(edges, per_bin, stated, where)
    captures = _captures(path, export, fields, edges, per_bin, numbers, extras)
    warnings += [*fields.warnings(), *extras.warnings, *_dilution_warnings(captures, fields)]
    warnings += included_but_missing(export, fields, where)
    return _Part(
        captures=captures,
        pooled=_pooled(fields, table),
        tables=extras.tables,
        metadata={prefix + key: value for key, value in fields.metadata().items()},
        warnings=[ReadWarning(code=w.code, message=prefix + w.message, where=w.where) for w in warnings],
    )


def _number_table(path: Path, export: Export) -> RawTable:
    """Return the one size table weighted by number: the title of its columns and its Weighting must agree."""
    weighting = {r.block: r.cells[0] if r.cells else "" for r in export.rows if r.key == "Weighting"}
    found = []
    for table in export.tables:
        if table.section != "size" or table.kind != "bins":
            continue
        by_title = len(table.titles) > 1 and table.titles[1].lower().startswith("concentration")
        stated = weighting.get(table.block, "Number" if by_title else "")
        if by_title != (stated.lower() == "number"):
            raise UnreadableFile(
                path,
                where=f"line {table.title_line}",
                expected=f"columns of weighting {stated or 'not stated'}",
                found=", ".join(table.titles[1:2]),
                remedy="Weighting and table do not belong together: export again.",
            )
        if by_title:
            found.append(table)
    if len(found) != 1:
        where = f"line {found[1].title_line}" if found else f"export from line {export.first_line}"
        raise UnreadableFile(
            path,
            where=where,
            expected="one size table weighted by number in an export",
            found=f"{len(found)}",
            remedy="Export it again with 'Number' among the weightings; give joined exports one by one.",
        )
    return found[0]


def _value_columns(path: Path, table: RawTable) -> tuple[int, bool]:
    """Return how many captures the table has, and whether the vendor's average and its error follow them."""
    titles = [" ".join(t.lower().split()) for t in table.titles]
    average = titles[-2:] == ["concentration average", "standard error"]
    captures = titles[1:-2] if average else titles[1:]
    expected = "concentration (particles / ml)"
    if not re.fullmatch(r"bin cent(?:re|er) \(nm\)", titles[0]) or not captures or set(captures) != {expected}:
        wrong = next((t for t, s in zip(table.titles[1:], captures, strict=False) if s != expected), table.titles[0])
        raise UnreadableFile(
            path,
            where=f"line {table.title_line}",
            expected=("'Bin centre (nm)', 'Concentration (particles / ml)' per video, then at most average and error"),
            found=wrong,
            remedy="Export it again from the NTA software, unchanged.",
        )
    return len(captures), average


def _names(path: Path, export: Export, fields: Fields, table: RawTable, columns: int) -> tuple[str, ...]:
    """Return the capture of each column: the Filename row above the table, else the manifest 'Filename:'."""
    above = fields.cells("Size Data", "Filename", block=table.block)
    manifest = fields.manifest
    names = tuple(above[:columns]) if above is not None else manifest
    rest = [c for c in above[columns:] if c and c.lower() not in {"average", "standard error"}] if above else []
    if len(names) != columns or rest or not all(names):
        raise UnreadableFile(
            path,
            where=f"line {table.title_line}",
            expected=f"{len(names)} captures, as Filename lists them",
            found=f"{columns} columns of concentrations",
            remedy="Rows or columns are missing: export it again.",
        )
    if manifest and sorted(manifest) != sorted(names):
        line = fields.line("Experiment Details", "Filename:")
        raise UnreadableFile(
            path,
            where=f"line {line}",
            expected="the captures that stand above the size table",
            found=", ".join(sorted(set(manifest) ^ set(names))) or "another number of them",
            remedy="Rows or columns are missing: export it again.",
        )
    return names


def _export_warnings(export: Export, prefix: str, where: str) -> list[ReadWarning]:
    warnings = []
    if not VERIFIED.match(export.software):
        warnings.append(
            ReadWarning(
                code="unknown-version",
                where=f"line {export.first_line}",
                message=(
                    f"The layout of {export.software or 'an export without version'} is not verified; "
                    "it was read as that of NTA 3.2 to 3.4."
                ),
            )
        )
    if export.decimal_comma:
        warnings.append(
            ReadWarning(
                code="decimal-comma",
                where=where,
                message="The numbers of this export are written with decimal commas.",
            )
        )
    present = {s.section.lower() for s in export.sections}
    missing = [s for s in _SECTIONS if s.lower() not in present]
    if missing or not export.kind:
        names = ", ".join([*(f"[{s}]" for s in missing), *([] if export.kind else ["the title line"])])
        warnings.append(ReadWarning(code="missing-section", message=f"The export lacks {names}.", where=where))
    return warnings


def _refuse_lost_rows(path: Path, edges: FloatArray, per_bin: FloatArray, stated: Stated, where: str) -> None:
    """Refuse a table that ends early and is short of particles: every statistic of it would be wrong."""
    if edges[0] <= 1e-6 and edges[-1] >= TOP_NM - 1e-6:
        return
    gap = concentration_gap(per_bin, stated.concentration_per_ml)
    short = gap > 0.01 * np.abs(stated.concentration_per_ml)
    beyond = np.zeros_like(short)
    if stated.percentiles_nm is not None and stated.percentiles_nm.size:
        beyond = stated.percentiles_nm[-1, 1:] > edges[-1] + (edges[1] - edges[0])
    if (short | beyond).any():
        i = int(np.flatnonzero(short | beyond)[0])
        raise UnreadableFile(
            path,
            where=where,
            expected=(
                f"a size table that holds all of {stated.names[i]} ({stated.concentration_per_ml[i]:.4g} per mL)"
            ),
            found=f"{per_bin[:, i].sum():.4g} per mL between {edges[0]:g} and {edges[-1]:g} nm",
            remedy="The table is cut: export it again.",
        )


def _captures(
    path: Path,
    export: Export,
    fields: Fields,
    edges: FloatArray,
    per_bin: FloatArray,
    numbers: dict[str, FloatArray],
    extras: Extras,
) -> list[Capture]:
    conditions = {key: fields.numbers(section, title, ignore=_AUTOMATIC) for key, section, title in _CONDITIONS}
    vendor = {f"vendor_{key}_nm": numbers[key] for key, _ in _STATISTICS}
    vendor["vendor_concentration_per_ml"] = numbers["concentration_per_ml"]
    vendor["vendor_centres_per_frame"] = numbers["centres_per_frame"]
    vendor |= extras.vendor
    count = len(fields.names)
    conditions_of, vendor_of = _by_capture(conditions, count), _by_capture(vendor, count)
    dilution = _dilutions(path, export, fields)
    used = fields.numbers("Size Data", "Valid Tracks", block=fields.block, whole=True)
    completed = fields.numbers("Results", "Completed tracks", whole=True)
    flags = fields.flags(_FLAG_SECTIONS)
    captures = []
    for i, name in enumerate(fields.names):
        basis: Literal["sample", "diluted"] = "diluted" if dilution[i] is None else "sample"
        captures.append(
            Capture(
                name=name,
                bin_edges_nm=edges,
                concentration_per_ml=per_bin[:, i],
                concentration_basis=basis,
                dilution_factor=dilution[i],
                tracks_used=_whole(used[i]),
                tracks_completed=_whole(completed[i]),
                particles_per_frame=_known(numbers["particles_per_frame"][i]),
                conditions=conditions_of[i],
                vendor=vendor_of[i],
                flags=flags[i],
            )
        )
    return captures


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _whole(value: float) -> int | None:
    return int(value) if np.isfinite(value) else None


def _by_capture(columns: dict[str, FloatArray], captures: int) -> list[dict[str, float]]:
    lists = {key: column.tolist() for key, column in columns.items()}
    return [{key: v[i] for key, v in lists.items() if math.isfinite(v[i])} for i in range(captures)]


def _dilutions(path: Path, export: Export, fields: Fields) -> list[float | None]:
    """Return the recorded factors: a number means that the software has multiplied by it already."""
    cells = fields.aligned("Results", DILUTION)
    factors: list[float | None] = []
    for cell in cells:
        if cell.lower() in {"not recorded", ""}:
            factors.append(None)
            continue
        factor = parse_number(cell, decimal_comma=export.decimal_comma)
        if factor is None or factor <= 0:
            raise UnreadableFile(
                path,
                where=f"line {fields.line('Results', DILUTION)} ({DILUTION})",
                expected="a positive number or 'Not recorded'",
                found=cell,
                remedy=("Without it nobody can tell whether concentrations are those of the sample: export it again."),
            )
        factors.append(factor)
    return factors


def _dilution_warnings(captures: list[Capture], fields: Fields) -> list[ReadWarning]:
    where = f"line {fields.line('Results', DILUTION)}" if fields.line("Results", DILUTION) else ""
    warnings = []
    unknown = [c.name for c in captures if c.dilution_factor is None]
    if unknown:
        who = "any capture" if len(unknown) == len(captures) else ", ".join(unknown)
        warnings.append(
            ReadWarning(
                code="dilution-not-recorded",
                where=where,
                message=(
                    f"The file records no dilution factor for {who}: concentrations are those of the "
                    "diluted suspension unless the study states the dilution."
                ),
            )
        )
    below = sorted({c.dilution_factor for c in captures if c.dilution_factor is not None and c.dilution_factor < 1})
    if below:
        warnings.append(
            ReadWarning(
                code="dilution-below-one",
                where=where,
                message=(
                    f"The software multiplied concentrations by {below[0]:g}, less than one: a "
                    "dilution of 1 in n is entered as n."
                ),
            )
        )
    return warnings


def _pooled(fields: Fields, table: RawTable) -> dict[str, float]:
    """Return what the vendor computed over the captures of one export."""
    pooled = {}
    items: list[tuple[str, str, str, int | None]] = [("Results", title, key, None) for key, title in _RESULTS]
    items += [("Size Data", title, f"{key}_nm", table.block) for key, title in _STATISTICS]
    for section, title, key, block in items:
        average, error = fields.average(section, title, block=block)
        if average is not None:
            pooled[f"vendor_{key}"] = average
        if error is not None:
            pooled[f"vendor_se_{key}"] = error
    return pooled


def recognise(head: Head) -> bool:
    """Return whether a file begins as a NanoSight summary does.

    Parameters
    ----------
    head : Head
        Its first 64 KiB.

    Returns
    -------
    bool
        Never raises.
    """
    return begins_like_a_summary(head.text)


SUMMARY = Reader(
    name=NAME,
    instrument="NanoSight",
    title="NanoSight NTA summary of an experiment or a single analysis (CSV)",
    recognise=recognise,
    read=read,
)
