"""Small YAML documents (protocols, rotors, columns) as plain values with the line of every key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import yaml

from vesicula.core.errors import UnreadableFile

MAX_CHARACTERS = 200_000
MAX_DEPTH = 12
REMEDY = "Correct the file; docs/reference/isolation.md shows every key."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A value of the document with its place.

    Parameters
    ----------
    file : str
        Name of the document, for messages.
    line : int
        Line, from 1.
    path : str
        Such as ``"steps[2].centrifuge.rpm"``.
    value : object
        str, float, bool, None, list of Entry or dict of str to Entry.
    """

    file: str
    line: int
    path: str
    value: object

    def error(self, expected: str, found: str | None = None, remedy: str = REMEDY) -> UnreadableFile:
        """Return the error that names this place."""
        where = f"line {self.line}, {self.path}" if self.path else f"line {self.line}"
        shown = repr(self.value) if found is None else found
        return UnreadableFile(self.file, where=where, expected=expected, found=shown, remedy=remedy)

    def mapping(self, allowed: Collection[str] | None = None, required: Collection[str] = ()) -> Mapping[str, Entry]:
        """Return the value as a mapping whose keys are among `allowed` and include `required`."""
        if not isinstance(self.value, dict):
            raise self.error("a mapping", _kind(self.value))
        for key, entry in self.value.items():
            if allowed is not None and key not in allowed:
                raise entry.error(f"one of the keys {', '.join(sorted(allowed))}", f"the key {key!r}")
        missing = [key for key in required if key not in self.value]
        if missing:
            raise self.error(f"the key {missing[0]!r}", f"only {', '.join(self.value) or 'nothing'}")
        return self.value

    def items(self) -> list[Entry]:
        """Return the value as a list."""
        if not isinstance(self.value, list):
            raise self.error("a list", _kind(self.value))
        return self.value

    def whole(self, low: int, high: int) -> int:
        """Return the value as a whole number within [low, high]."""
        value = self.number(low, high)
        if value != int(value):
            raise self.error(f"a whole number from {low} to {high}")
        return int(value)

    def text(self, allowed: Collection[str] | None = None) -> str:
        """Return the value as text, one of `allowed` if given."""
        if not isinstance(self.value, str) or (allowed is not None and self.value not in allowed):
            raise self.error(f"one of {', '.join(allowed)}" if allowed else "a text")
        return self.value

    def number(self, low: float | None = None, high: float | None = None, *, above: float | None = None) -> float:
        """Return the value as a number within [low, high], and greater than `above`."""
        value = self.value
        wrong = isinstance(value, bool) or not isinstance(value, float)
        if wrong or not isinstance(value, float) or not _within(value, low, high, above):
            limits = [f"greater than {above:g}" if above is not None else ""]
            limits += [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
            raise self.error(" ".join(["a number", " and ".join(x for x in limits if x)]).strip())
        return value

    def boolean(self) -> bool:
        """Return the value as true or false."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value


def _within(value: float, low: float | None, high: float | None, above: float | None) -> bool:
    if value - value != 0.0:  # infinite or not a number
        return False
    return (low is None or value >= low) and (high is None or value <= high) and (above is None or value > above)


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value), repr(value))


def parse_yaml(text: str, *, name: str) -> Entry:
    """Parse one plain YAML document: no anchors, aliases or tags, no key twice, no unit or date conversion.

    Parameters
    ----------
    text : str
        The document.
    name : str
        Its name, for messages.

    Returns
    -------
    Entry
        The root.

    Raises
    ------
    UnreadableFile
        When the text is not such a document.
    """
    if len(text) > MAX_CHARACTERS:
        raise _error(name, 1, f"at most {MAX_CHARACTERS} characters", str(len(text)))
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise _error(name, _line(event), "plain YAML", "an anchor, an alias or a tag")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _error(name, _line(event), f"at most {MAX_DEPTH} levels", "deeper nesting")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _error(name, line, "YAML", error.problem or "a mistake") from None
    except RecursionError:
        raise _error(name, 1, f"at most {MAX_DEPTH} levels", "deeper nesting") from None
    except yaml.YAMLError as error:
        raise _error(name, 1, "YAML text", str(error).splitlines()[0]) from None
    if node is None:
        raise _error(name, 1, "a document", "nothing")
    return _entry(node, name, "")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


def _entry(node: yaml.Node, name: str, path: str) -> Entry:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        items = [_entry(child, name, f"{path}[{i}]") for i, child in enumerate(node.value, start=1)]
        return Entry(file=name, line=line, path=path, value=items)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Entry] = {}
        for key_node, child in node.value:
            place = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error(name, place, "a plain key", "a list or mapping as key")
            key = str(key_node.value)
            if key in found:
                raise _error(name, place, "each key once", f"{key!r} again")
            entry = _entry(child, name, f"{path}.{key}" if path else key)
            found[key] = Entry(file=name, line=place, path=entry.path, value=entry.value)
        return Entry(file=name, line=line, path=path, value=found)
    return Entry(file=name, line=line, path=path, value=_scalar(node))


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"', "|", ">"):
        return text
    if text.lower() in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _error(name: str, line: int, expected: str, found: str) -> UnreadableFile:
    return UnreadableFile(name, where=f"line {line}", expected=expected, found=found, remedy=REMEDY)
