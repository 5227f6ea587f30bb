"""Write the pictures of the README: the demo's dossier, and the page of a simulated NTA video. Needs Chromium.

Run as: python docs/make_images.py [PATH OF CHROMIUM]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import vesicula
from vesicula.assess.demo import unpack_demo
from vesicula.dossier.nta_video.page import write_video_page
from vesicula.instruments.nta.video.analyse import AnalysisVideoSettings
from vesicula.instruments.nta.video.simulate import VideoSettings

IMAGES = Path(__file__).parent / "images"


def dossier(folder: Path) -> Path:
    """Analyse the demo."""
    study = vesicula.Study.load(unpack_demo(folder))
    return vesicula.write_dossier(study.analyse(), folder / "dossier", inputs=study.folder).html


def video(folder: Path) -> Path:
    """Film and analyse vesicles of 120 nm."""
    optics = vesicula.load_optics("nanosight-like")
    vesicles = vesicula.lognormal_population(median_nm=(120.0,), geometric_sd=(1.35,), concentration_per_ml=(8e8,))
    movie = vesicula.simulate_video(vesicles, optics, VideoSettings(duration_s=20.0), np.random.default_rng(1))
    found = vesicula.analyse_video(movie, optics, AnalysisVideoSettings(), np.random.default_rng(0))
    return write_video_page(found, folder / "video")


def main() -> None:
    """Take both pictures."""
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {"dossier.png": (dossier(Path(folder)), 1720), "nta-video.png": (video(Path(folder)), 1500)}
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (path, height) in pages.items():
            page = browser.new_page(viewport={"width": 1280, "height": height})
            page.goto(path.as_uri())
            page.wait_for_selector(".js-plotly-plot, figure svg")
            page.screenshot(path=IMAGES / name)
            print(f"wrote {IMAGES / name}")
        browser.close()


if __name__ == "__main__":
    main()
