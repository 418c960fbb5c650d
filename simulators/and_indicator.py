"""A weighing indicator in the manner of A&D or CAS on a serial line, with the force sensor below the press cell."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulators.and_frames import FRAME_BYTES as AND_FRAME_BYTES
from simulators.and_frames import FrameWriter, Header, digits_for
from simulators.cas_frames import FRAME_BYTES as CAS_FRAME_BYTES
from simulators.cas_frames import CasFrameWriter
from simulators.device import SECOND_NS, CellUnderTest
from simulators.force_display import Displays, ForceDisplay, ForceSensor, IndicatorSetup, Upset
from simulators.lines import CommandLines
from simulators.paced_line import PacedLine

_RETURN = b"\r\n"
_AND_ADDRESS = re.compile(rb"@([0-9]{2})")
_CAS_ADDRESS = re.compile(rb"([0-9]{2}) ?")
_EVERYBODY = 0


class AndIndicator:
    """An indicator: a `StreamingDevice` that shows the cell's force at `display_hertz` and sends each display.

    A display that comes while the line is still sending is not sent, now or later. A frame's time is that of its last
    byte at the baud rate. Commands are answered while it streams too: on a real one command mode is a setting of its
    own, and mixing the two is [unverified]. With a `bus_address` it sends it before its frames, and hears only
    commands that begin with it, or with `@00`, which it obeys in silence. With `form` "cas" the frames have 22 bytes,
    with "cas_and" 18, and commands and what is answered to them are those of the NT-500: `ddRW`, `!`, `?`.

    Source: load-cell.md §1.1, §1.2, §1.8.
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
        self.setup = setup or IndicatorSetup()
        self.force = ForceDisplay(name, cell, sensor or ForceSensor(), self.setup, seed)
        self._line = PacedLine(self.setup.baud, self.setup.character_bits)
        self._commands = CommandLines(b"\n")
        self._reached_ns = 0
        address = self.setup.bus_address
        self._is_cas = self.setup.form in {"cas", "cas_and"}
        self._has_cas_frames = self.setup.form == "cas"
        self._prefix = b"" if address is None or self._is_cas else b"@%02d" % address

    @property
    def sensor(self) -> ForceSensor:
        """The force sensor."""
        return self.force.sensor

    @property
    def busy(self) -> bool:
        """Never: what it does has no end."""
        return False

    @property
    def upset(self) -> Upset:
        """What is wrong with it."""
        return self.force.upset

    @upset.setter
    def upset(self, upset: Upset) -> None:
        self.force.upset = upset

    @property
    def bytes_per_second(self) -> float:
        """Unasked bytes it sends at most."""
        periods = self._line.periods(self._frame_bytes, self.setup.display_ns)
        return self._frame_bytes * SECOND_NS / (periods * self.setup.display_ns)

    @property
    def _frame_bytes(self) -> int:
        return (CAS_FRAME_BYTES if self._has_cas_frames else AND_FRAME_BYTES) + len(self._prefix)

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`. Commands end with CR LF; each is answered by a frame, its echo, or a refusal."""
        commands = [line.removesuffix(b"\r") for line in self._commands.feed(data)]
        reply = b"".join(self._addressed(command) for command in commands if command)
        self._line.reply(len(reply), now_ns)
        return reply

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing in the cell, so it always gets to the limit."""
        displays = self.force.advance(limit_ns)
        if len(displays) and self.setup.streaming and not self.upset.silent:
            self._send(displays)
        self._reached_ns = limit_ns
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def take_emitted(self) -> list[tuple[int, bytes]]:
        """See `StreamingDevice`. A frame that is still leaving stays."""
        return self._line.take(self._reached_ns)

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`. The frame that is leaving breaks off; the display comes back later."""
        self._line.lose_power(now_ns)
        self.force.lose_power(now_ns)
        self._commands.clear()

    def _send(self, displays: Displays) -> None:
        period_ns = self.setup.display_ns
        begins_ns = displays.numbers * period_ns
        sent = self._line.accepts(begins_ns, self._frame_bytes, period_ns)
        chosen = Displays(displays.numbers[sent], displays.divisions[sent], displays.unstable[sent])
        self._line.send(begins_ns[sent], self._frames("NT" if self.force.scale.net else "GS", chosen))

    def _frames(self, kind: str, displays: Displays) -> list[bytes]:
        gross = self.force.gross(displays)
        tare = self.force.scale.tare
        shown = {"GS": gross, "NT": gross - tare, "TR": np.full_like(gross, tare)}[kind]
        last_digits = shown * self.setup.division
        over = self.force.over(displays) | (np.abs(last_digits) >= 10 ** digits_for(self.setup.decimals))
        headers: NDArray[np.int64] = np.where(
            over, Header.OVER, np.where(displays.unstable, Header.UNSTABLE, Header.STABLE)
        )
        if self.upset.held:
            headers = np.full(len(displays), Header.HELD)
        frames = self._writer().write(kind, headers, last_digits)
        return [self._prefix + frame for frame in frames] if self._prefix else frames

    def _writer(self) -> FrameWriter | CasFrameWriter:
        unit = self.upset.unit or self.setup.unit
        if self._has_cas_frames:
            return CasFrameWriter(self.setup.decimals, unit, device=self.setup.bus_address or 0)
        return FrameWriter(self.setup.decimals, unit, self.setup.over_word)

    def _addressed(self, command: bytes) -> bytes:
        """The reply to a command with or without an address, as this indicator has one."""
        own = self.setup.bus_address
        if own is None:
            return self._answer(command) + _RETURN
        found = (_CAS_ADDRESS if self._is_cas else _AND_ADDRESS).match(command)
        if found is None or int(found[1]) not in {own, _EVERYBODY}:
            return b""
        reply = self._answer(command[found.end() :])
        if int(found[1]) != own:
            return b""
        if reply.startswith(self._prefix) and self._prefix:
            return reply + _RETURN
        echo = command[: found.end()].rstrip(b" ") if self._is_cas and reply not in {b"!", b"?"} else b""
        is_frame = len(reply) == self._frame_bytes - len(_RETURN)
        return (b"" if is_frame else self._prefix + echo) + reply + _RETURN

    def _answer(self, command: bytes) -> bytes:
        """The reply to a command, without its end."""
        force, refused = self.force, b"!" if self._is_cas else b"I"
        actions: dict[bytes, Callable[[Displays], bool]] = {
            b"MZ": force.zero,
            b"MT": force.tare,
            b"CT": lambda _: force.clear_tare(),
            b"MG": lambda _: self._show_net(net=False),
            b"MN": lambda _: self._show_net(net=True),
        }
        kinds = {b"RW": "NT" if force.scale.net else "GS", b"RG": "GS", b"RN": "NT", b"RT": "TR"}
        if command not in (*actions, *kinds, b"RZ"):
            return b"?"
        display = force.latest
        if display is None:
            return refused
        if command in kinds:
            return self._frames(kinds[command], display)[0].removesuffix(_RETURN)
        if command == b"RZ":
            return b"RZ1" if display.divisions[0] == force.scale.zero else b"RZ0"
        return command if actions[command](display) else refused

    def _show_net(self, *, net: bool) -> bool:
        self.force.scale.net = net
        return True
