"""Our numbers against the vendor's own, in the same file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from vesicula.assess.context import Context
from vesicula.core.finding import Citation, Criterion, Finding, Verdict
from vesicula.core.format import format_number, format_with_unit
from vesicula.core.measurement import Capture, SizeMeasurement
from vesicula.instruments.nta.infer import MeasurementStatistics

VENDOR_KEYS = {
    "mean_diameter_nm": "vendor_mean_nm",
    "mode_diameter_nm": "vendor_mode_nm",
    "median_diameter_nm": "vendor_d50_nm",
    "d10_diameter_nm": "vendor_d10_nm",
    "d90_diameter_nm": "vendor_d90_nm",
    "sd_diameter_nm": "vendor_sd_nm",
    "concentration_per_ml": "vendor_concentration_per_ml",
}
"""Our quantity: the vendor's key in `Capture.vendor` and `SizeMeasurement.vendor_pooled`."""

PRINT_ROUNDING_NM = 0.05
"""NanoSight prints diameters with one decimal, so up to half of the last one is lost."""

PRINT_ROUNDING_CONCENTRATION = 0.005
"""NanoSight prints concentrations with three significant digits: at worst 5 in 1000 are lost (1.00e9 +- 0.005e9)."""

RULE = Citation(
    text="vesicula: one bin of the vendor's histogram, and the rounding of the printed figure",
    note="Vendors place percentiles at the left edge, the right edge or the middle of a bin; see docs/validation.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One number of ours beside the vendor's.

    Parameters
    ----------
    capture : str
        Name of the capture; empty for the vendor's pooled figure.
    quantity : str
        Ours, such as ``"mode_diameter_nm"``.
    ours, vendor : float
        In the unit of the quantity and on the same dilution.
    allowed : float
        Largest absolute difference that the vendor's binning and rounding explain.
    """

    capture: str
    quantity: str
    ours: float
    vendor: float
    allowed: float

    @property
    def difference(self) -> float:
        """Ours less the vendor's."""
        return self.ours - self.vendor

    @property
    def within(self) -> bool:
        """Whether binning and rounding explain the difference."""
        return abs(self.difference) <= self.allowed


def vendor_value(quantity: str, vendor: Mapping[str, float], factor: float) -> float | None:
    """Return the vendor's figure of one of our quantities.

    Parameters
    ----------
    quantity : str
        Ours.
    vendor : mapping of str to float
        What the file states.
    factor : float
        Brings a concentration of the file to the dilution of ours.

    Returns
    -------
    float or None
        None when the file does not state it.
    """
    value = vendor.get(VENDOR_KEYS.get(quantity, ""))
    if value is None:
        return None
    return value * factor if quantity == "concentration_per_ml" else value


def dilution_between(measurement: SizeMeasurement, statistics: MeasurementStatistics) -> float:
    """Return the factor from the file's concentrations to ours: the dilution where we undid one, else 1."""
    in_file = measurement.captures[0].concentration_basis
    if in_file == "diluted" and statistics.concentration_basis == "sample":
        return float(statistics.dilution_factor or 1.0)
    return 1.0


def compare(measurement: SizeMeasurement, statistics: MeasurementStatistics) -> tuple[Comparison, ...]:
    """Set every number that both we and the vendor computed side by side, capture by capture.

    Parameters
    ----------
    measurement : SizeMeasurement
        With the vendor's figures.
    statistics : MeasurementStatistics
        Ours of the same captures.

    Returns
    -------
    tuple of Comparison
        Empty when the file states no figure of the vendor's.
    """
    factor = dilution_between(measurement, statistics)
    found = []
    for capture, values in zip(measurement.captures, statistics.captures, strict=True):
        if values.empty:
            continue
        for quantity in VENDOR_KEYS:
            vendor, ours = vendor_value(quantity, capture.vendor, factor), values.values.get(quantity)
            if vendor is not None and ours is not None:
                found.append(
                    Comparison(
                        capture=capture.name,
                        quantity=quantity,
                        ours=ours,
                        vendor=vendor,
                        allowed=_allowed(capture, quantity, vendor),
                    )
                )
    return tuple(found)


def _allowed(capture: Capture, quantity: str, vendor: float) -> float:
    if quantity == "concentration_per_ml":
        return PRINT_ROUNDING_CONCENTRATION * abs(vendor)
    if quantity in ("mean_diameter_nm", "sd_diameter_nm"):
        # Both vendors and we take moments at the middle of bins, so only rounding is left.
        return PRINT_ROUNDING_NM
    edges = capture.bin_edges_nm
    index = min(max(int(edges.searchsorted(vendor)) - 1, 0), edges.size - 2)
    return float(edges[index + 1] - edges[index]) + PRINT_ROUNDING_NM


def agreement_findings(
    context: Context, measurement: SizeMeasurement, statistics: MeasurementStatistics, titles: Mapping[str, str]
) -> list[Finding]:
    """State, for each quantity, how far our numbers lie from the vendor's.

    Parameters
    ----------
    context : Context
        The load.
    measurement, statistics
        As in `compare`.
    titles : mapping of str to str
        Names of the quantities as printed.

    Returns
    -------
    list of Finding
        One per quantity that the vendor states; NOT_MET where binning and rounding do not explain it.
    """
    comparisons = compare(measurement, statistics)
    findings = []
    for quantity in VENDOR_KEYS:
        group = [c for c in comparisons if c.quantity == quantity]
        if group:
            findings.append(_agreement(context, quantity, titles[quantity], group))
    return findings


def _agreement(context: Context, quantity: str, title: str, group: list[Comparison]) -> Finding:
    worst = max(group, key=lambda c: abs(c.difference) / c.allowed if c.allowed else math.inf)
    unit = "/mL" if quantity == "concentration_per_ml" else "nm"
    outside = [c.capture for c in group if not c.within]
    statement = (
        f"{title}: ours {format_number(worst.ours, unit)}, vendor's {format_with_unit(worst.vendor, unit)} in the "
        f"capture where they differ most ({worst.capture}); binning and rounding explain up to "
        f"{format_with_unit(worst.allowed, unit) if worst.allowed >= 0.1 else f'{worst.allowed:.2f} {unit}'}."
    )
    if outside:
        statement += f" Beyond that: {', '.join(outside)}."
    return context.finding(
        "vendor-agreement",
        quantity,
        f"{title}, ours and the vendor's",
        statement,
        Verdict.NOT_MET if outside else Verdict.MET,
        criterion=Criterion(text="within one bin and the rounding of print", low=None, high=None, source=RULE),
        method=context.method("nta.vendor_agreement", {"captures": len(group)}),
    )
