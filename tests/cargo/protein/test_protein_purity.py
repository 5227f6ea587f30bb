from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from vesicula.cargo.protein import ProteinGroup, ProteinTable
from vesicula.cargo.protein.lists import compare_with_list, msc_signature, packaged_lists, read_protein_list
from vesicula.cargo.protein.misev import CATEGORIES, category_of_gene, misev_markers, purity
from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.finding import Verdict


def table(rows: dict[str, list[float]], **more) -> ProteinTable:
    values = np.array(list(rows.values()))
    groups = tuple(ProteinGroup(id=g, genes=(g,)) for g in rows)
    settings = {"software": "plain matrix", "kind": "ibaq", "log2": False, **more}
    names = tuple(f"s{i}" for i in range(values.shape[1]))
    return ProteinTable(sources=(), samples=names, groups=groups, values=values, **settings)


def test_every_row_has_a_source_and_a_pattern_that_compiles() -> None:
    rows = misev_markers()
    assert {r.category for r in rows} == set(CATEGORIES)
    for row in rows:
        re.compile(row.pattern)
        assert row.source
        assert row.checked in {"yes", "memory"}
        assert (row.url_or_page != "") == (row.checked == "yes")  # what was not read claims no page


@pytest.mark.parametrize(
    ("gene", "category"),
    [("CD9", "1"), ("Cd63", "1"), ("ITGB1", "1"), ("ITGA2B", "1"), ("GNAI2", "1"), ("TSG101", "2"), ("RAB27A", "2"),
     ("ANXA11", "2"), ("ALB", "3"), ("APOB", "3"), ("RPS27A", "3"), ("RPL13A", "3"), ("H2AC18", "4"), ("CANX", "4"),
     ("HIST1H4A", "4"), ("H2AFX", "4"), ("H2AX", "4"),
     ("H3F3A", "4"), ("H1F0", "4"), ("H1FX", "4"), ("IGKV3-20", "3"), ("IGHD", "3"),
     ("COL1A1", "5"), ("MFGE8", "5"), ("IL6", "5")],
)  # fmt: skip
def test_category_of_gene(gene, category) -> None:
    marker = category_of_gene(gene)
    assert marker is not None
    assert marker.category == category


@pytest.mark.parametrize(
    "gene", ["RPS6KA1", "IL6ST", "RABGEF1", "APOBEC3A", "ALBU", "ITGB1BP1", "COLEC12", "CD99", "C3AR1"]
)
def test_genes_whose_names_only_begin_alike_are_in_no_category(gene) -> None:
    assert category_of_gene(gene) is None


def test_rule_of_three_and_shares() -> None:
    rows = {"CD9": [10, 0], "TSG101": [20, 5], "PDCD6IP": [10, 5], "ALB": [50, 85], "APOB": [10, 5]}
    (good, bad) = purity(table(rows))
    assert (good.verdict, bad.verdict) == (Verdict.MET, Verdict.NOT_MET)
    assert good.shares["3"] == pytest.approx(0.6)
    assert (good.apob_share, good.albumin_share) == (pytest.approx(0.1), pytest.approx(0.5))
    assert bad.found["1"] == ()
    assert "0 proteins of category 1 and 2 of category 2; three are asked for" in bad.statement
    assert "No publication known to us sets a limit" in good.statement


def test_albumin_on_a_list_of_contaminants_still_counts_and_trypsin_does_not() -> None:
    groups = (
        ProteinGroup(id="a", accessions=("P02769",), species=("BOVIN",), contaminant=True),
        ProteinGroup(id="b", accessions=("P00760",), species=("BOVIN",), contaminant=True),
        ProteinGroup(id="c", genes=("CD9",), species=("HUMAN",)),
        ProteinGroup(id="d", genes=("CD63",), species=("HUMAN",)),
    )
    values = np.array([[30.0], [100.0], [40.0], [30.0]])
    (sample,) = purity(
        ProteinTable(
            sources=(), software="x", kind="intensity", log2=False, samples=("s",), groups=groups, values=values
        )
    )
    assert sample.proteins == 3
    assert sample.albumin_share == pytest.approx(0.3)
    assert sample.other_species_share == pytest.approx(0.3)


def test_immunoglobulin_chains_without_a_gene_symbol_are_co_isolates() -> None:
    groups = (ProteinGroup(id="a", accessions=("P0DOX5",)), ProteinGroup(id="b", genes=("CD9",)))
    values = np.array([[3.0], [1.0]])
    (sample,) = purity(
        ProteinTable(
            sources=(), software="x", kind="psm-count", log2=False, samples=("s",), groups=groups, values=values
        )
    )
    assert sample.found["3"] == ("IGHG1",)
    assert sample.shares["3"] == pytest.approx(0.75)


def test_ratios_have_no_shares() -> None:
    (sample,) = purity(table({"CD9": [1.0], "TSG101": [2.0], "ALB": [0.5], "CD63": [1.0]}, kind="log-ratio", log2=True))
    assert sample.shares == {}
    assert sample.albumin_share is None
    assert "ratios do not tell how much" in sample.statement


def test_lists(write, shared) -> None:
    path = write([
        ["CONTENT TYPE", "GENE SYMBOL", "SPECIES", "EXPERIMENT ID"],
        ["protein", "CD9", "Homo sapiens", 1],
        ["protein", "CD9", "Homo sapiens", 2],
        ["protein", "CD9", "Homo sapiens", 2],
        ["protein", "TSG101", "Homo sapiens", 1],
        ["mRNA", "ACTB", "Homo sapiens", 1],
        ["protein", "Cd81", "Mus musculus", 1],
    ])  # fmt: skip
    proteins = read_protein_list(path)
    assert proteins.genes == {"CD9": 2, "TSG101": 1}
    overlap = compare_with_list(table({"CD9": [1.0], "ALB": [1.0]}), proteins, top=1)
    assert (overlap.groups, overlap.reported, overlap.top_found) == (2, 1, ("CD9",))
    with pytest.raises(UnreadableFile, match="proteins of Bos taurus"):
        read_protein_list(path, species="Bos taurus")
    accessions = read_protein_list(write([["Accession"], ["P60033"], ["P21926-2"]], name="v.csv"))
    by_symbol = compare_with_list(table({"CD9": [1.0], "ALB": [1.0]}), accessions)
    assert (by_symbol.groups, by_symbol.reported, by_symbol.top) == (2, 1, ())
    bovine = read_protein_list(write([["Accession"], ["P02769"]], name="b.csv"))
    with pytest.raises(AnalysisError, match="share no kind of name"):
        compare_with_list(table({"CD9": [1.0]}), bovine)
    exocarta = read_protein_list(shared("cargo/pariswu1988*/Data/exocarta.txt.gz"))
    assert set(exocarta.top(4)) == {"CD9", "PDCD6IP", "ACTB", "CD63"}
    assert exocarta.genes["CD9"] == 74


def test_packaged_lists_are_what_the_authors_tables_say(shared, milk) -> None:
    of_milk, of_breast = packaged_lists()
    with shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = [c for c in rows[0] if c.startswith("LFQ intensity ")]
    for symbol, accession in (("CD9", "P21926"), ("PDCD6IP", "Q8WUM4"), ("TSG101", "Q99816"), ("CD81", "P60033")):
        (row,) = [r for r in rows if r["Majority protein IDs"].split(";")[0] == accession]
        pairs = zip(runs[::2], runs[1::2], strict=True)
        assert of_breast.genes[symbol] == sum(float(row[a] or 0) > 0 and float(row[b] or 0) > 0 for a, b in pairs)
    for symbol in ("APOB", "ALB", "LTF"):
        counts = milk.values[[symbol in g.genes for g in milk.groups]].max(axis=0)
        assert of_milk.genes[symbol] == np.count_nonzero(counts >= 2)
    # Milk's own proteins lead, as they do in any milk; the order of most preparations first is kept by `top`.
    assert of_milk.top(3) == ("LTF", "CSN2", "CSN1S1")
    for one in (of_milk, of_breast):
        held = [one.genes[g] for g in one.top(10_000)]
        assert held == sorted(held, reverse=True)


def test_msc_signature_cites_a_source_for_each_marker() -> None:
    rows = msc_signature(table({"NT5E": [1.0], "THY1": [1.0]}))
    assert all(r.source for r in rows)
    assert {r.marker for r in rows if r.found} == {"CD73", "CD90"}
    assert {r.gene for r in rows if r.sign == "-"} >= {"PTPRC", "CD34", "CD19"}
