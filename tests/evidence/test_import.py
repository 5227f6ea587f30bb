"""A lab's file: every problem of every row is reported, and nothing is half imported."""

import csv
import subprocess
import sys

import pytest

from vesicula.evidence.errors import ImportRefused
from vesicula.evidence.importer import add_file, read_claims
from vesicula.evidence.model import CLAIM_COLUMNS, Question


def refused(store, path, **options):
    """Import, expect a refusal, and hold the store to what it was."""
    before = (store.version(), len(store.query(Question()).claims), store.sources(), store.tables())
    with pytest.raises(ImportRefused) as caught:
        add_file(store, path, **options)
    assert (store.version(), len(store.query(Question()).claims), store.sources(), store.tables()) == before
    assert str(path.name) in str(caught.value)
    return caught.value.problems


def test_a_good_file_is_wholly_there(store, lab_csv, lab_row):
    report = add_file(
        store, lab_csv({}, {"record_id": "L-2", "reference_numbers": "A:39;pmid:12345"}), author="Ada"
    )
    first, second = store.query(Question(source="lab-x")).claims
    assert first.printed() == lab_row()
    assert [(r.source, r.number, r.doi) for r in first.references] == [
        ("lab-x", "own data", ""),
        ("lab-x", "doi:10.1000/xyz123", "10.1000/xyz123"),
    ]
    assert [(r.source, r.number) for r in second.references] == [("review-a", "39"), ("lab-x", "pmid:12345")]
    assert second.references[0].first_author
    assert second.references[1].pmid == "12345"
    assert report.revision.claims == 2
    assert store.table("lab-x/claims").row_count == 2


def test_every_row_s_problems_are_listed(store, lab_csv):
    path = lab_csv(
        {},
        {"record_id": "L-2", "notes": '=HYPERLINK("http://x")'},
        {"record_id": "L-3", "effect_class": "benefical", "isolation_g": "fast"},
        {"record_id": "L-1"},
        {"record_id": "L-5", "notes": "x" * 10 * 2**20},
        {"record_id": "L-6", "direction": "PTEN:dwon;TP53"},
        {"record_id": "L-7", "reference_numbers": "39"},
    )
    problems = refused(store, path)
    found = [(p.row, p.line, p.column) for p in problems]
    assert found == [
        (2, 3, "notes"),
        (3, 4, "effect_class"),
        (3, 4, "isolation_g"),
        (4, 5, "record_id"),
        (5, 6, "notes"),
        (6, 7, "direction"),
        (6, 7, "direction"),
        (7, 8, "reference_numbers"),
    ]
    text = {p.row: p.message for p in problems}
    assert "formula" in text[2]
    assert "nearest: beneficial" in problems[1].message
    assert "row 1 (line 2)" in text[4]
    assert "10485760" in text[5]
    assert "nearest: down" in problems[5].message
    assert "A:39" in text[7]
    assert all(len(p.message) < 400 for p in problems)


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1"])
def test_a_formula_is_refused_in_any_column(store, lab_csv, start):
    for column in ("record_id", "condition", "cargo", "effect", "notes"):
        problems = refused(store, lab_csv({column: start}))
        assert any("formula" in p.message and p.column == column for p in problems)


def test_windows_1252_is_shown_and_taken_only_when_said(store, lab_csv):
    path = lab_csv({"effect": "dose 5 µg, Sjögren"}, encoding="windows-1252")
    (problem,) = refused(store, path)
    assert problem.line == 2
    assert "µg" in problem.message
    assert "--encoding windows-1252" in problem.message
    add_file(store, path, encoding="windows-1252")
    assert store.query(Question(record_id="L-1")).claims[0].effect == "dose 5 µg, Sjögren"


@pytest.mark.parametrize("encoding", ["utf-16", "no-such-code"])
def test_other_encodings_are_refused_with_a_remedy(store, lab_csv, encoding):
    if encoding == "utf-16":
        (problem,) = refused(store, lab_csv({}, encoding="utf-16"))
        assert "UTF-16" in problem.message
    else:
        (problem,) = refused(store, lab_csv({}), encoding=encoding)
        assert "not known" in problem.message


def test_a_byte_order_mark_is_skipped(store, lab_csv):
    add_file(store, lab_csv({}, encoding="utf-8-sig"))
    assert store.query(Question(record_id="L-1")).claims


def test_wrong_columns_are_named_with_the_nearest(store, tmp_path):
    columns = ["record_id", "revew", *CLAIM_COLUMNS[2:], "notes"]
    path = tmp_path / "lab.csv"
    path.write_text(",".join(columns) + "\n" + ",".join("x" for _ in columns) + "\n", encoding="utf-8")
    problems = refused(store, path)
    assert "nearest: review" in problems[0].message
    assert any(p.column == "notes" and "twice" in p.message for p in problems)
    assert any("missing: review" in p.message for p in problems)
    path.write_text(";".join(CLAIM_COLUMNS) + "\n", encoding="utf-8")
    assert "not separated by commas" in refused(store, path)[0].message


def test_ragged_rows_are_named(store, lab_csv):
    path = lab_csv({}, {"record_id": "L-2"})
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1] + ",more", "L-9,lab-x", lines[2]]), encoding="utf-8")
    problems = refused(store, path)
    assert [(p.row, p.line) for p in problems] == [(1, 2), (2, 3)]
    assert "found 21" in problems[0].message
    assert "found 2." in problems[1].message


def test_an_open_quote_is_named_where_it_begins(store, lab_csv):
    path = lab_csv({}, {"record_id": "L-2"})
    path.write_text(path.read_text(encoding="utf-8") + '"L-3,lab-x\nmore\n', encoding="utf-8")
    (problem,) = refused(store, path)
    assert (problem.row, problem.line) == (3, 4)
    assert "quotes" in problem.message


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02", b"\xff"])
def test_a_file_that_is_nothing_is_refused(store, tmp_path, content):
    path = tmp_path / "lab.csv"
    path.write_bytes(content)
    assert refused(store, path)


def test_a_header_alone_is_refused(store, lab_csv):
    assert "no claims" in refused(store, lab_csv())[0].message


def test_other_kinds_of_file_and_none_are_refused(store, tmp_path):
    path = tmp_path / "lab.xlsx"
    path.write_bytes(b"PK")
    assert ".csv" in refused(store, path)[0].message
    assert "cannot be read" in refused(store, tmp_path / "none.csv")[0].message


def test_control_characters_are_refused(store, lab_csv):
    (problem,) = refused(store, lab_csv({"notes": "a\x00b"}))
    assert "control character" in problem.message


@pytest.mark.parametrize("review", ["A", "B", "review-a", "ev-atlas", "Lab X", "../x"])
def test_a_lab_cannot_write_under_another_s_name(store, lab_csv, review):
    problems = refused(store, lab_csv({"review": review}))
    assert any(p.column == "review" for p in problems)


def test_one_file_has_one_source(store, lab_csv):
    problems = refused(store, lab_csv({}, {"record_id": "L-2", "review": "lab-y"}))
    assert [(p.row, p.column) for p in problems] == [(2, "review")]


@pytest.mark.parametrize(
    "column", ["record_id", "condition", "effect_class", "reference_numbers", "cell_source"]
)
def test_what_must_be_there_must_be_there(store, lab_csv, column):
    problems = refused(store, lab_csv({column: ""}))
    assert (problems[0].row, problems[0].column) == (1, column)


@pytest.mark.parametrize("force", ["0", "-5", "1e9", "nan", "inf", "100 000", "100,000", "1_000", "٣"])
def test_a_centrifugal_force_is_a_number(store, lab_csv, force):
    assert any(p.column == "isolation_g" for p in refused(store, lab_csv({"isolation_g": force})))


def test_the_same_file_twice_is_refused(store, lab_csv):
    path = lab_csv({})
    report = add_file(store, path)
    (problem,) = refused(store, path)
    assert report.revision.version in problem.message


def test_an_id_that_is_taken_is_refused_with_its_row(store, lab_csv):
    add_file(store, lab_csv({}))
    (problem,) = refused(store, lab_csv({"record_id": "new"}, {"notes": "other"}))
    assert problem.row == 2
    assert "--revise" in problem.message
    (problem,) = refused(store, lab_csv({"record_id": "B-T1-20"}), revise=True)
    assert "review-b" in problem.message


def test_a_reference_of_a_review_that_does_not_exist_is_refused(store, lab_csv):
    (problem,) = refused(store, lab_csv({"reference_numbers": "A:104"}))
    assert "no reference 104" in problem.message


def test_doubts_of_a_lab_are_kept(store, lab_csv):
    add_file(store, lab_csv({"doubts": "one animal;dose unclear"}, columns=(*CLAIM_COLUMNS, "doubts")))
    (claim,) = store.query(Question(record_id="L-1")).claims
    assert [d.text for d in claim.doubts] == ["one animal", "dose unclear"]
    assert {d.row for d in store.doubts()} >= {"L-1"}


YAML = """\
review: lab-x
claims:
  - record_id: L-1
    condition: no            # a word, not a boolean
    condition_class: kidney
    cell_source: UC-MSC
    product: EV
    isolation_g: 100000
    cargo: [miR-21-5p, let-7c]
    direction: ["PTEN:down"]
    study_type: in vivo
    effect: better
    effect_class: beneficial
    reference_numbers: own data
    notes: 2020-01-01
"""


def test_yaml_says_the_same_as_csv(store, tmp_path, lab_csv):
    path = tmp_path / "lab.yaml"
    path.write_text(YAML, encoding="utf-8")
    add_file(store, path)
    (claim,) = store.query(Question(source="lab-x")).claims
    assert (claim.condition, claim.isolation_g, claim.cargo, claim.notes) == (
        "no",
        "100000",
        "miR-21-5p;let-7c",
        "2020-01-01",
    )
    assert [m.text for m in claim.mentions if m.role == "cargo"] == ["miR-21-5p", "let-7c"]


@pytest.mark.parametrize(
    ("change", "row", "column"),
    [
        (("effect_class: beneficial", "effect_class: good"), 1, "effect_class"),
        (("effect: better", "efect: better"), 1, "efect"),
        (("effect: better", "effect: [a, b]"), 1, "effect"),
        (("    notes: 2020-01-01", "    effect: again"), 1, "effect"),
        (("claims:", "klaims:"), 0, "klaims"),
        (("review: lab-x", "review: [lab-x"), 0, ""),
        (("  - record_id: L-1", "  - just a text\n  - record_id: L-1"), 1, ""),
        (("own data", "!!python/object/apply:os.system [ls]"), 1, "reference_numbers"),
    ],
)
def test_a_wrong_yaml_is_refused_with_its_place(store, tmp_path, change, row, column):
    path = tmp_path / "lab.yml"
    path.write_text(YAML.replace(*change), encoding="utf-8")
    problems = refused(store, path)
    assert (row, column) in [(p.row, p.column) for p in problems]
    assert all(p.line for p in problems)


def test_a_yaml_bomb_stays_small(store, tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    path = tmp_path / "lab.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert refused(store, path)
    path.write_text("[" * 100_000, encoding="utf-8")
    assert refused(store, path)


def test_the_csv_field_limit_of_the_process_is_put_back(lab_csv):
    before = csv.field_size_limit()
    read_claims(lab_csv({}))
    assert csv.field_size_limit() == before


def test_the_command_line_says_it_all(tmp_path, lab_csv):
    code = "import sys\nfrom vesicula.cli.evidence import evidence\nsys.exit(evidence(sys.argv[1:]))"
    where = tmp_path / "cli.sqlite"

    def run(*arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    given_back = run("table", "review-b/table-2", "--store", where)
    assert given_back.returncode == 0, given_back.stderr
    assert "== promoting (9)" in given_back.stdout
    assert "22 rows. Store version 2-" in given_back.stdout
    added = run("add", lab_csv({}), "--store", where, "--author", "Ada")
    assert "Added 1 claims. Store version 3-" in added.stdout
    assert "Ada" in run("versions", "--store", where).stdout
    now = run("query", "--condition", "acute kidney injury", "--csv", "--store", where).stdout
    then = run(
        "query", "--condition", "acute kidney injury", "--csv", "--store", where, "--as-of", "2"
    ).stdout
    assert "L-1" in now
    assert "L-1" not in then
    assert "B-T1-22" in then
    assert "DOUBT (cargo)" in run("query", "--record", "B-T1-20", "--store", where).stdout
    assert "intraparenchymal" in run("doubts", "--store", where).stdout
    assert "ev-atlas/fig4c-msc-biodistribution" in run("sources", "--store", where).stdout
    assert '"version": "3-' in run("query", "--text", "creatinine", "--json", "--store", where).stdout
