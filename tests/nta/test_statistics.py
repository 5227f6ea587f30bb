"""Numbers of one histogram against known answers, other implementations and the vendors' own values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import Capture, SizeMeasurement
from vesicula.instruments.nta import statistics as st
from vesicula.instruments.nta.infer import analyse_measurement, vendor_percentile
from vesicula.instruments.registry import read

BEADS = Path(__file__).parents[1] / "data/nanosight"
ZETAVIEW = Path(__file__).parents[2] / "../shared/data/particles/sumitmalhotra-blip__Biovaram_Ev_Analysis_ReactUI"


def _histogram(counts, width=10.0, n=None):
    counts = np.array(counts, dtype=float)
    return st.histogram(width * np.arange(counts.size + 1), counts, n or counts.sum())


def test_uniform_bin_has_linear_percentiles():
    h = _histogram([0, 0, 8, 0])
    assert st.percentile(h, np.array([0.0, 0.25, 0.5, 1.0])) == pytest.approx([20, 22.5, 25, 30], abs=1e-6)


def test_median_of_a_gap_is_its_middle():
    h = _histogram([0, 5, 0, 0, 0, 5])
    assert st.percentile(h, 0.5) == pytest.approx(35.0)


def test_summary_of_two_bins_by_hand():
    values = st.summary(_histogram([0, 3, 1]))
    # 3 at 15 nm and 1 at 25 nm; mass spread over 10-20 and 20-30 nm.
    assert values["mean_diameter_nm"] == pytest.approx(17.5)
    assert values["sd_diameter_nm"] == pytest.approx(np.sqrt((3 * 2.5**2 + 7.5**2) / 4))
    assert values["median_diameter_nm"] == pytest.approx(10 + 20 / 3)
    assert values["d10_diameter_nm"] == pytest.approx(10 + 4 / 3)
    assert values["d90_diameter_nm"] == pytest.approx(26)
    assert values["span"] == pytest.approx((26 - 10 - 4 / 3) / (10 + 20 / 3))


def test_counting_errors_match_the_bootstrap():
    rng = np.random.default_rng(3)
    sizes = 110 * 1.45 ** rng.standard_normal(600)
    edges = np.arange(0.0, 800.0, 1.0)
    h = st.histogram(edges, np.histogram(sizes, edges)[0].astype(float), 600.0)
    se, _ = st.counting_errors(h, st.summary(h), 0.95)
    draws = rng.multinomial(600, h.probability, size=1500).astype(float)
    boot = [st.summary(st.histogram(h.edges_nm, d, 600.0)) for d in draws]
    for name, value in se.items():
        # 0.2: Woodruff's error follows the local density of one sample, the bootstrap averages over it.
        assert value == pytest.approx(np.std([b[name] for b in boot]), rel=0.2), name


def test_woodruff_levels_follow_the_binomial():
    n, q = 200, np.array([0.1, 0.5, 0.9])
    low, high = st.woodruff_levels(q, n, st.normal_quantile(0.95))
    # A discrete quantile lies within one observation of its continuous expansion.
    assert np.abs(low * n - scipy.stats.binom.ppf(0.025, n, q)).max() <= 1
    assert np.abs(high * n - scipy.stats.binom.ppf(0.975, n, q)).max() <= 1


def test_quantiles_match_scipy():
    assert st.normal_quantile(0.95) == pytest.approx(scipy.stats.norm.ppf(0.975))
    assert st.t_quantile(0.9, 4) == pytest.approx(scipy.stats.t.ppf(0.95, 4))


def test_log_interval_is_symmetric_on_the_logarithm_and_stays_finite():
    low, high = st.log_interval(10.0, 2.0, 2.0)
    assert low * high == pytest.approx(100.0)
    assert np.log(high / 10) == pytest.approx(0.4)
    assert np.isfinite(st.log_interval(1.0, 1e9, 12.7)).all()


def test_track_count_prefers_counts_and_knows_unknown(counted):
    assert st.track_count(counted([0, 2, 3], tracks_used=99)) == 5
    bare = {"name": "x", "bin_edges_nm": np.array([0.0, 1.0]), "concentration_per_ml": np.array([1.0])}
    assert st.track_count(Capture(**bare, tracks_used=7)) == 7
    assert st.track_count(Capture(**bare)) is None
    assert st.track_count(Capture(**bare, tracks_used=0)) is None


def test_concentration_error_takes_the_smaller_bound(counted):
    many = counted([4.0], tracks_completed=800, particles_per_frame=50.0)
    assert st.concentration_error(many, 300, 1.0) == pytest.approx(np.sqrt(2 / 800))
    few = counted([4.0], tracks_completed=20, particles_per_frame=50.0)
    assert st.concentration_error(few, 20, 1.0) == pytest.approx(1 / np.sqrt(50))
    assert st.concentration_error(counted([4.0]), None, 1.0) is None


@pytest.mark.parametrize(("name", "convention"), [("beads.csv", "nanosight-3.2"), ("beads2.csv", "nanosight-3.4")])
def test_nanosight_numbers_are_reproduced_for_every_capture(name, convention, settings):
    m = read(BEADS / name)
    assert isinstance(m, SizeMeasurement)
    result = analyse_measurement(m, settings=settings)
    assert len(result.captures) == (12 if name == "beads.csv" else 5)
    for capture, s in zip(m.captures, result.captures, strict=True):
        vendor = capture.vendor
        # The file prints one decimal; 0.051: half of it, and the rounding of the concentrations to whole numbers.
        assert s.values["mean_diameter_nm"] == pytest.approx(vendor["vendor_mean_nm"], abs=0.051)
        assert s.values["sd_diameter_nm"] == pytest.approx(vendor["vendor_sd_nm"], abs=0.051)
        for key, p in (("d10", 0.1), ("d50", 0.5), ("d90", 0.9)):
            ours = vendor_percentile(capture, p, convention)
            assert ours == pytest.approx(vendor[f"vendor_{key}_nm"], abs=0.051)
        # Three significant digits of the concentration: half of the last is at most 0.5 %.
        assert s.values["concentration_per_ml"] == pytest.approx(
            vendor["vendor_concentration_per_ml"], rel=0.005
        )
        # Within half a bin of 1 nm: the vendor's mode is a parabola through the fullest bin, ours is smoothed.
        assert s.values["mode_diameter_nm"] == pytest.approx(vendor["vendor_mode_nm"], abs=0.5)


@pytest.mark.parametrize("name", ["beads.csv", "beads2.csv"])
def test_pooled_means_and_standard_errors_are_the_vendors(name, settings):
    m = read(BEADS / name)
    assert isinstance(m, SizeMeasurement)
    result = analyse_measurement(m, settings=settings)
    # Printed with one decimal, averaged over rounded values: 0.1.
    for ours, theirs in (("mean_diameter_nm", "mean_nm"), ("sd_diameter_nm", "sd_nm"), ("mode_diameter_nm", "mode_nm")):
        assert result.estimates[ours].value == pytest.approx(m.vendor_pooled[f"vendor_{theirs}"], abs=0.11)
        assert result.standard_errors[ours] == pytest.approx(m.vendor_pooled[f"vendor_se_{theirs}"], abs=0.1)
    relative = result.standard_errors["concentration_per_ml"] / m.vendor_pooled["vendor_se_concentration_per_ml"]
    assert relative == pytest.approx(1, abs=0.005)


def test_edge_interpolation_lies_one_bin_above_nanosight_3_2_and_on_3_4(settings):
    for name, shift in (("beads.csv", 1.0), ("beads2.csv", 0.0)):
        m = read(BEADS / name)
        assert isinstance(m, SizeMeasurement)
        for capture, s in zip(m.captures, analyse_measurement(m, settings=settings).captures, strict=True):
            difference = s.values["median_diameter_nm"] - capture.vendor["vendor_d50_nm"]
            assert difference == pytest.approx(shift, abs=0.051)


def test_zetaview_median_is_reproduced_in_every_real_run():
    files = sorted(ZETAVIEW.glob("backend/NTA/*/*_size_488.txt"))
    if not files:
        pytest.skip("the unlicensed ZetaView exports lie beside the repository, in ../shared, and not here")
    measured = 0
    for path in files:
        m = read(path)
        assert isinstance(m, SizeMeasurement)
        (capture,) = m.captures
        if capture.is_empty:
            continue
        measured += 1
        ours = vendor_percentile(capture, 0.5, "zetaview")
        assert ours == pytest.approx(capture.vendor["vendor_d50_nm"], abs=1e-5)
        # Mass uniform in a bin: half a bin of 5 nm above interpolation at centres.
        h = st.histogram(capture.bin_edges_nm, capture.weights, None)
        assert float(st.percentile(h, 0.5)) == pytest.approx(ours + 2.5, abs=1e-3)
    assert measured >= 9


def test_vendor_percentile_refuses_what_it_cannot_answer(counted):
    with pytest.raises(AnalysisError, match="unknown percentile convention"):
        vendor_percentile(counted([1.0]), 0.5, "excel")
    with pytest.raises(AnalysisError, match="is empty"):
        vendor_percentile(counted([0.0]), 0.5, "zetaview")
