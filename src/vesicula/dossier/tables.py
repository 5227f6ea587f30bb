"""The tidy tables of a dossier, written in parts so that any number of batches fits into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from vesicula.core.assessment import FINDING_SCHEMA, BatchAssessment, findings_table
from vesicula.core.finding import Verdict
from vesicula.core.placement import PlacedClaim, PlacedTrial
from vesicula.dossier.cargo_tables import CARGO_SCHEMAS, cargo_rows
from vesicula.dossier.wording import isolation_text

BATCHES_PER_PART = 25
ROW_GROUP = 100_000

_TEXT, _NUMBER = pl.String, pl.Float64

SCHEMAS: dict[str, dict[str, Any]] = {
    "findings": FINDING_SCHEMA,
    "distributions": {
        **dict.fromkeys(("batch", "sample", "replicate", "level", "label", "basis", "view"), _TEXT),
        **dict.fromkeys(
            ("diameter_nm", "bin_low_nm", "bin_high_nm", "concentration_per_ml_per_nm", "bandwidth_nm"), _NUMBER
        ),
    },
    "peaks": {
        **dict.fromkeys(("batch", "sample", "replicate", "level", "label"), _TEXT),
        **dict.fromkeys(("diameter_nm", "low_nm", "high_nm", "fraction", "prominence"), _NUMBER),
        "significant": pl.Boolean,
    },
    "files": {
        **dict.fromkeys(("batch", "path", "sha256"), _TEXT),
        "size_bytes": pl.Int64,
        **dict.fromkeys(("status", "reader", "summary", "error", "warnings"), _TEXT),
    },
    "evidence": dict.fromkeys(
        (
            "batch",
            "kind",
            "row",
            "relations",
            "condition",
            "cell_source",
            "product",
            "modification",
            "isolation",
            "cargo",
            "model",
            "study_type",
            "effect",
            "effect_class",
            "side",
            "phase",
            "participants",
            "route",
            "dose",
            "references",
            "doi",
            "pmid",
            "doubts",
            "note",
            "source",
            "place",
            "store_version",
        ),
        _TEXT,
    ),
    **CARGO_SCHEMAS,
    "batches": {
        **dict.fromkeys(("batch", "key", "name", "produced_on", "tissue", "species", "donor", "clone"), _TEXT),
        "passage": pl.Int64,
        "oxygen_percent": _NUMBER,
        "isolation": _TEXT,
        "storage": _TEXT,
        **{f"findings_{v.value.replace(' ', '_')}": pl.Int64 for v in Verdict},
    },
}
"""Columns of every table; docs/reference/dossier.md explains each."""


def batch_frames(batch: BatchAssessment) -> dict[str, pl.DataFrame]:
    """Return one batch as the tables of the dossier.

    Parameters
    ----------
    batch : BatchAssessment
        Any.

    Returns
    -------
    dict of str to polars.DataFrame
        By name of the table, each with the columns of `SCHEMAS`.
    """
    rows: dict[str, list[tuple[object, ...]]] = {
        "peaks": [
            (
                batch.batch,
                d.sample,
                d.replicate,
                d.level,
                d.label,
                p.diameter_nm,
                p.low_nm,
                p.high_nm,
                p.fraction,
                p.prominence,
                p.significant,
            )
            for d in batch.distributions
            for p in d.peaks
        ],
        "files": [
            (
                batch.batch,
                f.path,
                f.sha256,
                f.size_bytes,
                f.status,
                f.reader,
                f.summary,
                f.error,
                "; ".join(f"{w.code}: {w.message}" for w in f.warnings),
            )
            for f in batch.files
        ],
        "evidence": _evidence_rows(batch),
        **cargo_rows(batch),
        "batches": [_batch_row(batch)],
    }
    frames = {name: pl.DataFrame(found, schema=SCHEMAS[name], orient="row") for name, found in rows.items()}
    return {"findings": findings_table(batch.findings), "distributions": _distributions(batch), **frames}


CLAIM_TEXTS = (
    *("condition", "cell_source", "product", "modification", "isolation", "cargo", "model", "study_type"),
    *("effect", "effect_class", "side", "source", "place", "note"),
)
TRIAL_TEXTS = ("cell_source", "product", "phase", "participants", "route", "dose", "source", "note")


def _evidence_rows(batch: BatchAssessment) -> list[tuple[object, ...]]:
    placed = batch.evidence
    if placed is None:
        return []
    told = {"batch": batch.batch, "store_version": placed.store_version}
    rows = [told | _claim_cells(c) for c in placed.claims] + [told | _trial_cells(t) for t in placed.trials]
    return [tuple(row.get(name, "") for name in SCHEMAS["evidence"]) for row in rows]


def _claim_cells(claim: PlacedClaim) -> dict[str, str]:
    return {
        "kind": "claim",
        "row": claim.record_id,
        **{name: getattr(claim, name) for name in CLAIM_TEXTS},
        "references": "; ".join(r.citation or r.text for r in claim.references),
        "doi": "; ".join(r.doi for r in claim.references if r.doi),
        "pmid": "; ".join(r.pmid for r in claim.references if r.pmid),
        "relations": "; ".join(claim.relations),
        "doubts": "; ".join(claim.doubts),
    }


def _trial_cells(trial: PlacedTrial) -> dict[str, str]:
    return {
        "kind": "trial",
        "row": trial.nct_id,
        **{name: getattr(trial, name) for name in TRIAL_TEXTS},
        "condition": trial.condition or trial.title,
        "study_type": "clinical",
        "references": trial.url,
        "relations": "; ".join(trial.relations),
        "doubts": "; ".join(trial.doubts),
    }


def _distributions(batch: BatchAssessment) -> pl.DataFrame:
    """Lay the curves of a batch out column by column: thousands of rows, for which polars' row path is slow."""
    columns: dict[str, list[object]] = {name: [] for name in SCHEMAS["distributions"]}
    for d in batch.distributions:
        low, high = d.bin_low_nm, d.bin_high_nm
        n, m = len(low), len(d.smoothed_diameter_nm)
        told = (batch.batch, d.sample, d.replicate, d.level, d.label, d.basis)
        for name, text in zip(("batch", "sample", "replicate", "level", "label", "basis"), told, strict=True):
            columns[name] += [text] * (n + m)
        columns["view"] += ["binned"] * n + ["smoothed"] * m
        columns["diameter_nm"] += [(x + y) / 2 for x, y in zip(low, high, strict=True)]
        columns["diameter_nm"] += d.smoothed_diameter_nm
        columns["bin_low_nm"] += (*low, *[None] * m)
        columns["bin_high_nm"] += (*high, *[None] * m)
        columns["concentration_per_ml_per_nm"] += (*d.concentration_per_ml_per_nm, *d.smoothed_per_ml_per_nm)
        columns["bandwidth_nm"] += [None] * n + [d.bandwidth_nm] * m
    return pl.DataFrame(columns, schema=SCHEMAS["distributions"])


def _batch_row(batch: BatchAssessment) -> tuple[object, ...]:
    told = batch.description
    cells = told.get("cell_source")
    source: Mapping[str, Any] = cells if isinstance(cells, Mapping) else {}
    steps = told.get("isolation")
    isolation = (
        "; ".join(isolation_text(s) for s in steps)
        if isinstance(steps, Sequence) and not isinstance(steps, str)
        else None
    )
    return (
        batch.batch,
        batch.key,
        _text(told.get("name")),
        _text(told.get("produced_on")),
        *(_text(source.get(k)) for k in ("tissue", "species", "donor", "clone")),
        _number(source.get("passage"), int),
        _number(source.get("oxygen_percent"), float),
        isolation,
        _text(told.get("storage")),
        *(batch.count(v) for v in Verdict),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object, kind: type) -> object:
    return kind(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(slots=True)
class TableWriter:
    """Collects the tables of a few batches, writes them as parts, and joins the parts at the end.

    Parameters
    ----------
    folder : pathlib.Path
        Where the finished tables go.
    parts : pathlib.Path
        Where the parts go meanwhile; emptied by `finish`.
    """

    folder: Path
    parts: Path
    _waiting: list[dict[str, pl.DataFrame]] = field(default_factory=list)
    _count: int = 0

    def add(self, batch: BatchAssessment) -> None:
        """Take one batch."""
        self._waiting.append(batch_frames(batch))
        if len(self._waiting) >= BATCHES_PER_PART:
            self._flush()

    def _flush(self) -> None:
        for name in SCHEMAS:
            frame = pl.concat([frames[name] for frames in self._waiting])
            frame.write_parquet(self.parts / f"{name}-{self._count:06d}.parquet")
        self._count += 1
        self._waiting.clear()

    def finish(self) -> dict[str, Path]:
        """Join the parts.

        Returns
        -------
        dict of str to pathlib.Path
            The finished file of every table; a table without a row still has its columns.
        """
        if self._waiting or not self._count:
            self._waiting = self._waiting or [{n: pl.DataFrame(schema=s) for n, s in SCHEMAS.items()}]
            self._flush()
        written = {}
        for name in SCHEMAS:
            parts = [self.parts / f"{name}-{k:06d}.parquet" for k in range(self._count)]
            written[name] = self.folder / f"{name}.parquet"
            # Statistics and row groups of a fixed size, so that equal data are equal bytes.
            pl.scan_parquet(parts).sink_parquet(
                written[name], compression="zstd", row_group_size=ROW_GROUP, maintain_order=True, mkdir=False
            )
            for part in parts:
                part.unlink()
        return written
