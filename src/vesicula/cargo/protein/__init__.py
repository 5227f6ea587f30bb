"""Protein cargo: tables of any software, purity by MISEV's categories, and lists of vesicle proteins."""

from vesicula.cargo.protein.read import join_tables, read_protein_table
from vesicula.cargo.protein.table import (
    KIND_WORDS,
    KINDS,
    Kind,
    ProteinGroup,
    ProteinTable,
    Removed,
    remove_unwanted,
)

__all__ = [
    "KINDS",
    "KIND_WORDS",
    "Kind",
    "ProteinGroup",
    "ProteinTable",
    "Removed",
    "join_tables",
    "read_protein_table",
    "remove_unwanted",
]
