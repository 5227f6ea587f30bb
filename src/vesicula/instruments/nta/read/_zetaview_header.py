"""The header of ZetaView's text exports: several pairs on a line, in the locale of the instrument's PC.

The layout was learned from sixteen exports of ZetaView 8.05.14, 8.05.16 and 8.06.01; the vendor publishes
none.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import ReadWarning
from vesicula.instruments.text import parse_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

EXPORT_AGAIN = "Export the file again from the ZetaView software and leave it unedited."

MAX_HEADER_LINES = 500
"""Real headers have 75 to 100 lines; the bound keeps a hostile file from filling memory."""

# Keys that follow another pair on the same line; any other cell ending in a colon is part of a value.
_INLINE = frozenset({"Section", "Analyze", "Average Number of Particles", "Dilution", "Profile Voltage"})

# Fields whose garbling or contradiction would make every number of the capture doubtful.
_CRITICAL = frozenset({"Number of Traces", "Dilution", "Median Number (D50)"})

# Fields that the software prints with a decimal mark. Free text (Sample, Remarks) does not tell the locale.
_DECIMAL = frozenset(
    {
        "pH",
        "Conductivity",
        "SetTemperature",
        "Temperature",
        "Viscosity",
        "Scattering Intensity",
        "Microscope Position",
        "Average Number of Particles",
        "Dilution",
        "Concentration Correction Factor",
        "Sensitivity",
        "Gain",
        "Offset",
        "Shutter",
        "Laser Wavelength nm",
        "Position",
        "SL1 (Stationary Layer 1)",
        "SL2 (Stationary Layer 2)",
        "Micrometer per Pixel",
        "Reference Electrode Distance",
        "Voltage",
        "Reference Voltage",
        "ZP Factor",
        "Median Number (D50)",
        "Median Concentration (D50)",
        "Median Volume (D50)",
        "Average Field (abs) / V/cm",
        "Zeta Potential / mV",
        "ZP Parabola Fit Accuracy / mV",
    }
)
_MARKED = re.compile(r"[+-]?\d+([.,])\d+(?:[eE][+-]?\d+)?")

_KNOWN_VERSIONS = ("8.05", "8.06")

# LabVIEW counts time from 1904-01-01 00:00 UTC; printed in local time the zero may fall on the day before.
_NEVER = ("1904-01-01", "1903-12-31")

_CHECKS = ("Particle Drift Checked", "Particle Drift Check Result", "Cell Checked", "Cell Check Result")

_CONDITIONS = {
    "Temperature": "temperature_c",
    "Viscosity": "viscosity_mpa_s",
    "Minimum Tracelength": "min_track_length",
    "Micrometer per Pixel": "um_per_px",
    "Laser Wavelength nm": "laser_wavelength_nm",
    "pH": "ph",
    # The file states no unit. PBS reads 14912, about the 15 mS/cm that PBS has, so it is uS/cm [inferred].
    "Conductivity": "conductivity_us_per_cm",
    "Positions": "positions",
    "Sensitivity": "camera_sensitivity",
    "Minimum Brightness": "minimum_brightness",
    "Minimum Area": "minimum_area_px",
    "Maximum Area": "maximum_area_px",
    "Concentration Correction Factor": "concentration_correction_factor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """One pair: where it stands and its cells, verbatim but for outer blanks."""

    line: int
    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        """The cells that are not empty, joined by blanks."""
        return " ".join(c for c in self.cells if c)

    @property
    def first(self) -> str:
        """First word of the first cell, where a number stands if the field is one."""
        words = self.cells[0].split(maxsplit=1) if self.cells else []
        return words[0] if words else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """All pairs of one export.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    fields : mapping of str to HeaderField
        By key, in the order of the file.
    decimal_comma : bool or None
        Whether its numbers have decimal commas; None when no field tells.
    """

    path: Path
    fields: Mapping[str, HeaderField]
    decimal_comma: bool | None

    def text(self, key: str) -> str:
        """Return a field's text; empty when the field is absent."""
        field = self.fields.get(key)
        return field.text if field else ""

    def number(self, key: str, warnings: list[ReadWarning]) -> float | None:
        """Return a field's number.

        Parameters
        ----------
        key : str
            The field.
        warnings : list of ReadWarning
            Receives a warning when the field holds something else than a number.

        Returns
        -------
        float or None
            None when the field is absent, blank, NaN or no number.

        Raises
        ------
        UnreadableFile
            When a field that everything depends on holds something else than a number.
        """
        field = self.fields.get(key)
        if field is None or field.first.lower() in {"", "nan"}:
            return None
        value = parse_number(field.first, decimal_comma=bool(self.decimal_comma))
        if value is not None:
            return value
        if key in _CRITICAL:
            raise self.error(field.line, expected=f"a number after {key + ':'!r}", found=field.text)
        warnings.append(
            ReadWarning(
                code="unreadable-field",
                where=f"line {field.line}",
                message=f"{key} is not a number ({field.text[:60]!r}) and is left out.",
            )
        )
        return None

    def error(self, line: int, *, expected: str, found: str, column: int | None = None) -> UnreadableFile:
        """Build the error for a place in this file."""
        where = f"line {line}" if column is None else f"line {line}, column {column}"
        return UnreadableFile(self.path, where=where, expected=expected, found=repr(found), remedy=EXPORT_AGAIN)

    @property
    def software(self) -> str:
        """Software and version as stated, such as ``"ZetaView (version 8.06.01 SP1)"``."""
        field = self.fields.get("Software")
        return field.cells[0] if field and field.cells else ""

    def metadata(self) -> dict[str, str]:
        """Return all fields, verbatim."""
        return {key: field.text for key, field in self.fields.items()}


def parse_header(path: Path, lines: Iterable[tuple[int, str]]) -> Header:
    """Parse the header of one export.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    lines : iterable of (int, str)
        Line number and line, up to the title row of the table.

    Returns
    -------
    Header
        Its pairs and its locale.

    Raises
    ------
    UnreadableFile
        When it is too long, contradicts itself, or mixes decimal points with decimal commas.
    """
    fields: dict[str, HeaderField] = {}
    last = ""
    for count, (number, line) in enumerate(lines):
        if count >= MAX_HEADER_LINES:
            raise UnreadableFile(
                path,
                where=f"line {number}",
                expected=f"a table within {MAX_HEADER_LINES} lines",
                found="a longer header",
                remedy=EXPORT_AGAIN,
            )
        pairs = _pairs(line)
        if not pairs and line.strip() and last:  # a remark of several lines
            old = fields[last]
            fields[last] = HeaderField(line=old.line, cells=(*old.cells, line.strip()))
        for key, cells in pairs:
            last = _store(path, fields, key, HeaderField(line=number, cells=cells))
    return Header(path=path, fields=fields, decimal_comma=_decimal_comma(path, fields))


def _pairs(line: str) -> list[tuple[str, tuple[str, ...]]]:
    cells = [c.strip() for c in line.split("\t")]
    key, colon, value = cells[0].partition(":")
    value = value.lstrip(":").strip()
    if not colon or not key.strip():
        return []
    pairs: list[tuple[str, list[str]]] = [(key.strip(), [value] if value else [])]
    for cell in cells[1:]:
        name = cell.rstrip(":").strip()
        if cell.endswith(":") and name in _INLINE:
            pairs.append((name, []))
        else:
            pairs[-1][1].append(cell)
    return [(name, tuple(values)) for name, values in pairs]


def _store(path: Path, fields: dict[str, HeaderField], key: str, field: HeaderField) -> str:
    known = fields.get(key)
    if known is not None and known.cells != field.cells:
        if key in _CRITICAL or key in _DECIMAL:
            raise UnreadableFile(
                path,
                where=f"line {field.line}",
                expected=f"{key!r} once, as in line {known.line}: {known.text[:40]!r}",
                found=f"another value, {field.text!r}",
                remedy=EXPORT_AGAIN,
            )
        key = f"{key} (line {field.line})"
    fields[key] = field
    return key


def _decimal_comma(path: Path, fields: Mapping[str, HeaderField]) -> bool | None:
    seen: dict[str, tuple[str, HeaderField]] = {}
    for key, field in fields.items():
        match = _MARKED.fullmatch(field.first) if key in _DECIMAL else None
        if match:
            seen.setdefault(match.group(1), (key, field))
    if len(seen) == 2:
        (point_key, point), (comma_key, comma) = seen["."], seen[","]
        raise UnreadableFile(
            path,
            where=f"line {max(point.line, comma.line)}",
            expected="one decimal mark in all fields",
            found=f"{point_key}: {point.first[:20]} but {comma_key}: {comma.first[:20]}",
            remedy=EXPORT_AGAIN,
        )
    return None if not seen else "," in seen


def conditions(header: Header, warnings: list[ReadWarning]) -> dict[str, float]:
    """Return the numeric settings under their standard names.

    Parameters
    ----------
    header : Header
        The header.
    warnings : list of ReadWarning
        Receives a warning for each field that is no number.

    Returns
    -------
    dict of str to float
        Standard keys of `vesicula.core.measurement.Capture`, and ZetaView's own settings beside them.
    """
    found: dict[str, float] = {}
    for key, name in _CONDITIONS.items():
        value = header.number(key, warnings)
        if value is not None:
            found[name] = value
    shutter = header.number("Shutter", warnings)
    # The unit is not stated. 1/s [inferred]: 100 ms would exceed the frame time of 33 ms, and the printed
    # 149.999925 is the reciprocal of 6.66667 ms.
    if shutter is not None and 1 <= shutter <= 1e6:
        found["shutter_ms"] = 1000 / shutter
    found.update(_camera(header))
    return found


def _camera(header: Header) -> dict[str, float]:
    """Parse ``FpSec 30 #Cycles 1 FRate 30.0``: frames per section (position), repeats, frames per second."""
    names = {"FpSec": "frames_per_position", "#Cycles": "camera_cycles", "FRate": "frame_rate_per_s"}
    words = header.text("Camera").split()
    found: dict[str, float] = {}
    for word, following in itertools.pairwise(words):
        value = parse_number(following, decimal_comma=bool(header.decimal_comma)) if word in names else None
        if value is not None:
            found[names[word]] = value
    return found


def flags(header: Header) -> dict[str, str]:
    """Return the instrument's checks of its cell and of drift, verbatim but for dates that mean never."""
    found: dict[str, str] = {}
    for key in _CHECKS:
        text = header.text(key)
        if text:
            found[key] = "never" if text.startswith(_NEVER) else text
    return found


def header_warnings(header: Header) -> Iterator[ReadWarning]:
    """Yield what the header alone has that the dossier must show."""
    if header.decimal_comma:
        yield ReadWarning(code="decimal-comma", message="Numbers are written with decimal commas; all fields agree.")
    version = re.search(r"version\s+(\S+)", header.software)
    if version is None or not version.group(1).startswith(_KNOWN_VERSIONS):
        stated = header.software[:60] or "none stated"
        yield ReadWarning(
            code="unknown-version",
            message=f"The layout is known from ZetaView {' and '.join(_KNOWN_VERSIONS)}; this file states {stated!r}.",
        )
    optics = header.fields.get("Filter Wavelength nm")
    if optics is not None and optics.text and optics.text.lower() != "scatter":
        yield ReadWarning(
            code="fluorescence-filter",
            where=f"line {optics.line}",
            message=f"Recorded through filter {optics.text[:40]!r}, not in scatter: counts are of labelled "
            "particles alone.",
        )


def correction_warning(header: Header, warnings: list[ReadWarning]) -> None:
    """Warn when the operator set a concentration correction factor other than 1."""
    factor = header.number("Concentration Correction Factor", warnings)
    if factor is not None and factor != 1:
        warnings.append(
            ReadWarning(
                code="concentration-correction",
                where=f"line {header.fields['Concentration Correction Factor'].line}",
                message=f"A concentration correction factor of {factor:g} is set on the instrument; the "
                "export does not say whether the stated concentrations include it. They are shown as stated.",
            )
        )


def dilution_factor(header: Header, warnings: list[ReadWarning]) -> float | None:
    """Return the dilution that the operator entered, or None with a warning.

    Parameters
    ----------
    header : Header
        The header.
    warnings : list of ReadWarning
        Receives ``missing-dilution`` or ``implausible-dilution``.

    Returns
    -------
    float or None
        Volume of the suspension measured over volume of sample in it; at least 1.

    Raises
    ------
    UnreadableFile
        When the field holds something else than a number.
    """
    value = header.number("Dilution", warnings)
    if value is not None and value >= 1:
        return value
    if value is None:
        warnings.append(
            ReadWarning(
                code="missing-dilution",
                message="No dilution is recorded: concentrations are of the suspension in the cell unless "
                "the manifest says.",
            )
        )
    else:
        warnings.append(
            ReadWarning(
                code="implausible-dilution",
                where=f"line {header.fields['Dilution'].line}",
                message=f"The recorded dilution of {value:g} is below 1 and is not used; state it in the manifest.",
            )
        )
    return None


def numbered(lines: list[str], start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Yield line numbers, from 1, with the lines of a slice."""
    for i in range(start, stop):
        yield i + 1, lines[i]
