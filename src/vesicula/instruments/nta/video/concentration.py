"""Number concentration: mean particles per frame by size, over area times the depth in which that size is seen.

Brightness model. A particle of amplitude B (in units of the noise, in focus in the middle of the sheet) at distance z
gives a spot of height B g(z), g = sheet(z) / (1 + (z/z_R)^2), measured with noise of SD 1; it is detected when the
measured height exceeds the threshold, with probability Phi(B g(z) - threshold). Given diameter, log B is normal with
mean log b + beta log(d / 100 nm) and SD tau. The three numbers are found by composite likelihood: z of a spot is
uniform, so the density of the heights seen, cut at the threshold, tells b; position in the sheet needs no other
calibration than the profile g. The observed depth is the integral of the probability of detection over z.

Interval. (1) Counting: particles stay for many frames and come back, so frames are not independent. For Brownian
particles in an endless suspension the correlation of being seen is known (interval of length h, diffusion D):
R(t) = erf(s) - (1 - exp(-s^2)) / (s sqrt(pi)), s = h / sqrt(4 D t), in each axis (Smoluchowski 1916; in fluorescence
correlation and number fluctuation studies since), which gives the variance of the mean count, re-entries included.
(2) Size distribution and (3) brightness, by one bootstrap over blocks of tracks. Not carried: errors of
the sheet's thickness, of the depth of field, of the threshold's noise unit, flow, overlap of spots at high density.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import erf, ndtr, ndtri

from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.diffusion import log_likelihood_matrix, steps_of, stokes_einstein
from vesicula.instruments.nta.video.model import IntArray, Optics, Tracks
from vesicula.instruments.nta.video.size import SizeDistribution, blocks_of

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_LOG_B = np.linspace(-3.0, 9.0, 601)
_LOG_B_COARSE = np.linspace(0.0, 8.0, 161)
_NO_SPOT = np.zeros(0, dtype=np.int64)
_COARSE_STEP = 0.06  # of log diameter, for the brightness fit
# Of the depth at the 90th percentile of what is seen: a size seen in less is not corrected further. There the fitted
# distribution is mostly tail of the sizes next to it, and a division by a small depth would make particles of it.
_LEAST_DEPTH = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcentrationSettings:
    """How a concentration is estimated.

    Parameters
    ----------
    threshold_snr : float
        Signal-to-noise ratio above which the detector reports a spot.
    minimum_spots : int
        As in the size distribution's settings.
    use_single_spots : bool
        Whether tracks of one spot tell brightness, too; False where most of them are false detections.
    false_spots_per_frame : float
        Detections that are no particles, from a blank or a simulation; subtracted.
    edge_px : float
        Margin in which the detector reports nothing.
    dilution : float
        Factor from the measured suspension to the sample.
    """

    threshold_snr: float = 5.0
    minimum_spots: int = 2
    use_single_spots: bool = True
    false_spots_per_frame: float = 0.0
    edge_px: float = 0.0
    dilution: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concentration:
    """Concentration and the depth-corrected size distribution.

    Attributes
    ----------
    estimate : Estimate
        ``concentration_per_ml``, of the sample (dilution undone).
    distribution : SizeDistribution
        Corrected for the depth.
    depth_um : numpy.ndarray, shape (g,)
        Observed depth at each diameter of the distribution.
    snr_at_100_nm, brightness_exponent, brightness_log_sd : float
        b, beta, tau.
    particles_per_frame, single_spot_share : float
        Spots per frame (false ones subtracted), and the share of spots in tracks of one spot.
    relative_sd : dict of str to float
        Parts of the interval: ``counting``, ``size-and-depth``.
    replicates_per_ml : numpy.ndarray, shape (replicates,)
        The concentration of each bootstrap replicate, before counting noise.
    seen_depth_um : numpy.ndarray, shape (g,)
        Depth by a brightness model with curvature and without a floor: where particles fade out; for the lower limit.
    curved_brightness : tuple of (float, float, float)
        log b, beta and gamma of that model: log brightness = log b + beta x + gamma x^2, x = log(d / 100 nm).
    lower_limit_nm : float or None
        Smaller particles are left out of `estimate` and `distribution`; see :func:`above_limit`.
    not_carried : tuple of str
        What the interval leaves out.
    """

    estimate: Estimate
    distribution: SizeDistribution
    depth_um: FloatArray
    snr_at_100_nm: float
    brightness_exponent: float
    brightness_log_sd: float
    particles_per_frame: float
    single_spot_share: float
    relative_sd: dict[str, float]
    replicates_per_ml: FloatArray
    seen_depth_um: FloatArray
    curved_brightness: tuple[float, float, float]
    lower_limit_nm: float | None = None
    not_carried: tuple[str, ...] = (
        "sheet thickness and depth of field",
        "noise unit of the threshold",
        "flow",
        "overlap of spots",
        "dilution",
    )


def detection_profile(z_um: FloatArray, optics: Optics) -> FloatArray:
    """Return the height of a spot at `z_um` over its height in focus in the middle of the sheet."""
    z = np.asarray(z_um, dtype=np.float64)
    sheet = np.exp(-0.5 * (z / optics.sheet_sigma_um) ** 2)
    return np.asarray(sheet / (1 + (z / optics.depth_of_field_um) ** 2))


def _half_axis(optics: Optics) -> FloatArray:
    return np.linspace(0.0, 5.0 * optics.sheet_sigma_um, 161)


def observed_depth(
    diameters_nm: FloatArray, brightness: FloatArray, optics: Optics, threshold_snr: float
) -> FloatArray:
    """Return the depth in which particles are seen.

    Parameters
    ----------
    diameters_nm : numpy.ndarray, shape (g,)
        Diameters.
    brightness : numpy.ndarray, shape (3,)
        log b, beta, log tau; see the head of this module.
    optics : Optics
        Sheet and depth of field.
    threshold_snr : float
        Detection threshold.

    Returns
    -------
    numpy.ndarray, shape (g,)
        In um; both sides of the focal plane.
    """
    return _depth_from(_depth_table(optics, threshold_snr), diameters_nm, brightness)


def _depth_table(optics: Optics, threshold_snr: float) -> FloatArray:
    """Return the observed depth of a particle at each log brightness of `_LOG_B`."""
    z = _half_axis(optics)
    seen = ndtr(np.exp(_LOG_B)[:, None] * detection_profile(z, optics) - threshold_snr)
    seen -= ndtr(-threshold_snr)  # noise alone is no particle
    return np.asarray(2 * np.trapezoid(seen, z, axis=1))


def _depth_from(table: FloatArray, diameters_nm: FloatArray, brightness: FloatArray) -> FloatArray:
    """Average the depth over the scatter of brightness; both sides of sizes smooth, so every tenth is computed."""
    log_d = np.log(np.asarray(diameters_nm) / 100)
    few = np.concatenate([log_d[:-1:10], log_d[-1:]])
    nodes = _log_brightness(few, brightness)[:, None] + np.exp(brightness[2]) * _NODES
    return np.asarray(np.interp(log_d, few, np.interp(nodes, _LOG_B, table) @ _NODE_WEIGHTS))


def _class_table(edges: FloatArray, optics: Optics) -> FloatArray:
    """Return, for each class of height and log brightness of `_LOG_B_COARSE`, the depth in which it is measured."""
    z = _half_axis(optics)[::2]
    heights = np.exp(_LOG_B_COARSE)[:, None] * detection_profile(z, optics)
    above = np.stack([np.trapezoid(ndtr(heights - e), z, axis=1) for e in edges[:-1]] + [np.zeros(_LOG_B_COARSE.size)])
    return np.asarray(above[:-1] - above[1:])


def _log_brightness(log_d: FloatArray, brightness: FloatArray) -> FloatArray:
    """Return log brightness at log(d / 100 nm): straight, or with a fourth number curved."""
    curve = brightness[3] * log_d**2 if brightness.size > 3 else 0.0
    return np.asarray(brightness[0] + brightness[1] * log_d + curve)


def _height_table(brightness: FloatArray, classes: FloatArray, diameters_nm: FloatArray) -> FloatArray:
    """Return P(height class | diameter, seen), shape (classes, diameters)."""
    centre = _log_brightness(np.log(diameters_nm / 100), brightness)
    nodes = centre[:, None] + np.exp(brightness[2]) * _NODES
    # Even grid: linear interpolation by index, for all classes at once.
    place = np.clip((nodes - _LOG_B_COARSE[0]) / (_LOG_B_COARSE[1] - _LOG_B_COARSE[0]), 0, _LOG_B_COARSE.size - 1.001)
    low = place.astype(np.int64)
    part = place - low
    per_size = ((classes[:, low] * (1 - part) + classes[:, low + 1] * part) @ _NODE_WEIGHTS) + 1e-12
    return np.asarray(per_size / per_size.sum(axis=0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Heights:
    posterior: FloatArray  # (tracks, sizes)
    counts: FloatArray  # (tracks, classes)
    edges: FloatArray
    classes: FloatArray  # (classes, brightnesses), see `_class_table`
    sizes: FloatArray
    block: IntArray  # (tracks,)

    def per_track(self, brightness: FloatArray) -> FloatArray:
        """Composite log likelihood of each track's heights."""
        table = _height_table(brightness, self.classes, self.sizes)
        return np.asarray((self.counts * np.log(self.posterior @ table.T)).sum(axis=1))


def _heights(
    tracks: Tracks, optics: Optics, distribution: SizeDistribution, settings: ConcentrationSettings,
    drift_px: FloatArray | None,
) -> _Heights:  # fmt: skip
    steps = steps_of(tracks, optics, minimum_spots=settings.minimum_spots, drift_px=drift_px)
    if steps.track.size == 0:
        raise AnalysisError("no track is long enough to tell brightness: no concentration without an observed depth")
    if steps.track.size != distribution.block.size:
        raise AnalysisError(
            f"the size distribution was made from {distribution.block.size} tracks, not from these "
            f"{steps.track.size}: give the same tracks and the same least number of spots"
        )
    log_d = np.log(distribution.diameters_nm)
    coarse = np.arange(log_d[0], log_d[-1], _COARSE_STEP)
    which = np.clip(np.round((log_d - coarse[0]) / _COARSE_STEP).astype(np.int64), 0, coarse.size - 1)
    prior = np.bincount(which, weights=distribution.occupancy, minlength=coarse.size)
    keep = prior > 1e-4 * prior.max()
    sizes = np.exp(coarse[keep])
    log_p = log_likelihood_matrix(steps, optics, sizes, localisation_scale=distribution.localisation_scale)
    log_p += np.log(prior[keep])
    posterior = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    # Tracks of one spot belong to the heights seen: without them particles near the threshold would look brighter.
    # They carry no displacement, so their size is that of the shortest tracks.
    single = np.flatnonzero((np.bincount(tracks.track) < 2)[tracks.track]) if settings.use_single_spots else _NO_SPOT
    shortest = steps.spot_count == steps.spot_count.min()
    posterior = np.vstack([posterior, np.tile(posterior[shortest].mean(axis=0), (single.size, 1))])
    snr = tracks.snr[np.concatenate([steps.spot, single])]
    edges = np.concatenate([settings.threshold_snr * np.exp(np.arange(0.0, 3.01, 0.12)), [np.inf]])
    owner = np.concatenate(
        [np.repeat(np.arange(steps.track.size), steps.spot_count), steps.track.size + np.arange(single.size)]
    )
    column = np.clip(np.searchsorted(edges, snr, side="right") - 1, 0, edges.size - 2)
    counts = np.zeros((steps.track.size + single.size, edges.size - 1))
    np.add.at(counts, (owner, column), 1.0)
    return _Heights(
        posterior=posterior,
        counts=counts,
        edges=edges,
        classes=_class_table(edges, optics),
        sizes=sizes,
        block=np.concatenate([distribution.block, blocks_of(tracks, single, optics)]),
    )


def _penalty(brightness: FloatArray) -> float:
    """Weak prior: beta 4 +- 3 (Rayleigh's 6 is an upper end), tau around 0.3 within a factor 3."""
    return float(0.5 * ((brightness[1] - 4) / 3) ** 2 + 0.5 * ((brightness[2] - np.log(0.3)) / np.log(3)) ** 2)


def _fit_brightness(heights: _Heights) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the brightness, each track's score, and the inverse Hessian of the penalised composite likelihood."""

    def loss(b: FloatArray) -> float:
        return -float(heights.per_track(b).sum()) + _penalty(b)

    snr = heights.edges[:-1] @ heights.counts.sum(axis=0) / heights.counts.sum()
    start = np.array([np.log(2.0 * snr), 2.5, np.log(0.3)])
    simplex = np.vstack([start, start + np.diag([0.3, 1.0, 0.5])])
    found = minimize(
        loss, start, method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-2, "maxiter": 250},
    ).x  # fmt: skip
    h = np.array([0.02, 0.1, 0.1])
    e = np.diag(h)
    up = [heights.per_track(found + e[a]) for a in range(3)]
    down = [heights.per_track(found - e[a]) for a in range(3)]
    score = np.stack([(up[a] - down[a]) / (2 * h[a]) for a in range(3)], axis=1)
    hessian = np.empty((3, 3))
    for a in range(3):
        for b in range(3):
            hessian[a, b] = (
                loss(found + e[a] + e[b]) - loss(found + e[a] - e[b]) - loss(found - e[a] + e[b])
                + loss(found - e[a] - e[b])
            ) / (4 * h[a] * h[b])  # fmt: skip
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    inverse = vectors @ np.diag(1 / np.maximum(values, 1e-3 * values.max())) @ vectors.T
    return np.asarray(found), score, np.asarray(inverse)


def _fit_curved(heights: _Heights, straight: FloatArray) -> FloatArray:
    """Fit brightness with a curvature in log size: log b, beta, log tau, gamma.

    Vesicles lose brightness faster towards small sizes than any one power of size (by Mie theory the local exponent at
    405 nm falls from 4.5 at 80 nm to 1.9 at 280 nm). Prior of gamma: -1 +- 1, from such curves.
    """

    def loss(b: FloatArray) -> float:
        return -float(heights.per_track(b).sum()) + _penalty(b) + 0.5 * float((b[3] + 1.0) ** 2)

    start = np.array([*straight, -0.5])
    simplex = np.vstack([start, start + np.diag([0.2, 0.7, 0.3, -1.0])])
    found = minimize(
        loss, start, method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-2, "maxiter": 300},
    )  # fmt: skip
    return np.asarray(found.x)


def _staying(length_um: FloatArray | float, root_um: FloatArray) -> FloatArray:
    """R(t) of the module's head; `root_um` is sqrt(4 D t)."""
    s = np.asarray(length_um) / np.maximum(root_um, 1e-12)
    return np.asarray(erf(s) - (1 - np.exp(-(s**2))) / (s * np.sqrt(np.pi)))


def mean_count_inflation(
    diameters_nm: FloatArray, depth_um: FloatArray, optics: Optics, frame_count: int
) -> FloatArray:
    """Return the variance of the mean count over the video divided by the mean count.

    Parameters
    ----------
    diameters_nm, depth_um : numpy.ndarray, shape (g,)
        Sizes and observed depths.
    optics : Optics
        Frame rate and area.
    frame_count : int
        Frames of the video.

    Returns
    -------
    numpy.ndarray, shape (g,)
        1 for one frame; 1/frame_count if frames were independent.
    """
    lag = np.unique(np.round(np.geomspace(1, max(frame_count - 1, 1), 60)).astype(np.int64))
    root = np.sqrt(4 * stokes_einstein(diameters_nm, optics)[:, None] * lag / optics.frame_rate_per_s)
    r = _staying(np.asarray(depth_um)[:, None], root)
    for length in (optics.width_px * optics.um_per_px, optics.height_px * optics.um_per_px):
        r = r * _staying(length, root)
    if frame_count == 1:
        return np.ones(len(diameters_nm))
    every = np.arange(1, frame_count)
    weight = 1 - every / frame_count
    total = np.array([weight @ np.interp(every, lag, row) for row in r])
    return np.asarray((1 + 2 * total) / frame_count)


def concentration(
    tracks: Tracks,
    distribution: SizeDistribution,
    optics: Optics,
    settings: ConcentrationSettings,
    rng: np.random.Generator,
    *,
    drift_px: FloatArray | None = None,
) -> Concentration:
    """Estimate number concentration, and correct the size distribution for the observed depth.

    Parameters
    ----------
    tracks : Tracks
        All tracks, those of one spot included: each spot counts.
    distribution : SizeDistribution
        From :func:`~.size.size_distribution`, before depth correction.
    optics : Optics
        Area, sheet, depth of field.
    settings : ConcentrationSettings
        Threshold, false detections, dilution.
    rng : numpy.random.Generator
        For the interval.
    drift_px : numpy.ndarray, shape (frame_count, 2), or None
        Displacement of the liquid since the first frame.

    Returns
    -------
    Concentration

    Raises
    ------
    AnalysisError
        When the distribution is depth-corrected already, or no area or spot is left.
    """
    if distribution.depth_corrected:
        raise AnalysisError("the size distribution is corrected for depth already: give the one before that")
    area = (optics.width_px - 2 * settings.edge_px) * (optics.height_px - 2 * settings.edge_px) * optics.um_per_px**2
    per_frame = tracks.frame.size / tracks.frame_count - settings.false_spots_per_frame
    if area <= 0 or per_frame <= 0:
        raise AnalysisError("no area, or no more spots than false ones: there is nothing to count")
    heights = _heights(tracks, optics, distribution, settings, drift_px)
    brightness, score, inverse = _fit_brightness(heights)
    d = distribution.diameters_nm
    depth = _floored(observed_depth(d, brightness, optics, settings.threshold_snr), distribution.occupancy)
    curved = _fit_curved(heights, brightness)
    unit = per_frame / area * 1e12 * settings.dilution
    value = unit * float((distribution.occupancy / distribution.occupancy.sum() / depth).sum())
    rows = distribution.occupancy_draws / distribution.occupancy_draws.sum(axis=1, keepdims=True)
    depths = np.empty_like(rows)
    table = _depth_table(optics, settings.threshold_snr)
    for i in range(rows.shape[0]):
        weight = distribution.block_draws[i][heights.block] - 1.0
        moved = np.clip(brightness + inverse @ (weight @ score), brightness - 2, brightness + 2)
        depths[i] = _floored(_depth_from(table, d, moved), distribution.occupancy)
    share = distribution.occupancy / distribution.occupancy.sum()
    part = share / depth
    inflation = np.interp(
        np.log(d), np.log(d[::20]), mean_count_inflation(d[::20], depth[::20], optics, tracks.frame_count)
    )
    counting = float(np.sqrt((share * inflation / depth**2).sum() / per_frame) / part.sum())
    ratio = (rows / depths).sum(axis=1) / part.sum()
    noise = np.exp(counting * rng.standard_normal((50, ratio.size)))
    tail = 50 * (1 - distribution.level)
    low, high = np.percentile(value * ratio * noise, [tail, 100 - tail]) if ratio.size else (None, None)
    single = np.bincount(tracks.track)
    return Concentration(
        estimate=Estimate(
            quantity="concentration_per_ml", value=value, unit="/mL",
            low=None if low is None else float(low), high=None if high is None else float(high),
            level=distribution.level, n=distribution.track_count, unit_of_replication="track", carries=("counting",),
        ),
        distribution=distribution.with_depth(depth, depths),
        depth_um=depth,
        snr_at_100_nm=float(np.exp(brightness[0])),
        brightness_exponent=float(brightness[1]),
        brightness_log_sd=float(np.exp(brightness[2])),
        particles_per_frame=per_frame,
        single_spot_share=float((single == 1).sum() / tracks.frame.size),
        relative_sd={"counting": counting, "size-and-depth": float(ratio.std()) if ratio.size else 0.0},
        replicates_per_ml=value * ratio,
        seen_depth_um=observed_depth(d, curved, optics, settings.threshold_snr),
        curved_brightness=(float(curved[0]), float(curved[1]), float(curved[3])),
    )  # fmt: skip


def above_limit(found: Concentration, *, depth_share: float = 0.25) -> Concentration:
    """Leave out particles that are too dim for the instrument: what is said of them would be a guess.

    The lower limit of detection is the diameter below which particles are seen in less than `depth_share` of the depth
    of the large ones (the 90th percentile of those seen). It is told only where brightness grows with size there,
    with an exponent of 1 to 9 (a label on a surface: 2; Rayleigh: 6; with room for error). Where all particles are of
    about one size it cannot be told, and nothing is left out.

    Parameters
    ----------
    found : Concentration
        From :func:`concentration`.
    depth_share : float
        Our own choice: a quarter.

    Returns
    -------
    Concentration
        Estimate, interval and distribution of the particles from ``lower_limit_nm`` on; unchanged where there is none.
    """
    limit = _lower_limit(found, depth_share)
    base = found.distribution
    if limit is None:
        return found
    kept = base.diameters_nm >= limit
    fraction = float(base.share[kept].sum())
    fractions = base.share_draws[:, kept].sum(axis=1)
    if fraction < 0.02 or np.any(fractions <= 0):
        return found
    # Midpoints of equal shares of a normal distribution stand for counting noise.
    noise = np.exp(found.relative_sd["counting"] * ndtri((np.arange(50) + 0.5) / 50))
    draws = (found.replicates_per_ml * fractions)[:, None] * noise
    tail = 50 * (1 - base.level)
    low, high = np.percentile(draws, [tail, 100 - tail]) if draws.size else (None, None)
    estimate = replace(
        found.estimate,
        value=found.estimate.value * fraction,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )
    return replace(found, estimate=estimate, distribution=base.above(limit), lower_limit_nm=limit)


def _lower_limit(found: Concentration, depth_share: float) -> float | None:
    base = found.distribution
    upper = int(np.searchsorted(np.cumsum(base.occupancy), 0.9 * base.occupancy.sum()))
    dim = found.seen_depth_um[: upper + 1] < depth_share * found.seen_depth_um[upper]
    if not dim.any():
        return None
    limit = float(base.diameters_nm[int(np.flatnonzero(dim)[-1]) + 1])
    _, beta, gamma = found.curved_brightness
    exponent = beta + 2 * gamma * np.log(limit / 100)
    return limit if 1.0 <= exponent <= 9.0 else None


def _floored(depth_um: FloatArray, occupancy: FloatArray) -> FloatArray:
    upper = int(np.searchsorted(np.cumsum(occupancy), 0.9 * occupancy.sum()))
    return np.asarray(np.maximum(depth_um, _LEAST_DEPTH * depth_um[upper]))
