"""SBML in and out: the suite's answers, the round trip of our models, hostile and damaged files."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("libsbml")

from vesicula.biogenesis import (
    Event,
    Network,
    Parameter,
    Reaction,
    Species,
    UnsupportedModel,
    at_steady_state,
    parse_sbml,
    read_sbml,
    secretion_network,
    simulate_ode,
    simulate_ssa,
    uptake_network,
    write_sbml,
)
from vesicula.biogenesis.expr import Num, Op, Sym, product
from vesicula.core.errors import AnalysisError, UnreadableFile, VesiculaError

# One of each sort: mass action, amounts, compartments, functions, rules, events, delays, priorities, submodels.
SEMANTIC = ("00001", "00020", "00026", "00028", "00030", "00051", "00076", "00093", "00123", "00269", "00348", "00400",
            "00577", "00717", "00754", "00900", "01000", "01100", "01227", "01780", "01821")  # fmt: skip
STOCHASTIC = ("00001", "00004", "00007", "00013", "00020", "00030", "00032", "00036")


@pytest.mark.parametrize("name", SEMANTIC)
def test_semantic_cases_within_the_suites_tolerances(suite, sbml_cases, name):
    assert suite.semantic(suite.load(sbml_cases / "semantic" / name)) == ("passed", "")


@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_cases_within_the_suites_limits(suite, sbml_cases, name):
    """Means within 3, SDs within 5 of the suite's scores at all 50 times; fixed seeds, 1000 runs."""
    status, why = suite.stochastic(suite.load(sbml_cases / "stochastic" / name), 1000)
    assert status in {"passed", suite.PASSED_BY_REPEAT}, why


def test_the_suites_rule_can_fail(suite, sbml_cases):
    """A model that is a little wrong fails, so that passing means something."""
    case = suite.load(sbml_cases / "semantic" / "00001")
    assert suite.semantic(replace(case, expected=case.expected * 1.001))[0] == "failed"
    case = suite.load(sbml_cases / "stochastic" / "00001")
    assert suite.stochastic(replace(case, expected=case.expected * 1.2), 1000)[0] == "failed"


@pytest.mark.parametrize(("name", "what"), [("00844", "algebraic"), ("01400", "rate_of"), ("01551", "marked fast")])
def test_what_is_not_read_is_refused_by_name(sbml_cases, name, what):
    path = max((sbml_cases / "semantic" / name).glob("*.xml"))
    with pytest.raises(UnsupportedModel, match=rf"{name}.*{what}"):
        read_sbml(path)


MODELS = {
    "secretion": lambda: at_steady_state(secretion_network(["hypoxia", "senescence"])),
    "uptake": lambda: uptake_network(500.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_our_models_come_back_the_same(name):
    network = MODELS[name]()
    back = parse_sbml(write_sbml(network).encode())
    times = np.linspace(0, 24, 9)
    ours, theirs = simulate_ode(network, times), simulate_ode(back, times)
    for species in network.species:
        np.testing.assert_allclose(theirs[species.name], ours[species.name], rtol=1e-6, atol=1e-8)
    assert back.values | network.values == back.values  # plus the compartment
    assert back.time_unit == "h"
    assert write_sbml(network) == write_sbml(MODELS[name]())


def test_a_round_trip_gives_the_same_stochastic_runs():
    network = replace(uptake_network(50.0), initial_assignments=())
    times = [0.0, 5.0, 20.0]
    record = [s.name for s in network.species]
    one = simulate_ssa(network, times, n=20, seed=3, record=record)
    two = simulate_ssa(parse_sbml(write_sbml(network).encode()), times, n=20, seed=3, record=record)
    np.testing.assert_array_equal(one.runs, two.runs)


def test_every_construct_survives_the_round_trip():
    """Rules, initial values, choices, events with delay and priority, the time: none is lost or changed."""
    choice = Op("if", (Op("lt", (Sym("time"), Num(3.0))), Sym("k"), Op("min", (Num(2.0), Op("abs", (Sym("half"),))))))
    network = Network(
        name="all sorts",
        species=(Species(name="A", initial=10.0), Species(name="B"), Species(name="half")),
        parameters=(Parameter(name="k", value=0.5), Parameter(name="q", value=1.0)),
        reactions=(
            Reaction(name="r", reactants=(("A", 2.0),), products=(("B", 1.0),), rate=product("A", choice, 0.1)),
        ),
        assignment_rules=(("half", Op("/", (Op("pow", (Sym("A"), Num(2.0))), Op("+", (Sym("A"), Num(4.0)))))),),
        rate_rules=(("q", Op("neg", (Op("tanh", (Sym("q"),)),))),),
        initial_assignments=(("B", Op("exp", (Sym("k"),))),),
        events=(
            Event(name="e", trigger=Op("ge", (Sym("time"), Num(2.0))), assignments=(("A", product("A", 3.0)),),
                  delay=Num(0.5), priority=Num(2.0), values_at_trigger=False, persistent=False),
        ),
    )  # fmt: skip
    back = parse_sbml(write_sbml(network).encode())
    assert back.events == network.events
    assert dict(back.assignment_rules) == dict(network.assignment_rules)
    times = np.linspace(0, 6, 13)
    ours, theirs = simulate_ode(network, times), simulate_ode(back, times)
    for name in ("A", "B", "half", "q"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-7)


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(AnalysisError, match="cannot be an SBML identifier"):
        write_sbml(Network(name="n", species=(Species(name="a b"),)))
    odd = Reaction(name="r", products=(("A", Sym("A")),), rate=Num(1.0))
    with pytest.raises(AnalysisError, match="stoichiometry of 'A' is a formula"):
        write_sbml(Network(name="n", species=(Species(name="A"),), reactions=(odd,)))


THEIRS = """
import json, sys, roadrunner
rr = roadrunner.RoadRunner(sys.argv[1])
rr.integrator.relative_tolerance, rr.integrator.absolute_tolerance = 1e-9, 1e-12
rr.timeCourseSelections = ["time", *json.loads(sys.argv[2])]
print(json.dumps([[float(x) for x in row] for row in rr.simulate(0, 24, 9)]))
"""


@pytest.mark.parametrize("name", MODELS)
def test_libroadrunner_gives_the_same_answer(roadrunner_python, tmp_path, name):
    network = MODELS[name]()
    path = tmp_path / "model.xml"
    path.write_text(write_sbml(network), encoding="utf-8")
    names = [s.name for s in network.species]
    command = [roadrunner_python, "-c", THEIRS, str(path), json.dumps(names)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env={}).stdout
    theirs = np.array(json.loads(out))
    course = simulate_ode(network, theirs[:, 0], relative_tolerance=1e-9, absolute_tolerance=1e-12)
    for j, species in enumerate(names, start=1):
        np.testing.assert_allclose(course[species], theirs[:, j], rtol=1e-6, atol=1e-8)


HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
GOOD = write_sbml(secretion_network()).encode()


def function_bomb(doublings):
    """Functions that each call the one before twice."""
    first = (
        '<functionDefinition id="f0"><math xmlns="http://www.w3.org/1998/Math/MathML"><lambda><bvar><ci>x</ci></bvar>'
        "<apply><plus/><ci>x</ci><ci>x</ci></apply></lambda></math></functionDefinition>"
    )
    made = [first]
    for i in range(1, doublings):
        call = f"<apply><ci>f{i - 1}</ci><ci>x</ci></apply>"
        made.append(
            f'<functionDefinition id="f{i}"><math xmlns="http://www.w3.org/1998/Math/MathML"><lambda><bvar><ci>x</ci>'
            f"</bvar><apply><plus/>{call}{call}</apply></lambda></math></functionDefinition>"
        )
    return (
        f'{HEAD}<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model>'
        f"<listOfFunctionDefinitions>{''.join(made)}</listOfFunctionDefinitions></model></sbml>"
    ).encode()


def comp_bomb(doublings):
    """Model definitions that each hold the one before twice."""
    two = "".join(f'<comp:submodel comp:id="s{k}" comp:modelRef="{{0}}"/>' for k in "ab")
    made = '<comp:modelDefinition id="m0"/>'
    for i in range(1, doublings):
        inner = two.format(f"m{i - 1}")
        held = f"<comp:listOfSubmodels>{inner}</comp:listOfSubmodels>"
        made += f'<comp:modelDefinition id="m{i}">{held}</comp:modelDefinition>'
    return (
        f'{HEAD}<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1" xmlns:comp='
        f'"http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true"><model id="top">'
        f"<comp:listOfSubmodels>{two.format(f'm{doublings - 1}')}</comp:listOfSubmodels></model>"
        f"<comp:listOfModelDefinitions>{made}</comp:listOfModelDefinitions></sbml>"
    ).encode()


def entity_bomb():
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))]
    return f"{HEAD}<!DOCTYPE sbml [{''.join(lines)}]><sbml>&a9;</sbml>".encode()


OUTSIDE = f'{HEAD}<!DOCTYPE sbml [<!ENTITY x SYSTEM "file:///etc/hostname">]><sbml>&x;</sbml>'.encode()
SPECIES_NOWHERE = (
    f'{HEAD}<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model>'
    '<listOfCompartments><compartment id="c" constant="true"/></listOfCompartments><listOfSpecies>'
    '<species id="A" compartment="nowhere" hasOnlySubstanceUnits="true" boundaryCondition="false" constant="false"/>'
    "</listOfSpecies></model></sbml>"
).encode()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no element found"), (b"not xml at all", "syntax error"), (b"\xff\xfe<\x00", "UTF-8"),
        (GOOD[: len(GOOD) // 2], "well-formed"), (entity_bomb(), "document type"), (OUTSIDE, "document type"),
        (HEAD.encode() + b"<a>" * 300 + b"</a>" * 300, "nested deeper"), (b"<html><body/></html>", "SBML"),
        (GOOD.replace(b"<model", b"<modell").replace(b"</model", b"</modell"), "SBML"), (SPECIES_NOWHERE, "nowhere"),
        (GOOD.replace(b'species="early_endosomes"', b'species="lost"'), "lost"),
        (GOOD.replace(b"<ci> k_recycle </ci>", b"<ci> k_lost </ci>"), "k_lost"),
    ],
)  # fmt: skip
def test_damaged_and_hostile_files_give_one_clear_error(data, what):
    with pytest.raises(UnreadableFile, match=rf"(?s)model\.xml: .*expected .*{what}"):
        parse_sbml(data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("data", "what"), [(function_bomb(40), "terms"), (comp_bomb(30), "submodels")])
def test_definitions_that_double_are_refused_before_they_fill_the_memory(data, what):
    with pytest.raises(UnsupportedModel, match=rf"model\.xml: .*more than \d+ {what}"):
        parse_sbml(data)


def test_definitions_that_double_a_little_are_read():
    assert parse_sbml(function_bomb(5)).species == ()
    assert parse_sbml(comp_bomb(3)).species == ()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableFile, match=r"nothing\.xml"):
        read_sbml(tmp_path / "nothing.xml")


def test_no_damage_to_a_file_gets_past_our_errors():
    """Bytes deleted, doubled and changed at random: a network or one of our errors, never another exception."""
    rng = np.random.default_rng(8)
    small = Network(
        name="small",
        species=(Species(name="A", initial=3.0), Species(name="B")),
        parameters=(Parameter(name="k", value=0.5),),
        reactions=(Reaction(name="r", reactants=(("A", 1.0),), products=(("B", 1.0),), rate=product("k", "A")),),
        events=(Event(name="e", trigger=Op("lt", (Sym("A"), Num(1.0))), assignments=(("A", Num(3.0)),)),),
    )
    good = write_sbml(small).encode()
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 30))
        kind = rng.integers(3)
        if kind == 0:
            del data[at : at + length]
        elif kind == 1:
            data[at:at] = data[at : at + length]
        else:
            data[at] = int(rng.integers(32, 127))
        try:
            simulate_ode(parse_sbml(bytes(data)), [1.0])
        except VesiculaError:
            refused += 1
    assert refused > 200
