"""What an analysis yields: the one thing that the dossier, the command line and notebooks all show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import polars as pl

from vesicula.core.cargo import CargoTableResult
from vesicula.core.estimate import Distribution
from vesicula.core.finding import Finding, Verdict
from vesicula.core.measurement import ReadWarning
from vesicula.core.notebook import table_html
from vesicula.core.placement import EvidencePlacement


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What became of one input file.

    Parameters
    ----------
    path : str
        Relative to the study folder, with forward slashes.
    sha256 : str
        Hash of its bytes; empty when it could not be opened.
    size_bytes : int
        Its size.
    status : {"read", "empty", "unreadable", "not used"}
        ``"empty"``: read, but a failed run without a particle.
    reader : str
        Reader that recognised it.
    summary : str
        One line: instrument, software, what is in it.
    error : str
        Why it could not be read.
    warnings : tuple of ReadWarning
        What the reader met.
    """

    path: str
    sha256: str
    size_bytes: int
    status: Literal["read", "empty", "unreadable", "not used"]
    reader: str = ""
    summary: str = ""
    error: str = ""
    warnings: tuple[ReadWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAssessment:
    """Everything found about one batch.

    Parameters
    ----------
    batch : str
        Its identifier.
    key : str
        Hash over everything that the result depends on; a stopped run resumes by it.
    description : dict
        The batch's part of the manifest, as plain JSON.
    files : tuple of FileRecord
        Its input files.
    findings : tuple of Finding
        In the order in which the dossier shows them.
    distributions : tuple of Distribution
        Curves for figures and Parquet.
    evidence : EvidencePlacement or None
        The batch beside the literature; None where the evidence store was not to be asked.
    cargo : tuple of CargoTableResult
        Numbers behind the findings on its cargo tables, for figures and Parquet.
    """

    batch: str
    key: str
    description: dict[str, Any]
    files: tuple[FileRecord, ...]
    findings: tuple[Finding, ...]
    distributions: tuple[Distribution, ...] = ()
    evidence: EvidencePlacement | None = None
    cargo: tuple[CargoTableResult, ...] = ()

    @property
    def failed_files(self) -> tuple[FileRecord, ...]:
        """Files that could not be read."""
        return tuple(f for f in self.files if f.status == "unreadable")

    def count(self, verdict: Verdict) -> int:
        """Return the number of findings with a verdict."""
        return sum(f.verdict is verdict for f in self.findings)

    def findings_table(self) -> pl.DataFrame:
        """Return its findings as one tidy table, a row each."""
        return findings_table(self.findings)

    def _repr_html_(self) -> str:
        rows = [_headline(f) for f in self.findings if f.headline]
        return table_html(HEADLINE_COLUMNS, rows, caption=f"Batch {self.batch}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Everything found about a study.

    Parameters
    ----------
    title : str
        Title of the study.
    study : dict
        The manifest's study section, as plain JSON.
    software : str
        ``"vesicula 0.1.0"``.
    environment : dict of str to str
        Versions of the libraries that the numbers depend on.
    parameters : dict
        Parameters of the analysis.
    manifest_sha256 : str
        Hash of study.yaml.
    batches : sequence of BatchAssessment
        In the order of the manifest; may be read lazily from disk, one at a time, so that a study of
        thousands of batches stays within bounded memory. Iterate rather than index twice.
    """

    title: str
    study: dict[str, Any]
    software: str
    environment: dict[str, str]
    parameters: dict[str, Any]
    manifest_sha256: str
    batches: Sequence[BatchAssessment]
    extra: dict[str, Any] = field(default_factory=dict)

    def findings_table(self) -> pl.DataFrame:
        """Return all findings as one tidy table, a row each."""
        return findings_table(f for b in self.batches for f in b.findings)

    @property
    def failed_files(self) -> tuple[FileRecord, ...]:
        """Files of any batch that could not be read."""
        return tuple(f for b in self.batches for f in b.failed_files)

    def _repr_html_(self) -> str:
        shown = self.batches[:NOTEBOOK_BATCHES]
        rows = [_headline(f) for b in shown for f in b.findings if f.headline]
        more = len(self.batches) - len(shown)
        caption = f"{self.title} ({self.software}){f'. {more} more batches are not shown' if more > 0 else ''}"
        return table_html(HEADLINE_COLUMNS, rows, caption=caption)


NOTEBOOK_BATCHES = 20
HEADLINE_COLUMNS = ("Batch", "Sample", "What", "Verdict", "Statement")


def _headline(finding: Finding) -> tuple[str, ...]:
    return finding.batch, finding.sample, finding.title, finding.verdict.value, finding.statement


def findings_table(findings: Iterable[Finding]) -> pl.DataFrame:
    """Lay findings out as a tidy table, a row each.

    Parameters
    ----------
    findings : iterable of Finding
        Consumed once.

    Returns
    -------
    polars.DataFrame
        Columns: id, batch, sample, replicate, capture, topic, title, statement, verdict, headline, quantity, value,
        unit, low, high, level, n, unit_of_replication, carries, vendor_value, criterion, criterion_source, method,
        input_sha256.
    """
    rows = [_finding_row(f) for f in findings]
    # Columns rather than rows: polars reads them several times faster.
    columns = zip(*rows, strict=True) if rows else ([] for _ in FINDING_SCHEMA)
    return pl.DataFrame(dict(zip(FINDING_SCHEMA, columns, strict=True)), schema=FINDING_SCHEMA)


FINDING_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(
        ("id", "batch", "sample", "replicate", "capture", "topic", "title", "statement", "verdict"), pl.String
    ),
    "headline": pl.Boolean,
    "quantity": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "level": pl.Float64,
    "n": pl.Int64,
    "unit_of_replication": pl.String,
    "carries": pl.String,
    "vendor_value": pl.Float64,
    "criterion": pl.String,
    "criterion_source": pl.String,
    "method": pl.String,
    "input_sha256": pl.String,
}


def _finding_row(finding: Finding) -> tuple[object, ...]:
    e, c, m = finding.estimate, finding.criterion, finding.method
    return (
        finding.id,
        finding.batch,
        finding.sample,
        finding.replicate,
        finding.capture,
        finding.topic,
        finding.title,
        finding.statement,
        finding.verdict.value,
        finding.headline,
        *(
            (e.quantity, e.value, e.unit, e.low, e.high, e.level, e.n, e.unit_of_replication, "; ".join(e.carries))
            if e
            else (None,) * 9
        ),
        finding.vendor_value,
        c.text if c else None,
        c.source.text if c else None,
        m.name if m else None,
        "; ".join(i.sha256 for i in finding.inputs),
    )


def to_json(value: object) -> bytes:
    """Encode any of the types above as JSON; deterministic, so that equal results are equal bytes.

    Parameters
    ----------
    value : object
        A Finding, BatchAssessment, Estimate, ... or a dict of plain values.

    Returns
    -------
    bytes
        UTF-8 JSON. NaN and infinities become null, which JSON demands.
    """
    return msgspec.json.encode(value, order="deterministic", enc_hook=_plain)


def _plain(value: object) -> object:
    """Turn a NumPy number into a Python one."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def to_msgpack(value: object) -> bytes:
    """Encode as `to_json` does, as MessagePack: for files that only this program reads, four times as fast.

    Parameters
    ----------
    value : object
        A BatchAssessment.

    Returns
    -------
    bytes
        MessagePack; deterministic. NaN and infinities stay what they are.
    """
    return msgspec.msgpack.encode(value, order="deterministic", enc_hook=_plain)


def batch_from_msgpack(data: bytes) -> BatchAssessment:
    """Decode what `to_msgpack` made of a BatchAssessment.

    Parameters
    ----------
    data : bytes
        MessagePack.

    Returns
    -------
    BatchAssessment
        Equal to the one encoded.

    Raises
    ------
    msgspec.DecodeError
        When the data are not of the published schema.
    """
    return msgspec.msgpack.decode(data, type=BatchAssessment)


def batch_from_json(data: bytes) -> BatchAssessment:
    """Decode what `to_json` made of a BatchAssessment.

    Parameters
    ----------
    data : bytes
        UTF-8 JSON.

    Returns
    -------
    BatchAssessment
        Equal to the one encoded.

    Raises
    ------
    msgspec.ValidationError
        When the data are not of the published schema.
    """
    return msgspec.json.decode(data, type=BatchAssessment)
