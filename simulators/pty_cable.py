"""Serves a simulated instrument on a serial port: a pseudo-terminal that a host opens by a path that stays."""

import asyncio
import errno
import fcntl
import os
import select
import struct
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from simulators.cable import Frame, Marks, Receive, WholeLines
from simulators.faults import CableFault, Cut, Frozen, Sound

ROOM_BYTES = 14_000
"""Unasked bytes between two readings of a host. A pseudo-terminal written to in small pieces holds 16 to 20 kB
(Linux 6.18, measured); the rest is for replies."""

PIECE_BYTES = 64
"""Written at a time: in large pieces a pseudo-terminal holds less."""

READ_BYTES = 4096
MOST_READS = 16
"""At a time: a host that sends back all it hears must not keep the bench from everything else."""


class PtyCable:
    """A cable that is a pseudo-terminal: what is written to it leaves at once, whatever the baud rate.

    Nothing is sent while no host has it open. A host that throws away what it has not read when it opens, as drivers
    do, has not been sent it either. What a host doesn't read in time is lost, and counted. A cut cable closes the
    terminal and takes its path away; a healed one is another terminal at the same path.

    Args:
        name: of the instrument.
        receive: see `Receive`.
        link: a symbolic link that will lead to the terminal; one that is there is replaced.
        line_end: what ends a line to the instrument; None for one that takes bytes as they come.

    Raises:
        OSError: something else is at that path, or there is no terminal to be had.
    """

    transport = "pty"

    def __init__(self, name: str, receive: Receive, link: Path, *, line_end: bytes | None = b"\n") -> None:
        self.name = name
        self.sent_total = 0
        self.received_total = 0
        self.lost_total = 0
        self.previous_reply = b""
        self._receive = receive
        self._link = link
        self._lines = WholeLines(line_end)
        self._fault: CableFault = Sound()
        self._marks = Marks()
        self._room_bytes = ROOM_BYTES
        self._serving = False
        self._host_is_there = False
        self._sent_since_opened: int | None = None
        self._terminal: _Terminal | None = None
        self._plug_in()

    @property
    def address(self) -> str:
        """See `Cable`."""
        return str(self._link)

    @property
    def connected(self) -> bool:
        """See `Cable`."""
        self._look()
        return self._host_is_there

    @property
    def room_bytes(self) -> int | None:
        """See `Cable`."""
        return self._room_bytes if self.connected else None

    def open(self) -> None:
        """See `Cable`."""
        self._serving = True
        self._watch_or_not()

    def set_fault(self, fault: CableFault) -> None:
        """See `Cable`."""
        self._fault = fault
        if isinstance(fault, Cut):
            self._unplug()
        elif self._terminal is None:
            self._plug_in()
        self._watch_or_not()

    def lose_power(self) -> None:
        """See `Cable`. A serial port stays."""

    def emit(self, frames: Sequence[Frame]) -> None:
        """See `Cable`."""
        self._hear()
        arriving = [(time_ns, self._fault.spoil(frame)) for time_ns, frame in frames]
        if self._fault.late_second:
            self._send_later(b"".join(data for _, data in arriving))
            return
        offset = self.sent_total
        taken = self._send(b"".join(data for _, data in arriving))
        self._room_bytes -= taken
        self._marks.note(arriving, offset, taken)

    def take_marks(self) -> list[tuple[int, float]]:
        """See `Cable`."""
        self._hear()
        self._room_bytes = ROOM_BYTES
        return self._marks.take()

    def close(self) -> None:
        """See `Cable`."""
        self._serving = False
        self._unplug()

    def _plug_in(self) -> None:
        self._terminal = _Terminal()
        beside = self._link.with_name(f"{self._link.name}.new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(self._terminal.path)
        if self._link.exists() and not self._link.is_symlink():
            beside.unlink()
            raise FileExistsError(errno.EEXIST, "is no link to a terminal and stays", str(self._link))
        beside.replace(self._link)

    def _unplug(self) -> None:
        if self._terminal is None:
            return
        self._link.unlink(missing_ok=True)
        self._unwatch()
        self._terminal.close()
        self._terminal = None
        self._host_is_there = False
        self._lines.clear()

    def _unwatch(self) -> None:
        if self._terminal is not None and self._terminal.watched:
            asyncio.get_running_loop().remove_reader(self._terminal.near)
            self._terminal.watched = False

    def _watch_or_not(self) -> None:
        if self._terminal is None:
            return
        if isinstance(self._fault, Frozen) or not self._serving:
            self._unwatch()
        elif not self._terminal.watched:
            asyncio.get_running_loop().add_reader(self._terminal.near, self._hear)
            self._terminal.watched = True

    def _look(self) -> None:
        """See whether a host has come or gone."""
        if self._terminal is None:
            return
        was_there = self._host_is_there
        try:
            self._host_is_there = self._terminal.host_is_there()
        except OSError:
            # A host that wanted the terminal for itself alone has left it unusable for anybody.
            self._unplug()
            self._plug_in()
            self._watch_or_not()
            return
        if self._host_is_there and not was_there:
            self._sent_since_opened = 0
        elif was_there and not self._host_is_there:
            while (last := self._terminal.read()) is not None:
                if last and not isinstance(self._fault, Frozen):
                    self._take(last)
            self._terminal.tidy_up()
            self._lines.clear()

    def _hear(self) -> None:
        """Take what a host has sent, and notice what else it did."""
        for _ in range(MOST_READS):
            self._look()
            if self._terminal is None or isinstance(self._fault, Frozen):
                return
            heard = self._terminal.read()
            if heard is None:
                return
            if heard:
                self._take(heard)
            else:
                self._forget_unread()

    def _take(self, data: bytes) -> None:
        self._sent_since_opened = None
        self.received_total += len(data)
        lines = self._lines.feed(data)
        reply = self._receive(lines) if lines else b""
        if not reply:
            return
        arrives = self._fault.spoil(reply)
        self.previous_reply = reply
        if self._fault.late_second:
            self._send_later(arrives)
        else:
            self._send(arrives)

    def _forget_unread(self) -> None:
        """A host has thrown away what was there before it began to read."""
        if self._sent_since_opened:
            self.sent_total -= self._sent_since_opened
            self._marks.forget_after(self.sent_total)
        self._sent_since_opened = None

    def _send_later(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._fault.late_second, self._send, data)

    def _send(self, data: bytes) -> int:
        """Send what there is room for. Answers how many bytes that was."""
        if self._terminal is None or not self.connected:
            return 0
        taken = self._terminal.write(data)
        self.sent_total += taken
        self.lost_total += len(data) - taken
        if self._sent_since_opened is not None:
            self._sent_since_opened += taken
        return taken


class _Terminal:
    """The instrument's end of a pseudo-terminal, in packet mode: it is told when a host throws its input away.

    While no host has it open, we hold the host's end ourselves, since a terminal that nobody holds always looks ready.
    """

    def __init__(self) -> None:
        self.near, self._held = os.openpty()
        self._holds = True
        self.watched = False
        tty.setraw(self._held)
        os.set_blocking(self.near, False)
        fcntl.ioctl(self.near, termios.TIOCPKT, struct.pack("i", 1))
        self.path = os.ttyname(self._held)

    def host_is_there(self) -> bool:
        """Whether a host has it open."""
        self._let_go()
        if not self._is_hung_up():
            return True
        self._held = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        self._holds = True
        return False

    def tidy_up(self) -> None:
        """Make it as new after a host has gone."""
        tty.setraw(self._held, termios.TCSANOW)
        termios.tcflush(self._held, termios.TCIFLUSH)
        with suppress(BlockingIOError):
            os.read(self.near, READ_BYTES)  # that we did

    def read(self) -> bytes | None:
        """Bytes a host has sent; empty when it has thrown away what it had not read; None when there is nothing."""
        while True:
            try:
                packet = os.read(self.near, READ_BYTES)
            except OSError:
                return None
            if packet[:1] == b"\x00":
                return packet[1:]
            if not packet:
                return None
            if packet[0] & termios.TIOCPKT_FLUSHREAD:
                return b""

    def write(self, data: bytes) -> int:
        """Write what there is room for. Answers how many bytes that was."""
        done = 0
        while done < len(data):
            try:
                taken = os.write(self.near, data[done : done + PIECE_BYTES])
            except BlockingIOError:
                break
            done += taken
        return done

    def close(self) -> None:
        """Unplug it."""
        self._let_go()
        os.close(self.near)

    def _let_go(self) -> None:
        if self._holds:
            os.close(self._held)
            self._holds = False

    def _is_hung_up(self) -> bool:
        look = select.poll()
        look.register(self.near, 0)
        return any(events & select.POLLHUP for _, events in look.poll(0))
