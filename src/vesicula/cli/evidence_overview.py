"""vesicula evidence about, trials, names and identify: registered by vesicula.cli.evidence."""

from __future__ import annotations

import click

from vesicula.cli.evidence_options import AS_OF, STORE, formats, revision_of
from vesicula.evidence import names_held
from vesicula.evidence.identify import ROLE_KINDS
from vesicula.evidence.store import open_store
from vesicula.evidence.trials import find_trials, trials_csv, trials_json, trials_text
from vesicula.mechanism.overview import overview
from vesicula.mechanism.overview_text import overview_json, overview_text


@click.command()
@click.option("--condition", help="Disease, by name or identifier.")
@click.option("--cell-source", help="Source of the vesicles, such as BM-MSC.")
@click.option("--molecule", help="miRNA, protein or pathway, in whatever role.")
@click.option("--tumour", help="Tumour.")
@STORE
@AS_OF
@click.option("--table", "form", flag_value="text", default="text", help="For reading (the default).")
@click.option("--json", "form", flag_value="json", help="As JSON.")
def about(store: str | None, as_of: str | None, form: str, **subjects: str | None) -> None:
    """Say all that the store holds about one thing: how good, by what mechanism, who tried it, what tumours do."""
    given = {subject: name for subject, name in subjects.items() if name is not None}
    if len(given) != 1:
        raise click.UsageError("give one of --condition, --cell-source, --molecule and --tumour")
    [(subject, name)] = given.items()
    with open_store(store) as opened:
        found = overview(opened, subject, name, as_of=revision_of(as_of))
    click.echo(overview_json(found) if form == "json" else overview_text(found))


@click.command()
@click.option("--condition", help="Disease, by name or identifier.")
@click.option("--cell-source", help="Source of the vesicles, such as BM-MSC.")
@STORE
@AS_OF
@formats
def trials(condition: str | None, cell_source: str | None, store: str | None, as_of: str | None, form: str) -> None:
    """List the trials of all sources, with doses as printed and doubts."""
    with open_store(store) as opened:
        found = find_trials(opened, condition=condition, cell_source=cell_source, as_of=revision_of(as_of))
    write = {"text": trials_text, "json": trials_json, "csv": trials_csv}[form]
    click.echo(write(found).rstrip("\n"))


@click.command()
@click.option("--kind", type=click.Choice(list(ROLE_KINDS)), help="Only names of this kind.")
@click.option("--unmapped", is_flag=True, help="Only those without one clear identifier.")
@STORE
@formats
def names(kind: str | None, store: str | None, form: str, *, unmapped: bool) -> None:
    """List the names in the store with their identifiers, and the reason where there is none."""
    with open_store(store) as opened:
        held = names_held.held_names(opened, kind=kind)
        version = opened.version()
    found = names_held.still_open(held) if unmapped else held
    if form == "text":
        text = names_held.names_text(found, version, of=held)
    else:
        text = names_held.names_json(found, version) if form == "json" else names_held.names_csv(found)
    click.echo(text.rstrip("\n"))


@click.command()
@click.option("--author", help="Who does it; by default your name on this machine.")
@STORE
def identify(author: str | None, store: str | None) -> None:
    """Look up the names that nothing has looked up yet."""
    with open_store(store) as opened:
        count = opened.identify_names(author=author)
        version = opened.version()
    click.echo(f"Looked up {count} name{'' if count == 1 else 's'}. Store version {version}.")
