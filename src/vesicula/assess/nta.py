"""Findings of nanoparticle tracking: from the loads of a sample to judged statements."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from vesicula._version import __version__
from vesicula.assess.agreement import agreement_findings, dilution_between, vendor_value
from vesicula.assess.context import Context
from vesicula.assess.judgement import (
    class_findings,
    loads_finding,
    purity_findings,
    release_findings,
    validity_findings,
)
from vesicula.core.estimate import Distribution, Estimate
from vesicula.core.finding import Citation, Finding, InputRef, MethodRef, Verdict
from vesicula.core.format import format_estimate, format_number, format_with_unit
from vesicula.core.measurement import Measurement, SizeMeasurement, TableMeasurement
from vesicula.core.reference import class_definitions, operational_definitions
from vesicula.core.study import Batch, ReleaseCriterion, Sample
from vesicula.instruments.nta.infer import (
    UNITS,
    CaptureStatistics,
    MeasurementStatistics,
    SampleStatistics,
    StatisticsSettings,
    analyse_measurement,
    analyse_sample,
)

TITLES = {
    "mean_diameter_nm": "Mean diameter",
    "mode_diameter_nm": "Mode diameter",
    "median_diameter_nm": "Median diameter (D50)",
    "d10_diameter_nm": "D10",
    "d90_diameter_nm": "D90",
    "sd_diameter_nm": "Standard deviation of diameter",
    "span": "Span (D90 - D10) / D50",
    "concentration_per_ml": "Concentration",
    "particles_per_ug_protein": "Particles per microgram of protein",
}

HEADLINES = ("mode_diameter_nm", "median_diameter_nm", "concentration_per_ml")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEntry:
    """The readable files of one entry of the manifest: one load of the sample into one instrument.

    Parameters
    ----------
    index : int
        Place in the sample's list.
    label : str
        Its name in the dossier.
    dilution_factor : float or None
        What the manifest states.
    measurements : tuple of (InputRef, Measurement)
        One per file.
    """

    index: int
    label: str
    dilution_factor: float | None
    measurements: tuple[tuple[InputRef, Measurement], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """A size measurement with its companions and statistics."""

    context: Context
    measurement: SizeMeasurement
    positions: TableMeasurement | None
    statistics: MeasurementStatistics


def sample_findings(
    batch: Batch,
    sample: Sample,
    entries: list[LoadedEntry],
    *,
    criteria: tuple[ReleaseCriterion, ...],
    settings: StatisticsSettings,
) -> tuple[list[Finding], list[Distribution]]:
    """Analyse one sample.

    Parameters
    ----------
    batch, sample
        What the manifest states.
    entries : list of LoadedEntry
        Its loads.
    criteria : tuple of ReleaseCriterion
        The lab's own limits.
    settings : StatisticsSettings
        Settings of the statistics.

    Returns
    -------
    tuple of (list of Finding, list of Distribution)
        Findings in the order of the dossier: the sample first, then each load, then each capture.
    """
    base = Context(batch=batch.id, sample=sample.id, version=__version__)
    loads = [load for entry in entries for load in _loads(base, sample, entry, settings)]
    others = [f for entry in entries for f in _other_findings(base, entry)]
    empty = _empty_findings(loads)
    usable = [load for load in loads if not all(c.is_empty for c in load.measurement.captures)]
    if not usable:
        return [_nothing_measured(base, entries), *empty, *others], []
    pooled = analyse_sample([load.statistics for load in usable], settings=settings)
    context = dataclasses.replace(base, inputs=tuple(i for load in usable for i in load.context.inputs))
    judged = _judged(context, sample, pooled, [load.statistics for load in usable], criteria, settings)
    for load in usable:
        judged += _load_findings(load, settings)
    judged += [*loads_finding(context, len(usable)), *_notes(context, pooled.notes)]
    # Of the sample, not of each load: the page keeps what concerns the sample in sight, and one sentence is enough.
    limitations = [f for load in usable for f in _limitations(context, load.measurement)]
    # Where loads differ the warning wins: it comes last.
    judged += {f.id: f for f in sorted(limitations, key=lambda f: f.verdict is Verdict.WARNING)}.values()
    distributions = [d for load in usable for d in load.statistics.distributions]
    distributions += [dataclasses.replace(d, sample=sample.id) for d in pooled.distributions]
    return [*judged, *empty, *others], distributions


def _judged(
    context: Context,
    sample: Sample,
    pooled: SampleStatistics,
    loads: Sequence[MeasurementStatistics],
    criteria: tuple[ReleaseCriterion, ...],
    settings: StatisticsSettings,
) -> list[Finding]:
    basis = pooled.concentration_basis
    quantities = [
        _quantity(context, e, basis, settings, headline=q in HEADLINES, each=_of_each(loads, q, basis))
        for q, e in pooled.estimates.items()
    ]
    quantities += _unknown_concentration(context, basis)
    known = pooled.estimates.get("concentration_per_ml") if pooled.concentration_basis == "sample" else None
    purity = purity_findings(context, known, sample)
    return [
        *quantities,
        *release_findings(context, [*quantities, *purity], criteria, TITLES),
        *purity,
        *class_findings(context, pooled.class_fractions, {"level": settings.level}),
    ]


def _of_each(loads: Sequence[MeasurementStatistics], quantity: str, basis: str) -> list[float]:
    """Return the value of every load, where there are several and they are on one footing."""
    same = quantity != "concentration_per_ml" or all(load.concentration_basis == basis for load in loads)
    values = [load.estimates[quantity].value for load in loads if quantity in load.estimates]
    return values if same and len(values) > 1 else []


def _unknown_concentration(context: Context, basis: str) -> list[Finding]:
    if basis == "sample":
        return []
    why = "Not known: neither the file nor study.yaml states by how much the sample was diluted."
    return [
        context.finding(
            "concentration", "unknown", "Concentration of the sample", why, Verdict.NOT_MEASURED, headline=True
        )
    ]


def _loads(base: Context, sample: Sample, entry: LoadedEntry, settings: StatisticsSettings) -> list[_Load]:
    sizes = [(ref, m) for ref, m in entry.measurements if isinstance(m, SizeMeasurement)]
    tables = [(ref, m) for ref, m in entry.measurements if isinstance(m, TableMeasurement) and m.kind == "positions"]
    companion = tables[0] if len(sizes) == 1 and len(tables) == 1 else None
    loads = []
    for ref, measurement in sizes:
        label = entry.label if len(sizes) == 1 else f"{entry.label} ({measurement.source.name})"
        inputs = (ref,) if companion is None else (ref, companion[0])
        statistics = analyse_measurement(
            measurement,
            settings=settings,
            dilution_factor=entry.dilution_factor,
            positions=companion[1] if companion else None,
            classes=(*class_definitions(), *operational_definitions()),
        )
        relabelled = tuple(dataclasses.replace(d, sample=sample.id, replicate=label) for d in statistics.distributions)
        loads.append(
            _Load(
                context=dataclasses.replace(base, replicate=label, inputs=inputs),
                measurement=measurement,
                positions=companion[1] if companion else None,
                statistics=dataclasses.replace(statistics, distributions=relabelled),
            )
        )
    return loads


def _nothing_measured(base: Context, entries: list[LoadedEntry]) -> Finding:
    why = (
        "No size distribution: no file of this sample could be used."
        if entries
        else "No size distribution: the manifest lists no measurement of this sample."
    )
    return base.finding("size", "none", "Size distribution", why, Verdict.NOT_MEASURED, headline=True)


def _empty_findings(loads: list[_Load]) -> list[Finding]:
    found = []
    for load in loads:
        names = [c.name for c in load.measurement.captures if c.is_empty]
        if names:
            whole = len(names) == len(load.measurement.captures)
            found.append(
                load.context.finding(
                    "file",
                    "empty",
                    "Failed run",
                    f"Without a single tracked particle, and left out of every result: {', '.join(names)}.",
                    Verdict.WARNING,
                    headline=whole,
                )
            )
    return found


def _quantity(
    context: Context,
    estimate: Estimate,
    basis: str,
    settings: StatisticsSettings,
    *,
    headline: bool = False,
    vendor_value: float | None = None,
    each: Sequence[float] = (),
) -> Finding:
    method = _method(estimate.quantity, settings, context.version)
    topic = "concentration" if estimate.quantity == "concentration_per_ml" else "size"
    if topic == "size":
        title = TITLES[estimate.quantity]
        statement = f"{title} {format_estimate(estimate)}."
    elif basis == "sample":
        title = "Concentration of the sample"
        statement = f"{format_estimate(estimate)} in the sample, dilution undone."
    else:
        # Another quantity by another name: nothing must take it for the sample's.
        estimate = dataclasses.replace(estimate, quantity="concentration_in_suspension_per_ml")
        title, headline = "Concentration in the measured suspension", False
        statement = (
            f"{format_estimate(estimate)} in the suspension as measured; by how much it was diluted is not known."
        )
    if each:
        values = ", ".join(format_number(v, estimate.unit) for v in each)
        statement += f" Each load: {values} {estimate.unit}".rstrip() + "."
    return context.finding(
        topic,
        estimate.quantity,
        title,
        statement,
        Verdict.NOT_JUDGED,
        headline=headline,
        estimate=estimate,
        vendor_value=vendor_value,
        method=method,
    )


@cache
def _method(quantity: str, settings: StatisticsSettings, version: str) -> MethodRef:
    """Name the method of a quantity: one object for all captures of all batches."""
    return MethodRef(name=f"nta.{quantity}", version=version, parameters=_relevant(quantity, settings))


def _relevant(quantity: str, settings: StatisticsSettings) -> dict[str, float | int | str | bool]:
    """Return the settings that a quantity depends on; all of them stand in the assessment's parameters."""
    names = {"level"}
    if quantity == "mode_diameter_nm":
        names |= {k for k in settings.parameters() if k.startswith(("bandwidth", "mode"))}
    if quantity == "concentration_per_ml":
        names |= {"residence_cv"}
    return {k: v for k, v in settings.parameters().items() if k in names}


def _notes(context: Context, notes: tuple[str, ...]) -> list[Finding]:
    return [
        context.finding(
            "validity",
            f"note/{i}",
            "Note on the statistics",
            f"{note[:1].upper()}{note[1:].rstrip('.')}.",
            Verdict.NOT_JUDGED,
        )
        for i, note in enumerate(notes)
    ]


def _load_findings(load: _Load, settings: StatisticsSettings) -> list[Finding]:
    context, statistics = load.context, load.statistics
    basis, factor = statistics.concentration_basis, dilution_between(load.measurement, statistics)
    pooled = load.measurement.vendor_pooled
    findings = [
        _quantity(context, e, basis, settings, vendor_value=vendor_value(q, pooled, factor))
        for q, e in statistics.estimates.items()
    ]
    findings += validity_findings(context, load.measurement, load.positions)
    findings += agreement_findings(context, load.measurement, statistics, TITLES)
    findings += _notes(context, statistics.notes)
    for capture, numbers in zip(load.measurement.captures, statistics.captures, strict=True):
        inner = dataclasses.replace(context, capture=capture.name)
        findings += [
            _quantity(
                inner,
                _capture_estimate(numbers, q, settings.level),
                basis,
                settings,
                vendor_value=vendor_value(q, capture.vendor, factor),
            )
            for q in numbers.values
        ]
    return findings


STATISTICS_PAGE = "vesicula: docs/explanation/nta-statistics.md"


def _limitations(context: Context, measurement: SizeMeasurement) -> list[Finding]:
    """State what no interval knows of: that a histogram is a fit, or is broadened by finite tracks."""
    if measurement.instrument == "NanoSight":
        return [_fitted(context, measurement)]
    steps = min((c.conditions.get("min_track_length", math.inf) for c in measurement.captures), default=math.inf)
    if not 2 < steps < math.inf:
        return []
    # A track of n steps gives a diameter with CV 1 / sqrt(n - 2): docs/explanation/nta-statistics.md.
    statement = (
        f"Each diameter comes from a track of finite length. At the shortest length used ({steps:.0f} frames) equal "
        f"spheres would show a CV of {100 / math.sqrt(steps - 2):.0f} %. The histogram is broader than the sample by "
        "that; this is not undone here, and no interval knows of it. D50 suffers least."
    )
    return [_limitation(context, "finite-tracks", "Finite tracks broaden the histogram", statement, Verdict.NOT_JUDGED)]


def _limitation(context: Context, key: str, title: str, statement: str, verdict: Verdict) -> Finding:
    return context.finding("validity", key, title, statement, verdict, citations=(Citation(text=STATISTICS_PAGE),))


def _fitted(context: Context, measurement: SizeMeasurement) -> Finding:
    single = sum(not c.is_empty for c in measurement.captures) == 1
    statement = (
        "NanoSight's histogram is a fit (FTLA), not a count. The interval of a single capture carries the number of "
        "its tracks alone and is too narrow: captures of 100 nm beads (17, tidyNano) vary 2.5 to 12 times more than "
        f"that explains. {'Capture at least three times.' if single else 'Use the intervals over captures.'}"
    )
    verdict = Verdict.WARNING if single else Verdict.NOT_JUDGED
    return _limitation(context, "ftla", "The histogram is a fit", statement, verdict)


def _capture_estimate(numbers: CaptureStatistics, quantity: str, level: float) -> Estimate:
    low, high = numbers.counting_interval.get(quantity, (None, None))
    return Estimate(
        quantity=quantity,
        value=numbers.values[quantity],
        unit=UNITS[quantity],
        low=low,
        high=high,
        level=level,
        n=numbers.n_tracks or 0,
        unit_of_replication="track",
        carries=("counting",) if low is not None else (),
    )


def _other_findings(base: Context, entry: LoadedEntry) -> list[Finding]:
    """State what tables other than size distributions say, as the vendor computed it."""
    found = []
    for ref, measurement in entry.measurements:
        if not isinstance(measurement, TableMeasurement) or measurement.kind != "zeta_potential_profile":
            continue
        context = dataclasses.replace(base, replicate=entry.label, inputs=(ref,))
        value = measurement.values.get("zeta_potential_mv")
        if value is None:
            continue
        found.append(
            context.finding(
                "zeta-potential",
                f"zeta_potential_mv/{ref.path}",
                "Zeta potential",
                f"{format_with_unit(value, 'mV')}, as the vendor computed it from {ref.path}; not recomputed.",
                Verdict.NOT_JUDGED,
                vendor_value=value,
                estimate=Estimate(quantity="zeta_potential_mv", value=value, unit="mV", unit_of_replication="profile"),
            )
        )
    return found
