"""A network laid out for the machine: slots for every quantity, programs for rules, rates, triggers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vesicula.biogenesis.expr import TIME, Expr, symbols
from vesicula.biogenesis.model import Network, derivatives, ordered_rules, sort_steps
from vesicula.biogenesis.vm import STACK, IntArray, assemble, execute
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

DERIVATIVE = "d/dt "  # prefix of the slots of derivatives; no SBML name contains a slash


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Code:
    """Instructions and their constants."""

    code: IntArray
    constants: FloatArray

    def run(self, values: FloatArray, stack: FloatArray) -> None:
        """Run over the slots, in place."""
        execute(self.code, self.constants, values, stack)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class System:
    """A network ready to be simulated.

    Parameters
    ----------
    network : Network
        What was compiled.
    slots : dict of str to int
        Place of each quantity, of each reaction's rate and of each derivative.
    states : numpy.ndarray of int64
        Slots that change continuously.
    derivative_slots : numpy.ndarray of int64
        Where their derivatives are computed, in the same order.
    rules : Code
        Assignment rules alone.
    flow : Code
        Assignment rules, reaction rates and derivatives.
    start : numpy.ndarray
        All slots at time zero.
    """

    network: Network
    slots: dict[str, int]
    states: IntArray
    derivative_slots: IntArray
    rules: Code
    flow: Code
    start: FloatArray

    def compile(self, expr: Expr) -> Code:
        """Compile one formula, its result going to the scratch slot (the last)."""
        return _code(self.slots, [("", expr)])

    def value(self, code: Code, values: FloatArray, stack: FloatArray) -> float:
        """Run what `compile` made and return the result."""
        code.run(values, stack)
        return float(values[-1])


def _code(slots: dict[str, int], steps: list[tuple[str, Expr]]) -> Code:
    code, constants = assemble(slots, steps)
    return Code(code=code, constants=constants)


def compile_network(network: Network) -> System:
    """Lay a network out for simulation.

    Parameters
    ----------
    network : Network
        The model.

    Returns
    -------
    System
        With every slot at its value of time zero.

    Raises
    ------
    AnalysisError
        When rules or initial values depend on each other in a circle, or a quantity has two rules.
    """
    _refuse_two_rules(network)
    change = derivatives(network)
    names = [TIME, *(s.name for s in network.species), *(p.name for p in network.parameters)]
    names += [r.name for r in network.reactions] + [DERIVATIVE + name for name in change] + [""]
    slots = {name: i for i, name in enumerate(names)}
    steps = ordered_rules(network)
    reaction_names = {r.name for r in network.reactions}
    start = _initial(network, slots)
    return System(
        network=network,
        slots=slots,
        states=np.array([slots[name] for name in change], dtype=np.int64),
        derivative_slots=np.array([slots[DERIVATIVE + name] for name in change], dtype=np.int64),
        rules=_code(slots, [(n, e) for n, e in steps if n not in reaction_names or _read_by_rule(n, network)]),
        flow=_code(slots, steps + [(DERIVATIVE + name, expr) for name, expr in change.items()]),
        start=start,
    )


def _read_by_rule(reaction: str, network: Network) -> bool:
    formulae = [expr for _, expr in network.assignment_rules]
    for event in network.events:
        formulae += [event.trigger, *(expr for _, expr in event.assignments)]
    return any(reaction in symbols(expr) for expr in formulae)


def _refuse_two_rules(network: Network) -> None:
    ruled = [name for name, _ in (*network.assignment_rules, *network.rate_rules)]
    twice = {name for name in ruled if ruled.count(name) > 1}
    reacting = {s for r in network.reactions for s, _ in r.reactants + r.products}
    free = {s.name for s in network.species if not s.boundary}
    twice |= set(ruled) & reacting & free
    if twice:
        raise AnalysisError(f"{network.name}: {min(twice)!r} is set in two ways; keep one rule or its reactions")


def _initial(network: Network, slots: dict[str, int]) -> FloatArray:
    values = np.zeros(len(slots))
    for s in network.species:
        values[slots[s.name]] = s.initial
    for p in network.parameters:
        values[slots[p.name]] = p.value
    formulae = dict(network.initial_assignments) | dict(network.assignment_rules)
    formulae |= {r.name: r.rate for r in network.reactions}
    _code(slots, sort_steps(formulae, network.name)).run(values, np.zeros(STACK))
    return values
