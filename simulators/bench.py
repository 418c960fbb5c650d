"""The cells, the instruments on them and around them, and the time they share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, cast

from simulators.device import SECOND_NS, Device, StreamingDevice
from simulators.jig import BenchError, Jig, check_stop
from simulators.log import BenchLog, LogLines

FORESEEN_BEYOND_NS = 10 * SECOND_NS
"""Instruments foresee whole passes of what they do: so much beyond, the last one ends after what is asked for."""


class Ending(NamedTuple):
    """An instrument stopped being busy."""

    at_ns: int
    name: str


class Bench:
    """The conductor: moves time for all cells and instruments together, as `Device` says.

    How time is cut never changes what happens: `conduct` to one limit or to many gives the same cells, bytes and log.
    Cells meet in their surroundings alone: from one change of those to the next each goes on by itself. With
    `log_readings` all that instruments say of what they measure is in the log.

    Args:
        jigs: the cells, each with its own instruments; all at the same time.
        log: of the bench.
        surrounding: what changes the cells' surroundings.
        shared: what belongs to no cell and only looks.
    """

    def __init__(
        self,
        jigs: Sequence[Jig],
        log: BenchLog,
        *,
        surrounding: Sequence[Device] = (),
        shared: Sequence[Device] = (),
    ) -> None:
        self.jigs = tuple(jigs)
        self._surrounding = tuple(surrounding)
        self._shared = tuple(shared)
        self._log = log
        self._jig_of = {device.name: jig for jig in jigs for device in jig.devices}
        devices = (*surrounding, *(device for jig in jigs for device in jig.devices), *shared)
        self.devices: Mapping[str, Device] = {device.name: device for device in devices}
        self._streaming = {
            device.name: cast(StreamingDevice, device) for device in devices if hasattr(device, "take_emitted")
        }
        self.log_readings = False
        self.before_receiving: Callable[[str, bytes], None] = lambda name, data: None  # noqa: ARG005
        self._busy = {name: device.busy for name, device in self.devices.items()}
        self._ended_ns: dict[str, int] = {}

    @property
    def now_ns(self) -> int:
        """Bench time."""
        return self.jigs[0].now_ns

    @property
    def busy(self) -> bool:
        """Whether any instrument is doing something on its own that has an end."""
        return any(device.busy for device in self.devices.values())

    def conduct(self, limit_ns: int, stop_every_ns: int | None = None) -> tuple[Ending, ...]:
        """Move time to a limit, or to the first moment at which instruments stop being busy; answers those.

        While more than one cell has a busy instrument, time may go on beyond that moment: no farther than to the next
        multiple of `stop_every_ns` if there is one.

        Raises:
            BenchError: an instrument doesn't let time go on, or goes back.
        """
        while self.now_ns < limit_ns:
            self._move(self._stop_ns(limit_ns), stop_every_ns)
            endings = tuple(Ending(self._ended_ns.pop(name, self.now_ns), name) for name in self.finished())
            if endings:
                return endings
        return ()

    def finished(self) -> tuple[str, ...]:
        """Names of the instruments that stopped being busy since this was last asked."""
        was_busy, self._busy = self._busy, {name: device.busy for name, device in self.devices.items()}
        return tuple(name for name, busy in self._busy.items() if was_busy[name] and not busy)

    def time_of(self, name: str) -> int:
        """The time an instrument is at: bench time, but while time moves that of its own cell."""
        jig = self._jig_of.get(name)
        return self.now_ns if jig is None else jig.now_ns

    def receive(self, name: str, data: bytes) -> bytes:
        """Give an instrument bytes from its cable; answers the bytes to send back. Time stands still."""
        self.before_receiving(name, data)
        reply = self.devices[name].receive(data, self.now_ns)
        jig = self._jig_of.get(name)
        is_driving = jig is not None and jig.driving is self.devices[name]
        if self.log_readings and not is_driving and reply:
            self.write("reply", about=name, instrument=name, text=reply.decode("latin-1"))
        if jig is not None:
            jig.look()
        return reply

    def take_emitted(self) -> dict[str, list[tuple[int, bytes]]]:
        """What instruments sent unasked since this was last asked, as `StreamingDevice` has it, by instrument."""
        frames = {name: device.take_emitted() for name, device in self._streaming.items()}
        frames = {name: sent for name, sent in frames.items() if sent}
        if self.log_readings:
            for name, sent in frames.items():
                said = [(time_ns / SECOND_NS, frame.decode("latin-1")) for time_ns, frame in sent]
                self.write("sent", about=name, instrument=name, frames=said)
        return frames

    def bytes_per_second(self, name: str) -> float:
        """Unasked bytes an instrument sends at most; 0 for one that only answers."""
        device = self._streaming.get(name)
        return 0.0 if device is None else device.bytes_per_second

    def power_cycle(self, name: str) -> None:
        """Take an instrument's power away, which opens its relay if it has one, and give it back."""
        if name in self._jig_of:
            self._jig_of[name].power_cycle(self.devices[name])
        else:
            self.write("power_cycle", instrument=name)
            self.devices[name].power_cycle(self.now_ns)

    def hear(self, name: str, kind: str, details: Mapping[str, Any]) -> None:
        """An instrument tells of a change: log it, with what the cell saw.

        Args:
            name: the instrument.
            kind: `output` (`on`, `relay_closed`), `power` (`relay_closed`), `limit`, `trigger_model`, and `readings`
                (`buffer`, `rows`), which are what a trigger model has left in a reading buffer; `blade` of a mill that
                begins to turn otherwise, `chiller` of one that is set otherwise, starts or ends.
            details: these, and `time_ns`.
        """
        match kind:
            case "output":
                self._jig_of[name].switched(name, output_on=details["on"], relay_closed=details["relay_closed"])
            case "power":
                self._jig_of[name].switched(name, output_on=False, relay_closed=details["relay_closed"])
            case "limit" | "trigger_model" | "readings" | "blade" | "chiller":
                event = {"limit": "clamp", "trigger_model": "model"}.get(kind, kind)
                fields = {key: value for key, value in details.items() if key != "time_ns"}
                self._log_about(name).write(details["time_ns"], event, instrument=name, **fields)
            case _:
                raise BenchError(f"{name} tells of {kind!r}, which the bench doesn't know")

    def write(self, event: str, *, about: str = "", **fields: object) -> None:
        """Add a line to the log, at the present time; `about` names the instrument whose cell it is about."""
        self._log_about(about).write(self.now_ns, event, **fields)

    def end(self, reason: str) -> None:
        """Write the log's last line."""
        for jig in self.jigs:
            jig.end()
        has_several = bool(self.jigs[0].name)
        left: dict[str, Any] = {"cells": {jig.name: jig.left() for jig in self.jigs}}
        instruments = {name: said for jig in self.jigs for name, said in jig.outputs_left().items()}
        self.write("end", reason=reason, **(left if has_several else self.jigs[0].left()), instruments=instruments)

    def _log_about(self, name: str) -> LogLines:
        jig = self._jig_of.get(name)
        return self._log if jig is None else jig.log

    def _stop_ns(self, limit_ns: int) -> int:
        """How far all may go before their surroundings change."""
        stop_ns = limit_ns
        for device in self._surrounding:
            asked_ns, stop_ns = stop_ns, device.run_to(stop_ns)
            check_stop(device, self.now_ns, asked_ns, stop_ns)
        return stop_ns

    def _move(self, stop_ns: int, every_ns: int | None) -> None:
        """Bring all to one time: before their surroundings change, and not beyond what a busy cell may stop at."""
        leading = [jig for jig in self.jigs if jig.busy] or self.jigs[:1]
        with self._log.in_order() if len(self.jigs) > 1 else nullcontext():
            stop_ns, ahead_ns = _look_ahead(leading, stop_ns, every_ns)
            self._bring(stop_ns, ahead_ns)

    def _bring(self, stop_ns: int, ahead_ns: Mapping[str, int]) -> None:
        """Bring all to one time; `ahead_ns` tells of cells how far their driving instruments are already."""
        for jig in self.jigs:
            if jig.name in ahead_ns:
                self._follow(jig, ahead_ns[jig.name], stop_ns)
            while jig.now_ns < stop_ns:
                self._follow(jig, jig.look_ahead(stop_ns), stop_ns)
        for device in self._shared:
            device.run_to(stop_ns)
        for device in (*self._surrounding, *self._shared):
            device.settle(stop_ns)
        for jig in self.jigs:
            jig.settle()

    def _follow(self, jig: Jig, ahead_ns: int, stop_ns: int) -> None:
        """Bring a cell to where its driving instrument is; what is due there before all are there, is done."""
        jig.follow(ahead_ns)
        if ahead_ns < stop_ns:
            jig.settle()
            self._note_endings(jig)

    def _note_endings(self, jig: Jig) -> None:
        for device in jig.devices:
            if self._busy[device.name] and not device.busy:
                self._ended_ns.setdefault(device.name, jig.now_ns)


def _look_ahead(leading: Sequence[Jig], stop_ns: int, every_ns: int | None) -> tuple[int, dict[str, int]]:
    """Let what drives some cells go on; answers how far all may follow, and how far it is in each.

    One alone goes to its next change. Several go as far as they may, or to the first multiple of `every_ns` by which
    one of them has come to a change: from one multiple to the next, or to that which all of them foresee.
    """
    if len(leading) == 1:
        stop_ns = leading[0].look_ahead(stop_ns)
        return stop_ns, {leading[0].name: stop_ns}
    if every_ns is None:
        return stop_ns, {jig.name: jig.look_ahead(stop_ns) for jig in leading}
    for jig in leading:
        jig.foresee(stop_ns + FORESEEN_BEYOND_NS)
    to_ns = leading[0].now_ns
    ahead_ns = {jig.name: to_ns for jig in leading}
    while to_ns < stop_ns and all(reached_ns == to_ns for reached_ns in ahead_ns.values()):
        sure_ns = min(jig.sure_ns for jig in leading) - 1
        next_ns = max((to_ns // every_ns + 1) * every_ns, sure_ns // every_ns * every_ns)
        to_ns = stop_ns if sure_ns >= stop_ns else min(stop_ns, next_ns)
        ahead_ns = {jig.name: jig.look_ahead(to_ns) for jig in leading}
    for jig in leading:
        jig.foresee(-1)
    return to_ns, ahead_ns
