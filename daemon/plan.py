"""The flat, checked plan of a run: what the engine walks through. Pure data; SI units; built by `compile.py`."""

from __future__ import annotations

import msgspec

CELL_STREAM = "cell"
"""The stream of the potentiostat's rows."""
PRESSURE_STREAM = "pressure"
TEMPERATURE_STREAM = "temperature"
MILL_STREAM = "mill"


class Interlock(msgspec.Struct, frozen=True, kw_only=True):
    """One bound on one quantity, checked on every block.

    `quantity` is what is bounded (`current_ampere`, `charge_passed_ampere_hour`, …); the bound is
    broken below `low` or above `high`. `rows_needed` rows running must break it. `action` is "flag" (shown while it
    lasts), "warn", "hold_after_half" (finish the half-cycle, then hold), "hold" or "trip". `origin` says where the
    numbers come from: "default", "protocol" or "station".
    """

    name: str
    quantity: str
    low: float | None = None
    high: float | None = None
    action: str
    rows_needed: int = 1
    origin: str = "default"


CYCLE_QUANTITIES = frozenset(
    {
        *("cycles", "retention", "coulombic_efficiency", "cycle_charge_ampere_hour", "cycle_discharge_ampere_hour"),
        *("charge_capacity_mAh_g", "discharge_capacity_mAh_g"),
    }
)
"""Quantities of a condition that are known only when a cycle is complete."""
NEXT, END, PAUSE = "next", "end", "pause"
"""Where a limit may lead beside a step's position."""


class CycleReference(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle to compare with: the block's of this number; without a block the first of the same block and rate."""

    block: str | None = None
    cycle: int = 1


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity held against one value in SI. `operator` is `<`, `<=`, `>`, `>=` or `reaches`."""

    quantity: str
    operator: str
    value: float
    relative_to: CycleReference | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """An end the host decides: when all of `when` is met, the run goes to the position `goto`, or next, end or pause.

    `key` is the field it was written in, `path` the place in the file: what stands for one written limit in several
    steps is one limit. `consecutive` is in how many complete cycles running its conditions on cycles must be met;
    `at_most` how often it may fire in one run: after that the run goes to the next step instead. `then` is the position
    of that next step, None for the one right after. `begins` are the positions of the loops that have the step at
    `goto` as their first and begin anew when the run goes there.
    """

    key: str
    when: tuple[Condition, ...]
    goto: int | str = NEXT
    then: int | str | None = None
    begins: tuple[int, ...] = ()
    path: str = ""
    consecutive: int = 1
    at_most: int | None = None


class CapacityBasis(msgspec.Struct, frozen=True, kw_only=True):
    """Whose measured capacity 1 C is: that of a block's cycle of this number.

    `measured` is "discharge_capacity" or "charge_capacity". The step is planned for 1 C of `instead_of_ampere`; what is
    measured must lie between `least_share` and `most_share` of that. `ranges_ampere` are those of the instrument.
    """

    block: str
    cycle: int
    measured: str
    instead_of_ampere: float
    least_share: float
    most_share: float
    ranges_ampere: tuple[float, ...] = ()


class CurrentStep(msgspec.Struct, frozen=True, kw_only=True, tag="constant_current", tag_field="step_type"):
    """Constant current until a voltage, a time, a charge, or one of `limits`.

    `until_time_second` is what the person wrote; `guard_time_second` bounds the step anyway.
    `until_charge_ampere_hour` is a magnitude, and runs in the instrument as a time. `half` is "charge" or
    "discharge"; `current_ampere` has its sign, `rate_C` is a magnitude, and None for a current given in ampere.
    `record` is how the step's rows are thinned when they are exported: `time_second`, `voltage_volt`,
    `current_ampere`, `surface_pressure_pa`, `jig_temperature_celsius`; `record_first` are other times than
    `time_second`, each up to a second of the step. `interlocks` are tighter than the plan's of the same names, and go
    before them; so do `resume` and `link` where they are not None.
    """

    step_id: str
    block: str
    line: int
    half: str
    rate_C: float | None
    current_ampere: float
    current_range_ampere: float
    until_voltage_volt: float | None
    until_time_second: float | None
    until_charge_ampere_hour: float | None = None
    basis: CapacityBasis | None = None
    limits: tuple[Limit, ...] = ()
    guard_time_second: float
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}
    record_first: tuple[tuple[float, float], ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    resume: ResumePolicy | None = None
    link: LinkLoss | None = None

    @property
    def longest_second(self) -> float:
        """After which the instrument ends it whatever was measured: of the written time, the charge and the guard."""
        times = [self.guard_time_second]
        if self.until_time_second is not None:
            times.append(self.until_time_second)
        if self.until_charge_ampere_hour is not None:
            times.append(3600 * self.until_charge_ampere_hour / abs(self.current_ampere))
        return min(times)


class PowerStep(CurrentStep, frozen=True, kw_only=True, tag="constant_power", tag_field="step_type"):
    """Constant power until a voltage, a time, or one of `limits`; its current follows the measured voltage.

    `power_watt` has the sign of `current_ampere`, which is the largest current: that at the lowest voltage. A charge is
    no time here, so `until_charge_ampere_hour` is None, and so are `rate_C` and `basis`. The rest as in `CurrentStep`.
    """

    power_watt: float


class VoltageStep(msgspec.Struct, frozen=True, kw_only=True, tag="constant_voltage", tag_field="step_type"):
    """A constant voltage until the current has fallen, a time, or one of `limits`.

    The current is at most `current_limit_ampere` in size. With `extends` the step goes on with the half-cycle before
    it, of `half`; else `half` is None, and the sign of the charge tells it afterwards. The rest as in `CurrentStep`.
    """

    step_id: str
    block: str
    line: int
    half: str | None
    extends: bool
    voltage_volt: float
    current_limit_ampere: float
    current_range_ampere: float
    until_current_ampere: float | None
    until_time_second: float | None
    basis: CapacityBasis | None = None
    limits: tuple[Limit, ...] = ()
    guard_time_second: float
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}
    record_first: tuple[tuple[float, float], ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    resume: ResumePolicy | None = None
    link: LinkLoss | None = None

    @property
    def longest_second(self) -> float:
        """After which the instrument ends it whatever was measured."""
        return min(self.guard_time_second, self.until_time_second or self.guard_time_second)


class ScanStep(msgspec.Struct, frozen=True, kw_only=True, tag="voltage_scan", tag_field="step_type"):
    """A voltage that goes from one value to another, or until one of `limits`. The rest as in `VoltageStep`."""

    step_id: str
    block: str
    line: int
    start_voltage_volt: float
    end_voltage_volt: float
    scan_rate_volt_per_second: float
    current_limit_ampere: float
    current_range_ampere: float
    limits: tuple[Limit, ...] = ()
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}
    record_first: tuple[tuple[float, float], ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    resume: ResumePolicy | None = None
    link: LinkLoss | None = None

    @property
    def until_time_second(self) -> float:
        """How long it takes."""
        return abs(self.end_voltage_volt - self.start_voltage_volt) / self.scan_rate_volt_per_second

    @property
    def longest_second(self) -> float:
        """After which the instrument ends it whatever was measured."""
        return self.until_time_second + 2 * self.sampling_second


class Equilibration(msgspec.Struct, frozen=True, kw_only=True):
    """The jig within `within_kelvin` of a temperature for `for_second` on end. An end the host decides.

    `quantity` is what must be near it, where that is not the jig: `bath_temperature_celsius` for a chiller.
    """

    temperature_celsius: float
    within_kelvin: float
    for_second: float
    quantity: str = "jig_temperature_celsius"


class RestStep(msgspec.Struct, frozen=True, kw_only=True, tag="open_circuit_voltage", tag_field="step_type"):
    """Measure the open-circuit voltage for a time, until the jig is at temperature, or until one of `limits`.

    With `until_equilibrated`, or `is_timed_out`, the time is a time-out, and `on_timeout` says what it means: "hold" or
    "continue". `record` as in `CurrentStep`.
    """

    step_id: str
    block: str
    line: int
    until_time_second: float
    until_equilibrated: Equilibration | None = None
    limits: tuple[Limit, ...] = ()
    is_timed_out: bool = False
    on_timeout: str = "hold"
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}
    record_first: tuple[tuple[float, float], ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    resume: ResumePolicy | None = None
    link: LinkLoss | None = None


class WaitStep(RestStep, frozen=True, kw_only=True, tag="wait_for", tag_field="step_type"):
    """Leave the cell alone, at open circuit with the relay open: nothing of it is measured, and the host times it.

    With `is_timed_out` the time is a time-out; else it is an end as written, also beside `until_equilibrated`.
    """


class MillStep(WaitStep, frozen=True, kw_only=True, tag="mill", tag_field="step_type"):
    """Turn the blade of the mill, at `speed_rpm` for `until_time_second`; it has ended when the blade stands again.

    The time counts from when the drive says that the speed is reached, and only while it is.
    """

    speed_rpm: float


class SetStep(msgspec.Struct, frozen=True, kw_only=True, tag="set", tag_field="step_type"):
    """Give the chamber, or the chiller, a setpoint; takes no time of its own and goes on when it reads back."""

    step_id: str
    block: str
    line: int
    temperature_celsius: float
    role: str = "chamber"


class PauseStep(msgspec.Struct, frozen=True, kw_only=True, tag="pause", tag_field="step_type"):
    """Bring the cell to open circuit, show a text, and wait until a person lets the run go on.

    After `timeout_second` the run goes on by itself ("continue"), or is held on and says so ("hold").
    """

    step_id: str
    block: str
    line: int
    text: str
    timeout_second: float | None = None
    on_timeout: str = "hold"


class LoopStep(msgspec.Struct, frozen=True, kw_only=True, tag="loop", tag_field="step_type"):
    """Go back to step number `first` (from 0) until its body was passed `passes` times in all, or as a limit says."""

    step_id: str
    block: str
    line: int
    first: int
    passes: int
    limits: tuple[Limit, ...] = ()


class AdvanceStep(msgspec.Struct, frozen=True, kw_only=True, tag="advance_cycle", tag_field="step_type"):
    """Count one cycle as complete; takes no time."""

    step_id: str
    block: str
    line: int


DrivenStep = CurrentStep | PowerStep | VoltageStep | ScanStep
"""Steps in which a current may flow."""
MeasuredStep = DrivenStep | RestStep | WaitStep | MillStep
"""Steps that have a segment."""
ExecutedStep = MeasuredStep | SetStep | PauseStep
PlanStep = ExecutedStep | LoopStep | AdvanceStep


class LinkLoss(msgspec.Struct, frozen=True, kw_only=True):
    """What a silent instrument means: nobody is told for `mask_second`; after `fail_second` its run is held.

    `action` is what happens then: "hold", "end" (the run), or "continue" (only to try on).
    """

    mask_second: float = 10.0
    fail_second: float = 1800.0
    action: str = "hold"


RECOVERY_REST = RestStep(
    step_id="recovery",
    block="",
    line=0,
    until_time_second=60.0,
    lower_guard_volt=1.5,
    upper_guard_volt=3.8,
    sampling_second=1.0,
    cutoff_second=1.0,
)
"""The rest before a run that was interrupted goes on, where a protocol says nothing."""


class ResumePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What may happen by itself after an interruption: no segment ran although the plan was not done.

    Up to `at_once_second` with the jig within `band_kelvin` of its temperature the run goes on. Up to `within_second`
    it goes on after `rest`, or after the plan's equilibration when the jig left its band, if the rested voltage then
    lies within `within_volt` of the last rested or corrected one, and pressure within `pressure_share` of the last at
    that temperature. Else it is held. `action` is what becomes of a step that was cut short: "continue", "restart_step"
    or "next"; "hold" asks after every interruption.
    """

    action: str = "continue"
    at_once_second: float = 600.0
    within_second: float = 12 * 3600.0
    band_kelvin: float = 2.0
    within_volt: float = 0.05
    pressure_share: float = 0.05
    rest: RestStep = RECOVERY_REST


class CellFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What of the cell file a run needs: frozen when it starts.

    `one_C_ampere` is the current of 1 C; None when neither cell file nor protocol defines it and no step needs it.
    """

    name: str
    active_mass_gram: float
    active_mass_uncertainty_gram: float | None
    one_C_ampere: float | None
    reference_electrode: str
    reference_offset_volt: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol for one cell on one potentiostat model. `cycle_starts_with` is "charge" or "discharge".

    With `counts_explicitly` an `AdvanceStep` ends a cycle, and nothing else does.
    `needs` names the roles a rig must have besides, such as `chamber` for `set` and `thermometer` for an equilibration.
    `resume` and `link` are what an interruption and a silent instrument mean.
    """

    protocol_name: str
    steps: tuple[PlanStep, ...]
    cell: CellFacts
    lower_voltage_volt: float
    upper_voltage_volt: float
    cycle_starts_with: str
    counts_explicitly: bool = False
    interlocks: tuple[Interlock, ...]
    record: dict[str, float]
    needs: tuple[str, ...] = ()
    resume: ResumePolicy = ResumePolicy()
    link: LinkLoss = LinkLoss()
