"""An overview as text, as JSON, and as Polars frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from vesicula.evidence.export import ADDED_COLUMNS, answer_text, claim_row
from vesicula.evidence.model import CLAIM_COLUMNS, Answer, Question
from vesicula.mechanism.overview_model import Overview, Tally

if TYPE_CHECKING:
    import polars as pl

SHOWN_PATHS = 10
"""So many paths are shown for reading; JSON has all."""

TALLY_COLUMNS = ("facet", "value", "claims", "study_types", "sides", "doubted", "records", "store_version")


def overview_text(found: Overview) -> str:
    """Return an overview for reading: what is said, verdict first; counts; paths; the claims; the version."""
    lines = list(_statements(found))
    if found.tallies:
        lines += ["", "Counts of claims (a claim may have several values):", *_tally_lines(found)]
    if found.paths:
        lines += ["", f"Mechanisms ({min(len(found.paths), SHOWN_PATHS)} of {len(found.paths)}):"]
        lines += [f"  {path.sentence}" for path in found.paths[:SHOWN_PATHS]]
    if found.claims:
        lines += ["", "Claims:"]
    return "\n".join([*lines, "", _claims(found)])


def _statements(found: Overview) -> Iterator[str]:
    topic = ""
    for number, statement in enumerate(found.statements):
        if number == 0:
            yield statement.text
        elif statement.topic == topic:
            yield f"    {statement.text}"
        else:
            yield f"{statement.topic.upper()}  {statement.text}"
        topic = statement.topic


def _tally_lines(found: Overview) -> Iterator[str]:
    facet = ""
    for tally in found.tallies:
        if tally.facet != facet:
            facet = tally.facet
            yield f"  {facet}"
        yield f"    {len(tally.records):4}  {tally.value}  [{_counts(tally.study_types)}; {_counts(tally.sides)}]" + (
            f"  doubted: {', '.join(tally.doubted)}" if tally.doubted else ""
        )


def _counts(pairs: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{count} {name}" for name, count in pairs)


def _claims(found: Overview) -> str:
    answer = Answer(
        version=found.version,
        as_of=0,
        question=Question(),
        claims=found.claims,
        matched=(),
        unmatched=(),
        truncated=False,
    )
    return answer_text(answer)


def overview_json(found: Overview) -> str:
    """Return an overview as JSON: everything in it, each claim, path and trial whole."""
    return json.dumps(asdict(found), ensure_ascii=False, indent=2)


def claims_frame(found: Overview) -> pl.DataFrame:
    """Return the claims as a frame of text columns, one row a claim; see :func:`vesicula.evidence.export.claim_row`."""
    import polars as pl

    rows = [claim_row(claim, found.version) for claim in found.claims]
    return pl.DataFrame(rows, schema=dict.fromkeys((*CLAIM_COLUMNS, *ADDED_COLUMNS), pl.String))


def tallies_frame(found: Overview) -> pl.DataFrame:
    """Return the counts as a frame, one row a value of a facet; columns :data:`TALLY_COLUMNS`, counts as integers."""
    import polars as pl

    schema = {name: pl.Int64 if name == "claims" else pl.String for name in TALLY_COLUMNS}
    return pl.DataFrame([_tally_row(tally, found.version) for tally in found.tallies], schema=schema)


def _tally_row(tally: Tally, version: str) -> dict[str, str | int]:
    return {
        "facet": tally.facet,
        "value": tally.value,
        "claims": len(tally.records),
        "study_types": _counts(tally.study_types),
        "sides": _counts(tally.sides),
        "doubted": ";".join(tally.doubted),
        "records": ";".join(tally.records),
        "store_version": version,
    }
