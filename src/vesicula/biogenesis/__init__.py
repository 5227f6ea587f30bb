"""From source cells to what they secrete, and into the cells that take it up: networks, two engines, SBML, priors."""

from __future__ import annotations

from vesicula.biogenesis.bodies import simulate_secretion
from vesicula.biogenesis.model import Event, Network, Parameter, Prior, Reaction, Species, mass_action
from vesicula.biogenesis.ode import Course, simulate_ode
from vesicula.biogenesis.predict import Prediction, Sensitivity, predict, sensitivity
from vesicula.biogenesis.report import SecretionReport, SecretionRow, secrete
from vesicula.biogenesis.sbml import parse_sbml, read_sbml
from vesicula.biogenesis.sbml_math import UnsupportedModel
from vesicula.biogenesis.sbml_write import write_sbml
from vesicula.biogenesis.secretion import (
    SecretionRates,
    at_steady_state,
    modulate,
    modulator_names,
    rates_by_cell,
    secreted_population,
    secretion_network,
    secretion_rates,
)
from vesicula.biogenesis.ssa import Ensemble, simulate_ssa
from vesicula.biogenesis.uptake import uptake_network

__all__ = [
    "Course",
    "Ensemble",
    "Event",
    "Network",
    "Parameter",
    "Prediction",
    "Prior",
    "Reaction",
    "SecretionRates",
    "SecretionReport",
    "SecretionRow",
    "Sensitivity",
    "Species",
    "UnsupportedModel",
    "at_steady_state",
    "mass_action",
    "modulate",
    "modulator_names",
    "parse_sbml",
    "predict",
    "rates_by_cell",
    "read_sbml",
    "secrete",
    "secreted_population",
    "secretion_network",
    "secretion_rates",
    "sensitivity",
    "simulate_ode",
    "simulate_secretion",
    "simulate_ssa",
    "uptake_network",
    "write_sbml",
]
