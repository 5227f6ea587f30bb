"""What tables add stands apart from the claims, names its origin, and changes nothing that the claims state."""

from __future__ import annotations

import csv
import gzip
import json
from importlib.resources import files

import pytest
from click.testing import CliRunner

from vesicula.cli.mechanism import mechanism
from vesicula.mechanism import export
from vesicula.mechanism.extend import MAX_SET, MOST_SETS, extend, genes_of
from vesicula.mechanism.model import CLAIMS, NOT_STATED, quality
from vesicula.mechanism.paths import paths
from vesicula.mechanism.tables import GeneSet, is_process, kind_of, load_tables
from vesicula.mechanism.targets import TargetRow, Targets

PTEN, PDCD4, TP53 = "HGNC:9588", "HGNC:8763", "HGNC:11998"


def gene_set(set_id, *genes, name="a process", origin="go-bp-2021", others=0):
    return GeneSet(set_id=set_id, origin=origin, name=name, genes=frozenset(genes), others=others)


def table(*rows):
    made = [
        TargetRow(
            line=number,
            mirna=mirna,
            target=target,
            support=support,
            experiments="Luciferase reporter assay//Western blot",
            pmids=(str(1000 + number),),
            origin="mirtarbase",
        )
        for number, (mirna, target, support) in enumerate(rows, start=2)
    ]
    return Targets(path="t.csv", rows=tuple(made), other_species=0)


def labels_of(graph):
    return {node.node_id: node.label for node in graph.nodes}


def steps(graph, kind):
    """Return what the additions of a kind say, as record, subject, object, origin."""
    labels, edges = labels_of(graph), {edge.edge_id: edge for edge in graph.edges}
    return {
        (a.record_id, labels[edges[e].subject], labels[edges[e].object], edges[e].origin)
        for a in graph.additions
        if a.kind == kind
        for e in a.edge_ids
    }


def test_packaged_tables_hold_the_three_sources_and_no_kegg():
    tables = load_tables()
    counts = {origin: sum(t.origin == origin for t in tables) for origin in {t.origin for t in tables}}
    assert counts == {"reactome": 2546, "go-bp-2021": 6036, "hallmark-7.0": 50}
    by_id = {t.set_id: t for t in tables}
    assert len(by_id) == len(tables)
    # As Reactome's file lists them: 2-LTR circle formation has 7 human genes and 6 of the virus.
    circle = by_id["R-HSA-164843"]
    assert (circle.name, len(circle.genes), circle.others, circle.size) == ("2-LTR circle formation", 7, 6, 13)
    assert {"HGNC:6018", "HGNC:6019", "HGNC:11364"} <= by_id["R-HSA-1059683"].genes
    folder = files("vesicula.data") / "mechanism"
    rows = list(csv.DictReader((folder / "PROVENANCE.tsv").read_text("utf-8").splitlines(), delimiter="\t"))
    assert {row["origin"]: row["licence"] for row in rows} == {
        "reactome": "CC0 1.0",
        "go-bp-2021": "CC BY 4.0",
        "hallmark-7.0": "CC BY 4.0",
    }
    packed = (folder / "gene_sets.tsv.gz").read_bytes()
    assert len(packed) < 2_500_000
    assert b"KEGG" not in gzip.decompress(packed)
    # No time and no file name in the header: the same tables are the same bytes.
    assert packed[3:8] == bytes(5)


@pytest.mark.parametrize(
    ("identifiers", "label", "expected"),
    [
        (("GO:0006915",), "apoptotic process", True),
        (("GO:0060070",), "canonical Wnt signaling pathway", False),
        (("GO:0070371",), "ERK1 and ERK2 cascade", False),
        (("GO:0007249", "HGNC:8763"), "canonical NF-kappaB signal transduction; PDCD4", False),
        (("GO:0006915", "HGNC:8763"), "apoptotic process; PDCD4", False),
        (("FPLX:AKT",), "AKT", False),
        ((), "", False),
    ],
)
def test_process_is_what_go_says_happens_and_no_signalling(identifiers, label, expected):
    assert is_process(identifiers, label) is expected


def test_kind_of_a_set():
    assert kind_of(gene_set("R-HSA-109581", name="Apoptosis", origin="reactome")) == "pathway"
    assert kind_of(gene_set("GO:0006915", name="apoptotic process")) == "process"
    assert kind_of(gene_set("HALLMARK_X", name="notch signaling", origin="hallmark-7.0")) == "pathway"


def test_pathway_and_process_of_one_column_are_two_layers_without_a_stated_pairing(graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-9001", "target": "PTEN", "pathway": "PI3K/AKT;apoptosis"}
    )
    (path,) = paths(graph, molecule="miR-9001")
    assert [node.kind for node in path.nodes] == ["cargo", "target", "pathway", "process", "outcome", "condition"]
    assert [edge.pairing for edge in path.edges].count(NOT_STATED) == 1
    assert path.edges[2].pairing == NOT_STATED


def test_extending_leaves_the_claims_and_their_order_as_they_are(packaged_graph):
    wider = extend(packaged_graph, load_tables())
    assert wider.edges[: len(packaged_graph.edges)] == packaged_graph.edges
    assert wider.nodes[: len(packaged_graph.nodes)] == packaged_graph.nodes
    assert wider.records == packaged_graph.records
    assert all(e.origin != CLAIMS and not e.records for e in wider.edges[len(packaged_graph.edges) :])
    before, after = paths(packaged_graph, limit=None), paths(wider, limit=None)
    assert [p.sentence for p in after if not p.inferred] == [p.sentence for p in before]
    flags = [p.inferred for p in after]
    assert flags == sorted(flags)
    assert sum(flags) > 100
    ids = [e.edge_id for e in wider.edges]
    assert len(set(ids)) == len(ids)
    known = {n.node_id for n in wider.nodes}
    assert all(e.subject in known and e.object in known for e in wider.edges)


def test_stated_pathway_is_corroborated_by_membership(packaged_graph):
    wider = extend(packaged_graph, load_tables())
    found = steps(wider, "corroborated")
    assert ("B-T1-21", "CX3CL1", "inflammation", "go-bp-2021") in found
    assert ("B-T1-06", "BAK1", "apoptosis", "reactome") in found
    # CX3CL1 is in none of the sets for apoptosis.
    assert not any(record == "B-T1-21" and to == "apoptosis" for record, _, to, _ in found)
    path = next(
        p for p in paths(wider, molecule="CX3CL1", limit=None)
        if "inflammation" in [n.label for n in p.nodes] and not p.inferred
    )
    (edge,) = path.tables
    assert quality(edge) == (
        "go-bp-2021: member of GO:0006954 inflammatory response, 230 genes; annotated membership, "
        "kind of evidence not given, no direction"
    )
    assert "TABLE AGREES: CX3CL1 -> inflammation: go-bp-2021: member of GO:0006954" in export.as_text(wider, [path])


def test_inferred_sets_hold_two_molecules_of_the_claim_smallest_first(packaged_graph):
    tables = (
        gene_set("GO:9000001", PTEN, PDCD4, name="small"),
        gene_set("GO:9000002", PTEN, PDCD4, "HGNC:5", name="around the small one"),
        gene_set("GO:9000003", PTEN, "HGNC:5", name="one molecule only"),
        gene_set("GO:9000004", PTEN, PDCD4, name="too large", others=MAX_SET - 1),
    )
    wider = extend(packaged_graph, tables)
    found = {step for step in steps(wider, "inferred") if step[0] == "B-T1-28"}
    assert found == {
        ("B-T1-28", "PTEN", "small", "go-bp-2021"),
        ("B-T1-28", "PDCD4", "small", "go-bp-2021"),
    }
    sentences = [p.sentence for p in paths(wider, molecule="miR-21-5p", limit=None) if p.inferred]
    assert sentences[0] == (
        "inferred: miR-21-5p -> PTEN (down) -> small (go-bp-2021: member of GO:9000001, 2 genes; annotated "
        "membership, kind of evidence not given, no direction); also in it: PDCD4 "
        "[from B-T1-28, in vivo, which says beneficial in lung ischaemia-reperfusion injury]"
    )
    assert len(sentences) == 2


def test_no_claim_gets_more_than_its_share_of_inferred_sets(packaged_graph):
    wider = extend(packaged_graph, load_tables())
    origin = {edge.edge_id: edge.origin for edge in wider.edges}
    counts = {}
    for addition in wider.additions:
        if addition.kind == "inferred":
            key = (addition.record_id, origin[addition.edge_ids[0]])
            counts[key] = counts.get(key, 0) + 1
    assert max(counts.values()) == MOST_SETS


def test_inferred_paths_obey_what_is_asked(packaged_graph):
    wider = extend(packaged_graph, load_tables())
    assert not any(p.inferred for p in paths(wider, molecule="miR-410", limit=None))
    asked = paths(wider, condition="renal ischaemia-reperfusion injury", limit=None)
    inferred = {r.record_id for p in asked if p.inferred for r in p.records}
    assert inferred <= {"A-T3-03", "A-T4-03", "B-T1-20", "B-T1-21"}
    assert "A-T4-03" in inferred
    only = paths(wider, records={"B-T1-28"}, limit=None)
    assert {r.record_id for p in only for r in p.records} == {"B-T1-28"}
    assert len(paths(wider, records={"B-T1-28"}, limit=3)) == 3


def test_a_family_says_which_member_is_meant_and_a_messenger_is_no_protein(packaged_graph):
    nodes = {(n.kind, n.label): n for n in packaged_graph.nodes}
    assert len(genes_of(nodes["cargo", "VEGF"])) == 5
    assert genes_of(nodes["cargo", "HGF mRNA"]) == ()
    assert genes_of(nodes["cargo", "siRNA Shn3"]) == ()
    assert genes_of(nodes["target", "cytokines"]) == ()
    assert genes_of(nodes["target", "Bax"]) == ("HGNC:959",)
    wider = extend(packaged_graph, load_tables())
    details = [e.detail for e in wider.edges if e.subject == nodes["cargo", "VEGF"].node_id and e.detail]
    assert details
    members = ("VEGFA", "VEGFB", "VEGFC", "VEGFD", "PGF")
    said = [detail.partition("VEGF is a family or has several parts, of which ")[2] for detail in details]
    assert all(text.startswith(members) for text in said)


def test_target_table_tells_the_pairs_that_claims_leave_open(packaged_graph):
    # B-T1-02 lists miR-221 and miR-19a, PUMA and PTEN.
    targets = table(
        ("hsa-miR-221-3p", "BBC3", "Functional MTI"),
        ("hsa-miR-221-3p", "BBC3", "Functional MTI (Weak)"),
        ("hsa-miR-19a-3p", "PTEN", "Functional MTI (Weak)"),
        ("hsa-miR-19a-3p", "BBC3", "Non-Functional MTI"),
        ("hsa-miR-9999-3p", "PTEN", "Functional MTI"),
    )
    wider = extend(packaged_graph, (), targets)
    assert steps(wider, "corroborated") == {
        ("B-T1-02", "miR-221", "PUMA", "mirtarbase"),
        ("B-T1-02", "miR-19a", "PTEN", "mirtarbase"),
    }
    assert steps(wider, "disputed") == {("B-T1-02", "miR-19a", "PUMA", "mirtarbase")}
    # Another claim names miR-221 and no target at all.
    assert steps(wider, "inferred") == {("B-T2-09", "miR-221", "PUMA", "mirtarbase")}
    (edge,) = [e for e in wider.edges if labels_of(wider)[e.subject] == "miR-221" and e.origin == "mirtarbase"]
    assert quality(edge) == (
        "mirtarbase: hsa-miR-221-3p on BBC3; Functional MTI: 1 row; Functional MTI (Weak): 1 row; "
        "by Luciferase reporter assay, Western blot; the claim names no arm; 2 publications"
    )
    assert [r.pmid for r in edge.references] == ["1002", "1003"]
    text = export.as_text(wider, paths(wider, molecule="miR-19a", limit=None))
    assert "TABLE DISPUTES: miR-19a -> PUMA: mirtarbase: " in text
    assert "TABLE AGREES: miR-19a -> PTEN: mirtarbase: " in text


def test_arms_are_kept_apart_and_what_no_claim_pairs_is_inferred(packaged_graph):
    targets = table(
        ("hsa-miR-21-3p", "PTEN", "Functional MTI"),
        ("hsa-miR-21-5p", "TP53", "Functional MTI (Weak)"),
        ("hsa-miR-21-5p", "RUNX2", "Non-Functional MTI"),
        ("hsa-miR-222-3p", "NOSUCHGENE", "Functional MTI"),
    )
    wider = extend(packaged_graph, (), targets)
    added = {(labels_of(wider)[e.subject], labels_of(wider)[e.object]) for e in wider.edges if e.origin != CLAIMS}
    # The claim about miR-21 names no arm; that about miR-21-5p does, and says nothing of the other.
    assert added == {("miR-21", "PTEN"), ("miR-21", "p53"), ("miR-21-5p", "p53")}
    sentences = [p.sentence for p in paths(wider, molecule="miR-21-5p", limit=None) if p.inferred]
    # Asked for one arm, rows that print none are shown too, and each says on which arm its table row is.
    assert {s.partition(";")[0] for s in sentences} == {
        "inferred: miR-21-5p -> p53 (mirtarbase: hsa-miR-21-5p on TP53",
        "inferred: miR-21 -> p53 (mirtarbase: hsa-miR-21-5p on TP53",
        "inferred: miR-21 -> PTEN (mirtarbase: hsa-miR-21-3p on PTEN",
    }


def test_exports_carry_origin_and_quality(packaged_graph):
    wider = extend(packaged_graph, load_tables())
    found = paths(wider, molecule="CX3CL1", limit=None)
    part = export.selection(wider, found)
    lines = export.edges_tsv(part).rstrip("\n").split("\n")
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    (agreed,) = [r for r in rows if r["origin"] == "go-bp-2021" and "GO:0006954" in r["detail"]]
    assert (agreed["predicate"], agreed["records"], agreed["agent_type"]) == ("vesicula:member_of", "", "not_provided")
    (stated,) = [r for r in rows if r["predicate"] == "vesicula:outcome_in"]
    assert stated["records"] == "A-T3-03|A-T4-03|B-T1-20|B-T1-21"
    assert stated["quality"] == "4 claims; 4 publications; in vivo and in vivo+in vitro; 2 doubts"
    assert 'attr.name="quality"' in export.graphml(part)
    answer = json.loads(export.as_json(wider, found))
    assert all(edge["quality"] for path in answer["paths"] for edge in path["edges"] + path["tables"])
    assert any(path["tables"] for path in answer["paths"])


def test_quality_counts_publications_not_rows(packaged_graph, graph_with):
    graph = graph_with(
        {"record_id": "L-1", "cargo": "miR-9001", "target": "PTEN", "reference_numbers": "doi:10.1234/x"},
        {
            "record_id": "L-2",
            "cargo": "miR-9001",
            "target": "PTEN",
            "study_type": "in vitro",
            "reference_numbers": "doi:10.1234/x",
            "doubts": "no control",
        },
    )
    (path,) = paths(graph, molecule="miR-9001")
    assert quality(path.edges[0]) == "2 claims; 1 publication; in vivo and in vitro; 1 doubt"


def test_command_lists_inferred_apart_and_can_leave_them_out(tmp_path):
    store = ["--store", str(tmp_path / "evidence.sqlite")]
    shown = CliRunner().invoke(mechanism, ["miR-21-5p", *store])
    assert shown.exit_code == 0, shown.output
    stated, _, inferred = shown.output.partition("Inferred from tables; no claim states these:")
    assert "inferred:" not in stated
    assert inferred.count("inferred: miR-21-5p -> ") == 6
    assert "5 paths and 6 inferred." in inferred
    bare = CliRunner().invoke(mechanism, ["miR-21-5p", *store, "--no-tables"])
    assert "nferred" not in bare.output
    assert "5 paths. Store version" in bare.output
    held = tmp_path / "held.tsv"
    held.write_text("mirna\ttarget\tsupport\tpmid\tsource\nhsa-miR-21-5p\tPTEN\tstrong\t17681183\tours\n", "utf-8")
    with_targets = CliRunner().invoke(mechanism, ["miR-21-5p", *store, "--no-tables", "--targets", str(held)])
    assert "TABLE AGREES: miR-21-5p -> PTEN: ours: hsa-miR-21-5p on PTEN; strong: 1 row" in with_targets.output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["miR-21x"], "molecule 'miR-21x' is not in the store; nearest: "),
        (["--condition", "breast cancr"], "condition 'breast cancr' is not in the store; nearest: breast cancer"),
    ],
)
def test_command_says_the_nearest_names(tmp_path, options, expected):
    done = CliRunner().invoke(mechanism, [*options, "--store", str(tmp_path / "evidence.sqlite")])
    assert done.exit_code == 0
    assert "0 paths." in done.output
    assert expected in done.output


def test_contradictory_claims_show_as_such_in_text_tables_and_graphml(graph_with):
    pair = {"cargo": "miR-9001", "target": "PTEN"}
    graph = graph_with(
        {"record_id": "L-1", **pair, "direction": "PTEN:up"},
        {"record_id": "L-2", **pair, "direction": "PTEN:down", "effect_class": "harmful"},
    )
    graph = extend(graph, load_tables())
    found = paths(graph, molecule="miR-9001", limit=None)
    text = export.as_text(graph, found)
    assert "CONTRADICTED BY L-2" in text
    assert "CONTRADICTED BY L-1" in text
    assert "CONFLICT of direction: miR-9001, PTEN: up [L-1] against down [L-2]" in text
    assert "CONFLICT of outcome: miR-9001, osteoarthritis: beneficial [L-1] against harmful [L-2]" in text
    part = export.selection(graph, found)
    lines = export.edges_tsv(part).rstrip("\n").split("\n")
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    flagged = {r["records"]: r["contradicted_by"] for r in rows if r["object_direction"] in {"up", "down"}}
    assert flagged == {"L-1": "L-2", "L-2": "L-1"}
    assert "contradicted by 1 claim" in next(r["quality"] for r in rows if r["records"] == "L-1")
    drawn = export.graphml(part)
    assert '<data key="edge-contradicted_by">L-1</data>' in drawn
    assert '<data key="edge-contradicted_by">L-2</data>' in drawn
