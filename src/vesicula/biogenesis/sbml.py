"""SBML in: a stranger's model file to a network, or a clear refusal.

Read: Level 2 and 3 core: compartments, species in amounts or concentrations, parameters, local parameters,
function definitions (inlined), kinetic laws, conversion factors, stoichiometry that is named, initial assignments,
assignment and rate rules, events with delay, priority and persistence, submodels (flattened). Refused by name:
algebraic rules, fast reactions, delay and rateOf, other packages that the file calls required. Constraints and units
are not evaluated.
"""

# ruff: noqa: ANN401 - libsbml publishes no types

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

from vesicula.biogenesis.expr import Expr, Num, Op, Sym, fold, product, substitute
from vesicula.biogenesis.model import Event, Network, Parameter, Reaction, Side, Species
from vesicula.biogenesis.sbml_math import MathReader, UnsupportedModel, own_name
from vesicula.core.errors import AnalysisError, UnreadableFile

MAX_BYTES = 50_000_000
MAX_NESTING = 250  # of XML elements: libsbml recurses in C, where depth is a crash


def library() -> Any:
    """Import libsbml.

    Returns
    -------
    module
        The library.

    Raises
    ------
    AnalysisError
        When it is not installed.
    """
    try:
        import libsbml  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise AnalysisError("SBML needs python-libsbml: install vesicula[sbml]") from error
    return libsbml


def read_sbml(path: Path | str) -> Network:
    """Read an SBML file.

    Parameters
    ----------
    path : pathlib.Path or str
        The file.

    Returns
    -------
    Network
        Species are amounts; concentrations stand in the formulae as amount over compartment.

    Raises
    ------
    UnreadableFile
        When it is no well-formed SBML, carries a document type, or is nested too deeply.
    UnsupportedModel
        When it is SBML outside the subset; the message names what.
    """
    place = Path(path)
    try:
        data = place.read_bytes()
    except OSError as error:
        raise _unreadable(place, "whole file", "a file that can be read", str(error)) from error
    return parse_sbml(data, name=str(place))


def parse_sbml(data: bytes, *, name: str = "model.xml") -> Network:
    """Read SBML from bytes; otherwise as `read_sbml`.

    Parameters
    ----------
    data : bytes
        The file's content; UTF-8.
    name : str
        For messages.

    Returns
    -------
    Network
        As `read_sbml`.

    Raises
    ------
    UnreadableFile, UnsupportedModel
        As `read_sbml`.
    """
    _refuse_hostile(data, name)
    libsbml = library()
    document = libsbml.readSBMLFromString(data.decode("utf-8"))
    _refuse_errors(libsbml, document, name)
    if document.getModel() is None:
        raise _unreadable(name, "whole file", "an SBML model", "none")
    try:
        _refuse_doubling(document)  # first: libsbml's own checks would write the submodels out
        _refuse_inconsistent(libsbml, document, name)
        _settle_packages(libsbml, document)
        _raise_to_level_3(document)
        return _Reader(libsbml, document.getModel()).network(name)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{name}: {error}. Write the model without it, or use another simulator") from None


def _raise_to_level_3(document: Any) -> None:
    level = document.getLevel()
    if level < 3 and not document.setLevelAndVersion(3, 1, False):  # noqa: FBT003 - SWIG has no keywords
        raise UnsupportedModel(f"SBML Level {level} that cannot be turned into Level 3")


def _refuse_errors(libsbml: Any, document: Any, name: str) -> None:
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            message = " ".join(error.getMessage().split())
            # The rule comes first, with where it is written; what is wrong here comes after that, if anything.
            particular = re.split(r"Reference: L\dV\d Section [\d.]+\s*", message)[-1] or message
            rule = f"valid SBML ({error.getShortMessage()})"
            raise _unreadable(name, f"line {error.getLine()}", rule, particular.rstrip("."))


def _refuse_inconsistent(libsbml: Any, document: Any, name: str) -> None:
    """Check that what the model names exists, as the rules of SBML demand; units and style are left alone."""
    wanted = {"GENERAL_CONSISTENCY", "IDENTIFIER_CONSISTENCY", "MATHML_CONSISTENCY"}
    unwanted = {"UNITS_CONSISTENCY", "SBO_CONSISTENCY", "OVERDETERMINED_MODEL", "MODELING_PRACTICE"}
    for category in wanted | unwanted:
        document.setConsistencyChecks(getattr(libsbml, f"LIBSBML_CAT_{category}"), category in wanted)
    document.checkConsistency()
    _refuse_errors(libsbml, document, name)


def _unreadable(path: Path | str, where: str, expected: str, found: str) -> UnreadableFile:
    remedy = "Export the model again, or check it with an SBML validator."
    return UnreadableFile(path, where=where, expected=expected, found=found, remedy=remedy)


class _HostileError(Exception):
    pass


def _refuse_hostile(data: bytes, name: str) -> None:
    """Walk the XML once with expat: no document type (so no entities), no great depth, UTF-8, well formed."""
    if len(data) > MAX_BYTES:
        raise _unreadable(name, "whole file", f"at most {MAX_BYTES} bytes", str(len(data)))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(name, f"byte {error.start}", "UTF-8, as SBML demands", str(error)) from error
    level = 0

    def opened(_tag: str, _attributes: object) -> None:
        nonlocal level
        level += 1
        if level > MAX_NESTING:
            raise _HostileError(f"elements nested deeper than {MAX_NESTING}")

    def closed(_tag: str) -> None:
        nonlocal level
        level -= 1

    def document_type(*_: object) -> None:
        raise _HostileError("a document type declaration")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat has no keywords
    except (expat.ExpatError, _HostileError) as error:
        where = f"line {parser.CurrentLineNumber}"
        raise _unreadable(name, where, "plain well-formed XML", str(error)) from error


# Packages that libsbml attaches by itself or that change no result: the mathematics of Level 3 Version 2, and pictures.
HARMLESS = frozenset({"l3v2extendedmath", "layout", "render"})


def _settle_packages(libsbml: Any, document: Any) -> None:
    """Flatten models made of submodels; refuse every other package that the file calls required."""
    for i in range(document.getNumPlugins()):
        package = document.getPlugin(i).getPackageName()
        if package == "comp":
            _flatten(libsbml, document)
            break
    for i in range(document.getNumPlugins()):
        package = document.getPlugin(i).getPackageName()
        if package not in HARMLESS and document.getPackageRequired(package):
            raise UnsupportedModel(f"the package {package!r}, which the file calls required, is not read")
    if document.getNumUnknownPackages():
        raise UnsupportedModel(f"the package {document.getUnknownPackageURI(0)!r} is not read")


MAX_SUBMODELS = 1000  # after flattening: a definition that doubles itself twenty times would fill the memory


def _instances(plugins: dict[str, Any], name: str, seen: tuple[str, ...] = ()) -> int:
    """Return how many submodels a definition becomes."""
    if name in seen:
        raise UnsupportedModel(f"the submodel {name!r} contains itself")
    count = 0
    for i in range(plugins[name].getNumSubmodels() if name in plugins else 0):
        count += 1 + _instances(plugins, plugins[name].getSubmodel(i).getModelRef(), (*seen, name))
        if count > MAX_SUBMODELS:
            raise UnsupportedModel(f"the model becomes more than {MAX_SUBMODELS} submodels")
    return count


def _refuse_doubling(document: Any) -> None:
    comp = document.getPlugin("comp")
    if comp is None:
        return
    definitions = [comp.getModelDefinition(i) for i in range(comp.getNumModelDefinitions())]
    plugins = {m.getId(): m.getPlugin("comp") for m in definitions}
    _instances(plugins | {"": document.getModel().getPlugin("comp")}, "")


def _flatten(libsbml: Any, document: Any) -> None:
    if document.getPlugin("comp").getNumExternalModelDefinitions():
        raise UnsupportedModel("the model is made of other files, which are never opened; flatten it first")
    wanted = libsbml.ConversionProperties()
    wanted.addOption("flatten comp", True)  # noqa: FBT003 - SWIG has no keywords
    if document.convert(wanted) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise UnsupportedModel("the submodels cannot be put together (package 'comp'); flatten the model first")


class _Reader:
    """Turns one libsbml model into a network."""

    def __init__(self, libsbml: Any, model: Any) -> None:
        self._model = model
        self._math = MathReader(libsbml, self._functions(libsbml))
        species = list(model.getListOfSpecies())
        sizes = {c.getId(): c for c in model.getListOfCompartments()}
        self._compartment: dict[str, str] = {}  # of species that stand for a concentration in formulae
        for s in species:
            dimensionless = sizes[s.getCompartment()].getSpatialDimensionsAsDouble() == 0
            if not s.getHasOnlySubstanceUnits() and not dimensionless:
                self._compartment[s.getId()] = s.getCompartment()
        self._meaning: dict[str, Expr] = {
            own_name(s): Op("/", (Sym(own_name(s)), Sym(own_name(c)))) for s, c in self._compartment.items()
        }
        self._sized = sizes

    def _functions(self, libsbml: Any) -> dict[str, tuple[tuple[str, ...], Expr]]:
        found: dict[str, tuple[tuple[str, ...], Expr]] = {}
        reader = MathReader(libsbml, found)
        left = [f for f in self._model.getListOfFunctionDefinitions() if f.getMath() is not None]
        while left:
            waiting = []
            for f in left:
                try:
                    names = tuple(own_name(f.getArgument(i).getName()) for i in range(f.getNumArguments()))
                    found[f.getId()] = (names, reader.read(f.getBody()))
                except UnsupportedModel:
                    waiting.append(f)
            if len(waiting) == len(left):
                reader.read(waiting[0].getBody())  # says what is wrong
            left = waiting
        return found

    def _expr(self, node: Any, local: dict[str, Expr] | None = None) -> Expr:
        expr = self._math.read(node)
        return substitute(expr, self._meaning | (local or {}))

    def network(self, name: str) -> Network:
        """Return the whole model; `name` is for one that has none."""
        model = self._model
        if any(r.isAlgebraic() for r in model.getListOfRules()):
            raise UnsupportedModel("algebraic rules are not read")
        reactions, stoichiometry, local = self._reactions()
        assignment, rate = self._rules()
        initial = {name: value for name, value in self._initial().items() if name not in dict(assignment)}
        return Network(
            name=model.getId() or name,
            species=tuple(self._species(s) for s in model.getListOfSpecies()),
            parameters=self._parameters() + stoichiometry + local,
            reactions=reactions,
            assignment_rules=assignment,
            rate_rules=rate,
            initial_assignments=tuple(initial.items()),
            events=tuple(self._event(e, i) for i, e in enumerate(model.getListOfEvents()) if _acts(e)),
            time_unit=model.getTimeUnits() or "dimensionless",
        )

    def _species(self, s: Any) -> Species:
        amount = s.getInitialAmount() if s.isSetInitialAmount() else 0.0
        fixed = bool(s.getBoundaryCondition() or s.getConstant())
        return Species(name=own_name(s.getId()), initial=amount, boundary=fixed)

    def _parameters(self) -> tuple[Parameter, ...]:
        nan = float("nan")
        sizes = tuple(
            Parameter(name=own_name(c.getId()), value=c.getSize() if c.isSetSize() else nan)
            for c in self._model.getListOfCompartments()
        )
        return sizes + tuple(
            Parameter(name=own_name(p.getId()), value=p.getValue() if p.isSetValue() else nan)
            for p in self._model.getListOfParameters()
        )

    def _initial(self) -> dict[str, Expr]:
        found: dict[str, Expr] = {}
        for s in self._model.getListOfSpecies():
            if s.isSetInitialConcentration():
                size = self._compartment.get(s.getId(), s.getCompartment())
                found[own_name(s.getId())] = product(own_name(size), s.getInitialConcentration())
        for a in self._model.getListOfInitialAssignments():
            if a.getMath() is not None:
                found[own_name(a.getSymbol())] = self._amount(a.getSymbol(), self._expr(a.getMath()))
        return found

    def _amount(self, name: str, expr: Expr) -> Expr:
        """Turn the value of a symbol into an amount, where the symbol stands for a concentration."""
        size = self._compartment.get(name)
        return expr if size is None else product(expr, own_name(size))

    def _rules(self) -> tuple[tuple[tuple[str, Expr], ...], tuple[tuple[str, Expr], ...]]:
        rules = [r for r in self._model.getListOfRules() if r.getMath() is not None]
        flows = {r.getVariable(): self._expr(r.getMath()) for r in rules if r.isRate()}
        set_by_rule = {r.getVariable() for r in rules if r.isAssignment()}
        assigned = tuple(
            (own_name(r.getVariable()), self._amount(r.getVariable(), self._expr(r.getMath())))
            for r in rules
            if r.isAssignment()
        )
        rates = []
        for name, flow in flows.items():
            size = self._compartment.get(name)
            if size in set_by_rule:
                raise UnsupportedModel(f"a rate rule of {name!r} in a compartment that follows a rule")
            change = self._amount(name, flow)
            if size is not None and size in flows:  # d(c V)/dt = V dc/dt + c dV/dt
                change = fold("+", (change, product(self._meaning[own_name(name)], flows[size])), 0.0)
            rates.append((own_name(name), change))
        return assigned, tuple(rates)

    def _reactions(self) -> tuple[tuple[Reaction, ...], tuple[Parameter, ...], tuple[Parameter, ...]]:
        reactions, stoichiometry, local = [], [], []
        for r in self._model.getListOfReactions():
            if r.isSetFast() and r.getFast():
                raise UnsupportedModel(f"reaction {r.getId()!r} is marked fast")
            law = r.getKineticLaw()
            rate: Expr = Num(0.0)
            if law is not None and law.getMath() is not None:
                mine = {p.getId(): f"{r.getId()}__{p.getId()}" for p in law.getListOfLocalParameters()}
                local += [Parameter(name=mine[p.getId()], value=p.getValue()) for p in law.getListOfLocalParameters()]
                rate = self._expr(law.getMath(), {own_name(old): Sym(new) for old, new in mine.items()})
            sides = []
            for references in (r.getListOfReactants(), r.getListOfProducts()):
                side, named = self._side(references)
                sides.append(side)
                stoichiometry += named
            reactions.append(Reaction(name=own_name(r.getId()), reactants=sides[0], products=sides[1], rate=rate))
        return tuple(reactions), tuple(stoichiometry), tuple(local)

    def _side(self, references: Any) -> tuple[Side, list[Parameter]]:
        side: list[tuple[str, float | Expr]] = []
        named: list[Parameter] = []
        for ref in references:
            value = ref.getStoichiometry() if ref.isSetStoichiometry() else float("nan")
            coefficient: float | Expr = value
            if ref.isSetId():
                named.append(Parameter(name=own_name(ref.getId()), value=value))
                coefficient = value if self._is_fixed(ref.getId()) else Sym(own_name(ref.getId()))
            s = self._model.getSpecies(ref.getSpecies())
            factor = s.getConversionFactor() or self._model.getConversionFactor()
            if factor:
                coefficient = product(coefficient, own_name(factor))
            side.append((own_name(ref.getSpecies()), coefficient))
        return tuple(side), named

    def _is_fixed(self, identifier: str) -> bool:
        """Whether a named stoichiometry keeps the number that it is written with."""
        model = self._model
        if model.getInitialAssignment(identifier) or model.getRule(identifier):
            return False
        return not any(e.getEventAssignment(identifier) for e in model.getListOfEvents())

    def _optional(self, holder: Any) -> Expr | None:
        return None if holder is None or holder.getMath() is None else self._expr(holder.getMath())

    def _event(self, e: Any, index: int) -> Event:
        trigger = e.getTrigger()
        assigned = []
        for a in e.getListOfEventAssignments():
            if a.getMath() is None:
                continue
            size = self._compartment.get(a.getVariable())
            if size is not None and not self._sized[size].getConstant() and e.getDelay() is not None:
                what = f"a delayed event sets {a.getVariable()!r} in a changing compartment"
                raise UnsupportedModel(f"{what}")
            assigned.append((own_name(a.getVariable()), self._amount(a.getVariable(), self._expr(a.getMath()))))
        delay, priority = e.getDelay(), e.getPriority()
        return Event(
            name=e.getId() or f"event_{index}",
            trigger=self._expr(trigger.getMath()),
            assignments=tuple(assigned),
            delay=self._optional(delay),
            priority=self._optional(priority),
            initially_true=bool(trigger.getInitialValue()),
            persistent=bool(trigger.getPersistent()),
            values_at_trigger=bool(e.getUseValuesFromTriggerTime()),
        )


def _acts(e: Any) -> bool:
    return e.getTrigger() is not None and e.getTrigger().getMath() is not None
