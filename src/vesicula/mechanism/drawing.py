"""The picture of mechanism paths: one inline SVG that needs no script, a script that enlivens it, a page of both.

Colours are those of Okabe and Ito, which colour-blind people tell apart ("Color Universal Design", 2008) [from memory,
unchecked]; each meaning has a shape as well. All colours stand as plain attributes, so that programs for slides,
which know no style sheets, show them too.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import sqrt
from typing import Any

from vesicula.mechanism.contradictions import POLARITY
from vesicula.mechanism.layout import Layout, Link, arrange
from vesicula.mechanism.model import CLAIMS, NOT_STATED, SIGNS, Edge, Graph, Node, Record
from vesicula.mechanism.paths import Path_

MOST_PATHS = 60
MOST_NODES = 120
"""No more is drawn, the best ranked first: what does not fit a poster is no picture. The page lists all paths."""

COLUMNS = {
    "cargo": "Cargo",
    "target": "Target",
    "pathway": "Pathway",
    "process": "Process",
    "outcome": "Outcome",
    "condition": "Condition",
}
"""Kinds of nodes from left to right, with the headings of their columns."""

WIDTH, GAP, MARGIN = 168.0, 76.0, 24.0
SIZE, SMALL, LEADING = 13.0, 11.0, 15.0
INK, SOFT, PAPER, RULE = "#1b1f24", "#565d66", "#fdfdfb", "#dcdcd5"
LINES = {"up": "#0072b2", "down": "#d55e00", "other": "#7a4a9c", "none": "#8a9097", "clash": "#b5123b"}
FILLS = {
    "k-cargo": ("#1f5673", "#1f5673", "#ffffff"),
    "k-target": ("#e7eff5", "#5b86a3", INK),
    "k-pathway": ("#efeaf6", "#8571ad", INK),
    "k-process": ("#f7f0de", "#a08746", INK),
    "k-condition": (PAPER, INK, INK),
    "s-for": ("#dff1ea", "#007a59", INK),
    "s-against": ("#fbe6da", "#b34700", INK),
    "s-vessels": ("#faf0d4", "#9a6b00", INK),
    "s-none": ("#ecece6", "#777d84", INK),
}
"""Fill, outline and text of each class of node."""

SIDES = {
    "s-for": ("+", "outcome for the patient"),
    "s-against": ("\N{MINUS SIGN}", "outcome against the patient"),
    "s-vessels": ("\N{WHITE CIRCLE}", "outcome for vessels"),
    "s-none": ("", "outcome on no side"),
}
SAYS = {
    "up": "reported up or activated",
    "down": "reported down or inhibited",
    "other": "another change, or several",
    "none": "change not stated",
}
DATA_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NOTHING = "The store holds no path for this question."
READING = (
    "The claims list cargo, targets and pathways in columns; that one acts on the next is how the columns are read."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    """What is drawn, and where."""

    title: str
    graph: Graph
    asked: int
    paths: tuple[Path_, ...]
    nodes: dict[str, Node]
    edges: dict[str, Edge]
    keys: dict[str, str]
    columns: tuple[tuple[str, ...], ...]
    texts: dict[str, tuple[tuple[str, str], ...]]
    heights: dict[str, float]
    layout: Layout
    top: float

    def x(self, column: int) -> float:
        return MARGIN + column * (WIDTH + GAP)

    @property
    def width(self) -> float:
        return max(self.x(len(self.columns)) - GAP + MARGIN, 480.0)

    def level(self, node: str) -> int:
        return next(i for i, column in enumerate(self.columns) if node in column)

    def y(self, node: str) -> float:
        return self.top + self.layout.middle[node]


def drawn_paths(paths: Sequence[Path_]) -> tuple[Path_, ...]:
    """Return the first paths, as many as are drawn: :data:`MOST_PATHS` with :data:`MOST_NODES` nodes at most."""
    nodes: set[str] = set()
    for number, path in enumerate(paths[:MOST_PATHS]):
        nodes |= {node.node_id for node in path.nodes}
        if len(nodes) > MOST_NODES:
            return tuple(paths[:number])
    return tuple(paths[:MOST_PATHS])


def picture_svg(graph: Graph, paths: Sequence[Path_], *, title: str) -> str:
    """Draw paths as one SVG element that can stand in any page, or in a file of its own.

    Columns run from cargo to condition; the width of an edge grows with the root of the number of its claims. It holds
    the rows of its nodes and edges as JSON for :func:`picture_script`, without which it is a plain picture.

    Parameters
    ----------
    graph : Graph
        That the paths come from.
    paths : sequence of Path_
        The best ranked first; at most :data:`MOST_PATHS` with :data:`MOST_NODES` nodes are drawn, and it says so.
    title : str
        Heading of the picture.

    Returns
    -------
    str
        The same for the same input. Well-formed XML; all names are escaped.
    """
    drawing = _drawing(graph, paths, title)
    edges = [_edge(drawing, key, ports) for key, ports in _ports(drawing).items()]
    legend, legend_height = _legend(drawing)
    width, height = drawing.width, drawing.top + drawing.layout.height + 30 + legend_height
    content = [
        f'<rect class="mech-paper" width="{width:.0f}" height="{height:.0f}" fill="{PAPER}"/>',
        *_heading(drawing),
        *(line for line, _ in edges),
        *(_node(drawing, node) for node in drawing.nodes),
        *(mark for _, mark in edges if mark),
        f'<g transform="translate({MARGIN:.0f} {drawing.top + drawing.layout.height + 34:.1f})">{legend}</g>',
        f'<script type="application/json" class="mech-data">{_data(drawing)}</script>',
    ]
    body = "\n".join(content)
    name = f"mech-{hashlib.sha256(body.encode('utf-8')).hexdigest()[:10]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mech-svg" role="img" lang="en" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" aria-labelledby="{name}-t {name}-d" '
        'font-family="Segoe UI, Helvetica Neue, Arial, Liberation Sans, sans-serif">\n'
        f'<title id="{name}-t">{escaped(title)}</title>\n'
        f'<desc id="{name}-d">{escaped(_description(drawing))}</desc>\n'
        f"<style>{asset('picture.css')}</style>\n{body}\n</svg>\n"
    )


def _drawing(graph: Graph, paths: Sequence[Path_], title: str) -> _Drawing:
    chosen = drawn_paths(paths)
    nodes = {node.node_id: node for path in chosen for node in path.nodes}
    edges = {edge.edge_id: edge for path in chosen for edge in path.edges}
    last = len(COLUMNS) - 2.5
    rank = {kind: float(number) for number, kind in enumerate(COLUMNS)}
    # A kind not known here stands before the outcome.
    kinds = sorted({n.kind for n in nodes.values()}, key=lambda kind: (rank.get(kind, last), kind))
    columns = tuple(tuple(i for i, n in nodes.items() if n.kind == kind) for kind in kinds)
    changed = _changed_first(edges.values())
    texts = {i: _lines(node, changed.get(i, ()), chosen) for i, node in nodes.items()}
    heights = {i: 16.0 + LEADING * len(lines) for i, lines in texts.items()}
    links = [Link(key=key, start=edge.subject, end=edge.object) for key, edge in edges.items()]
    return _Drawing(
        title=title,
        graph=graph,
        asked=len(paths),
        paths=chosen,
        nodes=nodes,
        edges=edges,
        keys={i: f"n{number}" for number, i in enumerate(nodes)} | {i: f"e{n}" for n, i in enumerate(edges)},
        columns=columns,
        texts=texts,
        heights=heights,
        layout=arrange(columns, links, heights),
        top=112.0,
    )


def _changed_first(edges: Iterable[Edge]) -> dict[str, tuple[str, ...]]:
    """Return the reported changes of nodes that no drawn edge leads to: their own edges show them nowhere else."""
    chosen = tuple(edges)
    reached = {edge.object for edge in chosen}
    changes: dict[str, dict[str, None]] = {}
    for edge in chosen:
        if edge.subject not in reached and edge.subject_direction:
            changes.setdefault(edge.subject, {})[edge.subject_direction] = None
    return {node: tuple(found) for node, found in changes.items()}


def _lines(node: Node, changes: Sequence[str], paths: Sequence[Path_]) -> tuple[tuple[str, str], ...]:
    """Return a node's lines of text, each with its style."""
    room = WIDTH - 22
    if node.kind != "outcome":
        style = "bold" if node.kind in {"cargo", "condition"} else "plain"
        lines = [(line, style) for line in wrapped(node.label, room, SIZE, bold=style == "bold")]
        return (*lines, (f"({'; '.join(changes)})", "small")) if changes else tuple(lines)
    # Only the effects of these paths: the node may have more from other claims.
    own = {r.effect: None for p in paths if node in p.nodes for r in p.records if r.effect}
    effects = "; ".join(own)
    lines = [(line, "bold") for line in wrapped(node.label, room - 14, SIZE, bold=True)]
    return (*lines, *((line, "small") for line in wrapped(effects, room, SMALL) if line))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Estimate the width of a text in pixels; classes of letters of Arial, somewhat generous."""
    wide, narrow = "mwMW@%\N{EM DASH}", "iljtfrI.,;:|()[]/'! -"
    units = sum(0.89 if c in wide else 0.38 if c in narrow else 0.72 if c.isupper() else 0.62 for c in text)
    return units * size * (1.1 if bold else 1.0)


def wrapped(text: str, room: float, size: float, *, most: int = 2, bold: bool = False) -> tuple[str, ...]:
    """Break a text into lines that fit the room in pixels; what is beyond the last ends in an ellipsis."""
    words = _clean(text).replace("/", "/\N{ZERO WIDTH SPACE}").replace("-", "-\N{ZERO WIDTH SPACE}")
    lines, line = [], ""
    for word in re.split(r"(?<=[ \u200b])", words):
        longer = line + word
        if line and text_width(longer.rstrip(), size, bold=bold) > room:
            lines.append(line)
            longer = word
        line = longer
    lines.append(line)
    plain = [one.replace("\N{ZERO WIDTH SPACE}", "").strip() for one in lines]
    kept = [*plain[: most - 1], " ".join(plain[most - 1 :])]
    return tuple(_cut(one, room, size, bold=bold) for one in kept if one) or ("",)


def _cut(text: str, room: float, size: float, *, bold: bool) -> str:
    if text_width(text, size, bold=bold) <= room:
        return text
    while text and text_width(text + "\N{HORIZONTAL ELLIPSIS}", size, bold=bold) > room:
        text = text[:-1]
    return text.rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def change_class(direction: str) -> str:
    """Return the class of a reported change: "up", "down", "other" (also where claims give several), or "none"."""
    if not direction:
        return "none"
    signs = {SIGNS.get(part, 0) for part in direction.split("/")}
    if len(signs) > 1:
        return "other"
    return {1: "up", -1: "down"}.get(signs.pop(), "other")


def node_class(node: Node) -> str:
    """Return a node's class: of an outcome its side, of others their kind."""
    if node.kind != "outcome":
        return f"k-{node.kind}" if f"k-{node.kind}" in FILLS else "k-process"
    scale, side = POLARITY.get(node.label, ("", 0))
    if scale == "for the patient":
        return "s-for" if side > 0 else "s-against"
    return "s-vessels" if scale else "s-none"


def _heading(drawing: _Drawing) -> list[str]:
    lines = wrapped(drawing.title, drawing.width - 2 * MARGIN, 19, most=1, bold=True)
    content = [
        _svg_text(lines[0], MARGIN, 38, size=19, bold=True),
        _svg_text(_counted(drawing), MARGIN, 60, size=12, soft=True),
    ]
    if not drawing.nodes:
        return [*content, _svg_text(NOTHING, MARGIN, drawing.top, size=SIZE)]
    for number, column in enumerate(drawing.columns):
        kind = drawing.nodes[column[0]].kind
        x = drawing.x(number)
        content.append(_svg_text(COLUMNS.get(kind, kind.capitalize()), x, 88, size=12, soft=True, bold=True))
        content.append(
            f'<path class="mech-rule" d="M{x:.1f} 95h{WIDTH:.0f}" stroke="{RULE}" stroke-width="1" fill="none"/>'
        )
    return content


def _counted(drawing: _Drawing) -> str:
    drawn, claims = len(drawing.paths), {r.record_id for p in drawing.paths for r in p.records}
    what = f"{drawn} path{'' if drawn == 1 else 's'} from {len(claims)} claim{'' if len(claims) == 1 else 's'}"
    if drawn < drawing.asked:
        what = f"The first {drawn} of {drawing.asked} paths, the best supported first, from {len(claims)} claims"
    return f"{what}. Store version {drawing.graph.version}."


def _description(drawing: _Drawing) -> str:
    if not drawing.nodes:
        return f"{NOTHING} Store version {drawing.graph.version}."
    return " ".join([_counted(drawing), READING, *(f"{path.sentence}." for path in drawing.paths)])


def _node(drawing: _Drawing, node_id: str) -> str:
    node, lines = drawing.nodes[node_id], drawing.texts[node_id]
    x, height = drawing.x(drawing.level(node_id)), drawing.heights[node_id]
    y = drawing.y(node_id) - height / 2
    look = node_class(node)
    fill, outline, ink = FILLS[look]
    content = [
        f'<g class="mech-node mech-{look}" data-part="{drawing.keys[node_id]}">',
        f"<title>{escaped(f'{node.kind}: ' + '; '.join((node.label, *node.names[:6])))}</title>",
        (
            f'<rect class="mech-body" x="{x:.1f}" y="{y:.1f}" width="{WIDTH:.0f}" height="{height:.1f}" rx="9" '
            f'fill="{fill}" stroke="{outline}" stroke-width="1.4"/>'
        ),
    ]
    sign = SIDES.get(look, ("", ""))[0]
    if sign:
        content.append(_svg_text(sign, x + WIDTH - 17, y + 20, size=15, bold=True, ink=outline))
    for number, (line, style) in enumerate(lines):
        size = SMALL if style == "small" else SIZE
        baseline = y + 8 + LEADING * number + 11.5
        content.append(_svg_text(line, x + 11, baseline, size=size, bold=style == "bold", ink=ink))
    return "".join([*content, "</g>"])


def _ports(drawing: _Drawing) -> dict[str, tuple[float, float]]:
    """Return where each edge leaves and arrives: spread over the side of the node, in the order of the other ends."""
    passing = drawing.layout.passing
    leaving: dict[str, list[tuple[float, str]]] = {}
    arriving: dict[str, list[tuple[float, str]]] = {}
    for key, edge in drawing.edges.items():
        through = passing.get(key, ())
        first = through[0][1] if through else drawing.layout.middle[edge.object]
        last = through[-1][1] if through else drawing.layout.middle[edge.subject]
        leaving.setdefault(edge.subject, []).append((first, key))
        arriving.setdefault(edge.object, []).append((last, key))
    starts, ends = _spread(drawing, leaving), _spread(drawing, arriving)
    return {key: (starts[key], ends[key]) for key in drawing.edges}


def _spread(drawing: _Drawing, sides: Mapping[str, list[tuple[float, str]]]) -> dict[str, float]:
    found = {}
    for node, others in sides.items():
        step = min(12.0, (drawing.heights[node] - 14) / max(len(others) - 1, 1))
        for number, (_, key) in enumerate(sorted(others)):
            found[key] = drawing.y(node) + step * (number - (len(others) - 1) / 2)
    return found


def edge_width(claims: int) -> float:
    """Return the width of an edge in pixels: 1.8 for one claim, growing with the root, 7 at most."""
    return min(1.8 * sqrt(max(claims, 1)), 7.0)


def _edge(drawing: _Drawing, key: str, ports: tuple[float, float]) -> tuple[str, str]:
    """Return an edge's line, and its marks, which stand above the nodes."""
    edge = drawing.edges[key]
    look, inferred = change_class(edge.direction), edge.origin != CLAIMS
    width = 1.2 if inferred else edge_width(len(edge.records))
    line, tip, forward = _curve(drawing, key, ports)
    curve = line[0]
    dash = ' stroke-dasharray="1 4" stroke-linecap="round"' if inferred else ""
    if not dash and edge.pairing == NOT_STATED:
        dash = ' stroke-dasharray="7 4"'
    content = [
        f'<g class="mech-edge" data-part="{drawing.keys[key]}">',
        f"<title>{escaped(_in_words(drawing, edge))}</title>",
        f'<path class="mech-hit" d="{curve}" fill="none" stroke="#000" stroke-opacity="0" stroke-width="14"/>',
    ]
    if edge.contradicted_by:
        content += [
            _stroke(curve, "clash", width + 5),
            _stroke(curve, "paper", width + 2),
        ]
    content += [_stroke(curve, look, width, dash), _head(look, tip, width, forward=forward), "</g>"]
    marks = _mark(drawing, key, edge, line[1])
    return "".join(content), marks


def _stroke(curve: str, look: str, width: float, dash: str = "") -> str:
    colour = LINES.get(look, PAPER)
    return (
        f'<path class="mech-line-{look}" d="{curve}" fill="none" stroke="{colour}" stroke-width="{width:.1f}"{dash}/>'
    )


def _curve(
    drawing: _Drawing, key: str, ports: tuple[float, float]
) -> tuple[tuple[str, tuple[float, float]], tuple[float, float], bool]:
    """Return the curve with the place of its marks, its tip, and whether it runs rightwards."""
    edge = drawing.edges[key]
    first, last = drawing.level(edge.subject), drawing.level(edge.object)
    start = (drawing.x(first) + WIDTH, ports[0])
    if last <= first:
        tip = (drawing.x(last) + WIDTH, ports[1])
        bow = max(start[0], tip[0]) + 46
        path = f"M{start[0]:.1f} {start[1]:.1f}C{bow:.1f} {start[1]:.1f} {bow:.1f} {tip[1]:.1f} "
        path += f"{tip[0] + 9:.1f} {tip[1]:.1f}"
        return (path, (bow - 10, (start[1] + tip[1]) / 2)), tip, False
    tip = (drawing.x(last), ports[1])
    stops = [start]
    for column, y in drawing.layout.passing.get(key, ()):
        stops += [(drawing.x(column), drawing.top + y), (drawing.x(column) + WIDTH, drawing.top + y)]
    stops.append((tip[0] - 9, tip[1]))
    path = f"M{start[0]:.1f} {start[1]:.1f}"
    for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(stops)):
        half = (x0 + x1) / 2
        path += f"H{x1:.1f}" if number % 2 else f"C{half:.1f} {y0:.1f} {half:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    (x0, y0), (x1, y1) = stops[0], stops[1]
    return (path, ((x0 + x1) / 2, (y0 + y1) / 2)), tip, True


def _head(look: str, tip: tuple[float, float], width: float, *, forward: bool) -> str:
    """Draw the end of an edge: arrow for up, bar for down, diamond for another change, open tip for not stated."""
    x, y = tip
    back = -1.0 if forward else 1.0
    base, half = x + back * 10, 4.2 + width / 2
    fill = f'class="mech-fill-{look}" fill="{LINES[look]}"'
    if look == "up":
        return f'<path {fill} d="M{x + back:.1f} {y:.1f}L{base:.1f} {y - half:.1f}V{y + half:.1f}Z"/>'
    if look == "down":
        left = min(x + back * 9, x + back * 5)
        return f'<rect {fill} x="{left:.1f}" y="{y - half - 1.5:.1f}" width="4" height="{2 * half + 3:.1f}" rx="1"/>'
    if look == "other":
        middle = x + back * 6
        corners = f"L{middle:.1f} {y - half:.1f}L{base - 1:.1f} {y:.1f}L{middle:.1f} {y + half:.1f}Z"
        return f'<path {fill} d="M{x + back:.1f} {y:.1f}{corners}"/>'
    return (
        f'<path class="mech-line-none" d="M{base:.1f} {y - 4.5:.1f}L{x + back * 2:.1f} {y:.1f}L{base:.1f} {y + 4.5:.1f}'
        f'M{base:.1f} {y:.1f}H{x + back * 2:.1f}" fill="none" stroke="{LINES["none"]}" stroke-width="1.6"/>'
    )


def _mark(drawing: _Drawing, key: str, edge: Edge, at: tuple[float, float]) -> str:
    signs = [("clash", "\N{NOT EQUAL TO}")] if edge.contradicted_by else []
    signs += [("doubt", "?")] if edge.doubts else []
    marks = [_badge(look, sign, at[0] + 17 * n, at[1]) for n, (look, sign) in enumerate(signs)]
    if not marks:
        return ""
    return f'<g class="mech-mark" data-of="{drawing.keys[key]}" pointer-events="none">{"".join(marks)}</g>'


def _badge(look: str, sign: str, x: float, y: float) -> str:
    if look == "clash":
        circle = f'<circle class="mech-fill-clash" cx="{x:.1f}" cy="{y:.1f}" r="8.5" fill="{LINES["clash"]}"/>'
        return f'<g class="mech-clash">{circle}{_centred(sign, x, y + 5, 14, "#ffffff")}</g>'
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#fbf0d9" stroke="#9a6b00" stroke-width="1"/>'
    return f'<g class="mech-doubt">{circle}{_centred(sign, x, y + 3.8, 11, "#7a5200")}</g>'


def _centred(text: str, x: float, y: float, size: float, ink: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="700" text-anchor="middle" '
        f'fill="{ink}">{escaped(text)}</text>'
    )


def _in_words(drawing: _Drawing, edge: Edge) -> str:
    names = drawing.nodes
    words = f"{names[edge.subject].label} \N{RIGHTWARDS ARROW} {names[edge.object].label}"
    words += f" ({edge.direction})" if edge.direction else ""
    words += "" if edge.origin == CLAIMS else f", from {edge.origin} {edge.detail}".rstrip()
    words += ", pairing not stated" if edge.pairing == NOT_STATED else ""
    words += f", contradicted by {', '.join(edge.contradicted_by)}" if edge.contradicted_by else ""
    return f"{words}: {', '.join(edge.records)}{', doubtful' if edge.doubts else ''}"


def _legend(drawing: _Drawing) -> tuple[str, float]:
    """Return the legend of what occurs, and its height."""
    edges = drawing.edges.values()
    looks = {change_class(edge.direction) for edge in edges}
    items = [(_sample(look), SAYS[look]) for look in SAYS if look in looks]
    inferred = any(e.origin != CLAIMS for e in edges)
    if any(e.pairing == NOT_STATED and e.origin == CLAIMS for e in edges):
        items.append((_stroke("M0 0H34", "none", 2, ' stroke-dasharray="7 4"'), "pairing not stated"))
    if inferred:
        dots = ' stroke-dasharray="1 4" stroke-linecap="round"'
        items.append((_stroke("M0 0H34", "none", 1.2, dots), "not from claims (inferred)"))
    if any(e.contradicted_by for e in edges):
        double = _stroke("M0 0H34", "clash", 7) + _stroke("M0 0H34", "paper", 4) + _stroke("M0 0H34", "none", 1.8)
        items.append((double + _badge("clash", "\N{NOT EQUAL TO}", 17, 0), "contradicted by another claim"))
    if any(e.doubts for e in edges):
        items.append((_badge("doubt", "?", 24, 0), "a row with a curator's doubt"))
    counts = sorted({len(e.records) for e in edges if e.origin == CLAIMS})
    if counts and counts[-1] > 1:
        wide = _stroke("M0 0H34", "none", edge_width(counts[-1]))
        items.append((wide, f"wider: more claims (here up to {counts[-1]})"))
    sides = {node_class(node) for node in drawing.nodes.values()}
    items += [(_swatch(look, sign), says) for look, (sign, says) in SIDES.items() if look in sides]
    return _flow(items, drawing.width - 2 * MARGIN) if items else ("", 0.0)


def _sample(look: str) -> str:
    return _stroke("M0 0H25", look, 2) + _head(look, (34, 0), 2, forward=True)


def _swatch(look: str, sign: str) -> str:
    fill, outline, _ = FILLS[look]
    box = f'<rect class="mech-body" x="8" y="-8" width="26" height="16" rx="5" fill="{fill}" stroke="{outline}"/>'
    return f'<g class="mech-{look}">{box}{_centred(sign, 21, 5, 13, outline)}</g>'


def _flow(items: Sequence[tuple[str, str]], room: float) -> tuple[str, float]:
    content, x, y = [], 0.0, 0.0
    for sample, says in items:
        needed = 42 + text_width(says, 12) + 20
        if x and x + needed > room:
            x, y = 0.0, y + 24
        text = _svg_text(says, 42, 4, size=12, soft=True)
        content.append(f'<g transform="translate({x:.1f} {y:.1f})">{sample}{text}</g>')
        x += needed
    note = [
        _svg_text(line, 0, y + 30 + 17 * number, size=11, soft=True)
        for number, line in enumerate(wrapped(READING, room, 11))
    ]
    return "".join([*content, *note]), y + 30 + 17 * len(note)


def _svg_text(
    text: str, x: float, y: float, *, size: float, bold: bool = False, soft: bool = False, ink: str = INK
) -> str:
    weight = ' font-weight="600"' if bold else ""
    look = "mech-soft" if soft else "mech-text"
    return (
        f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{weight} '
        f'fill="{SOFT if soft else ink}">{escaped(text)}</text>'
    )


def _data(drawing: _Drawing) -> str:
    """Return nodes, edges, claims and paths as JSON that ends no element, whatever it holds."""
    key = drawing.keys
    column = {node: number for number, order in enumerate(drawing.layout.order) for node in order}
    ordered = [node for order in drawing.layout.order for node in order]
    cited = dict.fromkeys(r for e in drawing.edges.values() for r in (*e.records, *e.contradicted_by))
    records = {record.record_id: record for record in drawing.graph.records}
    names = {node.node_id: node.label for node in drawing.graph.nodes}
    data = {
        "version": drawing.graph.version,
        "nodes": {key[i]: _node_data(drawing.nodes[i], column[i]) for i in ordered},
        "edges": {key[i]: _edge_data(edge, key) for i, edge in drawing.edges.items()},
        "records": {i: _record_data(records[i], names) for i in cited if i in records},
        "paths": [
            {
                "nodes": [key[node.node_id] for node in path.nodes],
                "edges": [key[edge.edge_id] for edge in path.edges],
                "sentence": path.sentence,
            }
            for path in drawing.paths
        ],
    }
    return json.dumps(data, separators=(",", ":")).translate(DATA_ESCAPES)


def _node_data(node: Node, column: int) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "label": node.label,
        "names": node.names,
        "identifiers": node.identifiers,
        "status": node.status,
        "note": node.note,
        "column": column,
    }


def _edge_data(edge: Edge, key: Mapping[str, str]) -> dict[str, Any]:
    return {
        "subject": key[edge.subject],
        "object": key[edge.object],
        "direction": edge.direction,
        "subject_direction": edge.subject_direction,
        "pairing": edge.pairing,
        "origin": edge.origin,
        "detail": edge.detail,
        "records": edge.records,
        "contradicted_by": edge.contradicted_by,
    }


def _record_data(record: Record, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "source": record.source,
        "cell_source": record.cell_source,
        "study_type": record.study_type,
        "sentence": claim_sentence(record, names),
        "references": [
            {
                "source": r.source,
                "number": r.number,
                "citation": r.citation,
                "inferred": r.number_inferred,
                "doi": r.doi,
                "pmid": r.pmid,
            }
            for r in record.references
        ],
        "doubts": [f"{doubt.row}: {doubt.text}" for doubt in record.doubts],
    }


def claim_sentence(record: Record, names: Mapping[str, str]) -> str:
    """Return a claim in one line as its columns print it: layers, outcome with its effect, conditions."""
    printed: dict[str, dict[str, None]] = {}
    for node, text in record.printed:
        printed.setdefault(node, {})[text] = None
    changes: dict[str, dict[str, None]] = {}
    for node, change in record.changes:
        changes.setdefault(node, {})[change] = None

    def said(node: str) -> str:
        name = " or ".join(printed.get(node, ())) or names.get(node, node)
        return f"{name} ({'/'.join(changes[node])})" if node in changes else name

    layers = [", ".join(said(node) for node in layer) for layer in record.layers]
    outcome = f"{record.effect_class} ({record.effect})" if record.effect else record.effect_class
    ends = ", ".join(dict.fromkeys(said(condition) for _, condition in record.ends))
    also = f" Also: {', '.join(record.further_changes)}." if record.further_changes else ""
    return " \N{RIGHTWARDS ARROW} ".join([*layers, outcome, ends]) + "." + also


def _clean(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    """Return a text that is safe in XML and HTML, in attributes too."""
    return html.escape(_clean(text))


@cache
def asset(name: str) -> str:
    """Return a packaged style sheet or script."""
    return files("vesicula.mechanism").joinpath("assets", name).read_text(encoding="utf-8")
