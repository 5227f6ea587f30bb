"""vesicula evidence update, correct, resolve: the life of a store; and the progress of a long import."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from vesicula.cli.evidence_options import STORE
from vesicula.evidence.errors import StoreError
from vesicula.evidence.store import open_store

AUTHOR = click.option("--author", help="Who says so; by default your name on this machine.")
NOTE = click.option("--note", required=True, help="Why; it is kept and shown with the row.")

QUIET_S = 2.0
"""A command that is done sooner says nothing on the way."""


def progress(what: str = "claims written") -> Callable[[int, int], None]:
    """Return a function that tells on standard error how far a command is, once a second after two seconds."""
    begun = time.monotonic()
    last = begun

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - begun >= QUIET_S and (now - last >= 1.0 or done == total):
            last = now
            click.echo(f"{done} of {total} {what}, {now - begun:.0f} s", err=True)

    return told


@click.command()
@STORE
def update(store: str | None) -> None:
    """Bring the packaged tables of this vesicula into a store; past versions answer as before."""
    with open_store(store) as opened:
        made = opened.update_packaged()
        for revision in made:
            click.echo(f"{revision.version}: {revision.source}: {revision.note}")
        if not made:
            click.echo(f"The store has the packaged tables of this vesicula. Store version {opened.version()}.")


@click.command()
@click.argument("record")
@click.option("--set", "changes", multiple=True, required=True, metavar="COLUMN=TEXT", help="Its new text.")
@NOTE
@AUTHOR
@click.option("--correct-packaged", is_flag=True, help="Needed for a claim of a packaged source.")
@STORE
def correct(
    record: str, changes: tuple[str, ...], note: str, author: str | None, store: str | None, *, correct_packaged: bool
) -> None:
    """Correct a claim in your store: B-T1-20 --set cargo=miR-21. The old form stays in the past versions."""
    texts = {}
    for change in changes:
        column, equals, text = change.partition("=")
        if not equals or column in texts:
            raise StoreError(f"--set {change!r}: expected COLUMN=TEXT, each column once, such as --set cargo=miR-21")
        texts[column] = text.strip()
    with open_store(store) as opened:
        revision = opened.correct(record, texts, note=note, author=author, packaged=correct_packaged)
    click.echo(f"{revision.note}\nStore version {revision.version}.")


@click.command()
@click.argument("table")
@click.argument("row")
@click.option("--text", help="The doubt's text, or the beginning of it, where the row has several.")
@NOTE
@AUTHOR
@STORE
def resolve(table: str, row: str, text: str | None, note: str, author: str | None, store: str | None) -> None:
    """Settle a doubt, as `vesicula evidence doubts` lists it: review-b/table-1 B-T1-20."""
    with open_store(store) as opened:
        revision = opened.resolve_doubt(table, row, text, note=note, author=author)
    click.echo(f"{revision.note}\nStore version {revision.version}.")
