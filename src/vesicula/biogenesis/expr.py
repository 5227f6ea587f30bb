"""Formulae as data: a small tree that is never Python text, so that a stranger's model cannot run a stranger's code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vesicula.core.errors import AnalysisError

# Each operator and how many arguments it takes. "if" is (condition, value when true, value otherwise).
ARITY: Mapping[str, int] = {
    **dict.fromkeys(("+", "-", "*", "/", "pow", "min", "max", "lt", "le", "gt", "ge", "eq", "ne"), 2),
    **dict.fromkeys(("and", "or", "xor", "rem", "quotient"), 2),
    **dict.fromkeys(("neg", "not", "exp", "ln", "abs", "floor", "ceil", "factorial"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh"), 1),
    **dict.fromkeys(("asin", "acos", "atan", "asinh", "acosh", "atanh"), 1),
    "if": 3,
}
TIME = "time"  # the one reserved symbol
MAX_DEPTH = 400  # of a tree: the compiler recurses


@dataclass(frozen=True, slots=True)
class Num:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Sym:
    """The present value of a species, a parameter, or `time`."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operator of `ARITY` and its arguments."""

    name: str
    args: tuple[Expr, ...]

    def __post_init__(self) -> None:
        if ARITY.get(self.name) != len(self.args):
            raise ValueError(f"{self.name!r} is no operator of {len(self.args)} arguments")


Expr = Num | Sym | Op


def fold(name: str, args: tuple[Expr, ...], empty: float) -> Expr:
    """Chain an operator of two arguments over any number of them.

    Parameters
    ----------
    name : str
        Associative operator of two arguments.
    args : tuple of Expr
        Zero or more.
    empty : float
        Value for no arguments.

    Returns
    -------
    Expr
        Balanced, so that a sum of a thousand terms stays shallow.
    """
    level = list(args)
    if not level:
        return Num(empty)
    while len(level) > 1:
        paired = [Op(name, (a, b)) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[2 * len(paired) :]
    return level[0]


def product(*factors: str | float | Expr) -> Expr:
    """Multiply symbols (given by name), numbers and expressions.

    Parameters
    ----------
    *factors : str, float or Expr
        A string is the name of a symbol.

    Returns
    -------
    Expr
        Their product; 1 for none.
    """
    return fold("*", tuple(as_expr(f) for f in factors), 1.0)


def as_expr(value: str | float | Expr) -> Expr:
    """Turn a name into its symbol and a number into a constant.

    Parameters
    ----------
    value : str, float or Expr
        What to convert.

    Returns
    -------
    Expr
        The expression itself when it is one.
    """
    if isinstance(value, str):
        return Sym(value)
    return Num(float(value)) if isinstance(value, (int, float)) else value


def walk(expr: Expr) -> Iterator[Expr]:
    """Visit an expression and all parts of it.

    Parameters
    ----------
    expr : Expr
        Where to start.

    Yields
    ------
    Expr
        Each node once per place.
    """
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Op):
            stack.extend(node.args)


def symbols(expr: Expr) -> set[str]:
    """Return the names that an expression reads.

    Parameters
    ----------
    expr : Expr
        Any expression.

    Returns
    -------
    set of str
        `time` included where it is read.
    """
    return {node.name for node in walk(expr) if isinstance(node, Sym)}


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """Put expressions in the place of symbols.

    Parameters
    ----------
    expr : Expr
        Where to replace.
    values : mapping of str to Expr
        What stands for which symbol; other symbols stay.

    Returns
    -------
    Expr
        A new tree.
    """
    if isinstance(expr, Sym):
        return values.get(expr.name, expr)
    if isinstance(expr, Op):
        return Op(expr.name, tuple(substitute(a, values) for a in expr.args))
    return expr


def factors(expr: Expr) -> tuple[float, tuple[str, ...]] | None:
    """Read an expression as a constant times symbols, which is what mass action is.

    Parameters
    ----------
    expr : Expr
        A rate law.

    Returns
    -------
    tuple of (float, tuple of str) or None
        The constant and the symbols with repetition; None when it is anything else than a product.
    """
    constant, names, stack = 1.0, [], [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Num):
            constant *= node.value
        elif isinstance(node, Sym):
            names.append(node.name)
        elif node.name == "*":
            stack.extend(node.args)
        else:
            return None
    return constant, tuple(sorted(names))


def depth(expr: Expr) -> int:
    """Return how many operators lie above the deepest leaf.

    Parameters
    ----------
    expr : Expr
        Any expression.

    Returns
    -------
    int
        Zero for a leaf.
    """
    deepest, stack = 0, [(expr, 0)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        if isinstance(node, Op):
            stack.extend((a, level + 1) for a in node.args)
    return deepest


def refuse_bad(expr: Expr, known: set[str], place: str) -> None:
    """Check an expression before it is compiled.

    Parameters
    ----------
    expr : Expr
        To check.
    known : set of str
        Names that have a value.
    place : str
        Where the expression stands, for the message.

    Raises
    ------
    AnalysisError
        When it is nested too deeply, or reads a name without a value.
    """
    if depth(expr) > MAX_DEPTH:
        raise AnalysisError(f"{place}: the formula is nested more than {MAX_DEPTH} levels deep; write it flatter")
    missing = symbols(expr) - known - {TIME}
    if missing:
        raise AnalysisError(f"{place}: reads {min(missing)!r}, which is neither species nor parameter; define it")


def text(expr: Expr) -> str:
    """Write an expression for people to read.

    Parameters
    ----------
    expr : Expr
        Any expression.

    Returns
    -------
    str
        Infix for arithmetic and comparison, function notation otherwise.
    """
    if isinstance(expr, Num):
        whole = math.isfinite(expr.value) and expr.value == int(expr.value) and abs(expr.value) < 1e15
        return str(int(expr.value)) if whole else repr(expr.value)
    if isinstance(expr, Sym):
        return expr.name
    inner = [text(a) for a in expr.args]
    infix = {**{sign: sign for sign in "+-*/"}, "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
    if expr.name in infix:
        return f"({inner[0]} {infix[expr.name]} {inner[1]})"
    return f"{expr.name}({', '.join(inner)})"
