"""Density and viscosity of water, sucrose, iodixanol and the media that vesicles come in.

All functions broadcast over arrays. Temperatures are in degrees Celsius, densities in g/mL, viscosities in mPa s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

SUCROSE_G_PER_MOL = 342.30
BOLTZMANN_J_PER_K = 1.380649e-23  # SI, exact
ZERO_CELSIUS_K = 273.15

# Barber EJ (1966), Natl Cancer Inst Monogr 21:219. Coefficients [from memory, unchecked]; the results agree with
# handbook values (also from memory) within 0.7 % from 10 to 60 % at 20 C.
_LOW = (
    (-1.5018327, 9.4112153, -1.1435741e3, 1.0504137e5, -4.6927102e6, 1.0323349e8, -1.1028981e9, 4.5921911e9),
    (2.1169907e2, 1.6077073e3, 1.6911611e5, -1.4184371e7, 6.0654775e8, -1.2985834e10, 1.3532907e11, -5.4970416e11),
)
_HIGH = (
    (-1.0803314, -2.0003484e1, 4.6066898e2, -5.9517023e3, 3.5627216e4, -7.8542145e4),
    (1.3975568e2, 6.6747329e3, -7.8716105e4, 9.0967578e5, -5.5380830e6, 1.2451219e7),
)

# Iodixanol, aqueous, 20 C: viscosity relative to water by % w/v. 60 % about 13.5 and 30 % about 3 mPa s
# [from memory, unchecked, sureness L]; log-linear between.
_IODIXANOL_PERCENT = np.array([0.0, 30.0, 60.0])
_IODIXANOL_LOG_RELATIVE = np.log([1.0, 3.0, 13.5])

# Media by name: density above water (g/mL), viscosity relative to water at the same temperature, impermeant
# osmolality (mosm/kg). [from memory, unchecked]: PBS sureness M, the others L.
MEDIA = {
    "water": (0.0, 1.0, 0.0),
    "PBS": (0.005, 1.02, 290.0),
    "serum-free medium": (0.006, 1.04, 290.0),
    "medium with 10 % FBS": (0.008, 1.10, 290.0),
    "plasma": (0.025, 1.75, 290.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A liquid at one temperature.

    Parameters
    ----------
    name : str
        For tables.
    temperature_c, density_g_per_ml, viscosity_mpa_s : float
        Of the liquid.
    osmolality_mosm : float
        Of solutes that do not cross a membrane; 290 is isotonic.
    """

    name: str
    temperature_c: float
    density_g_per_ml: float
    viscosity_mpa_s: float
    osmolality_mosm: float = 290.0

    def __post_init__(self) -> None:
        if not (0.5 < self.density_g_per_ml < 3 and self.viscosity_mpa_s > 0):
            raise AnalysisError(
                f"{self.name}: density {self.density_g_per_ml} g/mL and viscosity {self.viscosity_mpa_s} mPa s "
                "are not those of a liquid"
            )


def medium(name: str, temperature_c: float) -> Medium:
    """Return one of `MEDIA` at a temperature.

    Raises
    ------
    AnalysisError
        When no medium has that name, or the temperature is outside 0 to 60 C.
    """
    if name not in MEDIA:
        raise AnalysisError(f"unknown medium {name!r}. Known: {', '.join(MEDIA)}")
    _check_temperature(temperature_c)
    excess, relative, osmolality = MEDIA[name]
    return Medium(
        name=name,
        temperature_c=temperature_c,
        density_g_per_ml=float(water_density_g_per_ml(temperature_c)) + excess,
        viscosity_mpa_s=float(water_viscosity_mpa_s(temperature_c)) * relative,
        osmolality_mosm=osmolality,
    )


def _check_temperature(temperature_c: float) -> None:
    if not 0.0 <= temperature_c <= 60.0:
        raise AnalysisError(f"a temperature of {temperature_c} C is outside 0 to 60 C, where the formulae hold")


def water_viscosity_mpa_s(temperature_c: float | FloatArray) -> FloatArray:
    """Return the viscosity of water at 0.1 MPa, -20 to 110 C (IAPWS 2008, Huber 2009, J Phys Chem Ref Data 38:101)."""
    x = (np.asarray(temperature_c, dtype=np.float64) + ZERO_CELSIUS_K) / 300.0
    value = 280.68 * x**-1.9 + 511.45 * x**-7.7 + 61.131 * x**-19.6 + 0.45903 * x**-40.0
    return np.asarray(1e-3 * value, dtype=np.float64)


def water_density_g_per_ml(temperature_c: float | FloatArray) -> FloatArray:
    """Return the density of air-free water, 0 to 100 C (Kell 1975, J Chem Eng Data 20:97)."""
    t = np.asarray(temperature_c, dtype=np.float64)
    top = np.polyval([-280.54253e-12, 105.56302e-9, -46.170461e-6, -7.9870401e-3, 16.945176, 999.83952], t)
    return np.asarray(top / (1.0 + 16.87985e-3 * t) / 1000.0, dtype=np.float64)


def sucrose_density_g_per_ml(mass_fraction: float | FloatArray, temperature_c: float) -> FloatArray:
    """Return the density of aqueous sucrose, 0 to 30 C (Barber 1966, Natl Cancer Inst Monogr 21:219).

    Parameters
    ----------
    mass_fraction : float or numpy.ndarray
        Gram of sucrose per gram of solution, 0 to 0.75.
    temperature_c : float
        Temperature.
    """
    y, t = np.asarray(mass_fraction, dtype=np.float64), temperature_c
    value = (
        (1.0003698 + 3.9680504e-5 * t - 5.8513271e-6 * t**2)
        + (0.38982371 - 1.0578919e-3 * t + 1.2392833e-5 * t**2) * y
        + (0.17097594 + 4.7530081e-4 * t - 8.9239737e-6 * t**2) * y**2
    )
    return np.asarray(value, dtype=np.float64)


def sucrose_viscosity_mpa_s(mass_fraction: float | FloatArray, temperature_c: float) -> FloatArray:
    """Return the viscosity of aqueous sucrose (Barber 1966); arguments as for `sucrose_density_g_per_ml`."""
    y = np.asarray(mass_fraction, dtype=np.float64)
    mole = (y / 342.32) / (y / 342.32 + (1.0 - y) / 18.0)
    c = 146.06635 - 25.251728 * np.sqrt(1.0 + (mole / 0.070674842) ** 2)
    low = np.polyval(_LOW[0][::-1], mole) + np.polyval(_LOW[1][::-1], mole) / (temperature_c + c)
    high = np.polyval(_HIGH[0][::-1], mole) + np.polyval(_HIGH[1][::-1], mole) / (temperature_c + c)
    return np.asarray(10.0 ** np.where(y <= 0.48, low, high), dtype=np.float64)


def sucrose_osmolality_mosm(mass_fraction: float | FloatArray) -> FloatArray:
    """Return the osmolality of aqueous sucrose at 25 C, mosm per kg of water.

    Molality times the osmotic coefficient of Robinson & Stokes (1961), a polynomial to 6 mol/kg
    [from memory, unchecked].
    """
    y = np.asarray(mass_fraction, dtype=np.float64)
    m = np.minimum(y / (1.0 - y) / SUCROSE_G_PER_MOL * 1000.0, 6.0)
    phi = 1.0 + 0.07028 * m + 0.01847 * m**2 - 0.004045 * m**3 + 0.000228 * m**4
    return np.asarray(1000.0 * m * phi, dtype=np.float64)


def iodixanol_density_g_per_ml(percent_w_v: float | FloatArray, temperature_c: float) -> FloatArray:
    """Return the density of aqueous iodixanol: 0.00533 g/mL above water per % w/v [from memory, unchecked]."""
    return np.asarray(water_density_g_per_ml(temperature_c) + 0.00533 * np.asarray(percent_w_v), dtype=np.float64)


def iodixanol_viscosity_mpa_s(percent_w_v: float | FloatArray, temperature_c: float) -> FloatArray:
    """Return the viscosity of aqueous iodixanol: log-linear between 0, 30 and 60 % (sureness L), scaling as water's."""
    relative = np.exp(np.interp(percent_w_v, _IODIXANOL_PERCENT, _IODIXANOL_LOG_RELATIVE))
    return np.asarray(water_viscosity_mpa_s(temperature_c) * relative, dtype=np.float64)


def diffusion_m2_per_s(diameter_nm: float | FloatArray, liquid: Medium) -> FloatArray:
    """Return the Stokes-Einstein diffusion coefficient, kT / (3 pi eta d), in m2/s."""
    kt = BOLTZMANN_J_PER_K * (liquid.temperature_c + ZERO_CELSIUS_K)
    drag = 3.0 * np.pi * liquid.viscosity_mpa_s * 1e-3 * np.asarray(diameter_nm) * 1e-9
    return np.asarray(kt / drag, dtype=np.float64)


def sedimentation_s(
    diameter_nm: FloatArray, density_g_per_ml: FloatArray, liquid: Medium, *, lost_share: FloatArray | float = 0.0
) -> FloatArray:
    """Return sedimentation coefficients d^2 (rho_p - rho_f) / (18 eta) in seconds (1 S = 1e-13 s); negative: floats.

    Parameters
    ----------
    diameter_nm : numpy.ndarray
        Hydrodynamic diameter.
    density_g_per_ml : numpy.ndarray
        Isotonic density; broadcasts against the diameter.
    liquid : Medium
        What the particle moves in.
    lost_share : numpy.ndarray or float
        Share of the isotonic volume lost as water to a hypertonic medium. The membrane keeps its area, so that the
        drag is taken as unchanged [E].
    """
    water = float(water_density_g_per_ml(20.0))
    # Buoyant mass per isotonic volume: what is lost weighed as water and displaced the medium.
    excess = (density_g_per_ml - liquid.density_g_per_ml) - lost_share * (water - liquid.density_g_per_ml)
    d = np.asarray(diameter_nm) * 1e-9
    return np.asarray(d**2 * excess * 1000.0 / (18.0 * liquid.viscosity_mpa_s * 1e-3), dtype=np.float64)
