"""The experiment in a Python script of PyBaMM, read without running it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from protocols.errors import Path, Problem, ProblemsFound
from protocols.source import Position, Source

MOST_STEPS = 100_000
STEP_KINDS = {"current": "current", "c_rate": "c-rate", "voltage": "voltage", "power": "power", "rest": "rest"}
STEP_KINDS["resistance"] = "resistance"
AFTER_THE_FIRST = ("period", "temperature", "termination")
"""What `Experiment` takes after its steps, in order."""


@dataclass
class _Step:
    """A step with where it is written; `value` is a text, or a mapping as `to_config` has it."""

    value: Any
    at: Position


@dataclass
class _Tuple:
    """Steps of one cycle."""

    steps: list[_Step] = field(default_factory=list)


def looks_like_python(text: str) -> bool:
    """Whether a text is Python that holds an experiment: a call of `Experiment`, or a list with tuples or products."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    nodes = list(ast.walk(tree))
    if any(isinstance(node, ast.Call) for node in nodes):
        return True
    lists = any(isinstance(node, ast.List) for node in nodes)
    return lists and any(isinstance(node, ast.Tuple | ast.BinOp) for node in nodes)


def read_python(text: str, file: str) -> Source:
    """The experiment as `to_config` would have it, with the places of its steps in the script.

    Raises:
        ProblemsFound: there is no experiment, or it is made of what only Python could tell.
    """
    reader = _Reader(file)
    try:
        return reader.read(ast.parse(text))
    except RecursionError as error:
        raise ProblemsFound((reader.problem(ast.parse("0").body[0], "nested too deep", "write it flatter"),)) from error


class _Reader:
    """One walk over a script."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._names: dict[str, ast.expr] = {}
        self._depth = 0

    def read(self, tree: ast.Module) -> Source:
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "Experiment"]
        self._names = _names_of_one_value(tree)
        if len(calls) > 1:
            raise self._refused(calls[1], "a second Experiment", "leave one in the file")
        if calls:
            return self._experiment(calls[0])
        last = tree.body[-1] if tree.body else None
        value = last.value if isinstance(last, ast.Expr | ast.Assign) else None
        if value is None:
            raise self._refused(last or ast.Constant(value=0, lineno=1, col_offset=0), "no experiment", "write one")
        return self._source(self._cycles(value), {})

    def problem(self, node: ast.AST, what: str, what_to_write: str) -> Problem:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        return Problem(file=self._file, line=line, column=column, path="", what=what, what_to_write=what_to_write)

    def _refused(self, node: ast.AST, what: str, what_to_write: str) -> ProblemsFound:
        return ProblemsFound((self.problem(node, what, what_to_write),))

    def _experiment(self, call: ast.Call) -> Source:
        keywords = {word.arg: word.value for word in call.keywords if word.arg is not None}
        first = call.args[0] if call.args else keywords.pop("operating_conditions", None)
        if first is None:
            raise self._refused(call, "an Experiment without steps", "write a list of steps")
        keywords |= dict(zip(AFTER_THE_FIRST, call.args[1:], strict=False))
        top = {key: self._plain(value) for key, value in keywords.items()}
        return self._source(self._cycles(first), {key: value for key, value in top.items() if value is not None})

    def _source(self, cycles: list[_Tuple], top: dict[str, Any]) -> Source:
        source = Source(self._file)
        source.value = {"cycles": [[step.value for step in cycle.steps] for cycle in cycles], **top}
        for at, cycle in enumerate(cycles):
            for place, step in enumerate(cycle.steps):
                path: Path = ("cycles", at, place)
                source.value_positions[path] = source.key_positions[path] = step.at
        return source

    def _resolved(self, node: ast.expr) -> ast.expr:
        seen = set()
        while isinstance(node, ast.Name) and node.id in self._names and node.id not in seen:
            seen.add(node.id)
            node = self._names[node.id]
        return node

    def _cycles(self, node: ast.expr) -> list[_Tuple]:
        node = self._resolved(node)
        self._depth += 1
        if self._depth > MOST_STEPS:
            raise self._refused(node, "too long for an experiment", "write it shorter")
        if isinstance(node, ast.List):
            return [self._cycle(child) for child in node.elts]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._short(node, self._cycles(node.left) + self._cycles(node.right))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self._short(node, *self._times(node, self._cycles))
        raise self._refused(node, "is no list of steps", "write the steps themselves, in a list")

    def _times(self, node: ast.BinOp, read: Callable[[ast.expr], list[Any]]) -> tuple[list[Any], int]:
        for body, count in ((node.left, node.right), (node.right, node.left)):
            number = self._plain_or_none(count)
            if isinstance(number, int) and not isinstance(number, bool):
                return read(body), number
        raise self._refused(node, "is repeated nobody knows how often", "write a number of times")

    def _short(self, node: ast.expr, items: list[Any], times: int = 1) -> list[Any]:
        if sum(len(item.steps) if isinstance(item, _Tuple) else 1 for item in items) * times > MOST_STEPS:
            raise self._refused(node, "too long for an experiment", "write it shorter")
        return items * max(0, times)

    def _cycle(self, node: ast.expr) -> _Tuple:
        steps = self._tuple(self._resolved(node))
        return _Tuple(steps)

    def _tuple(self, node: ast.expr) -> list[_Step]:
        node = self._resolved(node)
        if isinstance(node, ast.Tuple | ast.List):
            return [step for child in node.elts for step in self._tuple(child)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._short(node, self._tuple(node.left) + self._tuple(node.right))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self._short(node, *self._times(node, self._tuple))
        return [_Step(self._one(node), Position(node.lineno, node.col_offset + 1))]

    def _one(self, node: ast.expr) -> object:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Call):
            return self._called_step(node)
        raise self._refused(node, "is no step that can be read here", 'write it as "Discharge at 1C until 3 V"')

    def _called_step(self, call: ast.Call) -> object:
        name = _called(call)
        keywords = {word.arg: self._plain(word.value) for word in call.keywords if word.arg is not None}
        keywords = {key: value for key, value in keywords.items() if value is not None}
        first = self._plain(call.args[0]) if call.args else keywords.pop("value", keywords.pop("text", None))
        if name == "string" and isinstance(first, str):
            return {"text": first, **keywords} if keywords else first
        if name not in STEP_KINDS or len(call.args) > 1:
            raise self._refused(call, f"{name} is no step that can be read here", "write a step of constant current")
        step = {"type": STEP_KINDS[name], "value": first, **keywords}
        if name == "rest":
            step |= {"value": None, "duration": keywords.get("duration", first)}
        ends = step.pop("termination", None)
        if ends is not None:
            step["terminations"] = ends if isinstance(ends, list) else [ends]
        return step

    def _plain(self, node: ast.expr) -> Any:  # noqa: ANN401  (what Python writes)
        value = self._plain_or_none(node)
        if value is None and not (isinstance(node, ast.Constant) and node.value is None):
            raise self._refused(node, "is known only to Python", "write the value itself")
        return value

    def _plain_or_none(self, node: ast.expr) -> Any:  # noqa: ANN401
        node = self._resolved(node)
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str | int | float) else None
        if isinstance(node, ast.List | ast.Tuple):
            return [self._plain(child) for child in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._plain_or_none(node.operand)
            return -inner if _is_number(inner) else None
        if isinstance(node, ast.BinOp):
            return _computed(node.op, self._plain_or_none(node.left), self._plain_or_none(node.right))
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _computed(operation: ast.operator, left: Any, right: Any) -> Any:  # noqa: ANN401  (a number, or None)
    known = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
    apply = known.get(type(operation))
    if apply is None or not (_is_number(left) and _is_number(right)):
        return None
    try:
        return apply(left, right)
    except ArithmeticError:
        return None


def _names_of_one_value(tree: ast.Module) -> dict[str, ast.expr]:
    """The names that are given a value once, in the script itself, and whose value nothing changes."""
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)]
    touched = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name)
    }
    return {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets[:1]
        if isinstance(target, ast.Name) and stored.count(target.id) == 1 and target.id not in touched
    }


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
