"""Find spots in frames: matched band-pass, threshold from a stated rate of false alarms, Gaussian fit.

Method
------
1. The background is taken off: block means, less their surface of degree two, smoothed by a Gaussian three times as
   wide as a spot. What is left is smoothed by the spot's own width: a difference of Gaussians (Marr & Hildreth 1980).
   For white noise the narrow one is the matched filter; taking off the wide one costs about 5 % of its signal to
   noise and removes background of any slope.
2. Noise of the filtered frame: per tile of about 64 pixels, 1.4826 times the median absolute value (Huber 1981), then
   two rounds of clipping at 2.5 SD with the truncated normal's SD restored; samples are pooled over a block of frames.
   This is done twice: the clear spots of the first round and their computed halos are taken out in the second.
3. Threshold: a smooth Gaussian field with curvature lambda = Var(df/dx)/Var(f) has A lambda (2 pi)^(-3/2) u
   exp(-u^2/2) excursions above u on an area A (Adler 1981, The Geometry of Random Fields; Worsley 1992, J Cereb Blood
   Flow Metab 12:900). `false_per_frame` is that expectation, so nothing is tuned by hand.
4. Each local maximum is fitted by a Gaussian with free height, ground and width, by least squares (the maximum
   likelihood under the even noise that limits NTA); spots that share a window are fitted with each other taken out. A
   spot that leaves far more than the noise is fitted as a pair, which stands if it explains two thirds of that. The
   streak of one particle that moves while the shutter is open looks like a pair too: where the first frames hold
   more pairs than their crowding explains, none are looked for in the whole movie.
5. Maxima on one circle, with light all around it, are one particle out of focus: they become one spot at the centre
   of radial symmetry (Parthasarathy 2012, Nat Methods 9:724), whose `sigma_px` is the circle's radius.

The citations of steps 1 to 3 are [from memory, unchecked]; tests check the rate of false alarms on pure noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video import _detect_kernels as kernels
from vesicula.instruments.nta.video.model import BoolArray, Frame, Movie, Spots

Progress = Callable[[int], None]
Image: TypeAlias = npt.NDArray[np.float32]
_ROUNDS = 3
"""Of fitting spots that share a window."""
_RESERVE = 0.6
"""Share of the first estimate of noise above which maxima are kept for the second."""
_WIDE = 3.0
"""Width of the background's Gaussian over the spot's."""
_TILE_PX = 64
_FEW = 4
"""One frame in so many gives the first estimate of a block's noise."""
_SAMPLES = 256
_BLOCK_BYTES = 48 * 2**20
_CLIP = 2.5
# SD of a standard normal cut at +-2.5: sqrt(1 - 2 c phi(c) / (2 Phi(c) - 1)).
_CLIPPED_SD = math.sqrt(
    1.0 - 2.0 * _CLIP * math.exp(-0.5 * _CLIP**2) / math.sqrt(2.0 * math.pi) / math.erf(_CLIP / math.sqrt(2.0))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    """What detection needs to know.

    Attributes
    ----------
    sigma_px : float or None
        Standard deviation of a spot in focus; None: estimated from the first frames.
    polarity : {"bright", "dark"}
        Whether particles are brighter or darker than what surrounds them.
    false_per_frame : float
        Expected number of detections in a frame of nothing but noise.
    min_separation_px : float or None
        Of two nearer detections the fainter is dropped; None: two maxima nearer than 2 ``sigma_px`` are one, unless
        the light there asks for two spots, which may be 1.2 ``sigma_px`` apart.
    split_pairs : bool or None
        Whether unresolved pairs are looked for; None: unless the first frames hold more than chance would make, which
        means motion blur.
    max_sigma_ratio : float
        Rings of a radius up to this many ``sigma_px`` are joined; 0 joins none.
    saturation_counts : float or None
        The camera's limit; None: 255 for 8-bit frames, and for 16-bit ones the brightest value met in the frame if
        that is 1023, 4095, 16383 or 65535.
    threads : int
        Frames worked on at a time; results do not depend on it.
    """

    sigma_px: float | None = None
    polarity: Literal["bright", "dark"] = "bright"
    false_per_frame: float = 0.05
    min_separation_px: float | None = None
    split_pairs: bool | None = None
    max_sigma_ratio: float = 6.0
    saturation_counts: float | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """Numbers that depend on settings and frame size alone."""

    sigma: float
    sign: float
    narrow: Image
    wide: Image
    block: int
    gain: float
    noise_gain: float
    edges: tuple[Image, Image]
    threshold: float
    tiles: tuple[int, int]
    separation: float
    closest: float
    split_pairs: bool
    radius: int
    ring: float
    saturation: float | None


def _half_gaussian(sigma: float, reach: float = 3.0) -> Image:
    """Right half of a sampled Gaussian that sums to one over both halves."""
    x = np.arange(math.ceil(reach * sigma) + 1)
    half = np.exp(-0.5 * (x / sigma) ** 2)
    result: Image = (half / (2.0 * half.sum() - half[0])).astype(np.float32)
    return result


def threshold_for(false_per_frame: float, area_px: float, curvature_per_px2: float) -> float:
    """Return the height, in noise SDs, that a smooth Gaussian field exceeds at `false_per_frame` places on average.

    Parameters
    ----------
    false_per_frame : float
        Positive.
    area_px : float
        Pixels searched.
    curvature_per_px2 : float
        Var(df/dx) / Var(f) of the field, per squared pixel.

    Returns
    -------
    float
        At least 1, below which the formula does not hold.
    """
    cells = area_px * curvature_per_px2 * (2.0 * math.pi) ** -1.5

    def excess(u: float) -> float:
        return math.log(cells * u) - 0.5 * u * u - math.log(false_per_frame)

    return float(brentq(excess, 1.0, 40.0)) if excess(1.0) > 0.0 else 1.0


def kernel_facts(sigma: float) -> tuple[float, float, float]:
    """Return the band-pass's response to a unit spot, its norm, and the curvature of white noise passed through it.

    Parameters
    ----------
    sigma : float
        SD of a spot in focus, in pixels.

    Returns
    -------
    tuple of (float, float, float)
        Height of a filtered spot of height one; SD of filtered noise of SD one; Var(df/dx) / Var(f) of that noise per
        squared pixel, as :func:`threshold_for` takes it.
    """
    reach = math.ceil(4.0 * math.sqrt(_WIDE**2 + 2.0) * sigma)
    x = np.arange(-reach, reach + 1, dtype=np.float64)

    def gauss(s: float) -> FloatArray:
        line = np.exp(-0.5 * (x / s) ** 2)
        plane = np.outer(line, line)
        result: FloatArray = plane / plane.sum()
        return result

    # As filtered: cut at three SDs; the background's block means widen it by another sigma^2 (blocks of 2 sigma).
    line = np.concatenate([_half_gaussian(sigma)[:0:-1], _half_gaussian(sigma)]).astype(np.float64)
    narrow = np.zeros((x.size, x.size))
    near = slice(reach - line.size // 2, reach + line.size // 2 + 1)
    narrow[near, near] = np.outer(line, line)
    kernel = narrow - gauss(math.sqrt(_WIDE**2 + 2.0) * sigma)
    spot = np.exp(-0.5 * (x[:, None] ** 2 + x[None, :] ** 2) / sigma**2)
    norm = float(np.sum(kernel**2))
    # Correlation of neighbours rather than the derivative: what the pixel grid can see.
    curvature = 2.0 * (1.0 - float(np.sum(kernel[:, 1:] * kernel[:, :-1])) / norm)
    return float(np.sum(kernel * spot)), math.sqrt(norm), curvature


def _edge_factor(size: int, sigma: float) -> Image:
    """By how much mirrored borders raise the SD of smoothed white noise along one axis."""
    half = _half_gaussian(sigma).astype(np.float64)
    radius = half.size - 1
    full = np.concatenate([half[:0:-1], half])
    out = np.ones(size, np.float32)
    reference = float(np.sum(full**2))
    for place in range(min(radius, size)):
        weights = np.zeros(2 * radius + place + 2)
        for k in range(-radius, radius + 1):
            where = place + k if place + k >= 0 else -(place + k) - 1
            weights[where] += full[k + radius]
        out[place] = max(out[place], math.sqrt(float(np.sum(weights**2)) / reference))
        out[size - 1 - place] = max(out[size - 1 - place], out[place])
    return out


def _plan(shape: tuple[int, int], settings: DetectSettings, sigma: float) -> _Plan:
    height, width = shape
    gain, noise_gain, curvature = kernel_facts(sigma)
    block = max(1, round(_WIDE * sigma / 1.5))
    return _Plan(
        sigma=sigma,
        sign=1.0 if settings.polarity == "bright" else -1.0,
        narrow=_half_gaussian(sigma),
        wide=_half_gaussian(_WIDE * sigma / block),
        block=block,
        gain=gain,
        noise_gain=noise_gain,
        edges=(_edge_factor(height, sigma), _edge_factor(width, sigma)),
        threshold=threshold_for(settings.false_per_frame, height * width, curvature),
        tiles=(max(1, height // _TILE_PX), max(1, width // _TILE_PX)),
        separation=2.0 * sigma if settings.min_separation_px is None else settings.min_separation_px,
        closest=1.2 * sigma if settings.min_separation_px is None else settings.min_separation_px,
        split_pairs=settings.split_pairs is not False,
        radius=max(3, round(2.5 * sigma)),
        ring=settings.max_sigma_ratio * sigma,
        saturation=settings.saturation_counts,
    )


def _noise_map(
    filtered: list[Image], peaks: list[FloatArray] | None, plan: _Plan, pool: ThreadPoolExecutor
) -> FloatArray:
    """Noise of each tile, pooled over a block of frames, with the spots found so far taken out."""
    rows, columns = plan.tiles
    area = (filtered[0].shape[0] / rows) * (filtered[0].shape[1] / columns)
    wanted = max(_SAMPLES // len(filtered), 64) if len(filtered) > 1 else 1024
    stride = max(1, int(math.sqrt(area / wanted)))
    samples = np.empty((rows, columns, len(filtered), 2 * wanted), np.float32)

    def taken(k: int) -> None:
        known = np.empty((0, 3)) if peaks is None else peaks[k]
        kernels.sample_tiles(filtered[k], known, plan.sigma, stride, 7 * k % (stride * stride), samples[:, :, k])

    list(pool.map(taken, range(len(filtered))))
    by_row = pool.map(lambda row: kernels.robust_sds(row, _CLIP, _CLIPPED_SD), samples)
    noise = np.concatenate(list(by_row))
    known = noise[np.isfinite(noise) & (noise > 0)]
    # Tiles without a free pixel take the noise of the others. One without noise (a masked or clipped region) would
    # make every ripple a spot.
    usual = float(np.median(known)) if known.size else math.inf
    noise = np.maximum(np.where(np.isfinite(noise), noise, usual), 0.05 * usual)
    return noise.reshape(rows, columns)


def _limit(frame: Frame, given: float | None) -> float:
    if given is not None:
        return given
    if frame.dtype == np.uint8:
        return 255.0
    top = int(frame.max())
    return float(top) if top in {1023, 4095, 16383, 65535} else math.inf


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _FrameSpots:
    y: FloatArray
    x: FloatArray
    amplitude: FloatArray
    snr: FloatArray
    sigma: FloatArray
    saturated: BoolArray
    split: int


def _frame_spots(frame: Frame, filtered: Image, peaks: FloatArray, noise: FloatArray, plan: _Plan) -> _FrameSpots:
    peaks = peaks[peaks[:, 2] > plan.threshold * _local(noise, peaks, frame.shape)]
    keep = kernels.keep_apart(peaks[:, 0], peaks[:, 1], peaks[:, 2], plan.separation)
    peaks = np.ascontiguousarray(peaks[keep])
    pixel_noise = _local(noise, peaks, frame.shape) / plan.noise_gain
    spots = kernels.refine(
        frame,
        plan.sign,
        filtered,
        peaks,
        pixel_noise,
        plan.sigma,
        plan.gain,
        plan.radius,
        _ROUNDS,
        plan.split_pairs,
    )
    split = spots.shape[0] - peaks.shape[0]
    closest = plan.closest if plan.split_pairs else plan.separation
    keep = kernels.keep_apart(spots[:, 0], spots[:, 1], spots[:, 2], closest)
    # A fit may walk off the picture: a spot there was not seen.
    keep &= np.all((spots[:, :2] > -0.5) & (spots[:, :2] < np.array(frame.shape) - 0.5), axis=1)
    spots = np.ascontiguousarray(spots[keep])
    if plan.ring > 0.0 and spots.shape[0] >= 3:
        spots = _join_rings(frame, filtered, spots, plan)
    return _FrameSpots(
        y=spots[:, 0],
        x=spots[:, 1],
        amplitude=spots[:, 2],
        snr=spots[:, 2] * plan.noise_gain / _local(noise, spots, frame.shape),
        sigma=spots[:, 4],
        saturated=kernels.saturated(frame, spots, max(1, round(plan.sigma)), _limit(frame, plan.saturation)),
        split=split,
    )


def _local(noise: FloatArray, spots: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Noise of the tile that each spot is in."""
    result: FloatArray = kernels.tile_value(noise, spots, shape[0], shape[1])
    return result


def _groups(y: FloatArray, x: FloatArray, reach: float) -> list[list[int]]:
    """Return indices of points joined by chains of gaps up to `reach`, groups of three and more only."""
    group = kernels.chains(y, x, reach)
    large = np.flatnonzero(np.bincount(group) >= 3)
    return [np.flatnonzero(group == one).tolist() for one in large]


def _ring_of(filtered: Image, spots: FloatArray, members: list[int], plan: _Plan) -> FloatArray | None:
    """Return (y, x, radius) if the members lie on one circle with light all around it."""
    points = spots[members]
    bright = points[np.argmax(points[:, 2])]
    for centre in (points[:, :2].mean(axis=0), bright[:2]):
        distance = np.hypot(points[:, 0] - centre[0], points[:, 1] - centre[1])
        outer = distance > plan.sigma
        if outer.sum() < 3:
            continue
        radius = float(np.median(distance[outer]))
        if radius > plan.ring or np.std(distance[outer]) > 0.35 * radius:
            continue
        level = 0.3 * plan.gain * float(np.median(points[outer, 2]))
        if kernels.ring_coverage(filtered, centre[0], centre[1], radius, level) >= 0.75:
            return np.array([centre[0], centre[1], radius])
    return None


def _whole_circle(spots: FloatArray, ring: FloatArray, plan: _Plan) -> FloatArray:
    """Fit a circle to all maxima near an arc (Kasa 1976, IEEE Trans Instrum Meas 25:8; from memory)."""
    distance = np.hypot(spots[:, 0] - ring[0], spots[:, 1] - ring[1])
    near = spots[(distance > plan.sigma) & (distance <= ring[2] + 2.0 * plan.sigma), :2]
    if near.shape[0] < 4:
        return ring
    terms = np.column_stack([2.0 * near, np.ones(near.shape[0])])
    (y, x, rest), *_ = np.linalg.lstsq(terms, (near**2).sum(axis=1), rcond=None)
    radius = math.sqrt(max(rest + y * y + x * x, 0.0))
    moved = math.hypot(y - ring[0], x - ring[1])
    return np.array([y, x, radius]) if moved <= ring[2] and radius <= plan.ring else ring


def _chain(plan: _Plan) -> float:
    """Largest gap between neighbours on one ring."""
    return min(plan.ring, 4.0 * plan.sigma)


def _join_rings(frame: Frame, filtered: Image, spots: FloatArray, plan: _Plan) -> FloatArray:
    """Replace the maxima along a defocused particle's ring by one spot at its centre."""
    found = [_ring_of(filtered, spots, m, plan) for m in _groups(spots[:, 0], spots[:, 1], _chain(plan))]
    gone: set[int] = set()
    rings: list[FloatArray] = []
    # An arc of a ring may pass for a smaller one: the largest comes first, and takes all that lies on it.
    for arc in sorted((one for one in found if one is not None), key=lambda one: -one[2]):
        if any(math.hypot(arc[0] - o[0], arc[1] - o[1]) <= o[4] + 1.5 * plan.sigma for o in rings):
            continue
        ring = _whole_circle(spots, arc, plan)
        reach = int(ring[2] + 3.0 * plan.sigma)
        top, left = max(0, int(ring[0]) - reach), max(0, int(ring[1]) - reach)
        patch = plan.sign * frame[top : int(ring[0]) + reach + 1, left : int(ring[1]) + reach + 1].astype(np.float64)
        y, x = kernels.radial_centre(patch)
        if math.hypot(y + top - ring[0], x + left - ring[1]) > ring[2]:
            y, x = ring[0] - top, ring[1] - left
        on_it = np.hypot(spots[:, 0] - ring[0], spots[:, 1] - ring[1]) <= ring[2] + 1.5 * plan.sigma
        gone.update(np.flatnonzero(on_it).tolist())
        rings.append(np.array([y + top, x + left, spots[on_it, 2].max(initial=0.0), 0.0, ring[2]]))
    if not rings:
        return spots
    joined = np.vstack([np.delete(spots, sorted(gone), axis=0), *rings])
    order = np.lexsort((joined[:, 1], joined[:, 0]))
    return np.ascontiguousarray(joined[order])


def _checked(frame: Frame, shape: tuple[int, int] | None, number: int) -> Frame:
    if frame.ndim != 2 or frame.dtype not in (np.uint8, np.uint16):
        raise AnalysisError(
            f"frame {number}: expected a greyscale frame of uint8 or uint16, found {frame.dtype} of shape "
            f"{frame.shape}. Open the file with open_movie, which converts."
        )
    if shape is not None and frame.shape != shape:
        raise AnalysisError(
            f"frame {number}: expected {shape[1]} x {shape[0]} px as in the first frame, found {frame.shape[1]} x "
            f"{frame.shape[0]}. Cut the recording where its size changes."
        )
    if min(frame.shape) < 8:
        raise AnalysisError(f"frame {number}: {frame.shape[1]} x {frame.shape[0]} px is too small to hold a spot.")
    return frame


def _blocks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Cut the stream into blocks whose length depends on the frame size alone."""
    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        return
    length = int(min(32, max(1, _BLOCK_BYTES // (4 * max(first.size, 1)))))
    stream = itertools.chain([first], stream)
    while block := list(itertools.islice(stream, length)):
        yield block


def _validate(settings: DetectSettings) -> None:
    if settings.sigma_px is not None and not 0.4 <= settings.sigma_px <= 50.0:
        raise AnalysisError(
            f"sigma_px: expected 0.4 to 50 px, found {settings.sigma_px}. Give the spot's SD in pixels."
        )
    if not 0.0 < settings.false_per_frame <= 100.0:
        raise AnalysisError(f"false_per_frame: expected more than 0 and at most 100, found {settings.false_per_frame}.")
    if settings.threads < 1:
        raise AnalysisError(f"threads: expected at least 1, found {settings.threads}.")


def detect(frames: Movie | Iterable[Frame], settings: DetectSettings, *, progress: Progress | None = None) -> Spots:
    """Find the spots of all frames, streamed: a block of at most 32 frames is in memory at a time.

    Parameters
    ----------
    frames : Movie or iterable of numpy.ndarray
        Greyscale, uint8 or uint16, all of one shape.
    settings : DetectSettings
    progress : callable, optional
        Called with the number of frames done.

    Returns
    -------
    Spots
        Ordered by frame, then y, then x. Empty if there are no frames or no spots.

    Raises
    ------
    AnalysisError
        For frames that are not greyscale, change their shape, or are too small; for settings out of range.
    """
    _validate(settings)
    stream: Iterable[Frame] = frames if isinstance(frames, Iterable) else frames.frames()
    found: list[_FrameSpots] = []
    plan: _Plan | None = None
    room: _Room | None = None
    shape: tuple[int, int] | None = None
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        for block in _blocks(stream):
            for k, frame in enumerate(block):
                shape = _checked(frame, shape, len(found) + k).shape
            if plan is None:
                sigma = settings.sigma_px or estimate_spot_sigma_px(block, polarity=settings.polarity)
                plan = _plan(block[0].shape, settings, sigma)
            if room is None:
                room = _Room(len(block), block[0].shape, settings.threads)
            spotted = _detect_block(block, plan, room, pool)
            if not found and settings.split_pairs is None and _is_blurred(spotted, plan, block[0].size):
                plan = replace(plan, split_pairs=False)
                spotted = _detect_block(block, plan, room, pool)
            found.extend(spotted)
            if progress is not None:
                progress(len(found))
    return _gather(found)


def _is_blurred(found: list[_FrameSpots], plan: _Plan, area_px: int) -> bool:
    """Say whether more spots were split than chance makes neighbours: at most those nearer than the maxima kept apart.

    Particles do not know of each other: a spot of n has (n - 1) pi r^2 / area others within r, half of these pairs.
    """
    split = sum(one.split for one in found)
    reach = math.pi * (1.5 * plan.separation) ** 2 / area_px
    by_chance = sum((one.y.size - one.split) ** 2 for one in found) * reach / 2
    return split > 2.0 * by_chance + 3.0 * math.sqrt(by_chance) + 3.0


class _Room:
    """Memory for the filtered frames of a block, used again from block to block."""

    def __init__(self, frames: int, shape: tuple[int, int], threads: int) -> None:
        self.filtered = np.empty((frames, *shape), np.float32)
        self._scratch: SimpleQueue[Image] = SimpleQueue()
        for _ in range(threads):
            self._scratch.put(np.empty(shape, np.float32))

    def band_pass(self, k: int, frame: Frame, plan: _Plan) -> Image:
        """Filter the block's frame `k`; what is returned holds until the next block."""
        out: Image = self.filtered[k]
        scratch = self._scratch.get()
        kernels.band_pass(frame, plan.sign, plan.narrow, plan.wide, plan.block, scratch, out)
        self._scratch.put(scratch)
        return out


def _detect_block(block: list[Frame], plan: _Plan, room: _Room, pool: ThreadPoolExecutor) -> list[_FrameSpots]:
    def maxima(image: Image) -> FloatArray:
        found: FloatArray = kernels.local_maxima(image, lowest, plan.edges[0], plan.edges[1], plan.threshold)
        return found

    def passed(k: int) -> Image:
        return room.band_pass(k, block[k], plan)

    few = list(pool.map(passed, range(0, len(block), _FEW)))
    # Spots and their dark halos pass for noise at first, in a crowd as much as half of it: low maxima are kept, and
    # the noise taken again without the clear spots.
    first = _noise_map(few, None, plan, pool)
    lowest = _RESERVE * first
    # Each frame is searched as soon as it is filtered: it is still at hand in the processor's cache.
    filtered = list(room.filtered[: len(block)])
    peaks = list(pool.map(lambda k: maxima(filtered[k] if k % _FEW == 0 else passed(k)), range(len(block))))
    clear = [one[one[:, 2] > plan.threshold * _local(first, one, block[0].shape)] for one in peaks]
    noise = _noise_map(filtered, clear, plan, pool)
    if np.any(noise < lowest):
        lowest = np.minimum(noise, lowest)
        peaks = list(pool.map(maxima, filtered))
    work = zip(block, filtered, peaks, strict=True)
    return list(pool.map(lambda one: _frame_spots(one[0], one[1], one[2], noise, plan), work))


def detect_frame(frame: Frame, settings: DetectSettings) -> Spots:
    """Find the spots of one frame; as :func:`detect`, with the noise from this frame alone."""
    return detect([frame], settings)


def _gather(found: list[_FrameSpots]) -> Spots:
    def joined(name: str) -> FloatArray:
        parts = [getattr(one, name) for one in found]
        return np.concatenate(parts) if parts else np.empty(0)

    counts = [one.y.size for one in found]
    y, x = joined("y"), joined("x")
    frame = np.repeat(np.arange(len(found), dtype=np.int64), counts)
    order = np.lexsort((x, y, frame))
    return Spots(
        frame=frame[order],
        x_px=x[order],
        y_px=y[order],
        amplitude=joined("amplitude")[order],
        snr=joined("snr")[order],
        sigma_px=joined("sigma")[order],
        frame_count=len(found),
        saturated=joined("saturated").astype(np.bool_)[order],
    )


def estimate_spot_sigma_px(frames: Iterable[Frame], *, polarity: Literal["bright", "dark"] = "bright") -> float:
    """Estimate the width of the spots from a few frames.

    Detection is run at widths from 0.8 to 10 px; the width at which the brightest spots stand highest above the
    noise is the matched one (scale selection, Lindeberg 1998, Int J Comput Vis 30:79 [from memory, unchecked]). The
    median of the fitted widths of the brighter half, found at that scale, is returned.

    Parameters
    ----------
    frames : iterable of numpy.ndarray
        At most eight are used.
    polarity : {"bright", "dark"}

    Returns
    -------
    float
        Standard deviation in pixels.

    Raises
    ------
    AnalysisError
        If there is no spot at any width.
    """
    few = list(itertools.islice(frames, 8))
    scales = [s for s in 0.8 * 1.4 ** np.arange(8) if few and 6.0 * s < min(few[0].shape)]
    best, sigma = 0.0, 0.0
    for scale in scales:
        # Rings are left alone and false alarms kept rare: only clear spots shall speak.
        wanted = DetectSettings(sigma_px=float(scale), polarity=polarity, false_per_frame=1e-3, max_sigma_ratio=0.0)
        spots = detect(few, wanted)
        if spots.frame.size == 0:
            continue
        # Height over filtered noise = snr * sqrt(pi) * 2 sigma * constant: comparable between scales.
        height = np.sort(spots.snr * spots.sigma_px / (1.0 + (spots.sigma_px / scale - 1.0) ** 2))[::-1]
        score = float(np.mean(height[: 5 * len(few)])) * math.sqrt(min(1.0, height.size / (5.0 * len(few))))
        if score > best:
            clear = spots.snr >= np.median(spots.snr)
            best, sigma = score, float(np.median(spots.sigma_px[clear]))
    if sigma == 0.0:
        raise AnalysisError(
            "no spot was found at any width from 0.8 to 8 px in the first frames. Give sigma_px, check polarity, or "
            "look whether the video shows particles."
        )
    return sigma
