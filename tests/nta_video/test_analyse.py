"""From movie to verdict: a good one gives the truth inside its intervals, a bad one gives a reason and no number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import ReadWarning
from vesicula.core.population import lognormal_population
from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings, analyse_tracks, analyse_video
from vesicula.instruments.nta.video.detect import DetectSettings
from vesicula.instruments.nta.video.movie import ArrayMovie, open_movie
from vesicula.instruments.nta.video.optics import load_optics
from vesicula.instruments.nta.video.scatter import POLYSTYRENE
from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video
from vesicula.instruments.nta.video.size import SizeSettings

OPTICS = load_optics("nanosight-like", width_px=240, height_px=180)
SMALL = load_optics("nanosight-like", width_px=160, height_px=120)
FAST = AnalysisVideoSettings(size=SizeSettings(bootstrap=40, max_components=1), sensitivity_frames=30)
TRUE_PER_ML = 1.2e9


def film(optics=OPTICS, *, per_ml=TRUE_PER_ML, seconds=12.0, seed=3, **settings):
    population = lognormal_population(median_nm=(100.0,), geometric_sd=(1.12,), concentration_per_ml=(per_ml,))
    given = VideoSettings(duration_s=seconds, material=POLYSTYRENE, **settings)
    movie = simulate_video(population, optics, given, np.random.default_rng(seed))
    return ArrayMovie(np.stack(list(movie.frames())), optics.frame_rate_per_s, "good.avi")


@pytest.fixture(scope="module")
def good():
    return film()


@pytest.fixture(scope="module")
def analysed(good):
    return analyse_video(good, OPTICS, FAST, np.random.default_rng(1))


def test_truth_lies_inside_the_intervals_of_a_good_movie(analysed):
    assert analysed.verdict.measured
    assert analysed.verdict.refusals == ()
    found = {e.quantity: e for e in analysed.estimates}
    truth = {"d50_nm": 100.0, "mean_diameter_nm": 100.0 * np.exp(np.log(1.12) ** 2 / 2),
             "concentration_per_ml": TRUE_PER_ML}  # fmt: skip
    for quantity, value in truth.items():
        assert found[quantity].low <= value <= found[quantity].high, quantity
    # An interval so wide that it holds anything would be no result.
    assert found["d50_nm"].high / found["d50_nm"].low < 1.4
    assert found["concentration_per_ml"].high / found["concentration_per_ml"].low < 4


def test_same_seed_same_numbers(good, analysed):
    again = analyse_video(good, OPTICS, FAST, np.random.default_rng(1))
    assert again.estimates == analysed.estimates
    assert again.findings == analysed.findings


def test_dilution_scales_the_concentration_alone(good, analysed):
    settings = replace(FAST, dilution=1000.0, sensitivity_frames=0)
    diluted = analyse_video(good, OPTICS, settings, np.random.default_rng(1))
    ours = {e.quantity: e.value for e in diluted.estimates}
    before = {e.quantity: e.value for e in analysed.estimates}
    assert ours["concentration_per_ml"] == pytest.approx(1000 * before["concentration_per_ml"])
    assert ours["d50_nm"] == before["d50_nm"]


def test_tracks_of_an_instrument_give_sizes_but_no_concentration(analysed):
    exported = replace(analysed.tracks, snr=np.full(analysed.tracks.snr.size, 10.0))
    found = analyse_tracks(exported, OPTICS, FAST, np.random.default_rng(1))
    assert found.verdict.measured
    assert found.concentration is None
    d50 = found.distribution.estimate("d50_nm")
    assert d50.value == pytest.approx(analysed.distribution.estimate("d50_nm").value, rel=0.15)


def test_what_is_too_dim_is_named_and_left_out_of_numbers_and_truth():
    sigma, per_ml = np.log(1.35), 1.2e9
    population = lognormal_population(median_nm=(120.0,), geometric_sd=(1.35,), concentration_per_ml=(per_ml,))
    movie = simulate_video(population, OPTICS, VideoSettings(duration_s=30), np.random.default_rng(0))
    found = analyse_video(movie, OPTICS, replace(FAST, sensitivity_frames=0), np.random.default_rng(1))
    limit = found.concentration.lower_limit_nm
    # By Mie theory these vesicles rise over this threshold, in the middle of the sheet, at some 80 nm.
    assert 70 < limit < 110
    assert f"from {limit:.1f} nm on" in found.verdict.headline
    below = norm.cdf(np.log(limit / 120) / sigma)
    numbers = {e.quantity: e for e in found.estimates}
    for quantity, p in (("d10_nm", 0.1), ("d50_nm", 0.5), ("d90_nm", 0.9)):
        truth = 120 * np.exp(sigma * norm.ppf(below + p * (1 - below)))
        assert numbers[quantity].low <= truth <= numbers[quantity].high, quantity
    concentration = numbers["concentration_per_ml"]
    assert concentration.low <= per_ml * (1 - below) <= concentration.high
    # The whole population's number lies outside: without the limit the result would be wrong, not only uncertain.
    assert concentration.high < per_ml
    assert found.distribution.share[found.distribution.diameters_nm < limit].sum() == 0


def test_real_beads_too_large_for_nta_are_refused():
    # 1 um beads; trackpy's walkthrough gives the scale. See docs/validation/nta.md for what else this video shows.
    movie = open_movie(Path(__file__).parents[1] / "data" / "nta_video" / "bulk-water.mov")
    optics = load_optics("nanosight-like", um_per_px=100 / 285, frame_rate_per_s=24.0, exposure_s=0.0416,
                         temperature_c=22.0, viscosity_mpa_s=0.955)  # fmt: skip
    settings = replace(
        FAST, detect=DetectSettings(polarity="dark"), sensitivity_frames=0, most_frames=60, rate_given=True,
        size=SizeSettings(bootstrap=0, max_components=1),
    )  # fmt: skip
    found = analyse_video(movie, optics, settings, np.random.default_rng(0))
    assert "out-of-range" in [r.code for r in found.verdict.refusals]
    assert found.estimates == ()


def test_progress_is_told_step_by_step():
    steps = []
    analyse_video(film(SMALL, seconds=2), SMALL, FAST, np.random.default_rng(1), lambda *a: steps.append(a))
    names = list(dict.fromkeys(s[0] for s in steps))
    assert names[:3] == ["looking", "detecting", "linking"]
    assert max(s[1] for s in steps if s[0] == "detecting") == 50


def noise(frames=60, seed=5):
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(rng.normal(9, 1.0, (frames, 120, 160))), 0, 255).astype(np.uint8)


class Broken(ArrayMovie):
    """A movie whose file ends before its frames do."""

    def __init__(self, array, *, how):
        super().__init__(array, SMALL.frame_rate_per_s, "broken.avi")
        self.how = how
        self.warnings = ()

    @property
    def frame_count(self):
        return 2 * super().frame_count

    def frames(self):
        yield from super().frames()
        if self.how == "raises":
            raise UnreadableFile("broken.avi", where="frame 50", expected="a frame", found="none", remedy="Copy anew.")
        self.warnings = (ReadWarning(code="video-truncated", message="The video breaks off after 50 frames."),)


def bad_movies():
    good = film(SMALL, seconds=3)
    frames = np.stack(list(good.frames()))
    rate = SMALL.frame_rate_per_s
    return {
        "truncated, told": (Broken(frames, how="warns"), "truncated"),
        "truncated, raised": (Broken(frames, how="raises"), "truncated"),
        "wrong frame rate": (ArrayMovie(frames, 50.0), "frame-rate"),
        "every frame twice": (ArrayMovie(np.repeat(frames, 2, axis=0), rate), "repeated-frames"),
        "one frame": (ArrayMovie(frames[:1], rate), "too-few-frames"),
        "constant": (ArrayMovie(np.repeat(frames[:1], 60, axis=0), rate), "constant"),
        "black": (ArrayMovie(np.zeros((60, 120, 160), np.uint8), rate), "constant"),
        "dark": (ArrayMovie(noise(), rate), "nothing-there"),
        "loud noise": (
            ArrayMovie(np.random.default_rng(6).integers(0, 250, (60, 120, 160)).astype(np.uint8), rate),
            "nothing-there",
        ),
        "saturated": (film(SMALL, seconds=2, reference_electrons=2e7), "saturated"),
        "bright everywhere": (film(SMALL, seconds=1, background_electrons=4000), "saturated"),
        "all drift": (film(SMALL, seconds=4, drift_um_per_s=(60.0, 20.0), per_ml=1.5e9), "drift"),
    }


@pytest.mark.parametrize("kind", [
    "truncated, told", "truncated, raised", "wrong frame rate", "every frame twice", "one frame", "constant", "black",
    "dark", "loud noise", "saturated", "bright everywhere", "all drift",
])  # fmt: skip
def test_a_bad_movie_gets_a_reason_and_no_number(bad, kind):
    movie, code = bad[kind]
    found = analyse_video(movie, SMALL, FAST, np.random.default_rng(1))
    assert not found.verdict.measured
    assert code in [r.code for r in found.verdict.refusals]
    assert all(r.reason and r.remedy for r in found.verdict.refusals)
    assert found.verdict.headline.startswith("No measurement: ")
    assert found.estimates == ()
    assert found.distribution is None
    assert found.concentration is None
    assert not [f for f in found.findings if f.topic in ("size", "concentration")]


@pytest.fixture(scope="module")
def bad():
    return bad_movies()


@pytest.mark.parametrize("per_ml", [2.5e10, 3e11])
def test_too_many_particles_are_refused_though_few_are_detected(per_ml):
    # 3e11 per mL in this field are as dense as some 1e5 particles in a frame of 640 x 480 px.
    movie = film(SMALL, seconds=0.6, per_ml=per_ml)
    found = analyse_video(movie, SMALL, FAST, np.random.default_rng(1))
    assert "too-dense" in [r.code for r in found.verdict.refusals]
    assert found.estimates == ()


def test_few_tracks_are_no_distribution():
    movie = film(SMALL, seconds=2, per_ml=5e8)
    found = analyse_video(movie, SMALL, FAST, np.random.default_rng(1))
    assert [r.code for r in found.verdict.refusals] == ["too-few-tracks"]
