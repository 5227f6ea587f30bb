"""vesicula plan and vesicula plan transfer."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from vesicula.cli.files import read_equipment, read_text, write_text
from vesicula.cli.progress import Progress
from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from vesicula.planner.plan import FeedSpec
    from vesicula.planner.search import PlanSearch
    from vesicula.planner.target import Purity, Target
    from vesicula.planner.transfer import Transfer

_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
PURITY_CHOICES = ("protein-share", "counted-share", "number-share", "per-ug")


@click.group(invoke_without_command=True)
@click.option("--yield", "yield_share", type=float, metavar="SHARE", help="Least yield, such as 0.4.")
@click.option("--purity", metavar="VALUE", help="Least purity: a share such as 0.3, or particles per ug as 1e9/ug.")
@click.option(
    "--purity-as", type=click.Choice(PURITY_CHOICES), help="What a purity is a share of; by default, of the protein."
)
@click.option("--hours", type=float, metavar="H", help="Longest time from feed to product.")
@click.option("--probability", type=float, default=0.8, show_default=True, help="How likely the target must be met.")
@click.option("--have", metavar="FILES", help="What you have: YAML files, by commas. Default: all packaged.")
@click.option("--feed", metavar="NAME|FILE", default="serum-free conditioned medium", show_default=True, help="Feed.")
@click.option("--volume", type=float, metavar="ML", help="Volume of the feed; 200 unless its file says otherwise.")
@click.option("--target", "classes", metavar="CLASSES", default="exosome,microvesicle", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds give equal plans.")
@click.option("--trials", type=int, default=80, show_default=True, help="Protocols tried per structure.")
@click.option("--draws", type=int, default=1000, show_default=True, help="Draws of what is not known, per plan.")
@click.option("--plans", "shown", type=int, default=12, show_default=True, help="Plans shown at most.")
@click.option("--workers", type=int, help="Processes; by default as many as cores; 0: none.")
@click.option("--write", "folder", type=_FOLDER, help="Write each plan as a protocol into this folder.")
@click.option("--json", "json_path", metavar="FILE", type=_OUT, help="Write all numbers as JSON ('-': to the screen).")
@click.option("--html", "html_path", metavar="FILE", type=_OUT, help="Write a page with the picture and the table.")
def plan(**given: Any) -> None:  # noqa: ANN401 - click's options, each typed by click
    """Search isolation protocols for a target, or move one to another rotor."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    target = _target(given)
    feed = _feed(given["feed"], given["volume"])
    classes = tuple(c.strip() for c in given["classes"].split(",") if c.strip())
    found = _search(target, feed, classes, given)
    _show(found, given)


@plan.command()
@click.argument("protocol", type=_FILE)
@click.option("--to", required=True, metavar="ROTOR", help="Rotor to move to, such as 'SW 32 Ti'.")
@click.option("--rotors", metavar="FILE", type=_FILE, help="Your rotors (YAML).")
@click.option("--columns", metavar="FILE", type=_FILE, help="Your columns (YAML).")
@click.option("--rpm", type=float, help="Speed in the new rotor; by default the same force at r_av, or its limit.")
@click.option("--step", "steps", type=int, multiple=True, help="Move only this step; may be given several times.")
@click.option("--within", type=float, default=0.03, show_default=True, help="Difference of pelleted shares allowed.")
@click.option("--longest", type=float, default=18.0, show_default=True, help="Longest run possible, hours.")
@click.option("--output", metavar="FILE", type=_OUT, help="Write the protocol for the new rotor.")
@click.option("--json", "json_path", metavar="FILE", type=_OUT, help="Write all numbers as JSON ('-': to the screen).")
def transfer(  # noqa: PLR0913, PLR0917 - click's options
    protocol: Path,
    to: str,
    rotors: Path | None,
    columns: Path | None,
    rpm: float | None,
    steps: tuple[int, ...],
    within: float,
    longest: float,
    output: Path | None,
    json_path: Path | None,
) -> int:
    """Move a protocol's runs to another rotor so that the same particles are pelleted."""
    from vesicula.planner.plan import dump
    from vesicula.planner.transfer import transfer_protocol

    moved = transfer_protocol(
        read_text(protocol),
        to,
        name=str(protocol),
        equipment=read_equipment(rotors, columns),
        within=within,
        longest_hours=longest,
        rpm=rpm,
        only=steps or None,
    )
    on_screen = json_path is not None and str(json_path) == "-"
    if json_path is not None and not on_screen:
        write_text(json_path, dump(moved.to_json()))
    if output is not None:
        write_text(output, moved.text)
    if on_screen:
        click.echo(dump(moved.to_json()), nl=False)
    else:
        _print_transfer(moved)
    return 0 if moved.possible else 3


def _target(given: dict[str, Any]) -> Target:
    from vesicula.planner.target import Target

    lacking = [f"--{key}" for key, name in (("yield", "yield_share"), ("purity", "purity"), ("hours", "hours"))
               if given[name] is None]  # fmt: skip
    if lacking:
        raise click.UsageError(f"missing {', '.join(lacking)}: a plan needs --yield, --purity and --hours")
    text: str = given["purity"].strip()
    per_ug = text.endswith("/ug")
    measure: Purity = given["purity_as"] or ("per-ug" if per_ug else "protein-share")
    if per_ug and measure != "per-ug":
        raise click.UsageError(f"--purity {text} is per microgram, but --purity-as says {measure}")
    try:
        purity = float(text.removesuffix("/ug"))
    except ValueError:
        raise click.UsageError(f"--purity {text!r} is neither a share such as 0.3 nor a number as 1e9/ug") from None
    return Target(
        yield_share=given["yield_share"],
        purity=purity,
        hours=given["hours"],
        purity_as=measure,
        probability=given["probability"],
    )


def _feed(name: str, volume_ml: float | None) -> FeedSpec:
    from vesicula.isolation.plain_yaml import parse_yaml
    from vesicula.planner.plan import FeedSpec
    from vesicula.planner.transfer import plain

    path = Path(name)
    if not (path.suffix in (".yaml", ".yml") or path.is_file()):
        return FeedSpec(volume_ml=200.0 if volume_ml is None else volume_ml, preset=name)
    root = parse_yaml(read_text(path), name=name)
    cells = root.mapping(("volume_ml", "preset", "particles", "medium"))
    values = cast("dict[str, Any]", plain(root))
    if volume_ml is not None:
        values["volume_ml"] = volume_ml
    if "volume_ml" in cells and volume_ml is None:
        cells["volume_ml"].number(above=0)
    return FeedSpec(**{"volume_ml": 200.0, **values})


def _search(target: Target, feed: FeedSpec, classes: tuple[str, ...], given: dict[str, Any]) -> PlanSearch:
    from vesicula.planner.lab import parse_lab
    from vesicula.planner.plan import Request
    from vesicula.planner.search import Settings, search

    files = [Path(part.strip()) for part in (given["have"] or "").split(",") if part.strip()]
    lab = parse_lab([(str(path), read_text(path)) for path in files])
    settings = Settings(
        trials=given["trials"],
        draws=given["draws"],
        shown=given["shown"],
        seed=given["seed"],
        workers=given["workers"] if given["workers"] is not None else os.cpu_count() or 1,
    )
    progress = Progress("done")
    try:
        return search(Request(feed=feed, classes=classes, target=target, lab=lab), settings, progress=progress.tell)
    finally:
        progress.close()


def _show(found: PlanSearch, given: dict[str, Any]) -> None:
    from vesicula.figures.plan import pareto_front
    from vesicula.figures.plan_page import plan_page
    from vesicula.planner.plan import dump
    from vesicula.planner.report import to_json

    json_path, html_path, folder = given["json_path"], given["html_path"], given["folder"]
    on_screen = json_path is not None and str(json_path) == "-"
    if json_path is not None and not on_screen:
        write_text(json_path, dump(to_json(found)))
    if html_path is not None:
        write_text(html_path, plan_page(found, pareto_front(found)))
    if folder is not None:
        _write_plans(found, folder)
    if on_screen:
        click.echo(dump(to_json(found)), nl=False)
    else:
        _print_plans(found)


def _print_plans(found: PlanSearch) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from vesicula.planner.report import HEADINGS, notes, rows, verdict

    console = Console(width=None if sys.stdout.isatty() else 170, markup=False, highlight=False, emoji=False)
    console.print(verdict(found))
    table = Table(box=SIMPLE)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows(found):
        table.add_row(*row)
    console.print(table)
    for note in notes(found):
        console.print(f"note: {note}")


def _print_transfer(moved: Transfer) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 170, markup=False, highlight=False, emoji=False)
    console.print(moved.verdict())
    for problem in moved.problems[1:]:
        console.print(f"also: {problem}")
    heads = ("step", "from", "rpm", "min", "to", "rpm", "g at r_av", "min", "min by k-factor", "greatest difference")
    table = Table(box=SIMPLE)
    for heading in heads:
        table.add_column(heading, overflow="fold")
    for s in moved.steps:
        table.add_row(
            f"{s.number}. {s.label}", s.before.rotor.name, f"{s.before.rpm:.0f}", f"{s.before.minutes:.1f}",
            s.after.rotor.name, f"{s.after.rpm:.0f}", f"{s.after.rotor.rcf_g(s.after.rpm, at='r_av'):.0f}",
            f"{s.after.minutes:.1f}", f"{s.k_factor_minutes:.1f}", f"{100 * s.match.difference:.2f} points",
        )  # fmt: skip
    console.print(table)
    if moved.after is not None:
        old, new = moved.before.reports[-1], moved.after.reports[-1]
        console.print(
            f"Yield of the target: {100 * old.target_yield:.1f} % before, {100 * new.target_yield:.1f} % after; "
            f"hours: {old.hours:.1f} before, {new.hours:.1f} after."
        )


def _write_plans(found: PlanSearch, folder: Path) -> None:
    from vesicula.planner.report import plan_yaml

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnalysisError(f"{folder}: cannot be made: {error.strerror}. Choose another place") from None
    for n in range(1, len(found.plans) + 1):
        write_text(folder / f"plan-{n}.yaml", plan_yaml(found, n), quiet=True)
    lab = found.request.lab
    extra = " (give it your own tables with --rotors and --columns)" if lab.own_rotors or lab.own_columns else ""
    click.echo(f"Wrote {len(found.plans)} protocols to {folder}; run one with: "
               f"vesicula isolate {folder / 'plan-1.yaml'}{extra}", err=True)  # fmt: skip
