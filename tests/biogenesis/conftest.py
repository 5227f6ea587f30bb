"""Fixtures of the biogenesis tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def sbml_cases() -> Path:
    """The cases of the SBML test suite, which lie beside the repository (LGPL: for checking, not in the package)."""
    shared = Path(os.environ.get("VESICULA_SHARED", ROOT.parent / "shared"))
    folder = shared / "data" / "simulation" / "sbmlteam__sbml-test-suite" / "cases"
    if not folder.is_dir():
        pytest.skip("the SBML test suite is not beside the repository (VESICULA_SHARED)")
    return folder


@pytest.fixture(scope="session")
def suite(sbml_cases):
    """The benchmark's functions, which know the suite's rules."""
    path = ROOT / "benchmarks" / "sbml_suite.py"
    spec = importlib.util.spec_from_file_location("sbml_suite", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sbml_suite"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def roadrunner_python() -> str:
    """An interpreter that can import roadrunner: VESICULA_ROADRUNNER, or this one."""
    other = os.environ.get("VESICULA_ROADRUNNER")
    if other:
        return other
    if importlib.util.find_spec("roadrunner") is None:
        pytest.skip("libroadrunner is not installed here, and VESICULA_ROADRUNNER names no interpreter that has it")
    return sys.executable
