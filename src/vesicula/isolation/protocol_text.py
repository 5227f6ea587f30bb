"""Protocols written in YAML: read here, run by `vesicula.isolation.protocol`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from vesicula.core.errors import AnalysisError
from vesicula.core.particle_class import MARKERS, particle_classes
from vesicula.core.population import mixed_population
from vesicula.isolation import filtration, microfluidics
from vesicula.isolation.balance import Fraction, Outcome, part
from vesicula.isolation.centrifuge import Run, centrifuge, run_at
from vesicula.isolation.fluids import MEDIA, Medium, medium
from vesicula.isolation.gradient import Layer, density_gradient
from vesicula.isolation.immunoaffinity import immunocapture
from vesicula.isolation.plain_yaml import Entry, parse_yaml
from vesicula.isolation.precipitation import precipitate
from vesicula.isolation.protocol import ProtocolResult, Step, run_protocol
from vesicula.isolation.rotors import RADII, At, Rotor, rotor
from vesicula.isolation.sec import Column, column, size_exclusion

ROOT_KEYS = ("vesicula_protocol", "name", "feed", "target", "steps")
FEED_KEYS = ("volume_ml", "preset", "particles", "medium")


class Bounds(NamedTuple):
    """Least, most (inclusive) and exclusive least value of a number."""

    low: float | None = None
    high: float | None = None
    above: float | None = None


POSITIVE, SHARE, PLAIN = Bounds(low=1e-6, high=1e6), Bounds(low=0, high=1), Bounds(low=0, high=1e6)
# Bounds of what can be in a laboratory; they also keep every product of numbers finite.
VOLUME_ML, COUNT = Bounds(low=1e-4, high=1e7), Bounds(low=0, high=1e20)
MAX_WASHES, MAX_FRACTIONS, MAX_STEPS = 20, 500, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """A user's own rotors and columns, which go before the packaged ones."""

    rotors: Mapping[str, Rotor] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol that has been read.

    Parameters
    ----------
    name : str
        Its name.
    feed : Fraction
        What it begins with.
    medium : str
        What that is in.
    target : tuple of str
        Wanted classes.
    steps : tuple of Step
        In order.
    stated : frozenset of str
        Classes whose number the file itself states; the others come from a packaged feed.
    """

    name: str
    feed: Fraction
    medium: str
    target: tuple[str, ...]
    steps: tuple[Step, ...]
    stated: frozenset[str] = frozenset()

    def run(self) -> ProtocolResult:
        """Run it."""
        return run_protocol(self.name, self.feed, self.steps, target=self.target, medium=self.medium)


class _Context(NamedTuple):
    cells: Mapping[str, Entry]
    equipment: Equipment
    numbers: dict[str, float]
    device: str = ""


_Make = Callable[[_Context, Fraction, str], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Method:
    make: _Make
    numbers: Mapping[str, Bounds]
    other: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    medium_after: str | None = None


def parse_protocol(text: str, *, name: str, equipment: Equipment | None = None) -> Protocol:
    """Parse a protocol.

    Parameters
    ----------
    text : str
        YAML; docs/reference/isolation.md lists every key.
    name : str
        Name of the file, for messages.
    equipment : Equipment, optional
        Further rotors and columns.

    Returns
    -------
    Protocol
        Not yet run.

    Raises
    ------
    UnreadableFile
        When a key, a name or a number is not as described: file, line and key are named.
    """
    root = parse_yaml(text, name=name).mapping(ROOT_KEYS, ("vesicula_protocol", "feed", "target", "steps"))
    root["vesicula_protocol"].whole(1, 1)
    feed, liquid, stated = _feed(root["feed"])
    targets = root["target"].items()
    if not targets:
        raise root["target"].error("at least one class")
    target = tuple(entry.text(feed.population.names) for entry in targets)
    steps = tuple(_step(entry, n, equipment or Equipment()) for n, entry in enumerate(root["steps"].items(), start=1))
    if not 1 <= len(steps) <= MAX_STEPS:
        raise root["steps"].error(f"1 to {MAX_STEPS} steps", f"{len(steps)}")
    title = root["name"].text() if "name" in root else name
    return Protocol(name=title, feed=feed, medium=liquid, target=target, steps=steps, stated=stated)


@cache
def _presets() -> Mapping[str, tuple[dict[str, float], str]]:
    text = files("vesicula.data").joinpath("feeds.yaml").read_text(encoding="utf-8")
    found = {}
    for key, entry in parse_yaml(text, name="feeds.yaml").mapping().items():
        cells = entry.mapping(("particles", "medium", "source", "sureness"), ("particles", "medium"))
        found[key] = (_particles(cells["particles"]), cells["medium"].text(MEDIA))
    return MappingProxyType(found)


def _particles(entry: Entry) -> dict[str, float]:
    return {key: cell.number(COUNT.low, COUNT.high) for key, cell in entry.mapping(particle_classes()).items()}


def _feed(entry: Entry) -> tuple[Fraction, str, frozenset[str]]:
    cells = entry.mapping(FEED_KEYS, ("volume_ml",))
    volume = cells["volume_ml"].number(high=VOLUME_ML.high, above=0)
    particles: dict[str, float] = {}
    stated: frozenset[str] = frozenset()
    liquid = "PBS"
    if "preset" in cells:
        given, liquid = _presets()[cells["preset"].text(_presets())]
        particles.update(given)
    if "particles" in cells:
        own = _particles(cells["particles"])
        stated = frozenset(own)
        particles.update(own)
    if sum(particles.values()) <= 0:
        raise entry.error("particles of some class, or a preset", "an empty feed")
    if "medium" in cells:
        liquid = cells["medium"].text(MEDIA)
    return Fraction(name="feed", population=mixed_population(particles), volume_ml=volume), liquid, stated


_DEVICES = {"dld": "DLD", "acoustic": "acoustic", "af4": "AF4"}


def _step(entry: Entry, n: int, equipment: Equipment) -> Step:
    given = entry.mapping((*METHODS, "label"))
    kinds = [key for key in given if key != "label"]
    if len(kinds) != 1:
        raise entry.error(f"one method of {', '.join(METHODS)}", ", ".join(kinds) or "none")
    method, body = METHODS[kinds[0]], given[kinds[0]]
    cells = body.mapping((*method.numbers, *method.other), method.required)
    bounds = {key: b for key, b in method.numbers.items() if key in cells}
    numbers = {key: cells[key].number(b.low, b.high, above=b.above) for key, b in bounds.items()}
    context = _Context(cells, equipment, numbers, _DEVICES.get(kinds[0], ""))
    label = given["label"].text() if "label" in given else f"{n}. {kinds[0]}"
    return Step(
        label=label,
        act=lambda feed, liquid: method.make(context, feed, liquid),
        medium_after="PBS" if _pellet_is_kept(kinds[0], cells) else method.medium_after,
        place=f"{body.file}: line {body.line}, step {n} ({kinds[0]})",
        marker=cells["marker"].text(MARKERS) if "marker" in cells else None,
        method=kinds[0],
        context=context,
    )


def _pellet_is_kept(kind: str, cells: Mapping[str, Entry]) -> bool:
    return kind == "centrifuge" and cells["keep"].value == "pellet"


def step_medium(c: _Context, liquid: str, default_c: float) -> Medium:
    """Return the liquid of a step: the one it names, else the one that it comes in, at its temperature."""
    named = c.cells["medium"].text(MEDIA) if "medium" in c.cells else liquid
    return medium(named, c.numbers.get("temperature_c", default_c))


def _rest(c: _Context, *taken: str) -> dict[str, Any]:
    """Return the numbers given, less those that have been used, as keyword arguments."""
    return {key: value for key, value in c.numbers.items() if key not in taken}


def step_run(c: _Context, minutes: float) -> Run:
    """Return the run of a spinning step."""
    chosen = rotor(c.cells["rotor"].text(), c.equipment.rotors)
    if ("rpm" in c.numbers) == ("rcf_g" in c.numbers):
        raise AnalysisError("give either rpm, or rcf_g with the radius that it is meant at")
    if "rpm" in c.numbers:
        return Run(rotor=chosen, rpm=c.numbers["rpm"], minutes=minutes)
    if "at" not in c.cells:
        raise AnalysisError(f"rcf_g needs 'at', one of {', '.join(RADII)}: a force means nothing without its radius")
    return run_at(chosen, c.numbers["rcf_g"], minutes, at=cast("At", c.cells["at"].text(RADII)))


def _centrifuge(c: _Context, feed: Fraction, liquid: str) -> Outcome:
    washes = c.cells["washes"].whole(0, MAX_WASHES) if "washes" in c.cells else 0
    return centrifuge(
        feed,
        step_run(c, c.numbers["minutes"]),
        liquid=step_medium(c, liquid, 4.0),
        keep=cast("Any", c.cells["keep"].text(("pellet", "supernatant"))),
        washes=washes,
        **_rest(c, "rpm", "rcf_g", "minutes", "washes", "temperature_c"),
    )


def step_gradient(c: _Context) -> dict[str, Any]:
    """Return the settings of a gradient as keyword arguments of `density_gradient`, and its run as ``run``."""
    layers = []
    for entry in c.cells["layers"].items():
        cells = entry.mapping(("percent", "volume_ml"), ("percent", "volume_ml"))
        layers.append(
            Layer(percent=cells["percent"].number(0, 65), volume_ml=cells["volume_ml"].number(high=1e3, above=0))
        )
    return {
        "run": step_run(c, 60.0 * c.numbers["hours"]),
        "layers": layers,
        "solute": c.cells["solute"].text(("sucrose", "iodixanol")),
        "temperature_c": c.numbers.get("temperature_c", 4.0),
        "keep": ["pellet" if e.value == "pellet" else _whole(e) for e in c.cells["keep"].items()],
        "n_fractions": c.cells["fractions"].whole(2, 100) if "fractions" in c.cells else 12,
        "load": c.cells["load"].text(("top", "bottom")) if "load" in c.cells else "top",
        **_rest(c, "rpm", "rcf_g", "hours", "temperature_c", "fractions"),
    }


def _gradient(c: _Context, feed: Fraction, _: str) -> Outcome:
    return density_gradient(feed, **step_gradient(c))


def _whole(entry: Entry) -> int:
    return entry.whole(1, 1_000_000)


def _sec(c: _Context, feed: Fraction, _: str) -> Outcome:
    return size_exclusion(
        feed,
        column(c.cells["column"].text(), c.equipment.columns),
        keep=[_whole(e) for e in c.cells["keep"].items()],
        n_fractions=c.cells["fractions"].whole(1, MAX_FRACTIONS) if "fractions" in c.cells else 30,
        **_rest(c, "fractions"),
    )


def _tff(c: _Context, feed: Fraction, _: str) -> Outcome:
    return filtration.ultrafilter(feed, tangential=True, **_rest(c))


def _uf(c: _Context, feed: Fraction, _: str) -> Outcome:
    return filtration.ultrafilter(feed, tangential=False, **_rest(c))


def _filter(c: _Context, feed: Fraction, _: str) -> Outcome:
    return filtration.sterile_filter(feed, **_rest(c))


def _immuno(c: _Context, feed: Fraction, liquid: str) -> Outcome:
    at_least = c.cells["at_least"].whole(1, 10_000) if "at_least" in c.cells else 2
    settings = _rest(c, "temperature_c", "at_least")
    marker = c.cells["marker"].text(MARKERS)
    return immunocapture(feed, marker=marker, liquid=step_medium(c, liquid, 4.0), at_least=at_least, **settings)


def _precipitate(c: _Context, feed: Fraction, _: str) -> Outcome:
    return precipitate(feed, **_rest(c))


def _device(function: Callable[..., Outcome]) -> _Make:
    def make(c: _Context, feed: Fraction, liquid: str) -> Outcome:
        settings = _rest(c, "temperature_c")
        if "parallel" in settings:
            settings["parallel"] = _whole(c.cells["parallel"])
        return function(feed, liquid=step_medium(c, liquid, 20.0), **settings)

    return make


def _dilute(c: _Context, feed: Fraction, _: str) -> Outcome:
    to_ml = c.numbers["to_ml"]
    if to_ml < feed.volume_ml:
        raise AnalysisError(f"{feed.volume_ml:g} mL cannot be diluted to {to_ml:g} mL; use tff or uf to concentrate")
    diluted = part(feed, 1.0, name="diluted", volume_ml=to_ml, role="product")
    return Outcome(method="dilute", feed=feed, fractions=(diluted,))


_SPIN = {"rpm": Bounds(low=1, high=1e6), "rcf_g": Bounds(low=0.01, high=1e7), "temperature_c": Bounds(0, 60)}
_MEMBRANE = {
    "cutoff_kda": POSITIVE, "concentrate_to_ml": VOLUME_ML, "diavolumes": PLAIN, "area_cm2": POSITIVE,
    "flux_l_per_m2_h": POSITIVE, "adsorbed": SHARE, "shear_per_s": POSITIVE,
}  # fmt: skip
_FLOW = {"temperature_c": Bounds(0, 60), "flow_ul_per_min": POSITIVE, "parallel": Bounds(low=1)}

METHODS: Mapping[str, _Method] = MappingProxyType({
    "centrifuge": _Method(
        make=_centrifuge,
        numbers=_SPIN | {
            "minutes": POSITIVE, "resuspend_ml": VOLUME_ML, "washes": PLAIN, "pellet_loss": SHARE,
            "residual": Bounds(0, 0.5),
        },
        other=("rotor", "at", "keep", "medium"),
        required=("rotor", "minutes", "keep"),
    ),
    "gradient": _Method(
        make=_gradient,
        numbers=_SPIN | {"hours": POSITIVE, "fractions": Bounds(2, 100), "pellet_loss": SHARE},
        other=("rotor", "at", "solute", "layers", "keep", "load"),
        required=("rotor", "hours", "solute", "layers", "keep"),
        medium_after="PBS",
    ),
    "tff": _Method(
        make=_tff, numbers=_MEMBRANE, required=("cutoff_kda", "concentrate_to_ml"), medium_after="PBS",
    ),
    "uf": _Method(make=_uf, numbers=_MEMBRANE, required=("cutoff_kda", "concentrate_to_ml")),
    "filter": _Method(make=_filter, numbers={"pore_nm": POSITIVE, "adsorbed": SHARE}),
    "sec": _Method(
        make=_sec,
        numbers={"fraction_ml": VOLUME_ML, "fractions": Bounds(1, 500)},
        other=("column", "keep"),
        required=("column", "keep"),
        medium_after="PBS",
    ),
    "immunoaffinity": _Method(
        make=_immuno,
        numbers={
            "beads_per_ml": Bounds(low=1, high=1e15), "bead_um": POSITIVE, "hours": POSITIVE, "antibody_nm": POSITIVE,
            "at_least": Bounds(low=1), "elute_ml": VOLUME_ML, "non_specific": SHARE, "eluted": SHARE,
            "temperature_c": Bounds(0, 60),
        },
        other=("marker", "medium"),
        required=("marker",),
        medium_after="PBS",
    ),
    "precipitation": _Method(
        make=_precipitate,
        numbers={
            "percent": POSITIVE, "peg_kda": POSITIVE, "hours": POSITIVE, "resuspend_ml": VOLUME_ML,
            "carry_over": SHARE, "collected": SHARE,
        },
        medium_after="PBS",
    ),
    "dld": _Method(
        make=_device(microfluidics.lateral_displacement),
        numbers=_FLOW | {"gap_nm": POSITIVE, "row_shift": SHARE, "length_mm": POSITIVE, "speed_mm_per_s": POSITIVE},
        other=("medium",),
        required=("gap_nm",),
    ),
    "acoustic": _Method(
        make=_device(microfluidics.acoustic_focus),
        numbers=_FLOW | {
            "energy_j_per_m3": POSITIVE, "frequency_mhz": POSITIVE, "residence_s": POSITIVE, "centre": SHARE,
        },
        other=("medium",),
    ),
    "af4": _Method(
        make=_device(microfluidics.field_flow),
        numbers={
            "temperature_c": Bounds(0, 60), "keep_from_min": PLAIN, "keep_to_min": POSITIVE, "end_min": POSITIVE,
            "width_um": POSITIVE, "void_ml": VOLUME_ML, "cross_ml_per_min": POSITIVE, "out_ml_per_min": POSITIVE,
            "load_ml": VOLUME_ML,
        },
        other=("medium",),
        required=("keep_from_min", "keep_to_min"),
        medium_after="PBS",
    ),
    "dilute": _Method(make=_dilute, numbers={"to_ml": VOLUME_ML}, required=("to_ml",)),
})  # fmt: skip
"""Steps that a protocol may have, each with its keys."""
