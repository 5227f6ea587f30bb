"""What the benchmarks share: a folder of many exports, timing, and peak memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[1] / "tests" / "data" / "nanosight").glob("beads*.csv"))


def make_exports(folder: Path, count: int) -> list[Path]:
    """Write `count` NTA exports: the two real ones by turns, each made unique so that nothing can be reused."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [path.read_bytes() for path in SOURCES]
    paths = []
    for i in range(count):
        path = folder / f"export_{i:05d}.csv"
        unique = f"Operator Name,bench {i}".encode()
        path.write_bytes(contents[i % len(contents)].replace(b"Operator Name,", unique, 1))
        paths.append(path)
    return paths


def timed(function: Callable[[], object], repeats: int = 1) -> float:
    """Return the best time of `repeats` runs, in seconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Return the peak resident memory of this process (or its children), in MiB."""
    return resource.getrusage(who).ru_maxrss / 1024
