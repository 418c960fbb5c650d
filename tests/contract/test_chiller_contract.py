"""Every chiller's driver against its simulator, over every state a cable can be in."""

import contextlib
import itertools
import math

import pytest

from drivers.errors import (
    BadReplyError,
    DriverError,
    LinkLostError,
    NoReplyError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.registry import CHILLERS, ChillerConnection
from drivers.roles import Chiller, HostLossWatchdog
from simulators.bath import BathBuild
from tests.support.cables import pty_cable, tcp_peer
from tests.support.chillers import DEVICES, SETTINGS, ChillerBench

PATIENCE_REAL_SECOND = 10.0
SHORT_SECOND = 0.05
HOUR_SECOND = 3600.0
MILL_WATT = 80.0

every_make = pytest.mark.parametrize("make", DEVICES)


def chiller(make, address, bench, *, timeout_second=PATIENCE_REAL_SECOND, **settings):
    connection = ChillerConnection(
        name="cooler", address=address, timeout_second=timeout_second, **(SETTINGS.get(make, {}) | settings)
    )
    made: Chiller = CHILLERS[f"{make}.chiller"](connection, bench.wait, None)
    return made


@contextlib.asynccontextmanager
async def connected(make, bench, **settings):
    async with tcp_peer(bench.serve) as address:
        made = chiller(make, address, bench, **settings)
        await made.connect()
        try:
            yield made
        finally:
            await made.close()


@contextlib.asynccontextmanager
async def on_cable(make, bench, lay_cable, **settings):
    """Connected over a cable whose replies can be spoilt."""
    async with tcp_peer(bench.serve) as address, lay_cable(address).laid() as cable:
        made = chiller(make, cable.address, bench, **settings)
        await made.connect()
        try:
            yield made, cable
        finally:
            await made.close()


@contextlib.contextmanager
def impatient(made):
    """For a while, a reply that does not come is not waited for long."""
    transport = made._session._transport
    transport.timeout_second = SHORT_SECOND
    try:
        yield
    finally:
        transport.timeout_second = PATIENCE_REAL_SECOND


async def cool_and_stop(made, bench):
    assert not (await made.look()).is_running
    await made.set_celsius(15.0)
    await made.start()
    bench.circulator.bath.heat_load_watt = MILL_WATT
    bench.pass_second(HOUR_SECOND)
    look = await made.look()
    assert (look.is_running, look.setpoint_celsius, look.troubles) == (True, 15.0, ())
    assert look.bath_celsius == pytest.approx(15.0, abs=0.05)
    assert look.external_celsius == pytest.approx(look.bath_celsius + 2.0, abs=0.011)
    await made.start()
    await made.set_celsius(15.0)
    await made.stop()
    await made.stop()
    bench.pass_second(HOUR_SECOND)
    look = await made.look()
    assert not look.is_running
    assert look.bath_celsius > 15.5


@every_make
@pytest.mark.parametrize("behaviour", ["whole", "byte_by_byte"])
async def test_a_bath_is_cooled_over_the_network(make, behaviour, lay_cable):
    bench = ChillerBench(make)
    async with on_cable(make, bench, lay_cable) as (made, cable):
        cable.behaviour = behaviour
        await cool_and_stop(made, bench)


SERIAL = [
    ("lauda", {}, {}),
    ("lauda", {"bus_address": 15}, {"bus_address": 15}),
    ("julabo", {}, {"character": "8N1", "baud": 9600}),
    ("julabo", {"has_even_parity": True}, {}),
    ("julabo", {"bus_address": 32}, {"character": "8N1", "bus_address": 32}),
    ("huber", {}, {}),
]


@pytest.mark.parametrize(("make", "options", "settings"), SERIAL)
async def test_a_bath_is_cooled_over_a_serial_port(make, options, settings):
    bench = ChillerBench(make, **options)
    with pty_cable() as cable:
        line_end = b"\x8d" if options.get("has_even_parity") else b"\r"
        cable.answer(lambda line: bench.receive(line + line_end), line_end=line_end)
        made = chiller(make, cable.path, bench, **settings)
        await made.connect()
        await cool_and_stop(made, bench)
        await made.close()


@every_make
async def test_an_identity_is_what_the_unit_says(make):
    bench = ChillerBench(make)
    async with tcp_peer(bench.serve) as address:
        identity = await chiller(make, address, bench).connect()
    expected = {"lauda": ("LAUDA", "ECO", "1.36"), "julabo": ("JULABO", "CF41", "1.30"), "huber": ("Huber", "", "")}
    assert (identity.maker, identity.model, identity.firmware) == expected[make]
    assert identity.serial_number == ""


@pytest.mark.parametrize(("make", "model", "found"), [("lauda", "PRO", "ECO"), ("julabo", "FP50", "CF41")])
async def test_another_model_is_the_wrong_instrument(make, model, found):
    bench = ChillerBench(make)
    async with tcp_peer(bench.serve) as address:
        with pytest.raises(WrongInstrumentError, match=f"expected .*{model}, found {found}"):
            await chiller(make, address, bench, model=model).connect()


@pytest.mark.parametrize(("asked", "answers"), list(itertools.permutations(DEVICES, 2)))
async def test_another_make_is_no_chiller_of_this_one(asked, answers):
    bench = ChillerBench(answers)
    async with tcp_peer(bench.serve) as address:
        with pytest.raises((BadReplyError, NoReplyError, RefusedError)):
            await chiller(asked, address, bench, timeout_second=SHORT_SECOND).connect()


SPOILING = ["mute", "stale", "garbled", "noisy", "comma_decimals", "shortened", "half", "cut"]
UNHARMED = {("julabo", "shortened", "start")}
"""What is left of `1` is `1`."""
UNTOUCHED = {("huber", "comma_decimals")}
"""A frame without a decimal point."""


@every_make
@pytest.mark.parametrize("behaviour", SPOILING)
async def test_a_spoilt_reply_is_an_error_and_never_a_number(make, behaviour, lay_cable):
    bench = ChillerBench(make)
    async with on_cable(make, bench, lay_cable) as (made, cable):
        true = await made.look()
        cable.behaviour = behaviour
        if (make, behaviour) in UNTOUCHED:
            assert await made.look() == true
            return
        with impatient(made), pytest.raises((NoReplyError, BadReplyError, LinkLostError)):
            await made.look()
        with pytest.raises(LinkLostError, match="connect first"):
            await made.look()
        cable.behaviour = "whole"
        await made.connect()
        assert await made.look() == true


@every_make
@pytest.mark.parametrize("behaviour", [spoilt for spoilt in SPOILING if spoilt not in {"comma_decimals", "stale"}])
@pytest.mark.parametrize("verb", ["start", "set_celsius"])
async def test_a_command_whose_outcome_is_not_known_is_read_back(make, verb, behaviour, lay_cable):
    bench = ChillerBench(make)
    async with on_cable(make, bench, lay_cable) as (made, cable):
        cable.behaviour = behaviour
        try:
            with impatient(made):
                await (made.start() if verb == "start" else made.set_celsius(15.0))
        except (NoReplyError, BadReplyError, LinkLostError):
            pass
        else:
            assert (make, behaviour, verb) in UNHARMED
        cable.behaviour = "whole"
        await made.connect()
        look = await made.look()
        assert look.is_running == bench.circulator.runs
        assert look.setpoint_celsius == bench.circulator.setpoint_celsius
        await made.start()
        await made.set_celsius(15.0)
        look = await made.look()
        assert (look.is_running, look.setpoint_celsius) == (True, 15.0)


@every_make
async def test_a_late_reply_is_no_answer_to_the_next_question(make):
    bench = ChillerBench(make)
    bench.circulator.setpoint_celsius = 99.0
    kept = []
    with pty_cable() as cable:
        cable.answer(lambda line: bench.receive(line + b"\r"))
        made = chiller(make, cable.path, bench, character="8N1")
        await made.connect()
        cable.answer(lambda line: kept.append(bench.receive(line + b"\r")))
        with impatient(made), pytest.raises(NoReplyError):
            await made.look()
        cable.answer(lambda line: bench.receive(line + b"\r"))
        connecting = made.connect()
        assert kept[0]
        cable.send(b"".join(kept))
        await connecting
        assert (await made.look()).bath_celsius == 23.0
        await made.close()


@every_make
async def test_an_unplugged_port_is_lost_and_says_what_was_tried(make):
    bench = ChillerBench(make)
    with pty_cable() as cable:
        cable.answer(lambda line: bench.receive(line + b"\r"))
        made = chiller(make, cable.path, bench, character="8N1")
        await made.connect()
        cable.unplug()
        with pytest.raises(LinkLostError, match=cable.path):
            await made.look()
        with pytest.raises(LinkLostError, match="opening"):
            await made.connect()
        with pytest.raises(LinkLostError):
            await made.make_safe()
        await made.close()


@every_make
async def test_a_unit_that_lost_its_power_stands(make, lay_cable):
    bench = ChillerBench(make)
    async with on_cable(make, bench, lay_cable) as (made, _):
        await made.set_celsius(15.0)
        await made.start()
        bench.device.power_cycle(bench.now_ns)
        bench.pass_second(1.0)
        look = await made.look()
        assert not look.is_running
        assert look.setpoint_celsius == (25.0 if make == "julabo" else 15.0)
        assert await made.read_watchdog() is None
        await made.connect()
        await made.set_celsius(15.0)
        await made.start()
        assert (await made.look()).is_running


@every_make
@pytest.mark.parametrize("runs", [True, False])
async def test_made_safe_it_goes_on_as_it_is(make, runs, lay_cable):
    bench = ChillerBench(make)
    async with on_cable(make, bench, lay_cable) as (made, cable):
        await made.set_celsius(15.0)
        await (made.start() if runs else made.stop())
        cable.behaviour = "cut"
        with pytest.raises(DriverError):
            await made.look()
        cable.behaviour = "whole"
        for _ in range(2):
            await made.make_safe()
            look = await made.look()
            assert (look.is_running, look.setpoint_celsius) == (runs, 15.0)
        await made.close()
        await made.make_safe()
        await made.close()


@every_make
async def test_without_a_probe_the_external_temperature_is_none(make):
    async with connected(make, ChillerBench(make, has_probe=False)) as made:
        look = await made.look()
        assert math.isnan(look.external_celsius)
        assert look.bath_celsius == 23.0


@every_make
@pytest.mark.parametrize("celsius", [-25.5, -10.0, -0.004, 0.0, 15.555, 99.99])
async def test_setpoints_are_taken_to_a_hundredth(make, celsius):
    bench = ChillerBench(make, low_limit_celsius=-30.0, high_limit_celsius=100.0)
    async with connected(make, bench) as made:
        await made.set_celsius(celsius)
        assert bench.circulator.setpoint_celsius == round(celsius, 2)
        assert (await made.look()).setpoint_celsius == round(celsius, 2)


@every_make
@pytest.mark.parametrize("celsius", [-30.1, 100.1, math.nan, math.inf, -math.inf, 1e9])
async def test_setpoints_beyond_the_limits_change_nothing(make, celsius):
    bench = ChillerBench(make, low_limit_celsius=-30.0, high_limit_celsius=100.0)
    async with connected(make, bench) as made:
        moved = make == "huber" and math.isfinite(celsius) and celsius < 1e9
        with pytest.raises(RefusedError if moved else OutOfRangeError):
            await made.set_celsius(celsius)
        if not moved:
            assert bench.circulator.setpoint_celsius == 20.0


@every_make
async def test_too_little_liquid_is_a_fault_and_it_does_not_start(make):
    bench = ChillerBench(make)
    async with connected(make, bench) as made:
        bench.circulator.low_level = True
        with pytest.raises(RefusedError):
            await made.start()
        look = await made.look()
        assert not look.is_running
        assert look.has_fault
        text = " ".join(trouble.text.lower() for trouble in look.troubles)
        assert {"lauda": "low level", "julabo": "low level", "huber": "-75"}[make] in text
        bench.circulator.heal()
        await made.start()
        assert not (await made.look()).has_fault


@every_make
async def test_an_alarm_stops_it(make):
    bench = ChillerBench(make)
    async with connected(make, bench) as made:
        await made.start()
        bench.circulator.alarm_codes = (5,)
        look = await made.look()
        assert (look.is_running, look.has_fault) == (False, True)
        if make != "lauda":
            assert look.troubles[0].code == -5


@every_make
async def test_switched_off_by_hand_it_stands(make):
    bench = ChillerBench(make)
    async with connected(make, bench) as made:
        await made.set_celsius(15.0)
        await made.start()
        bench.circulator.switch_off()
        look = await made.look()
        assert (look.is_running, look.has_fault) == (False, False)
        if make == "julabo":
            with pytest.raises(RefusedError, match="not in remote control"):
                await made.start()
        bench.circulator.heal()
        assert (await made.look()).is_running


@every_make
async def test_a_silent_unit_cools_on(make):
    bench = ChillerBench(make)
    async with connected(make, bench) as made:
        await made.set_celsius(15.0)
        await made.start()
        bench.circulator.silent = True
        with impatient(made), pytest.raises(NoReplyError):
            await made.look()
        with impatient(made), pytest.raises(NoReplyError):
            await made.connect()
        bench.pass_second(HOUR_SECOND)
        bench.circulator.silent = False
        await made.connect()
        assert (await made.look()).bath_celsius == pytest.approx(15.0, abs=0.05)


@pytest.mark.parametrize("make", ["julabo", "huber"])
async def test_a_make_without_a_watchdog_says_so(make):
    async with connected(make, ChillerBench(make)) as made:
        assert made.limits.longest_watchdog_second is None
        assert await made.read_watchdog() is None
        with pytest.raises(RefusedError, match="host-loss watchdog, 30 s, 15 °C"):
            await made.arm_watchdog(30.0, 15.0)


@pytest.mark.parametrize("keeps_cooling", [True, False])
async def test_a_lauda_sees_to_itself_when_nobody_speaks(keeps_cooling):
    bench = ChillerBench("lauda", safe_mode_is_activated=keeps_cooling)
    async with connected("lauda", bench, safe_mode=keeps_cooling) as made:
        await made.set_celsius(25.0)
        await made.start()
        armed = await made.arm_watchdog(30.9, 15.0)
        assert armed == HostLossWatchdog(30.0, 15.0, keeps_cooling) == await made.read_watchdog()
        for _ in range(20):
            bench.pass_second(10.0)
            assert (await made.look()).setpoint_celsius == 25.0
        bench.pass_second(29.9)
        assert bench.circulator.setpoint_celsius == 25.0
        await made.look()
        bench.pass_second(30.0)
        look = await made.look()
        assert (look.is_running, look.has_fault) == (keeps_cooling, not keeps_cooling)
        assert look.setpoint_celsius == (15.0 if keeps_cooling else 25.0)
        assert [trouble.code for trouble in look.troubles] == ([3, 503] if keeps_cooling else [2])
        bench.pass_second(HOUR_SECOND)
        if keeps_cooling:
            assert (await made.look()).bath_celsius == pytest.approx(15.0, abs=0.05)
            with pytest.raises(RefusedError, match="38"):
                await made.set_celsius(20.0)
        else:
            assert 23.0 < (await made.look()).bath_celsius < 25.0
            with pytest.raises(RefusedError, match="reads back that it stands by"):
                await made.start()


@pytest.mark.parametrize("keeps_cooling", [True, False])
async def test_a_lauda_made_safe_is_never_stopped_by_its_watchdog(keeps_cooling):
    bench = ChillerBench("lauda", safe_mode_is_activated=keeps_cooling)
    async with connected("lauda", bench, safe_mode=keeps_cooling) as made:
        await made.set_celsius(15.0)
        await made.start()
        await made.arm_watchdog(30.0, 15.0)
        for _ in range(2):
            await made.make_safe()
        assert (await made.read_watchdog() is None) == (not keeps_cooling)
        bench.pass_second(HOUR_SECOND)
        look = await made.look()
        assert (look.is_running, look.setpoint_celsius) == (True, 15.0)


@pytest.mark.parametrize(
    ("timeout_second", "safe_celsius"), [(0.5, 15), (100, 15), (math.nan, 15), (30, 101), (30, -31)]
)
async def test_a_watchdog_that_cannot_be_is_not_armed(timeout_second, safe_celsius):
    async with connected("lauda", ChillerBench("lauda")) as made:
        with pytest.raises(OutOfRangeError):
            await made.arm_watchdog(timeout_second, safe_celsius)
        assert await made.read_watchdog() is None


async def test_safe_mode_can_be_tried_once():
    bench = ChillerBench("lauda")
    async with connected("lauda", bench, safe_mode=True) as made:
        await made.arm_watchdog(30.0, 15.0)
        with pytest.raises(RefusedError, match="35, Safe Mode is not activated"):
            await made.enter_safe_mode()
        bench.device.safe_mode_is_activated = True
        await made.enter_safe_mode()
        assert (await made.look()).setpoint_celsius == 15.0
        bench.device.end_safe_mode()
        assert (await made.look()).troubles == ()


async def test_a_julabo_is_left_alone_after_every_command():
    bench = ChillerBench("julabo")
    async with connected("julabo", bench) as made:
        await made.set_celsius(15.0)
        await made.start()
        assert bench.circulator.runs

    async def hurry(second):
        """Let no time pass."""

    bench.wait = hurry
    async with connected("julabo", bench) as made:
        with impatient(made), pytest.raises(NoReplyError):
            await made.stop()


async def test_what_a_julabo_did_not_take_is_told_with_its_reason():
    bench = ChillerBench("julabo", low_limit_celsius=-10.0, high_limit_celsius=50.0)
    async with connected("julabo", bench, family="basic", external_probe=False) as made:
        bench.receive(b"nonsense\r")
        with pytest.raises(RefusedError, match=r"-11, it reads back 20\.0 and says VALUE TOO LARGE"):
            await made.set_celsius(60.0)
        with pytest.raises(RefusedError, match=r"-10, it reads back 20\.0 and says VALUE TOO SMALL"):
            await made.set_celsius(-20.0)
        assert (await made.look()).troubles == ()


@every_make
async def test_the_heat_of_a_mill_is_taken_away_up_to_what_the_unit_can(make):
    build = BathBuild(cooling_watt_by_celsius=((0.0, 100.0), (20.0, 200.0)), pump_watt=0.0, loss_watt_per_kelvin=0.0)
    bench = ChillerBench(make, build=build)
    async with connected(make, bench) as made:
        await made.set_celsius(15.0)
        await made.start()
        bench.circulator.bath.heat_load_watt = 150.0
        bench.pass_second(6 * HOUR_SECOND)
        assert (await made.look()).bath_celsius == pytest.approx(15.0, abs=0.05)
        bench.circulator.bath.heat_load_watt = 190.0
        bench.pass_second(6 * HOUR_SECOND)
        assert (await made.look()).bath_celsius == pytest.approx(18.0, abs=0.1)
