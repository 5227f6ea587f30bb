"""From names as the literature prints them to identifiers: conditions, cells, species, molecules.

:func:`resolve` answers with a :class:`Resolution`: which identifiers a name stands for, how it was found,
and why. It never
raises for odd text and never picks one of several meanings in silence: a name that stands for several things is
``ambiguous`` and carries them all, a name that stands for nothing known is ``unmapped`` with the reason.
:func:`unmapped_report` does so for every name of a set of tables, and :func:`coverage` counts.

The registries are packaged as sorted tables (``vesicula/data/names``, sources and licences in
PROVENANCE.tsv there) and are
read when first asked for. Names that no registry records are mapped by hand in ``curated.tsv``; each of its
identifiers is
in one of the packaged registries (tested), and a row that rests on memory says so.
"""

from __future__ import annotations

from vesicula.evidence.names_lookup import MOLECULE_KINDS, resolve, resolve_molecule
from vesicula.evidence.names_mirna import is_mirna_name, mature_arms, precursors_of
from vesicula.evidence.names_report import Coverage, NameUse, coverage, names_in, unmapped_report
from vesicula.evidence.names_tables import KINDS, Kind, Resolution, Status, is_a, label_of, name_key

__all__ = [
    "KINDS",
    "MOLECULE_KINDS",
    "Coverage",
    "Kind",
    "NameUse",
    "Resolution",
    "Status",
    "coverage",
    "is_a",
    "is_mirna_name",
    "label_of",
    "mature_arms",
    "name_key",
    "names_in",
    "precursors_of",
    "resolve",
    "resolve_molecule",
    "unmapped_report",
]
