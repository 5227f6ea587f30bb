"""YAML text to a tree of strings, lists and mappings that knows the line of everything.

Only the plain part of YAML is taken: no anchors, no aliases, no tags, one document. Every scalar stays the
text that was written, so that ``id: 007``, ``id: no`` and ``produced_on: 2025-02-28`` mean what they say; the
type of each field converts later. The parser's events are consumed one by one, with a stack of our own: no
text, however deeply nested, can exhaust Python's or C's stack, and nothing is ever expanded.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from vesicula.core.errors import shorten
from vesicula.manifest.problem import Problem, error

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 24
"""The manifest's own depth is 9; deeper nesting is a mistake or an attack."""
MAX_NODES = 600_000
"""Bounds memory: an 8 MiB text of one-letter items would otherwise make some millions of objects."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.1, section 5.1, allows these; of its line breaks only those that editors count as such are let
# through, or line numbers would disagree with what the user sees.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BREAK = re.compile(r"\r\n|\r|\n")
_NULL = {"", "~", "null", "Null", "NULL"}


@dataclass(slots=True, eq=False)
class Node:
    """A scalar, a list or a mapping of the document.

    Parameters
    ----------
    line : int
        Line of its beginning, from 1.
    value : str, list of Node, dict of str to Node, or None
        None for an empty scalar, that is: no value was given.
    key_lines : dict of str to int
        For a mapping: the line of each key.
    """

    line: int
    value: str | list[Node] | dict[str, Node] | None
    key_lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Open:
    """A list or mapping that is being read; `key` is the key whose value comes next."""

    node: Node
    key: str | None = None
    discard: bool = False


@dataclass(slots=True, eq=False)
class _Builder:
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Node | None = None
    n_nodes: int = 0

    def attach(self, node: Node) -> None:
        """Put a node where the reading stands: as the root, an item, a key or a value."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif isinstance(top.node.value, dict):
            if top.key is None:
                self._begin_entry(top, top.node.value, node)
            else:
                if not top.discard:
                    top.node.value[top.key] = node
                top.key, top.discard = None, False

    def _begin_entry(self, top: _Open, entries: dict[str, Node], key: Node) -> None:
        if not isinstance(key.value, str):
            what = "empty" if key.value is None else "a list or mapping"
            self.problems.append(error(key.line, f"the name of a field is {what}", "Write 'name: value'"))
            top.key, top.discard = "", True
        elif key.value in entries or key.value in top.node.key_lines:
            first = top.node.key_lines[key.value]
            message = f"the field {shorten(key.value)!r} stands here a second time, first on line {first}"
            self.problems.append(error(key.line, message, "Remove one of the two"))
            top.key, top.discard = key.value, True
        else:
            top.key, top.discard = key.value, False
            top.node.key_lines[key.value] = key.line


class _RefusedError(Exception):
    """Reading must stop here."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def decode_utf8(data: bytes) -> tuple[str, list[Problem]]:
    """Decode the bytes of a manifest, which must be UTF-8; a byte order mark is tolerated.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    tuple of (str, list of Problem)
        The text, and an error at its line where it is not text in UTF-8. Text is empty after an error.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "", [error(1, "the manifest is in UTF-16", "Save it as UTF-8")]
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as fault:
        line = _line_at(data[: fault.start].decode("latin-1"))
        found = f"byte 0x{data[fault.start]:02x}"
        return "", [error(line, f"the manifest is not UTF-8 text: {found} on this line", "Save it as UTF-8")]
    if match := _FORBIDDEN.search(text):
        line = _line_at(text[: match.start()])
        return "", [
            error(
                line,
                f"the character U+{ord(match[0]):04X} must not stand in a manifest",
                "Remove it; it is invisible in most editors",
            )
        ]
    return text, []


def _line_at(before: str) -> int:
    return len(_BREAK.findall(before)) + 1


def parse(text: str) -> tuple[Node | None, list[Problem]]:
    """Parse one YAML document into nodes.

    Parameters
    ----------
    text : str
        The manifest, decoded by `decode_utf8`.

    Returns
    -------
    tuple of (Node or None, list of Problem)
        The document, None when its syntax is broken or it is empty, and all errors, each with its line.
        Duplicate fields, anchors, aliases and tags are errors. Never raises.
    """
    builder = _Builder()
    lines = max(1, len(_BREAK.split(text.rstrip())))
    try:
        for event in _events(text):
            _take(builder, event)
    except _RefusedError as refused:
        builder.problems.append(refused.problem)
        return None, builder.problems
    except yaml.YAMLError as fault:
        builder.problems.append(_explain(fault, text, lines))
        return None, builder.problems
    return builder.root, builder.problems


def _events(text: str) -> Iterator[Any]:
    yield from yaml.parse(text, Loader=_PARSER)


def _take(builder: _Builder, event: Any) -> None:  # noqa: ANN401 - yaml's events share no typed base
    line = event.start_mark.line + 1
    if isinstance(event, yaml.DocumentStartEvent):
        if builder.root is not None:
            raise _RefusedError(error(line, "a second document begins here ('---')", "Keep one document"))
        return
    if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
        builder.stack.pop()
        return
    if not isinstance(event, yaml.NodeEvent):
        return
    builder.n_nodes += 1
    if builder.n_nodes > MAX_NODES:
        raise _RefusedError(error(line, f"the manifest has more than {MAX_NODES} entries", "Split the study"))
    _refuse_extras(builder, event, line)
    if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
        builder.attach(Node(line=line, value=_scalar(builder, event, line)))
        return
    if len(builder.stack) >= MAX_DEPTH:
        raise _RefusedError(
            error(
                line,
                f"the manifest is nested more than {MAX_DEPTH} levels deep",
                "Compare with the template that vesicula init writes",
            )
        )
    node = Node(line=line, value=[] if isinstance(event, yaml.SequenceStartEvent) else {})
    builder.attach(node)
    builder.stack.append(_Open(node=node))


def _refuse_extras(builder: _Builder, event: Any, line: int) -> None:  # noqa: ANN401 - as in _take
    if isinstance(event, yaml.AliasEvent):
        message, remedy = f"the alias '*{shorten(event.anchor or '')}' is not allowed", "Write the value out"
    elif event.anchor is not None:
        message, remedy = f"the anchor '&{shorten(event.anchor)}' is not allowed", "Remove it"
    elif getattr(event, "tag", None) is not None:
        message, remedy = f"the tag {shorten(event.tag)!r} is not allowed", "Remove it, or quote the text"
    else:
        return
    builder.problems.append(error(line, message, remedy))


def _scalar(builder: _Builder, event: Any, line: int) -> str | None:  # noqa: ANN401 - as in _take
    if isinstance(event, yaml.AliasEvent):
        return None
    value: str = event.value
    if event.style in (None, "") and value in _NULL:
        return None
    if match := _CONTROL.search(value):
        builder.problems.append(error(line, f"the text holds the control character U+{ord(match[0]):04X}", "Remove it"))
        return _CONTROL.sub("?", value)
    return value


def _explain(fault: yaml.YAMLError, text: str, lines: int) -> Problem:
    mark, opened = getattr(fault, "problem_mark", None), getattr(fault, "context_mark", None)
    problem = str(getattr(fault, "problem", None) or fault)
    context = str(getattr(fault, "context", None) or "")
    if opened is not None and ("quoted scalar" in context and "end of stream" in problem):
        return error(opened.line + 1, "a quotation mark that opens here is never closed", "Close it")
    line = min((mark.line if mark is not None else 0) + 1, lines)
    if opened is not None and "flow" in context and line > opened.line + 1:
        message = f"a bracket that opens here is not closed properly: the fault shows on line {line}"
        return error(opened.line + 1, message, "Close it, and put a comma between entries")
    if mark is not None and _character_at(text, mark.line, mark.column) == "\t":
        return error(line, "a tab stands where YAML demands blanks", "Indent with blanks")
    if "cannot start any token" in problem:
        found = _character_at(text, mark.line, mark.column) if mark is not None else ""
        return error(line, f"a text must not begin with {found!r} in YAML", "Put it in quotation marks")
    if "mapping values are not allowed" in problem:
        return error(
            line, "a colon stands where YAML allows none", "Check the indentation, and quote a text that holds ': '"
        )
    return error(
        line,
        f"this is not YAML: {shorten(' '.join((context, problem)).strip(), 160)}",
        "Check indentation, quotation marks and brackets on this line and the one before",
    )


def _character_at(text: str, line: int, column: int) -> str:
    all_lines = _BREAK.split(text)
    if line >= len(all_lines) or column >= len(all_lines[line]):
        return ""
    return all_lines[line][column]


Plain = str | list["Plain"] | dict[str, "Plain"] | None


def plain(node: Node) -> Plain:
    """Return a node as plain data: strings, lists, dicts and None.

    Parameters
    ----------
    node : Node
        Any node; at most `MAX_DEPTH` deep.

    Returns
    -------
    str, list, dict or None
        A copy without lines.
    """
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return node.value


def line_of(root: Node | None, loc: tuple[int | str, ...]) -> int:
    """Return the line of a place in the document.

    Parameters
    ----------
    root : Node or None
        The document.
    loc : tuple of (int or str)
        Keys and indices from the root, as pydantic reports them.

    Returns
    -------
    int
        The line of the key or item; of its nearest enclosing place where it does not exist; 1 at least.
    """
    line, node = (root.line if root is not None else 1), root
    for step in loc:
        if node is None:
            break
        if isinstance(node.value, dict) and isinstance(step, str) and step in node.key_lines:
            line, node = node.key_lines[step], node.value.get(step)
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.line
        else:
            break
    return line
