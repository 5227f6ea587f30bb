"""Capture by antibodies on beads: who carries the marker, who meets a bead, who stays, who comes off."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from scipy.special import ndtr

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import MARKERS, ParticleClass
from vesicula.isolation.balance import Fraction, Outcome, check_positive, check_share, lost, part
from vesicula.isolation.fluids import Medium, diffusion_m2_per_s

STICKING = 0.1
"""Share of encounters that bind, as only part of both surfaces is active [E, sureness L]."""
NON_SPECIFIC = 0.005
"""Share of everything that stays on washed beads: 0.1-2 % [E, sureness L]."""
ELUTED = 0.5
"""Share of the captured that elutes: 0.3-0.8 [E, sureness L]."""
KD_NM = 1.0
"""Dissociation constant of one antibody and its antigen, a usual order [E, sureness L]."""
PACKING = 0.5
"""Share of a bead's surface that vesicles cover when it is full (random sequential adsorption of discs: 0.547)."""


def positive_share(cls: ParticleClass, marker: str, diameter_nm: FloatArray, *, at_least: int = 1) -> FloatArray:
    """Return the share of a class with at least so many copies of a marker, by diameter.

    Copies of the positive particles are log-normal with a median that grows as the area (see `MarkerCopies`).
    """
    if marker not in cls.markers:
        return np.zeros_like(diameter_nm)
    m = cls.markers[marker]
    if at_least <= 1:
        return np.full_like(diameter_nm, m.positive_fraction)
    median = m.median_copies * (diameter_nm / cls.median_nm) ** 2
    z = (np.log(median) - np.log(at_least - 0.5)) / np.log(m.geometric_sd)
    return np.asarray(m.positive_fraction * ndtr(z), dtype=np.float64)


def immunocapture(  # noqa: PLR0913 - settings of one device, by keyword
    feed: Fraction,
    *,
    marker: str,
    liquid: Medium,
    beads_per_ml: float = 1e8,
    bead_um: float = 2.8,
    hours: float = 12.0,
    antibody_nm: float = 50.0,
    at_least: int = 2,
    elute_ml: float = 0.1,
    non_specific: float = NON_SPECIFIC,
    eluted: float = ELUTED,
) -> Outcome:
    """Capture by one marker and elute.

    Captured: share with at least `at_least` copies x share that met a bead, 1 - exp(-k N t) with the Smoluchowski rate
    k = 4 pi (D + D_bead)(a + a_bead) x sticking, x share bound at equilibrium, A / (A + Kd / copies) (avidity),
    all scaled down when the beads are full.

    Parameters
    ----------
    feed : Fraction
        What the beads are put into.
    marker : str
        One of CD9, CD63, CD81.
    liquid : Medium
        Temperature and viscosity.
    beads_per_ml, bead_um, hours : float
        Beads per mL of feed, their diameter, time of contact.
    antibody_nm : float
        Antibody on the beads per volume of feed, nmol/L.
    at_least : int
        Copies needed to hold through the washes.
    elute_ml : float
        Volume of the eluate.
    non_specific, eluted : float
        Share of everything that stays on washed beads; share of what is on the beads that elutes.

    Returns
    -------
    Outcome
        ``eluate`` (product), ``unbound`` and ``left on the beads``.

    Raises
    ------
    AnalysisError
        When the feed is empty, the marker unknown, or a number impossible.
    """
    feed.require_particles("capture")
    if marker not in MARKERS:
        raise AnalysisError(f"unknown marker {marker!r}. Known: {', '.join(MARKERS)}")
    for value, name in ((beads_per_ml, "beads_per_ml"), (bead_um, "bead_um"), (hours, "hours")):
        check_positive(value, name)
    check_positive(antibody_nm, "antibody_nm")
    check_share(non_specific, "non_specific")
    check_share(eluted, "eluted")
    d = feed.population.diameter_nm
    met = _met(d, liquid, beads_per_ml, bead_um, hours)
    wanted = np.zeros_like(feed.population.number_per_ml)
    for row, cls in zip(wanted, feed.population.classes, strict=True):
        if marker in cls.markers:
            copies = cls.markers[marker].median_copies * (d / cls.median_nm) ** 2
            bound = antibody_nm / (antibody_nm + KD_NM / np.maximum(copies, 1.0))
            row[:] = positive_share(cls, marker, d, at_least=at_least) * met * bound
    room = _room(feed, wanted, beads_per_ml, bead_um)
    on_beads = wanted * room + (1.0 - wanted * room) * non_specific
    parts = (
        part(feed, on_beads * eluted, name="eluate", volume_ml=elute_ml, role="product"),
        part(feed, 1.0 - on_beads, name="unbound", volume_ml=feed.volume_ml, role="waste"),
        lost(feed, on_beads * (1.0 - eluted), name="left on the beads"),
    )
    notes = () if room >= 1 else (f"the beads are full: only {100 * room:.0f} % of what could bind finds room",)
    used = min(1.0, _load(feed, wanted, beads_per_ml, bead_um))
    facts = MappingProxyType({"share_of_capacity_used": used})
    return Outcome(method="immunoaffinity", feed=feed, fractions=parts, hours=hours + 1.0, facts=facts, notes=notes)


def _met(d: FloatArray, liquid: Medium, beads_per_ml: float, bead_um: float, hours: float) -> FloatArray:
    apart = (d * 1e-9 + bead_um * 1e-6) / 2.0
    together = diffusion_m2_per_s(d, liquid) + diffusion_m2_per_s(bead_um * 1e3, liquid)
    rate = 4.0 * np.pi * together * apart * STICKING
    return np.asarray(-np.expm1(-rate * beads_per_ml * 1e6 * hours * 3600.0), dtype=np.float64)


def _load(feed: Fraction, wanted: FloatArray, beads_per_ml: float, bead_um: float) -> float:
    """Return the area that bound particles would cover over what the beads offer."""
    covered = (feed.population.number_per_ml * wanted * np.pi / 4.0 * (feed.population.diameter_nm * 1e-3) ** 2).sum()
    return float(covered / (beads_per_ml * np.pi * bead_um**2 * PACKING))


def _room(feed: Fraction, wanted: FloatArray, beads_per_ml: float, bead_um: float) -> float:
    load = _load(feed, wanted, beads_per_ml, bead_um)
    return 1.0 if load <= 1.0 else 1.0 / load
