"""findings.json: what it holds, and the JSON Schema that says so."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from vesicula.core.assessment import Assessment, BatchAssessment, FileRecord, to_json
from vesicula.core.errors import DossierError
from vesicula.core.finding import Finding
from vesicula.core.placement import EvidencePlacement

VERSION: Literal[1] = 1
"""Rises when a field is removed, renamed or given another meaning; a new optional field leaves it."""

SCHEMA_ID = f"urn:vesicula:schema:findings:{VERSION}"
"""A name, not an address: the schema itself lies beside every findings.json."""

SCHEMA_FILE = "findings.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFindings:
    """A batch in findings.json: a BatchAssessment without its curves and the numbers of its cargo: Parquet holds them.

    Parameters
    ----------
    batch, key, description, files, findings, evidence
        As in `vesicula.core.assessment.BatchAssessment`.
    """

    batch: str
    key: str
    description: dict[str, Any]
    files: tuple[FileRecord, ...]
    findings: tuple[Finding, ...]
    evidence: EvidencePlacement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsDocument:
    """findings.json as a whole.

    Parameters
    ----------
    format : "vesicula-findings"
        What the file is.
    version : 1
        Version of this layout.
    title, study, software, environment, parameters, manifest_sha256, extra
        As in `vesicula.core.assessment.Assessment`.
    batches : tuple of BatchFindings
        In the order of the manifest.
    schema : str
        Where the schema lies, relative to the file.
    """

    format: Literal["vesicula-findings"]
    version: Literal[1]
    title: str
    study: dict[str, Any]
    software: str
    environment: dict[str, str]
    parameters: dict[str, Any]
    manifest_sha256: str
    batches: tuple[BatchFindings, ...]
    extra: dict[str, Any] = field(default_factory=dict)


def findings_schema() -> dict[str, Any]:
    """Return the JSON Schema of findings.json.

    Returns
    -------
    dict
        JSON Schema 2020-12, derived from the types that are written.
    """
    schema = msgspec.json.schema(FindingsDocument)
    definitions = schema.pop("$defs")
    for definition in definitions.values():
        if "description" in definition:
            # From 3.13 on Python itself takes the indent out of docstrings: the schema must not depend on that.
            definition["description"] = inspect.cleandoc(definition["description"])
    document = definitions["FindingsDocument"]
    document["properties"] = {"$schema": {"type": "string"}, **document["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "vesicula findings",
        "version": str(VERSION),
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_bytes() -> bytes:
    """Return the schema as it is published: two blanks of indent, one newline at the end."""
    return (json.dumps(findings_schema(), indent=2, ensure_ascii=False) + "\n").encode()


def batch_findings(batch: BatchAssessment) -> BatchFindings:
    """Return the part of a batch that findings.json holds.

    Parameters
    ----------
    batch : BatchAssessment
        Any.

    Returns
    -------
    BatchFindings
        The same without distributions and cargo.
    """
    return BatchFindings(
        batch=batch.batch,
        key=batch.key,
        description=batch.description,
        files=batch.files,
        findings=batch.findings,
        evidence=batch.evidence,
    )


def encode_batch(batch: BatchAssessment) -> bytes:
    """Encode a batch as one line, and prove that it can be read back.

    Parameters
    ----------
    batch : BatchAssessment
        Any.

    Returns
    -------
    bytes
        JSON without a line break.

    Raises
    ------
    DossierError
        When it holds a value that the schema does not allow, such as an estimate that is not a number.
    """
    data = to_json(batch_findings(batch))
    try:
        msgspec.json.decode(data, type=BatchFindings)
    except msgspec.ValidationError as error:
        raise DossierError(
            f"batch {batch.batch!r}: its findings do not fit the published schema ({error}); a number that is not "
            "finite is written as null. This is a defect of the analysis: please report it."
        ) from error
    return data


def document_head(assessment: Assessment) -> bytes:
    """Return the beginning of findings.json, up to and with the bracket that opens the batches."""
    head = {
        "$schema": SCHEMA_FILE,
        "format": "vesicula-findings",
        "version": VERSION,
        "title": assessment.title,
        "software": assessment.software,
        "manifest_sha256": assessment.manifest_sha256,
        "study": assessment.study,
        "parameters": assessment.parameters,
        "environment": assessment.environment,
        "extra": assessment.extra,
    }
    lines = b",\n".join(b" " + to_json(k) + b":" + to_json(v) for k, v in head.items())
    return b"{\n" + lines + b',\n "batches":[\n'


def document_lines(assessment: Assessment) -> Iterator[bytes]:
    """Yield findings.json piece by piece, a line per batch.

    Parameters
    ----------
    assessment : Assessment
        Iterated once.

    Yields
    ------
    bytes
        In order.
    """
    yield document_head(assessment)
    for index, batch in enumerate(assessment.batches):
        yield (b",\n" if index else b"") + encode_batch(batch)
    yield DOCUMENT_END


DOCUMENT_END = b"\n]}\n"
