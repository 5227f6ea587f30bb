"""The files of a run: counts, quality numbers, and what MultiQC picks up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from vesicula.cargo.smallrna.contamination import haemolysis_log2_ratio, saturation_curve
from vesicula.cargo.smallrna.quantify import SmallRnaCounts

Quality = dict[str, Any]


def quality_of(counts: SmallRnaCounts) -> Quality:
    """Return what is to be known of a sample besides its counts, as plain JSON values."""
    reads = counts.reads
    foreign = counts.foreign
    return {
        "sample": counts.sample,
        "verdict": counts.verdict,
        "messages": list(counts.messages),
        "kit": counts.kit.kit.name,
        "adapter_3p": counts.kit.kit.adapter_3p,
        "adapter_share": counts.kit.share,
        "reads": asdict(reads),
        "classes": dict(counts.classes),
        "isomirs": dict(counts.isomirs),
        "mirnas_detected": int((counts.mirnas["reads_em"] >= 0.5).sum()),
        "mirnas_at_least_10_reads": int((counts.mirnas["reads_em"] >= 10).sum()),
        "adapter_dimer_share": reads.dimers / reads.reads if reads.reads else None,
        "haemolysis_log2_451a_over_23a_3p": haemolysis_log2_ratio(counts.mirnas),
        "foreign_reads": int(foreign["reads"].sum()) if foreign.width else None,
        "foreign_reads_not_errors": float(foreign["excess"].sum()) if foreign.width else None,
        "foreign_most": foreign.head(10).to_dicts(),
        "saturation": saturation_curve(counts.mirnas).to_dicts(),
    }


def write_sample(counts: SmallRnaCounts, folder: Path, signature: str = "") -> Quality:
    """Write ``SAMPLE.mirna.parquet``, ``SAMPLE.other.parquet`` and, last, ``SAMPLE.qc.json``; return the quality.

    The quality file is written when all else is there: a run cut off leaves none for its unfinished samples.
    """
    counts.mirnas.write_parquet(folder / f"{counts.sample}.mirna.parquet")
    counts.other.write_parquet(folder / f"{counts.sample}.other.parquet")
    quality = {**quality_of(counts), "signature": signature}
    write_json(quality, folder / f"{counts.sample}.qc.json")
    return quality


def signature_of(path: Path, settings: Mapping[str, object]) -> str:
    """Return a word that changes if a file (by name, size and time) or a setting does."""
    stat = path.stat()
    text = json.dumps([path.name, stat.st_size, stat.st_mtime_ns, settings], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def finished(folder: Path, sample: str, signature: str) -> Quality | None:
    """Return the quality of a sample counted before from the same file with the same settings; else None."""
    try:
        quality: Quality = json.loads((folder / f"{sample}.qc.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return quality if quality.get("signature") == signature else None


def write_run(qualities: Iterable[Quality], folder: Path) -> None:
    """Write what concerns all samples: the table of counts, and three files of MultiQC's custom content."""
    found = sorted(qualities, key=lambda q: str(q["sample"]))
    tables = [
        pl.read_parquet(folder / f"{q['sample']}.mirna.parquet").with_columns(sample=pl.lit(q["sample"])) for q in found
    ]
    if tables:
        long = pl.concat(tables).filter(pl.col("reads_em") > 0)
        long.select("sample", pl.exclude("sample")).write_parquet(folder / "mirna_counts.parquet")
    for name, content in multiqc_files(found).items():
        write_json(content, folder / name)


def multiqc_files(qualities: Iterable[Quality]) -> dict[str, Any]:
    """Return MultiQC's custom content by file name: general statistics, fates of reads, classes of RNA."""
    found = list(qualities)
    return {
        "vesicula_smallrna_general_mqc.json": {
            "id": "vesicula_smallrna_general",
            "plot_type": "generalstats",
            "pconfig": [
                {"mirna_reads": {"title": "miRNA reads", "description": "Reads of miRNAs", "format": "{:,.0f}"}},
                {"mirnas": {"title": "miRNAs", "description": "miRNAs with 10 reads or more", "format": "{:,.0f}"}},
                {"dimers": {"title": "Dimers", "description": "Adapter dimers", "suffix": "%", "max": 100}},
                {"foreign": {"title": "Foreign", "description": "Reads of another species' miRNAs among miRNAs", "suffix": "%"}},
            ],
            "data": {q["sample"]: _general(q) for q in found},
        },
        "vesicula_smallrna_reads_mqc.json": _bars(
            "reads", "Small RNA: fates of reads", {q["sample"]: _fates(q["reads"]) for q in found}
        ),
        "vesicula_smallrna_classes_mqc.json": _bars(
            "classes", "Small RNA: classes", {q["sample"]: q["classes"] for q in found}
        ),
    }  # fmt: skip


def _general(quality: Quality) -> dict[str, float]:
    mirna = quality["classes"]["miRNA"]
    return {
        "mirna_reads": mirna,
        "mirnas": quality["mirnas_at_least_10_reads"],
        "dimers": 100 * (quality["adapter_dimer_share"] or 0.0),
        "foreign": 100 * (quality["foreign_reads"] or 0) / mirna if mirna else 0.0,
    }


def _fates(reads: Mapping[str, int]) -> dict[str, int]:
    shown = ("kept", "no_adapter", "too_short", "too_long", "low_quality", "with_n", "no_umi")
    return {name.replace("_", " "): reads[name] for name in shown}


def _bars(name: str, title: str, data: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    return {
        "id": f"vesicula_smallrna_{name}",
        "section_name": title,
        "plot_type": "bargraph",
        "pconfig": {"id": f"vesicula_smallrna_{name}_plot", "title": title, "ylab": "Reads"},
        "data": data,
    }


def write_json(content: object, path: Path) -> None:
    """Write a file at once, or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)
