"""The image of a point at any distance from the focal plane, as a table for rendering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import j0

from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import Optics

STEPS_PER_PX = 4
"""Radial resolution of the table; rendering interpolates linearly between."""

ENERGY = 0.95
"""Share of the light that the table holds; the rest lies in faint far rings and is left out, as is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PsfTable:
    """Share of a particle's light that falls on a pixel, by defocus and distance from its centre.

    Attributes
    ----------
    values : numpy.ndarray, shape (n_z, n_r)
        Per pixel; rows are defocus 0, dz, 2 dz, ...; columns are distances in steps of 1 / STEPS_PER_PX pixel.
    dz_um : float
        Step of defocus.
    radius_px : numpy.ndarray of int64, shape (n_z,)
        Beyond it nothing is rendered.
    """

    values: FloatArray
    dz_um: float
    radius_px: np.ndarray[tuple[int], np.dtype[np.int64]]


def psf_table(optics: Optics, *, reach_um: float, most_px: int = 40) -> PsfTable:
    """Compute the table.

    The scalar, paraxial field of a circular pupil out of focus (Born & Wolf, Principles of Optics, section 8.8):
    rings come of themselves. The pupil is the one whose focal spot has the instrument's ``psf_sigma_um`` (0.21
    wavelength / NA: Zhang, Zerubia & Olivo-Marin 2007, Appl Opt 46:1819), so that aberration is spent as a smaller
    aperture. Values are taken at pixel centres and averaged over a pixel by four by four points.

    Parameters
    ----------
    optics : Optics
        The instrument.
    reach_um : float
        Largest defocus.
    most_px : int
        Largest radius that is rendered.

    Returns
    -------
    PsfTable
        Each row sums to ENERGY over the pixels, or to less where `most_px` cuts it.
    """
    wavelength_um = optics.wavelength_nm / 1000
    aperture = 0.21 * wavelength_um / optics.psf_sigma_um
    dz = max(optics.depth_of_field_um / 12, reach_um / 200)
    z = np.arange(0.0, reach_um + dz, dz)
    step_px = 1 / STEPS_PER_PX
    r_px = np.arange(0.0, most_px + 2, step_px)
    k = 2 * np.pi / wavelength_um
    # Quadrature fine enough for the fastest phase, at the table's corner.
    fastest = k * aperture**2 * z[-1] / (2 * optics.refractive_index_medium)
    fastest += k * aperture * r_px[-1] * optics.um_per_px
    count = int(min(max(64, 2 * fastest), 2000))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    rho, weight = (nodes + 1) / 2, weights / 2
    bessel = j0(k * aperture * optics.um_per_px * np.outer(r_px, rho)) * (weight * rho)
    phase = np.exp(1j * k * aperture**2 / (2 * optics.refractive_index_medium) * np.outer(rho**2, z))
    intensity = np.abs(bessel @ phase) ** 2  # (r, z)
    # Parseval for the Hankel transform: the integral of |field|^2 over the image is the same at any defocus.
    whole_px2 = np.pi / (k * aperture * optics.um_per_px) ** 2
    per_px = intensity.T / whole_px2
    per_px = _averaged_over_a_pixel(per_px, step_px)
    cumulative = np.cumsum(per_px * 2 * np.pi * r_px * step_px, axis=1)
    inside = cumulative < ENERGY
    radius = np.clip(np.ceil(inside.sum(axis=1) * step_px), 2, most_px).astype(np.int64)
    return PsfTable(values=np.ascontiguousarray(per_px), dz_um=float(dz), radius_px=radius)


def _averaged_over_a_pixel(values: FloatArray, step_px: float) -> FloatArray:
    """Average a radial profile over a square pixel centred at each radius."""
    n = values.shape[1]
    offsets = (np.arange(4) + 0.5) / 4 - 0.5
    r = np.arange(n) * step_px
    total = np.zeros_like(values)
    for dx in offsets:
        for dy in offsets:
            place = np.hypot(r + dx, dy) / step_px
            low = np.minimum(place.astype(np.int64), n - 2)
            share = place - low
            total += values[:, low] * (1 - share) + values[:, low + 1] * share
    return np.asarray(total / 16)
