"""Analyse many NTA exports, against a pandas.read_csv loop over the same files that computes nothing.

Run as: python benchmarks/nta_throughput.py [COUNT]

The peer gets every favour: it is told where the table starts in each file, reads the table alone, and throws it away;
a second line lets it read the whole file, as we do.
Ours recognises each file, reads all of it with its checks, computes every statistic with its intervals, judges it, and
stores the result; the second figure also writes the dossier.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from common import make_exports, peak_mib, timed

MANIFEST_HEAD = "vesicula: 1\nstudy:\n  title: Benchmark\nbatches:\n"
MANIFEST_BATCH = "- id: B{i}\n  samples:\n  - id: S1\n    measurements:\n    - files: [{name}]\n"

RUN = """
import json, resource, sys, time
from pathlib import Path
from vesicula.assess.study import Study
from vesicula.dossier.writer import write
if __name__ == "__main__":
    start = time.perf_counter()
    study = Study.load(Path(sys.argv[1]))
    assessment = study.analyse()
    analysed = time.perf_counter() - start
    write(assessment, Path(sys.argv[1]) / "dossier", inputs=None)
    print(json.dumps({
        "analysed_s": analysed,
        "written_s": time.perf_counter() - start,
        "parent_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }))
"""


def pandas_loop(paths: list[Path]) -> None:
    for path in paths:
        # Row of the table's header: known to the peer beforehand, as a hard-coded script would have it.
        skip = 86 if path.read_bytes().startswith(b"NTA Experiment Summary File,,") else 88
        pd.read_csv(path, skiprows=skip, nrows=1000)


def pandas_whole(paths: list[Path]) -> None:
    for path in paths:
        # Rows have different lengths, so the peer is told how many columns there can be.
        pd.read_csv(path, header=None, names=range(20), low_memory=False, encoding="cp1252")


def read_only(paths: list[Path]) -> None:
    from vesicula.instruments.registry import read

    for path in paths:
        read(path)


def one_process(paths: list[Path]) -> None:
    from vesicula.instruments.nta.infer import StatisticsSettings, analyse_measurement
    from vesicula.instruments.registry import read

    for path in paths:
        analyse_measurement(read(path), settings=StatisticsSettings())


def whole_run(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        paths = make_exports(Path(folder), count)
        manifest = MANIFEST_HEAD + "".join(MANIFEST_BATCH.format(i=i, name=p.name) for i, p in enumerate(paths))
        (Path(folder) / "study.yaml").write_text(manifest, encoding="utf-8")
        script = Path(folder) / "run.py"
        script.write_text(RUN, encoding="utf-8")
        result = subprocess.run([sys.executable, script, folder], check=True, capture_output=True, text=True)
        return {k: float(v) for k, v in json.loads(result.stdout.splitlines()[-1]).items()}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        paths = make_exports(Path(folder), count)
        one_process(paths[:2])  # imports
        pandas_loop(paths[:2])
        peer = timed(lambda: pandas_loop(paths))
        whole = timed(lambda: pandas_whole(paths))
        reading = timed(lambda: read_only(paths))
        alone = timed(lambda: one_process(paths))
    print(f"{count} exports; every ratio is our time : the pandas loop's (below 1 is faster)")
    print(f"pandas.read_csv loop, computing nothing   {peer:7.2f} s  {count / peer:6.0f} files/s")
    print(f"  the same over whole files               {whole:7.2f} s  {count / whole:6.0f} files/s")
    print(
        f"vesicula, one process: read alone         {reading:7.2f} s  {count / reading:6.0f} files/s  "
        f"ratio {reading / peer:.2f} ({reading / whole:.2f} to whole files)"
    )
    print(
        f"vesicula, one process: read and statistics{alone:7.2f} s  {count / alone:6.0f} files/s  "
        f"ratio {alone / peer:.2f}"
    )
    print(f"peak memory of that process: {peak_mib(resource.RUSAGE_SELF):.0f} MiB")
    for n in sorted({max(1, count // 4), count}):
        r = whole_run(n)
        print(
            f"vesicula, Study.analyse of {n} batches    {r['analysed_s']:7.2f} s  {n / r['analysed_s']:6.0f} files/s  "
            f"ratio {r['analysed_s'] / (peer * n / count):.2f}\n"
            f"  and with the dossier written            {r['written_s']:7.2f} s  {n / r['written_s']:6.0f} files/s  "
            f"ratio {r['written_s'] / (peer * n / count):.2f}\n"
            f"  peak memory: {r['parent_mib']:.0f} MiB, largest worker {r['worker_mib']:.0f} MiB"
        )


if __name__ == "__main__":
    main()
