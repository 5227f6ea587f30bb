"""Ultrafiltration, tangential flow filtration and sterile filtration.

Sieving of a sphere by a cylindrical pore: S = 2 (1 - x)^2 - (1 - x)^4 with x = d / d_pore (Ferry 1936), averaged over
log-normal pores weighted by their flow, the fourth power of the diameter (Hagen-Poiseuille). Size of a molecular mass:
smallest sphere of 0.066 M^(1/3) nm radius (Erickson 2009 [from memory, unchecked]), times 1.3 for hydration.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from scipy.special import ndtri

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part

HYDRATION = 1.3
"""Hydrodynamic over smallest radius, 1.2-1.4 [from memory, unchecked]."""
PORE_GSD = 1.3
"""Spread of an ultrafilter's pores [E, sureness L]."""
RETAINED_AT_CUTOFF = 0.9
"""A maker's cut-off is the mass of which 90 % is retained [convention, from memory]."""
ADSORBED = {"TFF": 0.1, "UF": 0.25, "sterile filter": 0.1}
"""Share of the particles that stays on the membrane: TFF recovers 60-90 %, centrifugal UF 30-80 % [from memory; L]."""
WALL_SHEAR_PER_S = MappingProxyType({"TFF": 4000.0, "UF": 0.0, "sterile filter": 9000.0})
"""TFF: 2000-8000 1/s along a hollow fibre [from memory; M]. Sterile filter: 8 v / d in a 0.22 um pore at 1 mL/min per
cm2 and a porosity of 0.7 [E, L]. Centrifugal devices: no figure is known."""
PORE_DEVIATES = ndtri((np.arange(60) + 0.5) / 60)


def diameter_of_mass_nm(mass_kda: float) -> float:
    """Return the hydrodynamic diameter of a globular protein of a mass."""
    mass_da = check_positive(mass_kda, "a molecular mass") * 1000.0
    return float(2.0 * 0.066 * mass_da ** (1 / 3) * HYDRATION)


def sieving(diameter_nm: FloatArray, pore_nm: float, *, pore_gsd: float = PORE_GSD) -> FloatArray:
    """Return the sieving coefficient of spheres, 0 (held back) to 1 (as the solvent).

    Parameters
    ----------
    diameter_nm : numpy.ndarray
        Of the spheres.
    pore_nm, pore_gsd : float
        Median diameter by number and spread of the pores.

    Returns
    -------
    numpy.ndarray
        Shape of `diameter_nm`.
    """
    # Weighting a log-normal by d^4 shifts its median by exp(4 ln(gsd)^2).
    spread = np.log(pore_gsd)
    pores = pore_nm * np.exp(4.0 * spread**2 + spread * PORE_DEVIATES)
    free = np.clip(1.0 - np.asarray(diameter_nm)[..., None] / pores, 0.0, 1.0) ** 2
    return np.asarray((2.0 * free - free**2).mean(axis=-1), dtype=np.float64)


def pore_of_cutoff_nm(cutoff_kda: float) -> float:
    """Return the median pore of a membrane that retains 90 % of the mass it is named after (found by bisection)."""
    d = np.array([diameter_of_mass_nm(cutoff_kda)])
    low, high = float(d[0]) * 0.2, float(d[0]) * 50.0
    for _ in range(60):
        middle = np.sqrt(low * high)
        if sieving(d, middle)[0] < 1.0 - RETAINED_AT_CUTOFF:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))


def ultrafilter(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    *,
    cutoff_kda: float,
    concentrate_to_ml: float,
    diavolumes: float = 0.0,
    tangential: bool,
    area_cm2: float | None = None,
    flux_l_per_m2_h: float = 40.0,
    adsorbed: float | None = None,
    shear_per_s: float | None = None,
) -> Outcome:
    """Concentrate a feed over a membrane and, if asked, exchange its buffer.

    What is retained on concentrating is (V0 / V)^(-S), on diafiltration at constant volume exp(-S N).

    Parameters
    ----------
    feed : Fraction
        What is filtered.
    cutoff_kda : float
        Nominal molecular mass cut-off.
    concentrate_to_ml : float
        Volume of the retentate, at most the feed's.
    diavolumes : float
        Volumes of PBS exchanged after concentrating.
    tangential : bool
        TFF, else a centrifugal device; sets the default adsorption alone.
    area_cm2 : float, optional
        Of the membrane, for the hours; by default 50 per 100 mL of feed [E].
    flux_l_per_m2_h : float
        [E, sureness L]; only the hours depend on it.
    adsorbed : float, optional
        Share lost to the membrane.
    shear_per_s : float, optional
        Shear rate at the wall; reported, of no effect on the particles.

    Returns
    -------
    Outcome
        ``retentate`` (product), ``permeate`` and ``on the membrane``.

    Raises
    ------
    AnalysisError
        When the feed is empty or a number is impossible.
    """
    kind = "TFF" if tangential else "UF"
    feed.require_particles("filter")
    check_positive(concentrate_to_ml, "concentrate_to_ml")
    if concentrate_to_ml > feed.volume_ml:
        raise AnalysisError(f"{feed.volume_ml:g} mL cannot be concentrated to {concentrate_to_ml:g} mL")
    if not (np.isfinite(diavolumes) and diavolumes >= 0):
        raise AnalysisError(f"diavolumes must be 0 or more, not {diavolumes}")
    loss = check_share(ADSORBED[kind] if adsorbed is None else adsorbed, "adsorbed")
    s = sieving(feed.population.diameter_nm, pore_of_cutoff_nm(cutoff_kda))
    held = (feed.volume_ml / concentrate_to_ml) ** (-s) * np.exp(-s * diavolumes)
    through = feed.volume_ml - concentrate_to_ml + diavolumes * concentrate_to_ml
    area = check_positive(0.5 * feed.volume_ml if area_cm2 is None else area_cm2, "area_cm2")
    parts = (
        part(feed, held * (1.0 - loss), name="retentate", volume_ml=concentrate_to_ml, role="product"),
        part(feed, (1.0 - held) * (1.0 - loss), name="permeate", volume_ml=max(through, 1e-6), role="waste"),
        lost(feed, loss, name="on the membrane"),
    )
    facts = {
        "pore_median_nm": pore_of_cutoff_nm(cutoff_kda),
        "concentration_factor": feed.volume_ml / concentrate_to_ml,
        "area_cm2": area,
    }
    hours = through / 1000.0 / (check_positive(flux_l_per_m2_h, "flux_l_per_m2_h") * area * 1e-4)
    shear = WALL_SHEAR_PER_S[kind] if shear_per_s is None else check_positive(shear_per_s, "shear_per_s")
    return Outcome(
        method=kind, feed=feed, fractions=parts, hours=hours, shear_per_s=shear, facts=MappingProxyType(facts)
    )


def sterile_filter(feed: Fraction, *, pore_nm: float = 220.0, adsorbed: float | None = None) -> Outcome:
    """Pass a feed through a membrane filter and keep what passes.

    Parameters
    ----------
    feed : Fraction
        What is filtered.
    pore_nm : float
        Rated pore, taken as the median.
    adsorbed : float, optional
        Share of all particles that stays on the membrane beside what is sieved.

    Returns
    -------
    Outcome
        ``filtrate`` (product), ``held back`` and ``on the membrane``.
    """
    feed.require_particles("filter")
    loss = check_share(ADSORBED["sterile filter"] if adsorbed is None else adsorbed, "adsorbed")
    s = sieving(feed.population.diameter_nm, check_positive(pore_nm, "pore_nm"))
    volume = feed.volume_ml
    parts = (
        part(feed, s * (1.0 - loss), name="filtrate", volume_ml=volume, role="product"),
        part(feed, (1.0 - s) * (1.0 - loss), name="held back", volume_ml=volume, role="waste"),
        lost(feed, loss, name="on the membrane"),
    )
    return Outcome(
        method="filter",
        feed=feed,
        fractions=parts,
        hours=0.1,
        shear_per_s=WALL_SHEAR_PER_S["sterile filter"],
        facts=MappingProxyType({"pore_nm": pore_nm}),
    )
