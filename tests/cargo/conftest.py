"""Where the real tables are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2].parent / "shared")) / "data"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Return one of the real tables by a pattern, or skip."""

    def find(pattern: str) -> Path:
        found = sorted(SHARED.glob(pattern))
        if not found:
            pytest.skip(f"no {pattern} in the shared data")
        return found[0]

    return find
