"""`presscell plan --expanded`: the core steps, and which of their ends run where."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import presscell

PROTOCOL = """
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: tag, tag: again}
  - {step: wait_for, id: alone, temperature_C: 25, within_C: 1, for: 10 min, timeout: 5 h}
  - {step: constant_current, id: dose, rate_C: 1, until_capacity_mAh_g: 50, until_voltage_V: 3.7, until_energy_mWh: 2}
  - step: cycle
    id: life
    rate_C: 2
    cycle_count: 3
    stop_if: {retention_percent: "< 60", relative_to: first}
    limits: [{when: [{var: pressure_MPa, op: ">", value: 15}], goto: again, at_most: 2}]
"""


@pytest.fixture
def cells_by_step(tmp_path: Path) -> dict[str, list[str]]:
    path = tmp_path / "p.yaml"
    path.write_text(PROTOCOL)
    shown = CliRunner().invoke(presscell, ["plan", str(path), "--expanded"])
    assert shown.exit_code == 0, shown.output
    by_step: dict[str, list[str]] = {}
    name = ""
    for line in shown.stdout.splitlines():
        if not line.startswith("│"):
            continue
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        name = name if not cells[0] else cells[1]
        before = by_step.get(name, [""] * len(cells))
        by_step[name] = [" ".join(filter(None, pair)) for pair in zip(before, cells, strict=True)]
    return by_step


def test_ends_stand_where_they_run(cells_by_step: dict[str, list[str]]) -> None:
    _, _, what, by_instrument, by_host, *_ = cells_by_step["dose"]
    assert what == "charge 1 C, +1.5 mA"
    assert by_instrument.startswith("3.7 V or 0.375 mAh")
    assert by_host == "energy_watt_hour >= 0.002"
    _, _, what, by_instrument, by_host, *_ = cells_by_step["alone"]
    assert (what, by_instrument) == ("left alone", "")
    assert by_host.startswith("5 h")


def test_limits_say_where_they_lead(cells_by_step: dict[str, list[str]]) -> None:
    assert cells_by_step["life/charge"][4] == "surface_pressure_pa > 1.5e+07 → alone, 2 times at most"
    assert cells_by_step["life/loop"][4] == "retention < 0.6, 3 cycles running → end"
