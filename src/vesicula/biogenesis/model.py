"""Reaction networks: species, reactions, rules and events as plain data, and their numbers as priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vesicula.biogenesis.expr import TIME, Expr, Num, Sym, fold, product, refuse_bad, symbols
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is known of a number before any data of the user's.

    Half of the draws lie between `low` and `value`, half between `value` and `high`, log-uniformly in each half: the
    value is the median, nothing leaves the range, and an asymmetric range stays asymmetric. Where `low` is 0 the
    lower half is uniform.

    Parameters
    ----------
    value, low, high : float
        Best value and range, 0 <= low <= value <= high.
    unit : str
        As printed.
    source : str
        Publication, or why the value was chosen.
    sureness : str
        ``"H"``, ``"M"`` or ``"L"``.
    checked : str
        ``"source"`` when the number was found in the source, ``"memory"`` when it is remembered and unchecked,
        ``"estimate"`` when it is an engineering estimate.

    Raises
    ------
    ValueError
        When the range is not in order.
    """

    value: float
    low: float
    high: float
    unit: str
    source: str
    sureness: str
    checked: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.high) and 0 <= self.low <= self.value <= self.high):
            raise ValueError(f"a prior needs 0 <= low <= value <= high, got {self.low}, {self.value}, {self.high}")
        if self.sureness not in {"H", "M", "L"} or self.checked not in {"source", "memory", "estimate"}:
            raise ValueError("sureness is H, M or L; checked is source, memory or estimate")

    def quantile(self, probability: npt.ArrayLike) -> FloatArray:
        """Return the value that a draw stays below with the given probability.

        Parameters
        ----------
        probability : array_like
            Between 0 and 1.

        Returns
        -------
        numpy.ndarray
            Same shape, in the unit of the prior.
        """
        p = np.asarray(probability, dtype=np.float64)
        lower = _between(self.low, self.value, np.minimum(2 * p, 1.0))
        upper = _between(self.value, self.high, np.maximum(2 * p - 1, 0.0))
        return np.where(p < 0.5, lower, upper)


def _between(low: float, high: float, share: FloatArray) -> FloatArray:
    if low <= 0:
        return low + (high - low) * share
    return low * np.exp(share * math.log(high / low))


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """A kind of thing that is counted.

    Parameters
    ----------
    name : str
        Unique among species and parameters.
    initial : float
        Amount at time zero.
    boundary : bool
        True when reactions do not change its amount (rules and events may).
    """

    name: str
    initial: float = 0.0
    boundary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named number of a network.

    Parameters
    ----------
    name : str
        Unique among species and parameters.
    value : float
        The value used.
    prior : Prior or None
        What is known of it; None when it is not uncertain.
    """

    name: str
    value: float
    prior: Prior | None = None


Side = tuple[tuple[str, float | Expr], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A transformation and how often it happens.

    Parameters
    ----------
    name : str
        Unique among reactions.
    reactants, products : tuple of (str, float or Expr)
        Species and stoichiometry; an expression where the stoichiometry changes with time.
    rate : Expr
        Events per unit of time; as written it is the propensity of the stochastic engine.
    """

    name: str
    reactants: Side = ()
    products: Side = ()
    rate: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happens when a condition turns true.

    Parameters
    ----------
    name : str
        Unique among events.
    trigger : Expr
        Fires when it goes from false to true.
    assignments : tuple of (str, Expr)
        Set at the same instant.
    delay : Expr or None
        Time between trigger and assignment.
    priority : Expr or None
        The highest goes first among simultaneous events.
    initially_true : bool
        When True, a trigger that is true at time zero does not fire then.
    persistent : bool
        When False, the event is cancelled if its trigger turns false before it is executed.
    values_at_trigger : bool
        Whether the assigned values are computed when triggered (else when executed).
    """

    name: str
    trigger: Expr
    assignments: tuple[tuple[str, Expr], ...]
    delay: Expr | None = None
    priority: Expr | None = None
    initially_true: bool = True
    persistent: bool = True
    values_at_trigger: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A model.

    Parameters
    ----------
    name : str
        Shown in messages.
    species, parameters, reactions, events : tuple
        Its parts.
    assignment_rules : tuple of (str, Expr)
        Quantities that at all times equal a formula.
    rate_rules : tuple of (str, Expr)
        Quantities whose derivative is a formula.
    initial_assignments : tuple of (str, Expr)
        Values at time zero given by a formula.
    time_unit : str
        As printed.

    Raises
    ------
    AnalysisError
        When a name is used twice or read without being defined.
    """

    name: str
    species: tuple[Species, ...]
    parameters: tuple[Parameter, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    assignment_rules: tuple[tuple[str, Expr], ...] = ()
    rate_rules: tuple[tuple[str, Expr], ...] = ()
    initial_assignments: tuple[tuple[str, Expr], ...] = ()
    events: tuple[Event, ...] = ()
    time_unit: str = "h"
    _known: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())

    def __post_init__(self) -> None:
        quantities = [s.name for s in self.species] + [p.name for p in self.parameters]
        for name in quantities:
            if name in {"", TIME}:
                raise AnalysisError(f"{self.name}: a quantity cannot be named {name!r}; rename it")
        # A reaction's rate is read under its name, so it cannot share that with a quantity.
        for group in (quantities + [r.name for r in self.reactions], [e.name for e in self.events]):
            repeated = {name for name in group if group.count(name) > 1} if len(set(group)) < len(group) else set()
            if repeated:
                raise AnalysisError(f"{self.name}: {min(repeated)!r} is defined twice; rename one")
        object.__setattr__(self, "_known", frozenset(quantities))
        # The rate of a reaction may be read under the reaction's name.
        readable = set(quantities) | {r.name for r in self.reactions}
        for place, expr in self._formulae():
            refuse_bad(expr, readable, f"{self.name}: {place}")
        for place, name in self._targets():
            if name not in self._known:
                raise AnalysisError(f"{self.name}: {place} changes {name!r}, which is neither species nor parameter")

    def _formulae(self) -> list[tuple[str, Expr]]:
        found = [(f"rate of {r.name}", r.rate) for r in self.reactions]
        for r in self.reactions:
            found += [(f"stoichiometry of {r.name}", c) for _, c in r.reactants + r.products if not _is_number(c)]  # type: ignore[misc]
        for kind, rules in (
            ("rule", self.assignment_rules),
            ("rate rule", self.rate_rules),
            ("initial value", self.initial_assignments),
        ):
            found += [(f"{kind} of {name}", expr) for name, expr in rules]
        for e in self.events:
            parts = [e.trigger, e.delay, e.priority, *(expr for _, expr in e.assignments)]
            found += [(f"event {e.name}", expr) for expr in parts if expr is not None]
        return found

    def _targets(self) -> list[tuple[str, str]]:
        found = [(f"reaction {r.name}", name) for r in self.reactions for name, _ in r.reactants + r.products]
        for rules in (self.assignment_rules, self.rate_rules, self.initial_assignments):
            found += [("a rule", name) for name, _ in rules]
        return found + [(f"event {e.name}", name) for e in self.events for name, _ in e.assignments]

    @property
    def values(self) -> dict[str, float]:
        """Parameter values by name."""
        return {p.name: p.value for p in self.parameters}

    @property
    def priors(self) -> dict[str, Prior]:
        """Priors of the uncertain parameters by name."""
        return {p.name: p.prior for p in self.parameters if p.prior is not None}

    def with_values(self, values: Mapping[str, float]) -> Network:
        """Return the network with other parameter values.

        Parameters
        ----------
        values : mapping of str to float
            New values; parameters not named stay.

        Returns
        -------
        Network
            A copy; priors are kept as they are.

        Raises
        ------
        AnalysisError
            When a name is no parameter, or a value is not finite.
        """
        unknown = set(values) - {p.name for p in self.parameters}
        if unknown:
            raise AnalysisError(f"{self.name}: there is no parameter {min(unknown)!r}")
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise AnalysisError(f"{self.name}: the value of {bad[0]!r} is not finite")
        changed = tuple(replace(p, value=values.get(p.name, p.value)) for p in self.parameters)
        return replace(self, parameters=changed)


def _is_number(value: float | Expr) -> bool:
    return isinstance(value, (int, float))


def mass_action(
    name: str, constant: str, reactants: Mapping[str, int], products: Mapping[str, float], *extra: str | Expr
) -> Reaction:
    """Return a reaction at a rate proportional to its reactants.

    Parameters
    ----------
    name : str
        Of the reaction.
    constant : str
        Parameter that holds the rate constant.
    reactants : mapping of str to int
        Species and stoichiometry; 1 each, as a second molecule of the same species needs n (n - 1), not n squared.
    products : mapping of str to float
        Species and stoichiometry.
    *extra : str or Expr
        Further factors of the rate, such as a catalyst.

    Returns
    -------
    Reaction
        With rate constant x product of reactants x extra.

    Raises
    ------
    ValueError
        For a reactant with a stoichiometry other than 1.
    """
    if any(n != 1 for n in reactants.values()):
        raise ValueError("write the rate of a reaction between equals yourself")
    rate = product(constant, *reactants, *extra)
    left = tuple((s, float(n)) for s, n in reactants.items())
    return Reaction(name=name, reactants=left, products=tuple((s, float(n)) for s, n in products.items()), rate=rate)


def ordered_rules(network: Network) -> list[tuple[str, Expr]]:
    """Sort assignment rules so that each is computed after those that it reads.

    Parameters
    ----------
    network : Network
        The model; rates of reactions count as rules under the name of the reaction.

    Returns
    -------
    list of (str, Expr)
        All assignment rules and reaction rates.

    Raises
    ------
    AnalysisError
        When rules depend on each other in a circle.
    """
    return sort_steps(dict(network.assignment_rules) | {r.name: r.rate for r in network.reactions}, network.name)


def sort_steps(pending: Mapping[str, Expr], place: str) -> list[tuple[str, Expr]]:
    """Sort named formulae so that each comes after those that it reads.

    Parameters
    ----------
    pending : mapping of str to Expr
        Formulae by the name they define.
    place : str
        For the message.

    Returns
    -------
    list of (str, Expr)
        Same entries.

    Raises
    ------
    AnalysisError
        When they depend on each other in a circle.
    """
    left = dict(pending)
    reads = {name: symbols(expr) & set(pending) for name, expr in left.items()}
    done: list[tuple[str, Expr]] = []
    ready: set[str] = set()
    while left:
        free = [name for name in left if reads[name] <= ready]
        if not free:
            raise AnalysisError(f"{place}: {', '.join(sorted(left))} are defined by each other in a circle")
        for name in free:
            done.append((name, left.pop(name)))
            ready.add(name)
    return done


def derivatives(network: Network) -> dict[str, Expr]:
    """Return d/dt of every quantity that changes continuously.

    Parameters
    ----------
    network : Network
        The model.

    Returns
    -------
    dict of str to Expr
        In terms of reaction rates under the names of the reactions, and of rate rules.
    """
    ruled = {name for name, _ in network.assignment_rules}
    fixed = {s.name for s in network.species if s.boundary} | ruled
    terms: dict[str, list[Expr]] = {s.name: [] for s in network.species if s.name not in fixed}
    for r in network.reactions:
        for sign, side in ((-1.0, r.reactants), (1.0, r.products)):
            for name, coefficient in side:
                if name in terms:
                    amount: Expr = Num(coefficient) if isinstance(coefficient, (int, float)) else coefficient
                    terms[name].append(product(sign, amount, Sym(r.name)))
    found = {name: _sum(parts) for name, parts in terms.items() if parts}
    return found | dict(network.rate_rules)


def _sum(parts: list[Expr]) -> Expr:
    return fold("+", tuple(parts), 0.0)
