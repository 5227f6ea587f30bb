"""Properties that hold for every histogram."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from vesicula.core.measurement import Capture, SizeMeasurement, SourceFile
from vesicula.core.reference import ClassDefinition
from vesicula.instruments.nta.infer import DIAMETERS, QUANTITIES, StatisticsSettings, analyse_measurement

SETTINGS = StatisticsSettings()
SOURCE = SourceFile(name="drawn", sha256="", size_bytes=0)
RUN = settings(max_examples=40, deadline=None, derandomize=True)


@some.composite
def captures(draw, least=1, most=4):
    """Captures on one grid of 5-nm bins, with gaps, ties and single bins."""
    bins = draw(some.integers(1, 60))
    first = draw(some.integers(0, 40))
    out = []
    for i in range(draw(some.integers(least, most))):
        counts = draw(some.lists(some.integers(0, 30), min_size=bins, max_size=bins).filter(any))
        out.append(
            Capture(
                name=f"c{i}",
                bin_edges_nm=5.0 * np.arange(first, first + bins + 1),
                concentration_per_ml=np.array(counts) * 1e6,
                concentration_basis="diluted",
                tracks_used=sum(counts),
            )
        )
    return tuple(out)


def _analyse(captures, **options):
    m = SizeMeasurement(reader="drawn", instrument="", software="", source=SOURCE, captures=tuple(captures))
    return analyse_measurement(m, settings=SETTINGS, **options)


@RUN
@given(captures(), some.floats(0.05, 50))
def test_diameters_scale_with_the_bins(drawn, factor):
    scaled = [dataclasses.replace(c, bin_edges_nm=c.bin_edges_nm * factor) for c in drawn]
    before, after = _analyse(drawn), _analyse(scaled)
    for q in QUANTITIES:
        by = factor if q in DIAMETERS else 1.0
        a, b = before.estimates[q], after.estimates[q]
        # Of two equally high peaks rounding decides which is the mode.
        if q == "mode_diameter_nm" and any(len(d.peaks) > 1 for d in before.distributions):
            continue
        assert b.value == pytest.approx(a.value * by, rel=1e-6, abs=1e-9)
        if a.low is not None and q != "mode_diameter_nm":
            assert (b.low, b.high) == pytest.approx((a.low * by, a.high * by), rel=1e-5)


@RUN
@given(captures(), some.floats(1, 1e5))
def test_dilution_scales_the_concentration_and_nothing_else(drawn, factor):
    neat, diluted = _analyse(drawn, dilution_factor=1.0), _analyse(drawn, dilution_factor=factor)
    for q in QUANTITIES:
        by = factor if q == "concentration_per_ml" else 1.0
        assert diluted.estimates[q].value == pytest.approx(neat.estimates[q].value * by)
        assert diluted.standard_errors[q] == pytest.approx(neat.standard_errors[q] * by)


@RUN
@given(captures(), some.integers(2, 5))
def test_splitting_bins_changes_nothing_beyond_the_binning(drawn, parts):
    def split(c):
        fine = np.interp(np.arange(c.weights.size * parts + 1) / parts, np.arange(c.weights.size + 1), c.bin_edges_nm)
        return dataclasses.replace(
            c, bin_edges_nm=fine, concentration_per_ml=np.repeat(c.concentration_per_ml / parts, parts)
        )

    before, after = _analyse(drawn), _analyse([split(c) for c in drawn])
    for q in ("mean_diameter_nm", "median_diameter_nm", "d10_diameter_nm", "d90_diameter_nm", "span"):
        assert after.estimates[q].value == pytest.approx(before.estimates[q].value, rel=1e-6)
    assert after.estimates["concentration_per_ml"].value == pytest.approx(
        before.estimates["concentration_per_ml"].value
    )
    # Splitting adds the variance within the bin, at most width^2 / 12 (Sheppard's term).
    for a, b in zip(before.captures, after.captures, strict=True):
        gain = b.values["sd_diameter_nm"] ** 2 - a.values["sd_diameter_nm"] ** 2
        assert gain == pytest.approx(25 / 12 * (1 - 1 / parts**2), abs=1e-6)


@RUN
@given(captures(least=2, most=5), some.randoms(use_true_random=False))
def test_the_order_of_captures_does_not_matter(drawn, random):
    mixed = list(drawn)
    random.shuffle(mixed)
    before, after = _analyse(drawn), _analyse(mixed)
    for q in QUANTITIES:
        assert after.estimates[q].value == pytest.approx(before.estimates[q].value, rel=1e-12)
        assert after.standard_errors[q] == pytest.approx(before.standard_errors[q], rel=1e-9, abs=1e-12)
    assert after.distributions[-1].bin_low_nm == before.distributions[-1].bin_low_nm


@RUN
@given(captures(), some.integers(1, 60))
def test_estimates_lie_within_the_data_and_in_order(drawn, cut):
    classes = [
        ClassDefinition(id="low", review="", location="", name="", low_nm=0, high_nm=5.0 * cut, notes=""),
        ClassDefinition(id="high", review="", location="", name="", low_nm=5.0 * cut, high_nm=float("inf"), notes=""),
    ]
    result = _analyse(drawn, classes=classes)
    low, high = drawn[0].bin_edges_nm[0], drawn[0].bin_edges_nm[-1]
    for c in result.captures:
        v = c.values
        assert low <= v["d10_diameter_nm"] <= v["median_diameter_nm"] <= v["d90_diameter_nm"] <= high
        assert low <= v["mean_diameter_nm"] <= high
        assert v["mode_diameter_nm"] > 0
    for e in (*result.estimates.values(), *(f.estimate for f in result.class_fractions)):
        assert np.isfinite(e.value)
        if e.low is not None:
            assert 0 <= e.low <= e.value <= e.high
    assert sum(f.estimate.value for f in result.class_fractions) == pytest.approx(1)
    for f in result.class_fractions:
        assert f.estimate.high <= 1


@RUN
@given(captures())
def test_peaks_share_the_particles_out(drawn):
    for d in _analyse(drawn).distributions:
        sure = [p for p in d.peaks if p.significant]
        assert sure
        assert sum(p.fraction for p in sure) == pytest.approx(1, abs=1e-4)
        assert max(p.prominence for p in d.peaks) == pytest.approx(1)
        assert [p.diameter_nm for p in d.peaks] == sorted(p.diameter_nm for p in d.peaks)
