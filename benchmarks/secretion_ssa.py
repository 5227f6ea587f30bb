"""Secretion: our runs per second, stochastic and mean field, beside libRoadRunner and scipy doing the same work.

    python benchmarks/secretion_ssa.py [--runs 1000] [--roadrunner PYTHON] [--roadrunner-runs 20]

PYTHON is an interpreter that can import `roadrunner`, such as that of an environment of its own (by default the one in
VESICULA_ROADRUNNER, else this one if it has it); without it those lines are left out, and said to be. All run the same
network over the same 24 h and 25 output times, one after the other; rates are per second of wall time, so that other
work on the machine changes them, and the ratios less. libRoadRunner's time per run does not depend on how many are
run, so that fewer of its runs are timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from vesicula.biogenesis import (
    at_steady_state,
    secretion_network,
    simulate_ode,
    simulate_secretion,
    simulate_ssa,
    write_sbml,
)
from vesicula.biogenesis.model import derivatives
from vesicula.biogenesis.system import compile_network

HOURS = np.linspace(0.0, 24.0, 25)
RECORD = ("released_escrt", "released_ceramide")
ODE_RUNS = 200
THEIRS = """
import json, sys, time, roadrunner
rr = roadrunner.RoadRunner(sys.argv[1])
rr.setIntegrator(sys.argv[3])
if sys.argv[3] == "gillespie":
    rr.integrator.variable_step_size = False
else:
    rr.integrator.relative_tolerance, rr.integrator.absolute_tolerance = 1e-6, 1e-9
rr.timeCourseSelections = ["time", "released_escrt", "released_ceramide"]
ends = []
for i in range(int(sys.argv[2]) + 1):
    rr.resetToOrigin()
    if sys.argv[3] == "gillespie":
        rr.integrator.seed = 1 + i
    if i == 1:
        start = time.perf_counter()
    found = rr.simulate(0, 24, 25)
    ends.append(float(found[-1][1] + found[-1][2]))
print(json.dumps([time.perf_counter() - start, ends[1:]]))
"""


def rounded(network):
    """Start from whole counts, as a count of vesicles must be; the same start for all engines."""
    return replace(network, species=tuple(replace(s, initial=float(round(s.initial))) for s in network.species))


def theirs(python: str, network, runs: int, integrator: str) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "secretion.xml"
        model.write_text(write_sbml(network), encoding="utf-8")
        command = [python, "-c", THEIRS, str(model), str(runs), integrator]
        # Without our PYTHONPATH: the other environment has its own packages.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    seconds, ends = json.loads(out)
    return runs / seconds, ends


def show(what: str, rate: float, ends, events: float | None = None) -> None:
    ends = np.asarray(ends)
    count = "" if events is None else f"{events:9.3g} events/s"
    spread = f"(SD {ends.std(ddof=1):6.1f})" if ends.size > 1 and np.ptp(ends) > 0 else ""
    print(f"{what:56s} {rate:9.2f} runs/s {count:20s} released {ends.mean():8.2f} {spread}", flush=True)


def ours(what: str, simulate, runs: int) -> float:
    simulate(2)  # compile
    start = time.perf_counter()
    found = simulate(runs)
    seconds = time.perf_counter() - start
    ends = found[RECORD[0]][:, -1] + found[RECORD[1]][:, -1]
    show(what, runs / seconds, ends, found.firings.sum() / seconds)
    return runs / seconds


def repeated(what: str, solve, runs: int) -> float:
    """Time a solver that returns the number released."""
    end = solve()
    start = time.perf_counter()
    for _ in range(runs):
        solve()
    rate = runs / (time.perf_counter() - start)
    show(what, rate, [end])
    return rate


def numpy_right_hand_side(network):
    """Return the linear network as dy/dt = M y + b, the fastest that plain NumPy does, and the start."""
    system = compile_network(network)
    names = list(derivatives(network))
    base = system.start.copy()
    stack = np.zeros(1024)

    def slopes(y: np.ndarray) -> np.ndarray:
        values = base.copy()
        values[system.states] = y
        system.flow.run(values, stack)
        return values[system.derivative_slots]

    zero = np.zeros(len(names))
    b = slopes(zero)
    matrix = np.column_stack([slopes(row) - b for row in np.eye(len(names))])
    return (lambda _, y: matrix @ y + b), system.start[system.states], [names.index(n) for n in RECORD]


def stochastic(network, options, python: str | None) -> None:
    def plain(threads: int):
        return lambda n: simulate_ssa(network, HOURS, n=n, seed=1, record=RECORD, threads=threads)

    one = ours("ours, direct method, plain network, 1 thread", plain(1), options.runs)
    two = ours("ours, direct method, plain network, 2 threads", plain(2), options.runs)
    bodies = ours(
        "ours, bodies with their own load, 24 + 48 h, 2 threads",
        lambda n: simulate_secretion(network, HOURS, n=n, seed=1),
        options.runs,
    )
    print(f"{options.runs} runs take {options.runs / one:.1f} s on 1 thread; of bodies {options.runs / bodies:.1f} s")
    if python is not None:
        rate, ends = theirs(python, network, options.roadrunner_runs, "gillespie")
        show("libRoadRunner Gillespie, plain network, 1 thread", rate, ends)
        print(f"ratio to libRoadRunner's Gillespie: {one / rate:.1f} on 1 thread, {two / rate:.1f} on 2 (aim: 8)")


def mean_field(network, python: str | None) -> None:
    def released(course) -> float:
        return float(sum(course[name][-1] for name in RECORD))

    system = compile_network(network)
    rate = repeated("ours, LSODA", lambda: released(simulate_ode(system, HOURS)), ODE_RUNS)
    function, start, columns = numpy_right_hand_side(network)

    def plain_scipy() -> float:
        found = solve_ivp(function, (0.0, 24.0), start, t_eval=HOURS, method="LSODA", rtol=1e-6, atol=1e-9)
        return float(found.y[columns, -1].sum())

    theirs_rate = repeated("scipy.solve_ivp, LSODA, NumPy matrix", plain_scipy, ODE_RUNS)
    print(f"ratio to scipy.solve_ivp: {rate / theirs_rate:.2f}")
    if python is not None:
        cvode, ends = theirs(python, network, ODE_RUNS, "cvode")
        show("libRoadRunner CVODE", cvode, ends[:1])
        print(f"ratio to libRoadRunner's CVODE: {rate / cvode:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--roadrunner", default=os.environ.get("VESICULA_ROADRUNNER"))
    parser.add_argument("--roadrunner-runs", type=int, default=20)
    options = parser.parse_args()
    python = options.roadrunner
    if python is None and importlib.util.find_spec("roadrunner"):
        python = sys.executable
    if python is None:
        print("libRoadRunner left out: not installed here, and neither --roadrunner nor VESICULA_ROADRUNNER is given")
    network = rounded(at_steady_state(secretion_network()))
    print(f"secretion: {len(network.species)} species, {len(network.reactions)} reactions, 24 h, 25 times")
    stochastic(network, options, python)
    mean_field(network, python)


if __name__ == "__main__":
    main()
