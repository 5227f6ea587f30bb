"""vesicula isolate."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vesicula.core.errors import AnalysisError, UnreadableFile

if TYPE_CHECKING:
    from vesicula.figures.figure import Figure
    from vesicula.isolation.protocol import ProtocolResult

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
def isolate(  # noqa: PLR0913 - click's options
    protocol: Path | None,
    example: str | None,
    rotors: Path | None,
    columns: Path | None,
    json_path: Path | None,
    figure: Path | None,
    profile: Path | None,
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
    result = _run(text, name, rotors, columns)
    if json_path is not None and str(json_path) == "-":
        click.echo(_json(result), nl=False)
    else:
        _print(result)
    if json_path is not None and str(json_path) != "-":
        _write(json_path, _json(result))
    if figure is not None or profile is not None:
        _draw(result, figure, profile)


def _examples() -> list[str]:
    folder = files("vesicula.data").joinpath("protocols")
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def _protocol_text(protocol: Path | None, example: str | None) -> tuple[str, str]:
    if (protocol is None) == (example is None):
        raise click.UsageError("give a protocol file, or --example with a name")
    if protocol is not None:
        return _text(protocol), str(protocol)
    if example not in _examples():
        raise click.UsageError(f"no example {example!r}; there are: {', '.join(_examples())}")
    name = f"{example}.yaml"
    return files("vesicula.data").joinpath("protocols", name).read_text(encoding="utf-8"), name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            path, where=f"byte {error.start}", expected="text in UTF-8", found="other bytes", remedy="Save it as UTF-8."
        ) from None
    except OSError as error:
        raise UnreadableFile(
            path, where="whole file", expected="a readable file", found=str(error), remedy="Check the file's rights."
        ) from None


def _run(text: str, name: str, rotors: Path | None, columns: Path | None) -> ProtocolResult:
    from vesicula.isolation.protocol_text import Equipment, parse_protocol
    from vesicula.isolation.rotors import parse_rotors
    from vesicula.isolation.sec import parse_columns

    equipment = Equipment(
        rotors=parse_rotors(_text(rotors), name=str(rotors)) if rotors is not None else {},
        columns=parse_columns(_text(columns), name=str(columns)) if columns is not None else {},
    )
    return parse_protocol(text, name=name, equipment=equipment).run()


def _print(result: ProtocolResult) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from vesicula.isolation.protocol import HEADINGS

    # Wide enough not to fold numbers; a terminal that is narrower wraps, a file is not bound to its width.
    console = Console(width=200, markup=False, highlight=False, emoji=False)
    table = Table(title=result.name, box=SIMPLE, title_justify="left")
    for k, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if k else "left", no_wrap=True)
    for row in result.rows():
        table.add_row(*row)
    console.print(table)
    last = result.reports[-1]
    contaminants = Table(title="In the product, by class", box=SIMPLE, title_justify="left")
    for heading in ("class", "particles", "yield", "target per particle", "median diameter (nm)"):
        contaminants.add_column(heading, justify="left" if heading == "class" else "right")
    population = last.product.population
    for name, count in population.by_class().items():
        ratio = last.target_per_contaminant.get(name)
        median = population.median_diameter_nm(name)
        contaminants.add_row(
            name,
            f"{count * last.product.volume_ml:.3g}",
            f"{100 * last.yield_by_class[name]:.3g} %",
            "target" if ratio is None else f"{ratio:.2g}",
            "" if median is None else f"{median:.0f}",
        )
    console.print(contaminants)
    for note in result.notes:
        click.echo(f"note: {note}")


def _json(result: ProtocolResult) -> str:
    return json.dumps(result.to_json(), indent=1, allow_nan=False) + "\n"


def _draw(result: ProtocolResult, figure: Path | None, profile: Path | None) -> None:
    from vesicula.figures.isolation import fraction_profile, isolation_chain

    if figure is not None:
        _svg(figure, isolation_chain(result))
    if profile is not None:
        outcomes = [r.outcome for r in result.reports if r.outcome is not None]
        drawn = [o for o in outcomes if any(f.name.startswith("fraction ") for f in o.fractions)]
        if not drawn:
            raise AnalysisError("no step of this protocol has fractions to draw: --profile needs sec or gradient")
        _svg(profile, fraction_profile(drawn[-1]))


def _svg(path: Path, figure: Figure) -> None:
    _write(path, figure.svg.replace("<svg ", '<svg color="#1b1f24" ', 1) + "\n")


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be written: {error.strerror}. Choose another place") from None
    click.echo(f"Wrote {path}")
