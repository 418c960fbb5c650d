"""How messages are read: units, headers in short and long form, parameters, and the table of commands."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Generic, TypeVar

from simulators.keithley.events import (
    EXTRA_PARAMETER,
    ILLEGAL_VALUE,
    MISSING_PARAMETER,
    OUT_OF_RANGE,
    UNDEFINED_HEADER,
    CommandError,
)

Target = TypeVar("Target")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(\s*[eE]\s*[+-]?\d+)?")
_WORD = re.compile(r"([A-Z*]+)(\d*)")


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """Cut a text at a separator, except inside quotes of either kind. Raises CommandError at an open quote."""
    pieces, start, quote = [], 0, ""
    for index, character in enumerate(text):
        if quote:
            if character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        elif character == separator:
            pieces.append(text[start:index])
            start = index + 1
    if quote:
        raise CommandError(-151, "Invalid string data")
    pieces.append(text[start:])
    return pieces


def short_form(name: str) -> str:
    """The short form of a name written like `CURRent` or `TIMer1`: its capitals and digits."""
    return "".join(character for character in name if not character.islower())


def match_word(text: str, names: tuple[str, ...]) -> str | None:
    """The short form of the one of `names` that a text spells, short or long, in any case; None if none."""
    spelled = text.upper()
    for name in names:
        if spelled in {short_form(name), name.upper()}:
            return short_form(name)
    return None


def parse_number(text: str) -> float | None:
    """A decimal number of SCPI, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text.replace(" ", ""))
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Call:
    """One command or query as it was sent: `numbers` are the suffixes of its header, such as 2 in `TIM2`."""

    parameters: tuple[str, ...]
    numbers: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.parameters)

    def at(self, index: int) -> str:
        """A parameter as sent. Raises CommandError when it is missing."""
        if index >= len(self.parameters) or not self.parameters[index]:
            raise CommandError(*MISSING_PARAMETER)
        return self.parameters[index]

    def has(self, index: int) -> bool:
        """Whether there is such a parameter, and it isn't empty."""
        return index < len(self.parameters) and bool(self.parameters[index])

    def at_most(self, count: int) -> None:
        """Raises CommandError when more parameters were sent."""
        if len(self.parameters) > count:
            raise CommandError(*EXTRA_PARAMETER)

    def number(self, index: int, low: float, high: float, default: float | None = None) -> float:
        """A number within bounds; MIN, MAX and DEF stand for the bounds and the default."""
        text = self.at(index)
        named = {"MIN": low, "MAX": high, "DEF": default}.get(match_word(text, LEVEL_NAMES) or "")
        value = parse_number(text) if named is None else named
        if value is None:
            raise CommandError(*ILLEGAL_VALUE)
        if not low <= value <= high:
            raise CommandError(*OUT_OF_RANGE)
        return value

    def integer(self, index: int, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        value = self.number(index, low, high, default)
        if value != int(value):
            raise CommandError(*ILLEGAL_VALUE)
        return int(value)

    def word(self, index: int, names: tuple[str, ...]) -> str:
        """One of some words, in its short form."""
        found = match_word(self.at(index), names)
        if found is None:
            raise CommandError(*ILLEGAL_VALUE)
        return found

    def flag(self, index: int) -> bool:
        """ON, OFF, 1 or 0."""
        state = {"ON": True, "1": True, "OFF": False, "0": False}.get(self.at(index).upper())
        if state is None:
            raise CommandError(*ILLEGAL_VALUE)
        return state

    def text(self, index: int) -> str:
        """A quoted string, without its quotes."""
        raw = self.at(index)
        if len(raw) < 2 or raw[0] not in "\"'" or raw[-1] != raw[0]:
            raise CommandError(*ILLEGAL_VALUE)
        quote = raw[0]
        return raw[1:-1].replace(quote * 2, quote)


LEVEL_NAMES = ("MINimum", "MAXimum", "DEFault")

Reply = str | bytes | None
Handler = Callable[[Target, Call], Reply]


@dataclass
class Node(Generic[Target]):
    """One word of a header; the words that may follow, and what is done when the header ends here."""

    children: dict[str, "Node[Target]"] = field(default_factory=dict)
    suffixes: range | None = None
    command: Handler[Target] | None = None
    query: Handler[Target] | None = None


@dataclass(frozen=True)
class Place(Generic[Target]):
    """Where in the tree of headers a message is: the path rule's memory."""

    node: Node[Target]
    numbers: tuple[int, ...] = ()


class CommandTable(Generic[Target]):
    """All headers an instrument knows, written like `:SOURce[1]:CURRent[:LEVel]` or `:TRIGger:TIMer<4>:STATe?`."""

    def __init__(self) -> None:
        self.root: Node[Target] = Node()

    def add(self, pattern: str, handler: Handler[Target]) -> None:
        """Enter a header; one that ends in `?` is a query. `<4>` allows suffixes 1 to 4, `[1]` an idle 1."""
        for words in _spellings(pattern.rstrip("?")):
            node = self.root
            for word in words:
                node = self._child(node, word)
            if pattern.endswith("?"):
                node.query = handler
            else:
                node.command = handler

    @staticmethod
    def _child(node: Node[Target], word: str) -> Node[Target]:
        name, _, suffixes = word.partition("<")
        child = node.children.get(short_form(name))
        if child is None:
            child = Node()
            node.children[short_form(name)] = node.children[name.upper()] = child
        if suffixes:
            child.suffixes = range(1, int(suffixes.rstrip(">")) + 1)
        return child

    def find(self, header: str, place: Place[Target]) -> tuple[Handler[Target], tuple[int, ...], Place[Target]]:
        """Look up a header as sent: its handler, its suffixes and the place the next header starts from.

        Raises CommandError -113 for what isn't in the table.
        """
        query = header.endswith("?")
        words = header.removesuffix("?").upper()
        if words.lstrip(":").startswith("*"):
            node, after = self._step(self.root, words.lstrip(":")), place
            numbers: tuple[int, ...] = ()
        else:
            here = Place(self.root) if words.startswith(":") else place
            node, numbers = here.node, here.numbers
            after = here
            for word in words.removeprefix(":").split(":"):
                after = Place(node, numbers)
                node, numbers = self._descend(node, word, numbers)
        handler = node.query if query else node.command
        if handler is None:
            raise CommandError(*UNDEFINED_HEADER)
        return handler, numbers, after

    @staticmethod
    def _step(node: Node[Target], word: str) -> Node[Target]:
        child = node.children.get(word)
        if child is None:
            raise CommandError(*UNDEFINED_HEADER)
        return child

    def _descend(self, node: Node[Target], word: str, numbers: tuple[int, ...]) -> tuple[Node[Target], tuple[int, ...]]:
        child = node.children.get(word)
        if child is not None:
            return child, (*numbers, 1) if child.suffixes else numbers
        parts = _WORD.fullmatch(word)
        if parts is None or not parts[2]:
            raise CommandError(*UNDEFINED_HEADER)
        child = self._step(node, parts[1])
        number = int(parts[2][:9])
        if child.suffixes is None or number not in child.suffixes:
            raise CommandError(*UNDEFINED_HEADER)
        return child, (*numbers, number)


def _spellings(pattern: str) -> Iterator[list[str]]:
    """Every way to write a pattern with and without its optional words, such as `[:LEVel]` and `[1]`."""
    pieces = re.split(r"(\[[^\]]*\])", pattern)
    choices = [("", piece[1:-1]) if piece.startswith("[") else (piece,) for piece in pieces]
    for choice in product(*choices):
        yield "".join(choice).removeprefix(":").split(":")


@dataclass
class Message(Generic[Target]):
    """One line that is being carried out: what is left of it, where it is in the tree, what it has answered."""

    units: list[str]
    place: Place[Target]
    replies: list[str | bytes] = field(default_factory=list)


def read_unit(unit: str) -> tuple[str, tuple[str, ...]]:
    """Part one unit of a message into its header and its parameters; empty parameters at the end are dropped."""
    header, *rest = unit.split(None, 1)
    if not rest and "," in header:
        raise CommandError(*UNDEFINED_HEADER)
    parameters = [piece.strip() for piece in split_outside_quotes(rest[0], ",")] if rest else []
    while parameters and not parameters[-1]:
        parameters.pop()
    return header, tuple(parameters)
