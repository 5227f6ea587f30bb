"""A store of the packaged claims, and tables that name some of their molecules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vesicula.evidence.store import Store, open_store


@pytest.fixture(scope="session")
def packaged_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "evidence.sqlite") as store:
        yield store


@pytest.fixture
def mirna_file(tmp_path: Path) -> Path:
    """Counts of 60 miRNAs in four samples; miR-21-5p, miR-221-3p and both arms of miR-210 are among them."""
    rng = np.random.default_rng(1)
    names = ["hsa-miR-21-5p", "hsa-miR-221-3p", "hsa-miR-210-3p", "hsa-miR-210-5p", "hsa-miR-222-3p"]
    names += [f"hsa-miR-{n}-5p" for n in range(500, 555)]
    counts = rng.poisson(200, size=(60, 4))
    counts[:3] += 5000
    counts[3] = 7
    lines = ["mirna\ta_1\ta_2\tb_1\tb_2"]
    lines += ["\t".join([n, *map(str, row)]) for n, row in zip(names, counts, strict=True)]
    path = tmp_path / "mirna.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def target_file(tmp_path: Path) -> Path:
    """A table of targets of those miRNAs: 30 genes each, from 300 of the hallmarks."""
    from vesicula.cargo.protein.names import genes_of_accessions

    rng = np.random.default_rng(2)
    genes = sorted({g for symbols in genes_of_accessions().values() for g in symbols if g.isalnum()})[:600]
    names = ["hsa-miR-21-5p", "hsa-miR-221-3p", "hsa-miR-210-3p", *(f"hsa-miR-{n}-5p" for n in range(500, 555))]
    lines = ["mirna\ttarget\tsupport\tpmid"]
    lines += [f"{n}\t{g}\tFunctional MTI\t123" for n in names for g in rng.choice(genes, 30, replace=False)]
    path = tmp_path / "targets.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
