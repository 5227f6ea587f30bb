"""Our numbers and the vendors', in every real file: what docs/validation/nta-exports.md states."""

from __future__ import annotations

from pathlib import Path

import pytest

from vesicula.assess.agreement import compare
from vesicula.core.measurement import SizeMeasurement
from vesicula.instruments.nta.infer import StatisticsSettings, analyse_measurement
from vesicula.instruments.registry import read

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "particles"
ZETAVIEW = sorted(SHARED.glob("irispota__EV-NTA/*/*.txt")) + sorted(SHARED.glob("sumit*/backend/NTA/*/*_size_488.txt"))


@pytest.mark.parametrize(("name", "count"), [("beads.csv", 84), ("beads2.csv", 35)])
def test_nanosight(name: str, count: int) -> None:
    measurement = read(ROOT / "tests" / "data" / "nanosight" / name)
    assert isinstance(measurement, SizeMeasurement)
    comparisons = compare(measurement, analyse_measurement(measurement, settings=StatisticsSettings()))
    assert len(comparisons) == count  # seven quantities in each of 12 and 5 captures
    assert [(c.capture, c.quantity, c.ours, c.vendor) for c in comparisons if not c.within] == []


@pytest.mark.skipif(not ZETAVIEW, reason="the ZetaView files have no licence and are not in this repository")
def test_zetaview() -> None:
    compared = 0
    for path in ZETAVIEW:
        measurement = read(path)
        assert isinstance(measurement, SizeMeasurement)
        comparisons = compare(measurement, analyse_measurement(measurement, settings=StatisticsSettings()))
        assert all(c.within for c in comparisons), path.name
        compared += len(comparisons)
    assert compared == 11


def test_a_wrong_number_would_be_seen() -> None:
    measurement = read(ROOT / "tests" / "data" / "nanosight" / "beads2.csv")
    assert isinstance(measurement, SizeMeasurement)
    statistics = analyse_measurement(measurement, settings=StatisticsSettings())
    measurement.captures[0].vendor["vendor_mean_nm"] += 0.2  # type: ignore[index]  # a dict behind the Mapping
    assert [c.quantity for c in compare(measurement, statistics) if not c.within] == ["mean_diameter_nm"]
