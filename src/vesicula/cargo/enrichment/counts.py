"""Negative-binomial test of counts by PyDESeq2, the Python implementation of DESeq2.

DESeq2: Love, Huber & Anders 2014, Genome Biol 15:550, doi 10.1186/s13059-014-0550-8. Shrinkage by apeglm: Zhu,
Ibrahim & Love 2019, Bioinformatics 35:2084. PyDESeq2: Muzellec et al. 2023, Bioinformatics 39:btad547. Bibliography
[from memory, unchecked]. This module checks what goes in, hands it over and names each number that comes back; a test
holds the results equal to a direct run.

One step is ours, and can be left out (``reference="normal"``). DESeq2 compares Wald's statistic with the normal
distribution, as if dispersions were known. They are estimates, drawn towards a trend: small p values come out too
small, and more calls are false than stated (docs/validation/cargo-statistics.md). By default the statistic is
therefore compared with Student's t of d + d0 degrees of freedom: d of the residuals, and d0 that the prior of the
dispersions is worth, from trigamma(d0 / 2) = the prior variance of their logarithms, since the logarithm of a
variance estimated with d degrees of freedom has the variance trigamma(d / 2) (Smyth 2004, Stat Appl Genet Mol Biol
3:3, whose moderated t adds degrees of freedom in the same way).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from vesicula.cargo.enrichment.design import Design
from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.measurement import FloatArray

METHOD = Citation(
    text="Love, Huber & Anders 2014, Genome Biol 15:550 (DESeq2), as implemented in PyDESeq2",
    doi="10.1186/s13059-014-0550-8",
    note="bibliography from memory, unchecked",
)
MISSING_EXTRA = (
    "the negative-binomial test needs PyDESeq2, which is not installed. Install it: "
    'pip install "vesicula[differential]"'
)
# At least so many counts in at least as many samples as the smaller condition has: the pre-filter that DESeq2's
# vignette recommends [from memory, unchecked]. It looks at no labels, so it does not bias the test.
MIN_COUNT = 10
Reference = Literal["t", "normal"]
TESTED, LOW_COUNT, OUTLIER, LOW_MEAN, NOT_FITTED = "tested", "low count", "outlier", "low mean", "not fitted"

# What PyDESeq2 warns of, by a part of its words, and how we say it.
_SAID = {
    "contains at least one zero": (
        "every miRNA is missing from some sample: size factors were estimated by DESeq2's iterative method, which is "
        "less sure than the usual median of ratios"
    ),
    "trend curve fitting did not converge": (
        "the dispersion shows no usual trend with the mean: the mean of all dispersions was used in its place"
    ),
    "residual degrees of freedom": (
        "three or fewer residual degrees of freedom: dispersions are poorly known, and the false discovery rate may be "
        "higher than it says"
    ),
    "NaN/infinite values during LFC shrinkage": "some miRNAs have no shrunken fold change",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountTest:
    """The comparison of two conditions by counts.

    Parameters
    ----------
    mirnas : tuple of str
        All rows given, also those not tested; the arrays below follow their order and are NaN where not known.
    design : Design
        Conditions, units and blocks.
    counts : numpy.ndarray
        Shape (mirnas, units). Whole numbers as tested, runs of a unit added up.
    size_factors : numpy.ndarray
        Shape (units,). Counts are divided by them.
    base_mean : numpy.ndarray
        Shape (mirnas,). Mean of counts over size factors.
    effect, error, low, high : numpy.ndarray
        Shape (mirnas,). log2 fold change, test over reference, its standard error, and the interval at 95 %, not
        adjusted for many tests.
    shrunk, shrunk_error, shrunk_low, shrunk_high : numpy.ndarray
        The same after shrinkage towards zero by a heavy-tailed prior (apeglm): for ranking. Posterior mode, and
        mode plus and minus 1.96 posterior standard deviations.
    statistic, p_value, adjusted_p : numpy.ndarray
        Wald's statistic, two-sided p, and p adjusted by Benjamini and Hochberg after DESeq2's independent filter.
    df : float
        Degrees of freedom of the t distribution that p and interval are from; infinite for the normal one.
    status : tuple of str
        ``"tested"``; ``"low count"`` where the pre-filter left it out; ``"outlier"`` where one sample dominates by
        Cook's distance; ``"low mean"`` where the independent filter left it out of the adjustment; ``"not fitted"``.
    notes : tuple of str
        What to know: filter, rounding, and what PyDESeq2 warned of.
    version : str
        Of PyDESeq2.
    """

    mirnas: tuple[str, ...]
    design: Design
    counts: FloatArray
    size_factors: FloatArray
    base_mean: FloatArray
    effect: FloatArray
    error: FloatArray
    low: FloatArray
    high: FloatArray
    shrunk: FloatArray
    shrunk_error: FloatArray
    shrunk_low: FloatArray
    shrunk_high: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    adjusted_p: FloatArray
    df: float
    status: tuple[str, ...]
    notes: tuple[str, ...]
    version: str

    def log2_normalised(self) -> FloatArray:
        """Return log2(count / size factor + 1/2), shape (mirnas, units), for drawing."""
        shown: FloatArray = np.log2(self.counts / self.size_factors + 0.5)
        return shown


def count_test(  # noqa: PLR0913 - each is a choice the user may make
    counts: FloatArray,
    mirnas: Sequence[str],
    samples: Sequence[str],
    design: Design,
    *,
    min_count: int = MIN_COUNT,
    min_samples: int | None = None,
    controls: Collection[str] = (),
    level: float = 0.05,
    shrink: bool = True,
    reference: Reference = "t",
    processes: int = 1,
) -> CountTest:
    """Compare two conditions, miRNA by miRNA, by DESeq2's negative-binomial model.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape (mirnas, samples). Reads, not normalised; fractions (reads shared out between miRNAs) are rounded to
        the nearest whole number, halves to even, after the runs of a unit were added up.
    mirnas, samples : sequence of str
        Names of rows and columns; each once.
    design : Design
        From :func:`vesicula.cargo.enrichment.design.build_design`: donor and batch are blocks of the model.
    min_count : int
        Rows with fewer counts than this in all but a few samples are not tested.
    min_samples : int, optional
        How many samples must reach `min_count`; by default the size of the smaller condition.
    controls : collection of str
        Rows that do not differ, such as spike-ins: size factors are taken from them alone.
    level : float
        False discovery rate for which the independent filter is chosen.
    shrink : bool
        Also shrink fold changes, which takes as long as the test itself.
    reference : {"t", "normal"}
        Distribution that Wald's statistic is held against; ``"normal"`` gives DESeq2's own p values and intervals.
    processes : int
        For PyDESeq2; 1 starts none.

    Returns
    -------
    CountTest
        Deterministic.

    Raises
    ------
    AnalysisError
        When PyDESeq2 is missing, the numbers are no counts, a sample is empty, or nothing is left to test.
    """
    library = _library()
    whole, notes = _prepared(counts, mirnas, samples, design)
    if min_samples is None:
        min_samples = min(design.conditions.count(c) for c in (design.test, design.reference))
    kept = (whole >= min_count).sum(axis=1) >= min_samples
    notes.append(
        f"Tested only where at least {min_samples} of {len(design.units)} samples have {min_count} counts or more: "
        f"{int(kept.sum())} of {len(mirnas)} miRNAs."
    )
    if kept.sum() < 3:
        raise AnalysisError(
            f"only {int(kept.sum())} miRNAs have {min_count} counts in {min_samples} samples; three are needed to "
            "learn how counts scatter. Sequence deeper, or lower the limit."
        )
    names = [m for m, k in zip(mirnas, kept, strict=True) if k]
    if unknown := sorted(set(controls) - set(names)):
        raise AnalysisError(f"control {unknown[0]!r} is not among the miRNAs that pass the filter on low counts")
    request = _Request(
        counts=whole[kept], names=names, design=design, controls=sorted(controls), level=level, shrink=shrink,
        processes=processes,
    )  # fmt: skip
    found, said = _run(library, request)
    notes += said
    if reference == "t":
        _student(found, len(design.units) - design.matrix.shape[1])
    return _placed(found, whole, kept, mirnas, design, notes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Request:
    counts: FloatArray
    names: list[str]
    design: Design
    controls: list[str]
    level: float
    shrink: bool
    processes: int


def _library() -> SimpleNamespace:
    """Import PyDESeq2, quietly, and what it brings: pandas, and threadpoolctl (of scikit-learn)."""
    parts = {
        "dds": "pydeseq2.dds", "ds": "pydeseq2.ds", "inference": "pydeseq2.default_inference", "pandas": "pandas",
        "threads": "threadpoolctl",
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SimpleNamespace(**{name: import_module(module) for name, module in parts.items()})
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "pydeseq2":
            raise AnalysisError(f"PyDESeq2 cannot be loaded ({error}): install it again") from error
        raise AnalysisError(MISSING_EXTRA) from None


def _student(found: dict[str, Any], residual_df: int) -> None:
    """Replace p, adjusted p and the degrees of freedom by those of Student's t."""
    from scipy.special import stdtr

    df = residual_df + prior_df(found["prior_variance"])
    p = 2.0 * stdtr(df, -np.abs(found["statistic"]))
    p[np.isnan(found["p_value"])] = np.nan
    kept = np.isfinite(found["adjusted_p"])
    adjusted = np.full(len(p), np.nan)
    adjusted[kept] = benjamini_hochberg(p[kept])
    found.update(p_value=p, adjusted_p=adjusted, df=df)


def prior_df(variance: float) -> float:
    """Return the degrees of freedom of a variance estimate whose logarithm has this variance.

    Parameters
    ----------
    variance : float
        Positive.

    Returns
    -------
    float
        The d for which trigamma(d / 2) is `variance`.
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    return 2.0 * float(brentq(lambda half: float(polygamma(1, half)) - variance, 1e-6, 1e9))


def _prepared(
    counts: FloatArray, mirnas: Sequence[str], samples: Sequence[str], design: Design
) -> tuple[FloatArray, list[str]]:
    """Check that these are counts, add up the runs of each unit, and round."""
    if counts.ndim != 2 or counts.shape != (len(mirnas), len(samples)):
        shape = f"{len(mirnas)} miRNAs and {len(samples)} samples"
        raise AnalysisError(f"counts of shape {counts.shape} do not fit {shape}")
    for what, given in (("miRNA", mirnas), ("sample", samples)):
        if len(set(given)) < len(given):
            twice = next(n for n in given if list(given).count(n) > 1)
            raise AnalysisError(f"{what} {twice!r} is there twice: each must be there once")
    if absent := [r for runs in design.runs for r in runs if r not in samples]:
        raise AnalysisError(f"sample {absent[0]!r} of the design has no counts")
    place = {s: j for j, s in enumerate(samples)}
    used = counts[:, [place[r] for runs in design.runs for r in runs]]
    _check_counts(used, mirnas)
    summed = np.column_stack([counts[:, [place[r] for r in runs]].sum(axis=1) for runs in design.runs])
    whole = np.rint(summed)
    notes = []
    if (fractional := int((whole != summed).sum())) > 0:
        notes.append(
            f"{fractional} of {summed.size} counts are fractions (reads shared between miRNAs) and were rounded: the "
            f"sum changed by {100 * abs(whole.sum() / summed.sum() - 1):.2g} %."
        )
    if any(len(runs) > 1 for runs in design.runs):
        notes.append("Runs of one biological sample were added up.")
    empty = [u for u, total in zip(design.units, whole.sum(axis=0), strict=True) if total == 0]
    if empty:
        raise AnalysisError(f"sample {empty[0]!r} has no counts at all: leave it out of the sample sheet")
    return whole, notes


def _check_counts(used: FloatArray, mirnas: Sequence[str]) -> None:
    bad = ~np.isfinite(used) | (used < 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise AnalysisError(
            f"{mirnas[row]!r}: {used[row, column]:g} is no count. Counts are 0 or more; give reads, not logarithms, "
            "and 0 where none was found"
        )
    totals = used.sum(axis=0)
    if used.shape[1] > 1 and np.ptp(totals) < 1e-4 * totals.mean() and np.any(used != np.rint(used)):
        raise AnalysisError(
            f"every sample adds up to {totals.mean():,.0f}: these are normalised values (such as counts per million), "
            "not counts. The model needs the counts themselves, for their size says how sure they are"
        )


def _run(library: SimpleNamespace, request: _Request) -> tuple[dict[str, Any], list[str]]:
    """Run PyDESeq2; return columns by name, and its warnings in our words."""
    pandas = library.pandas
    design = request.design
    units = list(design.units)
    # PyDESeq2 wants plain names for coefficients; ours hold spaces.
    names = [f"c{j}" for j in range(design.matrix.shape[1])]
    contrast = np.zeros(len(names))
    contrast[-1] = 1.0
    # One thread for linear algebra: its matrices are tiny, and threads that wait for one another cost six times the
    # time (measured with OpenBLAS on two cores).
    with library.threads.threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inference = library.inference.DefaultInference(n_cpus=request.processes)
        try:
            fitted = library.dds.DeseqDataSet(
                counts=pandas.DataFrame(request.counts.T.astype(np.int64), index=units, columns=request.names),
                metadata=pandas.DataFrame({"condition": list(design.conditions)}, index=units),
                design=pandas.DataFrame(design.matrix, index=units, columns=names),
                control_genes=request.controls or None,
                inference=inference,
                quiet=True,
            )
            fitted.deseq2()
            tested = library.ds.DeseqStats(
                fitted, contrast=contrast, alpha=request.level, inference=inference, quiet=True
            )
            tested.summary()
        except (ValueError, KeyError, IndexError, RuntimeError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise AnalysisError(
                f"PyDESeq2 could not fit the model ({type(error).__name__}: {error}). Look for samples with hardly any "
                "counts, and leave them out"
            ) from error
        table = tested.results_df.copy()
        shrunk = _shrunk(tested, names[-1] if request.shrink else None)
    outlier = np.asarray(fitted.var["_pvalue_cooks_outlier"], dtype=bool)
    found = {
        "base_mean": table["baseMean"], "effect": table["log2FoldChange"], "error": table["lfcSE"],
        "statistic": table["stat"], "p_value": table["pvalue"], "adjusted_p": table["padj"],
        "shrunk": shrunk[0], "shrunk_error": shrunk[1],
    }  # fmt: skip
    columns: dict[str, Any] = {k: np.asarray(v, dtype=float) for k, v in found.items()}
    columns["outlier"] = outlier
    columns["prior_variance"] = float(fitted.uns["prior_disp_var"])
    columns["df"] = np.inf
    columns["size_factors"] = np.asarray(fitted.obs["size_factors"], dtype=float)
    notes = _in_our_words([w for w in caught if issubclass(w.category, UserWarning)])
    if replaced := int(np.asarray(fitted.var["replaced"], dtype=bool).sum()):
        notes.append(f"In {replaced} miRNAs a single count was far off and was replaced (DESeq2, Cook's distance).")
    if outlier.any():
        notes.append(f"{int(outlier.sum())} miRNAs are not judged: one sample alone makes them (Cook's distance).")
    if request.shrink and not np.isfinite(columns["shrunk"]).any():
        notes.append("Fold changes could not be shrunk.")
    return columns, notes


def _shrunk(tested: Any, coefficient: str | None) -> tuple[FloatArray, FloatArray]:  # noqa: ANN401 - an untyped package
    """Return shrunken log2 fold changes and their errors; NaN where not asked for or the prior cannot be fitted."""
    nothing = np.full(len(tested.results_df), np.nan)
    if coefficient is None:
        return nothing, nothing
    try:
        tested.lfc_shrink(coefficient)
    except (ValueError, RuntimeError, ArithmeticError, np.linalg.LinAlgError):
        return nothing, nothing
    table = tested.results_df
    return np.asarray(table["log2FoldChange"], dtype=float), np.asarray(table["lfcSE"], dtype=float)


def _in_our_words(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    notes: dict[str, None] = {}
    for warning in caught:
        words = str(warning.message)
        ours = next((said for part, said in _SAID.items() if part in words), f"PyDESeq2 warns: {words}")
        notes[f"{ours[0].upper()}{ours[1:]}."] = None
    return list(notes)


def _placed(
    found: dict[str, Any],
    whole: FloatArray,
    kept: np.ndarray[Any, np.dtype[np.bool_]],
    mirnas: Sequence[str],
    design: Design,
    notes: list[str],
) -> CountTest:
    """Put the rows that were tested back among all rows."""
    from importlib.metadata import version

    from scipy.special import ndtri, stdtrit

    place = np.flatnonzero(kept)

    def full(name: str) -> FloatArray:
        out = np.full(len(mirnas), np.nan)
        out[place] = found[name]
        return out

    p, adjusted = full("p_value"), full("adjusted_p")
    status = np.full(len(mirnas), LOW_COUNT, dtype=object)
    status[place] = TESTED
    status[kept & np.isnan(adjusted)] = LOW_MEAN
    status[kept & np.isnan(p)] = NOT_FITTED
    status[place[found["outlier"]]] = OUTLIER
    effect, error, shrunk, shrunk_error = (full(n) for n in ("effect", "error", "shrunk", "shrunk_error"))
    size_factors: FloatArray = found["size_factors"]
    df = float(found["df"])
    wide = float(stdtrit(df, 0.975)) if np.isfinite(df) else float(ndtri(0.975))
    return CountTest(
        mirnas=tuple(mirnas),
        design=design,
        counts=whole,
        size_factors=size_factors,
        base_mean=(whole / size_factors).mean(axis=1),
        effect=effect,
        error=error,
        low=effect - wide * error,
        high=effect + wide * error,
        shrunk=shrunk,
        shrunk_error=shrunk_error,
        shrunk_low=shrunk - ndtri(0.975) * shrunk_error,
        shrunk_high=shrunk + ndtri(0.975) * shrunk_error,
        statistic=full("statistic"),
        p_value=p,
        adjusted_p=adjusted,
        df=df,
        status=tuple(str(s) for s in status),
        notes=tuple(notes),
        version=version("pydeseq2"),
    )
