"""A store of the packaged tables, and how to add claims to one of one's own."""

from __future__ import annotations

import csv
import io

import pytest

from vesicula.evidence.importer import add_file
from vesicula.evidence.model import CLAIM_COLUMNS
from vesicula.evidence.store import open_store
from vesicula.mechanism.graph import load_graph


@pytest.fixture(scope="session")
def packaged_graph(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("store") / "evidence.sqlite") as store:
        return load_graph(store)


@pytest.fixture
def graph_with(tmp_path):
    """Build the graph of a fresh store with the packaged claims and claims of a lab."""

    def build(*claims):
        text = io.StringIO()
        writer = csv.DictWriter(text, (*CLAIM_COLUMNS, "doubts"), restval="", lineterminator="\n")
        writer.writeheader()
        defaults = {
            "review": "lab-test",
            "condition": "osteoarthritis",
            "condition_class": "musculoskeletal",
            "cell_source": "BM-MSC",
            "product": "EV",
            "effect": "cartilage kept",
            "effect_class": "beneficial",
            "study_type": "in vivo",
            "reference_numbers": "own data",
        }
        writer.writerows({**defaults, **claim} for claim in claims)
        file = tmp_path / "claims.csv"
        file.write_text(text.getvalue(), encoding="utf-8")
        with open_store(tmp_path / "evidence.sqlite") as store:
            add_file(store, file, author="tester")
            return load_graph(store)

    return build
