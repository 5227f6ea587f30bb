"""One FASTQ to counts: the whole way."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from vesicula.cargo.smallrna.assign import (
    Codes,
    Hits,
    Ints,
    MirnaIndex,
    OtherIndex,
    Sieve,
    TieClass,
    classes_of,
    share_ties,
)
from vesicula.cargo.smallrna.collapse import Collapsed, Inserts, ReadCounts, TrimSettings, collapse_fastq, decode
from vesicula.cargo.smallrna.contamination import ForeignTally, contamination_table
from vesicula.cargo.smallrna.detect import KitFound, adapter_share, find_kit, first_reads
from vesicula.cargo.smallrna.gff import gff_header, gff_lines
from vesicula.cargo.smallrna.kits import Kit
from vesicula.cargo.smallrna.reference import MirnaReference, packaged_mirnas, packaged_spike_ins

if TYPE_CHECKING:
    import polars as pl

BATCH = 1 << 15
"""Inserts assigned at a time."""
MATCHERS = 2
"""Threads that match."""
SPIKE_IN = "spike-in"
_LITTLE_TRIMMED = 0.5
"""Share of trimmed reads below which a reader should look again."""


class References:
    """What inserts are held against, made ready once for many files.

    Parameters
    ----------
    mirnas : MirnaReference, optional
        Of the vesicles' species; packaged: human.
    foreign : MirnaReference or None, optional
        Of the medium's species; packaged: bovine. None: none.
    other : mapping of str to mapping, optional
        Other RNA by class, in order of preference, such as ``{"tRNA": {...}, "phiX": {...}}``. The packaged spike-ins
        come first where the mapping does not hold a class ``"spike-in"``.
    """

    def __init__(
        self, mirnas: MirnaReference | None = None, *, foreign: MirnaReference | str | None = "bta",
        other: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:  # fmt: skip
        self.mirnas = MirnaIndex(mirnas or packaged_mirnas())
        self.foreign_name = foreign if isinstance(foreign, str) else foreign.name if foreign else ""
        reference = packaged_mirnas(foreign) if isinstance(foreign, str) else foreign
        self.foreign = MirnaIndex(reference) if reference else None
        classes = dict(other or {})
        self.other = OtherIndex(classes if SPIKE_IN in classes else {SPIKE_IN: packaged_spike_ins(), **classes})
        self.sieve = Sieve([index for index in (self.mirnas, self.foreign) if index], self.other)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallRnaCounts:
    """What one FASTQ holds.

    Parameters
    ----------
    sample : str
    kit : KitFound
    reads : ReadCounts
        What became of the reads.
    verdict : str
        ``complete``; ``partial`` (the file ends in damage: what came before is counted); ``nothing`` (not a miRNA).
    messages : tuple of str
        What a reader must know.
    mirnas : polars.DataFrame
        mirna, reads_unique, reads_fractional, reads_em, molecules_em, canonical, same_sequence; one row a mature of the
        reference.
        Counts without UMIs: molecules equal reads. `canonical`: reads that are the mature itself, base for base.
        `same_sequence`: the other matures of the same sequence (``;`` between them). Reads cannot tell these apart but
        where their hairpins differ beyond their ends; only their sum is known, and it is shared out equally.
    classes : mapping of str to int
        Reads by class: miRNA, the other classes, and unassigned.
    other : polars.DataFrame
        class, sequence, reads: other RNA, each insert given to one sequence.
    isomirs : mapping of str to int
        Reads of miRNAs by kind of isomiR (an insert may be of several kinds; tied inserts as their first explanation).
    foreign : polars.DataFrame
        See `vesicula.cargo.smallrna.contamination`.
    """

    sample: str
    kit: KitFound
    reads: ReadCounts
    verdict: str
    messages: tuple[str, ...]
    mirnas: pl.DataFrame
    classes: Mapping[str, int]
    other: pl.DataFrame
    isomirs: Mapping[str, int]
    foreign: pl.DataFrame

    @property
    def mirna_reads(self) -> int:
        """Reads of miRNAs."""
        return self.classes["miRNA"]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Sums over batches."""

    canonical: NDArray[np.int64]
    other: NDArray[np.int64]
    reads: Counter[TieClass] = field(default_factory=Counter)
    molecules: Counter[TieClass] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    isomirs: Counter[str] = field(default_factory=Counter)
    foreign: ForeignTally = field(default_factory=ForeignTally)


def quantify_fastq(
    path: Path, references: References, *, sample: str = "", kit: Kit | None = None,
    settings: TrimSettings | None = None, gff: Path | None = None,
) -> SmallRnaCounts:  # fmt: skip
    """Count the miRNAs, isomiRs and other small RNA of one FASTQ.

    Memory does not grow with the file: distinct inserts beyond `settings.max_distinct` go to temporary files.

    Parameters
    ----------
    path : pathlib.Path
        Plain or gzip.
    references : References
    sample : str
        Name; by default the file's, without its ending.
    kit : Kit, optional
        By default found from the reads.
    settings : TrimSettings, optional
    gff : pathlib.Path, optional
        Where to write the isomiRs as mirGFF3.

    Raises
    ------
    UnreadableFile
        If not a single record can be read.
    AnalysisError
        If no kit is given and none can be found.
    """
    name = sample or sample_name(path)
    found = _given(path, kit) if kit else find_kit(path, references.mirnas)
    collapsed = collapse_fastq(path, found.kit, settings, sieve=references.sieve)
    tally = _Tally(
        canonical=np.zeros(len(references.mirnas.names), np.int64),
        other=np.zeros(len(references.other.names), np.int64),
    )
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(gff.open("w", encoding="utf-8")) if gff else None
        if out:
            out.write(gff_header(references.mirnas, name))
        tally.classes["unassigned"] += collapsed.dropped
        for batch in _batches(collapsed, references):
            _take(batch, references, tally, out)
    return _result(name, found, collapsed, references, tally)


def sample_name(path: Path) -> str:
    """Return a file's name without the endings of FASTQ and gzip."""
    name = path.name
    for ending in (".gz", ".fastq", ".fq"):
        name = name.removesuffix(ending)
    return name


def _given(path: Path, kit: Kit) -> KitFound:
    """Return the user's kit with the share of reads that show it."""
    reads = first_reads(path)
    share = adapter_share(reads, kit.adapter_3p) if kit.adapter_3p else 0.0
    return KitFound(kit=kit, share=share, shares={}, text=f"kit {kit.name}, given")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Inserts with all that explains them."""

    codes: Codes
    lengths: Ints
    reads: Ints
    molecules: Ints | None
    hits: Hits
    other: Ints
    wrong: Ints
    foreign: Hits | None


def _explained(part: Inserts, rows: slice, references: References) -> _Batch:
    """Hold some inserts against the references."""
    codes, lengths = decode(part.high[rows], part.low[rows])
    other, wrong = references.other.match(codes, lengths)
    return _Batch(
        codes=codes, lengths=lengths, reads=part.reads[rows],
        molecules=None if part.molecules is part.reads else part.molecules[rows],  # without UMIs: the reads
        hits=references.mirnas.match(codes, lengths), other=other, wrong=wrong,
        foreign=references.foreign.match(codes, lengths) if references.foreign else None,
    )  # fmt: skip


def _batches(collapsed: Collapsed, references: References) -> Iterator[_Batch]:
    """Yield the batches in order; two threads match (the compiled loops let each other run), a few batches ahead."""
    with ThreadPoolExecutor(MATCHERS) as pool:
        ahead: deque[Future[_Batch]] = deque()
        for part in collapsed.parts():
            for start in range(0, part.low.size, BATCH):
                ahead.append(pool.submit(_explained, part, slice(start, start + BATCH), references))
                if len(ahead) > 2 * MATCHERS:
                    yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _take(batch: _Batch, references: References, tally: _Tally, out: TextIO | None) -> None:
    """Take one batch of inserts into the sums."""
    codes, lengths, reads, molecules = batch.codes, batch.lengths, batch.reads, batch.molecules
    hits, other, wrong = batch.hits, batch.other, batch.wrong
    index = references.mirnas
    cost = least_cost(hits, reads.size)
    # Rule 5: a whole copy of another RNA beats a miRNA with a mismatch or an addition.
    edits = _least_edits(hits, reads.size)
    is_other = (other >= 0) & (wrong < edits)
    hits = _without(hits, is_other)
    tally.reads.update(classes_of(hits, reads))
    if molecules is not None:
        tally.molecules.update(classes_of(hits, molecules))
    is_mirna = (cost < NO_COST) & ~is_other
    tally.classes["miRNA"] += int(reads[is_mirna].sum())
    tally.classes["unassigned"] += int(reads[~is_mirna & ~is_other].sum())
    np.add.at(tally.other, other[is_other], reads[is_other])
    _count_isomirs(hits, reads, tally)
    if batch.foreign:
        tally.foreign.add(batch.foreign, reads, np.where(is_other, -1, cost), hits)
    if out and hits.insert.size:
        out.writelines(gff_lines(index, _texts(codes, lengths), hits, reads, codes))


NO_COST = 1 << 30
"""Cost of what is not explained."""


def least_cost(hits: Hits, inserts: int) -> Ints:
    """Return the least cost of each insert of a batch; NO_COST where nothing explains it."""
    cost = np.full(inserts, NO_COST, np.int64)
    np.minimum.at(cost, hits.insert, hits.cost)
    return cost


def _least_edits(hits: Hits, inserts: int) -> Ints:
    """Return the mismatches and added bases of each insert's simplest explanation; 2 and more where there is none."""
    edits = np.full(inserts, 99, np.int64)
    best = hits.best
    np.minimum.at(edits, hits.insert[best], ((hits.mismatch_at >= 0) + hits.added)[best])
    return edits


def _without(hits: Hits, dropped: NDArray[np.bool_]) -> Hits:
    """Leave out the hits of some inserts."""
    kept = ~dropped[hits.insert]
    return Hits(**{name: getattr(hits, name)[kept] for name in Hits.__slots__})


def _count_isomirs(hits: Hits, reads: Ints, tally: _Tally) -> None:
    first = np.flatnonzero(np.diff(hits.insert, prepend=-1))
    count = reads[hits.insert[first]]
    kinds = {
        "shift_5p": hits.shift_5p[first] != 0,
        "shift_3p": hits.shift_3p[first] != 0,
        "added_3p": hits.added[first] > 0,
        "mismatch": hits.mismatch_at[first] >= 0,
    }
    for kind, is_kind in kinds.items():
        tally.isomirs[kind] += int(count[is_kind].sum())
    plain = ~np.logical_or.reduce(list(kinds.values()))
    tally.isomirs["canonical"] += int(count[plain].sum())
    exact = hits.cost == 0
    np.add.at(tally.canonical, hits.mature[exact], reads[hits.insert[exact]])


def _texts(codes: Codes, lengths: Ints) -> list[str]:
    letters = np.frombuffer(b"ACGTN", np.uint8)[codes]
    rows = letters.tobytes().decode("ascii")
    width = codes.shape[1]
    return [rows[i * width : i * width + n] for i, n in enumerate(lengths.tolist())]


def _result(
    name: str, found: KitFound, collapsed: Collapsed, references: References, tally: _Tally
) -> SmallRnaCounts:
    """Join the sums to tables, and judge."""
    import polars as pl  # slow to import

    names = references.mirnas.names
    shares = share_ties(tally.reads, len(names))
    molecules = share_ties(tally.molecules, len(names)) if found.kit.umi else shares
    mirnas = pl.DataFrame({
        "mirna": names, "reads_unique": shares.unique, "reads_fractional": shares.fractional, "reads_em": shares.em,
        "molecules_em": molecules.em, "canonical": tally.canonical, "same_sequence": references.mirnas.same_sequence,
    })  # fmt: skip
    classes = [references.other.classes[i] for i in references.other.class_of]
    other = pl.DataFrame(
        {"class": classes, "sequence": references.other.names, "reads": tally.other},
        schema={"class": pl.String, "sequence": pl.String, "reads": pl.Int64},
    ).filter(pl.col("reads") > 0)
    by_class = {"miRNA": tally.classes["miRNA"]}
    for kind in references.other.classes:
        by_class[kind] = int(other.filter(pl.col("class") == kind)["reads"].sum())
    by_class["unassigned"] = tally.classes["unassigned"]
    foreign = pl.DataFrame()
    if references.foreign:
        foreign = contamination_table(tally.foreign, references.foreign, mirnas)
    return SmallRnaCounts(
        sample=name, kit=found, reads=collapsed.counts, mirnas=mirnas, classes=by_class, other=other,
        isomirs=dict(tally.isomirs), messages=_messages(found, collapsed, by_class),
        verdict="nothing" if not by_class["miRNA"] else "partial" if collapsed.damage else "complete",
        foreign=foreign,
    )  # fmt: skip


def _messages(found: KitFound, collapsed: Collapsed, classes: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a reader must know of the file."""
    counts = collapsed.counts
    said = [found.text]
    if collapsed.damage:
        said.append(f"the file is damaged, and only its first part is counted: {collapsed.damage}")
    if found.kit.adapter_3p and counts.trimmed < _LITTLE_TRIMMED * counts.reads:
        said.append(
            f"the adapter {found.kit.adapter_3p} was found in {counts.trimmed / max(counts.reads, 1):.1%} of the reads "
            "only: is it the right one?"
        )
    if not counts.kept:
        said.append("no read was left after trimming and filters")
    elif not classes["miRNA"]:
        said.append("reads were left after trimming, but none is a miRNA of the reference: wrong species or library?")
    return tuple(said)
