"""Concentration from simulated tracks of known concentration, and its parts."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.instruments.nta.video.concentration import (
    ConcentrationSettings,
    concentration,
    mean_count_inflation,
    observed_depth,
)
from vesicula.instruments.nta.video.model import Optics
from vesicula.instruments.nta.video.size import SizeSettings, size_distribution
from vesicula.instruments.nta.video.track_trial import TrialSettings, lognormal, profile, simulate_tracks

OPTICS = Optics(
    name="trial", um_per_px=0.166, frame_rate_per_s=25.0, exposure_s=0.014, temperature_c=22.0,
    viscosity_mpa_s=0.9544, wavelength_nm=405.0, refractive_index_medium=1.33, numerical_aperture=0.4,
    psf_sigma_um=0.3, depth_of_field_um=4.0, sheet_sigma_um=4.0, width_px=640, height_px=480,
    gain_electrons_per_count=0.0,
)  # fmt: skip


def test_depth_of_equal_particles_is_where_they_cross_the_threshold():
    # Without scatter and far above the noise, the depth is twice the z at which 40 g(z) = 20.
    z = np.linspace(0, 20, 20001)
    want = 2 * z[np.sum(40 * profile(z, OPTICS) > 20)]
    got = observed_depth(np.array([100.0]), np.array([np.log(40.0), 0.0, -20.0]), OPTICS, 20.0)[0]
    assert got == pytest.approx(want, rel=0.01)


def test_brighter_is_deeper():
    depth = observed_depth(np.array([50.0, 100.0, 200.0]), np.array([np.log(15.0), 2.0, -1.5]), OPTICS, 5.0)
    assert (np.diff(depth) > 0).all()


@pytest.fixture(scope="module")
def vesicles():
    settings = TrialSettings(particles_per_ml=1e9)
    return simulate_tracks(lognormal(115.0, 1.3), OPTICS, 500, settings, np.random.default_rng(8))


def test_variance_of_the_mean_count_is_that_of_repeated_simulations():
    # Equal beads, 40 short films: scatter of the mean count against the formula, which knows re-entries.
    settings = TrialSettings(particles_per_ml=5e8, brightness_log_sd=0.0)
    rng = np.random.default_rng(11)
    frames = 50
    counts = np.array([
        simulate_tracks(lognormal(100.0, 1.0), OPTICS, frames, settings, rng).tracks.frame.size / frames
        for _ in range(200)
    ])  # fmt: skip
    d = np.array([100.0])
    depth = observed_depth(d, np.array([np.log(15.0), 2.0, -20.0]), OPTICS, 5.0)
    want = counts.mean() * mean_count_inflation(d, depth, OPTICS, frames)[0]
    assert counts.var(ddof=1) == pytest.approx(want, rel=0.35)  # 200 films know a variance to 10 %
    assert want > 10 * counts.mean() / frames  # independent frames would be far too sure of themselves


def test_concentration_and_brightness_are_recovered(vesicles):
    rng = np.random.default_rng(1)
    sizes = size_distribution(vesicles.tracks, OPTICS, SizeSettings(bootstrap=60), rng)
    c = concentration(vesicles.tracks, sizes, OPTICS, ConcentrationSettings(dilution=10.0), rng)
    assert c.estimate.low < 1e10 < c.estimate.high
    assert c.estimate.value == pytest.approx(1e10, rel=0.25)
    assert (c.estimate.high - c.estimate.low) / c.estimate.value < 0.8
    assert c.snr_at_100_nm == pytest.approx(15, rel=0.15)
    assert c.distribution.depth_corrected
    median = c.distribution.estimate("d50_nm")
    assert median.low < 115 < median.high
    assert median.value < sizes.estimate("d50_nm").value  # small particles are seen in less depth
    with pytest.raises(AnalysisError, match="already"):
        concentration(vesicles.tracks, c.distribution, OPTICS, ConcentrationSettings(), rng)


def test_more_false_spots_than_spots_is_no_concentration(vesicles):
    rng = np.random.default_rng(1)
    sizes = size_distribution(vesicles.tracks, OPTICS, SizeSettings(bootstrap=0, max_components=1), rng)
    with pytest.raises(AnalysisError, match="nothing to count"):
        concentration(vesicles.tracks, sizes, OPTICS, ConcentrationSettings(false_spots_per_frame=1e6), rng)
