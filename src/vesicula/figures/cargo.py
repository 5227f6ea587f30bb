"""Figures of a batch's cargo: overlap (UpSet), pathways with their cargo, and a heat map of activities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from vesicula.core.measurement import FloatArray
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, VERMILLION, colour
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, text

MOST_INTERSECTIONS = 16
MOST_CARGO, MOST_SETS = 24, 14
MOST_SAMPLES = 32
LIKE = 0.5
"""Overlap coefficient from which two sets share a colour: half of the smaller one's cargo is in the other. The cut
is that of enrichment maps (Merico et al. 2010, PLoS ONE 5:e13984) [from memory, unchecked]."""


def shorten_label(label: str, limit: int) -> str:
    """Cut a label at its end."""
    return label if len(label) <= limit else f"{label[: limit - 1].rstrip()}\u2026"


def intersections(groups: Mapping[str, frozenset[str]]) -> list[tuple[tuple[str, ...], int]]:
    """Return the groups that hold each item exactly, with the number of such items, the largest first.

    Parameters
    ----------
    groups : mapping of str to frozenset of str
        Items by group.

    Returns
    -------
    list of (tuple of str, int)
        Each item is counted once. Lex et al. 2014, IEEE Trans Vis Comput Graph 20:1983 (UpSet).
    """
    counts: dict[tuple[str, ...], int] = {}
    for item in frozenset().union(*groups.values()):
        key = tuple(name for name, held in groups.items() if item in held)
        counts[key] = counts.get(key, 0) + 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], len(pair[0]), pair[0]))


def upset(groups: Mapping[str, frozenset[str]], *, what: str) -> Figure:
    """Draw which cargo is in which groups alone and together.

    Parameters
    ----------
    groups : mapping of str to frozenset of str
        At least two.
    what : str
        What is counted, such as "miRNAs".

    Returns
    -------
    Figure
        The largest 16 intersections.
    """
    found = intersections(groups)
    shown = found[:MOST_INTERSECTIONS]
    names = list(groups)
    left, top, bar, row, column = 250, 24, 120, 22, 24
    width, height = max(left + column * len(shown) + 20, 460), top + bar + 20 + row * len(names) + 10
    most = max((n for _, n in shown), default=1)
    y = Scale(low=0, high=most, start=top + bar, end=top)
    parts = [_upset_ticks(y, most, left, left + column * len(shown))]
    for j, (members, n) in enumerate(shown):
        x = left + column * (j + 0.5)
        parts.append(
            f'<rect x="{number(x - 8)}" y="{number(y(n))}" width="16" height="{number(top + bar - y(n))}" '
            f'fill="{BLUE}"/>'
        )
        parts.append(text(x, y(n) - 3, str(n), extra=' font-size="10"'))
        parts += _dots(x, [name in members for name in names], top + bar + 20, row)
    parts += _set_bars(groups, left, top + bar + 20, row)
    rest = f" {len(found) - len(shown)} smaller intersections are not shown." if len(found) > len(shown) else ""
    total = len(frozenset().union(*groups.values()))
    common = next((n for members, n in found if len(members) == len(names)), 0)
    caption = f"Overlap of {total} {what}: each is counted once, above the groups that hold it.{rest}"
    alt = f"UpSet plot of {total} {what} in {len(names)} groups; {common} are in all of them."
    labels = [" & ".join(members) for members, _ in shown]
    spec = {"data": [{"type": "bar", "x": labels, "y": [n for _, n in shown]}], "layout": {"title": {"text": caption}}}
    return Figure(spec=spec, svg=document(parts, width=width, height=height, label=alt), caption=caption, alt=alt)


def _upset_ticks(y: Scale, most: int, start: float, end: float) -> str:
    parts = []
    for tick in nice_ticks(0, most, 4):
        if tick == int(tick):
            parts.append(line(start, y(tick), end, y(tick), ' stroke="currentColor" stroke-opacity=".15"'))
            parts.append(text(start - 5, y(tick) + 4, f"{tick:.0f}", anchor="end", extra=' font-size="10"'))
    return "".join(parts)


def _dots(x: float, inside: Sequence[bool], top: float, row: float) -> list[str]:
    ys = [top + row * (k + 0.5) for k in range(len(inside))]
    full = [y for y, yes in zip(ys, inside, strict=True) if yes]
    parts = [line(x, full[0], x, full[-1], ' stroke="currentColor" stroke-width="2"')] if len(full) > 1 else []
    for y, yes in zip(ys, inside, strict=True):
        extra = "" if yes else ' fill-opacity=".15"'
        parts.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="5"{extra}/>')
    return parts


def _set_bars(groups: Mapping[str, frozenset[str]], left: float, top: float, row: float) -> list[str]:
    most = max(len(g) for g in groups.values()) or 1
    parts = []
    for k, (name, held) in enumerate(groups.items()):
        y = top + row * (k + 0.5)
        long = 50 * len(held) / most
        parts.append(
            f'<rect x="{number(left - 14 - long)}" y="{number(y - 7)}" width="{number(long)}" height="14" '
            'fill="currentColor" fill-opacity=".25"/>'
        )
        parts.append(text(left - 18 - long, y + 4, str(len(held)), anchor="end", extra=' font-size="10"'))
        parts.append(text(4, y + 4, shorten_label(name, 22), anchor="start"))
    return parts


def clusters(members: Sequence[frozenset[str]]) -> list[int]:
    """Return for each set the number of its cluster: sets that share half of the smaller one's cargo, chained."""
    group = list(range(len(members)))
    for i, j in combinations(range(len(members)), 2):
        least = min(len(members[i]), len(members[j]))
        if least and len(members[i] & members[j]) >= LIKE * least:
            old, new = group[j], group[i]
            group = [new if g == old else g for g in group]
    order = {g: k for k, g in enumerate(dict.fromkeys(group))}
    return [order[g] for g in group]


def pathway_network(sets: Sequence[tuple[str, Sequence[str], float]], *, what: str) -> Figure:
    """Draw pathways with the cargo that leads to them.

    Parameters
    ----------
    sets : sequence of (str, sequence of str, float)
        Name, cargo in it, adjusted p value; the first 14 are drawn.
    what : str
        The list that was tested, such as "higher".

    Returns
    -------
    Figure
        Cargo on the left, the most connected 24; pathways on the right, those with much cargo in common in one colour.
    """
    shown = sets[:MOST_SETS]
    links: dict[str, int] = {}
    for _, cargo, _ in shown:
        for name in cargo:
            links[name] = links.get(name, 0) + 1
    kept = _kept_cargo([cargo for _, cargo, _ in shown], links)
    group = clusters([frozenset(cargo) for _, cargo, _ in shown])
    order = sorted(range(len(shown)), key=lambda k: (group[k], shown[k][2]))
    step = 19.0
    height = int(max(len(kept), 1.4 * len(shown)) * step) + 30
    ys = _spread(len(shown), height)
    place = _cargo_places(kept, [(frozenset(shown[k][1]), y) for k, y in zip(order, ys, strict=True)], height)
    parts: list[str] = []
    ink = _inks(group)
    drawn = [(name, k, y) for k, y in zip(order, ys, strict=True) for name in shown[k][1] if name in place]
    parts += [
        f'<path d="M128 {number(place[name])}C220 {number(place[name])} 240 {number(y)} 318 {number(y)}" '
        f'fill="none" stroke="{ink[k]}" stroke-opacity=".55" stroke-width="1.2"/>'
        for name, k, y in drawn
    ]
    for name, y in place.items():
        parts += [
            f'<circle cx="125" cy="{number(y)}" r="3.5"/>',
            text(117, y + 4, shorten_label(name, 17), anchor="end"),
        ]
    for k, y in zip(order, ys, strict=True):
        name, cargo, p = shown[k]
        parts.append(f'<rect x="317" y="{number(y - 6)}" width="12" height="12" rx="3" fill="{ink[k]}"/>')
        parts.append(text(335, y + 4, f"{shorten_label(name, 44)} ({len(cargo)}; {p:.2g})", anchor="start"))
    rest = f" {len(sets) - len(shown)} further pathways are not drawn." if len(sets) > len(shown) else ""
    rest += (
        f" Of {len(links)} molecules the {len(kept)} with the most links are drawn." if len(links) > len(kept) else ""
    )
    caption = (
        f"Pathways that stand out ({what}), with the number of molecules and the adjusted p value. One colour: they "
        f"share half of the smaller one's cargo, so that they are not separate findings.{rest}"
    )
    alt = f"{len(shown)} pathways in {len(set(group))} groups of like cargo: {', '.join(n for n, _, _ in shown[:5])}."
    xs: list[float | None] = []
    lines: list[float | None] = []
    for name, _, y in drawn:
        xs += [0.0, 1.0, None]
        lines += [place[name], y, None]
    spec = {"data": [{"type": "scatter", "mode": "lines", "x": xs, "y": lines}], "layout": {"title": {"text": caption}}}
    return Figure(spec=spec, svg=document(parts, width=760, height=height, label=alt), caption=caption, alt=alt)


def _kept_cargo(sets: Sequence[Sequence[str]], links: Mapping[str, int]) -> list[str]:
    """Return the cargo to draw: one molecule of each set at least, then those with the most links."""
    order = sorted(links, key=lambda n: (-links[n], n))
    own = [next(n for n in order if n in cargo) for cargo in sets if cargo]
    return list(dict.fromkeys([*own, *order]))[:MOST_CARGO]


def _inks(group: Sequence[int]) -> list[str]:
    """Return a colour for each set; those alone in their cluster have the ink of the text, so that none recurs."""
    several = [g for g in dict.fromkeys(group) if group.count(g) > 1]
    return [colour(several.index(g)) if g in several else "currentColor" for g in group]


def _spread(count: int, height: float) -> list[float]:
    return [height * (k + 0.5) / max(count, 1) for k in range(count)]


def _cargo_places(kept: Sequence[str], sets: Sequence[tuple[frozenset[str], float]], height: float) -> dict[str, float]:
    """Order the cargo by the mean place of its pathways, which keeps lines from crossing much."""
    mean = {name: float(np.mean([y for held, y in sets if name in held])) for name in kept}
    ordered = sorted(kept, key=lambda n: (mean[n], n))
    return dict(zip(ordered, _spread(len(ordered), height), strict=True))


def activity_heat_map(
    scores: FloatArray,
    sets: Sequence[str],
    samples: Sequence[str],
    marked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    *,
    relative: bool,
) -> Figure:
    """Draw scores of sets by samples.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (sets, samples), NaN where none.
    sets, samples : sequence of str
        Names.
    marked : numpy.ndarray of bool
        Shape (sets, samples). Cells with a dot.
    relative : bool
        Whether scores are relative to the mean of the samples.

    Returns
    -------
    Figure
        Blue below and vermillion above zero, deeper with size; at most 32 samples.
    """
    count = min(len(samples), MOST_SAMPLES)
    left, top, cell, row = 330, 96, 21, 19
    width, height = left + cell * count + 90, top + row * len(sets) + 14
    finite = np.abs(scores[:, :count][np.isfinite(scores[:, :count])])
    most = float(np.quantile(finite, 0.98)) if finite.size else 1.0
    parts = []
    for j, name in enumerate(samples[:count]):
        x = left + cell * (j + 0.5) + 4
        parts.append(
            f'<text x="{number(x)}" y="{top - 6}" font-size="11" transform="rotate(-55 {number(x)} {top - 6})">'
            f"{text(0, 0, shorten_label(name, 16)).split('>', 1)[1]}"
        )
    for i, name in enumerate(sets):
        y = top + row * i
        parts.append(text(left - 6, y + 14, shorten_label(name, 44), anchor="end"))
        parts += [_cell(scores[i, j], bool(marked[i, j]), most, left + cell * j, y, cell, row) for j in range(count)]
    parts += _legend(most, left + cell * count + 14, top)
    base = "relative to the mean of the samples" if relative else "as abundances give them"
    caption = (
        f"Activity of gene sets by sample (t value of the univariate linear model, {base}); a dot: adjusted p < 0.05 "
        "in that sample alone, with molecules taken as independent."
    )
    caption += f" The first {count} of {len(samples)} samples." if len(samples) > count else ""
    alt = f"Heat map of {len(sets)} gene sets in {count} samples, scores from {-most:.1f} to {most:.1f}."
    values = [[None if not np.isfinite(v) else round(float(v), 3) for v in line_[:count]] for line_ in scores]
    spec = {
        "data": [{"type": "heatmap", "z": values, "x": list(samples[:count]), "y": list(sets), "zmid": 0}],
        "layout": {"title": {"text": caption}},
    }
    return Figure(spec=spec, svg=document(parts, width=width, height=height, label=alt), caption=caption, alt=alt)


def _cell(value: float, dot: bool, most: float, x: float, y: float, cell: float, row: float) -> str:  # noqa: FBT001
    if not np.isfinite(value):
        return text(x + cell / 2, y + 14, "\u00b7", extra=' fill-opacity=".4"')
    share = min(abs(value) / most, 1.0)
    ink = VERMILLION if value > 0 else BLUE
    drawn = (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(cell - 1)}" height="{number(row - 1)}" fill="{ink}" '
        f'fill-opacity="{share:.2f}"/>'
    )
    mark = f'<circle cx="{number(x + cell / 2 - 0.5)}" cy="{number(y + row / 2 - 0.5)}" r="2.2"/>'
    return drawn + (mark if dot else "")


def _legend(most: float, x: float, top: float) -> list[str]:
    parts = []
    for k, value in enumerate((most, most / 2, 0.0, -most / 2, -most)):
        y = top + 16 * k
        ink = VERMILLION if value > 0 else BLUE
        parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="14" height="15" fill="{ink}" '
            f'fill-opacity="{abs(value) / most:.2f}" '
            'stroke="currentColor" stroke-opacity=".3"/>'
        )
        parts.append(text(x + 19, y + 12, f"{value:+.1f}" if value else "0", anchor="start", extra=' font-size="11"'))
    return parts
