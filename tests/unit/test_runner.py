"""The runner on scripted instruments: what is done in which order, and what becomes of a run when something fails."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.deciding.run_state import Outcome, Phase
from daemon.events import InstrumentFailed, LinkChanged, MadeSafe
from daemon.plan import LinkLoss
from daemon.running.progress import Progress
from daemon.running.run_writer import WRITES_WHILE_LOCKED
from daemon.store.errors import StoreError
from drivers.errors import DriverError, WrongInstrumentError
from tests.support.instruments import BAD_REPLY, LINK_LOST, NO_REPLY, REFUSED, ScriptedDevice
from tests.support.plans import AT_ONCE, PATIENT, charge, discharge, interlock, plan, rest
from tests.support.rigs import (
    EVERY_SECOND,
    RUN_ID,
    ZERO_SECOND,
    Scripted,
    assert_every_row_is_stored,
    cell_rows,
    events_of,
    kinds_of,
    records_of,
    stored_run,
    take_up,
)

PLAN = plan(charge(), rest(until_time_second=30.0, sampling_second=1.0), discharge(), link=PATIENT, resume=AT_ONCE)
CHARGE_LASTS_SECOND, DISCHARGE_LASTS_SECOND = 43.0, 61.0
"""By the scripted instrument's arithmetic: from 2.5 V at 28 mV/s, 20 mV off, to the first row beyond the limit."""
OUTCOME_OF_RUN = (Phase.FINISHED, Outcome.COMPLETED)
HOUR = 3600.0


@pytest.fixture
def device() -> ScriptedDevice:
    return ScriptedDevice()


@pytest.fixture
def scripted(tmp_path: Path, device: ScriptedDevice) -> Scripted:
    """A charge of 43 s, a rest of 30 s and a discharge, looked at every 10 s."""
    return Scripted(tmp_path, PLAN, device=device)


def failures_in(path: Path) -> list[InstrumentFailed]:
    return [event for event in events_of(path) if isinstance(event, InstrumentFailed)]


def made_safe_in(path: Path) -> list[tuple[bool, bool]]:
    return [(event.verified, event.drained) for event in events_of(path) if isinstance(event, MadeSafe)]


def assert_completed(scripted: Scripted) -> None:
    """As if nothing had happened: every row, every segment as written, nothing left in the instrument."""
    run = stored_run(scripted.path)
    assert (run.phase, run.outcome) == OUTCOME_OF_RUN, run.reason
    assert [record.ended_by for record in records_of(scripted.path)] == ["voltage", "time", "voltage"]
    assert_every_row_is_stored(scripted.path, scripted.device)
    assert failures_in(scripted.path) == []
    assert (scripted.device.output_on, scripted.device.held) == (False, {})


async def test_run_is_carried_out_to_its_end(scripted: Scripted) -> None:
    run = await scripted.carry_out()
    assert run == stored_run(scripted.path)
    assert_completed(scripted)
    rows = cell_rows(scripted.path)
    assert rows.groupby("segment")["elapsed_second"].max().tolist() == [
        CHARGE_LASTS_SECOND,
        30.0,
        DISCHARGE_LASTS_SECOND,
    ]
    assert rows["voltage_volt"].iloc[[0, 42, 43, -1]].tolist() == [2.52, 3.696, 3.724, 1.976]
    assert [record.start_run_time_second for record in records_of(scripted.path)] == [0.0, 50.0, 80.0]
    assert made_safe_in(scripted.path) == [(True, True)]


async def test_events_are_durable_before_their_effects_and_only_making_safe_is_not(scripted: Scripted) -> None:
    await scripted.carry_out()
    done = scripted.verbs("commit", "start_segment", "forget_segment", "make_safe", "pack")
    assert [entry for entry in done if entry != ("commit", "block_stored")] == [
        ("commit", "run_started"),
        ("start_segment", "1"),
        ("commit", "segment_started"),
        ("commit", "segment_ended"),
        ("start_segment", "2"),
        ("commit", "segment_started"),
        ("forget_segment", "1"),
        ("pack", "cell", "1"),
        ("commit", "segment_ended"),
        ("start_segment", "3"),
        ("commit", "segment_started"),
        ("forget_segment", "2"),
        ("pack", "cell", "2"),
        ("make_safe",),
        ("commit", "segment_ended"),
        ("pack", "cell", "3"),
        ("commit", "made_safe"),
        ("forget_segment", "3"),
    ]


async def test_rows_are_read_before_they_are_stored_and_never_again(scripted: Scripted, device: ScriptedDevice) -> None:
    await scripted.carry_out()
    done = scripted.verbs("commit", "read_rows")
    for at, entry in enumerate(done):
        if entry[0] == "read_rows":
            assert done[at + 1] == ("commit", "block_stored")
    assert device.calls["read_rows"] == done.count(("commit", "block_stored"))


@pytest.mark.parametrize("verb", ["start_segment", "look", "read_rows", "make_safe"])
@pytest.mark.parametrize("error", [LINK_LOST, NO_REPLY, BAD_REPLY], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("carried_out", [False, True])
async def test_way_that_fails_is_mended_and_nothing_shows(
    scripted: Scripted, device: ScriptedDevice, verb: str, error: DriverError, carried_out: bool
) -> None:
    at = 1 if verb == "make_safe" else 2
    device.fail(verb, error, at=at, times=3, carried_out=carried_out)
    await scripted.carry_out()
    assert device.calls[verb] >= at + 3
    assert device.calls["connect"] >= 3
    assert_completed(scripted)


async def test_rows_that_come_late_are_waited_for(scripted: Scripted, device: ScriptedDevice) -> None:
    device.late_second = 3.0
    await scripted.carry_out()
    assert_completed(scripted)


@pytest.mark.parametrize("outage", [(15.0, 3 * HOUR), (41.0, 43.0), (0.5, 20 * HOUR)])
async def test_outage_of_any_length_does_not_end_a_run_whose_segment_runs_by_itself(
    scripted: Scripted, device: ScriptedDevice, outage: tuple[float, float]
) -> None:
    device.outages = [(ZERO_SECOND + outage[0], ZERO_SECOND + outage[1])]
    await scripted.carry_out()
    assert scripted.runner.run_time_second > outage[1]
    assert_completed(scripted)


async def test_more_rows_than_a_block_holds_are_stored_in_blocks(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(rest(until_time_second=HOUR, sampling_second=1.0), link=PATIENT))
    scripted.device.outages = [(ZERO_SECOND + 5, ZERO_SECOND + 2 * HOUR)]
    await scripted.carry_out()
    assert kinds_of(scripted.path).count("block_stored") == 4
    assert_every_row_is_stored(scripted.path, scripted.device)


LIMIT_SECOND = 20.0
"""How soon after a request a run must have ended: with an instrument that can't be reached, making safe is tried."""


@pytest.mark.parametrize("verb", ["start_segment", "look", "read_rows"])
async def test_stop_is_heard_while_reconnecting(scripted: Scripted, device: ScriptedDevice, verb: str) -> None:
    device.fail(verb, NO_REPLY, at=2, times=10**9)
    scripted.at(HOUR, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert HOUR <= scripted.runner.run_time_second <= HOUR + LIMIT_SECOND
    assert (run.outcome, run.reason.partition(";")[0]) == (Outcome.STOPPED, "stopped by ada")
    assert failures_in(scripted.path) == []
    assert device.output_on is False


async def test_starts_that_nobody_answers_are_a_silence_however_well_looks_are_answered(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.fail("start_segment", NO_REPLY, at=2, times=10**9)
    scripted.at(3 * HOUR, lambda: scripted.runner.request_stop("ada"))
    await scripted.carry_out()
    told = [event.state for event in events_of(scripted.path) if isinstance(event, LinkChanged)]
    assert told == ["lost"]
    assert kinds_of(scripted.path).count("segment_not_started") < 3 * HOUR / 30 + 10


async def test_starts_that_nobody_answers_end_a_run_as_any_silence_does(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(charge(), discharge(), link=LinkLoss(fail_second=120.0)))
    scripted.device.fail("start_segment", NO_REPLY, at=2, times=10**9)
    scripted.at(600, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.outcome, scripted.device.output_on) == (Outcome.FAILED, False)


async def test_stop_that_can_not_be_verified_stays_with_the_next_daemon(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.outages = [(ZERO_SECOND + 15, ZERO_SECOND + 10 * HOUR)]
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert 25 <= scripted.runner.run_time_second <= 25 + LIMIT_SECOND
    assert run.phase is Phase.STOPPING
    assert run.why.startswith("stopped by ada; NOT verified safe: smu: no connection")
    assert stored_run(scripted.path) == run
    run = await take_up(scripted.directory, device, ZERO_SECOND + 11 * HOUR)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert run.why.startswith("stopped by ada; verified safe 10.9")
    assert made_safe_in(scripted.path) == [(False, False), (True, True)]
    assert_every_row_is_stored(scripted.path, device)


async def test_stop_reaches_an_instrument_that_comes_back_in_time(scripted: Scripted, device: ScriptedDevice) -> None:
    device.outages = [(ZERO_SECOND + 15, ZERO_SECOND + 30)]
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome, run.reason) == (Phase.FINISHED, Outcome.STOPPED, "stopped by ada")
    assert [record.ended_by for record in records_of(scripted.path)] == ["stopped"]
    assert_every_row_is_stored(scripted.path, device)


@pytest.mark.parametrize("outage", [[], [(ZERO_SECOND + 15, ZERO_SECOND + 30)]], ids=["there", "away"])
async def test_stop_wins_over_letting_go(scripted: Scripted, device: ScriptedDevice, outage: list) -> None:
    device.outages = outage
    scripted.at(25, scripted.runner.let_go)
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert device.output_on is False
    assert_every_row_is_stored(scripted.path, device)


@pytest.mark.parametrize("outage", [[], [(ZERO_SECOND + 15, ZERO_SECOND + 30)]], ids=["there", "away"])
async def test_run_that_is_let_go_runs_on_in_the_instrument(
    scripted: Scripted, device: ScriptedDevice, outage: list
) -> None:
    device.outages = outage
    scripted.at(25, scripted.runner.let_go)
    run = await scripted.carry_out()
    assert scripted.runner.run_time_second <= 25 + LIMIT_SECOND
    assert (run.phase, run.outcome, device.output_on) == (Phase.MEASURING, None, True)
    assert device.calls["make_safe"] == 0
    assert kinds_of(scripted.path)[-1] in ("block_stored", "segment_started")
    await take_up(scripted.directory, device, scripted.clock.now_second())
    assert_completed(scripted)


async def test_run_is_stopped_at_once_and_before_it_is_written(scripted: Scripted, device: ScriptedDevice) -> None:
    scripted.at(33.3, lambda: scripted.runner.request_stop("ada"))
    scripted.at(33.3, lambda: scripted.runner.request_stop("bob"))
    run = await scripted.carry_out()
    assert (run.outcome, run.reason) == (Outcome.STOPPED, "stopped by ada")
    assert scripted.runner.run_time_second == pytest.approx(33.3)
    assert_every_row_is_stored(scripted.path, device)
    assert cell_rows(scripted.path)["elapsed_second"].iloc[-1] == pytest.approx(33.3)
    stop = scripted.diary.index(("commit", "stop_requested"))
    assert scripted.diary[stop - 1] == ("make_safe",)


async def test_stop_that_is_asked_for_while_the_runner_is_at_work_does_not_wait_for_the_next_look(
    tmp_path: Path,
) -> None:
    def stop_at_the_first_rows(progress: Progress) -> None:
        if progress.run.rows:
            scripted.runner.request_stop("ada")

    scripted = Scripted(tmp_path, PLAN, tell=stop_at_the_first_rows)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert scripted.runner.run_time_second == EVERY_SECOND


async def test_trip_makes_safe_before_it_is_written(tmp_path: Path, device: ScriptedDevice) -> None:
    scripted = Scripted(tmp_path, plan(charge(), interlocks=(interlock("high", high=3.0),)), device=device)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.TRIPPED)
    assert [record.ended_by for record in records_of(scripted.path)] == ["interlock"]
    assert_every_row_is_stored(scripted.path, device)
    safe = scripted.diary.index(("make_safe",))
    assert scripted.diary[safe - 1 : safe + 2] == [("read_rows", "1"), ("make_safe",), ("commit", "block_stored")]
    assert scripted.runner.run_time_second == 2 * EVERY_SECOND


async def test_run_whose_rows_are_no_readings_is_held(tmp_path: Path, device: ScriptedDevice) -> None:
    lock = interlock("nothing_read", "hold", quantity="rows_without_reading", high=0.5, rows_needed=60)
    scripted = Scripted(tmp_path, plan(charge(current_ampere=0.0001), interlocks=(lock,)), device=device)
    device.unread_rows = {1: range(26, 10**6)}
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.HELD)
    assert scripted.runner.run_time_second == 90.0
    assert_every_row_is_stored(scripted.path, device)


@pytest.mark.parametrize(
    ("verb", "reason"), [("start_segment", "refused 'this'"), ("look", "refused 'this'"), ("read_rows", "refused")]
)
async def test_refusal_ends_the_run_safely_with_its_rows(
    scripted: Scripted, device: ScriptedDevice, verb: str, reason: str
) -> None:
    device.fail(verb, REFUSED, at=2)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome, device.output_on) == (Phase.FINISHED, Outcome.FAILED, False)
    assert reason in run.reason
    (failure,) = failures_in(scripted.path)
    assert (failure.role, failure.error) == ("potentiostat", "RefusedError")
    assert_every_row_is_stored(scripted.path, device)
    failed = scripted.diary.index(("commit", "instrument_failed"))
    assert scripted.diary[failed - 1] == ("make_safe",)


async def test_segment_that_was_started_and_not_noted_is_drained(scripted: Scripted, device: ScriptedDevice) -> None:
    """The reply to a start is lost, and asked again the instrument refuses: it runs a segment nobody has noted."""
    device.fail("start_segment", NO_REPLY, carried_out=True)
    device.fail("start_segment", REFUSED, at=2)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert len(cell_rows(scripted.path)) > 0
    assert_every_row_is_stored(scripted.path, device)
    (record,) = records_of(scripted.path)
    assert (record.segment, record.start_run_time_second, record.ended_by) == (1, 0.0, "unknown")


async def test_segment_that_was_started_and_not_noted_is_drained_when_stopped(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.fail("start_segment", NO_REPLY, at=2, carried_out=True)
    device.outages = [(ZERO_SECOND + 50.25, ZERO_SECOND + 70)]
    device.fail("connect", NO_REPLY)
    scripted.at(65, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert_every_row_is_stored(scripted.path, device)
    assert [record.start_run_time_second for record in records_of(scripted.path)] == [0.0, 50.0]


async def test_segment_that_lost_its_power_is_not_started_a_second_time(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.fail("start_segment", NO_REPLY, carried_out=True)
    device.fail("connect", NO_REPLY, times=2)
    scripted.at(0.25, lambda: device.power_cycle(scripted.clock.now_second()))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert "power was cycled" in run.reason
    assert len(device.executed) == 1


async def test_power_cycle_holds_the_run_with_the_rows_read_before(scripted: Scripted, device: ScriptedDevice) -> None:
    scripted.at(25, lambda: device.power_cycle(scripted.clock.now_second()))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.HELD)
    assert [(record.ended_by, record.rows) for record in records_of(scripted.path)] == [("power_lost", 21)]
    assert len(cell_rows(scripted.path)) == 21
    assert list(device.executed) == [f"p{RUN_ID[-6:]}_000001"]


@pytest.mark.parametrize("error", [REFUSED, LINK_LOST], ids=lambda error: type(error).__name__)
async def test_rows_that_could_not_be_drained_keep_the_run_from_ending(
    scripted: Scripted, device: ScriptedDevice, error: DriverError
) -> None:
    scripted.at(25, lambda: device.fail("read_rows", error, at=device.calls["read_rows"] + 1, times=10**9))
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.STOPPED)
    assert run.why.startswith("stopped by ada; rows may still be in the instrument: smu: ")
    assert made_safe_in(scripted.path) == [(True, False)]
    assert device.output_on is False
    assert len(device.held) == 1
    device.faults.clear()
    run = await take_up(scripted.directory, device, ZERO_SECOND + HOUR)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert_every_row_is_stored(scripted.path, device)
    assert [record.ended_by for record in records_of(scripted.path)] == ["stopped"]


async def test_instrument_that_still_says_it_runs_when_it_is_safe_keeps_the_run_from_ending(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.late_second = 5.0
    scripted.at(25, lambda: scripted.runner.request_stop("ada"))
    run = await scripted.carry_out()
    assert (run.phase, made_safe_in(scripted.path)) == (Phase.STOPPING, [(True, False)])
    assert records_of(scripted.path) == []
    run = await take_up(scripted.directory, device, ZERO_SECOND + HOUR)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.STOPPED)
    assert [record.ended_by for record in records_of(scripted.path)] == ["stopped"]
    assert_every_row_is_stored(scripted.path, device)


async def test_output_that_stays_on_after_a_segment_fails_the_run_and_does_not_end_it(
    scripted: Scripted, device: ScriptedDevice
) -> None:
    device.output_stays_on = True
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.FAILED)
    assert run.why.startswith("smu: the segment has ended and the output is still on; NOT verified safe: ")
    assert [failure.error for failure in failures_in(scripted.path)] == ["output_on"]
    assert len(device.executed) == 1
    device.output_stays_on = False
    run = await take_up(scripted.directory, device, ZERO_SECOND + HOUR)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert_every_row_is_stored(scripted.path, device)


async def test_refused_forgetting_is_no_failure(scripted: Scripted, device: ScriptedDevice) -> None:
    device.fail("forget_segment", REFUSED, times=2)
    device.fail("forget_segment", LINK_LOST, at=3)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == OUTCOME_OF_RUN
    assert failures_in(scripted.path) == []
    assert_every_row_is_stored(scripted.path, device)
    assert len(device.held) == 3


async def test_another_instrument_behind_the_cable_ends_the_run(scripted: Scripted, device: ScriptedDevice) -> None:
    device.fail("look", LINK_LOST, at=2)
    device.fail("connect", WrongInstrumentError("smu", "number 7", "number 8"), times=10**9)
    run = await scripted.carry_out()
    assert (run.phase, run.outcome) == (Phase.STOPPING, Outcome.FAILED)
    assert run.why.startswith("smu: expected number 7, found number 8; NOT verified safe")


@pytest.mark.parametrize("error", [RuntimeError("no terminal"), SystemExit(1)], ids=lambda error: type(error).__name__)
async def test_nobody_to_tell_ends_no_run(tmp_path: Path, error: BaseException) -> None:
    told: list[Phase] = []

    def tell(progress: Progress) -> None:
        told.append(progress.run.phase)
        if len(told) == 3:
            raise error

    scripted = Scripted(tmp_path, PLAN, tell=tell)
    await scripted.carry_out()
    assert len(told) == 3
    assert_completed(scripted)


async def test_every_event_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    scripted = Scripted(tmp_path, PLAN, tell=told.append)
    await scripted.carry_out()
    assert len(told) == len(kinds_of(scripted.path))
    assert [progress.ended for progress in told if progress.ended] == records_of(scripted.path)
    assert told[-1].run == stored_run(scripted.path)


@pytest.fixture
def intruder(scripted: Scripted) -> Iterator[sqlite3.Connection]:
    """Another program that opens the run's file."""
    other = sqlite3.connect(scripted.path, timeout=0.0, isolation_level=None, check_same_thread=False)
    yield other
    other.close()


class Lock:
    """Holds the file from the first of some tries to write on, for so many of them."""

    def __init__(self, intruder: sqlite3.Connection, holds_tries: int) -> None:
        self._intruder = intruder
        self._holds_tries = holds_tries
        self.tries = 0

    def __call__(self) -> None:
        if self.tries == 0:
            self._intruder.execute("BEGIN IMMEDIATE")
        if self.tries == self._holds_tries:
            self._intruder.execute("ROLLBACK")
        self.tries += 1

    def at_commit(self, seq: int) -> Callable[[int], None]:
        return lambda commit: self() if commit == seq else None


@pytest.mark.parametrize("seq", [1, 3, 7])
async def test_file_that_is_locked_for_a_while_is_waited_for(
    scripted: Scripted, intruder: sqlite3.Connection, seq: int
) -> None:
    lock = Lock(intruder, holds_tries=5)
    scripted.file.before_commit = lock.at_commit(seq)
    await scripted.carry_out()
    assert lock.tries == 6
    assert_completed(scripted)


async def test_file_that_is_locked_while_a_segment_is_packed_is_waited_for(
    scripted: Scripted, intruder: sqlite3.Connection
) -> None:
    lock = Lock(intruder, holds_tries=5)
    scripted.file.before_packing = lock
    await scripted.carry_out()
    assert lock.tries == 5 + 3
    assert scripted.verbs("pack") == [("pack", "cell", "1"), ("pack", "cell", "2"), ("pack", "cell", "3")]
    assert_completed(scripted)


async def test_stop_is_heard_while_the_file_is_locked(
    scripted: Scripted, device: ScriptedDevice, intruder: sqlite3.Connection
) -> None:
    lock = Lock(intruder, holds_tries=5)
    seen: list[tuple[int, bool]] = []

    def ask_at_the_third_try(commit: int) -> None:
        if commit == 4:
            seen.append((lock.tries, device.output_on))
            if lock.tries == 2:
                scripted.runner.request_stop("ada")
            lock()

    scripted.file.before_commit = ask_at_the_third_try
    run = await scripted.carry_out()
    assert seen == [(0, True), (1, True), (2, True), (3, False), (4, False), (5, False)]
    assert (run.phase, run.outcome, run.reason) == (Phase.FINISHED, Outcome.STOPPED, "stopped by ada")
    assert_every_row_is_stored(scripted.path, device)


def fill_disk(scripted: Scripted, seq: int) -> None:
    """From commit `seq` on the file can't grow any more."""

    def fill(commit: int) -> None:
        if commit == seq:
            scripted.file.connection.execute("PRAGMA max_page_count = 1")

    scripted.file.before_commit = fill


async def assert_refused(scripted: Scripted) -> int:
    """The run ends with the store's error, the cell at open circuit and what was acknowledged in the file."""
    with pytest.raises(StoreError):
        await scripted.carry_out()
    assert scripted.device.output_on is False
    assert ("make_safe",) in scripted.diary
    acknowledged = [kind for verb, *kinds in scripted.diary if verb == "commit" for kind in kinds]
    assert kinds_of(scripted.path) == acknowledged
    assert stored_run(scripted.path).rows == len(cell_rows(scripted.path))
    return len(acknowledged)


BLOCKS_UNTIL_FULL = plan(rest(until_time_second=5000.0, sampling_second=1.0))


async def test_full_disk_makes_safe_and_loses_nothing(tmp_path: Path, device: ScriptedDevice) -> None:
    scripted = Scripted(tmp_path, BLOCKS_UNTIL_FULL, device=device)
    fill_disk(scripted, 5)
    acknowledged = await assert_refused(scripted)
    assert 5 <= acknowledged < 100
    assert scripted.diary.index(("make_safe",)) > scripted.diary.index(("start_segment", "1"))
    assert len(device.held) == 1
    run = await take_up(scripted.directory, device, ZERO_SECOND + 6000)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert "the disk is full" in run.reason
    assert_every_row_is_stored(scripted.path, device)


async def test_file_that_stays_locked_makes_safe_and_loses_nothing(
    scripted: Scripted, device: ScriptedDevice, intruder: sqlite3.Connection
) -> None:
    lock = Lock(intruder, holds_tries=10**9)
    scripted.file.before_commit = lock.at_commit(4)
    assert await assert_refused(scripted) == 3
    assert lock.tries >= WRITES_WHILE_LOCKED + 1
    intruder.execute("ROLLBACK")
    run = await take_up(scripted.directory, device, scripted.clock.now_second() + HOUR)
    assert run.phase is Phase.FINISHED
    assert_every_row_is_stored(scripted.path, device)


def refuse_once(scripted: Scripted, seq: int, error: Exception) -> None:
    refused: list[int] = []

    def refuse(commit: int) -> None:
        if commit == seq and not refused:
            refused.append(commit)
            raise error

    scripted.file.before_commit = refuse


async def test_store_that_refuses_to_note_a_start_makes_safe(scripted: Scripted, device: ScriptedDevice) -> None:
    refuse_once(scripted, 2, StoreError(scripted.path, "the disk failed", "check the volume"))
    assert await assert_refused(scripted) == 2
    assert kinds_of(scripted.path) == ["run_started", "instrument_failed"]
    run = await take_up(scripted.directory, device, scripted.clock.now_second() + 60)
    assert (run.phase, run.outcome) == (Phase.FINISHED, Outcome.FAILED)
    assert_every_row_is_stored(scripted.path, device)


async def test_interrupted_run_leaves_a_safe_cell(scripted: Scripted, device: ScriptedDevice) -> None:
    task = asyncio.ensure_future(scripted.carry_out())
    scripted.at(25, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert device.calls["make_safe"] == 1
    assert device.output_on is False
    run = await take_up(scripted.directory, device, scripted.clock.now_second())
    assert run.phase is Phase.FINISHED
    assert_every_row_is_stored(scripted.path, device)


async def test_our_own_failure_makes_safe_and_is_noted(scripted: Scripted, device: ScriptedDevice) -> None:
    refuse_once(scripted, 4, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        await scripted.carry_out()
    assert device.output_on is False
    (failure,) = failures_in(scripted.path)
    assert (failure.role, failure.error, failure.text) == ("daemon", "ZeroDivisionError", "the daemon failed: a bug")
    assert (stored_run(scripted.path).phase, stored_run(scripted.path).outcome) == (Phase.STOPPING, Outcome.FAILED)
