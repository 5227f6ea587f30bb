"""The tables of the store: the same on SQLite and on PostgreSQL.

Rows are only ever added. A claim that is withdrawn or replaced gets a row in `retirement`, a doubt that is settled one
in `resolution`, a row of another table that changes one in `row_version`; so each past state can be asked for by the
number of its revision. Claims are numbered in the order of their import, under the writers' lock:
"as of revision r" is therefore "claim_id up to the last one of r".
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = "2"

metadata = MetaData()

store_meta = Table("store_meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

revision = Table(
    "revision",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the digest before and of this content: names the whole history
    Column("time", Text, nullable=False),  # UTC, ISO 8601
    Column("source", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("last_claim_id", Integer, nullable=False),
)


def _revision() -> Column[int]:
    return Column("revision", Integer, ForeignKey("revision.revision"), nullable=False)


source = Table(
    "source",
    metadata,
    Column("source", Text, primary_key=True),
    _revision(),
    Column("title", Text, nullable=False),
    Column("citation", Text, nullable=False),
    Column("doi", Text, nullable=False),
    Column("licence", Text, nullable=False),
)

source_table = Table(
    "source_table",
    metadata,
    Column("table_id", Text, primary_key=True),
    _revision(),
    Column("position", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("kind", Text, nullable=False),  # claims, trials, references or rows
    Column("columns", Text, nullable=False),  # JSON list, in the order of the source
)

reference = Table(
    "reference",
    metadata,
    Column("source", Text, nullable=False),
    Column("number", Text, nullable=False),
    _revision(),
    Column("table_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("first_author", Text, nullable=False),
    Column("year", Text, nullable=False),
    Column("citation", Text, nullable=False),
    Column("number_inferred", Integer, nullable=False),
    Column("doi", Text, nullable=False),
    Column("pmid", Text, nullable=False),
    PrimaryKeyConstraint("source", "number"),
)

claim = Table(
    "claim",
    metadata,
    Column("claim_id", Integer, primary_key=True, autoincrement=False),
    _revision(),
    Column("source", Text, nullable=False),
    Column("table_id", Text, nullable=False),
    Column("part", Text, nullable=False),  # the printed table, where table_id holds several
    Column("group_name", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("review", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("condition_class", Text, nullable=False),
    Column("cell_source", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("modification", Text, nullable=False),
    Column("isolation_method", Text, nullable=False),
    Column("isolation_g", Text, nullable=False),
    Column("cargo", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("pathway", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("study_type", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("effect_class", Text, nullable=False),
    Column("reference_numbers", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("search_text", Text, nullable=False),  # the folded words of all of the above
    Index("claim_record", "record_id", "claim_id"),
    Index("claim_part", "part", "claim_id"),
    Index("claim_table", "table_id", "claim_id"),
    Index("claim_source", "source", "claim_id"),
    Index("claim_condition_class", "condition_class", "claim_id"),
    Index("claim_effect_class", "effect_class", "claim_id"),
    Index("claim_study_type", "study_type", "claim_id"),
    Index("claim_product", "product", "claim_id"),
    Index("claim_noted", "claim_id", sqlite_where=text("notes <> ''"), postgresql_where=text("notes <> ''")),
)

retirement = Table(
    "retirement",
    metadata,
    Column("claim_id", Integer, ForeignKey("claim.claim_id"), primary_key=True, autoincrement=False),
    _revision(),
)

# A name in a role, once; the claims that mention it point here. Identifiers belong to the name: the columns are NULL
# until something has tried to identify it, and `identified_in` says since which revision they hold.
term = Table(
    "term",
    metadata,
    Column("term_id", Integer, primary_key=True, autoincrement=False),
    _revision(),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),  # as printed
    Column("folded", Text, nullable=False),  # " words between spaces ", for whole-word LIKE
    Column("status", Text),
    Column("identifiers", Text),  # " between spaces ", likewise
    Column("label", Text),
    Column("note", Text),
    Column("identified_in", Integer, ForeignKey("revision.revision")),
    UniqueConstraint("role", "text", name="term_role_text"),
)

mention = Table(
    "mention",
    metadata,
    Column("claim_id", Integer, ForeignKey("claim.claim_id"), nullable=False),
    Column("term_id", Integer, ForeignKey("term.term_id"), nullable=False),
    Column("position", Integer, nullable=False),
    PrimaryKeyConstraint("claim_id", "term_id", "position"),
    Index("mention_term", "term_id", "claim_id"),
    sqlite_with_rowid=False,
)

direction = Table(
    "direction",
    metadata,
    Column("claim_id", Integer, ForeignKey("claim.claim_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("molecule", Text, nullable=False),
    Column("change", Text, nullable=False),
    PrimaryKeyConstraint("claim_id", "position"),
    sqlite_with_rowid=False,
)

claim_reference = Table(
    "claim_reference",
    metadata,
    Column("claim_id", Integer, ForeignKey("claim.claim_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("number", Text, nullable=False),
    PrimaryKeyConstraint("claim_id", "position"),
    ForeignKeyConstraint(["source", "number"], ["reference.source", "reference.number"]),
    sqlite_with_rowid=False,
)

trial = Table(
    "trial",
    metadata,
    Column("table_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    _revision(),
    Column("source", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("nct_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("participants", Text, nullable=False),
    Column("cell_source", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("as_of", Text, nullable=False),
    Column("dose", Text, nullable=False),
    Column("highest_dose", Text, nullable=False),
    Column("dose_units", Text, nullable=False),
    Column("number_of_doses", Text, nullable=False),
    Column("dose_frequency_days", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("printed", Text, nullable=False),  # JSON: the row verbatim
    PrimaryKeyConstraint("table_id", "position"),
    Index("trial_nct", "nct_id"),
)

source_row = Table(
    "source_row",
    metadata,
    Column("table_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    _revision(),
    Column("part", Text, nullable=False),
    Column("doi", Text, nullable=False),
    Column("printed", Text, nullable=False),  # JSON: the row verbatim, units and all
    PrimaryKeyConstraint("table_id", "position"),
    Index("source_row_doi", "doi"),
)

doubt = Table(
    "doubt",
    metadata,
    Column("doubt_id", Integer, primary_key=True, autoincrement=False),
    _revision(),
    Column("claim_id", Integer, ForeignKey("claim.claim_id")),  # NULL: of a trial or another row
    Column("table_id", Text, nullable=False),
    Column("row_id", Text, nullable=False),  # record_id of a claim, NCT id of a review's trial, else the position
    Column("position", Integer, nullable=False),  # 0 for a claim
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("doubt_claim", "claim_id"),
    Index("doubt_row", "table_id", "position"),
)

# Since schema 2: what a store goes through in its life. `place` is the first claim of a chain of replacements: the
# newest stands where that one stood in its table.
successor = Table(
    "successor",
    metadata,
    Column("claim_id", Integer, ForeignKey("claim.claim_id"), primary_key=True, autoincrement=False),
    _revision(),
    Column("replaces", Integer, ForeignKey("claim.claim_id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # correction: a curator's; release: of the packaged tables
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index("successor_replaces", "replaces"),
)

resolution = Table(
    "resolution",
    metadata,
    Column("doubt_id", Integer, ForeignKey("doubt.doubt_id"), primary_key=True, autoincrement=False),
    _revision(),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
)

# A later form of a packaged row that is no claim; the first form stays in its own table.
row_version = Table(
    "row_version",
    metadata,
    Column("kind", Text, nullable=False),  # the name of its table
    Column("key", Text, nullable=False),  # JSON list: its primary key there
    _revision(),
    Column("row", Text, nullable=False),  # JSON object of its columns; empty: withdrawn
    PrimaryKeyConstraint("kind", "key", "revision"),
)
