"""study.yaml to a checked manifest: every problem at once, each at its line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from vesicula.core.errors import ManifestError, shorten
from vesicula.core.study import Manifest
from vesicula.manifest.explain import explain
from vesicula.manifest.folder import MANIFEST_NAME, check_files, normal_path
from vesicula.manifest.problem import Problem, error, warning
from vesicula.manifest.vocabulary import Kind, Term, normalise, suggest
from vesicula.manifest.yaml_text import MAX_BYTES, Node, decode_utf8, line_of, parse, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Loc = tuple[int | str, ...]

MAX_PROBLEMS = 200

WORDS: tuple[tuple[Loc, Kind], ...] = (
    (("batches", "*", "cell_source", "tissue"), "cell_source"),
    (("batches", "*", "cell_source", "species"), "species"),
    (("batches", "*", "cell_source", "medium"), "medium"),
    (("batches", "*", "cell_source", "serum"), "serum"),
    (("batches", "*", "isolation", "*", "method"), "isolation_method"),
    (("batches", "*", "samples", "*", "protein", "method"), "protein_assay"),
    (("batches", "*", "samples", "*", "lipid", "method"), "lipid_assay"),
)
"""Fields whose words the vocabulary knows."""

_FILES: Loc = ("batches", "*", "samples", "*", "measurements", "*", "files", "*")
_CARGO_TABLES: Loc = ("batches", "*", "cargo_tables", "*")
_TARGETS: Loc = ("mirna_targets",)
_BATCH_IDS: Loc = ("batches", "*", "id")
_SAMPLES: Loc = ("batches", "*", "samples")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManifestSource:
    """Where a manifest came from, and the line of everything in it.

    Parameters
    ----------
    path : pathlib.Path
        study.yaml itself.
    folder : pathlib.Path
        The study folder; the manifest's paths are relative to it.
    sha256 : str
        Hash of the bytes that were read.
    warnings : tuple of Problem
        Words outside the vocabulary.
    tree : Node or None
        The document with its lines.
    """

    path: Path
    folder: Path
    sha256: str = ""
    warnings: tuple[Problem, ...] = ()
    tree: Node | None = field(default=None, repr=False)

    def line(self, *loc: int | str) -> int:
        """Return the line of a place, such as ``line("batches", 0, "samples", 2, "volume_ml")``."""
        return line_of(self.tree, loc)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """Everything that can be said of a manifest without reading the files that it lists.

    Parameters
    ----------
    manifest : Manifest or None
        None when its fields are not in order.
    source : ManifestSource
        Its lines.
    problems : tuple of Problem
        Errors and warnings, by line.
    """

    manifest: Manifest | None
    source: ManifestSource
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The errors alone."""
        return tuple(p for p in self.problems if p.severity == "error")


def load_manifest(folder_or_file: Path, *, tolerate_missing: bool = False) -> tuple[Manifest, ManifestSource]:
    """Load the manifest of a study.

    Parameters
    ----------
    folder_or_file : pathlib.Path
        The study folder, or its ``study.yaml``.
    tolerate_missing : bool
        Whether a listed file that is not there is left for the analysis to tell, which goes on without it.

    Returns
    -------
    tuple of (Manifest, ManifestSource)
        What it states, and where each statement stands. Words outside the vocabulary are warnings of the
        source.

    Raises
    ------
    ManifestError
        With all problems at once, each with its line: broken YAML, repeated or unknown fields, wrong types,
        values out of range, files that are missing, repeated or outside the folder.
    """
    inspection = inspect_manifest(folder_or_file)
    errors = [p for p in inspection.errors if not (tolerate_missing and p.missing_file)]
    if inspection.manifest is None or errors:
        raise ManifestError(inspection.source.path, [(p.line, p.text) for p in errors])
    return inspection.manifest, inspection.source


def inspect_manifest(folder_or_file: Path) -> Inspection:
    """Check a manifest and the presence of its files, without raising.

    Parameters
    ----------
    folder_or_file : pathlib.Path
        The study folder, or its ``study.yaml``.

    Returns
    -------
    Inspection
        The manifest, if its fields are in order, and all problems.
    """
    path = folder_or_file / MANIFEST_NAME if folder_or_file.is_dir() else folder_or_file
    data, problems = _read(path)
    text = ""
    if not problems:
        text, problems = decode_utf8(data)
    manifest, tree = None, None
    if not problems:
        tree, problems = parse(text)
        if tree is not None:
            manifest, more = _check(tree, path.parent)
            problems = problems + more
        elif not problems:
            problems = [error(0, "the manifest is empty", f"'vesicula init {path.parent}' writes a template")]
    ordered = _bounded(sorted(problems, key=lambda p: p.line))
    source = ManifestSource(
        path=path,
        folder=path.parent,
        sha256=hashlib.sha256(data).hexdigest(),
        tree=tree,
        warnings=tuple(p for p in ordered if p.severity == "warning"),
    )
    return Inspection(manifest=manifest, source=source, problems=tuple(ordered))


def _read(path: Path) -> tuple[bytes, list[Problem]]:
    try:
        if not path.is_file():
            other = path.with_suffix(".yml")
            remedy = (
                f"Rename {other.name} to {path.name}"
                if other.is_file()
                else f"Run 'vesicula init {path.parent}' to write one"
            )
            return b"", [error(0, "there is no such manifest", remedy)]
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as fault:
        return b"", [error(0, f"the manifest cannot be opened: {getattr(fault, 'strerror', None) or fault}")]
    if len(data) > MAX_BYTES:
        return b"", [error(0, f"the manifest is larger than {MAX_BYTES // 1024**2} MiB", "Split the study")]
    return data, []


def _check(tree: Node, folder: Path) -> tuple[Manifest | None, list[Problem]]:
    unfilled = _unfilled(tree)
    manifest, problems = _validate(tree)
    problems = [*unfilled, *(p for p in problems if p.line not in {u.line for u in unfilled})]
    problems += _repeated(tree)
    patterns = (_FILES, _CARGO_TABLES, _TARGETS)
    listed = [(line, normal_path(text)) for pattern in patterns for line, text in _texts(tree, pattern)]
    problems += check_files(folder, [(line, path) for line, path in listed if path is not None])
    problems += _words(tree)
    if manifest is None and not any(p.severity == "error" for p in problems):  # pragma: no cover - safety net
        problems.append(error(tree.line, "the manifest does not hold together", "Compare with the template"))
    return manifest, problems


def _validate(tree: Node) -> tuple[Manifest | None, list[Problem]]:
    try:
        return Manifest.model_validate(plain(tree)), []
    except ValidationError as faults:
        found = [(line_of(tree, tuple(fault["loc"])), fault) for fault in faults.errors(include_url=False)]
        found.sort(key=lambda f: f[0])
        problems = [problem for _, fault in found[:MAX_PROBLEMS] if (problem := _explained(tree, fault))]
        # The rest is only counted: finding the nearest field name for each of a million would take minutes.
        return None, problems + [error(line, "not explained") for line, _ in found[MAX_PROBLEMS:]]


def _explained(tree: Node, fault: Mapping[str, Any]) -> Problem | None:
    explained = explain(fault)
    if explained is None:
        return None
    loc, message, remedy = explained
    return error(line_of(tree, loc), message, remedy or _oxygen(loc, fault["input"]))


def _oxygen(loc: Loc, value: object) -> str:
    """Say which percentages a word such as "hypoxia" may stand for; it is the lab's to say which."""
    term = normalise("oxygen", value) if loc[-1:] == ("oxygen_percent",) and isinstance(value, str) else None
    usual = [s for s in term.synonyms if s.endswith("%")] if term else []
    return f"{value} is often {' or '.join(usual)}: give the value that was set" if usual else ""


def _bounded(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= MAX_PROBLEMS:
        return problems
    worst = [p for p in problems if p.severity == "error"][:MAX_PROBLEMS]
    kept = sorted(worst or problems[:MAX_PROBLEMS], key=lambda p: p.line)
    more = len(problems) - len(kept)
    severity = error if worst else warning
    return [*kept, severity(0, f"and {more} more problems, not shown", "Correct these first")]


def select(node: Node, pattern: Loc, loc: Loc = ()) -> Iterator[tuple[Loc, Node]]:
    """Find all nodes at a pattern of keys.

    Parameters
    ----------
    node : Node
        Where to begin.
    pattern : tuple of (int or str)
        Keys; ``"*"`` stands for every item of a list.
    loc : tuple of (int or str)
        Place of `node`, for the results.

    Yields
    ------
    tuple of (loc, Node)
        In the order of the document; nothing where the document has another shape.
    """
    if not pattern:
        yield loc, node
    elif pattern[0] == "*" and isinstance(node.value, list):
        for i, item in enumerate(node.value):
            yield from select(item, pattern[1:], (*loc, i))
    elif isinstance(node.value, dict) and pattern[0] in node.value:
        yield from select(node.value[str(pattern[0])], pattern[1:], (*loc, pattern[0]))


def _texts(tree: Node, pattern: Loc) -> list[tuple[int, str]]:
    """Return line and text of every scalar at a pattern; the line is that of its key, or of the item."""
    return [(line_of(tree, place), node.value) for place, node in select(tree, pattern) if isinstance(node.value, str)]


def _repeated(tree: Node) -> list[Problem]:
    problems = _twice(_texts(tree, _BATCH_IDS), "batch", "the study")
    for _, samples in select(tree, _SAMPLES):
        problems += _twice(_texts(samples, ("*", "id")), "sample", "this batch")
        for _, sample in select(samples, ("*", "measurements")):
            problems += _twice(_texts(sample, ("*", "replicate")), "replicate", "this sample")
    return problems


def _twice(texts: list[tuple[int, str]], what: str, where: str) -> list[Problem]:
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, written in texts:
        text = written.strip()
        if text in seen:
            message = f"the {what} {shorten(text)!r} stands twice in {where}, first on line {seen[text]}"
            problems.append(error(line, message, "Give each its own name"))
        seen.setdefault(text, line)
    return problems


def _unfilled(tree: Node) -> list[Problem]:
    """Find values that still say "fill in": they would pass for statements of the lab."""
    problems: list[Problem] = []
    stack: list[tuple[int, Node]] = [(tree.line, tree)]
    while stack:
        line, node = stack.pop()
        if isinstance(node.value, dict):
            stack += [
                (node.key_lines[key], child) for key, child in node.value.items() if key not in {"files", "ignore"}
            ]
        elif isinstance(node.value, list):
            stack += [(child.line, child) for child in node.value]
        elif isinstance(node.value, str) and re.fullmatch(r"(?i)\W*fill[ _-]in\W*", node.value):
            problems.append(error(line, "this value is still to be filled in", "Give it, or put '#' before the line"))
    return problems


def _words(tree: Node) -> list[Problem]:
    problems: list[Problem] = []
    for pattern, kind in WORDS:
        for line, text in _texts(tree, pattern):
            if text.strip() and known_word(kind, text) is None:
                near = suggest(kind, text) if len(problems) < MAX_PROBLEMS else ()
                remedy = f"Nearest: {', '.join(near)}. " if near else ""
                problems.append(
                    warning(
                        line,
                        f"{pattern[-1]}: {shorten(text)!r} is not in the vocabulary",
                        f"{remedy}A new word may stand; check its spelling",
                    )
                )
    return problems


def known_word(kind: Kind, text: str) -> Term | None:
    """Return the word of the vocabulary that a field's text is, or begins with.

    Parameters
    ----------
    kind : str
        Kind of word.
    text : str
        Text of the field, such as ``"DMEM, low glucose"``.

    Returns
    -------
    Term or None
        The word of the whole text, or of what stands before the first comma, bracket, plus sign or "with".
    """
    return normalise(kind, text) or normalise(kind, re.split(r"[,;(+]|\bwith\b", text, maxsplit=1)[0])
