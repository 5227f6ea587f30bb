"""Known truth for peaks: one population shows one significant peak, a clear mixture shows two."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vesicula.core.population import lognormal_population
from vesicula.instruments.nta.infer import analyse_measurement
from vesicula.instruments.nta.simulate import ZETAVIEW, NtaSimulationSettings, simulate_nta

REPEATS = 100


def _share_with_two(medians, spreads, shares, *, n, base, settings):
    """Share of simulations with about `n` tracks in which a second peak is significant."""
    base = dataclasses.replace(base, tracked_fraction=1.0)
    seen = base.captures * base.residence_ratio * base.detection_volume_ml
    total = n / seen * base.dilution_factor
    population = lognormal_population(
        median_nm=medians, geometric_sd=spreads, concentration_per_ml=tuple(s * total for s in shares)
    )
    rng = np.random.default_rng([47, n, len(medians)])
    hits = 0
    for _ in range(REPEATS):
        result = analyse_measurement(simulate_nta(population, base, rng=rng), settings=settings)
        hits += sum(p.significant for p in result.distributions[-1].peaks) > 1
    return hits / REPEATS


ALIKE = {"concentration_cv": 0.0, "size_cv": 0.0}
LAYOUTS = {
    "nanosight, 1 capture": NtaSimulationSettings(captures=1, **ALIKE),
    "nanosight, 5 captures": NtaSimulationSettings(captures=5),
    "zetaview": dataclasses.replace(ZETAVIEW, captures=1, **ALIKE),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spread", [1.1, 1.45, 1.8, 2.2])
@pytest.mark.parametrize("n", [200, 5000])
def test_fewer_than_one_in_twenty_unimodal_populations_shows_a_second_peak(layout, spread, n, settings):
    share = _share_with_two((100.0,), (spread,), (1.0,), n=n, base=LAYOUTS[layout], settings=settings)
    assert share < 0.05


@pytest.mark.parametrize(
    ("mixture", "n", "power"),
    [
        (((80.0, 160.0), (1.15, 1.15), (0.5, 0.5)), 200, 0.9),
        (((80.0, 160.0), (1.15, 1.15), (0.8, 0.2)), 500, 0.85),
        (((80.0, 200.0), (1.3, 1.3), (0.5, 0.5)), 5000, 0.95),
        (((100.0, 250.0), (1.2, 1.2), (0.95, 0.05)), 5000, 0.9),
    ],
)
def test_a_clear_mixture_shows_two_peaks(mixture, n, power, settings):
    base = LAYOUTS["nanosight, 1 capture"]
    assert _share_with_two(*mixture, n=n, base=base, settings=settings) >= power
