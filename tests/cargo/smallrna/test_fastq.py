"""FASTQ to distinct inserts: trimming against a plain implementation, and hostile files."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.smallrna import Kit, TrimSettings, chunks, collapse_fastq, kit_named, kits
from vesicula.cargo.smallrna.collapse import Collapsed, decode
from vesicula.cargo.smallrna.simulate import SimulatedReads, fastq_bytes
from vesicula.core.errors import SettingsError, UnreadableFile

TRUSEQ = kit_named("truseq")
ADAPTER = TRUSEQ.adapter_3p


def inserts_of(collapsed: Collapsed) -> dict[str, tuple[int, int]]:
    """Reads and molecules by insert; no insert may come twice."""
    found: dict[str, tuple[int, int]] = {}
    for part in collapsed.parts():
        codes, lengths = decode(part.high, part.low)
        for i, n in enumerate(lengths.tolist()):
            text = "".join("ACGT"[c] for c in codes[i, :n])
            assert text not in found
            found[text] = int(part.reads[i]), int(part.molecules[i])
    return found


def record(bases: str, name: str = "r", quality: str = "") -> str:
    return f"@{name}\n{bases}\n+\n{quality or 'I' * len(bases)}\n"


def plainly(bases: str, adapter: str) -> str | None:
    """The rules of trimming, written plainly."""
    at = bases.find(adapter[:12])
    if at >= 0:
        return bases[:at]
    best = (0, None)
    for p in range(len(bases) - 4):
        seen = min(len(adapter), len(bases) - p, 20)
        wrong = sum(a != b for a, b in zip(bases[p : p + seen], adapter, strict=False))
        if wrong <= seen // 8 and seen - 3 * wrong > best[0]:
            best = (seen - 3 * wrong, p)
    return None if best[1] is None else bases[: best[1]]


def expected(reads: SimulatedReads) -> Counter[str]:
    rows = [row.tobytes().decode() for row in reads.bases]
    cost = 10.0 ** (-(reads.qualities.astype(float) - 33) / 10)
    found: Counter[str] = Counter()
    for i, bases in enumerate(rows):
        insert = plainly(bases, ADAPTER)
        if insert is not None and 16 <= len(insert) <= 45 and cost[i, : len(insert)].sum() <= 1:
            found[insert] += 1
    return found


def test_trimming_and_counts_are_those_of_a_plain_implementation(simulated: SimulatedReads, tmp_path: Path) -> None:
    path = tmp_path / "a.fastq.gz"
    path.write_bytes(gzip.compress(fastq_bytes(simulated), 1))
    collapsed = collapse_fastq(path, TRUSEQ)
    assert {k: v[0] for k, v in inserts_of(collapsed).items()} == dict(expected(simulated))
    counts = collapsed.counts
    assert counts.reads == 20_000
    assert collapsed.damage == ""
    fates = (
        counts.no_adapter, counts.too_short, counts.too_long, counts.low_quality, counts.with_n, counts.no_umi,
        counts.kept,
    )  # fmt: skip
    assert sum(fates) == counts.reads
    assert sum(counts.length_histogram) == counts.trimmed == counts.reads - counts.no_adapter
    assert abs(counts.dimers - simulated.origin["dimers"]) <= 0.03 * simulated.origin["dimers"]


@pytest.mark.parametrize("size", [150, 151, 152, 157, 1000])
def test_records_are_joined_across_chunks(
    simulated: SimulatedReads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "a.fastq"
    path.write_bytes(b"".join(fastq_bytes(simulated).splitlines(keepends=True)[:2000]))
    whole = inserts_of(collapse_fastq(path, TRUSEQ))
    monkeypatch.setattr(chunks, "CHUNK", size)
    assert inserts_of(collapse_fastq(path, TRUSEQ)) == whole
    assert whole


def test_line_endings_may_be_mixed(simulated: SimulatedReads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = fastq_bytes(simulated).split(b"\n")[:4000]
    plain, mixed = tmp_path / "a.fastq", tmp_path / "b.fastq"
    plain.write_bytes(b"\n".join(lines) + b"\n")
    endings = np.random.default_rng(0).integers(0, 2, len(lines))
    mixed.write_bytes(b"".join(line + (b"\r\n" if e else b"\n") for line, e in zip(lines, endings, strict=True))[:-1])
    whole = inserts_of(collapse_fastq(plain, TRUSEQ))
    assert inserts_of(collapse_fastq(mixed, TRUSEQ)) == whole
    monkeypatch.setattr(chunks, "CHUNK", 333)
    assert inserts_of(collapse_fastq(mixed, TRUSEQ)) == whole


def test_the_last_line_needs_no_newline_and_names_may_begin_qualities(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    insert = "ACGTACGTACGTACGTAC"
    bases = insert + ADAPTER
    path.write_text((record(bases, quality="@" * len(bases)) * 2 + "\n" + record(bases))[:-1])
    collapsed = collapse_fastq(path, TRUSEQ, TrimSettings(max_expected_errors=20))
    assert inserts_of(collapsed) == {insert: (3, 3)}


def test_what_does_not_fit_memory_goes_to_disk_and_comes_back(simulated: SimulatedReads, tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    path.write_bytes(fastq_bytes(simulated))
    whole = inserts_of(collapse_fastq(path, TRUSEQ))
    assert len(whole) > 1500
    assert inserts_of(collapse_fastq(path, TRUSEQ, TrimSettings(max_distinct=300))) == whole
    umi = Kit(name="u", adapter_3p=ADAPTER[:12], umi=8)
    with_umi = inserts_of(collapse_fastq(path, umi))
    assert with_umi
    assert inserts_of(collapse_fastq(path, umi, TrimSettings(max_distinct=300))) == with_umi


def test_umis_count_molecules(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    kit = kit_named("qiaseq")
    insert, other = "TGAGGTAGTAGGTTGTATAGTT", "AAACCGTTACCATTACTGAGTT"
    umis = ["ACGTACGTACGT"] * 5 + ["TTTTACGTACGT"] * 2
    reads = [insert + kit.adapter_3p + u for u in umis] + [other + kit.adapter_3p + "ACGTACGTACGT" + "GGG"]
    reads += [insert + kit.adapter_3p + "ACGT"]  # the read ends inside the UMI
    reads += [insert + kit.adapter_3p + "ACGTNCGTACGT"]
    path.write_text("".join(record(r) for r in reads))
    collapsed = collapse_fastq(path, kit)
    assert inserts_of(collapsed) == {insert: (7, 2), other: (1, 1)}
    assert (collapsed.counts.no_umi, collapsed.counts.with_n) == (1, 1)


def test_random_bases_are_clipped_and_every_kit_of_the_table_works(tmp_path: Path) -> None:
    insert = "CGAGGTCGTCGGTTGTCTCGTC"
    for kit in kits():
        path = tmp_path / f"{kit.name}.fastq"
        bases = "G" * kit.clip_5p + insert + "C" * kit.clip_3p + kit.adapter_3p + "ACGTACGTACGT"
        path.write_text(record(bases) * 3)
        assert inserts_of(collapse_fastq(path, kit)) == {insert: (3, 1 if kit.umi else 3)}


def test_longest_inserts_use_all_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    rng = np.random.default_rng(3)
    inserts = ["".join("ACGT"[i] for i in rng.integers(0, 4, n)) for n in (16, 31, 32, 33, 62, 63)]
    inserts += ["T" * 63, "A" * 20]
    path.write_text("".join(record(s) for s in inserts))
    found = inserts_of(collapse_fastq(path, kit_named("trimmed"), TrimSettings(max_length=63)))
    assert found == dict.fromkeys(inserts, (1, 1))
    with pytest.raises(SettingsError, match="63 nt"):
        collapse_fastq(path, kit_named("trimmed"), TrimSettings(max_length=64))
    with pytest.raises(SettingsError, match="51 nt"):
        collapse_fastq(path, kit_named("qiaseq"), TrimSettings(max_length=52))


def test_poor_and_unknown_bases_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    insert = "TGAGGTAGTAGGTTGTATAGTT"
    bases = insert + ADAPTER
    tail = "#" * len(ADAPTER)  # poor qualities in the adapter do not count
    texts = [record(bases, quality="I" * 22 + tail), record(bases, quality="#" * len(bases))]
    texts += [record(bases.replace("TAG", "NAG", 1)), record(bases.lower())]
    path.write_text("".join(texts))
    collapsed = collapse_fastq(path, TRUSEQ)
    assert inserts_of(collapsed) == {insert: (2, 2)}
    assert (collapsed.counts.low_quality, collapsed.counts.with_n) == (1, 1)


def gz(simulated: SimulatedReads) -> bytes:
    return gzip.compress(fastq_bytes(simulated), 6)


def test_a_truncated_gzip_gives_its_first_part_and_says_so(simulated: SimulatedReads, tmp_path: Path) -> None:
    path = tmp_path / "a.fastq.gz"
    data = gz(simulated)
    path.write_bytes(data[: len(data) // 2])
    collapsed = collapse_fastq(path, TRUSEQ)
    assert "cut off at byte" in collapsed.damage
    assert 5_000 < collapsed.counts.reads < 15_000
    assert f"after record {collapsed.counts.reads:,}" in collapsed.damage


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_damaged_gzip(
    simulated: SimulatedReads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    if library == "zlib":
        import zlib

        monkeypatch.setattr(chunks, "inflate_library", lambda: (zlib, "zlib"))
    else:
        pytest.importorskip("isal")
    path = tmp_path / "a.fastq.gz"
    data = gz(simulated)
    path.write_bytes(data + data)  # members one after the other
    assert collapse_fastq(path, TRUSEQ).counts.reads == 40_000
    path.write_bytes(data + b"\0" * 512)  # padding
    assert collapse_fastq(path, TRUSEQ).damage == ""
    path.write_bytes(data + b"rubbish")
    assert "no gzip follow member 1" in collapse_fastq(path, TRUSEQ).damage
    path.write_bytes(data[:-8] + b"\1\2\3\4" + data[-4:])  # a wrong checksum
    broken = collapse_fastq(path, TRUSEQ)
    assert "damaged" in broken.damage
    path.write_bytes(data[:3000])
    assert "cut off" in collapse_fastq(path, TRUSEQ).damage
    path.write_bytes(data[:12])
    with pytest.raises(UnreadableFile, match="cut off"):
        collapse_fastq(path, TRUSEQ)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b">a\nACGT\n", "a FASTA record"),
        (b"BAM\1", "BAM"),
        (b"@a\nACGT\nIIII\n@b\n", "another line"),
        (b"@a\nACGT\n+\nII\n", "another number"),
        (b"@a\nACGT\n+\nIIIIII\n", "another number"),
        (b"@a\nACGT\n", "the end of the file in the middle"),
        (b"@a\rACGT\r+\rIIII\r", "the end of the file in the middle"),
    ],
)
def test_what_is_no_fastq_is_refused_with_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.fastq"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=message):
        collapse_fastq(path, TRUSEQ)
    path.with_suffix(".fastq.gz").write_bytes(gzip.compress(content))
    with pytest.raises(UnreadableFile, match=message):
        collapse_fastq(path.with_suffix(".fastq.gz"), TRUSEQ)


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        collapse_fastq(tmp_path / "none.fastq", TRUSEQ)


def test_a_fault_after_good_records_gives_a_partial_result(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq"
    good = record("TGAGGTAGTAGGTTGTATAGTT" + ADAPTER)
    path.write_text(good * 10 + "no record\n" + good * 5)
    collapsed = collapse_fastq(path, TRUSEQ)
    assert collapsed.counts.reads == 10
    assert "after record 10" in collapsed.damage


def test_a_line_of_a_thousand_million_letters_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.fastq.gz"
    good = gzip.compress(record("TGAGGTAGTAGGTTGTATAGTT" + ADAPTER).encode() * 10 + b"@long\n")
    path.write_bytes(good + gzip.compress(b"A" * 10_000_000) * 100)
    collapsed = collapse_fastq(path, TRUSEQ)
    assert "a longer line" in collapsed.damage
    assert collapsed.counts.kept == 10
    path.write_bytes(gzip.compress(b"@" + b"A" * 10_000_000) * 100)
    with pytest.raises(UnreadableFile, match="a longer line"):
        collapse_fastq(path, TRUSEQ)


def test_kits_are_checked() -> None:
    with pytest.raises(SettingsError, match="known: truseq"):
        kit_named("none such")
    with pytest.raises(SettingsError, match="at least 8"):
        Kit(name="x", adapter_3p="ACGTNNNN")
    with pytest.raises(SettingsError, match="negative"):
        Kit(name="x", adapter_3p="ACGTACGT", clip_5p=-1)
