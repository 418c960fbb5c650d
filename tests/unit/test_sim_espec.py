"""The simulated ESPEC chamber: what it answers, and air that warms the cell alike however time is cut."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.and_indicator import AndIndicator
from simulators.cell import PressCell
from simulators.chamber_air import STEP_NS, ChamberAir, ChamberBuild
from simulators.device import SECOND_NS, Device
from simulators.espec import EspecChamber

MINUTE_NS = 60 * SECOND_NS
STEADY = ChamberBuild(ripple_kelvin=0)


@dataclass
class Surroundings:
    """Writes down what is done to it."""

    set_celsius: list[float] = field(default_factory=list)

    def set_chamber_celsius(self, temperature_celsius: float) -> None:
        self.set_celsius.append(temperature_celsius)


def run(chamber: EspecChamber, from_ns: int, to_ns: int) -> dict[int, float]:
    """Bring a chamber alone from one time to another; its air after each stop."""
    stops = {}
    while from_ns < to_ns:
        from_ns = chamber.run_to(to_ns)
        chamber.settle(from_ns)
        stops[from_ns] = chamber.air_celsius_at(from_ns)
    return stops


def ask(chamber: EspecChamber, command: str, now_ns: int = 0) -> str:
    reply = chamber.receive(f"{command}\r\n".encode("latin-1"), now_ns).decode("latin-1")
    assert reply.endswith("\r\n")
    return reply.removesuffix("\r\n")


@pytest.fixture
def chamber() -> EspecChamber:
    return EspecChamber("oven", Surroundings(), build=STEADY, utc_start=datetime(2026, 3, 1, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        ("TEMP?", "55.0,55.0,140.0,-50.0"),
        ("MON?", "55.0,,CONSTANT,0"),
        ("MON?,DETAIL", "55.0,,CONSTANT,0"),
        ("MODE?", "CONSTANT"),
        ("MODE?,DETAIL", "CONSTANT"),
        ("ALARM?", "0"),
        ("TYPE?", "T,S2,160.0"),
        ("SET?", "REF9"),
        ("CONSTANT SET?,TEMP", "55.0,ON"),
        ("HUMI?", "NA:CONT NOT READY-1"),
        ("KEYPROTECT?", "OFF"),
        ("SRQ?", "00000000"),
        ("DATE?", "26.03/02"),
        ("TIME?", "00:00:01"),
        ("PRGM MON?", "NA:CMD ERR"),
        ("1,TEMP?", "NA:ADDR ERR"),
        ("", "NA:CMD ERR"),
    ],
)
def test_queries(chamber, query, reply):
    assert ask(chamber, query, 61 * SECOND_NS) == reply


def test_reply_of_a_real_chamber():
    chamber = EspecChamber("oven", Surroundings(), air_celsius=26.4, setpoint_celsius=0.0, mode="STANDBY")
    assert ask(chamber, "TEMP?") == "26.4,0.0,140.0,-50.0"
    assert ask(chamber, "MON?") == "26.4,,STANDBY,0"
    chamber.set_alarms((1, 7), 0)
    assert ask(chamber, "ALARM?") == "2,1,7"
    assert ask(chamber, "MON?") == "26.4,,STANDBY,2"
    assert ask(chamber, "SRQ?") == "01000000"


@pytest.mark.parametrize(
    "command",
    [
        "TEMP, S60.0",
        "TEMP,S60.0",
        "TEMP, S55.0 H80.0 L0.0",
        "TEMP, H80.0",
        "TEMP, L0.0",
        "MODE,STANDBY",
        "MODE,OFF",
        "POWER,off",
        "KEYPROTECT,ON",
        "SET,REF1",
    ],
)
def test_sets_are_echoed_byte_for_byte(chamber, command):
    assert ask(chamber, command) == f"OK:{command}"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("TEMP, S140.1", "DATA OUT OF RANGE"),
        ("TEMP, S-60.0", "DATA OUT OF RANGE"),
        ("TEMP, H54.9", "DATA OUT OF RANGE"),
        ("TEMP, H200.0", "DATA OUT OF RANGE"),
        ("TEMP, S60.0 H50.0", "DATA OUT OF RANGE"),
        ("TEMP, 60.0", "PARA ERR"),
        ("TEMP, S60,0", "PARA ERR"),
        ("TEMP,", "PARA ERR"),
        ("MODE,HOT", "PARA ERR"),
        ("MODE,RUN1", "DATA NOT READY"),
        ("HUMI, SOFF", "CONT NOT READY-1"),
        ("TEMPERATURE, S60.0", "CMD ERR"),
    ],
)
def test_refusals_change_nothing(chamber, command, error):
    assert ask(chamber, command) == f"NA:{error}"
    assert ask(chamber, "TEMP?") == "55.0,55.0,140.0,-50.0"
    assert ask(chamber, "MODE?") == "CONSTANT"


def test_protected_data_and_keys(chamber):
    chamber.data_protected = True
    assert ask(chamber, "TEMP, S60.0") == "NA:PROTECT ON"
    chamber.data_protected = False
    ask(chamber, "MODE,OFF")
    assert ask(chamber, "KEYPROTECT,ON") == "NA:CONT NOT READY-4"


def test_setpoint_is_taken_in_standby_and_acts_in_constant():
    surroundings = Surroundings()
    chamber = EspecChamber("oven", surroundings, air_celsius=23.0, mode="OFF", build=STEADY)
    for command, mode in (("POWER,ON", "STANDBY"), ("TEMP, S55.0", "STANDBY")):
        ask(chamber, command)
        assert ask(chamber, "MODE?") == mode
    run(chamber, 0, 60 * MINUTE_NS)
    assert surroundings.set_celsius == [23.0]
    ask(chamber, "MODE,CONSTANT", 60 * MINUTE_NS)
    run(chamber, 60 * MINUTE_NS, 120 * MINUTE_NS)
    assert surroundings.set_celsius[-1] == 55.0
    ask(chamber, "MODE,STANDBY", 120 * MINUTE_NS)
    run(chamber, 120 * MINUTE_NS, 180 * MINUTE_NS)
    assert 23 < surroundings.set_celsius[-1] < 40


@pytest.mark.parametrize(("start_celsius", "kelvin_per_minute"), [(25.0, 3.0), (100.0, -1.5)])
def test_air_ramps_and_arrives(start_celsius, kelvin_per_minute):
    surroundings = Surroundings()
    chamber = EspecChamber("oven", surroundings, air_celsius=start_celsius, build=STEADY)
    stops = run(chamber, 0, 120 * MINUTE_NS)
    steps = np.diff(surroundings.set_celsius)
    assert steps[:30] == pytest.approx(kelvin_per_minute / 6)
    assert (np.sign(steps) == np.sign(kelvin_per_minute)).all()
    assert np.abs(steps).max() == pytest.approx(abs(kelvin_per_minute) / 6)
    assert surroundings.set_celsius[-1] == 55.0
    assert all(at_ns % STEP_NS == 0 for at_ns in stops)
    moving_minutes = (len(stops) - 1) / 6
    assert abs((55 - start_celsius) / kelvin_per_minute) < moving_minutes < 45
    assert chamber.run_to(10**18) == 10**18


def test_command_acts_at_the_next_step(chamber):
    ask(chamber, "TEMP, S60.0", 13 * SECOND_NS)
    assert chamber.run_to(19 * SECOND_NS) == 19 * SECOND_NS
    assert [chamber.run_to(MINUTE_NS) for _ in range(3)] == [20 * SECOND_NS] * 3
    assert ask(chamber, "TEMP?", 19 * SECOND_NS).startswith("55.0,60.0")
    chamber.settle(20 * SECOND_NS)
    assert ask(chamber, "TEMP?", 20 * SECOND_NS).startswith("55.5,60.0")


def test_ripple_is_felt_in_the_air_and_not_by_the_cell():
    surroundings = Surroundings()
    air = ChamberAir(surroundings, ChamberBuild(ripple_kelvin=0.1), 55.0, seed=3)
    air.aim(55.0, 0)
    felt = np.array([air.celsius_at(second * SECOND_NS) for second in range(1500)])
    assert felt.max() == pytest.approx(55.1, abs=1e-3)
    assert felt.mean() == pytest.approx(55.0, abs=1e-3)
    assert surroundings.set_celsius == [55.0]
    air.aim(55.5, 0)
    for _ in range(60):
        air.settle(air.next_step_ns or 0)
    assert (np.diff(surroundings.set_celsius) > 0).all()
    assert surroundings.set_celsius[-1] == 55.5
    assert air.next_step_ns is None


def test_power_cycle_changes_nothing(chamber):
    ask(chamber, "TEMP, S60.0")
    chamber.receive(b"TEMP, S", 0)
    chamber.power_cycle(0)
    assert ask(chamber, "TEMP?") == "55.0,60.0,140.0,-50.0"
    assert ask(chamber, "MODE?") == "CONSTANT"


@pytest.mark.parametrize("wrong", [{"approach_second": 0.0}, {"cooling_kelvin_per_minute": -1.0}])
def test_impossible_chambers_are_refused(wrong):
    with pytest.raises(ValueError, match="above 0"):
        ChamberBuild(**wrong)


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"TEMP, S6", b"0.0\r\n", b"MODE?\r\n"]), max_size=8))
def test_any_bytes_are_answered_alike_in_any_pieces(pieces):
    whole, cut = EspecChamber("oven", Surroundings()), EspecChamber("oven", Surroundings())
    replies = b"".join(cut.receive(piece, 0) for piece in pieces)
    assert whole.receive(b"".join(pieces), 0) == replies
    assert replies.count(b"\r\n") == b"".join(pieces).count(b"\n")


def conduct(cell: PressCell, chamber: EspecChamber, others: list[Device], to_ns: int) -> list[tuple[int, bytes]]:
    """Move time for a cell, its chamber and what else is there, as the bench does."""
    emitted = []
    while cell.now_ns < to_ns:
        stop_ns = chamber.run_to(to_ns)
        for device in others:
            assert device.run_to(stop_ns) == stop_ns
        cell.advance_to(stop_ns)
        for device in (chamber, *others):
            device.settle(stop_ns)
            emitted += device.take_emitted() if isinstance(device, AndIndicator) else []
    return emitted


COMMANDS = st.sampled_from(["TEMP, S30.0", "TEMP, S60.0", "MODE,STANDBY", "MODE,CONSTANT", "MODE,OFF", "TEMP?"])


@given(
    st.lists(
        st.tuples(
            st.integers(1, 20 * MINUTE_NS) | st.sampled_from([STEP_NS, 3 * STEP_NS]),
            COMMANDS,
            st.lists(st.integers(1, 20 * MINUTE_NS), max_size=3),
        ),
        max_size=4,
    )
)
def test_cuts_of_time_change_nothing(stretches):
    seen = []
    for whole in (True, False):
        cell = PressCell(chamber_celsius=25.0, start_celsius=25.0)
        chamber = EspecChamber("oven", cell, air_celsius=25.0, seed=5)
        indicator = AndIndicator("load", cell)
        emitted, replies = [], []
        for gap_ns, command, offsets in [*stretches, (MINUTE_NS, "TEMP?", [])]:
            end_ns = cell.now_ns + gap_ns
            for cut_ns in [] if whole else sorted({min(cell.now_ns + offset, end_ns) for offset in offsets}):
                emitted += conduct(cell, chamber, [indicator], cut_ns)
            emitted += conduct(cell, chamber, [indicator], end_ns)
            replies.append(ask(chamber, command, end_ns))
        seen.append((emitted, replies, cell.chamber_celsius, cell.state))
    assert seen[0] == seen[1]
