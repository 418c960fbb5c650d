"""The promises about a mill, checked over what is left. Pure: evidence in, sentences out that name promises.

P1 safe · P2 no lost row · P3 no false row · P4 honest gap · P5 resume right; as in `tests.campaign.checker`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from daemon.deciding.run_state import Phase, Run
from daemon.engine import advance
from daemon.events import SegmentRecord
from daemon.plan import MillStep
from daemon.running.mill_logger import MillStatus
from tests.campaign.checker import Expected, numbered, order
from tests.campaign.evidence import Evidence
from tests.campaign.mill_schedule import (
    LOSS_STOP_SECOND,
    RUN_SECOND,
    RUNS,
    WATCHDOG_SECOND,
    MillSchedule,
)
from tests.campaign.mill_witness import Blade, Spoken, chiller_between, chiller_numbers, drive_words

STEPS = ("stable", *("mill", "rest") * RUNS)
LONGEST_RUN_SECOND = 60.5
LIMIT_CELSIUS = 25.0
SET_CELSIUS = 15.0
TOLERANCE_SECOND = 1e-5
LONGEST_STEP_SECOND = 1.6
"""Between two rows of a stream of one a second."""
SEEN_LATE_SECOND = 0.25
"""A blade that has come to its speed is seen so late, and counted from the look before."""
UNSEEN_SECOND = 2 * LOSS_STOP_SECOND
"""So much that nobody saw counts as milled, once a silence."""
EARLY_SECOND = 0.5
"""A run of the blade may be so much shorter than asked."""
CHILLER_OWN = frozenset({"off", "alarm", "low_level", "power_cycle"})
"""Faults with which a chiller does not cool, whoever is there."""


@dataclass(frozen=True)
class Outage:
    """From when to when nobody was there, in bench time."""

    began_second: float
    ended_second: float


@dataclass(frozen=True)
class Allowed:
    """What a seed's schedule allows. `silences` are when a cable or the drive itself was faulty."""

    outages: tuple[Outage, ...]
    may_be_held: bool
    rest_second: float
    safe_celsius: float
    silences: tuple[Outage, ...]
    is_chiller_sound: bool

    @classmethod
    def by(cls, schedule: MillSchedule, outages: list[Outage]) -> "Allowed":
        """Of a schedule, and of how long nobody was there in fact."""
        of_drive = [fault for fault in schedule.faults if fault["cable"] == "mill_drive"]
        return cls(
            outages=tuple(outages),
            may_be_held=schedule.may_be_held,
            rest_second=schedule.rest_second,
            safe_celsius=schedule.safe_celsius,
            silences=tuple(
                Outage(fault["at_second"], fault["at_second"] + fault.get("for_second", 5.0)) for fault in of_drive
            ),
            is_chiller_sound=not any(
                fault["cable"] == "chiller" and fault["kind"] in CHILLER_OWN for fault in schedule.faults
            ),
        )


@dataclass(frozen=True)
class Known:
    """The run after each entry of its journal, in bench time."""

    second: float
    run: Run


def violations(evidence: Evidence, allowed: Allowed) -> list[str]:
    """All that is wrong."""
    blade, states = Blade(evidence.bench), _states(evidence)
    found = list(order(evidence, Expected(frozenset(), STEPS)))
    if evidence.run is not None and states[-1].run != evidence.run:
        found.append("P5 the journal, replayed, leads to another state than the one stored")
    for check in CHECKS:
        found += check(evidence, allowed, blade, states)
    return found


def _states(evidence: Evidence) -> list[Known]:
    run, states = Run(plan=evidence.plan), list[Known]()
    for entry in evidence.journal:
        run, _ = advance(run, entry.event, entry.run_time_second)
        states.append(Known(entry.run_time_second + evidence.zero_second, run))
    return states


def outcome(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Completed is what was milled in full; else it is held and says why."""
    ended = evidence.outcome
    if ended != "completed" and not (allowed.may_be_held and ended == "held"):
        yield f"P5 it ended as {ended} ({evidence.reason})"
    if ended == "held" and not evidence.reason:
        yield "P5 it is held without a reason"
    if ended != "completed":
        return
    if evidence.done != STEPS:
        yield f"P5 completed with steps {evidence.done}"
    silences = len(allowed.outages) + len(allowed.silences)
    least_second = RUNS * (RUN_SECOND - EARLY_SECOND) - UNSEEN_SECOND * silences
    if blade.at_speed_second < least_second:
        yield f"P5 completed with {blade.at_speed_second:.3f} s at speed, {least_second:.1f} s at least"
    counted_second = sum(record.milled_second or 0.0 for record in evidence.segments)
    if counted_second < RUNS * (RUN_SECOND - EARLY_SECOND):
        yield f"P5 completed with {counted_second:.3f} s counted"


def milled(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Never more than the recipe; no run too long; without a daemon no longer than the drive's own stop allows."""
    if blade.at_speed_second > RUNS * RUN_SECOND + TOLERANCE_SECOND:
        yield f"P1 {blade.at_speed_second:.3f} s at speed, the recipe has {RUNS * RUN_SECOND:.0f} s"
    for stretch in blade.stretches:
        apart = (*allowed.outages, *allowed.silences)
        is_apart = any(
            gap.began_second <= stretch.end_second and gap.ended_second >= stretch.begin_second for gap in apart
        )
        longest_second = RUN_SECOND + LOSS_STOP_SECOND if is_apart else LONGEST_RUN_SECOND
        if stretch.lasted_second > longest_second:
            yield f"P1 a run of {stretch.lasted_second:.3f} s at speed from {stretch.begin_second:.3f} s on"
    for outage in _without_lives(allowed.outages):
        alone_second = blade.at_speed_until(outage.ended_second) - blade.at_speed_until(outage.began_second)
        if alone_second > LOSS_STOP_SECOND + TOLERANCE_SECOND:
            yield f"P1 {alone_second:.3f} s at speed with nobody there, from {outage.began_second} s on"


def _without_lives(outages: tuple[Outage, ...]) -> list[Outage]:
    """Outages, those made one between which daemons lived for no bench time at all."""
    found: list[Outage] = []
    for outage in outages:
        goes_on = found and outage.began_second - found[-1].ended_second < TOLERANCE_SECOND
        began_second = found.pop().began_second if goes_on else outage.began_second
        found.append(Outage(began_second, outage.ended_second))
    return found


def warm(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """The vessel stays within its limit."""
    highest_celsius = max((line["highest_vessel_celsius"] for line in blade.lines), default=0.0)
    if highest_celsius > LIMIT_CELSIUS:
        yield f"P1 the vessel was at {highest_celsius:.2f} °C"


def cooled(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Once told to cool, the chiller cools while nobody is there; after its watchdog's time at the safe setpoint."""
    told = [entry.run_time_second + evidence.zero_second for entry in evidence.events("chamber_set")]
    if not told or not allowed.is_chiller_sound:
        return
    is_over = [known.second for known in states if known.run.phase is Phase.FINISHED]
    end_second = is_over[0] if is_over else math.inf
    for outage in allowed.outages:
        if not told[0] < outage.began_second < outage.ended_second < end_second:
            continue
        set_to = chiller_between(evidence.bench, outage.began_second, outage.ended_second)
        where = f"with nobody there, from {outage.began_second} s on"
        if not set_to or not all(line["runs"] for line in set_to):
            yield f"P1 the chiller does not run {where}"
        elif any(line["setpoint_celsius"] not in {SET_CELSIUS, allowed.safe_celsius} for line in set_to):
            yield f"P1 the chiller is set to {set_to[-1]['setpoint_celsius']} °C {where}"
        is_long = outage.ended_second - outage.began_second > WATCHDOG_SECOND + TOLERANCE_SECOND
        if is_long and set_to and set_to[-1]["setpoint_celsius"] != allowed.safe_celsius:
            yield f"P1 the chiller is not at its safe setpoint {where}"


def standing(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """The blade turns in a step of the mill alone, and stands while the run is held or over."""
    for at_second in blade.starts():
        before = [known for known in states if known.second <= at_second + TOLERANCE_SECOND]
        now = [known for known in before if known.second >= before[-1].second - TOLERANCE_SECOND]
        if not any(_mills(known.run) for known in now):
            yield f"P1 the blade begins to turn at {at_second} s, in no step of the mill"
    for known, following in pairwise([*states, Known(math.inf, states[-1].run)]):
        if known.run.phase not in (Phase.HOLDING, Phase.FINISHED):
            continue
        is_turning = blade.stands_from(known.second) > known.second + TOLERANCE_SECOND
        if is_turning and not blade.coasts_at(known.second):
            yield f"P1 the run is {known.run.phase} at {known.second} s and the blade turns"
            return
        turned = [second for second in blade.starts() if known.second < second < following.second - TOLERANCE_SECOND]
        if turned and known.run.phase is following.run.phase:
            yield f"P1 the run is {known.run.phase} and the blade begins to turn at {turned[0]} s"
    if blade.stands_from(math.inf) == math.inf:
        yield "P1 in the end the blade turns"


def _mills(run: Run) -> bool:
    is_active = run.phase in (Phase.STARTING, Phase.MEASURING) and run.recovery is None
    return is_active and isinstance(run.plan.steps[run.position], MillStep)


def counted(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Each second at speed is in a segment of the mill, which counts no less, and not much more."""
    within_second = 0.0
    for record in _milling(evidence):
        true_second = _true_second(evidence, blade, record, record.end_run_time_second)
        within_second += true_second
        said_second = record.milled_second or 0.0
        slack_second = SEEN_LATE_SECOND + UNSEEN_SECOND * _silences(evidence, allowed, record)
        if not true_second - TOLERANCE_SECOND <= said_second <= true_second + slack_second:
            yield f"P3 segment {record.segment} was at speed for {true_second:.3f} s and says {said_second:.3f} s"
    is_open = evidence.run is not None and not evidence.run.segment_ended
    if not is_open and abs(within_second - blade.at_speed_second) > TOLERANCE_SECOND:
        yield f"P3 {blade.at_speed_second:.3f} s at speed, {within_second:.3f} s of it in segments"


def rested(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Between two runs the blade stands for the whole rest."""
    for before, after in pairwise(_milling(evidence)):
        if after.continues:
            continue
        began_second = after.start_run_time_second + evidence.zero_second
        stood_second = began_second - blade.stands_from(began_second - TOLERANCE_SECOND)
        if stood_second < allowed.rest_second - 2 * TOLERANCE_SECOND:
            yield f"P5 {stood_second:.3f} s of rest between segments {before.segment} and {after.segment}"


def rows_of_drive(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Rows are numbered, in order, and each says what the drive said at that very second."""
    rows = evidence.streams["mill"]
    yield from numbered(rows, "mill")
    stored = [entry.event.summary for entry in evidence.events("readings_stored")]
    spans = [(summary.first_seq, summary.last_seq) for summary in stored if summary.stream == "mill"]
    if [first for first, _ in spans] != [1, *(last + 1 for _, last in spans[:-1])] or spans[-1][1] != len(rows):
        yield f"P2 the journal has other rows of the mill than the {len(rows)} that are there"
    second = rows["test_time_second"].to_numpy() + evidence.zero_second
    if np.any(np.diff(second) < 0):
        yield "P3 mill: times go back"
    status = rows["mill_status"].to_numpy().astype(int)
    is_read = (status & MillStatus.UNKNOWN) == 0
    if len(set(second[is_read])) != is_read.sum():
        yield f"P3 mill: {is_read.sum() - len(set(second[is_read]))} rows twice"
    words = drive_words(evidence.bench)
    said = Spoken((word.second, (round(word.rpm, 2), _status_of(word), word.has_fault)) for word in words)
    what = zip(rows["speed_rpm"].round(2), status, rows["drive_fault"].to_numpy() > 0, strict=True)
    read = zip(second.tolist(), what, is_read, strict=True)
    false = [(at_second, row) for at_second, row, is_one in read if is_one and not said.holds(at_second, row)]
    if false:
        yield f"P3 mill: {len(false)} rows that the drive did not say, the first {false[0]}"
    yield from _holes(evidence, blade, second, is_read)


def _status_of(word: Any) -> int:
    flags = (
        (MillStatus.RUNNING, word.is_turning),
        (MillStatus.AT_SPEED, word.is_at_speed),
        (MillStatus.STANDING, word.is_standing),
    )
    return sum(int(flag) for flag, is_so in flags if is_so)


def _holes(evidence: Evidence, blade: Blade, second: np.ndarray, is_read: np.ndarray) -> Iterator[str]:
    """None without a row that stands for it, but where a blade was being brought to standstill; one a life."""
    for place in np.flatnonzero(np.diff(second) > LONGEST_STEP_SECOND):
        if is_read[place] and is_read[place + 1] and not blade.slows_at(second[place] + 1.0):
            yield f"P4 mill: a hole without a gap row from {second[place]} to {second[place + 1]} s"
    is_noted = False
    for entry in evidence.journal:
        if entry.kind == "readings_stored" and entry.event.summary.rows_without_reading:
            is_noted = True
        elif entry.kind == "resumed":
            if not is_noted:
                yield f"P4 mill: no gap row before the run was taken up at {entry.run_time_second} s"
            is_noted = False


def rows_of_chiller(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """Temperatures are those that the chiller said, so long before as the row has it."""
    rows, said = evidence.streams["mill"], Spoken(chiller_numbers(evidence.bench))
    heard = rows["test_time_second"] + evidence.zero_second - rows["chiller_age_second"].fillna(0.0)
    is_told = rows["chiller_age_second"].notna()
    for column in ("vessel_temperature_celsius", "bath_temperature_celsius", "bath_setpoint_celsius"):
        read = zip(heard[is_told], rows[column][is_told], strict=True)
        false = [row for row in read if not math.isnan(row[1]) and not said.holds(*row)]
        if false:
            yield f"P3 mill: {len(false)} of {column} that the chiller did not say, the first {false[0]}"
    known = is_told & rows["vessel_temperature_celsius"].notna()
    wrong = rows[known & ((rows["vessel_age_second"] - rows["chiller_age_second"]).abs() > TOLERANCE_SECOND)]
    if len(wrong):
        row = wrong.iloc[0]
        yield (
            f"P3 mill: {len(wrong)} vessel temperatures are of another age than their row says,"
            f" the first {row['vessel_age_second']} s, in truth {row['chiller_age_second']} s"
        )


def rows_at_speed(evidence: Evidence, allowed: Allowed, blade: Blade, states: list[Known]) -> Iterator[str]:
    """What a row counts is no less than the blade has turned in its segment, and not much more."""
    rows, records = evidence.streams["mill"], _milling(evidence)
    counts = rows[rows["time_at_speed_second"].notna()]
    wrong = []
    for second, said_second in zip(counts["test_time_second"], counts["time_at_speed_second"], strict=True):
        of = [record for record in records if record.start_run_time_second <= second + TOLERANCE_SECOND]
        if not of:
            continue
        true_second = _true_second(evidence, blade, of[-1], second)
        slack_second = SEEN_LATE_SECOND + UNSEEN_SECOND * _silences(evidence, allowed, of[-1])
        if not true_second - TOLERANCE_SECOND <= said_second <= true_second + slack_second:
            wrong.append((second, said_second, true_second))
    if wrong:
        second, said_second, true_second = wrong[0]
        yield f"P3 {len(wrong)} rows, the first at {second} s counts {said_second:.3f} s, in truth {true_second:.3f} s"


def _milling(evidence: Evidence) -> list[SegmentRecord]:
    return [record for record in evidence.segments if record.milled_second is not None]


def _true_second(evidence: Evidence, blade: Blade, record: SegmentRecord, until_run_second: float) -> float:
    zero_second = evidence.zero_second
    begun_second = blade.at_speed_until(zero_second + record.start_run_time_second - TOLERANCE_SECOND)
    return blade.at_speed_until(zero_second + until_run_second) - begun_second


def _silences(evidence: Evidence, allowed: Allowed, record: SegmentRecord) -> int:
    begin_second = record.start_run_time_second + evidence.zero_second
    end_second = record.end_run_time_second + evidence.zero_second
    gaps = (*allowed.outages, *allowed.silences)
    return sum(gap.began_second <= end_second and gap.ended_second >= begin_second for gap in gaps)


Check = Callable[[Evidence, Allowed, Blade, list[Known]], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    outcome,
    milled,
    warm,
    cooled,
    standing,
    counted,
    rested,
    rows_of_drive,
    rows_of_chiller,
    rows_at_speed,
)
