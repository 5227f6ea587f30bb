"""Transfers between rotors, held against times of pelleting that have a formula."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.isolation.centrifuge import Run, k_factor, pelleted_share
from vesicula.isolation.protocol_text import parse_protocol
from vesicula.isolation.rotors import Rotor, angular_speed, rotor
from vesicula.planner.transfer import curve, cut_off, match_rotors, transfer_protocol, transfer_run

UC = files("vesicula.data").joinpath("protocols", "ultracentrifugation.yaml").read_text(encoding="utf-8")


ONE_RUN = """
vesicula_protocol: 1
feed: {volume_ml: 70, particles: {exosome: 1.0e+9}}
target: [exosome]
steps:
  - centrifuge: {rotor: Type 45 Ti, rpm: 30000, minutes: 100, keep: pellet}
"""


def _rotor(name: str, kind: str, **geometry: float) -> Rotor:
    given = {"r_min_mm": 60.0, "r_max_mm": 150.0, "bore_mm": 20.0, "angle_deg": 25.0, "max_rpm": 40000.0,
             "tube_ml": 30.0, "tubes": 6, **geometry}  # fmt: skip
    return Rotor(name=name, kind=kind, source="test", sureness="H", geometry_read=True, **given)


@pytest.mark.parametrize("name", ["SW 40 Ti", "Type 45 Ti", "TLA-110"])
def test_a_transfer_to_the_same_rotor_changes_nothing(name):
    run = Run(rotor=rotor(name), rpm=20000, minutes=70)
    after, match, k_minutes = transfer_run(run, rotor(name), rpm=20000)
    assert match.ratio == pytest.approx(1.0, abs=1e-5)
    assert match.difference < 1e-5
    assert after.minutes == pytest.approx(70, rel=1e-5)
    assert k_minutes == pytest.approx(70, rel=1e-12)


def test_equal_shape_transfers_by_the_analytic_time():
    # Swing-out tubes of equal r_max / r_min have one curve: s w^2 t = ln(r_max / r_min) clears both, at any scale.
    big, small = _rotor("big", "swing-out"), _rotor("small", "swing-out", r_min_mm=30.0, r_max_mm=75.0)
    run = Run(rotor=big, rpm=20000, minutes=60)
    after, match, k_minutes = transfer_run(run, small, rpm=30000)
    assert match.difference < 1e-6
    assert after.minutes == pytest.approx(60 * (20000 / 30000) ** 2, rel=1e-5)
    assert k_minutes == pytest.approx(after.minutes, rel=1e-5)
    # The clearing time of one s is the analytic one in both.
    s = np.log(150 / 60) / run.omega2_t
    assert pelleted_share(run, np.array([s, 0.99 * s]))[0] == pytest.approx(1.0, abs=1e-9)
    assert after.minutes * 60 == pytest.approx(np.log(75 / 30) / (s * angular_speed(30000) ** 2), rel=1e-5)


def test_fixed_angle_rotors_transfer_by_the_way_over_the_radius_and_not_by_k():
    # Livshits' fixed-angle curve depends on s w^2 t R_av / L alone: exact between any two, and k is wrong.
    a, b = rotor("Type 45 Ti"), rotor("TLA-110")
    after, match, k_minutes = transfer_run(Run(rotor=a, rpm=30000, minutes=90), b, rpm=60000)
    exact = 90 * (30000 / 60000) ** 2 * (b.path_mm / b.r_av_mm) / (a.path_mm / a.r_av_mm)
    assert match.difference < 1e-6
    assert after.minutes == pytest.approx(exact, rel=1e-5)
    by_k = np.log(b.r_max_mm / b.r_min_mm) / np.log(a.r_max_mm / a.r_min_mm) / 4 * 90
    assert k_minutes == pytest.approx(by_k, rel=1e-9)
    assert abs(k_minutes / exact - 1) > 0.1


@pytest.mark.parametrize(("first", "second"), [("SW 40 Ti", "Type 45 Ti"), ("Type 70 Ti", "SW 32 Ti")])
def test_shapes_differ_between_swing_out_and_fixed_angle_and_the_stated_difference_is_the_greatest(first, second):
    a, b = rotor(first), rotor(second)
    run = Run(rotor=a, rpm=20000, minutes=60)
    after, match, _ = transfer_run(run, b, rpm=20000)
    s = np.geomspace(1e-14, 1e-9, 20001)  # an independent, finer grid of sedimentation coefficients
    gap = np.abs(pelleted_share(run, s) - pelleted_share(after, s))
    assert gap.max() == pytest.approx(match.difference, abs=1e-4)
    assert 0.01 < match.difference < 0.05
    # No other time does better.
    for factor in (0.97, 1.03):
        other = Run(rotor=b, rpm=20000, minutes=after.minutes * factor)
        assert np.abs(pelleted_share(run, s) - pelleted_share(other, s)).max() > match.difference


def test_cut_off_is_where_the_curve_reaches_one():
    for r in (rotor("SW 28"), rotor("Type 60 Ti")):
        at = cut_off(r)
        assert curve(r, np.array([at * 1.0001]))[0] == pytest.approx(1.0, abs=1e-9)
        assert curve(r, np.array([at * 0.99]))[0] < 1.0


def test_k_factor_is_neglected_by_no_one():
    run = Run(rotor=rotor("SW 40 Ti"), rpm=30000, minutes=100)
    _, _, minutes = transfer_run(run, rotor("SW 41 Ti"), rpm=30000)
    assert minutes == pytest.approx(100 * k_factor(rotor("SW 41 Ti"), 30000) / k_factor(rotor("SW 40 Ti"), 30000))


def test_the_whole_protocol_pellets_the_same_population():
    moved = transfer_protocol(UC, "SW 32 Ti", name="uc.yaml")
    assert moved.possible
    assert [s.number for s in moved.steps] == [1, 2, 3, 4]
    again = parse_protocol(moved.text, name="moved.yaml").run().reports[-1]
    before = moved.before.reports[-1]
    for name, share in before.yield_by_class.items():
        assert again.yield_by_class[name] == pytest.approx(share, abs=0.03)
    assert all(s.after.rotor.name == "SW 32 Ti" for s in moved.steps)
    # Minutes of the source in the new rotor would not do: the transfer matters.
    assert all(abs(s.after.minutes / s.before.minutes - 1) > 0.3 for s in moved.steps)


def test_a_slow_rotor_is_said_to_be_impossible_with_its_limit():
    # 110,000 rpm for two hours over the short way of a TLA-110, asked of one that turns at 15,000.
    text = """
vesicula_protocol: 1
feed: {volume_ml: 40, preset: serum-free conditioned medium}
target: [exosome]
steps:
  - centrifuge: {rotor: TLA-110, rpm: 110000, minutes: 120, keep: pellet}
"""
    moved = transfer_protocol(text, "F-45-24-15", name="fast.yaml")
    assert not moved.possible
    assert len(moved.problems) == 2
    assert "the yield of protein" in moved.problems[1]  # at a seventh of the speed its diffusion undoes what sinks
    assert "more than 18 h" in moved.problems[0]
    assert "limit of 15000 rpm" in moved.problems[0]
    assert moved.steps[0].after.rpm == 15000
    assert moved.steps[0].after.minutes > 18 * 60
    assert moved.verdict().startswith("Not possible")


def test_a_tight_tolerance_makes_curves_of_different_shape_impossible():
    moved = transfer_protocol(UC, "SW 32 Ti", name="uc.yaml", within=0.005)
    assert not moved.possible
    assert any("different shape" in p and "fixed-angle and swing-out" in p for p in moved.problems)


def test_a_gradient_is_not_moved():
    text = files("vesicula.data").joinpath("protocols", "gradient.yaml").read_text(encoding="utf-8")
    moved = transfer_protocol(text, "SW 32 Ti", name="g.yaml")
    assert not moved.possible
    assert any("a gradient is not moved" in p for p in moved.problems)
    assert parse_protocol(moved.text, name="m").steps[0].label.endswith("g at r_av")


def test_hardly_filled_swing_out_tubes_are_too_unlike_a_fixed_angle():
    # 50 mL in 231 mL of tubes: a short column, whose curve is straight up to its end; a tilted tube's is not.
    text = files("vesicula.data").joinpath("protocols", "gradient.yaml").read_text(encoding="utf-8")
    moved = transfer_protocol(text, "SW 32 Ti", name="g.yaml", only=[1])
    assert not moved.possible
    assert moved.steps[0].match.difference == pytest.approx(0.037, abs=0.001)
    assert "differ by up to 3.7 points" in moved.problems[0]
    assert transfer_protocol(text, "SW 32 Ti", name="g.yaml", only=[1], within=0.04).possible


@pytest.mark.parametrize(
    ("change", "words"),
    [({"to": "SW 99"}, "unknown rotor"), ({"rpm": 50000.0}, "above its limit"), ({"rpm": -5.0}, "not possible"),
     ({"within": 0.0}, "difference allowed"), ({"only": [9]}, "no step 9"), ({"longest_hours": -1.0}, "positive")],
)  # fmt: skip
def test_bad_requests(change, words):
    given = {"to": "SW 32 Ti", "name": "uc.yaml", **change}
    with pytest.raises(AnalysisError, match=words):
        transfer_protocol(ONE_RUN, given.pop("to"), **given)


def test_nothing_to_move():
    with pytest.raises(AnalysisError, match="no run of a centrifuge"):
        transfer_protocol(ONE_RUN, "Type 45 Ti", name="one.yaml")


def test_a_broken_protocol_names_its_line():
    with pytest.raises(UnreadableFile, match="line"):
        transfer_protocol(UC.replace("minutes: 20", "minutes: twenty"), "SW 32 Ti", name="uc.yaml")


def test_match_of_rotors_is_symmetric_in_its_difference():
    a, b = rotor("SW 40 Ti"), rotor("Type 45 Ti")
    there, back = match_rotors(a, b), match_rotors(b, a)
    assert there.ratio * back.ratio == pytest.approx(1.0, rel=1e-3)
    assert there.difference == pytest.approx(back.difference, abs=1e-4)
