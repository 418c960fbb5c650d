"""The check on a resistor, carried out where there is none: a cell is not driven, and nobody leaves it driven."""

import asyncio

import pytest

from daemon.before_runs.dummy_check import FAIL, Dummy
from daemon.before_runs.dummy_run import check_dummy
from tests.support.instruments import JumpingClock, ScriptedDevice, ScriptedPotentiostat

DUMMY = Dummy(resistance_ohm=1000.0, tolerance=0.01, current_ampere=0.003)


async def test_a_cell_that_was_left_on_the_leads_is_not_driven() -> None:
    device, clock = ScriptedDevice(), JumpingClock(0.0)
    diary: list[tuple[str, str]] = []
    findings, parts = await check_dummy(ScriptedPotentiostat(device, clock, diary), DUMMY, clock)
    assert (findings[0].name, findings[0].state) == ("open_circuit", FAIL)
    assert [part.asked_ampere for part in parts] == [0.0]
    assert [entry[0] for entry in diary].count("start_segment") == 1
    assert not device.output_on


async def test_who_gives_up_leaves_it_at_open_circuit() -> None:
    device, clock = ScriptedDevice(), JumpingClock(0.0)

    def give_up() -> None:
        raise asyncio.CancelledError

    clock.at(2.0, give_up)
    diary: list[tuple[str, str]] = []
    with pytest.raises(asyncio.CancelledError):
        await check_dummy(ScriptedPotentiostat(device, clock, diary), DUMMY, clock)
    started = max(at for at, entry in enumerate(diary) if entry[0] == "start_segment")
    assert "make_safe" in [entry[0] for entry in diary[started:]]
