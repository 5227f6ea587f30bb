"""Rotors by their geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.isolation.plain_yaml import Entry, parse_yaml

STANDARD_GRAVITY = 9.80665  # m/s2, exact by definition
At = Literal["r_min", "r_av", "r_max"]
RADII: tuple[At, ...] = ("r_min", "r_av", "r_max")
KEYS = (
    "kind", "r_min_mm", "r_max_mm", "bore_mm", "angle_deg", "max_rpm", "tube_ml", "tubes",
    "source", "sureness", "geometry_read",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotor:
    """A rotor.

    Parameters
    ----------
    name : str
        As the maker calls it.
    kind : {"swing-out", "fixed-angle"}
        How the tubes hang.
    r_min_mm, r_max_mm : float
        From the axis to the top and the bottom of the liquid in a full tube.
    bore_mm : float
        Inner diameter of the tube.
    angle_deg : float
        Of a fixed-angle tube to the axis of rotation; 0 for a swing-out rotor.
    max_rpm : float
        Limit of speed.
    tube_ml : float
        Liquid per tube.
    tubes : int
        Places.
    source, sureness : str
        Where the geometry comes from; ``"H"``, ``"M"`` or ``"L"``.
    geometry_read : bool
        Whether it was read there, or recalled.
    """

    name: str
    kind: Literal["swing-out", "fixed-angle"]
    r_min_mm: float
    r_max_mm: float
    bore_mm: float
    angle_deg: float
    max_rpm: float
    tube_ml: float
    tubes: int
    source: str
    sureness: str
    geometry_read: bool

    def __post_init__(self) -> None:
        if not 0 < self.r_min_mm < self.r_max_mm:
            raise AnalysisError(f"rotor {self.name}: 0 < r_min_mm < r_max_mm is needed")
        if min(self.bore_mm, self.max_rpm, self.tube_ml, self.tubes) <= 0:
            raise AnalysisError(f"rotor {self.name}: bore_mm, max_rpm, tube_ml and tubes must be positive")
        if self.kind == "fixed-angle" and not 0 < self.angle_deg < 90:
            raise AnalysisError(f"rotor {self.name}: a fixed-angle rotor needs angle_deg between 0 and 90")

    @property
    def r_av_mm(self) -> float:
        """Mean of the smallest and the largest radius."""
        return 0.5 * (self.r_min_mm + self.r_max_mm)

    @property
    def path_mm(self) -> float:
        """Longest way of sedimentation: r_max - r_min in a swing-out tube, bore / cos(angle) in a tilted one."""
        if self.kind == "swing-out":
            return self.r_max_mm - self.r_min_mm
        return self.bore_mm / float(np.cos(np.radians(self.angle_deg)))

    def radius_mm(self, at: At) -> float:
        """Return the radius that a force is stated at."""
        return {"r_min": self.r_min_mm, "r_av": self.r_av_mm, "r_max": self.r_max_mm}[at]

    def rcf_g(self, rpm: float, *, at: At) -> float:
        """Return the relative centrifugal force at a radius, w^2 r / g."""
        return float(angular_speed(rpm) ** 2 * self.radius_mm(at) * 1e-3 / STANDARD_GRAVITY)

    def rpm_for(self, rcf_g: float, *, at: At) -> float:
        """Return the speed that gives a force at a radius.

        Raises
        ------
        AnalysisError
            When the force is not positive, or the rotor may not turn so fast.
        """
        if not (np.isfinite(rcf_g) and rcf_g > 0):
            raise AnalysisError(f"rotor {self.name}: a force of {rcf_g} g is not possible; give a positive one")
        omega = np.sqrt(rcf_g * STANDARD_GRAVITY / (self.radius_mm(at) * 1e-3))
        return self.check_rpm(float(omega * 30.0 / np.pi))

    def check_rpm(self, rpm: float) -> float:
        """Return the speed, or raise `AnalysisError` when it is not positive or above the limit."""
        if not (np.isfinite(rpm) and rpm > 0):
            raise AnalysisError(f"rotor {self.name}: a speed of {rpm} rpm is not possible; give a positive one")
        if rpm > self.max_rpm * (1 + 1e-9):
            most = {at: self.rcf_g(self.max_rpm, at=at) for at in RADII}
            raise AnalysisError(
                f"rotor {self.name}: {rpm:.0f} rpm is above its limit of {self.max_rpm:.0f} rpm "
                f"({most['r_av']:.0f} g at r_av, {most['r_max']:.0f} g at r_max). Lower the speed or take another rotor"
            )
        return rpm


def angular_speed(rpm: float) -> float:
    """Return radians per second."""
    return rpm * np.pi / 30.0


@cache
def rotors() -> Mapping[str, Rotor]:
    """Return the packaged rotors by name."""
    return parse_rotors(files("vesicula.data").joinpath("rotors.yaml").read_text(encoding="utf-8"), name="rotors.yaml")


def rotor(name: str, extra: Mapping[str, Rotor] | None = None) -> Rotor:
    """Return a rotor by name; `extra` goes before the packaged ones.

    Raises
    ------
    AnalysisError
        When no rotor has that name; the message lists those that exist.
    """
    known = {**rotors(), **(extra or {})}
    if name not in known:
        raise AnalysisError(f"unknown rotor {name!r}. Known: {', '.join(known)}. Add yours with --rotors FILE")
    return known[name]


def parse_rotors(text: str, *, name: str) -> Mapping[str, Rotor]:
    """Parse a table of rotors in YAML; the packaged ``rotors.yaml`` shows the form.

    Raises
    ------
    UnreadableFile
        When an entry is not as described: file, line and key are named.
    """
    root = parse_yaml(text, name=name)
    return MappingProxyType({key: read_rotor(key, entry) for key, entry in root.mapping().items()})


def read_rotor(name: str, entry: Entry) -> Rotor:
    """Return one rotor from its entry."""
    required = ("kind", "r_min_mm", "r_max_mm", "bore_mm", "max_rpm", "tube_ml", "tubes")
    cells = entry.mapping(KEYS, required)
    kind = cells["kind"].text(("swing-out", "fixed-angle"))
    if kind == "fixed-angle":
        entry.mapping(KEYS, (*required, "angle_deg"))
    numbers = {key: cells[key].number(above=0) for key in required[1:]}
    if numbers["r_max_mm"] <= numbers["r_min_mm"]:
        raise cells["r_max_mm"].error(f"more than r_min_mm, {numbers['r_min_mm']:g}")
    return Rotor(
        name=name,
        kind=cast("Literal['swing-out', 'fixed-angle']", kind),
        r_min_mm=numbers["r_min_mm"],
        r_max_mm=numbers["r_max_mm"],
        bore_mm=numbers["bore_mm"],
        angle_deg=cells["angle_deg"].number(0, 89) if "angle_deg" in cells else 0.0,
        max_rpm=numbers["max_rpm"],
        tube_ml=numbers["tube_ml"],
        tubes=int(numbers["tubes"]),
        source=cells["source"].text() if "source" in cells else "given by the user",
        sureness=cells["sureness"].text(("H", "M", "L")) if "sureness" in cells else "L",
        geometry_read=cells["geometry_read"].boolean() if "geometry_read" in cells else False,
    )
