"""Small plans, and the rows and blocks that could come of them."""

from typing import Any

import msgspec

from daemon.events import BlockSummary, Breach, ReadingsSummary, Row
from daemon.plan import (
    CellFacts,
    Condition,
    CurrentStep,
    Equilibration,
    Interlock,
    Limit,
    LinkLoss,
    LoopStep,
    Plan,
    PlanStep,
    RestStep,
    ResumePolicy,
    SetStep,
    VoltageStep,
    WaitStep,
)

CELL = CellFacts(
    name="c1",
    active_mass_gram=0.02,
    active_mass_uncertainty_gram=None,
    one_C_ampere=0.004,
    reference_electrode="In/InLi",
    reference_offset_volt=0.62,
)
CHARGE_LIMIT_VOLT = 3.7
DISCHARGE_LIMIT_VOLT = 2.0


def charge(step_id: str = "charge", **changed: Any) -> CurrentStep:
    """A charge at 0.4 mA to 3.7 V, guarded at 54 000 s and 1.9 … 3.8 V."""
    fields: dict[str, Any] = {
        "step_id": step_id,
        "block": "formation",
        "line": 1,
        "half": "charge",
        "rate_C": 0.1,
        "current_ampere": 0.0004,
        "current_range_ampere": 0.001,
        "until_voltage_volt": CHARGE_LIMIT_VOLT,
        "until_time_second": None,
        "guard_time_second": 54000.0,
        "lower_guard_volt": 1.9,
        "upper_guard_volt": 3.8,
        "sampling_second": 1.0,
        "cutoff_second": 1.0,
    }
    return CurrentStep(**fields | changed)


def discharge(step_id: str = "discharge", **changed: Any) -> CurrentStep:
    """A discharge at 0.4 mA to 2.0 V."""
    fields = {"half": "discharge", "current_ampere": -0.0004, "until_voltage_volt": DISCHARGE_LIMIT_VOLT}
    return charge(step_id, **fields | changed)


def rest(step_id: str = "rest", **changed: Any) -> RestStep:
    """A rest of 3600 s, guarded at 1.0 … 3.8 V."""
    fields: dict[str, Any] = {
        "step_id": step_id,
        "block": "formation",
        "line": 1,
        "until_time_second": 3600.0,
        "lower_guard_volt": 1.0,
        "upper_guard_volt": 3.8,
        "sampling_second": 10.0,
        "cutoff_second": 1.0,
    }
    return RestStep(**fields | changed)


def hold(step_id: str = "hold", half: str = "charge", **changed: Any) -> VoltageStep:
    """The voltage held after a half-cycle, which goes on with it."""
    step = VoltageStep(
        step_id=step_id,
        block="formation",
        line=1,
        half=half,
        extends=True,
        voltage_volt=3.7 if half == "charge" else 2.0,
        current_limit_ampere=1e-4,
        current_range_ampere=1e-3,
        until_current_ampere=1e-5,
        until_time_second=None,
        guard_time_second=3600.0,
        lower_guard_volt=1.9,
        upper_guard_volt=3.8,
        sampling_second=10.0,
        cutoff_second=0.5,
    )
    return msgspec.structs.replace(step, **changed)


def equilibrate(step_id: str = "equilibrate", **changed: Any) -> RestStep:
    """A rest until the jig is within 55 ± 0.5 °C for 7200 s, six hours at most."""
    wanted = Equilibration(temperature_celsius=55.0, within_kelvin=0.5, for_second=7200.0)
    return rest(step_id, **{"until_equilibrated": wanted, "until_time_second": 21600.0} | changed)


def setting(step_id: str = "set", temperature_celsius: float = 55.0) -> SetStep:
    """A setpoint for the chamber."""
    return SetStep(step_id=step_id, block="formation", line=1, temperature_celsius=temperature_celsius)


def loop(first: int, passes: int, step_id: str = "loop") -> LoopStep:
    """A loop back to step number `first`, `passes` passes in all."""
    return LoopStep(step_id=step_id, block="formation", line=1, first=first, passes=passes)


def interlock(name: str, action: str = "trip", **changed: Any) -> Interlock:
    """An interlock on voltage under current above 4 V, tripping at its first row."""
    fields: dict[str, Any] = {"quantity": "voltage_under_current_volt", "high": 4.0}
    return Interlock(name=name, action=action, **fields | changed)


PATIENT = LinkLoss(fail_second=1e9)
"""Nobody is asked, however long an instrument is silent."""
AT_ONCE = ResumePolicy(at_once_second=1e9, within_second=1e9)
"""However long nothing ran, the run goes on as if nothing had been."""


def plan(
    *steps: PlanStep,
    interlocks: tuple[Interlock, ...] = (),
    link: LinkLoss = LinkLoss(),  # noqa: B008  (frozen)
    resume: ResumePolicy = ResumePolicy(),  # noqa: B008  (frozen)
) -> Plan:
    """A plan of these steps for the cell above."""
    return Plan(
        protocol_name="p",
        steps=steps,
        cell=CELL,
        lower_voltage_volt=DISCHARGE_LIMIT_VOLT,
        upper_voltage_volt=CHARGE_LIMIT_VOLT,
        cycle_starts_with="charge",
        interlocks=interlocks,
        record={},
        link=link,
        resume=resume,
    )


def row(elapsed_second: float = 0.0, voltage_volt: float | None = 3.0, current_ampere: float | None = 0.0004) -> Row:
    """One row."""
    return Row(elapsed_second=elapsed_second, voltage_volt=voltage_volt, current_ampere=current_ampere)


def block(first_seq: int, rows: int, last: Row, breaches: tuple[Breach, ...] = (), **changed: Any) -> BlockSummary:
    """The summary of `rows` rows that end with `last`."""
    fields: dict[str, Any] = {
        "stream": "cell",
        "first": row(),
        "last_reading": last,
        "lowest_voltage_volt": 3.0,
        "highest_voltage_volt": 3.5,
        "charge_in_ampere_hour": 0.0,
        "charge_out_ampere_hour": 0.0,
        "energy_in_watt_hour": 0.0,
        "energy_out_watt_hour": 0.0,
        "rows_without_reading": 0,
    }
    return BlockSummary(
        first_seq=first_seq, last_seq=first_seq + rows - 1, last=last, breaches=breaches, **fields | changed
    )


def jig_readings(
    first_second: float,
    last_second: float,
    *celsius: float,
    first_seq: int = 1,
    breaches: tuple[Breach, ...] = (),
    rows_without_reading: int = 0,
) -> ReadingsSummary:
    """The summary of as many readings of the jig's temperature as are given, and some rows without one."""
    rows = max(1, len(celsius) + rows_without_reading)
    name = "jig_temperature_celsius"
    return ReadingsSummary(
        stream="temperature",
        first_seq=first_seq,
        last_seq=first_seq + rows - 1,
        first_second=first_second,
        last_second=last_second,
        lowest={name: min(celsius)} if celsius else {},
        highest={name: max(celsius)} if celsius else {},
        last={name: celsius[-1]} if celsius else {},
        rows_without_reading=rows - len(celsius),
        unread={name: rows - len(celsius)} if rows > len(celsius) else {},
        breaches=breaches,
    )


def wait(step_id: str = "wait", **changed: Any) -> WaitStep:
    """A wait of 600 s with the cell left alone."""
    fields = {"until_time_second": 600.0, "sampling_second": 1.0}
    like = rest(step_id, **fields | changed)
    return WaitStep(**{name: getattr(like, name) for name in like.__struct_fields__})


def temperature_limit(operator: str, celsius: float, **changed: Any) -> Limit:
    """A limit on the jig's temperature."""
    condition = Condition(quantity="jig_temperature_celsius", operator=operator, value=celsius)
    return Limit(key="limits", when=(condition,), **changed)
