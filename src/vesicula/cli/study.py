"""vesicula init, vesicula check."""

from __future__ import annotations

from pathlib import Path

import click

from vesicula.manifest.check import CheckReport, check_study
from vesicula.manifest.init import init_study

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--overwrite", is_flag=True, help="Replace an existing study.yaml.")
def init(folder: Path, *, overwrite: bool) -> None:
    """Look at a folder's files and write a study.yaml to fill in.

    Files are recognised by their content. Nothing is guessed: what the files do not say is left for you.
    """
    path = init_study(folder, overwrite=overwrite)
    click.echo(f"Wrote {path}. Fill in what is marked, then: vesicula check {folder}")


@click.command()
@click.argument("folder", type=FOLDER)
def check(folder: Path) -> int:
    """Check a study.yaml, line by line."""
    report = check_study(folder)
    print_report(report, folder / "study.yaml")
    return 3 if any(p.severity == "error" for p in report.problems) else 0


def print_report(report: CheckReport, path: Path) -> None:
    """Print problems as ``file:line: severity: message``, which editors understand.

    Parameters
    ----------
    report : CheckReport
        What check found.
    path : pathlib.Path
        The manifest, for the prefix of each line.
    """
    for problem in report.problems:
        place = f"{path}:{problem.line}" if problem.line else str(path)
        remedy = f" {problem.remedy}" if problem.remedy else ""
        click.echo(f"{place}: {problem.severity}: {problem.message}{remedy}")
    counts = ", ".join(
        f"{n} {word}{'s' if n != 1 else ''}"
        for word in ("error", "warning", "note")
        if (n := sum(p.severity == word for p in report.problems))
    )
    click.echo(
        f"{report.n_batches} batches, {report.n_samples} samples, {report.n_files} files: {counts or 'all in order'}"
    )
