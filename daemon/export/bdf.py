"""The columns of the Battery Data Format that we know, by machine name: label, unit, precision, meaning. Pure.

Source: ontology of the Battery Data Format, version 1.3.0.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

ONTOLOGY_VERSION = "1.3.0"
ONTOLOGY_IRI = "https://w3id.org/battery-data-alliance/ontology/battery-data-format#"

CHARGE_DECIMALS = 12
TIME_DECIMALS = 6


class Labels(StrEnum):
    """Which labels a file may have."""

    ONTOLOGY = "ontology-1.3"
    OLDER = "batterydf-0.1"
    """Those alone that version 0.1.0 of the format's own library knows."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column. `kind` is "float", "integer" or "text"; a `required` one has a value in every row of a file.

    Floats are written with at most `decimals` digits after the point; None writes every digit. `reader_name` is what
    the rows of `daemon.reader` call it, when that is not the machine name.
    """

    machine_name: str
    label: str
    kind: str = "float"
    decimals: int | None = None
    required: bool = False
    known_to_older: bool = True
    reader_name: str = ""
    meaning: str

    @property
    def in_reader(self) -> str:
        """What the rows of `daemon.reader` call it."""
        return self.reader_name or self.machine_name

    @property
    def iri(self) -> str:
        """The term's address in the ontology."""
        return ONTOLOGY_IRI + self.machine_name


def _charge(machine_name: str, label: str, meaning: str, *, known_to_older: bool = False) -> Column:
    return Column(
        machine_name=machine_name,
        label=label,
        decimals=CHARGE_DECIMALS,
        required=True,
        known_to_older=known_to_older,
        meaning=meaning,
    )


COLUMNS = (
    Column(
        machine_name="test_time_second",
        label="Test Time / s",
        decimals=TIME_DECIMALS,
        required=True,
        meaning="run time: seconds since the run began",
    ),
    Column(
        machine_name="unix_time_second",
        label="Unix Time / s",
        decimals=TIME_DECIMALS,
        required=True,
        meaning="the UTC at which the run began, plus run time",
    ),
    Column(machine_name="voltage_volt", label="Voltage / V", required=True, meaning="as measured, never shifted"),
    Column(
        machine_name="current_ampere", label="Current / A", required=True, meaning="as measured; + charges the cell"
    ),
    Column(
        machine_name="cycle_count",
        label="Cycle Count / 1",
        kind="integer",
        required=True,
        meaning="the cycle of the cycle table; 0 before the first half-cycle; a rest belongs to the half before it",
    ),
    Column(
        machine_name="step_count",
        label="Step Count / 1",
        kind="integer",
        required=True,
        meaning="executed passes through steps, from 1; never resets",
    ),
    Column(
        machine_name="step_id",
        label="Step ID",
        kind="integer",
        reader_name="step_number",
        required=True,
        known_to_older=False,
        meaning="the number of the step in the expanded protocol, from 1; the sidecar's `steps` says which that is",
    ),
    Column(
        machine_name="step_type",
        label="Step Type",
        kind="text",
        required=True,
        known_to_older=False,
        meaning="CC_CHG, CC_DCH, CP_CHG, CP_DCH (a power), CV_CHG, CV_DCH, LSV (a voltage scan) or OCV",
    ),
    Column(
        machine_name="step_time_second",
        label="Step Time / s",
        decimals=TIME_DECIMALS,
        required=True,
        known_to_older=False,
        meaning="the instrument's own clock since the step's first row",
    ),
    Column(
        machine_name="record_index",
        label="Record Index / 1",
        kind="integer",
        required=True,
        known_to_older=False,
        meaning="the row's number in the run file, from 1; numbers left out are rows left out",
    ),
    _charge("charging_capacity_ah", "Charging Capacity / Ah", "since the run began; never resets", known_to_older=True),
    _charge(
        "discharging_capacity_ah", "Discharging Capacity / Ah", "since the run began; never resets", known_to_older=True
    ),
    _charge("net_capacity_ah", "Net Capacity / Ah", "charging less discharging capacity", known_to_older=True),
    _charge("cycle_charging_capacity_ah", "Cycle Charging Capacity / Ah", "since the cycle began"),
    _charge("cycle_discharging_capacity_ah", "Cycle Discharging Capacity / Ah", "since the cycle began"),
    _charge("step_charging_capacity_ah", "Step Charging Capacity / Ah", "since the step began"),
    _charge("step_discharging_capacity_ah", "Step Discharging Capacity / Ah", "since the step began"),
    _charge("charging_energy_wh", "Charging Energy / Wh", "since the run began; never resets", known_to_older=True),
    _charge(
        "discharging_energy_wh", "Discharging Energy / Wh", "since the run began; never resets", known_to_older=True
    ),
    Column(
        machine_name="surface_pressure_pa",
        label="Surface Pressure / Pa",
        known_to_older=False,
        meaning="stack pressure, calibrated: the load cell's last reading before the row, if it is recent",
    ),
    Column(
        machine_name="ambient_temperature_celsius",
        label="Ambient Temperature / degC",
        meaning="the air around the jig: last reading before the row, if it is recent",
    ),
    Column(
        machine_name="temperature_t1_celsius",
        label="Temperature T1 / degC",
        known_to_older=False,
        meaning="the jig's own sensor: last reading before the row, if it is recent",
    ),
)
"""In the order of a file's columns."""

BY_MACHINE_NAME = {column.machine_name: column for column in COLUMNS}
BY_LABEL = {column.label: column for column in COLUMNS}


def columns_of(labels: Labels) -> tuple[Column, ...]:
    """The columns a file with these labels may have."""
    return tuple(column for column in COLUMNS if column.known_to_older or labels is Labels.ONTOLOGY)
