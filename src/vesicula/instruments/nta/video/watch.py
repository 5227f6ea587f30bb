"""What a movie's frames say before anything is detected in them, gathered while they stream past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vesicula.core.errors import VesiculaError
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import Frame, Movie

TEXTURE_EVERY = 25
"""Frames between two looks at the background's texture, which changes slowly."""

MOST_KEPT = 16
"""Frames kept to be shown; 16 of 640 x 480 px are 5 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """Ground between the spots of a frame.

    Attributes
    ----------
    correlation : float
        Of neighbouring pixels, after slow background is taken off: 0 for camera noise, near 1 where the ground is
        made of overlapping particles or was smoothed by compression.
    sd_counts : float
        Standard deviation of a pixel of the ground.
    """

    correlation: float
    sd_counts: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameStatistics:
    """One entry per frame read.

    Attributes
    ----------
    mean_counts : numpy.ndarray, shape (n,)
    saturated_share : numpy.ndarray, shape (n,)
        Share of pixels at the camera's limit.
    repeated : numpy.ndarray, shape (n,)
        1 where a frame equals the one before it in every pixel, else 0.
    textures : tuple of Texture
        Of every 25th frame.
    stated_count : int or None
        Frames that the container promises.
    stated_rate_per_s : float or None
        Frame rate that the container states.
    read_error : str
        Why reading stopped before the end; empty where it did not.
    shape : tuple of int
        Height and width.
    partial : bool
        Whether only the first frames were looked at.
    """

    mean_counts: FloatArray
    saturated_share: FloatArray
    repeated: FloatArray
    textures: tuple[Texture, ...]
    stated_count: int | None
    stated_rate_per_s: float | None
    read_error: str
    shape: tuple[int, int]
    partial: bool = False

    @property
    def count(self) -> int:
        """Frames read."""
        return int(self.mean_counts.size)


def texture(frame: Frame, shift_px: int = 12) -> Texture:
    """Measure the ground of a frame, proof against sparse spots.

    Parameters
    ----------
    frame : numpy.ndarray, shape (height, width)
        Of uint8 or uint16.
    shift_px : int
        The frame is compared with itself shifted by so much, wider than a spot: slow background drops out.

    Returns
    -------
    Texture
        From sums and differences of neighbours, of which the largest fifth is cut: spots are there.
    """
    shift = max(1, min(shift_px, frame.shape[1] // 3))
    values = frame[:: max(1, frame.shape[0] // 240)].astype(np.float64)
    flat = values[:, shift:] - values[:, :-shift]
    total = _trimmed_square(flat[:, 1:] + flat[:, :-1])
    step = _trimmed_square(flat[:, 1:] - flat[:, :-1])
    if total + step == 0:
        return Texture(correlation=0.0, sd_counts=0.0)
    # The mean square of a normal variable cut at its 80th percentile of size (1.2816 SD) is 0.438 of the whole.
    return Texture(correlation=(total - step) / (total + step), sd_counts=float(np.sqrt((total + step) / 8 / 0.438)))


def _trimmed_square(values: FloatArray) -> float:
    square = np.sort(values.ravel() ** 2)
    return float(square[: max(1, int(0.8 * square.size))].mean())


@dataclass(slots=True)
class FrameWatch:
    """Passes frames on and takes notes; memory does not grow with the frames' size times their number.

    Parameters
    ----------
    movie : Movie
        To read.
    limit_counts : float
        The camera's limit.
    most_frames : int or None
        Stop after so many.
    """

    movie: Movie
    limit_counts: float
    most_frames: int | None = None
    kept: dict[int, Frame] = field(default_factory=dict)
    read_error: str = ""
    _mean: list[float] = field(default_factory=list)
    _saturated: list[float] = field(default_factory=list)
    _repeated: list[bool] = field(default_factory=list)
    _textures: list[Texture] = field(default_factory=list)
    _stride: int = 1
    _before: Frame | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the movie's frames.

        A movie that breaks off after its first frame ends here without an error, which is kept as `read_error`; one
        that cannot be read at all raises what its reader raises.
        """
        stream = self.movie.frames()
        while self.most_frames is None or len(self._mean) < self.most_frames:
            try:
                frame = next(stream)
            except StopIteration:
                return
            except VesiculaError as error:
                if not self._mean:
                    raise
                self.read_error = str(error)
                return
            self._note(frame)
            yield frame

    def _note(self, frame: Frame) -> None:
        number = len(self._mean)
        self._mean.append(float(frame.mean()))
        self._saturated.append(float(np.mean(frame >= self.limit_counts)))
        self._repeated.append(self._before is not None and bool(np.array_equal(frame, self._before)))
        self._before = frame.copy()
        if number % TEXTURE_EVERY == 0 and min(frame.shape) >= 16:
            self._textures.append(texture(frame))
        if number % self._stride == 0:
            self.kept[number] = self._before
            if len(self.kept) > MOST_KEPT:
                self._stride *= 2
                self.kept = {k: v for k, v in self.kept.items() if k % self._stride == 0}

    def statistics(self) -> FrameStatistics:
        """Return the notes taken so far."""
        return FrameStatistics(
            mean_counts=np.asarray(self._mean, dtype=np.float64),
            saturated_share=np.asarray(self._saturated, dtype=np.float64),
            repeated=np.asarray(self._repeated, dtype=np.float64),
            textures=tuple(self._textures),
            stated_count=self.movie.frame_count,
            stated_rate_per_s=self.movie.frame_rate_per_s,
            read_error=self.read_error,
            shape=(0, 0) if self._before is None else (self._before.shape[0], self._before.shape[1]),
        )

    def shown(self, count: int) -> tuple[tuple[int, Frame], ...]:
        """Return about `count` frames spread over the movie, with their numbers."""
        numbers = sorted(self.kept)
        if not numbers or count < 1:
            return ()
        picks = sorted({numbers[round(i)] for i in np.linspace(0, len(numbers) - 1, min(count, len(numbers)))})
        return tuple((n, self.kept[n]) for n in picks)
