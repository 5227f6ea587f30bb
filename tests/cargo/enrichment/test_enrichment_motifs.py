from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from vesicula.cargo.enrichment.motifs import MOTIFS, Motif, check_motif, motif_test
from vesicula.cargo.smallrna.reference import packaged_mirnas
from vesicula.core.errors import AnalysisError


@pytest.fixture(scope="module")
def matures() -> dict[str, str]:
    """400 human miRNAs, in the order of their names: many families have several members."""
    reference = packaged_mirnas("hsa")
    return {name: reference.matures[name] for name in sorted(reference.matures)[:400]}


def test_motifs_are_found_in_either_alphabet() -> None:
    motif = check_motif("ggnu", "exo")
    assert motif.found_in("AAGGCUAA")
    assert motif.found_in("AAGGCTAA")
    assert not motif.found_in("AAGGCAAA")
    for sequence, kind in (("GG", "EXO"), ("GGX1", "EXO"), ("GGAG", "out")):
        with pytest.raises(AnalysisError, match="expected"):
            check_motif(sequence, kind)


def test_every_motif_says_where_it_comes_from() -> None:
    assert {m.sequence for m in MOTIFS} == {"GGAG", "CCCU", "CGGGAG", "GUUG"}
    assert all(("doi" in m.source) != ("unchecked" in m.source) for m in MOTIFS)


def synthetic(rng: np.random.Generator, n: int) -> dict[str, str]:
    return {f"m{i}": "".join(rng.choice(list("ACGT"), 22)) for i in range(n)}


def test_a_planted_motif_is_found_and_numbers_are_those_of_a_hand_count() -> None:
    rng = np.random.default_rng(1)
    sequences = synthetic(rng, 200)
    motif = Motif(sequence="GGAG", kind="EXO", source="test")
    carriers = [n for n, s in sequences.items() if "GGAG" in s]
    others = [n for n in sequences if n not in carriers]
    up = [*carriers[: len(carriers) * 2 // 3], *others[:10]]
    (found,) = motif_test(up, [], sequences, sequences, motifs=[motif])
    n = len(carriers) * 2 // 3
    assert (found.hits_with, found.hits, found.background_with, found.background) == (n, n + 10, len(carriers), 200)
    assert found.p_value < 0.001
    outcome = [[n, 10], [len(carriers) - n, len(others) - 10]]
    assert found.fisher_p == pytest.approx(fisher_exact(outcome, alternative="greater").pvalue)
    assert found.families == 200 or found.families_with <= len(carriers)
    assert found.fold == pytest.approx((n / (n + 10)) / (len(carriers) / 200), rel=0.05)
    (cell,) = motif_test([], up, sequences, sequences, motifs=[Motif(sequence="GGAG", kind="CELL", source="test")])
    assert cell.p_value == found.p_value
    (none,) = motif_test([], up, sequences, sequences, motifs=[motif])
    assert none.p_value == 1


def test_a_family_counts_once() -> None:
    """Twelve copies of one miRNA that holds the motif are all enriched: Fisher is sure, and wrong."""
    rng = np.random.default_rng(2)
    sequences = {n: s for n, s in synthetic(rng, 150).items() if "GGAG" not in s}
    core = "TGAGGTAGTTTGGAGTTTTGTT"
    sequences |= {f"copy{i}": core[:-1] + "ACGT"[i % 4] for i in range(12)}
    up = [*(f"copy{i}" for i in range(12)), *list(sequences)[:8]]
    (found,) = motif_test(up, [], sequences, sequences, motifs=MOTIFS[:1])
    assert found.families_with == 1
    assert found.fisher_p < 1e-8
    assert found.p_value > 0.05


def null_p(matures: dict[str, str], rng: np.random.Generator, tables: int) -> tuple[np.ndarray, ...]:
    """Whole families are sorted together, the more so the richer in G and C; the motif does nothing."""
    names = list(matures)
    seeds, member = np.unique([matures[n][1:8] for n in names], return_inverse=True)
    gc = np.array([(matures[n].count("G") + matures[n].count("C")) / len(matures[n]) for n in names])
    family_gc = np.bincount(member, gc) / np.bincount(member)
    ours, even, fisher = [], [], []
    for k in range(tables):
        chance = 1 / (1 + np.exp(-(-1.5 + 6 * (family_gc - 0.5))))
        sorted_family = rng.random(len(seeds)) < chance
        hit = sorted_family[member] ^ (rng.random(len(names)) < 0.05)
        up = [n for n, h in zip(names, hit, strict=True) if h]
        for r in motif_test(up, [], names, matures, motifs=MOTIFS[:2], permutations=399, seed=k):
            ours.append(r.p_value)
            even.append(r.p_beyond + rng.random() * (r.p_value - r.p_beyond))
            fisher.append(r.fisher_p)
    return np.array(ours), np.array(even), np.array(fisher)


def test_p_values_are_uniform_where_the_motif_does_nothing(matures: dict[str, str]) -> None:
    ours, even, fisher = null_p(matures, np.random.default_rng(3), 150)
    for level in (0.05, 0.1, 0.25, 0.5):
        error = np.sqrt(level * (1 - level) / 150)  # the two motifs of a table count as one draw
        assert abs((even <= level).mean() - level) < 3 * error
        assert (ours <= level).mean() < level + 3 * error
    assert (fisher <= 0.05).mean() > 0.1  # the plain test is not: GC content and families mislead it


def test_what_cannot_be_tested_says_why() -> None:
    sequences = synthetic(np.random.default_rng(4), 30)
    with pytest.raises(AnalysisError, match="1 changed miRNAs are not in the background, such as x"):
        motif_test(["x"], [], sequences, sequences)
    with pytest.raises(AnalysisError, match="only 3 miRNA families"):
        motif_test(["m1"], [], ["m1", "m2", "m3", "unknown"], sequences)
