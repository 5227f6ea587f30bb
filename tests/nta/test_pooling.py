"""Pooling over captures, positions and replicates against known answers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.stats

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import SourceFile, TableMeasurement
from vesicula.instruments.nta import pooling as po
from vesicula.instruments.nta.infer import StatisticsSettings

SETTINGS = StatisticsSettings()


def _positions(kind="positions", **columns):
    return TableMeasurement(
        kind=kind,
        reader="built",
        instrument="ZetaView",
        software="",
        source=SourceFile(name="built_11pos.txt", sha256="", size_bytes=0),
        table=pl.DataFrame(columns),
    )


def test_pooled_mean_with_a_t_interval_by_hand():
    estimate, se = po.pool("span", [1.0, 1.2, 1.4], [0.0, 0.0, 0.0], SETTINGS, po.CAPTURES)
    assert (estimate.value, estimate.n, estimate.unit_of_replication) == (pytest.approx(1.2), 3, "capture")
    assert se == pytest.approx(0.2 / np.sqrt(3))
    t = scipy.stats.t.ppf(0.975, 2)
    assert np.log(estimate.high / 1.2) == pytest.approx(t * se / 1.2)
    assert estimate.carries == ("counting", "between-capture")


def test_agreement_by_chance_does_not_shrink_the_interval_below_counting():
    _, se = po.pool("mean_diameter_nm", [100.0, 100.0, 100.0], [3.0, 3.0, 3.0], SETTINGS, po.CAPTURES)
    assert se == pytest.approx(3 / np.sqrt(3))


def test_unknown_counting_errors_count_as_none():
    _, se = po.pool("mean_diameter_nm", [99.0, 101.0], [float("nan")] * 2, SETTINGS, po.CAPTURES)
    assert se == pytest.approx(1.0)


@pytest.mark.parametrize(("x", "n"), [(0, 40), (3, 40), (20, 40), (400, 1000)])
def test_proportion_from_one_sample_is_jeffreys_interval(x, n):
    drawn = po.drawn_fraction(x / n, n)
    se = np.sqrt(drawn * (1 - drawn) / (n + 1))
    low, high = po.proportion_interval(drawn, se, 0.95, None)
    assert (low, high) == pytest.approx(scipy.stats.beta.ppf([0.025, 0.975], x + 0.5, n - x + 0.5))


def test_estimated_error_widens_the_proportion_interval():
    known = po.proportion_interval(0.3, 0.02, 0.95, None)
    estimated = po.proportion_interval(0.3, 0.02, 0.95, 3)
    ratio = (estimated[1] - estimated[0]) / (known[1] - known[0])
    assert ratio == pytest.approx(scipy.stats.t.ppf(0.975, 3) / 1.96, rel=0.02)


def test_cluster_error_of_equal_clusters_is_sd_over_root_p():
    values = np.array([4.0, 5.0, 6.0, 5.0])
    expected = values.std(ddof=1) / 2 / 5
    assert po.cluster_error(values, np.ones(4)) == pytest.approx(expected)


def test_positions_left_out_by_the_vendor_are_left_out():
    columns = {
        "used": [True, True, True, False],
        "concentration_per_ml": [1e7, 1.1e7, 0.9e7, 9e7],
        "d50_diameter_nm": [100.0, 104.0, 96.0, 300.0],
        "tracks": [500, 500, 500, 500],
    }
    variation, reason = po.position_variation(_positions(**columns), median_nm=100.0, median_se=1.0)
    assert reason == ""
    assert variation.n == 3
    assert variation.relative_se["concentration_per_ml"] == pytest.approx(0.1 / np.sqrt(3))
    assert variation.relative_se["median_diameter_nm"] == pytest.approx(0.04 / np.sqrt(3))
    assert variation.scale_variance == pytest.approx(0.04**2 / 3 - 0.01**2)


def test_position_counts_bound_the_error_of_the_concentration_from_below():
    columns = {
        "concentration_per_ml": [1e7] * 4,
        "d50_diameter_nm": [100.0] * 4,
        "particles_per_frame": [25.0] * 4,
        "tracks": [400] * 4,
    }
    variation, _ = po.position_variation(_positions(**columns), median_nm=100.0, median_se=None)
    assert variation.relative_se["concentration_per_ml"] == pytest.approx(0.1)


def test_estimates_from_positions_follow_the_scale_model():
    variation = po.PositionVariation(
        n=5, relative_se={"concentration_per_ml": 0.1, "median_diameter_nm": 0.05}, scale_variance=0.0016
    )
    values = {"mean_diameter_nm": 100.0, "median_diameter_nm": 90.0, "span": 1.0, "concentration_per_ml": 1e9}
    errors = {"mean_diameter_nm": 3.0, "median_diameter_nm": 2.0, "span": 0.1, "concentration_per_ml": 5e8}
    estimates, se = po.position_estimates(values, errors, variation, SETTINGS)
    assert se["mean_diameter_nm"] == pytest.approx(5.0)  # sqrt(3^2 + 4^2)
    assert se["median_diameter_nm"] == pytest.approx(4.5)
    assert se["concentration_per_ml"] == pytest.approx(1e8)
    assert se["span"] == pytest.approx(0.1)
    assert estimates["mean_diameter_nm"].carries == ("counting", "between-position")
    assert estimates["span"].carries == ("counting",)
    assert {e.n for e in estimates.values()} == {5}


def test_one_position_is_too_few():
    table = _positions(used=[True, False], concentration_per_ml=[1.0, 1.0], d50_diameter_nm=[9.0, 9.0])
    variation, reason = po.position_variation(table, median_nm=9.0, median_se=1.0)
    assert variation is None
    assert "1 position used" in reason


def test_a_table_of_something_else_is_refused():
    with pytest.raises(AnalysisError, match="expected a table of positions, found 'tracks'"):
        po.position_variation(_positions(kind="tracks", x=[1]), median_nm=1.0, median_se=None)
    with pytest.raises(AnalysisError, match="lacks d50_diameter_nm"):
        po.position_variation(_positions(concentration_per_ml=[1.0]), median_nm=1.0, median_se=None)


def test_positions_without_a_number_are_ignored_and_do_not_fail():
    table = _positions(concentration_per_ml=[1e7, 1.2e7], d50_diameter_nm=[100.0, None], tracks=[10, 20])
    variation, _ = po.position_variation(table, median_nm=100.0, median_se=5.0)
    assert "median_diameter_nm" not in variation.relative_se
    assert variation.scale_variance == 0
