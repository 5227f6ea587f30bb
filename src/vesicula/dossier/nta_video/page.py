"""From an analysed video to a folder: page.html, tables and result.json, whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from scipy.ndimage import gaussian_filter1d

from vesicula._version import __version__
from vesicula.core.errors import DossierError
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Finding, Verdict
from vesicula.core.format import format_number
from vesicula.core.measurement import FloatArray
from vesicula.dossier.render import asset
from vesicula.dossier.staging import built_beside
from vesicula.dossier.wording import KINDS, LEGEND, interval_text, source_of
from vesicula.figures import nta_video as figures
from vesicula.instruments.nta.video.analyse import NAMES, VideoAnalysis, settings_table
from vesicula.instruments.nta.video.model import Optics, Tracks

FILES = ("page.html", "result.json", "tracks.parquet", "size_distribution.parquet")
TRAIL_FRAMES = 25
"""Frames before a shown one whose tracks are drawn."""

_ORDER = {Verdict.NOT_MET: 0, Verdict.WARNING: 1, Verdict.UNDECIDED: 2, Verdict.NOT_MEASURED: 3, Verdict.MET: 4,
          Verdict.NOT_JUDGED: 5}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One row of the table of checks."""

    title: str
    statement: str
    value: str
    criterion: str
    source: str
    verdict: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One key number."""

    name: str
    value: str
    unit: str
    interval: str


def write_video_page(analysis: VideoAnalysis, folder: Path, *, overwrite: bool = False) -> Path:
    """Write page, tables and result of an analysed video.

    Parameters
    ----------
    analysis : VideoAnalysis
    folder : pathlib.Path
        To be made; it appears whole or not at all.
    overwrite : bool
        Whether a folder that holds nothing but an earlier result may be replaced.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    DossierError
        When the place is taken or cannot be written.
    """
    with built_beside(folder, lambda: check_place(folder, overwrite=overwrite)) as work:
        (work / "page.html").write_text(render_video_page(analysis), encoding="utf-8", newline="\n")
        (work / "result.json").write_text(result_json(analysis), encoding="utf-8", newline="\n")
        tracks_table(analysis).write_parquet(work / "tracks.parquet", statistics=False)
        size_table(analysis).write_parquet(work / "size_distribution.parquet", statistics=False)
    return folder / "page.html"


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds anything but an earlier result that may be replaced; raises DossierError."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DossierError(f"{folder}: is not a folder. Choose another place for the result.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    foreign = sorted(p.name for p in folder.iterdir() if p.name not in FILES)
    if foreign or not (folder / "result.json").is_file():
        raise DossierError(
            f"{folder}: holds other files, such as {foreign[:1]}; it is left alone. Choose another place."
        )
    if not overwrite:
        raise DossierError(f"{folder}: a result stands there already. Give --overwrite, or choose another place.")


# Tables


def tracks_table(analysis: VideoAnalysis) -> pl.DataFrame:
    """Return the tracks, one row per spot; empty where none were made."""
    tracks = analysis.tracks
    names = ("track", "frame", "x_px", "y_px", "amplitude", "snr", "sigma_px")
    if tracks is None:
        return pl.DataFrame(schema=dict.fromkeys(names[:2], pl.Int64) | dict.fromkeys(names[2:], pl.Float64))
    return pl.DataFrame({name: np.asarray(getattr(tracks, name)) for name in names})


def size_table(analysis: VideoAnalysis) -> pl.DataFrame:
    """Return the distribution: diameter, density per nm, and its 95 % band; empty where there is no measurement."""
    names = ("diameter_nm", "density_per_nm", "density_low_per_nm", "density_high_per_nm")
    found = analysis.distribution
    if found is None:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Float64))
    low, high = density_band(analysis) or (np.full(found.share.size, np.nan),) * 2
    return pl.DataFrame(dict(zip(names, (found.diameters_nm, found.density_per_nm, low, high), strict=True)))


def smooth(share: FloatArray, diameters_nm: FloatArray, log_sd: float = 0.04) -> FloatArray:
    """Return shares on an even grid of log diameter, convolved with a normal kernel along the last axis.

    A mixture that contains a very narrow part is a spike that hides the rest of a figure; tracks do not resolve 4 %.
    """
    return np.asarray(gaussian_filter1d(share, log_sd / math.log(diameters_nm[1] / diameters_nm[0]), axis=-1))


def density_band(analysis: VideoAnalysis, *, smoothed: bool = False) -> tuple[FloatArray, FloatArray] | None:
    """Return the pointwise interval of the density per nm; None without bootstrap."""
    found = analysis.distribution
    if found is None or found.share_draws.shape[0] < 20:
        return None
    tail = 50 * (1 - found.level)
    draws = smooth(found.share_draws, found.diameters_nm) if smoothed else found.share_draws
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    width = found.diameters_nm * math.log(found.diameters_nm[1] / found.diameters_nm[0])
    return np.asarray(low / width), np.asarray(high / width)


def result_json(analysis: VideoAnalysis) -> str:
    """Return verdict, numbers, checks, instrument and settings as JSON."""
    report = {
        "vesicula": __version__,
        "video": analysis.name,
        "verdict": {
            "measured": analysis.verdict.measured,
            "headline": analysis.verdict.headline,
            "reasons": [{"code": r.code, "reason": r.reason, "remedy": r.remedy} for r in analysis.verdict.refusals],
            "remarks": list(analysis.verdict.remarks),
        },
        "numbers": [_estimate(e) for e in analysis.estimates],
        "not_carried_by_the_intervals": list(analysis.not_carried),
        "checks": [_finding(f) for f in analysis.findings if f.topic == "nta-video"],
        "instrument": {f.name: getattr(analysis.optics, f.name) for f in fields(Optics)},
        "settings": dict(settings_table(analysis.settings)),
        "frames": None if analysis.frames is None else analysis.frames.count,
        "tracks": None if analysis.tracks is None else analysis.tracks.track_count,
        "inputs": [{"path": i.path, "sha256": i.sha256} for f in analysis.findings[:1] for i in f.inputs],
    }
    return json.dumps(_finite(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _estimate(e: Estimate) -> dict[str, Any]:
    return {"quantity": e.quantity, "value": e.value, "unit": e.unit, "low": e.low, "high": e.high, "level": e.level,
            "n": e.n, "unit_of_replication": e.unit_of_replication}  # fmt: skip


def _finding(f: Finding) -> dict[str, Any]:
    return {"id": f.id, "title": f.title, "verdict": f.verdict.value, "statement": f.statement,
            "estimate": None if f.estimate is None else _estimate(f.estimate),
            "criterion": None if f.criterion is None else f.criterion.text,
            "source": None if f.criterion is None else f.criterion.source.text}  # fmt: skip


# Page


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader("vesicula.dossier.nta_video"), PackageLoader("vesicula.dossier")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_video_page(analysis: VideoAnalysis) -> str:
    """Return the page as HTML: one file, no script, nothing loaded from anywhere, all text escaped."""
    checks = sorted((f for f in analysis.findings if f.topic == "nta-video"), key=lambda f: _ORDER[f.verdict])
    html = _environment().get_template("video.html.j2").render(
        css=Markup(asset("dossier.css")),  # noqa: S704 - our own file
        software=f"vesicula {__version__}",
        name=analysis.name,
        verdict=analysis.verdict,
        facts=_facts(analysis),
        numbers=[_number(e) for e in analysis.estimates],
        not_carried=analysis.not_carried,
        size_svg=_safe(_size_svg(analysis)),
        frames=_frames(analysis),
        tracked=analysis.tracks is not None,
        small=_small_figures(analysis),
        checks=[_check(f) for f in checks],
        optics=_optics_rows(analysis.optics),
        settings=settings_table(analysis.settings),
        legend=[(v.value, KINDS[v], meaning) for v, meaning in LEGEND],
        components=_components(analysis),
        inputs=[(i.path, i.sha256) for f in analysis.findings[:1] for i in f.inputs],
    )  # fmt: skip
    return "\n".join(line for raw in html.split("\n") if (line := raw.strip())) + "\n"


def _safe(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - made by our figure functions, which escape their text


def _number(e: Estimate) -> Number:
    return Number(name=NAMES.get(e.quantity, e.quantity), value=format_number(e.value, e.unit), unit=e.unit,
                  interval=interval_text(e) or "none")  # fmt: skip


def _check(f: Finding) -> Check:
    value = ""
    if f.estimate is not None:
        value = f"{format_number(f.estimate.value, f.estimate.unit)} {f.estimate.unit}".strip()
    source = "" if f.criterion is None else source_of(f.criterion.source).text
    note = "" if f.criterion is None or not f.criterion.source.note else f" ({f.criterion.source.note})"
    return Check(title=f.title, statement=f.statement, value=value, criterion=f.criterion.text if f.criterion else "",
                 source=source + note, verdict=f.verdict.value, kind=KINDS[f.verdict])  # fmt: skip


def _facts(analysis: VideoAnalysis) -> list[tuple[str, str]]:
    rows = [("Instrument", analysis.optics.name)]
    if analysis.frames is not None:
        length = analysis.frames.count / analysis.optics.frame_rate_per_s
        height, width = analysis.frames.shape
        first = "first " if analysis.frames.partial else ""
        rows.append(("Video", f"{first}{analysis.frames.count} frames of {width} × {height} px, {length:.1f} s"))
    if analysis.tracks is not None:
        spots = np.bincount(analysis.tracks.track) if analysis.tracks.track.size else np.zeros(0, np.int64)
        linked = int((spots >= 2).sum())
        rows.append(("Tracks", f"{linked} of two spots or more; {analysis.stuck_tracks} immobile left out"))
    if analysis.spots_per_frame.size:
        rows.append(("Particles per frame", f"{analysis.spots_per_frame.mean():.1f}"))
    rows.append(("Dilution", f"{analysis.settings.dilution:g}"))
    return rows


def _components(analysis: VideoAnalysis) -> list[tuple[str, str, str]]:
    if analysis.distribution is None:
        return []
    parts = analysis.distribution.components
    return [(f"{100 * c.share:.0f} %", f"{c.median_nm:.0f} nm", f"{c.gsd:.2f}") for c in parts]


def _size_svg(analysis: VideoAnalysis) -> str:
    found, statistics = analysis.distribution, analysis.statistics
    if found is None or statistics is None:
        return ""
    from vesicula.instruments.nta.video.diffusion import stokes_einstein

    cve = statistics.diffusion_cve_um2_per_s
    raw = stokes_einstein(cve[np.isfinite(cve) & (cve > 0)], analysis.optics)
    marks = [(name, found.estimate(f"{name.lower()}_nm").value) for name in ("D10", "D50", "D90")]
    band = density_band(analysis, smoothed=True)
    width = found.diameters_nm * math.log(found.diameters_nm[1] / found.diameters_nm[0])
    return figures.size_figure(
        np.asarray(found.diameters_nm), smooth(found.share, found.diameters_nm) / width, band, np.asarray(raw),
        marks=marks, limit_nm=None if analysis.concentration is None else analysis.concentration.lower_limit_nm,
        label=f"Size distribution of {analysis.name}: median {marks[1][1]:.0f} nm; values: size_distribution.parquet.",
    )  # fmt: skip


def _frames(analysis: VideoAnalysis) -> list[tuple[str, Markup]]:
    bar_um = 10.0 if analysis.optics.width_px * analysis.optics.um_per_px < 200 else 50.0
    out = []
    for frame_number, frame in analysis.shown:
        circles, paths = _marks(analysis.tracks, frame_number, analysis.sigma_px)
        seconds = frame_number / analysis.optics.frame_rate_per_s
        counted = "" if analysis.tracks is None else f", {len(circles)} spots"
        caption = f"Frame {frame_number} ({seconds:.1f} s){counted}"
        svg = figures.overlay(
            frame, circles, paths, bar_px=bar_um / analysis.optics.um_per_px, bar_text=f"{bar_um:g} µm", label=caption
        )
        out.append((caption, _safe(svg)))
    return out


def _marks(
    tracks: Tracks | None, frame_number: int, sigma_px: float
) -> tuple[list[tuple[float, float, float]], list[list[tuple[float, float]]]]:
    if tracks is None or not tracks.track.size:
        return [], []
    here = tracks.frame == frame_number
    radius = max(3.0, 3 * sigma_px) if math.isfinite(sigma_px) else 5.0
    circles = [(float(x), float(y), radius) for x, y in zip(tracks.x_px[here], tracks.y_px[here], strict=True)]
    alive = np.isin(tracks.track, tracks.track[here])
    near = alive & (tracks.frame <= frame_number) & (tracks.frame > frame_number - TRAIL_FRAMES)
    paths: dict[int, list[tuple[float, float]]] = {}
    columns = (tracks.track[near].tolist(), tracks.x_px[near].tolist(), tracks.y_px[near].tolist())
    for t, x, y in zip(*columns, strict=True):
        paths.setdefault(t, []).append((x, y))
    return circles, list(paths.values())


def _small_figures(analysis: VideoAnalysis) -> list[tuple[str, Markup]]:
    out = []
    rate = analysis.optics.frame_rate_per_s
    if analysis.tracks is not None and analysis.tracks.track.size:
        lengths = np.bincount(analysis.tracks.track).astype(np.int64)
        out.append(("Track lengths", figures.length_figure(lengths, label="Number of tracks by their length")))
    if analysis.spots_per_frame.size > 1:
        time = np.arange(analysis.spots_per_frame.size) / rate
        svg = figures.course_figure(
            time, [("", analysis.spots_per_frame)], title="particles per frame", from_zero=True,
            label="Particles per frame over time",
        )  # fmt: skip
        out.append(("Particles per frame", svg))
    if analysis.drift_px.shape[0] > 1:
        path = analysis.drift_px * analysis.optics.um_per_px
        svg = figures.course_figure(
            np.arange(path.shape[0]) / rate, [("x", path[:, 0]), ("y", path[:, 1])],
            title="drift since the first frame (µm)", label="Drift of the liquid over time",
        )  # fmt: skip
        out.append(("Drift", svg))
    return [(title, _safe(svg)) for title, svg in out]


def _optics_rows(optics: Optics) -> list[tuple[str, str, str]]:
    sources: Mapping[str, str] = optics.sources
    return [
        (f.name, _plain(getattr(optics, f.name)), sources.get(f.name, "of the video" if f.name.endswith("_px") else ""))
        for f in fields(Optics)
        if f.name not in ("name", "sources")
    ]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
