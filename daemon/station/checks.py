"""What is wrong between the settings of a station file, each of which is in order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from daemon.compiling.bounds import weaker_than_default
from daemon.publish.topics import STATION_LEAVES
from daemon.station.fields import identifier, is_on_this_machine
from daemon.station.instrument_settings import Calibration, Instrument, LoadCellSettings
from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from protocols import units
from protocols.errors import BadValueError, Path
from protocols.guesses import did_you_mean
from protocols.settings import Safety
from protocols.source import Findings

LATE_SUPERVISION_SECOND = 10.0
"""Supervising real instruments less often than this is odd: a trip is safe within one interval and 3 s."""
ODD_FACTOR = 1.25
"""A calibration that is farther from what its unit means than this is odd."""


def check_station(
    findings: Findings,
    station: StationSettings | None,
    rigs: Mapping[str, RigSettings],
    shared: Mapping[str, SharedSettings],
    known_drivers: Mapping[str, Collection[str]],
) -> None:
    """Find what is wrong between the settings of a station's rigs, and with its top as far as that could be read."""
    every = [*_shared_instruments(shared), *_instruments(rigs)]
    _check_addresses(findings, every, known_drivers)
    _check_rigs(findings, rigs)
    _check_shared(findings, rigs, shared)
    if station is not None:
        _check_safety(findings, ("safety",), station.safety)
        _check_clock(findings, station, every)
        _check_silence(findings, station, rigs)


def _instruments(rigs: Mapping[str, RigSettings]) -> Iterator[tuple[Path, str, Instrument]]:
    for name, rig in rigs.items():
        for role, instrument in rig.instruments.items():
            yield ("rigs", name, role), role, instrument


def _shared_instruments(shared: Mapping[str, SharedSettings]) -> Iterator[tuple[Path, str, Instrument]]:
    for name, said in shared.items():
        yield ("shared", name, "chamber"), "chamber", said.chamber


def _check_addresses(
    findings: Findings, every: Iterable[tuple[Path, str, Instrument]], known_drivers: Mapping[str, Collection[str]]
) -> None:
    first_at: dict[str, Path] = {}
    for path, role, instrument in every:
        _check_driver(findings, path, role, instrument.driver, known_drivers)
        address = instrument.address.casefold().removeprefix("socket://")
        if address in first_at:
            line = findings.source.value_at(first_at[address]).line
            what = f"{instrument.address} is also on line {line}"
            findings.error((*path, "address"), what, "give each instrument its own")
        first_at.setdefault(address, (*path, "address"))


def _check_name(findings: Findings, path: Path, name: str) -> None:
    try:
        identifier(name)
    except BadValueError as error:
        findings.error(path, error.what, error.what_to_write, at_key=True)


def _check_shared(findings: Findings, rigs: Mapping[str, RigSettings], shared: Mapping[str, SharedSettings]) -> None:
    for name in shared:
        _check_name(findings, ("shared", name), name)
        if not any(name in rig.shared.values() for rig in rigs.values()):
            findings.warning(("shared", name), "no rig has it", f"write chamber: {{shared: {name}}} in its rigs")
    written = {path[1] for path in findings.source.value_positions if path[:1] == ("shared",) and len(path) > 1}
    for rig_name, rig in rigs.items():
        for role, name in rig.shared.items():
            if name not in written:
                where = ("rigs", rig_name, role, "shared")
                names = ", ".join(sorted(map(str, written)))
                hint = f"there are {names}" if names else f"write shared: {{{name}: {{{role}: {{…}}}}}} at the top"
                findings.error(where, f"the station shares no {name!r}", hint)


def _check_rigs(findings: Findings, rigs: Mapping[str, RigSettings]) -> None:
    for name, rig in rigs.items():
        _check_name(findings, ("rigs", name), name)
        if name in STATION_LEAVES:
            what = f"a rig can't be named {name}: the station has a topic of that name"
            findings.error(("rigs", name), what, "write another name, as rig1", at_key=True)
        _check_rig(findings, ("rigs", name), rig)
        _check_safety(findings, ("rigs", name, "safety"), rig.safety)


def _check_driver(
    findings: Findings, path: Path, role: str, driver: str, known_drivers: Mapping[str, Collection[str]]
) -> None:
    known = sorted(known_drivers.get(role, ()))
    if driver in known:
        return
    what = f"there is no driver {driver} of a {role.replace('_', ' ')}"
    owners = [other for other, names in known_drivers.items() if driver in names]
    if owners:
        what = f"{driver} drives a {owners[0].replace('_', ' ')}, not a {role.replace('_', ' ')}"
    close = did_you_mean(driver, known)
    hint = f"did you mean {close}? " if close else ""
    findings.error((*path, "driver"), what, f"{hint}there are {', '.join(known)}")


def _check_rig(findings: Findings, path: Path, rig: RigSettings) -> None:
    written = findings.source.value_positions
    measuring = ("potentiostat", "load_cell", "thermometer")
    if not any((*path, role) in written for role in (*measuring, "mill_drive")):
        what = "nothing of this rig measures"
        findings.error(path, what, f"write at least one of {', '.join(measuring)}", at_key=True)
    if rig.load_cell is not None:
        _check_calibration(findings, (*path, "load_cell"), rig.load_cell)
        drifts = (rig.load_cell.calibration.zero_drift_newton_per_K, rig.load_cell.calibration.gain_drift_per_K)
        if any(drifts) and (*path, "thermometer") not in written:
            what = "the temperature terms can't be applied: this rig has no thermometer"
            findings.warning((*path, "load_cell", "calibration"), what, "write thermometer, or remove them")
    acceptance = rig.potentiostat.acceptance if rig.potentiostat else None
    for field, (what, what_to_write) in acceptance.shortfalls.items() if acceptance else ():
        where = (*path, "potentiostat", "acceptance", field)
        findings.warning(where, f"{what}: no run of more than a day", what_to_write)
    if rig.link is not None and rig.link.mask_s >= rig.link.fail_s:
        what = f"{rig.link.mask_s:g} s of silence are not told of, and {rig.link.fail_s:g} s hold the run"
        findings.error((*path, "link"), what, "write a shorter mask_s, or a longer fail_s", at_key=True)
    channels = rig.thermometer.channels if rig.thermometer else None
    if channels is not None and channels.jig == channels.air:
        where = (*path, "thermometer", "channels", "air")
        findings.error(where, f"channel {channels.air} is the jig's already", "write another channel")


def _check_calibration(findings: Findings, path: Path, load_cell: LoadCellSettings) -> None:
    said, here = load_cell.calibration, (*path, "calibration")
    if said.file is not None:
        _check_nothing_beside(findings, here, said)
        return
    for key in ("certificate", "calibrated_on"):
        if getattr(said, key) is None:
            findings.error(here, f"{key} is missing", f"write {key}, or file: and a calibration file", at_key=True)
    known = units.NEWTON_PER_UNIT.get(load_cell.unit.casefold())
    if said.newton_per_unit is not None and said.gain is not None:
        findings.error((*here, "gain"), "the gain is said twice", "keep gain or newton_per_unit", at_key=True)
    elif said.newton_per_unit is None and said.gain is None:
        what = "how many newtons a unit shown stands for is missing"
        findings.error(here, what, "write gain: 1.000 or newton_per_unit: …, from the certificate", at_key=True)
    elif load_cell.newton_per_unit is None:
        what = f"how many newtons 1 {load_cell.unit} is, is not known here"
        findings.error((*here, "gain"), what, "write newton_per_unit in its place", at_key=True)
    elif known is not None and not 1 / ODD_FACTOR <= load_cell.newton_per_unit / known <= ODD_FACTOR:
        key = "gain" if said.gain is not None else "newton_per_unit"
        what = f"{load_cell.newton_per_unit:g} N for 1 {load_cell.unit}, which is {known:g} N"
        findings.warning((*here, key), what, "keep it only if the indicator shows another unit than it says")
    if said.valid_until is not None and said.calibrated_on is not None and said.valid_until < said.calibrated_on:
        what = f"{said.valid_until} is before the day of the calibration, {said.calibrated_on}"
        findings.error((*here, "valid_until"), what, "exchange the two, or correct one")


def _check_nothing_beside(findings: Findings, here: Path, said: Calibration) -> None:
    for key in sorted(said.model_fields_set - {"file"}):
        what = f"{key} is said beside the calibration file, which says it"
        findings.error((*here, key), what, "remove it, or remove file", at_key=True)


def _check_silence(findings: Findings, station: StationSettings, rigs: Mapping[str, RigSettings]) -> None:
    """A watchdog must be spoken to three times before it ends."""
    for name, rig in rigs.items():
        host_loss = rig.chiller.host_loss if rig.chiller else None
        if host_loss is not None and host_loss.timeout_s < 3 * station.supervise_every_s:
            what = f"instruments are looked at every {station.supervise_every_s:g} s: it would end while all is well"
            hint = f"write {3 * station.supervise_every_s:g} or more"
            findings.error(("rigs", name, "chiller", "host_loss", "timeout_s"), what, hint)


def _check_safety(findings: Findings, path: Path, safety: Safety | None) -> None:
    for key, default in weaker_than_default(safety or Safety()):
        what = f"looser than the default, {default}, for every protocol"
        findings.warning((*path, key), what, "keep it only if meant")


def _check_clock(findings: Findings, station: StationSettings, every: Iterable[tuple[Path, str, Instrument]]) -> None:
    if station.bench is None:
        _check_real(findings, station, every)
        return
    if station.clock is not None:
        what = "the clock is said twice: the bench's control port owns time"
        findings.error(("clock",), what, "remove clock, or remove bench", at_key=True)
    if not is_on_this_machine(station.bench.control):
        what = f"{station.bench.control} is not on this machine, where benches are"
        findings.error(("bench", "control"), what, "write 127.0.0.1 and the port that the bench printed")
    for path, _, instrument in every:
        if not is_on_this_machine(instrument.address):
            what = f"{instrument.address} is a real instrument: it can't live in a bench's time"
            hint = "write 127.0.0.1:port or /dev/pts/n of the bench, or remove bench"
            findings.error((*path, "address"), what, hint)


def _check_real(findings: Findings, station: StationSettings, every: Iterable[tuple[Path, str, Instrument]]) -> None:
    if station.supervise_every_s > LATE_SUPERVISION_SECOND:
        what = f"an interlock would act only after up to {station.supervise_every_s:g} s"
        findings.warning(("supervise_every_s",), what, "write 1")
    for path, _, instrument in every:
        if is_on_this_machine(instrument.address):
            what = f"{instrument.address} is on this machine: rows of a simulated instrument would count as measured"
            hint = "write bench: {control: 127.0.0.1:port} if it is simulated"
            findings.warning((*path, "address"), what, hint)
