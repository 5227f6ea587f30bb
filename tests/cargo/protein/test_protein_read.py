from __future__ import annotations

import gzip
import zipfile

import numpy as np
import polars as pl
import pytest

from vesicula.cargo.protein import join_tables, read_protein_table, remove_unwanted
from vesicula.core.errors import AnalysisError, UnreadableFile

MAXQUANT = [
    ["Protein IDs", "Majority protein IDs", "Gene names", "Fasta headers", "Only identified by site", "Reverse",
     "Potential contaminant", "iBAQ peptides", "LFQ intensity A", "LFQ intensity B", "iBAQ A", "iBAQ B"],
    ["P60033;X", "P60033", "CD81", "OS=Homo sapiens", "", "", "", 7, 100, 0, 10, 20],
    ["CON__P02769", "CON__P02769", "", "", "", "", "+", 7, 50, 60, 5, 6],
    ["REV__P1", "REV__Q9Y6K9", "", "", "", "+", "", 7, 1, 1, 1, 1],
    ["P21926", "P21926", "CD9", "", "+", "", "", 7, 3, 4, 3, 4],
    ["Q99816", "Q99816", "TSG101", "", "", "", "", 7, 0, 0, 0, 0],
]  # fmt: skip


def test_maxquant_lfq_before_ibaq_zero_is_missing_and_counts_are_said(write) -> None:
    table = read_protein_table(write(MAXQUANT))
    assert (table.software, table.kind, table.samples) == ("MaxQuant", "lfq", ("A", "B"))
    assert table.values[0, 0] == 100
    assert np.isnan(table.values[0, 1])
    assert table.groups[0].species == ("HUMAN",)
    clean, removed = remove_unwanted(table)
    assert [g.id for g in clean.groups] == ["P60033"]
    assert removed.text == (
        "5 protein groups read; removed: 1 decoys, 1 contaminants, 1 identified only by a modified site, "
        "1 without a value; 1 kept."
    )
    kept, _ = remove_unwanted(table, contaminants=False)
    assert [g.accessions for g in kept.groups] == [("P60033",), ("P02769",)]


def test_another_kind_on_request_and_a_kind_that_is_not_there(write) -> None:
    path = write(MAXQUANT)
    table = read_protein_table(path, kind="ibaq")
    assert table.samples == ("A", "B")  # "iBAQ peptides" is no sample
    assert table.values[0].tolist() == [10, 20]
    with pytest.raises(UnreadableFile, match="columns of top3; the table holds lfq, ibaq"):
        read_protein_table(path, kind="top3")


def test_maxquant_with_columns_as_r_writes_them_is_read_and_said(write) -> None:
    rows = [[str(c).replace(" ", ".") for c in MAXQUANT[0]], *MAXQUANT[1:]]
    table = read_protein_table(write(rows))
    assert table.samples == ("A", "B")
    assert "renamed-columns" in [n.code for n in table.notes]


def test_maxquant_with_values_renamed_is_one_clear_error(write) -> None:
    rows = [[str(c).replace("LFQ intensity ", "abund_").replace("iBAQ ", "x_") for c in MAXQUANT[0]], *MAXQUANT[1:]]
    with pytest.raises(UnreadableFile, match=r"header of a table of MaxQuant\).*LFQ intensity SAMPLE.*renamed"):
        read_protein_table(write(rows))


def test_maxquant_without_its_names_is_one_clear_error(write) -> None:
    rows = [["x1", "x2", *MAXQUANT[0][2:]], *MAXQUANT[1:]]
    with pytest.raises(UnreadableFile, match="'Majority protein IDs' or 'Protein IDs'"):
        read_protein_table(write(rows))


def test_fragpipe_takes_neither_unique_nor_combined_columns(write) -> None:
    rows = [
        ["Protein", "Protein ID", "Entry Name", "Gene", "Combined Spectral Count", "S1 Spectral Count",
         "S1 Unique Spectral Count", "S1 Intensity", "S1 MaxLFQ Intensity", "S2 Intensity", "S2 MaxLFQ Intensity"],
        ["sp|P60033|CD81_HUMAN", "P60033", "CD81_HUMAN", "CD81", 9, 4, 3, 5.5, 6.5, 7.5, 8.5],
        ["contam_sp|P02769|ALBU_BOVIN", "contam_P02769", "ALBU_BOVIN", "ALB", 9, 4, 3, 5.5, 6.5, 7.5, 8.5],
    ]  # fmt: skip
    path = write(rows)
    table = read_protein_table(path)
    assert (table.software, table.kind, table.samples) == ("FragPipe", "lfq", ("S1", "S2"))
    assert table.values[0].tolist() == [6.5, 8.5]
    assert read_protein_table(path, kind="intensity").values[0].tolist() == [5.5, 7.5]
    assert read_protein_table(path, kind="psm-count").samples == ("S1",)
    assert [g.contaminant for g in table.groups] == [False, True]
    assert table.groups[1].species == ("BOVIN",)


def test_diann_matrix_names_samples_by_their_raw_files(write) -> None:
    rows = [
        ["Protein.Group", "Protein.Ids", "Protein.Names", "Genes", "First.Protein.Description",
         "C:\\data\\run_1.raw", "/data/run_2.d"],
        ["P60033", "P60033", "CD81_HUMAN", "CD81", "x", "1e6", ""],
    ]  # fmt: skip
    table = read_protein_table(write(rows))
    assert (table.software, table.kind, table.samples) == ("DIA-NN", "lfq", ("run_1", "run_2"))
    assert table.values[0, 0] == 1e6
    assert np.isnan(table.values[0, 1])


REPORT = [
    ["Run", "Protein.Group", "Protein.Names", "Genes", "PG.MaxLFQ", "PG.Q.Value", "Precursor.Id"],
    ["r1", "P60033", "CD81_HUMAN", "CD81", 10, 0.001, "AAK2"],
    ["r1", "P60033", "CD81_HUMAN", "CD81", 10, 0.001, "CCK2"],
    ["r2", "P60033", "CD81_HUMAN", "CD81", 20, 0.5, "AAK2"],
    ["r2", "P21926", "CD9_HUMAN", "CD9", 30, 0.01, "DDK2"],
]


def test_diann_report_as_text_and_parquet_cut_at_one_per_cent(write, tmp_path) -> None:
    frame = pl.DataFrame(REPORT[1:], schema=REPORT[0], orient="row")
    frame.write_parquet(tmp_path / "report.parquet")
    for path in (write(REPORT), tmp_path / "report.parquet"):
        table = read_protein_table(path)
        assert table.samples == ("r1", "r2")
        assert [g.genes for g in table.groups] == [("CD81",), ("CD9",)]
        np.testing.assert_array_equal(table.values, [[10, np.nan], [np.nan, 30]])
        assert table.notes[0].message.startswith("1 of ")


def test_diann_report_with_decoys(write, tmp_path) -> None:
    rows = [[*REPORT[0], "Decoy"], *([*r, 0] for r in REPORT[1:]), ["r1", "Q99816", "TS101_HUMAN", "", 9, 0.0, "X", 1]]
    pl.DataFrame(rows[1:], schema=rows[0], orient="row", strict=False).write_parquet(tmp_path / "report.parquet")
    for path in (write(rows), tmp_path / "report.parquet"):
        _, removed = remove_unwanted(read_protein_table(path))
        assert (removed.decoys, removed.kept) == (1, 2)


def test_diann_report_with_two_quantities_of_one_group_is_refused(write) -> None:
    with pytest.raises(UnreadableFile, match=r"line 6.*one quantity of P21926 in r2, 30, found 31"):
        read_protein_table(write([*REPORT, ["r2", "P21926", "CD9_HUMAN", "CD9", 31, 0.01, "EEK2"]]))


def test_parquet_of_too_many_rows_is_refused_before_it_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("vesicula.cargo.protein.parquet.MAX_ROWS", 3)
    path = tmp_path / "report.parquet"
    pl.DataFrame(REPORT[1:], schema=REPORT[0], orient="row").write_parquet(path)
    with pytest.raises(UnreadableFile, match=r"at most 3 rows.*found 4 rows.*pg_matrix"):
        read_protein_table(path)


def test_truncated_parquet(tmp_path) -> None:
    path = tmp_path / "report.parquet"
    pl.DataFrame(REPORT[1:], schema=REPORT[0], orient="row").write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableFile, match="cut off"):
        read_protein_table(path)


def test_spectronaut_wide_with_filtered_cells(write) -> None:
    rows = [
        ["PG.ProteinGroups", "PG.Genes", "[1] a.raw.PG.Quantity", "[2] b.raw.PG.Quantity"],
        ["P60033", "CD81", "12.5", "Filtered"],
    ]
    table = read_protein_table(write(rows))
    assert (table.software, table.samples) == ("Spectronaut", ("a", "b"))
    assert np.isnan(table.values[0, 1])


def test_proteome_discoverer(write) -> None:
    rows = [
        ["Protein FDR Confidence: Combined", "Master", "Accession", "Description", "Contaminant", "Gene Symbol",
         "Abundance: F1: Sample", "Abundances (Normalized): F1: Sample", "Abundances (Normalized): F2: Control"],
        ["High", "IsMasterProtein", "P60033", "CD81 OS=Homo sapiens", "False", "CD81", 1, 2, 3],
        ["High", "IsMasterProtein", "P00761", "Trypsin OS=Sus scrofa", "True", "", 1, 2, 3],
    ]  # fmt: skip
    table = read_protein_table(write(rows))
    assert (table.software, table.kind) == ("Proteome Discoverer", "lfq")
    assert table.samples == ("F1: Sample", "F2: Control")
    assert [g.contaminant for g in table.groups] == [False, True]


def test_peaks_proteins_and_spectra(write) -> None:
    proteins = [
        ["Protein Group", "Protein ID", "Accession", "-10lgP", "#Peptides", "#Unique", "Area S1", "Area S2"],
        [1, 1, "P60033|CD81_HUMAN", 200, 5, 5, 1e5, 2e5],
    ]
    table = read_protein_table(write(proteins, sep=",", name="proteins.csv"))
    assert (table.software, table.kind, table.samples) == ("PEAKS", "intensity", ("S1", "S2"))
    spectra = [
        ["Peptide", "-10lgP", "Source File", "Accession"],
        ["AAK", 50, "s1.mgf", "P60033|CD81_HUMAN"],
        ["CCK", 50, "s1.mgf", "P60033|CD81_HUMAN"],
        ["CCK", 50, "s2.mgf", "#DECOY#P60033|CD81_HUMAN"],
        ["DDK", 50, "s2.mgf", "P00760|TRY1_BOVIN"],
        ["DDK", 50, "s2.mgf", ""],
    ]
    table = read_protein_table(write(spectra, sep=",", name="psm.csv"))
    assert (table.kind, table.samples) == ("psm-count", ("s1", "s2"))
    np.testing.assert_array_equal(table.values, [[2, 0], [0, 1], [0, 1]])
    assert table.groups[0].genes == ("CD81",)  # by accession, from HGNC
    _, removed = remove_unwanted(table)
    assert (removed.decoys, removed.contaminants, removed.kept) == (1, 1, 1)
    assert table.notes[0].message == "1 of 5 spectra name no protein and are left out."


def test_mztab(write) -> None:
    rows = [
        ["MTD", "mzTab-version", "1.0.0"],
        ["MTD", "assay[1]-ms_run_ref", "ms_run[1]"],
        ["MTD", "ms_run[1]-location", "file:///data/one.mzML"],
        ["PRH", "accession", "species", "ambiguity_members", *(f"protein_abundance_assay[{i}]" for i in (1, 2))],
        ["PRT", "P60033", "Homo sapiens", "null", "5.5", "null"],
    ]
    table = read_protein_table(write(rows))
    assert (table.software, table.samples) == ("mzTab", ("one", "assay[2]"))
    assert table.groups[0].species == ("HUMAN",)
    np.testing.assert_array_equal(table.values, [[5.5, np.nan]])
    renamed = [[c.replace("accession", "acc") for c in row] for row in rows]
    for broken in (rows[:3], renamed):
        with pytest.raises(UnreadableFile, match="protein section"):
            read_protein_table(write(broken))


def test_plain_matrix_leaves_statistics_out_and_judges_the_scale(write) -> None:
    rows = [["Gene", "s1", "s2", "p-value"], ["CD9", 25.5, 26.5, 0.01], ["CD63", 22.25, "", 0.2], ["CD9", 20, 21, 1]]
    table = read_protein_table(write(rows))
    assert table.log2
    assert table.samples == ("s1", "s2")
    assert [g.id for g in table.groups] == ["CD9", "CD63", "CD9 (2)"]
    assert {n.code for n in table.notes} == {"scale-judged", "duplicate-names", "columns-left-out", "columns-taken"}
    assert not read_protein_table(write(rows), log2=False).log2
    assert read_protein_table(write(rows), samples=["s2"]).samples == ("s2",)
    with pytest.raises(UnreadableFile, match="a column for the sample 's9'"):
        read_protein_table(write(rows), samples=["s9"])


def test_decimal_commas(write) -> None:
    rows = [["Gene", "s1", "s2"], ["CD9", "2500,5", "12,25"], ["CD63", "1,5e3", "7"]]
    np.testing.assert_array_equal(read_protein_table(write(rows, sep=";")).values, [[2500.5, 12.25], [1500, 7]])
    with pytest.raises(UnreadableFile, match="both: 1 with a point, 1 with a comma"):
        read_protein_table(write([["Gene", "s1"], ["CD9", "2500,55"], ["CD63", "1.5"]]))
    with pytest.raises(UnreadableFile, match=r"1,234, which may be 1234 or 1\.234"):
        read_protein_table(write([["Gene", "s1"], ["CD9", "1,234"]]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("Gene\ts1\n", "a header without rows"),
        ("Gene\ts1\ts2\nCD9\t1\t2\nCD63\t5", "line 3: expected 3 columns, found 2, on the last line.*cut off"),
        ("Gene\ts1\ts2\nCD9\t1\nCD63\t5\t6\n", "line 2: expected 3 columns, found 2.*moves the columns"),
        ("Gene\ts1\ts1\nCD9\t1\t2\n", "'s1' more than once"),
        ("Gene\ts1\nCD9\t-5\nCD63\t900\n", "no negative intensity"),
        ("Gene\ts1\nCD9\t\n", "columns of numbers"),
        ("nothing\tat all\n1\t2\n", "a column of accessions or gene symbols"),
        ("Gene\ts1\nCD9\t1\x00\n", "binary data"),
    ],
)
def test_bad_files_are_one_clear_error(tmp_path, text, message) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableFile, match=message):
        read_protein_table(path)


def test_a_word_among_the_values_names_line_and_column(write) -> None:
    rows = [["Gene", "s1"], ["CD9", 5], ["CD63", "lots"]]
    with pytest.raises(UnreadableFile, match=r"line 3, column 's1'.*found lots"):
        read_protein_table(write(rows), samples=["s1"])


def test_gzip_whole_and_cut_off(write, tmp_path) -> None:
    plain = write(MAXQUANT).read_bytes()
    packed = tmp_path / "t.txt.gz"
    packed.write_bytes(gzip.compress(plain))
    assert len(read_protein_table(packed).groups) == 5
    packed.write_bytes(gzip.compress(plain)[:-12])
    with pytest.raises(UnreadableFile, match="cut off or damaged"):
        read_protein_table(packed)


def test_damaged_workbook_and_missing_file(tmp_path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UnreadableFile, match="an XLSX workbook"):
        read_protein_table(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "x")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"x.txt", b"\xff.txt"))  # a name in the directory that is no text
    with pytest.raises(UnreadableFile, match="an XLSX workbook"):
        read_protein_table(path)
    path.write_bytes(whole)
    with pytest.raises(UnreadableFile, match="an XLSX workbook"):
        read_protein_table(path)
    with pytest.raises(UnreadableFile, match="Check the path"):
        read_protein_table(tmp_path / "none.tsv")


def test_join_refuses_a_sample_twice_and_mixed_kinds(write) -> None:
    one = read_protein_table(write([["Gene", "s1"], ["CD9", 500], ["CD63", 7]], name="a.tsv"))
    two = read_protein_table(write([["Gene", "s2"], ["CD81", 500], ["CD63", 9]], name="b.tsv"))
    joined = join_tables([one, two])
    np.testing.assert_array_equal(joined.values, [[500, np.nan], [7, 9], [np.nan, 500]])
    with pytest.raises(AnalysisError, match="'s1' is in two"):
        join_tables([one, one])
    counts = read_protein_table(write([["Gene", "s3"], ["CD81", 5]], name="c.tsv"), kind="psm-count")
    with pytest.raises(AnalysisError, match="one software and kind"):
        join_tables([one, counts])


def test_maxquant_top3_where_there_is_nothing_better_and_counts_keep_their_zeros(write) -> None:
    header = ["Majority protein IDs", "Fasta headers", "Top3 A", "Top3 B", "MS/MS count A", "MS/MS count B"]
    path = write([header, ["P60033", "", 5, 0, 3, 0]])
    assert read_protein_table(path).kind == "top3"
    counts = read_protein_table(path, kind="psm-count")
    assert counts.values.tolist() == [[3, 0]]


def test_fragpipe_contaminant_whose_prefix_stands_in_the_entry_alone(write) -> None:
    rows = [
        ["Protein", "Protein ID", "Entry Name", "Gene", "S1 Intensity"],
        ["sp|P60033|CD81_HUMAN", "P60033", "CD81_HUMAN", "CD81", 5],
        ["contam_sp|P04264|K2C1_HUMAN", "P04264", "K2C1_HUMAN", "KRT1", 5],
        ["rev_sp|Q9Y6K9|NEMO_HUMAN", "Q9Y6K9", "NEMO_HUMAN", "IKBKG", 5],
    ]
    _, removed = remove_unwanted(read_protein_table(write(rows)))
    assert (removed.contaminants, removed.decoys, removed.kept) == (1, 1, 1)


def test_spectronaut_ibaq_before_quantity_and_the_long_report(write) -> None:
    wide = [["PG.ProteinGroups", "PG.Genes", "[1] a.PG.IBAQ", "[1] a.PG.Quantity"], ["P60033", "CD81", 2, 4]]
    assert read_protein_table(write(wide)).kind == "ibaq"
    assert read_protein_table(write(wide), kind="intensity").values.tolist() == [[4]]
    long = [
        ["R.FileName", "PG.ProteinGroups", "PG.Genes", "PG.Quantity", "PG.Qvalue"],
        ["a.raw", "P60033", "CD81", "1000,5", "0,001"],
        ["b.raw", "P60033", "CD81", "2000,5", "0,2"],
    ]
    table = read_protein_table(write(long))
    assert (table.software, table.samples) == ("Spectronaut", ("a", "b"))
    assert table.values[0, 0] == 1000.5  # decimal commas
    assert np.isnan(table.values[0, 1])  # q value of 0.2


def test_proteome_discoverer_with_others_than_masters_is_said(write) -> None:
    header = ["Protein FDR Confidence: Combined", "Master", "Accession", "Abundance: F1: Sample"]
    rows = [["High", "IsMasterProtein", "P60033", 5], ["High", "None", "P21926", 5]]
    (note,) = [n for n in read_protein_table(write([header, *rows])).notes if n.code == "not-master"]
    assert note.message.startswith("column Master: 1 IsMasterProtein, 1 None;")
    assert not any(n.code == "not-master" for n in read_protein_table(write([header, rows[0]])).notes)


def test_symbols_that_look_like_accessions_are_symbols(write) -> None:
    rows = [["Gene", "s1"], ["H2BC15", 500], ["CD9", 600], ["CON__KRT1", 7]]
    groups = read_protein_table(write(rows)).groups
    assert [g.accessions for g in groups] == [(), (), ()]
    assert [g.contaminant for g in groups] == [False, False, True]
    both = read_protein_table(write([["Accession", "Gene", "s1"], ["P21926", "CD9", 600]])).groups
    assert (both[0].accessions, both[0].genes) == (("P21926",), ("CD9",))


def test_zeros_among_logarithms_are_gaps_but_zero_ratios_are_not(write) -> None:
    logged = read_protein_table(write([["Gene", "s1", "s2"], ["CD9", 25.5, 0], ["CD63", 22.25, 21.5]]))
    assert np.isnan(logged.values[0, 1])
    (note,) = [n for n in logged.notes if n.code == "zeros-in-logarithms"]
    assert note.message.startswith("1 zeros among log2 values taken as missing")
    ratios = read_protein_table(write([["Gene", "Log2 ratio 1"], ["CD9", -1.5], ["CD63", 0], ["CD81", 0.5]]))
    assert ratios.kind == "log-ratio"
    assert ratios.values[1, 0] == 0


def test_a_table_of_peptides_is_no_table_of_proteins(write) -> None:
    rows = [["Accession", "Peptide Sequence", "s1"], *(["P60033", f"PEP{i}", 5 + i] for i in range(4))]
    with pytest.raises(UnreadableFile, match="found one row per peptide: 4 rows for 1 proteins"):
        read_protein_table(write(rows))


def test_a_column_of_means_is_no_sample(write) -> None:
    rows = [["Gene", "ctrl_1", "ctrl_2", "ctrl", "ras_1"], ["CD9", 500, 700, 600, 9]]
    table = read_protein_table(write(rows))
    assert table.samples == ("ctrl_1", "ctrl_2", "ras_1")
    assert "columns of numbers not taken for samples: ctrl." in [n.message for n in table.notes]


def test_workbook(workbook) -> None:
    table = read_protein_table(workbook([["Gene", "s1", "s2"], ["CD9", 500, 7.5], ["CD63", 0, 9]]))
    np.testing.assert_array_equal(table.values, [[500, 7.5], [np.nan, 9]])
    with pytest.raises(UnreadableFile, match="expected a sheet 'other', found Sheet1"):
        read_protein_table(workbook([["Gene", "s1"], ["CD9", 500]]), sheet="other")


def test_a_sheet_with_a_cell_at_the_end_of_the_world_is_refused(workbook) -> None:
    path = workbook([["Gene", "s1"], ["CD9", 500]], stray="XFD1048576")
    with pytest.raises(UnreadableFile, match="at most 20000000 cells, found 17179869184"):
        read_protein_table(path)


def test_a_workbook_that_unpacks_without_end_is_refused_whatever_it_says(workbook, monkeypatch) -> None:
    monkeypatch.setattr("vesicula.cargo.protein.cells.MAX_BYTES", 200_000)
    honest = workbook([["Gene", "s1"], ["CD9", 500]], padding=300_000)
    assert honest.stat().st_size < 20_000
    with pytest.raises(UnreadableFile, match="at most 200000 bytes"):
        read_protein_table(honest)
    lying = bytearray(honest.read_bytes())
    with zipfile.ZipFile(honest) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    told = lying.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert told != lying
    honest.write_bytes(told)
    with pytest.raises(UnreadableFile, match="at most 200000 bytes"):
        read_protein_table(honest)


def test_real_tables(shared) -> None:
    breast = read_protein_table(shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv"))
    assert (breast.software, breast.kind, breast.values.shape) == ("MaxQuant", "lfq", (866, 12))
    msc = read_protein_table(shared("cargo/JaeinYoo12*/*.xlsx"))
    assert (msc.log2, msc.values.shape, msc.samples[0], msc.samples[-1]) == (True, (6043, 12), "HEK293_1", "MSC_9")
    turned = read_protein_table(shared("cargo/RyanJWallis*/MS3/*.xlsx"))
    assert (turned.values.shape, turned.samples[0]) == ((1229, 18), "RAS_CM_01")
    assert "gene-symbols-as-dates" in [n.code for n in turned.notes]
    perseus = read_protein_table(shared("cargo/RyanJWallis*/MS1/MS1.csv"), samples=["ctrl_1", "ras1_1"])
    assert (perseus.log2, perseus.values.shape) == (True, (569, 2))
    ratios = read_protein_table(shared("cargo/pariswu1988*/Tables/SI-1_Proteins.csv"))
    assert (ratios.kind, ratios.samples) == ("log-ratio", ("Log2 TMT 130/129", "Log2 TMT 131/129"))
