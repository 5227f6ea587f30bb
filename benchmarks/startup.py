"""Time `vesicula --help` against an interpreter that does nothing. Aim: under 0.3 s."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import timed

REPEATS = 10


def main() -> None:
    command = Path(sys.executable).with_name("vesicula")
    ours = timed(lambda: subprocess.run([command, "--help"], check=True, capture_output=True), REPEATS)
    bare = timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), REPEATS)
    polars = timed(lambda: subprocess.run([sys.executable, "-c", "import polars"], check=True), REPEATS)
    print(f"vesicula --help        {ours * 1000:7.0f} ms (aim: under 300 ms)")
    print(f"python -c pass         {bare * 1000:7.0f} ms (ratio {ours / bare:.1f})")
    print(f"python -c import polars{polars * 1000:7.0f} ms (what lazy imports save)")


if __name__ == "__main__":
    main()
