"""Builders of measurements, shared by the tests of the statistics of NTA."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vesicula.core.measurement import Capture, SizeMeasurement, SourceFile
from vesicula.core.population import Population, lognormal_population
from vesicula.instruments.nta.infer import StatisticsSettings


@pytest.fixture(scope="session")
def settings() -> StatisticsSettings:
    return StatisticsSettings()


@pytest.fixture(scope="session")
def measurement() -> Callable[..., SizeMeasurement]:
    def build(*captures: Capture, instrument: str = "NanoSight") -> SizeMeasurement:
        source = SourceFile(name="built.csv", sha256="", size_bytes=0)
        return SizeMeasurement(
            reader="built", instrument=instrument, software="", source=source, captures=captures
        )

    return build


@pytest.fixture(scope="session")
def counted() -> Callable[..., Capture]:
    """Capture with counts: bins of one width from 0."""

    def build(counts: list[float], *, width: float = 10.0, name: str = "c", **fields: object) -> Capture:
        edges = width * np.arange(len(counts) + 1)
        return Capture(name=name, bin_edges_nm=edges, particle_count=np.array(counts, dtype=float), **fields)

    return build


@pytest.fixture(scope="session")
def truth() -> Callable[[str, float], Population]:
    """The three populations of the validation, by name and concentration."""

    def build(name: str, per_ml: float) -> Population:
        medians, spreads, shares = {
            "log-normal": ((110.0,), (1.45,), (1.0,)),
            "bimodal": ((80.0, 190.0), (1.2, 1.25), (0.65, 0.35)),
            "beads": ((100.0,), (1.1,), (1.0,)),
        }[name]
        return lognormal_population(
            median_nm=medians, geometric_sd=spreads, concentration_per_ml=tuple(s * per_ml for s in shares)
        )

    return build
