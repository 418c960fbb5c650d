"""The warning before the disk is full: when it begins, what is told to whom, when it is over."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.deciding.run_state import Phase, Run
from daemon.deciding.telling import on, words
from daemon.engine import advance
from daemon.events import DISK_LOW, DISK_ROOM, Cleared, Noticed, Warned
from daemon.plans.room import BYTES_PER_ROW, SPARE_BYTES, bytes_to_come
from daemon.publish.payloads import alarms
from daemon.service.disk_room import DiskRoom, free_bytes
from tests.support.instruments import JumpingClock, ScriptedDevice
from tests.support.plans import loop, plan, rest, wait
from tests.support.rigs import Scripted, events_of, rig_of

DAY = 86_400.0
DAYS = plan(rest(until_time_second=DAY, sampling_second=1.0), loop(0, 10))
NEED = SPARE_BYTES + 10 * (DAY + 2) * BYTES_PER_ROW
RUN = Run(plan=DAYS, phase=Phase.MEASURING)


class Volume:
    def __init__(self) -> None:
        self.free: int | OSError = 0
        self.asked: list[Path] = []
        self.room = DiskRoom(Path("data"), self.ask)

    def ask(self, folder: Path) -> int:
        self.asked.append(folder)
        if isinstance(self.free, OSError):
            raise self.free
        return self.free

    def told(self, run: Run, free: float | OSError) -> tuple[Run, Noticed | None]:
        """A run after a look, and what it was told."""
        self.free = free if isinstance(free, OSError) else int(free)
        self.room.look([(run, rig_of(ScriptedDevice(), JumpingClock(0.0), []))])
        word = self.room.word_for(run)
        return (run if word is None else advance(run, word, 9.0)[0]), word


def test_what_is_to_come_counts_rows_of_all_streams() -> None:
    assert bytes_to_come(DAYS, 0, {}, 0.0) == 10 * (DAY + 2) * BYTES_PER_ROW
    assert bytes_to_come(DAYS, 0, {1: 7}, 0.0) == 3 * (DAY + 2) * BYTES_PER_ROW
    assert bytes_to_come(plan(wait(until_time_second=DAY)), 0, {}, 10.0) == 10 * DAY * BYTES_PER_ROW
    assert bytes_to_come(DAYS, 2, {}, 10.0) == 0


def test_it_is_told_once_and_once_that_it_is_over() -> None:
    volume = Volume()
    run, word = volume.told(RUN, NEED)
    assert word is None
    run, word = volume.told(run, NEED - 1)
    assert (word and word.what, on(run), len(run.warnings_on)) == (DISK_LOW, {DISK_LOW}, 1)
    run, word = volume.told(run, NEED / 2)
    assert word is None
    run, word = volume.told(run, NEED * 1.05)
    assert word is None, "at the edge it would come and go"
    run, word = volume.told(run, NEED * 1.11)
    assert (word and word.what, on(run), run.warnings_on) == (DISK_ROOM, set(), ())
    assert len(run.warnings) == 1
    run, word = volume.told(run, 0)
    assert (word and word.what, len(run.warnings)) == (DISK_LOW, 1)


def test_what_the_run_has_done_is_needed_no_more() -> None:
    volume, late = Volume(), msgspec.structs.replace(RUN, passes={1: 9})
    enough_for_two_days = SPARE_BYTES + 2 * (DAY + 2) * BYTES_PER_ROW
    assert volume.told(late, enough_for_two_days)[1] is None
    assert volume.told(RUN, enough_for_two_days)[1] is not None


def test_who_comes_later_or_was_told_by_an_earlier_daemon_learns_how_it_is() -> None:
    volume = Volume()
    told, _ = volume.told(RUN, 0)
    _, word = volume.told(msgspec.structs.replace(RUN, segment=2), 0)
    assert word is not None
    _, word = Volume().told(told, NEED * 2)
    assert word is not None
    assert word.what == DISK_ROOM


def test_a_volume_that_cannot_be_asked_changes_nothing() -> None:
    volume = Volume()
    run, _ = volume.told(RUN, 0)
    assert volume.told(run, OSError("vanished")) == (run, None)


def test_the_alarm_and_the_journal_say_it() -> None:
    low, _ = advance(RUN, Noticed(what=DISK_LOW, text="0.1 GB free"), 1.0)
    again, _ = advance(low, Noticed(what=DISK_ROOM, text="9 GB free"), 2.0)
    assert alarms(low)["disk-low"] == ("warning", "disk_low: 0.1 GB free")
    assert "disk-low" not in alarms(again)
    assert [type(word) for word in (*words(RUN, low), *words(low, again))] == [Warned, Cleared]


def test_it_is_not_asked_at_every_word() -> None:
    room = DiskRoom(Path("data"), lambda _: 0)
    assert [room.is_due(), room.is_due()] == [True, False]


async def test_a_volume_that_keeps_a_look_waiting_is_not_asked_once_more() -> None:
    answers, is_asked = threading.Event(), threading.Event()

    def ask(_: Path) -> int:
        is_asked.set()
        answers.wait()
        return 0

    room = DiskRoom(Path("data"), ask)
    looking = asyncio.create_task(room.tell({}))
    await asyncio.to_thread(is_asked.wait)
    assert not room.is_due()
    answers.set()
    await looking
    assert room.is_due()


def test_a_real_volume_has_room(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
    with pytest.raises(OSError, match="No such file"):
        free_bytes(tmp_path / "nowhere")


async def test_a_run_writes_down_at_its_next_look_what_it_was_told_of_the_disk(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path, plan(rest(until_time_second=60.0, sampling_second=1.0)))

    def note(what: str) -> Any:
        return lambda: scripted.runner.host.note(Noticed(what=what, text="so much"))

    scripted.at(12.0, note(DISK_LOW))
    scripted.at(35.0, note(DISK_ROOM))
    run = await scripted.carry_out()
    said = [event for event in events_of(scripted.path) if isinstance(event, Noticed | Warned | Cleared)]
    assert [event.what if isinstance(event, Noticed) else type(event) for event in said] == [
        DISK_LOW,
        Warned,
        DISK_ROOM,
        Cleared,
    ]
    assert (run.warnings, run.warnings_on) == (("disk_low: so much",), ())
