"""Tables as each software writes them, small; and where the real ones are."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vesicula.cargo.protein import ProteinTable, join_tables, read_protein_table

SHARED = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[3].parent / "shared")) / "data"


@pytest.fixture(scope="session")
def milk() -> ProteinTable:
    """Vesicles of human milk by four methods of isolation, three pools each (PEAKS, MIT licence)."""
    files = sorted(SHARED.glob("simulation/pedrofortes*/mass_spectrometry_data/DB search psm*.csv"))
    if len(files) != 12:
        pytest.skip("no milk tables in the shared data")
    return join_tables([read_protein_table(f) for f in files])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a table and return its path."""

    def make(rows: list[list[object]], *, name: str = "table.tsv", sep: str = "\t") -> Path:
        path = tmp_path / name
        path.write_text("".join(sep.join(str(c) for c in row) + "\n" for row in rows), encoding="utf-8")
        return path

    return make


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as an XLSX workbook of one sheet; perhaps with a stray cell, or with blanks that pack to nothing."""

    def cell(row: int, column: int, value: object) -> str:
        place = f"{chr(65 + column)}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    def make(rows: list[list[object]], *, stray: str = "", padding: int = 0) -> Path:
        body = "".join(
            f'<row r="{r}">{"".join(cell(r, c, v) for c, v in enumerate(row))}</row>' for r, row in enumerate(rows, 1)
        )
        if stray:
            body += f'<row r="{stray.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{stray}"><v>1</v></c></row>'
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        package = "http://schemas.openxmlformats.org/package/2006"
        parts = {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
            'ContentType="application/xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
            f'Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="Sheet1" sheetId="1" '
            'r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
            f'Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}{" " * padding}</sheetData>'
            "</worksheet>",
        }
        path = tmp_path / "t.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in parts.items():
                archive.writestr(name, text)
        return path

    return make
