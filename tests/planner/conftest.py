"""Fixtures of the planner's tests: a small laboratory and a small search."""

from __future__ import annotations

import pytest

from vesicula.isolation.rotors import rotor
from vesicula.planner.lab import Lab, Membrane
from vesicula.planner.plan import FeedSpec, Request
from vesicula.planner.search import PlanSearch, Settings, search
from vesicula.planner.target import Target


@pytest.fixture(scope="session")
def small_request() -> Request:
    # A laboratory with one rotor and one membrane: three structures, each quick to run.
    lab = Lab(
        rotors={"Type 45 Ti": rotor("Type 45 Ti")},
        membranes=(Membrane(name="TFF 500 kDa", kind="tff", cutoff_kda=500),),
        capture=(),
        peg=False,
    )
    return Request(
        feed=FeedSpec(volume_ml=100.0, preset="serum-free conditioned medium"),
        classes=("exosome", "microvesicle"),
        target=Target(yield_share=0.4, purity=0.2, hours=8.0),
        lab=lab,
    )


@pytest.fixture(scope="session")
def small_search(small_request: Request) -> PlanSearch:
    return search(small_request, Settings(trials=24, draws=100, shown=6, seed=3))
