"""What a batch's cargo tables gave, as plain data: what a dossier draws and writes as tables.

Findings say the same in sentences; these are the numbers behind them, so that no figure needs the analysis again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CALLED, GENOME_ONLY, NEITHER = "stands out", "whole genome only", "does not stand out"
"""How a gene set stands: against what was measured; against the whole genome alone; against neither."""

Side = Literal["promoting", "inhibiting", "neither", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoMolecule:
    """A molecule that was measured.

    Parameters
    ----------
    key, name : str
        What names are joined by (stem and arm of a miRNA, HGNC identifier of a protein); name for reading.
    tested_as : str
        List in which it stands out, such as ``"most abundant"`` or ``"higher"``; empty where it does not.
    detected_in : int
        Samples with a value.
    mean_log2 : float or None
        Mean log2 abundance; None where the table has none.
    log2_fold_change, adjusted_p : float or None
        Of the table's comparison.
    """

    key: str
    name: str
    tested_as: str
    detected_in: int
    mean_log2: float | None = None
    log2_fold_change: float | None = None
    adjusted_p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoSet:
    """A gene set and how it came out.

    Parameters
    ----------
    set_id, name, origin : str
        Of the packaged table.
    standing : str
        ``CALLED``, ``GENOME_ONLY`` or ``NEITHER``.
    hits_in_set, set_size : int
        Members in the list, and members measured; of miRNAs their targets.
    fold, p_value, adjusted_p : float or None
        Against what was measured; None where the set could not be tested there.
    genome_adjusted_p : float or None
        With the whole genome as background; None where that test leaves the set out.
    members : tuple of str
        Cargo of the list that leads to the set.
    """

    set_id: str
    name: str
    origin: str
    standing: str
    hits_in_set: int
    set_size: int
    fold: float | None
    p_value: float | None
    adjusted_p: float | None
    genome_adjusted_p: float | None
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoTest:
    """Gene sets tested for one list of cargo.

    Parameters
    ----------
    what : str
        The list, such as ``"most abundant"``.
    tested, called, genome_called : int
        Sets tested; called against what was measured; called by the whole genome as background.
    refused : str
        Why nothing was tested; empty where something was.
    sets : tuple of CargoSet
        All that stand out, all that the genome alone calls, and the nearest of the others.
    """

    what: str
    tested: int
    called: int
    genome_called: int
    refused: str = ""
    sets: tuple[CargoSet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoCategories:
    """MISEV's categories in one sample of a protein table.

    Parameters
    ----------
    sample : str
        Column of the table.
    met : bool
        Whether the rule on markers is fulfilled.
    proteins : int
        Protein groups found.
    found : dict of str to tuple of str
        Symbols found, by category.
    shares : dict of str to float
        Share of the summed signal by category; empty where values have no sum.
    apob_share, albumin_share, other_species_share : float or None
        Share of ApoB, of albumin, and of groups of another species than most.
    """

    sample: str
    met: bool
    proteins: int
    found: dict[str, tuple[str, ...]]
    shares: dict[str, float]
    apob_share: float | None
    albumin_share: float | None
    other_species_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoClaim:
    """A row of the evidence store that names a molecule of the batch as cargo.

    Parameters
    ----------
    molecule, row : str
        The molecule, and the row's name in the store.
    counted : bool
        Whether the row names this very molecule; one that names a family, the rarer arm or something longer counts
        in no sum.
    condition, effect_class, study_type : str
        As the row has them.
    tumour : str
        Tumour on whose balance the row stands; empty where it stands on none.
    side : {"promoting", "inhibiting", "neither", ""}
        Its side there.
    """

    molecule: str
    row: str
    counted: bool
    condition: str
    effect_class: str
    study_type: str
    tumour: str = ""
    side: Side = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoTableResult:
    """What one cargo table gave.

    Parameters
    ----------
    path : str
        The table, relative to the study folder.
    kind : {"mirna", "protein"}
        What its names are.
    samples : tuple of str
        Its columns of abundances.
    molecules : tuple of CargoMolecule
        Those measured, in the order of the table.
    tests : tuple of CargoTest
        One per list.
    categories : tuple of CargoCategories
        Sample by sample; empty but for proteins with abundances.
    claims : tuple of CargoClaim
        Rows that name the cargo; empty also where the store was not asked.
    condition : str
        The batch's indication as the store was asked for it.
    looked_up : int or None
        Names looked up in the store; None where it was not asked.
    targets : str
        Table of miRNA targets that was used; empty without.
    """

    path: str
    kind: Literal["mirna", "protein"]
    samples: tuple[str, ...]
    molecules: tuple[CargoMolecule, ...]
    tests: tuple[CargoTest, ...] = ()
    categories: tuple[CargoCategories, ...] = ()
    claims: tuple[CargoClaim, ...] = ()
    condition: str = ""
    looked_up: int | None = None
    targets: str = ""

    @property
    def carried(self) -> tuple[CargoMolecule, ...]:
        """The molecules found in at least half of the samples; all, where the table has no samples."""
        return tuple(m for m in self.molecules if 2 * m.detected_in >= len(self.samples))
