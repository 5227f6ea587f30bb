"""ZetaView size exports: truth from the synthetic twins, and every way a file can be damaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesicula.core.errors import UnreadableFile
from vesicula.instruments.nta.read._zetaview_size import MAX_CAPTURES, median_nm
from vesicula.instruments.nta.read.zetaview import POSITIONS, PROFILE, SIZE
from vesicula.instruments.registry import head_of

FAST = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def codes(measurement):
    return [w.code for w in measurement.warnings]


def text_of(run):
    return run.size_file().decode("latin-1")


def title_line(lines):
    return next(i for i, line in enumerate(lines) if line.startswith("Size / nm"))


def counted_rows(lines):
    """Indices of the rows of the linear table that count something."""
    start = title_line(lines) + 1
    return [i for i in range(start, start + 1200) if lines[i].split("\t")[1][:5] not in {"0.000", "0,000"}]


# --- truth ---


def test_the_checked_in_twins_are_what_the_generator_makes(twin):
    made = twin.twins()
    assert {p.name for p in twin.DATA.iterdir()} == set(made)
    assert {name: (twin.DATA / name).read_bytes() for name in made} == made


@pytest.mark.parametrize("which", ["DOT", "COMMA", "OLD"])
def test_a_twin_gives_back_the_numbers_it_was_made_of(twin, write, which):
    run = getattr(twin, which)
    measurement = SIZE.read(write(run.size_file()))
    (capture,) = measurement.captures
    assert capture.particle_count.tolist() == run.counts()
    assert capture.bin_edges_nm.tolist() == [5.0 * i for i in range(1201)]
    assert capture.concentration_per_ml.sum() == pytest.approx(run.concentration_diluted_per_ml(), rel=5e-4)
    assert capture.concentration_basis == "diluted"
    assert capture.dilution_factor == run.dilution
    assert capture.tracks_used == sum(run.counts())
    assert capture.tracks_completed is None
    assert capture.particles_per_frame == pytest.approx(run.average_particles(), abs=1e-6)
    assert capture.name == f"{run.name}_size_488"
    assert not capture.is_empty
    assert measurement.software == f"ZetaView (version {run.software})"
    assert codes(measurement) == (["decimal-comma"] if run.comma else [])
    assert capture.conditions["temperature_c"] == 24.61
    assert capture.conditions["viscosity_mpa_s"] == 0.9077
    assert capture.conditions["shutter_ms"] == pytest.approx(10.0)
    assert capture.conditions["frame_rate_per_s"] == 30
    assert capture.conditions["min_track_length"] == 15
    assert capture.conditions["um_per_px"] == 0.713
    assert capture.conditions["laser_wavelength_nm"] == 488
    assert capture.conditions["conductivity_us_per_cm"] == (61 if run is twin.DOT else 14700)
    assert capture.conditions["ph"] == 7.1
    assert capture.vendor["vendor_d50_nm"] == pytest.approx(twin.quantile(run.counts(), 0.5), abs=1e-6)
    assert capture.vendor["vendor_d50_concentration_nm"] == capture.vendor["vendor_d50_nm"]
    assert capture.vendor["vendor_volume_d50_nm"] == pytest.approx(
        twin.volume_quantile(run.counts(), 0.5), abs=1e-6
    )
    assert capture.flags == {
        "Particle Drift Checked": "never",
        "Particle Drift Check Result": "too high",
        "Cell Checked": "2026-01-14 10:58:00",
        "Cell Check Result": "Good",
    }
    assert measurement.metadata["Dilution"] == f"{run.dilution:.6f}".replace(".", "," if run.comma else ".")
    assert measurement.metadata["Original File"].startswith("D:\\twins\\")
    assert measurement.metadata["Particle Drift Checked"].startswith("1904-01-01")


def test_the_logarithmic_table_is_kept_apart(twin, write):
    tables = SIZE.read(write(twin.DOT.size_file())).tables()
    log = tables["log_bins"]
    assert log.height == 200
    assert log["particle_count"].to_list() == twin.DOT.log_counts()
    assert (
        log["particle_count"].sum()
        == tables["distribution"]["particle_count"].sum()
        == sum(twin.DOT.counts())
    )


def test_the_sample_is_recovered_within_its_counting_error(twin, write):
    """The median must lie within 4 standard errors: ln(gsd) sqrt(pi/2) / sqrt(n) in ln d."""
    run = replace(twin.DOT, particles_per_frame=600.0)
    (capture,) = SIZE.read(write(run.size_file())).captures
    found = median_nm(capture.bin_centres_nm, capture.weights)
    error = 1.2533 * np.log(run.geometric_sd) / np.sqrt(capture.tracks_used)
    # The vendor's recipe is up to half a bin, 2.5 nm, below the median by bin edges.
    assert abs(np.log((found + 2.5) / run.median_nm)) < 4 * error


def test_the_locale_does_not_change_a_number(twin, write):
    dot = SIZE.read(write(twin.DOT.size_file())).captures[0]
    comma = SIZE.read(write(replace(twin.DOT, comma=True, crlf=True).size_file())).captures[0]
    assert np.array_equal(dot.particle_count, comma.particle_count)
    assert np.array_equal(dot.concentration_per_ml, comma.concentration_per_ml)
    assert (dot.conditions, dot.vendor, dot.dilution_factor) == (
        comma.conditions,
        comma.vendor,
        comma.dilution_factor,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_and_line_ends_do_not_change_a_number(twin, write, encoding, end):
    expected = SIZE.read(write(twin.DOT.size_file())).captures[0]
    path = write(text_of(twin.DOT).replace("\n", end).encode(encoding))
    assert SIZE.recognise(head_of(path))
    found = SIZE.read(path)
    assert codes(found) == []
    assert np.array_equal(found.captures[0].particle_count, expected.particle_count)
    assert found.captures[0].conditions == expected.conditions


def test_median_nm_by_hand():
    # Half of 8 counts is 4; 3 are reached at 10 nm, 8 at 20 nm: 10 + 10 * (4 - 3) / 5.
    assert median_nm(np.array([10.0, 20.0, 30.0]), np.array([3.0, 5.0, 0.0])) == pytest.approx(12.0)


def test_counts_of_ten_thousand_and_more_are_rounded_by_the_software(twin, write):
    """1.235E+4 stands for 12345 or any of its neighbours: no disagreement may be claimed."""
    run = replace(twin.DOT, particles_per_frame=12000.0, geometric_sd=1.05)
    assert max(run.counts()) > 10000
    measurement = SIZE.read(write(run.size_file()))
    assert codes(measurement) == []
    assert measurement.captures[0].particle_count.sum() != sum(run.counts())


# --- failed runs ---


def test_a_failed_run_is_empty_and_not_nil(twin, write):
    measurement = SIZE.read(write(twin.FAILED.size_file()))
    (capture,) = measurement.captures
    assert capture.is_empty
    assert codes(measurement) == ["failed-run"]
    assert capture.concentration_per_ml is None
    assert capture.particles_per_frame is None
    assert capture.vendor == {}
    assert capture.tracks_used == 0
    assert capture.particle_count.size == 1200
    assert capture.dilution_factor == 1000
    assert measurement.extra_tables == {}


def test_a_table_emptied_by_hand_is_not_a_failed_run(twin, write):
    lines = text_of(twin.DOT).split("\n")
    title = title_line(lines)
    for rows in ([twin.SEPARATOR], []):
        with pytest.raises(UnreadableFile, match=f"{sum(twin.DOT.counts())} traces"):
            SIZE.read(write("\n".join([*lines[: title + 1], *rows, ""])))


# --- several exports in one file ---


def test_concatenated_exports_become_captures(twin, write):
    runs = [twin.DOT, replace(twin.COMMA, crlf=False), twin.FAILED]
    measurement = SIZE.read(write("".join(text_of(r) for r in runs)))
    assert [c.tracks_used for c in measurement.captures] == [sum(r.counts()) for r in runs]
    assert [c.particle_count.tolist() for c in measurement.captures] == [r.counts() for r in runs]
    assert [c.dilution_factor for c in measurement.captures] == [1000, 5000, 1000]
    assert codes(measurement) == ["concatenated-exports", "decimal-comma", "failed-run"]
    assert measurement.warnings[1].where == "export 2"
    assert measurement.metadata["Dilution [2]"] == "5000,000000"
    assert measurement.extra_tables["log_bins"]["capture"].unique().to_list() == [0, 1]


def test_an_export_pasted_twice_is_named(twin, write):
    measurement = SIZE.read(write(2 * text_of(twin.DOT)))
    assert codes(measurement) == ["concatenated-exports", "duplicate-capture"]
    assert len({c.name for c in measurement.captures}) == 2


def test_a_cut_export_before_another_is_refused(twin, write):
    first = text_of(twin.DOT).split("\n")
    cut = "\n".join(first[: counted_rows(first)[20]]) + "\n"
    with pytest.raises(UnreadableFile, match="Number of Traces"):
        SIZE.read(write(cut + text_of(twin.OLD).replace("\r\n", "\n")))


# --- truncated and altered tables ---


def test_a_cut_that_loses_counts_is_refused(twin, write):
    lines = text_of(twin.DOT).split("\n")
    for i in (counted_rows(lines)[0], counted_rows(lines)[30], counted_rows(lines)[-1]):
        for rest in ("", "\n", "\n2.7", "\n2.7\n"):
            with pytest.raises(UnreadableFile, match=r"Number of Traces|traces"):
                SIZE.read(write("\n".join(lines[:i]) + rest))


def test_a_cut_that_loses_no_count_is_told(twin, write):
    lines = text_of(twin.DOT).split("\n")
    last = counted_rows(lines)[-1]
    measurement = SIZE.read(write("\n".join(lines[: last + 40]) + "\n5.0"))
    assert codes(measurement) == ["truncated-table", "truncated-table"]
    assert "none is lost" in measurement.warnings[0].message
    assert measurement.captures[0].particle_count.sum() == sum(twin.DOT.counts())


@pytest.mark.parametrize("keep", [0, 1, 5, 120])
def test_a_cut_in_the_logarithmic_table_leaves_the_capture_whole(twin, write, keep):
    lines = text_of(twin.DOT).split("\n")
    end = title_line(lines) + 1 + 1200 + 1 + keep
    measurement = SIZE.read(write("\n".join(lines[:end]) + "\n5.0\t0.0"))
    assert codes(measurement) == ["truncated-table"]
    assert measurement.captures[0].particle_count.tolist() == twin.DOT.counts()
    assert measurement.tables().get("log_bins", []).__len__() == keep


def test_a_missing_last_line_end_is_no_damage(twin, write):
    assert codes(SIZE.read(write(text_of(twin.DOT).rstrip("\n")))) == []


@FAST
@given(data=st.data())
def test_no_prefix_of_a_file_gives_a_wrong_number_in_silence(twin, write, data):
    content = twin.DOT.size_file()
    size = data.draw(st.integers(0, len(content) - 1))
    try:
        measurement = SIZE.read(write(content[:size]))
    except UnreadableFile:
        return
    assert measurement.captures[0].particle_count.sum() == sum(twin.DOT.counts())
    assert "truncated-table" in codes(measurement) or size >= len(content) - 8


@FAST
@given(data=st.data())
def test_a_line_lost_or_doubled_never_passes(twin, write, data):
    lines = text_of(twin.DOT).split("\n")
    start = title_line(lines) + 1
    i = data.draw(st.integers(start, start + 1198))
    with pytest.raises(UnreadableFile, match=r"bin centre|first bin"):
        SIZE.read(write("\n".join(lines[:i] + lines[i + 1 :])))
    with pytest.raises(UnreadableFile, match=r"bin centre|first bin"):
        SIZE.read(write("\n".join(lines[: i + 1] + lines[i:])))


@FAST
@given(data=st.data())
def test_an_altered_count_never_passes(twin, write, data):
    lines = text_of(twin.DOT).split("\n")
    i = data.draw(st.sampled_from(counted_rows(lines)))
    cells = lines[i].split("\t")
    old = float(cells[1])
    new = data.draw(st.integers(0, 60).filter(lambda n: n != old))
    lines[i] = "\t".join([cells[0], twin.scientific(new), *cells[2:]])
    measurement = SIZE.read(write("\n".join(lines)))
    assert codes(measurement).count("vendor-disagrees") >= 2  # number of traces, and concentration per count


def test_two_exchanged_halves_are_found_by_the_median(twin, write):
    """A header and a table of different runs, with equal traces: only the median tells."""
    a, b = text_of(twin.DOT), text_of(replace(twin.DOT, median_nm=180.0))
    head, table = a[: a.index("Size / nm")], b[b.index("Size / nm") :]
    measurement = SIZE.read(write(head + table))
    assert codes(measurement) == ["vendor-disagrees"]
    assert "median" in measurement.warnings[0].message


def test_an_altered_concentration_is_found(twin, write):
    lines = text_of(twin.DOT).split("\n")
    i = counted_rows(lines)[7]
    cells = lines[i].split("\t")
    cells[2] = twin.scientific(float(cells[2]) * 1.004)
    lines[i] = "\t".join(cells)
    measurement = SIZE.read(write("\n".join(lines)))
    assert codes(measurement) == ["vendor-disagrees"]
    assert measurement.warnings[0].where == f"line {i + 1}"


def test_concentrations_that_are_all_zero_are_left_out(twin, write):
    lines = text_of(twin.DOT).split("\n")
    for i in counted_rows(lines):
        cells = lines[i].split("\t")
        lines[i] = "\t".join([*cells[:2], "0.000E+0", *cells[3:]])
    measurement = SIZE.read(write("\n".join(lines)))
    assert codes(measurement) == ["missing-concentration"]
    assert measurement.captures[0].concentration_per_ml is None


@pytest.mark.parametrize(
    ("cell", "column"),
    [
        ("-3.000E+0", 2),
        ("NaN", 2),
        ("inf", 3),
        ("", 2),
        ("1,5E+1", 2),
        ("1_0", 3),
        ("1.0E+999", 4),
        ("1.0E+200", 4),
        ("0x10", 2),
    ],
)
def test_a_cell_that_is_no_count_is_named_by_line_and_column(twin, write, cell, column):
    lines = text_of(twin.DOT).split("\n")
    i = title_line(lines) + 30
    cells = lines[i].split("\t")
    cells[column - 1] = cell
    lines[i] = "\t".join(cells)
    with pytest.raises(UnreadableFile) as caught:
        SIZE.read(write("\n".join(lines).encode()))
    assert caught.value.where == f"line {i + 1}, column {column}"


def test_a_number_in_the_logarithmic_table_must_be_one_too(twin, write):
    lines = text_of(twin.DOT).split("\n")
    i = title_line(lines) + 1 + 1200 + 30
    lines[i] = lines[i].replace("\t0.000E+0", "\t-1.000E+0", 1)
    with pytest.raises(UnreadableFile) as caught:
        SIZE.read(write("\n".join(lines)))
    assert caught.value.where == f"line {i + 1}, column 2"


def test_a_second_separator_is_refused(twin, write):
    with pytest.raises(UnreadableFile, match="separator"):
        SIZE.read(write(text_of(twin.DOT) + twin.SEPARATOR + "\n"))


def test_other_units_are_refused(twin, write):
    with pytest.raises(UnreadableFile, match="cm-3"):
        SIZE.read(write(text_of(twin.DOT).replace("Concentration / cm-3", "Concentration / L-1")))


def test_a_header_without_table_is_refused(twin, write):
    text = text_of(twin.DOT)
    with pytest.raises(UnreadableFile, match="a header alone"):
        SIZE.read(write(text[: text.index("Size / nm")]))


def test_bins_of_another_width_are_read_from_the_table(twin, write):
    """The width is a setting of the instrument; counts and median still have to agree with the header."""
    run = twin.DOT
    counts = np.array(run.counts()).reshape(-1, 2).sum(axis=1)
    centres = 10.0 * np.arange(600) + 5
    factor = run.concentration_diluted_per_ml() / counts.sum()
    rows = [twin.row(d, int(n), factor) for d, n in zip(centres, counts, strict=True)]
    text = text_of(run)
    stated = twin.quantile(run.counts(), 0.5)
    text = text.replace(f"Number (D50):\t{stated:.6f}", f"Number (D50):\t{median_nm(centres, counts):.6f}")
    lines = text.split("\n")
    start = title_line(lines) + 1
    (capture,) = SIZE.read(write("\n".join([*lines[:start], *rows, *lines[start + 1200 :]]))).captures
    assert capture.bin_edges_nm[1] == 10
    assert capture.particle_count.tolist() == counts.tolist()


# --- the header ---


def test_mixed_decimal_marks_are_refused(twin, write):
    text = text_of(twin.DOT).replace("Temperature:\t24.610000", "Temperature:\t24,610000")
    with pytest.raises(UnreadableFile, match="one decimal mark") as caught:
        SIZE.read(write(text))
    assert "Temperature: 24,610000" in caught.value.found


def test_a_table_in_another_locale_than_its_header_is_refused(twin, write):
    head, title, table = text_of(twin.DOT).partition("Size / nm")
    with pytest.raises(UnreadableFile, match="with decimal point"):
        SIZE.read(write(head + title + table.replace(".", ",")))
    with pytest.raises(UnreadableFile, match="decimal comma"):
        SIZE.read(write(text_of(replace(twin.DOT, comma=True)).partition("Size / nm")[0] + title + table))


def test_free_text_does_not_tell_the_locale(twin, write):
    text = text_of(twin.DOT).replace("Remarks:\t\n", "Remarks:\t0,5\nTemperature was 21,5\n", 1)
    measurement = SIZE.read(write(text))
    assert codes(measurement) == []
    assert measurement.metadata["Remarks"] == "0,5 Temperature was 21,5"


def test_a_missing_dilution_is_told(twin, write):
    text = text_of(twin.DOT)
    for new, code in (
        ("", "missing-dilution"),
        ("\tDilution::\tNaN", "missing-dilution"),
        ("\tDilution::\t0.000000", "implausible-dilution"),
        ("\tDilution::\t0.5", "implausible-dilution"),
    ):
        measurement = SIZE.read(write(text.replace("\tDilution::\t1000.000000", new)))
        assert codes(measurement) == [code]
        assert measurement.captures[0].dilution_factor is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Dilution::\t1000.000000", "Dilution::\tmany"),
        ("Number of Traces:\t", "Number of Traces:\t-"),
        ("Number of Traces:\t", "Number of Traces:\t0.5"),
        ("Median Number (D50):\t", "Median Number (D50):\tx"),
    ],
)
def test_a_garbled_field_that_matters_is_refused(twin, write, old, new):
    with pytest.raises(UnreadableFile, match="line "):
        SIZE.read(write(text_of(twin.DOT).replace(old, new)))


def test_a_garbled_setting_is_left_out_and_told(twin, write):
    measurement = SIZE.read(write(text_of(twin.DOT).replace("Viscosity:\t0.907700", "Viscosity:\twater")))
    assert codes(measurement) == ["unreadable-field"]
    assert "viscosity_mpa_s" not in measurement.captures[0].conditions


def test_a_field_that_contradicts_itself_is_refused(twin, write):
    text = text_of(twin.DOT).replace("Image Evaluation:", "Temperature:\t4.000000\tsensed")
    with pytest.raises(UnreadableFile, match="'Temperature' once"):
        SIZE.read(write(text))


def test_a_correction_factor_is_kept_and_told(twin, write):
    measurement = SIZE.read(write(replace(twin.DOT, correction=1.25).size_file()))
    assert codes(measurement) == ["concentration-correction"]
    assert measurement.captures[0].conditions["concentration_correction_factor"] == 1.25


def test_an_unknown_version_and_a_filter_are_told(twin, write):
    text = text_of(twin.DOT).replace("8.06.01", "9.01.00").replace("nm:\tScatter", "nm:\t500")
    assert codes(SIZE.read(write(text))) == ["unknown-version", "fluorescence-filter"]


def test_the_epoch_may_fall_on_the_day_before(twin, write):
    text = text_of(twin.DOT).replace("1904-01-01 01:00:00", "1903-12-31 19:00:00")
    assert SIZE.read(write(text)).captures[0].flags["Particle Drift Checked"] == "never"


# --- recognition, hostility, speed ---


def test_each_twin_is_recognised_by_one_reader(twin):
    kinds = {"_11pos.txt": POSITIONS, "_prof_488.txt": PROFILE, "_size_488.txt": SIZE}
    for path in twin.DATA.iterdir():
        head = head_of(path)
        expected = next(reader for end, reader in kinds.items() if path.name.endswith(end))
        assert [r for r in (SIZE, POSITIONS, PROFILE) if r.recognise(head)] == [expected]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"\x00" * 100,
        b"Original File:",
        b"Original File:\t\n" * 50,
        b"Original File:\tx\nSize / nm",
        b"\xff\xfeO\x00r\x00i",
    ],
)
def test_scraps_are_refused_by_all_three(write, content):
    for reader in (SIZE, POSITIONS, PROFILE):
        with pytest.raises(UnreadableFile):
            reader.read(write(content))


def test_hostile_sizes_are_bounded(twin, write):
    failed = text_of(twin.FAILED)
    with pytest.raises(UnreadableFile, match=f"at most {MAX_CAPTURES}"):
        SIZE.read(write(failed * (MAX_CAPTURES + 1)))
    with pytest.raises(UnreadableFile, match="table within"):
        SIZE.read(write("Original File:\tx\n" + "a:\tb\n" * 100_000))
    with pytest.raises(UnreadableFile, match="bytes"):
        SIZE.read(write(b"Original File:\t" + b"x" * (17 * 1024 * 1024)))


@settings(FAST, max_examples=150)
@given(data=st.data())
def test_only_unreadable_file_escapes(twin, write, data):
    """Bytes replaced, removed and inserted anywhere in any of the formats, read by any of the readers."""
    files = {p.name: p.read_bytes() for p in twin.DATA.iterdir()}
    sizes = [files[name] for name in sorted(files) if name.endswith("_size_488.txt")]
    files["spliced"] = sizes[-1] + sizes[0]
    content = bytearray(files[data.draw(st.sampled_from(sorted(files)))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(content), 6000)))
        length = data.draw(st.sampled_from([0, 1, 1, 2, 40, 4000]))
        junk = st.sampled_from(
            [
                b"\t",
                b"\n",
                b"-",
                b",",
                b".",
                b"NaN",
                b"E+300",
                b"E-320",
                b"9" * 400,
                b":",
                b"\x00",
                "µ".encode(),
                b"Original File:\t",
                b"0",
                b"-1.000E+0",
            ]
        ) | st.binary(max_size=6)
        content[at : at + length] = data.draw(junk)
    path = write(bytes(content))
    head = head_of(path)
    for reader in (SIZE, POSITIONS, PROFILE):
        reader.recognise(head)
        try:
            measurement = reader.read(path)
        except UnreadableFile:
            continue
        assert measurement.tables()
