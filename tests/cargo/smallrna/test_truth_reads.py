"""Reads of known origin: agreement per miRNA and isomiR, and a rule for each difference."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from vesicula.cargo.smallrna import packaged_mirnas


@pytest.fixture(scope="module")
def validation() -> ModuleType:
    """The script that makes the documentation's tables: page and tests say the same."""
    place = Path(__file__).parents[3] / "docs" / "make_smallrna_validation.py"
    spec = importlib.util.spec_from_file_location("make_smallrna_validation", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_seqbusters_reads_are_explained_read_by_read(validation: ModuleType, cargo_data: Path) -> None:
    result = validation.seqbuster(cargo_data)
    assert dict(result.mirnas) == {
        "right": 17_430,
        "right, tied with miRNAs of the same sequence (rule 3)": 191,
        "right, tied with miRNAs that explain the read at the same cost (rule 3)": 46,
        "another miRNA: it explains the read more simply (rule 2)": 83,
        "not found: shorter than 16 nt (rule 1)": 84,
        "not found: four or more bases at the 3' end that are not the hairpin's (rule 1)": 12,
        "not found: fewer than 15 bases equal to the hairpin (rule 1)": 12,
    }
    assert dict(result.isomirs) == {
        "same": 15_812,
        "simpler: the first added base is also the hairpin's next: a longer end, not an addition": 1_448,
        "simpler: the changed base is among the last three: an addition, by rule 2": 388,
        "simpler: the first added base is the next of another hairpin of the same miRNA: a longer end": 19,
        "miRNA not found or another (see above)": 191,
    }
    classed = (result.mirnas, result.isomirs, result.counts)
    assert [sum(c.values()) for c in classed] == [17_858, 17_858, 1_761]
    assert not [name for c in classed for name in c if validation.UNEXPLAINED in name]
    assert result.counts["equal to half a read"] == 1_550
    there = result.true_copies > 0
    error = np.abs(result.em_copies - result.true_copies)[there] / result.true_copies[there]
    assert np.mean(error < 0.1) > 0.95
    assert result.copies["right"] > 0.98 * sum(result.copies.values())


def test_mirtops_reads_are_explained_read_by_read(validation: ModuleType, cargo_data: Path) -> None:
    result = validation.mirtop_simulation(cargo_data)
    assert dict(result.mirnas) == {"right": 56}
    assert result.isomirs["same"] == 33
    assert sum(result.isomirs.values()) == 56
    assert not [name for name in result.isomirs if validation.UNEXPLAINED in name]


def test_a_false_truth_stays_without_explanation(validation: ModuleType, cargo_data: Path) -> None:
    """The classes can fail: names that do not fit their reads are not explained away."""
    truths, sequences = validation.reads_of(cargo_data / "lpantano__seqbuster" / "validator" / "sim.21.hsa.fq")
    plain = [i for i, t in enumerate(truths) if t.mutated < 0 and not t.added and len(sequences[i]) > 18][:200]
    others = [replace(truths[i], mature="hsa-miR-1-3p", shift_5p=0, shift_3p=0) for i in plain]
    result = validation.compare(packaged_mirnas(), others, [sequences[i] for i in plain])
    assert sum(n for name, n in result.mirnas.items() if validation.UNEXPLAINED in name) > 150
    moved = [replace(truths[i], shift_5p=truths[i].shift_5p + 1) for i in plain]
    result = validation.compare(packaged_mirnas(), moved, [sequences[i] for i in plain])
    assert sum(n for name, n in result.isomirs.items() if validation.UNEXPLAINED in name) > 150
