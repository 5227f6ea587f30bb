"""Small-RNA reads with known truth: isomiRs, sequencing errors, adapters, and what does not belong.

The shares of isomiR kinds are plausible orders of magnitude [from memory, unchecked], not a fit to any data set: ends
at 3' vary most, then additions (A before T), then ends at 5'.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vesicula.cargo.smallrna.reference import Locus, MirnaReference

Bytes = NDArray[np.uint8]
_T = TypeVar("_T")

_SHIFT_5P = {0: 0.94, -1: 0.025, 1: 0.025, -2: 0.005, 2: 0.005}
_SHIFT_3P = {0: 0.52, -1: 0.16, 1: 0.16, -2: 0.07, 2: 0.06, -3: 0.02, 3: 0.01}
_ADDED = {"": 0.85, "A": 0.08, "T": 0.04, "C": 0.005, "G": 0.005, "AA": 0.01, "TT": 0.005, "AT": 0.005}
_QUALITIES = (12, 27, 32, 37, 40)
_QUALITY_SHARES = (0.01, 0.04, 0.1, 0.25, 0.6)
_LETTERS = np.frombuffer(b"ACGT", np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLibrary:
    """What to simulate.

    Parameters
    ----------
    reads : int
    expressed : int
        miRNAs present, of log-normal abundance.
    sigma : float
        Standard deviation of the natural logarithm of their abundance.
    read_length : int
    adapter : str
    error_rate : float
        Substitutions per base, anywhere in a read.
    foreign, unrelated, dimers, long : float
        Shares of reads: miRNAs of another species, random RNA of 18 to 35 nt, adapter dimers, and inserts longer than
        the read.
    """

    reads: int = 100_000
    expressed: int = 500
    sigma: float = 2.5
    read_length: int = 51
    adapter: str = "TGGAATTCTCGGGTGCCAAGGAACTCCAGTCAC"
    error_rate: float = 0.002
    foreign: float = 0.0
    unrelated: float = 0.0
    dimers: float = 0.0
    long: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedReads:
    """Reads and their truth.

    ``bases`` and ``qualities``: letters, shape (reads, read_length). ``truth``: reads by miRNA of the reference.
    ``origin``: reads by ``mirna``, ``foreign``, ``unrelated``, ``dimers``, ``long``.
    """

    bases: Bytes
    qualities: Bytes
    truth: Mapping[str, int]
    origin: Mapping[str, int]


def simulate_reads(
    reference: MirnaReference, library: SimulatedLibrary, rng: np.random.Generator,
    foreign: MirnaReference | None = None,
) -> SimulatedReads:  # fmt: skip
    """Draw the reads of one library, in random order."""
    shares = [library.foreign if foreign else 0.0, library.unrelated, library.dimers, library.long]
    kinds = ("mirna", "foreign", "unrelated", "dimers", "long")
    numbers = rng.multinomial(library.reads, [1 - sum(shares), *shares])
    origin = dict(zip(kinds, numbers.tolist(), strict=True))
    blocks: list[Bytes] = []
    truth: dict[str, int] = {}
    for kind, source in (("mirna", reference), ("foreign", foreign)):
        if source and origin[kind]:
            block, counts = _mirna_reads(source, library, origin[kind], rng)
            blocks.append(block)
            truth = truth or counts
    blocks.append(_random_reads(library, origin["unrelated"], rng))
    blocks.append(_rows([""], library)[np.zeros(origin["dimers"], np.int64)])
    blocks.append(_LETTERS[rng.integers(0, 4, (origin["long"], library.read_length))])
    bases = np.concatenate(blocks)
    rng.shuffle(bases)
    wrong = rng.random(bases.shape, np.float32) < library.error_rate
    bases[wrong] = _another(bases[wrong], rng)
    letters = np.array(_QUALITIES, np.uint8) + 33
    patterns = rng.choice(letters, (2000, library.read_length), p=_QUALITY_SHARES)
    qualities = patterns[rng.integers(0, 2000, bases.shape[0])]
    return SimulatedReads(bases=bases, qualities=qualities, truth=truth, origin=origin)


def write_fastq(reads: SimulatedReads, path: Path) -> None:
    """Write reads as FASTQ, packed if the name ends in ``.gz``."""
    text = fastq_bytes(reads)
    path.write_bytes(gzip.compress(text, 6, mtime=0) if path.suffix == ".gz" else text)


def fastq_bytes(reads: SimulatedReads) -> bytes:
    """Return reads as FASTQ; names are like those of an Illumina sequencer, of equal length."""
    n = reads.bases.shape[0]
    begin, end = b"@A00123:45:HSIMDSXX:1:1101:", b" 1:N:0:ATCACG\n"
    digits = (np.arange(n)[:, None] // 10 ** np.arange(9, -1, -1)) % 10 + 48
    columns = [_column(begin, n), digits.astype(np.uint8), _column(end, n), reads.bases, _column(b"\n+\n", n)]
    return np.concatenate([*columns, reads.qualities, _column(b"\n", n)], axis=1).tobytes()


def _mirna_reads(
    reference: MirnaReference, library: SimulatedLibrary, reads: int, rng: np.random.Generator
) -> tuple[Bytes, dict[str, int]]:
    """Return reads of a species' miRNAs, and how many each has."""
    loci: dict[str, list[Locus]] = {}
    for locus in reference.loci:
        loci.setdefault(locus.mature, []).append(locus)
    names = sorted(loci)
    present = rng.choice(len(names), min(library.expressed, len(names)), replace=False)
    abundance = rng.lognormal(0.0, library.sigma, present.size)
    counts = rng.multinomial(reads, abundance / abundance.sum())
    five, three, added = (_draw(table, reads, rng) for table in (_SHIFT_5P, _SHIFT_3P, _ADDED))
    which = np.repeat(np.arange(present.size), counts)
    copy = rng.integers(0, 1 << 30, reads)
    inserts: dict[str, int] = {}
    row = np.empty(reads, np.int64)
    for i, (m, d5, d3, tail, c) in enumerate(zip(which.tolist(), five, three, added, copy.tolist(), strict=True)):
        mine = loci[names[present[m]]]
        locus = mine[c % len(mine)]
        hairpin = reference.hairpins[locus.hairpin]
        insert = hairpin[max(locus.start + d5, 0) : locus.end + d3] + tail
        row[i] = inserts.setdefault(insert, len(inserts))
    truth = {names[p]: n for p, n in zip(present.tolist(), counts.tolist(), strict=True) if n}
    return _rows(list(inserts), library)[row], truth


def _random_reads(library: SimulatedLibrary, reads: int, rng: np.random.Generator) -> Bytes:
    lengths = rng.integers(18, 36, reads).tolist()
    return _rows(["".join("ACGT"[i] for i in rng.integers(0, 4, n)) for n in lengths], library)


def _rows(inserts: list[str], library: SimulatedLibrary) -> Bytes:
    """Return reads of inserts: the adapter and then A's follow."""
    length = library.read_length
    text = "".join((insert + library.adapter).ljust(length, "A")[:length] for insert in inserts)
    return np.frombuffer(text.encode("ascii"), np.uint8).reshape(len(inserts), length)


def _another(letters: Bytes, rng: np.random.Generator) -> Bytes:
    """Return another base for each letter, the three others being equally likely."""
    code = np.searchsorted(_LETTERS, letters)
    return _LETTERS.take((code + rng.integers(1, 4, letters.size)) % 4)


def _draw(table: Mapping[_T, float], count: int, rng: np.random.Generator) -> list[_T]:
    values = list(table)
    return [values[i] for i in rng.choice(len(values), count, p=list(table.values())).tolist()]


def _column(text: bytes, rows: int) -> Bytes:
    return np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text)))
