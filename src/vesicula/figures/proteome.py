"""Figures of a proteome: volcano, MISEV categories by sample, and missing values by mechanism."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from vesicula.cargo.protein.analyse import FALSE_DISCOVERY_RATE, Comparison, Proteome
from vesicula.cargo.protein.misev import CATEGORIES
from vesicula.core.errors import AnalysisError
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, FONT, ORANGE, SKY, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, polyline, text

WIDTH = 620
LABELS = 14
SIDE = 100
FAINT = ' stroke="currentColor" stroke-opacity="0.25"'
CATEGORY_NAMES = {
    "1": "1 membrane, vesicle",
    "2": "2 cytosol, vesicle",
    "3": "3 co-isolates",
    "4": "4 other compartments",
    "5": "5 secreted",
}
_Box = tuple[float, float, float, float]


class Categories(Protocol):
    """MISEV's categories in one sample, as an analysis or a dossier holds them."""

    @property
    def sample(self) -> str:
        """Its name."""

    @property
    def found(self) -> dict[str, tuple[str, ...]]:
        """Symbols found, by category."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of the summed signal by category; empty where values have no sum."""

    @property
    def apob_share(self) -> float | None:
        """Share of ApoB."""

    @property
    def albumin_share(self) -> float | None:
        """Share of albumin."""



def _open(size: int = 13) -> str:
    return f'<g font-family="{FONT.replace(chr(34), chr(39))}" font-size="{size}">'


def group_name(result: Proteome, row: int, *, most: int = 2) -> str:
    """Return the first gene symbols of a group, or its identifier."""
    group = result.table.groups[row]
    return ";".join(group.genes[:most]) or group.id


def _comparison(result: Proteome) -> Comparison:
    if result.comparison is None:
        raise AnalysisError("nothing was compared: there is no comparison to draw")
    return result.comparison


def volcano(result: Proteome) -> Figure:
    """Draw the effect of each protein against its p value; those found in one condition only stand at the sides.

    Parameters
    ----------
    result : Proteome
        With a comparison.

    Returns
    -------
    Figure
        The strongest are named, as far as names do not overlap.

    Raises
    ------
    AnalysisError
        When nothing was compared.
    """
    c = _comparison(result)
    effect, p, adjusted = c.moderated.fit.effect, c.moderated.p_value, c.moderated.adjusted_p
    rows = np.flatnonzero(np.isfinite(p))
    height = -np.log10(np.maximum(p[rows], 1e-300))
    sides = _sides(c)
    top = max([float(height.max()), *(y for _, y, _ in sides)]) * 1.08 if rows.size else 1.0
    half = max(1.0, float(np.abs(effect[rows]).max()) * 1.06)
    x = Scale(low=-half, high=half, start=112, end=WIDTH - 66)
    y = Scale(low=0.0, high=top, start=340, end=36)
    kinds: dict[str, list[int]] = {"same": [], "up": [], "down": []}
    for k, row in enumerate(rows):
        called = adjusted[row] < FALSE_DISCOVERY_RATE
        kinds["same" if not called else "up" if effect[row] > 0 else "down"].append(k)
    places = [(x(float(effect[r])), y(float(h))) for r, h in zip(rows, height, strict=True)]
    parts = [_open(), *_volcano_axes(x, y, c)]
    for kind, ink, opacity in (("same", "currentColor", 0.28), ("down", BLUE, 0.8), ("up", VERMILLION, 0.8)):
        parts.append(_dots([places[k] for k in kinds[kind]], ink, opacity))
    parts += [_diamond(_side_x(side, x), y(v)) for side, v, _ in sides]
    parts += _names(result, [(int(rows[k]), *places[k]) for k in _strongest(height, effect[rows], kinds)])
    up, down = len(c.changed(1)), len(c.changed(-1))
    caption = (
        f"Each dot is one of {rows.size} protein groups: difference of log2 values, {c.design.test} minus "
        f"{c.design.reference}, and p value of the moderated t test. Orange-red: higher, blue: lower, at a false "
        f"discovery rate of {100 * FALSE_DISCOVERY_RATE:g} %; grey: neither. {_sides_said(c)}"
    )
    alt = f"Volcano plot: {up} proteins higher and {down} lower in {c.design.test} than in {c.design.reference}."
    spec = _volcano_spec(result, rows, height, kinds)
    svg = document([*parts, "</g>"], width=WIDTH, height=404, label=alt)
    return Figure(spec=spec, svg=svg, caption=caption, alt=alt)


def _sides_said(c: Comparison) -> str:
    if not len(c.absence.rows):
        return "None is found in one condition only."
    tail = ", which this table does not tell, so they lie at 0." if c.missing.mechanism == "filled" else "."
    return (
        f"Diamonds at the sides: {len(c.absence.rows)} found in one condition only; their height is the chance that a "
        f"protein of that strength is missed{tail}"
    )


def _sides(c: Comparison) -> list[tuple[int, float, int]]:
    """Return side (1 test, -1 reference), height and row of the groups found in one condition only."""
    return [
        (1 if home == c.design.test else -1, -math.log10(max(float(p), 1e-300)), int(row))
        for row, home, p in zip(c.absence.rows, c.absence.only_in, c.absence.p_value, strict=True)
    ]


def _side_x(side: int, x: Scale) -> float:
    return x.end + 34 if side > 0 else x.start - 34


def _dots(places: Sequence[tuple[float, float]], ink: str, opacity: float) -> str:
    if not places:
        return ""
    path = "".join(f"M{number(px)} {number(py)}h0" for px, py in places)
    return f'<path d="{path}" stroke="{ink}" stroke-opacity="{opacity}" stroke-width="4.6" stroke-linecap="round"/>'


def _diamond(px: float, py: float) -> str:
    return (
        f'<path d="M{number(px)} {number(py - 4)}l4 4l-4 4l-4 -4z" fill="{ORANGE}" fill-opacity="0.35" '
        f'stroke="{ORANGE}"/>'
    )


def _volcano_axes(x: Scale, y: Scale, c: Comparison) -> list[str]:
    parts = [text(8, 18, "-log10 of the p value", anchor="start")]
    for tick in nice_ticks(y.low, y.high, 5):
        parts.append(line(x.start, y(tick), x.end, y(tick), FAINT))
        parts.append(text(x.start - 68, y(tick) + 4, f"{tick:g}", anchor="end"))
    for tick in nice_ticks(x.low, x.high, 6):
        parts += [line(x(tick), y.start, x(tick), y.start + 5, FAINT), text(x(tick), y.start + 20, f"{tick:g}")]
    parts.append(line(x(0), y.end, x(0), y.start, FAINT))
    for side, name in ((-1, c.design.reference), (1, c.design.test)):
        px = _side_x(side, x)
        parts.append(f'<rect x="{number(px - 14)}" y="{number(y.end)}" width="28" height="{number(y.start - y.end)}" '
                     'fill="currentColor" fill-opacity="0.06"/>')  # fmt: skip
        end, anchor = (px + 30, "end") if side > 0 else (px - 14, "start")
        parts.append(text(end, y.end - 6, f"only {_short(name, 14)}", anchor=anchor, extra=' font-size="11"'))
    title = f"log2 difference, {_short(c.design.test, 24)} minus {_short(c.design.reference, 24)}"
    return [*parts, text((x.start + x.end) / 2, y.start + 44, title)]


def _short(name: str, most: int = 9) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _strongest(height: Iterable[float], effect: Iterable[float], kinds: dict[str, list[int]]) -> list[int]:
    score = [h * abs(e) for h, e in zip(height, effect, strict=True)]
    chosen = []
    for kind in ("up", "down"):
        chosen += sorted(kinds[kind], key=lambda k: -score[k])[: 2 * LABELS]
    return sorted(chosen, key=lambda k: -score[k])


def _names(result: Proteome, candidates: Sequence[tuple[int, float, float]]) -> list[str]:
    """Name dots, strongest first, where the name overlaps none that stands already."""
    taken: list[_Box] = []
    parts: list[str] = []
    for row, px, py in candidates:
        name = _short(group_name(result, row, most=1), 14)
        wide = 6.6 * len(name)
        outward = px < WIDTH / 2 and px - 6 - wide > SIDE  # names of the lower go left, away from the cloud
        left = px - 8 - wide if outward or px + 6 + wide > WIDTH - 56 else px + 6
        box = (left, py - 8, left + wide, py + 5)
        if len(parts) >= LABELS or any(_meets(box, other) for other in taken):
            continue
        taken.append(box)
        parts.append(text(left, py + 4, name, anchor="start", extra=' font-size="11"'))
    return parts


def _meets(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _volcano_spec(
    result: Proteome, rows: Iterable[int], height: Iterable[float], kinds: dict[str, list[int]]
) -> dict[str, Any]:
    c = _comparison(result)
    effect, heights, index = c.moderated.fit.effect, list(height), list(rows)
    data = [
        {
            "type": "scattergl", "mode": "markers", "name": word,
            "x": [float(f"{effect[index[k]]:.4g}") for k in kinds[kind]],
            "y": [float(f"{heights[k]:.4g}") for k in kinds[kind]],
            "text": [group_name(result, int(index[k])) for k in kinds[kind]], "marker": {"color": ink, "size": 5},
        }
        for kind, word, ink in (("same", "neither", "#999999"), ("down", "lower", BLUE), ("up", "higher", VERMILLION))
    ]  # fmt: skip
    axes = {"xaxis": {"title": {"text": "log2 difference"}}, "yaxis": {"title": {"text": "-log10 p"}}}
    return {"data": data, "layout": {"font": {"family": FONT}, **axes}}


def category_heatmap(result: Proteome) -> Figure:
    """Draw MISEV's categories, ApoB and albumin by sample: share of the signal as colour and number.

    Parameters
    ----------
    result : Proteome
        Of any table; where values are ratios, the number of proteins found takes the place of the share.

    Returns
    -------
    Figure
        Under each share of a category stands how many of its proteins were found.
    """
    return category_map(result.purity)


def category_map(samples: Sequence[Categories]) -> Figure:
    """Draw MISEV's categories, ApoB and albumin by sample; as :func:`category_heatmap`, from the judged samples alone.

    Parameters
    ----------
    samples : sequence of Categories
        In the order of the columns.

    Returns
    -------
    Figure
        Under each share of a category stands how many of its proteins were found.
    """
    summed = bool(samples) and all(p.apob_share is not None for p in samples)
    names = [CATEGORY_NAMES[c] for c in CATEGORIES] + (["ApoB", "albumin"] if summed else [])
    grid = [_cells(p, summed=summed) for p in samples]
    cell = min(58.0, max(16.0, 430 / max(1, len(samples))))
    left, top, high = 164, 16, 34
    parts = [_open()]
    for i, name in enumerate(names):
        y = top + i * high + (10 if i >= len(CATEGORIES) else 0)
        parts.append(text(left - 8, y + high / 2 + 4, name, anchor="end"))
        for j, column in enumerate(grid):
            parts += _heat_cell(left + j * cell, y, cell, high, column[i], summed=summed)
    bottom = top + len(names) * high + (10 if summed else 0)
    longest = max((len(_short(p.sample, 22)) for p in samples), default=0)
    for j, p in enumerate(samples):
        px = left + (j + 0.5) * cell + 4
        turn = f' transform="rotate(-60 {number(px)} {bottom + 14})"'
        parts.append(text(px, bottom + 14, _short(p.sample, 22), anchor="end", extra=turn + ' font-size="11"'))
    width = int(max(left + len(samples) * cell + 12, WIDTH))
    tall = int(bottom + 26 + 5.6 * longest)
    if summed:
        caption = (
            "Share of the signal in % of proteins of each MISEV category (below it: how many were found); darker is "
            "more, on a logarithmic scale. Categories 1 and 2 speak for vesicles, 3 is what comes along with them."
        )
    else:
        caption = "Number of proteins found of each MISEV category; values are ratios, so there is no share to show."
    alt = "MISEV categories by sample: " + "; ".join(f"{p.sample}: {_spoken(p)}" for p in samples[:6])
    svg = document([*parts, "</g>"], width=width, height=tall, label=alt)
    return Figure(spec=_heat_spec(names, samples, grid), svg=svg, caption=caption, alt=alt)


def _cells(p: Categories, *, summed: bool) -> list[tuple[float | None, int | None]]:
    cells: list[tuple[float | None, int | None]] = [(p.shares.get(c), len(p.found[c])) for c in CATEGORIES]
    return [*cells, (p.apob_share, None), (p.albumin_share, None)] if summed else cells


def _heat_cell(
    x: float, y: float, wide: float, high: float, value: tuple[float | None, int | None], *, summed: bool
) -> list[str]:
    share, found = value
    level = _depth(share if summed else (found or 0) / 100)
    # From here on white stands out more from the fill than the dark ink does (WCAG 2.1, contrast ratio).
    ink = "#ffffff" if level > 0.85 else "#1b1f24"
    # From near white to Okabe and Ito's blue: one hue, so that it reads in grey and for every reader.
    fill = "#" + "".join(f"{round(245 + (c - 245) * level):02x}" for c in (0x00, 0x72, 0xB2))
    place = f'x="{number(x + 0.5)}" y="{number(y + 0.5)}" width="{number(wide - 1)}" height="{number(high - 1)}"'
    parts = [f'<rect {place} fill="{fill}"/>']
    if wide < 30:
        return parts
    main = percent(share) if summed else str(found)
    lower = f"({found})" if summed and found is not None else ""
    middle = x + wide / 2
    up = y + high / 2 + (4 if not lower else -1)
    parts.append(text(middle, up, main, extra=f' font-size="11.5" fill="{ink}"'))
    if lower:
        parts.append(text(middle, y + high / 2 + 12, lower, extra=f' font-size="10" fill="{ink}"'))
    return parts


def _depth(share: float | None) -> float:
    """Return 0 for nothing, 1 for all, logarithmic from a ten-thousandth."""
    return 0.0 if not share else min(1.0, max(0.08, 1 + math.log10(share) / 4))


def percent(share: float | None) -> str:
    """Return a share in per cent, two digits or decimals, ``"0"`` for none, ``"-"`` where there is none to tell."""
    if share is None:
        return "-"
    value = 100 * share
    if not value or value >= 10:
        return f"{value:.0f}"
    return "<0.01" if value < 0.005 else f"{value:.2f}" if value < 0.1 else f"{value:.2g}"


def _spoken(p: Categories) -> str:
    return ", ".join(f"category {c} {len(p.found[c])} found" for c in CATEGORIES)


def _heat_spec(
    names: Sequence[str], samples: Sequence[Categories], grid: Sequence[Sequence[tuple[float | None, int | None]]]
) -> dict[str, Any]:
    z = [[column[i][0] for column in grid] for i in range(len(names))]
    data = {"type": "heatmap", "x": [p.sample for p in samples], "y": list(names), "z": z, "colorscale": "Blues"}
    return {"data": [data], "layout": {"font": {"family": FONT}, "yaxis": {"autorange": "reversed"}}}


def missing_values(result: Proteome) -> Figure:
    """Draw why values are missing: per biological sample, and against the strength of the protein.

    Parameters
    ----------
    result : Proteome
        With a comparison.

    Returns
    -------
    Figure
        Above, a bar per sample: found, missing at random, missing because weak, and absent from the whole
        condition. Below, the share missing against the mean of the values observed, and the fitted curve.

    Raises
    ------
    AnalysisError
        When nothing was compared.
    """
    c = _comparison(result)
    rows = missing_rows(c)
    parts, bottom = _bars(rows)
    curve, tall = _curve(c, bottom + 62)
    line_said = "; line: fitted" if _fitted(c) else ""
    caption = (
        f"Above: protein groups of each biological sample. Below: share missing within a condition against the mean "
        f"log2 value observed there (dots: tenths of the proteins{line_said}). {c.missing.text}"
    )
    alt = "Missing values by sample: " + "; ".join(
        f"{n}: {f} found, {r} missing at random, {w} because weak, {a} absent from the condition"
        for n, f, r, w, a in rows[:8]
    )
    svg = document([_open(), *parts, *curve, "</g>"], width=WIDTH, height=tall, label=alt)
    return Figure(spec=_bar_spec(rows), svg=svg, caption=caption, alt=alt)


def missing_rows(c: Comparison) -> list[tuple[str, int, int, int, int]]:
    """Return, per biological sample, how many groups are found, missing at random, because weak, and absent.

    The number missing at random is what the rate among the strongest quarter of the proteins would leave out of all
    that the condition holds; the rest is put down to weakness. Where the table shows no dependence on strength, all
    is at random.
    """
    seen = np.isfinite(c.values)
    either = seen.any(axis=1)
    rows = []
    for j, unit in enumerate(c.design.units):
        here = [k for k, condition in enumerate(c.design.conditions) if condition == c.design.conditions[j]]
        held = seen[:, here].any(axis=1)
        found, gaps = int(seen[:, j].sum()), int((held & ~seen[:, j]).sum())
        random = gaps if c.missing.mechanism in {"at random", "none", "filled"} else min(
            gaps, round(c.missing.at_random_fraction * int(held.sum()))
        )  # fmt: skip
        rows.append((unit, found, random, gaps - random, int((either & ~held).sum())))
    return rows


_PARTS = (
    ("found", BLUE, 0.85),
    ("missing at random", SKY, 0.9),
    ("missing because weak", ORANGE, 0.9),
    ("absent from the condition", "currentColor", 0.22),
)


def _bars(rows: Sequence[tuple[str, int, int, int, int]]) -> tuple[list[str], float]:
    total = max(sum(r[1:]) for r in rows)
    x = Scale(low=0, high=total, start=126, end=WIDTH - 18)
    parts, column = [], 8.0
    for name, ink, opacity in _PARTS:
        parts.append(f'<rect x="{number(column)}" y="8" width="12" height="12" fill="{ink}" fill-opacity="{opacity}"/>')
        parts.append(text(column + 17, 19, name, anchor="start"))
        column += 36 + 7.1 * len(name)
    high = 18 if len(rows) <= 20 else 9
    for i, (unit, *counts) in enumerate(rows):
        y, start = 34 + i * (high + 4), 0
        parts.append(text(118, y + high / 2 + 4, _short(unit, 16), anchor="end", extra=' font-size="11"'))
        for count, (_, ink, opacity) in zip(counts, _PARTS, strict=True):
            if count:
                wide = x(start + count) - x(start)
                parts.append(f'<rect x="{number(x(start))}" y="{y}" width="{number(wide)}" height="{high}" '
                             f'fill="{ink}" fill-opacity="{opacity}"/>')  # fmt: skip
            start += count
    bottom = 34 + len(rows) * (high + 4)
    parts += [text(x(tick), bottom + 14, f"{tick:g}") for tick in nice_ticks(0, total, 6)]
    return [*parts, text((x.start + x.end) / 2, bottom + 33, "protein groups")], bottom + 33


def _curve(c: Comparison, top: float) -> tuple[list[str], int]:
    means, missed = _pairs(c)
    x = Scale(low=float(means.min()), high=float(means.max()) + 1e-9, start=64, end=WIDTH - 18)
    y = Scale(low=0, high=100, start=top + 150, end=top)
    parts = [text(8, top - 14, "missing within the condition, %", anchor="start")]
    for level in (0, 25, 50, 75, 100):
        parts.append(line(x.start, y(level), x.end, y(level), FAINT))
        parts.append(text(x.start - 8, y(level) + 4, str(level), anchor="end"))
    parts += [text(x(tick), y.start + 18, f"{tick:g}") for tick in nice_ticks(x.low, x.high, 8)]
    if _fitted(c):
        grid = np.linspace(x.low, x.high, 60)
        chance = 100 * c.missing.chance_missed(grid)
        points = [(x(float(a)), y(float(b))) for a, b in zip(grid, chance, strict=True)]
        parts.append(polyline(points, f' stroke="{ORANGE}" stroke-width="2.5"'))
    order = np.argsort(means)
    for part in np.array_split(order, 10):
        if part.size:
            parts.append(f'<circle cx="{number(x(float(means[part].mean())))}" '
                         f'cy="{number(y(100 * float(missed[part].mean())))}" r="4.5" fill="{BLUE}"/>')  # fmt: skip
    parts.append(text((x.start + x.end) / 2, y.start + 38, "mean log2 value observed in the condition"))
    return parts, int(y.start + 50)


def _fitted(c: Comparison) -> bool:
    return c.missing.mechanism in {"at random", "mixed", "not at random"}


def _pairs(c: Comparison) -> tuple[Any, Any]:
    """Return mean observed value and share missing, per group and condition where it was found at all."""
    means, missed = [], []
    for condition in (c.design.test, c.design.reference):
        part = c.values[:, [k == condition for k in c.design.conditions]]
        seen = np.isfinite(part)
        held = seen.any(axis=1)
        means.append(np.nansum(part[held], axis=1) / seen[held].sum(axis=1))
        missed.append(1 - seen[held].mean(axis=1))
    return np.concatenate(means), np.concatenate(missed)


def _bar_spec(rows: Sequence[tuple[str, int, int, int, int]]) -> dict[str, Any]:
    data = [
        {"type": "bar", "orientation": "h", "name": name, "y": [r[0] for r in rows], "x": [r[k + 1] for r in rows]}
        for k, (name, _, _) in enumerate(_PARTS)
    ]
    return {"data": data, "layout": {"font": {"family": FONT}, "barmode": "stack"}}
