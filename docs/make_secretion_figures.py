"""Draw the figures of docs/validation/secretion.md and write its tables. Takes a few minutes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from vesicula.biogenesis import (
    at_steady_state,
    modulator_names,
    secrete,
    secretion_network,
    simulate_ode,
    simulate_secretion,
)
from vesicula.biogenesis.report import SecretionReport, SecretionRow
from vesicula.biogenesis.tables import effects, parameter_priors
from vesicula.figures.secretion import formation_and_release, release_of_cells

HERE = Path(__file__).parent
FIGURES = HERE / "validation" / "figures"
PAGE = HERE / "validation" / "secretion.md"
PRIORS = HERE / "reference" / "secretion.md"
# Release relative to untreated, from the publications that biogenesis_modulators.tsv names.
STATED = {
    "rab27-knockdown": "0.25-0.5", "hrs-knockdown": "0.3-0.6", "tsg101-knockdown": "0.3-0.6", "gw4869": "0.3-0.7",
    "bafilomycin": "2-8", "hypoxia": "1.3-3", "mtorc1-inhibition": "1.2-2", "wnt-activation": "1-2",
    "senescence": "0.5-5, sign uncertain", "late-passage": "0.5-5, sign uncertain",
}  # fmt: skip


def put(page: Path, name: str, lines: list[str]) -> None:
    """Replace what stands between the two markers of a table."""
    text = page.read_text(encoding="utf-8")
    block = "\n".join([f"<!-- {name} -->", "", *lines, "", f"<!-- end of {name} -->"])
    found, count = re.subn(rf"<!-- {name} -->.*<!-- end of {name} -->", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page}: no place for {name}")
    page.write_text(found, encoding="utf-8")


def save(name: str, svg: str) -> None:
    drawn = svg.replace("<svg ", '<svg color="#1b1f24" style="background:#fff" ', 1)
    (FIGURES / f"secretion-{name}.svg").write_text(drawn + "\n", encoding="utf-8")


def ratio(row: SecretionRow) -> str:
    r = row.ratio
    return "" if r is None else f"{r.value:.2f} ({r.low:.2f}-{r.high:.2f})"


def modulators() -> list[str]:
    lines = ["| modulator | ILVs formed | ILVs degraded | exosomes released | microvesicles | stated for release |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name in modulator_names():
        rows = {row.quantity: row for row in secrete([name], draws=200).rows()}
        wanted = ("ilv_formed", "ilv_degraded", "exosomes_released", "microvesicles_shed")
        lines.append(f"| {name} | {' | '.join(ratio(rows[q]) for q in wanted)} | {STATED.get(name, 'no number')} |")
    return lines


def means() -> list[str]:
    """Compare 2000 cells with the equations, after 24 h."""
    times = [0.0, 24.0]
    cells = simulate_secretion(secretion_network(), times, n=2000, seed=1)
    course = simulate_ode(at_steady_state(secretion_network()), times)
    lines = ["| per cell after 24 h | equations | mean of 2000 cells | SD between cells | z |", "|---|---|---|---|---|"]
    for name in ("formed_escrt", "formed_ceramide", "degraded_escrt", "released_escrt", "released_ceramide",
                 "mvb_released", "microvesicles_shed", "exosomes_escrt", "mvb", "late"):  # fmt: skip
        x, want = cells[name][:, -1], course[name][-1]
        sd = x.std(ddof=1)
        z = (x.mean() - want) / (sd / np.sqrt(x.size))
        lines.append(f"| {name} | {want:.2f} | {x.mean():.2f} | {sd:.2f} | {z:+.2f} |")
    return lines


def influence(report: SecretionReport) -> list[str]:
    found = report.sobol
    if found is None:
        raise SystemExit("the indices need SALib")
    place = {name: i for i, name in enumerate(found.parameters)}
    lines = ["| parameter | total index | half width | first order |", "|---|---|---|---|"]
    for name, total in found.ranked()[:10]:
        i = place[name]
        lines.append(f"| {name} | {total:.3f} | {found.total_half_width[i]:.3f} | {found.first_order[i]:.3f} |")
    return lines


def priors() -> list[str]:
    lines = ["| parameter | value (range) | unit | meaning | source | sureness |", "|---|---|---|---|---|---|"]
    for name, p in parameter_priors().items():
        lines.append(f"| `{name}` | {p.value:g} ({p.low:g}-{p.high:g}) | {p.unit} | {MEANINGS[name]} | {p.source} | "
                     f"{p.sureness}, {p.checked} |")  # fmt: skip
    return lines


def factors() -> list[str]:
    lines = ["| modulator | parameter | factor (range) | source | sureness |", "|---|---|---|---|---|"]
    for e in effects():
        f = e.factor
        lines.append(f"| {e.modulator} | `{e.parameter}` | {f.value:g} ({f.low:g}-{f.high:g}) | {f.source} | "
                     f"{f.sureness}, {f.checked} |")  # fmt: skip
    return lines


def meanings() -> dict[str, str]:
    table = HERE.parent / "src" / "vesicula" / "data" / "biogenesis_parameters.tsv"
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    return {row[0]: row[-1] for row in rows[1:]}


MEANINGS = meanings()

if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    put(PRIORS, "priors", priors())
    put(PRIORS, "factors", factors())
    put(PAGE, "means", means())
    put(PAGE, "modulators", modulators())
    report = secrete(sobol=256, draws=400, cells=200)
    put(PAGE, "indices", influence(report))
    save("cells", release_of_cells(report.cells).svg)
    save("bafilomycin", formation_and_release(secrete(["bafilomycin"], draws=400)).svg)
