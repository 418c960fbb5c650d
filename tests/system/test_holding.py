"""Runs that are held and go on, with real processes: by a person, after an outage, with another instrument in place."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from daemon.deciding.preflight import PREFLIGHT
from daemon.deciding.resuming import RECOVERY
from daemon.events import Noticed, decode_event
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from tests.support.host import Host

PACE, FAST = 60.0, 1500.0
"""A half-cycle takes 20 s, so that words come in time; and one second."""
HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
CYCLE = "  - {step: cycle, id: fast, rate_C: 2, cycle_count: 1}\n"
CYCLING = HEAD + "  - {step: open_circuit_voltage, id: rest, until_time: 60 s}\n" + CYCLE
WARM = (
    HEAD
    + "  - {step: equilibrate, id: warm, temperature_C: 55, within_C: 1, for: 10 min, timeout: 6 h, on_timeout: hold}\n"
    + CYCLE
)
HOUR = 3600.0
REFUSED = 4


@pytest.fixture
def make_host(tmp_path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(**settings: Any) -> Host:
        host = Host(tmp_path, **{"pace": PACE, **settings})
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()


def rig(host: Host) -> dict[str, Any]:
    (said,) = host.status()
    return said


def asked(host: Host, *words: str) -> None:
    done = host.ask(*words)
    assert done.returncode == 0, done.stderr


def steps_without_recovery(host: Host) -> list[str]:
    return [
        segment.step_id for segment in host.result().segments if not segment.step_id.endswith((RECOVERY, PREFLIGHT))
    ]


def assert_no_row_is_missing(host: Host) -> None:
    rows = read_rows(host.run_path, "cell")
    assert (np.diff(rows["seq"]) == 1).all()
    assert host.bench_log("excursion_begin") == []


def test_run_is_paused_survives_its_daemon_and_goes_on(make_host):
    host = make_host()
    daemon = host.serve()
    run_id = host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 100)
    asked(host, "pause", "rig1")
    host.wait_for(lambda: rig(host)["phase"] == "holding")
    assert host.bench_log("output")[-1]["relay"] == "open"
    daemon.kill()
    daemon.wait(30)
    host.pace = FAST
    host.write_station()
    host.serve()
    host.wait_for(lambda: rig(host)["resume_count"] == 1 and rig(host)["phase"] == "holding")
    assert rig(host)["reason"].startswith("paused by ")
    assert [line["output"] for line in host.bench_log("output")][-1] == "off"
    asked(host, "resume", "--rig", "rig1")
    host.wait_for(lambda: host.is_over)
    result = host.result()
    assert (result.outcome, result.header.run_id) == ("completed", run_id)
    assert steps_without_recovery(host) == ["rest", "fast/charge", "fast/charge", "fast/discharge"]
    cut, rest_of_it = (segment for segment in result.segments if segment.step_id == "fast/charge")
    assert (cut.ended_by, rest_of_it.ended_by, rest_of_it.continues) == ("paused", "voltage", True)
    (cycle,) = result.cycles
    assert (cycle.flags, cycle.coulombic_efficiency_percent) == (("interrupted",), None)
    charge_ampere_hour = cut.charge_ampere_hour + rest_of_it.charge_ampere_hour
    capacity_mAh_g = 1000 * charge_ampere_hour / result.plan.cell.active_mass_gram
    assert cycle.charge_capacity_mAh_g == pytest.approx(capacity_mAh_g)
    assert_no_row_is_missing(host)


def test_held_run_is_skipped_on_and_stopped(make_host):
    host = make_host()
    host.serve()
    host.run(CYCLING + "  - {step: open_circuit_voltage, id: long, until_time: 10 h}\n")
    host.wait_for(lambda: host.rows("cell") > 100)
    assert host.ask("skip", "rig1").returncode == REFUSED
    assert host.ask("resume", "rig1").returncode == REFUSED
    asked(host, "pause", "rig1")
    host.wait_for(lambda: rig(host)["phase"] == "holding")
    assert host.ask("pause", "rig1").returncode == REFUSED
    asked(host, "skip", "rig1")
    host.wait_for(lambda: rig(host)["phase"] == "measuring")
    asked(host, "pause", "rig1")
    host.wait_for(lambda: rig(host)["phase"] == "holding")
    asked(host, "stop", "rig1")
    host.wait_for(lambda: host.is_over)
    assert host.result().outcome == "stopped"


def test_jig_is_brought_back_to_its_temperature_before_the_run_goes_on(make_host):
    """The daemon is dead for an hour, in which the charge ends by itself."""
    host = make_host(
        pace=FAST,
        on_owner_lost="run_on",
        bench_file="warm.yaml",
        rigs={"rig1": ("potentiostat", "thermometer", "chamber")},
    )
    daemon = host.serve()
    host.run(WARM)
    host.wait_for(lambda: host.run_path.exists() and host.rows("cell") > 700)
    host.wait_for(lambda: rig(host)["step_id"] == "fast/charge" and rig(host)["phase"] == "measuring")
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(30)
    host.wait_on_bench(host.ask_bench("hello")["now_second"] + HOUR)
    assert host.ended(host.serve("--until-idle"), within_second=90) == 0
    result = host.result()
    assert result.outcome == "completed", result.run.why
    assert [segment.step_id for segment in result.segments] == [
        *("warm", "fast/charge", "fast/discharge/recovery", "fast/discharge")
    ]
    charge, recovery, discharge = result.segments[1:]
    assert (charge.ended_by, recovery.ended_by, discharge.interrupted) == ("voltage", "equilibrated", True)
    assert recovery.end_run_time_second - recovery.start_run_time_second >= 600
    assert result.cycles[0].flags == ("interrupted",)
    (told,) = (
        event.text
        for event in (decode_event(entry.body) for entry in read_journal(host.run_path))
        if isinstance(event, Noticed) and event.what == "went_on"
    )
    assert "rested voltage" in told
    assert_no_row_is_missing(host)


def test_rig_with_another_instrument_is_held_and_tried_again_without_a_new_daemon(make_host):
    host = make_host()
    daemon = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 100)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(30)
    host.ask_bench("fault", cable="potentiostat", kind="swap_serial", serial_number="01234567")
    host.serve()
    said = rig(host)
    assert said["state"] == "held"
    assert "expected KEITHLEY INSTRUMENTS 2450 04451117, found KEITHLEY INSTRUMENTS 2450 01234567" in said["reason"]
    refused = host.ask("resume", "rig1")
    assert refused.returncode == REFUSED
    assert "01234567" in refused.stderr
    host.ask_bench("fault", cable="potentiostat", kind="swap_serial", serial_number="04451117")
    asked(host, "resume", "rig1")
    assert rig(host)["state"] == "running"


def test_rig_whose_instrument_comes_later_is_taken_up_by_itself(make_host):
    """After a power failure the PC is often there first."""
    host = make_host(pace=400.0)
    daemon = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 100)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(30)
    host.ask_bench("fault", cable="potentiostat", kind="cut")
    host.serve()
    assert rig(host)["state"] == "held"
    host.ask_bench("fault", cable="potentiostat", kind="heal")
    host.wait_for(lambda: rig(host)["state"] != "held")
    host.wait_for(lambda: host.is_over)
    assert host.result().outcome == "completed"
    assert_no_row_is_missing(host)
