"""The words that the manifest knows: cell sources, isolation methods, species, assays, media, sera, oxygen.

The table is ``data/vocabulary.tsv``; each row has its source. A word outside it is allowed everywhere (labs
use new sources); it is only pointed out, with the nearest words of the table.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from vesicula.core.errors import UnreadableFile

Kind = Literal[
    "cell_source", "isolation_method", "species", "protein_assay", "lipid_assay", "medium", "serum", "oxygen"
]
COLUMNS = ["kind", "term", "synonyms", "identifier", "source"]

_NAME = "vocabulary.tsv"
_CLOSE = 0.6  # difflib's own default cutoff; only decides which suggestions are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One word of the vocabulary.

    Parameters
    ----------
    kind : str
        What it names, such as ``"cell_source"``.
    term : str
        The word itself.
    synonyms : tuple of str
        Other ways to write it.
    identifier : str
        Ontology term as CURIE, such as ``"CL:0002540"``; empty where none is certain.
    source : str
        Where the word is taken from.
    """

    kind: Kind
    term: str
    synonyms: tuple[str, ...]
    identifier: str
    source: str


@cache
def terms(kind: Kind) -> tuple[Term, ...]:
    """Return the words of one kind, in the order of the table.

    Parameters
    ----------
    kind : str
        One of the kinds of `Kind`.

    Returns
    -------
    tuple of Term
        Never empty.

    Raises
    ------
    UnreadableFile
        When the table that ships with vesicula is damaged.
    """
    return tuple(t for t in _table() if t.kind == kind)


@cache
def _table() -> tuple[Term, ...]:
    text = files("vesicula.data").joinpath(_NAME).read_text(encoding="utf-8")
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    if reader.fieldnames != COLUMNS:
        raise _damaged(1, f"the columns {', '.join(COLUMNS)}", str(reader.fieldnames))
    return tuple(_term(row, number) for number, row in enumerate(reader, start=2))


def _term(row: dict[str | None, str | None], number: int) -> Term:
    if None in row or None in row.values():
        raise _damaged(number, f"{len(COLUMNS)} columns", "another number of columns")
    cells = cast("dict[str, str]", row)
    kind = cells["kind"]
    if kind not in get_args(Kind) or not cells["term"] or not cells["source"]:
        raise _damaged(number, "a known kind, a term and a source", "\t".join(cells.values()))
    return Term(
        kind=cast("Kind", kind),
        term=cells["term"],
        synonyms=tuple(s for s in cells["synonyms"].split(";") if s),
        identifier=cells["identifier"],
        source=cells["source"],
    )


def _damaged(line: int, expected: str, found: str) -> UnreadableFile:
    return UnreadableFile(
        _NAME,
        where=f"line {line}",
        expected=expected,
        found=found,
        remedy="The table ships with vesicula: install it again, or correct the row.",
    )


@cache
def _index(kind: Kind) -> dict[str, Term]:
    return {_key(word): term for term in terms(kind) for word in (*term.synonyms, term.term)}


def _key(text: str) -> str:
    """Fold case, width, hyphens, blanks and the plural of MSC, so that BM-MSCs is bm msc."""
    folded = unicodedata.normalize("NFKC", text[:200]).casefold().replace("\u2019", "'")
    words = re.sub(r"[\s_\u2010-\u2015-]+", " ", folded).strip(" .,;:")
    return re.sub(r"(msc|stem cell|stromal cell)s\b", r"\1", words)


def normalise(kind: Kind, text: str) -> Term | None:
    """Return the word of the vocabulary that a text stands for.

    Parameters
    ----------
    kind : str
        What the text names.
    text : str
        As a lab would write it; case, hyphens, blanks and known synonyms do not matter.

    Returns
    -------
    Term or None
        None when the vocabulary does not know it. Never a guess: near misses are `suggest`'s.
    """
    return _index(kind).get(_key(text))


def suggest(kind: Kind, text: str, n: int = 3) -> tuple[str, ...]:
    """Return the words of the vocabulary nearest to a text.

    Parameters
    ----------
    kind : str
        What the text names.
    text : str
        A text that `normalise` does not know.
    n : int
        How many words at most.

    Returns
    -------
    tuple of str
        Nearest first; empty when none is near (Ratcliff/Obershelp similarity below 0.6).
    """
    index = _index(kind)
    near = difflib.get_close_matches(_key(text), list(index), n=4 * n, cutoff=_CLOSE)
    return tuple(dict.fromkeys(index[key].term for key in near))[:n]
