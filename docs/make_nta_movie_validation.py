"""Coverage study of the whole NTA chain: simulated movies, analysed as a user would, a row per movie.

Usage: ``python docs/make_nta_movie_validation.py --out docs/validation/nta-video-movies.tsv [--repeats 40]``.

Resumable: rows already in the file are not computed again; about 25 s a movie on one core. Unlike
make_nta_video_validation.py, which starts at tracks, this holds all that images add: defocus, overlap, wrong links,
noise, the limit of detection. Where a lower limit was stated, truth is the population from there on. ``--summary``
prints the table of docs/validation/nta.md.
"""

from __future__ import annotations

import argparse
import csv
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import binomtest

from vesicula.core.population import Population, lognormal_population
from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings, analyse_video
from vesicula.instruments.nta.video.optics import load_optics
from vesicula.instruments.nta.video.scatter import POLYSTYRENE, VESICLE, Material
from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video
from vesicula.instruments.nta.video.size import QUANTITIES

SECONDS = 20.0
# Preset, material, medians (nm), geometric SDs, particles per mL.
CASES: dict[str, tuple[str, Material, tuple[float, ...], float, tuple[float, ...]]] = {
    "beads 100": ("nanosight-like", POLYSTYRENE, (100.0,), 1.05, (3e8,)),
    "beads 100 + 200": ("nanosight-like", POLYSTYRENE, (100.0, 200.0), 1.05, (2e8, 1e8)),
    "EV 120, NanoSight": ("nanosight-like", VESICLE, (120.0,), 1.35, (8e8,)),
    "EV 120, ZetaView": ("zetaview-like", VESICLE, (120.0,), 1.35, (3e7,)),
}
COLUMNS = {"mean": "mean_diameter_nm", "mode": "mode_diameter_nm", "d10": "d10_nm", "d50": "d50_nm", "d90": "d90_nm",
           "conc": "concentration_per_ml"}  # fmt: skip


def population(name: str) -> Population:
    """Return the particles of a case, on a grid fine enough for beads."""
    _, _, medians, gsd, per_ml = CASES[name]
    grid = np.geomspace(0.3 * min(medians), 5 * max(medians), 3000)
    return lognormal_population(
        median_nm=medians, geometric_sd=(gsd,) * len(medians), concentration_per_ml=per_ml, diameter_nm=grid
    )


def truth(name: str, limit_nm: float) -> dict[str, float]:
    """Return the true numbers of the particles from a diameter on."""
    _, _, medians, gsd, per_ml = CASES[name]
    x = np.linspace(np.log(5.0), np.log(3000.0), 200_001)
    share = sum(
        c * np.exp(-0.5 * ((x - np.log(m)) / np.log(gsd)) ** 2) for m, c in zip(medians, per_ml, strict=True)
    ) * np.ones(x.size)
    share /= share.sum()
    kept = np.where(np.exp(x) >= limit_nm, share, 0.0)
    left = kept.sum()
    cumulative = np.cumsum(kept) / left
    found = {q: float(np.exp(x[np.searchsorted(cumulative, p)])) for q, p in (("d10", 0.1), ("d50", 0.5), ("d90", 0.9))}
    return found | {
        "mean": float((np.exp(x) * kept).sum() / left),
        "mode": float(np.exp(x[int(np.argmax(kept / np.exp(x)))])),  # of the density per nm, as reported
        "conc": float(sum(per_ml) * left),
    }


def one(name: str, seed: int) -> dict[str, object]:
    """Film and analyse."""
    preset, material, _, _, _ = CASES[name]
    optics = load_optics(preset)
    settings = VideoSettings(duration_s=SECONDS, material=material)
    rng = np.random.default_rng([seed, list(CASES).index(name)])
    movie = simulate_video(population(name), optics, settings, rng)
    usual = AnalysisVideoSettings()
    chosen = replace(usual, sensitivity_frames=0, size=replace(usual.size, threads=1))
    found = analyse_video(movie, optics, chosen, rng)
    limit = found.concentration.lower_limit_nm if found.concentration is not None else None
    row: dict[str, object] = {"case": name, "seed": seed, "measured": int(found.verdict.measured)}
    row |= {"spots_per_frame": float(np.mean(found.spots_per_frame)), "lower_limit_nm": limit or ""}
    true = truth(name, limit or 0.0)
    estimates = {e.quantity: e for e in found.estimates}
    for q, column in COLUMNS.items():
        e = estimates.get(column)
        row |= {q: e.value if e else "", f"{q}_low": e.low if e else "", f"{q}_high": e.high if e else ""}
        row[f"{q}_true"] = true[q]
    return row


def summary(rows: list[dict[str, str]]) -> str:
    """Return the table: coverage with Wilson's interval, median ratio to truth and median width over truth."""
    names = (*QUANTITIES, "conc")
    lines = [
        "| " + " | ".join(("", "movies", "spots/frame", "limit, nm", *names)) + " |",
        "|---" * (len(names) + 4) + "|",
    ]
    for name in CASES:
        part = [r for r in rows if r["case"] == name and r["measured"] == "1"]
        if not part:
            continue
        limits = [float(r["lower_limit_nm"]) for r in part if r["lower_limit_nm"]]
        told = f"{np.median(limits):.0f} ({len(limits)} told)" if limits else "none"
        cells = [name, f"{len(part)}", f"{np.mean([float(r['spots_per_frame']) for r in part]):.0f}", told]
        for q in names:
            v, low, high, true = (np.array([float(r[q + end]) for r in part]) for end in ("", "_low", "_high", "_true"))
            hits = int(((low <= true) & (true <= high)).sum())
            wilson = binomtest(hits, len(part)).proportion_ci(method="wilson")
            cells.append(
                f"{100 * hits / len(part):.0f} ({100 * wilson.low:.0f}-{100 * wilson.high:.0f}); "
                f"{np.median(v / true):.2f}; {100 * np.median((high - low) / true):.0f} %"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--summary", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, str]] = []
    if given.out.exists():
        with given.out.open() as f:
            rows = list(csv.DictReader(f, delimiter="\t"))
    if given.summary:
        print(summary(rows))
        return
    done = {(r["case"], int(r["seed"])) for r in rows}
    with given.out.open("a", newline="") as f:
        writer = None
        for seed, name in ((s, n) for s in range(given.repeats) for n in CASES if (n, s) not in done):
            row = one(name, seed)
            if writer is None:
                writer = csv.DictWriter(f, fieldnames=list(row), delimiter="\t", lineterminator="\n")
                if not rows:
                    writer.writeheader()
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
            f.flush()


if __name__ == "__main__":
    main()
