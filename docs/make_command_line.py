"""Writes docs/reference/command-line.md from what the commands say of themselves: `make_command_line.py > the page`."""

import os
import subprocess
import sys

import click

from daemon.cli import VERBS, presscell

COLUMNS = 100
INTRODUCTION = """\
# The command line

Made from `--help` by `docs/make_command_line.py`; change the commands, not this page.

Data go to stdout, words to stderr. Exit codes: 0 ok, 1 found a problem, 2 usage, 3 daemon or broker not reachable,
4 refused. `run`, `status`, `pause`, `resume`, `skip`, `stop` and `events` talk to the daemon of a data directory, over
a socket in it that only its owner may use; `runs`, `export` and `report` read the files there and need no daemon.
"""


def verb_help(verb: str) -> str:
    """What a verb of `presscell` says with `--help`."""
    top = click.Context(presscell, info_name="presscell", terminal_width=COLUMNS, max_content_width=COLUMNS)
    command = presscell.get_command(top, verb)
    if command is None:
        raise LookupError(verb)
    return command.get_help(click.Context(command, parent=top, info_name=verb))


def bench_help() -> str:
    """What `presscell-bench` says: a program of its own, that nobody imports."""
    said = subprocess.run(
        [sys.executable, "-c", "from simulators.__main__ import main; main(prog_name='presscell-bench')", "--help"],
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.rstrip()


def page() -> str:
    """The whole page."""
    sections = [(f"presscell {verb}", verb_help(verb)) for verb in VERBS]
    sections.append(("presscell-bench", bench_help()))
    return INTRODUCTION + "".join(f"\n## {name}\n\n```text\n{text}\n```\n" for name, text in sections)


if __name__ == "__main__":
    sys.stdout.write(page())
