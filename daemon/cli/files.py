"""Finding and reading the files people name on the command line, and showing what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import NoReturn

import click

import daemon
from protocols.errors import Problem, Severity

FOUND_A_PROBLEM = 1
REFUSED = 4


def library() -> list[Path]:
    """The protocols that come with the package."""
    folder = Path(str(resources.files("protocols") / "library"))
    return sorted(folder.glob("*.yaml"))


def protocol_path(name: str) -> Path:
    """A file by its path, or a protocol of the library by its name."""
    path = Path(name)
    if path.exists():
        return path
    by_name = {candidate.stem: candidate for candidate in library()}
    if name not in by_name:
        refuse(f"{name}: no such file, and no protocol of that name. The library has: {', '.join(by_name)}.")
    return by_name[name]


def config_path(*parts: str) -> Path:
    """A file of `config/`: beside the packages in a checkout, inside `daemon` when installed from a wheel."""
    package = Path(daemon.__file__).parent
    inside = package.joinpath("_config", *parts)
    return inside if inside.exists() else package.parent.joinpath("config", *parts)


def read_text(path: Path) -> str:
    """A file's text; ends the command with a sentence when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        refuse(f"{path}: cannot be read: {error.strerror}.")
    except UnicodeDecodeError as error:
        refuse(f"{path}: is not UTF-8 text (byte {error.start}).")


def shown_name(path: Path) -> str:
    """A path as a person would write it: relative to where they are, if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print problems to stderr, one a line, errors in red."""
    for problem in problems:
        colour = "red" if problem.severity is Severity.ERROR else "yellow"
        click.secho(str(problem), fg=colour, err=True)


def show_sentence(sentence: str) -> None:
    """Print what went wrong to stderr, and go on."""
    click.secho(sentence, fg="red", err=True)


def refuse(sentence: str, code: int = FOUND_A_PROBLEM) -> NoReturn:
    """End the command with a sentence for the person who must act."""
    show_sentence(sentence)
    sys.exit(code)
