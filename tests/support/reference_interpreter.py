"""What a protocol means, done naively on its steps as written: the reference that the engine is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Step = dict[str, Any]
RETENTION = "cycle_retention_percent"


@dataclass(frozen=True)
class Measured:
    """What a segment meets in the world: the jig's temperature during it, and the charge that a half passes."""

    temperature_C: float
    charge_mAh: float


@dataclass(frozen=True)
class Segment:
    """One executed segment: of which step, and what ended it."""

    step_id: str
    ended_by: str


@dataclass
class Half:
    """One executed half-cycle."""

    kind: str
    charge_mAh: float
    on_voltage: bool


@dataclass
class Cycle:
    """Halves that belong together."""

    block: str
    rate: float
    number: int
    halves: list[Half] = field(default_factory=list)

    def charge(self, kind: str) -> float:
        return next(half.charge_mAh for half in self.halves if half.kind == kind)

    @property
    def efficiency_percent(self) -> float | None:
        if not all(half.on_voltage for half in self.halves):
            return None
        return 100 * self.charge("discharge") / self.charge("charge")


class Jump(Exception):  # noqa: N818  (it is no error)
    """A limit leads to another place."""

    def __init__(self, goto: str) -> None:
        self.goto = goto


class Interpreter:
    """Walks the steps with a finger on the line, and keeps on a slip what loops and limits must remember."""

    def __init__(self, method: list[Step], world: Callable[[int], Measured], most_segments: int) -> None:
        self.method = method
        self.world = world
        self.most_segments = most_segments
        self.tags = {step["tag"]: line for line, step in enumerate(method) if step["step"] == "tag"}
        self.segments: list[Segment] = []
        self.branches = 0
        self.cycles: list[Cycle] = []
        self.passes: Counter[int] = Counter()
        self.met_running: dict[int, list[int]] = {}
        self.uses: Counter[tuple[int, int]] = Counter()
        self.block = ""

    def run(self) -> str:
        """Do it all; answers "all" when the last step is done, "end" when a limit ended it."""
        line = 0
        while line < len(self.method):
            try:
                line = self.do(line)
            except Jump as jump:
                if jump.goto == "end":
                    return "end"
                line = self.tags[jump.goto]
                self.forget_loops_without(line)
        return "all"

    def do(self, line: int) -> int:
        """Do the step on a line; answers the next line."""
        step = self.method[line]
        match step["step"]:
            case "open_circuit_voltage":
                met = self.segment(step, step["id"], None, "main")
                self.follow(step, line, met, used_up=line + 1)
            case "constant_power":
                kind = "charge" if step["power_mW"] > 0 else "discharge"
                met = self.segment(step, step["id"], kind, self.block_above(line))
                self.follow(step, line, met, used_up=line + 1)
            case "cycle":
                self.cycle(step, line)
            case "loop":
                self.passes[line] += 1
                if self.leaves(step, line):
                    self.forget(line)
                    self.branches += 1
                    self.follow(step, line, self.fired, used_up=line + 1)
                elif self.passes[line] < step["cycle_count"]:
                    return self.tags[step["loop_to"]]
                else:
                    self.forget(line)
        return line + 1

    def block_above(self, line: int) -> str:
        """The tag above a line, which names the cycles of the steps below it."""
        above = [step["tag"] for step in self.method[:line] if step["step"] == "tag"]
        return above[-1] if above else "main"

    def cycle(self, step: Step, line: int) -> None:
        """Every rate, every pass, both halves. Its limits lead past it."""
        for rate in step["rate_C"]:
            block = step["id"] if len(step["rate_C"]) == 1 else f"{step['id']} {rate:g} C"
            prefix = step["id"] if len(step["rate_C"]) == 1 else f"{step['id']}/{rate:g}C"
            self.met_running[line] = [0]
            for _ in range(step["cycle_count"]):
                for kind in ("charge", "discharge"):
                    met = self.segment(step, f"{prefix}/{kind}", kind, block, rate)
                    if met is not None:
                        self.met_running.pop(line, None)
                        self.follow(step, line, met, used_up=line + 1)
                        return
                stop = step.get("stop_if")
                if stop and self.met_running[line][0] >= stop["consecutive"]:
                    self.met_running.pop(line, None)
                    self.branches += 1
                    return
            self.met_running.pop(line, None)

    def segment(self, step: Step, step_id: str, kind: str | None, block: str, rate: float = 0.0) -> int | None:
        """Execute one segment; answers the limit that ended it, if one did."""
        if len(self.segments) >= self.most_segments:
            raise RuntimeError("it does not end")
        found = self.world(len(self.segments))
        met = next((at for at, limit in enumerate(step.get("limits", ())) if warm(limit, found)), None)
        as_written = "time" if "until_time_s" in step else "voltage"
        self.segments.append(Segment(step_id, as_written if met is None else "temperature"))
        if kind is not None:
            on_voltage = met is None and as_written == "voltage"
            self.count(Half(kind, found.charge_mAh, on_voltage), block, rate, self.method.index(step))
        return met

    def count(self, half: Half, block: str, rate: float, line: int) -> None:
        """Put a half into its cycle, and when that is complete hold it against all limits of the loops around it."""
        last = self.cycles[-1] if self.cycles else None
        if last is None or half.kind == "charge" or half.kind in [other.kind for other in last.halves]:
            number = last.number + 1 if last is not None and last.block == block else 1
            last = Cycle(block, rate, number)
            self.cycles.append(last)
        last.halves.append(half)
        if len(last.halves) < 2:
            return
        if self.method[line].get("stop_if"):
            self.tally(line, [self.method[line]["stop_if"]], last)
        for at, step in enumerate(self.method):
            if step["step"] == "loop" and self.tags[step["loop_to"]] <= line < at:
                self.tally(at, [limit["when"][0] | limit for limit in step.get("limits", ())], last)

    def tally(self, line: int, limits: list[dict[str, Any]], cycle: Cycle) -> None:
        running = self.met_running.setdefault(line, [0] * len(limits))
        for at, limit in enumerate(limits):
            value = self.value(limit, cycle)
            if value is not None:
                running[at] = running[at] + 1 if below(limit, value) else 0

    def value(self, limit: dict[str, Any], cycle: Cycle) -> float | None:
        """What a cycle is worth to a limit."""
        variable = limit.get("var") or next(key for key in limit if key not in ("consecutive", "relative_to", "goto"))
        if variable == "coulombic_efficiency_percent":
            return cycle.efficiency_percent
        if variable == "cycle_count":
            return float(cycle.number)
        complete = (other for other in self.cycles if len(other.halves) == 2)
        first = next(other for other in complete if (other.block, other.rate) == (cycle.block, cycle.rate))
        return 100 * cycle.charge("discharge") / first.charge("discharge")

    def leaves(self, step: Step, line: int) -> bool:
        """Whether a limit of a loop is met now; which, is in `fired`."""
        running = self.met_running.get(line, [])
        pairs = zip(running, step.get("limits", ()), strict=False)
        self.fired = next((at for at, (times, limit) in enumerate(pairs) if times >= limit["consecutive"]), None)
        return self.fired is not None

    def follow(self, step: Step, line: int, met: int | None, used_up: int) -> None:
        """Go where a limit leads; nowhere when none was met, or its uses are used up."""
        if met is None:
            return
        limit = step["limits"][met]
        self.uses[line, met] += 1
        if limit["goto"] == "next" or self.uses[line, met] > limit.get("at_most", self.uses[line, met]):
            return
        raise Jump(limit["goto"])

    def forget(self, line: int) -> None:
        self.passes.pop(line, None)
        self.met_running.pop(line, None)

    def forget_loops_without(self, line: int) -> None:
        """After a jump, loops that the finger does not lie in begin anew."""
        for at in {*self.passes, *self.met_running}:
            step = self.method[at]
            if step["step"] != "loop" or not self.tags[step["loop_to"]] <= line <= at:
                self.forget(at)


def warm(limit: dict[str, Any], found: Measured) -> bool:
    """Whether a limit on the jig's temperature is met."""
    return all(found.temperature_C > condition["value"] for condition in limit["when"])


def below(limit: dict[str, Any], value: float) -> bool:
    """Whether a limit of cycles is met: those of loops by operator and value, `stop_if` by its words."""
    if "op" in limit:
        return value < limit["value"] if limit["op"] == "<" else value >= limit["value"]
    said = next(text for text in limit.values() if isinstance(text, str) and text[0] in "<>")
    operator, _, bound = said.partition(" ")
    return value < float(bound) if operator == "<" else value > float(bound)
