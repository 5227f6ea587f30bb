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
from scipy.linalg import solve_banded

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import ISOTONIC_MOSM, ParticleClass
from vesicula.core.population import MixedPopulation, density_deviates
from vesicula.isolation import kernels
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

CELLS = 300
START_SLICES = 5
SEGMENTS = 24
DIFFUSION_STEPS = 4
DENSITIES = 205
"""Densities that the shares of a class are cut into, to be parted by sharp borders."""
SOLUTE_DIFFUSION_M2_PER_S = {"sucrose": 5.2e-10, "iodixanol": 2.5e-10}
"""In water at 25 C [from memory, unchecked; iodixanol L]; scaled by temperature and local viscosity."""
DILUENT_OSMOLALITY_MOSM = 290.0
Solute = Literal["sucrose", "iodixanol"]


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
    spun = spin(feed.volume_ml, run, layers=layers, solute=solute, temperature_c=temperature_c, load=load)
    wanted = {k for k in keep if k != "pellet"}
    if not keep or any(not 1 <= int(k) <= n_fractions for k in wanted):
        found = ", ".join(map(str, keep)) or "none"
        raise AnalysisError(f"the kept fractions must be among 1 to {n_fractions} and pellet, not {found}")
    check_share(pellet_loss, "pellet_loss")
    shares = _follow(feed.population, spun, n_fractions)
    volume = spun.filled_ml / n_fractions * spun.tubes
    parts = [
        part(
            feed, shares[n], name=f"fraction {n + 1}", volume_ml=volume, role="product" if n + 1 in wanted else "waste"
        )
        for n in range(n_fractions)
    ]
    role: Literal["product", "waste"] = "product" if "pellet" in keep else "waste"
    parts.append(part(feed, shares[-1] * (1 - pellet_loss), name="pellet", volume_ml=0.1 * spun.tubes, role=role))
    parts.append(lost(feed, shares[-1] * pellet_loss, name="pellet not resuspended"))
    top = run.rotor.rcf_g(run.rpm, at="r_max")
    means = [float(cells.mean()) for cells in np.array_split(spun.density_g_per_ml, n_fractions)]
    densities = {f"density_of_fraction_{n}_g_per_ml": mean for n, mean in enumerate(means, start=1)}
    return Outcome(
        method="gradient",
        feed=feed,
        fractions=tuple(parts),
        hours=run.minutes / 60.0 + 2 * STEP_HOURS,
        g_hours=top * run.minutes / 60.0,
        max_g=top,
        facts=MappingProxyType({"tubes": float(spun.tubes), **densities}),
        notes=("kept fractions hold the gradient's solute: dilute or exchange the buffer before the next step",),
    )


def _check(
    feed_ml: float, run: Run, layers: Sequence[Layer], solute: str, temperature_c: float
) -> tuple[int, float]:
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
    tubes = int(np.ceil(feed_ml / room - 1e-9))
    if tubes > run.rotor.tubes:
        raise AnalysisError(
            f"{feed_ml:g} mL need {tubes} tubes with room for {room:g} mL each, and {run.rotor.name} holds "
            f"{run.rotor.tubes}. Concentrate first, or take less of the layers"
        )
    return tubes, feed_ml / tubes + sum(layer.volume_ml for layer in layers)


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
    matrix = np.zeros((3, percent.size))  # diagonals: above, main, below
    matrix[1] = 1.0
    matrix[1, :-1] += d
    matrix[1, 1:] += d
    matrix[0, 1:] = matrix[2, :-1] = -d
    return np.asarray(solve_banded((1, 1), matrix, percent, check_finite=False), dtype=np.float64)


def _diffused(
    percent: FloatArray, edges: FloatArray, seconds: float, d_water: float, liquid: tuple[Solute, float]
) -> FloatArray:
    for _ in range(DIFFUSION_STEPS):
        percent = _spread(percent, _liquid(percent, *liquid)[1], edges, seconds / DIFFUSION_STEPS, d_water)
    return percent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spin:
    """A gradient as it changes during a run, ready for particles to move in.

    Parameters
    ----------
    tubes : int
        How many the feed is spread over.
    filled_ml : float
        Of liquid in one tube.
    start_m : numpy.ndarray, shape (slices,)
        Distances from the top at which the feed's particles begin.
    seconds : numpy.ndarray, shape (segments,)
        Lengths of the times in which the gradient is held still.
    profiles : numpy.ndarray, shape (segments, 4, cells)
        As `vesicula.isolation.kernels.bands` takes them.
    cell_m : float
        Height of a cell.
    density_g_per_ml : numpy.ndarray, shape (cells,)
        Of the liquid at the end.
    """

    tubes: int
    filled_ml: float
    start_m: FloatArray
    seconds: FloatArray
    profiles: FloatArray
    cell_m: float
    density_g_per_ml: FloatArray

    def shares(self, diameter_nm: FloatArray, density: FloatArray, lumen: FloatArray, n_fractions: int) -> FloatArray:
        """Return where particles end, shape (particles, n_fractions + 1): the fractions from the top, the pellet.

        Parameters
        ----------
        diameter_nm, density : numpy.ndarray, shape (particles,)
            Isotonic diameter and density (g/mL).
        lumen : numpy.ndarray, shape (particles,)
            Share of the volume that an endless osmolality would draw out as water.
        n_fractions : int
            Fractions of equal volume.
        """
        share = np.zeros((diameter_nm.size, n_fractions + 1))
        kernels.bands(
            share, diameter_nm * 1e-9, density, lumen, self.start_m, self.seconds, self.profiles, self.cell_m
        )
        return share


def spin(
    feed_ml: float,
    run: Run,
    *,
    layers: Sequence[Layer],
    solute: Solute,
    temperature_c: float,
    load: Literal["top", "bottom"] = "top",
) -> Spin:
    """Follow the gradient's own diffusion during a run; parameters and errors as for `density_gradient`."""
    tubes, filled = _check(feed_ml, run, layers, solute, temperature_c)
    edges, percent, span = _loaded(feed_ml / tubes, layers, run, load)
    d_water = _solute_diffusion(solute, temperature_c)
    # Short where the solute's steps are sharp, and short at the end, where bands follow the density that carries them.
    times = np.diff(0.5 - 0.5 * np.cos(np.pi * np.linspace(0.0, 1.0, SEGMENTS + 1))) * run.minutes * 60.0
    # What a particle's speed is but for its own diameter and density; radius at the middle of the cell.
    field = angular_speed(run.rpm) ** 2 * 0.5 * (edges[1:] + edges[:-1])
    water = float(water_density_g_per_ml(20.0))
    thermal = BOLTZMANN_J_PER_K * (temperature_c + ZERO_CELSIUS_K) / (3 * np.pi * 1e-9 * 1e6)
    profiles = np.empty((SEGMENTS, 4, CELLS))
    for profile, dt in zip(profiles, times, strict=True):
        percent = _diffused(percent, edges, 0.5 * dt, d_water, (solute, temperature_c))
        rho, eta, osmolality = _liquid(percent, solute, temperature_c)
        gone = 1.0 - np.minimum(1.0, ISOTONIC_MOSM / osmolality)  # as in ParticleClass.shrinkage
        profile[:] = field * 1000.0 / (18.0 * eta * 1e-3), rho, gone * (water - rho), thermal / eta
        percent = _diffused(percent, edges, 0.5 * dt, d_water, (solute, temperature_c))
    inside = span[0] - edges[0] + (np.arange(START_SLICES) + 0.5) / START_SLICES * (span[1] - span[0])
    last = _liquid(percent, solute, temperature_c)[0]
    return Spin(
        tubes=tubes,
        filled_ml=filled,
        start_m=inside,
        seconds=times,
        profiles=profiles,
        cell_m=float(edges[1] - edges[0]),
        density_g_per_ml=last,
    )


def within_shares(n_densities: int) -> FloatArray:
    """Return standard normal deviates within each of a population's density shares, shape (n_densities, k).

    A share stands for a range of densities, and fractions cut through it: at the share's mean alone, five shares put a
    seventh of the vesicles into a wrong fraction of a usual gradient. One share is one density, as everywhere.
    """
    if n_densities == 1:
        return np.zeros((1, 1))
    each = max(1, round(DENSITIES / n_densities))
    return density_deviates(n_densities * each).reshape(n_densities, each)


def lumen_share(cls: ParticleClass, diameter_nm: FloatArray) -> FloatArray:
    """Return the share of a particle's volume that an endless osmolality draws out as water."""
    return cls.shrinkage(diameter_nm, np.inf)


def _follow(population: MixedPopulation, spun: Spin, n_fractions: int) -> FloatArray:
    """Return shares by fraction and pellet, (n_fractions + 1, classes, densities, bins)."""
    k, q, i = np.nonzero(population.number_per_ml > 0)
    diameter, classes = population.diameter_nm, population.classes
    mean = np.stack([c.density_g_per_ml(diameter) for c in classes])[k, i]
    lumen = np.stack([lumen_share(c, diameter) for c in classes])[k, i]
    sd = np.array([c.density_sd_g_per_ml for c in classes])[k]
    z = within_shares(population.n_densities)[q]
    each = z.shape[1]
    found = spun.shares(
        np.repeat(diameter[i], each), (mean[:, None] + sd[:, None] * z).ravel(), np.repeat(lumen, each), n_fractions
    )
    shares = np.zeros((n_fractions + 1, *population.number_per_ml.shape))
    shares[:, k, q, i] = found.reshape(k.size, each, -1).mean(axis=1).T
    return shares


def _solute_diffusion(solute: str, temperature_c: float) -> float:
    """Return D of the solute times viscosity relative to 1 mPa s: divide by the local viscosity in mPa s."""
    warm = 25.0 + ZERO_CELSIUS_K
    scale = (temperature_c + ZERO_CELSIUS_K) / warm * float(water_viscosity_mpa_s(25.0))
    return SOLUTE_DIFFUSION_M2_PER_S[solute] * scale
