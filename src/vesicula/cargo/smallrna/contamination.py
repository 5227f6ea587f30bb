"""Signs of what is not the vesicles': miRNA of another species, blood, platelets, phiX; and saturation.

A read counts as foreign if the other species' miRNA explains it with at least a whole mismatch less than any of ours,
or ours do not explain it at all. Most miRNAs are the same in cattle and man: foreign reads are a lower bound. A foreign
miRNA one base from an abundant one of ours collects its sequencing errors: `errors_expected` is the part of its reads
that these can explain. What the bound leaves out can be estimated only with a sample of the medium alone
(`foreign_share_of`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesicula.cargo.smallrna.assign import Hits, Ints, MirnaIndex
from vesicula.cargo.smallrna.layout import MISMATCH_COST
from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    import polars as pl

ERROR_PER_BASE = 0.003
"""Of a sequenced base, all wrong bases together; a third of it for a given one. Order of magnitude of Illumina's
substitution errors (Schirmer et al. 2016, BMC Bioinformatics 17:125 [from memory, unchecked])."""

PLATELET_TYPICAL = ("hsa-miR-223-3p", "hsa-miR-126-3p", "hsa-miR-142-3p")
"""miRNAs of platelets and blood cells that stromal cells hardly make: miR-126 is the most abundant angiogenic miRNA of
vesicles from platelet lysate (Cardelli et al. 2022, Cell Prolif, PMC9628251); miR-223-3p and miR-142-3p and the words
"hardly make" [from memory, unchecked]. Of the platelet panel of Krammer et al. 2022 (Cells 11:1254), miR-199a-3p is
left out: stromal cells are rich in it [from memory, unchecked]."""

PHIX_WORD = 24
"""Bases that must equal phiX: by chance one read in 10^9 would (10,726 words of 4^24, three looked at a read)."""
PHIX_READS = 10_000
_FIRST_BYTES = 1 << 21


@dataclass(slots=True, kw_only=True)
class ForeignTally:
    """Reads by foreign mature, and by pair of foreign mature and ours one mismatch away (-1: none)."""

    reads: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, foreign: Hits, reads: Ints, our_cost: Ints, ours: Hits) -> None:
        """Take a batch; `our_cost` is -1 where an insert is not to be looked at."""
        first = np.flatnonzero(np.diff(foreign.insert, prepend=-1))
        insert = foreign.insert[first]
        better = foreign.cost[first] + MISMATCH_COST <= our_cost[insert]
        our_first = np.flatnonzero(np.diff(ours.insert, prepend=-1))
        our_mature = np.full(reads.size, -1, np.int64)
        our_mature[ours.insert[our_first]] = ours.mature[our_first]
        for i, mature in zip(insert[better].tolist(), foreign.mature[first][better].tolist(), strict=True):
            self.reads[mature, int(our_mature[i])] += int(reads[i])


def contamination_table(tally: ForeignTally, foreign: MirnaIndex, mirnas: pl.DataFrame) -> pl.DataFrame:
    """Return foreign, nearest_ours, reads, errors_expected, excess: most reads first.

    `nearest_ours` is our miRNA that explains the reads with a mismatch more (empty: none does). `excess` is what
    errors cannot explain.
    """
    import polars as pl  # slow to import

    ours, counts = mirnas["mirna"].to_list(), mirnas["reads_fractional"].to_list()
    rows = []
    for (theirs, mine), reads in tally.reads.items():
        errors = counts[mine] * ERROR_PER_BASE / 3 if mine >= 0 else 0.0
        rows.append((foreign.names[theirs], ours[mine] if mine >= 0 else "", reads, errors, max(reads - errors, 0.0)))
    schema = {
        "foreign": pl.String, "nearest_ours": pl.String, "reads": pl.Int64, "errors_expected": pl.Float64,
        "excess": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort("reads", "foreign", descending=[True, False])


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignReads:
    """Reads that only another species explains, among all reads of miRNAs (ours and theirs).

    Parameters
    ----------
    reads : int
        Reads that the other species explains better.
    beyond_errors : int
        Those of them whose miRNA has more reads than errors of ours give.
    errors : float
        Reads among `beyond_errors` that sequencing errors are expected to give.
    all_mirna : int
        Reads of miRNAs, ours and the other species'.
    share, low, high : float or None
        Of `all_mirna`: (`beyond_errors` - `errors`), and its interval. None without reads.
    """

    reads: int
    beyond_errors: int
    errors: float
    all_mirna: int
    share: float | None
    low: float | None
    high: float | None


def foreign_reads(table: pl.DataFrame, mirna_reads: int, *, level: float = 0.95) -> ForeignReads:
    """Return how many reads of miRNAs are surely another species', as a share with an interval.

    The interval is Garwood's for a Poisson count (Garwood 1936, Biometrika 28:437 [from memory, unchecked]), widened
    for the error rate, which is known to an order of magnitude only: at the lower end errors are twice as frequent as
    `ERROR_PER_BASE`, at the upper end there are none, and what was ascribed to errors is foreign, too.

    Parameters
    ----------
    table : polars.DataFrame
        From `contamination_table`; without columns: nothing was looked for.
    mirna_reads : int
        Reads of our miRNAs.
    level : float
        Of the interval.
    """
    import polars as pl  # slow to import
    from scipy.special import gammaincinv

    if not table.width:
        return ForeignReads(
            reads=0, beyond_errors=0, errors=0.0, all_mirna=mirna_reads, share=None, low=None, high=None
        )  # fmt: skip
    reads = int(table["reads"].sum())
    # Reads that ours do not explain at all are not among the reads of our miRNAs.
    all_mirna = mirna_reads + int(table.filter(pl.col("nearest_ours") == "")["reads"].sum())
    real = table.filter(pl.col("excess") > 0)
    count, errors = int(real["reads"].sum()), float(real["errors_expected"].sum())
    if not all_mirna:
        share = low = high = None
    else:
        tail = (1 - level) / 2
        lowest = float(gammaincinv(count, tail)) if count else 0.0
        share = (count - errors) / all_mirna
        low = max(lowest - 2 * errors, 0.0) / all_mirna
        high = min(float(gammaincinv(reads + 1, 1 - tail)) / all_mirna, 1.0)
    return ForeignReads(
        reads=reads, beyond_errors=count, errors=errors, all_mirna=all_mirna, share=share, low=low, high=high
    )  # fmt: skip


def foreign_share_of(sample: ForeignReads, medium: ForeignReads, *, level: float = 0.95) -> tuple[float, float, float]:
    """Return the share of a sample's miRNA reads that come from the medium, and its interval.

    In a sample of the medium alone all miRNA reads are foreign; the share of them that is known to be so tells how
    many reads stand behind each one known in another sample. Both samples must have been made in the same way. The
    interval carries the counting of both (gamma posteriors with Jeffreys' prior) and a twofold uncertainty of errors.

    Parameters
    ----------
    sample, medium : ForeignReads
    level : float
        Of the interval.

    Returns
    -------
    tuple of float
        Share, low, high; each at most 1.

    Raises
    ------
    AnalysisError
        If the medium shows too few reads (fewer than 20) that only the other species explains.
    """
    shares = sample.share, medium.share
    if medium.beyond_errors - medium.errors < 20 or None in shares:
        raise AnalysisError(
            f"the sample of the medium holds {medium.beyond_errors} reads that only the other species explains: too "
            "few (20 are needed) to tell what share of its miRNAs they are. Sequence it deeper."
        )
    rng = np.random.default_rng(1)

    def known(found: ForeignReads) -> NDArray[np.float64]:
        count = rng.gamma(found.beyond_errors + 0.5, size=20_000)
        errors = found.errors * rng.lognormal(0.0, np.log(2), 20_000)
        share: NDArray[np.float64] = np.maximum(count - errors, 0.0) / found.all_mirna
        return share

    ratio = np.minimum(known(sample) / np.maximum(known(medium), 1e-300), 1.0)
    low, high = np.quantile(ratio, [(1 - level) / 2, (1 + level) / 2]).tolist()
    lowest = low if sample.beyond_errors else 0.0
    return min((sample.share or 0.0) / (medium.share or 1.0), 1.0), lowest, high


def haemolysis_log2_ratio(mirnas: pl.DataFrame) -> float | None:
    """Return log2 of miR-451a over miR-23a-3p reads; None unless both are seen.

    Red cells are full of miR-451a, and miR-23a-3p hardly changes with haemolysis. By qPCR of serum a difference above
    7 cycles predicts severe haemolysis, below 5 none (Shah et al. 2016, PLoS ONE 11:e0153200; the limits as in the
    legend on figshare 3164830; the measure is Blondal et al. 2013, Methods 59:S1 [from memory, unchecked]). Sequencing
    has other biases (libraries of the NEBNext kit hold no miR-451 at all: Wei et al. 2016, Sci Rep 6:31175, figure 1),
    and bovine serum brings miR-451a, too (same figure): no limit is drawn here.
    """
    counts = dict(mirnas.select("mirna", "reads_em").iter_rows())
    red, stable = (counts.get(f"hsa-miR-{name}", 0.0) for name in ("451a", "23a-3p"))
    return float(np.log2(red / stable)) if red > 0 and stable > 0 else None


def platelet_typical_share(mirnas: pl.DataFrame) -> float | None:
    """Return the share of miRNA reads that belong to `PLATELET_TYPICAL`; None without reads, or without these names.

    A hint, not a part that comes from platelets: platelets share all their sequences with the vesicles' own cells.
    """
    import polars as pl  # slow to import

    total = float(mirnas["reads_em"].sum())
    typical = mirnas.filter(pl.col("mirna").is_in(PLATELET_TYPICAL))["reads_em"]
    return float(typical.sum()) / total if total > 0 and typical.len() else None


def saturation_curve(mirnas: pl.DataFrame, steps: int = 20) -> pl.DataFrame:
    """Return share, reads, detected: the miRNAs expected with a read if only a share of the reads had been sequenced.

    Each read is kept or not on its own, so a miRNA of n reads is seen with probability 1 - (1 - share)^n (rarefaction;
    Heck et al. 1975, Ecology 56:1459 [from memory, unchecked], in its binomial form).
    """
    import polars as pl  # slow to import

    counts = mirnas["reads_em"].to_numpy()
    counts = counts[counts >= 0.5]
    share = np.arange(1, steps + 1) / steps
    missed: NDArray[np.float64] = (1.0 - share[:, None]) ** counts[None, :]
    detected = (1.0 - missed).sum(axis=1)
    return pl.DataFrame({"share": share, "reads": share * counts.sum(), "detected": detected})


def phix_share(path: Path, most: int = PHIX_READS) -> float | None:
    """Return the share of a FASTQ's first reads that are phiX174's; None if no read can be seen.

    PhiX is added to runs as a control. Its reads carry no small-RNA adapter, so they never reach the counting and are
    looked for in the raw reads: any of three words of 24 bases, on either strand.
    """
    words = _phix_words()
    reads = _first_bases(path, most)
    hits = 0
    for read in reads:
        last = len(read) - PHIX_WORD
        hits += last >= 0 and any(read[at : at + PHIX_WORD] in words for at in (0, last // 2, last))
    return hits / len(reads) if reads else None


@cache
def _phix_words() -> frozenset[str]:
    """Return all words of phiX174's circular genome and its complement."""
    lines = (files("vesicula.data") / "smallrna" / "phix174.fa").read_text(encoding="ascii").splitlines()
    genome = "".join(lines[1:])
    found: set[str] = set()
    for strand in (genome, genome[::-1].translate(str.maketrans("ACGT", "TGCA"))):
        circle = strand + strand[: PHIX_WORD - 1]
        found.update(circle[i : i + PHIX_WORD] for i in range(len(strand)))
    return frozenset(found)


def _first_bases(path: Path, most: int) -> list[str]:
    """Return the bases of the first reads, as far as the first 2 MiB of the file hold them, damaged or not."""
    with path.open("rb") as handle:
        raw = handle.read(_FIRST_BYTES)
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(raw)
    lines = raw.split(b"\n", 4 * most + 1)[:-1]
    return [line.strip().decode("latin-1").upper() for line in lines[1 : 4 * most : 4]]


def _unpacked(raw: bytes) -> bytes:
    """Return what the start of a gzip file holds, over all members, up to a fault or 8 MiB."""
    parts, size = [], 0
    while raw[:2] == b"\x1f\x8b" and size < 4 * _FIRST_BYTES:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(raw, 4 * _FIRST_BYTES))
        except zlib.error:
            break
        size += len(parts[-1])
        raw = member.unused_data
    return b"".join(parts)


def plain(found: ForeignReads) -> Mapping[str, float | int | None]:
    """Return the fields as plain values, for JSON."""
    return asdict(found)
