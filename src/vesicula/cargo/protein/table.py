"""One type for every table of proteins: groups, their names, and a value per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray, ReadWarning, SourceFile

Kind = Literal["lfq", "ibaq", "top3", "intensity", "psm-count", "log-ratio"]
KINDS: tuple[Kind, ...] = ("lfq", "ibaq", "top3", "intensity", "psm-count", "log-ratio")
KIND_WORDS: dict[Kind, str] = {
    "lfq": "label-free quantities made comparable between samples (LFQ)",
    "ibaq": "intensity divided by the number of theoretical peptides (iBAQ)",
    "top3": "mean of the three most intense peptides (top3)",
    "intensity": "summed intensity",
    "psm-count": "number of peptide-spectrum matches",
    "log-ratio": "log2 ratio to a reference channel",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProteinGroup:
    """Proteins that the peptides found do not tell apart.

    Parameters
    ----------
    id : str
        Unique within its table.
    accessions : tuple of str
        UniProt accessions, without isoform and without contaminant or decoy prefix; may be empty.
    genes : tuple of str
        Gene symbols; may be empty.
    species : tuple of str
        UniProt's species mnemonics (``"HUMAN"``, ``"BOVIN"``); empty where the table does not say.
    contaminant, decoy, only_by_site : bool
        What the software, a prefix or our list of digestion enzymes marks.
    """

    id: str
    accessions: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    species: tuple[str, ...] = ()
    contaminant: bool = False
    decoy: bool = False
    only_by_site: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProteinTable:
    """Protein groups by samples.

    Parameters
    ----------
    sources : tuple of SourceFile
        Files that it was read from.
    software : str
        Whose export it is, such as ``"MaxQuant"``; ``"plain matrix"`` where unknown.
    kind : str
        What the values are; one of `KINDS`.
    log2 : bool
        Whether they are on the log2 scale.
    samples : tuple of str
        One name per column, unique.
    groups : tuple of ProteinGroup
        One per row, unique by id.
    values : numpy.ndarray
        Shape (groups, samples), read-only. NaN where nothing was measured; a count of 0 stays 0.
    notes : tuple of ReadWarning
        What the reader met and the reader of a report must know.
    """

    sources: tuple[SourceFile, ...]
    software: str
    kind: Kind
    log2: bool
    samples: tuple[str, ...]
    groups: tuple[ProteinGroup, ...]
    values: FloatArray
    notes: tuple[ReadWarning, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and names; make the values read-only."""
        if self.values.shape != (len(self.groups), len(self.samples)):
            raise AnalysisError(
                f"values of shape {self.values.shape} do not fit {len(self.groups)} groups by "
                f"{len(self.samples)} samples"
            )
        if len(set(self.samples)) != len(self.samples):
            raise AnalysisError("sample names of a protein table must be unique")
        if len({g.id for g in self.groups}) != len(self.groups):
            raise AnalysisError("identifiers of the groups of a protein table must be unique")
        self.values.flags.writeable = False

    def log2_values(self) -> FloatArray:
        """Return the values on the log2 scale, shape (groups, samples), NaN where missing or zero."""
        if self.log2:
            return self.values
        with np.errstate(divide="ignore"):
            logged = np.log2(self.values)
        logged[~np.isfinite(logged)] = np.nan
        return logged

    def linear_values(self) -> FloatArray:
        """Return the values on the linear scale, shape (groups, samples), NaN where missing."""
        return np.exp2(self.values) if self.log2 else self.values

    def select(self, samples: Sequence[str]) -> ProteinTable:
        """Return the table with the samples named, in that order.

        Raises
        ------
        AnalysisError
            When the table has no such sample.
        """
        missing = [s for s in samples if s not in self.samples]
        if missing:
            raise AnalysisError(
                f"the table has no sample {missing[0]!r}; it has {', '.join(self.samples[:12])}"
                f"{' and more' if len(self.samples) > 12 else ''}"
            )
        columns = [self.samples.index(s) for s in samples]
        return replace(self, samples=tuple(samples), values=np.array(self.values[:, columns]))

    def keep(self, rows: Sequence[int]) -> ProteinTable:
        """Return the table with the rows of these indices, in that order."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(self, groups=tuple(self.groups[i] for i in index), values=np.array(self.values[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """How many groups were taken out, and why.

    Parameters
    ----------
    total, kept, decoys, contaminants, only_by_site, empty : int
        Numbers of groups; each group is counted under the first reason that applies, in this order.
    """

    total: int
    kept: int
    decoys: int
    contaminants: int
    only_by_site: int
    empty: int

    @property
    def text(self) -> str:
        """Return one sentence."""
        return (
            f"{self.total} protein groups read; removed: {self.decoys} decoys, {self.contaminants} contaminants, "
            f"{self.only_by_site} identified only by a modified site, {self.empty} without a value; "
            f"{self.kept} kept."
        )


def remove_unwanted(table: ProteinTable, *, contaminants: bool = True) -> tuple[ProteinTable, Removed]:
    """Take out decoys, contaminants, groups known only by a modified site, and groups without a value.

    Parameters
    ----------
    table : ProteinTable
        As read.
    contaminants : bool
        Whether marked contaminants go. Purity needs them kept: lists of contaminants hold albumin and other
        proteins of serum, which in vesicles are findings and not dirt of the laboratory.

    Returns
    -------
    tuple of (ProteinTable, Removed)
        What is left, and the counts.
    """
    seen = np.nan_to_num(table.values, nan=0.0) != 0 if not table.log2 else np.isfinite(table.values)
    counts = {"decoy": 0, "contaminant": 0, "site": 0, "empty": 0}
    rows: list[int] = []
    for i, group in enumerate(table.groups):
        if group.decoy:
            counts["decoy"] += 1
        elif group.contaminant and contaminants:
            counts["contaminant"] += 1
        elif group.only_by_site:
            counts["site"] += 1
        elif not seen[i].any():
            counts["empty"] += 1
        else:
            rows.append(i)
    removed = Removed(
        total=len(table.groups),
        kept=len(rows),
        decoys=counts["decoy"],
        contaminants=counts["contaminant"],
        only_by_site=counts["site"],
        empty=counts["empty"],
    )
    return table.keep(rows), removed
