"""The packaged name tables, the evening out of spelling, and the answer's type."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from vesicula.core.errors import AnalysisError

Kind = Literal[
    "condition", "cell_source", "species", "mirna", "gene", "pathway", "anatomy", "tumour", "chemical"
]  # fmt: skip
Status = Literal["exact", "synonym", "normalised", "broader", "ambiguous", "unmapped"]

_STATUSES: dict[str, Status] = {s: s for s in get_args(Status)}
KINDS: tuple[Kind, ...] = get_args(Kind)
NEOPLASM = "DOID:14566"
"""Disease Ontology's "disease of cellular proliferation": what a tumour's identifier must descend from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a name stands for.

    Attributes
    ----------
    kind, text : str
        What was asked.
    status : str
        ``exact``: the registry's own label, letter by letter. ``synonym``: a name that the registry, or our
        curated
        table, records for the same thing. ``normalised``: either of these once spelling is evened out
        (case, hyphens,
        Greek letters, British spelling, a missing species prefix). ``broader``: only something wider fits.
        ``ambiguous``: several things. ``unmapped``: nothing known.
    identifiers, labels : tuple of str
        CURIEs (``DOID:3021``, ``MIMAT0000076``) and their registries' labels, in the same order.
    note : str
        The reason, the assumption or the doubt; empty where there is none.
    all_meant : bool
        Whether the name means all of the identifiers together (a protein family, the copies of one hairpin,
        a list of
        diseases). False with more than one identifier: one of them is meant, and the source does not say
        which.
    group : str
        Identifier of the family or complex that the name denotes (``FPLX:AKT``), if any.
    names_entity : bool
        False where the text names nothing of this kind at all ("not reported", "animal models", a blood
        pressure).
    """

    kind: str
    text: str
    status: Status
    identifiers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    note: str = ""
    all_meant: bool = False
    group: str = ""
    names_entity: bool = True

    @property
    def mapped(self) -> bool:
        """Whether the name counts as mapped: identifiers, and no choice left open between them."""
        return bool(self.identifiers) and (self.status != "ambiguous" or self.all_meant)


_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "π": "pi", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega",
}  # fmt: skip
# British to American, as the registries spell; applied to both sides, so a wrong hit in mid-word is
# harmless.
_BRITISH = (
    ("ischaem", "ischem"), ("aemia", "emia"), ("haem", "hem"), ("oedema", "edema"), ("tumour", "tumor"),
    ("oesoph", "esoph"),
    ("foet", "fet"), ("paed", "ped"), ("diarrhoea", "diarrhea"), ("fibre", "fiber"), ("polaris", "polariz"),
    ("signalling", "signaling"), ("orthopaed", "orthoped"), ("anaesth", "anesth"), ("caecum", "cecum"),
)  # fmt: skip
_KEEP = re.compile(r"[^0-9a-z]+")


@cache
def name_key(text: str) -> str:
    """Reduce a name to what is left when spelling is evened out: letters and digits, lower case.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Possibly empty. Two names with the same key are taken for two spellings of one name.
    """
    out = unicodedata.normalize("NFKC", text).casefold()
    out = "".join(_GREEK.get(c, c) for c in out)
    out = "".join(c for c in unicodedata.normalize("NFKD", out) if not unicodedata.combining(c))
    for british, american in _BRITISH:
        out = out.replace(british, american)
    return _KEEP.sub("", out)


@dataclass(frozen=True, slots=True)
class Hit:
    """A recorded name: what it stands for, and as what the registry records it."""

    identifier: str
    relation: str
    name: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Two tables as sorted lines, searched by bisection: ready as soon as they are split, no index to build."""

    terms: list[str]
    names: list[str]

    def term(self, identifier: str) -> tuple[str, tuple[str, ...]] | None:
        """Label and parents of an identifier."""
        for cells in _find(self.terms, identifier):
            return cells[1], tuple(cells[2].split())
        return None

    def hits(self, key: str) -> list[Hit]:
        """Every recorded name with this key."""
        return [Hit(cells[1], cells[2], cells[3]) for cells in _find(self.names, key)] if key else []


def _find(lines: list[str], first: str) -> Iterable[list[str]]:
    prefix = f"{first}\t"
    at = bisect_left(lines, prefix)
    while at < len(lines) and lines[at].startswith(prefix):
        yield lines[at].split("\t")
        at += 1


def packaged_lines(name: str) -> list[str]:
    """Lines of a packaged table, without its heading."""
    text = files("vesicula.data").joinpath("names", name).read_text(encoding="utf-8")
    return text.split("\n")[1:-1]


@cache
def registry(stem: str) -> Registry:
    """Open a registry; once per process."""
    return Registry(packaged_lines(f"{stem}_terms.tsv"), packaged_lines(f"{stem}_names.tsv"))


_PREFIX = {
    "DOID": "disease", "CL": "cell", "UBERON": "anatomy", "HGNC": "gene", "FPLX": "family", "Reactome":
    "pathway",
    "GO": "pathway", "CHEBI": "chemical", "NCBITaxon": "species",
}  # fmt: skip


def label_of(identifier: str) -> str | None:
    """Give the label of an identifier in the packaged registries, or None where they do not hold it."""
    stem = "mirna" if re.match(r"MI(MAT)?\d", identifier) else _PREFIX.get(identifier.partition(":")[0])
    found = registry(stem).term(identifier) if stem else None
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Curated:
    """A row of curated.tsv."""

    texts: frozenset[str]  # every spelling that the table prints under this key
    identifiers: tuple[str, ...]
    labels: tuple[str, ...]
    status: Status
    reason: str
    flags: frozenset[str]
    group: str


@cache
def curated() -> dict[tuple[str, str], Curated]:
    """Read the curated rows, by kind and key of the name."""
    table: dict[tuple[str, str], Curated] = {}
    for line in packaged_lines("curated.tsv"):
        kind, text, identifiers, labels, word, flags, group, reason, _ = line.split("\t")
        status = _STATUSES.get(word)
        if status is None:
            known = ", ".join(_STATUSES)
            message = f"curated.tsv, {kind} {text!r}: expected one of {known}, found {word!r}. Correct the table."
            raise AnalysisError(message)
        key = (kind, name_key(text))
        texts = frozenset({text}) | (table[key].texts if key in table else frozenset())
        table[key] = Curated(
            texts, _split(identifiers), _split(labels), status, reason, frozenset(flags.split()), group
        )  # fmt: skip
    return table


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def label_in(stem: str, identifier: str) -> str:
    """Give the label of an identifier in a registry, or the identifier itself."""
    found = registry(stem).term(identifier)
    return found[0] if found else identifier


def is_a(identifier: str, ancestor: str) -> bool:
    """Whether an identifier is another of its registry, or descends from it by the packaged relations."""
    stem = _PREFIX.get(identifier.partition(":")[0], "")
    todo, seen = [identifier], set[str]()
    while todo and stem:
        one = todo.pop()
        if one == ancestor:
            return True
        if one not in seen:
            seen.add(one)
            found = registry(stem).term(one)
            todo += found[1] if found else ()
    return False
