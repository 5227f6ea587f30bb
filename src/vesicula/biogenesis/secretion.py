"""The endosomal route, as the reviews describe it, and the vesicles that the plasma membrane sheds: counts per cell.

Early endosomes mature to late ones; ESCRT-0 gathers cargo, ESCRT-I and -II bud, ESCRT-III cuts; ceramide and
tetraspanins make vesicles without them. A full multivesicular body (MVB) goes to the lysosome, or RAB27, RAB11 and
RAB35 dock it and it opens to the outside. What is inside a body travels with it: all carriers are linear, so that the
differential equations are exactly the mean of the stochastic model in `bodies`, which keeps each body's own load.

Formation (into bodies) and release (out of the cell) are counted apart: assays often cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from vesicula.biogenesis.expr import Sym, product, substitute
from vesicula.biogenesis.model import Network, Parameter, Reaction, Species, mass_action
from vesicula.biogenesis.ode import Course, simulate_ode
from vesicula.biogenesis.ssa import Ensemble
from vesicula.biogenesis.tables import effects, parameter_priors
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray
from vesicula.core.population import MixedPopulation, mixed_population

ROUTES = ("escrt", "ceramide")
CARRIERS = ("late", "mvb", "docked", "open")  # late endosome, MVB, docked MVB, MVB open to the outside
MEDIUM = ("exosomes_escrt", "exosomes_ceramide", "microvesicles", "apoptotic_bodies")
COUNTERS = (
    *(f"formed_{r}" for r in ROUTES),
    *(f"released_{r}" for r in ROUTES),
    *(f"degraded_{r}" for r in ROUTES),
    *(f"fused_back_{r}" for r in ROUTES),
    *("mvb_released", "mvb_degraded", "microvesicles_shed", "apoptotic_bodies_shed", "reuptaken", "decayed"),
)
# The order of the vector that both engines fill.
SPECIES = (
    "early_endosomes",
    *CARRIERS,
    *("clusters", "buds"),
    *(f"{c}_{r}" for c in CARRIERS for r in ROUTES),
    *MEDIUM,
    *COUNTERS,
)
WARM_UP_H = 48.0  # many times the slowest intracellular step


def secretion_network(modulators: Sequence[str] = ()) -> Network:
    """Return the model of one secreting cell.

    Parameters
    ----------
    modulators : sequence of str
        Names out of `modulator_names`; each multiplies its parameters by an uncertain factor.

    Returns
    -------
    Network
        Species are counts per cell, time in hours. Starts empty; see `at_steady_state`.

    Raises
    ------
    AnalysisError
        For an unknown modulator.
    """
    priors = parameter_priors()
    reactions = (*_endosomes(), *_formation(), *_carriers(), *_shedding(), *_medium())
    network = Network(
        name="secretion",
        species=tuple(Species(name=name) for name in SPECIES),
        parameters=tuple(
            Parameter(name=n, value=p.value, prior=p if p.low < p.high else None)
            for n, p in priors.items()
            if not n.startswith("uptake_")
        ),
        reactions=reactions,
    )
    return modulate(network, modulators)


def _endosomes() -> list[Reaction]:
    return [
        Reaction(name="endocytosis", products=(("early_endosomes", 1.0),), rate=Sym("k_endocytosis")),
        mass_action("recycling", "k_recycle", {"early_endosomes": 1}, {}),
        mass_action("maturation", "k_mature", {"early_endosomes": 1}, {"late": 1}),
        mass_action("ripening", "k_ripe", {"late": 1}, {"mvb": 1}),
        mass_action("clusters_lost", "k_ripe", {"clusters": 1}, {}),
        mass_action("buds_lost", "k_ripe", {"buds": 1}, {}),
    ]


def _formation() -> list[Reaction]:
    return [
        Reaction(name="clustering", products=(("clusters", 1.0),), rate=product("k_cluster", "escrt_0", "late")),
        mass_action("budding", "k_bud", {"clusters": 1}, {"buds": 1}, "escrt_1", "escrt_2"),
        mass_action("abscission", "k_abscise", {"buds": 1}, {"late_escrt": 1, "formed_escrt": 1}, "escrt_3"),
        mass_action("cluster_dissolution", "k_dissolve", {"clusters": 1}, {}),
        mass_action("bud_dissolution", "k_dissolve", {"buds": 1}, {}),
        Reaction(
            name="ceramide_budding",
            products=(("late_ceramide", 1.0), ("formed_ceramide", 1.0)),
            rate=product("k_ceramide", "late"),
        ),
        *(
            mass_action(f"fusing_back_{c}_{r}", "k_backfusion", {f"{c}_{r}": 1}, {f"fused_back_{r}": 1})
            for c in ("late", "mvb")
            for r in ROUTES
        ),
    ]


DOCKING = ("k_dock_rab27", "k_dock_rab11", "k_dock_rab35")


def _carriers() -> list[Reaction]:
    found = [mass_action(f"ripening_{r}", "k_ripe", {f"late_{r}": 1}, {f"mvb_{r}": 1}) for r in ROUTES]
    found.append(mass_action("degradation", "k_lysosome", {"mvb": 1}, {"mvb_degraded": 1}))
    found += [mass_action(f"degradation_{r}", "k_lysosome", {f"mvb_{r}": 1}, {f"degraded_{r}": 1}) for r in ROUTES]
    for rab in DOCKING:
        label = rab.removeprefix("k_dock_")
        found.append(mass_action(f"docking_{label}", rab, {"mvb": 1}, {"docked": 1}))
        found += [mass_action(f"docking_{label}_{r}", rab, {f"mvb_{r}": 1}, {f"docked_{r}": 1}) for r in ROUTES]
    found.append(mass_action("opening", "k_fuse", {"docked": 1}, {"open": 1}))
    found += [mass_action(f"opening_{r}", "k_fuse", {f"docked_{r}": 1}, {f"open_{r}": 1}) for r in ROUTES]
    found.append(mass_action("release", "k_disperse", {"open": 1}, {"mvb_released": 1}))
    for r in ROUTES:
        found.append(
            mass_action(f"release_{r}", "k_disperse", {f"open_{r}": 1}, {f"exosomes_{r}": 1, f"released_{r}": 1})
        )
    return found


def _shedding() -> list[Reaction]:
    bodies = Sym("apoptotic_bodies_per_cell")
    return [
        Reaction(
            name="microvesicle_budding",
            products=(("microvesicles", 1.0), ("microvesicles_shed", 1.0)),
            rate=Sym("k_microvesicle"),
        ),
        Reaction(
            name="apoptosis",
            products=(("apoptotic_bodies", 1.0), ("apoptotic_bodies_shed", 1.0)),
            rate=product("k_apoptosis", bodies),
        ),
    ]


def _medium() -> list[Reaction]:
    found = []
    for name in MEDIUM:
        found.append(mass_action(f"reuptake_{name}", "k_reuptake", {name: 1}, {"reuptaken": 1}))
        found.append(mass_action(f"decay_{name}", "k_decay", {name: 1}, {"decayed": 1}))
    return found


def modulator_names() -> tuple[str, ...]:
    """Return the modulators of the table.

    Returns
    -------
    tuple of str
        Each once.
    """
    return tuple(dict.fromkeys(e.modulator for e in effects()))


def modulate(network: Network, modulators: Sequence[str]) -> Network:
    """Multiply parameters in every formula of a network by the factors of modulators.

    Parameters
    ----------
    network : Network
        From this module.
    modulators : sequence of str
        Out of `modulator_names`; each at most once.

    Returns
    -------
    Network
        Each factor is a parameter of its own, ``<parameter>__<modulator>``, with its own prior.

    Raises
    ------
    AnalysisError
        For an unknown or repeated modulator.
    """
    if len(set(modulators)) < len(modulators):
        raise AnalysisError("a modulator is named twice")
    for name in modulators:
        if name not in modulator_names():
            raise AnalysisError(f"there is no modulator {name!r}; known are {', '.join(modulator_names())}")
        chosen = [e for e in effects() if e.modulator == name and e.parameter in network.values]
        if not chosen:
            raise AnalysisError(f"{network.name}: the modulator {name!r} changes nothing in this network")
        factors = {e.parameter: f"{e.parameter}__{name.replace('-', '_')}" for e in chosen}
        meaning = {p: product(p, f) for p, f in factors.items()}
        network = replace(
            network,
            parameters=network.parameters
            + tuple(Parameter(name=factors[e.parameter], value=e.factor.value, prior=e.factor) for e in chosen),
            reactions=tuple(replace(r, rate=substitute(r.rate, meaning)) for r in network.reactions),
        )
    return network


def effective_values(network: Network) -> dict[str, float]:
    """Return the parameters of the secretion model with the factors of modulators multiplied in.

    Parameters
    ----------
    network : Network
        From `secretion_network`.

    Returns
    -------
    dict of str to float
        By the names of the parameter table.
    """
    found: dict[str, float] = {}
    for name, value in network.values.items():
        base = name.split("__")[0]
        found[base] = found.get(base, 1.0) * value
    return found


def at_steady_state(network: Network, warm_up_h: float = WARM_UP_H) -> Network:
    """Return the cell as it is long after plating, in fresh medium, its counters at zero.

    Parameters
    ----------
    network : Network
        From `secretion_network`.
    warm_up_h : float
        How long the empty cell runs first.

    Returns
    -------
    Network
        Other initial amounts.
    """
    end = simulate_ode(network, [0.0, warm_up_h])
    reset = {*MEDIUM, *COUNTERS}
    species = tuple(
        replace(s, initial=0.0 if s.name in reset else float(end[s.name][-1])) for s in network.species
    )
    return replace(network, species=species)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretionRates:
    """Formation and release, per cell and hour, averaged over a simulation.

    Parameters
    ----------
    ilv_formed, ilv_formed_escrt, ilv_formed_ceramide : float
        Intraluminal vesicles made: all, those by ESCRT, and those by ceramide and tetraspanins.
    ilv_degraded : float
        Those that end in lysosomes.
    ilv_fused_back : float
        Those that fuse back with the membrane of their body.
    exosomes_released, exosomes_released_escrt, exosomes_released_ceramide : float
        Those that leave the cell.
    microvesicles_shed, apoptotic_bodies_shed : float
        Shed by the plasma membrane.
    mvb_fusions : float
        MVBs that open to the outside.
    mvb_released_share : float
        Of the MVBs whose fate was sealed, the share that opened; NaN for none.
    """

    ilv_formed: float
    ilv_formed_escrt: float
    ilv_formed_ceramide: float
    ilv_degraded: float
    ilv_fused_back: float
    exosomes_released: float
    exosomes_released_escrt: float
    exosomes_released_ceramide: float
    microvesicles_shed: float
    apoptotic_bodies_shed: float
    mvb_fusions: float
    mvb_released_share: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields by name, in order."""
        return asdict(self)


# Which counters each rate adds up.
COUNTED: Mapping[str, tuple[str, ...]] = {
    "ilv_formed": ("formed_escrt", "formed_ceramide"),
    "ilv_formed_escrt": ("formed_escrt",),
    "ilv_formed_ceramide": ("formed_ceramide",),
    "ilv_degraded": ("degraded_escrt", "degraded_ceramide"),
    "ilv_fused_back": ("fused_back_escrt", "fused_back_ceramide"),
    "exosomes_released": ("released_escrt", "released_ceramide"),
    "exosomes_released_escrt": ("released_escrt",),
    "exosomes_released_ceramide": ("released_ceramide",),
    "microvesicles_shed": ("microvesicles_shed",),
    "apoptotic_bodies_shed": ("apoptotic_bodies_shed",),
    "mvb_fusions": ("mvb_released",),
}


def secretion_rates(course: Course) -> SecretionRates:
    """Read formation and release off a simulation.

    Parameters
    ----------
    course : Course
        Of a secretion network, over two or more times.

    Returns
    -------
    SecretionRates
        Differences between last and first time, over the time between.

    Raises
    ------
    AnalysisError
        When there is one time only, or the network is not the secretion model.
    """
    hours = _hours(course.time)
    found = {
        rate: float(sum(course[n][-1] - course[n][0] for n in counters)) / hours for rate, counters in COUNTED.items()
    }
    opened = found["mvb_fusions"]
    sealed = opened + float(course["mvb_degraded"][-1] - course["mvb_degraded"][0]) / hours
    return SecretionRates(**found, mvb_released_share=opened / sealed if sealed > 0 else float("nan"))


def rates_by_cell(ensemble: Ensemble) -> dict[str, FloatArray]:
    """Read formation and release off each cell of a stochastic simulation.

    Parameters
    ----------
    ensemble : Ensemble
        From `simulate_secretion`, over two or more times.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n,)
        Per hour, by the names of `SecretionRates` but for the share.

    Raises
    ------
    AnalysisError
        When there is one time only, or a counter was not recorded.
    """
    hours = _hours(ensemble.time)
    return {
        rate: sum((ensemble[n][:, -1] - ensemble[n][:, 0] for n in counters), np.zeros(len(ensemble.runs))) / hours
        for rate, counters in COUNTED.items()
    }


def _hours(time: FloatArray) -> float:
    if time.size < 2:
        raise AnalysisError("rates need at least two times")
    return float(time[-1] - time[0])


# Which species of the medium are particles of which packaged class.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "exosome": ("exosomes_escrt", "exosomes_ceramide"),
    "microvesicle": ("microvesicles",),
    "apoptotic body": ("apoptotic_bodies",),
}


def secreted_population(course: Course, cells_per_ml: float) -> MixedPopulation:
    """Turn what cells have put into their medium into the population that isolation starts from.

    Parameters
    ----------
    course : Course
        Of a secretion network; its last time counts.
    cells_per_ml : float
        Cells per mL of conditioned medium, positive.

    Returns
    -------
    MixedPopulation
        Exosomes, microvesicles and apoptotic bodies, with the sizes and densities of the packaged classes. What the
        medium itself brings (proteins, lipoproteins, bovine vesicles) is not in it.

    Raises
    ------
    AnalysisError
        When `cells_per_ml` is not positive.
    """
    if not (np.isfinite(cells_per_ml) and cells_per_ml > 0):
        raise AnalysisError(f"cells_per_ml must be positive, not {cells_per_ml}")
    counts = {name: sum(float(course[s][-1]) for s in species) for name, species in CLASSES.items()}
    return mixed_population({name: max(count, 0.0) * cells_per_ml for name, count in counts.items()})
