"""The trigger model's blocks as the manual says they work: a second reading of it, that knows nothing of the bench."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.keithley.blocks import block_group
from drivers.keithley.ladder import BAND_LIST, CURRENT_LIST, Rung, rungs
from drivers.roles import SegmentMode, SegmentProgram


def blocks_of(program):
    """The trigger model of a segment, one command each."""
    return list(block_group("hc0001", program).commands)


@dataclass
class TriggerModel:
    """The blocks, each as the manual says it works, on a cell of which only readings are known: by time, and current.

    A wait block remembers for itself which ticks it has seen, the stricter way to read the manual.
    """

    program: SegmentProgram
    voltage_at: Callable[..., float]
    measuring_second: float = 0.15
    now_second: float = 0.0
    seen: Counter[int] = field(default_factory=Counter)
    output_on: bool = False
    scratch: int = 0
    kept_second: list[float] = field(default_factory=list)
    counters: Counter[int] = field(default_factory=Counter)
    reading: dict[int, float] = field(default_factory=dict)
    level: int = 0
    levels_at_rows: list[int] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    rungs: tuple[Rung, ...] = ()
    current_ampere: float = 0.0

    def run(self):
        if self.program.mode is SegmentMode.POWER:
            self.rungs = rungs(self.program)
        commands = [command.removeprefix(":TRIG:BLOC:").split(" ") for command in blocks_of(self.program)[1:]]
        blocks = {int(arguments.split(",")[0]): (word, arguments.split(",")[1:]) for word, arguments in commands}
        assert sorted(blocks) == list(range(1, len(blocks) + 1))
        at = 1
        while at in blocks:
            word, values = blocks[at]
            branch = getattr(self, "block_" + word.lower().replace(":", "_"))(at, *values)
            at = branch or at + 1
        return self

    def block_sour_stat(self, at, state):
        self.output_on = state == "ON"

    def block_not(self, at, event):
        assert event == "1"

    def block_wait(self, at, event):
        ticks_so_far = math.floor(self.now_second / self.program.cutoff_second + 1e-9) + 1
        if ticks_so_far > self.seen[at]:
            self.seen[at] = ticks_so_far
        else:
            self.now_second = ticks_so_far * self.program.cutoff_second
            self.seen[at] = ticks_so_far + 1

    def block_bran_once(self, at, target):
        self.counters[at] += 1
        return int(target) if self.counters[at] == 1 else None

    def block_bran_alw(self, at, target):
        return int(target)

    def block_meas(self, at, buffer):
        self.reading[at] = self.voltage_at(self.now_second, *((self.current_ampere,) if self.rungs else ()))
        if buffer.startswith('"hc0001'):
            self.kept_second.append(self.now_second)
            self.levels_at_rows.append(self.level)
        else:
            self.scratch += 1
        self.now_second += self.measuring_second

    def block_bran_lim_cons(self, at, kind, *values):
        low, high, target, measured = values
        assert float(low) < float(high)
        value = self.reading[int(measured)]
        met = {"ABOV": value > float(high), "BEL": value < float(low), "IN": float(low) <= value <= float(high)}
        return int(target) if met[kind] else None

    def block_nop(self, at):
        pass

    def block_conf_rec(self, at, name, number):
        self.recall(name, int(number))

    def block_conf_next(self, at, name):
        self.recall(name, self.places[name] + 1)

    def block_conf_prev(self, at, name):
        self.recall(name, self.places[name] - 1)

    def recall(self, name, place):
        """A point of a list, which begins anew beyond its end."""
        size = len(self.rungs) if self.rungs else place
        self.places[name] = self.level = (place - 1) % size + 1
        if name == f'"{CURRENT_LIST}"':
            self.current_ampere = self.rungs[self.level - 1].current_ampere

    def block_bran_lim_dyn(self, at, kind, limit, target, measured):
        assert limit == "1"
        rung, value = self.rungs[self.places[f'"{BAND_LIST}"'] - 1], self.reading[int(measured)]
        met = {"ABOV": value > rung.upper_volt, "BEL": value < rung.lower_volt}
        return int(target) if met[kind] else None

    def block_bran_even(self, at, event, target):
        return int(target) if self.now_second >= self.program.duration_second else None

    def block_bran_coun(self, at, count, target):
        self.counters[at] += 1
        if self.counters[at] < int(count):
            return int(target)
        self.counters[at] = 0
        return None
