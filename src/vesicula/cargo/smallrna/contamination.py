"""Signs of what is not the vesicles': miRNA of another species, haemolysis, adapter dimers; and saturation.

A read counts as foreign if the other species' miRNA explains it with at least a whole mismatch less than any of ours, or
ours do not explain it at all. Most miRNAs are the same in cattle and man: foreign reads are a lower bound. A
foreign miRNA one base from an abundant one of ours collects its sequencing errors: `errors_expected` is the part of its reads that these can explain.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vesicula.cargo.smallrna._match_kernels import MISMATCH_COST
from vesicula.cargo.smallrna.assign import Hits, Ints, MirnaIndex

ERROR_PER_BASE = 0.003
"""Of a sequenced base, all wrong bases together; a third of it for a given one. Order of magnitude of Illumina's
substitution errors (Schirmer et al. 2016, BMC Bioinformatics 17:125 [from memory, unchecked])."""


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


def haemolysis_log2_ratio(mirnas: pl.DataFrame) -> float | None:
    """Return log2 of miR-451a over miR-23a-3p reads; None unless both are seen.

    Red cells are full of miR-451a, and miR-23a-3p hardly changes with haemolysis. By qPCR a difference of more than 5
    cycles is suspect and of more than 7 a sign of it (Blondal et al. 2013, Methods 59:S1 [from memory, unchecked]);
    sequencing has other biases, so no limit is drawn here.
    """
    counts = dict(mirnas.select("mirna", "reads_em").iter_rows())
    red, stable = (counts.get(f"hsa-miR-{name}", 0.0) for name in ("451a", "23a-3p"))
    return float(np.log2(red / stable)) if red > 0 and stable > 0 else None


def saturation_curve(mirnas: pl.DataFrame, steps: int = 20) -> pl.DataFrame:
    """Return share, reads, detected: the miRNAs expected with a read if only a share of the reads had been sequenced.

    Each read is kept or not on its own, so a miRNA of n reads is seen with probability 1 - (1 - share)^n (rarefaction;
    Heck et al. 1975, Ecology 56:1459 [from memory, unchecked], in its binomial form).
    """
    counts = mirnas["reads_em"].to_numpy()
    counts = counts[counts >= 0.5]
    share = np.arange(1, steps + 1) / steps
    missed: NDArray[np.float64] = (1.0 - share[:, None]) ** counts[None, :]
    detected = (1.0 - missed).sum(axis=1)
    return pl.DataFrame({"share": share, "reads": share * counts.sum(), "detected": detected})
