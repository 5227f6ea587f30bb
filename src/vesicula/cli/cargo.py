"""vesicula cargo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from vesicula.cli.evidence_options import AS_OF, STORE, revision_of
from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vesicula.cargo.effect.run import CargoEffect
    from vesicula.cargo.effect.table import CargoKind, CargoTable, Scale
    from vesicula.cargo.effect.targets import TargetMap
    from vesicula.cargo.enrichment import SampleInfo
    from vesicula.mechanism.tables import GeneSet

_FILE = click.Path(dir_okay=False, path_type=Path)
ORIGINS = {"reactome": "reactome", "go": "go-bp-2021", "hallmark": "hallmark-7.0"}


@click.command()
@click.argument("table", metavar="CARGO", type=_FILE)
@click.option(
    "--compare-table", type=_FILE, metavar="FILE", help="Comparison of the same cargo: log2 fold change, adjusted p."
)
@click.option(
    "--samples",
    "sheet",
    type=_FILE,
    metavar="FILE",
    help="TSV, CSV or XLSX: sample, condition, and unit, donor, batch.",
)
@click.option("--compare", metavar="TEST:REFERENCE", help="Groups of samples whose activities are compared.")
@click.option(
    "--background",
    type=_FILE,
    metavar="FILE",
    help="What could have been found, as a list or table; by default all of CARGO.",
)
@click.option(
    "--targets",
    "target_table",
    type=_FILE,
    metavar="FILE",
    help="Targets of miRNAs that you hold, as for `vesicula mechanism`.",
)
@click.option("--strong", is_flag=True, help="Of the targets only those with strong support.")
@click.option("--sets", "origins", multiple=True, type=click.Choice(list(ORIGINS)), help="Gene sets to test (all).")
@click.option("--condition", help="Disease: paths of the claims to it, by name or identifier.")
@click.option("--beside", multiple=True, type=_FILE, metavar="FILE", help="Cargo of another source, for the overlap.")
@click.option(
    "--top", type=click.IntRange(min=3), default=50, show_default=True, help="Of abundances alone, so many are tested."
)
@click.option("--kind", type=click.Choice(["mirna", "protein"]), help="What the names are; judged by them otherwise.")
@click.option("--scale", type=click.Choice(["counts", "linear", "log2", "ct"]), help="Of the abundances.")
@click.option("--name-column", metavar="NAME", help="Column of names, where it is not found by itself.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the permutations.")
@click.option("--claims/--no-claims", default=True, show_default=True, help="Ask the evidence store.")
@STORE
@AS_OF
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write a page with the figures.")
def cargo(  # noqa: PLR0913, PLR0917 - click's options
    table: Path,
    compare_table: Path | None,
    sheet: Path | None,
    compare: str | None,
    background: Path | None,
    target_table: Path | None,
    strong: bool,  # noqa: FBT001 - click's option
    origins: tuple[str, ...],
    condition: str | None,
    beside: tuple[Path, ...],
    top: int,
    kind: str | None,
    scale: str | None,
    name_column: str | None,
    seed: int,
    claims: bool,  # noqa: FBT001 - click's option
    store: str | None,
    as_of: str | None,
    as_json: bool,  # noqa: FBT001 - click's option
    html: Path | None,
) -> None:
    """Take cargo to mechanism: pathways against the right background, activity, and what claims say of it."""
    from vesicula.cargo.effect.report import json_report, text_report
    from vesicula.cargo.effect.run import analyse_cargo
    from vesicula.cargo.effect.table import read_cargo, with_comparison
    from vesicula.cargo.protein.sheet import read_sample_sheet
    from vesicula.cli.files import write_text
    from vesicula.cli.progress import Progress

    progress = Progress("steps")
    progress.tell("reading", 0, None)
    samples = read_sample_sheet(sheet) if sheet is not None else ()
    kind_, scale_ = cast("CargoKind | None", kind), cast("Scale | None", scale)
    read = read_cargo(
        table, kind=kind_, scale=scale_, samples=[s.sample for s in samples] or None, name_column=name_column
    )
    if compare_table is not None:
        read = with_comparison(read, read_cargo(compare_table, kind=read.kind))
    known = read_cargo(background, kind=read.kind) if background is not None else None
    found = analyse_cargo(
        read,
        _sets(origins),
        targets=_targets(read, known, target_table, store, as_of, strong=strong, claims=claims),
        background=None if known is None else {known.keys[i]: known.labels[i] for i in known.measured()},
        samples=samples,
        contrast=_contrast(compare, samples),
        beside=[read_cargo(path, kind=read.kind) for path in beside],
        top=top,
        seed=seed,
        tell=lambda step: progress.tell(step, 0, None),
    )
    if claims:
        progress.tell("looking up claims", 0, None)
        found = _with_claims(found, condition, store, as_of)
    progress.close()
    if html is not None:
        from vesicula.figures.cargo_page import cargo_page

        write_text(html, cargo_page(found))
    if as_json:
        click.echo(json.dumps(json_report(found), indent=1, allow_nan=False))
    else:
        click.echo(text_report(found), nl=False)


def _sets(origins: tuple[str, ...]) -> list[GeneSet]:
    from vesicula.mechanism.tables import load_tables

    wanted = {ORIGINS[o] for o in origins or ORIGINS}
    return [s for s in load_tables() if s.origin in wanted]


def _contrast(compare: str | None, samples: Sequence[SampleInfo]) -> tuple[str, str] | None:
    """Return test and reference; the second condition of the sheet against the first where there are just two."""
    conditions = list(dict.fromkeys(s.condition for s in samples))
    if compare is None:
        return (conditions[1], conditions[0]) if len(conditions) == 2 else None
    test, colon, reference = compare.partition(":")
    if not colon or not {test, reference} <= set(conditions):
        raise AnalysisError(
            "--compare takes TEST:REFERENCE with conditions of the sample sheet "
            f"({', '.join(conditions) or 'none'}), not {compare!r}"
        )
    return test, reference


def _targets(
    table: CargoTable,
    background: CargoTable | None,
    path: Path | None,
    store: str | None,
    as_of: str | None,
    *,
    strong: bool,
    claims: bool,
) -> TargetMap | None:
    """Return the targets of miRNAs: of the user's table, else of the claims."""
    from vesicula.cargo.effect.targets import targets_of_claims, targets_of_table
    from vesicula.evidence.store import open_store
    from vesicula.mechanism.graph import is_small, load_graph
    from vesicula.mechanism.targets import read_targets

    if table.kind != "mirna":
        return None
    names = {k: label for t in (table, background) if t for k, label in zip(t.keys, t.labels, strict=True) if k}
    if path is not None:
        return targets_of_table(read_targets(path), names, strong=strong)
    if not claims:
        return None
    with open_store(store) as opened:
        revision = revision_of(as_of)
        if not is_small(opened, revision):
            return None
        return targets_of_claims(load_graph(opened, as_of=revision), names)


def _with_claims(found: CargoEffect, condition: str | None, store: str | None, as_of: str | None) -> CargoEffect:
    from vesicula.cargo.effect.conditions import place_cargo
    from vesicula.cargo.effect.run import with_evidence
    from vesicula.evidence.store import open_store

    listed = {key: one.what for one in found.lists for key in one.hits}
    with open_store(store) as opened:
        rows = found.table.measured()
        placed = place_cargo(opened, found.table, rows, listed, condition=condition, as_of=revision_of(as_of))
    return with_evidence(found, placed)
