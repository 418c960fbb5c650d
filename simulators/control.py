"""The bench's control port: time, faults, notes and the end, as JSON lines over loopback TCP."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from simulators.bench import Bench
from simulators.cable import Cable
from simulators.device import SECOND_NS
from simulators.faults import CABLE_FAULTS, FaultError, cable_fault
from simulators.owner import OnOwnerLost, OwnedError, Ownership
from simulators.pace import ENDLESS_NS, Timekeeper
from simulators.troubles import TROUBLES, Details, Troubles

LONGEST_REQUEST = 1 << 16
BUSY = "an advance is under way; wait for its answer"


class Request(msgspec.Struct, tag_field="do", forbid_unknown_fields=True, kw_only=True):
    """One question; `id` comes back with the answer."""

    id: int


class Hello(Request, tag="hello"):
    """Who are you, and what time is it?"""


class Own(Request, tag="own"):
    """Let me alone move time."""

    speed: Literal["max"] | float
    on_owner_lost: OnOwnerLost


class Advance(Request, tag="advance"):
    """Move time, and answer then."""

    to_second: float
    stop_every_second: float | None = None


class Cables(Request, tag="cables"):
    """What went over the cables?"""


class Fault(Request, tag="fault"):
    """Let something be wrong with a cable or with the instrument on it."""

    cable: str
    kind: str
    real_second: float | None = None
    seed: int | None = None
    serial_number: str | None = None
    newton: float | None = None
    unit: str | None = None
    channel: int | None = None
    codes: tuple[int, ...] | None = None


class Note(Request, tag="note"):
    """Put a line in the log."""

    text: str


class End(Request, tag="end"):
    """End the bench."""


AnyRequest = Hello | Own | Advance | Cables | Fault | Note | End
VERBS = ("hello", "own", "advance", "cables", "fault", "note", "end")
POWER_CYCLE = "power_cycle"


class _Numbered(msgspec.Struct):
    id: int | None = None


_REQUESTS = msgspec.json.Decoder(AnyRequest)
_NUMBERS = msgspec.json.Decoder(_Numbered)

Answer = dict[str, Any]
Reply = Callable[[Answer], None]


class ControlError(Exception):
    """A request that is refused; the message is for its sender."""


@dataclass(frozen=True)
class Laboratory:
    """All there is behind a control port."""

    name: str
    seed: int
    utc_start_ns: int
    bench: Bench
    cables: Mapping[str, Cable]
    models: Mapping[str, str]

    def hello(self) -> Answer:
        """What the bench says of itself."""
        return {
            "name": self.name,
            "seed": self.seed,
            "simulated": True,
            **self.times(),
            "cables": {
                name: {
                    "transport": cable.transport,
                    "address": cable.address,
                    "model": self.models[name],
                    "sent_total": cable.sent_total,
                    "received_total": cable.received_total,
                }
                for name, cable in self.cables.items()
            },
        }

    def deliver(self) -> None:
        """Put what instruments sent unasked on their cables."""
        for name, frames in self.bench.take_emitted().items():
            self.cables[name].emit(frames)

    def reach_ns(self) -> int:
        """How much bench time may pass until a host must read; 0 or less when none may."""
        reaches_ns = [ENDLESS_NS]
        for name, cable in self.cables.items():
            rate, room_bytes = self.bench.bytes_per_second(name), cable.room_bytes
            if rate and room_bytes is not None:
                reaches_ns.append(int(room_bytes / rate * SECOND_NS))
        return min(reaches_ns)

    def times(self) -> Answer:
        """The present time of the bench and its UTC, both in seconds."""
        now_ns = self.bench.now_ns
        return {"now_second": now_ns / SECOND_NS, "utc_second": (self.utc_start_ns + now_ns) / SECOND_NS}


class ControlPort:
    """Answers requests; any number of connections, of which one may own the time."""

    def __init__(
        self, laboratory: Laboratory, keeper: Timekeeper, ownership: Ownership, stop: Callable[[str], None]
    ) -> None:
        self._laboratory = laboratory
        self._keeper = keeper
        self._ownership = ownership
        self._stop = stop
        self._troubles = Troubles()

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
            answer = self._answer(request, who)
        except (ControlError, OwnedError, FaultError, msgspec.MsgspecError) as error:
            reply({"id": number, "ok": False, "error": _sentence(error)})
            return
        reply({"id": number, "ok": True, **answer})
        if isinstance(request, End):
            self._stop("end")

    def _answer(self, request: Hello | Own | Cables | Fault | Note | End, who: object) -> Answer:
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
            case Cables():
                return {"cables": {name: _traffic(cable) for name, cable in self._laboratory.cables.items()}}
            case Fault():
                self._set_fault(request)
            case Note(text=text):
                self._laboratory.bench.write("note", text=text)
            case End():
                pass
        return {}

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

    def _set_fault(self, request: Fault) -> None:
        cable = self._laboratory.cables.get(request.cable)
        if cable is None:
            known = ", ".join(self._laboratory.cables)
            raise FaultError(f"no cable is called {request.cable!r}; there are {known}")
        bench, device = self._laboratory.bench, self._laboratory.bench.devices[request.cable]
        if request.kind == POWER_CYCLE:
            bench.power_cycle(request.cable)
            self._laboratory.deliver()
            cable.lose_power()
        elif request.kind in TROUBLES:
            self._troubles.make(device, request.kind, _details(request), bench.now_ns)
        elif request.kind in CABLE_FAULTS:
            previous = cable.previous_reply
            fault = cable_fault(request.kind, real_second=request.real_second, seed=request.seed, previous=previous)
            cable.set_fault(fault)
        else:
            known = ", ".join((*CABLE_FAULTS, POWER_CYCLE, *TROUBLES))
            raise FaultError(f"no fault is called {request.kind!r}; write one of {known}")
        if request.kind == "heal":
            self._troubles.heal(device, bench.now_ns)
        bench.write("fault", **_given(request))


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


def _details(request: Fault) -> Details:
    return Details(
        serial_number=request.serial_number,
        newton=request.newton,
        unit=request.unit,
        channel=request.channel,
        codes=request.codes,
    )


def _given(request: Fault) -> Answer:
    """The fault, without what was left out."""
    fields = msgspec.structs.asdict(request)
    return {key: value for key, value in fields.items() if key != "id" and value is not None}


def _nanoseconds(name: str, second: float) -> int:
    if not 0 <= second < ENDLESS_NS / SECOND_NS:
        raise ControlError(f"{name} must be from 0 to {ENDLESS_NS // SECOND_NS} s, not {second:g}")
    return round(second * SECOND_NS)


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text}; the verbs are {', '.join(VERBS)}" if "`$.do`" in text else text
