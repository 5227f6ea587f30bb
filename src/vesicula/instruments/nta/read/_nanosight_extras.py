"""The other tables of a NanoSight summary: percentiles, other weightings, diffusion coefficients."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning
from vesicula.instruments.nta.read._nanosight_fields import Fields
from vesicula.instruments.nta.read._nanosight_layout import DATA_SECTIONS, Export, RawTable
from vesicula.instruments.nta.read._nanosight_table import parse_table

if TYPE_CHECKING:
    from pathlib import Path

_POOLED = re.compile(r"average|^standard (?:error|deviation)", re.IGNORECASE)
_PERCENTILES = np.arange(101.0)
_WEIGHTED_STATISTICS = ("Mean", "Mode", "SD", "D10", "D50", "D90")


@dataclass(slots=True, kw_only=True)
class Extras:
    """What stands beside the number-weighted size table.

    Parameters
    ----------
    tables : dict of str to polars.DataFrame
        ``vendor_percentiles`` (capture, percentile, diameter_nm); ``size_surface_area``, ``size_volume``,
        ``diffusion_number`` and so on (capture, bin_centre, value, bin_title, value_title).
    vendor : dict of str to numpy.ndarray
        The vendor's statistics of other weightings, an entry per capture: ``vendor_volume_mean_nm`` and so
        on.
    percentiles_nm : numpy.ndarray, shape (percentiles, 1 + captures), or None
        The percentile table of the number-weighted distribution.
    warnings : list of ReadWarning
        ``truncated-table``, ``unreadable-table``, ``percentiles-not-monotonic``.
    """

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    vendor: dict[str, FloatArray] = field(default_factory=dict)
    percentiles_nm: FloatArray | None = None
    warnings: list[ReadWarning] = field(default_factory=list)


def collect_extras(path: Path, export: Export, main: RawTable, names: tuple[str, ...], offset: int) -> Extras:
    """Parse all tables of an export but the main one; a damaged one is left out with a warning.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    export : Export
        The export.
    main : RawTable
        Its number-weighted size table.
    names : tuple of str
        Captures, in the order of the columns.
    offset : int
        Index of the first of these captures in the measurement.

    Returns
    -------
    Extras
        Tables and warnings.
    """
    extras = Extras()
    weighting = {r.block: r.cells[0].lower() if r.cells else "" for r in export.rows if r.key == "Weighting"}
    weighting.setdefault(main.block, "number")
    for table in export.tables:
        if table is main:
            continue
        weight = re.sub(r"\W+", "_", weighting.get(table.block, "") or "unstated").strip("_")
        try:
            values = _values(path, export, table, len(names))
        except UnreadableFile as error:
            extras.warnings.append(
                ReadWarning(
                    code="unreadable-table",
                    where=error.where,
                    message=f"A table of {table.section} by {weight.replace('_', ' ')} is left out: expected "
                    f"{error.expected}, found {error.found}.",
                )
            )
            continue
        own = table.section == "size" and table.block == main.block
        if table.kind == "bins":
            extras.tables[f"{table.section}_{weight}"] = _bins(table, values, offset)
            _statistics(path, export, table, names, weight, extras)
        elif own:
            _percentile_table(table, values, offset, extras)
    return extras


def _values(path: Path, export: Export, table: RawTable, captures: int) -> FloatArray:
    pooled = sum(bool(_POOLED.search(t)) for t in table.titles[1:])
    if len(table.titles) - 1 - pooled != captures:
        raise UnreadableFile(
            path,
            where=f"line {table.title_line}",
            expected=f"{captures} captures",
            found=f"{len(table.titles) - 1 - pooled}",
            remedy="Export it again.",
        )
    values = parse_table(path, table, export.separator, decimal_comma=export.decimal_comma)
    if values.shape[0] > 1 and np.any(np.diff(values[:, 0]) <= 0):
        raise UnreadableFile(
            path,
            where=f"line {table.first_line}",
            expected="an increasing first column",
            found="one that does not increase",
            remedy="Export it again.",
        )
    return values[:, : captures + 1]


def _bins(table: RawTable, values: FloatArray, offset: int) -> pl.DataFrame:
    rows, captures = values.shape[0], values.shape[1] - 1
    return pl.DataFrame(
        {
            "capture": np.repeat(np.arange(offset, offset + captures, dtype=np.int32), rows),
            "bin_centre": np.tile(values[:, 0], captures),
            "value": values[:, 1:].T.ravel(),
        }
    ).with_columns(bin_title=pl.lit(table.titles[0]), value_title=pl.lit(table.titles[1]))


def _statistics(
    path: Path, export: Export, table: RawTable, names: tuple[str, ...], weight: str, extras: Extras
) -> None:
    if table.section != "size":
        return
    fields = Fields(path, export, table.block)
    fields.choose(names)
    for title in _WEIGHTED_STATISTICS:
        extras.vendor[f"vendor_{weight}_{title.lower()}_nm"] = fields.numbers("Size Data", title, block=table.block)


def _percentile_table(table: RawTable, values: FloatArray, offset: int, extras: Extras) -> None:
    where = f"line {table.title_line}"
    if values.shape[0] != _PERCENTILES.size or not np.array_equal(values[:, 0], _PERCENTILES):
        extras.warnings.append(
            ReadWarning(
                code="truncated-table",
                where=where,
                message=f"The vendor's percentile table has {values.shape[0]} rows, not 101 (0 to 100).",
            )
        )
    if np.any(np.diff(values[:, 1:], axis=0) < 0):
        extras.warnings.append(
            ReadWarning(
                code="percentiles-not-monotonic",
                where=where,
                message="The vendor's percentiles decrease somewhere: cells may have been moved or edited.",
            )
        )
    extras.percentiles_nm = values
    rows, captures = values.shape[0], values.shape[1] - 1
    extras.tables["vendor_percentiles"] = pl.DataFrame(
        {
            "capture": np.repeat(np.arange(offset, offset + captures, dtype=np.int32), rows),
            "percentile": np.tile(values[:, 0], captures),
            "diameter_nm": values[:, 1:].T.ravel(),
        }
    )


_ITEM = re.compile(r"(size|diffusion) distribution - (.+?) weighting( - with percentiles)?", re.IGNORECASE)


def included_but_missing(export: Export, fields: Fields, where: str) -> list[ReadWarning]:
    """Return a warning when tables that [Data Included] announces are not there.

    Parameters
    ----------
    export : Export
        The export.
    fields : Fields
        Its rows.
    where : str
        Place for the warning.

    Returns
    -------
    list of ReadWarning
        Empty, or one with code ``truncated-table``.
    """
    blocks = {
        (DATA_SECTIONS[r.section.lower()], r.cells[0].lower()): r.block
        for r in export.rows
        if r.key == "Weighting" and r.cells and r.section.lower() in DATA_SECTIONS
    }
    present = {(t.block, t.kind) for t in export.tables}
    missing = []
    for section, key in fields.rows:
        item = _ITEM.match(key) if section == "data included" else None
        if item is None:
            continue
        block = blocks.get((item[1].lower(), item[2].lower()), -1)
        if (block, "bins") not in present or (item[3] and (block, "percentiles") not in present):
            missing.append(key)
    if not missing:
        return []
    return [
        ReadWarning(
            code="truncated-table",
            where=where,
            message=f"The export announces tables that it does not hold in full: {'; '.join(missing)}.",
        )
    ]
