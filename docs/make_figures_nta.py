"""Make the validation tables and figures of docs/explanation/nta-statistics.md.

    python docs/make_figures_nta.py [--repeats 1000]

Deterministic: the same version gives the same numbers. Tables are written between the markers
``<!-- generated: name -->`` and ``<!-- end -->`` of the page; figures into docs/explanation/figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vesicula.core.measurement import SizeMeasurement
from vesicula.core.population import Population, lognormal_population
from vesicula.core.reference import ClassDefinition
from vesicula.instruments.nta.infer import QUANTITIES, StatisticsSettings, analyse_measurement, vendor_percentile
from vesicula.instruments.nta.simulate import ZETAVIEW, NtaSimulationSettings, simulate_nta
from vesicula.instruments.nta.statistics import VendorConvention
from vesicula.instruments.nta.validation import Design, Recovery, recovery
from vesicula.instruments.registry import read

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/explanation/nta-statistics.md"
FIGURES = ROOT / "docs/explanation/figures"
SETTINGS = StatisticsSettings()
SHORT = {
    "mean_diameter_nm": "mean",
    "mode_diameter_nm": "mode",
    "median_diameter_nm": "D50",
    "d10_diameter_nm": "D10",
    "d90_diameter_nm": "D90",
    "sd_diameter_nm": "SD",
    "span": "span",
    "concentration_per_ml": "conc.",
    "class_fraction:small": "30-100 nm",
    "class_fraction:rare": "> 250 nm",
}
CLASSES = (
    ClassDefinition(id="small", review="", location="", name="30-100 nm", low_nm=30, high_nm=100, notes=""),
    ClassDefinition(id="rare", review="", location="", name="> 250 nm", low_nm=250, high_nm=float("inf"), notes=""),
)
# Concentrations that give about 800 tracks per NanoSight capture, and about 460 and 65 traces per ZetaView run.
NANOSIGHT_PER_ML, ZETAVIEW_PER_ML, SPARSE_PER_ML = 2.6e12, 3.5e10, 5e9


def alike(simulation: NtaSimulationSettings) -> NtaSimulationSettings:
    """Take the variation between captures away."""
    return replace(simulation, concentration_cv=0.0, size_cv=0.0)


def population(name: str, per_ml: float) -> Population:
    """Return one of the three populations of the validation."""
    if name == "log-normal":
        return lognormal_population(median_nm=(110.0,), geometric_sd=(1.45,), concentration_per_ml=(per_ml,))
    if name == "bimodal":
        return lognormal_population(
            median_nm=(80.0, 190.0), geometric_sd=(1.2, 1.25), concentration_per_ml=(0.65 * per_ml, 0.35 * per_ml)
        )
    return lognormal_population(median_nm=(100.0,), geometric_sd=(1.1,), concentration_per_ml=(per_ml,))


@dataclass(frozen=True)
class Scenario:
    """One row of the coverage table."""

    population: str
    label: str
    per_ml: float
    simulation: NtaSimulationSettings
    design: Design = field(default_factory=Design)


def scenarios() -> Iterable[Scenario]:
    """Yield the rows of the coverage table."""
    for name in ("log-normal", "bimodal", "beads"):
        single = alike(NtaSimulationSettings(captures=1))
        yield Scenario(name, "1 capture", NANOSIGHT_PER_ML, single)
        for m in (3, 5, 12):
            yield Scenario(name, f"{m} captures", NANOSIGHT_PER_ML, NtaSimulationSettings(captures=m))
        hierarchy = Design(replicates=3, concentration_cv=0.15, size_cv=0.03)
        yield Scenario(name, "3 replicates of 3", NANOSIGHT_PER_ML, NtaSimulationSettings(captures=3), hierarchy)
        for n, per_ml in ((460, ZETAVIEW_PER_ML), (65, SPARSE_PER_ML)):
            still = alike(ZETAVIEW)
            yield Scenario(name, f"ZetaView, {n} traces, alike positions, no table", per_ml, still)
            with_table = Design(use_positions=True)
            yield Scenario(name, f"ZetaView, {n} traces, table of positions", per_ml, ZETAVIEW, with_table)


def run_scenarios(repeats: int) -> list[tuple[Scenario, dict[str, Recovery]]]:
    """Simulate all rows, each with its own seed."""
    out = []
    for i, s in enumerate(scenarios()):
        rng = np.random.default_rng([20261121, i])
        truth = population(s.population, s.per_ml)
        found = recovery(truth, s.simulation, repeats=repeats, rng=rng, classes=CLASSES, design=s.design)
        out.append((s, found))
    return out


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(r) + " |" for r in rows)])


def recovery_table(results: list[tuple[Scenario, dict[str, Recovery]]], what: str) -> str:
    """Lay out coverage, or bias with the standard deviation, in percent."""

    def cell(r: Recovery | None) -> str:
        if r is None or r.truth < 1e-9:
            return "-"
        if what == "coverage":
            return f"{100 * r.coverage:.1f}"
        if what == "width":
            return f"{100 * r.median_relative_width:.1f}"
        return f"{100 * r.relative_bias:+.1f} ({100 * r.relative_sd:.1f})"

    rows = ([s.population, s.label, *(cell(found.get(q)) for q in SHORT)] for s, found in results)
    return table(["population", "measured as", *SHORT.values()], rows)


# --- vendor agreement ------------------------------------------------------------------------------------------


def bead_files() -> list[tuple[str, SizeMeasurement]]:
    """Read the two NanoSight files of tidyNano (MIT) that ship with the tests."""
    out = []
    for name in ("beads.csv", "beads2.csv"):
        m = read(ROOT / "tests/data/nanosight" / name)
        if not isinstance(m, SizeMeasurement):
            raise TypeError(name)
        out.append((name, m))
    return out


VENDOR_KEYS = {
    "mean_diameter_nm": "vendor_mean_nm",
    "mode_diameter_nm": "vendor_mode_nm",
    "median_diameter_nm": "vendor_d50_nm",
    "d10_diameter_nm": "vendor_d10_nm",
    "d90_diameter_nm": "vendor_d90_nm",
    "sd_diameter_nm": "vendor_sd_nm",
    "concentration_per_ml": "vendor_concentration_per_ml",
}


def agreement() -> dict[str, dict[str, list[float]]]:
    """Return ours minus the vendor's, per file, quantity and capture; relative for the concentration."""
    out: dict[str, dict[str, list[float]]] = {}
    for name, m in bead_files():
        result = analyse_measurement(m, settings=SETTINGS)
        rows: dict[str, list[float]] = {q: [] for q in VENDOR_KEYS}
        convention: VendorConvention = "nanosight-3.2" if "3.2" in m.software else "nanosight-3.4"
        by_convention: dict[str, list[float]] = {"D10*": [], "D50*": [], "D90*": []}
        for capture, s in zip(m.captures, result.captures, strict=True):
            for q, key in VENDOR_KEYS.items():
                ours, theirs = s.values[q], capture.vendor[key]
                rows[q].append(ours / theirs - 1 if q == "concentration_per_ml" else ours - theirs)
            for label, p in (("D10*", 0.1), ("D50*", 0.5), ("D90*", 0.9)):
                theirs = capture.vendor[f"vendor_{label[:3].lower()}_nm"]
                by_convention[label].append(vendor_percentile(capture, p, convention) - theirs)
        out[name] = {**rows, **by_convention}
    return out


def agreement_table(found: dict[str, dict[str, list[float]]]) -> str:
    """Lay out the largest differences."""
    head = ["file", *(SHORT.get(q, q) for q in next(iter(found.values())))]
    rows = []
    for name, quantities in found.items():
        cells = []
        for q, differences in quantities.items():
            worst = max(differences, key=abs)
            cells.append(f"{100 * worst:+.2f} %" if q == "concentration_per_ml" else f"{worst:+.2f} nm")
        rows.append([name, *cells])
    return table(head, rows)


def error_table() -> str:
    """Lay out our pooled standard errors beside those in the files, and the part that counting explains."""
    rows = []
    for name, m in bead_files():
        result = analyse_measurement(m, settings=SETTINGS)
        for q, key in VENDOR_KEYS.items():
            e, scale = result.estimates[q], 1.0 if q != "concentration_per_ml" else 1e-9
            counting = np.sqrt(sum(c.counting_se[q] ** 2 for c in result.captures)) / len(result.captures)
            vendor = m.vendor_pooled[key.replace("vendor_", "vendor_se_")]
            rows.append(
                [
                    name, SHORT[q], f"{e.value * scale:.4g}", f"{(e.low or 0) * scale:.4g}",
                    f"{(e.high or 0) * scale:.4g}", f"{result.standard_errors[q] * scale:.3g}",
                    f"{vendor * scale:.3g}", f"{counting * scale:.2g}",
                ]
            )  # fmt: skip
    head = ["file", "quantity", "ours", "low", "high", "SE, ours", "SE, vendor", "SE from counting alone"]
    return table(head, rows)


# --- peaks -----------------------------------------------------------------------------------------------------

Mixture = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
UNIMODAL: dict[str, Mixture] = {
    "beads, geometric SD 1.04": ((100.0,), (1.04,), (1.0,)),
    "beads, geometric SD 1.1": ((100.0,), (1.1,), (1.0,)),
    "log-normal, geometric SD 1.45": ((110.0,), (1.45,), (1.0,)),
    "log-normal, geometric SD 1.8": ((110.0,), (1.8,), (1.0,)),
    "log-normal, geometric SD 2.2": ((90.0,), (2.2,), (1.0,)),
}
MIXTURES: dict[str, Mixture] = {
    "1:1, 80 + 160 nm": ((80.0, 160.0), (1.15, 1.15), (0.5, 0.5)),
    "4:1, 80 + 160 nm": ((80.0, 160.0), (1.15, 1.15), (0.8, 0.2)),
    "1:1, 80 + 120 nm": ((80.0, 120.0), (1.15, 1.15), (0.5, 0.5)),
    "1:1, 80 + 200 nm, broad": ((80.0, 200.0), (1.3, 1.3), (0.5, 0.5)),
    "19:1, 100 + 250 nm": ((100.0, 250.0), (1.2, 1.2), (0.95, 0.05)),
}
SIZES = (65, 200, 500, 1000, 5000)


def second_peaks(mixture: Mixture, n: int, *, layout: str, repeats: int, seed: list[int], captures: int = 1) -> float:
    """Return the share of simulations with at least two significant peaks."""
    medians, spreads, weights = mixture
    base = ZETAVIEW if layout == "zetaview" else NtaSimulationSettings()
    base = replace(base if captures > 1 else alike(base), captures=captures, tracked_fraction=1.0)
    tracks_per_capture = n / captures
    total = tracks_per_capture / base.residence_ratio / base.detection_volume_ml * base.dilution_factor
    truth = lognormal_population(
        median_nm=medians, geometric_sd=spreads, concentration_per_ml=tuple(w * total for w in weights)
    )
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(repeats):
        result = analyse_measurement(simulate_nta(truth, base, rng=rng), settings=SETTINGS)
        hits += sum(p.significant for p in result.distributions[-1].peaks) > 1
    return hits / repeats


def peak_tables(repeats: int) -> tuple[str, str, dict[str, list[float]]]:
    """Lay out false second peaks and power, in percent of simulations."""
    false_rows = []
    for i, (name, mixture) in enumerate(UNIMODAL.items()):
        for layout in ("nanosight", "zetaview"):
            shares = [
                second_peaks(mixture, n, layout=layout, repeats=repeats, seed=[1, i, n, len(layout)]) for n in SIZES
            ]
            false_rows.append([name, layout, "1", *(f"{100 * s:.1f}" for s in shares)])
        shares = [
            second_peaks(mixture, n, layout="nanosight", repeats=repeats // 2, seed=[2, i, n], captures=5)
            for n in SIZES
        ]
        false_rows.append([name, "nanosight", "5", *(f"{100 * s:.1f}" for s in shares)])
    power: dict[str, list[float]] = {}
    for i, (name, mixture) in enumerate(MIXTURES.items()):
        power[name] = [second_peaks(mixture, n, layout="nanosight", repeats=repeats, seed=[3, i, n]) for n in SIZES]
    head = [f"n = {n}" for n in SIZES]
    power_rows = ([name, *(f"{100 * s:.0f}" for s in shares)] for name, shares in power.items())
    return (
        table(["population", "layout", "captures", *head], false_rows),
        table(["population", *head], power_rows),
        power,
    )


# --- finite tracks ---------------------------------------------------------------------------------------------


def broadening_table() -> str:
    """Lay out what finite tracks alone make of narrow and of broad populations."""
    rows = []
    for gsd in (1.05, 1.2, 1.45):
        truth = lognormal_population(median_nm=(110.0,), geometric_sd=(gsd,), concentration_per_ml=(1e13,))
        for steps in (5, 14, 29, 99):
            sim = NtaSimulationSettings(captures=20, finite_tracks=True, min_track_steps=steps, mean_extra_steps=0.0)
            found = recovery(truth, alike(sim), repeats=1, rng=np.random.default_rng([4, steps]))
            cells = [f"{100 * found[q].relative_bias:+.0f} %" for q in QUANTITIES[:-1]]
            rows.append([f"{gsd}", str(steps), *cells])
    return table(["geometric SD", "steps per track", *(SHORT[q] for q in QUANTITIES[:-1])], rows)


# --- figures ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 340, 70, 30, 190, 50
# Okabe & Ito's colour-blind safe palette.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


class Plot:
    """The least SVG that shows points, lines and labelled axes."""

    def __init__(self, title: str, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str]) -> None:
        self.x, self.y = x, y
        self.parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                f'aria-label="{title}" font-family="sans-serif" font-size="12">'
            ),
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="18" font-size="14">{title}</text>',
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{labels[0]}</text>',
            f'<text transform="translate(16 {HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{labels[1]}</text>',
        ]
        self.entries = 0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a point."""
        u = (x - self.x[0]) / (self.x[1] - self.x[0])
        v = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + u * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - v * (HEIGHT - TOP - BOTTOM)

    def ticks(self, *, x: Iterable[tuple[float, str]], y: Iterable[tuple[float, str]]) -> None:
        """Draw axis marks."""
        for value, text in x:
            px, py = self.at(value, self.y[0])
            self.parts.append(f'<text x="{px:.1f}" y="{py + 16:.1f}" text-anchor="middle">{text}</text>')
        for value, text in y:
            px, py = self.at(self.x[0], value)
            self.line([(self.x[0], value), (self.x[1], value)], "#dddddd", width=1)
            self.parts.append(f'<text x="{px - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{text}</text>')

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 2, dash: str = "") -> None:
        """Draw a polygon."""
        text = " ".join("{:.1f},{:.1f}".format(*self.at(*p)) for p in points)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="{width}"{style}/>')

    def dots(self, points: Iterable[tuple[float, float]], colour: str) -> None:
        """Draw points."""
        for p in points:
            px, py = self.at(*p)
            self.parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}" fill-opacity="0.75"/>')

    def key(self, text: str, colour: str) -> None:
        """Add a line to the legend."""
        y = TOP + 14 + 18 * self.entries
        self.entries += 1
        self.parts.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>')
        self.parts.append(f'<text x="{WIDTH - RIGHT + 26}" y="{y}">{text}</text>')

    def save(self, name: str) -> None:
        """Write the figure."""
        FIGURES.mkdir(parents=True, exist_ok=True)
        (FIGURES / name).write_text("\n".join([*self.parts, "</svg>", ""]), encoding="utf-8")


def coverage_figure(results: list[tuple[Scenario, dict[str, Recovery]]], repeats: int) -> None:
    """Coverage of every quantity; the band is where 95 % of the points of exact intervals fall."""
    names = list(SHORT)
    plot = Plot("Coverage of 95 % intervals, known truth", (-0.5, len(names) - 0.5), (86, 100.5), ("", "coverage, %"))
    plot.ticks(
        x=[(i, SHORT[q].replace(" nm", "")) for i, q in enumerate(names)], y=[(v, str(v)) for v in range(86, 101, 2)]
    )
    half = 196 * np.sqrt(0.95 * 0.05 / repeats)
    for edge in (95 - half, 95 + half):
        plot.line([(-0.5, edge), (len(names) - 0.5, edge)], "#888888", width=1, dash="4 3")
    kinds = ("1 capture", "3 captures", "5 captures", "12 captures", "3 replicates of 3", "ZetaView")
    for k, kind in enumerate(kinds):
        plot.key(kind, COLOURS[k])
        for s, found in results:
            if s.population == "beads" or not s.label.startswith(kind):
                continue
            points = [
                (i + (k - 2.5) * 0.11, max(100 * found[q].coverage, 86.0))
                for i, q in enumerate(names)
                if found[q].truth > 1e-9
            ]
            plot.dots(points, COLOURS[k])
    plot.save("nta-coverage.svg")


def agreement_figure(found: dict[str, dict[str, list[float]]]) -> None:
    """Ours minus NanoSight's, each capture a point."""
    names = ["mean_diameter_nm", "sd_diameter_nm", "mode_diameter_nm", "D10*", "D50*", "D90*"]
    plot = Plot("Difference from NanoSight's own numbers", (-0.5, 5.5), (-0.5, 0.5), ("", "ours - NanoSight, nm"))
    plot.ticks(
        x=[(i, SHORT.get(q, q)) for i, q in enumerate(names)], y=[(v / 10, f"{v / 10:+.1f}") for v in range(-5, 6, 1)]
    )
    for edge in (-0.05, 0.05):
        plot.line([(-0.5, edge), (5.5, edge)], "#888888", width=1, dash="4 3")
    for k, (name, quantities) in enumerate(found.items()):
        plot.key(name, COLOURS[k])
        for i, q in enumerate(names):
            plot.dots([(i + 0.2 * (k - 0.5), d) for d in quantities[q]], COLOURS[k])
    plot.save("nta-vendor-agreement.svg")


def power_figure(power: dict[str, list[float]]) -> None:
    """Share of simulated mixtures in which two peaks were significant."""
    x = np.log10(SIZES)
    plot = Plot("Two peaks called significant", (1.7, 3.8), (0, 100), ("tracks", "% of simulations"))
    plot.ticks(x=[(v, str(n)) for v, n in zip(x, SIZES, strict=True)], y=[(v, str(v)) for v in range(0, 101, 20)])
    for k, (name, shares) in enumerate(power.items()):
        points = [(float(a), 100 * s) for a, s in zip(x, shares, strict=True)]
        plot.line(points, COLOURS[k])
        plot.dots(points, COLOURS[k])
        plot.key(name, COLOURS[k])
    plot.save("nta-peak-power.svg")


def fill(page: str, name: str, text: str) -> str:
    """Put a generated table between its markers."""
    start, end = f"<!-- generated: {name} -->", "<!-- end -->"
    if start not in page:
        raise SystemExit(f"{PAGE}: no marker {start}")
    head, rest = page.split(start, 1)
    return f"{head}{start}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}"


def main() -> None:
    """Compute everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    began = time.perf_counter()
    results = run_scenarios(repeats)
    found = agreement()
    false_peaks, power_text, power = peak_tables(repeats // 2)
    page = PAGE.read_text(encoding="utf-8")
    for name, text in {
        "coverage": recovery_table(results, "coverage"),
        "bias": recovery_table(results, "bias"),
        "width": recovery_table(results, "width"),
        "agreement": agreement_table(found),
        "errors": error_table(),
        "false-peaks": false_peaks,
        "power": power_text,
        "broadening": broadening_table(),
    }.items():
        page = fill(page, name, text)
    PAGE.write_text(page, encoding="utf-8")
    coverage_figure(results, repeats)
    agreement_figure(found)
    power_figure(power)
    print(f"{repeats} repeats, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
