"""From findings to rows, tables and the matrix of loads and captures."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from vesicula.core.estimate import Estimate
from vesicula.core.finding import Finding, Verdict
from vesicula.core.format import format_number
from vesicula.dossier.ledger import Ledger
from vesicula.dossier.model import Cell, HowMade, Matrix, MatrixRow, Row, Table
from vesicula.dossier.wording import (
    KINDS,
    TOPICS,
    carried_text,
    difference_text,
    interval_text,
    parameters_of,
    replication_text,
)
from vesicula.figures import Span, common_scale, fraction_scale, strip, strip_axis

QUIET = (Verdict.MET, Verdict.NOT_JUDGED)
"""Verdicts on loads and captures that a reader need not see at once."""

QUIET_IN = {"validity": (*QUIET, Verdict.NOT_MEASURED)}
"""Topics with more of them: a rule that the file does not let us evaluate."""

COMPACT_ROWS = 6
"""Rows about loads and captures per table in a large study."""


def how_made(finding: Finding, ledger: Ledger) -> HowMade:
    """Collect what a finding rests on.

    Parameters
    ----------
    finding : Finding
        Any.
    ledger : Ledger
        Takes note of its method and sources.

    Returns
    -------
    HowMade
        For the row below the number.
    """
    method, criterion = finding.method, finding.criterion
    cited = [c for c in (method.citation if method else None, *finding.citations) if c is not None]
    return HowMade(
        finding_id=finding.id,
        statement=finding.statement,
        method=method.name if method else "",
        version=method.version if method else "",
        method_anchor=ledger.add_method(method) if method else "",
        parameters=parameters_of(method.parameters) if method else (),
        inputs=tuple((i.path, i.sha256) for i in finding.inputs),
        interval=carried_text(finding.estimate) if finding.estimate else "",
        sources=tuple(ledger.add_source(c, finding.title) for c in cited),
        criterion_source=ledger.add_source(criterion.source, f"criterion: {finding.title}") if criterion else None,
    )


def make_row(anchor: str, finding: Finding, ledger: Ledger, vendor: tuple[float, str] | None = None) -> Row:
    """Lay one finding out as a row.

    Parameters
    ----------
    anchor : str
        Its id in the page.
    finding : Finding
        Any.
    ledger : Ledger
        Takes note of its method and sources.
    vendor : tuple of (float, str), optional
        A vendor's value to show where the finding itself has none, and where it comes from.

    Returns
    -------
    Row
        Without its strip, which needs the other rows.
    """
    e, how = finding.estimate, how_made(finding, ledger)
    value, note = (finding.vendor_value, "") if finding.vendor_value is not None or vendor is None else vendor
    return Row(
        anchor=anchor,
        scope=", ".join(p for p in (finding.replicate, finding.capture) if p),
        title=finding.title,
        statement=finding.statement,
        verdict=finding.verdict.value,
        kind=KINDS[finding.verdict],
        value=format_number(e.value, e.unit) if e else "",
        unit=e.unit if e else "",
        interval=interval_text(e) if e else "",
        n=replication_text(e) if e else "",
        vendor=format_number(value, e.unit) if e and value is not None else "",
        difference=difference_text(e.value, value, e.unit) if e and value is not None else "",
        vendor_note=note if value is not None else "",
        criterion=finding.criterion.text if finding.criterion else "",
        source=how.criterion_source,
        how=how,
        judged=finding.verdict is not Verdict.NOT_JUDGED,
    )


def make_table(
    topic: str,
    findings: Sequence[tuple[str, Finding]],
    ledger: Ledger,
    *,
    vendors: Mapping[str, tuple[float, str]] | None = None,
    compact: bool = False,
) -> Table:
    """Lay the findings of one topic out as a table.

    Parameters
    ----------
    topic : str
        Their topic.
    findings : sequence of (str, Finding)
        With their anchors, in the order of the assessment.
    ledger : Ledger
        Takes note of methods and sources.
    vendors : mapping, optional
        The vendor's value by quantity, for findings about the sample.
    compact : bool
        Large study: only what must be seen of loads and captures.

    Returns
    -------
    Table
        What belongs to the sample first; what is as it should be of loads and captures folded away.
    """
    top = [(a, f) for a, f in findings if not f.replicate]
    below = [(a, f) for a, f in findings if f.replicate]
    still = QUIET_IN.get(topic, QUIET)
    loud = [(a, f) for a, f in below if f.verdict not in still]
    quiet = [(a, f) for a, f in below if f.verdict in still]
    left_out = 0
    if compact:
        left_out = len(quiet) + max(0, len(loud) - COMPACT_ROWS)
        loud, quiet = loud[:COMPACT_ROWS], []
    elif not top and not loud and len(quiet) <= 3:
        loud, quiet = quiet, []
    shown = [*(_by_class(top) if topic == "vesicle-class" else top), *loud]
    strips, axis = _strips(topic, [f for _, f in shown])
    vendors = vendors or {}
    rows = [
        dataclasses.replace(make_row(a, f, ledger, vendors.get(f.estimate.quantity) if f.estimate else None), strip=s)
        for (a, f), s in zip(shown, strips, strict=True)
    ]
    if topic == "vesicle-class":  # range and source of a definition have columns of their own
        rows = [dataclasses.replace(r, title=r.title.split(" (")[0]) if r.criterion else r for r in rows]
    folded = [make_row(a, f, ledger) for a, f in quiet]
    every = [*rows, *folded]
    title, intro = TOPICS.get(topic, (topic.replace("-", " ").capitalize(), ""))
    return Table(
        topic=topic,
        title=title,
        intro=" ".join(p for p in (intro, _vendor_note(every)) if p),
        rows=tuple(rows),
        quiet=tuple(folded),
        common_n=every[0].n if every and every[0].n and len({r.n for r in every if r.value}) == 1 else "",
        with_vendor=any(r.vendor for r in every),
        with_criterion=any(r.criterion for r in every),
        with_scope=any(r.scope for r in every),
        with_verdict=any(r.judged for r in every),
        with_value=any(r.value for r in every),
        interval_title=interval_title([f.estimate for _, f in findings if f.estimate]),
        axis=axis,
        left_out=left_out,
    )


def _vendor_note(rows: Sequence[Row]) -> str:
    """Say where vendor's values come from when they are not of the rows' own level."""
    notes = {r.vendor_note for r in rows if r.vendor_note}
    return f"The vendor's values are those of {', '.join(sorted(notes))}, the only load." if notes else ""


def interval_title(estimates: Sequence[Estimate]) -> str:
    """Name the level of the intervals of a column, if they have one in common."""
    levels = {e.level for e in estimates if e.low is not None}
    return f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "Interval"


def _by_class(findings: Sequence[tuple[str, Finding]]) -> list[tuple[str, Finding]]:
    """Put the definitions of one class beside each other, and what is said of the class after them."""
    names = list(dict.fromkeys(f.title.split(" (")[0] for _, f in findings if f.estimate))

    def place(finding: Finding) -> tuple[int, bool]:
        own = finding.title.split(" (")[0]
        if finding.estimate:
            return names.index(own), False
        # The longest name wins: "EV" also stands in "small EV".
        about = max((n for n in names if n in finding.title), key=len, default="")
        return (names.index(about) if about else len(names)), True

    return sorted(findings, key=lambda pair: place(pair[1]))


def span_of(finding: Finding) -> Span | None:
    """Return what a strip shows of a finding; None without a number.

    Limits are shown only where the number was judged by them: the criterion of a vesicle class, say, is a range of
    diameters, while its number is a share.
    """
    e, c = finding.estimate, finding.criterion
    if e is None:
        return None
    if finding.verdict not in (Verdict.MET, Verdict.NOT_MET, Verdict.UNDECIDED):
        c = None
    return Span(
        value=e.value, low=e.low, high=e.high, allowed_low=c.low if c else None, allowed_high=c.high if c else None
    )


def _strips(topic: str, findings: Sequence[Finding]) -> tuple[list[Markup], Markup]:
    """Draw the numbers of one unit on one scale; the others alone, and only against a criterion."""
    spans = [span_of(f) for f in findings]
    units = Counter(f.estimate.unit for f in findings if f.estimate and _comparable(f.estimate))
    shared, count = units.most_common(1)[0] if units else ("", 0)
    on_scale = [
        s is not None and f.estimate is not None and f.estimate.unit == shared and _comparable(f.estimate)
        for s, f in zip(spans, findings, strict=True)
    ]
    scale = (
        common_scale([s for s, ok in zip(spans, on_scale, strict=True) if ok and s is not None]) if count > 1 else None
    )
    if topic == "vesicle-class" and scale is not None:
        scale = fraction_scale(100.0 if shared == "%" else 1.0)
    drawn = []
    for s, ok in zip(spans, on_scale, strict=True):
        own = scale if ok else None
        if own is None and s is not None and (s.allowed_low is not None or s.allowed_high is not None):
            own = common_scale([s])
        drawn.append(Markup(strip(s, own)) if s is not None and own is not None else Markup(""))  # noqa: S704 - our own SVG
    return drawn, Markup(strip_axis(scale)) if scale is not None else Markup("")  # noqa: S704 - our own SVG


def _comparable(e: Estimate) -> bool:
    """Say whether a number belongs on an axis of diameters: a width does not, though it has the same unit."""
    return not e.quantity.startswith(("sd_", "span"))


def make_matrix(findings: Iterable[tuple[str, Finding]], ledger: Ledger) -> Matrix | None:
    """Lay the numbers of loads and captures out, a row each.

    Parameters
    ----------
    findings : iterable of (str, Finding)
        Findings with an estimate about a load or capture, with their anchors.
    ledger : Ledger
        Takes note of methods and sources.

    Returns
    -------
    Matrix or None
        None without any.
    """
    columns: dict[str, tuple[str, str]] = {}
    rows: dict[tuple[str, str], dict[str, tuple[str, Finding]]] = {}
    for anchor, f in findings:
        if f.estimate is None:
            continue
        columns.setdefault(f.estimate.quantity, (f.title, f.estimate.unit))
        rows.setdefault((f.replicate, f.capture), {})[f.estimate.quantity] = (anchor, f)
    if not rows:
        return None
    return Matrix(
        columns=tuple(columns.values()),
        rows=tuple(
            _matrix_row(replicate, capture, found, columns, ledger) for (replicate, capture), found in rows.items()
        ),
    )


def _matrix_row(
    replicate: str, capture: str, found: dict[str, tuple[str, Finding]], columns: Iterable[str], ledger: Ledger
) -> MatrixRow:
    made = [how_made(f, ledger) for _, f in found.values()]
    first_anchor, _ = next(iter(found.values()))
    same = len({h.parameters for h in made}) == 1
    shared = HowMade(
        finding_id=f"{made[0].finding_id.rsplit('/', 2)[0]}/...",
        statement="",
        version=made[0].version,
        parameters=made[0].parameters if same else (),
        inputs=tuple(dict.fromkeys(i for h in made for i in h.inputs)),
        sources=tuple(dict.fromkeys(s for h in made for s in h.sources)),
    )
    return MatrixRow(
        level="capture" if capture else "load",
        label=capture or replicate,
        anchor=first_anchor,
        cells=tuple(_cell(found[q][1]) if q in found else Cell() for q in columns),
        how=shared,
        methods=tuple(dict.fromkeys((h.method, h.method_anchor) for h in made if h.method)),
    )


def _cell(finding: Finding) -> Cell:
    e, vendor = finding.estimate, finding.vendor_value
    if e is None:
        return Cell()
    return Cell(
        value=format_number(e.value, e.unit),
        interval=interval_text(e),
        vendor="" if vendor is None else format_number(vendor, e.unit),
        difference="" if vendor is None else difference_text(e.value, vendor, ""),
    )
