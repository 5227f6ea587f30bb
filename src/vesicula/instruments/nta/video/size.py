"""Size distribution by maximum likelihood over the finite-track-length kernel, with intervals.

What is estimated, and how it is kept free of the usual biases:

1. Each track enters with the exact likelihood of its displacements (:mod:`diffusion`), not with a point estimate, so
   the width of the histogram of estimates, which is mostly error of short tracks, does not enter the result.
2. Size and track length are dependent, and modelled jointly (:mod:`_size_fit`).
3. Tracks are not particles: a small particle crosses the focal depth often and briefly. The expected number of spots
   in a frame is what is proportional to number concentration times observed depth (a stationary suspension), so the
   spots of each track are shared out over the sizes it may have, and the sum is divided by the observed depth.
4. How many log-normal components: all counts up to `max_components` are fitted, and averaged with Akaike weights
   (Burnham & Anderson 2002, Model Selection and Multimodel Inference, ch. 4), since 500 tracks seldom tell one broad
   population from two narrow ones and an interval must then contain both.
5. Intervals: percentiles, widened by a fifth, over a bootstrap of blocks of tracks; one particle leaves the depth and
   comes back as a new track near by, so tracks are not independent, and tiles of the frame (times spans of about
   20 s) are resampled whole (after Hall 1985, Stochastic Process. Appl. 20:231 [from memory, unchecked]). Each
   replicate fits all numbers of components and draws one from its own weights, and a localisation scale from that
   scale's uncertainty.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.measurement import FloatArray, frozen
from vesicula.instruments.nta.video._size_fit import (
    Fit,
    Problem,
    fit_mixture,
    hessian_of,
    make_problem,
    spots_given_size,
    starts,
    track_mass,
    unpack,
)
from vesicula.instruments.nta.video.diffusion import Steps, log_likelihood_matrix, steps_of
from vesicula.instruments.nta.video.model import IntArray, Optics, Tracks

GRID_STEP = 0.02  # of log diameter, for the likelihood: a tenth of the resolution of a track of 15 spots
REPORT_STEP = 0.0025  # of log diameter, for what is reported
_TILES = (8, 6)  # 48 blocks: enough to resample, each wide against the way of a particle in some seconds
_SPAN_S = 20.0
# Percentile intervals of few particles are too short: replicates repeat the bias of the fit, and cannot leave a
# boundary (equal sizes) that the truth sits on. The factor was chosen on nine populations that are not among those of
# the validation (`CALIBRATION` in docs/make_nta_video_validation.py).
_WIDENING = 1.2
_SCALES = np.array([-0.8, -0.4, 0.0, 0.4, 0.8])  # log of the localisation scale tried
QUANTITIES = ("mean", "mode", "d10", "d50", "d90")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSettings:
    """How a size distribution is estimated.

    Parameters
    ----------
    minimum_spots : int
        Shorter tracks are left out; at least 2. Low on purpose: leaving out short tracks leaves out small particles.
    minimum_tracks : int
        With fewer tracks no distribution is given.
    smallest_nm, largest_nm : float
        Range of diameters considered.
    max_components : int
        Most log-normal components tried.
    bootstrap : int
        Replicates; 0 for no intervals.
    level : float
        Confidence level of the intervals.
    localisation_prior_log_sd : float
        How well the predicted localisation variance is believed, as SD of the log of its scale.
    calibration_relative_sd : float
        Relative SD of everything that scales all diameters alike (viscosity, temperature, pixel size squared);
        widens the intervals. 0 leaves it out, and the intervals then carry counting error alone.
    threads : int
        Threads for the bootstrap; the answer does not depend on it.
    """

    minimum_spots: int = 2
    minimum_tracks: int = 30
    smallest_nm: float = 15.0
    largest_nm: float = 1500.0
    max_components: int = 3
    bootstrap: int = 200
    level: float = 0.95
    localisation_prior_log_sd: float = 0.4
    calibration_relative_sd: float = 0.0
    threads: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A log-normal part of the distribution of tracks: `share` sums to 1 over the parts of a fit."""

    share: float
    median_nm: float
    gsd: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SizeDistribution:
    """Number distribution of diameters, with its uncertainty.

    Attributes
    ----------
    diameters_nm : numpy.ndarray, shape (g,)
        Even in log diameter.
    share : numpy.ndarray, shape (g,)
        Fraction of particles (by number, after depth correction) at each grid point; sums to 1.
    occupancy : numpy.ndarray, shape (g,)
        Expected spots per frame, in tracks long enough, at each grid point: not depth-corrected.
    share_draws, occupancy_draws : numpy.ndarray, shape (replicates, g)
        The same for each bootstrap replicate.
    estimates : tuple of Estimate
        ``mean_diameter_nm``, ``mode_diameter_nm``, ``d10_nm``, ``d50_nm``, ``d90_nm``.
    peaks_nm : tuple of (float, float)
        Maxima of the density per nm and their height over the highest, highest first.
    components : tuple of Component
        Of the likeliest single mixture.
    component_weights : tuple of float
        Akaike weights of 1, 2, ... components.
    localisation_scale, localisation_scale_log_sd : float
        ML factor on the predicted localisation variance, and the SD of its log.
    track_count, spot_count : int
        Tracks and spots used.
    block : numpy.ndarray of int64, shape (track_count,)
        Block of the bootstrap that each track used belongs to.
    block_draws : numpy.ndarray, shape (replicates, blocks)
        How often each replicate took each block.
    depth_corrected : bool
        Whether `share` was divided by the observed depth.
    level : float
        Of the intervals.
    """

    diameters_nm: FloatArray
    share: FloatArray
    occupancy: FloatArray
    share_draws: FloatArray
    occupancy_draws: FloatArray
    estimates: tuple[Estimate, ...]
    peaks_nm: tuple[tuple[float, float], ...]
    components: tuple[Component, ...]
    component_weights: tuple[float, ...]
    localisation_scale: float
    localisation_scale_log_sd: float
    track_count: int
    spot_count: int
    block: IntArray
    block_draws: FloatArray
    depth_corrected: bool
    level: float

    @property
    def density_per_nm(self) -> FloatArray:
        """Number density per nm, shape (g,)."""
        return np.asarray(self.share / (self.diameters_nm * REPORT_STEP))

    @property
    def mode_is_ambiguous(self) -> bool:
        """Whether a second peak is at least 0.7 as high as the highest: the mode is then a matter of chance."""
        return len(self.peaks_nm) > 1 and self.peaks_nm[1][1] >= 0.7

    def estimate(self, quantity: str) -> Estimate:
        """Return one of `estimates` by its name."""
        return next(e for e in self.estimates if e.quantity == quantity)

    def with_depth(self, depth_um: FloatArray, depth_draws_um: FloatArray | None = None) -> SizeDistribution:
        """Return the number distribution after division by the observed depth.

        Parameters
        ----------
        depth_um : numpy.ndarray, shape (g,)
            Depth in which a particle of each diameter is seen; from :func:`~.concentration.observed_depth`.
        depth_draws_um : numpy.ndarray, shape (replicates, g), or None
            The same per replicate; by default `depth_um` for each.

        Returns
        -------
        SizeDistribution
            With estimates and intervals recomputed.
        """
        draws = depth_um[None, :] if depth_draws_um is None else depth_draws_um
        share = self.occupancy / depth_um
        return _finish(
            replace(self, depth_corrected=True),
            share / share.sum(),
            _normalised(self.occupancy_draws / draws),
        )

    def above(self, diameter_nm: float) -> SizeDistribution:
        """Return the distribution of the particles of at least `diameter_nm`, estimates and intervals recomputed."""
        kept = self.diameters_nm >= diameter_nm
        share = np.where(kept, self.share, 0.0)
        return _finish(self, share / share.sum(), _normalised(np.where(kept, self.share_draws, 0.0)))


def _normalised(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def summarise(diameters_nm: FloatArray, share: FloatArray) -> dict[str, float]:
    """Return mean, mode, D10, D50 and D90 of a distribution on an even grid of log diameter.

    Parameters
    ----------
    diameters_nm, share : numpy.ndarray, shape (g,)
        Grid and fractions.

    Returns
    -------
    dict of str to float
        In nm. The mode is the maximum of the density per nm.
    """
    cumulative = np.cumsum(share) - 0.5 * share
    log_d = np.log(diameters_nm)
    quantile = np.exp(np.interp([0.1, 0.5, 0.9], cumulative / share.sum(), log_d))
    return {
        "mean": float(diameters_nm @ share / share.sum()),
        "mode": float(diameters_nm[int(np.argmax(share / diameters_nm))]),
        "d10": float(quantile[0]),
        "d50": float(quantile[1]),
        "d90": float(quantile[2]),
    }


def _peaks(diameters_nm: FloatArray, share: FloatArray) -> tuple[tuple[float, float], ...]:
    density = share / diameters_nm
    top = density.max()
    inner = np.flatnonzero((density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:])) + 1
    found = [(float(diameters_nm[i]), float(density[i] / top)) for i in inner if density[i] > 0.02 * top]
    return tuple(sorted(found, key=lambda p: -p[1]))


def _interval(values: FloatArray, point: float, level: float, *, tail_quantile: bool) -> tuple[float, float]:
    """Return percentiles of the replicates, their distances from the point (in logs) times `_WIDENING`.

    For D10 and D90 the interval is first stretched to hold the bias-corrected one, too (Efron 1981, Can. J. Stat. 9:139
    [from memory, unchecked]): noise makes every replicate broader than the sample, so D10 comes out too low in most.
    """
    tail = 50 * (1 - level)
    ranks = [tail, 100 - tail]
    if tail_quantile:
        lower = (np.sum(values < point) + 0.5 * np.sum(values == point)) / values.size
        z = ndtri(np.clip(lower, 0.5 / values.size, 1 - 0.5 / values.size))
        ranks += [float(100 * ndtr(2 * z + ndtri(r / 100))) for r in ranks]
    ends = np.percentile(values, ranks)
    low, high = min(float(ends.min()), point), max(float(ends.max()), point)
    return float(point * (low / point) ** _WIDENING), float(point * (high / point) ** _WIDENING)


def _finish(base: SizeDistribution, share: FloatArray, draws: FloatArray) -> SizeDistribution:
    point = summarise(base.diameters_nm, share)
    rows = [summarise(base.diameters_nm, d) for d in draws]
    estimates = []
    for q in QUANTITIES:
        values = np.array([r[q] for r in rows])
        low, high = _interval(values, point[q], base.level, tail_quantile=q in {"d10", "d90"}) if rows else (None, None)
        estimates.append(
            Estimate(
                quantity=f"{q}_nm" if q.startswith("d") else f"{q}_diameter_nm",
                value=point[q],
                unit="nm",
                low=low,
                high=high,
                level=base.level,
                n=base.track_count,
                unit_of_replication="track",
                carries=("counting",),
            )
        )
    return replace(
        base,
        share=frozen(share),
        share_draws=frozen(draws),
        estimates=tuple(estimates),
        peaks_nm=_peaks(base.diameters_nm, share),
    )


def _grid(settings: SizeSettings, step: float) -> FloatArray:
    low, high = np.log(settings.smallest_nm), np.log(settings.largest_nm)
    return np.asarray(low + step * np.arange(int((high - low) / step) + 1))


def _problem(steps: Steps, optics: Optics, settings: SizeSettings, scale: float) -> Problem:
    x = _grid(settings, GRID_STEP)
    log_likelihood = log_likelihood_matrix(steps, optics, np.exp(x), localisation_scale=scale)
    return make_problem(log_likelihood, steps.spot_count, x)


def _best(problem: Problem, weight: FloatArray, components: int, previous: Fit | None) -> Fit:
    rough = [
        fit_mixture(problem, weight, s, components, tight=False)
        for s in starts(problem, weight, previous if components > 1 else None)
    ]
    best = max(rough, key=lambda f: f.log_likelihood)
    return fit_mixture(problem, weight, best.theta, components)


def _localisation_scale(steps: Steps, optics: Optics, settings: SizeSettings) -> tuple[float, float]:
    """Profile the likelihood over the scale of the localisation variance; return the log of the best and its SD."""
    ones = np.ones(steps.track.size)
    profile, fit = [], None
    for scale in _SCALES:
        problem = _problem(steps, optics, settings, float(np.exp(scale)))
        if fit is None:
            fit = _best(problem, ones, 2, _best(problem, ones, 1, None))
        else:
            fit = fit_mixture(problem, ones, fit.theta, 2, hessian=fit.hessian, tight=False)
        prior = -0.5 * (scale / settings.localisation_prior_log_sd) ** 2
        profile.append(fit.log_likelihood + problem.log_scale + prior)
    value = np.asarray(profile)
    i = int(np.clip(np.argmax(value), 1, value.size - 2))
    step = float(_SCALES[1] - _SCALES[0])
    slope, bend = (value[i + 1] - value[i - 1]) / (2 * step), (2 * value[i] - value[i + 1] - value[i - 1]) / step**2
    if bend <= 0:
        return float(_SCALES[int(np.argmax(value))]), settings.localisation_prior_log_sd
    return float(np.clip(_SCALES[i] + slope / bend, -1.5, 1.5)), float(1 / np.sqrt(bend))


def _weights(fits: list[Fit]) -> FloatArray:
    aic = np.array([-2 * f.log_likelihood + 2 * (2 * f.components) for f in fits])
    weight = np.exp(-0.5 * (aic - aic.min()))
    return np.asarray(weight / weight.sum())


def _occupancy(fit: Fit, problem: Problem, weight: FloatArray, spot_count: IntArray, x: FloatArray) -> FloatArray:
    """Return the distribution over log diameter of the spots of a frame; sums to 1."""
    mass = track_mass(fit, x) * spots_given_size(fit, problem, weight, spot_count, x)
    return np.asarray(mass / mass.sum())


def size_distribution(
    tracks: Tracks,
    optics: Optics,
    settings: SizeSettings,
    rng: np.random.Generator,
    *,
    drift_px: FloatArray | None = None,
) -> SizeDistribution:
    """Estimate the number distribution of diameters from tracks.

    Parameters
    ----------
    tracks : Tracks
        Linked spots; short tracks should be there.
    optics : Optics
        The instrument.
    settings : SizeSettings
        See there.
    rng : numpy.random.Generator
        For the bootstrap.
    drift_px : numpy.ndarray, shape (frame_count, 2), or None
        Displacement of the liquid since the first frame, to be removed.

    Returns
    -------
    SizeDistribution
        Not yet divided by the observed depth (`with_depth`): it is the distribution of what is seen in a frame.

    Raises
    ------
    AnalysisError
        When there are too few tracks.

    Notes
    -----
    The intervals carry counting error, the choice of components and the localisation scale; they carry the
    calibration of temperature, viscosity and pixel size only through `calibration_relative_sd`.
    """
    steps = steps_of(tracks, optics, minimum_spots=settings.minimum_spots, drift_px=drift_px)
    n = int(steps.track.size)
    if n < settings.minimum_tracks:
        raise AnalysisError(
            f"{n} tracks of at least {settings.minimum_spots} spots: a size distribution needs "
            f"{settings.minimum_tracks}. Record longer, or lower the detection threshold."
        )
    log_scale, log_sd = _localisation_scale(steps, optics, settings)
    # Gauss-Hermite nodes of a normal: three scales carry its mean and variance into the bootstrap.
    nodes = log_scale + min(log_sd, 1.0) * np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])
    problems = [_problem(steps, optics, settings, float(np.exp(v))) for v in nodes]
    ones = np.ones(n)
    fits: list[Fit] = []
    for k in range(1, settings.max_components + 1):
        fits.append(_best(problems[1], ones, k, fits[-1] if fits else None))
    weights = _weights(fits)
    x = _grid(settings, REPORT_STEP)
    point = np.asarray(weights @ np.array([_occupancy(f, problems[1], ones, steps.spot_count, x) for f in fits]))
    block = blocks_of(tracks, steps.spot[steps.start[:-1]], optics)
    draws, block_draws = _bootstrap(problems, fits, steps.spot_count, block, _spans(tracks, optics), settings, rng, x)
    spots = int(steps.spot_count.sum())
    per_frame = spots / tracks.frame_count
    share, median, sd = unpack(fits[int(np.argmax(weights))].theta, int(np.argmax(weights)) + 1)
    base = SizeDistribution(
        diameters_nm=frozen(np.exp(x)),
        share=point,
        occupancy=frozen(point * per_frame),
        share_draws=draws,
        occupancy_draws=frozen(draws * per_frame),
        estimates=(),
        peaks_nm=(),
        components=tuple(
            Component(share=float(a), median_nm=float(np.exp(m)), gsd=float(np.exp(s)))
            for a, m, s in sorted(zip(share, median, sd, strict=True), key=lambda c: c[1])
        ),
        component_weights=tuple(float(w) for w in weights),
        localisation_scale=float(np.exp(log_scale)),
        localisation_scale_log_sd=log_sd,
        track_count=n,
        spot_count=spots,
        block=block,
        block_draws=block_draws,
        depth_corrected=False,
        level=settings.level,
    )
    return _finish(base, point, draws)


def _spans(tracks: Tracks, optics: Optics) -> int:
    return max(1, round(tracks.frame_count / optics.frame_rate_per_s / _SPAN_S))


def blocks_of(tracks: Tracks, first: IntArray, optics: Optics) -> IntArray:
    """Return the block of the bootstrap of the tracks that begin with the spots `first`: tile and span of time."""
    height, width = tracks.shape_px
    column = np.clip(tracks.x_px[first] / width * _TILES[0], 0, _TILES[0] - 1).astype(np.int64)
    row = np.clip(tracks.y_px[first] / height * _TILES[1], 0, _TILES[1] - 1).astype(np.int64)
    spans = _spans(tracks, optics)
    span = tracks.frame[first] * spans // max(1, tracks.frame_count)
    return np.asarray((span * _TILES[1] + row) * _TILES[0] + column, dtype=np.int64)


def _bootstrap(  # noqa: PLR0913, PLR0917 - all that a replicate depends on
    problems: list[Problem],
    fits: list[Fit],
    spot_count: IntArray,
    block: IntArray,
    spans: int,
    settings: SizeSettings,
    rng: np.random.Generator,
    x: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    blocks = _TILES[0] * _TILES[1] * spans
    taken = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=settings.bootstrap).astype(np.float64)
    plan = [
        (
            taken[i][block],
            float(rng.random()),
            int(rng.choice(3, p=[1 / 6, 2 / 3, 1 / 6])),
            float(settings.calibration_relative_sd * rng.standard_normal()),
        )
        for i in range(settings.bootstrap)
    ]
    bent = [hessian_of(f, problems[1], np.ones(block.size)) for f in fits]

    def one(task: tuple[FloatArray, float, int, float]) -> FloatArray:
        weight, chance, node, shift = task
        again = [
            fit_mixture(problems[node], weight, f.theta, f.components, hessian=h, tight=False)
            for f, h in zip(fits, bent, strict=True)
        ]
        # The choice of how many components is made anew: it, too, hangs on the tracks at hand.
        fit = again[min(int(np.searchsorted(np.cumsum(_weights(again)), chance)), len(again) - 1)]
        mass = _occupancy(fit, problems[node], weight, spot_count, x)
        return np.interp(x - shift, x, mass) if shift else mass

    if not plan:
        return np.zeros((0, x.size)), taken
    with ThreadPoolExecutor(max(1, settings.threads)) as pool:
        return np.array(list(pool.map(one, plan))), taken
