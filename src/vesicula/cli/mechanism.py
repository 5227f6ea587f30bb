"""vesicula mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from vesicula.cli.evidence_options import AS_OF, STORE, revision_of
from vesicula.evidence.model import Question
from vesicula.evidence.store import Store, open_store
from vesicula.mechanism import export
from vesicula.mechanism.extend import extend
from vesicula.mechanism.graph import load_graph
from vesicula.mechanism.model import MOLECULE_KINDS, Graph
from vesicula.mechanism.paths import Path_, doubted, matching, paths
from vesicula.mechanism.tables import load_tables
from vesicula.mechanism.targets import read_targets


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
@click.option(
    "--picture",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the paths shown as an interactive picture (one HTML file).",
)
@click.option(
    "--tables/--no-tables",
    default=True,
    show_default=True,
    help="Add what Reactome, GO and the hallmark sets say; apart from the claims.",
)
@click.option(
    "--targets",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add a table of microRNA targets that you hold, such as miRTarBase's as CSV.",
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
    picture: Path | None,
    targets: Path | None,
    *,
    tables: bool,
    as_json: bool,
) -> None:
    """Show by which mechanism the claims say that a cargo acts, path by path.

    What tables of pathways, processes and targets add is marked, and listed after what the claims state.
    """
    read = read_targets(targets) if targets is not None else None
    with open_store(store) as opened:
        graph = load_graph(opened, molecule=molecule, condition=condition, as_of=revision_of(as_of))
        asked = _Asked(molecule, condition, cell_source)
        records, remarks = _check(opened, graph, asked)
        doubts = doubted(opened.doubts(graph.version), molecule) if molecule is not None else ()
    if tables or read is not None:
        graph = extend(graph, load_tables() if tables else (), read)
    found = paths(graph, molecule=molecule, condition=condition, records=records, limit=None)
    stated, inferred = ([path for path in found if path.inferred is kind] for kind in (False, True))
    shown = (*stated[:limit], *inferred[:limit])
    click.echo(export.as_json(graph, shown) if as_json else export.as_text(graph, shown))
    remarks = _cut("paths", stated, limit) + _cut("inferred paths", inferred, limit) + remarks
    if read is not None and read.other_species:
        remarks.append(f"{read.path}: {read.other_species} rows of other species than man are left aside.")
    remarks += [f"Too many claims to look for contradictions over {name}." for name in graph.not_compared]
    remarks += [f"DOUBT that names {molecule}: {d.row}: {d.in_words}" for d in doubts]
    for remark in remarks:
        click.echo(remark, err=as_json)
    part = export.selection(graph, found)
    if tsv is not None:
        export.write_tsv(part, tsv)
    if graphml is not None:
        export.write_graphml(part, graphml)
    if picture is not None:
        _draw(graph, shown, picture, asked)


class _Asked(NamedTuple):
    molecule: str | None
    condition: str | None
    cell_source: str | None


def _check(store: Store, graph: Graph, asked: _Asked) -> tuple[set[str] | None, list[str]]:
    """Return the claims of the cell source, if one is asked for, and remarks on names that nothing has."""
    records: set[str] | None = None
    remarks: list[str] = []
    if asked.molecule is not None and not matching(graph, asked.molecule, MOLECULE_KINDS):
        remarks += _unknown(store, Question(molecule=asked.molecule), asked.molecule, graph.version)
    if asked.condition is not None and not matching(graph, asked.condition, ("condition",)):
        remarks += _unknown(store, Question(condition=asked.condition), asked.condition, graph.version)
    if asked.cell_source is not None:
        answer = store.query(Question(cell_source=asked.cell_source), as_of=graph.version)
        records = {claim.record_id for claim in answer.claims}
        remarks += answer.unmatched
    return records, remarks


def _cut(kind: str, listed: Sequence[Path_], limit: int) -> list[str]:
    return [f"The first {limit} of {len(listed)} {kind}; --limit shows more."] if limit < len(listed) else []


def _unknown(store: Store, question: Question, name: str, version: str) -> tuple[str, ...]:
    """Return why no path is found: the store has no such name, or only in claims that describe no mechanism."""
    unmatched = store.query(question, as_of=version).unmatched
    return unmatched or (f"{name!r} is in the store, but in no claim that describes a mechanism",)


def _draw(graph: Graph, shown: Sequence[Path_], file: Path, asked: _Asked) -> None:
    # Only here: the picture's parts are large.
    picture = import_module("vesicula.mechanism.picture")
    about = ", ".join(name for name in asked if name) or "all claims"
    picture.write_picture(graph, shown, file, title=f"Mechanisms: {about}")
