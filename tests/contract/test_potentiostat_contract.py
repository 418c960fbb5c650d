"""Every potentiostat driver on its simulator: each verb is right or raises an error of ours, on any cable."""

import contextlib
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from drivers.errors import DriverError, LinkLostError, OutOfRangeError, RefusedError, WrongInstrumentError
from drivers.registry import POTENTIOSTATS, Connection
from drivers.roles import POWER_TOLERANCE, Potentiostat, ReadingBlock, SegmentMode, SegmentProgram, SegmentState

SERIAL_NUMBER = "04451117"
TIMEOUT_SECOND = 0.4
REST = SegmentProgram(
    current_ampere=0.0,
    current_range_ampere=1e-6,
    until_voltage_volt=None,
    lower_guard_volt=1.0,
    upper_guard_volt=3.9,
    duration_second=20.0,
    sampling_second=1.0,
    cutoff_second=1.0,
)
CHARGE = SegmentProgram(
    current_ampere=0.15e-3,
    current_range_ampere=1e-3,
    until_voltage_volt=3.7,
    lower_guard_volt=1.0,
    upper_guard_volt=3.9,
    duration_second=30.0,
    sampling_second=1.0,
    cutoff_second=0.2,
)
HOLD = SegmentProgram(
    mode=SegmentMode.VOLTAGE,
    voltage_volt=2.6,
    current_limit_ampere=0.15e-3,
    current_ampere=0.0,
    current_range_ampere=1e-3,
    until_voltage_volt=None,
    lower_guard_volt=1.0,
    upper_guard_volt=3.9,
    duration_second=20.0,
    sampling_second=1.0,
    cutoff_second=0.2,
)
SCAN = replace(HOLD, mode=SegmentMode.SCAN, end_voltage_volt=2.62, scan_rate_volt_per_second=1e-3)
POWER = replace(
    CHARGE,
    mode=SegmentMode.POWER,
    power_watt=0.5e-3,
    current_ampere=0.5e-3 / 1.8,
    lower_guard_volt=1.8,
    upper_guard_volt=3.8,
    duration_second=20.0,
)
BEHAVIOURS = (
    "whole",
    "byte_by_byte",
    "mute",
    "stale",
    "garbled",
    "noisy",
    "comma_decimals",
    "shortened",
    "half",
    "cut",
)
"""How a cable carries replies: methods of the cable in conftest.py."""

ON_ANY_CABLE = pytest.mark.parametrize(
    ("driver_name", "behaviour"),
    [*itertools.product(["keithley.2450"], BEHAVIOURS), ("keithley.2460", "whole"), ("keithley.2461", "whole")],
)
"""One model of a driver meets every cable, its sisters the sound one."""

tokens = (f"p0c0ffee0_{number:06d}" for number in itertools.count(1))


@dataclass
class Desk:
    """A driver on a spoilt cable, another on a sound one to the same instrument, and the time between them."""

    driver: Potentiostat
    sound: Potentiostat
    cable: object
    clock: object

    async def healed(self):
        """The cable is whole again and the driver connected anew."""
        self.cable.behaviour = "whole"
        await self.driver.connect()

    async def sound_start(self, token, program):
        """Start by the driver that knows nothing of what the other did."""
        await self.sound.connect()
        return await self.sound.start_segment(token, program)


@pytest.fixture(params=sorted(POTENTIOSTATS))
def driver_name(request):
    return request.param


@pytest.fixture
def desk(benches, lay_cable, driver_name):
    """Lays the cables and connects: `async with desk() as …`."""
    entry = POTENTIOSTATS[driver_name]

    bench = benches[driver_name.rpartition(".")[2]]

    @contextlib.asynccontextmanager
    async def lay(serial_number=SERIAL_NUMBER):
        [instrument] = bench.cables.values()
        async with bench.clock() as clock, lay_cable(instrument["address"]).laid() as cable:

            def make(address):
                connection = Connection(
                    name="smu", address=address, serial_number=serial_number, timeout_second=TIMEOUT_SECOND
                )
                return entry.make(connection, lambda: clock.now_second, None)

            driver, sound = make(cable.address), make(instrument["address"])
            try:
                yield Desk(driver, sound, cable, clock)
            finally:
                with contextlib.suppress(WrongInstrumentError):
                    await sound.make_safe()
                await driver.close()
                await sound.close()

    return lay


def assert_same(block: ReadingBlock, truth: ReadingBlock):
    assert block.first_index == truth.first_index
    for name in ("elapsed_second", "voltage_volt", "current_ampere", "source_status", "reading_status"):
        np.testing.assert_array_equal(getattr(block, name), getattr(truth, name))


async def finished(desk, program):
    """A token whose segment has ended, and its rows as a sound cable gives them."""
    token = next(tokens)
    await desk.sound.connect()
    await desk.sound.start_segment(token, program)
    await desk.clock.pass_time(program.duration_second + 5)
    look = await desk.sound.look(token)
    assert look.state is SegmentState.FINISHED
    return token, await desk.sound.read_rows(token, 1, look.row_count)


async def test_a_segment_from_start_to_oblivion(desk):
    async with desk() as on:
        token = next(tokens)
        identity = await on.driver.connect()
        assert (identity.serial_number, identity.model) == (SERIAL_NUMBER, on.driver.limits.model)
        assert (await on.driver.look(token)).state is SegmentState.ABSENT
        started_second = await on.driver.start_segment(token, CHARGE)
        assert started_second == on.clock.now_second
        await on.clock.pass_time(10.0)
        running = await on.driver.look(token)
        assert (running.state, running.output_on) == (SegmentState.RUNNING, True)
        assert running.row_count in {10, 11}
        assert await on.driver.start_segment(token, CHARGE) == started_second
        assert math.isnan(await on.sound_start(token, CHARGE))
        await on.clock.pass_time(CHARGE.duration_second)
        done = await on.driver.look(token)
        assert (done.state, done.output_on, done.row_count) == (SegmentState.FINISHED, False, 31)
        block = await on.driver.read_rows(token, 1, 31)
        np.testing.assert_allclose(block.elapsed_second, np.arange(31.0), atol=0.05)
        np.testing.assert_allclose(block.current_ampere, 0.15e-3, rtol=5e-3)
        assert ((block.voltage_volt > 1.0) & (block.voltage_volt < 3.75)).all()
        assert_same(await on.driver.read_rows(token, 1, 31), block)
        await on.driver.forget_segment(token)
        await on.driver.forget_segment(token)
        assert (await on.driver.look(token)).state is SegmentState.ABSENT


async def test_rest_sources_nothing(desk):
    async with desk() as on:
        _, rows = await finished(on, REST)
        assert np.abs(rows.current_ampere).max() < 1e-8
        assert len(rows.voltage_volt) == 21


@pytest.mark.parametrize("current_ampere", [0.15e-3, -0.15e-3])
async def test_a_limit_ends_the_segment_with_a_last_row(desk, current_ampere):
    async with desk() as on:
        _, rest = await finished(on, REST)
        rest_volt = rest.voltage_volt[-1]
        until = rest_volt + math.copysign(2e-3, current_ampere)
        program = SegmentProgram(
            current_ampere=current_ampere,
            current_range_ampere=1e-3,
            until_voltage_volt=until,
            lower_guard_volt=1.0,
            upper_guard_volt=3.9,
            duration_second=3600.0,
            sampling_second=10.0,
            cutoff_second=1.0,
        )
        _, rows = await finished(on, program)
        passed = (rows.voltage_volt - until) * math.copysign(1, current_ampere)
        assert passed[-1] > 0
        assert (passed[:-1] <= 0).all()
        np.testing.assert_allclose(np.diff(rows.elapsed_second)[:-1], 10.0, atol=0.05)


@pytest.mark.parametrize("step_volt", [5e-3, -5e-3])
async def test_a_held_voltage_ends_when_its_current_has_fallen(desk, step_volt):
    async with desk() as on:
        _, rest = await finished(on, REST)
        held = round(rest.voltage_volt[-1] + step_volt, 3)
        until = 0.2 * abs(step_volt) / 100
        program = replace(HOLD, voltage_volt=held, until_current_ampere=until, duration_second=36000.0)
        _, rows = await finished(on, program)
        sign = math.copysign(1, step_volt)
        np.testing.assert_allclose(rows.voltage_volt, held, atol=3.2e-3)
        assert (rows.current_ampere * sign > 0).all()
        assert (rows.current_ampere * sign <= 1.01 * program.current_limit_ampere).all()
        assert (rows.current_ampere[:-1] * sign > until).all()
        assert rows.current_ampere[-1] * sign <= 1.05 * until, "a last row is taken after the reading that ended it"
        assert rows.elapsed_second[-1] < program.duration_second


@pytest.mark.parametrize("step_volt", [0.5, -0.2])
async def test_a_step_of_the_voltage_makes_no_more_than_the_limit(desk, step_volt):
    async with desk() as on:
        _, rest = await finished(on, REST)
        rest_volt = rest.voltage_volt[-1]
        _, rows = await finished(on, replace(HOLD, voltage_volt=round(rest_volt + step_volt, 3)))
        sign = math.copysign(1, step_volt)
        np.testing.assert_allclose(rows.current_ampere * sign, HOLD.current_limit_ampere, rtol=5e-3)
        assert (rows.source_status & 32 != 0).all()
        assert (np.abs(rows.voltage_volt - rest_volt) < abs(step_volt)).all()
        assert len(rows.voltage_volt) == 21


async def test_a_scan_has_a_row_for_each_level(desk):
    async with desk() as on:
        _, rest = await finished(on, REST)
        start = round(rest.voltage_volt[-1], 3)
        for first, last in ((start, start + 0.02), (start + 0.02, start)):
            program = replace(SCAN, voltage_volt=first, end_voltage_volt=last, current_limit_ampere=1e-3)
            _, rows = await finished(on, program)
            assert len(rows.voltage_volt) == program.scan_row_count == 21
            np.testing.assert_allclose(rows.voltage_volt, np.linspace(first, last, 21), atol=4e-3)
            np.testing.assert_allclose(np.diff(rows.voltage_volt), (last - first) / 20, atol=5e-4)
            np.testing.assert_allclose(rows.elapsed_second, np.arange(21.0), atol=0.05)
            assert np.abs(rows.current_ampere).max() <= 1.01e-3


@pytest.mark.parametrize("current_ampere", [0.15e-3, -0.15e-3])
async def test_a_clamped_current_never_passes_its_voltage(desk, current_ampere):
    async with desk() as on:
        _, rest = await finished(on, REST)
        until = round(rest.voltage_volt[-1] + math.copysign(30e-3, current_ampere), 3)
        program = replace(
            CHARGE,
            mode=SegmentMode.CLAMPED_CURRENT,
            current_ampere=current_ampere,
            until_voltage_volt=until,
            duration_second=36000.0,
            sampling_second=10.0,
            cutoff_second=1.0,
        )
        _, rows = await finished(on, program)
        sign = math.copysign(1, current_ampere)
        size = rows.current_ampere * sign
        np.testing.assert_allclose(size[:-1], abs(current_ampere), rtol=1e-2)
        assert size[-1] < 0.99 * abs(current_ampere)
        assert rows.voltage_volt[-1] == pytest.approx(until, abs=3.2e-3)
        assert ((rows.voltage_volt - until) * sign < 3.2e-3).all()


@pytest.mark.parametrize(("watt", "until"), [(3e-3, 3.4), (-3e-3, 2.6)])
async def test_a_power_is_held_until_its_voltage(desk, watt, until):
    async with desk() as on:
        program = replace(
            POWER,
            power_watt=watt,
            current_ampere=watt / (POWER.lower_guard_volt if watt > 0 else until),
            current_range_ampere=10e-3,
            until_voltage_volt=until,
            duration_second=36000.0,
            sampling_second=10.0,
            cutoff_second=0.5,
        )
        if watt < 0:
            await finished(on, replace(program, power_watt=-watt, current_ampere=-watt / 1.8, until_voltage_volt=3.4))
        _, rows = await finished(on, program)
        share = rows.voltage_volt * rows.current_ampere / watt
        risen = rows.elapsed_second > 10.0
        np.testing.assert_allclose(share[risen], 1.0, atol=POWER_TOLERANCE + 1e-3)
        assert share[~risen].max() < 1.0 + POWER_TOLERANCE + 1e-3, "it is approached from below"
        assert np.ptp(np.abs(rows.current_ampere[risen])) > 0.1 * abs(watt / until), "the current follows the voltage"
        passed = (rows.voltage_volt - until) * math.copysign(1, watt)
        assert passed[-1] > -1e-3, "a last row is taken after the reading that ended it"
        assert (passed[:-1] <= 0).all()
        np.testing.assert_allclose(np.diff(rows.elapsed_second)[1:-1], 10.0, atol=0.05)
        assert rows.elapsed_second[-1] < program.duration_second


async def test_rows_of_a_held_voltage_are_read_by_a_daemon_that_took_over(desk):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(token, HOLD)
        await on.clock.pass_time(5.0)
        await on.sound.connect()
        assert (await on.sound.look(token)).state is SegmentState.RUNNING
        assert_same(await on.sound.read_rows(token, 1, 5), await on.driver.read_rows(token, 1, 5))
        assert math.isnan(await on.sound.start_segment(token, HOLD))
        await on.sound.make_safe()
        look = await on.driver.look(token)
        assert (look.state, look.output_on) == (SegmentState.FINISHED, False)
        await on.sound.forget_segment(token)
        assert (await on.driver.look(token)).state is SegmentState.ABSENT


@pytest.mark.parametrize("change", [{"current_limit_ampere": 50e-6}, {"voltage_volt": 4.0}, {"current_ampere": 1e-4}])
async def test_what_cannot_be_held_is_refused_before_anything_is_sent(desk, change):
    async with desk() as on:
        await on.driver.connect()
        token = next(tokens)
        with pytest.raises(OutOfRangeError):
            await on.driver.start_segment(token, replace(HOLD, **change))
        assert (await on.driver.look(token)).state is SegmentState.ABSENT


async def test_another_serial_number_is_refused(desk):
    async with desk(serial_number="00000000") as on:
        with pytest.raises(WrongInstrumentError, match=SERIAL_NUMBER):
            await on.driver.connect()


async def test_make_safe_from_any_state_and_twice(desk):
    async with desk() as on:
        await on.driver.make_safe()
        token = next(tokens)
        await on.driver.start_segment(token, CHARGE)
        await on.clock.pass_time(5.0)
        await on.driver.make_safe()
        await on.driver.make_safe()
        look = await on.driver.look(token)
        assert (look.state, look.output_on) == (SegmentState.FINISHED, False)
        assert look.row_count in {5, 6}


async def test_a_second_segment_does_not_touch_one_that_runs(desk):
    async with desk() as on:
        first, second = next(tokens), next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(first, CHARGE)
        await on.clock.pass_time(5.0)
        with pytest.raises(RefusedError):
            await on.driver.start_segment(second, CHARGE)
        assert (await on.driver.look(first)).state is SegmentState.RUNNING


async def test_a_segment_goes_on_when_the_host_is_gone(desk):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(token, CHARGE)
        await on.driver.close()
        await on.clock.pass_time(CHARGE.duration_second + 5)
        with pytest.raises(LinkLostError):
            await on.driver.look(token)
        await on.driver.connect()
        look = await on.driver.look(token)
        assert (look.state, look.row_count) == (SegmentState.FINISHED, 31)


async def test_a_segment_that_a_power_cycle_ended_is_not_run_a_second_time(desk):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(token, CHARGE)
        await on.clock.pass_time(5.0)
        await on.clock.do("fault", cable="potentiostat", kind="power_cycle")
        with pytest.raises(DriverError):
            await on.driver.look(token)
        await on.driver.connect()
        with pytest.raises(RefusedError, match="its rows are gone"):
            await on.driver.read_rows(token, 1, 5)
        for _ in range(2):
            with pytest.raises(RefusedError, match="power was cycled after the start"):
                await on.driver.start_segment(token, CHARGE)
        look = await on.driver.look(token)
        assert (look.state, look.output_on, look.power_was_cycled) == (SegmentState.ABSENT, False, True)


async def test_a_daemon_that_took_over_starts_nothing_a_second_time(desk):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(token, CHARGE)
        await on.clock.do("fault", cable="potentiostat", kind="power_cycle")
        await on.sound.connect()
        with pytest.raises(RefusedError, match="power was cycled after the start"):
            await on.sound.start_segment(token, CHARGE, again=True)
        assert (await on.sound.look(token)).state is SegmentState.ABSENT


@ON_ANY_CABLE
async def test_connecting_on_any_cable(desk, behaviour):
    async with desk() as on:
        on.cable.behaviour = behaviour
        with contextlib.suppress(DriverError):
            assert (await on.driver.connect()).serial_number == SERIAL_NUMBER
        await on.healed()


@ON_ANY_CABLE
async def test_looking_on_any_cable(desk, behaviour):
    async with desk() as on:
        token, rows = await finished(on, REST)
        await on.driver.connect()
        await on.driver.look(token)
        on.cable.behaviour = behaviour
        for _ in range(2):
            with contextlib.suppress(DriverError):
                look = await on.driver.look(token)
                assert (look.state, look.output_on, look.row_count) == (
                    SegmentState.FINISHED,
                    False,
                    len(rows.voltage_volt),
                )
        await on.healed()
        assert (await on.driver.look(token)).row_count == len(rows.voltage_volt)


@ON_ANY_CABLE
@pytest.mark.parametrize("program", [REST, HOLD], ids=["current", "voltage"])
async def test_reading_on_any_cable(desk, behaviour, program):
    async with desk() as on:
        token, truth = await finished(on, program)
        await on.driver.connect()
        await on.driver.read_rows(token, 1, 5)
        on.cable.behaviour = behaviour
        with contextlib.suppress(DriverError):
            block = await on.driver.read_rows(token, 6, 10)
            np.testing.assert_array_equal(block.elapsed_second, truth.elapsed_second[5:10])
            np.testing.assert_array_equal(block.voltage_volt, truth.voltage_volt[5:10])
            np.testing.assert_array_equal(block.current_ampere, truth.current_ampere[5:10])
        await on.healed()
        assert_same(await on.driver.read_rows(token, 1, 21), truth)


@ON_ANY_CABLE
@pytest.mark.parametrize("program", [REST, HOLD, SCAN, POWER], ids=["current", "voltage", "scan", "power"])
async def test_starting_on_any_cable(desk, behaviour, program):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        on.cable.behaviour = behaviour
        with contextlib.suppress(DriverError):
            await on.driver.start_segment(token, program)
        await on.healed()
        await on.driver.start_segment(token, program)
        await on.clock.pass_time(program.duration_second + 5)
        look = await on.driver.look(token)
        assert (look.state, look.output_on, look.row_count) == (SegmentState.FINISHED, False, 21)


@ON_ANY_CABLE
async def test_forgetting_on_any_cable(desk, behaviour):
    async with desk() as on:
        token, _ = await finished(on, REST)
        await on.driver.connect()
        on.cable.behaviour = behaviour
        with contextlib.suppress(DriverError):
            await on.driver.forget_segment(token)
            assert (await on.sound.look(token)).state is SegmentState.ABSENT
        await on.healed()
        await on.driver.forget_segment(token)
        assert (await on.sound.look(token)).state is SegmentState.ABSENT


@ON_ANY_CABLE
@pytest.mark.parametrize("program", [CHARGE, HOLD, POWER], ids=["current", "voltage", "power"])
async def test_making_safe_on_any_cable(desk, behaviour, program):
    async with desk() as on:
        token = next(tokens)
        await on.driver.connect()
        await on.driver.start_segment(token, program)
        await on.clock.pass_time(3.0)
        on.cable.behaviour = behaviour
        with contextlib.suppress(DriverError):
            await on.driver.make_safe()
            assert not (await _sound_look(on, token)).output_on
        await on.healed()
        await on.driver.make_safe()
        assert not (await _sound_look(on, token)).output_on


async def _sound_look(on, token):
    await on.sound.connect()
    return await on.sound.look(token)
