"""The JSON Schema of study.yaml and the field tables of its reference page, made from the model.

``python -m vesicula.manifest.schema`` in the root of the repository writes both; with ``--check`` it only says,
by its exit code, whether they are current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from vesicula.core.study import Manifest
from vesicula.manifest.explain import model_in

SCHEMA_PATH = Path("schemas/study.schema.json")
PAGE_PATH = Path("docs/reference/manifest.md")
BEGIN, END = "<!-- fields: begin, written by python -m vesicula.manifest.schema -->", "<!-- fields: end -->"

_ABOUT = ("description", "examples", "x-unit", "x-isa", "x-schema-org", "x-vocabulary")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the manifest.

    Returns
    -------
    dict
        Plain data. A field that may be left out may also stand without a value, as in the template; units and
        terms are under ``x-unit``, ``x-isa``, ``x-schema-org`` and ``x-vocabulary``.
    """
    schema = Manifest.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        model["description"] = _one_line(model.get("description", ""))
        model["properties"] = {
            name: _allow_null(field) if name not in model.get("required", []) else _bare(field)
            for name, field in model["properties"].items()
        }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "vesicula study manifest"}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _bare(field: dict[str, Any]) -> dict[str, Any]:
    """Drop what pydantic adds for programs: titles made from names, and defaults."""
    return {key: value for key, value in field.items() if key not in {"title", "default"}}


def _allow_null(field: dict[str, Any]) -> dict[str, Any]:
    bare = _bare(field)
    if {"type": "null"} in bare.get("anyOf", []):
        return bare
    about = {key: bare.pop(key) for key in _ABOUT if key in bare}
    return {"anyOf": [bare, {"type": "null"}], **about}


def field_tables() -> str:
    """Return the tables of all fields in Markdown, one for each group of fields.

    Returns
    -------
    str
        Headings, descriptions and tables.
    """
    sections = []
    for place, model in _groups(Manifest, "").items():
        heading = f"`{place}`" if place else "Top level"
        rows = [_row(name, model) for name in model.model_fields]
        sections.append(
            "\n".join(
                [
                    f"### {heading}",
                    "",
                    _one_line(model.__doc__ or ""),
                    "",
                    "| field | meaning | unit | needed | example | ISA-Tab | schema.org |",
                    "|---|---|---|---|---|---|---|",
                    *rows,
                ]
            )
        )
    return "\n\n".join(sections)


def _groups(model: type[BaseModel], place: str) -> dict[str, type[BaseModel]]:
    found = {place: model}
    for name, field in model.model_fields.items():
        if inner := model_in(field.annotation):
            many = "[]" if get_origin(field.annotation) is tuple else ""
            found |= _groups(inner, f"{place}.{name}{many}".lstrip("."))
    return found


def _row(name: str, model: type[BaseModel]) -> str:
    field = model.model_fields[name]
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    example = f"`{json.dumps(field.examples[0], ensure_ascii=False)}`" if field.examples else ""
    words = f" Vocabulary: {extra['x-vocabulary']}." if "x-vocabulary" in extra else ""
    cells = (
        f"`{name}`",
        f"{field.description}{words}",
        extra.get("x-unit", ""),
        "yes" if field.is_required() else "",
        example,
        extra.get("x-isa", ""),
        extra.get("x-schema-org", ""),
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def outputs(root: Path) -> dict[Path, str]:
    """Return what the generated files ought to hold.

    Parameters
    ----------
    root : pathlib.Path
        Root of the repository; its reference page is read for the text around the tables.

    Returns
    -------
    dict of pathlib.Path to str
        Text by path.
    """
    page = (root / PAGE_PATH).read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return {
        root / SCHEMA_PATH: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        root / PAGE_PATH: f"{before}{BEGIN}\n\n{field_tables()}\n\n{END}{after}",
    }


def main(arguments: list[str]) -> int:
    """Write the generated files, or check them.

    Parameters
    ----------
    arguments : list of str
        ``--check`` or nothing.

    Returns
    -------
    int
        1 when a file was not current and is only checked, else 0.
    """
    stale = {
        path: text
        for path, text in outputs(Path()).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        sys.stdout.write(f"{path} {'is not current' if '--check' in arguments else 'written'}\n")
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
