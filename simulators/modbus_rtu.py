"""A unit on a Modbus RTU line: frames out of bytes, registers behind them, replies and exceptions."""

from collections.abc import Collection
from typing import Protocol

from simulators.device import SECOND_NS

READ_HOLDING, READ_INPUT, WRITE_ONE, LOOP_BACK, WRITE_MANY = 3, 4, 6, 8, 16
BROADCAST, HIGHEST_UNIT = 0, 247
LONGEST_FRAME = 256
MOST_READ, MOST_WRITTEN = 125, 123
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
CHARACTER_BITS = 11
SHORTEST_SILENCE_NS = 1_750_000
"""Between two frames, above 19200 baud; below, it is three and a half characters."""

_SHORT_REQUESTS = {7: 4, 11: 4, 12: 4, 17: 4, 22: 10}
"""Lengths of requests other than eight bytes, by function code, for those that name no length themselves."""


class ModbusError(Exception):
    """What a unit says in place of a reply; `code` is the exception's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Registers(Protocol):
    """What is behind a unit. Both raise `ModbusError`."""

    def read(self, register: int, now_ns: int) -> int:
        """One register, 0 to 65535."""
        ...

    def write(self, register: int, value: int, now_ns: int) -> None:
        """Set one register."""
        ...


def crc16(data: bytes) -> bytes:
    """The check of a frame as it is sent, low byte first: polynomial A001h, from FFFFh."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


class ModbusUnit:
    """One unit. It says nothing to frames for others, to broken ones, and to those for all, which it obeys.

    A frame is known by its length and its check, wherever it begins: what comes before it is noise. A silence of bench
    time ends what was begun.

    Source: Modbus Application Protocol V1.1b3; Modbus over Serial Line V1.02.
    """

    def __init__(
        self,
        unit: int,
        registers: Registers,
        *,
        functions: Collection[int] = (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY),
        baud: int = 9600,
        most_read: int = MOST_READ,
    ) -> None:
        """`functions` are those it knows; `most_read` registers may be asked for at once."""
        self._unit = unit
        self._registers = registers
        self._functions = frozenset(functions)
        self._most_read = most_read
        characters_ns = 7 * CHARACTER_BITS * SECOND_NS // (2 * baud)
        self._silence_ns = max(characters_ns, SHORTEST_SILENCE_NS)
        self._unfinished = b""
        self._heard_ns = 0
        self.frames_total = 0
        """Whole frames for this unit, or for all, so far."""

    def clear(self) -> None:
        """Forget what was begun."""
        self._unfinished = b""

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes off the line at a time; answers the bytes to send back, perhaps none."""
        if now_ns - self._heard_ns > self._silence_ns:
            self._unfinished = b""
        self._heard_ns = now_ns
        self._unfinished += data
        replies = b""
        while (found := _first_frame(self._unfinished)) is not None:
            frame, self._unfinished = found
            replies += self._answer(frame, now_ns)
        self._unfinished = self._unfinished[-LONGEST_FRAME:]
        return replies

    def _answer(self, frame: bytes, now_ns: int) -> bytes:
        unit, function, body = frame[0], frame[1], frame[2:-2]
        if unit not in {self._unit, BROADCAST}:
            return b""
        self.frames_total += 1
        try:
            reply = bytes([function]) + self._carry_out(function, body, now_ns)
        except ModbusError as error:
            reply = bytes([function | 0x80, error.code])
        if unit == BROADCAST:
            return b""
        whole = bytes([self._unit]) + reply
        return whole + crc16(whole)

    def _carry_out(self, function: int, body: bytes, now_ns: int) -> bytes:
        if function not in self._functions:
            raise ModbusError(ILLEGAL_FUNCTION)
        first, second = _word(body, 0), _word(body, 2)
        match function:
            case 3 | 4:
                return self._read(first, second, now_ns)
            case 6:
                self._registers.write(first, second, now_ns)
            case 16:
                self._write_many(first, second, body[4:], now_ns)
            case 8 if first != 0:
                raise ModbusError(ILLEGAL_VALUE)
        return body[:4]

    def _read(self, first: int, count: int, now_ns: int) -> bytes:
        if not 1 <= count <= self._most_read:
            raise ModbusError(ILLEGAL_VALUE)
        if first + count > 0x10000:
            raise ModbusError(ILLEGAL_ADDRESS)
        words = [self._registers.read(register, now_ns) for register in range(first, first + count)]
        return bytes([2 * count]) + b"".join(word.to_bytes(2, "big") for word in words)

    def _write_many(self, first: int, count: int, tail: bytes, now_ns: int) -> None:
        if not 1 <= count <= MOST_WRITTEN or tail[0] != 2 * count or len(tail) != 1 + 2 * count:
            raise ModbusError(ILLEGAL_VALUE)
        if first + count > 0x10000:
            raise ModbusError(ILLEGAL_ADDRESS)
        for offset in range(count):
            self._registers.write(first + offset, _word(tail, 1 + 2 * offset), now_ns)


def _first_frame(data: bytes) -> tuple[bytes, bytes] | None:
    """The first whole frame with a right check, and what comes after it."""
    for start in range(max(len(data) - 3, 0)):
        length = _request_length(data[start:])
        frame = data[start : start + length]
        if len(frame) == length and crc16(frame[:-2]) == frame[-2:]:
            return frame, data[start + length :]
    return None


def _request_length(data: bytes) -> int:
    """How long a request that begins so is; a function nobody knows is taken to be as long as most."""
    function = data[1]
    if function in {15, WRITE_MANY}:
        return 9 + data[6] if len(data) > 6 else LONGEST_FRAME
    if function == 23:
        return 13 + data[10] if len(data) > 10 else LONGEST_FRAME
    return _SHORT_REQUESTS.get(function, 8)


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")
