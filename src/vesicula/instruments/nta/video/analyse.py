"""From a movie, or exported tracks, to size distribution and concentration, or to a reason why there are none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vesicula._version import __version__
from vesicula.core.errors import AnalysisError
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Criterion, Finding, InputRef, MethodRef, Verdict
from vesicula.core.measurement import Capture, FloatArray
from vesicula.core.reference import validity_rules
from vesicula.instruments.nta.validity import RuleResult, check_capture
from vesicula.instruments.nta.video import motion
from vesicula.instruments.nta.video.concentration import (
    Concentration,
    ConcentrationSettings,
    above_limit,
    concentration,
)
from vesicula.instruments.nta.video.detect import (
    DetectSettings,
    detect,
    estimate_spot_sigma_px,
    kernel_facts,
    threshold_for,
)
from vesicula.instruments.nta.video.diagnostics import (
    TOPIC,
    Check,
    Desk,
    Limits,
    Refusal,
    check_frames,
    check_spots,
    number,
    refusals,
)
from vesicula.instruments.nta.video.diffusion import TrackStatistics, track_statistics
from vesicula.instruments.nta.video.drift import drift_px, remove_drift
from vesicula.instruments.nta.video.exported import exported_settings
from vesicula.instruments.nta.video.link import LinkReport, LinkSettings, link_with_report
from vesicula.instruments.nta.video.model import Frame, Movie, Optics, Spots, Tracks
from vesicula.instruments.nta.video.size import SizeDistribution, SizeSettings, size_distribution
from vesicula.instruments.nta.video.watch import FrameStatistics, FrameWatch, texture

Progress = Callable[[str, int, int | None], None]
"""Called with the step's name, how much of it is done, and of how much (None where unknown)."""

NOT_CARRIED = (
    "temperature and viscosity of the medium beyond half a degree Celsius: each degree changes all diameters by 2.4 %",
    "size of a pixel in the sample: an error of 1 % changes all diameters by 2 %",
    "thickness of the light sheet and depth of field, on which concentration depends; calibrate with beads",
    "refractive index of the particles, on which it depends which sizes are bright enough to be seen at all",
    "differences between videos, loads and samples: one video shows none of them",
)
"""What the intervals leave out, in words."""


CHAIN_RELATIVE_SD = 0.012
"""What scales all diameters of one video alike and no track tells: half a degree Celsius (2.4 % of diameter a degree,
from the viscosity of water). Pixels and wrong links shift simulated beads by another 1 % (docs/validation/nta.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisVideoSettings:
    """How a video is analysed.

    Attributes
    ----------
    detect, link, size : DetectSettings, LinkSettings, SizeSettings
        Of the single steps.
    limits : Limits
        Beyond which a video is remarked on, or refused.
    dilution : float
        From sample to cell.
    rate_given : bool
        Whether the frame rate was given by hand: the container's is then not believed.
    most_frames : int or None
        Analyse no more.
    frames_shown : int
        Kept for the page.
    sensitivity_frames : int
        Frames on which threshold sensitivity is tried; 0 leaves it out.
    """

    detect: DetectSettings = field(default_factory=DetectSettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    size: SizeSettings = field(default_factory=lambda: SizeSettings(calibration_relative_sd=CHAIN_RELATIVE_SD))
    limits: Limits = field(default_factory=Limits)
    dilution: float = 1.0
    rate_given: bool = False
    most_frames: int | None = None
    frames_shown: int = 4
    sensitivity_frames: int = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoVerdict:
    """Whether the video gives numbers, and why not.

    Attributes
    ----------
    measured : bool
    headline : str
        One sentence.
    refusals : tuple of Refusal
        Empty where `measured`.
    remarks : tuple of str
        Titles of the checks that were not passed.
    """

    measured: bool
    headline: str
    refusals: tuple[Refusal, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoAnalysis:
    """All that an analysis found.

    Attributes
    ----------
    name : str
        Of the movie.
    optics : Optics
        As used, frame size included.
    settings : AnalysisVideoSettings
    sigma_px : float
        Width of a spot in focus, as used; NaN for exported tracks.
    frames : FrameStatistics or None
        None for exported tracks.
    spots_per_frame : numpy.ndarray, shape (frames,)
    spot_widths_px : numpy.ndarray, shape (3,)
        10, 50 and 90 % of the widths.
    tracks : Tracks or None
        Stuck ones taken out; drift not removed.
    stuck_tracks : int
        How many were taken out.
    drift_px : numpy.ndarray, shape (frames, 2)
        Displacement of the liquid since the first frame.
    link_report : LinkReport or None
    statistics : TrackStatistics or None
        Per track, drift removed.
    distribution : SizeDistribution or None
        Corrected for the observed depth where `concentration` is there; None where the verdict is no measurement.
    concentration : Concentration or None
    findings : tuple of Finding
        Checks first, then numbers.
    verdict : VideoVerdict
    shown : tuple of (int, Frame)
        A few frames, with their numbers.
    not_carried : tuple of str
        What the intervals leave out.
    """

    name: str
    optics: Optics
    settings: AnalysisVideoSettings
    sigma_px: float
    frames: FrameStatistics | None
    spots_per_frame: FloatArray
    spot_widths_px: FloatArray
    tracks: Tracks | None
    stuck_tracks: int
    drift_px: FloatArray
    link_report: LinkReport | None
    statistics: TrackStatistics | None
    distribution: SizeDistribution | None
    concentration: Concentration | None
    findings: tuple[Finding, ...]
    verdict: VideoVerdict
    shown: tuple[tuple[int, Frame], ...] = ()
    not_carried: tuple[str, ...] = NOT_CARRIED

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The numbers; empty where the verdict is no measurement."""
        sizes = () if self.distribution is None else self.distribution.estimates
        return sizes if self.concentration is None else (*sizes, self.concentration.estimate)


@dataclass(slots=True, kw_only=True)
class _State:
    """What is known so far; everything a refusal may leave open has its empty value."""

    name: str
    optics: Optics
    settings: AnalysisVideoSettings
    desk: Desk
    checks: list[Check] = field(default_factory=list)
    sigma_px: float = math.nan
    contrast: float = 0.0
    frames: FrameStatistics | None = None
    spots_per_frame: FloatArray = field(default_factory=lambda: np.zeros(0))
    spot_widths_px: FloatArray = field(default_factory=lambda: np.full(3, np.nan))
    tracks: Tracks | None = None
    stuck: int = 0
    drift: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    report: LinkReport | None = None
    statistics: TrackStatistics | None = None
    shown: tuple[tuple[int, Frame], ...] = ()

    def refuse(self, code: str, error: AnalysisError, remedy: str) -> None:
        self.checks.append(self.desk.check(code, "Analysis", str(error), Verdict.NOT_MET, refuse=code, remedy=remedy))

    def result(self, distribution: SizeDistribution | None = None, found: Concentration | None = None) -> VideoAnalysis:
        reasons = refusals(self.checks)
        if reasons:
            distribution, found = None, None
        checks = tuple(c.finding for c in self.checks)
        numbers = _number_findings(self.desk, distribution, found)
        return VideoAnalysis(
            name=self.name, optics=self.optics, settings=self.settings, sigma_px=self.sigma_px, frames=self.frames,
            spots_per_frame=self.spots_per_frame, spot_widths_px=self.spot_widths_px, tracks=self.tracks,
            stuck_tracks=self.stuck, drift_px=self.drift, link_report=self.report, statistics=self.statistics,
            distribution=distribution, concentration=found, findings=(*checks, *numbers),
            verdict=_verdict(reasons, checks, distribution, found), shown=self.shown,
        )  # fmt: skip


def analyse_video(
    movie: Movie,
    optics: Optics,
    settings: AnalysisVideoSettings,
    rng: np.random.Generator,
    progress: Progress | None = None,
    *,
    inputs: tuple[InputRef, ...] = (),
) -> VideoAnalysis:
    """Analyse a video, streamed: memory does not grow with the frames, but with the spots.

    Parameters
    ----------
    movie : Movie
        Frames, read twice: a few to see what they hold, then all.
    optics : Optics
        The instrument. Frame size and bit depth are taken from the movie.
    settings : AnalysisVideoSettings
    rng : numpy.random.Generator
        For the intervals.
    progress : callable, optional
        See `Progress`.
    inputs : tuple of InputRef
        Files behind the movie, for the findings.

    Returns
    -------
    VideoAnalysis
        With numbers, or with a verdict that says why there are none and what to do.

    Raises
    ------
    UnreadableFile
        If not even the first frame can be read.
    """
    tell = progress or (lambda _step, _done, _total: None)
    height, width = movie.shape
    sources = {**optics.sources, "width_px": "of the video", "height_px": "of the video"}
    state = _State(
        name=movie.name, optics=replace(optics, width_px=width, height_px=height, sources=sources), settings=settings,
        desk=Desk(name=movie.name, inputs=inputs),
    )  # fmt: skip
    tell("looking", 0, None)
    if not _look(movie, state):
        return state.result()
    spots = _detect(movie, state, tell)
    if spots is None:
        return state.result()
    tell("linking", 0, None)
    linked, state.report = link_with_report(spots, settings.link, movie.shape)
    _judge_tracks(state, linked)
    if refusals(state.checks) or state.tracks is None:
        return state.result()
    if settings.sensitivity_frames:
        tell("trying thresholds", 0, None)
        state.checks.append(_sensitivity(movie, state))
    return _measure(state, rng, tell)


def analyse_tracks(
    tracks: Tracks,
    optics: Optics,
    settings: AnalysisVideoSettings,
    rng: np.random.Generator,
    progress: Progress | None = None,
    *,
    name: str = "exported tracks",
    inputs: tuple[InputRef, ...] = (),
) -> VideoAnalysis:
    """Analyse tracks that an instrument exported: sizes and diagnostics of motion, without what only pictures tell.

    Parameters
    ----------
    tracks : Tracks
        Positions; where amplitude and SNR are not finite and positive there is no concentration.
    optics : Optics
    settings : AnalysisVideoSettings
    rng : numpy.random.Generator
    progress : callable, optional
    name : str
        For findings and page.
    inputs : tuple of InputRef

    Returns
    -------
    VideoAnalysis
        Without frames. Concentration is left out: exports hold neither all spots nor the threshold.
    """
    tell = progress or (lambda _step, _done, _total: None)
    height, width = tracks.shape_px
    settings = replace(settings, size=exported_settings(settings.size))
    state = _State(
        name=name, optics=replace(optics, width_px=width, height_px=height), settings=settings,
        desk=Desk(name=name, inputs=inputs),
    )  # fmt: skip
    state.spots_per_frame = np.bincount(tracks.frame, minlength=tracks.frame_count).astype(np.float64)
    _judge_tracks(state, tracks)
    if refusals(state.checks):
        return state.result()
    return _measure(state, rng, tell, counted=False)


def camera_limit(frame: Frame, optics: Optics) -> float:
    """Return the brightest count that the camera can give."""
    return 255.0 if frame.dtype == np.uint8 else float(2**optics.bit_depth - 1 if optics.bit_depth > 8 else 65535)


def _look(movie: Movie, state: _State) -> bool:
    """Judge the first frames: is it worth going on? Sets the width of a spot."""
    first = list(itertools.islice(movie.frames(), 16))
    limit = camera_limit(first[0], state.optics) if first else 255.0
    watch = FrameWatch(movie=movie, limit_counts=limit, most_frames=len(first) if first else 0)
    for _ in watch.frames():
        pass
    state.frames, state.shown = watch.statistics(), watch.shown(state.settings.frames_shown)
    if first and min(first[0].shape) >= 16:
        _scale(first, state)
    # What 16 frames cannot know, the file's length, is left to the whole reading; a short movie is read whole here.
    if len(first) == 16:
        state.frames = replace(state.frames, stated_count=None, partial=True)
    early = _frame_checks(state.frames, state)
    if refusals(early) and (len(first) < 16 or not _mends(refusals(early))):
        state.checks += early
        return False
    return True


def _scale(first: list[Frame], state: _State) -> None:
    """Find the width of a spot, and how bright spots are over the ground."""
    fallback = state.optics.psf_sigma_um / state.optics.um_per_px
    try:
        given = state.settings.detect
        sigma = given.sigma_px or estimate_spot_sigma_px(first[:8], polarity=given.polarity)
    except AnalysisError:
        sigma = fallback
    state.sigma_px = float(np.clip(sigma, 0.8, 20.0))
    spots = detect(first[:8], replace(state.settings.detect, sigma_px=state.sigma_px))
    ground = texture(first[0]).sd_counts
    if spots.amplitude.size and ground > 0:
        state.contrast = float(np.percentile(spots.amplitude, 90)) / ground


def _frame_checks(frames: FrameStatistics, state: _State) -> list[Check]:
    return check_frames(
        state.desk, frames, state.optics, state.settings.limits, rate_given=state.settings.rate_given,
        contrast=state.contrast,
    )  # fmt: skip


def _mends(reasons: tuple[Refusal, ...]) -> bool:
    """Say whether the whole movie may look better than its first frames did."""
    return all(r.code in {"repeated-frames", "too-few-frames", "constant"} for r in reasons)


def _detect(movie: Movie, state: _State, tell: Progress) -> Spots | None:
    settings = state.settings
    watch = FrameWatch(
        movie=movie, limit_counts=camera_limit(state.shown[0][1], state.optics), most_frames=settings.most_frames
    )
    total = settings.most_frames or movie.frame_count
    wanted = replace(settings.detect, sigma_px=state.sigma_px)
    try:
        spots = detect(watch.frames(), wanted, progress=lambda done: tell("detecting", done, total))
    except AnalysisError as error:
        state.refuse("detection", error, "Export the recording anew, as one video of one size.")
        return None
    for warning in getattr(movie, "warnings", ()):
        if warning.code == "video-truncated":
            watch.read_error = watch.read_error or warning.message
    state.frames, state.shown = watch.statistics(), watch.shown(settings.frames_shown)
    if settings.most_frames is not None and state.frames.count >= settings.most_frames:
        state.frames = replace(state.frames, stated_count=None)
    state.checks += _frame_checks(state.frames, state)
    false = settings.detect.false_per_frame
    if not refusals(state.checks):
        state.checks += check_spots(state.desk, spots, state.optics, settings.limits, false, state.sigma_px)
    state.spots_per_frame = np.bincount(spots.frame, minlength=spots.frame_count).astype(np.float64)
    if spots.frame.size:
        state.spot_widths_px = np.percentile(spots.sigma_px, [10, 50, 90])
    return None if refusals(state.checks) else spots


def _judge_tracks(state: _State, linked: Tracks) -> None:
    stuck = motion.stuck_tracks(linked, state.optics)
    tracks = motion.without(linked, stuck)
    state.tracks, state.stuck = tracks, int(stuck.size)
    state.drift = np.vstack([np.zeros((1, 2)), np.cumsum(drift_px(tracks), axis=0)])[: tracks.frame_count]
    state.checks += motion.check_tracks(
        state.desk, tracks, state.optics, state.settings.limits, report=state.report, stuck=state.stuck,
        drift_removed=remove_drift(tracks),
    )  # fmt: skip
    if not refusals(state.checks):
        state.statistics = track_statistics(tracks, state.optics, minimum_spots=3, drift_px=state.drift)
    state.checks += _rules(state, linked)


def _rules(state: _State, linked: Tracks) -> list[Check]:
    """Judge by the published rules for the instrument that the preset is like."""
    name = state.optics.name.lower()
    instrument = "NanoSight" if "nanosight" in name else "ZetaView" if "zetaview" in name else state.optics.name
    counts = np.bincount(linked.track) if linked.track.size else np.zeros(0, dtype=np.int64)
    capture = Capture(
        name=state.name, bin_edges_nm=np.array([1.0, 2.0]), particle_count=np.array([0.0]),
        tracks_used=int((counts >= 3).sum()), tracks_completed=int((counts >= 2).sum()),
        particles_per_frame=linked.frame.size / max(linked.frame_count, 1),
        conditions={"frame_rate_per_s": state.optics.frame_rate_per_s, "frames_analysed": float(linked.frame_count)},
    )  # fmt: skip
    wanted = {"particles_per_frame", "tracks_completed", "tracks_used", "video_length_s"}
    results = [r for r in check_capture(capture, instrument=instrument, rules=validity_rules()) if r.quantity in wanted]
    return [Check(finding=_rule_finding(state.desk, r, instrument)) for r in results]


def _rule_finding(desk: Desk, rule: RuleResult, instrument: str) -> Finding:
    title = {
        "particles_per_frame": "Particles per frame", "tracks_completed": "Completed tracks",
        "tracks_used": "Tracks used", "video_length_s": "Length of video",
    }[rule.quantity]  # fmt: skip
    low = "" if rule.low is None else f"at least {rule.low:g}"
    high = "" if rule.high is None else f"at most {rule.high:g}"
    limits = " and ".join(p for p in (low, high) if p) + (f" {rule.unit}" if rule.unit else "")
    value = "not known" if rule.value is None else f"{rule.value:.4g}"
    text = f"{title}: {value}; limit for {instrument}: {limits} ({rule.citation.text})."
    if rule.passed is False:
        text += f" {rule.text}"
    missed = Verdict.WARNING if rule.severity == "warning" else Verdict.NOT_JUDGED
    return Finding(
        id=f"{desk.name}/{TOPIC}/{rule.rule_id}", batch=desk.name, topic=TOPIC, title=title, statement=text,
        verdict=Verdict.NOT_MEASURED if rule.passed is None else Verdict.MET if rule.passed else missed,
        estimate=None if rule.value is None else number(rule.quantity, rule.value, rule.unit, 1, "video"),
        criterion=Criterion(text=limits, low=rule.low, high=rule.high, source=rule.citation), inputs=desk.inputs,
        method=MethodRef(name="nta.validity", version=__version__, parameters={"rule": rule.rule_id}),
        citations=(rule.citation,),
    )  # fmt: skip


def threshold_snr(optics: Optics, settings: DetectSettings, sigma_px: float) -> tuple[float, float]:
    """Return the detection threshold in noise SDs of the filtered frame, and those per unit of a spot's `snr`."""
    gain, noise_gain, curvature = kernel_facts(sigma_px)
    return threshold_for(settings.false_per_frame, optics.width_px * optics.height_px, curvature), gain / noise_gain


def _sensitivity(movie: Movie, state: _State) -> Check:
    """Detect again at 0.8 and 1.25 times the threshold, on the first frames."""
    settings = state.settings
    height, _ = threshold_snr(state.optics, settings.detect, state.sigma_px)
    rows = []
    for factor in (0.8, 1.0, 1.25):
        # False alarms go as u exp(-u^2 / 2) with the threshold u (see detect).
        false = settings.detect.false_per_frame * factor * math.exp(-0.5 * (factor**2 - 1) * height**2)
        wanted = replace(settings.detect, sigma_px=state.sigma_px, false_per_frame=float(np.clip(false, 1e-12, 100.0)))
        spots = detect(itertools.islice(movie.frames(), settings.sensitivity_frames), wanted)
        tracks, _ = link_with_report(spots, settings.link, movie.shape)
        tracks = motion.without(tracks, motion.stuck_tracks(tracks, state.optics))
        found = track_statistics(remove_drift(tracks), state.optics, minimum_spots=8)
        size = float(np.median(found.diameter_nm)) if found.track.size >= 10 else math.nan
        rows.append((spots.frame.size / max(spots.frame_count, 1) - min(false, 100.0), size))
    counts, sizes = [r[0] for r in rows], [r[1] for r in rows]
    change = (counts[0] - counts[2]) / counts[1] if counts[1] > 0 else math.nan
    text = (
        "At 0.8, 1 and 1.25 times the threshold: "
        + ", ".join(f"{c:.1f}" for c in counts)
        + " particles per frame (expected false ones taken off); median diameter of long tracks "
        + ", ".join("not known" if math.isnan(s) else f"{s:.0f}" for s in sizes)
        + " nm."
    )
    strong = math.isfinite(change) and change > 0.5
    return state.desk.check(
        "threshold", "Threshold sensitivity", text, Verdict.WARNING if strong else Verdict.MET,
        estimate=number("count_change_percent", 100 * change, "%", settings.sensitivity_frames, "frame")
        if math.isfinite(change) else None,
        limit=("count changes by at most 50 %", None, 50.0),
        remedy="Many particles lie near the threshold: the count hangs on it, and the smallest are missed."
        if strong else "",
    )  # fmt: skip


def _range_of_sizes(state: _State, sizes: SizeDistribution) -> Check:
    """Refuse sizes that pile up at an end of the range considered: the true ones lie beyond it."""
    log_d = np.log(sizes.diameters_nm)
    place = (log_d - log_d[0]) / (log_d[-1] - log_d[0])
    seen = sizes.occupancy / sizes.occupancy.sum()
    ends = 100 * float(seen[(place < 0.01) | (place > 0.99)].sum())
    bad = ends > 5.0
    given = state.settings.size
    return state.desk.check(
        "size-range", "Range of sizes",
        f"{ends:.1f} % of the spots belong to sizes at an end of {given.smallest_nm:g} to {given.largest_nm:g} nm.",
        Verdict.NOT_MET if bad else Verdict.MET,
        estimate=number("share_at_ends_percent", ends, "%", sizes.track_count, "track"),
        limit=("at most 5 % within a hundredth of an end of the log range", None, 5.0),
        remedy="What moves is larger or smaller than NTA measures, or pixel size, frame rate or exposure are wrong."
        if bad else "",
        refuse="out-of-range" if bad else "",
    )  # fmt: skip


def _limit_of_detection(state: _State, found: Concentration) -> Check:
    """Say below which diameter particles are too dim to be seen, and that the numbers leave them out."""
    limit = found.lower_limit_nm
    if limit is None:
        text = (
            "Brightness does not tell below which diameter particles are too dim to be seen: those seen are of about "
            "one size, or bright enough throughout."
        )
        return state.desk.check("lower-limit", "Lower limit of detection", text, Verdict.NOT_JUDGED)
    text = (
        f"Particles below {limit:.0f} nm are too dim here: they are seen in less than a quarter of the depth in which "
        "large ones are. All numbers are of particles from there on; there may be any number of smaller ones."
    )
    return state.desk.check(
        "lower-limit", "Lower limit of detection", text, Verdict.NOT_JUDGED,
        estimate=number("lower_limit_diameter_nm", limit, "nm", found.estimate.n, "track"),
    )  # fmt: skip


def _measure(state: _State, rng: np.random.Generator, tell: Progress, *, counted: bool = True) -> VideoAnalysis:
    tracks = state.tracks
    assert tracks is not None  # noqa: S101 - for the type checker; set by _judge_tracks
    tell("sizes", 0, None)
    try:
        sizes = size_distribution(tracks, state.optics, state.settings.size, rng, drift_px=state.drift)
    except AnalysisError as error:
        state.refuse("too-few-tracks", error, "Record longer, several videos, or dilute less.")
        return state.result()
    state.checks.append(_range_of_sizes(state, sizes))
    if refusals(state.checks) or not counted:
        return state.result(sizes)
    tell("concentration", 0, None)
    threshold, per_snr = threshold_snr(state.optics, state.settings.detect, state.sigma_px)
    # The model of brightness wants heights in noise SDs of the filtered frame, where the threshold is set; the
    # localisation variance, which goes as 1/snr^2, is scaled back.
    heights = replace(tracks, snr=tracks.snr * per_snr)
    try:
        found = concentration(
            heights,
            replace(sizes, localisation_scale=sizes.localisation_scale * per_snr**2),
            state.optics,
            ConcentrationSettings(
                threshold_snr=threshold,
                minimum_spots=state.settings.size.minimum_spots,
                false_spots_per_frame=state.settings.detect.false_per_frame,
                dilution=state.settings.dilution,
            ),
            rng,
            drift_px=state.drift,
        )
    except AnalysisError as error:
        state.refuse("concentration", error, "Record again with more particles.")
        return state.result()
    found = above_limit(found)
    state.checks.append(_limit_of_detection(state, found))
    corrected = replace(found.distribution, localisation_scale=sizes.localisation_scale)
    return state.result(corrected, replace(found, distribution=corrected))


NAMES: Mapping[str, str] = {
    "mean_diameter_nm": "Mean diameter", "mode_diameter_nm": "Mode diameter", "d10_nm": "D10", "d50_nm": "D50 (median)",
    "d90_nm": "D90", "concentration_per_ml": "Concentration",
}  # fmt: skip


def _number_findings(
    desk: Desk, distribution: SizeDistribution | None, found: Concentration | None
) -> tuple[Finding, ...]:
    if distribution is None:
        return ()
    estimates = (*distribution.estimates, *(() if found is None else (found.estimate,)))
    from vesicula.core.format import format_estimate

    return tuple(
        Finding(
            id=f"{desk.name}/{'concentration' if e.unit == '/mL' else 'size'}/{e.quantity}", batch=desk.name,
            topic="concentration" if e.unit == "/mL" else "size", title=NAMES.get(e.quantity, e.quantity),
            statement=f"{NAMES.get(e.quantity, e.quantity)}: {format_estimate(e)}.", verdict=Verdict.NOT_JUDGED,
            headline=True, estimate=e, inputs=desk.inputs,
            method=MethodRef(name="nta.video.size" if e.unit == "nm" else "nta.video.concentration",
                             version=__version__),
        )
        for e in estimates
    )  # fmt: skip


def _verdict(
    reasons: tuple[Refusal, ...], checks: tuple[Finding, ...], distribution: SizeDistribution | None,
    found: Concentration | None,
) -> VideoVerdict:  # fmt: skip
    remarks = tuple(dict.fromkeys(f.title for f in checks if f.verdict in (Verdict.WARNING, Verdict.NOT_MET)))
    if reasons or distribution is None:
        why = reasons[0].reason if reasons else "There is nothing to measure."
        return VideoVerdict(measured=False, headline=f"No measurement: {why}", refusals=reasons, remarks=remarks)
    from vesicula.core.format import format_number

    d50 = distribution.estimate("d50_nm")
    what = f"median diameter {format_number(d50.value, 'nm')} nm"
    if found is not None:
        what += f", {format_number(found.estimate.value)} particles per mL"
        if found.lower_limit_nm is not None:
            what += f", of particles from {format_number(found.lower_limit_nm, 'nm')} nm on (smaller ones are too dim)"
    tail = f"; {len(remarks)} remarks bear on it" if len(remarks) > 1 else "; one remark bears on it" if remarks else ""
    return VideoVerdict(measured=True, headline=f"Measured: {what}{tail}.", refusals=(), remarks=remarks)


def settings_table(settings: AnalysisVideoSettings) -> list[tuple[str, str]]:
    """Return every setting by its dotted name, for page and result file."""
    from dataclasses import asdict

    rows: list[tuple[str, str]] = []

    def walk(prefix: str, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(f"{prefix}{key}.", value)
            else:
                rows.append((f"{prefix}{key}", "from the data" if value is None else str(value)))

    walk("", asdict(settings))
    return rows
