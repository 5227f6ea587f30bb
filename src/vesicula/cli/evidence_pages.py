"""vesicula evidence pages."""

from __future__ import annotations

import time
from pathlib import Path

import click

from vesicula.cli.evidence_options import AS_OF, STORE, revision_of
from vesicula.cli.progress import Progress
from vesicula.dossier.evidence_pages import write_pages
from vesicula.evidence.store import open_store


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@STORE
@AS_OF
@click.option("--overwrite", is_flag=True, help="Replace older evidence pages in FOLDER.")
def pages(folder: Path, store: str | None, as_of: str | None, *, overwrite: bool) -> None:
    """Write static pages: one for each condition, source, molecule and tumour, trials, doubts, names, tables."""
    started = time.monotonic()
    progress = Progress("pages")
    with open_store(store) as opened:
        made = write_pages(opened, folder, as_of=revision_of(as_of), overwrite=overwrite, progress=progress.count)
    progress.close()
    click.echo(
        f"{made.pages} pages, {made.size_bytes / 1e6:.1f} MB, in {time.monotonic() - started:.1f} s. "
        f"Store version {made.version}."
    )
    click.echo(f"Open: {made.index}")
