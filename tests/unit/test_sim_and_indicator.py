"""The simulated A&D indicator: its frames, its timing on the line, its zero and tare, whatever way time is cut."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.and_frames import FRAME_BYTES, FrameWriter, Header
from simulators.and_indicator import AndIndicator
from simulators.cell import PressCell
from simulators.device import SECOND_NS, Forecast
from simulators.force_display import START_UP_NS, ForceSensor, IndicatorSetup, Upset

MS = 1_000_000
EXACT = ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=0, noise_kilopascal=0)
KILOGRAM_PER_MEGAPASCAL = EXACT.area_square_millimetre / 9.80665

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass
class StandInCell:
    """A cell that shows what two curves over seconds say, and takes no current."""

    pressure: Curve = lambda second: np.full(second.shape, 12.7)
    celsius: Curve = lambda second: np.full(second.shape, 25.0)
    now_ns: int = 0
    current_ampere: float = field(default=0.0, init=False)
    charge_in_coulomb: float = field(default=0.0, init=False)
    charge_out_coulomb: float = field(default=0.0, init=False)

    def forecast(self, times_ns: np.ndarray) -> Forecast:
        assert not times_ns.size or times_ns[0] >= self.now_ns
        second = times_ns / SECOND_NS
        return Forecast(np.full(second.shape, 3.0), self.pressure(second), self.celsius(second))

    def set_current(self, current_ampere: float) -> None:
        raise AssertionError("an indicator drives no current")

    def current_at_voltage(self, voltage_volt: float) -> float:
        raise AssertionError("an indicator drives no current")

    def advance_to(self, time_ns: int) -> None:
        assert time_ns >= self.now_ns
        self.now_ns = time_ns


def weighing(kilogram: Curve, **setup) -> tuple[AndIndicator, StandInCell]:
    cell = StandInCell(pressure=lambda second: kilogram(second) / KILOGRAM_PER_MEGAPASCAL)
    return AndIndicator("load", cell, sensor=EXACT, setup=IndicatorSetup(**setup)), cell


def constant(kilogram: float) -> Curve:
    return lambda second: np.full(second.shape, kilogram)


def step(before: float, after: float, at_second: float) -> Curve:
    return lambda second: np.where(second < at_second, before, after)


def advance(indicator: AndIndicator, cell: StandInCell | PressCell, to_ns: int) -> list[tuple[int, bytes]]:
    assert indicator.run_to(to_ns) == to_ns
    cell.advance_to(to_ns)
    indicator.settle(to_ns)
    return indicator.take_emitted()


def frames_after(curve: Curve, to_second: float, **setup) -> list[bytes]:
    indicator, cell = weighing(curve, **setup)
    return [frame for _, frame in advance(indicator, cell, int(to_second * SECOND_NS))]


REFERENCE_FRAMES = {
    b"ST,GS,+00123.0kg\r\n": (FrameWriter(1, "kg"), "GS", Header.STABLE, 1230),
    b"US,NT,-0012.34kg\r\n": (FrameWriter(2, "kg"), "NT", Header.UNSTABLE, -1234),
    b"OL,GS,      . kg\r\n": (FrameWriter(1, "kg"), "GS", Header.OVER, 999_999),
    b"ST,TR,+0000000 g\r\n": (FrameWriter(0, "g"), "TR", Header.STABLE, 0),
    b"HD,GS,-1.00001kN\r\n": (FrameWriter(5, "kN"), "GS", Header.HELD, -100_001),
}


@pytest.mark.parametrize("frame", REFERENCE_FRAMES)
def test_frames_of_the_reference(frame):
    writer, kind, header, digits = REFERENCE_FRAMES[frame]
    assert writer.write(kind, [header], np.array([digits])) == [frame]
    assert len(frame) == FRAME_BYTES


def test_other_makes_of_the_family_say_lo():
    assert FrameWriter(2, "kg", "LO").write("GS", [Header.OVER], np.array([-1])) == [b"LO,GS,     .  kg\r\n"]


def test_many_frames_are_written_as_one_by_one():
    digits = np.array([0, 1, -1, 999_999, -999_999, 123_456])
    headers = [Header.STABLE, Header.OVER, Header.UNSTABLE, Header.STABLE, Header.OVER, Header.HELD]
    writer = FrameWriter(2, "kg")
    singly = [writer.write("GS", [header], np.array([value]))[0] for header, value in zip(headers, digits, strict=True)]
    assert writer.write("GS", headers, digits) == singly


def test_frame_leaves_when_its_last_byte_does():
    indicator, cell = weighing(constant(101.7))
    assert advance(indicator, cell, 18 * MS) == []
    assert advance(indicator, cell, 19 * MS) == [(18_750_000, b"ST,GS,+0101.70kg\r\n")]
    assert [at_ns for at_ns, _ in advance(indicator, cell, SECOND_NS)] == [
        k * 100 * MS + 18_750_000 for k in range(1, 10)
    ]


@pytest.mark.parametrize(
    ("baud", "display_hertz", "frames_per_second"),
    [
        (9600, 10, 10),
        (2400, 10, 10),
        (1200, 10, 5),
        (600, 10, 10 / 3),
        (9600, 100, 50),
        (38400, 250, 125),
        (2400, 1, 1),
    ],
)
def test_display_the_line_is_too_slow_for_is_skipped(baud, display_hertz, frames_per_second):
    indicator, cell = weighing(lambda second: 100 + second, baud=baud, display_hertz=display_hertz)
    emitted = advance(indicator, cell, 60 * SECOND_NS)
    assert len(emitted) == pytest.approx(60 * frames_per_second, abs=1)
    assert indicator.bytes_per_second == pytest.approx(frames_per_second * FRAME_BYTES)
    sending_ns = FRAME_BYTES * 10 * SECOND_NS // baud
    for at_ns, frame in emitted:
        assert float(frame[6:14]) == pytest.approx(100 + (at_ns - sending_ns) / SECOND_NS, abs=0.011)
    assert np.diff([at_ns for at_ns, _ in emitted]).min() >= sending_ns


def test_reply_keeps_the_line_from_the_stream():
    indicator, cell = weighing(constant(1.0), baud=1200)
    advance(indicator, cell, SECOND_NS)
    assert len(indicator.receive(b"RW\r\n" * 3, cell.now_ns)) == 3 * FRAME_BYTES
    first_ns, _ = advance(indicator, cell, 2 * SECOND_NS)[0]
    assert first_ns >= SECOND_NS + 4 * FRAME_BYTES * 10 * SECOND_NS // 1200


def test_change_is_unstable_for_a_while():
    frames = frames_after(step(100, 100.32, 2.0), 5, motion_divisions=15, motion_displays=10)
    assert [frame[:2] for frame in frames] == [b"ST"] * 20 + [b"US"] * 10 + [b"ST"] * 20
    assert all(frame.startswith(b"ST") for frame in frames_after(step(100, 100.30, 2.0), 5))


def test_overload_has_no_digits():
    frames = frames_after(lambda second: 500.005 + second / 10, 4)
    assert [frame[:2] for frame in frames].count(b"OL") == 21
    assert frames[18] == b"ST,GS,+0500.18kg\r\n"
    assert frames[19] == b"OL,GS,     .  kg\r\n"
    assert frames_after(constant(-500.2), 0.2)[0] == b"OL,GS,     .  kg\r\n"


def test_shown_step_is_the_division():
    shown = {frame[6:14] for frame in frames_after(lambda second: second, 1, division=5)}
    assert shown == {b"+0000.%02d" % hundredths for hundredths in range(0, 95, 5)} - {
        b"+0000.%02d" % hundredths for hundredths in range(5, 95, 10)
    }


@pytest.mark.parametrize(("unit", "shown"), [("kg", b"+0101.74kg"), ("N", b"+0997.74 N"), ("lb", b"+0224.30lb")])
def test_units(unit, shown):
    cell = StandInCell(pressure=lambda second: np.full(second.shape, 997.74 / EXACT.area_square_millimetre))
    setup = IndicatorSetup(unit=unit, capacity=2000, decimals=2)
    indicator = AndIndicator("load", cell, sensor=EXACT, setup=setup)
    assert advance(indicator, cell, SECOND_NS)[0][1][6:16] == shown


def test_force_of_the_die():
    assert EXACT.area_square_millimetre == pytest.approx(78.54, abs=0.005)
    newton = EXACT.newton(np.array([12.7]), np.array([55.0]), np.array([0.0]))
    assert newton == pytest.approx(997.46, abs=0.01)


def test_warmth_moves_zero_and_span():
    sensor = ForceSensor(span_drift_per_kelvin=0, noise_kilopascal=0)
    zero_newton = sensor.newton(np.zeros(1), np.array([55.0]), np.zeros(1))[0]
    assert zero_newton == pytest.approx(7.5)
    assert zero_newton / sensor.area_square_millimetre == pytest.approx(0.095, abs=5e-4)
    sensor = ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=5e-5, gain_error=0.01, zero_newton=3)
    assert sensor.newton(np.array([10.0]), np.array([45.0]), np.zeros(1))[0] == pytest.approx(
        785.398 * 1.01 * 1.001 + 3
    )


def test_noise_is_four_kilopascal():
    cell = StandInCell()
    indicator = AndIndicator("load", cell, setup=IndicatorSetup(division=1), seed=7)
    frames = [frame for _, frame in advance(indicator, cell, 2000 * SECOND_NS)]
    kilogram = np.array([float(frame[6:14]) for frame in frames])
    assert kilogram.std() / KILOGRAM_PER_MEGAPASCAL * 1e3 == pytest.approx(4.0, rel=0.02)
    assert abs(np.corrcoef(kilogram[1:], kilogram[:-1])[0, 1]) < 0.03
    other = AndIndicator("load", StandInCell(), setup=IndicatorSetup(division=1), seed=8)
    assert [frame for _, frame in advance(other, StandInCell(), SECOND_NS)] != frames[:10]


def test_noise_alone_is_no_motion():
    cell = StandInCell()
    frames = [frame for _, frame in advance(AndIndicator("load", cell), cell, 2000 * SECOND_NS)]
    assert {frame[:2] for frame in frames} == {b"ST"}
    assert len({frame[6:14] for frame in frames}) > 8


def test_commands_are_echoed():
    indicator, cell = weighing(constant(5.0))
    assert indicator.receive(b"RW\r\n", 0) == b"I\r\n"
    advance(indicator, cell, SECOND_NS)
    conversation = [
        (b"RW", b"ST,GS,+0005.00kg"),
        (b"RZ", b"RZ0"),
        (b"MT", b"MT"),
        (b"RW", b"ST,NT,+0000.00kg"),
        (b"RT", b"ST,TR,+0005.00kg"),
        (b"MG", b"MG"),
        (b"RW", b"ST,GS,+0005.00kg"),
        (b"MN", b"MN"),
        (b"RG", b"ST,GS,+0005.00kg"),
        (b"CT", b"CT"),
        (b"RN", b"ST,NT,+0005.00kg"),
        (b"MZ", b"MZ"),
        (b"RW", b"ST,GS,+0000.00kg"),
        (b"RZ", b"RZ1"),
        (b"MT", b"I"),
        (b"XX", b"?"),
        (b"rw", b"?"),
    ]
    for command, reply in conversation:
        assert indicator.receive(command + b"\r\n", cell.now_ns) == reply + b"\r\n"


def test_zero_and_tare_change_the_stream():
    indicator, cell = weighing(constant(5.0))
    advance(indicator, cell, SECOND_NS)
    indicator.receive(b"MZ\r\n", cell.now_ns)
    assert advance(indicator, cell, 2 * SECOND_NS)[0][1] == b"ST,GS,+0000.00kg\r\n"
    indicator, cell = weighing(lambda second: 100 + second)
    advance(indicator, cell, SECOND_NS)
    indicator.receive(b"MT\r\n", cell.now_ns)
    assert advance(indicator, cell, 2 * SECOND_NS)[-1][1] == b"ST,NT,+0001.00kg\r\n"


def test_zero_is_refused_while_unstable_or_far_from_zero():
    indicator, cell = weighing(step(0, 5, 1.0))
    advance(indicator, cell, 1500 * MS)
    assert indicator.receive(b"MZ\r\nMT\r\n", cell.now_ns) == b"I\r\nI\r\n"
    advance(indicator, cell, 3000 * MS)
    assert indicator.receive(b"MZ\r\n", cell.now_ns) == b"MZ\r\n"
    indicator, cell = weighing(constant(10.02))
    advance(indicator, cell, SECOND_NS)
    assert indicator.receive(b"MZ\r\n", cell.now_ns) == b"I\r\n"


def test_without_stream_it_answers_only():
    indicator, cell = weighing(constant(5.0), streaming=False)
    assert advance(indicator, cell, 60 * SECOND_NS) == []
    assert indicator.receive(b"RW\r\n", cell.now_ns) == b"ST,GS,+0005.00kg\r\n"


def test_power_cycle_breaks_a_frame_and_loses_tare():
    indicator, cell = weighing(constant(5.0))
    advance(indicator, cell, 850 * MS)
    indicator.receive(b"MT\r\n", cell.now_ns)
    assert advance(indicator, cell, 909 * MS) == []
    indicator.power_cycle(cell.now_ns)
    assert indicator.take_emitted() == [(909 * MS, b"ST,NT,+0")]
    emitted = advance(indicator, cell, 6 * SECOND_NS)
    assert emitted[0] == (909 * MS + START_UP_NS + 91 * MS + 18_750_000, b"US,GS,+0005.00kg\r\n")
    assert [frame[:2] for _, frame in emitted[:11]] == [b"US"] * 10 + [b"ST"]


def test_upsets():
    indicator, cell = weighing(lambda second: 100 + second / 10)
    advance(indicator, cell, SECOND_NS)
    for upset, last in (
        (Upset(stuck=True), b"ST,GS,+0100.08kg\r\n"),
        (Upset(held=True), b"HD,GS,+0100.08kg\r\n"),
        (Upset(added_newton=-9.80665), b"US,GS,+0099.38kg\r\n"),
        (Upset(unit="lb"), b"US,GS,+0100.48lb\r\n"),
        (Upset(silent=True), None),
        (Upset(), b"ST,GS,+0100.68kg\r\n"),
    ):
        indicator.upset = upset
        emitted = advance(indicator, cell, cell.now_ns + SECOND_NS)
        assert (emitted[-1][1] if emitted else None) == last


def test_impossible_setups_are_refused():
    for wrong in (
        {"unit": "stone"},
        {"decimals": 6},
        {"decimals": 4},
        {"baud": 0},
        {"display_hertz": -1},
        {"capacity": 9999.9},
    ):
        with pytest.raises(ValueError, match=r"unknown|must be|more digits"):
            IndicatorSetup(**wrong)


ACTIONS = st.sampled_from(
    [
        *(command + b"\r\n" for command in (b"RW", b"MZ", b"MT", b"CT", b"MG", b"MN", b"ZZ")),
        b"RW\r\nRW\r\nR",
        Upset(),
        Upset(stuck=True),
        Upset(held=True),
        Upset(silent=True),
        Upset(added_newton=40.0, unit="lb"),
        "power",
        None,
    ]
)
GAPS_NS = st.sampled_from([1, 18_750_000, 100 * MS, 137_000_001, SECOND_NS]) | st.integers(1, 4 * SECOND_NS)


def act(indicator: AndIndicator, action: bytes | Upset | str | None, now_ns: int) -> bytes:
    if isinstance(action, bytes):
        return indicator.receive(action, now_ns)
    if isinstance(action, Upset):
        indicator.upset = action
    if action == "power":
        indicator.power_cycle(now_ns)
    return b""


def story(cuts: list[tuple[int, list[int], bytes | Upset | str | None]], baud: int, whole: bool) -> list[object]:
    """All that an indicator says between actions that lie some time apart, with or without cuts in between."""
    cell = StandInCell(
        pressure=lambda second: 0.5 + 0.4 * np.floor(second / 1.7) % 1.1 + second * 1e-3,
        celsius=lambda second: 25 + second,
    )
    indicator = AndIndicator("load", cell, setup=IndicatorSetup(baud=baud))
    emitted, replies = [], []
    for gap_ns, between_ns, action in cuts:
        end_ns = cell.now_ns + gap_ns
        for cut_ns in [] if whole else sorted({min(cell.now_ns + offset, end_ns) for offset in between_ns}):
            emitted += advance(indicator, cell, cut_ns)
        emitted += advance(indicator, cell, end_ns)
        replies.append((end_ns, act(indicator, action, end_ns)))
    emitted += advance(indicator, cell, cell.now_ns + SECOND_NS)
    assert [at_ns for at_ns, _ in emitted] == sorted(at_ns for at_ns, _ in emitted)
    return [emitted, replies]


@given(
    st.lists(st.tuples(GAPS_NS, st.lists(st.integers(1, 4 * SECOND_NS), max_size=4), ACTIONS), max_size=6),
    st.sampled_from([600, 1200, 9600]),
)
def test_cuts_of_time_change_nothing(cuts, baud):
    assert story(cuts, baud, whole=False) == story(cuts, baud, whole=True)


@given(st.lists(st.binary(max_size=12), max_size=6))
def test_any_bytes_are_answered_alike_in_any_pieces(pieces):
    whole, cell = weighing(constant(5.0))
    cut, cut_cell = weighing(constant(5.0))
    advance(whole, cell, SECOND_NS)
    advance(cut, cut_cell, SECOND_NS)
    replies = b"".join(cut.receive(piece, SECOND_NS) for piece in pieces)
    assert whole.receive(b"".join(pieces), SECOND_NS) == replies


def test_cell_breathes_on_the_display():
    cell = PressCell()
    indicator = AndIndicator("load", cell, sensor=EXACT, setup=IndicatorSetup(display_hertz=1))
    rested = float(advance(indicator, cell, 3600 * SECOND_NS)[-1][1][6:14])
    cell.set_current(1e-3)
    frames = advance(indicator, cell, 7200 * SECOND_NS)
    swelling = float(frames[-1][1][6:14]) - rested
    before = cell.forecast(np.array([cell.now_ns])).pressure_megapascal[0]
    assert float(frames[-1][1][6:14]) == pytest.approx(before * KILOGRAM_PER_MEGAPASCAL, abs=0.02)
    assert 1 < swelling < 20
    assert len(frames) == 3600
