"""The table over all batches, from small rows collected while the batches stream by."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from vesicula.core.assessment import BatchAssessment
from vesicula.core.finding import Finding, Verdict
from vesicula.core.format import format_number
from vesicula.dossier.context import verdict_counts
from vesicula.dossier.model import OverviewCell, OverviewColumn, OverviewRow
from vesicula.dossier.wording import KINDS
from vesicula.figures import Span, common_scale, strip, strip_axis

MAX_COLUMNS = 5
STRIP_WIDTH = 120


def overview_rows(batch: BatchAssessment, anchor: str) -> tuple[list[OverviewRow], dict[str, str]]:
    """Return the rows of one batch, one per sample that has a headline, and the titles of their quantities.

    Parameters
    ----------
    batch : BatchAssessment
        The batch.
    anchor : str
        Its anchor in the page.

    Returns
    -------
    tuple of (list of OverviewRow, dict)
        Rows without strips; and title by quantity.
    """
    headlines = [f for f in batch.findings if f.headline]
    samples = list(dict.fromkeys(f.sample for f in batch.findings if f.headline)) or [""]
    # A quantity may be a headline twice: the plain number names the column, the judged one gives the verdict.
    headlines.sort(key=lambda f: f.verdict is not Verdict.NOT_JUDGED)
    titles: dict[str, str] = {}
    for f in headlines:
        if f.estimate:
            titles.setdefault(f.estimate.quantity, f.title)
    counts = verdict_counts(batch)
    rows = [
        OverviewRow(
            anchor=anchor,
            batch=batch.batch,
            sample=sample,
            cells={f.estimate.quantity: _cell(f) for f in headlines if f.estimate and f.sample == sample},
            remarks=tuple(
                (f.title, f.verdict.value, KINDS[f.verdict]) for f in headlines if not f.estimate and f.sample == sample
            ),
            counts=counts if sample == samples[0] else (),
        )
        for sample in samples
    ]
    return rows, titles


def _cell(f: Finding) -> OverviewCell:
    e = f.estimate
    if e is None:
        raise ValueError("a cell needs an estimate")
    return OverviewCell(
        text=format_number(e.value, e.unit),
        value=e.value,
        low=e.low,
        high=e.high,
        unit=e.unit,
        verdict=f.verdict.value,
        kind=KINDS[f.verdict],
    )


def lay_out(
    rows: Sequence[OverviewRow], titles: dict[str, str]
) -> tuple[tuple[OverviewColumn, ...], tuple[OverviewRow, ...]]:
    """Draw every column on one scale.

    Parameters
    ----------
    rows : sequence of OverviewRow
        All rows of the study.
    titles : dict
        Title by quantity.

    Returns
    -------
    tuple of (tuple of OverviewColumn, tuple of OverviewRow)
        The same rows with strips, and the columns: at most five, those with the most numbers.
    """
    filled = {q: sum(q in r.cells for r in rows) for q in titles}
    kept = sorted(sorted(titles, key=lambda q: -filled[q])[:MAX_COLUMNS], key=list(titles).index)
    scales = {
        q: common_scale(
            [Span(value=r.cells[q].value, low=r.cells[q].low, high=r.cells[q].high) for r in rows if q in r.cells],
            width=STRIP_WIDTH,
        )
        for q in kept
    }
    columns = []
    for q in kept:
        unit = next((r.cells[q].unit for r in rows if q in r.cells), "")
        scale = scales[q]
        axis = Markup(strip_axis(scale)) if scale else Markup("")  # noqa: S704 - our own SVG
        columns.append(OverviewColumn(quantity=q, title=titles[q], unit=unit, axis=axis))
    drawn = []
    for row in rows:
        cells = {}
        for q, cell in row.cells.items():
            scale = scales.get(q)
            if scale is not None:
                art = Markup(strip(Span(value=cell.value, low=cell.low, high=cell.high), scale))  # noqa: S704 - our own SVG
                cells[q] = dataclasses.replace(cell, strip=art)
        drawn.append(dataclasses.replace(row, cells=cells))
    return tuple(columns), tuple(drawn)
