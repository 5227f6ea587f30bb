# ruff: noqa: E501 - Markdown tables have long rows
"""Write docs/validation/nta-exports.md: our numbers beside the vendors', file by file.

Run as: python docs/make_validation.py. The NanoSight files are in tests/data; the ZetaView files may not be
redistributed and are looked for beside the repository, in ../shared; without them the page is not rewritten.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vesicula.assess.agreement import Comparison, compare
from vesicula.core.measurement import SizeMeasurement, TableMeasurement
from vesicula.instruments.nta.infer import StatisticsSettings, analyse_measurement
from vesicula.instruments.registry import read

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data" / "particles"
PAGE = ROOT / "docs" / "validation" / "nta-exports.md"

NAMES = {
    "mean_diameter_nm": "mean",
    "mode_diameter_nm": "mode",
    "median_diameter_nm": "D50",
    "d10_diameter_nm": "D10",
    "d90_diameter_nm": "D90",
    "sd_diameter_nm": "SD",
    "concentration_per_ml": "concentration",
}

HEAD = """\
# NTA exports: our numbers beside the vendors'

Written by `docs/make_validation.py` from the real files; nothing here is typed by hand.

"Allowed" is what the vendor's binning and the rounding of the printed figure explain: for percentiles and the mode one bin
(NanoSight 1 nm, ZetaView 5 nm) and half of the last printed digit; for the mean, the SD and the concentration the rounding
alone. A difference beyond it would be a defect of ours, or of the file.
"""

NANOSIGHT = """\

## NanoSight

Ours: percentiles by linear interpolation of the cumulative between bin *edges*; mean and SD at bin centres; mode from the
density. NTA 3.2 states percentiles at the left edge of the bin, NTA 3.4 at the right: the same data read 1 nm apart,
and D10, D50 and D90 of the two versions cannot be compared without knowing it.

{overall}

Largest difference per quantity:

| file | quantity | captures | largest difference, ours less theirs | in capture | allowed | all within |
|---|---|---|---|---|---|---|
"""

CAPTURES = """\

### Capture by capture

Ours / vendor's. Diameters in nm, concentration per mL on the basis that the file states.

| file | capture | mean | mode | D10 | D50 | D90 | SD | concentration |
|---|---|---|---|---|---|---|---|---|
"""

ZETAVIEW = """\

## ZetaView

A size export states three medians and no mean, mode or total concentration; those stand in the vendor's PDF reports, which are not
among the files. The table of positions, where there is one, states the mean concentration of the positions used, with two digits.

- *D50, ours*: between bin edges. *Recipe*: the vendor's own, `interp(N/2, cumulative, bin centres)`, which places the
  whole of a bin at its centre, and so lies about half a bin lower.
- *Volume D50, recipe*: the same with weights N d³.

| file | version | traces | D50 ours | D50 vendor | difference | D50 recipe | volume D50 vendor | volume D50 recipe | concentration of the diluted suspension, sum of bins | same, table of positions | difference |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    zetaview = sorted(SHARED.glob("irispota__EV-NTA/*/*.txt")) + sorted(
        SHARED.glob("sumit*/backend/NTA/*/*_size_488.txt")
    )
    if not zetaview:
        print("the ZetaView files are not here (../shared): the page is left as it is", file=sys.stderr)
        return 1
    page = HEAD + nanosight_section() + zetaview_section(zetaview)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def compared(path: Path) -> tuple[SizeMeasurement, tuple[Comparison, ...]]:
    measurement = read(path)
    if not isinstance(measurement, SizeMeasurement):
        raise TypeError(path)
    statistics = analyse_measurement(measurement, settings=StatisticsSettings())
    return measurement, compare(measurement, statistics)


def nanosight_section() -> str:
    summary, detail, total, within = [], [], 0, 0
    for path in sorted((ROOT / "tests" / "data" / "nanosight").glob("beads*.csv")):
        measurement, comparisons = compared(path)
        total += len(comparisons)
        within += sum(c.within for c in comparisons)
        for quantity, name in NAMES.items():
            group = [c for c in comparisons if c.quantity == quantity]
            worst = max(group, key=lambda c: abs(c.difference) / c.allowed)
            summary.append(
                f"| {path.name} | {name} | {len(group)} | {shown(worst.difference, quantity)} | {worst.capture} | "
                f"{shown(worst.allowed, quantity)} | {'yes' if all(c.within for c in group) else 'NO'} |"
            )
        for capture in measurement.captures:
            cells = []
            for quantity in ("mean", "mode", "D10", "D50", "D90", "SD", "concentration"):
                c = next(c for c in comparisons if c.capture == capture.name and NAMES[c.quantity] == quantity)
                cells.append(f"{shown(c.ours, c.quantity)} / {shown(c.vendor, c.quantity)}")
            detail.append(f"| {path.name} | {capture.name} | " + " | ".join(cells) + " |")
    overall = f"**{within} of {total} figures agree within what is allowed.**"
    return NANOSIGHT.format(overall=overall) + "\n".join(summary) + "\n" + CAPTURES + "\n".join(detail) + "\n"


def shown(value: float, quantity: str) -> str:
    return f"{value:.3g}" if quantity == "concentration_per_ml" else f"{value:.2f}"


def zetaview_section(paths: list[Path]) -> str:
    rows, agree, total = [], 0, 0
    for path in paths:
        measurement, comparisons = compared(path)
        capture = measurement.captures[0]
        if capture.is_empty:
            rows.append(f"| {path.stem} | {version(measurement)} | 0 | failed run: no measurement |||||||||")
            continue
        (d50,) = [c for c in comparisons if c.quantity == "median_diameter_nm"]
        counts, centres = capture.weights, capture.bin_centres_nm
        volume = recipe(centres, counts * centres**3)
        concentration = 0.0 if capture.concentration_per_ml is None else float(capture.concentration_per_ml.sum())
        stated = positions_concentration(path)
        allowed_volume = "-" if stated is None else f"{concentration / stated - 1:+.1%}"
        total += 1
        agree += d50.within and (stated is None or abs(concentration / stated - 1) <= 0.05)
        rows.append(
            f"| {path.stem} | {version(measurement)} | {capture.tracks_used} | {d50.ours:.1f} | {d50.vendor:.6f} | "
            f"{d50.difference:+.1f} | {recipe(centres, counts):.6f} | {capture.vendor['vendor_volume_d50_nm']:.6f} | "
            f"{volume:.6f} | {concentration:.3e} | {'-' if stated is None else f'{stated:.1e}'} | {allowed_volume} |"
        )
    tail = (
        f"\n**{agree} of {total} files that hold a measurement agree**: D50 within one bin (5 nm) and, where a table of positions "
        "states it, concentration within the rounding of its two digits (at worst 5 %). The recipe gives the vendor's "
        "medians to every printed decimal.\n"
    )
    return ZETAVIEW + "\n".join(rows) + "\n" + tail


def recipe(centres: np.ndarray, weights: np.ndarray) -> float:
    return float(np.interp(weights.sum() / 2, np.cumsum(weights), centres))


def version(measurement: SizeMeasurement) -> str:
    return measurement.software.removeprefix("ZetaView (version ").rstrip(")")


def positions_concentration(path: Path) -> float | None:
    companion = path.with_name(f"{path.stem}_11pos.txt")
    if not companion.exists():
        return None
    table = read(companion)
    if not isinstance(table, TableMeasurement):
        raise TypeError(companion)
    return next(v for k, v in table.values.items() if k.startswith("vendor_mean_concentration_diluted"))


if __name__ == "__main__":
    sys.exit(main())
