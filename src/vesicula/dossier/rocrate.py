"""The RO-Crate of a dossier: what every file is, and which software made it from which inputs.

Written by hand rather than with the `rocrate` library: that library copies files and stamps the present time as it
writes, while the dossier is built in place, hashed and renamed as a whole, with the date as an argument. The tests read
the result with the `rocrate` library and check it with the public validator.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vesicula.core.assessment import Assessment, BatchAssessment
from vesicula.dossier.inputs import InputFile
from vesicula.dossier.wording import field_text, isolation_text, plain

SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SOFTWARE_URL = ""
"""Where vesicula is published; left out of the crate while there is no such place."""
ROOT, CRATE = "./", "ro-crate-metadata.json"

# Terms that the RO-Crate 1.1 context (schema.org 10) lacks. Bioschemas types as the ISA RO-Crate profile uses them.
EXTRA_TERMS = {
    "sha256": "https://schema.org/sha256",
    "BioSample": "https://bioschemas.org/BioSample",
    "LabProcess": "https://bioschemas.org/LabProcess",
    "LabProtocol": "https://bioschemas.org/LabProtocol",
    "executesLabProtocol": "https://bioschemas.org/properties/executesLabProtocol",
    "parameterValue": "https://bioschemas.org/properties/parameterValue",
}

FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}

LICENCES = {
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file of the dossier.

    Parameters
    ----------
    path : str
        Relative to the dossier.
    description : str
        What it holds.
    sha256 : str
        Its hash.
    size_bytes : int
        Its size.
    """

    path: str
    description: str
    sha256: str
    size_bytes: int


def reference(identifier: str) -> dict[str, str]:
    """Return a reference to an entity."""
    return {"@id": identifier}


def file_id(path: str) -> str:
    """Return the @id of a file: its relative path as a URI reference."""
    return quote(path, safe="/!$'()*,;=@~-._")


def anchor(kind: str, *names: str) -> str:
    """Return the @id of an entity that is no file, such as ``"#batch-B1"``."""
    return f"#{kind}-{'/'.join(quote(n, safe='') for n in names)}"


def batch_entities(batch: BatchAssessment) -> list[Entity]:
    """Describe a batch in terms that map to ISA: cell source (Source), isolation (Process), batch and samples (Sample).

    Parameters
    ----------
    batch : BatchAssessment
        Its description is plain JSON from the manifest; only what is stated is written.

    Returns
    -------
    list of dict
        Entities, the batch first.
    """
    told = batch.description
    me, source, process = (anchor(k, batch.batch) for k in ("batch", "cells", "isolation"))
    cells = told.get("cell_source")
    properties = _properties(told, ("produced_on", "storage", "notes"), me)
    entity: Entity = {
        "@id": me,
        "@type": "BioSample",
        "additionalType": "Sample",
        "name": str(told.get("name") or batch.batch),
        "identifier": batch.batch,
        "description": "Batch of extracellular vesicles",
    }
    entities = [entity, *properties]
    if properties:
        entity["additionalProperty"] = [reference(p["@id"]) for p in properties]
    if isinstance(cells, Mapping) and any(v is not None for v in cells.values()):
        traits = _properties(cells, tuple(cells), source)
        entities += [
            {
                "@id": source,
                "@type": "BioSample",
                "additionalType": "Source",
                "name": f"Cells of batch {batch.batch}",
                "additionalProperty": [reference(t["@id"]) for t in traits],
            },
            *traits,
        ]
        entity["isBasedOn"] = reference(source)
    return [*entities, *_isolation(told, me, source, process, "isBasedOn" in entity), *_samples(told, me)]


def _properties(values: Mapping[str, Any], names: Iterable[str], owner: str) -> list[Entity]:
    return [
        {
            "@id": f"{owner}/{quote(str(n), safe='')}",
            "@type": "PropertyValue",
            "propertyID": str(n),
            "name": str(n).replace("_", " "),
            "value": v if isinstance(v, int | float | str) else plain(v),
        }
        for n in names
        if (v := values.get(n)) is not None
    ]


def _isolation(told: Mapping[str, Any], me: str, source: str, process: str, with_source: bool) -> list[Entity]:  # noqa: FBT001 - private
    steps = told.get("isolation")
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        return []
    values = [
        {"@id": f"{process}/step-{k}", "@type": "PropertyValue", "name": f"step {k}", "value": isolation_text(s)}
        for k, s in enumerate(steps, 1)
    ]
    protocol = f"{process}/protocol"
    return [
        {
            "@id": process,
            "@type": "LabProcess",
            "name": "Isolation",
            "result": reference(me),
            **({"object": reference(source)} if with_source else {}),
            "executesLabProtocol": reference(protocol),
            "parameterValue": [reference(v["@id"]) for v in values],
        },
        {
            "@id": protocol,
            "@type": "LabProtocol",
            "name": "Isolation of extracellular vesicles",
            "description": "; ".join(str(v["value"]) for v in values),
        },
        *values,
    ]


def _samples(told: Mapping[str, Any], me: str) -> list[Entity]:
    samples = told.get("samples")
    if not isinstance(samples, Sequence) or isinstance(samples, str):
        return []
    return [
        {
            "@id": f"{me}/sample-{quote(str(s.get('id')), safe='')}",
            "@type": "BioSample",
            "additionalType": "Sample",
            "name": str(s.get("name") or s.get("id")),
            "identifier": str(s.get("id")),
            "isBasedOn": reference(me),
            **({"description": field_text("volume_ml", s["volume_ml"])} if s.get("volume_ml") is not None else {}),
        }
        for s in samples
        if isinstance(s, Mapping)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrateContent:
    """Everything that the metadata describe.

    Parameters
    ----------
    assessment : Assessment
        Only its study-wide fields are read, never its batches.
    date_published : str
        ISO 8601 with offset; the only time in the whole dossier.
    outputs : sequence of OutputFile
        Files that the dossier consists of.
    inputs : sequence of InputFile
        Input files.
    inputs_copied : bool
        Whether they lie in ``inputs/``.
    batches : sequence of dict
        From `batch_entities`.
    """

    assessment: Assessment
    date_published: str
    outputs: Sequence[OutputFile]
    inputs: Sequence[InputFile]
    inputs_copied: bool
    batches: Sequence[Entity]


def metadata(content: CrateContent) -> dict[str, Any]:
    """Return the RO-Crate metadata document.

    Parameters
    ----------
    content : CrateContent
        What to describe.

    Returns
    -------
    dict
        JSON-LD of RO-Crate 1.1 and the Process Run Crate profile.
    """
    a = content.assessment
    outputs = [_output(o) for o in content.outputs]
    inputs = _inputs(content)
    files = [*outputs, *(i for i in inputs if i["@type"] == "File")]
    licence = _licence(a.study.get("licence"))
    people = _people(a.study)
    root = _root(content, files, licence, people)
    return {
        "@context": [f"{SPECIFICATION}/context", EXTRA_TERMS],
        "@graph": [
            {"@id": CRATE, "@type": "CreativeWork", "conformsTo": reference(SPECIFICATION), "about": reference(ROOT)},
            root,
            licence,
            *people,
            {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
            *_software(a),
            _action(content, outputs, inputs, people),
            *outputs,
            *inputs,
            *content.batches,
        ],
    }


def write_metadata(content: CrateContent, path: Path) -> None:
    """Write the RO-Crate metadata, an entity a line."""
    document = metadata(content)
    lines = ",\n".join(json.dumps(e, ensure_ascii=False) for e in document["@graph"])
    context = json.dumps(document["@context"], ensure_ascii=False)
    path.write_text(f'{{"@context": {context},\n"@graph": [\n{lines}\n]}}\n', encoding="utf-8")


def _root(content: CrateContent, files: Sequence[Entity], licence: Entity, people: Sequence[Entity]) -> Entity:
    a = content.assessment
    batches = [e for e in content.batches if e["@type"] == "BioSample" and e["@id"].startswith("#batch-")]
    described = str(a.study.get("description") or f"Dossier of extracellular vesicle batches: {a.title}")
    root: Entity = {
        "@id": ROOT,
        "@type": "Dataset",
        "name": a.title,
        "description": described,
        "datePublished": content.date_published,
        "license": reference(licence["@id"]),
        "conformsTo": reference(PROFILE),
        "hasPart": [reference(f["@id"]) for f in files],
        "mentions": [reference("#analysis"), *(reference(b["@id"]) for b in batches if "/" not in b["@id"])],
    }
    for person in people:
        root["publisher" if person["@type"] == "Organization" else "contactPoint"] = reference(person["@id"])
    if people:
        root["author"] = reference(people[-1]["@id"])
    processes = [e for e in content.batches if e["@type"] == "LabProcess"]
    if processes:
        root["about"] = [reference(e["@id"]) for e in processes]
    return root


def _licence(stated: object) -> Entity:
    text = str(stated or "").strip()
    url = LICENCES.get(text.lower(), text if text.startswith(("https://", "http://")) else "")
    return {
        "@id": quote(url, safe=":/%#?=&~-._") if url else "#licence",
        "@type": "CreativeWork",
        "name": text or "No licence stated",
        "description": f"Licence as stated in study.yaml: {text}"
        if text
        else "study.yaml states no licence: all rights reserved.",
    }


def _people(study: Mapping[str, Any]) -> list[Entity]:
    people: list[Entity] = []
    if study.get("institution"):
        people.append({"@id": "#institution", "@type": "Organization", "name": str(study["institution"])})
    if study.get("contact"):
        people.append(
            {
                "@id": "#contact",
                "@type": "Person",
                "name": str(study["contact"]),
                **({"affiliation": reference("#institution")} if people else {}),
            }
        )
    return people


def _software(a: Assessment) -> list[Entity]:
    name, _, version = a.software.partition(" ")
    needed = [(n, v) for n, v in a.environment.items() if n != "platform"]
    return [
        {
            "@id": "#vesicula",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version or "unknown",
            **({"url": SOFTWARE_URL} if SOFTWARE_URL else {}),
            "softwareRequirements": [reference(anchor("software", n)) for n, _ in needed],
        },
        *(
            {
                "@id": anchor("software", n),
                "@type": "SoftwareApplication",
                "name": n,
                "softwareVersion": v,
                "url": f"https://pypi.org/project/{quote(n)}/" if n != "python" else "https://www.python.org/",
            }
            for n, v in needed
        ),
    ]


def _action(
    content: CrateContent, outputs: Sequence[Entity], inputs: Sequence[Entity], people: Sequence[Entity]
) -> Entity:
    a = content.assessment
    return {
        "@id": "#analysis",
        "@type": "CreateAction",
        "name": f"Analysis with {a.software}",
        "description": "From instrument files to findings, with the parameters that stand in findings.json; "
        f"study.yaml has SHA-256 {a.manifest_sha256}.",
        "instrument": reference("#vesicula"),
        "object": [reference(i["@id"]) for i in inputs],
        "result": [reference(o["@id"]) for o in outputs],
        "endTime": content.date_published,
        "actionStatus": "http://schema.org/CompletedActionStatus",
        **({"agent": reference(people[-1]["@id"])} if people else {}),
    }


def _output(o: OutputFile) -> Entity:
    return {
        "@id": file_id(o.path),
        "@type": "File",
        "name": o.path,
        "description": o.description,
        "encodingFormat": _format(o.path),
        "contentSize": str(o.size_bytes),
        "sha256": o.sha256,
    }


def _inputs(content: CrateContent) -> list[Entity]:
    """Describe inputs: files where they were copied, else works known by their hash."""
    entities: dict[str, Entity] = {}
    for i in content.inputs:
        copied = content.inputs_copied and bool(i.sha256)
        identifier = file_id(f"inputs/{i.path}") if copied else anchor("input", i.path)
        entity: Entity = {
            "@id": identifier,
            "@type": "File" if copied else "CreativeWork",
            "name": i.path,
            "encodingFormat": _format(i.path),
            "contentSize": str(i.size_bytes),
        }
        if i.sha256:
            entity["sha256"] = i.sha256
        if i.batch:
            entity["about"] = reference(anchor("batch", i.batch))
        entities.setdefault(identifier, entity)
    return list(entities.values())


def _format(path: str) -> str:
    return FORMATS.get(Path(path).suffix.lower(), "application/octet-stream")
