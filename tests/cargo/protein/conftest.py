"""Tables as each software writes them, small; and where the real ones are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vesicula.cargo.protein import ProteinTable, join_tables, read_protein_table

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[3].parent / "shared")) / "data"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Return one of the real tables by a pattern, or skip."""

    def find(pattern: str) -> Path:
        found = sorted(SHARED.glob(pattern))
        if not found:
            pytest.skip(f"no {pattern} in the shared data")
        return found[0]

    return find


@pytest.fixture(scope="session")
def milk() -> ProteinTable:
    """Vesicles of human milk by four methods of isolation, three pools each (PEAKS, MIT licence)."""
    files = sorted(SHARED.glob("simulation/pedrofortes*/mass_spectrometry_data/DB search psm*.csv"))
    if len(files) != 12:
        pytest.skip("no milk tables in the shared data")
    return join_tables([read_protein_table(f) for f in files])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a table and return its path."""

    def make(rows: list[list[object]], *, name: str = "table.tsv", sep: str = "\t") -> Path:
        path = tmp_path / name
        path.write_text("".join(sep.join(str(c) for c in row) + "\n" for row in rows), encoding="utf-8")
        return path

    return make
