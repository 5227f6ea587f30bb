"""What is not known about an isolation: draws of its uncertain inputs, put into a protocol.

The inputs with their ranges and sources are those of `vesicula.isolation.priors`: triangular between the ends with the
mode at the model's default, in the logarithm where the range is wide.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.stats import qmc

from vesicula.core.measurement import FloatArray
from vesicula.core.particle_class import MARKERS, ParticleClass
from vesicula.core.population import MixedPopulation, mixed_population
from vesicula.isolation.balance import Fraction
from vesicula.isolation.priors import OF_CLASSES, Prior, class_priors, method_priors
from vesicula.isolation.sec import Column

FLUX = Prior(
    name="flux_l_per_m2_h", value=40.0, low=15.0, high=80.0, log=True, unit="L/(m2 h)",
    source="engineering estimate; only the hours depend on it", sureness="L", meaning="flux over a membrane",
    checked=False,
)  # fmt: skip
"""The one uncertain input of the hours; `vesicula.isolation.priors` holds those of the particles."""
NOT_DRAWN = (
    "constants that no protocol can set are not drawn: solubility in PEG, sticking and binding to beads, pores of "
    "membranes, viscosity of media, handling time per run. The form of rotor, column and "
    "model is taken as true"
)
_USED = (
    "pellet_loss", "residual", "tff_adsorbed", "uf_adsorbed", "filter_adsorbed", "sec_recovery", "sec_void_factor",
    "sec_pore_factor", "sec_plates_factor", "peg_carry_over", "peg_collected", "ia_non_specific", "ia_eluted",
)  # fmt: skip
"""Priors of the methods that a protocol or a column can carry."""

# The keys of a step that a prior sets, where the protocol does not.
_STEP_KEYS: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "centrifuge": {"pellet_loss": "pellet_loss", "residual": "residual"},
    "gradient": {"pellet_loss": "pellet_loss"},
    "tff": {"adsorbed": "tff_adsorbed", "flux_l_per_m2_h": "flux_l_per_m2_h"},
    "uf": {"adsorbed": "uf_adsorbed", "flux_l_per_m2_h": "flux_l_per_m2_h"},
    "filter": {"adsorbed": "filter_adsorbed"},
    "immunoaffinity": {"non_specific": "ia_non_specific", "eluted": "ia_eluted"},
    "precipitation": {"carry_over": "peg_carry_over", "collected": "peg_collected"},
})  # fmt: skip

World = Mapping[str, float]


def priors_for(population: MixedPopulation, stated: Collection[str] = ()) -> tuple[Prior, ...]:
    """Return all uncertain inputs for a feed: of its classes, of its counts, of the methods.

    Counts of the classes in `stated` are the user's own and taken as known.
    """
    methods = method_priors()
    groups = dict.fromkeys(f"feed_{cls.group}" for cls in population.classes if cls.name not in stated)
    found = [methods[name] for name in groups if name in methods]
    for cls in population.classes:
        found += class_priors(cls).values()
    return (*found, *(methods[name] for name in _USED), FLUX)


def draw_worlds(priors: Sequence[Prior], n: int, *, seed: int) -> list[World]:
    """Draw `n` sets of inputs, independent between inputs, by a Latin hypercube.

    Parameters
    ----------
    priors : sequence of Prior
        What is drawn.
    n : int
        How many; the same seed gives the same draws.
    seed : int
        Seed.

    Returns
    -------
    list of mapping of str to float
        One per draw.
    """
    u = qmc.LatinHypercube(d=len(priors), rng=np.random.default_rng(seed)).random(n)
    columns = np.stack([p.quantile(u[:, k]) for k, p in enumerate(priors)], axis=1)
    return [{p.name: float(x) for p, x in zip(priors, row, strict=True)} for row in columns]


def steps_in(world: World, steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return steps with the inputs of a draw; what a step sets itself stays."""
    changed = copy.deepcopy([dict(step) for step in steps])
    for step in changed:
        for kind, keys in _STEP_KEYS.items():
            if kind in step:
                drawn = {key: world[name] for key, name in keys.items() if name in world}
                step[kind] = {**drawn, **step[kind]}
    return changed


def columns_in(world: World, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return columns with the inputs of a draw.

    The recovery's draw keeps its rank in the prior but is centred on each column's own recovery.
    """
    usual = method_priors()["sec_recovery"].value
    ratio = world.get("sec_recovery", usual) / usual
    void, pore = world.get("sec_void_factor", 1.0), world.get("sec_pore_factor", 1.0)
    plates = world.get("sec_plates_factor", 1.0)
    return {
        name: replace(
            c,
            recovery=min(1.0, c.recovery * ratio),
            void_ml=min(c.void_ml * void, c.bed_ml - c.pore_ml),
            pore_median_nm=c.pore_median_nm * pore,
            plates_void=c.plates_void * plates,
            plates_pore=c.plates_pore * plates,
        )
        for name, c in columns.items()
    }


def feed_in(
    world: World | None,
    feed: Fraction,
    *,
    stated: Collection[str] = (),
    edges_nm: FloatArray | None = None,
    n_densities: int | None = None,
) -> Fraction:
    """Return the feed with the counts and classes of a draw (None: as it is), on another grid if asked.

    The feed must be one that `vesicula.core.population.mixed_population` made: log-normal classes.
    """
    population = feed.population
    counts = population.by_class()
    inputs = world or {}
    drawn = {
        _class_in(inputs, cls): counts[cls.name]
        * (1.0 if cls.name in stated else inputs.get(f"feed_{cls.group}", 1.0))
        for cls in population.classes
    }
    edges = population.edges_nm if edges_nm is None else edges_nm
    made = mixed_population(drawn, edges_nm=edges, n_densities=n_densities or population.n_densities)
    return Fraction(name=feed.name, population=made, volume_ml=feed.volume_ml)


def _class_in(world: World, cls: ParticleClass) -> ParticleClass:
    if not world:
        return cls
    fields = {f: world.get(f"{cls.name}.{f}", getattr(cls, f)) for f in OF_CLASSES}
    markers = dict(cls.markers)
    for m in MARKERS:
        if m in markers:
            share = world.get(f"{cls.name}.{m}_positive_fraction", markers[m].positive_fraction)
            copies = world.get(f"{cls.name}.{m}_copies_median", markers[m].median_copies)
            markers[m] = replace(markers[m], positive_fraction=share, median_copies=copies)
    return replace(
        cls,
        markers=MappingProxyType(markers),
        median_nm=fields["median_nm"],
        shell_density_g_per_ml=fields["shell_density_g_per_ml"],
        core_density_g_per_ml=fields["core_density_g_per_ml"],
        protein_mass_fraction=fields["protein_mass_fraction"],
    )
