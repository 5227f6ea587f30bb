"""One self-contained HTML page of an isolation: the verdict, the tables, the figures. No script, nothing fetched."""

from __future__ import annotations

from markupsafe import Markup

from vesicula.figures.figure import Figure
from vesicula.figures.isolation import fraction_profile, isolation_chain
from vesicula.figures.page import bullets, drawings, heading, page, table
from vesicula.isolation.ensemble import Ensemble
from vesicula.isolation.protocol import HEADINGS, ProtocolResult, number_text, ratio_text


def isolation_page(result: ProtocolResult, ensemble: Ensemble | None = None, *, level: float = 0.9) -> str:
    """Return the page.

    Parameters
    ----------
    result : ProtocolResult
        A protocol that was run.
    ensemble : Ensemble, optional
        Its draws; then every number of the verdict has an interval.
    level : float
        Of the intervals.

    Returns
    -------
    str
        HTML; all text that came from a file is escaped.
    """
    parts = [
        heading("After each step"),
        table(HEADINGS, result.rows()),
        heading("Purity: target particles per particle of each other class, after each step"),
        table(("step", *purity_classes(result)), purity_rows(result)),
    ]
    if ensemble is not None:
        parts += _interval_parts(ensemble, level)
    parts += [heading("Figures"), drawings(_figures(result))]
    parts += [heading("What to know"), bullets(_notes(result, ensemble))]
    return page(result.name, verdict=verdict(result, ensemble, level=level), parts=parts, subtitle="isolation")


def verdict(result: ProtocolResult, ensemble: Ensemble | None = None, *, level: float = 0.9) -> list[str]:
    """Return what the protocol gives, in sentences; with intervals where there are draws."""
    last = result.reports[-1]
    ranges = {}
    if ensemble is not None:
        for key in ("target_yield", "target_share", "particles_per_ug"):
            low, _, high = ensemble.interval(key, level=level)
            ranges[key] = (float(low[-1]), float(high[-1]))

    def shown(key: str, value: str, factor: float = 1.0, unit: str = "") -> str:
        if key not in ranges:
            return value
        low, high = (x * factor for x in ranges[key])
        return f"{value} ({100 * level:.0f} % interval {number_text(low, 2)} to {number_text(high, 2)}{unit})"

    worst = sorted((v, n) for n, v in last.target_per_contaminant.items())[:2]
    share = shown("target_share", f"{number_text(100 * last.target_share, 2)} %", 100.0, " %")
    # The second is named only where it is not a trifle beside the first.
    others = " and ".join(
        f"{name} ({ratio_text(v)} target particles for each one)" for v, name in worst if v <= TRIFLE * worst[0][0]
    )
    ratio = shown("particles_per_ug", number_text(last.particles_per_ug, 2))
    lines = [
        (
            f"{shown('target_yield', f'{100 * last.target_yield:.3g} %', 100.0, ' %')} of the target particles "
            f"({', '.join(result.target)}) reach the product: {last.product.volume_ml:.3g} mL after {last.hours:.3g} h."
        ),
        f"By number they are {share} of its particles." + (f" Most of what remains: {others}." if others else ""),
        f"NTA and a protein assay would read {ratio} particles per microgram. {_strain(last.max_g, last.shear_per_s)}",
    ]
    if ensemble is not None and (matters := ensemble.matters(top=3)):
        lines.append(
            "The yield hangs most on " + ", ".join(f"{name} (rank correlation {r:+.2f})" for name, r in matters) + "."
        )
    return lines


def _strain(max_g: float, shear_per_s: float) -> str:
    shear = f" and a shear rate of about {number_text(shear_per_s, 2)} 1/s at walls" if shear_per_s > 0 else ""
    return f"The product met at most {number_text(max_g)} g{shear}."


def purity_classes(result: ProtocolResult) -> tuple[str, ...]:
    """Return the classes beside the target that the feed holds."""
    first = result.reports[0].product.population.by_class()
    return tuple(n for n, count in first.items() if count > 0 and n not in result.target)


def purity_rows(result: ProtocolResult) -> list[tuple[str, ...]]:
    """Return, for each step, its label and the target particles per particle of each of `purity_classes`."""
    names = purity_classes(result)
    return [(r.label, *(ratio_text(r.target_per_contaminant[n]) for n in names)) for r in result.reports]


TRIFLE = 100.0
MEASURES = (
    ("target_yield", "yield (%)", 100.0), ("target_share", "target share (%)", 100.0),
    ("particles_per_ug", "particles/ug", 1.0), ("target_per_ug", "target/ug", 1.0),
)  # fmt: skip


def interval_rows(ensemble: Ensemble, *, level: float = 0.9) -> list[tuple[str, ...]]:
    """Return, for each step, its label and ``median (low to high)`` of each of `MEASURES`."""
    found = [[x * factor for x in ensemble.interval(key, level=level)] for key, _, factor in MEASURES]
    return [
        (label, *(f"{number_text(m[k])} ({number_text(low[k])} to {number_text(h[k])})" for low, m, h in found))
        for k, label in enumerate(ensemble.labels)
    ]


def _interval_parts(ensemble: Ensemble, level: float) -> list[Markup]:
    heads = ("step", *(title for _, title, _ in MEASURES))
    title = f"Median and {100 * level:.0f} % interval of {ensemble.draws} draws (seed {ensemble.seed})"
    return [heading(title), table(heads, interval_rows(ensemble, level=level))]


def _figures(result: ProtocolResult) -> list[Figure]:
    found = [isolation_chain(result)]
    outcomes = [r.outcome for r in result.reports if r.outcome]
    found += [fraction_profile(o) for o in outcomes if sum(f.name.startswith("fraction ") for f in o.fractions) > 1]
    return found


def _notes(result: ProtocolResult, ensemble: Ensemble | None) -> list[str]:
    fixed = (
        "All numbers are those of a model at its default parameters; many of these are estimates "
        "(docs/explanation/isolation.md). Add --draws to see what that means for each number."
    )
    if ensemble is None:
        return [fixed, *result.notes]
    return [f"{len(ensemble.priors)} parameters were drawn from their priors.", *ensemble.notes, *result.notes]
