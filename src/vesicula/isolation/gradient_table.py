"""What a gradient keeps of a particle, tabulated by how far a draw moves its density: for thousands of draws."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import ParticleClass
from vesicula.core.population import IntArray
from vesicula.isolation.centrifuge import PELLET_LOSS, Run
from vesicula.isolation.gradient import Layer, Solute, lumen_share, spin, within_shares
from vesicula.isolation.priors import class_priors

FOLLOWED = 601
"""Densities that each class and diameter is followed at. Bands are sharp: with 61 of them, and steps of 2.5 mg/mL in
the table, a usual gradient's yield came out 5 % wrong."""
SHIFTS = 61


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """Shares that a gradient keeps.

    Parameters
    ----------
    share : numpy.ndarray, shape (pairs, densities, shifts)
        Of each pair of class and bin, and each of its density shares.
    grid : numpy.ndarray, shape (pairs, 2)
        First shift of the mean density (g/mL) and step.
    base : numpy.ndarray, shape (pairs,)
        Mean density at the defaults.
    """

    share: FloatArray
    grid: FloatArray
    base: FloatArray


def kept_shares(  # noqa: PLR0913 - settings of one device, by keyword
    pairs: tuple[tuple[ParticleClass, ...], IntArray, FloatArray],
    n_densities: int,
    feed_ml: float,
    *,
    run: Run,
    layers: Sequence[Layer],
    solute: Solute,
    temperature_c: float,
    keep: Collection[int | Literal["pellet"]],
    n_fractions: int,
    load: Literal["top", "bottom"],
    pellet_loss: float = PELLET_LOSS,
) -> Kept:
    """Follow particles of many densities through a gradient once.

    Parameters
    ----------
    pairs : tuple
        The classes; of each pair of class and bin the class's index and the diameter (nm).
    n_densities : int
        Density shares of a class.
    feed_ml : float
        Volume of the feed.
    run, layers, solute, temperature_c, keep, n_fractions, load, pellet_loss
        As for `vesicula.isolation.gradient.density_gradient`.
    """
    classes, cls, diameter = pairs
    base, low, high, lumen = np.stack([_by_class(classes[k], d) for k, d in zip(cls, diameter, strict=True)], axis=1)
    spun = spin(feed_ml, run, layers=layers, solute=solute, temperature_c=temperature_c, load=load)
    sd = np.array([k.density_sd_g_per_ml for k in classes])[cls]
    z = within_shares(n_densities)
    first, last = low + sd * z.min(), high + sd * z.max()
    at = np.linspace(first, np.maximum(last, first + LEAST), FOLLOWED, axis=1)  # differences from the base
    found = spun.shares(
        np.repeat(diameter, FOLLOWED), (base[:, None] + at).ravel(), np.repeat(lumen, FOLLOWED), n_fractions
    )
    weight = np.array([float(n + 1 in keep) for n in range(n_fractions)] + [(1.0 - pellet_loss) * ("pellet" in keep)])
    kept = (found @ weight).reshape(at.shape)
    shifts = np.linspace(low, np.maximum(high, low + LEAST), SHIFTS, axis=1)
    share = np.stack([
        np.interp(shift[None, :, None] + s * z[:, None, :], x, y).mean(axis=2)
        for shift, s, x, y in zip(shifts, sd, at, kept, strict=True)
    ])  # fmt: skip
    return Kept(share=share, grid=np.stack([low, shifts[:, 1] - shifts[:, 0]], axis=1), base=base)


LEAST = 1e-6
"""Width in g/mL of a table whose densities are all one."""


def _by_class(cls: ParticleClass, diameter: float) -> tuple[float, float, float, float]:
    """Return mean density, the lowest and highest shift that the priors allow, and the water of the lumen."""
    d = np.array([diameter])
    core, base = float(cls.core_share(d)[0]), float(cls.density_g_per_ml(d)[0])
    ends = []
    for end in ("low", "high"):
        shell, inner = (
            float(getattr(p, end)) if (p := class_priors(cls).get(f"{cls.name}.{key}_density_g_per_ml")) else value
            for key, value in (("shell", cls.shell_density_g_per_ml), ("core", cls.core_density_g_per_ml))
        )
        ends.append(shell * (1.0 - core) + inner * core - base)
    return base, min(ends[0], 0.0), max(ends[1], 0.0), float(lumen_share(cls, d)[0])
