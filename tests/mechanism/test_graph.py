"""The graph says what the claims say, with their rows, doubts and conflicts."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from vesicula.mechanism.graph import MOST_CHAINS
from vesicula.mechanism.model import NOT_STATED, STATED
from vesicula.mechanism.paths import doubted, matching, paths


def records_of(found):
    return {record.record_id for path in found for record in path.records}


def edge_between(graph, subject, object_):
    labels = {node.node_id: node.label for node in graph.nodes}
    (edge,) = [e for e in graph.edges if (labels[e.subject], labels[e.object]) == (subject, object_)]
    return edge


def test_every_claim_is_in_the_graph_or_listed_as_left_out(packaged_graph):
    text = (files("vesicula.data.evidence") / "studies.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    without = {r["record_id"] for r in rows if not (r["cargo"] or r["target"] or r["pathway"])}
    assert {left.record_id for left in packaged_graph.left_out} == without
    assert len(without) == 17
    assert {r.record_id for r in packaged_graph.records} == {r["record_id"] for r in rows} - without


@pytest.mark.parametrize(
    ("molecule", "expected"),
    [
        ("miR-21", {"B-T1-28", "A-T4-05", "B-X-08"}),
        # Most sources print no arm: rows of miR-21 may be about miR-21-5p, those of miR-21-3p are not.
        ("miR-21-5p", {"B-T1-28", "A-T4-05", "B-X-08"}),
        ("miR-21-3p", {"A-T4-05", "B-X-08"}),
        ("miR-222", {"B-T2-02", "B-T2-09", "B-T2-21", "B-X-13"}),
        ("microRNA-222", {"B-T2-02", "B-T2-09", "B-X-13"}),
        ("PTEN", {"B-T1-02", "B-T1-28", "B-X-09"}),
        ("HGNC:9588", {"B-T1-02", "B-T1-28", "B-X-09"}),
    ],
)
def test_paths_over_a_molecule_are_those_of_its_rows(packaged_graph, molecule, expected):
    assert records_of(paths(packaged_graph, molecule=molecule, limit=None)) == expected


def test_paths_to_a_condition_are_those_of_its_rows(packaged_graph):
    found = paths(packaged_graph, condition="renal ischaemia-reperfusion injury", limit=None)
    assert records_of(found) == {"A-T3-03", "A-T4-03", "B-T1-20", "B-T1-21"}
    assert records_of(paths(packaged_graph, molecule="miR-22", condition="breast cancer")) == set()
    # The American spelling means the same.
    assert records_of(paths(packaged_graph, condition="renal ischemia", limit=None)) == records_of(found)


def test_sentence_shows_direction_pairing_rows_and_doubt(packaged_graph):
    found = paths(packaged_graph, molecule="miR-22", limit=None)
    # Four targets, two pathways.
    assert len(found) == 8
    sentences = [path.sentence for path in found]
    assert (
        "miR-22 -> PDCD4 (down) -> PDCD4/NF-kB (pairing not stated) -> beneficial (kidney protected, epithelial damage "
        "less, dendritic maturation inhibited, pairing not stated) -> renal ischaemia-reperfusion injury "
        "[B-T1-20, in vivo, doubt: reference 106 is about miR-21, table and text say miR-22: conflict]"
    ) in sentences
    # NF-kB is printed as a target, NFKB as what goes down; mTOR and HIF have no direction.
    assert sum("NF-kB (down)" in sentence for sentence in sentences) == 2
    assert sum("-> mTOR -> " in sentence for sentence in sentences) == 2


def test_sentence_prints_names_as_its_rows_do(packaged_graph):
    (node,) = [n for n in packaged_graph.nodes if n.kind == "condition" and "infarcted heart" in n.names]
    assert node.names == ("myocardial infarction", "infarcted heart")
    (path,) = paths(packaged_graph, condition="myocardial infarction", records={"B-X-17"})
    assert path.sentence == "PDGF-D -> beneficial (recovery supported) -> infarcted heart [B-X-17, in vivo]"


def test_doubt_that_names_another_molecule_is_found(packaged_graph):
    doubts = [doubt for record in packaged_graph.records for doubt in record.doubts]
    assert [doubt.row for doubt in doubted(doubts, "miR-21")] == ["B-T1-20"]


def test_edge_carries_rows_study_types_and_references(packaged_graph):
    edge = edge_between(packaged_graph, "miR-21-5p", "PDCD4")
    assert (edge.direction, edge.pairing, edge.records) == ("down", STATED, ("B-T1-28",))
    assert edge.study_types == ("in vivo",)
    assert [reference.number for reference in edge.references] == ["114"]
    assert edge.origin == "claims"
    doubtful = edge_between(packaged_graph, "miR-22", "PDCD4")
    assert [doubt.row for doubt in doubtful.doubts] == ["B-T1-20"]


def test_claims_that_do_not_pair_are_marked_and_ranked_below(packaged_graph):
    # Two cargos, two targets.
    assert edge_between(packaged_graph, "miR-221", "PTEN").pairing == NOT_STATED
    assert edge_between(packaged_graph, "miR-410", "PTEN").pairing == STATED
    found = paths(packaged_graph, molecule="PTEN", limit=None)
    assert [path.records[0].record_id for path in found] == ["B-X-09", "B-T1-28", *["B-T1-02"] * 4]
    assert [path.not_stated for path in found] == [0, 1, 3, 3, 3, 3]


def test_order_more_rows_then_animals_then_fewer_doubts(graph_with):
    def claim(number, cargo, **more):
        return {"record_id": f"L-{number}", "cargo": cargo, "target": "PTEN", "direction": "PTEN:down", **more}

    graph = graph_with(
        claim(1, "miR-9001", study_type="in vitro"),
        claim(2, "miR-9002", study_type="in vivo", doubts="dose not given"),
        claim(3, "miR-9003", study_type="in vitro"),
        claim(4, "miR-9003", study_type="in vitro"),
        claim(5, "miR-9004;miR-9005", study_type="clinical"),
        claim(6, "miR-9006", study_type="in vivo+in vitro"),
    )
    found = paths(graph, condition="osteoarthritis", limit=None)
    own = [path for path in found if path.records[0].source == "lab-test"]
    expected = ["miR-9003", "miR-9006", "miR-9002", "miR-9001", "miR-9004", "miR-9005"]
    assert [path.nodes[0].label for path in own] == expected
    assert own[2].sentence.endswith("[L-2, in vivo, doubt: dose not given]")
    assert [record.record_id for record in own[0].records] == ["L-3", "L-4"]


def test_inhibitors_and_messengers_are_not_the_molecule_itself(packaged_graph):
    cargos = {n.label: n.node_id for n in packaged_graph.nodes if n.kind == "cargo"}
    assert len({cargos["antagomiR-222/223"], cargos["miR-222"], cargos["miR-223"]}) == 3
    assert cargos["HGF mRNA"] != cargos["HGF"]
    ids = {node.node_id for node in packaged_graph.nodes}
    assert len(ids) == len(packaged_graph.nodes)
    assert "vesicula:cargo-HGNC%3A13561" not in ids


def test_packaged_sides_on_mir_222_in_breast_cancer_do_not_conflict(packaged_graph):
    # The miRNA promotes, its inhibitor inhibits: both say the same.
    for path in paths(packaged_graph, molecule="miR-222", condition="breast cancer"):
        assert path.contradicted_by == ()


def test_opposite_directions_of_one_pair_contradict(graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-410", "target": "PTEN", "direction": "PTEN:up"},
        {"record_id": "L-2", "cargo": "miR-410", "target": "PTEN"},
    )
    found = {p.records[0].record_id: p for p in paths(graph, molecule="miR-410", limit=None)}
    assert found["L-1"].contradicted_by == ("B-X-09",)
    assert found["B-X-09"].contradicted_by == ("L-1",)
    assert found["L-2"].contradicted_by == ()
    assert found["B-X-09"].sentence.endswith("CONTRADICTED BY L-1")
    (contradiction,) = graph.contradictions
    assert contradiction.kind == "direction"
    assert {contradiction.first_says, contradiction.second_says} == {("up",), ("down",)}
    flags = {e.records: e.contradicted_by for e in graph.edges if e.contradicted_by}
    assert flags == {("L-1",): ("B-X-09",), ("B-X-09",): ("L-1",)}


def test_cargo_that_is_lowered_acts_the_other_way(graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-410", "target": "PTEN", "direction": "miR-410:down;PTEN:up"},
        {"record_id": "L-2", "cargo": "miR-410", "target": "PTEN", "direction": "miR-410:down;PTEN:down"},
    )
    found = {p.records[0].record_id: p for p in paths(graph, molecule="miR-410", limit=None)}
    assert found["L-1"].contradicted_by == ("L-2",)
    assert found["B-X-09"].contradicted_by == ("L-2",)
    assert set(found["L-2"].contradicted_by) == {"L-1", "B-X-09"}


def test_opposite_outcomes_of_one_cargo_in_one_condition_contradict(graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-9001", "target": "PTEN"},
        {"record_id": "L-2", "cargo": "miR-9001;miR-9002", "effect_class": "harmful", "effect": "cartilage lost"},
        {"record_id": "L-3", "cargo": "miR-9001", "effect_class": "no effect", "effect": "none seen"},
        {"record_id": "L-4", "cargo": "miR-9001", "condition": "stroke", "effect_class": "harmful", "effect": "worse"},
    )
    found = {(p.nodes[0].label, p.records[0].record_id): p.contradicted_by for p in paths(graph, limit=None)}
    assert found["miR-9001", "L-1"] == ("L-2",)
    assert found["miR-9001", "L-2"] == ("L-1",)
    # The other cargo of that claim has no conflict of its own, nor has an outcome on no side, nor another condition.
    assert found["miR-9002", "L-2"] == ()
    assert found["miR-9001", "L-3"] == ()
    assert found["miR-9001", "L-4"] == ()
    labels = {node.node_id: node.label for node in graph.nodes}
    flags = {(labels[e.subject], labels[e.object]): e.contradicted_by for e in graph.edges if e.contradicted_by}
    assert flags == {("PTEN", "beneficial"): ("L-2",), ("miR-9001", "harmful"): ("L-1",)}


def test_names_that_differ_in_a_sign_stay_apart(graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-9001", "target": "CD4+ cells"},
        {"record_id": "L-2", "cargo": "miR-9001", "target": "CD4- cells"},
    )
    assert [node.label for node in matching(graph, "CD4 cells", ("target",))] == ["CD4+ cells", "CD4- cells"]


def test_claim_with_too_many_combinations_is_listed_not_expanded(graph_with):
    many = ";".join(f"T{number}" for number in range(80))
    graph = graph_with({"record_id": "L-1", "cargo": "miR-9001", "target": many, "pathway": many})
    (left,) = [left for left in graph.left_out if left.record_id == "L-1"]
    assert left.reason.startswith("the claim lists 6400 combinations")
    assert MOST_CHAINS < 6400
