"""The door of the room: what is pooled, on which basis, and what the notes say."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import Capture
from vesicula.core.reference import ClassDefinition
from vesicula.instruments.nta.infer import (
    DIAMETERS,
    QUANTITIES,
    UNITS,
    StatisticsSettings,
    analyse_measurement,
    analyse_sample,
)
from vesicula.instruments.nta.simulate import ZETAVIEW, NtaSimulationSettings, simulate_nta, simulate_zetaview

SMALL = ClassDefinition(id="x", review="A", location="Table 2", name="exosome", low_nm=30, high_nm=100, notes="")
OPEN = dataclasses.replace(SMALL, id="y", low_nm=30, high_nm=float("inf"))


@pytest.fixture
def capture():
    def build(*, name="v", basis="sample", factor=None, tracks=400, scale=1.0, **fields):
        edges = np.arange(0.0, 301.0)
        shape = np.exp(-0.5 * ((edges[:-1] + 0.5 - 100) / 12) ** 2)
        concentration = None if scale is None else shape * scale * 1e6
        count = shape * 50 if scale is None else None
        return Capture(
            name=name, bin_edges_nm=edges, concentration_per_ml=concentration, particle_count=count,
            concentration_basis=basis, dilution_factor=factor, tracks_used=tracks, **fields,
        )  # fmt: skip

    return build


@pytest.fixture
def empty():
    return Capture(name="failed", bin_edges_nm=np.array([0.0, 5.0]), particle_count=np.zeros(1))


def test_every_quantity_has_a_unit_and_an_estimate(capture, measurement, settings):
    result = analyse_measurement(measurement(capture(), capture(scale=1.1)), settings=settings)
    assert tuple(UNITS) == QUANTITIES
    assert set(result.estimates) == set(QUANTITIES)
    assert set(result.standard_errors) == set(QUANTITIES)
    for quantity, e in result.estimates.items():
        assert (e.quantity, e.unit, e.n, e.unit_of_replication) == (quantity, UNITS[quantity], 2, "capture")
        assert e.low < e.value < e.high


def test_estimates_come_in_the_published_order(capture, measurement, settings):
    for captures in ([capture()], [capture(), capture()]):
        result = analyse_measurement(measurement(*captures), settings=settings)
        assert tuple(result.estimates) == QUANTITIES
        assert tuple(result.captures[0].values) == QUANTITIES


def test_one_capture_carries_counting_alone_and_says_so(capture, measurement, settings):
    result = analyse_measurement(measurement(capture()), settings=settings)
    for e in result.estimates.values():
        assert (e.carries, e.unit_of_replication, e.n) == (("counting",), "track", 400)
    assert any("variation between captures is unknown" in n for n in result.notes)


def test_without_a_track_count_there_is_no_interval_from_one_capture(capture, measurement, settings):
    result = analyse_measurement(measurement(capture(tracks=None)), settings=settings, classes=[SMALL])
    for e in (*result.estimates.values(), result.class_fractions[0].estimate):
        assert (e.low, e.high, e.carries) == (None, None, ())
    assert any("number of tracks is not stated" in n for n in result.notes)


def test_failed_runs_never_enter_the_pool(capture, empty, measurement, settings):
    with_failed = analyse_measurement(measurement(capture(), empty, capture(scale=1.2)), settings=settings)
    without = analyse_measurement(measurement(capture(), capture(scale=1.2)), settings=settings)
    assert with_failed.estimates == without.estimates
    assert [c.empty for c in with_failed.captures] == [False, True, False]
    assert with_failed.captures[1].values == {}
    assert "1 capture of 3 without a particle left out: failed" in with_failed.notes


def test_a_measurement_of_failed_runs_has_no_estimates(empty, measurement, settings):
    result = analyse_measurement(measurement(empty), settings=settings, classes=[SMALL])
    assert (result.estimates, result.distributions, result.class_fractions) == ({}, (), ())
    assert "a failed run, not a measurement" in result.notes[0]
    sample = analyse_sample([result], settings=settings)
    assert (sample.estimates, sample.distributions) == ({}, ())
    assert sample.notes == ("1 replicate of 1 without a result left out",)


@pytest.mark.parametrize(
    ("basis", "recorded", "stated", "expected"),
    [
        ("sample", 1e4, None, ("sample", 1.0, 1e4, None)),
        ("sample", 1e4, 1e4, ("sample", 1.0, 1e4, None)),
        ("sample", 1e4, 2e4, ("sample", 1.0, 1e4, "the file has applied its own, which stands")),
        ("diluted", None, 500.0, ("sample", 500.0, 500.0, None)),
        ("diluted", 1e3, None, ("sample", 1e3, 1e3, None)),
        ("diluted", 1e3, 1005.0, ("sample", 1005.0, 1005.0, None)),
        ("diluted", 1e3, 2e3, ("sample", 2e3, 2e3, "the stated one is used")),
        ("diluted", None, None, ("diluted", 1.0, None, "not of the sample")),
    ],
)
def test_dilution(capture, measurement, settings, basis, recorded, stated, expected):
    m = measurement(capture(basis=basis, factor=recorded))
    result = analyse_measurement(m, settings=settings, dilution_factor=stated)
    want_basis, factor, used, note = expected
    raw = m.captures[0].concentration_per_ml.sum()
    assert result.concentration_basis == want_basis
    assert result.estimates["concentration_per_ml"].value == pytest.approx(raw * factor)
    assert result.dilution_factor == used
    told = [n for n in result.notes if "dilution" in n]
    assert len(told) == (note is not None)
    if note is not None:
        assert note in told[0]
    assert {d.basis for d in result.distributions} == {want_basis}


def test_mixed_bases_leave_the_concentration_out(capture, measurement, settings):
    result = analyse_measurement(measurement(capture(), capture(basis="diluted")), settings=settings)
    assert result.concentration_basis == "relative"
    assert "concentration_per_ml" not in result.estimates
    assert any("concentrations are left out" in n for n in result.notes)


def test_counts_alone_give_a_relative_distribution(capture, measurement, settings):
    result = analyse_measurement(measurement(capture(scale=None)), settings=settings)
    assert result.concentration_basis == "relative"
    assert "concentration_per_ml" not in result.estimates
    shown = result.distributions[-1]
    mass = np.dot(np.subtract(shown.bin_high_nm, shown.bin_low_nm), shown.concentration_per_ml_per_nm)
    assert mass == pytest.approx(1, abs=1e-5)


def test_distributions_are_one_per_capture_and_their_mean(capture, empty, measurement, settings):
    result = analyse_measurement(measurement(capture(name="a"), empty, capture(name="b", scale=3.0)), settings=settings)
    assert [(d.label, d.level) for d in result.distributions] == [
        ("a", "capture"),
        ("b", "capture"),
        ("pooled over 2 captures", "replicate"),
    ]
    first, second, pooled = (
        np.dot(np.subtract(d.bin_high_nm, d.bin_low_nm), d.concentration_per_ml_per_nm) for d in result.distributions
    )
    assert pooled == pytest.approx((first + second) / 2, rel=1e-5)


def test_captures_on_different_bins_are_pooled_without_loss(capture, measurement, settings):
    coarse = Capture(
        name="coarse", bin_edges_nm=np.array([0.0, 7.0, 50.0, 333.0]),
        concentration_per_ml=np.array([0.0, 2e6, 6e6]), concentration_basis="sample", tracks_used=80,
    )  # fmt: skip
    fine = capture()
    result = analyse_measurement(measurement(fine, coarse), settings=settings)
    shown = result.distributions[-1]
    total = np.dot(np.subtract(shown.bin_high_nm, shown.bin_low_nm), shown.concentration_per_ml_per_nm)
    assert total == pytest.approx((fine.concentration_per_ml.sum() + 8e6) / 2, rel=1e-4)


def test_class_fractions_add_up_and_an_open_end_is_allowed(capture, measurement, settings):
    above = dataclasses.replace(OPEN, id="z", low_nm=100)
    below = dataclasses.replace(SMALL, id="w", low_nm=0)
    result = analyse_measurement(
        measurement(capture(), capture(scale=2.0)), settings=settings, classes=[below, above, OPEN]
    )
    low, high, whole = (f.estimate for f in result.class_fractions)
    assert low.value + high.value == pytest.approx(1)
    assert (whole.value, whole.high) == (pytest.approx(1, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert low.low < low.value < low.high


def test_a_class_in_which_nothing_was_seen_has_an_upper_bound(capture, measurement, settings):
    huge = dataclasses.replace(SMALL, id="huge", low_nm=500, high_nm=1000)
    (f,) = analyse_measurement(measurement(capture()), settings=settings, classes=[huge]).class_fractions
    assert (f.estimate.value, f.estimate.low) == (0, 0)
    assert f.estimate.high == pytest.approx(2.5 / 400, rel=0.05)  # Jeffreys: about 2.5 / n


def test_a_class_without_a_range_is_refused(capture, measurement, settings):
    wrong = dataclasses.replace(SMALL, low_nm=200)
    with pytest.raises(AnalysisError, match="expected 0 <= low_nm < high_nm, found 200 and 100"):
        analyse_measurement(measurement(capture()), settings=settings, classes=[wrong])


def test_positions_enter_the_intervals_of_one_pooled_histogram(truth, settings):
    sim = dataclasses.replace(ZETAVIEW, size_cv=0.15)
    m, table = simulate_zetaview(truth("log-normal", 3.5e10), sim, rng=np.random.default_rng(8))
    without = analyse_measurement(m, settings=settings, classes=[SMALL])
    within = analyse_measurement(m, settings=settings, positions=table, classes=[SMALL])
    for q in DIAMETERS:
        assert within.estimates[q].value == without.estimates[q].value
        assert within.standard_errors[q] > without.standard_errors[q]
    assert within.estimates["median_diameter_nm"].unit_of_replication == "position"
    assert within.estimates["median_diameter_nm"].carries == ("counting", "between-position")
    assert within.class_fractions[0].standard_error > without.class_fractions[0].standard_error
    assert any("variation between 11 positions" in n for n in within.notes)


def test_positions_beside_several_captures_are_not_used(capture, measurement, settings, truth):
    _, table = simulate_zetaview(truth("beads", 3.5e10), ZETAVIEW, rng=np.random.default_rng(8))
    result = analyse_measurement(measurement(capture(), capture()), settings=settings, positions=table)
    assert result.estimates["median_diameter_nm"].unit_of_replication == "capture"
    assert any("several captures of its own" in n for n in result.notes)


def test_mode_on_different_peaks_is_noted(measurement, settings):
    edges = np.arange(0.0, 301.0)
    x = edges[:-1] + 0.5
    low, high = (np.exp(-0.5 * ((x - at) / 8) ** 2) for at in (80, 200))
    captures = [
        Capture(name=str(i), bin_edges_nm=edges, concentration_per_ml=1e6 * (low * a + high * (2 - a)),
                concentration_basis="sample", tracks_used=2000)
        for i, a in enumerate((0.95, 1.05))
    ]  # fmt: skip
    result = analyse_measurement(measurement(*captures), settings=settings)
    assert any("different peaks in different captures" in n for n in result.notes)


def test_replicates_pool_with_their_own_degrees_of_freedom(capture, measurement, settings):
    replicates = [
        analyse_measurement(measurement(capture(scale=s), capture(scale=s)), settings=settings, classes=[SMALL])
        for s in (1.0, 1.5, 2.0)
    ]
    sample = analyse_sample(replicates, settings=settings)
    e = sample.estimates["concentration_per_ml"]
    values = [r.estimates["concentration_per_ml"].value for r in replicates]
    assert (e.value, e.n, e.unit_of_replication) == (pytest.approx(np.mean(values)), 3, "replicate")
    se = np.std(values, ddof=1) / np.sqrt(3)
    assert np.log(e.high / e.value) == pytest.approx(4.302653 * se / e.value, rel=1e-5)  # t, 2 df
    assert sample.concentration_basis == "sample"
    assert e.carries == ("counting", "between-capture", "between-replicate")
    assert sample.class_fractions[0].estimate.unit_of_replication == "replicate"
    assert [(d.label, d.level) for d in sample.distributions] == [("pooled over 3 replicates", "sample")]


def test_one_replicate_hands_its_estimates_on(capture, measurement, settings):
    one = analyse_measurement(measurement(capture(), capture(scale=1.3)), settings=settings, classes=[SMALL])
    sample = analyse_sample([one], settings=settings)
    assert sample.estimates == one.estimates
    assert sample.class_fractions == one.class_fractions
    assert any("variation between replicates is unknown" in n for n in sample.notes)


def test_a_diluted_replicate_keeps_the_concentration_out_of_the_sample(capture, measurement, settings):
    known = analyse_measurement(measurement(capture()), settings=settings)
    unknown = analyse_measurement(measurement(capture(basis="diluted")), settings=settings)
    sample = analyse_sample([known, unknown], settings=settings)
    assert "concentration_per_ml" not in sample.estimates
    assert sample.concentration_basis == "relative"
    assert any("concentrations are not pooled" in n for n in sample.notes)
    assert analyse_sample([unknown], settings=settings).concentration_basis == "diluted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 1.0},
        {"bandwidth_nm": 0.0},
        {"bandwidth_fallback_n": 0},
        {"residence_cv": -1.0},
        {"peak_min_prominence": 0.0},
        {"peak_significance_z": 0.0},
        {"mode_contrast_z": -0.1},
        {"display_points": 3},
        {"display_trim": 0.5},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(AnalysisError, match=next(iter(wrong))):
        StatisticsSettings(**wrong)


def test_settings_are_recorded_whole():
    recorded = StatisticsSettings().parameters()
    assert set(recorded) == {f.name for f in dataclasses.fields(StatisticsSettings)}
    assert recorded["bandwidth_nm"] == "automatic"
    assert StatisticsSettings(bandwidth_nm=4.0).parameters()["bandwidth_nm"] == 4.0


def test_results_travel_between_processes(truth, settings):
    m = simulate_nta(truth("log-normal", 2.6e12), NtaSimulationSettings(), rng=np.random.default_rng(1))
    result = analyse_measurement(m, settings=settings, classes=[SMALL])
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own bytes


def test_a_level_changes_the_width_as_the_normal_law_says(truth):
    m = simulate_nta(truth("log-normal", 2.6e12), NtaSimulationSettings(captures=1), rng=np.random.default_rng(1))
    widths = [
        np.log(e.high / e.low)
        for level in (0.95, 0.6827)
        for e in [analyse_measurement(m, settings=StatisticsSettings(level=level)).estimates["mean_diameter_nm"]]
    ]
    assert widths[0] / widths[1] == pytest.approx(1.96, rel=0.01)
