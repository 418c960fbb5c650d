"""Puts a bench together from its file: the cell, the instruments on it, their cables."""

import dataclasses
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from simulators.adam_4015 import Adam4015, Probe, jig_probe
from simulators.bench import Bench
from simulators.bench_file import AnyBenchFile, LoadedBenchFile
from simulators.cable import Cable
from simulators.cell import PRESETS, PressCell, vary
from simulators.cell_sections import CellSection, JigContents
from simulators.chamber_air import AirAround
from simulators.chillers import make_chiller
from simulators.device import SECOND_NS, Device
from simulators.espec import EspecChamber
from simulators.instrument_sections import (
    AnySection,
    ChamberSection,
    ChillerSection,
    JulaboSection,
    LoadCellSection,
    MillDriveSection,
    PotentiostatSection,
    PtyTransport,
    ThermometerSection,
)
from simulators.jig import Jig
from simulators.keithley import KeithleySMU
from simulators.keithley.dummy import DummyResistor
from simulators.laboratory import Laboratory
from simulators.lakeshore import LakeShore218
from simulators.load_cells import make_load_cell
from simulators.log import BenchLog, CellLog
from simulators.mills import make_mill_drive
from simulators.pty_cable import PtyCable
from simulators.serve import DeadSocketPort, TcpCable
from simulators.votsch import VotschChamber
from simulators.vxi11 import Links
from simulators.vxi11_port import Vxi11Port
from simulators.witness import Window, Witness

LINE_ENDS: dict[str, bytes | None] = {
    "thermometer": b"\r",
    "chiller": b"\r",
    "mill_drive": None,
    "lakeshore_218": b"\n",
    "laumas": None,
    "votsch": b"\r",
}
"""What ends a line to an instrument of a role or, which goes before, of a model, where it is not LF; None where bytes
are not lines."""

AnyChamber = EspecChamber | VotschChamber

CR_OF_EVEN_PARITY, LF_OF_ODD_PARITY = b"\x8d", b"\x8a"


@dataclasses.dataclass(frozen=True)
class Assembly:
    """A bench that is ready to be served."""

    laboratory: Laboratory
    side_ports: tuple[DeadSocketPort | Vxi11Port, ...]
    folder: TemporaryDirectory[str] | None

    @property
    def bench(self) -> Bench:
        """The conductor."""
        return self.laboratory.bench

    def open(self) -> None:
        """Begin to serve the cables."""
        for cable in self.laboratory.cables.values():
            cable.open()
        for port in self.side_ports:
            port.open()

    def close(self) -> None:
        """Stop serving."""
        for cable in self.laboratory.cables.values():
            cable.close()
        for port in self.side_ports:
            port.close()
        if self.folder is not None:
            self.folder.cleanup()


class Ear:
    """Hears the instruments before there is a bench to tell, and tells it when there is."""

    def __init__(self) -> None:
        self._early: list[tuple[str, str, dict[str, Any]]] = []
        self._tell: Callable[[str, str, dict[str, Any]], None] | None = None

    def of(self, name: str) -> Callable[[str, dict[str, Any]], None]:
        """The listener of one instrument."""
        return lambda kind, details: self._hear(name, kind, details)

    def tell(self, bench: Bench) -> None:
        """From now on this bench is told, beginning with what was heard before."""
        self._tell = bench.hear
        for name, kind, details in self._early:
            bench.hear(name, kind, details)

    def _hear(self, name: str, kind: str, details: dict[str, Any]) -> None:
        if self._tell is None:
            self._early.append((name, kind, details))
        else:
            self._tell(name, kind, details)


def assemble(loaded: LoadedBenchFile, log: BenchLog, utc_second: float) -> Assembly:
    """Build what a bench file describes. Starts the log; opens no port to connections yet.

    Args:
        loaded: the file.
        log: where the bench writes what the cell sees.
        utc_second: the real UTC, for a file that names no start; cut to whole seconds.

    Raises:
        OSError: a port or a path is taken.
    """
    content = loaded.content
    start_second = int(content.utc_start.timestamp() if content.utc_start else utc_second)
    ear = Ear()
    log.write(0, "start", **_start_fields(loaded, start_second))
    instruments = _Instruments(content, start_second, ear)
    jigs = [instruments.jig(jig, log, _window(content)) for jig in content.jigs]
    bench = Bench(jigs, log, surrounding=instruments.surrounding, shared=instruments.shared)
    bench.log_readings = content.log_readings
    ear.tell(bench)
    cables = _Cables(bench)
    for section in content.all_instruments:
        cables.lay(section)
    for smu, section in instruments.driving:
        smu.instrument.tells_readings = content.log_readings
        cables.connect(smu, section.transport.vxi11_port)
    laboratory = Laboratory(
        name=content.name,
        seed=content.seed,
        utc_start_ns=start_second * SECOND_NS,
        bench=bench,
        cables=cables.by_name,
        models={section.name: section.model for section in content.all_instruments},
        cells={section.name: jig.name for jig in content.jigs if jig.name for section in jig.instruments},
    )
    return Assembly(laboratory, tuple(cables.side_ports), cables.folder)


class _Instruments:
    """The simulated cells and instruments of a bench, by what they do to each other."""

    def __init__(self, content: AnyBenchFile, utc_start_second: int, ear: Ear) -> None:
        self.driving: list[tuple[KeithleySMU, PotentiostatSection]] = []
        self.surrounding: list[Device] = []
        self.shared: list[Device] = []
        self._content = content
        self._start_second = utc_start_second
        self._ear = ear
        self._cells = {jig.name: make_cell(jig.cell) for jig in content.jigs}
        self._air = AirAround(list(self._cells.values()))
        self._chamber: AnyChamber | None = None
        for section in content.all_instruments:
            if isinstance(section, ChamberSection):
                self._chamber = _make_chamber(section, self._air, content, utc_start_second)
                self.surrounding.append(self._chamber)
        for section in content.shared:
            if isinstance(section, ThermometerSection):
                self.shared.append(self._thermometer(section))

    def jig(self, contents: JigContents, log: BenchLog, window: Window | None) -> Jig:
        """A cell with its own instruments, which are made now."""
        cell, others = self._cells[contents.name], self._others(contents)
        driving: KeithleySMU | None = None
        for section in contents.instruments:
            match section:
                case PotentiostatSection():
                    driving = _make_potentiostat(section, cell, self._content.seed, self._start_second, self._ear)
                    self.driving.append((driving, section))
                case MillDriveSection():
                    drive = make_mill_drive(section, others)
                    drive.on_change = self._ear.of(section.name)
                    self.surrounding.append(drive)
        lines = CellLog(log, contents.name) if contents.name else log
        return Jig(cell, driving, others, Witness(cell, lines, window), lines, name=contents.name)

    def _others(self, contents: JigContents) -> list[Device]:
        cell, content, made = self._cells[contents.name], self._content, list[Device]()
        for section in contents.instruments:
            match section:
                case LoadCellSection():
                    made.append(make_load_cell(section, cell, seed=content.seed, noise=content.noise))
                case ChillerSection():
                    chiller = make_chiller(section)
                    chiller.circulator.on_change = self._ear.of(section.name)
                    made.append(chiller)
                case ThermometerSection():
                    made.append(self._thermometer(section, contents.name))
        return made

    def _thermometer(self, section: ThermometerSection, cell_name: str = "") -> Adam4015 | LakeShore218:
        air_celsius_at = self._chamber.air_celsius_at if self._chamber else lambda _: self._air.chamber_celsius
        probes = {
            probe.channel: jig_probe(self._cells[probe.cell_name or cell_name], probe.offset_K)
            if probe.place == "jig"
            else Probe(air_celsius_at, probe.offset_K)
            for probe in section.probes
        }
        return _make_thermometer(section, probes, self._content)


class _Bus:
    """A source-measure unit as VXI-11 meets it."""

    def __init__(self, smu: KeithleySMU, bench: Bench) -> None:
        self._smu = smu
        self._bench = bench

    def receive(self, data: bytes) -> bytes:
        """Whole lines; answers the reply."""
        return self._bench.receive(self._smu.name, data)

    def trigger(self) -> None:
        """As a bus trigger does."""
        self._smu.trigger(self._bench.now_ns)

    def clear(self) -> None:
        """As a device clear does."""
        self._smu.clear(self._bench.now_ns)

    def status_byte(self, *, message_waits: bool) -> int:
        """What a serial poll reads."""
        return self._smu.status_byte(self._bench.now_ns, message_waits=message_waits)


class _Cables:
    """Lays the cables of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.by_name: dict[str, Cable] = {}
        self.side_ports: list[DeadSocketPort | Vxi11Port] = []
        self._links: dict[str, Links] = {}
        self.folder: TemporaryDirectory[str] | None = None
        self._bench = bench

    def lay(self, section: AnySection) -> None:
        """Lay the cable of one instrument. Raises OSError: its port is taken, or its path."""
        name, transport = section.name, section.transport
        line_end = LINE_ENDS.get(section.model, LINE_ENDS.get(section.role, b"\n"))
        if isinstance(section, JulaboSection) and section.character == "7E1":
            line_end = CR_OF_EVEN_PARITY
        if isinstance(section, ThermometerSection) and section.character == "7O1":
            line_end = LF_OF_ODD_PARITY

        def receive(data: bytes) -> bytes:
            if name in self._links:
                self._links[name].someone_else_speaks()
            return self._bench.receive(name, data)

        if isinstance(transport, PtyTransport):
            self.by_name[name] = PtyCable(name, receive, self._link(name, transport), line_end=line_end)
            return
        cable = TcpCable(name, receive, transport.port, line_end=line_end)
        self.by_name[name] = cable
        if transport.dst_port is not None:
            self.side_ports.append(DeadSocketPort(cable, transport.dst_port))

    def connect(self, smu: KeithleySMU, vxi11_port: int | None) -> None:
        """Let late replies go to who asked last, and lay VXI-11 beside the cable. Raises OSError: its port is taken."""
        cable = self.by_name[smu.name]
        links = self._links[smu.name] = Links(_Bus(smu, self._bench))
        smu.emit = lambda data: None if links.emit(data) else cable.emit([(self._bench.time_of(smu.name), data)])
        if vxi11_port is not None:
            self.side_ports.append(Vxi11Port(links, vxi11_port))

    def _link(self, name: str, transport: PtyTransport) -> Path:
        if transport.link is not None:
            return Path(transport.link).absolute()
        if self.folder is None:
            self.folder = TemporaryDirectory(prefix="presscell-bench-")
        return Path(self.folder.name) / name


def make_cell(section: CellSection) -> PressCell:
    """The cell in its jig, at time 0."""
    parameters = PRESETS[section.sample]
    if section.spread_seed is not None:
        parameters = vary(parameters, section.spread_seed)
    return PressCell(
        dataclasses.replace(parameters, **section.overrides),
        chamber_celsius=section.chamber_temperature_C,
        start_celsius=section.start_temperature_C,
        torque_newton_metre=section.torque_Nm,
    )


def _make_potentiostat(
    section: PotentiostatSection, cell: PressCell, seed: int, utc_start_second: int, ear: Ear
) -> KeithleySMU:
    return KeithleySMU(
        section.name,
        section.model,
        section.serial_number,
        section.firmware,
        cell if section.dummy_ohm is None else DummyResistor(section.dummy_ohm, cell),
        seed,
        line_frequency_hertz=section.line_frequency_Hz,
        utc_start_second=utc_start_second,
        power_on_off_state=section.power_on_off_state,
        on_change=ear.of(section.name),
    )


def _make_thermometer(
    section: ThermometerSection, probes: dict[int, Probe], content: AnyBenchFile
) -> Adam4015 | LakeShore218:
    noise_kelvin = section.noise_K if content.noise else 0.0
    if section.model == "lakeshore_218":
        return LakeShore218(
            section.name,
            probes,
            serial_number=section.serial_number,
            noise_kelvin=noise_kelvin,
            has_odd_parity=section.character == "7O1",
            seed=content.seed,
        )
    return Adam4015(
        section.name,
        probes,
        address=section.bus_address,
        range_code=section.range_code,
        checksum=section.checksum,
        firmware=section.firmware,
        noise_kelvin=noise_kelvin,
        seed=content.seed,
    )


def _make_chamber(section: ChamberSection, air: AirAround, content: AnyBenchFile, utc_start_second: int) -> AnyChamber:
    said = section.setpoint_temperature_C
    setpoint_celsius = air.chamber_celsius if said is None else said
    if section.model == "votsch":
        return VotschChamber(
            section.name,
            air,
            air_celsius=air.chamber_celsius,
            setpoint_celsius=setpoint_celsius,
            high_limit_celsius=section.high_limit_temperature_C,
            low_limit_celsius=section.low_limit_temperature_C,
            mode=section.mode,
            build=section.build.make(noise=content.noise),
            bus_address=section.bus_address,
            seed=content.seed,
        )
    return EspecChamber(
        section.name,
        air,
        air_celsius=air.chamber_celsius,
        setpoint_celsius=setpoint_celsius,
        high_limit_celsius=section.high_limit_temperature_C,
        low_limit_celsius=section.low_limit_temperature_C,
        mode=section.mode,
        build=section.build.make(noise=content.noise),
        utc_start=datetime.fromtimestamp(utc_start_second, UTC),
        seed=content.seed,
    )


def _window(content: AnyBenchFile) -> Window | None:
    window = content.window
    return None if window is None else Window(window.lower_voltage_V, window.upper_voltage_V)


def _start_fields(loaded: LoadedBenchFile, start_second: int) -> dict[str, Any]:
    return {
        "bench": loaded.content.name,
        "bench_file_sha256": loaded.sha256,
        "seed": loaded.content.seed,
        "utc_start": datetime.fromtimestamp(start_second, UTC).isoformat(),
        **loaded.content.cells_said,
        "instruments": [section.model_dump(mode="json") for section in loaded.content.all_instruments],
        "versions": {name: version(name) for name in ("presscell", "numpy")} | {"python": platform.python_version()},
    }
