"""The simulator against the laws that it claims to follow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import SizeMeasurement
from vesicula.core.population import Population, lognormal_population
from vesicula.instruments.nta.simulate import (
    ZETAVIEW,
    NtaSimulationSettings,
    population_fraction,
    population_values,
    replicate_population,
    simulate_nta,
    simulate_zetaview,
)

STILL = NtaSimulationSettings(concentration_cv=0.0, size_cv=0.0)


def _sharp(per_ml=2.6e12, nm=100.5):
    x = np.array([nm - 0.01, nm, nm + 0.01])
    return Population(diameter_nm=x, density_per_ml_per_nm=np.array([0.0, per_ml / 0.01, 0.0]))


def test_population_values_of_a_lognormal_are_the_closed_forms():
    s, median = np.log(1.45), 110.0
    p = lognormal_population(median_nm=(median,), geometric_sd=(1.45,), concentration_per_ml=(3e9,))
    values = population_values(p)
    mean = median * np.exp(s**2 / 2)
    # 1e-3: the grid ends at 2000 nm and has steps of 0.5 nm.
    assert values["mean_diameter_nm"] == pytest.approx(mean, rel=1e-3)
    assert values["sd_diameter_nm"] == pytest.approx(mean * np.sqrt(np.exp(s**2) - 1), rel=1e-3)
    assert values["median_diameter_nm"] == pytest.approx(median, rel=1e-3)
    assert values["mode_diameter_nm"] == pytest.approx(median * np.exp(-(s**2)), abs=0.5)
    assert values["d90_diameter_nm"] == pytest.approx(median * np.exp(1.2815516 * s), rel=1e-3)
    assert values["concentration_per_ml"] == pytest.approx(3e9, rel=1e-3)
    assert population_fraction(p, 0, median) == pytest.approx(0.5, abs=1e-3)
    assert population_fraction(p, 0, float("inf")) == pytest.approx(1)


def test_same_seed_same_measurement(truth):
    a, b = (simulate_nta(truth("bimodal", 2.6e12), STILL, rng=np.random.default_rng(5)) for _ in range(2))
    for x, y in zip(a.captures, b.captures, strict=True):
        assert np.array_equal(x.concentration_per_ml, y.concentration_per_ml)


def test_nanosight_layout(truth):
    m = simulate_nta(truth("log-normal", 2.6e12), STILL, rng=np.random.default_rng(6))
    assert isinstance(m, SizeMeasurement)
    assert (m.instrument, len(m.captures)) == ("NanoSight", 5)
    for c in m.captures:
        assert (c.concentration_basis, c.dilution_factor, c.particle_count) == ("sample", 1e4, None)
        assert c.bin_edges_nm[:3].tolist() == [0, 1, 2]
        assert 0 < c.tracks_used < c.tracks_completed


def test_zetaview_layout_and_its_positions(truth):
    m, positions = simulate_zetaview(truth("log-normal", 3.5e10), ZETAVIEW, rng=np.random.default_rng(7))
    (c,) = m.captures
    assert (c.concentration_basis, c.dilution_factor) == ("diluted", 1e3)
    assert np.diff(c.bin_edges_nm)[0] == 5
    assert c.particle_count.sum() == positions.table["tracks"].sum() == c.tracks_used
    assert c.concentration_per_ml.sum() == pytest.approx(positions.table["concentration_per_ml"].mean())
    assert (positions.kind, positions.table.height) == ("positions", 11)
    with pytest.raises(AnalysisError, match="layout 'zetaview' alone"):
        simulate_zetaview(truth("beads", 1e10), STILL, rng=np.random.default_rng(7))


def test_concentration_is_unbiased_and_as_noisy_as_a_compound_poisson_sum():
    sim = dataclasses.replace(STILL, captures=3000)
    m = simulate_nta(_sharp(), sim, rng=np.random.default_rng(8))
    totals = np.array([c.concentration_per_ml.sum() for c in m.captures]) / 2.6e12
    distinct = 2.6e8 * sim.detection_volume_ml * sim.residence_ratio
    assert totals.mean() == pytest.approx(1, abs=4 * totals.std() / np.sqrt(3000))
    assert totals.std() == pytest.approx(np.sqrt(2 / distinct), rel=0.06)  # 3000 draws know an SD to 1.3 %
    tracked = np.array([c.tracks_used for c in m.captures])
    assert tracked.mean() == pytest.approx(distinct * sim.tracked_fraction, rel=0.01)


def test_between_capture_variation_has_the_stated_size():
    sim = NtaSimulationSettings(captures=3000, concentration_cv=0.3, size_cv=0.05)
    m = simulate_nta(_sharp(per_ml=5e13), sim, rng=np.random.default_rng(9))
    totals = np.array([c.concentration_per_ml.sum() for c in m.captures]) / 5e13
    assert totals.std() == pytest.approx(0.3, rel=0.1)
    sizes = np.array([np.average(c.bin_centres_nm, weights=c.concentration_per_ml) for c in m.captures])
    assert sizes.mean() == pytest.approx(100.5, rel=0.005)
    assert sizes.std() / sizes.mean() == pytest.approx(0.05, rel=0.06)


@pytest.mark.parametrize("steps", [5, 15, 50])
def test_finite_tracks_broaden_as_an_inverse_gamma(steps):
    sim = dataclasses.replace(
        STILL, captures=40, finite_tracks=True, min_track_steps=steps, mean_extra_steps=0.0
    )
    m = simulate_nta(_sharp(per_ml=2e13), sim, rng=np.random.default_rng(10))
    weights = np.sum([c.concentration_per_ml for c in m.captures], axis=0)
    x = m.captures[0].bin_centres_nm
    mean = np.average(x, weights=weights)
    sd = np.sqrt(np.average((x - mean) ** 2, weights=weights))
    # d n / Gamma(n): mean d n / (n - 1), CV 1 / sqrt(n - 2). For 5 steps the fourth moment does not exist.
    assert mean == pytest.approx(100.5 * steps / (steps - 1), rel=0.01)
    assert sd / mean == pytest.approx(1 / np.sqrt(steps - 2), rel=0.02 if steps > 5 else 0.1)


def test_detection_limit_halves_the_particles_at_the_limit():
    for nm, share in ((60.0, 0.5), (120.0, 1 / (1 + 0.5**12)), (45.0, 1 / (1 + (60 / 45) ** 12))):
        sim = dataclasses.replace(STILL, captures=50, detection_limit_nm=60.0)
        m = simulate_nta(_sharp(per_ml=2e13, nm=nm), sim, rng=np.random.default_rng(11))
        seen = np.mean([c.concentration_per_ml.sum() for c in m.captures]) / 2e13
        assert seen == pytest.approx(share, rel=0.05)


def test_an_empty_suspension_gives_failed_runs():
    m = simulate_nta(_sharp(per_ml=1.0), STILL, rng=np.random.default_rng(12))
    assert all(c.is_empty for c in m.captures)
    m, positions = simulate_zetaview(_sharp(per_ml=1.0), ZETAVIEW, rng=np.random.default_rng(12))
    assert m.captures[0].is_empty
    assert not positions.table["used"].any()


def test_replicates_vary_around_the_sample(truth):
    rng, sample = np.random.default_rng(13), truth("beads", 1e9)
    drawn = [
        population_values(replicate_population(sample, concentration_cv=0.2, size_cv=0.03, rng=rng))
        for _ in range(800)
    ]
    totals = np.array([d["concentration_per_ml"] for d in drawn])
    means = np.array([d["mean_diameter_nm"] for d in drawn])
    assert (totals.mean(), totals.std()) == (pytest.approx(1e9, rel=0.03), pytest.approx(2e8, rel=0.12))
    assert means.std() / means.mean() == pytest.approx(0.03, rel=0.12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"captures": 0},
        {"dilution_factor": 0.0},
        {"detection_volume_ml": -1.0},
        {"tracked_fraction": 1.5},
        {"min_track_steps": 1},
        {"concentration_cv": -0.1},
        {"detection_limit_nm": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(AnalysisError, match=next(iter(wrong))):
        NtaSimulationSettings(**wrong)
