"""The RO-Crate, judged by the public validator and read by the `rocrate` library; both without a network."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from vesicula.core.assessment import Assessment
from vesicula.dossier.writer import write

CONTEXT = Path(__file__).with_name("data") / "ro-crate-1.1-context.jsonld"

# The validator fetches the JSON-LD context through requests-cache; offline it takes it from that cache alone. So the
# context (see data/PROVENANCE.md) is put there first, as if it had been fetched.
FILL = """
import sys
from pathlib import Path
from requests_cache import CachedSession, CachedResponse
session = CachedSession(cache_name=sys.argv[1], backend="sqlite", expire_after=-1)
import requests
request = requests.Request("GET", "https://w3id.org/ro/crate/1.1/context",
                           headers={"Accept": "application/ld+json, application/json, */*;q=0.1"}).prepare()
response = requests.Response()
response.status_code, response.url, response.request = 200, request.url, request
response._content, response.encoding = Path(sys.argv[2]).read_bytes(), "utf-8"
response.headers["Content-Type"] = "application/ld+json"
import io
from urllib3 import HTTPResponse
response.raw = HTTPResponse(body=io.BytesIO(response._content), status=200, headers=dict(response.headers),
                            preload_content=False, request_url=request.url)
session.cache.save_response(response)
session.close()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "http"
    subprocess.run([sys.executable, "-c", FILL, str(path), str(CONTEXT)], check=True)
    with closing(sqlite3.connect(path.with_suffix(".sqlite"))) as database:
        assert database.execute("select count(*) from responses").fetchone() == (1,)
    return path


def validate(folder: Path, profile: str, severity: str, cache: Path) -> dict[str, Any]:
    report = folder.parent / "report.json"
    command = [
        str(Path(sys.executable).with_name("rocrate-validator")),
        "-y",
        "validate",
        "--offline",
        "--cache-path",
        str(cache),
        "-p",
        profile,
        "-l",
        severity,
        "-f",
        "json",
        "-o",
        str(report),
        str(folder),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert report.is_file(), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return result


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["ro-crate-1.1", "process-run-crate"])
@pytest.mark.parametrize("with_inputs", [True, False])
def test_the_public_validator_accepts_the_crate(
    assessment: Assessment, study_folder: Path, tmp_path: Path, cache: Path, profile: str, with_inputs: bool
) -> None:
    folder = write(assessment, tmp_path / "d", inputs=study_folder if with_inputs else None).folder
    result = validate(folder, profile, "REQUIRED", cache)
    assert result["passed"] is True, json.dumps(result["issues"], indent=1)
    assert result["issues"] == []


@pytest.mark.slow
def test_the_validator_would_have_refused_a_broken_crate(assessment: Assessment, tmp_path: Path, cache: Path) -> None:
    paths = write(assessment, tmp_path / "d")
    document = json.loads(paths.crate.read_text(encoding="utf-8"))
    for entity in document["@graph"]:
        if entity["@id"] == "#analysis":
            del entity["instrument"]
    paths.crate.write_text(json.dumps(document), encoding="utf-8")
    assert validate(paths.folder, "process-run-crate", "REQUIRED", cache)["passed"] is False


def graph_of(folder: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    assert len({e["@id"] for e in graph}) == len(graph), "an @id stands twice"
    return {e["@id"]: e for e in graph}


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else [r for v in value.values() for r in references(v)]
    return [r for v in value for r in references(v)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere(assessment: Assessment, study_folder: Path, tmp_path: Path) -> None:
    graph = graph_of(write(assessment, tmp_path / "d", inputs=study_folder).folder)
    wanted = {r for e in graph.values() for r in references([v for k, v in e.items() if k != "@id"])}
    assert {r for r in wanted if r not in graph} == {"https://w3id.org/ro/crate/1.1"}


def test_the_analysis_names_software_inputs_and_results(
    assessment: Assessment, study_folder: Path, tmp_path: Path
) -> None:
    folder = write(assessment, tmp_path / "d", inputs=study_folder, date_published="2026-11-21T08:00:00+00:00").folder
    graph = graph_of(folder)
    action = graph["#analysis"]
    assert graph[action["instrument"]["@id"]]["softwareVersion"] == "0.1.0"
    assert {graph[i["@id"]]["name"] for i in action["object"]} == {
        "study.yaml",
        *(f.path for b in assessment.batches for f in b.files),
    }
    assert "findings.json" in {r["@id"] for r in action["result"]}
    assert graph["./"]["datePublished"] == "2026-11-21T08:00:00+00:00"
    assert graph[graph["./"]["license"]["@id"]]["name"] == "CC-BY-4.0"
    for e in graph.values():
        if e["@type"] == "File" and not e["@id"].startswith("inputs"):
            assert int(e["contentSize"]) == (folder / e["@id"]).stat().st_size


def test_a_batch_leads_back_to_its_cells_and_isolation(assessment: Assessment, tmp_path: Path) -> None:
    graph = graph_of(write(assessment, tmp_path / "d").folder)
    batch = graph["#batch-B1"]
    cells = graph[batch["isBasedOn"]["@id"]]
    traits = {graph[p["@id"]]["propertyID"]: graph[p["@id"]]["value"] for p in cells["additionalProperty"]}
    assert traits["tissue"] == "umbilical cord"
    assert traits["oxygen_percent"] == 5.0
    process = graph["#isolation-B1"]
    assert process["object"]["@id"] == cells["@id"]
    assert process["result"]["@id"] == batch["@id"]
    steps = [graph[p["@id"]]["value"] for p in process["parameterValue"]]
    assert steps[0] == "centrifugation, 300 × g, 10 min, 4 °C"
    assert graph["#batch-B1/sample-F1"]["isBasedOn"]["@id"] == "#batch-B1"


def test_only_terms_of_the_context_are_used(assessment: Assessment, study_folder: Path, tmp_path: Path) -> None:
    paths = write(assessment, tmp_path / "d", inputs=study_folder)
    document = json.loads(paths.crate.read_text(encoding="utf-8"))
    known = {*json.loads(CONTEXT.read_text(encoding="utf-8"))["@context"], *document["@context"][1]}
    used = {k for e in document["@graph"] for k in e if not k.startswith("@")} | {
        e["@type"] for e in document["@graph"]
    }
    assert used <= known
    assert set(document["@context"][1]) <= used


def test_the_rocrate_library_reads_it(assessment: Assessment, study_folder: Path, tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    folder = write(assessment, tmp_path / "d", inputs=study_folder).folder
    crate = ROCrate(str(folder))
    assert crate.name == assessment.title
    files = {e.id for e in crate.data_entities if "File" in e.type}
    assert {"dossier.html", "inputs/raw/B1_F1_load1.csv"} <= files
    assert crate.get("#analysis")["instrument"]["name"] == "vesicula"


def test_hostile_names_stay_inside_their_identifiers(hostile: Assessment, tmp_path: Path) -> None:
    graph = graph_of(write(hostile, tmp_path / "d").folder)
    assert not any(c in i for i in graph for c in '<>" {}|\\^`\n')
    assert not any(i.startswith("javascript:") for i in graph)


def test_a_large_crate_is_still_one(synthetic: Callable[[int], Assessment], tmp_path: Path) -> None:
    graph = graph_of(write(synthetic(60), tmp_path / "d").folder)
    assert sum(i.startswith("#batch-L") and "/" not in i for i in graph) == 60
