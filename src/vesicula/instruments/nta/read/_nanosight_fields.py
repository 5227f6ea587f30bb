"""Looks up the rows of a NanoSight summary by section and name, one cell per capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vesicula.core.errors import UnreadableFile
from vesicula.core.measurement import FloatArray, ReadWarning
from vesicula.instruments.nta.read._nanosight_layout import DATA_SECTIONS, Export, Row
from vesicula.instruments.text import parse_number

if TYPE_CHECKING:
    from pathlib import Path

_POOLED_TITLES = ("average", "standard error")
_TEXT_SECTIONS = ("", "experiment details")
_LIST_SECTIONS = ("exclusion regions", "data included")


class Fields:
    """The rows of one export.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    export : Export
        Its rows.
    block : int
        The block of rows above the table that the captures come from.
    """

    def __init__(self, path: Path, export: Export, block: int) -> None:
        self.path = path
        self.export = export
        self.block = block
        self.rows: dict[tuple[str, str], list[Row]] = {}
        self.sections_of: dict[str, list[str]] = {}
        for row in export.rows:
            section = row.section.lower()
            self.rows.setdefault((section, row.key), []).append(row)
            known = self.sections_of.setdefault(row.key, [])
            if section not in known:
                known.append(section)
        self.manifest = _trimmed(self.cells("Experiment Details", "Filename:") or ())
        self.names: tuple[str, ...] = self.manifest
        self._order: list[int] | None = None
        self._unreadable: list[str] = []
        self._parsed: dict[str, float | None] = {"": None}

    def choose(self, names: tuple[str, ...]) -> None:
        """Set the captures in the order of the table's columns; rows above follow the manifest's order.

        Parameters
        ----------
        names : tuple of str
            The captures, the same as in the manifest where there is one.
        """
        self.names = names
        if self.manifest and self.manifest != names:
            places: dict[str, list[int]] = {}
            for i, name in enumerate(self.manifest):
                places.setdefault(name, []).append(i)
            self._order = [places[name].pop(0) for name in names]

    def row(self, section: str, key: str, *, block: int | None = None) -> Row | None:
        """Return a row, wherever it stands if its name is unique, or None.

        Parameters
        ----------
        section, key : str
            Where it belongs and its name.
        block : int, optional
            Which weighting, in a section with several.

        Returns
        -------
        Row or None
            None when there is no such row.

        Raises
        ------
        UnreadableFile
            When it stands twice with different content.
        """
        found = self.rows.get((section.lower(), key))
        if found is None and section.lower() not in DATA_SECTIONS and len(self.sections_of.get(key, [])) == 1:
            found = self.rows[self.sections_of[key][0], key]
        if block is not None and found is not None:
            found = [r for r in found if r.block == block]
        if not found:
            return None
        if any(r.cells != found[0].cells for r in found[1:]):
            raise UnreadableFile(
                self.path,
                where=f"line {found[1].line}",
                expected=f"{key!r} as in line {found[0].line}",
                found=self.export.separator.join(found[1].cells),
                remedy="Two exports seem to be mixed: export it again.",
            )
        return found[0]

    def cells(self, section: str, key: str, *, block: int | None = None) -> tuple[str, ...] | None:
        """Return a row's cells after its name, or None (see `row`)."""
        row = self.row(section, key, block=block)
        return row.cells if row else None

    def line(self, section: str, key: str) -> int:
        """Return the line a row stands in, 0 if there is none (see `row`)."""
        row = self.row(section, key)
        return row.line if row else 0

    def aligned(self, section: str, key: str, *, block: int | None = None) -> list[str]:
        """Return a row's cells, one per capture in their order, empty where there is none (see `row`)."""
        cells = list((self.cells(section, key, block=block) or ())[: len(self.names)])
        cells += [""] * (len(self.names) - len(cells))
        if self._order is not None and section.lower() not in DATA_SECTIONS:
            cells = [cells[i] for i in self._order]
        return cells

    def numbers(
        self,
        section: str,
        key: str,
        *,
        block: int | None = None,
        ignore: tuple[str, ...] = ("",),
        whole: bool = False,
    ) -> FloatArray:
        """Return a row's numbers, one per capture, NaN where there is none.

        Parameters
        ----------
        section, key, block
            As in `row`.
        ignore : tuple of str
            Contents in lower case that mean "no number", without a warning.
        whole : bool
            Whether only whole numbers, not negative, are numbers here.

        Returns
        -------
        numpy.ndarray, shape (captures,)
            What cannot be read is remembered for `warnings`.
        """
        values = np.full(len(self.names), np.nan)
        for i, cell in enumerate(self.aligned(section, key, block=block)):
            if cell not in self._parsed:  # most rows hold the same number for all captures
                self._parsed[cell] = parse_number(cell, decimal_comma=self.export.decimal_comma)
            value = self._parsed[cell]
            if value is not None and not (whole and (value < 0 or value != int(value))):
                values[i] = value
            elif cell.lower() not in ignore and cell:
                self._unreadable.append(f"{key} of {self.names[i]}: {cell[:40]!r}")
        return values

    def decimals(self, section: str, key: str, *, block: int | None = None) -> int:
        """Return the most decimals that a row prints (see `row`)."""
        mark = "," if self.export.decimal_comma else "."
        cells = self.aligned(section, key, block=block)
        return max((len(c.partition(mark)[2]) for c in cells if c), default=0)

    def average(self, section: str, key: str, *, block: int | None = None) -> tuple[float | None, float | None]:
        """Return the vendor's average and standard error over captures, or None each (see `row`)."""
        cells = self.cells(section, key, block=block)
        if cells is None:
            return None, None
        head = self._pooled_head(section, block)
        values: list[float | None] = []
        for title in _POOLED_TITLES:
            place = head.index(title) if title in head else len(cells)
            cell = cells[place] if place < len(cells) else ""
            values.append(parse_number(cell, decimal_comma=self.export.decimal_comma))
        return values[0], values[1]

    def _pooled_head(self, section: str, block: int | None) -> list[str]:
        """Return the titles of the columns: the section's own line, or the Filename row above a table."""
        cells: tuple[str, ...] = ()
        if block is None:
            cells = next((s.cells for s in self.export.sections if s.section.lower() == section.lower()), ())
        else:
            cells = self.cells(section, "Filename", block=block) or ()
        head = [c.lower() for c in cells]
        # Before the last columns stand the captures, whatever their names.
        return ["" if i < len(self.names) else c for i, c in enumerate(head)]

    def flags(self, sections: tuple[str, ...]) -> list[dict[str, str]]:
        """Return the vendor's quality remarks, verbatim, a dict per capture.

        Parameters
        ----------
        sections : tuple of str
            Sections they stand in; a name that stands in several is prefixed by its section.

        Returns
        -------
        list of dict of str to str
            Empty remarks are left out.
        """
        flags: list[dict[str, str]] = [{} for _ in self.names]
        keys = [(s, k) for s in sections for sec, k in self.rows if sec == s.lower()]
        several = {k for s, k in keys if sum(k == other for _, other in keys) > 1}
        if ("experiment details", "Processed") in self.rows:
            keys.append(("Experiment Details", "Processed"))
        for section, key in keys:
            name = f"{section}: {key}" if key in several else key
            for i, cell in enumerate(self.aligned(section, key)):
                if cell:
                    flags[i][name] = cell
        return flags

    def metadata(self) -> dict[str, str]:
        """Return the rows above the tables, verbatim; cells that differ are joined by a bar."""
        metadata: dict[str, str] = {}
        lists: dict[str, list[str]] = {}
        for (section, key), rows in self.rows.items():
            if section in DATA_SECTIONS:
                # The rest of these sections is in the captures.
                if key in {"Analysis Method", "Weighting"} and rows[0].block <= self.block:
                    metadata[key] = self.export.separator.join(_trimmed(rows[0].cells))
                continue
            several = len([s for s in self.sections_of[key] if s not in DATA_SECTIONS]) > 1
            title = f"{rows[0].section}: {key}" if several else key
            if section in _LIST_SECTIONS:
                lists.setdefault(rows[0].section, []).extend(", ".join((key, *_trimmed(r.cells))) for r in rows)
            elif section in _TEXT_SECTIONS and key != "Processed":
                text = self.export.separator.join(_trimmed(rows[0].cells))
                if text and key != "Filename:":
                    metadata[title] = text
            else:
                cells = self.aligned(rows[0].section, key)
                unique = set(cells)
                if any(unique):
                    metadata[title] = cells[0] if len(unique) == 1 else " | ".join(cells)
        return metadata | {section: "; ".join(items) for section, items in lists.items()}

    def warnings(self) -> list[ReadWarning]:
        """Return a warning for the fields that could not be read, and for captures in another order."""
        warnings = []
        unreadable = list(dict.fromkeys(self._unreadable))
        if unreadable:
            more = f" and {len(unreadable) - 4} more" if len(unreadable) > 4 else ""
            warnings.append(
                ReadWarning(
                    code="unreadable-field",
                    where="",
                    message=f"Fields that should hold numbers do not: {'; '.join(unreadable[:4])}{more}.",
                )
            )
        if self._order is not None:
            warnings.append(
                ReadWarning(
                    code="capture-order",
                    where=f"line {self.line('Experiment Details', 'Filename:')}",
                    message=(
                        "The captures stand in another order above than in the size table; they were matched by name."
                    ),
                )
            )
        return warnings


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]
