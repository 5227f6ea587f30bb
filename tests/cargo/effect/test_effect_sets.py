"""Pathway tests: exact against enumeration, uniform on random lists where the usual one is not, and spiked signal."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from vesicula.cargo.effect.sets import (
    FEWEST_SELECTIONS,
    STAGES,
    mirna_enrichment,
    mirna_test,
    permuted_p,
    protein_enrichment,
    selections,
    strata_of,
)
from vesicula.cargo.effect.targets import split_arm, targets_of_table
from vesicula.cargo.enrichment import over_represented
from vesicula.mechanism.tables import GeneSet
from vesicula.mechanism.targets import TargetRow, Targets


def gene_set(name: str, genes: set[str]) -> GeneSet:
    return GeneSet(set_id=name, origin="reactome", name=name.lower(), genes=frozenset(genes), others=0)


def mirnas(count: int, genes: int, rng: np.random.Generator, popular: int = 0) -> dict[str, frozenset[str]]:
    """Targets of miRNAs: of any size, and the first genes are targets of most of them, as well studied genes are."""
    weight = np.ones(genes)
    weight[:popular] = 30.0
    weight /= weight.sum()
    sizes = np.exp(rng.normal(3.0, 0.8, count)).astype(int).clip(5, genes // 3)
    return {
        f"m{i}": frozenset(f"g{g}" for g in rng.choice(genes, n, replace=False, p=weight)) for i, n in enumerate(sizes)
    }


def test_permutation_agrees_with_enumeration() -> None:
    """With one class of miRNAs all selections can be listed; the draws must find their share."""
    rng = np.random.default_rng(5)
    targets = mirnas(9, 60, rng)
    sets = [frozenset(f"g{g}" for g in rng.choice(60, 12, replace=False)) for _ in range(6)]
    test = mirna_test(list(targets.values()), sets)
    assert set(test.strata) == {0}
    hits = [0, 3, 7]
    pool = frozenset().union(*targets.values())
    values = list(targets.values())

    def score(rows: tuple[int, ...] | list[int], members: frozenset[str]) -> float:
        union = frozenset().union(*(values[i] for i in rows))
        n, k, total = len(union), len(members & pool), len(pool)
        return (len(union & members) - n * k / total) / np.sqrt(
            n * k / total * (1 - k / total) * (total - n) / (total - 1)
        )

    every = list(combinations(range(9), 3))
    exact = [np.mean([score(c, s) >= score(hits, s) - 1e-9 for c in every]) for s in sets]
    found = permuted_p(test, hits, np.random.default_rng(1), stages=((40_000, 1.0),))
    np.testing.assert_allclose(found, exact, atol=0.012)


def test_draws_keep_the_number_of_targets() -> None:
    strata = strata_of([100, 1] * 10)
    assert set(strata[::2]).isdisjoint(strata[1::2])
    assert selections(strata_of([1] * 10), [0, 1]) == 45
    assert min(np.bincount(strata_of(list(range(57))))) >= 10


def test_later_stages_only_refine_small_p() -> None:
    rng = np.random.default_rng(3)
    targets = mirnas(60, 400, rng)
    sets = [frozenset(f"g{g}" for g in rng.choice(400, 20, replace=False)) for _ in range(50)]
    test = mirna_test(list(targets.values()), sets)
    one = permuted_p(test, range(12), np.random.default_rng(1), stages=((400, 1.0),))
    two = permuted_p(test, range(12), np.random.default_rng(1), stages=((400, 1.0), (4000, 0.1)))
    np.testing.assert_array_equal(one[one > 0.1], two[one > 0.1])
    assert np.all(np.abs(one - two)[one <= 0.1] < 0.08)
    assert STAGES[0][1] == 1.0


def test_random_mirnas_uniform_here_and_inflated_by_the_usual_test() -> None:
    rng = np.random.default_rng(11)
    targets = mirnas(120, 1500, rng, popular=100)
    popular = [frozenset(f"g{g}" for g in rng.choice(100, 15, replace=False)) for _ in range(15)]
    plain = [frozenset(f"g{g}" for g in rng.choice(1500, 30, replace=False)) for _ in range(15)]
    test = mirna_test(list(targets.values()), [*popular, *plain])
    genome = {f"g{g}" for g in range(1500)} | {f"never{g}" for g in range(4000)}
    values, ours, usual = list(targets.values()), [], []
    for _ in range(60):
        hits = list(rng.choice(120, 15, replace=False))
        ours.append(permuted_p(test, hits, rng, stages=((199, 1.0),)))
        union = frozenset().union(*(values[i] for i in hits))
        found = over_represented(union, genome, dict(enumerate([*popular, *plain])))  # type: ignore[arg-type]
        usual.append([r.p_value for r in found])
    p = np.concatenate(ours)
    # 1800 p values of 60 lists: the standard error of a share of 5 % is below 1 % even where sets overlap much.
    assert 0.02 < np.mean(p <= 0.05) < 0.08
    assert 0.40 < np.mean(p) < 0.62
    assert np.mean(np.concatenate(usual) <= 0.05) > 0.5


def test_random_proteins_uniform_here_and_inflated_against_the_genome() -> None:
    rng = np.random.default_rng(4)
    measured = [f"g{i}" for i in range(800)]
    sets = [gene_set(f"S{k}", {f"g{i}" for i in rng.choice(800, 40, replace=False)}) for k in range(20)]
    sets.append(gene_set("REST", {f"unseen{i}" for i in range(6000)}))
    ours, genome_called = [], 0
    for _ in range(40):
        hits = {h: h for h in rng.choice(measured, 80, replace=False)}
        found = protein_enrichment("listed", hits, {m: m for m in measured}, sets)
        ours += [a.p_value for a in found.answers]
        genome_called += found.genome_called
    assert np.mean(np.array(ours) <= 0.05) < 0.06
    assert genome_called > 10 * 40


def test_spiked_mirnas_are_found_and_their_members_named() -> None:
    rng = np.random.default_rng(8)
    targets = mirnas(120, 1500, rng)
    hidden = {f"g{g}" for g in rng.choice(1500, 40, replace=False)}
    loaded = [f"m{i}" for i in range(12)]
    targets |= {m: targets[m] | frozenset(rng.choice(sorted(hidden), 12, replace=False)) for m in loaded}
    sets = [gene_set("HIDDEN", hidden)] + [
        gene_set(f"S{k}", {f"g{g}" for g in rng.choice(1500, 40, replace=False)}) for k in range(40)
    ]
    found = mirna_enrichment(
        "higher",
        {m: m.upper() for m in loaded},
        {m: m for m in targets},
        targets,
        sets,
        stages=((500, 1.0), (5000, 0.05)),
    )
    assert found.answers[0].set_id == "HIDDEN"
    assert [a.set_id for a in found.called] == ["HIDDEN"]
    assert set(found.called[0].members) == {m.upper() for m in loaded}


def test_what_only_the_genome_calls_is_listed() -> None:
    measured = {f"g{i}": f"G{i}" for i in range(100)}
    # All of the set was measured and none of the rest of the genome: half of the list is what chance gives.
    sets = [gene_set("VESICLE", {f"g{i}" for i in range(50)}), gene_set("REST", {f"x{i}" for i in range(3000)})]
    hits = {k: measured[k] for k in [f"g{i}" for i in range(0, 100, 5)]}
    found = protein_enrichment("listed", hits, measured, sets)
    assert found.called == ()
    assert found.genome_called == 1
    assert [(s.set_id, s.measured, s.hits_in_set) for s in found.spurious] == [("VESICLE", 50, 10)]
    assert found.answers[0].p_value > 0.5
    assert found.answers[0].genome_adjusted_p < 1e-6


@pytest.mark.parametrize("count", [0, 1, 100])
def test_lists_that_cannot_be_tested_are_refused(count: int) -> None:
    measured = {f"g{i}": f"G{i}" for i in range(100)}
    hits = dict(list(measured.items())[:count])
    found = protein_enrichment("higher", hits, measured, [gene_set("A", {f"g{i}" for i in range(20)})])
    assert bool(found.refused) is (count != 1)
    targets = {k: frozenset({"t1", "t2"}) for k in measured}
    assert mirna_enrichment("higher", hits, measured, targets, [gene_set("A", {"t1"})]).refused


def test_too_few_other_selections() -> None:
    rng = np.random.default_rng(0)
    targets = mirnas(8, 200, rng)
    names = {m: m for m in targets}
    found = mirna_enrichment("higher", dict(list(names.items())[:3]), names, targets, [gene_set("A", {"g1"})])
    assert "56 other selections" in found.refused
    assert FEWEST_SELECTIONS > 56


def row(mirna: str, target: str, support: str = "Functional MTI") -> TargetRow:
    return TargetRow(line=1, mirna=mirna, target=target, support=support, experiments="", pmids=(), origin="t")


def test_targets_are_joined_by_stem_and_arm() -> None:
    table = Targets(path="t.tsv", other_species=0, rows=(
        row("hsa-miR-21-5p", "PTEN"), row("hsa-miR-21-3p", "APOB"), row("miR-21", "CD9"),
        row("hsa-miR-21-5p", "CD63", "Non-Functional MTI"), row("hsa-miR-21-5p", "CD81", "Functional MTI (Weak)"),
        row("hsa-miR-210-3p", "TP53"), row("hsa-miR-21-5p", "nogene1"),
    ))  # fmt: skip
    found = targets_of_table(table, ["mir-21-5p", "mir-99a-5p", "mir-21"])
    assert found.genes["mir-21-5p"] == {"HGNC:9588", "HGNC:1709", "HGNC:1701"}
    assert found.genes["mir-21"] >= {"HGNC:603", "HGNC:9588"}
    assert "mir-99a-5p" not in found.genes
    strong = targets_of_table(table, ["mir-21-5p"], strong=True)
    assert strong.genes["mir-21-5p"] == {"HGNC:9588", "HGNC:1709"}
    assert any("1 target name" in n for n in found.notes)
    assert split_arm("let-7a-2-3p") == ("let-7a-2", "-3p")
