"""The picture shows what the paths say, stands in any page, and lets itself be asked."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from defusedxml.ElementTree import fromstring

from vesicula.core.errors import DossierError
from vesicula.mechanism.drawing import change_class, text_width, wrapped
from vesicula.mechanism.layout import Link, arrange
from vesicula.mechanism.paths import paths
from vesicula.mechanism.picture import MOST_NODES, MOST_PATHS, drawn_paths, picture_script, picture_svg, write_picture

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</script><script>alert(1)</script>"&<!--\x00\ud800]]>'


def parse(svg):
    return fromstring(svg.encode("utf-8"))


def data_of(root):
    return json.loads(root.find(f"{SVG}script").text)


def by_class(root, name):
    return [g for g in root.iter() if name in (g.get("class") or "").split()]


@pytest.fixture(scope="module")
def aki(packaged_graph):
    return paths(packaged_graph, condition="AKI", limit=None)


def test_all_nodes_and_edges_of_the_paths_are_there(packaged_graph, aki):
    assert 10 < len(aki) <= MOST_PATHS
    root = parse(picture_svg(packaged_graph, aki, title="AKI"))
    data = data_of(root)
    nodes = {n.node_id: n for p in aki for n in p.nodes}
    edges = {e.edge_id: e for p in aki for e in p.edges}
    parts = {g.get("data-part") for g in root.iter() if g.get("data-part")}
    assert parts == set(data["nodes"]) | set(data["edges"])
    assert sorted(n["label"] for n in data["nodes"].values()) == sorted(n.label for n in nodes.values())
    assert len(by_class(root, "mech-node")) == len(nodes)
    assert len(by_class(root, "mech-edge")) == len(edges)
    assert [p["sentence"] for p in data["paths"]] == [p.sentence for p in aki]
    for drawn, path in zip(data["paths"], aki, strict=True):
        assert [data["nodes"][n]["label"] for n in drawn["nodes"]] == [n.label for n in path.nodes]
        assert [data["edges"][e]["direction"] for e in drawn["edges"]] == [e.direction for e in path.edges]
        assert [tuple(data["edges"][e]["records"]) for e in drawn["edges"]] == [e.records for e in path.edges]


def test_it_is_an_image_with_a_name_and_a_description(packaged_graph, aki):
    root = parse(picture_svg(packaged_graph, aki, title="A < B & C"))
    names = root.get("aria-labelledby").split()
    assert root.get("role") == "img"
    assert [root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")] == names
    assert root.find(f"{SVG}title").text == "A < B & C"
    assert aki[-1].sentence in root.find(f"{SVG}desc").text
    assert f"Store version {packaged_graph.version}" in root.find(f"{SVG}desc").text


def test_looks_follow_the_claims(packaged_graph, aki):
    root = parse(picture_svg(packaged_graph, aki, title="AKI"))
    edges = {e.edge_id: e for p in aki for e in p.edges}.values()
    groups = by_class(root, "mech-edge")
    for edge, group in zip(edges, groups, strict=True):
        line = group.findall(f"{SVG}path")[1]
        assert line.get("class") == f"mech-line-{change_class(edge.direction)}"
        assert (line.get("stroke-dasharray") == "7 4") == (edge.pairing == "not stated")
    marks = {g.get("data-of") for g in by_class(root, "mech-mark")}
    assert marks == {g.get("data-part") for e, g in zip(edges, groups, strict=True) if e.doubts}
    assert marks


def test_contradicted_and_inferred_edges_stand_out(packaged_graph, aki):
    first = aki[0]
    changed = (
        replace(first.edges[0], contradicted_by=("X-1",)),
        replace(first.edges[1], origin="a table", detail="its row"),
        *first.edges[2:],
    )
    plain = parse(picture_svg(packaged_graph, [first], title="t"))
    root = parse(picture_svg(packaged_graph, [replace(first, edges=changed)], title="t"))
    assert not by_class(plain, "mech-line-clash")
    clash, inferred = by_class(root, "mech-edge")[:2]
    assert by_class(clash, "mech-line-clash")
    assert inferred.findall(f"{SVG}path")[1].get("stroke-dasharray") == "1 4"
    assert "its row" in [e["detail"] for e in data_of(root)["edges"].values()]
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert "\N{NOT EQUAL TO}" in texts
    assert "contradicted by another claim" in texts
    assert "not from claims (inferred)" in texts


def test_names_of_strangers_break_nothing(packaged_graph, aki, tmp_path):
    first = aki[0]
    hostile = replace(first.nodes[0], label=HOSTILE, names=(HOSTILE,))
    path = replace(first, nodes=(hostile, *first.nodes[1:]), sentence=HOSTILE)
    svg = picture_svg(packaged_graph, [path], title=HOSTILE)
    assert HOSTILE.encode("utf-8", "replace").decode() not in svg
    assert svg.count("</script>") == 1
    assert data_of(parse(svg))["paths"][0]["sentence"] == HOSTILE
    write_picture(packaged_graph, [path], tmp_path / "p.html", title=HOSTILE)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert "<script>alert" not in page


def test_the_same_picture_each_time(packaged_graph, aki):
    assert picture_svg(packaged_graph, aki, title="t") == picture_svg(packaged_graph, aki, title="t")


def test_too_many_paths_are_capped_and_it_says_so(packaged_graph, tmp_path):
    found = paths(packaged_graph, limit=None)
    drawn = drawn_paths(found)
    assert len(found) > MOST_PATHS
    assert 0 < len(drawn) <= MOST_PATHS
    assert drawn == found[: len(drawn)]
    assert len({n.node_id for p in drawn for n in p.nodes}) <= MOST_NODES
    write_picture(packaged_graph, found, tmp_path / "p.html", title="All")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert f"The first {len(drawn)} of {len(found)} paths" in page
    assert page.count("(not drawn)") == len(found) - len(drawn)
    assert f"All paths ({len(found)})" in page
    for left in packaged_graph.left_out:
        assert f"<li>{left.record_id}: " in page


def test_no_path_is_a_picture_that_says_so(packaged_graph):
    root = parse(picture_svg(packaged_graph, (), title="nothing"))
    assert "The store holds no path for this question." in [t.text for t in root.iter(f"{SVG}text")]


def test_a_page_is_written_whole_or_not_at_all(packaged_graph, aki, tmp_path, monkeypatch):
    with pytest.raises(DossierError, match="cannot be written"):
        write_picture(packaged_graph, aki, tmp_path / "no" / "p.html", title="t")
    target = tmp_path / "p.html"
    target.write_text("before", encoding="utf-8")

    def full(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(DossierError, match="No space left"):
        write_picture(packaged_graph, aki, target, title="t")
    assert target.read_text(encoding="utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["p.html"]


def test_nodes_do_not_overlap(packaged_graph):
    root = parse(picture_svg(packaged_graph, paths(packaged_graph, limit=None), title="t"))
    boxes = [
        tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
        for g in by_class(root, "mech-node")
        for r in g.findall(f"{SVG}rect")
    ]
    assert len(boxes) > 50
    for i, (x, y, w, h) in enumerate(boxes):
        assert not [1 for u, v, a, b in boxes[i + 1 :] if x < u + a and u < x + w and y < v + b and v < y + h]


def test_crossings_that_can_be_avoided_are():
    links = [Link(key=a + b, start=a, end=b) for a, b in (("a", "z"), ("b", "y"), ("c", "x"))]
    layout = arrange([["a", "b", "c"], ["x", "y", "z"]], links, dict.fromkeys("abcxyz", 20.0))
    assert layout.crossings == 0
    assert all(layout.middle[link.start] == pytest.approx(layout.middle[link.end]) for link in links)
    square = [Link(key=a + b, start=a, end=b) for a in "ab" for b in "xy"]
    assert arrange([["a", "b"], ["x", "y"]], square, dict.fromkeys("abxy", 20.0)).crossings == 1


def test_long_names_are_wrapped_to_two_lines():
    lines = wrapped("renal ischaemia-reperfusion injury after transplantation of a kidney", 140, 13)
    assert len(lines) == 2
    assert lines[1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert all(text_width(line, 13) <= 140 for line in lines)
    assert [change_class(c) for c in ("", "up", "inhibit", "up/down", "phosphorylated")] == [
        "none",
        "up",
        "down",
        "other",
        "other",
    ]


@pytest.fixture
def open_page(browser, packaged_graph, aki, tmp_path):
    write_picture(packaged_graph, aki, tmp_path / "p.html", title="AKI")
    pages, complaints = [], []

    def visit(width=1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        pages.append(page)
        page.on("console", lambda m: complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto((tmp_path / "p.html").as_uri())
        return page

    yield visit
    for page in pages:
        page.close()
    assert complaints == []


@pytest.mark.browser
@pytest.mark.slow
def test_pointing_dims_the_others_and_picking_shows_the_rows(open_page, packaged_graph, aki):
    page = open_page()
    data = json.loads(page.locator("script.mech-data").text_content())
    key = next(k for k, n in data["nodes"].items() if n["label"] == "CCR2")
    through = [p for p in data["paths"] if key in p["nodes"]]
    on = {x for p in through for x in (*p["nodes"], *p["edges"])}
    page.locator(f"[data-part={key}]").hover()
    page.wait_for_timeout(300)
    opacity = "es => es.map(e => [e.dataset.part, getComputedStyle(e).opacity])"
    seen = dict(page.eval_on_selector_all("[data-part]", opacity))
    assert {k for k, o in seen.items() if o == "1"} == on
    assert len(on) < len(seen)
    assert not page.locator(".mech-panel").is_visible()

    page.locator(f"[data-part={key}]").click()
    record = next(p.records[0] for p in aki if p.nodes[0].label == "CCR2")
    text = page.locator(".mech-panel").inner_text()
    assert record.record_id in text
    assert record.study_type in text
    assert all(r.citation.split(",")[0] in text for r in record.references)
    page.locator(".mech-panel li button").first.click()
    assert "Reported change of" in page.locator(".mech-panel").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator(".mech-panel").is_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_keys_walk_the_picture_and_doubts_are_shown(open_page):
    page = open_page()
    data = json.loads(page.locator("script.mech-data").text_content())
    doubted = next(k for k, e in data["edges"].items() if any(data["records"][r]["doubts"] for r in e["records"]))
    edge = data["edges"][doubted]
    page.locator(f"[data-part={edge['subject']}]").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.part") in {
        e["object"] for e in data["edges"].values() if e["subject"] == edge["subject"]
    }
    page.keyboard.press("Enter")
    assert page.locator(".mech-panel").is_visible()
    page.locator(f"[data-part={doubted}] .mech-hit").dispatch_event("click", {"bubbles": True})
    doubt = next(d for r in edge["records"] for d in data["records"][r]["doubts"])
    assert doubt in page.locator(".mech-panel .mech-doubt").all_inner_texts()[0]
    assert re.search(r"\d+ claims?\.", page.locator(".mech-panel").inner_text())


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_overflows(open_page, width):
    page = open_page(width)
    page.locator(".mech-node").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".mech-box")
    scrolls = box.evaluate("b => b.scrollWidth > b.clientWidth + 1")
    assert scrolls == (width == 390)
    below = page.locator(".mech-panel").bounding_box()
    assert below["y"] >= box.bounding_box()["y"] + box.bounding_box()["height"] - 1
    assert below["width"] <= width


def test_the_script_asks_for_nothing():
    script = picture_script()
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|innerHTML|eval\(", script)
