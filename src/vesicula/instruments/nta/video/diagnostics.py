"""Is a video one that particle tracking is valid for? Each check is a finding; some are reasons to give no number.

Limits that no publication sets are ours and say so. A refusal names its reason and what to do about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import theilslopes

from vesicula._version import __version__
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Citation, Criterion, Finding, InputRef, MethodRef, Verdict
from vesicula.core.measurement import FloatArray
from vesicula.instruments.nta.video.model import Optics, Spots
from vesicula.instruments.nta.video.watch import FrameStatistics

TOPIC = "nta-video"

OURS = Citation(text="vesicula's own limit", note="no published limit is known to us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond which a video is remarked on, or refused; all ours but `most_drift_um_per_s`.

    Attributes
    ----------
    rate_disagreement : float
        Relative; diameters are wrong by as much. 0.02 is what 1 degree Celsius does.
    most_repeated_share : float
        Frames equal to the one before.
    most_missing_share : float
        Frames that the container promises and does not give.
    most_drift_um_per_s : float
        Faster flow is not tracked soundly.
    overlap_warning, overlap_refusal : float
        Share of spots expected to have another within three of their widths.
    ambiguity_warning, ambiguity_refusal : float
        Other particles expected within one step: wrong links.
    saturated_warning, saturated_refusal : float
        Share of spots that hold a saturated pixel.
    saturated_pixels : float
        Share of a whole frame at the camera's limit.
    texture_correlation, texture_excess, least_contrast : float
        Ground made of unresolved particles: correlation of neighbours, SD over what camera and light explain, and
        brightness of the brighter spots over that SD. Found by simulation: vesicles and beads of which less than
        half are detected for the crowd lie beyond all three, or beyond `overlap_refusal`.
    least_frames : int
        Fewer give no track worth the name.
    """

    rate_disagreement: float = 0.02
    most_repeated_share: float = 0.01
    most_missing_share: float = 0.01
    most_drift_um_per_s: float = 30.0
    overlap_warning: float = 0.05
    overlap_refusal: float = 0.20
    ambiguity_warning: float = 0.10
    ambiguity_refusal: float = 0.40
    saturated_warning: float = 0.20
    saturated_refusal: float = 0.50
    saturated_pixels: float = 0.005
    texture_correlation: float = 0.2
    texture_excess: float = 1.15
    least_contrast: float = 30.0
    least_frames: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a video gives no number.

    Attributes
    ----------
    code : str
        Stable, kebab-case.
    reason, remedy : str
        One sentence each.
    """

    code: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A finding, and the refusal where it is one."""

    finding: Finding
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all checks of a video share: its name and the files behind it."""

    name: str
    inputs: tuple[InputRef, ...] = ()

    def check(  # noqa: PLR0913 - the fields of a finding
        self,
        key: str,
        title: str,
        statement: str,
        verdict: Verdict,
        *,
        estimate: Estimate | None = None,
        limit: tuple[str, float | None, float | None] | None = None,
        source: Citation = OURS,
        remedy: str = "",
        refuse: str = "",
    ) -> Check:
        """Make a check; `refuse` is the refusal's code, with `remedy`."""
        finding = Finding(
            id=f"{self.name}/{TOPIC}/{key}",
            batch=self.name,
            topic=TOPIC,
            title=title,
            statement=f"{statement} {remedy}".strip() if verdict in (Verdict.WARNING, Verdict.NOT_MET) else statement,
            verdict=Verdict.NOT_MET if refuse else verdict,
            estimate=estimate,
            criterion=None if limit is None else Criterion(text=limit[0], low=limit[1], high=limit[2], source=source),
            inputs=self.inputs,
            method=MethodRef(name=f"nta.video.{key}", version=__version__),
        )
        return Check(
            finding=finding,
            refusal=Refusal(code=refuse, reason=statement, remedy=remedy) if refuse else None,
        )


def number(quantity: str, value: float, unit: str, n: int, of: str, half: float | None = None) -> Estimate:
    """Return an estimate, with an interval of half-width `half` where it is given."""
    low, high = (None, None) if half is None else (value - half, value + half)
    return Estimate(quantity=quantity, value=value, unit=unit, low=low, high=high, n=max(n, 1), unit_of_replication=of)


def level_of(value: float, warning: float, refusal: float) -> Literal["fine", "warning", "refuse"]:
    """Place a value against two limits."""
    return "refuse" if value > refusal else "warning" if value > warning else "fine"


# What the frames say


def check_frames(
    desk: Desk, frames: FrameStatistics, optics: Optics, limits: Limits, *, rate_given: bool = False,
    contrast: float = 0.0,
) -> list[Check]:  # fmt: skip
    """Judge a movie by its frames alone.

    Parameters
    ----------
    desk : Desk
    frames : FrameStatistics
    optics : Optics
    limits : Limits
    rate_given : bool
        Whether the user gave the frame rate, so that the container's may differ.
    contrast : float
        90th percentile of the spots' heights over the SD of the ground; 0 where not known.

    Returns
    -------
    list of Check
        Length, frame rate, repeated frames, ground, saturation of whole frames.
    """
    checks = [_length(desk, frames, limits), _frame_rate(desk, frames, optics, limits, rate_given=rate_given)]
    if frames.count > 1:
        checks.append(_repeated(desk, frames, limits))
    checks += [_bright_frames(desk, frames, limits), _ground(desk, frames, optics, limits, contrast)]
    return checks


def _length(desk: Desk, frames: FrameStatistics, limits: Limits) -> Check:
    stated, got = frames.stated_count, frames.count
    missing = 0 if stated is None else max(stated - got, 0)
    broken = bool(frames.read_error) or missing > max(2.0, limits.most_missing_share * (stated or 0))
    of = f" of {stated} that the file promises" if stated is not None and missing else ""
    estimate = number("frames", got, "frames", got, "frame")
    if broken:
        why = f" ({frames.read_error.rstrip('.')})" if frames.read_error else ""
        return desk.check(
            "length", "Length", f"The video breaks off: {got} frames{of} could be read{why}.", Verdict.NOT_MET,
            estimate=estimate, refuse="truncated",
            remedy="Copy the file anew from the instrument's computer, or record again.",
        )  # fmt: skip
    if got < limits.least_frames:
        return desk.check(
            "length", "Length", f"The video has {got} frame{'s' if got != 1 else ''}; motion cannot be seen in so few.",
            Verdict.NOT_MET, estimate=estimate, limit=("at least 10 frames", limits.least_frames, None),
            refuse="too-few-frames", remedy="Record a video of 30 to 60 s.",
        )  # fmt: skip
    if frames.partial:
        text = f"Only the first {got} frames were looked at, and they settle it."
        return desk.check("length", "Length", text, Verdict.NOT_JUDGED, estimate=estimate)
    return desk.check("length", "Length", f"All {got} frames were read.", Verdict.MET, estimate=estimate)


def _frame_rate(desk: Desk, frames: FrameStatistics, optics: Optics, limits: Limits, *, rate_given: bool) -> Check:
    used, stated = optics.frame_rate_per_s, frames.stated_rate_per_s
    estimate = number("frame_rate_per_s", used, "/s", 1, "video")
    if stated is None or stated <= 0:
        text = f"The file states no frame rate; {used:g} frames/s of the instrument's description are used."
        return desk.check("frame-rate", "Frame rate", text, Verdict.NOT_JUDGED, estimate=estimate)
    off = stated / used - 1
    limit = (f"within {limits.rate_disagreement:.0%} of the file's rate", None, None)
    text = f"The file states {stated:.4g} frames/s, the analysis uses {used:.4g} ({off:+.1%})."
    if abs(off) <= limits.rate_disagreement:
        return desk.check("frame-rate", "Frame rate", text, Verdict.MET, estimate=estimate, limit=limit)
    text += f" Diameters would be wrong by {abs(off):.0%} if the file is right."
    remedy = "Find the camera's true frame rate and give it with --frame-rate."
    return desk.check(
        "frame-rate", "Frame rate", text, Verdict.WARNING, estimate=estimate, limit=limit,
        remedy="The rate was given by hand and is believed." if rate_given else remedy,
        refuse="" if rate_given else "frame-rate",
    )  # fmt: skip


def _repeated(desk: Desk, frames: FrameStatistics, limits: Limits) -> Check:
    share = float(frames.repeated[1:].mean())
    estimate = number("repeated_frame_percent", 100 * share, "%", frames.count, "frame")
    limit = ("at most 1 % of frames", None, 100 * limits.most_repeated_share)
    if share >= 0.99:
        return desk.check(
            "repeated-frames", "Repeated frames", "All frames are the same picture.", Verdict.NOT_MET,
            estimate=estimate, limit=limit, refuse="constant", remedy="Export the video again; this one is frozen.",
        )  # fmt: skip
    if share > limits.most_repeated_share:
        text = f"{share:.0%} of the frames repeat the one before: the true frame rate is lower than the file's."
        return desk.check(
            "repeated-frames", "Repeated frames", text, Verdict.NOT_MET, estimate=estimate, limit=limit,
            refuse="repeated-frames", remedy="Export the video with the camera's own frames, without conversion.",
        )  # fmt: skip
    return desk.check(
        "repeated-frames", "Repeated frames", f"{frames.repeated.sum():.0f} frames equal the one before.", Verdict.MET,
        estimate=estimate, limit=limit,
    )  # fmt: skip


def expected_noise_counts(mean_counts: float, optics: Optics) -> float:
    """Return the SD of a pixel that light of this mean level and the described camera explain, in counts."""
    light = max(mean_counts - optics.offset_counts, 0.0) / optics.gain_electrons_per_count
    read = optics.read_noise_electrons / optics.gain_electrons_per_count
    return math.sqrt(light + read**2 + 1 / 12)


def is_crowded(frames: FrameStatistics, optics: Optics, limits: Limits, contrast: float = 0.0) -> bool:
    """Say whether the ground between the spots is itself made of particles, too many to be told apart."""
    if not frames.textures:
        return False
    correlation = float(np.median([t.correlation for t in frames.textures]))
    sd = float(np.median([t.sd_counts for t in frames.textures]))
    expected = expected_noise_counts(float(np.median(frames.mean_counts)), optics)
    grainy = correlation > limits.texture_correlation and sd > limits.texture_excess * expected
    return grainy and contrast < limits.least_contrast


def _ground(desk: Desk, frames: FrameStatistics, optics: Optics, limits: Limits, contrast: float) -> Check:
    if not frames.textures:
        return desk.check("ground", "Ground between spots", "Not looked at.", Verdict.NOT_MEASURED)
    correlation = float(np.median([t.correlation for t in frames.textures]))
    estimate = number("neighbour_correlation", correlation, "", len(frames.textures), "frame")
    limit = ("at most 0.2", None, limits.texture_correlation)
    if is_crowded(frames, optics, limits, contrast):
        return desk.check(
            "ground", "Ground between spots",
            "The whole picture is filled by particles that overlap: single ones cannot be told apart.",
            Verdict.NOT_MET, estimate=estimate, limit=limit, refuse="too-dense",
            remedy="Dilute the sample ten- to a hundredfold and record again.",
        )  # fmt: skip
    if correlation > limits.texture_correlation:
        text = (
            "Neighbouring pixels of the ground go together: light of particles far out of focus, or a video that was "
            "compressed or smoothed."
        )
        return desk.check(
            "ground", "Ground between spots", text, Verdict.WARNING, estimate=estimate, limit=limit,
            remedy="Dilute, and export without compression: localisation errors and threshold are less certain.",
        )  # fmt: skip
    return desk.check(
        "ground", "Ground between spots", "Noise of neighbouring pixels is independent, as a camera's should be.",
        Verdict.MET, estimate=estimate, limit=limit,
    )  # fmt: skip


def _bright_frames(desk: Desk, frames: FrameStatistics, limits: Limits) -> Check:
    share = float(np.median(frames.saturated_share)) if frames.count else 0.0
    estimate = number("saturated_pixel_percent", 100 * share, "%", frames.count, "frame")
    limit = ("at most 0.5 % of a frame", None, 100 * limits.saturated_pixels)
    if share > limits.saturated_pixels:
        return desk.check(
            "saturated-frames", "Saturated pixels", f"{share:.1%} of the picture is at the camera's limit.",
            Verdict.NOT_MET, estimate=estimate, limit=limit, refuse="saturated",
            remedy="Lower the camera level (gain, shutter) and record again.",
        )  # fmt: skip
    return desk.check(
        "saturated-frames", "Saturated pixels", f"{share:.2%} of the picture is at the camera's limit.", Verdict.MET,
        estimate=estimate, limit=limit,
    )  # fmt: skip


# What the spots say


def check_spots(desk: Desk, spots: Spots, optics: Optics, limits: Limits, false_per_frame: float, sigma_px: float
                ) -> list[Check]:  # fmt: skip
    """Judge a movie by its detections.

    Parameters
    ----------
    desk : Desk
    spots : Spots
    optics : Optics
    limits : Limits
    false_per_frame : float
        Detections that noise alone would give.
    sigma_px : float
        Width of a spot in focus.

    Returns
    -------
    list of Check
        Presence; then density, saturation, focus and fading, if anything is there.
    """
    per_frame = spots.frame.size / max(spots.frame_count, 1)
    estimate = number("particles_per_frame", per_frame, "particles", spots.frame_count, "frame")
    if spots.frame.size < 30 or per_frame < 5 * false_per_frame:
        text = f"{spots.frame.size} spots in {spots.frame_count} frames: no more than noise gives. Nothing is there."
        return [
            desk.check(
                "presence", "Particles seen", text, Verdict.NOT_MET, estimate=estimate, refuse="nothing-there",
                remedy="Check laser, focus, camera level and dilution, and record again.",
            )
        ]  # fmt: skip
    return [
        _density(desk, spots, optics, limits, sigma_px),
        _saturation(desk, spots, limits),
        *_focus(desk, spots, sigma_px),
        *_fading(desk, spots, optics),
    ]


def _density(desk: Desk, spots: Spots, optics: Optics, limits: Limits, sigma_px: float) -> Check:
    per_frame = spots.frame.size / spots.frame_count
    area = optics.width_px * optics.height_px
    overlap = 1 - math.exp(-per_frame * math.pi * (3 * sigma_px) ** 2 / area)
    text = (
        f"{per_frame:.1f} particles per frame; another within three widths is expected of {overlap:.1%} of them "
        "(Poisson)."
    )
    level = level_of(overlap, limits.overlap_warning, limits.overlap_refusal)
    return desk.check(
        "overlap", "Density", text, Verdict.MET if level == "fine" else Verdict.WARNING,
        estimate=number("overlapping_percent", 100 * overlap, "%", spots.frame_count, "frame"),
        limit=("at most 5 % overlapping", None, 100 * limits.overlap_warning),
        remedy="" if level == "fine" else "Dilute the sample and record again.",
        refuse="too-dense" if level == "refuse" else "",
    )  # fmt: skip


def _saturation(desk: Desk, spots: Spots, limits: Limits) -> Check:
    if spots.saturated is None:
        return desk.check("saturated-spots", "Saturated spots", "Not looked at.", Verdict.NOT_MEASURED)
    share = float(spots.saturated.mean())
    level = level_of(share, limits.saturated_warning, limits.saturated_refusal)
    return desk.check(
        "saturated-spots", "Saturated spots", f"{share:.1%} of the spots hold a pixel at the camera's limit.",
        Verdict.MET if level == "fine" else Verdict.WARNING,
        estimate=number("saturated_spot_percent", 100 * share, "%", spots.frame.size, "spot"),
        limit=("at most 20 % of spots", None, 100 * limits.saturated_warning),
        remedy="" if level == "fine" else "Lower the camera level and record again.",
        refuse="saturated" if level == "refuse" else "",
    )  # fmt: skip


def _focus(desk: Desk, spots: Spots, sigma_px: float) -> list[Check]:
    sharp = (spots.sigma_px < 1.5 * sigma_px).astype(np.float64)
    share = float(sharp.mean())
    low, middle, high = np.percentile(spots.sigma_px, [10, 50, 90])
    text = (
        f"{share:.0%} of the spots are narrower than 1.5 times the width in focus ({sigma_px:.2f} px); "
        f"median width {middle:.2f} px (10 to 90 %: {low:.2f} to {high:.2f})."
    )
    early, late = _thirds(spots, spots.sigma_px)
    change = late / early - 1 if early > 0 and math.isfinite(late) else math.nan
    moved = math.isfinite(change) and abs(change) > 0.1
    drift = f"Median width in the last third of the video against the first: {change:+.1%}."
    return [
        desk.check(
            "focus", "Focus", text, Verdict.MET if share >= 0.5 else Verdict.WARNING,
            estimate=number("in_focus_percent", 100 * share, "%", spots.frame.size, "spot"),
            limit=("at least 50 % of spots", 50.0, None),
            remedy="" if share >= 0.5 else "Refocus and record again: defocused spots blur position and depth.",
        ),
        desk.check(
            "focus-change", "Change of focus", drift if math.isfinite(change) else "Too few spots to tell.",
            Verdict.WARNING if moved else Verdict.MET if math.isfinite(change) else Verdict.NOT_MEASURED,
            limit=("within 10 %", -10.0, 10.0),
            remedy="Let the stage and the sample come to rest before recording." if moved else "",
        ),
    ]  # fmt: skip


def _thirds(spots: Spots, values: FloatArray) -> tuple[float, float]:
    first, last = spots.frame < spots.frame_count / 3, spots.frame >= 2 * spots.frame_count / 3
    if first.sum() < 20 or last.sum() < 20:
        return math.nan, math.nan
    return float(np.median(values[first])), float(np.median(values[last]))


def _fading(desk: Desk, spots: Spots, optics: Optics) -> list[Check]:
    """Slope of count and of brightness over ten blocks of time (Theil-Sen, 95 % interval)."""
    block = np.minimum(spots.frame * 10 // max(spots.frame_count, 1), 9)
    counts = np.bincount(block, minlength=10).astype(np.float64)
    if spots.frame_count < 50 or counts.min() < 10:
        return [desk.check("fading", "Steadiness", "Too few spots or frames to tell.", Verdict.NOT_MEASURED)]
    bright = np.array([float(np.percentile(spots.amplitude[block == b], 75)) for b in range(10)])
    cause = "bleaching, sedimentation or drift of focus" if optics.fluorescence else "sedimentation or drift of focus"
    out = []
    for key, title, values in (("count", "Count over time", counts), ("brightness", "Brightness over time", bright)):
        slope, _, low, high = theilslopes(np.log(values), np.arange(10) / 9, 0.95)
        change, ends = 100 * math.expm1(slope), (100 * math.expm1(low), 100 * math.expm1(high))
        steady = ends[0] > -20 or ends[1] > 20 or change > -20
        steady = not (change < -20 and ends[1] < 0) and not (change > 20 and ends[0] > 0)
        out.append(
            desk.check(
                f"fading-{key}", title, f"{title} changes by {change:+.0f} % from beginning to end.",
                Verdict.MET if steady else Verdict.WARNING,
                estimate=Estimate(
                    quantity=f"{key}_change_percent", value=change, unit="%", low=ends[0], high=ends[1], n=10,
                    unit_of_replication="block of time",
                ),
                limit=("within 20 %", -20.0, 20.0), remedy="" if steady else f"Look for {cause}.",
            )
        )  # fmt: skip
    return out


def refusals(checks: Iterable[Check]) -> tuple[Refusal, ...]:
    """Return the reasons to give no number, each code once."""
    found: dict[str, Refusal] = {}
    for check in checks:
        if check.refusal is not None:
            found.setdefault(check.refusal.code, check.refusal)
    return tuple(found.values())
