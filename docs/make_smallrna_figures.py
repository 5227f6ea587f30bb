"""Write docs/explanation/figures/smallrna-*.svg and print the numbers of docs/explanation/small-rna.md.

Run as: python docs/make_smallrna_figures.py (about five minutes on 2 cores)
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from vesicula.cargo.smallrna import References, kit_named, packaged_mirnas, quantify_fastq
from vesicula.cargo.smallrna.contamination import ForeignReads, foreign_reads, foreign_share_of, saturation_curve
from vesicula.cargo.smallrna.detection import detection_limit_rpm
from vesicula.cargo.smallrna.per_vesicle import VesicleInput, per_vesicle
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, SimulatedReads, simulate_reads, write_fastq
from vesicula.figures.smallrna import saturation
from vesicula.figures.style import BLUE, FONT, INK, VERMILLION
from vesicula.figures.svg import Scale, document, line, number, text

FOLDER = Path(__file__).parent / "explanation" / "figures"
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6)
READS, REPEATS = 20_000, 100
TRUSEQ = kit_named("truseq")


class Mixer:
    """Human and bovine reads of one composition each, mixed anew each time and counted."""

    def __init__(self, seed: int, path: Path) -> None:
        library = SimulatedLibrary(reads=200_000, expressed=400, error_rate=0.003)
        self.pools = [
            simulate_reads(packaged_mirnas(species), library, np.random.default_rng(seed + i))
            for i, species in enumerate(("hsa", "bta"))
        ]
        self.references, self.path = References(), path
        self.rng = np.random.default_rng(seed + 2)

    def mix(self, reads: int, share: float) -> ForeignReads:
        """Count a sample of so many reads, of which about that share is bovine."""
        bovine = int(self.rng.binomial(reads, share))
        rows = [self.rng.integers(0, 200_000, n) for n in (reads - bovine, bovine)]
        both = [
            np.concatenate([getattr(pool, name)[row] for pool, row in zip(self.pools, rows, strict=True)])
            for name in ("bases", "qualities")
        ]
        write_fastq(SimulatedReads(bases=both[0], qualities=both[1], truth={}, origin={}), self.path)
        counts = quantify_fastq(self.path, self.references, kit=TRUSEQ)
        return foreign_reads(counts.foreign, counts.mirna_reads)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fastq"
        _medium(path)
        _saturation(path)
    _per_vesicle()


def _medium(path: Path) -> None:
    """Print how often the interval of the medium's share holds the truth, and draw a few of them."""
    start, drawn = time.perf_counter(), []
    for composition in (100, 200, 300):
        mixer = Mixer(composition, path)
        known = mixer.mix(READS, 1.0)
        print(f"composition {composition}: {100 * (known.share or 0):.1f} % of the bovine reads are known as such")
        for share in SHARES:
            inside, bound = 0, 0
            for k in range(REPEATS):
                sample = mixer.mix(READS, share)
                estimate, low, high = foreign_share_of(sample, mixer.mix(READS, 1.0))
                inside += low <= share <= high
                bound += (sample.low or 0.0) <= share
                if k == 0:
                    drawn.append((share, estimate, low, high, sample.share or 0.0))
            print(f"  share {share}: {inside} of {REPEATS} intervals hold it; the lower bound is below it in {bound}")
    print(f"{time.perf_counter() - start:.0f} s")
    _write("smallrna-medium.svg", _medium_drawing(drawn))


def _medium_drawing(points: list[tuple[float, float, float, float, float]]) -> str:
    x = Scale(low=0.002, high=1.0, start=62, end=420, log=True)
    y = Scale(low=0.0002, high=1.0, start=330, end=34, log=True)
    parts = [line(x(0.002), y(0.002), x(1.0), y(1.0), ' stroke="currentColor" opacity="0.4" stroke-dasharray="4 3"')]
    for power in (-3, -2, -1, 0):
        label = f"{100 * 10.0**power:g} %"
        parts.append(line(62, y(10.0**power), 420, y(10.0**power), ' stroke="currentColor" opacity="0.15"'))
        parts.append(text(56, y(10.0**power) + 4, label, anchor="end"))
        if power > -3:
            place, anchor = (424.0, "end") if power == 0 else (x(10.0**power), "middle")
            parts.append(text(place, 348, label, anchor=anchor))
    parts.append(line(62, 330, 420, 330, ' stroke="currentColor"'))
    for i, (share, estimate, low, high, bound) in enumerate(points):
        at = x(share) + 7 * (i // len(SHARES) - 1)
        parts.append(line(at, y(low), at, y(high), f' stroke="{BLUE}" stroke-width="2"'))
        parts.append(f'<circle cx="{number(at)}" cy="{number(y(estimate))}" r="3.5" fill="{BLUE}"/>')
        parts.append(line(at - 4, y(bound), at + 4, y(bound), f' stroke="{VERMILLION}" stroke-width="2.5"'))
    parts.append(f'<circle cx="72" cy="12" r="3.5" fill="{BLUE}"/>')
    parts.append(text(80, 16, "with a sample of the medium (95 %)", anchor="start"))
    parts.append(line(312, 12, 322, 12, f' stroke="{VERMILLION}" stroke-width="2.5"'))
    parts.append(text(327, 16, "known as bovine", anchor="start"))
    parts.append(text(241, 370, "True share of miRNA reads from the medium"))
    parts.append(text(13, 182, "Estimated share", extra=' transform="rotate(-90 13 182)"'))
    return document(parts, width=440, height=380, label="Estimated against true share of bovine reads")


def _saturation(path: Path) -> None:
    curves = {}
    for reads in (20_000, 100_000, 500_000):
        library = simulate_reads(packaged_mirnas(), SimulatedLibrary(reads=reads), np.random.default_rng(7))
        write_fastq(library, path)
        counts = quantify_fastq(path, References(), kit=TRUSEQ)
        name = f"{reads:,} reads"
        curves[name] = saturation_curve(counts.mirnas).to_dicts()
        last, limit = curves[name][-1]["detected"], detection_limit_rpm(reads)
        print(f"{name}: {last:.0f} miRNAs of 500 present; seen with 95 % from {limit:.1f} in a million")
    _write("smallrna-saturation.svg", saturation(curves).svg)


def _per_vesicle() -> None:
    """Print how often intervals of molecules per particle hold the truth."""
    for mean, spikes, cv in ((4.0, 30.0, 0.0), (40.0, 400.0, 0.25), (2000.0, 60.0, 0.1), (0.5, 1000.0, 0.2)):
        rng = np.random.default_rng(int(10 * mean))
        truth, inside, trials = mean / spikes * 1e-3, 0, 4000
        for _ in range(trials):
            given = VesicleInput(
                sample="a", particles=1e9 * float(rng.lognormal(0, np.sqrt(np.log1p(cv**2)))), particles_cv=cv,
                spike_copies={"s": 1e6},
            )  # fmt: skip
            count = float(rng.poisson(mean))
            # A miRNA without a read has no row; its interval is that of half a read here.
            found = per_vesicle({"m": max(count, 0.5)}, {"s": max(int(rng.poisson(spikes)), 1)}, given)
            low, high = found.table.row(0)[3:5]
            inside += low <= truth <= high
        print(f"{mean:g} reads, {spikes:g} of the spike-in, particles known to {cv:.0%}: {100 * inside / trials:.1f} %")


def _write(name: str, svg: str) -> None:
    stood = svg.replace("<svg ", f'<svg color="{INK}" font-family=\'{FONT}\' style="background:#fff" ', 1)
    (FOLDER / name).write_text(stood + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
