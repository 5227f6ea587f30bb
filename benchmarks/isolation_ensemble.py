"""Parameter draws of a four-step isolation per second, beside scipy.solve_ivp with the sedimentation alone.

    python benchmarks/isolation_ensemble.py [--draws 10000] [--scipy-draws 3] [--threads 2]

Ten classes on a grid of 400 diameters, five density shares each, differential centrifugation in four steps. solve_ivp
follows every class, density and diameter of the same grid back from the bottom of the tube through the four runs, which
gives the share that started below (swing-out rotor, no diffusion): less work than ours, which also solves
the Lamm equation (by table) for all that diffuses, and draws, sums and weighs.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from scipy.integrate import solve_ivp

from vesicula.core.population import mixed_population
from vesicula.isolation.balance import Fraction
from vesicula.isolation.centrifuge import pelleted_share, run_at
from vesicula.isolation.ensemble import ensemble
from vesicula.isolation.fluids import medium, sedimentation_s
from vesicula.isolation.protocol_text import Protocol, parse_protocol
from vesicula.isolation.rotors import angular_speed, rotor

STEPS = ((300, 10, "supernatant"), (2000, 20, "supernatant"), (10_000, 30, "supernatant"), (100_000, 70, "pellet"))
CLASSES = {
    "exosome": 5e8, "microvesicle": 1e8, "apoptotic body": 1e6, "exomere": 1e8, "bovine vesicle": 5e8, "VLDL": 1.5e12,
    "LDL": 3e13, "HDL": 9e14, "protein": 2.6e16, "protein aggregate": 1e8,
}  # fmt: skip


def protocol() -> Protocol:
    lines = [
        f"  - centrifuge: {{rotor: SW 32 Ti, rcf_g: {g}, at: r_max, minutes: {m}, keep: {keep}}}"
        for g, m, keep in STEPS
    ]
    feed = ", ".join(f"{k}: {v}" for k, v in CLASSES.items())
    text = (
        f"vesicula_protocol: 1\nfeed: {{volume_ml: 200, medium: medium with 10 % FBS, particles: {{{feed}}}}}\n"
        "target: [exosome, microvesicle]\nsteps:\n" + "\n".join(lines)
    )
    return parse_protocol(text, name="benchmark")


def scipy_draw(feed: Fraction, rng: np.random.Generator) -> float:
    """Return the largest difference to the exact share, so that the work is seen to be the same."""
    population, liquid, worst = feed.population, medium("medium with 10 % FBS", 4.0), 0.0
    density = population.density_g_per_ml() + rng.normal(0, 0.01)
    s = np.maximum(sedimentation_s(population.diameter_nm, density, liquid), 0.0).ravel()
    r = rotor("SW 32 Ti")
    top, bottom = r.r_min_mm * 1e-3, r.r_max_mm * 1e-3
    for rcf, minutes, _ in STEPS:
        run = run_at(r, rcf, minutes, at="r_max")
        rate = s * angular_speed(run.rpm) ** 2

        def back(_t, x, rate=rate):
            return -rate  # of the logarithm of the radius: RK45 needs few steps, the kindest form for it

        ends = solve_ivp(back, (0.0, minutes * 60.0), np.full(s.size, np.log(bottom)), rtol=1e-6, atol=1e-9).y[:, -1]
        share = np.minimum(1.0, (bottom - np.exp(ends)) / (bottom - top))
        worst = max(worst, float(np.abs(share - pelleted_share(run, s)).max()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--scipy-draws", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    p = protocol()
    start = time.perf_counter()
    ensemble(p, draws=64)
    print(f"first call (compile or load, tables): {time.perf_counter() - start:.1f} s; {os.cpu_count()} processors, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    found = ensemble(p, draws=options.draws, threads=options.threads)
    seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    rate = options.draws / seconds
    low, mid, high = (100 * x[-1] for x in found.interval("target_yield"))
    print(f"ensemble: {options.draws} draws of {len(found.priors)} parameters in {seconds:.2f} s ({spent:.2f} s of "
          f"processor), {rate:.0f} draws/s; yield {mid:.1f} % ({low:.1f} to {high:.1f})")  # fmt: skip
    feed = Fraction(name="feed", volume_ml=200.0, population=mixed_population(CLASSES))
    rng = np.random.default_rng(1)
    start = time.perf_counter()
    worst = max(scipy_draw(feed, rng) for _ in range(options.scipy_draws))
    theirs = options.scipy_draws / (time.perf_counter() - start)
    print(f"scipy.solve_ivp (RK45, rtol 1e-6): {theirs:.3g} draws/s; largest error of a share {worst:.1e}")
    print(f"ratio: {rate / theirs:.0f}")


if __name__ == "__main__":
    main()
