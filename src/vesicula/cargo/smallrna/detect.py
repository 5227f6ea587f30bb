"""Which kit made a file: its adapter, sought in the first reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vesicula.cargo.smallrna.assign import MirnaIndex, encode
from vesicula.cargo.smallrna.chunks import first_bytes
from vesicula.cargo.smallrna.kits import TRIMMED, Kit, kits
from vesicula.core.errors import AnalysisError

SAMPLED = 5_000
"""Reads looked at."""
_SEED = 12
_LEAST_SHARE = 0.05
"""Of reads that must show an adapter, or a miRNA, for a verdict."""
_LEAST_CONTEXTS = 50
"""Different inserts before a repeated word, so that no abundant RNA is taken for an adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitFound:
    """The kit taken, the share of sampled reads that show its adapter, that of each kit known, and a sentence."""

    kit: Kit
    share: float
    shares: dict[str, float]
    text: str


def first_reads(path: Path, most: int = SAMPLED) -> list[str]:
    """Return the bases of a FASTQ's first reads, as far as its first 4 MiB hold them and they are records.

    Raises
    ------
    UnreadableFile
        If the file cannot be opened.
    """
    text = first_bytes(path, lines=4 * most + 4)
    lines = text.split(b"\n", 4 * most + 4)[:-1]
    reads = []
    for header, bases, plus in zip(lines[0::4], lines[1::4], lines[2::4], strict=False):
        if header[:1] != b"@" or plus[:1] != b"+":  # no record: whoever reads the file says what is wrong
            break
        reads.append(bases.strip().decode("latin-1").upper())
    return reads[:most]


def find_kit(path: Path, index: MirnaIndex) -> KitFound:
    """Find the kit of a FASTQ from its reads.

    The adapter that most reads show wins. Kits with the same adapter differ in the random bases beside the insert: the
    one whose inserts are miRNAs most often is taken (the plainer one of equals). Without a known adapter, reads that
    are miRNAs as they stand were trimmed before; else a word that follows many different inserts is the adapter.

    Raises
    ------
    UnreadableFile
        If the file cannot be opened.
    AnalysisError
        If neither an adapter nor miRNAs are seen.
    """
    reads = first_reads(path)
    if not reads:
        return KitFound(kit=TRIMMED, share=0.0, shares={}, text="no read to look at")
    shares = {kit.name: adapter_share(reads, kit.adapter_3p) for kit in kits()}
    best = max(shares.values())
    if best >= _LEAST_SHARE:
        same = [kit for kit in kits() if shares[kit.name] == best]
        kit = max(same, key=lambda k: mirna_share(reads, k, index)) if same[1:] else same[0]  # the first of equals
        text = f"{best:.0%} of the first {len(reads):,} reads show the adapter of {kit.name}"
        return KitFound(kit=kit, share=best, shares=shares, text=text)
    if mirna_share(reads, TRIMMED, index) >= _LEAST_SHARE:
        text = "the reads are miRNAs as they stand: trimmed before"
        return KitFound(kit=TRIMMED, share=0.0, shares=shares, text=text)
    word = _repeated_word(reads)
    if word:
        kit = Kit(name="from the data", adapter_3p=word, source="repeated after different inserts")
        share = adapter_share(reads, word)
        text = f"no known adapter; {word} follows many different inserts, in {share:.0%} of the reads: taken as adapter"
        return KitFound(kit=kit, share=share, shares=shares, text=text)
    raise AnalysisError(
        f"{path}: no adapter in the first {len(reads):,} reads, and they are no miRNAs as they stand. "
        "Is it a small-RNA library? If so, give its adapter, or say that it is trimmed."
    )


def adapter_share(reads: Sequence[str], adapter: str) -> float:
    """Return the share of reads that hold the first bases of an adapter."""
    seed = adapter[:_SEED]
    return sum([seed in read for read in reads]) / len(reads) if reads else 0.0


def mirna_share(reads: Sequence[str], kit: Kit, index: MirnaIndex) -> float:
    """Return the share of reads whose insert, trimmed as the kit says, is a miRNA."""
    seed, first, clipped = kit.adapter_3p[:_SEED], kit.clip_5p, kit.clip_3p
    ends = [read.find(seed) for read in reads] if seed else [len(read) for read in reads]
    trimmed = [read[first : end - clipped] if end > clipped else "" for read, end in zip(reads, ends, strict=True)]
    inserts = Counter([insert for insert in trimmed if 16 <= len(insert) <= 30])
    distinct = list(inserts)
    hits = index.match(*encode(distinct))
    return sum(inserts[distinct[i]] for i in set(hits.insert.tolist())) / len(reads) if reads else 0.0


def _repeated_word(reads: Sequence[str]) -> str:
    """Return the word that follows many different inserts, extended to 20 bases; empty if none does."""
    contexts: dict[str, set[str]] = {}
    for read in reads[:4000]:
        for at in range(15, len(read) - _SEED + 1):
            contexts.setdefault(read[at : at + _SEED], set()).add(read[at - 8 : at])
    # A word inside the adapter has contexts as varied only if few of its adapter's bases come before: the first
    # word of an adapter is preceded by anything, later ones by the adapter itself.
    word, seen = max(contexts.items(), key=lambda item: len(item[1]), default=("", set()))
    holders = [read for read in reads if word and word in read]
    if len(seen) < _LEAST_CONTEXTS or len(holders) < _LEAST_SHARE * len(reads):
        return ""
    tails = Counter(read[read.index(word) :][:20] for read in holders)
    longest = [tail for tail in tails if len(tail) == 20] or list(tails)
    return max(longest, key=lambda tail: tails[tail])
