"""Each rule on hand-made captures just inside and just outside its limits."""

import math

import numpy as np
import polars as pl
import pytest

from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.measurement import Capture, SizeMeasurement, SourceFile, TableMeasurement
from vesicula.core.reference import ValidityRule, validity_rules
from vesicula.instruments.nta import validity
from vesicula.instruments.nta.validity import check_capture, check_measurement

EDGES = np.array([0.0, 50.0, 100.0, 150.0])
SOURCE = SourceFile(name="f", sha256="", size_bytes=0)


def capture(**changes):
    return Capture(**{"name": "c", "bin_edges_nm": EDGES, "particle_count": [0, 5, 5], **changes})


def measurement(captures, instrument="NanoSight"):
    return SizeMeasurement(
        reader="r", instrument=instrument, software="s", source=SOURCE, captures=tuple(captures)
    )


def positions(frame):
    return TableMeasurement(
        kind="positions", reader="r", instrument="ZetaView", software="s", source=SOURCE, table=frame
    )


def position_table(n=11, **changes):
    columns = {"used": [True] * n, "drift_um_per_s": [1.0] * n, "tracks": [20] * n, "removal": [""] * n}
    return pl.DataFrame({**columns, **changes})


WATER_22 = validity.viscosity_of_water_mpa_s(22.0)

# How to make a capture whose quantity has exactly this value.
MAKERS = {
    "particles_per_frame": lambda v: capture(particles_per_frame=v),
    "concentration_in_cell_per_ml": lambda v: capture(concentration_per_ml=[0, 0, v]),
    "tracks_used": lambda v: capture(tracks_used=round(v)),
    "tracks_completed": lambda v: capture(tracks_completed=round(v)),
    "min_track_length": lambda v: capture(conditions={"min_track_length": v}),
    "video_length_s": lambda v: capture(conditions={"frames_analysed": 25.0 * v, "frame_rate_per_s": 25.0}),
    "viscosity_ratio_to_water": lambda v: capture(
        conditions={"temperature_c": 22.0, "viscosity_mpa_s": v * WATER_22}
    ),
    # All particles in one bin of 10 nm: a tenth of the way into it.
    "d10_diameter_nm": lambda v: capture(bin_edges_nm=[v - 1.0, v + 9.0], particle_count=[100]),
}


def steps(rule):
    """Values just inside and just outside each limit of a rule."""
    whole = rule.unit in ("tracks", "traces", "frames")
    for limit, sign in ((rule.low, 1), (rule.high, -1)):
        if limit is not None:
            step = 1.0 if whole else 1e-6 * limit
            yield limit + sign * step, True
            yield limit - sign * step, False


CASES = [
    (rule, value, passed)
    for rule in validity_rules()
    if rule.quantity in validity.CAPTURE_QUANTITIES
    for value, passed in steps(rule)
]


@pytest.mark.parametrize(("rule", "value", "passed"), CASES, ids=[f"{r.id}-{v!r}" for r, v, _ in CASES])
def test_rule_just_inside_and_just_outside(rule, value, passed):
    instrument = "ZetaView" if rule.instrument == "any" else rule.instrument
    results = check_capture(MAKERS[rule.quantity](value), instrument=instrument, rules=validity_rules())
    (result,) = [r for r in results if r.rule_id == rule.id]
    assert result.passed is passed
    assert result.value == pytest.approx(value, rel=1e-12)
    assert (result.low, result.high) == (rule.low, rule.high)
    assert result.capture == "c"
    assert result.citation is rule.citation


def test_limits_themselves_pass():
    results = check_capture(capture(particles_per_frame=20.0), instrument="NanoSight", rules=validity_rules())
    passed = {r.rule_id: r.passed for r in results}
    assert passed["nanosight-particles-per-frame-20-100"] is True
    assert passed["nanosight-particles-per-frame-40-100"] is False
    results = check_capture(
        capture(particles_per_frame=100.0), instrument="NanoSight", rules=validity_rules()
    )
    assert all(r.passed for r in results if r.quantity == "particles_per_frame")


def test_what_the_file_does_not_say_is_neither_passed_nor_failed():
    results = check_capture(capture(particle_count=[0, 0, 0]), instrument="NanoSight", rules=validity_rules())
    assert results
    assert {(r.value, r.passed) for r in results} == {(None, None)}


def test_only_the_rules_of_the_instrument_apply():
    for instrument, foreign in (("NanoSight", "ZetaView"), ("ZetaView", "NanoSight")):
        ids = {r.rule_id for r in check_capture(capture(), instrument=instrument, rules=validity_rules())}
        assert any(i.startswith(instrument.lower()) for i in ids)
        assert not any(i.startswith(foreign.lower()) for i in ids)
    assert {
        r.rule_id.split("-")[0]
        for r in check_capture(capture(), instrument="simulation", rules=validity_rules())
    } == {"any"}


def test_unknown_quantity_is_an_error_and_not_ignored():
    rule = ValidityRule(
        id="x",
        instrument="any",
        quantity="colour",
        low=1.0,
        high=None,
        unit="",
        severity="note",
        text="t",
        citation=Citation(text="s"),
        checked=False,
    )
    with pytest.raises(AnalysisError, match="'colour', which nothing evaluates"):
        check_capture(capture(), instrument="NanoSight", rules=[rule])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"concentration_per_ml": [1e8, 2e8, 3e8]}, 6e8),
        ({"concentration_per_ml": [1e8, 2e8, 3e8], "dilution_factor": 1000.0}, 6e8),
        (
            {
                "concentration_per_ml": [1e12, 2e12, 3e12],
                "dilution_factor": 1e4,
                "concentration_basis": "sample",
            },
            6e8,
        ),
        ({"concentration_per_ml": [1e12, 2e12, 3e12], "concentration_basis": "sample"}, None),
        ({"vendor": {"vendor_concentration_per_ml": 5e7}}, 5e7),
        (
            {
                "vendor": {"vendor_concentration_per_ml": 5e10},
                "dilution_factor": 100.0,
                "concentration_basis": "sample",
            },
            5e8,
        ),
        ({}, None),
    ],
)
def test_concentration_in_the_cell_has_the_dilution_taken_out(changes, expected):
    found = validity.concentration_in_cell_per_ml(capture(**changes))
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 5, 5], 60.0),  # a tenth of 10 particles is 1 of 5 in the bin of 50 to 100
        ([10, 0, 0], 5.0),
        ([0, 0, 10], 105.0),
        ([1, 0, 9], 50.0),  # exactly at an edge, before an empty bin
    ],
)
def test_d10_is_interpolated_between_edges(counts, expected):
    assert validity.d10_diameter_nm(capture(particle_count=counts)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("temperature_c", "expected"), [(0.0, 1.792), (20.0, 1.0016), (25.0, 0.8900), (37.0, 0.6913)]
)
def test_viscosity_of_water(temperature_c, expected):
    # Values of IAPWS R12-08 [from memory, unchecked].
    assert validity.viscosity_of_water_mpa_s(temperature_c) == pytest.approx(expected, rel=1e-3)


def test_a_viscosity_for_another_temperature_is_told():
    # 25 C entered where the cell was at 22 C: 0.89 instead of 0.95 mPa s, 7 % in diameter.
    results = check_capture(
        capture(conditions={"temperature_c": 22.0, "viscosity_mpa_s": 0.89}),
        instrument="NanoSight",
        rules=validity_rules(),
    )
    (result,) = [r for r in results if r.quantity == "viscosity_ratio_to_water"]
    assert result.passed is False
    assert result.value == pytest.approx(0.932, abs=0.002)


# The measurement as a whole


def by_id(results):
    return {r.rule_id: r for r in results if not r.capture}


@pytest.mark.parametrize(
    ("n", "three", "five"), [(2, False, False), (3, True, False), (4, True, False), (5, True, True)]
)
def test_number_of_captures_counts_those_that_are_not_empty(n, three, five):
    captures = [capture(name=str(i)) for i in range(n)] + [capture(name="failed", particle_count=[0, 0, 0])]
    found = by_id(check_measurement(measurement(captures), positions=None, rules=validity_rules()))
    assert found["nanosight-captures-3"].passed is three
    assert found["nanosight-captures-5"].passed is five
    assert found["nanosight-captures-3"].value == n


@pytest.mark.parametrize(("loads", "passed"), [(None, None), (2, False), (3, True)])
def test_replicate_loads_are_known_only_from_outside(loads, passed):
    found = by_id(
        check_measurement(
            measurement([capture()]), positions=None, rules=validity_rules(), replicate_loads=loads
        )
    )
    assert found["any-replicate-loads-3"].passed is passed


@pytest.mark.parametrize(("high", "passed"), [(1.184, True), (1.186, False)])
def test_spread_between_captures(high, passed):
    # Two values 1 and h have CV sqrt(2)(h-1)/(h+1): 12 % at h = 1.18548.
    captures = [
        capture(name="a", concentration_per_ml=[0, 1e8, 0]),
        capture(name="b", concentration_per_ml=[0, high * 1e8, 0]),
    ]
    found = by_id(check_measurement(measurement(captures), positions=None, rules=validity_rules()))
    result = found["nanosight-concentration-cv-12"]
    assert result.passed is passed
    assert result.value == pytest.approx(100 * math.sqrt(2) * (high - 1) / (high + 1))


def test_spread_is_not_computed_across_bases_or_dilutions():
    diluted = capture(name="a", concentration_per_ml=[0, 1e8, 0], dilution_factor=10.0)
    others = [
        capture(name="b", concentration_per_ml=[0, 1e9, 0], concentration_basis="sample"),
        capture(name="b", concentration_per_ml=[0, 1e9, 0], dilution_factor=100.0),
        capture(name="b"),
    ]
    for other in others:
        found = by_id(
            check_measurement(measurement([diluted, other]), positions=None, rules=validity_rules())
        )
        assert found["nanosight-concentration-cv-12"].passed is None
    of_sample = [
        capture(
            name=str(i), concentration_per_ml=[0, 1e9, 0], concentration_basis="sample", dilution_factor=f
        )
        for i, f in enumerate((10.0, 100.0))
    ]
    found = by_id(check_measurement(measurement(of_sample), positions=None, rules=validity_rules()))
    assert found["nanosight-concentration-cv-12"].value == 0.0


@pytest.mark.parametrize(("second", "passed"), [(22.49, True), (22.51, False), (None, None)])
def test_temperature_between_captures(second, passed):
    captures = [
        capture(name="a", conditions={"temperature_c": 22.0}),
        capture(name="b", conditions={} if second is None else {"temperature_c": second}),
    ]
    found = by_id(check_measurement(measurement(captures), positions=None, rules=validity_rules()))
    assert found["any-temperature-range-0.5"].passed is passed


@pytest.mark.parametrize(
    ("changes", "rule", "passed"),
    [
        ({}, "zetaview-positions-11", True),
        ({"drift_um_per_s": [29.9] + [1.0] * 10}, "zetaview-position-drift-30", True),
        ({"drift_um_per_s": [30.2] + [1.0] * 10}, "zetaview-position-drift-30", False),
        (
            {"drift_um_per_s": [30.2] + [1.0] * 10, "used": [False] + [True] * 10},
            "zetaview-position-drift-30",
            True,
        ),
        ({"tracks": [5] + [20] * 10}, "zetaview-position-traces-5", True),
        ({"tracks": [4] + [20] * 10}, "zetaview-position-traces-5", False),
        ({"tracks": [4] + [20] * 10, "used": [False] + [True] * 10}, "zetaview-position-traces-5", True),
        ({"used": [False] * 11}, "zetaview-position-traces-5", None),
    ],
)
def test_positions(changes, rule, passed):
    found = by_id(
        check_measurement(
            measurement([capture()], "ZetaView"),
            positions=positions(position_table(**changes)),
            rules=validity_rules(),
        )
    )
    assert found[rule].passed is passed


def test_too_few_positions_and_no_table_of_positions():
    m = measurement([capture()], "ZetaView")
    found = by_id(check_measurement(m, positions=positions(position_table(10)), rules=validity_rules()))
    assert found["zetaview-positions-11"].passed is False
    found = by_id(check_measurement(m, positions=None, rules=validity_rules()))
    assert found["zetaview-positions-11"].passed is None
    assert "vendor:position-removal" not in found


def test_positions_that_the_vendor_removed_are_listed_by_reason():
    m = measurement([capture()], "ZetaView")
    table = position_table(
        used=[False] * 3 + [True] * 8, removal=["MAX_DRIFT", "MIN_TRACES", "MAX_DRIFT"] + [""] * 8
    )
    result = by_id(check_measurement(m, positions=positions(table), rules=validity_rules()))[
        "vendor:position-removal"
    ]
    assert result.value == 3.0
    assert result.passed is False
    assert result.severity == "note"
    assert "3 of 11 positions out: 2 MAX_DRIFT, 1 MIN_TRACES." in result.text
    assert "ZetaView" in result.citation.text
    every = position_table(used=[False] * 11, removal=[None] * 11)
    result = by_id(check_measurement(m, positions=positions(every), rules=validity_rules()))[
        "vendor:position-removal"
    ]
    assert result.severity == "warning"
    assert "11 no reason given" in result.text
    assert "vendor:position-removal" not in by_id(
        check_measurement(m, positions=positions(position_table()), rules=validity_rules())
    )


def test_results_of_captures_come_first_and_carry_their_names():
    results = check_measurement(
        measurement([capture(name="a"), capture(name="b")]), positions=None, rules=validity_rules()
    )
    names = [r.capture for r in results]
    assert names == sorted(names, key=["a", "b", ""].index)
    # Two sources, side by side.
    assert sum(r.capture == "a" and r.quantity == "particles_per_frame" for r in results) == 2


# What the vendor's software remarked


def remarks(flags, instrument="NanoSight"):
    results = check_capture(capture(flags=flags), instrument=instrument, rules=())
    return {r.quantity: r for r in results}


def test_good_flags_and_information_make_no_result():
    assert (
        remarks(
            {
                "Validity of concentration measurement": "OK",
                "Noise level": "No",
                "Vibration detected": " no ",
                "Concentration Upgrade?": "Yes",
                "Errors (1)": "",
                "Cell Check Result": "Very Good",
                "Cell Checked": "2025-02-28 14:49:31",
            }
        )
        == {}
    )


def test_vibration_and_noise_are_passed_on_in_the_vendors_words():
    found = remarks({"Vibration detected": "Moderate vibration", "Noise level": "High", "Brightness": "OK"})
    assert set(found) == {"Vibration detected", "Noise level"}
    result = found["Vibration detected"]
    assert (result.rule_id, result.passed, result.severity) == (
        "vendor:vibration-detected:moderate-vibration",
        False,
        "warning",
    )
    assert "Moderate vibration" in result.text
    assert "NanoSight" in result.citation.text


@pytest.mark.parametrize("date", ["never", "1904-01-01 05:30:00", "1903-12-31 19:00:00"])
def test_drift_check_that_never_ran_says_nothing(date):
    flags = {"Particle Drift Check Result": "too high", "Particle Drift Checked": date}
    result = remarks(flags, "ZetaView")["Particle Drift Check Result"]
    assert (result.passed, result.severity) == (None, "note")
    assert "never ran" in result.text


@pytest.mark.parametrize(
    "flags", [{}, {"Particle Drift Checked": "2025-02-28 14:49:31"}, {"Cell Checked": "never"}]
)
def test_drift_check_that_ran_is_passed_on(flags):
    result = remarks({"Particle Drift Check Result": "too high", **flags}, "ZetaView")[
        "Particle Drift Check Result"
    ]
    assert (result.passed, result.severity) == (False, "warning")
    assert "never" not in result.text


def test_what_the_software_did_about_it_is_a_note_and_sections_before_the_name_do_not_matter():
    found = remarks(
        {
            "Vibration correction applied": "Yes",
            "Processed": "Yes",
            "Settings changed?": "Yes",
            "Information: Concentration Upgrade?": "Yes",
            "Information: Completed Tracks": "Too few",
        }
    )
    assert {k: r.severity for k, r in found.items()} == {
        "Vibration correction applied": "note",
        "Settings changed?": "note",
        "Information: Completed Tracks": "warning",
    }


def test_captures_with_different_remarks_have_different_ids():
    captures = [
        capture(name=n, flags={"Vibration detected": v}) for n, v in (("a", "Minor"), ("b", "Moderate"))
    ]
    results = check_measurement(measurement(captures), positions=None, rules=())
    assert [(r.capture, r.rule_id) for r in results] == [
        ("a", "vendor:vibration-detected:minor"),
        ("b", "vendor:vibration-detected:moderate"),
    ]


def test_bad_cell_check_is_passed_on():
    assert remarks({"Cell Check Result": "Poor"}, "ZetaView")["Cell Check Result"].passed is False
