"""Centrifuge, filters, beads, polymer and devices: known answers, limits, and the balance of all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vesicula.core.errors import AnalysisError
from vesicula.core.particle_class import particle_class
from vesicula.core.population import mixed_population
from vesicula.isolation import filtration, microfluidics
from vesicula.isolation.balance import Fraction, Outcome, part, pool
from vesicula.isolation.centrifuge import centrifuge, run_at
from vesicula.isolation.fluids import medium
from vesicula.isolation.gradient import Layer, density_gradient
from vesicula.isolation.immunoaffinity import immunocapture, positive_share
from vesicula.isolation.precipitation import precipitate, solubility_mg_per_ml
from vesicula.isolation.rotors import rotor
from vesicula.isolation.sec import column, size_exclusion

PBS = medium("PBS", 20.0)
COLD = medium("PBS", 4.0)
METHODS: dict[str, Callable[[Fraction], Outcome]] = {
    "pellet": lambda f: centrifuge(
        f, run_at(rotor("Type 70 Ti"), 1e5, 70, at="r_max"), liquid=COLD, keep="pellet", washes=2
    ),
    "supernatant": lambda f: centrifuge(
        f, run_at(rotor("Type 45 Ti"), 1e4, 30, at="r_av"), liquid=COLD, keep="supernatant"
    ),
    "gradient": lambda f: density_gradient(
        Fraction(name="feed", population=f.population, volume_ml=1.0), run_at(rotor("SW 41 Ti"), 1e5, 600, at="r_av"),
        layers=[Layer(percent=10, volume_ml=5), Layer(percent=50, volume_ml=5)], solute="sucrose", temperature_c=4,
        keep=[7, 8, "pellet"],
    ),
    "tff": lambda f: filtration.ultrafilter(f, cutoff_kda=500, concentrate_to_ml=1, diavolumes=5, tangential=True),
    "uf": lambda f: filtration.ultrafilter(f, cutoff_kda=100, concentrate_to_ml=0.5, tangential=False),
    "filter": filtration.sterile_filter,
    "sec": lambda f: size_exclusion(f, column("Sepharose CL-2B 10 mL"), keep=[9, 10, 11, 12]),
    "immunoaffinity": lambda f: immunocapture(f, marker="CD9", liquid=COLD),
    "precipitation": precipitate,
    "dld": lambda f: microfluidics.lateral_displacement(f, liquid=PBS, gap_nm=300),
    "acoustic": lambda f: microfluidics.acoustic_focus(f, liquid=PBS),
    "af4": lambda f: microfluidics.field_flow(f, liquid=PBS, keep_from_min=10, keep_to_min=60),
}  # fmt: skip


def _recovered(o: Outcome, name: str) -> float:
    k = o.feed.population.names.index(name)
    return float(o.product.totals()[k].sum() / o.feed.totals()[k].sum())


@pytest.mark.parametrize("method", METHODS)
def test_every_particle_is_product_waste_or_stated_loss(method: str, feed: Fraction) -> None:
    outcome = METHODS[method](feed)
    before = outcome.feed.totals()
    after = sum(f.totals() for f in outcome.fractions)
    assert np.all(after[before == 0] == 0)
    # Each class, density and diameter by itself, not only in sum.
    there = before > 0
    assert np.abs(after[there] / before[there] - 1.0).max() <= 1e-9
    assert outcome.balance_error() < 1e-9
    assert {f.role for f in outcome.fractions} <= {"product", "waste", "loss"}
    assert outcome.product.population.concentration_per_ml > 0
    assert outcome.hours > 0


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_feed_is_refused(method: str) -> None:
    empty = Fraction(name="flask", population=mixed_population({"exosome": 0.0}), volume_ml=1.0)
    with pytest.raises(AnalysisError, match="is empty: there is nothing to"):
        METHODS[method](empty)


@pytest.mark.parametrize("method", METHODS)
def test_the_feed_is_not_changed(method: str, feed: Fraction) -> None:
    before = feed.population.number_per_ml.copy()
    METHODS[method](feed)
    assert np.array_equal(feed.population.number_per_ml, before)


def test_a_wash_takes_protein_and_costs_vesicles(feed: Fraction) -> None:
    run = run_at(rotor("Type 70 Ti"), 1e5, 70, at="r_max")
    once = centrifuge(feed, run, liquid=COLD, keep="pellet")
    washed = centrifuge(feed, run, liquid=COLD, keep="pellet", washes=1)
    assert _recovered(washed, "protein") < 0.1 * _recovered(once, "protein")
    assert 0.7 < _recovered(washed, "exosome") / _recovered(once, "exosome") < 0.82
    assert washed.g_hours == pytest.approx(2 * once.g_hours)


def test_more_than_one_rotor_load_takes_longer(feed: Fraction) -> None:
    run = run_at(rotor("MLS-50"), 1e5, 60, at="r_max")  # 4 tubes of 5 mL
    big = Fraction(name="feed", population=feed.population, volume_ml=50.0)
    one, three = (centrifuge(f, run, liquid=COLD, keep="pellet") for f in (feed, big))
    assert three.facts["rotor_loads"] == 3
    assert three.hours == pytest.approx(3 * one.hours)


def test_lipoproteins_that_float_stay_out_of_the_pellet(feed: Fraction) -> None:
    run = run_at(rotor("SW 40 Ti"), 1e5, 120, at="r_max")
    o = centrifuge(feed, run, liquid=COLD, keep="pellet", residual=0.0, pellet_loss=0.0)
    assert _recovered(o, "chylomicron") < 1e-6
    assert _recovered(o, "microvesicle") > 0.99


def test_speed_and_settings_are_checked(feed: Fraction) -> None:
    with pytest.raises(AnalysisError, match=r"SW 28: \d+ rpm is above its limit of 28000 rpm"):
        run_at(rotor("SW 28"), 400_000, 60, at="r_max")
    with pytest.raises(AnalysisError, match="unknown rotor 'SW 99'"):
        rotor("SW 99")
    with pytest.raises(AnalysisError, match="a force of -5 g"):
        run_at(rotor("SW 28"), -5, 60)
    with pytest.raises(AnalysisError, match="minutes must be positive"):
        run_at(rotor("SW 28"), 1000, 0)
    run = run_at(rotor("SW 28"), 1000, 10)
    with pytest.raises(AnalysisError, match="only a kept pellet can be washed"):
        centrifuge(feed, run, liquid=COLD, keep="supernatant", washes=1)
    with pytest.raises(AnalysisError, match=r"a volume of -3\.0 mL is not possible"):
        Fraction(name="x", population=feed.population, volume_ml=-3.0)
    with pytest.raises(AnalysisError, match="a share of the particles lies outside 0 and 1"):
        part(feed, 1.2, name="x", volume_ml=1.0, role="product")
    with pytest.raises(AnalysisError, match="no fraction is kept"):
        pool([], name="product")


def test_sieving_has_ferry_s_limits_and_value() -> None:
    s = filtration.sieving(np.array([1e-6, 20.0, 500.0]), 40.0, pore_gsd=1.000001)
    assert s == pytest.approx([1.0, 2 * 0.25 - 0.0625, 0.0], abs=1e-4)


@pytest.mark.parametrize("cutoff", [10.0, 100.0, 500.0])
def test_a_membrane_retains_nine_tenths_of_the_mass_it_is_named_after(cutoff: float) -> None:
    d = np.array([filtration.diameter_of_mass_nm(cutoff)])
    assert filtration.sieving(d, filtration.pore_of_cutoff_nm(cutoff))[0] == pytest.approx(0.1, abs=1e-6)


def test_diafiltration_clears_protein_and_keeps_vesicles_and_ldl(feed: Fraction) -> None:
    o = filtration.ultrafilter(feed, cutoff_kda=500, concentrate_to_ml=1, diavolumes=7, tangential=True, adsorbed=0.0)
    assert _recovered(o, "exosome") > 0.999
    assert _recovered(o, "LDL") > 0.9  # TFF does not take lipoproteins away
    assert _recovered(o, "protein") < 0.05
    with pytest.raises(AnalysisError, match="cannot be concentrated to 20 mL"):
        filtration.ultrafilter(feed, cutoff_kda=500, concentrate_to_ml=20, tangential=True)


def test_beads_take_only_carriers_beside_the_floor(feed: Fraction) -> None:
    o = immunocapture(
        feed, marker="CD63", liquid=COLD, hours=48, antibody_nm=1e4, at_least=1, eluted=1.0, non_specific=0.0
    )
    assert _recovered(o, "exosome") == pytest.approx(
        particle_class("exosome").markers["CD63"].positive_fraction, abs=0.02
    )
    assert _recovered(o, "LDL") == 0.0
    assert _recovered(o, "bovine vesicle") == 0.0
    floor = immunocapture(feed, marker="CD63", liquid=COLD, non_specific=0.01, eluted=0.5)
    assert _recovered(floor, "LDL") == pytest.approx(0.005)


def test_few_beads_fill_up(feed: Fraction) -> None:
    rich = immunocapture(feed, marker="CD9", liquid=COLD, beads_per_ml=1e7)
    poor = immunocapture(feed, marker="CD9", liquid=COLD, beads_per_ml=1e4, hours=2e4)
    assert not rich.notes
    assert "the beads are full" in poor.notes[0]
    assert _recovered(poor, "exosome") < _recovered(rich, "exosome")


def test_the_marker_model_of_the_beads_is_that_of_the_sample() -> None:
    cls = particle_class("exosome")
    drawn = mixed_population({"exosome": 1.0}).sample(60_000, rng=np.random.default_rng(3))
    for n in (1, 5, 20):
        expected = positive_share(cls, "CD81", drawn.diameter_nm, at_least=n).mean()
        assert (drawn.marker_copies["CD81"] >= n).mean() == pytest.approx(expected, abs=0.01)


def test_peg_takes_particles_and_leaves_albumin(feed: Fraction) -> None:
    o = precipitate(feed, percent=10, carry_over=0.0)
    assert _recovered(o, "exosome") > 0.9
    assert _recovered(o, "LDL") > 0.5
    assert _recovered(o, "protein") < 0.01
    more = [_recovered(precipitate(feed, percent=p, carry_over=0.0), "HDL") for p in (5, 10, 20, 40)]
    assert more == sorted(more)
    assert solubility_mg_per_ml(np.array([7.0]), 10.0)[0] == pytest.approx(10**1.5)
    with pytest.raises(AnalysisError, match="between 0 and 50"):
        precipitate(feed, percent=60)


def test_dld_bumps_above_its_critical_size(feed: Fraction) -> None:
    assert microfluidics.dld_critical_nm(250, 0.1) == pytest.approx(1.4 * 250 * 0.1**0.48)
    o = microfluidics.lateral_displacement(feed, liquid=PBS, gap_nm=250, row_shift=0.1)
    share = (o.fraction("bumped").totals()[0] / np.where(feed.totals()[0] > 0, feed.totals()[0], np.nan))[0]
    d = feed.population.diameter_nm
    assert np.nanmax(share[d < 90]) < 0.01
    assert np.nanmin(share[(d > 135) & (d < 149)]) > 0.8
    assert any("clog" in note for note in o.notes)


def test_sound_gathers_the_heavy_and_drives_off_the_light() -> None:
    light, heavy = microfluidics.acoustic_contrast(np.array([0.93, 1.2]), np.array([1.2, 0.6]), PBS)
    assert light < 0 < heavy
    population = mixed_population({"apoptotic body": 1e6, "chylomicron": 1e9})
    feed = Fraction(name="feed", population=population, volume_ml=1.0)
    o = microfluidics.acoustic_focus(feed, liquid=PBS, residence_s=30, centre=0.3)
    assert _recovered(o, "apoptotic body") > 0.85
    assert _recovered(o, "chylomicron") < 0.3 * 0.9
    still = microfluidics.acoustic_focus(feed, liquid=PBS, residence_s=1e-9, centre=0.3)
    assert _recovered(still, "apoptotic body") == pytest.approx(0.3 * 0.9, rel=1e-6)


def test_af4_retention_is_the_high_retention_formula_s() -> None:
    # t = w^2 / (6 D) ln(1 + Vc / Vout), worked here for 60 nm in water at 20 C, where lambda is small.
    water = medium("water", 20.0)
    t = microfluidics.af4_retention_min(
        np.array([60.0]), liquid=water, width_um=350, void_ml=0.8, cross_ml_per_min=1.0, out_ml_per_min=0.5
    )
    d = 1.380649e-23 * 293.15 / (3 * np.pi * 1.0016e-3 * 60e-9)
    assert t[0] * 60 == pytest.approx((350e-6) ** 2 / (6 * d) * np.log(3), rel=0.08)
    times = microfluidics.af4_retention_min(
        np.geomspace(5, 200, 30), liquid=water, width_um=350, void_ml=0.8, cross_ml_per_min=1.0, out_ml_per_min=0.5
    )
    assert np.all(np.diff(times) > 0)


@settings(max_examples=25)
@given(
    rcf=st.floats(100, 150_000),
    minutes=st.floats(1, 600),
    volume=st.floats(0.1, 2000),
    washes=st.integers(0, 3),
    exosomes=st.floats(1e3, 1e12),
)
def test_any_pelleting_is_balanced_and_within_bounds(
    rcf: float, minutes: float, volume: float, washes: int, exosomes: float
) -> None:
    population = mixed_population(
        {"exosome": exosomes, "VLDL": 1e12}, edges_nm=np.geomspace(20, 300, 40), n_densities=2
    )
    feed = Fraction(name="feed", population=population, volume_ml=volume)
    o = centrifuge(
        feed, run_at(rotor("Type 70 Ti"), rcf, minutes, at="r_max"), liquid=COLD, keep="pellet", washes=washes
    )
    assert o.balance_error() < 1e-9
    assert 0 <= _recovered(o, "exosome") <= 0.8 ** (1 + washes) + 1e-9
