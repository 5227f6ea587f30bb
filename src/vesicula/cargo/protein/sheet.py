"""The sample sheet: which column of the table is of which condition, unit, donor and batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vesicula.cargo.enrichment import SampleInfo
from vesicula.cargo.protein.cells import load_cells
from vesicula.cargo.protein.formats import find_column
from vesicula.core.errors import UnreadableFile

COLUMNS = ("sample", "condition", "unit", "donor", "batch")


def read_sample_sheet(path: Path) -> tuple[SampleInfo, ...]:
    """Read a sample sheet.

    Parameters
    ----------
    path : pathlib.Path
        TSV, CSV or XLSX with the columns `sample` and `condition`, and `unit` (biological sample, where several
        runs are of one), `donor` and `batch` where they apply.

    Returns
    -------
    tuple of SampleInfo
        In the order of the sheet.

    Raises
    ------
    UnreadableFile
        When a needed column is missing, a cell is empty, or a sample is listed twice.
    """
    cells = load_cells(path)
    header = [h.strip() for h in cells.rows[0][1]]
    places = {name: find_column(header, (name,)) for name in COLUMNS}
    for name in ("sample", "condition"):
        if places[name] is None:
            raise UnreadableFile(
                path,
                where="line 1",
                expected="a sample sheet with the columns sample and condition (and unit, donor, batch)",
                found=", ".join(header[:8]),
                remedy=f"Add the column {name!r}.",
            )
    found = []
    for line, row in cells.rows[1:]:
        values = {k: row[c].strip() if c is not None and c < len(row) else "" for k, c in places.items()}
        if not values["sample"] or not values["condition"]:
            raise UnreadableFile(
                path, where=f"line {line}", expected="a sample and its condition", found=", ".join(row),
                remedy="Fill in the empty cell, or delete the line.",
            )  # fmt: skip
        found.append(SampleInfo(**values))
    twice = [s for s, n in Counter(i.sample for i in found).items() if n > 1]
    if twice:
        raise UnreadableFile(
            path, where="column sample", expected="each sample once", found=twice[0], remedy="Delete the second line."
        )
    return tuple(found)
