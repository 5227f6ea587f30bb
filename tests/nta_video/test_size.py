"""Size distributions from simulated tracks with known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import wasserstein_distance

from vesicula.core.errors import AnalysisError
from vesicula.instruments.nta.video import _size_fit
from vesicula.instruments.nta.video.diffusion import (
    log_likelihood_matrix,
    steps_of,
    stokes_einstein,
    track_statistics,
)
from vesicula.instruments.nta.video.model import Optics
from vesicula.instruments.nta.video.size import SizeSettings, _interval, size_distribution, summarise
from vesicula.instruments.nta.video.track_trial import TrialSettings, lognormal, mixture, simulate_tracks

OPTICS = Optics(
    name="trial", um_per_px=0.166, frame_rate_per_s=25.0, exposure_s=0.03, temperature_c=22.0, viscosity_mpa_s=0.9544,
    wavelength_nm=405.0, refractive_index_medium=1.33, numerical_aperture=0.4, psf_sigma_um=0.3,
    depth_of_field_um=4.0, sheet_sigma_um=4.0, width_px=640, height_px=480, gain_electrons_per_count=0.0,
)  # fmt: skip
TRIAL = TrialSettings(particles_per_ml=1e9)


@pytest.fixture(scope="module")
def beads():
    return simulate_tracks(lognormal(100.0, 1.0), OPTICS, 300, TRIAL, np.random.default_rng(2))


@pytest.fixture(scope="module")
def bead_sizes(beads):
    return size_distribution(beads.tracks, OPTICS, SizeSettings(bootstrap=60), np.random.default_rng(3))


def test_gradient_of_the_likelihood(beads):
    steps = steps_of(beads.tracks, OPTICS)
    x = np.log(15) + 0.02 * np.arange(200)
    problem = _size_fit.make_problem(log_likelihood_matrix(steps, OPTICS, np.exp(x)), steps.spot_count, x)
    rng = np.random.default_rng(0)
    k, classes = 2, problem.log_length.size
    alpha = 0.1 * rng.standard_normal(classes - 1)
    theta = np.concatenate([[0.3], np.log([80.0, 130.0]), [2.0], alpha, [0.5, 0.1, 0.2]])

    def both(t):
        return _size_fit._objective(
            t, k, problem.left, problem.right, problem.rank, problem.offset, np.ones(steps.track.size),
            problem.log_diameter, problem.log_length, _size_fit.VARIANCE_UNIT,
        )  # fmt: skip

    numeric = approx_fprime(theta, lambda t: both(t)[0], 1e-6)
    np.testing.assert_allclose(both(theta)[1], numeric, rtol=2e-3, atol=0.05)


def test_low_rank_storage_keeps_the_likelihood(beads):
    steps = steps_of(beads.tracks, OPTICS)
    x = np.log(15) + 0.02 * np.arange(200)
    log_l = log_likelihood_matrix(steps, OPTICS, np.exp(x))
    p = _size_fit.make_problem(log_l, steps.spot_count, x)
    again = np.einsum("ri,irg->ig", p.left, p.right[p.length_class])
    want = np.exp(log_l - log_l.max(axis=1, keepdims=True))[p.order]
    np.testing.assert_allclose(again, want, atol=1e-7)


def test_fit_is_as_good_as_that_of_a_general_optimiser(beads):
    steps = steps_of(beads.tracks, OPTICS)
    x = np.log(15) + 0.02 * np.arange(200)
    p = _size_fit.make_problem(log_likelihood_matrix(steps, OPTICS, np.exp(x)), steps.spot_count, x)
    ones = np.ones(steps.track.size)
    start = _size_fit.starts(p, ones, None)[1]
    fit = _size_fit.fit_mixture(p, ones, start, 1)
    low, high, _ = _size_fit._bounds(p, 1)

    def loss(theta):
        return _size_fit._loss(
            theta, 1, (p.left, p.right, p.rank, p.offset), ones, x, p.log_length, _size_fit.VARIANCE_UNIT,
            np.asarray(_size_fit._RIDGE_SD),
        )  # fmt: skip

    other = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*zip(low, high, strict=True)])
    assert -fit.log_likelihood <= other.fun + 1e-3
    # A replicate that starts at the fit, with its Hessian, ends where one from the cold start ends.
    weight = np.random.default_rng(1).multinomial(ones.size, ones / ones.size).astype(float)
    warm = _size_fit.fit_mixture(p, weight, fit.theta, 1, hessian=fit.hessian, tight=False)
    assert warm.log_likelihood == pytest.approx(_size_fit.fit_mixture(p, weight, start, 1).log_likelihood, abs=0.01)


def test_every_spot_is_shared_out_once(beads):
    steps = steps_of(beads.tracks, OPTICS)
    x = np.log(15) + 0.02 * np.arange(200)
    p = _size_fit.make_problem(log_likelihood_matrix(steps, OPTICS, np.exp(x)), steps.spot_count, x)
    ones = np.ones(steps.track.size)
    fit = _size_fit.fit_mixture(p, ones, _size_fit.starts(p, ones, None)[0], 1)
    spots = _size_fit.track_mass(fit, x) @ _size_fit.spots_given_size(fit, p, ones, steps.spot_count, x)
    assert spots == pytest.approx(steps.spot_count.sum(), rel=1e-6)


def test_steps_across_the_border_do_not_bias_the_size():
    # 17 um wide: a fifth of the steps start within a step of a border, and those that cross it are never seen.
    small = replace(OPTICS, width_px=100, height_px=100)
    trial = TrialSettings(particles_per_ml=3e9)
    t = simulate_tracks(lognormal(100.0, 1.0), small, 4000, trial, np.random.default_rng(4)).tracks
    steps = steps_of(t, small)
    grid = np.exp(np.arange(np.log(80), np.log(125), 0.002))
    known = grid[np.argmax(log_likelihood_matrix(steps, small, grid).sum(axis=0))]
    blind = replace(steps, edge_um=np.full_like(steps.edge_um, np.inf))
    ignored = grid[np.argmax(log_likelihood_matrix(blind, small, grid).sum(axis=0))]
    assert ignored > 102
    assert known == pytest.approx(100, abs=1.2)


def test_interval_is_widened_and_holds_the_bias_corrected_one():
    values = np.exp(np.random.default_rng(0).normal(np.log(100), 0.05, 20000))
    low, high = _interval(values, 100.0, 0.95, tail_quantile=False)
    assert np.log(high / low) == pytest.approx(1.2 * 2 * 1.96 * 0.05, rel=0.03)
    # Replicates one SD below the point: bias-corrected ends are the normal quantiles -1.96 + 2 and 1.96 + 2.
    _, plain = _interval(values, 100 * np.exp(0.05), 0.95, tail_quantile=False)
    bottom, top = _interval(values, 100 * np.exp(0.05), 0.95, tail_quantile=True)
    assert np.log(top / 100) == pytest.approx(0.05 + 1.2 * (3.96 - 1) * 0.05, rel=0.12)
    assert top > plain
    assert bottom == pytest.approx(_interval(values, 100 * np.exp(0.05), 0.95, tail_quantile=False)[0])


def test_beads_are_found_narrow_and_at_their_size(bead_sizes):
    mean = bead_sizes.estimate("mean_diameter_nm")
    assert mean.low < 100 < mean.high
    assert mean.high - mean.low < 8
    assert bead_sizes.estimate("d90_nm").value - bead_sizes.estimate("d10_nm").value < 12
    assert bead_sizes.share.sum() == pytest.approx(1)
    assert not bead_sizes.mode_is_ambiguous


def test_distance_to_truth_is_at_most_half_of_the_plain_histograms(beads, bead_sizes):
    s = track_statistics(beads.tracks, OPTICS)
    ours = wasserstein_distance(bead_sizes.diameters_nm, [100.0], bead_sizes.share)
    for blur in (1.0, 1 - OPTICS.exposure_s * OPTICS.frame_rate_per_s / 3):
        d = s.msd1_um2 / (4 * blur / OPTICS.frame_rate_per_s)
        long = np.isfinite(d) & (s.spot_count >= 10)  # the histogram at its best: long tracks only
        assert ours < 0.5 * wasserstein_distance(stokes_einstein(d[long], OPTICS), [100.0])


def test_two_sizes_are_told_apart():
    trial = simulate_tracks(
        mixture((100.0, 200.0), (1.0, 1.0), 1.0), OPTICS, 400, TRIAL, np.random.default_rng(5)
    )
    r = size_distribution(trial.tracks, OPTICS, SizeSettings(bootstrap=40), np.random.default_rng(6))
    assert len(r.peaks_nm) >= 2
    assert sorted(p for p, _ in r.peaks_nm[:2]) == pytest.approx([100, 200], rel=0.05)
    assert r.component_weights[0] < 1e-6


def test_same_answer_for_any_number_of_threads(beads):
    one, three = (
        size_distribution(
            beads.tracks, OPTICS, SizeSettings(bootstrap=6, threads=t, max_components=1), np.random.default_rng(9)
        )
        for t in (1, 3)
    )
    np.testing.assert_array_equal(one.share_draws, three.share_draws)


def test_too_few_tracks_are_refused(beads):
    with pytest.raises(AnalysisError, match="needs 100000"):
        size_distribution(beads.tracks, OPTICS, SizeSettings(minimum_tracks=100000), np.random.default_rng(0))


def test_calibration_widens_the_interval(beads):
    def width(sd):
        settings = SizeSettings(bootstrap=60, max_components=1, calibration_relative_sd=sd)
        e = size_distribution(beads.tracks, OPTICS, settings, np.random.default_rng(1)).estimate("d50_nm")
        return e.high - e.low

    assert width(0.05) > 1.3 * width(0.0)


def test_summary_of_a_known_distribution():
    x = np.arange(np.log(20), np.log(800), 0.0025)
    p = np.exp(-0.5 * ((x - np.log(120)) / np.log(1.4)) ** 2)
    got = summarise(np.exp(x), p / p.sum())
    s = np.log(1.4)
    assert got["mean"] == pytest.approx(120 * np.exp(s**2 / 2), rel=1e-4)
    assert got["mode"] == pytest.approx(120 * np.exp(-(s**2)), rel=3e-3)
    assert got["d50"] == pytest.approx(120, rel=1e-4)
    assert got["d10"] == pytest.approx(120 * np.exp(-1.2815516 * s), rel=1e-4)


def test_exported_tracks_give_the_same_sizes(beads, bead_sizes):
    import polars as pl

    from vesicula.core.measurement import SourceFile, TableMeasurement
    from vesicula.instruments.nta.video.exported import exported_settings, tracks_from_alltracks

    t = beads.tracks
    table = pl.DataFrame(
        {
            "capture": np.zeros(t.track.size, dtype=np.int32), "particle_id": t.track * 3 + 7, "frame": t.frame + 5,
            "x_px": t.x_px, "y_px": t.y_px, "ln_adjusted_intensity": np.log(t.amplitude),
        }
    ).sample(fraction=1.0, shuffle=True, seed=1)  # fmt: skip
    source = SourceFile(name="x_AllTracks.csv", sha256="", size_bytes=0)
    m = TableMeasurement(
        kind="track_points", reader="r", instrument="NanoSight", software="", source=source, table=table
    )
    back = tracks_from_alltracks(m, OPTICS)
    np.testing.assert_array_equal(back.track, t.track)
    np.testing.assert_allclose(back.x_px, t.x_px)
    got = size_distribution(back, OPTICS, exported_settings(SizeSettings(bootstrap=0)), np.random.default_rng(0))
    want = bead_sizes.estimate("mean_diameter_nm").value
    assert got.estimate("mean_diameter_nm").value == pytest.approx(want, rel=0.02)
