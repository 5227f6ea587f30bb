"""Reference sequences: packaged miRBase, or the user's FASTA."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

from vesicula.core.errors import SettingsError, UnreadableFile

_ARM = re.compile(r"-[35]p(?=$|-)")
_LETTERS = "ACGTUNRYKMSWBDHV"
_COPY = re.compile(r"-\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locus:
    """A mature miRNA in its hairpin: ``hairpins[hairpin][start:end]`` (0-based) is its sequence."""

    mature: str
    hairpin: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirnaReference:
    """The miRNAs of one species.

    Parameters
    ----------
    name : str
        Such as ``"miRBase 22, hsa"``.
    matures, hairpins : mapping of str to str
        Sequences over A, C, G, T (N where unknown) by name.
    loci : tuple of Locus
        Every mature at least once; one whose hairpin is not given is its own hairpin, without flanks.
    """

    name: str
    matures: Mapping[str, str]
    hairpins: Mapping[str, str]
    loci: tuple[Locus, ...]


def packaged_mirnas(species: str = "hsa") -> MirnaReference:
    """Return the packaged miRNAs of miRBase 22: ``"hsa"`` or ``"bta"``."""
    folder = files("vesicula.data") / "smallrna"
    if not (folder / f"mature_{species}.fa.gz").is_file():
        raise SettingsError(f"no packaged miRNAs of {species!r}; there are hsa and bta. Give FASTA files for others.")
    matures, hairpins = (
        _parse(gzip.decompress((folder / f"{kind}_{species}.fa.gz").read_bytes()), Path(f"{kind}_{species}.fa.gz"))
        for kind in ("mature", "hairpin")
    )
    return build_reference(matures, hairpins, name=f"miRBase 22, {species}")


def packaged_spike_ins() -> dict[str, str]:
    """Return the packaged spike-in sequences by name."""
    place = files("vesicula.data") / "smallrna" / "spike_in.fa"
    return _parse(place.read_bytes(), Path("spike_in.fa"))


def read_fasta(path: Path) -> dict[str, str]:
    """Read a FASTA, plain or gzip: sequences by the first word of their headers, U as T, in capitals.

    Raises
    ------
    UnreadableFile
        If it is no FASTA, names a sequence twice, or holds letters that are no nucleotides.
    """
    try:
        raw = path.read_bytes()
        return _parse(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw, path)
    except (OSError, EOFError) as error:
        raise UnreadableFile(
            path, where="whole file", expected="a FASTA, plain or gzip", found=str(error), remedy="Check the file."
        ) from error


def read_mirnas(mature: Path, hairpin: Path | None = None, *, species: str = "") -> MirnaReference:
    """Return the user's miRNAs from FASTA files with miRBase's names.

    Parameters
    ----------
    mature, hairpin : pathlib.Path
        Without hairpins, bases past a mature's ends count as not templated.
    species : str
        Prefix of the names to keep, such as ``hsa``; empty: all.
    """
    prefix = f"{species}-" if species else ""
    matures, hairpins = (
        {name: s for name, s in read_fasta(path).items() if name.startswith(prefix)} if path else {}
        for path in (mature, hairpin)
    )
    if not matures:
        raise SettingsError(f"{mature}: no sequence whose name begins with {prefix!r}.")
    return build_reference(matures, hairpins, name=f"{mature.name}{', ' + species if species else ''}")


def build_reference(matures: Mapping[str, str], hairpins: Mapping[str, str], *, name: str) -> MirnaReference:
    """Place each mature in the hairpins of its name (``hsa-miR-1-3p`` in ``hsa-mir-1-1`` and ``hsa-mir-1-2``)."""
    by_stem: dict[str, list[str]] = {}
    for hairpin in hairpins:
        bare = _COPY.sub("", hairpin.lower())
        for stem in {hairpin.lower(), bare, bare.rstrip("abcdefghijklmnopqrstuvwxyz")}:
            by_stem.setdefault(stem, []).append(hairpin)
    loci: list[Locus] = []
    templates = dict(hairpins)
    for mature, sequence in matures.items():
        found = [
            Locus(mature=mature, hairpin=hairpin, start=at, end=at + len(sequence))
            for hairpin in by_stem.get(_ARM.sub("", mature.lower()), ())
            for at in _places(sequence, hairpins[hairpin])
        ]
        if not found:
            templates[mature] = sequence
            found = [Locus(mature=mature, hairpin=mature, start=0, end=len(sequence))]
        loci += found
    return MirnaReference(name=name, matures=dict(matures), hairpins=templates, loci=tuple(loci))


def _places(part: str, whole: str) -> list[int]:
    """Return every place where a sequence begins inside another."""
    found = []
    at = whole.find(part)
    while at >= 0:
        found.append(at)
        at = whole.find(part, at + 1)
    return found


def _parse(raw: bytes, path: Path) -> dict[str, str]:
    """Read FASTA text."""
    lines = raw.decode("latin-1").splitlines()
    found: dict[str, list[str]] = {}
    name = ""
    for number, line in enumerate(lines, 1):
        if line.startswith(">"):
            name = line[1:].split(maxsplit=1)[0] if line[1:].strip() else ""
            if not name or name in found:
                _refuse(path, number, "a name not used before", line)
            found[name] = []
        elif line.strip():
            bases = line.strip().upper()
            if not name or bases.strip(_LETTERS):  # what is left holds another letter
                _refuse(path, number, "nucleotides after a header line (>name)", line)
            found[name].append(bases.replace("U", "T"))
    if not found:
        _refuse(path, 1, "a header line (>name)", "no sequence")
    return {key: "".join(parts) for key, parts in found.items()}


def _refuse(path: Path, number: int, expected: str, found: str) -> NoReturn:
    remedy = "Give a FASTA of nucleotides."
    raise UnreadableFile(path, where=f"line {number}", expected=expected, found=found, remedy=remedy)
