"""The command `vesicula nta` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile

VESICULA = Path(sys.executable).with_name("vesicula")


def vesicula(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [VESICULA, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=200, env=dict(os.environ)
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("nta") / "bead<s>.avi"
    vesicula(
        "nta", "simulate", path, "--preset", "nanosight-like", "--width", 160, "--height", 120, "--duration", 8,
        "--per-ml", 2e9, "--median-nm", 120, "--gsd", 1.1, "--seed", 2,
    )  # fmt: skip
    return path


def test_simulated_avi_holds_the_frames_exactly_and_the_truth(movie):
    from vesicula.core.population import lognormal_population
    from vesicula.instruments.nta.video.movie import open_movie
    from vesicula.instruments.nta.video.optics import load_optics
    from vesicula.instruments.nta.video.simulate import VideoSettings, simulate_video

    written = open_movie(movie)
    optics = load_optics("nanosight-like", width_px=160, height_px=120)
    population = lognormal_population(median_nm=(120.0,), geometric_sd=(1.1,), concentration_per_ml=(2e9,))
    meant = simulate_video(population, optics, VideoSettings(duration_s=8.0), np.random.default_rng(2))
    assert written.frame_rate_per_s == pytest.approx(24.98, rel=1e-3)
    count = 0
    for a, b in zip(written.frames(), meant.frames(), strict=True):
        assert np.array_equal(a, b)
        count += 1
    assert count == 200
    truth = pl.read_parquet(movie.with_name("bead<s>.truth.parquet"))
    assert truth["frame"].n_unique() == 200
    assert truth["diameter_nm"].median() == pytest.approx(120, rel=0.1)


def test_video_without_the_word_analyse_is_analysed(movie, tmp_path):
    out = tmp_path / "result"
    told = vesicula("nta", movie, "--preset", "nanosight-like", "-o", out, "--json")
    result = json.loads(told.stdout)
    assert result["verdict"]["measured"] is True
    assert {n["quantity"] for n in result["numbers"]} >= {"d50_nm", "concentration_per_ml"}
    assert sorted(p.name for p in out.iterdir()) == [
        "page.html", "result.json", "size_distribution.parquet", "tracks.parquet",
    ]  # fmt: skip
    assert json.loads((out / "result.json").read_text()) == result
    assert result["inputs"][0]["path"] == "bead<s>.avi"
    assert "bead<s>" not in (out / "page.html").read_text()
    assert pl.read_parquet(out / "size_distribution.parquet").height > 100
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert "stands there already" in vesicula("nta", movie, "--preset", "nanosight-like", "-o", out, code=1).stderr
    vesicula("nta", "analyse", movie, "--preset", "nanosight-like", "-o", out, "--overwrite")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_bad_video_gives_a_page_and_exit_code_3(tmp_path):
    path = tmp_path / "dark.tif"
    rng = np.random.default_rng(1)
    frames = np.clip(np.rint(rng.normal(9, 1, (40, 64, 64))), 0, 255).astype(np.uint8)
    tifffile.imwrite(path, frames, photometric="minisblack")
    told = vesicula("nta", path, "--preset", "zetaview-like", code=3)
    assert "No measurement" in told.stdout
    assert "Check laser" in told.stdout
    assert "no measurement" in (tmp_path / "dark-nta" / "page.html").read_text()


def test_errors_are_one_line(tmp_path, movie):
    text = tmp_path / "not-a-video.avi"
    text.write_text("hello")
    assert "not-a-video.avi" in vesicula("nta", text, "--preset", "nanosight-like", code=1).stderr
    assert "presets are" in vesicula("nta", movie, "--preset", "nobody", code=1).stderr
    alone = vesicula("nta", movie, "--preset", "nanosight-like", "--temperature", 25, code=1)
    assert "--viscosity" in alone.stderr
    mp4 = vesicula("nta", "simulate", tmp_path / "a.mp4", "--preset", "nanosight-like", code=1)
    assert ".tif or .avi" in mp4.stderr
    vesicula("nta", tmp_path / "absent.avi", "--preset", "nanosight-like", code=2)


def test_a_foreign_folder_is_left_alone(tmp_path, movie):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    told = vesicula("nta", movie, "--preset", "nanosight-like", "-o", tmp_path / "mine", "--overwrite", code=1)
    assert "left alone" in told.stderr
    assert [p.name for p in tmp_path.joinpath("mine").iterdir()] == ["thesis.docx"]


def test_simulated_tiff_carries_its_frame_rate(tmp_path):
    path = tmp_path / "s.tif"
    vesicula("nta", "simulate", path, "--preset", "zetaview-like", "--width", 64, "--height", 48, "--duration", 0.5)
    from vesicula.instruments.nta.video.movie import open_movie

    movie = open_movie(path)
    assert movie.frame_rate_per_s == pytest.approx(30.0, rel=1e-3)
    assert sum(1 for _ in movie.frames()) == 15
    vesicula("nta", "simulate", path, "--preset", "zetaview-like", code=1)


def test_exported_tracks_give_sizes_without_a_concentration(tmp_path):
    export = Path(__file__).parents[1] / "data" / "nanosight" / "synthetic_AllTracks.csv"
    out = tmp_path / "tracks"
    told = vesicula("nta", "tracks", export, "--preset", "nanosight-like", "-o", out, "--json")
    result = json.loads(told.stdout)
    quantities = {n["quantity"] for n in result["numbers"]}
    assert "d50_nm" in quantities
    assert "concentration_per_ml" not in quantities
    assert (out / "page.html").is_file()
    wrong = Path(__file__).parents[1] / "data" / "nanosight" / "beads.csv"
    error = vesicula("nta", "tracks", wrong, "--preset", "nanosight-like", "-o", tmp_path / "no", code=1).stderr
    assert "beads.csv" in error
    assert not (tmp_path / "no").exists()


def test_dark_particles_are_found_only_when_told_so(movie, tmp_path):
    from vesicula.instruments.nta.video.movie import open_movie

    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, 255 - np.stack(list(open_movie(movie).frames())))
    options = ("--preset", "nanosight-like", "--frame-rate", 24.98, "-o")
    vesicula("nta", path, *options, tmp_path / "bright", code=3)
    result = json.loads(vesicula("nta", path, *options, tmp_path / "dark", "--dark", "--json").stdout)
    assert result["verdict"]["measured"] is True
