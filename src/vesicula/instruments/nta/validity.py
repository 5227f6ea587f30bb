"""Is an NTA capture one that the method is valid for? Published rules, evaluated one by one.

The rules are data (``data/nta_validity.tsv``), several to a quantity where sources disagree; here is only how
each quantity is read off a measurement. What the vendor's software itself remarked is passed on beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vesicula.core.measurement import Capture, SizeMeasurement, TableMeasurement
    from vesicula.core.reference import ValidityRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule, evaluated on one capture or measurement.

    Parameters
    ----------
    rule_id : str
        Id of the rule, or ``"vendor:..."`` for a remark of the vendor's software.
    capture : str
        Name of the capture; empty for the measurement as a whole.
    quantity : str
        What was evaluated.
    value : float or None
        Its value; None when the file does not say.
    low, high : float or None
        Limits, inclusive.
    unit : str
        Unit of value and limits.
    passed : bool or None
        None when the file does not say.
    severity : {"warning", "note"}
        How loudly a breach is told.
    text : str
        What a breach means and what to do; for a vendor's remark, the remark.
    citation : Citation
        Source of the limit, or the vendor.
    """

    rule_id: str
    capture: str
    quantity: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    passed: bool | None
    severity: str
    text: str
    citation: Citation


def check_capture(capture: Capture, *, instrument: str, rules: Sequence[ValidityRule]) -> tuple[RuleResult, ...]:
    """Evaluate the rules that concern a single capture, and pass on the vendor's remarks.

    Parameters
    ----------
    capture : Capture
        The capture; it may be empty.
    instrument : str
        ``"NanoSight"``, ``"ZetaView"`` or another, for which only the rules for any instrument apply.
    rules : sequence of ValidityRule
        As :func:`vesicula.core.reference.validity_rules` returns them; those that concern a whole measurement
        are left to `check_measurement`.

    Returns
    -------
    tuple of RuleResult
        In the order of the rules, then the vendor's remarks that are not plainly good.

    Raises
    ------
    AnalysisError
        When a rule names a quantity that nothing here evaluates.
    """
    return tuple(_capture_results(capture, _applicable(rules, instrument), instrument))


def _capture_results(capture: Capture, rules: Sequence[ValidityRule], instrument: str) -> list[RuleResult]:
    rules = [rule for rule in rules if rule.quantity in CAPTURE_QUANTITIES]
    # Several sources name one quantity: it is worked out once.
    values = {q: CAPTURE_QUANTITIES[q](capture) for q in dict.fromkeys(rule.quantity for rule in rules)}
    results = [_evaluate(rule, values[rule.quantity], capture.name) for rule in rules]
    return [*results, *_vendor_remarks(capture, instrument)]


def check_measurement(
    m: SizeMeasurement,
    *,
    positions: TableMeasurement | None,
    rules: Sequence[ValidityRule],
    replicate_loads: int | None = None,
) -> tuple[RuleResult, ...]:
    """Evaluate the rules that concern a measurement as a whole, after those of each of its captures.

    Parameters
    ----------
    m : SizeMeasurement
        The measurement.
    positions : TableMeasurement or None
        ZetaView's table of positions of the same run, if there is one.
    rules : sequence of ValidityRule
        As :func:`vesicula.core.reference.validity_rules` returns them.
    replicate_loads : int or None
        How often the sample was loaded afresh, which a single file cannot say.

    Returns
    -------
    tuple of RuleResult
        The results of each capture in turn, then those of the measurement, with an empty `capture`.

    Raises
    ------
    AnalysisError
        When a rule names a quantity that nothing here evaluates.
    """
    applicable = _applicable(rules, m.instrument)
    results = [r for c in m.captures for r in _capture_results(c, applicable, m.instrument)]
    table = None if positions is None else positions.table
    for rule in applicable:
        if rule.quantity in MEASUREMENT_QUANTITIES:
            results.append(_evaluate(rule, MEASUREMENT_QUANTITIES[rule.quantity](m), ""))
        elif rule.quantity in POSITION_QUANTITIES:
            value = None if table is None else POSITION_QUANTITIES[rule.quantity](table)
            results.append(_evaluate(rule, value, ""))
        elif rule.quantity == REPLICATES:
            results.append(_evaluate(rule, None if replicate_loads is None else float(replicate_loads), ""))
    if table is not None:
        results += _removed_positions(table, m.instrument)
    return tuple(results)


def _applicable(rules: Sequence[ValidityRule], instrument: str) -> list[ValidityRule]:
    for rule in rules:
        if rule.quantity not in QUANTITIES:
            raise AnalysisError(
                f"the validity rule {rule.id!r} names the quantity {rule.quantity!r}, which "
                f"nothing evaluates; known: {', '.join(sorted(QUANTITIES))}"
            )
    return [rule for rule in rules if rule.instrument in ("any", instrument)]


def _evaluate(rule: ValidityRule, value: float | None, capture: str) -> RuleResult:
    passed = None
    if value is not None:
        passed = (rule.low is None or value >= rule.low) and (rule.high is None or value <= rule.high)
    return RuleResult(
        rule_id=rule.id,
        capture=capture,
        quantity=rule.quantity,
        value=value,
        low=rule.low,
        high=rule.high,
        unit=rule.unit,
        passed=passed,
        severity=rule.severity,
        text=rule.text,
        citation=rule.citation,
    )


# Quantities of a capture


def concentration_in_cell_per_ml(capture: Capture) -> float | None:
    """Return the concentration that the instrument saw: that of the suspension in its cell.

    Parameters
    ----------
    capture : Capture
        The capture.

    Returns
    -------
    float or None
        Particles per mL with the dilution taken out; None when the file states no concentration, or states
        that of the sample without the dilution factor.
    """
    total = _stated_total_per_ml(capture)
    if total is None or capture.concentration_basis == "diluted":
        return total
    return None if not capture.dilution_factor else total / capture.dilution_factor


def _stated_total_per_ml(capture: Capture) -> float | None:
    if capture.concentration_per_ml is not None:
        return float(capture.concentration_per_ml.sum())
    return capture.vendor.get("vendor_concentration_per_ml")


def d10_diameter_nm(capture: Capture) -> float | None:
    """Return the diameter below which a tenth of the particles lie, interpolated between bin edges.

    Parameters
    ----------
    capture : Capture
        The capture.

    Returns
    -------
    float or None
        None when the capture is empty.
    """
    if capture.is_empty:
        return None
    share = np.cumsum(capture.weights)
    share /= share[-1]
    # Bin i is the first at whose upper edge a tenth lies below; empty bins below the first particle do not count.
    i = int(share.searchsorted(0.1, side="left"))
    before, after = (float(share[i - 1]) if i else 0.0), float(share[i])
    low, high = capture.bin_edges_nm[i : i + 2].tolist()
    return float(low + (0.1 - before) / (after - before) * (high - low))


def viscosity_of_water_mpa_s(temperature_c: float) -> float:
    """Return the viscosity of water.

    Kestin, Sokolov & Wakeham 1978, J Phys Chem Ref Data 7:941 [formula from memory; it gives 1.792, 0.890 and
    0.691 mPa s at 0, 25 and 37 degrees, the values of the tables, to 0.03 %].

    Parameters
    ----------
    temperature_c : float
        Between -8 and 150 degrees Celsius.

    Returns
    -------
    float
        In mPa s.
    """
    x = 20.0 - temperature_c
    return float(1.002 * 10.0 ** (x / (temperature_c + 96.0) * (1.2364 - 1.37e-3 * x + 5.7e-6 * x * x)))


def _viscosity_ratio(capture: Capture) -> float | None:
    viscosity = capture.conditions.get("viscosity_mpa_s")
    temperature = capture.conditions.get("temperature_c")
    if viscosity is None or temperature is None or not -8.0 <= temperature <= 150.0:
        return None
    return viscosity / viscosity_of_water_mpa_s(temperature)


def _video_length_s(capture: Capture) -> float | None:
    frames, rate = capture.conditions.get("frames_analysed"), capture.conditions.get("frame_rate_per_s")
    return None if frames is None or not rate else frames / rate


def _optional(value: float | None) -> float | None:
    return None if value is None else float(value)


CAPTURE_QUANTITIES: Mapping[str, Callable[[Capture], float | None]] = MappingProxyType(
    {
        "particles_per_frame": lambda c: _optional(c.particles_per_frame),
        "concentration_in_cell_per_ml": concentration_in_cell_per_ml,
        "tracks_used": lambda c: _optional(c.tracks_used),
        "tracks_completed": lambda c: _optional(c.tracks_completed),
        "min_track_length": lambda c: c.conditions.get("min_track_length"),
        "video_length_s": _video_length_s,
        "viscosity_ratio_to_water": _viscosity_ratio,
        "d10_diameter_nm": d10_diameter_nm,
    }
)


# Quantities of a measurement


def _captures(m: SizeMeasurement) -> float:
    return float(sum(not c.is_empty for c in m.captures))


def _concentration_cv_percent(m: SizeMeasurement) -> float | None:
    captures = [c for c in m.captures if not c.is_empty]
    # Stated concentrations compare only on one basis: that of the sample, or of one and the same dilution.
    bases = {
        (c.concentration_basis, None if c.concentration_basis == "sample" else c.dilution_factor) for c in captures
    }
    totals = [t for t in map(_stated_total_per_ml, captures) if t is not None]
    if len(bases) > 1 or len(totals) < 2 or len(totals) < len(captures):
        return None
    values = np.array(totals)
    return float(100 * values.std(ddof=1) / values.mean())


def _temperature_range_c(m: SizeMeasurement) -> float | None:
    values = [c.conditions.get("temperature_c") for c in m.captures]
    known = [v for v in values if v is not None]
    return None if len(known) < 2 or len(known) < len(values) else max(known) - min(known)


MEASUREMENT_QUANTITIES: Mapping[str, Callable[[SizeMeasurement], float | None]] = MappingProxyType(
    {
        "captures": _captures,
        "concentration_cv_percent": _concentration_cv_percent,
        "temperature_range_c": _temperature_range_c,
    }
)


def _used(table: pl.DataFrame, column: str) -> pl.Series | None:
    if not {"used", column} <= set(table.columns):
        return None
    values = table.filter(pl.col("used"))[column].cast(pl.Float64).drop_nulls().drop_nans()
    return values if len(values) else None


def _highest_drift(table: pl.DataFrame) -> float | None:
    values = _used(table, "drift_um_per_s")
    return None if values is None else float(values.to_numpy().max())


def _fewest_tracks(table: pl.DataFrame) -> float | None:
    values = _used(table, "tracks")
    return None if values is None else float(values.to_numpy().min())


POSITION_QUANTITIES: Mapping[str, Callable[[pl.DataFrame], float | None]] = MappingProxyType(
    {
        "positions_measured": lambda table: float(table.height),
        "position_drift_um_per_s": _highest_drift,
        "tracks_per_position": _fewest_tracks,
    }
)

REPLICATES = "replicate_loads"

QUANTITIES = frozenset({*CAPTURE_QUANTITIES, *MEASUREMENT_QUANTITIES, *POSITION_QUANTITIES, REPLICATES})
"""Every quantity that a rule may name."""


# The vendor's own remarks

_GOOD = frozenset({"", "ok", "no", "none", "good", "very good", "excellent", "passed", "n/a", "not recorded"})

# Fields that state the version of the algorithm or the date of a check: no complaint, whatever they say.
_INFORMATION = ("concentration upgrade", "processed", "particle drift checked", "cell checked")

# Fields that tell what the software did about something it reports elsewhere.
_NOTES = ("vibration correction applied", "settings changed")

# Dates that mean "never": the reader's word for it, and LabVIEW's epoch as it stands in the file.
_NEVER = ("never", "1904-01-01", "1903-12-31")


def _vendor_remarks(capture: Capture, instrument: str) -> list[RuleResult]:
    results = []
    for name, remark in capture.flags.items():
        value = remark.strip()
        if value.lower() in _GOOD or _key(name).startswith(_INFORMATION):
            continue
        never = _never_checked(name, capture.flags)
        quiet = bool(never) or _key(name).startswith(_NOTES)
        results.append(
            RuleResult(
                # The remark is part of the id: captures with other words must not be told in these.
                rule_id=f"vendor:{_kebab(name)}:{_kebab(value)}",
                capture=capture.name,
                quantity=name.strip(),
                value=None,
                low=None,
                high=None,
                unit="",
                passed=None if never else False,
                severity="note" if quiet else "warning",
                text=f"The instrument's software remarks: {name.strip().rstrip(':')}: {value}." + never,
                citation=_vendor(instrument),
            )
        )
    return results


def _never_checked(name: str, flags: Mapping[str, str]) -> str:
    """Say so where the date beside a check means that it never ran; empty otherwise."""
    for check in ("particle drift check", "cell check"):
        dates = [v.strip().lower() for k, v in flags.items() if _key(k) == f"{check}ed"]
        if _key(name) == f"{check} result" and any(d.startswith(_NEVER) for d in dates):
            return " By its date in the file this check never ran: the remark says nothing of this run."
    return ""


def _key(name: str) -> str:
    """Name a vendor's field without its case, colon, question mark or the section put before it."""
    return name.rsplit(": ", 1)[-1].strip().lower().rstrip(" ?:")


def _removed_positions(table: pl.DataFrame, instrument: str) -> list[RuleResult]:
    if not {"used", "removal"} <= set(table.columns):
        return []
    removed = table.filter(~pl.col("used"))
    if removed.is_empty():
        return []
    reasons = removed["removal"].fill_null("").str.strip_chars().replace("", "no reason given")
    counts = sorted(reasons.value_counts().iter_rows())
    listed = ", ".join(f"{count} {reason}" for reason, count in counts)
    return [
        RuleResult(
            rule_id="vendor:position-removal",
            capture="",
            quantity="positions_removed",
            value=float(removed.height),
            low=None,
            high=None,
            unit="positions",
            passed=False,
            severity="note" if removed.height < table.height else "warning",
            text=f"The instrument's software left {removed.height} of {table.height} positions out: {listed}. "
            "No published limit on their number is known to us.",
            citation=_vendor(instrument),
        )
    ]


def _vendor(instrument: str) -> Citation:
    return Citation(text=f"{instrument}: the instrument's own software", note="stated in the file itself")


def _kebab(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
