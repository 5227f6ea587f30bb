"""Thousands of parameter draws of a protocol at once, and the intervals that follow from what is not known.

Each draw takes all uncertain parameters from their priors (`vesicula.isolation.priors`): those of the classes, of the
feed and of the methods. A number that the protocol itself states is taken as known. Steps are the same formulae as in
the modules of the methods, compiled, with one shortcut: the pelleted share of a diffusing particle comes from a table
of the Lamm equation's solutions. Gradients (`vesicula.isolation.gradient_table`) and microfluidic devices are simulated
once and tabulated by density and diameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from scipy.special import ndtr

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import ParticleClass
from vesicula.core.population import AVOGADRO_PER_MOL, IntArray, MixedPopulation, density_deviates
from vesicula.isolation import filtration, immunoaffinity, kernels, microfluidics, precipitation, sec
from vesicula.isolation.balance import Fraction
from vesicula.isolation.centrifuge import PECLET_DIFFUSIVE, PELLET_LAYER_SHARE, Run, lowest_share
from vesicula.isolation.ensemble_result import Ensemble, Matrix
from vesicula.isolation.fluids import BOLTZMANN_J_PER_K, ZERO_CELSIUS_K, Medium, diffusion_m2_per_s, medium
from vesicula.isolation.gradient_table import kept_shares
from vesicula.isolation.lamm import lamm_profile
from vesicula.isolation.priors import Prior, class_priors, method_priors
from vesicula.isolation.protocol import COUNTED_FROM_NM, ProtocolResult
from vesicula.isolation.protocol_text import Protocol, step_gradient, step_medium, step_run
from vesicula.isolation.rotors import angular_speed

__all__ = ["USED_BY", "Ensemble", "ensemble", "lamm_table"]

CHUNK = 32
"""Draws at a time: the numbers of a chunk stay in the processor's cache."""
TABLE = (np.log(2e-3), np.log(PECLET_DIFFUSIVE), 44, np.log(1e-6), np.log(60.0), 56)
OFFSETS = np.linspace(-0.11, 0.11, 89)
"""Densities about a class's own, g/mL, that a device is simulated for."""
GRID = np.array([OFFSETS[0], OFFSETS[1] - OFFSETS[0]])
SIMULATED, SIMULATED_SD = 61, 0.045
MAX_DRAWS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """What all draws share: pairs of class and bin, and what is known of them."""

    classes: tuple[ParticleClass, ...]
    totals: FloatArray
    cls: IntArray
    bins: IntArray
    low: FloatArray
    high: FloatArray
    d_pair: FloatArray
    d_bin: FloatArray
    edges_nm: FloatArray
    core_share: FloatArray
    spread: FloatArray
    log_gsd: FloatArray
    names: tuple[str, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _State:
    """A chunk of draws on its way through the steps."""

    number: FloatArray
    rho: FloatArray
    volume: FloatArray
    drawn: Callable[..., FloatArray]


_Op = Callable[[_State], None]


def ensemble(
    protocol: Protocol,
    *,
    draws: int = 1000,
    seed: int = 1,
    threads: int = 2,
    fixed: Sequence[str] = (),
    n_densities: int | None = None,
) -> Ensemble:
    """Run a protocol for many draws of its uncertain parameters.

    Parameters
    ----------
    protocol : Protocol
        As `vesicula.isolation.protocol_text.parse_protocol` returns it.
    draws, seed : int
        How many, and what they follow from.
    threads : int
        Chunks worked on at a time; the result does not depend on it.
    fixed : sequence of str
        Names of priors that stay at their default value; ``"*"`` for all.
    n_densities : int, optional
        Density shares; by default the feed's.

    Returns
    -------
    Ensemble
        Particles, protein and volumes after each step, draw by draw.

    Raises
    ------
    AnalysisError
        When a number is impossible, or the protocol itself cannot be run.
    """
    if not 1 <= draws <= MAX_DRAWS or threads < 1:
        raise AnalysisError(f"1 to {MAX_DRAWS} draws and at least one thread are needed, not {draws} and {threads}")
    plain = protocol.run()
    layout = _layout(protocol.feed.population, n_densities)
    ops, notes = _compile(protocol, plain, layout)
    priors = _priors(layout, protocol, fixed)
    uniform = np.random.default_rng(seed).random((draws, len(priors)))
    parameters = np.stack([p.quantile(uniform[:, k]) for k, p in enumerate(priors)], axis=1) if priors else uniform
    where = {p.name: k for k, p in enumerate(priors)}
    out = np.empty((draws, len(ops) + 1, 3, len(layout.classes)))
    volume = np.empty((draws, len(ops) + 1))
    chunks = [slice(a, min(a + CHUNK, draws)) for a in range(0, draws, CHUNK)]

    def work(rows: slice) -> None:
        _chunk(layout, protocol, ops, (parameters[rows], where), (out[rows], volume[rows]))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, chunks):
            pass
    return _collect(protocol, plain, layout, priors, parameters, out, volume, seed, notes)


def _collect(  # noqa: PLR0913, PLR0917 - one call
    protocol: Protocol,
    plain: ProtocolResult,
    layout: _Layout,
    priors: tuple[Prior, ...],
    parameters: Matrix,
    out: FloatArray,
    volume: FloatArray,
    seed: int,
    notes: tuple[str, ...],
) -> Ensemble:
    where = {p.name: k for k, p in enumerate(priors)}
    fraction = np.stack(
        [
            _values(parameters, where, f"{c.name}.protein_mass_fraction", c.protein_mass_fraction)
            for c in layout.classes
        ],
        axis=1,
    )
    apob = np.array([c.apob_da for c in layout.classes]) * 1e6 / AVOGADRO_PER_MOL
    return Ensemble(
        name=protocol.name,
        target=protocol.target,
        labels=tuple(r.label for r in plain.reports),
        classes=layout.names,
        seed=seed,
        priors=priors,
        parameters=parameters,
        particles=out[:, :, 0],
        protein_ug=(out[:, :, 1] * fraction[:, None]).sum(axis=2) * 1e6,
        apob_ug=out[:, :, 0] @ apob,
        counted=out[:, :, 2].sum(axis=2),
        volume_ml=volume,
        notes=notes,
    )


def _values(parameters: Matrix, where: Mapping[str, int], name: str, default: float) -> FloatArray:
    if name in where:
        return np.ascontiguousarray(parameters[:, where[name]])
    return np.full(parameters.shape[0], default)


def _chunk(
    layout: _Layout,
    protocol: Protocol,
    ops: Sequence[_Op],
    drawn: tuple[Matrix, Mapping[str, int]],
    into: tuple[FloatArray, FloatArray],
) -> None:
    parameters, where = drawn
    n, q = parameters.shape[0], layout.spread.shape[1]
    out, volume = into
    methods = method_priors()

    def values(name: str, default: float | None = None) -> FloatArray:
        return _values(parameters, where, name, methods[name].value if default is None else default)

    def of_classes(key: str) -> FloatArray:
        return np.stack([values(f"{c.name}.{key}", getattr(c, key)) for c in layout.classes], axis=1)

    more = np.stack(
        [np.ones(n) if c.name in protocol.stated else values(f"feed_{c.group}", 1.0) for c in layout.classes], axis=1
    )
    shape = (n, layout.cls.size, q)
    state = _State(
        number=np.empty(shape), rho=np.empty(shape), volume=np.full(n, protocol.feed.volume_ml), drawn=values
    )
    total = layout.totals[None, :] * protocol.feed.volume_ml * more
    kernels.fill(state.number, total, of_classes("median_nm"), layout.log_gsd, layout.low, layout.high, layout.cls)
    shell, core = of_classes("shell_density_g_per_ml"), of_classes("core_density_g_per_ml")
    kernels.density(state.rho, shell, core, layout.core_share, layout.spread, layout.cls)
    for k in range(len(ops) + 1):
        if k:
            ops[k - 1](state)
        tallied = np.empty((n, 3, len(layout.classes)))
        kernels.tally(state.number, state.rho, layout.d_pair, layout.cls, COUNTED_FROM_NM, tallied)
        out[:, k], volume[:, k] = tallied, state.volume


def _layout(population: MixedPopulation, n_densities: int | None) -> _Layout:
    edges, classes = population.edges_nm, population.classes
    d_bin = np.array(population.diameter_nm)
    pairs = [
        (k, b, max(edges[b], c.low_nm), min(edges[b + 1], c.high_nm))
        for k, c in enumerate(classes)
        for b in np.flatnonzero((edges[1:] > c.low_nm) & (edges[:-1] < c.high_nm))
    ]
    cls, bins = np.array([p[0] for p in pairs], dtype=np.int64), np.array([p[1] for p in pairs], dtype=np.int64)
    deviates = density_deviates(population.n_densities if n_densities is None else n_densities)
    return _Layout(
        classes=classes,
        totals=population.number_per_ml.sum(axis=(1, 2)),
        cls=cls,
        bins=bins,
        low=np.array([p[2] for p in pairs]),
        high=np.array([p[3] for p in pairs]),
        d_pair=np.ascontiguousarray(d_bin[bins]),
        d_bin=d_bin,
        edges_nm=edges,
        core_share=np.concatenate([c.core_share(d_bin[bins[cls == k]]) for k, c in enumerate(classes)]),
        spread=np.stack([c.density_sd_g_per_ml * deviates for c in classes]),
        log_gsd=np.log([c.geometric_sd for c in classes]),
        names=population.names,
    )


USED_BY = MappingProxyType({
    "centrifuge": ("pellet_loss", "residual", "pellet_layer", "viscosity_factor"),
    "tff": ("tff_adsorbed", "pore_factor", "pore_gsd"),
    "uf": ("uf_adsorbed", "pore_factor", "pore_gsd"),
    "filter": ("filter_adsorbed", "filter_pore_factor", "pore_gsd"),
    "sec": ("sec_recovery", "sec_void_factor", "sec_pore_factor", "sec_plates_factor"),
    "precipitation": ("peg_log10_s0", "peg_beta_per_nm", "peg_carry_over", "peg_collected"),
    "immunoaffinity": ("ia_sticking", "ia_non_specific", "ia_eluted", "ia_kd_nm", "viscosity_factor"),
    "dld": ("device_loss_factor",),
    "acoustic": ("device_loss_factor",),
    "af4": ("device_loss_factor",),
    "gradient": (),
    "dilute": (),
})  # fmt: skip
"""Priors that each kind of step draws from."""


def _priors(layout: _Layout, protocol: Protocol, fixed: Sequence[str]) -> tuple[Prior, ...]:
    if "*" in fixed:
        return ()
    names = [n for s in protocol.steps for n in USED_BY[s.method]]
    names += [f"feed_{c.group}" for c in layout.classes if c.name not in protocol.stated]
    found = {n: method_priors()[n] for n in dict.fromkeys(names)}
    captured = {s.marker for s in protocol.steps if s.marker}
    for cls in layout.classes:
        for name, prior in class_priors(cls).items():
            marker = name.split(".")[1].split("_")[0]
            if not marker.startswith("CD") or marker in captured:
                found[name] = prior
    unknown = [n for n in fixed if n not in found]
    if unknown:
        raise AnalysisError(f"no prior {unknown[0]!r} here. Drawn: {', '.join(found)}")
    return tuple(p for n, p in found.items() if n not in fixed)


def _compile(protocol: Protocol, plain: ProtocolResult, layout: _Layout) -> tuple[tuple[_Op, ...], tuple[str, ...]]:
    liquid, ops, notes = protocol.medium, [], []
    for step, before, after in zip(protocol.steps, plain.reports, plain.reports[1:], strict=False):
        if step.method not in USED_BY:
            raise AnalysisError(f"{step.label}: an ensemble needs steps that were read from a protocol's text")
        make = _MAKE.get(step.method, _tabulated)
        ops.append(make(step.context, layout, liquid, before.product.volume_ml, after.product.volume_ml, step.act))
        if make in {_tabulated, _gradient}:
            save = ", save the loss in the device" if make is _tabulated else ""
            notes.append(f"{step.label}: the step's own settings are not drawn{save}")
        liquid = step.medium_after or liquid
    return tuple(ops), tuple(notes)


_Ctx = Any  # the private context of protocol_text


def _stated(c: _Ctx, key: str, state: _State, prior: str) -> FloatArray:
    """Return what the protocol states, else the draws."""
    if key in c.numbers:
        return np.full(state.volume.size, c.numbers[key])
    return state.drawn(prior)


def _centrifuge(c: _Ctx, layout: _Layout, liquid: str, before: float, after: float, _: object) -> _Op:
    run = step_run(c, c.numbers["minutes"])
    first = step_medium(c, liquid, 4.0)
    washes = int(c.numbers.get("washes", 0))
    keep_pellet = c.cells["keep"].text() == "pellet"
    capacity = run.rotor.tube_ml * run.rotor.tubes
    pbs = medium("PBS", first.temperature_c)
    runs, tables, grids = [], [], []
    for volume in (before, min(before, capacity)):
        fill = min(1.0, max(volume / (ceil(volume / capacity - 1e-9) * capacity), 0.05))
        geometry, ratio = _geometry(run, fill)
        runs.append(geometry)
        tables.append(lamm_table(ratio))
        grids.append(
            (TABLE[0], (TABLE[1] - TABLE[0]) / (TABLE[2] - 1), TABLE[3], (TABLE[4] - TABLE[3]) / (TABLE[5] - 1))
        )
    liquids = np.array([_liquid_row(first), _liquid_row(pbs)])
    gone = np.concatenate(
        [k.shrinkage(layout.d_pair[layout.cls == i], first.osmolality_mosm) for i, k in enumerate(layout.classes)]
    )
    steps = np.zeros((1, *tables[0].shape[1:]))
    steps[0, 0, :2] = 1.0 / grids[0][1], 1.0 / grids[0][3]
    fixed = (gone, liquids, np.array(runs), np.concatenate([steps, *tables]), np.array(grids))

    def act(state: _State) -> None:
        residual = _stated(c, "residual", state, "residual")
        settings = np.stack(
            [
                state.drawn("viscosity_factor"),
                _stated(c, "pellet_loss", state, "pellet_loss"),
                residual,
                state.drawn("pellet_layer") / PELLET_LAYER_SHARE,
            ],
            axis=1,
        )
        gone, liquids, runs, tables, grids = fixed
        kernels.spin(
            state.number, state.rho, layout.d_pair, gone, liquids, runs, settings, tables, grids, washes, keep_pellet
        )
        state.volume = np.full_like(state.volume, after) if keep_pellet else state.volume * (1.0 - residual)

    return act


def _liquid_row(liquid: Medium) -> tuple[float, float, float]:
    return liquid.density_g_per_ml, liquid.viscosity_mpa_s, BOLTZMANN_J_PER_K * (liquid.temperature_c + ZERO_CELSIUS_K)


def _geometry(run: Run, fill: float) -> tuple[tuple[float, ...], float]:
    r = run.rotor
    swing = r.kind == "swing-out"
    length = r.path_mm * (fill if swing else 1.0) * 1e-3
    top = r.r_max_mm * 1e-3
    middle = top - 0.5 * length if swing else r.r_av_mm * 1e-3
    w2 = angular_speed(run.rpm) ** 2
    row = (float(swing), top, length, middle, w2, run.minutes * 60.0, PECLET_DIFFUSIVE)
    return row, round(top / (top - length), 4) if swing else 1.0


@lru_cache(maxsize=64)
def lamm_table(radius_ratio: float) -> FloatArray:
    """Return log(-log(1 - pelleted share)) by sign of the drift, log Peclet number and log crossings.

    Shape (2, 44, 56), flotation first; ends of the grid in `TABLE`. At rest the share is that of the pellet's layer.
    """
    peclet = np.exp(np.linspace(TABLE[0], TABLE[1], TABLE[2]))
    crossings = np.exp(np.linspace(TABLE[3], TABLE[4], TABLE[5]))
    p, x = np.repeat(peclet, crossings.size), np.tile(crossings, peclet.size)
    shares = [lowest_share(lamm_profile(sign * p, x, radius_ratio=radius_ratio)) for sign in (-1.0, 1.0)]
    held = np.clip(np.stack(shares), 1e-40, 1.0 - 1e-12)
    table = np.log(-np.log1p(-held)).reshape(2, peclet.size, crossings.size)
    table.setflags(write=False)
    return table


def _membrane(kind: str, c: _Ctx, layout: _Layout, _liquid: str, _before: float, after: float, _: object) -> _Op:
    pore = filtration.pore_of_cutoff_nm(c.numbers["cutoff_kda"])
    diavolumes = c.numbers.get("diavolumes", 0.0)

    def act(state: _State) -> None:
        s = np.empty((state.volume.size, layout.d_bin.size))
        gsd = np.log(state.drawn("pore_gsd"))
        kernels.sieve(s, layout.d_bin, pore * state.drawn("pore_factor"), gsd, filtration.PORE_DEVIATES)
        kept = np.exp(-s * (np.log(state.volume / after)[:, None] + diavolumes))
        loss = _stated(c, "adsorbed", state, f"{kind}_adsorbed")
        kernels.by_bin(state.number, np.minimum(kept, 1.0) * (1.0 - loss)[:, None], layout.bins)
        state.volume = np.full_like(state.volume, after)

    return act


def _filter(c: _Ctx, layout: _Layout, _liquid: str, _before: float, _after: float, _: object) -> _Op:
    pore = c.numbers.get("pore_nm", 220.0)

    def act(state: _State) -> None:
        s = np.empty((state.volume.size, layout.d_bin.size))
        gsd = np.log(state.drawn("pore_gsd"))
        kernels.sieve(s, layout.d_bin, pore * state.drawn("filter_pore_factor"), gsd, filtration.PORE_DEVIATES)
        loss = _stated(c, "adsorbed", state, "filter_adsorbed")
        kernels.by_bin(state.number, s * (1.0 - loss)[:, None], layout.bins)

    return act


def _sec(c: _Ctx, layout: _Layout, _liquid: str, _before: float, after: float, _: object) -> _Op:
    chosen = sec.column(c.cells["column"].text(), c.equipment.columns)
    width = c.numbers.get("fraction_ml", 0.5)
    windows = np.array([[(e.whole(1, 10**6) - 1) * width, e.whole(1, 10**6) * width] for e in c.cells["keep"].items()])
    pores = np.exp(np.log(chosen.pore_gsd) * sec.PORE_DEVIATES)

    def act(state: _State) -> None:
        n = state.volume.size
        plates = state.drawn("sec_plates_factor")
        columns = np.stack(
            [
                chosen.void_ml * state.drawn("sec_void_factor"),
                np.full(n, chosen.pore_ml),
                chosen.pore_median_nm * state.drawn("sec_pore_factor"),
                chosen.plates_void * plates,
                chosen.plates_pore * plates,
                state.drawn("sec_recovery") if chosen.sureness != "H" else np.full(n, chosen.recovery),
            ],
            axis=1,
        )
        load = state.volume / np.ceil(state.volume / chosen.load_ml - 1e-9)
        share = np.empty((n, layout.d_bin.size))
        kernels.elute(share, layout.d_bin, columns, pores, windows, load)
        kernels.by_bin(state.number, share, layout.bins)
        state.volume = np.full(n, after)

    return act


def _precipitate(c: _Ctx, layout: _Layout, _liquid: str, _before: float, after: float, _: object) -> _Op:
    percent = c.numbers.get("percent", 10.0)
    size = min(1.0, float(np.sqrt(c.numbers.get("peg_kda", precipitation.REFERENCE_PEG_KDA) / 4.0)))
    radius = np.maximum(layout.d_pair / 2.0 - precipitation.BETA_OFFSET_NM, 0.0)

    def act(state: _State) -> None:
        out = np.empty((state.volume.size, 3, len(layout.classes)))
        kernels.tally(state.number, state.rho, layout.d_pair, layout.cls, COUNTED_FROM_NM, out)
        volume = state.volume / (1.0 - percent / 50.0)
        mass = np.maximum(out[:, 1] * 1e3 / volume[:, None], precipitation.CARRIER_MG_PER_ML)[:, layout.cls]
        slope = state.drawn("peg_beta_per_nm") * size * percent
        limit = 10.0 ** np.maximum(state.drawn("peg_log10_s0")[:, None] - slope[:, None] * radius, -300.0)
        down = np.maximum(0.0, 1.0 - limit / mass)
        collected = _stated(c, "collected", state, "peg_collected")[:, None]
        carry = _stated(c, "carry_over", state, "peg_carry_over")[:, None]
        kernels.by_pair(state.number, down * collected + (1.0 - down) * carry)
        state.volume = np.full_like(state.volume, after)

    return act


def _immuno(c: _Ctx, layout: _Layout, liquid: str, _before: float, after: float, _: object) -> _Op:
    marker = c.cells["marker"].text()
    now = step_medium(c, liquid, 4.0)
    n_beads, bead = c.numbers.get("beads_per_ml", 1e8), c.numbers.get("bead_um", 2.8)
    seconds, antibody = c.numbers.get("hours", 12.0) * 3600.0, c.numbers.get("antibody_nm", 50.0)
    at_least = c.cells["at_least"].whole(1, 10_000) if "at_least" in c.cells else 2
    d = layout.d_pair
    together = diffusion_m2_per_s(d, now) + diffusion_m2_per_s(bead * 1e3, now)
    meet = 4.0 * np.pi * together * (d * 1e-9 + bead * 1e-6) / 2.0 * n_beads * 1e6 * seconds
    carries = np.array([marker in k.markers for k in layout.classes])[layout.cls]

    def act(state: _State) -> None:
        rate = state.drawn("ia_sticking") / state.drawn("viscosity_factor")
        met = -np.expm1(-meet * rate[:, None])
        copies, positive = _copies(layout, marker, state)
        kd = state.drawn("ia_kd_nm")[:, None] / np.maximum(copies, 1.0)
        held = positive if at_least <= 1 else positive * _at_least(layout, marker, copies, at_least)
        wanted = np.where(carries, held * met * antibody / (antibody + kd), 0.0)
        area = (state.number.sum(axis=2) * wanted * np.pi / 4.0 * (d * 1e-3) ** 2).sum(axis=1) / state.volume
        load = area / (n_beads * np.pi * bead**2 * immunoaffinity.PACKING)
        wanted = wanted / np.maximum(load, 1.0)[:, None]
        floor = _stated(c, "non_specific", state, "ia_non_specific")[:, None]
        eluted = _stated(c, "eluted", state, "ia_eluted")[:, None]
        kernels.by_pair(state.number, (wanted + (1.0 - wanted) * floor) * eluted)
        state.volume = np.full_like(state.volume, after)

    return act


def _copies(layout: _Layout, marker: str, state: _State) -> tuple[FloatArray, FloatArray]:
    """Return median copies and positive share of each pair, (n, m)."""
    copies = np.ones((state.volume.size, layout.cls.size))
    positive = np.zeros_like(copies)
    for k, cls in enumerate(layout.classes):
        if marker in cls.markers:
            here, m = layout.cls == k, cls.markers[marker]
            area = (layout.d_pair[here] / state.drawn(f"{cls.name}.median_nm", cls.median_nm)[:, None]) ** 2
            copies[:, here] = state.drawn(f"{cls.name}.{marker}_copies_median", m.median_copies)[:, None] * area
            positive[:, here] = state.drawn(f"{cls.name}.{marker}_positive_fraction", m.positive_fraction)[:, None]
    return copies, positive


def _at_least(layout: _Layout, marker: str, copies: FloatArray, at_least: int) -> FloatArray:
    spread = np.array([k.markers[marker].geometric_sd if marker in k.markers else np.e for k in layout.classes])
    z = (np.log(copies) - np.log(at_least - 0.5)) / np.log(spread)[layout.cls]
    return np.asarray(ndtr(z), dtype=np.float64)


def _dilute(c: _Ctx, _layout: _Layout, _liquid: str, _before: float, _after: float, _: object) -> _Op:
    def act(state: _State) -> None:
        state.volume = np.full_like(state.volume, c.numbers["to_ml"])

    return act


def _gradient(c: _Ctx, layout: _Layout, _liquid: str, before: float, after: float, _: object) -> _Op:
    pairs = (layout.classes, layout.cls, layout.d_pair)
    kept = kept_shares(pairs, layout.spread.shape[1], before, **step_gradient(c))

    def act(state: _State) -> None:
        kernels.by_shift(state.number, state.rho, layout.spread, layout.cls, kept.base, kept.grid, kept.share)
        state.volume = np.full_like(state.volume, after)

    return act


def _tabulated(c: _Ctx, layout: _Layout, liquid: str, before: float, after: float, act: object) -> _Op:
    """Simulate a linear step once for particles of every density and diameter, and look shares up."""
    step = cast("Callable[[Fraction, str], Any]", act)
    table = _shares(step, layout, liquid, before)
    base = np.concatenate([k.density_g_per_ml(layout.d_pair[layout.cls == i]) for i, k in enumerate(layout.classes)])
    loss = microfluidics.DEVICE_LOSS.get(c.device, 0.0)

    def apply(state: _State) -> None:
        kernels.by_density(state.number, state.rho, table, base, GRID)
        if loss > 0:
            drawn = np.minimum(loss * state.drawn("device_loss_factor"), 0.99)
            state.number *= ((1.0 - drawn) / (1.0 - loss))[:, None, None]
        state.volume = np.full_like(state.volume, after)

    return apply


def _shares(step: Callable[[Fraction, str], Any], layout: _Layout, liquid: str, volume_ml: float) -> FloatArray:
    """Return the product's share of each pair of class and bin at `OFFSETS` from its density, (pairs, offsets)."""
    number = np.zeros((len(layout.classes), 1, layout.d_bin.size))
    number[layout.cls, 0, layout.bins] = 1.0 / SIMULATED
    population = MixedPopulation(
        edges_nm=layout.edges_nm,
        classes=tuple(replace(k, density_sd_g_per_ml=SIMULATED_SD) for k in layout.classes),
        number_per_ml=np.repeat(number, SIMULATED, axis=1),
    )
    feed = Fraction(name="feed", volume_ml=volume_ml, population=population)
    product = step(feed, liquid).product.totals() / volume_ml * SIMULATED
    at = SIMULATED_SD * density_deviates(SIMULATED)
    shares = [np.interp(OFFSETS, at, product[c, :, b]) for c, b in zip(layout.cls, layout.bins, strict=True)]
    return np.asarray(np.clip(np.stack(shares), 0.0, 1.0), dtype=np.float64)


_MAKE: Mapping[str, Callable[..., _Op]] = MappingProxyType({
    "centrifuge": _centrifuge,
    "tff": partial(_membrane, "tff"),
    "uf": partial(_membrane, "uf"),
    "filter": _filter,
    "sec": _sec,
    "precipitation": _precipitate,
    "immunoaffinity": _immuno,
    "dilute": _dilute,
    "gradient": _gradient,
})  # fmt: skip
