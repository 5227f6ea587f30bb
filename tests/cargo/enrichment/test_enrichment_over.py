from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from scipy.stats import fisher_exact

from vesicula.cargo.enrichment import over_represented
from vesicula.cargo.protein import read_protein_table, remove_unwanted
from vesicula.core.errors import AnalysisError
from vesicula.mechanism.tables import load_tables


def test_equals_fishers_exact_test() -> None:
    background = [f"g{i}" for i in range(100)]
    hits = background[:20]
    (first, second) = over_represented(hits, background, {"up": background[:8], "flat": background[16:36]})
    assert (first.set_id, first.hits_in_set, first.set_size, first.fold) == ("up", 8, 8, 5.0)
    assert first.p_value == pytest.approx(fisher_exact([[8, 0], [12, 80]], alternative="greater").pvalue)
    assert second.p_value == pytest.approx(fisher_exact([[4, 16], [16, 64]], alternative="greater").pvalue)
    assert second.adjusted_p >= second.p_value
    assert first.members == tuple(background[:8])


def test_hits_outside_the_background_are_refused() -> None:
    with pytest.raises(AnalysisError, match="1 hits are not in the background, such as x"):
        over_represented(["x"], ["a"], {})
    with pytest.raises(AnalysisError, match="no hits"):
        over_represented([], ["a"], {})
    assert over_represented(["a"], ["a", "b"], {"s": ["a"]}) == ()  # smaller than the least size


def test_genome_as_background_makes_pathways_of_random_vesicle_proteins(shared) -> None:
    """Draw hits at random from what was measured: every significant pathway is false.

    Against what was measured there are hardly any; against the genome there are dozens, in nearly every draw.
    """
    table, _ = remove_unwanted(read_protein_table(shared("cargo/NguyenMauTue*/data/filtered_protein_groups.csv")))
    lines = (files("vesicula.data") / "names" / "gene_terms.tsv").read_text(encoding="utf-8").splitlines()[1:]
    number = {line.split("\t")[1]: line.split("\t")[0] for line in lines}
    measured = sorted({number[g.genes[0]] for g in table.groups if g.genes and g.genes[0] in number})
    assert len(measured) > 600
    sets = {s.set_id: s.genes for s in load_tables() if s.origin in {"reactome", "hallmark-7.0"}}
    genome = sorted(number.values())
    rng = np.random.default_rng(9)
    right, wrong = [], []
    for _ in range(20):
        hits = rng.choice(measured, 100, replace=False).tolist()
        right.append(sum(r.adjusted_p < 0.05 for r in over_represented(hits, measured, sets)))
        wrong.append(sum(r.adjusted_p < 0.05 for r in over_represented(hits, genome, sets)))
    assert sum(r > 0 for r in right) <= 3  # 5 % of 20 draws and two standard errors
    assert min(wrong) > 20
