"""findings.json: its published schema, its values, its layout."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from vesicula.core.assessment import Assessment
from vesicula.core.errors import DossierError
from vesicula.dossier.read import iter_batches, load_findings
from vesicula.dossier.schema import batch_findings, document_lines, findings_schema, schema_bytes
from vesicula.dossier.writer import write

PUBLISHED = Path(__file__).parents[2] / "schemas" / "findings.schema.json"


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_bytes() == schema_bytes(), (
        'run: python -c "from vesicula.dossier.schema import schema_bytes; import pathlib; '
        "pathlib.Path('schemas/findings.schema.json').write_bytes(schema_bytes())\""
    )


def test_the_schema_is_a_schema_with_a_name_and_a_version() -> None:
    schema = findings_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:vesicula:schema:findings:1"
    assert schema["version"] == "1"


def test_findings_json_fits_the_schema_beside_it(assessment: Assessment, tmp_path: Path) -> None:
    paths = write(assessment, tmp_path / "d")
    document = json.loads(paths.findings.read_bytes())
    schema = json.loads(paths.schema.read_bytes())
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    assert document["$schema"] == paths.schema.name
    for path, value in (
        (("batches", 0, "findings", 0, "verdict"), "splendid"),
        (("batches", 0, "files", 0, "size_bytes"), "big"),
        (("version",), 2),
        (("batches", 0, "findings", 0, "estimate", "value"), None),
    ):
        broken = copy.deepcopy(document)
        place = broken
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != value
        place[path[-1]] = value
        assert not validator.is_valid(broken), f"the schema lets {value!r} pass at {path}"


def test_everything_but_the_curves_comes_back(assessment: Assessment, tmp_path: Path) -> None:
    folder = write(assessment, tmp_path / "d").folder
    document = load_findings(folder)
    expected = tuple(batch_findings(b) for b in assessment.batches)
    assert document.batches == expected
    assert tuple(iter_batches(folder)) == expected
    for name in ("title", "study", "software", "environment", "parameters", "manifest_sha256", "extra"):
        assert getattr(document, name) == getattr(assessment, name)
    names = {f.name for f in dataclasses.fields(type(assessment.batches[0]))}
    in_parquet = {"distributions", "cargo"}
    assert {f.name for f in dataclasses.fields(expected[0])} == names - in_parquet


def test_the_document_can_be_compared_line_by_line(assessment: Assessment, tmp_path: Path) -> None:
    written = write(assessment, tmp_path / "d").findings.read_bytes()
    assert b"".join(document_lines(assessment)) == written
    lines = written.split(b"\n")
    assert sum(line.startswith(b'{"batch":') for line in lines) == len(assessment.batches)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":"vesicula-findings","version":7}', b"\xff\xfe", b"[1]"])
def test_a_file_that_is_no_findings_json_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "findings.json").write_bytes(content)
    with pytest.raises(DossierError, match=r"findings\.json: is not a findings\.json of vesicula"):
        load_findings(tmp_path)
    with pytest.raises(DossierError, match=r"findings\.json"):
        list(iter_batches(tmp_path))


def test_a_missing_or_cut_file_is_one_clear_error(assessment: Assessment, tmp_path: Path) -> None:
    with pytest.raises(DossierError, match="Is this the folder of a dossier"):
        load_findings(tmp_path)
    folder = write(assessment, tmp_path / "d").folder
    lines = (folder / "findings.json").read_bytes().split(b"\n")
    cut = [i for i, line in enumerate(lines) if line.startswith(b'{"batch":')][1]
    (folder / "findings.json").write_bytes(b"\n".join(lines[:cut]))
    with pytest.raises(DossierError, match="ends before its last batch"):
        list(iter_batches(folder))
