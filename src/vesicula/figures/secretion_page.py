"""What cells make and let go, in words, as tables, and as one page."""

from __future__ import annotations

from vesicula.biogenesis.report import SecretionReport, label_of
from vesicula.biogenesis.tables import effects, parameter_priors
from vesicula.core.estimate import Estimate
from vesicula.figures.page import bullets, drawings, heading, page, table
from vesicula.figures.secretion import formation_and_release, release_of_cells

Rows = list[tuple[str, ...]]

QUANTITY_HEADS = ("quantity", "value", "95 %", "unit", "x untreated", "95 % of the ratio")
CELL_HEADS = ("quantity", "mean", "SD", "95 % of cells")
INFLUENCE_HEADS = ("parameter", "rank correlation")
SOBOL_HEADS = ("parameter", "total", "first order")
_PRIOR_HEADS = ("parameter", "rank correlation", "value", "range", "unit", "source", "sureness")
_EFFECT_HEADS = ("modulator", "parameter", "factor", "range", "release", "source", "sureness")
_WORDS = ("parameter", "source", "sureness")
NOTE = (
    "Intervals come from the priors of the parameters, most of which are estimates; no data of yours went in. Compare "
    "conditions rather than trust a single number."
)


def secretion_page(found: SecretionReport) -> str:
    """Return the page: verdict, figures, tables, and the source of what the answer hangs on.

    Parameters
    ----------
    found : SecretionReport
        From `vesicula.biogenesis.report.secrete`.

    Returns
    -------
    str
        HTML without script and without anything from elsewhere.
    """
    pictures = [formation_and_release(found)]
    parts = []
    if found.cells is not None:
        pictures.append(release_of_cells(found.cells))
    parts += [drawings(pictures), heading("Formation and release"), table(QUANTITY_HEADS, quantity_rows(found))]
    if found.cells is not None:
        parts += [heading(cell_title(found)), table(CELL_HEADS, cell_rows(found))]
    if found.modulators:
        parts += [heading("What the modulators change"), table(_EFFECT_HEADS, _effect_rows(found), texts=_WORDS)]
    parts += [heading("What exosome release hangs on most"), table(_PRIOR_HEADS, _prior_rows(found), texts=_WORDS)]
    if found.sobol is not None:
        parts += [heading("Sobol indices of the logarithm of exosome release"), table(SOBOL_HEADS, sobol_rows(found))]
    parts += [heading("What to know"), bullets([NOTE, f"Draws: {len(found.treated.values)}, seed {found.seed}."])]
    return page(title(found), verdict=[verdict(found)], parts=parts)


def title(found: SecretionReport) -> str:
    """Return what was asked."""
    name = f"with {', '.join(found.modulators)}" if found.modulators else "untreated"
    return f"Secretion, {name}, {found.hours:g} h"


def cell_title(found: SecretionReport) -> str:
    """Return what the table of single cells holds."""
    count = 0 if found.cells is None else len(found.cells.runs)
    return f"{count} single cells at the best values (seed {found.seed}), per cell and hour"


def verdict(found: SecretionReport) -> str:
    """Say in a sentence what is released."""
    row = next(r for r in found.rows() if r.quantity == "exosomes_released")
    e = row.estimate
    text = f"A cell releases {e.value:.3g} exosomes an hour ({interval(e)})"
    if row.ratio is None:
        return f"{text}; an untreated one, over {found.hours:g} h."
    return (
        f"{text} with {', '.join(found.modulators)}: {row.ratio.value:.3g} times what an untreated one does "
        f"({interval(row.ratio)}; 95 % of draws from what is not known)."
    )


def interval(e: Estimate) -> str:
    """Return an interval's ends, or nothing."""
    return "" if e.low is None or e.high is None else f"{e.low:.3g} to {e.high:.3g}"


def quantity_rows(found: SecretionReport) -> Rows:
    """Return a row a quantity, as `QUANTITY_HEADS`."""
    rows: Rows = []
    for row in found.rows():
        ratio = ("", "") if row.ratio is None else (f"{row.ratio.value:.3g}", interval(row.ratio))
        e = row.estimate
        rows.append((label_of(row.quantity), f"{e.value:.3g}", interval(e), e.unit, *ratio))
    return rows


def cell_rows(found: SecretionReport) -> Rows:
    """Return the spread between single cells, as `CELL_HEADS`."""
    return [
        (label_of(name), f"{mean:.3g}", f"{sd:.3g}", f"{low:.3g} to {high:.3g}")
        for name, (mean, sd, low, high) in found.between_cells().items()
    ]


def influence_rows(found: SecretionReport) -> Rows:
    """Return the parameters that matter most, as `INFLUENCE_HEADS`."""
    return [(name, f"{value:+.2f}") for name, value in found.influence()]


def sobol_rows(found: SecretionReport) -> Rows:
    """Return the greatest Sobol indices, as `SOBOL_HEADS`; none without them."""
    if found.sobol is None:
        return []
    first = dict(zip(found.sobol.parameters, found.sobol.first_order, strict=True))
    return [(name, f"{total:.2f}", f"{first[name]:.2f}") for name, total in found.sobol.ranked()[:8]]


def _prior_rows(found: SecretionReport) -> Rows:
    rows: Rows = []
    priors = parameter_priors()
    for name, value in found.influence():
        p = priors.get(name)
        if p is None:
            rows.append((name, f"{value:+.2f}", "", "", "", "factor of a modulator, see above", ""))
            continue
        span = f"{p.low:g} to {p.high:g}"
        sure = f"{p.sureness}, {p.checked}"
        rows.append((name, f"{value:+.2f}", f"{p.value:g}", span, p.unit, p.source, sure))
    return rows


def _effect_rows(found: SecretionReport) -> Rows:
    return [
        (
            e.modulator, e.parameter, f"{e.factor.value:g}", f"{e.factor.low:g} to {e.factor.high:g}", e.release,
            e.factor.source, f"{e.factor.sureness}, {e.factor.checked}",
        )
        for e in effects()
        if e.modulator in found.modulators
    ]  # fmt: skip
