"""Cargo tables of every shape that the commands write, plain lists, and bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.effect.table import canonical_mirna, read_cargo, to_log2, with_comparison
from vesicula.core.errors import AnalysisError, UnreadableFile


def write(folder: Path, text: str, name: str = "cargo.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_plain_list_with_and_without_heading(tmp_path: Path) -> None:
    bare = read_cargo(write(tmp_path, "hsa-miR-21-5p\nhsa-let-7a-5p\n"))
    headed = read_cargo(write(tmp_path, "mirna\nhsa-miR-21-5p\nhsa-let-7a-5p\n"))
    assert bare.names == headed.names == ("hsa-miR-21-5p", "hsa-let-7a-5p")
    assert bare.kind == "mirna"
    assert bare.keys == ("mir-21-5p", "let-7a-5p")
    assert bare.samples == ()
    assert bare.measured() == (0, 1)


def test_list_of_a_single_name(tmp_path: Path) -> None:
    assert read_cargo(write(tmp_path, "CD63\n")).labels == ("CD63",)


def test_symbols_and_accessions_mean_the_same_gene(tmp_path: Path) -> None:
    by_symbol = read_cargo(write(tmp_path, "gene\nAPOB\nCD9\n"))
    by_accession = read_cargo(write(tmp_path, "accession\nP04114\nP21926\n"))
    assert by_symbol.kind == by_accession.kind == "protein"
    assert by_symbol.keys == by_accession.keys == ("HGNC:603", "HGNC:1709")
    assert by_accession.labels == ("APOB", "CD9")


def test_table_as_the_proteome_command_writes_it(tmp_path: Path) -> None:
    table = read_cargo(write(tmp_path, (
        "id\tgenes\taccessions\teffect_log2\tlow_log2\thigh_log2\tt\tp_value\tadjusted_p_value\tdf\n"
        "1\tAPOB\tP04114\t2.5\t1\t4\t5\t0.001\t0.01\t4\n"
        "2\tCD9\tP21926\t\t\t\t\t\t\t0\n"
        "3\t\tP08962\t-1.5\t-2\t-1\t-5\t0.001\t0.02\t4\n"
    )))  # fmt: skip
    assert table.labels == ("APOB", "CD9", "CD63")
    assert table.samples == ()
    assert table.effect is not None
    assert table.adjusted_p is not None
    np.testing.assert_array_equal(table.effect, [2.5, np.nan, -1.5])
    np.testing.assert_array_equal(table.adjusted_p, [0.01, np.nan, 0.02])
    assert table.measured() == (0, 2), "what has no effect was not compared"


def test_long_counts_as_the_smallrna_command_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "mirna_counts.parquet"
    pl.DataFrame(
        {
            "sample": ["a", "a", "b"],
            "mirna": ["hsa-miR-21-5p", "hsa-let-7a-5p", "hsa-miR-21-5p"],
            "reads_unique": [1, 2, 3],
            "reads_em": [99.5, 900.0, 10.0],
        }
    ).write_parquet(path)
    table = read_cargo(path)
    assert table.samples == ("a", "b")
    np.testing.assert_array_equal(table.detected, [[True, True], [True, False]])
    assert table.log2[0, 0] == pytest.approx(np.log2(100.0 / 1000.5 * 1e6))
    assert table.log2[1, 1] == pytest.approx(np.log2(0.5 / 11.0 * 1e6))


def test_wide_counts_and_unnamed_first_column(tmp_path: Path) -> None:
    table = read_cargo(write(tmp_path, ",s1,s2\nmiR-1,4,3\nmiR-100-3p,0,0\nmiR-100-3p,9,9\n,1,1\n", "c.csv"))
    assert table.names == ("miR-1", "miR-100-3p")
    assert table.measured() == (0,), "nothing was detected of the other"
    assert "2 rows" in table.notes[0]


def test_the_most_abundant_row_stands_for_a_molecule(tmp_path: Path) -> None:
    """Two rows are of one miRNA, once with and once without the species."""
    table = read_cargo(write(tmp_path, "mirna\ts1\ts2\nmiR-21-5p\t2\t2\nmiR-22-3p\t8\t8\nhsa-miR-21-5p\t64\t64\n"))
    assert [table.names[i] for i in table.measured()] == ["miR-22-3p", "hsa-miR-21-5p"]


def test_ct_values_are_censored_at_forty(tmp_path: Path) -> None:
    log2, seen = to_log2(tmp_path, np.array([[40.0, 30.0], [np.nan, 39.9]]), "ct")
    np.testing.assert_array_equal(seen, [[False, True], [False, True]])
    assert log2[0, 1] == 10.0
    assert np.isnan(log2[0, 0])


@pytest.mark.parametrize(
    ("name", "key"),
    [("hsa-miR-21-5p", "mir-21-5p"), ("miR-21", "mir-21"), ("hsa-let-7a-2-3p", "let-7a-2-3p"), ("mmu-miR-21a-5p", ""),
     ("APOB", ""), ("", "")],
)  # fmt: skip
def test_canonical_mirna(name: str, key: str) -> None:
    assert canonical_mirna(name) == key


def test_comparison_joined_by_key(tmp_path: Path) -> None:
    table = read_cargo(write(tmp_path, "mirna\ts1\ts2\nhsa-miR-21-5p\t5\t6\nhsa-let-7a-5p\t7\t8\n"))
    other = read_cargo(write(tmp_path, "mirna,logFC,FDR\nmiR-21-5p,1.5,0.01\nmiR-99a-5p,2,0.3\n", "d.csv"))
    joined = with_comparison(table, other)
    assert joined.effect is not None
    np.testing.assert_array_equal(joined.effect, [1.5, np.nan])
    assert "1 names of d.csv are not in cargo.tsv." in joined.notes
    with pytest.raises(AnalysisError, match="has no comparison"):
        with_comparison(table, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mirna\ts1\nmiR-21\t-5\nmiR-22\t3\n", "counts of 0 and more"),
        ("mirna\tlogFC\nmiR-21\toops\nmiR-22\t3\n", "line 2, column 'logFC'"),
        ("", "empty file"),
        ("mirna\ts1\n", "header without rows"),
    ],
)
def test_bad_tables_are_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read_cargo(write(tmp_path, text))


def test_cut_off_parquet(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(UnreadableFile, match="whole Parquet file"):
        read_cargo(path)


def test_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="a column 'x'"):
        read_cargo(write(tmp_path, "mirna\ts1\nmiR-21\t5\n"), name_column="x")
