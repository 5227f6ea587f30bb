"""The page of an analysed video: what it says, what it escapes, that it depends on nothing."""

from __future__ import annotations

import base64
import re
import zlib

import numpy as np
import pytest

from vesicula.core.errors import DossierError
from vesicula.core.population import lognormal_population
from vesicula.dossier.nta_video.page import render_video_page, size_table, tracks_table, write_video_page
from vesicula.figures.nta_video import png, stretched
from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings, analyse_video
from vesicula.instruments.nta.video.movie import ArrayMovie
from vesicula.instruments.nta.video.optics import load_optics
from vesicula.instruments.nta.video.scatter import POLYSTYRENE
from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video
from vesicula.instruments.nta.video.size import SizeSettings

HOSTILE = "<img src=x onerror=alert(1)>\"'&.avi"
OPTICS = load_optics("nanosight-like", width_px=160, height_px=120)
FAST = AnalysisVideoSettings(size=SizeSettings(bootstrap=30, max_components=1), sensitivity_frames=0)


@pytest.fixture(scope="module")
def analysis():
    population = lognormal_population(median_nm=(110.0,), geometric_sd=(1.1,), concentration_per_ml=(1.5e9,))
    given = VideoSettings(duration_s=8.0, material=POLYSTYRENE)
    movie = simulate_video(population, OPTICS, given, np.random.default_rng(1))
    frames = np.stack(list(movie.frames()))
    return analyse_video(ArrayMovie(frames, OPTICS.frame_rate_per_s, HOSTILE), OPTICS, FAST, np.random.default_rng(1))


@pytest.fixture(scope="module")
def refused():
    rng = np.random.default_rng(5)
    frames = np.clip(np.rint(rng.normal(9, 1.0, (40, 120, 160))), 0, 255).astype(np.uint8)
    return analyse_video(ArrayMovie(frames, OPTICS.frame_rate_per_s, HOSTILE), OPTICS, FAST, np.random.default_rng(1))


def test_verdict_comes_first_and_numbers_with_intervals(analysis):
    page = render_video_page(analysis)
    assert page.index('id="verdict"') < page.index("Key numbers") < page.index('id="checks"')
    d50 = analysis.distribution.estimate("d50_nm")
    assert f"{d50.value:.1f} nm" in page
    assert f"{d50.low:.1f} to {d50.high:.1f}" in page
    assert page.count("data:image/png;base64,") == 4
    assert page.count("<tr>") > 25
    for f in analysis.findings[:3]:
        assert f.title in page


def test_refused_video_has_reason_remedy_and_no_number(refused):
    page = render_video_page(refused)
    assert "Nothing is there." in page
    assert "Check laser" in page
    assert "Key numbers" not in page
    assert 'id="size"' not in page
    assert size_table(refused).is_empty()
    assert tracks_table(refused).is_empty()


@pytest.mark.parametrize("which", ["analysis", "refused"])
def test_nothing_from_a_file_name_becomes_markup_and_nothing_is_loaded(which, request):
    page = render_video_page(request.getfixturevalue(which))
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;img src=x" in page
    assert not re.search(r'(?:src|href)="(?!#|data:|https://doi\.org/)', page)
    assert "default-src 'none'" in page


def test_same_analysis_same_bytes_and_all_or_nothing(analysis, tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    write_video_page(analysis, one)
    write_video_page(analysis, two)
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}
    before = (one / "page.html").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vesicula.dossier.nta_video.page.result_json", full)
    with pytest.raises(DossierError, match="No space left"):
        write_video_page(analysis, one, overwrite=True)
    with pytest.raises(DossierError, match="No space left"):
        write_video_page(analysis, tmp_path / "three")
    assert (one / "page.html").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_png_holds_the_picture():
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (7, 11)).astype(np.uint8)
    data = png(picture)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    rows = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(7, 12)
    assert np.all(rows[:, 0] == 2)
    assert np.array_equal(np.cumsum(rows[:, 1:].astype(np.int64), axis=0) % 256, picture)
    assert base64.b64encode(data)


def test_another_reader_agrees_on_the_png(tmp_path):
    from vesicula.instruments.nta.video.movie import open_movie

    picture = np.arange(64 * 48, dtype=np.uint32).reshape(48, 64).astype(np.uint8)
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "1.png").write_bytes(png(picture))
    assert np.array_equal(next(open_movie(tmp_path / "f").frames()), picture)


def test_stretch_spans_the_range_even_of_a_flat_frame():
    assert stretched(np.full((20, 20), 7, np.uint8)).max() == 0
    frame = np.full((50, 50), 7, np.uint16)
    frame[20:25, 20:25] = 900
    assert stretched(frame).max() == 255
