"""One cell, the instruments on it, and the time they share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from simulators.device import SECOND_NS, CellUnderTest, Device, StreamingDevice
from simulators.log import BenchLog
from simulators.witness import Witness

STANDSTILLS_ALLOWED = 10_000
"""So many changes at one and the same time, and an instrument is going round in circles."""


@dataclass(frozen=True)
class OutputState:
    """How an instrument is connected to the cell. A closed relay with the output off still drives it."""

    output_on: bool = False
    relay_closed: bool = False

    def words(self) -> dict[str, str]:
        """As log fields."""
        return {
            "output": "on" if self.output_on else "off",
            "relay": "closed" if self.relay_closed else "open",
        }


class BenchError(Exception):
    """A simulated instrument broke the rules of `Device`; the bench can't go on."""


class Bench:
    """The conductor: moves time for the cell and all instruments together, as `Device` says.

    How time is cut never changes what happens: `conduct` to one limit or to many gives the same cell, bytes and log.
    At most one instrument may drive the cell's current. With `log_readings` all that instruments say of what they
    measure is in the log.

    Args:
        cell: that all instruments are on.
        driving: what drives its current, if anything does.
        others: what only looks at it.
        witness: of what the cell sees.
        log: of the bench.
        surrounding: what changes the cell's surroundings.
    """

    def __init__(
        self,
        cell: CellUnderTest,
        driving: Device | None,
        others: Sequence[Device],
        witness: Witness,
        log: BenchLog,
        *,
        surrounding: Sequence[Device] = (),
    ) -> None:
        self._cell = cell
        self._driving = driving
        self._others = tuple(others)
        self._surrounding = tuple(surrounding)
        self._witness = witness
        self._log = log
        devices = (*surrounding, *((driving,) if driving else ()), *others)
        self.devices: Mapping[str, Device] = {device.name: device for device in devices}
        self._streaming = {
            device.name: cast(StreamingDevice, device) for device in devices if hasattr(device, "take_emitted")
        }
        self.log_readings = False
        self.before_receiving: Callable[[str, bytes], None] = lambda name, data: None  # noqa: ARG005
        self._busy = {name: device.busy for name, device in self.devices.items()}
        self._outputs = {driving.name: OutputState()} if driving else {}
        self._relay_operations = dict.fromkeys(self._outputs, 0)

    @property
    def now_ns(self) -> int:
        """Bench time."""
        return self._cell.now_ns

    @property
    def busy(self) -> bool:
        """Whether any instrument is doing something on its own that has an end."""
        return any(device.busy for device in self.devices.values())

    def conduct(self, limit_ns: int) -> tuple[str, ...]:
        """Move time to a limit, or to the first moment at which instruments stop being busy; answers their names.

        Raises:
            BenchError: an instrument doesn't let time go on, or goes back.
        """
        standstills = 0
        while self.now_ns < limit_ns:
            before_ns = self.now_ns
            self._move(self._next_stop_ns(limit_ns))
            finished = self.finished()
            if finished:
                return finished
            standstills = standstills + 1 if self.now_ns == before_ns else 0
            if standstills > STANDSTILLS_ALLOWED:
                raise BenchError(f"the instruments stay at {before_ns} ns and never get to {limit_ns} ns")
        return ()

    def finished(self) -> tuple[str, ...]:
        """Names of the instruments that stopped being busy since this was last asked."""
        was_busy, self._busy = self._busy, {name: device.busy for name, device in self.devices.items()}
        return tuple(name for name, busy in self._busy.items() if was_busy[name] and not busy)

    def receive(self, name: str, data: bytes) -> bytes:
        """Give an instrument bytes from its cable; answers the bytes to send back. Time stands still."""
        self.before_receiving(name, data)
        reply = self.devices[name].receive(data, self.now_ns)
        if self.log_readings and name not in self._outputs and reply:
            self.write("reply", instrument=name, text=reply.decode("latin-1"))
        self._witness.look()
        return reply

    def take_emitted(self) -> dict[str, list[tuple[int, bytes]]]:
        """What instruments sent unasked since this was last asked, as `StreamingDevice` has it, by instrument."""
        frames = {name: device.take_emitted() for name, device in self._streaming.items()}
        frames = {name: sent for name, sent in frames.items() if sent}
        if self.log_readings:
            for name, sent in frames.items():
                said = [(time_ns / SECOND_NS, frame.decode("latin-1")) for time_ns, frame in sent]
                self.write("sent", instrument=name, frames=said)
        return frames

    def bytes_per_second(self, name: str) -> float:
        """Unasked bytes an instrument sends at most; 0 for one that only answers."""
        device = self._streaming.get(name)
        return 0.0 if device is None else device.bytes_per_second

    def power_cycle(self, name: str) -> None:
        """Take an instrument's power away, which opens its relay if it has one, and give it back."""
        if name in self._outputs:
            self._cell.set_current(0.0)
            self._witness.look()
            self._switch("power_cycle", name, OutputState())
        else:
            self.write("power_cycle", instrument=name)
        self.devices[name].power_cycle(self.now_ns)
        self._witness.look()

    def hear(self, name: str, kind: str, details: Mapping[str, Any]) -> None:
        """An instrument tells of a change: log it, with what the cell saw.

        Args:
            name: the instrument.
            kind: `output` (`on`, `relay_closed`), `power` (`relay_closed`), `limit`, `trigger_model`, and `readings`
                (`buffer`, `rows`), which are what a trigger model has left in a reading buffer; `blade` of a mill that
                begins to turn otherwise.
            details: these, and `time_ns`.
        """
        match kind:
            case "output":
                self._switched(name, OutputState(details["on"], details["relay_closed"]))
            case "power":
                self._switched(name, OutputState(output_on=False, relay_closed=details["relay_closed"]))
            case "limit" | "trigger_model":
                event = {"limit": "clamp", "trigger_model": "model"}[kind]
                fields = {key: value for key, value in details.items() if key != "time_ns"}
                self._log.write(details["time_ns"], event, instrument=name, **fields)
            case "readings" | "blade":
                fields = {key: value for key, value in details.items() if key != "time_ns"}
                self._log.write(details["time_ns"], kind, instrument=name, **fields)
            case _:
                raise BenchError(f"{name} tells of {kind!r}, which the bench doesn't know")

    def _switched(self, name: str, state: OutputState) -> None:
        if state != self._outputs[name]:
            self._switch("output", name, state)

    def _switch(self, event: str, name: str, state: OutputState) -> None:
        before, self._outputs[name] = self._outputs[name], state
        extremes = None
        if state.relay_closed != before.relay_closed:
            self._relay_operations[name] += 1
            if state.relay_closed:
                self._witness.relay_closed(name)
            else:
                extremes = self._witness.relay_opened(name)
        self.write(
            event,
            instrument=name,
            **state.words(),
            current_ampere=self._cell.current_ampere,
            voltage_volt=self._witness.voltage_volt,
            **self._charges(),
            **({"min_voltage_volt": extremes.min_volt, "max_voltage_volt": extremes.max_volt} if extremes else {}),
        )

    def write(self, event: str, **fields: object) -> None:
        """Add a line to the log, at the present time."""
        self._log.write(self.now_ns, event, **fields)

    def end(self, reason: str) -> None:
        """Write the log's last line."""
        self._witness.end()
        instruments = {
            name: {
                **state.words(),
                "relay_operations": self._relay_operations[name],
                "busy": self.devices[name].busy,
            }
            for name, state in self._outputs.items()
        }
        volt = self._witness.voltage_volt
        self.write("end", reason=reason, voltage_volt=volt, **self._charges(), instruments=instruments)

    def _charges(self) -> dict[str, float]:
        return {
            "charge_in_coulomb": self._cell.charge_in_coulomb,
            "charge_out_coulomb": self._cell.charge_out_coulomb,
        }

    def _next_stop_ns(self, limit_ns: int) -> int:
        stop_ns = limit_ns
        for device in (*self._surrounding, *((self._driving,) if self._driving else ())):
            asked_ns, stop_ns = stop_ns, device.run_to(stop_ns)
            if not self.now_ns <= stop_ns <= asked_ns:
                raise BenchError(f"asked to run from {self.now_ns} to {asked_ns} ns, {device.name} answered {stop_ns}")
        for device in self._others:
            if device.run_to(stop_ns) != stop_ns:
                raise BenchError(f"{device.name} wants to change the cell, which only one instrument may drive")
        return stop_ns

    def _move(self, to_ns: int) -> None:
        self._witness.pass_over(to_ns)
        self._cell.advance_to(to_ns)
        for device in self.devices.values():
            device.settle(to_ns)
        self._witness.look()
