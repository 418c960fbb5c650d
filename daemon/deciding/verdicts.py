"""What broken interlocks mean for a run: what is only told, what holds it after its half-cycle, what ends it. Pure."""

from __future__ import annotations

import msgspec
import numpy as np

from daemon.cycles.efficiency import Half, after_extension, after_half
from daemon.deciding.preflight import what_it_points_at
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.deciding.telling import warned
from daemon.events import Breach, SegmentRecord
from daemon.interlocks import observe, tripped
from daemon.plan import CurrentStep, DrivenStep, Interlock, MeasuredStep, PowerStep, RestStep
from daemon.plans.walk import is_extended
from daemon.rows.readings import AGES, PRESSURE, PRESSURE_CHANGE, TEMPERATURE_DEVIATION
from daemon.settling import RESTED_SECOND, Settled, after_segment
from drivers.roles import LEAST_POWER_VOLT

Verdict = tuple[Outcome, str]
START_VOLTAGE = "start_voltage_volt"
_NOT_IN_RECOVERY = frozenset({TEMPERATURE_DEVIATION, START_VOLTAGE})


def judged(run: Run, breaches: tuple[Breach, ...]) -> tuple[Run, Verdict | None]:
    """The run with what it is to remember of broken interlocks; and what it must do, for the gravest of them.

    A jig that is being brought back to its temperature is not held for being away from it; a rest that was put in to
    look at the cell judges its voltage itself.
    """
    gravest, after_half_text = None, ""
    for interlock, breach in tripped(run.interlocks, breaches):
        if interlock.quantity in _NOT_IN_RECOVERY and run.recovery is not None:
            continue
        text = _text(interlock, breach)
        if interlock.action == "warn":
            run = warned(run, interlock, text)
        elif interlock.action == "hold_after_half":
            after_half_text = after_half_text or text
        elif interlock.action != "flag" and gravest is None:
            gravest = (Outcome.TRIPPED if interlock.action == "trip" else Outcome.HELD, text)
    if gravest is None and after_half_text and not _is_in_half(run):
        gravest = (Outcome.HELD, after_half_text)
    elif after_half_text and not run.fold.hold_after_half:
        run = msgspec.structs.replace(run, fold=msgspec.structs.replace(run.fold, hold_after_half=after_half_text))
    return run, gravest


def silence(run: Run, quantity: str, age_second: float) -> tuple[Breach, ...]:
    """The interlocks on the age of a watched quantity that are broken when it has not been read for so long."""
    return observe(run.interlocks, {AGES[quantity]: np.array([age_second])}, {})


def after_record(run: Run, record: SegmentRecord) -> tuple[Run, Verdict | None]:
    """The run after a segment that ended as written, and how it must end: what its half-cycle says of the cell."""
    step, watch, lasted_second = run.step, run.watch, record.end_run_time_second - record.start_run_time_second
    is_rested = isinstance(step, RestStep) and lasted_second >= RESTED_SECOND
    last_volt = run.fold.last_reading.voltage_volt if run.fold.last_reading else None
    run = with_watch(
        run,
        settled=after_segment(watch.settled, step, record.ended_by, lasted_second),
        rested=(record.segment, last_volt) if is_rested and last_volt is not None else None,
    )
    run, efficiency = _after_half(run, step, record)
    if is_extended(run.plan, run.position) and run.goto is None:
        return run, None
    values = {name: np.array([percent]) for name, percent in efficiency.items()}
    run, verdict = judged(run, observe(run.interlocks, values, {}))
    if verdict is None and run.fold.hold_after_half:
        verdict = (Outcome.HELD, run.fold.hold_after_half)
    return run, verdict


def _after_half(run: Run, step: MeasuredStep, record: SegmentRecord) -> tuple[Run, dict[str, float]]:
    """What the charge of a half-cycle says of the cell, once its cycle is complete."""
    was_cut, charge_ampere_hour = record.continues or record.interrupted, abs(record.charge_ampere_hour)
    cycling, efficiency = run.watch.cycling, dict[str, float]()
    if record.extends and record.half is not None:
        cycling, efficiency = after_extension(cycling, record.half, charge_ampere_hour, interrupted=was_cut)
    elif isinstance(step, CurrentStep):
        one_C_ampere = run.plan.cell.one_C_ampere
        half = Half(
            half=step.half,
            current_ampere=abs(_asked_ampere(run, step)),
            rate_C=abs(step.current_ampere) / one_C_ampere if one_C_ampere else None,
            charge_ampere_hour=charge_ampere_hour,
            ended_by="interruption" if was_cut else record.ended_by,
        )
        cycling, efficiency = after_half(cycling, half, run.plan.cycle_starts_with)
    return with_watch(run, cycling=cycling), efficiency


def _asked_ampere(run: Run, step: CurrentStep) -> float:
    """The current; of a power the one at the window's lower voltage, so that both halves at one power are alike."""
    if isinstance(step, PowerStep):
        return step.power_watt / max(run.plan.lower_voltage_volt, LEAST_POWER_VOLT)
    return step.current_ampere


def unsettled(run: Run) -> Run:
    """The run once the jig is on its way to another temperature: nothing is left that deviations could count from."""
    return msgspec.structs.replace(with_watch(run, settled=Settled()), stream_carried_rows={})


def accepted(run: Run) -> Run:
    """The run when a person lets it go on: a pressure for which it would be held at once becomes the new baseline."""
    settled, last = run.watch.settled, run.readings.get(PRESSURE)
    if settled.pascal is None or last is None:
        return run
    change = {PRESSURE_CHANGE: np.array([100 * (last.value / settled.pascal - 1)])}
    broken = {breach.interlock for breach in observe(run.interlocks, change, {})}
    if not any(row.action == "hold" and row.name in broken for row in run.interlocks):
        return run
    return with_watch(run, settled=Settled(celsius=settled.celsius, is_due=True))


def listening_from(run: Run, now_second: float) -> Run:
    """The run from a moment on before which nobody listened: no silence is older than that."""
    tails = {
        quantity: msgspec.structs.replace(tail, read_second=now_second) for quantity, tail in run.watch.tails.items()
    }
    return with_watch(run, tails=tails)


def with_watch(run: Run, **changed: object) -> Run:
    """The run with changed fields of its watch."""
    return msgspec.structs.replace(run, watch=msgspec.structs.replace(run.watch, **changed))


def _text(interlock: Interlock, breach: Breach) -> str:
    text = f"{interlock.name}: {interlock.quantity} {breach.worst_value:.6g}"
    if interlock.quantity == START_VOLTAGE:
        text += f": {what_it_points_at(breach.worst_value, interlock.low)}"
    return text


def _is_in_half(run: Run) -> bool:
    """Whether a half-cycle is under way, which is better finished than broken off."""
    return run.phase is Phase.MEASURING and isinstance(run.step, DrivenStep)
