"""vesicula isolate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vesicula.cli.files import read_equipment, read_text, write_svg, write_text
from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from vesicula.isolation.ensemble import Ensemble
    from vesicula.isolation.protocol import ProtocolResult
    from vesicula.isolation.protocol_text import Protocol

_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("protocol", type=_FILE, required=False)
@click.option("--example", metavar="NAME", help="Run a packaged protocol; 'list' names them.")
@click.option("--show", is_flag=True, help="Print the protocol's text, to start your own from, and do not run it.")
@click.option("--rotors", metavar="FILE", type=_FILE, help="Your rotors (YAML, as the packaged rotors.yaml).")
@click.option("--columns", metavar="FILE", type=_FILE, help="Your columns (YAML, as the packaged columns.yaml).")
@click.option("--json", "json_path", metavar="FILE", type=_OUT, help="Write all numbers as JSON ('-': to the screen).")
@click.option("--figure", metavar="FILE", type=_OUT, help="Write the chain as a picture (SVG).")
@click.option("--profile", metavar="FILE", type=_OUT, help="Write the last elution or gradient profile (SVG).")
@click.option("--html", metavar="FILE", type=_OUT, help="Write a page with the verdict, the tables and the figures.")
@click.option("--draws", metavar="N", type=click.IntRange(0, 200_000), default=0,
              help="Draw the uncertain parameters N times and show 90 % intervals.")  # fmt: skip
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=1, show_default=True, help="Of the draws.")
def isolate(  # noqa: PLR0913, PLR0917 - click's options
    protocol: Path | None,
    example: str | None,
    rotors: Path | None,
    columns: Path | None,
    json_path: Path | None,
    figure: Path | None,
    profile: Path | None,
    html: Path | None,
    draws: int,
    seed: int,
    *,
    show: bool,
) -> None:
    """Simulate an isolation protocol: yield, purity and cost after each step."""
    if example == "list":
        click.echo("\n".join(_examples()))
        return
    text, name = _protocol_text(protocol, example)
    if show:
        click.echo(text, nl=False)
        return
    read = _read(text, name, rotors, columns)
    result, drawn = read.run(), _draws(read, draws, seed)
    on_screen = json_path is not None and str(json_path) == "-"
    if json_path is not None and not on_screen:
        write_text(json_path, _json(result, drawn))
    if html is not None:
        from vesicula.figures.isolation_page import isolation_page

        write_text(html, isolation_page(result, drawn))
    if figure is not None or profile is not None:
        _draw(result, figure, profile)
    if on_screen:
        click.echo(_json(result, drawn), nl=False)
    else:
        _print(result, drawn)


def _examples() -> list[str]:
    folder = files("vesicula.data").joinpath("protocols")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def _protocol_text(protocol: Path | None, example: str | None) -> tuple[str, str]:
    if (protocol is None) == (example is None):
        raise click.UsageError("give a protocol file, or --example with a name")
    if protocol is not None:
        return read_text(protocol), str(protocol)
    if example not in _examples():
        raise click.UsageError(f"no example {example!r}; there are: {', '.join(_examples())}")
    name = f"{example}.yaml"
    return files("vesicula.data").joinpath("protocols", name).read_text(encoding="utf-8"), name


def _read(text: str, name: str, rotors: Path | None, columns: Path | None) -> Protocol:
    from vesicula.isolation.protocol_text import parse_protocol

    return parse_protocol(text, name=name, equipment=read_equipment(rotors, columns))


def _draws(protocol: Protocol, draws: int, seed: int) -> Ensemble | None:
    if not draws:
        return None
    from vesicula.isolation.ensemble import ensemble

    return ensemble(protocol, draws=draws, seed=seed)


def _print(result: ProtocolResult, drawn: Ensemble | None) -> None:
    from vesicula.figures.isolation_page import MEASURES, interval_rows, purity_classes, purity_rows, verdict
    from vesicula.isolation.protocol import HEADINGS

    for sentence in verdict(result, drawn):
        click.echo(sentence)
    _table(result.name, HEADINGS, result.rows())
    if drawn is not None:
        title = f"Median (90 % interval) of {drawn.draws} draws, seed {drawn.seed}"
        _table(title, ("step", *(head for _, head, _ in MEASURES)), interval_rows(drawn))
    if purity_classes(result):
        _table("Target particles per particle of", ("step", *purity_classes(result)), purity_rows(result))
    _table("In the product, by class", ("class", "particles", "yield", "median diameter (nm)"), _by_class(result))
    for note in (*result.notes, *(drawn.notes if drawn is not None else ())):
        click.echo(f"note: {note}")


def _by_class(result: ProtocolResult) -> list[tuple[str, ...]]:
    from vesicula.isolation.protocol import count_text

    last = result.reports[-1]
    population = last.product.population
    rows: list[tuple[str, ...]] = []
    for name, per_ml in population.by_class().items():
        count, median = per_ml * last.product.volume_ml, population.median_diameter_nm(name)
        shown = "" if median is None or count < 1 else f"{median:.0f}"
        rows.append((name, count_text(count), f"{100 * last.yield_by_class[name]:.3g} %", shown))
    return rows


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    # Only the step's name folds: a narrow terminal wraps the rest, a file is not bound to a width.
    table = Table(title=title, box=SIMPLE, title_justify="left")
    for k, heading in enumerate(heads):
        table.add_column(heading, justify="right" if k else "left", no_wrap=bool(k), overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=220, markup=False, highlight=False, emoji=False).print(table)


def _json(result: ProtocolResult, drawn: Ensemble | None) -> str:
    content = result.to_json()
    if drawn is not None:
        content["ensemble"] = drawn.to_json()
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _draw(result: ProtocolResult, figure: Path | None, profile: Path | None) -> None:
    from vesicula.figures.isolation import fraction_profile, isolation_chain

    if figure is not None:
        write_svg(figure, isolation_chain(result))
    if profile is not None:
        outcomes = [r.outcome for r in result.reports if r.outcome is not None]
        drawn = [o for o in outcomes if any(f.name.startswith("fraction ") for f in o.fractions)]
        if not drawn:
            raise AnalysisError("no step of this protocol has fractions to draw: --profile needs sec or gradient")
        write_svg(profile, fraction_profile(drawn[-1]))
