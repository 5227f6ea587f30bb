"""Build the tables of vesicula/data/mechanism: which gene belongs to which pathway or process.

    python docs/make_mechanism_tables.py SHARED

SHARED is the project's shared folder with the three GMT files that PROVENANCE.tsv names. Symbols become HGNC numbers
by the packaged tables of names: an approved symbol, or else a former symbol of exactly one gene, letter by letter.
Aliases are not used: PB1 is an alias of a human gene, but in Reactome it is influenza's. What is neither (viral
proteins, RNAs, immunoglobulin segments) stays in the table as a symbol and is counted.
The program itself never needs this script. The output's bytes depend on its input only.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ROOT / "src" / "vesicula" / "data" / "names"
OUT = ROOT / "src" / "vesicula" / "data" / "mechanism"
REACTOME = "calebclass__Shiny-NanoTube/data/ReactomePathways.gmt"
GO = "zqfang__GSEApy/tests/extdata/enrichr.GO_Biological_Process_2021.gmt"
HALLMARK = "zqfang__GSEApy/tests/extdata/h.all.v7.0.symbols.gmt"
PROVENANCE = (
    (
        REACTOME,
        "reactome",
        "Reactome, ReactomePathways.gmt (calebclass/Shiny-NanoTube 04548510 copy)",
        "not stated in the file",
        "CC0 1.0",
        "yes (reactome.org/license: annotation files are CC0)",
    ),
    (
        GO,
        "go-bp-2021",
        "Gene Ontology annotations, biological process, as gene sets of Enrichr (zqfang/GSEApy 08cb2b68 copy)",
        "2021",
        "CC BY 4.0",
        "as recorded with the file held",
    ),
    (
        HALLMARK,
        "hallmark-7.0",
        "MSigDB hallmark gene sets (zqfang/GSEApy 08cb2b68 copy); Liberzon et al. 2015, doi 10.1016/j.cels.2015.12.004",
        "7.0",
        "CC BY 4.0",
        "as recorded with the file held",
    ),
)
Set_ = tuple[str, str, list[str]]  # identifier, name, symbols


def _table(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def symbol_index() -> dict[str, str]:
    """Return approved symbols, and former symbols that mean one gene only, with their HGNC numbers."""
    index = {row["label"]: row["id"].removeprefix("HGNC:") for row in _table(NAMES / "gene_terms.tsv")}
    former: dict[str, set[str]] = {}
    for row in _table(NAMES / "gene_names.tsv"):
        if row["relation"] == "former" and row["id"].startswith("HGNC:"):
            former.setdefault(row["name"], set()).add(row["id"].removeprefix("HGNC:"))
    for name, ids in former.items():
        if len(ids) == 1:
            index.setdefault(name, next(iter(ids)))
    return index


def read_gmt(path: Path, origin: str) -> Iterable[Set_]:
    """Read a GMT file; the identifier stands in another place in each of the three."""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, second, *symbols = line.split("\t")
        if origin == "reactome":
            identifier = second
        elif match := re.fullmatch(r"(.*) \((GO:\d{7})\)", name):
            name, identifier = match.groups()
        else:
            identifier = name
            name = name.removeprefix("HALLMARK_").replace("_", " ").lower()
        yield identifier, name.strip(), sorted({s.strip() for s in symbols} - {""})


def main(shared: Path) -> None:
    """Write gene_sets.tsv.gz and PROVENANCE.tsv."""
    index = symbol_index()
    rows = []
    notes = []
    for file, origin, source, release, licence, checked in PROVENANCE:
        path = shared / "data" / "cargo" / file
        seen: set[str] = set()
        missing: set[str] = set()
        sets = sorted(read_gmt(path, origin))
        for identifier, name, symbols in sets:
            numbers = sorted({int(index[s]) for s in symbols if s in index})
            others = [s for s in symbols if s not in index]
            seen.update(symbols)
            missing.update(others)
            rows.append((identifier, origin, name, " ".join(map(str, numbers)), " ".join(others)))
        what = (
            f"{len(sets)} sets; {len(seen)} symbols, of which {len(missing)} are no HGNC gene of the packaged names; "
            "altered: symbols as HGNC numbers, without descriptions and links"
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        notes.append(("gene_sets.tsv.gz", origin, source, release, licence, checked, what, digest))
    text = "\n".join("\t".join(row) for row in [("id", "origin", "name", "hgnc", "other_symbols"), *rows]) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    # Neither a time nor a file's name in the header, so that the same tables are the same bytes.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as zipped:
        zipped.write(text.encode("utf-8"))
    (OUT / "gene_sets.tsv.gz").write_bytes(packed.getvalue())
    head = ("file", "origin", "source", "release", "licence", "licence_checked", "what", "sha256_of_source")
    table = "\n".join("\t".join(row) for row in [head, *notes]) + "\n"
    (OUT / "PROVENANCE.tsv").write_text(table, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
