"""ZetaView's per-position tables (``*_11pos.txt``): what was seen where in the cell, and left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning, TableMeasurement
from vesicula.instruments.nta.read._zetaview_header import EXPORT_AGAIN, numbered
from vesicula.instruments.text import load_text, parse_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 1024 * 1024
"""A real table has 1 kB."""

# Titles with what is not ASCII replaced by "?", since the encoding of the o with stroke and of the micro sign
# varies; and our names. Units: in the real exports "Orig. Conc." is "Conc." times the dilution, and "Conc."
# averages to the sum of the size export's concentrations, which are of the diluted sample. 1 cm^3 = 1 mL.
_TITLES = {
    "Use": "used",
    "Position": "position",
    "Mean Int.": "mean_intensity",
    "Av. No of Particles": "particles_per_frame",
    "Conc. (p./mL)": "concentration_diluted_per_ml",
    "Orig. Conc. (p./cm^3)": "concentration_per_ml",
    "No. of Traces": "tracks",
    "X50 (nm)": "d50_diameter_nm",
    "Peak ? (nm)": "peak_diameter_nm",
    "Span": "span",
    "Drift (?m/s)": "drift_um_per_s",
    "Removal": "removal",
}
_TEXT = ("used", "removal")
_SUMMARISED = tuple(n for n in _TITLES.values() if n not in {"used", "position", "removal"})
_SUMMARIES = {"Mean": "vendor_mean_", "St.Dev.": "vendor_sd_", "Rel.St.Dev.": "vendor_rel_sd_percent_"}

_SCHEMA: dict[str, type[pl.DataType]] = {
    name: pl.Boolean
    if name == "used"
    else pl.String
    if name == "removal"
    else pl.Int64
    if name == "tracks"
    else pl.Float64
    for name in _TITLES.values()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """The table as text: names of the columns, rows with their lines, and how to read and blame a cell."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    decimal_comma: bool

    def error(self, line: int, name: str, *, expected: str, found: str) -> UnreadableFile:
        where = f"line {line}, column {self.names.index(name) + 1}"
        return UnreadableFile(self.path, where=where, expected=expected, found=repr(found), remedy=EXPORT_AGAIN)

    def number(self, line: int, name: str, cell: str) -> float | None:
        """Return a cell's number, None for NaN."""
        if cell.lower() == "nan":
            return None
        value = parse_number(cell, decimal_comma=self.decimal_comma)
        # Only the drift has a direction; 1e30 keeps sums of squares finite.
        if value is None or abs(value) > 1e30 or (value < 0 and name != "drift_um_per_s"):
            kind = "a number" if name == "drift_um_per_s" else "a number that is not negative"
            raise self.error(
                line,
                name,
                expected=f"{kind} (decimal {'comma' if self.decimal_comma else 'point'})",
                found=cell,
            )
        return value


def looks_like_positions(text: str) -> bool:
    """Tell whether a text begins with the titles of a per-position table."""
    first = text.lstrip().replace("\r", "\n").split("\n", 1)[0]
    return first.startswith("Use\tPosition\t") and "\tNo. of Traces\t" in first


def read_positions(path: Path) -> TableMeasurement:
    """Read a ZetaView per-position table.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    TableMeasurement
        Kind ``"positions"``; columns used, position, mean_intensity, particles_per_frame,
        concentration_diluted_per_ml, concentration_per_ml, tracks, d50_diameter_nm, peak_diameter_nm, span,
        drift_um_per_s, removal. Sizes are null at positions without a trace. Values: the vendor's mean,
        standard deviation and relative standard deviation over the positions used.

    Raises
    ------
    UnreadableFile
        When it is no such table or holds cells that no measurement gives.
    """
    file = load_text(path, max_bytes=MAX_BYTES)
    sheet = _sheet(path, file.text)
    positions = [(n, c) for n, c in sheet.rows if c[1] not in _SUMMARIES]
    summaries = {c[1]: (n, c) for n, c in sheet.rows if c[1] in _SUMMARIES}
    if not positions:
        raise UnreadableFile(path, where="line 2", expected="at least one position", found="none", remedy=EXPORT_AGAIN)
    warnings: list[ReadWarning] = []
    table = _table(sheet, positions, warnings)
    used = int(table["used"].sum())
    if sheet.decimal_comma:
        warnings.append(
            ReadWarning(code="decimal-comma", message="Numbers are written with decimal commas; all agree.")
        )
    if len(summaries) < len(_SUMMARIES):
        warnings.append(
            ReadWarning(
                code="truncated-table",
                where=f"line {sheet.rows[-1][0]}",
                message="The rows Mean, St.Dev. and Rel.St.Dev. are incomplete: positions may be missing too.",
            )
        )
    values = {"positions_total": float(table.height), "positions_used": float(used)}
    if used == 0:
        warnings.append(ReadWarning(code="failed-run", message="The software used no position: the run failed."))
    else:
        values |= _summary_values(sheet, summaries)
        warnings.extend(_check_summaries(sheet, [c for (_, c) in positions if c[0] == "X"], values, summaries))
    warnings.extend(_check_dilution(sheet, positions))
    return TableMeasurement(
        kind="positions",
        reader="zetaview_positions",
        instrument="ZetaView",
        software="",
        source=file.source,
        table=table,
        values=values,
        warnings=tuple(warnings),
    )


def _sheet(path: Path, text: str) -> _Sheet:
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    titles = [re.sub(r"[^\x00-\x7f]+|mu(?=m/s)", "?", t.strip()) for t in lines[start].split("\t")]
    if sorted(titles) != sorted(_TITLES):
        missing = [t for t in _TITLES if t not in titles] or [
            t for t in titles if titles.count(t) > 1 or t not in _TITLES
        ]
        raise UnreadableFile(
            path,
            where=f"line {start + 1}",
            expected=f"the column titles {', '.join(_TITLES)}",
            found=f"no or other columns for {', '.join(missing)}",
            remedy=EXPORT_AGAIN,
        )
    names = tuple(_TITLES[t] for t in titles)
    if names[:2] != ("used", "position"):
        raise UnreadableFile(
            path,
            where=f"line {start + 1}",
            expected="Use and Position as the first columns",
            found=" ".join(titles[:2]),
            remedy=EXPORT_AGAIN,
        )
    rows = []
    for number, line in numbered(lines, start + 1, len(lines)):
        if not line.strip():
            continue
        cells = [c.strip() for c in line.split("\t")]
        if len(cells) == len(names) - 1 and names[-1] == "removal":
            cells.append("")  # an editor stripped the blank at the end of the line
        if len(cells) != len(names):
            raise UnreadableFile(
                path,
                where=f"line {number}",
                expected=f"{len(names)} cells",
                found=repr(line),
                remedy=EXPORT_AGAIN,
            )
        rows.append((number, tuple(cells)))
    return _Sheet(path=path, names=names, rows=tuple(rows), decimal_comma=_decimal_comma(path, names, rows))


def _decimal_comma(path: Path, names: tuple[str, ...], rows: list[tuple[int, tuple[str, ...]]]) -> bool:
    seen: dict[str, int] = {}
    for number, cells in rows:
        for name, cell in zip(names, cells, strict=True):
            match = None if name in _TEXT else re.fullmatch(r"[+-]?\d+([.,])\d+(?:[eE][+-]?\d+)?", cell)
            if match:
                seen.setdefault(match.group(1), number)
    if len(seen) == 2:
        raise UnreadableFile(
            path,
            where=f"line {max(seen.values())}",
            expected="one decimal mark in the whole table",
            found="points and commas",
            remedy=EXPORT_AGAIN,
        )
    return "," in seen


def _table(sheet: _Sheet, positions: list[tuple[int, tuple[str, ...]]], warnings: list[ReadWarning]) -> pl.DataFrame:
    records = [_record(sheet, line, cells) for line, cells in positions]
    for (line, _), record in zip(positions, records, strict=True):
        absent = [
            n
            for n in (
                "position",
                "mean_intensity",
                "particles_per_frame",
                "concentration_diluted_per_ml",
                "concentration_per_ml",
                "drift_um_per_s",
            )
            if record[n] is None
        ]
        if absent:
            warnings.append(
                ReadWarning(
                    code="missing-value",
                    where=f"line {line}",
                    message=f"No value (NaN) for {', '.join(absent)}.",
                )
            )
    return pl.DataFrame(records, schema=_SCHEMA)


def _record(sheet: _Sheet, line: int, cells: tuple[str, ...]) -> dict[str, object]:
    row = dict(zip(sheet.names, cells, strict=True))
    if row["used"] not in {"", "X"}:
        raise sheet.error(line, "used", expected="X or nothing", found=row["used"])
    numbers = {name: sheet.number(line, name, cell) for name, cell in row.items() if name not in _TEXT}
    tracks = numbers["tracks"]
    if tracks is None or tracks != round(tracks) or tracks > 1e12:
        raise sheet.error(line, "tracks", expected="a whole number", found=row["tracks"])
    # Without a trace the software prints the last bin, 5997.5 nm, as X50 and 0 for the rest; and it prints 0
    # where its search for a peak fails. Neither is a size.
    if tracks == 0:
        numbers |= {"d50_diameter_nm": None, "peak_diameter_nm": None, "span": None}
    if not numbers["peak_diameter_nm"]:
        numbers["peak_diameter_nm"] = None
    return {**numbers, "tracks": int(tracks), "used": row["used"] == "X", "removal": row["removal"] or None}


# --- the vendor's summary rows ---


def _summary_values(sheet: _Sheet, summaries: Mapping[str, tuple[int, tuple[str, ...]]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for title, prefix in _SUMMARIES.items():
        line, cells = summaries.get(title, (0, ()))
        for name, cell in zip(sheet.names, cells, strict=False):
            number = sheet.number(line, name, cell) if name in _SUMMARISED else None
            if number is not None:
                values[prefix + name] = number
    return values


def _half_unit(cell: str, *, decimal_comma: bool) -> float:
    """Half a unit of the last digit printed; none for whole numbers, which are counts."""
    mark = "," if decimal_comma else "."
    mantissa, _, exponent = cell.lower().partition("e")
    decimals = len(mantissa.partition(mark)[2])
    if not decimals and not exponent:
        return 0.0
    return float(0.5 * 10.0 ** max(min(int(exponent or 0) - decimals, 40), -40))


def _check_summaries(
    sheet: _Sheet,
    used: list[tuple[str, ...]],
    values: Mapping[str, float],
    summaries: Mapping[str, tuple[int, tuple[str, ...]]],
) -> Iterator[ReadWarning]:
    """Compare the summary rows with the positions used, within what the printed digits leave open."""
    for name in _SUMMARISED:
        column = sheet.names.index(name)
        cells = [row[column] for row in used]
        numbers = [sheet.number(0, name, c) for c in cells]
        if any(n is None for n in numbers):
            continue
        rows = np.array(numbers, dtype=np.float64)
        halves = np.array([_half_unit(c, decimal_comma=sheet.decimal_comma) for c in cells])
        for title, (low, high) in _bounds(rows, halves).items():
            stated = values.get(_SUMMARIES[title] + name)
            if stated is None:
                continue
            line, summary = summaries[title]
            printed = _half_unit(summary[column], decimal_comma=sheet.decimal_comma) * (1 + 1e-9)
            if not low - printed <= stated <= high + printed:
                yield ReadWarning(
                    code="vendor-disagrees",
                    where=f"line {line}",
                    message=f"The file states {stated:g} as {title} of {name}; its positions give "
                    f"{low:.6g} to {high:.6g}.",
                )


def _bounds(rows: FloatArray, halves: FloatArray) -> dict[str, tuple[float, float]]:
    """Bound mean, SD (n - 1) and relative SD in percent of values known to within `halves`.

    The SD cannot change by more than the norm of the rounding errors over sqrt(n - 1), since centring is a
    projection.
    """
    mean, slack = float(rows.mean()), float(halves.mean()) + 1e-9 * float(np.abs(rows).max())
    found = {"Mean": (mean - slack, mean + slack)}
    if rows.size < 2:
        return found
    sd = float(rows.std(ddof=1))
    sd_slack = float(np.sqrt((halves**2).sum() / (rows.size - 1))) + 1e-9 * sd
    low, high = max(sd - sd_slack, 0.0), sd + sd_slack
    found["St.Dev."] = (low, high)
    if mean - slack > 0:
        found["Rel.St.Dev."] = (100 * low / (mean + slack), 100 * high / (mean - slack))
    return found


def _check_dilution(sheet: _Sheet, positions: list[tuple[int, tuple[str, ...]]]) -> Iterator[ReadWarning]:
    """Original over diluted concentration must be one factor of at least 1: else the titles mislead."""
    lows, highs, lines = [], [], []
    for line, cells in positions:
        row = dict(zip(sheet.names, cells, strict=True))
        pair = []
        for name in ("concentration_per_ml", "concentration_diluted_per_ml"):
            value, half = (
                sheet.number(line, name, row[name]),
                _half_unit(row[name], decimal_comma=sheet.decimal_comma),
            )
            pair.append((value, half * (1 + 1e-9)))
        (stock, stock_half), (diluted, half) = pair
        if stock and diluted and diluted > half:
            lows.append((stock - stock_half) / (diluted + half))
            highs.append((stock + stock_half) / (diluted - half))
            lines.append(line)
    if lows and (max(lows) > min(highs) or min(highs) < 1):
        yield ReadWarning(
            code="vendor-disagrees",
            where=f"lines {lines[0]} to {lines[-1]}",
            message="Original over diluted concentration is not one factor of at least 1 at all positions.",
        )
