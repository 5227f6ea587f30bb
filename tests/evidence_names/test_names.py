"""Known answers by hand, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vesicula.core.errors import AnalysisError
from vesicula.evidence.names import KINDS, is_a, is_mirna_name, label_of, name_key, resolve, resolve_molecule

# Accessions read in miRBase 22, identifiers in the ontologies' files; see PROVENANCE.tsv.
KNOWN = [
    ("mirna", "miR-21-5p", "normalised", "MIMAT0000076"),
    ("mirna", "hsa-miR-21-5p", "exact", "MIMAT0000076"),
    ("mirna", "hsa-mir-21", "exact", "MI0000077"),
    ("mirna", "miR-21", "broader", "MI0000077"),
    ("mirna", "MIR21", "broader", "MI0000077"),
    ("mirna", "microRNA-222", "broader", "MI0000299"),
    ("mirna", "miRNA-124a", "broader", "MI0000443 MI0000444 MI0000445"),
    ("mirna", "let-7c", "broader", "MI0000064"),
    ("mirna", "miR-16", "broader", "MI0000070 MI0000115"),
    ("mirna", "miR-9*", "synonym", "MIMAT0000442"),
    ("mirna", "mmu-miR-21a-5p", "exact", "MIMAT0000530"),
    ("mirna", "miR-15", "ambiguous", "MI0000069 MI0000438"),
    ("mirna", "antagomiR-222/223", "broader", "MI0000299 MI0000300"),
    ("mirna", "miR-99999", "unmapped", ""),
    ("mirna", "xtr-miR-9", "unmapped", ""),
    ("gene", "PTEN", "exact", "HGNC:9588"),
    ("gene", "Pten", "normalised", "HGNC:9588"),
    ("gene", "Akt", "ambiguous", "HGNC:391 HGNC:392 HGNC:393"),
    ("gene", "ERK1/2", "ambiguous", "HGNC:6871 HGNC:6877"),
    ("gene", "p38", "ambiguous", "HGNC:6873 HGNC:6874 HGNC:6875 HGNC:6876"),
    ("gene", "TNF-a", "synonym", "HGNC:11892"),
    ("gene", "TNF-α", "normalised", "HGNC:11892"),
    ("gene", "Wnt4", "normalised", "HGNC:12783"),
    ("gene", "Wnt", "synonym", "FPLX:Wnt"),
    ("gene", "Trp53", "synonym", "HGNC:11998"),
    ("gene", "Th1", "unmapped", ""),
    ("pathway", "NF-kB", "broader", "GO:0007249"),
    ("pathway", "Th17", "synonym", "CL:0000899"),
    ("condition", "acute kidney injury", "synonym", "DOID:3021"),
    ("condition", "renal ischemia-reperfusion injury", "normalised-or-broader", "DOID:3021"),
    ("condition", "GvHD", "synonym", "DOID:0081267"),
    ("condition", "type 1 diabetes mellitus (rat, STZ)", "broader", "DOID:9744"),
    ("condition", "wound healing", "synonym", "GO:0042060"),
    ("condition", "acute myeloid leukaemia", "normalised", "DOID:9119"),
    ("cell_source", "BM-MSC", "synonym", "CL:0002540"),
    ("cell_source", "AT-MSC", "synonym", "CL:0002570"),
    ("cell_source", "UC-MSC", "synonym", "CL:0002569"),
    ("cell_source", "WJ-MSC", "synonym", "CL:0002568"),
    ("cell_source", "iMSC", "broader", "CL:0000134"),
    ("cell_source", "human iPSC-MSC", "broader", "CL:0000134"),
    ("cell_source", "hUC-MSC exosomes", "normalised", "CL:0002569"),
    ("species", "mouse", "synonym", "NCBITaxon:10090"),
    ("species", "rat and human cells", "normalised", "NCBITaxon:10116 NCBITaxon:9606"),
    ("species", "MCF7", "synonym", "NCBITaxon:9606"),
    ("species", "animal", "broader", "NCBITaxon:33208"),
    ("anatomy", "lungs", "normalised", "UBERON:0002048"),
    ("tumour", "breast cancer", "exact", "DOID:1612"),
    ("chemical", "PGE2", "synonym", "CHEBI:15551"),
]


@pytest.mark.parametrize(("kind", "text", "status", "identifiers"), KNOWN)
def test_known_answers(kind, text, status, identifiers):
    found = resolve(kind, text)
    assert found.identifiers == tuple(identifiers.split())
    assert found.status in status.split("-or-")
    assert len(found.labels) == len(found.identifiers)


def test_a_missing_species_is_assumed_human_and_said_so():
    assert "human assumed" in resolve("mirna", "miR-21-5p").note
    rat = resolve("mirna", "miR-21-5p", species="rat")
    assert rat.identifiers == ("MIMAT0000790",)
    assert "assumed" not in rat.note
    assert resolve("mirna", "miR-21-5p", species="NCBITaxon:10116").identifiers == rat.identifiers
    assert resolve("mirna", "miR-21-5p", species="pig").status == "unmapped"


def test_a_missing_arm_gives_the_hairpin_and_names_both_arms():
    found = resolve("mirna", "miR-21")
    assert "hsa-miR-21-5p (MIMAT0000076)" in found.note
    assert "hsa-miR-21-3p (MIMAT0004494)" in found.note
    assert "until miRBase 17" in found.note
    copies = resolve("mirna", "miR-16")
    assert copies.all_meant
    assert copies.mapped


def test_families_are_meant_whole_and_missing_letters_are_not():
    assert resolve("gene", "Akt").mapped
    assert resolve("gene", "Akt").group == "FPLX:AKT"
    assert not resolve("mirna", "miR-15").mapped
    assert not resolve("mirna", "let-7").mapped


def test_no_disease_is_called_a_tumour():
    found = resolve("tumour", "stroke")
    assert found.status == "unmapped"
    assert "no neoplasm" in found.note
    assert is_a("DOID:1612", "DOID:14566")
    assert not is_a("DOID:0051061", "DOID:14566")


def test_a_mixed_column_prefers_what_is_meant_to_what_is_spelt_alike():
    assert resolve("gene", "S1P").identifiers == ()  # an alias of MBTPS1
    assert resolve_molecule("S1P").identifiers == ("CHEBI:37550",)
    assert resolve_molecule("Th1").identifiers == ("CL:0000545",)
    assert resolve_molecule("ROS").kind == resolve_molecule("ATP").kind == "chemical"
    assert resolve_molecule("miR-21").kind == "mirna"
    assert resolve_molecule("HGF mRNA").identifiers == resolve("gene", "HGF").identifiers
    assert resolve_molecule("mPAP").names_entity is False


def test_what_names_nothing_says_why():
    for kind, text in (
        ("cell_source", "not reported"),
        ("species", "cells"),
        ("mirna", "miRNA (unspecified)"),
    ):
        found = resolve(kind, text)
        assert not found.names_entity
        assert found.note


def test_an_unknown_kind_is_an_error_of_ours():
    with pytest.raises(AnalysisError, match="condition"):
        resolve("planet", "Mars")


@pytest.mark.parametrize("text", ["", "  ", "\x00", "x" * 5000, "*/;", "((((", "=HYPERLINK(1)", "\ud800"])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_text_is_unmapped_not_an_error(kind, text):
    assert resolve(kind, text).status == "unmapped"


PIECES = st.sampled_from(
    [
        *("miR-", "21", "-5p", "*", "let-7", "hsa-", "miR-15", "p38", "TNF-", "α", "s", "/", ";", "(", ")"),
        *(" and ", "kidney", "acute ", "stroke", "-MSC", " EV", " pathway"),
    ]
)


@given(st.sampled_from(KINDS), st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=7).map("".join)))
def test_resolve_never_raises_and_is_consistent(kind, text):
    found = resolve(kind, text)
    assert len(found.identifiers) == len(found.labels) == len(set(found.identifiers))
    assert bool(found.identifiers) == (found.status != "unmapped") or found.status == "ambiguous"
    assert found.status != "ambiguous" or found.note
    assert found.status != "unmapped" or found.note
    assert resolve(kind, text) == found
    resolve_molecule(text)


@given(st.sampled_from([row[:2] for row in KNOWN if row[3]]))
def test_a_label_leads_back_to_its_identifier(row):
    found = resolve(*row)
    for identifier, label in zip(found.identifiers, found.labels, strict=True):
        assert label_of(identifier) == label
        kind = "mirna" if is_mirna_name(label) else _kind_of(identifier, row[0])
        assert identifier in resolve(kind, label).identifiers or resolve(kind, label).group == identifier


def _kind_of(identifier, asked):
    prefixes = {"HGNC": "gene", "CHEBI": "chemical", "GO": "pathway", "CL": "cell_source"}
    return prefixes.get(identifier.partition(":")[0], asked)


@given(st.text(max_size=40))
def test_the_key_of_a_key_is_itself(text):
    assert name_key(name_key(text)) == name_key(text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_of_many_droppable_words_ends_soon(kind):
    text = "acute human " * 12 + "nonsense" + " cells models" * 12 + " pathway signaling" * 5
    # Without memory of what was tried this takes hours: the suite's limit of minutes a test would end it.
    assert resolve(kind, text).status in {"unmapped", "broader", "normalised", "ambiguous"}
