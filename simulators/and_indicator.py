"""A weighing indicator in the manner of A&D on a serial line, with the force sensor below the press cell."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulators.and_frames import FRAME_BYTES, FrameWriter, Header, digits_for
from simulators.device import SECOND_NS, CellUnderTest
from simulators.lines import CommandLines
from simulators.noise import key_of, normal

Floats = NDArray[np.float64]

NEWTON_PER_UNIT = {"kg": 9.80665, "g": 9.80665e-3, "t": 9806.65, "lb": 4.4482216152605, "N": 1.0, "kN": 1000.0}
"""Force units are not on every model [unverified]; the mass units stand for the weight of that mass."""

OVER_RANGE_DIVISIONS = 9
START_UP_NS = 3 * SECOND_NS
"""From power on to the first display [unverified]."""

_RETURN = b"\r\n"


@dataclass(frozen=True, kw_only=True)
class ForceSensor:
    """The force sensor below the cell, and the die that turns the cell's pressure into a force.

    What it shows is F (1 + gain error) (1 + span drift ΔT) + zero + nominal force · zero drift ΔT + noise, with ΔT the
    jig's temperature over `reference_celsius`. `zero_drift_per_kelvin` is a part of the nominal force,
    `span_drift_per_kelvin` one of the reading.

    Source: stack-pressure.md §5.2, §5.3; 0.05 % / 10 K is a typical maker's bound of the zero drift [page], the same of
    the span drift and the noise are assumptions [unverified].
    """

    nominal_newton: float = 5000.0
    die_diameter_millimetre: float = 10.0
    zero_newton: float = 0.0
    gain_error: float = 0.0
    zero_drift_per_kelvin: float = 5e-5
    span_drift_per_kelvin: float = 5e-5
    reference_celsius: float = 25.0
    noise_kilopascal: float = 4.0

    @property
    def area_square_millimetre(self) -> float:
        """Area of the die."""
        return math.pi / 4 * self.die_diameter_millimetre**2

    def newton(self, pressure_megapascal: Floats, jig_celsius: Floats, deviations: Floats) -> Floats:
        """The force it shows; all shape (n,), `deviations` the noise in units of its own deviation."""
        area = self.area_square_millimetre
        warmer_kelvin = jig_celsius - self.reference_celsius
        span = (1 + self.gain_error) * (1 + self.span_drift_per_kelvin * warmer_kelvin)
        zero_newton = self.zero_newton + self.nominal_newton * self.zero_drift_per_kelvin * warmer_kelvin
        shown: Floats = pressure_megapascal * area * span + zero_newton
        return shown + deviations * (self.noise_kilopascal * 1e-3 * area)


@dataclass(frozen=True, kw_only=True)
class IndicatorSetup:
    """What the indicator was set up for. A division is the step of its display, `division` of its last digits.

    A change of more than `motion_divisions` between two displays makes it unstable for `motion_displays` displays.
    A zero is accepted up to `zero_range_fraction` of the capacity.

    Raises:
        ValueError: the display can't show the capacity, the unit is unknown, or a number is not above zero.
    """

    unit: str = "kg"
    decimals: int = 2
    division: int = 2
    capacity: float = 500.0
    display_hertz: float = 10.0
    baud: int = 9600
    character_bits: int = 10
    streaming: bool = True
    over_word: str = "OL"
    motion_divisions: int = 15
    motion_displays: int = 10
    zero_range_fraction: float = 0.02

    def __post_init__(self) -> None:
        if self.unit not in NEWTON_PER_UNIT:
            raise ValueError(f"unit {self.unit!r} is unknown; write one of {', '.join(NEWTON_PER_UNIT)}")
        if not 0 <= self.decimals <= 5:
            raise ValueError(f"decimals is {self.decimals}, and must be 0 to 5")
        if min(self.division, self.capacity, self.display_hertz, self.baud, self.character_bits) <= 0:
            raise ValueError("division, capacity, display_hertz, baud and character_bits must be above 0")
        if (self.capacity_divisions + OVER_RANGE_DIVISIONS) * self.division >= 10 ** digits_for(self.decimals):
            raise ValueError(f"a capacity of {self.capacity} {self.unit} has more digits than the display")

    @property
    def division_newton(self) -> float:
        """Force of one division."""
        return self.division * 10.0**-self.decimals * NEWTON_PER_UNIT[self.unit]

    @property
    def capacity_divisions(self) -> int:
        """The capacity in divisions."""
        return round(self.capacity * 10.0**self.decimals / self.division)

    @property
    def display_ns(self) -> int:
        """Time from one display to the next."""
        return round(SECOND_NS / self.display_hertz)

    def sending_ns(self, byte_count: int) -> int:
        """Time so many bytes take on the line."""
        return byte_count * self.character_bits * SECOND_NS // self.baud


@dataclass(frozen=True, kw_only=True)
class Upset:
    """What is wrong with an indicator or its sensor: a switch for tests.

    `stuck`: the sensor shows one force for ever; `held`: the display is on hold (`HD`); `silent`: no frames leave;
    `added_newton`: a force that is not the cell's; `unit`: what is in the unit field in place of the truth.
    """

    stuck: bool = False
    held: bool = False
    silent: bool = False
    added_newton: float = 0.0
    unit: str | None = None


@dataclass
class _Display:
    """What is shown; in divisions, before zero and tare."""

    divisions: int
    unstable: bool


@dataclass
class _Scale:
    """Zero and tare, in divisions, and whether net is shown."""

    zero: int = 0
    tare: int = 0
    net: bool = False


@dataclass
class _Line:
    """The transmitter: when it is free again, and frames with the time of their last byte."""

    free_ns: int = 0
    frames: list[tuple[int, bytes]] = field(default_factory=list)


class AndIndicator:
    """An A&D indicator: a `StreamingDevice` that shows the cell's force at `display_hertz` and sends each display.

    A display that comes while the line is still sending is not sent, now or later. A frame's time is that of its last
    byte at the baud rate. Zero and tare are lost with the power [unverified]. Commands are answered while it streams
    too: on a real one command mode is a setting of its own, and mixing the two is [unverified].

    Source: load-cell.md §1.1, §1.8.
    """

    def __init__(
        self,
        name: str,
        cell: CellUnderTest,
        *,
        sensor: ForceSensor | None = None,
        setup: IndicatorSetup | None = None,
        seed: int = 1,
    ) -> None:
        self.name = name
        self.sensor = sensor or ForceSensor()
        self.setup = setup or IndicatorSetup()
        self._cell = cell
        self._noise_key = key_of(seed, name, "force")
        self._commands = CommandLines(b"\n")
        self._upset = Upset()
        self._reached_ns = 0
        self._next_number = 0
        self._switched_on()

    def _switched_on(self) -> None:
        self._scale = _Scale()
        self._line = _Line()
        self._display: _Display | None = None
        self._sensed_divisions: int | None = None
        self._moved_number = -self.setup.motion_displays
        self._commands.clear()

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    @property
    def upset(self) -> Upset:
        """What is wrong with it."""
        return self._upset

    @upset.setter
    def upset(self, upset: Upset) -> None:
        self._upset = upset

    @property
    def bytes_per_second(self) -> float:
        """Unasked bytes it sends at most."""
        return FRAME_BYTES * SECOND_NS / (self._displays_per_frame * self.setup.display_ns)

    @property
    def _displays_per_frame(self) -> int:
        return -(-self.setup.sending_ns(FRAME_BYTES) // self.setup.display_ns)

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands end with CR LF; each is answered by a frame, its echo, `I` (not now) or `?`."""
        commands = [line.removesuffix(b"\r") for line in self._commands.feed(data)]
        reply = b"".join(self._answer(command) for command in commands if command)
        self._line.free_ns = max(self._line.free_ns, now_ns) + self.setup.sending_ns(len(reply))
        return reply

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing in the cell, so it always gets to the limit."""
        period_ns = self.setup.display_ns
        after_last = -(-limit_ns // period_ns)
        if after_last > self._next_number:
            self._show(np.arange(self._next_number, after_last))
            self._next_number = after_last
        self._reached_ns = limit_ns
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def take_emitted(self) -> list[tuple[int, bytes]]:
        """See `StreamingDevice`. A frame that is still leaving stays."""
        frames = self._line.frames
        leaving = frames[-1:] if frames and frames[-1][0] > self._reached_ns else []
        self._line.frames = leaving
        return frames[:-1] if leaving else frames

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`. The frame that is leaving breaks off; the display comes back after `START_UP_NS`."""
        frames = self._line.frames
        if frames and frames[-1][0] > now_ns:
            end_ns, frame = frames.pop()
            left = (now_ns - end_ns + self.setup.sending_ns(FRAME_BYTES)) // self.setup.sending_ns(1)
            frames.append((now_ns, frame[:left]))
        self._switched_on()
        self._line.frames = [entry for entry in frames if entry[1]]
        self._next_number = -(-(now_ns + START_UP_NS) // self.setup.display_ns)
        self._moved_number = self._next_number

    def _show(self, numbers: NDArray[np.int64]) -> None:
        """Measure and show for displays of these numbers, and send those that find the line free."""
        divisions = self._sense(numbers)
        before = divisions[0] if self._sensed_divisions is None else self._sensed_divisions
        moved = np.abs(np.diff(divisions, prepend=before)) > self.setup.motion_divisions
        moved_numbers = np.maximum.accumulate(np.where(moved, numbers, self._moved_number))
        unstable = numbers - moved_numbers < self.setup.motion_displays
        self._moved_number = int(moved_numbers[-1])
        self._sensed_divisions = int(divisions[-1])
        if self._upset.held:
            held = self._display or _Display(int(divisions[0]), bool(unstable[0]))
            divisions, unstable = np.full_like(divisions, held.divisions), np.full_like(unstable, held.unstable)
        self._display = _Display(int(divisions[-1]), bool(unstable[-1]))
        if self.setup.streaming and not self._upset.silent:
            self._send(numbers, divisions, unstable)

    def _sense(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._upset.stuck:
            return self._measure(numbers)
        if self._sensed_divisions is None:
            self._sensed_divisions = int(self._measure(numbers[:1])[0])
        return np.full_like(numbers, self._sensed_divisions)

    def _measure(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        shown = self._cell.forecast(numbers * self.setup.display_ns)
        deviations = normal(self._noise_key, numbers.astype(np.uint64))
        newton = self.sensor.newton(shown.pressure_megapascal, shown.temperature_celsius, deviations)
        newton += self._upset.added_newton
        return np.rint(newton / self.setup.division_newton).astype(np.int64)

    def _send(self, numbers: NDArray[np.int64], divisions: NDArray[np.int64], unstable: NDArray[np.bool_]) -> None:
        period_ns = self.setup.display_ns
        first = max(0, -(-self._line.free_ns // period_ns) - int(numbers[0]))
        sent = slice(first, None, self._displays_per_frame)
        begins_ns = numbers[sent] * period_ns
        if not len(begins_ns):
            return
        ends_ns = begins_ns + self.setup.sending_ns(FRAME_BYTES)
        self._line.free_ns = int(ends_ns[-1])
        frames = self._frames("NT" if self._scale.net else "GS", divisions[sent], unstable[sent])
        self._line.frames += zip(ends_ns.tolist(), frames, strict=True)

    def _frames(self, kind: str, divisions: NDArray[np.int64], unstable: NDArray[np.bool_]) -> list[bytes]:
        gross = divisions - self._scale.zero
        shown = {"GS": gross, "NT": gross - self._scale.tare, "TR": np.full_like(gross, self._scale.tare)}[kind]
        last_digits = shown * self.setup.division
        over = np.abs(gross) > self.setup.capacity_divisions + OVER_RANGE_DIVISIONS
        over |= np.abs(last_digits) >= 10 ** digits_for(self.setup.decimals)
        headers = np.where(over, Header.OVER, np.where(unstable, Header.UNSTABLE, Header.STABLE))
        if self._upset.held:
            headers = np.full(len(divisions), Header.HELD)
        writer = FrameWriter(self.setup.decimals, self._upset.unit or self.setup.unit, self.setup.over_word)
        return writer.write(kind, headers, last_digits)

    def _answer(self, command: bytes) -> bytes:
        actions: dict[bytes, Callable[[_Display], bool]] = {
            b"MZ": self._zero,
            b"MT": self._tare,
            b"CT": self._clear_tare,
            b"MG": lambda _: self._show_net(net=False),
            b"MN": lambda _: self._show_net(net=True),
        }
        kinds = {b"RW": "NT" if self._scale.net else "GS", b"RG": "GS", b"RN": "NT", b"RT": "TR"}
        if command not in (*actions, *kinds, b"RZ"):
            return b"?" + _RETURN
        display = self._display
        if display is None:
            return b"I" + _RETURN
        if command in kinds:
            return self._frames(kinds[command], np.array([display.divisions]), np.array([display.unstable]))[0]
        if command == b"RZ":
            return (b"RZ1" if display.divisions == self._scale.zero else b"RZ0") + _RETURN
        return (command if actions[command](display) else b"I") + _RETURN

    def _zero(self, display: _Display) -> bool:
        allowed = self.setup.zero_range_fraction * self.setup.capacity_divisions
        if display.unstable or abs(display.divisions) > allowed:
            return False
        self._scale.zero = display.divisions
        return True

    def _tare(self, display: _Display) -> bool:
        gross = display.divisions - self._scale.zero
        if display.unstable or not 0 < gross <= self.setup.capacity_divisions:
            return False
        self._scale.tare, self._scale.net = gross, True
        return True

    def _clear_tare(self, display: _Display) -> bool:  # noqa: ARG002
        self._scale.tare, self._scale.net = 0, False
        return True

    def _show_net(self, *, net: bool) -> bool:
        self._scale.net = net
        return True
