"""The manifest of a study: what the lab states about its batches. Mirrors study.yaml, field by field.

Vocabulary follows the field: cell sources and isolation methods are those of the evidence tables
(``data/vocabulary.tsv``), terms map to ISA and RO-Crate as docs/reference/manifest.md lists. Description,
unit, example and terms stand beside each field: the JSON Schema, the reference page and the comments that
``vesicula init`` writes are made from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from vesicula.core.manifest_fields import (
    Celsius,
    Count,
    Identifier,
    IsoDate,
    Number,
    Percent,
    Positive,
    RelativePath,
    Strict,
    Text,
    about,
    fault,
    number,
    refuse_duplicates,
    whole,
)

MANIFEST_VERSION = 1

_PROPERTY = "additionalProperty (PropertyValue)"
_PARAMETER = "parameterValue (PropertyValue)"


class CellSource(Strict):
    """The cells that secreted the vesicles (ISA: Source)."""

    tissue: Annotated[
        str | None,
        about(
            "Cells that secreted the vesicles, by tissue or origin.",
            isa="Characteristics[cell type]",
            schema_org=_PROPERTY,
            vocabulary="cell_source",
            example="BM-MSC",
        ),
    ] = None
    species: Annotated[
        str | None,
        about(
            "Species of the donor.",
            isa="Characteristics[Organism]",
            schema_org=_PROPERTY,
            vocabulary="species",
            example="Homo sapiens",
        ),
    ] = None
    donor: Annotated[
        str | None,
        about(
            "Donor or line, by the lab's pseudonymous code; never a name.",
            isa="Source Name",
            schema_org=_PROPERTY,
            example="D07",
        ),
    ] = None
    clone: Annotated[
        str | None,
        about(
            "Clone, or iPSC line and clone for iMSC.",
            isa="Characteristics[cell line]",
            schema_org=_PROPERTY,
            example="iPSC-4/c2",
        ),
    ] = None
    passage: Annotated[
        Count | None,
        about(
            "Passage of the cells that conditioned the medium.",
            unit="count",
            isa="Characteristics[passage number]",
            schema_org=_PROPERTY,
            example=4,
        ),
    ] = None
    modification: Annotated[
        str | None,
        about(
            "Genetic modification, priming or stimulation of the cells.",
            isa="Characteristics[modification]",
            schema_org=_PROPERTY,
            example="IFN-gamma priming, 24 h",
        ),
    ] = None
    oxygen_percent: Annotated[
        Percent | None,
        about(
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
        about(
            "Basal medium that was conditioned.",
            isa="Parameter Value[culture medium]",
            schema_org=_PROPERTY,
            vocabulary="medium",
            example="alpha-MEM",
        ),
    ] = None
    serum: Annotated[
        str | None,
        about(
            "Serum or other supplement during conditioning, and whether it was depleted of vesicles.",
            isa="Parameter Value[serum]",
            schema_org=_PROPERTY,
            vocabulary="serum",
            example="serum-free",
        ),
    ] = None
    conditioning_h: Annotated[
        Positive | None,
        about(
            "How long the cells conditioned the medium.",
            unit="h",
            isa="Parameter Value[conditioning time]",
            schema_org=_PROPERTY,
            example=48,
        ),
    ] = None
    conditioned_medium_ml: Annotated[
        Positive | None,
        about(
            "Volume of conditioned medium that went into the isolation.",
            unit="mL",
            isa="Parameter Value[conditioned medium volume]",
            schema_org=_PROPERTY,
            example=300,
        ),
    ] = None
    cell_count: Annotated[
        Positive | None,
        about(
            "Number of cells that conditioned this medium, counted at its harvest; particles per cell need it.",
            unit="cells",
            isa="Parameter Value[cell count]",
            schema_org=_PROPERTY,
            example=2.4e7,
        ),
    ] = None
    viability_percent: Annotated[
        Percent | None,
        about(
            "Viable cells at the harvest of the medium.",
            unit="%",
            isa="Parameter Value[cell viability]",
            schema_org=_PROPERTY,
            example=96,
        ),
    ] = None
    notes: Annotated[
        str | None, about("Anything else about the cells.", isa="Comment[cell source]", schema_org=_PROPERTY)
    ] = None


class IsolationStep(Strict):
    """One step of isolation (ISA: Process), in the order done."""

    method: Annotated[
        Text,
        about(
            "What was done.",
            isa="Protocol REF",
            schema_org=_PARAMETER,
            vocabulary="isolation_method",
            example="differential ultracentrifugation",
        ),
    ]
    relative_centrifugal_force_g: Annotated[
        Positive | None,
        about(
            "Relative centrifugal force, at the average radius unless details say otherwise.",
            unit="x g",
            isa="Parameter Value[relative centrifugal force]",
            schema_org=_PARAMETER,
            example=100000,
        ),
    ] = None
    rotor: Annotated[
        str | None,
        about("Rotor, as its maker names it.", isa="Parameter Value[rotor]", schema_org=_PARAMETER, example="SW 32 Ti"),
    ] = None
    k_factor: Annotated[
        Positive | None,
        about(
            "Clearing factor (k-factor) of rotor and speed.",
            unit="S h",
            isa="Parameter Value[k-factor]",
            schema_org=_PARAMETER,
            example=204,
        ),
    ] = None
    duration_min: Annotated[
        Positive | None,
        about("Duration of the step.", unit="min", isa="Parameter Value[duration]", schema_org=_PARAMETER, example=70),
    ] = None
    temperature_c: Annotated[
        Celsius | None,
        about(
            "Temperature of the step.",
            unit="degree Celsius",
            isa="Parameter Value[temperature]",
            schema_org=_PARAMETER,
            example=4,
        ),
    ] = None
    pore_size_nm: Annotated[
        Positive | None,
        about(
            "Pore of a filter or membrane, or of the beads of a column.",
            unit="nm",
            isa="Parameter Value[pore size]",
            schema_org=_PARAMETER,
            example=220,
        ),
    ] = None
    details: Annotated[
        str | None,
        about(
            "Kit, column, gradient, volumes and anything else needed to repeat the step.",
            isa="Comment[details]",
            schema_org=_PARAMETER,
            example="pellet resuspended in 1 mL PBS",
        ),
    ] = None


class Assay(Strict):
    """A bulk assay of protein or lipid in the sample, undiluted."""

    method: Annotated[
        str | None,
        about(
            "Assay.",
            isa="Protocol REF",
            schema_org="measurementTechnique",
            vocabulary="protein_assay or lipid_assay",
            example="BCA",
        ),
    ] = None
    concentration_ug_per_ml: Annotated[
        Positive,
        about(
            "Concentration in the sample itself, the assay's own dilution undone.",
            unit="ug/mL",
            isa="Derived Data File",
            schema_org="value",
            example=182,
        ),
    ]
    sd_ug_per_ml: Annotated[
        Positive | None,
        about(
            "Standard deviation over the replicates of the assay.",
            unit="ug/mL",
            isa="Comment[standard deviation]",
            schema_org=_PROPERTY,
            example=11,
        ),
    ] = None


class MeasurementEntry(Strict):
    """One load of the sample into one instrument: its files (ISA: Assay)."""

    files: Annotated[
        tuple[RelativePath, ...],
        Field(min_length=1),
        about(
            "Files of this one load, relative to the study folder: the export and its companion tables.",
            isa="Raw Data File",
            schema_org="result (File)",
            example=["F3_size_488.txt", "F3_size_488_11pos.txt"],
        ),
    ]
    replicate: Annotated[
        Identifier | None,
        about(
            "Label of the replicate: each separate dilution and load of the same sample has its own.",
            isa="Assay Name",
            schema_org="identifier",
            example="1",
        ),
    ] = None
    dilution_factor: Annotated[
        Annotated[float, Field(ge=1), BeforeValidator(number)] | None,
        about(
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
        about(
            "Liquid that the sample was diluted in.",
            isa="Parameter Value[diluent]",
            schema_org=_PROPERTY,
            example="PBS, 0.1 um filtered",
        ),
    ] = None
    loaded_volume_ul: Annotated[
        Positive | None,
        about(
            "Volume of diluted sample loaded.",
            unit="uL",
            isa="Parameter Value[loaded volume]",
            schema_org=_PROPERTY,
            example=1000,
        ),
    ] = None
    reader: Annotated[
        str | None,
        about(
            "Reader to use, by name, where recognition by content must be overruled.",
            isa="Comment[reader]",
            schema_org=_PROPERTY,
            example="zetaview_size",
        ),
    ] = None
    notes: Annotated[
        str | None, about("Anything unusual about this load.", isa="Comment[measurement]", schema_org="description")
    ] = None


class Sample(Strict):
    """A preparation, fraction or aliquot of a batch (ISA: Sample)."""

    id: Annotated[
        Identifier,
        about("Identifier, unique within the batch.", isa="Sample Name", schema_org="identifier", example="F3"),
    ]
    name: Annotated[
        str | None, about("Name in words.", isa="Comment[sample name]", schema_org="name", example="SEC fraction 3")
    ] = None
    volume_ml: Annotated[
        Positive | None,
        about(
            "Volume of the whole sample; the total number of particles needs it.",
            unit="mL",
            isa="Characteristics[volume]",
            schema_org=_PROPERTY,
            example=0.5,
        ),
    ] = None
    protein: Annotated[
        Assay | None,
        about("Bulk protein; particles per microgram need it.", isa="Assay", schema_org="variableMeasured"),
    ] = None
    lipid: Annotated[Assay | None, about("Bulk lipid.", isa="Assay", schema_org="variableMeasured")] = None
    measurements: Annotated[
        tuple[MeasurementEntry, ...],
        about("One entry for each load of the sample into an instrument.", isa="Assay", schema_org="CreateAction"),
    ] = ()
    notes: Annotated[
        str | None, about("Anything else about the sample.", isa="Comment[sample]", schema_org="description")
    ] = None

    @model_validator(mode="after")
    def _unique_replicates(self) -> Sample:
        labels = [m.replicate for m in self.measurements if m.replicate]
        refuse_duplicates(labels, "replicate", f"sample {self.id!r}")
        return self


class Batch(Strict):
    """One production lot of vesicles."""

    id: Annotated[
        Identifier,
        about(
            "Lot number or other identifier, unique within the study.",
            isa="Characteristics[batch]",
            schema_org="identifier",
            example="EV-2025-03",
        ),
    ]
    name: Annotated[str | None, about("Name in words.", isa="Comment[batch name]", schema_org="name")] = None
    produced_on: Annotated[
        IsoDate | None,
        about(
            "Day on which the isolation was finished.",
            unit="YYYY-MM-DD",
            isa="Date",
            schema_org=_PROPERTY,
            example="2025-02-28",
        ),
    ] = None
    cell_source: Annotated[
        CellSource,
        about("The cells that secreted the vesicles.", isa="Source Name", schema_org="isBasedOn (BioSample)"),
    ] = CellSource()
    isolation: Annotated[
        tuple[IsolationStep, ...],
        about("Steps of isolation, in the order done.", isa="Protocol REF", schema_org="LabProcess"),
    ] = ()
    indication: Annotated[
        str | None,
        about(
            "Condition that the vesicles are meant for; the dossier sets the literature on it beside the batch.",
            isa="Comment[indication]",
            schema_org=_PROPERTY,
            example="acute kidney injury",
        ),
    ] = None
    cargo: Annotated[
        tuple[Text, ...],
        about(
            "Molecules that the vesicles are known or loaded to carry; the dossier sets what is claimed of them in "
            "tumours beside the batch, both sides.",
            isa="Comment[cargo]",
            schema_org=_PROPERTY,
            example=["miR-21-5p"],
        ),
    ] = ()
    cargo_tables: Annotated[
        tuple[RelativePath, ...],
        about(
            "Tables of what was found in the vesicles (miRNA counts, proteins), relative to the study folder; the "
            "dossier says what they hold, their pathways, and what is claimed of their molecules.",
            isa="Derived Data File",
            schema_org="result (File)",
            example=["proteome.tsv"],
        ),
    ] = ()
    storage: Annotated[
        str | None,
        about(
            "Storage between isolation and measurement, in words: vessel, freezing, what was added.",
            isa="Parameter Value[storage]",
            schema_org=_PROPERTY,
            example="low-bind tubes, frozen once",
        ),
    ] = None
    storage_temperature_c: Annotated[
        Celsius | None,
        about(
            "Temperature of storage.",
            unit="degree Celsius",
            isa="Parameter Value[storage temperature]",
            schema_org=_PROPERTY,
            example=-80,
        ),
    ] = None
    storage_buffer: Annotated[
        str | None,
        about(
            "Buffer that the vesicles are stored in.",
            isa="Parameter Value[storage buffer]",
            schema_org=_PROPERTY,
            example="PBS with 0.2 % human albumin and 25 mM trehalose",
        ),
    ] = None
    storage_days: Annotated[
        Annotated[float, Field(ge=0), BeforeValidator(number)] | None,
        about(
            "Time from isolation to measurement.",
            unit="days",
            isa="Parameter Value[storage time]",
            schema_org=_PROPERTY,
            example=14,
        ),
    ] = None
    freeze_thaw_cycles: Annotated[
        Count | None,
        about(
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
        about(
            "Preparations, fractions or aliquots of this batch.", isa="Sample Name", schema_org="BioSample (isBasedOn)"
        ),
    ]
    notes: Annotated[
        str | None, about("Anything else about the batch.", isa="Comment[batch]", schema_org="description")
    ] = None

    @model_validator(mode="after")
    def _unique_samples(self) -> Batch:
        refuse_duplicates([s.id for s in self.samples], "sample", f"batch {self.id!r}")
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


class ReleaseCriterion(Strict):
    """A limit that the lab sets for its own batches."""

    quantity: Annotated[
        CRITERION_QUANTITIES,
        about(
            "What is judged; its unit is in its name.",
            isa="Comment[criterion]",
            schema_org="name",
            example="mode_diameter_nm",
        ),
    ]
    min: Annotated[
        Number | None,
        about(
            "Lowest value that passes, in the unit of the quantity; left out where open.",
            unit="as the quantity",
            isa="Comment[criterion]",
            schema_org="minValue",
            example=30,
        ),
    ] = None
    max: Annotated[
        Number | None,
        about(
            "Highest value that passes, in the unit of the quantity; left out where open.",
            unit="as the quantity",
            isa="Comment[criterion]",
            schema_org="maxValue",
            example=200,
        ),
    ] = None
    source: Annotated[
        Text,
        about(
            "Who set the limit: document, version, or publication.",
            isa="Comment[criterion]",
            schema_org="citation",
            example="Release specification RS-12, version 3",
        ),
    ]

    @model_validator(mode="after")
    def _a_limit(self) -> ReleaseCriterion:
        if self.min is None and self.max is None:
            raise fault("limits", "a criterion needs min, max or both", at="quantity")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise fault("limits", f"min ({self.min:g}) must not exceed max ({self.max:g})", at="min")
        return self


class StudyInfo(Strict):
    """The study as a whole (ISA: Study; RO-Crate: root data entity)."""

    title: Annotated[
        Text,
        about(
            "Title of the study, as the dossier prints it.",
            isa="Study Title",
            schema_org="name",
            example="EVs of three iMSC lots",
        ),
    ]
    description: Annotated[
        str | None,
        about("What was studied and why, in a few sentences.", isa="Study Description", schema_org="description"),
    ] = None
    contact: Annotated[
        str | None,
        about(
            "Person who answers for the data, with address or ORCID.",
            isa="Study Person Email",
            schema_org="author",
            example="J. Doe, j.doe@example.org",
        ),
    ] = None
    institution: Annotated[
        str | None, about("Laboratory or company.", isa="Study Person Affiliation", schema_org="sourceOrganization")
    ] = None
    licence: Annotated[
        str | None,
        about(
            "Licence of the data, by SPDX identifier or address, where they may be shared.",
            isa="Comment[licence]",
            schema_org="license",
            example="CC-BY-4.0",
        ),
    ] = None


class Manifest(Strict):
    """study.yaml."""

    vesicula: Annotated[
        Literal[1],
        BeforeValidator(whole),
        about(
            "Version of this file's format; always 1 so far.",
            isa="Comment[manifest version]",
            schema_org="conformsTo",
            example=1,
        ),
    ]
    study: Annotated[StudyInfo, about("The study as a whole.", isa="Study", schema_org="Dataset (root)")]
    batches: Annotated[
        tuple[Batch, ...], Field(min_length=1), about("Production lots.", isa="Study, Material", schema_org="hasPart")
    ]
    criteria: Annotated[
        tuple[ReleaseCriterion, ...],
        about(
            "The lab's own release limits, applied to every batch.",
            isa="Comment[criterion]",
            schema_org="PropertyValueSpecification",
        ),
    ] = ()
    mirna_targets: Annotated[
        RelativePath | None,
        about(
            "Table of miRNA targets that you hold (miRTarBase's, or one with the columns mirna, target, support and "
            "pmid), relative to the study folder; pathways of the miRNAs of every batch's cargo tables rest on it.",
            isa="Comment[miRNA targets]",
            schema_org="result (File)",
            example="targets.tsv",
        ),
    ] = None
    ignore: Annotated[
        tuple[RelativePath, ...],
        about(
            "Files and folders of the study folder that belong to no batch; vesicula check passes over them.",
            isa="Comment[ignored]",
            schema_org="",
            example=["notes.txt"],
        ),
    ] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Every file listed: those of the batches' measurements, their cargo tables, and the table of targets."""
        measured = [f for b in self.batches for s in b.samples for m in s.measurements for f in m.files]
        targets = (self.mirna_targets,) if self.mirna_targets is not None else ()
        return (*measured, *(f for b in self.batches for f in b.cargo_tables), *targets)

    @model_validator(mode="after")
    def _unique(self) -> Manifest:
        refuse_duplicates([b.id for b in self.batches], "batch", "study")
        files = list(self.files)
        refuse_duplicates(files, "file", "study")
        return self
