"""Analyse whole movies from the command line: time against playing time, memory, growth with frames and particles.

``python benchmarks/nta_movie.py [--quick]`` films polystyrene beads with the simulator (640 x 480, 25 frames/s),
runs ``vesicula nta`` on each file in a process of its own, and prints wall time and peak memory. Compiled code is
cached by one run beforehand, as it is for a user's second movie.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from vesicula.core.population import lognormal_population
from vesicula.instruments.nta.video.optics import load_optics
from vesicula.instruments.nta.video.scatter import POLYSTYRENE
from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video

PER_ML_FOR_60 = 3.2e8
"""At this concentration about 60 beads of the settings below are in sight."""

CASES = ((15, 60), (30, 60), (60, 60), (30, 20), (30, 150))
QUICK = ((3, 60), (6, 60), (6, 20))


def film(path: Path, seconds: float, particles: int) -> int:
    """Write a movie as a TIFF stack; return its number of frames."""
    optics = load_optics("nanosight-like", frame_rate_per_s=25.0)
    beads = lognormal_population(
        median_nm=(100.0,),
        geometric_sd=(1.05,),
        concentration_per_ml=(PER_ML_FOR_60 * particles / 60,),
        diameter_nm=np.linspace(70, 140, 701),
    )
    settings = VideoSettings(duration_s=seconds, material=POLYSTYRENE, reference_electrons=20_000.0)
    movie = simulate_video(beads, optics, settings, np.random.default_rng(7))
    with tifffile.TiffWriter(path) as writer:
        for frame in movie.frames():
            writer.write(frame, contiguous=True)
    return movie.frame_count


def run(path: Path, out: Path) -> tuple[float, float, str]:
    """Analyse in a process of its own; return seconds, peak MiB, and its first line."""
    command = [sys.executable, "-c", "from vesicula.cli.main import main; main()", "nta", str(path)]
    command += ["--preset", "nanosight-like", "--frame-rate", "25", "--out", str(out), "--overwrite"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = process.stdout.read() if process.stdout else ""
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - start, usage.ru_maxrss / 1024, text.partition("\n")[0]


def main() -> None:
    """Print a line a movie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    cases = QUICK if parser.parse_args().quick else CASES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.tif"
        film(path, 2, 60)
        run(path, Path(folder) / "warm")
        print(" movie s  particles  frames  analysed in s  x real time  peak MiB")
        for seconds, particles in cases:
            frames = film(path, seconds, particles)
            took, memory, line = run(path, Path(folder) / "out")
            print(
                f"{seconds:8} {particles:10} {frames:7} {took:14.1f} {seconds / took:12.2f} {memory:9.0f}  {line}",
                flush=True,
            )


if __name__ == "__main__":
    main()
