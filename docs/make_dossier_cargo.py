"""Figures of the dossier's cargo section for the reference page, from two public tables and the packaged evidence.

Needs the public tables that the developers keep beside the repository (VESICULA_SHARED, default ../shared), which are
not redistributed: vesicle proteomes of MSC and HEK293 cells, and counts of vesicle miRNAs. They are of two studies and
stand for one batch only to fill the figures. Run: python docs/make_dossier_cargo.py
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

from vesicula.assess.cargo import assess_cargo
from vesicula.cargo.effect.table import read_cargo
from vesicula.cargo.enrichment import SampleInfo, build_design, moderated_test
from vesicula.cli.files import write_svg
from vesicula.core.study import Batch, Sample
from vesicula.evidence.store import open_store
from vesicula.figures.cargo_bars import (
    balance_bars,
    balance_by_molecule,
    condition_bars,
    count_conditions,
    pathway_dots,
)

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("VESICULA_SHARED", ROOT.parent / "shared")) / "data" / "cargo"
PROTEINS = (
    SHARED
    / "JaeinYoo12__Meningeal-lymphatics-as-a-gateway-for-extracellular-vesicle-brain-delivery"
    / "EV proteomic Hek vs MSC.xlsx"
)
MIRNAS = SHARED / "cfarkas__miRNA_exosomes" / "data" / "miRNA-counts_example.csv"
OUT = ROOT / "docs" / "reference" / "figures"


def comparison() -> str:
    """Return the comparison of the two proteomes as a table: gene, log2 fold change, adjusted p."""
    table = read_cargo(PROTEINS)
    samples = [SampleInfo(sample=name, condition=name.split("_")[0]) for name in table.samples]
    found = moderated_test(table.log2, build_design(samples, test="MSC", reference="HEK293"))
    rows = zip(table.labels, found.fit.effect, found.adjusted_p, strict=True)
    lines = [f"{label}\t{effect}\t{p}" for label, effect, p in rows if math.isfinite(p) and label]
    return "\n".join(["gene\tlog2_fold_change\tadjusted_p", *lines]) + "\n"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, open_store(Path(name) / "evidence.sqlite") as store:
        folder = Path(name)
        (folder / "msc_vs_hek.tsv").write_text(comparison(), encoding="utf-8")
        shutil.copyfile(MIRNAS, folder / "mirna.csv")
        batch = Batch(
            id="A",
            indication="myocardial infarction",
            cargo_tables=("msc_vs_hek.tsv", "mirna.csv"),
            samples=(Sample(id="S"),),
        )
        tables = assess_cargo(folder, batch, store).tables
    lower = next(test for test in tables[0].tests if test.what == "lower")
    write_svg(OUT / "dossier-cargo-pathways.svg", pathway_dots(lower, kind="protein"))
    claims = [c for t in tables for c in t.claims]
    indication = batch.indication or ""
    write_svg(OUT / "dossier-cargo-conditions.svg", condition_bars(count_conditions(claims), indication=indication))
    write_svg(OUT / "dossier-cargo-balance.svg", balance_bars(balance_by_molecule(claims)))


if __name__ == "__main__":
    main()
