"""Reads a dossier back and finds out whether it is still what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import msgspec

from vesicula.core.errors import DossierError
from vesicula.dossier.inputs import safe_join, sha256_of
from vesicula.dossier.schema import BatchFindings, FindingsDocument
from vesicula.dossier.staging import CRATE, MANIFEST

FINDINGS = "findings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a dossier that is not as it was written.

    Parameters
    ----------
    path : str
        The file, relative to the dossier.
    kind : {"missing", "changed", "unlisted", "malformed"}
        What is wrong.
    message : str
        The same as a sentence.
    """

    path: str
    kind: Literal["missing", "changed", "unlisted", "malformed"]
    message: str


@contextmanager
def _told_as_ours(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while findings.json is read into one error that names it."""
    try:
        yield
    except OSError as error:
        raise DossierError(
            f"{path}: cannot be read ({error.strerror or error}). Is this the folder of a dossier?"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DossierError(f"{path}: is not a findings.json of vesicula, version 1 ({error}).") from error


def load_findings(folder: Path | str) -> FindingsDocument:
    """Load findings.json of a dossier.

    Parameters
    ----------
    folder : pathlib.Path or str
        The dossier.

    Returns
    -------
    FindingsDocument
        The whole document, checked against its types.

    Raises
    ------
    DossierError
        When it is missing or not of the published schema.
    """
    path = Path(folder) / FINDINGS
    with _told_as_ours(path):
        return msgspec.json.decode(path.read_bytes(), type=FindingsDocument)


def load_header(folder: Path | str) -> FindingsDocument:
    """Load findings.json of a dossier without its batches, whatever their number.

    Parameters
    ----------
    folder : pathlib.Path or str
        The dossier.

    Returns
    -------
    FindingsDocument
        With `batches` empty; `iter_batches` reads them one at a time.

    Raises
    ------
    DossierError
        When it is missing or not of the published schema.
    """
    path = Path(folder) / FINDINGS
    head = []
    with _told_as_ours(path):
        with path.open("rb") as stream:
            for line in stream:
                head.append(line)
                if line.strip() == b'"batches":[':
                    break
        return msgspec.json.decode(b"".join(head) + b"]}", type=FindingsDocument)


def iter_batches(folder: Path | str) -> Iterator[BatchFindings]:
    """Read the batches of findings.json one at a time, so that a large study stays within bounded memory.

    Parameters
    ----------
    folder : pathlib.Path or str
        The dossier. Its findings.json must be laid out as vesicula writes it, a batch a line.

    Yields
    ------
    BatchFindings
        In the order of the manifest.

    Raises
    ------
    DossierError
        When the file is missing or a line is not a batch.
    """
    path = Path(folder) / FINDINGS
    with _told_as_ours(path), path.open("rb") as stream:
        for line in stream:
            if line.strip() == b'"batches":[':
                break
        else:
            raise DossierError(f"{path}: has no line that begins the batches. Restore the file.")
        for line in stream:
            text = line.strip().removesuffix(b",")
            if text == b"]}":
                return
            yield msgspec.json.decode(text, type=BatchFindings)
    raise DossierError(f"{path}: ends before its last batch. Restore the file.")


def check_files(folder: Path | str) -> list[Problem]:
    """Compare every file of a dossier with the hashes written beside it.

    Parameters
    ----------
    folder : pathlib.Path or str
        The dossier.

    Returns
    -------
    list of Problem
        Empty when every file is the one that was written and none was added. Whoever changes a file and both lists of
        hashes is found only by recomputing the findings.

    Raises
    ------
    DossierError
        When the folder has no manifest of hashes.
    """
    folder = Path(folder)
    listed, problems = _manifest(folder)
    seen: dict[str, str] = {}
    for path, digest in listed.items():
        problems += _compare(folder, path, digest, MANIFEST, seen)
    if (folder / CRATE).is_file():
        problems += _crate_problems(folder, seen)
    known = {*listed, MANIFEST}
    for item in sorted(folder.rglob("*")):
        name = item.relative_to(folder).as_posix()
        if (item.is_symlink() or not item.is_dir()) and name not in known:
            problems.append(Problem(path=name, kind="unlisted", message=f"{name} is not listed in {MANIFEST}"))
    return sorted(set(problems), key=lambda p: (p.path, p.kind, p.message))


def _manifest(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DossierError(
            f"{folder}: has no readable {MANIFEST} ({error}). Is this the folder of a dossier?"
        ) from error
    listed: dict[str, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        digest, _, path = line.partition("  ")
        if len(digest) == 64 and path:
            listed[path] = digest
        else:
            message = f"{MANIFEST}, line {number}: is not a hash, two blanks and a path"
            problems.append(Problem(path=MANIFEST, kind="malformed", message=message))
    return listed, problems


def _compare(folder: Path, path: str, digest: str, where: str, seen: dict[str, str]) -> list[Problem]:
    try:
        full = safe_join(folder, path)
    except DossierError:
        return [Problem(path=path, kind="malformed", message=f"{where} lists {path!r}, which lies outside the dossier")]
    if path not in seen:
        if not full.is_file():
            return [Problem(path=path, kind="missing", message=f"{path} is missing")]
        seen[path] = sha256_of(full)
    if seen[path] != digest:
        return [Problem(path=path, kind="changed", message=f"{path} is not the file whose hash stands in {where}")]
    return []


def _crate_problems(folder: Path, seen: dict[str, str]) -> list[Problem]:
    try:
        graph = json.loads((folder / CRATE).read_text(encoding="utf-8"))["@graph"]
        files = [(unquote(e["@id"]), e["sha256"]) for e in graph if e.get("@type") == "File" and "sha256" in e]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [Problem(path=CRATE, kind="malformed", message=f"{CRATE} is not the metadata of an RO-Crate ({error})")]
    return [p for path, digest in files for p in _compare(folder, str(path), str(digest), CRATE, seen)]
