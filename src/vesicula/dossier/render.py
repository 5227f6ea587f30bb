"""From page contexts to HTML: one file, no network, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vesicula.dossier.model import BatchPage, StudyPage


@cache
def _environment() -> Environment:
    # Escaping is on for every template, whatever its name; a field that a context lacks is an error, not a gap.
    return Environment(
        loader=PackageLoader("vesicula.dossier"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def asset(name: str) -> str:
    """Return one of our own assets as text, with line ends as a browser sees them."""
    text = files("vesicula.dossier").joinpath("assets", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def content_policy() -> str:
    """Return the page's Content-Security-Policy.

    Nothing may be loaded from anywhere, and only our two scripts run, known by their hashes: a script or event handler
    that came from a file would not run even if it got into the page. Styles may be inline, because Plotly sets them.
    """
    hashes = " ".join(f"'sha256-{_digest(asset(n))}'" for n in ("plotly-basic.min.js", "dossier.js"))
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render_head(study: StudyPage) -> str:
    """Render the page from its beginning to the overview."""
    css = Markup(asset("dossier.css"))  # noqa: S704 - our own file
    return _environment().get_template("head.html.j2").render(study=study, css=css, policy=content_policy())


def render_batch(page: BatchPage) -> str:
    """Render the section of one batch."""
    return _squeeze(_environment().get_template("batch.html.j2").render(page=page))


def render_foot(study: StudyPage) -> str:
    """Render methods, sources and tracing, and the scripts."""
    plotly, script = (Markup(asset(n)) for n in ("plotly-basic.min.js", "dossier.js"))  # noqa: S704 - our own files
    return _environment().get_template("foot.html.j2").render(study=study, plotly=plotly, script=script)


def _squeeze(html: str) -> str:
    """Drop blank lines and indents of the templates: a tenth of the size of a large study."""
    return "\n".join(line for raw in html.split("\n") if (line := raw.strip())) + "\n"
