"""ZetaView's zeta potential profiles (``*_prof_488.txt``): apparent zeta potential over the cell's depth."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning, SourceFile, TableMeasurement
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
from vesicula.instruments.text import decode, load_text, parse_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 1024 * 1024
"""A real profile has 3.5 kB."""

SECTION = "ZP Profile:"
_TITLES = ("Position", "Positive V", "Negative V", "Average", "Parabola Fit")
_NAMES = (
    "position",
    "apparent_zeta_potential_positive_mv",
    "apparent_zeta_potential_negative_mv",
    "apparent_zeta_potential_average_mv",
    "parabola_fit_mv",
)

# Keys with anything outside ASCII replaced by "?": the micro sign and the degree sign differ by encoding.
_VALUES = {
    "Zeta Potential / mV": "zeta_potential_mv",
    "Zeta Potential @ 25?C / mV": "zeta_potential_25c_mv",
    "ZP Parabola Fit Accuracy / mV": "zeta_potential_fit_accuracy_mv",
    "ZP Distribution (SL 1/2) FWHM / mV": "zeta_potential_fwhm_mv",
    "Mobility /?m/s/V/cm": "mobility_um_cm_per_v_s",
    "Mobility @ 25degC /?m/s/V/cm": "mobility_25c_um_cm_per_v_s",
    "Mobility Parabola Fit Accuracy /?m/s/V/cm": "mobility_fit_accuracy_um_cm_per_v_s",
    "Mobility Distribution (SL 1/2) FWHM /?m/s/V/cm": "mobility_fwhm_um_cm_per_v_s",
    "Mean Velocity (Derived from Parabola Fit) / ?m/s": "mean_velocity_um_per_s",
    "Average Field (abs) / V/cm": "field_v_per_cm",
    "ZP Factor": "zeta_potential_per_mobility",
    "Number of Traces": "tracks_used",
    "Average Number of Particles": "particles_per_frame",
    "Voltage": "voltage_v",
}
_REQUIRED = "Zeta Potential / mV"
_ROW_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProfileText:
    """The file as text, with its hash."""

    text: str
    source: SourceFile


def looks_like_profile(data: bytes) -> bool:
    """Tell whether the beginning of a file is that of a zeta potential profile.

    Takes bytes, since real profiles hold NUL characters (after the micro signs) and so do not pass for text.
    """
    text = decode(data)[0].replace("\r", "\n").lstrip("\ufeff \n\t")
    return (
        text.startswith("Original File:") and re.search(r"(?m)^Type of Measurement:\t\s*Profile\s*$", text) is not None
    )


def read_profile(path: Path) -> TableMeasurement:
    """Read a ZetaView zeta potential profile.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    TableMeasurement
        Kind ``"zeta_potential_profile"``; columns position (share of the cell's depth) and the apparent zeta
        potential, electro-osmosis included, at positive and negative voltage, their average, and the vendor's
        parabola. Values: the vendor's results with the signs of the file, and the settings.

    Raises
    ------
    UnreadableFile
        When it is no such file or a number in it cannot be read.
    """
    file = _load(path)
    lines = file.text.split("\n")
    section = next((i for i, line in enumerate(lines) if line.strip() == SECTION), None)
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if section is None or not lines[first].startswith("Original File:"):
        raise UnreadableFile(
            path,
            where="whole file",
            expected=f"'Original File:' first and a section {SECTION!r}",
            found=repr(lines[first][:80]),
            remedy=EXPORT_AGAIN,
        )
    extra = next((i for i in range(first + 1, len(lines)) if lines[i].startswith("Original File:")), None)
    if extra is not None:
        raise UnreadableFile(
            path,
            where=f"line {extra + 1}",
            expected="one profile in a file",
            found="a second header",
            remedy="Split the file before each 'Original File:'.",
        )
    header = parse_header(path, numbered(lines, first, section))
    metadata = header.metadata() | {f"Check: {key}": text for key, text in flags(header).items()}
    header = replace(header, fields={_ascii(k): f for k, f in header.fields.items()})
    warnings = list(header_warnings(header))
    rows = _rows(header, lines, section + 1)
    values = _values(header, warnings)
    warnings.extend(_check(header, rows, values))
    return TableMeasurement(
        kind="zeta_potential_profile",
        reader="zetaview_profile",
        instrument="ZetaView",
        software=header.software,
        source=file.source,
        table=pl.DataFrame({name: rows[:, i] for i, name in enumerate(_NAMES)}),
        values=values,
        metadata=metadata,
        warnings=tuple(warnings),
    )


def _load(path: Path) -> _ProfileText:
    """Load the text without the NUL that the software writes after each micro sign of a unit."""
    try:
        plain = load_text(path, max_bytes=MAX_BYTES)
    except UnreadableFile as error:
        if error.found != "binary data":
            raise
    else:
        return _ProfileText(text=plain.text.replace("\x00", ""), source=plain.source)
    data = path.read_bytes()
    text = decode(data)[0].replace("µ\x00m/s", "µm/s")
    if "\x00" in text or not text.strip():
        raise UnreadableFile(path, where="whole file", expected="text", found="binary data", remedy=EXPORT_AGAIN)
    source = SourceFile(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    return _ProfileText(text=text.replace("\r\n", "\n").replace("\r", "\n"), source=source)


def _ascii(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]+|mu(?=m/s)", "?", text)


def _rows(header: Header, lines: list[str], start: int) -> FloatArray:
    kept = [(n, line.split("\t")) for n, line in numbered(lines, start, len(lines)) if line.strip()]
    if not kept or tuple(c.strip() for c in kept[0][1][: len(_TITLES)]) != _TITLES:
        raise header.error(start + 1, expected=f"the titles {', '.join(_TITLES)}", found=lines[start] if kept else "")
    if not 3 <= len(kept) - 1 <= _ROW_LIMIT:
        raise header.error(kept[-1][0], expected="at least 3 positions below the titles", found=f"{len(kept) - 1}")
    rows = np.empty((len(kept) - 1, len(_TITLES)))
    for i, (line, cells) in enumerate(kept[1:]):
        # The title row has a sixth column, ZP, that has no cells in any real profile at hand.
        if len(cells) not in {len(_TITLES), len(_TITLES) + 1}:
            raise header.error(line, expected=f"{len(_TITLES)} cells", found="\t".join(cells))
        for j, cell in enumerate(cells[: len(_TITLES)]):
            value = parse_number(cell, decimal_comma=bool(header.decimal_comma))
            if value is None or abs(value) > 1e12:
                mark = "comma" if header.decimal_comma else "point"
                raise header.error(line, column=j + 1, expected=f"a number with decimal {mark}", found=cell)
            rows[i, j] = value + 0.0  # the software prints -0.000E+0
    return rows


def _values(header: Header, warnings: list[ReadWarning]) -> dict[str, float]:
    if header.number(_REQUIRED, warnings) is None:
        raise UnreadableFile(
            header.path,
            where="header",
            expected=f"a number after {_REQUIRED + ':'!r}",
            found=repr(header.text(_REQUIRED)),
            remedy=EXPORT_AGAIN,
        )
    numbers = {name: header.number(key, warnings) for key, name in _VALUES.items()}
    values = {name: number for name, number in numbers.items() if number is not None}
    values |= conditions(header, warnings)
    values |= _parabola(header)
    correction_warning(header, warnings)
    dilution = dilution_factor(header, warnings)
    if dilution is not None:
        values["dilution_factor"] = dilution
    return values


def _parabola(header: Header) -> dict[str, float]:
    """Parse ``zp = a*x^2 + b*x + c``."""
    number = r"([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)"
    match = re.fullmatch(rf"zp = {number}\*x\^2 \+ {number}\*x \+ {number}", header.text("Parabola"))
    if not match:
        return {}
    parsed = [parse_number(g, decimal_comma=bool(header.decimal_comma)) for g in match.groups()]
    names = ("parabola_a_mv", "parabola_b_mv", "parabola_c_mv")
    return {name: value for name, value in zip(names, parsed, strict=True) if value is not None and abs(value) < 1e12}


def _check(header: Header, rows: FloatArray, values: Mapping[str, float]) -> Iterator[ReadWarning]:
    yield ReadWarning(
        code="inferred-unit",
        message="The profile's columns state no unit; mV is inferred from 'ZP Profile' and 'Parabola: zp'.",
    )
    nil = int((rows[:, 1:3] == 0).sum())
    if nil:
        yield ReadWarning(
            code="nil-in-profile",
            message=f"{nil} of {2 * len(rows)} profile values are exactly zero, which looks like no particle "
            "tracked at that voltage; the vendor's Average counts them as measured zeros.",
        )
    yield from _check_rows(header, rows, values)
    zeta, mobility = values["zeta_potential_mv"], values.get("mobility_um_cm_per_v_s")
    factor = values.get("zeta_potential_per_mobility")
    # Smoluchowski: zeta = factor * mobility; all are printed with 6 decimals.
    if (
        mobility is not None
        and factor is not None
        and abs(mobility * factor - zeta) > 1e-6 * (2 + abs(mobility) + abs(factor))
    ):
        yield ReadWarning(
            code="vendor-disagrees",
            where=f"line {header.fields[_REQUIRED].line}",
            message=f"The zeta potential is stated as {zeta:g} mV; mobility times ZP Factor gives "
            f"{mobility * factor:g} mV.",
        )


def _check_rows(header: Header, rows: FloatArray, values: Mapping[str, float]) -> Iterator[ReadWarning]:
    largest = np.abs(rows[:, 1:]).max()
    tolerance = 2e-3 * largest + 1e-9  # cells have 4 digits
    where = f"after line {header.fields[_REQUIRED].line}"
    if np.any(np.abs(rows[:, 1:3].mean(axis=1) - rows[:, 3]) > tolerance):
        yield ReadWarning(
            code="vendor-disagrees",
            where=where,
            message="Average is not the mean of the values at positive and negative voltage.",
        )
    coefficients = [values.get(k) for k in ("parabola_a_mv", "parabola_b_mv", "parabola_c_mv")]
    if None in coefficients:
        return
    curve = np.polyval(np.array(coefficients, dtype=np.float64), rows[:, 0])
    slope = 1e-3 * (abs(coefficients[0] or 0) + abs(coefficients[1] or 0))  # positions have 4 digits
    if np.any(np.abs(curve - rows[:, 4]) > tolerance + slope):
        yield ReadWarning(
            code="vendor-disagrees", where=where, message="Parabola Fit does not follow the stated parabola."
        )
