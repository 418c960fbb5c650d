"""The bench's control port: time, faults, notes and the end, as JSON lines over loopback TCP."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from simulators.cable import Cable
from simulators.device import SECOND_NS
from simulators.fault_desk import FaultDesk
from simulators.faults import FaultError
from simulators.laboratory import Answer, Laboratory
from simulators.owner import OwnedError, Ownership
from simulators.pace import ENDLESS_NS, Timekeeper
from simulators.verbs import (
    VERBS,
    Advance,
    AnyRequest,
    Cables,
    Disown,
    End,
    Fault,
    Hello,
    HoldAt,
    Immediate,
    Note,
    Own,
    Release,
)

LONGEST_REQUEST = 1 << 16
BUSY = "an advance is under way; wait for its answer"


class _Numbered(msgspec.Struct):
    id: int | None = None


_REQUESTS = msgspec.json.Decoder(AnyRequest)
_NUMBERS = msgspec.json.Decoder(_Numbered)

Reply = Callable[[Answer], None]


class ControlError(Exception):
    """A request that is refused; the message is for its sender."""


class ControlPort:
    """Answers requests; any number of connections, of which one may own the time."""

    def __init__(
        self, laboratory: Laboratory, keeper: Timekeeper, ownership: Ownership, stop: Callable[[str], None]
    ) -> None:
        self._laboratory = laboratory
        self._keeper = keeper
        self._ownership = ownership
        self._stop = stop
        self._faults = FaultDesk(laboratory, keeper.appointments)

    def connect(self) -> asyncio.Protocol:
        """A new connection."""
        return _Connection(self)

    def lost(self, who: object) -> None:
        """A connection has closed."""
        self._ownership.lose(who)

    def handle(self, line: bytes, who: object, reply: Reply) -> None:
        """Answer one request line by `reply`, at once or, for an advance, when it is over."""
        number: int | None = None
        try:
            number = _NUMBERS.decode(line).id
            request = _REQUESTS.decode(line)
            if isinstance(request, Advance):
                self._advance(request, who, reply)
                return
            if isinstance(request, HoldAt):
                self._hold(request, reply)
                return
            answer = self._answer(request, who)
        except (ControlError, OwnedError, FaultError, msgspec.MsgspecError) as error:
            reply({"id": number, "ok": False, "error": _sentence(error)})
            return
        reply({"id": number, "ok": True, **answer})
        if isinstance(request, End):
            self._stop("end")

    def _answer(self, request: Immediate, who: object) -> Answer:
        match request:
            case Hello():
                return self._laboratory.hello()
            case Own(speed=speed, on_owner_lost=on_owner_lost):
                if speed != "max" and not speed > 0:
                    raise ControlError(f'speed is "max" or a number above 0, not {speed:g}')
                if self._ownership.owned_by(who) and self._keeper.moving:
                    raise ControlError(BUSY)
                self._ownership.take(who, speed, on_owner_lost)
                return self._laboratory.times()
            case Disown():
                if not self._ownership.owned_by(who):
                    raise ControlError("only the owner of the time can give it up")
                self._ownership.lose(who)
                return self._laboratory.times()
            case Release():
                self._keeper.release()
            case Cables():
                return {"cables": {name: _traffic(cable) for name, cable in self._laboratory.cables.items()}}
            case Fault():
                self._faults.order(request)
            case Note(text=text):
                self._laboratory.bench.write("note", text=text)
            case End():
                pass
        return {}

    def _hold(self, request: HoldAt, reply: Reply) -> None:
        at_ns = _nanoseconds("at_second", request.at_second)
        self._keeper.hold_at(at_ns, lambda: reply({"id": request.id, "ok": True, **self._laboratory.times()}))

    def _advance(self, request: Advance, who: object, reply: Reply) -> None:
        if not self._ownership.owned_by(who):
            raise ControlError("only the owner of the time moves it; ask to own it first")
        if self._keeper.moving:
            raise ControlError(BUSY)
        to_ns = _nanoseconds("to_second", request.to_second)
        every_second = request.stop_every_second
        every_ns = None if every_second is None else _nanoseconds("stop_every_second", every_second)
        if every_ns is not None and every_ns <= 0:
            raise ControlError("stop_every_second must be above 0")
        for cable in self._laboratory.cables.values():
            cable.take_marks()

        def done(stopped_by: str | None) -> None:
            marks = {name: cable.take_marks() for name, cable in self._laboratory.cables.items()}
            cables = {
                name: {"sent_total": cable.sent_total, "marks": marks[name]}
                for name, cable in self._laboratory.cables.items()
            }
            times = self._laboratory.times()
            reply({"id": request.id, "ok": True, **times, "stopped_by": stopped_by, "cables": cables})

        if to_ns <= self._laboratory.bench.now_ns:
            done(None)
        else:
            self._keeper.advance(to_ns, at_pace=self._ownership.at_pace, stop_every_ns=every_ns, done=done)


class _Connection(asyncio.Protocol):
    """One client of the control port. Requests are answered in order, except that an advance doesn't hold up others."""

    def __init__(self, port: ControlPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._unfinished = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._port.handle(line, self, self._reply)
        if len(self._unfinished) > LONGEST_REQUEST and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._port.lost(self)

    def _reply(self, answer: Answer) -> None:
        if self._transport is not None:
            self._transport.write(msgspec.json.encode(answer) + b"\n")


def _traffic(cable: Cable) -> Answer:
    return {
        "sent_total": cable.sent_total,
        "received_total": cable.received_total,
        "lost_total": cable.lost_total,
        "connected": cable.connected,
    }


def _nanoseconds(name: str, second: float) -> int:
    if not 0 <= second < ENDLESS_NS / SECOND_NS:
        raise ControlError(f"{name} must be from 0 to {ENDLESS_NS // SECOND_NS} s, not {second:g}")
    return round(second * SECOND_NS)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text}; the verbs are {', '.join(VERBS)}" if "`$.do`" in text else text
