"""SBML out: a network as Level 3 Version 2, for COPASI, libRoadRunner and the rest of that world."""

# ruff: noqa: ANN401 - libsbml publishes no types

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from vesicula.biogenesis.expr import Expr, symbols
from vesicula.biogenesis.model import Event, Network, Parameter, Prior, Side
from vesicula.biogenesis.sbml import library
from vesicula.biogenesis.sbml_math import write_math
from vesicula.core.errors import AnalysisError

COMPARTMENT = "vesicula_cell"  # of size 1: species are amounts


def write_sbml(network: Network) -> str:
    """Write a network as SBML.

    Parameters
    ----------
    network : Network
        The model; species become amounts in one compartment of size 1.

    Returns
    -------
    str
        XML of SBML Level 3 Version 2. Priors are written as notes of the parameters. Equal networks give equal text.

    Raises
    ------
    AnalysisError
        When a name is no SBML identifier or is used for two kinds of thing, or stoichiometry is a formula.
    """
    _refuse_names(network)
    libsbml = library()
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    model.setId(re.sub(r"\W", "_", network.name) or "model")
    compartment = model.createCompartment()
    compartment.setId(COMPARTMENT)
    compartment.setSize(1.0)
    compartment.setSpatialDimensions(3)
    compartment.setConstant(True)
    _time_unit(libsbml, model, network.time_unit)
    varying = _varying(network)
    for s in network.species:
        made = model.createSpecies()
        made.setId(s.name)
        made.setCompartment(COMPARTMENT)
        made.setInitialAmount(s.initial)
        made.setHasOnlySubstanceUnits(True)
        made.setBoundaryCondition(s.boundary)
        made.setConstant(s.boundary and s.name not in varying)
    for p in network.parameters:
        _parameter(model, p, constant=p.name not in varying)
    _rules(libsbml, model, network)
    for r in network.reactions:
        made = model.createReaction()
        made.setId(r.name)
        made.setReversible(False)
        _side(made.createReactant, network, r.reactants)
        _side(made.createProduct, network, r.products)
        _modifiers(made, network, r.rate)
        made.createKineticLaw().setMath(write_math(libsbml, r.rate))
    for e in network.events:
        _event(libsbml, model.createEvent(), e)
    return str(libsbml.writeSBMLToString(document))


SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _time_unit(libsbml: Any, model: Any, name: str) -> None:
    """Say what a unit of time is, where we know it: other programs then draw the right axis."""
    if name not in SECONDS:
        return
    definition = model.createUnitDefinition()
    definition.setId(name)
    unit = definition.createUnit()
    unit.setKind(libsbml.UNIT_KIND_SECOND)
    unit.setExponent(1.0)
    unit.setScale(0)
    unit.setMultiplier(SECONDS[name])
    model.setTimeUnits(name)


def _refuse_names(network: Network) -> None:
    groups = (network.species, network.parameters, network.reactions, network.events)
    names = [x.name for group in groups for x in group] + [COMPARTMENT]
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AnalysisError(f"{network.name}: {name!r} cannot be an SBML identifier; use letters, digits and _")
        if names.count(name) > 1:
            raise AnalysisError(f"{network.name}: {name!r} names two things, which SBML does not allow")


def _varying(network: Network) -> set[str]:
    rules = (*network.assignment_rules, *network.rate_rules)
    return {name for name, _ in rules} | {name for e in network.events for name, _ in e.assignments}


def _parameter(model: Any, parameter: Parameter, *, constant: bool) -> None:
    made = model.createParameter()
    made.setId(parameter.name)
    made.setValue(parameter.value)
    made.setConstant(constant)
    if parameter.prior is not None:
        made.setNotes(_note(parameter.prior))


def _note(prior: Prior) -> str:
    text = (
        f"{prior.value:g} ({prior.low:g} to {prior.high:g}) {prior.unit}; {prior.source}; sureness {prior.sureness}; "
        f"number from {prior.checked}"
    )
    return f'<body xmlns="http://www.w3.org/1999/xhtml"><p>{html.escape(text)}</p></body>'


def _rules(libsbml: Any, model: Any, network: Network) -> None:
    def put(made: Any, expr: Expr) -> Any:
        made.setMath(write_math(libsbml, expr))
        return made

    for name, expr in network.initial_assignments:
        put(model.createInitialAssignment(), expr).setSymbol(name)
    for name, expr in network.assignment_rules:
        put(model.createAssignmentRule(), expr).setVariable(name)
    for name, expr in network.rate_rules:
        put(model.createRateRule(), expr).setVariable(name)


def _side(create: Any, network: Network, side: Sequence[tuple[str, float | Expr]] | Side) -> None:
    for name, coefficient in side:
        if not isinstance(coefficient, (int, float)):
            raise AnalysisError(f"{network.name}: a stoichiometry of {name!r} is a formula, which is not written")
        made = create()
        made.setSpecies(name)
        made.setStoichiometry(float(coefficient))
        made.setConstant(True)


def _modifiers(reaction: Any, network: Network, rate: Expr) -> None:
    """List the species that a rate reads and the reaction does not consume or make: SBML demands it."""
    species = {s.name for s in network.species}
    sides = (reaction.getListOfReactants(), reaction.getListOfProducts())
    reacting = {ref.getSpecies() for side in sides for ref in side}
    for name in sorted((symbols(rate) & species) - reacting):
        reaction.createModifier().setSpecies(name)


def _event(libsbml: Any, made: Any, event: Event) -> None:
    made.setId(event.name)
    made.setUseValuesFromTriggerTime(event.values_at_trigger)
    trigger = made.createTrigger()
    trigger.setInitialValue(event.initially_true)
    trigger.setPersistent(event.persistent)
    trigger.setMath(write_math(libsbml, event.trigger))
    if event.delay is not None:
        made.createDelay().setMath(write_math(libsbml, event.delay))
    if event.priority is not None:
        made.createPriority().setMath(write_math(libsbml, event.priority))
    for name, expr in event.assignments:
        assignment = made.createEventAssignment()
        assignment.setVariable(name)
        assignment.setMath(write_math(libsbml, expr))
