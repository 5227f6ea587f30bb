"""How rare a miRNA may be and still be seen at a given depth."""

from __future__ import annotations

PROBABILITY = 0.95
FEW = 10
"""Reads that many users ask of a miRNA before they call it present (a habit of the field, not a finding)."""


def reads_needed(at_least: int = 1, probability: float = PROBABILITY) -> float:
    """Return how many reads must be expected of a miRNA so that it gets at least so many with that probability.

    Reads are drawn from a Poisson distribution, so P(at least k) is the gamma distribution function of the expected
    number with shape k (a textbook identity). For one read and 95 % it is -ln 0.05 = 3.0; for ten reads 15.7. Copies
    made by PCR make the truth worse than Poisson wherever there are no UMIs.

    Parameters
    ----------
    at_least : int
        Reads that count as seen.
    probability : float
        Between 0 and 1.
    """
    from scipy.special import gammaincinv  # slow to import

    return float(gammaincinv(at_least, probability))


def detection_limit_rpm(mirna_reads: float, at_least: int = 1, probability: float = PROBABILITY) -> float | None:
    """Return the least abundance, in reads per million miRNA reads, that is seen with that probability.

    None where even the only miRNA of a sample would be missed (fewer reads than are needed).
    """
    needed = reads_needed(at_least, probability)
    return 1e6 * needed / mirna_reads if mirna_reads >= needed else None
