"""vesicula secrete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vesicula.cli.files import write_svg, write_text
from vesicula.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vesicula.biogenesis.report import SecretionReport

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
@click.option("--html", metavar="FILE", type=_OUT, help="Write a page with the verdict, figures, tables and sources.")
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
    html: Path | None,
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
    if html is not None:
        from vesicula.figures.secretion_page import secretion_page

        write_text(html, secretion_page(found))
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


def _print(found: SecretionReport) -> None:
    from vesicula.figures import secretion_page as shown

    click.echo(shown.verdict(found))
    _table(shown.title(found), shown.QUANTITY_HEADS, shown.quantity_rows(found))
    if found.cells is not None:
        _table(shown.cell_title(found), shown.CELL_HEADS, shown.cell_rows(found))
    _table("What exosome release depends on most", shown.INFLUENCE_HEADS, shown.influence_rows(found))
    if found.sobol is not None:
        _table("Sobol indices of the logarithm of exosome release", shown.SOBOL_HEADS, shown.sobol_rows(found))
    click.echo(f"note: {shown.NOTE}")


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE, title_justify="left")
    for k, heading in enumerate(headings):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Wide enough not to fold numbers; a terminal that is narrower wraps, a file is not bound to its width.
    Console(width=200, markup=False, highlight=False, emoji=False).print(table)


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
