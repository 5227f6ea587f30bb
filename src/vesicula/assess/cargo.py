"""Findings about a batch's cargo tables: what was found, its pathways, and the claims that name it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vesicula._version import __version__
from vesicula.assess.store import sha256_of
from vesicula.core.assessment import FileRecord, to_json
from vesicula.core.errors import UnreadableFile, VesiculaError
from vesicula.core.finding import Citation, Finding, InputRef, MethodRef, Verdict
from vesicula.core.study import Batch

if TYPE_CHECKING:
    from vesicula.cargo.effect.conditions import Evidence
    from vesicula.evidence.model import Claim
    from vesicula.evidence.store import Store

TOPIC = "cargo"
TOP_NAMED = 12
MOST_STATEMENTS = 10
"""Molecules whose claims are printed; how many more there are is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoResult:
    """What a batch's cargo tables gave; plain data that travels to a worker process.

    Parameters
    ----------
    records : tuple of FileRecord
        What became of each table.
    findings : tuple of Finding
        Of topic "cargo" and, for what could not be read, "file".
    sha256 : str
        Hash of both; part of the key of the batch's result.
    """

    records: tuple[FileRecord, ...] = ()
    findings: tuple[Finding, ...] = ()
    sha256: str = ""


def assess_cargo(folder: Path, batch: Batch, store: Store | None, *, as_of: int | str | None = None) -> CargoResult:
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

    Returns
    -------
    CargoResult
        Empty where the batch lists no table. A table that cannot be read or used is a finding, never an exception.
    """
    if not batch.cargo_tables:
        return CargoResult()
    records: list[FileRecord] = []
    findings: list[Finding] = []
    for path in batch.cargo_tables:
        record, found = _assess_table(folder, batch, path, store, as_of)
        records.append(record)
        findings += found
    digest = hashlib.sha256(to_json({"records": records, "findings": findings})).hexdigest()
    return CargoResult(records=tuple(records), findings=tuple(findings), sha256=digest)


def _assess_table(
    folder: Path, batch: Batch, path: str, store: Store | None, as_of: int | str | None
) -> tuple[FileRecord, list[Finding]]:
    full = folder / path
    try:
        digest, size = sha256_of(full), full.stat().st_size
    except OSError as error:
        return _refused(batch, path, "", 0, f"cannot be opened: {error.strerror or error}")
    if not full.resolve().is_relative_to(folder.resolve()):
        return _refused(batch, path, digest, size, "lies outside the study folder: copy it into the folder")
    try:
        return _read_table(full, batch, path, digest, size, store, as_of)
    except UnreadableFile as error:
        said = f"{error.where}: expected {error.expected}, found {error.found}. {error.remedy}"
        return _refused(batch, path, digest, size, said)
    except VesiculaError as error:
        return _refused(batch, path, digest, size, str(error).replace(f"{full}: ", ""))


def _refused(batch: Batch, path: str, digest: str, size: int, said: str) -> tuple[FileRecord, list[Finding]]:
    record = FileRecord(path=path, sha256=digest, size_bytes=size, status="unreadable", error=said)
    finding = Finding(
        id=f"{batch.id}/{TOPIC}/{path}/file",
        batch=batch.id,
        topic="file",
        title=f"Cargo table {path}",
        statement=f"Could not be used: {said}",
        verdict=Verdict.NOT_MEASURED,
        headline=True,
        inputs=(InputRef(path=path, sha256=digest),),
    )
    return record, [finding]


def _read_table(
    full: Path, batch: Batch, path: str, digest: str, size: int, store: Store | None, as_of: int | str | None
) -> tuple[FileRecord, list[Finding]]:
    from vesicula.cargo.effect import report
    from vesicula.cargo.effect.conditions import place_cargo
    from vesicula.cargo.effect.run import analyse_cargo
    from vesicula.cargo.effect.table import read_cargo
    from vesicula.mechanism.tables import load_tables

    table = read_cargo(full)
    # GO repeats what Reactome and the hallmarks say many times over; the command has all three.
    sets = [s for s in load_tables() if s.origin != "go-bp-2021"]
    found = analyse_cargo(table, sets, activities=False)
    one, many = report.KIND_WORDS[table.kind]
    summary = f"cargo table: {len(table.names)} {one if len(table.names) == 1 else many}"
    summary += f" in {len(table.samples)} samples" if table.samples else ""
    record = FileRecord(path=path, sha256=digest, size_bytes=size, status="read", reader="cargo table", summary=summary)
    made = _Maker(batch=batch.id, path=path, sha256=digest)
    findings = [
        made.finding("found", f"What {path} holds", _holds(report.measured_line(found), table.notes)),
        made.finding("top", f"Cargo tested, {path}", _tested([(o.what, tuple(o.hits.values())) for o in found.lists])),
    ]
    findings += _categories(full, made) if table.kind == "protein" and table.samples else []
    for e in found.enrichments:
        text = report.enrichment_line(e, table.kind)
        text += " The command `vesicula cargo` takes such a table." if "--targets" in e.refused else ""
        findings.append(made.finding(f"pathways/{e.what}", f"Pathways, {e.what}", text, method=_method(e.measured)))
    if store is not None:
        listed = {key: o.what for o in found.lists for key in o.hits}
        placed = place_cargo(store, table, table.measured(), listed, condition=batch.indication, as_of=as_of)
        findings += _claims(placed, made)
    return record, findings


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
    ) -> Finding:
        return Finding(
            id=f"{self.batch}/{TOPIC}/{self.path}/{key}",
            batch=self.batch,
            topic=TOPIC,
            title=title,
            statement=statement,
            verdict=verdict,
            inputs=(InputRef(path=self.path, sha256=self.sha256),),
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


def _categories(full: Path, made: _Maker) -> list[Finding]:
    """Judge vesicle proteins by MISEV's categories, sample by sample, as `vesicula proteome` does."""
    from vesicula.cargo.protein import read_protein_table
    from vesicula.cargo.protein.analyse import analyse_proteome
    from vesicula.cargo.protein.misev import MARKER_RULE

    proteome = analyse_proteome(read_protein_table(full))
    return [
        made.finding(
            f"misev/{p.sample}", f"Vesicle proteins, {p.sample}", p.statement, verdict=p.verdict,
            method=MethodRef(name="cargo.misev", version=__version__), citations=(MARKER_RULE,),
        )
        for p in proteome.purity
    ]  # fmt: skip


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
        made.finding("claims", "What claims name", " ".join([*lines[:-1], *placed.notes]), method=method),
        made.finding(
            "balance", "Cargo on the tumour balance", lines[-1], method=method, citations=_cite(list(sides), rows)
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
