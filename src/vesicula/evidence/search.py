"""From a question to the numbers of the claims that answer it: the same statements on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    union,
)

from vesicula.evidence import schema
from vesicula.evidence.fold import fold
from vesicula.evidence.identify import ROLE_KINDS, meant_by
from vesicula.evidence.model import Question

FACETS = ("condition_class", "product", "study_type", "effect_class", "source", "record_id")
ROLES = tuple(ROLE_KINDS)

COMMON = 20_000
"""A name mentioned by more claims than this is tested claim by claim; a rarer one gives the list of candidates."""

# Effect classes that say something about a tumour whatever the condition class.
TUMOUR_CLASSES = (
    "tumour-promoting",
    "tumour-inhibiting",
    "metastasis-promoting",
    "metastasis-inhibiting",
    "drug resistance",
    "dormancy",
)

SHOWN = 20
"""How many names that were matched are listed with an answer, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a name asked for was taken to mean in the store."""

    role: str
    asked: str
    term_ids: tuple[int, ...]
    texts: tuple[str, ...]
    nearest: tuple[str, ...]

    def in_words(self) -> str:
        """Return the sentence for a name that matches nothing."""
        near = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        return f"{self.role.replace('_', ' ')} {self.asked!r} is not in the store{near}"


def match_names(connection: Connection, question: Question, as_of: int) -> list[Match]:
    """Find, for each name asked for, the names in the store that have its words or its identifiers.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    question : Question
        What is asked.
    as_of : int
        Revision.

    Returns
    -------
    list of Match
        In the order of the roles.
    """
    asked = [(role, getattr(question, role)) for role in ROLES]
    return [match_name(connection, role, name, as_of) for role, name in asked if name is not None]


def match_name(connection: Connection, role: str, name: str, as_of: int) -> Match:
    """Find the names in the store that one name in one role means; see :func:`match_names`."""
    term = schema.term.c
    words = fold(name).split()
    asked = meant_by(role, name)
    ways: list[ColumnElement[bool]] = [
        and_(term.identified_in <= as_of, term.identifiers.like(f"% {_escape(identifier)} %", escape="\\"))
        for identifier in asked
    ]
    if words:
        ways.append(and_(*(term.folded.like(f"% {word} %") for word in words)))
    found = connection.execute(
        select(term.term_id, term.text)
        .where(term.role == role, term.revision <= as_of, or_(false(), *ways))
        .order_by(term.text)
    ).all()
    nearest: tuple[str, ...] = ()
    if not found:
        texts = connection.execute(
            select(term.text).where(term.role == role, term.revision <= as_of).order_by(term.term_id).limit(5000)
        ).scalars()
        folded = {fold(text): text for text in texts}
        nearest = tuple(folded[near] for near in get_close_matches(fold(name), folded, n=3, cutoff=0.5))
    return Match(
        role=role,
        asked=name,
        term_ids=tuple(number for number, _ in found),
        texts=tuple(text for _, text in found),
        nearest=nearest,
    )


def literal_numbers(numbers: Sequence[int]) -> BindParameter[list[int]]:
    """Our own numbers, written into the statement: the databases limit the number of bound values."""
    return bindparam("numbers", list(numbers), unique=True, expanding=True, literal_execute=True)


def _escape(pattern: str) -> str:
    return pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def claim_numbers(
    connection: Connection, question: Question, matches: Sequence[Match], *, last_claim: int, as_of: int
) -> list[int]:
    """Return the claims that answer a question, in the order of their import.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A reading one.
    question : Question
        What is asked; with a limit, one claim more than the limit may come back, to show that there are more.
    matches : sequence of Match
        From :func:`match_names`.
    last_claim, as_of : int
        The revision, and its last claim.

    Returns
    -------
    list of int
        Numbers of claims.
    """
    if any(not match.term_ids for match in matches):
        return []
    claim = schema.claim.c
    # "+ 0" keeps the bound off the indexes: SQLite 3.40 loses it when it plans a facet, an IN and the order on one of
    # them, and a past version then shows claims of later ones.
    # PostgreSQL needs the bare bound, to know that it holds for nearly all claims.
    sqlite = connection.dialect.name == "sqlite"
    bound = claim.claim_id + 0 if sqlite else claim.claim_id
    where: list[ColumnElement[bool]] = [bound <= last_claim, not_retired(as_of)]
    where += [claim[name] == getattr(question, name) for name in FACETS if getattr(question, name) is not None]
    names, has_driver, rarest = _name_conditions(connection, matches)
    where += names
    if question.of_tumours is not None:
        of_tumours = or_(claim.condition_class == "cancer", claim.effect_class.in_(TUMOUR_CLASSES))
        where.append(of_tumours if question.of_tumours else ~of_tumours)
    if question.remarked:
        where.append(_remarked())
        has_driver = True
    if question.text is not None:
        words = fold(question.text).split()
        if not words:
            return []
        where.append(_text_condition(connection, words, has_driver=has_driver))
    statement = select(claim.claim_id).where(*where).order_by(claim.claim_id)
    if rarest and not sqlite:
        # The claims of the rarest name, read in their order from its index, until the limit is reached.
        driver = schema.mention.alias("driver")
        statement = (
            statement.join(driver, driver.c.claim_id == claim.claim_id)
            .where(driver.c.term_id.in_(literal_numbers(rarest)))
            .distinct()
        )
    if question.limit is not None:
        statement = statement.limit(question.limit + 1)
    return list(connection.execute(statement).scalars())


def _remarked() -> ColumnElement[bool]:
    # Its own alias, and the condition word for word that of the index of noted claims.
    noted, doubt = schema.claim.alias("noted"), schema.doubt.c
    with_note = select(noted.c.claim_id).where(text("noted.notes <> ''"))
    return schema.claim.c.claim_id.in_(union(with_note, select(doubt.claim_id).where(doubt.claim_id.is_not(None))))


def not_retired(as_of: int) -> ColumnElement[bool]:
    """Return the condition that a claim was not yet withdrawn or replaced."""
    retired = schema.retirement.c
    return ~exists().where(retired.claim_id == schema.claim.c.claim_id, retired.revision <= as_of)


def _name_conditions(
    connection: Connection, matches: Sequence[Match]
) -> tuple[list[ColumnElement[bool]], bool, tuple[int, ...]]:
    """Turn names into conditions: the rarest as a list of candidates unless it is common, the others as tests.

    Returns also whether there are candidates, and the rarest name's terms. On PostgreSQL the rarest gives no condition:
    the caller drives the statement by it.
    """
    if not matches:
        return [], False, ()
    counts = [_count_up_to(connection, match.term_ids, COMMON + 1) for match in matches]
    rarest = counts.index(min(counts))
    conditions: list[ColumnElement[bool]] = []
    for index, match in enumerate(matches):
        mention = schema.mention.alias(f"mention_{index}")
        if index == rarest and connection.dialect.name != "sqlite":
            continue
        if index == rarest and counts[index] <= COMMON:
            among = select(mention.c.claim_id).where(mention.c.term_id.in_(literal_numbers(match.term_ids)))
            conditions.append(schema.claim.c.claim_id.in_(among))
        else:
            conditions.append(
                exists().where(
                    mention.c.claim_id == schema.claim.c.claim_id,
                    mention.c.term_id.in_(literal_numbers(match.term_ids)),
                )
            )
    return conditions, counts[rarest] <= COMMON, matches[rarest].term_ids


def _count_up_to(connection: Connection, term_ids: tuple[int, ...], most: int) -> int:
    some = (
        select(literal(1).label("one"))
        .where(schema.mention.c.term_id.in_(literal_numbers(term_ids)))
        .limit(most)
        .subquery()
    )
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _text_condition(connection: Connection, words: list[str], *, has_driver: bool) -> ColumnElement[bool]:
    """Return the condition that a claim has all words, the last one possibly unfinished."""
    if connection.dialect.name != "sqlite":
        match = " & ".join([*(f"'{word}'" for word in words[:-1]), f"'{words[-1]}':*"])
        sql = "array_to_tsvector(string_to_array(claim.search_text, ' ')) @@ CAST(:words AS tsquery)"
        return _fragment(sql, match)
    match = " ".join([*(f'"{word}"' for word in words[:-1]), f'"{words[-1]}"*'])
    counting = text("SELECT count(*) FROM (SELECT 1 FROM claim_fts WHERE claim_fts MATCH :words LIMIT :most)")
    count = connection.execute(counting, {"words": match, "most": COMMON + 1}).scalar_one()
    if count <= COMMON and not has_driver:
        return _fragment("claim.claim_id IN (SELECT rowid FROM claim_fts WHERE claim_fts MATCH :words)", match)
    # Many hits, or few candidates by their names: the words are looked for in each claim, until the limit is reached.
    padded = literal(" ").concat(schema.claim.c.search_text).concat(" ")
    return and_(*(padded.like(f"% {word} %") for word in words[:-1]), padded.like(f"% {words[-1]}%"))


def _fragment(sql: str, words: str) -> ColumnElement[bool]:
    return cast("ColumnElement[bool]", text(sql).bindparams(bindparam("words", words)))
