"""How the parts of the compiled loops are made: no reference counting, so that they run without numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from numba import njit

Inferred: TypeAlias = Any
"""An array or number whose type numba infers."""

_jit: Any = njit  # its types leave out _nrt
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def helper(function: _Function) -> _Function:
    """Make a function that the compiled loops call."""
    made: _Function = _jit(**_OPTIONS)(function)
    return made


def inlined(function: _Function) -> _Function:
    """Make a function that becomes a part of the loop that calls it."""
    made: _Function = _jit(**_OPTIONS, inline="always")(function)
    return made
