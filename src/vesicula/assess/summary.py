"""The short verdict table."""

from __future__ import annotations

from vesicula.core.assessment import Assessment

Row = tuple[str, str, str, str, str]


def verdict_rows(assessment: Assessment, limit: int) -> tuple[list[Row], int]:
    """Return the headline findings as rows: batch, sample, what, verdict, statement.

    Parameters
    ----------
    assessment : Assessment
        The findings; batches are read one at a time.
    limit : int
        Stop after the batch in which this many rows are reached.

    Returns
    -------
    tuple of (list of tuple, int)
        The rows, and how many batches are left out.
    """
    rows: list[Row] = []
    for seen, batch in enumerate(assessment.batches):
        if len(rows) >= limit:
            return rows, len(assessment.batches) - seen
        rows += [(f.batch, f.sample, f.title, f.verdict.value, f.statement) for f in batch.findings if f.headline]
    return rows, 0
