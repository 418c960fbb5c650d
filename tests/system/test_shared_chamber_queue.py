"""Two rigs of one station in one chamber, with real processes: refused, queued, begun in turn, never in conflict."""

import json
import re
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daemon.crash_points import EXIT_CODE, VARIABLE
from daemon.events import ChamberSet, decode_event
from daemon.service.asking import RefusedByDaemonError
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from tests.support.host import Host
from tests.support.station import CELL

HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
REFUSED = 4
BESIDE = {"rig1": "potentiostat", "rig2": "thermometer"}
"""One bench has one cell; what the two rigs have of it, beside its chamber."""


def at(celsius: float, hours: float) -> str:
    rest = f"  - {{step: open_circuit_voltage, id: rest, until_time: {hours:g} h}}\n"
    return f"{HEAD}  - {{step: set, temperature_C: {celsius:g}}}\n{rest}"


WARM, COLD = at(40, 480), at(25, 0.1)


@pytest.fixture
def make_host(tmp_path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(pace: float = 60.0, warn_at: str = "") -> Host:
        host = Host(tmp_path, pace=pace, bench_file="single.yaml", rigs={})
        hosts.append(host)
        host.start_bench()
        host.write_station_with_oven(BESIDE, warn_at)
        return host

    yield make
    for host in hosts:
        host.close()


def rig(host: Host, name: str) -> dict[str, Any]:
    """What the daemon says of a rig."""
    return next(said for said in host.asked("status") if said["rig"] == name)


def begun(host: Host, protocol: str, name: str, **words: Any) -> str:
    """The id of a run that has begun, or waits."""
    sources = {"protocol_name": "p.yaml", "cell_name": "c.yaml", "cell_text": CELL.read_text()}
    said = host.asked("run", rig=name, protocol_text=protocol, **sources, **words)
    return said["run_id"] if isinstance(said, dict) else said


def refusal(host: Host, protocol: str, name: str) -> str:
    with pytest.raises(RefusedByDaemonError) as refused:
        begun(host, protocol, name)
    return str(refused.value)


def setpoints(host: Host, run_id: str) -> list[float]:
    events = (decode_event(entry.body) for entry in read_journal(host.data / run_id / "run.sqlite"))
    return [event.temperature_celsius for event in events if isinstance(event, ChamberSet)]


def potentiostat_says(host: Host, line: str) -> str:
    """What it answers when somebody speaks to it by hand; nothing to what is no question."""
    place, _, port = host.hello["cables"]["potentiostat"]["address"].rpartition(":")
    with socket.create_connection((place, int(port))) as connection, connection.makefile("rw") as lines:
        lines.write(f"{line}\n")
        lines.flush()
        if not line.endswith("?"):
            lines.write("*OPC?\n")
            lines.flush()
        return lines.readline().strip()


def test_another_setpoint_is_refused_or_waits_and_the_same_one_is_shared(make_host):
    host = make_host(pace=600.0)
    host.serve()
    first = host.run(WARM, rig="rig1")
    path = host.command_line.write("refused.yaml", COLD)
    done = host.ask("run", str(path), "--rig", "rig2", "--cell", str(CELL))
    assert done.returncode == REFUSED, done.stderr
    why = rf"oven1 is held at 40 °C by rig1 \({first}\), for about 4[\d.]+ h more; this run gives it 25 °C\. .*--queue"
    assert re.search(why, done.stderr)

    second = host.run(COLD, "--queue", rig="rig2")
    said = rig(host, "rig2")
    assert (said["state"], said["run_id"]) == ("waiting", second)
    assert said["reason"].endswith("for 24 h at most")
    assert f"{second} waits on rig2" in refusal(host, at(40, 1), "rig2")
    done = host.ask("stop", "rig2")
    assert done.returncode == 0, done.stderr
    said = rig(host, "rig2")
    assert said["state"] == "free"
    assert f"{second} left the queue" in said["reason"]

    third = host.run(COLD, "--queue", "--longest-wait", "20 min", rig="rig2")
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    said = rig(host, "rig2")["reason"]
    assert f"{third} left the queue: it waited 20 min, which was its longest: oven1 is held at 40 °C by rig1" in said

    fourth = begun(host, at(40, 1), "rig2")
    host.wait_for(lambda: setpoints(host, fourth) == [40.0])
    assert rig(host, "rig1")["run_id"] == first
    assert len(list(host.data.glob("*/run.sqlite"))) == 2


def test_a_queued_run_begins_when_the_chamber_is_free_and_not_before(make_host):
    host = make_host(pace=600.0)
    host.serve()
    first = begun(host, WARM, "rig1")
    second = begun(host, COLD, "rig2", longest_wait_second=21600.0)
    assert "place 1 of 1 for oven1: oven1 is held at 40 °C by rig1" in rig(host, "rig2")["reason"]
    assert not (host.data / second).exists()
    host.asked("stop", rig="rig1")
    host.wait_for(lambda: (host.data / second / "run.sqlite").exists() and setpoints(host, second) == [25.0])
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    assert setpoints(host, first) == [40.0]
    rows = read_rows(host.data / second / "run.sqlite", "temperature")["setpoint_temperature_celsius"]
    assert rows.iloc[0] in {40.0, 25.0}, "the stop of another rig has not touched the chamber"
    assert rows.iloc[-1] == 25.0


def test_leases_and_queue_outlive_kill_9_also_as_a_run_leaves_the_queue(make_host):
    """The second daemon dies when the run's file is made and the run is still in the queue."""
    host = make_host(pace=600.0)
    daemon = host.serve()
    first = begun(host, WARM, "rig1")
    second = begun(host, COLD, "rig2", longest_wait_second=86400.0)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    host.more = {VARIABLE: "run_file_made:1"}
    daemon = host.serve()
    assert (rig(host, "rig1")["run_id"], rig(host, "rig2")["run_id"]) == (first, second)
    assert "oven1 is held at 40 °C by rig1" in rig(host, "rig2")["reason"]
    host.asked("stop", rig="rig1")
    assert host.ended(daemon) == EXIT_CODE
    assert (host.data / second / "run.sqlite").exists()
    host.more = {}
    host.serve()
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    assert setpoints(host, second) == [25.0]
    assert len(list(host.data.glob("*/run.sqlite"))) == 2
    begun(host, at(40, 0.1), "rig1")


def test_a_waiting_cell_is_at_open_circuit_whatever_it_was_before(make_host):
    host = make_host()
    host.serve()
    begun(host, WARM, "rig2")
    potentiostat_says(host, ":OUTP ON")
    assert potentiostat_says(host, ":OUTP?") == "1"
    begun(host, COLD, "rig1", longest_wait_second=86400.0)
    assert potentiostat_says(host, ":OUTP?") == "0"
    potentiostat_says(host, ":OUTP ON")
    host.wait_for(lambda: potentiostat_says(host, ":OUTP?") == "0")
    assert rig(host, "rig1")["state"] == "waiting"


def test_relay_and_jig_are_counted_once_however_often_the_daemon_dies(make_host):
    host = make_host(pace=600.0, warn_at="    warn_at: {jig_hours: 0.01}\n")
    daemon = host.serve()
    begun(host, at(40, 0.2), "rig1")
    host.wait_for(lambda: rig(host, "rig1")["state"] == "free")
    begun(host, COLD, "rig2")
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    counted = usage(host)
    segments = len(list(segments_of(host, "rig1")))
    assert counted[("KEITHLEY INSTRUMENTS 2450 04451117", "relay_operations")] == 2 * segments
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    host.serve()
    done = host.ask("usage", "--json")
    assert done.returncode == 0, done.stderr
    assert by_counter(json.loads(done.stdout)) == usage(host) == counted
    assert "jig_hours" in rig(host, "rig2")["usage"][0]


def test_an_append_that_comes_to_nothing_keeps_no_lease(make_host):
    host = make_host(pace=600.0)
    host.serve()
    ended = begun(host, COLD, "rig2")
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    begun(host, at(25, 480), "rig2")
    text = f"{COLD}  - {{step: open_circuit_voltage, id: more, until_time: 1 h}}\n"
    words = {"run_id": ended, "protocol_name": "p.yaml", "protocol_text": text}
    agreement = host.asked("edit", **words)["agreement"]
    with pytest.raises(RefusedByDaemonError, match="rig2 is busy"):
        host.asked("edit", agreement=agreement, **words)
    host.asked("stop", rig="rig2")
    host.wait_for(lambda: rig(host, "rig2")["state"] == "free")
    begun(host, WARM, "rig1")


def by_counter(totals: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    return {(one["subject"], one["counter"]): one["amount"] for one in totals}


def usage(host: Host) -> dict[tuple[str, str], float]:
    return by_counter(host.asked("usage"))


def segments_of(host: Host, name: str) -> Iterator[str]:
    for path in host.data.glob("*/run.sqlite"):
        if host.header(path.parent.name).rig == name:
            yield from (entry.kind for entry in read_journal(path) if entry.kind == "segment_ended")
