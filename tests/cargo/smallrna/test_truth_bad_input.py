"""The whole way on hostile files: one clear error, or a verdict and what was counted until the fault."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.smallrna import References, kit_named, quantify_fastq, read_fasta
from vesicula.cargo.smallrna.simulate import SimulatedReads, fastq_bytes
from vesicula.core.errors import UnreadableFile, VesiculaError

LET7A = "TGAGGTAGTAGGTTGTATAGTT"
TRUSEQ = kit_named("truseq")
GOOD = f"@r\n{LET7A}{TRUSEQ.adapter_3p}\n+\n{'I' * 43}\n"


@pytest.mark.parametrize(
    ("name", "content", "place", "message"),
    [
        ("a.fastq", f">r\n{LET7A}\n".encode(), "line 1", "FASTA"),
        ("a.fastq.gz", gzip.compress(f">r\n{LET7A}\n".encode()), "line 1", "FASTA"),
        ("a.fastq.gz", b"", "whole file", "an empty file"),
        ("a.fastq.gz", gzip.compress(b""), "whole file", "an empty file"),
        ("a.fastq.gz", gzip.compress(GOOD.encode() * 50)[:15], "whole file", "cut off"),
        ("a.fastq", b"PK\x03\x04 a zip", "line 1", "PK"),
        ("a.fastq", b"@r\nACGT\nIIII\n" * 9, "record 1", "another line"),
    ],
    # Names of their own: gzip writes the time into its head, and the bytes would name the test anew each second.
    ids=["FASTA", "packed FASTA", "empty", "packed nothing", "cut gzip", "zip", "broken records"],
)
def test_what_cannot_be_read_is_one_error(
    references: References, tmp_path: Path, name: str, content: bytes, place: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=message) as caught:
        quantify_fastq(path, references)
    assert caught.value.where == place
    assert caught.value.remedy
    assert str(path) in str(caught.value)


def test_a_cut_gzip_with_mixed_line_ends_is_partial(
    references: References, simulated: SimulatedReads, tmp_path: Path
) -> None:
    lines = fastq_bytes(simulated).split(b"\n")
    ends = np.random.default_rng(1).integers(0, 2, len(lines))
    mixed = b"".join(line + (b"\r\n" if end else b"\n") for line, end in zip(lines[:-1], ends, strict=False))
    plain, path = tmp_path / "plain.fastq", tmp_path / "cut.fastq.gz"
    plain.write_bytes(b"\n".join(lines))
    packed = gzip.compress(mixed, 6)
    path.write_bytes(packed[: 2 * len(packed) // 3])
    whole, part = quantify_fastq(plain, references), quantify_fastq(path, references)
    assert (whole.verdict, part.verdict) == ("complete", "partial")
    assert any("only its first part is counted" in text and "cut off" in text for text in part.messages)
    share = part.reads.reads / whole.reads.reads
    assert 0.5 < share < 0.8
    assert part.mirna_reads == pytest.approx(share * whole.mirna_reads, rel=0.05)
    path.write_bytes(packed)
    complete = quantify_fastq(path, references)
    assert complete.mirnas.equals(whole.mirnas)
    assert complete.verdict == "complete"


def test_a_wrong_adapter_and_a_library_without_mirnas_say_so(references: References, tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    path.write_text(GOOD * 200)
    wrong = quantify_fastq(path, references, kit=kit_named("qiaseq"))
    assert wrong.verdict == "nothing"
    assert any("0.0% of the reads only: is it the right one?" in text for text in wrong.messages)
    rng = np.random.default_rng(3)
    inserts = ["".join("ACGT"[i] for i in rng.integers(0, 4, 26)) for _ in range(400)]
    path.write_text("".join(f"@r\n{s}{TRUSEQ.adapter_3p}\n+\n{'I' * 47}\n" for s in inserts))
    none = quantify_fastq(path, references)
    assert none.verdict == "nothing"
    assert none.kit.kit.adapter_3p == TRUSEQ.adapter_3p
    assert any("none is a miRNA of the reference" in text for text in none.messages)
    assert none.classes["unassigned"] == none.reads.kept == 400


def test_a_line_of_a_thousand_million_letters_is_streamed(references: References, tmp_path: Path) -> None:
    """One member of ten million letters, a hundred times: a thousand million letters on one line, never held."""
    path = tmp_path / "a.fastq.gz"
    letters = gzip.compress(b"A" * 10_000_000) * 100
    path.write_bytes(gzip.compress(GOOD.encode() * 300 + b"@long\n") + letters)
    counts = quantify_fastq(path, references)
    assert counts.verdict == "partial"
    assert counts.mirna_reads == 300
    assert any("after record 300" in text and "longer line" in text for text in counts.messages)
    path.write_bytes(gzip.compress(b"@long\n") + letters)
    with pytest.raises(VesiculaError, match="longer line"):
        quantify_fastq(path, references)


def test_trna_fragments_and_phix_from_the_users_fasta(tmp_path: Path) -> None:
    """Other RNA comes from the user's FASTA, by class and in the order given; a miRNA's own read stays a miRNA's."""
    rng = np.random.default_rng(4)
    trna, phix, shared = ("".join("ACGU"[i] for i in rng.integers(0, 4, n)) for n in (73, 300, 40))
    (tmp_path / "trna.fa").write_text(f">tRNA-Gly-GCC-1\n{trna}CCA\n>tRNA-Glu-CTC-1\n{shared}{trna[:20]}\n")
    with gzip.open(tmp_path / "phix.fa.gz", "wt") as handle:
        handle.write(f">phiX174 made by hand\n{phix[:150]}\n{phix[150:]}\n{shared}\n{LET7A}\n")
    classes = {"tRNA": read_fasta(tmp_path / "trna.fa"), "phiX": read_fasta(tmp_path / "phix.fa.gz")}
    references = References(other=classes)
    trna, phix, shared = (s.replace("U", "T") for s in (trna, phix, shared))
    changed = phix[60:75] + ("A" if phix[75] != "A" else "C") + phix[76:90]
    inserts = [trna[:31]] * 5 + [trna[-18:] + "CCA"] * 4 + [phix[135:165]] * 3 + [changed] * 2 + [shared[:30], LET7A]
    path = tmp_path / "a.fastq"
    path.write_text("".join(f"@r\n{s}{TRUSEQ.adapter_3p}\n+\n{'I' * (len(s) + 21)}\n" for s in inserts))
    counts = quantify_fastq(path, references, kit=TRUSEQ)
    assert counts.classes == {"miRNA": 1, "spike-in": 0, "tRNA": 10, "phiX": 5, "unassigned": 0}
    rows = {(kind, name): reads for kind, name, reads in counts.other.select("class", "sequence", "reads").iter_rows()}
    assert rows == {("tRNA", "tRNA-Gly-GCC-1"): 9, ("tRNA", "tRNA-Glu-CTC-1"): 1, ("phiX", "phiX174"): 5}
