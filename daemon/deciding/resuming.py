"""Whether a run that was interrupted may go on, and how: the table of the bench's conventions. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from daemon.events import Row, SegmentRecord
from daemon.plan import MeasuredStep, MillStep, RestStep, ResumePolicy, ScanStep, VoltageStep
from protocols.units import megapascal, time_text

TURNAROUND_SECOND = 60.0
"""No segment for longer than this between two steps is an interruption."""
RESTED_SECOND = 3600.0
"""After so long at rest the voltage moves by less than what is compared."""
FRESH_SECOND = 60.0
"""An older reading of temperature or pressure says nothing of a moment."""
QUICK_SECOND = 3.0
"""A longer turnaround, and the step of voltage at a change of current no longer tells the resistance."""
LEAST_MILLING_SECOND = 0.5
"""Less than this is no use to let a blade turn for."""
RECOVERY = "/recovery"
"""Ends the id of the rest that comes before a step when its run was interrupted."""
HOW_EXPECTED = {"rested": "as at its last rest", "corrected": "by its last voltage, current and resistance"}
WHAT_TO_DO = "look at the cell; then `presscell resume RIG --unchecked`, `skip` or `stop`"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A value and the run time it was measured at."""

    second: float
    value: float


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What has been done of a step that was cut short; `began` as in `daemon.deciding.run_state.SegmentFold`."""

    elapsed_second: float
    charge_ampere_hour: float
    energy_watt_hour: float = 0.0
    began: dict[str, float] = {}


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The voltage that the cell should show at rest.

    `how` is "rested" (the last rest's) or "corrected" (the last under current, less that times the resistance).
    `ended_half` is the half that ended on its limit, "" if none did: from there it relaxes back, nobody knows how far.
    """

    volt: float
    how: str
    ended_half: str = ""


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the time in which no segment runs, or will be once the present one has ended.

    `since_second` is the end of the last segment, None before the first. `is_noted`: an interruption has begun, or may
    have; `pressure` and `jig` are then the last readings before it, None without any. `left_band`: the jig was seen out
    of its band since; `was_unseen`: for long nobody looked. `wanted` is the position of the equilibration that holds.
    `was_interrupted`: since the last half ended. `last` is the last reading of the cell, `resistance_ohm` that of the
    last discharge 10 s after it began: at the start of a charge the knee of the curve adds to it. `blade_off_second` is
    for how long nobody watched a mill, None when it was watched all the time since it was last cold;
    `milled_beyond_second` is how much longer than asked its blade may have turned, which the next run makes up for.
    """

    since_second: float | None = None
    is_noted: bool = False
    pressure: Reading | None = None
    jig: Reading | None = None
    left_band: bool = False
    was_unseen: bool = False
    wanted: int | None = None
    was_interrupted: bool = False
    expected: Expected | None = None
    last: Row | None = None
    resistance_ohm: float | None = None
    blade_off_second: float | None = None
    milled_beyond_second: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """What is known when a segment is to begin. `off_second`: how long none has run.

    `wanted` is the equilibration that holds, None without one; `jig_celsius` the jig's temperature now, None when it is
    not known; `left_band` and `was_unseen` as in `Idle`.
    """

    off_second: float
    wanted: RestStep | None = None
    jig_celsius: float | None = None
    left_band: bool = False
    was_unseen: bool = False

    def is_in_band(self, band_kelvin: float) -> bool:
        """Whether the jig is where it should be and was whenever seen; without an equilibration it may be anywhere."""
        if self.wanted is None or self.wanted.until_equilibrated is None:
            return True
        if self.left_band or self.jig_celsius is None:
            return False
        return abs(self.jig_celsius - self.wanted.until_equilibrated.temperature_celsius) <= band_kelvin


@dataclass(frozen=True)
class Go:
    """The segment may begin."""


@dataclass(frozen=True)
class Recover:
    """First this rest."""

    rest: RestStep


@dataclass(frozen=True)
class Ask:
    """A person must decide."""

    reason: str


@dataclass(frozen=True)
class Compared:
    """What is not as it was, and all that was compared or could not be, as a sentence."""

    failures: tuple[str, ...]
    said: str


def judge(policy: ResumePolicy, found: Interruption, *, asked: bool) -> Go | Recover | Ask:
    """What comes before the next segment. `asked`: a person has decided that the run is to go on."""
    if found.off_second <= TURNAROUND_SECOND:
        return Go()
    if not asked and policy.action == "hold":
        return Ask(f"nothing ran for {_about(found.off_second)}, and the protocol wants to be asked then; {WHAT_TO_DO}")
    if not asked and found.off_second > policy.within_second:
        longest = time_text(policy.within_second)
        return Ask(f"nothing ran for {_about(found.off_second)}, longer than {longest}; {WHAT_TO_DO}")
    in_band = found.is_in_band(policy.band_kelvin)
    if found.off_second <= policy.at_once_second and in_band:
        return Go()
    wanted = found.wanted
    if wanted is None or (in_band and not found.was_unseen):
        return Recover(policy.rest)
    rest = msgspec.structs.replace(
        policy.rest,
        until_equilibrated=wanted.until_equilibrated,
        until_time_second=wanted.until_time_second,
        on_timeout="hold",
    )
    return Recover(rest)


def compare(
    policy: ResumePolicy, idle: Idle, rested_volt: float | None, pressure: Reading | None, jig: Reading | None
) -> Compared:
    """Hold a cell at rest against what it was before the interruption. What cannot be compared is said.

    Args:
        policy: of the plan.
        idle: with what was known before.
        rested_volt: now; None when it was not read.
        pressure: now; None when there is no fresh reading.
        jig: its temperature now, likewise.
    """
    found = [_compare_voltage(policy, idle.expected, rested_volt), _compare_pressure(policy, idle, pressure, jig)]
    return Compared(
        failures=tuple(text for has_failed, text in found if has_failed), said="; ".join(text for _, text in found)
    )


def rest_of(step: MeasuredStep, cut: Cut) -> MeasuredStep | None:
    """What is left of a step that was cut short; None when nothing is.

    Only what time ends runs the rest of its time. A bound that was used up holds anew: a person has looked. A scan
    begins anew.
    """
    if isinstance(step, ScanStep):
        return step
    if isinstance(step, MillStep):
        unmilled_second = step.until_time_second - cut.elapsed_second
        enough = unmilled_second >= LEAST_MILLING_SECOND
        return msgspec.structs.replace(step, until_time_second=unmilled_second) if enough else None
    if isinstance(step, RestStep):
        if step.until_equilibrated is not None:
            return step
        left_second = _left_second(step, step.until_time_second, cut)
        return None if left_second is None else msgspec.structs.replace(step, until_time_second=left_second)
    guard_second = _left_second(step, step.guard_time_second, cut) or step.guard_time_second
    until_second = step.until_time_second
    left_second = None if until_second is None else _left_second(step, until_second, cut)
    if left_second is None and until_second is not None:
        if isinstance(step, VoltageStep) or step.until_voltage_volt is None:
            return None
        left_second = until_second
    left = msgspec.structs.replace(step, until_time_second=left_second, guard_time_second=guard_second)
    if isinstance(left, VoltageStep) or left.until_charge_ampere_hour is None:
        return left
    left_ampere_hour = left.until_charge_ampere_hour - abs(cut.charge_ampere_hour)
    return msgspec.structs.replace(left, until_charge_ampere_hour=left_ampere_hour) if left_ampere_hour > 0 else None


def shortened(step: MillStep, beyond_second: float) -> MillStep:
    """A run of the blade without what it has milled too long before."""
    return msgspec.structs.replace(step, until_time_second=max(0.0, step.until_time_second - beyond_second))


def resistance_ohm(before: Row | None, after: Row | None, gap_second: float) -> float | None:
    """From the change of current between two segments; None where it tells none."""
    if before is None or after is None or gap_second > QUICK_SECOND:
        return None
    if None in (before.voltage_volt, before.current_ampere, after.voltage_volt, after.current_ampere):
        return None
    change_ampere = (after.current_ampere or 0.0) - (before.current_ampere or 0.0)
    if not change_ampere:
        return None
    resistance = ((after.voltage_volt or 0.0) - (before.voltage_volt or 0.0)) / change_ampere
    return resistance if resistance > 0 else None


def expected_voltage(record: SegmentRecord, last: Row | None, resistance_ohm: float | None) -> Expected | None:
    """What the cell should show at rest after a segment; None when nothing tells."""
    if last is None or last.voltage_volt is None or last.current_ampere is None:
        return None
    if record.half is None:
        lasted_second = record.end_run_time_second - record.start_run_time_second
        return Expected(volt=last.voltage_volt, how="rested") if lasted_second >= RESTED_SECOND else None
    if resistance_ohm is None:
        return None
    volt = last.voltage_volt - last.current_ampere * resistance_ohm
    return Expected(volt=volt, how="corrected", ended_half=record.half if record.ended_by == "voltage" else "")


def _compare_voltage(policy: ResumePolicy, expected: Expected | None, rested_volt: float | None) -> tuple[bool, str]:
    if rested_volt is None:
        return False, "voltage not compared: none is read"
    if expected is None:
        return False, f"rested voltage {rested_volt:.3f} V, not compared: none at rest is known from before"
    beyond_volt = rested_volt - expected.volt
    bound = f"{HOW_EXPECTED[expected.how]}, ± {1000 * policy.within_volt:g} mV"
    text = f"rested voltage {rested_volt:.3f} V, {expected.volt:.3f} V expected ({bound})"
    match expected.ended_half:
        case "charge":
            has_failed = beyond_volt > policy.within_volt
        case "discharge":
            has_failed = beyond_volt < -policy.within_volt
        case _:
            has_failed = abs(beyond_volt) > policy.within_volt
    if expected.ended_half:
        text += f"; how far it relaxed from its {expected.ended_half} limit is not compared"
    return has_failed, text


def _compare_pressure(
    policy: ResumePolicy, idle: Idle, pressure: Reading | None, jig: Reading | None
) -> tuple[bool, str]:
    before, since_second = idle.pressure, idle.since_second
    if before is None or pressure is None:
        when = "from before" if before is None else "now"
        return False, f"pressure not compared: none is known {when}"
    if since_second is None or abs(before.second - since_second) > FRESH_SECOND:
        return False, "pressure not compared: it was last read long before the current went off"
    if idle.jig is None or jig is None:
        return False, "pressure not compared: the jig's temperature is not known"
    if abs(idle.jig.value - jig.value) > policy.band_kelvin:
        return False, f"pressure not compared: the jig was at {idle.jig.value:.1f} °C and is at {jig.value:.1f} °C"
    changed = pressure.value / before.value - 1 if before.value else math.inf
    text = f"pressure {megapascal(pressure.value):.3f} MPa, {megapascal(before.value):.3f} MPa before"
    return abs(changed) > policy.pressure_share, f"{text} (± {100 * policy.pressure_share:g} %)"


def _left_second(step: MeasuredStep, asked_second: float, cut: Cut) -> float | None:
    """What is left of a time, in whole cut-off intervals; None when that is less than a row."""
    left_second = asked_second - cut.elapsed_second
    if left_second < max(step.sampling_second, step.cutoff_second):
        return None
    return math.ceil(left_second / step.cutoff_second - 1e-6) * step.cutoff_second


def _about(second: float) -> str:
    return time_text(60.0 * round(second / 60)) if second >= 120 else time_text(round(second))
