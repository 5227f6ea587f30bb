"""The cargo of a batch as one table: names, and where it has them abundances per sample and a comparison."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vesicula.cargo.protein.cells import Cells, load_cells
from vesicula.cargo.protein.names import hgnc_of_group, make_group
from vesicula.cargo.protein.parquet import is_parquet
from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.measurement import FloatArray, SourceFile
from vesicula.mechanism.pairs import MIRNA

CargoKind = Literal["mirna", "protein"]
Scale = Literal["counts", "linear", "log2", "ct"]
BoolArray = npt.NDArray[np.bool_]

CT_LIMIT = 40.0
"""Cycles of a qPCR run; a Ct at or above it means that nothing was detected. The tables tried here run to 40."""

NAME_HEADINGS = (
    "mirna",
    "mirna_name",
    "gene",
    "genes",
    "gene_symbol",
    "symbol",
    "gene name",
    "gene names",
    "gene symbol",
)
ACCESSION_HEADINGS = ("accessions", "accession", "uniprot", "uniprot accession", "protein ids", "protein")
OTHER_HEADINGS = ("name", "id", "gene_id", "")
EFFECT_HEADINGS = ("log2_fold_change", "effect_log2", "log2foldchange", "log2fc", "logfc", "lfc")
P_HEADINGS = ("adjusted_p_value", "adjusted_p", "adj.p.val", "padj", "p_adjusted", "fdr", "q_value", "qvalue", "adjp")
LONG = ("sample", "mirna", "reads_em")
"""Columns of mirna_counts.parquet as `vesicula smallrna` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CargoTable:
    """What was measured in the vesicles.

    Parameters
    ----------
    source : SourceFile
        Name, hash and size of the file.
    kind : {"mirna", "protein"}
        What the names are.
    names : tuple of str
        As printed, each once.
    labels : tuple of str
        For reading: ``miR-21-5p`` or the gene symbol.
    keys : tuple of str
        What names are joined by: of a miRNA stem and arm (``mir-21-5p``), of a protein its HGNC identifier;
        empty where the name is none that is known.
    samples : tuple of str
        Empty where the table has no abundances.
    log2 : numpy.ndarray
        Shape (names, samples). Log2 abundance (of counts: per million, plus a half); NaN where not measured.
    detected : numpy.ndarray of bool
        Shape (names, samples).
    effect, adjusted_p : numpy.ndarray or None
        Shape (names,). Log2 fold change and adjusted p of the table's own comparison.
    notes : tuple of str
        What a reader must know.
    """

    source: SourceFile
    kind: CargoKind
    names: tuple[str, ...]
    labels: tuple[str, ...]
    keys: tuple[str, ...]
    samples: tuple[str, ...]
    log2: FloatArray
    detected: BoolArray
    effect: FloatArray | None = None
    adjusted_p: FloatArray | None = None
    notes: tuple[str, ...] = ()

    def measured(self) -> tuple[int, ...]:
        """Return the rows that could be a finding: of a known name, and detected in a sample where there are any.

        Where several rows are of one gene or miRNA, the most abundant stands for it, else the first.
        """
        seen: BoolArray = np.ones(len(self.names), dtype=bool)
        if self.samples:
            seen = np.asarray(self.detected.any(axis=1))
        elif self.effect is not None:
            seen = np.asarray(np.isfinite(self.effect))
        best: dict[str, int] = {}
        mean = self.mean_log2()
        for i, key in enumerate(self.keys):
            if key and seen[i] and (key not in best or mean[i] > mean[best[key]]):
                best[key] = i
        return tuple(sorted(best.values()))

    def could_stand_out(self) -> tuple[int, ...]:
        """Return the measured rows that could have been in the list tested: of a comparison, those compared."""
        rows = self.measured()
        if self.effect is None:
            return rows
        known = np.isfinite(self.effect)
        if self.adjusted_p is not None:
            known &= np.isfinite(self.adjusted_p)
        return tuple(i for i in rows if known[i])

    def mean_log2(self) -> FloatArray:
        """Return the mean log2 abundance of each row, what is missing left out; 0 without samples."""
        count = np.isfinite(self.log2).sum(axis=1)
        return np.where(count > 0, np.nansum(self.log2, axis=1) / np.maximum(count, 1), 0.0)


def canonical_mirna(name: str) -> str:
    """Return the stem and arm of a human miRNA's name, folded (``hsa-miR-21-5p``: ``mir-21-5p``); empty: none."""
    found = MIRNA.fullmatch(name.strip())
    return f"{found[1]}{found[2] or ''}".casefold() if found is not None else ""


def read_cargo(
    path: Path,
    *,
    kind: CargoKind | None = None,
    scale: Scale | None = None,
    samples: Sequence[str] | None = None,
    name_column: str | None = None,
    effect_column: str | None = None,
    p_column: str | None = None,
) -> CargoTable:
    """Read a cargo table or a plain list of names.

    Parameters
    ----------
    path : pathlib.Path
        TSV, CSV, XLSX (gzip or not) or Parquet. A list of names; or a column of names with abundances per sample,
        with the columns of a comparison (as ``vesicula proteome --tsv`` writes), or long as ``vesicula smallrna``
        writes (sample, mirna, reads_em). Protein tables of known software are read as ``vesicula proteome`` does.
    kind : {"mirna", "protein"}, optional
        Judged by the names otherwise.
    scale : {"counts", "linear", "log2", "ct"}, optional
        Of the abundances. Default: counts for miRNAs, for proteins as the reader of protein tables judges.
    samples : sequence of str, optional
        Columns of abundances; all other numeric columns by default, unless the table has a comparison.
    name_column, effect_column, p_column : str, optional
        Headings, where they are not found by themselves.

    Returns
    -------
    CargoTable
        Rows in the order of the file.

    Raises
    ------
    UnreadableFile
        If the file is no such table; names the place.
    """
    cells = _parquet(path) if is_parquet(path) else load_any(path)
    header = [h.strip() for h in cells.rows[0][1]]
    if set(LONG) <= set(header):
        return _from_long(cells, header)
    places = _places(path, header, name_column, effect_column, p_column)
    rows = [(line, row + [""] * (len(header) - len(row))) for line, row in cells.rows[1:]]
    found_kind: CargoKind = kind or _kind_of([row[places.name].strip() for _, row in rows])
    if found_kind == "protein" and places.effect is None and len(header) > 1 and scale != "ct":
        return _from_protein_table(path, samples, scale)
    return _from_wide(cells, header, rows, places, found_kind, scale, samples)


def load_any(path: Path) -> Cells:
    """Return the cells of a table, or of a list of names that has no heading."""
    cells = load_cells_or_list(path)
    first = cells.rows[0][1]
    if len(first) == 1 and (canonical_mirna(first[0]) or _hgnc(first[0])):
        return replace(cells, rows=((0, ["name"]), *cells.rows))
    return cells


def load_cells_or_list(path: Path) -> Cells:
    """Return the cells, also of a file of a single line, which may be a list of one name."""
    try:
        return load_cells(path)
    except UnreadableFile as error:
        if error.found != "a header without rows":
            raise
        text = path.read_text(encoding="utf-8-sig").strip()
        if not (canonical_mirna(text) or _hgnc(text)):
            raise
        import hashlib

        data = path.read_bytes()
        source = SourceFile(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        return Cells(path=path, source=source, rows=((0, ["name"]), (1, [text])), delimiter="\t")


def _parquet(path: Path) -> Cells:
    import hashlib

    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(
            path, where="whole file", expected="a whole Parquet file", found=f"one that cannot be read ({error})",
            remedy="It may be cut off: copy it again.",
        ) from error  # fmt: skip
    if not frame.height:
        raise UnreadableFile(
            path, where="whole file", expected="rows", found="none", remedy="Check the run that wrote it."
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    body = [["" if v is None else str(v) for v in row] for row in frame.iter_rows()]
    source = SourceFile(name=path.name, sha256=digest, size_bytes=path.stat().st_size)
    return Cells(path=path, source=source, rows=tuple(enumerate([frame.columns, *body], start=1)), delimiter="\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    name: int
    accession: int | None
    effect: int | None
    p: int | None


def _places(path: Path, header: list[str], name: str | None, effect: str | None, p: str | None) -> _Places:
    folded = [h.casefold() for h in header]

    def find(asked: str | None, known: Collection[str], *, endings: bool = False) -> int | None:
        if asked is not None:
            if asked not in header:
                raise UnreadableFile(
                    path, where="line 1", expected=f"a column {asked!r}", found=", ".join(header[:12]),
                    remedy="Name one of the columns that are there.",
                )  # fmt: skip
            return header.index(asked)
        exact = [folded.index(k) for k in known if k in folded]
        if exact:
            return exact[0]
        ends = [i for i, h in enumerate(folded) if endings and h.endswith(tuple("." + k for k in known))]
        return ends[0] if len(ends) == 1 else None

    accession = find(None, ACCESSION_HEADINGS)
    place = find(name, NAME_HEADINGS)
    if place is None:
        place = accession if accession is not None else find(None, OTHER_HEADINGS)
    return _Places(
        name=place if place is not None else 0,
        accession=accession,
        effect=find(effect, EFFECT_HEADINGS, endings=True),
        p=find(p, P_HEADINGS, endings=True),
    )


def _kind_of(names: Sequence[str]) -> CargoKind:
    # Any species: a table of mouse miRNAs is a table of miRNAs, though none of its names can be used.
    pattern = re.compile(r"(?:[a-z]{3,4}-)?(?:mir|let)-?\d", re.IGNORECASE)
    mirnas = sum(pattern.match(n) is not None for n in names)
    return "mirna" if 2 * mirnas > len(names) else "protein"


def _hgnc(name: str, accession: str = "") -> str:
    return hgnc_of_group(make_group("x", ids=f"{accession};{name}", genes=name)) or ""


def identities(kind: CargoKind, names: Sequence[str], accessions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return labels and keys of names; see :class:`CargoTable`."""
    if kind == "mirna":
        return [n.removeprefix("hsa-") for n in names], [canonical_mirna(n) for n in names]
    groups = [
        make_group("x", ids=f"{a};{n}", genes="" if a == n else n) for n, a in zip(names, accessions, strict=True)
    ]
    groups = [
        g if hgnc_of_group(g) else make_group("x", ids=f"{n};{a}")
        for g, n, a in zip(groups, names, accessions, strict=True)
    ]
    return [(g.genes[0] if g.genes else n) for g, n in zip(groups, names, strict=True)], [
        hgnc_of_group(g) or "" for g in groups
    ]


def _from_wide(
    cells: Cells,
    header: list[str],
    rows: list[tuple[int, list[str]]],
    places: _Places,
    kind: CargoKind,
    scale: Scale | None,
    samples: Sequence[str] | None,
) -> CargoTable:
    path = cells.path
    names = [row[places.name].strip() for _, row in rows]
    accessions = [row[places.accession].strip() if places.accession is not None else "" for _, row in rows]
    names = [name or accession for name, accession in zip(names, accessions, strict=True)]
    columns = _sample_columns(path, header, rows, places, samples)
    values = np.array(
        [[_number(path, line, header[c], row[c]) for c in columns] for line, row in rows], dtype=float
    ).reshape(len(rows), len(columns))
    kept, notes = _unique(names, [a or n for a, n in zip(accessions, names, strict=True)])
    names, accessions, values = [names[i] for i in kept], [accessions[i] for i in kept], values[kept]
    chosen: Scale = scale or ("counts" if kind == "mirna" else "linear")
    log2, detected = to_log2(path, values, chosen)
    labels, keys = identities(kind, names, accessions)
    lines = [rows[i] for i in kept]
    return CargoTable(
        source=cells.source,
        kind=kind,
        names=tuple(names),
        labels=tuple(labels),
        keys=tuple(keys),
        samples=tuple(header[c] for c in columns),
        log2=log2,
        detected=detected,
        effect=_column(path, header, lines, places.effect),
        adjusted_p=_column(path, header, lines, places.p),
        notes=(*notes, *_unknown(kind, names, keys)),
    )


def _column(path: Path, header: list[str], rows: list[tuple[int, list[str]]], place: int | None) -> FloatArray | None:
    if place is None:
        return None
    return np.array([_number(path, line, header[place], row[place]) for line, row in rows], dtype=float)


def _sample_columns(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], places: _Places, samples: Sequence[str] | None
) -> list[int]:
    if samples is not None:
        missing = [s for s in samples if s not in header]
        if missing:
            raise UnreadableFile(
                path, where="line 1", expected=f"a column of the sample {missing[0]!r}", found=", ".join(header[:12]),
                remedy="Correct the sample sheet or the table's heading.",
            )  # fmt: skip
        return [header.index(s) for s in samples]
    if places.effect is not None:
        return []
    taken = {places.name, places.accession, places.effect, places.p}
    return [c for c in range(len(header)) if c not in taken and header[c] and _is_numeric(rows, c)]


def _is_numeric(rows: list[tuple[int, list[str]]], column: int) -> bool:
    filled = [row[column].strip() for _, row in rows if row[column].strip() not in {"", "NA", "NaN", "nan"}]
    return bool(filled) and sum(_float(cell) is not None for cell in filled) > 0.9 * len(filled)


def _float(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


EMPTY_CELLS = frozenset({"", "na", "nan", "none", "null", "undetermined"})


def _number(path: Path, line: int, heading: str, cell: str) -> float:
    if cell.strip().casefold() in EMPTY_CELLS:
        return float("nan")
    value = _float(cell)
    if value is None or np.isinf(value):
        raise UnreadableFile(
            path, where=f"line {line}, column {heading!r}", expected="a number or nothing", found=repr(cell),
            remedy="Correct the cell, or name the columns of the samples in a sample sheet.",
        )  # fmt: skip
    return value


def _unique(names: Sequence[str], by: Sequence[str]) -> tuple[list[int], list[str]]:
    first: dict[str, int] = {}
    for i, name in enumerate(by):
        if name and names[i]:
            first.setdefault(name, i)
    kept = sorted(first.values())
    lost = len(names) - len(kept)
    return kept, [f"{lost} rows without a name, or with one that stands before, are left out."] if lost else []


def _unknown(kind: CargoKind, names: Sequence[str], keys: Sequence[str]) -> list[str]:
    odd = [n for n, k in zip(names, keys, strict=True) if not k]
    if not odd:
        return []
    what = "human miRNAs by their name" if kind == "mirna" else "genes that HGNC knows"
    return [f"{len(odd)} of {len(names)} names are no {what}, such as {odd[0][:60]}: they are left out of all tests."]


def to_log2(path: Path, values: FloatArray, scale: Scale) -> tuple[FloatArray, BoolArray]:
    """Return log2 abundances and what was detected.

    Parameters
    ----------
    path : pathlib.Path
        For errors.
    values : numpy.ndarray
        Shape (names, samples).
    scale : {"counts", "linear", "log2", "ct"}
        Counts become log2 of (count + 0.5) per million of (all + 1), as in voom (Law et al. 2014, Genome Biol 15:R29).
        Of linear values 0 is missing. Ct values become 40 - Ct, and 40 and more is not detected.

    Returns
    -------
    tuple of (numpy.ndarray, numpy.ndarray of bool)
        Shape (names, samples) each.

    Raises
    ------
    UnreadableFile
        For negative counts or intensities.
    """
    if scale in {"counts", "linear"} and np.nanmin(values, initial=0.0) < 0:
        raise UnreadableFile(
            path, where="abundances", expected=f"{scale} of 0 and more", found=f"{np.nanmin(values):g}",
            remedy="Say --scale log2 if they are logarithms.",
        )  # fmt: skip
    if scale == "counts":
        counts = np.nan_to_num(values)
        return np.log2((counts + 0.5) / (counts.sum(axis=0) + 1.0) * 1e6), counts > 0
    if scale == "ct":
        detected = np.isfinite(values) & (values < CT_LIMIT)
        return np.where(detected, CT_LIMIT - values, np.nan), detected
    if scale == "linear":
        detected = np.isfinite(values) & (values > 0)
        return np.where(detected, np.log2(np.where(detected, values, 1.0)), np.nan), detected
    return values, np.isfinite(values)


def _from_long(cells: Cells, header: list[str]) -> CargoTable:
    at = {name: header.index(name) for name in LONG}
    totals: dict[str, dict[str, float]] = {}
    samples: dict[str, int] = {}
    for line, row in cells.rows[1:]:
        sample, mirna = row[at["sample"]], row[at["mirna"]]
        samples.setdefault(sample, len(samples))
        per = totals.setdefault(mirna, {})
        per[sample] = per.get(sample, 0.0) + _number(cells.path, line, "reads_em", row[at["reads_em"]])
    names = list(totals)
    values = np.array([[totals[n].get(s, 0.0) for s in samples] for n in names], dtype=float)
    log2, detected = to_log2(cells.path, values, "counts")
    labels, keys = identities("mirna", names, names)
    return CargoTable(
        source=cells.source, kind="mirna", names=tuple(names), labels=tuple(labels), keys=tuple(keys),
        samples=tuple(samples), log2=log2, detected=detected, notes=tuple(_unknown("mirna", names, keys)),
    )  # fmt: skip


def _from_protein_table(path: Path, samples: Sequence[str] | None, scale: Scale | None) -> CargoTable:
    from vesicula.cargo.protein.read import read_protein_table
    from vesicula.cargo.protein.table import remove_unwanted

    is_log2 = {"log2": True, "linear": False, "counts": False}.get(scale or "")
    table, removed = remove_unwanted(read_protein_table(path, samples=samples, log2=is_log2))
    keys = [hgnc_of_group(g) or "" for g in table.groups]
    names = [g.id for g in table.groups]
    log2 = table.log2_values()
    return CargoTable(
        source=table.sources[0],
        kind="protein",
        names=tuple(names),
        labels=tuple(g.genes[0] if g.genes else g.id for g in table.groups),
        keys=tuple(keys),
        samples=table.samples,
        log2=log2,
        detected=np.isfinite(log2),
        notes=(
            removed.text,
            f"Read as {table.software}; {table.kind}{', log2' if table.log2 else ''}.",
            *dict.fromkeys(n.message for n in table.notes),
            *_unknown("protein", names, keys),
        ),
    )


def with_comparison(table: CargoTable, other: CargoTable) -> CargoTable:
    """Return a table with the comparison of another one, joined by the names' keys.

    Raises
    ------
    AnalysisError
        When the other has no comparison, or no name is in both.
    """
    if other.effect is None:
        raise AnalysisError(
            f"{other.source.name}: has no comparison: expected a column of log2 fold changes, such as "
            f"{EFFECT_HEADINGS[0]} or {EFFECT_HEADINGS[1]}"
        )
    place = {key: i for i, key in enumerate(other.keys) if key}
    rows = [place.get(key, -1) if key else -1 for key in table.keys]
    if max(rows, default=-1) < 0:
        raise AnalysisError(f"{other.source.name} and {table.source.name} have no name in common")
    index = np.array(rows)
    effect = np.where(index >= 0, other.effect[index], np.nan)
    p = np.where(index >= 0, other.adjusted_p[index], np.nan) if other.adjusted_p is not None else None
    lost = len(other.keys) - len({i for i in rows if i >= 0})
    note = (f"{lost} names of {other.source.name} are not in {table.source.name}.",) if lost else ()
    return replace(table, effect=effect, adjusted_p=p, notes=(*table.notes, *note))
