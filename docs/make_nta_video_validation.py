"""Coverage study of NTA sizes and concentration on simulated tracks: a row per simulated measurement.

Usage: ``python docs/make_nta_video_validation.py --jobs 16 --out validation.tsv [--repeats 200]``.

Resumable: rows already in the file are not computed again. About 0.6 s (500 tracks) to 4 s (5,000 tracks) a
measurement on one core; `--summary` prints coverage of what is there. The rows behind docs/validation/nta-video-size.md
are in docs/validation/nta-video-size.tsv, which can be given as `--out` to add repeats.
"""

from __future__ import annotations

import argparse
import csv
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.stats import binomtest, wasserstein_distance

from vesicula.instruments.nta.video.concentration import ConcentrationSettings, concentration
from vesicula.instruments.nta.video.diffusion import stokes_einstein, track_statistics
from vesicula.instruments.nta.video.model import Optics
from vesicula.instruments.nta.video.size import QUANTITIES, REPORT_STEP, SizeSettings, size_distribution, summarise
from vesicula.instruments.nta.video.track_trial import TrialSettings, lognormal, mixture, simulate_tracks

POPULATIONS = {
    "mono60": ((60.0,), (1.0,), 1.0),
    "mono100": ((100.0,), (1.0,), 1.0),
    "mono200": ((200.0,), (1.0,), 1.0),
    "80+120 1:1": ((80.0, 120.0), (1.0, 1.0), 1.0),
    "80+120 1:5": ((80.0, 120.0), (1.0, 5.0), 1.0),
    "80+120 5:1": ((80.0, 120.0), (5.0, 1.0), 1.0),
    "100+200 1:1": ((100.0, 200.0), (1.0, 1.0), 1.0),
    "100+200 1:5": ((100.0, 200.0), (1.0, 5.0), 1.0),
    "100+200 5:1": ((100.0, 200.0), (5.0, 1.0), 1.0),
    "ev100 gsd1.3": ((100.0,), (1.0,), 1.3),
    "ev115 gsd1.4": ((115.0,), (1.0,), 1.4),
    "ev130 gsd1.5": ((130.0,), (1.0,), 1.5),
}
# What the rule of the intervals was chosen on; none of them is among those tested.
CALIBRATION = {
    "cal mono80": ((80.0,), (1.0,), 1.0),
    "cal mono150": ((150.0,), (1.0,), 1.0),
    "cal 70+110 2:1": ((70.0, 110.0), (2.0, 1.0), 1.0),
    "cal 90+150 1:3": ((90.0, 150.0), (1.0, 3.0), 1.0),
    "cal 90+150 4:1": ((90.0, 150.0), (4.0, 1.0), 1.0),
    "cal 120+220 1:1": ((120.0, 220.0), (1.0, 1.0), 1.0),
    "cal ev90 gsd1.35": ((90.0,), (1.0,), 1.35),
    "cal ev140 gsd1.25": ((140.0,), (1.0,), 1.25),
    "cal ev120 gsd1.6": ((120.0,), (1.0,), 1.6),
}
ALL = POPULATIONS | CALIBRATION
SIZES = (500, 5000)
EXPOSURES = (0.35, 0.75)


def optics(exposure: float) -> Optics:
    """Return a plain instrument; numbers of the order of common NTA cells."""
    return Optics(
        name="trial", um_per_px=0.166, frame_rate_per_s=25.0, exposure_s=exposure / 25.0, temperature_c=22.0,
        viscosity_mpa_s=0.9544, wavelength_nm=405.0, refractive_index_medium=1.33, numerical_aperture=0.4,
        psf_sigma_um=0.3, depth_of_field_um=4.0, sheet_sigma_um=4.0, width_px=640, height_px=480,
        gain_electrons_per_count=0.0,
    )  # fmt: skip


def truth(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the true distribution on a fine even grid of log diameter: diameters and shares."""
    medians, shares, gsd = ALL[name]
    x = np.arange(np.log(15.0), np.log(1500.0), REPORT_STEP / 5)
    total = np.zeros(x.size)
    for m, s in zip(medians, shares, strict=True):
        part = np.exp(-0.5 * ((x - np.log(m)) / max(np.log(gsd), REPORT_STEP / 10)) ** 2)
        total += s * part / part.sum()
    return np.exp(x), total / total.sum()


def true_numbers(name: str) -> dict[str, float]:
    """Return the true mean, mode and deciles; for discrete mixtures the mode is the more abundant (smaller) size."""
    return {q: allowed[0][0] for q, allowed in true_ranges(name).items()}


def true_ranges(name: str) -> dict[str, list[tuple[float, float]]]:
    """Return for each quantity the intervals of values that are right.

    One point, but for two cases: every value in the gap is a median of a 1:1 mixture of two sizes, and either of its
    sizes a mode. An interval covers where it meets one of them.
    """
    medians, shares, gsd = ALL[name]
    ranges = {q: [(v, v)] for q, v in summarise(*truth(name)).items()}
    if gsd == 1.0:
        top = max(shares)
        ranges["mode"] = [(m, m) for m, s in zip(medians, shares, strict=True) if s == top]
        order = np.cumsum(shares) / sum(shares)
        for q, p in (("d10", 0.1), ("d50", 0.5), ("d90", 0.9)):
            i = int(np.searchsorted(order, p - 1e-12))
            tie = abs(order[i] - p) < 1e-12 and i + 1 < len(medians)
            ranges[q] = [(medians[i], medians[i + 1] if tie else medians[i])]
    return ranges


def wasserstein(diameters_nm: np.ndarray, share: np.ndarray, name: str) -> float:
    """Return the earth mover's distance to the truth, in nm."""
    d, t = truth(name)
    return float(wasserstein_distance(diameters_nm, d, share, t))


def one(
    name: str, tracks_wanted: int, exposure: float, seed: int, draws: Path | None = None
) -> dict[str, object]:  # fmt: skip
    """Simulate and analyse one measurement; keep the numbers of each replicate in the folder `draws`."""
    rng = np.random.default_rng([seed, list(ALL).index(name), tracks_wanted, int(100 * exposure)])
    o = optics(exposure)
    medians, shares, gsd = ALL[name]
    population = mixture(medians, shares, gsd) if len(medians) > 1 else lognormal(medians[0], gsd)
    # About 60 spots a frame; the number of frames that gives about the tracks wanted is found by a short pilot.
    density = 2e9 if min(medians) > 70 else 6e9
    trial = TrialSettings(particles_per_ml=density)
    pilot = simulate_tracks(population, o, 100, trial, np.random.default_rng(1))
    per_frame = (np.bincount(pilot.tracks.track) > 1).sum() / 100
    frames = int(max(50, tracks_wanted / per_frame))
    sample = simulate_tracks(population, o, frames, trial, rng)
    stats = track_statistics(sample.tracks, o)
    row: dict[str, object] = {"population": name, "tracks": tracks_wanted, "exposure": exposure, "seed": seed}
    result = size_distribution(sample.tracks, o, SizeSettings(threads=1), rng)
    c = concentration(sample.tracks, result, o, ConcentrationSettings(), rng)
    row |= {"tracks_used": result.track_count, "frames": frames, "scale": result.localisation_scale}
    if draws is not None:
        kept = np.array([list(summarise(result.diameters_nm, s).values()) for s in c.distribution.share_draws])
        np.save(draws / f"{name.replace(' ', '_').replace(':', '-')}.{tracks_wanted}.{seed}.npy", kept)
    for e in c.distribution.estimates:
        row |= {e.quantity: e.value, f"{e.quantity}_low": e.low, f"{e.quantity}_high": e.high}
    row |= {"conc": c.estimate.value, "conc_low": c.estimate.low, "conc_high": c.estimate.high, "conc_true": density}
    row |= {"b": c.snr_at_100_nm, "beta": c.brightness_exponent, "tau": c.brightness_log_sd}
    row["w1"] = wasserstein(c.distribution.diameters_nm, c.distribution.share, name)
    row["w1_uncorrected"] = wasserstein(result.diameters_nm, result.share, name)
    blur = 1 - exposure / 3
    dt = 1 / o.frame_rate_per_s
    for label, d in (
        ("msd", stats.msd1_um2 / (4 * dt)),
        ("msd_blur", stats.msd1_um2 / (4 * dt * blur)),
        ("msd_blur_10", np.where(stats.spot_count >= 10, stats.msd1_um2, np.nan) / (4 * dt * blur)),
        ("cve", np.where(stats.diffusion_cve_um2_per_s > 0, stats.diffusion_cve_um2_per_s, np.nan)),
        ("mle", stats.diffusion_mle_um2_per_s),
    ):
        size = stokes_einstein(d[np.isfinite(d)], o)
        size = size[(size > 5) & (size < 2000)]
        row[f"w1_{label}"] = wasserstein(size, np.ones(size.size), name)
    return row


def columns_of(quantity: str) -> str:
    """Return the stem of a quantity's columns."""
    if quantity == "conc":
        return quantity
    return f"{quantity}_nm" if quantity.startswith("d") else f"{quantity}_diameter_nm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Coverage of one quantity for one population: hits of n, Wilson's 95 % interval, width and bias over truth."""

    population: str
    tracks: int
    quantity: str
    hits: int
    n: int
    low: float
    high: float
    width: float
    ratio: float
    below: int
    above: int


def cells(rows: list[dict[str, str]]) -> list[Cell]:
    """Return the coverage of each population and quantity. No slack is given to any interval."""
    found = []
    for name, tracks in sorted({(r["population"], int(r["tracks"])) for r in rows}, key=lambda k: (k[1], k[0])):
        part = [r for r in rows if r["population"] == name and int(r["tracks"]) == tracks]
        for q in (*QUANTITIES, "conc"):
            stem = columns_of(q)
            value, low, high = (np.array([float(r[stem + end]) for r in part]) for end in ("", "_low", "_high"))
            allowed = true_ranges(name)[q] if q != "conc" else [(float(part[0]["conc_true"]),) * 2]
            hit = np.any([(low <= b) & (high >= a) for a, b in allowed], axis=0)
            interval = binomtest(int(hit.sum()), len(part)).proportion_ci(method="wilson")
            scale = allowed[0][0]
            found.append(
                Cell(
                    population=name, tracks=tracks, quantity=q, hits=int(hit.sum()), n=len(part),
                    low=interval.low, high=interval.high, width=float(np.mean(high - low) / scale),
                    ratio=float(np.median(value) / scale), below=int((high < allowed[0][0]).sum()),
                    above=int((low > allowed[-1][1]).sum()),
                )
            )  # fmt: skip
    return found


def summary(rows: list[dict[str, str]]) -> None:
    """Print tables for the page: coverage with its interval and the mean relative width; distances."""
    found = cells(rows)
    names = (*QUANTITIES, "conc")
    for tracks in sorted({c.tracks for c in found}):
        print(f"\n| {tracks} tracks | n | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 2))
        for name in [n for n in ALL if any(c.population == n and c.tracks == tracks for c in found)]:
            row = [c for c in found if c.population == name and c.tracks == tracks]
            text = " | ".join(
                f"{100 * c.hits / c.n:.0f} ({100 * c.low:.0f}-{100 * c.high:.0f}), {100 * c.width:.0f} %" for c in row
            )
            print(f"| {name} | {row[0].n} | {text} |")
        pooled = [
            (sum(c.hits for c in found if (c.quantity, c.tracks) == (q, tracks)),
             sum(c.n for c in found if (c.quantity, c.tracks) == (q, tracks)))
            for q in names
        ]  # fmt: skip
        print(f"| all | {pooled[0][1]} | " + " | ".join(f"{100 * k / n:.1f}" for k, n in pooled) + " |")


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--tracks", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--populations", nargs="*", default=list(POPULATIONS))
    parser.add_argument("--draws", type=Path, help="folder for the replicates of each measurement")
    parser.add_argument("--summary", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, str]] = []
    if given.out.exists():
        with given.out.open() as f:
            rows = list(csv.DictReader(f, delimiter="\t"))
    if given.summary:
        summary(rows)
        return
    done = {(r["population"], int(r["tracks"]), int(r["seed"])) for r in rows}
    tasks = [
        (name, n, EXPOSURES[seed % 2], seed)
        for seed in range(given.repeats)
        for n in given.tracks
        for name in given.populations
        if (name, n, seed) not in done
    ]
    with ProcessPoolExecutor(given.jobs) as pool, given.out.open("a", newline="") as f:
        writer = None
        for future in as_completed([pool.submit(one, *t, given.draws) for t in tasks]):
            row = future.result()
            if writer is None:
                writer = csv.DictWriter(f, fieldnames=list(row), delimiter="\t")
                if not rows:
                    writer.writeheader()
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
            f.flush()


if __name__ == "__main__":
    main()
