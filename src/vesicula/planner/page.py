"""A search as one HTML page: verdict, picture, table, protocols."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from vesicula.planner.report import HEADINGS, notes, plan_yaml, rows, verdict
from vesicula.planner.search import PlanSearch

CSS = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;margin:0 auto;
max-width:72rem;padding:1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
.verdict{font-size:1.1rem;border-left:.3rem solid #0072B2;padding:.4rem .8rem;background:#eef4f9;color:#1b1f24}
figure{margin:1rem 0}figcaption{font-size:.9rem}.scroll{overflow-x:auto}
svg{width:100%;height:auto;min-width:30rem}
table{border-collapse:collapse;width:100%}caption{text-align:left;font-size:.9rem;padding:.3rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #c8ced6}
th{font-size:.85rem}td.n,th.n{white-space:nowrap}pre{overflow-x:auto;background:#f4f6f8;color:#1b1f24;padding:.7rem;font-size:.85rem}
summary{cursor:pointer;padding:.3rem 0}li{margin:.3rem 0}
@media(max-width:46rem){.scroll::before{content:"Swipe the picture sideways.";font-size:.85rem}
table,caption,tbody,tr,td{display:block}thead{display:none}
tr{border:1px solid #c8ced6;border-radius:.3rem;margin:.8rem 0;padding:.3rem}
td{border:0;padding:.2rem .4rem}td::before{content:attr(data-head)": ";font-weight:600}td:empty{display:none}}
@media(prefers-color-scheme:dark){body{color:#e6e9ed;background:#14181d}th,td{border-color:#3a424c}}
"""


def plan_page(found: PlanSearch, *, svg: str, caption: str) -> str:
    """Return the page.

    Parameters
    ----------
    found : PlanSearch
        What was found.
    svg, caption : str
        Picture of the front, as drawn by `vesicula.figures.plan`; the caption is plain text.

    Returns
    -------
    str
        HTML without script and without anything from elsewhere.
    """
    head = "".join(f'<th scope="col"{_kind(h)}>{escape(h)}</th>' for h in HEADINGS)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows(found))
    protocols = "".join(
        f"<details><summary>Plan {n}: {escape(p.title)}</summary><pre>{escape(plan_yaml(found, n))}</pre></details>"
        for n, p in enumerate(found.plans, start=1)
    )
    said = "".join(f"<li>{escape(n)}</li>" for n in notes(found))
    feed = escape(f"{found.request.feed.volume_ml:g} mL, {found.request.feed.preset or 'own particles'}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Plans for an isolation</title><style>{CSS}</style></head><body><main>"
        f'<h1>Plans for an isolation</h1><p class="verdict">{escape(verdict(found))}</p>'
        f"<p>Feed: {feed}. Target classes: {escape(', '.join(found.request.classes))}.</p>"
        f'<figure><div class="scroll">{svg}</div><figcaption>{escape(caption)}</figcaption></figure>'
        "<h2>Plans</h2><table><caption>None is beaten by another in yield, purity, hours and exposure at once. In "
        "brackets: 5th to 95th percentile over what is not known.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<h2>Protocols</h2><p>Each runs with <code>vesicula isolate</code> and gives the numbers above.</p>{protocols}"
        f"<h2>What to know</h2><ul>{said}</ul></main></body></html>\n"
    )


def _kind(heading: str) -> str:
    """Return the class of a column: intervals and numbers stay on one line."""
    return "" if heading in ("protocol", "why it may miss") else ' class="n"'


def _cells(row: Sequence[str]) -> str:
    named = zip(HEADINGS, row, strict=True)
    return "".join(f'<td data-head="{escape(h)}"{_kind(h)}>{escape(c)}</td>' for h, c in named)
