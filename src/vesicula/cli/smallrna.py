"""vesicula smallrna FASTQ..."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vesicula.cargo.smallrna.kits import Kit
    from vesicula.cargo.smallrna.run import SampleOutcome

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _options(command: Callable[..., int]) -> Callable[..., int]:
    for option in reversed((
        click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder."),
        click.option("--kit", help="Library kit, or 'trimmed' (default: found from the reads)."),
        click.option("--adapter", help="3' adapter of a kit that is not known."),
        click.option("--clip-5p", type=click.IntRange(0, 20), default=0, help="With --adapter: bases of the kit at 5'."),
        click.option("--clip-3p", type=click.IntRange(0, 20), default=0, help="With --adapter: and at 3'."),
        click.option("--umi", type=click.IntRange(0, 16), default=0, help="With --adapter: bases of the UMI after it."),
        click.option("--mature", type=_FILE, help="FASTA of mature miRNAs (default: human, miRBase 22)."),
        click.option("--hairpin", type=_FILE, help="FASTA of their hairpins."),
        click.option("--species", default="", help="Prefix of the names to keep of --mature, such as mmu."),
        click.option("--foreign", type=click.Choice(["bta", "none"]), default="bta", show_default=True,
                     help="Species of the medium, whose miRNAs are looked for."),
        click.option("--other", multiple=True, metavar="CLASS=FASTA", help="Other RNA, such as tRNA=trna.fa; repeatable."),
        click.option("--min-length", type=click.IntRange(16, 63), default=16, show_default=True, help="Of an insert, nt."),
        click.option("--max-length", type=click.IntRange(16, 63), default=45, show_default=True, help="Of an insert, nt."),
        click.option("--gff", is_flag=True, help="Write isomiRs as mirGFF3."),
        click.option("--workers", type=click.IntRange(min=1), help="Processes (default: one per processor)."),
        click.option("--cluster", help="Address of a Dask scheduler."),
        click.option("--overwrite", is_flag=True, help="Count again what was counted before."),
        click.option("--json", "as_json", is_flag=True, help="Print the quality of all samples as JSON."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("fastq", nargs=-1, required=True, type=click.Path(path_type=Path))
@_options
def smallrna(fastq: tuple[Path, ...], out: Path, **given: Any) -> int:
    """Count miRNAs, isomiRs and contaminants in small-RNA FASTQ files.

    Samples counted before from the same files with the same settings are kept. Exit code 3: a file could not be read,
    is damaged, or holds no miRNA.
    """
    from vesicula.assess.executor import available_cpus, run_tasks
    from vesicula.cargo.smallrna.collapse import TrimSettings
    from vesicula.cargo.smallrna.output import write_run
    from vesicula.cargo.smallrna.run import ReferenceChoice, SampleTask, check_names, count_sample, references_of

    check_names(fastq)
    choice = ReferenceChoice(
        mature=given["mature"], hairpin=given["hairpin"], species=given["species"],
        foreign="" if given["foreign"] == "none" else given["foreign"], other=_other(given["other"]),
    )  # fmt: skip
    references_of(choice)  # a reference that cannot be used is one error, not one a sample
    settings = TrimSettings(min_length=given["min_length"], max_length=given["max_length"])
    kit = _kit(given)
    out.mkdir(parents=True, exist_ok=True)
    tasks = [
        SampleTask(
            path=path, folder=out, references=choice, kit=kit, settings=settings, gff=given["gff"], redo=given["overwrite"]
        )
        for path in fastq
    ]
    outcomes = []
    for _, outcome in run_tasks(
        count_sample, tasks, workers=given["workers"] or available_cpus(), cluster=given["cluster"]
    ):
        outcomes.append(outcome)
        _tell(outcome, as_json=given["as_json"])
    qualities = [outcome.quality for outcome in outcomes if outcome.quality]
    write_run(qualities, out)
    if given["as_json"]:
        click.echo(json.dumps(qualities, indent=1))
    else:
        click.echo(f"{len(qualities)} of {len(fastq)} samples counted: {out / 'mirna_counts.parquet'}")
    return 0 if all(o.quality and o.quality["verdict"] == "complete" for o in outcomes) else 3


def _tell(outcome: SampleOutcome, *, as_json: bool) -> None:
    """Print a line a sample; what is wrong goes to the error stream."""
    quality = outcome.quality
    if quality is None:
        click.echo(f"{outcome.path.name}: not counted. {outcome.error}", err=True)
        return
    if quality["verdict"] != "complete":
        click.echo(f"{outcome.path.name}: {quality['verdict']}. {'; '.join(quality['messages'])}", err=True)
    if not as_json:
        click.echo(
            f"{quality['sample']}: {quality['reads']['reads']:,} reads, {quality['classes']['miRNA']:,} of miRNAs, "
            f"{quality['mirnas_at_least_10_reads']:,} miRNAs with 10 or more; {quality['messages'][0]}"
            + (" (kept from before)" if outcome.kept else "")
        )


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
