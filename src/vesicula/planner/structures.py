"""Which steps a protocol may have, one after another, and which of their settings are free.

Ranges of settings are those in common use [from memory, unchecked], and no claim: a plan outside them is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from vesicula.core.errors import AnalysisError
from vesicula.isolation.rotors import Rotor
from vesicula.planner.lab import Lab, Membrane

StepText = dict[str, Any]
RESUSPEND_ML = (0.2, 2.0)
FRACTIONS = 12
RECIPES = {"5/10/20/40": (5, 10, 20, 40), "5/15/25/35": (5, 15, 25, 35), "10/20/30/45": (10, 20, 30, 45)}
"""Iodixanol, % w/v, from the top."""

STRUCTURES: tuple[tuple[str, ...], ...] = (
    ("uc",), ("tff", "uc"), ("cushion",), ("uc", "cushion"), ("tff", "cushion"), ("uc", "gradient"),
    ("uf", "gradient"), ("tff", "gradient"), ("uf",), ("tff",), ("sec",), ("uf", "sec"), ("tff", "sec"),
    ("tff", "uf", "sec"), ("uc", "sec"), ("peg",), ("peg", "uc"), ("peg", "sec"), ("immuno",), ("tff", "immuno"),
    ("tff", "sec", "immuno"),
)  # fmt: skip
"""Each begins with an optional removal of cells and debris."""
WORDS = {
    "uc": "ultracentrifugation", "cushion": "sucrose cushion", "gradient": "iodixanol gradient",
    "uf": "ultrafiltration", "tff": "TFF", "sec": "SEC", "peg": "PEG", "immuno": "immunoaffinity",
}  # fmt: skip


class Chooser(Protocol):
    """Who sets what is free: an optimiser, or a test."""

    def number(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number within [low, high]."""

    def whole(self, name: str, low: int, high: int) -> int:
        """Return a whole number within [low, high]."""

    def choice(self, name: str, options: Sequence[str]) -> str:
        """Return one of the options."""


class Making(NamedTuple):
    """What a block of steps is made from: who chooses, what is there, the volume that comes in, the hours allowed."""

    choose: Chooser
    lab: Lab
    volume_ml: float
    hours: float


_Made = tuple[list[StepText], float]


def structure_name(structure: Sequence[str]) -> str:
    """Return the structure in words."""
    return " + ".join(WORDS[block] for block in structure)


def steps_of(structure: Sequence[str], choose: Chooser, lab: Lab, volume_ml: float, hours: float) -> list[StepText]:
    """Return the steps of a protocol, as they stand in its file.

    Parameters
    ----------
    structure : sequence of str
        One of `STRUCTURES`.
    choose : Chooser
        Sets what is free.
    lab : Lab
        What is there.
    volume_ml, hours : float
        Of the feed; allowed, which bounds the longest single step.

    Raises
    ------
    AnalysisError
        When the laboratory cannot do it.
    """
    steps: list[StepText] = []
    for block in ("clear", *structure):
        made, volume_ml = BLOCKS[block](Making(choose, lab, volume_ml, hours))
        steps += made
    return steps


def missing(structure: Sequence[str], lab: Lab) -> str:
    """Return what the laboratory lacks for a structure; empty when it lacks nothing."""
    needs = {
        "uc": ("a rotor", bool(lab.rotors)),
        "cushion": ("a swing-out rotor", bool(lab.swing_out())),
        "gradient": ("a swing-out rotor", bool(lab.swing_out())),
        "uf": ("a centrifugal ultrafilter", bool(lab.of_kind("uf"))),
        "tff": ("a TFF membrane", bool(lab.of_kind("tff"))),
        "sec": ("a column", bool(lab.columns)),
        "peg": ("PEG", lab.peg),
        "immuno": ("capture beads", bool(lab.capture)),
    }
    lacking = [needs[block][0] for block in structure if not needs[block][1]]
    return ", ".join(dict.fromkeys(lacking))


def _clear(m: Making) -> _Made:
    steps: list[StepText] = []
    volume = m.volume_ml
    spins = [s for s in ((2000, 20), (10000, 30)) if _slow_rotor(m.lab, s[0]) is not None]
    options = ["none", *(f"{g} g" for g, _ in spins)]
    upto = m.choose.choice("clear.spin", options)
    for g, minutes in spins[: options.index(upto)]:
        rotor = _slow_rotor(m.lab, g)
        spin = {"rotor": rotor, "rcf_g": g, "at": "r_max", "minutes": minutes, "keep": "supernatant"}
        steps.append({"label": f"debris off, {g} g", "centrifuge": spin})
        volume *= 0.995
    filters = m.lab.of_kind("sterile")
    chosen = m.choose.choice("clear.filter", ["none", *(f.name for f in filters)])
    steps += [{"label": f"filter {f.name}", "filter": {"pore_nm": f.pore_nm}} for f in filters if f.name == chosen]
    return steps, volume


def _slow_rotor(lab: Lab, rcf_g: float) -> str | None:
    """Return the roomiest rotor that reaches a force at its largest radius."""
    able = [r for r in lab.rotors.values() if r.rcf_g(r.max_rpm, at="r_max") >= rcf_g]
    return max(able, key=lambda r: (r.tube_ml * r.tubes, r.name)).name if able else None


def _rpm(m: Making, block: str, rotor: Rotor) -> float:
    # Speeds are set in steps of 100; a whole step below the limit where it is no multiple of 100.
    share = m.choose.number(f"{block}.speed", 0.3, 1.0)
    return max(100.0, float(int(share * rotor.max_rpm / 100.0 + 1e-9)) * 100.0)


def _rotor(m: Making, block: str, among: dict[str, Rotor]) -> Rotor:
    return among[m.choose.choice(f"{block}.rotor", sorted(among))]


def _uc(m: Making) -> _Made:
    rotor = _rotor(m, "uc", m.lab.rotors)
    rpm = _rpm(m, "uc", rotor)
    minutes = _tidy(m.choose.number("uc.minutes", 20, max(30, min(360, 60 * m.hours)), log=True), 0)
    washes = m.choose.whole("uc.washes", 0, 2)
    resuspend = _tidy(m.choose.number("uc.resuspend_ml", *RESUSPEND_ML, log=True), 2)
    spin = {"rotor": rotor.name, "rpm": rpm, "minutes": minutes, "keep": "pellet", "resuspend_ml": resuspend}
    if washes:
        spin["washes"] = washes
    g = rotor.rcf_g(rpm, at="r_max")
    label = f"UC {g:,.0f} g, {minutes:g} min" + (f", {washes} washed" if washes else "")
    return [{"label": label, "centrifuge": spin}], resuspend


def _kept(m: Making, block: str, n: int) -> list[int]:
    first = m.choose.whole(f"{block}.first", 1, n)
    count = m.choose.whole(f"{block}.count", 1, 6)
    return list(range(first, min(n, first + count - 1) + 1))


def _layered(m: Making, block: str, *, layers: list[dict[str, float]], rotor: Rotor, extra: StepText) -> _Made:
    hours = _tidy(m.choose.number(f"{block}.hours", 1, max(1.5, min(18, m.hours)), log=True), 1)
    keep: list[int | str] = list(_kept(m, block, FRACTIONS))
    if m.choose.choice(f"{block}.pellet", ["left", "kept"]) == "kept":
        keep.append("pellet")
    rpm = _rpm(m, block, rotor)
    body = {"rotor": rotor.name, "rpm": rpm, "hours": hours, **extra, "layers": layers,
            "fractions": FRACTIONS, "keep": keep}  # fmt: skip
    room = rotor.tube_ml - sum(layer["volume_ml"] for layer in layers)
    if m.volume_ml > room * rotor.tubes:
        raise AnalysisError(f"{WORDS[block]}: {m.volume_ml:.3g} mL do not fit on the layers in {rotor.name}")
    kept_ml = len(keep) / FRACTIONS * rotor.tube_ml
    shown = ", ".join(map(str, keep))
    label = f"{WORDS[block]}, {rotor.name}, {rpm:g} rpm, {hours:g} h, fractions {shown}"
    return [{"label": label, "gradient": body}], kept_ml


def _cushion(m: Making) -> _Made:
    rotor = _rotor(m, "cushion", m.lab.swing_out())
    percent = _tidy(m.choose.number("cushion.percent", 15, 55), 0)
    share = m.choose.number("cushion.share", 0.08, 0.4)
    layers = [{"percent": percent, "volume_ml": _tidy(share * rotor.tube_ml, 2)}]
    return _layered(m, "cushion", layers=layers, rotor=rotor, extra={"solute": "sucrose"})


def _gradient(m: Making) -> _Made:
    rotor = _rotor(m, "gradient", m.lab.swing_out())
    recipe = RECIPES[m.choose.choice("gradient.recipe", sorted(RECIPES))]
    each = _tidy(0.9 * rotor.tube_ml / len(recipe), 2)
    layers = [{"percent": float(p), "volume_ml": each} for p in recipe]
    load = m.choose.choice("gradient.load", ["top", "bottom"])
    return _layered(m, "gradient", layers=layers, rotor=rotor, extra={"solute": "iodixanol", "load": load})


def _membrane(m: Making, kind: str) -> Membrane:
    among = {f.name: f for f in m.lab.of_kind(kind)}
    return among[m.choose.choice(f"{kind}.membrane", sorted(among))]


def _ultrafilter(kind: str, factors: tuple[float, float]) -> Callable[[Making], _Made]:
    def make(m: Making) -> _Made:
        membrane = _membrane(m, kind)
        factor = m.choose.number(f"{kind}.factor", *factors, log=True)
        to_ml = _tidy(max(0.1, m.volume_ml / factor), 2)
        body: StepText = {"cutoff_kda": membrane.cutoff_kda, "concentrate_to_ml": min(to_ml, m.volume_ml)}
        diavolumes = m.choose.whole(f"{kind}.diavolumes", 0, 10)
        if diavolumes:
            body["diavolumes"] = diavolumes
        if membrane.area_cm2 is not None:
            body["area_cm2"] = membrane.area_cm2
        label = f"{membrane.name} to {body['concentrate_to_ml']:g} mL, {diavolumes} diavolumes"
        return [{"label": label, kind: body}], body["concentrate_to_ml"]

    return make


def _sec(m: Making) -> _Made:
    chosen = m.lab.columns[m.choose.choice("sec.column", sorted(m.lab.columns))]
    fraction_ml = _tidy(chosen.bed_ml / 20.0, 3)
    first = m.choose.whole("sec.first", 5, 16)
    keep = list(range(first, first + m.choose.whole("sec.count", 1, 8)))
    runs = -(-m.volume_ml // chosen.load_ml)
    label = f"SEC {chosen.name}, fractions {keep[0]}-{keep[-1]}"
    body = {"column": chosen.name, "keep": keep, "fraction_ml": fraction_ml}
    return [{"label": label, "sec": body}], len(keep) * fraction_ml * runs


def _peg(m: Making) -> _Made:
    percent = _tidy(m.choose.number("peg.percent", 4, 14), 1)
    hours = _tidy(m.choose.number("peg.hours", 1, max(1.5, min(16, m.hours)), log=True), 1)
    resuspend = _tidy(m.choose.number("peg.resuspend_ml", 0.5, 25, log=True), 1)
    body = {"percent": percent, "peg_kda": 6, "hours": hours, "resuspend_ml": resuspend}
    return [{"label": f"PEG 6000, {percent:g} %, {hours:g} h", "precipitation": body}], resuspend


def _immuno(m: Making) -> _Made:
    marker = m.choose.choice("immuno.marker", sorted(m.lab.capture))
    beads = float(f"{m.choose.number('immuno.beads_per_ml', 1e6, 1e9, log=True):.2g}")
    hours = _tidy(m.choose.number("immuno.hours", 1, max(1.5, min(16, m.hours)), log=True), 1)
    body = {"marker": marker, "beads_per_ml": beads, "hours": hours, "elute_ml": 0.1}
    return [{"label": f"capture by {marker}, {beads:.2g} beads/mL, {hours:g} h", "immunoaffinity": body}], 0.1


def _tidy(value: float, digits: int) -> float:
    return round(float(value), digits)


BLOCKS: dict[str, Callable[[Making], _Made]] = {
    "clear": _clear, "uc": _uc, "cushion": _cushion, "gradient": _gradient,
    "uf": _ultrafilter("uf", (2, 300)), "tff": _ultrafilter("tff", (2, 100)),
    "sec": _sec, "peg": _peg, "immuno": _immuno,
}  # fmt: skip
