"""What `presscell plan --interlocks` and the page on protocols say of the safety table."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from daemon.cli.interlocks import interlock_rows
from daemon.compile import load_plan
from daemon.compiling.bounds import bounds_for
from daemon.compiling.interlock_table import interlock_table
from drivers.keithley.limits import LIMITS_2450
from protocols.settings import Safety

REPOSITORY = Path(__file__).parents[2]
BM05 = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
PAGE = (REPOSITORY / "docs" / "reference" / "protocol.md").read_text()
PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}
safety: {max_pressure_MPa: 15}
method:
  - {step: cycle, rate_C: [0.1, 2]}
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, list[str]]:
    """The cells of each row of the table as it is printed, by name."""
    plan, _ = load_plan(PROTOCOL, "p.yaml", BM05, "c.yaml", LIMITS_2450, station_safety=[Safety(max_temperature_C=60)])
    printed = io.StringIO()
    Console(file=printed, width=140).print(interlock_rows(plan))
    rows = (
        [cell.strip() for cell in line.strip("│").split("│")] for line in printed.getvalue().splitlines() if "│" in line
    )
    return {row[0]: row[1:] for row in rows}


def test_every_interlock_is_printed_on_one_line(shown: dict[str, list[str]]) -> None:
    bounds = bounds_for(None, largest_ampere=0.003, active_mass_gram=0.0075, slowest_sampling_second=1.0)
    assert [*shown] == [*(row.name for row in interlock_table(bounds)), "half_cycle_time"]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("voltage_low", ["voltage under current", "1.8 V", "", "trip", "", "default"]),
        ("current_high", ["current", "", "3.6 mA", "trip", "", "default"]),
        ("pressure_high", ["stack pressure", "", "15 MPa", "trip", "3", "protocol"]),
        ("jig_temperature_high", ["jig temperature", "", "60 °C", "trip", "3", "station"]),
        ("jig_temperature_drifts", ["jig temperature from its setpoint", "-2 K", "2 K", "warn", "3", "default"]),
        (
            "jig_temperature_unknown",
            ["jig temperature not read for", "", "10 min", "hold after the half-cycle", "", "default"],
        ),
        ("pressure_stale", ["stack pressure not read for", "", "5 s", "not shown", "", "default"]),
        ("voltage_stuck", ["voltage under current, unchanged", "", "", "warn", "60", "default"]),
        ("half_cycle_time", ["time of a half-cycle, 1.5 times 1/C", "", "45 min to 15 h", "hold", "", "default"]),
    ],
)
def test_a_row_says_what_is_bound_and_what_then(shown: dict[str, list[str]], name: str, row: list[str]) -> None:
    assert shown[name] == row


def test_the_page_names_every_interlock_and_every_key() -> None:
    bounds = bounds_for(None, largest_ampere=0.003, active_mass_gram=0.0075, slowest_sampling_second=1.0)
    names = [row.name for row in interlock_table(bounds)]
    assert [name for name in names if f"`{name}`" not in PAGE] == []
    documented = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Safety")[2], re.MULTILINE)
    assert [name for name in documented if name not in (*names, "half_cycle_time", *Safety.model_fields)] == []
