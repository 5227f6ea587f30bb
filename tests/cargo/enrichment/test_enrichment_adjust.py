from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.stats import chi2

from vesicula.cargo.enrichment.adjust import DEBRIS, MEDIUM, Source, _nonnegative, adjust_profile, largest_share
from vesicula.core.errors import AnalysisError

MEDIUM_PART, DEBRIS_PART, READS = 0.15, 0.10, 100_000


def mixture(rng: np.random.Generator, *, markers: int = 12, scatter: float = 0.1, parts=(MEDIUM_PART, DEBRIS_PART)):
    """Reads of vesicles, medium and debris, whose markers are the first and second dozen; the truth with them."""
    vesicle, medium, debris = np.exp(rng.normal(0, 2, (3, 200)))
    vesicle[: 2 * markers] = medium[markers : 2 * markers] = debris[:markers] = 0
    vesicle, medium, debris = (p / p.sum() for p in (vesicle, medium, debris))
    own = vesicle * READS * (1 - sum(parts))
    noise = rng.gamma(1 / scatter, scatter, (2, 200))
    reads = rng.poisson(own + READS * (parts[0] * medium * noise[0] + parts[1] * debris * noise[1])).astype(float)
    names = [f"m{i}" for i in range(200)]
    sources = [
        Source(name=MEDIUM, counts=rng.poisson(medium * READS).astype(float), markers=tuple(names[:markers])),
        Source(name=DEBRIS, counts=rng.poisson(debris * READS).astype(float),
               markers=tuple(names[markers : 2 * markers])),
    ]  # fmt: skip
    return reads, names, sources, own


def test_intervals_cover_what_was_put_in() -> None:
    rng = np.random.default_rng(1)
    covered, molecules, ratios = [], [], []
    for seed in range(100):
        reads, names, sources, own = mixture(rng)
        found = adjust_profile(reads, names, sources, draws=200, seed=seed)
        truth = [s * READS / reads.sum() for s in (MEDIUM_PART, DEBRIS_PART)]
        covered += [p.share_low <= t <= p.share_high for p, t in zip(found.parts, truth, strict=True)]
        ratios += [p.share / t for p, t in zip(found.parts, truth, strict=True)]
        molecules.append(((found.low <= own) & (own <= found.high))[own > 20].mean())
    assert 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200) < np.mean(covered) <= 1
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert 0.92 < np.mean(molecules) < 0.98


def test_nothing_foreign_leaves_the_profile_as_it_is() -> None:
    rng = np.random.default_rng(2)
    reads, names, sources, _ = mixture(rng, parts=(0.0, 0.0))
    found = adjust_profile(reads, names, sources, draws=50)
    np.testing.assert_array_equal(found.vesicle, reads)
    assert [p.share for p in found.parts] == [0, 0]


def test_all_foreign_leaves_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    reads, names, sources, _ = mixture(rng, parts=(0.6, 0.4), scatter=0.01)
    found = adjust_profile(reads, names, sources, draws=50)
    assert found.vesicle.sum() < 0.12 * reads.sum()
    assert sum(p.share for p in found.parts) > 0.9
    assert all(p.share_high <= 1 for p in found.parts)


def test_one_source_alone_deterministic_and_says_what_it_assumes() -> None:
    reads, names, sources, _ = mixture(np.random.default_rng(4))
    first, second = (adjust_profile(reads, names, sources[1:], draws=60, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)
    assert first.parts == second.parts
    assert any("cannot be told from cargo by the cells' profile alone" in a for a in first.assumed)
    assert np.all((first.low <= first.vesicle) & (first.vesicle <= first.high) & (first.vesicle <= reads))
    assert np.all(first.high[12:24] == 0)


def test_without_markers_there_is_but_an_upper_limit() -> None:
    """The scarcest molecule relative to the control rules; exact Poisson limits by chi square."""
    counts, control = np.array([50.0, 900.0, 100.0]), np.array([100.0, 100.0, 0.0])
    tail = 0.05 / 4
    scale = chi2.ppf(1 - tail, 2 * 51) / 2 / (chi2.ppf(tail, 200) / 2)
    assert largest_share(counts, control) == pytest.approx(scale * 200 / 1050, rel=1e-9)
    rng, below = np.random.default_rng(5), []
    for _ in range(60):
        reads, _, sources, _ = mixture(rng, scatter=1e-3)
        below.append(largest_share(reads, sources[1].counts) >= DEBRIS_PART)
    assert np.mean(below) > 0.9
    with pytest.raises(AnalysisError, match="without reads"):
        largest_share(counts, np.zeros(3))


def test_non_negative_scales_are_those_of_scipy() -> None:
    rng = np.random.default_rng(8)
    for columns in (1, 2):
        for _ in range(200):
            x, y = rng.normal(size=(6, columns)), rng.normal(size=6)
            ours = _nonnegative((x.T @ x)[None], (x.T @ y)[None])[0]
            np.testing.assert_allclose(ours, nnls(x, y)[0], atol=1e-10)


def test_what_cannot_be_answered_says_why() -> None:
    reads, names, (medium, debris), _ = mixture(np.random.default_rng(6))
    few = Source(name=MEDIUM, counts=medium.counts, markers=medium.markers[:2])
    with pytest.raises(AnalysisError, match="medium: 2 markers with"):
        adjust_profile(reads, names, [few])
    unknown = Source(name=MEDIUM, counts=medium.counts, markers=("x", *medium.markers))
    with pytest.raises(AnalysisError, match="marker 'x' is not among"):
        adjust_profile(reads, names, [unknown])
    both = Source(name=DEBRIS, counts=medium.counts, markers=medium.markers)
    with pytest.raises(AnalysisError, match="marker of both"):
        adjust_profile(reads, names, [medium, both])
    with pytest.raises(AnalysisError, match="200 counts, each 0 or more"):
        adjust_profile(-reads, names, [medium])
    with pytest.raises(AnalysisError, match="one or two sources"):
        adjust_profile(reads, names, [medium, debris, debris])
