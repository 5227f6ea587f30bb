"""The command `vesicula`. Commands are imported when called, so that ``--help`` answers at once."""

from __future__ import annotations

import importlib
import sys

import click

from vesicula._version import __version__

COMMANDS = {
    "init": ("vesicula.cli.study", "init", "Look at a folder's files and write a study.yaml to fill in."),
    "check": ("vesicula.cli.study", "check", "Check a study.yaml, line by line."),
    "read": ("vesicula.cli.read", "read", "Show what is in an instrument file; write it as JSON, CSV or Parquet."),
    "run": ("vesicula.cli.run", "run", "Analyse a study folder and write its dossier."),
    "verify": ("vesicula.cli.run", "verify", "Recompute a dossier and say whether it still holds."),
    "nta": ("vesicula.cli.nta", "nta", "Track nanoparticles in a raw video: sizes, concentration, and a page."),
    "smallrna": ("vesicula.cli.smallrna", "smallrna", "Count miRNAs, isomiRs and contaminants in small-RNA FASTQs."),
    "proteome": (
        "vesicula.cli.proteome",
        "proteome",
        "Judge the proteins of vesicles: purity, what is missing, what differs, and which pathways that means.",
    ),
    "differential": (
        "vesicula.cli.differential",
        "differential",
        "Compare miRNA counts of two conditions: what differs, sorting motifs, and what is foreign.",
    ),
    "cargo": (
        "vesicula.cli.cargo",
        "cargo",
        "Take cargo to mechanism: pathways against the right background, activity, and what claims say of it.",
    ),
    "secrete": ("vesicula.cli.secrete", "secrete", "Predict what cells make and let go, with what is not known."),
    "isolate": (
        "vesicula.cli.isolate",
        "isolate",
        "Simulate an isolation protocol: yield, purity and cost after each step.",
    ),
    "plan": ("vesicula.cli.plan", "plan", "Search isolation protocols for a target, or move one to another rotor."),
    "evidence": (
        "vesicula.cli.evidence",
        "evidence",
        "Query what the literature and the trials claim; give tables back; add your own.",
    ),
    "mechanism": (
        "vesicula.cli.mechanism",
        "mechanism",
        "Show by which mechanism the claims say that a cargo acts, path by path.",
    ),
    "demo": ("vesicula.cli.run", "demo", "Run the main job on real files that come with vesicula."),
}
"""Command: module, name in it, and the line that --help shows (a test holds it against the docstring)."""

EXIT_CODES = """\b
Exit codes:
  0  done, nothing wrong
  1  an error: one line says which file, which place, what to do
  2  the command line was not understood
  3  done, but some files could not be read, or check found errors
  4  verify: the dossier does not hold
"""


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vesicula")
def app() -> None:
    """From the raw files of an MSC-EV batch to a dossier one can defend."""


def main() -> None:
    """Run the command line; turn our own errors into one line and exit code 1."""
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped. Finished batches are kept: run the same command again to go on.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("Stopped. Finished batches are kept: run the same command again to go on.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        from vesicula.core.errors import VesiculaError

        if isinstance(error, VesiculaError):
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        click.echo("This is a defect of vesicula. Please report it with the lines below.", err=True)
        raise
    sys.exit(code if isinstance(code, int) else 0)
