"""Stochastic secretion: our runs per second beside libRoadRunner's Gillespie doing the same model and times.

    python benchmarks/secretion_ssa.py [--runs 40] [--roadrunner PYTHON] [--roadrunner-runs 6]

PYTHON is an interpreter that can import `roadrunner` (in an environment of its own); without it that line is left out.
The issue's full size is --runs 1000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from vesicula.biogenesis import (
    at_steady_state,
    secretion_network,
    simulate_ode,
    simulate_secretion,
    simulate_ssa,
    write_sbml,
)

HOURS = np.linspace(0.0, 24.0, 25)
RECORD = ("released_escrt", "released_ceramide")
THEIRS = """
import json, sys, time, roadrunner
rr = roadrunner.RoadRunner(sys.argv[1])
rr.setIntegrator("gillespie")
rr.integrator.variable_step_size = False
rr.timeCourseSelections = ["time", "released_escrt", "released_ceramide"]
ends = []
for i in range(int(sys.argv[2]) + 1):
    rr.resetToOrigin()
    rr.integrator.seed = 1 + i
    if i == 1:
        start = time.perf_counter()
    found = rr.simulate(0, 24, 25)
    ends.append(float(found[-1][1] + found[-1][2]))
print(json.dumps([time.perf_counter() - start, ends[1:]]))
"""


def rounded(network):
    """Start from whole counts, as a count of vesicles must be; the same start for both engines."""
    from dataclasses import replace

    return replace(network, species=tuple(replace(s, initial=float(round(s.initial))) for s in network.species))


def theirs(python: Path, network, runs: int) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "secretion.xml"
        model.write_text(write_sbml(network), encoding="utf-8")
        command = [str(python), "-c", THEIRS, str(model), str(runs)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, ends = json.loads(out)
    return runs / seconds, ends


def show(what: str, rate: float, ends, events: float | None = None) -> None:
    ends = np.asarray(ends)
    count = "" if events is None else f"  {events:9.3g} events/s"
    print(f"{what:52s} {rate:9.2f} runs/s{count}  released {ends.mean():7.1f} (SD {ends.std(ddof=1):6.1f})")


def ours(what: str, simulate, runs: int) -> float:
    simulate(2)  # compile
    start = time.perf_counter()
    found = simulate(runs)
    seconds = time.perf_counter() - start
    ends = found[RECORD[0]][:, -1] + found[RECORD[1]][:, -1]
    show(what, runs / seconds, ends, found.firings.sum() / seconds)
    return runs / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--roadrunner", type=Path)
    parser.add_argument("--roadrunner-runs", type=int, default=6)
    options = parser.parse_args()
    network = rounded(at_steady_state(secretion_network()))
    print(f"secretion: {len(network.species)} species, {len(network.reactions)} reactions, 24 h, 25 times")

    def plain(threads: int):
        return lambda n: simulate_ssa(network, HOURS, n=n, seed=1, record=RECORD, threads=threads)

    one = ours("direct method, plain network, 1 thread", plain(1), options.runs)
    two = ours("direct method, plain network, 2 threads", plain(2), options.runs)
    ours(
        "bodies with their own load, 48 h of warm-up, 2 threads",
        lambda n: simulate_secretion(network, HOURS, n=n, seed=1),
        options.runs,
    )
    simulate_ode(network, HOURS)
    start = time.perf_counter()
    for _ in range(20):
        course = simulate_ode(network, HOURS)
    print(f"{'scipy LSODA, mean field':52s} {20 / (time.perf_counter() - start):9.2f} runs/s"
          f"{'':20s}  released {course[RECORD[0]][-1] + course[RECORD[1]][-1]:7.1f}")  # fmt: skip
    if options.roadrunner:
        rate, ends = theirs(options.roadrunner, network, options.roadrunner_runs)
        show("libRoadRunner Gillespie, plain network, 1 thread", rate, ends)
        print(f"ratio to libRoadRunner: {one / rate:.1f} on 1 thread, {two / rate:.1f} on 2 threads (aim: 8)")


if __name__ == "__main__":
    main()
