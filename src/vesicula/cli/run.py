"""vesicula run, vesicula verify, vesicula demo."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vesicula.assess.batch import TaskOutcome
from vesicula.assess.study import AnalysisSettings, EvidenceSettings, Study
from vesicula.assess.summary import verdict_rows
from vesicula.cli.progress import Progress
from vesicula.core.assessment import Assessment
from vesicula.dossier.writer import write as write_dossier
from vesicula.manifest.check import unlisted_files
from vesicula.verify import VerifyReport, verify_dossier


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the dossier goes (default: FOLDER/dossier).",
)
@click.option("--workers", type=int, help="Number of processes (default: one per processor).")
@click.option("--cluster", metavar="ADDRESS", help="Use a Dask cluster, such as tcp://10.0.0.5:8786.")
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for intermediate results (default: FOLDER/.vesicula).",
)
@click.option("--no-inputs", is_flag=True, help="Do not copy the input files into the dossier.")
@click.option(
    "--evidence",
    metavar="STORE|none",
    help="Evidence store to place the batches beside: a file or URL, or none (default: your own store, else the "
    "tables that come with vesicula).",
)
@click.option("--evidence-as-of", metavar="VERSION", help="A past version of that store, by name or number.")
def run(  # noqa: PLR0913 - one parameter an option
    folder: Path,
    output: Path | None,
    workers: int | None,
    cluster: str | None,
    work: Path | None,
    *,
    no_inputs: bool,
    evidence: str | None,
    evidence_as_of: str | None,
) -> int:
    """Analyse a study folder and write its dossier.

    Without a study.yaml one is written first, as by init; what it leaves open is missing from the dossier.
    A stopped run goes on where it stood.
    """
    if not (folder / "study.yaml").exists():
        from vesicula.manifest.init import init_study

        click.echo(
            f"No study.yaml yet: wrote {init_study(folder)} from the files. Fill it in for a fuller dossier.", err=True
        )
    return analyse_and_write(
        folder,
        output or folder / "dossier",
        settings=AnalysisSettings(evidence=EvidenceSettings(store=evidence, as_of=evidence_as_of)),
        workers=workers,
        cluster=cluster,
        work=work,
        inputs=not no_inputs,
    )


def analyse_and_write(
    folder: Path,
    output: Path,
    *,
    settings: AnalysisSettings | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    work: Path | None = None,
    inputs: bool = True,
) -> int:
    """Analyse, write the dossier, print the verdicts.

    Parameters
    ----------
    folder, output : pathlib.Path
        The study and the dossier to write.
    settings, workers, cluster, work
        As in `Study.analyse`.
    inputs : bool
        Whether to copy the input files into the dossier.

    Returns
    -------
    int
        Exit code: 3 when some files could not be read, 1 when a batch met a defect, else 0.
    """
    study = Study.load(folder)
    tally = _Tally()
    assessment = study.analyse(
        settings=settings, workers=workers, cluster=cluster, work=work, progress=tally.analysed
    )
    paths = write_dossier(assessment, output, inputs=study.folder if inputs else None, overwrite=True)
    tally.close()
    print_verdicts(assessment)
    if tally.reused:
        click.echo(f"{tally.reused} of {len(assessment.batches)} batches were unchanged and not computed again.")
    failed = tally.failed_files
    left = unlisted_files(study.folder, study.manifest)
    if left:
        names = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        click.echo(f"Not in study.yaml, so not analysed: {_plain(names)}. See: vesicula check {folder}", err=True)
    if failed:
        click.echo(f"{failed} file{'s' if failed != 1 else ''} could not be read; the dossier says why.", err=True)
    click.echo(f"Dossier: {paths.html}")
    if tally.defects:
        click.echo(
            f"{tally.defects} batches met a defect of vesicula; the dossier holds the details to report.", err=True
        )
        return 1
    return 3 if failed else 0


class _Tally:
    """What became of the batches, and how far they are."""

    def __init__(self) -> None:
        self.reused = self.failed_files = self.defects = 0
        self._progress = Progress("batches")

    def analysed(self, done: int, total: int, outcome: TaskOutcome) -> None:
        self.reused += outcome.reused
        self.failed_files += outcome.failed_files
        self.defects += outcome.defect
        self._progress.count(done, total)

    def close(self) -> None:
        self._progress.close()


def print_verdicts(assessment: Assessment, limit: int = 40) -> None:
    """Print the short verdict table.

    Parameters
    ----------
    assessment : Assessment
        The findings.
    limit : int
        Longest table; the dossier holds the rest.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=assessment.title, title_justify="left", title_style="bold")
    for column in ("Batch", "Sample", "What", "Verdict", "Statement"):
        table.add_column(column, overflow="fold")
    rows, more = verdict_rows(assessment, limit)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    if more:
        console.print(f"... and more: {more} batches are not shown here.")


def _plain(cell: str) -> str:
    """Keep a file's or manifest's text from sending control sequences to the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in cell)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--study",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Study folder, where the dossier does not hold its inputs.",
)
@click.option("--workers", type=int, help="Number of processes (default: one per processor).")
def verify(folder: Path, study: Path | None, workers: int | None) -> int:
    """Recompute a dossier and say whether it still holds."""
    report: VerifyReport = verify_dossier(folder, study=study, workers=workers)
    for line in report.lines():
        click.echo(line)
    return 0 if report.holds else 4


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="vesicula-demo")
def demo(folder: Path) -> int:
    """Run the main job on real files that come with vesicula.

    They are NanoSight exports of 100 nm polystyrene beads (data of the tidyNano project, MIT licence).
    """
    from vesicula.assess.demo import unpack_demo

    study = unpack_demo(folder)
    return analyse_and_write(study, folder / "dossier")
