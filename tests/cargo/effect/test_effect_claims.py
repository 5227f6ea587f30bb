"""The batch's cargo beside the packaged claims: named as what, with which rows, on which side of the balance."""

from __future__ import annotations

from pathlib import Path

import pytest

from vesicula.cargo.effect.conditions import FAMILY, NAMED, NO_ARM, OTHER_ARM, Evidence, place_cargo
from vesicula.cargo.effect.report import evidence_lines
from vesicula.cargo.effect.table import CargoTable, read_cargo
from vesicula.cargo.effect.targets import targets_of_claims
from vesicula.evidence.balance import tumour_balance
from vesicula.evidence.store import Store
from vesicula.mechanism.graph import load_graph


def placed(store: Store, table: CargoTable, condition: str | None = None) -> Evidence:
    return place_cargo(store, table, table.measured(), {"mir-21-5p": "higher"}, condition=condition)


def test_names_arms_and_rows(packaged_store: Store, mirna_file: Path) -> None:
    table = read_cargo(mirna_file)
    found = {c.label: c for c in placed(packaged_store, table).cargo}
    assert found["miR-21-5p"].naming == NAMED
    assert found["miR-21-5p"].in_list
    assert "higher" in found["miR-21-5p"].standing
    assert {"B-T1-28", "B-X-08"} <= set(found["miR-21-5p"].claims)
    assert found["miR-210-3p"].naming == NO_ARM
    assert found["miR-210-5p"].naming == OTHER_ARM, "the other arm is a thousand times more abundant here"
    assert not found["miR-210-5p"].sure
    assert found["miR-210-5p"].unsure == found["miR-210-5p"].claims


def test_every_statement_cites_rows_that_are_listed(packaged_store: Store, mirna_file: Path) -> None:
    evidence = placed(packaged_store, read_cargo(mirna_file))
    rows = {c.record_id for c in evidence.rows}
    statements = [p for c in evidence.cargo for p in c.paths]
    assert statements
    for p in statements:
        assert p.claims
        assert set(p.claims) | set(p.contradicted_by) <= rows
        assert all(claim in p.text for claim in p.claims)
    for side in (s for c in evidence.cargo for s in c.sides):
        assert {*side.promoting, *side.inhibiting, *side.neither} <= rows


def test_sides_are_those_of_the_balance(packaged_store: Store, mirna_file: Path) -> None:
    evidence = placed(packaged_store, read_cargo(mirna_file))
    own = next(c for c in evidence.cargo if c.label == "miR-222-3p")
    balance = tumour_balance(packaged_store, cargo=["miR-222-3p"])
    assert [s.sentence for s in own.sides] == [g.sentence for g in balance.groups]
    assert {r for s in own.sides for r in s.promoting} == {c.record_id for g in balance.groups for c in g.promoting}
    assert "not netted" in evidence_lines(evidence)[-1]


def test_condition_keeps_only_its_paths_but_lists_all_conditions(packaged_store: Store, mirna_file: Path) -> None:
    evidence = placed(packaged_store, read_cargo(mirna_file), "myocardial infarction")
    led = {c.label: c for c in evidence.cargo if c.paths}
    assert set(led) == {"miR-221-3p", "miR-210-3p", "miR-210-5p"}
    assert {p.condition for c in led.values() for p in c.paths} == {"myocardial infarction"}
    row = next(r for r in evidence.conditions if r.condition == "myocardial infarction")
    assert row.cargo == ("miR-221-3p", "miR-210-3p") or set(row.cargo) == {"miR-221-3p", "miR-210-3p"}
    assert len(evidence.conditions) > 3


def test_unknown_condition_is_said(packaged_store: Store, mirna_file: Path) -> None:
    evidence = placed(packaged_store, read_cargo(mirna_file), "no such illness")
    assert any("no such illness" in n for n in evidence.notes)
    assert all(not c.paths for c in evidence.cargo)


@pytest.mark.parametrize(("symbol", "naming"), [("HGF", NAMED), ("PGF", FAMILY)])
def test_a_family_is_no_member(packaged_store: Store, tmp_path: Path, symbol: str, naming: str) -> None:
    path = tmp_path / "p.txt"
    path.write_text(f"gene\n{symbol}\nALB\n", encoding="utf-8")
    evidence = placed(packaged_store, read_cargo(path))
    assert next(c for c in evidence.cargo if c.label == symbol).naming == naming
    assert any(symbol in r.cargo for r in evidence.conditions) is (naming == NAMED)


def test_targets_that_claims_name(packaged_store: Store) -> None:
    found = targets_of_claims(load_graph(packaged_store), {"mir-21-5p": "miR-21-5p", "mir-5-5p": "miR-5-5p"})
    assert "HGNC:9588" in found.genes["mir-21-5p"], "PTEN, of B-T1-28"
    assert "mir-5-5p" not in found.genes
