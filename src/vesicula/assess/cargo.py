"""Findings about a batch's cargo tables: what was found, its pathways, and the claims that name it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vesicula._version import __version__
from vesicula.assess.store import sha256_of
from vesicula.core.assessment import FileRecord, to_json, to_msgpack
from vesicula.core.cargo import CargoTableResult
from vesicula.core.errors import UnreadableFile, VesiculaError
from vesicula.core.finding import Citation, Finding, InputRef, MethodRef, Verdict
from vesicula.core.study import Batch
from vesicula.manifest.target_table import read_target_table

if TYPE_CHECKING:
    from vesicula.cargo.effect.conditions import Evidence
    from vesicula.cargo.effect.sets import Enrichment
    from vesicula.cargo.effect.table import CargoTable
    from vesicula.cargo.effect.targets import TargetMap
    from vesicula.cargo.protein.misev import SamplePurity
    from vesicula.evidence.model import Claim
    from vesicula.evidence.store import Store
    from vesicula.mechanism.targets import Targets

TOPIC = "cargo"
TOP_NAMED = 12
MOST_STATEMENTS = 10
"""Molecules whose claims are printed; how many more there are is said."""

SEED = 1
"""Of the draws of miRNAs; that of `vesicula cargo` unless it is told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoResult:
    """What a batch's cargo tables gave; plain data that travels to a worker process.

    Parameters
    ----------
    records : tuple of FileRecord
        What became of each table.
    findings : tuple of Finding
        Of topic "cargo" and, for what could not be read, "file".
    packed : bytes
        The numbers behind them, compressed: those of every batch of a study wait in memory at once.
    sha256 : str
        Hash of all three; part of the key of the batch's result.
    """

    records: tuple[FileRecord, ...] = ()
    findings: tuple[Finding, ...] = ()
    packed: bytes = b""
    sha256: str = ""

    @property
    def tables(self) -> tuple[CargoTableResult, ...]:
        """The numbers, a table each."""
        if not self.packed:
            return ()
        return msgspec.msgpack.decode(zlib.decompress(self.packed), type=tuple[CargoTableResult, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """The study's table of miRNA targets.

    Parameters
    ----------
    record : FileRecord
        What became of it.
    targets : Targets or None
        Its rows; None where it could not be used.
    """

    record: FileRecord
    targets: Targets | None

    @property
    def as_input(self) -> InputRef:
        """The table as what a finding rests on."""
        return InputRef(path=self.record.path, sha256=self.record.sha256)


def load_targets(folder: Path, path: str) -> TargetFile:
    """Read the study's table of miRNA targets.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    path : str
        The table, relative to it.

    Returns
    -------
    TargetFile
        Never raises for a table that is missing or faulty: its record says why.
    """
    full, digest, size = folder / path, "", 0
    try:
        digest, size = sha256_of(full), full.stat().st_size
        outside = not full.resolve().is_relative_to(folder.resolve())
        fault = "lies outside the study folder: copy it into the folder" if outside else ""
    except OSError as error:
        fault = f"cannot be opened: {error.strerror or error}"
    targets, summary = None, ""
    if not fault:
        table = read_target_table(full)
        targets, fault = table.targets, f"{table.fault}. {table.remedy}" if table.fault else ""
        summary = f"table of miRNA targets: {len(targets.rows)} rows" if targets is not None else ""
    record = FileRecord(
        path=path, sha256=digest, size_bytes=size, status="unreadable" if fault else "read",
        reader="" if fault else "miRNA targets", summary=summary, error=fault,
    )  # fmt: skip
    return TargetFile(record=record, targets=targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What every table of a batch is analysed with."""

    folder: Path
    batch: Batch
    store: Store | None
    as_of: int | str | None
    targets: TargetFile | None


def assess_cargo(
    folder: Path,
    batch: Batch,
    store: Store | None,
    *,
    as_of: int | str | None = None,
    targets: TargetFile | None = None,
) -> CargoResult:
    """Analyse the cargo tables that a batch lists.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    batch : Batch
        Its part of the manifest.
    store : Store or None
        The evidence store; None where it was not to be asked.
    as_of : int or str, optional
        A past version of it.
    targets : TargetFile, optional
        The study's table of miRNA targets.

    Returns
    -------
    CargoResult
        Empty where the batch lists no table. A table that cannot be read or used is a finding, never an exception.
    """
    if not batch.cargo_tables:
        return CargoResult()
    asked = _Asked(folder=folder, batch=batch, store=store, as_of=as_of, targets=targets)
    records: list[FileRecord] = []
    findings: list[Finding] = []
    tables: list[CargoTableResult] = []
    for path in batch.cargo_tables:
        record, found, table = _assess_table(asked, path)
        records.append(record)
        findings += found
        tables += [table] if table is not None else []
    if targets is not None and any(t.kind == "mirna" for t in tables):
        records.append(targets.record)
        findings += _targets_refused(batch, targets)
    digest = hashlib.sha256(to_json({"records": records, "findings": findings, "tables": tables})).hexdigest()
    packed = zlib.compress(to_msgpack(tables)) if tables else b""
    return CargoResult(records=tuple(records), findings=tuple(findings), packed=packed, sha256=digest)


def _targets_refused(batch: Batch, targets: TargetFile) -> list[Finding]:
    if targets.targets is not None:
        return []
    said = f"Could not be used, so that no pathway of miRNAs was tested: {targets.record.error}"
    return [_unusable(batch, targets.as_input, "Table of miRNA targets", said)]


def _unusable(batch: Batch, file: InputRef, what: str, said: str) -> Finding:
    return Finding(
        id=f"{batch.id}/{TOPIC}/{file.path}/file",
        batch=batch.id,
        topic="file",
        title=f"{what} {file.path}",
        statement=said,
        verdict=Verdict.NOT_MEASURED,
        headline=True,
        inputs=(file,),
    )


_Assessed = tuple[FileRecord, list[Finding], CargoTableResult | None]


def _assess_table(asked: _Asked, path: str) -> _Assessed:
    folder, batch = asked.folder, asked.batch
    full = folder / path
    try:
        digest, size = sha256_of(full), full.stat().st_size
    except OSError as error:
        return _refused(batch, path, "", 0, f"cannot be opened: {error.strerror or error}")
    if not full.resolve().is_relative_to(folder.resolve()):
        return _refused(batch, path, digest, size, "lies outside the study folder: copy it into the folder")
    try:
        return _read_table(asked, path, digest, size)
    except UnreadableFile as error:
        said = f"{error.where}: expected {error.expected}, found {error.found}. {error.remedy}"
        return _refused(batch, path, digest, size, said)
    except VesiculaError as error:
        return _refused(batch, path, digest, size, str(error).replace(f"{full}: ", ""))


def _refused(batch: Batch, path: str, digest: str, size: int, said: str) -> _Assessed:
    record = FileRecord(path=path, sha256=digest, size_bytes=size, status="unreadable", error=said)
    finding = _unusable(batch, InputRef(path=path, sha256=digest), "Cargo table", f"Could not be used: {said}")
    return record, [finding], None


def _read_table(asked: _Asked, path: str, digest: str, size: int) -> _Assessed:
    from vesicula.cargo.effect import report
    from vesicula.cargo.effect.conditions import place_cargo
    from vesicula.cargo.effect.numbers import table_result
    from vesicula.cargo.effect.run import analyse_cargo
    from vesicula.cargo.effect.table import read_cargo
    from vesicula.mechanism.tables import load_tables

    table = read_cargo(asked.folder / path)
    # GO repeats what Reactome and the hallmarks say many times over; the command has all three.
    sets = [s for s in load_tables() if s.origin != "go-bp-2021"]
    aimed = _aimed(table, asked.targets)
    found = analyse_cargo(table, sets, targets=aimed, seed=SEED, activities=False)
    one, many = report.KIND_WORDS[table.kind]
    summary = f"cargo table: {len(table.names)} {one if len(table.names) == 1 else many}"
    summary += f" in {len(table.samples)} samples" if table.samples else ""
    record = FileRecord(path=path, sha256=digest, size_bytes=size, status="read", reader="cargo table", summary=summary)
    made = _Maker(batch=asked.batch.id, path=path, sha256=digest)
    findings = [
        made.finding("found", f"What {path} holds", _holds(report.measured_line(found), table.notes)),
        made.finding("top", f"Cargo tested, {path}", _tested([(o.what, tuple(o.hits.values())) for o in found.lists])),
    ]
    purity = _purity(asked.folder / path) if table.kind == "protein" and table.samples else ()
    findings += [_category(p, made) for p in purity]
    findings += [_pathways(e, table.kind, aimed, asked.targets, made) for e in found.enrichments]
    placed = None
    if asked.store is not None:
        listed = {key: o.what for o in found.lists for key in o.hits}
        condition, as_of = asked.batch.indication, asked.as_of
        placed = place_cargo(asked.store, table, table.measured(), listed, condition=condition, as_of=as_of)
        findings += _claims(placed, made)
    used = asked.targets.record.path if aimed is not None and asked.targets is not None else ""
    return record, findings, table_result(path, found, purity, placed, targets=used)


def _aimed(table: CargoTable, targets: TargetFile | None) -> TargetMap | None:
    """Join the table's miRNAs with the study's targets, as `vesicula cargo --targets` does."""
    if table.kind != "mirna" or targets is None or targets.targets is None:
        return None
    from vesicula.cargo.effect.targets import targets_of_table

    return targets_of_table(targets.targets, [key for key in table.keys if key])


def _pathways(e: Enrichment, kind: str, aimed: TargetMap | None, targets: TargetFile | None, made: _Maker) -> Finding:
    from vesicula.cargo.effect import report
    from vesicula.cargo.effect.sets import BLEAZARD, GODARD

    text = report.enrichment_line(e, kind)
    remedy = "name a table of them as mirna_targets in study.yaml"
    if targets is not None and targets.targets is None:
        remedy = f"the table {targets.record.path} could not be used"
    text = text.replace("give a table of them (--targets)", remedy)
    method, title = _method(e.measured), f"Pathways, {e.what}, {made.path}"
    if aimed is None:
        return made.finding(f"pathways/{e.what}", title, " ".join([text, *e.notes]), method=method)
    text = " ".join([text, *dict.fromkeys((*e.notes, *aimed.notes))])
    return made.finding(
        f"pathways/{e.what}",
        title,
        text,
        method=replace(method, parameters={**method.parameters, "targets": aimed.origin, "seed": SEED}),
        citations=() if e.refused else (BLEAZARD, GODARD),
        beside=(targets.as_input,) if targets is not None else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    batch: str
    path: str
    sha256: str

    def finding(
        self,
        key: str,
        title: str,
        statement: str,
        *,
        verdict: Verdict = Verdict.NOT_JUDGED,
        method: MethodRef | None = None,
        citations: Sequence[Citation] = (),
        beside: Iterable[InputRef] = (),
    ) -> Finding:
        return Finding(
            id=f"{self.batch}/{TOPIC}/{self.path}/{key}",
            batch=self.batch,
            topic=TOPIC,
            title=title,
            statement=statement,
            verdict=verdict,
            inputs=(InputRef(path=self.path, sha256=self.sha256), *beside),
            method=method or MethodRef(name="cargo.table", version=__version__),
            citations=tuple(citations),
        )


def _method(measured: int) -> MethodRef:
    return MethodRef(
        name="cargo.pathways",
        version=__version__,
        parameters={"background": "what the table holds", "measured": measured, "false_discovery_rate": 0.05},
    )


def _holds(line: str, notes: Sequence[str]) -> str:
    return " ".join([line, *notes])


def _tested(lists: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    parts = []
    for what, names in lists:
        shown = ", ".join(names[:TOP_NAMED]) or "none"
        rest = f" and {len(names) - TOP_NAMED} more" if len(names) > TOP_NAMED else ""
        parts.append(f"{what.capitalize()} ({len(names)}): {shown}{rest}.")
    return " ".join(parts)


def _purity(full: Path) -> tuple[SamplePurity, ...]:
    """Judge vesicle proteins by MISEV's categories, sample by sample, as `vesicula proteome` does."""
    from vesicula.cargo.protein import read_protein_table
    from vesicula.cargo.protein.analyse import analyse_proteome

    return analyse_proteome(read_protein_table(full)).purity


def _category(p: SamplePurity, made: _Maker) -> Finding:
    from vesicula.cargo.protein.misev import MARKER_RULE

    return made.finding(
        f"misev/{p.sample}", f"Vesicle proteins, {p.sample}", p.statement, verdict=p.verdict,
        method=MethodRef(name="cargo.misev", version=__version__), citations=(MARKER_RULE,),
    )  # fmt: skip


def _claims(placed: Evidence, made: _Maker) -> list[Finding]:
    from vesicula.cargo.effect import report

    rows = {c.record_id: c for c in placed.rows}
    method = MethodRef(
        name="cargo.claims",
        version=__version__,
        parameters={"store_version": placed.version, "condition": placed.condition or "any"},
    )
    named = [c for c in placed.cargo if c.sure and "cargo" in c.roles]
    shown = [c for c in named if c.paths][:MOST_STATEMENTS]
    lines = report.evidence_lines(placed)
    sides = dict.fromkeys(r for c in placed.cargo for s in c.sides for r in (*s.promoting, *s.inhibiting) if r in rows)
    found = [
        made.finding("claims", f"What claims name, {made.path}", " ".join([*lines[:-1], *placed.notes]), method=method),
        made.finding(
            "balance",
            f"Cargo on the tumour balance, {made.path}",
            lines[-1],
            method=method,
            citations=_cite(list(sides), rows),
        ),
    ]
    for c in shown:
        best = c.paths[0]
        more = f" {c.all_paths - 1} more paths." if c.all_paths > 1 else ""
        said = " ".join(s.sentence + report.unsure_side(c, s) for s in c.sides)
        text = f"{c.standing}; named {c.naming}. {best.text} ({best.quality}).{more} {said}".strip()
        cited = list(dict.fromkeys([*c.claims, *best.contradicted_by]))
        found.append(
            made.finding(f"claims/{c.label}", f"Claims of {c.label}", text, method=method, citations=_cite(cited, rows))
        )
    if len(named) > len(shown):
        rest = f"{len(named) - len(shown)} more molecules are cargo of claims; `vesicula cargo` lists them."
        found.append(made.finding("claims/more", "Further claims", rest, method=method))
    return found


def _cite(records: Sequence[str], rows: Mapping[str, Claim]) -> tuple[Citation, ...]:
    cited = []
    for record in records:
        claim = rows.get(record)
        if claim is None:
            continue
        kind = claim.study_type or "study type not said"
        note = "; ".join(d.in_words for d in claim.doubts)
        refs = claim.references or (None,)
        for r in refs:
            text = f"{r.first_author} {r.year}".strip() if r is not None else "no reference stated"
            cited.append(Citation(text=f"{record}: {text}, {kind}", doi=r.doi if r is not None else "", note=note))
    return tuple(cited)
