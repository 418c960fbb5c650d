"""What can happen to a run, and what can then have to be done: the records of the journal. Pure data, SI units.

Times are run time: seconds since the run began, carried across restarts.
"""

from __future__ import annotations

import msgspec

from daemon.plan import Plan
from daemon.settling import Settled
from daemon.watching import Tail


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
    is the last row of the segment with both a voltage and a current. `tail` is of its voltage, for the rows to come.
    `after_ten_second` is the segment's first reading 10 s after its start or later, in the block that holds it.
    `intact` are interlocks with a warning that is on, which these rows read and no row broke.
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
    tail: Tail = Tail()
    after_ten_second: Row | None = None
    intact: tuple[str, ...] = ()


class ReadingsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All that decisions see of stored rows of another stream than the cell's: extremes and the last reading, by name.

    Times are run time. A quantity without a reading in these rows is absent from all three; `unread` counts the
    rows without one, by name. `tails` are of the
    quantities that are watched, by name, and `settled` is what deviations count from, both after these rows; None where
    these rows say nothing of it. `intact` is as in `BlockSummary`.
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
    unread: dict[str, int] = {}
    tails: dict[str, Tail] = {}
    settled: Settled | None = None
    intact: tuple[str, ...] = ()


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The end that a segment met: of its first condition what was asked, and what was measured at the end, in SI.

    `measured_value` is None when it was not read. `overshoot` is how far the value lies beyond the limit. `limit` is
    the place among the step's limits of the one that the host saw met; None where the instrument ended the segment.
    """

    ended_by: str
    quantity: str
    limit_value: float
    measured_value: float | None
    overshoot: float | None
    limit: int | None = None


class SegmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One executed pass through a step: what was asked, what ended it, what was measured.

    `ended_by` is one of `daemon.deciding.branching.ENDED_BY` ("voltage", "time", "capacity", …), or "equilibrated",
    "timeout", "guard_time", "guard_voltage", "interlock", "stopped", "paused", "power_lost", "buffer_lost", of a blade
    "interruption" (nobody spoke to its drive) or "drive_stopped", or "unknown";
    `abnormal` says that the step did not end as written. `overshoot_volt` is how far the last row lies beyond the
    limit, negative when noise put it just before. `continues`: it goes on with the step that the one before it cut
    short. `interrupted`: since the last half the run was held, or nothing ran for over a minute. `extends`: as written
    it belongs to the half before it. `cycle` is the number of its cycle, from 1, where the protocol counts them by a
    step of its own, else None. `reached` is the limit of the protocol that ended it, None where none did.
    `milled_second` is the longest a blade can have turned at speed in it, None where none turned.
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
    continues: bool = False
    interrupted: bool = False
    extends: bool = False
    reached: Reached | None = None
    cycle: int | None = None
    milled_second: float | None = None


class CompleteCycle(msgspec.Struct, frozen=True, kw_only=True):
    """The last cycle with both halves. `cycle_in_block` counts from 1; charges are magnitudes.

    `number` counts the run's cycles from 1, as the cycle table does. `coulombic_efficiency` is a ratio, None unless
    both halves ended on their voltage without an interruption.
    """

    number: int
    block: str
    rate_C: float | None
    cycle_in_block: int
    charge_ampere_hour: float
    discharge_ampere_hour: float
    coulombic_efficiency: float | None
    is_interrupted: bool


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag="run_started", tag_field="event"):
    """The run's file exists; nothing is switched on yet.

    `holds_wait`: a hold waits for a person; else it ends the run.
    """

    holds_wait: bool = True


class SegmentStarted(msgspec.Struct, frozen=True, kw_only=True, tag="segment_started", tag_field="event"):
    """The instrument runs the segment. `started_second` is the run time of its start."""

    segment: int
    started_second: float


class SegmentNotStarted(msgspec.Struct, frozen=True, kw_only=True, tag="segment_not_started", tag_field="event"):
    """The instrument knows nothing of a segment that a daemon may have started before it died."""

    segment: int
    power_was_cycled: bool


class BlockStored(msgspec.Struct, frozen=True, kw_only=True, tag="block_stored", tag_field="event"):
    """Rows are durable, in the same commit as this event."""

    segment: int
    summary: BlockSummary


class ReadingsStored(msgspec.Struct, frozen=True, kw_only=True, tag="readings_stored", tag_field="event"):
    """Rows of pressure, temperature or another stream are durable, in the same commit as this event."""

    summary: ReadingsSummary


class Silent(msgspec.Struct, frozen=True, kw_only=True, tag="silent", tag_field="event"):
    """A watched quantity beside the cell has not been read for so long that something follows from it."""

    quantity: str
    age_second: float


class Warned(msgspec.Struct, frozen=True, kw_only=True, tag="warned", tag_field="event"):
    """The event before this has made the run warn: an interlock that only warns. It changes nothing by itself."""

    text: str


class Cleared(msgspec.Struct, frozen=True, kw_only=True, tag="cleared", tag_field="event"):
    """With the event before this the warning of this text is over. It changes nothing by itself."""

    text: str


class ChamberSet(msgspec.Struct, frozen=True, kw_only=True, tag="chamber_set", tag_field="event"):
    """The chamber, or the chiller, has taken a setpoint and reads it back."""

    temperature_celsius: float
    role: str = "chamber"


class SegmentEnded(msgspec.Struct, frozen=True, kw_only=True, tag="segment_ended", tag_field="event"):
    """The instrument is idle, its output reads back off, and every row is stored."""

    record: SegmentRecord


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag="resumed", tag_field="event"):
    """The daemon is back after `away_second` and holds the run again; `cause` says why it was away, as far as known."""

    cause: str
    away_second: float


class StopRequested(msgspec.Struct, frozen=True, kw_only=True, tag="stop_requested", tag_field="event"):
    """Somebody asked for the end: now, with the cell made safe before this was written, or `after` "cycle"."""

    by: str
    after: str = ""


class PauseRequested(msgspec.Struct, frozen=True, kw_only=True, tag="pause_requested", tag_field="event"):
    """Somebody asked for a hold: now, with the cell made safe before this was written, or `after` "step" or "cycle"."""

    by: str
    after: str = ""


class ResumeRequested(msgspec.Struct, frozen=True, kw_only=True, tag="resume_requested", tag_field="event"):
    """Somebody asked a held run to go on; `unchecked`: at once, whatever the cell did meanwhile.

    `nobody_looked`: it was the time-out of a pause, so that nothing that was found meanwhile is accepted by it.
    """

    by: str
    unchecked: bool = False
    nobody_looked: bool = False


class SkipRequested(msgspec.Struct, frozen=True, kw_only=True, tag="skip_requested", tag_field="event"):
    """Somebody asked a held run to go on with the step after the present one."""

    by: str


class PlanChanged(msgspec.Struct, frozen=True, kw_only=True, tag="plan_changed", tag_field="event"):
    """Somebody gave the run another plan: it holds from the segment after number `segment` on, its interlocks at once.

    `text` says in words what is different; `loosened` what is bounded less tightly than before, which somebody has
    confirmed. `named_cycles` are those that the plan compares with and that were executed before it.
    """

    plan: Plan
    protocol_name: str
    protocol_text: str
    by: str
    segment: int
    text: str
    loosened: tuple[str, ...] = ()
    named_cycles: dict[str, CompleteCycle] = {}


class LinkChanged(msgspec.Struct, frozen=True, kw_only=True, tag="link_changed", tag_field="event"):
    """An instrument has not answered since `since_second`, or answers again.

    `state` is "lost", "failed" or "connected", see `daemon.running.link_states`.
    """

    role: str
    state: str
    since_second: float
    text: str


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


PAUSE_TIMED_OUT = "pause_timed_out"
"""What a `Noticed` calls it when nobody has let a paused run go on in time: it is held on."""
BRANCHED = "branched"
"""What a `Noticed` calls it when a limit of a loop was met: as written, and nothing to warn of."""


DISK_LOW, DISK_ROOM = "disk_low", "disk_room"
"""What a `Noticed` calls it when the disk may become full, and when it has room again: that warning is over."""


class Noticed(msgspec.Struct, frozen=True, kw_only=True, tag="noticed", tag_field="event"):
    """Something that a reader of the run must know, and that changes nothing in it.

    `what` is "away" (the daemon did not run for a while), "utc_moved" (UTC jumped against the clock) or "went_on" (what
    was compared before the run went on after an interruption), `BRANCHED`, `PAUSE_TIMED_OUT`, `DISK_LOW` or
    `DISK_ROOM`.
    """

    what: str
    text: str


Event = (
    RunStarted
    | SegmentStarted
    | SegmentNotStarted
    | BlockStored
    | ReadingsStored
    | Silent
    | Warned
    | Cleared
    | ChamberSet
    | SegmentEnded
    | Resumed
    | StopRequested
    | PauseRequested
    | ResumeRequested
    | SkipRequested
    | PlanChanged
    | LinkChanged
    | InstrumentFailed
    | MadeSafe
    | Noticed
)


class StartSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Program and start this segment: step number `position` of the plan.

    `again` is true when a daemon that died may have done it.
    """

    segment: int
    position: int
    again: bool = False


class SeekSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Look whether the instrument knows this segment, which a daemon may have started before it died."""

    segment: int


class EndSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the present segment to its end: the host has decided that its step is done."""

    segment: int


class SetChamber(msgspec.Struct, frozen=True, kw_only=True):
    """Give the chamber, or the chiller, a setpoint and read it back."""

    temperature_celsius: float
    role: str = "chamber"


class ForgetSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Delete the instrument's copy of a segment whose rows are all stored."""

    segment: int


class CompactSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the stored blocks of a finished segment by one."""

    segment: int


class Tell(msgspec.Struct, frozen=True, kw_only=True):
    """Put a word on record, as `Noticed`."""

    what: str
    text: str


class MakeSafe(msgspec.Struct, frozen=True, kw_only=True):
    """Bring the cell to open circuit now; this is done before anything is written."""

    why: str


Effect = StartSegment | SeekSegment | EndSegment | SetChamber | ForgetSegment | CompactSegment | MakeSafe | Tell

encode_event = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode


def kind_of(event: Event) -> str:
    """The event's name in the journal."""
    return str(event.__struct_config__.tag)
