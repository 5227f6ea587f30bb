"""One self-contained HTML page of an isolation: the verdict, the tables, the figures. No script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from vesicula.figures.figure import Figure
from vesicula.figures.isolation import fraction_profile, isolation_chain
from vesicula.isolation.ensemble import Ensemble
from vesicula.isolation.protocol import HEADINGS, ProtocolResult, number_text, ratio_text

STYLE = """
:root{color-scheme:light dark;
--ink:#1b1f24;
--paper:#fff;
--faint:#d5d9de;
--soft:#f3f5f7}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;
--paper:#16191d;
--faint:#3a4048;
--soft:#20252b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:1.2rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
h1{font-size:1.5rem;margin:.2rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
.verdict{background:var(--soft);border-left:5px solid #0072B2;padding:.8rem 1rem;
font-size:1.08rem;max-width:75ch}
.verdict p{margin:.3rem 0}
.wide{overflow-x:auto;border:1px solid var(--faint)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.84rem}
th,td{padding:.35rem .45rem;
text-align:right;white-space:nowrap;border-bottom:1px solid var(--faint)}
th{background:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper);min-width:8rem;
white-space:normal}
thead th:first-child{background:var(--soft)}
tr:last-child td{border-bottom:0}
.figures{display:grid;gap:1.2rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}
figure{margin:0;max-width:640px}
svg{width:100%;height:auto;display:block}
figcaption,.note{font-size:.85rem;opacity:.85}
ul{padding-left:1.2rem}
"""


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
    said = "".join(f"<p>{escape(s)}</p>" for s in verdict(result, ensemble, level=level))
    parts = [
        f"<h1>{escape(result.name)}</h1>",
        f'<div class="verdict">{said}</div>',
        "<h2>After each step</h2>",
        _table(HEADINGS, result.rows()),
        "<h2>Purity: target particles per particle of each other class, after each step</h2>",
        _table(("step", *purity_classes(result)), purity_rows(result)),
    ]
    if ensemble is not None:
        parts += _interval_parts(ensemble, level)
    parts += ["<h2>Figures</h2>", f'<div class="figures">{"".join(map(_figure, _figures(result)))}</div>']
    parts += ["<h2>What to know</h2>", f"<ul>{''.join(f'<li>{escape(n)}</li>' for n in _notes(result, ensemble))}</ul>"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(result.name)}: isolation</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


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


def _interval_parts(ensemble: Ensemble, level: float) -> list[str]:
    heads = ("step", *(title for _, title, _ in MEASURES))
    title = f"Median and {100 * level:.0f} % interval of {ensemble.draws} draws (seed {ensemble.seed})"
    return [f"<h2>{title}</h2>", _table(heads, interval_rows(ensemble, level=level))]


def _figures(result: ProtocolResult) -> list[Figure]:
    found = [isolation_chain(result)]
    outcomes = [r.outcome for r in result.reports if r.outcome]
    found += [fraction_profile(o) for o in outcomes if sum(f.name.startswith("fraction ") for f in o.fractions) > 1]
    return found


def _figure(figure: Figure) -> str:
    return f"<figure>{figure.svg}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _notes(result: ProtocolResult, ensemble: Ensemble | None) -> list[str]:
    fixed = (
        "All numbers are those of a model at its default parameters; many of these are estimates "
        "(docs/explanation/isolation.md). Add --draws to see what that means for each number."
    )
    if ensemble is None:
        return [fixed, *result.notes]
    return [f"{len(ensemble.priors)} parameters were drawn from their priors.", *ensemble.notes, *result.notes]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
