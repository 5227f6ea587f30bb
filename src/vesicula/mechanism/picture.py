"""The interactive picture of mechanism paths: its script, and a page that holds picture, rows and a list of paths."""

from __future__ import annotations

import hashlib
import re
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from vesicula.core.errors import DossierError
from vesicula.mechanism.drawing import (
    MOST_NODES,
    MOST_PATHS,
    NOTHING,
    READING,
    asset,
    drawn_paths,
    escaped,
    picture_svg,
)
from vesicula.mechanism.model import Contradiction, Graph
from vesicula.mechanism.paths import Path_

__all__ = ["MOST_NODES", "MOST_PATHS", "drawn_paths", "picture_script", "picture_svg", "write_picture"]

HINT = "Point at a node to see its paths, pick a node or a line to read its rows. Keys: Tab, arrows, Enter, Escape."


def picture_script() -> str:
    """Return the script that enlivens all pictures of a page: paths light up, rows are shown, keys work.

    It stands once, after the pictures. A panel for the rows is added below each, or below the element with the class
    ``mech-box`` around it. It asks for nothing from any server.
    """
    return asset("picture.js")


def write_picture(graph: Graph, paths: Sequence[Path_], path: Path, *, title: str) -> None:
    """Write a page with the picture, its script, and all paths as a list. Nothing else is needed to read it.

    Parameters
    ----------
    graph : Graph
        That the paths come from; its claims that were left out are listed.
    paths : sequence of Path_
        All paths found, the best ranked first.
    path : Path
        File to write, which is replaced as a whole or not at all.
    title : str
        Heading of the page and the picture.

    Raises
    ------
    DossierError
        If the file cannot be written.
    """
    _write(path, _page(graph, paths, title))


def _page(graph: Graph, paths: Sequence[Path_], title: str) -> str:
    svg, script = picture_svg(graph, paths, title=title), picture_script()
    drawn = len(drawn_paths(paths))
    digest = b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    width = int(re.findall(r'width="(\d+)"', svg)[0])
    box = f".mech-box svg {{ width: 100%; max-width: {width}px; min-width: {min(width, max(width * 4 // 5, 640))}px; }}"
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escaped(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<style>{asset('page.css')}{box}</style>\n</head>\n<body>\n<main>\n<h1>{escaped(title)}</h1>",
        f'<p class="soft">{escaped(_summary(graph, paths, drawn))}</p>',
        f'<p class="hint small soft">{HINT}</p>',
        '<figure><div class="mech-box" tabindex="0" role="region" aria-label="Picture, scrolls sideways">',
        f"{svg}</div></figure>",
        *_conflicts(graph, paths),
        *_path_list(paths, drawn),
        *_left_out(graph),
        f"</main>\n<script>\n{script}</script>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _summary(graph: Graph, paths: Sequence[Path_], drawn: int) -> str:
    count = f"{len(paths)} path{'' if len(paths) == 1 else 's'}" if paths else NOTHING.rstrip(".")
    shown = f", of which the first {drawn} are drawn, the best supported first" if drawn < len(paths) else ""
    return f"{count}{shown}. Version of the evidence store: {graph.version}. {READING}"


def _conflicts(graph: Graph, paths: Sequence[Path_]) -> list[str]:
    on = [{node.node_id for node in path.nodes} for path in paths]
    found = [c for c in graph.contradictions if any({c.subject, c.object} <= nodes for nodes in on)]
    if not found:
        return []
    names = {node.node_id: node.label for node in graph.nodes}
    items = [f"<li>{escaped(_conflict(conflict, names))}</li>" for conflict in found]
    return [f"<h2>Conflicts ({len(found)})</h2>\n<ul>", *items, "</ul>"]


def _conflict(conflict: Contradiction, names: Mapping[str, str]) -> str:
    first = f"{' or '.join(conflict.first_says)} [{', '.join(conflict.first)}]"
    second = f"{' or '.join(conflict.second_says)} [{', '.join(conflict.second)}]"
    pair = f"{names[conflict.subject]}, {names[conflict.object]}"
    return f"{conflict.kind.capitalize()} of {pair}: {first} against {second}."


def _path_list(paths: Sequence[Path_], drawn: int) -> list[str]:
    if not paths:
        return []
    items = []
    for number, path in enumerate(paths):
        references = dict.fromkeys(c for record in path.records for c in record.references)
        cited = "".join(f"<li>{escaped(f'[{r.source} {r.number}] {r.citation}')}</li>" for r in references)
        tail = ' <span class="soft">(not drawn)</span>' if number >= drawn else ""
        items.append(f"<li>{escaped(path.sentence)}{tail}{f'<ul>{cited}</ul>' if cited else ''}</li>")
    return [f'<h2>All paths ({len(paths)})</h2>\n<ol class="paths">', *items, "</ol>"]


def _left_out(graph: Graph) -> list[str]:
    if not graph.left_out:
        return []
    items = [f"<li>{escaped(f'{left.record_id}: {left.reason}')}</li>" for left in graph.left_out]
    heading = f"Claims of the store that are in no mechanism ({len(items)})"
    return [f'<h2>{heading}</h2>\n<ul class="small soft">', *items, "</ul>"]


def _write(path: Path, text: str) -> None:
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        message = f"{path}: cannot be written ({error.strerror or error}). Give a file in a folder that can be written"
        raise DossierError(message) from error
