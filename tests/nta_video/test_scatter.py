"""Mie scattering against values of another program, limits, and energy conservation."""

import numpy as np
import pytest

from vesicula.instruments.nta.video.scatter import (
    POLYSTYRENE,
    VESICLE,
    Material,
    collected_cross_section_nm2,
    scattering_cross_section_nm2,
)

# C_sca in nm^2 at 488 nm in a medium of 1.337; miepython and scattnlay agree to five digits (research notes).
ANCHORS = [
    (100, Material(name="plain", core_index=1.40), 8.605),
    (200, Material(name="plain", core_index=1.40), 274.1),
    (100, VESICLE, 11.91),
    (200, VESICLE, 221.2),
]


@pytest.mark.parametrize(("diameter", "material", "expected"), ANCHORS)
def test_cross_sections_agree_with_scattnlay(diameter: float, material: Material, expected: float) -> None:
    found = scattering_cross_section_nm2(diameter, material, wavelength_nm=488, medium_index=1.337)
    assert found == pytest.approx(expected, rel=5e-4)


def test_a_shell_of_the_cores_index_is_a_plain_sphere() -> None:
    coated = Material(name="x", core_index=1.45, shell_index=1.45, shell_nm=6)
    plain = Material(name="x", core_index=1.45)
    for diameter in (30.0, 150.0, 900.0):
        a, b = (
            scattering_cross_section_nm2(diameter, m, wavelength_nm=405, medium_index=1.343) for m in (coated, plain)
        )
        assert a == pytest.approx(b, rel=1e-9)


def test_a_shell_thicker_than_the_radius_leaves_no_core() -> None:
    all_shell = Material(name="x", core_index=1.45, shell_index=1.48, shell_nm=50)
    plain = Material(name="x", core_index=1.48)
    a, b = (scattering_cross_section_nm2(80, m, wavelength_nm=405, medium_index=1.343) for m in (all_shell, plain))
    assert a == b


@pytest.mark.parametrize("material", [POLYSTYRENE, VESICLE])
def test_two_half_spaces_collect_everything(material: Material) -> None:
    # The cone of half angle 90 degrees about the objective's axis is half of all directions: half the light.
    diameters = np.array([40.0, 100.0, 400.0])
    half = collected_cross_section_nm2(
        diameters, material, wavelength_nm=405, medium_index=1.343, numerical_aperture=1.343
    )
    whole = [scattering_cross_section_nm2(d, material, wavelength_nm=405, medium_index=1.343) for d in diameters]
    np.testing.assert_allclose(2 * half, whole, rtol=1e-6)


def test_small_particles_scatter_with_the_sixth_power() -> None:
    c = collected_cross_section_nm2(
        [10.0, 20.0], POLYSTYRENE, wavelength_nm=405, medium_index=1.343, numerical_aperture=0.4
    )
    assert c[1] / c[0] == pytest.approx(64, rel=0.02)
