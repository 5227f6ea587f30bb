"""The reader of NanoSight summaries, on the two real exports and on twins made from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesicula.core.errors import UnreadableFile
from vesicula.instruments.nta.read import nanosight

STATISTICS = ("mean", "mode", "sd", "d10", "d50", "d90")
BEADS_STATISTICS = [  # rows 79 to 84 of beads.csv, by capture
    [98.7, 97.9, 99.4, 96.4, 97.2, 97.8, 109.9, 107.1, 104.5, 99.3, 98.7, 98.7],
    [95.4, 94, 97.1, 95.3, 93.5, 94.7, 96.3, 94.7, 98.8, 95.5, 96.1, 92.2],
    [10.9, 9.7, 13.6, 14.2, 13, 14.8, 55.2, 33, 24.9, 14.5, 12.3, 12.8],
    [86.9, 87.2, 87, 79.2, 82.2, 82.5, 85.6, 87.7, 86.8, 81.8, 85.3, 83.8],
    [96, 95, 97, 94.7, 95.1, 95.3, 98, 98.2, 98.7, 96.5, 96.1, 95.9],
    [108.8, 109, 109.5, 111.5, 113.1, 111.1, 119.4, 118.9, 116.2, 118.9, 110.1, 112.8],
]
BEADS_CONCENTRATIONS = [1.43e9, 1.28e9, 1.18e9, 2.51e9, 1.80e9, 1.52e9, 1.30e9, 1.36e9, 1.18e9, 1.46e9, 1.40e9, 1.18e9]
BEADS_TRACKS = [4286, 3810, 3494, 6496, 6000, 5554, 4137, 4168, 3479, 5446, 5413, 4866]
BEADS_COMPLETED = [10824, 9217, 8495, 18481, 16475, 14479, 10598, 10157, 8612, 14222, 13597, 11769]


def codes(measurement):
    return [w.code for w in measurement.warnings]


@pytest.fixture(scope="module")
def measured(data):
    return nanosight.read(data / "beads.csv")


@pytest.fixture(scope="module")
def measured2(data):
    return nanosight.read(data / "beads2.csv")


# --- golden values -------------------------------------------------------------------------------------------


def test_nta_32_captures(measured):
    assert measured.software == "NTA 3.2 Dev Build 3.2.16"
    assert [c.name for c in measured.captures] == [
        f"std_10000_{a}_{b}_0{c}" for a, b in (("yes", 2), ("no", 2), ("yes", 1), ("no", 1)) for c in range(3)
    ]
    assert [c.tracks_used for c in measured.captures] == BEADS_TRACKS
    assert [c.tracks_completed for c in measured.captures] == BEADS_COMPLETED
    assert [c.vendor["vendor_concentration_per_ml"] for c in measured.captures] == BEADS_CONCENTRATIONS
    for key, row in zip(STATISTICS, BEADS_STATISTICS, strict=True):
        assert [c.vendor[f"vendor_{key}_nm"] for c in measured.captures] == row
    assert [c.particles_per_frame for c in measured.captures][:4] == [156.3, 137.6, 125.7, 397.2]
    assert codes(measured) == ["dilution-not-recorded"]
    assert {c.concentration_basis for c in measured.captures} == {"diluted"}
    assert {c.dilution_factor for c in measured.captures} == {None}


def test_nta_32_histograms(measured):
    first = measured.captures[0]
    np.testing.assert_array_equal(first.bin_edges_nm, np.arange(1001.0))
    assert first.concentration_per_ml[:64].sum() == 0
    assert measured.captures[5].concentration_per_ml[31:38].tolist() == [7, 60, 326, 1238, 3460, 7519, 13331]
    sums = [c.concentration_per_ml.sum() for c in measured.captures]
    assert sums[0] == 1432404245
    np.testing.assert_allclose(sums, BEADS_CONCENTRATIONS, rtol=0.005)


def test_nta_32_conditions_flags_and_pool(measured):
    assert measured.captures[3].conditions == {
        "temperature_c": 22.154,
        "viscosity_mpa_s": 0.949464,
        "frame_rate_per_s": 24.9825,
        "shutter_ms": 17.4,
        "camera_level": 10,
        "frames_analysed": 749,
        "detection_threshold": 8,
        "drift_x_px_per_frame": -4.1,
        "drift_y_px_per_frame": 0,
    }
    flags = measured.captures[0].flags
    assert flags["Vibration detected"] == "No"
    assert flags["Concentration Warnings: Noise level"] == flags["Information: Noise level"] == "No"
    assert flags["Validity of concentration measurement"] == "OK"
    pooled = measured.vendor_pooled
    assert (pooled["vendor_mean_nm"], pooled["vendor_se_mean_nm"]) == (100.5, 1.2)
    assert (pooled["vendor_d90_nm"], pooled["vendor_se_d90_nm"]) == (113.3, 1.2)
    assert (pooled["vendor_concentration_per_ml"], pooled["vendor_se_concentration_per_ml"]) == (1.47e9, 1.07e8)
    assert measured.metadata["Remarks"].endswith("std_10000_yes_1_.nano, std_10000_no_1_.nano")
    assert measured.metadata["Camera Type"] == "sCMOS"
    assert measured.metadata["Settings: Detection Threshold"] == "8"
    assert measured.metadata["Exclusion Regions"] == "No Exclusion Regions Used"


def test_nta_34(measured2):
    assert measured2.software == "NTA 3.4 Build 3.4.003"
    assert [c.name for c in measured2.captures] == [f"stdv34_0{i}" for i in range(5)]
    assert measured2.warnings == ()
    assert {(c.concentration_basis, c.dilution_factor) for c in measured2.captures} == {("sample", 10000.0)}
    assert [c.tracks_used for c in measured2.captures] == [1872, 1898, 1879, 1948, 1929]
    assert [c.vendor["vendor_mean_nm"] for c in measured2.captures] == [100.5, 103.0, 101.5, 101.5, 101.2]
    assert [c.vendor["vendor_d50_nm"] for c in measured2.captures] == [98.6, 99.7, 101.0, 100.2, 99.6]
    assert measured2.captures[0].concentration_per_ml.sum() == 5905634577311
    assert measured2.captures[0].concentration_per_ml[17:20].tolist() == [149, 11952, 396157]
    assert measured2.captures[1].flags["Vibration detected"] == "Minor vibration"
    assert measured2.captures[0].flags["Processed"] == "Yes"
    assert measured2.vendor_pooled["vendor_se_concentration_per_ml"] == 6.67e10
    assert measured2.metadata["Time Captured"] == "11:52:04  16/06/2020"


def test_percentiles_are_tidy(measured2):
    table = measured2.extra_tables["vendor_percentiles"]
    assert table.columns == ["capture", "percentile", "diameter_nm"]
    assert table.shape == (5 * 101, 3)
    rows = {(c, p): d for c, p, d in table.iter_rows()}
    assert rows[0, 50.0] == 98.6
    assert [rows[i, 100.0] for i in range(5)] == [200, 329, 247, 210, 167]


# --- layouts ---------------------------------------------------------------------------------------------------


def same(one, two):
    assert [c.name for c in one.captures] == [c.name for c in two.captures]
    for a, b in zip(one.captures, two.captures, strict=True):
        np.testing.assert_array_equal(a.bin_edges_nm, b.bin_edges_nm)
        np.testing.assert_array_equal(a.concentration_per_ml, b.concentration_per_ml)
        assert (a.vendor, a.conditions, a.flags) == (b.vendor, b.conditions, b.flags)
        assert (a.dilution_factor, a.tracks_used) == (b.dilution_factor, b.tracks_used)
    assert one.vendor_pooled == two.vendor_pooled


def test_single_analysis(write, beads2, keep_captures, measured2):
    path = write(keep_captures(beads2, [3], "NTA Single Analysis Summary File"))
    single = nanosight.read(path)
    assert [c.name for c in single.captures] == ["stdv34_03"]
    np.testing.assert_array_equal(single.captures[0].concentration_per_ml, measured2.captures[3].concentration_per_ml)
    assert single.captures[0].vendor == measured2.captures[3].vendor
    assert single.vendor_pooled == {}
    assert single.warnings == ()


def test_without_average_columns(write, beads, keep_captures, measured):
    read = nanosight.read(write(keep_captures(beads, range(12))))
    assert read.vendor_pooled == {}
    assert [c.vendor for c in read.captures] == [c.vendor for c in measured.captures]
    assert codes(read) == ["dilution-not-recorded"]


@pytest.mark.parametrize(("separator", "quoted"), [(";", False), ("\t", False), (",", True)])
def test_decimal_commas(write, beads2, measured2, separator, quoted):
    def cell(text):
        number = text.replace(".", ",") if text.replace(".", "", 1).replace("e+", "").lstrip("-").isdigit() else text
        return f'"{number}"' if quoted and "," in number else number

    text = "\n".join(separator.join(cell(c) for c in line.split(",")) for line in beads2.split("\n"))
    read = nanosight.read(write(text))
    same(read, measured2)
    assert codes(read) == ["decimal-comma"]


def test_semicolons_with_decimal_points(write, beads2, measured2):
    read = nanosight.read(write(beads2.replace(",", ";")))
    same(read, measured2)
    assert read.warnings == ()


def test_unquoted_decimal_commas_between_commas_are_refused(write, beads2):
    with pytest.raises(UnreadableFile):
        nanosight.read(write(beads2.replace(".", ",")))


def test_mixed_decimal_signs_are_refused(write, beads2, edit):
    text = edit(beads2, "Viscosity/cP", lambda c: [c[0], *(f'"{x.replace(".", ",")}"' for x in c[1:6])])
    with pytest.raises(UnreadableFile, match="either decimal points or decimal commas"):
        nanosight.read(write(text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252", "utf-32"])
def test_encodings(write, beads2, measured2, encoding):
    text = beads2.replace("100nmbeads", "100 µm² bead°s" if encoding != "ascii" else "")
    read = nanosight.read(write(text.encode(encoding)))
    same(read, measured2)
    assert read.metadata["Sample Description"] == "100 µm² bead°s"


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_line_ends(write, beads, measured, end):
    same(nanosight.read(write(beads.replace("\n", end))), measured)


def test_remark_over_several_lines_and_lone_quotation_mark(write, beads2, measured2):
    spread = nanosight.read(
        write(beads2.replace("Remarks,,", 'Remarks,"first, line\nConcentration (Particles / ml),5"', 1))
    )
    same(spread, measured2)
    assert spread.metadata["Remarks"] == "first, line\nConcentration (Particles / ml),5"
    lone = nanosight.read(write(beads2.replace("Remarks,,", 'Remarks,"never closed,', 1)))
    same(lone, measured2)


def weighted(text, section, weighting, centre, title):
    """Return a block as NTA 3.3 appends it for another weighting, made from the number-weighted one."""
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("Weighting"))
    block = "\n".join(line for line in lines[start:] if line)
    block = block.replace("Weighting,Number", f"Weighting,{weighting}").replace("Bin centre (nm)", centre)
    block = block.replace("Concentration (particles / ml)", title).replace("Concentration average", "Some average")
    return (f"[{section}],,\nAnalysis Method,FTLA,\n" if section else "") + block


def test_other_weightings_and_diffusion(write, beads2, measured2):
    text = beads2
    text += weighted(beads2, "", "Surface Area", "Bin centre (nm)", "Surface area conc. (nm² / ml)")
    text += "\n,,,,\n" + weighted(beads2, "Diffusion Coefficient Data", "Number", "Bin centre (x)", "Concentration (y)")
    read = nanosight.read(write(text.encode("cp1252")))
    assert set(read.extra_tables) == {"vendor_percentiles", "size_surface_area", "diffusion_number"}
    surface = read.extra_tables["size_surface_area"]
    assert surface.columns == ["capture", "bin_centre", "value", "bin_title", "value_title"]
    assert surface["value_title"].unique().to_list() == ["Surface area conc. (nm² / ml)"]
    assert surface["value"].sum() == pytest.approx(sum(c.concentration_per_ml.sum() for c in read.captures))
    assert read.captures[2].vendor["vendor_surface_area_mean_nm"] == 101.5
    for a, b in zip(read.captures, measured2.captures, strict=True):
        np.testing.assert_array_equal(a.concentration_per_ml, b.concentration_per_ml)
    assert read.vendor_pooled == measured2.vendor_pooled
    assert read.warnings == ()
    assert set(read.tables()) == {"captures", "distribution", *read.extra_tables}


def test_only_other_weightings_are_refused(write, beads2):
    text = beads2.replace("Weighting,Number", "Weighting,Volume").replace("Concentration (particles / ml)", "Volume")
    with pytest.raises(UnreadableFile, match="one size table weighted by number"):
        nanosight.read(write(text))
    with pytest.raises(UnreadableFile, match="weighting Volume"):
        nanosight.read(write(beads2.replace("Weighting,Number", "Weighting,Volume")))


def test_damaged_extra_table_is_left_out(write, beads2, measured2):
    extra = weighted(beads2, "", "Volume", "Bin centre (nm)", "Volume conc. (nm³ / ml)").replace(
        "17.5,149", "17.5,oops"
    )
    read = nanosight.read(write(beads2 + extra))
    same_numbers = [c.concentration_per_ml.sum() for c in read.captures]
    assert same_numbers == [c.concentration_per_ml.sum() for c in measured2.captures]
    assert codes(read) == ["unreadable-table"]
    assert "size_volume" not in read.extra_tables


def test_concatenated_exports(write, data, measured, measured2):
    text = (data / "beads.csv").read_bytes() + (data / "beads2.csv").read_bytes()
    read = nanosight.read(write(text))
    assert [c.name for c in read.captures] == [c.name for m in (measured, measured2) for c in m.captures]
    assert [c.dilution_factor for c in read.captures] == [None] * 12 + [10000.0] * 5
    assert codes(read) == ["dilution-not-recorded", "concatenated-exports"]
    assert read.vendor_pooled == {}
    pooled = {(e, q): v for e, q, v in read.extra_tables["vendor_pooled"].iter_rows()}
    assert (pooled[1, "vendor_mean_nm"], pooled[2, "vendor_mean_nm"]) == (100.5, 101.5)
    percentiles = read.extra_tables["vendor_percentiles"]
    assert percentiles["capture"].unique().sort().to_list() == list(range(17))
    assert read.metadata["export 2: Diluent"] == "PBS"


def test_a_file_spliced_with_itself_reports_copies(write, beads2):
    assert codes(nanosight.read(write(beads2 * 2))) == ["concatenated-exports", "duplicate-captures"]


# --- meaning ---------------------------------------------------------------------------------------------------


DILUTION = nanosight.DILUTION


@pytest.mark.parametrize("factor", ["1.00e+03", "100", "1"])
def test_dilution_recorded(write, beads2, edit, factor):
    read = nanosight.read(write(edit(beads2, DILUTION, lambda c: [c[0], *[factor] * 5, "", "", ""])))
    assert {(c.concentration_basis, c.dilution_factor) for c in read.captures} == {("sample", float(factor))}


def test_dilution_of_some_captures(write, beads2, edit):
    read = nanosight.read(write(edit(beads2, DILUTION, lambda c: [c[0], "10", "Not recorded", "10", "", "0.1"])))
    assert [c.dilution_factor for c in read.captures] == [10, None, 10, None, 0.1]
    assert [c.concentration_basis for c in read.captures] == ["sample", "diluted", "sample", "diluted", "sample"]
    assert codes(read) == ["dilution-not-recorded", "dilution-below-one"]


@pytest.mark.parametrize("cell", ["ten", "-5", "0", "nan", "1e400", "1:100"])
def test_dilution_that_says_nothing_is_refused(write, beads2, edit, cell):
    with pytest.raises(UnreadableFile, match=r"line 45 \(Dilution factor"):
        nanosight.read(write(edit(beads2, DILUTION, lambda c: [*c[:3], cell, *c[4:]])))


def test_missing_sections_and_unknown_version(write, beads2):
    lines = beads2.split("\n")
    start, end = (next(i for i, line in enumerate(lines) if line.startswith(k)) for k in ("[Results]", "[Information]"))
    text = "\n".join([*lines[:start], *lines[end:]]).replace("NTA 3.4 Build 3.4.003", "NTA 2.3 Build 0025")
    read = nanosight.read(write(text))
    assert codes(read) == ["unknown-version", "missing-section", "dilution-not-recorded"]
    assert "vendor_concentration_per_ml" not in read.captures[0].vendor
    assert "[Results]" in read.warnings[1].message


@pytest.mark.parametrize("version", ["NTA 3.3 - Sample Assistant Dev Build 3.3.203", "NTA 3.2 Dev Build 3.2.16"])
def test_versions_seen_in_real_exports_are_known(write, beads2, version):
    read = nanosight.read(write(beads2.replace("NTA 3.4 Build 3.4.003", version)))
    assert read.software == version
    assert read.warnings == ()


def test_tables_announced_but_absent(write, beads2):
    announced = "Size distribution - Number weighting - With Percentiles,"
    text = beads2.replace(announced, f"{announced}\nSize distribution - Surface area weighting - With Percentiles,")
    read = nanosight.read(write(text))
    assert codes(read) == ["truncated-table"]
    assert "Surface area" in read.warnings[0].message


def test_unreadable_field_is_a_warning(write, beads2, edit):
    read = nanosight.read(write(edit(beads2, "Temperature/C", lambda c: [c[0], "hot", *c[2:]])))
    assert codes(read) == ["unreadable-field"]
    assert "temperature_c" not in read.captures[0].conditions
    assert read.captures[1].conditions["temperature_c"] == 22.0


def test_captures_in_another_order_are_matched_by_name(write, beads2, edit, measured2):
    """Rows above the table follow the manifest, those of the table its own Filename row."""

    def turn(cells):
        return [cells[0], *cells[1:6][::-1], *cells[6:]]

    text = edit(beads2, "Filename:", turn)
    for key in ("Concentration (Particles / ml)", "Max Jump Distance", "Completed tracks"):
        text = edit(text, key, turn)
    read = nanosight.read(write(text))
    assert codes(read) == ["capture-order"]
    assert [c.tracks_completed for c in read.captures] == [c.tracks_completed for c in measured2.captures]
    assert read.captures[0].vendor["vendor_concentration_per_ml"] == 5.91e12


def test_empty_capture_is_no_measurement(write, beads2, keep_captures):
    lines = keep_captures(beads2, [0], "NTA Single Analysis Summary File").split("\n")
    for i, line in enumerate(lines):
        key = line.split(",")[0]
        if key.replace(".", "").isdigit() and key.endswith(".5"):
            lines[i] = f"{key},0"
        if key in {"Mean", "Mode", "SD", "D10", "D50", "D90", "Concentration (Particles / ml)"}:
            lines[i] = f"{key},0"
    read = nanosight.read(write("\n".join(lines)))
    assert read.captures[0].is_empty
    assert not math.isnan(read.captures[0].concentration_per_ml.sum())


# --- never a wrong number in silence ---------------------------------------------------------------------------


def table_bounds(text):
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("Bin centre")) + 1
    return lines, start, start + 1000


@pytest.mark.parametrize("cell", ["-5", "nan", "inf", "1e400", "", "abc", "=SUM(A1)", "1,000", "1_000", "0x10", "5\0"])
def test_bad_cell_names_line_and_column(write, beads, cell):
    lines, start, _ = table_bounds(beads)
    cells = lines[start + 95].split(",")
    cells[4] = f'"{cell}"' if "," in cell else cell
    lines[start + 95] = ",".join(cells)
    with pytest.raises(UnreadableFile, match=rf"line {start + 96}, column 5 \(Concentration \(particles / ml\)\)"):
        nanosight.read(write("\n".join(lines)))


@pytest.mark.parametrize("rows", [1, 5, 400])
@pytest.mark.parametrize("place", [0, 90, 400])
def test_dropped_rows(write, beads, place, rows):
    lines, start, _ = table_bounds(beads)
    with pytest.raises(UnreadableFile):
        nanosight.read(write("\n".join([*lines[: start + place + 1], *lines[start + place + 1 + rows :]])))


@pytest.mark.parametrize("end", [96, 120, 300])
def test_table_cut_before_the_largest_particle_is_refused(write, beads, beads2, end):
    for text in (beads, beads2):
        lines, start, _ = table_bounds(text)
        if end > 120 and text is beads2:
            continue  # two captures end before 200 nm, but not all
        with pytest.raises(UnreadableFile, match="a size table that holds all of"):
            nanosight.read(write("\n".join(lines[: start + end]) + "\n"))


def test_table_cut_after_the_largest_particle_is_a_warning(write, beads2, measured2):
    lines, start, _ = table_bounds(beads2)
    read = nanosight.read(write("\n".join(lines[: start + 400]) + "\n"))
    assert codes(read) == ["truncated-table", "truncated-table"]
    for a, b in zip(read.captures, measured2.captures, strict=True):
        np.testing.assert_array_equal(a.concentration_per_ml, b.concentration_per_ml[:400])


def test_swapped_columns_disagree_with_the_vendor(write, beads):
    lines, start, end = table_bounds(beads)
    for i, j in ((1, 2), (10, 11), (11, 12), (9, 3)):
        swapped = list(lines)
        for k in range(start, end):
            cells = lines[k].split(",")
            cells[i], cells[j] = cells[j], cells[i]
            swapped[k] = ",".join(cells)
        read = nanosight.read(write("\n".join(swapped)))
        assert "vendor-disagrees" in codes(read), (i, j)


def test_scaled_column_and_scaled_cell(write, beads2, keep_captures):
    def scaled(text, rows, column, factor):
        lines, start, _ = table_bounds(text)
        for k in rows:
            cells = lines[start + k].split(",")
            cells[column] = str(round(float(cells[column]) * factor))
            lines[start + k] = ",".join(cells)
        return "\n".join(lines)

    column = codes(nanosight.read(write(scaled(beads2, range(1000), 2, 1.1))))
    assert column == ["concentration-mismatch", "average-mismatch"]
    cell = codes(nanosight.read(write(scaled(beads2, [97], 2, 10))))
    assert cell == ["concentration-mismatch", "vendor-disagrees", "average-mismatch"]
    alone = keep_captures(beads2, [1])
    assert codes(nanosight.read(write(scaled(alone, [97], 1, 1.05)))) == ["concentration-mismatch"]
    assert codes(nanosight.read(write(scaled(alone, [97], 1, 1.2)))) == ["concentration-mismatch", "vendor-disagrees"]


@given(row=st.integers(0, 999), column=st.integers(1, 5), value=st.integers(0, 10**13))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_cell_can_be_edited_unnoticed(write, beads2, measured2, row, column, value):
    """Whatever one cell is set to: the numbers are as before, to the vendor's rounding, or there is a warning."""
    lines, start, _ = table_bounds(beads2)
    cells = lines[start + row].split(",")
    cells[column] = str(value)
    lines[start + row] = ",".join(cells)
    read = nanosight.read(write("\n".join(lines)))
    change = abs(value - measured2.captures[column - 1].concentration_per_ml[row])
    if change == 0:
        assert codes(read) == []
    elif change > 10:  # of five captures; their average is rounded to whole particles
        assert "average-mismatch" in codes(read)


@pytest.mark.parametrize("key", ["Mean", "Mode", "SD", "D10", "D50", "D90"])
def test_edited_statistic(write, beads2, edit, key):
    text = edit(beads2, key, lambda c: [*c[:2], str(float(c[2]) + 7), *c[3:]])
    assert codes(nanosight.read(write(text))) == ["vendor-disagrees"]


def test_percentiles_out_of_order_and_cut(write, beads2):
    lines = beads2.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("Percentile")) + 50
    turned = [*lines[:at], lines[at].replace(",", ",1", 1), *lines[at + 1 :]]
    assert codes(nanosight.read(write("\n".join(turned)))) == ["percentiles-not-monotonic"]
    cut = nanosight.read(write("\n".join(lines[:at]) + "\n"))
    assert codes(cut) == ["truncated-table"]
    without = nanosight.read(write("\n".join(lines[: at - 51])))
    assert codes(without) == ["truncated-table"]
    assert "vendor_percentiles" not in without.extra_tables


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Bin centre (nm)", "Bin centre (um)", r"Bin centre \(nm\)"),
        ("Concentration (particles / ml),", "Concentration (particles / cl),", "Concentration"),
        ("Filename,stdv34_00,", "Filename,", "captures"),
        ("Filename:,stdv34_00,", "Filename:,other,", "other"),
        ("17.5,149", "17.5,149\n\n18.0,1", "end"),
        ("17.5,149", "17.5,149\nValid Tracks,3", "the next row of the table"),
        ("[Data Included]", "[Results]", "each section once"),
        ("Y-Drift", "Concentration (Particles / ml),1,2,3,4,5\nY-Drift", "as in line"),
    ],
)
def test_damage_is_refused(write, beads2, old, new, message):
    assert old in beads2
    with pytest.raises(UnreadableFile, match=message):
        nanosight.read(write(beads2.replace(old, new, 1)))


def test_no_summary_no_table_and_two_tables(write, beads2):
    with pytest.raises(UnreadableFile, match="Summary File"):
        nanosight.read(write("Hello\n" + beads2))
    with pytest.raises(UnreadableFile, match="a table titled"):
        nanosight.read(write(beads2[:500]))
    with pytest.raises(UnreadableFile, match="found 2"):
        nanosight.read(
            write(beads2 + weighted(beads2, "", "Number", "Bin centre (nm)", "Concentration (particles / ml)"))
        )


def test_monstrous_files_are_refused_at_once(write, beads2):
    lines, start, _ = table_bounds(beads2)
    wide = ",".join(["Bin centre (nm)", *["Concentration (particles / ml)"] * 20_000])
    for text in (
        "NTA Experiment Summary File," + "x" * 1_200_000,
        "\n".join([*lines[: start - 1], wide, *lines[start:]]),
        "\n".join([*lines[:start], *lines[start : start + 1000] * 210]),
    ):
        with pytest.raises(UnreadableFile):
            nanosight.read(write(text))


# --- the two ways to parse -------------------------------------------------------------------------------------


def test_parsing_at_once_and_by_cell_agree(data):
    from vesicula.instruments.nta.read import _nanosight_layout, _nanosight_table
    from vesicula.instruments.text import load_text

    for name in ("beads.csv", "beads2.csv"):
        (export,) = _nanosight_layout.split_exports(load_text(data / name))
        for table in export.tables:
            rows = table.text.count("\n")
            fast = _nanosight_table._parse_at_once(table, rows, ",", decimal_comma=False)
            slow = _nanosight_table._parse_by_cell(data / name, table, ",", decimal_comma=False)
            assert fast is not None, "the fast way must take real files"
            np.testing.assert_array_equal(fast, slow)


def test_recognises_its_own(data):
    from vesicula.instruments.registry import head_of

    assert nanosight.recognise(head_of(data / "beads.csv"))
    assert not nanosight.recognise(head_of(data / "synthetic_ParticleData.csv"))
