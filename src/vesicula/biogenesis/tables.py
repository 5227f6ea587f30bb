"""The tables of rates and of modulators that ship with the package, checked as they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from vesicula.biogenesis.model import Prior
from vesicula.core.errors import UnreadableFile

PARAMETER_COLUMNS = ("id", "value", "low", "high", "unit", "source", "sureness", "checked", "meaning")
MODULATOR_COLUMNS = (
    *("modulator", "parameter", "factor", "low", "high"),
    *("release", "source", "sureness", "checked", "evidence"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one modulator does to one parameter.

    Parameters
    ----------
    modulator, parameter : str
        Names.
    factor : Prior
        What the parameter is multiplied by.
    release : str
        What is said of exosome release: ``"up"``, ``"down"``, ``"uncertain"`` or ``"none"`` (this effect alone).
    evidence : str
        Row of the reviews' table of biogenesis: stage and machinery.
    """

    modulator: str
    parameter: str
    factor: Prior
    release: str
    evidence: str


@cache
def parameter_priors() -> Mapping[str, Prior]:
    """Return every parameter of secretion and uptake.

    Returns
    -------
    mapping of str to Prior
        By name, in the order of the table.

    Raises
    ------
    UnreadableFile
        When the table is damaged.
    """
    name = "biogenesis_parameters.tsv"
    found: dict[str, Prior] = {}
    for line, row in _rows(name, PARAMETER_COLUMNS):
        if row["id"] in found:
            raise _damaged(name, line, "a name that no row above has", row["id"])
        found[row["id"]] = _prior(name, line, row, row["value"], row["unit"])
    return MappingProxyType(found)


@cache
def effects() -> tuple[Effect, ...]:
    """Return what every modulator does, a row per parameter.

    Returns
    -------
    tuple of Effect
        In the order of the table.

    Raises
    ------
    UnreadableFile
        When the table is damaged or names a parameter that does not exist.
    """
    name = "biogenesis_modulators.tsv"
    found = []
    for line, row in _rows(name, MODULATOR_COLUMNS):
        if row["parameter"] not in parameter_priors():
            raise _damaged(name, line, "a parameter of biogenesis_parameters.tsv", row["parameter"])
        if row["release"] not in {"up", "down", "uncertain", "none"}:
            raise _damaged(name, line, "up, down, uncertain or none", row["release"])
        found.append(
            Effect(
                modulator=row["modulator"],
                parameter=row["parameter"],
                factor=_prior(name, line, row, row["factor"], "1"),
                release=row["release"],
                evidence=row["evidence"],
            )
        )
    return tuple(found)


def _rows(name: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        text = files("vesicula.data").joinpath(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(name, 0, "a table in UTF-8", str(error)) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(reader, [])
    if tuple(header) != columns:
        raise _damaged(name, 1, f"the columns {', '.join(columns)}", ", ".join(header))
    found = []
    for cells in reader:
        if len(cells) != len(columns):
            raise _damaged(name, reader.line_num, f"{len(columns)} cells", str(len(cells)))
        found.append((reader.line_num, dict(zip(columns, cells, strict=True))))
    return found


def _prior(name: str, line: int, row: dict[str, str], value: str, unit: str) -> Prior:
    try:
        return Prior(
            value=float(value),
            low=float(row["low"]),
            high=float(row["high"]),
            unit=unit,
            source=row["source"],
            sureness=row["sureness"],
            checked=row["checked"],
        )
    except ValueError as error:
        expected = "a value within its range, with sureness and how it was checked"
        raise _damaged(name, line, expected, str(error)) from error


def _damaged(name: str, line: int, expected: str, found: str) -> UnreadableFile:
    remedy = "The installation is damaged: install vesicula again."
    return UnreadableFile(f"vesicula/data/{name}", where=f"line {line}", expected=expected, found=found, remedy=remedy)
