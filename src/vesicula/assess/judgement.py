"""Numbers set against criteria: validity of captures, purity, vesicle classes, the lab's own limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from vesicula.assess.context import Context
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Citation, Criterion, Finding, Verdict, judge
from vesicula.core.format import format_estimate, format_limit, format_with_unit
from vesicula.core.measurement import SizeMeasurement, TableMeasurement
from vesicula.core.reference import purity_bands, validity_rules
from vesicula.core.study import Assay, ReleaseCriterion, Sample
from vesicula.identity.purity import (
    LIPID_ASSAY,
    MOVER,
    PROTEIN_TO_LIPID,
    band,
    particles_per_ug,
    particles_per_ug_lipid,
    protein_to_lipid,
)
from vesicula.instruments.nta.infer import ClassFraction
from vesicula.instruments.nta.validity import RuleResult, check_measurement

# Validity -------------------------------------------------------------------------------------------------------------


QUANTITY_NAMES = {
    "particles_per_frame": "Particles per frame",
    "concentration_in_cell_per_ml": "Concentration in the cell",
    "tracks_used": "Tracks behind the distribution",
    "tracks_completed": "Completed tracks",
    "min_track_length": "Shortest track used",
    "video_length_s": "Length of video",
    "captures": "Captures",
    "replicate_loads": "Loads of the sample",
    "concentration_cv_percent": "Spread of concentration between captures (CV)",
    "temperature_range_c": "Range of temperature between captures",
    "viscosity_ratio_to_water": "Viscosity, relative to water at that temperature",
    "d10_diameter_nm": "Detection limit: D10",
    "positions_measured": "Positions measured",
    "position_drift_um_per_s": "Highest drift of a position used",
    "tracks_per_position": "Fewest tracks of a position used",
    "positions_removed": "Positions left out",
}
"""Names as printed; what is not here is a remark of the vendor's software and goes by its own name."""

SAMPLE_LEVEL = "replicate_loads"


def validity_findings(
    context: Context, measurement: SizeMeasurement, positions: TableMeasurement | None
) -> list[Finding]:
    """Judge a measurement by the rules known for its instrument: one finding a quantity, all sources side by side.

    Parameters
    ----------
    context : Context
        The load.
    measurement : SizeMeasurement
        Its captures.
    positions : TableMeasurement or None
        ZetaView's table of positions of the same run.

    Returns
    -------
    list of Finding
        Breaches first, then what holds, then what the file does not let us evaluate. A breach of a rule that its
        table calls a warning is a WARNING; where only stricter or looser sources are missed it is NOT_JUDGED.
    """
    results = check_measurement(measurement, positions=positions, rules=validity_rules())
    groups: dict[str, list[RuleResult]] = {}
    for result in results:
        if result.quantity != SAMPLE_LEVEL:
            groups.setdefault(result.quantity, []).append(result)
    findings = [_quantity_finding(context, quantity, group) for quantity, group in groups.items()]
    order = (Verdict.WARNING, Verdict.NOT_JUDGED, Verdict.MET, Verdict.NOT_MEASURED)
    return sorted(findings, key=lambda f: order.index(f.verdict))


def loads_finding(context: Context, loads: int) -> list[Finding]:
    """Judge how often a sample was loaded: one finding, or none if no rule says anything of it."""
    group = [
        RuleResult(
            rule_id=r.id,
            capture="",
            quantity=r.quantity,
            value=float(loads),
            low=r.low,
            high=r.high,
            unit=r.unit,
            passed=(r.low is None or loads >= r.low) and (r.high is None or loads <= r.high),
            severity=r.severity,
            text=r.text,
            citation=r.citation,
        )
        for r in validity_rules()
        if r.quantity == SAMPLE_LEVEL
    ]
    return [_quantity_finding(context, SAMPLE_LEVEL, group)] if group else []


def _quantity_finding(context: Context, quantity: str, group: Sequence[RuleResult]) -> Finding:
    rules: dict[str, list[RuleResult]] = {}
    for result in group:
        rules.setdefault(result.rule_id, []).append(result)
    if all(rule.startswith("vendor:") for rule in rules):
        return _vendor_finding(context, quantity, group)
    main = min(rules.values(), key=lambda r: r[0].severity != "warning")
    verdict = _verdict(rules.values())
    values = [r.value for r in main if r.value is not None]
    parts = [f"{_span(values, main[0].unit)}." if values else "The file does not say."]
    parts += [_source_sentence(results) for results in rules.values()] if values else []
    broken = next((r for r in rules.values() if any(x.passed is False for x in r) and r[0].severity == "warning"), None)
    if broken:
        parts.append(broken[0].text)
    return context.finding(
        "validity",
        quantity,
        QUANTITY_NAMES.get(quantity, quantity),
        " ".join(parts),
        verdict,
        criterion=Criterion(
            text=_limits(main[0].low, main[0].high, main[0].unit),
            low=main[0].low,
            high=main[0].high,
            source=main[0].citation,
        ),
        method=context.method("nta.validity", {"rules": "; ".join(rules)}),
        citations=tuple(results[0].citation for results in rules.values()),
    )


def _verdict(rules: Iterable[Sequence[RuleResult]]) -> Verdict:
    results = [r for rule in rules for r in rule]
    if all(r.passed is None for r in results):
        return Verdict.NOT_MEASURED
    if any(r.passed is False and r.severity == "warning" for r in results):
        return Verdict.WARNING
    return Verdict.NOT_JUDGED if any(r.passed is False for r in results) else Verdict.MET


def _source_sentence(results: Sequence[RuleResult]) -> str:
    """Say what one source wants and whether it has it: ``"Limit 20 to 100 particles: kept (Malvern ...)."``."""
    first = results[0]
    limits = _limits(first.low, first.high, first.unit)
    broken = [r.capture for r in results if r.passed is False]
    where = f" in {_names(broken, len(results))}" if broken and first.capture and len(results) > 1 else ""
    unread = ", from memory" if "from memory" in first.citation.note else ""
    return f"Limit {limits}: {'not kept' if broken else 'kept'}{where} ({first.citation.text}{unread})."


def _names(names: Sequence[str], total: int) -> str:
    if len(names) == total:
        return f"all {total} captures"
    shown = ", ".join(names[:MAX_NAMES])
    return f"{len(names)} of {total} captures ({shown}{' and others' if len(names) > MAX_NAMES else ''})"


MAX_NAMES = 3
"""Captures named in one sentence; the table of captures holds all."""


def _vendor_finding(context: Context, quantity: str, group: Sequence[RuleResult]) -> Finding:
    bad = [r for r in group if r.passed is False]
    verdict = Verdict.NOT_MEASURED if not bad else Verdict.NOT_JUDGED
    if any(r.severity == "warning" for r in bad):
        verdict = Verdict.WARNING
    texts: dict[str, list[str]] = {}
    for r in group:
        texts.setdefault(r.text, []).append(r.capture)
    several = len(texts) > 1
    statement = " ".join(
        f"{text} ({_names(names, len(group))})" if several and names[0] else text for text, names in texts.items()
    )
    title = QUANTITY_NAMES.get(quantity, quantity[:1].upper() + quantity[1:])
    return context.finding(
        "validity",
        f"vendor/{quantity}",
        title,
        statement,
        verdict,
        citations=(group[0].citation,),
        method=context.method("nta.vendor_flags", {}),
    )


def _span(values: Sequence[float], unit: str) -> str:
    low, high = min(values), max(values)
    whole = all(v == round(v) and abs(v) < 1e5 for v in values)
    show = format_limit if whole else format_with_unit
    if low == high:
        return show(low, unit.removesuffix("s") if low == 1 and len(unit) > 1 else unit)
    return f"{show(low, '')} to {show(high, unit)}"


def _limits(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and high is not None:
        return f"{format_limit(low)} to {format_limit(high, unit)}"
    if low is not None:
        return f"at least {format_limit(low, unit)}"
    return f"at most {format_limit(high, unit)}" if high is not None else "none"


# Purity ---------------------------------------------------------------------------------------------------------------


def purity_findings(context: Context, concentration: Estimate | None, sample: Sample) -> list[Finding]:
    """Judge particles per microgram of protein, and state the ratios that have no criterion.

    Parameters
    ----------
    context : Context
        The sample.
    concentration : Estimate or None
        Particles per mL of the sample, dilution undone; None when it is not known.
    sample : Sample
        With its protein and lipid assays.

    Returns
    -------
    list of Finding
        The first is the purity by protein, measured or not.
    """
    findings = [_protein_purity(context, concentration, sample.protein)]
    if concentration is not None and sample.lipid is not None:
        ratio = particles_per_ug_lipid(concentration, sample.lipid.concentration_ug_per_ml, sample.lipid.sd_ug_per_ml)
        findings.append(_plain_ratio(context, "Particles per microgram of lipid", ratio, LIPID_ASSAY))
    if sample.protein is not None and sample.lipid is not None:
        ratio = protein_to_lipid(
            sample.protein.concentration_ug_per_ml,
            sample.protein.sd_ug_per_ml,
            sample.lipid.concentration_ug_per_ml,
            sample.lipid.sd_ug_per_ml,
        )
        findings.append(_plain_ratio(context, "Protein per lipid, by mass", ratio, PROTEIN_TO_LIPID))
    return findings


def _plain_ratio(context: Context, title: str, ratio: Estimate, citation: Citation) -> Finding:
    return context.finding(
        "purity",
        ratio.quantity,
        title,
        f"{title}: {format_estimate(ratio)}. No published limit is known to us.",
        Verdict.NOT_JUDGED,
        estimate=ratio,
        method=context.method(f"identity.{ratio.quantity}", {}, MOVER),
        citations=(citation,),
    )


def _protein_purity(context: Context, concentration: Estimate | None, protein: Assay | None) -> Finding:
    title = "Particles per microgram of protein"
    missing = [
        what
        for what, absent in (
            ("a protein assay", protein is None),
            ("the concentration of the sample", concentration is None),
        )
        if absent
    ]
    if protein is None or concentration is None:
        return context.finding(
            "purity",
            "particles_per_ug_protein",
            title,
            f"Not measured. Missing: {' and '.join(missing)}.",
            Verdict.NOT_MEASURED,
            headline=True,
        )
    ratio = particles_per_ug(concentration, protein.concentration_ug_per_ml, protein.sd_ug_per_ml)
    place = band(ratio, purity_bands())
    high = purity_bands()[-1]
    criterion = Criterion(
        text=f"band '{high.label}': at least {format_limit(high.low_per_ug, '/µg')}",
        low=high.low_per_ug,
        high=None,
        source=high.citation,
    )
    return context.finding(
        "purity",
        "particles_per_ug_protein",
        title,
        f"{format_estimate(ratio)}. {place.text} No single ratio proves purity (MISEV2023).",
        judge(ratio, criterion),
        headline=True,
        estimate=ratio,
        criterion=criterion,
        method=context.method(
            "identity.particles_per_ug_protein",
            {
                "protein_ug_per_ml": protein.concentration_ug_per_ml,
                "protein_sd_ug_per_ml": protein.sd_ug_per_ml or 0.0,
                "assay": protein.method or "not stated",
            },
            MOVER,
        ),
        citations=place.citations,
    )


# Vesicle classes ------------------------------------------------------------------------------------------------------

REVIEWS = {
    "A": Citation(text="Aldoghachi et al. 2023, J Chin Med Assoc 86:356-365", doi="10.1097/JCMA.0000000000000899"),
    "B": Citation(text="Hassanzadeh et al. 2021, Stem Cell Res Ther 12", note="review B of the evidence tables"),
    "MISEV2023": Citation(
        text="Welsh et al. 2024 (MISEV2023), J Extracell Vesicles 13:e12404", doi="10.1002/jev2.12404"
    ),
}
"""Sources of the class definitions, by the key that the tables in data/ use."""

MINIMUM_DISAGREEMENT = 0.01
"""Differences of less than one particle in a hundred are not worth a sentence: a choice of display, not a criterion."""


def class_findings(
    context: Context, fractions: Sequence[ClassFraction], parameters: Mapping[str, float | int | str | bool]
) -> list[Finding]:
    """State the share of particles in each vesicle class, by each definition, and where definitions disagree.

    Parameters
    ----------
    context : Context
        The sample.
    fractions : sequence of ClassFraction
        Shares between 0 and 1.
    parameters : mapping
        Settings of the statistics.

    Returns
    -------
    list of Finding
        One per definition, then one per class name that several sources define differently.
    """
    return [_class_finding(context, f, parameters) for f in fractions] + _disagreements(context, fractions)


def _class_finding(context: Context, f: ClassFraction, parameters: Mapping[str, float | int | str | bool]) -> Finding:
    share = _percent(f.estimate)
    source = REVIEWS[f.review]
    bounds = _limits(f.low_nm or None, f.high_nm if f.high_nm < float("inf") else None, "nm")
    return context.finding(
        "vesicle-class",
        f.definition_id,
        f"{f.name} ({bounds}; {source.text.split(',')[0]})",
        f"{format_estimate(share)} of the particles have the size that this source gives the {f.name}: {bounds}. "
        "Size alone does not show a particle's origin.",
        Verdict.NOT_JUDGED,
        estimate=share,
        criterion=Criterion(
            text=bounds,
            low=f.low_nm,
            high=f.high_nm if f.high_nm < float("inf") else None,
            source=dataclasses.replace(source, note=f.location),
        ),
        method=context.method("nta.class_fraction", {**parameters, "low_nm": f.low_nm}),
    )


def _percent(e: Estimate) -> Estimate:
    return dataclasses.replace(
        e,
        value=100 * e.value,
        unit="%",
        low=None if e.low is None else 100 * e.low,
        high=None if e.high is None else 100 * e.high,
        quantity="class_fraction_percent",
    )


def _disagreements(context: Context, fractions: Sequence[ClassFraction]) -> list[Finding]:
    found = []
    for name in dict.fromkeys(f.name for f in fractions):
        group = [f for f in fractions if f.name == name]
        shares = [f.estimate.value for f in group]
        if len(group) > 1 and max(shares) - min(shares) >= MINIMUM_DISAGREEMENT:
            each = "; ".join(
                f"{100 * f.estimate.value:.1f} % by {REVIEWS[f.review].text.split(',')[0]} "
                f"({format_limit(f.low_nm)} to {format_limit(f.high_nm, 'nm')})"
                for f in group
            )
            found.append(
                context.finding(
                    "vesicle-class",
                    f"disagreement/{name}",
                    f"Definitions of the {name} disagree",
                    f"The same particles: {each}.",
                    Verdict.WARNING,
                    citations=tuple(REVIEWS[f.review] for f in group),
                )
            )
    return found


# Release limits -------------------------------------------------------------------------------------------------------


def release_findings(
    context: Context, findings: Sequence[Finding], criteria: Sequence[ReleaseCriterion], titles: Mapping[str, str]
) -> list[Finding]:
    """Judge the sample by the limits that the lab itself has set in study.yaml.

    Parameters
    ----------
    context : Context
        The sample.
    findings : sequence of Finding
        Findings of the sample, among them the quantities to judge.
    criteria : sequence of ReleaseCriterion
        The limits.
    titles : mapping of str to str
        Names of the quantities as printed.

    Returns
    -------
    list of Finding
        One per limit; NOT_MEASURED where the quantity is not known.
    """
    measured = {
        f.estimate.quantity: f.estimate
        for f in findings
        if f.estimate is not None and f.verdict is not Verdict.NOT_MEASURED and not f.replicate
    }
    return [_release(context, measured.get(c.quantity), c, titles) for c in criteria]


def _release(
    context: Context, estimate: Estimate | None, limit: ReleaseCriterion, titles: Mapping[str, str]
) -> Finding:
    title = titles.get(limit.quantity, limit.quantity)
    unit = estimate.unit if estimate else ""
    text = _limits(limit.min, limit.max, unit)
    criterion = Criterion(
        text=text, low=limit.min, high=limit.max, source=Citation(text=limit.source, note="set in study.yaml")
    )
    if estimate is None:
        statement, verdict = f"{title} is not known, so the limit ({text}) cannot be judged.", Verdict.NOT_MEASURED
    else:
        statement, verdict = f"{title} {format_estimate(estimate)}; limit: {text}.", judge(estimate, criterion)
    return context.finding(
        "release",
        f"{limit.quantity}/{text}",
        f"Release limit: {title}",
        statement,
        verdict,
        headline=True,
        estimate=estimate,
        criterion=criterion,
        method=context.method("assess.release", {}),
    )
