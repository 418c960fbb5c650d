"""Every driver of the registry beside its simulator, at the two ends of a cable, asked in the same way."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pyvisa.resources import Resource

from drivers.and_weighing.codec import AndFormat
from drivers.connections import (
    ChamberConnection,
    ChillerConnection,
    Connection,
    LoadCellConnection,
    MillDriveConnection,
    ThermometerConnection,
)
from drivers.registry import DRIVERS
from drivers.roles import SegmentProgram
from simulators.adam_4015 import Adam4015, Probe
from simulators.and_indicator import AndIndicator
from simulators.bath import Bath, BathBuild
from simulators.cell import PressCell
from simulators.circulator import Circulator
from simulators.delta_drive import DeltaDrive
from simulators.device import SECOND_NS
from simulators.espec import EspecChamber
from simulators.force_display import ForceSensor, IndicatorSetup, Upset
from simulators.huber import HuberChiller
from simulators.inverter import Inverter, InverterSettings
from simulators.julabo import JulaboChiller
from simulators.keithley import KeithleySMU
from simulators.lakeshore import LakeShore218
from simulators.lauda import LaudaChiller
from simulators.laumas import LaumasTransmitter
from simulators.ls_drive import LsDrive
from simulators.mettler import MettlerTerminal
from simulators.mill import Mill
from simulators.votsch import VotschChamber
from tests.support.byte_cables import FarEnd

PATIENCE_REAL_SECOND, SHORT_REAL_SECOND = 10.0, 0.2
START_UP_SECOND = 20.0
"""By then every instrument is back that was switched off and on."""
SETTLE_SECOND = 5.0
"""A display stands still again after so long."""
KILOGRAM_PER_NEWTON = 1 / 9.80665
SENSOR = ForceSensor(zero_drift_per_kelvin=0, span_drift_per_kelvin=0)
TOKEN = "p0c0ffee_000001"
REST = SegmentProgram(
    current_ampere=0.0,
    current_range_ampere=1e-6,
    until_voltage_volt=None,
    lower_guard_volt=1.0,
    upper_guard_volt=3.9,
    duration_second=3600.0,
    sampling_second=1.0,
    cutoff_second=1.0,
)
ENTRIES = {driver.about.name: driver for driver in DRIVERS}


def set_timeouts(part: Any, second: float) -> None:
    """Of a driver and of all of ours that it is made of."""
    for name, value in list(vars(part).items()):
        if name.endswith("timeout_second"):
            setattr(part, name, second)
        elif isinstance(value, Resource):
            value.timeout = 1000 * second
        elif type(value).__module__.startswith("drivers.") and hasattr(value, "__dict__"):
            set_timeouts(value, second)


class Desk:
    """A simulator at a cable's far end, and the driver of it. `truth` is what the driver must read now.

    `ask` answers what it reads, None when it says itself that this is no reading. `change` makes the truth another one.
    """

    def __init__(self, name: str, transport: str) -> None:
        self.name, self.transport = name, transport
        self.now_ns = 0
        self.cell = PressCell(chamber_celsius=55.0, start_celsius=55.0)
        self.device = self.simulator()
        self.far_end = FarEnd(lambda data: self.device.receive(data, self.now_ns))
        self.driver: Any = None

    def simulator(self) -> Any:
        raise NotImplementedError

    def connection(self, timeout_second: float) -> Any:
        raise NotImplementedError

    async def ask(self) -> object:
        raise NotImplementedError

    @property
    def truth(self) -> object:
        raise NotImplementedError

    def change(self) -> None:
        raise NotImplementedError

    async def prepare(self) -> None:
        """Right after the first connection."""

    async def wait(self, second: float) -> None:
        self.pass_second(second)

    async def live(self, second: float) -> None:
        """Let time pass, and what is said unasked meanwhile arrive."""
        self.pass_second(second)

    def pass_second(self, second: float) -> None:
        end_ns = self.now_ns + round(second * SECOND_NS)
        while self.now_ns < end_ns:
            self.now_ns = self.device.run_to(end_ns)
            self.cell.advance_to(self.now_ns)
            self.device.settle(self.now_ns)

    def make(self) -> None:
        """The driver, anew; it has patience with a computer that is busy."""
        self.driver = self.made(self.connection(PATIENCE_REAL_SECOND))

    def expect_nothing(self) -> None:
        """What is asked from now on is not waited for long."""
        set_timeouts(self.driver, SHORT_REAL_SECOND)

    def heal(self) -> None:
        """The cable is sound again, and worth waiting for."""
        self.far_end.behaviour = "whole"
        set_timeouts(self.driver, PATIENCE_REAL_SECOND)

    def made(self, connection: Any) -> Any:
        return ENTRIES[self.name].make(connection, self.wait, None)

    async def connect(self) -> Any:
        return await self.driver.connect()

    def reboot(self) -> None:
        """Off and on: what it forgets is lost, and TCP connections; a serial port stays."""
        self.device.power_cycle(self.now_ns)
        if self.transport == "tcp":
            self.far_end.hang_up()
        self.pass_second(START_UP_SECOND)


class PotentiostatDesk(Desk):
    """Rows of a rest that goes on."""

    def simulator(self) -> KeithleySMU:
        return KeithleySMU("smu", self.name.rpartition(".")[2], "04451117", "1.7.12b", self.cell, 1)

    def connection(self, timeout_second: float) -> Connection:
        return Connection(name="smu", address=self.far_end.address, timeout_second=timeout_second)

    def made(self, connection: Connection) -> Any:
        return ENTRIES[self.name].make(connection, lambda: self.now_ns / SECOND_NS, None)

    async def prepare(self) -> None:
        await self.driver.start_segment(TOKEN, REST)
        self.pass_second(10.5)

    async def ask(self) -> tuple[str, int]:
        look = await self.driver.look(TOKEN)
        return str(look.state), look.row_count

    @property
    def truth(self) -> tuple[str, int]:
        buffers = self.device.instrument.buffers
        return ("running", buffers.get(TOKEN).count) if TOKEN in buffers else ("absent", 0)

    def change(self) -> None:
        self.pass_second(3.0)


class LoadCellDesk(Desk):
    """What the display shows, in kg. `stream` is None where it must be asked."""

    FORMS = {"cas.indicator": "cas", "cas.indicator_asked": "cas_and"}  # noqa: RUF012

    def __init__(self, name: str, transport: str) -> None:
        super().__init__(name, transport)
        self.stream: Any = None
        self.pass_second(10.0)

    def simulator(self) -> Any:
        make = {"laumas.transmitter": LaumasTransmitter, "mettler.sics": MettlerTerminal}.get(self.name, AndIndicator)
        setup = IndicatorSetup(form=self.FORMS.get(self.name, "and"), streaming=not self.name.endswith("asked"))
        return make("load", self.cell, sensor=SENSOR, setup=setup)

    def connection(self, timeout_second: float) -> LoadCellConnection:
        return LoadCellConnection(
            name="load",
            address=self.far_end.address,
            frame_format=AndFormat(unit="kg"),
            baud=9600,
            timeout_second=timeout_second,
        )

    def made(self, connection: LoadCellConnection) -> Any:
        made = ENTRIES[self.name].make(connection, lambda: self.now_ns / SECOND_NS)
        self.stream = made.stream
        return made.load_cell

    async def connect(self) -> Any:
        hosts = self.far_end.hosts
        identity = await self.driver.connect()
        if self.transport == "tcp":
            await self.far_end.until(lambda far_end: far_end.hosts > hosts)
        if self.name == "mettler.sics":
            await self.far_end.until(lambda far_end: b"".join(far_end.questions).endswith(b"SIR\r\n"))
        return identity

    def emitted(self) -> bytes:
        """What it has said unasked since this was last called."""
        frames = self.device.take_emitted() if hasattr(self.device, "take_emitted") else []
        return b"".join(frame for _, frame in frames)

    async def live(self, second: float) -> None:
        self.emitted()
        self.pass_second(second)
        data = self.emitted()
        if self.stream is not None and data:
            due = self.stream.received_total + len(data)
            self.far_end.say(data)
            if self.far_end.behaviour in {"whole", "byte_by_byte"}:
                await self.stream.wait_received(due, PATIENCE_REAL_SECOND)

    async def ask(self) -> float | None:
        self.pass_second(SETTLE_SECOND)
        await self.live(1.0)
        block = await self.driver.read()
        known = block.displayed[np.isfinite(block.displayed)]
        return float(known[-1]) if len(known) else None

    @property
    def truth(self) -> float:
        pressure = self.cell.forecast(np.array([self.now_ns])).pressure_megapascal[0]
        newton = pressure * SENSOR.area_square_millimetre + self.device.upset.added_newton
        return float(newton * KILOGRAM_PER_NEWTON)

    def change(self) -> None:
        self.device.upset = Upset(added_newton=self.device.upset.added_newton - 100.0)


class ThermometerDesk(Desk):
    """The jig's temperature."""

    def __init__(self, name: str, transport: str) -> None:
        self.celsius = 55.25
        super().__init__(name, transport)

    def simulator(self) -> Any:
        probes = {1: Probe(lambda _: self.celsius), 2: Probe(lambda _: 24.5)}
        make = {"advantech.adam_4015": Adam4015, "lakeshore.218": LakeShore218}[self.name]
        return make("oven", probes, noise_kelvin=0.0)

    def connection(self, timeout_second: float) -> ThermometerConnection:
        return ThermometerConnection(
            name="oven",
            address=self.far_end.address,
            channel_by_place={"jig": 1, "air": 2},
            character="8N1",
            timeout_second=timeout_second,
        )

    def made(self, connection: ThermometerConnection) -> Any:
        return ENTRIES[self.name].make(connection, None)

    async def ask(self) -> float:
        return (await self.driver.read_celsius())["jig"]

    @property
    def truth(self) -> float:
        return self.celsius

    def change(self) -> None:
        self.celsius -= 10.0


class ChamberDesk(Desk):
    """Whether it controls."""

    def simulator(self) -> Any:
        return {"espec.chamber": EspecChamber, "votsch.chamber": VotschChamber}[self.name]("chamber", self.cell)

    def connection(self, timeout_second: float) -> ChamberConnection:
        return ChamberConnection(name="chamber", address=self.far_end.address, timeout_second=timeout_second)

    async def ask(self) -> bool:
        return bool((await self.driver.look()).is_controlling)

    @property
    def truth(self) -> bool:
        return bool(self.device.mode == "CONSTANT")

    def change(self) -> None:
        self.device.mode = "OFF" if self.device.mode == "CONSTANT" else "CONSTANT"


class ChillerDesk(Desk):
    """Whether it runs."""

    MAKES = {"lauda": LaudaChiller, "julabo": JulaboChiller, "huber": HuberChiller}  # noqa: RUF012

    def simulator(self) -> Any:
        self.circulator = Circulator(Bath(BathBuild(), 23.0))
        return self.MAKES[self.name.partition(".")[0]]("cooler", self.circulator)

    def connection(self, timeout_second: float) -> ChillerConnection:
        return ChillerConnection(
            name="cooler", address=self.far_end.address, character="8N1", timeout_second=timeout_second
        )

    async def ask(self) -> bool:
        return bool((await self.driver.look()).is_running)

    @property
    def truth(self) -> bool:
        return self.circulator.is_on

    def change(self) -> None:
        self.circulator.is_on = not self.circulator.is_on


class MillDriveDesk(Desk):
    """Whether it has a fault."""

    def simulator(self) -> Any:
        self.inverter = Inverter(Mill(), InverterSettings(highest_hertz=70, accel_second=5, decel_second=10))
        if self.name == "delta.vfd":
            return DeltaDrive("mill", self.inverter)
        return LsDrive("mill", self.inverter, model=self.name.replace(".", "_"))

    def connection(self, timeout_second: float) -> MillDriveConnection:
        return MillDriveConnection(
            name="mill", address=self.far_end.address, highest_rpm=4200, timeout_second=timeout_second
        )

    async def ask(self) -> bool:
        return bool((await self.driver.look()).fault_code)

    @property
    def truth(self) -> bool:
        return self.inverter.trip is not None

    def change(self) -> None:
        if self.inverter.trip is None:
            self.inverter.trip_with("overcurrent", self.now_ns)
        else:
            self.inverter.reset()


BY_ROLE: dict[str, Callable[[str, str], Desk]] = {
    "potentiostat": PotentiostatDesk,
    "load_cell": LoadCellDesk,
    "thermometer": ThermometerDesk,
    "chamber": ChamberDesk,
    "chiller": ChillerDesk,
    "mill_drive": MillDriveDesk,
}


def transports_of(name: str) -> tuple[str, ...]:
    """The cables of a driver that can be laid here: a socket, and a pseudo-terminal for what has a serial port."""
    said = " ".join(ENTRIES[name].about.transports)
    return tuple(kind for kind, word in (("tcp", "TCP"), ("pty", "RS-")) if word in said)
