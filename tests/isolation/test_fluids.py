"""Liquids against published values."""

from __future__ import annotations

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.isolation import fluids


@pytest.mark.parametrize(("celsius", "mpa_s"), [(20, 1.0016), (25, 0.8900), (37, 0.6913), (4, 1.5673)])
def test_viscosity_of_water(celsius: float, mpa_s: float) -> None:
    assert fluids.water_viscosity_mpa_s(celsius) == pytest.approx(mpa_s, rel=3e-4)


@pytest.mark.parametrize(("celsius", "density"), [(4, 0.999975), (20, 0.998207), (37, 0.993333)])
def test_density_of_water(celsius: float, density: float) -> None:
    assert fluids.water_density_g_per_ml(celsius) == pytest.approx(density, abs=5e-6)


@pytest.mark.parametrize(("y", "handbook"), [(0.2, 1.945), (0.3, 3.187), (0.4, 6.167), (0.5, 15.43), (0.6, 58.5)])
def test_viscosity_of_sucrose_at_20_c(y: float, handbook: float) -> None:
    assert fluids.sucrose_viscosity_mpa_s(y, 20.0) == pytest.approx(handbook, rel=0.008)


@pytest.mark.parametrize(("y", "density"), [(0.1, 1.0380), (0.3, 1.1268), (0.6, 1.2867)])
def test_density_of_sucrose_at_20_c(y: float, density: float) -> None:
    assert fluids.sucrose_density_g_per_ml(y, 20.0) == pytest.approx(density, abs=5e-4)


def test_the_two_branches_of_barber_s_viscosity_meet() -> None:
    below, above = fluids.sucrose_viscosity_mpa_s(np.array([0.4799, 0.4801]), 5.0)
    assert above == pytest.approx(below, rel=0.01)


def test_sixty_per_cent_iodixanol() -> None:
    assert fluids.iodixanol_density_g_per_ml(60.0, 20.0) == pytest.approx(1.320, abs=0.003)


def test_diffusion_of_a_100_nm_sphere() -> None:
    assert fluids.diffusion_m2_per_s(100.0, fluids.medium("water", 20.0)) == pytest.approx(4.28e-12, rel=0.01)


def test_albumin_sediments_at_its_svedbergs() -> None:
    # 4.5 S in water at 20 C: the hydrated sphere of the class table gives it without fitting to it.
    s = fluids.sedimentation_s(np.array([7.0]), np.array([1.17]), fluids.medium("water", 20.0))
    assert s[0] * 1e13 == pytest.approx(4.5, rel=0.05)


def test_a_shrunken_vesicle_sediments_faster_in_a_dense_liquid() -> None:
    liquid = fluids.Medium(name="x", temperature_c=20, density_g_per_ml=1.15, viscosity_mpa_s=4.0)
    d, rho = np.array([90.0]), np.array([1.08])
    assert fluids.sedimentation_s(d, rho, liquid)[0] < 0
    assert fluids.sedimentation_s(d, rho, liquid, lost_share=0.55)[0] > 0


def test_bad_liquids() -> None:
    with pytest.raises(AnalysisError, match="unknown medium 'beer'"):
        fluids.medium("beer", 20.0)
    with pytest.raises(AnalysisError, match="outside 0 to 60 C"):
        fluids.medium("PBS", 80.0)
    with pytest.raises(AnalysisError, match="not those of a liquid"):
        fluids.Medium(name="x", temperature_c=20, density_g_per_ml=1.0, viscosity_mpa_s=0.0)
