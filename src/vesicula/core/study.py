"""The manifest of a study: what the lab states about its batches. Mirrors study.yaml, field by field.

Vocabulary follows the field: cell sources and isolation methods are those of the evidence tables
(``data/vocabulary.tsv``), terms map to ISA and RO-Crate as docs/reference/manifest.md lists.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MANIFEST_VERSION = 1


class _Strict(BaseModel):
    """Unknown fields are errors: a misspelt field must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def _relative(path: str) -> str:
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in (pure.parts[0] if pure.parts else ":"):
        raise ValueError("a file must lie inside the study folder: give a relative path without '..'")
    return str(pure)


Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\x00-\x1f]+$")]
RelativePath = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_relative)]
Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(ge=0, le=100)]


class CellSource(_Strict):
    """The cells that secreted the vesicles (ISA: Source)."""

    tissue: str | None = None
    species: str | None = None
    donor: str | None = None
    clone: str | None = None
    passage: Annotated[int, Field(ge=0)] | None = None
    oxygen_percent: Percent | None = None
    medium: str | None = None
    serum: str | None = None
    conditioning_h: Positive | None = None
    notes: str | None = None


class IsolationStep(_Strict):
    """One step of isolation (ISA: Process), in the order done."""

    method: str
    relative_centrifugal_force_g: Positive | None = None
    duration_min: Positive | None = None
    temperature_c: float | None = None
    pore_size_nm: Positive | None = None
    details: str | None = None


class Assay(_Strict):
    """A bulk assay of protein or lipid in the sample, undiluted."""

    method: str | None = None
    concentration_ug_per_ml: Positive
    sd_ug_per_ml: Positive | None = None


class MeasurementEntry(_Strict):
    """One load of the sample into one instrument: its files (ISA: Assay)."""

    files: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    replicate: Identifier | None = None
    dilution_factor: Annotated[float, Field(ge=1)] | None = None
    reader: str | None = None
    notes: str | None = None


class Sample(_Strict):
    """A preparation, fraction or aliquot of a batch (ISA: Sample)."""

    id: Identifier
    name: str | None = None
    volume_ml: Positive | None = None
    protein: Assay | None = None
    lipid: Assay | None = None
    measurements: tuple[MeasurementEntry, ...] = ()
    notes: str | None = None


class Batch(_Strict):
    """One production lot of vesicles."""

    id: Identifier
    name: str | None = None
    produced_on: str | None = None
    cell_source: CellSource = CellSource()
    isolation: tuple[IsolationStep, ...] = ()
    storage: str | None = None
    samples: Annotated[tuple[Sample, ...], Field(min_length=1)]
    notes: str | None = None

    @model_validator(mode="after")
    def _unique_samples(self) -> Batch:
        _refuse_duplicates([s.id for s in self.samples], "sample", f"batch {self.id!r}")
        return self


CRITERION_QUANTITIES = Literal[
    "mean_diameter_nm", "mode_diameter_nm", "median_diameter_nm", "d10_diameter_nm", "d90_diameter_nm",
    "sd_diameter_nm", "span", "concentration_per_ml", "particles_per_ug_protein",
]


class ReleaseCriterion(_Strict):
    """A limit that the lab sets for its own batches."""

    quantity: CRITERION_QUANTITIES
    min: float | None = None
    max: float | None = None
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _a_limit(self) -> ReleaseCriterion:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not exceed max")
        return self


class StudyInfo(_Strict):
    """The study as a whole (ISA: Study; RO-Crate: root data entity)."""

    title: Annotated[str, Field(min_length=1)]
    description: str | None = None
    contact: str | None = None
    institution: str | None = None
    licence: str | None = None


class Manifest(_Strict):
    """study.yaml."""

    vesicula: Literal[1]
    study: StudyInfo
    batches: Annotated[tuple[Batch, ...], Field(min_length=1)]
    criteria: tuple[ReleaseCriterion, ...] = ()
    ignore: tuple[RelativePath, ...] = ()

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
            raise ValueError(f"{what} {item!r} stands twice in {where}")
        seen.add(item)
