"""Real tables with their authors' statistics; skipped where they are not beside the repository."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.enrichment import Design, SampleInfo, build_design, judge_missing, moderated_test
from vesicula.cargo.enrichment.counts import count_test
from vesicula.cargo.enrichment.read_counts import read_counts
from vesicula.core.errors import AnalysisError

FAT = "cargo/jdreyf__fat-exosome-microrna"
PURITY = "cargo/WangHYLab__exosomePurity/testdata/01cancer_healthy_cellline_derived_count_exosomes"
Found = Callable[[str], Path]


def table(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    with path.open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return head[1:], [r[0] for r in rows], np.array([[float(x) for x in r[1:]] for r in rows])


def delta_ct(shared: Found) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Return samples, miRNAs, U6's Ct less each miRNA's, and which values are censored."""
    samples, names, ct = table(shared(f"{FAT}/Ct_tables/human-Ct.csv"))
    control = names.index("Human U6 snRNA")
    kept = [i for i in range(len(names)) if i != control]
    return samples, [names[i] for i in kept], (ct[control] - ct)[kept], (ct >= 40)[kept]


def three_groups(samples: list[str], effect_of: str) -> Design:
    """One mean a group, variance pooled over all three, as the authors' model has it."""
    groups = [s.rstrip("0123456789") for s in samples]
    other = ({"HIV", "PT"} - {effect_of}).pop()
    columns = [np.ones(12), *(np.array([float(g == name) for g in groups]) for name in (other, effect_of))]
    return Design(
        test=effect_of, reference="control", units=tuple(samples), conditions=tuple(groups),
        columns=("intercept", other, effect_of), matrix=np.column_stack(columns), runs=tuple((s,) for s in samples),
        blocks=(),
    )  # fmt: skip


@pytest.mark.parametrize(("file", "group"), [("ST2_HIVvsCon-stats.csv", "HIV"), ("ST3_CGLvsCon-stats.csv", "PT")])
def test_equals_the_authors_limma_on_exosomal_mirna_by_qpcr(shared: Found, file: str, group: str) -> None:
    """572 miRNAs, 12 patients: effect, p and adjusted p to the last digits that rounding leaves."""
    samples, names, values, _ = delta_ct(shared)
    columns, rows, numbers = table(shared(f"{FAT}/Supplemental_tables/{file}"))
    assert [c.partition(".")[2] for c in columns] == ["p", "FDR", "logFC", "FC"]
    theirs = dict(zip(rows, numbers, strict=True))
    p, adjusted, effect, _ = np.array([theirs[n] for n in names]).T
    found = moderated_test(values, three_groups(samples, group))
    np.testing.assert_allclose(found.fit.effect, effect, atol=1e-12)
    np.testing.assert_allclose(found.p_value, p, rtol=1e-11)
    np.testing.assert_allclose(found.adjusted_p, adjusted, rtol=1e-11)


def test_what_was_censored_above_40_cycles_is_seen_and_most_of_the_authors_calls_rest_on_it(shared: Found) -> None:
    """A value of 40 stands for "not seen": taken as missing, strong miRNAs hardly ever are, weak ones often."""
    samples, names, values, censored = delta_ct(shared)
    observed = np.where(censored, np.nan, values)
    info = [SampleInfo(sample=s, condition=s.rstrip("0123456789")) for s in samples]
    design = build_design(info, test="PT", reference="control")
    columns = [samples.index(u) for u in design.units]
    missing = judge_missing(observed[:, columns], design)
    assert censored.mean() == pytest.approx(0.275, abs=0.001)
    assert missing.mechanism in {"not at random", "mixed"}
    assert missing.slope < 0
    _, rows, numbers = table(shared(f"{FAT}/Supplemental_tables/ST3_CGLvsCon-stats.csv"))
    theirs = {n for n, row in zip(rows, numbers, strict=True) if row[1] < 0.05}
    touched = [n for n, c in zip(names, censored[:, columns], strict=True) if n in theirs and c.any()]
    assert (len(theirs), len(touched)) == (97, 59)
    found = moderated_test(observed[:, columns], design)
    ours = {n for n, q in zip(names, found.adjusted_p, strict=True) if q < 0.05}
    sign = dict(zip(rows, np.sign(numbers[:, 2]), strict=True))
    both = ours & theirs
    assert all(np.sign(found.fit.effect[names.index(n)]) == sign[n] for n in both)
    assert (len(ours), len(both)) == (56, 45)


def test_exosome_counts_of_cell_lines_run_end_to_end(shared: Found) -> None:
    """Twelve libraries of one study in two arbitrary halves of alternating samples: hardly anything may differ.

    The table names no groups, so there is no answer to find; what differs between halves drawn at will is false.
    """
    path = shared(f"{PURITY}/cancer_cellline_derived_exosomes2.csv")
    read = read_counts(path)
    assert (len(read.mirnas), len(read.samples)) == (2652, 12)
    info = [SampleInfo(sample=s, condition="odd" if i % 2 else "even") for i, s in enumerate(read.samples)]
    found = count_test(read.counts, read.mirnas, read.samples, build_design(info, test="odd", reference="even"),
                       min_count=200, shrink=False)  # fmt: skip
    assert found.status.count("tested") > 30
    assert (found.adjusted_p[np.isfinite(found.adjusted_p)] < 0.05).sum() <= 2


def pools(shared: Found, every: int) -> tuple[dict[str, tuple[str, str]], list[str], list[str], np.ndarray]:
    """Return (series, amount) of each sample, and some of 286 synthetic miRNAs: name, subpool, counts."""
    import polars as pl

    long = pl.read_csv(shared("cargo/lpantano__isomiRs/derived/dat286.tsv.gz"), separator="\t")
    about = {s: (series, amount) for s, series, amount in long.select("SampleID", "Series", "Amount").unique().rows()}
    sums = long.group_by("miRNA", "Subpool", "SampleID").agg(pl.col("reads").sum())
    wide = sums.pivot("SampleID", index=["miRNA", "Subpool"], values="reads").fill_null(0).sort("miRNA")[::every]
    counts = wide.select(sorted(about)).to_numpy().astype(float)
    return about, wide["miRNA"].to_list(), wide["Subpool"].to_list(), counts


def library(sample: str) -> int:
    """Return the number of the library; libraries 1 to 20, 21 to 40 and from 41 on were made apart."""
    return int(sample.partition("_S")[2].partition("_")[0])


def test_known_ratios_of_synthetic_mirna_come_out(shared: Found) -> None:
    """Pool A holds subpools A to D 1:1 to 1:1000, pool B the other way round: differences of 1000, 10, 1/10, 1/1000.

    No miRNA is unchanged, so the zero of fold changes is arbitrary, as the command warns; steps between subpools
    are not.
    """
    about, mirnas, subpools, counts = pools(shared, 1)
    info = [SampleInfo(sample=s, condition=about[s][0]) for s in sorted(about) if library(s) < 20]
    design = build_design(info, test="RatioA", reference="RatioB")
    found = count_test(counts, mirnas, sorted(about), design, shrink=False)
    parts = [found.effect[[s == p for s in subpools]] for p in "ABCD"]
    parts = [e[np.isfinite(e)] for e in parts]
    medians = np.array([np.median(e) for e in parts])
    # Three standard errors of a difference of medians, from the scatter between miRNAs of one subpool.
    error = np.array([1.2533 * e.std(ddof=1) / np.sqrt(len(e)) for e in parts])
    allowed = 3 * np.hypot(error[1:], error[:-1])
    assert (allowed < 1).all()
    assert (np.abs(np.diff(medians) + 2 * np.log2(10)) < allowed).all()
    assert abs(np.mean(medians)) < 2
    far = np.array([s in "AD" for s in subpools])
    # A thousandfold is called, though seven libraries leave Student's t fewer than nine degrees of freedom.
    assert (found.adjusted_p[far] < 1e-3).all()


def test_same_pool_in_two_halves_differs_in_nothing_once_batches_are_blocks(shared: Found) -> None:
    """Eight libraries of one pool, from three batches: halves drawn across batches do not differ."""
    about, mirnas, _, counts = pools(shared, 3)
    same = sorted((s for s, a in about.items() if a == ("Equi", "10 fmoles")), key=library)
    info = [
        SampleInfo(sample=s, condition="ab"[i % 2], batch=str(library(s) > 20) + str(library(s) > 40))
        for i, s in enumerate(same)
    ]
    found = count_test(counts, mirnas, sorted(about), build_design(info, test="b", reference="a"), shrink=False)
    assert found.design.blocks == ("batch",)
    assert np.isfinite(found.adjusted_p).sum() > 80
    assert not (found.adjusted_p < 0.05).any()


def test_counts_per_million_of_the_same_study_are_refused(shared: Found) -> None:
    read = read_counts(shared("cargo/WangHYLab__exosomePurity/testdata/*/cancer_cellline_derived_cpm_exosomes2.csv"))
    info = [SampleInfo(sample=s, condition="odd" if i % 2 else "even") for i, s in enumerate(read.samples)]
    with pytest.raises(AnalysisError, match="adds up to 1,000,000: these are normalised"):
        count_test(read.counts, read.mirnas, read.samples, build_design(info, test="odd", reference="even"))


def test_isomir_counts_add_up_to_mirnas_and_are_read(shared: Found, tmp_path: Path) -> None:
    """mirtop's raw table has one row an isomiR: as it stands it is refused, for a miRNA has many rows."""
    from vesicula.core.errors import UnreadableFile

    path = shared("cargo/lpantano__isomiRs/inst/extra/mirtop/mirtop_rawData.tsv")
    with pytest.raises(UnreadableFile, match="each miRNA once"):
        read_counts(path, samples=("sample1", "sample2"))
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    total: dict[str, list[int]] = {}
    for row in rows:
        sums = total.setdefault(row["mir"], [0, 0])
        for j in range(2):
            sums[j] += int(row[f"sample{j + 1}"])
    lines = ["mirna\tsample1\tsample2", *(f"{n}\t{a}\t{b}" for n, (a, b) in total.items())]
    (tmp_path / "sums.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = read_counts(tmp_path / "sums.tsv")
    np.testing.assert_array_equal(read.counts, list(total.values()))
    info = [SampleInfo(sample=f"sample{j}", condition=f"c{j}") for j in (1, 2)]
    with pytest.raises(AnalysisError, match="at least two are needed"):
        build_design(info, test="c2", reference="c1")
