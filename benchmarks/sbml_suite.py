"""Run cases of the SBML test suite: counts of passed, failed and unsupported, semantic (ODE) and stochastic (SSA).

    python benchmarks/sbml_suite.py [--folder CASES] [--runs 2000] [--only semantic|stochastic] [--verbose]

CASES holds semantic/NNNNN and stochastic/NNNNN, by default ../shared/data/simulation/sbmlteam__sbml-test-suite/cases.
The suite asks 10,000 runs or more of a stochastic engine: give --runs 10000; the default is short. A case compares some
50 correlated means with their limits of three standard errors, so that a right engine falls outside now and then: what
falls outside is run once more with fresh seeds, and passed by repeat is counted by itself.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vesicula.biogenesis.ode import simulate_ode
from vesicula.biogenesis.sbml import read_sbml
from vesicula.biogenesis.sbml_math import UnsupportedModel
from vesicula.biogenesis.ssa import simulate_ssa
from vesicula.core.errors import VesiculaError

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2] / "shared"))
CASES = SHARED / "data" / "simulation" / "sbmlteam__sbml-test-suite" / "cases"


PASSED_BY_REPEAT = "passed by repeat"


@dataclass(frozen=True)
class Case:
    """One case of the suite."""

    name: str
    model: Path
    settings: dict[str, str]
    columns: list[str]
    expected: np.ndarray


def load(folder: Path) -> Case:
    models = sorted(folder.glob("*-sbml-l*.xml"))
    lines = (folder / f"{folder.name}-settings.txt").read_text(encoding="utf-8").splitlines()
    settings = dict(tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    with (folder / f"{folder.name}-results.csv").open(encoding="utf-8-sig") as stream:
        rows = [row for row in csv.reader(stream) if row]
    expected = np.array([[float(x) for x in row] for row in rows[1:]])
    return Case(folder.name, models[-1], settings, [c.strip() for c in rows[0]], expected)


def names(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def value_of(course, case: Case, name: str) -> np.ndarray:
    """Return a column as the settings want it: amount or concentration."""
    found = course["time_" if name == "time" else name]  # the reader's name for a species called time
    if name in names(case.settings.get("concentration", "")):
        import libsbml

        model = libsbml.readSBML(str(case.model)).getModel()
        return found / course[model.getSpecies(name).getCompartment()]
    return found


def semantic(case: Case) -> tuple[str, str]:
    try:
        network = read_sbml(case.model)
        course = simulate_ode(network, case.expected[:, 0], relative_tolerance=1e-7, absolute_tolerance=1e-9)
    except UnsupportedModel as error:
        return "unsupported", str(error)
    except VesiculaError as error:
        return "failed", str(error)
    absolute, relative = float(case.settings["absolute"]), float(case.settings["relative"])
    worst = ""
    for j, name in enumerate(case.columns[1:], start=1):
        got, want = value_of(course, case, name), case.expected[:, j]
        # The suite's rule: |expected - found| <= absolute + relative |expected|.
        with np.errstate(invalid="ignore"):
            bad = ~((np.abs(got - want) <= absolute + relative * np.abs(want)) | (got == want))
        bad &= ~(np.isnan(got) & np.isnan(want))
        if bad.any():
            i = int(np.argmax(bad))
            worst = f"{name} at {case.expected[i, 0]:g}: {got[i]:.8g}, expected {want[i]:.8g}; {bad.sum()} points"
    return ("failed", worst) if worst else ("passed", "")


def stochastic(case: Case, runs: int) -> tuple[str, str]:
    status, why = one_stochastic(case, runs, seed=int(case.name))
    if status != "failed":
        return status, why
    again, why_again = one_stochastic(case, runs, seed=1_000_000 + int(case.name))
    return (PASSED_BY_REPEAT, f"first run: {why}") if again == "passed" else ("failed", f"{why}; again: {why_again}")


def one_stochastic(case: Case, runs: int, *, seed: int) -> tuple[str, str]:
    """Judge means and variances by the Z and Y of the DSMTS user guide (Evans et al. 2008, Bioinformatics 24:285)."""
    wanted = sorted({c.rsplit("-", 1)[0] for c in case.columns[1:]})
    try:
        found = simulate_ssa(read_sbml(case.model), case.expected[:, 0], n=runs, seed=seed, record=wanted)
    except UnsupportedModel as error:
        return "unsupported", str(error)
    except VesiculaError as error:
        return ("unsupported" if "use simulate_ode" in str(error) else "failed"), str(error)
    low_z, high_z = (float(x) for x in case.settings["meanRange"].strip("()").split(","))
    low_y, high_y = (float(x) for x in case.settings["sdRange"].strip("()").split(","))
    trouble = []
    for name in wanted:
        mean, sd = found[name].mean(axis=0), found[name].std(axis=0, ddof=1)
        want = case.expected[:, case.columns.index(f"{name}-mean")]
        want_sd = case.expected[:, case.columns.index(f"{name}-sd")]
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.where(want_sd > 0, np.sqrt(runs) * (mean - want) / want_sd, np.where(mean == want, 0, np.inf))
            y = np.where(want_sd > 0, np.sqrt(runs / 2) * (sd**2 / want_sd**2 - 1), np.where(sd == 0, 0, np.inf))
        outside = int(((z <= low_z) | (z >= high_z)).sum()), int(((y <= low_y) | (y >= high_y)).sum())
        if any(outside):
            trouble.append(
                f"{name}: {outside[0]} means (max |Z| {np.abs(z).max():.2f}) and {outside[1]} SDs "
                f"(max |Y| {np.abs(y).max():.2f}) outside, of {len(z)}"
            )
    return ("failed", "; ".join(trouble)) if trouble else ("passed", "")


def report(kind: str, results: dict[str, tuple[str, str]], seconds: float, *, verbose: bool) -> None:
    counts = Counter(status for status, _ in results.values())
    order = ("passed", PASSED_BY_REPEAT, "failed", "unsupported")
    print(f"{kind}: {len(results)} cases, {', '.join(f'{counts[s]} {s}' for s in order)} ({seconds:.1f} s)")
    for name, (status, why) in results.items():
        if status in {"failed", PASSED_BY_REPEAT} or (verbose and status == "unsupported"):
            print(f"  {name} {status}: {why}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=CASES)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", choices=("semantic", "stochastic"))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"no test suite at {options.folder}; give --folder")
    for kind in ("semantic", "stochastic"):
        if options.only not in {None, kind}:
            continue
        start = time.perf_counter()
        folders = sorted(f for f in (options.folder / kind).iterdir() if f.is_dir())
        run = semantic if kind == "semantic" else lambda case: stochastic(case, options.runs)
        results = {folder.name: run(load(folder)) for folder in folders}
        report(kind, results, time.perf_counter() - start, verbose=options.verbose)


if __name__ == "__main__":
    main()
