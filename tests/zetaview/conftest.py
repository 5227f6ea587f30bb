"""Fixtures of the ZetaView tests: the twin generator, a writer of files, the real exports where present."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared" / "data" / "particles"


@pytest.fixture(scope="session")
def twin():
    """The module that makes the synthetic twins."""
    name = "vesicula_zetaview_twin_files"
    spec = importlib.util.spec_from_file_location(name, HERE / "twin_files.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes or text (as Latin-1) to a file and returns its path."""

    def write_file(content, name="export.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
        return path

    return write_file


@pytest.fixture(scope="session")
def real_files():
    """The unlicensed real exports beside the repository, by kind; skips where they are absent."""
    found = {
        "size": [
            *SHARED.glob("irispota__EV-NTA/Test Files/*.txt"),
            *SHARED.glob("sumit*/backend/NTA/*/*_size_488.txt"),
        ],
        "positions": [*SHARED.glob("sumit*/backend/NTA/*/*_11pos.txt")],
        "profile": [*SHARED.glob("sumit*/backend/NTA/*/*_prof_488.txt")],
    }
    if not all(found.values()):
        pytest.skip("the real ZetaView exports (no licence to redistribute) are not beside the repository")
    return {kind: sorted(paths) for kind, paths in found.items()}
