"""Numbers set against criteria: validity of captures, purity, vesicle classes, the lab's own limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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


def validity_findings(
    context: Context, measurement: SizeMeasurement, positions: TableMeasurement | None, replicate_loads: int
) -> list[Finding]:
    """Judge a measurement by every rule known for its instrument: one finding a rule, over all captures.

    Parameters
    ----------
    context : Context
        The load.
    measurement : SizeMeasurement
        Its captures.
    positions : TableMeasurement or None
        ZetaView's table of positions of the same run.
    replicate_loads : int
        How often the sample was loaded.

    Returns
    -------
    list of Finding
        Breaches first, then rules that hold, then those that the file does not let us evaluate.
    """
    results = check_measurement(
        measurement, positions=positions, rules=validity_rules(), replicate_loads=replicate_loads
    )
    groups: dict[str, list[RuleResult]] = {}
    for result in results:
        groups.setdefault(result.rule_id, []).append(result)
    findings = [_rule_finding(context, rule, group) for rule, group in groups.items()]
    order = (Verdict.WARNING, Verdict.NOT_MET, Verdict.MET, Verdict.NOT_MEASURED)
    return sorted(findings, key=lambda f: order.index(f.verdict))


def _rule_finding(context: Context, rule: str, group: Sequence[RuleResult]) -> Finding:
    first = group[0]
    broken = [r for r in group if r.passed is False]
    known = [r for r in group if r.passed is not None]
    if broken:
        verdict = Verdict.WARNING if first.severity == "warning" else Verdict.NOT_MET
    else:
        verdict = Verdict.MET if known else Verdict.NOT_MEASURED
    name = first.quantity.replace("_", " ")
    if rule.startswith("vendor:"):
        return context.finding(
            "validity",
            rule,
            name[:1].upper() + name[1:],
            _remarks(group),
            verdict,
            citations=(first.citation,),
            method=context.method("nta.vendor_flags", {}),
        )
    limits = _limits(first.low, first.high, first.unit)
    return context.finding(
        "validity",
        rule,
        name[:1].upper() + name[1:],
        _rule_statement(name, limits, group, known, broken),
        verdict,
        criterion=Criterion(text=limits, low=first.low, high=first.high, source=first.citation),
        method=context.method("nta.validity", {"rule": rule}),
    )


def _remarks(group: Sequence[RuleResult]) -> str:
    """List each remark of the vendor's software once, with the captures that it was made of."""
    texts = dict.fromkeys(r.text for r in group)
    if not group[0].capture:
        return " ".join(texts)
    return " ".join(f"{text} ({', '.join(r.capture for r in group if r.text == text)})" for text in texts)


def _rule_statement(
    name: str, limits: str, group: Sequence[RuleResult], known: Sequence[RuleResult], broken: Sequence[RuleResult]
) -> str:
    unit = group[0].unit
    values = [r.value for r in known if r.value is not None]
    if not values:
        return f"The file does not say: {name}, limit {limits}."
    low, high = min(values), max(values)
    whole = all(v == round(v) and abs(v) < 1e5 for v in values)
    show = format_limit if whole else format_with_unit
    span = show(low, unit) if low == high else f"{show(low, '')} to {show(high, unit)}"
    if not broken:
        return f"{span}, within the limit: {limits}."
    where = (
        f" in {len(broken)} of {len(group)} captures ({', '.join(r.capture for r in broken)})"
        if broken[0].capture
        else ""
    )
    return f"{span}; outside the limit ({limits}){where}. {group[0].text}"


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
            f"Not measured: {' and '.join(missing)} is missing.",
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
