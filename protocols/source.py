"""YAML text to plain values, with the line and column of every key and value; what is wrong with it, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from protocols.errors import Path, Problem, ProblemsFound, Severity, path_text

DEEPEST_NESTING = 32
MOST_VALUES = 100_000
"""Bounds of one file with its aliases written out; a person's file has some hundreds of values."""
LONGEST_NUMBER = 300
"""Longer runs of digits are text: no quantity has as many."""

PARSER_FAILURES = (
    YAMLError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    TypeError,
    NotImplementedError,
)
"""What ruamel.yaml raises for text that is no YAML: mostly its own kind, now and then what just happened in it."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


class Position(NamedTuple):
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass
class Source:
    """A file as values. Keys are the text that was written; merge keys and aliases are written out."""

    file: str
    value: Value = None
    problems: list[Problem] = field(default_factory=list)
    key_positions: dict[Path, Position] = field(default_factory=dict)
    value_positions: dict[Path, Position] = field(default_factory=dict)
    spans: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """First character of a value, and the one after its last, in the text without a byte order mark."""

    def key_at(self, path: Path) -> Position:
        """Where the key of a path is, or of its nearest parent that is in the file."""
        for length in range(len(path), 0, -1):
            found = self.key_positions.get(path[:length]) or self.value_positions.get(path[:length])
            if found is not None:
                return found
        return self.value_positions.get((), Position(1, 1))

    def value_at(self, path: Path) -> Position:
        """Where the value of a path begins, or that of its nearest parent that is in the file."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.value_positions:
                return self.value_positions[path[:length]]
        return Position(1, 1)

    def problem(
        self, path: Path, what: str, what_to_write: str, *, at_key: bool = False, severity: Severity = Severity.ERROR
    ) -> Problem:
        """A problem at the value (or key) of a path."""
        line, column = self.key_at(path) if at_key else self.value_at(path)
        return Problem(
            file=self.file,
            line=line,
            column=column,
            path=path_text(path),
            what=what,
            what_to_write=what_to_write,
            severity=severity,
        )


@dataclass
class Findings:
    """What a check finds wrong with one file."""

    source: Source
    problems: list[Problem] = field(default_factory=list)

    def error(self, path: Path, what: str, what_to_write: str, *, at_key: bool = False) -> None:
        """Note what refuses the file, at the value (or key) of a path."""
        self.problems.append(self.source.problem(path, what, what_to_write, at_key=at_key))

    def warning(self, path: Path, what: str, what_to_write: str) -> None:
        """Note what is legal but odd, at the key of a path."""
        severity = Severity.WARNING
        self.problems.append(self.source.problem(path, what, what_to_write, at_key=True, severity=severity))


def read_source(text: str, file: str) -> Source:
    """Read one YAML 1.2 document.

    Duplicate keys, tags, empty values and decimal commas are in `Source.problems`.

    Raises:
        ProblemsFound: no document can be made of the text; one problem.
    """
    text = text.removeprefix("\ufeff")
    source = Source(file)
    node = _compose(text, file)
    if node is None or (_is_plain(node) and node.value == ""):
        raise ProblemsFound((_problem_at(file, 1, 1, "the file is empty", "write something into it"),))
    _Walk(source, text).read(node)
    return source


def plain_scalar(text: str) -> Value:
    """What an unquoted word of YAML 1.2 means: `1e-3` and `010` are numbers, `no` and `1:30` are text."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL_FLOAT.fullmatch(text) else text


def quoted(text: str) -> str:
    """A text in double quotes, as YAML and JSON both read it if it has no character beyond 16 bits."""
    kept = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\' else _escape(character)
        for character in text
    )
    return f'"{kept}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"


def _paired(text: str) -> str:
    """JSON writes a character beyond 16 bits as two escapes, which YAML reads as two characters."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _compose(text: str, file: str) -> Node | None:
    yaml = YAML()
    yaml.composer.warn_double_anchors = False
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        raise ProblemsFound((_syntax_problem(file, error),)) from error
    except RecursionError as error:
        raise ProblemsFound((_problem_at(file, 1, 1, "nested too deep", "write it flatter"),)) from error
    except PARSER_FAILURES as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ProblemsFound((_problem_at(file, *_unreadable_at(text), f"not YAML: {why}", ""),)) from error
    return node


def _unreadable_at(text: str) -> Position:
    for line, content in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(content, start=1):
            if not character.isprintable() and character not in "\t\r":
                return Position(line, column)
    return Position(1, 1)


def _syntax_problem(file: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    what = " ".join(str(part).strip() for part in (error.context, error.problem) if part)
    hint = "check brackets, quotes, colons and indents here and on the line above"
    if "'\\t'" in what:
        hint = "indent with spaces"
    elif "single document" in what:
        hint = "write one document a file, without a second ---"
    elif "undefined alias" in what:
        hint = "name it with & above, or put the text in quotes"
    return _problem_at(file, line, column, f"not YAML: {what}", hint)


def _problem_at(file: str, line: int, column: int, what: str, what_to_write: str) -> Problem:
    return Problem(file=file, line=line, column=column, path="", what=what, what_to_write=what_to_write)


def _position(mark: StringMark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _is_plain(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None


class _Walk:
    """One walk over the nodes of a document, filling a `Source`."""

    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._text = text
        self._open_nodes: list[Node] = []
        self._values = 0

    def read(self, node: Node) -> None:
        self._source.value = self._value(node, ())

    def _complain(self, path: Path, mark: StringMark, what: str, what_to_write: str) -> None:
        line, column = _position(mark)
        self._source.problems.append(
            Problem(
                file=self._source.file,
                line=line,
                column=column,
                path=path_text(path),
                what=what,
                what_to_write=what_to_write,
            )
        )

    def _value(self, node: Node, path: Path) -> Value:
        self._source.value_positions.setdefault(path, _position(node.start_mark))
        self._source.spans.setdefault(path, (node.start_mark.index, node.end_mark.index))
        self._values += 1
        if any(node is parent for parent in self._open_nodes):
            self._complain(path, node.start_mark, "an alias inside what it stands for", "write it out")
            return None
        if len(self._open_nodes) >= DEEPEST_NESTING or self._values > MOST_VALUES:
            where = self._source.value_positions[path]
            raise ProblemsFound(
                (_problem_at(self._source.file, *where, "too deep or too long for a protocol", "write it shorter"),)
            )
        if node.ctag.handle is not None:
            self._complain(path, node.start_mark, "tags have no meaning here", "remove the word that begins with !")
        self._open_nodes.append(node)
        try:
            return self._content(node, path)
        finally:
            self._open_nodes.pop()

    def _content(self, node: Node, path: Path) -> Value:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            self._look_for_commas_in_list(node, path)
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        return plain_scalar(node.value) if _is_plain(node) else _paired(str(node.value))

    def _mapping(self, node: MappingNode, path: Path) -> Value:
        values: dict[str, Value] = {}
        for key, child, is_own in self._pairs(node, path):
            name = key.value
            here = (*path, name)
            if name in values:
                if is_own:
                    first = self._source.key_positions[here]
                    what = f"the key {name!r} is here twice, first on line {first.line}"
                    self._complain(here, key.start_mark, what, "keep one of the two")
                continue
            self._source.key_positions[here] = _position(key.start_mark)
            values[name] = self._value(child, here)
            if _is_plain(child) and child.value == "":
                self._complain(here, key.start_mark, "has no value", "write one, or remove the key")
        self._look_for_commas_in_mapping(node, path, values)
        return values

    def _pairs(self, node: MappingNode, path: Path, depth: int = 0) -> Iterator[tuple[ScalarNode, Node, bool]]:
        """Key and value nodes, a mapping's own before what it merges."""
        merged: list[Node] = []
        split = {id(key) for _, key in _split_numbers(node)}
        for key, child in node.value:
            if not isinstance(key, ScalarNode):
                self._complain(path, key.start_mark, "a list or mapping cannot be a key", "write one word as the key")
            elif _is_plain(key) and key.value == "<<":
                merged += child.value if isinstance(child, SequenceNode) else [child]
            elif id(key) not in split:
                yield key, child, depth == 0
        for other in merged:
            if not isinstance(other, MappingNode) or depth >= DEEPEST_NESTING:
                self._complain(path, other.start_mark, "<< merges mappings only", "write <<: *name_of_a_mapping")
                continue
            for key, child, _ in self._pairs(other, path, depth + 1):
                yield key, child, False

    def _look_for_commas_in_mapping(self, node: MappingNode, path: Path, values: dict[str, Value]) -> None:
        """`{until_voltage_V: 3,7}` is YAML for two entries; the reader meant one."""
        for (key, number), rest in _split_numbers(node):
            here = (*path, key.value)
            meant = f"{number.value}.{rest.value}"
            self._complain(here, number.start_mark, f"decimal comma in '{number.value},{rest.value}'", f"write {meant}")
            values[key.value] = plain_scalar(meant)

    def _look_for_commas_in_list(self, node: SequenceNode, path: Path) -> None:
        """`[0,1, 0,2]` is YAML for four numbers; where both spacings meet, nobody can tell which was meant."""
        if not node.flow_style:
            return
        gaps = []
        for left, right in zip(node.value, node.value[1:], strict=False):
            between = self._text[left.end_mark.index : right.start_mark.index]
            digits = all(_is_plain(side) and _INTEGER.fullmatch(side.value) for side in (left, right))
            gaps.append((between == "," and digits, left, right))
        tight = [(left, right) for is_tight, left, right in gaps if is_tight]
        if tight and len(tight) < len(gaps):
            left, right = tight[0]
            shown = f"{left.value},{right.value}"
            point = f"write {left.value}.{right.value}, or {left.value}, {right.value} with a space"
            self._complain(path, left.start_mark, f"'{shown}' may be a decimal comma", point)


def _split_numbers(node: MappingNode) -> Iterator[tuple[tuple[ScalarNode, ScalarNode], ScalarNode]]:
    """Numbers that a decimal comma split in two in a flow mapping: ((key, whole part), decimals)."""
    if not node.flow_style:
        return
    for (key, number), (rest, nothing) in zip(node.value, node.value[1:], strict=False):
        whole = isinstance(key, ScalarNode) and _is_plain(number) and _INTEGER.fullmatch(number.value)
        decimals = _is_plain(rest) and rest.value.isascii() and rest.value.isdigit()
        if whole and decimals and _is_plain(nothing) and nothing.value == "":
            yield (key, number), rest
