"""Synthetic twins of ZetaView exports: the real layout, numbers from a known lognormal.

Run as a script to write ``tests/data/zetaview`` anew. Only `random.Random.random`, whose sequence Python
guarantees, is drawn from, so that the files come out byte for byte the same.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist, mean, stdev

DATA = Path(__file__).parents[1] / "data" / "zetaview"

STEP_NM, BINS = 5.0, 1200
LOG_BINS, LOG_RATIO, LOG_FIRST_NM = 200, 10 ** (1 / 64), 4.6
TITLE = "Size / nm\tNumber\tConcentration / cm-3\tVolume / nm^3\tArea / nm^2"
SEPARATOR = "-1.000E+0\t-1.000E+0\t-1.000E+0\t-1.000E+0\t0.000E+0"
POSITIONS = (0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.85, 0.90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one position of the cell saw."""

    position: float
    intensity: float
    particles: int
    diameters_nm: tuple[float, ...]
    drift: float
    removal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: a population, its instrument constant, and the clothes of an export."""

    name: str = "20260114_0003_TWIN-A-1000"
    seed: int = 20260114
    median_nm: float = 124.0
    geometric_sd: float = 1.42
    particles_per_frame: float = 60.0
    traces_per_particle: float = 0.7
    per_ml_per_particle: float = 4.11e5
    dilution: float = 1000.0
    correction: float = 1.0
    software: str = "8.06.01 SP1"
    comma: bool = False
    crlf: bool = False
    failed: bool = False

    def positions(self) -> list[Position]:
        """Draw all positions; three are left out, one of them without a single trace."""
        rng = random.Random(self.seed)  # noqa: S311 - a reproducible draw, no secret
        removals = {0.20: "MAX_DRIFT", 0.30: "MAX_DRIFT", 0.80: "MIN_TRACES"}
        found = []
        for z in POSITIONS:
            removal = "MIN_TRACES" if self.failed else removals.get(z, "")
            particles = round(self.particles_per_frame * (0.7 + 0.6 * rng.random()))
            traces = 0 if removal == "MIN_TRACES" else round(self.traces_per_particle * particles)
            diameters = tuple(self._diameter(rng.random()) for _ in range(traces))
            drift = 36.0 * abs(z - 0.75) + 3 * rng.random() + (12 if removal == "MAX_DRIFT" else 0)
            found.append(
                Position(
                    position=z,
                    intensity=3 + 4 * rng.random(),
                    particles=particles,
                    diameters_nm=diameters,
                    drift=drift,
                    removal=removal,
                )
            )
        return found

    def _diameter(self, u: float) -> float:
        z = NormalDist().inv_cdf(min(max(u, 1e-9), 1 - 1e-9))
        return self.median_nm * math.exp(math.log(self.geometric_sd) * z)

    def used(self) -> list[Position]:
        """Positions that enter the result."""
        return [p for p in self.positions() if not p.removal]

    def counts(self) -> list[int]:
        """The true linear histogram."""
        counts = [0] * BINS
        for p in self.used():
            for d in p.diameters_nm:
                counts[min(int(d // STEP_NM), BINS - 1)] += 1
        return counts

    def log_counts(self) -> list[int]:
        """The same particles in logarithmic bins."""
        counts = [0] * LOG_BINS
        for p in self.used():
            for d in p.diameters_nm:
                counts[int(math.log(d / LOG_FIRST_NM) / math.log(LOG_RATIO))] += 1
        return counts

    def average_particles(self) -> float:
        """Mean number of particles per frame over the positions used; 0 in a failed run."""
        used = self.used()
        return mean(p.particles for p in used) if used else 0.0

    def concentration_diluted_per_ml(self) -> float:
        """The concentration in the cell that the export states."""
        return self.average_particles() * self.per_ml_per_particle

    # --- the files ---

    def size_file(self) -> bytes:
        """The export ``*_size_488.txt``."""
        counts = self.counts()
        traces = sum(counts)
        lines = [*header(self, traces), "Size Distribution", TITLE]
        if traces:
            factor = self.concentration_diluted_per_ml() / traces
            centres = [(i + 0.5) * STEP_NM for i in range(BINS)]
            log_centres = [LOG_FIRST_NM * LOG_RATIO**i * (1 + LOG_RATIO) / 2 for i in range(LOG_BINS)]
            lines += [row(d, n, factor) for d, n in zip(centres, counts, strict=True)]
            lines.append(SEPARATOR)
            lines += [row(d, n, factor) for d, n in zip(log_centres, self.log_counts(), strict=True)]
        else:
            lines.append(SEPARATOR)
        return self._encode(lines)

    def positions_file(self) -> bytes:
        """The table ``*_size_488_11pos.txt``."""
        lines = [
            (
                "Use\tPosition\tMean Int.\tAv. No of Particles\tConc. (p./mL)\tOrig. Conc. (p./cm^3)\t"
                "No. of Traces\tX50 (nm)\tPeak ø (nm)\tSpan\tDrift (µm/s)\tRemoval"
            )
        ]
        table = []
        for p in self.positions():
            values = self._position_values(p)
            table.append((p.removal, values))
            lines.append(
                "\t".join(["" if p.removal else "X", f"{p.position:.2f}", *position_cells(values), p.removal])
            )
        used = list(zip(*[v for r, v in table if not r], strict=True)) or [(0.0, 0.0)] * 9
        means = [mean(c) for c in used]
        deviations = [stdev(c) for c in used]
        relative = [100 * s / m if m else 0.0 for s, m in zip(deviations, means, strict=True)]
        for title, values in (("Mean", means), ("St.Dev.", deviations), ("Rel.St.Dev.", relative)):
            lines.append("\t".join(["", title, *position_cells(values, summary=True), ""]))
        return self._encode(lines)

    def _position_values(self, p: Position) -> list[float]:
        counts = [0] * BINS
        for d in p.diameters_nm:
            counts[min(int(d // STEP_NM), BINS - 1)] += 1
        diluted = p.particles * self.per_ml_per_particle
        if p.diameters_nm:
            d10, d50, d90 = (quantile(counts, q) for q in (0.1, 0.5, 0.9))
            size = [d50, (counts.index(max(counts)) + 0.5) * STEP_NM + 0.8, (d90 - d10) / d50]
        else:
            size = [5997.5, 0.0, 0.0]
        return [
            p.intensity,
            float(p.particles),
            diluted,
            diluted * self.dilution,
            float(len(p.diameters_nm)),
            *size,
            p.drift,
        ]

    def profile_file(self) -> bytes:
        """The export ``*_prof_488.txt``, with the NUL that follows the micro signs of its units."""
        a, b, c, factor, mobility = 118.25, -121.5, -8.75, 12.81, -2.345678
        lines = header(self, 37, profile=True)
        lines += [
            "Profile Data:",
            f"ZP Factor:\t{factor:.6f}\t(Smoluchowski)",
            "Average Field (abs) / V/cm:\t2.701000",
            "Results:",
            "Mean Velocity (Derived from Parabola Fit) / µ\x00m/s:\t-8.123000",
            f"Mobility /µ\x00m/s/V/cm:\t{mobility:.6f}",
            f"Mobility @ 25degC /µ\x00m/s/V/cm:\t{mobility * 1.001:.6f}",
            "Mobility Parabola Fit Accuracy /µ\x00m/s/V/cm:\t0.051000",
            "Mobility Distribution (SL 1/2) FWHM /µ\x00m/s/V/cm:\t0.410000",
            f"Zeta Potential / mV:\t{mobility * factor:.6f}",
            f"Zeta Potential @ 25°C / mV:\t{mobility * factor:.6f}",
            f"ZP Parabola Fit Accuracy / mV:\t{0.051 * factor:.6f}",
            f"ZP Distribution (SL 1/2) FWHM / mV:\t{0.41 * factor:.6f}",
            f"Parabola: zp = {a:.6f}*x^2 + {b:.6f}*x + {c:.6f}",
            "ZP Profile:",
            "Position\tPositive V\tNegative V\tAverage\tParabola Fit\tZP",
        ]
        rng = random.Random(self.seed + 1)  # noqa: S311 - as above
        for z in POSITIONS:
            fit = a * z * z + b * z + c
            positive, negative = (fit + 8 * (rng.random() - 0.5) for _ in range(2))
            if z == 0.70:
                positive = -0.0  # nothing was tracked here at this voltage
            lines.append(
                "\t".join(scientific(v) for v in (z, positive, negative, (positive + negative) / 2, fit))
            )
        return self._encode(lines)

    def _encode(self, lines: list[str]) -> bytes:
        if self.comma:
            lines = [re.sub(r"(?<=\d)\.(?=\d)", ",", line) if has_numbers(line) else line for line in lines]
        end = "\r\n" if self.crlf else "\n"
        return "".join(line + end for line in lines).encode("latin-1")


def has_numbers(line: str) -> bool:
    """Tell whether the points of a line are decimal points; versions, names and titles keep theirs."""
    keep = (
        "Original File",
        "Operator",
        "Experiment",
        "ZetaV",
        "Cell S/N",
        "Software",
        "SOP",
        "Sample",
        "General",
        "Use\t",
    )
    return not line.startswith(keep)


def scientific(value: float, digits: int = 3) -> str:
    """Print as the software does: 1.250E+1."""
    mantissa, exponent = f"{value:.{digits}E}".split("E")
    return f"{mantissa}E{int(exponent):+d}"


def row(diameter_nm: float, count: int, factor: float) -> str:
    """One row of a size table."""
    volume, area = count * math.pi / 6 * diameter_nm**3, count * math.pi / 4 * diameter_nm**2
    return "\t".join(scientific(v) for v in (diameter_nm, count, count * factor, volume, area))


def position_cells(values: list[float], *, summary: bool = False) -> list[str]:
    """The nine numbers of a row of the positions table, each to its precision."""
    i, particles, diluted, stock, traces, x50, peak, span, drift = values
    return [
        f"{i:.1f}",
        f"{particles:.1f}",
        scientific(diluted, 1),
        scientific(stock, 1),
        f"{traces:.1f}" if summary else f"{traces:.0f}",
        f"{x50:.1f}",
        f"{peak:.1f}",
        f"{span:.1f}",
        f"{drift:.1f}",
    ]


def quantile(counts: list[int], q: float) -> float:
    """The vendor's quantile: the cumulated count is reached at the bin's centre."""
    target, before = q * sum(counts), 0
    for i, n in enumerate(counts):
        if n and before + n >= target:
            share = (target - before) / n
            return (i - 0.5 + share) * STEP_NM if before else (i + 0.5) * STEP_NM
        before += n
    raise ValueError("no count")


def volume_quantile(counts: list[int], q: float) -> float:
    """The same, weighted by volume."""
    weights = [n * ((i + 0.5) * STEP_NM) ** 3 for i, n in enumerate(counts)]
    target, before = q * math.fsum(weights), 0.0
    for i, w in enumerate(weights):
        if w and before + w >= target:
            return (i - 0.5 + (target - before) / w) * STEP_NM
        before += w
    raise ValueError("no count")


def header(run: Run, traces: int, *, profile: bool = False) -> list[str]:
    """Header lines in the order of the run's software version."""
    v806, v80514 = run.software.startswith("8.06"), run.software.startswith("8.05.14")
    kind = "prof" if profile else "size"
    number, volume = (
        (quantile(run.counts(), 0.5), volume_quantile(run.counts(), 0.5)) if run.used() else (0.0, 0.0)
    )
    first = "Profile Voltage:\t+24.000000V" if profile else "Section:\t0.1 [0]"
    section = "" if profile else "(at 0.100000)\t"
    remarks = (
        ["Sample Remarks0:\t", "Sample Remarks1:\t", "Sample Remarks2:"]
        if v80514
        else ["Sample Info 1:\t", "Sample Info 2:\t", "Sample Info 3:"]
    )
    lines = [
        f"Original File:\tD:\\twins\\{run.name}_{kind}_488.avi\t{first}",
        "Operator:\tTwin",
        f"Experiment:\t{run.name[:13]}",
        "ZetaVIEW S/N:\t00-001" if v80514 else "ZetaView S/N:\t00-002",
        *([] if v80514 else ["Cell S/N:\t000-000-00-000-T00-1"]),
        f"Software:\tZetaView (version {run.software})\tAnalyze:\t{run.software}",
        "SOP:\tEV_TWIN",
        f"Sample:\t{run.name[14:]}",
        "Electrolyte:\tPBS",
        "pH:\t7.100000\tentered",
        "Conductivity: 61.000000\tsensed" if v806 else "Conductivity:\t14700.000000\tsensed",
        *(
            ["TempControl:\t1", "SetTemperature:\tNaN" if profile else "SetTemperature:\t25.000000"]
            if v806
            else []
        ),
        "Temperature:\t24.610000\tsensed",
        "Viscosity:\t0.907700",
        "Date:\t2026-01-14",
        "Time:\t11:12:13",
        "General Remarks:\tsynthetic twin, 1:1,000 in PBS",
        "Remarks:\t",
        *remarks,
        "Scattering Intensity:\t5.300000",
        "Detected Particles:\t58",
        "Particle Drift Checked:\t1904-01-01 01:00:00",
        "Particle Drift Check Result:\ttoo high",
        "Cell Checked:\t2026-01-14 10:58:00",
        "Cell Check Result:\tGood",
        f"Type of Measurement:\t{'Profile' if profile else 'Size Distribution'}",
        *(["Positions:\t11"] if v806 else []),
        "Microscope Position:\t0.100001",
        (
            f"Number of Traces:\t{traces}\t{section}"
            f"Average Number of Particles:\t{run.average_particles():.6f}\tDilution::\t{run.dilution:.6f}"
        ),
        *([f"Concentration Correction Factor:\t{run.correction:.6f}"] if v806 else []),
        "Image Evaluation:",
        "Minimum Brightness:\t30",
        "Minimum Area:\t10",
        "Maximum Area:\t1000",
        "Maximum Brightness:\t255",
        "Tracking Radius2:\t100",
        "Minimum Tracelength:\t15",
        "Begin New Traces:\t1",
        "PSD log Correction:\t0",
        *(
            [
                "Multi-Threshold:\t0",
                "MultipleAcquisition:\t0",
                "NumberOfExperiments:\t1",
                "DelayTime:\t0.000000",
            ]
            if v806
            else []
        ),
        "Camera:\tFpSec 30 #Cycles 1 FRate 30.000000",
        *([] if v80514 else ["Sensitivity:\t80.000000"]),
        "Gain:\t28.800000",
        "Offset:\t0.000000",
        "Shutter:\t100.000000",
        "Brightness:\tNaN",
        "Gamma:\tNaN",
        "Auto Exposure:\tNaN",
        "Camera Trigger Mode:\tCamera Frequency",
        f"Camera Trigger Duration {'mus' if v80514 else 'µs'}:\tShutter Duration",
        f"Camera Trigger Delay {'mus' if v80514 else 'µs'}:\t0",
        "Laser Wavelength nm:\t488.000000",
        "Filter Wavelength nm:\tScatter",
        "SL1 (Stationary Layer 1):\t0.149500",
        "SL2 (Stationary Layer 2):\t0.850500",
        "Cell parameter:",
        "Cell#:\tZNTA",
        "Micrometer per Pixel:\t0.713000",
        f"Voltage:\t{24 if profile else 0:.6f}",
        "Polarity:\tNaN",
    ]
    if profile:
        return lines
    return [
        *lines,
        "ZP Factor:\t12.860000 (Smoluchowski)",
        "Results (Pos 0.100001):",
        f"Median Number (D50):\t{number:.6f}",
        f"Median Concentration (D50):\t{number:.6f}",
        f"Median Volume (D50):\t{volume:.6f}",
    ]


DOT = Run()
COMMA = replace(
    DOT,
    name="20260114_0004_TWIN-B-1000",
    seed=7,
    software="8.05.16 SP3",
    comma=True,
    crlf=True,
    median_nm=97.0,
    dilution=5000.0,
)
OLD = replace(
    DOT, name="20260114_0005_TWIN-C-1000", seed=11, software="8.05.14 SP7", crlf=True, median_nm=151.0
)
FAILED = replace(DOT, name="20260114_0006_TWIN-D-1000", seed=13, failed=True)


def twins() -> dict[str, bytes]:
    """All files checked in, by name."""
    return {
        f"{DOT.name}_size_488.txt": DOT.size_file(),
        f"{DOT.name}_size_488_11pos.txt": DOT.positions_file(),
        f"{DOT.name}_prof_488.txt": replace(DOT, crlf=True).profile_file(),
        f"{COMMA.name}_size_488.txt": COMMA.size_file(),
        f"{COMMA.name}_size_488_11pos.txt": COMMA.positions_file(),
        f"{OLD.name}_size_488.txt": OLD.size_file(),
        f"{FAILED.name}_size_488.txt": FAILED.size_file(),
        f"{FAILED.name}_size_488_11pos.txt": FAILED.positions_file(),
    }


if __name__ == "__main__":
    DATA.mkdir(parents=True, exist_ok=True)
    for file_name, content in twins().items():
        (DATA / file_name).write_bytes(content)
