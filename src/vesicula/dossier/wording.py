"""Words and numbers of the page: verdicts, sizes, differences, and the manifest's fields as plain phrases."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vesicula.core.estimate import Estimate
from vesicula.core.finding import Citation, Verdict
from vesicula.core.format import format_number
from vesicula.dossier.model import Source

KINDS = {
    Verdict.MET: "met",
    Verdict.NOT_MET: "not-met",
    Verdict.UNDECIDED: "undecided",
    Verdict.NOT_JUDGED: "not-judged",
    Verdict.NOT_MEASURED: "not-measured",
    Verdict.WARNING: "warning",
}

LEGEND = (
    (Verdict.MET, "the whole interval lies inside the limits of the criterion"),
    (Verdict.NOT_MET, "the whole interval lies outside the limits"),
    (Verdict.UNDECIDED, "the interval straddles a limit: the data do not decide"),
    (Verdict.WARNING, "outside the conditions under which the method is valid, or a remark that bears on the numbers"),
    (Verdict.NOT_MEASURED, "the data needed are missing"),
    (Verdict.NOT_JUDGED, "a number without a criterion; also what the literature says, which is no verdict on a batch"),
)

# What a DOI may look like (Crossref's recommended pattern, https://www.crossref.org/blog/dois-and-matching-regular-
# expressions/ [from memory, unchecked]), less the characters that could end an attribute or an address.
_DOI = re.compile(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+")

TOPICS = {
    "release": ("Release criteria", "The laboratory's own limits, from study.yaml."),
    "size": ("Size", "Hydrodynamic diameter of the sample, all its loads together."),
    "concentration": ("Concentration", ""),
    "vesicle-class": (
        "Vesicle classes by published definition",
        (
            "Share of particles by number inside the size range that each source prints. Sources disagree about the "
            "ranges, and ranges overlap: shares need not add up to one. Size alone does not prove origin."
        ),
    ),
    "purity": ("Purity", ""),
    "zeta-potential": ("Zeta potential", ""),
    "validity": (
        "Conditions of validity",
        "Whether each capture was taken under conditions for which the method holds.",
    ),
    "vendor-agreement": (
        "Agreement with the vendor's software",
        "Our numbers against those that the instrument's own software computed from the same data.",
    ),
    "cargo": (
        "Cargo",
        (
            "What the batch's cargo tables hold, its pathways against what was measured, and the claims that name it. "
            "That a batch carries what claims name does not say that it acts."
        ),
    ),
    "file": ("Remarks on files", ""),
}


def doi_url(doi: str) -> str:
    """Return the address of a DOI, or nothing when the text is not wholly one."""
    return f"https://doi.org/{doi}" if _DOI.fullmatch(doi) else ""


def source_of(citation: Citation) -> Source:
    """Turn a citation into what the page prints."""
    return Source(text=citation.text, note=citation.note, doi=citation.doi, url=doi_url(citation.doi))


def interval_text(e: Estimate) -> str:
    """Return ``"95.2 to 101.6"``, or nothing without an interval."""
    if e.low is None or e.high is None:
        return ""
    return f"{format_number(e.low, e.unit)} to {format_number(e.high, e.unit)}"


def replication_text(e: Estimate) -> str:
    """Return ``"3 loads"``: the units behind an estimate."""
    unit = {"replicate": "load"}.get(e.unit_of_replication, e.unit_of_replication)
    return f"{e.n} {unit}{'' if e.n == 1 else 's'}"


def carried_text(e: Estimate) -> str:
    """Say in words what an interval carries, and that there is none when there is none."""
    if e.low is None or e.high is None:
        return f"no interval; n = {replication_text(e)}"
    carries = ", ".join(e.carries) if e.carries else "sources of variation not stated"
    return f"{e.level:.0%} interval {interval_text(e)}; n = {replication_text(e)}; carries {carries}".replace(
        "%", " %", 1
    )


def difference_text(ours: float, vendor: float, unit: str) -> str:
    """Print ours less the vendor's: absolute for diameters, and relative.

    Parameters
    ----------
    ours, vendor : float
        Both in `unit`.
    unit : str
        Unit of both.

    Returns
    -------
    str
        Such as ``"+0.4 nm (+0.3 %)"``; empty when either is not finite.
    """
    if not (math.isfinite(ours) and math.isfinite(vendor)):
        return ""
    difference = ours - vendor
    relative = f"{100 * difference / vendor:+.1f} %" if vendor else ""
    # A minus sign, and no "-0.0".
    absolute = f"{difference:+.1f} {unit}" if unit in ("nm", "mV", "%") else ""
    parts = [re.sub(r"^[+-](?=0\.0\b)", "", p).replace("-", "−") for p in (absolute, relative) if p]
    return f"{parts[0]} ({parts[1]})" if len(parts) == 2 else "".join(parts)


def size_text(size_bytes: int) -> str:
    """Print a size: 1 kB is 1000 bytes."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def count_text(n: int, noun: str, plural: str = "") -> str:
    """Return ``"1 file"``, ``"2 files"``."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


_UNITS = (
    ("_relative_centrifugal_force_g", "× g"),
    ("_ug_per_ml", "µg/mL"),
    ("_percent", "%"),
    ("_min", "min"),
    ("_ml", "mL"),
    ("_nm", "nm"),
    ("_h", "h"),
    ("_c", "°C"),
)

_LABELS = {
    "produced_on": "Produced on",
    "cell_source": "Cell source",
    "oxygen_percent": "oxygen",
    "conditioning_h": "conditioned for",
    "passage": "passage",
}


def field_text(name: str, value: object) -> str:
    """Print one field of the manifest with its name and unit, such as ``"oxygen 5 %"``."""
    for suffix, unit in _UNITS:
        if f"_{name}".endswith(suffix) and isinstance(value, int | float):
            label = _LABELS.get(name, f"_{name}".removesuffix(suffix).strip("_").replace("_", " "))
            return f"{label} {value:g} {unit}".strip()
    return f"{_LABELS.get(name, name.replace('_', ' '))} {plain(value)}"


def plain(value: object) -> str:
    """Print any JSON value on one line."""
    if isinstance(value, Mapping):
        return "; ".join(field_text(str(k), v) for k, v in value.items() if v not in (None, "", [], {}))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "; ".join(plain(v) for v in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def isolation_text(step: object) -> str:
    """Print a step of isolation, such as ``"differential ultracentrifugation, 100000 × g, 70 min, 4 °C"``."""
    if not isinstance(step, Mapping):
        return plain(step)
    parts = [str(step.get("method", "step"))]
    for name, value in step.items():
        if name in ("method", "details") or value is None:
            continue
        text = field_text(str(name), value)
        parts.append(re.sub(r"^(duration|temperature) ", "", text))
    if step.get("details"):
        parts.append(str(step["details"]))
    return ", ".join(p.strip() for p in parts)


def facts_of(description: Mapping[str, Any], skip: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the stated fields of a batch or sample as label and text.

    Parameters
    ----------
    description : mapping
        Plain JSON from the manifest; nothing is taken for granted about its shape.
    skip : sequence of str
        Fields shown elsewhere.

    Returns
    -------
    tuple of (str, str)
        In the manifest's order.
    """
    rows = []
    for name, value in description.items():
        if name in skip or value in (None, "", [], {}):
            continue
        suffix = next((s for s, _ in _UNITS if f"_{name}".endswith(s)), "") if isinstance(value, int | float) else ""
        label = _LABELS.get(name, f"_{name}".removesuffix(suffix).strip("_").replace("_", " "))
        label = label[:1].upper() + label[1:]
        is_number = isinstance(value, int | float)
        rows.append((label, re.sub(r"^\S+ (?=\d)", "", field_text(name, value)) if is_number else plain(value)))
    return tuple(rows)


def parameters_of(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Print parameters, nested ones by dotted names."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += [(f"{name}.{inner}", text) for inner, text in parameters_of(value)]
        else:
            rows.append((str(name), plain(value)))
    return tuple(rows)
