"""What the fields of the manifest are made of: strict models, and types that explain what they refuse.

Values arrive as text, as they were written (see `vesicula.manifest.yaml_text`): each type takes the text that is
wholly of its kind, and says what to write instead otherwise.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vesicula.core.errors import shorten


def about(
    description: str,
    *,
    unit: str = "",
    isa: str = "",
    schema_org: str = "",
    vocabulary: str = "",
    example: object = None,
) -> Any:  # noqa: ANN401 - pydantic types Field() as Any
    """Describe a field once, for the JSON Schema, the reference page and the template alike.

    Parameters
    ----------
    description : str
        What it means, in a sentence.
    unit : str
        Its unit; empty where it has none.
    isa, schema_org : str
        Heading of ISA-Tab; property of schema.org.
    vocabulary : str
        Kind of word of ``data/vocabulary.tsv`` that it takes.
    example : object
        A valid value.

    Returns
    -------
    pydantic.fields.FieldInfo
        To stand in the field's annotation.
    """
    extra = {"x-unit": unit, "x-isa": isa, "x-schema-org": schema_org, "x-vocabulary": vocabulary}
    stated: dict[str, Any] = {key: value for key, value in extra.items() if value}
    examples = None if example is None else [example]
    return Field(description=description, examples=examples, json_schema_extra=stated)


def fault(kind: str, reason: str, *, at: str = "") -> PydanticCustomError:
    """Make a validation error in our own words.

    Parameters
    ----------
    kind : str
        ``"number"``, ``"path"``, ``"identifier"``, ``"date"``, ``"limits"`` or ``"duplicate"``.
    reason : str
        The message; braces in it stand for themselves.
    at : str
        Field that is to blame, where a whole model is refused.

    Returns
    -------
    pydantic_core.PydanticCustomError
        To be raised in a validator.
    """
    return PydanticCustomError("vesicula", "{reason}", {"reason": reason, "kind": kind, "at": at})


class Strict(BaseModel):
    """Unknown fields are errors: a misspelt field must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:  # noqa: ANN401 - untrusted input of any type
        """Treat a known field without a value as not stated: a template is full of them."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if v is not None or k not in cls.model_fields}


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(?:\.0*)?")
_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*[^\s0-9.,eE+-].*")
_WITH_PREFIX = re.compile(r"[A-Za-z]{1,8}\.?\s*([0-9]{1,15})")


def number(value: object) -> object:
    """Take a number, or text that is wholly one: no decimal comma, no unit, no digit grouping.

    Parameters
    ----------
    value : object
        What stands in the manifest.

    Returns
    -------
    object
        A float for text; anything else unchanged, for pydantic to judge.

    Raises
    ------
    PydanticCustomError
        For a truth value, and for text that is no number; says what to write.
    """
    if isinstance(value, bool):
        raise fault("number", f"expected a number, found {str(value).lower()}")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if len(text) <= 100 and _NUMBER.fullmatch(text):
        return float(text)
    raise fault("number", _why_no_number(text))


def whole(value: object) -> object:
    """Take a whole number, or text that is one; parameters and errors as in `number`."""
    if isinstance(value, bool):
        raise fault("number", f"expected a whole number, found {str(value).lower()}")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _WHOLE.fullmatch(text):
        return int(text.split(".", 1)[0])
    if match := _WITH_PREFIX.fullmatch(text):
        raise fault("number", f"expected a whole number, found {shorten(text)!r}: write {int(match[1])}")
    if len(text) <= 100 and _NUMBER.fullmatch(text):
        raise fault("number", f"expected a whole number, found {shorten(text)!r}")
    raise fault("number", _why_no_number(text))


def _why_no_number(text: str) -> str:
    found = f"expected a number, found {shorten(text)!r}"
    if len(text) > 100:
        return found
    if match := _DECIMAL_COMMA.fullmatch(text):
        before, part = match[1], match[2]
        if len(part) == 3 and before.lstrip("+-0"):
            return (
                f"{found}: a comma may mean thousands or decimals; write {before}{part} or "
                f"{before}.{part}, with a point for decimals"
            )
        return f"{found}: write {before}.{part}, with a decimal point"
    if match := _WITH_UNIT.fullmatch(text):
        return f"{found}: write {match[1]} alone; the unit is part of the field's name"
    return f"{found}: write digits with a decimal point, such as 0.5 or 1e9"


def _relative(path: str) -> str:
    if any((ord(c) < 32 and c not in "\t\n\r") or c == "\x7f" for c in path):
        raise fault("path", "a file name must not hold control characters")
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path):
        raise fault(
            "path",
            "a file must lie inside the study folder: give a path relative to it, without "
            f"'..', a leading slash or a drive letter; found {shorten(path)!r}",
        )
    return str(pure)


def _identifier(text: str) -> str:
    if not text.isprintable() or "/" in text or "\\" in text or text in {".", ".."}:
        raise fault(
            "identifier",
            "an identifier is one line of printable characters without '/' or '\\', "
            f"and not '.' or '..'; found {shorten(text)!r}",
        )
    return text


def _iso_date(text: str) -> str:
    wrong = fault("date", f"expected a date of the calendar as YYYY-MM-DD, found {shorten(text)!r}")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise wrong
    try:
        date.fromisoformat(text)
    except ValueError:
        raise wrong from None
    return text


Identifier = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra={"pattern": r"^[^/\\\u0000-\u001f\u007f-\u009f]+$"}),
    AfterValidator(_identifier),
]
RelativePath = Annotated[
    # A file name may begin or end with a blank: it must be kept as it is.
    str,
    StringConstraints(strip_whitespace=False, min_length=1, max_length=1000),
    Field(json_schema_extra={"pattern": r"^(?![/\\]|[A-Za-z]:|\.\.(?:[/\\]|$)|[^\0]*[/\\]\.\.(?:[/\\]|$))"}),
    AfterValidator(_relative),
]
Number = Annotated[float, BeforeValidator(number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(number)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(number)]
Celsius = Annotated[float, Field(ge=-273.15, le=1000), BeforeValidator(number)]
Count = Annotated[int, Field(ge=0), BeforeValidator(whole)]
IsoDate = Annotated[str, AfterValidator(_iso_date), Field(json_schema_extra={"format": "date"})]
Text = Annotated[str, Field(min_length=1)]


def refuse_duplicates(items: list[str], what: str, where: str) -> None:
    """Raise an error of kind ``"duplicate"`` when an item stands twice.

    Parameters
    ----------
    items : list of str
        Identifiers or paths.
    what, where : str
        Words for the message, such as ``"sample"`` and ``"batch 'B1'"``.
    """
    seen: set[str] = set()
    for item in items:
        if item in seen:
            raise fault("duplicate", f"{what} {shorten(item)!r} stands twice in {where}")
        seen.add(item)
