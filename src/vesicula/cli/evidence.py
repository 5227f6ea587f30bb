"""vesicula evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vesicula.cli import evidence_overview, evidence_pages, evidence_store
from vesicula.cli.evidence_options import AS_OF, STORE, formats, revision_of
from vesicula.evidence import balance_text, export
from vesicula.evidence.balance import tumour_balance
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import Question
from vesicula.evidence.store import open_store

MOST_READ = 500
"""Nobody reads more claims than this on a screen; the answer says that there are more."""


@click.group()
def evidence() -> None:
    """Query what the literature and the trials claim; give tables back; add your own."""


@evidence.command()
@click.argument("name")
@STORE
@AS_OF
@formats
def table(name: str, store: str | None, as_of: str | None, form: str) -> None:
    """Give a source's table back, in its groups: review-b/table-1."""
    with open_store(store) as opened:
        view = opened.table(name, as_of=revision_of(as_of))
    write = {"text": export.table_text, "json": export.as_json, "csv": export.table_csv}[form]
    click.echo(write(view).rstrip("\n"))


@evidence.command()
@click.option("--condition", help="Disease, by name or identifier.")
@click.option("--condition-class", help="Its class, such as kidney or cancer.")
@click.option("--species", help="Model: species or cell line.")
@click.option("--cell-source", help="Source of the vesicles, such as BM-MSC.")
@click.option("--cargo", help="miRNA, protein or drug carried.")
@click.option("--target", help="Molecule acted on.")
@click.option("--pathway", help="Pathway or process.")
@click.option("--molecule", help="Molecule reported as up or down.")
@click.option("--tumour", help="Tumour.")
@click.option("--product", help="exosome, EV, MV, cells, ...")
@click.option("--study-type", help="in vivo, in vitro, clinical, ...")
@click.option("--effect-class", help="beneficial, tumour-promoting, ...")
@click.option("--source", help="review-a, review-b, or a lab's own.")
@click.option("--record", "record_id", help="One claim, such as B-T1-20.")
@click.option("--text", help="Words anywhere in the claim.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many claims; with --table 500 by default.")
@STORE
@AS_OF
@formats
def query(store: str | None, as_of: str | None, form: str, **filters: Any) -> None:  # noqa: ANN401 - click's options, text and numbers by name
    """Find claims; filters that are given must all hold."""
    if form == "text" and filters["limit"] is None:
        filters["limit"] = MOST_READ
    with open_store(store) as opened:
        answer = opened.query(Question(**filters), as_of=revision_of(as_of))
    write = {"text": export.answer_text, "json": export.as_json, "csv": export.answer_csv}[form]
    click.echo(write(answer).rstrip("\n"))


@evidence.command()
@click.option("--cargo", multiple=True, help="Molecule carried; may be given several times.")
@click.option("--cell-source", help="Source of the vesicles, such as AT-MSC.")
@click.option("--tumour", help="Tumour.")
@STORE
@AS_OF
@formats
def balance(
    cargo: tuple[str, ...],
    cell_source: str | None,
    tumour: str | None,
    store: str | None,
    as_of: str | None,
    form: str,
) -> None:
    """Show claims that promote tumours beside those that inhibit them."""
    with open_store(store) as opened:
        found = tumour_balance(opened, cargo=cargo, cell_source=cell_source, tumour=tumour, as_of=revision_of(as_of))
    write = {
        "text": balance_text.balance_text,
        "json": balance_text.balance_json,
        "csv": balance_text.balance_csv,
    }[form]
    click.echo(write(found).rstrip("\n"))


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--author", help="Who adds it; by default your name on this machine.")
@click.option("--encoding", help="The file's encoding where it is not UTF-8, such as windows-1252.")
@click.option("--revise", is_flag=True, help="Replace claims of this source that have the same id.")
@STORE
def add(file: Path, author: str | None, encoding: str | None, store: str | None, *, revise: bool) -> None:
    """Add a lab's own CSV or YAML: all of it, or nothing, with reasons."""
    with open_store(store) as opened:
        report = add_file(
            opened, file, author=author, encoding=encoding, revise=revise, progress=evidence_store.progress()
        )
    click.echo(f"Added {report.revision.claims} claims. Store version {report.revision.version}.")
    for name in report.unidentified:
        click.echo(f"No single identifier for {name.role} {name.text!r}: {name.status}. {name.note}".rstrip())


@evidence.command()
@STORE
def versions(store: str | None) -> None:
    """List the store's versions, oldest first."""
    with open_store(store) as opened:
        click.echo(export.versions_text(opened.versions()))


@evidence.command()
@STORE
@AS_OF
def sources(store: str | None, as_of: str | None) -> None:
    """List the sources and their tables."""
    with open_store(store) as opened:
        at = revision_of(as_of)
        click.echo(export.sources_text(opened.sources(at), opened.tables(at)))


@evidence.command()
@STORE
@AS_OF
def doubts(store: str | None, as_of: str | None) -> None:
    """List the curators' doubts, row by row."""
    with open_store(store) as opened:
        at = revision_of(as_of)
        click.echo(export.doubts_text(opened.doubts(at), opened.version(at)))


for command in (
    evidence_overview.about,
    evidence_overview.trials,
    evidence_overview.names,
    evidence_overview.identify,
    evidence_pages.pages,
    evidence_store.update,
    evidence_store.correct,
    evidence_store.resolve,
):
    evidence.add_command(command)
