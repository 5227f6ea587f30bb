"""Whether a sample can be used, and why not: each limit with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

USABLE, CARE, UNUSABLE = "usable", "with care", "not usable"
LEVELS = (USABLE, CARE, UNUSABLE)

ENOUGH_READS = 100_000
"""Reads of annotated RNA that the Extracellular RNA Communication Consortium asks of a sample [from memory,
unchecked; its pipeline: Rozowsky et al. 2019, Cell Syst 8:352]."""
LEAST_READS = ENOUGH_READS // 10
"""Ours: with fewer, a miRNA must be 300 in a million to be seen with 95 % probability."""
LEAST_OF_MIRNA_LENGTH, LEAST_MIRNA = 0.25, 0.10
"""Shares below which miRTrace flags a library: inserts of 20 to 25 nt, and miRNA (Kang et al. 2018, Genome Biol
19:213, legend of figure 5)."""
MIRNA_LENGTHS = range(20, 26)
MOST_DIMERS = 0.5
"""Ours: more adapter dimers than inserts mean that the library was made from very little RNA, or not cleaned."""
MOST_FOREIGN = 0.01
"""Ours, of reads known to be foreign: most foreign reads are not known as such, so that the truth is higher."""
MOST_PHIX = 0.05
"""Ours: reads paid for and not of the sample; they harm nothing else."""


Reason = tuple[str, str]
"""A word or two, and the sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Level (`USABLE`, `CARE`, `UNUSABLE`), the reasons for anything but the first, and each in a word or two."""

    level: str
    reasons: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def judge(quality: Mapping[str, Any]) -> Judgement:
    """Judge a sample by its quality numbers (see `vesicula.cargo.smallrna.output.quality_of`)."""
    annotated = sum(count for name, count in quality["classes"].items() if name != "unassigned")
    reasons = _cares(quality)
    level = CARE if reasons else USABLE
    if quality["verdict"] == "nothing":
        level, reasons = UNUSABLE, [("no miRNA", quality["messages"][-1])]
    elif annotated < LEAST_READS:
        why = f"{annotated:,} reads of known RNA; below {LEAST_READS:,} only the commonest miRNAs are seen"
        level, reasons = UNUSABLE, [("too few reads", why), *reasons]
    elif annotated < ENOUGH_READS:
        why = f"{annotated:,} reads of known RNA; {ENOUGH_READS:,} are asked of a sample"
        level, reasons = CARE, [("few reads", why), *reasons]
    return Judgement(level=level, reasons=tuple(why for _, why in reasons), kinds=tuple(kind for kind, _ in reasons))


def _cares(quality: Mapping[str, Any]) -> list[Reason]:
    """Return what a user must weigh."""
    reads, found = quality["reads"], []
    if quality["verdict"] == "partial":
        found.append(("damaged file", "the file is damaged: only its first part is counted"))
    found += [("adapter", text) for text in quality["messages"] if "is it the right one?" in text]
    shares = (
        ("adapter dimers", quality["adapter_dimer_share"], MOST_DIMERS, "of the reads are adapter dimers"),
        ("phiX", quality["phix_share"], MOST_PHIX, "of the reads are phiX"),
        (
            "other species", quality["foreign_share"]["low"], MOST_FOREIGN,
            "at least of the miRNA reads are of another species",
        ),
    )  # fmt: skip
    found += [
        (kind, f"{100 * share:.1f} % {text}")
        for kind, share, limit, text in shares
        if share is not None and share > limit
    ]
    histogram = reads["length_histogram"]
    if sum(histogram) and (share := _share(histogram, MIRNA_LENGTHS)) < LEAST_OF_MIRNA_LENGTH:
        found.append(("lengths", f"only {100 * share:.0f} % of the inserts have 20 to 25 nt, as miRNAs have"))
    if reads["kept"] and (share := quality["classes"]["miRNA"] / reads["kept"]) < LEAST_MIRNA:
        why = f"only {100 * share:.1f} % of the inserts kept are miRNA (vesicles often carry more of other RNA)"
        found.append(("little miRNA", why))
    return found


def _share(histogram: Sequence[int], lengths: range) -> float:
    return sum(histogram[lengths.start : lengths.stop]) / sum(histogram)
