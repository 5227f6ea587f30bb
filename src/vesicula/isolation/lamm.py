"""Sedimentation with diffusion: the Lamm equation in a tube of constant cross-section, for many particles at once."""

from __future__ import annotations

import numpy as np

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
    content = np.full((pe.size, cells), 1.0 / cells)
    for share in np.diff(weights):
        content = _implicit(content, right, left, (share * total)[:, None])
    return content


def _bernoulli(z: FloatArray) -> FloatArray:
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, z)
    return np.where(small, 1.0 - z / 2.0, safe / np.expm1(np.clip(safe, -700, 700)))


def _implicit(content: FloatArray, right: FloatArray, left: FloatArray, dt: FloatArray) -> FloatArray:
    """Solve one backward Euler step by the Thomas algorithm, all particles together."""
    m, n = content.shape
    diagonal = np.ones((m, n))
    diagonal[:, :-1] += dt * right
    diagonal[:, 1:] += dt * left
    below, above = -dt * right, -dt * left  # entries (i+1, i) and (i, i+1)
    c, d = np.empty((m, n)), np.empty((m, n))
    c[:, 0], d[:, 0] = above[:, 0] / diagonal[:, 0], content[:, 0] / diagonal[:, 0]
    for i in range(1, n):
        pivot = diagonal[:, i] - below[:, i - 1] * c[:, i - 1]
        if i < n - 1:
            c[:, i] = above[:, i] / pivot
        d[:, i] = (content[:, i] - below[:, i - 1] * d[:, i - 1]) / pivot
    solved = np.empty((m, n))
    solved[:, -1] = d[:, -1]
    for i in range(n - 2, -1, -1):
        solved[:, i] = d[:, i] - c[:, i] * solved[:, i + 1]
    return np.asarray(solved / solved.sum(axis=1, keepdims=True), dtype=np.float64)
