"""Values a protocol asks for at its start: `inputs: {temperature_C: required}`, and `$temperature_C` where it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols.errors import Path, Problem, ProblemsFound, Severity, path_text
from protocols.guesses import did_you_mean
from protocols.source import Source, plain_scalar, quoted, read_source

REQUIRED = "required"
_REFERENCE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9.+-][A-Za-z0-9_./ +-]*")
_FREE_TEXT = frozenset({"name", "title", "description", "text", "id", "tag", "loop_to", "goto", "version"})
"""Keys whose text may begin with a dollar, as unicycler's `$NAME` does."""
_WAITING: Any = object()


@dataclass
class Filled:
    """A file's values with inputs in their places; what waits for a value is left out.

    `missing` names inputs without a value, `waiting` the places that need them.
    """

    source: Source
    value: Any = None
    missing: tuple[str, ...] = ()
    waiting: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def waits_for(self, problem_path: str) -> bool:
        """Whether a problem at a place may be only that an input has no value yet."""
        return any(path_text(path[:-1]) == problem_path for path in self.waiting)

    def waiting_below(self, path: Path) -> bool:
        """Whether anything below a place has no value yet."""
        return any(place[: len(path)] == path for place in self.waiting)


def fill_in(source: Source) -> Filled:
    """Put what `inputs` says into the places that name it."""
    filled = Filled(source)
    whole = source.value
    declared = whole.get("inputs") if isinstance(whole, dict) else None
    values = _declared(filled, declared) if isinstance(declared, dict) else {}
    used: set[str] = set()
    filled.value = _fill(filled, whole, (), values, used)
    filled.missing = tuple(name for name in values if isinstance(declared, dict) and declared[name] == REQUIRED)
    for name in values.keys() - used:
        what, hint = f"the input {name} is used nowhere", f"write ${name} where it goes, or remove it"
        problem = source.problem(("inputs", name), what, hint, at_key=True, severity=Severity.WARNING)
        filled.problems.append(problem)
    return filled


def give_inputs(text: str, file: str, values: Mapping[str, str]) -> str:
    """The text of a protocol with values in its `inputs`: what a run keeps says what it was started with.

    Args:
        text: of the protocol.
        file: its name, for messages.
        values: by input; a value is what a person would write after the colon.

    Raises:
        ProblemsFound: the file is no YAML, or has no such input.
    """
    text = text.removeprefix("\ufeff")
    source = read_source(text, file)
    declared = source.value.get("inputs") if isinstance(source.value, dict) else None
    known = list(declared) if isinstance(declared, dict) else []
    unknown = [_no_such_input(source, name, known) for name in values if name not in known]
    if unknown:
        raise ProblemsFound(tuple(unknown))
    spans = sorted(((source.spans[("inputs", name)], name) for name in values), reverse=True)
    for (start, end), name in spans:
        after = start + len(text[start:end].rstrip())
        text = f"{text[:start]}{_scalar(values[name])}{text[after:]}"
    return text


def _no_such_input(source: Source, name: str, known: list[str]) -> Problem:
    close = did_you_mean(name, known)
    asks = f"it asks for {', '.join(known)}" if known else "it asks for none"
    hint = f"did you mean {close}?" if close else asks
    return source.problem(("inputs",), f"there is no input {name}", hint, at_key=True)


def _declared(filled: Filled, declared: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, default in declared.items():
        here: Path = ("inputs", name)
        complaint = None
        if not _NAME.fullmatch(name):
            complaint = (f"{name!r} is no name of an input", "write letters, digits and _, a letter first")
        elif default is None or isinstance(default, dict):
            complaint = ("has no value", f"write {name}: required, or a default")
        elif isinstance(default, str) and _REFERENCE.fullmatch(default):
            complaint = ("an input cannot stand for another", "write required, or a default")
        if complaint is not None:
            filled.problems.append(filled.source.problem(here, *complaint))
        values[name] = _WAITING if complaint or default == REQUIRED else default
    return values


def _fill(filled: Filled, value: Any, path: Path, values: dict[str, Any], used: set[str]) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        pairs = (
            (key, child if (*path, key) == ("inputs",) else _fill(filled, child, (*path, key), values, used))
            for key, child in value.items()
        )
        return {key: child for key, child in pairs if child is not _WAITING}
    if isinstance(value, list):
        children = (_fill(filled, child, (*path, index), values, used) for index, child in enumerate(value))
        return [child for child in children if child is not _WAITING]
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    name = reference[1]
    if name not in values:
        if path[0] == "sample" or path[-1] in _FREE_TEXT:
            return value
        close = did_you_mean(name, list(values))
        hint = f"did you mean ${close}?" if close else f"write inputs: {{{name}: required}} at the top"
        filled.problems.append(filled.source.problem(path, f"there is no input {name}", hint))
    used.add(name)
    found = values.get(name, _WAITING)
    if found is _WAITING:
        filled.waiting.add(path)
    return found


def _scalar(value: str) -> str:
    """A value as it may be written after a colon, whatever is in it."""
    text = value.strip()
    plain = plain_scalar(text)
    if not isinstance(plain, str | None) or (isinstance(plain, str) and _PLAIN.fullmatch(text) and _has_word(text)):
        return text
    return quoted(value)


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text) and not text.startswith("- ")
