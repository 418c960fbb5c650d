"""VXI-11 of one instrument: remote procedure calls over TCP, as VISA libraries make them.

Source: VXI-11 revision 1.0, sections B.6 and C; records and calls as in RFC 5531, data as in RFC 4506.
"""

import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Protocol

CORE, ABORT = 0x0607AF, 0x0607B0
"""Program numbers of the core and of the abort channel, version 1 each."""
VERSION = 1
LARGEST_WRITE = 1 << 20
LONGEST_RECORD = LARGEST_WRITE + 1024
_LAST_FRAGMENT = 0x8000_0000


class Procedure(IntEnum):
    """Procedures of the core channel that are there."""

    CREATE_LINK = 10
    DEVICE_WRITE = 11
    DEVICE_READ = 12
    DEVICE_READSTB = 13
    DEVICE_TRIGGER = 14
    DEVICE_CLEAR = 15
    DEVICE_REMOTE = 16
    DEVICE_LOCAL = 17
    DEVICE_LOCK = 18
    DEVICE_UNLOCK = 19
    DEVICE_ENABLE_SRQ = 20
    DEVICE_DOCMD = 22
    DESTROY_LINK = 23
    CREATE_INTR_CHAN = 25
    DESTROY_INTR_CHAN = 26


class Trouble(IntEnum):
    """Errors of the device, as a reply carries them."""

    NONE = 0
    NOT_ACCESSIBLE = 3
    INVALID_LINK = 4
    NOT_SUPPORTED = 8
    LOCKED = 11
    NOT_LOCKED = 12
    TIMEOUT = 15


class Reason(IntFlag):
    """Why a read ended."""

    REQUESTED = 1
    CHARACTER = 2
    END = 4


_END_OF_MESSAGE = 8
_HAS_CHARACTER = 128


class Device11(Protocol):
    """What the calls act on."""

    def receive(self, data: bytes) -> bytes:
        """Whole lines; answers the reply."""
        ...

    def trigger(self) -> None:
        """As a bus trigger does."""
        ...

    def clear(self) -> None:
        """As a device clear does."""
        ...

    def status_byte(self, *, message_waits: bool) -> int:
        """What a serial poll reads."""
        ...


class Unpacker:
    """Reads data in external data representation. Raises ValueError when there is too little."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self) -> int:
        """An unsigned number of 32 bits."""
        if len(self._data) < 4:
            raise ValueError("a number is cut short")
        value, self._data = int.from_bytes(self._data[:4], "big"), self._data[4:]
        return value

    def opaque(self) -> bytes:
        """Bytes with their length before them, filled up to whole fours."""
        length = self.number()
        if len(self._data) < length:
            raise ValueError("data are cut short")
        value, self._data = self._data[:length], self._data[length + -length % 4 :]
        return value


def opaque(data: bytes) -> bytes:
    """Bytes as they are packed."""
    return numbers(len(data)) + data + b"\0" * (-len(data) % 4)


def numbers(*values: int) -> bytes:
    """Numbers as they are packed."""
    return struct.pack(f">{len(values)}I", *values)


class Records:
    """Puts the fragments that come together to records."""

    def __init__(self) -> None:
        self._incoming = b""
        self._record = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The records that these bytes complete. Raises ValueError for one that is too long."""
        self._incoming += data
        whole = []
        while len(self._incoming) >= 4:
            mark = int.from_bytes(self._incoming[:4], "big")
            length = mark & ~_LAST_FRAGMENT
            if len(self._record) + length > LONGEST_RECORD:
                raise ValueError("a record is too long")
            if len(self._incoming) < 4 + length:
                break
            self._record += self._incoming[4 : 4 + length]
            self._incoming = self._incoming[4 + length :]
            if mark & _LAST_FRAGMENT:
                whole.append(self._record)
                self._record = b""
        return whole


def record(data: bytes) -> bytes:
    """A record of one fragment."""
    return numbers(_LAST_FRAGMENT | len(data)) + data


class Links:
    """The links of all hosts to one instrument, and who has locked it."""

    def __init__(self, device: Device11) -> None:
        self.device = device
        self.locked_by: int | None = None
        self._waiting: dict[int, bytearray] = {}
        self._begun: dict[int, bytearray] = {}
        self._latest: int | None = None
        self._next = 1
        self.when_late: dict[int, Callable[[], None]] = {}
        """What is to be done when a late reply has come for a link."""

    def create(self) -> int:
        """A new link; its number."""
        link, self._next = self._next, self._next + 1
        self._waiting[link], self._begun[link] = bytearray(), bytearray()
        return link

    def destroy(self, link: int) -> None:
        """A link has gone. What the instrument does goes on [unverified]."""
        self._waiting.pop(link, None)
        self._begun.pop(link, None)
        self.when_late.pop(link, None)
        if self.locked_by == link:
            self.locked_by = None
        if self._latest == link:
            self._latest = None

    def __contains__(self, link: int) -> bool:
        return link in self._waiting

    def waiting(self, link: int) -> bytearray:
        """What a link has not read yet."""
        return self._waiting[link]

    def write(self, link: int, data: bytes, *, ends: bool) -> None:
        """Bytes from a host; an end makes a message of them, line end or not."""
        begun = self._begun[link]
        begun += data
        if ends and not begun.endswith(b"\n"):
            begun += b"\n"
        lines, end, rest = bytes(begun).rpartition(b"\n")
        begun[:] = rest
        if end:
            self._latest = link
            self._waiting[link] += self.device.receive(lines + end)

    def clear(self, link: int) -> None:
        """A device clear: what waits in both directions is lost."""
        self._waiting[link].clear()
        self._begun[link].clear()
        self.device.clear()

    def emit(self, data: bytes) -> bool:
        """A late reply: whether the latest to ask was a link, whose it then is."""
        if self._latest is None:
            return False
        self._waiting[self._latest] += data
        if self._latest in self.when_late:
            self.when_late.pop(self._latest)()
        return True

    def someone_else_speaks(self) -> None:
        """Another interface has taken control: late replies are no longer a link's."""
        self._latest = None


class Caller:
    """One host's connection: calls in, replies out. `links` it has made are destroyed with it."""

    def __init__(self, links: Links, abort_port: Callable[[], int]) -> None:
        self._links = links
        self._abort_port = abort_port
        self._own: list[int] = []
        self._core: dict[Procedure, Callable[[Unpacker], bytes]] = {
            Procedure.CREATE_LINK: self._create_link,
            Procedure.DEVICE_WRITE: self._write,
            Procedure.DEVICE_READ: self._read,
            Procedure.DEVICE_READSTB: self._read_status,
            Procedure.DEVICE_TRIGGER: self._trigger,
            Procedure.DEVICE_CLEAR: self._clear,
            Procedure.DEVICE_REMOTE: self._nothing,
            Procedure.DEVICE_LOCAL: self._nothing,
            Procedure.DEVICE_LOCK: self._lock,
            Procedure.DEVICE_UNLOCK: self._unlock,
            Procedure.DEVICE_ENABLE_SRQ: self._nothing,
            Procedure.DEVICE_DOCMD: lambda _: numbers(Trouble.NOT_SUPPORTED) + opaque(b""),
            Procedure.DESTROY_LINK: self._destroy_link,
            Procedure.CREATE_INTR_CHAN: lambda _: numbers(Trouble.NOT_SUPPORTED),
            Procedure.DESTROY_INTR_CHAN: lambda _: numbers(Trouble.NOT_SUPPORTED),
        }

    def call(self, data: bytes) -> bytes:
        """Carry out one call; its reply. Raises ValueError for what is no call."""
        arguments = Unpacker(data)
        call_number, kind, rpc_version, program, version, procedure = (arguments.number() for _ in range(6))
        if kind != 0 or rpc_version != 2:
            raise ValueError("not a call")
        for _ in ("credentials", "verifier"):
            arguments.number()
            arguments.opaque()
        accepted = numbers(call_number, 1, 0, 0, 0)
        if program not in {CORE, ABORT}:
            return accepted + numbers(1)
        if version != VERSION:
            return accepted + numbers(2, VERSION, VERSION)
        if procedure == 0:
            return accepted + numbers(0)
        if program == ABORT:
            return accepted + numbers(0, Trouble.NONE)
        if procedure not in {*Procedure}:
            return accepted + numbers(3)
        try:
            return accepted + numbers(0) + self._core[Procedure(procedure)](arguments)
        except ValueError:
            return accepted + numbers(4)

    def waits_for(self, data: bytes) -> tuple[int, float] | None:
        """The link and the time-out in seconds of a read for which nothing is there yet; None for any other call."""
        call = Unpacker(data)
        try:
            head = [call.number() for _ in range(6)]
            for _ in ("credentials", "verifier"):
                call.number()
                call.opaque()
            link, _, timeout_millisecond = (call.number() for _ in range(3))
        except ValueError:
            return None
        if head[3] != CORE or head[5] != Procedure.DEVICE_READ or self._trouble(link) or self._links.waiting(link):
            return None
        return link, timeout_millisecond / 1000

    def hang_up(self) -> None:
        """The host has gone, and its links with it."""
        for link in self._own:
            self._links.destroy(link)

    def _create_link(self, arguments: Unpacker) -> bytes:
        arguments.number()
        wants_lock = arguments.number()
        arguments.number()
        name = arguments.opaque().decode("latin-1").lower()
        if name not in {"inst0", "inst"}:
            return numbers(Trouble.NOT_ACCESSIBLE, 0, 0, 0)
        if wants_lock and self._links.locked_by is not None:
            return numbers(Trouble.LOCKED, 0, 0, 0)
        link = self._links.create()
        self._own.append(link)
        if wants_lock:
            self._links.locked_by = link
        return numbers(Trouble.NONE, link, self._abort_port(), LARGEST_WRITE)

    def _trouble(self, link: int) -> Trouble:
        if link not in self._links:
            return Trouble.INVALID_LINK
        return Trouble.LOCKED if self._links.locked_by not in {None, link} else Trouble.NONE

    def _write(self, arguments: Unpacker) -> bytes:
        link, _, _, flags = (arguments.number() for _ in range(4))
        data, trouble = arguments.opaque(), self._trouble(link)
        if trouble:
            return numbers(trouble, 0)
        self._links.write(link, data, ends=bool(flags & _END_OF_MESSAGE))
        return numbers(Trouble.NONE, len(data))

    def _read(self, arguments: Unpacker) -> bytes:
        link, size, _, _, flags, character = (arguments.number() for _ in range(6))
        trouble = self._trouble(link)
        if trouble:
            return numbers(trouble, 0) + opaque(b"")
        waiting = self._links.waiting(link)
        if not waiting:
            return numbers(Trouble.TIMEOUT, 0) + opaque(b"")
        found = waiting.find(character & 0xFF) if flags & _HAS_CHARACTER else -1
        length = min(size, len(waiting), found + 1 if found >= 0 else len(waiting))
        data = bytes(waiting[:length])
        del waiting[:length]
        reason = Reason(0)
        if length == size:
            reason |= Reason.REQUESTED
        if found >= 0 and length == found + 1:
            reason |= Reason.CHARACTER
        if not waiting:
            reason |= Reason.END
        return numbers(Trouble.NONE, reason) + opaque(data)

    def _read_status(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        trouble = self._trouble(link)
        if trouble:
            return numbers(trouble, 0)
        waits = bool(self._links.waiting(link))
        return numbers(Trouble.NONE, self._links.device.status_byte(message_waits=waits))

    def _trigger(self, arguments: Unpacker) -> bytes:
        trouble = self._trouble(arguments.number())
        if not trouble:
            self._links.device.trigger()
        return numbers(trouble)

    def _clear(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        trouble = self._trouble(link)
        if not trouble:
            self._links.clear(link)
        return numbers(trouble)

    def _nothing(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        return numbers(Trouble.NONE if link in self._links else Trouble.INVALID_LINK)

    def _lock(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        trouble = self._trouble(link)
        if not trouble:
            self._links.locked_by = link
        return numbers(trouble)

    def _unlock(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        if self._links.locked_by != link:
            return numbers(Trouble.NOT_LOCKED)
        self._links.locked_by = None
        return numbers(Trouble.NONE)

    def _destroy_link(self, arguments: Unpacker) -> bytes:
        link = arguments.number()
        if link not in self._links:
            return numbers(Trouble.INVALID_LINK)
        self._links.destroy(link)
        return numbers(Trouble.NONE)
