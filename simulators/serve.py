"""Serves simulated instruments on the loopback interface, a TCP server each."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import cast

from simulators.cable import Frame, Marks, Receive, WholeLines
from simulators.faults import CableFault, Cut, Frozen, Sound

LOOPBACK = "127.0.0.1"


class TcpCable:
    """A cable that is a TCP server on the loopback interface.

    Any number of hosts may connect, and each gets the replies to its own questions. Lines are put together by
    connection, so what a host that died left unfinished is not taken for the start of another's question.

    Args:
        name: of the instrument.
        receive: see `Receive`.
        port: 0 for any that is free.
        line_end: what ends a line to the instrument; None for one that takes bytes as they come.

    Raises:
        OSError: the port is taken.
    """

    transport = "tcp"

    def __init__(self, name: str, receive: Receive, port: int, *, line_end: bytes | None = b"\n") -> None:
        self.name = name
        self.line_end = line_end
        self.sent_total = 0
        self.received_total = 0
        self.lost_total = 0
        self.previous_reply = b""
        self._receive = receive
        self._listener = Listener(port, lambda: _Link(self))
        self._links: set[_Link] = set()
        self._talker: _Link | None = None
        self._fault: CableFault = Sound()
        self._marks = Marks()

    @property
    def address(self) -> str:
        """See `Cable`."""
        return self._listener.address

    @property
    def connected(self) -> bool:
        """See `Cable`."""
        return bool(self._links)

    def open(self) -> None:
        """See `Cable`."""
        self._listener.accept()

    def set_fault(self, fault: CableFault) -> None:
        """See `Cable`. A cut cable refuses connections when this returns, a healed one takes them."""
        self._fault = fault
        if isinstance(fault, Cut):
            self._listener.refuse()
            self.drop()
        else:
            self._listener.accept()
        for link in self._links:
            link.hold(held=isinstance(fault, Frozen))

    @property
    def room_bytes(self) -> None:
        """See `Cable`: TCP holds what it is given, and tells the instrument to wait with its replies."""

    def lose_power(self) -> None:
        """See `Cable`. Its connections go."""
        self.drop()

    def drop(self) -> None:
        """Lose all connections; new ones are taken."""
        for link in tuple(self._links):
            link.abort()

    def emit(self, frames: Sequence[Frame]) -> None:
        """See `Cable`. They go to the host that talked last, or to all when it has gone; to nobody, they are lost."""
        links = [self._talker] if self._talker is not None else [*self._links]
        arriving = [(time_ns, self._fault.spoil(frame)) for time_ns, frame in frames]
        offset = self.sent_total
        for link in links:
            self._send(link, b"".join(data for _, data in arriving))
        if self.sent_total > offset:
            self._marks.note(arriving, offset, sum(len(data) for _, data in arriving))

    def take_marks(self) -> list[tuple[int, float]]:
        """See `Cable`."""
        return self._marks.take()

    def close(self) -> None:
        """See `Cable`."""
        self._listener.close()
        self.drop()

    def attach(self, link: "_Link") -> None:
        """A host has connected."""
        if isinstance(self._fault, Cut):
            link.abort()
            return
        self._links.add(link)
        link.hold(held=isinstance(self._fault, Frozen))

    def detach(self, link: "_Link") -> None:
        """A host has gone."""
        self._links.discard(link)
        if self._talker is link:
            self._talker = None

    def take(self, link: "_Link", lines: bytes) -> None:
        """Whole lines have come from a host."""
        self._talker = link
        reply = self._receive(lines)
        if not reply:
            return
        arrives = self._fault.spoil(reply)
        self.previous_reply = reply
        self._send(link, arrives)

    def _send(self, link: "_Link", data: bytes) -> None:
        if self._fault.late_second:
            asyncio.get_running_loop().call_later(self._fault.late_second, self._arrive, link, data)
        else:
            self._arrive(link, data)

    def _arrive(self, link: "_Link", data: bytes) -> None:
        if data and link in self._links:
            self.sent_total += len(data)
            link.write(data)


class DeadSocketPort:
    """The port whose closing closes all connections of an instrument, for one that a vanished host has left hanging.

    Source: Keithley 2450/2460/2461, TCP 5030 ("dead socket termination").
    """

    def __init__(self, cable: TcpCable, port: int) -> None:
        self._listener = Listener(port, lambda: _DeadSocketLink(cable))

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._listener.address

    def open(self) -> None:
        """Begin to serve."""
        self._listener.accept()

    def close(self) -> None:
        """Stop serving."""
        self._listener.close()


class Listener:
    """A TCP port of the loopback interface, held from its making to its closing, that takes connections or refuses.

    Args:
        port: 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int, make_link: Callable[[], asyncio.Protocol]) -> None:
        self._make_link = make_link
        # Bound and never listening, it keeps the port ours while connections are refused.
        self._anchor = _bound_socket(port)
        self._port: int = self._anchor.getsockname()[1]
        self._listening: socket.socket | None = None
        self._joining: set[asyncio.Task[object]] = set()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self._port}"

    def accept(self) -> None:
        """Take connections from now on."""
        if self._listening is None:
            self._listening = _bound_socket(self._port)
            self._listening.listen()
            asyncio.get_running_loop().add_reader(self._listening, self._join, self._listening)

    def refuse(self) -> None:
        """Refuse connections from now on; those that exist stay."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def close(self) -> None:
        """Give the port up."""
        self.refuse()
        self._anchor.close()

    def _join(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it left while it waited
        loop = asyncio.get_running_loop()
        joining = loop.create_task(loop.connect_accepted_socket(self._make_link, connection))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)


class _Link(asyncio.Protocol):
    """One host's connection to an instrument."""

    def __init__(self, cable: TcpCable) -> None:
        self._cable = cable
        self._transport: asyncio.Transport | None = None
        self._lines = WholeLines(cable.line_end)
        self._held = False
        self._congested = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._cable.attach(self)

    def data_received(self, data: bytes) -> None:
        self._cable.received_total += len(data)
        if lines := self._lines.feed(data):
            self._cable.take(self, lines)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._cable.detach(self)

    def pause_writing(self) -> None:
        self._congested = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._congested = False
        self._read_or_not()

    def hold(self, *, held: bool) -> None:
        """Take nothing off this connection, or take it again."""
        self._held = held
        self._read_or_not()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _read_or_not(self) -> None:
        if self._transport is None:
            return
        if self._held or self._congested:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class _DeadSocketLink(asyncio.Protocol):
    def __init__(self, cable: TcpCable) -> None:
        self._cable = cable

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._cable.drop()


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.settimeout(0)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound
