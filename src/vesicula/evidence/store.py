"""The evidence store: open it, ask it, add to it.

>>> from vesicula.evidence.store import open_store                                        # doctest: +SKIP
>>> with open_store() as store:                                                           # doctest: +SKIP
...     answer = store.query(Question(condition="acute kidney injury", cargo="miR-21"))   # doctest: +SKIP
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, inspect, select

from vesicula.evidence import curate, schema, tables
from vesicula.evidence.content import Content
from vesicula.evidence.engine import default_path, make_engine, parse_target, reading, store_name, writing
from vesicula.evidence.errors import ImportRefused, StoreError
from vesicula.evidence.migrate import bring_up_to_date
from vesicula.evidence.model import (
    Answer,
    Claim,
    Doubt,
    Mention,
    Neighbourhood,
    Problem,
    Question,
    Reference,
    Revision,
    Source,
    TableEntry,
    TableView,
    Trial,
)
from vesicula.evidence.near import near_numbers
from vesicula.evidence.packaged import packaged_contents
from vesicula.evidence.release import update_packaged
from vesicula.evidence.search import SHOWN, claim_numbers, match_names
from vesicula.evidence.writer import create_tables, identify_terms, last_numbers, write_revision

MOST_CLAIMS = 100_000
"""A question without a limit that more claims answer is refused: about 1 GB of memory, and nobody reads them."""

STREAMED = 2000
"""How many claims are in memory at a time where they are read one after the other."""


def open_store(target: str | Path | None = None, *, create: bool = True) -> Store:
    """Open a store; make it from the packaged tables if there is none.

    Parameters
    ----------
    target : str or pathlib.Path, optional
        A file (SQLite), or a ``postgresql://`` URL. By default the one that the environment variable
        VESICULA_EVIDENCE names, else ``vesicula/evidence.sqlite`` in the user's data folder.
    create : bool
        Whether to make a store where there is none.

    Returns
    -------
    Store
        Close it, or use it in a ``with`` block.

    Raises
    ------
    StoreError
        If it cannot be opened, read or made.
    """
    url = parse_target(target if target is not None else default_path())
    engine, writable = make_engine(url)
    try:
        _ensure(engine, store_name(url), create=create and writable, writable=writable)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, store_name(url), writable=writable)


def _ensure(engine: Engine, name: str, *, create: bool, writable: bool) -> None:
    with reading(engine) as connection:
        found = _schema_version(connection, name)
    if found is None:
        if not create:
            raise StoreError(f"{name}: there is no evidence store here. Open it once with a writable place to make it")
        with writing(engine) as connection:
            # Another process may have made it while we waited for the lock.
            if not inspect(connection).has_table("store_meta"):
                _fill(connection, name)
    bring_up_to_date(engine, name, partial(_schema_version, name=name), writable=writable)


def _fill(connection: Connection, name: str) -> None:
    strangers = inspect(connection).get_table_names()
    if strangers:
        raise StoreError(
            f"{name}: the database holds other tables ({strangers[0]}, ...). Give the store one of its own"
        )
    create_tables(connection)
    for content in packaged_contents():
        write_revision(connection, content, author="vesicula")
    connection.exec_driver_sql("ANALYZE")


def _schema_version(connection: Connection, name: str) -> str | None:
    if not inspect(connection).has_table("store_meta"):
        return None
    key = schema.store_meta.c.key == "schema_version"
    value = connection.execute(select(schema.store_meta.c.value).where(key)).scalar_one_or_none()
    if value is None:
        raise StoreError(
            f"{name}: the database holds a table store_meta that is not ours. Give the store one of its own"
        )
    return str(value)


class Store:
    """An open evidence store. Each answer names the version that gave it; `as_of` asks a past one.

    Made by :func:`open_store`. `as_of` is a revision's number, or a version's name as an answer gave it.
    """

    def __init__(self, engine: Engine, name: str, *, writable: bool) -> None:
        self._engine = engine
        self.name = name
        self.writable = writable

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _at(self, as_of: int | str | None) -> Iterator[tuple[Connection, Revision, int]]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(schema.revision).order_by(schema.revision.c.revision)).all()
            row = rows[-1] if as_of is None else next((r for r in rows if as_of in {r.revision, r.version}), None)
            if row is None:
                raise StoreError(f"{self.name}: there is no revision {as_of}. The last one is {rows[-1].version}")
            yield connection, _revision(row), row.last_claim_id

    def version(self, as_of: int | str | None = None) -> str:
        """Return the name of the store's version: revision number and the beginning of its history's digest."""
        with self._at(as_of) as (_, revision, _last):
            return revision.version

    def versions(self) -> tuple[Revision, ...]:
        """List the revisions, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(schema.revision).order_by(schema.revision.c.revision))
            return tuple(_revision(row) for row in rows)

    def sources(self, as_of: int | str | None = None) -> tuple[Source, ...]:
        """List the sources, in the order of their first import."""
        column = schema.source.c
        with self._at(as_of) as (connection, revision, _last):
            statement = select(schema.source).where(column.revision <= revision.revision)
            rows = tables.current_rows(
                connection, statement.order_by(column.revision, column.source), "source", revision.revision
            )
            return tuple(
                Source(
                    **{name: getattr(r, name) for name in ("source", "title", "citation", "doi", "licence", "revision")}
                )
                for r in rows
            )

    def tables(self, as_of: int | str | None = None) -> tuple[TableEntry, ...]:
        """List the tables that :meth:`table` can give back."""
        with self._at(as_of) as (connection, revision, _last):
            return tables.list_tables(connection, revision.revision)

    def table(self, name: str, as_of: int | str | None = None) -> TableView:
        """Give a source's table back, in its groups: ``review-b/table-1``; see :func:`tables.load_table`."""
        with self._at(as_of) as (connection, revision, _last):
            return tables.load_table(connection, revision.revision, revision.version, name)

    def trials(self, as_of: int | str | None = None) -> tuple[Trial, ...]:
        """List the trials of all sources; a trial that two sources report stands twice."""
        with self._at(as_of) as (connection, revision, _last):
            return tables.load_trials(connection, revision.revision)

    def references(self, as_of: int | str | None = None) -> tuple[Reference, ...]:
        """List the rows of all reference lists."""
        with self._at(as_of) as (connection, revision, _last):
            return tables.load_references(connection, revision.revision)

    def doubts(self, as_of: int | str | None = None) -> tuple[Doubt, ...]:
        """List the curators' doubts about all rows."""
        with self._at(as_of) as (connection, revision, _last):
            return tables.load_doubts(connection, revision.revision)

    def query(self, question: Question, as_of: int | str | None = None) -> Answer:
        """Find claims.

        Parameters
        ----------
        question : Question
            Filters; all that are given must hold. A name (condition, species, cell source, cargo, target, pathway,
            tumour, molecule) holds where a claim's name has its words or its identifier; ``text`` holds where all its
            words stand anywhere in the claim, the last one possibly unfinished.
        as_of : int or str, optional
            A past revision, by number or version.

        Returns
        -------
        Answer
            The claims in the order of their import, with what was matched and what was not.

        Raises
        ------
        StoreError
            If there is no such revision, or the store cannot be read.
        """
        with self._at(as_of) as (connection, revision, last_claim):
            number = revision.revision
            matches = match_names(connection, question, number)
            bound = question.limit if question.limit is not None else MOST_CLAIMS
            bounded = replace(question, limit=bound)
            found = claim_numbers(connection, bounded, matches, last_claim=last_claim, as_of=number)
            if len(found) > bound and question.limit is None:
                raise StoreError(
                    f"{self.name}: more than {MOST_CLAIMS} claims answer this. Narrow the question, set a limit, or "
                    "read them one after the other with Store.stream"
                )
            claims = tables.load_claims(connection, found[:bound], number)
        return Answer(
            version=revision.version,
            as_of=number,
            question=question,
            claims=claims,
            matched=tuple((match.role, match.texts[:SHOWN]) for match in matches if match.texts),
            unmatched=tuple(match.in_words() for match in matches if not match.texts),
            truncated=len(found) > bound,
        )

    def count(self, question: Question, as_of: int | str | None = None) -> int:
        """Count the claims that answer a question, up to one more than its limit; see :meth:`query`."""
        with self._at(as_of) as (connection, revision, last_claim):
            number = revision.revision
            matches = match_names(connection, question, number)
            return len(claim_numbers(connection, question, matches, last_claim=last_claim, as_of=number))

    def stream(self, question: Question, as_of: int | str | None = None) -> Iterator[Claim]:
        """Yield the claims that answer a question one by one, as of one version, however many there are.

        Parameters
        ----------
        question : Question
            As in :meth:`query`.
        as_of : int or str, optional
            A past revision, by number or version.

        Yields
        ------
        Claim
            In the order of their import; a block of them at a time is in memory.

        Raises
        ------
        StoreError
            If there is no such revision, or the store cannot be read.
        """
        with self._at(as_of) as (connection, revision, last_claim):
            number = revision.revision
            matches = match_names(connection, question, number)
            found = claim_numbers(connection, question, matches, last_claim=last_claim, as_of=number)
            for start in range(0, len(found[: question.limit]), STREAMED):
                stop = start + STREAMED if question.limit is None else min(start + STREAMED, question.limit)
                yield from tables.load_claims(connection, found[start:stop], number)

    def claims_near(
        self, *, molecule: str | None = None, condition: str | None = None, as_of: int | str | None = None
    ) -> Neighbourhood:
        """Find the claims around a molecule, a condition or both, with those that can contradict them.

        Parameters
        ----------
        molecule : str, optional
            Name or identifier of a cargo, target or pathway.
        condition : str, optional
            Name or identifier of a condition; with a molecule, both must stand in the claim.
        as_of : int or str, optional
            A past revision, by number or version.

        Returns
        -------
        Neighbourhood
            All that a mechanism graph around them needs.

        Raises
        ------
        StoreError
            If nothing is asked for, more than :data:`vesicula.evidence.near.MOST_NEAR` claims are found, there is no
            such revision, or the store cannot be read.
        """
        with self._at(as_of) as (connection, revision, last_claim):
            number = revision.revision
            asked, others, unmatched, left_out = near_numbers(
                connection, molecule, condition, last_claim=last_claim, as_of=number
            )
            claims = tables.load_claims(connection, sorted((*asked, *others)), number)
            among = set(asked)
            ids = tuple(c.record_id for c, n in zip(claims, sorted((*asked, *others)), strict=True) if n in among)
        return Neighbourhood(
            version=revision.version,
            as_of=number,
            claims=claims,
            asked=ids,
            unmatched=tuple(unmatched),
            not_compared=tuple(left_out),
        )

    def add(
        self,
        content: Content,
        *,
        author: str | None = None,
        revise: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Revision:
        """Add checked content as one revision: all of it, or nothing.

        Parameters
        ----------
        content : Content
            From :func:`vesicula.evidence.importer.read_claims`.
        author : str, optional
            By default the user's name on this machine.
        revise : bool
            Whether claims whose record_id the same source already has are replaced (their old form stays in the past).
        progress : callable, optional
            Told, now and then, how many claims of how many are written.

        Returns
        -------
        Revision
            What was added.

        Raises
        ------
        ImportRefused
            If the file is in the store already, or an id is taken.
        StoreError
            If the store cannot be written.
        """
        self._require_writable()
        with writing(self._engine) as connection:
            retire = _check_against_store(connection, content, revise=revise)
            fresh = _without_known(connection, content)
            number = write_revision(connection, fresh, author=author or _user(), retire=retire, progress=progress)
            return _revision_of(connection, number)

    def correct(
        self,
        record_id: str,
        changes: dict[str, str],
        *,
        note: str,
        author: str | None = None,
        packaged: bool = False,
    ) -> Revision:
        """Correct a claim in this store, packaged or not; its old form stays in the past versions.

        Parameters
        ----------
        record_id : str
            The claim.
        changes : dict of str to str
            Column (of :data:`vesicula.evidence.model.CLAIM_COLUMNS`; not its id, its source or its references) to text.
        note : str
            Why. It is shown with the claim, as "corrected by AUTHOR: NOTE".
        author : str, optional
            By default the user's name on this machine.
        packaged : bool
            Must be said where the claim is of a packaged source: others do not have the correction.

        Returns
        -------
        Revision
            Its note says what was changed from what to what.

        Raises
        ------
        StoreError
            If there is no such claim, a text is not allowed, nothing would change, or there is no note.
        """
        self._require_writable()
        with writing(self._engine) as connection:
            number = curate.correct(
                connection, record_id, changes, note=note, author=author or _user(), packaged=packaged
            )
            return _revision_of(connection, number)

    def resolve_doubt(
        self, table: str, row: str, text: str | None = None, *, note: str, author: str | None = None
    ) -> Revision:
        """Settle a doubt: it is shown from now on as "resolved by AUTHOR: NOTE", and as it was in past versions.

        Parameters
        ----------
        table, row : str
            As :attr:`vesicula.evidence.model.Doubt.table` and ``row`` give them.
        text : str, optional
            Its text or the beginning of it; needed where several doubts about the row are open.
        note : str
            How it was settled.
        author : str, optional
            By default the user's name on this machine.

        Returns
        -------
        Revision
            The one that settles it.

        Raises
        ------
        StoreError
            If no open doubt, or several, are meant, or there is no note.
        """
        self._require_writable()
        with writing(self._engine) as connection:
            number = curate.resolve_doubt(
                connection,
                table,
                row,
                text,
                note=note,
                author=author or _user(),
                as_of=last_numbers(connection).revision,
            )
            return _revision_of(connection, number)

    def update_packaged(self) -> tuple[Revision, ...]:
        """Bring the packaged tables of this vesicula into the store: rows that are new, changed or withdrawn.

        Returns
        -------
        tuple of Revision
            One for each content that differs; none where the store has them already. Past versions answer as before.

        Raises
        ------
        StoreError
            If the store holds newer tables, or a new row's id is taken by a lab's claim.
        """
        self._require_writable()
        with writing(self._engine) as connection:
            numbers = update_packaged(connection, packaged_contents())
            return tuple(_revision_of(connection, number) for number in numbers)

    def unidentified(self, revision: int | None = None) -> tuple[Mention, ...]:
        """List the names that stand for nothing known or for several things, with the reason."""
        term = schema.term.c
        statement = select(schema.term).where(term.status.in_(["unmapped", "ambiguous"])).order_by(term.role, term.text)
        if revision is not None:
            statement = statement.where(term.revision == revision)
        with reading(self._engine) as connection:
            return tuple(
                Mention(
                    role=r.role,
                    position=0,
                    text=r.text,
                    status=r.status,
                    identifiers=tuple(r.identifiers.split()),
                    label=r.label,
                    note=r.note,
                )
                for r in connection.execute(statement)
            )

    def identify_names(self, *, author: str | None = None) -> int:
        """Look up the names that nothing has tried to identify yet; return how many. A revision, if there are any."""
        self._require_writable()
        with writing(self._engine) as connection:
            return identify_terms(connection, author=author or _user())

    def _require_writable(self) -> None:
        if not self.writable:
            raise StoreError(
                f"{self.name}: the place is read-only. Copy the store to a writable place and name it with --store or "
                "VESICULA_EVIDENCE"
            )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # No name for the user's number, as in some containers.
        return "unknown"


def _revision_of(connection: Connection, number: int) -> Revision:
    return _revision(connection.execute(select(schema.revision).where(schema.revision.c.revision == number)).one())


def _revision(row: object) -> Revision:
    names = ("revision", "version", "time", "source", "author", "note", "file_name", "sha256", "claims")
    return Revision(**{name: getattr(row, name) for name in names})


def _check_against_store(connection: Connection, content: Content, *, revise: bool) -> list[int]:
    same = (
        connection.execute(select(schema.revision.c.version).where(schema.revision.c.sha256 == content.sha256))
        .scalars()
        .first()
    )
    if same is not None:
        problem = Problem(row=0, line=0, column="", message=f"this very content was imported before, as version {same}")
        raise ImportRefused(content.file_name, [problem])
    taken = _current_records(connection, [claim.cells["record_id"] for claim in content.claims])
    problems, retire = [], []
    for row, claim in enumerate(content.claims, start=1):
        record = claim.cells["record_id"]
        for number, source in taken.get(record, []):
            if source == claim.source and revise:
                retire.append(number)
                continue
            remedy = (
                "give it another id, or import with --revise to replace it"
                if source == claim.source
                else "give it another id"
            )
            message = f"{record!r} is already in the store, from {source}; {remedy}"
            problems.append(Problem(row=row, line=0, column="record_id", message=message))
    if problems:
        raise ImportRefused(content.file_name, problems)
    return retire


def _current_records(connection: Connection, records: list[str]) -> dict[str, list[tuple[int, str]]]:
    claim = schema.claim.c
    found: dict[str, list[tuple[int, str]]] = {}
    for start in range(0, len(records), 500):
        rows = connection.execute(
            select(claim.record_id, claim.claim_id, claim.source)
            .outerjoin(schema.retirement, schema.retirement.c.claim_id == claim.claim_id)
            .where(claim.record_id.in_(records[start : start + 500]), schema.retirement.c.claim_id.is_(None))
        )
        for record, number, source in rows:
            found.setdefault(record, []).append((number, source))
    return found


def _without_known(connection: Connection, content: Content) -> Content:
    """Leave out sources, tables and references that an earlier import of the same source brought."""
    sources = set(connection.execute(select(schema.source.c.source)).scalars())
    known_tables = set(connection.execute(select(schema.source_table.c.table_id)).scalars())
    wanted = {reference.source for reference in content.references}
    known = {
        (source, number)
        for source, number in connection.execute(
            select(schema.reference.c.source, schema.reference.c.number).where(schema.reference.c.source.in_(wanted))
        )
    }
    return Content(
        source=content.source,
        note=content.note,
        file_name=content.file_name,
        sha256=content.sha256,
        sources=[s for s in content.sources if s.source not in sources],
        tables=[t for t in content.tables if t.entry.table not in known_tables],
        references=[r for r in content.references if (r.source, r.number) not in known],
        rows=content.rows,
        claims=content.claims,
    )
