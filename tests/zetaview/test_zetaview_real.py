"""The readers against the vendor's own numbers, on real exports of ZetaView 8.05.14, 8.05.16 and 8.06.01."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vesicula.instruments.nta.read._zetaview_size import median_nm
from vesicula.instruments.nta.read.zetaview import POSITIONS, PROFILE, SIZE
from vesicula.instruments.registry import head_of

PRINTED = 0.5e-6 + 1e-9  # medians are printed with 6 decimals


def captures(real_files):
    for path in real_files["size"]:
        measurement = SIZE.read(path)
        (capture,) = measurement.captures
        yield path, measurement, capture


def test_each_file_is_recognised_by_its_reader_alone(real_files):
    readers = {"size": SIZE, "positions": POSITIONS, "profile": PROFILE}
    for kind, paths in real_files.items():
        for path in paths:
            head = head_of(path)
            assert [r.name for r in readers.values() if r.recognise(head)] == [readers[kind].name], path.name


def test_thirteen_runs_two_of_them_failed(real_files):
    failed = {path.name[:13] for path, _, capture in captures(real_files) if capture.is_empty}
    assert failed == {"20250228_0013", "20250228_0014"}
    assert len(real_files["size"]) == 13


def test_no_other_warning_than_those_known(real_files):
    for path, measurement, capture in captures(real_files):
        expected = ["failed-run"] if capture.is_empty else ["decimal-comma"] if "Sample1" in path.name else []
        assert [w.code for w in measurement.warnings] == expected, path.name


def test_the_recipe_reproduces_all_three_medians_to_the_last_digit(real_files):
    """By number, by concentration (scaled counts), and by volume with the exact bin centres."""
    checked = 0
    for path, _, capture in captures(real_files):
        if capture.is_empty:
            continue
        d = capture.bin_centres_nm
        assert abs(median_nm(d, capture.weights) - capture.vendor["vendor_d50_nm"]) <= PRINTED, path.name
        assert (
            abs(median_nm(d, capture.weights) - capture.vendor["vendor_d50_concentration_nm"]) <= PRINTED
        ), path.name
        assert (
            abs(median_nm(d, capture.weights * d**3) - capture.vendor["vendor_volume_d50_nm"]) <= PRINTED
        ), path.name
        checked += 1
    assert checked == 11


def test_counts_sum_to_the_number_of_traces_in_both_tables(real_files):
    for path, measurement, capture in captures(real_files):
        assert capture.particle_count.sum() == capture.tracks_used, path.name
        if not capture.is_empty:
            assert measurement.extra_tables["log_bins"]["particle_count"].sum() == capture.tracks_used, (
                path.name
            )


def test_concentration_per_count_is_one_factor_in_a_file(real_files):
    for path, _, capture in captures(real_files):
        if capture.is_empty:
            continue
        counted = capture.particle_count > 0
        n, c = capture.particle_count[counted], capture.concentration_per_ml[counted]
        half = 0.5 * 10.0 ** (np.floor(np.log10(c)) - 3)  # 4 digits are printed
        assert ((c - half) / n).max() <= ((c + half) / n).min(), path.name


def test_positions_average_to_the_concentration_of_the_size_file(real_files):
    """And so Conc. (p./mL) is of the diluted sample, and Orig. Conc. that times the dilution."""
    by_run = {path.name[:13]: capture for path, _, capture in captures(real_files)}
    checked = 0
    for path in real_files["positions"]:
        table, capture = POSITIONS.read(path).table, by_run[path.name[:13]]
        used = table.filter(table["used"])
        assert used["tracks"].sum() == capture.tracks_used
        if capture.is_empty:
            continue
        assert used["particles_per_frame"].mean() == pytest.approx(capture.particles_per_frame, abs=1e-6)
        diluted = used["concentration_diluted_per_ml"].to_numpy()
        half = 0.5 * 10.0 ** (np.floor(np.log10(diluted)) - 1)  # 2 digits are printed
        assert abs(diluted.mean() - capture.concentration_per_ml.sum()) <= half.mean() + 1e-3 * diluted.mean()
        ratio = used["concentration_per_ml"] / used["concentration_diluted_per_ml"]
        assert ratio.to_numpy() == pytest.approx(capture.dilution_factor, rel=0.01)
        checked += 1
    assert checked == 9


def test_no_real_positions_table_contradicts_itself(real_files):
    for path in real_files["positions"]:
        measurement = POSITIONS.read(path)
        failed = not measurement.table["used"].any()
        assert [w.code for w in measurement.warnings] == (["failed-run"] if failed else []), path.name
        assert measurement.table["d50_diameter_nm"].max() < 1000
        assert measurement.table.height == 11


def test_zeta_potential_is_mobility_times_factor(real_files):
    for path in real_files["profile"]:
        measurement = PROFILE.read(path)
        v = measurement.values
        assert v["zeta_potential_mv"] == pytest.approx(
            v["mobility_um_cm_per_v_s"] * v["zeta_potential_per_mobility"], abs=2e-5
        )
        assert v["zeta_potential_mv"] < 0
        assert [w.code for w in measurement.warnings] == ["inferred-unit", "nil-in-profile"]
        assert measurement.table.height == 11


def test_the_five_known_quirks_are_there(real_files):
    """Guards the tests above: should the files be exchanged for tidier ones, they would prove less."""
    raw = {path.name: path.read_bytes() for paths in real_files.values() for path in paths}
    joined = b"".join(raw.values())
    assert b"Dilution::" in joined
    assert b"Conductivity: " in joined
    assert b"ZetaVIEW S/N" in joined
    assert b"\xb5\x00m/s" in joined
    assert b"5,998E+3" in raw["Sample1_35nm_1-5pool.txt"]
    assert Path(real_files["size"][0]).stat().st_size > 0
