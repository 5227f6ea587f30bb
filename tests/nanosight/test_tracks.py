"""The readers of NanoSight's track tables, on synthetic files (no public one was found)."""

from __future__ import annotations

import polars as pl
import pytest

from vesicula.core.errors import UnreadableFile
from vesicula.instruments.nta.read import nanosight_tracks as tracks

PARTICLES = "synthetic_ParticleData.csv"
POINTS = "synthetic_AllTracks.csv"


def codes(measurement):
    return [w.code for w in measurement.warnings]


@pytest.fixture(scope="module")
def particle_text(data):
    return (data / PARTICLES).read_text(encoding="ascii")


@pytest.fixture(scope="module")
def point_text(data):
    return (data / POINTS).read_text(encoding="ascii")


def test_particle_data(data):
    read = tracks.read_particle_data(data / PARTICLES)
    assert (read.kind, read.reader, read.warnings) == ("tracks", "nanosight_particle_data", ())
    assert read.table.schema == {
        "capture": pl.Int32,
        "particle_id": pl.Int64,
        "diameter_nm": pl.Float64,
        "diffusion_nm2_per_s": pl.Float64,
        "ln_adjusted_intensity": pl.Float64,
        "included": pl.Boolean,
        "start_frame": pl.Int64,
        "track_length_frames": pl.Int64,
    }
    assert read.table.height == 60
    assert read.table.row(0) == (0, 0, 126.6, 3876352.4, 6.4253, True, 676, 33)


def test_all_tracks_agree_with_particle_data(data):
    particles = tracks.read_particle_data(data / PARTICLES).table
    points = tracks.read_all_tracks(data / POINTS)
    assert (points.kind, points.warnings) == ("track_points", ())
    assert points.table.row(0) == (0, 0, 126.6, 3876352.4, 6.4737, True, 676, 960.158, 550.699)
    per_track = points.table.group_by("particle_id", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("track_length_frames"), pl.col("frame").min().alias("start_frame")
    )
    assert per_track["track_length_frames"].equals(particles["track_length_frames"])
    assert per_track["start_frame"].equals(particles["start_frame"])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace(",", ";"),
        lambda t: t.replace(",", "\t"),
        lambda t: t.replace("\n", "\r"),
        lambda t: t.replace("True", "Yes").replace("False", "No"),
        lambda t: t.replace("True", "1").replace("False", "0"),
        lambda t: t.replace("True", '"TRUE"'),
        lambda t: "\n\n" + t,
    ],
    ids=["semicolons", "tabs", "CR", "yes", "one", "quoted", "blank lines"],
)
def test_other_clothes(data, write, particle_text, change):
    expected = tracks.read_particle_data(data / PARTICLES).table
    read = tracks.read_particle_data(write(change(particle_text)))
    assert read.table.equals(expected)
    assert codes(read) == []


def test_decimal_commas(data, write, particle_text):
    read = tracks.read_particle_data(write(particle_text.replace(",", ";").replace(".", ",")))
    assert read.table.equals(tracks.read_particle_data(data / PARTICLES).table)
    assert codes(read) == ["decimal-comma"]


def test_columns_in_another_order_and_unknown_ones(data, write, particle_text):
    lines = [",".join(["x", *line.split(",")[::-1]]) for line in particle_text.splitlines()]
    read = tracks.read_particle_data(write("\n".join([lines[0], *lines[1:]]).replace("x,", "1.5,") + "\n"))
    assert read.table.equals(tracks.read_particle_data(data / PARTICLES).table)
    assert codes(read) == ["unknown-column"]


@pytest.mark.parametrize("column", range(7))
@pytest.mark.parametrize("cell", ["", "nan", "inf", "1e400", "abc", "=1+1", "0x1"])
def test_bad_cells_are_named(write, particle_text, column, cell):
    lines = particle_text.splitlines()
    cells = lines[20].split(",")
    cells[column] = cell
    lines[20] = ",".join(cells)
    with pytest.raises(UnreadableFile, match=rf"line 21, column {column + 1} "):
        tracks.read_particle_data(write("\n".join(lines)))


@pytest.mark.parametrize(
    ("column", "cell"), [(0, "-1"), (0, "1.5"), (1, "0"), (1, "-5"), (2, "0"), (4, "2.5"), (6, "maybe")]
)
def test_impossible_values(write, particle_text, column, cell):
    lines = particle_text.splitlines()
    cells = lines[5].split(",")
    cells[column] = cell
    lines[5] = ",".join(cells)
    with pytest.raises(UnreadableFile, match=rf"line 6, column {column + 1} "):
        tracks.read_particle_data(write("\n".join(lines)))


def test_cut_tables(write, particle_text):
    lines = particle_text.splitlines()
    with pytest.raises(UnreadableFile, match="line 31"):
        tracks.read_particle_data(write("\n".join(lines[:31])[:-8]))
    at_row = tracks.read_particle_data(write("\n".join(lines[:31])))
    assert (at_row.table.height, codes(at_row)) == (30, ["no-final-newline"])
    with pytest.raises(UnreadableFile, match="a row per track"):
        tracks.read_particle_data(write(lines[0] + "\n"))


def test_missing_and_repeated_columns(write, particle_text):
    with pytest.raises(UnreadableFile, match="found no 'Tracklength'"):
        tracks.read_particle_data(write(particle_text.replace("Tracklength", "Length")))
    with pytest.raises(UnreadableFile, match="found 2 'Size/nm'"):
        tracks.read_particle_data(write(particle_text.replace("Start frame", "Size/nm")))


def test_concatenated_tables(write, particle_text):
    read = tracks.read_particle_data(write(particle_text * 2))
    assert codes(read) == ["concatenated-exports"]
    assert read.table["capture"].to_list() == [0] * 60 + [1] * 60


def test_swapped_and_edited_cells_are_reported(write, particle_text, point_text):
    def swap(text, i, j):
        rows = [line.split(",") for line in text.splitlines()]
        for row in rows[1:]:
            row[i], row[j] = row[j], row[i]
        return "\n".join(",".join(r) for r in rows) + "\n"

    assert codes(tracks.read_particle_data(write(swap(particle_text, 1, 2)))) == ["implausible-size"]
    assert "size-diffusion-mismatch" in codes(tracks.read_particle_data(write(swap(particle_text, 1, 3))))
    edited = tracks.read_particle_data(write(particle_text.replace("126.6,", "136.6,", 1)))
    assert codes(edited) == ["size-diffusion-mismatch"]
    torn = tracks.read_all_tracks(write(point_text.replace("126.6,", "127.6,", 1)))
    assert codes(torn) == ["inconsistent-tracks"]
    doubled = point_text + point_text.splitlines()[-1] + "\n"
    assert codes(tracks.read_all_tracks(write(doubled))) == ["duplicate-rows"]


def test_recognition_is_exclusive(data):
    from vesicula.instruments.registry import head_of

    particles, points = head_of(data / PARTICLES), head_of(data / POINTS)
    assert tracks.recognise_particle_data(particles)
    assert not tracks.recognise_particle_data(points)
    assert tracks.recognise_all_tracks(points)
    assert not tracks.recognise_all_tracks(particles)
