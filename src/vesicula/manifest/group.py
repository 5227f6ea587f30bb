"""Which files belong together: to one load, one sample, one batch. For ``vesicula init``, which a person corrects.

Only what the files and their names say is used: companion files of one run, sample names in headers, and
marks such as R, run 2 or rep 3 that labs put behind the name of a repeated sample. Names are never merged on mere
likeness: two samples taken for one would be worse than one sample taken for two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vesicula.core.errors import UnknownFormat, UnreadableFile
from vesicula.instruments.api import Reader
from vesicula.instruments.registry import head_of
from vesicula.manifest.folder import natural_key


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file that a reader knows, and what its head says.

    Parameters
    ----------
    path : str
        Relative to the study folder.
    reader : str
        Name of the reader.
    run : str
        Folder and name of the run, without the suffixes of companion files.
    sample : str
        Name of the sample: from the header, else from the file name.
    in_header : bool
        Whether the header names the sample.
    captures : tuple of str
        Names of the captures that a summary combines.
    """

    path: str
    reader: str
    run: str
    sample: str
    in_header: bool
    captures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The files of one load of a sample into an instrument, and a label that is unique within the sample."""

    files: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGroup:
    """The loads of one sample; `names` are the names that the files give it, `dilution_hint` a number in them."""

    name: str
    loads: tuple[Load, ...]
    names: tuple[str, ...]
    dilution_hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGroup:
    """The samples of one batch; `name` is empty for files in no subfolder that could name a batch."""

    name: str
    samples: tuple[SampleGroup, ...]


# Sample name in the header of ZetaView ("Sample:<tab>name") and NanoSight ("Sample Name,name") exports, and the
# captures of a NanoSight summary ("Filename:,name,name"): seen in the exports of NTA 3.2, 3.4 and ZetaView 8.05, 8.06.
_SAMPLE = re.compile(r"^(?:Sample:[ \t]+|Sample Name,[ \t]*)\"?([^\t\r\n\",]+)", re.MULTILINE)
_CAPTURES = re.compile(r"^Filename:,([^\r\n]*)", re.MULTILINE)

# Suffixes of companion files. ZetaView: seen. NanoSight ParticleData and AllTracks: [from memory, unchecked].
_COMPANION = re.compile(r"(?:_[0-9]{1,3}pos|[-_ ](?:ExperimentSummary|ParticleData|AllTracks|Summary))$", re.IGNORECASE)
_MEASUREMENT = re.compile(r"_(?:size|prof)(?:_[0-9]{3})?$", re.IGNORECASE)
_RUN_NUMBER = re.compile(r"^[0-9]{8}_[0-9]{4}_")

_REPEAT = (
    re.compile(r"^(.+?)[-_ .]+(?:rep|replicate|repeat|run)[-_ .]?[0-9]{0,3}$", re.IGNORECASE),
    re.compile(r"^(.+?)[-_ .]+[Rr][0-9]{0,2}$"),
    re.compile(r"^(.*[0-9])R[0-9]{0,2}$"),
    re.compile(r"^(.+?) ?\([0-9]{1,3}\)$"),
)
_DILUTION = re.compile(r"(?:[-_ ]|1[:/]|1to)([0-9]{2,6})x?$", re.IGNORECASE)

MAX_NAME = 200
"""Longest name of a sample that is looked at: a header may hold anything."""

_PLAIN_FOLDERS = frozenset(
    {
        "nta",
        "dls",
        "tem",
        "zetaview",
        "nanosight",
        "raw",
        "raw data",
        "raw_data",
        "data",
        "export",
        "exports",
        "txt",
        "csv",
        "results",
        "measurements",
        "size",
    }
)
"""Folders named after an instrument or a kind of file do not name a batch."""


def look_at(folder: Path, path: str, recognise: Callable[[Path], Reader]) -> KnownFile | str:
    """Find out what a file is from its first 64 KiB.

    Parameters
    ----------
    folder : pathlib.Path
        The study folder.
    path : str
        Relative path of the file.
    recognise : callable
        Takes a path, returns a reader or raises `UnreadableFile`.

    Returns
    -------
    KnownFile or str
        What it is, or why no reader takes it.
    """
    try:
        reader = recognise(folder / path)
        text = head_of(folder / path).text
    except UnknownFormat as fault:
        return f"no known format; it begins with {fault.found}"
    except UnreadableFile as fault:
        return f"expected {fault.expected}, found {fault.found}"
    pure = PurePosixPath(path)
    stem = _COMPANION.sub("", pure.stem)
    header = _SAMPLE.search(text)
    captures = _CAPTURES.search(text)
    name = header[1][:MAX_NAME].strip() if header else ""
    return KnownFile(
        path=path,
        reader=reader.name,
        run=str(pure.parent / stem),
        sample=name or _RUN_NUMBER.sub("", _MEASUREMENT.sub("", stem)) or stem,
        in_header=bool(name),
        captures=tuple(c.strip() for c in captures[1].split(",") if c.strip()) if captures else (),
    )


def group(files: Iterable[KnownFile]) -> tuple[BatchGroup, ...]:
    """Sort files into batches, samples and loads.

    Parameters
    ----------
    files : iterable of KnownFile
        In natural order of their paths.

    Returns
    -------
    tuple of BatchGroup
        In the order of the files.
    """
    batches: dict[str, list[KnownFile]] = {}
    for file in files:
        batches.setdefault(_batch_of(file.path), []).append(file)
    return tuple(BatchGroup(name=name, samples=_samples(found)) for name, found in batches.items())


def _batch_of(path: str) -> str:
    folders = PurePosixPath(path).parts[:-1]
    return next((f for f in folders if f.casefold() not in _PLAIN_FOLDERS), "")


def _samples(files: list[KnownFile]) -> tuple[SampleGroup, ...]:
    runs = list(_runs(files).values())
    names = [next((f.sample for f in run if f.in_header), run[0].sample) for run in runs]
    merged = merge_names(names)
    samples: dict[str, list[tuple[str, list[KnownFile]]]] = {}
    for name, run in zip(names, runs, strict=True):
        samples.setdefault(merged[name], []).append((name, run))
    return tuple(_sample(name, found) for name, found in sorted(samples.items(), key=lambda s: natural_key(s[0])))


def _runs(files: list[KnownFile]) -> dict[str, list[KnownFile]]:
    """Put companion files with their run: by their common name, or by the captures that a summary combines."""
    owner: dict[str, str] = {}
    for file in files:
        for capture in file.captures:
            owner.setdefault(str(PurePosixPath(file.path).parent / capture), file.run)
    runs: dict[str, list[KnownFile]] = {}
    for file in files:
        runs.setdefault(owner.get(file.run, file.run), []).append(file)
    return runs


def merge_names(names: Iterable[str]) -> dict[str, str]:
    """Map the name of each run to that of its sample.

    Parameters
    ----------
    names : iterable of str
        Names as the files give them.

    Returns
    -------
    dict of str to str
        The name without its mark of repetition, where another name differs by that mark alone; else the
        name itself.
    """
    known = set(names)
    bases: dict[str, set[str]] = {}
    for name in known:
        bases.setdefault(_base(name), set()).add(name)
    return {name: base if len(same) > 1 else name for base, same in bases.items() for name in same}


def _base(name: str) -> str:
    for pattern in _REPEAT:
        if match := pattern.match(name):
            return match[1]
    return name


def _sample(name: str, runs: list[tuple[str, list[KnownFile]]]) -> SampleGroup:
    kinds = [run[0].reader for _, run in runs]
    words = {kind: kind.rsplit("_", 1)[-1] for kind in kinds}
    if len(set(words.values())) < len(words):
        words = {kind: kind for kind in kinds}
    counts: dict[str, int] = {}
    loads = []
    for kind, (_, run) in zip(kinds, runs, strict=True):
        counts[kind] = counts.get(kind, 0) + 1
        label = f"{counts[kind]}" if len(words) == 1 else f"{words[kind]} {counts[kind]}"
        loads.append(Load(files=tuple(f.path for f in run), label=label))
    hint = _DILUTION.search(name)
    return SampleGroup(
        name=name,
        loads=tuple(loads),
        names=tuple(dict.fromkeys(n for n, _ in runs)),
        dilution_hint=hint[1] if hint else "",
    )
