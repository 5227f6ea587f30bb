"""What the store gives back: plain frozen records. Text fields hold what the source prints; empty: it does not say."""

from __future__ import annotations

from dataclasses import dataclass, field

CLAIM_COLUMNS = (
    "record_id",
    "review",
    "location",
    "condition",
    "condition_class",
    "cell_source",
    "product",
    "modification",
    "isolation_method",
    "isolation_g",
    "cargo",
    "target",
    "pathway",
    "direction",
    "model",
    "study_type",
    "effect",
    "effect_class",
    "reference_numbers",
    "notes",
)
"""Columns of a table of claims, in the order of the packaged studies.csv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file of claims.

    Attributes
    ----------
    row : int
        Row of data, counted from 1; 0 where the whole file is concerned.
    line : int
        Line of the file on which the row begins, counted from 1; 0 where unknown.
    column : str
        Column concerned; empty where the whole row is.
    message : str
        What was expected, what was found, and what to do.
    """

    row: int
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"row {self.row} (line {self.line})" if self.row else (f"line {self.line}" if self.line else "file")
        return f"{place}, {self.column}: {self.message}" if self.column else f"{place}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A row of a source's reference list; `number` is as printed, or an identifier given by a lab."""

    source: str
    number: str
    first_author: str
    year: str
    citation: str
    number_inferred: bool
    doi: str = ""
    pmid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """What happens to a molecule or process: ``change`` is up, down, activate, inhibit, ..."""

    molecule: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A name in a claim: its role, its text as printed, and what it was identified as, if at all.

    `status` is empty where nothing has tried to identify it yet; see :mod:`vesicula.evidence.names`.
    """

    role: str
    position: int
    text: str
    status: str = ""
    identifiers: tuple[str, ...] = ()
    label: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A curator's doubt about a row: which table and row, of what kind, in words.

    `resolved` says by whom it was settled and how; empty while it stands.
    """

    table: str
    row: str
    kind: str
    text: str
    resolved: str = ""

    @property
    def line(self) -> str:
        """The doubt as a line beside its row."""
        return f"DOUBT ({self.kind}): {self.text}" + (f" [{self.resolved}]" if self.resolved else "")

    @property
    def in_words(self) -> str:
        """The doubt with its kind and how it was settled."""
        return f"{self.kind}: {self.text}" + (f" [{self.resolved}]" if self.resolved else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of one source, with everything that the source says about it.

    `corrected` says who changed it in this store and why; the form before is in the past versions.
    """

    record_id: str
    source: str
    table: str
    group: str
    revision: int
    review: str
    location: str
    condition: str
    condition_class: str
    cell_source: str
    product: str
    modification: str
    isolation_method: str
    isolation_g: str
    cargo: str
    target: str
    pathway: str
    direction: str
    model: str
    study_type: str
    effect: str
    effect_class: str
    reference_numbers: str
    notes: str
    directions: tuple[Direction, ...] = ()
    references: tuple[Reference, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    mentions: tuple[Mention, ...] = ()
    corrected: str = ""

    @property
    def relative_centrifugal_force_g(self) -> float | None:
        """The centrifugal force of the isolation, in multiples of g; None where it is not reported."""
        return float(self.isolation_g) if self.isolation_g else None

    def printed(self) -> dict[str, str]:
        """Return the claim as a row of its table: the columns of :data:`CLAIM_COLUMNS`, verbatim."""
        return {name: str(getattr(self, name)) for name in CLAIM_COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A clinical trial as one source reports it; doses with their unit as printed, never converted here."""

    nct_id: str
    source: str
    table: str
    position: int
    revision: int
    title: str
    condition: str
    phase: str
    participants: str
    cell_source: str
    route: str
    country: str
    product: str
    as_of: str
    dose: str
    highest_dose: str
    dose_units: str
    number_of_doses: str
    dose_frequency_days: str
    notes: str
    url: str
    printed: dict[str, str] = field(hash=False)
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A row of any other table of a source, verbatim: column name to cell."""

    table: str
    position: int
    revision: int
    doi: str
    printed: dict[str, str] = field(hash=False)
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableGroup:
    """The rows under one heading of a table; `name` is empty where the table has no headings."""

    name: str
    rows: tuple[Claim | Trial | SourceRow | Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A source's table given back: its columns in order, and its rows in their groups."""

    table: str
    title: str
    source: str
    version: str
    as_of: int
    columns: tuple[str, ...]
    groups: tuple[TableGroup, ...]

    @property
    def row_count(self) -> int:
        """The number of rows in all groups."""
        return sum(len(group.rows) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """A line of the list of tables."""

    table: str
    source: str
    title: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where claims come from."""

    source: str
    title: str
    citation: str
    doi: str
    licence: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One import: the unit of the store's versions. `version` names the state after it."""

    revision: int
    version: str
    time: str
    source: str
    author: str
    note: str
    file_name: str
    sha256: str
    claims: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked of the store. Filters that are given must all hold; None: not asked."""

    condition: str | None = None
    condition_class: str | None = None
    species: str | None = None
    cell_source: str | None = None
    cargo: str | None = None
    target: str | None = None
    pathway: str | None = None
    tumour: str | None = None
    molecule: str | None = None
    product: str | None = None
    study_type: str | None = None
    effect_class: str | None = None
    source: str | None = None
    record_id: str | None = None
    text: str | None = None
    limit: int | None = None
    of_tumours: bool | None = None
    """Whether the claims are those that the tumour balance weighs up, or all others."""
    remarked: bool = False
    """Whether only claims with a curator's note or doubt are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The claims around a molecule, a condition or both, with the version of the store that gave them.

    Attributes
    ----------
    claims : tuple of Claim
        Those asked for, and those that can contradict them: of the same cargo and condition, or of the same pair of
        cargo and target, target and pathway, or cargo and pathway. In the order of their import.
    asked : tuple of str
        Record ids of those asked for.
    unmatched : tuple of str
        Names asked for that the store does not hold.
    not_compared : tuple of str
        Names that stand with others in too many claims: contradictions over these are not complete.
    """

    version: str
    as_of: int
    claims: tuple[Claim, ...]
    asked: tuple[str, ...]
    unmatched: tuple[str, ...]
    not_compared: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, with the version of the store that gave it.

    Attributes
    ----------
    matched : tuple of tuple of (str, tuple of str)
        For each name asked for, the names in the store (as printed) that it was taken to mean.
    unmatched : tuple of str
        Names asked for that the store does not hold, each with the nearest that it does hold.
    truncated : bool
        Whether there are more claims than the question's limit.
    """

    version: str
    as_of: int
    question: Question
    claims: tuple[Claim, ...]
    matched: tuple[tuple[str, tuple[str, ...]], ...]
    unmatched: tuple[str, ...]
    truncated: bool
