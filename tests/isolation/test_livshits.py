"""Tables 2 and 3 of Livshits et al. 2015 (Sci Rep 5:17319, CC BY 4.0), read from the shared data."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from vesicula.isolation.centrifuge import Run, cutoff_diameter_nm, k_factor, pelleted_share, run_at
from vesicula.isolation.fluids import Medium, sedimentation_s
from vesicula.isolation.rotors import Rotor, rotor, rotors

# The paper's conditions; it calls 1.55 cP "PBS at 20 C", which is the viscosity of water at 4 C.
LIQUID = Medium(name="Livshits", temperature_c=20, density_g_per_ml=1.0, viscosity_mpa_s=1.55)
DENSITY = 1.15
SIZES = np.array([150.0, 120.0, 100.0, 70.0])
NAMES = {
    "SW 40Ti": "SW 40 Ti", "SW28": "SW 28", "MLS-50": "MLS-50", "Type 45 Ti": "Type 45 Ti", "Type 60 Ti": "Type 60 Ti",
    "Type 70 Ti": "Type 70 Ti", "F-45-24-15": "F-45-24-15", "TLA 110": "TLA-110",
}  # fmt: skip
AT_ODDS = "F-45-24-15"
"""Its K in Table 3 (765.9) is not that of the radii in Table 1, which give 804.6."""


def _csv(shared: Path, name: str) -> list[list[str]]:
    path = shared / "joadwe__ev-centrifugation-model" / "data" / name
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    return [[cell.replace("\N{EN DASH}", "-") for cell in row] for row in rows[1:]]


def _table3(shared: Path) -> dict[str, list[float]]:
    text = (shared / "joadwe__ev-centrifugation-model" / "README.md").read_text(encoding="utf-8")
    part = text.split("### Table 3", 1)[1].split("###", 1)[0]
    rows = [[c.strip() for c in line.strip().strip("|").split("|")] for line in part.splitlines() if "|" in line][2:]
    return {row[0]: [float(re.sub(r"[^0-9.]", "", c)) for c in row[2:]] for row in rows}


def _percent(run: Run) -> list[float]:
    return list(100 * pelleted_share(run, sedimentation_s(SIZES, np.full(4, DENSITY), LIQUID)))


def _table_rotors() -> list[Rotor]:
    return [rotor(name) for name in NAMES.values()]


def test_the_packaged_geometry_is_that_of_table_1(shared_simulation: Path) -> None:
    for kind, name, r_min, r_max, r_av, bore, angle, path in _csv(shared_simulation, "table1.csv"):
        r = rotor(NAMES[name])
        assert (r.kind == "swing-out") == (kind == "SW")
        assert (r.r_min_mm, r.r_max_mm) == (float(r_min), float(r_max))
        assert r.r_av_mm == pytest.approx(float(r_av), abs=0.06)
        assert r.path_mm == pytest.approx(float(path), abs=0.06)
        if kind == "FA":
            assert (r.bore_mm, r.angle_deg) == (float(bore), float(angle))


def test_table_2_cutoffs_and_pelleted_per_cent(shared_simulation: Path) -> None:
    rows = _csv(shared_simulation, "table2.csv")
    assert len(rows) == 8
    for _, name, cutoff, *shares in rows:
        run = run_at(rotor(NAMES[name]), 10_000, 30, at="r_av")
        assert cutoff_diameter_nm(run, density_g_per_ml=DENSITY, liquid=LIQUID) == pytest.approx(
            float(re.sub(r"\D", "", cutoff)), abs=1.0
        ), name
        assert _percent(run) == pytest.approx([float(s.removesuffix("%")) for s in shares], abs=1.0), name


def test_table_3_k_factors(shared_simulation: Path) -> None:
    table = _table3(shared_simulation)
    assert len(table) == 8
    for name, (k, *_) in table.items():
        ours = k_factor(rotor(NAMES[name]), rotor(NAMES[name]).rpm_for(10_000, at="r_av"))
        if name == AT_ODDS:
            assert ours == pytest.approx(804.6, abs=0.1)  # 5 % from the printed 765.9
            assert abs(ours / k - 1) > 0.04
        else:
            assert ours == pytest.approx(k, rel=0.0017), name


def test_table_3_at_times_of_equal_k(shared_simulation: Path) -> None:
    for name, (_, minutes, cutoff, *shares) in _table3(shared_simulation).items():
        # The paper gives whole minutes; its own numbers come from the unrounded K ratio, so that the time is within
        # half a minute. The row at odds with its geometry follows from its printed time all the same.
        found = []
        for shift in np.linspace(-0.5, 0.5, 21):
            run = run_at(rotor(NAMES[name]), 10_000, minutes + shift, at="r_av")
            d = cutoff_diameter_nm(run, density_g_per_ml=DENSITY, liquid=LIQUID)
            found.append(max(abs(d - cutoff), *(abs(a - b) for a, b in zip(_percent(run), shares, strict=True))))
        assert min(found) <= 1.0, name


def test_equal_k_does_not_transfer_between_fixed_angle_rotors() -> None:
    # The paper's point, from its Table 3: equal K t, and yet cut-offs from 159 to 182 nm.
    cut = {}
    for r in _table_rotors():
        rpm = r.rpm_for(10_000, at="r_av")
        minutes = 30 * k_factor(r, rpm) / 1423.8
        run = Run(rotor=r, rpm=rpm, minutes=minutes)
        cut[r.name] = cutoff_diameter_nm(run, density_g_per_ml=DENSITY, liquid=LIQUID)
    swing = [cut[n] for n in ("SW 40 Ti", "SW 28", "MLS-50")]
    assert max(swing) == pytest.approx(min(swing), rel=1e-9)
    assert cut["TLA-110"] - cut["Type 60 Ti"] > 20


@pytest.mark.parametrize(
    ("name", "k"),
    [("SW 32 Ti", 204), ("SW 41 Ti", 124), ("SW 28", 246), ("SW 60 Ti", 45), ("Type 45 Ti", 133), ("Type 70 Ti", 44),
     ("Type 50.2 Ti", 69), ("TLA-100.3", 14)],
)  # fmt: skip
def test_k_at_full_speed_is_the_maker_s(name: str, k: float) -> None:
    # The maker's values are recalled, not read.
    assert k_factor(rotor(name), rotors()[name].max_rpm) == pytest.approx(k, abs=0.6)
