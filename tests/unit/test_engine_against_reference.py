"""Random protocols through compiler and engine, against an interpreter that shares nothing with them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from daemon.compile import load_plan
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import MadeSafe, RunStarted
from daemon.plan import CurrentStep, Plan
from drivers.keithley.limits import LIMITS_2450
from protocols.errors import ProblemsFound
from tests.support.machine import MOST_SEGMENTS, Machine, World
from tests.support.reference_interpreter import Interpreter

BM05 = (Path(__file__).parents[2] / "config" / "cells" / "bm05.yaml").read_text()
TOP = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
WARM = 60.0
"""A random jig is warmer than this in one segment of five."""


@dataclass
class Writer:
    """Writes a random protocol, tag by tag."""

    random: Random
    method: list[dict[str, Any]] = field(default_factory=list)
    loops: int = 0

    def write(self, depth: int) -> None:
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.choice(["rest", "power", "cycle", "cycle", "tag", "loop" if depth else "rest"])
            getattr(self, kind)(depth)

    def name(self, kind: str) -> str:
        return f"{kind}_{len(self.method)}"

    def tag(self, _: int) -> None:
        self.method.append({"step": "tag", "tag": self.name("tag")})

    def rest(self, _: int) -> None:
        self.method.append({"step": "open_circuit_voltage", "id": self.name("rest"), "until_time_s": 3})

    def power(self, _: int) -> None:
        step = {"step": "constant_power", "id": self.name("power"), "power_mW": self.random.choice([2, -2])}
        at_voltage = {"until_voltage_V": 3.7 if step["power_mW"] > 0 else 2.0}
        self.method.append(step | self.random.choice([at_voltage, {"until_time_s": 3}]))

    def cycle(self, _: int) -> None:
        rates = self.random.choice([[1], [1], [0.5, 2]])
        step = {"step": "cycle", "id": self.name("cycle"), "rate_C": rates, "cycle_count": self.random.randint(1, 4)}
        if self.random.random() < 0.5:
            step["stop_if"] = {
                **self.random.choice(
                    [
                        {"retention_percent": "< 100", "relative_to": "first"},
                        {"coulombic_efficiency_percent": "< 98"},
                        {"coulombic_efficiency_percent": "> 99"},
                    ]
                ),
                "consecutive": self.random.randint(1, 2),
            }
        self.method.append(step)

    def loop(self, depth: int) -> None:
        tag = self.name("again")
        self.method.append({"step": "tag", "tag": tag})
        self.cycle(depth) if self.random.random() < 0.5 else self.rest(depth)
        self.write(depth - 1)
        step = {"step": "loop", "loop_to": tag, "cycle_count": self.random.randint(1, 3), "id": self.name("loop")}
        self.method.append(step)

    def branch(self) -> None:
        """Give some steps limits, now that all tags are known."""
        tags = {step["tag"]: at for at, step in enumerate(self.method) if step["step"] == "tag"}
        for at, step in enumerate(self.method):
            if step["step"] != "tag" and self.random.random() < 0.4:
                step["limits"] = [self.limit(at, step, tags) for _ in range(self.random.randint(1, 2))]

    def limit(self, at: int, step: dict[str, Any], tags: dict[str, int]) -> dict[str, Any]:
        goto = self.random.choice(["next", "end", *tags, *tags, *tags])
        made: dict[str, Any] = {"goto": goto, "consecutive": 1}
        if tags.get(goto, at + 1) <= at:
            made["at_most"] = self.random.randint(1, 2)
        if step["step"] != "loop":
            made["when"] = [{"var": "temperature_C", "op": ">", "value": WARM}]
            del made["consecutive"]
            return made
        made["consecutive"] = self.random.randint(1, 2)
        made["when"] = [
            self.random.choice(
                [
                    {"var": "coulombic_efficiency_percent", "op": "<", "value": 98},
                    {"var": "cycle_retention_percent", "op": "<", "value": 100, "relative_to": "first"},
                    {"var": "cycle_count", "op": ">=", "value": 2},
                ]
            )
        ]
        return made


def protocol(random: Random) -> list[dict[str, Any]]:
    writer = Writer(random)
    writer.write(2)
    writer.branch()
    return writer.method


def compiled(method: list[dict[str, Any]]) -> Plan:
    """Its plan without interlocks: what they do is tested elsewhere. Refused by the language: another is tried."""
    text = TOP + "".join(f"  - {json.dumps(step)}\n" for step in method)
    try:
        plan, _ = load_plan(text, "x.yaml", BM05, "bm05.yaml", LIMITS_2450)
    except ProblemsFound:
        assume(False)
    return msgspec.structs.replace(plan, interlocks=())


@settings(max_examples=250, deadline=None)
@given(random=st.integers(0, 2**32).map(Random))
def test_the_engine_executes_what_the_reference_does(random: Random) -> None:
    method = protocol(random)
    plan, world = compiled(method), World(random)
    reference = Interpreter(method, world, MOST_SEGMENTS)
    ended = reference.run()
    machine = Machine(Run(plan=plan), world, dies=Random(random.random()))
    machine.happen(RunStarted(holds_wait=False))
    assert machine.segments == reference.segments
    assert machine.branches == reference.branches
    machine.happen(MadeSafe(verified=True, text="off"))
    assert (machine.run.phase, machine.run.outcome) == (Phase.FINISHED, Outcome.COMPLETED)
    assert ("limit" in machine.run.reason) == (ended == "end")


@settings(max_examples=250, deadline=None)
@given(random=st.integers(0, 2**32).map(Random))
def test_every_protocol_ends_within_its_loops_and_its_branches(random: Random) -> None:
    method = protocol(random)
    plan = compiled(method)
    passes = 1
    for step in method:
        passes *= step["cycle_count"] * len(step.get("rate_C", [1])) if "cycle_count" in step else 1
    branches = sum(limit.get("at_most", 0) for step in method for limit in step.get("limits", ()))
    most = 2 * len(method) * passes * (1 + branches)
    assume(most <= MOST_SEGMENTS)
    machine = Machine(Run(plan=plan), World(random))
    machine.happen(RunStarted(holds_wait=False))
    assert machine.run.phase is Phase.STOPPING
    assert len(machine.segments) <= most
    assert all(step.longest_second < 1e6 for step in plan.steps if isinstance(step, CurrentStep))
