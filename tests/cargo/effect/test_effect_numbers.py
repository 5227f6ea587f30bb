"""The numbers kept of an analysis: none is lost or altered on the way to a figure, and the page draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vesicula.cargo.effect.conditions import place_cargo
from vesicula.cargo.effect.numbers import KEPT, claim_results, set_results, table_result
from vesicula.cargo.effect.run import CargoEffect, analyse_cargo, with_evidence
from vesicula.cargo.effect.sets import Enrichment, SetAnswer, Spurious
from vesicula.cargo.effect.table import read_cargo
from vesicula.core.cargo import CALLED, GENOME_ONLY, NEITHER
from vesicula.evidence.store import Store
from vesicula.figures.cargo_page import cargo_page
from vesicula.mechanism.tables import load_tables


def answer(name: str, p: float, genome: float = float("nan")) -> SetAnswer:
    return SetAnswer(
        set_id=name, name=name, origin="reactome", hits_in_set=3, set_size=9, hits=20, background=200, fold=2.0,
        p_value=p / 2, adjusted_p=p, gene_p=p, gene_adjusted_p=p, genome_p=genome, genome_adjusted_p=genome,
        members=("CD9",),
    )  # fmt: skip


def spurious(name: str, p: float) -> Spurious:
    return Spurious(
        set_id=name, name=name, origin="reactome", genome_adjusted_p=0.001, adjusted_p=p, hits_in_set=2, measured=4
    )


def test_each_set_has_one_standing() -> None:
    many = [answer(f"n{k}", 0.5 + k / 1000) for k in range(KEPT + 9)]
    e = Enrichment(
        what="higher",
        hits=("CD9",),
        measured=200,
        answers=(answer("called", 0.01, 0.02), answer("alone", 0.2, 0.001), *many),
        genome_called=3,
        spurious=(spurious("alone", 0.2), spurious("few", float("nan"))),
    )
    kept = set_results(e)
    assert (kept.tested, kept.called, kept.genome_called) == (KEPT + 11, 1, 3)
    by_name = {s.set_id: s for s in kept.sets}
    assert len(by_name) == len(kept.sets) == 3 + KEPT
    assert by_name["called"].standing == CALLED
    assert (by_name["called"].adjusted_p, by_name["called"].genome_adjusted_p) == (0.01, 0.02)
    assert (by_name["alone"].standing, by_name["alone"].members) == (GENOME_ONLY, ("CD9",))
    few = by_name["few"]
    assert (few.standing, few.adjusted_p, few.set_size, few.hits_in_set) == (GENOME_ONLY, None, 4, 2)
    assert sum(s.standing == NEITHER for s in kept.sets) == KEPT
    assert by_name["n0"].genome_adjusted_p is None, "not a number is no number"


@pytest.fixture
def found(mirna_file: Path, packaged_store: Store) -> CargoEffect:
    sets = [s for s in load_tables() if s.origin == "hallmark-7.0"]
    effect = analyse_cargo(read_cargo(mirna_file), sets, activities=False)
    listed = {key: o.what for o in effect.lists for key in o.hits}
    return with_evidence(effect, place_cargo(packaged_store, effect.table, effect.table.measured(), listed))


def test_molecules_and_claims_are_those_of_the_analysis(found: CargoEffect) -> None:
    assert found.evidence is not None
    kept = table_result("m.tsv", found, (), found.evidence)
    table = found.table
    mean = table.mean_log2()
    rows: Mapping[str, int] = {table.keys[i]: i for i in table.measured()}
    assert [m.key for m in kept.molecules] == list(rows)
    for m in kept.molecules:
        assert m.mean_log2 is not None
        assert math.isclose(m.mean_log2, mean[rows[m.key]])
        assert m.detected_in == np.sum(table.detected[rows[m.key]])
        assert bool(m.tested_as) == any(m.key in o.hits for o in found.lists)
    assert kept.looked_up == found.evidence.looked_up == 60
    assert kept.tests[0].refused
    for entry in found.evidence.cargo:
        mine = [c for c in kept.claims if c.molecule == entry.label]
        assert {c.row for c in mine} >= set(entry.as_cargo)
        assert {c.row for c in mine if not c.counted} <= set(entry.unsure)
        for side in entry.sides:
            here = [c for c in mine if c.tumour == side.tumour]
            assert {c.row for c in here if c.side == "promoting"} == set(side.promoting)
            assert {c.row for c in here if c.side == "inhibiting"} == set(side.inhibiting)
    assert any(c.side == "promoting" for c in kept.claims)


def test_the_page_draws_balance_and_conditions(found: CargoEffect) -> None:
    assert found.evidence is not None
    page = cargo_page(found)
    assert "rows: promoting" in page
    assert "rows of the evidence, and the cargo that they name" in page
    assert claim_results(found.evidence)
    nothing = replace(found.evidence, cargo=(), conditions=())
    assert "rows: promoting" not in cargo_page(with_evidence(found, nothing))
