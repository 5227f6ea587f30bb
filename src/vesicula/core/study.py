"""The manifest of a study: what the lab states about its batches. Mirrors study.yaml, field by field.

Vocabulary follows the field: cell sources and isolation methods are those of the evidence tables
(``data/vocabulary.tsv``), terms map to ISA and RO-Crate as docs/reference/manifest.md lists. Description,
unit, example and terms stand beside each field: the JSON Schema, the reference page and the comments that
``vesicula init`` writes are made from them.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vesicula.core.errors import shorten

MANIFEST_VERSION = 1


def _about(
    description: str,
    *,
    unit: str = "",
    isa: str = "",
    schema_org: str = "",
    vocabulary: str = "",
    example: object = None,
) -> Any:  # noqa: ANN401 - pydantic types Field() as Any
    """Describe a field once, for the JSON Schema, the reference page and the template alike."""
    extra = {"x-unit": unit, "x-isa": isa, "x-schema-org": schema_org, "x-vocabulary": vocabulary}
    stated: dict[str, Any] = {key: value for key, value in extra.items() if value}
    examples = None if example is None else [example]
    return Field(description=description, examples=examples, json_schema_extra=stated)


def _fault(kind: str, reason: str, *, at: str = "") -> PydanticCustomError:
    """Make an error whose text may hold braces; `at` names the field that is to blame in a whole model."""
    return PydanticCustomError("vesicula", "{reason}", {"reason": reason, "kind": kind, "at": at})


class _Strict(BaseModel):
    """Unknown fields are errors: a misspelt field must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:  # noqa: ANN401 - untrusted input of any type
        """Treat a known field without a value as not stated: a template is full of them."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in cls.model_fields}


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(?:\.0*)?")
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*[^\s0-9.,eE+-].*")
_WITH_PREFIX = re.compile(r"[A-Za-z]{1,8}\.?\s*([0-9]{1,15})")


def _number(value: object) -> object:
    """Take a number, or text that is wholly one: no decimal comma, no unit, no digit grouping."""
    if isinstance(value, bool):
        raise _fault("number", f"expected a number, found {str(value).lower()}")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if len(text) <= 100 and _NUMBER.fullmatch(text):
        return float(text)
    raise _fault("number", _why_no_number(text))


def _whole(value: object) -> object:
    """Take a whole number, or text that is one."""
    if isinstance(value, bool):
        raise _fault("number", f"expected a whole number, found {str(value).lower()}")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _WHOLE.fullmatch(text):
        return int(text.split(".", 1)[0])
    if match := _WITH_PREFIX.fullmatch(text):
        raise _fault("number", f"expected a whole number, found {shorten(text)!r}: write {int(match[1])}")
    if len(text) <= 100 and _NUMBER.fullmatch(text):
        raise _fault("number", f"expected a whole number, found {shorten(text)!r}")
    raise _fault("number", _why_no_number(text))


def _why_no_number(text: str) -> str:
    found = f"expected a number, found {shorten(text)!r}"
    if len(text) > 100:
        return found
    if match := _DECIMAL_COMMA.fullmatch(text):
        whole, part = match[1], match[2]
        if len(part) == 3 and whole.lstrip("+-0"):
            return (
                f"{found}: a comma may mean thousands or decimals; write {whole}{part} or "
                f"{whole}.{part}, with a point for decimals"
            )
        return f"{found}: write {whole}.{part}, with a decimal point"
    if match := _WITH_UNIT.fullmatch(text):
        return f"{found}: write {match[1]} alone; the unit is part of the field's name"
    return f"{found}: write digits with a decimal point, such as 0.5 or 1e9"


def _relative(path: str) -> str:
    if any(ord(c) < 32 and c not in "\t\n\r" for c in path):
        raise _fault("path", "a file name must not hold control characters")
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path):
        raise _fault(
            "path",
            "a file must lie inside the study folder: give a path relative to it, without "
            f"'..', a leading slash or a drive letter; found {shorten(path)!r}",
        )
    return str(pure)


def _identifier(text: str) -> str:
    if not text.isprintable() or "/" in text or "\\" in text or text in {".", ".."}:
        raise _fault(
            "identifier",
            "an identifier is one line of printable characters without '/' or '\\', "
            f"and not '.' or '..'; found {shorten(text)!r}",
        )
    return text


def _iso_date(text: str) -> str:
    fault = _fault("date", f"expected a date of the calendar as YYYY-MM-DD, found {shorten(text)!r}")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise fault
    try:
        date.fromisoformat(text)
    except ValueError:
        raise fault from None
    return text


Identifier = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra={"pattern": r"^[^/\\\u0000-\u001f\u007f-\u009f]+$"}),
    AfterValidator(_identifier),
]
RelativePath = Annotated[
    # A file name may begin or end with a blank: it must be kept as it is.
    str,
    StringConstraints(strip_whitespace=False, min_length=1, max_length=1000),
    Field(json_schema_extra={"pattern": r"^(?![/\\]|[A-Za-z]:|\.\.(?:[/\\]|$)|[^\0]*[/\\]\.\.(?:[/\\]|$))"}),
    AfterValidator(_relative),
]
Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_number)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_number)]
Celsius = Annotated[float, Field(ge=-273.15, le=1000), BeforeValidator(_number)]
Count = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
IsoDate = Annotated[str, AfterValidator(_iso_date), Field(json_schema_extra={"format": "date"})]
Text = Annotated[str, Field(min_length=1)]

_PROPERTY = "additionalProperty (PropertyValue)"
_PARAMETER = "parameterValue (PropertyValue)"


class CellSource(_Strict):
    """The cells that secreted the vesicles (ISA: Source)."""

    tissue: Annotated[
        str | None,
        _about(
            "Cells that secreted the vesicles, by tissue or origin.",
            isa="Characteristics[cell type]",
            schema_org=_PROPERTY,
            vocabulary="cell_source",
            example="BM-MSC",
        ),
    ] = None
    species: Annotated[
        str | None,
        _about(
            "Species of the donor.",
            isa="Characteristics[Organism]",
            schema_org=_PROPERTY,
            vocabulary="species",
            example="Homo sapiens",
        ),
    ] = None
    donor: Annotated[
        str | None,
        _about(
            "Donor or line, by the lab's pseudonymous code; never a name.",
            isa="Source Name",
            schema_org=_PROPERTY,
            example="D07",
        ),
    ] = None
    clone: Annotated[
        str | None,
        _about(
            "Clone, or iPSC line and clone for iMSC.",
            isa="Characteristics[cell line]",
            schema_org=_PROPERTY,
            example="iPSC-4/c2",
        ),
    ] = None
    passage: Annotated[
        Count | None,
        _about(
            "Passage of the cells that conditioned the medium.",
            unit="count",
            isa="Characteristics[passage number]",
            schema_org=_PROPERTY,
            example=4,
        ),
    ] = None
    modification: Annotated[
        str | None,
        _about(
            "Genetic modification, priming or stimulation of the cells.",
            isa="Characteristics[modification]",
            schema_org=_PROPERTY,
            example="IFN-gamma priming, 24 h",
        ),
    ] = None
    oxygen_percent: Annotated[
        Percent | None,
        _about(
            "Oxygen in the incubator while the medium was conditioned.",
            unit="% (v/v)",
            isa="Parameter Value[oxygen]",
            schema_org=_PROPERTY,
            vocabulary="oxygen",
            example=21,
        ),
    ] = None
    medium: Annotated[
        str | None,
        _about(
            "Basal medium that was conditioned.",
            isa="Parameter Value[culture medium]",
            schema_org=_PROPERTY,
            vocabulary="medium",
            example="alpha-MEM",
        ),
    ] = None
    serum: Annotated[
        str | None,
        _about(
            "Serum or other supplement during conditioning, and whether it was depleted of vesicles.",
            isa="Parameter Value[serum]",
            schema_org=_PROPERTY,
            vocabulary="serum",
            example="serum-free",
        ),
    ] = None
    conditioning_h: Annotated[
        Positive | None,
        _about(
            "How long the cells conditioned the medium.",
            unit="h",
            isa="Parameter Value[conditioning time]",
            schema_org=_PROPERTY,
            example=48,
        ),
    ] = None
    conditioned_medium_ml: Annotated[
        Positive | None,
        _about(
            "Volume of conditioned medium that went into the isolation.",
            unit="mL",
            isa="Parameter Value[conditioned medium volume]",
            schema_org=_PROPERTY,
            example=300,
        ),
    ] = None
    cell_count: Annotated[
        Positive | None,
        _about(
            "Number of cells that conditioned this medium, counted at its harvest; particles per cell need it.",
            unit="cells",
            isa="Parameter Value[cell count]",
            schema_org=_PROPERTY,
            example=2.4e7,
        ),
    ] = None
    viability_percent: Annotated[
        Percent | None,
        _about(
            "Viable cells at the harvest of the medium.",
            unit="%",
            isa="Parameter Value[cell viability]",
            schema_org=_PROPERTY,
            example=96,
        ),
    ] = None
    notes: Annotated[
        str | None, _about("Anything else about the cells.", isa="Comment[cell source]", schema_org=_PROPERTY)
    ] = None


class IsolationStep(_Strict):
    """One step of isolation (ISA: Process), in the order done."""

    method: Annotated[
        Text,
        _about(
            "What was done.",
            isa="Protocol REF",
            schema_org=_PARAMETER,
            vocabulary="isolation_method",
            example="differential ultracentrifugation",
        ),
    ]
    relative_centrifugal_force_g: Annotated[
        Positive | None,
        _about(
            "Relative centrifugal force, at the average radius unless details say otherwise.",
            unit="x g",
            isa="Parameter Value[relative centrifugal force]",
            schema_org=_PARAMETER,
            example=100000,
        ),
    ] = None
    rotor: Annotated[
        str | None,
        _about(
            "Rotor, as its maker names it.", isa="Parameter Value[rotor]", schema_org=_PARAMETER, example="SW 32 Ti"
        ),
    ] = None
    k_factor: Annotated[
        Positive | None,
        _about(
            "Clearing factor (k-factor) of rotor and speed.",
            unit="S h",
            isa="Parameter Value[k-factor]",
            schema_org=_PARAMETER,
            example=204,
        ),
    ] = None
    duration_min: Annotated[
        Positive | None,
        _about("Duration of the step.", unit="min", isa="Parameter Value[duration]", schema_org=_PARAMETER, example=70),
    ] = None
    temperature_c: Annotated[
        Celsius | None,
        _about(
            "Temperature of the step.",
            unit="degree Celsius",
            isa="Parameter Value[temperature]",
            schema_org=_PARAMETER,
            example=4,
        ),
    ] = None
    pore_size_nm: Annotated[
        Positive | None,
        _about(
            "Pore of a filter or membrane, or of the beads of a column.",
            unit="nm",
            isa="Parameter Value[pore size]",
            schema_org=_PARAMETER,
            example=220,
        ),
    ] = None
    details: Annotated[
        str | None,
        _about(
            "Kit, column, gradient, volumes and anything else needed to repeat the step.",
            isa="Comment[details]",
            schema_org=_PARAMETER,
            example="pellet resuspended in 1 mL PBS",
        ),
    ] = None


class Assay(_Strict):
    """A bulk assay of protein or lipid in the sample, undiluted."""

    method: Annotated[
        str | None,
        _about(
            "Assay.",
            isa="Protocol REF",
            schema_org="measurementTechnique",
            vocabulary="protein_assay or lipid_assay",
            example="BCA",
        ),
    ] = None
    concentration_ug_per_ml: Annotated[
        Positive,
        _about(
            "Concentration in the sample itself, the assay's own dilution undone.",
            unit="ug/mL",
            isa="Derived Data File",
            schema_org="value",
            example=182,
        ),
    ]
    sd_ug_per_ml: Annotated[
        Positive | None,
        _about(
            "Standard deviation over the replicates of the assay.",
            unit="ug/mL",
            isa="Comment[standard deviation]",
            schema_org=_PROPERTY,
            example=11,
        ),
    ] = None


class MeasurementEntry(_Strict):
    """One load of the sample into one instrument: its files (ISA: Assay)."""

    files: Annotated[
        tuple[RelativePath, ...],
        Field(min_length=1),
        _about(
            "Files of this one load, relative to the study folder: the export and its companion tables.",
            isa="Raw Data File",
            schema_org="result (File)",
            example=["F3_size_488.txt", "F3_size_488_11pos.txt"],
        ),
    ]
    replicate: Annotated[
        Identifier | None,
        _about(
            "Label of the replicate: each separate dilution and load of the same sample has its own.",
            isa="Assay Name",
            schema_org="identifier",
            example="1",
        ),
    ] = None
    dilution_factor: Annotated[
        Annotated[float, Field(ge=1), BeforeValidator(_number)] | None,
        _about(
            "Volume after dilution over volume before. Needed only where the file does not record it; "
            "vesicula check compares the two.",
            unit="ratio, 1 or more",
            isa="Parameter Value[dilution factor]",
            schema_org=_PROPERTY,
            example=1000,
        ),
    ] = None
    diluent: Annotated[
        str | None,
        _about(
            "Liquid that the sample was diluted in.",
            isa="Parameter Value[diluent]",
            schema_org=_PROPERTY,
            example="PBS, 0.1 um filtered",
        ),
    ] = None
    loaded_volume_ul: Annotated[
        Positive | None,
        _about(
            "Volume of diluted sample loaded.",
            unit="uL",
            isa="Parameter Value[loaded volume]",
            schema_org=_PROPERTY,
            example=1000,
        ),
    ] = None
    reader: Annotated[
        str | None,
        _about(
            "Reader to use, by name, where recognition by content must be overruled.",
            isa="Comment[reader]",
            schema_org=_PROPERTY,
            example="zetaview_size",
        ),
    ] = None
    notes: Annotated[
        str | None, _about("Anything unusual about this load.", isa="Comment[measurement]", schema_org="description")
    ] = None


class Sample(_Strict):
    """A preparation, fraction or aliquot of a batch (ISA: Sample)."""

    id: Annotated[
        Identifier,
        _about("Identifier, unique within the batch.", isa="Sample Name", schema_org="identifier", example="F3"),
    ]
    name: Annotated[
        str | None, _about("Name in words.", isa="Comment[sample name]", schema_org="name", example="SEC fraction 3")
    ] = None
    volume_ml: Annotated[
        Positive | None,
        _about(
            "Volume of the whole sample; the total number of particles needs it.",
            unit="mL",
            isa="Characteristics[volume]",
            schema_org=_PROPERTY,
            example=0.5,
        ),
    ] = None
    protein: Annotated[
        Assay | None,
        _about("Bulk protein; particles per microgram need it.", isa="Assay", schema_org="variableMeasured"),
    ] = None
    lipid: Annotated[Assay | None, _about("Bulk lipid.", isa="Assay", schema_org="variableMeasured")] = None
    measurements: Annotated[
        tuple[MeasurementEntry, ...],
        _about("One entry for each load of the sample into an instrument.", isa="Assay", schema_org="CreateAction"),
    ] = ()
    notes: Annotated[
        str | None, _about("Anything else about the sample.", isa="Comment[sample]", schema_org="description")
    ] = None

    @model_validator(mode="after")
    def _unique_replicates(self) -> Sample:
        labels = [m.replicate for m in self.measurements if m.replicate]
        _refuse_duplicates(labels, "replicate", f"sample {self.id!r}")
        return self


class Batch(_Strict):
    """One production lot of vesicles."""

    id: Annotated[
        Identifier,
        _about(
            "Lot number or other identifier, unique within the study.",
            isa="Characteristics[batch]",
            schema_org="identifier",
            example="EV-2025-03",
        ),
    ]
    name: Annotated[str | None, _about("Name in words.", isa="Comment[batch name]", schema_org="name")] = None
    produced_on: Annotated[
        IsoDate | None,
        _about(
            "Day on which the isolation was finished.",
            unit="YYYY-MM-DD",
            isa="Date",
            schema_org=_PROPERTY,
            example="2025-02-28",
        ),
    ] = None
    cell_source: Annotated[
        CellSource,
        _about("The cells that secreted the vesicles.", isa="Source Name", schema_org="isBasedOn (BioSample)"),
    ] = CellSource()
    isolation: Annotated[
        tuple[IsolationStep, ...],
        _about("Steps of isolation, in the order done.", isa="Protocol REF", schema_org="LabProcess"),
    ] = ()
    storage: Annotated[
        str | None,
        _about(
            "Storage between isolation and measurement, in words: vessel, freezing, what was added.",
            isa="Parameter Value[storage]",
            schema_org=_PROPERTY,
            example="low-bind tubes, frozen once",
        ),
    ] = None
    storage_temperature_c: Annotated[
        Celsius | None,
        _about(
            "Temperature of storage.",
            unit="degree Celsius",
            isa="Parameter Value[storage temperature]",
            schema_org=_PROPERTY,
            example=-80,
        ),
    ] = None
    storage_buffer: Annotated[
        str | None,
        _about(
            "Buffer that the vesicles are stored in.",
            isa="Parameter Value[storage buffer]",
            schema_org=_PROPERTY,
            example="PBS with 0.2 % human albumin and 25 mM trehalose",
        ),
    ] = None
    storage_days: Annotated[
        Annotated[float, Field(ge=0), BeforeValidator(_number)] | None,
        _about(
            "Time from isolation to measurement.",
            unit="days",
            isa="Parameter Value[storage time]",
            schema_org=_PROPERTY,
            example=14,
        ),
    ] = None
    freeze_thaw_cycles: Annotated[
        Count | None,
        _about(
            "How often the vesicles were thawed before measurement; 0 for fresh.",
            unit="count",
            isa="Parameter Value[freeze-thaw cycles]",
            schema_org=_PROPERTY,
            example=1,
        ),
    ] = None
    samples: Annotated[
        tuple[Sample, ...],
        Field(min_length=1),
        _about(
            "Preparations, fractions or aliquots of this batch.", isa="Sample Name", schema_org="BioSample (isBasedOn)"
        ),
    ]
    notes: Annotated[
        str | None, _about("Anything else about the batch.", isa="Comment[batch]", schema_org="description")
    ] = None

    @model_validator(mode="after")
    def _unique_samples(self) -> Batch:
        _refuse_duplicates([s.id for s in self.samples], "sample", f"batch {self.id!r}")
        return self


CRITERION_QUANTITIES = Literal[
    "mean_diameter_nm",
    "mode_diameter_nm",
    "median_diameter_nm",
    "d10_diameter_nm",
    "d90_diameter_nm",
    "sd_diameter_nm",
    "span",
    "concentration_per_ml",
    "particles_per_ug_protein",
]


class ReleaseCriterion(_Strict):
    """A limit that the lab sets for its own batches."""

    quantity: Annotated[
        CRITERION_QUANTITIES,
        _about(
            "What is judged; its unit is in its name.",
            isa="Comment[criterion]",
            schema_org="name",
            example="mode_diameter_nm",
        ),
    ]
    min: Annotated[
        Number | None,
        _about(
            "Lowest value that passes, in the unit of the quantity; left out where open.",
            unit="as the quantity",
            isa="Comment[criterion]",
            schema_org="minValue",
            example=30,
        ),
    ] = None
    max: Annotated[
        Number | None,
        _about(
            "Highest value that passes, in the unit of the quantity; left out where open.",
            unit="as the quantity",
            isa="Comment[criterion]",
            schema_org="maxValue",
            example=200,
        ),
    ] = None
    source: Annotated[
        Text,
        _about(
            "Who set the limit: document, version, or publication.",
            isa="Comment[criterion]",
            schema_org="citation",
            example="Release specification RS-12, version 3",
        ),
    ]

    @model_validator(mode="after")
    def _a_limit(self) -> ReleaseCriterion:
        if self.min is None and self.max is None:
            raise _fault("limits", "a criterion needs min, max or both", at="quantity")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise _fault("limits", f"min ({self.min:g}) must not exceed max ({self.max:g})", at="min")
        return self


class StudyInfo(_Strict):
    """The study as a whole (ISA: Study; RO-Crate: root data entity)."""

    title: Annotated[
        Text,
        _about(
            "Title of the study, as the dossier prints it.",
            isa="Study Title",
            schema_org="name",
            example="EVs of three iMSC lots",
        ),
    ]
    description: Annotated[
        str | None,
        _about("What was studied and why, in a few sentences.", isa="Study Description", schema_org="description"),
    ] = None
    contact: Annotated[
        str | None,
        _about(
            "Person who answers for the data, with address or ORCID.",
            isa="Study Person Email",
            schema_org="author",
            example="J. Doe, j.doe@example.org",
        ),
    ] = None
    institution: Annotated[
        str | None, _about("Laboratory or company.", isa="Study Person Affiliation", schema_org="sourceOrganization")
    ] = None
    licence: Annotated[
        str | None,
        _about(
            "Licence of the data, by SPDX identifier or address, where they may be shared.",
            isa="Comment[licence]",
            schema_org="license",
            example="CC-BY-4.0",
        ),
    ] = None


class Manifest(_Strict):
    """study.yaml."""

    vesicula: Annotated[
        Literal[1],
        BeforeValidator(_whole),
        _about(
            "Version of this file's format; always 1 so far.",
            isa="Comment[manifest version]",
            schema_org="conformsTo",
            example=1,
        ),
    ]
    study: Annotated[StudyInfo, _about("The study as a whole.", isa="Study", schema_org="Dataset (root)")]
    batches: Annotated[
        tuple[Batch, ...], Field(min_length=1), _about("Production lots.", isa="Study, Material", schema_org="hasPart")
    ]
    criteria: Annotated[
        tuple[ReleaseCriterion, ...],
        _about(
            "The lab's own release limits, applied to every batch.",
            isa="Comment[criterion]",
            schema_org="PropertyValueSpecification",
        ),
    ] = ()
    ignore: Annotated[
        tuple[RelativePath, ...],
        _about(
            "Files and folders of the study folder that belong to no batch; vesicula check passes over them.",
            isa="Comment[ignored]",
            schema_org="",
            example=["notes.txt"],
        ),
    ] = ()

    @model_validator(mode="after")
    def _unique(self) -> Manifest:
        _refuse_duplicates([b.id for b in self.batches], "batch", "study")
        files = [f for b in self.batches for s in b.samples for m in s.measurements for f in m.files]
        _refuse_duplicates(files, "file", "study")
        return self


def _refuse_duplicates(items: list[str], what: str, where: str) -> None:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise _fault("duplicate", f"{what} {shorten(item)!r} stands twice in {where}")
        seen.add(item)
