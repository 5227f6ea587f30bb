"""Open videos as streams of grey frames: AVI, MOV, MP4, MKV, WMV, TIFF stacks, folders of images, NumPy stacks.

Grey by rule: of YUV video the luma plane as coded; of RGB, 0.299 R + 0.587 G + 0.114 B, rounded (ITU-R BT.601), which
leaves grey stored as colour unchanged. Nothing is stretched: counts are those of the file.

Compressed video is decoded by FFmpeg (through PyAV): native code that has had security flaws. The container is told
from the file's first bytes and forced, and only local files may be opened, so a playlist cannot fetch anything; but
videos from strangers are better opened where little can be lost (a container, another user).

NanoSight writes its captures as AVI, which is read here; its `.nano` capture files and ZetaView's own video files have
no published description, and no file was at hand, so they are refused with a hint to export AVI.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vesicula.core.errors import UnknownFormat, UnreadableFile
from vesicula.core.measurement import ReadWarning
from vesicula.instruments.nta.video.model import Frame, Movie

_MOST_PIXELS = 2**26
_MOST_SIDE_PX = 32_768
_IMAGES = {".png": "png_pipe", ".jpg": "jpeg_pipe", ".jpeg": "jpeg_pipe", ".bmp": "bmp_pipe", ".pgm": "pgm_pipe"}
_TIFF = (".tif", ".tiff")
_EXPORT = "Export the recording as AVI or TIFF stack."


class StreamMovie:
    """Frames that a function yields anew each time; see :func:`open_movie`.

    Attributes
    ----------
    warnings : tuple of ReadWarning
        Complete once the frames have been read to the end.
    """

    def __init__(
        self,
        path: Path,
        source: Callable[[list[ReadWarning]], Iterator[Frame]],
        *,
        frame_rate_per_s: float | None,
        frame_count: int | None,
    ) -> None:
        self._path = path
        self._source = source
        self._warnings: list[ReadWarning] = []
        self._frame_rate_per_s = frame_rate_per_s
        self._frame_count = frame_count
        with closing(self.frames()) as frames:
            first = next(frames, None)
        if first is None:
            raise UnreadableFile(path, where="whole file", expected="at least one frame", found="none", remedy=_EXPORT)
        self._shape = (int(first.shape[0]), int(first.shape[1]))

    @property
    def name(self) -> str:
        """File name without folders."""
        return self._path.name

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, in pixels."""
        return self._shape

    @property
    def frame_rate_per_s(self) -> float | None:
        """As given, else as the container states it."""
        return self._frame_rate_per_s

    @property
    def frame_count(self) -> int | None:
        """As the container states it; None where unknown until read."""
        return self._frame_count

    @property
    def warnings(self) -> tuple[ReadWarning, ...]:
        """What was unusual in the last reading."""
        return tuple(self._warnings)

    def frames(self) -> Generator[Frame, None, None]:
        """Yield grey frames in order; the call starts anew.

        Raises
        ------
        UnreadableFile
            If the size changes on the way or the file cannot be read any more.
        """
        self._warnings = []
        shape: tuple[int, ...] | None = None
        for number, frame in enumerate(self._source(self._warnings)):
            if shape is not None and frame.shape != shape:
                raise UnreadableFile(
                    self._path,
                    where=f"frame {number}",
                    expected=f"{shape[1]} x {shape[0]} px as before",
                    found=f"{frame.shape[1]} x {frame.shape[0]} px",
                    remedy="Split the recording where its size changes.",
                )
            shape = frame.shape
            yield frame


class ArrayMovie:
    """A movie held in an array, for simulation and tests.

    Parameters
    ----------
    array : numpy.ndarray of uint8 or uint16, shape (frames, height, width)
    frame_rate_per_s : float or None
    name : str
    """

    def __init__(self, array: npt.NDArray[Any], frame_rate_per_s: float | None = None, name: str = "array") -> None:
        if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16) or array.size == 0:
            raise UnreadableFile(
                name,
                where="whole array",
                expected="uint8 or uint16 of shape (frames, height, width)",
                found=f"{array.dtype} of shape {array.shape}",
                remedy="Convert it to counts first.",
            )
        self._array = array
        self._rate = frame_rate_per_s
        self._name = name

    @property
    def name(self) -> str:
        """What it was called."""
        return self._name

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame, in pixels."""
        return int(self._array.shape[1]), int(self._array.shape[2])

    @property
    def frame_rate_per_s(self) -> float | None:
        """As given."""
        return self._rate

    @property
    def frame_count(self) -> int | None:
        """Number of frames."""
        return int(self._array.shape[0])

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        yield from self._array


def open_movie(path: Path, *, frame_rate_per_s: float | None = None) -> Movie:
    """Open a video, a TIFF or NumPy stack, or a folder of images; the first frame is read as a check.

    Parameters
    ----------
    path : pathlib.Path
        A file, or a folder of PNG, JPEG, BMP, PGM or TIFF files, which are taken in natural order (2 before 10).
    frame_rate_per_s : float, optional
        Overrides what the file states.

    Returns
    -------
    Movie
        Its ``warnings`` tell after a reading whether the file broke off.

    Raises
    ------
    UnreadableFile
        If there is no such file, no frame, or a frame of absurd size; :class:`UnknownFormat` if it is no video.
    """
    path = Path(path)
    if frame_rate_per_s is not None and not (math.isfinite(frame_rate_per_s) and 0.0 < frame_rate_per_s <= 1e6):
        raise UnreadableFile(
            path,
            where="frame rate given",
            expected="a positive number of frames per second",
            found=str(frame_rate_per_s),
            remedy="Give the camera's frame rate.",
        )
    if path.is_dir():
        return _open_folder(path, frame_rate_per_s)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as problem:
        raise UnreadableFile(
            path,
            where="whole file",
            expected="a readable file",
            found=problem.strerror or "an input error",
            remedy="Check the path and permissions.",
        ) from problem
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _open_tiff(path, frame_rate_per_s)
    if head[:6] == b"\x93NUMPY":
        return _open_npy(path, frame_rate_per_s)
    container = _container(head)
    if container is None:
        raise UnknownFormat(
            path,
            where="first bytes",
            expected="AVI, MOV, MP4, MKV, WMV, TIFF or NPY",
            found=head[:12].hex(" ") or "an empty file",
            remedy=_EXPORT,
        )
    return _open_video(path, container, frame_rate_per_s)


def _container(head: bytes) -> str | None:
    """Name of FFmpeg's demuxer for the first bytes of a file."""
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"\x30\x26\xb2\x75":
        return "asf"
    return None


def _check_size(path: Path, width: int, height: int, where: str) -> None:
    if not (0 < width <= _MOST_SIDE_PX and 0 < height <= _MOST_SIDE_PX and width * height <= _MOST_PIXELS):
        raise UnreadableFile(
            path,
            where=where,
            expected=f"a frame of at most {_MOST_PIXELS} pixels",
            found=f"{width} x {height} px",
            remedy="The file is damaged or no NTA video; crop or export it anew.",
        )


def _grey(array: npt.NDArray[Any], path: Path, where: str) -> Frame:
    """Return one frame as grey counts by the rule of the module."""
    if array.dtype not in (np.uint8, np.uint16):
        raise UnreadableFile(
            path,
            where=where,
            expected="8 or 16 bit counts",
            found=str(array.dtype),
            remedy="Convert to 8 or 16 bit without stretching.",
        )
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.ndim == 2:
        return native
    if native.ndim == 3 and native.shape[2] in (3, 4):
        grey = native[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        result: Frame = np.rint(grey).astype(native.dtype)
        return result
    raise UnreadableFile(
        path, where=where, expected="grey or RGB", found=f"an array of shape {array.shape}", remedy=_EXPORT
    )


def _video_array(frame: Any, path: Path, where: str) -> Frame:  # noqa: ANN401 (PyAV's frame)
    """Grey counts of a decoded frame: the luma plane where there is one."""
    kind = frame.format.name
    if kind.startswith(("yuv", "nv", "gray8")) or kind == "gray":
        plane = frame.planes[0]
        wide = any(tag in kind for tag in ("9", "10", "12", "14", "16")) and kind not in ("nv12", "nv16")
        if not wide and frame.format.components[0].bits == 8 and kind not in ("yuyv422", "yuvj411p"):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            return rows[: frame.height, : frame.width].copy()
    if kind.startswith("gray"):
        return _grey(frame.to_ndarray(), path, where)
    if frame.format.components[0].bits > 8:
        target = "gray16le" if kind.startswith("yuv") else "rgb48le"
        return _grey(frame.to_ndarray(format=target), path, where)
    return _grey(frame.to_ndarray(format="gray" if kind.startswith("yuyv") else "rgb24"), path, where)


def _native_open(path: Path, container: str) -> Any:  # noqa: ANN401 (PyAV's container)
    import av

    try:
        return av.open(str(path), format=container, options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as problem:
        raise UnreadableFile(
            path,
            where="container header",
            expected=f"a whole {container} file",
            found=str(problem),
            remedy="The file may be cut off or still being written; copy it anew. " + _EXPORT,
        ) from problem


def _open_video(path: Path, container: str, rate: float | None) -> Movie:
    with _native_open(path, container) as opened:
        if not opened.streams.video:
            raise UnreadableFile(path, where="streams", expected="a video stream", found="none", remedy=_EXPORT)
        stream = opened.streams.video[0]
        _check_size(path, stream.width, stream.height, "video stream")
        stated = float(stream.average_rate) if stream.average_rate else None
        count = int(stream.frames) or None

    def source(warnings: list[ReadWarning]) -> Iterator[Frame]:
        return _decode(path, container, count, warnings)

    return StreamMovie(path, source, frame_rate_per_s=rate or stated, frame_count=count)


def _decode(path: Path, container: str, stated: int | None, warnings: list[ReadWarning]) -> Iterator[Frame]:
    import av

    done = 0
    with _native_open(path, container) as opened:
        stream = opened.streams.video[0]
        stream.thread_type = "SLICE"
        decoder = opened.decode(stream)
        problem = ""
        while True:
            try:
                frame = next(decoder)
            except StopIteration:
                break
            except (av.FFmpegError, OSError, ValueError) as error:
                problem = str(error)
                break
            _check_size(path, frame.width, frame.height, f"frame {done}")
            yield _video_array(frame, path, f"frame {done}")
            done += 1
    if problem or (stated is not None and done < stated):
        of = f" of {stated} stated" if stated else ""
        why = f" ({problem})" if problem else ""
        warnings.append(
            ReadWarning(
                code="video-truncated",
                message=f"The video breaks off after {done} frames{of}{why}; the frames before are used.",
                where=f"frame {done}",
            )
        )


def _open_tiff(path: Path, rate: float | None) -> Movie:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            axes = dict(zip(series.axes, series.shape, strict=False))
            page = tiff.pages[0]
            height, width = int(page.shape[0]), int(page.shape[1])
            colours = math.prod(axes.get(axis, 1) for axis in "C")
            contiguous = bool(tiff.is_imagej) and len(tiff.pages) == 1 and len(series.shape) > 2
            count = int(math.prod(series.shape[:-2])) if contiguous else len(tiff.pages)
            stated = _tiff_rate(tiff)
    except Exception as problem:  # tifffile raises anything on a damaged file: struct, index and memory errors too
        raise _tiff_damage(path, problem) from problem
    _check_size(path, width, height, "page 1")
    if colours > 1:
        raise UnreadableFile(
            path, where="axes", expected="one channel", found=f"{colours} channels", remedy="Export one channel alone."
        )

    def source(warnings: list[ReadWarning]) -> Iterator[Frame]:
        return _contiguous_pages(path) if contiguous else _pages(path, count, warnings)

    return StreamMovie(path, source, frame_rate_per_s=rate or stated, frame_count=count)


def _tiff_damage(path: Path, problem: Exception) -> UnreadableFile:
    return UnreadableFile(
        path,
        where="TIFF directory",
        expected="a whole TIFF file",
        found=f"{type(problem).__name__}: {problem}",
        remedy="The file may be cut off; copy or export it anew.",
    )


def _tiff_rate(tiff: Any) -> float | None:  # noqa: ANN401 (tifffile is untyped here)
    """Frames per second from ImageJ's or OME's metadata."""
    meta = tiff.imagej_metadata or {}
    interval = meta.get("finterval")
    if isinstance(interval, float | int) and interval > 0 and meta.get("tunit", "sec") in ("sec", "s", "second"):
        return 1.0 / float(interval)
    if isinstance(meta.get("fps"), float | int) and meta["fps"] > 0:
        return float(meta["fps"])
    if tiff.is_ome and tiff.ome_metadata:
        text = str(tiff.ome_metadata)[:1_000_000]
        found = re.search(r'TimeIncrement="([0-9.eE+-]+)"', text)
        unit = re.search(r'TimeIncrementUnit="([^"]{1,4})"', text)
        scale = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}.get(unit.group(1) if unit else "s")
        try:
            value = float(found.group(1)) if found else 0.0
        except ValueError:
            return None
        return 1.0 / (value * scale) if value > 0 and scale else None
    return None


def _contiguous_pages(path: Path) -> Iterator[Frame]:
    """ImageJ's big stacks: one directory entry, then all planes in a row."""
    import tifffile

    try:
        stack = tifffile.memmap(path, mode="r")
    except Exception as problem:
        raise _tiff_damage(path, problem) from problem
    for number, plane in enumerate(stack.reshape(-1, *stack.shape[-2:])):
        yield _grey(np.array(plane), path, f"plane {number + 1}")


def _pages(path: Path, count: int, warnings: list[ReadWarning]) -> Iterator[Frame]:
    import tifffile

    try:
        tiff = tifffile.TiffFile(path)
    except Exception as problem:
        raise _tiff_damage(path, problem) from problem
    with tiff:
        for number in range(count):
            try:
                page = tiff.pages[number]
                _check_size(path, int(page.shape[1]), int(page.shape[0]), f"page {number + 1}")
                # Value 0 of WhiteIsZero pages is white: their counts run backwards.
                array = page.asarray()
                inverted = int(getattr(page.keyframe, "photometric", 1)) == 0
            except UnreadableFile:
                raise
            except Exception as problem:
                if number == 0:
                    raise _tiff_damage(path, problem) from problem
                message = f"The stack breaks off after {number} of {count} pages ({problem}); those before are used."
                warnings.append(ReadWarning(code="video-truncated", message=message, where=f"page {number + 1}"))
                return
            frame = _grey(array, path, f"page {number + 1}")
            yield np.iinfo(frame.dtype).max - frame if inverted else frame


def _open_npy(path: Path, rate: float | None) -> Movie:
    try:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, MemoryError, OverflowError) as problem:
        raise UnreadableFile(
            path,
            where="NPY header",
            expected="a whole array of counts",
            found=str(problem),
            remedy="Save it anew with numpy.save from an array of uint8 or uint16.",
        ) from problem
    colour = stack.ndim == 4 and stack.shape[3] in (3, 4)
    if not (stack.ndim == 3 or colour) or stack.dtype.kind != "u" or stack.dtype.itemsize > 2:
        raise UnreadableFile(
            path,
            where="NPY header",
            expected="uint8 or uint16 of shape (frames, height, width)",
            found=f"{stack.dtype} of shape {stack.shape}",
            remedy="Save counts, not scaled values, frames first.",
        )
    if stack.shape[0]:
        _check_size(path, int(stack.shape[2]), int(stack.shape[1]), "NPY header")

    def source(warnings: list[ReadWarning]) -> Iterator[Frame]:
        del warnings
        return (_grey(np.array(plane), path, f"frame {k}") for k, plane in enumerate(stack))

    return StreamMovie(path, source, frame_rate_per_s=rate, frame_count=int(stack.shape[0]))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which 2 comes before 10."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part.casefold()) for part in parts]


def _open_folder(path: Path, rate: float | None) -> Movie:
    files = sorted((f for f in path.iterdir() if f.suffix.lower() in (*_IMAGES, *_TIFF) and f.is_file()), key=_natural)
    kinds = {f.suffix.lower() for f in files}
    if not files or len(kinds) > 1:
        raise UnreadableFile(
            path,
            where="folder",
            expected="images of one kind (PNG, JPEG, BMP, PGM or TIFF)",
            found="none" if not files else "a mixture: " + ", ".join(sorted(kinds)),
            remedy="Put the frames of one recording, and nothing else, in the folder.",
        )

    def source(warnings: list[ReadWarning]) -> Iterator[Frame]:
        for file in files:
            if file.suffix.lower() in _TIFF:
                yield from _pages(file, 1, warnings)
            else:
                yield _image(file)

    return StreamMovie(path, source, frame_rate_per_s=rate, frame_count=len(files))


def _image(path: Path) -> Frame:
    import av

    with _native_open(path, _IMAGES[path.suffix.lower()]) as opened:
        try:
            _check_size(path, opened.streams.video[0].width, opened.streams.video[0].height, "image header")
            frame = next(opened.decode(video=0))
        except (av.FFmpegError, OSError, ValueError, StopIteration, IndexError) as problem:
            if isinstance(problem, UnreadableFile):
                raise
            raise UnreadableFile(
                path,
                where="image",
                expected="a whole image",
                found=str(problem) or "none",
                remedy="Export the frame anew or take it out of the folder.",
            ) from problem
        return _video_array(frame, path, "image")
