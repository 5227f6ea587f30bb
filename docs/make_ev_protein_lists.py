"""Build vesicula/data/protein/ev_protein_lists.tsv: which proteins two open EV proteomes report.

    python docs/make_ev_protein_lists.py SHARED

SHARED is the project's shared folder. Two proteomes there may be handed on: human milk by four methods of isolation,
three pools each (spectra, MIT), and vesicles of MCF10A and MDA-MB cells, three samples each in two runs (MaxQuant, MIT;
deposited as CC0). Decoys, what the table marks as a contaminant of the laboratory, and proteins of other species are
left out; what came along from the milk or the medium is not, for no list can tell it from cargo.
A protein counts once for each preparation that holds it: two spectra at least, or an intensity in both runs. Rows are
ordered by that number, then by the mean share of a preparation's spectra or intensity, so that a list's first are its
most reported. Symbols are HGNC's for a group's first accession that has one, else the table's own first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vesicula.cargo.protein import ProteinTable, join_tables, read_protein_table
from vesicula.cargo.protein.names import genes_of_accessions
from vesicula.cargo.protein.table import ProteinGroup, remove_unwanted

OUT = Path(__file__).parents[1] / "src" / "vesicula" / "data" / "protein" / "ev_protein_lists.tsv"
MILK = "simulation/pedrofortes*/mass_spectrometry_data/DB search psm*.csv"
BREAST = "cargo/NguyenMauTue*/data/filtered_protein_groups.csv"
FEWEST_SPECTRA = 2


def _symbol(group: ProteinGroup, known: dict[str, tuple[str, ...]]) -> str | None:
    if group.species and "HUMAN" not in group.species:
        return None
    named = next((known[a][0] for a in group.accessions if a in known), None)
    return named or (group.genes[0].upper() if group.genes else None)


def _rows(name: str, table: ProteinTable, held: npt.NDArray[np.bool_]) -> list[tuple[str, str, int, int]]:
    """Return (list, symbol, preparations that hold it, preparations), most reported first."""
    share = np.nan_to_num(table.values)
    share = (share / share.sum(axis=0)).mean(axis=1)
    known = genes_of_accessions()
    groups: dict[str, list[int]] = {}
    for k, group in enumerate(table.groups):
        symbol = _symbol(group, known)
        if symbol is not None and held[k].any():
            groups.setdefault(symbol, []).append(k)
    found = {s: (int(held[own].any(axis=0).sum()), float(share[own].sum())) for s, own in groups.items()}
    order = sorted(found, key=lambda s: (-found[s][0], -found[s][1], s))
    return [(name, symbol, found[symbol][0], held.shape[1]) for symbol in order]


def main(shared: Path) -> None:
    files = sorted((shared / "data").glob(MILK))
    (breast_file,) = (shared / "data").glob(BREAST)
    milk, _ = remove_unwanted(join_tables([read_protein_table(f) for f in files]))
    breast, _ = remove_unwanted(read_protein_table(breast_file))
    # Two runs of one sample stand beside each other: 01_MCF10_1_A, 02_MCF10_1_B, ...
    runs = np.nan_to_num(breast.values).reshape(len(breast.groups), -1, 2)
    rows = [
        *_rows("human milk EVs, four isolation methods", milk, np.nan_to_num(milk.values) >= FEWEST_SPECTRA),
        *_rows("EVs of MCF10A and MDA-MB breast cells", breast, (runs > 0).all(axis=2)),
    ]
    text = "list\tgene\tpreparations\tof\n" + "".join(f"{a}\t{b}\t{c}\t{d}\n" for a, b, c, d in rows)
    OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
