"""The rules of assignment, and ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.smallrna import References, read_mirnas
from vesicula.cargo.smallrna.assign import MirnaIndex, OtherIndex, classes_of, encode, share_ties
from vesicula.cargo.smallrna.gff import gff_header, gff_lines, variant_of
from vesicula.cargo.smallrna.reference import MirnaReference, build_reference

FLANK5, MATURE, FLANK3 = "GGCATCCA", "TACGGATTCCTGAAGCTGCATC", "GACTTAGC"


@pytest.fixture(scope="module")
def one() -> MirnaIndex:
    hairpin = FLANK5 + MATURE + FLANK3
    return MirnaIndex(build_reference({"x-miR-1": MATURE}, {"x-mir-1": hairpin}, name="test"))


def explained(index: MirnaIndex, sequence: str) -> list[tuple[str, str, int]]:
    hits = index.match(*encode([sequence]))
    best = np.flatnonzero(hits.best)
    return [(index.names[hits.mature[i]], variant_of(hits, i), int(hits.cost[i])) for i in best]


@pytest.mark.parametrize(
    ("sequence", "variant", "cost"),
    [
        (MATURE, "NA", 0),
        (FLANK5[-2:] + MATURE, "iso_5p:-2", 8),
        (MATURE[1:], "iso_5p:+1", 4),
        (MATURE + FLANK3[:3], "iso_3p:+3", 3),
        (MATURE[:-5], "iso_3p:-5", 5),
        (MATURE + "A", "iso_add3p:1", 6),
        (MATURE + "GT", "iso_3p:+1,iso_add3p:1", 7),  # the first G is the hairpin's
        (MATURE + "TTT", "iso_add3p:3", 10),
        (MATURE[:-1] + "A", "iso_3p:-1,iso_add3p:1", 7),
        (MATURE[:3] + "A" + MATURE[4:], "iso_snv_seed", 12),
        (MATURE[:7] + "A" + MATURE[8:], "iso_snv_central_offset", 12),
        (MATURE[:10] + "A" + MATURE[11:], "iso_snv_central", 12),
        (MATURE[:15] + "T" + MATURE[16:], "iso_snv_central_supp", 12),
        ("C" + MATURE[1:], "iso_snv", 12),
        (MATURE[1:10] + "A" + MATURE[11:] + "A", "iso_5p:+1,iso_add3p:1,iso_snv_central", 22),
    ],
)
def test_isomirs_are_named_by_the_rules(one: MirnaIndex, sequence: str, variant: str, cost: int) -> None:
    assert explained(one, sequence) == [("x-miR-1", variant, cost)]


@pytest.mark.parametrize(
    "sequence",
    [
        FLANK5[-4:] + MATURE,  # 4 nt before the 5' end
        MATURE + FLANK3[:6],  # 6 nt past the 3' end, the last of them untemplated at best: 5 and 1 added is allowed
        MATURE + "TTTT",
        MATURE[:3] + "A" + MATURE[4:9] + "G" + MATURE[10:],  # two mismatches
        MATURE[:15],  # shorter than both seeds
        MATURE[::-1],
        "A" * 22,
    ],
)
def test_what_the_rules_do_not_allow_is_not_explained(one: MirnaIndex, sequence: str) -> None:
    assert explained(one, sequence) == []


def test_ties_unique_fractional_and_em() -> None:
    classes = {((0, 0),): 90, ((1, 0),): 10, ((0, 0), (1, 0)): 100, ((3, 0), (4, 0)): 8}
    shares = share_ties(classes, 6)
    assert shares.unique.tolist() == [90, 10, 0, 0, 0, 0]
    assert shares.fractional.tolist() == [140, 60, 0, 4, 4, 0]
    assert shares.em == pytest.approx(np.array([180, 20, 0, 4, 4, 0]), abs=2e-3)  # 0 and 1 share their tie 9 : 1
    many = share_ties({((0, 0),): 100_000, ((2, 0), (0, 12)): 20}, 3)
    assert many.em[2] < 0.5  # 100 errors were to be expected: nothing speaks for 2
    real = share_ties({((0, 0),): 1_000, ((2, 0), (0, 12)): 200}, 3)
    assert real.em[2] == pytest.approx(199, abs=1)
    assert share_ties({}, 2).em.tolist() == [0, 0]


def test_identical_matures_share_equally(references: References) -> None:
    sequence = references.mirnas.reference.matures["hsa-miR-199a-3p"]
    hits = references.mirnas.match(*encode([sequence]))
    classes = classes_of(hits, np.array([10]))
    shares = share_ties(classes, len(references.mirnas.names))
    got = {references.mirnas.names[i]: shares.em[i] for i in np.flatnonzero(shares.em > 0.01)}
    assert got == {"hsa-miR-199a-3p": pytest.approx(5), "hsa-miR-199b-3p": pytest.approx(5)}


def test_other_rna_is_found_whole_with_one_mismatch() -> None:
    rng = np.random.default_rng(5)
    trna, yrna = ("".join("ACGT"[i] for i in rng.integers(0, 4, 80)) for _ in range(2))
    index = OtherIndex({"tRNA": {"t1": trna, "t1copy": trna}, "Y RNA": {"y1": yrna}, "empty": {}})
    changed = yrna[10:25] + ("A" if yrna[25] != "A" else "C") + yrna[26:40]
    twice = ("A" if yrna[0] != "A" else "C") + changed[1:]
    found, wrong = index.match(*encode([trna[:30], changed, yrna[-16:], trna[70:] + "A" * 10, twice, yrna[-11:]]))
    assert [index.names[i] if i >= 0 else "" for i in found] == ["t1", "y1", "y1", "", "", ""]
    assert wrong.tolist() == [0, 1, 0, 2, 2, 2]


def test_mirtops_synthetic_let7a(cargo_data: Path) -> None:
    """mirtop's reads and its expected mirGFF3: the same variants, but for what our rules name otherwise."""
    folder = cargo_data / "miRTop__mirtop" / "data" / "examples" / "synthetic"
    wanted = {}
    for line in (folder / "let7a-5p.gff").read_text().splitlines():
        if not line.startswith("#"):
            attributes = dict(x.strip().split("=") for x in line.split("\t")[8].split(";"))
            wanted[attributes["Read"]] = (attributes["Name"], attributes["Variant"], attributes["Cigar"])
    sub = read_mirnas(
        cargo_data / "taoshengxu__miRBaseConverter" / "derived" / "mature_v21.fa.gz",
        cargo_data / "taoshengxu__miRBaseConverter" / "derived" / "hairpin_v21.fa.gz", species="hsa",
    )  # fmt: skip
    only = {"hsa-let-7a-5p": sub.matures["hsa-let-7a-5p"]}
    index = MirnaIndex(build_reference(only, {"hsa-let-7a-1": sub.hairpins["hsa-let-7a-1"]}, name="miRBase 21"))
    sequences = list(wanted)
    codes, lengths = encode(sequences)
    hits = index.match(codes, lengths)
    got = {}
    for line in gff_lines(index, sequences, hits, np.ones(len(sequences), np.int64), codes):
        attributes = dict(x.strip().split("=") for x in line.split("\t")[8].split(";"))
        got[attributes["Read"]] = (attributes["Name"], attributes["Variant"], attributes["Cigar"])
    assert len(wanted) >= 11
    assert {k: (v, got.get(k)) for k, v in wanted.items() if got.get(k) != v} == {}
    assert gff_header(index, "s").startswith("## mirGFF3. VERSION 1.2\n")


def test_a_reference_without_hairpins_calls_longer_ends_added() -> None:
    reference: MirnaReference = build_reference({"x-miR-1": MATURE}, {}, name="test")
    assert explained(MirnaIndex(reference), MATURE + "G") == [("x-miR-1", "iso_add3p:1", 6)]
