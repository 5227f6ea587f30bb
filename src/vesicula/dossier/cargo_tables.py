"""The tidy tables of a batch's cargo: molecules, gene sets, categories, claims."""

from __future__ import annotations

from typing import Any

import polars as pl

from vesicula.core.assessment import BatchAssessment
from vesicula.core.cargo import CargoCategories, CargoTableResult

_TEXT, _NUMBER, _COUNT = pl.String, pl.Float64, pl.Int64

CARGO_SCHEMAS: dict[str, dict[str, Any]] = {
    "cargo_molecules": {
        **dict.fromkeys(("batch", "table", "kind", "key", "name", "tested_as"), _TEXT),
        **dict.fromkeys(("detected_in", "samples"), _COUNT),
        **dict.fromkeys(("mean_log2", "log2_fold_change", "adjusted_p"), _NUMBER),
    },
    "cargo_pathways": {
        **dict.fromkeys(("batch", "table", "kind", "list", "set_id", "name", "origin", "standing"), _TEXT),
        **dict.fromkeys(("hits_in_set", "set_size"), _COUNT),
        **dict.fromkeys(("fold", "p_value", "adjusted_p", "genome_adjusted_p"), _NUMBER),
        "members": _TEXT,
    },
    "cargo_categories": {
        **dict.fromkeys(("batch", "table", "sample", "category"), _TEXT),
        "found": _COUNT,
        "share": _NUMBER,
        "symbols": _TEXT,
    },
    "cargo_claims": {
        **dict.fromkeys(("batch", "table", "molecule", "row"), _TEXT),
        "counted": pl.Boolean,
        **dict.fromkeys(("condition", "effect_class", "study_type", "tumour", "side"), _TEXT),
    },
}

Rows = list[tuple[object, ...]]


def cargo_rows(batch: BatchAssessment) -> dict[str, Rows]:
    """Return the rows of the tables of a batch's cargo.

    Parameters
    ----------
    batch : BatchAssessment
        Any; without a cargo table every list is empty.

    Returns
    -------
    dict of str to list of tuple
        By name of the table, with the columns of `CARGO_SCHEMAS`.
    """
    rows: dict[str, Rows] = {name: [] for name in CARGO_SCHEMAS}
    for table in batch.cargo:
        place = (batch.batch, table.path)
        rows["cargo_molecules"] += _molecules(place, table)
        rows["cargo_pathways"] += _pathways(place, table)
        rows["cargo_categories"] += [row for c in table.categories for row in _categories(place, c)]
        rows["cargo_claims"] += [
            (*place, c.molecule, c.row, c.counted, c.condition, c.effect_class, c.study_type, c.tumour, c.side)
            for c in table.claims
        ]
    return rows


def _molecules(place: tuple[str, str], table: CargoTableResult) -> Rows:
    n = len(table.samples)
    return [
        (
            *(*place, table.kind, m.key, m.name, m.tested_as, m.detected_in, n),
            *(m.mean_log2, m.log2_fold_change, m.adjusted_p),
        )
        for m in table.molecules
    ]


def _pathways(place: tuple[str, str], table: CargoTableResult) -> Rows:
    return [
        (
            *(*place, table.kind, test.what, s.set_id, s.name, s.origin, s.standing, s.hits_in_set, s.set_size),
            *(s.fold, s.p_value, s.adjusted_p, s.genome_adjusted_p, "; ".join(s.members)),
        )
        for test in table.tests
        for s in test.sets
    ]


def _categories(place: tuple[str, str], c: CargoCategories) -> Rows:
    by_category: Rows = [
        (*place, c.sample, f"MISEV {name}", len(symbols), c.shares.get(name), "; ".join(symbols))
        for name, symbols in c.found.items()
    ]
    shares = (("ApoB", c.apob_share), ("albumin", c.albumin_share), ("other species", c.other_species_share))
    return [
        *by_category,
        *((*place, c.sample, name, None, share, "") for name, share in shares),
        (*place, c.sample, "all groups", c.proteins, None, ""),
    ]
