"""Takes orders for faults, and lets each begin: now, at a bench time, or in the middle of a conversation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from simulators.appointments import Appointments
from simulators.device import SECOND_NS
from simulators.faults import CABLE_FAULTS, FaultError, cable_fault
from simulators.laboratory import Laboratory
from simulators.troubles import TROUBLES, Details, Troubles
from simulators.verbs import Fault

POWER_CYCLE = "power_cycle"
KINDS = (*CABLE_FAULTS, POWER_CYCLE, *TROUBLES)


@dataclass
class _Waiting:
    """A deed for when an instrument is sent so many lines more."""

    cable: str
    lines: int
    deed: Callable[[], None]


class FaultDesk:
    """Makes and heals the faults of a laboratory.

    Args:
        laboratory: whose cables and instruments.
        appointments: of its time.
    """

    def __init__(self, laboratory: Laboratory, appointments: Appointments) -> None:
        self._laboratory = laboratory
        self._appointments = appointments
        self._troubles = Troubles()
        self._waiting: list[_Waiting] = []
        laboratory.bench.before_receiving = self._hear

    def order(self, request: Fault) -> None:
        """Let a fault begin when it is to. What is wrong with one that begins later goes to the log then.

        Raises:
            FaultError: there is no such cable or fault, or it cannot be now.
        """
        if request.cable not in self._laboratory.cables:
            known = ", ".join(self._laboratory.cables)
            raise FaultError(f"no cable is called {request.cable!r}; there are {known}")
        if request.kind not in KINDS:
            raise FaultError(f"no fault is called {request.kind!r}; write one of {', '.join(KINDS)}")
        if request.at_second is not None and request.at_line is not None:
            raise FaultError("a fault begins at_second or at_line, not both")
        if request.at_line is not None:
            if request.at_line < 1:
                raise FaultError("at_line counts from 1, the next line the instrument is sent")
            self._waiting.append(_Waiting(request.cable, request.at_line, lambda: self._begin_late(request)))
        elif request.at_second is not None and request.at_second * SECOND_NS > self._laboratory.bench.now_ns:
            self._appointments.make(round(request.at_second * SECOND_NS), lambda: self._begin_late(request))
        else:
            self._begin(request)

    def _begin_late(self, request: Fault) -> None:
        try:
            self._begin(request)
        except FaultError as error:
            self._laboratory.bench.write("fault_refused", about=request.cable, why=str(error), **_given(request))

    def _begin(self, request: Fault) -> None:
        bench, cable = self._laboratory.bench, self._laboratory.cables[request.cable]
        device = bench.devices[request.cable]
        if request.kind == POWER_CYCLE:
            bench.power_cycle(request.cable)
            self._laboratory.deliver()
            cable.lose_power()
        elif request.kind in TROUBLES:
            self._troubles.make(device, request.kind, _details(request), bench.now_ns)
        else:
            previous = cable.previous_reply
            cable.set_fault(
                cable_fault(request.kind, real_second=request.real_second, seed=request.seed, previous=previous)
            )
        if request.kind == "heal":
            self._troubles.heal(device, bench.now_ns)
        bench.write("fault", about=request.cable, **_given(request))
        if request.for_second is not None:
            heal = Fault(id=request.id, cable=request.cable, kind="heal")
            self._appointments.make(
                bench.now_ns + round(request.for_second * SECOND_NS), lambda: self._begin_late(heal)
            )

    def _hear(self, name: str, data: bytes) -> None:
        """An instrument is about to be given whole lines."""
        lines = max(data.count(b"\n"), data.count(b"\r"))
        for waiting in [waiting for waiting in self._waiting if waiting.cable == name]:
            waiting.lines -= lines
            if waiting.lines <= 0:
                self._waiting.remove(waiting)
                waiting.deed()


def _details(request: Fault) -> Details:
    return Details(
        serial_number=request.serial_number,
        newton=request.newton,
        newton_per_second=request.newton_per_second,
        unit=request.unit,
        channel=request.channel,
        codes=request.codes,
    )


def _given(request: Fault) -> dict[str, Any]:
    """The fault, without what was left out."""
    fields = msgspec.structs.asdict(request)
    return {key: value for key, value in fields.items() if key != "id" and value is not None}
