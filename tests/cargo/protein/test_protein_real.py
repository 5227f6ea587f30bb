"""Real tables against what their authors published. What cannot be compared is said in docs/validation/proteome.md."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from vesicula.cargo.enrichment import (
    SampleInfo,
    absent_from_one,
    build_design,
    judge_missing,
    moderated_test,
    over_represented,
)
from vesicula.cargo.protein import ProteinTable, join_tables, read_protein_table
from vesicula.cargo.protein.analyse import analyse_proteome
from vesicula.cargo.protein.lists import msc_signature
from vesicula.cargo.protein.misev import CATEGORIES, markers_of_group, purity
from vesicula.cargo.protein.names import genome, hgnc_of_group
from vesicula.mechanism.tables import load_tables

# Counts and shares of the authors, from mass_spectrometry_data_output and example_output, 2_value_counts/total/
# peptides/*_POOLS_123_Prot_Name.csv of the repository of Pedro Fortes Gonzalez (MIT): spectra that name P04114 (ApoB)
# and P02768 (albumin), three pools together, and their share in % of all pairs of spectrum and accession.
# ApoB has no line in the table of the immunoaffinity preparation: none was found.
MILK = {
    "exogag": (438, 2.1906571971591475, 435, 2.1756526958087425),
    "uc": (279, 1.7083027185892725, 61, 0.37349987754102376),
    "sec": (3, 0.021880242141346366, 12, 0.08752096856538547),
    "id_cd9": (0, 0.0, 70, 0.6255585344057194),
}


def method_of(sample: str) -> str:
    return next(m for m in MILK if m in sample.lower())


def test_milk_counts_of_apob_and_albumin_are_the_authors(milk) -> None:
    for method, (apob, apob_percent, albumin, albumin_percent) in MILK.items():
        columns = [j for j, s in enumerate(milk.samples) if method_of(s) == method]
        assert len(columns) == 3
        counts = milk.values[:, columns].sum(axis=1)
        # Their pairs: an accession is counted with each isoform, which our groups hold in their id.
        pairs = float(np.array([len(g.id.split(":")) for g in milk.groups]) @ counts)
        for accession, count, percent in (("P04114", apob, apob_percent), ("P02768", albumin, albumin_percent)):
            ours = sum(
                float(n)
                for g, n in zip(milk.groups, counts, strict=True)
                if any(part.split("|")[0] == accession for part in g.id.split(":"))
            )
            assert ours == count
            assert 100 * ours / pairs == pytest.approx(percent, rel=1e-12)


def test_milk_purity_orders_the_methods_as_the_authors_counts_do(milk) -> None:
    by_method: dict[str, list[tuple[float, float]]] = {}
    for sample in purity(milk):
        assert sample.apob_share is not None
        assert sample.albumin_share is not None
        by_method.setdefault(method_of(sample.sample), []).append((sample.apob_share, sample.albumin_share))
    for k, percent in ((0, 1), (1, 3)):
        ours = {m: float(np.mean([row[k] for row in rows])) for m, rows in by_method.items()}
        order = sorted(ours, key=lambda m: -ours[m])
        assert order == sorted(MILK, key=lambda m: -MILK[m][percent])
    # Shares differ from theirs, since a spectrum counts once here and once per accession there, and pools weigh alike.
    assert ours["exogag"] == pytest.approx(0.0326, abs=0.0005)


def test_raw_milk_is_counted_as_its_authors_did(shared) -> None:
    """P02788 590, P05814 181, P02768 136 spectra (Raw_milk_POOLS_123_Prot_Name.csv of the same authors)."""
    first = shared("simulation/pedrofortes*/mass_spectrometry_data/Raw_milk_POOL_1.csv")
    milk = join_tables([read_protein_table(first.with_name(f"Raw_milk_POOL_{k}.csv")) for k in (1, 2, 3)])
    for accession, count in (("P02788", 590), ("P05814", 181), ("P02768", 136)):
        rows = [i for i, g in enumerate(milk.groups) if any(p.split("|")[0] == accession for p in g.id.split(":"))]
        assert milk.values[rows].sum() == count


@pytest.fixture
def breast(shared) -> tuple[ProteinTable, list[str], Path]:
    """Exosomes of MDA-MB-231 and MCF10A, three preparations of two runs each, and the authors' row names."""
    path = shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv")
    with path.open(encoding="utf-8") as file:
        names = [row["Protein IDs"] for row in csv.DictReader(file)]
    return read_protein_table(path), names, path.parents[1]


def breast_design(table: ProteinTable):
    info = [SampleInfo(sample=s, condition=s.split("_")[1], unit=s[3:-2]) for s in table.samples]
    return build_design(info, test="MDA", reference="MCF10")


def test_breast_complete_cases_give_the_correlations_that_the_authors_report(breast) -> None:
    """Their limma on complete cases against their limma on imputed values: r of t 0.997542161032277, of FDR 0.995957.

    From results/limma_robustness_metrics.csv of their repository (353 proteins). The table of complete cases itself is
    not published, but any error in our t or adjusted p of these 353 would move the correlations: they are reproduced
    to the last digits printed. (Of FDR: of its logarithm; of the plain values it would be 0.9834.)
    """
    table, names, folder = breast
    with (folder / "results" / "differential_expression_imputed.csv").open(encoding="utf-8") as file:
        theirs = {row[""]: row for row in csv.DictReader(file)}
    t, adjusted = (np.array([float(theirs[n][k]) for n in names]) for k in ("t", "adj.P.Val"))
    design = breast_design(table)
    values = design.average(table.log2_values(), table.samples)
    complete = np.isfinite(values).all(axis=1)
    assert complete.sum() == 353
    ours = moderated_test(values[complete], design)
    assert np.corrcoef(ours.t, t[complete])[0, 1] == pytest.approx(0.997542161032277, abs=1e-14)
    logs = np.corrcoef(np.log10(ours.adjusted_p), np.log10(adjusted[complete]))[0, 1]
    assert logs == pytest.approx(0.995956797366742, abs=1e-14)
    assert (ours.adjusted_p < 0.05).sum() > 0


def test_breast_missing_values_are_the_authors(breast) -> None:
    table, names, folder = breast
    design = breast_design(table)
    values = design.average(table.log2_values(), table.samples)
    found = np.isfinite(values)
    counts = {n: (int(f[:3].sum()), int(f[3:].sum())) for n, f in zip(names, found, strict=True)}
    with (folder / "data" / "missing_pattern_summary.csv").open(encoding="utf-8") as file:
        theirs = {r[""]: (int(r["Normal_count"]), int(r["Tumor_count"])) for r in csv.DictReader(file)}
    assert {n: c for n, c in counts.items() if max(c) >= 2} == theirs
    with (folder / "data" / "exclusive_3v0_proteins.csv").open(encoding="utf-8") as file:
        exclusive = {r[""] for r in csv.DictReader(file)}
    missing = judge_missing(values, design)
    assert missing.mechanism == "not at random"  # "abundance-dependent missingness", as they put it
    ours = {names[i] for i in absent_from_one(values, design, missing).rows}
    assert exclusive == {n for n, c in counts.items() if set(c) == {0, 3}}
    assert exclusive < ours  # ours asks for two of three


def test_senescence_differences_are_those_of_perseus(shared) -> None:
    """MS1: difference and p value (Student's t) stand in the table, rounded to four or five decimals."""
    path = shared("cargo/RyanJWallis*/MS1/MS1.csv")
    table = read_protein_table(path)
    assert table.samples == ("ctrl_1", "ctrl_2", "ctrl_3", "ras1_1", "ras1_2", "ras1_3")
    with path.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    theirs = np.array([float(r["log2 difference"]) for r in rows])
    log_p = np.array([float(r["-Log10 p-value"]) for r in rows])
    info = [SampleInfo(sample=s, condition=s.split("_")[0]) for s in table.samples]
    result = moderated_test(table.log2_values(), build_design(info, test="ras1", reference="ctrl"))
    np.testing.assert_allclose(result.fit.effect, theirs, atol=1e-4)  # values are printed to four decimals
    plain = result.fit.effect / (np.sqrt(result.fit.variance) * result.fit.unscaled_sd)
    np.testing.assert_allclose(-np.log10(2 * stats.t.sf(np.abs(plain), 4)), log_p, atol=5e-4)
    assert table.groups[int(np.argmax(result.fit.effect))].genes == ("HRAS",)  # by which senescence was induced
    # Moderated p values are another test, but the order of proteins is much the same.
    assert stats.spearmanr(result.p_value, -log_p)[0] > 0.9


def test_senescence_means_are_the_authors(shared) -> None:
    """MS3: means per condition of six proteins, from MS3/Summary Means MS3.csv of their repository."""
    table = read_protein_table(shared("cargo/RyanJWallis*/MS3/*.xlsx"))
    theirs = {
        "CD9": (33.4577, 30.3629333333333),
        "CD44": (35.1665, 34.2092),
        "C1S": (24.3454666666667, 27.8709333333333),
        "ADAM10": (32.0527333333333, 29.3939666666667),
        "ANPEP": (32.6329333333333, 29.7742666666667),
        "COL1A2": (31.439, 33.4580666666667),
    }
    info = [SampleInfo(sample=s, condition=s.rsplit("_", 1)[0]) for s in table.samples]
    result = moderated_test(
        build_design(info, test="RAS_F8", reference="STOP_F8").average(table.log2_values(), table.samples),
        build_design(info, test="RAS_F8", reference="STOP_F8"),
    )
    for gene, (senescent, control) in theirs.items():
        (row,) = [i for i, g in enumerate(table.groups) if g.genes == (gene,)]
        assert result.fit.effect[row] == pytest.approx(senescent - control, abs=1e-9)


def test_msc_against_hek_vesicles(shared) -> None:
    """No result of the authors is published but their formula: mean of MSC minus mean of HEK."""
    table = read_protein_table(shared("cargo/JaeinYoo12*/*.xlsx"))
    info = [SampleInfo(sample=s, condition=s.split("_")[0]) for s in table.samples]
    sets = {s.set_id: s.genes for s in load_tables() if s.origin == "hallmark-7.0"}
    result = analyse_proteome(table, samples=info, contrast=("MSC", "HEK293"), gene_sets=sets)
    c = result.comparison
    assert c is not None
    assert c.missing.mechanism == "filled"  # filtered by condition before it was published
    tested = np.isfinite(c.moderated.p_value)
    both = table.values[tested]
    theirs = np.nanmean(both[:, 3:], axis=1) - np.nanmean(both[:, :3], axis=1)
    np.testing.assert_allclose(c.moderated.fit.effect[tested], theirs, atol=1e-12)
    # What MSC vesicles must hold (review B) is there, and the hallmark of mesenchyme leads those called.
    msc = table.select([s for s in table.samples if s.startswith("MSC")])
    present = msc.keep(np.flatnonzero(np.isfinite(msc.values).any(axis=1)).tolist())
    found = {m.marker for m in msc_signature(present) if m.of == "vesicle" and m.found}
    assert found == {"CD29", "CD44", "CD73", "CD90", "CD105"}
    assert c.called(1)[0].set_id == "HALLMARK_EPITHELIAL_MESENCHYMAL_TRANSITION"
    assert c.called(1)[0].adjusted_p < 1e-5


def test_skbr3_categories_follow_the_measured_enrichment(shared) -> None:
    """TMT ratios of two fractions of medium (Clark et al.), and the class a vector machine gave each protein.

    Categories 1 to 4 must lie in their order on the ratio, which no category table knows of; the authors' machine
    calls none of category 4 exosomal, and more than half of category 1.
    """
    path = shared("cargo/pariswu1988*/Tables/SI-1_Proteins.csv")
    table = read_protein_table(path)
    with path.open(encoding="utf-8") as file:
        classes = [row["SVM Classification"] for row in csv.DictReader(file)]
    ratio: dict[str, list[float]] = {c: [] for c in CATEGORIES}
    exosomal: dict[str, list[bool]] = {c: [] for c in CATEGORIES}
    for group, label, values in zip(table.groups, classes, table.values, strict=True):
        for category in {m.category for m in markers_of_group(group).values()}:
            ratio[category].append(float(values[0]))
            exosomal[category].append(label == "Exosome")
    medians = [float(np.nanmedian(ratio[c])) for c in "1234"]
    assert medians == sorted(medians, reverse=True)
    assert stats.mannwhitneyu(ratio["1"], ratio["4"], alternative="greater", nan_policy="omit").pvalue < 1e-6
    assert np.mean(exosomal["1"]) > 0.5
    assert sum(exosomal["4"]) == 0
    assert len(exosomal["4"]) > 20


def test_random_lists_of_measured_proteins_are_enriched_against_the_genome_alone(breast) -> None:
    """Hits drawn by lot differ in nothing: each gene set called is false."""
    table, _, _ = breast
    measured = sorted({n for n in (hgnc_of_group(g) for g in table.groups) if n is not None})
    sets = {s.set_id: s.genes for s in load_tables() if s.origin == "reactome"}
    rng = np.random.default_rng(20261121)
    called = {"measured": [], "genome": []}
    for _ in range(16):
        hits = set(rng.choice(measured, 100, replace=False).tolist())
        for name, background in (("measured", set(measured)), ("genome", genome() | set(measured))):
            called[name].append(sum(s.adjusted_p < 0.05 for s in over_represented(hits, background, sets)))
    # A draw with any set called is a false discovery: at most 5 % of 16 draws, and three standard errors.
    assert np.mean(np.array(called["measured"]) > 0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 16)
    assert min(called["genome"]) >= 10  # in every single draw
    assert np.median(called["genome"]) > 40
