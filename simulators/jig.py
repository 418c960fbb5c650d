"""One cell in its jig, and the instruments that meet no other cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulators.device import CellUnderTest, Device, Foreseeing
from simulators.log import LogLines
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


class Jig:
    """A cell and its own instruments. Between two changes of what is around it, it needs no other jig to go on.

    At most one instrument may drive the cell's current.

    Args:
        cell: that they are on.
        driving: what drives its current, if anything does.
        others: what only looks at it.
        witness: of what the cell sees.
        log: of the bench, or of this cell in it.
        name: of the cell, where a bench has several.
    """

    def __init__(
        self,
        cell: CellUnderTest,
        driving: Device | None,
        others: Sequence[Device],
        witness: Witness,
        log: LogLines,
        *,
        name: str = "",
    ) -> None:
        self.name = name
        self.log = log
        self.driving = driving
        self._foreseeing = driving if driving is not None and isinstance(driving, Foreseeing) else None
        self.cell = cell
        self._others = tuple(others)
        self.devices: tuple[Device, ...] = (*((driving,) if driving else ()), *others)
        self._witness = witness
        self._outputs = {driving.name: OutputState()} if driving else {}
        self._relay_operations = dict.fromkeys(self._outputs, 0)
        self._standstills = 0

    @property
    def now_ns(self) -> int:
        """The time its cell has been brought to."""
        return self.cell.now_ns

    @property
    def busy(self) -> bool:
        """Whether any of its instruments is doing something on its own that has an end."""
        return any(device.busy for device in self.devices)

    def look_ahead(self, limit_ns: int) -> int:
        """Let only what drives the cell go on, to a time or to an earlier one at which it changes the cell.

        Answers which; all must `follow` there, and `settle` makes the change. When it answered the limit, it may be let
        go farther before.

        Raises:
            BenchError: it doesn't let time go on, or goes back.
        """
        if self.driving is None:
            return limit_ns
        stop_ns = self.driving.run_to(limit_ns)
        check_stop(self.driving, self.now_ns, limit_ns, stop_ns)
        return stop_ns

    def foresee(self, horizon_ns: int) -> None:
        """Let what drives the cell find out, as `look_ahead` goes on, how far it is sure; up to a time."""
        if self._foreseeing is not None:
            self._foreseeing.foresee(horizon_ns)

    @property
    def sure_ns(self) -> int:
        """Nothing happens to the cell by what drives it before this time, so far as is known; -1 when nothing is."""
        return -1 if self._foreseeing is None else self._foreseeing.sure_ns

    def follow(self, stop_ns: int) -> None:
        """Bring the cell and the other instruments to where its driving one has stopped. Raises BenchError."""
        now_ns = self.now_ns
        for device in self._others:
            if device.run_to(stop_ns) != stop_ns:
                raise BenchError(f"{device.name} wants to change the cell, which only one instrument may drive")
        self._standstills = self._standstills + 1 if stop_ns == now_ns else 0
        if self._standstills > STANDSTILLS_ALLOWED:
            raise BenchError(f"the instruments stay at {now_ns} ns and never get on")
        self._witness.pass_over(stop_ns)
        self.cell.advance_to(stop_ns)

    def settle(self) -> None:
        """Make the changes that are due now."""
        now_ns = self.now_ns
        for device in self.devices:
            device.settle(now_ns)
        self._witness.look()

    def look(self) -> None:
        """Something may have changed the current just now."""
        self._witness.look()

    def power_cycle(self, device: Device) -> None:
        """Take the power of one of its instruments away, which opens its relay if it has one, and give it back."""
        if device.name in self._outputs:
            self.cell.set_current(0.0)
            self._witness.look()
            self._switch("power_cycle", device.name, OutputState())
        else:
            self.log.write(self.now_ns, "power_cycle", instrument=device.name)
        device.power_cycle(self.now_ns)
        self._witness.look()

    def switched(self, name: str, *, output_on: bool, relay_closed: bool) -> None:
        """Its driving instrument tells how it is connected from now on."""
        state = OutputState(output_on, relay_closed)
        if state != self._outputs[name]:
            self._switch("output", name, state)

    def end(self) -> None:
        """Nothing more will be seen."""
        self._witness.end()

    def left(self) -> dict[str, float]:
        """The cell as it is now, as log fields."""
        return {"voltage_volt": self._witness.voltage_volt, **self._charges()}

    def outputs_left(self) -> Mapping[str, dict[str, object]]:
        """How its driving instrument is left, by name, as log fields."""
        return {
            name: {
                **state.words(),
                "relay_operations": self._relay_operations[name],
                "busy": self.driving is not None and self.driving.busy,
            }
            for name, state in self._outputs.items()
        }

    def _switch(self, event: str, name: str, state: OutputState) -> None:
        before, self._outputs[name] = self._outputs[name], state
        extremes = None
        if state.relay_closed != before.relay_closed:
            self._relay_operations[name] += 1
            if state.relay_closed:
                self._witness.relay_closed(name)
            else:
                extremes = self._witness.relay_opened(name)
        self.log.write(
            self.now_ns,
            event,
            instrument=name,
            **state.words(),
            current_ampere=self.cell.current_ampere,
            voltage_volt=self._witness.voltage_volt,
            **self._charges(),
            **({"min_voltage_volt": extremes.min_volt, "max_voltage_volt": extremes.max_volt} if extremes else {}),
        )

    def _charges(self) -> dict[str, float]:
        return {
            "charge_in_coulomb": self.cell.charge_in_coulomb,
            "charge_out_coulomb": self.cell.charge_out_coulomb,
        }


def check_stop(device: Device, now_ns: int, asked_ns: int, stop_ns: int) -> None:
    """Raises BenchError for an answer of `run_to` that is no time between now and what was asked for."""
    if not now_ns <= stop_ns <= asked_ns:
        raise BenchError(f"asked to run from {now_ns} to {asked_ns} ns, {device.name} answered {stop_ns}")
