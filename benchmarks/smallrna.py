"""Small RNA: accuracy on reads of known origin, and speed, beside the peers that run here.

    python benchmarks/smallrna.py [--reads 2000000] [--repeats 3] [--linear 1 3 10] [--folder KEEP] [--accuracy-only]

Peers: bowtie 1 behind cutadapt (all reads, and collapsed), and a re-implementation of miraligner's stated rules. What
is not installed is left out, and said to be. Times are the best of the repeats, the commands taking turns within a
repeat: wall seconds, and seconds of processor (all threads and children together), which other work on the machine
changes less. Run it on a quiet machine: what has two threads loses more to others than what has one.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vesicula.cargo.smallrna import MirnaReference, References, kit_named, packaged_mirnas, quantify_fastq
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, fastq_bytes, simulate_reads, write_fastq

MOST_SIMULATED = 10
"""Millions of reads; larger files repeat them."""
PART = 500_000
"""Reads simulated at a time; each part is a gzip member of its own, and has its own 500 miRNAs."""
ADAPTER = kit_named("truseq").adapter_3p
CUTADAPT = [sys.executable, "-m", "cutadapt", "--quiet", "-a", ADAPTER, "-m", "16", "-M", "45", "--discard-untrimmed"]
STRATA = ["-v", "1", "-a", "--best", "--strata", "--norc", "-S", "--sam-nohead", "--quiet"]
SEEDED = ["-n", "0", "-l", "15", "-e", "99", "-k", "200", "--best", "--strata", "--norc", "-S"]
SEEDED += ["--sam-nohead", "--quiet"]
Hit = tuple[str, str]
Counts = dict[str, float]
OURS = """
import json, resource, sys, time
start = time.perf_counter()
from pathlib import Path
from vesicula.cargo.smallrna import References, kit_named, quantify_fastq
references = References()
ready = time.perf_counter()
times, processor = [], []
for _ in range(int(sys.argv[2])):
    begun, used = time.perf_counter(), time.process_time()
    counts = quantify_fastq(Path(sys.argv[1]), references)
    times.append(time.perf_counter() - begun)
    processor.append(time.process_time() - used)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([ready - start, times, processor, peak]))
"""


def tool(name: str) -> str:
    """Return where a program is."""
    return shutil.which(name) or name


def run(command: list[str | Path]) -> None:
    """Run a program that talks to the error stream; what it says is shown if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr}")


# ---------------------------------------------------------------- the peers


class Bowtie:
    """bowtie 1 on human hairpins; a hit counts for the mature whose ends it keeps within our own limits."""

    def __init__(self, reference: MirnaReference, folder: Path) -> None:
        self.index = folder / "hairpins"
        fasta = folder / "hairpins.fa"
        fasta.write_text("".join(f">{n}\n{s}\n" for n, s in reference.hairpins.items()), encoding="ascii")
        run([tool("bowtie-build"), "--quiet", fasta, self.index])
        self.loci = defaultdict(list)
        for locus in reference.loci:
            self.loci[locus.hairpin].append(locus)

    def align(self, options: list[str], reads: Path, *, fasta: bool) -> Path:
        """Align reads in two threads."""
        out = reads.with_suffix(".sam")
        kind = ["-f"] if fasta else ["-q"]
        run([tool("bowtie"), *options, "-p", "2", *kind, "-x", self.index, reads, out])
        return out

    def count(self, sam: Path) -> Counts:
        """Sum reads by mature, ties shared equally; a name ends in _xCOPIES if the reads were collapsed."""
        counts: Counts = defaultdict(float)
        for name, hits in _by_read(sam):
            names = {m for hairpin, at, length in hits for m in self._matures(hairpin, at, length)}
            copies = int(name.rpartition("_x")[2]) if "_x" in name else 1
            for mature in names:
                counts[mature] += copies / len(names)
        return counts

    def _matures(self, hairpin: str, at: int, length: int) -> list[str]:
        return [x.mature for x in self.loci[hairpin] if abs(at - x.start) <= 3 and abs(at + length - x.end) <= 5]


def _by_read(sam: Path) -> Iterable[tuple[str, list[tuple[str, int, int]]]]:
    """Yield reads with their hits: hairpin, place from 0, length; a read's hits stand together."""
    current, hits = "", []
    with sam.open(encoding="ascii") as lines:
        for line in lines:
            fields = line.split("\t", 10)
            if fields[0] != current:
                if hits:
                    yield current, hits
                current, hits = fields[0], []
            if fields[2] != "*":
                hits.append((fields[2], int(fields[3]) - 1, len(fields[9])))
    if hits:
        yield current, hits


def trim(reads: Path, out: Path, threads: int) -> None:
    run([*CUTADAPT, "-j", str(threads), "-o", out, reads])


def collapse_trimmed(fastq: Path, out: Path) -> None:
    """Count distinct trimmed reads with awk, which is the fastest of the plain ways."""
    program = 'NR%4==2{c[$0]++} END{for(s in c) printf ">r%d_x%d\\n%s\\n", ++n, c[s], s}'
    with out.open("wb") as handle:
        subprocess.run([tool("awk"), program, fastq], check=True, stdout=handle)


def miraligner_like(reference: MirnaReference, inserts: Mapping[str, int]) -> Counts:
    """Count by miraligner's stated rules (-sub 1 -trim 3 -add 3), ties shared equally.

    At most one substitution, both ends within 3 nt, at most 3 bases added at 3'; of these the fewest substitutions and
    added bases win. Written from the tool's description (Pantano et al. 2010, NAR 38:e34 [from memory, unchecked]), not
    from its code.
    """
    seeds: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for i, locus in enumerate(reference.loci):
        hairpin = reference.hairpins[locus.hairpin]
        for at in range(max(locus.start - 3, 0), locus.start + 4):
            for offset in (0, 8):
                seeds[offset, hairpin[at + offset : at + offset + 8]].append((i, at))
    counts: Counts = defaultdict(float)
    for insert, copies in inserts.items():
        found: dict[str, int] = {}
        for i, at in {pair for offset in (0, 8) for pair in seeds.get((offset, insert[offset : offset + 8]), ())}:
            locus = reference.loci[i]
            price = _miraligner_price(insert, reference.hairpins[locus.hairpin], at, locus.end)
            if price < found.get(locus.mature, 99):
                found[locus.mature] = price
        best = [name for name, price in found.items() if price == min(found.values())]
        for name in best:
            counts[name] += copies / len(best)
    return counts


def _miraligner_price(insert: str, hairpin: str, at: int, end: int) -> int:
    for added in range(4):
        stop = at + len(insert) - added
        if abs(stop - end) > 3 or stop > len(hairpin):
            continue
        wrong = sum(a != b for a, b in zip(insert, hairpin[at:stop], strict=False))
        if wrong <= 1:
            return wrong + added
    return 99


# ---------------------------------------------------------------- accuracy


def by_sequence(counts: Mapping[str, float], reference: MirnaReference) -> Counts:
    """Sum miRNAs of the same sequence: no tool can tell them apart by their canonical reads."""
    joined: Counts = defaultdict(float)
    for name, reads in counts.items():
        joined[reference.matures[name]] += reads
    return joined


def scores(truth: Mapping[str, float], got: Mapping[str, float]) -> tuple[float, float, float, float]:
    """F1 of presence at half a read and at ten reads; mean and median absolute relative error at ten reads or more."""
    f1 = []
    for least in (0.5, 10):
        seen, there = ({n for n, v in counts.items() if v >= least} for counts in (got, truth))
        f1.append(2 * len(seen & there) / (len(seen) + len(there)))
    errors = [abs(got.get(n, 0.0) - v) / v for n, v in truth.items() if v >= 10]
    return f1[0], f1[1], float(np.mean(errors)), float(np.median(errors))


def accuracy(folder: Path, seeds: Iterable[int], reads: int) -> None:
    human, cattle = packaged_mirnas(), packaged_mirnas("bta")
    references = References()
    library = SimulatedLibrary(
        reads=reads, expressed=500, foreign=0.02, unrelated=0.05, dimers=0.03, long=0.03, error_rate=0.003
    )
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    bowtie = Bowtie(human, folder) if shutil.which("bowtie") else None
    for seed in seeds:
        simulated = simulate_reads(human, library, np.random.default_rng(seed), cattle)
        truth = dict(simulated.truth)
        fastq, trimmed, collapsed = (folder / name for name in ("acc.fastq.gz", "acc.trim.fastq", "acc.distinct.fa"))
        write_fastq(simulated, fastq)
        counts = quantify_fastq(fastq, references, kit=kit_named("truseq"))
        results = {
            f"vesicula, {rule}": dict(counts.mirnas.select("mirna", rule).iter_rows())
            for rule in ("reads_em", "reads_fractional", "reads_unique")
        }
        trim(fastq, trimmed, 1)
        collapse_trimmed(trimmed, collapsed)
        lines = collapsed.read_text(encoding="ascii").split("\n")
        inserts = {s: int(n.rpartition("_x")[2]) for n, s in zip(lines[0::2], lines[1::2], strict=False)}
        results["cutadapt, miraligner's rules"] = miraligner_like(human, inserts)
        if bowtie:
            for name, command in (("-v 1, best stratum", STRATA), ("-n 0 -l 15 -e 99, best stratum", SEEDED)):
                sam = bowtie.align(command, collapsed, fasta=True)
                results[f"cutadapt, bowtie {name}"] = bowtie.count(sam)
        for name, got in results.items():
            joined = scores(by_sequence(truth, human), by_sequence(got, human))
            named = scores(truth, got)
            found[name].append((*joined, *named))
    libraries = len(found["vesicula, reads_em"])
    print(f"\nAccuracy: {reads:,} reads, {library.expressed} miRNAs, means over {libraries} libraries")
    print(f"{'':48s} {'miRNAs of one sequence joined':^36s} {'by name':^34s}")
    print(f"{'':48s} {'F1>=0.5':>8s} {'F1>=10':>8s} {'mean ARE':>9s} {'median':>8s} "
          f"{'F1>=0.5':>8s} {'F1>=10':>8s} {'mean ARE':>9s} {'median':>7s}")  # fmt: skip
    for name, rows in found.items():
        mean = np.mean(rows, axis=0)
        print(f"{name:48s} {mean[0]:8.4f} {mean[1]:8.4f} {mean[2]:9.4f} {mean[3]:8.4f} "
              f"{mean[4]:8.4f} {mean[5]:8.4f} {mean[6]:9.4f} {mean[7]:7.4f}")  # fmt: skip
    if not bowtie:
        print("bowtie left out: not installed")
    print("Not run: miRge3.0 (its libraries are downloads), mirdeep2 (no package), miraligner itself (Java).")


# ---------------------------------------------------------------- speed


def make_parts(folder: Path, kind: str, parts: int, *, unrelated: float) -> list[Path]:
    """Write `parts` gzip members of PART reads each; what is there from before is kept."""
    library = SimulatedLibrary(
        reads=PART, expressed=500, foreign=0.02, unrelated=unrelated, dimers=0.03, long=0.03, error_rate=0.002
    )
    made = []
    for i in range(parts):
        path = folder / f"{kind}-{i:03d}.gz"
        if not path.exists():
            text = fastq_bytes(
                simulate_reads(packaged_mirnas(), library, np.random.default_rng([7, i]), packaged_mirnas("bta"))
            )
            part = path.with_suffix(".part")
            part.write_bytes(_packed(text))
            part.replace(path)
        made.append(path)
    return made


def _packed(text: bytes) -> bytes:
    if shutil.which("pigz"):
        return subprocess.run([tool("pigz"), "-6", "-c"], input=text, check=True, stdout=subprocess.PIPE).stdout
    return gzip.compress(text, 6, mtime=0)


def joined(parts: Iterable[Path], path: Path) -> Path:
    with path.open("wb") as out:
        for part in parts:
            with part.open("rb") as handle:
                shutil.copyfileobj(handle, out)
    return path


@dataclass(slots=True)
class Best:
    """The least wall and processor seconds of a thing done several times."""

    wall: float = float("inf")
    processor: float = float("inf")

    def take(self, wall: float, processor: float) -> None:
        """Note one time more."""
        self.wall, self.processor = min(self.wall, wall), min(self.processor, processor)

    def time(self, function: Callable[[], object]) -> None:
        """Run and note; children's processor time counts."""
        start, used = time.perf_counter(), _processor()
        function()
        self.take(time.perf_counter() - start, _processor() - used)


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@dataclass(slots=True)
class Ours:
    """Our times: warm, a process's first file, the whole process, what comes before its first file; peak MiB."""

    warm: Best = field(default_factory=Best)
    first: Best = field(default_factory=Best)
    whole: float = float("inf")
    ready: float = float("inf")
    peak: float = 0.0

    def run(self, path: Path, repeats: int = 3) -> None:
        """Quantify in a process of its own."""
        start = time.perf_counter()
        command = [sys.executable, "-c", OURS, path, str(repeats)]
        out = subprocess.run(command, check=True, capture_output=True, text=True)
        whole = time.perf_counter() - start
        ready, times, processor, peak = json.loads(out.stdout)
        for wall, used in zip(times, processor, strict=True):
            self.warm.take(wall, used)
        self.first.take(times[0], processor[0])
        self.whole = min(self.whole, whole - sum(times[1:]))
        self.ready, self.peak = min(self.ready, ready), max(self.peak, peak)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def unpackers(path: Path) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    for name in ("igzip", "pigz", "gzip"):
        if shutil.which(name):
            found[f"{name} -dc"] = lambda name=name: subprocess.run(
                [tool(name), "-dc", path], check=True, stdout=subprocess.DEVNULL
            )
    if importlib.util.find_spec("isal"):
        found["isal in Python"] = lambda: _drain(path)
    return found


def _drain(path: Path) -> None:
    from isal import igzip

    with igzip.open(path, "rb") as handle:
        while handle.read(1 << 22):
            pass


def peers(path: Path, folder: Path, bowtie: Bowtie) -> dict[str, Callable[[], object]]:
    trimmed, collapsed = folder / "peer.fastq", folder / "peer.fa"

    def slow() -> None:
        trim(path, trimmed, 2)
        bowtie.count(bowtie.align(STRATA, trimmed, fasta=False))

    def quick() -> None:
        trim(path, trimmed, 2)
        collapse_trimmed(trimmed, collapsed)
        bowtie.count(bowtie.align(STRATA, collapsed, fasta=True))

    return {
        "cutadapt -j 2, awk, bowtie -p 2 on distinct": quick,
        "cutadapt -j 2, bowtie -p 2 on all reads": slow,
    }


def speed(title: str, path: Path, folder: Path, repeats: int, bowtie: Bowtie | None) -> None:
    unpack = unpackers(path)
    others = peers(path, folder, bowtie) if bowtie else {}
    best: dict[str, Best] = defaultdict(Best)
    us = Ours()
    for _ in range(repeats):
        for name, call in {**unpack, **others}.items():
            best[name].time(call)
        us.run(path)
    warm = us.warm
    print(f"\nSpeed, {title}: {path.stat().st_size / 1e6:.0f} MB packed; best of {repeats}, in turns")
    print(f"  {'':46s} {'wall s':>8s} {'proc. s':>8s}")
    for name in unpack:
        print(f"  {name:46s} {best[name].wall:8.2f} {best[name].processor:8.2f}   ours, warm, over it: "
              f"{warm.wall / best[name].wall:6.2f} wall, "
              f"{warm.processor / best[name].processor:6.2f} processor")  # fmt: skip
    print(f"  {'vesicula, warm (references and code ready)':46s} {warm.wall:8.2f} {warm.processor:8.2f}")
    print(f"  {'vesicula, first file of a process':46s} {us.first.wall:8.2f} {us.first.processor:8.2f}")
    print(f"  {'vesicula, whole process, start to end':46s} {us.whole:8.2f} {'':8s}   "
          f"of which imports and references {us.ready:.2f} s")  # fmt: skip
    for name in others:
        print(f"  {name:46s} {best[name].wall:8.2f} {best[name].processor:8.2f}   over ours, warm: "
              f"{best[name].wall / warm.wall:6.2f} wall, {best[name].processor / warm.processor:6.2f} processor; "
              f"whole process: {best[name].wall / us.whole:6.2f}")  # fmt: skip
    fastest = min(unpack, key=lambda name: best[name].wall)
    over = warm.wall / best[fastest].wall
    print(f"  aim: at most 2 x the fastest unpacker ({fastest}): {over:.2f} {'met' if over <= 2 else 'NOT MET'}")
    if others:
        ratio = min(best[name].wall for name in others) / warm.wall
        print(f"  aim: at least 10 x the fastest peer: {ratio:.2f} {'met' if ratio >= 10 else 'NOT MET'}")
    print(f"  peak memory {us.peak:.0f} MiB (aim: under 1536): {'met' if us.peak < 1536 else 'NOT MET'}", flush=True)


def compile_time(path: Path) -> None:
    """Time a process without kept machine code: what the first call after installation costs once."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "VESICULA_CACHE_DIR": cache}
        empty = seconds(lambda: subprocess.run([sys.executable, "-c", OURS, path, "1"], check=True, env=environment,
                                               capture_output=True))  # fmt: skip
        kept = seconds(lambda: subprocess.run([sys.executable, "-c", OURS, path, "1"], check=True, env=environment,
                                              capture_output=True))  # fmt: skip
    print(f"\nCompilation, once after installation: {empty:.1f} s against {kept:.1f} s with the machine code kept")


def linear(parts: list[Path], folder: Path, millions: Iterable[int], repeats: int) -> None:
    simulated = len(parts) * PART // 1_000_000
    print("\nCost by number of reads (warm), with the fastest unpacking at hand")
    print(f"  (above {simulated} million the same reads again)")
    for m in millions:
        path = joined(itertools.islice(itertools.cycle(parts), m * 1_000_000 // PART), folder / "linear.fastq.gz")
        unpack = unpackers(path)
        name, call = next(iter(unpack.items()))
        gunzip, us = Best(), Ours()
        for _ in range(repeats if m <= simulated else 1):
            gunzip.time(call)
            us.run(path, 2)
        warm = us.warm
        print(f"  {m:3d} million reads: wall {warm.wall:6.2f} s, {warm.wall / m:5.3f} s a million; processor "
              f"{warm.processor:6.2f} s, {warm.processor / m:5.3f} s a million; {name} {gunzip.wall:5.2f} s, "
              f"ratio {warm.wall / gunzip.wall:5.2f}; peak {us.peak:5.0f} MiB", flush=True)  # fmt: skip
        path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=2_000_000, help="of the timed files (multiples of 500,000)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--linear", type=int, nargs="*", default=[1, 3, 10, 30, 100],
                        help="millions of reads")  # fmt: skip
    parser.add_argument("--libraries", type=int, default=5, help="of the accuracy table; 0: none")
    parser.add_argument("--folder", type=Path, help="where simulated files are kept between runs")
    parser.add_argument("--accuracy-only", action="store_true")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.libraries:
            accuracy(Path(temporary), range(1, options.libraries + 1), 200_000)
        if options.accuracy_only:
            return
        bowtie = Bowtie(packaged_mirnas(), Path(temporary)) if shutil.which("bowtie") else None
        wanted = options.reads // PART
        most = max([wanted, *(min(m, MOST_SIMULATED) * 1_000_000 // PART for m in options.linear)])
        parts = make_parts(folder, "library", most, unrelated=0.05)
        many = make_parts(folder, "distinct", wanted, unrelated=0.6)
        small = joined(parts[:wanted], Path(temporary) / "a.fastq.gz")
        speed(f"{options.reads:,} reads", small, Path(temporary), options.repeats, bowtie)
        large = joined(many, Path(temporary) / "b.fastq.gz")
        speed(f"{options.reads:,} reads, most inserts distinct", large, Path(temporary), options.repeats, bowtie)
        compile_time(small)
        linear(parts, Path(temporary), options.linear, options.repeats)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
