"""One sample of a run as a task for a process or a cluster's worker: picklable in, plain values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from vesicula.cargo.smallrna.collapse import TrimSettings
from vesicula.cargo.smallrna.kits import Kit
from vesicula.cargo.smallrna.output import Quality, finished, signature_of, write_sample
from vesicula.cargo.smallrna.quantify import References, quantify_fastq, sample_name
from vesicula.cargo.smallrna.reference import read_fasta, read_mirnas
from vesicula.core.errors import SettingsError, VesiculaError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceChoice:
    """Which references to use: files, or the packaged ones where none is given.

    Parameters
    ----------
    mature, hairpin : pathlib.Path, optional
        FASTA with miRBase's names.
    species : str
        Prefix of the names to keep of those files.
    foreign : str
        ``bta``, or empty for none.
    other : tuple of (str, pathlib.Path)
        Class and FASTA of other RNA, in order of preference.
    """

    mature: Path | None = None
    hairpin: Path | None = None
    species: str = ""
    foreign: str = "bta"
    other: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTask:
    """A file to count; `gff`: whether to write its isomiRs; `redo`: even if finished before."""

    path: Path
    folder: Path
    references: ReferenceChoice
    kit: Kit | None = None
    settings: TrimSettings = TrimSettings()
    gff: bool = False
    redo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOutcome:
    """Quality of a sample, or the error that kept it from being counted."""

    path: Path
    quality: Quality | None
    error: str = ""
    kept: bool = False


@lru_cache(maxsize=1)
def references_of(choice: ReferenceChoice) -> References:
    """Return references made ready, once per process.

    Raises
    ------
    UnreadableFile, SettingsError
        If a file cannot be used.
    """
    if choice.hairpin and not choice.mature:
        raise SettingsError("hairpins alone name no miRNA: give the mature sequences as well.")
    mirnas = read_mirnas(choice.mature, choice.hairpin, species=choice.species) if choice.mature else None
    other: dict[str, dict[str, str]] = {}
    for name, path in choice.other:
        other.setdefault(name, {}).update(read_fasta(path))
    return References(mirnas, foreign=choice.foreign or None, other=other)


def count_sample(task: SampleTask) -> SampleOutcome:
    """Count one file and write its results, unless they are there already."""
    name = sample_name(task.path)
    try:
        settings = {"kit": task.kit and asdict(task.kit), "settings": asdict(task.settings), "gff": task.gff}
        signature = signature_of(task.path, {**settings, "references": asdict(task.references)})
        before = None if task.redo else finished(task.folder, name, signature)
        if before:
            return SampleOutcome(path=task.path, quality=before, kept=True)
        gff = task.folder / f"{name}.gff3" if task.gff else None
        counts = quantify_fastq(
            task.path, references_of(task.references), sample=name, kit=task.kit, settings=task.settings, gff=gff
        )
        return SampleOutcome(path=task.path, quality=write_sample(counts, task.folder, signature))
    except (VesiculaError, OSError) as error:
        return SampleOutcome(path=task.path, quality=None, error=str(error))


def check_names(paths: Sequence[Path]) -> None:
    """Refuse files whose samples would bear the same name.

    Raises
    ------
    SettingsError
        Naming the files.
    """
    names = Counter(sample_name(path) for path in paths)
    twice = [path for path in paths if names[sample_name(path)] > 1]
    if twice:
        raise SettingsError(f"samples of the same name: {', '.join(map(str, twice))}. Rename the files.")
