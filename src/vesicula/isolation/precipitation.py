"""Precipitation by a polymer.

Juckes 1971 and Atha & Ingham 1981 [both from memory, unchecked]: log10 S = log10 S0 - beta C, with beta growing with
the Stokes radius. Precipitated: max(0, 1 - S / C_mass).
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part

LOG10_S0 = 2.5
"""S0 of 300 mg/mL, an order for plasma proteins without polymer [E, sureness L]."""
BETA_PER_NM = 0.05
BETA_OFFSET_NM = 1.5
"""beta = 0.05 (radius - 1.5 nm) per % w/v of PEG 6000: 0.10 for albumin (3.5 nm), 0.2 for IgG (5.5) [memory, L]."""
REFERENCE_PEG_KDA = 6.0
CARRIER_MG_PER_ML = 0.05
"""A dilute particle comes down with the rest: its mass concentration counts as at least this [E, sureness L]."""
CARRY_OVER = 0.03
"""Share of what stays dissolved that is caught in the pellet: 1-10 % [E, sureness L]."""
COLLECTED = 0.95
"""Share of the precipitate that the low-speed run collects and that is dissolved again [E, sureness L]."""


def solubility_mg_per_ml(diameter_nm: FloatArray, percent: float, peg_kda: float = REFERENCE_PEG_KDA) -> FloatArray:
    """Return the solubility of spheres in a PEG solution, mg/mL.

    Parameters
    ----------
    diameter_nm : numpy.ndarray
        Hydrodynamic diameter.
    percent : float
        PEG, % w/v.
    peg_kda : float
        Mass of the polymer. Above 4 kDa the slope hardly changes; below, it falls as the root of the mass [E, L].
    """
    beta = BETA_PER_NM * np.maximum(np.asarray(diameter_nm) / 2.0 - BETA_OFFSET_NM, 0.0)
    size = min(1.0, float(np.sqrt(peg_kda / 4.0)))
    return np.asarray(10.0 ** np.maximum(LOG10_S0 - beta * size * percent, -300.0), dtype=np.float64)


def precipitate(
    feed: Fraction,
    *,
    percent: float = 10.0,
    peg_kda: float = REFERENCE_PEG_KDA,
    hours: float = 12.0,
    resuspend_ml: float = 1.0,
    carry_over: float = CARRY_OVER,
    collected: float = COLLECTED,
) -> Outcome:
    """Precipitate with PEG and take the pellet of a low-speed run.

    Parameters
    ----------
    feed : Fraction
        Before PEG is added; the stock (50 % w/v) dilutes it, which is taken into account.
    percent, peg_kda : float
        Final PEG % w/v (below 50) and its mass.
    hours : float
        Of incubation; the end is taken as reached.
    resuspend_ml : float
        Volume of the product.
    carry_over, collected : float
        Share of the dissolved caught in the pellet; share of the precipitate that is kept.

    Returns
    -------
    Outcome
        ``pellet`` (product), ``supernatant`` and ``not resuspended``.

    Raises
    ------
    AnalysisError
        When the feed is empty or a number is impossible.
    """
    feed.require_particles("precipitate")
    if not 0 < percent < 50:
        raise AnalysisError(f"percent must lie between 0 and 50 (the stock), not {percent}")
    check_positive(peg_kda, "peg_kda")
    check_positive(hours, "hours")
    check_share(carry_over, "carry_over")
    check_share(collected, "collected")
    volume = feed.volume_ml / (1.0 - percent / 50.0)
    population = feed.population
    mass = (population.number_per_ml * population.mass_g()).sum(axis=(1, 2)) * 1e3 * feed.volume_ml / volume
    mass = np.maximum(mass, CARRIER_MG_PER_ML)
    limit = solubility_mg_per_ml(population.diameter_nm, percent, peg_kda)
    down = np.maximum(0.0, 1.0 - limit[None, :] / mass[:, None])[:, None, :]
    caught = (1.0 - down) * carry_over
    parts = (
        part(feed, down * collected + caught, name="pellet", volume_ml=resuspend_ml, role="product"),
        part(feed, (1.0 - down) * (1.0 - carry_over), name="supernatant", volume_ml=volume, role="waste"),
        lost(feed, down * (1.0 - collected), name="not resuspended"),
    )
    return Outcome(
        method="precipitation",
        feed=feed,
        fractions=parts,
        hours=hours + 1.0,
        max_g=1500.0,  # the collecting run: 1500 g, 30 min (Boerger 2020)
        g_hours=750.0,
        facts=MappingProxyType({"volume_with_peg_ml": volume}),
        notes=("the product holds residual polymer, which is not modelled",),
    )
