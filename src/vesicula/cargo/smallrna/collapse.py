"""A FASTQ to its distinct inserts with their counts, in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesicula.cargo.smallrna import layout
from vesicula.cargo.smallrna.chunks import HEADROOM, read_chunks
from vesicula.cargo.smallrna.kits import Kit
from vesicula.cargo.smallrna.native import loop
from vesicula.core.errors import SettingsError, UnreadableFile

if TYPE_CHECKING:
    from vesicula.cargo.smallrna.assign import Sieve

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]

PARTS = 64
"""Files that inserts are divided among when they do not fit into memory: one in 64 of a file's distinct inserts must
fit."""
_REASONS = {
    layout.BAD_HEADER: ("a header that begins with @", "the record does not begin with @"),
    layout.BAD_PLUS: ("a line that begins with + after the bases", "another line"),
    layout.BAD_QUALITY: ("as many qualities as bases", "another number"),
}
_NO_SIEVE = (
    np.zeros(1, np.int32), np.zeros(1, np.uint16), np.zeros(1, np.int32), np.zeros(1, np.uint16), np.zeros(1, np.uint8),
)  # fmt: skip
_UNIT = 1_000_000
"""Error probabilities are summed as whole millionths: additions of integers do not wait for each other."""
_REMEDY = "Fetch the file again from the sequencing provider and compare its checksum."


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimSettings:
    """What becomes of a read before it is counted.

    Parameters
    ----------
    min_length, max_length : int
        Of an insert, in nt; others are counted and left out.
    max_expected_errors : float
        Largest sum of the error probabilities of an insert's bases (Edgar & Flyvbjerg 2015, Bioinformatics 31:3476
        [from memory, unchecked], for the measure; the limit of 1 is their default).
    max_distinct : int
        Distinct inserts (with UMIs: pairs of insert and UMI) held in memory at once; more go to temporary files.
    """

    min_length: int = 16
    max_length: int = 45
    max_expected_errors: float = 1.0
    max_distinct: int = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCounts:
    """What became of the reads of one file; every read is in exactly one of the counts after `reads` and `trimmed`.

    `dimers` are the inserts of at most 2 nt among the `too_short`; `length_histogram` counts the inserts by length in
    nt (0 to 126; the last place: longer).
    """

    reads: int
    trimmed: int
    no_adapter: int
    too_short: int
    too_long: int
    low_quality: int
    with_n: int
    no_umi: int
    kept: int
    dimers: int
    length_histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserts:
    """Distinct inserts: ``high`` and ``low`` hold the bases, two bits each, after a leading 1; and their counts.

    ``molecules`` are estimated from the UMIs (`vesicula.cargo.smallrna.molecules`); without UMIs they equal ``reads``.
    """

    high: Keys
    low: Keys
    reads: Counts
    molecules: Counts


class Collapsed:
    """The distinct inserts of one file, and what became of its reads.

    Attributes
    ----------
    counts : ReadCounts
    damage : str
        Why the file ends before its end; empty where it does not. What was read before is kept.
    dropped : int
        Reads kept whose inserts the sieve left out.
    """

    def __init__(self, path: Path, kit: Kit, settings: TrimSettings, sieve: Sieve | None = None) -> None:
        _check(kit, settings)
        self._sieve = sieve.arrays if sieve else _NO_SIEVE
        self.kit = kit
        self.settings = settings
        self._numbers = np.zeros(layout.COUNTS, np.int64)
        self._histogram = np.zeros(layout.HISTOGRAM, np.int64)
        self._table = _empty_table(1 << 16)
        self._folder: Path | None = None
        self.damage = self._read(path)
        self.counts = self._read_counts()
        self.dropped = int(self._numbers[layout.DROPPED])

    def parts(self) -> Iterator[Inserts]:
        """Yield the distinct inserts, each in exactly one part, ordered by key within a part."""
        if self._folder is None:
            yield _merge(*self._filled(), self.kit.umi, once=True)
            return
        self._spill()
        self._table = _empty_table(1)
        for part in range(PARTS):
            chunks = [np.load(file) for file in sorted(self._folder.glob(f"{part:02d}-*.npy"))]
            rows = np.concatenate(chunks, axis=1)
            yield _merge(rows[0], rows[1], rows[2].astype(np.int64), self.kit.umi)

    def _read(self, path: Path) -> str:
        """Scan all chunks; return the damage met."""
        letters = np.frombuffer(self.kit.adapter_3p.encode(), np.uint8)
        adapter = layout.CODES[letters]
        numbers = (self.settings.min_length, self.settings.max_length, self.kit.clip_5p, self.kit.clip_3p)
        settings = np.array([*numbers, self.kit.umi, self._sieve is not _NO_SIEVE], np.int64)
        words = _seed_words(letters)
        errors = _error_probabilities()
        most_errors = int(self.settings.max_expected_errors * _UNIT)
        codes, pending = np.empty(layout.SEARCHED, np.uint8), np.empty((layout.PENDING, 3), np.uint64)
        scan = loop("scan")
        rest = np.empty(0, np.uint8)
        for chunk in read_chunks(path):
            start = HEADROOM - rest.size
            chunk.buffer[start:HEADROOM] = rest
            if not self._numbers[layout.READS]:
                _check_begin(path, chunk.buffer[start : min(start + 200, chunk.stop)].tobytes(), chunk.damage)
            why = layout.TABLE_FULL
            while why == layout.TABLE_FULL:
                self._make_room()
                why = scan(
                    chunk.buffer, chunk.buffer.ctypes.data, start, chunk.stop, int(chunk.last and not chunk.damage),
                    adapter, words, settings, errors, most_errors, self._room(), self._table,
                    self._table.ctypes.data, self._numbers, self._histogram, codes, layout.CODES, pending,
                    *self._sieve,
                )  # fmt: skip
                start = int(self._numbers[layout.STOPPED])
            left = chunk.stop - start
            fault = self._fault(why, left, last=chunk.last, damage=chunk.damage)
            if fault:
                return self._stop(path, *fault)
            rest = chunk.buffer[start : chunk.stop].copy()
        return ""

    def _fault(self, why: int, left: int, *, last: bool, damage: str) -> tuple[str, str] | None:
        """Return what was expected and found where the reading stopped, if it should not have."""
        if why == layout.MALFORMED:
            return _REASONS[int(self._numbers[layout.REASON])]
        if damage:
            return "the end of the file", damage
        if last and left:
            return "the end of a record", "the end of the file in the middle of one"
        if left > HEADROOM:
            return f"a record of at most {HEADROOM} bytes", "a longer line (is it a FASTQ with newlines?)"
        return None

    def _stop(self, path: Path, expected: str, found: str) -> str:
        """Keep what was read before a fault, or raise if there is nothing."""
        read = int(self._numbers[layout.READS])
        if read == 0:
            raise UnreadableFile(path, where="record 1", expected=expected, found=found, remedy=_REMEDY)
        return f"after record {read:,}: expected {expected}, found {found}"

    def _room(self) -> int:
        return min(int(self._table.shape[0] * 0.6), self.settings.max_distinct)

    def _make_room(self) -> None:
        """Enlarge the table, or empty it to disk, if it is full."""
        if self._numbers[layout.DISTINCT] < self._room():
            return
        if self._room() >= self.settings.max_distinct:
            self._spill()
            return
        largest = 1 << int(self.settings.max_distinct / 0.6).bit_length()
        # Where most inserts are new they will go on to be: one large step spares moving them once more.
        mostly_new = 2 * self._numbers[layout.DISTINCT] > self._numbers[layout.KEPT]
        new = _empty_table(min((16 if mostly_new else 4) * self._table.shape[0], largest))
        loop("rehash")(self._table, new)
        self._table = new

    def _filled(self) -> tuple[Keys, Keys, Counts]:
        distinct = int(self._numbers[layout.DISTINCT])
        high, low, counts = np.empty(distinct, np.uint64), np.empty(distinct, np.uint64), np.empty(distinct, np.int64)
        loop("entries")(self._table, high, low, counts)
        return high, low, counts

    def _spill(self) -> None:
        """Write the table to the parts' files, and empty it; an insert goes to the same part whatever its UMI."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="vesicula-smallrna-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        folder = self._folder
        high, low, counts = self._filled()
        _, bases = _without_umi(high, low, self.kit.umi)
        part = ((bases * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)).astype(np.int64)
        run = len(list(folder.glob("00-*.npy")))
        for p in range(PARTS):
            mine = part == p
            rows = np.stack([high[mine], low[mine], counts[mine].astype(np.uint64)])
            np.save(folder / f"{p:02d}-{run:06d}.npy", rows)
        self._table[:] = 0
        self._numbers[layout.DISTINCT] = 0

    def _read_counts(self) -> ReadCounts:
        n = self._numbers.tolist()
        return ReadCounts(
            reads=n[layout.READS], trimmed=n[layout.TRIMMED], no_adapter=n[layout.NO_ADAPTER],
            too_short=n[layout.TOO_SHORT], too_long=n[layout.TOO_LONG], low_quality=n[layout.LOW_QUALITY],
            with_n=n[layout.WITH_N], no_umi=n[layout.NO_UMI], kept=n[layout.KEPT], dimers=n[layout.DIMERS],
            length_histogram=tuple(self._histogram.tolist()),
        )  # fmt: skip


def collapse_fastq(
    path: Path, kit: Kit, settings: TrimSettings | None = None, *, sieve: Sieve | None = None
) -> Collapsed:  # fmt: skip
    """Read, trim and filter a FASTQ, and count its distinct inserts.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip; line endings may be mixed.
    kit : Kit
        Adapter, random bases and UMI.
    settings : TrimSettings, optional
        Lengths and quality.
    sieve : Sieve, optional
        What of the inserts to keep: most inserts of random RNA are read once, explained by nothing, and need no memory.

    Raises
    ------
    UnreadableFile
        If not a single record could be read. A file damaged later gives its first part, and says so in `damage`.
    SettingsError
        If inserts of the longest length asked for (with the UMI) do not fit the table.
    """
    return Collapsed(path, kit, settings or TrimSettings(), sieve)


def decode(high: Keys, low: Keys) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the base codes, shape (n, 63), padded with 4, and the lengths of packed inserts."""
    codes = np.empty((high.size, layout.LONGEST_INSERT), np.uint8)
    lengths = np.empty(high.size, np.int64)
    loop("unpack")(high, low, codes, lengths)
    return codes, lengths


def _without_umi(high: Keys, low: Keys, umi: int) -> tuple[Keys, Keys]:
    """Drop the last `umi` bases of packed keys."""
    if umi == 0:
        return high, low
    bits = np.uint64(2 * umi)
    return high >> bits, (low >> bits) | (high << (np.uint64(64) - bits))


def _merge(high: Keys, low: Keys, counts: Counts, umi: int, *, once: bool = False) -> Inserts:
    """Join entries of the same insert; its UMIs say how many molecules. `once`: every key is there once."""
    order = _order(high, low)
    high, low, counts = high[order], low[order], counts[order]
    if not once:  # the same key from several spills
        first = _firsts(high, low)
        high, low, counts = high[first], low[first], _sums(counts, first)
    if umi == 0:
        return Inserts(high=high, low=low, reads=counts, molecules=counts)
    # Few libraries have UMIs, and numba, which this asks for, takes longer to import than a small file to count.
    from vesicula.cargo.smallrna.molecules import molecules_of

    codes = low & np.uint64((1 << 2 * umi) - 1)
    high, low = _without_umi(high, low, umi)
    first = _firsts(high, low)
    molecules = molecules_of(codes, counts, first, umi)
    return Inserts(high=high[first], low=low[first], reads=_sums(counts, first), molecules=molecules)


def _order(high: Keys, low: Keys) -> NDArray[np.int64]:
    """Return the order by key; most keys are of one word, and one word is sorted faster than two."""
    short, long = np.flatnonzero(high == 0), np.flatnonzero(high)
    return np.concatenate([short[np.argsort(low[short])], long[np.lexsort((low[long], high[long]))]])


def _firsts(high: Keys, low: Keys) -> NDArray[np.int64]:
    new = np.ones(high.size, np.bool_)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return np.flatnonzero(new)


def _sums(values: Counts, first: NDArray[np.int64]) -> Counts:
    return np.add.reduceat(values, first) if values.size else values


def _empty_table(size: int) -> Keys:
    """Return a table of rows high, low, count; one row is one place in memory, so that a look-up waits once."""
    return np.zeros((size, 3), np.uint64)


def _seed_words(letters: NDArray[np.uint8]) -> Keys:
    """Return the first and the last eight letters of the adapter's seed as numbers."""
    seed = letters[: layout.ADAPTER_SEED].tobytes()
    return np.array([int.from_bytes(part, "little") for part in (seed[:8], seed[-8:])], np.uint64)


def _error_probabilities() -> NDArray[np.int64]:
    """Return the error probability of each quality letter (Phred + 33; Cock et al. 2010, NAR 38:1767 [from memory])."""
    letters = np.arange(256, dtype=np.float64)
    probability = 10.0 ** (-(letters - 33.0) / 10.0)
    probability[:33] = 1.0
    return np.rint(probability * _UNIT).astype(np.int64)


def _check(kit: Kit, settings: TrimSettings) -> None:
    longest = layout.LONGEST_INSERT - kit.umi
    if not layout.LEAST_OVERLAP <= settings.min_length <= settings.max_length <= longest:
        raise SettingsError(
            f"inserts of {settings.min_length} to {settings.max_length} nt: the shortest may be {layout.LEAST_OVERLAP} "
            f"nt, the longest {longest} nt with this kit."
        )


def _check_begin(path: Path, begin: bytes, damage: str) -> None:
    """Say what a file is, if its first bytes show that it is no FASTQ."""
    text = begin.lstrip(b"\r\n")
    if not text:
        raise UnreadableFile(
            path, where="whole file", expected="reads", found=damage or "an empty file", remedy=_REMEDY
        )
    if text[:1] == b">":
        raise UnreadableFile(
            path, where="line 1", expected="a FASTQ record (@name)", found="a FASTA record (>name)",
            remedy="Give the sequencer's FASTQ: qualities and copies are not in a FASTA.",
        )  # fmt: skip
    if text[:1] != b"@":
        found = text.split(b"\n", 1)[0].decode("latin-1")
        raise UnreadableFile(
            path, where="line 1", expected="a FASTQ record (@name)", found=found,
            remedy="Give a FASTQ, plain or gzip (.bz2, .zst and BAM are not read).",
        )  # fmt: skip
