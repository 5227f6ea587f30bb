"""Join detections to tracks: the most likely assignment between frames, solved exactly.

Model
-----
The step variance v of a particle (per axis and frame, Brownian motion and localisation error together) follows an
inverse-gamma distribution over particles; after n steps of summed square S its predictive density for a step of
squared length r^2 over k frames is (a + n) / (2 pi w) (1 + r^2 / 2w)^-(a + n + 1) with w = k (b + S/2) (conjugate
normal-inverse-gamma result; Bishop 2006, section 2.3.7 [from memory, unchecked]). A link is worth the log of that
density times the probability of going on, over the density of births times the probability of ending; links of no
worth are not offered, which sets each track's own search radius. The set of links of greatest total worth is found
by shortest augmenting paths on the sparse graph of candidates: there is no limit on a connected component's size,
hence no "subnetwork oversize". Births, ends, a and b come from the data, in a few rounds on at most 200 frames.

No step is cut at a fixed length, yet steps beyond the radius are lost; :class:`LinkReport` says how many of a new
track's steps that is under the model, so that what infers D can correct.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video import _link_kernels as kernels
from vesicula.instruments.nta.video.model import IntArray, Spots, Tracks

_SETTLED = 0.02
"""Relative change of every number of the model at which estimating it ends."""
_SHAPES = (2.0, 3.0, 4.5, 7.0, 12.0, 25.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What linking may be told; None means: from the data.

    Attributes
    ----------
    memory_frames : int
        Frames in a row that a particle may be unseen and still be the same.
    step_rms_px : float or None
        Root mean square displacement in the plane from frame to frame, after drift.
    max_step_px : float or None
        Cap on the search radius; None: none but a quarter of the frame's diagonal.
    drift_prior_px : tuple of float or None
        Expected collective motion (x, y) per frame.
    rounds : int
        At most, of estimating the model from the links it gives.
    """

    memory_frames: int = 2
    step_rms_px: float | None = None
    max_step_px: float | None = None
    drift_prior_px: tuple[float, float] | None = None
    rounds: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """What linking found out about the data.

    Attributes
    ----------
    step_rms_px : float
        Root mean square displacement in the plane per frame under the fitted mixture (about drift).
    mixture_shape : float
        Of the inverse-gamma distribution of step variances; large means all particles alike.
    search_radius_px : float
        Of a track with one spot.
    radius_over_rms : float
        The ratio of the two: 2.6 loses 0.1 % of the steps of particles all alike.
    lost_step_share : float
        Share of a new track's steps longer than the radius, under the mixture.
    births_per_frame : float
        New tracks a frame.
    end_probability, miss_probability : float
        Per frame.
    drift_px : tuple of float
        Mean collective motion (x, y) per frame.
    links_per_frame : float
        Between neighbouring frames.
    ambiguity : float
        Other particles expected within one rms step: spots per area times pi rms^2. Above about 0.1 wrong links
        become common.
    capped_share : float
        Share of the spots from which more candidates could be reached than the nearest 32, which alone were offered.
    """

    step_rms_px: float
    mixture_shape: float
    search_radius_px: float
    radius_over_rms: float
    lost_step_share: float
    births_per_frame: float
    end_probability: float
    miss_probability: float
    drift_px: tuple[float, float]
    links_per_frame: float
    ambiguity: float
    capped_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    shape: float
    scale: float
    birth_density: float
    p_end: float
    p_miss: float

    def is_near(self, other: _Model) -> bool:
        """Whether no number differs from the other's by more than two in a hundred."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return all(abs(one - two) <= _SETTLED * two for one, two in pairs)

    @property
    def log_base(self) -> float:
        return math.log((1.0 - self.p_end) / (self.birth_density * self.p_end))

    def radius(self, cap: float) -> float:
        base = self.log_base + math.log(self.shape / (2.0 * math.pi * self.scale))
        if base <= 0.0:
            return 0.0
        return min(cap, math.sqrt(2.0 * self.scale * math.expm1(min(base / (self.shape + 1.0), 50.0))))


def _first(spots: Spots) -> IntArray:
    return np.searchsorted(spots.frame, np.arange(spots.frame_count + 1)).astype(np.int64)


def _crowd(spots: Spots, first: IntArray, reach: float) -> tuple[FloatArray, float]:
    """Displacements between all spots of neighbouring frames up to `reach` along each axis, over at most 40 pairs."""
    parts = []
    expected = 0.0
    last = spots.frame_count - 1
    for f in np.unique(np.linspace(0, last - 1, min(40, last)).astype(np.int64)) if last > 0 else []:
        a, b, c = first[f], first[f + 1], first[f + 2]
        # In a crowd, every so many spots stand for all: at most a million pairs are looked at.
        source = slice(a, b, max(1, int((b - a) * (c - b) // 1_000_000)))
        dy = spots.y_px[None, b:c] - spots.y_px[source, None]
        dx = spots.x_px[None, b:c] - spots.x_px[source, None]
        near = (np.abs(dy) <= reach) & (np.abs(dx) <= reach)
        parts.append(np.column_stack([dy[near], dx[near]]))
        expected += float(dy.size)
    return (np.concatenate(parts) if parts else np.empty((0, 2))), expected


def _first_guess(spots: Spots, first: IntArray, shape_px: tuple[int, int]) -> tuple[FloatArray, float]:
    """Return collective motion (y, x) and step variance from the crowd of displacements, less what chance would give.

    The peak of the smoothed two-dimensional histogram is the drift; the radius about it that holds half of the
    excess over an even background gives the variance: r50^2 = 2 ln 2 v.
    """
    reach = min(40.0, 0.25 * min(shape_px))
    crowd, products = _crowd(spots, first, reach)
    if crowd.shape[0] < 2:
        return np.zeros(2), 1.0
    bins = 2 * int(reach) + 1
    edges = np.linspace(-reach, reach, bins + 1)
    counts, _, _ = np.histogram2d(crowd[:, 0], crowd[:, 1], bins=[edges, edges])
    padded = np.pad(counts, 3)
    blurred = np.zeros_like(counts)
    for j in range(7):
        for i in range(7):
            blurred += padded[j : j + bins, i : i + bins]
    row, column = divmod(int(np.argmax(blurred)), blurred.shape[1])
    top = np.array([0.5 * (edges[row] + edges[row + 1]), 0.5 * (edges[column] + edges[column + 1])])
    for _ in range(10):
        near = np.hypot(crowd[:, 0] - top[0], crowd[:, 1] - top[1]) < 4.0
        if not near.any():
            break
        top = crowd[near].mean(axis=0)
    distance = np.sort(np.hypot(crowd[:, 0] - top[0], crowd[:, 1] - top[1]))
    density = products / (shape_px[0] * shape_px[1])
    excess = np.arange(1, distance.size + 1) - density * math.pi * distance**2
    inside = distance <= 0.5 * reach
    if not np.any(inside):
        return top, 1.0
    peak = float(excess[inside].max())
    half = distance[int(np.argmax(excess >= 0.5 * peak))]
    return top, max(float(half) ** 2 / (2.0 * math.log(2.0)), 1e-3)


def _subset(spots: Spots, frames: int) -> Spots:
    stop = int(np.searchsorted(spots.frame, frames))
    return Spots(
        frame=spots.frame[:stop],
        x_px=spots.x_px[:stop],
        y_px=spots.y_px[:stop],
        amplitude=spots.amplitude[:stop],
        snr=spots.snr[:stop],
        sigma_px=spots.sigma_px[:stop],
        frame_count=min(frames, spots.frame_count),
    )


def _run(
    spots: Spots, first: IntArray, drift: FloatArray, model: _Model, memory: int, cap: float
) -> tuple[IntArray, int]:
    track, capped = kernels.link_all(
        first,
        spots.y_px,
        spots.x_px,
        drift,
        memory,
        model.shape,
        model.scale,
        model.log_base,
        math.log(model.p_miss),
        cap,
    )
    return np.asarray(track), int(capped)


def _steps(spots: Spots, track: IntArray) -> tuple[IntArray, IntArray]:
    """Return indices of the two spots of each link."""
    order = kernels.by_track(track)
    same = track[order][1:] == track[order][:-1]
    return order[:-1][same], order[1:][same]


def _fit_mixture(squares: FloatArray, near: float) -> tuple[float, float]:
    """Fit the shape and scale of the variance mixture to half squared steps: a Lomax distribution.

    The shape is sought among a few, from the one `near` which it was, for as long as the likelihood grows.

    p(u) = a/b (1 + u/b)^-(a+1). Steps beyond twelve medians (of an exponential: 0.02 %) are left out and the
    likelihood is that of the truncated distribution: the few wrong links must not pass for fast particles.
    """
    u = np.maximum(0.5 * squares, 1e-12)
    middle = float(np.median(u))
    limit = 12.0 * middle
    u = u[u <= limit][:20_000]

    def loss(log_b: float, a: float) -> float:
        b = math.exp(log_b)
        inside = -math.expm1(-a * math.log1p(limit / b))
        return float(u.size * (math.log(b / a) + math.log(inside)) + (a + 1.0) * np.sum(np.log1p(u / b)))

    def fitted(k: int) -> tuple[float, float]:
        a = _SHAPES[k]
        start = math.log(middle / (2.0 ** (1.0 / a) - 1.0))
        found = minimize_scalar(loss, bounds=(start - 1.5, start + 1.5), args=(a,), method="bounded")
        return float(found.fun), math.exp(float(found.x))

    here = _SHAPES.index(near)
    least, scale = fitted(here)
    for way in (-1, 1):
        k = here + way
        while 0 <= k < len(_SHAPES):
            cost, other = fitted(k)
            if cost >= least:
                break
            here, least, scale = k, cost, other
            k += way
    return _SHAPES[here], scale


def _pair_drift(spots: Spots, a: IntArray, b: IntArray, mean: FloatArray) -> FloatArray:
    """Return each frame pair's collective motion (y, x): the median step, drawn to the mean where steps are few."""
    out = np.tile(mean, (max(spots.frame_count - 1, 0), 1))
    near = spots.frame[b] == spots.frame[a] + 1
    a, b = a[near], b[near]
    if a.size < 10:
        return out
    step = np.column_stack([spots.y_px[b] - spots.y_px[a], spots.x_px[b] - spots.x_px[a]])
    spread = (1.4826 * np.median(np.abs(step - np.median(step, axis=0)), axis=0)) ** 2
    order = np.argsort(spots.frame[a], kind="stable")
    bounds = np.searchsorted(spots.frame[a][order], np.arange(spots.frame_count))
    medians = kernels.medians(step[order], bounds, mean)
    counts = np.diff(bounds)
    # Variance of a median of n normal values: pi/2 / n (asymptotic).
    noise = 0.5 * math.pi * spread[None, :] / np.maximum(counts, 1)[:, None]
    used = counts >= 3
    jitter = np.maximum(np.mean((medians[used] - mean) ** 2 - noise[used], axis=0), 0.0) if used.any() else np.zeros(2)
    share = jitter[None, :] / (jitter[None, :] + noise + 1e-12)
    result: FloatArray = np.where(used[:, None], mean + share * (medians - mean), mean)
    return result


def _updated(spots: Spots, track: IntArray, drift: FloatArray, model: _Model, area: float) -> _Model:
    """Estimate the model's numbers from the links that it gave."""
    a, b = _steps(spots, track)
    gap = spots.frame[b] - spots.frame[a]
    near = gap == 1
    if near.sum() < 10:
        return model
    moved = np.column_stack([spots.y_px[b] - spots.y_px[a], spots.x_px[b] - spots.x_px[a]])[near]
    moved -= drift[spots.frame[a][near]]
    shape, scale = _fit_mixture(np.sum(moved**2, axis=1), model.shape)
    length = max(spots.frame_count - 1, 1)
    starts = int(track.max()) + 1 - int(np.sum(spots.frame == spots.frame[0]))
    chances = max(spots.frame.size, 1)
    missed = int(np.sum(gap - 1))
    return replace(
        model,
        shape=shape,
        scale=scale,
        birth_density=max(starts, 1) / (length * area),
        p_end=min(max((starts + 1) / chances, 1e-3), 0.5),
        p_miss=min(max((missed + 1) / (chances + missed), 1e-3), 0.5),
    )


def _check(spots: Spots, settings: LinkSettings, shape_px: tuple[int, int]) -> None:
    if settings.memory_frames < 0:
        raise AnalysisError(f"memory_frames: expected 0 or more, found {settings.memory_frames}.")
    for name in ("step_rms_px", "max_step_px"):
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and value > 0.0):
            raise AnalysisError(f"{name}: expected a positive number of pixels, found {value}.")
    if min(shape_px) < 1:
        raise AnalysisError(f"shape_px: expected height and width of the frames, found {shape_px}.")
    if spots.frame.size and (np.any(np.diff(spots.frame) < 0) or spots.frame[-1] >= spots.frame_count):
        raise AnalysisError(
            "spots: expected entries ordered by frame, all below frame_count. Pass what detect returned."
        )


def link(spots: Spots, settings: LinkSettings, shape_px: tuple[int, int]) -> Tracks:
    """Join spots to tracks; see :func:`link_with_report`."""
    return link_with_report(spots, settings, shape_px)[0]


def link_with_report(spots: Spots, settings: LinkSettings, shape_px: tuple[int, int]) -> tuple[Tracks, LinkReport]:
    """Join spots to tracks by the most likely assignment and report the model used.

    Parameters
    ----------
    spots : Spots
        From :func:`vesicula.instruments.nta.video.detect.detect`.
    settings : LinkSettings
    shape_px : tuple of int
        Height and width of a frame.

    Returns
    -------
    tracks : Tracks
        Every spot is in one track, of which many may hold a single spot. Drift is predicted, not removed.
    report : LinkReport

    Raises
    ------
    AnalysisError
        For settings out of range or spots out of order.
    """
    _check(spots, settings, shape_px)
    area = float(shape_px[0] * shape_px[1])
    cap = settings.max_step_px or 0.25 * math.hypot(*shape_px)
    first = _first(spots)
    part = _subset(spots, 200)
    mean, variance = _first_guess(part, _first(part), shape_px)
    if settings.drift_prior_px is not None:
        mean = np.array([settings.drift_prior_px[1], settings.drift_prior_px[0]])
    if settings.step_rms_px is not None:
        variance = 0.5 * settings.step_rms_px**2
    density = max(spots.frame.size, 1) / max(spots.frame_count, 1) / area
    model = _Model(shape=4.5, scale=3.5 * variance, birth_density=0.1 * density, p_end=0.1, p_miss=0.1)
    drift = np.tile(mean, (max(spots.frame_count - 1, 0), 1))
    for _ in range(settings.rounds if part.frame.size else 0):
        track, _ = _run(part, _first(part), drift[: max(part.frame_count - 1, 0)], model, settings.memory_frames, cap)
        a, b = _steps(part, track)
        near = part.frame[b] == part.frame[a] + 1
        if near.sum() >= 10 and settings.drift_prior_px is None:
            mean = np.array(
                [np.median((part.y_px[b] - part.y_px[a])[near]), np.median((part.x_px[b] - part.x_px[a])[near])]
            )
        drift = np.tile(mean, (max(spots.frame_count - 1, 0), 1))
        before, model = model, _updated(part, track, drift, model, area)
        if settings.step_rms_px is not None:
            model = replace(model, scale=0.5 * settings.step_rms_px**2 * (model.shape - 1.0))
        if model.is_near(before):
            break
    track, _ = _run(spots, first, drift, model, settings.memory_frames, cap)
    a, b = _steps(spots, track)
    drift = _pair_drift(spots, a, b, mean)
    track, capped = _run(spots, first, drift, model, settings.memory_frames, cap)
    report = _report(spots, track, model, mean, area, cap)
    return _tracks(spots, track, shape_px), replace(report, capped_share=capped / max(spots.frame.size, 1))


def _tracks(spots: Spots, track: IntArray, shape_px: tuple[int, int]) -> Tracks:
    order = kernels.by_track(track)
    return Tracks(
        track=track[order],
        frame=spots.frame[order],
        x_px=spots.x_px[order],
        y_px=spots.y_px[order],
        amplitude=spots.amplitude[order],
        snr=spots.snr[order],
        sigma_px=spots.sigma_px[order],
        shape_px=shape_px,
        frame_count=spots.frame_count,
        saturated=None if spots.saturated is None else spots.saturated[order],
    )


def _report(spots: Spots, track: IntArray, model: _Model, mean: FloatArray, area: float, cap: float) -> LinkReport:
    a, b = _steps(spots, track)
    pairs = max(spots.frame_count - 1, 1)
    rms = math.sqrt(2.0 * model.scale / (model.shape - 1.0))
    radius = model.radius(cap)
    starts = int(track.max()) + 1 - int(np.sum(spots.frame == spots.frame[0])) if track.size else 0
    return LinkReport(
        step_rms_px=rms,
        mixture_shape=model.shape,
        search_radius_px=radius,
        radius_over_rms=radius / rms,
        lost_step_share=(1.0 + radius**2 / (2.0 * model.scale)) ** -model.shape,
        births_per_frame=starts / pairs,
        end_probability=model.p_end,
        miss_probability=model.p_miss,
        drift_px=(float(mean[1]), float(mean[0])),
        links_per_frame=float(np.sum(spots.frame[b] - spots.frame[a] == 1)) / pairs,
        ambiguity=spots.frame.size / max(spots.frame_count, 1) / area * math.pi * rms**2,
    )
