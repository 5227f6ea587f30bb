"""vesicula evidence about, trials, names, identify: what the user types and sees."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from vesicula.cli.evidence import evidence
from vesicula.evidence.store import open_store


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    where = tmp_path_factory.mktemp("store") / "evidence.sqlite"
    open_store(where).close()

    def asked(*arguments, code=0):
        result = CliRunner().invoke(evidence, [*arguments, "--store", str(where)])
        assert result.exit_code == code, result.output
        return result.output

    return asked


def test_about_a_condition(run):
    out = run("about", "--condition", "acute kidney injury")
    assert out.startswith("Acute kidney injury: 7 claims from 7 distinct references")
    assert "GAP  Missing: any claim from people" in out
    data = json.loads(run("about", "--condition", "acute kidney injury", "--json"))
    assert len(data["claims"]) == 7
    assert data["statements"][0]["text"] in out


def test_about_each_subject_and_the_past(run):
    assert "They conflict from one cell source to another" in run("about", "--tumour", "glioblastoma")
    assert "its opposite, was given in B-X-13" in run("about", "--molecule", "miR-222")
    assert "NCT04276987" in run("about", "--cell-source", "AT-MSC", "--table")
    past = json.loads(run("about", "--cell-source", "AT-MSC", "--as-of", "1", "--json"))
    assert past["version"].startswith("1-")


def test_about_wants_just_one_subject(run):
    assert "give one of --condition" in run("about", code=2)
    assert "give one of --condition" in run("about", "--condition", "a", "--tumour", "b", code=2)


def test_trials(run):
    assert "38 rows about 32 trials, of 38 rows in the store" in run("trials")
    rows = list(csv.DictReader(io.StringIO(run("trials", "--condition", "stroke", "--csv"))))
    assert {row["nct_id"] for row in rows} == {"NCT03384433", "NCT06138210", "NCT06612710"}
    data = json.loads(run("trials", "--cell-source", "UC-MSC", "--json"))
    assert len(data["trials"]) == 3


def test_names(run):
    out = run("names", "--kind", "cell_source")
    assert "cell_source  UC-MSC  [synonym]  CL:0002569" in out
    everything = list(csv.DictReader(io.StringIO(run("names", "--csv"))))
    left = json.loads(run("names", "--unmapped", "--json"))["names"]
    assert 0 < len(left) < len(everything)
    assert {n["status"] for n in left} == {"unmapped", "ambiguous"}
    # The counts are of all names, so that the share that is left open can be read.
    shown = run("names", "--unmapped", "--kind", "cargo")
    assert f"cargo: {sum(row['kind'] == 'cargo' for row in everything)} names" in shown
    run("names", "--kind", "cheese", code=2)


def test_identify_has_nothing_to_do_in_a_new_store(run):
    out = run("identify")
    assert out.startswith("Looked up 0 names. Store version")
