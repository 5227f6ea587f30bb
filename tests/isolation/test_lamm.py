"""The Lamm equation against exact solutions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from vesicula.isolation.centrifuge import PECLET_DIFFUSIVE, pelleted_share, pelleted_share_diffusing, run_at
from vesicula.isolation.lamm import lamm_profile
from vesicula.isolation.rotors import angular_speed, rotor


def test_it_conserves_and_stays_positive() -> None:
    peclet, crossings = np.array([-40.0, -1.0, 0.0, 3.0, 490.0]), np.array([0.5, 2.0, 0.0, 1.0, 0.9])
    profile = lamm_profile(peclet, crossings, radius_ratio=2.3)
    assert profile.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-12)
    assert profile.min() >= 0


@pytest.mark.parametrize("peclet", [-8.0, 0.5, 5.0, 30.0])
def test_equilibrium_is_the_barometric_one(peclet: float) -> None:
    edges = np.linspace(0, 1, 121)
    exact = np.diff(np.exp(peclet * (edges - 1))) / (1 - np.exp(-peclet))
    assert lamm_profile(np.array([peclet]), np.array([200.0]))[0] == pytest.approx(exact, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("peclet", [3.0, 20.0])
def test_the_way_there_is_that_of_a_matrix_exponential_on_a_finer_grid(peclet: float) -> None:
    n, crossings = 480, 0.4
    # Central differences: rates to the right and to the left.
    rates = n**2 * np.array([1.0 + peclet / (2 * n), 1.0 - peclet / (2 * n)])
    a = np.diag(np.full(n - 1, rates[0]), -1) + np.diag(np.full(n - 1, rates[1]), 1)
    a -= np.diag(a.sum(axis=0))
    exact = (expm(a * crossings / peclet) @ np.full(n, 1 / n)).reshape(120, 4).sum(axis=1)
    ours = lamm_profile(np.array([peclet]), np.array([crossings]))[0]
    assert np.abs(ours - exact).sum() < 0.01


def test_without_diffusion_it_becomes_the_plain_boundary() -> None:
    r = rotor("SW 40 Ti")
    run = run_at(r, 100_000, 60, at="r_max")
    s = np.array([40e-13, 100e-13])
    plain = pelleted_share(run, s)
    assert np.array_equal(pelleted_share_diffusing(run, s, np.full(2, 1e-20)), plain)
    # On both sides of the limit the shares agree to a hundredth.
    drift_times_length = s * angular_speed(run.rpm) ** 2 * r.r_av_mm * 1e-3 * r.path_mm * 1e-3
    below = pelleted_share_diffusing(run, s, drift_times_length / (0.99 * PECLET_DIFFUSIVE))
    assert not np.array_equal(below, plain)
    assert below == pytest.approx(plain, abs=0.015)


def test_protein_does_not_pack_as_the_plain_boundary_says() -> None:
    run = run_at(rotor("TLA-110"), 100_000, 16 * 60, at="r_max")
    s, diffusion = np.array([4.5e-13]), np.array([4.0e-11])  # albumin at 4 C or so
    assert pelleted_share(run, s)[0] == 1.0
    assert 0.2 < pelleted_share_diffusing(run, s, diffusion)[0] < 0.8
