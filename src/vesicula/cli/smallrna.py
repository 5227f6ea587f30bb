"""vesicula smallrna FASTQ..."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vesicula.cli.files import write_text
from vesicula.cli.progress import Progress

if TYPE_CHECKING:
    import polars as pl

    from vesicula.cargo.smallrna.kits import Kit
    from vesicula.cargo.smallrna.per_vesicle import PerVesicle, VesicleInput
    from vesicula.cargo.smallrna.run import SampleOutcome, SampleTask
    from vesicula.figures.smallrna_page import RunReport

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN = 12


def _options(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed((
        click.option("-o", "--out", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), required=True,
                     help="Where tables, page and MultiQC files go; made if need be."),
        click.option("--kit", metavar="NAME", help="Library kit: truseq, nextflex, qiaseq, nebnext, cats, smarter, "
                     "illumina-v1.5, or trimmed for reads without adapter (default: found from the reads)."),
        click.option("--adapter", metavar="BASES", help="3' adapter of a kit that is not known."),
        click.option("--clip-5p", metavar="NT", type=click.IntRange(0, 20), default=0,
                     help="With --adapter: bases of the kit at the insert's 5' end."),
        click.option("--clip-3p", metavar="NT", type=click.IntRange(0, 20), default=0,
                     help="With --adapter: the same at its 3' end."),
        click.option("--umi", metavar="NT", type=click.IntRange(0, 16), default=0,
                     help="With --adapter: length of the UMI that follows it."),
        click.option("--mature", metavar="FILE", type=_FILE,
                     help="FASTA of mature miRNAs (default: human, miRBase 22)."),
        click.option("--hairpin", metavar="FILE", type=_FILE, help="FASTA of their hairpins."),
        click.option("--species", metavar="PREFIX", default="", help="Names to keep of --mature, such as mmu."),
        click.option("--foreign", type=click.Choice(["bta", "none"]), default="bta", show_default=True,
                     help="Species of the medium's serum, whose miRNAs are looked for."),
        click.option("--other", multiple=True, metavar="CLASS=FASTA",
                     help="Other RNA to look for, such as tRNA=trna.fa; may be given several times."),
        click.option("--min-length", metavar="NT", type=click.IntRange(16, 63), default=16, show_default=True,
                     help="Shortest insert counted."),
        click.option("--max-length", metavar="NT", type=click.IntRange(16, 63), default=45, show_default=True,
                     help="Longest insert counted."),
        click.option("--samples", metavar="FILE", type=_FILE,
                     help="Table of particles and spike-ins, for molecules per vesicle: columns sample, particles, "
                     "spike_in, spike_copies; if known particles_cv_percent, spike_copies_cv_percent."),
        click.option("--medium", metavar="SAMPLE", default="",
                     help="Which of the samples is the medium alone: tells what share of the others comes from it."),
        click.option("--gff", is_flag=True, help="Write each sample's isomiRs as mirGFF3."),
        click.option("--workers", metavar="N", type=click.IntRange(min=1),
                     help="Processes (default: one per processor)."),
        click.option("--cluster", metavar="ADDRESS", help="Dask scheduler whose workers see the same folders."),
        click.option("--overwrite", is_flag=True, help="Count again what was counted before."),
        click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON in place of the summary."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("fastq", nargs=-1, required=True, type=click.Path(path_type=Path))
@_options
def smallrna(fastq: tuple[Path, ...], out: Path, **given: Any) -> int:  # noqa: ANN401 - click's options
    """Count miRNAs, isomiRs and contaminants in small-RNA FASTQs.

    Give one FASTQ (plain or gzip) a sample. FOLDER/index.html says which samples can be used and why others cannot;
    mirna_counts.tsv holds the counts. Samples counted before from the same files with the same settings are kept, so
    that a run that was stopped goes on where it was.

    Exit code 3: a file could not be read, is damaged, or holds no miRNA; the others are counted.
    """
    from vesicula.assess.executor import available_cpus
    from vesicula.cargo.smallrna.output import write_run
    from vesicula.cargo.smallrna.per_vesicle import read_inputs

    tasks = _tasks(fastq, out, given)
    inputs = read_inputs(given["samples"]) if given["samples"] else ()
    _make(out)
    workers = given["workers"] or available_cpus()
    outcomes = _count(tasks, workers=workers, cluster=given["cluster"])
    qualities = sorted((o.quality for o in outcomes if o.quality), key=lambda q: str(q["sample"]))
    counts = write_run(qualities, out)
    found = _per_vesicle(inputs, qualities, out)
    report = _report(outcomes, qualities, counts, found, given["medium"], inputs)
    _write_page(report, out)
    if given["as_json"]:
        click.echo(json.dumps(qualities, indent=1))
    else:
        _summary(report, out, kept=sum(o.kept for o in outcomes))
    return 0 if all(o.quality and o.quality["verdict"] == "complete" for o in outcomes) else 3


def _tasks(fastq: Sequence[Path], out: Path, given: dict[str, Any]) -> list[SampleTask]:
    """Check what can be checked before any file is read, and return a task for each."""
    from vesicula.cargo.smallrna.collapse import TrimSettings
    from vesicula.cargo.smallrna.quantify import sample_name
    from vesicula.cargo.smallrna.run import ReferenceChoice, SampleTask, check_names
    from vesicula.core.errors import SettingsError

    check_names(fastq)
    if given["medium"] and given["medium"] not in {sample_name(path) for path in fastq}:
        remedy = "Give the FASTQ's name without .fastq.gz."
        raise SettingsError(f"--medium {given['medium']}: no file of that sample. {remedy}")
    choice = ReferenceChoice(
        mature=given["mature"], hairpin=given["hairpin"], species=given["species"],
        foreign="" if given["foreign"] == "none" else given["foreign"], other=_other(given["other"]),
    )  # fmt: skip
    settings = TrimSettings(min_length=given["min_length"], max_length=given["max_length"])
    kit = _kit(given)
    return [
        SampleTask(
            path=path, folder=out, references=choice, kit=kit, settings=settings, gff=given["gff"],
            redo=given["overwrite"],
        )
        for path in fastq
    ]


def _make(out: Path) -> None:
    from vesicula.core.errors import AnalysisError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnalysisError(f"{out}: cannot be made: {error.strerror or error}. Choose another folder.") from None


def _count(tasks: Sequence[SampleTask], *, workers: int, cluster: str | None) -> list[SampleOutcome]:
    """Count all samples; say at once what cannot be counted."""
    from vesicula.assess.executor import run_tasks
    from vesicula.cargo.smallrna.native import loop
    from vesicula.cargo.smallrna.run import count_sample, kept_sample, references_of

    kept = [kept_sample(task) for task in tasks]
    outcomes = [outcome for outcome in kept if outcome]
    left = [task for task, outcome in zip(tasks, kept, strict=True) if not outcome]
    if not left:
        return outcomes
    references_of(left[0].references)  # references that cannot be used are one error, not one a sample
    loop("scan")  # after an installation: compiled once here, not once in every process
    with _progress(len(tasks), outcomes):
        for _, outcome in run_tasks(count_sample, left, workers=min(workers, len(left)), cluster=cluster):
            outcomes.append(outcome)
            if outcome.quality is None:
                click.echo(f"{outcome.path}: not counted. {outcome.error}", err=True)
    return outcomes


@contextmanager
def _progress(total: int, done: Sequence[object]) -> Iterator[None]:
    """Show how many samples are counted, from a thread: one large file may take minutes."""
    progress, ended = Progress("samples"), threading.Event()

    def show() -> None:
        while not ended.wait(0.5) and len(done) < total:
            progress.tell("counting:", len(done), total)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        progress.close()


def _per_vesicle(inputs: Sequence[VesicleInput], qualities: Sequence[dict[str, Any]], out: Path) -> list[PerVesicle]:
    """Return, and write, molecules per particle of the samples for which particles and spike-ins are known."""
    import polars as pl

    from vesicula.cargo.smallrna.output import write_whole
    from vesicula.cargo.smallrna.per_vesicle import per_vesicle

    known = {item.sample: item for item in inputs}
    found = []
    for quality in qualities:
        if quality["sample"] in known:
            table = pl.read_parquet(out / f"{quality['sample']}.mirna.parquet")
            found.append(
                per_vesicle(
                    dict(table.select("mirna", "reads_em").iter_rows()), quality["spike_ins"], known[quality["sample"]],
                    reads_per_molecule=quality["reads_per_molecule"],
                )
            )  # fmt: skip
    if found:
        tables = [f.table.select(pl.lit(f.sample).alias("sample"), pl.all()) for f in found]
        write_whole(out / "mirna_per_particle.tsv", lambda part: pl.concat(tables).write_csv(part, separator="\t"))
    return found


def _report(
    outcomes: Sequence[SampleOutcome], qualities: Sequence[dict[str, Any]], counts: pl.DataFrame,
    found: Sequence[PerVesicle], medium: str, inputs: Sequence[VesicleInput],
) -> RunReport:  # fmt: skip
    """Gather what the page shows."""
    from vesicula.cargo.smallrna.quantify import sample_name
    from vesicula.figures.smallrna_page import RunReport

    failures = sorted((sample_name(o.path), o.error) for o in outcomes if o.quality is None)
    names = {sample_name(o.path) for o in outcomes}
    strangers = [item.sample for item in inputs if item.sample not in names]
    notes = [f"In the table of samples, but no file given: {', '.join(strangers)}."] if strangers else []
    return RunReport(
        qualities=qualities, counts=counts, failures=failures, per_vesicle=found, medium=medium,
        foreign_share=_from_medium(qualities, medium), notes=notes,
    )  # fmt: skip


def _from_medium(qualities: Sequence[dict[str, Any]], medium: str) -> dict[str, tuple[float, float, float] | str]:
    """Return the share of each sample's miRNA reads that come from the medium."""
    from vesicula.cargo.smallrna.contamination import ForeignReads, foreign_share_of
    from vesicula.core.errors import AnalysisError

    reads = {str(q["sample"]): ForeignReads(**q["foreign_share"]) for q in qualities}
    if medium not in reads:
        return {}
    found: dict[str, tuple[float, float, float] | str] = {}
    for name, mine in reads.items():
        if name != medium:
            try:
                found[name] = foreign_share_of(mine, reads[medium])
            except AnalysisError as error:
                found[name] = str(error)
    return found


def _write_page(report: RunReport, out: Path) -> None:
    from vesicula.figures.smallrna_page import smallrna_page

    write_text(out / "index.html", smallrna_page(report), quiet=True)


def _summary(report: RunReport, out: Path, *, kept: int) -> None:
    """Print the verdict and where to look."""
    from vesicula.figures.smallrna_page import reasons_tally, verdict_lines

    lead, lines = verdict_lines(report)
    click.echo(lead + (f" {kept} were kept from before." if kept else ""))
    for text in lines[:_SHOWN]:
        click.echo(f"  {text}")
    if len(lines) > _SHOWN:
        click.echo(f"  and {len(lines) - _SHOWN} more. Reasons: {reasons_tally(report)}.")
    if len(report.qualities) <= _SHOWN:
        for q in report.qualities:
            click.echo(
                f"{q['sample']}: {q['reads']['reads']:,} reads, {q['classes']['miRNA']:,} of miRNAs, "
                f"{q['mirnas_at_least_10_reads']:,} miRNAs with 10 or more; {q['messages'][0]}"
            )
    click.echo(f"Page: {out / 'index.html'}   Counts: {out / 'mirna_counts.tsv'}")


def _kit(given: dict[str, Any]) -> Kit | None:
    """Return the kit asked for; None: find it."""
    from vesicula.cargo.smallrna.kits import Kit, kit_named
    from vesicula.core.errors import SettingsError

    if given["kit"] and given["adapter"]:
        raise SettingsError("give --kit or --adapter, not both.")
    if given["kit"]:
        return kit_named(given["kit"])
    clipped = {name: given[name] for name in ("clip_5p", "clip_3p", "umi")}
    if given["adapter"]:
        return Kit(name="given", adapter_3p=given["adapter"].upper().replace("U", "T"), **clipped)
    if any(clipped.values()):
        raise SettingsError("--clip-5p, --clip-3p and --umi belong to an --adapter: give it as well.")
    return None


def _other(words: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    """Split CLASS=FASTA."""
    from vesicula.core.errors import SettingsError

    found = []
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise SettingsError(f"--other {word}: expected CLASS=FASTA, such as tRNA=trna.fa.")
        if name in ("miRNA", "unassigned"):
            raise SettingsError(f"--other {word}: the class {name} is taken.")
        found.append((name, Path(path)))
    return tuple(found)
