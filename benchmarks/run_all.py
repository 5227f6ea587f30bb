"""Run the quick benchmarks, one after the other. evidence_queries.py takes minutes and is run by itself.

So does smallrna.py, whose peers (bowtie, igzip) must be installed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

for script in ("startup.py", "nta_throughput.py"):
    print(f"== {script}", flush=True)
    subprocess.run([sys.executable, Path(__file__).with_name(script)], check=True)
