"""What a comparison of counts says: sentences with the verdict first, JSON, and a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vesicula._version import __version__
from vesicula.cargo.enrichment.adjust import AdjustedProfile
from vesicula.cargo.enrichment.counts import METHOD, CountTest
from vesicula.cargo.enrichment.motifs import MotifResult
from vesicula.core.measurement import FloatArray

COLUMNS = (
    "mirna", "mean_normalised_count", "log2_fold_change", "low_95", "high_95", "shrunken_log2_fold_change",
    "shrunken_low_95", "shrunken_high_95", "statistic", "p_value", "adjusted_p_value", "status", "foreign_share",
)  # fmt: skip
FEW = 3  # calls that are met with caution; our choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """All that one run found.

    Parameters
    ----------
    test : CountTest
        The comparison.
    level : float
        False discovery rate.
    motifs : tuple of MotifResult
        Empty where no sequences were known.
    adjusted : tuple of tuple of (str, AdjustedProfile)
        Samples of the test condition without their foreign parts; empty where no markers were given.
    """

    test: CountTest
    level: float
    motifs: tuple[MotifResult, ...] = ()
    adjusted: tuple[tuple[str, AdjustedProfile], ...] = ()

    def side(self, sign: int) -> list[int]:
        """Return rows that are more (1) or less (-1) in the test condition, most certain first."""
        t = self.test
        changed = (np.nan_to_num(t.adjusted_p, nan=1.0) < self.level) & (np.sign(np.nan_to_num(t.effect)) == sign)
        return sorted(np.flatnonzero(changed).tolist(), key=lambda i: (t.p_value[i], -abs(t.effect[i]), t.mirnas[i]))

    def foreign(self) -> FloatArray:
        """Return, for each miRNA, the share of its reads that is foreign, over all adjusted samples; NaN if unknown."""
        out = np.full(len(self.test.mirnas), np.nan)
        if not self.adjusted:
            return out
        place = {m: i for i, m in enumerate(self.test.mirnas)}
        samples = [self.test.design.units.index(s) for s, _ in self.adjusted]
        own = np.zeros(len(out))
        for _, profile in self.adjusted:
            for molecule, reads in zip(profile.molecules, profile.vesicle, strict=True):
                if molecule in place:
                    own[place[molecule]] += reads
        total = self.test.counts[:, samples].sum(axis=1)
        out[total > 0] = np.clip(1 - own[total > 0] / total[total > 0], 0.0, 1.0)
        return out


def verdict_lines(found: Comparison) -> list[str]:
    """Return the verdict, most important first.

    Parameters
    ----------
    found : Comparison
        What was found.
    """
    t, design = found.test, found.test.design
    up, down = found.side(1), found.side(-1)
    tested = sum(s == "tested" for s in t.status)
    n = [design.conditions.count(c) for c in (design.test, design.reference)]
    lines = [
        (
            f"{len(up) + len(down)} of {tested} miRNAs tested differ between {design.test} and {design.reference} at a "
            f"false discovery rate of {100 * found.level:g} %: {len(up)} are more in {design.test}, {len(down)} less."
        )
    ]
    for rows, words in ((up, "more"), (down, "less")):
        if rows:
            lines.append(f"Surest of those that are {words}: {', '.join(_effect(t, i) for i in rows[:3])}.")
    blocks = f", {' and '.join(design.blocks)} as block" if design.blocks else ", no blocks"
    lines.append(f"{n[0]} {design.test} against {n[1]} {design.reference} samples{blocks}.")
    lines += _cautions(found, tested, len(up) + len(down), min(n))
    lines += [_motif_line(found.motifs)] if found.motifs else []
    lines += _foreign_lines(found)
    return lines


def reference_text(t: CountTest) -> str:
    """Return what the statistic was held against."""
    if np.isinf(t.df):
        return "normal distribution, as DESeq2 has it, which calls more than it states where samples are few"
    return (
        f"Student's t of {t.df:.1f} degrees of freedom ({len(t.design.units) - t.design.matrix.shape[1]} of the "
        "residuals, the rest from the prior of the dispersions); DESeq2 itself takes the normal distribution"
    )


def _effect(t: CountTest, i: int) -> str:
    return f"{t.mirnas[i]} (log2 {t.effect[i]:+.1f}, 95 % {t.low[i]:+.1f} to {t.high[i]:+.1f})"


def _cautions(found: Comparison, tested: int, changed: int, smallest: int) -> list[str]:
    lines = []
    if smallest < 4:
        lines.append(
            f"Caution: with {smallest} samples in a condition, how much miRNAs scatter is guessed from one another, "
            "and much of what differs is missed (docs/validation/cargo-statistics.md)."
        )
    if 0 < changed <= FEW:
        lines.append(
            "Caution: so few calls may be chance: where nothing differs, about one comparison in twenty has one "
            "(docs/validation/cargo-statistics.md)."
        )
    if changed > tested / 2:
        lines.append(
            "Caution: more than half of all miRNAs differ. Samples were scaled as if most did not; with spike-ins, "
            "name them with --control, or take fold changes as relative to the typical miRNA."
        )
    factors = found.test.size_factors
    if factors.max() > 20 * factors.min():
        lines.append(
            f"Caution: the largest size factor is {factors.max() / factors.min():.0f} times the smallest; what is rare "
            "can only be seen in the samples with many reads."
        )
    return lines


def _motif_line(motifs: Sequence[MotifResult]) -> str:
    sure = [m for m in motifs if m.adjusted_p < 0.05]
    names = ", ".join(m.motif.sequence for m in motifs)
    if not sure:
        return f"Sorting motifs: none of {names} is more frequent than families, GC content and length explain."
    said = ", ".join(f"{m.motif.sequence} ({m.fold:.1f}-fold, adjusted p {m.adjusted_p:.2g})" for m in sure)
    return f"Sorting motifs: {said} over-represented, of {names} tested."


def _foreign_lines(found: Comparison) -> list[str]:
    if not found.adjusted:
        return ["What medium and cell debris brought was not estimated: that needs a control and markers of each."]
    lines = []
    for j, part in enumerate(found.adjusted[0][1].parts):
        shares = [profile.parts[j] for _, profile in found.adjusted]
        worst = max(shares, key=lambda p: p.share)
        lines.append(
            f"Reads from {part.name}: {100 * min(p.share for p in shares):.2g} to {100 * worst.share:.2g} % of a "
            f"sample's; the most, {100 * worst.share:.2g} % (95 % {100 * worst.share_low:.2g} to "
            f"{100 * worst.share_high:.2g})."
        )
    mostly = [found.test.mirnas[i] for i in found.side(1) if found.foreign()[i] > 0.5]
    if mostly:
        lines.append(
            f"{len(mostly)} of the miRNAs called more are foreign by more than half, such as {', '.join(mostly[:3])}."
        )
    return lines


def rows_of(found: Comparison) -> list[tuple[object, ...]]:
    """Return the table, one row a miRNA in the order given, in the order of `COLUMNS`; None where not known."""
    t = found.test
    numbers = np.column_stack([
        t.base_mean, t.effect, t.low, t.high, t.shrunk, t.shrunk_low, t.shrunk_high, t.statistic, t.p_value,
        t.adjusted_p,
    ])  # fmt: skip
    foreign = found.foreign()
    return [
        (name, *(_plain(v) for v in numbers[i]), t.status[i], _plain(foreign[i])) for i, name in enumerate(t.mirnas)
    ]


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def json_report(found: Comparison) -> dict[str, Any]:
    """Return all that was found as plain JSON values."""
    t, d = found.test, found.test.design
    return {
        "vesicula": __version__,
        "verdict": verdict_lines(found),
        "method": {"text": METHOD.text, "doi": METHOD.doi, "pydeseq2": t.version, "reference": reference_text(t)},
        "compared": {"test": d.test, "reference": d.reference, "blocks": list(d.blocks), "units": list(d.units),
                     "conditions": list(d.conditions)},
        "false_discovery_rate": found.level,
        "size_factors": dict(zip(d.units, (float(x) for x in t.size_factors), strict=True)),
        "mirnas": [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(found)],
        "motifs": [asdict(m) for m in found.motifs],
        "foreign": [
            {"sample": sample, "dispersion": p.dispersion, "parts": [asdict(part) for part in p.parts],
             "assumed": list(p.assumed)} for sample, p in found.adjusted
        ],
        "notes": list(t.notes),
    }  # fmt: skip
