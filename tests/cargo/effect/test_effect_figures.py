"""The figures: each item once, like pathways in one colour, well-formed SVG."""

# ruff: noqa: S314 - the text parsed is our own

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from vesicula.figures.cargo import activity_heat_map, clusters, intersections, pathway_network, upset


def test_each_item_is_counted_once() -> None:
    groups = {"a": frozenset("xyz"), "b": frozenset("yzw"), "c": frozenset("z")}
    assert intersections(groups) == [(("a",), 1), (("b",), 1), (("a", "b"), 1), (("a", "b", "c"), 1)]
    assert sum(n for _, n in intersections(groups)) == 4


def test_upset_draws_a_bar_for_each_intersection() -> None:
    groups = {"a & <b>": frozenset("xyz"), "c": frozenset("yw")}
    drawn = upset(groups, what="miRNAs")
    tree = ET.fromstring(drawn.svg)
    ns = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f"{ns}rect")) == 3 + 2
    assert len(tree.findall(f"{ns}circle")) == 3 * 2
    assert "a & <b>" in [t.text for t in tree.iter(f"{ns}text")]


def test_like_pathways_share_a_colour() -> None:
    assert clusters([frozenset("abcd"), frozenset("xy"), frozenset("cdef"), frozenset("q")]) == [0, 1, 0, 2]
    drawn = pathway_network([("one", "abcd", 0.01), ("two", "xy", 0.02), ("three", "cdef", 0.03)], what="higher")
    tree = ET.fromstring(drawn.svg)
    fills = [r.get("fill") for r in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(fills) == 3
    assert len(set(fills)) == 2
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) == 8


def test_network_of_many_says_what_is_left_out() -> None:
    sets = [(f"set {k}", [f"g{k}-{i}" for i in range(9)], 0.01) for k in range(20)]
    drawn = pathway_network(sets, what="higher")
    assert "6 further pathways are not drawn" in drawn.caption
    assert "Of 126 molecules the 24" in drawn.caption


def test_heat_map_marks_and_gaps() -> None:
    scores = np.array([[3.0, -3.0], [np.nan, 0.5]])
    drawn = activity_heat_map(scores, ["s", "t"], ["a", "b"], scores > 2, relative=True)
    tree = ET.fromstring(drawn.svg)
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}rect"))) == 3 + 5
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) == 1
    assert drawn.spec["data"][0]["z"][1][0] is None
