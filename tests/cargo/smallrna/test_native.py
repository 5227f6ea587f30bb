"""The compiled loops: kept on disk safely, loaded without numba, and the same as rules written plainly."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vesicula.cargo.smallrna import (
    References,
    TrimSettings,
    _compile,
    collapse_fastq,
    kit_named,
    native,
    packaged_mirnas,
)
from vesicula.cargo.smallrna.assign import MirnaIndex, OtherIndex, Sieve, encode
from vesicula.cargo.smallrna.collapse import decode
from vesicula.cargo.smallrna.layout import CODES, COMPARED, LEAST_OVERLAP
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, simulate_reads, write_fastq

NAMES, CODE = {"scan": "symbol"}, b"machine code"


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "cache" / "loops.bin"
    assert native.write_kept(path, NAMES, CODE)
    return path


def keys_of(texts):
    """Packed keys: bases of two bits after a leading 1."""
    numbers = []
    for text in texts:
        number = 1
        for letter in text:
            number = 4 * number + "ACGT".index(letter)
        numbers.append(number)
    high = np.array([n >> 64 for n in numbers], np.uint64)
    return high, np.array([n & (2**64 - 1) for n in numbers], np.uint64)


# ---------------------------------------------------------------- what is kept on disk


def test_kept_code_is_read_again_and_nothing_else_lies_beside_it(kept):
    assert native.read_kept(kept) == (NAMES, CODE)
    assert [path.name for path in kept.parent.iterdir()] == ["loops.bin"]
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", [0, 30, 60, -1])
def test_a_changed_byte_is_noticed(kept, place):
    raw = bytearray(kept.read_bytes())
    raw[place] ^= 1
    kept.write_bytes(raw)
    assert native.read_kept(kept) is None


def test_code_cut_off_or_missing_is_not_used(kept):
    kept.write_bytes(kept.read_bytes()[:-4])
    assert native.read_kept(kept) is None
    assert native.read_kept(kept.with_name("other.bin")) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_code_that_others_may_change_is_not_used(kept):
    kept.chmod(0o620)
    assert native.read_kept(kept) is None
    kept.chmod(0o600)
    kept.parent.chmod(0o777)
    assert native.read_kept(kept) is None
    kept.parent.chmod(0o700)
    assert native.read_kept(kept) is not None


def test_where_nothing_can_be_kept_the_loops_are_compiled(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("no folder", encoding="ascii")
    assert not native.write_kept(file / "loops.bin", NAMES, CODE)
    monkeypatch.setenv("VESICULA_CACHE_DIR", str(file))
    monkeypatch.setattr("vesicula.cargo.smallrna._compile.compile_loops", lambda _: (NAMES, CODE, {"scan": 7}))
    assert native._addresses.__wrapped__() == {"scan": 7}


def test_code_that_cannot_be_linked_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv("VESICULA_CACHE_DIR", str(tmp_path))
    path = tmp_path / f"smallrna-{native._key()}.bin"
    linked = []
    monkeypatch.setattr(native, "_linked", lambda *kept: linked.append(kept) or (_ for _ in ()).throw(KeyError("x")))
    monkeypatch.setattr("vesicula.cargo.smallrna._compile.compile_loops", lambda _: (NAMES, b"new", {"scan": 7}))
    native.write_kept(path, NAMES, CODE)
    assert native._addresses.__wrapped__() == {"scan": 7}
    assert linked == [(NAMES, CODE)]
    assert native.read_kept(path) == (NAMES, b"new")


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("VESICULA_CACHE_DIR", str(tmp_path / "given"))
    assert native.cache_folder() == tmp_path / "given"
    monkeypatch.delenv("VESICULA_CACHE_DIR")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert native.cache_folder() is None
    monkeypatch.undo()
    monkeypatch.delenv("VESICULA_CACHE_DIR", raising=False)
    assert native.cache_folder().name == "vesicula"
    assert native.cache_folder().is_relative_to(Path.home()) or "XDG_CACHE_HOME" in os.environ


def test_compiled_code_runs_linked_from_its_file(tmp_path):
    from vesicula.cargo.smallrna._compile import compile_loops

    names, code, addresses = compile_loops(native.SIGNATURES)
    assert code.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe")) or sys.platform == "win32"
    native.write_kept(tmp_path / "loops.bin", names, code)
    linked = native._linked(*native.read_kept(tmp_path / "loops.bin"))
    high, low = keys_of(["ACGTACGTACGTACGTAC", "T" * 63])
    for found in (linked, addresses):
        loop = native.loop("unpack")
        other = native.Loop("unpack", loop.kinds, type(loop.function)(found["unpack"]))
        codes, lengths = np.empty((2, 63), np.uint8), np.empty(2, np.int64)
        assert other(high, low, codes, lengths) == 2
        assert lengths.tolist() == [18, 63]
        assert codes[0].tolist() == [0, 1, 2, 3] * 4 + [0, 1] + [4] * 45
        assert codes[1].tolist() == [3] * 63


def test_counting_needs_no_numba_once_the_loops_are_kept(tmp_path):
    human = packaged_mirnas()
    fastq = tmp_path / "a.fastq.gz"
    write_fastq(simulate_reads(human, SimulatedLibrary(reads=2000), np.random.default_rng(1)), fastq)
    text = (
        "import sys; from pathlib import Path; from vesicula.cargo.smallrna import References, quantify_fastq\n"
        "before = {'polars', 'scipy', 'numba', 'llvmlite'} & set(sys.modules)\n"
        "counts = quantify_fastq(Path(sys.argv[1]), References())\n"
        "print(before, counts.mirna_reads > 1000, 'numba' in sys.modules)"
    )
    place = {**os.environ, "VESICULA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", text, fastq]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=place) for _ in range(2)]
    assert [run.stdout.strip() for run in runs] == ["set() True True", "set() True False"]


@pytest.mark.parametrize("inside", ["passes arrays otherwise", "has no such function"])
def test_numba_that_has_changed_inside_is_called_as_anybody_would(tmp_path, monkeypatch, inside):
    monkeypatch.setenv("VESICULA_CACHE_DIR", str(tmp_path))
    if inside == "has no such function":
        monkeypatch.delattr("numba.core.compiler.compile_extra")
    else:
        as_ever = _compile._check_form
        fewer = SimpleNamespace(arguments=[SimpleNamespace(type=kind) for kind in ("ptr", "ptr", "ptr", "i64")])
        monkeypatch.setattr(_compile, "_check_form", lambda name, kinds, _: as_ever(name, kinds, fewer))
    assert native._addresses.__wrapped__() is None
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(native, "_addresses", lambda: None)
    unpack = native.loop.__wrapped__("unpack")
    codes, lengths = np.empty((2, 63), np.uint8), np.empty(2, np.int64)
    assert unpack(*keys_of(["ACGTACGTACGTACGTAC", "T" * 63]), codes, lengths) == 2
    assert lengths.tolist() == [18, 63]
    assert codes[0].tolist() == [0, 1, 2, 3] * 4 + [0, 1] + [4] * 45


def test_arrays_of_other_types_are_refused():
    loop = native.loop("rehash")
    with pytest.raises(TypeError, match="rehash: expected an array of kind u8:2 in C order"):
        loop(np.zeros((4, 3), np.int64), np.zeros((4, 3), np.uint64))
    with pytest.raises(TypeError, match="in C order"):
        loop(np.zeros((3, 4), np.uint64).T, np.zeros((4, 3), np.uint64))
    with pytest.raises(ValueError, match="zip"):
        loop(np.zeros((4, 3), np.uint64))


# ---------------------------------------------------------------- the sieve


def mutated(rng, text):
    """Change, add or lose a few bases."""
    bases = list(text)
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        bases[rng.randrange(len(bases))] = rng.choice("ACGT")
    return "".join(bases) + "".join(rng.choices("ACGT", k=rng.choice([0, 0, 1, 2, 3])))


def inserts_of(rng, reference, count):
    """Inserts from about the matures' places, some of them changed; and random ones."""
    found = []
    for locus in rng.choices(reference.loci, k=count):
        start = max(locus.start + rng.randint(-4, 4), 0)
        piece = reference.hairpins[locus.hairpin][start : locus.end + rng.randint(-6, 6)]
        found.append(mutated(rng, piece)[:45])
    found += ["".join(rng.choices("ACGT", k=rng.randint(10, 45))) for _ in range(count)]
    return [text for text in dict.fromkeys(found) if len(text) >= 10]


def test_the_sieve_keeps_all_that_can_be_explained_and_little_else():
    rng = random.Random(5)  # noqa: S311 - not for secrets
    human, cattle = packaged_mirnas(), packaged_mirnas("bta")
    ours, theirs = MirnaIndex(human), MirnaIndex(cattle)
    trna = {f"t{i}": "".join(rng.choices("ACGT", k=76)) for i in range(30)}
    other = OtherIndex({"tRNA": trna})
    fragments = [mutated(rng, s[at : at + rng.randint(11, 40)]) for s in trna.values() for at in range(0, 40, 5)]
    inserts = inserts_of(rng, human, 6000) + inserts_of(rng, cattle, 2000) + fragments
    codes, lengths = encode(inserts)
    found, _ = other.match(codes, lengths)
    explained = {*ours.match(codes, lengths).insert.tolist(), *theirs.match(codes, lengths).insert.tolist()}
    explained |= set(np.flatnonzero(found >= 0).tolist())
    assert len(explained) > 4000
    assert np.count_nonzero(found >= 0) > 50
    high, low = keys_of(inserts)
    passed = set(Sieve([ours, theirs], other).places(high, low).tolist())
    assert explained <= passed
    # A sieve of one reference alone must miss what only the other explains: the test can fail.
    alone = set(Sieve([ours], OtherIndex({})).places(high, low).tolist())
    assert explained - alone
    strangers = keys_of(["".join(rng.choices("ACGT", k=rng.randint(16, 45))) for _ in range(5000)])
    assert Sieve([ours, theirs], other).places(*strangers).size < 0.05 * 5000


@pytest.mark.parametrize("most", [4_000_000, 500])
@pytest.mark.parametrize("umi", [0, 5])
def test_with_the_sieve_counting_holds_what_passes(tmp_path, most, umi):
    human = packaged_mirnas()
    library = SimulatedLibrary(reads=20_000, unrelated=0.5)
    fastq = tmp_path / "a.fastq"
    write_fastq(simulate_reads(human, library, np.random.default_rng(3)), fastq)
    kit = kit_named("truseq")
    if umi:
        kit = type(kit)(name="umi", adapter_3p=kit.adapter_3p[:12], umi=umi)
    sieve = References().sieve
    settings = TrimSettings(max_distinct=most)
    plain, sieved = collapse_fastq(fastq, kit, settings), collapse_fastq(fastq, kit, settings, sieve=sieve)
    assert plain.counts == sieved.counts
    assert plain.dropped == 0
    wholes, lefts = list(plain.parts()), list(sieved.parts())
    assert len(wholes) == len(lefts) == (1 if most > 20_000 else 64)
    assert sum(int(part.reads.sum()) for part in wholes) == plain.counts.kept > 10_000
    assert sum(int(part.reads.sum()) for part in lefts) + sieved.dropped == sieved.counts.kept
    assert sieved.dropped > 5000
    for whole, left in zip(wholes, lefts, strict=True):
        kept = sieve.places(whole.high, whole.low)
        for name in ("high", "low", "reads", "molecules"):
            assert np.array_equal(getattr(whole, name)[kept], getattr(left, name))


def test_unpacked_keys_are_the_bases():
    texts = ["A", "ACGT" * 8, "T" * 31, "G" * 32, "C" * 63]
    codes, lengths = decode(*keys_of(texts))
    expected, sizes = encode(texts)
    assert np.array_equal(codes, expected)
    assert np.array_equal(lengths, sizes)


# ---------------------------------------------------------------- the adapter


def adapter_begin(read, adapter):
    """Where the adapter begins by its rules, base for base: an exact seed of 12, else the best of what is similar."""
    known = [int(CODES[ord(letter)]) for letter in read]
    wanted = [int(CODES[ord(letter)]) for letter in adapter]
    for p in range(len(read) - 12 + 1):
        if known[p : p + 12] == wanted[:12]:
            return p
    best, place = 0, -1
    for p in range(len(read) - LEAST_OVERLAP + 1):
        overlap = min(len(adapter), len(read) - p, COMPARED)
        wrong = sum(a != b for a, b in zip(known[p : p + overlap], wanted[:overlap], strict=True))
        if wrong <= overlap // 8 and overlap - 3 * wrong > best:
            best, place = overlap - 3 * wrong, p
    return place


@pytest.mark.parametrize("adapter", ["TGGAATTCTCGGGTGCCAAGG", "AGATCGGAAGAGC", "CTGTAGGCACCATCAAT"])
def test_adapters_are_found_where_the_rules_say(tmp_path, adapter):
    rng = random.Random(adapter)  # noqa: S311 - not for secrets
    reads = []
    for _ in range(3000):
        read = "".join(rng.choices("ACGT", k=rng.randint(0, 45))) + adapter + "".join(rng.choices("ACGT", k=20))
        bases = list(read[: rng.randint(20, 70)])
        for _ in range(rng.choice([0, 1, 2, 3, 4])):
            bases[rng.randrange(len(bases))] = rng.choice("ACGTNacgtU")
        reads.append("".join(bases))
    path = tmp_path / "a.fastq"
    path.write_text("".join(f"@r\n{read}\n+\n{'I' * len(read)}\n" for read in reads), encoding="ascii")
    kit = type(kit_named("truseq"))(name="given", adapter_3p=adapter)
    counts = collapse_fastq(path, kit, TrimSettings()).counts
    begins = [adapter_begin(read, adapter) for read in reads]
    assert begins.count(-1) == counts.no_adapter > 20
    histogram = np.bincount([begin for begin in begins if begin >= 0], minlength=128)
    assert histogram.tolist() == list(counts.length_histogram)
