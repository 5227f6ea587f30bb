"""A protocol: steps one after another, with yield, purity and what it costs after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.notebook import table_html
from vesicula.isolation.balance import Fraction, Outcome

COUNTED_FROM_NM = 50.0
"""Smallest diameter that particle tracking counts, for particles per microgram [E]: 50-70 nm for vesicles."""
CLOSES = 1e-9
NONE_LEFT = 1e30
"""A ratio above this means less than one of the others in any batch that can be made."""

Act = Callable[[Fraction, str], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Parameters
    ----------
    label : str
        For the table.
    act : callable
        From the feed and the name of its medium to an outcome.
    medium_after : str or None
        What the product is in; None: what the feed was in.
    place : str
        Where it stands in a file, for messages.
    marker : str or None
        Marker that it captures by.
    method : str
        Kind of step, a key of `vesicula.isolation.protocol_text.METHODS`; empty where it was made by hand.
    context : object
        What `method` was read with; for `vesicula.isolation.ensemble` alone.
    """

    label: str
    act: Act
    medium_after: str | None = None
    place: str = ""
    marker: str | None = None
    method: str = ""
    context: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepReport:
    """Where a protocol stands after a step; the first report is the feed.

    Parameters
    ----------
    label : str
        Of the step.
    outcome : Outcome or None
        What the step did; None for the feed.
    product : Fraction
        What goes on.
    yield_by_class : mapping of str to float
        Share of the first feed's particles of each class that is in the product.
    target_yield : float
        The same for all target classes together.
    target_share : float
        Target particles over all particles, by number.
    target_per_contaminant : mapping of str to float
        Target particles per particle of each other class; infinite where that is gone.
    protein_ug, apob_share : float
        Protein in the product; apolipoprotein B in it, by mass.
    particles_per_ug : float
        Particles of 50 nm or more, whatever their class, per microgram of protein: what NTA and BCA would give.
    target_per_ug : float
        Target particles per microgram of protein.
    hours, g_hours, max_g, shear_per_s : float
        Since the beginning; the largest force and the largest shear rate at a wall met so far.
    """

    label: str
    outcome: Outcome | None
    product: Fraction
    yield_by_class: Mapping[str, float]
    target_yield: float
    target_share: float
    target_per_contaminant: Mapping[str, float]
    protein_ug: float
    apob_share: float
    particles_per_ug: float
    target_per_ug: float
    hours: float
    g_hours: float
    max_g: float
    shear_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProtocolResult:
    """All reports of a protocol.

    Parameters
    ----------
    name : str
        Of the protocol.
    target : tuple of str
        Target classes.
    reports : tuple of StepReport
        The feed, then each step.
    """

    name: str
    target: tuple[str, ...]
    reports: tuple[StepReport, ...]

    @property
    def product(self) -> Fraction:
        """What the last step gives."""
        return self.reports[-1].product

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of all steps, each once, with the step's label."""
        found = [f"{r.label}: {n}" for r in self.reports if r.outcome is not None for n in r.outcome.notes]
        return tuple(dict.fromkeys(found))

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table that `HEADINGS` heads."""
        return [
            (
                r.label,
                number_text(r.product.volume_ml),
                number_text(100 * r.target_yield),
                count_text(_total(r.product, self.target)),
                number_text(100 * r.target_share, 2),
                number_text(r.protein_ug),
                number_text(r.particles_per_ug, 2),
                number_text(r.target_per_ug, 2),
                number_text(100 * r.apob_share, 2),
                number_text(r.hours),
                number_text(r.max_g),
                number_text(r.g_hours),
                number_text(r.shear_per_s, 2),
            )
            for r in self.reports
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; an infinite ratio is null."""
        return {
            "schema": "vesicula.isolation/1",
            "name": self.name,
            "target": list(self.target),
            "steps": [_report_json(r) for r in self.reports],
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return table_html(HEADINGS, self.rows(), caption=self.name)


SMALLEST_PLAIN, LARGEST_PLAIN = 1e-3, 1e6
HEADINGS = (
    "step", "volume (mL)", "yield (%)", "target particles", "target share (%)", "protein (ug)", "particles/ug",
    "target/ug", "ApoB in protein (%)", "hours", "max g", "g x hours", "shear (1/s)",
)  # fmt: skip


def run_protocol(
    name: str, feed: Fraction, steps: Sequence[Step], *, target: Sequence[str], medium: str
) -> ProtocolResult:
    """Run steps one after another.

    Parameters
    ----------
    name : str
        For the result.
    feed : Fraction
        What it begins with.
    steps : sequence of Step
        At least one.
    target : sequence of str
        Classes that are wanted.
    medium : str
        What the feed is in (a key of `vesicula.isolation.fluids.MEDIA`).

    Returns
    -------
    ProtocolResult
        Whose balance closes to 1e-9 at each step and over the chain.

    Raises
    ------
    AnalysisError
        When a target class is not in the feed, a product is empty, a marker is captured twice, or a step refuses.
    """
    _check_names(feed, steps, target)
    reports = [_report("feed", None, feed, (feed, target), None)]
    now, liquid = feed, medium
    gone = np.zeros(feed.population.number_per_ml.shape)
    for step in steps:
        try:
            outcome = step.act(now, liquid)
            product = outcome.product
        except AnalysisError as error:
            raise AnalysisError(f"{step.place or step.label}: {error}") from error
        if _total(product, target) < 1.0:
            where = step.place or step.label
            raise AnalysisError(
                f"{where}: no target particle is left in the product (less than one is expected). "
                "Keep other fractions, or another part"
            )
        gone += sum((f.totals() for f in outcome.fractions if f.role != "product"), np.zeros_like(gone))
        reports.append(_report(step.label, outcome, product, (feed, target), reports[-1]))
        now, liquid = product, step.medium_after or liquid
    _check_balance(feed, now, gone)
    return ProtocolResult(name=name, target=tuple(target), reports=tuple(reports))


def _check_names(feed: Fraction, steps: Sequence[Step], target: Sequence[str]) -> None:
    feed.require_particles("isolate")
    for name in target:
        if name not in feed.population.names:
            raise AnalysisError(f"target {name!r} is not in the feed. It has: {', '.join(feed.population.names)}")
    if not target or _total(feed, target) < 1.0:
        raise AnalysisError("the feed holds no target particle (less than one); give more particles or volume")
    if not steps:
        raise AnalysisError("a protocol needs at least one step")
    markers = [s.marker for s in steps if s.marker is not None]
    if len(set(markers)) < len(markers):
        raise AnalysisError("capturing twice by one marker is not modelled: the first capture changes who carries it")


def _check_balance(feed: Fraction, product: Fraction, gone: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    before = feed.totals().sum(axis=(1, 2))
    after = (product.totals() + gone).sum(axis=(1, 2))
    error = np.max(np.abs(after - before) / np.maximum(before, 1e-300), initial=0.0, where=before > 0)
    if not error <= CLOSES:
        raise AnalysisError(f"the chain does not conserve particles (relative error {error:.2g})")


def _total(fraction: Fraction, names: Sequence[str]) -> float:
    by_class = fraction.population.by_class()
    return fraction.volume_ml * sum(by_class[n] for n in names)


def _report(
    label: str,
    outcome: Outcome | None,
    product: Fraction,
    start: tuple[Fraction, Sequence[str]],
    before: StepReport | None,
) -> StepReport:
    feed, target = start
    population, volume = product.population, product.volume_ml
    now = {n: v * volume for n, v in population.by_class().items()}
    first = {n: v * feed.volume_ml for n, v in feed.population.by_class().items()}
    wanted = sum(now[t] for t in target)
    protein = sum(population.protein_ug_per_ml().values()) * volume
    counted = float(population.number_per_ml[:, :, population.diameter_nm >= COUNTED_FROM_NM].sum()) * volume
    return StepReport(
        label=label,
        outcome=outcome,
        product=product,
        yield_by_class={n: now[n] / first[n] if first[n] > 0 else 0.0 for n in now},
        target_yield=wanted / sum(first[t] for t in target),
        target_share=wanted / sum(now.values()),
        target_per_contaminant={n: wanted / v if v > 0 else float("inf") for n, v in now.items() if n not in target},
        protein_ug=protein,
        apob_share=population.apob_ug_per_ml() * volume / protein if protein > 0 else 0.0,
        particles_per_ug=counted / protein if protein > 0 else float("inf"),
        target_per_ug=wanted / protein if protein > 0 else float("inf"),
        hours=(before.hours if before else 0.0) + (outcome.hours if outcome else 0.0),
        g_hours=(before.g_hours if before else 0.0) + (outcome.g_hours if outcome else 0.0),
        max_g=max(before.max_g if before else 0.0, outcome.max_g if outcome else 0.0),
        shear_per_s=max(before.shear_per_s if before else 0.0, outcome.shear_per_s if outcome else 0.0),
    )


def count_text(count: float) -> str:
    """Return a number of particles for a table; an expectation below one is none in practice."""
    return f"{count:.2g}" if count >= 1 or count == 0 else "< 1"


def ratio_text(ratio: float) -> str:
    """Return target particles per other particle for a table."""
    return "none left" if not np.isfinite(ratio) or ratio > NONE_LEFT else number_text(ratio, 2)


def number_text(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits; with a power of ten only below 0.001 and from a million on."""
    shown = float(f"{value:.{digits}g}")
    return f"{shown:.10g}" if shown == 0 or SMALLEST_PLAIN <= abs(shown) < LARGEST_PLAIN else f"{value:.{digits}g}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _report_json(r: StepReport) -> dict[str, Any]:
    names = r.product.population.names
    fractions = [] if r.outcome is None else [
        {
            "name": f.name,
            "role": f.role,
            "volume_ml": f.volume_ml,
            "particles_by_class": dict(zip(names, f.totals().sum(axis=(1, 2)).tolist(), strict=True)),
        }
        for f in r.outcome.fractions
    ]  # fmt: skip
    return {
        "label": r.label,
        "method": r.outcome.method if r.outcome else None,
        "volume_ml": r.product.volume_ml,
        "target_yield": r.target_yield,
        "yield_by_class": dict(r.yield_by_class),
        "target_share": r.target_share,
        "target_per_contaminant": {n: _finite(v) for n, v in r.target_per_contaminant.items()},
        "protein_ug": r.protein_ug,
        "apob_share_of_protein": r.apob_share,
        "particles_per_ug": _finite(r.particles_per_ug),
        "target_per_ug": _finite(r.target_per_ug),
        "median_diameter_nm": {n: r.product.population.median_diameter_nm(n) for n in names},
        "hours": r.hours,
        "g_hours": r.g_hours,
        "max_g": r.max_g,
        "shear_per_s": r.shear_per_s,
        "balance_error": r.outcome.balance_error() if r.outcome else 0.0,
        "facts": dict(r.outcome.facts) if r.outcome else {},
        "fractions": fractions,
    }
