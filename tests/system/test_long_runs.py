"""Days alone on real instruments need an accepted driver, or somebody who says why not; it stays with the run."""

import hashlib
import signal

import pytest
from click.testing import CliRunner

from daemon.cli import presscell
from tests.support.host import Host
from tests.support.station import CELL

WEEKS = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: life, rate_C: 0.1, cycle_count: 30}
"""
ACCEPTED = (
    "acceptance: {accepted_on: 2026-11-01, by: us, dummy_hours: 48, cycles_compared: 20, worst_deviation_percent: 0.05}"
)


@pytest.fixture
def host(tmp_path):
    """The station file has no bench in it: to the daemon these instruments are real."""
    host = Host(tmp_path, own_clock=True, supervise_every_s=1)
    host.start_bench()
    yield host
    host.close()


def test_weeks_are_refused_taken_on_or_accepted(host):
    daemon = host.serve()
    protocol = host.command_line.write("weeks.yaml", WEEKS)
    done = host.ask("run", str(protocol), "--rig", "rig1", "--cell", str(CELL))
    assert done.returncode == 4
    said = " ".join(done.stderr.split())
    assert "this run takes about 480 h" in said
    assert "no acceptance of keithley.2450. Run the list" in said
    assert '--without-acceptance "why"' in said
    assert [said["bench_second"] for said in host.bench_log("output")] == [0], "something was switched"
    assert list(host.data.glob("*/")) == []

    taken_on = host.run(WEEKS, "--without-acceptance", "a spare cell")
    assert host.ask("stop", "--rig", "rig1").returncode == 0
    host.wait_for(lambda: host.is_over)
    daemon.send_signal(signal.SIGTERM)
    assert host.ended(daemon) == 0
    station = host.folder / "station.yaml"
    station.write_text(station.read_text().replace("serial_number", f"{ACCEPTED}, serial_number"))
    host.serve()
    accepted = host.run(WEEKS, "--without-acceptance", "not needed")
    assert host.header(taken_on).without_acceptance == "a spare cell"
    assert host.header(accepted).without_acceptance == ""
    sha256 = hashlib.sha256(station.read_bytes()).hexdigest()
    assert host.header(accepted).station_sha256 == sha256
    assert host.header(taken_on).station_sha256 != sha256
    shown = CliRunner().invoke(presscell, ["runs", "--data", str(host.data)], env={"COLUMNS": "300"}).stdout
    assert [line.split()[1] for line in shown.splitlines() if "WITHOUT ACCEPTANCE" in line] == [taken_on]
