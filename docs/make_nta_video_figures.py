"""Tables and figures of docs/validation/nta.md and nta-video-size.md, from the rows of studies and benchmarks.

    python docs/make_nta_video_figures.py

Reads docs/validation/nta-video-size.tsv (docs/make_nta_video_validation.py), nta-video-movies.tsv
(docs/make_nta_movie_validation.py), nta-video-peers.tsv (benchmarks/nta_size.py), and what benchmarks/nta_video.py and
nta_movie.py printed (nta-video-speed.txt, nta-video-playing.txt); the first figure analyses three simulated
measurements anew (fixed seeds).
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import make_nta_movie_validation as movies
import make_nta_video_validation as study
import numpy as np

from vesicula.instruments.nta.video.concentration import ConcentrationSettings, concentration
from vesicula.instruments.nta.video.diffusion import stokes_einstein, track_statistics
from vesicula.instruments.nta.video.size import QUANTITIES, SizeSettings, size_distribution
from vesicula.instruments.nta.video.track_trial import TrialSettings, mixture, simulate_tracks

FOLDER = Path(__file__).parent / "validation"
FIGURES = FOLDER / "figures"
PAGE = FOLDER / "nta-video-size.md"
WHOLE = FOLDER / "nta.md"
# Okabe & Ito's colour-blind safe palette.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PEERS = ("msd", "msd_blur", "msd_blur>=10", "cve>=10", "walker", "vesicula, as seen", "vesicula")
PEER_NAMES = {
    "msd": "MSD histogram, all tracks", "msd_blur": "... blur corrected", "msd_blur>=10": "... and 10 spots or more",
    "cve>=10": "CVE histogram, 10 spots or more", "walker": "gamma kernel, EM (Walker)",
    "vesicula, as seen": "vesicula, before depth", "vesicula": "vesicula",
}  # fmt: skip


class Panel:
    """One pair of axes in a drawing; data are mapped to a rectangle in user units."""

    def __init__(self, box: tuple[float, float, float, float], x: tuple[float, float], y: tuple[float, float]) -> None:
        self.box, self.x, self.y = box, x, y
        self.parts: list[str] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point."""
        left, top, width, height = self.box
        u, v = (x - self.x[0]) / (self.x[1] - self.x[0]), (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + u * width, top + (1 - v) * height

    def text(self, px: float, py: float, content: str, extra: str = "") -> None:
        """Write at a place in user units."""
        self.parts.append(f'<text x="{px:.1f}" y="{py:.1f}"{extra}>{content}</text>')

    def ticks(self, *, x: Iterable[tuple[float, str]] = (), y: Iterable[tuple[float, str]] = ()) -> None:
        """Draw grid lines and marks."""
        for value, label in y:
            px, py = self.at(self.x[0], value)
            self.line([(self.x[0], value), (self.x[1], value)], "#dddddd", width=1)
            self.text(px - 5, py + 4, label, ' text-anchor="end"')
        for value, label in x:
            px, py = self.at(value, self.y[0])
            self.text(px, py + 15, label, ' text-anchor="middle"')

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2, more: str = "") -> None:
        """Draw a line through points."""
        places = " ".join("{:.1f},{:.1f}".format(*self.at(*p)) for p in points)
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"{more}/>')

    def area(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Fill between a line and the lower axis."""
        closed = [(points[0][0], self.y[0]), *points, (points[-1][0], self.y[0])]
        places = " ".join("{:.1f},{:.1f}".format(*self.at(*p)) for p in closed)
        self.parts.append(f'<polygon points="{places}" fill="{colour}" fill-opacity="0.35"/>')

    def dot(self, x: float, y: float, colour: str, radius: float = 3) -> None:
        """Draw a point."""
        px, py = self.at(x, y)
        self.parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}" fill="{colour}"/>')


def save(name: str, panels: Sequence[Panel], *, width: int, height: int, label: str) -> None:
    """Write a drawing."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" fill="white"/>'
    )
    body = "\n".join(part for panel in panels for part in panel.parts)
    (FIGURES / name).write_text(f"{head}\n{body}\n</svg>\n", encoding="utf-8")


def _density(share: np.ndarray, diameters: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share per bin over its width in log diameter, at most 1."""
    found = np.histogram(diameters, edges, weights=share)[0]
    return np.asarray(found / found.max())


def distributions() -> None:
    """Truth, raw histogram and ours for three populations, 2,000 tracks each."""
    panels = []
    edges = 100 * np.exp(0.06 * (np.arange(-20, 24) - 0.5))  # 80, 100 and 120 nm lie inside bins
    middle = np.log10(np.sqrt(edges[1:] * edges[:-1]))
    for i, name in enumerate(("mono100", "80+120 1:1", "ev115 gsd1.4")):
        o, rng = study.optics(0.75), np.random.default_rng([2026, i])
        trial = TrialSettings(particles_per_ml=2e9)
        tracks = simulate_tracks(mixture(*study.POPULATIONS[name]), o, 240, trial, rng).tracks
        s = track_statistics(tracks, o)
        raw = stokes_einstein(s.msd1_um2[np.isfinite(s.msd1_um2)] * o.frame_rate_per_s / 4, o)
        sizes = size_distribution(tracks, o, SizeSettings(), rng)
        ours = concentration(tracks, sizes, o, ConcentrationSettings(), rng).distribution
        panel = Panel((50 + 285 * i, 46, 250, 220), (float(np.log10(30)), float(np.log10(400))), (0, 1.08))
        panel.ticks(x=[(np.log10(v), str(v)) for v in (30, 50, 100, 200, 400)], y=[(v, f"{v:g}") for v in (0, 0.5, 1)])
        d, t = study.truth(name)
        panel.area([*zip(middle, _density(t, d, edges), strict=True)], "#888888")
        panel.line([*zip(middle, _density(np.ones(raw.size), raw, edges), strict=True)], VERMILLION)
        panel.line([*zip(middle, _density(ours.share, ours.diameters_nm, edges), strict=True)], BLUE)
        panel.text(50 + 285 * i, 36, f"{name}, {sizes.track_count} tracks", ' font-size="13"')
        panel.text(175 + 285 * i, 300, "diameter, nm (log)", ' text-anchor="middle"')
        panels.append(panel)
    panels[0].text(20, 160, "share per bin, highest = 1", ' text-anchor="middle" transform="rotate(-90 20 160)"')
    for x, colour, label in ((50, "#888888", "truth"), (120, VERMILLION, "raw MSD histogram"), (260, BLUE, "vesicula")):
        panels[0].parts.append(f'<rect x="{x}" y="8" width="12" height="10" fill="{colour}"/>')
        panels[0].text(x + 17, 17, label)
    save("nta-video-distributions.svg", panels, width=880, height=310, label="Truth, raw histogram and vesicula")


def coverage(found: Sequence[study.Cell], tracks: int) -> None:
    """Coverage by cell with Wilson bars, beside the band from 92 to 98 %."""
    names = [n for n in study.POPULATIONS if any(c.population == n for c in found)]
    panels = []
    for i, q in enumerate((*QUANTITIES, "conc")):
        left, top = 110 + 255 * (i % 3), 44 + 290 * (i // 3)
        panel = Panel((left, top, 225, 225), (60, 100.5), (len(names) - 0.4, -0.6))
        a, b = panel.at(92, -0.6), panel.at(98, len(names) - 0.4)
        panel.parts.append(
            f'<rect x="{a[0]:.1f}" y="{a[1]:.1f}" width="{b[0] - a[0]:.1f}" height="{b[1] - a[1]:.1f}" fill="#e8f0e8"/>'
        )
        panel.line([(95, -0.6), (95, len(names) - 0.4)], GREEN, width=1)
        for j, name in enumerate(names):
            c = next(c for c in found if (c.population, c.quantity) == (name, q))
            if i % 3 == 0:
                panel.text(left - 6, panel.at(60, j)[1] + 4, name, ' text-anchor="end"')
            panel.line([(max(60, 100 * c.low), j), (100 * c.high, j)], BLUE, width=1.5)
            panel.dot(max(60, 100 * c.hits / c.n), j, BLUE)
        panel.ticks(x=[(v, str(v)) for v in (60, 70, 80, 92, 98)])
        title = "concentration" if q == "conc" else q.upper() if q[1:].isdigit() else q
        panel.text(left, top - 8, title, ' font-size="13"')
        panels.append(panel)
    n = min(c.n for c in found)
    panels[0].text(110, 18, f"Coverage of 95 % intervals, %, {tracks} tracks, at least {n} measurements a cell")
    save("nta-video-coverage.svg", panels, width=880, height=620, label="Coverage by population and quantity")


def distances(rows: Sequence[dict[str, str]], tracks: str) -> None:
    """Median distance to truth, ours against peers, log axis; bars span the quartiles."""
    names = list(study.POPULATIONS)
    panel = Panel((110, 30, 520, 400), (float(np.log10(0.3)), float(np.log10(200))), (len(names) - 0.4, -0.6))
    panel.ticks(x=[(float(np.log10(v)), str(v)) for v in (0.5, 1, 2, 5, 10, 20, 50, 100, 200)])
    shown = zip(("msd", "msd_blur>=10", "cve>=10", "walker", "vesicula"), (VERMILLION, ORANGE, PURPLE, SKY, BLUE), strict=True)  # fmt: skip  # noqa: E501
    for k, (peer, colour) in enumerate(shown):
        for j, name in enumerate(names):
            v = [float(r[peer]) for r in rows if r["population"] == name and r["tracks"] == tracks]
            low, mid, high = (float(np.log10(max(q, 0.3))) for q in np.percentile(v, [25, 50, 75]))
            y = j + 0.14 * (k - 2)
            panel.line([(low, y), (high, y)], colour, width=1.5)
            panel.dot(mid, y, colour)
            if k == 0:
                panel.text(104, panel.at(0, j)[1] + 4, name, ' text-anchor="end"')
        panel.dot(panel.x[0] + 1.03 * (panel.x[1] - panel.x[0]), 0.6 * k, colour)
        panel.text(655, panel.at(0, 0.6 * k)[1] + 4, PEER_NAMES[peer].replace("... ", "MSD, blur, "))
    panel.text(370, 465, "earth mover's distance to truth, nm (log); median and quartiles", ' text-anchor="middle"')
    panel.text(110, 18, f"Distance to truth at {tracks} tracks", ' font-size="13"')
    save("nta-video-distances.svg", [panel], width=880, height=480, label="Distance to truth, vesicula and peers")


def distance_table(rows: Sequence[dict[str, str]]) -> str:
    """Return a table of medians and quartiles."""
    lines = []
    for tracks in sorted({r["tracks"] for r in rows}, key=int):
        lines += [f"| {tracks} tracks | n | " + " | ".join(PEER_NAMES[p] for p in PEERS) + " | ours / best MSD |"]
        lines += ["|---" * (len(PEERS) + 3) + "|"]
        for name in study.POPULATIONS:
            part = [r for r in rows if r["population"] == name and r["tracks"] == tracks]
            if not part:
                continue
            q = {p: np.percentile([float(r[p]) for r in part], [25, 50, 75]) for p in PEERS}
            best = min(q[p][1] for p in PEERS[:3])
            cells = " | ".join(f"{q[p][1]:.1f} ({q[p][0]:.1f}-{q[p][2]:.1f})" for p in PEERS)
            lines.append(f"| {name} | {len(part)} | {cells} | {q['vesicula'][1] / best:.2f} |")
        lines.append("")
    return "\n".join(lines)


def fill(name: str, content: str, path: Path = PAGE) -> None:
    """Put generated text between its markers on a page."""
    page = path.read_text(encoding="utf-8")
    pattern = re.compile(f"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{path}: no place for {name}")
    path.write_text(pattern.sub(lambda m: m[1] + content.strip() + "\n" + m[2], page), encoding="utf-8")


def main() -> None:
    """Write all."""
    with (FOLDER / "nta-video-size.tsv").open() as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        study.summary(rows)
    fill("coverage", out.getvalue())
    for_figure = [r for r in rows if r["tracks"] == "500"]
    coverage(study.cells(for_figure), 500)
    with (FOLDER / "nta-video-peers.tsv").open() as f:
        peers = list(csv.DictReader(f, delimiter="\t"))
    fill("distances", distance_table(peers))
    distances(peers, "500")
    distributions()
    with (FOLDER / "nta-video-movies.tsv").open() as f:
        fill("movies", movies.summary(list(csv.DictReader(f, delimiter="\t"))), WHOLE)
    for name in ("speed", "playing"):
        text = (FOLDER / f"nta-video-{name}.txt").read_text(encoding="utf-8").rstrip()
        fill(name, f"```text\n{text}\n```", WHOLE)


if __name__ == "__main__":
    main()
