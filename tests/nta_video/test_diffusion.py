"""Single-track diffusion: against a dense Gaussian likelihood, the sine transform, and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.instruments.nta.video.diffusion import (
    localisation_variance_um2,
    log_likelihood_matrix,
    steps_of,
    stokes_einstein,
    track_statistics,
)
from vesicula.instruments.nta.video.model import Optics, Tracks

OPTICS = Optics(
    name="trial", um_per_px=0.166, frame_rate_per_s=25.0, exposure_s=0.03, temperature_c=22.0, viscosity_mpa_s=0.9544,
    wavelength_nm=405.0, refractive_index_medium=1.33, numerical_aperture=0.4, psf_sigma_um=0.3,
    depth_of_field_um=4.0, sheet_sigma_um=4.0, width_px=640, height_px=480, gain_electrons_per_count=0.0,
)  # fmt: skip
DT = 0.04


def tracks_of(paths, frames=None, snr=10.0):
    """Tracks from a list of (n, 2) positions in um."""
    frames = frames or [np.arange(len(p)) for p in paths]
    xy = np.concatenate(paths) / OPTICS.um_per_px
    n = xy.shape[0]
    return Tracks(
        track=np.repeat(np.arange(len(paths)), [len(p) for p in paths]), frame=np.concatenate(frames),
        x_px=xy[:, 0].copy(), y_px=xy[:, 1].copy(), amplitude=np.full(n, 50.0), snr=np.broadcast_to(snr, n).copy(),
        sigma_px=np.full(n, 1.8), shape_px=(480, 640), frame_count=1 + max(int(f.max()) for f in frames),
    )  # fmt: skip


def walks(rng, count, spots, d, sigma):
    """Paths averaged over the exposure, drawn by 20 substeps (not by the formula under test)."""
    sub = 20
    open_ = round(sub * OPTICS.exposure_s / DT)
    steps = np.sqrt(2 * d * DT / sub) * rng.standard_normal((count, spots * sub, 2))
    place = np.cumsum(steps, axis=1).reshape(count, spots, sub, 2)[:, :, :open_].mean(axis=2)
    return place + sigma * rng.standard_normal(place.shape)


def dense(frame, x, y, s2, d):
    """The same likelihood from the full covariance matrix of positions, not of displacements."""
    n = frame.size
    t = (frame * DT)[:, None]
    # Mean positions over exposures: cov = 2 D (min(t_i, t_j) + T/2) for i != j, 2 D (t_i + T/3) for i == j.
    cov = 2 * d * (np.minimum(t, t.T) + OPTICS.exposure_s / 2)
    cov[np.diag_indices(n)] = 2 * d * (frame * DT + OPTICS.exposure_s / 3) + s2
    difference = np.eye(n - 1, n, 1) - np.eye(n - 1, n)
    cov = difference @ cov @ difference.T
    value = 0.0
    for u in (x, y):
        r = difference @ u
        value -= 0.5 * (r @ np.linalg.solve(cov, r) + np.linalg.slogdet(cov)[1])
    return value


def test_likelihood_equals_the_dense_gaussian_with_gaps_and_unequal_errors():
    rng = np.random.default_rng(3)
    frame = np.array([0, 1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 25])
    path = rng.normal(size=(frame.size, 2)).cumsum(axis=0) * 0.5
    tracks = tracks_of([path], [frame], rng.uniform(2, 20, frame.size))
    steps = steps_of(tracks, OPTICS)
    sizes = np.array([30.0, 100.0, 400.0])
    got = log_likelihood_matrix(steps, OPTICS, sizes, localisation_scale=1.7)[0]
    d = stokes_einstein(sizes, OPTICS)
    want = [dense(frame, steps.x_um, steps.y_um, 1.7 * steps.variance_um2, v) for v in d]
    np.testing.assert_allclose(got, want, rtol=1e-10)


def test_likelihood_equals_the_sine_transform_for_equal_errors():
    # Eigenvalues of the tridiagonal Toeplitz matrix: a + 2 b cos(k pi / (n + 1)), vectors of the sine transform.
    from scipy.fft import dst

    rng = np.random.default_rng(4)
    path = rng.normal(size=(31, 2)).cumsum(axis=0) * 0.5
    steps = steps_of(tracks_of([path]), OPTICS)
    d, s2 = float(stokes_einstein(80.0, OPTICS)), steps.variance_um2[0]
    n = 30
    a = 2 * d * (DT - OPTICS.exposure_s / 3) + 2 * s2
    b = d * OPTICS.exposure_s / 3 - s2
    eigen = a + 2 * b * np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    power = sum(dst(np.diff(u), type=1, norm="ortho") ** 2 for u in (steps.x_um, steps.y_um))
    want = -0.5 * (power / eigen).sum() - np.log(eigen).sum()
    assert log_likelihood_matrix(steps, OPTICS, np.array([80.0]))[0, 0] == pytest.approx(want, rel=1e-12)


def test_estimators_are_unbiased_and_know_their_error():
    rng = np.random.default_rng(5)
    tracks = tracks_of(list(walks(rng, 3000, 30, 4.4, 0.05)), snr=np.sqrt(2 / np.pi) * OPTICS.um_per_px / 0.05)
    s = track_statistics(tracks, OPTICS)
    cve, mle = s.diffusion_cve_um2_per_s, s.diffusion_mle_um2_per_s
    assert cve.mean() == pytest.approx(4.4, abs=4 * cve.std() / np.sqrt(3000))
    assert mle.mean() == pytest.approx(4.4, rel=0.01)
    assert s.diffusion_cve_sd_um2_per_s.mean() == pytest.approx(cve.std(), rel=0.08)
    assert s.diffusion_mle_sd_um2_per_s.mean() == pytest.approx(mle.std(), rel=0.05)
    assert mle.std() < 0.75 * cve.std()
    # The plain mean squared displacement is a quarter too small under this blur.
    assert s.msd1_um2.mean() / (4 * DT) == pytest.approx(4.4 * 0.75 + 0.05**2 / DT, rel=0.01)


def test_negative_covariance_estimates_are_kept():
    rng = np.random.default_rng(6)
    s = track_statistics(tracks_of(list(walks(rng, 2000, 4, 4.4, 0.05))), OPTICS)
    assert (s.diffusion_cve_um2_per_s < 0).any()
    assert (s.diffusion_mle_um2_per_s > 0).all()


def test_drift_is_removed():
    rng = np.random.default_rng(7)
    paths = walks(rng, 200, 20, 4.4, 0.03)
    drift = np.outer(np.arange(20), [3.0, -2.0])
    still = track_statistics(tracks_of(list(paths)), OPTICS)
    moved = track_statistics(tracks_of(list(paths + drift * OPTICS.um_per_px)), OPTICS, drift_px=drift)
    np.testing.assert_allclose(moved.diameter_nm, still.diameter_nm, rtol=1e-6)


def test_localisation_variance_is_the_background_limit_of_mortensen():
    tracks = tracks_of([np.zeros((3, 2))], snr=np.array([4.0, 8.0, 16.0]))
    sd = np.sqrt(localisation_variance_um2(tracks, OPTICS)) / OPTICS.um_per_px
    np.testing.assert_allclose(sd, np.sqrt(2 / np.pi) / np.array([4.0, 8.0, 16.0]))


def test_unordered_and_infinite_tracks_are_refused():
    path = np.zeros((3, 2))
    with pytest.raises(AnalysisError, match="ordered"):
        steps_of(tracks_of([path], [np.array([0, 2, 1])]), OPTICS)
    path[1, 0] = np.nan
    with pytest.raises(AnalysisError, match="finite"):
        steps_of(tracks_of([path]), OPTICS)


def test_stokes_einstein_is_its_own_inverse_and_right():
    # 100 nm in water at 25 C (0.89 mPa s): 4.91 um^2/s.
    import dataclasses

    warm = dataclasses.replace(OPTICS, temperature_c=25.0, viscosity_mpa_s=0.89)
    assert float(stokes_einstein(100.0, warm)) == pytest.approx(4.907, abs=0.002)
    assert float(stokes_einstein(stokes_einstein(73.0, warm), warm)) == pytest.approx(73.0)
