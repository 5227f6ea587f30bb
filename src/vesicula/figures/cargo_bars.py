"""Figures of a batch's cargo in a dossier: gene sets by p value, conditions, tumour balance, overlap of batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vesicula.cargo.effect.sets import FALSE_DISCOVERY_RATE
from vesicula.core.cargo import CALLED, GENOME_ONLY, NEITHER, CargoClaim, CargoSet, CargoTest
from vesicula.evidence.names_lookup import same_condition
from vesicula.figures.cargo import shorten_label
from vesicula.figures.figure import Figure
from vesicula.figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, power_of_ten, text

WIDTH = 760
MOST_CALLED, MOST_GENOME, MOST_NEAREST = 12, 6, 5
MOST_CONDITIONS, MOST_MOLECULES = 12, 24
TUMOURS = 470
"""Where the tumours' names begin: right of the longest row of squares."""

EFFECTS = {
    "beneficial": GREEN,
    "tumour-inhibiting": BLUE,
    "tumour-promoting": VERMILLION,
    "angiogenic": ORANGE,
    "anti-angiogenic": SKY,
    "mixed": PURPLE,
}
"""Ink of each class of effect; any other class is drawn in the ink of the text, made faint."""

FAINT = ' stroke="currentColor" stroke-opacity=".2"'
SMALL = ' font-size="11"'
HITS = {"protein": "in list, of measured", "mirna": "targets of list, of all"}
"""What the two numbers beside a set count: proteins, or targets of the miRNAs."""

HEADS = {
    CALLED: "Stand out against what was measured",
    GENOME_ONLY: "Called by the whole genome alone, not here",
    NEITHER: "None stands out; the nearest",
}


def cargo_words(what: str) -> str:
    """Return a list of cargo in words that fit into a sentence, such as ``"the most abundant cargo"``."""
    known = {"most abundant": "the most abundant cargo", "in the list": "the cargo listed"}
    return known.get(what, f"cargo that is {what}")


def _depth(p: float) -> float:
    return -math.log10(max(p, 1e-300))


def sets_to_draw(test: CargoTest) -> list[CargoSet]:
    """Return the gene sets that :func:`pathway_dots` draws, group by group, the smallest p value first in each."""
    called = [s for s in test.sets if s.standing == CALLED][:MOST_CALLED]
    genome = [s for s in test.sets if s.standing == GENOME_ONLY][:MOST_GENOME]
    nearest = [] if called else [s for s in test.sets if s.standing == NEITHER][:MOST_NEAREST]
    return [*called, *nearest, *genome]


def pathway_dots(test: CargoTest, *, kind: str) -> Figure:
    """Draw gene sets by their adjusted p value, against what was measured and against the whole genome.

    Parameters
    ----------
    test : CargoTest
        With at least one set.
    kind : {"mirna", "protein"}
        What the cargo is.

    Returns
    -------
    Figure
        A dot is the test against what was measured, a diamond the whole genome; a dashed line stands at the false
        discovery rate that calls a set.
    """
    shown = sets_to_draw(test)
    right = [_depth(s.adjusted_p) for s in shown if s.adjusted_p is not None]
    wrong = [_depth(s.genome_adjusted_p) for s in shown if s.genome_adjusted_p is not None]
    # The genome's p values can be so small that all others would stand in one spot: those are cut at the edge.
    far = max([2.0, *(1.15 * d for d in right), min(max(wrong, default=0.0), max([4.0, *(2.5 * d for d in right)]))])
    x = Scale(low=0.0, high=far, start=318, end=WIDTH - 84)
    parts: list[str] = []
    y, standing = 30.0, ""
    for s in shown:
        if s.standing != standing:
            standing = s.standing
            y += 8 if y > 40 else 0
            parts.append(text(4, y + 4, HEADS[standing], anchor="start", extra=' font-weight="600"'))
            y += 21
        parts += _dot_row(s, x, y)
        y += 20
    bottom = y - 4
    parts = [*_dot_axis(x, bottom, HITS[kind]), *parts]
    caption = _dots_caption(test, shown, kind)
    alt = f"{test.called} of {test.tested} gene sets stand out ({test.what}): " + (
        ", ".join(s.name for s in shown if s.standing == CALLED) or "none"
    )
    spec = _dots_spec(shown, caption)
    svg = document(parts, width=WIDTH, height=int(bottom + 46), label=alt)
    return Figure(spec=spec, svg=svg, caption=caption, alt=alt)


def _dot_row(s: CargoSet, x: Scale, y: float) -> list[str]:
    parts = [
        line(x.start, y, x.end, y, FAINT),
        text(x.start - 14, y + 4, shorten_label(s.name, 46), anchor="end"),
        text(WIDTH - 4, y + 4, f"{s.hits_in_set} of {s.set_size}", anchor="end", extra=SMALL),
    ]
    if s.genome_adjusted_p is not None:
        parts += _diamond(x, y, s.genome_adjusted_p)
    if s.adjusted_p is not None:
        radius = min(4 + 0.5 * math.sqrt(s.hits_in_set), 8)
        at = number(x(_depth(s.adjusted_p)))
        parts.append(f'<circle cx="{at}" cy="{number(y)}" r="{number(radius)}" fill="{BLUE}"/>')
    else:
        parts.append(text(x.start + 4, y + 4, "too few members measured to test", anchor="start", extra=SMALL))
    return parts


def _diamond(x: Scale, y: float, p: float) -> list[str]:
    depth, px = _depth(p), x(_depth(p))
    form = f"M{number(px - 6)} {number(y)}l6 -6l6 6l-6 6z"
    parts = [f'<path d="{form}" fill="none" stroke="{VERMILLION}" stroke-width="1.8"/>']
    if depth > x.high:
        parts.append(text(px - 10, y + 4, f"{power_of_ten(-int(depth))} \u2192", anchor="end", extra=SMALL))
    return parts


def _dot_axis(x: Scale, bottom: float, hits: str) -> list[str]:
    parts = [text(WIDTH - 4, 14, hits, anchor="end", extra=SMALL)]
    for tick in nice_ticks(0, x.high, 5):
        if tick == int(tick):
            parts.append(line(x(tick), 22, x(tick), bottom, FAINT))
            label = "1" if tick == 0 else power_of_ten(-int(tick))
            parts.append(text(x(tick), bottom + 16, label, extra=SMALL))
    at = x(_depth(FALSE_DISCOVERY_RATE))
    parts.append(line(at, 22, at, bottom, ' stroke="currentColor" stroke-dasharray="4 3"'))
    parts.append(text(at, 14, f"{FALSE_DISCOVERY_RATE:g}", extra=SMALL))
    parts.append(text((x.start + x.end) / 2, bottom + 35, "adjusted p value (further right: smaller)", extra=SMALL))
    return parts


def _dots_caption(test: CargoTest, shown: Sequence[CargoSet], kind: str) -> str:
    right = "other measured miRNAs with as many targets" if kind == "mirna" else "the proteins measured"
    caption = (
        f"Gene sets of {cargo_words(test.what)}. Dot: adjusted p value against {right}, larger with more of the list "
        "in the set; diamond: what the whole genome as background would have given, drawn to show what it invents. "
        "Right of the dashed line a set is called."
    )
    for standing, words in ((CALLED, "that stand out"), (GENOME_ONLY, "that the genome alone calls")):
        total = sum(s.standing == standing for s in test.sets)
        drawn = sum(s.standing == standing for s in shown)
        caption += f" Of {total} sets {words} {drawn} are drawn." if total > drawn else ""
    return caption


def _dots_spec(shown: Sequence[CargoSet], caption: str) -> dict[str, object]:
    names = [s.name for s in shown]
    right = [None if s.adjusted_p is None else round(_depth(s.adjusted_p), 4) for s in shown]
    wrong = [None if s.genome_adjusted_p is None else round(_depth(s.genome_adjusted_p), 4) for s in shown]
    data = [
        {"type": "scatter", "mode": "markers", "name": "what was measured", "x": right, "y": names},
        {"type": "scatter", "mode": "markers", "name": "whole genome", "x": wrong, "y": names,
         "marker": {"symbol": "diamond-open"}},
    ]  # fmt: skip
    return {"data": data, "layout": {"title": {"text": caption}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionCount:
    """A condition: the batch's molecules that its rows name as cargo, and its rows by class of effect."""

    condition: str
    molecules: tuple[str, ...]
    effects: tuple[tuple[str, int], ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(n for _, n in self.effects)


def count_conditions(claims: Sequence[CargoClaim]) -> list[ConditionCount]:
    """Count rows by condition.

    Parameters
    ----------
    claims : sequence of CargoClaim
        Of any number of tables; a row counts once for each condition, and only if it names the very molecule.

    Returns
    -------
    list of ConditionCount
        Most molecules first, then most rows.
    """
    molecules: dict[str, dict[str, None]] = {}
    rows: dict[str, dict[str, str]] = {}
    for c in claims:
        if c.counted and c.condition:
            molecules.setdefault(c.condition, {})[c.molecule] = None
            rows.setdefault(c.condition, {})[c.row] = c.effect_class or "effect not said"
    built = []
    for condition, named in molecules.items():
        effects: dict[str, int] = {}
        for effect in rows[condition].values():
            effects[effect] = effects.get(effect, 0) + 1
        order = {e: k for k, e in enumerate(EFFECTS)}
        ranked = sorted(effects.items(), key=lambda pair: (order.get(pair[0], 99), pair[0]))
        built.append(ConditionCount(condition=condition, molecules=tuple(named), effects=tuple(ranked)))
    return sorted(built, key=lambda c: (-len(c.molecules), -c.rows, c.condition))


def condition_bars(counts: Sequence[ConditionCount], *, indication: str = "") -> Figure:
    """Draw how many rows of the evidence name the batch's cargo, condition by condition.

    Parameters
    ----------
    counts : sequence of ConditionCount
        From :func:`count_conditions`; at least one.
    indication : str
        What the batch is meant for; its condition, where it is one of these under any name, comes first.

    Returns
    -------
    Figure
        The first 12 conditions; a bar is split by the class of effect that the rows state.
    """
    asked = [c for c in counts if indication and same_condition(c.condition, indication)]
    shown = [*asked, *(c for c in counts if c not in asked)][:MOST_CONDITIONS]
    most = max(c.rows for c in shown)
    x = Scale(low=0, high=most, start=262, end=262 + min(238, 44 * most))
    parts: list[str] = []
    for k, c in enumerate(shown):
        y = 26 + 24 * k
        mark = " (indication)" if c in asked else ""
        name = f"{shorten_label(c.condition, 40 - len(mark))}{mark}"
        parts.append(text(254, y + 4, name, anchor="end", extra=' font-weight="600"' if mark else ""))
        done = 0
        for effect, n in c.effects:
            parts += _segment(x(done), x(done + n), y, effect, n)
            done += n
        parts.append(text(x(done) + 8, y + 4, _some(c.molecules, 38), anchor="start", extra=SMALL))
    bottom = 26 + 24 * len(shown)
    parts.append(text(262, 8, "rows of the evidence, and the cargo that they name", anchor="start", extra=SMALL))
    effects = list(dict.fromkeys(e for c in shown for e, _ in c.effects))
    parts += _legend(effects, 262, bottom + 6)
    more = len(counts) - len(shown)
    rest = f" {more} more conditions are not drawn." if more else ""
    caption = (
        "Conditions whose rows in the evidence store name the batch's cargo, by the effect that the rows state. That a "
        f"batch carries what rows name does not say that it acts.{rest}"
    )
    alt = "Rows by condition: " + "; ".join(f"{c.condition} {c.rows}" for c in shown)
    spec = {
        "data": [
            {"type": "bar", "orientation": "h", "name": e, "y": [c.condition for c in shown],
             "x": [dict(c.effects).get(e, 0) for c in shown]}
            for e in effects
        ],
        "layout": {"barmode": "stack", "title": {"text": caption}},
    }  # fmt: skip
    height = bottom + 18 + 18 * ((len(effects) + 2) // 3)
    return Figure(spec=spec, svg=document(parts, width=WIDTH, height=height, label=alt), caption=caption, alt=alt)


def _some(names: Sequence[str], limit: int) -> str:
    """Return as many names as fit, and how many more there are."""
    kept: list[str] = []
    for name in names:
        if kept and len(", ".join([*kept, name])) > limit - 4:
            break
        kept.append(name)
    more = len(names) - len(kept)
    return ", ".join(kept) + (f" +{more}" if more else "")


def _segment(start: float, end: float, y: float, effect: str, n: int) -> list[str]:
    ink = EFFECTS.get(effect, "currentColor")
    faint = "" if effect in EFFECTS else ' fill-opacity=".3"'
    wide = max(end - start - 1, 1)
    drawn = f'<rect x="{number(start)}" y="{number(y - 8)}" width="{number(wide)}" height="16" fill="{ink}"{faint}/>'
    if wide < 12:
        return [drawn]
    # Black has the stronger contrast on every colour of the palette but blue.
    letters = "" if effect not in EFFECTS else ' fill="#ffffff"' if ink == BLUE else ' fill="#000000"'
    return [drawn, text((start + end) / 2, y + 4, str(n), extra=f"{SMALL}{letters}")]


def _legend(effects: Sequence[str], left: float, top: float) -> list[str]:
    parts = []
    for k, effect in enumerate(effects):
        x, y = left + 160 * (k % 3), top + 18 * (k // 3)
        faint = "" if effect in EFFECTS else ' fill-opacity=".3"'
        ink = EFFECTS.get(effect, "currentColor")
        parts.append(f'<rect x="{number(x)}" y="{number(y)}" width="12" height="12" fill="{ink}"{faint}/>')
        parts.append(text(x + 18, y + 10, shorten_label(effect, 22), anchor="start", extra=SMALL))
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class MoleculeBalance:
    """Rows about tumours that name a molecule as cargo, by side; `unsure` rows name something wider than it."""

    molecule: str
    promoting: tuple[str, ...]
    inhibiting: tuple[str, ...]
    neither: tuple[str, ...]
    unsure: frozenset[str]
    tumours: tuple[str, ...]


def balance_by_molecule(claims: Sequence[CargoClaim]) -> list[MoleculeBalance]:
    """Gather the tumour balance molecule by molecule, never netted.

    Parameters
    ----------
    claims : sequence of CargoClaim
        Of any number of tables; rows without a side are passed over.

    Returns
    -------
    list of MoleculeBalance
        Those with rows that name the very molecule first, then those with the most rows.
    """
    by_name: dict[str, list[CargoClaim]] = {}
    for c in claims:
        if c.side:
            by_name.setdefault(c.molecule, []).append(c)
    built = []
    for name, found in by_name.items():
        sides = {side: dict.fromkeys(c.row for c in found if c.side == side) for side in ("promoting", "inhibiting",
                                                                                         "neither")}  # fmt: skip
        sure = {c.row for c in found if c.counted}
        built.append(
            MoleculeBalance(
                molecule=name,
                promoting=tuple(sides["promoting"]),
                inhibiting=tuple(sides["inhibiting"]),
                neither=tuple(sides["neither"]),
                unsure=frozenset(c.row for c in found) - sure,
                tumours=tuple(dict.fromkeys(c.tumour for c in found)),
            )
        )
    return sorted(built, key=lambda b: (not _sure(b), -len(b.promoting) - len(b.inhibiting), b.molecule))


def _sure(b: MoleculeBalance) -> bool:
    return bool({*b.promoting, *b.inhibiting, *b.neither} - b.unsure)


def balance_bars(balances: Sequence[MoleculeBalance]) -> Figure:
    """Draw the tumour balance of the batch's cargo: a square for each row, both sides, never netted.

    Parameters
    ----------
    balances : sequence of MoleculeBalance
        From :func:`balance_by_molecule`; at least one.

    Returns
    -------
    Figure
        The first 24 molecules. Open squares are rows that name a family, another arm or something longer.
    """
    shown = balances[:MOST_MOLECULES]
    most = max(1, *(max(len(b.promoting), len(b.inhibiting)) for b in shown))
    step = min(18.0, 150 / most)
    middle = 300.0
    parts = [
        text(middle - 10, 12, "\u2190 rows: inhibiting", anchor="end", extra=SMALL),
        text(middle + 10, 12, "rows: promoting \u2192", anchor="start", extra=SMALL),
        text(TUMOURS, 12, "tumours", anchor="start", extra=SMALL),
    ]
    for k, b in enumerate(shown):
        y = 34 + 24 * k
        parts.append(text(140, y + 4, shorten_label(b.molecule, 20), anchor="end"))
        parts += _squares(b.inhibiting, b.unsure, middle, -step, y, BLUE)
        parts += _squares(b.promoting, b.unsure, middle, step, y, VERMILLION)
        said = f"{len(b.neither)} on neither side; " if b.neither else ""
        named = shorten_label(f"{said}{', '.join(b.tumours)}", 46)
        parts.append(text(TUMOURS, y + 4, named, anchor="start", extra=SMALL))
    bottom = 34 + 24 * len(shown)
    parts.insert(0, line(middle, 20, middle, bottom - 8, ' stroke="currentColor" stroke-opacity=".6"'))
    more = len(balances) - len(shown)
    rest = f" {more} more molecules are not drawn." if more else ""
    open_ = (
        " Open squares: rows that name a family, another arm or something longer, and count in no sum."
        if any(b.unsure for b in shown)
        else ""
    )
    caption = (
        "The batch's cargo on the tumour balance: each square is a row of the evidence store that names the molecule "
        f"as cargo. Rows are never netted: both sides stand.{open_}{rest}"
    )
    alt = "Tumour balance: " + "; ".join(
        f"{b.molecule} {len(b.promoting)} promoting, {len(b.inhibiting)} inhibiting" for b in shown
    )
    spec = {
        "data": [
            {"type": "bar", "orientation": "h", "name": "inhibiting", "y": [b.molecule for b in shown],
             "x": [-len(b.inhibiting) for b in shown]},
            {"type": "bar", "orientation": "h", "name": "promoting", "y": [b.molecule for b in shown],
             "x": [len(b.promoting) for b in shown]},
        ],
        "layout": {"barmode": "relative", "title": {"text": caption}},
    }  # fmt: skip
    return Figure(spec=spec, svg=document(parts, width=WIDTH, height=bottom, label=alt), caption=caption, alt=alt)


def _squares(rows: Sequence[str], unsure: frozenset[str], middle: float, step: float, y: float, ink: str) -> list[str]:
    side = abs(step) - 4
    ordered = sorted(rows, key=lambda r: (r in unsure, r))
    parts = []
    for k, row in enumerate(ordered):
        left = middle + step * k + (2 if step > 0 else -2 - side)
        form = f'<rect x="{number(left)}" y="{number(y - 7)}" width="{number(side)}" height="14"'
        fill = f'fill="none" stroke="{ink}" stroke-width="1.6"' if row in unsure else f'fill="{ink}"'
        parts.append(f"{form} {fill}/>")
    return parts


def overlap_map(groups: Mapping[str, frozenset[str]], *, what: str) -> Figure:
    """Draw what share of one group's items the others hold too, for more groups than an UpSet plot shows.

    Parameters
    ----------
    groups : mapping of str to frozenset of str
        Items by group.
    what : str
        What is counted, such as "proteins".

    Returns
    -------
    Figure
        A row for each group, with the share of its items that the group of the column holds, in per cent.
    """
    names = list(groups)
    share = [[len(groups[a] & groups[b]) / len(groups[a]) if groups[a] else 0.0 for b in names] for a in names]
    cell = max(14.0, min(30.0, 520 / len(names)))
    left, top = 200.0, 110.0
    parts = []
    for i, name in enumerate(names):
        y = top + cell * i
        parts.append(text(left - 6, y + cell / 2 + 4, f"{shorten_label(name, 22)} ({len(groups[name])})", anchor="end",
                          extra=SMALL))  # fmt: skip
        px, turn = left + cell * (i + 0.5), top - 6
        turned = f' transform="rotate(-60 {number(px)} {number(turn)})"{SMALL}'
        parts.append(text(px, turn, shorten_label(name, 16), anchor="start", extra=turned))
        for j, value in enumerate(share[i]):
            box = f'width="{number(cell - 1)}" height="{number(cell - 1)}"'
            place = f'x="{number(left + cell * j)}" y="{number(y)}" {box}'
            parts.append(f'<rect {place} fill="{BLUE}" fill-opacity="{0.06 + 0.94 * value:.2f}"/>')
    caption = (
        f"Share of a batch's {what} (row) that another batch (column) holds too; deeper is more, full blue is all of "
        f"them. In brackets: how many {what} it holds."
    )
    alt = f"Overlap of {what} between {len(names)} batches."
    spec = {"data": [{"type": "heatmap", "x": names, "y": names, "z": share}], "layout": {"title": {"text": caption}}}
    side = int(top + cell * len(names) + 6)
    wide = max(int(left + cell * len(names) + 70), 540)
    return Figure(spec=spec, svg=document(parts, width=wide, height=side, label=alt), caption=caption, alt=alt)
