"""The population of all classes: totals, densities, mass, markers, sums and samples."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.particle_class import parse_particle_classes, particle_class, particle_classes
from vesicula.core.population import MixedPopulation, density_deviates, mixed_population


def test_totals_are_exactly_what_was_asked() -> None:
    p = mixed_population({"exosome": 3e8, "HDL": 7e13})
    assert p.by_class() == pytest.approx({"exosome": 3e8, "HDL": 7e13}, rel=1e-12)


def test_median_and_spread_of_an_uncut_class_are_the_table_s() -> None:
    ldl = particle_class("LDL")
    p = mixed_population({"LDL": 1.0})
    assert p.median_diameter_nm("LDL") == pytest.approx(ldl.median_nm, rel=0.005)
    logs = np.log(p.diameter_nm)
    weights = p.number_per_ml.sum(axis=(0, 1))
    mean = (weights * logs).sum()
    sd = np.sqrt((weights * (logs - mean) ** 2).sum())
    assert np.exp(sd) == pytest.approx(ldl.geometric_sd, rel=0.01)


@pytest.mark.parametrize(("diameter", "density"), [(30, 1.120), (50, 1.099), (100, 1.077), (200, 1.064), (1000, 1.053)])
def test_core_shell_density_of_vesicles(diameter: float, density: float) -> None:
    # Worked by hand: shell 5 nm of 1.15, lumen of 1.05 g/mL.
    assert particle_class("exosome").density_g_per_ml(np.array([diameter]))[0] == pytest.approx(density, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("VLDL", 0.95, 1.006), ("LDL", 1.019, 1.063), ("HDL", 1.063, 1.21), ("chylomicron", 0.9, 0.95)],
)
def test_lipoproteins_float_where_their_names_say(name: str, low: float, high: float) -> None:
    cls = particle_class(name)
    assert low <= cls.density_g_per_ml(np.array([cls.median_nm]))[0] <= high


def test_sucrose_makes_vesicles_denser_and_leaves_lipoproteins_alone() -> None:
    exosome = particle_class("exosome")
    d = np.array([90.0])
    water_lost = exosome.shrinkage(d, 2000.0)[0]
    dense = (exosome.density_g_per_ml(d)[0] - water_lost * 0.9982) / (1 - water_lost)
    assert 1.13 <= dense <= 1.19  # the range found for sucrose
    assert exosome.shrinkage(d, 290.0)[0] == 0.0
    assert particle_class("LDL").shrinkage(np.array([22.0]), 2000.0)[0] == 0.0


def test_the_density_shares_have_the_spread_of_the_class() -> None:
    for n in (2, 5, 9):
        z = density_deviates(n)
        assert z.mean() == pytest.approx(0.0, abs=1e-12)
        assert (z**2).mean() == pytest.approx(1.0)
    assert density_deviates(1).tolist() == [0.0]


def test_mass_of_a_vesicle_and_of_albumin() -> None:
    p = mixed_population({"exosome": 1.0, "protein": 1.0}, n_densities=1)
    at_100 = int(np.argmin(np.abs(p.diameter_nm - 100)))
    expected = np.pi / 6 * (p.diameter_nm[at_100] * 1e-7) ** 3 * 1.0771
    assert p.mass_g()[0, 0, at_100] == pytest.approx(expected, rel=1e-3)
    at_7 = int(np.argmin(np.abs(p.diameter_nm - 7)))
    dry = p.mass_g()[1, 0, at_7] * particle_class("protein").protein_mass_fraction
    assert dry * 6.022e23 == pytest.approx(66_000, rel=0.05)


def test_apob_is_one_copy_per_ldl() -> None:
    assert mixed_population({"LDL": 6.02214076e14}).apob_ug_per_ml() == pytest.approx(512e3 * 1e-9 * 1e6, rel=1e-9)
    assert mixed_population({"HDL": 1e14}).apob_ug_per_ml() == 0.0


def test_sum_unites_classes_by_name_and_scaling_scales() -> None:
    a, b = mixed_population({"exosome": 1e8, "LDL": 1e10}), mixed_population({"LDL": 3e10, "HDL": 1e12})
    total = a + b.scaled(2.0)
    assert total.by_class() == pytest.approx({"exosome": 1e8, "LDL": 7e10, "HDL": 2e12})
    with pytest.raises(ValueError, match="different grids"):
        _ = a + mixed_population({"LDL": 1.0}, edges_nm=np.geomspace(5, 500, 50))


def test_arrays_cannot_be_changed_and_copies_share_the_grid() -> None:
    p = mixed_population({"exosome": 1e8})
    with pytest.raises(ValueError, match="read-only"):
        p.number_per_ml[0, 0, 0] = 1.0
    assert p.scaled(2.0).edges_nm is p.edges_nm


def test_the_instrument_s_view_keeps_the_total() -> None:
    p = mixed_population({"exosome": 1e9, "microvesicle": 1e8})
    assert p.population().concentration_per_ml == pytest.approx(1.1e9, rel=2e-3)
    assert p.population("microvesicle").concentration_per_ml == pytest.approx(1e8, rel=2e-3)


def test_a_sample_follows_the_population() -> None:
    p = mixed_population({"exosome": 3e8, "LDL": 1e8})
    drawn = p.sample(40_000, rng=np.random.default_rng(7))
    exosomes = drawn.class_index == 0
    assert exosomes.mean() == pytest.approx(0.75, abs=0.01)
    assert np.median(drawn.diameter_nm[exosomes]) == pytest.approx(p.median_diameter_nm("exosome"), rel=0.01)
    assert drawn.density_g_per_ml[exosomes].std() > 0.015
    cd9 = drawn.marker_copies["CD9"]
    assert (cd9[exosomes] > 0).mean() == pytest.approx(0.5, abs=0.01)
    assert not cd9[~exosomes].any()
    again = p.sample(40_000, rng=np.random.default_rng(7))
    assert np.array_equal(again.diameter_nm, drawn.diameter_nm)


def test_it_shows_itself() -> None:
    p = mixed_population({"exosome": 3e8, "LDL": 0.0})
    assert "<table>" in p._repr_html_()
    assert [row[0] for row in p.rows()] == ["exosome", "LDL"]
    assert p.rows()[1][2] == ""  # no median of nothing
    spec = p.plot_spec()
    assert [trace["name"] for trace in spec["data"]] == ["exosome"]


def test_bad_input_is_one_clear_error() -> None:
    with pytest.raises(AnalysisError, match=r"unknown particle class 'exozome'\. Known: exosome"):
        mixed_population({"exozome": 1e8})
    with pytest.raises(AnalysisError, match="exosome: a concentration cannot be -1"):
        mixed_population({"exosome": -1.0})
    with pytest.raises(AnalysisError, match="no part of it lies on the grid"):
        mixed_population({"HDL": 1.0}, edges_nm=np.geomspace(50, 500, 20))
    with pytest.raises(AnalysisError, match="empty population"):
        mixed_population({"HDL": 0.0}).sample(3, rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="finite and not negative"):
        MixedPopulation(
            edges_nm=np.array([1.0, 2.0]), classes=(particle_class("HDL"),), number_per_ml=np.array([[[-1.0]]])
        )


def test_every_parameter_has_a_source_and_a_sureness() -> None:
    for cls in particle_classes().values():
        assert {p.sureness for p in cls.parameters.values()} <= {"H", "M", "L"}
        assert all(p.source for p in cls.parameters.values())
        for name, p in cls.parameters.items():
            assert p.low is None or p.low <= p.value, (cls.name, name)
            assert p.high is None or p.value <= p.high, (cls.name, name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("median_nm\t90", "median_nm\tninety"), "line 3: expected a number, found ninety"),
        (("group\tvesicle", "group\tcell"), "line 2: expected one of vesicle"),
        (("\tH\tyes", "\tX\tyes"), "line 2: expected a source, a sureness"),
        (("shell_nm\t5", "shell\t5"), "exosome: a group and all parameters"),
        (("class\tparameter", "class\tname"), "line 1: expected the header"),
    ],
)
def test_a_malformed_table_is_refused(change: tuple[str, str], message: str) -> None:
    text = files("vesicula.data").joinpath("particle_classes.tsv").read_text(encoding="utf-8")
    broken = text.replace(*change, 1)
    assert broken != text
    with pytest.raises(UnreadableFile, match=message):
        parse_particle_classes(broken)


def test_cargo_grows_with_the_lumen_and_goes_with_its_particles() -> None:
    p = mixed_population({"exosome": 2e9, "HDL": 1e12}).with_cargo("miR-21-5p", {"exosome": 0.3})
    exosome = p.classes[p.names.index("exosome")]
    # Lumens of 80 and 170 nm inside shells of 5 nm.
    ratio = exosome.cargo_copies("miR-21-5p", np.array([180.0])) / exosome.cargo_copies("miR-21-5p", np.array([90.0]))
    assert ratio[0] == pytest.approx((170 / 80) ** 3)
    assert exosome.cargo_copies("miR-21-5p", np.array([90.0]))[0] == pytest.approx(0.3)
    per_ml = p.cargo_per_ml()
    assert set(per_ml) == {"miR-21-5p", "most abundant miRNA"}
    assert p.scaled(0.25).cargo_per_ml()["miR-21-5p"] == pytest.approx(0.25 * per_ml["miR-21-5p"])
    vesicles = mixed_population({"exosome": 2e9}).with_cargo("miR-21-5p", {"exosome": 0.3})
    drawn = vesicles.sample(40_000, rng=np.random.default_rng(3)).cargo_copies["miR-21-5p"]
    mean = vesicles.cargo_per_ml()["miR-21-5p"] / 2e9
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(drawn.var() / drawn.size))
    assert drawn.var() > mean  # Poisson at each size, and sizes differ
    with pytest.raises(AnalysisError, match="unknown particle class"):
        vesicles.with_cargo("miR-21-5p", {"LDL": 1.0})
    with pytest.raises(ValueError, match="not negative"):
        vesicles.with_cargo("miR-21-5p", {"exosome": -1.0})
