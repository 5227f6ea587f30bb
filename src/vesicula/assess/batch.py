"""One batch: read its files, compute, judge. What a worker process does."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from vesicula.assess.cargo import CargoResult
from vesicula.assess.evidence import evidence_findings
from vesicula.assess.nta import LoadedEntry, sample_findings
from vesicula.assess.store import ResultStore, code_fingerprint, sha256_of
from vesicula.core.assessment import BatchAssessment, FileRecord, to_json
from vesicula.core.errors import UnreadableFile, VesiculaError
from vesicula.core.estimate import Distribution
from vesicula.core.finding import Finding, InputRef, Verdict
from vesicula.core.measurement import Measurement, SizeMeasurement
from vesicula.core.placement import EvidencePlacement
from vesicula.core.study import Batch, MeasurementEntry, ReleaseCriterion, Sample
from vesicula.instruments import registry
from vesicula.instruments.nta.infer import StatisticsSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTask:
    """What a worker needs to know.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    batch : Batch
        The batch's part of the manifest.
    criteria : tuple of ReleaseCriterion
        The lab's own limits.
    settings : StatisticsSettings
        Settings of the NTA statistics.
    store : ResultStore
        Where the result goes.
    evidence : EvidencePlacement or None
        The batch beside the literature.
    evidence_sha256 : str
        Hash of it.
    cargo : CargoResult
        What its cargo tables gave.
    """

    folder: Path
    batch: Batch
    criteria: tuple[ReleaseCriterion, ...]
    settings: StatisticsSettings
    store: ResultStore
    evidence: EvidencePlacement | None = None
    evidence_sha256: str = ""
    cargo: CargoResult = field(default_factory=CargoResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """What a worker reports back: not the result, which lies in the store.

    Parameters
    ----------
    batch : str
        Identifier of the batch.
    key : str
        Name of the result in the store.
    reused : bool
        Whether an earlier run had finished it.
    failed_files : int
        Files that could not be read.
    defect : bool
        Whether vesicula itself failed on the batch.
    """

    batch: str
    key: str
    reused: bool
    failed_files: int
    defect: bool = False


@dataclass(slots=True)
class _Loaded:
    """Files of a batch as they were read."""

    records: list[FileRecord] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def run_batch(task: BatchTask) -> TaskOutcome:
    """Analyse one batch and store the result, unless an equal one is stored already.

    Parameters
    ----------
    task : BatchTask
        The batch and all that its result depends on.

    Returns
    -------
    TaskOutcome
        Where the result lies.
    """
    hashes = {f: _hash_or_error(task.folder / f) for s in task.batch.samples for m in s.measurements for f in m.files}
    key = _key(task, hashes)
    stored = task.store.load(key)
    if stored is not None:
        return TaskOutcome(batch=task.batch.id, key=key, reused=True, failed_files=len(stored.failed_files))
    try:
        result, defect = assess_batch(task, hashes, key), False
    except Exception:  # noqa: BLE001 - a defect of ours on one batch must not stop the others; it is shown and counted
        # Under another name, so that the next run tries again.
        result, defect = _defect(task, f"{key}-defect", traceback.format_exc()), True
    task.store.save(result)
    failed = len(result.failed_files)
    return TaskOutcome(batch=task.batch.id, key=result.key, reused=False, failed_files=failed, defect=defect)


def _defect(task: BatchTask, key: str, trace: str) -> BatchAssessment:
    finding = Finding(
        id=f"{task.batch.id}/defect",
        batch=task.batch.id,
        topic="file",
        title="Defect of vesicula",
        statement=f"This batch could not be analysed because of a defect of vesicula. Please report: {trace}",
        verdict=Verdict.NOT_MEASURED,
        headline=True,
    )
    return BatchAssessment(
        batch=task.batch.id,
        key=key,
        description=task.batch.model_dump(mode="json", exclude_none=True),
        files=(),
        findings=(finding,),
    )


def _hash_or_error(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        return f"error: {error.strerror or error}"


def _key(task: BatchTask, hashes: dict[str, str]) -> str:
    content = {
        "code": code_fingerprint(),
        "batch": task.batch.model_dump(mode="json"),
        "criteria": [c.model_dump(mode="json") for c in task.criteria],
        "settings": task.settings.parameters(),
        "files": hashes,
        "evidence": task.evidence_sha256,
        "cargo": task.cargo.sha256,
    }
    return hashlib.sha256(to_json(content)).hexdigest()


def assess_batch(task: BatchTask, hashes: dict[str, str], key: str) -> BatchAssessment:
    """Analyse one batch.

    Parameters
    ----------
    task : BatchTask
        The batch.
    hashes : dict of str to str
        SHA-256 of each of its files, by path in the manifest.
    key : str
        Name of the result.

    Returns
    -------
    BatchAssessment
        Findings, distributions and the fate of each file. A file that cannot be read becomes a finding.
    """
    loaded = _Loaded()
    findings: list[Finding] = []
    distributions: list[Distribution] = []
    for sample in task.batch.samples:
        entries = [_load_entry(task, sample, i, entry, hashes, loaded) for i, entry in enumerate(sample.measurements)]
        found, curves = sample_findings(task.batch, sample, entries, criteria=task.criteria, settings=task.settings)
        findings += found
        distributions += curves
    return BatchAssessment(
        batch=task.batch.id,
        key=key,
        description=task.batch.model_dump(mode="json", exclude_none=True),
        files=(*loaded.records, *task.cargo.records),
        findings=(*loaded.findings, *findings, *task.cargo.findings, *evidence_findings(task.batch.id, task.evidence)),
        distributions=tuple(distributions),
        evidence=task.evidence,
        cargo=task.cargo.tables,
    )


def _load_entry(
    task: BatchTask, sample: Sample, index: int, entry: MeasurementEntry, hashes: dict[str, str], loaded: _Loaded
) -> LoadedEntry:
    label = _label(sample, index)
    measurements: list[tuple[InputRef, Measurement]] = []
    for path in entry.files:
        try:
            measurement = _read_inside(task.folder, path, entry.reader)
        except UnreadableFile as error:
            loaded.records.append(_failed_record(task.folder, path, hashes[path], str(error)))
            loaded.findings.append(_failed_finding(task.batch, sample, label, path, hashes[path], error))
            continue
        loaded.records.append(_record(path, measurement))
        loaded.findings += _file_findings(task.batch, sample, label, path, measurement)
        measurements.append((InputRef(path=path, sha256=measurement.source.sha256), measurement))
    return LoadedEntry(
        index=index, label=label, dilution_factor=entry.dilution_factor, measurements=tuple(measurements)
    )


def _label(sample: Sample, index: int) -> str:
    """Name a load: as the manifest does, else after its first file, else by number; no two loads alike."""
    entry = sample.measurements[index]
    if entry.replicate:
        return entry.replicate
    if len(sample.measurements) == 1:
        return "load 1"
    stem = Path(entry.files[0]).stem
    others = [m.replicate or Path(m.files[0]).stem for i, m in enumerate(sample.measurements) if i != index]
    return stem if stem not in others else f"load {index + 1} ({stem})"


def _read_inside(folder: Path, path: str, reader: str | None) -> Measurement:
    full = folder / path
    if not full.resolve().is_relative_to(folder.resolve()):
        raise UnreadableFile(
            full,
            where="path",
            expected="a file inside the study folder",
            found=str(full.resolve()),
            remedy="Copy the file into the study folder.",
        )
    try:
        return registry.read(full, reader=reader)
    except UnreadableFile:
        raise
    except VesiculaError as error:
        raise UnreadableFile(
            full, where="whole file", expected="a reader", found=str(error), remedy="Correct 'reader' in study.yaml."
        ) from error


def _record(path: str, measurement: Measurement) -> FileRecord:
    empty = isinstance(measurement, SizeMeasurement) and all(c.is_empty for c in measurement.captures)
    return FileRecord(
        path=path,
        sha256=measurement.source.sha256,
        size_bytes=measurement.source.size_bytes,
        status="empty" if empty else "read",
        reader=measurement.reader,
        summary=describe(measurement),
        warnings=measurement.warnings,
    )


def describe(measurement: Measurement) -> str:
    """Say in one line what a measurement is.

    Parameters
    ----------
    measurement : SizeMeasurement or TableMeasurement
        What a reader returned.

    Returns
    -------
    str
        Such as ``"NanoSight (NTA 3.4 Build 3.4.003): 5 captures"``.
    """
    if isinstance(measurement, SizeMeasurement):
        n = len(measurement.captures)
        what = f"{n} capture{'s' if n != 1 else ''}"
        empty = sum(c.is_empty for c in measurement.captures)
        if empty:
            what += f", {empty} without a particle"
    else:
        what = f"{measurement.kind.replace('_', ' ')}, {measurement.table.height} rows"
    return f"{measurement.instrument} ({measurement.software or 'version not stated'}): {what}"


def _failed_record(folder: Path, path: str, digest: str, message: str) -> FileRecord:
    full = folder / path
    readable = not digest.startswith("error: ")
    return FileRecord(
        path=path,
        sha256=digest if readable else "",
        size_bytes=full.stat().st_size if readable else 0,
        status="unreadable",
        error=message.replace(f"{full}: ", "", 1),
    )


def _failed_finding(batch: Batch, sample: Sample, label: str, path: str, digest: str, error: UnreadableFile) -> Finding:
    return Finding(
        id=f"{batch.id}/{sample.id}/{label}/file/{path}",
        batch=batch.id,
        sample=sample.id,
        replicate=label,
        topic="file",
        title=f"File {path}",
        statement=f"Could not be read: {error.where}: expected {error.expected}, found {error.found}. {error.remedy}",
        verdict=Verdict.NOT_MEASURED,
        headline=True,
        inputs=(InputRef(path=path, sha256="" if digest.startswith("error: ") else digest),),
    )


def _file_findings(batch: Batch, sample: Sample, label: str, path: str, measurement: Measurement) -> list[Finding]:
    return [
        Finding(
            id=f"{batch.id}/{sample.id}/{label}/file/{path}/{warning.code}/{i}",
            batch=batch.id,
            sample=sample.id,
            replicate=label,
            topic="file",
            title=f"File {path}",
            statement=f"{warning.message}{f' ({warning.where})' if warning.where else ''}",
            verdict=Verdict.WARNING,
            inputs=(InputRef(path=path, sha256=measurement.source.sha256),),
        )
        for i, warning in enumerate(measurement.warnings)
    ]
