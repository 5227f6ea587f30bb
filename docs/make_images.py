"""Write docs/images/dossier.png: a picture of the demo's dossier. Needs Chromium.

Run as: python docs/make_images.py [PATH OF CHROMIUM]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import vesicula
from vesicula.assess.demo import unpack_demo

IMAGE = Path(__file__).parent / "images" / "dossier.png"


def main() -> None:
    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        study = vesicula.Study.load(unpack_demo(Path(folder)))
        paths = vesicula.write_dossier(study.analyse(), Path(folder) / "dossier", inputs=study.folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1720})
        page.goto(paths.html.as_uri())
        page.wait_for_selector(".js-plotly-plot")
        page.screenshot(path=IMAGE)
        browser.close()
    print(f"wrote {IMAGE}")


if __name__ == "__main__":
    main()
