"""Formulae as instructions for a small stack machine.

One machine, compiled once, runs every model: no model waits for a compiler, and no text of a model is ever executed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from vesicula.biogenesis.expr import Expr, Num, Op, Sym
from vesicula.core.jit import compiled
from vesicula.core.measurement import FloatArray

IntArray = npt.NDArray[np.int64]

# Instruction numbers. Below BINARY_END two values are taken from the stack, below UNARY_END one.
BINARY = (
    *("+", "-", "*", "/", "pow", "min", "max", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "rem"),
    "quotient",
)
UNARY = (
    *("neg", "not", "exp", "ln", "abs", "floor", "ceil", "factorial", "sin", "cos", "tan", "sinh", "cosh", "tanh"),
    *("asin", "acos", "atan", "asinh", "acosh", "atanh"),
)
CODES: Mapping[str, int] = {name: i for i, name in enumerate((*BINARY, *UNARY))}
SELECT, CONSTANT, LOAD, STORE = 40, 41, 42, 43
STACK = 512  # deeper than expr.MAX_DEPTH allows a tree to need


class Program:
    """Instructions in the making: expressions whose results are stored in slots, in order.

    Parameters
    ----------
    slots : mapping of str to int
        Where each symbol lives in the vector of values.
    """

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._slots = slots
        self._code: list[tuple[int, int]] = []
        self._constants: list[float] = []

    def store(self, name: str, expr: Expr) -> None:
        """Append the evaluation of an expression into the slot of a symbol."""
        self._emit(expr)
        self._code.append((STORE, self._slots[name]))

    def _emit(self, expr: Expr) -> None:
        if isinstance(expr, Num):
            self._code.append((CONSTANT, len(self._constants)))
            self._constants.append(expr.value)
        elif isinstance(expr, Sym):
            self._code.append((LOAD, self._slots[expr.name]))
        else:
            self._emit_operator(expr)

    def _emit_operator(self, expr: Op) -> None:
        for argument in expr.args:
            self._emit(argument)
        self._code.append((SELECT if expr.name == "if" else CODES[expr.name], 0))

    def finish(self) -> tuple[IntArray, FloatArray]:
        """Return instructions, shape (n, 2), and constants."""
        code = np.array(self._code, dtype=np.int64).reshape(-1, 2)
        return code, np.array(self._constants, dtype=np.float64)


def assemble(slots: Mapping[str, int], steps: Iterable[tuple[str, Expr]]) -> tuple[IntArray, FloatArray]:
    """Compile assignments, to be run in order.

    Parameters
    ----------
    slots : mapping of str to int
        Where each symbol lives.
    steps : iterable of (str, Expr)
        Target and formula.

    Returns
    -------
    tuple of numpy.ndarray
        Instructions of shape (n, 2), and constants.
    """
    program = Program(slots)
    for name, expr in steps:
        program.store(name, expr)
    return program.finish()


@compiled
def _binary(op: int, a: float, b: float) -> float:  # noqa: C901, PLR0911, PLR0912 - a table of operators
    if op == 0:
        return a + b
    if op == 1:
        return a - b
    if op == 2:
        return a * b
    if op == 3:
        return a / b
    if op == 4:
        return float(a**b)
    if op == 5:
        return min(a, b)
    if op == 6:
        return max(a, b)
    if op == 7:
        return 1.0 if a < b else 0.0
    if op == 8:
        return 1.0 if a <= b else 0.0
    if op == 9:
        return 1.0 if a > b else 0.0
    if op == 10:
        return 1.0 if a >= b else 0.0
    if op == 11:
        return 1.0 if a == b else 0.0
    if op == 12:
        return 1.0 if a != b else 0.0
    if op == 13:
        return 1.0 if a != 0.0 and b != 0.0 else 0.0
    if op == 14:
        return 1.0 if a != 0.0 or b != 0.0 else 0.0
    if op == 15:
        return 1.0 if (a != 0.0) != (b != 0.0) else 0.0
    quotient = float(np.floor(a / b)) if (a < 0.0) == (b < 0.0) else float(np.ceil(a / b))
    return a - b * quotient if op == 16 else quotient


@compiled
def _unary(op: int, a: float) -> float:  # noqa: C901, PLR0911, PLR0912 - a table of operators
    if op == 18:
        return -a
    if op == 19:
        return 1.0 if a == 0.0 else 0.0
    if op == 20:
        return float(np.exp(a))
    if op == 21:
        return float(np.log(a))
    if op == 22:
        return abs(a)
    if op == 23:
        return float(np.floor(a))
    if op == 24:
        return float(np.ceil(a))
    if op == 25:
        return math.gamma(a + 1.0) if 0.0 <= a <= 170.0 else np.nan
    if op == 26:
        return float(np.sin(a))
    if op == 27:
        return float(np.cos(a))
    if op == 28:
        return float(np.tan(a))
    if op == 29:
        return float(np.sinh(a))
    if op == 30:
        return float(np.cosh(a))
    if op == 31:
        return float(np.tanh(a))
    if op == 32:
        return float(np.arcsin(a))
    if op == 33:
        return float(np.arccos(a))
    if op == 34:
        return float(np.arctan(a))
    if op == 35:
        return float(np.arcsinh(a))
    if op == 36:
        return float(np.arccosh(a))
    return float(np.arctanh(a))


@compiled
def execute(code: IntArray, constants: FloatArray, values: FloatArray, stack: FloatArray) -> None:
    """Run instructions over a vector of values, in place.

    Parameters
    ----------
    code : numpy.ndarray of int64, shape (n, 2)
        From `assemble`.
    constants : numpy.ndarray
        From `assemble`.
    values : numpy.ndarray
        The slots; read and written.
    stack : numpy.ndarray, shape (STACK,)
        Working space.
    """
    top = 0
    for i in range(code.shape[0]):
        op, argument = code[i, 0], code[i, 1]
        if op == 42:  # LOAD
            stack[top] = values[argument]
            top += 1
        elif op == 41:  # CONSTANT
            stack[top] = constants[argument]
            top += 1
        elif op < 18:
            top -= 1
            stack[top - 1] = _binary(op, stack[top - 1], stack[top])
        elif op < 40:
            stack[top - 1] = _unary(op, stack[top - 1])
        elif op == 43:  # STORE
            top -= 1
            values[argument] = stack[top]
        else:  # SELECT: both branches were computed; only one is kept
            top -= 2
            stack[top - 1] = stack[top] if stack[top - 1] != 0.0 else stack[top + 1]
