"""What pydantic found wrong with a manifest, in words that a lab can act on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from vesicula.core.errors import shorten
from vesicula.core.study import MANIFEST_VERSION, Manifest

Loc = tuple[int | str, ...]
Fault = Mapping[str, Any]  # pydantic_core.ErrorDetails


def explain(fault: Fault) -> tuple[Loc, str, str] | None:
    """Put one validation error into words.

    Parameters
    ----------
    fault : mapping
        One of ``ValidationError.errors()``.

    Returns
    -------
    tuple of (loc, str, str) or None
        Place, message and remedy; None for what is reported elsewhere: repeated identifiers and files (the
        loader does, at the line of the second), and a list that is too short only for its faulty entries.
    """
    loc, context = tuple(fault["loc"]), fault.get("ctx", {})
    kind = fault["type"]
    if kind == "vesicula":
        if context["kind"] == "duplicate":
            return None
        at = (context["at"],) if context["at"] else ()
        return (*loc, *at), _named((*loc, *at), context["reason"]), ""
    if kind == "too_short" and fault["input"]:
        return None
    message, remedy = _WORDS.get(kind, _other)(fault, loc)
    return loc, _named(loc, message), remedy


def _named(loc: Loc, message: str) -> str:
    name = next((step for step in reversed(loc) if isinstance(step, str)), "")
    return f"{shorten(name)}: {message}" if name else message


def _unknown(_fault: Fault, loc: Loc) -> tuple[str, str]:
    name, here = str(loc[-1]), model_at(loc[:-1])
    fields = list(here.model_fields) if here else []
    message = "there is no such field here"
    if near := difflib.get_close_matches(name, fields, n=1):
        return message, f"Did you mean {near[0]!r}?"
    if places := [place for place, model in _models().items() if name in model.model_fields]:
        return message, f"It belongs under {' or '.join(places)}; check the indentation"
    everywhere = {field: place for place, model in _models().items() for field in model.model_fields}
    if near := difflib.get_close_matches(name, list(everywhere), n=1):
        return message, f"Did you mean {near[0]!r} under {everywhere[near[0]]}?"
    return message, f"Fields here are: {', '.join(fields)}"


def _missing(_fault: Fault, loc: Loc) -> tuple[str, str]:
    model = model_at(loc[:-1])
    field = model.model_fields.get(str(loc[-1])) if model else None
    description = (field.description or "") if field else ""
    example = f" Example: {field.examples[0]}" if field and field.examples else ""
    return "this field is needed and has no value", f"{description}{example}"


def _no_list(fault: Fault, _loc: Loc) -> tuple[str, str]:
    found = _found(fault["input"])
    if isinstance(fault["input"], str):
        return f"expected a list, found {found}", "Write each entry on a line of its own, after '- '"
    return f"expected a list, found {found}", "Put '- ' before each entry"


def _no_fields(fault: Fault, loc: Loc) -> tuple[str, str]:
    model = model_at(loc)
    fields = ", ".join(model.model_fields) if model else ""
    return f"expected fields with values, found {_found(fault['input'])}", f"Fields here are: {fields}"


def _no_text(fault: Fault, _loc: Loc) -> tuple[str, str]:
    return f"expected text, found {_found(fault['input'])}", ""


def _no_number(fault: Fault, _loc: Loc) -> tuple[str, str]:
    return f"expected a number, found {_found(fault['input'])}", ""


def _choice(fault: Fault, loc: Loc) -> tuple[str, str]:
    found = str(fault["input"])
    if loc == ("vesicula",):
        message = f"this vesicula reads manifests of version {MANIFEST_VERSION}, found {shorten(found)}"
        return message, "Update vesicula, or correct the number"
    model = model_at(loc[:-1])
    field = model.model_fields.get(str(loc[-1])) if model else None
    choices = [str(c) for c in get_args(field.annotation)] if field else []
    near = difflib.get_close_matches(found, choices, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"One of: {', '.join(choices)}"
    return f"{shorten(found)!r} is not known here", hint


def _limit(words: str, key: str) -> Callable[[Fault, Loc], tuple[str, str]]:
    def limit(fault: Fault, _loc: Loc) -> tuple[str, str]:
        return f"must be {words} {fault['ctx'][key]:g}, found {shorten(str(fault['input']))}", ""

    return limit


def _other(fault: Fault, _loc: Loc) -> tuple[str, str]:
    return shorten(str(fault["msg"]), 160), ""


_WORDS: dict[str, Callable[[Fault, Loc], tuple[str, str]]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "tuple_type": _no_list,
    "model_type": _no_fields,
    "string_type": _no_text,
    "float_type": _no_number,
    "int_type": _no_number,
    "literal_error": _choice,
    "greater_than": _limit("more than", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("less than", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": lambda _fault, _loc: ("the list needs at least one entry", ""),
    "string_too_short": lambda _fault, _loc: ("must not be empty", ""),
    "string_too_long": lambda fault, _loc: (f"is longer than {fault['ctx']['max_length']} characters", ""),
    "finite_number": lambda fault, _loc: (f"{shorten(str(fault['input']))} is too large to be a number", ""),
}


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a group of fields"
    return f"the text {shorten(str(value))!r}"


def model_at(loc: Loc) -> type[BaseModel] | None:
    """Return the model that describes a place of the manifest.

    Parameters
    ----------
    loc : tuple of (int or str)
        Keys and indices from the root.

    Returns
    -------
    type of pydantic.BaseModel or None
        None where no group of fields stands.
    """
    model: type[BaseModel] | None = Manifest
    for step in loc:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step) if model else None
        model = model_in(field.annotation) if field else None
    return model


def model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model inside an annotation such as ``tuple[Batch, ...]`` or ``Assay | None``.

    Parameters
    ----------
    annotation : type
        Annotation of a field.

    Returns
    -------
    type of pydantic.BaseModel or None
        None when it holds none.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_in(part))), None)


def _models(model: type[BaseModel] = Manifest, place: str = "the top level") -> dict[str, type[BaseModel]]:
    """Return every group of fields by where it stands, such as ``batches > samples``."""
    found: dict[str, type[BaseModel]] = {place: model}
    for name, field in model.model_fields.items():
        if inner := model_in(field.annotation):
            found |= _models(inner, name if model is Manifest else f"{place} > {name}")
    return found
