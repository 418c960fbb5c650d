"""What holds for a whole protocol or for one of its steps: window, record, safety, what to do after a gap."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from protocols.errors import BadValueError
from protocols.fields import (
    Celsius,
    Count,
    Duration,
    Name,
    NotNegative,
    Number,
    OrWord,
    Positive,
    Seconds,
    Strict,
    Text,
    by_default,
    needed,
    optional,
    shown,
)
from protocols.quantities import Every, Interval, Percent, YesNo

CELL_FILE = "cell_file"


class Window(Strict):
    """The voltages a cell is cycled between."""

    lower_voltage_V: Number = needed("V against `vs`")
    upper_voltage_V: Number = needed("V against `vs`")
    vs: Text | None = optional("the reference electrode, which must be that of the cell file")


def _intervals(value: object) -> object:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, list) or not value:
        raise BadValueError(f"{shown(value)} is no list of times", "write [0.1 s for 2 min, 1 s for 1 h, 10 s]")
    return value


def _one_open_end(value: list[Interval]) -> list[Interval]:
    if any(interval.for_second is None for interval in value[:-1]):
        raise BadValueError("what follows a time without for never comes", "write for how long, as in 1 s for 1 h")
    if value[-1].for_second is not None:
        raise BadValueError("does not say what holds afterwards", "end the list with a time alone, as in 10 s")
    return value


class Record(Strict):
    """Which rows are exported: one when any of these has passed or changed since the last.

    All rows are stored and published.
    """

    time_s: Positive | None = optional("s")
    time: Annotated[list[Every], AfterValidator(_one_open_end), BeforeValidator(_intervals)] | None = optional(
        "the same with its unit, also changing: `[0.1 s for 2 min, 1 s for 1 h, 10 s]`, counted from the step's start"
    )
    voltage_V: Positive | None = optional("V")
    current_mA: Positive | None = optional("mA")
    pressure_MPa: Positive | None = optional("stack pressure, MPa")
    temperature_C: Positive | None = optional("of the jig, K")


class Safety(Strict):
    """Bounds that warn, hold or trip the run: tighter than the defaults, or knowingly looser."""

    max_voltage_V: Number | None = optional("V")
    min_voltage_V: Number | None = optional("V")
    max_current_mA: Number | None = optional("mA")
    min_current_mA: Number | None = optional("mA, below 0 for a discharge")
    max_capacity_mAh: Positive | None = optional("charge of one half-cycle, mAh")
    max_start_voltage_V: Number | None = optional("of the cell at the start of the run, V")
    min_start_voltage_V: Number | None = optional("of the cell at the start of the run, V")
    max_voltage_drop_mV: Positive | None = optional("sudden, within 10 s of a charge, mV")
    min_efficiency_percent: NotNegative | None = optional("discharge over charge of a cycle, %")
    min_first_efficiency_percent: NotNegative | None = optional("discharge over charge of the first cycle, %")
    max_pressure_MPa: Positive | None = optional("stack pressure, MPa")
    min_pressure_MPa: NotNegative | None = optional("stack pressure, MPa")
    max_pressure_drop_MPa: Positive | None = optional("of stack pressure within 10 s, MPa")
    max_pressure_loss_percent: Positive | None = optional("of stack pressure below its baseline, %")
    warn_pressure_change_percent: Positive | None = optional("of stack pressure from its baseline, either way, %")
    max_temperature_C: Celsius | None = optional("of the jig, °C")
    max_temperature_deviation_C: Positive | None = optional("of the jig from where it was equilibrated, K")
    warn_temperature_deviation_C: Positive | None = optional("the same, K")
    warn_silent_s: Positive | None = optional("how long pressure and temperature may be silent, s")
    max_temperature_unknown_s: Positive | None = optional("how long the jig's temperature may be unknown, s")
    delay_s: NotNegative | None = optional("how long voltage and current may break theirs, s")


class Verify(Strict):
    """What must be as it was before the interruption."""

    max_dV_mV: Positive | None = optional("the rested voltage, against the last rested or corrected one, mV")
    max_pressure_change_percent: Percent | None = optional(
        "stack pressure, against the last at the same temperature, %"
    )
    max_temperature_change_C: Positive | None = optional("the jig's temperature, against its setpoint, K")
    same_sample: YesNo | None = optional("a person has said that it is still the same cell")


class OnResume(Strict):
    """How to go on after current was interrupted; a gap of the PC alone interrupts nothing."""

    within_s: Seconds | None = optional("how long the interruption may have lasted, s; after that the run is held")
    within: Duration | None = optional("the same with its unit")
    action: Literal["continue", "restart_step", "next", "hold"] = by_default(
        "continue", "what then: finish the step, do it again, leave it, or wait for a person"
    )
    rest_before_s: Seconds | None = optional("open circuit before it, s")
    rest_before: Duration | None = optional("the same with its unit")
    verify: Verify | None = optional("what must be as it was, else the run is held")

    @property
    def within_second(self) -> float | None:
        """How long the interruption may have lasted; None when the file does not say."""
        return self.within_s if self.within_s is not None else self.within

    @property
    def rest_before_second(self) -> float | None:
        """The rest before it goes on; None when the file does not say."""
        return self.rest_before_s if self.rest_before_s is not None else self.rest_before


class OnLinkLoss(Strict):
    """What a link to an instrument that falls silent means."""

    mask_s: NotNegative | None = optional("shorter silences are not told of, s")
    mask: Duration | None = optional("the same with its unit")
    fail_s: Seconds | None = optional("after so long `action` is due, s")
    fail: Duration | None = optional("the same with its unit")
    action: Literal["continue", "hold", "end"] = by_default(
        "hold", "hold the run, or end it; or let the instrument finish its segment and only keep trying"
    )

    @property
    def mask_second(self) -> float | None:
        """Shorter silences are not told of; None when the file does not say."""
        return self.mask_s if self.mask_s is not None else self.mask

    @property
    def fail_second(self) -> float | None:
        """After which `action` is due; None when the file does not say."""
        return self.fail_s if self.fail_s is not None else self.fail


class CRateBasis(Strict):
    """Whose capacity C-rates are of. Without a block: what the cell file says."""

    block: Name | None = optional("the tag, or the `id` of the `cycle`, that measures it; it must come before")
    cycle: Count = by_default(1, "which of the block's cycles, from 1")
    measured: Literal["discharge_capacity", "charge_capacity"] = by_default(
        "discharge_capacity", "which capacity of that cycle is 1 C times 1 h"
    )


def _basis(value: object) -> object:
    if value == CELL_FILE:
        return {}
    if isinstance(value, dict) and value.get("block") is not None:
        return value
    hint = "write cell_file, or {block: formation, cycle: 1}"
    raise BadValueError(f"{shown(value)} names no capacity", hint)


Basis = Annotated[CRateBasis, BeforeValidator(_basis), OrWord(CELL_FILE)]


class Sample(Strict):
    """What a unicycler file says of its cell: defaults, where the cell file is silent."""

    name: Text | None = optional("shown where it differs")
    capacity_mAh: Positive | None = optional("what 1 C delivers in one hour")


class Unicycler(Strict):
    """What a unicycler file says of the program that wrote it; it changes nothing."""

    version: Any = optional("of the program")
