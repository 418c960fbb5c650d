"""Values for what a protocol asks for at its start: `--input temperature_C=55`."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.cli.files import read_text, refuse, show_problems, shown_name
from protocols.errors import ProblemsFound
from protocols.inputs import give_inputs

_KEY = f"{__name__}.values"


def _keep(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> None:
    values: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not (name and equals and value.strip()):
            raise click.BadParameter(f"{word!r}: write NAME=VALUE", context, parameter)
        values[name] = value
    context.meta[_KEY] = values


with_inputs = click.option(
    "--input",
    multiple=True,
    metavar="NAME=VALUE",
    expose_value=False,
    callback=_keep,
    help="A value the protocol asks for; once for each.",
)
"""Gives a verb the option; `protocol_text` puts the values in."""


def protocol_text(path: Path) -> str:
    """The text of a protocol with the values of `--input` in it; ends the command when it asks for no such value."""
    return with_values(read_text(path), shown_name(path))


def with_values(text: str, name: str) -> str:
    """The text of a protocol that was read, with the same; `name` is what problems call it."""
    values = click.get_current_context().meta.get(_KEY, {})
    if not values:
        return text
    try:
        return give_inputs(text, name, values)
    except ProblemsFound as found:
        show_problems(found.problems)
        refuse("Nothing was switched on.")
