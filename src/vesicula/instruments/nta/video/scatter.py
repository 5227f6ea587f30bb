"""How much light a particle sends into the objective: Mie theory for spheres and for core-shell particles.

Homogeneous spheres come from miepython. It has no coated spheres: their coefficients are computed here from Bessel
functions (Aden & Kerker 1951, J Appl Phys 22:1242, in the form of Bohren & Huffman 1983, section 8.1), and are
summed with miepython's angular functions. Particles up to a size parameter of some tens are meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from miepython import coefficients, pi_tau
from scipy.special import spherical_jn, spherical_yn

from vesicula.core.measurement import FloatArray

ComplexArray = npt.NDArray[np.complex128]

QUADRATURE = (16, 24)
"""Polar and azimuthal points over the objective's cone; doubling both changes the result by less than 1e-6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a particle is made of.

    Attributes
    ----------
    name : str
        "polystyrene", "EV", ...
    core_index : float
        Refractive index of the core, or of all of it.
    shell_index : float or None
        Refractive index of the shell; None: a homogeneous sphere.
    shell_nm : float
        Thickness of the shell.
    """

    name: str
    core_index: float
    shell_index: float | None = None
    shell_nm: float = 0.0


POLYSTYRENE = Material(name="polystyrene", core_index=1.62)
"""At about 405 nm; 1.59 to 1.61 is usual for longer waves (range: research notes; the value at 405 nm from memory)."""

VESICLE = Material(name="EV", core_index=1.38, shell_index=1.4863, shell_nm=6.0)
"""Core and shell of a vesicle as used for recombinant EVs (PMC10603804); the shell is a lipid bilayer of 6 nm."""

SILICA = Material(name="silica", core_index=1.45)
"""Middle of the usual range 1.44 to 1.46."""


def mie_coefficients(
    diameter_nm: float, material: Material, wavelength_nm: float, medium_index: float
) -> tuple[ComplexArray, ComplexArray]:
    """Return the coefficients a_n, b_n of a sphere's scattered field.

    Parameters
    ----------
    diameter_nm : float
        Outer diameter.
    material : Material
        A shell that is thicker than the radius leaves no core.
    wavelength_nm : float
        In vacuum.
    medium_index : float
        Refractive index around the particle.

    Returns
    -------
    tuple of numpy.ndarray
        a_n and b_n for n = 1, 2, ..., each of shape (n_max,).
    """
    wave_number = 2 * np.pi * medium_index / wavelength_nm
    outer = wave_number * diameter_nm / 2
    inner = wave_number * max(diameter_nm / 2 - material.shell_nm, 0.0)
    if material.shell_index is None or inner == 0.0:
        index = material.core_index if material.shell_index is None else material.shell_index
        # miepython has the opposite sign of the imaginary unit; only the moduli of sums matter below.
        a, b = coefficients(index / medium_index, outer)
        return np.asarray(a, dtype=np.complex128), np.asarray(b, dtype=np.complex128)
    return _coated(inner, outer, material.core_index / medium_index, material.shell_index / medium_index)


def _coated(x: float, y: float, m1: float, m2: float) -> tuple[ComplexArray, ComplexArray]:
    """Coefficients of a coated sphere: core size parameter x, outer y, indices relative to the medium (B&H 8.2)."""
    count = int(np.ceil(y + 4.05 * y ** (1 / 3) + 2))  # Wiscombe 1980, Appl Opt 19:1505
    n = np.arange(1, count + 1)

    def psi(z: float) -> tuple[FloatArray, FloatArray]:
        j, dj = spherical_jn(n, z), spherical_jn(n, z, derivative=True)
        return z * j, j + z * dj

    def chi(z: float) -> tuple[FloatArray, FloatArray]:
        y_, dy = spherical_yn(n, z), spherical_yn(n, z, derivative=True)
        return -z * y_, -y_ - z * dy

    p1, dp1 = psi(m1 * x)
    p2, dp2 = psi(m2 * x)
    c2, dc2 = chi(m2 * x)
    q2, dq2 = psi(m2 * y)
    d2, dd2 = chi(m2 * y)
    py, dpy = psi(y)
    cy, dcy = chi(y)
    xi, dxi = py - 1j * cy, dpy - 1j * dcy
    a_n = (m2 * p2 * dp1 - m1 * dp2 * p1) / (m2 * c2 * dp1 - m1 * dc2 * p1)
    b_n = (m2 * p1 * dp2 - m1 * p2 * dp1) / (m2 * dc2 * p1 - m1 * dp1 * c2)
    a = (py * (dq2 - a_n * dd2) - m2 * dpy * (q2 - a_n * d2)) / (xi * (dq2 - a_n * dd2) - m2 * dxi * (q2 - a_n * d2))
    b = (m2 * py * (dq2 - b_n * dd2) - dpy * (q2 - b_n * d2)) / (m2 * xi * (dq2 - b_n * dd2) - dxi * (q2 - b_n * d2))
    return np.asarray(a, dtype=np.complex128), np.asarray(b, dtype=np.complex128)


def scattering_cross_section_nm2(
    diameter_nm: float, material: Material, *, wavelength_nm: float, medium_index: float
) -> float:
    """Return the scattering cross section (Bohren & Huffman 1983, equation 4.61).

    Returns
    -------
    float
        In nm^2.
    """
    a, b = mie_coefficients(diameter_nm, material, wavelength_nm, medium_index)
    n = np.arange(1, a.size + 1)
    k = 2 * np.pi * medium_index / wavelength_nm
    return float(2 * np.pi / k**2 * np.sum((2 * n + 1) * (np.abs(a) ** 2 + np.abs(b) ** 2)))


def collected_cross_section_nm2(
    diameter_nm: npt.ArrayLike,
    material: Material,
    *,
    wavelength_nm: float,
    medium_index: float,
    numerical_aperture: float,
) -> FloatArray:
    """Return the part of the scattering cross section that reaches the objective.

    The beam runs at a right angle to the objective's axis, polarised at a right angle to both, as in a light-sheet
    instrument.

    Parameters
    ----------
    diameter_nm : array_like, shape (n,)
        Outer diameters.
    material : Material
        What the particles are.
    wavelength_nm : float
        In vacuum.
    medium_index : float
        Refractive index of the medium.
    numerical_aperture : float
        Of the objective; below `medium_index`.

    Returns
    -------
    numpy.ndarray, shape (n,)
        In nm^2: power collected, over irradiance (Bohren & Huffman 1983, section 4.4).
    """
    cos_theta, sin2_phi, weight = _cone(np.arcsin(numerical_aperture / medium_index))
    k = 2 * np.pi * medium_index / wavelength_nm
    out = []
    for diameter in np.atleast_1d(np.asarray(diameter_nm, dtype=np.float64)):
        a, b = mie_coefficients(float(diameter), material, wavelength_nm, medium_index)
        s1, s2 = _amplitudes(a, b, cos_theta)
        power = np.abs(s2) ** 2 * (1 - sin2_phi) + np.abs(s1) ** 2 * sin2_phi
        out.append(float(np.sum(power * weight)) / k**2)
    return np.array(out)


def _cone(half_angle: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Directions in the cone about z, for a beam along x polarised along y: cos(theta), sin^2(phi), solid angle."""
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE[0])
    low = np.cos(half_angle)
    u = (nodes + 1) / 2 * (1 - low) + low
    azimuth = (np.arange(QUADRATURE[1]) + 0.5) * 2 * np.pi / QUADRATURE[1]
    cos_a, az = np.meshgrid(u, azimuth, indexing="ij")
    sin_a = np.sqrt(1 - cos_a**2)
    x, y = sin_a * np.cos(az), sin_a * np.sin(az)
    # phi is the angle between the scattering plane and the polarisation (y): cos(phi) = y / sin(theta).
    sin2_phi = 1 - y**2 / (1 - x**2)
    solid = np.repeat(weights[:, None] / 2 * (1 - low), QUADRATURE[1], axis=1) * 2 * np.pi / QUADRATURE[1]
    return x.ravel(), sin2_phi.ravel(), solid.ravel()


def _amplitudes(a: ComplexArray, b: ComplexArray, cos_theta: FloatArray) -> tuple[ComplexArray, ComplexArray]:
    """S1 and S2 of Bohren & Huffman (equation 4.74), shapes as `cos_theta`."""
    pi, tau = (np.zeros((a.size, cos_theta.size)) for _ in range(2))
    pi_column, tau_column = np.zeros(a.size), np.zeros(a.size)
    for i, mu in enumerate(cos_theta):
        pi_tau(mu, pi_column, tau_column)
        pi[:, i], tau[:, i] = pi_column, tau_column
    n = np.arange(1, a.size + 1)
    factor = (2 * n + 1) / (n * (n + 1))
    s1 = (factor * a) @ pi + (factor * b) @ tau
    s2 = (factor * a) @ tau + (factor * b) @ pi
    return s1, s2
