"""The tables that ship with vesicula, turned into what the store writes at first use."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from functools import cache
from importlib.resources import files

from vesicula.core.errors import UnreadableFile
from vesicula.evidence.content import Content, DraftClaim, DraftReference, DraftRow, DraftTable
from vesicula.evidence.fold import split_list
from vesicula.evidence.model import CLAIM_COLUMNS, Source, TableEntry

FOLDER = "evidence"
REVIEW_FILES = (
    "studies",
    "references",
    "trials",
    "ev_classes",
    "isolation_methods",
    "verification_methods",
    "msc_identity",
    "imsc_derivation",
    "biogenesis_facts",
    "cargo_facts",
    "challenges",
)
ATLAS_FILES = (
    "Fig1a_Articles_by_Year_and_Category",
    "Fig1b_Articles_by_Cell_Source",
    "Fig2a_Clinical_Studies_Overview",
    "Fig2b_Clinical_Trial_Doses",
    "Fig3a_Drug_Loading_Methods",
    "Fig3bc_Loading_Capacity",
    "Fig3c_Loading_Capacity_Summary",
    "Fig3e_DoseResponse_Summary",
    "Fig3e_siRNA_DoseResponse",
    "Fig4a_Dye_Subtypes",
    "Fig4ab_Mice_Labelling_Doses",
    "Fig4c_MSC_Biodistribution",
    "Fig5b_Biodist_24h",
    "Fig5c_Tumour_Cancer_vs_Non",
    "Fig5d_Engineered_vs_Native",
)
ATLAS_TRIALS = "Fig2b_Clinical_Trial_Doses"
OWN_LICENCE = "facts in our words, BSD-3-Clause"

SOURCES = (
    Source(
        source="review-a",
        title="Exosomes of iPSC-derived MSCs",
        citation="Aldoghachi et al. 2023, J Chin Med Assoc 86:356-365",
        doi="10.1097/JCMA.0000000000000899",
        licence=OWN_LICENCE,
        revision=0,
    ),
    Source(
        source="review-b",
        title="MSC exosomes in regenerative medicine and cancer",
        citation="Hassanzadeh et al. 2021, Stem Cell Research & Therapy 12",
        doi="10.1186/s13287-021-02378-7",
        licence="CC BY 4.0; " + OWN_LICENCE,
        revision=0,
    ),
)
ATLAS = Source(
    source="ev-atlas",
    title="The status of extracellular vesicles as drug carriers and therapeutics: data of the figures",
    citation="Chaudhari et al. 2026, Nat Rev Bioeng",
    doi="10.1038/s44222-026-00405-x",
    licence="MIT, (c) 2026 Ameya4229C",
    revision=0,
)

PRINTED_TABLES = (
    ("review-a/table-1", "claims", "iMSCs in disease models"),
    ("review-a/table-2", "rows", "Vesicle classes"),
    ("review-a/table-3", "claims", "iMSC exosomes in disease models"),
    ("review-a/table-4", "claims", "iMSC EVs in disease models"),
    ("review-a/text", "claims", "Claims in the text of review A"),
    ("review-a/text-trials", "trials", "Trials in the text of review A"),
    ("review-b/table-1", "claims", "MSC exosomes in regenerative medicine"),
    ("review-b/table-2", "claims", "MSC exosomes and tumours: promoting and inhibitory"),
    ("review-b/table-3", "trials", "Clinical trials of MSC exosomes"),
    ("review-b/text", "claims", "Claims in the text of review B"),
    ("review-b/text-classes", "rows", "Vesicle classes in the text of review B"),
)
"""Tables as the reviews print them. They are parts of the packaged files, which are listed as reviews/<file>."""

# A review's trial columns are the store's; the atlas's are renamed so. What has no place stays in `printed`.
ATLAS_TRIAL_COLUMNS = {
    "nct_id": "NCT_Number",
    "title": "Study_Title",
    "cell_source": "EV_Source",
    "route": "Route_of_Administration",
    "dose": "Dose",
    "highest_dose": "Highest_Dose_Level",
    "dose_units": "Dose_Units",
    "number_of_doses": "Num_Doses",
    "dose_frequency_days": "Dose_Frequency_Days",
    "notes": "Dose_Notes",
    "url": "Study_URL",
}
DOI_COLUMNS = ("DOI", "doi")


def _read(path: str) -> bytes:
    return files("vesicula.data").joinpath(FOLDER, *path.split("/")).read_bytes()


def read_table(path: str, delimiter: str = ",") -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the columns and rows of a packaged table.

    Parameters
    ----------
    path : str
        Below ``vesicula/data/evidence``.
    delimiter : str
        Comma or tab.

    Returns
    -------
    tuple of str, list of dict
        Cells as they stand.

    Raises
    ------
    vesicula.core.errors.UnreadableFile
        If a row has not as many cells as the header.
    """
    text = _read(path).decode("utf-8")
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UnreadableFile(
                path,
                where=f"row {number}",
                expected=f"{len(header)} cells",
                found=str(len(row)),
                remedy="The tables ship with vesicula: install it again.",
            )
    return tuple(header), [dict(zip(header, row, strict=True)) for row in rows]


@cache
def vocabulary() -> dict[str, dict[str, str]]:
    """Return the closed vocabularies: column to term to meaning."""
    words: dict[str, dict[str, str]] = {}
    for row in read_table("vocabulary.tsv", "\t")[1]:
        words.setdefault(row["column"], {})[row["term"]] = row["meaning"]
    return words


def _digest(paths: list[str], sources: Iterable[Source]) -> str:
    whole = hashlib.sha256(repr([astuple(source) for source in sources]).encode())
    for path in paths:
        whole.update(f"{path}\0{hashlib.sha256(_read(path)).hexdigest()}\n".encode())
    return whole.hexdigest()


def _doubts() -> dict[tuple[str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in read_table("doubts.tsv", "\t")[1]:
        found.setdefault((row["table"], row["row"]), []).append((row["kind"], row["text"]))
    return found


def _doubts_of(table: str, row: str, notes: str) -> tuple[tuple[str, str], ...]:
    """Doubts about a row; one without words of its own is the note of the row itself."""
    listed = _doubts()
    return tuple((kind, text or notes) for key in ((table, row), (table, "*")) for kind, text in listed.get(key, []))


def printed_table(review: str, location: str) -> str:
    """Return the id of the table of a review in which a claim stands: ``review-b/table-1``, or ``review-b/text``."""
    match = re.match(r"Table (\d+)", location)
    return f"review-{review.lower()}/table-{match[1]}" if match else f"review-{review.lower()}/text"


def printed_group(part: str, cells: dict[str, str]) -> str:
    """Return the heading under which a claim stands in its table.

    Review B's Table 2 has one half promoting and one inhibitory, written in the location. Its Table 1 goes organ by
    organ, which is the condition class. Claims in the text stand under their section. Other tables have no headings.
    """
    if part == "review-b/table-2":
        return cells["location"].removeprefix("Table 2 ").partition(" row ")[0]
    if part == "review-b/table-1":
        return cells["condition_class"]
    return cells["location"] if part.endswith("/text") else ""


def _claims() -> Iterator[DraftClaim]:
    columns, rows = read_table("studies.csv")
    if columns != CLAIM_COLUMNS:
        raise UnreadableFile(
            "studies.csv",
            where="line 1",
            expected=",".join(CLAIM_COLUMNS),
            found=",".join(columns),
            remedy="The tables ship with vesicula: install it again.",
        )
    for cells in rows:
        source = f"review-{cells['review'].lower()}"
        part = printed_table(cells["review"], cells["location"])
        yield DraftClaim(
            cells=cells,
            source=source,
            table="reviews/studies",
            part=part,
            group=printed_group(part, cells),
            references=tuple((source, number) for number in split_list(cells["reference_numbers"])),
            doubts=_doubts_of("studies", cells["record_id"], cells["notes"]),
        )


def _references() -> Iterator[DraftReference]:
    for position, row in enumerate(read_table("references.csv")[1], start=1):
        yield DraftReference(
            source=f"review-{row['review'].lower()}",
            number=row["number"],
            table="reviews/references",
            position=position,
            first_author=row["first_author"],
            year=row["year"],
            citation=row["citation"],
            number_inferred=row["number_inferred"] == "yes",
        )


def _review_trials() -> Iterator[DraftRow]:
    for position, row in enumerate(read_table("trials.csv")[1], start=1):
        part = printed_table(row["review"], row["location"])
        yield DraftRow(
            table="reviews/trials",
            part=f"{part}-trials" if part.endswith("/text") else part,
            position=position,
            source=f"review-{row['review'].lower()}",
            doi="",
            printed=row,
            trial=row,
            doubts=_doubts_of("trials", row["nct_id"], row["notes"]),
        )


def _class_part(row: dict[str, str]) -> str:
    part = printed_table(row["review"], row["location"])
    return part if "/table-" in part else f"{part}-classes"


def _other_rows(name: str) -> Iterator[DraftRow]:
    for position, row in enumerate(read_table(f"{name}.csv")[1], start=1):
        yield DraftRow(
            table=_table_id("reviews", name),
            part=_class_part(row) if name == "ev_classes" else "",
            position=position,
            source=";".join(f"review-{r.lower()}" for r in split_list(row.get("review", ""))),
            doi="",
            printed=row,
            doubts=_doubts_of(name, str(position), row.get("notes", "")),
        )


def _atlas_rows(name: str) -> Iterator[DraftRow]:
    for position, row in enumerate(read_table(f"ev_atlas/{name}.csv")[1], start=1):
        yield DraftRow(
            table=_table_id("ev-atlas", name),
            part="",
            position=position,
            source="ev-atlas",
            doi=next((row[column] for column in DOI_COLUMNS if column in row), ""),
            printed=row,
            trial={ours: row[theirs] for ours, theirs in ATLAS_TRIAL_COLUMNS.items()} if name == ATLAS_TRIALS else None,
            doubts=_doubts_of(name.lower(), str(position), ""),
        )


def _table_id(source: str, name: str) -> str:
    return f"{source}/{name.lower().replace('_', '-')}"


def _tables(source: str, folder: str, names: tuple[str, ...]) -> Iterator[DraftTable]:
    kinds = {"studies": "claims", "references": "references", "trials": "trials", ATLAS_TRIALS: "trials"}
    for name in names:
        entry = TableEntry(
            table=_table_id(source, name),
            source=source,
            title=name.replace("_", " "),
            kind=kinds.get(name, "rows"),
        )
        yield DraftTable(entry=entry, columns=read_table(f"{folder}{name}.csv")[0])


def _printed_tables() -> Iterator[DraftTable]:
    columns = {
        "claims": CLAIM_COLUMNS,
        "trials": read_table("trials.csv")[0],
        "rows": read_table("ev_classes.csv")[0],
    }
    for table, kind, title in PRINTED_TABLES:
        entry = TableEntry(table=table, source=table.partition("/")[0], title=title, kind=kind)
        yield DraftTable(entry=entry, columns=columns[kind])


def packaged_contents() -> tuple[Content, Content]:
    """Return what a new store begins with: the two founding reviews, and the EV atlas.

    Returns
    -------
    tuple of Content
        Each is one revision.
    """
    review_paths = [f"{name}.csv" for name in REVIEW_FILES] + ["doubts.tsv"]
    atlas_paths = [f"ev_atlas/{name}.csv" for name in ATLAS_FILES] + ["doubts.tsv"]
    reviews = Content(
        source="review-a;review-b",
        note="the two founding reviews, packaged",
        file_name="vesicula/data/evidence",
        sha256=_digest(review_paths, SOURCES),
        sources=SOURCES,
        tables=(*_printed_tables(), *_tables("reviews", "", REVIEW_FILES)),
        references=tuple(_references()),
        rows=(*_review_trials(), *(row for name in REVIEW_FILES[3:] for row in _other_rows(name))),
        claims=tuple(_claims()),
    )
    atlas = Content(
        source="ev-atlas",
        note="the EV atlas, packaged; units and normalisations differ between rows: never pool them blindly",
        file_name="vesicula/data/evidence/ev_atlas",
        sha256=_digest(atlas_paths, [ATLAS]),
        sources=(ATLAS,),
        tables=tuple(_tables("ev-atlas", "ev_atlas/", ATLAS_FILES)),
        rows=tuple(row for name in ATLAS_FILES for row in _atlas_rows(name)),
    )
    return reviews, atlas
