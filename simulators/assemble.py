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
from simulators.and_indicator import AndIndicator
from simulators.bench import Bench
from simulators.bench_file import BenchFile, CellSection, LoadedBenchFile
from simulators.cable import Cable
from simulators.cell import PRESETS, PressCell, vary
from simulators.control import Laboratory
from simulators.device import SECOND_NS, Device
from simulators.espec import EspecChamber
from simulators.instrument_sections import (
    AnySection,
    ChamberSection,
    LoadCellSection,
    PotentiostatSection,
    PtyTransport,
    ThermometerSection,
)
from simulators.keithley import KeithleySMU
from simulators.log import BenchLog
from simulators.pty_cable import PtyCable
from simulators.serve import DeadSocketPort, TcpCable
from simulators.witness import Window, Witness

LINE_ENDS = {"thermometer": b"\r"}
"""What ends a line to an instrument of a role, where it is not LF."""


@dataclasses.dataclass(frozen=True)
class Assembly:
    """A bench that is ready to be served."""

    laboratory: Laboratory
    dead_socket_ports: tuple[DeadSocketPort, ...]
    folder: TemporaryDirectory[str] | None

    @property
    def bench(self) -> Bench:
        """The conductor."""
        return self.laboratory.bench

    def open(self) -> None:
        """Begin to serve the cables."""
        for cable in self.laboratory.cables.values():
            cable.open()
        for port in self.dead_socket_ports:
            port.open()

    def close(self) -> None:
        """Stop serving."""
        for cable in self.laboratory.cables.values():
            cable.close()
        for port in self.dead_socket_ports:
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
    cell, ear = make_cell(content.cell), Ear()
    log.write(cell.now_ns, "start", **_start_fields(loaded, start_second))
    instruments = _Instruments(content, cell, start_second, ear)
    witness = Witness(cell, log, _window(content))
    bench = Bench(cell, instruments.driving, instruments.others, witness, log, surrounding=instruments.surrounding)
    ear.tell(bench)
    cables = _Cables(bench)
    for section in content.instruments:
        cables.lay(section)
    if instruments.driving is not None:
        driving = cables.by_name[instruments.driving.name]
        instruments.driving.emit = lambda data: driving.emit([(bench.now_ns, data)])
    laboratory = Laboratory(
        name=content.name,
        seed=content.seed,
        utc_start_ns=start_second * SECOND_NS,
        bench=bench,
        cables=cables.by_name,
        models={section.name: section.model for section in content.instruments},
    )
    return Assembly(laboratory, tuple(cables.dead_socket_ports), cables.folder)


class _Instruments:
    """The simulated instruments of a bench, by what they do to the cell."""

    def __init__(self, content: BenchFile, cell: PressCell, utc_start_second: int, ear: Ear) -> None:
        self.driving: KeithleySMU | None = None
        self.others: list[Device] = []
        self.surrounding: list[Device] = []
        chamber: EspecChamber | None = None
        for section in content.instruments:
            if isinstance(section, ChamberSection):
                chamber = _make_chamber(section, cell, content, utc_start_second)
                self.surrounding.append(chamber)
        for section in content.instruments:
            match section:
                case PotentiostatSection():
                    self.driving = _make_potentiostat(section, cell, content.seed, utc_start_second, ear)
                case LoadCellSection():
                    self.others.append(_make_load_cell(section, cell, content))
                case ThermometerSection():
                    self.others.append(_make_thermometer(section, cell, chamber, content))


class _Cables:
    """Lays the cables of a bench."""

    def __init__(self, bench: Bench) -> None:
        self.by_name: dict[str, Cable] = {}
        self.dead_socket_ports: list[DeadSocketPort] = []
        self.folder: TemporaryDirectory[str] | None = None
        self._bench = bench

    def lay(self, section: AnySection) -> None:
        """Lay the cable of one instrument. Raises OSError: its port is taken, or its path."""
        name, transport, line_end = section.name, section.transport, LINE_ENDS.get(section.role, b"\n")

        def receive(data: bytes) -> bytes:
            return self._bench.receive(name, data)

        if isinstance(transport, PtyTransport):
            self.by_name[name] = PtyCable(name, receive, self._link(name, transport), line_end=line_end)
            return
        cable = TcpCable(name, receive, transport.port, line_end=line_end)
        self.by_name[name] = cable
        if transport.dst_port is not None:
            self.dead_socket_ports.append(DeadSocketPort(cable, transport.dst_port))

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
        cell,
        seed,
        line_frequency_hertz=section.line_frequency_Hz,
        utc_start_second=utc_start_second,
        power_on_off_state=section.power_on_off_state,
        on_change=ear.of(section.name),
    )


def _make_load_cell(section: LoadCellSection, cell: PressCell, content: BenchFile) -> AndIndicator:
    return AndIndicator(
        section.name,
        cell,
        sensor=section.sensor.make(noise=content.noise),
        setup=section.setup.make(),
        seed=content.seed,
    )


def _make_thermometer(
    section: ThermometerSection, cell: PressCell, chamber: EspecChamber | None, content: BenchFile
) -> Adam4015:
    air_celsius_at = chamber.air_celsius_at if chamber else lambda _: cell.chamber_celsius
    probes = {
        probe.channel: jig_probe(cell, probe.offset_K)
        if probe.place == "jig"
        else Probe(air_celsius_at, probe.offset_K)
        for probe in section.probes
    }
    return Adam4015(
        section.name,
        probes,
        address=section.bus_address,
        range_code=section.range_code,
        checksum=section.checksum,
        firmware=section.firmware,
        noise_kelvin=section.noise_K if content.noise else 0.0,
        seed=content.seed,
    )


def _make_chamber(section: ChamberSection, cell: PressCell, content: BenchFile, utc_start_second: int) -> EspecChamber:
    setpoint_celsius = section.setpoint_temperature_C
    return EspecChamber(
        section.name,
        cell,
        air_celsius=cell.chamber_celsius,
        setpoint_celsius=cell.chamber_celsius if setpoint_celsius is None else setpoint_celsius,
        high_limit_celsius=section.high_limit_temperature_C,
        low_limit_celsius=section.low_limit_temperature_C,
        mode=section.mode,
        build=section.build.make(noise=content.noise),
        utc_start=datetime.fromtimestamp(utc_start_second, UTC),
        seed=content.seed,
    )


def _window(content: BenchFile) -> Window | None:
    window = content.window
    return None if window is None else Window(window.lower_voltage_V, window.upper_voltage_V)


def _start_fields(loaded: LoadedBenchFile, start_second: int) -> dict[str, Any]:
    return {
        "bench": loaded.content.name,
        "bench_file_sha256": loaded.sha256,
        "seed": loaded.content.seed,
        "utc_start": datetime.fromtimestamp(start_second, UTC).isoformat(),
        "cell": loaded.content.cell.model_dump(mode="json", exclude_none=True),
        "instruments": [section.model_dump(mode="json") for section in loaded.content.instruments],
        "versions": {name: version(name) for name in ("presscell", "numpy")} | {"python": platform.python_version()},
    }
