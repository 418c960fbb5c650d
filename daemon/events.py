"""What can happen to a run, and what can then have to be done: the records of the journal. Pure data, SI units.

Times are run time: seconds since the run began, carried across restarts.
"""

from __future__ import annotations

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured row of the cell; a value that was no reading is None."""

    elapsed_second: float
    voltage_volt: float | None
    current_ampere: float | None


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """How a block met one interlock: the worst value, rows running at the block's end, and the longest such stretch."""

    interlock: str
    worst_value: float
    longest_rows: int
    trailing_rows: int


class BlockSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that decisions see of a block of rows. Charge and energy begin at the segment's last reading before it.

    Charges and energies are positive both ways; `breaches` names only interlocks that some row broke. `last_reading`
    is the last row of the segment with both a voltage and a current.
    """

    stream: str
    first_seq: int
    last_seq: int
    first: Row
    last: Row
    last_reading: Row | None
    lowest_voltage_volt: float | None
    highest_voltage_volt: float | None
    charge_in_ampere_hour: float
    charge_out_ampere_hour: float
    energy_in_watt_hour: float
    energy_out_watt_hour: float
    rows_without_reading: int
    breaches: tuple[Breach, ...]


class ReadingsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that decisions see of stored rows of another stream than the cell's: extremes and the last reading, by name.

    Times are run time. A quantity without a reading in these rows is absent from all three.
    """

    stream: str
    first_seq: int
    last_seq: int
    first_second: float
    last_second: float
    lowest: dict[str, float]
    highest: dict[str, float]
    last: dict[str, float]
    rows_without_reading: int
    breaches: tuple[Breach, ...]


class SegmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One executed pass through a step: what was asked, what ended it, what was measured.

    `ended_by` is "voltage", "time", "equilibrated", "timeout", "guard_time", "guard_voltage", "interlock", "stopped",
    "power_lost" or "unknown"; `abnormal` says that the step did not end as written. `overshoot_volt` is how far the
    last row lies beyond the limit, negative when noise put it just before.
    """

    segment: int
    step_id: str
    step_type: str
    block: str
    half: str | None
    rate_C: float | None
    ended_by: str
    abnormal: bool
    start_run_time_second: float
    end_run_time_second: float
    rows: int
    charge_ampere_hour: float
    energy_watt_hour: float
    first_voltage_volt: float | None
    last_voltage_volt: float | None
    overshoot_volt: float | None


class RunStarted(msgspec.Struct, frozen=True, tag="run_started", tag_field="event"):
    """The run's file exists; nothing is switched on yet."""


class SegmentStarted(msgspec.Struct, frozen=True, kw_only=True, tag="segment_started", tag_field="event"):
    """The instrument runs the segment. `started_second` is the run time of its start."""

    segment: int
    started_second: float


class BlockStored(msgspec.Struct, frozen=True, kw_only=True, tag="block_stored", tag_field="event"):
    """Rows are durable, in the same commit as this event."""

    segment: int
    summary: BlockSummary


class ReadingsStored(msgspec.Struct, frozen=True, kw_only=True, tag="readings_stored", tag_field="event"):
    """Rows of pressure, temperature or another stream are durable, in the same commit as this event."""

    summary: ReadingsSummary


class ChamberSet(msgspec.Struct, frozen=True, kw_only=True, tag="chamber_set", tag_field="event"):
    """The chamber has taken a setpoint and reads it back."""

    temperature_celsius: float


class SegmentEnded(msgspec.Struct, frozen=True, kw_only=True, tag="segment_ended", tag_field="event"):
    """The instrument is idle, its output reads back off, and every row is stored."""

    record: SegmentRecord


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag="resumed", tag_field="event"):
    """The daemon is back after `away_second` and holds the run again; `cause` says why it was away, as far as known."""

    cause: str
    away_second: float


class StopRequested(msgspec.Struct, frozen=True, kw_only=True, tag="stop_requested", tag_field="event"):
    """Somebody asked for the end; the cell was made safe before this was written."""

    by: str


class InstrumentFailed(msgspec.Struct, frozen=True, kw_only=True, tag="instrument_failed", tag_field="event"):
    """An instrument refused, or could not be reached for longer than the rig allows."""

    role: str
    error: str
    text: str


class MadeSafe(msgspec.Struct, frozen=True, kw_only=True, tag="made_safe", tag_field="event"):
    """The cell is at open circuit. `verified` is false when the instrument could not be asked.

    `drained` is false when rows of the last segment may still be in the instrument.
    """

    verified: bool
    drained: bool = True
    text: str


Event = (
    RunStarted
    | SegmentStarted
    | BlockStored
    | ReadingsStored
    | ChamberSet
    | SegmentEnded
    | Resumed
    | StopRequested
    | InstrumentFailed
    | MadeSafe
)


class StartSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Program and start this segment: step number `position` of the plan.

    `again` is true when a daemon that died may have done it.
    """

    segment: int
    position: int
    again: bool = False


class EndSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the present segment to its end: the host has decided that its step is done."""

    segment: int


class SetChamber(msgspec.Struct, frozen=True, kw_only=True):
    """Give the chamber a setpoint and read it back."""

    temperature_celsius: float


class ForgetSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Delete the instrument's copy of a segment whose rows are all stored."""

    segment: int


class CompactSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the stored blocks of a finished segment by one."""

    segment: int


class MakeSafe(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the cell to open circuit now; this is done before anything is written."""

    why: str


Effect = StartSegment | EndSegment | SetChamber | ForgetSegment | CompactSegment | MakeSafe

encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode


def kind_of(event: Event) -> str:
    """The event's name in the journal."""
    return str(event.__struct_config__.tag)
