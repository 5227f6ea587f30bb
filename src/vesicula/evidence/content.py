"""What one import brings: plain rows, checked before they come here, not yet in any store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vesicula.evidence.fold import fold, split_list
from vesicula.evidence.model import CLAIM_COLUMNS, Source, TableEntry

LIST_ROLES = {"condition": "condition", "cell_source": "cell_source", "cargo": "cargo", "target": "target"}
"""Columns whose semicolon-separated entries are names, and the role of the names."""

NOT_NAMES = {"", "not reported", "not applicable", "n.a."}

# A condition of class cancer is a tumour where it says so: the reviews also file "endothelial angiogenesis" there.
TUMOUR_WORDS = re.compile(r"cancer|carcinoma|sarcoma|melanoma|lymphoma|leuk|glio|blastoma|myeloma|tumor|metasta")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftClaim:
    """A claim before it has a number. `cells` holds the columns of CLAIM_COLUMNS; references are (source, number)."""

    cells: dict[str, str]
    source: str
    table: str
    part: str
    group: str
    references: tuple[tuple[str, str], ...]
    doubts: tuple[tuple[str, str], ...] = ()

    @property
    def directions(self) -> list[tuple[str, str]]:
        """The (molecule, change) pairs; an entry without a molecule has an empty one."""
        return [split_direction(entry) for entry in split_list(self.cells["direction"])]

    @property
    def mentions(self) -> list[tuple[str, int, str]]:
        """The (role, position, text) of every name in the claim."""
        return claim_mentions(self.cells, self.directions)

    @property
    def search_text(self) -> str:
        """The words by which the claim is found."""
        return fold(" ".join(self.cells[name] for name in CLAIM_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftReference:
    """A row of a reference list."""

    source: str
    number: str
    table: str
    position: int
    first_author: str = ""
    year: str = ""
    citation: str = ""
    number_inferred: bool = False
    doi: str = ""
    pmid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    """A row of a table that is not of claims; `trial` holds the typed columns where it is a trial."""

    table: str
    part: str
    position: int
    source: str
    doi: str
    printed: dict[str, str]
    trial: dict[str, str] | None = None
    doubts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTable:
    """A table's entry in the list of tables, with its columns."""

    entry: TableEntry
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Everything that one revision adds."""

    source: str
    note: str
    file_name: str
    sha256: str
    sources: Sequence[Source] = ()
    tables: Sequence[DraftTable] = ()
    references: Sequence[DraftReference] = ()
    rows: Sequence[DraftRow] = ()
    claims: Sequence[DraftClaim] = field(default=())


def split_direction(entry: str) -> tuple[str, str]:
    """Split ``molecule:change``; a process without a molecule ("S-phase arrest") has an empty molecule."""
    molecule, colon, change = entry.rpartition(":")
    return (molecule.strip(), change.strip()) if colon else ("", entry.strip())


def claim_mentions(cells: dict[str, str], directions: Sequence[tuple[str, str]]) -> list[tuple[str, int, str]]:
    """List the names in a claim.

    Parameters
    ----------
    cells : dict of str to str
        The claim's columns.
    directions : sequence of tuple of (str, str)
        Its (molecule, change) pairs.

    Returns
    -------
    list of tuple of (str, int, str)
        Role, position within the role (from 0), and text as printed.
    """
    names: dict[str, list[str]] = {role: list(split_list(cells[column])) for column, role in LIST_ROLES.items()}
    names["pathway"] = list(split_list(cells["pathway"]))
    # "rat and human cells" names two models; conditions are not split so ("liver, breast and lung cancer").
    names["species"] = [part for entry in split_list(cells["model"]) for part in entry.split(" and ")]
    names["molecule"] = [molecule for molecule, _ in directions]
    if cells["condition_class"] == "cancer":
        names["tumour"] = [name for name in names["condition"] if TUMOUR_WORDS.search(fold(name))]
    return [
        (role, position, text)
        for role, texts in names.items()
        for position, text in enumerate(text for text in texts if text not in NOT_NAMES)
    ]
