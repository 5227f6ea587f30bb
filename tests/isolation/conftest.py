"""Fixtures of the isolation tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vesicula.core.population import MixedPopulation, mixed_population
from vesicula.isolation.balance import Fraction

ROOT = Path(__file__).parents[2]
ALL = {
    "exosome": 1e9,
    "microvesicle": 1e8,
    "apoptotic body": 1e6,
    "exomere": 1e8,
    "bovine vesicle": 3e8,
    "chylomicron": 1e7,
    "VLDL": 1e11,
    "LDL": 1e12,
    "HDL": 1e13,
    "protein": 1e15,
    "protein aggregate": 1e8,
}


@pytest.fixture(scope="session")
def shared_simulation() -> Path:
    folder = Path(os.environ.get("VESICULA_SHARED", ROOT.parent / "shared")) / "data" / "simulation"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent (set VESICULA_SHARED to the shared data)")
    return folder


@pytest.fixture(scope="session")
def everything() -> MixedPopulation:
    return mixed_population(ALL, n_densities=3)


@pytest.fixture
def feed(everything: MixedPopulation) -> Fraction:
    return Fraction(name="feed", population=everything, volume_ml=10.0)
