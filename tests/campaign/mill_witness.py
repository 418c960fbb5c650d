"""What a mill truly did, by the bench's own log: its blade, its chiller, and what drive and chiller said. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Line = dict[str, Any]

DRIVEN_RPM_PER_SECOND = 400.0
"""Down a ramp it loses more in a second, by itself less; of the bench's mill."""
GRAIN_SECOND = 1e-5
STATE_REPLY = b"\x01\x03\x16"
"""Unit 1 answers to a question for 11 registers, those from 0005h on: mill-drive.md §3.1 [manual]."""
STANDS, TURNS, SLOWS, TRIPPED, THERE = 0x01, 0x06, 0x20, 0x08, 0x40
"""Of the status in 000Eh."""


@dataclass(frozen=True)
class Stretch:
    """From when to when the blade was at its speed without a break, in bench time."""

    begin_second: float
    end_second: float

    @property
    def lasted_second(self) -> float:
        """How long."""
        return self.end_second - self.begin_second


@dataclass(frozen=True)
class Said:
    """What a drive said of itself at a bench time."""

    second: float
    rpm: float
    is_turning: bool
    is_at_speed: bool
    is_standing: bool
    has_fault: bool


class Blade:
    """The blade, from the lines in which the bench tells that it begins to turn otherwise."""

    def __init__(self, bench: Sequence[Line]) -> None:
        self.lines = [line for line in bench if line["event"] == "blade"]
        self._end_second = max((line["bench_second"] for line in bench), default=0.0)
        self._seconds = [line["bench_second"] for line in self.lines]
        self.stretches = self._all_stretches()
        self._begins = [stretch.begin_second for stretch in self.stretches]
        self._before = [0.0]
        for stretch in self.stretches:
            self._before.append(self._before[-1] + stretch.lasted_second)

    @property
    def at_speed_second(self) -> float:
        """In all."""
        return self._before[-1]

    def at_speed_until(self, second: float) -> float:
        """How long it had been at speed by a bench time."""
        place = bisect_right(self._begins, second)
        if not place:
            return 0.0
        within_second = min(second, self.stretches[place - 1].end_second) - self._begins[place - 1]
        return self._before[place - 1] + within_second

    def stands_from(self, second: float) -> float:
        """When it stood, by what it was told last at or before a bench time; infinite while it turns."""
        line = self._last(second)
        if line is None:
            return 0.0
        return float("inf") if line["goal_rpm"] > 0 else line["bench_second"] + line["ramp_second"]

    def coasts_at(self, second: float) -> bool:
        """Whether nothing drove it on its way to standstill: nobody can stop it sooner, and a drive cannot tell."""
        line = self._last(second)
        return self.slows_at(second) and line is not None and line["rpm"] < DRIVEN_RPM_PER_SECOND * line["ramp_second"]

    def slows_at(self, second: float) -> bool:
        """Whether it was on its way to standstill."""
        line = self._last(second)
        return line is not None and line["goal_rpm"] == 0 and second < line["bench_second"] + line["ramp_second"]

    def starts(self) -> list[float]:
        """When it was told to turn."""
        return [line["bench_second"] for line in self.lines if line["goal_rpm"] > 0]

    def _last(self, second: float) -> Line | None:
        place = bisect_right(self._seconds, second)
        return self.lines[place - 1] if place else None

    def _all_stretches(self) -> list[Stretch]:
        ended = [*self.lines, {"bench_second": self._end_second}]
        found = []
        for line, following in pairwise(ended):
            begin_second = line["bench_second"] + line["ramp_second"]
            if line["goal_rpm"] > 0 and following["bench_second"] > begin_second:
                found.append(Stretch(begin_second, following["bench_second"]))
        return found


def drive_words(bench: Sequence[Line]) -> list[Said]:
    """All that a drive said of its state, before any fault of its cable."""
    found = []
    for line in bench:
        if line["event"] != "reply" or line["instrument"] != "mill_drive":
            continue
        frame = line["text"].encode("latin-1")
        if not frame.startswith(STATE_REPLY) or len(frame) != 27:
            continue
        words = [int.from_bytes(frame[place : place + 2], "big") for place in range(3, 25, 2)]
        hertz, status, trips = words[5] / 100, words[9], words[10]
        has_fault = bool(trips or status & TRIPPED)
        found.append(
            Said(
                second=line["bench_second"],
                rpm=60 * hertz,
                is_turning=bool(status & TURNS) and not status & TRIPPED,
                is_at_speed=bool(status & THERE) and not status & SLOWS and hertz > 0,
                is_standing=bool(status & STANDS) and hertz == 0,
                has_fault=has_fault,
            )
        )
    return found


class Spoken:
    """What was said at which bench second; a second may be off by what a sum of times loses."""

    def __init__(self, said: Iterable[tuple[float, Any]]) -> None:
        self._said = {(round(second / GRAIN_SECOND), what) for second, what in said}

    def holds(self, second: float, what: object) -> bool:
        """Whether this was said then."""
        grain = round(second / GRAIN_SECOND)
        return any((grain + nudge, what) in self._said for nudge in (0, 1, -1))


def chiller_numbers(bench: Sequence[Line]) -> list[tuple[float, float]]:
    """Bench second and number of each reply of a chiller that is a temperature."""
    return [
        (line["bench_second"], float(line["text"]))
        for line in bench
        if line["event"] == "reply"
        and line["instrument"] == "chiller"
        and re.fullmatch(r"-?\d+\.\d{2}\r\n", line["text"])
    ]


def chiller_between(bench: Sequence[Line], begin_second: float, end_second: float) -> list[Line]:
    """How a chiller was set from one bench time to another, first as it was at the first, last as at the last."""
    lines = [line for line in bench if line["event"] == "chiller"]
    before = [line for line in lines if line["bench_second"] <= begin_second][-1:]
    return before + [line for line in lines if begin_second < line["bench_second"] <= end_second]
