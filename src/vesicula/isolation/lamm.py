"""Sedimentation with diffusion: the Lamm equation in a tube of constant cross-section, for many particles at once."""

from __future__ import annotations

import numpy as np

from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray

CELLS = 120
STEPS = 240


def lamm_profile(
    peclet: FloatArray, crossings: FloatArray, *, radius_ratio: float = 1.0, cells: int = CELLS, steps: int = STEPS
) -> FloatArray:
    """Return the distribution along the tube after a run, from a uniform start.

    dc/dt = d/dr [D dc/dr - s w^2 r c] with closed ends. Finite volumes with exponentially fitted fluxes (Scharfetter &
    Gummel 1969, IEEE Trans Electron Devices 16:64): positive, conserving, exact for the equilibrium of a cell with
    constant drift. Backward Euler in time with steps that grow, so that the first moments are resolved.

    Parameters
    ----------
    peclet : numpy.ndarray, shape (m,)
        v L / D with the drift v at the middle of the tube; may be negative (flotation).
    crossings : numpy.ndarray, shape (m,)
        Speed t / L: how many tube lengths the drift covers; not negative.
    radius_ratio : float
        Largest over smallest radius: the drift grows with the radius; 1 gives a constant drift.
    cells, steps : int
        Of the grid and of time.

    Returns
    -------
    numpy.ndarray, shape (m, cells)
        Share of the particles in each cell, top first; rows sum to one.
    """
    pe = np.asarray(peclet, dtype=np.float64)
    x = np.arange(1, cells) / cells
    drift = 2.0 * (1.0 + (radius_ratio - 1.0) * x) / (radius_ratio + 1.0)  # at the faces, 1 at the middle
    z = pe[:, None] * drift[None, :] / cells
    # In units of D / L^2: flux over a face = cells * (B(-z) c_left - B(z) c_right), per cell of width 1 / cells.
    right, left = cells**2 * _bernoulli(-z), cells**2 * _bernoulli(z)
    total = np.abs(crossings) / np.maximum(np.abs(pe), 1e-12)  # t D / L^2
    weights = np.linspace(0.0, 1.0, steps + 1) ** 3
    shares = np.diff(weights)
    content = np.full((pe.size, cells), 1.0 / cells)
    _march(content, right, left, total, shares)
    return content


def _bernoulli(z: FloatArray) -> FloatArray:
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, z)
    return np.where(small, 1.0 - z / 2.0, safe / np.expm1(np.clip(safe, -700, 700)))


@compiled
def _march(content: FloatArray, right: FloatArray, left: FloatArray, total: FloatArray, shares: FloatArray) -> None:
    """Take all backward Euler steps in place, by the Thomas algorithm, one particle after another."""
    m, n = content.shape
    above, solved = np.empty(n), np.empty(n)
    for k in range(m):
        for share in shares:
            dt = share * total[k]
            above[0] = -dt * left[k, 0] / (1.0 + dt * right[k, 0])
            solved[0] = content[k, 0] / (1.0 + dt * right[k, 0])
            for i in range(1, n):
                diagonal = 1.0 + dt * left[k, i - 1] + (dt * right[k, i] if i < n - 1 else 0.0)
                below = -dt * right[k, i - 1]
                pivot = diagonal - below * above[i - 1]
                above[i] = -dt * left[k, i] / pivot if i < n - 1 else 0.0
                solved[i] = (content[k, i] - below * solved[i - 1]) / pivot
            for i in range(n - 2, -1, -1):
                solved[i] -= above[i] * solved[i + 1]
            content[k] = solved / solved.sum()
