"""What goes wrong while a powder is milled: who dies when and for how long, and what else. It follows from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
RECIPE = (REPOSITORY / "protocols/library/blade_mill.yaml").read_text(encoding="utf-8")
BENCH = (REPOSITORY / "config/bench/mill.yaml").read_text(encoding="utf-8")
CELL = REPOSITORY / "config/batches/powder.yaml"

RUNS, RUN_SECOND = 15, 60.0
STABLE, REST = "for: 5 min", "until_time: 90 s"
"""What is only waited for, as the recipe has it."""
SHORT_STABLE, SHORT_REST, SHORT_REST_SECOND, REST_SECOND = "for: 30 s", "until_time: 30 s", 30.0, 90.0
ROOM_CELSIUS, NEARLY_COLD_CELSIUS = "bath_temperature_C: 23", "bath_temperature_C: 16"

LOSS_STOP_SECOND, WATCHDOG_SECOND = 3.0, 30.0
"""Of drive and chiller, as the campaign's station has them."""
ALONE_SECOND = 600.0
"""A mill that nobody watched for longer waits for a person."""
CYCLE_SECOND = 110.0
"""A run and a short rest, about."""
AWAY = (
    (6, (0.0, 0.0)),
    (4, (0.05, LOSS_STOP_SECOND)),
    (2, (LOSS_STOP_SECOND, 3.4)),
    (3, (3.4, 10.0)),
    (2, (10.0, WATCHDOG_SECOND)),
    (4, (WATCHDOG_SECOND, 90.0)),
)
"""How often, and for how long nobody is there."""
POINTS = ("decided", "written", "after_commit", "before_start", "after_start", "before_make_safe", "after_make_safe")
OFTEN = ("decided", "written", "after_commit")
"""Those by which a daemon comes at each look."""


@dataclass(frozen=True)
class Blow:
    """How a daemon dies; bench times from its start, real ones where they say so.

    `after_second` is when. `aim_second`: instead so long after a blade has next come to its speed, of the last run with
    `at_last_run`. `young_real_second`: instead so soon after it was started. `jitter_real_second` passes after time was
    let go. `crash_at`: it dies of itself, perhaps before. `away_second` is for how long nobody is there then.
    """

    after_second: float = 0.0
    aim_second: float | None = None
    at_last_run: bool = False
    young_real_second: float | None = None
    jitter_real_second: float | None = None
    crash_at: str | None = None
    away_second: float = 0.0


@dataclass
class MillSchedule:
    """One seed: the recipe and the bench as they are written or shortened, and all that will go wrong.

    `person_after_second` is how long after it was held somebody puts all right and lets a run go on; None: never.
    """

    recipe: str
    bench: str
    rest_second: float
    safe_celsius: float
    kinds: tuple[str, ...] = ()
    blows: list[Blow] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    person_after_second: float | None = None

    @property
    def may_be_held(self) -> bool:
        """Whether anything happens that is a person's to judge."""
        return bool(self.faults) or any(blow.away_second > ALONE_SECOND for blow in self.blows)


Planner = Callable[[random.Random, MillSchedule], None]


def draw(seed: int, only: tuple[str, ...] = ()) -> MillSchedule:
    """What a seed is; `only` limits its kinds, empty is all."""
    rng = random.Random(seed)
    as_written = rng.random() < 0.05
    schedule = MillSchedule(
        recipe=RECIPE if as_written else RECIPE.replace(STABLE, SHORT_STABLE).replace(REST, SHORT_REST),
        bench="log_readings: true\nutc_start: 2026-01-01T00:00:00Z\n"
        + (BENCH if as_written else BENCH.replace(ROOM_CELSIUS, NEARLY_COLD_CELSIUS)),
        rest_second=REST_SECOND if as_written else SHORT_REST_SECOND,
        safe_celsius=rng.choice((15.0, 15.0, 15.2)),
    )
    deaths = [name for name in DEATHS if not only or name in only] or ["mill_kills"]
    troubles = [name for name in TROUBLES if not only or name in only]
    kinds = rng.choices(deaths, [DEATHS[name][0] for name in deaths])
    if troubles and (only or rng.random() < 0.45):
        kinds += rng.choices(troubles, [TROUBLES[name][0] for name in troubles])
        schedule.person_after_second = rng.choice((None, rng.uniform(1.0, 60.0), rng.uniform(1.0, 60.0)))
    schedule.kinds = tuple(kinds)
    for name in kinds:
        (DEATHS | TROUBLES)[name][1](rng, schedule)
    return schedule


def _away(rng: random.Random) -> float:
    low, high = rng.choices([span for _, span in AWAY], [weight for weight, _ in AWAY])[0]
    return round(rng.uniform(low, high), 3)


def _jitter(rng: random.Random) -> float | None:
    return None if rng.random() < 0.5 else rng.uniform(0.0, 0.025)


def _after(rng: random.Random, longest_second: float) -> float:
    second = rng.uniform(0.02, longest_second)
    return float(round(second + 0.5)) if rng.random() < 0.3 else round(second, 3)


def kills(rng: random.Random, schedule: MillSchedule) -> None:
    """kill -9 anywhere."""
    schedule.blows += [
        Blow(_after(rng, 3.5 * CYCLE_SECOND), jitter_real_second=_jitter(rng), away_second=_away(rng))
        for _ in range(rng.randint(3, 9))
    ]


def kills_in_a_row(rng: random.Random, schedule: MillSchedule) -> None:
    """kill -9, and the next daemons while they take the run up, or soon after."""
    for _ in range(rng.randint(1, 4)):
        schedule.blows.append(Blow(_after(rng, 4 * CYCLE_SECOND), jitter_real_second=_jitter(rng)))
        for _ in range(rng.randint(2, 7)):
            away_second = _away(rng) if rng.random() < 0.4 else 0.0
            if rng.random() < 0.5:
                schedule.blows.append(Blow(young_real_second=rng.uniform(0.0, 0.4), away_second=away_second))
            else:
                soon_second = round(rng.uniform(0.0, 4.0), 3)
                schedule.blows.append(Blow(soon_second, jitter_real_second=_jitter(rng), away_second=away_second))


def kills_aimed(rng: random.Random, schedule: MillSchedule) -> None:
    """kill -9 on the way to speed, around the end of a minute, on the way to standstill."""
    for _ in range(rng.randint(3, 8)):
        low, high = rng.choice(((-5.0, 0.5), (0.0, 60.0), (58.5, 60.5), (58.5, 60.5), (59.0, 76.0)))
        aim_second = round(rng.uniform(low, high), 3)
        schedule.blows.append(Blow(aim_second=aim_second, jitter_real_second=_jitter(rng), away_second=_away(rng)))


def kills_in_the_last_run(rng: random.Random, schedule: MillSchedule) -> None:
    """kill -9 again and again in the last minute: nothing comes after it that could make up for what was too long."""
    for _ in range(rng.randint(1, 5)):
        aim_second = round(rng.choice((rng.uniform(-5.0, 60.0), rng.uniform(54.0, 60.0))), 3)
        blow = Blow(aim_second=aim_second, at_last_run=True, jitter_real_second=_jitter(rng), away_second=_away(rng))
        schedule.blows.append(blow)


def crash_loop(rng: random.Random, schedule: MillSchedule) -> None:
    """The daemon dies while the blade turns, and each next one as soon as it has spoken to the drive."""
    schedule.blows.append(Blow(_after(rng, 4 * CYCLE_SECOND)))
    for _ in range(rng.randint(1, 3)):
        restart_second = round(rng.uniform(0.3, LOSS_STOP_SECOND - 1.1), 3)
        schedule.blows.append(Blow(aim_second=round(rng.uniform(0.0, 55.0), 3), away_second=restart_second))
        for _ in range(rng.randint(2, 12)):
            if rng.random() < 0.9:
                blow = Blow(CYCLE_SECOND, crash_at="gaps_noted", away_second=restart_second)
            else:
                blow = Blow(young_real_second=rng.uniform(0.0, 0.4), away_second=restart_second)
            schedule.blows.append(blow)


def crash_points(rng: random.Random, schedule: MillSchedule) -> None:
    """The daemon dies at a place in its own work."""
    for _ in range(rng.randint(4, 9)):
        point = rng.choice(POINTS)
        passage = rng.randint(1, 250) if point in OFTEN else rng.randint(1, 4)
        schedule.blows.append(Blow(5 * CYCLE_SECOND, crash_at=f"{point}:{passage}", away_second=_away(rng)))


def long_away(rng: random.Random, schedule: MillSchedule) -> None:
    """Nobody is there for longer than a mill may go on by itself after."""
    blow = Blow(_after(rng, 4 * CYCLE_SECOND), away_second=round(rng.uniform(ALONE_SECOND + 1, 1000.0), 3))
    schedule.blows.insert(rng.randint(0, len(schedule.blows)), blow)


def _moment(rng: random.Random) -> float:
    return _after(rng, 16 * CYCLE_SECOND)


def _cable(cable: str) -> Planner:
    def plan(rng: random.Random, schedule: MillSchedule) -> None:
        for _ in range(rng.randint(1, 3)):
            span = rng.choice(((0.3, 6.0), (6.0, 25.0)))
            kind = rng.choice(("cut", "mute", "late", "garble", "parity", "half", "stale", "freeze"))
            fault: dict[str, Any] = {"cable": cable, "kind": kind, "for_second": round(rng.uniform(*span), 3)}
            if kind == "late":
                fault["real_second"] = rng.choice((0.1, 0.6))
            if kind in {"garble", "parity"}:
                fault["seed"] = rng.randrange(1000)
            schedule.faults.append(fault | {"at_second": _moment(rng)})

    plan.__doc__ = f"The cable of the {cable} is cut or lies, for a while."
    return plan


def drive_power(rng: random.Random, schedule: MillSchedule) -> None:
    """The drive loses its power for a moment, with its command, its speed and its trip."""
    schedule.faults += [
        {"cable": "mill_drive", "kind": "power_cycle", "at_second": _moment(rng)} for _ in range(rng.randint(1, 2))
    ]


def drive_trip(rng: random.Random, schedule: MillSchedule) -> None:
    """Somebody opens the lid for a while, or the drive trips."""
    kind, for_second = rng.choice((("lid", round(rng.uniform(1.0, 60.0), 3)), ("trip", 1.0)))
    at_second = _moment(rng)
    schedule.faults.append({"cable": "mill_drive", "kind": kind, "at_second": at_second, "for_second": for_second})


def chiller_wrong(rng: random.Random, schedule: MillSchedule) -> None:
    """The chiller is off, alarms, lacks liquid, says nothing, or its probe breaks, for a while."""
    kinds: tuple[dict[str, Any], ...] = (
        {"kind": "off"},
        {"kind": "alarm", "codes": [2]},
        {"kind": "low_level"},
        {"kind": "silent"},
        {"kind": "break_wire"},
    )
    fault = rng.choice(kinds) | {"for_second": round(rng.uniform(1.0, 60.0), 3), "at_second": _moment(rng)}
    schedule.faults.append({"cable": "chiller"} | fault)


def chiller_power(rng: random.Random, schedule: MillSchedule) -> None:
    """The chiller loses its power for a moment, and with it its watchdog; it then stands by."""
    schedule.faults.append({"cable": "chiller", "kind": "power_cycle", "at_second": _moment(rng)})


DEATHS: dict[str, tuple[int, Planner]] = {
    "mill_kills": (4, kills),
    "mill_kills_in_a_row": (3, kills_in_a_row),
    "mill_kills_aimed": (4, kills_aimed),
    "mill_kills_last_run": (2, kills_in_the_last_run),
    "mill_crash_loop": (2, crash_loop),
    "mill_crash_points": (2, crash_points),
}
"""How often each is drawn, and what it plans; every seed has one of them."""
TROUBLES: dict[str, tuple[int, Planner]] = {
    "mill_long_away": (2, long_away),
    "mill_drive_cable": (4, _cable("mill_drive")),
    "mill_drive_power": (2, drive_power),
    "mill_drive_trip": (2, drive_trip),
    "mill_chiller_cable": (3, _cable("chiller")),
    "mill_chiller_wrong": (3, chiller_wrong),
    "mill_chiller_power": (1, chiller_power),
}
"""What comes besides in nearly half of the seeds."""
