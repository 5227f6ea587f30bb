from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from vesicula.core.errors import UnknownFormat, UnreadableFile
from vesicula.instruments.nta.video.movie import ArrayMovie, open_movie

DATA = Path(__file__).parents[1] / "data" / "nta_video"
SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared"))


@pytest.fixture
def stack():
    return np.random.default_rng(1).integers(0, 256, (7, 40, 56), dtype=np.uint8)


def write_avi(path, stack, rate=25, codec="ffv1", pixel="gray"):
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = stack.shape[1], stack.shape[2], pixel
        for frame in stack:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)


def test_quicktime():
    movie = open_movie(DATA / "bulk-water.mov")
    assert movie.shape == (424, 640)
    assert movie.frame_rate_per_s == pytest.approx(24000 / 1001)
    frames = list(movie.frames())
    assert len(frames) == movie.frame_count == 480
    assert movie.warnings == ()
    # FFmpeg's own conversion to grey stretches limited-range luma; the counts here are the luma plane as coded.
    import av

    with av.open(str(DATA / "bulk-water.mov")) as container:
        first = next(container.decode(video=0))
    plane = first.planes[0]
    coded = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[: first.height, : first.width]
    np.testing.assert_array_equal(frames[0], coded)


def test_lossless_avi_gives_the_counts_written(tmp_path, stack):
    for suffix in (".avi", ".mkv"):
        path = tmp_path / f"movie{suffix}"
        write_avi(path, stack)
        movie = open_movie(path)
        np.testing.assert_array_equal(np.stack(list(movie.frames())), stack)
        np.testing.assert_array_equal(next(movie.frames()), stack[0])
        assert movie.frame_rate_per_s == pytest.approx(25)


def test_a_truncated_video_gives_frames_to_the_break_and_a_warning(tmp_path, stack):
    path = tmp_path / "movie.avi"
    write_avi(path, stack)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.5)])
    movie = open_movie(path)
    frames = list(movie.frames())
    assert 1 <= len(frames) < 7
    np.testing.assert_array_equal(frames[0], stack[0])
    assert [w.code for w in movie.warnings] == ["video-truncated"]


def test_a_truncated_mov_without_index_is_one_clear_error(tmp_path):
    whole = (DATA / "bulk-water.mov").read_bytes()
    # The index ("moov") stands at the end of this file: without it nothing says where frames begin.
    assert whole.index(b"moov") > 200_000
    path = tmp_path / "cut.mov"
    path.write_bytes(whole[:200_000])
    with pytest.raises(UnreadableFile, match=r"cut\.mov.*container header"):
        open_movie(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff(tmp_path, stack, dtype):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack.astype(dtype), photometric="minisblack")
    movie = open_movie(path, frame_rate_per_s=30)
    got = np.stack(list(movie.frames()))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, stack)
    assert (movie.shape, movie.frame_count, movie.frame_rate_per_s) == ((40, 56), 7, 30)


def test_ome_tiff_and_imagej_state_their_frame_rate(tmp_path, stack):
    ome = tmp_path / "stack.ome.tif"
    tifffile.imwrite(ome, stack, metadata={"axes": "TYX", "TimeIncrement": 0.04, "TimeIncrementUnit": "s"})
    assert open_movie(ome).frame_rate_per_s == pytest.approx(25)
    imagej = tmp_path / "stack.tif"
    tifffile.imwrite(imagej, stack, imagej=True, metadata={"axes": "TYX", "finterval": 0.05})
    movie = open_movie(imagej)
    assert movie.frame_rate_per_s == pytest.approx(20)
    np.testing.assert_array_equal(np.stack(list(movie.frames())), stack)


def test_a_colour_stack_of_grey_is_unchanged(tmp_path, stack):
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.repeat(stack[..., None], 3, axis=3), photometric="rgb")
    np.testing.assert_array_equal(np.stack(list(open_movie(path).frames())), stack)


def test_truncated_tiff_gives_frames_to_the_break_and_a_warning(tmp_path, stack):
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as out:
        for frame in stack:
            out.write(frame, contiguous=False)
    path.write_bytes(path.read_bytes()[:12_000])
    movie = open_movie(path)
    frames = list(movie.frames())
    assert 1 <= len(frames) < 7
    np.testing.assert_array_equal(np.stack(frames), stack[: len(frames)])
    assert [w.code for w in movie.warnings] == ["video-truncated"]


def test_folder_in_natural_order(tmp_path, stack):
    for k in range(7):
        tifffile.imwrite(tmp_path / f"frame{k * 3}.tif", stack[k])
    np.testing.assert_array_equal(np.stack(list(open_movie(tmp_path).frames())), stack)


def test_folder_of_png():
    frames = list(open_movie(DATA / "image_sequence").frames())
    assert len(frames) == 2
    assert frames[0].shape == (424, 640)
    assert frames[0].dtype == np.uint8
    assert frames[0].std() > 1


def test_npy_is_read_without_pickles(tmp_path, stack):
    path = tmp_path / "stack.npy"
    np.save(path, stack)
    np.testing.assert_array_equal(np.stack(list(open_movie(path).frames())), stack)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="NPY header"):
        open_movie(path)
    np.save(path, stack.astype(float))
    with pytest.raises(UnreadableFile, match="float64"):
        open_movie(path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", UnknownFormat),
        (b"not a video at all, but long enough", UnknownFormat),
        (b"RIFF\x00\x00\x00\x00AVI " + b"\0" * 100, UnreadableFile),
        (b"II*\0" + b"\xff" * 50, UnreadableFile),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'shape': (99999999999, 9999, 9999), }", UnreadableFile),
        (b"#EXTM3U\nhttp://127.0.0.1/secret\n", UnknownFormat),
    ],
)
def test_hostile_files(tmp_path, content, error):
    path = tmp_path / "hostile.avi"
    path.write_bytes(content)
    with pytest.raises(error, match=r"hostile\.avi"):
        open_movie(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    header = np.lib.format.open_memmap(tmp_path / "bomb.npy", mode="w+", dtype=np.uint8, shape=(1, 20_000, 20_000))
    del header
    with pytest.raises(UnreadableFile, match="at most"):
        open_movie(tmp_path / "bomb.npy")


def test_a_tiff_whose_header_claims_a_huge_frame_is_refused(tmp_path, stack):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, stack[0], photometric="minisblack")
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for tag in ("ImageWidth", "ImageLength"):
            entry = tiff.pages[0].tags[tag]
            data[entry.valueoffset : entry.valueoffset + 2] = (60_000).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match="at most"):
        open_movie(path)


def test_an_avi_whose_header_claims_a_huge_frame_is_refused(tmp_path, stack):
    path = tmp_path / "bomb.avi"
    write_avi(path, stack)
    data = path.read_bytes()
    at = data.index(b"strf") + 8  # BITMAPINFOHEADER: size, width, height
    size = (60_000).to_bytes(4, "little")
    path.write_bytes(data[: at + 4] + size + size + data[at + 12 :])
    with pytest.raises(UnreadableFile, match="at most"):
        open_movie(path)


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(UnreadableFile, match="readable file"):
        open_movie(tmp_path / "none.avi")
    with pytest.raises(UnreadableFile, match="folder"):
        open_movie(tmp_path)
    with pytest.raises(UnreadableFile, match="frame rate"):
        open_movie(DATA / "bulk-water.mov", frame_rate_per_s=-1)


def test_array_movie(stack):
    movie = ArrayMovie(stack, 25.0, "made")
    assert (movie.name, movie.shape, movie.frame_count, movie.frame_rate_per_s) == ("made", (40, 56), 7, 25.0)
    np.testing.assert_array_equal(np.stack(list(movie.frames())), stack)
    with pytest.raises(UnreadableFile):
        ArrayMovie(stack.astype(float), 25.0, "made")
