"""vesicula mechanism."""

from __future__ import annotations

from pathlib import Path

import click

from vesicula.cli.evidence import AS_OF, STORE, revision_of
from vesicula.evidence.model import Question
from vesicula.evidence.store import open_store
from vesicula.mechanism import export
from vesicula.mechanism.graph import load_graph
from vesicula.mechanism.paths import doubted, paths


@click.command()
@click.argument("molecule", required=False)
@click.option("--condition", help="Disease, by name or identifier.")
@click.option("--cell-source", help="Source of the vesicles, such as BM-MSC.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show so many paths.")
@STORE
@AS_OF
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--tsv",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write all paths' nodes.tsv and edges.tsv (KGX style).",
)
@click.option(
    "--graphml",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all paths as GraphML.",
)
def mechanism(  # noqa: PLR0913, PLR0917 - click's options
    molecule: str | None,
    condition: str | None,
    cell_source: str | None,
    limit: int,
    store: str | None,
    as_of: str | None,
    tsv: Path | None,
    graphml: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show by which mechanism the claims say that a cargo acts, path by path."""
    with open_store(store) as opened:
        graph = load_graph(opened, as_of=revision_of(as_of))
        records: set[str] | None = None
        remarks: list[str] = []
        if cell_source is not None:
            answer = opened.query(Question(cell_source=cell_source), as_of=graph.version)
            records = {claim.record_id for claim in answer.claims}
            remarks += answer.unmatched
    found = paths(graph, molecule=molecule, condition=condition, records=records, limit=None)
    shown = found[:limit]
    click.echo(export.as_json(graph, shown) if as_json else export.as_text(graph, shown))
    if len(shown) < len(found):
        remarks.append(f"The first {len(shown)} of {len(found)} paths; --limit shows more.")
    if molecule is not None:
        remarks += [f"DOUBT that names {molecule}: {d.row}: {d.text}" for d in doubted(graph, molecule)]
    for remark in remarks:
        click.echo(remark, err=as_json)
    part = export.selection(graph, found)
    if tsv is not None:
        export.write_tsv(part, tsv)
    if graphml is not None:
        export.write_graphml(part, graphml)
