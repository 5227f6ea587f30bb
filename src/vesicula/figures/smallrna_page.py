"""The quality page of a run: verdict first, then what it rests on. No script, nothing fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from markupsafe import Markup

from vesicula.cargo.smallrna.contamination import PLATELET_TYPICAL
from vesicula.cargo.smallrna.detection import PROBABILITY, reads_needed
from vesicula.cargo.smallrna.output import fates
from vesicula.cargo.smallrna.per_vesicle import CAPTURE_BIAS, CHEVILLET_MEAN, CHEVILLET_SD, PerVesicle
from vesicula.cargo.smallrna.verdict import CARE, UNUSABLE, USABLE
from vesicula.figures.figure import Figure
from vesicula.figures.page import Shaded, bullets, drawing, drawings, heading, note, page, table
from vesicula.figures.smallrna import length_distribution, molecules_per_vesicle, saturation, stacked_bars

TOP = 30
"""miRNAs shown."""
FEW_SAMPLES = 8
"""With so few samples, miRNAs are the rows of the table of the top miRNAs; else samples are."""
_NAMED_REASONS = 12
_MANY = 20
"""Rows from which a table scrolls within the screen."""
MEDIUM, LOST = "the medium", "not counted"
_MARK = {USABLE: "●", CARE: "▲", UNUSABLE: "✕", LOST: "✕", MEDIUM: "○"}
_ISOMIRS = (
    ("canonical", "the mature itself"), ("shift_3p", "3' end moved"), ("added_3p", "3' addition"),
    ("shift_5p", "5' end moved"), ("mismatch", "a base differs"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a page shows.

    Parameters
    ----------
    qualities : sequence of dict
        Of the samples counted, in the order to be shown (see `vesicula.cargo.smallrna.output.quality_of`).
    counts : polars.DataFrame
        Of all samples, long, as `write_run` returns it.
    failures : sequence of tuple of str
        Files that were not counted, and why.
    per_vesicle : sequence of PerVesicle
    medium : str
        Sample of the medium alone; empty: none.
    foreign_share : mapping of str to tuple
        By sample: share from the medium, low, high; or the reason why there is none.
    notes : sequence of str
        What else a reader must know.
    """

    qualities: Sequence[Mapping[str, Any]]
    counts: pl.DataFrame
    failures: Sequence[tuple[str, str]] = ()
    per_vesicle: Sequence[PerVesicle] = ()
    medium: str = ""
    foreign_share: Mapping[str, tuple[float, float, float] | str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def smallrna_page(report: RunReport) -> str:
    """Return the page as HTML; all text that came from a file is escaped."""
    lead, lines = verdict_lines(report)
    parts = [
        _named(report, lines),
        heading("Samples"),
        _samples(report),
        heading("Reads, classes, lengths, saturation"),
        drawings(_pictures(report.qualities)),
        heading("How rare a miRNA may be and still be seen"),
        _detection(),
        heading("The commonest miRNAs"),
        *_top(report),
        heading("isomiRs"),
        *_isomirs(report),
        heading("What may not be the vesicles'"),
        *_contamination(report),
    ]
    if report.per_vesicle:
        parts += [heading("Molecules per vesicle"), *_per_vesicle(report)]
    parts += [heading("Files"), _files(report)]
    title = f"Small RNA: {_plural(len(report.qualities) + len(report.failures), 'sample')}"
    return page(title, verdict=[lead, *report.notes], parts=parts)


def verdict_lines(report: RunReport) -> tuple[str, list[str]]:
    """Return the verdict in one sentence, and one line for each sample that cannot be used without thought."""
    judged = [(*judgement_of(report, quality), quality["sample"]) for quality in report.qualities]
    levels = [level for level, _, _ in judged if level != MEDIUM]
    total = len(levels) + len(report.failures)
    usable, care = levels.count(USABLE), levels.count(CARE)
    lead = f"{usable} of {_plural(total, 'sample')} can be used"
    if care:
        lead += f", {care} with care"
    bad = total - usable - care
    lead += f", {bad} cannot." if bad else "."
    order = (LOST, UNUSABLE, CARE)
    lines = [(LOST, name, error) for name, error in report.failures]
    lines += [(level, name, why) for level, why, name in judged if level in order]
    lines.sort(key=lambda item: order.index(item[0]))
    return lead, [f"{name} ({level}): {why}" for level, name, why in lines]


def reasons_tally(report: RunReport) -> str:
    """Return how many samples each reason concerns, most first; empty where there is none."""
    kinds = Counter(LOST for _ in report.failures)
    for quality in report.qualities:
        if quality["sample"] != report.medium:
            kinds.update(quality["judgement"]["kinds"])
    return ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())


def judgement_of(report: RunReport, quality: Mapping[str, Any]) -> tuple[str, str]:
    """Return the level of a sample and why; the medium alone is no sample of vesicles and is not judged as one."""
    if quality["sample"] == report.medium:
        return MEDIUM, f"{quality['foreign_share']['beyond_errors']:,} reads that only another species explains"
    return quality["judgement"]["level"], "; ".join(quality["judgement"]["reasons"])


def _named(report: RunReport, lines: Sequence[str]) -> Markup:
    """Name the samples that ask for thought, worst first."""
    rest = len(lines) - _NAMED_REASONS
    more = [f"and {rest} more, in the table below. Reasons: {reasons_tally(report)}."] if rest > 0 else []
    return bullets([*lines[:_NAMED_REASONS], *more]) if lines else Markup("")


def _samples(report: RunReport) -> Markup:
    heads = ("sample", "verdict", "why", "reads", "kept", "miRNA reads", "miRNAs with 10 reads",
             "seen with 95 % from (per million)", "kit")  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for q in report.qualities:
        (level, why), reads = judgement_of(report, q), q["reads"]
        rows.append((
            q["sample"], f"{_MARK[level]} {level}", why or "-", _count(reads["reads"]),
            _percent(reads["kept"] / reads["reads"] if reads["reads"] else None), _count(q["classes"]["miRNA"]),
            str(q["mirnas_at_least_10_reads"]), _rpm(q["detection_limit_rpm"]), q["kit"],
        ))  # fmt: skip
    for name, error in report.failures:
        rows.append((name, f"{_MARK[LOST]} {LOST}", error, *("",) * 6))
    order = [f"{_MARK[level]} {level}" for level in (LOST, UNUSABLE, CARE, MEDIUM, USABLE)]
    rows.sort(key=lambda row: order.index(row[1]))
    return table(heads, rows, texts=("verdict", "why", "kit"), tall=len(rows) > _MANY)


def _detection() -> Markup:
    one, ten = reads_needed(1), reads_needed(10)
    return note(
        f"A miRNA of which {one:.1f} reads are expected gets at least one with "
        f"{100 * PROBABILITY:.0f} % probability (Poisson), one of which {ten:.1f} are expected gets at least ten. "
        'Divided by the miRNA reads of a sample, the first is the abundance in the column "seen with 95 % from". Rarer '
        "miRNAs may be there and not be seen: their absence says nothing. Copies made by PCR make it worse where there "
        "are no UMIs."
    )


def _top(report: RunReport) -> list[Markup]:
    """Return the table of the commonest miRNAs, tinted by abundance."""
    if not report.counts.width:
        return [note("No sample was counted.")]
    counts = report.counts.with_columns(rpm=1e6 * pl.col("reads_em") / pl.col("reads_em").sum().over("sample"))
    best = (
        counts.group_by("mirna").agg(pl.col("rpm").sum()).sort("rpm", "mirna", descending=[True, False]).head(TOP)
    )["mirna"].to_list()  # fmt: skip
    shown = counts.filter(pl.col("mirna").is_in(best)).select("sample", "mirna", "rpm")
    rpm = {(sample, mirna): value for sample, mirna, value in shown.iter_rows()}
    samples = [q["sample"] for q in report.qualities]
    names = [mirna.removeprefix("hsa-") for mirna in best]
    if len(samples) <= FEW_SAMPLES:
        heads: list[str] = ["miRNA", *samples]
        rows = [
            (name, *(_tinted(rpm.get((s, mirna), 0.0)) for s in samples))
            for name, mirna in zip(names, best, strict=True)
        ]
    else:
        heads = ["sample", *names]
        rows = [(s, *(_tinted(rpm.get((s, mirna), 0.0)) for mirna in best)) for s in samples]
    said = (
        "Reads per million miRNA reads, ties shared by expectation and maximisation. The darker, the more: a shade for "
        "each factor of ten. miRNAs of one sequence can hardly be told apart (column same_sequence). All counts are in "
        "the files named below."
    )
    return [note(said), table(heads, rows, tall=len(rows) > _MANY)]


def _tinted(rpm: float) -> Shaded:
    return Shaded(_short(rpm), sum(rpm >= limit for limit in (10, 100, 1e3, 1e4, 1e5)))


def _isomirs(report: RunReport) -> list[Markup]:
    heads = ("sample", *(title for _, title in _ISOMIRS))
    rows = []
    for q in report.qualities:
        total = q["classes"]["miRNA"]
        shares = [q["isomirs"].get(kind, 0) / total if total else None for kind, _ in _ISOMIRS]
        rows.append((q["sample"], *(_share_cell(share) for share in shares)))
    said = (
        "Share of miRNA reads; a read may be of several kinds, so that rows add up to more than 100 %. A base that "
        "differs is most often a sequencing error."
    )
    return [note(said), table(heads, rows, tall=len(rows) > _MANY)]


def _share_cell(share: float | None) -> Shaded:
    return Shaded(_percent(share), sum((share or 0.0) >= limit for limit in (0.02, 0.05, 0.15, 0.3, 0.5)))


def _contamination(report: RunReport) -> list[Markup]:
    heads = ["sample", "adapter dimers", "phiX (of raw reads)", "other species, at least", "95 % interval"]
    heads += ["from the medium"] if report.medium else []
    heads += ["log2 miR-451a / miR-23a-3p", "platelet-typical miRNAs", "most of the other species"]
    rows = []
    for q in report.qualities:
        found = q["foreign_share"]
        between = "" if found["low"] is None else f"{_percent(found['low'])} to {_percent(found['high'])}"
        ratio = q["haemolysis_log2_451a_over_23a_3p"]
        most = ", ".join(row["foreign"] for row in q["foreign_most"] if row["excess"] > 0)
        rows.append((
            q["sample"], _percent(q["adapter_dimer_share"]), _percent(q["phix_share"]), _percent(found["share"]),
            between, *([_from_medium(report, q["sample"])] if report.medium else []),
            "not seen" if ratio is None else f"{ratio:+.1f}", _percent(q["platelet_typical_share"]),
            ", ".join(most.split(", ")[:3]) or "-",
        ))  # fmt: skip
    return [table(heads, rows, texts=heads[-1:], tall=len(rows) > _MANY), bullets(_contamination_notes(report))]


def _from_medium(report: RunReport, sample: str) -> str:
    if sample == report.medium:
        return "the medium"
    share = report.foreign_share.get(sample, "")
    if isinstance(share, str):
        return share or "-"
    return f"{_percent(share[0])} ({_percent(share[1])} to {_percent(share[2])})"


def _contamination_notes(report: RunReport) -> list[str]:
    medium = (
        f"From the medium: {report.medium} is the medium alone; what share of its miRNA reads is known to be "
        "foreign tells how many stand behind each known one elsewhere."
        if report.medium
        else "What share comes from the medium can be told only with a sample of the medium alone, put through the "
        "same isolation (--medium), as is asked of any EV RNA study in serum (Mannerström et al. 2019, Sci Rep 9:5538)."
    )
    other = (
        "Other species: reads that a bovine miRNA (or that of the species chosen) explains and no human one does as "
        "well, less what sequencing errors give, as a share of all miRNA reads. Most bovine miRNAs equal human ones, "
        "so the truth is higher, often some times; the interval is that of this lower bound. Fragments of tRNA and "
        "rRNA can pass for bovine miRNAs: give those RNAs with --other."
    )
    blood = (
        "miR-451a against miR-23a-3p shows lysed red cells. By qPCR of serum a difference above 7 predicts severe "
        "haemolysis and below 5 none (Shah et al. 2016, PLoS ONE 11:e0153200). Reads have other biases, NEBNext "
        "libraries hold no miR-451, and bovine serum brings it as well (Wei et al. 2016, Sci Rep 6:31175): compare "
        "samples of one kit; no limit is drawn."
    )
    platelets = (
        f"Platelet-typical: {', '.join(n.removeprefix('hsa-') for n in PLATELET_TYPICAL)}. A hint that platelet lysate "
        "or blood may be there, not an amount: platelets and the vesicles' own cells share every sequence."
    )
    phix = "phiX is looked for in the first 10,000 raw reads: it carries no adapter and is never counted."
    return [other, medium, blood, platelets, phix]


def _per_vesicle(report: RunReport) -> list[Markup]:
    lead = (
        f"Chevillet and others counted {CHEVILLET_MEAN:g} ± {CHEVILLET_SD:g} molecules of a miRNA per exosome over six "
        "sources, the most abundant miRNAs included: more than 100 exosomes for one copy (2014, PNAS 111:14888). Far "
        "more than that points to RNA outside vesicles, to particles missed, or to a spike-in lost or misstated."
    )
    rows: list[tuple[str, ...]] = []
    for found in report.per_vesicle:
        spikes = ", ".join(f"{name} {count:,}" for name, count in found.spike_reads.items())
        first = found.table.row(0, named=True) if found.table.height else None
        times = f"{first['molecules_per_particle'] / CHEVILLET_MEAN:.2g}" if first else "-"
        rows.append((
            found.sample, _molecules(found.total, found.low, found.high),
            first["mirna"].removeprefix("hsa-") if first else "-",
            _molecules(first["molecules_per_particle"], first["low"], first["high"]) if first else "-",
            times, spikes, "; ".join(found.messages) or "-",
        ))  # fmt: skip
    heads = ("sample", "all miRNAs", "most abundant", "molecules per particle", "of Chevillet's mean (times)",
             "spike-in reads", "to know")  # fmt: skip
    best = {f.sample: f.table.row(0) for f in report.per_vesicle if f.table.height}
    shown = {name: (row[0], row[2], row[3], row[4]) for name, row in best.items()}
    return [
        note(f"{lead} {CAPTURE_BIAS} In brackets: 95 % intervals. All miRNAs are in mirna_per_particle.tsv."),
        *([drawing(molecules_per_vesicle(shown, CHEVILLET_MEAN))] if shown else []),
        table(heads, rows, texts=("most abundant", "spike-in reads", "to know"), tall=len(rows) > _MANY),
    ]


def _files(report: RunReport) -> Markup:
    names = [
        ("mirna_counts.tsv", "whole counts, miRNA by sample, for other programs"),
        ("mirna_counts.parquet", "all counts (unique, fractional, shared, canonical), a row a sample and miRNA"),
        ("SAMPLE.mirna.parquet, SAMPLE.other.parquet", "the same of one sample, and its other RNA"),
        ("SAMPLE.qc.json", "all numbers of this page"),
        ("vesicula_smallrna_*_mqc.json", "what MultiQC picks up: run multiqc on this folder"),
    ]
    if report.per_vesicle:
        names.insert(2, ("mirna_per_particle.tsv", "molecules of each miRNA per particle, with intervals"))
    return bullets(Markup("<code>{}</code>: {}").format(name, what) for name, what in names)


def _pictures(qualities: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Draw fates of reads, classes of RNA, lengths and saturation."""
    if not qualities:
        return []
    named = {str(q["sample"]): q for q in qualities}
    fates_of = {name: fates(q["reads"]) for name, q in named.items()}
    classes = {name: q["classes"] for name, q in named.items()}
    lengths = {name: q["reads"]["length_histogram"] for name, q in named.items()}
    unassigned = (
        "Reads kept, by class of RNA. Unassigned: none of the references explains them; other classes are looked for "
        "where --other gives them."
    )
    many = f"{len(named)} samples"
    return [
        stacked_bars(fates_of, caption="What became of the reads of each sample.", alt=f"Fates of reads of {many}."),
        stacked_bars(classes, last_grey=True, caption=unassigned, alt=f"Classes of RNA in {many}."),
        length_distribution(lengths),
        saturation({name: q["saturation"] for name, q in named.items()}),
    ]


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float | None) -> str:
    """Return a share with two figures; None: not known."""
    if share is None:
        return "-"
    percent = 100 * share
    if percent == 0:
        return "0 %"
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2g} %" if percent >= 0.001 else "<0.001 %"


def _rpm(value: float | None) -> str:
    return "not at all" if value is None else _short(value)


def _short(value: float) -> str:
    """Return a count of reads in a few characters."""
    if value == 0:
        return "0"
    if value >= 99_950:
        return f"{value / 1000:,.0f}k"
    if value >= 9_950:
        return f"{value / 1000:.1f}k"
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"


def _molecules(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "no spike-in read"
    return f"{value:.2g} ({low:.2g} to {high:.2g})"
