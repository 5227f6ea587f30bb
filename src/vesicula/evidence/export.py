"""Answers and tables as text, JSON, CSV and Polars frames; each names the store's version."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from vesicula.core.errors import shorten
from vesicula.evidence.model import (
    CLAIM_COLUMNS,
    Answer,
    Claim,
    Doubt,
    Reference,
    Revision,
    Source,
    SourceRow,
    TableEntry,
    TableView,
    Trial,
)
from vesicula.evidence.tables import printed_row

if TYPE_CHECKING:
    import polars as pl

ADDED_COLUMNS = ("source", "table", "group", "references", "doubts", "corrected", "store_version")
"""What a table of claims shows beside the columns of its source."""


def claim_row(claim: Claim, version: str) -> dict[str, str]:
    """Return a claim as a flat row: its source's columns, then :data:`ADDED_COLUMNS`."""
    return {
        **claim.printed(),
        "source": claim.source,
        "table": claim.table,
        "group": claim.group,
        "references": " | ".join(reference.citation for reference in claim.references),
        "doubts": " | ".join(doubt.in_words for doubt in claim.doubts),
        "corrected": claim.corrected,
        "store_version": version,
    }


def answer_frame(answer: Answer) -> pl.DataFrame:
    """Return an answer as a frame of text columns, one row a claim; see :func:`claim_row`."""
    import polars as pl

    columns = (*CLAIM_COLUMNS, *ADDED_COLUMNS)
    rows = [claim_row(claim, answer.version) for claim in answer.claims]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def answer_csv(answer: Answer) -> str:
    """Return an answer as CSV; see :func:`claim_row`."""
    rows = (claim_row(claim, answer.version) for claim in answer.claims)
    return _csv((*CLAIM_COLUMNS, *ADDED_COLUMNS), rows)


def table_csv(view: TableView) -> str:
    """Return a table as its source has it, as CSV: verbatim, so that it can be compared with the source."""
    return _csv(view.columns, (printed_row(row) for group in view.groups for row in group.rows))


def _csv(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(record: Answer | TableView) -> str:
    """Return an answer or a table as JSON, with all that belongs to each row."""
    return json.dumps(asdict(record), ensure_ascii=False, indent=2)


def answer_text(answer: Answer) -> str:
    """Return an answer for reading: what was matched, each claim with its references and doubts, the version."""
    lines = [f"{role.replace('_', ' ')} taken as: {', '.join(texts)}" for role, texts in answer.matched]
    lines += list(answer.unmatched)
    for claim in answer.claims:
        lines += ["", *_claim_lines(claim)]
    count = len(answer.claims)
    more = f" (the first {count}; there are more, see --limit)" if answer.truncated else ""
    lines += ["", f"{count} claim{'' if count == 1 else 's'}{more}. Store version {answer.version}."]
    return "\n".join(lines).strip()


def _claim_lines(claim: Claim) -> list[str]:
    made = ", ".join(t for t in (claim.product, claim.modification, claim.isolation_method) if t)
    force = f" at {claim.isolation_g} g" if claim.isolation_g else ""
    parts = {
        "cargo": claim.cargo,
        "target": claim.target,
        "pathway": claim.pathway,
        "direction": claim.direction,
        "model": claim.model,
        "study": claim.study_type,
    }
    said = "; ".join(f"{name}: {text}" for name, text in parts.items() if text)
    return [
        f"{claim.record_id}  {claim.condition} [{claim.condition_class}]  {claim.cell_source}: {made}{force}",
        *([f"    {said}"] if said else []),
        f"    {claim.effect_class}: {claim.effect}",
        *(f"    [{r.source} {r.number}] {r.citation}" for r in claim.references),
        *([f"    CORRECTED: {claim.corrected}"] if claim.corrected else []),
        *(f"    {doubt.line}" for doubt in claim.doubts),
    ]


def table_text(view: TableView) -> str:
    """Return a table for reading, group by group, with the doubts under their rows."""
    lines = [f"{view.table}: {view.title}", ""]
    for group in view.groups:
        if group.name:
            lines += [f"== {group.name} ({len(group.rows)})"]
        for row in group.rows:
            lines += _claim_lines(row) if isinstance(row, Claim) else _row_lines(row)
    return "\n".join([*lines, "", f"{view.row_count} rows. Store version {view.version}."])


def _row_lines(row: Trial | SourceRow | Reference) -> list[str]:
    said = " | ".join(f"{name}: {shorten(cell, 200)}" for name, cell in printed_row(row).items() if cell)
    doubts = () if isinstance(row, Reference) else row.doubts
    return [f"  {said}", *(f"    {doubt.line}" for doubt in doubts)]


def versions_text(revisions: Iterable[Revision]) -> str:
    """Return the revisions for reading, oldest first."""
    return "\n".join(
        f"{r.version}  {r.time}  {r.author}  {r.source}  {r.claims} claims  {r.file_name}  sha256 {r.sha256[:12]}"
        + (f"  ({r.note})" if r.note else "")
        for r in revisions
    )


def sources_text(sources: Iterable[Source], tables: Sequence[TableEntry]) -> str:
    """Return the sources and their tables for reading."""
    lines = []
    for source in sources:
        doi = f", doi {source.doi}" if source.doi else ""
        licence = f" [{source.licence}]" if source.licence else ""
        lines.append(f"{source.source}: {source.citation}{doi}{licence}")
    lines.append("")
    lines += [f"  {table.table}  ({table.kind})  {table.title}" for table in tables]
    return "\n".join(lines)


def doubts_text(doubts: Sequence[Doubt], version: str) -> str:
    """Return the doubts for reading."""
    lines = [f"{doubt.table} {doubt.row}  {doubt.in_words}" for doubt in doubts]
    return "\n".join([*lines, "", f"{len(doubts)} doubts. Store version {version}."])
