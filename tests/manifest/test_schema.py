"""The JSON Schema and the reference page are current, and agree with what the loader accepts."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from vesicula.core.study import Manifest
from vesicula.manifest import schema
from vesicula.manifest.load import load_manifest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "describe-a-study.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.mark.parametrize("path", schema.outputs(ROOT))
def test_generated_files_are_current(path):
    assert path.read_text(encoding="utf-8") == schema.outputs(ROOT)[path], "run: python -m vesicula.manifest.schema"


def test_main_writes_and_checks(tmp_path, monkeypatch, capsys):
    page = tmp_path / "docs" / "reference" / "manifest.md"
    page.parent.mkdir(parents=True)
    page.write_text(f"before\n{schema.BEGIN}\nstale\n{schema.END}\nafter\n")
    monkeypatch.chdir(tmp_path)
    assert schema.main(["--check"]) == 1
    assert "stale" in page.read_text()
    assert schema.main([]) == 0
    assert "stale" not in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")
    assert schema.main(["--check"]) == 0
    assert "is not current" in capsys.readouterr().out


def validator():
    document = json.loads((ROOT / "schemas" / "study.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def plain_example():
    data = yaml.safe_load(EXAMPLE)
    data["batches"][0]["produced_on"] = str(data["batches"][0]["produced_on"])
    return data


def test_schema_accepts_the_example_and_empty_fields():
    data = plain_example()
    assert list(validator().iter_errors(data)) == []
    data["criteria"] = None
    data["batches"][0]["cell_source"] = None
    data["batches"][0]["samples"][0]["protein"] = None
    assert list(validator().iter_errors(data)) == []


BATCH = ("batches", 0)
SAMPLE = (*BATCH, "samples", 0)
LOAD = (*SAMPLE, "measurements", 0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("vesicula",), 2),
        (("batches",), []),
        (("bogus",), 1),
        ((*BATCH, "id"), "a/b"),
        ((*BATCH, "id"), None),
        ((*BATCH, "cell_source", "oxygen_percent"), 101),
        ((*BATCH, "cell_source", "passage"), -1),
        ((*SAMPLE, "volume_ml"), 0),
        ((*LOAD, "files"), ["../x"]),
        ((*LOAD, "files"), ["a/../../x"]),
        ((*LOAD, "files"), ["/x"]),
        ((*LOAD, "files"), ["C:x"]),
        ((*LOAD, "dilution_factor"), 0.5),
        (("criteria", 0, "quantity"), "mode"),
    ],
    ids=str,
)
def test_schema_and_model_refuse_the_same(place, value):
    data = plain_example()
    part = data
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert list(validator().iter_errors(data))
    with pytest.raises(ValueError, match="validation error"):
        Manifest.model_validate(data)


def test_the_how_to_s_example_loads(tmp_path):
    (tmp_path / "study.yaml").write_text(EXAMPLE, encoding="utf-8")
    for name in ("F3_size_488.txt", "F3_size_488_11pos.txt", "F3R_size_488.txt"):
        (tmp_path / name).write_text(name)
    manifest, source = load_manifest(tmp_path)
    assert source.warnings == ()
    assert manifest.batches[0].cell_source.cell_count == 24_000_000


def test_every_field_is_documented():
    page = (ROOT / "docs" / "reference" / "manifest.md").read_text(encoding="utf-8")
    for place, model in schema._groups(Manifest, "").items():
        for name, field in model.model_fields.items():
            assert field.description, (place, name)
            assert f"| `{name}` | {field.description}" in page
            assert field.json_schema_extra["x-isa"], (place, name)
            assert "x-schema-org" in field.json_schema_extra or name == "ignore"
            bare = name.removesuffix("_ml").removesuffix("_nm")
            if bare != name:
                assert "x-unit" in field.json_schema_extra


def test_examples_of_fields_are_valid():
    for model in schema._groups(Manifest, "").values():
        for name, field in model.model_fields.items():
            for example in field.examples or []:
                partial = {
                    **{k: f.examples[0] for k, f in model.model_fields.items() if f.is_required() and f.examples},
                    name: example,
                }
                faults = _faults(model, partial)
                assert name not in faults, (name, faults)


def _faults(model, data):
    """Names of the fields of `data` that the model refuses."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [e["loc"][0] for e in error.errors() if e["loc"]]
    return []
