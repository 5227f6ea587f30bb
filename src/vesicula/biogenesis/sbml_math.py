"""MathML, as libsbml holds it, to and from our expressions."""

# ruff: noqa: ANN401 - libsbml publishes no types

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from vesicula.biogenesis.expr import TIME, Expr, Num, Op, Sym, fold, substitute, walk
from vesicula.core.errors import AnalysisError


class UnsupportedModel(AnalysisError):
    """The SBML is well formed, but uses what lies outside the documented subset."""


AVOGADRO = 6.02214179e23  # the value that SBML Level 3 (section 3.4.6 of the specification) prescribes

# libsbml's names of AST node types, without the AST_ prefix, and our operators of fixed arity.
FIXED: Mapping[str, str] = {
    "DIVIDE": "/",
    "POWER": "pow",
    "FUNCTION_POWER": "pow",
    "FUNCTION_EXP": "exp",
    "FUNCTION_LN": "ln",
    "FUNCTION_ABS": "abs",
    "FUNCTION_FLOOR": "floor",
    "FUNCTION_CEILING": "ceil",
    "FUNCTION_FACTORIAL": "factorial",
    "FUNCTION_SIN": "sin",
    "FUNCTION_COS": "cos",
    "FUNCTION_TAN": "tan",
    "FUNCTION_SINH": "sinh",
    "FUNCTION_COSH": "cosh",
    "FUNCTION_TANH": "tanh",
    "FUNCTION_ARCSIN": "asin",
    "FUNCTION_ARCCOS": "acos",
    "FUNCTION_ARCTAN": "atan",
    "FUNCTION_ARCSINH": "asinh",
    "FUNCTION_ARCCOSH": "acosh",
    "FUNCTION_ARCTANH": "atanh",
    "FUNCTION_QUOTIENT": "quotient",
    "FUNCTION_REM": "rem",
    "LOGICAL_NOT": "not",
    "RELATIONAL_NEQ": "ne",
}
FOLDED: Mapping[str, tuple[str, float]] = {
    "PLUS": ("+", 0.0),
    "TIMES": ("*", 1.0),
    "LOGICAL_AND": ("and", 1.0),
    "LOGICAL_OR": ("or", 0.0),
    "LOGICAL_XOR": ("xor", 0.0),
    "FUNCTION_MIN": ("min", math.inf),
    "FUNCTION_MAX": ("max", -math.inf),
}
CHAINED: Mapping[str, str] = {
    "RELATIONAL_EQ": "eq",
    "RELATIONAL_LT": "lt",
    "RELATIONAL_LEQ": "le",
    "RELATIONAL_GT": "gt",
    "RELATIONAL_GEQ": "ge",
}
CONSTANTS: Mapping[str, float] = {
    "CONSTANT_PI": math.pi,
    "CONSTANT_E": math.e,
    "CONSTANT_TRUE": 1.0,
    "CONSTANT_FALSE": 0.0,
    "NAME_AVOGADRO": AVOGADRO,
}
# One over a function, or a function of one over the argument.
RECIPROCAL: Mapping[str, str] = {
    "SEC": "cos",
    "CSC": "sin",
    "COT": "tan",
    "SECH": "cosh",
    "CSCH": "sinh",
    "COTH": "tanh",
}
INVERSE: Mapping[str, str] = {
    "ARCSEC": "acos", "ARCCSC": "asin", "ARCCOT": "atan",
    "ARCSECH": "acosh", "ARCCSCH": "asinh", "ARCCOTH": "atanh",
}

MAX_SIZE = 100_000  # terms of one formula after its function calls are written out
Lambda = tuple[tuple[str, ...], Expr]


def own_name(identifier: str) -> str:
    """Return our name of an SBML identifier.

    Parameters
    ----------
    identifier : str
        As in the file.

    Returns
    -------
    str
        The same, but for `time`, which is reserved here and not there.
    """
    return f"{TIME}_" if identifier == TIME else identifier


class MathReader:
    """Reads formulae of one model.

    Parameters
    ----------
    libsbml : module
        The library.
    functions : dict of str to Lambda
        Function definitions read so far; calls are replaced by their bodies.
    """

    def __init__(self, libsbml: Any, functions: dict[str, Lambda]) -> None:
        self._functions = functions
        names = [n for n in dir(libsbml) if n.startswith("AST_") and isinstance(getattr(libsbml, n), int)]
        self._names = {getattr(libsbml, n): n.removeprefix("AST_") for n in names if "TYPECODE" not in n}

    def read(self, node: Any) -> Expr:
        """Turn a libsbml node into an expression.

        Raises
        ------
        UnsupportedModel
            For an operator outside the subset.
        """
        kind = self._names.get(node.getType(), "UNKNOWN")
        if node.isNumber():
            return Num(float(node.getValue()))
        if kind == "NAME":
            return Sym(own_name(node.getName()))
        if kind == "NAME_TIME":
            return Sym(TIME)
        if kind in CONSTANTS:
            return Num(CONSTANTS[kind])
        args = tuple(self.read(node.getChild(i)) for i in range(node.getNumChildren()))
        if kind == "FUNCTION":
            return self._call(node.getName(), args)
        return _operator(kind, args)

    def _call(self, name: str, args: tuple[Expr, ...]) -> Expr:
        if name not in self._functions:
            raise UnsupportedModel(f"the function {name!r} is not defined before its use")
        parameters, body = self._functions[name]
        if len(parameters) != len(args):
            raise UnsupportedModel(f"the function {name!r} takes {len(parameters)} arguments, not {len(args)}")
        # Calls are written out, so that definitions that call each other twice each would double at every step.
        sizes = {p: sum(1 for _ in walk(a)) for p, a in zip(parameters, args, strict=True)}
        size = sum(sizes.get(x.name, 1) if isinstance(x, Sym) else 1 for x in walk(body))
        if size > MAX_SIZE:
            raise UnsupportedModel(f"the function {name!r}, written out, has more than {MAX_SIZE} terms")
        return substitute(body, dict(zip(parameters, args, strict=True)))


def _operator(kind: str, args: tuple[Expr, ...]) -> Expr:
    short = kind.removeprefix("FUNCTION_")
    try:
        if kind in FIXED:
            return Op(FIXED[kind], args)
        if kind in FOLDED:
            return fold(FOLDED[kind][0], args, FOLDED[kind][1])
        if kind in CHAINED:
            pairs = tuple(Op(CHAINED[kind], pair) for pair in pairwise(args))
            return fold("and", pairs, 1.0)
        if short in RECIPROCAL:
            return Op("/", (Num(1.0), Op(RECIPROCAL[short], args)))
        if short in INVERSE:
            return Op(INVERSE[short], (Op("/", (Num(1.0), args[0])),))
        if kind in SPECIAL:
            return SPECIAL[kind](args)
    except (ValueError, IndexError) as error:
        raise UnsupportedModel(f"the operator {short.lower()!r} has {len(args)} arguments") from error
    raise UnsupportedModel(f"the operator {short.lower()!r} is outside the subset that is read")


def _piecewise(args: tuple[Expr, ...]) -> Expr:
    result: Expr = args[-1] if len(args) % 2 else Num(math.nan)
    for value, condition in list(zip(args[: len(args) - len(args) % 2 : 2], args[1::2], strict=True))[::-1]:
        result = Op("if", (condition, value, result))
    return result


def _minus(args: tuple[Expr, ...]) -> Expr:
    return Op("neg", args) if len(args) == 1 else Op("-", args)


def _root(args: tuple[Expr, ...]) -> Expr:
    degree, inner = (Num(2.0), args[0]) if len(args) == 1 else (args[0], args[1])
    return Op("pow", (inner, Op("/", (Num(1.0), degree))))


def _log(args: tuple[Expr, ...]) -> Expr:
    base, inner = (Num(10.0), args[0]) if len(args) == 1 else (args[0], args[1])
    return Op("/", (Op("ln", (inner,)), Op("ln", (base,))))


SPECIAL: Mapping[str, Callable[[tuple[Expr, ...]], Expr]] = {
    "MINUS": _minus,
    "FUNCTION_ROOT": _root,
    "FUNCTION_LOG": _log,
    "FUNCTION_PIECEWISE": _piecewise,
    "LOGICAL_IMPLIES": lambda args: Op("or", (Op("not", (args[0],)), args[1])),
}

WRITTEN: Mapping[str, str] = {
    **{ours: theirs for theirs, ours in FIXED.items() if theirs != "FUNCTION_POWER"},
    **{ours: theirs for theirs, (ours, _) in FOLDED.items()},
    **{ours: theirs for theirs, ours in CHAINED.items()},
    "-": "MINUS", "neg": "MINUS",
}


def write_math(libsbml: Any, expr: Expr) -> Any:
    """Turn an expression into a libsbml node.

    Parameters
    ----------
    libsbml : module
        The library.
    expr : Expr
        Any expression.

    Returns
    -------
    libsbml.ASTNode
        A new tree.
    """
    if isinstance(expr, Num):
        node = libsbml.ASTNode(libsbml.AST_REAL)
        node.setValue(expr.value)
        return node
    if isinstance(expr, Sym):
        node = libsbml.ASTNode(libsbml.AST_NAME_TIME if expr.name == TIME else libsbml.AST_NAME)
        node.setName(expr.name)
        return node
    if expr.name == "if":
        condition, value, otherwise = expr.args
        node = libsbml.ASTNode(libsbml.AST_FUNCTION_PIECEWISE)
        children: tuple[Expr, ...] = (value, condition, otherwise)
    else:
        node = libsbml.ASTNode(getattr(libsbml, f"AST_{WRITTEN[expr.name]}"))
        children = expr.args
    for child in children:
        node.addChild(write_math(libsbml, child))
    return node
