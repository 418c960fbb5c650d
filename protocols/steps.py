"""The steps people write, one model each, with one example each."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeGuard

from pydantic import Field, WithJsonSchema

from protocols.ends import BesideEnds, ChargeEnds, CurrentEnds, RestEnds, TimeEnd, VoltageEnd
from protocols.fields import (
    Celsius,
    Count,
    Current,
    Duration,
    Name,
    Number,
    Positive,
    Rate,
    Rates,
    Seconds,
    Strict,
    Text,
    by_default,
    needed,
    optional,
)
from protocols.limits import Limit, StopIf
from protocols.quantities import Frequency, Power, YesNo
from protocols.settings import Basis, OnLinkLoss, OnResume, Record, Safety, Window
from protocols.units import SECOND_PER_HOUR

DEFAULT_EQUILIBRATION_SECOND, DEFAULT_TIMEOUT_SECOND = 2 * SECOND_PER_HOUR, 6 * SECOND_PER_HOUR
EVER = "write `true` for a wait that nothing but its ends may end, however long it takes"
TIMEOUT = "after which the step ends even so, s"
ON_TIMEOUT = "`hold`: the run is held, for a person to look; `continue`: the next step begins"


class Placed(Strict):
    """Every step. `EXAMPLE` is one as people write it."""

    EXAMPLE: ClassVar[str] = ""

    id: Text | None = optional("its name in the data (default: its number and kind, such as `3-charge`)")


class Limited(Placed):
    """A step that limits may end."""

    limits: list[Limit] | None = optional("what ends the step and where to go then: below; the first that is met")


class Measured(Limited):
    """A step that measures; what it says of these goes before what the top of the file says."""

    sampling_s: Positive | None = optional("how often a row is measured and stored, s")
    cutoff_s: Positive | None = optional("how often limits are tested, s; divides `sampling_s`")
    record: Record | None = optional("which rows are exported")
    window: Window | None = optional("the voltages of this step")
    safety: Safety | None = optional("what stops the run in this step")
    on_resume: OnResume | None = optional("how to go on after an interruption in this step")
    on_link_loss: OnLinkLoss | None = optional("what a silent link means in this step")


class Directed(Strict):
    """A step whose current has a sign. `signed` is what gives it one."""

    @property
    def signed(self) -> float | None:
        """Above 0 for a charge; None when the step says no current."""
        raise NotImplementedError

    @property
    def half(self) -> str:
        """Which way the current flows: "charge" or "discharge"."""
        signed = self.signed
        return "charge" if signed is not None and signed > 0 else "discharge"


class ConstantCurrent(ChargeEnds, VoltageEnd, Measured, Directed):
    """A current until the first of its ends. `rate_C` wins over `current_mA`."""

    EXAMPLE: ClassVar[str] = """\
- {step: constant_current, rate_C: C/10, until_voltage_V: 3.7, until_time: 12 h}
- {step: constant_current, current_mA: -0.15, until_voltage_V: 2.0}
"""
    step: Literal["constant_current"]
    rate_C: Rate | None = optional("the current as a C-rate, above 0 for charge; wins over `current_mA`")
    current_mA: Current | None = optional("the current, mA, above 0 for charge")
    current_density_mA_cm2: Current | None = optional("the current by the area of the jig, mA/cm², above 0 for charge")
    c_rate_basis: Basis | None = optional("whose capacity `rate_C` is of, in this step")

    @property
    def signed(self) -> float | None:
        """Above 0 for a charge; None when the step says no current."""
        said = (self.rate_C, self.current_mA, self.current_density_mA_cm2)
        return next((value for value in said if value is not None), None)


class ConstantVoltage(ChargeEnds, CurrentEnds, Measured):
    """A voltage, until the current has fallen or another end is met."""

    EXAMPLE: ClassVar[str] = """\
- {step: constant_voltage, voltage_V: 3.7, until_rate_C: C/20, until_time: 2 h}
"""
    step: Literal["constant_voltage"]
    voltage_V: Number = needed("V against the reference electrode")
    c_rate_basis: Basis | None = optional("whose capacity `until_rate_C` is of, in this step")


class ConstantPower(ChargeEnds, VoltageEnd, Measured, Directed):
    """A power until the first of its ends."""

    EXAMPLE: ClassVar[str] = """\
- {step: constant_power, power_mW: -5, until_voltage_V: 2.0, until_energy_mWh: 3}
"""
    step: Literal["constant_power"]
    power_mW: Power = needed("mW, above 0 for charge")

    @property
    def signed(self) -> float:
        """Above 0 for a charge."""
        return self.power_mW


class OpenCircuitVoltage(RestEnds, Measured):
    """No current, until the first of its ends.

    On a rig without a potentiostat it only lets time pass: load cell and thermometer record.
    """

    EXAMPLE: ClassVar[str] = """\
- {step: open_circuit_voltage, until_time: 10 h}
- {step: open_circuit_voltage, id: cool, until_time_s: 7200, temperature_C: 25, record: {time_s: 60}}
- {step: open_circuit_voltage, id: settle, until_dVdt_mV_h: 1, until_time: 12 h}
"""
    step: Literal["open_circuit_voltage"]
    temperature_C: Celsius | None = optional("given to the chamber when the step begins, °C; nothing waits for it")
    unbounded: YesNo | None = optional(EVER)


class Settle(Strict):
    """What to wait for before impedance is measured."""

    max_dVdt_mV_h: Positive = needed("the open-circuit voltage changes no faster, either way, mV/h")
    timeout_s: Seconds | None = optional("after which it is measured even so, and called unsettled, s")
    timeout: Duration | None = optional("the same with its unit")


class ImpedanceSpectroscopy(Measured):
    """Impedance over frequency, at open circuit or at a bias. `amplitude_V` or `amplitude_mA`, rms."""

    EXAMPLE: ClassVar[str] = """\
- {step: impedance_spectroscopy, amplitude_V: 0.01, start_frequency_Hz: 200000, end_frequency_Hz: 0.1}
"""
    step: Literal["impedance_spectroscopy"]
    amplitude_V: Positive | None = optional("of the voltage, V rms")
    amplitude_mA: Positive | None = optional("of the current, mA rms")
    start_frequency_Hz: Frequency = needed("the first frequency, Hz")
    end_frequency_Hz: Frequency = needed("the last frequency, Hz")
    points_per_decade: Count = by_default(10, "frequencies per decade")
    measures_per_point: Count = by_default(1, "measurements averaged at each frequency")
    drift_correction: YesNo | None = by_default(
        default=False, description="corrects for drift; takes twice as many measurements"
    )
    bias_voltage_V: Number | None = optional("hold this voltage; without a bias it is measured at open circuit")
    bias_current_mA: Current | None = optional("hold this current")
    settle: Settle | None = optional("wait until the voltage is still: `max_dVdt_mV_h`, `timeout_s` or `timeout`")
    quality: list[Literal["kk"]] | None = optional("tests of the spectrum: `kk`, Kramers-Kronig")


class VoltageScan(Measured):
    """A voltage that goes from one value to another at a steady rate."""

    EXAMPLE: ClassVar[str] = """\
- {step: voltage_scan, start_voltage_V: 2.0, end_voltage_V: 3.7, scan_rate_mV_per_s: 1}
"""
    step: Literal["voltage_scan"]
    start_voltage_V: Number = needed("V against the reference electrode")
    end_voltage_V: Number = needed("V; below the start for a scan downwards")
    scan_rate_mV_per_s: Positive = needed("mV/s, above 0 either way")


class SetTemperature(Placed):
    """Gives a chamber or a chiller its setpoint, and goes on as soon as it reads back."""

    EXAMPLE: ClassVar[str] = """\
- {step: set, temperature_C: 25}
"""
    step: Literal["set"]
    role: Literal["chamber", "chiller"] = by_default("chamber", "what is set")
    temperature_C: Celsius = needed("°C, and below the interlock on the jig's temperature")


class Equilibrate(Measured):
    """Gives the chamber a setpoint, and rests until the jig's own sensor has been near it for some time on end.

    The air of a chamber is there long before the cell. Expands into `set` and `open_circuit_voltage`.
    """

    EXAMPLE: ClassVar[str] = """\
- {step: equilibrate, id: warm, temperature_C: 55, within_C: 0.5, for: 2 h, timeout: 6 h, on_timeout: hold}
"""
    step: Literal["equilibrate"]
    temperature_C: Celsius = needed("°C, and below the interlock on the jig's temperature")
    within_C: Positive = by_default(0.5, "how near, K either way")
    for_s: Seconds | None = optional("how long on end, s (default 2 h)")
    for_: Duration | None = Field(default=None, alias="for", description="the same with its unit")
    timeout_s: Seconds | None = optional(f"{TIMEOUT}; not below `for` (default 6 h)")
    timeout: Duration | None = optional("the same with its unit")
    on_timeout: Literal["hold", "continue"] = by_default("hold", ON_TIMEOUT)

    @property
    def for_second(self) -> float:
        """How long the jig must have been at temperature."""
        return self.for_s or self.for_ or DEFAULT_EQUILIBRATION_SECOND

    @property
    def timeout_second(self) -> float:
        """After which the step ends even so."""
        return self.timeout_s or self.timeout or DEFAULT_TIMEOUT_SECOND


class WaitFor(BesideEnds, Limited):
    """Waits with the cell left alone, for a time, or for what a sensor says. Nothing of the cell is measured."""

    EXAMPLE: ClassVar[str] = """\
- {step: wait_for, until_time: 90 s}
- {step: wait_for, role: chiller, temperature_C: 15, within_C: 1, for: 2 min, timeout: 1 h}
"""
    step: Literal["wait_for"]
    role: Literal["thermometer", "chamber", "chiller"] = by_default("thermometer", "whose temperature is meant")
    temperature_C: Celsius | None = optional("wait until the temperature is near this, °C")
    within_C: Positive = by_default(0.5, "how near, K either way")
    for_s: Seconds | None = optional("how long on end, s (default: at once)")
    for_: Duration | None = Field(default=None, alias="for", description="the same with its unit")
    timeout_s: Seconds | None = optional(TIMEOUT)
    timeout: Duration | None = optional("the same with its unit")
    on_timeout: Literal["hold", "continue"] = by_default("hold", ON_TIMEOUT)
    unbounded: YesNo | None = optional(EVER)

    @property
    def for_second(self) -> float:
        """How long the temperature must have been near; 0 is at once."""
        return self.for_s or self.for_ or 0.0

    @property
    def timeout_second(self) -> float | None:
        """After which the step ends even so; None when nothing ends it then."""
        return self.timeout_s if self.timeout_s is not None else self.timeout


class Mill(TimeEnd, Limited):
    """Runs the mill for a time."""

    EXAMPLE: ClassVar[str] = """\
- {step: mill, speed_rpm: 4000, until_time: 60 s}
"""
    step: Literal["mill"]
    speed_rpm: Positive = needed("revolutions per minute")


class Pause(Placed):
    """Brings the cell to open circuit, shows a text, and waits until a person says to go on."""

    EXAMPLE: ClassVar[str] = """\
- {step: pause, text: Tighten the jig to 5 N·m and write down the pressure}
"""
    step: Literal["pause"]
    text: Text = needed("what the person is to do")
    timeout_s: Seconds | None = optional("how long to wait, s (default: for ever)")
    timeout: Duration | None = optional("the same with its unit")
    on_timeout: Literal["hold", "continue"] = by_default("hold", ON_TIMEOUT)

    @property
    def timeout_second(self) -> float | None:
        """How long to wait for the person; None is for ever."""
        return self.timeout_s if self.timeout_s is not None else self.timeout


class AdvanceCycle(Placed):
    """Counts one cycle as complete, here. Needs `cycle: explicit` at the top."""

    EXAMPLE: ClassVar[str] = """\
- {step: advance_cycle}
"""
    step: Literal["advance_cycle"]


class CycleStep(Measured):
    """A charge and a discharge to the window's voltages, at each rate in turn.

    Short for `constant_current`, `constant_current`, `loop`.
    """

    EXAMPLE: ClassVar[str] = """\
- {step: cycle, id: formation, rate_C: 0.1}
- {step: cycle, id: life, rate_C: 2, cycle_count: 1000, stop_if: {retention_percent: "< 60", relative_to: first}}
"""
    step: Literal["cycle"]
    rate_C: Rates = needed("one C-rate or a list, above 0")
    cycle_count: Count = by_default(1, "passes at each rate")
    stop_if: StopIf | None = optional("leaves the step when the cycle just completed is so: below")
    c_rate_basis: Basis | None = optional("whose capacity `rate_C` is of, in this step")


class Tag(Placed):
    """A place to loop to, or to go to. The steps after it are a block of its name."""

    EXAMPLE: ClassVar[str] = """\
- {step: tag, tag: again}
- {step: constant_current, rate_C: 0.5, until_time: 1 min}
- {step: open_circuit_voltage, until_time: 1 h}
- {step: loop, loop_to: again, cycle_count: 20}
"""
    step: Literal["tag"]
    tag: Name = needed("the name of the place")


Place = Annotated[Any, WithJsonSchema({"type": ["integer", "string"]})]


class Loop(Limited):
    """Goes back to `loop_to` until its body was passed `cycle_count` times in all. Loops may stand in loops."""

    EXAMPLE: ClassVar[str] = """\
- {step: tag, tag: again}
- {step: constant_current, rate_C: 2, until_voltage_V: 3.7}
- {step: constant_current, rate_C: -2, until_voltage_V: 2.0}
- step: loop
  loop_to: again
  cycle_count: 1000
  limits:
    - {when: [{var: coulombic_efficiency_percent, op: "<", value: 95}], consecutive: 5, goto: final}
- {step: tag, tag: final}
- {step: constant_current, rate_C: 0.1, until_voltage_V: 3.7}
"""
    step: Literal["loop"]
    loop_to: Place = by_default(1, "a tag, or the number of a step counted from 1, above the loop")
    cycle_count: Count = needed("passes **in all**, as in unicycler")


class BrokenStep(Strict):
    """A step with an error, or one that waits for an input, kept so that the others can be checked.

    `step` is None when not even that was said.
    """

    step: str | None = None


Rest = OpenCircuitVoltage | Equilibrate
Step = (
    ConstantCurrent
    | ConstantVoltage
    | ConstantPower
    | Rest
    | ImpedanceSpectroscopy
    | VoltageScan
    | SetTemperature
    | WaitFor
    | Mill
    | Pause
    | AdvanceCycle
    | CycleStep
    | Tag
    | Loop
    | BrokenStep
)
STEP_MODELS: dict[str, type[Placed]] = {
    "constant_current": ConstantCurrent,
    "constant_voltage": ConstantVoltage,
    "constant_power": ConstantPower,
    "open_circuit_voltage": OpenCircuitVoltage,
    "impedance_spectroscopy": ImpedanceSpectroscopy,
    "voltage_scan": VoltageScan,
    "set": SetTemperature,
    "equilibrate": Equilibrate,
    "wait_for": WaitFor,
    "mill": Mill,
    "pause": Pause,
    "advance_cycle": AdvanceCycle,
    "cycle": CycleStep,
    "tag": Tag,
    "loop": Loop,
}
LATER_STEPS = frozenset({"constant_resistance"})
"""Known to other programs, and not to this language."""


def is_step(model: Strict) -> TypeGuard[Step]:
    """Whether a model is that of a step."""
    return isinstance(model, Step)
