"""vesicula proteome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from vesicula.core.errors import AnalysisError

if TYPE_CHECKING:
    from vesicula.cargo.enrichment import SampleInfo
    from vesicula.cargo.protein import Kind, ProteinTable
    from vesicula.cargo.protein.analyse import Proteome
    from vesicula.cargo.protein.lists import ProteinList
    from vesicula.cli.progress import Progress

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...", type=_FILE)
@click.option(
    "--samples",
    "sheet",
    type=_FILE,
    metavar="FILE",
    help="TSV, CSV or XLSX: sample, condition, and unit, donor, batch where they apply.",
)
@click.option("--compare", metavar="TEST:REFERENCE", help="Conditions to compare; needed with more than two.")
@click.option("--kind", type=click.Choice(["lfq", "ibaq", "top3", "intensity", "psm-count"]), help="Values to take.")
@click.option("--log2/--linear", "log2", default=None, help="Scale of a plain matrix; judged by its numbers otherwise.")
@click.option("--sheet", "workbook_sheet", metavar="NAME", help="Sheet of a workbook (its first).")
@click.option("--normalise", type=click.Choice(["none", "median"]), default="none", show_default=True)
@click.option("--list", "lists", multiple=True, type=_FILE, metavar="FILE", help="One more list of vesicle proteins.")
@click.option("--html", "page", type=_FILE, metavar="PAGE", help="Write a page with figures; it needs no network.")
@click.option("--tsv", type=_FILE, metavar="FILE", help="Write the comparison, one protein group per line.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def proteome(  # noqa: PLR0913, PLR0917 - click's options
    tables: tuple[Path, ...],
    sheet: Path | None,
    compare: str | None,
    kind: str | None,
    log2: bool | None,  # noqa: FBT001 - click's option
    workbook_sheet: str | None,
    normalise: str,
    lists: tuple[Path, ...],
    page: Path | None,
    tsv: Path | None,
    as_json: bool,  # noqa: FBT001 - click's option
) -> None:
    """Judge the proteins of vesicles: purity, what is missing, what differs, and which pathways that means."""
    from vesicula.cargo.protein.analyse import analyse_proteome
    from vesicula.cargo.protein.lists import read_protein_list
    from vesicula.cargo.protein.report import json_report, text_report
    from vesicula.cargo.protein.sheet import read_sample_sheet
    from vesicula.cli.progress import Progress
    from vesicula.mechanism.tables import load_tables

    progress = Progress("tables")
    samples = read_sample_sheet(sheet) if sheet is not None else ()
    table = _read(tables, samples, Choice(kind=cast("Kind | None", kind), log2=log2, sheet=workbook_sheet), progress)
    contrast = _contrast(compare, samples)
    if tsv is not None and contrast is None:
        raise AnalysisError("--tsv writes a comparison: name it with --samples FILE --compare TEST:REFERENCE")
    sets = [s for s in load_tables() if s.origin in {"reactome", "hallmark-7.0"}] if contrast is not None else []
    result = analyse_proteome(
        table,
        samples=samples,
        contrast=contrast if table.kind != "psm-count" or compare else None,
        gene_sets={s.set_id: s.genes for s in sets},
        lists=[*_packaged(table), *(read_protein_list(path) for path in lists)],
        normalise="median" if normalise == "median" else "none",
        tell=lambda step: progress.tell(step, 0, None),
    )
    names = {s.set_id: s.name for s in sets}
    progress.tell("writing", 0, None)
    progress.close()
    _write(result, names, page=page, tsv=tsv)
    if as_json:
        click.echo(json.dumps(json_report(result, names), indent=1, allow_nan=False))
    else:
        click.echo(text_report(result, names), nl=False)


def _packaged(table: ProteinTable) -> tuple[ProteinList, ...]:
    """Return the packaged lists, which have human symbols, for a table that can be compared with them."""
    from vesicula.cargo.protein.lists import packaged_lists
    from vesicula.cargo.protein.names import genes_of_accessions

    known = genes_of_accessions()
    comparable = any(g.genes or not known.keys().isdisjoint(g.accessions) for g in table.groups)
    return packaged_lists() if comparable else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to take from the tables.

    Parameters
    ----------
    kind : str or None
        Kind of values; None takes the best that a table holds.
    log2 : bool or None
        Scale of a plain matrix; None judges by its numbers.
    sheet : str or None
        Sheet of a workbook; None takes its first.
    """

    kind: Kind | None
    log2: bool | None
    sheet: str | None


def _read(
    tables: tuple[Path, ...], samples: tuple[SampleInfo, ...], choice: Choice, progress: Progress
) -> ProteinTable:
    """Read all tables and join them."""
    from vesicula.cargo.protein import join_tables, read_protein_table

    wanted = [s.sample for s in samples] if samples and len(tables) == 1 else None
    read = []
    for k, path in enumerate(tables):
        progress.tell("reading", k, len(tables))
        read.append(
            read_protein_table(path, kind=choice.kind, samples=wanted, log2=choice.log2, sheet=choice.sheet)
        )
    return join_tables(read)


def _contrast(compare: str | None, samples: tuple[SampleInfo, ...]) -> tuple[str, str] | None:
    """Return test and reference; the second condition of the sheet against the first where there are just two."""
    conditions = list(dict.fromkeys(s.condition for s in samples))
    if compare is None:
        return (conditions[1], conditions[0]) if len(conditions) == 2 else None
    test, colon, reference = compare.partition(":")
    for condition in (test, reference):
        if not colon or condition not in conditions:
            raise AnalysisError(
                "--compare takes TEST:REFERENCE with conditions of the sample sheet "
                f"({', '.join(conditions) or 'none'}), not {compare!r}"
            )
    return test, reference


def _write(result: Proteome, names: dict[str, str], *, page: Path | None, tsv: Path | None) -> None:
    """Write the files asked for, before anything is printed."""
    from vesicula.cli.files import write_text

    if tsv is not None:
        from vesicula.cargo.protein.report import TSV_COLUMNS, rows_of

        lines = ["\t".join(TSV_COLUMNS)]
        lines += ["\t".join("" if cell is None else str(cell) for cell in row) for row in rows_of(result)]
        write_text(tsv, "\n".join(lines) + "\n")
    if page is not None:
        from vesicula.figures.proteome_page import proteome_page

        write_text(page, proteome_page(result, names))
