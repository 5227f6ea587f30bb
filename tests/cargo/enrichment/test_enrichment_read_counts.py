from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.enrichment.read_counts import read_counts
from vesicula.core.errors import UnreadableFile


def written(folder: Path, text: str, name: str = "counts.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_long_table_of_smallrna(tmp_path: Path) -> None:
    rows = {
        "sample": ["a", "a", "b"], "mirna": ["m1", "m2", "m2"], "reads_unique": [1, 2, 3], "reads_em": [1.5, 2.0, 3],
    }  # fmt: skip
    pl.DataFrame(rows, strict=False).write_parquet(tmp_path / "mirna_counts.parquet")
    found = read_counts(tmp_path / "mirna_counts.parquet", samples=["b", "a"])
    assert (found.mirnas, found.samples) == (("m1", "m2"), ("b", "a"))
    np.testing.assert_array_equal(found.counts, [[0, 1.5], [3, 2]])
    whole = read_counts(tmp_path / "mirna_counts.parquet", value="reads_unique")
    np.testing.assert_array_equal(whole.counts, [[1, 0], [2, 3]])
    with pytest.raises(UnreadableFile, match="column 'reads'"):
        read_counts(tmp_path / "mirna_counts.parquet", value="reads")
    with pytest.raises(UnreadableFile, match="sample 'c', as the sample sheet says"):
        read_counts(tmp_path / "mirna_counts.parquet", samples=["c"])


@pytest.mark.parametrize(
    "text",
    [
        "mirna\ta\tb\nm1\t1\t2\nm2\t3\t4\n",
        "\ufeffmirna,a,b\r\nm1,1,2\r\nm2,3,4\r\n",
        'a\tb\n"m1"\t1\t2\n"m2"\t3\t4\n',  # R's write.table
        '"","gene_id","a","b"\n"1","m1",1,2\n"2","m2",3,4\n',  # row numbers before the names
        "mirna\tmature\ta\tb\nm1\tx\t1\t2\nm2\tx\t3\t4\n",
    ],
)
def test_matrices_as_people_write_them(tmp_path: Path, text: str) -> None:
    for samples in ((), ("a", "b")):
        found = read_counts(written(tmp_path, text), samples=samples)
        assert (found.mirnas, found.samples) == (("m1", "m2"), ("a", "b"))
        np.testing.assert_array_equal(found.counts, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mirna\ta\tb\nm1\t1\tx\n", "line 2, column b: expected a number of reads"),
        ("mirna\ta\tb\nm1\t1\t\n", "found an empty cell"),
        ("mirna\ta\tb\nm1\t1\t2\nm1\t3\t4\n", "m1 twice"),
        ("mirna\ta\tb\nm1\t1\t2\nm2\t3", "cut off"),
        ("mirna\ta\tb\n", "at least one miRNA"),
        ("", "an empty file"),
        ("x\ta\tb\n1\t1\t2\n", "a column of miRNA names"),
        ("sample\tmirna\treads_em\na\tm1\t1\na\tm1\t2\n", "m1 of a twice"),
    ],
)
def test_bad_tables_are_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message) as caught:
        read_counts(written(tmp_path, text), samples=("a", "b") if text.startswith(("mirna", "x")) else ())
    assert "protein" not in str(caught.value)


def test_a_parquet_file_cut_off(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UnreadableFile, match="cut off"):
        read_counts(tmp_path / "c.parquet")
