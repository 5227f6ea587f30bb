"""Recompute a dossier from its inputs and say whether it still holds."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.testing import assert_frame_equal

from vesicula._version import __version__
from vesicula.assess.study import AnalysisSettings, Study, environment
from vesicula.core.errors import VesiculaError
from vesicula.dossier.read import check_files, iter_batches, load_header
from vesicula.dossier.schema import BatchFindings, FindingsDocument
from vesicula.dossier.staging import MANIFEST
from vesicula.dossier.writer import DossierPaths, write

RELATIVE_TOLERANCE = 1e-9
"""Other processors and library versions may round a sum otherwise in its last digits; a changed result is larger."""

MAX_LISTED = 20
"""Differences named one by one; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found.

    Parameters
    ----------
    problems : tuple of str
        Reasons why the dossier does not hold; empty when it does.
    notes : tuple of str
        Circumstances that do not matter by themselves, such as another version of a library.
    batches, findings : int
        How many were recomputed and compared.
    recomputed : bool
        Whether the inputs were at hand, so that anything could be recomputed.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    batches: int
    findings: int
    recomputed: bool

    @property
    def holds(self) -> bool:
        """Whether every file is as written and every number comes out again."""
        return self.recomputed and not self.problems

    def lines(self) -> list[str]:
        """Return the report as lines of text, the verdict first."""
        what = f"{self.findings} findings of {self.batches} batches recomputed"
        if self.holds:
            head = f"The dossier holds: {what}, all equal; every file is as it was written."
        elif not self.recomputed:
            head = "The dossier could not be recomputed."
        else:
            head = f"The dossier DOES NOT HOLD: {len(self.problems)} problems ({what})."
        more = len(self.problems) - MAX_LISTED
        return [
            head,
            *(f"problem: {p}" for p in self.problems[:MAX_LISTED]),
            *([f"... and {more} more problems."] if more > 0 else []),
            *(f"note: {n}" for n in self.notes),
        ]


def verify_dossier(folder: Path | str, *, study: Path | None = None, workers: int | None = None) -> VerifyReport:
    """Recompute a dossier and compare everything in it.

    Parameters
    ----------
    folder : pathlib.Path or str
        The dossier.
    study : pathlib.Path, optional
        The study folder; by default the inputs that the dossier itself holds.
    workers : int, optional
        Number of processes.

    Returns
    -------
    VerifyReport
        Every difference found: files changed since they were written, inputs that are not those of the
        dossier, findings, tables and the page itself where they do not come out again.

    Raises
    ------
    DossierError
        When the folder is not a dossier.
    """
    folder = Path(folder)
    problems = [p.message for p in check_files(folder)]
    header = load_header(folder)
    source = study or (folder / "inputs" if (folder / "inputs" / "study.yaml").is_file() else None)
    if source is None:
        problems.append("the dossier does not hold its inputs: name the study folder with --study")
        return VerifyReport(problems=tuple(problems), notes=(), batches=0, findings=0, recomputed=False)
    try:
        loaded = Study.load(source)
        settings = AnalysisSettings.from_parameters(header.parameters)
    except VesiculaError as error:
        problems.append(f"the inputs cannot be used: {error}")
        return VerifyReport(problems=tuple(problems), notes=(), batches=0, findings=0, recomputed=False)
    if loaded.manifest_sha256 != header.manifest_sha256:
        problems.append(f"{loaded.manifest_path.name} is not the one that the dossier was made from")
    with tempfile.TemporaryDirectory(prefix="vesicula-verify-") as work:
        assessment = loaded.analyse(settings=settings, workers=workers, work=Path(work) / "work")
        # With or without inputs as it was written: the page says which.
        held = any(line.partition("  ")[2].startswith("inputs/") for line in _lines(folder / MANIFEST))
        again = write(assessment, Path(work) / "dossier", inputs=loaded.folder if held else None)
        batches, findings, same_build = 0, 0, True
        for old, new in zip_longest(iter_batches(folder), iter_batches(again.folder)):
            problems += _batch_differences(old, new)
            batches += old is not None
            findings += len(old.findings) if old is not None else 0
            same_build &= old is None or new is None or old.key == new.key
        problems += _table_differences(folder, again)
        notes = list(_notes(header))
        if same_build and not notes:
            problems += _page_difference(folder, again)
        else:
            notes.append("dossier.html was not compared: the program or the data are not those it was made with")
    return VerifyReport(
        problems=tuple(problems), notes=tuple(notes), batches=batches, findings=findings, recomputed=True
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _notes(header: FindingsDocument) -> Iterator[str]:
    current = {"vesicula": __version__, **environment()}
    recorded = {"vesicula": header.software.removeprefix("vesicula "), **header.environment}
    for name, value in recorded.items():
        if current.get(name) != value:
            yield f"made with {name} {value}, verified with {current.get(name, 'none')}"


def _batch_differences(old: BatchFindings | None, new: BatchFindings | None) -> Iterator[str]:
    if old is None or new is None:
        batch = old or new
        what = "is only in the dossier" if new is None else "is missing from the dossier"
        yield f"batch {batch.batch if batch else ''} {what}"
        return
    left, right = _by_id(old), _by_id(new)
    for name in left.keys() | right.keys():
        if name not in left or name not in right:
            yield f"{name}: {'no longer found' if name in left else 'missing from the dossier'}"
            continue
        for place, a, b in _value_differences(left[name], right[name]):
            yield f"{name}: {place} is {a!r} in the dossier, {b!r} recomputed"
    for place, a, b in _value_differences(
        msgspec.to_builtins([old.description, old.files]), msgspec.to_builtins([new.description, new.files])
    ):
        yield f"batch {old.batch}: {place} is {a!r} in the dossier, {b!r} now"


def _by_id(batch: BatchFindings) -> dict[str, Any]:
    return {f.id: msgspec.to_builtins(f) for f in batch.findings}


def _value_differences(a: Any, b: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - plain JSON
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from _value_differences(a.get(key), b.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _value_differences(x, y, f"{place}[{i}]")
    elif isinstance(a, float | int) and isinstance(b, float | int) and not isinstance(a, bool):
        if not math.isclose(a, b, rel_tol=RELATIVE_TOLERANCE):
            yield place, a, b
    elif a != b and place != "method.version":
        # The version under which a method ran is a circumstance, told in the notes.
        yield place, a, b


def _table_differences(folder: Path, again: DossierPaths) -> Iterator[str]:
    for name, path in again.tables.items():
        written = folder / path.name
        if written.is_file() and written.read_bytes() == path.read_bytes():
            continue
        try:
            # The key names the build of the program too, which is a circumstance, told in the notes.
            old, new = (pl.read_parquet(p).drop("key", strict=False) for p in (written, path))
            assert_frame_equal(old, new, rel_tol=RELATIVE_TOLERANCE, abs_tol=0.0)
        except (AssertionError, OSError, pl.exceptions.PolarsError) as error:
            yield f"{written.name}: the table {name} does not come out again ({str(error).splitlines()[0]})"


def _page_difference(folder: Path, again: DossierPaths) -> Iterator[str]:
    page = folder / again.html.name
    if not page.is_file():
        yield f"{page.name} is missing"
    elif page.read_bytes() != again.html.read_bytes():
        yield f"{page.name} is not the page that these findings give"
