"""Classes of particle: size, density, refractive index, markers and mass; each parameter with its source.

The table ``data/particle_classes.tsv`` has one row per class and parameter. ``sureness`` is H, M or L (high, middle,
low); ``checked`` says whether the source was read (``yes``) or recalled or estimated (``no``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.measurement import FloatArray

TABLE = "particle_classes.tsv"
COLUMNS = ("class", "parameter", "value", "low", "high", "unit", "source", "sureness", "checked")
GROUPS = ("vesicle", "nanoparticle", "medium", "lipoprotein", "protein")
MARKERS = ("CD9", "CD63", "CD81")
CARGO = "cargo copies of "
"""What the name of a parameter begins with that gives copies of a cargo molecule."""
REMEDY = "The table ships with vesicula: install it again, or correct the row."

WATER_G_PER_ML = 0.9982  # 20 C, Kell 1975
SOLIDS_G_PER_ML = 1.35
"""Density of the dry solutes of a lumen, mostly protein (1 / 0.73 to 0.74 mL/g) [from memory, unchecked]."""
ISOTONIC_MOSM = 290.0
"""Osmolality of plasma and of PBS, mosm per kg of water [from memory, unchecked]."""

_NUMBERS = (
    "median_nm",
    "geometric_sd",
    "low_nm",
    "high_nm",
    "shell_nm",
    "shell_density_g_per_ml",
    "core_density_g_per_ml",
    "density_sd_g_per_ml",
    "osmotic",
    "refractive_index",
    "protein_mass_fraction",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a class as the table gives it.

    Parameters
    ----------
    value : float
        Default.
    low, high : float or None
        Range, where one is known.
    unit, source, sureness : str
        Sureness is ``"H"``, ``"M"`` or ``"L"``.
    checked : bool
        Whether the source was read.
    """

    value: float
    low: float | None
    high: float | None
    unit: str
    source: str
    sureness: str
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerCopies:
    """Copies of a surface marker per particle: none, or log-normal.

    Parameters
    ----------
    positive_fraction : float
        Share of the particles that carry the marker at all.
    median_copies : float
        Median of the positive ones at the class's median diameter; it grows with the area, diameter squared.
    geometric_sd : float
        Of the copies.
    """

    positive_fraction: float
    median_copies: float
    geometric_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleClass:
    """A class of particle.

    Parameters
    ----------
    name : str
        Such as ``"exosome"``.
    group : str
        One of `GROUPS`.
    median_nm, geometric_sd, low_nm, high_nm : float
        Log-normal distribution of the number by diameter, cut at both ends.
    shell_nm, shell_density_g_per_ml, core_density_g_per_ml : float
        Core-shell model of the density in an isotonic medium; shell 0 for a particle of one stuff.
    density_sd_g_per_ml : float
        Spread of the density between particles of one diameter.
    osmotic : bool
        Whether the core is a lumen that loses water to an impermeant solute.
    refractive_index : float
        Effective, visible light.
    protein_mass_fraction : float
        Protein in the particle's (hydrated) mass.
    apob_da : float
        Mass of apolipoprotein B per particle, 0 where there is none.
    markers : mapping of str to MarkerCopies
        Markers that the class carries.
    cargo : mapping of str to float
        Mean copies of a cargo molecule per particle at the median diameter; it grows with the volume of the core.
    parameters : mapping of str to Parameter
        All of the above with range, source and sureness.
    """

    name: str
    group: str
    median_nm: float
    geometric_sd: float
    low_nm: float
    high_nm: float
    shell_nm: float
    shell_density_g_per_ml: float
    core_density_g_per_ml: float
    density_sd_g_per_ml: float
    osmotic: bool
    refractive_index: float
    protein_mass_fraction: float
    apob_da: float = 0.0
    markers: Mapping[str, MarkerCopies] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    cargo: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(not (np.isfinite(c) and c >= 0) for c in self.cargo.values()):
            raise ValueError(f"{self.name}: copies of cargo must be finite and not negative")
        if not (0 < self.low_nm < self.high_nm and self.geometric_sd > 1 and self.median_nm > 0):
            raise ValueError(f"{self.name}: 0 < low_nm < high_nm, median_nm > 0 and geometric_sd > 1 are needed")
        if min(self.shell_density_g_per_ml, self.core_density_g_per_ml) <= 0 or self.density_sd_g_per_ml < 0:
            raise ValueError(f"{self.name}: densities must be positive, their spread not negative")
        if not 0 <= self.protein_mass_fraction <= 1:
            raise ValueError(f"{self.name}: protein_mass_fraction must lie between 0 and 1")

    def core_share(self, diameter_nm: FloatArray) -> FloatArray:
        """Return the volume share of the core, (1 - 2 h / d)^3, by diameter."""
        return np.clip(1.0 - 2.0 * self.shell_nm / np.asarray(diameter_nm, dtype=np.float64), 0.0, 1.0) ** 3

    def cargo_copies(self, molecule: str, diameter_nm: FloatArray) -> FloatArray:
        """Return the mean copies of a cargo molecule by diameter, in proportion to the core; 0 if not carried."""
        d = np.asarray(diameter_nm, dtype=np.float64)
        median = self.core_share(np.array([self.median_nm]))[0] * self.median_nm**3
        return np.asarray(self.cargo.get(molecule, 0.0) * self.core_share(d) * d**3 / median)

    def density_g_per_ml(self, diameter_nm: FloatArray) -> FloatArray:
        """Return the mean density by diameter in an isotonic medium (core-shell, volume weighted)."""
        core = self.core_share(diameter_nm)
        return self.shell_density_g_per_ml * (1.0 - core) + self.core_density_g_per_ml * core

    def lumen_water_share(self) -> float:
        """Return the volume share of water in the lumen when isotonic; 0 where there is no lumen."""
        if not self.osmotic:
            return 0.0
        solids = (self.core_density_g_per_ml - WATER_G_PER_ML) / (SOLIDS_G_PER_ML - WATER_G_PER_ML)
        return float(np.clip(1.0 - solids, 0.0, 1.0))

    def shrinkage(self, diameter_nm: FloatArray, osmolality_mosm: FloatArray | float) -> FloatArray:
        """Return the share of the particle's volume that is lost as water in a medium.

        Boyle-van 't Hoff: the lumen's water scales as isotonic / outer osmolality. A hypotonic medium changes nothing
        (a closed membrane hardly stretches).

        Parameters
        ----------
        diameter_nm : numpy.ndarray
            Isotonic diameter.
        osmolality_mosm : float or numpy.ndarray
            Impermeant osmolality outside; broadcast against the diameter.

        Returns
        -------
        numpy.ndarray
            Between 0 and the water's share of the volume.
        """
        kept = np.minimum(1.0, ISOTONIC_MOSM / np.maximum(osmolality_mosm, 1e-9))
        return self.core_share(diameter_nm) * self.lumen_water_share() * (1.0 - kept)


@cache
def particle_classes() -> Mapping[str, ParticleClass]:
    """Return the packaged classes by name, in the order of the table.

    Raises
    ------
    UnreadableFile
        When the table is malformed.
    """
    return parse_particle_classes(files("vesicula.data").joinpath(TABLE).read_text(encoding="utf-8"))


def particle_class(name: str) -> ParticleClass:
    """Return a packaged class.

    Raises
    ------
    AnalysisError
        When no class has that name; the message lists those that exist.
    """
    known = particle_classes()
    if name not in known:
        raise AnalysisError(f"unknown particle class {name!r}. Known: {', '.join(known)}")
    return known[name]


def parse_particle_classes(text: str, *, name: str = TABLE) -> Mapping[str, ParticleClass]:
    """Parse a table of classes.

    Parameters
    ----------
    text : str
        Tab-separated, with a header of `COLUMNS`.
    name : str
        Name of the table, for messages.

    Returns
    -------
    mapping of str to ParticleClass
        In the order of the table.

    Raises
    ------
    UnreadableFile
        When a header, cell or class is not as described.
    """
    rows = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise _error(name, 1, f"the header {', '.join(COLUMNS)}", "\t".join(rows[0]) if rows else "nothing")
    groups: dict[str, str] = {}
    found: dict[str, dict[str, Parameter]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise _error(name, line, f"{len(COLUMNS)} cells", str(len(row)))
        cls, parameter = row[0], row[1]
        if not row[6] or row[7] not in ("H", "M", "L") or row[8] not in ("yes", "no"):
            raise _error(name, line, "a source, a sureness (H, M, L) and checked (yes, no)", " | ".join(row[6:]))
        if parameter == "group":
            if row[2] not in GROUPS:
                raise _error(name, line, f"one of {', '.join(GROUPS)}", row[2])
            groups[cls] = row[2]
            continue
        if parameter in found.setdefault(cls, {}):
            raise _error(name, line, "each parameter once per class", f"{cls}: {parameter} again")
        found[cls][parameter] = _parameter(row, name, line)
    return MappingProxyType({cls: _assemble(cls, groups, values, name) for cls, values in found.items()})


def _parameter(row: list[str], name: str, line: int) -> Parameter:
    value, low, high = (_number(cell, name, line) for cell in row[2:5])
    if value is None:
        raise _error(name, line, "a value", "an empty cell")
    return Parameter(
        value=value, low=low, high=high, unit=row[5], source=row[6], sureness=row[7], checked=row[8] == "yes"
    )


def _number(cell: str, name: str, line: int) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        raise _error(name, line, "a number", cell) from None
    if not np.isfinite(value):
        raise _error(name, line, "a finite number", cell)
    return value


def _assemble(cls: str, groups: dict[str, str], values: dict[str, Parameter], name: str) -> ParticleClass:
    missing = [n for n in _NUMBERS if n not in values]
    if cls not in groups or missing:
        raise _error(name, 0, f"{cls}: a group and all parameters", f"without {', '.join(missing) or 'group'}")
    numbers = {n: values[n].value for n in _NUMBERS if n != "osmotic"}
    markers = {
        m: MarkerCopies(
            positive_fraction=values[f"{m}_positive_fraction"].value,
            median_copies=values[f"{m}_copies_median"].value,
            geometric_sd=values[f"{m}_copies_gsd"].value,
        )
        for m in MARKERS
        if f"{m}_positive_fraction" in values
    }
    try:
        return ParticleClass(
            name=cls,
            group=groups[cls],
            osmotic=bool(values["osmotic"].value),
            apob_da=values["apob_da"].value if "apob_da" in values else 0.0,
            markers=MappingProxyType(markers),
            cargo=MappingProxyType({n.removeprefix(CARGO): v.value for n, v in values.items() if n.startswith(CARGO)}),
            parameters=MappingProxyType(values),
            **numbers,
        )
    except ValueError as error:
        raise _error(name, 0, "a class that is possible", str(error)) from None


def _error(name: str, line: int, expected: str, found: str) -> UnreadableFile:
    where = f"line {line}" if line else "whole file"
    return UnreadableFile(name, where=where, expected=expected, found=found, remedy=REMEDY)
