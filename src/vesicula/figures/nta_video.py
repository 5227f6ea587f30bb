"""Figures of a tracked video: size distribution, track lengths, course over time, and frames with their tracks."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vesicula.figures.style import BLUE, ORANGE, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, number, polyline, text

Floats = npt.NDArray[np.float64]

_FAINT, _FIRM = ' stroke="currentColor" opacity=".14"', ' stroke="currentColor" opacity=".6"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Place of a plot in its drawing, in user units."""

    width: int = 760
    height: int = 330
    left: int = 52
    right: int = 12
    top: int = 40
    bottom: int = 46


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """Write a grey picture as PNG.

    Parameters
    ----------
    grey : numpy.ndarray of uint8, shape (height, width)

    Returns
    -------
    bytes
        After the PNG specification (W3C, third edition): signature, header, one deflated block, end.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = grey.shape
    # Filter "Up": rows are stored as differences, which deflate better.
    rows = np.vstack([np.zeros((1, width), np.uint8), grey])
    filtered = np.column_stack([np.full(height, 2, np.uint8), (rows[1:] - rows[:-1]).astype(np.uint8)])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def stretched(frame: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Return a frame with its 40 % to 99.9 % range spread over 0 to 255, in 32 levels: ground noise is no news."""
    low, high = np.percentile(frame, [40.0, 99.9])
    high = max(high, low + 8)
    scaled = np.clip((frame.astype(np.float64) - low) / (high - low), 0, 1)
    levels: npt.NDArray[np.uint8] = (np.rint(scaled * 31) * (255 / 31)).astype(np.uint8)
    return levels


def overlay(
    frame: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    circles: Sequence[tuple[float, float, float]],
    paths: Sequence[Sequence[tuple[float, float]]],
    *,
    bar_px: float,
    bar_text: str,
    label: str,
) -> str:
    """Draw a frame with its spots circled and the tracks through it.

    Parameters
    ----------
    frame : numpy.ndarray, shape (height, width)
    circles : sequence of (x, y, radius)
        In pixels.
    paths : sequence of sequences of (x, y)
        In pixels.
    bar_px : float
        Length of the scale bar.
    bar_text : str
        What it says.
    label : str
        Text alternative.

    Returns
    -------
    str
        SVG with the picture in it.
    """
    height, width = frame.shape
    data = base64.b64encode(png(stretched(frame))).decode()
    place = f'x="0" y="0" width="{width}" height="{height}" style="image-rendering:pixelated"'
    parts = [f'<image href="data:image/png;base64,{data}" {place}/>']
    thin = max(width, height) / 640
    parts += [polyline([(x + 0.5, y + 0.5) for x, y in p], f' stroke="{ORANGE}" stroke-width="{1.2 * thin:.2f}" '
                       'stroke-linejoin="round"') for p in paths if len(p) > 1]  # fmt: skip
    parts += [
        f'<circle cx="{number(x + 0.5)}" cy="{number(y + 0.5)}" r="{number(r)}" fill="none" stroke="#56B4E9" '
        f'stroke-width="{1.4 * thin:.2f}"/>'
        for x, y, r in circles
    ]
    y = height - 10 * thin
    parts += [
        line(10 * thin, y, 10 * thin + bar_px, y, f' stroke="#fff" stroke-width="{3 * thin:.1f}"'),
        text(10 * thin, y - 7 * thin, bar_text, anchor="start", extra=f' fill="#fff" font-size="{15 * thin:.1f}"'),
    ]
    return document(parts, width=width, height=height, label=label)


def _axes(x: Scale, y: Scale, x_ticks: Sequence[float], titles: tuple[str, str], *, y_shown: bool = True) -> list[str]:
    parts = []
    for value in nice_ticks(y.low, y.high, 4):
        parts.append(line(x.start, y(value), x.end, y(value), _FAINT))
        if y_shown:
            parts.append(text(x.start - 6, y(value) + 4, f"{value:g}", anchor="end"))
    parts.append(line(x.start, y.start, x.end, y.start, _FIRM))
    for value in x_ticks:
        parts += [line(x(value), y.start, x(value), y.start + 5, _FIRM), text(x(value), y.start + 18, f"{value:g}")]
    parts.append(text((x.start + x.end) / 2, y.start + 38, titles[0]))
    parts.append(text(4, 12, titles[1], anchor="start", extra=' font-size="11" opacity=".8"'))
    return parts


def _scales(box: Box, x: tuple[float, float], y: tuple[float, float], *, log: bool = False) -> tuple[Scale, Scale]:
    return (
        Scale(low=x[0], high=x[1], start=box.left, end=box.width - box.right, log=log),
        Scale(low=y[0], high=y[1], start=box.height - box.bottom, end=box.top),
    )


def size_figure(
    diameters_nm: Floats,
    density_per_nm: Floats,
    band: tuple[Floats, Floats] | None,
    raw_diameters_nm: Floats,
    *,
    marks: Sequence[tuple[str, float]] = (),
    limit_nm: float | None = None,
    label: str,
) -> str:
    """Draw the fitted distribution with its band before the histogram of single tracks.

    Parameters
    ----------
    diameters_nm, density_per_nm : numpy.ndarray, shape (g,)
        The fit.
    band : pair of numpy.ndarray, shape (g,), or None
        Lower and upper end of the pointwise interval.
    raw_diameters_nm : numpy.ndarray, shape (tracks,)
        One diameter a track.
    marks : sequence of (name, diameter)
        Named on the axis of diameters.
    limit_nm : float, optional
        Lower limit of detection; the range below is shaded.
    label : str
        Text alternative.

    Returns
    -------
    str
        SVG.
    """
    box = Box()
    low, high = _range(diameters_nm, density_per_nm, raw_diameters_nm)
    shown = (diameters_nm >= low) & (diameters_nm <= high)
    raw = raw_diameters_nm[(raw_diameters_nm >= low) & (raw_diameters_nm <= high)]
    edges = np.linspace(low, high, 49)
    counts = np.histogram(raw, edges)[0] / max(raw_diameters_nm.size, 1) / (edges[1] - edges[0])
    top = max(float(density_per_nm[shown].max(initial=0)), float(counts.max(initial=0)), 1e-12)
    if band is not None:
        top = min(max(top, float(band[1][shown].max(initial=0))), 1.8 * top)
    x, y = _scales(box, (low, high), (0.0, 108.0))
    unit = 100 / top
    parts = _axes(x, y, nice_ticks(low, high, 8), ("hydrodynamic diameter (nm)", ""), y_shown=False)
    parts += [
        f'<path d="M{number(x(a))} {number(y(0))}V{number(y(c * unit))}H{number(x(b))}V{number(y(0))}Z" '
        'fill="currentColor" opacity=".16"/>'
        for a, b, c in zip(edges[:-1], edges[1:], counts, strict=True)
        if c > 0
    ]
    if limit_nm is not None and limit_nm > low:
        end = x(min(limit_nm, high))
        parts.append(
            f'<rect x="{number(x(low))}" y="{number(y.end)}" width="{number(end - x(low))}" '
            f'height="{number(y.start - y.end)}" fill="{VERMILLION}" opacity=".08"/>'
        )
        if end - x(low) > 60:
            parts.append(text((x(low) + end) / 2, y.end + 24, "too dim", extra=' font-size="11" opacity=".8"'))
    points = np.flatnonzero(shown)[:: max(1, int(shown.sum() // 240))]
    if band is not None:
        there = [(x(diameters_nm[i]), y(band[1][i] * unit)) for i in points]
        back = [(x(diameters_nm[i]), y(band[0][i] * unit)) for i in points[::-1]]
        parts.append(polyline([*there, *back], "").replace('fill="none"', f'fill="{BLUE}" opacity=".22"'))
    curve = [(x(diameters_nm[i]), y(density_per_nm[i] * unit)) for i in points]
    parts.append(polyline(curve, f' stroke="{BLUE}" stroke-width="2.4"'))
    for k, (name, value) in enumerate(m for m in marks if low <= m[1] <= high):
        parts += [
            line(x(value), y.start, x(value), y.end + 14 * (k % 2), f' stroke="{VERMILLION}" stroke-dasharray="3 3"'),
            text(x(value), y.end - 4 + 14 * (k % 2), name, extra=' font-size="11"'),
        ]
    parts += [
        line(box.left, 12, box.left + 22, 12, f' stroke="{BLUE}" stroke-width="2.4"'),
        text(box.left + 27, 16, "fitted, with 95 % band", anchor="start", extra=' font-size="11"'),
        f'<rect x="{box.left + 170}" y="6" width="22" height="11" fill="currentColor" opacity=".2"/>',
        text(box.left + 197, 16, "single tracks, as measured", anchor="start", extra=' font-size="11"'),
    ]
    return document(parts, width=box.width, height=box.height, label=label)


def _range(diameters_nm: Floats, density_per_nm: Floats, raw: Floats) -> tuple[float, float]:
    mass = np.cumsum(density_per_nm * np.gradient(diameters_nm))
    mass = mass / mass[-1]
    ends = [float(np.interp(0.002, mass, diameters_nm)), float(np.interp(0.998, mass, diameters_nm))]
    if raw.size:
        ends += [float(np.percentile(raw, 3)), min(float(np.percentile(raw, 95)), 1.8 * ends[1])]
    low, high = max(0.0, 0.9 * min(ends)), 1.08 * max(ends)
    return 10 * math.floor(low / 10), 10 * math.ceil(high / 10)


def length_figure(counts: npt.NDArray[np.int64], *, label: str) -> str:
    """Draw how many tracks there are of each length, on a logarithmic axis of lengths.

    Parameters
    ----------
    counts : numpy.ndarray of int64, shape (tracks,)
        Spots of each track.
    label : str
        Text alternative.
    """
    box = Box(width=380, height=230, left=46, top=30)
    top = max(int(counts.max(initial=2)), 10)
    edges = np.unique(np.round(np.geomspace(1, top + 1, 18)).astype(np.int64))
    number_of = np.histogram(counts, edges)[0]
    x, y = _scales(box, (1.0, float(top + 1)), (0.0, max(float(number_of.max(initial=0)), 1.0) * 1.05), log=True)
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if t <= top + 1]
    parts = _axes(x, y, ticks, ("spots in a track", "tracks"))
    parts += [
        f'<path d="M{number(x(a) + 0.5)} {number(y(0))}V{number(y(n))}H{number(x(b) - 0.5)}V{number(y(0))}Z" '
        f'fill="{BLUE}" opacity=".75"/>'
        for a, b, n in zip(edges[:-1], edges[1:], number_of, strict=True)
        if n
    ]
    return document(parts, width=box.width, height=box.height, label=label)


def course_figure(
    time_s: Floats, series: Sequence[tuple[str, Floats]], *, title: str, label: str, from_zero: bool = False
) -> str:
    """Draw one or two quantities over time, averaged to at most 200 points.

    Parameters
    ----------
    time_s : numpy.ndarray, shape (n,)
    series : sequence of (name, values)
        Values of shape (n,).
    title : str
        Quantity and unit.
    label : str
        Text alternative.
    from_zero : bool
        Whether the axis begins at 0.
    """
    box = Box(width=380, height=230, left=46, top=30)
    step = max(1, math.ceil(time_s.size / 200))
    groups = np.arange(time_s.size) // step

    def mean(values: Floats) -> Floats:
        return np.asarray(np.bincount(groups, weights=values) / np.bincount(groups))

    drawn = [(name, mean(values)) for name, values in series]
    low = min(float(v.min(initial=0)) for _, v in drawn)
    high = max(float(v.max(initial=0)) for _, v in drawn)
    room = 0.06 * max(high - low, 1e-6)
    x, y = _scales(box, (0.0, max(float(time_s.max(initial=0)), 1e-3)), (0.0 if from_zero else low - room, high + room))
    parts = _axes(x, y, nice_ticks(0, x.high, 6), ("time (s)", title))
    place = mean(time_s)
    for k, (name, values) in enumerate(drawn):
        stroke = (BLUE, VERMILLION)[k % 2]
        points = [(x(a), y(b)) for a, b in zip(place, values, strict=True)]
        dashes = ' stroke-dasharray="6 3"' if k else ""
        parts.append(polyline(points, f' stroke="{stroke}" stroke-width="1.4"{dashes}'))
        if len(drawn) > 1:
            parts.append(text(box.width - 60 + 40 * k, 12, name, extra=f' fill="{stroke}" font-weight="600"'))
    return document(parts, width=box.width, height=box.height, label=label)
