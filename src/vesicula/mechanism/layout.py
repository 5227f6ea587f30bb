"""Where the nodes and edges of a layered picture stand: columns, order within them, heights, curves.

Layered drawing after Sugiyama, Tagawa and Toda (IEEE Trans. Syst. Man Cybern. 11:109, 1981)
[from memory, unchecked]: edges over several columns get a slot in each column between, the order within columns
follows the barycentres of the neighbours, and the order with the fewest crossings is kept. Nothing is random.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Slot = tuple[str, ...]
"""(node,) or, where an edge passes a column, (edge, column)."""

NODE_GAP = 16.0
EDGE_GAP = 8.0
SWEEPS = 24
SETTLING = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An edge to be drawn."""

    key: str
    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Result of :func:`arrange`.

    Attributes
    ----------
    order : tuple of tuple of str
        Nodes of each column from top to bottom.
    middle : dict
        Vertical middle of each node.
    passing : dict
        For each edge that passes columns: (column, vertical position), from left to right.
    crossings : int
        Crossings between neighbouring columns.
    height : float
        Of the highest column.
    """

    order: tuple[tuple[str, ...], ...]
    middle: dict[str, float]
    passing: dict[str, tuple[tuple[int, float], ...]]
    crossings: int
    height: float


def arrange(columns: Sequence[Sequence[str]], links: Sequence[Link], heights: Mapping[str, float]) -> Layout:
    """Arrange nodes within their columns.

    Parameters
    ----------
    columns : sequence of sequence of str
        Nodes of each column in their first order, which decides ties.
    links : sequence of Link
        Edges. Those within a column or backwards take no part in the order.
    heights : mapping
        Height of each node.

    Returns
    -------
    Layout
        The same for the same input.
    """
    level = {node: number for number, column in enumerate(columns) for node in column}
    chains = {link.key: _chain(link, level) for link in links if level[link.start] < level[link.end]}
    slots = _first_order(columns, chains)
    segments: list[list[tuple[Slot, Slot]]] = [[] for _ in columns]
    for link in links:
        for start, end in pairwise(chains.get(link.key, ())):
            segments[_level(start, level)].append((start, end))
    best, crossings = _fewest_crossings(slots, segments)
    size = {slot: heights[slot[0]] if len(slot) == 1 else 2.0 for column in best for slot in column}
    middle = _settle(best, segments, size)
    top = min((middle[s] - size[s] / 2 for column in best for s in column), default=0.0)
    bottom = max((middle[s] + size[s] / 2 for column in best for s in column), default=0.0)
    middle = {slot: y - top for slot, y in middle.items()}
    return Layout(
        order=tuple(tuple(slot[0] for slot in column if len(slot) == 1) for column in best),
        middle={slot[0]: y for slot, y in middle.items() if len(slot) == 1},
        passing={key: tuple((int(s[1]), middle[s]) for s in chain[1:-1]) for key, chain in chains.items()},
        crossings=crossings,
        height=bottom - top,
    )


def _chain(link: Link, level: Mapping[str, int]) -> tuple[Slot, ...]:
    between = range(level[link.start] + 1, level[link.end])
    return ((link.start,), *((link.key, str(number)) for number in between), (link.end,))


def _level(slot: Slot, level: Mapping[str, int]) -> int:
    return level[slot[0]] if len(slot) == 1 else int(slot[1])


def _first_order(columns: Sequence[Sequence[str]], chains: Mapping[str, Sequence[Slot]]) -> list[list[Slot]]:
    slots: list[list[Slot]] = [[(node,) for node in column] for column in columns]
    for chain in chains.values():
        for slot in chain[1:-1]:
            slots[int(slot[1])].append(slot)
    return slots


def _fewest_crossings(
    slots: list[list[Slot]], segments: Sequence[Sequence[tuple[Slot, Slot]]]
) -> tuple[list[list[Slot]], int]:
    before, after = _neighbours(segments)
    best, fewest = [list(column) for column in slots], _crossings(slots, segments)
    for sweep in range(SWEEPS):
        rightwards = sweep % 2 == 0
        neighbours = before if rightwards else after
        numbers = range(1, len(slots)) if rightwards else range(len(slots) - 2, -1, -1)
        for number in numbers:
            fixed = slots[number - 1 if rightwards else number + 1]
            place = {slot: position for position, slot in enumerate(fixed)}
            slots[number] = _by_barycentre(slots[number], neighbours, place, len(fixed))
        crossings = _crossings(slots, segments)
        if crossings < fewest:
            best, fewest = [list(column) for column in slots], crossings
    return best, fewest


def _neighbours(
    segments: Sequence[Sequence[tuple[Slot, Slot]]],
) -> tuple[dict[Slot, list[Slot]], dict[Slot, list[Slot]]]:
    before: dict[Slot, list[Slot]] = {}
    after: dict[Slot, list[Slot]] = {}
    for gap in segments:
        for start, end in gap:
            before.setdefault(end, []).append(start)
            after.setdefault(start, []).append(end)
    return before, after


def _by_barycentre(
    column: Sequence[Slot], neighbours: Mapping[Slot, Sequence[Slot]], place: Mapping[Slot, int], total: int
) -> list[Slot]:
    def wanted(item: tuple[int, Slot]) -> tuple[float, int]:
        position, slot = item
        near = [place[other] for other in neighbours.get(slot, ())]
        # A slot without neighbours keeps its share of the height.
        centre = sum(near) / len(near) if near else position * total / len(column)
        return centre, position

    return [slot for _, slot in sorted(enumerate(column), key=wanted)]


def _crossings(slots: Sequence[Sequence[Slot]], segments: Sequence[Sequence[tuple[Slot, Slot]]]) -> int:
    place = {slot: position for column in slots for position, slot in enumerate(column)}
    found = 0
    for gap in segments:
        ends: list[int] = []
        for _, end in sorted((place[start], place[end]) for start, end in gap):
            found += len(ends) - bisect_right(ends, end)
            insort(ends, end)
    return found


def _settle(
    slots: Sequence[Sequence[Slot]],
    segments: Sequence[Sequence[tuple[Slot, Slot]]],
    size: Mapping[Slot, float],
) -> dict[Slot, float]:
    """Move each column as near to its neighbours as order and gaps allow (least squares)."""
    before, after = _neighbours(segments)
    middle: dict[Slot, float] = {}
    offsets = [list(_offsets(column, size)) for column in slots]
    tallest = max((column[-1] for column in offsets if column), default=0.0)
    for column, stacked in zip(slots, offsets, strict=True):
        shift = (tallest - stacked[-1]) / 2 if stacked else 0.0
        middle |= {slot: y + shift for slot, y in zip(column, stacked, strict=True)}
    for turn in range(SETTLING):
        numbers = range(len(slots)) if turn % 2 == 0 else range(len(slots) - 1, -1, -1)
        for number in numbers:
            column = slots[number]
            wanted = []
            for slot, offset in zip(column, offsets[number], strict=True):
                near = [middle[other] for other in (*before.get(slot, ()), *after.get(slot, ()))]
                wanted.append((sum(near) / len(near) if near else middle[slot]) - offset)
            fitted = _rising(wanted)
            middle |= {s: y + o for s, y, o in zip(column, fitted, offsets[number], strict=True)}
    return middle


def _offsets(column: Sequence[Slot], size: Mapping[Slot, float]) -> Iterator[float]:
    y = 0.0
    for number, slot in enumerate(column):
        if number:
            previous = column[number - 1]
            gap = NODE_GAP if len(slot) == len(previous) == 1 else EDGE_GAP
            y += size[previous] / 2 + gap + size[slot] / 2
        yield y


def _rising(values: Sequence[float]) -> list[float]:
    """Return the nearest sequence that never falls (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
