"""The station file as people write it: which instruments a laboratory's PC has, by rig and role. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from daemon.station.checks import check_station
from daemon.station.settings import RigSettings, SharedSettings, StationSettings
from protocols.errors import Problem, ProblemsFound, in_reading_order
from protocols.fields import read_model
from protocols.settings import Safety
from protocols.source import Findings, Source, read_source

ROLES_TO_COME = dict.fromkeys(("impedance_analyzer",), "is not supported yet")


@dataclass(frozen=True)
class StationFile:
    """A station file as far as it could be read.

    `station` is None when its top is wrong. `rigs` are by name; an instrument with an error is left out of its rig.
    `shared` are the instruments of several rigs, by name.
    """

    source: Source
    station: StationSettings | None
    rigs: dict[str, RigSettings]
    problems: tuple[Problem, ...]
    shared: Mapping[str, SharedSettings] = field(default_factory=dict)


def read_station(text: str, file: str, known_drivers: Mapping[str, Collection[str]]) -> StationFile:
    """Read a station file; what is wrong with it is in `problems`, all at once. Raises nothing.

    Args:
        text: the file's.
        file: its name, for messages.
        known_drivers: role to the names of its drivers.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return StationFile(Source(file), None, {}, found.problems)
    station, problems = read_model(StationSettings, source, (), source.value)
    written = source.value.get("rigs") if isinstance(source.value, dict) else None
    rigs: dict[str, RigSettings] = {}
    for name, value in written.items() if isinstance(written, dict) else ():
        rig, found_in_rig = read_model(RigSettings, source, ("rigs", name), value, ROLES_TO_COME)
        problems += found_in_rig
        if rig is not None:
            rigs[name] = rig
    shared: dict[str, SharedSettings] = {}
    for name, value in station.shared.items() if station is not None else ():
        instrument, found_in_shared = read_model(SharedSettings, source, ("shared", name), value)
        problems += found_in_shared
        if instrument is not None:
            shared[name] = instrument
    findings = Findings(source)
    if written == {}:
        findings.error(("rigs",), "has no rigs", "write rigs: {rig1: {potentiostat: {…}}}", at_key=True)
    check_station(findings, station, rigs, shared, known_drivers)
    problems = in_reading_order([*source.problems, *problems, *findings.problems])
    return StationFile(source, station, rigs, tuple(problems), shared)


def safety_of(station: StationSettings, rig: RigSettings) -> tuple[Safety, ...]:
    """What a station says of the safety of every run on one of its rigs; the tighter number holds."""
    return tuple(said for said in (station.safety, rig.safety) if said is not None)
