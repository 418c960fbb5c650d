"""The station file of a bench: what a daemon needs to know of the instruments that are served, as text."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from simulators.bench_file import AnyBenchFile
from simulators.instrument_sections import (
    AnySection,
    ChamberSection,
    HuberSection,
    JulaboSection,
    LaudaSection,
    LoadCellSection,
    MillDriveSection,
    PotentiostatSection,
    ThermometerSection,
)

MARK = "# Written by presscell-bench"
"""How such a file begins; no other is ever written over."""
ONLY_RIG = "rig1"
ANSWER_WITHIN_SECOND = 5
LONGEST_LOOK_SECOND, LOOKS_PER_REAL_SECOND = 10, 10
LOSS_STOP_SECOND, SAFE_CELSIUS, LAUDA_TIMEOUT_SECOND = 3, 15, 60
CHAMBER_DRIVERS = {"espec": "espec.chamber", "votsch": "votsch.chamber"}
DRIVE_DRIVERS = {"ls_ig5a": "ls.ig5a", "ls_s100": "ls.s100", "delta_vfd": "delta.vfd"}
THERMOMETER_DRIVERS = {"adam_4015": "advantech.adam_4015", "lakeshore_218": "lakeshore.218"}

Said = dict[str, object]
_MQTT = 'mqtt: {broker: "127.0.0.1:1883"}'


class NotOursError(Exception):
    """There is a file already, and it is not one that a bench has written."""


def must_be_ours(path: Path) -> None:
    """Make sure that no file of somebody's own is at a path.

    Raises:
        NotOursError: there is one.
        OSError: what is there can't be read.
    """
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise NotOursError(f"{path}: is there already, and no bench has written it; name another file")


def write_station(path: Path, content: AnyBenchFile, control: str, addresses: Mapping[str, str], day: str) -> None:
    """Write the station file of a bench, over one of an earlier bench; see `station_text`. Raises OSError."""
    text = station_text(content, control, addresses, data=path.resolve().parent / "data", day=day)
    path.write_text(text, encoding="utf-8")


def station_text(content: AnyBenchFile, control: str, addresses: Mapping[str, str], *, data: Path, day: str) -> str:
    """The station file of a bench.

    Args:
        content: what the bench file says. A `speed` of 0 becomes no pace: as fast as it goes.
        control: host and port that own its time.
        addresses: of the instruments, by the names the bench knows them by.
        data: the directory for runs.
        day: of the load cells' calibration, as in 2026-03-31.
    """
    return "\n".join([*_top(content, control, data), *_shared(content, addresses), *_rigs(content, addresses, day), ""])


def _top(content: AnyBenchFile, control: str, data: Path) -> Iterator[str]:
    yield f"{MARK} for the simulated instruments it serves. Starting it with this file again writes it anew."
    yield "schema: presscell-station/1"
    yield "site: simulated"
    yield f"station: {_identifier(content.name)}"
    yield f"data: {_word(str(data))} # a directory a run"
    yield f"supervise_every_s: {_look_second(content):g} # how often rows are fetched; more often costs pace"
    bench: Said = {"control": control, "on_owner_lost": "run_on"}
    if content.speed:
        bench["pace"] = content.speed
    yield f"bench: {_flow(bench)} # pace: simulated seconds a real second"
    yield f"# {_MQTT} # for presscell watch: without the first #, where a broker runs"


def _look_second(content: AnyBenchFile) -> float:
    """How often to look, in simulated time: some times a real second, and so often that no mill stops by itself."""
    if any(isinstance(section, MillDriveSection) for section in content.all_instruments):
        return 1.0
    wanted_second = content.speed / LOOKS_PER_REAL_SECOND if content.speed else LONGEST_LOOK_SECOND
    return min(LONGEST_LOOK_SECOND, max(1.0, round(wanted_second)))


def _shared(content: AnyBenchFile, addresses: Mapping[str, str]) -> Iterator[str]:
    chambers = [section for section in content.shared if isinstance(section, ChamberSection)]
    if chambers:
        yield "shared:"
    for section in chambers:
        yield f"  {_identifier(section.name)}:"
        yield f"    chamber: {_flow(_chamber(section, addresses[section.name]))}"


def _rigs(content: AnyBenchFile, addresses: Mapping[str, str], day: str) -> Iterator[str]:
    yield "rigs:"
    for jig in content.jigs:
        yield f"  {_identifier(jig.name) or ONLY_RIG}:"
        knows_jig = any(isinstance(section, ThermometerSection) for section in jig.instruments)
        for section in jig.instruments:
            said = _instrument(section, addresses[section.name], day, knows_jig=knows_jig)
            yield f"    {section.role}: {_flow(said)}"
        for section in content.shared:
            if isinstance(section, ChamberSection):
                yield f"    chamber: {_flow({'shared': _identifier(section.name)})}"
        die_mm = [one.sensor.die_diameter_mm for one in jig.instruments if isinstance(one, LoadCellSection)]
        if die_mm:
            yield f"    fixture: {_flow({'diameter_mm': die_mm[0]})}"


def _instrument(section: AnySection, address: str, day: str, *, knows_jig: bool) -> Said:
    """An instrument as a station says it; `knows_jig`: the rig has a thermometer."""
    match section:
        case PotentiostatSection():
            said: Said = {"driver": f"keithley.{section.model}", "address": address}
            return said | {"serial_number": section.serial_number, "timeout_s": ANSWER_WITHIN_SECOND}
        case LoadCellSection():
            return _load_cell(section, address, day, knows_jig=knows_jig)
        case ThermometerSection():
            return _thermometer(section, address)
        case ChamberSection():
            return _chamber(section, address)
        case MillDriveSection():
            return _mill_drive(section, address)
        case LaudaSection() | JulaboSection() | HuberSection():
            return _chiller(section, address)


def _load_cell(section: LoadCellSection, address: str, day: str, *, knows_jig: bool) -> Said:
    sensor, setup = section.sensor, section.setup
    drivers = {"mettler_sics": "mettler.sics", "laumas": "laumas.transmitter"}
    maker = "and" if setup.form == "and" else "cas"
    streams = setup.streaming and setup.form != "cas_and"
    said: Said = {
        "driver": drivers.get(section.model, f"{maker}.indicator{'' if streams else '_asked'}"),
        "address": address,
        "unit": setup.unit,
        "nominal_newton": sensor.nominal_N,
        "baud": setup.baud,
    }
    if setup.bus_address is not None:
        said["bus_address"] = setup.bus_address
    calibration: Said = {
        "gain": 1,
        "certificate": "simulated sensor",
        "calibrated_on": _Plain(day),
        "valid_until": _Plain(f"{int(day[:4]) + 1}-12-31"),
    }
    if knows_jig:
        calibration |= {
            "zero_drift_newton_per_K": float(f"{sensor.zero_drift_per_K * sensor.nominal_N:.9g}"),
            "gain_drift_per_K": sensor.span_drift_per_K,
            "reference_temperature_C": sensor.reference_temperature_C,
        }
    said["calibration"] = calibration
    return said


def _thermometer(section: ThermometerSection, address: str) -> Said:
    said: Said = {
        "driver": THERMOMETER_DRIVERS[section.model],
        "address": address,
        "channels": {probe.place: probe.channel for probe in section.probes},
        "every_s": LONGEST_LOOK_SECOND,
    }
    if section.model == "lakeshore_218":
        return said | {"character": section.character, "serial_number": section.serial_number}
    return said | {"bus_address": section.bus_address, "checksum": section.checksum}


def _chamber(section: ChamberSection, address: str) -> Said:
    said: Said = {"driver": CHAMBER_DRIVERS[section.model], "address": address}
    return said | ({"bus_address": section.bus_address} if section.model == "votsch" else {})


def _chiller(section: LaudaSection | JulaboSection | HuberSection, address: str) -> Said:
    said: Said = {"driver": f"{section.model}.chiller", "address": address}
    match section:
        case LaudaSection():
            watchdog = {
                "timeout_s": LAUDA_TIMEOUT_SECOND,
                "safe_temperature_C": SAFE_CELSIUS,
                "safe_mode": section.safe_mode,
            }
            said["host_loss"] = watchdog
        case JulaboSection():
            said |= {"family": section.family, "character": section.character, "external_probe": section.external_probe}
    if isinstance(section, LaudaSection | JulaboSection) and section.bus_address is not None:
        said["bus_address"] = section.bus_address
    return said


def _mill_drive(section: MillDriveSection, address: str) -> Said:
    return {
        "driver": DRIVE_DRIVERS[section.model],
        "address": address,
        "highest_rpm": section.highest_Hz * section.build.rpm_per_Hz,
        "rpm_per_Hz": section.build.rpm_per_Hz,
        "loss_stop_s": LOSS_STOP_SECOND,
        "bus_address": section.bus_address,
        "baud": section.baud,
    }


class _Plain(str):
    """A word that is written without quotes."""

    __slots__ = ()


def _identifier(name: str) -> str:
    """A name as stations and rigs have it: `-` for `_`, and none at its end."""
    return name.replace("_", "-").strip("-")


def _word(text: str) -> str:
    return text if isinstance(text, _Plain) else json.dumps(text)


def _flow(said: Mapping[str, object]) -> str:
    """A mapping in one line. Words are in quotes: YAML reads many of them as numbers."""
    parts = (f"{key}: {_value(value)}" for key, value in said.items())
    return f"{{{', '.join(parts)}}}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _word(value)
        case Mapping():
            return _flow({str(key): inner for key, inner in value.items()})
        case float():
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)
