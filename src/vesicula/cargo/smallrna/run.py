"""One sample of a run as a task for a process or a cluster's worker: picklable in, plain values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from vesicula.cargo.smallrna.collapse import TrimSettings
from vesicula.cargo.smallrna.contamination import phix_share
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

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's files among them."""
        return tuple(path for path in (self.mature, self.hairpin, *(p for _, p in self.other)) if path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTask:
    """A file to count; `gff`: whether to write its isomiRs; `redo`: even if finished before."""

    path: Path
    folder: Path
    references: ReferenceChoice
    kit: Kit | None = None
    settings: TrimSettings = field(default_factory=TrimSettings)
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


def kept_sample(task: SampleTask) -> SampleOutcome | None:
    """Return what was counted before from the same file, references and settings; None: it must be counted."""
    name = sample_name(task.path)
    try:
        before = None if task.redo else finished(task.folder, name, _signature(task))
    except OSError:
        return None
    whole = before is not None and (not task.gff or (task.folder / f"{name}.gff3").is_file())
    return SampleOutcome(path=task.path, quality=before, kept=True) if whole else None


def count_sample(task: SampleTask) -> SampleOutcome:
    """Count one file and write its results, unless they are there already."""
    if kept := kept_sample(task):
        return kept
    name = sample_name(task.path)
    gff = task.folder / f"{name}.gff3"
    part = gff.with_name(f"{gff.name}.part")
    try:
        signature = _signature(task)  # before the counting: a file that changes meanwhile is counted again next time
        counts = quantify_fastq(
            task.path, references_of(task.references), sample=name, kit=task.kit, settings=task.settings,
            gff=part if task.gff else None,
        )  # fmt: skip
        if task.gff:
            part.replace(gff)
        quality = write_sample(counts, task.folder, signature, phix=phix_share(task.path))
        return SampleOutcome(path=task.path, quality=quality)
    except MemoryError:
        return _failed(task.path, "not enough memory. Use fewer --workers.")
    except VesiculaError as error:
        return _failed(task.path, str(error))
    except OSError as error:
        return _failed(task.path, f"{error.filename or task.path}: {error.strerror or error}")
    finally:
        part.unlink(missing_ok=True)


def _signature(task: SampleTask) -> str:
    return signature_of((task.path, *task.references.files), settings_of(task))


def settings_of(task: SampleTask) -> dict[str, object]:
    """Return what a sample's counts hang on besides its file and the references' content."""
    return {
        "kit": task.kit and asdict(task.kit), "settings": asdict(task.settings), "gff": task.gff,
        "references": asdict(task.references),
    }  # fmt: skip


def _failed(path: Path, error: str) -> SampleOutcome:
    """Return an error that names the file once, whoever wrote it."""
    return SampleOutcome(path=path, quality=None, error=error.removeprefix(f"{path}: "))


def check_names(paths: Sequence[Path]) -> None:
    """Refuse files whose samples would bear the same name.

    Raises
    ------
    SettingsError
        Naming the files.
    """
    names = Counter(sample_name(path) for path in paths)
    if "mirna" in names:
        raise SettingsError("a sample cannot be called mirna: the column of the miRNAs is. Rename its file.")
    twice = [path for path in paths if names[sample_name(path)] > 1]
    if twice:
        raise SettingsError(f"samples of the same name: {', '.join(map(str, twice))}. Rename the files.")
