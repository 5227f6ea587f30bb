"""Packaged and given references."""

from __future__ import annotations

import csv
import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from vesicula.cargo.smallrna import packaged_mirnas, read_fasta, read_mirnas
from vesicula.cargo.smallrna.reference import packaged_spike_ins
from vesicula.core.errors import SettingsError, UnreadableFile


def test_packaged_files_are_as_their_provenance_says() -> None:
    folder = files("vesicula.data") / "smallrna"
    rows = list(csv.DictReader((folder / "PROVENANCE.tsv").read_text().splitlines(), delimiter="\t"))
    assert {row["file"] for row in rows} == {
        "mature_hsa.fa.gz", "hairpin_hsa.fa.gz", "mature_bta.fa.gz", "hairpin_bta.fa.gz", "spike_in.fa",
        "phix174.fa",
    }  # fmt: skip
    for row in rows:
        assert hashlib.sha256((folder / row["file"]).read_bytes()).hexdigest() == row["sha256"]


def test_human_reference_has_the_counts_of_release_22() -> None:
    human = packaged_mirnas()
    assert (len(human.matures), len(human.hairpins)) == (2656, 1917)
    assert human.matures["hsa-miR-451a"] == "AAACCGTTACCATTACTGAGTT"
    assert len(set(human.matures.values())) == 2632
    assert packaged_spike_ins()["cel-miR-39-3p"] == "TCACCGGGTGTAAATCAGCTTG"


def test_every_locus_is_its_mature() -> None:
    for species in ("hsa", "bta"):
        reference = packaged_mirnas(species)
        assert {locus.mature for locus in reference.loci} == set(reference.matures)
        for locus in reference.loci:
            assert reference.hairpins[locus.hairpin][locus.start : locus.end] == reference.matures[locus.mature]


def test_loci_agree_with_mirbases_own_coordinates(cargo_data: Path) -> None:
    """All but the loci whose genome copies miRBase pairs across hairpins, or whose coordinates lie outside theirs."""
    theirs = _coordinates(cargo_data / "BELEN-M__TFM" / "hsa.gff3")
    ours = {(x.mature, x.hairpin, x.start, x.end) for x in packaged_mirnas().loci}
    missing = theirs - ours
    assert len(theirs & ours) == 2874
    # 8 loci lie in another genomic copy of the hairpin than the one they are said to derive from; one is named after
    # a sister hairpin.
    assert {m for m, *_ in missing} == {
        "hsa-miR-10401-3p", "hsa-miR-10401-5p", "hsa-miR-4477a", "hsa-miR-4477b", "hsa-miR-550b-2-5p"
    }  # fmt: skip


def _coordinates(path: Path) -> set[tuple[str, str, int, int]]:
    rows = [line.split("\t") for line in path.read_text().splitlines() if line.count("\t") == 8]
    parsed = [(row, dict(x.split("=") for x in row[8].split(";"))) for row in rows]
    hairpins = {a["ID"]: (a["Name"], int(r[3]), int(r[4])) for r, a in parsed if r[2] == "miRNA_primary_transcript"}
    found = set()
    for row, a in parsed:
        if row[2] == "miRNA":
            name, start, end = hairpins[a["Derives_from"]]
            offset = int(row[3]) - start if row[6] == "+" else end - int(row[4])
            found.add((a["Name"], name, offset, offset + int(row[4]) - int(row[3]) + 1))
    return found


def test_users_fasta(tmp_path: Path) -> None:
    mature, hairpin = tmp_path / "m.fa", tmp_path / "h.fa"
    mature.write_text(">xxx-miR-1-3p MIMAT1\nUGGAAUGUAAAGAAGUAUGUAU\n>yyy-miR-2 b\nACGUACGUACGUACGUACGU\n")
    hairpin.write_text(">xxx-mir-1-2 MI1\nGGG\nUGGAAUGUAAAGAAGUAUGUAUCC\n")
    reference = read_mirnas(mature, hairpin, species="xxx")
    assert [(x.mature, x.hairpin, x.start, x.end) for x in reference.loci] == [("xxx-miR-1-3p", "xxx-mir-1-2", 3, 25)]
    alone = read_mirnas(mature)
    assert {x.hairpin for x in alone.loci} == {"xxx-miR-1-3p", "yyy-miR-2"}
    with pytest.raises(SettingsError, match="zzz-"):
        read_mirnas(mature, species="zzz")
    with pytest.raises(SettingsError, match="hsa and bta"):
        packaged_mirnas("mmu")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1"),
        ("ACGT\n", "line 1"),
        (">a\nACGT\n>a\nAC\n", "line 3"),
        (">a\nAC-GT\n", "line 2"),
        (">\nAC\n", "line 1"),
    ],
)
def test_what_is_no_fasta_is_refused(tmp_path: Path, text: str, where: str) -> None:
    path = tmp_path / "x.fa"
    path.write_text(text)
    with pytest.raises(UnreadableFile) as caught:
        read_fasta(path)
    assert caught.value.where == where
