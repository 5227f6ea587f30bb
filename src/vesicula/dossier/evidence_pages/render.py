"""From views to HTML: each page whole in one file, every text escaped, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vesicula.dossier.evidence_pages.model import Frame
from vesicula.dossier.render import asset

CSS_END = "\n.frame {"
"""The dossier's colours, type and links stand before this in its style sheet; the pages share them."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("vesicula.dossier.evidence_pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def own(name: str) -> str:
    """Return the pages' own style sheet or script."""
    text = files("vesicula.dossier.evidence_pages").joinpath("assets", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


@cache
def css() -> Markup:
    """Return the style sheet: the dossier's beginning, then ours."""
    shared = asset("dossier.css").partition(CSS_END)[0]
    return Markup(shared + "\n" + own("evidence.css"))  # noqa: S704 - our own files


def policy(script: str) -> str:
    """Return a page's Content-Security-Policy: nothing is loaded, and only our script runs, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def render(template: str, frame: Frame, context: Mapping[str, object]) -> str:
    """Render one page."""
    html = _environment().get_template(template).render(frame=frame, css=css(), **context)
    squeezed = "\n".join(line for raw in html.split("\n") if (line := raw.strip())) + "\n"
    # Last, and as it is: the policy knows it by its hash.
    body, end, rest = squeezed.rpartition("</body>")
    return f"{body}<script>{frame.script}</script>\n{end}{rest}" if frame.script else squeezed
