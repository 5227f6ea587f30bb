"""The packaged tables hold together, and cover the evidence tables."""

from __future__ import annotations

import csv
import os
from importlib.resources import files
from pathlib import Path

import pytest

from vesicula.evidence.names import KINDS, coverage, label_of, names_in, resolve, unmapped_report

NAMES = files("vesicula.data").joinpath("names")
STEMS = ("anatomy", "cell", "chemical", "disease", "family", "gene", "mirna", "pathway", "species")
TABLES = ("studies", "trials", "cargo_facts", "biogenesis_facts")


def lines(name):
    return NAMES.joinpath(name).read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize("stem", STEMS)
def test_tables_are_sorted_and_every_name_has_a_term(stem):
    terms, names = lines(f"{stem}_terms.tsv"), lines(f"{stem}_names.tsv")
    assert terms[0] == "id\tlabel\tparents"
    assert names[0] == "key\tid\trelation\tname"
    assert terms[-1] == names[-1] == ""
    assert terms[1:-1] == sorted(terms[1:-1])
    assert names[1:-1] == sorted(names[1:-1])
    identifiers = {line.split("\t")[0] for line in terms[1:-1]}
    assert len(identifiers) == len(terms) - 2
    assert all(line.count("\t") == 3 and line.split("\t")[1] in identifiers for line in names[1:-1])


def curated():
    return list(csv.DictReader(lines("curated.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_curated_identifier_is_in_its_registry_under_the_label_given():
    rows = curated()
    assert len(rows) > 300
    for row in rows:
        identifiers = [i for i in row["identifiers"].split("|") if i]
        labels = [part for part in row["labels"].split("|") if part]
        assert [label_of(i) for i in identifiers] == labels, row["text"]
        assert row["kind"] in KINDS
        assert bool(identifiers) == (row["status"] != "unmapped"), row["text"]
        assert row["reason"] or row["status"] in {"synonym", "exact"}, row["text"]
        assert len(identifiers) < 2 or "all" in row["flags"], row["text"]


def test_what_rests_on_memory_says_so():
    memory = [r for r in curated() if "from memory" in r["source"]]
    assert {i for r in memory for i in r["identifiers"].split("|")} == {"NCBITaxon:9606", "NCBITaxon:9989"}


def test_provenance_names_every_file_and_licence():
    rows = list(csv.DictReader(lines("PROVENANCE.tsv"), delimiter="\t", quoting=csv.QUOTE_NONE))
    told = " ".join(r["file"] for r in rows)
    packaged = {p.name for p in NAMES.iterdir() if p.name.endswith(".tsv")} - {"PROVENANCE.tsv"}
    assert {name for name in packaged if name not in told} == set()
    assert all(r["licence"] and r["licence_checked"] and r["release"] for r in rows)


def test_the_tables_are_small():
    assert sum(len(NAMES.joinpath(p.name).read_bytes()) for p in NAMES.iterdir()) < 10e6


def _folder():
    packaged = files("vesicula.data").joinpath("evidence")
    if packaged.joinpath("studies.csv").is_file():
        return packaged
    root = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared"))
    return root / "evidence"


@pytest.fixture(scope="module")
def tables():
    folder = _folder()
    if not all(folder.joinpath(f"{name}.csv").is_file() for name in TABLES):
        pytest.skip("the evidence tables are neither packaged nor in ../shared/evidence")
    read = {}
    for name in TABLES:
        text = folder.joinpath(f"{name}.csv").read_text(encoding="utf-8")
        read[name] = list(csv.DictReader(text.splitlines()))
    return read


def test_at_least_95_per_cent_of_the_names_are_mapped(tables):
    counts = {c.kind: c for c in coverage(unmapped_report(tables))}
    for kind in ("condition", "cell_source", "species", "mirna", "gene"):
        assert counts[kind].mapped_fraction >= 0.95, counts[kind]
    assert counts["condition"].distinct == len(
        {r["condition"] for t in ("studies", "trials") for r in tables[t]}
    )


def test_no_name_is_dropped_and_none_is_unexplained(tables):
    report = unmapped_report(tables)
    assert {u.resolution.text for u in report} == {" ".join(name.split()) for _, _, name in names_in(tables)}
    assert sum(u.count for u in report) == sum(1 for _ in names_in(tables))
    assert all(u.resolution.note for u in report if not u.resolution.mapped)


def test_counts_add_up(tables):
    for c in coverage(unmapped_report(tables)):
        assert c.distinct == c.single + c.broader + c.family + c.ambiguous + c.unmapped + c.nothing


def test_the_open_names_are_these(tables):
    """A change here is a change of what the program claims to know: look at it."""
    report = unmapped_report(tables)
    opened = {u.resolution.text for u in report if not u.resolution.mapped and u.resolution.names_entity}
    assert opened == {"multiple organ dysfunction syndrome", "let-7", "miR-15", "fibrosis", "receptor-ligand"}


def test_a_report_takes_plain_rows_and_objects():
    class Row:
        condition = "stroke"
        cargo = ("miR-21", "nonsense")

    report = unmapped_report([{"condition": "stroke", "cargo": "miR-21"}, Row()])
    assert [(u.resolution.text, u.count) for u in report] == [("stroke", 2), ("miR-21", 2), ("nonsense", 1)]
    assert report[-1].resolution == resolve("gene", "nonsense")
