"""The one place that meets numba, which publishes no types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a numeric function to machine code that lets other threads run.

    Parameters
    ----------
    function : callable
        Of arrays and numbers only.

    Returns
    -------
    callable
        Same arguments, same results. Division by zero gives an infinity, as in NumPy. The machine code is kept on
        disk, so that only the first call after installation is slow.
    """
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
