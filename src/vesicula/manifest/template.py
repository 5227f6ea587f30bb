"""The text of a study.yaml to fill in: every field with its unit and explanation, nothing guessed."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vesicula.core.errors import shorten
from vesicula.core.study import (
    MANIFEST_VERSION,
    Assay,
    Batch,
    CellSource,
    IsolationStep,
    MeasurementEntry,
    ReleaseCriterion,
    Sample,
    StudyInfo,
)
from vesicula.manifest.group import BatchGroup, SampleGroup

_WIDTH = 100
_UNSAFE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_INTRODUCTION = """\
study.yaml: what the lab states about the files of this folder. Written by 'vesicula init'; yours to correct.

Lines that begin with '#' are comments. To state something, remove the '# ' and write the value after the colon.
What is not stated stays unknown, and the dossier says so: no value here was guessed, only the grouping of the
files into batches, samples and replicates was taken from folders, headers and names. Check it.

Numbers have a decimal point and no unit: the unit is in the name of the field. Texts that hold ': ' or '#' stand
in "quotation marks". When done: vesicula check"""


def render(
    title: str, batches: Iterable[BatchGroup], *, unknown: Iterable[tuple[str, str]] = (), explain: bool = True
) -> str:
    """Write the manifest of a folder.

    Parameters
    ----------
    title : str
        Preliminary title.
    batches : iterable of BatchGroup
        The files that readers know, grouped.
    unknown : iterable of tuple of (str, str)
        Other files, with the reason why they are not listed.
    explain : bool
        Whether fields to fill in are written out for every batch and sample, not only for the first.

    Returns
    -------
    str
        YAML that `vesicula.manifest.load.load_manifest` accepts.
    """
    lines = [
        *_comment(_INTRODUCTION, ""),
        "",
        f"vesicula: {MANIFEST_VERSION}",
        "",
        "study:",
        *_live(StudyInfo, "title", quote(title), "  ", remark="fill in: this is the folder's name"),
        *_fields(StudyInfo, "  ", full=True, but={"title"}),
        "",
        "batches:",
    ]
    names = Names()
    for i, batch in enumerate(batches):
        lines += _batch(batch, names, full=i == 0, brief=explain)
    lines += [
        "",
        "# The lab's own release limits, judged for every batch; one '- ' for each.",
        "criteria:",
        *_template(ReleaseCriterion, "  "),
    ]
    lines += [
        "",
        "# Your table of miRNA targets, for the pathways of the miRNAs in cargo_tables.",
        "# mirna_targets: targets.tsv",
        "",
        "# Files and folders that belong to no batch, so that vesicula check passes over them.",
        "ignore:",
        "  # - notes.txt",
    ]
    if others := list(unknown):
        lines += ["", "# Not listed above, because no reader takes them:"]
        lines += [f"#   {quote(path)}: {_one_line(reason)}" for path, reason in others]
    return "\n".join(lines) + "\n"


class Names:
    """Hands out identifiers that are valid and, within their scope, unique."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()

    def take(self, scope: str, wanted: str, default: str) -> str:
        """Return `wanted`, made a valid identifier, with a number behind it if it is taken."""
        clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in wanted).strip()[:90].strip()
        if clean in {"", ".", ".."} or re.fullmatch(r"(?i)\W*fill[ _-]in\W*", clean):
            clean = f"{default} {clean}".strip()
        name, n = clean, 1
        while (scope, name) in self._taken:
            n += 1
            name = f"{clean} ({n})"
        self._taken.add((scope, name))
        return name


def _batch(batch: BatchGroup, names: Names, *, full: bool, brief: bool) -> list[str]:
    name = names.take("", batch.name, "batch 1")
    remark = "the folder's name" if batch.name else "fill in"
    lines = ["", *_live(Batch, "id", quote(name), "    ", item=True, remark=remark, full=full)]
    own = {"id", "cell_source", "isolation", "samples"}
    if full or brief:
        lines += _fields(Batch, "    ", full=full, but=own)
        lines += ["    cell_source:", *_fields(CellSource, "      ", full=full)]
        if full:
            lines += _comment("Steps of isolation, in the order done; one '- ' for each.", "    ")
        lines += ["    isolation:", *_template(IsolationStep, "      ", full=full)]
    lines += ["    samples:"]
    for i, sample in enumerate(batch.samples or (_EMPTY_SAMPLE,)):
        lines += _sample(sample, names, name, full=full and i == 0, brief=brief)
    return lines


_EMPTY_SAMPLE = SampleGroup(name="", loads=(), names=(), dilution_hint="")


def _sample(sample: SampleGroup, names: Names, batch: str, *, full: bool, brief: bool) -> list[str]:
    name = names.take(batch, sample.name, "sample 1")
    remark = "the name that the files give" if sample.name else "fill in"
    lines = _live(Sample, "id", quote(name), "        ", item=True, remark=remark, full=full)
    if len(sample.names) > 1:
        taken = ", ".join(quote(n) for n in sample.names)
        lines += [f"        # Taken for replicates of one sample by their names, check: {taken}"]
    if sample.dilution_hint:
        lines += [f"        # A guess from the name, to be checked: diluted {sample.dilution_hint} fold?"]
    if full or brief:
        lines += _fields(Sample, "        ", full=full, but={"id", "protein", "lipid", "measurements"})
        for assay in ("protein", "lipid"):
            lines += [
                *(_about(Sample, assay, "        ") if full else []),
                f"        {assay}:",
                *_fields(Assay, "          ", full=full and assay == "protein"),
            ]
    lines += ["        measurements:"]
    for i, load in enumerate(sample.loads):
        explain = full and i == 0
        lines += _live(MeasurementEntry, "files", "", "            ", item=True, full=explain)
        lines += [f"              - {quote(path)}" for path in load.files]
        lines += _live(MeasurementEntry, "replicate", quote(load.label), "            ", full=explain)
        if i == 0 and (full or brief):
            lines += _fields(MeasurementEntry, "            ", full=explain, but={"files", "replicate"})
        elif brief:
            lines += ["            # dilution_factor:"]
    return lines


def _live(
    model: type[BaseModel], key: str, value: str, pad: str, *, item: bool = False, remark: str = "", full: bool = True
) -> list[str]:
    """Write a field that has a value; as the first of a list's item with a dash before it."""
    start = f"{pad[:-2]}- " if item else pad
    remark = f"  # {remark}" if remark else ""
    return [*(_about(model, key, pad[:-2] if item else pad) if full else []), f"{start}{key}: {value}{remark}".rstrip()]


def _fields(model: type[BaseModel], pad: str, *, full: bool, but: Iterable[str] = ()) -> list[str]:
    """Write the fields of a model as comments to fill in."""
    lines: list[str] = []
    for key in model.model_fields:
        if key not in set(but):
            lines += _about(model, key, pad) if full else []
            lines += [f"{pad}# {key}:" + ("    # fill in" if full else "")]
    return lines


def _template(model: type[BaseModel], pad: str, *, full: bool = True) -> list[str]:
    """Write one entry of a list as a comment to copy."""
    lines = []
    for i, (key, field) in enumerate(model.model_fields.items()):
        explanation = f"    # fill in: {_explanation(field)}" if full else ""
        lines += [f"{pad}# {'- ' if i == 0 else '  '}{key}:{explanation}"]
    return lines


def _about(model: type[BaseModel], key: str, pad: str) -> list[str]:
    return _comment(_explanation(model.model_fields[key]), pad)


def _explanation(field: FieldInfo) -> str:
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = f" Unit: {extra['x-unit']}." if "x-unit" in extra else ""
    example = f" Example: {_value(field.examples[0])}" if field.examples else ""
    return f"{field.description or ''}{unit}{example}"


def _value(example: object) -> str:
    if isinstance(example, list):
        return f"[{', '.join(_value(e) for e in example)}]"
    if isinstance(example, str):
        return quote(example)
    return f"{example:g}" if isinstance(example, float) else str(example)


def _comment(text: str, pad: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += [f"{pad}#"] if lines else []
        lines += [f"{pad}# {line}" for line in textwrap.wrap(paragraph, _WIDTH, break_long_words=False)]
    return lines


def quote(text: str) -> str:
    """Write a text as a YAML scalar in double quotes, on one line, whatever it holds.

    Parameters
    ----------
    text : str
        Any text; surrogates, which UTF-8 cannot hold, become question marks.

    Returns
    -------
    str
        JSON's quoting, which YAML shares, with every character escaped that YAML does not print.
    """
    clean = text.encode("utf-8", errors="replace").decode("utf-8")
    return _UNSAFE.sub(lambda m: f"\\U{ord(m[0]):08X}", json.dumps(clean, ensure_ascii=False))


def _one_line(text: str) -> str:
    return _UNSAFE.sub("?", shorten(text, 160))
