"""How pure is a preparation of vesicles: particles per protein, particles per lipid, protein per lipid.

Webber & Clayton 2013 (J Extracell Vesicles 2:19861) proposed particles per microgram of protein as a measure
of purity. No single ratio proves purity: see docs/explanation/validity-and-purity.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Citation

if TYPE_CHECKING:
    from vesicula.core.reference import PurityBand

MOVER = Citation(
    text="Donner & Zou 2012, Stat Methods Med Res 21:347 (MOVER: a ratio's interval from those of its parts)",
    doi="10.1177/0962280210383082",
    note="from memory, not checked against the source; coverage verified by simulation in the tests",
)

PROTEIN_TO_LIPID = Citation(
    text="Osteikoetxea et al. 2015, PLoS ONE 10:e0121184",
    doi="10.1371/journal.pone.0121184",
    note="abstract read: proposes the protein to lipid ratio for preparations; no limit taken from it",
)

LIPID_ASSAY = Citation(
    text="Visnovitz et al. 2019, J Extracell Vesicles 8:1565263",
    doi="10.1080/20013078.2019.1565263",
    note="abstract read (PMC6352952): lipid can be measured more reliably than protein; authors, year and "
    "DOI from memory",
)

# Density of a vesicle: lower end of the range usually given for vesicles in gradients, 1.08 to 1.19 g/mL
# [from memory, unchecked]. A denser vesicle carries more protein and so lowers the bound.
VESICLE_DENSITY_G_PER_ML = 1.08


def particles_per_ug(
    concentration: Estimate,
    protein_ug_per_ml: float,
    protein_sd: float | None,
    *,
    protein_n: int | None = None,
) -> Estimate:
    """Return particles per microgram of protein.

    Parameters
    ----------
    concentration : Estimate
        Particles per mL of the sample, dilution undone.
    protein_ug_per_ml : float
        Protein in the same sample, undiluted; positive.
    protein_sd : float or None
        Standard deviation of the assay, in the same unit; None when the lab states none.
    protein_n : int or None
        Number of independent determinations of which `protein_ug_per_ml` is the mean and `protein_sd` the
        standard deviation. None takes `protein_sd` as the standard uncertainty of the value itself, which
        is the cautious reading.

    Returns
    -------
    Estimate
        ``particles_per_ug_protein``. Its interval holds both parts, joined on the logarithmic scale by MOVER,
        at the level of the concentration. Without an interval of the concentration there is none; without
        `protein_sd` it holds the concentration's part alone, and ``carries`` lacks ``"protein-assay"``.

    Raises
    ------
    AnalysisError
        When a number is missing, not finite or not positive, so that no ratio exists.
    """
    return _ratio(
        concentration,
        protein_ug_per_ml,
        protein_sd,
        protein_n,
        quantity="particles_per_ug_protein",
        unit="/µg",
        assay="protein",
    )


def particles_per_ug_lipid(
    concentration: Estimate,
    lipid_ug_per_ml: float,
    lipid_sd: float | None,
    *,
    lipid_n: int | None = None,
) -> Estimate:
    """Return particles per microgram of lipid, for which we know of no published criterion.

    Parameters
    ----------
    concentration : Estimate
        Particles per mL of the sample, dilution undone.
    lipid_ug_per_ml : float
        Lipid in the same sample, undiluted; positive.
    lipid_sd : float or None
        Standard deviation of the assay.
    lipid_n : int or None
        As `protein_n` in `particles_per_ug`.

    Returns
    -------
    Estimate
        ``particles_per_ug_lipid``, with an interval as in `particles_per_ug`.

    Raises
    ------
    AnalysisError
        When a number is missing, not finite or not positive.
    """
    return _ratio(
        concentration, lipid_ug_per_ml, lipid_sd, lipid_n, quantity="particles_per_ug_lipid", unit="/µg", assay="lipid"
    )


def protein_to_lipid(
    protein_ug_per_ml: float,
    protein_sd: float | None,
    lipid_ug_per_ml: float,
    lipid_sd: float | None,
    *,
    level: float = 0.95,
) -> Estimate:
    """Return the mass of protein per mass of lipid.

    Osteikoetxea et al. 2015 (PLoS ONE 10:e0121184) propose it to tell preparations apart; no limit is
    taken from it.

    Parameters
    ----------
    protein_ug_per_ml, lipid_ug_per_ml : float
        Both in the same sample; positive.
    protein_sd, lipid_sd : float or None
        Standard uncertainties of the two.
    level : float
        Confidence level.

    Returns
    -------
    Estimate
        ``protein_to_lipid_ratio``, without an interval unless both standard deviations are given.

    Raises
    ------
    AnalysisError
        When a number is not finite or not positive.
    """
    low, high = None, None
    if protein_sd is not None:
        _positive("the protein concentration", protein_ug_per_ml)
        half = _log_half_width(protein_ug_per_ml, protein_sd, None, level, "protein")
        low, high = protein_ug_per_ml * math.exp(-half), protein_ug_per_ml * math.exp(half)
    protein = Estimate(
        quantity="protein_ug_per_ml",
        value=protein_ug_per_ml,
        unit="µg/mL",
        low=low,
        high=high,
        level=level,
        unit_of_replication="assay",
        carries=("protein-assay",) if low is not None else (),
    )
    joined = _ratio(protein, lipid_ug_per_ml, lipid_sd, None, quantity="protein_to_lipid_ratio", unit="", assay="lipid")
    if lipid_sd is None:  # an interval with only half of the error would look tighter than it is
        return Estimate(
            quantity=joined.quantity, value=joined.value, unit="", level=level, n=1, unit_of_replication="assay"
        )
    return joined


def _ratio(
    numerator: Estimate, mass: float, sd: float | None, n: int | None, *, quantity: str, unit: str, assay: str
) -> Estimate:
    _positive(numerator.quantity, numerator.value)
    _positive(f"the {assay} concentration", mass)
    half = 0.0 if sd is None else _log_half_width(mass, sd, n, numerator.level, assay)
    low, high = _mover(numerator, half)
    ratio = numerator.value / mass
    carries = numerator.carries + ((f"{assay}-assay",) if sd is not None else ())
    has_interval = low is not None and high is not None
    return Estimate(
        quantity=quantity,
        value=ratio,
        unit=unit,
        low=None if low is None else low / mass,
        high=None if high is None else high / mass,
        level=numerator.level,
        n=numerator.n,
        unit_of_replication=numerator.unit_of_replication,
        carries=carries if has_interval else (),
    )


def _log_half_width(mass: float, sd: float, n: int | None, level: float, assay: str) -> float:
    if not math.isfinite(sd) or sd < 0:
        raise AnalysisError(f"the standard deviation of the {assay} assay must be 0 or more, not {sd}")
    from scipy.special import ndtri, stdtrit  # takes a third of a second: only where there is a protein assay

    tail = 0.5 + level / 2
    if n is None:
        factor = float(ndtri(tail))
    elif n >= 2:
        factor = float(stdtrit(n - 1, tail)) / math.sqrt(n)
    else:
        raise AnalysisError(f"a standard deviation needs at least two determinations of {assay}, not {n}")
    # Log-normal of the same coefficient of variation: never negative, and sd/mass when that is small.
    return factor * math.sqrt(math.log1p((sd / mass) ** 2))


def _mover(numerator: Estimate, half: float) -> tuple[float | None, float | None]:
    """Return the bounds of the numerator widened, on the log scale, by a half width of the denominator."""
    if numerator.low is None or numerator.high is None:
        return None, None
    value = numerator.value
    if not numerator.low <= value <= numerator.high:
        raise AnalysisError(
            f"{numerator.quantity}: {value} lies outside its own interval {numerator.low} to {numerator.high}"
        )
    high = value * math.exp(math.hypot(math.log(numerator.high / value), half))
    if numerator.low <= 0:  # a symmetric interval of few captures may reach below zero; a ratio cannot
        return 0.0, high
    return value * math.exp(-math.hypot(math.log(value / numerator.low), half)), high


def _positive(name: str, value: float) -> None:
    if not math.isfinite(value) or value <= 0:
        raise AnalysisError(
            f"{name} must be positive for a ratio, not {value}; an empty or failed measurement has no purity"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BandResult:
    """Where a ratio stands among the published bands.

    Parameters
    ----------
    label : str
        Band of the point estimate, such as ``"low purity"``, or the gap that it lies in, such as
        ``"between published bands (unpure and low purity)"``.
    labels : tuple of str
        All bands and gaps that the interval touches, lowest first; `label` alone without an interval.
    straddles : bool
        Whether the interval touches more than one.
    in_band : bool
        Whether the point lies in a published band at all.
    text : str
        A sentence.
    citations : tuple of Citation
        Sources of the bands.
    """

    label: str
    labels: tuple[str, ...]
    straddles: bool
    in_band: bool
    text: str
    citations: tuple[Citation, ...]


def band(estimate: Estimate, bands: tuple[PurityBand, ...]) -> BandResult:
    """Place a ratio among published bands, gaps between them included.

    Parameters
    ----------
    estimate : Estimate
        Particles per microgram of protein; positive.
    bands : tuple of PurityBand
        Lowest first, as :func:`vesicula.core.reference.purity_bands` returns them.

    Returns
    -------
    BandResult
        Defined for every positive ratio.

    Raises
    ------
    AnalysisError
        When the ratio is not positive and finite, or there are no bands.
    """
    if not bands:
        raise AnalysisError("no purity bands to place a ratio in")
    _positive(estimate.quantity, estimate.value)
    slots = _slots(bands)
    place = _slot(estimate.value, bands)
    if estimate.low is None or estimate.high is None:
        first = last = place
    else:
        first = _slot(max(estimate.low, 0.0), bands)
        last = _slot(estimate.high, bands)
    # A zone of no width (bands that touch) cannot be crossed into.
    labels = tuple(slots[i] for i in range(first, last + 1) if slots[i])
    straddles = len(labels) > 1
    text = f"The ratio lies in {_phrase(slots[place])}."
    if straddles:
        text = (
            f"The ratio itself lies in {_phrase(slots[place])}, but its {100 * estimate.level:g} % "
            f"interval reaches from {_phrase(labels[0])} to {_phrase(labels[-1])}: not decided."
        )
    citations = tuple(dict.fromkeys(b.citation for b in bands))
    return BandResult(
        label=slots[place], labels=labels, straddles=straddles, in_band=place % 2 == 1, text=text, citations=citations
    )


def _slots(bands: tuple[PurityBand, ...]) -> list[str]:
    """Name the places on the axis: gap 0, band 1, gap 2, band 3, ...; an impossible gap is named ""."""
    names = ["" if bands[0].low_per_ug == 0 else f"below the lowest published band ({bands[0].label})"]
    for lower, upper in pairwise(bands):
        names += [lower.label, f"between published bands ({lower.label} and {upper.label})"]
        if lower.high_per_ug == upper.low_per_ug and (lower.high_included or upper.low_included):
            names[-1] = ""
    names.append(bands[-1].label)
    open_above = math.isinf(bands[-1].high_per_ug)
    names.append("" if open_above else f"above the highest published band ({bands[-1].label})")
    return names


def _slot(value: float, bands: tuple[PurityBand, ...]) -> int:
    if value == 0:  # the limit of ever smaller ratios: the lower end of an interval that reaches zero
        return 1 if bands[0].low_per_ug == 0 else 0
    for i, b in enumerate(bands):
        if b.contains(value):
            return 2 * i + 1
        if value <= b.low_per_ug:
            return 2 * i
    return 2 * len(bands)


def _phrase(name: str) -> str:
    return f"the gap {name}" if name.startswith(("between", "below", "above")) else f"the band '{name}'"


def intrinsic_particles_per_ug(
    diameter_nm: float, *, protein_mass_fraction: float, density_g_per_ml: float = VESICLE_DENSITY_G_PER_ML
) -> float:
    """Return how many vesicles hold one microgram of protein between them: the highest ratio geometry allows.

    Parameters
    ----------
    diameter_nm : float
        Diameter of the vesicles, taken as equal spheres. For a distribution, use the cube root of the mean
        cube, since mass goes with the cube.
    protein_mass_fraction : float
        Protein as a share of the mass of a vesicle, in (0, 1]; an assumption, 0.15 to 0.25 in our notes.
    density_g_per_ml : float
        Density of a vesicle.

    Returns
    -------
    float
        Particles per microgram of protein of a preparation with no protein outside its vesicles.

    Raises
    ------
    AnalysisError
        When an argument is out of range.
    """
    _positive("the diameter", diameter_nm)
    _positive("the density", density_g_per_ml)
    if not 0 < protein_mass_fraction <= 1:
        raise AnalysisError(f"the share of protein must lie in (0, 1], not be {protein_mass_fraction}")
    volume_ml = math.pi / 6 * (diameter_nm * 1e-7) ** 3  # 1 nm = 1e-7 cm, 1 cm^3 = 1 mL
    protein_ug = volume_ml * density_g_per_ml * 1e6 * protein_mass_fraction  # 1 g = 1e6 ug
    return 1 / protein_ug
