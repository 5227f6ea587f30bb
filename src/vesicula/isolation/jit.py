"""Compilation of the loops that NumPy cannot carry; numba publishes no types, so it is met here alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a numeric function; it lets other threads run, and its machine code is kept on disk.

    Parameters
    ----------
    function : callable
        Of arrays and numbers only.

    Returns
    -------
    callable
        Same arguments, same results; division by zero gives an infinity, as in NumPy.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
