"""Whatever a table's bytes, it is read or refused with one of our own errors."""

from __future__ import annotations

import contextlib
import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.protein import ProteinTable, read_protein_table, remove_unwanted
from vesicula.cargo.protein.lists import read_protein_list
from vesicula.cargo.protein.misev import purity
from vesicula.cargo.protein.sheet import read_sample_sheet
from vesicula.core.errors import VesiculaError

TABLES = {
    "maxquant": "Majority protein IDs\tGene names\tReverse\tPotential contaminant\tLFQ intensity A\tiBAQ A\n"
    "P60033\tCD81\t\t\t100\t10\nCON__P02769\t\t\t+\t50\t5.5\n",
    "fragpipe": "Protein\tProtein ID\tEntry Name\tGene\tS1 Intensity\tS1 MaxLFQ Intensity\n"
    "sp|P60033|CD81_HUMAN\tP60033\tCD81_HUMAN\tCD81\t5.5\t6.5\n",
    "diann-report": "Run\tProtein.Group\tGenes\tPG.MaxLFQ\tPG.Q.Value\tDecoy\nr1\tP60033\tCD81\t10\t0.001\t0\n"
    "r2\tP60033\tCD81\t20.5\t0.5\t0\n",
    "diann-matrix": "Protein.Group\tGenes\tFirst.Protein.Description\tC:\\a.raw\t/b.d\nP60033\tCD81\tx\t1e6\t\n",
    "spectronaut": "PG.ProteinGroups;PG.Genes;[1] a.raw.PG.Quantity\nP60033;CD81;12,5\nP60034;CD9;Filtered\n",
    "discoverer": "Protein FDR Confidence: Combined,Master,Accession,Contaminant,Abundance: F1: S\n"
    "High,IsMasterProtein,P60033,False,5.5\n",
    "mztab": "MTD\tmzTab-version\t1.0.0\nPRH\taccession\tspecies\tprotein_abundance_assay[1]\n"
    "PRT\tP60033\tHomo sapiens\t5.5\n",
    "plain": "Gene,s1,s2\nCD9,25.5,0\nCD63,22.25,21\n",
    "turned": "Sample,CD9,CD63\ns1,25.5,0\ns2,22.25,21\n",
    "peaks": "Peptide,-10lgP,Accession,Source File\nAAK,5,P60033|CD81_HUMAN,a.mgf\nAAK,5,,a.mgf\n",
    "sheet": "sample\tcondition\tunit\na\tA\ta1\nb\tB\t\n",
    "list": "CONTENT TYPE\tGENE SYMBOL\tSPECIES\tEXPERIMENT ID\nprotein\tCD9\tHomo sapiens\t1\n",
}
PIECES = (
    b"\t", b"\n", b",", b";", b'"', b"\x00", b"\xff", b"nan", b"inf", b"1e999", b"-1", b"1,234", b"\xef\xbb\xbf", b"NA",
    b"0x1", b"\xc2\xa0", b"1_0", b"\r", b"Run\tProtein.Group", b"9" * 400, b"",
)  # fmt: skip


def read(path: Path, name: str) -> None:
    """Read what the name says; our own errors are well."""
    with contextlib.suppress(VesiculaError):
        if name == "sheet":
            read_sample_sheet(path)
        elif name == "list":
            read_protein_list(path)
        else:
            table = read_protein_table(path)
            assert isinstance(table, ProteinTable)
            remove_unwanted(table)
            purity(table)


@pytest.mark.parametrize("name", list(TABLES))
def test_text_cut_or_changed_anywhere(name, tmp_path) -> None:
    whole = TABLES[name].encode()
    path = tmp_path / name
    path.write_bytes(whole)
    read(path, name)
    for end in range(0, len(whole), 3):
        path.write_bytes(whole[:end])
        read(path, name)
    rng = np.random.default_rng(len(whole))
    for _ in range(80):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 2, 4))):
            at = int(rng.integers(len(changed) + 1))
            changed[at : at + int(rng.choice((0, 1, 3)))] = PIECES[rng.integers(len(PIECES))]
        path.write_bytes(changed)
        read(path, name)


@pytest.mark.parametrize("name", ["gzip", "xlsx", "parquet"])
def test_packed_files_cut_or_changed_anywhere(name, tmp_path, workbook) -> None:
    if name == "gzip":
        whole = gzip.compress(TABLES["maxquant"].encode())
    elif name == "xlsx":
        whole = workbook([["Gene", "s1", "s2"], ["CD9", 500, 7.5], ["CD63", 0, 9]]).read_bytes()
    else:
        buffer = io.BytesIO()
        frame = {"Run": ["r1"], "Protein.Group": ["P60033"], "Genes": ["CD81"], "PG.MaxLFQ": [10.0]}
        pl.DataFrame(frame).write_parquet(buffer)
        whole = buffer.getvalue()
    path = tmp_path / "packed"
    rng = np.random.default_rng(7)
    for k in range(150):
        changed = bytearray(whole)
        at = int(rng.integers(len(changed)))
        if k % 3 == 0:
            changed = changed[:at]
        else:
            changed[at : at + int(rng.integers(3))] = rng.bytes(int(rng.choice((1, 1, 4))))
        path.write_bytes(changed)
        read(path, name)
