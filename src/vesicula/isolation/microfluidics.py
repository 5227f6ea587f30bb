"""Deterministic lateral displacement, acoustic focusing, asymmetrical flow field-flow fractionation."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part
from vesicula.isolation.fluids import Medium, diffusion_m2_per_s

BoolArray = npt.NDArray[np.bool_]

DEVICE_LOSS = {"DLD": 0.15, "acoustic": 0.1, "AF4": 0.3}
"""Share that stays in the device: recoveries of 50-90 % [from memory, unchecked, sureness L]."""
DLD_WIDTH = 0.05
"""Width of the change from zigzag to bump over the critical diameter [E, sureness L]."""
COMPRESSIBILITY_OVER_WATER = MappingProxyType(
    {"vesicle": 0.9, "medium": 0.9, "nanoparticle": 0.7, "lipoprotein": 1.1, "protein": 0.6}
)
"""Of particle groups [E, sureness L]."""
AF4_PLATES = 200.0
"""[E, sureness L]"""


def dld_critical_nm(gap_nm: float, row_shift: float) -> float:
    """Return the critical diameter 1.4 G e^0.48 of a pillar array (Davis 2006, as restated in reviews).

    Parameters
    ----------
    gap_nm : float
        Between pillars.
    row_shift : float
        e, the shift of each row over the period, 0.01-0.1 as a rule.
    """
    check_positive(gap_nm, "gap_nm")
    if not 0 < row_shift <= 0.5:
        raise AnalysisError(f"row_shift must lie between 0 and 0.5, not {row_shift}")
    return float(1.4 * gap_nm * row_shift**0.48)


def lateral_displacement(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    *,
    liquid: Medium,
    gap_nm: float,
    row_shift: float = 0.1,
    length_mm: float = 10.0,
    speed_mm_per_s: float = 1.0,
    flow_ul_per_min: float = 100.0,
    parallel: int = 1,
) -> Outcome:
    """Sort by size in a pillar array; the bumped particles are the product.

    Particles above the critical diameter are displaced by the row shift, the others are not; diffusion over the transit
    blurs where they leave (Heller & Bruus 2008). The outlet divides the displacement in the middle.

    Parameters
    ----------
    feed : Fraction
        What is sorted.
    liquid : Medium
        Temperature and viscosity.
    gap_nm, row_shift, length_mm : float
        Of the array.
    speed_mm_per_s, flow_ul_per_min : float
        Mean speed in the array, and throughput of one device.
    parallel : int
        Devices side by side.

    Returns
    -------
    Outcome
        ``bumped`` (product), ``zigzag`` and ``in the device``.
    """
    feed.require_particles("sort")
    critical = dld_critical_nm(gap_nm, row_shift)
    check_positive(length_mm, "length_mm")
    check_positive(speed_mm_per_s, "speed_mm_per_s")
    d = feed.population.diameter_nm
    bumps = ndtr((d - critical) / (DLD_WIDTH * critical))
    shift = row_shift * length_mm * 1e-3
    blur = np.sqrt(2.0 * diffusion_m2_per_s(d, liquid) * length_mm / speed_mm_per_s)
    collected = ndtr((bumps - 0.5) * shift / blur)
    too_large = d >= gap_nm  # such particles clog the array
    share = np.where(too_large, 0.0, collected)
    # Plane Poiseuille flow between two pillars: 6 v / gap at their walls.
    facts = {"critical_diameter_nm": critical, "shear_per_s": 6.0 * speed_mm_per_s * 1e6 / gap_nm}
    return _device(feed, "DLD", share, ("bumped", "zigzag"), flow_ul_per_min * parallel, facts, too_large)


def acoustic_contrast(density_g_per_ml: FloatArray, compressibility: FloatArray | float, liquid: Medium) -> FloatArray:
    """Return the acoustic contrast factor (1/3) [(5 r - 2) / (2 r + 1) - k], r and k over the liquid (Gor'kov 1962)."""
    r = density_g_per_ml / liquid.density_g_per_ml
    return np.asarray(((5.0 * r - 2.0) / (2.0 * r + 1.0) - compressibility) / 3.0, dtype=np.float64)


def acoustic_focus(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    *,
    liquid: Medium,
    energy_j_per_m3: float = 100.0,
    frequency_mhz: float = 20.0,
    residence_s: float = 1.0,
    centre: float = 0.3,
    flow_ul_per_min: float = 20.0,
    parallel: int = 1,
) -> Outcome:
    """Focus in a standing half-wave and keep what leaves in the centre.

    The force 4 pi Phi k a^3 E sin(2 k z) against Stokes drag has the solution tan(k z) = tan(k z0) exp(G t) with
    G = 4 Phi k^2 a^2 E / (3 eta). Streaming and diffusion are not modelled: below some 200 nm they often win.

    Parameters
    ----------
    feed : Fraction
        What is focused; it starts spread evenly over the channel.
    liquid : Medium
        Density, viscosity, temperature.
    energy_j_per_m3, frequency_mhz : float
        Acoustic energy density and frequency (sound at 1500 m/s).
    residence_s : float
        Time in the field.
    centre : float
        Share of the channel's width that leaves by the centre outlet.
    flow_ul_per_min : float
        Throughput of one device.
    parallel : int
        Devices side by side.

    Returns
    -------
    Outcome
        ``centre`` (product), ``sides`` and ``in the device``.
    """
    feed.require_particles("focus")
    check_share(centre, "centre")
    check_positive(energy_j_per_m3, "energy_j_per_m3")
    check_positive(frequency_mhz, "frequency_mhz")
    check_positive(residence_s, "residence_s")
    population = feed.population
    k = 2.0 * np.pi * frequency_mhz * 1e6 / 1500.0
    stiffness = np.array([COMPRESSIBILITY_OVER_WATER[c.group] for c in population.classes])[:, None, None]
    contrast = acoustic_contrast(population.density_g_per_ml(), stiffness, liquid)
    a = population.diameter_nm * 0.5e-9
    rate = 4.0 * contrast * k**2 * a**2 * energy_j_per_m3 / (3.0 * liquid.viscosity_mpa_s * 1e-3)
    border = np.tan(np.pi / 2.0 * (1.0 - centre)) if centre > 0 else np.inf
    share = 1.0 - 2.0 / np.pi * np.arctan(border * np.exp(-np.clip(rate * residence_s, -500.0, 500.0)))
    notes = ("streaming and diffusion are not modelled: for particles below about 200 nm this is an upper limit",)
    return _device(feed, "acoustic", share, ("centre", "sides"), flow_ul_per_min * parallel, {}, notes=notes)


def af4_retention_min(
    diameter_nm: FloatArray,
    *,
    liquid: Medium,
    width_um: float,
    void_ml: float,
    cross_ml_per_min: float,
    out_ml_per_min: float,
) -> FloatArray:
    """Return retention times in minutes (Giddings 1978; Wahlund & Giddings 1987 [from memory, unchecked]).

    lambda = D V0 / (Vc w^2), R = 6 (alpha - alpha^2) + 6 lambda (1 - 2 alpha) [coth((1 - 2 alpha) / (2 lambda))
    - 2 lambda / (1 - 2 alpha)], alpha = d / (2 w) (steric), void time (V0 / Vc) ln(1 + Vc / Vout).

    Parameters
    ----------
    diameter_nm : numpy.ndarray
        Hydrodynamic diameter.
    liquid : Medium
        Temperature and viscosity.
    width_um, void_ml : float
        Thickness and volume of the channel.
    cross_ml_per_min, out_ml_per_min : float
        Cross flow and outlet flow.
    """
    w = width_um * 1e-6
    lam = diffusion_m2_per_s(diameter_nm, liquid) * void_ml / (cross_ml_per_min / 60.0 * w**2)
    alpha = np.minimum(np.asarray(diameter_nm) * 0.5e-9 / w, 0.45)
    free = 1.0 - 2.0 * alpha
    ratio = 6.0 * (alpha - alpha**2) + 6.0 * lam * free * (1.0 / np.tanh(free / (2.0 * lam)) - 2.0 * lam / free)
    void_min = void_ml / cross_ml_per_min * np.log1p(cross_ml_per_min / out_ml_per_min)
    return np.asarray(void_min / np.minimum(ratio, 1.0), dtype=np.float64)


def field_flow(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    *,
    liquid: Medium,
    keep_from_min: float,
    keep_to_min: float,
    end_min: float = 90.0,
    width_um: float = 350.0,
    void_ml: float = 0.8,
    cross_ml_per_min: float = 0.3,
    out_ml_per_min: float = 0.5,
    load_ml: float = 0.1,
) -> Outcome:
    """Fractionate by AF4 and keep what elutes within a window.

    Parameters
    ----------
    feed : Fraction
        Injected in as many runs as its volume asks for.
    liquid : Medium
        Temperature and viscosity.
    keep_from_min, keep_to_min, end_min : float
        Window of the product, and end of the run (what is then still inside is flushed to waste).
    width_um, void_ml, cross_ml_per_min, out_ml_per_min : float
        Channel and flows.
    load_ml : float
        Volume of one injection.

    Returns
    -------
    Outcome
        ``before``, ``window`` (product), ``after`` and ``in the device``.
    """
    feed.require_particles("inject")
    if not 0 <= keep_from_min < keep_to_min <= end_min:
        raise AnalysisError("0 <= keep_from_min < keep_to_min <= end_min is needed")
    for value, name in ((width_um, "width_um"), (void_ml, "void_ml"), (cross_ml_per_min, "cross_ml_per_min")):
        check_positive(value, name)
    check_positive(out_ml_per_min, "out_ml_per_min")
    runs = int(np.ceil(feed.volume_ml / check_positive(load_ml, "load_ml") - 1e-9))
    mean = af4_retention_min(
        feed.population.diameter_nm, liquid=liquid, width_um=width_um, void_ml=void_ml,
        cross_ml_per_min=cross_ml_per_min, out_ml_per_min=out_ml_per_min,
    )  # fmt: skip
    sd = mean / np.sqrt(AF4_PLATES)
    first, last = (ndtr((t - mean) / sd) for t in (keep_from_min, keep_to_min))
    loss = DEVICE_LOSS["AF4"]
    minutes = (max(keep_from_min, 1e-3), keep_to_min - keep_from_min, max(end_min - keep_to_min, 1e-3))
    volumes = [m * out_ml_per_min * runs for m in minutes]
    parts = (
        part(feed, first * (1 - loss), name="before", volume_ml=volumes[0], role="waste"),
        part(feed, (last - first) * (1 - loss), name="window", volume_ml=volumes[1], role="product"),
        part(feed, (1.0 - last) * (1 - loss), name="after", volume_ml=volumes[2], role="waste"),
        lost(feed, loss, name="in the device"),
    )
    facts = MappingProxyType({"injections": float(runs)})
    # 6 v / w at the wall; the channel's breadth times its length is void_ml / w, its length taken as 27 cm [E].
    speed_m_per_s = out_ml_per_min * 1e-6 / 60.0 / (void_ml * 1e-6 / 0.27)
    shear = 6.0 * speed_m_per_s / (width_um * 1e-6)
    hours = runs * end_min / 60.0
    return Outcome(method="AF4", feed=feed, fractions=parts, hours=hours, shear_per_s=shear, facts=facts)


def _device(  # noqa: PLR0913, PLR0917 - one call, from two places
    feed: Fraction,
    method: str,
    share: FloatArray,
    names: tuple[str, str],
    flow_ul_per_min: float,
    facts: dict[str, float],
    clogging: BoolArray | None = None,
    notes: tuple[str, ...] = (),
) -> Outcome:
    if not flow_ul_per_min > 0:
        raise AnalysisError("flow_ul_per_min and parallel must be positive")
    loss = np.full_like(share, DEVICE_LOSS[method])
    if clogging is not None:
        loss = np.where(clogging, 1.0, loss)
        held = float((feed.population.number_per_ml * clogging).sum())
        if held > 0:
            notes = (*notes, f"{held:.3g} particles per mL are larger than the gap and clog it: filter first")
    half = feed.volume_ml / 2.0
    parts = (
        part(feed, share * (1.0 - loss), name=names[0], volume_ml=half, role="product"),
        part(feed, (1.0 - share) * (1.0 - loss), name=names[1], volume_ml=half, role="waste"),
        lost(feed, loss, name="in the device"),
    )
    hours = feed.volume_ml * 1000.0 / flow_ul_per_min / 60.0
    shear = facts.get("shear_per_s", 0.0)
    return Outcome(
        method=method, feed=feed, fractions=parts, hours=hours, shear_per_s=shear, facts=MappingProxyType(facts),
        notes=notes,
    )  # fmt: skip
