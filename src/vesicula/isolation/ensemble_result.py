"""What many draws of a protocol give: arrays of draws by steps, their intervals, and what they hang on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.isolation.priors import Prior

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ensemble:
    """Results of many draws; S steps with the feed as the first, C classes, n draws.

    Parameters
    ----------
    name, target, labels, classes
        Of the protocol: its name, target classes, labels of the feed and the steps, names of the classes.
    seed : int
        Draws follow from it alone.
    priors : tuple of Prior
        What was drawn.
    parameters : numpy.ndarray, shape (n, len(priors))
        The draws.
    particles : numpy.ndarray, shape (n, S, C)
        Particles of each class in the product.
    protein_ug, apob_ug, counted : numpy.ndarray, shape (n, S)
        Protein, apolipoprotein B, particles of 50 nm or more.
    volume_ml : numpy.ndarray, shape (n, S)
        Of the product.
    notes : tuple of str
        What was not drawn.
    """

    name: str
    target: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    seed: int
    priors: tuple[Prior, ...]
    parameters: Matrix
    particles: Matrix
    protein_ug: Matrix
    apob_ug: Matrix
    counted: Matrix
    volume_ml: Matrix
    notes: tuple[str, ...] = ()

    @property
    def draws(self) -> int:
        """Number of draws."""
        return int(self.parameters.shape[0])

    def wanted(self) -> Matrix:
        """Return target particles, shape (n, S)."""
        rows = [self.classes.index(t) for t in self.target]
        return np.asarray(self.particles[:, :, rows].sum(axis=2), dtype=np.float64)

    def measures(self) -> Mapping[str, Matrix]:
        """Return the quantities of the table by name, each of shape (n, S)."""
        wanted = self.wanted()
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {
                "target_yield": wanted / wanted[:, :1],
                "target_share": wanted / self.particles.sum(axis=2),
                "particles_per_ug": self.counted / self.protein_ug,
                "target_per_ug": wanted / self.protein_ug,
                "protein_ug": self.protein_ug,
                "apob_share": self.apob_ug / self.protein_ug,
            }
            for k, name in enumerate(self.classes):
                if name not in self.target:
                    found[f"target per {name}"] = wanted / self.particles[:, :, k]
        return MappingProxyType(found)

    def interval(self, measure: str, *, level: float = 0.9) -> tuple[Matrix, Matrix, Matrix]:
        """Return low end, median and high end of a measure after each step, shape (S,) each.

        Parameters
        ----------
        measure : str
            A key of `measures`.
        level : float
            Share of the draws between the ends.

        Raises
        ------
        AnalysisError
            When there is no such measure, or the level is not between 0 and 1.
        """
        known = self.measures()
        if measure not in known or not 0 < level < 1:
            raise AnalysisError(f"no measure {measure!r} at level {level}. Known: {', '.join(known)}; 0 < level < 1")
        q = np.quantile(known[measure], [(1 - level) / 2, 0.5, (1 + level) / 2], axis=0, method="inverted_cdf")
        return q[0], q[1], q[2]

    def to_json(self, *, level: float = 0.9) -> dict[str, Any]:
        """Return draws, seed, priors and the intervals of all measures as plain values; what is infinite is null."""
        ends = {name: self.interval(name, level=level) for name in self.measures()}
        return {
            "draws": self.draws,
            "seed": self.seed,
            "level": level,
            "labels": list(self.labels),
            "intervals": {
                name: [[float(x) if np.isfinite(x) else None for x in end] for end in found]
                for name, found in ends.items()
            },
            "matters": [list(x) for x in self.matters()],
            "priors": [
                {"name": p.name, "value": p.value, "low": p.low, "high": p.high, "log": p.log, "unit": p.unit,
                 "source": p.source, "sureness": p.sureness, "checked": p.checked}
                for p in self.priors
            ],
            "notes": list(self.notes),
        }  # fmt: skip

    def matters(self, measure: str = "target_yield", *, top: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the parameters that the final value follows most: name and Spearman's rank correlation."""
        value = _ranks(self.measures()[measure][:, -1])
        if value.std() == 0 or self.draws < 3:
            return ()
        found = []
        for k, prior in enumerate(self.priors):
            ranks = _ranks(self.parameters[:, k])
            found.append((prior.name, float(np.corrcoef(ranks, value)[0, 1])))
        return tuple(sorted(found, key=lambda x: -abs(x[1]))[:top])


def _ranks(values: FloatArray) -> FloatArray:
    return np.asarray(np.argsort(np.argsort(values)), dtype=np.float64)
