"""``vesicula check``: the manifest, the files it lists, and what the dossier will lack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vesicula.core.errors import UnknownFormat, UnreadableFile, VesiculaError, shorten
from vesicula.core.measurement import Measurement, SizeMeasurement
from vesicula.instruments import registry
from vesicula.manifest.folder import is_usable, list_folder
from vesicula.manifest.load import Inspection, Loc, ManifestSource, inspect_manifest
from vesicula.manifest.problem import Problem, error, note, warning
from vesicula.manifest.target_table import read_target_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vesicula.core.study import Batch, Manifest, MeasurementEntry, Sample
    from vesicula.instruments.api import Reader

__all__ = ["CheckReport", "Problem", "ReadFile", "check_study"]

MAX_UNLISTED = 50
"""Files listed nowhere that are named one by one; the rest are counted."""
TOLERANCE = 0.01
"""Relative; two statements of one dilution that differ by more are two statements, for the analysis as for us."""


class ReadFile(Protocol):
    """What `vesicula.instruments.registry.read` looks like."""

    def __call__(self, path: Path, *, reader: str | None = None) -> Measurement:
        """Read a file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `check_study` found.

    Parameters
    ----------
    problems : tuple of Problem
        By line; errors first where lines are equal.
    n_batches, n_samples, n_files : int
        What the manifest lists; 0 when its fields are not in order.
    """

    problems: tuple[Problem, ...]
    n_batches: int = 0
    n_samples: int = 0
    n_files: int = 0

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The errors alone."""
        return tuple(p for p in self.problems if p.severity == "error")


@dataclass(slots=True, kw_only=True)
class _Work:
    """What the parts of a check share."""

    folder: Path
    source: ManifestSource
    recognise: Callable[[Path], Reader]
    read: ReadFile | None
    problems: list[Problem] = field(default_factory=list)
    contents: dict[str, int] = field(default_factory=dict)


def check_study(
    folder: Path,
    *,
    recognise: Callable[[Path], Reader] = registry.recognise,
    read: ReadFile | None = registry.read,
) -> CheckReport:
    """Check a study folder: its manifest, its files, and what its dossier will lack.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder, or its ``study.yaml``.
    recognise : callable
        Takes a path, returns the reader that knows its content or raises `UnreadableFile`.
    read : callable or None
        Reads a file; None leaves out what needs that: dilutions, damaged files, equal contents.

    Returns
    -------
    CheckReport
        Never raises for a faulty manifest or file: each is a problem of the report.
    """
    inspection = inspect_manifest(folder)
    manifest, source = inspection.manifest, inspection.source
    if manifest is None:
        return CheckReport(problems=_ordered(list(inspection.problems)))
    work = _Work(
        folder=source.folder, source=source, recognise=recognise, read=read, problems=list(inspection.problems)
    )
    kinds = {kind for b, batch in enumerate(manifest.batches) for kind in _check_batch(work, b, batch)}
    _check_targets(work, manifest.mirna_targets, kinds)
    _check_release(work, manifest)
    _check_unlisted(work, manifest)
    return _report(inspection, manifest, work.problems)


def _report(inspection: Inspection, manifest: Manifest, problems: list[Problem]) -> CheckReport:
    samples = [s for b in manifest.batches for s in b.samples]
    return CheckReport(
        problems=_ordered(problems),
        n_batches=len(manifest.batches),
        n_samples=len(samples),
        n_files=sum(len(m.files) for s in samples for m in s.measurements),
    )


def _ordered(problems: list[Problem]) -> tuple[Problem, ...]:
    rank = {"error": 0, "warning": 1, "note": 2}
    # What has no line concerns the folder as a whole: it follows what can be corrected in the manifest.
    return tuple(sorted(problems, key=lambda p: (p.line == 0, p.line, rank[p.severity])))


def _check_batch(work: _Work, b: int, batch: Batch) -> set[str]:
    """Check a batch; return the kinds of cargo that its tables hold."""
    line, name = work.source.line("batches", b), f"batch {shorten(batch.id)!r}"
    source = batch.cell_source
    silent = "the dossier cannot state"
    lacks = [
        (source.tissue is None, "cell_source.tissue", f"{silent} which cells the vesicles come from"),
        (source.species is None, "cell_source.species", f"{silent} the species"),
        (not batch.isolation, "isolation", f"{silent} how the vesicles were isolated"),
        (source.cell_count is None, "cell_source.cell_count", "yields per cell cannot be worked out"),
        (
            batch.storage is None and batch.storage_temperature_c is None,
            "storage_temperature_c",
            f"{silent} how the vesicles were stored",
        ),
        (batch.freeze_thaw_cycles is None, "freeze_thaw_cycles", f"{silent} how often they were thawed"),
    ]
    work.problems += [note(line, f"{name} states no {key}: {effect}") for lacking, key, effect in lacks if lacking]
    tables = [(work.source.line("batches", b, "cargo_tables", t), path) for t, path in enumerate(batch.cargo_tables)]
    kinds = {_check_cargo(work, at, path) for at, path in tables}
    for s, sample in enumerate(batch.samples):
        _check_sample(work, (b, s), sample)
    return kinds - {""}


def _check_cargo(work: _Work, line: int, path: str) -> str:
    """Check a cargo table; return what its names are, or nothing where it cannot be read."""
    if not is_usable(work.folder, path):
        return ""  # said already
    from vesicula.cargo.effect.table import read_cargo  # only where there is a cargo table

    try:
        return read_cargo(work.folder / path).kind
    except UnreadableFile as fault:
        details = f"{fault.where}: expected {fault.expected}, found {fault.found}"
        message = f"the cargo table {shorten(path)!r} cannot be read: {details}"
        work.problems.append(warning(line, message, fault.remedy))
    return ""


def _check_targets(work: _Work, path: str | None, kinds: set[str]) -> None:
    """Check the table of miRNA targets, and whether it is called for."""
    if path is None:
        if "mirna" in kinds:
            message = "no mirna_targets: pathways of the miRNAs in cargo_tables are not tested"
            work.problems.append(note(0, message, "Name a table of targets that you hold, such as miRTarBase's"))
        return
    line = work.source.line("mirna_targets")
    if is_usable(work.folder, path):
        table = read_target_table(work.folder / path)
        if table.fault:
            message = f"the table of targets {shorten(path)!r} cannot be read: {table.fault}"
            work.problems.append(warning(line, message, table.remedy))
    if "mirna" not in kinds:
        message = "mirna_targets is not used: no cargo table that can be read holds miRNAs"
        work.problems.append(note(line, message, "List the table of miRNAs under cargo_tables of its batch"))


def _check_sample(work: _Work, place: tuple[int, int], sample: Sample) -> None:
    b, s = place
    line, name = work.source.line("batches", b, "samples", s), f"sample {shorten(sample.id)!r}"
    if not sample.measurements:
        work.problems.append(warning(line, f"{name} has no measurements", "List the files that belong to it"))
        return
    if sample.protein is None:
        work.problems.append(note(line, f"{name} states no protein: no particles per microgram of protein"))
    if sample.volume_ml is None:
        work.problems.append(note(line, f"{name} states no volume_ml: the number of particles in all is not known"))
    loads = [
        _check_entry(work, ("batches", b, "samples", s, "measurements", m), entry)
        for m, entry in enumerate(sample.measurements)
    ]
    if sum(loads) == 1:
        message = f"{name} has one size measurement: no interval can hold the variation between replicates"
        work.problems.append(note(line, message, "Dilute and load it again, three times if possible"))


def _check_entry(work: _Work, where: Loc, entry: MeasurementEntry) -> bool:
    """Check the files of one entry; return whether it holds a measurement of size."""
    sizes: list[tuple[int, str, SizeMeasurement]] = []
    for f, path in enumerate(entry.files):
        line = work.source.line(*where, "files", f)
        measurement = _open(work, where, line, path, entry.reader) if is_usable(work.folder, path) else None
        if isinstance(measurement, SizeMeasurement):
            sizes.append((line, path, measurement))
    for line, path, measurement in sizes:
        _check_dilution(work, where, line, entry.dilution_factor, path, measurement)
    return bool(sizes)


def _open(work: _Work, where: Loc, line: int, path: str, reader: str | None) -> Measurement | None:
    full, name = work.folder / path, f"the file {shorten(path)!r}"
    try:
        if reader is None:
            work.recognise(full)
        measurement = work.read(full, reader=reader) if work.read else None
    except UnreadableFile as fault:
        what = "is of no known format" if isinstance(fault, UnknownFormat) else "cannot be read"
        details = f"{fault.where}: expected {fault.expected}, found {fault.found}"
        work.problems.append(warning(line, f"{name} {what}: {details}", fault.remedy))
        return None
    except VesiculaError as fault:
        if reader is None:
            raise
        work.problems.append(error(work.source.line(*where, "reader"), str(fault)))
        return None
    digest = measurement.source.sha256 if measurement is not None else ""
    if digest in work.contents:
        message = f"{name} has the same content as the one on line {work.contents[digest]}"
        work.problems.append(warning(line, message, "A copy is no replicate: export the right file"))
    elif digest:
        work.contents[digest] = line
    return measurement


def _check_dilution(
    work: _Work, where: Loc, line: int, stated: float | None, path: str, measurement: SizeMeasurement
) -> None:
    recorded = {
        (c.dilution_factor, c.concentration_basis == "sample")
        for c in measurement.captures
        if c.dilution_factor is not None
    }
    if stated is not None:
        at = work.source.line(*where, "dilution_factor")
        work.problems += [
            _conflict(at, stated, value, path, applied=applied)
            for value, applied in sorted(recorded)
            if abs(value - stated) > TOLERANCE * stated
        ]
    elif not recorded and any(c.concentration_basis == "diluted" for c in measurement.captures):
        message = f"no dilution_factor here and none in the file {shorten(path)!r}"
        work.problems.append(
            warning(
                line,
                f"{message}: the concentration in the sample is not known",
                "State dilution_factor, 1 if it was measured undiluted",
            )
        )


def _conflict(line: int, stated: float, recorded: float, path: str, *, applied: bool) -> Problem:
    message = f"dilution_factor is {stated:g} here, but the file {shorten(path)!r} records {recorded:g}"
    if applied:
        return error(line, f"{message} and has applied it", "Export the file again with the right one, or correct this")
    if recorded == 1:
        # 1 is also what the instrument's software stands at when nobody entered a dilution.
        return warning(line, message, "The one here is used: in order if none was entered at the instrument")
    return error(line, message, "Find out which is right, and correct it here or export the file again")


def _check_release(work: _Work, manifest: Manifest) -> None:
    if not manifest.criteria:
        work.problems.append(note(0, "no criteria: the lab's own release limits are not judged"))


def unlisted_files(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the files of a study folder that its manifest neither lists nor ignores.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    manifest : Manifest
        What its study.yaml states.

    Returns
    -------
    tuple of str
        Relative paths; hidden files, dossiers and study.yaml itself are passed over.
    """
    listed, ignored = set(manifest.files), set(manifest.ignore)
    return tuple(f for f in list_folder(folder).files if f not in listed and not _covered(f, ignored))


def _check_unlisted(work: _Work, manifest: Manifest) -> None:
    listing = list_folder(work.folder)
    listed, ignored = set(manifest.files), set(manifest.ignore)
    unlisted = [f for f in listing.files if f not in listed and not _covered(f, ignored)]
    for path in unlisted[:MAX_UNLISTED]:
        work.problems.append(
            note(
                0,
                f"the file {shorten(path)!r} is in the folder but listed nowhere{_what_it_is(work, path)}",
                "List it with a sample, or under ignore",
            )
        )
    if len(unlisted) > MAX_UNLISTED:
        work.problems.append(note(0, f"{len(unlisted) - MAX_UNLISTED} more files are listed nowhere"))
    for path, reason in listing.left_out[:MAX_UNLISTED]:
        if path not in listed and not _covered(path, ignored):
            work.problems.append(note(0, f"{shorten(path)!r} is passed over: {reason}"))
    if listing.truncated:
        work.problems.append(
            warning(0, "the folder holds too many files or folders to look at all", "Keep one study in a folder")
        )


def _covered(path: str, ignored: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[: i + 1]) in ignored for i in range(len(parts)))


def _what_it_is(work: _Work, path: str) -> str:
    try:
        return f"; it is a file of {work.recognise(work.folder / path).title}"
    except UnreadableFile:
        return ""
