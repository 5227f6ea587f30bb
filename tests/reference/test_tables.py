"""The reference tables: what ships is well formed and sourced, what is malformed is refused."""

import csv
import io
import math
from importlib.resources import files

import pytest

from vesicula.core import reference
from vesicula.core.errors import UnreadableFile
from vesicula.core.reference import (
    class_definitions,
    operational_definitions,
    parse_class_definitions,
    parse_operational,
    parse_purity_bands,
    parse_validity_rules,
    purity_bands,
    validity_rules,
)
from vesicula.instruments.nta.validity import QUANTITIES


def shipped(name):
    return files("vesicula.data").joinpath(name).read_text(encoding="utf-8")


def cells(name, delimiter):
    return list(csv.DictReader(io.StringIO(shipped(name)), delimiter=delimiter))


def edited(name, delimiter, row, **changes):
    rows = cells(name, delimiter)
    rows[row].update(changes)
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        rows[0].keys(),
        delimiter=delimiter,
        lineterminator="\n",
        quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
        quotechar="\x07" if delimiter == "\t" else '"',
    )
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_every_rule_has_a_source_and_says_whether_it_was_read():
    rules = validity_rules()
    assert len(rules) == len(cells("nta_validity.tsv", "\t"))
    for rule in rules:
        assert rule.citation.text
        assert rule.text
        assert rule.citation.note.startswith(
            "read at the source: " if rule.checked else "from memory, not checked"
        )


def test_every_rule_names_a_quantity_that_code_evaluates_and_every_quantity_has_a_rule():
    assert {rule.quantity for rule in validity_rules()} == QUANTITIES


def test_a_rule_from_memory_claims_no_page():
    for row in cells("nta_validity.tsv", "\t") + cells("purity_bands.tsv", "\t"):
        if row["checked"] == "memory":
            assert not row["quote_hint"]
            assert not row["url_or_page"]


def test_disagreeing_sources_keep_their_rows():
    limits = {
        (r.low, r.high)
        for r in validity_rules()
        if r.quantity == "particles_per_frame" and r.instrument == "NanoSight"
    }
    assert limits == {(20.0, 100.0), (40.0, 100.0)}


def test_bands_are_those_of_webber_and_clayton_with_their_gaps():
    bands = purity_bands()
    assert [(b.label, b.low_per_ug, b.high_per_ug) for b in bands] == [
        ("unpure", 0.0, 1.5e9),
        ("low purity", 2e9, 2e10),
        ("high purity", 3e10, math.inf),
    ]
    assert all("19861" in b.citation.text and not b.checked for b in bands)
    assert not bands[0].contains(1.5e9)
    assert bands[1].contains(2e9)
    assert bands[1].contains(2e10)
    assert bands[2].contains(3e10)


def test_classes_are_the_evidence_table():
    found = {c.id: c for c in class_definitions()}
    assert set(found) == {f"{r}:{n}" for r in "AB" for n in ("exosome", "microvesicle", "apoptotic body")}
    assert (found["A:exosome"].low_nm, found["A:exosome"].high_nm) == (30.0, 100.0)
    assert (found["A:apoptotic body"].low_nm, found["A:apoptotic body"].high_nm) == (500.0, 3000.0)
    assert found["B:apoptotic body"].low_nm == 50.0
    assert found["B:apoptotic body"].high_nm == 5000.0
    assert found["B:apoptotic body"].notes == "lower bound differs tenfold from review A"
    assert found["A:microvesicle"].location == "Table 2"


def test_operational_terms_leave_their_outer_ends_open():
    small, large = operational_definitions()
    assert (small.id, small.low_nm, small.high_nm) == ("MISEV2023:small EV", 0.0, 200.0)
    assert (large.id, large.low_nm, large.high_nm) == ("MISEV2023:large EV", 200.0, math.inf)
    assert "e12404" in small.location


def test_loaders_are_cached():
    assert validity_rules() is validity_rules()
    assert purity_bands() is purity_bands()
    assert class_definitions() is class_definitions()
    assert operational_definitions() is operational_definitions()


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"id": ""}, "id"),
        ({"instrument": "Nanosight"}, "instrument"),
        ({"quantity": " "}, "quantity"),
        ({"low": "", "high": ""}, "low"),
        ({"low": "20,5"}, "low"),
        ({"low": "nan"}, "low"),
        ({"high": "inf"}, "high"),
        ({"low": "-1"}, "low"),
        ({"low": "200"}, "high"),
        ({"severity": "error"}, "severity"),
        ({"text": ""}, "text"),
        ({"source": ""}, "source"),
        ({"checked": "no"}, "checked"),
        ({"checked": "yes", "url_or_page": ""}, "url_or_page"),
        ({"checked": "yes", "url_or_page": "p. 12"}, "quote_hint"),
    ],
)
def test_malformed_rule_is_refused_with_its_place(change, column):
    with pytest.raises(UnreadableFile, match=f"line 2, column {column}: expected") as caught:
        parse_validity_rules(edited("nta_validity.tsv", "\t", 0, **change))
    assert caught.value.path.name == "nta_validity.tsv"


@pytest.mark.parametrize(
    ("change", "row", "column"),
    [
        ({"low_per_ug": "2e9"}, 0, "low_per_ug"),
        ({"low_per_ug": ""}, 1, "low_per_ug"),
        ({"low_per_ug": "1e9"}, 1, "low_per_ug"),
        ({"high_per_ug": "4e10"}, 1, "low_per_ug"),
        ({"high_per_ug": "3e10"}, 1, "low_per_ug"),
        ({"low_included": "maybe"}, 2, "low_included"),
        ({"label": ""}, 2, "label"),
        ({"source": ""}, 2, "source"),
    ],
)
def test_malformed_or_overlapping_band_is_refused(change, row, column):
    with pytest.raises(UnreadableFile, match=f"column {column}"):
        parse_purity_bands(edited("purity_bands.tsv", "\t", row, **change))


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"review": ""}, "review"),
        ({"size_min_nm": "0"}, "size_min_nm"),
        ({"size_min_nm": "100"}, "size_max_nm"),
        ({"size_max_nm": "about 100"}, "size_max_nm"),
        ({"size_max_nm": ""}, "size_max_nm"),
        ({"location": ""}, "location"),
    ],
)
def test_malformed_class_is_refused(change, column):
    with pytest.raises(UnreadableFile, match=f"line 2, column {column}"):
        parse_class_definitions(edited("ev_classes.csv", ",", 0, **change))


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"high_nm": ""}, "high_nm"),
        ({"low_nm": "300"}, "high_nm"),
        ({"source": ""}, "source"),
        ({"checked": "yes", "url_or_page": ""}, "url_or_page"),
    ],
)
def test_malformed_operational_term_is_refused(change, column):
    with pytest.raises(UnreadableFile, match=f"line 2, column {column}"):
        parse_operational(edited("ev_classes_operational.csv", ",", 0, **change))


def test_repeated_ids_are_refused():
    rules = shipped("nta_validity.tsv").splitlines()
    with pytest.raises(UnreadableFile, match="a name that no row above has"):
        parse_validity_rules("\n".join([*rules, rules[1]]))
    classes = shipped("ev_classes.csv").splitlines()
    with pytest.raises(UnreadableFile, match="no row above of the same review"):
        parse_class_definitions("\n".join([*classes, classes[1]]))


@pytest.mark.parametrize(
    "parse", [parse_validity_rules, parse_purity_bands, parse_class_definitions, parse_operational]
)
def test_wrong_header_empty_table_and_short_row_are_refused(parse):
    name, columns, delimiter = {
        parse_validity_rules: ("nta_validity.tsv", reference.VALIDITY_COLUMNS, "\t"),
        parse_purity_bands: ("purity_bands.tsv", reference.PURITY_COLUMNS, "\t"),
        parse_class_definitions: ("ev_classes.csv", reference.CLASS_COLUMNS, ","),
        parse_operational: ("ev_classes_operational.csv", reference.OPERATIONAL_COLUMNS, ","),
    }[parse]
    header = delimiter.join(columns)
    with pytest.raises(UnreadableFile, match=r"line 1: expected the columns"):
        parse("")
    with pytest.raises(UnreadableFile, match=r"line 1: expected the columns"):
        parse(shipped(name).replace(columns[2], columns[2] + "x", 1))
    with pytest.raises(UnreadableFile, match=r"line 2: expected at least one row"):
        parse(header + "\n")
    with pytest.raises(UnreadableFile, match=f"line 2: expected {len(columns)} cells, found 1"):
        parse(header + "\nalone\n")


def test_unclosed_quote_is_refused():
    with pytest.raises(UnreadableFile, match="expected a well-formed row"):
        parse_class_definitions(shipped("ev_classes.csv") + 'A,"Table 2,exosome\n')
