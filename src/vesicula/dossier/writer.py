"""Writes a dossier: one pass over the batches, everything or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

from vesicula.core.assessment import Assessment, BatchAssessment
from vesicula.dossier import render, rocrate, schema
from vesicula.dossier.cargo import Carried, add_carried, cargo_across
from vesicula.dossier.context import OUTCOMES, batch_outcome, batch_page
from vesicula.dossier.inputs import InputFile, copy_inputs, of_records, sha256_of
from vesicula.dossier.ledger import Ledger
from vesicula.dossier.model import OverviewRow, StudyPage, VerdictCard
from vesicula.dossier.overview import lay_out, overview_rows
from vesicula.dossier.staging import CRATE, MANIFEST, staged
from vesicula.dossier.tables import SCHEMAS, TableWriter
from vesicula.dossier.wording import KINDS, LEGEND, count_text, facts_of, parameters_of, size_text

MAX_INPUTS_BYTES = 256 * 1024 * 1024
LARGE_STUDY = 40
"""Above this many batches the page shows samples only, and opens a batch on demand."""

MAX_CARDS = 12
"""Above this many batches the verdict cards stand with their batches, and the overview comes first."""

DESCRIPTIONS = {
    "dossier.html": "The dossier to read: verdicts, figures, tables, and how each number was made",
    "findings.json": "Every finding with its inputs, method, parameters and criterion; everything but curves and cargo",
    schema.SCHEMA_FILE: "JSON Schema of findings.json",
    "findings.parquet": "Findings as a table, a row each",
    "distributions.parquet": "Size distributions, binned and smoothed, a row per point",
    "peaks.parquet": "Peaks of the size distributions, a row each",
    "files.parquet": "Input files and what became of them, a row each",
    "evidence.parquet": "Claims and trials of the literature beside the batches, a row each",
    "cargo_molecules.parquet": "Molecules that the cargo tables hold, a row each",
    "cargo_pathways.parquet": "Gene sets tested for the cargo, a row each, with what the whole genome would have given",
    "cargo_categories.parquet": "MISEV categories of protein tables, a row per sample and category",
    "cargo_claims.parquet": "Rows of the evidence store that name the cargo, a row per molecule and row",
    "batches.parquet": "Batches with their source and isolation, a row each",
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierPaths:
    """Where the parts of a dossier lie.

    Parameters
    ----------
    folder : pathlib.Path
        The dossier.
    html, findings, schema, crate, manifest : pathlib.Path
        dossier.html, findings.json, findings.schema.json, ro-crate-metadata.json and manifest-sha256.txt.
    tables : dict of str to pathlib.Path
        Parquet files by name: findings, distributions, peaks, files, evidence, cargo_molecules, cargo_pathways,
        cargo_categories, cargo_claims, batches.
    inputs : pathlib.Path or None
        Folder of the copied input files.
    """

    folder: Path
    html: Path
    findings: Path
    schema: Path
    crate: Path
    manifest: Path
    tables: dict[str, Path]
    inputs: Path | None


@dataclass(slots=True)
class _Collected:
    """What one pass over the batches leaves behind; small for each batch."""

    ledger: Ledger = field(default_factory=Ledger)
    cards: list[VerdictCard] = field(default_factory=list)
    rows: list[OverviewRow] = field(default_factory=list)
    anchors: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)
    entities: list[rocrate.Entity] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    batches: int = 0
    carried: Carried = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sinks:
    """Open files that every batch is written to."""

    findings: BinaryIO
    html: TextIO
    tables: TableWriter
    compact: bool


def write(
    assessment: Assessment,
    folder: Path | str,
    *,
    inputs: Path | None = None,
    max_inputs_bytes: int = MAX_INPUTS_BYTES,
    overwrite: bool = False,
    progress: Progress | None = None,
    date_published: str | None = None,
) -> DossierPaths:
    """Write a dossier: dossier.html, findings.json with its schema, Parquet tables and an RO-Crate.

    The folder appears whole or not at all, even if the process is killed. Memory stays bounded however many batches
    there are: they are read once, one at a time.

    Parameters
    ----------
    assessment : Assessment
        What was found.
    folder : pathlib.Path or str
        Where the dossier shall be; its parent is made if need be.
    inputs : pathlib.Path, optional
        The study folder. Its study.yaml and the files that the batches list are copied to ``inputs/``, so that
        anybody can recompute the dossier.
    max_inputs_bytes : int
        Nothing is copied when the input files are larger than this together.
    overwrite : bool
        Replace an older dossier of vesicula. Any other folder is left alone in every case.
    progress : callable, optional
        Called after each batch with the number done and the number in all.
    date_published : str, optional
        ISO 8601; by default the present, in UTC. It stands in ro-crate-metadata.json alone, so that equal analyses
        give equal findings.json, Parquet and HTML.

    Returns
    -------
    DossierPaths
        Where everything lies.

    Raises
    ------
    DossierError
        When the place is taken or cannot be written, or an input file has changed since the analysis.
    """
    folder = Path(folder).absolute()
    date = date_published or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    with staged(folder, overwrite=overwrite) as work:
        collected = _write_batches(assessment, work, progress)
        refused = "the study folder was not given"
        if inputs is not None:
            refused = copy_inputs(
                collected.inputs,
                inputs,
                work / "inputs",
                manifest_sha256=assessment.manifest_sha256,
                max_bytes=max_inputs_bytes,
            )
        _write_html(assessment, collected, work, refused)
        _write_crate(assessment, collected, work, date, copied=not refused)
        _write_manifest(work)
    return _paths(folder, copied=not refused)


def _paths(folder: Path, *, copied: bool) -> DossierPaths:
    return DossierPaths(
        folder=folder,
        html=folder / "dossier.html",
        findings=folder / "findings.json",
        schema=folder / schema.SCHEMA_FILE,
        crate=folder / CRATE,
        manifest=folder / MANIFEST,
        tables={name: folder / f"{name}.parquet" for name in SCHEMAS},
        inputs=folder / "inputs" if copied else None,
    )


def _write_batches(assessment: Assessment, work: Path, progress: Progress | None) -> _Collected:
    collected = _Collected()
    total = len(assessment.batches)
    parts = work / ".parts"
    parts.mkdir()
    with (work / "findings.json").open("wb") as findings, (parts / "batches.html").open("w", encoding="utf-8") as html:
        sinks = _Sinks(findings=findings, html=html, tables=TableWriter(work, parts), compact=total > LARGE_STUDY)
        findings.write(schema.document_head(assessment))
        for index, batch in enumerate(assessment.batches):
            _write_batch(batch, index, sinks, collected)
            if progress is not None:
                progress(index + 1, total)
        findings.write(schema.DOCUMENT_END)
        sinks.tables.finish()
    (work / schema.SCHEMA_FILE).write_bytes(schema.schema_bytes())
    return collected


def _write_batch(batch: BatchAssessment, index: int, sinks: _Sinks, collected: _Collected) -> None:
    sinks.findings.write((b",\n" if index else b"") + schema.encode_batch(batch))
    sinks.tables.add(batch)
    page = batch_page(batch, index, collected.ledger, compact=sinks.compact)
    sinks.html.write(render.render_batch(page))
    collected.rows += overview_rows(batch, page.anchor)
    if not sinks.compact:
        collected.anchors.append((page.anchor, batch.batch))
        collected.cards.append(page.card)
        add_carried(collected.carried, batch)
    # A table of miRNA targets serves several batches: it is one file all the same.
    files = [r for r in batch.files if r.path not in collected.seen]
    collected.seen.update(r.path for r in files)
    collected.inputs += of_records(batch.batch, files)
    collected.entities += rocrate.batch_entities(batch)
    for record in files:
        collected.states[record.status] = collected.states.get(record.status, 0) + 1
    outcome = batch_outcome(batch)
    collected.outcomes[outcome] = collected.outcomes.get(outcome, 0) + 1
    collected.batches += 1


def _write_html(assessment: Assessment, collected: _Collected, work: Path, refused: str) -> None:
    study = study_page(assessment, collected, refused)
    parts = work / ".parts"
    with (work / "dossier.html").open("w", encoding="utf-8", newline="\n") as out:
        out.write(render.render_head(study))
        with (parts / "batches.html").open(encoding="utf-8", newline="\n") as body:
            while piece := body.read(1 << 20):
                out.write(piece)
        out.write(render.render_foot(study))
    (parts / "batches.html").unlink()
    parts.rmdir()


def study_page(assessment: Assessment, collected: _Collected, refused: str) -> StudyPage:
    """Lay out the frame of the page.

    Parameters
    ----------
    assessment : Assessment
        Its study-wide fields.
    collected : _Collected
        What the pass over the batches left.
    refused : str
        Why the input files were not copied; empty when they were.

    Returns
    -------
    StudyPage
        Context of head.html.j2 and foot.html.j2.
    """
    columns, rows = lay_out(collected.rows)
    compact = collected.batches > LARGE_STUDY
    if refused:
        included = f"The input files are not part of this folder: {refused}."
    else:
        included = "The input files and study.yaml lie in the folder inputs/ beside this page."
    return StudyPage(
        title=assessment.title,
        software=assessment.software,
        lead=_lead(collected),
        outcome=_outcome(collected),
        facts=(*facts_of(assessment.study, ("title",)), ("Analysed with", assessment.software)),
        cards=tuple(collected.cards) if collected.batches <= MAX_CARDS else (),
        columns=columns,
        rows=rows,
        batches=tuple(collected.anchors),
        n_batches=collected.batches,
        compact=compact,
        methods=collected.ledger.method_entries(),
        sources=collected.ledger.source_entries(),
        parameters=parameters_of(assessment.parameters),
        environment=parameters_of(assessment.environment),
        outputs=tuple((n, d) for n, d in DESCRIPTIONS.items() if n != "dossier.html"),
        manifest_sha256=assessment.manifest_sha256,
        inputs_included=included,
        cargo=cargo_across(collected.carried),
        legend=tuple((v.value, KINDS[v], meaning) for v, meaning in LEGEND),
    )


def _lead(collected: _Collected) -> str:
    states = collected.states
    kinds = (("empty", "without a single particle"), ("unreadable", "that could not be read"), ("not used", "not used"))
    troubles = [f"{states[state]} {text}" for state, text in kinds if states.get(state)]
    size = size_text(sum(i.size_bytes for i in collected.inputs))
    trouble = f", of these {' and '.join(troubles)}" if troubles else ", all of them read" if states else ""
    n_files = count_text(sum(states.values()), "input file")
    return f"{count_text(collected.batches, 'batch', 'batches')}, {n_files} ({size}){trouble}."


def _outcome(collected: _Collected) -> str:
    """Say in one sentence how many batches stand how, those that need attention first."""
    parts = [f"{collected.outcomes[o]} {o}" for o in OUTCOMES if o in collected.outcomes]
    return f"Of {count_text(collected.batches, 'batch', 'batches')}: {'; '.join(parts)}." if parts else ""


def _write_crate(assessment: Assessment, collected: _Collected, work: Path, date: str, *, copied: bool) -> None:
    outputs = [
        rocrate.OutputFile(
            path=name, description=text, sha256=sha256_of(work / name), size_bytes=(work / name).stat().st_size
        )
        for name, text in DESCRIPTIONS.items()
    ]
    manifest = InputFile(
        path="study.yaml",
        sha256=assessment.manifest_sha256,
        size_bytes=(work / "inputs" / "study.yaml").stat().st_size if copied else 0,
    )
    content = rocrate.CrateContent(
        assessment=assessment,
        date_published=date,
        outputs=outputs,
        inputs=[manifest, *collected.inputs],
        inputs_copied=copied,
        batches=collected.entities,
    )
    rocrate.write_metadata(content, work / CRATE)


def _write_manifest(work: Path) -> None:
    """List the hash of every file, in the layout that ``sha256sum --check`` reads."""
    names = sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file())
    lines = (f"{sha256_of(work / name)}  {name}\n" for name in names)
    (work / MANIFEST).write_text("".join(lines), encoding="utf-8", newline="\n")
