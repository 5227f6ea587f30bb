"""The files of a run: counts, quality numbers, and what MultiQC picks up. Each is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesicula._version import __version__
from vesicula.cargo.smallrna.contamination import (
    foreign_reads,
    haemolysis_log2_ratio,
    plain,
    platelet_typical_share,
    saturation_curve,
)
from vesicula.cargo.smallrna.detection import FEW, detection_limit_rpm
from vesicula.cargo.smallrna.quantify import SPIKE_IN, SmallRnaCounts
from vesicula.cargo.smallrna.verdict import judge

if TYPE_CHECKING:
    import polars as pl

Quality = dict[str, Any]
LONG, MATRIX = "mirna_counts.parquet", "mirna_counts.tsv"
FORMAT = 1
"""Of the quality files: to be raised when their form changes, so that no sample of an older form is kept."""


def quality_of(counts: SmallRnaCounts, *, phix: float | None = None) -> Quality:
    """Return what is to be known of a sample besides its counts, as plain JSON values.

    Parameters
    ----------
    counts : SmallRnaCounts
    phix : float, optional
        Share of raw reads that are phiX's.
    """
    import polars as pl  # slow to import

    reads, mirnas = counts.reads, counts.mirnas
    foreign = counts.foreign
    molecules = float(mirnas["molecules_em"].sum())
    spike_ins = counts.other.filter(pl.col("class") == SPIKE_IN)
    quality = {
        "sample": counts.sample,
        "verdict": counts.verdict,
        "messages": list(counts.messages),
        "kit": counts.kit.kit.name,
        "adapter_3p": counts.kit.kit.adapter_3p,
        "adapter_share": counts.kit.share,
        "umi": counts.kit.kit.umi > 0,
        "reads": asdict(reads),
        "classes": dict(counts.classes),
        "isomirs": dict(counts.isomirs),
        "spike_ins": dict(spike_ins.select("sequence", "reads").iter_rows()),
        "reads_per_molecule": counts.mirna_reads / molecules if molecules else 1.0,
        "mirnas_detected": int((mirnas["reads_em"] >= 0.5).sum()),
        "mirnas_at_least_10_reads": int((mirnas["reads_em"] >= FEW).sum()),
        "detection_limit_rpm": detection_limit_rpm(molecules),
        "detection_limit_rpm_10_reads": detection_limit_rpm(molecules, FEW),
        "adapter_dimer_share": reads.dimers / reads.reads if reads.reads else None,
        "phix_share": phix,
        "haemolysis_log2_451a_over_23a_3p": haemolysis_log2_ratio(mirnas),
        "platelet_typical_share": platelet_typical_share(mirnas),
        "foreign_share": plain(foreign_reads(foreign, counts.mirna_reads)),
        "foreign_most": foreign.head(10).to_dicts(),
        "saturation": saturation_curve(mirnas).to_dicts(),
    }
    return {**quality, "judgement": asdict(judge(quality))}


def write_sample(
    counts: SmallRnaCounts, folder: Path, signature: str = "", *, phix: float | None = None
) -> Quality:  # fmt: skip
    """Write ``SAMPLE.mirna.parquet``, ``SAMPLE.other.parquet`` and, last, ``SAMPLE.qc.json``; return the quality.

    The quality file is written when all else is there: a run cut off leaves none for its unfinished samples.
    """
    (folder / f"{counts.sample}.qc.json").unlink(missing_ok=True)
    for kind, table in (("mirna", counts.mirnas), ("other", counts.other)):
        write_whole(folder / f"{counts.sample}.{kind}.parquet", table.write_parquet)
    quality = {**quality_of(counts, phix=phix), "signature": signature}
    write_json(quality, folder / f"{counts.sample}.qc.json")
    # As it will be read again: the same values on a run that keeps it.
    kept: Quality = json.loads(json.dumps(quality))
    return kept


def signature_of(paths: Sequence[Path], settings: Mapping[str, object]) -> str:
    """Return a word that changes if a file (by name, size and time), a setting or our version does."""
    files = [[path.name, (stat := path.stat()).st_size, stat.st_mtime_ns] for path in paths]
    text = json.dumps([files, settings, __version__, FORMAT], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def finished(folder: Path, sample: str, signature: str) -> Quality | None:
    """Return the quality of a sample counted before from the same file with the same settings; else None."""
    try:
        read: object = json.loads((folder / f"{sample}.qc.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    quality: Quality = read if isinstance(read, dict) else {}
    whole = quality.get("signature") == signature
    return quality if whole and (folder / f"{sample}.mirna.parquet").is_file() else None


def write_run(qualities: Sequence[Quality], folder: Path) -> pl.DataFrame:
    """Write what concerns all samples: the table of counts, long and as a matrix, and MultiQC's custom content.

    Returns
    -------
    polars.DataFrame
        sample, and the columns of `SmallRnaCounts.mirnas`; counts above 0.
    """
    import polars as pl  # slow to import

    found = sorted(qualities, key=lambda q: str(q["sample"]))
    tables = []
    for quality in found:
        table = pl.read_parquet(folder / f"{quality['sample']}.mirna.parquet").filter(pl.col("reads_em") > 0)
        tables.append(table.select(pl.lit(quality["sample"]).alias("sample"), pl.all()))
    long = pl.concat(tables) if tables else pl.DataFrame()
    if tables:
        write_whole(folder / LONG, long.write_parquet)
        matrix = count_matrix(long, [str(q["sample"]) for q in found])
        write_whole(folder / MATRIX, lambda part: matrix.write_csv(part, separator="\t"))
    for name, content in multiqc_files(found).items():
        write_json(content, folder / name)
    return long


def count_matrix(long: pl.DataFrame, samples: Sequence[str]) -> pl.DataFrame:
    """Return whole counts, one row a miRNA that any sample holds, one column a sample.

    The counts are molecules (reads where there are no UMIs) as shared by expectation and maximisation, rounded:
    programs for differential expression ask for whole numbers.
    """
    import polars as pl  # slow to import

    counts = long.select("mirna", "sample", pl.col("molecules_em").round().cast(pl.Int64))
    wide = counts.pivot("sample", index="mirna", values="molecules_em").fill_null(0)
    absent = [pl.lit(0, pl.Int64).alias(name) for name in samples if name not in wide.columns]
    wide = wide.with_columns(absent).select("mirna", *samples).sort("mirna")
    return wide.filter(pl.sum_horizontal(pl.exclude("mirna")) > 0)


def multiqc_files(qualities: Sequence[Quality]) -> dict[str, Any]:
    """Return MultiQC's custom content by file name: general statistics, fates of reads, classes of RNA."""
    return {
        "vesicula_smallrna_general_mqc.json": {
            "id": "vesicula_smallrna_general",
            "plot_type": "generalstats",
            "pconfig": [
                {"mirna_reads": {"title": "miRNA reads", "description": "Reads of miRNAs", "format": "{:,.0f}"}},
                {"mirnas": {"title": "miRNAs", "description": "miRNAs with 10 reads or more", "format": "{:,.0f}"}},
                {"dimers": {"title": "Dimers", "description": "Adapter dimers", "suffix": "%", "max": 100}},
                {"foreign": {"title": "Foreign", "suffix": "%",
                             "description": "miRNA reads that only another species explains; at least"}},
            ],
            "data": {q["sample"]: _general(q) for q in qualities},
        },
        "vesicula_smallrna_reads_mqc.json": _bars(
            "reads", "Small RNA: fates of reads", {q["sample"]: fates(q["reads"]) for q in qualities}
        ),
        "vesicula_smallrna_classes_mqc.json": _bars(
            "classes", "Small RNA: classes", {q["sample"]: q["classes"] for q in qualities}
        ),
        "vesicula_smallrna_lengths_mqc.json": {
            "id": "vesicula_smallrna_lengths",
            "section_name": "Small RNA: lengths of inserts",
            "plot_type": "linegraph",
            "pconfig": {
                "id": "vesicula_smallrna_lengths_plot", "title": "Small RNA: lengths of inserts", "xlab": "nt",
                "ylab": "Reads",
            },
            "data": {q["sample"]: _lengths(q) for q in qualities},
        },
    }  # fmt: skip


def _lengths(quality: Quality) -> dict[int, int]:
    """Return inserts by length, of two digits only: MultiQC sorts the keys of JSON as words."""
    histogram = quality["reads"]["length_histogram"]
    return {length: histogram[length] for length in range(10, 64)}


def _general(quality: Quality) -> dict[str, float]:
    return {
        "mirna_reads": quality["classes"]["miRNA"],
        "mirnas": quality["mirnas_at_least_10_reads"],
        "dimers": 100 * (quality["adapter_dimer_share"] or 0.0),
        "foreign": 100 * (quality["foreign_share"]["low"] or 0.0),
    }


def fates(reads: Mapping[str, int]) -> dict[str, int]:
    """Return what became of the reads, each read in one place: dimers apart from other short inserts."""
    return {
        "kept": reads["kept"],
        "adapter dimers": reads["dimers"],
        "too short": reads["too_short"] - reads["dimers"],
        "too long": reads["too_long"],
        "no adapter": reads["no_adapter"],
        "low quality, N or no UMI": reads["low_quality"] + reads["with_n"] + reads["no_umi"],
    }


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
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let a function write a file beside its place, then rename it; nothing is left if it fails."""
    part = path.with_name(f"{path.name}.part")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
