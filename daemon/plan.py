"""The flat, checked plan of a run: what the engine walks through. Pure data; SI units; built by `compile.py`."""

from __future__ import annotations

import msgspec

CELL_STREAM = "cell"
"""The stream of the potentiostat's rows."""
PRESSURE_STREAM = "pressure"
TEMPERATURE_STREAM = "temperature"


class Interlock(msgspec.Struct, frozen=True, kw_only=True):
    """One bound on one quantity, checked on every block.

    `quantity` is what is bounded (`current_ampere`, `charge_passed_ampere_hour`, …); the bound is
    broken below `low` or above `high`. `action` is "warn", "hold" or "trip". `rows_needed` rows running must break
    it. `origin` says where the numbers come from: "default", "protocol" or "station".
    """

    name: str
    quantity: str
    low: float | None = None
    high: float | None = None
    action: str
    rows_needed: int = 1
    origin: str = "default"


class CurrentStep(msgspec.Struct, frozen=True, kw_only=True, tag="constant_current", tag_field="step_type"):
    """Constant current until a voltage, or a time.

    `until_time_second` is what the person wrote; `guard_time_second` bounds the step anyway. `half` is "charge" or
    "discharge"; `current_ampere` has its sign, `rate_C` is a magnitude, and None for a current given in ampere.
    `record` is how the step's rows are thinned when published or exported: `time_second`, `voltage_volt`,
    `current_ampere`.
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
    guard_time_second: float
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}


class Equilibration(msgspec.Struct, frozen=True, kw_only=True):
    """The jig within `within_kelvin` of a temperature for `for_second` on end. An end the host decides."""

    temperature_celsius: float
    within_kelvin: float
    for_second: float


class RestStep(msgspec.Struct, frozen=True, kw_only=True, tag="open_circuit_voltage", tag_field="step_type"):
    """Measure the open-circuit voltage for a time, or until the jig is at temperature. `record` as in `CurrentStep`.

    With `until_equilibrated` the time is a time-out, and `on_timeout` says what it means: "hold" or "continue".
    """

    step_id: str
    block: str
    line: int
    until_time_second: float
    until_equilibrated: Equilibration | None = None
    on_timeout: str = "hold"
    lower_guard_volt: float
    upper_guard_volt: float
    sampling_second: float
    cutoff_second: float
    record: dict[str, float] = {}


class SetStep(msgspec.Struct, frozen=True, kw_only=True, tag="set", tag_field="step_type"):
    """Give the chamber a setpoint; takes no time of its own and goes on when it reads back."""

    step_id: str
    block: str
    line: int
    temperature_celsius: float


class LoopStep(msgspec.Struct, frozen=True, kw_only=True, tag="loop", tag_field="step_type"):
    """Go back to step number `first` (from 0) until its body has been passed `passes` times in all."""

    step_id: str
    block: str
    line: int
    first: int
    passes: int


ExecutedStep = CurrentStep | RestStep | SetStep
PlanStep = ExecutedStep | LoopStep


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

    `needs` names the roles a rig must have besides, such as `chamber` for `set` and `thermometer` for an equilibration.
    """

    protocol_name: str
    steps: tuple[PlanStep, ...]
    cell: CellFacts
    lower_voltage_volt: float
    upper_voltage_volt: float
    cycle_starts_with: str
    interlocks: tuple[Interlock, ...]
    record: dict[str, float]
    needs: tuple[str, ...] = ()
