"""Claims from a YAML file, as text: nothing is turned into dates, numbers or booleans, nothing is executed."""

from __future__ import annotations

import yaml

from vesicula.core.errors import shorten
from vesicula.evidence.model import Problem
from vesicula.evidence.rows import COLUMNS, LISTS, Row, nearest

FORM = "expected a list of claims, or `review:` and `claims:` with the list"


def yaml_rows(text: str) -> tuple[list[Row], list[Problem]]:
    """Cut a YAML text into rows; those that cannot be are problems.

    Parameters
    ----------
    text : str
        A list of mappings from column to text (or list of texts), or a mapping with ``review`` and ``claims``.
        Columns that a claim leaves out are empty.

    Returns
    -------
    list of Row, list of Problem
        Rows, and what is wrong with the others.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return [], [Problem(row=0, line=line, column="", message=f"it is no YAML: {error.problem}")]
    except (yaml.YAMLError, RecursionError) as error:
        return [], [Problem(row=0, line=0, column="", message=f"it is no YAML: {shorten(str(error))}")]
    problems: list[Problem] = []
    review, claims = _root(root, problems)
    rows: list[Row] = []
    for number, node in enumerate(claims, start=1):
        line = node.start_mark.line + 1
        cells = dict.fromkeys(COLUMNS, "") | {"review": review}
        for column, message in _fill(node, cells):
            problems.append(Problem(row=number, line=line, column=column, message=message))
        rows.append(Row(number=number, line=line, cells=cells))
    return rows, problems


def _root(root: yaml.Node | None, problems: list[Problem]) -> tuple[str, list[yaml.Node]]:
    if isinstance(root, yaml.SequenceNode):
        return "", list(root.value)
    review, claims = "", None
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "claims" and isinstance(value, yaml.SequenceNode):
            claims = list(value.value)
        elif key.value == "review" and isinstance(value, yaml.ScalarNode):
            review = value.value.strip()
        else:
            found = shorten(str(key.value))
            problems.append(Problem(row=0, line=key.start_mark.line + 1, column=found, message=FORM))
    if claims is None and not problems:
        problems.append(Problem(row=0, line=1, column="", message=FORM))
    return review, claims or []


def _fill(node: yaml.Node, cells: dict[str, str]) -> list[tuple[str, str]]:
    """Put a claim's texts into its cells; return (column, message) for each that cannot be."""
    if not isinstance(node, yaml.MappingNode):
        return [("", "expected a mapping from columns to texts")]
    problems = []
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "(not a name)"
        if name not in COLUMNS:
            problems.append((shorten(name), f"there is no such column{nearest(name, COLUMNS)}"))
        elif name in seen:
            problems.append((name, "stands twice"))
        elif isinstance(value, yaml.ScalarNode):
            cells[name] = "" if value.tag == "tag:yaml.org,2002:null" else value.value.strip()
        elif name in LISTS and isinstance(value, yaml.SequenceNode):
            cells[name] = ";".join(str(item.value).strip() for item in value.value)
        else:
            problems.append((name, "expected a text"))
        seen.add(name)
    return problems
