"""Differential centrifugation in any rotor.

Pelleted shares: Livshits et al. 2015, Sci Rep 5:17319 (swing-out: uniform start in a tube of constant cross-section;
fixed angle: elliptic slices, equation 17 of its supplement). Where diffusion matters (Peclet number below 500), the
Lamm equation is solved instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Literal

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part
from vesicula.isolation.fluids import Medium, diffusion_m2_per_s, medium, sedimentation_s
from vesicula.isolation.lamm import CELLS, lamm_profile
from vesicula.isolation.rotors import At, Rotor, angular_speed

PECLET_DIFFUSIVE = 500.0
"""Below this the Lamm equation is solved. At 500 a packed layer is 0.2 % of the way thick and lies within the pellet's
layer, so that both shares agree there; at 50 it would be 2 % thick, and most of it would not be pellet."""
PELLET_LAYER_SHARE = 0.01
"""What lies in the lowest 1 % of the path is pellet, where diffusion keeps it from packing [E, sureness L]."""
RESIDUAL_SHARE = 0.005
"""Supernatant that stays on a pellet, share of the tube's liquid [E, sureness L]."""
PELLET_LOSS = 0.2
"""Share of a kept pellet that is not resuspended: 0.1-0.4 per round [E, sureness L]."""
STEP_HOURS = 0.5
"""Loading, acceleration, braking and resuspension per run [E, sureness L]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a centrifuge.

    Parameters
    ----------
    rotor : Rotor
        Which rotor.
    rpm : float
        Speed; within the rotor's limit.
    minutes : float
        At speed.
    """

    rotor: Rotor
    rpm: float
    minutes: float

    def __post_init__(self) -> None:
        self.rotor.check_rpm(self.rpm)
        check_positive(self.minutes, f"rotor {self.rotor.name}: minutes")

    @property
    def omega2_t(self) -> float:
        """Angular speed squared times time, 1/s."""
        return angular_speed(self.rpm) ** 2 * self.minutes * 60.0


def run_at(rotor: Rotor, rcf_g: float, minutes: float, *, at: At = "r_av") -> Run:
    """Return a run at a force stated at a radius."""
    return Run(rotor=rotor, rpm=rotor.rpm_for(rcf_g, at=at), minutes=minutes)


def k_factor(rotor: Rotor, rpm: float) -> float:
    """Return the clearing factor k = ln(r_max / r_min) 1e13 / (3600 w^2), in svedberg hours."""
    return float(np.log(rotor.r_max_mm / rotor.r_min_mm) * 1e13 / (3600.0 * angular_speed(rotor.check_rpm(rpm)) ** 2))


def cutoff_diameter_nm(run: Run, *, density_g_per_ml: float, liquid: Medium) -> float:
    """Return the diameter from which on every particle of a density is pelleted.

    Raises
    ------
    AnalysisError
        When such particles do not sediment in that liquid.
    """
    excess = (density_g_per_ml - liquid.density_g_per_ml) * 1000.0
    if excess <= 0:
        raise AnalysisError(
            f"particles of {density_g_per_ml} g/mL do not sediment in {liquid.name} "
            f"of {liquid.density_g_per_ml:.4f} g/mL"
        )
    r = run.rotor
    way = np.log(r.r_max_mm / r.r_min_mm) if r.kind == "swing-out" else r.path_mm / r.r_av_mm
    return float(np.sqrt(18.0 * liquid.viscosity_mpa_s * 1e-3 * way / (excess * run.omega2_t)) * 1e9)


def pelleted_share(run: Run, s: FloatArray, *, fill: float = 1.0) -> FloatArray:
    """Return the share that reaches the wall from a uniform start, without diffusion.

    Parameters
    ----------
    run : Run
        Rotor, speed, time.
    s : numpy.ndarray
        Sedimentation coefficients in seconds; what floats is not pelleted.
    fill : float
        Share of the tube that is filled. In a swing-out tube the liquid then begins lower; in a fixed-angle tube the
        way to the wall is the same at every height, and the fill is of no effect here.

    Returns
    -------
    numpy.ndarray
        Shape of `s`.
    """
    r, drive = run.rotor, np.maximum(s, 0.0) * run.omega2_t
    if r.kind == "swing-out":
        length = (r.r_max_mm - r.r_min_mm) * fill
        return np.asarray(np.minimum(1.0, -r.r_max_mm / length * np.expm1(-drive)), dtype=np.float64)
    xi = np.minimum(1.0, drive * r.r_av_mm / r.path_mm)
    return np.asarray(2.0 / np.pi * (np.arcsin(xi) + xi * np.sqrt(1.0 - xi**2)), dtype=np.float64)


def pelleted_share_diffusing(run: Run, s: FloatArray, diffusion: FloatArray, *, fill: float = 1.0) -> FloatArray:
    """Return the pelleted share, by the Lamm equation wherever the Peclet number is below 500.

    Parameters
    ----------
    run, s, fill
        As for `pelleted_share`.
    diffusion : numpy.ndarray
        Diffusion coefficients in m2/s, shape of `s`.

    Returns
    -------
    numpy.ndarray
        For a diffusing particle: what lies in the lowest `PELLET_LAYER_SHARE` of the way.
    """
    share, r = pelleted_share(run, s, fill=fill), run.rotor
    swing = r.kind == "swing-out"
    length = (r.path_mm * (fill if swing else 1.0)) * 1e-3
    middle = (r.r_max_mm * 1e-3 - 0.5 * length) if swing else r.r_av_mm * 1e-3
    drift = s * angular_speed(run.rpm) ** 2 * middle
    peclet = drift * length / diffusion
    slow = np.abs(peclet) < PECLET_DIFFUSIVE
    if not np.any(slow):
        return share
    ratio = r.r_max_mm * 1e-3 / (r.r_max_mm * 1e-3 - length) if swing else 1.0
    crossings = np.abs(drift[slow]) * run.minutes * 60.0 / length
    profile = lamm_profile(peclet[slow], crossings, radius_ratio=ratio)
    share[slow] = lowest_share(profile)
    return share


def lowest_share(profile: FloatArray) -> FloatArray:
    """Return what lies in the pellet's layer of profiles from `lamm_profile`, shape (m,)."""
    layer = PELLET_LAYER_SHARE * CELLS
    whole = int(layer)
    tail = profile[:, CELLS - whole :].sum(axis=1)
    return np.asarray(np.minimum(1.0, tail + (layer - whole) * profile[:, CELLS - whole - 1]), dtype=np.float64)


def centrifuge(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    run: Run,
    *,
    liquid: Medium,
    keep: Literal["pellet", "supernatant"],
    resuspend_ml: float = 1.0,
    washes: int = 0,
    pellet_loss: float = PELLET_LOSS,
    residual: float = RESIDUAL_SHARE,
) -> Outcome:
    """Pellet a feed and keep one part; a kept pellet may be washed.

    A wash resuspends the pellet in PBS to the volume of the feed (at most one rotor load) and repeats the run.

    Parameters
    ----------
    feed : Fraction
        What is spun; more than one rotor load takes several runs.
    run : Run
        Rotor, speed, time.
    liquid : Medium
        What the particles are in, at the temperature of the run.
    keep : {"pellet", "supernatant"}
        Which part goes on.
    resuspend_ml : float
        Volume of the kept pellet.
    washes : int
        Rounds of resuspending and pelleting; only for a kept pellet.
    pellet_loss : float
        Share of a kept pellet that is lost each round.
    residual : float
        Share of the liquid that stays with the pellet.

    Returns
    -------
    Outcome
        Fractions ``pellet``, ``supernatant``, and for a kept pellet ``wash 1``... and ``pellet not resuspended``.

    Raises
    ------
    AnalysisError
        When the feed is empty, a number is impossible, or washing is asked of a supernatant.
    """
    feed.require_particles("centrifuge")
    check_share(pellet_loss, "pellet_loss")
    check_share(residual, "residual", upper=0.5)
    check_positive(resuspend_ml, "resuspend_ml")
    if washes < 0 or (washes and keep == "supernatant"):
        raise AnalysisError("washes must be 0 or more, and only a kept pellet can be washed")
    load = run.rotor.tube_ml * run.rotor.tubes
    loads = ceil(feed.volume_ml / load - 1e-9)
    fractions = _parts(feed, run, liquid, keep, (resuspend_ml, pellet_loss, residual, washes))
    hours = (loads + washes) * run.minutes / 60.0
    top = run.rotor.rcf_g(run.rpm, at="r_max")
    return Outcome(
        method="centrifuge",
        feed=feed,
        fractions=tuple(fractions),
        hours=hours + STEP_HOURS * (loads + washes),
        g_hours=top * (1 + washes) * run.minutes / 60.0,
        max_g=top,
        facts=MappingProxyType(_facts(run, liquid, loads)),
        notes=() if run.rotor.geometry_read else (f"geometry of rotor {run.rotor.name}: {run.rotor.source}",),
    )


def _facts(run: Run, liquid: Medium, loads: int) -> dict[str, float]:
    return {
        "rpm": run.rpm,
        "rcf_at_r_av_g": run.rotor.rcf_g(run.rpm, at="r_av"),
        "rcf_at_r_max_g": run.rotor.rcf_g(run.rpm, at="r_max"),
        "k_factor": k_factor(run.rotor, run.rpm),
        "cutoff_nm_at_1.10_g_per_ml": cutoff_diameter_nm(run, density_g_per_ml=1.10, liquid=liquid),
        "rotor_loads": float(loads),
    }


def _share_for(feed: Fraction, run: Run, liquid: Medium, volume_ml: float) -> FloatArray:
    population = feed.population
    d = population.diameter_nm
    density = population.density_g_per_ml()
    lost_share = np.stack([c.shrinkage(d, liquid.osmolality_mosm) for c in population.classes])[:, None, :]
    s = sedimentation_s(d, density, liquid, lost_share=lost_share)
    capacity = run.rotor.tube_ml * run.rotor.tubes
    loads = ceil(volume_ml / capacity - 1e-9)
    fill = min(1.0, max(volume_ml / (loads * capacity), 0.05))
    share = np.zeros(s.shape)
    there = population.number_per_ml > 0  # the Lamm equation is solved only for what is there
    diffusion = np.broadcast_to(diffusion_m2_per_s(d, liquid), s.shape)
    share[there] = pelleted_share_diffusing(run, s[there], diffusion[there], fill=fill)
    return share


def _parts(
    feed: Fraction, run: Run, liquid: Medium, keep: str, settings: tuple[float, float, float, int]
) -> list[Fraction]:
    resuspend_ml, pellet_loss, residual, washes = settings
    f = _share_for(feed, run, liquid, feed.volume_ml)
    down = f + (1.0 - f) * residual
    left = feed.volume_ml * residual
    supernatant_ml = feed.volume_ml - left
    if keep == "supernatant":
        return [
            part(feed, 1.0 - down, name="supernatant", volume_ml=supernatant_ml, role="product"),
            part(feed, down, name="pellet", volume_ml=left if left > 0 else resuspend_ml, role="waste"),
        ]
    parts = [part(feed, 1.0 - down, name="supernatant", volume_ml=supernatant_ml, role="waste")]
    unspent = down * pellet_loss
    kept = down * (1.0 - pellet_loss)
    wash_ml = min(feed.volume_ml, run.rotor.tube_ml * run.rotor.tubes)
    wash_liquid = medium("PBS", liquid.temperature_c)
    again = _share_for(feed, run, wash_liquid, wash_ml) if washes else f
    for n in range(1, washes + 1):
        parts.append(
            part(feed, kept * (1.0 - again) * (1.0 - residual), name=f"wash {n}", volume_ml=wash_ml, role="waste")
        )
        kept = kept * (again + (1.0 - again) * residual)
        unspent = unspent + kept * pellet_loss
        kept = kept * (1.0 - pellet_loss)
    parts.append(lost(feed, unspent, name="pellet not resuspended"))
    parts.append(part(feed, kept, name="pellet", volume_ml=resuspend_ml, role="product"))
    return parts
