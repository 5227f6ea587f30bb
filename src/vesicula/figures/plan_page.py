"""A search as one HTML page: verdict, picture, table, protocols."""

from __future__ import annotations

from vesicula.figures.figure import Figure
from vesicula.figures.page import bullets, drawing, folded, heading, page, paragraph, table
from vesicula.planner.report import HEADINGS, notes, plan_yaml, rows, verdict
from vesicula.planner.search import PlanSearch


def plan_page(found: PlanSearch, figure: Figure) -> str:
    """Return the page.

    Parameters
    ----------
    found : PlanSearch
        What was found.
    figure : Figure
        Picture of the front, as drawn by `vesicula.figures.plan`.

    Returns
    -------
    str
        HTML without script and without anything from elsewhere.
    """
    request = found.request
    feed = f"{request.feed.volume_ml:g} mL, {request.feed.preset or 'own particles'}"
    protocols = [folded(f"Plan {n}: {p.title}", plan_yaml(found, n)) for n, p in enumerate(found.plans, start=1)]
    parts = [
        paragraph(f"Feed: {feed}. Target classes: {', '.join(request.classes)}."),
        drawing(figure),
        heading("Plans"),
        table(HEADINGS, rows(found), caption=_CAPTION, texts=("protocol", "why it may miss"), cards=True),
        heading("Protocols"),
        paragraph("Each runs with vesicula isolate and gives the numbers above."),
        *protocols,
        heading("What to know"),
        bullets(notes(found)),
    ]
    return page("Plans for an isolation", verdict=[verdict(found)], parts=parts)


_CAPTION = (
    "None is beaten by another in yield, purity, hours and exposure at once. In brackets: 5th to 95th percentile over "
    "what is not known."
)
