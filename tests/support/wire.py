"""The instruments of the wire transcripts: the bench each was captured from, and what a station says of it."""

from pathlib import Path

TRANSCRIPTS = Path(__file__).parents[1] / "wire"
BENCH = """\
name: wire
seed: 7
speed: 1
cell: {{sample: BM-05, chamber_temperature_C: 55}}
instruments:
  - {{name: unit, {said}, transport: {{kind: {transport}}}}}
"""
STATION = """\
site: lab
station: pc
data: {data}
rigs:
  rig1:
    fixture: {{diameter_mm: 10}}
    {role}: {{driver: {driver}, address: "{address}", {settings}}}
"""
BESIDE = '    thermometer: {driver: advantech.adam_4015, address: "127.0.0.1:1", channels: {jig: 0}}\n'
"""A rig must measure something; nobody speaks to it."""
LOADING = "nominal_newton: 5000, calibration: {gain: 1, certificate: none, calibrated_on: 2026-01-01}"
KG = f"unit: kg, {LOADING}"
SMU = 'role: potentiostat, serial_number: "04451117", firmware: 1.7.12b'
PROBES = "probes: [{channel: 1, place: jig}, {channel: 4, place: air}]"
DRIVE = "role: mill_drive"
CHILLER = "role: chiller, bath_temperature_C: 15, external_probe: true"

UNITS = {
    "keithley.2450": (f'model: "2450", {SMU}', "tcp", 'serial_number: "04451117"'),
    "keithley.2460": (f'model: "2460", {SMU}', "tcp", 'serial_number: "04451117"'),
    "keithley.2461": (f'model: "2461", {SMU}', "tcp", 'serial_number: "04451117"'),
    "and.indicator": ("model: and_indicator, role: load_cell", "pty", KG),
    "and.indicator_asked": (
        "model: and_indicator, role: load_cell, setup: {streaming: false, bus_address: 5}",
        "tcp",
        f"{KG}, bus_address: 5",
    ),
    "cas.indicator": ("model: and_indicator, role: load_cell, setup: {form: cas}", "tcp", KG),
    "cas.indicator_asked": (
        "model: and_indicator, role: load_cell, setup: {form: cas_and, bus_address: 4, streaming: false}",
        "pty",
        f"{KG}, bus_address: 4",
    ),
    "mettler.sics": ("model: mettler_sics, role: load_cell", "pty", KG),
    "laumas.transmitter": (
        "model: laumas, role: load_cell, setup: {unit: N, decimals: 0, division: 1, capacity: 3000}",
        "pty",
        f"unit: N, {LOADING}",
    ),
    "advantech.adam_4015": (f"model: adam_4015, role: thermometer, {PROBES}", "pty", "channels: {jig: 1, air: 4}"),
    "lakeshore.218": (
        f"model: lakeshore_218, role: thermometer, character: 7O1, {PROBES}",
        "pty",
        "channels: {jig: 1, air: 4}",
    ),
    "espec.chamber": ("model: espec, role: chamber", "tcp", ""),
    "votsch.chamber": ("model: votsch, role: chamber, bus_address: 3", "tcp", "bus_address: 3"),
    "lauda.chiller": (f"model: lauda, {CHILLER}", "pty", ""),
    "julabo.chiller": (
        f"model: julabo, character: '7E1', {CHILLER}",
        "pty",
        "family: circulator, external_probe: true",
    ),
    "huber.chiller": (f"model: huber, {CHILLER}", "tcp", ""),
    "ls.ig5a": (f"model: ls_ig5a, {DRIVE}", "tcp", "highest_rpm: 4000"),
    "ls.s100": (f"model: ls_s100, {DRIVE}", "pty", "highest_rpm: 4000"),
    "delta.vfd": (f"model: delta_vfd, {DRIVE}", "pty", "highest_rpm: 4000"),
}
"""By driver: the instrument of the bench, its cable, and the settings of the station but for its address."""


def station_text(driver: str, address: str, data: Path) -> str:
    """A station with one instrument, at an address."""
    said, _, settings = UNITS[driver]
    role = role_of(said)
    text = STATION.format(data=data, role=role, driver=driver, address=address, settings=settings).replace(", }", "}")
    return text + (BESIDE if role in {"chamber", "chiller"} else "")


def role_of(said: str) -> str:
    """The role in an instrument's line of a bench."""
    return said.partition("role: ")[2].partition(",")[0]
