"""Write docs/reference/command-line.md from the commands themselves. A test fails when the page is stale."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from vesicula.cli.main import COMMANDS, EXIT_CODES

PAGE = Path(__file__).parent / "reference" / "command-line.md"


def sections(command: click.Command, name: str) -> list[str]:
    """Return the section of a command, and those of the commands in it."""
    context = click.Context(command, info_name=name, max_content_width=90, terminal_width=90)
    found = [f"{'#' * len(name.split())} {name}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found += sections(command.commands[inner], f"{name} {inner}")
    return found


def page() -> str:
    """Return the page as text."""
    parts = ["# Command line\n", "Written by `docs/make_cli_reference.py` from the commands themselves.\n"]
    for name, (module, attribute, _) in COMMANDS.items():
        parts += sections(getattr(import_module(module), attribute), f"vesicula {name}")
    codes = EXIT_CODES.replace("\b\n", "").strip()
    parts.append(f"## Exit codes\n\n```text\n{codes}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != page() and "stale: run docs/make_cli_reference.py")
    PAGE.write_text(page(), encoding="utf-8")
