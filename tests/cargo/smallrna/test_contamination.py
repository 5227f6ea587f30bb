"""What is not the vesicles': shares of another species with intervals, phiX, hints, limits, verdicts."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.smallrna import References, kit_named, packaged_mirnas, quantify_fastq
from vesicula.cargo.smallrna.contamination import (
    PLATELET_TYPICAL,
    ForeignReads,
    foreign_reads,
    foreign_share_of,
    phix_share,
    platelet_typical_share,
)
from vesicula.cargo.smallrna.detection import detection_limit_rpm, reads_needed
from vesicula.cargo.smallrna.output import quality_of
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, SimulatedReads, simulate_reads, write_fastq
from vesicula.cargo.smallrna.verdict import CARE, UNUSABLE, USABLE, judge
from vesicula.core.errors import AnalysisError

TRUSEQ = kit_named("truseq")
Mixer = Callable[..., ForeignReads]


@pytest.fixture(scope="module")
def mixed(references: References, tmp_path_factory: pytest.TempPathFactory) -> Mixer:
    """Return a function that counts a mix of human and bovine reads of one composition, drawn anew each time."""
    library = SimulatedLibrary(reads=100_000, expressed=400, error_rate=0.003)
    pools = [
        simulate_reads(packaged_mirnas(species), library, np.random.default_rng(seed))
        for seed, species in ((31, "hsa"), (32, "bta"))
    ]
    path = tmp_path_factory.mktemp("mix") / "mix.fastq"

    def mix(reads: int, share: float, rng: np.random.Generator) -> ForeignReads:
        bovine = int(rng.binomial(reads, share))
        rows = [rng.integers(0, 100_000, n) for n in (reads - bovine, bovine)]
        bases = np.concatenate([pool.bases[row] for pool, row in zip(pools, rows, strict=True)])
        qualities = np.concatenate([pool.qualities[row] for pool, row in zip(pools, rows, strict=True)])
        write_fastq(SimulatedReads(bases=bases, qualities=qualities, truth={}, origin={}), path)
        counts = quantify_fastq(path, references, kit=TRUSEQ)
        return foreign_reads(counts.foreign, counts.mirna_reads)

    return mix


@pytest.mark.slow
def test_the_share_from_the_medium_covers_the_truth(mixed: Mixer) -> None:
    rng = np.random.default_rng(41)
    inside = trials = 0
    for share in (0.01, 0.05, 0.3):
        for _ in range(16):
            medium = mixed(8_000, 1.0, rng)
            estimate, low, high = foreign_share_of(mixed(8_000, share, rng), medium)
            assert low <= estimate <= high
            assert estimate == pytest.approx(share, rel=0.5)
            inside += low <= share <= high
            trials += 1
    # Binomial(48, 0.95) is 41 or less once in 200: the intervals must not be too narrow; too wide they may be a little.
    assert inside >= 42


def test_the_known_foreign_share_is_a_lower_bound(mixed: Mixer) -> None:
    rng = np.random.default_rng(42)
    for share in (0.02, 0.2):
        found = mixed(10_000, share, rng)
        assert found.low is not None
        assert found.share is not None
        assert 0 < found.low <= found.share < 1.1 * share
        assert found.low < share


def test_human_reads_alone_are_not_foreign(mixed: Mixer) -> None:
    rng = np.random.default_rng(43)
    share, low, high = foreign_share_of(mixed(20_000, 0.0, rng), mixed(20_000, 1.0, rng))
    assert 0 <= low <= share <= high < 1e-3
    lows = [mixed(20_000, 0.0, rng).low for _ in range(10)]
    assert lows == [pytest.approx(0.0, abs=1e-4)] * 10


def test_errors_of_an_abundant_mirna_are_not_foreign() -> None:
    schema = ["foreign", "nearest_ours", "reads", "errors_expected", "excess"]
    row = ("bta-miR-x", "hsa-miR-x", 30, 25.0, 5.0)
    found = foreign_reads(pl.DataFrame([row], schema=schema, orient="row"), 100_000)
    assert (found.reads, found.beyond_errors, found.all_mirna) == (30, 30, 100_000)
    assert found.share == pytest.approx(5e-5)
    assert found.low == 0
    alone = foreign_reads(pl.DataFrame([("b", "", 30, 0.0, 30.0)], schema=schema, orient="row"), 99_970)
    assert alone.all_mirna == 100_000
    # Garwood's exact interval of 30 counts: 20.24 to 42.83 (chi-squared quantiles).
    assert (alone.low, alone.high) == (pytest.approx(2.0241e-4, rel=1e-3), pytest.approx(4.2827e-4, rel=1e-3))
    assert foreign_reads(pl.DataFrame(), 50).share is None


def test_a_medium_with_too_few_known_reads_gives_no_share() -> None:
    few = ForeignReads(reads=19, beyond_errors=19, errors=0.0, all_mirna=100, share=0.19, low=0.1, high=0.3)
    with pytest.raises(AnalysisError, match="too few"):
        foreign_share_of(few, few)


def test_phix_is_found_on_both_strands(simulated: SimulatedReads, tmp_path: Path) -> None:
    genome = "".join((files("vesicula.data") / "smallrna" / "phix174.fa").read_text().splitlines()[1:])
    assert len(genome) == 5386
    other = genome[::-1].translate(str.maketrans("ACGT", "TGCA"))
    circle = (genome + genome)[5370:5421]
    phix = [genome[100:151], other[2000:2051], circle, genome[300:340]]
    mirnas = [row.tobytes().decode() for row in simulated.bases[:36]]
    text = "".join(f"@x\n{s}\n+\n{'I' * len(s)}\n" for s in [*mirnas, *phix])
    path = tmp_path / "a.fastq"
    path.write_text(text)
    assert phix_share(path) == pytest.approx(4 / 40)
    packed = tmp_path / "a.fastq.gz"
    packed.write_bytes(gzip.compress(text[:2000].encode()) + gzip.compress(text[2000:].encode()))
    assert phix_share(packed) == pytest.approx(4 / 40)
    packed.write_bytes(packed.read_bytes()[:400])
    assert phix_share(packed) == 0.0
    path.write_text("")
    assert phix_share(path) is None


def test_simulated_reads_hold_no_phix(simulated: SimulatedReads, tmp_path: Path) -> None:
    write_fastq(simulated, tmp_path / "a.fastq")
    assert phix_share(tmp_path / "a.fastq") == 0.0


def test_platelet_typical_mirnas_are_a_share() -> None:
    table = pl.DataFrame({"mirna": [PLATELET_TYPICAL[0], "hsa-let-7a-5p"], "reads_em": [1.0, 3.0]})
    assert platelet_typical_share(table) == 0.25
    assert platelet_typical_share(table.with_columns(reads_em=pl.lit(0.0))) is None
    assert platelet_typical_share(table.filter(pl.col("mirna") == "hsa-let-7a-5p")) is None
    assert set(PLATELET_TYPICAL) <= set(packaged_mirnas().matures)


def test_the_detection_limit_is_what_a_simulation_sees() -> None:
    assert reads_needed() == pytest.approx(-math.log(0.05))
    rng = np.random.default_rng(5)
    for at_least in (1, 10):
        limit = detection_limit_rpm(200_000, at_least)
        assert limit is not None
        seen = rng.binomial(200_000, limit / 1e6, 40_000) >= at_least
        assert seen.mean() == pytest.approx(0.95, abs=0.004)
    assert detection_limit_rpm(2) is None


def test_verdicts_name_their_reasons(references: References, tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    write_fastq(simulate_reads(packaged_mirnas(), SimulatedLibrary(reads=9_000), np.random.default_rng(1)), path)
    quality = quality_of(quantify_fastq(path, references, kit=TRUSEQ), phix=0.0)
    assert quality["judgement"]["level"] == UNUSABLE
    assert "reads of known RNA" in quality["judgement"]["reasons"][0]
    assert judge({**quality, "classes": {"miRNA": 50_000, "unassigned": 0}}).level == CARE
    good = {**quality, "classes": {"miRNA": 150_000, "unassigned": 0}}
    assert judge(good).level == USABLE
    for changed, word in (
        ({"adapter_dimer_share": 0.6}, "dimers"), ({"phix_share": 0.2}, "phiX"), ({"verdict": "partial"}, "damaged"),
        ({"foreign_share": {"low": 0.02}}, "another species"),
        ({"reads": {**good["reads"], "length_histogram": [0] * 30 + [9] * 10}}, "20 to 25 nt"),
        ({"reads": {**good["reads"], "kept": 10_000_000}}, "are miRNA"),
    ):  # fmt: skip
        judged = judge({**good, **changed})
        assert judged.level == CARE
        assert [word in reason for reason in judged.reasons] == [True]
        assert len(judged.kinds) == 1
