"""vesicula differential COUNTS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vesicula.core.errors import AnalysisError, UnreadableFile

if TYPE_CHECKING:
    from vesicula.cargo.enrichment import SampleInfo
    from vesicula.cargo.enrichment.adjust import AdjustedProfile, Source
    from vesicula.cargo.enrichment.counts import CountTest
    from vesicula.cargo.enrichment.motifs import MotifResult
    from vesicula.cargo.enrichment.read_counts import CountTable
    from vesicula.cargo.enrichment.report import Comparison

_FILE = click.Path(dir_okay=False, path_type=Path)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((
        click.option("--samples", "sheet", type=_FILE, metavar="FILE", required=True,
                     help="TSV, CSV or XLSX: sample, condition, and unit, donor, batch where they apply."),
        click.option("--compare", metavar="TEST:REFERENCE", required=True, help="Two conditions of the sample sheet."),
        click.option("--value", default="reads_em", show_default=True, help="Column of counts in a long table."),
        click.option("--min-count", type=click.IntRange(min=0), default=10, show_default=True,
                     help="Test only what has so many counts in as many samples as the smaller condition has."),
        click.option("--level", type=click.FloatRange(0.0001, 0.5), default=0.05, show_default=True,
                     help="False discovery rate."),
        click.option("--reference", type=click.Choice(["t", "normal"]), default="t", show_default=True,
                     help="What the statistic is held against: Student's t, or the normal as in DESeq2 itself."),
        click.option("--control", "controls", multiple=True, metavar="NAME", help="A spike-in; repeat it."),
        click.option("--species", default="hsa", show_default=True,
                     help="Of the packaged miRNAs, for sorting motifs: hsa, bta or none."),
        click.option("--mature", type=_FILE, metavar="FASTA", help="Mature miRNAs of another species."),
        click.option("--motif", "own_motifs", multiple=True, metavar="SEQUENCE=EXO|CELL",
                     help="Another sorting motif; repeat it."),
        click.option("--markers", type=_FILE, metavar="FILE",
                     help="TSV, CSV: mirna, source (medium or debris): what vesicles do not carry."),
        click.option("--medium", metavar="CONDITION", help="With --markers: samples of medium without cells."),
        click.option("--cells", metavar="CONDITION", help="With --markers: samples of the parent cells."),
        click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Of PyDESeq2."),
        click.option("--tsv", type=_FILE, metavar="FILE", help="Write the comparison, one miRNA a line."),
        click.option("--html", type=_FILE, metavar="FILE", help="Write a page with figures."),
        click.option("--json", "as_json", is_flag=True, help="Print all as JSON."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("counts", type=_FILE)
@_options
def differential(counts: Path, **given: Any) -> None:  # noqa: ANN401 - click's options, typed by it
    """Compare miRNA counts of two conditions: what differs, sorting motifs, and what is foreign."""
    from vesicula.cargo.enrichment import build_design
    from vesicula.cargo.enrichment.counts import count_test
    from vesicula.cargo.enrichment.read_counts import read_counts
    from vesicula.cargo.enrichment.report import Comparison
    from vesicula.cargo.protein.sheet import read_sample_sheet

    samples = read_sample_sheet(given["sheet"])
    test, reference = _contrast(given["compare"], samples)
    motifs = _motifs(given["own_motifs"])
    design = build_design(samples, test=test, reference=reference)
    table = read_counts(counts, samples=[s.sample for s in samples], value=given["value"])
    sources = _sources(given, table, samples)
    result = count_test(
        table.counts, table.mirnas, table.samples, design, min_count=given["min_count"], controls=given["controls"],
        level=given["level"], reference=given["reference"], processes=given["processes"],
    )  # fmt: skip
    found = Comparison(test=result, level=given["level"])
    found = Comparison(
        test=result, level=given["level"], motifs=_tested_motifs(found, _sequences(given), motifs),
        adjusted=_adjusted(result, sources),
    )  # fmt: skip
    _write(found, given, counts.name)


def _write(found: Comparison, given: Mapping[str, Any], title: str) -> None:
    """Write files first, then print."""
    from vesicula.cargo.enrichment.report import COLUMNS, json_report, rows_of, verdict_lines
    from vesicula.cli.files import write_text

    if given["tsv"] is not None:
        lines = ["\t".join(COLUMNS)]
        lines += ["\t".join("" if v is None else str(v) for v in row) for row in rows_of(found)]
        write_text(given["tsv"], "\n".join(lines) + "\n")
    if given["html"] is not None:
        from vesicula.figures.differential_page import comparison_page

        write_text(given["html"], comparison_page(found, title=title))
    if given["as_json"]:
        click.echo(json.dumps(json_report(found), indent=1, allow_nan=False))
        return
    for line in verdict_lines(found):
        click.echo(line)
    for note in found.test.notes:
        click.echo(f"note: {note}")


def _contrast(compare: str, samples: tuple[SampleInfo, ...]) -> tuple[str, str]:
    conditions = list(dict.fromkeys(s.condition for s in samples))
    test, colon, reference = compare.partition(":")
    if not colon or test == reference or not {test, reference} <= set(conditions):
        raise AnalysisError(
            f"--compare takes TEST:REFERENCE with two conditions of the sample sheet ({', '.join(conditions)}), not "
            f"{compare!r}"
        )
    return test, reference


def _motifs(words: tuple[str, ...]) -> tuple[Any, ...]:
    from vesicula.cargo.enrichment.motifs import MOTIFS, check_motif

    own = []
    for word in words:
        sequence, _, kind = word.partition("=")
        own.append(check_motif(sequence, kind))
    return (*MOTIFS, *own)


def _sequences(given: Mapping[str, Any]) -> Mapping[str, str]:
    """Return mature sequences by name; none where the user wants no motifs."""
    from vesicula.cargo.smallrna.reference import packaged_mirnas, read_fasta

    if given["mature"] is not None:
        return read_fasta(given["mature"])
    return {} if given["species"] == "none" else packaged_mirnas(given["species"]).matures


def _tested_motifs(found: Comparison, sequences: Mapping[str, str], motifs: tuple[Any, ...]) -> tuple[MotifResult, ...]:
    """Test motifs where enough of the names are known; names of another species are no error."""
    from vesicula.cargo.enrichment.motifs import motif_test

    t = found.test
    background = [m for m, s in zip(t.mirnas, t.status, strict=True) if s == "tested"]
    known = sum(m in sequences for m in background)
    if known < max(10, len(background) / 2):
        return ()
    up, down = ([t.mirnas[i] for i in found.side(sign)] for sign in (1, -1))
    return motif_test(up, down, background, sequences, motifs=motifs)


def _sources(given: Mapping[str, Any], table: CountTable, samples: tuple[SampleInfo, ...]) -> tuple[Source, ...]:
    """Return the sources of foreign cargo, their control's samples added up."""
    from vesicula.cargo.enrichment.adjust import DEBRIS, MEDIUM, Source

    if given["markers"] is None:
        if given["medium"] or given["cells"]:
            raise AnalysisError("--medium and --cells need --markers: by what reads of theirs are known")
        return ()
    markers = _read_markers(given["markers"])
    found = []
    for word, name, condition in (("medium", MEDIUM, given["medium"]), ("debris", DEBRIS, given["cells"])):
        option = "--medium" if word == "medium" else "--cells"
        if (condition is None) != (not markers[word]):
            raise AnalysisError(f"markers of {word} and {option} CONDITION belong together: give both or neither")
        if condition is None:
            continue
        theirs = {s.sample for s in samples if s.condition == condition}
        columns = [i for i, s in enumerate(table.samples) if s in theirs]
        if not columns:
            raise AnalysisError(f"{option} {condition}: no sample of the sample sheet is of this condition")
        total = table.counts[:, columns].sum(axis=1)
        found.append(Source(name=name, counts=total, markers=tuple(markers[word])))
    return tuple(found)


def _read_markers(path: Path) -> dict[str, list[str]]:
    from vesicula.cargo.protein.cells import load_cells

    rows = load_cells(path).rows
    header = [h.strip().casefold() for h in rows[0][1]]
    if "mirna" not in header or "source" not in header:
        raise UnreadableFile(
            path, where="line 1", expected="the columns mirna and source", found=", ".join(header),
            remedy="Name each marker's source: medium or debris.",
        )  # fmt: skip
    markers: dict[str, list[str]] = {"medium": [], "debris": []}
    for line, row in rows[1:]:
        cells = dict(zip(header, (c.strip() for c in row), strict=False))
        if cells.get("source") not in markers or not cells.get("mirna"):
            raise UnreadableFile(
                path, where=f"line {line}", expected="a name, and medium or debris", found=", ".join(row),
                remedy="Correct or delete the line.",
            )  # fmt: skip
        markers[cells["source"]].append(cells["mirna"])
    return markers


def _adjusted(result: CountTest, sources: tuple[Source, ...]) -> tuple[tuple[str, AdjustedProfile], ...]:
    from vesicula.cargo.enrichment.adjust import adjust_profile

    if not sources:
        return ()
    design = result.design
    return tuple(
        (unit, adjust_profile(result.counts[:, j], result.mirnas, sources))
        for j, unit in enumerate(design.units)
        if design.conditions[j] == design.test
    )
