"""The programs shown on the potentiostat's page are those the driver builds."""

import re
from dataclasses import replace
from pathlib import Path

from drivers.keithley.blocks import block_group
from drivers.keithley.limits import LIMITS_2450
from drivers.keithley.programs import check_program, safe_group, segment_groups
from drivers.roles import SegmentMode, SegmentProgram

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "potentiostat.md").read_text(encoding="utf-8")
LISTINGS = [listing.splitlines() for listing in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)]
TOKEN = "p9383b2_000002"
CHARGE = SegmentProgram(
    current_ampere=0.15e-3,
    current_range_ampere=1e-3,
    until_voltage_volt=3.7,
    lower_guard_volt=1.8,
    upper_guard_volt=3.8,
    duration_second=15 * 3600,
    sampling_second=1,
    cutoff_second=1,
)
DISCHARGE = SegmentProgram(
    current_ampere=-3e-3,
    current_range_ampere=10e-3,
    until_voltage_volt=2.0,
    lower_guard_volt=1.8,
    upper_guard_volt=3.8,
    duration_second=45 * 60,
    sampling_second=1,
    cutoff_second=0.2,
)
HOLD = SegmentProgram(
    mode=SegmentMode.VOLTAGE,
    voltage_volt=3.7,
    current_limit_ampere=1.5e-3,
    until_current_ampere=75e-6,
    current_ampere=0.0,
    current_range_ampere=10e-3,
    until_voltage_volt=None,
    lower_guard_volt=1.8,
    upper_guard_volt=3.8,
    duration_second=7200,
    sampling_second=1,
    cutoff_second=1,
)
SCAN = replace(
    HOLD,
    mode=SegmentMode.SCAN,
    voltage_volt=3.0,
    end_voltage_volt=3.2,
    scan_rate_volt_per_second=1e-3,
    until_current_ampere=None,
)


POWER = replace(DISCHARGE, mode=SegmentMode.POWER, power_watt=-6e-3, duration_second=7200, cutoff_second=1)


def test_the_charge_is_shown_whole():
    check_program(CHARGE, LIMITS_2450)
    settings = segment_groups(TOKEN, CHARGE, LIMITS_2450, buffer_exists=False, terminals="REAR")
    groups = (safe_group(), *settings, block_group(TOKEN, CHARGE))
    assert LISTINGS[0] == [command for group in groups for command in group.commands]


def test_the_blocks_of_the_fast_discharge_are_shown():
    check_program(DISCHARGE, LIMITS_2450)
    assert LISTINGS[1] == list(block_group(TOKEN, DISCHARGE).commands[1:])


def test_the_held_voltage_is_shown_whole():
    check_program(HOLD, LIMITS_2450)
    token = "p9383b2_000003"
    settings = segment_groups(token, HOLD, LIMITS_2450, buffer_exists=False, terminals="REAR")
    groups = (*settings, block_group(token, HOLD))
    assert LISTINGS[2] == [command for group in groups for command in group.commands]


def test_the_blocks_of_the_scan_are_shown():
    check_program(SCAN, LIMITS_2450)
    assert LISTINGS[3] == list(block_group("p9383b2_000004", SCAN).commands[1:])


def test_the_blocks_of_the_power_are_shown():
    check_program(POWER, LIMITS_2450)
    assert LISTINGS[4] == list(block_group("p9383b2_000005", POWER).commands[1:])
