"""vesicula secrete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vesicula.cli.files import write_svg, write_text
from vesicula.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from vesicula.biogenesis.report import SecretionReport
    from vesicula.core.estimate import Estimate

_OUT = click.Path(dir_okay=False, path_type=Path)
_LIST = "list"


@click.command()
@click.option("--with", "conditions", metavar="NAME", multiple=True, help="A modulator; repeat it; 'list' names them.")
@click.option("--hours", type=float, default=24.0, show_default=True, help="Time in fresh medium.")
@click.option("--draws", type=click.IntRange(2, 100_000), default=400, show_default=True, help="Draws from the priors.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of draws and cells.")
@click.option("--cells", type=click.IntRange(0, 100_000), default=0, help="Also simulate so many single cells.")
@click.option("--sobol", metavar="N", type=click.IntRange(0, 65_536), default=0, help="Global sensitivity: 2^k draws.")
@click.option("--json", "json_path", metavar="FILE", type=_OUT, help="Write all numbers as JSON ('-': to the screen).")
@click.option("--sbml", metavar="FILE", type=_OUT, help="Write the model, in steady state and fresh medium, as SBML.")
@click.option("--figure", metavar="FILE", type=_OUT, help="Write formation and release as a picture (SVG).")
@click.option("--traces", metavar="FILE", type=_OUT, help="Write the release of single cells as a picture (SVG).")
def secrete(  # noqa: PLR0913 - click's options
    *,
    conditions: tuple[str, ...],
    hours: float,
    draws: int,
    seed: int,
    cells: int,
    sobol: int,
    json_path: Path | None,
    sbml: Path | None,
    figure: Path | None,
    traces: Path | None,
) -> None:
    """Predict what cells make and let go, with what is not known."""
    from vesicula.biogenesis.report import secrete as answer

    if _LIST in conditions:
        _print_modulators()
        return
    if traces is not None and not cells:
        raise click.UsageError("--traces needs --cells")
    progress = Progress("draws")
    found = answer(
        conditions, hours=hours, draws=draws, seed=seed, cells=cells, sobol=sobol, progress=progress.tell
    )  # fmt: skip
    progress.close()
    on_screen = json_path is not None and str(json_path) == "-"
    if json_path is not None and not on_screen:
        write_text(json_path, _json(found))
    if sbml is not None:
        write_text(sbml, _sbml(conditions))
    _draw(found, figure, traces)
    if on_screen:
        click.echo(_json(found), nl=False)
    else:
        _print(found)


def _json(found: SecretionReport) -> str:
    return json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n"


def _sbml(conditions: tuple[str, ...]) -> str:
    from vesicula.biogenesis import at_steady_state, secretion_network, write_sbml

    return write_sbml(at_steady_state(secretion_network(conditions)))


def _table(title: str, *headings: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, box=SIMPLE, title_justify="left")
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    return table


def _print(found: SecretionReport) -> None:
    from rich.console import Console

    from vesicula.biogenesis.report import label_of

    # Wide enough not to fold numbers; a terminal that is narrower wraps, a file is not bound to its width.
    console = Console(width=200, markup=False, highlight=False, emoji=False)
    click.echo(_verdict(found))
    name = f"with {', '.join(found.modulators)}" if found.modulators else "untreated"
    table = _table(f"Secretion, {name}, {found.hours:g} h", "quantity", "value", "95 %", "unit", "x untreated", "95 %")
    for row in found.rows():
        ratio = ("", "") if row.ratio is None else (f"{row.ratio.value:.3g}", _interval(row.ratio))
        e = row.estimate
        table.add_row(label_of(row.quantity), f"{e.value:.3g}", _interval(e), e.unit, *ratio)
    console.print(table)
    _print_cells(found, console.print)
    _print_influence(found, console.print)
    click.echo(
        "note: intervals come from the priors of the parameters, most of which are estimates; no data of yours went "
        "in. Compare conditions rather than trust a single number."
    )


def _verdict(found: SecretionReport) -> str:
    """Say in a sentence what is released."""
    row = next(r for r in found.rows() if r.quantity == "exosomes_released")
    e = row.estimate
    text = f"A cell releases {e.value:.3g} exosomes an hour ({_interval(e)})"
    if row.ratio is None:
        return f"{text}; an untreated one, over {found.hours:g} h."
    return (
        f"{text} with {', '.join(found.modulators)}: {row.ratio.value:.3g} times what an untreated one does "
        f"({_interval(row.ratio)}; 95 % of draws from what is not known)."
    )


def _interval(e: Estimate) -> str:
    return "" if e.low is None or e.high is None else f"{e.low:.3g} to {e.high:.3g}"


def _print_cells(found: SecretionReport, show: Callable[[Table], None]) -> None:
    from vesicula.biogenesis.report import label_of

    if found.cells is None:
        return
    title = f"{len(found.cells.runs)} single cells at the best values (seed {found.seed}), per cell and hour"
    table = _table(title, "quantity", "mean", "SD", "95 % of cells")
    for name, (mean, sd, low, high) in found.between_cells().items():
        table.add_row(label_of(name), f"{mean:.3g}", f"{sd:.3g}", f"{low:.3g} to {high:.3g}")
    show(table)


def _print_influence(found: SecretionReport, show: Callable[[Table], None]) -> None:
    table = _table("What exosome release depends on most", "parameter", "rank correlation")
    for name, value in found.influence():
        table.add_row(name, f"{value:+.2f}")
    show(table)
    if found.sobol is not None:
        table = _table("Sobol indices of the logarithm of exosome release", "parameter", "total", "first order")
        first = dict(zip(found.sobol.parameters, found.sobol.first_order, strict=True))
        for name, total in found.sobol.ranked()[:8]:
            table.add_row(name, f"{total:.2f}", f"{first[name]:.2f}")
        show(table)


def _print_modulators() -> None:
    from vesicula.biogenesis.tables import effects

    for e in effects():
        f = e.factor
        click.echo(
            f"{e.modulator}: {e.parameter} x {f.value:g} ({f.low:g} to {f.high:g}); release {e.release}; {f.source} "
            f"[sureness {f.sureness}, {f.checked}]"
        )


def _draw(found: SecretionReport, figure: Path | None, traces: Path | None) -> None:
    from vesicula.figures.secretion import formation_and_release, release_of_cells

    if figure is not None:
        write_svg(figure, formation_and_release(found))
    if traces is not None and found.cells is not None:
        write_svg(traces, release_of_cells(found.cells))
