"""The table over all batches, from small rows collected while the batches stream by."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from vesicula.core.assessment import BatchAssessment
from vesicula.core.finding import Finding, Verdict
from vesicula.core.format import format_number
from vesicula.dossier.context import ATTENTION, verdict_counts
from vesicula.dossier.model import OverviewCell, OverviewColumn, OverviewRow
from vesicula.dossier.wording import KINDS
from vesicula.figures import Scale, Span, common_scale, strip, strip_axis

MAX_COLUMNS = 5
STRIP_WIDTH = 120


def overview_rows(batch: BatchAssessment, anchor: str) -> list[OverviewRow]:
    """Return the rows of one batch, one per sample that has a headline.

    Parameters
    ----------
    batch : BatchAssessment
        The batch.
    anchor : str
        Its anchor in the page.

    Returns
    -------
    list of OverviewRow
        Without strips, which need the scale of all batches.
    """
    headlines = [f for f in batch.findings if f.headline]
    samples = list(dict.fromkeys(f.sample for f in headlines)) or [""]
    counts = verdict_counts(batch)
    return [
        OverviewRow(
            anchor=anchor,
            batch=batch.batch,
            sample=sample,
            cells=_cells([f for f in headlines if f.sample == sample]),
            remarks=tuple(
                (f.title, f.verdict.value, KINDS[f.verdict]) for f in headlines if not f.estimate and f.sample == sample
            ),
            counts=counts if sample == samples[0] else (),
        )
        for sample in samples
    ]


def _cells(findings: Sequence[Finding]) -> dict[str, OverviewCell]:
    """Return the cells of one sample by title of their column.

    A number that is a headline twice, plain and judged, gets one cell: the plain finding names the column, the judged
    ones give the verdict, of several that which needs attention first.
    """
    judged = (Verdict.MET, Verdict.NOT_MET, Verdict.UNDECIDED)
    cells: dict[str, OverviewCell] = {}
    columns: dict[tuple[str, float], str] = {}
    verdicts: dict[str, Verdict] = {}
    for f in sorted(findings, key=lambda f: f.verdict in judged):
        e = f.estimate
        if e is None:
            continue
        title = columns.setdefault((e.quantity, e.value), f.title)
        verdicts[title] = min(verdicts.get(title, Verdict.NOT_JUDGED), f.verdict, key=_attention)
        cell = OverviewCell(text=format_number(e.value, e.unit), value=e.value, low=e.low, high=e.high, unit=e.unit)
        cells[title] = dataclasses.replace(
            cells.get(title, cell), verdict=verdicts[title].value, kind=KINDS[verdicts[title]]
        )
    return cells


def _attention(verdict: Verdict) -> int:
    return ATTENTION.index(verdict) if verdict in ATTENTION else len(ATTENTION)


def lay_out(rows: Sequence[OverviewRow]) -> tuple[tuple[OverviewColumn, ...], tuple[OverviewRow, ...]]:
    """Draw every column on one scale.

    Parameters
    ----------
    rows : sequence of OverviewRow
        All rows of the study.

    Returns
    -------
    tuple of (tuple of OverviewColumn, tuple of OverviewRow)
        The columns, at most five, those with the most numbers; and the same rows with strips.
    """
    filled = Counter(title for row in rows for title in row.cells)
    kept = [title for title, _ in filled.most_common(MAX_COLUMNS)]
    scales = {t: common_scale((_span(r.cells[t]) for r in rows if t in r.cells), width=STRIP_WIDTH) for t in kept}
    columns = []
    for title in sorted(kept, key=list(filled).index):
        unit = next(r.cells[title].unit for r in rows if title in r.cells)
        scale = scales[title]
        axis = Markup(strip_axis(scale)) if scale else Markup("")  # noqa: S704 - our own SVG
        columns.append(OverviewColumn(title=title, unit=unit, axis=axis))
    return tuple(columns), tuple(dataclasses.replace(r, cells=_drawn(r.cells, scales)) for r in rows)


def _span(cell: OverviewCell) -> Span:
    return Span(value=cell.value, low=cell.low, high=cell.high)


def _drawn(cells: dict[str, OverviewCell], scales: dict[str, Scale | None]) -> dict[str, OverviewCell]:
    drawn = {}
    for title, cell in cells.items():
        scale = scales.get(title)
        if scale is not None:
            drawn[title] = dataclasses.replace(cell, strip=Markup(strip(_span(cell), scale)))  # noqa: S704 - our own SVG
    return drawn
