"""From a BatchAssessment to the context of its section."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from vesicula.core.assessment import BatchAssessment, FileRecord
from vesicula.core.estimate import Distribution
from vesicula.core.finding import Finding, Verdict
from vesicula.core.format import format_with_unit
from vesicula.dossier import cargo, literature
from vesicula.dossier.ledger import Ledger
from vesicula.dossier.model import BatchPage, FigureBlock, FileRow, Headline, SamplePage, Table, VerdictCard
from vesicula.dossier.rows import make_matrix, make_table
from vesicula.dossier.wording import (
    KINDS,
    TOPICS,
    count_text,
    facts_of,
    interval_text,
    isolation_text,
    plain,
    size_text,
)
from vesicula.figures import size_distribution

FILE_KINDS = {"read": "met", "empty": "warning", "unreadable": "not-met", "not used": "not-judged"}
MATRIX_TOPICS = ("size", "concentration")
BEFORE_MATRIX = ("release", *MATRIX_TOPICS)
COMPACT_POINTS = 120
"""Points of a curve in a large study."""

ATTENTION = (Verdict.NOT_MET, Verdict.UNDECIDED, Verdict.NOT_MEASURED, Verdict.WARNING, Verdict.MET)
Anchored = tuple[str, Finding]


def batch_page(batch: BatchAssessment, index: int, ledger: Ledger, *, compact: bool) -> BatchPage:
    """Lay one batch out.

    Parameters
    ----------
    batch : BatchAssessment
        Everything found about it.
    index : int
        Its place in the study; gives the anchors.
    ledger : Ledger
        Takes note of methods and sources.
    compact : bool
        Large study: numbers of the samples only, the pooled curve only.

    Returns
    -------
    BatchPage
        Context of batch.html.j2.
    """
    anchor = f"b{index + 1}"
    anchored = [(f"{anchor}f{j + 1}", f) for j, f in enumerate(batch.findings)]
    samples = list(dict.fromkeys([*_stated_samples(batch), *(f.sample for f in batch.findings if f.sample)]))
    pages = tuple(
        _sample_page(
            batch, name, f"{anchor}s{k + 1}", [(a, f) for a, f in anchored if f.sample == name], ledger, compact=compact
        )
        for k, name in enumerate(samples)
    )
    block = None if compact else cargo.cargo_block(batch, anchored, anchor, ledger)
    elsewhere = {literature.TOPIC, *([cargo.TOPIC] if block is not None else [])}
    own = [(a, f) for a, f in anchored if not f.sample and f.topic not in elsewhere]
    tables = _tables(own, ledger, compact=compact)
    cited = [(a, f) for a, f in anchored if f.topic == literature.TOPIC]
    return BatchPage(
        anchor=anchor,
        batch=batch.batch,
        key=batch.key,
        card=verdict_card(batch, anchor, anchored),
        facts=facts_of(batch.description, ("id", "samples", "isolation", "name")),
        isolation=tuple(isolation_text(s) for s in _list(batch.description.get("isolation"))),
        tables=tables,
        samples=pages,
        files=tuple(_file_row(f) for f in batch.files),
        compact=compact,
        literature=literature.literature_block(batch.evidence, cited, anchor, ledger, compact=compact),
        cargo=block,
        left_out=_left_out(anchored, [*tables, *(t for p in pages for t in (*p.tables, *p.more_tables))])
        if compact
        else 0,
    )


def _left_out(anchored: Sequence[Anchored], tables: Sequence[Table]) -> int:
    shown = {r.anchor for t in tables for r in (*t.rows, *t.quiet)}
    return sum(a not in shown and f.topic != literature.TOPIC for a, f in anchored)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _stated_samples(batch: BatchAssessment) -> list[str]:
    return [str(s["id"]) for s in _list(batch.description.get("samples")) if isinstance(s, Mapping) and "id" in s]


def verdict_card(batch: BatchAssessment, anchor: str, anchored: Sequence[Anchored]) -> VerdictCard:
    """Sum a batch up from the findings marked as headlines, and count its verdicts.

    Parameters
    ----------
    batch : BatchAssessment
        The batch.
    anchor : str
        Its anchor in the page.
    anchored : sequence of (str, Finding)
        Its findings with their anchors.

    Returns
    -------
    VerdictCard
        No verdict of its own: it only repeats those of the findings.
    """
    states = {s: sum(f.status == s for f in batch.files) for s in FILE_KINDS}
    files = [count_text(states["read"], "file") + " read"]
    files += [f"{states['empty']} without a particle"] if states["empty"] else []
    files += [f"{states['unreadable']} unreadable"] if states["unreadable"] else []
    source = batch.description.get("cell_source")
    tissue = source.get("tissue") if isinstance(source, Mapping) else None
    name = batch.description.get("name")
    several = len({f.sample for _, f in anchored if f.headline}) > 1
    judged = [(a, f) for a, f in anchored if f.headline and f.verdict is not Verdict.NOT_JUDGED]
    plain_numbers = [(a, f) for a, f in anchored if f.headline and f.verdict is Verdict.NOT_JUDGED]
    return VerdictCard(
        anchor=anchor,
        batch=batch.batch,
        subtitle=", ".join(plain(p) for p in (name, tissue) if p),
        summary=_summary([f for _, f in anchored]),
        lines=_folded(sorted(judged, key=lambda pair: ATTENTION.index(pair[1].verdict)), several=several),
        # Of several samples the overview shows the numbers side by side.
        numbers=() if several else tuple(_headline(a, f, several=False) for a, f in plain_numbers),
        counts=verdict_counts(batch),
        files=", ".join(files),
    )


def _folded(judged: Sequence[Anchored], *, several: bool) -> tuple[Headline, ...]:
    """Say once what holds of several samples in the same words."""
    groups: dict[tuple[str, ...], list[Anchored]] = {}
    for k, (a, f) in enumerate(judged):
        same = (f.title, f.verdict, f.statement) if f.estimate is None and f.sample else (str(k),)
        groups.setdefault(same, []).append((a, f))
    lines = []
    for group in groups.values():
        line = _headline(*group[0], several=several)
        samples = list(dict.fromkeys(f.sample for _, f in group))
        lines.append(replace(line, sample=", ".join(samples)) if len(group) > 1 else line)
    return tuple(lines)


def _summary(findings: Sequence[Finding]) -> str:
    """Count headline verdicts, and breaches of conditions of validity, which bear on all of them.

    Such as ``"1 of 2 criteria met, 1 undecided. Conditions of validity: 3 outside."``.
    """
    verdicts = [f.verdict for f in findings if f.headline]
    breaches = sum(f.topic == "validity" and f.verdict in (Verdict.WARNING, Verdict.NOT_MET) for f in findings)
    criteria = [v for v in verdicts if v in (Verdict.MET, Verdict.NOT_MET, Verdict.UNDECIDED)]
    parts = []
    if criteria:
        noun = "criterion" if len(criteria) == 1 else "criteria"
        parts.append(f"{criteria.count(Verdict.MET)} of {len(criteria)} {noun} met")
    attention = (Verdict.NOT_MET, Verdict.UNDECIDED, Verdict.NOT_MEASURED)
    parts += [f"{verdicts.count(v)} {v.value}" for v in attention if v in verdicts]
    if Verdict.WARNING in verdicts:
        parts.append(count_text(verdicts.count(Verdict.WARNING), "warning"))
    text = ", ".join(parts) or "no criterion set"
    validity = f" Conditions of validity: {breaches} not kept." if breaches else ""
    return f"{text[0].upper()}{text[1:]}.{validity}"


OUTCOMES = (
    "with a criterion not met",
    "with a criterion undecided",
    "not measured",
    "meeting every criterion that could be judged, but not measured in full",
    "meeting every criterion",
    "without a criterion",
)
"""How a batch stands by its headlines, what needs attention first."""


def batch_outcome(batch: BatchAssessment) -> str:
    """Return which of `OUTCOMES` a batch belongs to."""
    verdicts = {f.verdict for f in batch.findings if f.headline}
    missing, met = Verdict.NOT_MEASURED in verdicts, Verdict.MET in verdicts
    holds = (Verdict.NOT_MET in verdicts, Verdict.UNDECIDED in verdicts, missing and not met, missing, met, True)
    return OUTCOMES[holds.index(True)]


def verdict_counts(batch: BatchAssessment) -> tuple[tuple[str, str, int], ...]:
    """Count the verdicts of a batch, those that concern a reader first; what is not judged has no verdict to count."""
    counted = ((v, batch.count(v)) for v in ATTENTION)
    return tuple((v.value, KINDS[v], n) for v, n in counted if n)


def _headline(anchor: str, finding: Finding, *, several: bool) -> Headline:
    e = finding.estimate
    if e is None:
        text, detail = "", finding.statement
    else:
        text, interval = format_with_unit(e.value, e.unit), interval_text(e)
        detail = interval or "no interval"
        if finding.criterion:
            level = f"{100 * e.level:g} % interval {interval}" if interval else "no interval"
            detail = f"{level}; criterion: {finding.criterion.text}"
    scope = ", ".join(p for p in (finding.sample if several else "", finding.replicate, finding.capture) if p)
    return Headline(
        anchor=anchor,
        sample=scope,
        title=finding.title,
        text=text,
        detail=detail,
        verdict=finding.verdict.value,
        kind=KINDS[finding.verdict],
    )


def _sample_page(
    batch: BatchAssessment, name: str, anchor: str, findings: Sequence[Anchored], ledger: Ledger, *, compact: bool
) -> SamplePage:
    stated = next(
        (s for s in _list(batch.description.get("samples")) if isinstance(s, Mapping) and str(s.get("id")) == name), {}
    )
    in_matrix = [(a, f) for a, f in findings if f.replicate and f.estimate is not None and f.topic in MATRIX_TOPICS]
    taken = {a for a, _ in in_matrix}
    tables = _tables(
        [(a, f) for a, f in findings if a not in taken], ledger, compact=compact, vendors=_vendor_values(in_matrix)
    )
    before = [t for t in tables if t.topic in BEFORE_MATRIX]
    return SamplePage(
        anchor=anchor,
        name=name,
        facts=facts_of(stated, ("id", "measurements")),
        figure=_figure([d for d in batch.distributions if d.sample == name], anchor, compact=compact),
        tables=tuple(before),
        matrix=None if compact else make_matrix(in_matrix, ledger),
        more_tables=tuple(t for t in tables if t.topic not in BEFORE_MATRIX),
    )


def _vendor_values(in_matrix: Sequence[Anchored]) -> dict[str, tuple[float, str]]:
    """Return the vendor's pooled values of a sample measured by one load: the very same data."""
    loads = [f for _, f in in_matrix if not f.capture]
    if len({f.replicate for _, f in in_matrix}) != 1:
        return {}
    return {
        f.estimate.quantity: (f.vendor_value, f.replicate)
        for f in loads
        if f.vendor_value is not None and f.estimate is not None
    }


def _tables(
    findings: Sequence[Anchored],
    ledger: Ledger,
    *,
    compact: bool,
    vendors: Mapping[str, tuple[float, str]] | None = None,
) -> tuple[Table, ...]:
    by_topic: dict[str, list[Anchored]] = {t: [] for t in TOPICS}
    for a, f in findings:
        by_topic.setdefault(f.topic, []).append((a, f))
    return tuple(
        make_table(topic, found, ledger, vendors=vendors, compact=compact) for topic, found in by_topic.items() if found
    )


def _figure(distributions: Sequence[Distribution], anchor: str, *, compact: bool) -> FigureBlock | None:
    figure = size_distribution(distributions, pooled_only=compact, max_points=COMPACT_POINTS if compact else 240)
    if figure is None:
        return None
    kinds = {t["meta"] for t in figure.spec["data"]}
    toggles = tuple(label for kind, label in (("capture", "Captures"), ("bins", "Bins")) if kind in kinds)
    return FigureBlock(
        anchor=f"{anchor}-size",
        svg=Markup(figure.svg),  # noqa: S704 - our own SVG, its texts escaped by figures.svg
        data=embed_json(figure.spec),
        caption=figure.caption,
        alt=figure.alt,
        toggles=(*toggles, "Logarithmic axis"),
    )


def embed_json(value: object) -> Markup:
    """Encode a value so that it can stand inside a script element.

    Parameters
    ----------
    value : object
        Plain JSON values.

    Returns
    -------
    markupsafe.Markup
        JSON in which <, >, & and the line separators U+2028 and U+2029 are written as escapes: no text in it can end
        the element or begin another.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _file_row(record: FileRecord) -> FileRow:
    return FileRow(
        path=record.path,
        status=record.status,
        kind=FILE_KINDS.get(record.status, "not-judged"),
        size=size_text(record.size_bytes),
        reader=record.reader,
        summary=record.summary,
        sha256=record.sha256,
        error=record.error,
        warnings=tuple(f"{w.message}{f' ({w.where})' if w.where else ''} [{w.code}]" for w in record.warnings),
    )
