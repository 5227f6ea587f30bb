"""The exports hold the whole graph, and names from strangers do no harm in them."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from click.testing import CliRunner

from vesicula.cli.mechanism import mechanism
from vesicula.core.errors import DossierError
from vesicula.mechanism import export
from vesicula.mechanism.paths import paths

SPACE = {"g": "http://graphml.graphdrawing.org/xmlns"}
HOSTILE = (
    '=HYPERLINK("http://x","y")',
    "+1",
    "-2",
    "@SUM(A1)",
    '"open quote',
    "  =1",
    "a\tb\nc",
    "]]><script>alert(1)</script>&amp;",
    "nul\x00bell\x07",
    "lone \ud800 surrogate",
    "pipe|pipe",
)


def parse(text):
    return ET.fromstring(text.encode("utf-8"))  # noqa: S314 - our own output


def rows_of(text):
    lines = text.rstrip("\n").split("\n")
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def with_labels(graph, labels):
    nodes = tuple(replace(n, label=label, names=(label,)) for n, label in zip(graph.nodes, labels, strict=False))
    return replace(graph, nodes=nodes + graph.nodes[len(nodes) :])


def test_graphml_gives_the_graph_back(packaged_graph):
    root = parse(export.graphml(packaged_graph))
    names = {key.get("id"): (key.get("for"), key.get("attr.name")) for key in root.findall("g:key", SPACE)}

    def data(element, owner):
        found = {}
        for item in element.findall("g:data", SPACE):
            assert names[item.get("key")][0] == owner
            found[names[item.get("key")][1]] = item.text
        return found

    nodes = {n.get("id"): data(n, "node") for n in root.iterfind(".//g:node", SPACE)}
    assert {i: (n["kind"], n["name"]) for i, n in nodes.items()} == {
        node.node_id: (node.kind, node.label) for node in packaged_graph.nodes
    }
    edges = [(e.get("source"), e.get("target"), data(e, "edge")) for e in root.iterfind(".//g:edge", SPACE)]
    assert [(s, o, d["records"], d["pairing"], d.get("object_direction", "")) for s, o, d in edges] == [
        (e.subject, e.object, "|".join(e.records), e.pairing, e.direction) for e in packaged_graph.edges
    ]


def test_tables_refer_to_each_other_and_name_the_version(packaged_graph):
    nodes, edges = rows_of(export.nodes_tsv(packaged_graph)), rows_of(export.edges_tsv(packaged_graph))
    assert len(nodes) == len(packaged_graph.nodes)
    assert len(edges) == len(packaged_graph.edges)
    ids = {row["id"] for row in nodes}
    assert all(row["subject"] in ids and row["object"] in ids for row in edges)
    assert {row["store_version"] for row in nodes + edges} == {packaged_graph.version}
    by_name = {row["name"]: row for row in nodes}
    assert by_name["miR-21-5p"]["category"] == "biolink:MicroRNA"
    assert by_name["miR-21-5p"]["xref"] == "MIMAT0000076"
    # Only the hairpin is known, only something wider than the disease: no Biolink category.
    assert by_name["miR-21"]["category"] == "vesicula:Cargo"
    assert by_name["renal ischaemia-reperfusion injury"]["category"] == "vesicula:Condition"
    assert by_name["acute kidney injury"]["category"] == "biolink:Disease"
    levels = {row["pairing"]: row["knowledge_level"] for row in edges}
    assert levels == {"stated": "knowledge_assertion", "not stated": "not_provided"}


def test_hostile_labels_stay_in_their_cells_and_run_nowhere(packaged_graph):
    graph = with_labels(packaged_graph, HOSTILE)
    rows = rows_of(export.nodes_tsv(graph))
    assert len(rows) == len(graph.nodes)
    assert [row["name"] for row in rows[: len(HOSTILE)]] == [
        '\'=HYPERLINK("http://x","y")',
        "'+1",
        "'-2",
        "'@SUM(A1)",
        "'\"open quote",
        "'=1",
        "a b c",
        "]]><script>alert(1)</script>&amp;",
        "nul\ufffdbell\ufffd",
        "lone \ufffd surrogate",
        "pipe|pipe",
    ]
    assert rows[len(HOSTILE) - 1]["synonym"] == "pipe/pipe"
    root = parse(export.graphml(graph))
    assert root.find(".//g:script", SPACE) is None
    found = [data.text for data in root.iterfind(".//g:data[@key='node-name']", SPACE)]
    expected = [*HOSTILE[:8], "nul\ufffdbell\ufffd", "lone \ufffd surrogate", "pipe|pipe"]
    assert found[: len(HOSTILE)] == expected


def test_command_writes_what_it_shows(tmp_path):
    store = tmp_path / "evidence.sqlite"
    folder, file = tmp_path / "kgx", tmp_path / "graph.graphml"
    base = ["miR-21", "--store", str(store)]
    done = CliRunner().invoke(mechanism, [*base, "--limit", "1", "--tsv", str(folder), "--graphml", str(file)])
    assert done.exit_code == 0, done.output
    assert "1. miR-21-5p -> PTEN (down)" in done.output
    assert "The first 1 of 5 paths" in done.output
    assert "DOUBT that names miR-21: B-T1-20: " in done.output
    edges = rows_of((folder / "edges.tsv").read_text("utf-8"))
    # All paths are written, not only the one shown; the last step is shared with other cargos' claims.
    first = [e for e in edges if e["subject"].startswith("vesicula:cargo-")]
    assert {e["records"] for e in first} == {"B-T1-28", "A-T4-05", "B-X-08"}
    last = {e["records"] for e in edges if e["predicate"] == "vesicula:outcome_in"}
    assert last == {"B-T1-28", "A-T4-05", "B-T2-02|B-T2-04|B-X-08"}
    drawn = parse(file.read_text("utf-8")).findall(".//g:edge", SPACE)
    assert [e.get("id") for e in drawn] == [e["id"] for e in edges]
    as_json = CliRunner().invoke(mechanism, [*base, "--json", "--cell-source", "BM-MSC"])
    answer = json.loads(as_json.stdout)
    assert {r["record_id"] for p in answer["paths"] for r in p["records"]} == {"B-T1-28", "B-X-08"}
    assert answer["version"].startswith("2-")


def test_text_and_json_show_both_sides_of_a_conflict(graph_with):
    graph = graph_with({"record_id": "L-1", "cargo": "miR-410", "target": "PTEN", "direction": "PTEN:up"})
    found = paths(graph, molecule="miR-410")
    assert "CONFLICT of direction: miR-410, PTEN: up [L-1] against down [B-X-09]" in export.as_text(graph, found)
    (conflict,) = json.loads(export.as_json(graph, found))["contradictions"]
    assert (conflict["first"], conflict["second"]) == (["L-1"], ["B-X-09"])
    elsewhere = paths(graph, molecule="miR-22")
    assert "CONFLICT" not in export.as_text(graph, elsewhere)


def test_command_says_when_a_source_is_unknown(tmp_path):
    options = ["--cell-source", "unicorn marrow", "--store", str(tmp_path / "evidence.sqlite")]
    done = CliRunner().invoke(mechanism, options)
    assert done.exit_code == 0
    assert "0 paths." in done.output
    assert "cell source 'unicorn marrow' is not in the store" in done.output


def test_selection_holds_only_what_the_paths_use(packaged_graph):
    found = paths(packaged_graph, molecule="miR-410")
    part = export.selection(packaged_graph, found)
    assert {node.label for node in part.nodes} == {"miR-410", "PTEN", "tumour-promoting", "lung adenocarcinoma"}
    assert [record.record_id for record in part.records] == ["B-X-09"]
    assert len(part.edges) == 3


def test_unwritable_place_is_one_clear_error(packaged_graph, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DossierError, match="cannot be written"):
        export.write_tsv(packaged_graph, tmp_path / "file")
    with pytest.raises(DossierError, match="cannot be written"):
        export.write_graphml(packaged_graph, tmp_path)
