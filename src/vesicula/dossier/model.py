"""Typed page contexts: what each template may show, and nothing else.

Every string here is plain text; the templates escape it. The exceptions are fields of type `Markup`: drawings by
`vesicula.figures`, which escapes whatever it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A citation.

    Parameters
    ----------
    text, note : str
        As the finding gives them.
    doi : str
        Printed as it stands.
    url : str
        Address at doi.org; empty unless the DOI is well formed, so that no other scheme can become a link.
    """

    text: str
    note: str = ""
    doi: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HowMade:
    """Everything that one number rests on.

    Parameters
    ----------
    finding_id, statement : str
        The finding, as in findings.json.
    method, version, method_anchor : str
        Method, version of vesicula, and its entry in the list of methods.
    parameters : tuple of (str, str)
        Names and values.
    inputs : tuple of (str, str)
        Path and SHA-256 of each input file.
    interval : str
        What the interval carries, in words.
    sources : tuple of Source
        Source of the method and further citations.
    criterion_source : Source or None
        Who set the criterion.
    """

    finding_id: str
    statement: str
    method: str = ""
    version: str = ""
    method_anchor: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    interval: str = ""
    sources: tuple[Source, ...] = ()
    criterion_source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One finding as a row.

    Parameters
    ----------
    anchor : str
        Its id in the page.
    scope : str
        Load and capture that it is about; empty for the sample or batch.
    title, statement, verdict : str
        As in the finding.
    kind : str
        `verdict` as a CSS class and icon name.
    value, unit, interval, n : str
        The estimate, printed; `n` says how many of what.
    vendor, difference : str
        The vendor's value, and ours minus the vendor's.
    vendor_note : str
        Where the vendor's value comes from if not from this very finding.
    criterion : str
        The limit in words.
    source : Source or None
        Its source.
    strip : Markup
        The interval drawn on the scale of the table.
    how : HowMade
        Provenance.
    judged : bool
        Whether it was set against a criterion or deserves a verdict of its own.
    """

    anchor: str
    scope: str
    title: str
    statement: str
    verdict: str
    kind: str
    value: str = ""
    unit: str = ""
    interval: str = ""
    n: str = ""
    vendor: str = ""
    difference: str = ""
    vendor_note: str = ""
    criterion: str = ""
    source: Source | None = None
    strip: Markup = Markup("")  # noqa: RUF009 - immutable, like the str it is
    how: HowMade
    judged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Findings of one topic.

    Parameters
    ----------
    topic, title, intro : str
        Topic, heading, and a sentence above the table.
    rows : tuple of Row
        Those to show at once.
    quiet : tuple of Row
        Those that are as they should be, folded away.
    common_n : str
        How many of what, where all rows agree.
    with_vendor, with_criterion, with_scope, with_verdict, with_value : bool
        Which columns hold anything.
    interval_title : str
        Heading of the column of intervals: ``"95 % interval"`` where all have one level.
    axis : Markup
        Axis of the strips; empty without strips.
    left_out : int
        Findings that only findings.json holds (large studies).
    """

    topic: str
    title: str
    intro: str = ""
    rows: tuple[Row, ...]
    quiet: tuple[Row, ...] = ()
    common_n: str = ""
    with_vendor: bool = False
    with_criterion: bool = False
    with_scope: bool = False
    with_verdict: bool = True
    with_value: bool = True
    interval_title: str = "Interval"
    axis: Markup = Markup("")  # noqa: RUF009 - immutable, like the str it is
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number of a load or capture, with the vendor's beside it."""

    value: str = ""
    interval: str = ""
    vendor: str = ""
    difference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """A load or capture.

    Parameters
    ----------
    level : {"load", "capture"}
        Which of the two.
    label : str
        Its name.
    anchor : str
        Its id in the page.
    cells : tuple of Cell
        One per column of the matrix.
    how : HowMade or None
        Provenance shared by the row.
    methods : tuple of (str, str)
        Name and anchor of every method in the row.
    """

    level: str
    label: str
    anchor: str
    cells: tuple[Cell, ...]
    how: HowMade | None = None
    methods: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Quantities by load and capture."""

    columns: tuple[tuple[str, str], ...]  # title and unit
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureBlock:
    """A figure on the page: static drawing, and its data for the script; `width` in user units, 0 where it fills."""

    anchor: str
    svg: Markup
    data: Markup
    caption: str
    alt: str
    toggles: tuple[str, ...] = ()
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePage:
    """One sample of a batch."""

    anchor: str
    name: str
    facts: tuple[tuple[str, str], ...] = ()
    figure: FigureBlock | None = None
    tables: tuple[Table, ...] = ()  # up to the matrix
    matrix: Matrix | None = None
    more_tables: tuple[Table, ...] = ()  # after it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One input file."""

    path: str
    status: str
    kind: str
    size: str
    reader: str
    summary: str
    sha256: str
    error: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One line of a verdict card."""

    anchor: str
    sample: str
    title: str
    text: str
    detail: str
    verdict: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCard:
    """The short verdict on a batch.

    Parameters
    ----------
    anchor, batch, subtitle : str
        The batch, and what it is.
    summary : str
        Its headline verdicts, counted, in one phrase.
    lines : tuple of Headline
        Headlines with a verdict, those that need attention first.
    numbers : tuple of Headline
        Headlines without one.
    counts : tuple of (str, str, int)
        Verdict, kind and number over all its findings, apart from those not judged.
    files : str
        What became of its files.
    """

    anchor: str
    batch: str
    subtitle: str
    summary: str
    lines: tuple[Headline, ...]
    numbers: tuple[Headline, ...]
    counts: tuple[tuple[str, str, int], ...]
    files: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A publication behind a row of the literature.

    Parameters
    ----------
    text, title, note : str
        First author and year; the whole reference; its number in the source and what is inferred.
    url : str
        At doi.org or PubMed; empty where the store has no well-formed identifier.
    """

    text: str
    title: str = ""
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimItem:
    """A claim of the literature; `anchor` is empty where it stands in the page already."""

    anchor: str
    name: str
    likeness: str
    condition: str
    what: str
    effect_class: str
    study: str
    made: str
    references: tuple[Reference, ...]
    place: str
    doubts: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialItem:
    """A clinical trial as one source reports it."""

    anchor: str
    name: str
    url: str
    likeness: str
    about: str
    made: str
    facts: str
    place: str
    doubts: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideColumn:
    """One side of a tumour balance, with its study types."""

    title: str
    count: int
    study_types: str
    rows: tuple[ClaimItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesBlock:
    """The tumour balance of one subject: always both sides, however empty, and claims that take none."""

    subject: str
    line: LiteratureLine | None
    columns: tuple[SideColumn, ...]
    neither: tuple[SideColumn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteratureLine:
    """A statement about the literature, with names and anchors of its rows."""

    anchor: str
    title: str
    text: str
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteratureBlock:
    """What the literature says of batches like one.

    Parameters
    ----------
    lead, version, method_anchor : str
        The leading sentences, version of the store, and entry of the method.
    lines : tuple of LiteratureLine
        Statements; those of tumour balances stand with these.
    balances : tuple of SidesBlock
        Tumour balances.
    rows, more_rows : tuple of ClaimItem
        Other claims, the closest first; those to fold away.
    trials, more_trials : tuple of TrialItem
        Likewise.
    matching : tuple of str
        How rows were matched.
    sources : tuple of Source
        Whom the store quotes.
    """

    lead: str
    version: str
    method_anchor: str
    lines: tuple[LiteratureLine, ...] = ()
    balances: tuple[SidesBlock, ...] = ()
    rows: tuple[ClaimItem, ...] = ()
    more_rows: tuple[ClaimItem, ...] = ()
    trials: tuple[TrialItem, ...] = ()
    more_trials: tuple[TrialItem, ...] = ()
    matching: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoLine:
    """A sentence of the verdict on a batch's cargo, with an icon where something was judged."""

    text: str
    verdict: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoGrid:
    """A plain table of the cargo section: headings, and cells of text; the first of a row is its name."""

    label: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoSets:
    """Gene sets of one list of cargo.

    Parameters
    ----------
    title, note : str
        Heading; what to know, or why nothing was tested.
    figure, network : FigureBlock or None
        Sets by p value; sets that stand out with their cargo, folded away.
    grid : CargoGrid or None
        The sets drawn, with their numbers.
    """

    title: str
    note: str = ""
    figure: FigureBlock | None = None
    network: FigureBlock | None = None
    grid: CargoGrid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoPart:
    """One cargo table.

    Parameters
    ----------
    title : str
        Its name and what it holds.
    categories : FigureBlock or None
        MISEV categories by sample.
    grid : CargoGrid or None
        The same as numbers, folded away.
    sets : tuple of CargoSets
        Gene sets, list by list.
    """

    title: str
    categories: FigureBlock | None = None
    grid: CargoGrid | None = None
    sets: tuple[CargoSets, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoBlock:
    """What a batch carries: verdict, figures, tables.

    Parameters
    ----------
    anchor, intro : str
        Its anchor; how to take it.
    lines : tuple of CargoLine
        The verdict.
    lead, more : Table or None
        Findings to show at once, and those to fold away.
    parts : tuple of CargoPart
        Table by table.
    conditions, balance : FigureBlock or None
        The cargo beside the evidence.
    grid : CargoGrid or None
        Conditions with their rows, folded away.
    """

    anchor: str
    intro: str
    lines: tuple[CargoLine, ...]
    lead: Table | None = None
    more: Table | None = None
    parts: tuple[CargoPart, ...] = ()
    conditions: FigureBlock | None = None
    balance: FigureBlock | None = None
    grid: CargoGrid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoAcross:
    """One kind of cargo over all batches that list it."""

    title: str
    lead: str
    figure: FigureBlock
    grid: CargoGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """One batch: the context of batch.html.j2."""

    anchor: str
    batch: str
    key: str
    card: VerdictCard
    facts: tuple[tuple[str, str], ...]
    isolation: tuple[str, ...]
    tables: tuple[Table, ...]
    samples: tuple[SamplePage, ...]
    files: tuple[FileRow, ...]
    compact: bool
    left_out: int = 0
    literature: LiteratureBlock | None = None
    cargo: CargoBlock | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewCell:
    """One headline quantity of a sample, still as numbers: its strip needs the scale of all batches."""

    text: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    verdict: str = ""
    kind: str = ""
    strip: Markup = Markup("")  # noqa: RUF009 - immutable, like the str it is


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRow:
    """A sample in the table over all batches."""

    anchor: str
    batch: str
    sample: str
    cells: dict[str, OverviewCell]
    remarks: tuple[tuple[str, str, str], ...] = ()  # title, verdict, kind
    counts: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewColumn:
    """A headline quantity over all batches."""

    title: str
    unit: str
    axis: Markup = Markup("")  # noqa: RUF009 - immutable, like the str it is


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntry:
    """A method in the list of methods."""

    anchor: str
    name: str
    version: str
    parameter_sets: tuple[tuple[tuple[str, str], ...], ...]
    further_sets: int
    source: Source | None
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """A source in the list of sources."""

    source: Source
    used_for: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """The frame of the page: the context of head.html.j2 and foot.html.j2."""

    title: str
    software: str
    lead: str
    outcome: str
    facts: tuple[tuple[str, str], ...]
    cards: tuple[VerdictCard, ...]
    columns: tuple[OverviewColumn, ...]
    rows: tuple[OverviewRow, ...]
    batches: tuple[tuple[str, str], ...]  # anchor and name, for the navigation; empty in large studies
    n_batches: int
    compact: bool
    methods: tuple[MethodEntry, ...]
    sources: tuple[SourceEntry, ...]
    parameters: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    manifest_sha256: str
    inputs_included: str
    cargo: tuple[CargoAcross, ...]  # over several batches; empty in large studies
    legend: tuple[tuple[str, str, str], ...]  # verdict, kind, meaning
