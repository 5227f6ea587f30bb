"""From the same simulated tracks to sizes: ours beside what is published, by earth mover's distance to truth.

Peers: histogram of lag-1 mean squared displacements, uncorrected and corrected for motion blur, all tracks and those
of 10 spots or more; histogram of covariance-based estimates; and the maximum likelihood of Walker 2012 (Meas. Sci.
Technol. 23:065605), as in Wagner 2014 (J. Nanopart. Res. 16:2419, NanoTrackJ): expectation maximisation of a free
histogram over the gamma kernel of the mean squared displacement, written here from the formula; NanoTrackJ itself is
Java and is not run.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
from scipy.special import gammaln

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

import make_nta_video_validation as study

from vesicula.instruments.nta.video.concentration import ConcentrationSettings, concentration
from vesicula.instruments.nta.video.diffusion import stokes_einstein, track_statistics
from vesicula.instruments.nta.video.size import SizeSettings, size_distribution
from vesicula.instruments.nta.video.track_trial import TrialSettings, mixture, simulate_tracks


def walker(d_hat, steps, grid_nm, optics, iterations=300):
    """Free histogram by EM: D_hat is gamma of shape n (steps, two axes) and mean D(d)."""
    d = stokes_einstein(grid_nm, optics)
    n = steps[:, None].astype(float)
    log_p = n * np.log(n / d) + (n - 1) * np.log(d_hat[:, None]) - n * d_hat[:, None] / d - gammaln(n)
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    f = np.full(grid_nm.size, 1 / grid_nm.size)
    for _ in range(iterations):
        f = f * (p / (p @ f)[:, None]).mean(axis=0)
    return f / f.sum()


def compare(name, tracks_wanted, exposure, rng, bootstrap):
    o = study.optics(exposure)
    medians, shares, gsd = study.POPULATIONS[name]
    trial = TrialSettings(particles_per_ml=2e9 if min(medians) > 70 else 6e9)
    pilot = simulate_tracks(mixture(medians, shares, gsd), o, 100, trial, np.random.default_rng(1))
    frames = int(max(50, tracks_wanted * 100 / (np.bincount(pilot.tracks.track) > 1).sum()))
    tracks = simulate_tracks(mixture(medians, shares, gsd), o, frames, trial, rng).tracks
    s = track_statistics(tracks, o)
    dt = 1 / o.frame_rate_per_s
    raw, blur = s.msd1_um2 / (4 * dt), 1 - exposure / 3
    long = s.spot_count >= 10
    grid = np.exp(np.arange(np.log(15), np.log(1500), 0.02))
    found = {}
    for label, d in (
        ("msd", raw), ("msd_blur", raw / blur), ("msd_blur>=10", (raw / blur)[long]),
        ("cve>=10", s.diffusion_cve_um2_per_s[long]),
    ):  # fmt: skip
        size = stokes_einstein(d[np.isfinite(d) & (d > 0)], o)
        size = size[size < 2000]
        found[label] = study.wasserstein(size, np.ones(size.size), name)
    # The kernel needs n >= 2; blur corrected, which the published programs leave to the user.
    good = np.isfinite(raw) & (s.spot_count >= 3)
    found["walker"] = study.wasserstein(
        grid, walker(raw[good] / blur, s.spot_count[good] - 1, grid, o), name
    )
    start = time.perf_counter()
    result = size_distribution(tracks, o, SizeSettings(bootstrap=bootstrap), rng)
    seconds = time.perf_counter() - start
    c = concentration(tracks, result, o, ConcentrationSettings(), rng)
    found["vesicula, as seen"] = study.wasserstein(result.diameters_nm, result.share, name)
    found["vesicula"] = study.wasserstein(c.distribution.diameters_nm, c.distribution.share, name)
    return found, result.track_count, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--bootstrap", type=int, default=0, help="replicates; distances do not need them")
    parser.add_argument("--out", type=Path, required=True, help="tab-separated, a row per measurement; resumed")
    given = parser.parse_args()
    done = set()
    if given.out.exists():
        with given.out.open() as f:
            done = {(r["population"], r["tracks"], r["seed"]) for r in csv.DictReader(f, delimiter="\t")}
    with given.out.open("a", newline="") as f:
        heads = None
        for seed in range(given.repeats):
            for i, name in enumerate(study.POPULATIONS):
                if (name, str(given.tracks), str(seed)) in done:
                    continue
                rng = np.random.default_rng([given.tracks, i, seed, 77])
                found, used, seconds = compare(
                    name, given.tracks, study.EXPOSURES[seed % 2], rng, given.bootstrap
                )
                row = {"population": name, "tracks": given.tracks, "seed": seed, "used": used, "fit_s": seconds}
                row |= found
                if heads is None:
                    heads = csv.DictWriter(f, fieldnames=list(row), delimiter="\t")
                    if not done:
                        heads.writeheader()
                heads.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
                f.flush()


if __name__ == "__main__":
    main()
