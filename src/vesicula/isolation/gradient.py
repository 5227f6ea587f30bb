"""Density gradient and cushion in a swing-out rotor, followed in time.

Each particle moves as dr/dt = w^2 r s(r), with the density and the viscosity of the liquid where it is, and stops
where the densities meet: equilibrium is a result, not an assumption. The gradient spreads by diffusion of its solute.
Bands have the width of an Ornstein-Uhlenbeck process, which tends to that of Meselson & Stahl (1958, PNAS 44:671).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.population import MixedPopulation
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part
from vesicula.isolation.centrifuge import PELLET_LOSS, STEP_HOURS, Run
from vesicula.isolation.fluids import (
    BOLTZMANN_J_PER_K,
    ZERO_CELSIUS_K,
    iodixanol_density_g_per_ml,
    iodixanol_viscosity_mpa_s,
    sucrose_density_g_per_ml,
    sucrose_osmolality_mosm,
    sucrose_viscosity_mpa_s,
    water_density_g_per_ml,
    water_viscosity_mpa_s,
)
from vesicula.isolation.rotors import angular_speed

CELLS = 150
START_SLICES = 5
SEGMENTS = 12
SOLUTE_DIFFUSION_M2_PER_S = {"sucrose": 5.2e-10, "iodixanol": 2.5e-10}
"""In water at 25 C [from memory, unchecked; iodixanol L]; scaled by temperature and local viscosity."""
DILUENT_OSMOLALITY_MOSM = 290.0
Solute = Literal["sucrose", "iodixanol"]
IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of a gradient, listed from the top.

    Parameters
    ----------
    percent : float
        Sucrose % w/w, or iodixanol % w/v.
    volume_ml : float
        Of the layer in one tube.
    """

    percent: float
    volume_ml: float


def density_gradient(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    run: Run,
    *,
    layers: Sequence[Layer],
    solute: Solute,
    temperature_c: float,
    keep: Collection[int | Literal["pellet"]],
    n_fractions: int = 12,
    load: Literal["top", "bottom"] = "top",
    pellet_loss: float = PELLET_LOSS,
) -> Outcome:
    """Spin a feed into layers and take fractions from the top, of equal volume.

    Parameters
    ----------
    feed : Fraction
        Goes on the layers (``"top"``) in PBS, or under them (``"bottom"``) mixed into the lowest layer's solution,
        whose concentration is then that of the layer given last.
    run : Run
        Swing-out rotor, speed, time.
    layers : sequence of Layer
        From the top.
    solute : {"sucrose", "iodixanol"}
        Sucrose draws water from vesicles; iodixanol is taken as iso-osmotic.
    temperature_c : float
        Of the run; for sucrose within 0 to 30.
    keep : collection
        Numbers of the fractions kept, 1 at the top; ``"pellet"`` for the pellet.
    n_fractions : int
        How many fractions the tube is emptied into.
    load : {"top", "bottom"}
        Where the feed goes.
    pellet_loss : float
        Share of the pellet that is not resuspended; it is a loss whether the pellet is kept or not.

    Returns
    -------
    Outcome
        ``fraction 1``..., ``pellet`` and ``pellet not resuspended``; facts give each fraction's density.

    Raises
    ------
    AnalysisError
        When rotor, layers or kept fractions are not possible, or the feed is empty.
    """
    feed.require_particles("spin")
    tubes, filled = _check(feed, run, layers, solute, temperature_c)
    wanted = {k for k in keep if k != "pellet"}
    if not keep or any(not 1 <= int(k) <= n_fractions for k in wanted):
        found = ", ".join(map(str, keep)) or "none"
        raise AnalysisError(f"the kept fractions must be among 1 to {n_fractions} and pellet, not {found}")
    check_share(pellet_loss, "pellet_loss")
    edges, percent, inside = _loaded(feed.volume_ml / tubes, layers, run, load)
    shares, profile = _follow(feed, run, edges, (percent, inside), solute, temperature_c, n_fractions)
    volume = filled / n_fractions * tubes
    parts = [
        part(
            feed, shares[n], name=f"fraction {n + 1}", volume_ml=volume, role="product" if n + 1 in wanted else "waste"
        )
        for n in range(n_fractions)
    ]
    role: Literal["product", "waste"] = "product" if "pellet" in keep else "waste"
    parts.append(part(feed, shares[-1] * (1 - pellet_loss), name="pellet", volume_ml=0.1 * tubes, role=role))
    parts.append(lost(feed, shares[-1] * pellet_loss, name="pellet not resuspended"))
    top = run.rotor.rcf_g(run.rpm, at="r_max")
    means = [float(cells.mean()) for cells in np.array_split(profile, n_fractions)]
    densities = {f"density_of_fraction_{n}_g_per_ml": mean for n, mean in enumerate(means, start=1)}
    return Outcome(
        method="gradient",
        feed=feed,
        fractions=tuple(parts),
        hours=run.minutes / 60.0 + 2 * STEP_HOURS,
        g_hours=top * run.minutes / 60.0,
        max_g=top,
        facts=MappingProxyType({"tubes": float(tubes), **densities}),
        notes=("kept fractions hold the gradient's solute: dilute or exchange the buffer before the next step",),
    )


def _check(feed: Fraction, run: Run, layers: Sequence[Layer], solute: str, temperature_c: float) -> tuple[int, float]:
    if run.rotor.kind != "swing-out":
        raise AnalysisError(f"a gradient needs a swing-out rotor; {run.rotor.name} is a fixed-angle one")
    if solute not in SOLUTE_DIFFUSION_M2_PER_S:
        raise AnalysisError(f"unknown gradient solute {solute!r}. Known: {', '.join(SOLUTE_DIFFUSION_M2_PER_S)}")
    if not layers or not 0.0 <= temperature_c <= 30.0:
        raise AnalysisError("a gradient needs at least one layer, and a temperature of 0 to 30 C")
    highest = 65.0 if solute == "sucrose" else 60.0
    for layer in layers:
        check_share(layer.percent, f"per cent {solute}", upper=highest)
        check_positive(layer.volume_ml, "volume_ml of a layer")
    room = run.rotor.tube_ml - sum(layer.volume_ml for layer in layers)
    if room <= 0:
        raise AnalysisError(
            f"the layers fill the {run.rotor.tube_ml:g} mL tube of {run.rotor.name}: no room for the feed"
        )
    tubes = int(np.ceil(feed.volume_ml / room - 1e-9))
    if tubes > run.rotor.tubes:
        raise AnalysisError(
            f"{feed.volume_ml:g} mL need {tubes} tubes with room for {room:g} mL each, and {run.rotor.name} holds "
            f"{run.rotor.tubes}. Concentrate first, or take less of the layers"
        )
    return tubes, feed.volume_ml / tubes + sum(layer.volume_ml for layer in layers)


def _loaded(
    feed_ml: float, layers: Sequence[Layer], run: Run, load: str
) -> tuple[FloatArray, FloatArray, tuple[float, float]]:
    """Return radii of the cells' edges (m), per cent solute in each cell, and the radii that the feed fills."""
    stack = [(layer.percent, layer.volume_ml) for layer in layers]
    stack = [(0.0, feed_ml), *stack] if load == "top" else [*stack, (layers[-1].percent, feed_ml)]
    volumes = np.cumsum([0.0, *(v for _, v in stack)])
    r = run.rotor
    length = (r.r_max_mm - r.r_min_mm) * 1e-3 * min(1.0, volumes[-1] / r.tube_ml)
    top = r.r_max_mm * 1e-3 - length
    edges = np.linspace(top, r.r_max_mm * 1e-3, CELLS + 1)
    at = (edges - top) / length * volumes[-1]
    content = np.concatenate([[0.0], np.cumsum([p * v for p, v in stack])])
    percent = np.diff(np.interp(at, volumes, content)) / np.diff(at)
    first = 0 if load == "top" else len(stack) - 1
    span = top + volumes[[first, first + 1]] / volumes[-1] * length
    return edges, percent, (float(span[0]), float(span[1]))


def _liquid(percent: FloatArray, solute: str, temperature_c: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return density (g/mL), viscosity (mPa s) and osmolality (mosm) of each cell; the diluent is PBS-like."""
    if solute == "sucrose":
        y = percent / 100.0
        density, viscosity = sucrose_density_g_per_ml(y, temperature_c), sucrose_viscosity_mpa_s(y, temperature_c)
        return density, viscosity, DILUENT_OSMOLALITY_MOSM + sucrose_osmolality_mosm(y)
    density = iodixanol_density_g_per_ml(percent, temperature_c)
    return density, iodixanol_viscosity_mpa_s(percent, temperature_c), np.full_like(percent, DILUENT_OSMOLALITY_MOSM)


def _spread(percent: FloatArray, viscosity: FloatArray, edges: FloatArray, dt: float, d_water: float) -> FloatArray:
    """Let the solute diffuse for a time: one backward Euler step, closed ends."""
    h = edges[1] - edges[0]
    d = d_water / np.sqrt(viscosity[1:] * viscosity[:-1]) * dt / h**2
    matrix = np.eye(percent.size)
    i = np.arange(percent.size - 1)
    matrix[i, i] += d
    matrix[i + 1, i + 1] += d
    matrix[i, i + 1] -= d
    matrix[i + 1, i] -= d
    return np.asarray(np.linalg.solve(matrix, percent), dtype=np.float64)


def _follow(
    feed: Fraction,
    run: Run,
    edges: FloatArray,
    loaded: tuple[FloatArray, tuple[float, float]],
    solute: str,
    temperature_c: float,
    n_fractions: int,
) -> tuple[FloatArray, FloatArray]:
    """Return shares by fraction and pellet, (n_fractions + 1, classes, densities, bins), and the cells' densities."""
    percent, span = loaded
    population = feed.population
    k, q, i = np.nonzero(population.number_per_ml > 0)
    d, rho = population.diameter_nm[i], population.density_g_per_ml()[k, q, i]
    d_water = _solute_diffusion(solute, temperature_c)
    slices = span[0] + (np.arange(START_SLICES) + 0.5) / START_SLICES * (span[1] - span[0])
    place = np.repeat(slices[:, None], d.size, axis=1)
    variance = np.zeros_like(place)
    times = np.diff(np.linspace(0.0, 1.0, SEGMENTS + 1) ** 2) * run.minutes * 60.0
    for dt in times:
        rho_f, eta, osmolality = _liquid(percent, solute, temperature_c)
        rate = _rates(population, (k, i), (d, rho), (rho_f, eta, osmolality))
        speed = rate * angular_speed(run.rpm) ** 2 * (0.5 * (edges[1:] + edges[:-1]))
        for n in range(START_SLICES):
            place[n] = _move(place[n], speed, edges, dt)
            variance[n] = _broaden(variance[n], place[n], speed, edges, dt, (d, eta, temperature_c))
        percent = _spread(percent, eta, edges, dt, d_water)
    shares = np.zeros((n_fractions + 1, *population.number_per_ml.shape))
    borders = np.linspace(edges[0], edges[-1], n_fractions + 1)
    shares[:, k, q, i] = _collect(place, np.sqrt(variance), borders)
    return shares, _liquid(percent, solute, temperature_c)[0]


def _solute_diffusion(solute: str, temperature_c: float) -> float:
    """Return D of the solute times viscosity relative to 1 mPa s: divide by the local viscosity in mPa s."""
    warm = 25.0 + ZERO_CELSIUS_K
    scale = (temperature_c + ZERO_CELSIUS_K) / warm * float(water_viscosity_mpa_s(25.0))
    return SOLUTE_DIFFUSION_M2_PER_S[solute] * scale


def _rates(
    population: MixedPopulation,
    where: tuple[IndexArray, IndexArray],
    particles: tuple[FloatArray, FloatArray],
    liquid: tuple[FloatArray, FloatArray, FloatArray],
) -> FloatArray:
    """Return sedimentation coefficients in seconds of each particle in each cell, shape (particles, cells)."""
    (k, i), (d, rho), (rho_f, eta, osmolality) = where, particles, liquid
    water = float(water_density_g_per_ml(20.0))
    # Water lost to the solute: per class (bins, cells), then looked up.
    per_class = [c.shrinkage(population.diameter_nm[:, None], osmolality[None, :]) for c in population.classes]
    gone = np.stack(per_class)[k, i]
    excess = (rho[:, None] - rho_f) - gone * (water - rho_f)
    return np.asarray((d[:, None] * 1e-9) ** 2 * excess * 1000.0 / (18.0 * eta * 1e-3), dtype=np.float64)


def _move(place: FloatArray, speed: FloatArray, edges: FloatArray, dt: float) -> FloatArray:
    """Return where each particle is after a time in a frozen profile; exact for a speed constant within cells.

    A particle crosses cell after cell in the direction of its first one and stops at the border of a cell that drives
    it back, or at an end of the tube.
    """
    h = edges[1] - edges[0]
    n = speed.shape[1]
    cell = np.clip(((place - edges[0]) / h).astype(np.int64), 0, n - 1)
    here = np.take_along_axis(speed, cell[:, None], axis=1)[:, 0]
    down = here >= 0
    # Mirror what rises, so that all move towards larger x.
    v = np.where(down[:, None], speed, -speed[:, ::-1])
    x = np.where(down, place - edges[0], edges[-1] - place) / h
    start = np.clip(x.astype(np.int64), 0, n - 1)
    with np.errstate(divide="ignore"):
        cross = np.where(v > 0, h / np.maximum(v, 1e-300), np.inf)
    index = np.arange(n)[None, :]
    cross = np.where(index < start[:, None], 0.0, cross)
    first = np.take_along_axis(cross, start[:, None], axis=1)[:, 0]
    np.put_along_axis(cross, start[:, None], (first * (start + 1 - x))[:, None], axis=1)
    spent = np.cumsum(cross, axis=1)
    passed = (spent <= dt).sum(axis=1)  # index of the cell that it is in at the end
    last = np.minimum(passed, n - 1)
    before = np.where(passed > 0, np.take_along_axis(spent, np.maximum(last - 1, 0)[:, None], axis=1)[:, 0], 0.0)
    begin = np.where(last > start, last.astype(np.float64), x)
    before = np.where(last > start, before, 0.0)
    speed_last = np.maximum(np.take_along_axis(v, last[:, None], axis=1)[:, 0], 0.0)
    end = np.minimum(begin + speed_last * (dt - before) / h, last + 1.0)
    end = np.where(passed >= n, float(n), np.maximum(end, x))
    return np.asarray(np.where(down, edges[0] + end * h, edges[-1] - end * h), dtype=np.float64)


def _broaden(
    variance: FloatArray,
    place: FloatArray,
    speed: FloatArray,
    edges: FloatArray,
    dt: float,
    thermal: tuple[FloatArray, FloatArray, float],
) -> FloatArray:
    """Return the variance of each band after a time: d var/dt = 2 D - 2 kappa var, with kappa = -dv/dr."""
    d, eta, temperature_c = thermal
    h, n = edges[1] - edges[0], speed.shape[1]
    cell = np.clip(((place - edges[0]) / h).astype(np.int64), 1, n - 2)
    around = [np.take_along_axis(speed, (cell + step)[:, None], axis=1)[:, 0] for step in (-1, 1)]
    kappa = np.maximum((around[0] - around[1]) / (2 * h), 1e-12)
    diffusion = BOLTZMANN_J_PER_K * (temperature_c + ZERO_CELSIUS_K) / (3 * np.pi * eta[cell] * 1e-3 * d * 1e-9)
    decay = np.exp(-np.minimum(2 * kappa * dt, 700.0))
    # For a vanishing kappa the growth is 2 D dt.
    growth = np.where(2 * kappa * dt < 1e-6, 2 * diffusion * dt, diffusion / kappa * (1 - decay))
    return np.asarray(variance * decay + growth, dtype=np.float64)


def _collect(place: FloatArray, sd: FloatArray, borders: FloatArray) -> FloatArray:
    """Return the mean over the starting slices of the share in each fraction and, last, on the bottom."""
    bottom = borders[-1]
    landed = place >= bottom - 1e-9
    width = np.maximum(sd, 1e-9)
    z = (borders[:, None, None] - place[None]) / width[None]
    cumulative = ndtr(z)
    cumulative[0], cumulative[-1] = 0.0, 1.0  # the ends are closed: what would pass them stays in the end fraction
    inside = np.diff(cumulative, axis=0)
    shares = np.concatenate([np.where(landed, 0.0, inside), landed[None].astype(np.float64)])
    return np.asarray(shares.mean(axis=1), dtype=np.float64)
