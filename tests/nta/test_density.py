"""Smoothing, bandwidth, mode and peaks."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given
from hypothesis import strategies as some

from vesicula.instruments.nta import density as de
from vesicula.instruments.nta.infer import StatisticsSettings
from vesicula.instruments.nta.statistics import histogram

SETTINGS = StatisticsSettings()


def _sampled(sizes, width=1.0):
    edges = np.arange(0.0, sizes.max() + 2 * width, width)
    return histogram(edges, np.histogram(sizes, edges)[0].astype(float), float(sizes.size))


def _normal(n=1000, mean=100.0, sd=10.0, seed=1):
    return np.random.default_rng(seed).normal(mean, sd, n)


@given(some.lists(some.integers(0, 6), min_size=1, max_size=60), some.integers(0, 4))
def test_local_maxima_are_those_of_scipy(values, least):
    y = np.array([0, *values, 0], dtype=float)
    index, found = scipy.signal.find_peaks(y, prominence=max(least, 1e-9))
    ours = de.local_maxima(y, max(least, 1e-9))
    assert [m.index for m in ours] == index.tolist()
    assert [m.prominence for m in ours] == found["prominences"].tolist()
    for m in ours:
        assert y[m.index] - y[m.base] == m.prominence


@pytest.mark.parametrize("bandwidth", [2.0, 15.0, 40.0])
def test_density_integrates_to_one_even_where_it_is_reflected(bandwidth):
    h = histogram(np.array([0.0, 5.0, 10.0, 40.0]), np.array([4.0, 1.0, 2.0]), 7.0)
    smooth = de.smooth(h, bandwidth)
    step = smooth.diameter_nm[1] - smooth.diameter_nm[0]
    assert smooth.density_per_nm.sum() * step == pytest.approx(1, abs=1e-5)
    assert smooth.diameter_nm.min() > 0


def test_smoothing_one_bin_gives_the_kernel():
    h = histogram(np.array([99.5, 100.5]), np.array([50.0]), 50.0)
    smooth = de.smooth(h, 8.0)
    expected = np.exp(-0.5 * ((smooth.diameter_nm - 100) / 8) ** 2) / (8 * np.sqrt(2 * np.pi))
    # Bin and cells are boxes of 1 and 2 nm: 1/12 and 4/12 nm^2 beside 64.
    assert smooth.density_per_nm == pytest.approx(expected, abs=0.01 * expected.max())
    assert smooth.mode_nm == pytest.approx(100, abs=1e-6)


def test_bandwidth_of_a_normal_sample_is_the_asymptotic_optimum():
    # The optimum for a normal density is (4 / 3)^(1/5) sigma n^(-1/5) (Silverman 1986, equation 3.28).
    found = [de.automatic_bandwidth(_sampled(_normal(2000, seed=s)), SETTINGS) for s in range(20)]
    assert np.mean(found) == pytest.approx((4 / 3) ** 0.2 * 10 * 2000**-0.2, rel=0.05)


def test_bandwidth_grows_less_with_the_distance_of_two_peaks_than_the_normal_reference():
    one = np.concatenate([_normal(500, 100, 8), _normal(500, 150, 8, seed=2)])
    far = np.concatenate([_normal(500, 100, 8), _normal(500, 400, 8, seed=2)])
    near_bw, far_bw = (de.automatic_bandwidth(_sampled(x), SETTINGS) for x in (one, far))
    by_reference = far.std() / one.std()
    assert by_reference > 5
    assert far_bw / near_bw < by_reference / 2


def test_bandwidth_is_never_below_a_bin_and_can_be_set():
    h = _sampled(_normal(), width=5.0)
    assert de.automatic_bandwidth(h, StatisticsSettings(bandwidth_nm=0.1)) == 5.0
    assert de.automatic_bandwidth(h, StatisticsSettings(bandwidth_nm=12.0)) == 12.0
    single = histogram(np.array([100.0, 105.0]), np.array([9.0]), 9.0)
    assert de.automatic_bandwidth(single, SETTINGS) == 5.0


def test_mode_interval_reaches_a_second_peak_that_may_be_the_higher():
    even = np.concatenate([_normal(300, 80, 8), _normal(300, 200, 8, seed=2)])
    uneven = np.concatenate([_normal(540, 80, 8), _normal(60, 200, 8, seed=2)])
    for sizes, reaches in ((even, True), (uneven, False)):
        h = _sampled(sizes)
        low, high = de.mode_interval(h, de.smooth(h, 5.0), SETTINGS)
        assert low < 80 + 8
        assert (high > 180) == reaches


def test_mode_interval_shrinks_with_tracks():
    widths = []
    for n in (100, 10000):
        h = _sampled(_normal(n))
        low, high = de.mode_interval(h, de.smooth(h, 4.0), SETTINGS)
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_contrast_error_is_the_spread_over_samples():
    values, errors = [], []
    for seed in range(300):
        h = _sampled(_normal(400, seed=seed))
        x = h.centres_nm
        kernel = [np.exp(-0.5 * ((x - at) / 5) ** 2) / (5 * np.sqrt(2 * np.pi)) for at in (100.0, 112.0)]
        values.append(float(h.probability @ (kernel[0] - kernel[1])))
        errors.append(de.contrast_error(h, 100.0, 112.0, 5.0))
    # Standard deviation from 300 samples is known to 4 %.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_peaks_of_a_clear_mixture():
    sizes = np.concatenate([_normal(700, 80, 8), _normal(300, 200, 12, seed=2)])
    h = _sampled(sizes)
    peaks = de.find_peaks(h, de.smooth(h, de.automatic_bandwidth(h, SETTINGS)), SETTINGS)
    sure = [p for p in peaks if p.significant]
    assert [round(p.diameter_nm, -1) for p in sure] == [80, 200]
    assert [p.fraction for p in sure] == pytest.approx([0.7, 0.3], abs=0.01)
    assert sure[0].high_nm == sure[1].low_nm
    assert max(p.prominence for p in sure) == 1


def test_without_a_track_count_only_the_highest_peak_is_significant():
    sizes = np.concatenate([_normal(700, 80, 8), _normal(300, 200, 12, seed=2)])
    known = _sampled(sizes)
    h = histogram(known.edges_nm, known.probability, None)
    peaks = de.find_peaks(h, de.smooth(h, 5.0), SETTINGS)
    assert [round(p.diameter_nm, -1) for p in peaks if p.significant] == [80]


def test_a_peak_in_one_capture_alone_is_not_significant_in_the_pool():
    rng = np.random.default_rng(4)
    edges = np.arange(0.0, 401.0)
    shapes = [np.histogram(rng.normal(80, 8, 700), edges)[0].astype(float) for _ in range(5)]
    shapes[0] += np.histogram(rng.normal(200, 8, 400), edges)[0]
    stack = np.stack([s / s.sum() for s in shapes])
    h = histogram(edges, stack.mean(axis=0), 3900.0)
    first = int(np.searchsorted(edges, h.edges_nm[0]))
    inside = stack[:, first : first + h.probability.size]
    smooth = de.smooth(h, 4.0)
    by_counting = de.find_peaks(h, smooth, SETTINGS)
    with_captures = de.find_peaks(h, smooth, SETTINGS, capture_shapes=inside)
    assert sum(p.significant for p in by_counting) == 2
    assert sum(p.significant for p in with_captures) == 1


@given(some.lists(some.floats(-1e14, 1e14, allow_nan=False), min_size=1, max_size=30))
def test_compact_keeps_six_significant_digits(values):
    for before, after in zip(values, de.compact(np.array(values)), strict=True):
        assert after == pytest.approx(before, rel=5.1e-6, abs=1e-17)
        if abs(before) > 1e-12:
            assert len(repr(abs(after)).replace(".", "").split("e")[0].strip("0")) <= 6


def test_displayed_polygon_follows_the_smoothed_curve():
    # Sharp peak with a long tail: the case in which an even grid fails.
    rng = np.random.default_rng(5)
    h = _sampled(np.concatenate([rng.normal(95, 8, 4000), rng.uniform(120, 900, 100)]))
    smooth = de.smooth(h, de.automatic_bandwidth(h, SETTINGS))
    caption = de.Caption(label="x", level="capture", basis="sample", total_per_ml=1.0)
    shown = de.distribution(h, smooth, (), caption, SETTINGS)
    assert len(shown.smoothed_diameter_nm) <= 200
    polygon = np.interp(smooth.diameter_nm, shown.smoothed_diameter_nm, shown.smoothed_per_ml_per_nm)
    inside = (smooth.diameter_nm > shown.smoothed_diameter_nm[0]) & (smooth.diameter_nm < shown.bin_high_nm[-1])
    gap = np.abs(polygon - smooth.density_per_nm)[inside].max()
    assert gap < 0.01 * smooth.density_per_nm.max()


def test_distribution_is_cut_to_the_occupied_range_and_keeps_its_mass():
    h = histogram(np.arange(0.0, 1001.0), np.r_[np.zeros(50), 1e-9, np.full(100, 3.0), np.zeros(849)], 300.0)
    caption = de.Caption(label="x", level="capture", basis="sample", total_per_ml=6e8)
    shown = de.distribution(h, de.smooth(h, 3.0), (), caption, SETTINGS)
    assert (shown.bin_low_nm[0], shown.bin_high_nm[-1]) == (51, 151)
    widths = np.subtract(shown.bin_high_nm, shown.bin_low_nm)
    assert np.dot(widths, shown.concentration_per_ml_per_nm) == pytest.approx(6e8, rel=1e-5)


@pytest.mark.parametrize(("cells", "sigma"), [(24, 4.0), (500, 4.0), (500, 2.83), (65536, 0.9)])
def test_gaussian_filter_is_that_of_scipy(cells, sigma):
    values = np.random.default_rng(cells).random(cells) ** 8
    expected = scipy.ndimage.gaussian_filter1d(values, sigma, mode="reflect", truncate=de.REACH)
    np.testing.assert_allclose(de._gaussian_filter(values, sigma), expected, rtol=1e-12)


def test_of_two_equal_modes_the_smaller_diameter_is_told():
    # Two tracks at either side of 60 nm: which peak is higher by rounding must not decide.
    for weights in ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0]):
        h = histogram(np.arange(600.0, 1060.0, 50.0), np.array(weights), 2.0)
        density = de.smooth(h, 60.0)
        peaks = de.find_peaks(h, density, SETTINGS)
        assert density.mode_nm == pytest.approx(625.0, abs=1.0)
        assert peaks[0].significant
        assert [p.prominence for p in peaks] == [1.0, 1.0]
