"""A user's own table of targets is read whole, or refused with every reason."""

from __future__ import annotations

import csv
import gzip
import os
import zipfile
from pathlib import Path

import pytest
from defusedxml import ElementTree

from vesicula.core.errors import UnreadableFile
from vesicula.evidence.errors import ImportRefused
from vesicula.mechanism.extend import extend
from vesicula.mechanism.model import CLAIMS
from vesicula.mechanism.targets import MAX_PROBLEMS, read_targets

HEADING = (
    "miRTarBase ID,miRNA,Species (miRNA),Target Gene,Target Gene (Entrez ID),Species (Target Gene),"
    "Experiments,Support Type,References (PMID)"
)
ROW = "MIRT000002,hsa-miR-20a-5p,Homo sapiens,HIF1A,3091,Homo sapiens,Luciferase//qRT-PCR,Functional MTI,18632605"
SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared")) / "data" / "cargo"


def written(tmp_path, *rows, heading=HEADING, name="targets.csv"):
    file = tmp_path / name
    file.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return file


def test_mirtarbase_rows_are_read_as_they_stand(tmp_path):
    mouse = "MIRT000005,mmu-miR-124-3p,Mus musculus,Itgb1,16412,Mus musculus,qRT-PCR,Functional MTI,18042700"
    read = read_targets(written(tmp_path, ROW, mouse, "", ROW.replace("18632605", "18632605.0;1")))
    assert read.other_species == 1
    first, second = read.rows
    assert (first.line, first.mirna, first.target, first.support) == (2, "hsa-miR-20a-5p", "HIF1A", "Functional MTI")
    assert (first.experiments, first.origin, first.row_id) == ("Luciferase//qRT-PCR", "mirtarbase", "MIRT000002")
    assert first.pmids == ("18632605",)
    # The blank line counts as a line, not as a row; spreadsheets print numbers as 18632605.0.
    assert (second.line, second.pmids) == (5, ("18632605", "1"))


def test_plain_table_names_its_source(tmp_path):
    heading = "mirna\ttarget\tsupport\tpmid\tsource"
    file = written(tmp_path, "miR-21\tPTEN\tstrong\t\tour assay", heading=heading, name="own.tsv")
    (row,) = read_targets(file).rows
    assert (row.mirna, row.pmids, row.origin) == ("miR-21", (), "our assay")
    packed = tmp_path / "own.tsv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_targets(packed).rows == (row,)


def test_every_bad_row_is_named_with_its_reason(tmp_path):
    bad = (
        ROW.replace("hsa-miR-20a-5p", "PTEN"),
        ROW.replace("HIF1A", '"=HYPERLINK(""http://x"")"'),
        ROW.replace("18632605", "in press"),
        ROW + ",more",
        ROW.replace("Functional MTI", "=1+1"),
        ROW.replace("HIF1A", ""),
        ROW.replace("Luciferase", "x" * 20_000),
    )
    with pytest.raises(ImportRefused) as caught:
        read_targets(written(tmp_path, ROW, *bad))
    found = [(p.row, p.line, p.column) for p in caught.value.problems]
    assert found == [
        (2, 3, "mirna"),
        (3, 4, "target"),
        (4, 5, "pmid"),
        (5, 6, ""),
        (6, 7, "support"),
        (7, 8, "target"),
        (8, 9, ""),
    ]
    assert "expected a microRNA such as hsa-miR-21-5p, found 'PTEN'" in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_a_table_of_another_kind_does_not_list_half_a_million_problems(tmp_path):
    with pytest.raises(ImportRefused) as caught:
        read_targets(written(tmp_path, *["a,b,c"] * 1000))
    assert len(caught.value.problems) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.xlsx", b"PK", "whole file: expected a .csv, .tsv or .txt table, found .xlsx"),
        ("t.csv", b"a,b\n", "line 1: expected a column 'miRNA' or 'mirna', 'Target Gene' or 'target'"),
        ("t.csv", b"", "line 1: expected a column"),
        ("t.csv", b"mirna,target,support,pmid,mirna\n", "line 1: expected one column 'miRNA', found 2"),
        ("t.csv", b"mirna,target,support,pmid\nmiR-1,\xb5,s,1\n", "line 2: expected UTF-8 text"),
        ("t.csv", b'mirna,target,support,pmid\n"miR-1,PTEN\n', "line 2: expected cells separated"),
        ("t.csv.gz", b"no gzip", "whole file: expected a readable file"),
        ("t.csv.gz", gzip.compress(b"mirna" * 500, mtime=0)[:20], "whole file: expected a readable file"),
        ("t.csv", b"mirna,target,support,pmid\n" + b"x" * 300_000, "line 2: expected cells separated"),
    ],
    ids=["xlsx", "no column", "empty", "column twice", "not UTF-8", "open quote", "no gzip", "cut gzip", "long line"],
)
def test_what_is_no_table_is_one_clear_error(tmp_path, name, content, expected):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        read_targets(file)
    assert str(caught.value).startswith(f"{file}: {expected}")
    assert "\n" not in str(caught.value)


def test_a_heading_without_rows_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ImportRefused, match="a heading and no rows"):
        read_targets(written(tmp_path))
    with pytest.raises(UnreadableFile, match="No such file"):
        read_targets(tmp_path / "absent.csv")


def cells_of(sheet, strings):
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    for row in sheet.iterfind(".//m:row", space):
        cells = []
        for cell in row.iterfind("m:c", space):
            value = cell.findtext("m:v", default="", namespaces=space)
            cells.append(strings[int(value)] if cell.get("t") == "s" else value)
        yield cells


def test_a_real_sample_of_mirtarbase(tmp_path):
    """Five microRNAs, six targets, ten rows, as the tests of bio2bel/mirtarbase count them."""
    sample = SHARED / "bio2bel__miRTarBase" / "tests" / "test_mirtarbase.xlsx"
    if not sample.is_file():
        pytest.skip("the sample of miRTarBase is not beside the repository; its rows may not be redistributed")
    with zipfile.ZipFile(sample) as book:
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    strings = ["".join(part.itertext()) for part in shared]
    file = tmp_path / "sample.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(cells_of(sheet, strings))
    read = read_targets(file)
    assert {row.mirna for row in read.rows} == {"hsa-miR-20a-5p", "hsa-miR-146a-5p", "hsa-miR-122-5p"}
    assert {row.target for row in read.rows} == {"HIF1A", "TCEAL1", "CXCR4", "CYP7A1"}
    assert len(read.rows) + read.other_species == 10


def test_large_table_of_pairs_meets_the_claims(tmp_path, packaged_graph):
    """The pairs derived from miRTarBase 8.0: all species, no assay; the plain form of the table."""
    pairs = SHARED / "JulFriedrich__miRetrieve" / "derived" / "mirtarbase_8.0_pairs.tsv.gz"
    if not pairs.is_file():
        pytest.skip("the pairs of miRTarBase 8.0 are not beside the repository; they may not be redistributed")
    file = tmp_path / "pairs.tsv"
    with gzip.open(pairs, "rt", encoding="utf-8") as source, file.open("w", encoding="utf-8") as out:
        out.write("mirna\ttarget\tsupport\tpmid\tsource\n")
        next(source)
        for line in source:
            mirna, target, pmid = line.rstrip("\n").split("\t")
            out.writelines([f"{mirna}\t{target}\t\t{pmid}\tmirtarbase 8.0\n"] if mirna in {"miR-21", "miR21"} else [])
    read = read_targets(file)
    wider = extend(packaged_graph, (), read)
    labels = {node.node_id: node.label for node in wider.nodes}
    edge = {
        (labels[e.subject], labels[e.object]): e for e in wider.edges if e.origin != CLAIMS
    }["miR-21-5p", "PTEN"]
    assert "the table names no arm" in edge.detail
    # 75 rows in the source, some of them with the same publication.
    assert 40 < len(edge.references) <= 75
