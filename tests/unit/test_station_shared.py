"""Instruments that several rigs have, as a station file says it."""

import pytest

from daemon.station.instrument_settings import ChamberSettings
from daemon.station.instruments import load_station, rig_wiring
from protocols.errors import errors_in

SMU = 'potentiostat: {driver: keithley.2450, address: "192.168.1.20:5025", serial_number: "1"}'
OTHER = SMU.replace(".20:", ".21:")
OVEN = 'shared:\n  oven1:\n    chamber: {driver: espec.chamber, address: "192.168.1.30:57732", controller: S2}\n'


def station(shared=OVEN, first="{shared: oven1}", second="{shared: oven1}"):
    rigs = f"  rig1:\n    {SMU}\n    chamber: {first}\n  rig2:\n    {OTHER}\n    chamber: {second}\n"
    return load_station(f"site: lab\nstation: tested\ndata: /data\n{shared}rigs:\n{rigs}", "station.yaml")


def told(file):
    return [str(problem) for problem in file.problems]


def test_rigs_have_the_same_chamber_by_its_name_and_it_is_nobodys_own():
    file = station()
    assert told(file) == []
    wirings = [rig_wiring(name, said, None, file.shared).chamber for name, said in file.rigs.items()]
    assert wirings[0] == wirings[1]
    assert (wirings[0].shared, wirings[0].connection.name, wirings[0].connection.controller) == ("oven1", "oven1", "S2")
    assert [said.shared for said in file.rigs.values()] == [{"chamber": "oven1"}] * 2
    assert [set(said.instruments) for said in file.rigs.values()] == [{"potentiostat"}] * 2


def test_a_chamber_of_ones_own_is_read_as_ever():
    file = station(first='{driver: espec.chamber, address: "192.168.1.31:1"}')
    assert told(file) == []
    assert isinstance(file.rigs["rig1"].chamber, ChamberSettings)
    wiring = rig_wiring("rig1", file.rigs["rig1"], None, file.shared).chamber
    assert wiring is not None
    assert (wiring.shared, wiring.connection.name) == ("", "rig1.chamber")


@pytest.mark.parametrize(
    ("changed", "place", "what"),
    [
        ({"first": "{shared: oven2}"}, "station.yaml:10:23", "the station shares no 'oven2'  there are oven1"),
        ({"shared": ""}, "station.yaml:7:23", "write shared: {oven1: {chamber: {…}}} at the top"),
        ({"shared": OVEN.replace("espec.chamber", "espec.oven")}, "station.yaml:6", "there is no driver espec.oven"),
        ({"shared": OVEN.replace("address", "adress")}, "station.yaml:6", "did you mean address?"),
        ({"shared": OVEN.replace("oven1:", "Oven 1:")}, "station.yaml:5", "write oven-1"),
        ({"shared": OVEN.replace("chamber:", "chiller:")}, "station.yaml:6", "unknown field"),
        ({"shared": OVEN.replace(".30:57732", ".20:5025")}, "station.yaml:9", "is also on line 6"),
        ({"first": "{shared: oven1, controller: S2}"}, "station.yaml:10", "unknown field"),
        ({"first": "{driver: espec.chamber}"}, "station.yaml:10", "address is missing"),
        ({"first": "oven1"}, "station.yaml:10", "not a mapping"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(changed, place, what):
    file = station(**changed)
    assert errors_in(file.problems)
    assert [line for line in told(file) if line.startswith(place) and what in line], told(file)


def test_one_that_no_rig_has_is_odd():
    own = '{driver: espec.chamber, address: "192.168.1.31:1"}'
    file = station(first=own, second=own.replace(".31", ".32"))
    assert not errors_in(file.problems)
    (line,) = told(file)
    assert "no rig has it" in line
