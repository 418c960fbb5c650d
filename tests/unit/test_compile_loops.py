"""Loops in a plan against a naive interpreter of the same protocol."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.compile import load_plan
from daemon.plans.walk import steps_to_come
from drivers.keithley.limits import LIMITS_2450

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()


@dataclass(frozen=True)
class Rest:
    """One rest, known by its length."""

    second: int


@dataclass(frozen=True)
class Repeat:
    """A body passed some times; `by_tag` says how the loop names its start."""

    body: tuple["Rest | Repeat", ...]
    passes: int
    by_tag: bool


rests = st.integers(1, 9).map(Rest)


def repeats(parts: st.SearchStrategy) -> st.SearchStrategy[Repeat]:
    return st.builds(Repeat, st.lists(parts, min_size=1, max_size=3).map(tuple), st.integers(1, 4), st.booleans())


programs = st.lists(st.recursive(rests, lambda parts: rests | repeats(parts), max_leaves=6), min_size=1, max_size=4)


def executed(parts: list[Rest | Repeat] | tuple[Rest | Repeat, ...]) -> Iterator[int]:
    """The lengths of the rests in the order in which they happen."""
    for part in parts:
        if isinstance(part, Rest):
            yield part.second
        else:
            for _ in range(part.passes):
                yield from executed(part.body)


@dataclass
class Writer:
    """Writes a program as the steps of a protocol."""

    lines: list[str] = field(default_factory=list)

    def write(self, parts: list[Rest | Repeat] | tuple[Rest | Repeat, ...]) -> None:
        for part in parts:
            if isinstance(part, Rest):
                self.lines.append(f"{{step: open_circuit_voltage, until_time_s: {part.second}}}")
                continue
            start = str(len(self.lines) + 1)
            if part.by_tag:
                start = f"tag_{start}"
                self.lines.append(f"{{step: tag, tag: {start}}}")
            self.write(part.body)
            self.lines.append(f"{{step: loop, loop_to: {start}, cycle_count: {part.passes}}}")


@settings(max_examples=100)
@given(programs)
def test_a_plan_walks_as_a_naive_interpreter(program: list[Rest | Repeat]) -> None:
    writer = Writer()
    writer.write(program)
    text = "method:\n" + "".join(f"  - {line}\n" for line in writer.lines)
    plan, warnings = load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)
    assert warnings == []
    assert [step.until_time_second for step in steps_to_come(plan, 0, {})] == list(executed(program))
