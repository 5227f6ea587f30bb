"""The simulated movie against the physics that it claims."""

from dataclasses import replace

import numpy as np
import pytest

from vesicula.core.errors import SettingsError
from vesicula.core.population import Population, lognormal_population
from vesicula.instruments.nta.video.model import Optics, Truth
from vesicula.instruments.nta.video.optics import load_optics, preset_names
from vesicula.instruments.nta.video.psf import ENERGY, STEPS_PER_PX, psf_table
from vesicula.instruments.nta.video.simulate import (
    SHEET_REACH,
    SimulatedMovie,
    VideoSettings,
    simulate_video,
    stokes_einstein_um2_per_s,
)


@pytest.fixture
def optics() -> Optics:
    return replace(load_optics("nanosight-like"), width_px=160, height_px=120)


def beads(nm: float, per_ml: float) -> Population:
    grid = np.linspace(nm * 0.99, nm * 1.01, 201)
    return lognormal_population(
        median_nm=(nm,), geometric_sd=(1.002,), concentration_per_ml=(per_ml,), diameter_nm=grid
    )


def film(population: Population, optics: Optics, seed: int = 1, **settings: object) -> SimulatedMovie:
    return simulate_video(population, optics, VideoSettings(**settings), np.random.default_rng(seed))  # type: ignore[arg-type]


def steps(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((truth.frame, truth.particle))
    p, f, x = truth.particle[order], truth.frame[order], truth.x_px[order]
    next_ = (np.diff(p) == 0) & (np.diff(f) == 1)
    dx = np.diff(x)
    return dx[next_], np.where(next_[:-1] & next_[1:], dx[:-1] * dx[1:], np.nan)


def test_every_number_of_a_preset_has_a_source() -> None:
    assert set(preset_names()) == {"nanosight-like", "zetaview-like"}
    for name in preset_names():
        assert all(load_optics(name).sources.values())


def test_an_impossible_instrument_is_refused() -> None:
    with pytest.raises(SettingsError, match="exposure_s is longer than a frame"):
        load_optics("nanosight-like", exposure_s=0.2)
    with pytest.raises(SettingsError, match="presets are nanosight-like, zetaview-like"):
        load_optics("no-such")
    with pytest.raises(SettingsError, match="um_per_px is -1"):
        load_optics("nanosight-like", um_per_px=-1)


def test_light_is_neither_made_nor_lost_out_of_focus(optics: Optics) -> None:
    table = psf_table(optics, reach_um=12, most_px=60)
    r = np.arange(table.values.shape[1]) / STEPS_PER_PX
    light = (table.values * 2 * np.pi * r / STEPS_PER_PX).sum(axis=1)
    assert np.all(light > ENERGY)
    assert np.all(light < 1.001)
    halved = np.interp(optics.depth_of_field_um, np.arange(table.values.shape[0]) * table.dz_um, table.values[:, 0])
    assert halved == pytest.approx(table.values[0, 0] / 2, rel=0.03)


def test_out_of_focus_there_are_rings(optics: Optics) -> None:
    table = psf_table(optics, reach_um=20)
    far = table.values[int(13 / table.dz_um)]
    assert far[1:60].max() > 1.5 * far[0]


def test_steps_are_those_of_diffusion_blurred_by_the_shutter(optics: Optics) -> None:
    truth = film(beads(100, 1e10), optics, duration_s=6).truth()
    dx, products = steps(truth)
    d = stokes_einstein_um2_per_s(
        np.array([100.0]), temperature_c=optics.temperature_c, viscosity_mpa_s=optics.viscosity_mpa_s
    )[0]
    period, exposure = 1 / optics.frame_rate_per_s, optics.exposure_s
    variance = (dx * optics.um_per_px).var()
    covariance = np.nanmean(products) * optics.um_per_px**2
    # Berglund 2010: <dx^2> = 2D(t - t_exp/3), <dx dx'> = D t_exp/3; averages over six places fall short of a whole
    # shutter by 1/36.
    assert dx.size > 20_000
    assert variance == pytest.approx(2 * d * (period - exposure / 3 * (1 - 1 / 36)), rel=0.04)
    assert covariance == pytest.approx(d * exposure / 3 * (1 - 1 / 36), rel=0.1)


def test_drift_and_vibration_move_everything_together(optics: Optics) -> None:
    still = film(beads(100, 2e9), optics, duration_s=2).truth()
    moved = film(beads(100, 2e9), optics, duration_s=2, drift_um_per_s=(3.0, 0.0)).truth()
    dx, _ = steps(moved)
    base, _ = steps(still)
    expected = 3.0 / optics.frame_rate_per_s / optics.um_per_px
    assert dx.mean() - base.mean() == pytest.approx(expected, abs=4 * dx.std() / np.sqrt(dx.size / 2))


def test_particles_are_as_many_as_the_volume_holds(optics: Optics) -> None:
    per_ml = 2e9
    counts = [
        np.unique(film(beads(80, per_ml), optics, seed=s, duration_s=0.04).truth().particle).size for s in range(60)
    ]
    area_um2 = optics.width_px * optics.height_px * optics.um_per_px**2
    expected = per_ml * area_um2 * 2 * SHEET_REACH * optics.sheet_sigma_um * 1e-12
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 60))
    assert 0.5 < np.var(counts, ddof=1) / expected < 1.8


def test_the_same_seed_gives_the_same_movie_and_the_truth_belongs_to_it(optics: Optics) -> None:
    movie = film(beads(200, 5e8), optics, duration_s=0.4)
    first, second = [np.stack(list(movie.frames())) for _ in range(2)]
    np.testing.assert_array_equal(first, second)
    truth = movie.truth()
    brightest = int(np.argmax(truth.snr))
    image = first[truth.frame[brightest]]
    y, x = round(truth.y_px[brightest]), round(truth.x_px[brightest])
    assert image[y, x] > np.median(image) + 5 * (np.percentile(image, 84) - np.median(image))


def test_a_dark_frame_has_the_cameras_noise(optics: Optics) -> None:
    empty = beads(100, 1e-3)
    movie = film(empty, optics, duration_s=0.4, background_electrons=400.0)
    frames = np.stack(list(movie.frames())).astype(float)
    mean = 400.0 / optics.gain_electrons_per_count + optics.offset_counts
    sd = np.sqrt(400.0 + optics.read_noise_electrons**2 + optics.gain_electrons_per_count**2 / 12)
    assert frames.mean() == pytest.approx(mean, abs=0.02)
    assert frames.std() == pytest.approx(sd / optics.gain_electrons_per_count, rel=0.02)


def test_a_bright_particle_saturates_at_the_well_and_the_bits(optics: Optics) -> None:
    movie = film(beads(400, 5e8), optics, duration_s=0.2, reference_electrons=1e6)
    assert max(int(f.max()) for f in movie.frames()) == 255
    wide = film(beads(400, 5e8), replace(optics, bit_depth=12), duration_s=0.2, reference_electrons=1e6)
    assert max(int(f.max()) for f in wide.frames()) == 2005  # 20 000 electrons / 10 + 5


def test_labels_bleach(optics: Optics) -> None:
    glowing = replace(optics, fluorescence=True)
    movie = film(beads(100, 2e9), glowing, duration_s=2, bleaching_s=0.5)
    truth = movie.truth()
    first, last = (np.median(truth.electrons[truth.frame == f]) for f in (0, movie.frame_count - 1))
    assert last < 0.06 * first
