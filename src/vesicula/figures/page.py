"""Small pages that stand alone: verdict first, then figures and tables. No script, nothing fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from vesicula.figures.figure import Figure

STYLE = Markup("""
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#d5d9de;--soft:#f3f5f7;
--good:#00664a;--bad:#a84300;--tint:0,114,178}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--paper:#16191d;--faint:#3a4048;--soft:#20252b;
--good:#4fc9a4;--bad:#ff9d5c;--tint:86,180,233}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:1.2rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0 .6rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:.6rem 0 .3rem}
.verdict{background:var(--soft);border-left:5px solid #0072B2;padding:.8rem 1rem;font-size:1.08rem;max-width:80ch}
.verdict p{margin:.3rem 0}
.verdict p:first-child:not(:last-child){font-weight:600}
.good{color:var(--good)}
.bad{color:var(--bad);font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.84rem}
caption{text-align:left;padding:.3rem 0}
th,td{padding:.35rem .45rem;text-align:right;border-bottom:1px solid var(--faint)}
td{white-space:nowrap;vertical-align:top}
th{background:var(--soft);font-weight:600;vertical-align:bottom;overflow-wrap:normal}
th:first-child,td:first-child,th.t,td.t{text-align:left;white-space:normal}
th:first-child,td:first-child{position:sticky;left:0;background:var(--paper);min-width:8rem}
thead th{position:sticky;top:0;z-index:1}
thead th:first-child{background:var(--soft);z-index:2}
.tall{overflow:auto;max-height:78vh;border:1px solid var(--faint)}
.s1{background:rgba(var(--tint),.1)}
.s2{background:rgba(var(--tint),.17)}
.s3{background:rgba(var(--tint),.25)}
.s4{background:rgba(var(--tint),.34)}
.s5{background:rgba(var(--tint),.44)}
td.t{min-width:9rem}
.figures{display:grid;gap:1.2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}
.beside{display:grid;gap:1.2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));align-items:start}
.beside>div{min-width:0}
figure{margin:0 0 1rem;max-width:900px}
article{border:1px solid var(--faint);padding:.6rem .9rem;margin:.6rem 0}
article h3{margin:.1rem 0}
article p,article ul{margin:.3rem 0}
a{color:inherit}
.figures figure{max-width:640px}
svg{width:100%;height:auto;display:block}
figcaption,.note{font-size:.85rem;opacity:.85;max-width:80ch}
ul{padding-left:1.2rem}
li{margin:.3rem 0}
summary{cursor:pointer;padding:.3rem 0}
pre{overflow-x:auto;background:var(--soft);padding:.7rem;font-size:.85rem}
@media(max-width:46rem){
.drawn{overflow-x:auto}
.drawn::before,.wide:not(.cards)::before{content:"Swipe sideways.";font-size:.85rem;opacity:.85;position:sticky;left:0}
.drawn svg{min-width:30rem}
.cards table,.cards caption,.cards tbody,.cards tr,.cards td{display:block;text-align:left;white-space:normal}
.cards thead{display:none}
.cards tr{border:1px solid var(--faint);border-radius:.3rem;margin:.8rem 0;padding:.3rem}
.cards td,.cards td:first-child{position:static;border:0;padding:.2rem .4rem;min-width:0}
.cards td::before{content:attr(data-head)": ";font-weight:600}
.cards td:empty{display:none}}
""")


def page(title: str, *, verdict: Sequence[str], parts: Iterable[Markup], subtitle: str = "") -> str:
    """Return a page.

    Parameters
    ----------
    title : str
        Heading; plain text, as all other text here: it is escaped.
    verdict : sequence of str
        What a reader must know first, a sentence or two each.
    parts : iterable of markupsafe.Markup
        What follows, made by the other functions of this module.
    subtitle : str
        Added to the title in the browser's tab.

    Returns
    -------
    str
        HTML.
    """
    said = Markup("").join(paragraph(sentence) for sentence in verdict)
    whole = Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<title>{tab}</title><style>{style}</style></head><body><main>"
        '<h1>{title}</h1><div class="verdict">{said}</div>{parts}</main></body></html>\n'
    )
    tab = f"{title}: {subtitle}" if subtitle else title
    return str(whole.format(tab=tab, style=STYLE, title=title, said=said, parts=Markup("").join(parts)))


def heading(text: str) -> Markup:
    """Return the heading of a section."""
    return Markup("<h2>{}</h2>").format(text)


def subheading(text: str) -> Markup:
    """Return the heading of a part of a section."""
    return Markup("<h3>{}</h3>").format(text)


def paragraph(text: str) -> Markup:
    """Return a paragraph; what is Markup in `text` stays so."""
    return Markup("<p>{}</p>").format(_glued(text))


def note(text: str) -> Markup:
    """Return a paragraph in small letters."""
    return Markup('<p class="note">{}</p>').format(_glued(text))


def judged(text: str, *, good: bool) -> Markup:
    """Return a word in the colour of what is met, or in that of what is not."""
    return Markup('<span class="{}">{}</span>').format("good" if good else "bad", text)


def beside(blocks: Iterable[Iterable[Markup]]) -> Markup:
    """Return blocks side by side where there is room, each of several parts."""
    joined = (Markup("<div>{}</div>").format(Markup("").join(parts)) for parts in blocks)
    return Markup('<div class="beside">{}</div>').format(Markup("").join(joined))


def _glued(text: str) -> Markup:
    """Escape, and keep each number on the line of its per cent sign."""
    return escape(text).replace(" %", Markup("&nbsp;%"))


def bullets(sentences: Iterable[str]) -> Markup:
    """Return a list."""
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(_glued(s)) for s in sentences))


def folded(summary: str, text: str) -> Markup:
    """Return preformatted text that opens when asked for."""
    return Markup("<details><summary>{}</summary><pre>{}</pre></details>").format(summary, text)


class Shaded(NamedTuple):
    """A cell of a table on a tint: `shade` is 0 (none) to 5 (darkest)."""

    text: str
    shade: int


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str | Shaded]],
    *,
    caption: str = "",
    texts: Iterable[str] = (),
    cards: bool = False,
    tall: bool = False,
) -> Markup:
    """Return a table; the first column names the row and stays in sight.

    Parameters
    ----------
    heads : sequence of str
        One a column.
    rows : iterable of sequence of str or Shaded
        As long as `heads` each.
    caption : str
        Above the table.
    texts : iterable of str
        Heads of further columns that hold words: these break over lines.
    cards : bool
        On a narrow screen show each row as a card, where many columns hold words; otherwise the table scrolls.
    tall : bool
        Scroll within the height of the screen, the heads in sight: for hundreds of rows.

    Returns
    -------
    markupsafe.Markup
        HTML.
    """
    words = set(texts)
    kinds = ["t" if h in words else "" for h in heads]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_class(k), h) for k, h in zip(kinds, heads, strict=True)
    )
    marks = [Markup(' data-head="{}"').format(h) if cards else Markup("") for h in heads]
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(_cell(*cell) for cell in zip(row, kinds, marks, strict=True))
        )
        for row in rows
    )  # fmt: skip
    above = Markup("<caption>{}</caption>").format(caption) if caption else Markup("")
    kind = f"wide{' cards' if cards else ''}{' tall' if tall else ''}"
    return Markup('<div class="{}"><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        kind, above, head, body
    )


def _cell(cell: str | Shaded, kind: str, mark: Markup) -> Markup:
    text, shade = cell if isinstance(cell, Shaded) else (cell, 0)
    named = f"{kind} s{shade}".strip() if shade else kind
    return Markup("<td{}{}>{}</td>").format(_class(named), mark, text)


def _class(name: str) -> Markup:
    return Markup(' class="{}"').format(name) if name else Markup("")


def card(parts: Iterable[Markup]) -> Markup:
    """Return parts within a frame."""
    return Markup("<article>{}</article>").format(Markup("").join(parts))


def opened(summary: str, parts: Iterable[Markup], *, closed: bool = False) -> Markup:
    """Return parts that a reader may fold away, or, if `closed`, open."""
    whole = Markup("<details{}><summary><b>{}</b></summary>{}</details>")
    return whole.format(Markup("") if closed else Markup(" open"), summary, Markup("").join(parts))


def drawing(figure: Figure) -> Markup:
    """Return a figure with its caption; its SVG is markup made by this package, in which all text is escaped."""
    width = re.search(r'viewBox="0 0 (\d+)', figure.svg)
    most = round(1.2 * int(width[1])) if width else 900
    svg = Markup(figure.svg.replace("<svg ", f'<svg style="max-width:{most}px" ', 1))  # noqa: S704 - as the docstring says
    whole = Markup('<figure><div class="drawn">{}</div><figcaption>{}</figcaption></figure>')
    return whole.format(svg, _glued(figure.caption))


def drawings(figures: Iterable[Figure]) -> Markup:
    """Return figures side by side where there is room."""
    return Markup('<div class="figures">{}</div>').format(Markup("").join(drawing(f) for f in figures))

