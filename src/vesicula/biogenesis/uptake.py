"""What a recipient cell does with vesicles: binds, swallows, fuses with, degrades them, or lets their cargo out."""

from __future__ import annotations

from vesicula.biogenesis.expr import Op, Sym, product
from vesicula.biogenesis.model import Network, Parameter, Reaction, Species, mass_action
from vesicula.biogenesis.tables import parameter_priors
from vesicula.core.errors import AnalysisError

# Where a vesicle can be; their sum never changes.
PLACES = ("free", "bound", "endosomal", "lysosomal", "cytosolic")


def uptake_network(particles_per_cell: float) -> Network:
    """Return the model of one recipient cell and its share of the medium.

    Parameters
    ----------
    particles_per_cell : float
        Vesicles given per cell, not negative.

    Returns
    -------
    Network
        Counts per cell, hours. `cytosolic` is cargo delivered, by fusion at the surface or out of the endosome, and
        `lysosomal` what was degraded. The counters tell the routes apart.

    Raises
    ------
    AnalysisError
        When the dose is negative or not finite.
    """
    if not 0 <= particles_per_cell < float("inf"):
        raise AnalysisError(f"particles_per_cell must be finite and not negative, not {particles_per_cell}")
    priors = {n: p for n, p in parameter_priors().items() if n.startswith("uptake_")}
    places = priors["uptake_receptors"]
    species = [Species(name="free", initial=particles_per_cell), Species(name="receptors", initial=places.value)]
    species += [Species(name=n) for n in PLACES[1:]]
    species += [Species(name=f"by_{n}") for n in ROUTES]
    return Network(
        name="uptake",
        species=tuple(species),
        parameters=tuple(Parameter(name=n, value=p.value, prior=p) for n, p in priors.items()),
        reactions=_reactions(),
        initial_assignments=(("receptors", Sym("uptake_receptors")),),
    )


ROUTES = ("endocytosis", "membrane_fusion", "phagocytosis", "macropinocytosis")


def _reactions() -> tuple[Reaction, ...]:
    bound = {"bound": 1}
    saturation = Op("+", (Sym("uptake_phagocytosis_half"), Sym("free")))
    return (
        mass_action("binding", "uptake_k_on", {"free": 1, "receptors": 1}, bound),
        mass_action("letting_go", "uptake_k_off", bound, {"free": 1, "receptors": 1}),
        mass_action(
            "endocytosis", "uptake_k_internalise", bound, {"endosomal": 1, "receptors": 1, "by_endocytosis": 1}
        ),
        mass_action(
            "membrane_fusion",
            "uptake_k_membrane_fusion",
            bound,
            {"cytosolic": 1, "receptors": 1, "by_membrane_fusion": 1},
        ),
        Reaction(
            name="phagocytosis",
            reactants=(("free", 1.0),),
            products=(("endosomal", 1.0), ("by_phagocytosis", 1.0)),
            rate=Op("/", (product("uptake_phagocytosis_max", "free"), saturation)),
        ),
        mass_action(
            "macropinocytosis", "uptake_k_macropinocytosis", {"free": 1}, {"endosomal": 1, "by_macropinocytosis": 1}
        ),
        mass_action("to_lysosome", "uptake_k_lysosome", {"endosomal": 1}, {"lysosomal": 1}),
        mass_action("escape", "uptake_k_escape", {"endosomal": 1}, {"cytosolic": 1}),
    )
