"""What can go wrong, by kind: when, for how long, and what a run may then come to. All of it follows from a seed."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.crash_points import NAMES

DONE = frozenset({"completed"})
STOPPED_SAFE = frozenset({"held", "tripped", "failed"})
LONGEST_AWAY_SECOND = 40.0
SHORT_SILENCE_SECOND = 6.1
"""A load cell that is silent for less than 5 s has no gap row."""


@dataclass(frozen=True)
class Deed:
    """What is done to the daemon at a bench time, at which time is held.

    `jitter_second` is real time that passes after time was let go again. `away_second` is bench time that passes while
    nobody is there.
    """

    at_second: float
    do: str
    jitter_second: float | None = None
    away_second: float = 0.0
    number: int = 0
    real_second: float = 0.0


@dataclass
class Schedule:
    """All that will go wrong in one run."""

    faults: list[dict[str, Any]] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    outcomes: frozenset[str] = DONE
    may_excurse: bool = False
    may_stay_on: bool = False
    file_size_byte: int = 0
    broker: str = ""
    longest_hole_second: float = 1.6

    def allow(self, outcomes: frozenset[str]) -> None:
        """What the run may come to besides."""
        self.outcomes |= outcomes


Planner = Callable[[random.Random, float, Schedule], None]


def _moment(rng: random.Random, until_second: float) -> float:
    """A bench time: often on the grid on which things happen, else anywhere."""
    second = rng.uniform(0.5, until_second)
    return float(round(second)) if rng.random() < 0.4 else round(second, 3)


def _away(rng: random.Random) -> float:
    return 0.0 if rng.random() < 0.5 else round(rng.uniform(0.2, LONGEST_AWAY_SECOND), 3)


def kill(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """kill -9 at a bench time while the daemon waits for it, or some moments of real time after."""
    for _ in range(rng.randint(1, 4)):
        jitter_second = None if rng.random() < 0.4 else rng.uniform(0.0, 0.03)
        schedule.deeds.append(Deed(_moment(rng, until_second), "kill", jitter_second, _away(rng)))


def kill_restarting(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """kill -9, and again while the next daemon takes the run up."""
    at_second = _moment(rng, until_second)
    schedule.deeds.append(Deed(at_second, "kill", None, _away(rng)))
    schedule.deeds += [
        Deed(at_second, "kill_young", real_second=rng.uniform(0.0, 0.15)) for _ in range(rng.randint(1, 3))
    ]


def crash_point(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The daemon dies at a place in its own work, and so does the next one."""
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(NAMES)
        passage = 1 if rng.random() < 0.4 else rng.randint(1, 60 if "commit" in name or name == "decided" else 4)
        schedule.crashes.append(f"{name}:{passage}")


def sigterm(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """SIGTERM, SIGINT or SIGHUP, once or twice: the daemon leaves, its run is taken up."""
    number = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    jitter_second = None if rng.random() < 0.5 else rng.uniform(0.0, 0.03)
    twice = rng.choice(("leave", "leave_twice"))
    schedule.deeds.append(Deed(_moment(rng, until_second), twice, jitter_second, _away(rng), number=number))


def sigstop(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The daemon stands still for a while, as when the PC sleeps."""
    jitter_second = rng.uniform(0.0, 0.03)
    schedule.deeds.append(Deed(_moment(rng, until_second), "freeze", jitter_second, real_second=rng.uniform(0.05, 0.8)))


def stop(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """Somebody asks for the end; perhaps the daemon is killed while it carries that out."""
    schedule.deeds.append(Deed(_moment(rng, until_second), "stop", rng.uniform(0.0, 0.02)))
    schedule.allow(frozenset({"stopped"}))
    if rng.random() < 0.5:
        places = ("before_make_safe", "after_make_safe", "before_commit", "written", "before_seal")
        schedule.crashes.append(rng.choice(places))
        # Made safe and not yet written: the next daemon finds a segment that somebody ended.
        schedule.allow(frozenset({"held"}))


def second_daemon(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """Another daemon is started for the same station."""
    schedule.deeds.append(Deed(_moment(rng, until_second), "second_daemon", rng.uniform(0.0, 0.02)))


def locked(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """Another program holds the run's file locked for a while."""
    real_second = rng.uniform(0.1, 1.0)
    schedule.deeds.append(Deed(_moment(rng, until_second), "lock", rng.uniform(0.0, 0.02), real_second=real_second))


def disk_full(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """No file of the daemon may grow any more; the next daemon has room again."""
    schedule.file_size_byte = rng.randrange(60_000, 400_000)
    schedule.allow(STOPPED_SAFE)


def _cable(cable: str, kinds: tuple[str, ...]) -> Planner:
    def plan(rng: random.Random, until_second: float, schedule: Schedule) -> None:
        kind = rng.choice(kinds)
        fault: dict[str, Any] = {"cable": cable, "kind": kind, "for_second": round(rng.uniform(0.5, 25.0), 3)}
        if kind == "late":
            fault["real_second"] = rng.choice((0.1, 0.6, 1.0))
        if kind in {"garble", "parity"}:
            fault["seed"] = rng.randrange(1000)
        if rng.random() < 0.35 and cable != "load_cell":
            fault["at_line"] = rng.randint(20, 400)
        else:
            fault["at_second"] = _moment(rng, until_second)
        schedule.faults.append(fault)

    plan.__doc__ = f"The cable of the {cable} is cut or lies, for a while: {', '.join(kinds)}."
    return plan


def power_cycle(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The potentiostat loses its power for a moment, with its rows."""
    schedule.faults.append({"cable": "potentiostat", "kind": "power_cycle", "at_second": _moment(rng, until_second)})
    schedule.allow(frozenset({"held"}))


def swapped(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """Another potentiostat of the same model stands there after a power failure."""
    at_second = _moment(rng, until_second)
    swap = {"cable": "potentiostat", "kind": "swap_serial", "serial_number": "04459999", "at_second": at_second}
    schedule.faults += [swap, {"cable": "potentiostat", "kind": "power_cycle", "at_second": at_second}]
    schedule.outcomes = STOPPED_SAFE | {"unfinished"}
    schedule.may_stay_on = True


def stays_on(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The output does not switch off, whoever says so."""
    schedule.faults.append(
        {"cable": "potentiostat", "kind": "ignore_output_off", "at_second": _moment(rng, until_second)}
    )
    schedule.outcomes = STOPPED_SAFE | {"unfinished"}
    schedule.may_excurse = schedule.may_stay_on = True


def reversed_leads(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The current leads are exchanged at the cell."""
    fault = {"cable": "potentiostat", "kind": "reverse_current", "at_second": _moment(rng, until_second)}
    schedule.faults.append(fault)
    schedule.may_excurse = True
    schedule.allow(STOPPED_SAFE)


def load_cell_silent(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The load cell says nothing, says always the same, or is on hold."""
    kind = rng.choice(("silent", "stuck", "held"))
    fault = {"cable": "load_cell", "kind": kind, "at_second": _moment(rng, until_second)}
    schedule.faults.append(fault | {"for_second": rng.uniform(2.0, 40.0)})
    schedule.allow(STOPPED_SAFE)
    schedule.longest_hole_second = SHORT_SILENCE_SECOND


def load_cell_wrong(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The load cell shows a force that is not there, or in another unit, or loses its power."""
    kind, details = rng.choice(
        (
            ("step", {"newton": rng.choice((-900.0, -300.0, 300.0, 2000.0, 9000.0))}),
            ("drift", {"newton_per_second": rng.choice((-20.0, 20.0))}),
            ("wrong_unit", {"unit": " N"}),
            ("power_cycle", {}),
        )
    )
    schedule.faults.append({"cable": "load_cell", "kind": kind, "at_second": _moment(rng, until_second)} | details)
    schedule.allow(STOPPED_SAFE)
    schedule.longest_hole_second = SHORT_SILENCE_SECOND


def thermometer_wire(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """A wire of the jig's temperature sensor breaks, for good or for a while."""
    fault: dict[str, Any] = {"cable": "thermometer", "kind": "break_wire", "channel": rng.choice((0, 1))}
    if rng.random() < 0.5:
        fault["for_second"] = rng.uniform(1.0, 30.0)
    schedule.faults.append(fault | {"at_second": _moment(rng, until_second)})
    schedule.allow(STOPPED_SAFE)


def chamber_wrong(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The chamber is switched off, alarms, or loses its power."""
    kind, details = rng.choice((("off", {}), ("alarm", {"codes": [3]}), ("power_cycle", {})))
    schedule.faults.append({"cable": "chamber", "kind": kind, "at_second": _moment(rng, until_second)} | details)
    schedule.allow(STOPPED_SAFE)


def broker(rng: random.Random, until_second: float, schedule: Schedule) -> None:
    """The station publishes, and its broker is absent, stopped for a while, frozen, or killed and without memory."""
    schedule.broker = rng.choice(("absent", "real", "real"))
    if schedule.broker == "real":
        begin, end = sorted(_moment(rng, until_second) for _ in range(2))
        wrong, right = rng.choice((("stop", "start"), ("freeze", "thaw"), ("wipe", "start")))
        schedule.deeds += [
            Deed(begin, f"broker_{wrong}", rng.uniform(0.0, 0.02)),
            Deed(end, f"broker_{right}", rng.uniform(0.0, 0.02)),
        ]


REPLIES = ("cut", "mute", "late", "garble", "parity", "half", "stale", "freeze")
KINDS: dict[str, tuple[int, Planner]] = {
    "kill": (20, kill),
    "kill_restarting": (8, kill_restarting),
    "crash_point": (16, crash_point),
    "sigterm": (5, sigterm),
    "sigstop": (3, sigstop),
    "stop": (5, stop),
    "second_daemon": (2, second_daemon),
    "locked": (3, locked),
    "disk_full": (4, disk_full),
    "broker": (4, broker),
    "potentiostat_cable": (14, _cable("potentiostat", REPLIES)),
    "load_cell_cable": (6, _cable("load_cell", ("cut", "garble", "parity", "half", "freeze"))),
    "thermometer_cable": (6, _cable("thermometer", REPLIES)),
    "chamber_cable": (4, _cable("chamber", REPLIES)),
    "power_cycle": (6, power_cycle),
    "swapped": (3, swapped),
    "stays_on": (4, stays_on),
    "reversed_leads": (3, reversed_leads),
    "load_cell_silent": (4, load_cell_silent),
    "load_cell_wrong": (5, load_cell_wrong),
    "thermometer_wire": (3, thermometer_wire),
    "chamber_wrong": (3, chamber_wrong),
}
"""How often each is drawn, and what it plans."""

ALONE = frozenset({"swapped", "stays_on"})
"""Never together with another."""


def draw(rng: random.Random, until_second: float, only: tuple[str, ...]) -> tuple[tuple[str, ...], Schedule]:
    """The kinds of one run, and what they come to. `only` limits what may be drawn; empty is all."""
    names = [name for name in KINDS if not only or name in only]
    kinds = rng.choices(names, [KINDS[name][0] for name in names])
    if not only and rng.random() < 0.4:
        kinds.append(rng.choices(names, [KINDS[name][0] for name in names])[0])
    kinds = [kinds[0]] if ALONE.intersection(kinds) else list(dict.fromkeys(kinds))
    schedule = Schedule()
    for name in kinds:
        KINDS[name][1](rng, until_second, schedule)
    schedule.deeds.sort(key=lambda deed: deed.at_second)
    return tuple(kinds), schedule
