"""vesicula: from the raw files of an MSC-EV batch to a dossier one can defend.

>>> import vesicula                                        # doctest: +SKIP
>>> vesicula.read("beads.csv")                             # doctest: +SKIP
>>> study = vesicula.Study.load("my_study")                # doctest: +SKIP
>>> assessment = study.analyse()                           # doctest: +SKIP
>>> vesicula.write_dossier(assessment, "my_study/dossier")  # doctest: +SKIP

Public names are listed in ``__all__`` and imported when first used, so that importing vesicula costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from vesicula._version import __version__

if TYPE_CHECKING:
    from vesicula import dossier
    from vesicula.assess.study import AnalysisSettings, Study
    from vesicula.core.assessment import Assessment, BatchAssessment
    from vesicula.core.errors import VesiculaError
    from vesicula.core.population import Population, lognormal_population
    from vesicula.dossier.writer import write as write_dossier
    from vesicula.evidence.balance import tumour_balance
    from vesicula.evidence.model import Question
    from vesicula.evidence.store import open_store
    from vesicula.instruments.nta.simulate import simulate_nta
    from vesicula.instruments.nta.video.analyse import analyse_tracks, analyse_video
    from vesicula.instruments.nta.video.movie import open_movie
    from vesicula.instruments.nta.video.optics import load_optics
    from vesicula.instruments.nta.video.simulate import simulate_video
    from vesicula.instruments.registry import read
    from vesicula.manifest.check import check_study
    from vesicula.manifest.init import init_study
    from vesicula.mechanism.overview import overview
    from vesicula.verify import verify_dossier

_HOMES = {
    "AnalysisSettings": "vesicula.assess.study",
    "Assessment": "vesicula.core.assessment",
    "BatchAssessment": "vesicula.core.assessment",
    "Population": "vesicula.core.population",
    "Question": "vesicula.evidence.model",
    "Study": "vesicula.assess.study",
    "VesiculaError": "vesicula.core.errors",
    "analyse_tracks": "vesicula.instruments.nta.video.analyse",
    "analyse_video": "vesicula.instruments.nta.video.analyse",
    "check_study": "vesicula.manifest.check",
    "init_study": "vesicula.manifest.init",
    "load_optics": "vesicula.instruments.nta.video.optics",
    "lognormal_population": "vesicula.core.population",
    "open_movie": "vesicula.instruments.nta.video.movie",
    "open_store": "vesicula.evidence.store",
    "overview": "vesicula.mechanism.overview",
    "read": "vesicula.instruments.registry",
    "simulate_nta": "vesicula.instruments.nta.simulate",
    "simulate_video": "vesicula.instruments.nta.video.simulate",
    "tumour_balance": "vesicula.evidence.balance",
    "verify_dossier": "vesicula.verify",
    "write_dossier": "vesicula.dossier.writer",
}

__all__ = [
    "AnalysisSettings",
    "Assessment",
    "BatchAssessment",
    "Population",
    "Question",
    "Study",
    "VesiculaError",
    "__version__",
    "analyse_tracks",
    "analyse_video",
    "check_study",
    "dossier",
    "init_study",
    "load_optics",
    "lognormal_population",
    "open_movie",
    "open_store",
    "overview",
    "read",
    "simulate_nta",
    "simulate_video",
    "tumour_balance",
    "verify_dossier",
    "write_dossier",
]


def __getattr__(name: str) -> object:
    if name == "dossier":
        return importlib.import_module("vesicula.dossier")
    if name not in _HOMES:
        raise AttributeError(f"module 'vesicula' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), "write" if name == "write_dossier" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
