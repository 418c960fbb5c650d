"""A Mettler Toledo weighing terminal that speaks MT-SICS, with the force sensor below the press cell."""

import re
from collections.abc import Callable

import numpy as np

from simulators.device import SECOND_NS, CellUnderTest
from simulators.force_display import Displays, ForceDisplay, ForceSensor, IndicatorSetup, Upset
from simulators.lines import CommandLines
from simulators.paced_line import PacedLine

WIDTH = 10
LONGEST_LINE = len("S S ") + WIDTH + len(" kg") + len("\r\n")
PATIENCE_NS = 3 * SECOND_NS
"""So long it waits for rest before it gives up [unverified]."""

_END = b"\r\n"
_KNOWN = re.compile(r"(S|SI|SIR|Z|ZI|T|TI|TA|TAC|@|I[0-5]|I10|I11|C3|M21)((?: .*)?)")


class MettlerTerminal:
    """A terminal: a `StreamingDevice`, one command at a time, upper case only.

    `S`, `Z` and `T` wait for rest, and are answered when it comes; what comes meanwhile but `@` is not understood
    [unverified: whether it is lost]. `SIR` sends every display until `S`, `SI` or `@`. It tells its serial number when
    it is switched on. Zero and tare are lost with the power.

    Source: load-cell.md §1.4 [manual 11780711]; `[unverified]`: that a held display is answered as busy, that an empty
    line is none, that `SIR` ends for `Z` and `T` too.
    """

    def __init__(
        self,
        name: str,
        cell: CellUnderTest,
        *,
        sensor: ForceSensor | None = None,
        setup: IndicatorSetup | None = None,
        serial_number: str = "B012345678",
        seed: int = 1,
    ) -> None:
        self.name = name
        self.setup = setup or IndicatorSetup()
        self.force = ForceDisplay(name, cell, sensor or ForceSensor(), self.setup, seed)
        self._serial_number = serial_number
        self._line = PacedLine(self.setup.baud, self.setup.character_bits)
        self._commands = CommandLines(b"\n")
        self._reached_ns = 0
        self._repeats = False
        self._waiting: tuple[str, int] | None = None
        self._greets = False

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
        periods = self._line.periods(LONGEST_LINE, self.setup.display_ns)
        return LONGEST_LINE * SECOND_NS / (periods * self.setup.display_ns)

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """See `Device`."""
        lines = [line.removesuffix(b"\r").decode("latin-1") for line in self._commands.feed(data)]
        replies = [reply for line in lines if line for reply in self._take(line, now_ns)]
        reply = b"".join(text.encode("latin-1") + _END for text in replies)
        self._line.reply(len(reply), now_ns)
        return b"" if self.upset.silent else reply

    def run_to(self, limit_ns: int) -> int:
        """See `Device`. It changes nothing in the cell, so it always gets to the limit."""
        displays = self.force.advance(limit_ns)
        if self._greets and len(displays):
            self._greets = False
            self._send(displays.numbers[:1], [f'I4 A "{self._serial_number}"'])
        self._settle_waiting(displays)
        if self._repeats and len(displays):
            sent = self._line.accepts(displays.numbers * self.setup.display_ns, LONGEST_LINE, self.setup.display_ns)
            chosen = Displays(displays.numbers[sent], displays.divisions[sent], displays.unstable[sent])
            self._send(chosen.numbers, [self._weight(chosen, index) for index in range(len(chosen))])
        self._reached_ns = limit_ns
        return limit_ns

    def settle(self, now_ns: int) -> None:
        """See `Device`. There is nothing to change."""

    def take_emitted(self) -> list[tuple[int, bytes]]:
        """See `StreamingDevice`. A line that is still leaving stays."""
        return self._line.take(self._reached_ns)

    def power_cycle(self, now_ns: int) -> None:
        """See `Device`. The line that is leaving breaks off; it tells its serial number when the display is back."""
        self._line.lose_power(now_ns)
        self.force.lose_power(now_ns)
        self._commands.clear()
        self._repeats, self._waiting, self._greets = False, None, True

    def _take(self, line: str, now_ns: int) -> list[str]:
        found = _KNOWN.fullmatch(line)
        if found is None:
            return ["ES"]
        command, rest = found[1], found[2]
        if self._waiting is not None and command != "@":
            return ["EL"]
        if rest and command not in {"TA", "M21"}:
            return ["S L" if command == "S" else "ES"]
        if command in {"S", "SI", "@", "Z", "T"}:
            self._repeats = False
        if command in {"S", "Z", "T"}:
            return self._when_at_rest(command, now_ns)
        return self._at_once(command, rest)

    def _at_once(self, command: str, rest: str) -> list[str]:
        display = self.force.latest
        actions: dict[str, Callable[[], list[str]]] = {
            "@": self._reset,
            "SI": lambda: [self._weight(display, 0) if display else "S I"],
            "SIR": self._repeat,
            "ZI": lambda: [self._zero_now(display)],
            "TI": lambda: [self._tare_now(display)],
            "TA": lambda: [self._tare_weight() if not rest else "TA L"],
            "TAC": lambda: ["TAC A" if self.force.clear_tare() else "TAC I"],
            "I0": lambda: [f'I0 B 0 "{name}"' for name in ("I0", "S", "SI", "SIR", "Z", "@")] + ['I0 A 0 "T"'],
            "I1": lambda: ['I1 A "01" "2.00" "2.20" "1.00" "1.00"'],
            "I2": lambda: [f'I2 A "IND690 {self.setup.capacity:.{self.setup.decimals}f} {self.setup.unit}"'],
            "I3": lambda: ['I3 A "2.10 10.28.0.493.142"'],
            "I4": lambda: [f'I4 A "{self._serial_number}"'],
            "I5": lambda: ['I5 A "12121306C"'],
            "I10": lambda: ['I10 A "press"'],
            "I11": lambda: ['I11 A "IND690"'],
            "C3": lambda: ["C3 I"],
            "M21": lambda: ["M21 L"],
        }
        return actions[command]()

    def _reset(self) -> list[str]:
        self._waiting = None
        self.force.clear_tare()
        return [f'I4 A "{self._serial_number}"']

    def _repeat(self) -> list[str]:
        self._repeats = True
        return []

    def _when_at_rest(self, command: str, now_ns: int) -> list[str]:
        display = self.force.latest
        if display is None or bool(display.unstable[0]) or self.upset.held:
            self._waiting = (command, now_ns + PATIENCE_NS)
            return []
        return [self._done_at_rest(command, display)]

    def _done_at_rest(self, command: str, display: Displays) -> str:
        match command:
            case "Z":
                return self._zeroed(display, "A")
            case "T":
                return self._tared(display, "S")
        return self._weight(display, 0)

    def _settle_waiting(self, displays: Displays) -> None:
        if self._waiting is None:
            return
        command, until_ns = self._waiting
        at_rest = np.flatnonzero(~displays.unstable)
        in_time = at_rest[displays.numbers[at_rest] * self.setup.display_ns <= until_ns]
        if len(in_time) and not self.upset.held:
            index = int(in_time[0])
            one = Displays(
                displays.numbers[index : index + 1],
                displays.divisions[index : index + 1],
                displays.unstable[index : index + 1],
            )
            self._waiting = None
            self._send(one.numbers, [self._done_at_rest(command, one)])
            return
        late = displays.numbers[displays.numbers * self.setup.display_ns > until_ns]
        if len(late):
            self._waiting = None
            self._send(late[:1], [f"{command} I"])

    def _zero_now(self, display: Displays | None) -> str:
        if display is None:
            return "ZI I"
        return self._zeroed(display, "D" if display.unstable[0] else "S", "ZI")

    def _zeroed(self, display: Displays, word: str, command: str = "Z") -> str:
        allowed = self.setup.zero_range_fraction * self.setup.capacity_divisions
        divisions = int(display.divisions[0])
        if abs(divisions) > allowed:
            return f"{command} {'+' if divisions > 0 else '-'}"
        self.force.scale.zero, self.force.scale.tare = divisions, 0
        return f"{command} {word}"

    def _tare_now(self, display: Displays | None) -> str:
        if display is None:
            return "TI I"
        return self._tared(display, "D" if display.unstable[0] else "S", "TI")

    def _tared(self, display: Displays, word: str, command: str = "T") -> str:
        gross = int(self.force.gross(display)[0])
        if self.force.over(display)[0] or gross < 0:
            return f"{command} {'+' if gross > 0 else '-'}"
        self.force.scale.tare, self.force.scale.net = gross, True
        return f"{command} {word} {self._number(gross)} {self.setup.unit}"

    def _tare_weight(self) -> str:
        return f"TA A {self._number(self.force.scale.tare)} {self.setup.unit}"

    def _weight(self, displays: Displays, index: int) -> str:
        if self.upset.held:
            return "S I"
        gross = int(self.force.gross(displays)[index])
        if self.force.over(displays)[index]:
            return "S +" if gross > 0 else "S -"
        letter = "D" if displays.unstable[index] else "S"
        return f"S {letter} {self._number(gross - self.force.scale.tare)} {self.upset.unit or self.setup.unit}"

    def _number(self, divisions: int) -> str:
        value = divisions * self.setup.division / 10**self.setup.decimals
        return f"{value:.{self.setup.decimals}f}".rjust(WIDTH)

    def _send(self, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", texts: list[str]) -> None:
        if self.upset.silent:
            return
        for number, text in zip(numbers, texts, strict=True):
            self._line.send(np.array([number * self.setup.display_ns]), [text.encode("latin-1") + _END])
