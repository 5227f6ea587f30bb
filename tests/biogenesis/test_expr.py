"""Formulae: what the machine computes is what mathematics says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vesicula.biogenesis.expr import MAX_DEPTH, Num, Op, Sym, factors, product, refuse_bad, substitute, symbols, text
from vesicula.biogenesis.vm import BINARY, STACK, UNARY, assemble, execute
from vesicula.core.errors import AnalysisError


def value(expr, **names):
    slots = {"": 0, **{name: i for i, name in enumerate(names, start=1)}}
    code, constants = assemble(slots, [("", expr)])
    values = np.array([0.0, *names.values()])
    execute(code, constants, values, np.zeros(STACK))
    return values[0]


A, B = Sym("a"), Sym("b")


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("+", 2, 3, 5), ("-", 2, 3, -1), ("*", 2, 3, 6), ("/", 3, 2, 1.5), ("pow", 2, 10, 1024), ("min", 2, 3, 2),
        ("max", 2, 3, 3), ("lt", 2, 3, 1), ("lt", 3, 3, 0), ("le", 3, 3, 1), ("gt", 3, 2, 1), ("gt", 3, 3, 0),
        ("ge", 3, 3, 1), ("eq", 3, 3, 1), ("ne", 3, 3, 0), ("and", 1, 0, 0), ("or", 1, 0, 1), ("xor", 1, 1, 0),
        ("rem", 7, 3, 1), ("rem", -7, 3, -1), ("quotient", -7, 3, -2), ("/", 1, 0, math.inf),
    ],
)  # fmt: skip
def test_operators_of_two(name, a, b, expected):
    assert value(Op(name, (A, B)), a=a, b=b) == expected


@pytest.mark.parametrize(
    ("name", "a", "expected"),
    [
        ("neg", 2, -2), ("not", 0, 1), ("exp", 1, math.e), ("ln", math.e, 1), ("abs", -2, 2), ("floor", -1.5, -2),
        ("ceil", 1.2, 2), ("factorial", 5, 120), ("sin", 1, math.sin(1)), ("cos", 1, math.cos(1)),
        ("tan", 1, math.tan(1)), ("sinh", 1, math.sinh(1)), ("cosh", 1, math.cosh(1)), ("tanh", 1, math.tanh(1)),
        ("asin", 0.5, math.asin(0.5)), ("acos", 0.5, math.acos(0.5)), ("atan", 0.5, math.atan(0.5)),
        ("asinh", 0.5, math.asinh(0.5)), ("acosh", 1.5, math.acosh(1.5)), ("atanh", 0.5, math.atanh(0.5)),
    ],
)  # fmt: skip
def test_operators_of_one(name, a, expected):
    assert value(Op(name, (A,)), a=a) == pytest.approx(expected, rel=1e-14)


def test_every_operator_has_its_place_in_the_machine():
    """The machine's numbers are literals: 18 operators of two, then 20 of one, before the special ones from 40 on."""
    assert (len(BINARY), len(UNARY)) == (18, 20)


def test_a_choice_keeps_one_branch_even_if_the_other_has_no_value():
    safe = Op("if", (Op("gt", (A, Num(0.0))), Op("ln", (A,)), Num(-1.0)))
    assert value(safe, a=-5.0) == -1.0
    assert value(safe, a=1.0) == 0.0


def test_products_are_recognised_and_nothing_else_is():
    assert factors(product("k", 2.0, "a", Sym("a"))) == (2.0, ("a", "a", "k"))
    assert factors(Op("+", (A, B))) is None
    assert factors(product("k", Op("-", (A, Num(1.0))))) is None


def test_substitution_and_reading():
    expr = Op("+", (A, Op("*", (A, B))))
    assert symbols(expr) == {"a", "b"}
    assert text(substitute(expr, {"a": Num(2.0)})) == "(2 + (2 * b))"


def test_bad_formulae_are_refused():
    with pytest.raises(ValueError, match="no operator"):
        Op("system", (A,))
    deep = A
    for _ in range(MAX_DEPTH + 1):
        deep = Op("neg", (deep,))
    with pytest.raises(AnalysisError, match="nested"):
        refuse_bad(deep, {"a"}, "here")
    with pytest.raises(AnalysisError, match="'b'"):
        refuse_bad(Op("+", (A, B)), {"a"}, "here")
