"""Fixtures that all tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Derandomised, so that a run can be repeated; no deadline, because machines differ.
settings.register_profile("vesicula", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vesicula")

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data" / "particles"


@pytest.fixture(autouse=True)
def _no_store_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no test read or make the evidence store of whoever runs it."""
    monkeypatch.setenv("VESICULA_EVIDENCE", str(tmp_path_factory.getbasetemp() / "no-store" / "evidence.sqlite"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, or a skip that says why there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def beads() -> tuple[Path, Path]:
    """The two real NanoSight exports."""
    return DATA / "nanosight" / "beads.csv", DATA / "nanosight" / "beads2.csv"


@pytest.fixture
def study_folder(tmp_path: Path, beads: tuple[Path, Path]) -> Path:
    """A small study: two good batches, and one whose second file is no instrument's."""
    folder = tmp_path / "study"
    folder.mkdir()
    for path in beads:
        shutil.copyfile(path, folder / path.name)
    (folder / "noise.csv").write_text("nothing,an,instrument,wrote\n", encoding="utf-8")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    return folder


STUDY = """\
vesicula: 1
study:
  title: Beads
batches:
  - id: A
    samples:
      - id: S1
        protein: {method: BCA, concentration_ug_per_ml: 200, sd_ug_per_ml: 10}
        measurements:
          - files: [beads2.csv]
  - id: B
    samples:
      - id: S1
        measurements:
          - files: [beads.csv]
            dilution_factor: 10000
          - files: [noise.csv]
criteria:
  - {quantity: mode_diameter_nm, min: 90, max: 110, source: RS-1}
  - {quantity: particles_per_ug_protein, min: 1.0e+9, source: RS-1}
"""
