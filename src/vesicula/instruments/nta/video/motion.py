"""What the tracks say of a video: drift, vibration, convection, uneven frames, stuck spots, and free diffusion."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.stats import f as f_distribution

from vesicula.core.finding import Citation, Verdict
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.diagnostics import Check, Desk, Limits, level_of, number
from vesicula.instruments.nta.video.drift import vibration
from vesicula.instruments.nta.video.link import LinkReport
from vesicula.instruments.nta.video.model import BoolArray, IntArray, Optics, Tracks

DRIFT_LIMIT = Citation(
    text="ZetaView 8.05.14 to 8.06.01 exports (121 positions)",
    note="the vendor's software kept no position above 29.9 um/s; see nta_validity.tsv",
)


def _near(tracks: Tracks) -> tuple[BoolArray, FloatArray]:
    """Which entries are followed by the same track's next frame, and the steps (x, y) there, in pixels."""
    near = np.zeros(tracks.track.size, dtype=np.bool_)
    near[:-1] = (np.diff(tracks.track) == 0) & (np.diff(tracks.frame) == 1)
    at = np.flatnonzero(near)
    step = np.column_stack([tracks.x_px[at + 1] - tracks.x_px[at], tracks.y_px[at + 1] - tracks.y_px[at]])
    return near, step


def stuck_tracks(tracks: Tracks, optics: Optics, *, least_spots: int = 15) -> IntArray:
    """Return the numbers of tracks that do not move: dirt on the window, particles that adhere.

    Parameters
    ----------
    tracks : Tracks
        Drift not removed: what is stuck does not drift.
    optics : Optics
    least_spots : int
        Shorter tracks are left alone.

    Returns
    -------
    numpy.ndarray of int64
        Tracks whose spots stay within a spread that a particle of 3 um would exceed, and that is no more than half
        of a spot's width. The spread of n steps of free diffusion about their mean is n D t / 3 per axis.
    """
    count = np.bincount(tracks.track, minlength=tracks.track_count)
    long = np.flatnonzero(count >= least_spots)
    if long.size == 0:
        return long.astype(np.int64)
    total = np.maximum(count, 1)
    spread = np.zeros(count.size)
    for values in (tracks.x_px, tracks.y_px):
        mean = np.bincount(tracks.track, weights=values, minlength=count.size) / total
        spread += np.bincount(tracks.track, weights=(values - mean[tracks.track]) ** 2, minlength=count.size)
    spread /= 2 * total
    slow = 1.380649e-23 * (optics.temperature_c + 273.15) / (3 * math.pi * optics.viscosity_mpa_s * 1e-3 * 3e-6) * 1e12
    free = count * slow / optics.frame_rate_per_s / 3 / optics.um_per_px**2
    noise = 2 / math.pi / np.maximum(_mean_snr(tracks, count), 1.0) ** 2 * 4
    still = spread < np.minimum(0.2 * free + noise, (0.5 * optics.psf_sigma_um / optics.um_per_px) ** 2)
    return long[still[long]].astype(np.int64)


def _mean_snr(tracks: Tracks, count: IntArray) -> FloatArray:
    return np.asarray(np.bincount(tracks.track, weights=tracks.snr, minlength=count.size) / np.maximum(count, 1))


def without(tracks: Tracks, numbers: IntArray) -> Tracks:
    """Return the tracks less those named, numbered anew."""
    kept = ~np.isin(tracks.track, numbers)
    _, track = np.unique(tracks.track[kept], return_inverse=True)
    return replace(
        tracks, track=track.astype(np.int64), frame=tracks.frame[kept], x_px=tracks.x_px[kept], y_px=tracks.y_px[kept],
        amplitude=tracks.amplitude[kept], snr=tracks.snr[kept], sigma_px=tracks.sigma_px[kept],
        saturated=None if tracks.saturated is None else tracks.saturated[kept],
    )  # fmt: skip


def check_tracks(
    desk: Desk,
    tracks: Tracks,
    optics: Optics,
    limits: Limits,
    *,
    report: LinkReport | None,
    stuck: int,
    drift_removed: Tracks,
) -> list[Check]:
    """Judge a movie by its tracks.

    Parameters
    ----------
    desk : Desk
    tracks : Tracks
        Stuck ones taken out, drift not removed.
    optics : Optics
    limits : Limits
    report : LinkReport or None
        None for tracks that an instrument exported.
    stuck : int
        Tracks taken out as immobile.
    drift_removed : Tracks
        The same tracks without drift.

    Returns
    -------
    list of Check
        Track lengths, links, stuck spots, drift, vibration, convection, evenness of frames, free diffusion.
    """
    checks = [_lengths(desk, tracks), _stuck(desk, tracks, stuck)]
    if report is not None:
        checks.append(_links(desk, report, limits))
    checks.append(_drift(desk, tracks, optics, limits))
    near, step = _near(drift_removed)
    if step.shape[0] < 100:
        text = "Too few steps to judge motion: the tracks are mostly single spots."
        return [*checks, desk.check("motion", "Motion", text, Verdict.NOT_MEASURED)]
    return [
        *checks,
        _vibration(desk, tracks, optics, step),
        _convection(desk, drift_removed, optics, near, step),
        _evenness(desk, drift_removed, near, step),
        _free_diffusion(desk, drift_removed),
    ]


def _lengths(desk: Desk, tracks: Tracks) -> Check:
    count = np.bincount(tracks.track) if tracks.track.size else np.zeros(0, dtype=np.int64)
    linked = count[count >= 2]
    if linked.size == 0:
        return desk.check(
            "track-lengths", "Track lengths", "No particle was seen in two frames.", Verdict.NOT_MET,
            refuse="no-tracks", remedy="Check frame rate, focus and flow: particles must stay for several frames.",
        )  # fmt: skip
    middle = float(np.median(linked))
    text = f"{linked.size} tracks of 2 spots or more, median {middle:g} spots, longest {count.max()}."
    poor = middle < 5
    return desk.check(
        "track-lengths", "Track lengths", text, Verdict.WARNING if poor else Verdict.MET,
        estimate=number("median_track_length", middle, "spots", linked.size, "track"),
        limit=("median of at least 5 spots", 5.0, None),
        remedy="Short tracks say little of size each: record longer, at a higher frame rate." if poor else "",
    )  # fmt: skip


def _stuck(desk: Desk, tracks: Tracks, stuck: int) -> Check:
    share = stuck / max(stuck + tracks.track_count, 1)
    many = share > 0.1
    return desk.check(
        "stuck", "Stuck spots", f"{stuck} immobile tracks were taken out.", Verdict.WARNING if many else Verdict.MET,
        estimate=number("stuck_tracks", stuck, "tracks", stuck + tracks.track_count, "track"),
        limit=("at most 10 % of tracks", None, None), remedy="Clean the cell's window." if many else "",
    )  # fmt: skip


def _links(desk: Desk, report: LinkReport, limits: Limits) -> Check:
    level = level_of(report.ambiguity, limits.ambiguity_warning, limits.ambiguity_refusal)
    text = (
        f"A particle steps {report.step_rms_px:.1f} px (rms) from frame to frame; {report.ambiguity:.3f} others are "
        "expected within that distance."
    )
    return desk.check(
        "links", "Certainty of links", text, Verdict.MET if level == "fine" else Verdict.WARNING,
        estimate=number("link_ambiguity", report.ambiguity, "", 1, "video"),
        limit=("at most 0.1 others within a step", None, limits.ambiguity_warning),
        remedy="" if level == "fine" else "Dilute the sample or raise the frame rate.",
        refuse="too-dense" if level == "refuse" else "",
    )  # fmt: skip


def _drift(desk: Desk, tracks: Tracks, optics: Optics, limits: Limits) -> Check:
    _, step = _near(tracks)
    if step.shape[0] < 10:
        return desk.check("drift", "Drift", "Too few steps to tell.", Verdict.NOT_MEASURED)
    unit = optics.um_per_px * optics.frame_rate_per_s
    mean = step.mean(axis=0) * unit
    error = step.std(axis=0, ddof=1) / math.sqrt(step.shape[0]) * unit
    speed = float(np.hypot(*mean))
    text = (
        f"The liquid moves at {speed:.2f} um/s (x {mean[0]:+.2f} ± {error[0]:.2f}, y {mean[1]:+.2f} ± {error[1]:.2f}, "
        "standard errors)."
    )
    fast = speed > limits.most_drift_um_per_s
    return desk.check(
        "drift", "Drift", text, Verdict.MET if not fast else Verdict.NOT_MET,
        estimate=number("drift_um_per_s", speed, "um/s", step.shape[0], "step", 1.96 * float(np.hypot(*error))),
        limit=("at most 30 um/s", None, limits.most_drift_um_per_s), source=DRIFT_LIMIT,
        remedy="Stop the flow, look for leaks and bubbles, let the sample rest, and record again." if fast else "",
        refuse="drift" if fast else "",
    )  # fmt: skip


def _vibration(desk: Desk, tracks: Tracks, optics: Optics, step: FloatArray) -> Check:
    found = vibration(tracks)
    jitter = float(np.hypot(*found.jitter_sd_px))
    bias = 2 * jitter**2 / float(np.mean(np.sum(step**2, axis=1)))
    strong = found.significant and bias > 0.05
    text = (
        f"Collective jitter from frame to frame: {1000 * jitter * optics.um_per_px:.0f} nm over its noise"
        f"{'' if found.significant else ', which noise explains'}; left alone it would add {bias:.1%} to the steps' "
        "mean square."
    )
    return desk.check(
        "vibration", "Vibration", text, Verdict.WARNING if strong else Verdict.MET,
        estimate=number("jitter_nm", 1000 * jitter * optics.um_per_px, "nm", tracks.frame_count, "frame"),
        limit=("at most 5 % of the mean square step", None, None),
        remedy="Find what shakes the instrument (pump, fan, bench)." if strong else "",
    )  # fmt: skip


def convection_fit(x: FloatArray, y: FloatArray, step: FloatArray, *, quadratic: bool) -> tuple[FloatArray, float]:
    """Fit a velocity field that is linear or quadratic in position.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions, scaled to about -1 to 1.
    step : numpy.ndarray, shape (n, 2)
        Displacements.
    quadratic : bool
        Whether squares and the product of coordinates are fitted too.

    Returns
    -------
    fitted : numpy.ndarray, shape (n, 2)
        Flow at each step, its mean taken off.
    p_value : float
        Of the F test against no dependence on position, both components together.
    """
    columns = [np.ones_like(x), x, y] + ([x * x, x * y, y * y] if quadratic else [])
    design = np.column_stack(columns)
    solution = np.linalg.lstsq(design, step, rcond=None)[0]
    fitted = design @ solution
    rest = float(np.sum((step - fitted) ** 2))
    whole = float(np.sum((step - step.mean(axis=0)) ** 2))
    k, n = 2 * (design.shape[1] - 1), 2 * step.shape[0]
    value = ((whole - rest) / k) / (rest / (n - 2 * design.shape[1]))
    return fitted - step.mean(axis=0), float(f_distribution.sf(value, k, n - 2 * design.shape[1]))


def _convection(desk: Desk, tracks: Tracks, optics: Optics, near: BoolArray, step: FloatArray) -> Check:
    x = 2 * tracks.x_px[near] / optics.width_px - 1
    y = 2 * tracks.y_px[near] / optics.height_px - 1
    _, p_linear = convection_fit(x, y, step, quadratic=False)
    flow, p_quadratic = convection_fit(x, y, step, quadratic=True)
    speed = float(np.percentile(np.hypot(flow[:, 0], flow[:, 1]), 95)) * optics.um_per_px * optics.frame_rate_per_s
    bias = float(np.mean(np.sum(flow**2, axis=1)) / np.mean(np.sum(step**2, axis=1)))
    p_value = min(1.0, 2 * min(p_linear, p_quadratic))
    strong = p_value < 1e-3 and bias > 0.02
    seen = "goes with position" if p_value < 1e-3 else "does not go with position"
    text = (
        f"Flow {seen} (F test, linear and quadratic field, p = {p_value:.2g}); the fitted field reaches {speed:.2f} "
        f"um/s and is {bias:.1%} of the steps' mean square."
    )
    return desk.check(
        "convection", "Convection", text, Verdict.WARNING if strong else Verdict.MET,
        estimate=number("convection_um_per_s", speed, "um/s", step.shape[0], "step"),
        limit=("p at least 0.001, or at most 2 % of the mean square step", None, None),
        remedy="Let the temperature settle and look for leaks." if strong else "",
    )  # fmt: skip


def pair_ratios(tracks: Tracks, near: BoolArray, step: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return each frame pair's mean square step over the median of all pairs, and its number of steps.

    Pairs with fewer than five steps are NaN. A frame that was dropped doubles the ratio; a frame repeated with new
    noise brings it near nothing.
    """
    start = tracks.frame[:][near]
    pairs = max(tracks.frame_count - 1, 1)
    count = np.bincount(start, minlength=pairs)[:pairs]
    square = np.minimum(np.sum(step**2, axis=1), np.percentile(np.sum(step**2, axis=1), 99))
    mean = np.bincount(start, weights=square, minlength=pairs)[:pairs] / np.maximum(count, 1)
    ratio = np.where(count >= 5, mean, np.nan)
    middle = np.nanmedian(ratio) if np.any(count >= 5) else math.nan
    return np.asarray(ratio / middle), count.astype(np.int64)


def _evenness(desk: Desk, tracks: Tracks, near: BoolArray, step: FloatArray) -> Check:
    ratio, count = pair_ratios(tracks, near, step)
    known = np.isfinite(ratio)
    if known.sum() < 20:
        return desk.check("evenness", "Even frame times", "Too few steps per frame to tell.", Verdict.NOT_MEASURED)
    # Mean of n squared steps of a mixed population: relative SD about 1.3 / sqrt(n), 1 for equal particles.
    sd = 1.3 / np.sqrt(count[known])
    high = float(np.mean((ratio[known] > 1.6) & (ratio[known] > 1 + 4 * sd)))
    low = float(np.mean((ratio[known] < 0.3) & (ratio[known] < 1 - 2.5 * sd)))
    text = f"{high:.1%} of frame pairs move as if a frame were missing, {low:.1%} as if one were repeated."
    uneven = high + low > 0.02
    repeated = low > 0.1
    return desk.check(
        "evenness", "Even frame times", text, Verdict.WARNING if uneven else Verdict.MET,
        estimate=number("uneven_pair_percent", 100 * (high + low), "%", int(known.sum()), "frame pair"),
        limit=("at most 2 % of frame pairs", None, 2.0),
        remedy="Record with fewer other programs running, to a fast disk, without conversion." if uneven else "",
        refuse="repeated-frames" if repeated else "",
    )  # fmt: skip


def lag_ratio(tracks: Tracks) -> tuple[float, float]:
    """Return how straight the mean squared displacement is: its rise from lag 2 to 3 over that from 1 to 2, and its SE.

    1 for free diffusion, whatever blur and localisation error add; near 0 for noise and what is confined. Only tracks
    of 8 spots or more without gaps speak; the error is by jackknife over 20 groups of tracks.
    """
    count = np.bincount(tracks.track) if tracks.track.size else np.zeros(0, dtype=np.int64)
    span = np.zeros(count.size, dtype=np.int64)
    first = np.searchsorted(tracks.track, np.arange(count.size))
    if count.size:
        span = tracks.frame[first + count - 1] - tracks.frame[first] + 1
    good = (count >= 8) & (span == count)
    which = good[tracks.track] if tracks.track.size else np.zeros(0, dtype=np.bool_)
    track, x, y = tracks.track[which], tracks.x_px[which], tracks.y_px[which]
    sums, numbers = np.zeros((3, 20)), np.zeros((3, 20))
    for lag in (1, 2, 3):
        same = track[lag:] == track[:-lag]
        square = ((x[lag:] - x[:-lag]) ** 2 + (y[lag:] - y[:-lag]) ** 2)[same]
        group = track[lag:][same] % 20
        sums[lag - 1] = np.bincount(group, weights=square, minlength=20)
        numbers[lag - 1] = np.bincount(group, minlength=20)
    if np.any(numbers == 0):
        return math.nan, math.nan

    def ratio(total: FloatArray, number: FloatArray) -> float:
        msd = total / number
        return float((msd[2] - msd[1]) / (msd[1] - msd[0])) if msd[1] != msd[0] else math.nan

    left = np.array([ratio(sums.sum(1) - sums[:, g], numbers.sum(1) - numbers[:, g]) for g in range(20)])
    return ratio(sums.sum(1), numbers.sum(1)), float(np.sqrt(19 / 20 * np.sum((left - left.mean()) ** 2)))


def _free_diffusion(desk: Desk, tracks: Tracks) -> Check:
    value, error = lag_ratio(tracks)
    if not (math.isfinite(value) and error < 0.5):
        return desk.check("free-diffusion", "Free diffusion", "Too few long tracks to tell.", Verdict.NOT_MEASURED)
    text = f"The mean squared displacement rises {value:.2f} ± {error:.2f} as fast from lag 2 to 3 as from lag 1 to 2."
    off = abs(value - 1) > max(3 * error, 0.1)
    confined = value < 0.3 and value + 3 * error < 0.7
    return desk.check(
        "free-diffusion", "Free diffusion", text, Verdict.WARNING if off else Verdict.MET,
        estimate=number("lag_ratio", value, "", tracks.track_count, "track", 1.96 * error),
        limit=("within 0.1 of 1, or three standard errors", None, None),
        remedy="Motion is not free diffusion in a still liquid; Stokes-Einstein sizes do not hold." if off else "",
        refuse="no-diffusion" if confined else "",
    )  # fmt: skip
