"""ZetaView's positions and zeta potential profiles."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean, stdev

import pytest

from vesicula.core.errors import UnreadableFile
from vesicula.instruments.nta.read.zetaview import POSITIONS, PROFILE

COLUMNS = [
    "used",
    "position",
    "mean_intensity",
    "particles_per_frame",
    "concentration_diluted_per_ml",
    "concentration_per_ml",
    "tracks",
    "d50_diameter_nm",
    "peak_diameter_nm",
    "span",
    "drift_um_per_s",
    "removal",
]


def codes(measurement):
    return [w.code for w in measurement.warnings]


# --- positions ---


@pytest.mark.parametrize("which", ["DOT", "COMMA"])
def test_positions_give_back_what_the_twin_was_made_of(twin, write, which):
    run = getattr(twin, which)
    measurement = POSITIONS.read(write(run.positions_file()))
    truth, table = run.positions(), measurement.table
    assert measurement.kind == "positions"
    assert table.columns == COLUMNS
    assert table["used"].to_list() == [not p.removal for p in truth]
    assert table["removal"].to_list() == [p.removal or None for p in truth]
    assert table["position"].to_list() == [p.position for p in truth]
    assert table["tracks"].to_list() == [len(p.diameters_nm) for p in truth]
    assert table["particles_per_frame"].to_list() == [p.particles for p in truth]
    for row, p in zip(table.iter_rows(named=True), truth, strict=True):
        diluted = p.particles * run.per_ml_per_particle
        assert row["concentration_diluted_per_ml"] == pytest.approx(diluted, rel=0.05)
        assert row["concentration_per_ml"] == pytest.approx(diluted * run.dilution, rel=0.05)
    assert codes(measurement) == (["decimal-comma"] if run.comma else [])
    used = [p for p in truth if not p.removal]
    assert measurement.values["positions_used"] == len(used)
    assert measurement.values["positions_total"] == 11
    particles = [p.particles for p in used]
    assert measurement.values["vendor_mean_particles_per_frame"] == pytest.approx(mean(particles), abs=0.0501)
    assert measurement.values["vendor_sd_particles_per_frame"] == pytest.approx(stdev(particles), abs=0.0501)
    assert measurement.values["vendor_rel_sd_percent_particles_per_frame"] == pytest.approx(
        100 * stdev(particles) / mean(particles), abs=0.0501
    )


def test_a_position_without_a_trace_has_no_size(twin, write):
    content = twin.DOT.positions_file()
    assert b"\t0\t5997.5\t0.0\t0.0\t" in content
    table = POSITIONS.read(write(content)).table
    (row,) = table.filter(table["tracks"] == 0).to_dicts()
    assert row["d50_diameter_nm"] is row["peak_diameter_nm"] is row["span"] is None
    assert row["particles_per_frame"] > 0
    assert table["d50_diameter_nm"].max() < 1000


def test_a_failed_run_has_no_summary(twin, write):
    measurement = POSITIONS.read(write(twin.FAILED.positions_file()))
    assert codes(measurement) == ["failed-run"]
    assert measurement.values == {"positions_total": 11, "positions_used": 0}
    assert measurement.table["d50_diameter_nm"].null_count() == 11


@pytest.mark.parametrize("title", ["Mean", "St.Dev.", "Rel.St.Dev."])
@pytest.mark.parametrize("column", range(2, 11))
def test_each_summary_is_checked_against_the_positions(twin, write, title, column):
    lines = twin.DOT.positions_file().decode("latin-1").split("\n")
    i = next(i for i, line in enumerate(lines) if line.startswith(f"\t{title}\t"))
    cells = lines[i].split("\t")
    value = float(cells[column])
    cells[column] = twin.scientific(3 * value, 1) if "E" in cells[column] else f"{3 * value + 1:.1f}"
    lines[i] = "\t".join(cells)
    measurement = POSITIONS.read(write("\n".join(lines)))
    assert codes(measurement) == ["vendor-disagrees"]
    assert COLUMNS[column] in measurement.warnings[0].message
    assert measurement.warnings[0].where == f"line {i + 1}"


def test_a_position_removed_by_hand_is_found(twin, write):
    lines = twin.DOT.positions_file().decode("latin-1").split("\n")
    i = next(i for i, line in enumerate(lines) if line.startswith("X\t0.60"))
    assert "vendor-disagrees" in codes(POSITIONS.read(write("\n".join(lines[:i] + lines[i + 1 :]))))
    lines[i] = lines[i][1:]
    assert "vendor-disagrees" in codes(POSITIONS.read(write("\n".join(lines))))


def test_exchanged_concentrations_are_found(twin, write):
    text = twin.DOT.positions_file().decode("latin-1")
    text = text.replace("Conc. (p./mL)\tOrig. Conc. (p./cm^3)", "Orig. Conc. (p./cm^3)\tConc. (p./mL)")
    measurement = POSITIONS.read(write(text))
    assert codes(measurement) == ["vendor-disagrees"]
    assert "one factor" in measurement.warnings[0].message


def test_missing_summary_rows_are_told(twin, write):
    lines = twin.DOT.positions_file().decode("latin-1").split("\n")
    measurement = POSITIONS.read(write("\n".join(lines[:8]) + "\n"))
    assert codes(measurement) == ["truncated-table"]
    assert measurement.table.height == 7


@pytest.mark.parametrize(
    ("column", "cell"),
    [(1, "Y"), (2, "-0.1"), (4, "many"), (7, "3.5"), (7, "NaN"), (8, "-1.0"), (8, "1,5"), (5, "1E400")],
)
def test_a_bad_cell_is_named(twin, write, column, cell):
    lines = twin.DOT.positions_file().decode("latin-1").split("\n")
    cells = lines[3].split("\t")
    cells[column - 1] = cell
    lines[3] = "\t".join(cells)
    with pytest.raises(UnreadableFile, match=r"line 4(, column|: expected one decimal mark)"):
        POSITIONS.read(write("\n".join(lines)))


def test_a_value_that_is_nan_becomes_null(twin, write):
    lines = twin.DOT.positions_file().decode("latin-1").split("\n")
    cells = lines[3].split("\t")
    cells[10] = "NaN"
    lines[3] = "\t".join(cells)
    measurement = POSITIONS.read(write("\n".join(lines)))
    assert codes(measurement) == ["missing-value"]
    assert measurement.table["drift_um_per_s"][2] is None


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-16", "ascii"])
def test_titles_survive_their_encoding(twin, write, encoding):
    text = twin.DOT.positions_file().decode("latin-1")
    path = write(text.encode(encoding, errors="replace"))
    assert POSITIONS.read(path).table.columns == COLUMNS


@pytest.mark.parametrize("change", [("Conc. (p./mL)", "Conc. (p./L)"), ("\tSpan", ""), ("Span", "Position")])
def test_other_titles_are_refused(twin, write, change):
    with pytest.raises(UnreadableFile, match="column titles"):
        POSITIONS.read(write(twin.DOT.positions_file().decode("latin-1").replace(*change, 1)))


def test_two_tables_in_one_file_are_refused(twin, write):
    with pytest.raises(UnreadableFile, match="line 16"):
        POSITIONS.read(write(2 * twin.DOT.positions_file()))


# --- profiles ---


@pytest.mark.parametrize("comma", [False, True])
def test_a_profile_gives_back_what_it_was_made_of(twin, write, comma):
    content = replace(twin.DOT, comma=comma, crlf=True).profile_file()
    assert content.count(b"\xb5\x00m/s") == 5
    measurement = PROFILE.read(write(content))
    assert measurement.kind == "zeta_potential_profile"
    values, table = measurement.values, measurement.table
    assert values["zeta_potential_mv"] == pytest.approx(-2.345678 * 12.81, abs=1e-6)
    assert values["mobility_um_cm_per_v_s"] == -2.345678
    assert values["field_v_per_cm"] == 2.701
    assert values["zeta_potential_per_mobility"] == 12.81
    assert values["mean_velocity_um_per_s"] == -8.123
    assert [values[f"parabola_{k}_mv"] for k in "abc"] == [118.25, -121.5, -8.75]
    assert values["tracks_used"] == 37
    assert values["temperature_c"] == 24.61
    assert values["dilution_factor"] == 1000
    assert table.columns == [
        "position",
        "apparent_zeta_potential_positive_mv",
        "apparent_zeta_potential_negative_mv",
        "apparent_zeta_potential_average_mv",
        "parabola_fit_mv",
    ]
    assert table["position"].to_list() == pytest.approx(list(twin.POSITIONS))
    assert table["parabola_fit_mv"][5] == pytest.approx(118.25 * 0.25 - 121.5 * 0.5 - 8.75, abs=0.006)
    assert codes(measurement) == (["decimal-comma"] if comma else []) + ["inferred-unit", "nil-in-profile"]
    assert "1 of 22" in measurement.warnings[-1].message
    assert measurement.metadata["Check: Particle Drift Checked"] == "never"
    assert "Mobility /µm/s/V/cm" in measurement.metadata


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Zeta Potential / mV:\t-30.048135", "Zeta Potential / mV:\t30.048135"),  # the sign
        ("Parabola: zp = 118", "Parabola: zp = 181"),
        ("ZP Factor:\t12.81", "ZP Factor:\t12.91"),
        ("5.000E-1\t-", "5.000E-1\t"),
    ],
)
def test_a_profile_that_contradicts_itself_is_told(twin, write, old, new):
    text = twin.DOT.profile_file().decode("latin-1")
    assert old in text
    assert codes(PROFILE.read(write(text.replace(old, new)))) == [
        "inferred-unit",
        "nil-in-profile",
        "vendor-disagrees",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Zeta Potential / mV:\t-30.048135", "Zeta Potential / mV:\tNaN"),
        ("Zeta Potential / mV:\t-30.048135", ""),
        ("ZP Profile:", "Profile:"),
        ("Position\tPositive V\tNegative V", "Position\tNegative V\tPositive V"),
        ("5.000E-1\t", "5.000E-1\tx"),
        ("5.000E-1\t", "5.000E-1\t1.0\t1.0\t"),
        ("Operator:", "Operator:\x00"),
    ],
)
def test_a_damaged_profile_is_refused(twin, write, old, new):
    text = twin.DOT.profile_file().decode("latin-1")
    assert old in text
    with pytest.raises(UnreadableFile):
        PROFILE.read(write(text.replace(old, new)))


def test_two_profiles_in_one_file_are_refused(twin, write):
    with pytest.raises(UnreadableFile, match="one profile in a file"):
        PROFILE.read(write(2 * twin.DOT.profile_file()))
