"""How fast the evidence store answers: medians of interactive queries on a store of many synthetic claims.

    python benchmarks/evidence_queries.py [CLAIMS] [--postgresql URL] [--repeats N]

The claims are made: names are drawn with Zipf-like frequencies, so that some are in a tenth of all claims and most in
a few. Each query asks for 100 claims, complete with references, doubts, directions and names, as a page would show.
The file system's cache is warm. PostgreSQL: give the URL of an empty database.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from vesicula.evidence.content import Content, DraftClaim, DraftReference
from vesicula.evidence.engine import writing
from vesicula.evidence.model import CLAIM_COLUMNS, Question
from vesicula.evidence.schema import metadata
from vesicula.evidence.store import open_store
from vesicula.evidence.writer import CLAIM_WORDS, write_revision

BLOCK = 20_000
SEED = 20260114
LIMIT = 100
GOAL_MS = 100.0

QUERIES = {
    "condition, common": {"condition": "condition 0"},
    "condition, rare": {"condition": "condition 1500"},
    "cargo, common": {"cargo": "miR-9001"},
    "cargo, rare": {"cargo": "miR-9801"},
    "cargo and tumour": {"cargo": "miR-9002", "tumour": "cancer 3"},
    "condition, source and species": {
        "condition": "condition 5",
        "cell_source": "BM-MSC",
        "species": "mouse",
    },
    "cell source alone (third of all)": {"cell_source": "BM-MSC"},
    "effect class": {"effect_class": "tumour-promoting"},
    "class and effect class": {"condition_class": "kidney", "effect_class": "mixed"},
    "text, rare word": {"text": "finding4321"},
    "text, common word": {"text": "improved"},
    "text, two common words": {"text": "improved tubular"},
    "text and cargo": {"text": "improved", "cargo": "miR-9010"},
    "one record": {"record_id": "S-77777"},
    "a name that is not there": {"condition": "no such thing"},
}


def zipf(rng, count, size):
    weights = 1.0 / np.arange(1, count + 1)
    return rng.choice(count, size=size, p=weights / weights.sum())


def synthetic_claims(first, count, rng):
    """Return `count` claims; conditions, cargo and targets follow a Zipf law over 2000, 1000 and 5000 names."""
    conditions, cargo, targets = zipf(rng, 2000, count), zipf(rng, 1000, count), zipf(rng, 5000, (count, 2))
    sources = rng.choice(["BM-MSC", "AT-MSC", "UC-MSC", "iMSC"], size=count)
    words, findings = (
        rng.choice(["tubular", "vascular", "neural", "dermal"], size=count),
        rng.integers(0, 10_000, count),
    )
    claims = []
    for i in range(count):
        cancer = conditions[i] % 4 == 3
        target = ";".join(f"GENE{t}" for t in targets[i])
        cells = dict.fromkeys(CLAIM_COLUMNS, "") | {
            "record_id": f"S-{first + i}",
            "review": "synthetic",
            "condition": f"{'cancer' if cancer else 'condition'} {conditions[i]}",
            "condition_class": "cancer"
            if cancer
            else ("kidney", "liver", "neuro", "lung")[conditions[i] % 4],
            "cell_source": str(sources[i]),
            "product": "EV",
            "isolation_method": "ultracentrifugation",
            "cargo": f"miR-{9000 + cargo[i]}",
            "target": target,
            "direction": f"GENE{targets[i][0]}:down",
            "model": ("mouse", "rat", "human cells")[i % 3],
            "study_type": "in vivo",
            "effect": f"function improved, {words[i]} injury less, finding{findings[i]}",
            "effect_class": ("tumour-promoting" if i % 2 else "tumour-inhibiting")
            if cancer
            else ("beneficial", "mixed")[i % 2],
            "reference_numbers": f"R{i % 1000}",
        }
        claims.append(
            DraftClaim(
                cells=cells,
                source="synthetic",
                table="synthetic/claims",
                part="",
                group="",
                references=(("synthetic", f"R{i % 1000}"),),
            )
        )
    return claims


def drop_indexes(connection):
    """Drop what is quicker made once than kept up to date; return it."""
    indexes = [index for table in metadata.sorted_tables for index in table.indexes]
    for index in indexes:
        index.drop(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP INDEX claim_words")
    return indexes


def fill(store, count):
    rng = np.random.default_rng(SEED)
    references = [
        DraftReference(
            source="synthetic", number=f"R{i}", table="synthetic/references", position=i, citation=f"Work {i}"
        )
        for i in range(1000)
    ]
    with writing(store._engine) as connection:
        indexes = drop_indexes(connection)
    for first in range(0, count, BLOCK):
        content = Content(
            source="synthetic",
            note="benchmark",
            file_name="",
            sha256=f"block {first}",
            references=references if first == 0 else (),
            claims=synthetic_claims(first, min(BLOCK, count - first), rng),
        )
        with writing(store._engine) as connection:
            if connection.dialect.name == "postgresql":
                # The rows are ours: their keys need no check, row by row, against what was just written.
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            # Names are not looked up: the benchmark is of the store.
            write_revision(connection, content, author="benchmark", identify_names=False)
    with writing(store._engine) as connection:
        for index in indexes:
            index.create(connection)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(CLAIM_WORDS)
        connection.exec_driver_sql("ANALYZE")


def measure(store, repeats):
    medians = []
    for label, filters in QUERIES.items():
        question = Question(**filters, limit=LIMIT)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            answer = store.query(question)
            times.append(1000 * (time.perf_counter() - start))
        medians.append(statistics.median(times))
        mark = "" if medians[-1] < GOAL_MS else "  OVER THE GOAL"
        print(
            f"  {label:34s} {medians[-1]:8.1f} ms  (max {max(times):8.1f})  {len(answer.claims):4d} claims{mark}"
        )
    print(f"  median over queries {statistics.median(medians):.1f} ms, slowest {max(medians):.1f} ms")


def run(target, count, repeats):
    with open_store(target) as store:
        start = time.perf_counter()
        fill(store, count)
        print(
            f"{store.name}: {count} claims written in {time.perf_counter() - start:.0f} s; {LIMIT} claims an answer"
        )
        measure(store, repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("claims", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if options.postgresql:
        run(options.postgresql, options.claims, options.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "evidence.sqlite", options.claims, options.repeats)


if __name__ == "__main__":
    main()
