"""Which sample is of which condition, donor and batch, and the linear model that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleInfo:
    """One column of a table.

    Parameters
    ----------
    sample : str
        Its name in the table.
    condition : str
        What is compared, such as ``"EV"`` and ``"cell"``.
    unit : str
        Biological sample: runs of the same unit are averaged. Empty takes the sample itself.
    donor, batch : str
        Blocks; empty where they do not apply.
    """

    sample: str
    condition: str
    unit: str = ""
    donor: str = ""
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """A linear model for one comparison.

    Parameters
    ----------
    test, reference : str
        Conditions; the effect is test minus reference.
    units : tuple of str
        Biological samples, one per row of `matrix`.
    conditions : tuple of str
        Of each unit.
    columns : tuple of str
        Names of the coefficients; the last is the effect.
    matrix : numpy.ndarray
        Shape (units, coefficients), of full rank.
    runs : tuple of tuple of str
        Samples that are averaged for each unit.
    blocks : tuple of str
        ``"donor"`` and ``"batch"`` where they are in the model.
    """

    test: str
    reference: str
    units: tuple[str, ...]
    conditions: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: FloatArray
    runs: tuple[tuple[str, ...], ...]
    blocks: tuple[str, ...]

    def average(self, values: FloatArray, samples: Sequence[str]) -> FloatArray:
        """Return log2 values of units, shape (proteins, units): means over their runs, missing ones left out."""
        out = np.full((values.shape[0], len(self.units)), np.nan)
        for j, runs in enumerate(self.runs):
            part = values[:, [samples.index(r) for r in runs]]
            n = np.isfinite(part).sum(axis=1)
            total = np.nansum(part, axis=1)
            out[n > 0, j] = total[n > 0] / n[n > 0]
        return out


def build_design(samples: Sequence[SampleInfo], *, test: str, reference: str) -> Design:
    """Build the model: condition, with donor and batch as fixed blocks where they have more than one level.

    Parameters
    ----------
    samples : sequence of SampleInfo
        All columns of interest; those of other conditions are left out.
    test, reference : str
        Conditions to compare.

    Raises
    ------
    AnalysisError
        When a condition has fewer than two units, runs of one unit disagree, or blocks and conditions cannot
        be told apart.
    """
    used = [s for s in samples if s.condition in {test, reference}]
    units: dict[str, list[SampleInfo]] = {}
    for s in used:
        units.setdefault(s.unit or s.sample, []).append(s)
    for unit, runs in units.items():
        if len({(r.condition, r.donor, r.batch) for r in runs}) > 1:
            raise AnalysisError(f"the runs of {unit!r} differ in condition, donor or batch: they are no replicates")
    heads = [runs[0] for runs in units.values()]
    _check_replicates(heads, (test, reference))
    columns, names, blocks = [np.ones(len(heads))], ["intercept"], []
    for block in ("donor", "batch"):
        levels = sorted({getattr(h, block) for h in heads})
        if len(levels) > 1:
            blocks.append(block)
            for level in levels[1:]:
                columns.append(np.array([float(getattr(h, block) == level) for h in heads]))
                names.append(f"{block} {level}")
    columns.append(np.array([float(h.condition == test) for h in heads]))
    names.append(f"{test} - {reference}")
    matrix = np.column_stack(columns)
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise AnalysisError(
            f"{' and '.join(blocks)} cannot be told apart from the condition or each other: every {test!r} and "
            f"{reference!r} would have to be measured within the same blocks; leave a block out, or say that the "
            "effect may be the block's"
        )
    if matrix.shape[0] - matrix.shape[1] < 1:
        raise AnalysisError("no sample is left to estimate the variance: fewer blocks or more samples are needed")
    return Design(
        test=test,
        reference=reference,
        units=tuple(units),
        conditions=tuple(h.condition for h in heads),
        columns=tuple(names),
        matrix=matrix,
        runs=tuple(tuple(r.sample for r in runs) for runs in units.values()),
        blocks=tuple(blocks),
    )


def _check_replicates(heads: Sequence[SampleInfo], conditions: tuple[str, str]) -> None:
    for condition in conditions:
        n = sum(h.condition == condition for h in heads)
        if n < 2:
            raise AnalysisError(
                f"condition {condition!r} has {n} biological sample{'s' if n != 1 else ''}; at least two are needed "
                "to know how much samples differ (runs of one sample do not count)"
            )
