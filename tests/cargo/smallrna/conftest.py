"""Fixtures of the small-RNA tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.smallrna import References, packaged_mirnas
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, SimulatedReads, simulate_reads


@pytest.fixture(scope="session")
def cargo_data() -> Path:
    """The public data beside the repository."""
    root = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[4] / "shared"))
    folder = root / "data" / "cargo"
    if not folder.is_dir():
        pytest.skip(f"the public cargo data are not at {folder} (set VESICULA_SHARED)")
    return folder


@pytest.fixture(scope="session")
def references() -> References:
    """The packaged references."""
    return References()


@pytest.fixture(scope="session")
def simulated() -> SimulatedReads:
    """A small library with everything in it."""
    library = SimulatedLibrary(
        reads=20_000, expressed=200, foreign=0.03, unrelated=0.05, dimers=0.04, long=0.03, error_rate=0.003
    )
    return simulate_reads(packaged_mirnas(), library, np.random.default_rng(7), packaged_mirnas("bta"))
