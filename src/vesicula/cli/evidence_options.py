"""Options that the commands about the evidence share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

STORE = click.option(
    "--store", metavar="FILE|URL", help="The store: a file or a postgresql:// URL. Default: VESICULA_EVIDENCE."
)
AS_OF = click.option("--as-of", metavar="VERSION", help="Answer as of a past version, by its number or name.")
FORMATS = {
    "table": click.option("--table", "form", flag_value="text", default="text", help="For reading (the default)."),
    "json": click.option("--json", "form", flag_value="json", help="As JSON."),
    "csv": click.option("--csv", "form", flag_value="csv", help="As CSV."),
}
Command = Callable[..., Any]


def formats(command: Command) -> Command:
    """Add --table, --json and --csv."""
    for option in reversed(FORMATS.values()):
        command = option(command)
    return command


def revision_of(text: str | None) -> int | str | None:
    """Return the number of a revision that is given by number, else its name."""
    return int(text) if text is not None and text.isdigit() else text
