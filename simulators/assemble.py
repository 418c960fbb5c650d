"""Puts a bench together from its file: the cell, the instruments on it, their cables."""

import dataclasses
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from simulators.bench import Bench
from simulators.bench_file import BenchFile, CellSection, InstrumentSection, LoadedBenchFile
from simulators.cell import PRESETS, PressCell, vary
from simulators.control import Laboratory
from simulators.device import SECOND_NS
from simulators.keithley import KeithleySMU
from simulators.log import BenchLog
from simulators.serve import DeadSocketPort, TcpCable
from simulators.witness import Window, Witness


@dataclasses.dataclass(frozen=True)
class Assembly:
    """A bench that is ready to be served."""

    laboratory: Laboratory
    cables: Mapping[str, TcpCable]
    dead_socket_ports: tuple[DeadSocketPort, ...]

    @property
    def bench(self) -> Bench:
        """The conductor."""
        return self.laboratory.bench

    def open(self) -> None:
        """Begin to serve the cables."""
        for cable in self.cables.values():
            cable.open()
        for port in self.dead_socket_ports:
            port.open()

    def close(self) -> None:
        """Stop serving."""
        for cable in self.cables.values():
            cable.close()
        for port in self.dead_socket_ports:
            port.close()


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
        OSError: a port is taken.
    """
    content = loaded.content
    start_second = int(content.utc_start.timestamp() if content.utc_start else utc_second)
    cell, ear = make_cell(content.cell), Ear()
    (section,) = content.instruments
    log.write(cell.now_ns, "start", **_start_fields(loaded, start_second))
    instrument = _make_instrument(section, cell, content.seed, start_second, ear)
    bench = Bench(cell, instrument, [], Witness(cell, log, _window(content)), log)
    ear.tell(bench)
    cable = TcpCable(section.name, lambda data: bench.receive(section.name, data), section.transport.port)
    instrument.emit = lambda data: cable.emit([(bench.now_ns, data)])
    dst_port = section.transport.dst_port
    cables = {section.name: cable}
    laboratory = Laboratory(
        name=content.name,
        seed=content.seed,
        utc_start_ns=start_second * SECOND_NS,
        bench=bench,
        cables=cables,
        models={section.name: section.model},
    )
    return Assembly(laboratory, cables, () if dst_port is None else (DeadSocketPort(cable, dst_port),))


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


def _make_instrument(
    section: InstrumentSection, cell: PressCell, seed: int, utc_start_second: int, ear: Ear
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
