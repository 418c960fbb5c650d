"""The verbs of the command line, one file each. Data on stdout, words on stderr."""

import importlib
import logging

import click

VERBS = (
    "simulate",
    "check",
    "calibrate",
    "plan",
    "drivers",
    "doctor",
    "capture",
    "schema",
    "convert",
    "runs",
    "watch",
    "export",
    "report",
    "serve",
    "preflight",
    "run",
    "status",
    "pause",
    "resume",
    "skip",
    "edit",
    "stop",
    "events",
    "usage",
)


class Verbs(click.Group):
    """Imports a verb when it is asked for, so that `check` doesn't wait for what only `simulate` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """All verbs, in the order people meet them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        """The verb of a name."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"daemon.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="presscell")
@click.option("--verbose", "-v", is_flag=True, help="Say what is done, on stderr.")
def presscell(verbose: bool) -> None:
    """Run electrochemical protocols on press cells, and lose neither a row nor a cell.

    Exit codes: 0 ok, 1 found a problem, 2 usage, 3 daemon not reachable, 4 refused.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(message)s")
